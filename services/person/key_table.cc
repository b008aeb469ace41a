#include "services/person/key_table.h"

#include <algorithm>
#include <iterator>
#include <utility>

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
// Keys in one transaction.
constexpr size_t kKeysAtOnceMax = 256;

}  // namespace

KeyTable::KeyTable(std::unique_ptr<sqlite::Database> db, const base::Clock* clock)
    : lately_({}, clock), db_(std::move(db)) {}

absl::StatusOr<std::unique_ptr<KeyTable>> KeyTable::Open(const std::string& path,
                                                         const base::Clock* clock) {
  sqlite::Options options;
  options.path = path;
  options.journal_mode = sqlite::JournalMode::kRollback;
  options.secure_delete = true;
  FETTLE_ASSIGN_OR_RETURN(std::unique_ptr<sqlite::Database> db, sqlite::Database::Open(options));
  FETTLE_RETURN_IF_ERROR(db->Migrate(kSchema));
  std::unique_ptr<KeyTable> table(new KeyTable(std::move(db), clock));
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

absl::StatusOr<KeyTable::Key> KeyTable::FindLocked(const std::string& person_id) {
  if (!failure_.ok()) return Broken(failure_);
  const std::string person = base::UuidToBytes(person_id);
  find_.BindBlob(1, person);
  const absl::StatusOr<bool> found = find_.Step();
  if (!found.ok()) return Broken(found.status());
  if (!*found) {
    find_.Reset();
    return base::Refuse(absl::StatusCode::kNotFound, "PERSON_NOT_FOUND", "no such person");
  }
  auto key = std::make_shared<const seal::PersonKey>(person_id, static_cast<int32_t>(find_.Int(0)),
                                                     std::string(find_.Bytes(1)));
  find_.Reset();
  return key;
}

KeyTable::Key KeyTable::FindLately(const std::string& person_id) {
  return broken_ ? nullptr : lately_.Find(person_id);
}

absl::StatusOr<KeyTable::Key> KeyTable::Find(const std::string& person_id) {
  if (Key key = FindLately(person_id); key != nullptr) return key;
  absl::MutexLock lock(&mutex_);
  FETTLE_ASSIGN_OR_RETURN(Key key, FindLocked(person_id));
  lately_.Put(key);
  return key;
}

void KeyTable::FindOrMake(const std::string& person_id, Done done) {
  if (Key key = FindLately(person_id); key != nullptr) return done(std::move(key));
  {
    absl::MutexLock lock(&queue_mutex_);
    queue_.push_back({person_id, std::move(done)});
    if (making_) return;
    making_ = true;
  }
  MakeKeys();
}

void KeyTable::MakeKeys() {
  while (true) {
    std::vector<Wanted> wanted;
    {
      absl::MutexLock lock(&queue_mutex_);
      making_ = !queue_.empty();
      if (!making_) return;
      const auto end = queue_.begin() + std::min(queue_.size(), kKeysAtOnceMax);
      wanted.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
      queue_.erase(queue_.begin(), end);
    }
    const absl::StatusOr<std::vector<Key>> keys = Make(wanted);
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (keys.ok()) {
        wanted[i].done((*keys)[i]);
      } else {
        wanted[i].done(keys.status());
      }
    }
  }
}

absl::StatusOr<std::vector<KeyTable::Key>> KeyTable::Make(const std::vector<Wanted>& wanted) {
  absl::MutexLock lock(&mutex_);
  if (!failure_.ok()) return Broken(failure_);
  absl::StatusOr<sqlite::Transaction> transaction = sqlite::Transaction::Begin(*db_);
  if (!transaction.ok()) return Broken(transaction.status());
  std::vector<Key> keys;
  for (const Wanted& one : wanted) {
    absl::StatusOr<Key> key = FindLocked(one.person_id);
    if (absl::IsNotFound(key.status())) {
      key = std::make_shared<const seal::PersonKey>(seal::MakePersonKey(one.person_id, 1));
      const std::string person = base::UuidToBytes(one.person_id);
      insert_.BindBlob(1, person).BindInt(2, (*key)->version).BindBlob(3, (*key)->key);
      if (const absl::Status inserted = insert_.Run(); !inserted.ok()) return Broken(inserted);
    }
    if (!key.ok()) return key.status();
    keys.push_back(*std::move(key));
  }
  if (const absl::Status committed = transaction->Commit(); !committed.ok()) {
    return Broken(committed);
  }
  for (const Key& key : keys) lately_.Put(key);
  return keys;
}

absl::Status KeyTable::Broken(const absl::Status& failure) {
  if (failure_.ok()) {
    failure_ = failure;
    broken_ = true;
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
