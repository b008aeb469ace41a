#include "libs/sqlite/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/sqlite/gathering_vfs.h"
#include "libs/sqlite/status.h"

namespace fettle::sqlite {
namespace {

// SQLite's virtual machine does some ten million of these a second.
constexpr int kStepsBetweenLooks = 100'000;

// Counting allocated bytes takes a process-wide lock for every allocation of every connection.
void InitializeLibraryOnce() {
  static const bool done = [] {
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    return sqlite3_initialize() == SQLITE_OK;
  }();
  FETTLE_CHECK(done, "SQLite starts");
}

// SQLite would create the file with mode 0644. The log and index beside it take over the mode of
// the file.
absl::Status CreateFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open or create ", path));
  close(fd);
  return absl::OkStatus();
}

}  // namespace

void Statement::Finalizer::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Statement& Statement::Bound(int code) {
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Statement& Statement::BindInt(int parameter, int64_t value) {
  return Bound(sqlite3_bind_int64(statement_.get(), parameter, value));
}

Statement& Statement::BindBlob(int parameter, std::string_view value) {
  // A null pointer would bind NULL.
  const char* data = value.empty() ? "" : value.data();
  return Bound(sqlite3_bind_blob64(statement_.get(), parameter, data, value.size(), SQLITE_STATIC));
}

Statement& Statement::BindText(int parameter, std::string_view value) {
  const char* data = value.empty() ? "" : value.data();
  return Bound(sqlite3_bind_text64(statement_.get(), parameter, data, value.size(), SQLITE_STATIC,
                                   SQLITE_UTF8));
}

Statement& Statement::BindNull(int parameter) {
  return Bound(sqlite3_bind_null(statement_.get(), parameter));
}

absl::StatusOr<bool> Statement::Step() {
  sqlite3* db = sqlite3_db_handle(statement_.get());
  if (bind_error_ != SQLITE_OK) return ToStatus(bind_error_, db, "bind");
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return ToStatus(sqlite3_extended_errcode(db), db, "step");
}

void Statement::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  bind_error_ = SQLITE_OK;
}

absl::Status Statement::Run() {
  absl::StatusOr<bool> row = true;
  while (row.ok() && *row) row = Step();
  Reset();
  return row.status();
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string_view Statement::Bytes(int column) const {
  // In this order: asking for the pointer may convert the value and so change its length.
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return {static_cast<const char*>(data), static_cast<size_t>(size)};
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Database::Closer::operator()(sqlite3* db) const {
  FETTLE_CHECK(sqlite3_close(db) == SQLITE_OK, "statements are gone before their connection");
}

Database::~Database() = default;

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const Options& options) {
  InitializeLibraryOnce();
  std::unique_ptr<Database> db(new Database);
  db->path_ = options.path;
  if (!options.read_only) {
    FETTLE_ASSIGN_OR_RETURN(db->lock_, FileLock::Acquire(options.path + ".lock"));
    FETTLE_RETURN_IF_ERROR(CreateFile(options.path));
  }
  const int flags = (options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  // Without "./" a path that begins with "file:" would be read as a URI with options of its own.
  const std::string name = options.path.starts_with('/') ? options.path : "./" + options.path;
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(name.c_str(), &handle, flags, options.read_only ? nullptr : GatheringVfs());
  db->db_.reset(handle);
  FETTLE_RETURN_IF_ERROR(ToStatus(code, handle, absl::StrCat("cannot open ", options.path)));
  FETTLE_RETURN_IF_ERROR(db->Configure(options));
  return db;
}

absl::Status Database::Configure(const Options& options) {
  sqlite3* db = db_.get();
  busy_wait_max_ = options.busy_wait_max;
  SetBusyWait(busy_wait_max_);
  int on = 0;
  FETTLE_RETURN_IF_ERROR(
      ToStatus(sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, &on), db, "DEFENSIVE"));
  if (on != 1) return absl::InternalError("SQLite did not take DEFENSIVE");
  if (options.read_only) {
    FETTLE_RETURN_IF_ERROR(ToStatus(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &on),
                                    db, "NO_CKPT_ON_CLOSE"));
    if (on != 1) return absl::InternalError("SQLite did not take NO_CKPT_ON_CLOSE");
  }
  FETTLE_RETURN_IF_ERROR(SetPragma("trusted_schema", "OFF", "0"));
  FETTLE_RETURN_IF_ERROR(SetPragma("cell_size_check", "ON", "1"));
  FETTLE_RETURN_IF_ERROR(SetPragma("mmap_size", "0", "0"));
  FETTLE_RETURN_IF_ERROR(SetPragma("foreign_keys", "ON", "1"));
  const std::string cache = absl::StrCat("-", std::max<int64_t>(options.cache_bytes_max / 1024, 1));
  FETTLE_RETURN_IF_ERROR(SetPragma("cache_size", cache, cache));

  const bool wal = options.journal_mode == JournalMode::kWal;
  if (options.read_only) {
    FETTLE_RETURN_IF_ERROR(SetPragma("query_only", "ON", "1"));
    // Only asked: it is a property of the file.
    FETTLE_ASSIGN_OR_RETURN(const std::string mode, QueryText("PRAGMA journal_mode"));
    if (mode != (wal ? "wal" : "delete")) {
      return absl::InternalError(absl::StrCat(path_, " has journal_mode=", mode));
    }
  } else {
    FETTLE_RETURN_IF_ERROR(
        SetPragma("journal_mode", wal ? "WAL" : "DELETE", wal ? "wal" : "delete"));
    const std::string limit = absl::StrCat(options.wal_file_bytes_max);
    FETTLE_RETURN_IF_ERROR(SetPragma("journal_size_limit", limit, limit));
    const std::string secure = options.secure_delete ? "1" : "0";
    FETTLE_RETURN_IF_ERROR(SetPragma("secure_delete", secure, secure));
  }
  const bool extra = options.synchronous == Synchronous::kExtra;
  FETTLE_RETURN_IF_ERROR(SetPragma("synchronous", extra ? "EXTRA" : "FULL", extra ? "3" : "2"));
  FETTLE_RETURN_IF_ERROR(SetPragma("wal_autocheckpoint", "0", "0"));
  // In the place of SQLite's own checkpointing hook.
  sqlite3_wal_hook(
      db,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Database*>(self)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      this);
  FETTLE_ASSIGN_OR_RETURN(page_bytes_, QueryInt("PRAGMA page_size"));
  return absl::OkStatus();
}

absl::Status Database::SetPragma(const std::string& name, const std::string& value,
                                 const std::string& expected) {
  FETTLE_RETURN_IF_ERROR(Execute(absl::StrCat("PRAGMA ", name, "=", value)));
  FETTLE_ASSIGN_OR_RETURN(const std::string actual, QueryText("PRAGMA " + name));
  if (actual == expected) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("SQLite did not take ", name, "=", value, " but has ", actual, ", ", path_));
}

absl::StatusOr<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const char* rest = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, &rest);
  Statement owned(statement);
  FETTLE_RETURN_IF_ERROR(ToStatus(code, db_.get(), "prepare"));
  FETTLE_CHECK(
      statement != nullptr &&
          absl::StripAsciiWhitespace(absl::string_view(rest, sql.size() - (rest - sql.data())))
              .empty(),
      "one statement is prepared at a time");
  return owned;
}

absl::Status Database::Execute(const std::string& sql) {
  return ToStatus(sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr), db_.get(),
                  "execute");
}

absl::StatusOr<int64_t> Database::QueryInt(std::string_view sql) {
  FETTLE_ASSIGN_OR_RETURN(Statement query, Prepare(sql));
  FETTLE_ASSIGN_OR_RETURN(const bool row, query.Step());
  if (!row) return absl::NotFoundError("no row");
  return query.Int(0);
}

absl::StatusOr<std::string> Database::QueryText(std::string_view sql) {
  FETTLE_ASSIGN_OR_RETURN(Statement query, Prepare(sql));
  FETTLE_ASSIGN_OR_RETURN(const bool row, query.Step());
  if (!row) return absl::NotFoundError("no row");
  return std::string(query.Bytes(0));
}

absl::Status Database::Migrate(absl::Span<const char* const> steps) {
  FETTLE_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*this));
  FETTLE_ASSIGN_OR_RETURN(const int64_t version, QueryInt("PRAGMA user_version"));
  const int64_t newest = static_cast<int64_t>(steps.size());
  if (version < 0 || version > newest) {
    return absl::FailedPreconditionError(absl::StrCat(path_, " has schema version ", version,
                                                      "; this program knows versions up to ",
                                                      newest, ": start the program that wrote it"));
  }
  if (version == newest) return absl::OkStatus();
  for (int64_t i = version; i < newest; ++i) FETTLE_RETURN_IF_ERROR(Execute(steps[i]));
  FETTLE_RETURN_IF_ERROR(Execute(absl::StrCat("PRAGMA user_version=", newest)));
  return transaction.Commit();
}

absl::Status Database::CheckPages() {
  FETTLE_ASSIGN_OR_RETURN(const std::string finding, QueryText("PRAGMA quick_check(1)"));
  if (finding == "ok") return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path_, " is damaged: ", finding));
}

void Database::EndStatementsAt(absl::Time time) {
  const bool was_set = statements_end_ != absl::InfiniteFuture();
  const bool is_set = time != absl::InfiniteFuture();
  statements_end_ = time;
  if (was_set == is_set) return;
  sqlite3_progress_handler(
      db_.get(), is_set ? kStepsBetweenLooks : 0,
      [](void* self) {
        return absl::Now() > static_cast<Database*>(self)->statements_end_ ? 1 : 0;
      },
      this);
}

void Database::SetBusyWait(absl::Duration wait_max) {
  sqlite3_busy_timeout(db_.get(), static_cast<int>(absl::ToInt64Milliseconds(wait_max)));
}

absl::StatusOr<bool> Database::Checkpoint(absl::Duration wait_max) {
  const bool wait = wait_max > absl::ZeroDuration();
  int log_pages = 0;
  int moved_pages = 0;
  if (wait) SetBusyWait(wait_max);
  const int code = sqlite3_wal_checkpoint_v2(
      db_.get(), nullptr, wait ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, &log_pages,
      &moved_pages);
  if (wait) SetBusyWait(busy_wait_max_);
  if (wait && code == SQLITE_BUSY) return false;
  FETTLE_RETURN_IF_ERROR(ToStatus(code, db_.get(), "checkpoint"));
  return moved_pages == log_pages;
}

int64_t Database::changes() const { return sqlite3_changes64(db_.get()); }

int64_t Database::total_changes() const { return sqlite3_total_changes64(db_.get()); }

bool Database::in_transaction() const { return sqlite3_get_autocommit(db_.get()) == 0; }

absl::Status PrepareAll(Database& db,
                        std::initializer_list<std::pair<Statement*, const char*>> statements) {
  for (const auto& [statement, sql] : statements) {
    FETTLE_ASSIGN_OR_RETURN(*statement, db.Prepare(sql));
  }
  return absl::OkStatus();
}

absl::StatusOr<Transaction> Transaction::Begin(Database& db) {
  FETTLE_RETURN_IF_ERROR(db.Execute("BEGIN IMMEDIATE"));
  return Transaction(&db);
}

Transaction::~Transaction() {
  // SQLite has rolled back by itself after some errors. A rollback that fails leaves nothing to do:
  // the caller has the error that led here, and the file is as it was.
  if (db_ != nullptr && db_->in_transaction()) (void)db_->Execute("ROLLBACK");
}

absl::Status Transaction::Commit() {
  FETTLE_RETURN_IF_ERROR(db_->Execute("COMMIT"));
  db_ = nullptr;
  return absl::OkStatus();
}

}  // namespace fettle::sqlite
