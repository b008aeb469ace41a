// Goal: keys are kept, and a table that failed is used no more. Method: the file itself, with a
// disk that takes nothing.
#include "services/person/key_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/synchronization/blocking_counter.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"

namespace fettle::person {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kOne[] = "0196d5a0-0001-7000-8000-000000000001";
constexpr char kTwo[] = "0196d5a0-0001-7000-8000-000000000002";

class KeyTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() / "fettle-keys-XXXXXX";
    ASSERT_NE(mkdtemp(directory_.data()), nullptr);
    Open();
  }
  void TearDown() override {
    table_.reset();
    std::filesystem::remove_all(directory_);
  }
  void Open() {
    table_.reset();
    absl::StatusOr<std::unique_ptr<KeyTable>> table =
        KeyTable::Open(directory_ + "/keys.db", &clock_);
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
  }
  absl::StatusOr<KeyTable::Key> FindOrMake(const std::string& person_id) {
    absl::StatusOr<KeyTable::Key> given;
    table_->FindOrMake(person_id,
                       [&](absl::StatusOr<KeyTable::Key> key) { given = std::move(key); });
    return given;
  }

  base::SystemClock clock_;
  std::string directory_;
  std::unique_ptr<KeyTable> table_;
};

TEST_F(KeyTableTest, AKeyIsMadeOnceAndKept) {
  EXPECT_EQ(base::ReasonOf(table_->Find(kOne).status()), "PERSON_NOT_FOUND");
  const std::string key = (*FindOrMake(kOne))->key;
  EXPECT_EQ((*FindOrMake(kOne))->key, key);
  Open();
  EXPECT_EQ((*table_->Find(kOne))->key, key);
  EXPECT_TRUE(table_->failure().ok());
}

TEST_F(KeyTableTest, KeysThatManyWantAtOnceAreOneForEachPerson) {
  constexpr int kPeople = 200, kAskers = 4;
  absl::Mutex mutex;
  std::map<std::string, std::set<std::string>> given;
  absl::BlockingCounter answers(kPeople * kAskers);
  std::vector<std::thread> askers;
  for (int asker = 0; asker < kAskers; ++asker) {
    askers.emplace_back([&] {
      for (int i = 0; i < kPeople; ++i) {
        const std::string person = absl::StrFormat("0196d5a0-0001-7000-8000-%012d", i);
        table_->FindOrMake(person, [&, person](absl::StatusOr<KeyTable::Key> key) {
          absl::MutexLock lock(&mutex);
          given[person].insert(key.ok() ? (*key)->key : "");
          answers.DecrementCount();
        });
      }
    });
  }
  for (std::thread& asker : askers) asker.join();
  answers.Wait();
  Open();
  ASSERT_EQ(given.size(), kPeople);
  for (const auto& [person, keys] : given) {
    EXPECT_THAT(keys, ElementsAre((*table_->Find(person))->key));
  }
}

TEST_F(KeyTableTest, AfterAFailureItIsUsedNoMoreAndSaysWhyToItsOwnerAlone) {
  ASSERT_TRUE(FindOrMake(kOne).ok());
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit full{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  const absl::Status failed = FindOrMake(kTwo).status();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);

  EXPECT_EQ(base::ReasonOf(failed), "KEYS_BROKEN");
  EXPECT_EQ(failed.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(failed.message()), Not(HasSubstr("keys.db")));
  EXPECT_THAT(std::string(table_->failure().message()), HasSubstr("keys.db"));
  EXPECT_EQ(base::ReasonOf(table_->Find(kOne).status()), "KEYS_BROKEN") << "not even to read";
}

}  // namespace
}  // namespace fettle::person
