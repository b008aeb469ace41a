// The embedded store: one SQLite file for one journal.
#ifndef FETTLE_LIBS_JOURNAL_SQLITE_STORE_H_
#define FETTLE_LIBS_JOURNAL_SQLITE_STORE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/journal/store.h"

namespace fettle::journal {

struct SqliteStoreOptions {
  // The directory exists. `-wal`, `-shm` and `.lock` stand beside the file.
  std::string path;
  // Less means more reading of pages again; more, that SQLite 3.40 looks through more of them after
  // each commit that split a page (pcache1Truncate).
  int64_t writer_cache_bytes_max = 16 << 20;
  // Of each reader.
  int64_t reader_cache_bytes_max = 1 << 20;
  // After each growth of the write-ahead log by this much the writer moves it into the file. More
  // means fewer page writes for each command, and a longer pause of the writer when it happens.
  int64_t wal_bytes_max = 4 << 20;
  // From twice that length on, the writer waits this long for the queries that still read from the
  // log.
  absl::Duration checkpoint_wait_max = absl::Milliseconds(100);
  // Entries with keys in no order that gather before they are moved into their trees
  // (sqlite_entries.h). More means fewer page writes for each, and some 45 bytes of memory for each
  // of twice as many.
  int64_t recent_entries_max = 224'000;
  // Reads the whole file at Open (about 1 s per GB when cached) and refuses a damaged one.
  bool check_pages_at_open = true;
};

// Opens the file, making it if need be. FAILED_PRECONDITION when another process or store holds it
// or its schema is newer than this program; DATA_LOSS when it is damaged. The store outlives its
// readers.
//
// After an error of Commit, PruneReceipts or BeginRebuild other than ALREADY_EXISTS, the store
// refuses all further writes with that error: a sync that failed is never tried again, because the
// kernel may have dropped the pages that it could not write. The process ends, and the next start
// finds what the disk really has.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const SqliteStoreOptions& options);

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_SQLITE_STORE_H_
