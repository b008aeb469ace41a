// Goal: the kernel is asked to write far less often, and nothing else is different: others see what
// was committed, at once; an error of the disk fails the commit; a cache that overflows is read
// back right. Method: real files, the kernel's own count of writes, a second connection.
#include "libs/sqlite/gathering_vfs.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "libs/sqlite/database.h"

namespace fettle::sqlite {
namespace {

constexpr const char* kTable[] = {"CREATE TABLE t (k INTEGER PRIMARY KEY, b BLOB NOT NULL) STRICT"};

int64_t WriteCalls() {
  std::ifstream io("/proc/thread-self/io");
  for (std::string name, value; io >> name >> value;) {
    if (name == "syscw:") return std::stoll(value);
  }
  return 0;
}

class GatheringVfsTest : public testing::Test {
 protected:
  GatheringVfsTest() {
    std::string pattern = testing::TempDir() + "/gathering_XXXXXX";
    directory_ = mkdtemp(pattern.data());
    options_.path = directory_ + "/a.db";
  }
  ~GatheringVfsTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Database> Open(bool read_only = false) {
    Options options = options_;
    options.read_only = read_only;
    return Database::Open(options).value();
  }
  // One transaction: `rows` rows of `bytes` bytes with the keys from `first` on.
  static absl::Status Put(Database& db, int64_t first, int64_t rows, size_t bytes) {
    auto transaction = Transaction::Begin(db);
    if (!transaction.ok()) return transaction.status();
    Statement put = db.Prepare("REPLACE INTO t (k, b) VALUES (?1, ?2)").value();
    const std::string value(bytes, 'x');
    for (int64_t key = first; key < first + rows; ++key) {
      const absl::Status status = put.BindInt(1, key).BindBlob(2, value).Run();
      if (!status.ok()) return status;
    }
    return transaction->Commit();
  }
  static std::string Content(Database& db) {
    return db.QueryText("SELECT count(*) || ' rows, ' || total(length(b)) || ' bytes' FROM t")
        .value();
  }

  std::string directory_;
  Options options_;
};

TEST_F(GatheringVfsTest, ACommitOfAHundredPagesIsWrittenInFewCalls) {
  auto db = Open();
  ASSERT_TRUE(db->Migrate(kTable).ok());
  const int64_t before = WriteCalls();
  ASSERT_EQ(Put(*db, 0, 100, 3'000), absl::OkStatus());
  const int64_t commit = WriteCalls();
  EXPECT_GE(commit - before, 1);
  EXPECT_LE(commit - before, 6);
  ASSERT_TRUE(db->Checkpoint().value());
  EXPECT_LE(WriteCalls() - commit, 6);
}

TEST_F(GatheringVfsTest, OthersSeeEveryCommitWholeAndAtOnce) {
  options_.cache_bytes_max = 64 << 10;  // Overflows into the log in the middle of transactions.
  auto writer = Open();
  ASSERT_TRUE(writer->Migrate(kTable).ok());
  auto reader = Open(/*read_only=*/true);
  std::mt19937 random(20261122);
  for (int round = 0; round < 200; ++round) {
    ASSERT_EQ(Put(*writer, random() % 500, random() % 200, random() % 9'000), absl::OkStatus());
    if (round % 7 == 0) {
      ASSERT_TRUE(writer->Checkpoint().ok());
    }
    // Before the writer looks itself, which would hand on what it still holds back.
    const std::string seen = Content(*reader);
    ASSERT_EQ(seen, Content(*writer)) << "round " << round;
  }
  EXPECT_TRUE(reader->CheckPages().ok());
  const std::string content = Content(*writer);
  reader.reset();
  writer.reset();
  EXPECT_EQ(Content(*Open()), content);
}

TEST_F(GatheringVfsTest, AWriteThatFailsFailsTheCommit) {
  auto db = Open();
  ASSERT_TRUE(db->Migrate(kTable).ok());
  ASSERT_EQ(Put(*db, 0, 10, 3'000), absl::OkStatus());
  const std::string content = Content(*db);

  rlimit unlimited;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  const auto signal_before = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {128 << 10, unlimited.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = Put(*db, 1'000, 100, 3'000);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
  std::signal(SIGXFSZ, signal_before);

  EXPECT_FALSE(status.ok());
  db.reset();
  EXPECT_EQ(Content(*Open()), content);
}

}  // namespace
}  // namespace fettle::sqlite
