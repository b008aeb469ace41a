#include "services/person/key_table.h"

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/uuid.h"

namespace fettle::person {
namespace {

constexpr const char* kSchema[] = {
    "CREATE TABLE key (person BLOB PRIMARY KEY, version INTEGER NOT NULL, key BLOB NOT NULL) "
    "WITHOUT ROWID",
};

// By then the process was started anew.
constexpr absl::Duration kBrokenRetryAfter = absl::Seconds(5);

}  // namespace

absl::StatusOr<std::unique_ptr<KeyTable>> KeyTable::Open(const std::string& path) {
  sqlite::Options options;
  options.path = path;
  options.journal_mode = sqlite::JournalMode::kRollback;
  options.secure_delete = true;
  FETTLE_ASSIGN_OR_RETURN(std::unique_ptr<sqlite::Database> db, sqlite::Database::Open(options));
  FETTLE_RETURN_IF_ERROR(db->Migrate(kSchema));
  std::unique_ptr<KeyTable> table(new KeyTable(std::move(db)));
  FETTLE_RETURN_IF_ERROR(table->Prepare());
  return table;
}

absl::Status KeyTable::Prepare() {
  absl::MutexLock lock(&mutex_);
  FETTLE_ASSIGN_OR_RETURN(find_, db_->Prepare("SELECT version, key FROM key WHERE person = ?1"));
  FETTLE_ASSIGN_OR_RETURN(
      insert_, db_->Prepare("INSERT INTO key (person, version, key) VALUES (?1, ?2, ?3)"));
  return absl::OkStatus();
}

absl::StatusOr<seal::PersonKey> KeyTable::FindLocked(const std::string& person_id) {
  if (!failure_.ok()) return Broken(failure_);
  const std::string person = base::UuidToBytes(person_id);
  find_.BindBlob(1, person);
  const absl::StatusOr<bool> found = find_.Step();
  if (!found.ok()) return Broken(found.status());
  if (!*found) {
    find_.Reset();
    return base::Refuse(absl::StatusCode::kNotFound, "PERSON_NOT_FOUND", "no such person");
  }
  seal::PersonKey key(person_id, static_cast<int32_t>(find_.Int(0)), std::string(find_.Bytes(1)));
  find_.Reset();
  return key;
}

absl::StatusOr<seal::PersonKey> KeyTable::Find(const std::string& person_id) {
  absl::MutexLock lock(&mutex_);
  return FindLocked(person_id);
}

absl::StatusOr<seal::PersonKey> KeyTable::FindOrMake(const std::string& person_id) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<seal::PersonKey> found = FindLocked(person_id);
  if (!absl::IsNotFound(found.status())) return found;
  seal::PersonKey made = seal::MakePersonKey(person_id, 1);
  const std::string person = base::UuidToBytes(person_id);
  insert_.BindBlob(1, person).BindInt(2, made.version).BindBlob(3, made.key);
  if (const absl::Status inserted = insert_.Run(); !inserted.ok()) return Broken(inserted);
  return made;
}

absl::Status KeyTable::Broken(const absl::Status& failure) {
  if (failure_.ok()) {
    failure_ = failure;
    base::Log(base::Level::kError, "the table of keys failed; it is used no more",
              {{"cause", failure.message()}});
  }
  return base::Unavailable("KEYS_BROKEN", "the keys of private words cannot be had now",
                           kBrokenRetryAfter);
}

absl::Status KeyTable::failure() const {
  absl::MutexLock lock(&mutex_);
  return failure_;
}

}  // namespace fettle::person
