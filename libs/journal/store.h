// The store of a journal: one interface, batch-shaped, so that a backend on the other side of a
// network needs few round trips. Backends share the contract tests (store_contract_test.cc), not
// code.
//
// Threads: all but NewReader is called by one thread of the journal alone. NewReader may be
// called by any thread; a reader belongs to one thread at a time and sees a snapshot begun when
// Refresh() is called.
//
// Times are kept in whole nanoseconds.
#ifndef FETTLE_LIBS_JOURNAL_STORE_H_
#define FETTLE_LIBS_JOURNAL_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace fettle::journal {

enum class Log { kEvents, kAccess };

// An item of a log. Positions are 1, 2, 3, ... without gaps, in each log.
struct StoredEvent {
  int64_t position = 0;
  std::string stream;  // 16 bytes (events), empty (access records)
  int64_t version = 0;
  std::string value;         // published bytes, exactly
  std::string private_half;  // empty when there is none; never leaves the service
};

struct StoredState {
  std::string stream;  // 16 bytes
  int64_t version = 0;
  int64_t position = 0;
  std::string state;
};

struct StoredEntry {
  int index = 0;
  std::string key;
  std::string sort;
  std::string stream;  // 16 bytes
  bool unique = false;
  bool fact = false;       // never removed
  int64_t position = 0;    // of the event that made it
  bool scattered = false;  // as in base::Entry; entries that are read do not say so
};

struct StoredTimer {
  absl::Time due;
  std::string stream;  // 16 bytes
  std::string name;
  std::string parked;  // cause, when a refusal parked it; a parked timer is never due
};

struct ReceiptKey {
  std::string request_id;  // 16 bytes
  std::string caller;      // organisation, 0x00, subject
  friend auto operator<=>(const ReceiptKey&, const ReceiptKey&) = default;
  template <class Hash>
  friend Hash AbslHashValue(Hash hash, const ReceiptKey& key) {
    return Hash::combine(std::move(hash), key.request_id, key.caller);
  }
};

struct StoredReceipt {
  ReceiptKey key;
  absl::Time time;
  std::string request_hmac;
  std::string response_type;
  std::string response;
  int64_t position = 0;
};

// A named small value: relay positions, consumers' offsets, positions taken (bitmaps), code
// version.
struct StoredCursor {
  std::string name;
  std::string value;
};

struct LoadRequest {
  std::vector<std::string> streams;                 // 16 bytes each
  std::vector<std::pair<int, std::string>> unique;  // (index, key)
  std::vector<ReceiptKey> receipts;
};

// Answers are in the order of the request; nothing where there is no row.
struct LoadResult {
  std::vector<std::optional<StoredState>> states;
  std::vector<std::optional<std::string>> holders;  // stream, 16 bytes
  std::vector<std::optional<StoredReceipt>> receipts;
};

// All of this happens in one transaction, synced to disk before Commit returns, or not at all. What
// is removed is removed before anything is added; to remove what is not there is no error, nor to
// add an entry that is there and not unique.
struct WriteBatch {
  std::vector<StoredEvent> events;
  std::vector<StoredEvent> access;
  std::vector<StoredState> states;  // last version of each stream touched
  std::vector<StoredEntry>
      entries_added;  // a unique one that exists already is an AlreadyExists error
  std::vector<StoredEntry> entries_removed;                         // facts among them stay
  std::vector<StoredTimer> timers_added;                            // (stream, name) replaces
  std::vector<std::pair<std::string, std::string>> timers_removed;  // (stream, name)
  std::vector<StoredReceipt> receipts;       // in time order, within the batch and over batches
  std::vector<StoredCursor> cursors;         // replace
  std::vector<std::string> cursors_removed;  // names
};

// Bytes of values and private halves that one ReadLog gives, one item more at most.
inline constexpr size_t kReadBytesMax = 4 << 20;

struct EntryPage {
  std::vector<StoredEntry> entries;
  bool more = false;
};

class StoreReader {
 public:
  // Before the store is destroyed.
  virtual ~StoreReader() = default;
  // Ends the snapshot and begins a new one that sees everything committed before the call. Comes
  // before any other call, also after Release(). Reads that last beyond `until` end with
  // DEADLINE_EXCEEDED.
  virtual absl::Status Refresh(absl::Time until) = 0;
  absl::Status Refresh() { return Refresh(absl::InfiniteFuture()); }
  // Ends the snapshot, so that an idle reader holds nothing back.
  virtual void Release() = 0;
  virtual absl::StatusOr<LoadResult> Load(const LoadRequest& request) = 0;
  // Up to `limit` items at positions from `from` on; fewer when they come to kReadBytesMax, but at
  // least one if there is one.
  virtual absl::StatusOr<std::vector<StoredEvent>> ReadLog(Log log, int64_t from, int limit) = 0;
  // Events of one stream, at most `limit`, versions from `from_version` on.
  virtual absl::StatusOr<std::vector<StoredEvent>> ReadStream(std::string_view stream,
                                                              int64_t from_version, int limit) = 0;
  // Entries under (index, key), unique or not, in the order of (sort, stream), after that pair, at
  // most `limit`.
  virtual absl::StatusOr<EntryPage> ListEntries(int index, std::string_view key,
                                                std::string_view after_sort,
                                                std::string_view after_stream, int limit) = 0;
  virtual absl::StatusOr<int64_t> LastPosition(Log log) = 0;
  // Due at `until` or before, in the order of (due, stream, name), without parked ones.
  virtual absl::StatusOr<std::vector<StoredTimer>> DueTimers(absl::Time until, int limit) = 0;
  virtual absl::StatusOr<std::optional<std::string>> ReadCursor(std::string_view name) = 0;
  // Cursors whose name begins with the prefix, in name order.
  virtual absl::StatusOr<std::vector<StoredCursor>> ListCursors(std::string_view prefix) = 0;
};

class Store {
 public:
  virtual ~Store() = default;
  virtual absl::StatusOr<LoadResult> Load(const LoadRequest& request) = 0;
  // ALREADY_EXISTS: a unique entry, a (stream, version) or a receipt is there already; nothing has
  // changed. Any other error: it is unknown whether the batch is on disk, the store refuses all
  // further writes, and only the next start tells. Positions that do not follow the last one stop
  // the process.
  virtual absl::Status Commit(const WriteBatch& batch) = 0;
  virtual absl::StatusOr<std::unique_ptr<StoreReader>> NewReader() = 0;
  // Removes receipts older than `before`, at most `limit`; gives the number removed.
  virtual absl::StatusOr<int> PruneReceipts(absl::Time before, int limit) = 0;
  // Replaces all states, non-fact entries and timers at another code version: Begin empties them,
  // then batches through Commit (states, entries, timers only) rebuild them.
  virtual absl::Status BeginRebuild() = 0;
};

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_STORE_H_
