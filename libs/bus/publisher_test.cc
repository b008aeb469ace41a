// Goal: every message that Produce did not refuse as "full" gets exactly one report, whatever
// happens, and no stream goes on behind a message that failed. Method: errors that a broker gives
// once in years, injected by a mock cluster (STYLE K1-K3).
#include "libs/bus/publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "libs/bus/mock_cluster.h"

namespace fettle::bus {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::SizeIs;
using ::testing::StrEq;

constexpr absl::Duration kPatience = absl::Seconds(20);

EventMessage Message(const std::string& key, size_t value_bytes = 10) {
  return {.topic = "events",
          .key = key,
          .value = std::string(value_bytes, 'v'),
          .headers = {{"ce_id", "1"}, {"ce_type", "t"}}};
}

std::unique_ptr<Publisher> Make(const PublisherOptions& options) {
  auto publisher = Publisher::Create(options);
  EXPECT_TRUE(publisher.ok()) << publisher.status();
  return *std::move(publisher);
}

// A request for each message, so that an injected error hits one message alone.
PublisherOptions OneAtATime(const MockCluster& mock) {
  PublisherOptions options{.cluster = mock.cluster()};
  options.cluster.properties = {{"batch.num.messages", "1"}};
  return options;
}

// The next `count` reports; fewer when they do not come in time.
std::vector<Report> Collect(Publisher* publisher, size_t count) {
  std::vector<Report> all;
  const absl::Time deadline = absl::Now() + kPatience;
  while (all.size() < count && absl::Now() < deadline) {
    for (const Report& report : publisher->Poll(absl::Milliseconds(100))) all.push_back(report);
  }
  return all;
}

std::vector<uint64_t> Tags(const std::vector<Report>& reports) {
  std::vector<uint64_t> tags;
  for (const Report& report : reports) tags.push_back(report.tag);
  return tags;
}

TEST(Publisher, EachMessageIsReportedOnceInOrder) {
  MockCluster mock;
  auto publisher = Make({.cluster = mock.cluster()});
  for (uint64_t tag = 1; tag <= 5; ++tag) {
    ASSERT_EQ(publisher->Produce(Message("k"), tag), Produced::kQueued);
  }
  EXPECT_EQ(publisher->unreported(), 5);
  ASSERT_TRUE(publisher->Flush(kPatience).ok());
  const std::vector<Report> reports = publisher->Poll(absl::ZeroDuration());
  EXPECT_THAT(Tags(reports), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(reports, Each(AllOf(Field(&Report::ok, true), Field(&Report::fatal, false),
                                  Field(&Report::error, StrEq("")))));
  EXPECT_EQ(publisher->unreported(), 0);
  EXPECT_THAT(publisher->Poll(absl::ZeroDuration()), SizeIs(0));
  EXPECT_TRUE(publisher->FatalError().ok());
}

TEST(Publisher, FullByMessagesLosesNothing) {
  auto publisher = Make({.cluster = Unreachable(), .unreported_messages_max = 10});
  for (uint64_t tag = 0; tag < 10; ++tag) {
    ASSERT_EQ(publisher->Produce(Message("k"), tag), Produced::kQueued);
  }
  EXPECT_EQ(publisher->Produce(Message("k"), 10), Produced::kFull);
  EXPECT_EQ(publisher->unreported(), 10);
  EXPECT_EQ(publisher->Flush(absl::Milliseconds(50)).code(), absl::StatusCode::kDeadlineExceeded);

  publisher->Purge();
  const std::vector<Report> reports = Collect(publisher.get(), 10);
  EXPECT_THAT(Tags(reports), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_THAT(reports, Each(AllOf(Field(&Report::ok, false), Field(&Report::retriable, true),
                                  Field(&Report::fatal, false))));
  EXPECT_EQ(publisher->Produce(Message("k"), 11), Produced::kQueued);
}

TEST(Publisher, FullByBytes) {
  auto publisher = Make({.cluster = Unreachable(), .unreported_kbytes_max = 1});
  EXPECT_EQ(publisher->Produce(Message("k", 500), 1), Produced::kQueued);
  EXPECT_EQ(publisher->Produce(Message("k", 500), 2), Produced::kQueued);
  EXPECT_EQ(publisher->Produce(Message("k", 500), 3), Produced::kFull);
}

TEST(Publisher, AMessageThatIsRefusedForWhatItIsIsReportedByPollToo) {
  auto publisher = Make({.cluster = Unreachable()});
  EXPECT_EQ(publisher->Produce(Message("k", kMessageBytesMax), 1), Produced::kFailed);
  EXPECT_EQ(publisher->Produce(Message(""), 2), Produced::kFailed);
  EXPECT_EQ(publisher->unreported(), 2);
  const std::vector<Report> reports = publisher->Poll(absl::InfiniteDuration());
  EXPECT_THAT(Tags(reports), ElementsAre(1, 2));
  EXPECT_THAT(reports, Each(AllOf(Field(&Report::ok, false), Field(&Report::retriable, false),
                                  Field(&Report::fatal, false))));
  EXPECT_STREQ(reports[0].error, "MSG_SIZE_TOO_LARGE");
}

// STYLE K1.
TEST(Publisher, AfterAnOutOfOrderSequenceItIsFinishedAndAnotherGoesOn) {
  MockCluster mock;
  mock.Inject(kProduceRequest, {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER});
  {
    auto publisher = Make({.cluster = mock.cluster()});
    for (uint64_t tag = 1; tag <= 5; ++tag) {
      ASSERT_EQ(publisher->Produce(Message("k"), tag), Produced::kQueued);
    }
    const std::vector<Report> reports = Collect(publisher.get(), 5);
    EXPECT_THAT(Tags(reports), ElementsAre(1, 2, 3, 4, 5));
    EXPECT_THAT(reports, Each(AllOf(Field(&Report::ok, false), Field(&Report::retriable, true),
                                    Field(&Report::fatal, true))));
    EXPECT_EQ(publisher->FatalError().code(), absl::StatusCode::kAborted);

    EXPECT_EQ(publisher->Produce(Message("k"), 6), Produced::kFailed);
    const std::vector<Report> later = publisher->Poll(absl::ZeroDuration());
    EXPECT_THAT(Tags(later), ElementsAre(6));
    EXPECT_THAT(later, Each(AllOf(Field(&Report::ok, false), Field(&Report::fatal, true))));
  }
  auto another = Make({.cluster = mock.cluster()});
  ASSERT_EQ(another->Produce(Message("k"), 1), Produced::kQueued);
  EXPECT_THAT(Collect(another.get(), 1), ElementsAre(Field(&Report::ok, true)));
}

// STYLE K2: what the broker refuses must not leave a hole behind which the stream goes on.
TEST(Publisher, NothingLaterOfTheStreamIsOnTheLogAfterAFailure) {
  for (const rd_kafka_resp_err_t error :
       {RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_POLICY_VIOLATION}) {
    SCOPED_TRACE(rd_kafka_err2name(error));
    MockCluster mock;
    mock.Inject(kProduceRequest, {RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_NO_ERROR, error});
    mock.SetRoundTrip(20);
    auto publisher = Make(OneAtATime(mock));
    for (uint64_t tag = 1; tag <= 50; ++tag) {
      ASSERT_EQ(publisher->Produce(Message("k"), tag), Produced::kQueued);
    }
    const std::vector<Report> reports = Collect(publisher.get(), 50);
    ASSERT_THAT(reports, SizeIs(50));
    std::vector<uint64_t> ok;
    for (const Report& report : reports) {
      if (report.ok) ok.push_back(report.tag);
    }
    // The mock answers a request that was already in flight without looking at its sequence number;
    // a broker refuses it (OUT_OF_ORDER_SEQUENCE_NUMBER). Of what was not yet sent, nothing may
    // follow.
    EXPECT_THAT(ok, ::testing::Not(::testing::Contains(3)));
    EXPECT_LE(ok.size(), 2 + 5) << "at most five requests are in flight";
    EXPECT_FALSE(publisher->FatalError().ok());
    EXPECT_TRUE(std::all_of(reports.begin(), reports.end(),
                            [](const Report& report) { return report.ok || report.fatal; }));
  }
}

// STYLE K3: after an authorisation failure every later call fails at once; both ways end in a
// report.
TEST(Publisher, AnAuthorisationFailureReachesEveryTag) {
  MockCluster mock;
  mock.Inject(kProduceRequest, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  auto publisher = Make({.cluster = mock.cluster()});
  ASSERT_EQ(publisher->Produce(Message("k"), 1), Produced::kQueued);
  const std::vector<Report> first = Collect(publisher.get(), 1);
  ASSERT_THAT(Tags(first), ElementsAre(1));
  EXPECT_FALSE(first[0].ok);
  EXPECT_TRUE(first[0].retriable);
  EXPECT_STREQ(first[0].error, "TOPIC_AUTHORIZATION_FAILED");

  EXPECT_EQ(publisher->Produce(Message("k"), 2), Produced::kFailed);
  EXPECT_THAT(Tags(Collect(publisher.get(), 1)), ElementsAre(2));
}

// What is known to pass by itself is retried inside and is no failure.
TEST(Publisher, ATransientErrorIsNotReported) {
  MockCluster mock;
  mock.Inject(kProduceRequest,
              {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
               RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT});
  auto publisher = Make({.cluster = mock.cluster()});
  ASSERT_EQ(publisher->Produce(Message("k"), 1), Produced::kQueued);
  EXPECT_THAT(Collect(publisher.get(), 1), ElementsAre(Field(&Report::ok, true)));
}

TEST(Publisher, WakeEndsAPollFromAnotherThread) {
  auto publisher = Make({.cluster = Unreachable()});
  EndsWithin(std::chrono::seconds(20), [&] {
    std::thread other([&] {
      absl::SleepFor(absl::Milliseconds(50));
      publisher->Wake();
    });
    EXPECT_THAT(publisher->Poll(absl::Hours(1)), SizeIs(0));
    other.join();
    // A wake that nobody waited for is kept for the next poll.
    publisher->Wake();
    EXPECT_THAT(publisher->Poll(absl::Hours(1)), SizeIs(0));
  });
}

TEST(Publisher, EndsWithMessagesThatNobodyTook) {
  EndsWithin(std::chrono::seconds(20), [] {
    MockCluster mock;
    mock.SetRoundTrip(5'000);
    auto in_flight = Make({.cluster = mock.cluster()});
    auto queued = Make({.cluster = Unreachable()});
    for (uint64_t tag = 0; tag < 100; ++tag) {
      ASSERT_EQ(in_flight->Produce(Message("k"), tag), Produced::kQueued);
      ASSERT_EQ(queued->Produce(Message("k"), tag), Produced::kQueued);
    }
    in_flight->Poll(absl::Milliseconds(100));
  });
}

}  // namespace
}  // namespace fettle::bus
