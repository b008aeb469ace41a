// The entries of the SQLite store.
//
// Unique entries, and those of lists that say so, have keys in no order: each would write a page of
// its own, into the write-ahead log and again into the file; with a million of them that was half
// of what a commit cost. So new ones stand first in `recent_entry`, in the order in which they
// come, and are found by their keys in memory. When there are `recent_max` of them, they are moved
// into `unique_entry` and `entry` in the order of their keys, as many with each commit as it adds,
// while the next ones gather.
//
// A row of `recent_entry` says what became of an entry: it is held, or given up. The newest row
// that a snapshot sees decides; without one, `unique_entry` or `entry`.
#ifndef FETTLE_LIBS_JOURNAL_SQLITE_ENTRIES_H_
#define FETTLE_LIBS_JOURNAL_SQLITE_ENTRIES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/journal/store.h"
#include "libs/sqlite/database.h"

namespace fettle::journal {

// Where the keys of some rows of `recent_entry` that follow each other stand. Thread-safe. It may
// name rows that a snapshot does not see, and rows of other keys; it lacks none that a snapshot
// sees.
class RecentKeys {
 public:
  // Rows from `first` on, of which some `rows` are expected.
  RecentKeys(int64_t first, int64_t rows);
  // Of the row behind the last one.
  void Add(int index, std::string_view key);
  // The last one that was added.
  void RemoveLast(int index, std::string_view key);
  // Newest first.
  absl::InlinedVector<int64_t, 2> RowsOf(int index, std::string_view key) const;
  int64_t size() const;
  // All rows, counted from the first, about in the order of their keys: those of one key as they
  // were added.
  std::vector<uint32_t> InOrder() const;
  int64_t first() const { return first_; }

 private:
  // There are many of them. The index and the beginning of the key, in numbers of the same order,
  // are enough for neighbours to come to the same page.
  struct Place {
    uint64_t index_and_key;  // 2 bytes and 6
    uint32_t more_of_key;    // 4
    uint32_t before;         // 1 + the place of the row before with the same hash; 0: none
  };
  using Hash = size_t;

  const int64_t first_;
  mutable absl::Mutex mutex_;
  std::vector<Place> places_ ABSL_GUARDED_BY(mutex_);                   // of each row
  absl::flat_hash_map<Hash, uint32_t> newest_ ABSL_GUARDED_BY(mutex_);  // as `before`
};

// The keys of all rows of `recent_entry` at a moment: those that gather, and those that are being
// moved. Whoever holds them finds what a snapshot of that moment sees, however long it lasts.
struct RecentGenerations {
  std::shared_ptr<RecentKeys> gathering;
  std::shared_ptr<RecentKeys> moving;  // null when none are
  int64_t number = 0;                  // another one after each change of the two
};

// Which unique keys may stand in `unique_entry`: most that are asked for are new, and each look-up
// of one would read a page of its own. A Bloom filter: it lacks no key that was added.
class KeyFilter {
 public:
  // For `keys` now and as many again, in 10 to 20 bits each; more of them cost look-ups.
  explicit KeyFilter(int64_t keys = 0);
  void Add(int index, std::string_view key);
  bool MayHold(int index, std::string_view key) const;

 private:
  std::vector<uint64_t> words_;
};

// Look-ups through one connection.
class EntryLookup {
 public:
  absl::Status Prepare(sqlite::Database& db);
  // The unique entry of a key. `moved`: what the filter of those that were moved knows.
  absl::StatusOr<std::optional<StoredEntry>> Find(const RecentGenerations& recent, int index,
                                                  std::string_view key, bool moved = true);
  // A page of the entries of a key, the unique one among them, as StoreReader::ListEntries.
  absl::StatusOr<EntryPage> List(const RecentGenerations& recent, int index, std::string_view key,
                                 std::string_view after_sort, std::string_view after_stream,
                                 int limit);

 private:
  sqlite::Statement recent_unique_, unique_;
  sqlite::Statement recent_listed_, listed_;
};

// The writer's side. All but Generations() belongs to the thread that writes.
class Entries {
 public:
  // Reads all unique keys, and those of what has not been moved yet; `recent_max` counts entries.
  absl::Status Open(sqlite::Database& db, int64_t recent_max);

  // Any thread. A reader takes them, begins its snapshot, and takes them again: when the number is
  // another, it begins anew, else it could look for keys where they are no more.
  RecentGenerations Generations() const;

  absl::StatusOr<std::optional<StoredEntry>> Find(int index, std::string_view key);

  // Within a transaction, in this order. Add is ALREADY_EXISTS when the key of a unique entry is
  // held; an entry of a list that is there stays, and may become a fact. Remove leaves alone what
  // is not there, another's, or a fact.
  absl::Status Remove(const StoredEntry& entry);
  absl::Status Add(const StoredEntry& entry);
  // Last of all in the transaction: nothing but a failing disk may end it from here on.
  absl::Status Move();
  // How the transaction ended.
  void Committed();
  void RolledBack();

  // Within a transaction of its own that ends well or ends the store: moves all that is left.
  absl::Status MoveAll();

 private:
  absl::Status AddUnique(const StoredEntry& entry);
  absl::Status RemoveUnique(const StoredEntry& entry);
  absl::Status Put(const StoredEntry& entry);
  absl::Status Delete(const StoredEntry& entry);
  absl::Status Append(const StoredEntry& entry, bool held);
  absl::Status MoveRow(int64_t row);
  std::shared_ptr<RecentKeys> NewKeys() const;

  int64_t recent_max_ = 0;
  EntryLookup lookup_;
  sqlite::Statement append_, row_, drop_;
  sqlite::Statement put_unique_, delete_unique_, put_listed_, delete_listed_;

  mutable absl::Mutex mutex_;
  RecentGenerations generations_ ABSL_GUARDED_BY(mutex_);
  // Rows before the first of these are gone, those before the second are moved, those before the
  // third are being moved; `next_` is the next to be made.
  int64_t kept_from_ = 1;
  int64_t unmoved_from_ = 1;
  int64_t gathering_from_ = 1;
  int64_t next_ = 1;
  // The rows that are being moved, counted from `unmoved_from_`, and how many of them are, in the
  // file or by the transaction under way.
  std::vector<uint32_t> moving_;
  size_t moved_ = 0;
  // By the transaction under way.
  std::vector<std::pair<int, std::string>> appended_;
  KeyFilter moved_keys_;
};

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_SQLITE_ENTRIES_H_
