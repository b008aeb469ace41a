#include "libs/journal/sqlite_store.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/journal/sqlite_entries.h"
#include "libs/sqlite/database.h"

namespace fettle::journal {
namespace {

using sqlite::Database;
using sqlite::ForEach;
using sqlite::PrepareAll;
using sqlite::Statement;
using sqlite::Transaction;

// State rows are too wide for a table WITHOUT ROWID, whose inner pages hold whole rows: 900 bytes
// of state made a tree of a million eight levels deep. Receipts stand in the order of their ids,
// which is that of time, so that the oldest are found without an index. Parked timers are in no
// index of due times: they are never due.
constexpr const char* kSchema[] = {
    R"sql(
CREATE TABLE event (
  position INTEGER PRIMARY KEY,
  stream BLOB NOT NULL,
  version INTEGER NOT NULL,
  value BLOB NOT NULL,
  private BLOB NOT NULL,
  UNIQUE (stream, version)
) STRICT;
CREATE TABLE access (
  position INTEGER PRIMARY KEY,
  value BLOB NOT NULL
) STRICT;
CREATE TABLE state (
  id INTEGER PRIMARY KEY,
  stream BLOB NOT NULL UNIQUE,
  version INTEGER NOT NULL,
  position INTEGER NOT NULL,
  state BLOB NOT NULL
) STRICT;
CREATE TABLE entry (
  idx INTEGER NOT NULL,
  key BLOB NOT NULL,
  sort BLOB NOT NULL,
  stream BLOB NOT NULL,
  position INTEGER NOT NULL,
  fact INTEGER NOT NULL,
  PRIMARY KEY (idx, key, sort, stream)
) STRICT, WITHOUT ROWID;
CREATE TABLE unique_entry (
  idx INTEGER NOT NULL,
  key BLOB NOT NULL,
  sort BLOB NOT NULL,
  stream BLOB NOT NULL,
  position INTEGER NOT NULL,
  fact INTEGER NOT NULL,
  PRIMARY KEY (idx, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE timer (
  stream BLOB NOT NULL,
  name TEXT NOT NULL,
  due INTEGER NOT NULL,
  parked TEXT NOT NULL,
  PRIMARY KEY (stream, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX timer_due ON timer (due) WHERE parked = '';
CREATE TABLE receipt (
  id INTEGER PRIMARY KEY,
  request_id BLOB NOT NULL,
  caller BLOB NOT NULL,
  time INTEGER NOT NULL,
  request_hmac BLOB NOT NULL,
  response_type TEXT NOT NULL,
  response BLOB NOT NULL,
  position INTEGER NOT NULL,
  UNIQUE (request_id, caller)
) STRICT;
CREATE TABLE cursor (
  name TEXT NOT NULL PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
)sql",
    R"sql(
CREATE TABLE recent_entry (
  row INTEGER PRIMARY KEY,
  held INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  key BLOB NOT NULL,
  sort BLOB NOT NULL,
  stream BLOB NOT NULL,
  position INTEGER NOT NULL,
  fact INTEGER NOT NULL
) STRICT;
)sql",
    "ALTER TABLE recent_entry ADD COLUMN listed INTEGER NOT NULL DEFAULT 0;"};

// The batch in the order of the index, so that neighbours are written while their page is at hand.
template <class Item, class Key>
std::vector<const Item*> Sorted(const std::vector<Item>& items, Key key) {
  std::vector<const Item*> sorted;
  sorted.reserve(items.size());
  for (const Item& item : items) sorted.push_back(&item);
  std::sort(sorted.begin(), sorted.end(),
            [&](const Item* a, const Item* b) { return key(*a) < key(*b); });
  return sorted;
}

auto EntryKey(const StoredEntry& entry) {
  return std::tie(entry.unique, entry.index, entry.key, entry.sort, entry.stream);
}

// Look-ups by key, the same for the writer and for readers.
class Lookup {
 public:
  absl::Status Prepare(Database& db) {
    return PrepareAll(db,
                      {{&state_, "SELECT version, position, state FROM state WHERE stream = ?1"},
                       {&receipt_,
                        "SELECT time, request_hmac, response_type, response, position FROM receipt"
                        " WHERE request_id = ?1 AND caller = ?2"}});
  }

  // `find` gives the unique entry under (index, key), if there is one.
  template <class Find>
  absl::StatusOr<LoadResult> Load(const LoadRequest& request, Find find) {
    LoadResult result;
    result.states.reserve(request.streams.size());
    for (const std::string& stream : request.streams) {
      std::optional<StoredState>& state = result.states.emplace_back();
      FETTLE_RETURN_IF_ERROR(ForEach(state_.BindBlob(1, stream), [&] {
        state = StoredState{stream, state_.Int(0), state_.Int(1), std::string(state_.Bytes(2))};
      }));
    }
    result.holders.reserve(request.unique.size());
    for (const auto& [index, key] : request.unique) {
      FETTLE_ASSIGN_OR_RETURN(std::optional<StoredEntry> entry, find(index, key));
      std::optional<std::string>& holder = result.holders.emplace_back();
      if (entry.has_value()) holder = std::move(entry->stream);
    }
    result.receipts.reserve(request.receipts.size());
    for (const ReceiptKey& key : request.receipts) {
      std::optional<StoredReceipt>& receipt = result.receipts.emplace_back();
      FETTLE_RETURN_IF_ERROR(
          ForEach(receipt_.BindBlob(1, key.request_id).BindBlob(2, key.caller), [&] {
            receipt = StoredReceipt{key,
                                    absl::FromUnixNanos(receipt_.Int(0)),
                                    std::string(receipt_.Bytes(1)),
                                    std::string(receipt_.Bytes(2)),
                                    std::string(receipt_.Bytes(3)),
                                    receipt_.Int(4)};
          }));
    }
    return result;
  }

 private:
  Statement state_;
  Statement receipt_;
};

class SqliteReader : public StoreReader {
 public:
  static absl::StatusOr<std::unique_ptr<StoreReader>> Open(const SqliteStoreOptions& options,
                                                           const Entries* entries) {
    std::unique_ptr<SqliteReader> reader(new SqliteReader(entries));
    FETTLE_ASSIGN_OR_RETURN(reader->db_,
                            Database::Open({.path = options.path,
                                            .read_only = true,
                                            .cache_bytes_max = options.reader_cache_bytes_max}));
    FETTLE_RETURN_IF_ERROR(reader->Prepare());
    return reader;
  }

  absl::Status Refresh(absl::Time until) override {
    db_->EndStatementsAt(until);
    do {
      Release();
      recent_ = entries_->Generations();
      FETTLE_RETURN_IF_ERROR(begin_.Run());
      // BEGIN alone takes no snapshot; the first read does.
      FETTLE_RETURN_IF_ERROR(pin_.Run());
    } while (entries_->Generations().number != recent_.number);
    return absl::OkStatus();
  }

  // COMMIT of a transaction that only read cannot fail.
  void Release() override {
    if (db_->in_transaction()) (void)end_.Run();
  }

  absl::StatusOr<LoadResult> Load(const LoadRequest& request) override {
    CheckSnapshot();
    return lookup_.Load(request, [this](int index, std::string_view key) {
      return entry_lookup_.Find(recent_, index, key);
    });
  }

  absl::StatusOr<std::vector<StoredEvent>> ReadLog(Log log, int64_t from, int limit) override {
    CheckSnapshot();
    std::vector<StoredEvent> events;
    Statement& query = log == Log::kEvents ? events_ : access_;
    query.BindInt(1, from).BindInt(2, limit);
    absl::StatusOr<bool> more = query.Step();
    size_t bytes = 0;
    for (; more.ok() && *more; more = query.Step()) {
      StoredEvent& event = events.emplace_back();
      event.position = query.Int(0);
      event.value = query.Bytes(1);
      if (log == Log::kEvents) {
        event.stream = query.Bytes(2);
        event.version = query.Int(3);
        event.private_half = query.Bytes(4);
      }
      bytes += event.value.size() + event.private_half.size();
      if (bytes >= kReadBytesMax) break;
    }
    query.Reset();
    FETTLE_RETURN_IF_ERROR(more.status());
    return events;
  }

  absl::StatusOr<std::vector<StoredEvent>> ReadStream(std::string_view stream, int64_t from_version,
                                                      int limit) override {
    CheckSnapshot();
    std::vector<StoredEvent> events;
    FETTLE_RETURN_IF_ERROR(
        ForEach(stream_.BindBlob(1, stream).BindInt(2, from_version).BindInt(3, limit), [&] {
          events.push_back({stream_.Int(0), std::string(stream), stream_.Int(1),
                            std::string(stream_.Bytes(2)), std::string(stream_.Bytes(3))});
        }));
    return events;
  }

  absl::StatusOr<EntryPage> ListEntries(int index, std::string_view key,
                                        std::string_view after_sort, std::string_view after_stream,
                                        int limit) override {
    CheckSnapshot();
    return entry_lookup_.List(recent_, index, key, after_sort, after_stream, limit);
  }

  absl::StatusOr<int64_t> LastPosition(Log log) override {
    CheckSnapshot();
    int64_t last = 0;
    Statement& query = log == Log::kEvents ? last_event_ : last_access_;
    FETTLE_RETURN_IF_ERROR(ForEach(query, [&] { last = query.Int(0); }));
    return last;
  }

  absl::StatusOr<std::vector<StoredTimer>> DueTimers(absl::Time until, int limit) override {
    CheckSnapshot();
    std::vector<StoredTimer> timers;
    FETTLE_RETURN_IF_ERROR(
        ForEach(due_.BindInt(1, absl::ToUnixNanos(until)).BindInt(2, limit), [&] {
          timers.push_back({absl::FromUnixNanos(due_.Int(0)), std::string(due_.Bytes(1)),
                            std::string(due_.Bytes(2)), ""});
        }));
    return timers;
  }

  absl::StatusOr<std::optional<std::string>> ReadCursor(std::string_view name) override {
    CheckSnapshot();
    std::optional<std::string> value;
    FETTLE_RETURN_IF_ERROR(
        ForEach(cursor_.BindText(1, name), [&] { value = std::string(cursor_.Bytes(0)); }));
    return value;
  }

  absl::StatusOr<std::vector<StoredCursor>> ListCursors(std::string_view prefix) override {
    CheckSnapshot();
    std::vector<StoredCursor> cursors;
    cursors_.BindText(1, prefix);
    absl::StatusOr<bool> more = cursors_.Step();
    for (; more.ok() && *more && cursors_.Bytes(0).starts_with(prefix); more = cursors_.Step()) {
      cursors.push_back({std::string(cursors_.Bytes(0)), std::string(cursors_.Bytes(1))});
    }
    cursors_.Reset();
    FETTLE_RETURN_IF_ERROR(more.status());
    return cursors;
  }

 private:
  explicit SqliteReader(const Entries* entries) : entries_(entries) {}

  absl::Status Prepare() {
    FETTLE_RETURN_IF_ERROR(lookup_.Prepare(*db_));
    FETTLE_RETURN_IF_ERROR(entry_lookup_.Prepare(*db_));
    return PrepareAll(
        *db_,
        {{&begin_, "BEGIN"},
         {&pin_, "SELECT 1 FROM cursor LIMIT 1"},
         {&end_, "COMMIT"},
         {&events_,
          "SELECT position, value, stream, version, private FROM event"
          " WHERE position >= ?1 ORDER BY position LIMIT ?2"},
         {&access_,
          "SELECT position, value FROM access WHERE position >= ?1 ORDER BY position LIMIT ?2"},
         {&stream_,
          "SELECT position, version, value, private FROM event"
          " WHERE stream = ?1 AND version >= ?2 ORDER BY version LIMIT ?3"},
         {&last_event_, "SELECT max(position) FROM event"},
         {&last_access_, "SELECT max(position) FROM access"},
         {&due_,
          "SELECT due, stream, name FROM timer WHERE parked = '' AND due <= ?1"
          " ORDER BY due, stream, name LIMIT ?2"},
         {&cursor_, "SELECT value FROM cursor WHERE name = ?1"},
         {&cursors_, "SELECT name, value FROM cursor WHERE name >= ?1 ORDER BY name"}});
  }

  void CheckSnapshot() const {
    FETTLE_CHECK(db_->in_transaction(), "a reader is refreshed before it reads");
  }

  const Entries* const entries_;
  RecentGenerations recent_;
  std::unique_ptr<Database> db_;  // before the statements: closed after they are gone
  Lookup lookup_;
  EntryLookup entry_lookup_;
  Statement begin_, pin_, end_;
  Statement events_, access_, stream_, last_event_, last_access_, due_, cursor_, cursors_;
};

class SqliteStore : public Store {
 public:
  static absl::StatusOr<std::unique_ptr<Store>> Open(const SqliteStoreOptions& options) {
    std::unique_ptr<SqliteStore> store(new SqliteStore(options));
    FETTLE_ASSIGN_OR_RETURN(store->db_,
                            Database::Open({.path = options.path,
                                            .journal_mode = sqlite::JournalMode::kWal,
                                            .synchronous = sqlite::Synchronous::kFull,
                                            .cache_bytes_max = options.writer_cache_bytes_max,
                                            .secure_delete = false,
                                            .wal_file_bytes_max = options.wal_bytes_max}));
    FETTLE_RETURN_IF_ERROR(store->db_->Migrate(kSchema));
    if (options.check_pages_at_open) FETTLE_RETURN_IF_ERROR(store->db_->CheckPages());
    FETTLE_RETURN_IF_ERROR(store->Prepare());
    return store;
  }

  absl::StatusOr<LoadResult> Load(const LoadRequest& request) override {
    // One snapshot for all: each look-up alone would take and drop a file lock.
    FETTLE_RETURN_IF_ERROR(begin_read_.Run());
    absl::StatusOr<LoadResult> result = lookup_.Load(
        request, [this](int index, std::string_view key) { return entries_.Find(index, key); });
    FETTLE_RETURN_IF_ERROR(end_read_.Run());
    return result;
  }

  absl::Status Commit(const WriteBatch& batch) override {
    if (!broken_.ok()) return broken_;
    CheckPositions(batch.events, last_event_position_);
    CheckPositions(batch.access, last_access_position_);
    FETTLE_RETURN_IF_ERROR(Finish(Write(batch)));
    entries_.Committed();
    last_event_position_ += static_cast<int64_t>(batch.events.size());
    last_access_position_ += static_cast<int64_t>(batch.access.size());
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<StoreReader>> NewReader() override {
    return SqliteReader::Open(options_, &entries_);
  }

  absl::StatusOr<int> PruneReceipts(absl::Time before, int limit) override {
    if (!broken_.ok()) return broken_;
    int pruned = 0;
    FETTLE_RETURN_IF_ERROR(Finish([&]() -> absl::Status {
      FETTLE_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*db_));
      FETTLE_RETURN_IF_ERROR(
          prune_receipts_.BindInt(1, absl::ToUnixNanos(before)).BindInt(2, limit).Run());
      pruned = static_cast<int>(db_->changes());
      return transaction.Commit();
    }()));
    return pruned;
  }

  absl::Status BeginRebuild() override {
    if (!broken_.ok()) return broken_;
    return Finish([&]() -> absl::Status {
      FETTLE_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*db_));
      FETTLE_RETURN_IF_ERROR(entries_.MoveAll());
      FETTLE_RETURN_IF_ERROR(
          db_->Execute("DELETE FROM state; DELETE FROM timer;"
                       "DELETE FROM entry WHERE fact = 0;"
                       "DELETE FROM unique_entry WHERE fact = 0"));
      return transaction.Commit();
    }());
  }

 private:
  explicit SqliteStore(const SqliteStoreOptions& options) : options_(options) {}

  absl::Status Prepare() {
    FETTLE_ASSIGN_OR_RETURN(last_event_position_, db_->QueryInt("SELECT max(position) FROM event"));
    FETTLE_ASSIGN_OR_RETURN(last_access_position_,
                            db_->QueryInt("SELECT max(position) FROM access"));
    FETTLE_RETURN_IF_ERROR(lookup_.Prepare(*db_));
    FETTLE_RETURN_IF_ERROR(entries_.Open(*db_, options_.recent_entries_max));
    return PrepareAll(
        *db_,
        {{&begin_read_, "BEGIN"},
         {&end_read_, "COMMIT"},
         {&insert_event_,
          "INSERT INTO event (position, stream, version, value, private) VALUES (?1,?2,?3,?4,?5)"},
         {&insert_access_, "INSERT INTO access (position, value) VALUES (?1, ?2)"},
         {&put_state_,
          "INSERT INTO state (stream, version, position, state) VALUES (?1, ?2, ?3, ?4)"
          " ON CONFLICT DO UPDATE SET"
          " version = excluded.version, position = excluded.position, state = excluded.state"},
         {&put_timer_, "REPLACE INTO timer (stream, name, due, parked) VALUES (?1, ?2, ?3, ?4)"},
         {&delete_timer_, "DELETE FROM timer WHERE stream = ?1 AND name = ?2"},
         {&insert_receipt_,
          "INSERT INTO receipt"
          " (request_id, caller, time, request_hmac, response_type, response, position)"
          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"},
         {&prune_receipts_,
          "DELETE FROM receipt"
          " WHERE id IN (SELECT id FROM receipt ORDER BY id LIMIT ?2) AND time < ?1"},
         {&put_cursor_, "REPLACE INTO cursor (name, value) VALUES (?1, ?2)"},
         {&delete_cursor_, "DELETE FROM cursor WHERE name = ?1"}});
  }

  static void CheckPositions(const std::vector<StoredEvent>& events, int64_t last) {
    for (const StoredEvent& event : events) {
      FETTLE_CHECK(event.position == ++last, "positions of a log follow each other without gaps");
    }
  }

  absl::Status Write(const WriteBatch& batch) {
    FETTLE_RETURN_IF_ERROR(CheckpointWhenLong());
    FETTLE_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*db_));
    for (const StoredEvent& event : batch.events) {
      FETTLE_RETURN_IF_ERROR(insert_event_.BindInt(1, event.position)
                                 .BindBlob(2, event.stream)
                                 .BindInt(3, event.version)
                                 .BindBlob(4, event.value)
                                 .BindBlob(5, event.private_half)
                                 .Run());
    }
    for (const StoredEvent& record : batch.access) {
      FETTLE_RETURN_IF_ERROR(
          insert_access_.BindInt(1, record.position).BindBlob(2, record.value).Run());
    }
    for (const StoredState* state :
         Sorted(batch.states, [](const StoredState& s) { return std::string_view(s.stream); })) {
      FETTLE_RETURN_IF_ERROR(put_state_.BindBlob(1, state->stream)
                                 .BindInt(2, state->version)
                                 .BindInt(3, state->position)
                                 .BindBlob(4, state->state)
                                 .Run());
    }
    // Before the additions: one stream may take over a unique key that another gives up in the same
    // batch.
    for (const StoredEntry* entry : Sorted(batch.entries_removed, EntryKey)) {
      FETTLE_RETURN_IF_ERROR(entries_.Remove(*entry));
    }
    for (const StoredEntry* entry : Sorted(batch.entries_added, EntryKey)) {
      FETTLE_RETURN_IF_ERROR(entries_.Add(*entry));
    }
    for (const auto& [stream, name] : batch.timers_removed) {
      FETTLE_RETURN_IF_ERROR(delete_timer_.BindBlob(1, stream).BindText(2, name).Run());
    }
    for (const StoredTimer& timer : batch.timers_added) {
      FETTLE_RETURN_IF_ERROR(put_timer_.BindBlob(1, timer.stream)
                                 .BindText(2, timer.name)
                                 .BindInt(3, absl::ToUnixNanos(timer.due))
                                 .BindText(4, timer.parked)
                                 .Run());
    }
    for (const StoredReceipt& receipt : batch.receipts) {
      FETTLE_RETURN_IF_ERROR(insert_receipt_.BindBlob(1, receipt.key.request_id)
                                 .BindBlob(2, receipt.key.caller)
                                 .BindInt(3, absl::ToUnixNanos(receipt.time))
                                 .BindBlob(4, receipt.request_hmac)
                                 .BindText(5, receipt.response_type)
                                 .BindBlob(6, receipt.response)
                                 .BindInt(7, receipt.position)
                                 .Run());
    }
    for (const std::string& name : batch.cursors_removed) {
      FETTLE_RETURN_IF_ERROR(delete_cursor_.BindText(1, name).Run());
    }
    for (const StoredCursor& cursor : batch.cursors) {
      FETTLE_RETURN_IF_ERROR(put_cursor_.BindText(1, cursor.name).BindBlob(2, cursor.value).Run());
    }
    FETTLE_RETURN_IF_ERROR(entries_.Move());
    return transaction.Commit();
  }

  // What follows every write, with its outcome.
  absl::Status Finish(absl::Status written) {
    if (!written.ok() && !absl::IsAlreadyExists(written)) broken_ = written;
    if (!written.ok()) entries_.RolledBack();
    return written;
  }

  // Before a commit, so that the callers of the one that made the log long have their answers.
  absl::Status CheckpointWhenLong() {
    if (db_->wal_bytes() < wal_bytes_checkpointed_) wal_bytes_checkpointed_ = 0;  // begun anew
    if (db_->wal_bytes() < wal_bytes_checkpointed_ + options_.wal_bytes_max) {
      return absl::OkStatus();
    }
    // Twice as long as it should be: readers overlap so that no commit finds the log without one.
    const bool overlong = db_->wal_bytes() >= 2 * options_.wal_bytes_max;
    FETTLE_RETURN_IF_ERROR(
        db_->Checkpoint(overlong ? options_.checkpoint_wait_max : absl::ZeroDuration()));
    wal_bytes_checkpointed_ = db_->wal_bytes();
    return absl::OkStatus();
  }

  const SqliteStoreOptions options_;
  std::unique_ptr<Database> db_;  // before the statements: closed after they are gone
  Lookup lookup_;
  Entries entries_;
  Statement begin_read_, end_read_, insert_event_, insert_access_, put_state_, put_timer_,
      delete_timer_, insert_receipt_, prune_receipts_, put_cursor_, delete_cursor_;
  int64_t last_event_position_ = 0;
  int64_t last_access_position_ = 0;
  int64_t wal_bytes_checkpointed_ = 0;
  // The error after which nothing is written any more.
  absl::Status broken_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const SqliteStoreOptions& options) {
  return SqliteStore::Open(options);
}

}  // namespace fettle::journal
