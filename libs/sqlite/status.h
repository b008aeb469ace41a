// Inner to libs/sqlite: the one place that turns SQLite's result codes into absl::Status.
#ifndef FETTLE_LIBS_SQLITE_STATUS_H_
#define FETTLE_LIBS_SQLITE_STATUS_H_

#include <string>

#include "absl/status/status.h"

struct sqlite3;

namespace fettle::sqlite {

// OK for SQLITE_OK, SQLITE_ROW and SQLITE_DONE. The message names what was tried, SQLite's own
// text, the extended code and the file. It holds no values: SQLite's texts name tables and columns
// only.
absl::Status ToStatus(int extended_code, sqlite3* db, const std::string& what);

}  // namespace fettle::sqlite

#endif  // FETTLE_LIBS_SQLITE_STATUS_H_
