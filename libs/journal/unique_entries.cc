#include "libs/journal/unique_entries.h"

#include <algorithm>
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

size_t HashOf(int index, std::string_view key) {
  return absl::Hash<std::pair<int, std::string_view>>()({index, key});
}

}  // namespace

void RecentKeys::Add(int index, std::string_view key, int64_t row) {
  Place place = {.index = index, .key = {}, .row = row};
  std::copy_n(key.begin(), std::min(key.size(), place.key.size()), place.key.begin());
  absl::MutexLock lock(&mutex_);
  places_.push_back(place);
  rows_[HashOf(index, key)].push_back(row);
}

void RecentKeys::RemoveLast(int index, std::string_view key) {
  absl::MutexLock lock(&mutex_);
  places_.pop_back();
  const auto it = rows_.find(HashOf(index, key));
  it->second.pop_back();
  if (it->second.empty()) rows_.erase(it);
}

absl::InlinedVector<int64_t, 2> RecentKeys::RowsOf(int index, std::string_view key) const {
  absl::MutexLock lock(&mutex_);
  const auto it = rows_.find(HashOf(index, key));
  if (it == rows_.end()) return {};
  return {it->second.rbegin(), it->second.rend()};
}

int64_t RecentKeys::size() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int64_t>(places_.size());
}

std::vector<int64_t> RecentKeys::InOrder() const {
  std::vector<Place> places;
  {
    absl::MutexLock lock(&mutex_);
    places = places_;
  }
  std::sort(places.begin(), places.end());
  std::vector<int64_t> rows;
  rows.reserve(places.size());
  for (const Place& place : places) rows.push_back(place.row);
  return rows;
}

absl::Status UniqueEntryLookup::Prepare(Database& db) {
  return PrepareAll(
      db,
      {{&recent_,
        "SELECT held, sort, stream, position, fact FROM recent_entry"
        " WHERE row = ?1 AND idx = ?2 AND key = ?3"},
       {&moved_,
        "SELECT 1, sort, stream, position, fact FROM unique_entry WHERE idx = ?1 AND key = ?2"}});
}

absl::StatusOr<std::optional<StoredEntry>> UniqueEntryLookup::Find(const RecentGenerations& recent,
                                                                   int index,
                                                                   std::string_view key) {
  std::optional<StoredEntry> found;
  const auto take = [&](sqlite::Statement& query) {
    if (query.Int(0) == 0) return;
    found = StoredEntry{.index = index,
                        .key = std::string(key),
                        .sort = std::string(query.Bytes(1)),
                        .stream = std::string(query.Bytes(2)),
                        .unique = true,
                        .fact = query.Int(4) != 0,
                        .position = query.Int(3)};
  };
  for (const auto& keys : {recent.gathering, recent.moving}) {
    if (keys == nullptr) continue;
    for (const int64_t row : keys->RowsOf(index, key)) {
      bool seen = false;
      FETTLE_RETURN_IF_ERROR(
          ForEach(recent_.BindInt(1, row).BindInt(2, index).BindBlob(3, key), [&] {
            seen = true;
            take(recent_);
          }));
      if (seen) return found;
    }
  }
  FETTLE_RETURN_IF_ERROR(ForEach(moved_.BindInt(1, index).BindBlob(2, key), [&] { take(moved_); }));
  return found;
}

absl::Status UniqueEntries::Open(Database& db, int64_t recent_max) {
  recent_max_ = recent_max;
  FETTLE_RETURN_IF_ERROR(lookup_.Prepare(db));
  FETTLE_RETURN_IF_ERROR(PrepareAll(
      db, {{&append_,
            "INSERT INTO recent_entry (row, held, idx, key, sort, stream, position, fact)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"},
           {&row_,
            "SELECT held, idx, key, sort, stream, position, fact FROM recent_entry WHERE row = ?1"},
           {&put_,
            "REPLACE INTO unique_entry (idx, key, sort, stream, position, fact)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"},
           {&remove_, "DELETE FROM unique_entry WHERE idx = ?1 AND key = ?2"},
           {&drop_, "DELETE FROM recent_entry WHERE row < ?1"}}));
  // Among them may be some that were moved and not dropped: to move them again changes nothing,
  // because all that became of their keys since stands after them.
  auto keys = std::make_shared<RecentKeys>();
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement all,
                          db.Prepare("SELECT row, idx, key FROM recent_entry ORDER BY row"));
  bool first = true;
  FETTLE_RETURN_IF_ERROR(ForEach(all, [&] {
    if (std::exchange(first, false)) kept_from_ = all.Int(0);
    next_ = all.Int(0) + 1;
    keys->Add(static_cast<int>(all.Int(1)), all.Bytes(2), all.Int(0));
  }));
  unmoved_from_ = gathering_from_ = kept_from_;
  absl::MutexLock lock(&mutex_);
  generations_ = {.gathering = std::move(keys), .moving = nullptr};
  return absl::OkStatus();
}

RecentGenerations UniqueEntries::Generations() const {
  absl::MutexLock lock(&mutex_);
  return generations_;
}

absl::StatusOr<std::optional<StoredEntry>> UniqueEntries::Find(int index, std::string_view key) {
  return lookup_.Find(Generations(), index, key);
}

absl::Status UniqueEntries::Remove(const StoredEntry& entry) {
  FETTLE_ASSIGN_OR_RETURN(const std::optional<StoredEntry> held, Find(entry.index, entry.key));
  if (!held.has_value() || held->fact || held->sort != entry.sort || held->stream != entry.stream) {
    return absl::OkStatus();
  }
  return Append(entry, /*held=*/false);
}

absl::Status UniqueEntries::Add(const StoredEntry& entry) {
  FETTLE_ASSIGN_OR_RETURN(const std::optional<StoredEntry> held, Find(entry.index, entry.key));
  if (held.has_value()) return absl::AlreadyExistsError("unique entry");
  return Append(entry, /*held=*/true);
}

absl::Status UniqueEntries::Append(const StoredEntry& entry, bool held) {
  FETTLE_RETURN_IF_ERROR(append_.BindInt(1, next_)
                             .BindInt(2, held)
                             .BindInt(3, entry.index)
                             .BindBlob(4, entry.key)
                             .BindBlob(5, entry.sort)
                             .BindBlob(6, entry.stream)
                             .BindInt(7, entry.position)
                             .BindInt(8, entry.fact)
                             .Run());
  // Readers may find it before it is committed: their snapshots do not have the row.
  Generations().gathering->Add(entry.index, entry.key, next_);
  appended_.emplace_back(entry.index, entry.key);
  ++next_;
  return absl::OkStatus();
}

absl::Status UniqueEntries::Move() {
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
  for (; moved_ < until; ++moved_) FETTLE_RETURN_IF_ERROR(MoveRow(moving_[moved_]));
  return absl::OkStatus();
}

absl::Status UniqueEntries::MoveRow(int64_t row) {
  absl::Status moved;
  FETTLE_RETURN_IF_ERROR(ForEach(row_.BindInt(1, row), [&] {
    if (row_.Int(0) == 0) {
      moved = remove_.BindInt(1, row_.Int(1)).BindBlob(2, row_.Bytes(2)).Run();
      return;
    }
    moved = put_.BindInt(1, row_.Int(1))
                .BindBlob(2, row_.Bytes(2))
                .BindBlob(3, row_.Bytes(3))
                .BindBlob(4, row_.Bytes(4))
                .BindInt(5, row_.Int(5))
                .BindInt(6, row_.Int(6))
                .Run();
  }));
  return moved;
}

void UniqueEntries::Committed() {
  appended_.clear();
  absl::MutexLock lock(&mutex_);
  if (generations_.moving != nullptr && moved_ == moving_.size()) {
    generations_.moving = nullptr;
    moving_ = {};
    unmoved_from_ = gathering_from_;
    ++generations_.number;
  }
  if (generations_.moving == nullptr && generations_.gathering->size() >= recent_max_) {
    generations_.moving = std::exchange(generations_.gathering, std::make_shared<RecentKeys>());
    moving_ = generations_.moving->InOrder();
    moved_ = 0;
    gathering_from_ = next_;
    ++generations_.number;
  }
}

void UniqueEntries::RolledBack() {
  const RecentGenerations recent = Generations();
  for (; !appended_.empty(); appended_.pop_back()) {
    recent.gathering->RemoveLast(appended_.back().first, appended_.back().second);
    --next_;
  }
}

absl::Status UniqueEntries::MoveAll() {
  const RecentGenerations recent = Generations();
  for (const auto& keys : {recent.moving, recent.gathering}) {
    if (keys == nullptr) continue;
    for (const int64_t row : keys->InOrder()) FETTLE_RETURN_IF_ERROR(MoveRow(row));
  }
  FETTLE_RETURN_IF_ERROR(drop_.BindInt(1, next_).Run());
  kept_from_ = unmoved_from_ = gathering_from_ = next_;
  moving_ = {};
  moved_ = 0;
  absl::MutexLock lock(&mutex_);
  generations_ = {std::make_shared<RecentKeys>(), nullptr, generations_.number + 1};
  return absl::OkStatus();
}

}  // namespace fettle::journal
