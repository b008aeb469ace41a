// Owned handles over SQLite: a connection, a prepared statement, a transaction. No policy beyond
// the settings without which a SQLite file is not safe to keep records in; this is the only folder
// that includes sqlite3.h.
//
// Threads: a connection with its statements belongs to one thread at a time. Several connections
// may read one file at once, beside the one that writes.
#ifndef FETTLE_LIBS_SQLITE_DATABASE_H_
#define FETTLE_LIBS_SQLITE_DATABASE_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/sqlite/file_lock.h"

struct sqlite3;
struct sqlite3_stmt;

namespace fettle::sqlite {

enum class JournalMode {
  kWal,
  // A rollback journal, deleted at each commit: nothing that was overwritten stays readable in a
  // log beside the file.
  kRollback,
};

// What SQLite syncs before a commit returns. There is no mode that may lose an acknowledged commit.
enum class Synchronous {
  kFull,
  // kRollback only: also the directory, after the journal is deleted.
  kExtra,
};

struct Options {
  // Its directory exists. Beside it SQLite keeps `<path>-wal` and `-shm` (or `-journal`), and we
  // `<path>.lock`.
  std::string path;
  // False: this is the one connection that writes and checkpoints; it creates the file (mode 0600),
  // and holds
  // `<path>.lock` so that no other connection that writes, of any process, opens it.
  // True: a connection for queries in the process that holds the writing one, opened while that is
  // open. It can neither write nor checkpoint. (One connection for both, because of the WAL-reset
  // bug of SQLite 3.7.0 to 3.51.2.)
  bool read_only = false;
  JournalMode journal_mode = JournalMode::kWal;
  Synchronous synchronous = Synchronous::kFull;
  // Page cache of this connection, allocated as it fills.
  int64_t cache_bytes_max = 2 << 20;
  // Overwrites what is deleted with zeros.
  bool secure_delete = false;
  // A write-ahead log that a long reader let grow beyond this is cut back to it when it is begun
  // anew.
  int64_t wal_file_bytes_max = 64 << 20;
  // How long a statement waits for a lock of another connection of this process.
  absl::Duration busy_wait_max = absl::Seconds(5);
};

class Database;

// Parameters and columns count from 1 and 0, as in SQLite. Bytes given to Bind… are not copied:
// they must live until Reset() or Run() returns. Bytes taken from a column live until the next
// Step() or Reset().
class Statement {
 public:
  Statement() = default;  // to be assigned before it is used
  Statement(Statement&&) noexcept = default;
  Statement& operator=(Statement&&) noexcept = default;

  Statement& BindInt(int parameter, int64_t value);
  Statement& BindBlob(int parameter, std::string_view value);  // empty is an empty blob, not NULL
  Statement& BindText(int parameter, std::string_view value);
  Statement& BindNull(int parameter);

  // True: there is a row to read. False: done. After an error only Reset() is of use.
  absl::StatusOr<bool> Step();
  // Back to before the first row, all parameters NULL.
  void Reset();
  // Steps to the end and resets: for statements that give no rows.
  absl::Status Run();

  int64_t Int(int column) const;
  std::string_view Bytes(int column) const;  // a blob or a text
  bool IsNull(int column) const;

 private:
  friend class Database;
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  // A parameter that could not be bound would be stored as NULL; Step gives this instead.
  Statement& Bound(int code);

  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
  int bind_error_ = 0;
};

class Database {
 public:
  // Sets every option, reads it back, and refuses if SQLite did not take it. FAILED_PRECONDITION
  // when the file is in use or cannot be opened, DATA_LOSS when it is not a database.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const Options& options);
  // All statements must be gone. Waits for nothing.
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Prepared once, used for as long as the connection lives.
  absl::StatusOr<Statement> Prepare(std::string_view sql);
  // Runs statements that have no parameters; rows are dropped.
  absl::Status Execute(const std::string& sql);
  // First column of the only row.
  absl::StatusOr<int64_t> QueryInt(std::string_view sql);
  absl::StatusOr<std::string> QueryText(std::string_view sql);

  // Brings the schema to its newest version, steps.size(), in one transaction: steps[i] leads from
  // version i to i + 1 (PRAGMA user_version). FAILED_PRECONDITION when the file is newer. Published
  // steps never change.
  absl::Status Migrate(absl::Span<const char* const> steps);
  // `PRAGMA quick_check`: reads the whole file. DATA_LOSS with the first finding.
  absl::Status CheckPages();

  // Moves the write-ahead log into the file. Without a wait, as far as no reader needs it
  // (PASSIVE): true when that was all of it, and the log begins anew at the first commit that finds
  // no reader in it, which under constant reading may never come. With a wait, readers of earlier
  // snapshots get that long to end (RESTART), which holds up neither them nor new ones: true when
  // the next commit begins the log anew.
  absl::StatusOr<bool> Checkpoint(absl::Duration wait_max = absl::ZeroDuration());
  // Length of the write-ahead log after this connection's last commit.
  int64_t wal_bytes() const { return wal_pages_ * page_bytes_; }

  // From then on statements that take longer end with DEADLINE_EXCEEDED, so that nobody holds a
  // snapshot, and with it the write-ahead log, for ever. InfiniteFuture: never.
  void EndStatementsAt(absl::Time time);

  int64_t changes() const;        // rows of the last INSERT, UPDATE or DELETE
  int64_t total_changes() const;  // of all of them since the connection was opened
  bool in_transaction() const;
  const std::string& path() const { return path_; }

 private:
  struct Closer {
    void operator()(sqlite3* db) const;
  };
  Database() = default;
  absl::Status Configure(const Options& options);
  void SetBusyWait(absl::Duration wait_max);
  absl::Status SetPragma(const std::string& name, const std::string& value,
                         const std::string& expected);

  std::string path_;
  absl::Duration busy_wait_max_;
  std::optional<FileLock> lock_;  // before db_: let go of after the file is closed
  std::unique_ptr<sqlite3, Closer> db_;
  absl::Time statements_end_ = absl::InfiniteFuture();
  int64_t page_bytes_ = 0;
  int64_t wal_pages_ = 0;
};

absl::Status PrepareAll(Database& db,
                        std::initializer_list<std::pair<Statement*, const char*>> statements);

// Calls `row` for each row and resets the statement.
template <class Row>
absl::Status ForEach(Statement& query, Row row) {
  absl::StatusOr<bool> more = query.Step();
  for (; more.ok() && *more; more = query.Step()) row();
  query.Reset();
  return more.status();
}

// Rolls back unless Commit() succeeded.
class Transaction {
 public:
  // Takes the right to write at once: a transaction that reads first and writes later fails when
  // somebody else wrote in between, without waiting (SQLITE_BUSY_SNAPSHOT).
  static absl::StatusOr<Transaction> Begin(Database& db);
  ~Transaction();
  Transaction(Transaction&& other) noexcept : db_(other.db_) { other.db_ = nullptr; }
  Transaction& operator=(Transaction&&) = delete;

  // OK: synced to disk. An error says nothing about what a crash would leave: whoever gets one must
  // not write again through this connection, nor try the same commit again, but open the file anew
  // and look.
  absl::Status Commit();

 private:
  explicit Transaction(Database* db) : db_(db) {}
  Database* db_;
};

}  // namespace fettle::sqlite

#endif  // FETTLE_LIBS_SQLITE_DATABASE_H_
