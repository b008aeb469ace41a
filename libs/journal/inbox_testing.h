// For tests of the inbox and the consumer: events of counted streams, and a handler whose result
// tells order and number.
#ifndef FETTLE_LIBS_JOURNAL_INBOX_TESTING_H_
#define FETTLE_LIBS_JOURNAL_INBOX_TESTING_H_

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "fettle/journal/v1/access_events.pb.h"
#include "libs/base/status.h"
#include "libs/journal/consumer.h"

namespace fettle::journal {

inline constexpr char kTestSource[] = "urn:fettle:referral:main";
inline constexpr char kTestTopic[] = "fettle.referral.v1";
inline constexpr char kPoison[] = "poison";

struct TestEvent {
  std::string source;
  int64_t position;
  int64_t previous;
  std::string stream;
  std::string value;
};

inline TestEvent MakeTestEvent(const std::string& source, int64_t position, int64_t previous,
                               const std::string& stream, const std::string& method = "") {
  v1::AccessEvent event;
  common::v1::EventHeader& header = *event.mutable_header();
  header.set_source(source);
  header.set_position(position);
  header.set_previous_position(previous);
  header.set_stream_id(stream);
  header.set_type("uk.nhs.fettle.referral.Tested.v1");
  header.set_id(source + "." + std::to_string(position));
  event.mutable_access_recorded()->set_method(method);
  return {source, position, previous, stream, event.SerializeAsString()};
}

// `count` events over `streams` streams, at random.
inline std::vector<TestEvent> MakeTestEvents(const std::string& source, int count, int streams,
                                             std::mt19937& random) {
  std::map<std::string, int64_t> last;
  std::vector<TestEvent> events;
  for (int position = 1; position <= count; ++position) {
    const std::string stream = "stream-" + std::to_string(random() % streams);
    events.push_back(MakeTestEvent(source, position, last[stream], stream));
    last[stream] = position;
  }
  return events;
}

// Keeps per stream how many events there were and a number that depends on their order.
class ChainHandler final : public EventHandler {
 public:
  std::vector<const char*> Schema() const override {
    return {
        "CREATE TABLE chain(stream TEXT PRIMARY KEY, events INTEGER, chain INTEGER) WITHOUT ROWID"};
  }
  absl::Status Open(sqlite::Database& db) override {
    FETTLE_ASSIGN_OR_RETURN(
        put_, db.Prepare("INSERT INTO chain VALUES(?1, 1, ?2) ON CONFLICT(stream) DO UPDATE SET "
                         "events = events + 1, chain = (chain * 31 + ?2) % 1000003"));
    return absl::OkStatus();
  }
  absl::Status Apply(const ConsumedEvent& event) override {
    if (!looks_late) FETTLE_RETURN_IF_ERROR(Look(event));
    const std::string stream = event.header->source() + "/" + event.header->stream_id();
    FETTLE_RETURN_IF_ERROR(put_.BindText(1, stream).BindInt(2, event.header->position()).Run());
    return looks_late ? Look(event) : absl::OkStatus();
  }
  void AfterCommit() override { ++commits; }
  void Close() override { put_ = {}; }

  bool looks = true;
  bool looks_late = false;  // after it has changed something, which a handler must not do
  std::atomic<bool> knows_poison = false;
  std::atomic<int> commits = 0;

 private:
  absl::Status Look(const ConsumedEvent& event) const {
    if (!looks) return absl::OkStatus();
    v1::AccessEvent body;
    if (!body.ParseFromArray(event.body.data(), static_cast<int>(event.body.size()))) {
      return absl::InvalidArgumentError("not an event");
    }
    if (body.access_recorded().method() == kPoison && !knows_poison) {
      return absl::UnimplementedError("a type that is not known");
    }
    return absl::OkStatus();
  }

  sqlite::Statement put_;
};

using Chains = std::map<std::string, std::pair<int64_t, int64_t>>;

inline absl::StatusOr<Chains> ReadChains(sqlite::Database& db) {
  Chains chains;
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement read, db.Prepare("SELECT * FROM chain"));
  while (true) {
    FETTLE_ASSIGN_OR_RETURN(const bool row, read.Step());
    if (!row) return chains;
    chains[std::string(read.Bytes(0))] = {read.Int(1), read.Int(2)};
  }
}

// What the events give when each is applied once, in the order of its stream.
inline Chains ExpectedChains(const std::vector<TestEvent>& events) {
  Chains chains;
  for (const TestEvent& event : events) {
    auto [at, made] = chains.try_emplace(event.source + "/" + event.stream, 1, event.position);
    if (made) continue;
    ++at->second.first;
    at->second.second = (at->second.second * 31 + event.position) % 1000003;
  }
  return chains;
}

// A folder that is gone after the test.
class TestFolder {
 public:
  TestFolder() {
    std::string name = ::testing::TempDir() + "inbox-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// The seed of this run: printed, so that a failure can be had again.
inline unsigned TestSeed() {
  const char* given = std::getenv("FETTLE_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::stoul(given))
                                         : static_cast<unsigned>(std::random_device{}());
  std::cout << "FETTLE_SEED=" << seed << "\n";
  return seed;
}

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_INBOX_TESTING_H_
