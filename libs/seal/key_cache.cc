#include "libs/seal/key_cache.h"

#include <iterator>
#include <utility>

namespace fettle::seal {

KeyCache::KeyCache(KeyCacheOptions options, const base::Clock* clock)
    : options_(options), clock_(clock) {}

std::shared_ptr<const PersonKey> KeyCache::Find(std::string_view person_id) {
  const absl::Time now = clock_->Now();
  absl::MutexLock lock(&mutex_);
  DropAged(now);
  const auto it = held_.find(person_id);
  return it == held_.end() ? nullptr : it->second->key;
}

void KeyCache::Put(std::shared_ptr<const PersonKey> key) {
  const absl::Time now = clock_->Now();
  absl::MutexLock lock(&mutex_);
  DropAged(now);
  DropHeld(key->person_id);
  const std::string person_id = key->person_id;
  by_age_.push_back({std::move(key), now});
  held_.emplace(person_id, std::prev(by_age_.end()));
  while (by_age_.size() > options_.key_entries_max) DropHeld(by_age_.front().key->person_id);
}

void KeyCache::Drop(std::string_view person_id) {
  absl::MutexLock lock(&mutex_);
  DropHeld(person_id);
}

size_t KeyCache::size() const {
  absl::MutexLock lock(&mutex_);
  return by_age_.size();
}

void KeyCache::DropAged(absl::Time now) {
  while (!by_age_.empty() && now - by_age_.front().put_time >= options_.key_age_max) {
    DropHeld(by_age_.front().key->person_id);
  }
}

void KeyCache::DropHeld(std::string_view person_id) {
  const auto it = held_.find(person_id);
  if (it == held_.end()) return;
  by_age_.erase(it->second);
  held_.erase(it);
}

}  // namespace fettle::seal
