// Clocks that speak: which stage a referral waits in, from when, and that it is said once.
#include "services/referral/domain/referral_testing.h"

namespace fettle::referral {
namespace {

using base::IsDone;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int kLimitDays = 5;
constexpr absl::Duration kDay = absl::Hours(24);

class ClockTest : public ReferralTest {
 protected:
  ClockTest() { Registered(Register(kLimitDays)); }

  // The stage that the one timer of a referral is for, and days until it is due.
  std::pair<std::string, int> Waits(const std::string& id) {
    const std::vector<base::Timer> timers = journal.TimersOf(id);
    EXPECT_THAT(timers, SizeIs(1));
    if (timers.empty()) return {};
    // Commands take seconds: rounded to the next day.
    return {timers[0].name, static_cast<int>((timers[0].due - journal.now + kDay / 2) / kDay)};
  }
};

TEST_F(ClockTest, EachStageHasItsOwnBeginning) {
  const std::string id = Submitted();
  EXPECT_EQ(Waits(id), std::pair(std::string("TRIAGE"), 5));
  journal.now += 2 * kDay;
  ASSERT_THAT(journal.When(Triage(id)), IsDone());
  EXPECT_EQ(Waits(id), std::pair(std::string("TRIAGE"), 3)) << "from its arrival";
  ASSERT_THAT(journal.When(RequestInformation(id)), IsDone());
  EXPECT_EQ(Waits(id), std::pair(std::string("INFORMATION"), 5));
  journal.now += kDay;
  AsReferrer();
  ASSERT_THAT(journal.When(ProvideInformation(id)), IsDone());
  EXPECT_EQ(Waits(id), std::pair(std::string("TRIAGE"), 5)) << "from the answer";
  AsReceiver();
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  EXPECT_EQ(Waits(id), std::pair(std::string("FIRST_CONTACT"), 5));
  journal.now += 3 * kDay;
  ASSERT_THAT(journal.When(Pause(id)), IsDone());
  EXPECT_EQ(Waits(id), std::pair(std::string("FIRST_CONTACT"), 2))
      << "INV-52: a pause hides nothing";
  v1::StartReferralRequest start = Start(id);
  start.set_first_contact_date(journal.today());
  ASSERT_THAT(journal.When(start), IsDone());
  EXPECT_EQ(Waits(id), std::pair(std::string("LAST_CONTACT"), 5));
  journal.now += 2 * kDay;
  ASSERT_THAT(journal.When(Contact(id)), IsDone());
  EXPECT_EQ(Waits(id), std::pair(std::string("LAST_CONTACT"), 3)) << "an attempt is no contact";
  ASSERT_THAT(journal.When(Contact(id, v1::CONTACT_OUTCOME_REACHED)), IsDone());
  EXPECT_EQ(Waits(id), std::pair(std::string("LAST_CONTACT"), 5));
  v1::CompleteReferralRequest complete = Complete(id);
  complete.set_closed_date(journal.today());
  ASSERT_THAT(journal.When(complete), IsDone());
  EXPECT_THAT(journal.TimersOf(id), IsEmpty());
}

TEST_F(ClockTest, WhatIsDueIsShownAlsoWhenItIsOverdue) {
  const std::string id = Submitted();
  const auto due = [&] {
    v1::GetReferralRequest get;
    get.set_referral_id(id);
    return journal.Ask(get)->referral();
  };
  EXPECT_EQ(due().due_stage(), v1::STAGE_TRIAGE);
  EXPECT_EQ(TimeOf(due().due_time()), journal.TimersOf(id)[0].due);
  Fire(id, journal.TimersOf(id)[0]);
  EXPECT_THAT(journal.TimersOf(id), IsEmpty());
  EXPECT_EQ(due().due_stage(), v1::STAGE_TRIAGE) << "it is still due";
  ASSERT_THAT(journal.When(Triage(id)), IsDone());
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  v1::StartReferralRequest start = Start(id);
  start.set_first_contact_date(journal.today());
  ASSERT_THAT(journal.When(start), IsDone());
  ASSERT_THAT(journal.When(Contact(id, v1::CONTACT_OUTCOME_REACHED)), IsDone());
  EXPECT_EQ(due().due_stage(), v1::STAGE_LAST_CONTACT);
  EXPECT_EQ(TimeOf(due().due_time()), TimeOf(due().last_contact_time()) + kLimitDays * kDay);
  v1::CompleteReferralRequest complete = Complete(id);
  complete.set_closed_date(journal.today());
  ASSERT_THAT(journal.When(complete), IsDone());
  EXPECT_FALSE(due().has_due_time());
}

TEST_F(ClockTest, StallIsSaidOncePerCrossing) {
  const std::string id = Submitted();
  const base::Timer timer = journal.TimersOf(id)[0];
  journal.now = timer.due + 3 * kDay;  // the service was not running
  auto events = Fire(id, timer);
  ASSERT_THAT(events, SizeIs(1));
  const v1::ReferralStalled& stalled = events[0].referral_stalled();
  EXPECT_EQ(stalled.stage(), v1::STAGE_TRIAGE);
  EXPECT_EQ(stalled.days(), 8);
  EXPECT_EQ(stalled.limit_days(), kLimitDays);
  EXPECT_EQ(stalled.organisation(), kProvider);
  EXPECT_THAT(journal.TimersOf(id), IsEmpty());
  EXPECT_THAT(Fire(id, timer), IsEmpty());
  ASSERT_THAT(journal.When(Triage(id)), IsDone());
  EXPECT_THAT(journal.TimersOf(id), IsEmpty()) << "the same stage";

  // The stage begins anew: another crossing.
  ASSERT_THAT(journal.When(RequestInformation(id)), IsDone());
  const base::Timer question = journal.TimersOf(id)[0];
  ASSERT_THAT(journal.When(Triage(id)), IsDone());
  journal.now += 5 * kDay;
  EXPECT_THAT(Fire(id, question), IsEmpty()) << "it was left in time";
  events = Fire(id, journal.TimersOf(id)[0]);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].referral_stalled().days(), 5);
  EXPECT_THAT(journal.StateOf(id)->stalls(), SizeIs(1)) << "the newest of each stage";

  v1::GetReferralRequest get;
  get.set_referral_id(id);
  EXPECT_EQ(journal.Ask(get)->referral().stalls(0).stage(), v1::STAGE_TRIAGE);
}

// A service that wants a plan 10 days after the first contact, and its review 5 days after the day
// that was planned, at the latest.
class PlanClockTest : public ClockTest {
 protected:
  std::string ActiveWithPlanClock() {
    v1::RegisterServiceRequest request = Register();
    request.set_service_id(kOtherService);
    request.mutable_description()->mutable_stage_limits()->set_plan_days(10);
    request.mutable_description()->mutable_stage_limits()->set_review_days(kLimitDays);
    Registered(request);
    const std::string id = InTriage(Submit(kPerson, kOtherService));
    EXPECT_THAT(journal.When(Accept(id)), IsDone());
    EXPECT_THAT(journal.TimersOf(id), IsEmpty()) << "before the first contact there is no plan";
    EXPECT_THAT(journal.When(Start(id)), IsDone());
    return id;
  }
};

TEST_F(PlanClockTest, PlanIsAwaitedFromTheFirstContact) {
  const std::string id = ActiveWithPlanClock();
  EXPECT_EQ(Waits(id), std::pair(std::string("PLAN"), 10));
  journal.now += 4 * kDay;
  ASSERT_THAT(journal.When(Contact(id, v1::CONTACT_OUTCOME_REACHED)), IsDone());
  EXPECT_EQ(Waits(id), std::pair(std::string("PLAN"), 6));
  ASSERT_THAT(journal.When(Offer(id, v1::PLAN_OFFER_DECLINED)), IsDone());
  EXPECT_THAT(journal.TimersOf(id), IsEmpty()) << "there will be none";
  ASSERT_THAT(journal.When(Offer(id, v1::PLAN_OFFER_ACCEPTED)), IsDone());
  const base::Timer timer = journal.TimersOf(id)[0];
  journal.now = timer.due;
  const auto events = Fire(id, timer);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].referral_stalled().stage(), v1::STAGE_PLAN);
  EXPECT_EQ(events[0].referral_stalled().days(), 10);
  EXPECT_EQ(events[0].referral_stalled().worker_id(), "worker-1");
  EXPECT_THAT(journal.TimersOf(id), IsEmpty());
  EXPECT_THAT(Fire(id, timer), IsEmpty()) << "once";
}

TEST_F(PlanClockTest, ReviewIsAwaitedFromThePlannedDayOrTheLast) {
  const std::string id = ActiveWithPlanClock();
  v1::RecordCarePlanRequest plan = Plan(id);
  plan.mutable_plan()->set_planned_review_date("2025-04-17");
  ASSERT_THAT(journal.When(plan), IsDone());
  ASSERT_THAT(journal.TimersOf(id), SizeIs(1));
  const base::Timer timer = journal.TimersOf(id)[0];
  EXPECT_EQ(timer.name, "REVIEW");
  EXPECT_EQ(timer.due, base::LondonStart("2025-04-17") + kLimitDays * kDay);
  journal.now = timer.due + kDay;  // the service was not running
  const auto events = Fire(id, timer);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].referral_stalled().stage(), v1::STAGE_REVIEW);
  EXPECT_EQ(events[0].referral_stalled().days(), 6);
  EXPECT_THAT(Fire(id, timer), IsEmpty()) << "once";
  EXPECT_THAT(journal.TimersOf(id), IsEmpty());

  // A review: the wait begins anew, from it when no day is planned.
  ASSERT_THAT(journal.When(Review(id)), IsDone());
  EXPECT_EQ(Waits(id), std::pair(std::string("REVIEW"), 5));
  v1::ReviewCarePlanRequest last = Review(id);
  last.mutable_review()->set_outcome(v1::PLAN_REVIEW_OUTCOME_ENDS);
  ASSERT_THAT(journal.When(last), IsDone());
  EXPECT_THAT(journal.TimersOf(id), IsEmpty()) << "the plan has ended";
  plan.mutable_plan()->clear_planned_review_date();
  ASSERT_THAT(journal.When(plan), IsDone());
  EXPECT_EQ(Waits(id), std::pair(std::string("REVIEW"), 5)) << "a new version begins it again";
}

TEST_F(ClockTest, ServiceWithoutLimitsHasNoClock) {
  EXPECT_THAT(journal.TimersOf(Submitted(Submit(kPerson, kOtherService))), IsEmpty());
  EXPECT_THAT(journal.TimersOf(kService), IsEmpty());
  EXPECT_THAT(journal.TimersOf(Drafted()), IsEmpty());
}

}  // namespace
}  // namespace fettle::referral
