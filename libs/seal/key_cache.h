#ifndef FETTLE_LIBS_SEAL_KEY_CACHE_H_
#define FETTLE_LIBS_SEAL_KEY_CACHE_H_

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/seal/sealer.h"

namespace fettle::seal {

struct KeyCacheOptions {
  // The longest that an erased person's key may live here when the event that tells of it is late.
  absl::Duration key_age_max = absl::Minutes(5);
  // When full, the key that came first makes room.
  size_t key_entries_max = 20'000;
};

// Keys of people that a service has fetched, one version a person. Thread safe. Keys are handed
// out shared, and overwritten when the cache has dropped them and the last user has let go.
class KeyCache {
 public:
  // The clock must outlive the cache.
  KeyCache(KeyCacheOptions options, const base::Clock* clock);

  // nullptr: never put, dropped, or older than key_age_max (then it is dropped here).
  std::shared_ptr<const PersonKey> Find(std::string_view person_id);

  // Takes the place of the person's earlier key; its age counts from now.
  void Put(std::shared_ptr<const PersonKey> key);

  // On PersonErased. A fetch that was under way may still put the key; its age ends that.
  void Drop(std::string_view person_id);

  size_t size() const;

 private:
  struct Held {
    std::shared_ptr<const PersonKey> key;
    absl::Time put_time;
  };
  using ByAge = std::list<Held>;

  void DropAged(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropHeld(std::string_view person_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const KeyCacheOptions options_;
  const base::Clock* const clock_;

  mutable absl::Mutex mutex_;
  ByAge by_age_ ABSL_GUARDED_BY(mutex_);  // oldest first
  std::map<std::string, ByAge::iterator, std::less<>> held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fettle::seal

#endif  // FETTLE_LIBS_SEAL_KEY_CACHE_H_
