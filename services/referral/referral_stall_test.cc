// Goal: of 1,000 referrals exactly the 137 that stay too long are said to have stalled, each once
// and at its stage, also when the service is killed in the middle and not running when some come
// due. Method: the real journal over SQLite under a clock that the test drives; the first life of
// the service loses every second timer that it was given, as a kill does.
#include <filesystem>
#include <future>
#include <map>

#include "libs/journal/journal.h"
#include "libs/journal/sqlite_store.h"
#include "libs/rpc/adapter.h"
#include "services/referral/domain/referral_testing.h"

namespace fettle::referral {
namespace {

using journal::Answer;
using journal::AnyDecision;

// A request as the door hands it on, or a timer.
template <class Request>
class Decided final : public journal::Command {
 public:
  explicit Decided(Request request) : request_(std::move(request)) {}
  base::Reads ReadsOf(const base::View& view) const override {
    return ReferralRules::ReadsOf(request_, view);
  }
  absl::StatusOr<AnyDecision> Decide(const base::View& view,
                                     const base::Context& context) const override {
    auto decision = ReferralRules::Decide(view, request_, context);
    if (!decision.ok()) return decision.status();
    using Response = std::decay_t<decltype(decision->response)>;
    return AnyDecision{std::move(decision->events),
                       std::make_unique<Response>(std::move(decision->response))};
  }
  void Done(Answer answer) override { answered.set_value(std::move(answer)); }

  std::promise<Answer> answered;

 private:
  const Request request_;
};

class StallTest : public ReferralTest {
 protected:
  static constexpr int kReferrals = 1000;
  static constexpr int kStalled = 137;
  static constexpr int kLimitDays = 5;
  static constexpr absl::Duration kDay = absl::Hours(24);

  StallTest() {
    path_ =
        std::filesystem::temp_directory_path() / absl::StrCat("fettle-stall-", base::RandomSeed());
    std::filesystem::create_directories(path_);
    metrics_ = *base::Metrics::Create(std::nullopt);
    Open();
  }
  ~StallTest() override {
    real_.reset();
    store_.reset();
    std::filesystem::remove_all(path_);
  }

  void Open() {
    real_.reset();
    store_.reset();
    ::fettle::journal::SqliteStoreOptions options;
    options.path = (path_ / "referral.db").string();
    auto store = ::fettle::journal::OpenSqliteStore(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    auto opened = ::fettle::journal::Journal::Open(::fettle::journal::ModelOf<ReferralRules>(), {},
                                                   store_.get(), &clock_, metrics_.get());
    ASSERT_TRUE(opened.ok()) << opened.status();
    real_ = *std::move(opened);
  }

  // The answer to a request of somebody of the organisation, about a person.
  template <class Request>
  std::string Do(Request request, const std::string& organisation, const std::string& person) {
    base::ForEachSealedText(request, [](common::v1::SealedText& text) {
      text.set_sealed(text.text());
      text.clear_text();
    });
    auto command = std::make_unique<Decided<Request>>(std::move(request));
    command->call.method = "test";
    command->call.caller = {"somebody", false, organisation, "link_worker", "direct_care"};
    command->call.request_id = ids_.Next();
    common::v1::PersonContext context = journal.people[kPerson];
    context.set_person_id(person);
    command->evidence.people[person] = std::make_shared<common::v1::PersonContext>(context);
    for (const base::Questions::OrganisationQuestion& question :
         {base::Questions::OrganisationQuestion{kProvider, ""},
          base::Questions::OrganisationQuestion{kPractice, "2025-03-14"}}) {
      auto fact = std::make_shared<common::v1::OrganisationFact>();
      fact->set_ods_code(question.ods_code);
      fact->set_valid(true);
      command->evidence.organisations[question] = fact;
    }
    command->evidence.has_words = !person.empty();
    command->evidence.sealed_for = person;
    std::future<Answer> answer = command->answered.get_future();
    real_->Submit(std::move(command));
    const Answer answered = answer.get();
    EXPECT_TRUE(answered.status.ok()) << answered.status;
    return answered.response;
  }

  // Brings a referral of its own to a stage, and to an end in time when it is not to stall there.
  void Run(int number, std::optional<v1::Stage> stage) {
    const std::string person = absl::StrCat("0196d5a0-0001-7000-8000-00000000", 1000 + number);
    v1::SubmitReferralResponse submitted;
    const bool has_plan_clock = stage == v1::STAGE_PLAN || stage == v1::STAGE_REVIEW;
    submitted.ParseFromString(
        Do(Submit(person, has_plan_clock ? kOtherService : kService), kPractice, person));
    const std::string id = submitted.referral_id();
    if (stage) expected_[id] = *stage;
    if (stage == v1::STAGE_TRIAGE) return;
    if (!stage && number % 3 == 0) {
      Do(Withdraw(id), kPractice, person);
      return;
    }
    Do(Triage(id), kProvider, person);
    if (stage == v1::STAGE_INFORMATION) {
      Do(RequestInformation(id), kProvider, person);
      return;
    }
    if (!stage && number % 3 == 1) {
      Do(Reject(id), kProvider, person);
      return;
    }
    Do(Accept(id), kProvider, person);
    if (stage == v1::STAGE_FIRST_CONTACT) return;
    v1::StartReferralRequest start = Start(id);
    start.set_first_contact_date(base::LondonDate(clock_.Now()));
    Do(start, kProvider, person);
    if (stage == v1::STAGE_LAST_CONTACT || stage == v1::STAGE_PLAN) return;
    if (stage == v1::STAGE_REVIEW) {
      v1::RecordCarePlanRequest plan = Plan(id);
      plan.mutable_plan()->clear_criteria();
      Do(plan, kProvider, person);
      return;
    }
    v1::CompleteReferralRequest complete = Complete(id);
    complete.set_closed_date(base::LondonDate(clock_.Now()));
    Do(complete, kProvider, person);
  }

  // The stage of each referral that has stalled; a second event of one is a failure.
  std::map<std::string, v1::Stage> Stalled() {
    auto reader = *real_->NewReader();
    EXPECT_TRUE(reader->Refresh().ok());
    std::map<std::string, v1::Stage> stalled;
    const auto log = reader->ReadLog(::fettle::journal::Log::kEvents, 1, 1'000'000);
    if (!log.ok()) return stalled;
    for (const ::fettle::journal::StoredEvent& stored : *log) {
      v1::ReferralEvent event;
      EXPECT_TRUE(event.ParseFromString(stored.value));
      if (!event.has_referral_stalled()) continue;
      EXPECT_EQ(event.header().caller(), "service:referral");
      EXPECT_TRUE(
          stalled.emplace(event.header().stream_id(), event.referral_stalled().stage()).second)
          << "said twice";
    }
    return stalled;
  }
  // Lets the clock run until so many have stalled, and a little longer.
  std::map<std::string, v1::Stage> StalledWhenThereAre(size_t count) {
    for (int i = 0; i < 200 && Stalled().size() < count; ++i) {
      clock_.Advance(absl::Seconds(2));
      absl::SleepFor(absl::Milliseconds(50));
    }
    clock_.Advance(absl::Seconds(2));
    absl::SleepFor(absl::Milliseconds(200));
    return Stalled();
  }

  base::ManualClock clock_{journal.now};
  base::IdSource ids_{journal.now, 1};
  std::filesystem::path path_;
  std::unique_ptr<base::Metrics> metrics_;
  std::unique_ptr<::fettle::journal::Store> store_;
  std::unique_ptr<::fettle::journal::Journal> real_;
  std::map<std::string, v1::Stage> expected_;
};

TEST_F(StallTest, OfAThousandExactlyThoseThatStayTooLong) {
  Do(Register(kLimitDays), kProvider, "");
  // One that waits for plans and their reviews alone, so that each referral stalls once.
  v1::RegisterServiceRequest with_plans = Register();
  with_plans.set_service_id(kOtherService);
  v1::StageLimits& limits = *with_plans.mutable_description()->mutable_stage_limits();
  limits.set_plan_days(kLimitDays);
  limits.set_review_days(kLimitDays);
  Do(with_plans, kProvider, "");
  // Half of them come on the first day, half three days later.
  for (int wave = 0; wave < 2; ++wave) {
    for (int i = wave; i < kReferrals; i += 2) {
      const int nth = i * kStalled / kReferrals;
      const bool stalls = (i + 1) * kStalled / kReferrals > nth;
      Run(i,
          stalls ? std::optional(static_cast<v1::Stage>(1 + nth % v1::Stage_MAX)) : std::nullopt);
    }
    clock_.Advance(3 * kDay);
  }
  ASSERT_EQ(expected_.size(), size_t{kStalled});
  EXPECT_TRUE(Stalled().empty());

  // Day 6: the first half is due, and every second timer is lost with the process.
  size_t given = 0, taken = 0;
  const auto lose_some = [&](const base::TimerDue& due) {
    if (++given % 2 == 0) return;
    ++taken;
    auto command = std::make_unique<Decided<base::TimerDue>>(due);
    command->timer = due;
    command->call = ::fettle::journal::TimerCall(real_->model(), due);
    real_->Submit(std::move(command));
  };
  real_->OnTimer(lose_some);
  const auto first = StalledWhenThereAre(30);
  real_->Stop();
  EXPECT_EQ(first.size(), taken);
  EXPECT_GT(taken, 0u);
  EXPECT_LT(taken, given);

  // Day 20: the rest came due while nothing ran.
  clock_.Advance(14 * kDay);
  for (int life = 0; life < 2; ++life) {
    Open();
    rpc::AdapterParts parts;
    parts.journal = real_.get();
    const rpc::Adapter<ReferralRules> adapter(parts);
    EXPECT_EQ(StalledWhenThereAre(kStalled), expected_);
    real_->Stop();
  }
}

}  // namespace
}  // namespace fettle::referral
