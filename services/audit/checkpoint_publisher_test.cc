// Goal: the topic gets the newest checkpoint, not more often than said, and the last one too.
// Method: a real journal over the in-memory store, a clock that is moved, a log over a real file.
#include "services/audit/checkpoint_publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/synchronization/notification.h"
#include "libs/base/metrics.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/journal/memory_store.h"
#include "libs/merkle/checkpoint.h"
#include "services/audit/audit_log.h"
#include "services/audit/domain/audit_rules.h"

namespace fettle::audit {
namespace {

using ::testing::ElementsAre;

constexpr char kOrigin[] = "fettle.example/audit";
constexpr absl::Duration kInterval = absl::Seconds(10);

class CheckpointPublisherTest : public ::testing::Test {
 protected:
  CheckpointPublisherTest() { Start(); }

  // As a start of the process.
  void Start() {
    if (journal_ != nullptr) journal_->Stop();
    metrics_ = base::Metrics::Create(std::nullopt).value();
    journal_ = journal::Journal::Open(journal::ModelOf<AuditRules>(), {}, store_.get(), &clock_,
                                      metrics_.get())
                   .value();
    publisher_ = std::make_unique<CheckpointPublisher>(kOrigin, kInterval, journal_.get(), &clock_);
  }
  void Offer(uint64_t size) { publisher_->Offer(size, base::Concat("note of ", size)); }

  // What the feed and the relay are given, once all that was offered is decided.
  std::vector<v1::AuditEvent> Published() {
    absl::Notification decided;
    journal_->CommitCursors({}, [&](absl::Status) { decided.Notify(); });
    decided.WaitForNotification();
    auto reader = journal_->NewReader().value();
    EXPECT_TRUE(reader->Refresh().ok());
    std::vector<v1::AuditEvent> events;
    const auto log = reader->ReadLog(journal::Log::kEvents, 1, 1'000);
    EXPECT_TRUE(log.ok()) << log.status();
    for (const journal::StoredEvent& stored : *log) {
      EXPECT_TRUE(events.emplace_back().ParseFromString(stored.value));
    }
    return events;
  }
  std::vector<int64_t> Sizes() {
    std::vector<int64_t> sizes;
    for (const v1::AuditEvent& event : Published()) {
      sizes.push_back(event.checkpoint_signed().size());
    }
    return sizes;
  }

  base::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  std::unique_ptr<journal::Store> store_ = journal::NewMemoryStore();
  std::unique_ptr<base::Metrics> metrics_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<CheckpointPublisher> publisher_;
};

TEST_F(CheckpointPublisherTest, TheFirstAtOnceThenTheNewestOfEachIntervalAndTheLastAfterQuiet) {
  Offer(5);
  EXPECT_THAT(Sizes(), ElementsAre(5));
  for (uint64_t size = 6; size <= 9; ++size) {
    clock_.Advance(absl::Seconds(2));
    Offer(size);
  }
  EXPECT_THAT(Sizes(), ElementsAre(5)) << "8 s";
  clock_.Advance(absl::Seconds(2));
  Offer(9);
  EXPECT_THAT(Sizes(), ElementsAre(5, 9));
  clock_.Advance(10 * kInterval);
  Offer(9);
  EXPECT_THAT(Sizes(), ElementsAre(5, 9)) << "it has not grown";
  Offer(10);
  EXPECT_THAT(Sizes(), ElementsAre(5, 9, 10));
}

TEST_F(CheckpointPublisherTest, AfterARestartOnlyWhatIsNew) {
  Offer(5);
  EXPECT_THAT(Sizes(), ElementsAre(5));
  Start();
  Offer(5);
  EXPECT_THAT(Sizes(), ElementsAre(5));
  clock_.Advance(kInterval);
  Offer(6);
  EXPECT_THAT(Sizes(), ElementsAre(5, 6));
  const auto events = Published();
  EXPECT_EQ(events[0].header().stream_id(), events[1].header().stream_id());
  EXPECT_EQ(events[1].header().caller(), "service:audit");
  EXPECT_EQ(events[1].header().source(), "urn:fettle:audit:main");
  EXPECT_EQ(events[1].header().type(), "uk.nhs.fettle.audit.CheckpointSigned.v1");
}

TEST_F(CheckpointPublisherTest, AClockThatIsSetBackHoldsNothingUp) {
  Offer(5);
  EXPECT_THAT(Sizes(), ElementsAre(5));
  clock_.Advance(-absl::Hours(1));
  Offer(6);
  EXPECT_THAT(Sizes(), ElementsAre(5, 6));
}

TEST_F(CheckpointPublisherTest, ASmallerLogThanPublishedIsAFailure) {
  Offer(5);
  EXPECT_THAT(Sizes(), ElementsAre(5));
  EXPECT_TRUE(publisher_->failure().ok());
  Start();
  Offer(4);
  EXPECT_THAT(Sizes(), ElementsAre(5));
  EXPECT_EQ(base::ReasonOf(publisher_->failure()), "LOG_ROLLED_BACK");
}

// The event carries the note exactly: what `fettle audit verify --checkpoint` reads.
TEST_F(CheckpointPublisherTest, TheLogOffersWhatItSigns) {
  const std::string folder =
      base::Concat(::testing::TempDir(), "/checkpoints-", static_cast<int64_t>(getpid()));
  std::filesystem::create_directories(folder);
  {
    auto db = sqlite::Database::Open({.path = folder + "/log.db"}).value();
    AuditLog log =
        AuditLog::Make({.origin = kOrigin,
                        .high_water_path = folder + "/high-water",
                        .offer = [&](uint64_t size,
                                     const std::string& note) { publisher_->Offer(size, note); }},
                       crypto::Ed25519PrivateKey::Generate(), &clock_)
            .value();
    ASSERT_TRUE(db->Migrate(log.Schema()).ok());
    ASSERT_TRUE(log.Open(*db).ok());
    EXPECT_THAT(Sizes(), ElementsAre()) << "an empty log says nothing";
    clock_.Advance(kInterval);
    common::v1::EventHeader header;
    header.set_source("urn:fettle:referral:main");
    for (int64_t position = 1; position <= 3; ++position) {
      header.set_position(position);
      auto transaction = sqlite::Transaction::Begin(*db).value();
      ASSERT_TRUE(log.Apply({"topic", &header, base::Concat("leaf ", position)}).ok());
      ASSERT_TRUE(log.BeforeCommit().ok());
      ASSERT_TRUE(transaction.Commit().ok());
      log.AfterCommit();
    }
    EXPECT_THAT(Sizes(), ElementsAre(1));
    clock_.Advance(kInterval);
    log.Idle();
    EXPECT_THAT(Sizes(), ElementsAre(1, 3));
    const v1::CheckpointSigned newest = Published().back().checkpoint_signed();
    const auto checkpoint =
        merkle::ParseAndVerifyCheckpoint(newest.checkpoint(), log.verifier_key(), kOrigin);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_EQ(checkpoint->size, 3u);
    EXPECT_EQ(newest.origin(), kOrigin);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace fettle::audit
