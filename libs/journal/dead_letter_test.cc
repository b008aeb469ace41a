// Goal: a dead-letter topic gets every parked row that keeps its bytes, with the message as it was,
// and no broker's mood reaches the consumer. Method: an inbox on a real file, a mirror that is
// stepped by hand, topics on librdkafka's imitation of a cluster.
#include "libs/journal/dead_letter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/bus/mock_cluster.h"
#include "libs/bus/subscriber.h"
#include "libs/journal/inbox_testing.h"

namespace fettle::journal {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr char kDeadLetterTopic[] = "fettle.referral.v1.dlq";

class DeadLetterTest : public ::testing::Test {
 protected:
  DeadLetterTest() {
    cluster_.AddTopic(kDeadLetterTopic, 1);
    db_ = sqlite::Database::Open({.path = folder_.File("inbox.db")}).value();
    OpenInbox({});
  }
  ~DeadLetterTest() override {
    mirror_.reset();
    inbox_.reset();
    handler_.reset();
  }

  void OpenInbox(Inbox::Limits limits) {
    inbox_.reset();
    handler_ = std::make_unique<ChainHandler>();
    inbox_ =
        Inbox::Open(*db_, handler_.get(), metrics_.get(), /*from_nothing=*/false, limits).value();
  }
  void OpenMirror(const bus::Cluster& cluster) {
    mirror_ = std::make_unique<DeadLetterMirror>(
        DeadLetterMirror::Options{.cluster = cluster, .consumer = "analytics", .backoff_ms = 10},
        inbox_.get(), metrics_.get());
  }
  void Take(const TestEvent& event, const BusEnvelope& envelope = {}) {
    ASSERT_TRUE(inbox_->Take(kTestTopic, event.value, std::nullopt, [&] { return envelope; }).ok());
    ASSERT_TRUE(inbox_->Commit().ok());
  }
  int64_t Waiting() {
    return db_->QueryInt("SELECT count(*) FROM inbox_parked WHERE mirrored=0").value();
  }
  // Steps as the consumer does, until no row waits.
  void Settle() {
    const absl::Time until = absl::Now() + absl::Seconds(30);
    do {
      ASSERT_TRUE(mirror_->Step().ok());
      ASSERT_TRUE(inbox_->Commit().ok());
      absl::SleepFor(absl::Milliseconds(5));
    } while (Waiting() > 0 && absl::Now() < until);
    EXPECT_EQ(Waiting(), 0);
  }
  std::vector<bus::ConsumedMessage> Mirrored() {
    auto subscriber = bus::Subscriber::Create({.cluster = cluster_.cluster()}).value();
    EXPECT_TRUE(subscriber->ClusterId(absl::Seconds(10)).ok());
    const int64_t count =
        subscriber->GetWatermarks(kDeadLetterTopic, 0, absl::Seconds(10)).value().high;
    EXPECT_TRUE(subscriber->Start({{kDeadLetterTopic, 0, bus::kOffsetBeginning}}).ok());
    std::vector<bus::ConsumedMessage> all;
    while (static_cast<int64_t>(all.size()) < count) {
      auto some = subscriber->Poll(100, absl::Seconds(10)).value();
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }

  TestFolder folder_;
  bus::MockCluster cluster_;
  std::unique_ptr<base::Metrics> metrics_ = base::Metrics::Create(std::nullopt).value();
  std::unique_ptr<sqlite::Database> db_;
  std::unique_ptr<ChainHandler> handler_;
  std::unique_ptr<Inbox> inbox_;
  std::unique_ptr<DeadLetterMirror> mirror_;
};

// INV-168.
TEST_F(DeadLetterTest, AParkedRowIsMirroredAsItCameWithItsCauseAndPlace) {
  OpenMirror(cluster_.cluster());
  const TestEvent poison = MakeTestEvent(kTestSource, 1, 0, "a", kPoison);
  const bus::Headers original = {{"ce_id", "referral.main.1"}, {"x", std::string("\0\xff", 2)}};
  Take(poison, {"the-key", original});
  Settle();
  const auto mirrored = Mirrored();
  ASSERT_THAT(mirrored, SizeIs(1));
  EXPECT_EQ(mirrored[0].key, "the-key");
  EXPECT_EQ(mirrored[0].value, poison.value);
  bus::Headers headers = mirrored[0].headers;
  ASSERT_THAT(headers, SizeIs(original.size() + 6));
  EXPECT_TRUE(std::equal(original.begin(), original.end(), headers.begin()));
  EXPECT_THAT(headers, Contains(Pair("fettle-dlq-consumer", "analytics")));
  EXPECT_THAT(headers, Contains(Pair("fettle-dlq-code", "UNIMPLEMENTED")));
  EXPECT_THAT(headers, Contains(Pair("fettle-dlq-cause", "a type that is not known")));
  EXPECT_THAT(headers, Contains(Pair("fettle-dlq-source", kTestSource)));
  EXPECT_THAT(headers, Contains(Pair("fettle-dlq-position", "1")));
  EXPECT_FALSE(inbox_->has_unmirrored() && !inbox_->Unmirrored(10, 1).value().empty());

  // After a restart nothing is sent twice; for a topic that another cluster has, all is.
  OpenInbox({});
  OpenMirror(cluster_.cluster());
  Settle();
  EXPECT_THAT(Mirrored(), SizeIs(1));
  ASSERT_TRUE(inbox_->ForgetOffsets("another cluster").ok());
  EXPECT_EQ(Waiting(), 1);
  ASSERT_TRUE(inbox_->ForgetOffsets("another cluster").ok());
  Settle();
  EXPECT_THAT(Mirrored(), SizeIs(2));
}

TEST_F(DeadLetterTest, WhatWasHeldBeforeItWasParkedIsMirroredAsItCame) {
  OpenMirror(cluster_.cluster());
  Take(MakeTestEvent(kTestSource, 2, 1, "a", kPoison), {"key of 2", {{"x", "header of 2"}}});
  EXPECT_EQ(inbox_->held(), 1);
  Take(MakeTestEvent(kTestSource, 1, 0, "a"), {"key of 1", {{"x", "header of 1"}}});
  Settle();
  const auto mirrored = Mirrored();
  ASSERT_THAT(mirrored, SizeIs(1));
  EXPECT_EQ(mirrored[0].key, "key of 2");
  EXPECT_THAT(mirrored[0].headers, Contains(Pair("x", "header of 2")));
}

TEST_F(DeadLetterTest, WhatCameByAFeedHasTheAttributesOfItsHeader) {
  OpenMirror(cluster_.cluster());
  Take(MakeTestEvent(kTestSource, 1, 0, "stream-a", kPoison));
  Settle();
  const auto mirrored = Mirrored();
  ASSERT_THAT(mirrored, SizeIs(1));
  EXPECT_EQ(mirrored[0].key, "stream-a");
  const auto event = bus::ParseHeaders(mirrored[0].headers);
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->id, std::string(kTestSource) + ".1");
  EXPECT_EQ(event->source, kTestSource);
  EXPECT_EQ(event->type, "uk.nhs.fettle.referral.Tested.v1");
  const std::string access = std::string(kTestSource) + ":access";
  Take(MakeTestEvent(access, 1, 0, "stream-b", kPoison));
  Settle();
  EXPECT_EQ(Mirrored().back().key, access + ".1") << "the key of an access record is its own id";
}

TEST_F(DeadLetterTest, ABrokerThatIsAwayHoldsNothingUpAndGetsTheRowsLater) {
  OpenMirror(bus::Unreachable());
  bus::EndsWithin(std::chrono::seconds(20), [&] {
    for (int position = 1; position <= 200; ++position) {
      Take(MakeTestEvent(kTestSource, position, 0, std::to_string(position), kPoison));
      const absl::Time start = absl::Now();
      ASSERT_TRUE(mirror_->Step().ok());
      EXPECT_LT(absl::Now() - start, absl::Seconds(1));
    }
    OpenMirror(cluster_.cluster());
  });
  EXPECT_EQ(Waiting(), 200);
  Settle();
  std::vector<std::string> keys;
  for (const bus::ConsumedMessage& message : Mirrored()) keys.push_back(message.key);
  ASSERT_THAT(keys, SizeIs(200));
  EXPECT_EQ(keys.front(), "1");
  EXPECT_EQ(keys.back(), "200");
}

TEST_F(DeadLetterTest, AFailureIsTriedAgainAndWhatIsTooLargeIsLeftToItsRow) {
  OpenMirror(cluster_.cluster());
  cluster_.Inject(bus::kProduceRequest, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  const TestEvent small = MakeTestEvent(kTestSource, 1, 0, "a", kPoison);
  Take(small);
  Settle();
  TestEvent large = MakeTestEvent(kTestSource, 2, 0, "b", kPoison);
  large.value += "\x7a\x80\x80\x40";  // field 15, 1 MiB
  large.value.append(1 << 20, 'x');
  Take(large);
  const TestEvent next = MakeTestEvent(kTestSource, 3, 0, "c", kPoison);
  Take(next);
  Settle();
  std::vector<std::string> values;
  for (const bus::ConsumedMessage& message : Mirrored()) values.push_back(message.value);
  EXPECT_THAT(values, ElementsAre(small.value, next.value));
}

TEST_F(DeadLetterTest, RedrivenRowsAndRowsWithoutBytesAreNotMirrored) {
  OpenInbox({.parked_values_max = 1});
  Take(MakeTestEvent(kTestSource, 1, 0, "a", kPoison));
  Take(MakeTestEvent(kTestSource, 2, 1, "a"));
  EXPECT_THAT(inbox_->Unmirrored(10, 1 << 20).value(), SizeIs(1));
  handler_->knows_poison = true;
  ASSERT_TRUE(inbox_
                  ->Redrive([](const std::string&, int64_t) -> absl::StatusOr<std::string> {
                    return absl::NotFoundError("no feed");
                  })
                  .ok());
  EXPECT_THAT(inbox_->Unmirrored(10, 1 << 20).value(), IsEmpty());
  ASSERT_TRUE(inbox_->SettleMirror(kTestSource, 1).ok()) << "the row went while it was sent";
}

TEST_F(DeadLetterTest, RowsComeWithinBothLimits) {
  for (int position = 1; position <= 5; ++position) {
    Take(MakeTestEvent(kTestSource, position, 0, std::to_string(position), kPoison));
  }
  EXPECT_THAT(inbox_->Unmirrored(3, 1 << 20).value(), SizeIs(3));
  EXPECT_THAT(inbox_->Unmirrored(10, 1).value(), SizeIs(1)) << "one, however large";
}

}  // namespace
}  // namespace fettle::journal
