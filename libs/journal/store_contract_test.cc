// Goal: every backend of the store keeps the same promises. Method: one suite through the
// interface, run against each; what only a file can show (reopening, a second process, a newer
// schema, a failing disk) follows for SQLite.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "libs/journal/memory_store.h"
#include "libs/journal/sqlite_store.h"
#include "libs/journal/store.h"
#include "libs/sqlite/database.h"

namespace fettle::journal {

// Found by argument-dependent look-up, so that containers of these compare too.
static bool operator==(const StoredEvent& a, const StoredEvent& b) {
  return a.position == b.position && a.stream == b.stream && a.version == b.version &&
         a.value == b.value && a.private_half == b.private_half;
}
static bool operator==(const StoredEntry& a, const StoredEntry& b) {
  return a.index == b.index && a.key == b.key && a.sort == b.sort && a.stream == b.stream &&
         a.unique == b.unique && a.fact == b.fact && a.position == b.position;
}
static bool operator==(const StoredTimer& a, const StoredTimer& b) {
  return a.due == b.due && a.stream == b.stream && a.name == b.name && a.parked == b.parked;
}
static bool operator==(const StoredCursor& a, const StoredCursor& b) {
  return a.name == b.name && a.value == b.value;
}

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string Stream(int number) {
  std::string stream(16, '\0');
  stream[0] = static_cast<char>(number >> 8);
  stream[15] = static_cast<char>(number);
  return stream;
}

StoredEvent Event(int64_t position, int stream, int64_t version) {
  return {position, Stream(stream), version, "value " + std::to_string(position),
          "private " + std::to_string(position)};
}

StoredEntry Entry(int index, std::string key, std::string sort, int stream) {
  return {.index = index, .key = std::move(key), .sort = std::move(sort), .stream = Stream(stream)};
}

StoredEntry Unique(int index, std::string key, int stream) {
  StoredEntry entry = Entry(index, std::move(key), "", stream);
  entry.unique = true;
  return entry;
}

StoredEntry Fact(StoredEntry entry) {
  entry.fact = true;
  return entry;
}

absl::Time At(int64_t nanoseconds) { return absl::FromUnixNanos(nanoseconds); }

StoredReceipt Receipt(int number, int64_t nanoseconds) {
  return {.key = {Stream(number), std::string("ORG\0user", 8)},
          .time = At(nanoseconds),
          .request_hmac = "hmac",
          .response_type = "a.Response",
          .response = "response " + std::to_string(number),
          .position = number};
}

// What every backend gives the suite.
struct Backend {
  std::string name;
  std::function<absl::StatusOr<std::unique_ptr<Store>>(const std::string& directory)> open;
  // All lists have keys in no order.
  bool scattered = false;
};

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string pattern = testing::TempDir() + "/store_XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~StoreTest() override {
    reader_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Commit(WriteBatch batch) {
    for (auto* entries : {&batch.entries_added, &batch.entries_removed}) {
      for (StoredEntry& entry : *entries) entry.scattered = scattered_ && !entry.unique;
    }
    const absl::Status status = store_->Commit(batch);
    ASSERT_TRUE(status.ok()) << status;
  }
  // A reader that sees all that is committed.
  StoreReader& Now() {
    if (reader_ == nullptr) reader_ = store_->NewReader().value();
    EXPECT_TRUE(reader_->Refresh().ok());
    return *reader_;
  }
  std::vector<StoredEntry> Entries(int index, std::string_view key) {
    return Now().ListEntries(index, key, "", "", 1000).value().entries;
  }
  std::optional<std::string> Holder(int index, const std::string& key) {
    return store_->Load({.unique = {{index, key}}}).value().holders[0];
  }

  std::string directory_;
  bool scattered_ = false;
  std::unique_ptr<Store> store_;
  std::unique_ptr<StoreReader> reader_;
};

class StoreContractTest : public StoreTest, public testing::WithParamInterface<Backend> {
 protected:
  StoreContractTest() {
    scattered_ = GetParam().scattered;
    store_ = GetParam().open(directory_).value();
  }
};

TEST_P(StoreContractTest, EmptyStoreHasNothing) {
  EXPECT_EQ(Now().LastPosition(Log::kEvents).value(), 0);
  EXPECT_EQ(Now().LastPosition(Log::kAccess).value(), 0);
  EXPECT_THAT(Now().ReadLog(Log::kEvents, 1, 10).value(), IsEmpty());
  EXPECT_THAT(Now().ReadStream(Stream(1), 1, 10).value(), IsEmpty());
  EXPECT_THAT(Entries(1, "k"), IsEmpty());
  EXPECT_THAT(Now().DueTimers(absl::InfiniteFuture(), 10).value(), IsEmpty());
  EXPECT_THAT(Now().ListCursors("").value(), IsEmpty());
  EXPECT_TRUE(store_->Commit({}).ok());
}

TEST_P(StoreContractTest, OneReadGivesABoundedNumberOfBytesButAlwaysAnItem) {
  StoredEvent first = Event(1, 1, 1), second = Event(2, 1, 2), third = Event(3, 1, 3);
  first.private_half.assign(kReadBytesMax, 'p');
  second.value.assign(kReadBytesMax / 2, 'v');
  Commit({.events = {first, second, third}});
  EXPECT_THAT(Now().ReadLog(Log::kEvents, 1, 10).value(), ElementsAre(first));
  EXPECT_THAT(Now().ReadLog(Log::kEvents, 2, 10).value(), ElementsAre(second, third));
}

TEST_P(StoreContractTest, LogsGiveBackTheirItemsByPosition) {
  const StoredEvent first_record = {.position = 1, .value = "access 1"};
  const StoredEvent second_record = {.position = 2, .value = "access 2"};
  Commit({.events = {Event(1, 1, 1), Event(2, 2, 1)}, .access = {first_record}});
  Commit({.events = {Event(3, 1, 2)}, .access = {second_record}});
  EXPECT_THAT(Now().ReadLog(Log::kEvents, 1, 10).value(),
              ElementsAre(Event(1, 1, 1), Event(2, 2, 1), Event(3, 1, 2)));
  EXPECT_THAT(Now().ReadLog(Log::kEvents, 2, 1).value(), ElementsAre(Event(2, 2, 1)));
  EXPECT_THAT(Now().ReadLog(Log::kEvents, 4, 10).value(), IsEmpty());
  EXPECT_THAT(Now().ReadLog(Log::kAccess, 0, 10).value(), ElementsAre(first_record, second_record));
  EXPECT_EQ(Now().LastPosition(Log::kEvents).value(), 3);
  EXPECT_EQ(Now().LastPosition(Log::kAccess).value(), 2);
}

TEST_P(StoreContractTest, BytesComeBackExactly) {
  StoredEvent event = Event(1, 1, 1);
  event.value = std::string("\0\xff'\n", 4);
  event.private_half = "";
  Commit({.events = {event}, .states = {{Stream(1), 1, 1, std::string("\0s", 2)}}});
  EXPECT_THAT(Now().ReadLog(Log::kEvents, 1, 10).value(), ElementsAre(event));
  EXPECT_EQ(store_->Load({.streams = {Stream(1)}}).value().states[0]->state, std::string("\0s", 2));
}

TEST_P(StoreContractTest, StreamGivesBackItsEventsByVersion) {
  Commit({.events = {Event(1, 1, 1), Event(2, 2, 1), Event(3, 1, 2), Event(4, 1, 3)}});
  EXPECT_THAT(Now().ReadStream(Stream(1), 1, 10).value(),
              ElementsAre(Event(1, 1, 1), Event(3, 1, 2), Event(4, 1, 3)));
  EXPECT_THAT(Now().ReadStream(Stream(1), 2, 1).value(), ElementsAre(Event(3, 1, 2)));
  EXPECT_THAT(Now().ReadStream(Stream(3), 1, 10).value(), IsEmpty());
}

TEST_P(StoreContractTest, GapOrRepeatInThePositionsStopsTheProcess) {
  Commit({.events = {Event(1, 1, 1)}});
  EXPECT_DEATH((void)store_->Commit({.events = {Event(3, 1, 2)}}), "without gaps");
  EXPECT_DEATH((void)store_->Commit({.events = {Event(1, 1, 2)}}), "without gaps");
  EXPECT_DEATH((void)store_->Commit({.events = {Event(2, 1, 2), Event(2, 1, 3)}}), "without gaps");
  EXPECT_DEATH((void)store_->Commit({.access = {{.position = 2}}}), "without gaps");
}

TEST_P(StoreContractTest, LoadAnswersInTheOrderOfTheRequest) {
  const StoredReceipt receipt = Receipt(1, 1'700'000'000'123'456'789);
  Commit({.events = {Event(1, 2, 1)},
          .states = {{Stream(2), 1, 1, "state 2"}, {Stream(1), 4, 1, "state 1"}},
          .entries_added = {Unique(7, "k", 2)},
          .receipts = {receipt}});
  const LoadRequest request = {
      .streams = {Stream(3), Stream(2), Stream(1), Stream(2)},
      .unique = {{7, "none"}, {7, "k"}, {8, "k"}},
      .receipts = {{Stream(1), "other caller"}, receipt.key, {Stream(2), receipt.key.caller}}};
  // The writer and a reader answer alike.
  for (const LoadResult& result : {store_->Load(request).value(), Now().Load(request).value()}) {
    ASSERT_THAT(result.states, SizeIs(4));
    EXPECT_FALSE(result.states[0].has_value());
    EXPECT_EQ(result.states[1]->state, "state 2");
    EXPECT_EQ(result.states[2]->stream, Stream(1));
    EXPECT_EQ(result.states[2]->version, 4);
    EXPECT_EQ(result.states[2]->position, 1);
    EXPECT_EQ(result.states[3]->state, "state 2");
    EXPECT_THAT(result.holders, ElementsAre(std::nullopt, Stream(2), std::nullopt));
    ASSERT_THAT(result.receipts, SizeIs(3));
    EXPECT_FALSE(result.receipts[0].has_value());
    ASSERT_TRUE(result.receipts[1].has_value());
    EXPECT_EQ(result.receipts[1]->key, receipt.key);
    EXPECT_EQ(result.receipts[1]->time, receipt.time);
    EXPECT_EQ(result.receipts[1]->request_hmac, receipt.request_hmac);
    EXPECT_EQ(result.receipts[1]->response_type, receipt.response_type);
    EXPECT_EQ(result.receipts[1]->response, receipt.response);
    EXPECT_EQ(result.receipts[1]->position, receipt.position);
    EXPECT_FALSE(result.receipts[2].has_value());
  }
}

TEST_P(StoreContractTest, StateIsReplaced) {
  Commit({.states = {{Stream(1), 1, 1, "first"}}});
  Commit({.states = {{Stream(1), 2, 5, "second"}}});
  const auto state = store_->Load({.streams = {Stream(1)}}).value().states[0];
  EXPECT_EQ(state->state, "second");
  EXPECT_EQ(state->version, 2);
  EXPECT_EQ(state->position, 5);
}

TEST_P(StoreContractTest, CollisionLeavesNothingOfTheBatch) {
  Commit({.events = {Event(1, 1, 1)},
          .states = {{Stream(1), 1, 1, "first"}},
          .entries_added = {Unique(1, "k", 1), Entry(2, "k", "a", 1)},
          .receipts = {Receipt(1, 10)}});
  const WriteBatch good = {.events = {Event(2, 2, 1)},
                           .access = {{.position = 1, .value = "a"}},
                           .states = {{Stream(1), 2, 2, "second"}, {Stream(2), 1, 2, "new"}},
                           .entries_added = {Entry(2, "k", "b", 2), Unique(1, "l", 2)},
                           .entries_removed = {Entry(2, "k", "a", 1)},
                           .timers_added = {{At(1), Stream(2), "t", ""}},
                           .receipts = {Receipt(2, 20)},
                           .cursors = {{"c", "1"}}};
  const auto expect_unchanged = [&](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
    EXPECT_EQ(Now().LastPosition(Log::kEvents).value(), 1);
    EXPECT_EQ(Now().LastPosition(Log::kAccess).value(), 0);
    const LoadResult loaded =
        Now().Load({{Stream(1), Stream(2)}, {{1, "l"}}, {Receipt(2, 20).key}}).value();
    EXPECT_EQ(loaded.states[0]->state, "first");
    EXPECT_FALSE(loaded.states[1].has_value());
    EXPECT_FALSE(loaded.holders[0].has_value());
    EXPECT_FALSE(loaded.receipts[0].has_value());
    EXPECT_THAT(Entries(2, "k"), ElementsAre(Entry(2, "k", "a", 1)));
    EXPECT_THAT(Now().DueTimers(At(1), 10).value(), IsEmpty());
    EXPECT_FALSE(Now().ReadCursor("c").value().has_value());
  };
  {
    SCOPED_TRACE("unique entry of another stream");
    WriteBatch batch = good;
    batch.entries_added.push_back(Unique(1, "k", 2));
    expect_unchanged(store_->Commit(batch));
  }
  {
    SCOPED_TRACE("unique entry of the same stream");
    WriteBatch batch = good;
    batch.entries_added.push_back(Unique(1, "k", 1));
    expect_unchanged(store_->Commit(batch));
  }
  {
    SCOPED_TRACE("unique entry twice in the batch");
    WriteBatch batch = good;
    batch.entries_added.push_back(Unique(1, "l", 1));
    expect_unchanged(store_->Commit(batch));
  }
  {
    SCOPED_TRACE("version");
    WriteBatch batch = good;
    batch.events.push_back(Event(3, 1, 1));
    expect_unchanged(store_->Commit(batch));
  }
  {
    SCOPED_TRACE("receipt");
    WriteBatch batch = good;
    batch.receipts.push_back(Receipt(1, 20));
    expect_unchanged(store_->Commit(batch));
  }
  // The store goes on, from the same position.
  Commit(good);
  EXPECT_EQ(Now().LastPosition(Log::kEvents).value(), 2);
}

TEST_P(StoreContractTest, UniqueKeyPassesFromOneStreamToAnotherInOneBatch) {
  Commit({.entries_added = {Unique(1, "k", 1)}});
  Commit({.entries_added = {Unique(1, "k", 2)}, .entries_removed = {Unique(1, "k", 1)}});
  EXPECT_EQ(Holder(1, "k"), Stream(2));
  // Only its holder gives it up.
  Commit({.entries_removed = {Unique(1, "k", 1)}});
  EXPECT_EQ(Holder(1, "k"), Stream(2));
  Commit({.entries_removed = {Unique(1, "k", 2)}});
  EXPECT_EQ(Holder(1, "k"), std::nullopt);
}

TEST_P(StoreContractTest, EntryThatIsThereStays) {
  StoredEntry entry = Entry(1, "k", "s", 1);
  entry.position = 1;
  Commit({.entries_added = {entry}});
  StoredEntry again = entry;
  again.position = 2;
  Commit({.entries_added = {again}});
  EXPECT_THAT(Entries(1, "k"), ElementsAre(entry));
  Commit({.entries_removed = {entry}});
  Commit({.entries_removed = {entry}});
  EXPECT_THAT(Entries(1, "k"), IsEmpty());
}

TEST_P(StoreContractTest, FactsAreNeverRemoved) {
  const StoredEntry fact = Fact(Entry(1, "k", "s", 1));
  const StoredEntry unique_fact = Fact(Unique(2, "k", 1));
  Commit({.entries_added = {fact, unique_fact, Entry(3, "k", "s", 1)}});
  Commit({.entries_removed = {fact, unique_fact, Entry(1, "k", "s", 1), Unique(2, "k", 1)}});
  EXPECT_THAT(Entries(1, "k"), ElementsAre(fact));
  EXPECT_EQ(Holder(2, "k"), Stream(1));
  // A state that has the same entry does not take it away with it.
  Commit({.entries_added = {Entry(1, "k", "s", 1)}});
  Commit({.entries_removed = {Entry(1, "k", "s", 1)}});
  EXPECT_THAT(Entries(1, "k"), ElementsAre(fact));
  // An entry of a state becomes a fact.
  Commit({.entries_added = {Fact(Entry(3, "k", "s", 1))}});
  Commit({.entries_removed = {Entry(3, "k", "s", 1)}});
  EXPECT_THAT(Entries(3, "k"), ElementsAre(Fact(Entry(3, "k", "s", 1))));
  EXPECT_TRUE(store_->BeginRebuild().ok());
  EXPECT_THAT(Entries(1, "k"), ElementsAre(fact));
  EXPECT_EQ(Holder(2, "k"), Stream(1));
}

TEST_P(StoreContractTest, EntriesAreListedInTheOrderOfTheirBytes) {
  const std::string high = "\xff";
  WriteBatch batch;
  batch.entries_added = {Entry(1, "k", high, 1), Entry(1, "k", "b", 300), Entry(1, "k", "b", 2),
                         Entry(1, "k", "", 9),   Entry(1, "k", "ab", 1),  Entry(1, "k2", "a", 1),
                         Entry(2, "k", "a", 1),  Entry(1, "", "a", 1)};
  Commit(batch);
  EXPECT_THAT(Entries(1, "k"),
              ElementsAre(Entry(1, "k", "", 9), Entry(1, "k", "ab", 1), Entry(1, "k", "b", 2),
                          Entry(1, "k", "b", 300), Entry(1, "k", high, 1)));
  EXPECT_THAT(Entries(1, ""), ElementsAre(Entry(1, "", "a", 1)));
}

TEST_P(StoreContractTest, PagesOfEntriesTileTheList) {
  WriteBatch batch;
  for (int i = 0; i < 60; ++i) batch.entries_added.push_back(Entry(1, "k", "s", i));
  for (int i = 60; i < 103; ++i) {
    batch.entries_added.push_back(Entry(1, "k", "t" + std::to_string(i), i));
  }
  Commit(batch);
  const std::vector<StoredEntry> all = Entries(1, "k");
  ASSERT_THAT(all, SizeIs(103));
  for (const int limit : {1, 7, 102, 103, 104}) {
    SCOPED_TRACE(limit);
    std::vector<StoredEntry> paged;
    std::string sort, stream;
    EntryPage page;
    do {
      page = Now().ListEntries(1, "k", sort, stream, limit).value();
      ASSERT_LE(page.entries.size(), static_cast<size_t>(limit));
      ASSERT_FALSE(page.entries.empty());
      sort = page.entries.back().sort;
      stream = page.entries.back().stream;
      paged.insert(paged.end(), page.entries.begin(), page.entries.end());
    } while (page.more);
    EXPECT_EQ(paged, all);
  }
}

TEST_P(StoreContractTest, UniqueEntriesAreListedToo) {
  StoredEntry unique = Unique(1, "k", 1);
  unique.sort = "m";
  Commit({.entries_added = {unique}});
  EXPECT_THAT(Entries(1, "k"), ElementsAre(unique));
  EXPECT_THAT(Now().ListEntries(1, "k", "m", Stream(1), 10).value().entries, IsEmpty());
  EXPECT_THAT(Now().ListEntries(1, "k", "m", Stream(0), 10).value().entries, SizeIs(1));
  const EntryPage page = Now().ListEntries(1, "k", "", "", 1).value();
  EXPECT_THAT(page.entries, SizeIs(1));
  EXPECT_FALSE(page.more);
}

TEST_P(StoreContractTest, TimersComeDueInOrder) {
  const StoredTimer late = {At(30), Stream(1), "late", ""};
  const StoredTimer early = {At(10), Stream(2), "early", ""};
  const StoredTimer same = {At(10), Stream(1), "same", ""};
  const StoredTimer parked = {At(5), Stream(3), "parked", "COMPETENCE_UNKNOWN"};
  Commit({.timers_added = {late, early, same, parked}});
  EXPECT_THAT(Now().DueTimers(At(9), 10).value(), IsEmpty());
  EXPECT_THAT(Now().DueTimers(At(10), 10).value(), ElementsAre(same, early));
  EXPECT_THAT(Now().DueTimers(At(30), 10).value(), ElementsAre(same, early, late));
  EXPECT_THAT(Now().DueTimers(absl::InfiniteFuture(), 1).value(), ElementsAre(same));
}

TEST_P(StoreContractTest, TimerIsReplacedParkedAndRemovedByStreamAndName) {
  const auto due = [&] { return Now().DueTimers(absl::InfiniteFuture(), 10).value(); };
  StoredTimer timer = {At(10), Stream(1), "t", ""};
  Commit({.timers_added = {timer}});
  timer.due = At(1'700'000'000'000'000'001);
  Commit({.timers_added = {timer}});
  EXPECT_THAT(due(), ElementsAre(timer));
  // Fired and set again in one batch.
  timer.due = At(20);
  Commit({.timers_added = {timer}, .timers_removed = {{Stream(1), "t"}}});
  EXPECT_THAT(due(), ElementsAre(timer));
  timer.parked = "cause";
  Commit({.timers_added = {timer}});
  EXPECT_THAT(due(), IsEmpty());
  timer.parked = "";
  Commit({.timers_added = {timer}});
  EXPECT_THAT(due(), ElementsAre(timer));
  Commit({.timers_removed = {{Stream(1), "other"}, {Stream(1), "t"}}});
  EXPECT_THAT(due(), IsEmpty());
}

TEST_P(StoreContractTest, OldestReceiptsArePrunedFirst) {
  WriteBatch batch;
  for (int i = 1; i <= 10; ++i) batch.receipts.push_back(Receipt(i, i * 10));
  Commit(batch);
  const auto kept = [&] {
    int64_t count = 0;
    LoadRequest request;
    for (int i = 1; i <= 10; ++i) request.receipts.push_back(Receipt(i, 0).key);
    const LoadResult loaded = store_->Load(request).value();
    for (const auto& receipt : loaded.receipts) count += receipt.has_value();
    return count;
  };
  EXPECT_EQ(store_->PruneReceipts(At(10), 100).value(), 0);
  EXPECT_EQ(kept(), 10);
  EXPECT_EQ(store_->PruneReceipts(At(51), 3).value(), 3);
  EXPECT_FALSE(store_->Load({.receipts = {Receipt(3, 0).key}}).value().receipts[0].has_value());
  EXPECT_TRUE(store_->Load({.receipts = {Receipt(4, 0).key}}).value().receipts[0].has_value());
  EXPECT_EQ(store_->PruneReceipts(At(51), 3).value(), 2);
  EXPECT_EQ(store_->PruneReceipts(At(51), 3).value(), 0);
  EXPECT_EQ(kept(), 5);
  // The same request is new again.
  Commit({.receipts = {Receipt(1, 110)}});
  EXPECT_EQ(store_->PruneReceipts(absl::InfiniteFuture(), 100).value(), 6);
  EXPECT_EQ(kept(), 0);
}

TEST_P(StoreContractTest, CursorsAreReplacedListedByPrefixAndRemoved) {
  Commit({.cursors = {{"relay/b", "1"}, {"relay/a", "2"}, {"relay", "3"}, {"relay0", "4"}}});
  Commit({.cursors = {{"relay/a", std::string("\0\1", 2)}}});
  EXPECT_EQ(Now().ReadCursor("relay/a").value(), std::string("\0\1", 2));
  EXPECT_EQ(Now().ReadCursor("relay/").value(), std::nullopt);
  EXPECT_THAT(
      Now().ListCursors("relay/").value(),
      ElementsAre(StoredCursor{"relay/a", std::string("\0\1", 2)}, StoredCursor{"relay/b", "1"}));
  EXPECT_THAT(Now().ListCursors("").value(), SizeIs(4));
  Commit({.cursors = {{"relay/b", "5"}}, .cursors_removed = {"relay/a", "relay/b", "none"}});
  EXPECT_THAT(Now().ListCursors("relay/").value(), ElementsAre(StoredCursor{"relay/b", "5"}));
}

TEST_P(StoreContractTest, ReaderSeesTheMomentOfItsRefresh) {
  Commit({.events = {Event(1, 1, 1)}, .states = {{Stream(1), 1, 1, "first"}}});
  std::unique_ptr<StoreReader> reader = store_->NewReader().value();
  ASSERT_TRUE(reader->Refresh().ok());
  // Committed after Refresh() and before the first read.
  Commit({.events = {Event(2, 1, 2)},
          .states = {{Stream(1), 2, 2, "second"}},
          .entries_added = {Unique(1, "k", 1)},
          .cursors = {{"c", "1"}}});
  EXPECT_EQ(reader->LastPosition(Log::kEvents).value(), 1);
  EXPECT_THAT(reader->ReadLog(Log::kEvents, 1, 10).value(), SizeIs(1));
  const LoadResult old = reader->Load({{Stream(1)}, {{1, "k"}}, {}}).value();
  EXPECT_EQ(old.states[0]->state, "first");
  EXPECT_EQ(old.holders[0], std::nullopt);
  EXPECT_EQ(reader->ReadCursor("c").value(), std::nullopt);
  ASSERT_TRUE(reader->Refresh().ok());
  EXPECT_EQ(reader->LastPosition(Log::kEvents).value(), 2);
  EXPECT_EQ(reader->Load({.streams = {Stream(1)}}).value().states[0]->state, "second");
  reader->Release();
  reader->Release();
  ASSERT_TRUE(reader->Refresh().ok());
  EXPECT_EQ(reader->ReadCursor("c").value(), "1");
}

TEST_P(StoreContractTest, ReaderWithoutASnapshotStopsTheProcess) {
  std::unique_ptr<StoreReader> reader = store_->NewReader().value();
  EXPECT_DEATH((void)reader->LastPosition(Log::kEvents), "refreshed before");
  ASSERT_TRUE(reader->Refresh().ok());
  reader->Release();
  EXPECT_DEATH((void)reader->ReadCursor("c"), "refreshed before");
}

TEST_P(StoreContractTest, RebuildBeginsWithoutStatesEntriesAndTimersOnly) {
  const WriteBatch batch = {.events = {Event(1, 1, 1)},
                            .access = {{.position = 1, .value = "a"}},
                            .states = {{Stream(1), 1, 1, "state"}},
                            .entries_added = {Entry(1, "k", "s", 1), Unique(2, "k", 1)},
                            .timers_added = {{At(1), Stream(1), "t", ""}},
                            .receipts = {Receipt(1, 10)},
                            .cursors = {{"c", "1"}}};
  Commit(batch);
  ASSERT_TRUE(store_->BeginRebuild().ok());
  const LoadResult loaded = store_->Load({{Stream(1)}, {{2, "k"}}, {Receipt(1, 10).key}}).value();
  EXPECT_FALSE(loaded.states[0].has_value());
  EXPECT_FALSE(loaded.holders[0].has_value());
  EXPECT_TRUE(loaded.receipts[0].has_value());
  EXPECT_THAT(Entries(1, "k"), IsEmpty());
  EXPECT_THAT(Now().DueTimers(absl::InfiniteFuture(), 10).value(), IsEmpty());
  EXPECT_THAT(Now().ReadLog(Log::kEvents, 1, 10).value(), ElementsAre(Event(1, 1, 1)));
  EXPECT_EQ(Now().LastPosition(Log::kAccess).value(), 1);
  EXPECT_EQ(Now().ReadCursor("c").value(), "1");
  // Rebuilt in batches without events; then the journal goes on.
  Commit({.states = batch.states,
          .entries_added = batch.entries_added,
          .timers_added = batch.timers_added});
  Commit({.events = {Event(2, 1, 2)}});
  EXPECT_EQ(Holder(2, "k"), Stream(1));
}

TEST_P(StoreContractTest, ReadersOfOtherThreadsSeeWholeBatches) {
  // Each batch moves two streams to the same version and ends the log there; a reader that saw a
  // part of one would see them differ.
  Commit({.events = {Event(1, 1, 1)}, .states = {{Stream(1), 1, 1, ""}, {Stream(2), 1, 1, ""}}});
  std::atomic<bool> stop = false;
  std::atomic<int> torn = 0;
  std::atomic<int> reads = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, reader = store_->NewReader().value()] {
      int64_t seen = 0;
      while (!stop) {
        torn += !reader->Refresh().ok();
        const auto states = reader->Load({.streams = {Stream(1), Stream(2)}}).value().states;
        const int64_t last = reader->LastPosition(Log::kEvents).value();
        torn += states[0]->version != states[1]->version || states[0]->version != last;
        torn += last < seen;
        seen = last;
        reader->Release();
        ++reads;
      }
    });
  }
  for (int64_t i = 2; i <= 500 || reads < 100; ++i) {
    Commit({.events = {Event(i, 1, i)}, .states = {{Stream(1), i, i, ""}, {Stream(2), i, i, ""}}});
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(torn, 0);
}

INSTANTIATE_TEST_SUITE_P(
    All, StoreContractTest,
    testing::Values(Backend{"Memory", [](const std::string&) { return NewMemoryStore(); }},
                    Backend{"Sqlite",
                            [](const std::string& directory) {
                              return OpenSqliteStore({.path = directory + "/journal.db"});
                            }},
                    Backend{"SqliteWithScatteredLists",
                            [](const std::string& directory) {
                              return OpenSqliteStore({.path = directory + "/journal.db"});
                            },
                            true},
                    Backend{"SqliteThatMovesEntriesAtOnce",
                            [](const std::string& directory) {
                              return OpenSqliteStore(
                                  {.path = directory + "/journal.db", .recent_entries_max = 1});
                            },
                            true}),
    [](const testing::TestParamInfo<Backend>& info) { return info.param.name; });

class SqliteStoreTest : public StoreTest {
 protected:
  SqliteStoreTest() {
    options_.path = directory_ + "/journal.db";
    Reopen();
  }
  void Reopen() {
    reader_.reset();
    store_.reset();
    auto store = OpenSqliteStore(options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  SqliteStoreOptions options_;
};

TEST_F(SqliteStoreTest, EverythingIsThereAfterReopening) {
  const StoredTimer timer = {At(5), Stream(1), "t", ""};
  Commit({.events = {Event(1, 1, 1), Event(2, 1, 2)},
          .access = {{.position = 1, .value = "a"}},
          .states = {{Stream(1), 2, 2, "state"}},
          .entries_added = {Fact(Entry(1, "k", "s", 1)), Unique(2, "k", 1)},
          .timers_added = {timer},
          .receipts = {Receipt(1, 10)},
          .cursors = {{"c", "1"}}});
  Reopen();
  EXPECT_THAT(Now().ReadLog(Log::kEvents, 1, 10).value(),
              ElementsAre(Event(1, 1, 1), Event(2, 1, 2)));
  const LoadResult loaded = store_->Load({{Stream(1)}, {{2, "k"}}, {Receipt(1, 10).key}}).value();
  EXPECT_EQ(loaded.states[0]->state, "state");
  EXPECT_EQ(loaded.holders[0], Stream(1));
  EXPECT_EQ(loaded.receipts[0]->response, "response 1");
  EXPECT_THAT(Entries(1, "k"), ElementsAre(Fact(Entry(1, "k", "s", 1))));
  EXPECT_THAT(Now().DueTimers(At(5), 10).value(), ElementsAre(timer));
  EXPECT_EQ(Now().ReadCursor("c").value(), "1");
  // Positions go on where they ended.
  EXPECT_DEATH((void)store_->Commit({.events = {Event(1, 2, 1)}}), "without gaps");
  EXPECT_DEATH((void)store_->Commit({.access = {{.position = 1}}}), "without gaps");
  Commit({.events = {Event(3, 1, 3)}, .access = {{.position = 2}}});
}

// Pitfall S9: what Commit acknowledged is in the file or its log, without closing anything.
TEST_F(SqliteStoreTest, CommittedBatchIsInACopyOfTheFilesTakenNow) {
  Commit({.events = {Event(1, 1, 1)}});
  const std::string copy = directory_ + "/copy.db";
  std::filesystem::copy_file(options_.path, copy);
  std::filesystem::copy_file(options_.path + "-wal", copy + "-wal");
  std::unique_ptr<Store> copied = OpenSqliteStore({.path = copy}).value();
  std::unique_ptr<StoreReader> reader = copied->NewReader().value();
  ASSERT_TRUE(reader->Refresh().ok());
  EXPECT_THAT(reader->ReadLog(Log::kEvents, 1, 10).value(), ElementsAre(Event(1, 1, 1)));
}

TEST_F(SqliteStoreTest, SecondOpenerIsRefused) {
  const absl::Status here = OpenSqliteStore(options_).status();
  EXPECT_EQ(here.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(here.message(), HasSubstr(options_.path));
  // Another process.
  EXPECT_EXIT(
      {
        const absl::Status there = OpenSqliteStore(options_).status();
        std::fprintf(stderr, "%s", there.ToString().c_str());
        _exit(there.ok() ? 0 : 3);
      },
      testing::ExitedWithCode(3), "journal.db");
  Commit({.events = {Event(1, 1, 1)}});
}

TEST_F(SqliteStoreTest, NewerSchemaIsRefusedAndLeftAlone) {
  Commit({.events = {Event(1, 1, 1)}});
  store_.reset();
  {
    auto db = sqlite::Database::Open({.path = options_.path}).value();
    ASSERT_TRUE(db->Execute("PRAGMA user_version=99").ok());
  }
  const absl::Status status = OpenSqliteStore(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr(options_.path));
  EXPECT_THAT(status.message(), HasSubstr("99"));
  auto db = sqlite::Database::Open({.path = options_.path}).value();
  EXPECT_EQ(db->QueryInt("SELECT count(*) FROM event").value(), 1);
}

TEST_F(SqliteStoreTest, DamagedFileIsRefused) {
  WriteBatch batch;
  for (int i = 1; i <= 200; ++i) {
    batch.events.push_back(Event(i, i, 1));
    batch.events.back().value = std::string(1000, 'v');
  }
  Commit(batch);
  store_.reset();
  {
    // The whole of a page in the middle; its neighbours and the header are good.
    std::fstream file(options_.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(30 * 4096);
    file << std::string(4096, '\x7f');
  }
  EXPECT_EQ(OpenSqliteStore(options_).status().code(), absl::StatusCode::kDataLoss);
}

// D4 (the WAL-reset bug of SQLite 3.7.0 to 3.51.2 needs two connections that write or checkpoint).
TEST_F(SqliteStoreTest, OneDescriptorOfTheFileCanWrite) {
  std::vector<std::unique_ptr<StoreReader>> readers;
  for (int i = 0; i < 3; ++i) {
    readers.push_back(store_->NewReader().value());
    ASSERT_TRUE(readers.back()->Refresh().ok());
  }
  int writable = 0;
  int readable = 0;
  for (const auto& link : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(link.path(), error) != options_.path) continue;
    const int flags = fcntl(std::stoi(link.path().filename().string()), F_GETFL);
    ++((flags & O_ACCMODE) == O_RDONLY ? readable : writable);
  }
  EXPECT_EQ(writable, 1);
  EXPECT_EQ(readable, 3);
}

TEST_F(SqliteStoreTest, LogStaysShortWhileReadersReadAllTheTime) {
  options_.wal_bytes_max = 1 << 20;
  Reopen();
  std::atomic<bool> stop = false;
  std::atomic<int64_t> reads = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, reader = store_->NewReader().value()] {
      while (!stop) {
        reads += reader->Refresh().ok();
        (void)reader->ReadLog(Log::kEvents, 1, 10);
        reader->Release();
      }
    });
  }
  uintmax_t longest = 0;
  int64_t position = 0;
  for (int i = 0; i < 300; ++i) {
    WriteBatch batch;
    for (int j = 0; j < 64; ++j) {
      batch.events.push_back(Event(++position, i, j + 1));
      batch.events.back().value = std::string(1000, 'v');
    }
    Commit(batch);
    longest = std::max(longest, std::filesystem::file_size(options_.path + "-wal"));
    // The time in which the next batch is decided.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(reads, 0);
  EXPECT_GT(std::filesystem::file_size(options_.path), uintmax_t{15} << 20);
  // Twice wal_bytes_max, and the batches that a wait did not suffice for.
  EXPECT_LT(longest, uintmax_t{4} << 20) << "more than 20 MB were written through it";
}

// D2 in the small: a write that fails is not acknowledged, nor is anything after it, and what was
// stays.
TEST_F(SqliteStoreTest, AfterAFailedWriteNothingIsTakenUntilReopened) {
  Commit({.events = {Event(1, 1, 1)}});
  struct rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = std::filesystem::file_size(options_.path + "-wal") + 10'000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  WriteBatch large = {.events = {Event(2, 1, 2)}};
  large.events[0].value = std::string(100'000, 'v');
  const absl::Status failed = store_->Commit(large);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, old_handler);
  EXPECT_EQ(failed.code(), absl::StatusCode::kDataLoss) << failed;
  // The disk is well again; the store still takes nothing.
  EXPECT_EQ(store_->Commit({.events = {Event(2, 1, 2)}}), failed);
  EXPECT_EQ(store_->PruneReceipts(At(1), 1).status(), failed);
  EXPECT_EQ(store_->BeginRebuild(), failed);
  EXPECT_EQ(Now().LastPosition(Log::kEvents).value(), 1);
  Reopen();
  EXPECT_EQ(Now().LastPosition(Log::kEvents).value(), 1);
  Commit({.events = {Event(2, 1, 2)}});
}

// What is known of recent entries rests on their following each other.
TEST_F(SqliteStoreTest, MissingRecentEntryIsDataLoss) {
  Commit({.entries_added = {Unique(1, "a", 1), Unique(1, "b", 2), Unique(1, "c", 3)}});
  store_.reset();
  {
    auto db = sqlite::Database::Open({.path = options_.path}).value();
    ASSERT_TRUE(db->Execute("DELETE FROM recent_entry WHERE row = 2").ok());
  }
  EXPECT_EQ(OpenSqliteStore(options_).status().code(), absl::StatusCode::kDataLoss);
}

// Goal: wherever a unique entry stands, among the recent ones, half moved, moved, and after a
// reopening, everybody finds what is true at the moment of the snapshot. Method: keys are taken,
// given up and passed on at random, with few recent entries allowed; what readers of earlier
// moments see is compared with a map copied at that moment.
TEST_F(SqliteStoreTest, UniqueEntriesAreFoundWhereverTheyStand) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  using Held = std::map<std::string, std::pair<int, bool>>;  // key -> stream, fact
  struct Moment {
    std::unique_ptr<StoreReader> reader;
    Held held;
  };
  Held held;
  std::vector<Moment> moments;
  options_.recent_entries_max = 20;
  Reopen();
  const auto expect_held = [&](StoreReader& reader, const Held& then, const std::string& key) {
    const auto it = then.find(key);
    const LoadResult loaded = reader.Load({.unique = {{1, key}}}).value();
    const auto listed = reader.ListEntries(1, key, "", "", 10).value().entries;
    if (it == then.end()) {
      EXPECT_FALSE(loaded.holders[0].has_value());
      EXPECT_THAT(listed, IsEmpty());
      return;
    }
    EXPECT_EQ(loaded.holders[0], Stream(it->second.first));
    StoredEntry entry = Unique(1, key, it->second.first);
    entry.fact = it->second.second;
    EXPECT_THAT(listed, ElementsAre(entry));
  };
  for (int round = 0; round < 3000; ++round) {
    if (random() % 200 == 0) {
      moments.clear();
      options_.recent_entries_max = 1 + random() % 40;
      Reopen();
    }
    WriteBatch batch;
    Held after = held;
    std::set<std::string> touched;
    for (int i = 0; i < 8; ++i) {
      const std::string key = "key " + std::to_string(random() % 300);
      if (!touched.insert(key).second) continue;
      const auto it = after.find(key);
      const int stream = static_cast<int>(random() % 1000);
      if (it != after.end()) {
        StoredEntry old = Unique(1, key, it->second.first);
        batch.entries_removed.push_back(old);
        if (it->second.second) continue;  // a fact stays
        after.erase(it);
        if (random() % 2 == 0) continue;
      }
      StoredEntry entry = Unique(1, key, stream);
      entry.fact = random() % 20 == 0;
      after[key] = {stream, entry.fact};
      batch.entries_added.push_back(std::move(entry));
    }
    const bool refused = random() % 10 == 0 && !held.empty();
    if (refused) {
      const auto& [key, holder] = *held.begin();
      if (touched.contains(key)) continue;
      batch.entries_added.push_back(Unique(1, key, 7));
      EXPECT_EQ(store_->Commit(batch).code(), absl::StatusCode::kAlreadyExists);
    } else {
      Commit(batch);
      held = std::move(after);
    }
    if (random() % 4 == 0) {
      if (moments.size() == 8) moments.erase(moments.begin() + random() % 8);
      moments.push_back({store_->NewReader().value(), held});
      ASSERT_TRUE(moments.back().reader->Refresh().ok());
    }
    for (int i = 0; i < 4; ++i) {
      const std::string key = "key " + std::to_string(random() % 300);
      EXPECT_EQ(Holder(1, key),
                held.contains(key) ? std::optional(Stream(held.at(key).first)) : std::nullopt);
      for (Moment& moment : moments) expect_held(*moment.reader, moment.held, key);
    }
    if (HasFailure()) FAIL() << "in round " << round;
  }
}

// The same for the entries of scattered lists, read in pages.
TEST_F(SqliteStoreTest, ScatteredListsAreFoundWhereverTheyStand) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  // key, sort, stream -> fact
  using Held = std::map<std::tuple<std::string, std::string, int>, bool>;
  struct Moment {
    std::unique_ptr<StoreReader> reader;
    Held held;
  };
  Held held;
  std::vector<Moment> moments;
  scattered_ = true;
  options_.recent_entries_max = 20;
  Reopen();
  const auto key_of = [&] { return "key " + std::to_string(random() % 12); };
  const auto expect_listed = [](StoreReader& reader, const Held& then, const std::string& key,
                                int limit) {
    std::vector<StoredEntry> wanted, listed;
    for (const auto& [entry, fact] : then) {
      const auto& [of_key, sort, stream] = entry;
      if (of_key != key) continue;
      wanted.push_back(Entry(1, key, sort, stream));
      wanted.back().fact = fact;
    }
    std::string sort, stream;
    for (bool more = true; more && listed.size() <= wanted.size();) {
      EntryPage page = reader.ListEntries(1, key, sort, stream, limit).value();
      more = page.more;
      if (more) {
        ASSERT_THAT(page.entries, SizeIs(limit));
      }
      listed.insert(listed.end(), page.entries.begin(), page.entries.end());
      if (more) sort = listed.back().sort, stream = listed.back().stream;
    }
    EXPECT_EQ(listed, wanted);
  };
  for (int round = 0; round < 3000; ++round) {
    if (random() % 200 == 0) {
      moments.clear();
      options_.recent_entries_max = 1 + random() % 40;
      Reopen();
    }
    WriteBatch batch;
    std::set<std::tuple<std::string, std::string, int>> touched;
    for (int i = 0; i < 8; ++i) {
      const std::tuple entry(key_of(), std::string(random() % 3, 's'),
                             static_cast<int>(random() % 4));
      if (!touched.insert(entry).second) continue;
      const auto& [key, sort, stream] = entry;
      if (random() % 2 == 0) {
        batch.entries_removed.push_back(Entry(1, key, sort, stream));
        if (const auto it = held.find(entry); it != held.end() && !it->second) held.erase(it);
        continue;
      }
      batch.entries_added.push_back(Entry(1, key, sort, stream));
      batch.entries_added.back().fact = random() % 20 == 0;
      held[entry] |= batch.entries_added.back().fact;
    }
    Commit(batch);
    if (random() % 4 == 0) {
      if (moments.size() == 8) moments.erase(moments.begin() + random() % 8);
      moments.push_back({store_->NewReader().value(), held});
      ASSERT_TRUE(moments.back().reader->Refresh().ok());
    }
    expect_listed(Now(), held, key_of(), 1 + random() % 9);
    for (Moment& moment : moments) {
      expect_listed(*moment.reader, moment.held, key_of(), 1 + random() % 9);
    }
    if (HasFailure()) FAIL() << "in round " << round;
  }
}

// And while they are moved under readers of other threads, which begin their snapshots meanwhile:
// the last ones that a snapshot has events of are found in it.
TEST_F(SqliteStoreTest, EntriesAreFoundWhileTheyAreMoved) {
  scattered_ = true;
  options_.recent_entries_max = 1;
  Reopen();
  std::atomic<bool> stop = false;
  std::atomic<int> missed = 0;
  std::atomic<int> looks = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, reader = store_->NewReader().value()] {
      while (!stop) {
        missed += !reader->Refresh().ok();
        const int last = static_cast<int>(reader->LastPosition(Log::kEvents).value());
        for (int number = last; number > std::max(0, last - 3); --number) {
          const std::string key = std::to_string(number);
          missed += reader->Load({.unique = {{1, key}}}).value().holders[0] != Stream(number);
          missed += reader->ListEntries(2, key, "", "", 10).value().entries.size() != 1;
          ++looks;
        }
        reader->Release();
      }
    });
  }
  for (int i = 1; i <= 5000 || looks < 300; ++i) {
    const std::string key = std::to_string(i);
    Commit(
        {.events = {Event(i, i, 1)}, .entries_added = {Unique(1, key, i), Entry(2, key, "s", i)}});
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(missed, 0);
}

TEST_F(SqliteStoreTest, PruningGoesOnWhereItEnded) {
  WriteBatch batch;
  for (int i = 0; i < 5000; ++i) batch.receipts.push_back(Receipt(i, i));
  Commit(batch);
  int64_t removed = 0;
  for (int i = 0; i < 50; ++i) removed += store_->PruneReceipts(At(2500), 100).value();
  EXPECT_EQ(removed, 2500);
}

}  // namespace
}  // namespace fettle::journal
