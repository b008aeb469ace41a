#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/budget/domain/budget_ledger.h"
#include "services/budget/domain/budget_refusals.h"
#include "services/budget/domain/budget_rules.h"

namespace fettle::budget {
namespace {

// The person whose words the request brings; nobody when there is no such budget.
base::Questions SealForPerson(const std::string& budget_id, const base::View& view) {
  base::Questions questions;
  if (const auto* state = view.StateOf<v1::BudgetState>(budget_id)) {
    questions.seal_for = state->budget().person_id();
  }
  return questions;
}

// Shape of a plan: codes are unique, every reference leads somewhere, every need has an outcome and
// every line serves one.
absl::Status CheckPlan(const v1::Plan& plan) {
  base::FieldViolations violations;
  std::set<std::string> needs, met, outcomes, lines;
  for (int i = 0; i < plan.needs_size(); ++i) {
    if (!needs.insert(plan.needs(i).need_code()).second) {
      violations.Add(absl::StrCat("plan.needs[", i, "].need_code"), "PLAN_CODE_REPEATED",
                     "a code that no other need has");
    }
  }
  for (int i = 0; i < plan.outcomes_size(); ++i) {
    const std::string field = absl::StrCat("plan.outcomes[", i, "]");
    if (!outcomes.insert(plan.outcomes(i).outcome_code()).second) {
      violations.Add(absl::StrCat(field, ".outcome_code"), "PLAN_CODE_REPEATED",
                     "a code that no other outcome has");
    }
    for (const std::string& need : plan.outcomes(i).need_codes()) {
      met.insert(need);
      if (!needs.contains(need)) {
        violations.Add(absl::StrCat(field, ".need_codes"), "PLAN_CODE_UNKNOWN",
                       "codes of the plan's needs");
      }
    }
  }
  for (int i = 0; i < plan.needs_size(); ++i) {
    if (!met.contains(plan.needs(i).need_code())) {
      violations.Add(absl::StrCat("plan.needs[", i, "]"), "NEED_WITHOUT_OUTCOME",
                     "a need that at least one outcome names");
    }
  }
  for (int i = 0; i < plan.lines_size(); ++i) {
    const std::string field = absl::StrCat("plan.lines[", i, "]");
    const v1::PlanLine& line = plan.lines(i);
    if (!lines.insert(line.line_code()).second) {
      violations.Add(absl::StrCat(field, ".line_code"), "PLAN_CODE_REPEATED",
                     "a code that no other line has");
    }
    if (line.outcome_codes().empty()) {
      violations.Add(absl::StrCat(field, ".outcome_codes"), "LINE_WITHOUT_OUTCOME",
                     "at least one outcome");
    }
    for (const std::string& outcome : line.outcome_codes()) {
      if (!outcomes.contains(outcome)) {
        violations.Add(absl::StrCat(field, ".outcome_codes"), "PLAN_CODE_UNKNOWN",
                       "codes of the plan's outcomes");
      }
    }
    if (IsProhibited(line.category_code())) {
      violations.Add(absl::StrCat(field, ".category_code"), "CATEGORY_PROHIBITED",
                     "something that a personal health budget may buy");
    }
  }
  return violations.ToStatus();
}

}  // namespace

bool IsProhibited(std::string_view category_code) {
  static constexpr std::string_view kProhibited[] = {"ALCOHOL",        "TOBACCO", "GAMBLING",
                                                     "DEBT_REPAYMENT", "ILLEGAL", "EMERGENCY_CARE",
                                                     "GP_SERVICES"};
  return std::find(std::begin(kProhibited), std::end(kProhibited), category_code) !=
         std::end(kProhibited);
}

base::Questions BudgetRules::QuestionsOf(const v1::RequestBudgetRequest& request,
                                         const base::View&) {
  base::Questions questions;
  questions.people = {request.person_id()};
  return questions;
}

base::Questions BudgetRules::QuestionsOf(const v1::RecordAssessmentRequest& request,
                                         const base::View& view) {
  return SealForPerson(request.budget_id(), view);
}

base::Questions BudgetRules::QuestionsOf(const v1::SubmitPlanRequest& request,
                                         const base::View& view) {
  return SealForPerson(request.budget_id(), view);
}

base::Questions BudgetRules::QuestionsOf(const v1::RecordContributionRequest& request,
                                         const base::View&) {
  base::Questions questions;
  questions.organisations = {
      {request.contribution().funder(), request.contribution().agreement_date()}};
  return questions;
}

base::Questions BudgetRules::QuestionsOf(const v1::SignOffClinicallyRequest& request,
                                         const base::View&) {
  base::Questions questions;
  questions.competences = {
      {request.practitioner_id(), kSignOffCapability, request.sign_off_date()}};
  return questions;
}

auto BudgetRules::Decide(const base::View& view, const v1::RequestBudgetRequest& request,
                         const base::Context& context) -> Decided<v1::RequestBudgetResponse> {
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  const common::v1::PersonContext& person = *context.evidence->Person(request.person_id());
  if (!person.merged_into().empty()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "PERSON_MERGED",
                        "person_id: this record was merged into another; use that one",
                        {{"merged_into", person.merged_into()}});
  }
  if (person.deceased()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "PERSON_DECEASED",
                        "person_id: the person has died");
  }
  if (person.icb().empty()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "PERSON_WITHOUT_ICB",
                        "person_id: no integrated care board is responsible for this person; "
                        "record their GP practice first");
  }
  base::Decision<v1::RequestBudgetResponse> decision;
  const std::string budget_id = context.ids->Next();
  auto& requested = *decision.Add<Event>(budget_id).mutable_budget_requested();
  requested.set_person_id(request.person_id());
  requested.set_category(request.category());
  requested.set_organisation(context.caller.organisation);
  requested.set_icb(person.icb());
  requested.set_holder_id(request.holder_id());
  *requested.mutable_person() = person;
  // INV-139: nobody learns a restricted person's practice.
  if (person.restricted()) requested.mutable_person()->clear_gp_practice();
  decision.response.set_budget_id(budget_id);
  decision.response.set_correlation_id(context.correlation_id);
  return decision;
}

auto BudgetRules::Decide(const base::View& view, const v1::DetermineEligibilityRequest& request,
                         const base::Context& context)
    -> Decided<v1::DetermineEligibilityResponse> {
  FETTLE_ASSIGN_OR_RETURN(const v1::BudgetRecord* budget,
                          FindBudget(view, request.budget_id(), context));
  FETTLE_RETURN_IF_ERROR(CheckChange(*budget, v1::BUDGET_STATUS_ELIGIBLE));
  FETTLE_RETURN_IF_ERROR(CheckNotFuture("decision_date", request.decision_date(), context));
  base::Decision<v1::DetermineEligibilityResponse> decision;
  auto& determined =
      *AddEvent(decision, request.budget_id(), *budget).mutable_budget_eligibility_determined();
  determined.set_category(request.category());
  determined.set_decision_reference(request.decision_reference());
  determined.set_decision_date(request.decision_date());
  return decision;
}

auto BudgetRules::Decide(const base::View& view, const v1::RecordAssessmentRequest& request,
                         const base::Context& context) -> Decided<v1::RecordAssessmentResponse> {
  FETTLE_ASSIGN_OR_RETURN(const v1::BudgetRecord* budget,
                          FindBudget(view, request.budget_id(), context));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  FETTLE_RETURN_IF_ERROR(CheckChange(*budget, v1::BUDGET_STATUS_ASSESSED));
  FETTLE_RETURN_IF_ERROR(CheckNotFuture("assessment_date", request.assessment_date(), context));
  base::Decision<v1::RecordAssessmentResponse> decision;
  auto& recorded =
      *AddEvent(decision, request.budget_id(), *budget).mutable_budget_assessment_recorded();
  recorded.set_assessment_date(request.assessment_date());
  if (request.has_summary()) *recorded.mutable_summary() = request.summary();
  return decision;
}

auto BudgetRules::Decide(const base::View& view, const v1::SetIndicativeAmountRequest& request,
                         const base::Context& context) -> Decided<v1::SetIndicativeAmountResponse> {
  FETTLE_ASSIGN_OR_RETURN(const v1::BudgetRecord* budget,
                          FindBudget(view, request.budget_id(), context));
  FETTLE_RETURN_IF_ERROR(CheckStatus(
      *budget,
      {v1::BUDGET_STATUS_ASSESSED, v1::BUDGET_STATUS_INDICATIVE_SET, v1::BUDGET_STATUS_PLANNING}));
  const v1::IndicativeAmount& indicative = request.indicative();
  if (indicative.period_end_date() < indicative.period_start_date()) {
    return base::InvalidField("indicative.period_end_date", "PERIOD_ENDS_BEFORE_START",
                              "period_start_date or later");
  }
  FETTLE_RETURN_IF_ERROR(
      CheckNotFuture("indicative.communicated_date", indicative.communicated_date(), context));
  base::Decision<v1::SetIndicativeAmountResponse> decision;
  auto& set = *AddEvent(decision, request.budget_id(), *budget).mutable_indicative_amount_set();
  set.set_indicative_version(budget->indicative_version() + 1);
  *set.mutable_indicative() = indicative;
  decision.response.set_indicative_version(set.indicative_version());
  return decision;
}

// The status INDICATIVE_SET means that an amount is set and that the person was told: INV-75.
auto BudgetRules::Decide(const base::View& view, const v1::StartPlanningRequest& request,
                         const base::Context& context) -> Decided<v1::StartPlanningResponse> {
  FETTLE_ASSIGN_OR_RETURN(const v1::BudgetRecord* budget,
                          FindBudget(view, request.budget_id(), context));
  // A submitted plan goes back to planning with a reason, by another command.
  FETTLE_RETURN_IF_ERROR(CheckStatus(*budget, {v1::BUDGET_STATUS_INDICATIVE_SET}));
  base::Decision<v1::StartPlanningResponse> decision;
  AddEvent(decision, request.budget_id(), *budget).mutable_budget_planning_started();
  return decision;
}

auto BudgetRules::Decide(const base::View& view, const v1::SubmitPlanRequest& request,
                         const base::Context& context) -> Decided<v1::SubmitPlanResponse> {
  FETTLE_ASSIGN_OR_RETURN(const v1::BudgetRecord* budget,
                          FindBudget(view, request.budget_id(), context));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  // Reconsidered plans come back by another command.
  FETTLE_RETURN_IF_ERROR(CheckStatus(*budget, {v1::BUDGET_STATUS_PLANNING}));
  const v1::Plan& plan = request.plan();
  FETTLE_RETURN_IF_ERROR(CheckPlan(plan));
  int64_t cost = 0;
  for (const v1::PlanLine& line : plan.lines()) {
    FETTLE_ASSIGN_OR_RETURN(cost, AddPence(cost, line.amount_pence()));
  }
  if (cost > budget->indicative().amount_pence() && plan.justification().sealed().empty()) {
    return base::Refuse(
        absl::StatusCode::kFailedPrecondition, "PLAN_ABOVE_INDICATIVE",
        "plan.justification: the plan costs more than the indicative amount; say why",
        {{"cost_pence", absl::StrCat(cost)},
         {"indicative_pence", absl::StrCat(budget->indicative().amount_pence())}});
  }
  base::Decision<v1::SubmitPlanResponse> decision;
  auto& submitted =
      *AddEvent(decision, request.budget_id(), *budget).mutable_budget_plan_submitted();
  submitted.set_plan_version(budget->plan_version() + 1);
  *submitted.mutable_plan() = plan;
  submitted.set_cost_pence(cost);
  decision.response.set_plan_version(submitted.plan_version());
  decision.response.set_cost_pence(cost);
  return decision;
}

auto BudgetRules::Decide(const base::View& view, const v1::RecordContributionRequest& request,
                         const base::Context& context) -> Decided<v1::RecordContributionResponse> {
  FETTLE_ASSIGN_OR_RETURN(const v1::BudgetRecord* budget,
                          FindBudget(view, request.budget_id(), context));
  const base::Questions questions = QuestionsOf(request, view);
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(questions, *context.evidence));
  FETTLE_RETURN_IF_ERROR(
      CheckStatus(*budget, {v1::BUDGET_STATUS_INDICATIVE_SET, v1::BUDGET_STATUS_PLANNING,
                            v1::BUDGET_STATUS_PLAN_SUBMITTED}));
  FETTLE_RETURN_IF_ERROR(CheckNotBroker(*budget, context));
  const v1::Contribution& contribution = request.contribution();
  FETTLE_RETURN_IF_ERROR(
      CheckNotFuture("contribution.agreement_date", contribution.agreement_date(), context));
  const common::v1::OrganisationFact& funder =
      *context.evidence->Organisation(questions.organisations[0]);
  if (!funder.known()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "FUNDER_NOT_KNOWN",
                        "contribution.funder: the registry does not know this code");
  }
  if (!funder.valid()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "FUNDER_NOT_VALID_ON_DATE",
                        "contribution.agreement_date: the funder did not stand on this day");
  }
  bool known = false;
  int64_t total = contribution.amount_pence();
  for (const v1::Contribution& other : budget->contributions()) {
    if (other.funder() == contribution.funder()) {
      known = true;
    } else {
      FETTLE_ASSIGN_OR_RETURN(total, AddPence(total, other.amount_pence()));
    }
  }
  if (!known && contribution.amount_pence() == 0) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "CONTRIBUTION_NOT_FOUND",
                        "contribution.amount_pence: there is no contribution to take back");
  }
  if (!known && budget->contributions_size() >= kFundersMax) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "TOO_MANY_FUNDERS",
                        "a budget has so many funders at most",
                        {{"max", absl::StrCat(kFundersMax)}});
  }
  base::Decision<v1::RecordContributionResponse> decision;
  auto& recorded =
      *AddEvent(decision, request.budget_id(), *budget).mutable_contribution_recorded();
  *recorded.mutable_contribution() = contribution;
  *recorded.mutable_funder() = funder;
  decision.response.set_total_pence(total);
  return decision;
}

auto BudgetRules::Decide(const base::View& view, const v1::SignOffClinicallyRequest& request,
                         const base::Context& context) -> Decided<v1::SignOffClinicallyResponse> {
  FETTLE_ASSIGN_OR_RETURN(const v1::BudgetRecord* budget,
                          FindBudget(view, request.budget_id(), context));
  const base::Questions questions = QuestionsOf(request, view);
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(questions, *context.evidence));
  FETTLE_RETURN_IF_ERROR(CheckStatus(*budget, {v1::BUDGET_STATUS_PLAN_SUBMITTED}));
  const std::string& practitioner = request.practitioner_id();
  if (practitioner != context.caller.subject) {
    return base::Refuse(absl::StatusCode::kPermissionDenied, "SIGN_OFF_FOR_ANOTHER",
                        "practitioner_id: everybody signs for themselves");
  }
  if (budget->has_clinical_sign_off()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "CLINICAL_SIGN_OFF_EXISTS",
                        "the plan has its clinical signature already");
  }
  if (practitioner == budget->holder_id() || practitioner == budget->plan().broker_id()) {
    return base::Refuse(absl::StatusCode::kPermissionDenied, "SIGN_OFF_BY_INTERESTED_PERSON",
                        "the budget's holder, payee and broker do not sign");
  }
  FETTLE_RETURN_IF_ERROR(CheckNotFuture("sign_off_date", request.sign_off_date(), context));
  if (request.sign_off_date() < budget->plan_date()) {
    return base::InvalidField("sign_off_date", "SIGN_OFF_BEFORE_PLAN",
                              "the day on which the plan was submitted, or later");
  }
  if (!request.risks_agreed()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "RISKS_NOT_AGREED",
                        "risks_agreed: explain the significant risks to the person and agree on "
                        "how they are dealt with first");
  }
  const common::v1::Competence& competence =
      *context.evidence->CompetenceOf(questions.competences[0]);
  if (!competence.competent()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "CLINICIAN_NOT_COMPETENT",
                        "sign_off_date: the practitioner has no valid training in personal health "
                        "budgets on this day",
                        {{"capability", kSignOffCapability}});
  }
  base::Decision<v1::SignOffClinicallyResponse> decision;
  auto& sign_off = *AddEvent(decision, request.budget_id(), *budget)
                        .mutable_clinical_sign_off_recorded()
                        ->mutable_sign_off();
  sign_off.set_practitioner_id(practitioner);
  sign_off.set_sign_off_date(request.sign_off_date());
  *sign_off.mutable_competence() = competence;
  return decision;
}

auto BudgetRules::Decide(const base::View& view, const v1::ActivateBudgetRequest& request,
                         const base::Context& context) -> Decided<v1::ActivateBudgetResponse> {
  FETTLE_ASSIGN_OR_RETURN(const v1::BudgetRecord* budget,
                          FindBudget(view, request.budget_id(), context));
  // Suspended budgets are resumed by another command.
  FETTLE_RETURN_IF_ERROR(CheckStatus(*budget, {v1::BUDGET_STATUS_APPROVED}));
  FETTLE_RETURN_IF_ERROR(CheckNotBroker(*budget, context));
  if (request.start_date() < budget->indicative().period_start_date() ||
      request.start_date() > budget->indicative().period_end_date()) {
    return base::InvalidField("start_date", "DATE_OUTSIDE_PERIOD", "a day of the budget's period");
  }
  std::set<int> settled;
  for (int i = 0; i < request.direct_payment_terms_size(); ++i) {
    const v1::DirectPaymentTerms& terms = request.direct_payment_terms(i);
    const std::string field = absl::StrCat("direct_payment_terms[", i, "]");
    if (terms.portion() > budget->portions_size() ||
        budget->portions(terms.portion() - 1).option() != v1::PORTION_OPTION_DIRECT_PAYMENT ||
        !settled.insert(terms.portion()).second) {
      return base::InvalidField(absl::StrCat(field, ".portion"), "TERMS_WITHOUT_DIRECT_PAYMENT",
                                "each direct payment portion once");
    }
    for (const auto& [name, date] :
         {std::pair(".consent_date", &terms.consent_date()),
          std::pair(".payee_agreement_date", &terms.payee_agreement_date()),
          std::pair(".account_approval_date", &terms.account_approval_date()),
          std::pair(".exclusion_check_date", &terms.exclusion_check_date())}) {
      FETTLE_RETURN_IF_ERROR(CheckNotFuture(absl::StrCat(field, name), *date, context));
    }
  }
  for (int number = 1; number <= budget->portions_size(); ++number) {
    if (budget->portions(number - 1).option() == v1::PORTION_OPTION_DIRECT_PAYMENT &&
        !settled.contains(number)) {
      return base::Refuse(absl::StatusCode::kFailedPrecondition, "DIRECT_PAYMENT_NOT_SETTLED",
                          "direct_payment_terms: a direct payment starts with consent, an agreed "
                          "payee, an approved account and a check of the exclusions",
                          {{"portion", absl::StrCat(number)}});
    }
  }
  base::Decision<v1::ActivateBudgetResponse> decision;
  auto& activated = *AddEvent(decision, request.budget_id(), *budget).mutable_budget_activated();
  activated.set_start_date(request.start_date());
  *activated.mutable_direct_payment_terms() = request.direct_payment_terms();
  return decision;
}

}  // namespace fettle::budget
