#include "libs/sqlite/status.h"

#include <sqlite3.h>

#include "absl/strings/str_cat.h"

namespace fettle::sqlite {
namespace {

absl::StatusCode CodeOf(int extended_code) {
  switch (extended_code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return absl::StatusCode::kAlreadyExists;
  }
  switch (extended_code & 0xff) {
    case SQLITE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StatusCode::kUnavailable;
    case SQLITE_INTERRUPT:
      return absl::StatusCode::kDeadlineExceeded;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return absl::StatusCode::kFailedPrecondition;
    case SQLITE_TOOBIG:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status ToStatus(int extended_code, sqlite3* db, const std::string& what) {
  if (extended_code == SQLITE_OK || extended_code == SQLITE_ROW || extended_code == SQLITE_DONE) {
    return absl::OkStatus();
  }
  const char* path = db == nullptr ? nullptr : sqlite3_db_filename(db, nullptr);
  return absl::Status(
      CodeOf(extended_code),
      absl::StrCat(what, ": ", db == nullptr ? sqlite3_errstr(extended_code) : sqlite3_errmsg(db),
                   " (SQLite ", extended_code, ")", path == nullptr ? "" : ", ",
                   path == nullptr ? "" : path));
}

}  // namespace fettle::sqlite
