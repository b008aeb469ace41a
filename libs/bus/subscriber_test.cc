// What a subscriber does when its topic or its offsets are not there. Reading itself is tested
// against real Kafka in tests/integration.
#include "libs/bus/subscriber.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "absl/time/clock.h"
#include "libs/bus/mock_cluster.h"
#include "libs/bus/publisher.h"

namespace fettle::bus {
namespace {

using ::testing::SizeIs;

constexpr absl::Duration kPatience = absl::Seconds(20);

std::unique_ptr<Subscriber> Make(const Cluster& cluster) {
  auto subscriber = Subscriber::Create({.cluster = cluster});
  EXPECT_TRUE(subscriber.ok()) << subscriber.status();
  return *std::move(subscriber);
}

std::unique_ptr<Subscriber> Started(const Cluster& cluster, const Position& position) {
  auto subscriber = Make(cluster);
  EXPECT_TRUE(subscriber->ClusterId(kPatience).ok());
  const absl::Status started = subscriber->Start({position});
  EXPECT_TRUE(started.ok()) << started;
  return subscriber;
}

// Polls until a message or an error comes.
absl::StatusOr<std::vector<ConsumedMessage>> Next(Subscriber* subscriber) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    auto polled = subscriber->Poll(100, absl::Milliseconds(100));
    if (!polled.ok() || !polled->empty()) return polled;
  }
  return absl::DeadlineExceededError("neither a message nor an error");
}

void Publish(const Cluster& cluster, int messages) {
  auto publisher = *Publisher::Create({.cluster = cluster});
  for (int i = 0; i < messages; ++i) {
    ASSERT_EQ(publisher->Produce({.topic = "events", .key = "k", .value = "v"}, 0),
              Produced::kQueued);
  }
  ASSERT_TRUE(publisher->Flush(kPatience).ok());
}

TEST(Subscriber, APositionThatMeansNothingIsRefused) {
  MockCluster mock;
  auto subscriber = Make(mock.cluster());
  ASSERT_TRUE(subscriber->ClusterId(kPatience).ok());
  for (const std::vector<Position>& wrong : std::vector<std::vector<Position>>{
           {{"events", 0, -1}},
           {{"events", -1, 0}},
           {{"events", 0, 0}, {"events", 0, 1}},
       }) {
    EXPECT_EQ(subscriber->Start(wrong).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(Subscriber, DoesNotStartBeforeTheClusterIsKnown) {
  EXPECT_EQ(Make(Unreachable())->Start({{"events", 0, 0}}).code(), absl::StatusCode::kUnavailable);
}

TEST(Subscriber, AnOffsetThatIsGoneEndsIt) {
  MockCluster mock;
  Publish(mock.cluster(), 3);
  auto subscriber = Started(mock.cluster(), {"events", 0, 1'000});
  EXPECT_EQ(Next(subscriber.get()).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(subscriber->Poll(1, absl::ZeroDuration()).status().code(),
            absl::StatusCode::kOutOfRange)
      << "it stays ended";
}

TEST(Subscriber, WhatCameBeforeTheErrorIsGivenFirst) {
  MockCluster mock;
  mock.AddTopic("gone", 1);
  Publish(mock.cluster(), 3);
  auto subscriber = Make(mock.cluster());
  ASSERT_TRUE(subscriber->ClusterId(kPatience).ok());
  ASSERT_TRUE(subscriber->Start({{"events", 0, 0}, {"gone", 0, 1'000}}).ok());
  // The error comes after librdkafka's pause of half a second: by then both wait in one queue.
  absl::SleepFor(absl::Seconds(4));
  const auto first = subscriber->Poll(100, absl::ZeroDuration());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(*first, SizeIs(3));
  EXPECT_EQ(subscriber->Poll(100, absl::ZeroDuration()).status().code(),
            absl::StatusCode::kOutOfRange)
      << "without another message or wait";
}

// Offsets of one cluster mean nothing in another that took its place.
TEST(Subscriber, AnotherClusterThanAtStartEndsIt) {
  auto first = std::make_unique<MockCluster>();
  auto second = std::make_unique<MockCluster>();
  Cluster both = first->cluster();
  both.bootstrap_servers += "," + second->cluster().bootstrap_servers;
  auto subscriber = Make(both);
  const auto id = subscriber->ClusterId(kPatience);
  ASSERT_TRUE(id.ok()) << id.status();
  ASSERT_TRUE(subscriber->Start({{"events", 0, 0}}).ok());
  ASSERT_TRUE(subscriber->Poll(10, absl::Milliseconds(100)).ok());

  const auto first_id = Make(first->cluster())->ClusterId(kPatience);
  ASSERT_TRUE(first_id.ok()) << first_id.status();
  (*id == *first_id ? first : second).reset();
  const absl::Time deadline = absl::Now() + kPatience;
  while (subscriber->ClusterId(absl::ZeroDuration()).value() == *id && absl::Now() < deadline) {
    // Asks whichever broker is there; until the other one is connected there is none.
    (void)subscriber->Partitions("events", absl::Milliseconds(200));
  }
  EXPECT_EQ(subscriber->Poll(10, absl::ZeroDuration()).status().code(), absl::StatusCode::kAborted);
}

TEST(Subscriber, ATopicThatMayNotBeReadEndsIt) {
  MockCluster mock;
  Publish(mock.cluster(), 3);
  mock.Inject(kFetchRequest, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  auto subscriber = Started(mock.cluster(), {"events", 0, 0});
  EXPECT_EQ(Next(subscriber.get()).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(Subscriber, WakeEndsAPollFromAnotherThread) {
  MockCluster mock;
  auto subscriber = Started(mock.cluster(), {"events", 0, kOffsetBeginning});
  EndsWithin(std::chrono::seconds(20), [&] {
    std::thread other([&] {
      absl::SleepFor(absl::Milliseconds(50));
      subscriber->Wake();
    });
    const auto polled = subscriber->Poll(10, absl::Hours(1));
    EXPECT_TRUE(polled.ok()) << polled.status();
    EXPECT_THAT(*polled, SizeIs(0));
    other.join();
  });
}

TEST(Subscriber, EndsWithMessagesThatNobodyTook) {
  MockCluster mock;
  Publish(mock.cluster(), 1'000);
  EndsWithin(std::chrono::seconds(20), [&] {
    auto subscriber = Started(mock.cluster(), {"events", 0, 0});
    const auto polled = subscriber->Poll(1, kPatience);
    ASSERT_TRUE(polled.ok()) << polled.status();
    EXPECT_THAT(*polled, SizeIs(1));
  });
}

}  // namespace
}  // namespace fettle::bus
