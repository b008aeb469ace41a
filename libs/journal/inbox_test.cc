// Goal: every event has exactly one effect, in the order of its stream, whatever way and however
// often it comes. Method: an inbox on a real file, events given in chosen and in random orders,
// stops in between.
#include "libs/journal/inbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "libs/journal/inbox_testing.h"

namespace fettle::journal {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(PositionSetTest, MatchesASetAfterRandomAdditions) {
  std::mt19937 random(TestSeed());
  std::set<int64_t> model;
  PositionSet set;
  std::map<int64_t, std::string> stored;
  for (int i = 0; i < 30'000; ++i) {
    const int64_t position = 1 + static_cast<int64_t>(random() % 12'500);
    ASSERT_EQ(set.Add(position), model.insert(position).second);
    if (i % 1'000 != 0) continue;
    for (const auto& [block, bits] : set.TakeChanges()) {
      if (bits.empty())
        stored.erase(block);
      else
        stored[block] = bits;
    }
    PositionSet restored;
    restored.Restore(set.contiguous());
    for (const auto& [block, bits] : stored) ASSERT_TRUE(restored.RestoreBlock(block, bits).ok());
    for (const PositionSet* each : {&set, &restored}) {
      ASSERT_EQ(each->count(), static_cast<int64_t>(model.size()));
      ASSERT_EQ(each->highest(), *model.rbegin());
      int64_t contiguous = 0;
      while (model.contains(contiguous + 1)) ++contiguous;
      ASSERT_EQ(each->contiguous(), contiguous);
      ASSERT_EQ(each->Contains(position + 1), model.contains(position + 1));
      if (contiguous == *model.rbegin()) {
        ASSERT_FALSE(each->FirstGap().has_value());
      } else {
        ASSERT_EQ(each->FirstGap(), std::pair(contiguous + 1, *model.upper_bound(contiguous) - 1));
      }
    }
  }
}

TEST(PositionSetTest, KeepsNoBlocksOfALongSourceWithoutGaps) {
  PositionSet set;
  for (int64_t p = 1; p <= 3 * kControlBlockPositions; ++p) set.Add(p);
  EXPECT_EQ(set.contiguous(), 3 * kControlBlockPositions);
  for (const auto& [block, bits] : set.TakeChanges()) EXPECT_EQ(bits, "") << block;
  EXPECT_FALSE(set.Add(1));
  EXPECT_FALSE(set.RestoreBlock(0, "short").ok());
}

TEST(DecodeHeaderTest, FindsFieldOneAmongUnknownFieldsAndRefusesNonsense) {
  const TestEvent event = MakeTestEvent(kTestSource, 7, 3, "s");
  common::v1::EventHeader header;
  ASSERT_TRUE(DecodeHeader(event.value, header));
  EXPECT_EQ(header.position(), 7);
  std::string_view body;
  ASSERT_TRUE(DecodeHeader(event.value, header, &body));
  v1::AccessEvent read;
  ASSERT_TRUE(read.ParseFromArray(body.data(), static_cast<int>(body.size())));
  EXPECT_FALSE(read.has_header()) << "it need not be read twice";
  EXPECT_TRUE(read.has_access_recorded());
  const std::string other_first = "\x12\x02hi" + event.value;
  ASSERT_TRUE(DecodeHeader(other_first, header, &body)) << "another field comes first";
  EXPECT_EQ(body, other_first);
  EXPECT_EQ(header.stream_id(), "s");
  EXPECT_FALSE(DecodeHeader("", header));
  EXPECT_FALSE(DecodeHeader("\x0a\xff\xff\xff\xff\x0f", header)) << "longer than the value";
  EXPECT_FALSE(DecodeHeader(event.value.substr(0, 20), header));
  EXPECT_FALSE(DecodeHeader(MakeTestEvent("", 7, 3, "s").value, header));
  EXPECT_FALSE(DecodeHeader(MakeTestEvent(kTestSource, 0, 0, "s").value, header));
  EXPECT_FALSE(DecodeHeader(MakeTestEvent(kTestSource, 7, 7, "s").value, header));
}

class InboxTest : public ::testing::Test {
 protected:
  void Open(bool from_nothing = false, Inbox::Limits limits = {}) {
    inbox_.reset();
    handler_ = std::make_unique<ChainHandler>();
    db_.reset();
    auto db = sqlite::Database::Open({.path = folder_.File("inbox.db")});
    ASSERT_TRUE(db.ok()) << db.status();
    db_ = *std::move(db);
    auto inbox = Inbox::Open(*db_, handler_.get(), metrics_.get(), from_nothing, limits);
    ASSERT_TRUE(inbox.ok()) << inbox.status();
    inbox_ = *std::move(inbox);
  }
  void TearDown() override {
    inbox_.reset();
    handler_.reset();
    db_.reset();
  }
  void Take(const TestEvent& event, std::optional<BusOffset> at = std::nullopt) {
    const absl::Status status = inbox_->Take(kTestTopic, event.value, at);
    ASSERT_TRUE(status.ok()) << status;
  }
  void Commit() { ASSERT_TRUE(inbox_->Commit().ok()); }
  Chains chains() { return ReadChains(*db_).value(); }
  int64_t Parked() { return db_->QueryInt("SELECT count(*) FROM inbox_parked").value(); }

  TestFolder folder_;
  std::unique_ptr<base::Metrics> metrics_ = base::Metrics::Create(std::nullopt).value();
  std::unique_ptr<ChainHandler> handler_;
  std::unique_ptr<sqlite::Database> db_;
  std::unique_ptr<Inbox> inbox_;
};

// INV-122, INV-167: any order that keeps each key's order, with any number of duplicates and stops,
// gives the same.
TEST_F(InboxTest, AnyOrderThatKeepsEachKeysOrderGivesTheSame) {
  std::mt19937 random(TestSeed());
  for (int round = 0; round < 5; ++round) {
    std::vector<TestEvent> all;
    std::map<std::string, std::vector<TestEvent>> by_key;
    for (const std::string source : {"urn:fettle:referral:main", "urn:fettle:budget:main"}) {
      for (TestEvent& event : MakeTestEvents(source, 1'500, 40, random)) {
        by_key[event.source + event.stream].push_back(event);
        all.push_back(std::move(event));
      }
    }
    Open(/*from_nothing=*/true);
    std::vector<std::string> keys;
    for (const auto& [key, events] : by_key) keys.insert(keys.end(), events.size(), key);
    std::shuffle(keys.begin(), keys.end(), random);
    std::map<std::string, size_t> next;
    std::vector<const TestEvent*> given;
    for (const std::string& key : keys) {
      const TestEvent& event = by_key[key][next[key]++];
      Take(event);
      given.push_back(&event);
      while (random() % 3 == 0) Take(*given[random() % given.size()]);
      if (random() % 400 == 0) Commit();
      if (random() % 1'000 == 0) {
        Commit();
        Open();
      }
    }
    Commit();
    EXPECT_EQ(chains(), ExpectedChains(all));
    EXPECT_EQ(inbox_->contiguous("urn:fettle:budget:main"), 1'500);
    EXPECT_EQ(Parked(), 0);
  }
}

// INV-166: an event whose predecessor was not taken is held, not skipped; even in a wholly random
// order.
TEST_F(InboxTest, HoldsWhatComesBeforeItsPredecessor) {
  std::mt19937 random(TestSeed());
  std::vector<TestEvent> events = MakeTestEvents(kTestSource, 2'000, 30, random);
  Open();
  std::vector<TestEvent> shuffled = events;
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  for (const TestEvent& event : shuffled) Take(event);
  EXPECT_EQ(inbox_->held(), 0);
  EXPECT_THAT(inbox_->Gaps(), IsEmpty());
  EXPECT_EQ(chains(), ExpectedChains(events));
}

TEST_F(InboxTest, AHeldEventIsNotSkippedByTheStoredOffset) {
  Open();
  Take(MakeTestEvent(kTestSource, 1, 0, "a"), BusOffset{2, 10});
  Take(MakeTestEvent(kTestSource, 3, 2, "a"), BusOffset{2, 11});
  Take(MakeTestEvent(kTestSource, 4, 0, "b"), BusOffset{2, 12});
  Commit();
  EXPECT_EQ(inbox_->held(), 1);
  EXPECT_THAT(inbox_->Offsets().value(), ::testing::ElementsAre(Pair(Pair(kTestTopic, 2), 11)));
  ASSERT_EQ(inbox_->Gaps().size(), 1u);
  EXPECT_EQ(inbox_->Gaps()[0].from, 2);
  EXPECT_EQ(inbox_->Gaps()[0].to, 2);
  Open();
  EXPECT_EQ(inbox_->held(), 0) << "it lived in memory";
  Take(MakeTestEvent(kTestSource, 3, 2, "a"), BusOffset{2, 11});
  Take(MakeTestEvent(kTestSource, 4, 0, "b"), BusOffset{2, 12});
  Take(MakeTestEvent(kTestSource, 2, 1, "a"));
  Commit();
  EXPECT_EQ(inbox_->held(), 0);
  EXPECT_THAT(inbox_->Offsets().value(), ::testing::ElementsAre(Pair(Pair(kTestTopic, 2), 13)));
  EXPECT_EQ(inbox_->contiguous(kTestSource), 4);
}

// INV-168: parked once, with its cause; its stream waits behind it, others go on; parked + applied
// = delivered distinct.
TEST_F(InboxTest, ParksWhatCannotBeHandledAndTheStreamBehindIt) {
  Open();
  const std::vector<TestEvent> events = {
      MakeTestEvent(kTestSource, 1, 0, "a"),          MakeTestEvent(kTestSource, 2, 0, "b"),
      MakeTestEvent(kTestSource, 3, 1, "a", kPoison), MakeTestEvent(kTestSource, 4, 2, "b"),
      MakeTestEvent(kTestSource, 5, 3, "a"),          MakeTestEvent(kTestSource, 6, 5, "a")};
  for (int times = 0; times < 3; ++times) {
    for (const TestEvent& event : events) Take(event);
    Commit();
    if (times == 1) Open();
  }
  EXPECT_EQ(Parked(), 3);
  EXPECT_EQ(chains().at(std::string(kTestSource) + "/a").first, 1);
  EXPECT_EQ(chains().at(std::string(kTestSource) + "/b").first, 2);
  EXPECT_EQ(inbox_->contiguous(kTestSource), 6) << "a parked position is not missing";
  EXPECT_THAT(db_->QueryText("SELECT cause FROM inbox_parked WHERE position=3").value(),
              HasSubstr("not known"));

  const auto no_feed = [](const std::string&, int64_t) -> absl::StatusOr<std::string> {
    return absl::NotFoundError("no feed");
  };
  EXPECT_EQ(inbox_->Redrive(no_feed).value(), 0);
  EXPECT_EQ(Parked(), 3);
  handler_->knows_poison = true;
  EXPECT_EQ(inbox_->Redrive(no_feed).value(), 3);
  EXPECT_EQ(Parked(), 0);
  EXPECT_EQ(chains(), ExpectedChains(events));
  Take(MakeTestEvent(kTestSource, 7, 6, "a"));
  Commit();
  EXPECT_EQ(chains().at(std::string(kTestSource) + "/a").first, 5);
}

// INV-168: only what changed nothing is parked; a handler that looks too late stops the consumer
// and leaves nothing of the batch.
TEST_F(InboxTest, StopsAtAnEventThatIsRefusedWhenRowsWereChanged) {
  Open();
  Take(MakeTestEvent(kTestSource, 1, 0, "a"));
  Commit();
  handler_->looks_late = true;
  Take(MakeTestEvent(kTestSource, 2, 1, "a"));
  const TestEvent poison = MakeTestEvent(kTestSource, 3, 2, "a", kPoison);
  EXPECT_EQ(inbox_->Take(kTestTopic, poison.value).code(), absl::StatusCode::kInternal);
  Open();
  EXPECT_EQ(inbox_->contiguous(kTestSource), 1);
  EXPECT_EQ(Parked(), 0);
  EXPECT_EQ(chains().at(std::string(kTestSource) + "/a").first, 1);
}

TEST_F(InboxTest, KeepsPositionsOnlyBeyondTheLimitAndFetchesTheirBytesAgain) {
  Open(false, {.parked_values_max = 1});
  const std::vector<TestEvent> events = {MakeTestEvent(kTestSource, 1, 0, "a", kPoison),
                                         MakeTestEvent(kTestSource, 2, 1, "a"),
                                         MakeTestEvent(kTestSource, 3, 2, "a")};
  for (const TestEvent& event : events) Take(event);
  Commit();
  EXPECT_EQ(db_->QueryInt("SELECT count(*) FROM inbox_parked WHERE value IS NULL").value(), 2);
  handler_->knows_poison = true;
  EXPECT_EQ(inbox_
                ->Redrive([&](const std::string& source,
                              int64_t position) -> absl::StatusOr<std::string> {
                  EXPECT_EQ(source, kTestSource);
                  return events[position - 1].value;
                })
                .value(),
            3);
  EXPECT_EQ(chains(), ExpectedChains(events));
}

TEST_F(InboxTest, ParksBytesWithoutAHeaderAndLeavesTheirPositionMissing) {
  Open();
  const absl::Status status = inbox_->Take(kTestTopic, "\xff\xff", BusOffset{1, 5});
  ASSERT_TRUE(status.ok()) << status;
  Take(MakeTestEvent(kTestSource, 2, 0, "b"), BusOffset{1, 6});
  Commit();
  EXPECT_EQ(Parked(), 1);
  ASSERT_EQ(inbox_->Gaps().size(), 1u);
  EXPECT_EQ(inbox_->Gaps()[0].from, 1);
}

TEST_F(InboxTest, AnErrorThatIsNoVerdictOnTheEventStopsAndLeavesNothing) {
  Open();
  Take(MakeTestEvent(kTestSource, 1, 0, "a"));
  Commit();
  Take(MakeTestEvent(kTestSource, 2, 1, "a"));
  Open();
  EXPECT_EQ(inbox_->contiguous(kTestSource), 1) << "effect and position are one transaction";
  EXPECT_EQ(chains().at(std::string(kTestSource) + "/a").first, 1);
}

}  // namespace
}  // namespace fettle::journal
