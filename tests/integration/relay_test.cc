// Goal: what a journal holds reaches a real broker, at least once and in order, whatever ends the
// relay on the way, and about as fast as a bare producer could. Method: FETTLE_KAFKA names the
// broker; journals and topics are of this run's own.
//
// FETTLE_RELAY_EVENTS sets the size of the measured run (default 50,000; 500,000 for a figure).
#include "libs/journal/relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/uuid.h"
#include "libs/bus/publisher.h"
#include "libs/bus/subscriber.h"
#include "libs/bus/topics.h"
#include "libs/journal/memory_store.h"
#include "libs/journal/relay_testing.h"
#include "libs/journal/sqlite_store.h"

namespace fettle::journal {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr int kPartitions = 6;
// An event of about 600 bytes.
constexpr size_t kPaddingBytes = 350;

class RelayIntegrationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* servers = std::getenv("FETTLE_KAFKA");
    ASSERT_TRUE(servers) << "FETTLE_KAFKA must hold the bootstrap servers";
    cluster_ = {.bootstrap_servers = servers, .client_id = "relay_test"};
    static base::IdSource ids(absl::Now(), base::RandomSeed());
    name_ = absl::StrCat("relaytest-", ids.Next());
    folder_ = std::filesystem::temp_directory_path() / name_;
    std::filesystem::create_directories(folder_);
    options_.cluster = cluster_;
    options_.events_topic = NewTopic("events");
    options_.access_topic = NewTopic("access");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string NewTopic(const std::string& what) {
    const std::string topic = absl::StrCat(name_, "-", what);
    const auto made = bus::EnsureTopics(cluster_, {{topic, kPartitions, -1}}, kPatience);
    EXPECT_TRUE(made.ok()) << made.status();
    return topic;
  }

  std::unique_ptr<FilledJournal> Journal(int64_t events) {
    auto store = OpenSqliteStore({.path = folder_ / "journal.db"});
    EXPECT_TRUE(store.ok()) << store.status();
    return std::make_unique<FilledJournal>(name_, *std::move(store), events, kPaddingBytes);
  }

  std::unique_ptr<Relay> Start(FilledJournal& filled) {
    auto relay = Relay::Start(options_, &filled.journal(), &filled.metrics());
    EXPECT_TRUE(relay.ok()) << relay.status();
    return *std::move(relay);
  }

  double PositionMetric(FilledJournal& filled) {
    const std::string name =
        absl::StrCat("fettle_relay_position{topic=\"", options_.events_topic, "\"} ");
    const std::string text = filled.metrics().Text();
    const size_t at = text.find(name);
    return at == std::string::npos ? 0 : std::atof(text.c_str() + at + name.size());
  }

  void AwaitPosition(FilledJournal& filled, int64_t position) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (PositionMetric(filled) < static_cast<double>(position) && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(2));
    }
    ASSERT_GE(PositionMetric(filled), position);
  }

  // Every event of the journal is on the topic, bytes as stored, under its key, first occurrences
  // of a key in order. Gives the number of messages.
  int64_t ExpectAll(FilledJournal& filled) {
    auto subscriber = bus::Subscriber::Create({.cluster = cluster_});
    EXPECT_TRUE(subscriber.ok()) << subscriber.status();
    EXPECT_TRUE((*subscriber)->ClusterId(kPatience).ok());
    std::vector<bus::Position> from;
    int64_t open = 0;
    for (int i = 0; i < kPartitions; ++i) {
      from.push_back({options_.events_topic, i, bus::kOffsetBeginning});
      const auto marks = (*subscriber)->GetWatermarks(options_.events_topic, i, kPatience);
      EXPECT_TRUE(marks.ok()) << marks.status();
      open += marks->high - marks->low;
    }
    const int64_t total = open;
    EXPECT_TRUE((*subscriber)->Start(from).ok());
    std::map<std::string, std::vector<const StoredEvent*>> expected;
    const std::vector<StoredEvent> stored = filled.ReadAll(Log::kEvents);
    for (const StoredEvent& event : stored) {
      expected[base::UuidFromBytes(event.stream)].push_back(&event);
    }
    std::map<std::string, size_t> next;
    size_t distinct = 0;
    const absl::Time deadline = absl::Now() + kPatience;
    while (open > 0 && absl::Now() < deadline) {
      const auto messages = (*subscriber)->Poll(1'000, absl::Milliseconds(100));
      EXPECT_TRUE(messages.ok()) << messages.status();
      if (!messages.ok()) return total;
      open -= static_cast<int64_t>(messages->size());
      for (const bus::ConsumedMessage& message : *messages) {
        const auto& of_key = expected[message.key];
        size_t& at = next[message.key];
        if (at < of_key.size() && message.value == of_key[at]->value) {
          ++at;
          ++distinct;
          continue;
        }
        const bool again =
            std::any_of(of_key.begin(), of_key.begin() + static_cast<std::ptrdiff_t>(at),
                        [&](const StoredEvent* event) { return event->value == message.value; });
        if (again) continue;
        ADD_FAILURE() << "neither the next event of its key nor a repeated one";
        return total;
      }
    }
    EXPECT_EQ(distinct, stored.size());
    return total;
  }

  bus::Cluster cluster_;
  std::string name_;
  std::filesystem::path folder_;
  RelayOptions options_;
};

TEST_F(RelayIntegrationTest, AJournalDrainsAndANextStartSendsNothingAgain) {
  auto filled = Journal(20'000);
  auto relay = Start(*filled);
  AwaitPosition(*filled, 20'000);
  relay->Stop();
  relay.reset();
  filled->Open();
  relay = Start(*filled);
  relay->Stop();
  EXPECT_EQ(ExpectAll(*filled), 20'000);
}

// The publisher is dropped with events in flight, time and again, and the cursors of the last half
// second are lost with it.
TEST_F(RelayIntegrationTest, PublishersThatDieMidwayLoseNothing) {
  auto filled = Journal(20'000);
  options_.shutdown_ms_max = 0;
  options_.unacknowledged_events_max = 2'000;
  for (const int64_t until : {1, 4'000, 9'000, 15'000}) {
    auto relay = Start(*filled);
    AwaitPosition(*filled, until);
    relay.reset();
    filled->Open();
  }
  auto relay = Start(*filled);
  AwaitPosition(*filled, 20'000);
  relay->Stop();
  EXPECT_GE(ExpectAll(*filled), 20'000);
}

TEST_F(RelayIntegrationTest, AnotherClusterIsFilledFromPositionOne) {
  auto filled = Journal(5'000);
  auto relay = Start(*filled);
  AwaitPosition(*filled, 5'000);
  relay.reset();
  const auto cursors = filled->RelayCursors();
  ASSERT_EQ(cursors.size(), 1U);
  EXPECT_EQ(cursors.begin()->second, "5000");
  // The cluster's id is in the cursor's name; another topic stands for another cluster.
  options_.events_topic = NewTopic("other");
  filled->Open();
  relay = Start(*filled);
  AwaitPosition(*filled, 5'000);
  relay->Stop();
  EXPECT_EQ(ExpectAll(*filled), 5'000);
}

TEST_F(RelayIntegrationTest, AJournalRestoredUnderItsOldNameIsRefused) {
  {
    FilledJournal filled(name_, NewMemoryStore(), 300);
    Start(filled)->Stop();
  }
  FilledJournal restored(name_, NewMemoryStore(), 299);
  const auto relay = Relay::Start(options_, &restored.journal(), &restored.metrics());
  EXPECT_EQ(relay.status().code(), absl::StatusCode::kFailedPrecondition) << relay.status();
}

// The bare producer sends the same messages, made beforehand, with the same settings.
TEST_F(RelayIntegrationTest, ItKeepsUpWithABareProducer) {
  int64_t count = 50'000;
  if (const char* text = std::getenv("FETTLE_RELAY_EVENTS")) {
    ASSERT_TRUE(absl::SimpleAtoi(text, &count));
  }
  auto filled = Journal(count);

  // A part of the messages, again and again: the bytes are what counts.
  const std::string bare_topic = NewTopic("bare");
  std::vector<bus::EventMessage> messages;
  {
    auto reader = filled->journal().NewReader();
    ASSERT_TRUE(reader.ok() && (*reader)->Refresh().ok());
    const auto items = (*reader)->ReadLog(Log::kEvents, 1, 10'000);
    ASSERT_TRUE(items.ok());
    for (const StoredEvent& item : *items) {
      bus::EventMessage& message = messages.emplace_back();
      message.topic = bare_topic;
      message.key = base::UuidFromBytes(item.stream);
      message.value = item.value;
      bus::BuildHeaders({.id = absl::StrCat(name_, ".main.", item.position),
                         .source = absl::StrCat("urn:fettle:", name_, ":main"),
                         .type = "uk.nhs.fettle.test.Happened.v1",
                         .subject = message.key,
                         .time = "2025-06-15T15:06:40.001000000Z",
                         .data_schema = "urn:fettle:message:fettle.journal.v1.AccessEvent",
                         .correlation_id = message.key},
                        &message.headers);
    }
  }
  auto publisher = bus::Publisher::Create(
      {.cluster = cluster_,
       .unreported_messages_max = static_cast<int>(options_.unacknowledged_events_max),
       .linger_ms = static_cast<int>(options_.linger_ms)});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  ASSERT_TRUE((*publisher)->Partitions(messages[0].topic, kPatience).ok());
  const absl::Time bare_start = absl::Now();
  int64_t reported = 0;
  for (int64_t sent = 0; reported < count;) {
    bool full = sent == count;
    for (int i = 0; i < 1'000 && sent < count && !full; ++i) {
      full = (*publisher)
                 ->Produce(messages[static_cast<size_t>(sent) % messages.size()],
                           static_cast<uint64_t>(sent)) == bus::Produced::kFull;
      if (!full) ++sent;
    }
    for (const bus::Report& report :
         (*publisher)->Poll(full ? absl::Milliseconds(20) : absl::ZeroDuration())) {
      ASSERT_TRUE(report.ok) << report.error;
      ++reported;
    }
  }
  const double bare = static_cast<double>(count) / absl::ToDoubleSeconds(absl::Now() - bare_start);
  publisher->reset();

  const absl::Time start = absl::Now();
  auto relay = Start(*filled);
  AwaitPosition(*filled, count);
  const double relayed = static_cast<double>(count) / absl::ToDoubleSeconds(absl::Now() - start);
  std::cout << "events/s: bare producer " << static_cast<int64_t>(bare) << ", relay "
            << static_cast<int64_t>(relayed) << ", ratio " << relayed / bare << "\n";
  EXPECT_GT(relayed / bare, 0.2) << "the aim is 0.7; below this it is broken, whatever else runs";
}

// From the journal's answer to the broker's acknowledgement, at about 1,000 commits a second.
TEST_F(RelayIntegrationTest, AcknowledgedSoonAfterTheCommit) {
  constexpr int64_t kRecords = 4'000;
  // The first ones wait for the client to learn the topic's leaders.
  constexpr size_t kWarmUpRecords = 1'000;
  auto filled = Journal(0);
  auto relay = Start(*filled);
  std::vector<std::atomic<int64_t>> committed(kRecords + 1);
  std::vector<int64_t> acknowledged(kRecords + 1, 0);
  std::atomic<int64_t> last{0};
  base::Gauge& position = filled->metrics().AddGauge("fettle_relay_position",
                                                     "Position up to which a topic has everything",
                                                     {{"topic", options_.access_topic}});
  int64_t seen = 0;
  const auto look = [&] {
    const int64_t now = absl::GetCurrentTimeNanos();
    for (const auto to = static_cast<int64_t>(position.Value()); seen < to;) {
      acknowledged[static_cast<size_t>(++seen)] = now;
    }
  };
  const absl::Time start = absl::Now();
  for (int64_t i = 0; i < kRecords; ++i) {
    filled->Record([&](absl::Status status) {
      ASSERT_TRUE(status.ok()) << status;
      committed[static_cast<size_t>(++last)] = absl::GetCurrentTimeNanos();
    });
    while (absl::Now() < start + (i + 1) * absl::Milliseconds(1)) {
      absl::SleepFor(absl::Microseconds(200));
      look();
    }
  }
  const absl::Time deadline = absl::Now() + kPatience;
  while (seen < kRecords && absl::Now() < deadline) {
    absl::SleepFor(absl::Microseconds(200));
    look();
  }
  ASSERT_EQ(seen, kRecords);
  std::vector<double> milliseconds;
  for (size_t i = kWarmUpRecords + 1; i <= kRecords; ++i) {
    milliseconds.push_back(static_cast<double>(acknowledged[i] - committed[i]) / 1e6);
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  const double p50 = milliseconds[milliseconds.size() / 2];
  const double p99 = milliseconds[milliseconds.size() * 99 / 100];
  std::cout << "commit to acknowledgement, ms: p50 " << p50 << ", p99 " << p99 << "\n";
  EXPECT_LT(p50, 100) << "the aim is a p99 of 15; below this it is broken, whatever else runs";
}

}  // namespace
}  // namespace fettle::journal
