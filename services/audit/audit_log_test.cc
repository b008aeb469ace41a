// The log over a real SQLite file; tampered stores go through `fettle-audit export` and `fettle
// audit verify`.
#include "services/audit/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fettle/audit/v1/audit_service.pb.h"
#include "fettle/budget/v1/budget_events.pb.h"
#include "libs/base/status.h"
#include "libs/merkle/export.h"
#include "services/audit/control_totals.h"

namespace fettle::audit {
namespace {

using ::testing::HasSubstr;

constexpr char kOrigin[] = "fettle.example/audit";
constexpr char kReferral[] = "urn:fettle:referral:main";
constexpr char kBudget[] = "urn:fettle:budget:main";

const std::string& KeyPem() {
  static const std::string pem = [] {
    const std::string path = absl::StrCat(::testing::TempDir(), "/audit-test-", getpid(), ".key");
    std::filesystem::remove(path);
    EXPECT_TRUE(crypto::Ed25519PrivateKey::Generate().Save(path).ok());
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    std::filesystem::remove(path);
    return text.str();
  }();
  return pem;
}

crypto::Ed25519PrivateKey Key() { return *crypto::Ed25519PrivateKey::FromPem(KeyPem()); }

std::string EventBytes(const std::string& source, int64_t position) {
  v1::AnyEvent event;
  common::v1::EventHeader& header = *event.mutable_header();
  header.set_source(source);
  header.set_position(position);
  header.set_id(absl::StrCat(source, ".", position));
  header.set_type("uk.nhs.fettle.referral.ReferralSubmitted.v1");
  return event.SerializeAsString();
}

// What the consumer does with a log: one transaction per batch, the handler inside it.
class Store {
 public:
  explicit Store(std::string dir) : dir_(std::move(dir)) {
    std::filesystem::create_directories(dir_);
  }

  std::string path() const { return dir_ + "/log.db"; }
  sqlite::Database& db() { return *db_; }
  const AuditLog& log() const { return *log_; }

  absl::Status Open() {
    Close();
    FETTLE_ASSIGN_OR_RETURN(db_, sqlite::Database::Open({.path = path()}));
    FETTLE_ASSIGN_OR_RETURN(
        AuditLog log, AuditLog::Make({.origin = kOrigin, .high_water_path = dir_ + "/high-water"},
                                     Key(), &clock_));
    log_ = std::make_unique<AuditLog>(std::move(log));
    FETTLE_RETURN_IF_ERROR(db_->Migrate(log_->Schema()));
    return log_->Open(*db_);
  }
  void Close() {
    db_.reset();
    log_.reset();
  }

  void Add(const std::string& source, int64_t first, int64_t last, bool sign = true) {
    std::vector<std::string> values;
    for (int64_t position = first; position <= last; ++position) {
      values.push_back(EventBytes(source, position));
    }
    AddValues(values, sign);
  }

  void AddValues(const std::vector<std::string>& values, bool sign = true) {
    auto transaction = sqlite::Transaction::Begin(*db_);
    ASSERT_TRUE(transaction.ok());
    for (const std::string& value : values) {
      v1::AnyEvent event;
      ASSERT_TRUE(event.ParseFromString(value));
      const absl::Status status = log_->Apply({"topic", &event.header(), value});
      ASSERT_TRUE(status.ok()) << status;
    }
    const absl::Status before = log_->BeforeCommit();
    ASSERT_TRUE(before.ok()) << before;
    const absl::Status committed = transaction->Commit();
    ASSERT_TRUE(committed.ok()) << committed;
    if (sign) log_->AfterCommit();
  }

  // Inside one snapshot.
  template <class Work>
  auto Read(Work work) {
    EXPECT_TRUE(db_->Execute("BEGIN").ok());
    auto result = work(LogReader(*db_));
    EXPECT_TRUE(db_->Execute("COMMIT").ok());
    return result;
  }

  merkle::Checkpoint Newest() {
    const auto newest = Read([](const LogReader& log) { return log.NewestCheckpoint(); });
    EXPECT_TRUE(newest.ok()) << newest.status();
    return *merkle::ParseAndVerifyCheckpoint(newest->note, log_->verifier_key(), kOrigin);
  }

  absl::StatusOr<std::string> Export() {
    return Read([](const LogReader& log) -> absl::StatusOr<std::string> {
      std::string file;
      FETTLE_RETURN_IF_ERROR(log.Export([&](std::string_view bytes) {
        file.append(bytes);
        return absl::OkStatus();
      }));
      return file;
    });
  }

 private:
  const std::string dir_;
  base::SystemClock clock_;
  std::unique_ptr<sqlite::Database> db_;
  std::unique_ptr<AuditLog> log_;
};

struct Ran {
  int code = -1;
  std::string output;
};
Ran RunCommand(const std::string& command) {
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  Ran ran;
  char buffer[4096];
  while (const size_t read = std::fread(buffer, 1, sizeof buffer, pipe)) {
    ran.output.append(buffer, read);
  }
  const int status = pclose(pipe);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class AuditLogTest : public ::testing::Test {
 protected:
  AuditLogTest()
      : dir_(absl::StrCat(::testing::TempDir(), "/audit-", getpid(), "-",
                          ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
    store_ = std::make_unique<Store>(dir_ + "/store");
  }
  ~AuditLogTest() override {
    store_.reset();
    std::filesystem::remove_all(dir_);
  }

  // 700 events in batches, 300 of them before the checkpoint that an auditor keeps.
  void FillAndKeep() {
    ASSERT_TRUE(store_->Open().ok());
    store_->Add(kReferral, 1, 200);
    store_->Add(kBudget, 1, 100);
    const auto kept = store_->Read([](const LogReader& log) { return log.NewestCheckpoint(); });
    ASSERT_EQ(kept->size, 300u);
    WriteFile(dir_ + "/kept", kept->note);
    WriteFile(dir_ + "/log.pub", store_->log().verifier_key().Text() + "\n");
    store_->Add(kReferral, 201, 400);
    store_->Add(kBudget, 101, 300);
    store_->Close();
  }

  // A copy of the store to tamper with.
  std::string Copy(const std::string& name) {
    const std::string path = absl::StrCat(dir_, "/", name, ".db");
    std::filesystem::copy_file(dir_ + "/store/log.db", path,
                               std::filesystem::copy_options::overwrite_existing);
    return path;
  }

  // As an outsider: the program that exports a copy, and the owner's check of the file.
  Ran ExportAndVerify(const std::string& path, bool with_kept = true) {
    const std::string file = path + ".export";
    const Ran exported =
        RunCommand(absl::StrCat(FETTLE_AUDIT_PROGRAM, " export ", path, " ", file));
    if (exported.code != 0) return exported;
    return RunCommand(absl::StrCat(FETTLE_PROGRAM, " audit verify ", file, " --key ", dir_,
                                   "/log.pub",
                                   with_kept ? absl::StrCat(" --checkpoint ", dir_, "/kept") : ""));
  }

  void Edit(const std::string& path, const std::function<void(sqlite::Database&)>& edit) {
    auto db = sqlite::Database::Open({.path = path});
    ASSERT_TRUE(db.ok()) << db.status();
    ASSERT_TRUE((*db)
                    ->Execute("DROP TRIGGER bundle_is_kept; DROP TRIGGER bundle_is_fixed;"
                              "DROP TRIGGER checkpoint_is_kept; DROP TRIGGER checkpoint_is_fixed")
                    .ok());
    edit(**db);
  }

  std::string dir_;
  std::unique_ptr<Store> store_;
};

void Sql(sqlite::Database& db, const std::string& sql) {
  const absl::Status status = db.Execute(sql);
  EXPECT_TRUE(status.ok()) << sql << ": " << status;
  EXPECT_GT(db.changes(), 0) << sql;
}

std::string Blob(sqlite::Database& db, const std::string& sql) {
  auto row = db.Prepare(sql);
  EXPECT_TRUE(row.ok() && *row->Step()) << sql;
  return std::string(row->Bytes(0));
}

void SetBlob(sqlite::Database& db, const std::string& sql, const std::string& bytes) {
  auto row = db.Prepare(sql);
  ASSERT_TRUE(row.ok()) << row.status();
  const absl::Status status = row->BindBlob(1, bytes).Run();
  ASSERT_TRUE(status.ok()) << status;
}

// Flips a bit in the middle of a stored value.
void Flip(sqlite::Database& db, const std::string& table, const std::string& column,
          const std::string& where) {
  std::string bytes = Blob(db, absl::StrCat("SELECT ", column, " FROM ", table, " WHERE ", where));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  SetBlob(db, absl::StrCat("UPDATE ", table, " SET ", column, " = ? WHERE ", where), bytes);
}

std::vector<std::string> LeavesOf(const std::string& bundle) {
  const auto leaves = merkle::ParseBundle(bundle);
  EXPECT_TRUE(leaves.ok()) << leaves.status();
  return {leaves->begin(), leaves->end()};
}

std::string BundleOf(const std::vector<std::string>& leaves) {
  std::string bundle;
  for (const std::string& leaf : leaves) EXPECT_TRUE(merkle::AppendToBundle(leaf, bundle).ok());
  return bundle;
}

// INV-134, and the bar of tampering: each change of the store is found by the owner's command, the
// untouched store is right.
TEST_F(AuditLogTest, EachTamperingIsFoundByVerify) {
  FillAndKeep();
  const Ran honest = ExportAndVerify(Copy("honest"));
  EXPECT_EQ(honest.code, 0) << honest.output;
  EXPECT_THAT(honest.output, HasSubstr("OK: 700 leaves, 0 of them behind the newest"));
  EXPECT_THAT(honest.output, HasSubstr("urn:fettle:referral:main: 400 events"));

  using Change = std::function<void(sqlite::Database&)>;
  const auto flip = [](std::string table, std::string column, std::string where) -> Change {
    return [=](sqlite::Database& db) { Flip(db, table, column, where); };
  };
  const auto sql = [](std::string statement) -> Change {
    return [=](sqlite::Database& db) { Sql(db, statement); };
  };
  struct Case {
    const char* name;
    Change change;
    std::vector<std::string> found;
  };
  const std::vector<Case> cases = {
      {"flipped_leaf", flip("bundle", "leaves", "idx = 1"), {"LEAF_CHANGED", "BUNDLE_BROKEN"}},
      {"flipped_tail", flip("tail", "bytes", "leaf = 600"), {"LEAF_CHANGED"}},
      {"flipped_leaf_hash", flip("tile", "hashes", "level = 0 AND idx = 1"), {"LEAF_CHANGED"}},
      {"flipped_upper_tile", flip("tile", "hashes", "level = 1"), {"TILE_CHANGED"}},
      {"flipped_note", flip("checkpoint", "note", "size = 500"), {"CHECKPOINT_INVALID"}},
      {"flipped_place", flip("place", "leaves", "source = 1 AND block = 0"), {"PLACE_CHANGED"}},
      {"flipped_source",
       sql("UPDATE source SET name = 'urn:fettle:referral:maim' WHERE number = 1"),
       {"PLACE_CHANGED"}},
      {"flipped_bundle_key", sql("UPDATE bundle SET idx = 5 WHERE idx = 1"), {"LEAF_MISSING"}},
      {"flipped_tail_key",
       sql("UPDATE tail SET leaf = 9600 WHERE leaf = 600"),
       {"LEAF_MISSING", "LEAF_CHANGED"}},
      {"flipped_tile_key", sql("UPDATE tile SET idx = 5 WHERE level = 1"), {"TILE_MISSING"}},
      {"flipped_checkpoint_key",
       sql("UPDATE checkpoint SET size = 501 WHERE size = 500"),
       {"CHECKPOINT_INVALID"}},
      {"flipped_place_key",
       sql("UPDATE place SET block = 7 WHERE block = 1 AND source = 1"),
       {"PLACE_CHANGED"}},
      {"dropped_leaf",
       [](sqlite::Database& db) {
         std::vector<std::string> leaves =
             LeavesOf(Blob(db, "SELECT leaves FROM bundle WHERE idx = 0"));
         leaves.erase(leaves.begin() + 17);
         SetBlob(db, "UPDATE bundle SET leaves = ? WHERE idx = 0", BundleOf(leaves));
       },
       {"LEAF_MISSING"}},
      {"dropped_tail_leaf", sql("DELETE FROM tail WHERE leaf = 690"), {"LEAF_MISSING"}},
      {"dropped_bundle", sql("DELETE FROM bundle WHERE idx = 0"), {"LEAF_MISSING"}},
      {"swapped_leaves",
       [](sqlite::Database& db) {
         std::vector<std::string> leaves =
             LeavesOf(Blob(db, "SELECT leaves FROM bundle WHERE idx = 0"));
         std::swap(leaves[3], leaves[4]);
         SetBlob(db, "UPDATE bundle SET leaves = ? WHERE idx = 0", BundleOf(leaves));
       },
       {"LEAF_CHANGED"}},
      {"swapped_leaves_and_hashes",
       [](sqlite::Database& db) {
         std::vector<std::string> leaves =
             LeavesOf(Blob(db, "SELECT leaves FROM bundle WHERE idx = 0"));
         std::string hashes = Blob(db, "SELECT hashes FROM tile WHERE level = 0 AND idx = 0");
         std::swap(leaves[3], leaves[4]);
         hashes = hashes.substr(0, 96) + hashes.substr(128, 32) + hashes.substr(96, 32) +
                  hashes.substr(160);
         SetBlob(db, "UPDATE bundle SET leaves = ? WHERE idx = 0", BundleOf(leaves));
         SetBlob(db, "UPDATE tile SET hashes = ? WHERE level = 0 AND idx = 0", hashes);
       },
       {"ROOT_MISMATCH", "FORKED", "TILE_CHANGED"}},
      {"cut_off_end",
       [](sqlite::Database& db) {
         Sql(db, "DELETE FROM tail WHERE leaf >= 650");
         SetBlob(db, "UPDATE tile SET hashes = ? WHERE level = 0 AND idx = 2",
                 Blob(db, "SELECT hashes FROM tile WHERE level = 0 AND idx = 2")
                     .substr(0, (650 - 512) * 32));
       },
       {"CUT_OFF"}},
      {"no_checkpoints", sql("DELETE FROM checkpoint"), {"CHECKPOINT_MISSING"}},
  };
  for (const Case& tampering : cases) {
    SCOPED_TRACE(tampering.name);
    const std::string path = Copy(tampering.name);
    Edit(path, tampering.change);
    const Ran ran = ExportAndVerify(path);
    EXPECT_EQ(ran.code, 1) << ran.output;
    bool named = false;
    for (const std::string& reason : tampering.found) {
      named = named || ran.output.find("FOUND " + reason + ":") != std::string::npos;
    }
    EXPECT_TRUE(named) << ran.output;
  }
}

// The attacker holds the log's own key: only what was kept outside can tell.
TEST_F(AuditLogTest, ACopyThatIsSignedAgainIsFoundAgainstTheCheckpointKeptOutside) {
  FillAndKeep();
  const auto forge = [&](const std::string& name, int64_t referrals, int64_t budgets) {
    Store forged(absl::StrCat(dir_, "/", name));
    EXPECT_TRUE(forged.Open().ok());
    forged.Add(kReferral, 1, referrals);
    if (budgets > 0) forged.Add(kBudget, 1, budgets);
    return forged.path();
  };
  // Rolled back to 200 leaves and signed again: right in itself, older than what was kept.
  const std::string rolled_back = forge("rolled_back", 200, 0);
  EXPECT_EQ(ExportAndVerify(rolled_back, false).code, 0);
  Ran ran = ExportAndVerify(rolled_back);
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.output, HasSubstr("FOUND ROLLED_BACK:"));
  // Rolled back, then grown past it with another history.
  const std::string forked = forge("forked", 150, 250);
  EXPECT_EQ(ExportAndVerify(forked, false).code, 0);
  ran = ExportAndVerify(forked);
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.output, HasSubstr("FOUND FORKED:"));
}

// A second checkpoint of the same size over another tree, by the real key.
TEST_F(AuditLogTest, AForkedCheckpointIsFound) {
  FillAndKeep();
  Store other(dir_ + "/other");
  ASSERT_TRUE(other.Open().ok());
  other.Add(kBudget, 1, 500);
  const auto note = other.Read([](const LogReader& log) { return log.NewestCheckpoint(); })->note;
  other.Close();
  const std::string path = Copy("forked_checkpoint");
  Edit(path, [&](sqlite::Database& db) {
    SetBlob(db, "UPDATE checkpoint SET note = ? WHERE size = 500", note);
  });
  const Ran ran = ExportAndVerify(path);
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.output, HasSubstr("FOUND ROOT_MISMATCH:"));
  // And when it is the one that was kept outside.
  WriteFile(dir_ + "/kept", note);
  const Ran against = ExportAndVerify(Copy("honest"));
  EXPECT_EQ(against.code, 1);
  EXPECT_THAT(against.output, HasSubstr("FOUND FORKED:"));
}

TEST_F(AuditLogTest, VerifyPinsItsKey) {
  FillAndKeep();
  const auto other =
      *merkle::VerifierKey::Make(kOrigin, crypto::Ed25519PrivateKey::Generate().PublicKey());
  WriteFile(dir_ + "/log.pub", other.Text());
  const Ran ran = ExportAndVerify(Copy("honest"), false);
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.output, HasSubstr("FOUND CHECKPOINT_INVALID:"));
}

// Random bytes of the database file itself: found, or the log's content is as it was.
TEST_F(AuditLogTest, AFlippedByteOfTheFileIsFoundOrChangesNothing) {
  FillAndKeep();
  const std::string path = Copy("raw");
  std::string honest;
  {
    std::ifstream in(path, std::ios::binary);
    honest.assign(std::istreambuf_iterator<char>(in), {});
  }
  ASSERT_EQ(ExportAndVerify(path).code, 0);
  std::string honest_export;
  {
    std::ifstream in(path + ".export", std::ios::binary);
    honest_export.assign(std::istreambuf_iterator<char>(in), {});
  }
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  int found = 0;
  for (int i = 0; i < 60; ++i) {
    std::string bytes = honest;
    const size_t at = random() % bytes.size();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
    for (const char* beside : {"-wal", "-shm", "-journal", ".export"}) {
      std::filesystem::remove(path + beside);
    }
    WriteFile(path, bytes);
    const Ran ran = ExportAndVerify(path);
    if (ran.code != 0) {
      ++found;
      continue;
    }
    std::ifstream in(path + ".export", std::ios::binary);
    ASSERT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), honest_export) << "byte " << at;
  }
  EXPECT_GT(found, 30);
}

TEST_F(AuditLogTest, TheStoreRefusesToChangeWhatIsWritten) {
  FillAndKeep();
  auto db = sqlite::Database::Open({.path = Copy("kept_rows")});
  ASSERT_TRUE(db.ok());
  for (const char* statement : {"DELETE FROM bundle", "UPDATE bundle SET leaves = x'00'",
                                "DELETE FROM checkpoint", "UPDATE checkpoint SET note = x'00'"}) {
    EXPECT_FALSE((*db)->Execute(statement).ok()) << statement;
  }
}

TEST_F(AuditLogTest, ReopeningContinuesAtEverySize) {
  ASSERT_TRUE(store_->Open().ok());
  EXPECT_EQ(store_->Newest().size, 0u);
  int64_t next = 1;
  merkle::Frontier expected;
  for (const int64_t count : {1, 2, 252, 1, 1, 255, 256, 600, 3}) {
    store_->Add(kReferral, next, next + count - 1);
    for (int64_t i = 0; i < count; ++i) {
      expected.Append(merkle::LeafHash(EventBytes(kReferral, next + i)),
                      [](merkle::NodeId, const merkle::Hash&) {});
    }
    next += count;
    const absl::Status status = store_->Open();
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(store_->Newest().size, expected.size());
    EXPECT_EQ(store_->Newest().root, expected.Root());
  }
}

TEST_F(AuditLogTest, AnEventIsOneLeafHoweverOftenItComes) {
  ASSERT_TRUE(store_->Open().ok());
  store_->AddValues({EventBytes(kReferral, 2), EventBytes(kReferral, 2)});
  store_->AddValues({EventBytes(kReferral, 1), EventBytes(kReferral, 2)});
  EXPECT_EQ(store_->Newest().size, 2u);
  EXPECT_EQ(*store_->Read([](const LogReader& log) { return log.FindLeaf(kReferral, 2); }), 0u);
}

// A crash between the commit and the signature, then one between two batches: each tree that is
// signed begins with every tree that was signed before.
TEST_F(AuditLogTest, AfterACrashTheTreeIsSignedAndNeverASmallerOne) {
  ASSERT_TRUE(store_->Open().ok());
  store_->Add(kReferral, 1, 300);
  const merkle::Checkpoint before = store_->Newest();
  store_->Add(kReferral, 301, 400, /*sign=*/false);
  EXPECT_EQ(store_->Newest().size, 300u) << "not shown before it is signed";
  ASSERT_TRUE(store_->Open().ok());
  const merkle::Checkpoint after = store_->Newest();
  EXPECT_EQ(after.size, 400u);
  const auto proof =
      store_->Read([](const LogReader& log) { return log.ConsistencyProof(300, 400); });
  ASSERT_TRUE(proof.ok());
  EXPECT_TRUE(merkle::VerifyConsistency(300, 400, before.root, after.root, *proof).ok());
  ASSERT_TRUE(store_->Open().ok());
  EXPECT_EQ(store_->Newest(), after);
}

// A batch that was rolled back leaves nothing.
TEST_F(AuditLogTest, ABatchThatDidNotCommitIsNotInTheLog) {
  ASSERT_TRUE(store_->Open().ok());
  store_->Add(kReferral, 1, 300);
  const merkle::Checkpoint before = store_->Newest();
  {
    auto transaction = sqlite::Transaction::Begin(store_->db());
    v1::AnyEvent event;
    const std::string value = EventBytes(kBudget, 1);
    ASSERT_TRUE(event.ParseFromString(value));
    ASSERT_TRUE(const_cast<AuditLog&>(store_->log()).Apply({"topic", &event.header(), value}).ok());
    ASSERT_TRUE(const_cast<AuditLog&>(store_->log()).BeforeCommit().ok());
  }
  ASSERT_TRUE(store_->Open().ok());
  EXPECT_EQ(store_->Newest(), before);
  store_->Add(kReferral, 301, 400);
  EXPECT_EQ(store_->Newest().size, 400u);
}

TEST_F(AuditLogTest, ARestoredOlderDatabaseIsNotSignedOn) {
  ASSERT_TRUE(store_->Open().ok());
  store_->Add(kReferral, 1, 10);
  store_->Close();
  std::filesystem::copy_file(store_->path(), dir_ + "/backup.db");
  ASSERT_TRUE(store_->Open().ok());  // a new start keeps its newest checkpoint beside the key
  absl::SleepFor(absl::Milliseconds(kHighWaterMsMin + 50));
  store_->Add(kReferral, 11, 20);
  store_->Close();
  std::filesystem::copy_file(dir_ + "/backup.db", store_->path(),
                             std::filesystem::copy_options::overwrite_existing);
  const absl::Status status = store_->Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("holds fewer leaves"));
}

TEST_F(AuditLogTest, ProofsOfEveryEventLeadToTheNewestCheckpoint) {
  ASSERT_TRUE(store_->Open().ok());
  store_->Add(kReferral, 1, 300);
  store_->Add(kBudget, 5, 205);
  store_->Add(kReferral, 400, 410);
  const merkle::Checkpoint newest = store_->Newest();
  for (const auto& [source, first, last] :
       {std::tuple(kReferral, 1, 300), std::tuple(kBudget, 5, 205),
        std::tuple(kReferral, 400, 410)}) {
    for (int64_t position = first; position <= last; ++position) {
      const auto checked = store_->Read([&, source = source](const LogReader& log) -> absl::Status {
        FETTLE_ASSIGN_OR_RETURN(const uint64_t index, log.FindLeaf(source, position));
        FETTLE_ASSIGN_OR_RETURN(const std::string leaf, log.Leaf(index));
        EXPECT_EQ(leaf, EventBytes(source, position));
        FETTLE_ASSIGN_OR_RETURN(const auto proof, log.InclusionProof(index, newest.size));
        return merkle::VerifyInclusion(index, newest.size, merkle::LeafHash(leaf), proof,
                                       newest.root);
      });
      ASSERT_TRUE(checked.ok()) << checked;
    }
  }
  const auto missing =
      store_->Read([](const LogReader& log) { return log.FindLeaf(kReferral, 301); });
  EXPECT_EQ(base::ReasonOf(missing.status()), "EVENT_NOT_IN_LOG");
  const auto gaps = store_->Read([](const LogReader& log) { return log.Gaps(kBudget, 0, 10); });
  EXPECT_EQ(*gaps, (std::vector<std::pair<int64_t, int64_t>>{{1, 4}}));
  const auto behind =
      store_->Read([](const LogReader& log) { return log.Gaps(kReferral, 300, 10); });
  EXPECT_EQ(*behind, (std::vector<std::pair<int64_t, int64_t>>{{301, 399}}));
}

std::string Commitment(int64_t position, int64_t pence) {
  budget::v1::BudgetEvent event;
  event.mutable_header()->set_source(kBudget);
  event.mutable_header()->set_position(position);
  event.mutable_header()->set_id(absl::StrCat("budget.main.", position));
  event.mutable_spend_committed()->mutable_transaction()->set_amount_pence(pence);
  return event.SerializeAsString();
}

TEST_F(AuditLogTest, ControlTotalsAreRecomputedFromTheLeaves) {
  ASSERT_TRUE(store_->Open().ok());
  budget::v1::BudgetEvent filed;
  filed.mutable_header()->set_source(kBudget);
  filed.mutable_header()->set_position(2);
  filed.mutable_header()->set_id("budget.main.2");
  filed.mutable_transaction_filed();
  store_->AddValues({Commitment(1, 1'250), filed.SerializeAsString(), Commitment(3, 50)});
  store_->Add(kBudget, 4, 5'000);
  journal::ControlTotal expected;
  expected.Add("budget.main.1", 1'250);
  expected.Add("budget.main.2", 0);
  expected.Add("budget.main.3", 50);
  const auto ours = store_->Read([](const LogReader& log) { return TotalOf(log, kBudget, 0, 3); });
  ASSERT_TRUE(ours.ok());
  EXPECT_EQ(ours->count(), 3);
  EXPECT_EQ(ours->pence(), 1'300);
  EXPECT_EQ(ours->id_hash_sum(), expected.id_hash_sum());
  const auto block =
      store_->Read([](const LogReader& log) { return TotalOf(log, kBudget, 1, 9'000); });
  EXPECT_EQ(block->count(), 5'000 - journal::kControlBlockPositions);

  journal::v1::GetControlTotalResponse theirs;
  theirs.set_count(3);
  theirs.set_pence(1'300);
  theirs.set_id_hash_sum(expected.id_hash_sum());
  EXPECT_EQ(Compare(0, *ours, theirs).outcome(), v1::TOTALS_OUTCOME_MATCH);
  theirs.set_pence(1'301);
  EXPECT_EQ(Compare(0, *ours, theirs).outcome(), v1::TOTALS_OUTCOME_MISMATCH);
  theirs.set_count(4);
  EXPECT_EQ(Compare(0, *ours, theirs).outcome(), v1::TOTALS_OUTCOME_BEHIND);
}

// A publisher that hangs costs one call one budget of time, and never more than the caller has.
TEST(CompareBlocksTest, AllBlocksShareOneDeadline) {
  constexpr int64_t kLastPosition = 100 * journal::kControlBlockPositions;
  const auto compare = [&](int64_t from_block, absl::Time call_deadline, int64_t hangs_at,
                           std::vector<absl::Time>& deadlines,
                           v1::GetControlTotalsResponse& response) {
    v1::GetControlTotalsRequest request;
    request.set_from_block(from_block);
    return CompareBlocks(
        request, call_deadline,
        [&](int64_t block,
            absl::Time deadline) -> absl::StatusOr<journal::v1::GetControlTotalResponse> {
          deadlines.push_back(deadline);
          if (block >= hangs_at) {
            return base::Unavailable("PUBLISHER_UNAVAILABLE", "no answer", absl::Seconds(1));
          }
          journal::v1::GetControlTotalResponse total;
          total.set_last_position(kLastPosition);
          return total;
        },
        [](int64_t, int64_t) { return journal::ControlTotal(); }, response);
  };
  const absl::Time start = absl::Now();
  std::vector<absl::Time> deadlines;
  v1::GetControlTotalsResponse all;
  ASSERT_TRUE(compare(2, absl::InfiniteFuture(), 1'000, deadlines, all).ok());
  EXPECT_EQ(all.blocks_size(), kControlBlocksMax);
  EXPECT_EQ(all.next_block(), 2 + kControlBlocksMax);
  EXPECT_EQ(std::set<absl::Time>(deadlines.begin(), deadlines.end()).size(), 1);
  EXPECT_GE(deadlines.front(), start + kPublisherWaitMax);
  EXPECT_LE(deadlines.front(), absl::Now() + kPublisherWaitMax);

  deadlines.clear();
  v1::GetControlTotalsResponse some;
  const absl::Time soon = start + absl::Milliseconds(100);
  ASSERT_TRUE(compare(0, soon, 3, deadlines, some).ok());
  EXPECT_EQ(some.blocks_size(), 3);
  EXPECT_EQ(some.next_block(), 3);
  EXPECT_THAT(deadlines, ::testing::Each(soon));
  v1::GetControlTotalsResponse none;
  EXPECT_EQ(base::ReasonOf(compare(3, soon, 3, deadlines, none)), "PUBLISHER_UNAVAILABLE");
}

// Behind the real consumer, following a feed: everything is logged and signed, and a second start
// goes on.
TEST_F(AuditLogTest, FollowsAFeedBehindTheConsumer) {
  const auto metrics = *base::Metrics::Create(std::nullopt);
  const base::SystemClock clock;
  std::atomic<int64_t> published = 0;
  journal::FeedSource feed;
  feed.service = "referral";
  feed.topic = "fettle.referral.v1";
  feed.read = [&](bool access_log, int64_t from, int64_t to,
                  const std::function<bool(int64_t, std::string)>& item) {
    const int64_t last = to > 0 ? std::min<int64_t>(to, published) : published.load();
    for (int64_t position = from; !access_log && position <= last; ++position) {
      if (!item(position, EventBytes(kReferral, position))) break;
    }
    return absl::OkStatus();
  };
  for (const int64_t target : {1'000, 2'500}) {
    published = target;
    AuditLog log = *AuditLog::Make({.origin = kOrigin, .high_water_path = dir_ + "/high-water"},
                                   Key(), &clock);
    journal::ConsumerOptions options;
    options.database_path = dir_ + "/log.db";
    options.kafka = "none";
    options.topics = {"fettle.referral.v1"};
    options.feeds = {feed};
    options.feed_poll_ms = 10;
    auto consumer = journal::Consumer::Start(options, &log, metrics.get());
    ASSERT_TRUE(consumer.ok()) << consumer.status();
    uint64_t size = 0;
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (size < static_cast<uint64_t>(target) && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(10));
      const absl::Status read = (*consumer)->Read([&](sqlite::Database& db) -> absl::Status {
        FETTLE_ASSIGN_OR_RETURN(const LogReader::Newest newest, LogReader(db).NewestCheckpoint());
        size = newest.size;
        return absl::OkStatus();
      });
      ASSERT_TRUE(read.ok()) << read;
    }
    EXPECT_EQ(size, static_cast<uint64_t>(target)) << (*consumer)->failure();
    (*consumer)->Stop();
    EXPECT_TRUE((*consumer)->failure().ok()) << (*consumer)->failure();
  }
}

}  // namespace
}  // namespace fettle::audit
