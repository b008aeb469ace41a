// Goal: what libs/bus promises holds with the broker that we run. Method: real Kafka (FETTLE_KAFKA
// = its bootstrap servers), topics of this run's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/uuid.h"
#include "libs/bus/cloud_event.h"
#include "libs/bus/publisher.h"
#include "libs/bus/subscriber.h"
#include "libs/bus/topics.h"

namespace fettle::bus {
namespace {

using ::testing::Each;
using ::testing::Field;
using ::testing::SizeIs;

constexpr absl::Duration kPatience = absl::Seconds(30);

// Java's partitioner (org.apache.kafka.common.utils.Utils.murmur2), which pipelines beside us use.
int JavaPartition(const std::string& key, int partitions) {
  constexpr uint32_t kMultiplier = 0x5bd1e995;
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(key[i])); };
  const size_t whole = key.size() / 4 * 4;
  uint32_t hash = 0x9747b28cU ^ static_cast<uint32_t>(key.size());
  for (size_t i = 0; i < whole; i += 4) {
    uint32_t k = byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24;
    k *= kMultiplier;
    k ^= k >> 24;
    k *= kMultiplier;
    hash = hash * kMultiplier ^ k;
  }
  for (size_t i = key.size(); i > whole; --i) hash ^= byte(i - 1) << (8 * (i - 1 - whole));
  if (key.size() > whole) hash *= kMultiplier;
  hash ^= hash >> 13;
  hash *= kMultiplier;
  hash ^= hash >> 15;
  return static_cast<int>((hash & 0x7fffffffU) % static_cast<uint32_t>(partitions));
}

std::string NewId() {
  static base::IdSource ids(absl::Now(), base::RandomSeed());
  return ids.Next();
}

class BusTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* servers = std::getenv("FETTLE_KAFKA");
    ASSERT_TRUE(servers) << "FETTLE_KAFKA must hold the bootstrap servers";
    cluster_ = {.bootstrap_servers = servers, .client_id = "bus_test"};
  }

  std::string NewTopic(int partitions) {
    const std::string name = absl::StrCat("bus-test-", NewId());
    const auto made = EnsureTopics(cluster_, {{name, partitions, -1}}, kPatience);
    EXPECT_TRUE(made.ok()) << made.status();
    EXPECT_EQ(*made, 1);
    return name;
  }

  std::unique_ptr<Publisher> MakePublisher(PublisherOptions options = {}) {
    options.cluster = cluster_;
    auto publisher = Publisher::Create(options);
    EXPECT_TRUE(publisher.ok()) << publisher.status();
    return *std::move(publisher);
  }

  std::unique_ptr<Subscriber> Reading(const std::vector<Position>& positions,
                                      SubscriberOptions options = {}) {
    options.cluster = cluster_;
    auto subscriber = Subscriber::Create(options);
    EXPECT_TRUE(subscriber.ok()) << subscriber.status();
    EXPECT_TRUE((*subscriber)->ClusterId(kPatience).ok());
    const absl::Status started = (*subscriber)->Start(positions);
    EXPECT_TRUE(started.ok()) << started;
    return *std::move(subscriber);
  }

  // Sends all, in order, and expects every one on the log.
  static void Send(Publisher* publisher, const std::vector<EventMessage>& messages) {
    size_t confirmed = 0;
    const auto poll = [&](absl::Duration timeout) {
      const std::vector<Report> reports = publisher->Poll(timeout);
      EXPECT_THAT(reports, Each(Field(&Report::ok, true)));
      confirmed += reports.size();
    };
    for (size_t i = 0; i < messages.size();) {
      const Produced produced = publisher->Produce(messages[i], i);
      ASSERT_NE(produced, Produced::kFailed);
      if (produced == Produced::kQueued) {
        ++i;
      } else {
        poll(absl::Milliseconds(10));
      }
    }
    const absl::Time deadline = absl::Now() + kPatience;
    while (confirmed < messages.size() && absl::Now() < deadline) poll(absl::Milliseconds(100));
    ASSERT_EQ(confirmed, messages.size());
  }

  static std::vector<ConsumedMessage> Receive(Subscriber* subscriber, size_t count) {
    std::vector<ConsumedMessage> all;
    const absl::Time deadline = absl::Now() + kPatience;
    while (all.size() < count && absl::Now() < deadline) {
      auto polled = subscriber->Poll(500, absl::Milliseconds(100));
      EXPECT_TRUE(polled.ok()) << polled.status();
      if (!polled.ok()) break;
      std::move(polled->begin(), polled->end(), std::back_inserter(all));
    }
    return all;
  }

  // `count` messages of `keys` keys whose values can be compressed well.
  static std::vector<EventMessage> Messages(const std::string& topic, int count, int keys,
                                            size_t value_bytes) {
    std::vector<EventMessage> messages;
    for (int i = 0; i < count; ++i) {
      EventMessage& message = messages.emplace_back();
      message.topic = topic;
      message.key = absl::StrCat("stream-", i % keys);
      message.value = absl::StrCat("event ", i, " ");
      message.value.resize(std::max(message.value.size(), value_bytes), 'x');
      message.value[message.value.size() - 1] = '\0';  // bytes, not text
      BuildHeaders({.id = absl::StrCat("id-", i), .source = "urn:fettle:test:a", .type = "t"},
                   &message.headers);
    }
    return messages;
  }

  Cluster cluster_;
};

TEST_F(BusTest, WhatIsSentIsReadByteForByteAndInTheOrderOfItsKey) {
  constexpr int kPartitions = 6;
  const std::string topic = NewTopic(kPartitions);
  const std::vector<EventMessage> sent = Messages(topic, 5'000, 100, 300);
  Send(MakePublisher().get(), sent);

  std::vector<Position> positions;
  for (int i = 0; i < kPartitions; ++i) positions.push_back({topic, i, kOffsetBeginning});
  const std::vector<ConsumedMessage> got = Receive(Reading(positions).get(), sent.size());
  ASSERT_EQ(got.size(), sent.size());

  std::map<std::string, std::vector<const EventMessage*>> sent_by_key;
  for (const EventMessage& message : sent) sent_by_key[message.key].push_back(&message);
  std::map<std::string, size_t> next;
  std::map<int, int64_t> offset;
  for (const ConsumedMessage& message : got) {
    const EventMessage& expected = *sent_by_key.at(message.key).at(next[message.key]++);
    ASSERT_EQ(message.value, expected.value);
    ASSERT_EQ(message.headers, expected.headers);
    ASSERT_EQ(message.topic, topic);
    ASSERT_EQ(message.partition, JavaPartition(message.key, kPartitions)) << "STYLE K13";
    ASSERT_EQ(message.offset, offset[message.partition]++) << "no gap, no repeat";
    ASSERT_TRUE(ParseHeaders(message.headers).ok());
  }
}

TEST_F(BusTest, ReadingGoesOnWhereTheStoredOffsetSays) {
  const std::string topic = NewTopic(1);
  Send(MakePublisher().get(), Messages(topic, 100, 1, 50));
  const std::vector<ConsumedMessage> got = Receive(Reading({{topic, 0, 60}}).get(), 40);
  ASSERT_THAT(got, SizeIs(40));
  EXPECT_EQ(got.front().offset, 60);
  EXPECT_EQ(got.front().value.substr(0, 9), "event 60 ");

  auto at_end = Reading({{topic, 0, 100}});
  Send(MakePublisher().get(), Messages(topic, 1, 1, 50));
  const std::vector<ConsumedMessage> later = Receive(at_end.get(), 1);
  ASSERT_THAT(later, SizeIs(1));
  EXPECT_EQ(later[0].offset, 100);

  const auto marks = at_end->GetWatermarks(topic, 0, kPatience);
  ASSERT_TRUE(marks.ok()) << marks.status();
  EXPECT_EQ(marks->low, 0);
  EXPECT_EQ(marks->high, 101);
}

TEST_F(BusTest, AnOffsetThatTheBrokerHasNotIsAnOutcomeOfItsOwn) {
  const std::string topic = NewTopic(1);
  Send(MakePublisher().get(), Messages(topic, 10, 1, 50));
  auto subscriber = Reading({{topic, 0, 11}});
  absl::Status status;
  const absl::Time deadline = absl::Now() + kPatience;
  while (status.ok() && absl::Now() < deadline) {
    status = subscriber->Poll(10, absl::Milliseconds(100)).status();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange) << status;
}

// STYLE K12: compression can fall off without a word.
TEST_F(BusTest, CompressionIsInForce) {
  const std::string topic = NewTopic(1);
  const std::vector<EventMessage> messages = Messages(topic, 2'000, 10, 1'000);
  for (const Compression compression : {Compression::kLz4, Compression::kZstd}) {
    auto publisher =
        MakePublisher({.linger_ms = 50, .compression = compression, .statistics_ms = 50});
    Send(publisher.get(), messages);
    const absl::Time deadline = absl::Now() + kPatience;
    while (publisher->sent_bytes() == 0 && absl::Now() < deadline) {
      publisher->Poll(absl::Milliseconds(100));
    }
    publisher->Poll(absl::Milliseconds(200));
    EXPECT_GT(publisher->sent_bytes(), 0);
    EXPECT_LT(publisher->sent_bytes(), 2'000 * 1'000 / 4);
  }
}

TEST_F(BusTest, TheLargestMessagePassesThroughSmallFetches) {
  const std::string topic = NewTopic(1);
  std::vector<EventMessage> messages = Messages(topic, 3, 1, kMessageBytesMax - 1'000);
  // Random bytes stay large when compressed.
  uint64_t state = 1;
  for (EventMessage& message : messages) {
    for (char& byte : message.value) {
      state = state * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
      byte = static_cast<char>(state >> 56);
    }
  }
  Send(MakePublisher().get(), messages);
  const std::vector<ConsumedMessage> got = Receive(
      Reading({{topic, 0, 0}}, {.fetch_kbytes_max = 1'024, .fetch_partition_kbytes_max = 16}).get(),
      messages.size());
  ASSERT_EQ(got.size(), messages.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(got[i].value == messages[i].value);
}

// librdkafka 2.0.2 goes to sleep for a second whenever its queue is full, unless it is woken.
TEST_F(BusTest, SmallLimitsDoNotStopTheFlow) {
  const std::string topic = NewTopic(1);
  const std::vector<EventMessage> messages = Messages(topic, 20'000, 10, 1'000);
  Send(MakePublisher().get(), messages);
  auto subscriber = Reading({{topic, 0, 0}}, {.ahead_messages_max = 1'000,
                                              .ahead_kbytes_max = 512,
                                              .fetch_kbytes_max = 1'024,
                                              .fetch_partition_kbytes_max = 64});
  const absl::Time start = absl::Now();
  EXPECT_THAT(Receive(subscriber.get(), messages.size()), SizeIs(messages.size()));
  EXPECT_LT(absl::Now() - start, absl::Seconds(8)) << "20 fillings of the queue, a second each";
}

// STYLE K14.
TEST_F(BusTest, ATopicIsNeverMadeBySendingToIt) {
  const std::string topic = absl::StrCat("bus-test-none-", NewId());
  cluster_.properties = {{"topic.metadata.propagation.max.ms", "500"}};
  auto publisher = MakePublisher();
  ASSERT_EQ(publisher->Produce({.topic = topic, .key = "k", .value = "v"}, 7), Produced::kQueued);
  std::vector<Report> reports;
  const absl::Time deadline = absl::Now() + kPatience;
  while (reports.empty() && absl::Now() < deadline) reports = publisher->Poll(absl::Seconds(1));
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_FALSE(reports[0].ok);
  EXPECT_TRUE(reports[0].retriable) << "it may be made later";
  EXPECT_EQ(publisher->Partitions(topic, kPatience).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(BusTest, TopicsAreMadeOnceAndNeverChanged) {
  const std::string topic = NewTopic(3);
  const auto again = EnsureTopics(cluster_, {{topic, 3, -1}}, kPatience);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, 0);
  EXPECT_EQ(EnsureTopics(cluster_, {{topic, 4, -1}}, kPatience).status().code(),
            absl::StatusCode::kFailedPrecondition);
  auto publisher = MakePublisher();
  const auto partitions = publisher->Partitions(topic, kPatience);
  ASSERT_TRUE(partitions.ok()) << partitions.status();
  EXPECT_EQ(*partitions, 3);
}

TEST_F(BusTest, AllClientsSeeTheSameCluster) {
  auto publisher = MakePublisher();
  const auto id = publisher->ClusterId(kPatience);
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_FALSE(id->empty());
  const auto other = Reading({})->ClusterId(kPatience);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(*other, *id);
}

}  // namespace
}  // namespace fettle::bus
