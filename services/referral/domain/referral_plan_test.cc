// What a worker and a person make together: the plan, its reviews and risks, decisions, measures.
#include "services/referral/domain/referral_testing.h"

namespace fettle::referral {
namespace {

using absl::StatusCode;
using base::IsDone;
using base::RefusedField;
using base::RefusedWith;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr absl::Duration kDay = absl::Hours(24);

class PlanTest : public ReferralTest {
 protected:
  const v1::CareRecord& CareOf(const std::string& id) { return journal.StateOf(id)->care(); }
  std::vector<v1::MeasureChange> Changes(const std::string& id) {
    v1::GetReferralRequest get;
    get.set_referral_id(id);
    const auto answer = journal.Ask(get);
    EXPECT_THAT(answer, IsDone());
    return {answer->referral().measure_changes().begin(),
            answer->referral().measure_changes().end()};
  }
  static common::v1::FieldRule RuleOf(const google::protobuf::Descriptor* type,
                                      const std::string& field) {
    return type->FindFieldByName(field)->options().GetExtension(common::v1::rule);
  }
};

TEST_F(PlanTest, PlanIsRecordedWholeAsAVersion) {
  const std::string id = Active();
  v1::RecordCarePlanRequest request = Plan(id);
  request.mutable_plan()->set_planned_review_date("2025-06-17");
  request.mutable_plan()->set_review_worker_id("worker-1");
  request.mutable_plan()->set_funding(v1::CARE_FUNDING_NHS);
  auto done = journal.When(request);
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->response.plan_version(), 1);
  ASSERT_THAT(done->events, SizeIs(1));
  EXPECT_EQ(done->events[0].care_plan_recorded().plan_version(), 1);
  EXPECT_EQ(CareOf(id).plan().goals(1).importance(), 8);
  EXPECT_EQ(CareOf(id).next_review_date(), "2025-06-17");

  request.mutable_plan()->mutable_goals()->DeleteSubrange(1, 1);
  done = journal.When(request);
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->response.plan_version(), 2);
  EXPECT_THAT(CareOf(id).plan().goals(), SizeIs(1));
  // The earlier version stays in its event.
  const auto& events = journal.EventsOf(id);
  EXPECT_THAT(events[events.size() - 2].care_plan_recorded().plan().goals(), SizeIs(2));

  v1::GetReferralRequest get;
  get.set_referral_id(id);
  EXPECT_EQ(journal.Ask(get)->referral().care().plan_version(), 2);
}

// INV-24: the door holds requests to these bounds.
TEST_F(PlanTest, Inv24ImportanceAndConfidenceAreOneToTen) {
  for (const auto& [type, field] : {std::pair(v1::Goal::descriptor(), "importance"),
                                    std::pair(v1::Action::descriptor(), "confidence")}) {
    EXPECT_EQ(RuleOf(type, field).min(), 1) << field;
    EXPECT_EQ(RuleOf(type, field).max(), 10) << field;
  }
}

TEST_F(PlanTest, GoalsAreThoseOfThePlan) {
  const std::string id = Active();
  v1::RecordCarePlanRequest request = Plan(id);
  request.mutable_plan()->mutable_goals(1)->set_number(1);
  EXPECT_THAT(journal.When(request), RefusedField("plan.goals[1].number", "GOAL_NUMBER_TAKEN"));
  request = Plan(id);
  request.mutable_plan()->mutable_goals(1)->set_stage_of(2);
  EXPECT_THAT(journal.When(request), RefusedField("plan.goals[1].stage_of", "GOAL_NOT_IN_PLAN"));
  request.mutable_plan()->mutable_goals(1)->set_stage_of(7);
  EXPECT_THAT(journal.When(request), RefusedField("plan.goals[1].stage_of", "GOAL_NOT_IN_PLAN"));
  request.mutable_plan()->mutable_goals(1)->set_stage_of(1);
  EXPECT_THAT(journal.When(request), IsDone());
  request.mutable_plan()->mutable_actions(0)->set_goal_number(3);
  EXPECT_THAT(journal.When(request),
              RefusedField("plan.actions[0].goal_number", "GOAL_NOT_IN_PLAN"));
  request = Plan(id);
  request.mutable_plan()->mutable_needs(0)->clear_text();
  EXPECT_THAT(journal.When(request), RefusedField("plan.needs[0].text", "NEED_WITHOUT_CONTENT"));
}

// INV-43: all five, and any one that does not hold takes it out again.
TEST_F(PlanTest, Inv43PcspIsAllFiveCriteria) {
  const std::string id = Active();
  auto done = journal.When(Plan(id));
  ASSERT_THAT(done, IsDone());
  EXPECT_TRUE(done->response.is_pcsp());
  EXPECT_TRUE(CareOf(id).is_pcsp());
  using Criteria = v1::PlanCriteria;
  for (const auto set : {&Criteria::set_person_central, &Criteria::set_conversation_held,
                         &Criteria::set_outcomes_agreed, &Criteria::set_one_sharable_plan,
                         &Criteria::set_review_arranged}) {
    v1::RecordCarePlanRequest request = Plan(id);
    (request.mutable_plan()->mutable_criteria()->*set)(false);
    done = journal.When(request);
    ASSERT_THAT(done, IsDone());
    EXPECT_FALSE(done->events[0].care_plan_recorded().is_pcsp());
    EXPECT_FALSE(CareOf(id).is_pcsp());
  }
  v1::RecordCarePlanRequest request = Plan(id);
  request.mutable_plan()->clear_criteria();
  EXPECT_FALSE(journal.When(request)->response.is_pcsp());
  request = Plan(id);
  request.mutable_plan()->set_planned_review_date("2025-03-16");
  EXPECT_THAT(journal.When(request),
              RefusedField("plan.planned_review_date", "PLANNED_DATE_OUT_OF_RANGE"));
  request.mutable_plan()->clear_planned_review_date();
  request.mutable_plan()->mutable_criteria()->set_date("2025-03-18");
  EXPECT_THAT(journal.When(request), RefusedField("plan.criteria.date", "DATE_IN_FUTURE"));
  request.mutable_plan()->mutable_criteria()->set_date("2025-03-16");
  EXPECT_THAT(journal.When(request), RefusedField("plan.criteria.date", "DATE_TOO_EARLY"));
}

// INV-46: a plan that nobody agreed to says why.
TEST_F(PlanTest, Inv46NoAgreementHasAReason) {
  const std::string id = Active();
  v1::RecordCarePlanRequest request = Plan(id);
  request.mutable_plan()->set_agreement(v1::PLAN_AGREEMENT_NONE);
  EXPECT_THAT(journal.When(request), RefusedField("plan.not_agreed_reason", "AGREEMENT_OR_REASON"));
  request.mutable_plan()->mutable_not_agreed_reason()->set_text("wants to think about it");
  ASSERT_THAT(journal.When(request), IsDone());
  EXPECT_TRUE(HasWords(CareOf(id).plan().not_agreed_reason()));
  request.mutable_plan()->set_agreement(v1::PLAN_AGREEMENT_REPRESENTATIVE);
  EXPECT_THAT(journal.When(request), RefusedField("plan.not_agreed_reason", "AGREEMENT_OR_REASON"));
}

// INV-46: a risk ends, and stays with its end; nothing takes it away.
TEST_F(PlanTest, Inv46RisksEndAndStay) {
  const std::string id = Active();
  ASSERT_THAT(journal.When(AddRisk(id)), IsDone());
  const auto second = journal.When(AddRisk(id));
  ASSERT_THAT(second, IsDone());
  EXPECT_EQ(second->response.number(), 2);
  v1::EndPlanRiskRequest end = EndRisk(id, 1);
  end.set_end_date("2025-03-16");
  EXPECT_THAT(journal.When(end), RefusedField("end_date", "DATE_TOO_EARLY"));
  end.set_end_date("2025-03-18");
  EXPECT_THAT(journal.When(end), RefusedField("end_date", "DATE_IN_FUTURE"));
  ASSERT_THAT(journal.When(EndRisk(id, 1)), IsDone());
  EXPECT_THAT(journal.When(EndRisk(id, 1)), RefusedField("number", "RISK_NOT_OPEN"));
  EXPECT_THAT(journal.When(EndRisk(id, 3)), RefusedField("number", "RISK_NOT_OPEN"));

  // Whatever else happens.
  ASSERT_THAT(journal.When(Plan(id)), IsDone());
  ASSERT_THAT(journal.When(Review(id)), IsDone());
  ASSERT_THAT(journal.When(Complete(id)), IsDone());
  ASSERT_THAT(CareOf(id).risks(), SizeIs(2));
  const v1::PlanRisk& ended = CareOf(id).risks(0);
  EXPECT_EQ(ended.number(), 1);
  EXPECT_TRUE(HasWords(ended.risk().description()));
  EXPECT_EQ(ended.end_date(), kToday);
  EXPECT_TRUE(HasWords(ended.end_reason()));
  EXPECT_EQ(ended.added_by(), "user:link_worker-of-RXH01");
  EXPECT_EQ(CareOf(id).risks(1).end_date(), "");
}

TEST_F(PlanTest, ReviewSaysWhatCameOfGoals) {
  const std::string id = Active();
  EXPECT_THAT(journal.When(Review(id)),
              RefusedWith(StatusCode::kFailedPrecondition, "PLAN_MISSING"));
  ASSERT_THAT(journal.When(Plan(id)), IsDone());
  journal.now += 30 * kDay;
  v1::ReviewCarePlanRequest request = Review(id);
  v1::GoalOutcome& outcome = *request.mutable_review()->add_goal_outcomes();
  outcome.set_goal_number(3);
  outcome.set_status(v1::GOAL_STATUS_ACHIEVED);
  EXPECT_THAT(journal.When(request),
              RefusedField("review.goal_outcomes[0].goal_number", "GOAL_NOT_IN_PLAN"));
  outcome.set_goal_number(2);
  outcome.mutable_outcome()->set_text("goes every week");
  request.mutable_review()->set_next_review_date("2025-04-01");
  EXPECT_THAT(journal.When(request),
              RefusedField("review.next_review_date", "PLANNED_DATE_OUT_OF_RANGE"));
  request.mutable_review()->set_next_review_date("2025-10-16");
  ASSERT_THAT(journal.When(request), IsDone());
  EXPECT_EQ(CareOf(id).plan().goals(0).status(), v1::GOAL_STATUS_UNSPECIFIED);
  EXPECT_EQ(CareOf(id).plan().goals(1).status(), v1::GOAL_STATUS_ACHIEVED);
  EXPECT_TRUE(HasWords(CareOf(id).plan().goals(1).outcome()));
  EXPECT_EQ(CareOf(id).next_review_date(), "2025-10-16");
  request.mutable_review()->set_date("2025-04-17");
  EXPECT_THAT(journal.When(request), RefusedField("review.date", "DATE_IN_FUTURE"));
  request.mutable_review()->set_date("2025-03-16");
  EXPECT_THAT(journal.When(request), RefusedField("review.date", "DATE_TOO_EARLY"));

  // What came of it shows after the end too; the plan itself is made before.
  v1::CompleteReferralRequest complete = Complete(id);
  complete.set_closed_date(journal.today());
  ASSERT_THAT(journal.When(complete), IsDone());
  ASSERT_THAT(journal.When(Review(id)), IsDone());
  EXPECT_THAT(CareOf(id).reviews(), SizeIs(2));
  EXPECT_THAT(journal.When(Plan(id)),
              RefusedWith(StatusCode::kFailedPrecondition, "REFERRAL_NOT_UNDER_WAY"));
}

TEST_F(PlanTest, OfferIsOneOfTheNationalCodes) {
  const std::string id = Accepted();
  ASSERT_THAT(journal.When(Offer(id, v1::PLAN_OFFER_DECLINED)), IsDone());
  EXPECT_EQ(CareOf(id).offer(), v1::PLAN_OFFER_DECLINED);
  EXPECT_EQ(CareOf(id).offer_date(), kToday);
  EXPECT_EQ(v1::PlanOffer_MAX, 6);
  v1::RecordPlanOfferRequest offer = Offer(id, v1::PLAN_OFFER_ACCEPTED);
  offer.set_date("2025-03-18");
  EXPECT_THAT(journal.When(offer), RefusedField("date", "DATE_IN_FUTURE"));
  offer.set_date("2025-03-16");
  EXPECT_THAT(journal.When(offer), RefusedField("date", "DATE_TOO_EARLY"));
}

// INV-45: the door wants what matters, and options with a risk and a benefit each; the status is in
// progress unless it is said, and is no end.
TEST_F(PlanTest, Inv45SharedDecisionHasWhatMattersOptionsAndAStatus) {
  EXPECT_TRUE(RuleOf(v1::SharedDecision::descriptor(), "what_matters").required());
  EXPECT_TRUE(RuleOf(v1::SharedDecision::descriptor(), "options").required());
  EXPECT_TRUE(RuleOf(v1::DecisionOption::descriptor(), "risks").required());
  EXPECT_TRUE(RuleOf(v1::DecisionOption::descriptor(), "benefits").required());
  EXPECT_EQ(v1::DecisionStatus_MAX, v1::DECISION_STATUS_CANCELLED);

  const std::string id = Active();
  v1::RecordSharedDecisionRequest request = SharedDecision(id);
  auto done = journal.When(request);
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->response.number(), 1);
  EXPECT_EQ(CareOf(id).decisions(0).status(), v1::DECISION_STATUS_IN_PROGRESS);
  request.mutable_decision()->set_number(1);
  for (const auto status : {v1::DECISION_STATUS_VALID, v1::DECISION_STATUS_CANCELLED,
                            v1::DECISION_STATUS_IN_PROGRESS}) {
    request.mutable_decision()->set_status(status);
    ASSERT_THAT(journal.When(request), IsDone());
    ASSERT_THAT(CareOf(id).decisions(), SizeIs(1));
    EXPECT_EQ(CareOf(id).decisions(0).status(), status);
  }
  EXPECT_TRUE(HasWords(CareOf(id).decisions(0).options(0).risks(0)));
  request.mutable_decision()->set_number(2);
  EXPECT_THAT(journal.When(request), RefusedField("decision.number", "DECISION_NOT_KNOWN"));
  request.mutable_decision()->set_number(0);
  request.mutable_decision()->set_planned_review_date("2025-03-16");
  EXPECT_THAT(journal.When(request),
              RefusedField("decision.planned_review_date", "PLANNED_DATE_OUT_OF_RANGE"));
  request.mutable_decision()->set_planned_review_date("2027-03-18");
  EXPECT_THAT(journal.When(request),
              RefusedField("decision.planned_review_date", "PLANNED_DATE_OUT_OF_RANGE"));
}

// INV-47: each answer by itself, 0 to 10 or absent; no field anywhere holds more than one of them.
TEST_F(PlanTest, Inv47Ons4AnswersHaveNoSum) {
  for (const char* field :
       {"life_satisfaction", "worthwhile", "happy_yesterday", "anxious_yesterday"}) {
    EXPECT_EQ(RuleOf(v1::Ons4::descriptor(), field).min(), 0) << field;
    EXPECT_EQ(RuleOf(v1::Ons4::descriptor(), field).max(), 10) << field;
    EXPECT_TRUE(v1::Ons4::descriptor()->FindFieldByName(field)->has_presence()) << field;
  }
  EXPECT_EQ(v1::Ons4::descriptor()->field_count(), 5) << "the four and their version";

  const std::string id = Active();
  v1::RecordMeasureRequest baseline = Measured(id, v1::MEASURE_POINT_BASELINE);
  v1::Ons4& answers = *baseline.mutable_measure()->mutable_ons4();
  answers.set_version(v1::ONS4_VERSION_ADULT);
  EXPECT_THAT(journal.When(baseline), RefusedField("measure.ons4", "MEASURE_WITHOUT_SCORE"));
  answers.set_life_satisfaction(0);
  answers.set_worthwhile(5);
  answers.set_anxious_yesterday(7);
  ASSERT_THAT(journal.When(baseline), IsDone()) << "0 is an answer";
  journal.now += kDay;
  v1::RecordMeasureRequest follow_up = Measured(id, v1::MEASURE_POINT_FOLLOW_UP);
  v1::Ons4& later = *follow_up.mutable_measure()->mutable_ons4();
  later.set_version(v1::ONS4_VERSION_ADULT);
  later.set_life_satisfaction(4);
  later.set_happy_yesterday(9);
  later.set_anxious_yesterday(3);
  ASSERT_THAT(journal.When(follow_up), IsDone());
  // Only what both times were asked, and each by itself.
  const std::vector<v1::MeasureChange> changes = Changes(id);
  ASSERT_THAT(changes, SizeIs(2));
  EXPECT_EQ(changes[0].measure(), "ONS4_ANXIOUS_YESTERDAY");
  EXPECT_EQ(changes[0].change_thousandths(), -4000);
  EXPECT_EQ(changes[1].measure(), "ONS4_LIFE_SATISFACTION");
  EXPECT_EQ(changes[1].change_thousandths(), 4000);
  EXPECT_EQ(changes[1].direction(), v1::CHANGE_DIRECTION_BETTER);

  v1::RecordMeasureRequest sum = Measured(id, v1::MEASURE_POINT_BASELINE);
  sum.mutable_measure()->mutable_scale()->set_name("ONS4_TOTAL");
  EXPECT_THAT(journal.When(sum), RefusedField("measure.scale.name", "SCALE_HAS_OWN_FORM"));
}

// INV-48
TEST_F(PlanTest, Inv48LessAnxietyIsBetterAndChildrenAreNotAsked) {
  const std::string id = Active();
  const auto anxious = [&](v1::MeasurePoint point, int answer, v1::Ons4Version version) {
    v1::RecordMeasureRequest request = Measured(id, point);
    request.mutable_measure()->mutable_ons4()->set_version(version);
    request.mutable_measure()->mutable_ons4()->set_anxious_yesterday(answer);
    return request;
  };
  EXPECT_THAT(journal.When(anxious(v1::MEASURE_POINT_BASELINE, 0, v1::ONS4_VERSION_CHILD)),
              RefusedField("measure.ons4.anxious_yesterday", "ANXIETY_NOT_ASKED"));
  ASSERT_THAT(journal.When(anxious(v1::MEASURE_POINT_BASELINE, 5, v1::ONS4_VERSION_ADULT)),
              IsDone());
  for (const auto& [answer, direction] :
       {std::pair(3, v1::CHANGE_DIRECTION_BETTER), std::pair(5, v1::CHANGE_DIRECTION_SAME),
        std::pair(8, v1::CHANGE_DIRECTION_WORSE)}) {
    journal.now += kDay;
    ASSERT_THAT(journal.When(anxious(v1::MEASURE_POINT_FOLLOW_UP, answer, v1::ONS4_VERSION_ADULT)),
                IsDone());
    ASSERT_THAT(Changes(id), SizeIs(1));
    EXPECT_EQ(Changes(id)[0].direction(), direction) << answer;
  }
}

// INV-49
TEST_F(PlanTest, Inv49PamLevelFollowsFromScoreAndVersion) {
  EXPECT_EQ(RuleOf(v1::PamScore::descriptor(), "score_tenths").max(), 1000);
  EXPECT_TRUE(RuleOf(v1::PamScore::descriptor(), "version").required());
  const std::string id = Active();
  for (const auto& [tenths, level] :
       {std::pair(0, 1), {470, 1}, {471, 2}, {551, 2}, {552, 3}, {724, 3}, {725, 4}, {1000, 4}}) {
    const auto done = journal.When(Pam(id, v1::MEASURE_POINT_BASELINE, tenths));
    ASSERT_THAT(done, IsDone());
    EXPECT_EQ(done->response.pam_level(), level) << tenths;
    EXPECT_EQ(done->events[0].measure_recorded().pam_level(), level) << tenths;
  }
  EXPECT_EQ(journal.When(Pam(id, v1::MEASURE_POINT_BASELINE, 600, "PAM-10"))->response.pam_level(),
            0)
      << "an edition whose levels are not known";
}

// INV-51: the same measure, the same version, a baseline and a later follow-up.
TEST_F(PlanTest, Inv51ChangeNeedsBothOfOneMeasureAndVersion) {
  const std::string id = Active();
  const auto scale = [&](v1::MeasurePoint point, const std::string& version, int64_t value) {
    v1::RecordMeasureRequest request = Measured(id, point);
    request.mutable_measure()->mutable_scale()->set_name("WEMWBS");
    request.mutable_measure()->mutable_scale()->set_version(version);
    request.mutable_measure()->mutable_scale()->set_value_thousandths(value);
    return request;
  };
  ASSERT_THAT(journal.When(Pam(id, v1::MEASURE_POINT_BASELINE, 500)), IsDone());
  ASSERT_THAT(journal.When(Pam(id, v1::MEASURE_POINT_FOLLOW_UP, 560)), IsDone());
  EXPECT_THAT(Changes(id), IsEmpty()) << "on one day nothing is later";
  journal.now += kDay;
  ASSERT_THAT(journal.When(Pam(id, v1::MEASURE_POINT_FOLLOW_UP, 560, "PAM-10")), IsDone());
  ASSERT_THAT(journal.When(scale(v1::MEASURE_POINT_FOLLOW_UP, "", 42'000)), IsDone());
  EXPECT_THAT(Changes(id), IsEmpty()) << "another version, another measure";
  ASSERT_THAT(journal.When(Pam(id, v1::MEASURE_POINT_FOLLOW_UP, 575)), IsDone());
  ASSERT_THAT(Changes(id), SizeIs(1));
  v1::MeasureChange change = Changes(id)[0];
  EXPECT_EQ(change.measure(), "PAM");
  EXPECT_EQ(change.version(), "PAM-13");
  EXPECT_EQ(change.baseline_date(), "2025-03-17");
  EXPECT_EQ(change.follow_up_date(), "2025-03-18");
  EXPECT_EQ(change.change_thousandths(), 7500);
  EXPECT_EQ(change.direction(), v1::CHANGE_DIRECTION_BETTER);

  // A baseline that is recorded again puts an error right; the latest follow-up holds, whenever it
  // was written down.
  v1::RecordMeasureRequest corrected = Pam(id, v1::MEASURE_POINT_BASELINE, 600);
  corrected.mutable_measure()->set_date(kToday);
  ASSERT_THAT(journal.When(corrected), IsDone());
  v1::RecordMeasureRequest earlier = Pam(id, v1::MEASURE_POINT_FOLLOW_UP, 900);
  earlier.mutable_measure()->set_date(kToday);
  ASSERT_THAT(journal.When(earlier), IsDone());
  change = Changes(id)[0];
  EXPECT_EQ(change.change_thousandths(), -2500);
  EXPECT_EQ(change.direction(), v1::CHANGE_DIRECTION_WORSE);

  // Another episode has its own.
  ASSERT_THAT(journal.When(Withdraw(id)), RefusedPermission());
  v1::CompleteReferralRequest complete = Complete(id);
  complete.set_closed_date(journal.today());
  ASSERT_THAT(journal.When(complete), IsDone());
  ASSERT_THAT(journal.When(scale(v1::MEASURE_POINT_FOLLOW_UP, "2", 1)), IsDone())
      << "what came of it shows after the end";
  const std::string next = InTriage();
  EXPECT_THAT(Changes(next), IsEmpty());
  v1::RecordMeasureRequest none = Measured(next, v1::MEASURE_POINT_FOLLOW_UP);
  EXPECT_THAT(journal.When(none), RefusedField("measure.score", "MEASURE_WITHOUT_SCORE"));
  v1::RecordMeasureRequest dated = Pam(next, v1::MEASURE_POINT_FOLLOW_UP, 1);
  dated.mutable_measure()->set_date("2025-03-19");
  EXPECT_THAT(journal.When(dated), RefusedField("measure.date", "DATE_IN_FUTURE"));
  dated.mutable_measure()->set_date("2025-03-17");
  EXPECT_THAT(journal.When(dated), RefusedField("measure.date", "DATE_TOO_EARLY"));
}

TEST_F(PlanTest, Inv25OnlyTheReceiverRecordsWhileTheWorkGoesOn) {
  const auto all = [&](const std::string& id, auto matcher) {
    EXPECT_THAT(journal.When(Offer(id, v1::PLAN_OFFER_ACCEPTED)), matcher);
    EXPECT_THAT(journal.When(Plan(id)), matcher);
    EXPECT_THAT(journal.When(Review(id)), matcher);
    EXPECT_THAT(journal.When(AddRisk(id)), matcher);
    EXPECT_THAT(journal.When(EndRisk(id, 1)), matcher);
    EXPECT_THAT(journal.When(SharedDecision(id)), matcher);
    EXPECT_THAT(journal.When(Pam(id, v1::MEASURE_POINT_BASELINE, 1)), matcher);
  };
  const std::string id = InTriage();
  AsStranger();
  all(id, RefusedNotFound());
  AsReferrer();
  all(id, RefusedPermission());
  AsReceiver();
  const auto too_soon = RefusedWith(StatusCode::kFailedPrecondition, "FIRST_CONTACT_MISSING");
  EXPECT_THAT(journal.When(Plan(id)), too_soon);
  EXPECT_THAT(journal.When(Review(id)), too_soon);
  EXPECT_THAT(journal.When(SharedDecision(id)), too_soon);
  ASSERT_THAT(journal.When(Reject(id)), IsDone());
  all(id, RefusedWith(StatusCode::kFailedPrecondition, "REFERRAL_NOT_UNDER_WAY"));
}

TEST_F(PlanTest, WordsAreSealedForThisPerson) {
  const std::string id = Active();
  ASSERT_THAT(journal.When(Plan(id)), IsDone());
  ASSERT_THAT(journal.When(AddRisk(id)), IsDone());
  journal.tamper = [](base::Evidence& evidence) { evidence.sealed_for = kOtherPerson; };
  EXPECT_THAT(journal.When(Plan(id)), RefusedStale());
  EXPECT_THAT(journal.When(Review(id)), RefusedStale());
  EXPECT_THAT(journal.When(AddRisk(id)), RefusedStale());
  EXPECT_THAT(journal.When(EndRisk(id, 1)), RefusedStale());
  EXPECT_THAT(journal.When(SharedDecision(id)), RefusedStale());
}

TEST_F(PlanTest, WhatIsRecordedHasALimit) {
  State state = StateIn(v1::REFERRAL_STATUS_ACTIVE, kNobody, kPractice, kProvider);
  v1::CareRecord& care = *state.mutable_care();
  care.set_plan_version(1);
  for (int i = 0; i < kPlanReviewsMax; ++i) care.add_reviews();
  for (int i = 0; i < kPlanRisksMax; ++i) care.add_risks()->set_number(i + 1);
  for (int i = 0; i < kSharedDecisionsMax; ++i) care.add_decisions()->set_number(i + 1);
  for (int i = 0; i < kMeasuresMax; ++i) care.add_measures();
  journal.GivenState(kNobody, state);
  AsReceiver();
  const auto full = RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_RECORDED");
  EXPECT_THAT(journal.When(Review(kNobody)), full);
  EXPECT_THAT(journal.When(AddRisk(kNobody)), full);
  EXPECT_THAT(journal.When(SharedDecision(kNobody)), full);
  EXPECT_THAT(journal.When(Pam(kNobody, v1::MEASURE_POINT_BASELINE, 1)), full);
}

// INV-171: the referral of somebody who has died asks nobody to call.
TEST_F(PlanTest, Inv171NobodyIsAskedToCallADeadPerson) {
  Registered(Register(5));
  const std::string id = Submitted();
  EXPECT_THAT(journal.TimersOf(id), SizeIs(1));
  ASSERT_THAT(journal.When(Triage(id)), IsDone());
  journal.people[kPerson].set_deceased(true);
  journal.people[kPerson].set_death_date("2025-03-16");
  const auto dead = RefusedWith(StatusCode::kFailedPrecondition, "PERSON_DECEASED");
  EXPECT_THAT(journal.When(Accept(id)), dead);
  EXPECT_THAT(journal.When(TriageOutcome(id)), dead);
  const auto noted = journal.When(Contact(id));
  ASSERT_THAT(noted, IsDone());
  ASSERT_THAT(noted->events, SizeIs(2));
  EXPECT_EQ(noted->events[1].person_death_noted().death_date(), "2025-03-16");
  EXPECT_EQ(noted->events[1].person_death_noted().person_version(), 3);
  EXPECT_THAT(journal.TimersOf(id), IsEmpty());
  v1::GetReferralRequest get;
  get.set_referral_id(id);
  EXPECT_TRUE(journal.Ask(get)->referral().person_deceased());
  EXPECT_THAT(journal.When(Contact(id))->events, SizeIs(1)) << "it is known";

  // It was somebody else.
  journal.people[kPerson].set_deceased(false);
  EXPECT_THAT(journal.When(Contact(id))->events, SizeIs(2));
  EXPECT_THAT(journal.TimersOf(id), SizeIs(1));
  EXPECT_THAT(journal.When(Accept(id)), IsDone());

  // Known from the beginning.
  journal.people[kOtherPerson].set_deceased(true);
  EXPECT_THAT(journal.TimersOf(Submitted(Submit(kOtherPerson))), IsEmpty());
}

}  // namespace
}  // namespace fettle::referral
