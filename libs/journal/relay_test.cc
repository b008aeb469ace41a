// Goal: the relay's thread carries a journal to the topics whatever the broker does. Method:
// librdkafka's mock cluster, for errors that a broker gives once in years; a real broker is in
// tests/integration.
#include "libs/journal/relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "libs/bus/mock_cluster.h"
#include "libs/bus/subscriber.h"
#include "libs/journal/memory_store.h"
#include "libs/journal/relay_testing.h"

namespace fettle::journal {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Duration kPatience = absl::Seconds(20);

// What is on a topic of one partition, until `enough` says so.
std::vector<bus::ConsumedMessage> ReadTopic(
    const bus::MockCluster& mock, const std::string& topic,
    const std::function<bool(const std::vector<bus::ConsumedMessage>&)>& enough) {
  auto subscriber = bus::Subscriber::Create({.cluster = mock.cluster(), .fetch_wait_ms = 10});
  EXPECT_TRUE(subscriber.ok()) << subscriber.status();
  EXPECT_TRUE((*subscriber)->ClusterId(kPatience).ok());
  EXPECT_TRUE((*subscriber)->Start({{topic, 0, bus::kOffsetBeginning}}).ok());
  std::vector<bus::ConsumedMessage> all;
  const absl::Time deadline = absl::Now() + kPatience;
  while (!enough(all) && absl::Now() < deadline) {
    auto messages = (*subscriber)->Poll(1'000, absl::Milliseconds(50));
    EXPECT_TRUE(messages.ok()) << messages.status();
    if (!messages.ok()) break;
    for (bus::ConsumedMessage& message : *messages) all.push_back(std::move(message));
  }
  EXPECT_TRUE(enough(all)) << all.size() << " messages";
  return all;
}

std::function<bool(const std::vector<bus::ConsumedMessage>&)> DistinctValues(size_t count) {
  return [count](const std::vector<bus::ConsumedMessage>& messages) {
    std::set<std::string> values;
    for (const bus::ConsumedMessage& message : messages) values.insert(message.value);
    return values.size() >= count;
  };
}

class RelayTest : public ::testing::Test {
 protected:
  RelayTest() {
    mock_.AddTopic("fettle.relaytest.v1", 1);
    mock_.AddTopic("fettle.access.v1", 1);
  }

  static std::unique_ptr<FilledJournal> Journal(int64_t events) {
    return std::make_unique<FilledJournal>("relaytest", NewMemoryStore(), events);
  }

  std::unique_ptr<Relay> Start(FilledJournal& filled) {
    RelayOptions options{.cluster = mock_.cluster()};
    options.backoff_ms_min = 10;
    auto relay = Relay::Start(options, &filled.journal(), &filled.metrics());
    EXPECT_TRUE(relay.ok()) << relay.status();
    return *std::move(relay);
  }

  bus::MockCluster mock_;
};

// INV-164.
TEST_F(RelayTest, AMessageIsTheStoredBytesAndItsHeadersAreCopiedFromThem) {
  auto filled = Journal(3);
  auto relay = Start(*filled);
  const auto messages = ReadTopic(mock_, "fettle.relaytest.v1", DistinctValues(3));
  const std::vector<StoredEvent> stored = filled->ReadAll(Log::kEvents);
  ASSERT_EQ(messages.size(), 3U);
  for (size_t i = 0; i < stored.size(); ++i) {
    EXPECT_EQ(messages[i].value, stored[i].value);
    EXPECT_EQ(messages[i].key, base::UuidFromBytes(stored[i].stream));
    const auto event = bus::ParseHeaders(messages[i].headers);
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_EQ(event->id, absl::StrCat("relaytest.main.", i + 1));
    EXPECT_EQ(event->source, "urn:fettle:relaytest:main");
    EXPECT_EQ(event->type, "uk.nhs.fettle.test.Happened.v1");
    EXPECT_EQ(event->subject, messages[i].key);
    EXPECT_EQ(event->time, absl::StrCat("2025-06-15T15:06:40.00", i + 1, "000000Z"));
    EXPECT_EQ(event->data_schema, "urn:fettle:message:fettle.journal.v1.AccessEvent");
    EXPECT_EQ(event->correlation_id, base::UuidFromBytes(stored[0].stream));
  }
}

TEST_F(RelayTest, ACommitWakesItAndAccessRecordsHaveTheirOwnIdAsKey) {
  auto filled = Journal(0);
  auto relay = Start(*filled);
  // Asleep: nothing to send, and idle_ms_max away from looking by itself.
  absl::SleepFor(absl::Milliseconds(300));
  absl::Notification committed;
  filled->Record([&](absl::Status status) {
    EXPECT_TRUE(status.ok()) << status;
    committed.Notify();
  });
  committed.WaitForNotification();
  const absl::Time start = absl::Now();
  const auto messages = ReadTopic(mock_, "fettle.access.v1", DistinctValues(1));
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  EXPECT_EQ(messages[0].key, "relaytest.main.access.1");
  EXPECT_EQ(messages[0].value, filled->ReadAll(Log::kAccess)[0].value);
}

// STYLE K1.
TEST_F(RelayTest, AFatalErrorRebuildsThePublisherAndLosesNothing) {
  auto filled = Journal(3'000);
  mock_.Inject(bus::kProduceRequest, {RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_NO_ERROR,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER});
  RelayOptions options{.cluster = mock_.cluster()};
  options.cluster.properties = {{"batch.num.messages", "100"}};
  options.backoff_ms_min = 10;
  auto relay = Relay::Start(options, &filled->journal(), &filled->metrics());
  ASSERT_TRUE(relay.ok()) << relay.status();
  const auto messages = ReadTopic(mock_, "fettle.relaytest.v1", DistinctValues(3'000));
  const std::vector<StoredEvent> stored = filled->ReadAll(Log::kEvents);
  std::set<std::string> seen;
  size_t next = 0;
  for (const bus::ConsumedMessage& message : messages) {
    if (!seen.insert(message.value).second) continue;
    ASSERT_EQ(message.value, stored[next].value) << "first occurrence " << next << " out of order";
    ++next;
  }
  (*relay)->Stop();
  EXPECT_TRUE((*relay)->failure().ok());
  EXPECT_THAT(filled->metrics().Text(), HasSubstr("fettle_relay_rebuilds_total 1"));
  EXPECT_EQ(filled->RelayCursors().begin()->second, "3000");
}

TEST_F(RelayTest, AnotherStartGoesOnFromTheStoredCursor) {
  auto filled = Journal(500);
  auto relay = Start(*filled);
  relay->Stop();  // sends what is committed
  EXPECT_THAT(filled->metrics().Text(),
              HasSubstr("fettle_relay_position{topic=\"fettle.relaytest.v1\"} 500"));
  relay.reset();
  filled->Open();
  relay = Start(*filled);
  relay->Stop();
  const auto messages = ReadTopic(mock_, "fettle.relaytest.v1", DistinctValues(500));
  EXPECT_EQ(messages.size(), 500U) << "nothing twice";
}

TEST_F(RelayTest, ATopicAheadOfItsJournalIsRefused) {
  Start(*Journal(10))->Stop();
  auto restored = Journal(9);
  const auto relay =
      Relay::Start({.cluster = mock_.cluster()}, &restored->journal(), &restored->metrics());
  EXPECT_EQ(relay.status().code(), absl::StatusCode::kFailedPrecondition) << relay.status();
  EXPECT_THAT(std::string(relay.status().message()), HasSubstr("position 10"));
}

TEST_F(RelayTest, WithoutABrokerTheJournalGoesOnAndStopIsQuick) {
  auto filled = Journal(5);
  RelayOptions options{.cluster = bus::Unreachable()};
  options.start_ms_max = 50;
  auto relay = Relay::Start(options, &filled->journal(), &filled->metrics());
  ASSERT_TRUE(relay.ok()) << relay.status();
  absl::Notification committed;
  filled->Record([&](absl::Status status) {
    EXPECT_TRUE(status.ok()) << status;
    committed.Notify();
  });
  committed.WaitForNotification();
  const absl::Time start = absl::Now();
  (*relay)->Stop();
  EXPECT_LT(absl::Now() - start, absl::Seconds(3));
  EXPECT_TRUE((*relay)->failure().ok());
  EXPECT_THAT(filled->RelayCursors(), IsEmpty());
}

}  // namespace
}  // namespace fettle::journal
