// What the tests of budgets share: one request for each command of the straight path, and a journal
// that plays them up to a status.
#ifndef FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_TESTING_H_
#define FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_TESTING_H_

#include <string>
#include <vector>

#include "libs/base/decide_testing.h"
#include "services/budget/domain/budget_ledger.h"
#include "services/budget/domain/budget_rules.h"

namespace fettle::budget {

inline constexpr char kPerson[] = "0196d5a0-0000-7000-8000-000000000001";
inline constexpr char kNoBudget[] = "0196d5a0-0000-7000-8000-00000000ffff";
inline constexpr char kIcb[] = "QAA";
inline constexpr char kTrust[] = "RXX01";    // asks for the budget
inline constexpr char kCouncil[] = "E0900";  // the second funder
inline constexpr char kCharity[] = "8CH01";  // the third

// Who acts. Each has one role.
inline constexpr char kTherapist[] = "ot-amara";  // asks, plans
inline constexpr char kClinician[] = "ot-ben";    // signs clinically
inline constexpr char kCommissioner[] = "comm-cleo";
inline constexpr char kFinance[] = "fin-dev";

// A request about `budget_id`.
template <class Request>
Request On(const std::string& budget_id) {
  Request request;
  request.set_budget_id(budget_id);
  return request;
}

inline v1::RequestBudgetRequest RequestBudget() {
  v1::RequestBudgetRequest request;
  request.set_person_id(kPerson);
  request.set_category(v1::BUDGET_CATEGORY_WHEELCHAIR);
  request.set_holder_id("person-eve");
  return request;
}

inline v1::DetermineEligibilityRequest DetermineEligibility(const std::string& budget_id) {
  auto request = On<v1::DetermineEligibilityRequest>(budget_id);
  request.set_category(v1::BUDGET_CATEGORY_WHEELCHAIR);
  request.set_decision_reference("PANEL-2025-11");
  request.set_decision_date("2025-03-10");
  return request;
}

inline v1::RecordAssessmentRequest RecordAssessment(const std::string& budget_id) {
  auto request = On<v1::RecordAssessmentRequest>(budget_id);
  request.set_assessment_date("2025-03-11");
  request.mutable_summary()->set_text("Needs a chair that climbs kerbs");
  return request;
}

inline v1::SetIndicativeAmountRequest SetIndicativeAmount(const std::string& budget_id,
                                                          int64_t pence = 300'000) {
  auto request = On<v1::SetIndicativeAmountRequest>(budget_id);
  v1::IndicativeAmount& indicative = *request.mutable_indicative();
  indicative.set_amount_pence(pence);
  indicative.set_period_start_date("2025-03-01");
  indicative.set_period_end_date("2026-02-28");
  indicative.set_method_code("EQUIVALENT_PACKAGE_2");
  indicative.set_evidence_reference("RAS-77");
  indicative.set_communicated_date("2025-03-12");
  return request;
}

inline v1::StartPlanningRequest StartPlanning(const std::string& budget_id) {
  return On<v1::StartPlanningRequest>(budget_id);
}

// Two needs, two outcomes, two lines of 200,000 and 60,000 pence.
inline v1::SubmitPlanRequest SubmitPlan(const std::string& budget_id) {
  auto request = On<v1::SubmitPlanRequest>(budget_id);
  v1::Plan& plan = *request.mutable_plan();
  for (const char* code : {"N1", "N2"}) {
    v1::PlanNeed& need = *plan.add_needs();
    need.set_need_code(code);
    need.mutable_text()->set_text("To get about");
  }
  for (const auto& [code, need] : {std::pair("O1", "N1"), std::pair("O2", "N2")}) {
    v1::PlanOutcome& outcome = *plan.add_outcomes();
    outcome.set_outcome_code(code);
    outcome.add_need_codes(need);
    outcome.mutable_text()->set_text("Goes to lectures alone");
  }
  v1::PlanLine& chair = *plan.add_lines();
  chair.set_line_code("CHAIR");
  chair.set_amount_pence(200'000);
  chair.add_outcome_codes("O1");
  chair.set_category_code("EQUIPMENT");
  chair.mutable_supplier()->set_text("Humber Wheels");
  v1::PlanLine& swim = *plan.add_lines();
  swim.set_line_code("SWIM");
  swim.set_amount_pence(60'000);
  swim.add_outcome_codes("O1");
  swim.add_outcome_codes("O2");
  swim.set_category_code("ACTIVITY");
  plan.set_broker_id("broker-flo");
  return request;
}

inline v1::RecordContributionRequest RecordContribution(const std::string& budget_id,
                                                        const std::string& funder, int64_t pence) {
  auto request = On<v1::RecordContributionRequest>(budget_id);
  v1::Contribution& contribution = *request.mutable_contribution();
  contribution.set_funder(funder);
  contribution.set_amount_pence(pence);
  contribution.set_basis_code("JOINT_FUNDING");
  contribution.set_agreement_date("2025-03-14");
  return request;
}

inline v1::SignOffClinicallyRequest SignOffClinically(const std::string& budget_id) {
  auto request = On<v1::SignOffClinicallyRequest>(budget_id);
  request.set_practitioner_id(kClinician);
  request.set_sign_off_date("2025-03-17");
  request.set_risks_agreed(true);
  return request;
}

inline void AddPortion(v1::ApproveBudgetRequest& request, v1::PortionOption option, int64_t pence,
                       const std::string& payee = "") {
  v1::Portion& portion = *request.add_portions();
  portion.set_option(option);
  portion.set_amount_pence(pence);
  portion.set_payee_id(payee);
}

// 260,000 pence in three portions, one of each option.
inline v1::ApproveBudgetRequest ApproveBudget(const std::string& budget_id) {
  auto request = On<v1::ApproveBudgetRequest>(budget_id);
  request.set_final_amount_pence(260'000);
  AddPortion(request, v1::PORTION_OPTION_NOTIONAL, 160'000);
  AddPortion(request, v1::PORTION_OPTION_THIRD_PARTY, 40'000);
  AddPortion(request, v1::PORTION_OPTION_DIRECT_PAYMENT, 60'000, "payee-gus");
  request.set_care_coordinator_id("lw-hana");
  return request;
}

inline v1::ActivateBudgetRequest ActivateBudget(const std::string& budget_id) {
  auto request = On<v1::ActivateBudgetRequest>(budget_id);
  request.set_start_date("2025-03-17");
  v1::DirectPaymentTerms& terms = *request.add_direct_payment_terms();
  terms.set_portion(3);
  terms.set_consent_date("2025-03-15");
  terms.set_payee_agreement_date("2025-03-15");
  terms.set_account_approval_date("2025-03-16");
  terms.set_exclusion_check_date("2025-03-14");
  return request;
}

inline v1::CommitSpendRequest CommitSpend(const std::string& budget_id, int64_t pence,
                                          int portion = 1) {
  auto request = On<v1::CommitSpendRequest>(budget_id);
  request.set_line_code("CHAIR");
  request.set_portion(portion);
  request.set_amount_pence(pence);
  request.set_category_code("EQUIPMENT");
  request.set_spend_date("2025-03-20");
  return request;
}

inline v1::PaySpendRequest PaySpend(const std::string& budget_id, const std::string& commitment_id,
                                    int64_t pence, const std::string& reference) {
  auto request = On<v1::PaySpendRequest>(budget_id);
  request.set_commitment_id(commitment_id);
  request.set_amount_pence(pence);
  request.set_client_reference(reference);
  request.set_payment_date("2025-03-17");
  return request;
}

inline v1::CancelCommitmentRequest CancelCommitment(const std::string& budget_id,
                                                    const std::string& commitment_id) {
  auto request = On<v1::CancelCommitmentRequest>(budget_id);
  request.set_commitment_id(commitment_id);
  request.set_reason_code("NOT_NEEDED");
  return request;
}

inline v1::ReverseTransactionRequest ReverseTransaction(const std::string& budget_id,
                                                        const std::string& transaction_id) {
  auto request = On<v1::ReverseTransactionRequest>(budget_id);
  request.set_transaction_id(transaction_id);
  request.set_reason_code("WRONG_AMOUNT");
  return request;
}

// Today is 17 March 2025.
class BudgetTest : public base::DomainTest<BudgetRules> {
 protected:
  BudgetTest() {
    common::v1::PersonContext& person = journal.people[kPerson];
    person.set_person_id(kPerson);
    person.set_version(4);
    person.set_icb(kIcb);
    person.set_gp_practice("A1001");
    journal.organisations[kIcb] = {kIcb, "2022-07-01", ""};
    journal.organisations[kCouncil] = {kIcb, "2000-01-01", ""};
    journal.organisations[kCharity] = {kIcb, "2000-01-01", "2025-03-15"};
    common::v1::Competence& competence =
        journal.competences[{kClinician, kSignOffCapability, "2025-03-17"}];
    competence.set_competent(true);
    competence.set_completion_id("0196d5a0-0000-7000-8000-00000000c0de");
    competence.set_position(12);
    As(kTherapist);
  }

  // Acts as one of the people above, each with their role and organisation.
  void As(const std::string& subject) {
    const bool of_icb = subject == kCommissioner || subject == kFinance;
    AsOf(subject, of_icb ? kIcb : kTrust);
  }
  void AsOf(const std::string& subject, const std::string& organisation) {
    journal.caller = {.subject = subject,
                      .is_service = false,
                      .organisation = organisation,
                      .role = subject == kFinance        ? "finance"
                              : subject == kCommissioner ? "commissioner"
                                                         : "occupational_therapist",
                      .purpose = "direct-care"};
  }

  template <class Request>
  auto When(const std::string& subject, const Request& request) {
    As(subject);
    return journal.When(request);
  }

  // Plays the straight path up to this status, with a new budget.
  void Reach(v1::BudgetStatus status) {
    budget_id = When(kTherapist, RequestBudget())->response.budget_id();
    if (status == v1::BUDGET_STATUS_REQUESTED) return;
    ASSERT_THAT(When(kCommissioner, DetermineEligibility(budget_id)), base::IsDone());
    if (status == v1::BUDGET_STATUS_ELIGIBLE) return;
    ASSERT_THAT(When(kTherapist, RecordAssessment(budget_id)), base::IsDone());
    if (status == v1::BUDGET_STATUS_ASSESSED) return;
    ASSERT_THAT(When(kCommissioner, SetIndicativeAmount(budget_id)), base::IsDone());
    if (status == v1::BUDGET_STATUS_INDICATIVE_SET) return;
    ASSERT_THAT(When(kTherapist, StartPlanning(budget_id)), base::IsDone());
    if (status == v1::BUDGET_STATUS_PLANNING) return;
    ASSERT_THAT(When(kTherapist, SubmitPlan(budget_id)), base::IsDone());
    if (status == v1::BUDGET_STATUS_PLAN_SUBMITTED) return;
    ASSERT_THAT(When(kFinance, RecordContribution(budget_id, kIcb, 100'000)), base::IsDone());
    ASSERT_THAT(When(kFinance, RecordContribution(budget_id, kCouncil, 130'000)), base::IsDone());
    ASSERT_THAT(When(kFinance, RecordContribution(budget_id, kCharity, 30'000)), base::IsDone());
    ASSERT_THAT(When(kClinician, SignOffClinically(budget_id)), base::IsDone());
    ASSERT_THAT(When(kFinance, ApproveBudget(budget_id)), base::IsDone());
    if (status == v1::BUDGET_STATUS_APPROVED) return;
    ASSERT_THAT(When(kCommissioner, ActivateBudget(budget_id)), base::IsDone());
    ASSERT_EQ(status, v1::BUDGET_STATUS_ACTIVE);
  }

  const v1::BudgetRecord& Record() const { return journal.StateOf(budget_id)->budget(); }

  // The budget as if all before had happened, in any status.
  void GivenStatus(v1::BudgetStatus status) {
    v1::BudgetState state = *journal.StateOf(budget_id);
    state.mutable_budget()->set_status(status);
    journal.GivenState(budget_id, state);
  }

  std::string Commit(int64_t pence, int portion = 1) {
    const auto done = When(kTherapist, CommitSpend(budget_id, pence, portion));
    EXPECT_THAT(done, base::IsDone());
    return done.ok() ? done->response.commitment_id() : "";
  }
  std::string Pay(const std::string& commitment_id, int64_t pence, const std::string& reference) {
    const auto done = When(kFinance, PaySpend(budget_id, commitment_id, pence, reference));
    EXPECT_THAT(done, base::IsDone());
    return done.ok() ? done->response.transaction_id() : "";
  }

  v1::Budget Shown() {
    As(kFinance);
    const auto answer = journal.Ask(On<v1::GetBudgetRequest>(budget_id));
    EXPECT_THAT(answer, base::IsDone());
    return answer.ok() ? answer->budget() : v1::Budget();
  }

  std::string budget_id;
};

// `account debit|credit pence` of each posting, in order.
inline std::vector<std::string> PostingsOf(const v1::LedgerTransaction& transaction) {
  std::vector<std::string> postings;
  for (const v1::Posting& posting : transaction.postings()) {
    postings.push_back(posting.debit_pence() > 0
                           ? absl::StrCat(posting.account(), " debit ", posting.debit_pence())
                           : absl::StrCat(posting.account(), " credit ", posting.credit_pence()));
  }
  return postings;
}

}  // namespace fettle::budget

#endif  // FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_TESTING_H_
