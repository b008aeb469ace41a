// Goal: keys are kept, and a table that failed is used no more. Method: the file itself, with a
// disk that takes nothing.
#include "services/person/key_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>

#include "libs/base/status.h"

namespace fettle::person {
namespace {

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
    absl::StatusOr<std::unique_ptr<KeyTable>> table = KeyTable::Open(directory_ + "/keys.db");
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
  }

  std::string directory_;
  std::unique_ptr<KeyTable> table_;
};

TEST_F(KeyTableTest, AKeyIsMadeOnceAndKept) {
  EXPECT_EQ(base::ReasonOf(table_->Find(kOne).status()), "PERSON_NOT_FOUND");
  const std::string key = table_->FindOrMake(kOne)->key;
  EXPECT_EQ(table_->FindOrMake(kOne)->key, key);
  Open();
  EXPECT_EQ(table_->Find(kOne)->key, key);
  EXPECT_TRUE(table_->failure().ok());
}

TEST_F(KeyTableTest, AfterAFailureItIsUsedNoMoreAndSaysWhyToItsOwnerAlone) {
  ASSERT_TRUE(table_->FindOrMake(kOne).ok());
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit full{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  const absl::Status failed = table_->FindOrMake(kTwo).status();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);

  EXPECT_EQ(base::ReasonOf(failed), "KEYS_BROKEN");
  EXPECT_EQ(failed.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(failed.message()), Not(HasSubstr("keys.db")));
  EXPECT_THAT(std::string(table_->failure().message()), HasSubstr("keys.db"));
  EXPECT_EQ(base::ReasonOf(table_->Find(kOne).status()), "KEYS_BROKEN") << "not even to read";
}

}  // namespace
}  // namespace fettle::person
