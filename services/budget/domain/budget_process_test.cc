#include "libs/base/readme_testing.h"
#include "services/budget/domain/budget_testing.h"

namespace fettle::budget {
namespace {

using absl::StatusCode;
using base::IsDone;
using base::RefusedField;
using base::RefusedWith;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const auto* const kReadme =
    base::CheckReadme(FETTLE_README, FETTLE_PROTO, "fettle.budget.v1.BudgetService");

TEST_F(BudgetTest, IsRequestedForAPerson) {
  const auto done = journal.When(RequestBudget());
  ASSERT_THAT(done, IsDone());
  ASSERT_THAT(done->events, SizeIs(1));
  const v1::BudgetEvent& event = done->events[0];
  EXPECT_EQ(event.header().stream_id(), done->response.budget_id());
  EXPECT_EQ(event.header().subjects(0), kPerson);
  EXPECT_EQ(event.budget_requested().organisation(), kTrust);
  EXPECT_EQ(event.budget_requested().icb(), kIcb);
  EXPECT_EQ(event.budget_requested().person().version(), 4);
  EXPECT_EQ(event.budget_requested().person().gp_practice(), "A1001");
  EXPECT_EQ(done->response.correlation_id(), journal.correlation_id);
}

// INV-139: a restricted person's practice is in no event.
TEST_F(BudgetTest, RequestHidesARestrictedPersonsPractice) {
  journal.people[kPerson].set_restricted(true);
  const auto done = journal.When(RequestBudget());
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->events.at(0).budget_requested().person().gp_practice(), "");
  EXPECT_EQ(done->events.at(0).budget_requested().icb(), kIcb);
}

TEST_F(BudgetTest, RequestRefusesPeopleWhoCannotHaveOne) {
  common::v1::PersonContext& person = journal.people[kPerson];
  person.set_merged_into("0196d5a0-0000-7000-8000-000000000002");
  const auto merged = journal.When(RequestBudget());
  EXPECT_THAT(merged, RefusedWith(StatusCode::kFailedPrecondition, "PERSON_MERGED"));
  EXPECT_EQ(base::ErrorInfoOf(merged.status())->metadata().at("merged_into"), person.merged_into());
  person.clear_merged_into();
  person.set_deceased(true);
  EXPECT_THAT(journal.When(RequestBudget()),
              RefusedWith(StatusCode::kFailedPrecondition, "PERSON_DECEASED"));
  person.set_deceased(false);
  person.clear_icb();
  EXPECT_THAT(journal.When(RequestBudget()),
              RefusedWith(StatusCode::kFailedPrecondition, "PERSON_WITHOUT_ICB"));
  journal.tamper = [](base::Evidence& evidence) { evidence.people.clear(); };
  EXPECT_THAT(journal.When(RequestBudget()), RefusedWith(StatusCode::kAborted, "EVIDENCE_STALE"));
  EXPECT_THAT(journal.StreamIds(), IsEmpty());
}

// A budget that is missing and one that is another organisation's are the same answer.
TEST_F(BudgetTest, IsThereForItsOwnersOnly) {
  Reach(v1::BUDGET_STATUS_ACTIVE);
  const auto check = [&](const std::string& id) {
    const auto not_found = RefusedWith(StatusCode::kNotFound, "BUDGET_NOT_FOUND");
    EXPECT_THAT(journal.When(DetermineEligibility(id)), not_found);
    EXPECT_THAT(journal.When(RecordAssessment(id)), not_found);
    EXPECT_THAT(journal.When(SetIndicativeAmount(id)), not_found);
    EXPECT_THAT(journal.When(StartPlanning(id)), not_found);
    EXPECT_THAT(journal.When(SubmitPlan(id)), not_found);
    EXPECT_THAT(journal.When(RecordContribution(id, kIcb, 1)), not_found);
    EXPECT_THAT(journal.When(SignOffClinically(id)), not_found);
    EXPECT_THAT(journal.When(ApproveBudget(id)), not_found);
    EXPECT_THAT(journal.When(ActivateBudget(id)), not_found);
    EXPECT_THAT(journal.When(CommitSpend(id, 1)), not_found);
    EXPECT_THAT(journal.When(PaySpend(id, id, 1, "INV-1")), not_found);
    EXPECT_THAT(journal.When(CancelCommitment(id, id)), not_found);
    EXPECT_THAT(journal.When(ReverseTransaction(id, id)), not_found);
    return journal.When(StartPlanning(id)).status();
  };
  const std::string allocation = journal.Listed(kStatement, StatementKey(budget_id)).at(0);
  As(kTherapist);
  const absl::Status missing = check(kNoBudget);
  EXPECT_EQ(check(allocation), missing) << "a transaction is not a budget";
  for (const char* organisation : {"RYY02", kCouncil, ""}) {
    AsOf(kTherapist, organisation);
    EXPECT_EQ(check(budget_id), missing);
  }
  for (const char* organisation : {kTrust, kIcb}) {
    AsOf(kTherapist, organisation);
    EXPECT_THAT(journal.When(CommitSpend(budget_id, 1)), IsDone());
  }
}

TEST_F(BudgetTest, EligibilityKeepsTheDecision) {
  Reach(v1::BUDGET_STATUS_REQUESTED);
  auto request = DetermineEligibility(budget_id);
  request.set_decision_date("2025-03-18");
  EXPECT_THAT(When(kCommissioner, request), RefusedField("decision_date", "DATE_IN_FUTURE"));
  request.set_decision_date("2025-03-17");
  request.set_category(v1::BUDGET_CATEGORY_CHC);
  ASSERT_THAT(When(kCommissioner, request), IsDone());
  EXPECT_EQ(Record().category(), v1::BUDGET_CATEGORY_CHC);
  EXPECT_EQ(Record().eligibility_reference(), "PANEL-2025-11");
}

TEST_F(BudgetTest, AssessmentIsSealedForThePerson) {
  Reach(v1::BUDGET_STATUS_ELIGIBLE);
  auto request = RecordAssessment(budget_id);
  request.set_assessment_date("2025-03-18");
  EXPECT_THAT(journal.When(request), RefusedField("assessment_date", "DATE_IN_FUTURE"));
  journal.tamper = [](base::Evidence& evidence) { evidence.sealed_for = kNoBudget; };
  EXPECT_THAT(journal.When(RecordAssessment(budget_id)),
              RefusedWith(StatusCode::kAborted, "EVIDENCE_STALE"));
  journal.tamper = nullptr;
  ASSERT_THAT(journal.When(RecordAssessment(budget_id)), IsDone());
  EXPECT_EQ(Record().assessment_summary().sealed(),
            absl::StrCat(kPerson, ":Needs a chair that climbs kerbs"));
}

// INV-76: each calculation is a version with its method and inputs; the header names its author;
// setting the final amount leaves the indicative one.
TEST_F(BudgetTest, IndicativeAmountHasVersions) {
  Reach(v1::BUDGET_STATUS_ASSESSED);
  auto request = SetIndicativeAmount(budget_id);
  request.mutable_indicative()->set_period_end_date("2025-02-28");
  EXPECT_THAT(When(kCommissioner, request),
              RefusedField("indicative.period_end_date", "PERIOD_ENDS_BEFORE_START"));
  request = SetIndicativeAmount(budget_id);
  request.mutable_indicative()->set_communicated_date("2025-03-18");
  EXPECT_THAT(When(kCommissioner, request),
              RefusedField("indicative.communicated_date", "DATE_IN_FUTURE"));

  ASSERT_THAT(When(kCommissioner, SetIndicativeAmount(budget_id, 0)), IsDone());
  ASSERT_THAT(When(kTherapist, StartPlanning(budget_id)), IsDone());
  const auto second = When(kFinance, SetIndicativeAmount(budget_id, 300'000));
  ASSERT_THAT(second, IsDone());
  EXPECT_EQ(second->response.indicative_version(), 2);
  EXPECT_EQ(second->events.at(0).header().caller(), "user:fin-dev");
  EXPECT_EQ(second->events.at(0).indicative_amount_set().indicative().method_code(),
            "EQUIVALENT_PACKAGE_2");
  int versions = 0;
  for (const v1::BudgetEvent& event : journal.EventsOf(budget_id)) {
    if (!event.has_indicative_amount_set()) continue;
    EXPECT_EQ(event.indicative_amount_set().indicative_version(), ++versions);
  }
  EXPECT_EQ(versions, 2);

  Reach(v1::BUDGET_STATUS_APPROVED);
  EXPECT_EQ(Record().indicative().amount_pence(), 300'000);
  EXPECT_EQ(Record().final_amount_pence(), 260'000);
}

TEST_F(BudgetTest, PlanIsSubmittedSealed) {
  Reach(v1::BUDGET_STATUS_PLANNING);
  journal.tamper = [](base::Evidence& evidence) { evidence.sealed_for = kNoBudget; };
  EXPECT_THAT(journal.When(SubmitPlan(budget_id)),
              RefusedWith(StatusCode::kAborted, "EVIDENCE_STALE"));
  journal.tamper = nullptr;
  const auto done = journal.When(SubmitPlan(budget_id));
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->response.cost_pence(), 260'000);
  EXPECT_EQ(done->response.plan_version(), 1);
  EXPECT_EQ(Record().plan().lines(0).supplier().sealed(), absl::StrCat(kPerson, ":Humber Wheels"));
}

// INV-77: every need has an outcome and every line serves one.
TEST_F(BudgetTest, PlanHangsTogether) {
  Reach(v1::BUDGET_STATUS_PLANNING);
  const auto refused = [&](auto change, const char* field, const char* reason) {
    auto request = SubmitPlan(budget_id);
    change(*request.mutable_plan());
    EXPECT_THAT(journal.When(request), RefusedField(field, reason));
  };
  using Plan = v1::Plan;
  refused([](Plan& plan) { plan.mutable_needs(1)->set_need_code("N1"); }, "plan.needs[1].need_code",
          "PLAN_CODE_REPEATED");
  refused([](Plan& plan) { plan.mutable_outcomes(1)->set_outcome_code("O1"); },
          "plan.outcomes[1].outcome_code", "PLAN_CODE_REPEATED");
  refused([](Plan& plan) { plan.mutable_lines(1)->set_line_code("CHAIR"); },
          "plan.lines[1].line_code", "PLAN_CODE_REPEATED");
  refused([](Plan& plan) { plan.mutable_outcomes(0)->add_need_codes("N3"); },
          "plan.outcomes[0].need_codes", "PLAN_CODE_UNKNOWN");
  refused([](Plan& plan) { plan.mutable_lines(0)->add_outcome_codes("O3"); },
          "plan.lines[0].outcome_codes", "PLAN_CODE_UNKNOWN");
  refused([](Plan& plan) { plan.mutable_outcomes(1)->set_need_codes(0, "N1"); }, "plan.needs[1]",
          "NEED_WITHOUT_OUTCOME");
  refused([](Plan& plan) { plan.mutable_lines(1)->clear_outcome_codes(); },
          "plan.lines[1].outcome_codes", "LINE_WITHOUT_OUTCOME");
  EXPECT_EQ(Record().plan_version(), 0);
}

// INV-79: no plan line in a prohibited category, whatever the ICB.
TEST_F(BudgetTest, PlanBuysNothingProhibited) {
  Reach(v1::BUDGET_STATUS_PLANNING);
  for (const char* category : {"ALCOHOL", "TOBACCO", "GAMBLING", "DEBT_REPAYMENT", "ILLEGAL",
                               "EMERGENCY_CARE", "GP_SERVICES"}) {
    auto request = SubmitPlan(budget_id);
    request.mutable_plan()->mutable_lines(1)->set_category_code(category);
    EXPECT_THAT(journal.When(request),
                RefusedField("plan.lines[1].category_code", "CATEGORY_PROHIBITED"))
        << category;
  }
}

TEST_F(BudgetTest, PlanAboveTheIndicativeAmountSaysWhy) {
  Reach(v1::BUDGET_STATUS_PLANNING);
  auto request = SubmitPlan(budget_id);
  request.mutable_plan()->mutable_lines(0)->set_amount_pence(240'001);
  EXPECT_THAT(journal.When(request),
              RefusedWith(StatusCode::kFailedPrecondition, "PLAN_ABOVE_INDICATIVE"));
  request.mutable_plan()->mutable_justification()->set_text("The kerbs are higher here");
  EXPECT_THAT(journal.When(request), IsDone());

  Reach(v1::BUDGET_STATUS_PLANNING);
  request = SubmitPlan(budget_id);
  request.mutable_plan()->mutable_lines(0)->set_amount_pence(240'000);
  EXPECT_THAT(journal.When(request), IsDone());
}

// INV-55: sums that do not fit are refused.
TEST_F(BudgetTest, PlanCostMayNotOverflow) {
  Reach(v1::BUDGET_STATUS_PLANNING);
  auto request = SubmitPlan(budget_id);
  request.mutable_plan()->mutable_lines(0)->set_amount_pence(INT64_MAX);
  EXPECT_THAT(journal.When(request), RefusedWith(StatusCode::kInvalidArgument, "AMOUNT_OVERFLOW"));
}

TEST_F(BudgetTest, FundersKeepTheirOrder) {
  Reach(v1::BUDGET_STATUS_PLAN_SUBMITTED);
  EXPECT_EQ(When(kFinance, RecordContribution(budget_id, kIcb, 10))->response.total_pence(), 10);
  EXPECT_EQ(When(kFinance, RecordContribution(budget_id, kCouncil, 20))->response.total_pence(),
            30);
  const auto changed = When(kFinance, RecordContribution(budget_id, kIcb, 5));
  EXPECT_EQ(changed->response.total_pence(), 25);
  EXPECT_EQ(changed->events.at(0).contribution_recorded().funder().icb(), kIcb);
  ASSERT_THAT(Record().contributions(), SizeIs(2));
  EXPECT_EQ(Record().contributions(0).funder(), kIcb);
  EXPECT_EQ(Record().contributions(0).amount_pence(), 5);
  EXPECT_EQ(When(kFinance, RecordContribution(budget_id, kIcb, 0))->response.total_pence(), 20);
  ASSERT_THAT(Record().contributions(), SizeIs(1));
  EXPECT_THAT(When(kFinance, RecordContribution(budget_id, kIcb, 0)),
              RefusedWith(StatusCode::kFailedPrecondition, "CONTRIBUTION_NOT_FOUND"));
}

// INV-10: a funder is known and stood on the day of the agreement.
TEST_F(BudgetTest, ContributionRefusals) {
  Reach(v1::BUDGET_STATUS_PLAN_SUBMITTED);
  EXPECT_THAT(When(kFinance, RecordContribution(budget_id, "ZZ999", 1)),
              RefusedWith(StatusCode::kFailedPrecondition, "FUNDER_NOT_KNOWN"));
  auto request = RecordContribution(budget_id, kCharity, 1);
  request.mutable_contribution()->set_agreement_date("2025-03-16");
  EXPECT_THAT(When(kFinance, request),
              RefusedWith(StatusCode::kFailedPrecondition, "FUNDER_NOT_VALID_ON_DATE"));
  request.mutable_contribution()->set_agreement_date("2025-03-18");
  EXPECT_THAT(When(kFinance, request),
              RefusedField("contribution.agreement_date", "DATE_IN_FUTURE"));
  EXPECT_THAT(When("broker-flo", RecordContribution(budget_id, kIcb, 1)),
              RefusedWith(StatusCode::kPermissionDenied, "BROKER_MAY_NOT_DECIDE"));
  journal.tamper = [](base::Evidence& evidence) { evidence.organisations.clear(); };
  EXPECT_THAT(When(kFinance, RecordContribution(budget_id, kIcb, 1)),
              RefusedWith(StatusCode::kAborted, "EVIDENCE_STALE"));
  journal.tamper = nullptr;
  ASSERT_THAT(When(kFinance, RecordContribution(budget_id, kIcb, INT64_MAX)), IsDone());
  EXPECT_THAT(When(kFinance, RecordContribution(budget_id, kCouncil, 1)),
              RefusedWith(StatusCode::kInvalidArgument, "AMOUNT_OVERFLOW"));
  ASSERT_THAT(When(kFinance, RecordContribution(budget_id, kIcb, 1)), IsDone());
  for (int i = 1; i < kFundersMax; ++i) {
    const std::string funder = absl::StrCat("F", 100 + i);
    journal.organisations[funder] = {kIcb, "2000-01-01", ""};
    ASSERT_THAT(When(kFinance, RecordContribution(budget_id, funder, 1)), IsDone());
  }
  EXPECT_THAT(When(kFinance, RecordContribution(budget_id, kCouncil, 1)),
              RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_FUNDERS"));
  EXPECT_THAT(When(kFinance, RecordContribution(budget_id, kIcb, 2)), IsDone());
}

// The practitioner was competent in personal health budgets on the day: the answer is in the event.
TEST_F(BudgetTest, ClinicalSignOffRestsOnCompetence) {
  Reach(v1::BUDGET_STATUS_PLAN_SUBMITTED);
  const auto done = When(kClinician, SignOffClinically(budget_id));
  ASSERT_THAT(done, IsDone());
  const v1::ClinicalSignOff& sign_off = done->events.at(0).clinical_sign_off_recorded().sign_off();
  EXPECT_EQ(sign_off.practitioner_id(), kClinician);
  EXPECT_TRUE(sign_off.competence().competent());
  EXPECT_EQ(sign_off.competence().practitioner_id(), kClinician);
  EXPECT_EQ(sign_off.competence().capability(), "PERSONAL_HEALTH_BUDGETS");
  EXPECT_EQ(sign_off.competence().date(), "2025-03-17");
  EXPECT_EQ(sign_off.competence().position(), 12);
  EXPECT_EQ(Record().status(), v1::BUDGET_STATUS_PLAN_SUBMITTED);
  EXPECT_THAT(When(kClinician, SignOffClinically(budget_id)),
              RefusedWith(StatusCode::kFailedPrecondition, "CLINICAL_SIGN_OFF_EXISTS"));
}

TEST_F(BudgetTest, ClinicalSignOffRefusals) {
  Reach(v1::BUDGET_STATUS_PLAN_SUBMITTED);
  EXPECT_THAT(When(kTherapist, SignOffClinically(budget_id)),
              RefusedWith(StatusCode::kPermissionDenied, "SIGN_OFF_FOR_ANOTHER"));
  for (const char* interested : {"person-eve", "broker-flo"}) {
    auto request = SignOffClinically(budget_id);
    request.set_practitioner_id(interested);
    EXPECT_THAT(When(interested, request),
                RefusedWith(StatusCode::kPermissionDenied, "SIGN_OFF_BY_INTERESTED_PERSON"));
  }
  auto request = SignOffClinically(budget_id);
  request.set_sign_off_date("2025-03-18");
  EXPECT_THAT(When(kClinician, request), RefusedField("sign_off_date", "DATE_IN_FUTURE"));
  request.set_sign_off_date("2025-03-16");
  EXPECT_THAT(When(kClinician, request), RefusedField("sign_off_date", "SIGN_OFF_BEFORE_PLAN"));
  request = SignOffClinically(budget_id);
  request.set_risks_agreed(false);
  EXPECT_THAT(When(kClinician, request),
              RefusedWith(StatusCode::kFailedPrecondition, "RISKS_NOT_AGREED"));

  // Competent on another day than the one asked for is not competent.
  journal.now += absl::Hours(24);
  request = SignOffClinically(budget_id);
  request.set_sign_off_date("2025-03-18");
  EXPECT_THAT(When(kClinician, request),
              RefusedWith(StatusCode::kFailedPrecondition, "CLINICIAN_NOT_COMPETENT"));
  // An answer about somebody else does not count.
  journal.tamper = [](base::Evidence& evidence) {
    auto competence = evidence.competences.begin()->second;
    competence.set_competent(true);
    evidence.competences.clear();
    evidence.competences[{"ot-kim", kSignOffCapability, "2025-03-17"}] = competence;
  };
  EXPECT_THAT(When(kClinician, request), RefusedWith(StatusCode::kAborted, "EVIDENCE_STALE"));
  journal.tamper = nullptr;
  EXPECT_FALSE(Record().has_clinical_sign_off());
  EXPECT_THAT(When(kClinician, SignOffClinically(budget_id)), IsDone());
}

// INV-82: a direct payment starts with consent, payee, approved account and no exclusion.
TEST_F(BudgetTest, ActivationSettlesDirectPayments) {
  Reach(v1::BUDGET_STATUS_APPROVED);
  auto request = ActivateBudget(budget_id);
  request.clear_direct_payment_terms();
  EXPECT_THAT(When(kCommissioner, request),
              RefusedWith(StatusCode::kFailedPrecondition, "DIRECT_PAYMENT_NOT_SETTLED"));
  for (int portion : {1, 2, 4}) {
    request = ActivateBudget(budget_id);
    request.mutable_direct_payment_terms(0)->set_portion(portion);
    EXPECT_THAT(When(kCommissioner, request),
                RefusedField("direct_payment_terms[0].portion", "TERMS_WITHOUT_DIRECT_PAYMENT"));
  }
  request = ActivateBudget(budget_id);
  *request.add_direct_payment_terms() = request.direct_payment_terms(0);
  EXPECT_THAT(When(kCommissioner, request),
              RefusedField("direct_payment_terms[1].portion", "TERMS_WITHOUT_DIRECT_PAYMENT"));
  request = ActivateBudget(budget_id);
  request.mutable_direct_payment_terms(0)->set_exclusion_check_date("2025-03-18");
  EXPECT_THAT(When(kCommissioner, request),
              RefusedField("direct_payment_terms[0].exclusion_check_date", "DATE_IN_FUTURE"));
  for (const char* date : {"2025-02-28", "2026-03-01"}) {
    request = ActivateBudget(budget_id);
    request.set_start_date(date);
    EXPECT_THAT(When(kCommissioner, request), RefusedField("start_date", "DATE_OUTSIDE_PERIOD"));
  }
  EXPECT_THAT(When("broker-flo", ActivateBudget(budget_id)),
              RefusedWith(StatusCode::kPermissionDenied, "BROKER_MAY_NOT_DECIDE"));
  ASSERT_THAT(When(kCommissioner, ActivateBudget(budget_id)), IsDone());
  EXPECT_EQ(Record().start_date(), "2025-03-17");
}

// A budget keeps its journey: what another call began does not move it into another one.
TEST_F(BudgetTest, EventsStayInTheirJourney) {
  Reach(v1::BUDGET_STATUS_REQUESTED);
  const std::string journey = journal.correlation_id;
  journal.correlation_id = "0196d5a0-c0c0-7000-8000-000000000099";
  const auto done = When(kCommissioner, DetermineEligibility(budget_id));
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->events.at(0).header().correlation_id(), journey);
}

}  // namespace
}  // namespace fettle::budget
