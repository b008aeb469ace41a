// The keys that seal people's private words: a SQLite file of its own, with a rollback journal (a
// deleted key stays readable in a WAL after its checkpoint), secure_delete and synced commits. The
// only mutable table in Fettle.
#ifndef FETTLE_SERVICES_PERSON_KEY_TABLE_H_
#define FETTLE_SERVICES_PERSON_KEY_TABLE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/seal/sealer.h"
#include "libs/sqlite/database.h"

namespace fettle::person {

// Thread safe; calls wait for the disk. After a failure it is broken: nobody knows what is on the
// disk, so nothing is read or written any more, and the process must end (failure()).
class KeyTable {
 public:
  static absl::StatusOr<std::unique_ptr<KeyTable>> Open(const std::string& path);

  // NOT_FOUND when the person has no key (any more). UNAVAILABLE KEYS_BROKEN after a failure.
  absl::StatusOr<seal::PersonKey> Find(const std::string& person_id);
  // The person's key; a new one, on disk before it is given, when there is none.
  absl::StatusOr<seal::PersonKey> FindOrMake(const std::string& person_id);

  // Why the table broke, or OK.
  absl::Status failure() const;

 private:
  explicit KeyTable(std::unique_ptr<sqlite::Database> db) : db_(std::move(db)) {}
  absl::Status Prepare();
  absl::StatusOr<seal::PersonKey> FindLocked(const std::string& person_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Notes what went wrong; gives what the caller is told.
  absl::Status Broken(const absl::Status& failure) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::unique_ptr<sqlite::Database> db_ ABSL_GUARDED_BY(mutex_);
  sqlite::Statement find_ ABSL_GUARDED_BY(mutex_);
  sqlite::Statement insert_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fettle::person

#endif  // FETTLE_SERVICES_PERSON_KEY_TABLE_H_
