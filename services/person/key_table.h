// The keys that seal people's private words: a SQLite file of its own, with a rollback journal (a
// deleted key stays readable in a WAL after its checkpoint), secure_delete and synced commits. The
// only mutable table in Fettle.
#ifndef FETTLE_SERVICES_PERSON_KEY_TABLE_H_
#define FETTLE_SERVICES_PERSON_KEY_TABLE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"
#include "libs/seal/key_cache.h"
#include "libs/seal/sealer.h"
#include "libs/sqlite/database.h"

namespace fettle::person {

// Thread safe; calls wait for the disk. Keys that are wanted at the same time are made in one
// transaction. After a failure it is broken: nobody knows what is on the disk, so nothing is read
// or written any more, and the process must end (failure()).
class KeyTable {
 public:
  using Key = std::shared_ptr<const seal::PersonKey>;
  using Done = std::function<void(absl::StatusOr<Key>)>;

  // The clock outlives the table.
  static absl::StatusOr<std::unique_ptr<KeyTable>> Open(const std::string& path,
                                                        const base::Clock* clock);
  // NOT_FOUND when the person has no key (any more). UNAVAILABLE KEYS_BROKEN
  // after a failure.
  absl::StatusOr<Key> Find(const std::string& person_id);
  // The person's key; a new one, on disk before it is given, when there is none. `done` is called
  // once: before this returns, or by another caller who is making keys just now.
  void FindOrMake(const std::string& person_id, Done done);

  // Why the table broke, or OK.
  absl::Status failure() const;

 private:
  struct Wanted {
    std::string person_id;
    Done done;
  };

  KeyTable(std::unique_ptr<sqlite::Database> db, const base::Clock* clock);
  absl::Status Prepare();
  void MakeKeys();
  // A key for each, in their order.
  absl::StatusOr<std::vector<Key>> Make(const std::vector<Wanted>& wanted);
  absl::StatusOr<Key> FindLocked(const std::string& person_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Notes what went wrong; gives what the caller is told.
  absl::Status Broken(const absl::Status& failure) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Key FindLately(const std::string& person_id);

  // Of people who were asked for lately: who reads a key does not wait for others that are made.
  seal::KeyCache lately_;
  std::atomic<bool> broken_ = false;

  mutable absl::Mutex mutex_;  // held while keys are written
  std::unique_ptr<sqlite::Database> db_ ABSL_GUARDED_BY(mutex_);
  sqlite::Statement find_ ABSL_GUARDED_BY(mutex_);
  sqlite::Statement insert_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex queue_mutex_;
  std::vector<Wanted> queue_ ABSL_GUARDED_BY(queue_mutex_);
  // Somebody makes keys, and takes those along that are queued meanwhile.
  bool making_ ABSL_GUARDED_BY(queue_mutex_) = false;
};

}  // namespace fettle::person

#endif  // FETTLE_SERVICES_PERSON_KEY_TABLE_H_
