// Goal: the settings hold, errors have the right code, and one connection writes. Method: real
// files in a fresh directory, looked at from outside SQLite where SQLite could fool itself.
#include "libs/sqlite/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/time/clock.h"

namespace fettle::sqlite {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kTable[] = {
    "CREATE TABLE t (k INTEGER PRIMARY KEY, b BLOB NOT NULL, x TEXT UNIQUE) STRICT"};

class DatabaseTest : public testing::Test {
 protected:
  DatabaseTest() {
    std::string pattern = testing::TempDir() + "/sqlite_XXXXXX";
    directory_ = mkdtemp(pattern.data());
    options_.path = directory_ + "/a.db";
  }
  ~DatabaseTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Database> Open(bool read_only = false) {
    Options options = options_;
    options.read_only = read_only;
    auto db = Database::Open(options);
    EXPECT_TRUE(db.ok()) << db.status();
    return *std::move(db);
  }
  static absl::Status Insert(Database& db, int64_t key, std::string_view bytes) {
    Statement insert = db.Prepare("INSERT INTO t (k, b, x) VALUES (?1, ?2, ?3)").value();
    return insert.BindInt(1, key).BindBlob(2, bytes).BindNull(3).Run();
  }
  static std::string Contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::string directory_;
  Options options_;
};

TEST_F(DatabaseTest, SettingsAreInForce) {
  auto writer = Open();
  EXPECT_EQ(writer->QueryText("PRAGMA journal_mode").value(), "wal");
  EXPECT_EQ(writer->QueryInt("PRAGMA synchronous").value(), 2);
  EXPECT_EQ(writer->QueryInt("PRAGMA wal_autocheckpoint").value(), 0);
  EXPECT_EQ(writer->QueryInt("PRAGMA query_only").value(), 0);
  EXPECT_EQ(writer->QueryInt("PRAGMA secure_delete").value(), 0);
  auto reader = Open(/*read_only=*/true);
  EXPECT_EQ(reader->QueryInt("PRAGMA query_only").value(), 1);
  EXPECT_EQ(reader->QueryInt("PRAGMA trusted_schema").value(), 0);
  EXPECT_EQ(reader->QueryInt("PRAGMA cell_size_check").value(), 1);
}

TEST_F(DatabaseTest, RollbackJournalLeavesNoLogAndDeletedBytesAreOverwritten) {
  options_.journal_mode = JournalMode::kRollback;
  options_.synchronous = Synchronous::kExtra;
  options_.secure_delete = true;
  auto db = Open();
  EXPECT_EQ(db->QueryText("PRAGMA journal_mode").value(), "delete");
  EXPECT_EQ(db->QueryInt("PRAGMA synchronous").value(), 3);
  ASSERT_TRUE(db->Migrate(kTable).ok());
  const std::string secret = "0123456789abcdef-canary";
  ASSERT_TRUE(Insert(*db, 1, secret).ok());
  EXPECT_THAT(Contents(options_.path), HasSubstr(secret));
  ASSERT_TRUE(db->Execute("DELETE FROM t").ok());
  EXPECT_THAT(Contents(options_.path), Not(HasSubstr(secret)));
  EXPECT_FALSE(std::filesystem::exists(options_.path + "-wal"));
  EXPECT_FALSE(std::filesystem::exists(options_.path + "-journal"));
}

TEST_F(DatabaseTest, OnlyTheOwnerMayReadTheFiles) {
  auto db = Open();
  ASSERT_TRUE(db->Migrate(kTable).ok());
  for (const auto& file : std::filesystem::directory_iterator(directory_)) {
    struct stat status = {};
    ASSERT_EQ(stat(file.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u) << file.path();
  }
}

TEST_F(DatabaseTest, SecondWriterIsRefusedByPath) {
  {
    auto db = Open();
    auto second = Database::Open(options_);
    EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(second.status().message(), HasSubstr(options_.path));
  }
  Open();  // the lock went with its holder
}

TEST_F(DatabaseTest, MissingDirectoryIsNamed) {
  options_.path = directory_ + "/none/a.db";
  EXPECT_THAT(Database::Open(options_).status().message(), HasSubstr(options_.path));
}

TEST_F(DatabaseTest, ReaderCannotWrite) {
  auto writer = Open();
  ASSERT_TRUE(writer->Migrate(kTable).ok());
  auto reader = Open(/*read_only=*/true);
  EXPECT_EQ(Insert(*reader, 1, "x").code(), absl::StatusCode::kFailedPrecondition);
  // Not only because it asked itself not to.
  ASSERT_TRUE(reader->Execute("PRAGMA query_only=OFF").ok());
  EXPECT_EQ(Insert(*reader, 1, "x").code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DatabaseTest, BytesComeBackAsTheyWere) {
  auto db = Open();
  ASSERT_TRUE(db->Migrate(kTable).ok());
  const std::string bytes("a\0b\xff", 4);
  ASSERT_TRUE(Insert(*db, 1, bytes).ok());
  ASSERT_TRUE(Insert(*db, 2, std::string_view()).ok()) << "empty is not NULL";
  ASSERT_TRUE(Insert(*db, INT64_MIN, "x").ok());
  Statement query = db->Prepare("SELECT k, b, x FROM t ORDER BY k").value();
  ASSERT_TRUE(query.Step().value());
  EXPECT_EQ(query.Int(0), INT64_MIN);
  EXPECT_TRUE(query.IsNull(2));
  ASSERT_TRUE(query.Step().value());
  EXPECT_EQ(query.Bytes(1), bytes);
  ASSERT_TRUE(query.Step().value());
  EXPECT_EQ(query.Bytes(1), "");
  EXPECT_FALSE(query.IsNull(1));
  EXPECT_FALSE(query.Step().value());
}

TEST_F(DatabaseTest, ParameterThatDoesNotExistIsAnError) {
  auto db = Open();
  Statement query = db->Prepare("SELECT ?1").value();
  EXPECT_FALSE(query.BindInt(2, 1).Step().ok());
  query.Reset();
  EXPECT_TRUE(query.BindInt(1, 1).Step().ok());
}

TEST_F(DatabaseTest, CollisionIsAlreadyExistsAndMissingValueIsNot) {
  auto db = Open();
  ASSERT_TRUE(db->Migrate(kTable).ok());
  ASSERT_TRUE(Insert(*db, 1, "x").ok());
  EXPECT_EQ(Insert(*db, 1, "y").code(), absl::StatusCode::kAlreadyExists);
  ASSERT_TRUE(db->Execute("INSERT INTO t VALUES (2, x'', 'a')").ok());
  EXPECT_EQ(db->Execute("INSERT INTO t VALUES (3, x'', 'a')").code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(db->Execute("INSERT INTO t VALUES (4, NULL, NULL)").code(),
            absl::StatusCode::kInternal);
}

TEST_F(DatabaseTest, FullFileIsResourceExhausted) {
  auto db = Open();
  ASSERT_TRUE(db->Migrate(kTable).ok());
  ASSERT_TRUE(db->Execute("PRAGMA max_page_count=4").ok());
  EXPECT_EQ(Insert(*db, 1, std::string(100'000, 'x')).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(DatabaseTest, TransactionIsUndoneUnlessCommitted) {
  auto db = Open();
  ASSERT_TRUE(db->Migrate(kTable).ok());
  {
    auto transaction = Transaction::Begin(*db);
    ASSERT_TRUE(transaction.ok());
    ASSERT_TRUE(Insert(*db, 1, "x").ok());
  }
  EXPECT_EQ(db->QueryInt("SELECT count(*) FROM t").value(), 0);
  {
    auto transaction = Transaction::Begin(*db);
    ASSERT_TRUE(transaction.ok());
    ASSERT_TRUE(Insert(*db, 1, "x").ok());
    EXPECT_TRUE(transaction->Commit().ok());
  }
  EXPECT_EQ(db->QueryInt("SELECT count(*) FROM t").value(), 1);
  EXPECT_FALSE(db->in_transaction());
}

TEST_F(DatabaseTest, SchemaMovesForwardOneStepAtATimeAndNeverBack) {
  constexpr const char* kTwo[] = {kTable[0], "ALTER TABLE t ADD COLUMN y INTEGER"};
  {
    auto db = Open();
    ASSERT_TRUE(db->Migrate(kTable).ok());
    ASSERT_TRUE(Insert(*db, 1, "x").ok());
    ASSERT_TRUE(db->Migrate(kTwo).ok());
    EXPECT_TRUE(db->Migrate(kTwo).ok()) << "nothing to do";
    EXPECT_EQ(db->QueryInt("SELECT count(*) FROM t WHERE y IS NULL").value(), 1);
  }
  const absl::Status newer = Open()->Migrate(kTable);
  EXPECT_EQ(newer.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(newer.message(), HasSubstr(options_.path));
  EXPECT_THAT(newer.message(), HasSubstr("version 2"));
}

TEST_F(DatabaseTest, StepThatFailsLeavesNothing) {
  constexpr const char* kBad[] = {kTable[0], "CREATE TABLE u (a); CREATE TABLE t (b)"};
  auto db = Open();
  EXPECT_FALSE(db->Migrate(kBad).ok());
  EXPECT_EQ(db->QueryInt("PRAGMA user_version").value(), 0);
  EXPECT_EQ(db->QueryInt("SELECT count(*) FROM sqlite_schema").value(), 0);
}

TEST_F(DatabaseTest, LogGrowsUntilItIsMovedAndThenBeginsAnew) {
  auto db = Open();
  ASSERT_TRUE(db->Migrate(kTable).ok());
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Insert(*db, i, std::string(100'000, 'x')).ok());
  const int64_t grown = db->wal_bytes();
  EXPECT_GT(grown, 4 << 20) << "beyond SQLite's own limit of 1,000 pages";
  EXPECT_TRUE(db->Checkpoint().value());
  ASSERT_TRUE(Insert(*db, 5000, "x").ok());
  EXPECT_LT(db->wal_bytes(), 100'000);
}

TEST_F(DatabaseTest, CheckpointStopsAtAReaderAndWaitsOnlyWhenTold) {
  auto writer = Open();
  ASSERT_TRUE(writer->Migrate(kTable).ok());
  auto reader = Open(/*read_only=*/true);
  ASSERT_TRUE(reader->Execute("BEGIN").ok());
  ASSERT_EQ(reader->QueryInt("SELECT count(*) FROM t").value(), 0);
  ASSERT_TRUE(Insert(*writer, 1, "x").ok());
  EXPECT_FALSE(writer->Checkpoint().value());
  const absl::Time begin = absl::Now();
  EXPECT_FALSE(writer->Checkpoint(absl::Milliseconds(30)).value());
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(20));
  ASSERT_TRUE(reader->Execute("COMMIT").ok());
  EXPECT_TRUE(writer->Checkpoint().value());
}

TEST_F(DatabaseTest, ReaderThatClosesLastDoesNotCheckpoint) {
  auto writer = Open();
  ASSERT_TRUE(writer->Migrate(kTable).ok());
  ASSERT_TRUE(Insert(*writer, 1, "x").ok());
  auto reader = Open(/*read_only=*/true);
  ASSERT_TRUE(reader->QueryInt("SELECT count(*) FROM t").ok());
  const std::string before = Contents(options_.path);
  writer.reset();  // cannot checkpoint: the reader is there
  reader.reset();
  EXPECT_EQ(Contents(options_.path), before);
  EXPECT_EQ(Open()->QueryInt("SELECT count(*) FROM t").value(), 1) << "read from the log";
}

TEST_F(DatabaseTest, StatementThatLastsTooLongIsEnded) {
  auto db = Open();
  const std::string endless =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
  db->EndStatementsAt(absl::Now() + absl::Milliseconds(50));
  EXPECT_TRUE(absl::IsDeadlineExceeded(db->QueryInt(endless).status()));
  db->EndStatementsAt(absl::InfiniteFuture());
  EXPECT_EQ(db->QueryInt("SELECT 7").value(), 7);
}

TEST_F(DatabaseTest, DamageIsFound) {
  {
    auto db = Open();
    ASSERT_TRUE(db->Migrate(kTable).ok());
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(Insert(*db, i, std::string(3000, 'x')).ok());
    EXPECT_TRUE(db->CheckPages().ok());
  }
  {
    std::fstream file(options_.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4 * 4096);
    file << std::string(64, '\x7f');
  }
  EXPECT_EQ(Open()->CheckPages().code(), absl::StatusCode::kDataLoss);

  std::ofstream(options_.path, std::ios::trunc) << std::string(8192, 'z');
  EXPECT_EQ(Database::Open(options_).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace fettle::sqlite
