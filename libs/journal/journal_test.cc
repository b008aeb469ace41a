// Goal: the laws of the one write path, whatever the service: one effect per request, all or
// nothing, commit order = position order, refusals leave only their access record. Method: a real
// journal with its threads over the in-memory store and, where a restart matters, over SQLite, with
// the smallest service there is.
#include "libs/journal/journal.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <random>
#include <set>
#include <thread>

#include "libs/base/status.h"
#include "libs/journal/control_total.h"
#include "libs/journal/memory_store.h"
#include "libs/journal/private_half.h"
#include "libs/journal/sqlite_store.h"
#include "libs/journal/testing/counter.pb.h"

namespace fettle::journal {
namespace {

namespace tv1 = fettle::testing::v1;
using google::protobuf::util::MessageDifferencer;

constexpr int kNameIndex = 1;
constexpr int kAllIndex = 2;

struct CounterRules {
  using Event = tv1::CounterEvent;
  using State = tv1::CounterState;
  static constexpr std::string_view kService = "counter";
  static constexpr int64_t kCodeVersion = 1;

  static void Evolve(State& state, const Event& event) {
    if (event.has_counter_opened()) state.set_name(event.counter_opened().name());
    if (event.has_counter_added()) {
      state.set_total(state.total() + event.counter_added().amount());
      state.set_note(event.counter_added().note());
      // A counter rings a minute after it reached 50.
      if (state.total() >= 50 && state.rings() == 0) {
        state.set_ring_seconds(event.header().time().seconds() + 60);
      }
    }
    if (event.has_counter_rang()) {
      state.set_rings(state.rings() + 1);
      state.clear_ring_seconds();
    }
  }
  static std::vector<base::Entry> Index(const State& state) {
    return {{kNameIndex, state.name(), "", true}, {kAllIndex, "", state.name(), false}};
  }
  static std::vector<base::Timer> Timers(const State& state) {
    if (state.ring_seconds() == 0) return {};
    return {{absl::FromUnixSeconds(state.ring_seconds()), "ring"}};
  }
  static std::vector<base::Entry> Facts(const Event&) { return {}; }
  static std::vector<std::string> Subjects(const State& state) { return {state.name()}; }
  static int64_t Pence(const Event& event) { return event.counter_added().amount(); }
};

struct Result {
  Answer answer;
  tv1::OpenResponse opened() const {
    tv1::OpenResponse response;
    response.ParseFromString(answer.response);
    return response;
  }
  tv1::AddResponse added() const {
    tv1::AddResponse response;
    response.ParseFromString(answer.response);
    return response;
  }
};

class TestCommand : public Command {
 public:
  void Done(Answer answer) override { promise.set_value({std::move(answer)}); }
  std::promise<Result> promise;
};

class OpenCommand final : public TestCommand {
 public:
  explicit OpenCommand(std::string name, std::function<void()> in_decide = nullptr)
      : in_decide(std::move(in_decide)), name_(std::move(name)) {}
  base::Reads ReadsOf(const base::View&) const override { return {{}, {{kNameIndex, name_}}}; }
  absl::StatusOr<AnyDecision> Decide(const base::View& view,
                                     const base::Context& context) const override {
    if (in_decide) in_decide();
    if (view.Holder(kNameIndex, name_).has_value()) {
      return base::Refuse(absl::StatusCode::kAlreadyExists, "NAME_TAKEN", "taken");
    }
    base::Decision<tv1::OpenResponse> decision;
    decision.response.set_counter_id(context.ids->Next());
    decision.Add<tv1::CounterEvent>(decision.response.counter_id())
        .mutable_counter_opened()
        ->set_name(name_);
    return AnyDecision{std::move(decision.events),
                       std::make_unique<tv1::OpenResponse>(decision.response)};
  }

  const std::function<void()> in_decide;

 private:
  const std::string name_;
};

class AddCommand final : public TestCommand {
 public:
  AddCommand(std::string id, int64_t amount, std::string note = "")
      : id_(std::move(id)), amount_(amount), note_(std::move(note)) {}
  base::Reads ReadsOf(const base::View&) const override { return {{id_}, {}}; }
  absl::StatusOr<AnyDecision> Decide(const base::View& view, const base::Context&) const override {
    const auto* state = view.StateOf<tv1::CounterState>(id_);
    if (state == nullptr) {
      return base::Refuse(absl::StatusCode::kNotFound, "COUNTER_NOT_FOUND", "no such counter");
    }
    if (state->total() + amount_ > 100) {
      return base::Refuse(absl::StatusCode::kFailedPrecondition, "COUNTER_FULL", "at most 100");
    }
    base::Decision<tv1::AddResponse> decision;
    decision.response.set_total(state->total() + amount_);
    if (amount_ != 0) {
      tv1::CounterAdded& added = *decision.Add<tv1::CounterEvent>(id_).mutable_counter_added();
      added.set_amount(amount_);
      added.set_note(note_);
    }
    return AnyDecision{std::move(decision.events),
                       std::make_unique<tv1::AddResponse>(decision.response)};
  }

 private:
  const std::string id_;
  const int64_t amount_;
  const std::string note_;
};

class RingCommand final : public Command {
 public:
  base::Reads ReadsOf(const base::View&) const override { return {{timer->stream_id}, {}}; }
  absl::StatusOr<AnyDecision> Decide(const base::View&, const base::Context&) const override {
    base::Decision<tv1::AddResponse> decision;
    decision.Add<tv1::CounterEvent>(timer->stream_id).mutable_counter_rang();
    return AnyDecision{std::move(decision.events), std::make_unique<tv1::AddResponse>()};
  }
  void Done(Answer) override {}
};

std::string NewId() { return base::IdSource(absl::Now(), base::RandomSeed()).Next(); }

class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    metrics_ = *base::Metrics::Create(std::nullopt);
    store_ = NewMemoryStore();
    Start();
  }
  void TearDown() override {
    journal_.reset();
    store_.reset();
  }

  void Start(JournalOptions options = {}, int64_t code_version = 1) {
    journal_.reset();
    Model model = ModelOf<CounterRules>();
    model.code_version = code_version;
    absl::StatusOr<std::unique_ptr<Journal>> journal =
        Journal::Open(model, options, store_.get(), &clock_, metrics_.get());
    ASSERT_TRUE(journal.ok()) << journal.status();
    journal_ = *std::move(journal);
  }

  template <class C>
  std::future<Result> Send(std::unique_ptr<C> command, const std::string& request_id = NewId(),
                           const std::string& content = "content") {
    command->call.method = "test";
    if (command->call.caller.subject.empty()) {
      command->call.caller = {"anna", false, "A1001", "link_worker", "care"};
    }
    command->call.request_id = request_id;
    command->request_hmac = content;
    std::future<Result> result = command->promise.get_future();
    journal_->Submit(std::move(command));
    return result;
  }
  std::string Open(const std::string& name) {
    return Send(std::make_unique<OpenCommand>(name)).get().opened().counter_id();
  }
  Result Add(const std::string& id, int64_t amount) {
    return Send(std::make_unique<AddCommand>(id, amount)).get();
  }
  std::vector<StoredEvent> Log(journal::Log log) {
    auto reader = *journal_->NewReader();
    EXPECT_TRUE(reader->Refresh().ok());
    return *reader->ReadLog(log, 1, 1'000'000);
  }
  tv1::CounterState StateOf(const std::string& id) {
    auto reader = *journal_->NewReader();
    EXPECT_TRUE(reader->Refresh().ok());
    LoadResult loaded = *reader->Load({{base::UuidToBytes(id)}, {}, {}});
    tv1::CounterState state;
    if (loaded.states[0].has_value()) {
      EXPECT_TRUE(state.ParseFromString(loaded.states[0]->state));
    }
    return state;
  }

  base::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  std::unique_ptr<base::Metrics> metrics_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Journal> journal_;
};

TEST_F(JournalTest, Inv164_HeaderSaysWhoWhatWhenAndWhereItStands) {
  const std::string id = Open("a");
  const Result added = Add(id, 5);
  ASSERT_TRUE(added.answer.status.ok()) << added.answer.status;
  EXPECT_EQ(added.added().total(), 5);
  EXPECT_EQ(added.added().result().commit_position(), 2);
  EXPECT_EQ(added.added().result().event_ids(0), "counter.main.2");
  EXPECT_EQ(added.added().result().versions(0).version(), 2);

  tv1::CounterEvent event;
  ASSERT_TRUE(event.ParseFromString(Log(Log::kEvents)[1].value));
  const common::v1::EventHeader& header = event.header();
  EXPECT_EQ(header.id(), "counter.main.2");
  EXPECT_EQ(header.source(), "urn:fettle:counter:main");
  EXPECT_EQ(header.type(), "uk.nhs.fettle.counter.CounterAdded.v1");
  EXPECT_EQ(header.position(), 2);
  EXPECT_EQ(header.previous_position(), 1);
  EXPECT_EQ(header.version(), 2);
  EXPECT_EQ(header.stream_id(), id);
  EXPECT_EQ(header.caller(), "user:anna");
  EXPECT_EQ(header.organisation(), "A1001");
  EXPECT_THAT(header.subjects(), ::testing::ElementsAre("a"));
  EXPECT_TRUE(header.reader_may_ignore());
  EXPECT_FALSE(header.correlation_id().empty());
  EXPECT_EQ(header.time().seconds(), 1'800'000'000);
}

TEST_F(JournalTest, TheSameRequestTwiceHasOneEffectAndOneAnswer) {
  const std::string id = Open("a");
  const std::string request = NewId();
  const Result first = Send(std::make_unique<AddCommand>(id, 5), request).get();
  const Result again = Send(std::make_unique<AddCommand>(id, 5), request).get();
  EXPECT_FALSE(first.answer.replayed);
  EXPECT_TRUE(again.answer.replayed);
  EXPECT_EQ(again.answer.response, first.answer.response);
  EXPECT_EQ(StateOf(id).total(), 5);
}

TEST_F(JournalTest, TheSameRequestIdWithOtherContentIsRefusedByName) {
  const std::string id = Open("a");
  const std::string request = NewId();
  Send(std::make_unique<AddCommand>(id, 5), request, "five").get();
  const Result other = Send(std::make_unique<AddCommand>(id, 6), request, "six").get();
  EXPECT_EQ(base::ReasonOf(other.answer.status), "REQUEST_ID_REUSED");
  EXPECT_EQ(StateOf(id).total(), 5);
}

TEST_F(JournalTest, TheSameRequestIdFromAnotherOrganisationIsAnotherRequest) {
  const std::string id = Open("a");
  const std::string request = NewId();
  Send(std::make_unique<AddCommand>(id, 5), request).get();
  auto other = std::make_unique<AddCommand>(id, 6);
  other->call.caller = {"anna", false, "B2002", "link_worker", "care"};
  EXPECT_TRUE(Send(std::move(other), request).get().answer.status.ok());
  EXPECT_EQ(StateOf(id).total(), 11);
}

TEST_F(JournalTest, SixtyFourCallersWithOneRequestIdHaveOneEffect) {
  const std::string id = Open("a");
  const std::string request = NewId();
  std::vector<std::future<Result>> results;
  for (int i = 0; i < 64; ++i) {
    results.push_back(Send(std::make_unique<AddCommand>(id, 7), request));
  }
  std::set<std::string> answers;
  int replayed = 0;
  for (auto& future : results) {
    const Result result = future.get();
    ASSERT_TRUE(result.answer.status.ok());
    answers.insert(result.answer.response);
    replayed += result.answer.replayed ? 1 : 0;
  }
  EXPECT_EQ(answers.size(), 1u);
  EXPECT_EQ(replayed, 63);
  EXPECT_EQ(StateOf(id).total(), 7);
}

TEST_F(JournalTest, ACommandThatNeedsNoEventStillHasAReceipt) {
  const std::string id = Open("a");
  const std::string request = NewId();
  EXPECT_TRUE(Send(std::make_unique<AddCommand>(id, 0), request).get().answer.status.ok());
  EXPECT_EQ(Log(Log::kEvents).size(), 1u);
  EXPECT_TRUE(Send(std::make_unique<AddCommand>(id, 0), request).get().answer.replayed);
}

TEST_F(JournalTest, Inv32_TwoThatWantOneUniqueEntryAtOnceGiveExactlyOneSuccess) {
  std::vector<std::future<Result>> results;
  for (int i = 0; i < 32; ++i) results.push_back(Send(std::make_unique<OpenCommand>("same")));
  int accepted = 0;
  for (auto& future : results) {
    const Result result = future.get();
    if (result.answer.status.ok()) {
      ++accepted;
    } else {
      EXPECT_EQ(base::ReasonOf(result.answer.status), "NAME_TAKEN");
    }
  }
  EXPECT_EQ(accepted, 1);
}

// INV-20
TEST_F(JournalTest, Inv20_OfManyCommandsOnOneVersionExactlyOneSucceeds) {
  const std::string id = Open("a");
  std::vector<std::future<Result>> results;
  for (int i = 0; i < 16; ++i) {
    auto command = std::make_unique<AddCommand>(id, 1);
    command->expected_version = 1;
    results.push_back(Send(std::move(command)));
  }
  int accepted = 0;
  for (auto& future : results) {
    const Result result = future.get();
    if (result.answer.status.ok()) {
      ++accepted;
    } else {
      EXPECT_TRUE(absl::IsAborted(result.answer.status));
      EXPECT_EQ(base::ReasonOf(result.answer.status), "VERSION_MISMATCH");
    }
  }
  EXPECT_EQ(accepted, 1);
  EXPECT_EQ(StateOf(id).total(), 1);
}

TEST_F(JournalTest, Inv17_ARefusedCommandLeavesOnlyItsAccessRecord) {
  const std::string id = Open("a");
  const Result refused = Add(id, 101);
  EXPECT_EQ(base::ReasonOf(refused.answer.status), "COUNTER_FULL");
  EXPECT_EQ(Log(Log::kEvents).size(), 1u);
  const std::vector<StoredEvent> access = Log(Log::kAccess);
  ASSERT_EQ(access.size(), 1u);
  v1::AccessEvent record;
  ASSERT_TRUE(record.ParseFromString(access[0].value));
  EXPECT_EQ(record.access_recorded().outcome(), v1::OUTCOME_REFUSED);
  EXPECT_EQ(record.access_recorded().reason(), "COUNTER_FULL");
  EXPECT_EQ(record.header().id(), "counter.main.access.1");
  EXPECT_THAT(record.header().subjects(), ::testing::ElementsAre("a"));
}

TEST_F(JournalTest, ACommandWhoseDeadlinePassedIsNotDecided) {
  const std::string id = Open("a");
  auto late = std::make_unique<AddCommand>(id, 1);
  late->call.deadline = absl::Now() - absl::Seconds(1);
  EXPECT_TRUE(absl::IsDeadlineExceeded(Send(std::move(late)).get().answer.status));
  EXPECT_EQ(StateOf(id).total(), 0);
}

TEST_F(JournalTest, AFullQueueTurnsCallersAwayWithRetryInfo) {
  JournalOptions options;
  options.queue_items_max = 1;
  Start(options);
  std::vector<std::future<Result>> results;
  for (int i = 0; i < 2'000; ++i) {
    results.push_back(Send(std::make_unique<OpenCommand>("n" + std::to_string(i))));
  }
  int turned_away = 0;
  for (auto& future : results) {
    const Result result = future.get();
    if (result.answer.status.ok()) continue;
    ++turned_away;
    EXPECT_TRUE(absl::IsResourceExhausted(result.answer.status));
    EXPECT_TRUE(base::RetryAfterOf(result.answer.status).has_value());
  }
  EXPECT_GT(turned_away, 0);
}

TEST_F(JournalTest, TheClockMayGoBackButRecordedTimeDoesNot) {
  Open("a");
  clock_.Advance(-absl::Hours(5));
  Open("b");
  std::vector<StoredEvent> events = Log(Log::kEvents);
  tv1::CounterEvent first, second;
  ASSERT_TRUE(first.ParseFromString(events[0].value));
  ASSERT_TRUE(second.ParseFromString(events[1].value));
  EXPECT_GE(second.header().time().seconds(), first.header().time().seconds());
}

TEST_F(JournalTest, Inv146_ThePrivateHalfIsNotInThePublishedBytes) {
  const std::string id = Open("a");
  Send(std::make_unique<AddCommand>(id, 1, "CANARY-words")).get();
  const StoredEvent event = Log(Log::kEvents)[1];
  EXPECT_EQ(event.value.find("CANARY"), std::string::npos);
  EXPECT_NE(event.private_half.find("CANARY-words"), std::string::npos);
  tv1::CounterEvent published;
  ASSERT_TRUE(published.ParseFromString(event.value));
  EXPECT_EQ(published.header().private_sha256().size(), 32u);
  ASSERT_TRUE(JoinPrivateHalf(published, event.private_half).ok());
  EXPECT_EQ(published.counter_added().note(), "CANARY-words");
  EXPECT_EQ(StateOf(id).note(), "CANARY-words");
}

TEST_F(JournalTest, ASnapshotGivesTheEventsOfAStreamWhole) {
  const std::string id = Open("a");
  Send(std::make_unique<AddCommand>(id, 1, "CANARY-words")).get();
  Open("b");
  Add(id, 2);
  std::promise<void> done;
  journal_->Query([&](absl::StatusOr<JournalSnapshot*> snapshot) {
    ASSERT_TRUE(snapshot.ok());
    const auto all = (*snapshot)->Events(id, 1, 10);
    ASSERT_TRUE(all.ok());
    ASSERT_EQ(all->size(), 3u);
    const auto& second = static_cast<const tv1::CounterEvent&>(*(*all)[1]);
    EXPECT_EQ(second.header().version(), 2);
    EXPECT_EQ(second.counter_added().note(), "CANARY-words");
    EXPECT_EQ((*snapshot)->Events(id, 2, 1)->size(), 1u);
    EXPECT_EQ((*snapshot)->Events(id, 4, 1)->size(), 0u);
    EXPECT_EQ((*snapshot)->Events("no stream", 1, 1)->size(), 0u);
    done.set_value();
  });
  done.get_future().wait();
}

TEST_F(JournalTest, Inv19_OtherRulesRefoldStatesAndEntries) {
  const std::string id = Open("a");
  for (int i = 0; i < 9; ++i) Add(id, i);
  const tv1::CounterState before = StateOf(id);
  Start({}, 2);
  EXPECT_TRUE(MessageDifferencer::Equals(StateOf(id), before));
  // The unique entry is there again, and versions go on without a gap.
  EXPECT_EQ(base::ReasonOf(Send(std::make_unique<OpenCommand>("a")).get().answer.status),
            "NAME_TAKEN");
  EXPECT_EQ(Add(id, 1).added().result().versions(0).version(), 10);
}

TEST_F(JournalTest, ATimerFiresOnceAlsoAfterARestart) {
  const std::string id = Open("a");
  Add(id, 60);
  clock_.Advance(absl::Seconds(61));
  Start();  // the service was down when it came due
  const auto fire = [this](const base::TimerDue& due) {
    auto ring = std::make_unique<RingCommand>();
    ring->timer = due;
    ring->call = TimerCall(journal_->model(), due);
    journal_->Submit(std::move(ring));
  };
  journal_->OnTimer(fire);
  for (int i = 0; i < 100 && StateOf(id).rings() == 0; ++i) absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(StateOf(id).rings(), 1);
  clock_.Advance(absl::Seconds(5));
  absl::SleepFor(absl::Milliseconds(1'300));
  EXPECT_EQ(StateOf(id).rings(), 1);
  tv1::CounterEvent rang;
  ASSERT_TRUE(rang.ParseFromString(Log(Log::kEvents).back().value));
  EXPECT_EQ(rang.header().caller(), "service:counter");
}

// Fired for a due time that a command has moved meanwhile: nothing happens, and the new time stays.
TEST_F(JournalTest, ATimerThatWasMovedAfterItWasFiredRingsAtItsNewTime) {
  const std::string id = Open("a");
  Add(id, 60);
  const base::TimerDue first{id, "ring", absl::FromUnixSeconds(StateOf(id).ring_seconds())};
  clock_.Advance(absl::Seconds(30));
  Add(id, 1);
  const auto fire = [this](const base::TimerDue& due) {
    auto ring = std::make_unique<RingCommand>();
    ring->timer = due;
    ring->call = TimerCall(journal_->model(), due);
    journal_->Submit(std::move(ring));
  };
  fire(first);
  Add(id, 0);  // answered behind it
  EXPECT_EQ(StateOf(id).rings(), 0);
  journal_->OnTimer(fire);
  clock_.Advance(absl::Seconds(61));
  for (int i = 0; i < 100 && StateOf(id).rings() == 0; ++i) absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(StateOf(id).rings(), 1);
}

TEST_F(JournalTest, StopAnswersEverybodyWhoWaits) {
  std::vector<std::future<Result>> results;
  for (int i = 0; i < 500; ++i) {
    results.push_back(Send(std::make_unique<OpenCommand>("n" + std::to_string(i))));
  }
  journal_->Stop();
  size_t accepted = 0;
  for (auto& future : results) accepted += future.get().answer.status.ok() ? 1 : 0;
  EXPECT_EQ(accepted, 500u);
  EXPECT_TRUE(absl::IsUnavailable(Send(std::make_unique<OpenCommand>("late")).get().answer.status));
}

TEST_F(JournalTest, GetOperationSeesWhatWasDecidedBefore) {
  const std::string request = NewId();
  Send(std::make_unique<OpenCommand>("a"), request).get();
  const base::Caller caller{"anna", false, "A1001", "link_worker", "care"};
  const auto find = [&](const std::string& id) {
    std::promise<std::optional<StoredReceipt>> found;
    journal_->FindReceipt(ReceiptKeyOf(caller, id),
                          [&](auto receipt) { found.set_value(*std::move(receipt)); });
    return found.get_future().get();
  };
  EXPECT_EQ(find(request)->response_type, "fettle.testing.v1.OpenResponse");
  EXPECT_FALSE(find(NewId()).has_value());
}

TEST_F(JournalTest, ListsArePagedInOrder) {
  for (const char* name : {"d", "a", "c", "b", "e"}) Open(name);
  std::promise<std::vector<std::string>> names;
  journal_->Query([&](absl::StatusOr<JournalSnapshot*> snapshot) {
    std::vector<std::string> seen;
    common::v1::Page page;
    page.set_page_size(2);
    do {
      base::ListedPage listed = *(*snapshot)->List(kAllIndex, "", page);
      for (const std::string& id : listed.streams) {
        seen.push_back(static_cast<const tv1::CounterState&>(*(*snapshot)->Load(id)->state).name());
      }
      page.set_page_token(listed.next);
    } while (!page.page_token().empty());
    names.set_value(std::move(seen));
  });
  EXPECT_THAT(names.get_future().get(), ::testing::ElementsAre("a", "b", "c", "d", "e"));
}

// A store whose commits first do what the test says: fail, as on a full disk, or wait.
class HookedStore final : public Store {
 public:
  HookedStore(Store* inner, std::function<absl::Status()> before_commit)
      : inner_(inner), before_commit_(std::move(before_commit)) {}
  absl::StatusOr<LoadResult> Load(const LoadRequest& request) override {
    return inner_->Load(request);
  }
  absl::Status Commit(const WriteBatch& batch) override {
    // The journal's own row at its start.
    if (batch.events.empty() && batch.access.empty()) return inner_->Commit(batch);
    FETTLE_RETURN_IF_ERROR(before_commit_());
    return inner_->Commit(batch);
  }
  absl::StatusOr<std::unique_ptr<StoreReader>> NewReader() override { return inner_->NewReader(); }
  absl::StatusOr<int> PruneReceipts(absl::Time before, int limit) override {
    return inner_->PruneReceipts(before, limit);
  }
  absl::Status BeginRebuild() override { return inner_->BeginRebuild(); }

 private:
  Store* const inner_;
  const std::function<absl::Status()> before_commit_;
};

// While one batch is on its way to the disk, the next is decided on top of it. The first command is
// held in its decision until the others wait, so that they are the next batch; its commit is held
// until one of them is being decided.
class OverlapTest : public JournalTest {
 protected:
  void StartHeld() {
    journal_.reset();
    store_in_use_ = std::make_unique<HookedStore>(store_.get(), [this] {
      if (commits_++ > 0) return absl::OkStatus();
      next_is_decided_.get_future().wait();
      return first_commit_;
    });
    journal_ =
        *Journal::Open(ModelOf<CounterRules>(), {}, store_in_use_.get(), &clock_, metrics_.get());
  }
  std::unique_ptr<OpenCommand> First(const std::string& name) {
    return std::make_unique<OpenCommand>(
        name, [this] { others_wait_.get_future().wait_for(std::chrono::seconds(10)); });
  }
  // The first of the next batch. Told a moment before it looks at its view.
  std::unique_ptr<OpenCommand> Next(const std::string& name) {
    return std::make_unique<OpenCommand>(name, [this] { next_is_decided_.set_value(); });
  }

  std::unique_ptr<HookedStore> store_in_use_;
  std::atomic<int> commits_ = 0;
  std::promise<void> others_wait_, next_is_decided_;
  absl::Status first_commit_;
};

TEST_F(OverlapTest, ABatchSeesWhatTheOneBeforeItDidThoughItIsNotOnTheDiskYet) {
  StartHeld();
  const std::string request = NewId();
  auto opened = Send(First("a"), request);
  absl::SleepFor(absl::Milliseconds(20));  // until it is taken: the others are the next batch
  auto taken = Send(Next("a"));
  auto repeated = Send(std::make_unique<OpenCommand>("a"), request);
  others_wait_.set_value();
  // The unique name is held and the receipt known.
  const Result first = opened.get();
  ASSERT_TRUE(first.answer.status.ok()) << first.answer.status;
  EXPECT_EQ(base::ReasonOf(taken.get().answer.status), "NAME_TAKEN");
  const Result again = repeated.get();
  EXPECT_TRUE(again.answer.replayed);
  EXPECT_EQ(again.answer.response, first.answer.response);
  EXPECT_EQ(Log(Log::kEvents).size(), 1u);
}

TEST_F(OverlapTest, WhatWasDecidedOnALostBatchIsLostWithIt) {
  StartHeld();
  first_commit_ = absl::ResourceExhaustedError("database or disk is full");
  auto opened = Send(First("a"));
  absl::SleepFor(absl::Milliseconds(20));
  auto taken = Send(Next("a"));
  auto other = Send(std::make_unique<OpenCommand>("b"));
  others_wait_.set_value();
  for (auto* result : {&opened, &taken, &other}) {
    EXPECT_TRUE(absl::IsUnavailable(result->get().answer.status))
        << "not even a refusal that rests on what is not on the disk is told";
  }
  journal_->Stop();
  EXPECT_EQ(commits_, 1);
  journal_.reset();
  Start();
  EXPECT_TRUE(Log(Log::kEvents).empty());
  EXPECT_TRUE(Log(Log::kAccess).empty());
}

// Versions and positions over many small batches, whose neighbours overlap as they come.
TEST_F(JournalTest, VersionsAndPositionsGoOnOverManyBatches) {
  JournalOptions options;
  options.batch_commands_max = 3;
  Start(options);
  const std::string id = Open("a");
  std::vector<std::future<Result>> adds;
  for (int i = 0; i < 90; ++i) {
    auto add = std::make_unique<AddCommand>(id, 1);
    add->expected_version = 1 + i;
    adds.push_back(Send(std::move(add)));
  }
  for (int i = 0; i < 90; ++i) EXPECT_EQ(adds[i].get().added().total(), i + 1);
  const std::vector<StoredEvent> events = Log(Log::kEvents);
  ASSERT_EQ(events.size(), 91u);
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].position, static_cast<int64_t>(i) + 1);
    EXPECT_EQ(events[i].version, static_cast<int64_t>(i) + 1);
  }
}

TEST_F(JournalTest, AFailedCommitIsNeverAcknowledgedAndTheJournalTakesNoMore) {
  journal_.reset();
  int commits = 0;
  HookedStore failing(store_.get(), [&commits] {
    return commits++ == 0 ? absl::OkStatus()
                          : absl::ResourceExhaustedError("database or disk is full");
  });
  journal_ = *Journal::Open(ModelOf<CounterRules>(), {}, &failing, &clock_, metrics_.get());
  EXPECT_TRUE(Send(std::make_unique<OpenCommand>("a")).get().answer.status.ok());
  EXPECT_TRUE(absl::IsUnavailable(Send(std::make_unique<OpenCommand>("b")).get().answer.status));
  EXPECT_TRUE(absl::IsUnavailable(Send(std::make_unique<OpenCommand>("c")).get().answer.status));
  EXPECT_FALSE(journal_->failure().ok());
  journal_.reset();
  Start();
  EXPECT_EQ(Log(Log::kEvents).size(), 1u);
}

TEST(JournalSqliteTest, AcknowledgedCommandsAndReceiptsSurviveARestart) {
  const std::string folder = ::testing::TempDir() + "/journal_restart";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  base::SystemClock clock;
  auto metrics = *base::Metrics::Create(std::nullopt);
  const std::string request = NewId();
  std::string first;
  for (int run = 0; run < 2; ++run) {
    SqliteStoreOptions options;
    options.path = folder + "/counter.db";
    auto store = *OpenSqliteStore(options);
    auto journal = *Journal::Open(ModelOf<CounterRules>(), {}, store.get(), &clock, metrics.get());
    auto command = std::make_unique<OpenCommand>("a");
    command->call.caller = {"anna", false, "A1001", "link_worker", "care"};
    command->call.request_id = request;
    command->request_hmac = "content";
    auto future = command->promise.get_future();
    journal->Submit(std::move(command));
    const Result result = future.get();
    ASSERT_TRUE(result.answer.status.ok()) << result.answer.status;
    EXPECT_EQ(result.answer.replayed, run == 1);
    if (run == 0) first = result.answer.response;
    EXPECT_EQ(result.answer.response, first);
    EXPECT_EQ(journal->position(Log::kEvents), 1);
  }
}

TEST(PrivateHalfTest, TakesAndJoinsEveryShape) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 500; ++round) {
    tv1::CounterEvent event;
    tv1::CounterAdded& added = *event.mutable_counter_added();
    added.set_amount(static_cast<int64_t>(random() % 5));
    if (random() % 2) added.set_note(std::string(random() % 40, 'n'));
    for (uint64_t i = random() % 4; i > 0; --i) {
      tv1::Part& part = *added.add_parts();
      part.set_open("open");
      for (uint64_t k = random() % 3; k > 0; --k) part.add_hidden(std::string(random() % 9, 'h'));
      if (random() % 2) part.mutable_words()->set_sealed("sealed");
    }
    tv1::CounterEvent published = event;
    const std::string half = TakePrivateHalf(published);
    EXPECT_EQ(published.SerializeAsString().find("sealed"), std::string::npos);
    ASSERT_TRUE(JoinPrivateHalf(published, half).ok());
    EXPECT_TRUE(MessageDifferencer::Equals(published, event));
    if (!half.empty()) {
      tv1::CounterEvent cut = event;
      TakePrivateHalf(cut);
      EXPECT_FALSE(JoinPrivateHalf(cut, half.substr(0, half.size() - 1)).ok());
    }
  }
}

TEST(ControlTotalTest, OrderDoesNotMatterButEveryEventDoes) {
  ControlTotal forward, backward, without;
  for (int i = 1; i <= 100; ++i) forward.Add("x.main." + std::to_string(i), i);
  for (int i = 100; i >= 1; --i) backward.Add("x.main." + std::to_string(i), i);
  for (int i = 1; i <= 99; ++i) without.Add("x.main." + std::to_string(i), i);
  EXPECT_EQ(forward.id_hash_sum(), backward.id_hash_sum());
  EXPECT_EQ(forward.pence(), 5'050);
  EXPECT_EQ(forward.count(), 100);
  EXPECT_NE(forward.id_hash_sum(), without.id_hash_sum());
}

}  // namespace
}  // namespace fettle::journal
