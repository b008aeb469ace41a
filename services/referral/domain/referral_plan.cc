// What a worker and a person make together: RecordPlanOffer, RecordCarePlan, ReviewCarePlan,
// AddPlanRisk, EndPlanRisk, RecordSharedDecision, RecordMeasure; and what measures say when they
// are taken twice. Refusals in one order: not yours, not your part, not from this status, stale
// evidence, then what is wrong with the request.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "services/referral/domain/referral_common.h"

namespace fettle::referral {
namespace {

constexpr std::string_view kOns4 = "ONS4";
constexpr std::string_view kPam = "PAM";
constexpr std::string_view kPam13 = "PAM-13";
constexpr int64_t kThousandthsOfTenth = 100;

// INV-49: the lowest score of the levels 2, 3, 4 of PAM-13, in tenths.
constexpr std::array kPam13Levels = {471, 552, 725};

int PamLevel(const v1::PamScore& pam) {
  if (pam.version() != kPam13) return 0;
  return 1 + static_cast<int>(std::ranges::count_if(
                 kPam13Levels, [&](int lowest) { return pam.score_tenths() >= lowest; }));
}

// The work has begun and goes on: a plan is made with a person whom somebody has met.
absl::Status RequireBegun(const v1::ReferralState& state) {
  FETTLE_RETURN_IF_ERROR(RequireUnderWay(state));
  if (!state.first_contact_date().empty()) return absl::OkStatus();
  return base::Refuse(absl::StatusCode::kFailedPrecondition, "FIRST_CONTACT_MISSING",
                      "this is recorded after a first contact: StartReferral says when it was");
}

// Or it has ended well: what came of it shows later.
absl::Status RequireBegunOrCompleted(const v1::ReferralState& state) {
  return state.status() == v1::REFERRAL_STATUS_COMPLETED ? absl::OkStatus() : RequireBegun(state);
}

absl::Status RequirePlan(const v1::ReferralState& state) {
  if (state.care().plan_version() > 0) return absl::OkStatus();
  return base::Refuse(absl::StatusCode::kFailedPrecondition, "PLAN_MISSING",
                      "there is no care and support plan; RecordCarePlan makes one");
}

// Between the day on which the referral came and today.
absl::Status CheckDone(std::string_view field, std::string_view date,
                       const v1::ReferralState& state, const base::Context& context) {
  return CheckDate(field, date, DateOf(state.submit_time()),
                   "on or after the day on which the referral was submitted", context);
}

// Empty, or from today on.
absl::Status CheckPlanned(std::string_view field, const std::string& date,
                          const base::Context& context) {
  const std::string latest = base::AddMonths(context.today, kPlannedMonthsMax);
  if (date.empty() || (date >= context.today && date <= latest)) return absl::OkStatus();
  return base::InvalidField(field, "PLANNED_DATE_OUT_OF_RANGE",
                            base::Concat("from today until ", latest));
}

std::string At(std::string_view list, int i, std::string_view field) {
  return base::Concat(list, "[", i, "].", field);
}

absl::Status UnknownGoal(std::string field) {
  return base::InvalidField(field, "GOAL_NOT_IN_PLAN", "the number of another goal of the plan");
}

// Goals have numbers of their own; stages and actions name goals that are there.
absl::Status CheckGoals(const v1::CarePlan& plan) {
  std::set<int> numbers;
  for (int i = 0; i < plan.goals_size(); ++i) {
    if (!numbers.insert(plan.goals(i).number()).second) {
      return base::InvalidField(At("plan.goals", i, "number"), "GOAL_NUMBER_TAKEN",
                                "a number that no other goal of the plan has");
    }
  }
  for (int i = 0; i < plan.goals_size(); ++i) {
    const v1::Goal& goal = plan.goals(i);
    if (goal.stage_of() != 0 &&
        (goal.stage_of() == goal.number() || !numbers.contains(goal.stage_of()))) {
      return UnknownGoal(At("plan.goals", i, "stage_of"));
    }
  }
  for (int i = 0; i < plan.actions_size(); ++i) {
    const int goal = plan.actions(i).goal_number();
    if (goal != 0 && !numbers.contains(goal)) {
      return UnknownGoal(At("plan.actions", i, "goal_number"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckNeeds(const v1::CarePlan& plan) {
  for (int i = 0; i < plan.needs_size(); ++i) {
    if (plan.needs(i).code().empty() && !HasWords(plan.needs(i).text())) {
      return base::InvalidField(At("plan.needs", i, "text"), "NEED_WITHOUT_CONTENT",
                                "a code, words, or both");
    }
  }
  return absl::OkStatus();
}

// INV-43
bool IsPcsp(const v1::PlanCriteria& criteria) {
  return criteria.person_central() && criteria.conversation_held() && criteria.outcomes_agreed() &&
         criteria.one_sharable_plan() && criteria.review_arranged();
}

// INV-47, 48
absl::Status CheckOns4(const v1::Ons4& ons4) {
  if (ons4.version() == v1::ONS4_VERSION_CHILD && ons4.has_anxious_yesterday()) {
    return base::InvalidField("measure.ons4.anxious_yesterday", "ANXIETY_NOT_ASKED",
                              "nothing: the children's version does not ask it (INV-48)");
  }
  if (!ons4.has_life_satisfaction() && !ons4.has_worthwhile() && !ons4.has_happy_yesterday() &&
      !ons4.has_anxious_yesterday()) {
    return base::InvalidField("measure.ons4", "MEASURE_WITHOUT_SCORE", "at least one answer");
  }
  return absl::OkStatus();
}

// A scale with a form of its own has it for a reason: the answers to ONS4 have no sum (INV-47).
absl::Status CheckScale(const v1::ScaleScore& scale) {
  const std::string_view name = scale.name();
  if (!name.starts_with(kOns4) && !name.starts_with(kPam)) return absl::OkStatus();
  return base::InvalidField("measure.scale.name", "SCALE_HAS_OWN_FORM",
                            "another scale; ONS4 and PAM are measure.ons4 and measure.pam");
}

absl::Status CheckScore(const v1::Measure& measure) {
  switch (measure.score_case()) {
    case v1::Measure::kOns4:
      return CheckOns4(measure.ons4());
    case v1::Measure::kPam:
      return absl::OkStatus();
    case v1::Measure::kScale:
      return CheckScale(measure.scale());
    case v1::Measure::SCORE_NOT_SET:
      break;
  }
  return base::InvalidField("measure.score", "MEASURE_WITHOUT_SCORE", "ons4, pam or scale");
}

// One number of a measure, and whether more of it is better.
struct Score {
  std::string measure;
  std::string version;
  int64_t thousandths = 0;
  int better = 0;  // 1: higher, -1: lower, 0: not known
};

// The answers to ONS4 each by itself (INV-47).
std::vector<Score> ScoresOf(const v1::Measure& measure) {
  std::vector<Score> scores;
  switch (measure.score_case()) {
    case v1::Measure::kOns4: {
      const v1::Ons4& ons4 = measure.ons4();
      const auto add = [&](bool answered, const char* name, int answer, int better) {
        if (!answered) return;
        scores.push_back({name, ons4.version() == v1::ONS4_VERSION_CHILD ? "CHILD" : "ADULT",
                          int64_t{answer} * 1000, better});
      };
      add(ons4.has_life_satisfaction(), "ONS4_LIFE_SATISFACTION", ons4.life_satisfaction(), 1);
      add(ons4.has_worthwhile(), "ONS4_WORTHWHILE", ons4.worthwhile(), 1);
      add(ons4.has_happy_yesterday(), "ONS4_HAPPY_YESTERDAY", ons4.happy_yesterday(), 1);
      // INV-48
      add(ons4.has_anxious_yesterday(), "ONS4_ANXIOUS_YESTERDAY", ons4.anxious_yesterday(), -1);
      break;
    }
    case v1::Measure::kPam:
      scores.push_back({std::string(kPam), measure.pam().version(),
                        measure.pam().score_tenths() * kThousandthsOfTenth, 1});
      break;
    case v1::Measure::kScale:
      scores.push_back({measure.scale().name(), measure.scale().version(),
                        measure.scale().value_thousandths(), 0});
      break;
    case v1::Measure::SCORE_NOT_SET:
      break;
  }
  return scores;
}

v1::ChangeDirection DirectionOf(int64_t change, int better) {
  if (better == 0) return v1::CHANGE_DIRECTION_UNSPECIFIED;
  if (change == 0) return v1::CHANGE_DIRECTION_SAME;
  return (change > 0) == (better > 0) ? v1::CHANGE_DIRECTION_BETTER : v1::CHANGE_DIRECTION_WORSE;
}

}  // namespace

std::vector<v1::MeasureChange> ChangesOf(const v1::CareRecord& care) {
  struct Taken {
    std::string date;
    Score score;
  };
  struct Both {
    std::optional<Taken> baseline, follow_up;
  };
  std::map<std::pair<std::string, std::string>, Both> measures;
  for (const v1::RecordedMeasure& recorded : care.measures()) {
    const v1::Measure& measure = recorded.measure();
    for (Score& score : ScoresOf(measure)) {
      Both& both = measures[{score.measure, score.version}];
      if (measure.point() == v1::MEASURE_POINT_BASELINE) {
        both.baseline = Taken{measure.date(), std::move(score)};
      } else if (!both.follow_up || measure.date() >= both.follow_up->date) {
        both.follow_up = Taken{measure.date(), std::move(score)};
      }
    }
  }
  std::vector<v1::MeasureChange> changes;
  for (const auto& [name, both] : measures) {
    if (!both.baseline || !both.follow_up || both.follow_up->date <= both.baseline->date) continue;
    v1::MeasureChange& change = changes.emplace_back();
    change.set_measure(name.first);
    change.set_version(name.second);
    change.set_baseline_date(both.baseline->date);
    change.set_follow_up_date(both.follow_up->date);
    change.set_change_thousandths(both.follow_up->score.thousandths -
                                  both.baseline->score.thousandths);
    change.set_direction(DirectionOf(change.change_thousandths(), both.follow_up->score.better));
  }
  return changes;
}

ReferralRules::Decided<v1::RecordPlanOfferResponse> ReferralRules::Decide(
    const base::View& view, const v1::RecordPlanOfferRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireUnderWay(*state));
  FETTLE_RETURN_IF_ERROR(CheckDone("date", request.date(), *state, context));

  base::Decision<v1::RecordPlanOfferResponse> decision;
  v1::CarePlanOffered& offered =
      *decision.Add<Event>(state->referral_id()).mutable_care_plan_offered();
  offered.set_offer(request.offer());
  offered.set_date(request.date());
  return decision;
}

ReferralRules::Decided<v1::RecordCarePlanResponse> ReferralRules::Decide(
    const base::View& view, const v1::RecordCarePlanRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireBegun(*state));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  const v1::CarePlan& plan = request.plan();
  FETTLE_RETURN_IF_ERROR(CheckNeeds(plan));
  FETTLE_RETURN_IF_ERROR(CheckGoals(plan));
  // INV-46
  const bool refused = plan.agreement() == v1::PLAN_AGREEMENT_NONE;
  if (refused != HasWords(plan.not_agreed_reason())) {
    return base::InvalidField("plan.not_agreed_reason", "AGREEMENT_OR_REASON",
                              "why nobody agreed, with PLAN_AGREEMENT_NONE alone (INV-46)");
  }
  if (plan.has_criteria()) {
    FETTLE_RETURN_IF_ERROR(
        CheckDone("plan.criteria.date", plan.criteria().date(), *state, context));
  }
  FETTLE_RETURN_IF_ERROR(
      CheckPlanned("plan.planned_review_date", plan.planned_review_date(), context));

  base::Decision<v1::RecordCarePlanResponse> decision;
  v1::CarePlanRecorded& recorded =
      *decision.Add<Event>(state->referral_id()).mutable_care_plan_recorded();
  recorded.set_plan_version(state->care().plan_version() + 1);
  *recorded.mutable_plan() = plan;
  recorded.set_is_pcsp(IsPcsp(plan.criteria()));
  decision.response.set_plan_version(recorded.plan_version());
  decision.response.set_is_pcsp(recorded.is_pcsp());
  return decision;
}

ReferralRules::Decided<v1::ReviewCarePlanResponse> ReferralRules::Decide(
    const base::View& view, const v1::ReviewCarePlanRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireBegunOrCompleted(*state));
  FETTLE_RETURN_IF_ERROR(RequirePlan(*state));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  FETTLE_RETURN_IF_ERROR(RequireRoom("reviews", state->care().reviews_size(), kPlanReviewsMax));
  const v1::PlanReview& review = request.review();
  FETTLE_RETURN_IF_ERROR(CheckDone("review.date", review.date(), *state, context));
  FETTLE_RETURN_IF_ERROR(
      CheckPlanned("review.next_review_date", review.next_review_date(), context));
  for (int i = 0; i < review.goal_outcomes_size(); ++i) {
    if (std::ranges::find(state->care().plan().goals(), review.goal_outcomes(i).goal_number(),
                          &v1::Goal::number) == state->care().plan().goals().end()) {
      return UnknownGoal(At("review.goal_outcomes", i, "goal_number"));
    }
  }

  base::Decision<v1::ReviewCarePlanResponse> decision;
  v1::CarePlanReviewed& reviewed =
      *decision.Add<Event>(state->referral_id()).mutable_care_plan_reviewed();
  reviewed.set_plan_version(state->care().plan_version());
  *reviewed.mutable_review() = review;
  return decision;
}

ReferralRules::Decided<v1::AddPlanRiskResponse> ReferralRules::Decide(
    const base::View& view, const v1::AddPlanRiskRequest& request, const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireUnderWay(*state));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  FETTLE_RETURN_IF_ERROR(RequireRoom("risks", state->care().risks_size(), kPlanRisksMax));

  base::Decision<v1::AddPlanRiskResponse> decision;
  v1::PlanRiskAdded& added = *decision.Add<Event>(state->referral_id()).mutable_plan_risk_added();
  added.set_number(state->care().risks_size() + 1);
  *added.mutable_risk() = request.risk();
  decision.response.set_number(added.number());
  return decision;
}

ReferralRules::Decided<v1::EndPlanRiskResponse> ReferralRules::Decide(
    const base::View& view, const v1::EndPlanRiskRequest& request, const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireUnderWay(*state));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  const auto& risks = state->care().risks();
  const auto risk = std::ranges::find(risks, request.number(), &v1::PlanRisk::number);
  if (risk == risks.end() || !risk->end_date().empty()) {
    return base::InvalidField("number", "RISK_NOT_OPEN",
                              "the number of a risk of the plan that has not ended");
  }
  FETTLE_RETURN_IF_ERROR(CheckDate("end_date", request.end_date(), DateOf(risk->add_time()),
                                   "on or after the day on which the risk was added", context));

  base::Decision<v1::EndPlanRiskResponse> decision;
  v1::PlanRiskEnded& ended = *decision.Add<Event>(state->referral_id()).mutable_plan_risk_ended();
  ended.set_number(request.number());
  ended.set_end_date(request.end_date());
  *ended.mutable_reason() = request.reason();
  return decision;
}

// INV-45: that what matters is there, and options each with a risk and a benefit, the door has
// seen to.
ReferralRules::Decided<v1::RecordSharedDecisionResponse> ReferralRules::Decide(
    const base::View& view, const v1::RecordSharedDecisionRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireBegun(*state));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  const auto& known = state->care().decisions();
  const bool is_new = request.decision().number() == 0;
  if (is_new) {
    FETTLE_RETURN_IF_ERROR(RequireRoom("decisions", known.size(), kSharedDecisionsMax));
  } else if (std::ranges::find(known, request.decision().number(), &v1::SharedDecision::number) ==
             known.end()) {
    return base::InvalidField("decision.number", "DECISION_NOT_KNOWN",
                              "the number of a decision of the referral, or 0 for a new one");
  }
  FETTLE_RETURN_IF_ERROR(CheckPlanned("decision.planned_review_date",
                                      request.decision().planned_review_date(), context));

  base::Decision<v1::RecordSharedDecisionResponse> decision;
  v1::SharedDecision& recorded = *decision.Add<Event>(state->referral_id())
                                      .mutable_shared_decision_recorded()
                                      ->mutable_decision();
  recorded = request.decision();
  recorded.clear_record_time();
  if (is_new) recorded.set_number(known.size() + 1);
  if (recorded.status() == v1::DECISION_STATUS_UNSPECIFIED) {
    recorded.set_status(v1::DECISION_STATUS_IN_PROGRESS);
  }
  decision.response.set_number(recorded.number());
  return decision;
}

ReferralRules::Decided<v1::RecordMeasureResponse> ReferralRules::Decide(
    const base::View& view, const v1::RecordMeasureRequest& request, const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  if (state->status() != v1::REFERRAL_STATUS_COMPLETED) {
    FETTLE_RETURN_IF_ERROR(RequireUnderWay(*state));
  }
  FETTLE_RETURN_IF_ERROR(RequireRoom("measures", state->care().measures_size(), kMeasuresMax));
  FETTLE_RETURN_IF_ERROR(CheckDone("measure.date", request.measure().date(), *state, context));
  FETTLE_RETURN_IF_ERROR(CheckScore(request.measure()));

  base::Decision<v1::RecordMeasureResponse> decision;
  v1::MeasureRecorded& recorded =
      *decision.Add<Event>(state->referral_id()).mutable_measure_recorded();
  *recorded.mutable_measure() = request.measure();
  recorded.set_pam_level(request.measure().has_pam() ? PamLevel(request.measure().pam()) : 0);
  decision.response.set_pam_level(recorded.pam_level());
  return decision;
}

}  // namespace fettle::referral
