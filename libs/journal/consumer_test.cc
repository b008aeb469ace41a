// Goal: the consumer takes every event once, from topics, from feeds, and from both.
// Method: feeds as functions over vectors; topics on librdkafka's imitation of a cluster.
#include "libs/journal/consumer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "absl/time/clock.h"
#include "libs/bus/mock_cluster.h"
#include "libs/bus/publisher.h"
#include "libs/bus/subscriber.h"
#include "libs/journal/inbox_testing.h"

namespace fettle::journal {
namespace {

using ::testing::ElementsAre;

// A journal with a feed: what was added can be read.
class TestJournal {
 public:
  void Add(const std::vector<TestEvent>& events) {
    std::scoped_lock lock(mutex_);
    events_.insert(events_.end(), events.begin(), events.end());
  }
  void Replace(const std::vector<TestEvent>& events) {
    std::scoped_lock lock(mutex_);
    events_ = events;
  }
  FeedSource Source() {
    return {.service = "referral",
            .topic = kTestTopic,
            .access_source = "",
            .read = [this](bool access_log, int64_t from, int64_t to, const auto& item) {
              ++reads;
              if (fails) return absl::UnavailableError("the service is stopping");
              if (access_log) return absl::OkStatus();
              std::vector<TestEvent> events;
              {
                std::scoped_lock lock(mutex_);
                events = events_;
              }
              for (const TestEvent& event : events) {
                if (event.position < from || (to > 0 && event.position > to)) continue;
                if (!item(event.position, event.value)) break;
              }
              return absl::OkStatus();
            }};
  }
  std::atomic<int> reads = 0;
  std::atomic<bool> fails = false;

 private:
  std::mutex mutex_;
  std::vector<TestEvent> events_;
};

class ConsumerTest : public ::testing::Test {
 protected:
  void Start(ConsumerOptions options) {
    options.database_path = folder_.File("consumer.db");
    options.topics = {kTestTopic};
    options.feed_poll_ms = 10;
    auto consumer = Consumer::Start(std::move(options), handler_.get(), metrics_.get());
    ASSERT_TRUE(consumer.ok()) << consumer.status();
    consumer_ = *std::move(consumer);
  }
  void Stop() {
    consumer_->Stop();
    EXPECT_TRUE(consumer_->failure().ok()) << consumer_->failure();
    consumer_.reset();
    handler_ = std::make_unique<ChainHandler>();
  }
  // Waits until so many positions of all sources are taken or parked.
  bool Await(int64_t count) {
    const absl::Time until = absl::Now() + absl::Seconds(60);
    while (absl::Now() < until) {
      int64_t taken = 0;
      auto progress = consumer_->Progress();
      if (!progress.ok()) return false;
      for (const auto& source : *progress) taken += source.taken + source.parked;
      if (taken >= count) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }
  Chains chains() {
    Chains chains;
    const absl::Status read = consumer_->Read([&](sqlite::Database& db) -> absl::Status {
      FETTLE_ASSIGN_OR_RETURN(chains, ReadChains(db));
      return absl::OkStatus();
    });
    EXPECT_TRUE(read.ok()) << read;
    return chains;
  }

  TestFolder folder_;
  std::unique_ptr<base::Metrics> metrics_ = base::Metrics::Create(std::nullopt).value();
  // These two outlive the consumer, whose thread reads on until it is stopped.
  TestJournal journal_;
  std::unique_ptr<ChainHandler> handler_ = std::make_unique<ChainHandler>();
  std::unique_ptr<Consumer> consumer_;
  std::mt19937 random_{TestSeed()};
};

TEST_F(ConsumerTest, FollowsAFeedAndGoesOnAfterARestart) {
  std::vector<TestEvent> events = MakeTestEvents(kTestSource, 900, 20, random_);
  journal_.Add({events.begin(), events.begin() + 300});
  ConsumerOptions options{.kafka = "none", .feeds = {journal_.Source()}};
  Start(options);
  ASSERT_TRUE(Await(300));
  journal_.Add({events.begin() + 300, events.begin() + 600});
  ASSERT_TRUE(Await(600));
  journal_.fails = true;
  journal_.Add({events.begin() + 600, events.end()});
  Stop();
  Start(options);
  journal_.fails = false;
  ASSERT_TRUE(Await(900));
  EXPECT_EQ(chains(), ExpectedChains(events));
  auto progress = consumer_->Progress();
  ASSERT_TRUE(progress.ok());
  ASSERT_EQ(progress->size(), 1u);
  EXPECT_EQ(progress->front().source, kTestSource);
  EXPECT_EQ(progress->front().contiguous, 900);
}

// INV-123: everything taken again from the beginning gives the same.
TEST_F(ConsumerTest, FromNothingGivesTheSame) {
  const std::vector<TestEvent> events = MakeTestEvents(kTestSource, 500, 20, random_);
  journal_.Add(events);
  ConsumerOptions options{.kafka = "none", .feeds = {journal_.Source()}};
  Start(options);
  ASSERT_TRUE(Await(500));
  Stop();
  options.from_nothing = true;
  Start(options);
  ASSERT_TRUE(Await(500));
  EXPECT_EQ(chains(), ExpectedChains(events));
}

TEST_F(ConsumerTest, AJournalUnderAnotherNameIsReadFromItsBeginning) {
  const std::vector<TestEvent> before = MakeTestEvents(kTestSource, 300, 20, random_);
  const std::vector<TestEvent> after =
      MakeTestEvents("urn:fettle:referral:restored", 100, 20, random_);
  journal_.Add(before);
  ConsumerOptions options{.kafka = "none", .feeds = {journal_.Source()}};
  Start(options);
  ASSERT_TRUE(Await(300));
  Stop();
  journal_.Replace(after);
  Start(options);
  ASSERT_TRUE(Await(400));
  Chains expected = ExpectedChains(before);
  expected.merge(ExpectedChains(after));
  EXPECT_EQ(chains(), expected);
}

// INV-168.
TEST_F(ConsumerTest, RedrivesParkedEventsWhenAskedAndAtStart) {
  const std::vector<TestEvent> events = {MakeTestEvent(kTestSource, 1, 0, "a", kPoison),
                                         MakeTestEvent(kTestSource, 2, 1, "a"),
                                         MakeTestEvent(kTestSource, 3, 0, "b")};
  journal_.Add(events);
  ConsumerOptions options{.kafka = "none", .feeds = {journal_.Source()}};
  Start(options);
  ASSERT_TRUE(Await(3));
  EXPECT_EQ(consumer_->Progress()->front().parked, 2);
  EXPECT_EQ(consumer_->Redrive(absl::Now() + absl::Seconds(10)).value(), 0);
  Stop();
  handler_->knows_poison = true;
  Start(options);
  EXPECT_EQ(consumer_->Redrive(absl::Now() + absl::Seconds(10)).value(), 0) << "done at the start";
  EXPECT_EQ(consumer_->Progress()->front().parked, 0);
  EXPECT_EQ(chains(), ExpectedChains(events));
  consumer_->Stop();
  EXPECT_FALSE(consumer_->Redrive(absl::Now() + absl::Seconds(10)).ok());
}

TEST_F(ConsumerTest, AReadMayTakeSoLongAndNoLonger) {
  Start({.kafka = "none"});
  const auto count = [](int64_t upto) {
    return [upto](sqlite::Database& db) {
      return db
          .QueryInt("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
                    std::to_string(upto) + ") SELECT count(*) FROM n")
          .status();
    };
  };
  const absl::Status ended = consumer_->ReadFor(absl::Milliseconds(50), count(int64_t{1} << 60));
  EXPECT_TRUE(absl::IsDeadlineExceeded(ended)) << ended;
  // The next read, perhaps through the same connection, has its own time.
  EXPECT_TRUE(consumer_->Read(count(1'000'000)).ok());
}

class TopicTest : public ConsumerTest {
 protected:
  TopicTest() { cluster_.AddTopic(kTestTopic, 6); }

  void Publish(const std::vector<const TestEvent*>& events) {
    auto publisher = bus::Publisher::Create({.cluster = cluster_.cluster()});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    size_t reported = 0;
    for (size_t i = 0; i < events.size();) {
      const bus::Produced produced =
          (*publisher)
              ->Produce({.topic = kTestTopic,
                         .key = events[i]->stream,
                         .value = events[i]->value,
                         .headers = {{"published", std::to_string(events[i]->position)}}},
                        i);
      if (produced != bus::Produced::kFull) ++i;
      for (const bus::Report& report : (*publisher)->Poll(absl::ZeroDuration())) {
        ASSERT_TRUE(report.ok) << report.error;
        ++reported;
      }
    }
    while (reported < events.size()) {
      for (const bus::Report& report : (*publisher)->Poll(absl::Seconds(1))) {
        ASSERT_TRUE(report.ok) << report.error;
        ++reported;
      }
    }
  }

  bus::MockCluster cluster_;
};

// INV-122 over partitions, INV-167: topics with duplicates and holes, the feed for the holes, stops
// in between.
TEST_F(TopicTest, TopicsAndFeedTogetherGiveTheSame) {
  const std::vector<TestEvent> events = MakeTestEvents(kTestSource, 3'000, 50, random_);
  journal_.Add(events);
  std::vector<const TestEvent*> first;
  std::vector<const TestEvent*> second;
  for (const TestEvent& event : events) {
    if (random_() % 20 == 0 && event.position < 2'900) continue;  // never reaches the topic
    std::vector<const TestEvent*>& half = event.position <= 1'500 ? first : second;
    half.push_back(&event);
    if (random_() % 5 == 0) half.push_back(half[random_() % half.size()]);
  }
  Publish(first);
  ConsumerOptions options{.kafka = cluster_.cluster().bootstrap_servers,
                          .feeds = {journal_.Source()},
                          .batch_events_max = 200,
                          .gap_ms_max = 50};
  Start(options);
  ASSERT_TRUE(Await(1'000));
  Stop();
  Publish(second);
  Start(options);
  ASSERT_TRUE(Await(3'000));
  EXPECT_EQ(chains(), ExpectedChains(events));
  EXPECT_EQ(consumer_->Progress()->front().contiguous, 3'000);
}

// INV-168: what is parked is on the dead-letter topic too, while everything else goes on.
TEST_F(TopicTest, MirrorsParkedEventsToTheDeadLetterTopic) {
  const std::string dead_letters = std::string(kTestTopic) + ".dlq";
  cluster_.AddTopic(dead_letters.c_str(), 1);
  const std::vector<TestEvent> events = {MakeTestEvent(kTestSource, 1, 0, "a", kPoison),
                                         MakeTestEvent(kTestSource, 2, 0, "b"),
                                         MakeTestEvent(kTestSource, 3, 1, "a"),
                                         {"", 4, 0, "c", "no event at all"}};
  Publish({&events[0], &events[1], &events[2], &events[3]});
  Start({.name = "analytics", .kafka = cluster_.cluster().bootstrap_servers});
  auto subscriber = bus::Subscriber::Create({.cluster = cluster_.cluster()}).value();
  ASSERT_TRUE(subscriber->ClusterId(absl::Seconds(10)).ok());
  ASSERT_TRUE(subscriber->Start({{dead_letters, 0, bus::kOffsetBeginning}}).ok());
  std::map<std::string, bus::ConsumedMessage> by_key;
  for (const absl::Time until = absl::Now() + absl::Seconds(60);
       by_key.size() < 3 && absl::Now() < until;) {
    auto messages = subscriber->Poll(10, absl::Seconds(1));
    ASSERT_TRUE(messages.ok()) << messages.status();
    for (bus::ConsumedMessage& message : *messages) {
      by_key[message.key + message.headers.at(0).second] = std::move(message);
    }
  }
  ASSERT_EQ(by_key.size(), 3u);
  EXPECT_EQ(by_key.at("a1").value, events[0].value);
  EXPECT_THAT(by_key.at("a1").headers,
              ::testing::Contains(::testing::Pair("fettle-dlq-code", "UNIMPLEMENTED")));
  EXPECT_EQ(by_key.at("a3").value, events[2].value);
  EXPECT_THAT(by_key.at("a3").headers,
              ::testing::Contains(::testing::Pair("fettle-dlq-code", "FAILED_PRECONDITION")));
  EXPECT_EQ(by_key.at("c4").value, events[3].value);
  EXPECT_THAT(by_key.at("c4").headers,
              ::testing::Contains(::testing::Pair("fettle-dlq-consumer", "analytics")));
  EXPECT_EQ(chains().at(std::string(kTestSource) + "/b").first, 1);
  handler_->knows_poison = true;
  EXPECT_EQ(consumer_->Redrive(absl::Now() + absl::Seconds(10)).value(), 2);
}

// Not a rule but a budget: 60,000 events a second. Only a fraction is asserted, because tests share
// their machine.
TEST_F(ConsumerTest, ManyEventsASecond) {
  handler_->looks = false;
  std::vector<TestEvent> events = MakeTestEvents(kTestSource, 200'000, 5'000, random_);
  journal_.Add(events);
  const absl::Time start = absl::Now();
  Start({.kafka = "none", .feeds = {journal_.Source()}});
  ASSERT_TRUE(Await(200'000));
  const double rate = 200'000 / absl::ToDoubleSeconds(absl::Now() - start);
  std::cout << "applied " << static_cast<int64_t>(rate) << " events/s in " << handler_->commits
            << " commits\n";
  EXPECT_GT(rate, 5'000);
  EXPECT_EQ(chains(), ExpectedChains(events));
}

}  // namespace
}  // namespace fettle::journal
