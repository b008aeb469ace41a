#include "libs/journal/sqlite_entries.h"

#include <algorithm>
#include <bit>
#include <map>
#include <tuple>
#include <utility>

#include "absl/hash/hash.h"
#include "libs/base/status.h"

namespace fettle::journal {
namespace {

using sqlite::Database;
using sqlite::ForEach;
using sqlite::PrepareAll;

// Rows that were moved are dropped faster than others come.
constexpr int64_t kDroppedPerAppended = 2;
// Of the filter of unique keys: 2 MiB at least, enough for the first million; 32 MiB at most.
constexpr int64_t kFilterBitsMin = 1 << 24;
constexpr int64_t kFilterBitsMax = 1 << 28;
constexpr int kFilterBitsPerKey = 20;
constexpr int kFilterProbes = 4;

// Of a row of held, sort, stream, position, fact.
StoredEntry EntryOf(sqlite::Statement& query, int index, std::string_view key, bool unique) {
  return {.index = index,
          .key = std::string(key),
          .sort = std::string(query.Bytes(1)),
          .stream = std::string(query.Bytes(2)),
          .unique = unique,
          .fact = query.Int(4) != 0,
          .position = query.Int(3)};
}

size_t HashOf(int index, std::string_view key) {
  return absl::Hash<std::pair<int, std::string_view>>()({index, key});
}

// The bits of a key, until `see` says no to one; whether it never did.
template <class Words, class See>
bool ForEachBit(Words& words, int index, std::string_view key, See see) {
  const uint64_t hash = HashOf(index, key);
  const uint64_t step = (hash >> 32) | 1;
  for (int i = 0; i < kFilterProbes; ++i) {
    const uint64_t place = (hash + i * step) & (words.size() * 64 - 1);
    if (!see(words[place / 64], uint64_t{1} << (place % 64))) return false;
  }
  return true;
}

// Some bytes of a key as a number, the first one the highest; where the key has ended, zeros.
uint64_t Number(std::string_view key, size_t from, size_t bytes) {
  uint64_t number = 0;
  for (size_t i = from; i < from + bytes; ++i) {
    number = number << 8 | (i < key.size() ? static_cast<unsigned char>(key[i]) : 0);
  }
  return number;
}

}  // namespace

RecentKeys::RecentKeys(int64_t first, int64_t rows) : first_(first) {
  places_.reserve(rows);
  newest_.reserve(rows);
}

void RecentKeys::Add(int index, std::string_view key) {
  const uint64_t index_and_key = static_cast<uint64_t>(index) << 48 | Number(key, 0, 6);
  const uint32_t more_of_key = static_cast<uint32_t>(Number(key, 6, 4));
  absl::MutexLock lock(&mutex_);
  uint32_t& newest = newest_[HashOf(index, key)];
  places_.push_back({index_and_key, more_of_key, newest});
  newest = static_cast<uint32_t>(places_.size());
}

void RecentKeys::RemoveLast(int index, std::string_view key) {
  absl::MutexLock lock(&mutex_);
  const auto it = newest_.find(HashOf(index, key));
  it->second = places_.back().before;
  if (it->second == 0) newest_.erase(it);
  places_.pop_back();
}

absl::InlinedVector<int64_t, 2> RecentKeys::RowsOf(int index, std::string_view key) const {
  absl::InlinedVector<int64_t, 2> rows;
  absl::MutexLock lock(&mutex_);
  const auto it = newest_.find(HashOf(index, key));
  if (it == newest_.end()) return rows;
  for (uint32_t place = it->second; place != 0; place = places_[place - 1].before) {
    rows.push_back(first_ + place - 1);
  }
  return rows;
}

int64_t RecentKeys::size() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int64_t>(places_.size());
}

std::vector<uint32_t> RecentKeys::InOrder() const {
  std::vector<std::pair<uint64_t, uint64_t>> keys;  // each with its row at the end
  {
    absl::MutexLock lock(&mutex_);
    keys.reserve(places_.size());
    for (const Place& place : places_) {
      keys.emplace_back(place.index_and_key, uint64_t{place.more_of_key} << 32 | keys.size());
    }
  }
  std::sort(keys.begin(), keys.end());
  std::vector<uint32_t> rows;
  rows.reserve(keys.size());
  for (const auto& [high, low] : keys) rows.push_back(static_cast<uint32_t>(low));
  return rows;
}

KeyFilter::KeyFilter(int64_t keys)
    : words_(std::bit_ceil(static_cast<uint64_t>(
                 std::clamp(keys * kFilterBitsPerKey, kFilterBitsMin, kFilterBitsMax))) /
             64) {}

void KeyFilter::Add(int index, std::string_view key) {
  ForEachBit(words_, index, key, [](uint64_t& word, uint64_t bit) {
    word |= bit;
    return true;
  });
}

bool KeyFilter::MayHold(int index, std::string_view key) const {
  return ForEachBit(words_, index, key,
                    [](uint64_t word, uint64_t bit) { return (word & bit) != 0; });
}

absl::Status EntryLookup::Prepare(Database& db) {
  return PrepareAll(
      db, {{&recent_unique_,
            "SELECT held, sort, stream, position, fact FROM recent_entry"
            " WHERE row = ?1 AND idx = ?2 AND key = ?3 AND listed = 0"},
           {&unique_,
            "SELECT 1, sort, stream, position, fact FROM unique_entry WHERE idx = ?1 AND key = ?2"},
           {&recent_listed_,
            "SELECT held, sort, stream, position, fact FROM recent_entry"
            " WHERE row = ?1 AND idx = ?2 AND key = ?3 AND listed = 1"},
           {&listed_,
            "SELECT 1, sort, stream, position, fact FROM entry"
            " WHERE idx = ?1 AND key = ?2 AND (sort, stream) > (?3, ?4)"
            " ORDER BY sort, stream LIMIT ?5"}});
}

absl::StatusOr<std::optional<StoredEntry>> EntryLookup::Find(const RecentGenerations& recent,
                                                             int index, std::string_view key,
                                                             bool moved) {
  std::optional<StoredEntry> found;
  const auto take = [&](sqlite::Statement& query) {
    if (query.Int(0) != 0) found = EntryOf(query, index, key, /*unique=*/true);
  };
  for (const auto& keys : {recent.gathering, recent.moving}) {
    if (keys == nullptr) continue;
    for (const int64_t row : keys->RowsOf(index, key)) {
      bool seen = false;
      FETTLE_RETURN_IF_ERROR(
          ForEach(recent_unique_.BindInt(1, row).BindInt(2, index).BindBlob(3, key), [&] {
            seen = true;
            take(recent_unique_);
          }));
      if (seen) return found;
    }
  }
  if (moved) {
    FETTLE_RETURN_IF_ERROR(
        ForEach(unique_.BindInt(1, index).BindBlob(2, key), [&] { take(unique_); }));
  }
  return found;
}

absl::StatusOr<EntryPage> EntryLookup::List(const RecentGenerations& recent, int index,
                                            std::string_view key, std::string_view after_sort,
                                            std::string_view after_stream, int limit) {
  std::vector<int64_t> rows;  // newest first
  for (const auto& keys : {recent.gathering, recent.moving}) {
    if (keys == nullptr) continue;
    const auto of_key = keys->RowsOf(index, key);
    rows.insert(rows.end(), of_key.begin(), of_key.end());
  }
  // One more than the page holds tells whether there is more; each recent row may say that one of
  // those found is not there any more.
  const int64_t wanted = int64_t{limit} + 1 + static_cast<int64_t>(rows.size());
  std::map<std::pair<std::string, std::string>, StoredEntry> found;
  const auto put = [&](StoredEntry entry) {
    if (std::tie(entry.sort, entry.stream) <= std::tie(after_sort, after_stream)) return;
    const auto [it, is_new] = found.try_emplace({entry.sort, entry.stream}, entry);
    if (!is_new) it->second.fact |= entry.fact;
  };
  FETTLE_RETURN_IF_ERROR(ForEach(listed_.BindInt(1, index)
                                     .BindBlob(2, key)
                                     .BindBlob(3, after_sort)
                                     .BindBlob(4, after_stream)
                                     .BindInt(5, wanted),
                                 [&] { put(EntryOf(listed_, index, key, /*unique=*/false)); }));
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    FETTLE_RETURN_IF_ERROR(
        ForEach(recent_listed_.BindInt(1, *row).BindInt(2, index).BindBlob(3, key), [&] {
          StoredEntry entry = EntryOf(recent_listed_, index, key, /*unique=*/false);
          if (recent_listed_.Int(0) != 0) return put(std::move(entry));
          const auto it = found.find({entry.sort, entry.stream});
          if (it != found.end() && !it->second.fact) found.erase(it);
        }));
  }
  FETTLE_ASSIGN_OR_RETURN(std::optional<StoredEntry> unique, Find(recent, index, key));
  if (unique.has_value()) put(*std::move(unique));
  EntryPage page;
  page.more = found.size() > static_cast<size_t>(limit);
  for (auto& [place, entry] : found) {
    if (page.entries.size() == static_cast<size_t>(limit)) break;
    page.entries.push_back(std::move(entry));
  }
  return page;
}

absl::Status Entries::Open(Database& db, int64_t recent_max) {
  recent_max_ = recent_max;
  FETTLE_RETURN_IF_ERROR(lookup_.Prepare(db));
  FETTLE_RETURN_IF_ERROR(PrepareAll(
      db, {{&append_,
            "INSERT INTO recent_entry (row, held, idx, key, sort, stream, position, fact, listed)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"},
           {&row_,
            "SELECT held, sort, stream, position, fact, idx, key, listed FROM recent_entry"
            " WHERE row = ?1"},
           {&drop_, "DELETE FROM recent_entry WHERE row < ?1"},
           {&put_unique_,
            "REPLACE INTO unique_entry (idx, key, sort, stream, position, fact)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"},
           {&delete_unique_, "DELETE FROM unique_entry WHERE idx = ?1 AND key = ?2"},
           // What is there already stays; a state's entry may become a fact, a fact nothing else.
           {&put_listed_,
            "INSERT INTO entry (idx, key, sort, stream, position, fact)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
            " ON CONFLICT DO UPDATE SET fact = 1 WHERE excluded.fact = 1"},
           {&delete_listed_,
            "DELETE FROM entry"
            " WHERE idx = ?1 AND key = ?2 AND sort = ?3 AND stream = ?4 AND fact = 0"}}));
  FETTLE_ASSIGN_OR_RETURN(const int64_t unique_keys,
                          db.QueryInt("SELECT count(*) FROM unique_entry"));
  moved_keys_ = KeyFilter(unique_keys);
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement unique_key,
                          db.Prepare("SELECT idx, key FROM unique_entry"));
  FETTLE_RETURN_IF_ERROR(ForEach(unique_key, [&] {
    moved_keys_.Add(static_cast<int>(unique_key.Int(0)), unique_key.Bytes(1));
  }));
  // Among the recent may be some that were moved and not dropped: to move them again changes
  // nothing, because all that became of their keys since stands after them.
  FETTLE_ASSIGN_OR_RETURN(kept_from_, db.QueryInt("SELECT ifnull(min(row), 1) FROM recent_entry"));
  unmoved_from_ = gathering_from_ = next_ = kept_from_;
  std::shared_ptr<RecentKeys> keys = NewKeys();
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement all,
                          db.Prepare("SELECT row, idx, key FROM recent_entry ORDER BY row"));
  bool gap = false;
  FETTLE_RETURN_IF_ERROR(ForEach(all, [&] {
    gap |= all.Int(0) != next_++;
    keys->Add(static_cast<int>(all.Int(1)), all.Bytes(2));
  }));
  if (gap) return absl::DataLossError("rows of recent_entry are missing");
  absl::MutexLock lock(&mutex_);
  generations_ = {.gathering = std::move(keys), .moving = nullptr};
  return absl::OkStatus();
}

RecentGenerations Entries::Generations() const {
  absl::MutexLock lock(&mutex_);
  return generations_;
}

absl::StatusOr<std::optional<StoredEntry>> Entries::Find(int index, std::string_view key) {
  return lookup_.Find(Generations(), index, key, moved_keys_.MayHold(index, key));
}

absl::Status Entries::Remove(const StoredEntry& entry) {
  if (entry.unique) return RemoveUnique(entry);
  return entry.scattered ? Append(entry, /*held=*/false) : Delete(entry);
}

absl::Status Entries::Add(const StoredEntry& entry) {
  if (entry.unique) return AddUnique(entry);
  return entry.scattered ? Append(entry, /*held=*/true) : Put(entry);
}

absl::Status Entries::RemoveUnique(const StoredEntry& entry) {
  FETTLE_ASSIGN_OR_RETURN(const std::optional<StoredEntry> held, Find(entry.index, entry.key));
  if (!held.has_value() || held->fact || held->sort != entry.sort || held->stream != entry.stream) {
    return absl::OkStatus();
  }
  return Append(entry, /*held=*/false);
}

absl::Status Entries::AddUnique(const StoredEntry& entry) {
  FETTLE_ASSIGN_OR_RETURN(const std::optional<StoredEntry> held, Find(entry.index, entry.key));
  if (held.has_value()) return absl::AlreadyExistsError("unique entry");
  return Append(entry, /*held=*/true);
}

absl::Status Entries::Put(const StoredEntry& entry) {
  return (entry.unique ? put_unique_ : put_listed_)
      .BindInt(1, entry.index)
      .BindBlob(2, entry.key)
      .BindBlob(3, entry.sort)
      .BindBlob(4, entry.stream)
      .BindInt(5, entry.position)
      .BindInt(6, entry.fact)
      .Run();
}

absl::Status Entries::Delete(const StoredEntry& entry) {
  if (entry.unique) return delete_unique_.BindInt(1, entry.index).BindBlob(2, entry.key).Run();
  return delete_listed_.BindInt(1, entry.index)
      .BindBlob(2, entry.key)
      .BindBlob(3, entry.sort)
      .BindBlob(4, entry.stream)
      .Run();
}

absl::Status Entries::Append(const StoredEntry& entry, bool held) {
  FETTLE_RETURN_IF_ERROR(append_.BindInt(1, next_)
                             .BindInt(2, held)
                             .BindInt(3, entry.index)
                             .BindBlob(4, entry.key)
                             .BindBlob(5, entry.sort)
                             .BindBlob(6, entry.stream)
                             .BindInt(7, entry.position)
                             .BindInt(8, entry.fact)
                             .BindInt(9, !entry.unique)
                             .Run());
  // Readers may find it before it is committed: their snapshots do not have the row.
  Generations().gathering->Add(entry.index, entry.key);
  appended_.emplace_back(entry.index, entry.key);
  ++next_;
  return absl::OkStatus();
}

std::shared_ptr<RecentKeys> Entries::NewKeys() const {
  return std::make_shared<RecentKeys>(next_, recent_max_);
}

absl::Status Entries::Move() {
  if (appended_.empty()) return absl::OkStatus();
  if (kept_from_ < unmoved_from_) {
    const int64_t keep = std::min(
        unmoved_from_, kept_from_ + kDroppedPerAppended * static_cast<int64_t>(appended_.size()));
    FETTLE_RETURN_IF_ERROR(drop_.BindInt(1, keep).Run());
    kept_from_ = keep;
  }
  // All of them by the time that as many as recent_max have gathered.
  const size_t share = (moving_.size() + recent_max_ - 1) / recent_max_;
  const size_t until = std::min(moving_.size(), moved_ + share * appended_.size());
  for (; moved_ < until; ++moved_) {
    FETTLE_RETURN_IF_ERROR(MoveRow(unmoved_from_ + moving_[moved_]));
  }
  return absl::OkStatus();
}

absl::Status Entries::MoveRow(int64_t row) {
  absl::Status moved;
  FETTLE_RETURN_IF_ERROR(ForEach(row_.BindInt(1, row), [&] {
    const StoredEntry entry =
        EntryOf(row_, static_cast<int>(row_.Int(5)), row_.Bytes(6), /*unique=*/row_.Int(7) == 0);
    if (entry.unique) moved_keys_.Add(entry.index, entry.key);
    moved = row_.Int(0) != 0 ? Put(entry) : Delete(entry);
  }));
  return moved;
}

void Entries::Committed() {
  appended_.clear();
  RecentGenerations next = Generations();
  if (next.moving != nullptr && moved_ == moving_.size()) {
    next.moving = nullptr;
    moving_ = {};
    unmoved_from_ = gathering_from_;
    ++next.number;
  }
  if (next.moving == nullptr && next.gathering->size() >= recent_max_) {
    next.moving = std::exchange(next.gathering, NewKeys());
    moving_ = next.moving->InOrder();
    moved_ = 0;
    gathering_from_ = next_;
    ++next.number;
  }
  absl::MutexLock lock(&mutex_);
  generations_ = std::move(next);
}

void Entries::RolledBack() {
  const RecentGenerations recent = Generations();
  for (; !appended_.empty(); appended_.pop_back()) {
    recent.gathering->RemoveLast(appended_.back().first, appended_.back().second);
    --next_;
  }
}

absl::Status Entries::MoveAll() {
  const RecentGenerations recent = Generations();
  for (const auto& keys : {recent.moving, recent.gathering}) {
    if (keys == nullptr) continue;
    for (const uint32_t row : keys->InOrder()) {
      FETTLE_RETURN_IF_ERROR(MoveRow(keys->first() + row));
    }
  }
  FETTLE_RETURN_IF_ERROR(drop_.BindInt(1, next_).Run());
  kept_from_ = unmoved_from_ = gathering_from_ = next_;
  moving_ = {};
  moved_ = 0;
  absl::MutexLock lock(&mutex_);
  generations_ = {NewKeys(), nullptr, generations_.number + 1};
  return absl::OkStatus();
}

}  // namespace fettle::journal
