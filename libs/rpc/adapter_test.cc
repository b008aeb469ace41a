// Goal: the one path of every call, and what it leaves behind, under the callers there are: they
// repeat, come all at once, go away, are late, are nobody. Method: a real server with mutual TLS in
// this process, the smallest service there is behind it, and a journal in memory. Runs under
// ThreadSanitizer.
#include "libs/rpc/adapter.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "absl/synchronization/notification.h"
#include "libs/access/issuer.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/base/trace.h"
#include "libs/journal/memory_store.h"
#include "libs/journal/private_half.h"
#include "libs/rpc/host.h"
#include "libs/rpc/journal_service.h"
#include "libs/rpc/private_words.h"
#include "libs/rpc/status_map.h"
#include "libs/rpc/testing/pki.h"
#include "libs/rpc/testing/tally_service.grpc.pb.h"

namespace fettle::rpc {
namespace {

namespace v1 = fettle::tally::v1;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kTotalMax = 1'000;
constexpr char kAnn[] = "0196d5a0-0001-7000-8000-00000000000a";
constexpr char kBob[] = "0196d5a0-0001-7000-8000-00000000000b";
constexpr absl::Duration kWaitMax = absl::Seconds(20);

std::string NewId() { return base::IdSource(absl::Now(), base::RandomSeed()).Next(); }

struct TallyRules {
  using Event = v1::TallyEvent;
  using State = v1::TallyState;
  static constexpr std::string_view kService = "tally";
  static constexpr int64_t kCodeVersion = 1;

  static base::Reads ReadsOf(const v1::AddTallyRequest& request, const base::View&) {
    return {{request.tally_id()}, {}};
  }
  // A request that names the owner needs no look at the state.
  static base::Questions QuestionsOf(const v1::AddTallyRequest& request, const base::View& view) {
    base::Questions questions;
    questions.seal_for = request.owner_id();
    questions.make_key = request.make_key();
    if (!questions.seal_for.empty()) return questions;
    const auto* state = view.StateOf<State>(request.tally_id());
    if (state != nullptr) questions.seal_for = state->owner_id();
    return questions;
  }
  static absl::StatusOr<base::Decision<v1::AddTallyResponse>> Decide(
      const base::View& view, const v1::AddTallyRequest& request, const base::Context& context) {
    if (request.throws()) throw std::out_of_range("a fault of the rule");
    const auto* state = view.StateOf<State>(request.tally_id());
    const int64_t total = (state == nullptr ? 0 : state->total()) + request.amount();
    if (total > kTotalMax) {
      return base::Refuse(absl::StatusCode::kFailedPrecondition, "TALLY_FULL", "at most 1,000");
    }
    const base::Questions questions = QuestionsOf(request, view);
    FETTLE_RETURN_IF_ERROR(base::CheckEvidence(questions, *context.evidence));
    base::Decision<v1::AddTallyResponse> decision;
    v1::TallyAdded& added = *decision.Add<Event>(request.tally_id()).mutable_tally_added();
    added.set_owner_id(questions.seal_for);
    added.set_amount(request.amount());
    *added.mutable_words() = request.words();
    decision.response.set_total(total);
    return decision;
  }
  static absl::StatusOr<v1::GetTallyResponse> Answer(const base::Snapshot& snapshot,
                                                     const v1::GetTallyRequest& request,
                                                     const base::Context& context) {
    if (request.throws()) throw std::out_of_range("a fault of the rule");
    FETTLE_ASSIGN_OR_RETURN(const base::View::Stream stream, snapshot.Load(request.tally_id()));
    if (stream.version == 0) {
      return base::Refuse(absl::StatusCode::kNotFound, "TALLY_NOT_FOUND", "no such tally");
    }
    const auto& state = static_cast<const State&>(*stream.state);
    v1::GetTallyResponse response;
    response.set_total(state.total());
    response.set_owner_id(state.owner_id());
    *response.mutable_words() = state.words();
    response.set_today(context.today);
    return response;
  }
  static void Evolve(State& state, const Event& event) {
    state.set_owner_id(event.tally_added().owner_id());
    state.set_total(state.total() + event.tally_added().amount());
    *state.mutable_words() = event.tally_added().words();
  }
  static std::vector<base::Entry> Index(const State&) { return {}; }
  static std::vector<base::Timer> Timers(const State&) { return {}; }
  static std::vector<base::Entry> Facts(const Event&) { return {}; }
  static std::vector<std::string> Subjects(const State& state) { return {state.owner_id()}; }
  static int64_t Pence(const Event&) { return 0; }
};

class TallyServiceImpl final : public v1::TallyService::CallbackService {
 public:
  explicit TallyServiceImpl(const AdapterParts& parts) : adapter_(parts) {}
  FETTLE_RPC(AddTally)
  FETTLE_RPC(GetTally)

 private:
  Adapter<TallyRules> adapter_;
};

// Gives everybody's key; notes who asked for whose.
class Keys final : public EvidenceSource {
 public:
  std::optional<Gathered> Known(const base::Questions& questions) override {
    if (!all_known) return std::nullopt;
    Gathered gathered;
    gathered.key = KeyOf(questions.seal_for);
    return gathered;
  }
  void Gather(const base::Questions& questions, const Asker& asker, Done done) override {
    std::function<void(const std::string&)> first;
    {
      absl::MutexLock lock(&mutex_);
      asked_.push_back(questions.seal_for);
      asker_ = asker;
      first.swap(before_next_);
    }
    if (first) first(questions.seal_for);
    Gathered gathered;
    if (!questions.seal_for.empty()) gathered.key = KeyOf(questions.seal_for);
    done(std::move(gathered));
  }

  std::shared_ptr<const seal::PersonKey> KeyOf(const std::string& person) {
    absl::MutexLock lock(&mutex_);
    auto& key = keys_[person];
    if (key == nullptr) {
      key = std::make_shared<seal::PersonKey>(seal::MakePersonKey(person, 1));
    }
    return key;
  }
  // Runs once, in the next Gather, before it answers.
  void BeforeNext(std::function<void(const std::string&)> work) {
    absl::MutexLock lock(&mutex_);
    before_next_ = std::move(work);
  }
  std::vector<std::string> asked() {
    absl::MutexLock lock(&mutex_);
    return asked_;
  }
  Asker asker() {
    absl::MutexLock lock(&mutex_);
    return asker_;
  }

  std::atomic<bool> all_known = false;

 private:
  absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<const seal::PersonKey>> keys_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> asked_ ABSL_GUARDED_BY(mutex_);
  Asker asker_ ABSL_GUARDED_BY(mutex_);
  std::function<void(const std::string&)> before_next_ ABSL_GUARDED_BY(mutex_);
};

class AdapterTest : public ::testing::Test {
 protected:
  AdapterTest() : issuer_(crypto::JwsKey::Generate("test")) {}

  void SetUp() override {
    metrics_ = *base::Metrics::Create(std::nullopt);
    call_metrics_ = std::make_unique<CallMetrics>(metrics_.get());
    tokens_ = std::make_unique<access::TokenVerifier>(
        *crypto::JwkSet::FromJson("{\"keys\":[" + issuer_.PublicJwk() + "]}"),
        access::TokenOptions{.issuer = std::string(access::kDevelopmentIssuer),
                             .audience = std::string(access::kDevelopmentAudience)},
        &clock_);
    store_ = journal::NewMemoryStore();
    journal_ = *journal::Journal::Open(journal::ModelOf<TallyRules>(), {}, store_.get(), &clock_,
                                       metrics_.get());
    AdapterParts parts;
    parts.journal = journal_.get();
    parts.tokens = tokens_.get();
    parts.evidence = &keys_;
    parts.clock = &clock_;
    parts.hmac_key = "a key of the service";
    parts.call_metrics = call_metrics_.get();
    service_ = std::make_unique<TallyServiceImpl>(parts);
    journal_service_ = std::make_unique<JournalServiceImpl>(parts);
    absl::StatusOr<std::unique_ptr<Host>> host =
        Host::Start({}, testing::IdentityOf("tally"), {service_.get(), journal_service_.get()});
    ASSERT_TRUE(host.ok()) << host.status();
    host_ = *std::move(host);
    channel_ =
        MakeChannel(base::Concat("localhost:", host_->port()), testing::IdentityOf("tester"));
    stub_ = v1::TallyService::NewStub(channel_);
    journal_stub_ = journal::v1::JournalService::NewStub(channel_);
  }

  void TearDown() override { Stop(); }

  void Stop() {
    if (host_ == nullptr) return;
    journal_service_->EndFeeds();
    host_->Stop();
    journal_->Stop();
    host_.reset();
  }

  std::string Token(const std::string& role) {
    access::Claims claims;
    claims.subject = "wendy";
    claims.organisation = "SVC01";
    claims.role = role;
    claims.purpose = "direct_care";
    return *access::MintToken(issuer_, access::kDevelopmentIssuer, access::kDevelopmentAudience,
                              claims, clock_.Now(), absl::Hours(1));
  }

  static v1::AddTallyRequest Adding(const std::string& tally, int64_t amount,
                                    const std::string& owner = "", const std::string& words = "") {
    v1::AddTallyRequest request;
    request.set_request_id(NewId());
    request.set_tally_id(tally);
    request.set_owner_id(owner);
    request.set_amount(amount);
    if (!words.empty()) request.mutable_words()->set_text(words);
    return request;
  }

  absl::Status Add(const v1::AddTallyRequest& request, v1::AddTallyResponse* response = nullptr,
                   const std::string& bearer = "") {
    grpc::ClientContext context;
    PrepareCall(context, absl::Now() + kWaitMax, bearer);
    v1::AddTallyResponse unused;
    return FromGrpc(stub_->AddTally(&context, request, response == nullptr ? &unused : response));
  }

  absl::StatusOr<v1::GetTallyResponse> Get(const std::string& tally, bool throws = false) {
    grpc::ClientContext context;
    PrepareCall(context, absl::Now() + kWaitMax);
    v1::GetTallyRequest request;
    request.set_tally_id(tally);
    request.set_throws(throws);
    v1::GetTallyResponse response;
    FETTLE_RETURN_IF_ERROR(FromGrpc(stub_->GetTally(&context, request, &response)));
    return response;
  }

  std::vector<journal::StoredEvent> Items(journal::Log log) {
    auto reader = *journal_->NewReader();
    EXPECT_TRUE(reader->Refresh().ok());
    return *reader->ReadLog(log, 1, 10'000);
  }

  // "REASON method caller" of every access record of a refusal.
  std::vector<std::string> Refusals() {
    std::vector<std::string> refusals;
    for (const journal::StoredEvent& item : Items(journal::Log::kAccess)) {
      journal::v1::AccessEvent event;
      EXPECT_TRUE(event.ParseFromString(item.value));
      const journal::v1::AccessRecorded& record = event.access_recorded();
      if (record.outcome() != journal::v1::OUTCOME_REFUSED) continue;
      refusals.push_back(record.reason() + " " +
                         record.method().substr(record.method().rfind('.') + 1) + " " +
                         event.header().caller());
    }
    return refusals;
  }

  // Lets nobody read until it is destroyed.
  class BusyReaders {
   public:
    explicit BusyReaders(journal::Journal& journal) {
      for (int i = 0; i < kReaders; ++i) {
        journal.Query([this](absl::StatusOr<journal::JournalSnapshot*>) {
          busy_.fetch_add(1);
          free_.WaitForNotification();
          busy_.fetch_sub(1);
        });
      }
      Await(kReaders);
    }
    ~BusyReaders() {
      free_.Notify();
      Await(0);
    }

   private:
    static constexpr int kReaders = 2;  // JournalOptions::reader_threads
    void Await(int count) {
      while (busy_.load() != count) absl::SleepFor(absl::Milliseconds(1));
    }
    std::atomic<int> busy_ = 0;
    absl::Notification free_;
  };

  bool Eventually(const std::function<bool()>& holds) {
    const absl::Time until = absl::Now() + kWaitMax;
    while (!holds()) {
      if (absl::Now() > until) return false;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return true;
  }

  base::ManualClock clock_{absl::Now()};
  crypto::JwsKey issuer_;
  Keys keys_;
  std::unique_ptr<base::Metrics> metrics_;
  std::unique_ptr<CallMetrics> call_metrics_;
  std::unique_ptr<access::TokenVerifier> tokens_;
  std::unique_ptr<journal::Store> store_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<TallyServiceImpl> service_;
  std::unique_ptr<JournalServiceImpl> journal_service_;
  std::unique_ptr<Host> host_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::TallyService::Stub> stub_;
  std::unique_ptr<journal::v1::JournalService::Stub> journal_stub_;
};

TEST_F(AdapterTest, WordsAreSealedOnTheirWayInAndOpenOnTheirWayOut) {
  const std::string tally = NewId();
  ASSERT_TRUE(Add(Adding(tally, 3, kAnn, "CANARY")).ok());
  for (const journal::StoredEvent& item : Items(journal::Log::kEvents)) {
    EXPECT_THAT(item.value + item.private_half, Not(HasSubstr("CANARY")));
  }
  const absl::StatusOr<v1::GetTallyResponse> got = Get(tally);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->total(), 3);
  EXPECT_EQ(got->words().text(), "CANARY");
}

TEST_F(AdapterTest, EvidenceThatIsGatheredAgainSealsAgainAndIsNoRefusal) {
  const std::string tally = NewId();
  ASSERT_TRUE(Add(Adding(tally, 1, kAnn)).ok());
  // While the key of Ann is fetched for the words, the tally passes on to Bob.
  keys_.BeforeNext([&](const std::string& person) {
    EXPECT_EQ(person, kAnn);
    EXPECT_TRUE(Add(Adding(tally, 1, kBob)).ok());
  });
  const absl::Status added = Add(Adding(tally, 1, "", "for Bob alone"));
  ASSERT_TRUE(added.ok()) << added;
  EXPECT_THAT(keys_.asked(), ::testing::ElementsAre(kAnn, kBob));
  const absl::StatusOr<v1::GetTallyResponse> got = Get(tally);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->owner_id(), kBob);
  EXPECT_EQ(got->words().text(), "for Bob alone");
  EXPECT_THAT(Refusals(), ::testing::IsEmpty());
}

TEST_F(AdapterTest, ARepeatedRequestAsksNobody) {
  const v1::AddTallyRequest request = Adding(NewId(), 5, kAnn, "words");
  v1::AddTallyResponse first, second;
  ASSERT_TRUE(Add(request, &first).ok());
  ASSERT_TRUE(Add(request, &second).ok());
  EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
  EXPECT_EQ(keys_.asked().size(), 1u);
}

TEST_F(AdapterTest, ARequestThatIsRefusedAsThingsStandMakesNoKey) {
  v1::AddTallyRequest request = Adding(NewId(), kTotalMax + 1, kAnn, "words");
  request.set_make_key(true);
  EXPECT_EQ(base::ReasonOf(Add(request)), "TALLY_FULL");
  EXPECT_THAT(keys_.asked(), ::testing::IsEmpty());
  EXPECT_THAT(Refusals(), ::testing::ElementsAre("TALLY_FULL AddTally service:tester"));
}

TEST_F(AdapterTest, WhatIsKnownGoesStraightToTheJournalAndTheRestToAReader) {
  v1::AddTallyRequest making = Adding(NewId(), 1, kBob, "words");
  making.set_make_key(true);
  std::future<absl::Status> made;
  {
    BusyReaders busy(*journal_);
    // A key is made on a reader's thread, not on one of gRPC's, where it would keep others waiting.
    made = std::async(std::launch::async, [&] { return Add(making); });
    absl::SleepFor(absl::Milliseconds(50));
    EXPECT_THAT(keys_.asked(), ::testing::IsEmpty());
    keys_.all_known = true;
    EXPECT_TRUE(Add(Adding(NewId(), 1, kAnn, "words")).ok());
    EXPECT_TRUE(Add(Adding(NewId(), 1, kAnn)).ok()) << "without words nothing is asked";
  }
  EXPECT_TRUE(made.get().ok());
  EXPECT_THAT(keys_.asked(), ::testing::ElementsAre(kBob));
}

TEST_F(AdapterTest, QueriesSeeTheClockAndDeadlinesTheWorld) {
  clock_.Advance(absl::Hours(24 * 31));
  const std::string tally = NewId();
  const absl::Status added = Add(Adding(tally, 1, kAnn));
  ASSERT_TRUE(added.ok()) << added;
  const absl::StatusOr<v1::GetTallyResponse> got = Get(tally);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->today(), base::LondonDate(clock_.Now()));
}

TEST_F(AdapterTest, QuestionsAreAskedInTheNameOfTheCaller) {
  const std::string token = Token("link_worker"), journey = NewId();
  const std::string trace = base::FormatTraceparent(base::NewTrace());
  grpc::ClientContext context;
  PrepareCall(context, absl::Now() + kWaitMax, token, trace, journey);
  v1::AddTallyResponse response;
  ASSERT_TRUE(stub_->AddTally(&context, Adding(NewId(), 1, kAnn, "words"), &response).ok());
  EXPECT_EQ(keys_.asker().bearer, token);
  EXPECT_EQ(keys_.asker().traceparent, trace);
  EXPECT_EQ(keys_.asker().correlation_id, journey);
  ASSERT_TRUE(Add(Adding(NewId(), 1, kAnn, "words")).ok());
  EXPECT_EQ(keys_.asker().bearer, "");
}

TEST_F(AdapterTest, ARuleThatThrowsEndsOneCall) {
  v1::AddTallyRequest throwing = Adding(NewId(), 1, kAnn);
  throwing.set_throws(true);
  const std::string tally = NewId();
  ASSERT_TRUE(Add(Adding(tally, 1, kAnn)).ok());
  EXPECT_EQ(Add(throwing).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Get(tally, /*throws=*/true).status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(Add(Adding(tally, 1, kAnn)).ok());
}

TEST_F(AdapterTest, WhoeverIsTurnedAwayIsCountedAndLoggedAndLeavesNoRecord) {
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(Add(Adding(NewId(), 1, kAnn), nullptr, "x.y.z").code(),
              absl::StatusCode::kUnauthenticated);
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log,
              HasSubstr("\"message\":\"a call was turned away\",\"method\":"
                        "\"fettle.tally.v1.TallyService.AddTally\",\"code\":\"UNAUTHENTICATED\","
                        "\"reason\":\"TOKEN_MALFORMED\",\"left_out\":0}"));
  EXPECT_THAT(log, Not(HasSubstr("x.y.z")));
  EXPECT_LT(std::count(log.begin(), log.end(), '\n'), 30) << "limited";
  EXPECT_THAT(Refusals(), ::testing::IsEmpty());
}

TEST_F(AdapterTest, RefusalsOfTheJournalServiceLeaveRecordsAndAllItsCallsAreCounted) {
  {
    grpc::ClientContext context;
    PrepareCall(context, absl::Now() + kWaitMax, Token("link_worker"));
    journal::v1::ReadJournalRequest request;
    request.set_log(journal::v1::LOG_EVENTS);
    auto reader = journal_stub_->ReadJournal(&context, request);
    journal::v1::ReadJournalResponse response;
    EXPECT_FALSE(reader->Read(&response));
    EXPECT_EQ(base::ReasonOf(FromGrpc(reader->Finish())), "ROLE_NOT_ALLOWED");
  }
  {
    grpc::ClientContext context;
    PrepareCall(context, absl::Now() + kWaitMax, Token("link_worker"));
    journal::v1::GetControlTotalRequest request;
    request.set_log(journal::v1::LOG_EVENTS);
    journal::v1::GetControlTotalResponse response;
    EXPECT_FALSE(journal_stub_->GetControlTotal(&context, request, &response).ok());
  }
  grpc::ClientContext context;
  PrepareCall(context, absl::Now() + kWaitMax, Token("link_worker"));
  journal::v1::GetOperationRequest request;
  request.set_request_id(NewId());
  journal::v1::GetOperationResponse response;
  EXPECT_TRUE(journal_stub_->GetOperation(&context, request, &response).ok());
  EXPECT_EQ(response.state(), journal::v1::OPERATION_STATE_UNKNOWN);
  EXPECT_THAT(Refusals(), ::testing::ElementsAre("ROLE_NOT_ALLOWED ReadJournal user:wendy",
                                                 "ROLE_NOT_ALLOWED GetControlTotal user:wendy"));
  for (const char* counted :
       {"code=\"PERMISSION_DENIED\",method=\"fettle.journal.v1.JournalService."
        "ReadJournal\"",
        "code=\"OK\",method=\"fettle.journal.v1.JournalService.GetOperation\""}) {
    EXPECT_THAT(metrics_->Text(), HasSubstr(counted));
  }
}

TEST_F(AdapterTest, AFeedWhoseReaderGoesWhileItLoadsEnds) {
  grpc::ClientContext context;
  PrepareCall(context, absl::Now() + kWaitMax, Token("auditor"));
  journal::v1::ReadJournalRequest request;
  request.set_log(journal::v1::LOG_EVENTS);
  {
    BusyReaders busy(*journal_);
    auto reader = journal_stub_->ReadJournal(&context, request);
    // Its access record is stored: it waits for a reader now.
    ASSERT_TRUE(Eventually([&] { return journal_->position(journal::Log::kAccess) == 1; }));
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
    absl::SleepFor(absl::Milliseconds(200));  // until the server knows
  }
  EXPECT_TRUE(Eventually([&] {
    return metrics_->Text().find("code=\"CANCELLED\"") != std::string::npos;
  })) << "the feed waits for a commit that nobody wants";
}

TEST_F(AdapterTest, ManyCallersAtOnceSomeOfWhomGoAwayAndAStopInTheMiddle) {
  constexpr int kCallers = 64, kCallsEach = 25;
  std::vector<std::string> tallies;
  for (int i = 0; i < 4; ++i) tallies.push_back(NewId());
  std::atomic<int> ended = 0;
  std::atomic<bool> stopping = false;
  absl::Mutex mutex;
  std::set<std::string> answered;  // request ids whose effect was promised

  grpc::ClientContext feed_context;
  PrepareCall(feed_context, absl::Now() + 2 * kWaitMax, Token("auditor"));
  journal::v1::ReadJournalRequest feed_request;
  feed_request.set_log(journal::v1::LOG_EVENTS);
  std::vector<int64_t> positions;
  std::thread feed([&] {
    auto reader = journal_stub_->ReadJournal(&feed_context, feed_request);
    journal::v1::ReadJournalResponse item;
    while (reader->Read(&item)) positions.push_back(item.position());
    const absl::Status status = FromGrpc(reader->Finish());
    // The reason, or the connection's end, which may overtake it.
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  });

  std::vector<std::thread> callers;
  for (int c = 0; c < kCallers; ++c) {
    callers.emplace_back([&, c] {
      std::minstd_rand random(c + 1);
      for (int i = 0; i < kCallsEach; ++i) {
        const std::string& tally = tallies[random() % tallies.size()];
        v1::AddTallyRequest request =
            Adding(tally, 1, random() % 2 == 0 ? kAnn : "", random() % 2 == 0 ? "words" : "");
        grpc::ClientContext context;
        // Some have no time, some go away.
        const bool hurried = random() % 8 == 0, leaves = random() % 8 == 0;
        PrepareCall(context, absl::Now() + (hurried ? absl::Milliseconds(1) : kWaitMax));
        std::thread canceller;
        if (leaves) {
          canceller = std::thread([&context] {
            absl::SleepFor(absl::Milliseconds(1));
            context.TryCancel();
          });
        }
        v1::AddTallyResponse response;
        const absl::Status status = FromGrpc(stub_->AddTally(&context, request, &response));
        if (canceller.joinable()) canceller.join();
        if (status.ok()) {
          absl::MutexLock lock(&mutex);
          answered.insert(request.request_id());
        } else {
          EXPECT_TRUE(hurried || leaves || stopping.load() ||
                      base::ReasonOf(status) == "EVIDENCE_STALE")
              << status;
        }
        if (i % 4 == 0 && !stopping.load()) (void)Get(tally);  // only that it ends matters
        ended.fetch_add(1);
      }
    });
  }
  EXPECT_TRUE(Eventually([&] { return ended.load() > kCallers * kCallsEach / 2; }));
  stopping = true;
  const absl::Time start = absl::Now();
  Stop();
  EXPECT_LT(absl::Now() - start, kWaitMax);
  for (std::thread& caller : callers) caller.join();
  feed.join();

  // What was promised is there, once; the feed gave a prefix without a gap.
  std::multiset<std::string> effects;
  for (const journal::StoredEvent& item : Items(journal::Log::kEvents)) {
    v1::TallyEvent event;
    ASSERT_TRUE(event.ParseFromString(item.value));
    effects.insert(event.header().request_id());
  }
  EXPECT_GT(answered.size(), 0u);
  for (const std::string& id : answered) EXPECT_EQ(effects.count(id), 1u);
  for (const std::string& id : effects) EXPECT_EQ(effects.count(id), 1u);
  for (size_t i = 0; i < positions.size(); ++i) {
    EXPECT_EQ(positions[i], static_cast<int64_t>(i) + 1);
  }
  EXPECT_GT(positions.size(), 0u);
}

}  // namespace
}  // namespace fettle::rpc
