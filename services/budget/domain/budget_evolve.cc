#include <algorithm>

#include "libs/base/date.h"
#include "services/budget/domain/budget_ledger.h"
#include "services/budget/domain/budget_rules.h"

namespace fettle::budget {
namespace {

// Big-endian, so that the order of the bytes is that of the numbers (0 and above).
std::string SortBytes(int64_t number) {
  std::string bytes(8, '\0');
  for (int i = 7; i >= 0; --i, number >>= 8) bytes[i] = static_cast<char>(number & 0xFF);
  return bytes;
}

void SetContribution(v1::BudgetRecord& budget, const v1::Contribution& contribution) {
  auto& contributions = *budget.mutable_contributions();
  const auto it = std::find_if(
      contributions.begin(), contributions.end(),
      [&](const v1::Contribution& other) { return other.funder() == contribution.funder(); });
  if (it == contributions.end()) {
    *contributions.Add() = contribution;
  } else if (contribution.amount_pence() == 0) {
    contributions.erase(it);
  } else {
    *it = contribution;
  }
}

// The transaction of an event that moves money, or null.
const v1::LedgerTransaction* TransactionOf(const v1::BudgetEvent& event) {
  switch (event.event_case()) {
    case v1::BudgetEvent::kBudgetApproved:
      return &event.budget_approved().transaction();
    case v1::BudgetEvent::kSpendCommitted:
      return &event.spend_committed().transaction();
    case v1::BudgetEvent::kSpendPaid:
      return &event.spend_paid().transaction();
    case v1::BudgetEvent::kCommitmentCancelled:
      return &event.commitment_cancelled().transaction();
    case v1::BudgetEvent::kTransactionReversed:
      return &event.transaction_reversed().transaction();
    default:
      return nullptr;
  }
}

void EvolveBudget(v1::BudgetRecord& budget, const v1::BudgetEvent& event) {
  switch (event.event_case()) {
    case v1::BudgetEvent::kBudgetRequested: {
      const v1::BudgetRequested& requested = event.budget_requested();
      budget.set_status(v1::BUDGET_STATUS_REQUESTED);
      budget.set_person_id(requested.person_id());
      budget.set_category(requested.category());
      budget.set_organisation(requested.organisation());
      budget.set_icb(requested.icb());
      budget.set_holder_id(requested.holder_id());
      budget.set_correlation_id(event.header().correlation_id());
      *budget.mutable_request_time() = event.header().time();
      break;
    }
    case v1::BudgetEvent::kBudgetEligibilityDetermined:
      budget.set_status(v1::BUDGET_STATUS_ELIGIBLE);
      budget.set_category(event.budget_eligibility_determined().category());
      budget.set_eligibility_reference(event.budget_eligibility_determined().decision_reference());
      break;
    case v1::BudgetEvent::kBudgetAssessmentRecorded: {
      const v1::BudgetAssessmentRecorded& recorded = event.budget_assessment_recorded();
      budget.set_status(v1::BUDGET_STATUS_ASSESSED);
      budget.set_assessment_date(recorded.assessment_date());
      if (recorded.has_summary()) *budget.mutable_assessment_summary() = recorded.summary();
      break;
    }
    case v1::BudgetEvent::kIndicativeAmountSet:
      if (budget.status() == v1::BUDGET_STATUS_ASSESSED) {
        budget.set_status(v1::BUDGET_STATUS_INDICATIVE_SET);
      }
      budget.set_indicative_version(event.indicative_amount_set().indicative_version());
      *budget.mutable_indicative() = event.indicative_amount_set().indicative();
      break;
    case v1::BudgetEvent::kBudgetPlanningStarted:
      budget.set_status(v1::BUDGET_STATUS_PLANNING);
      break;
    case v1::BudgetEvent::kBudgetPlanSubmitted: {
      const v1::BudgetPlanSubmitted& submitted = event.budget_plan_submitted();
      budget.set_status(v1::BUDGET_STATUS_PLAN_SUBMITTED);
      budget.set_plan_version(submitted.plan_version());
      *budget.mutable_plan() = submitted.plan();
      budget.set_plan_cost_pence(submitted.cost_pence());
      const auto& time = event.header().time();
      budget.set_plan_date(base::LondonDate(absl::FromUnixSeconds(time.seconds())));
      break;
    }
    case v1::BudgetEvent::kContributionRecorded:
      SetContribution(budget, event.contribution_recorded().contribution());
      break;
    case v1::BudgetEvent::kClinicalSignOffRecorded:
      *budget.mutable_clinical_sign_off() = event.clinical_sign_off_recorded().sign_off();
      break;
    case v1::BudgetEvent::kBudgetApproved: {
      const v1::BudgetApproved& approved = event.budget_approved();
      budget.set_status(v1::BUDGET_STATUS_APPROVED);
      budget.set_final_amount_pence(approved.final_amount_pence());
      *budget.mutable_portions() = approved.portions();
      budget.set_financial_sign_off_id(approved.financial_sign_off_id());
      budget.set_care_coordinator_id(approved.care_coordinator_id());
      break;
    }
    case v1::BudgetEvent::kBudgetActivated:
      budget.set_status(v1::BUDGET_STATUS_ACTIVE);
      budget.set_start_date(event.budget_activated().start_date());
      *budget.mutable_direct_payment_terms() = event.budget_activated().direct_payment_terms();
      break;
    default:
      break;
  }
  if (const v1::LedgerTransaction* transaction = TransactionOf(event)) Post(budget, *transaction);
  *budget.mutable_update_time() = event.header().time();
}

}  // namespace

std::string OrganisationKey(std::string_view organisation) { return base::Key({organisation}); }

std::string StatusKey(std::string_view organisation, v1::BudgetStatus status) {
  return base::Key({organisation, std::to_string(status)});
}

std::string StatementKey(std::string_view budget_id) { return base::Key({budget_id}); }

std::string ClientReferenceKey(std::string_view budget_id, std::string_view client_reference) {
  return base::Key({budget_id, client_reference});
}

void BudgetRules::Evolve(State& state, const Event& event) {
  switch (event.event_case()) {
    case Event::kTransactionFiled: {
      v1::TransactionRecord& record = *state.mutable_transaction();
      *record.mutable_entry() = event.transaction_filed().entry();
      record.set_person_id(event.transaction_filed().person_id());
      *record.mutable_time() = event.header().time();
      return;
    }
    case Event::kTransactionUndone:
      state.mutable_transaction()->set_reversed_by(event.transaction_undone().reversal_id());
      return;
    case Event::EVENT_NOT_SET:
      return;
    default:
      return EvolveBudget(*state.mutable_budget(), event);
  }
}

std::vector<base::Entry> BudgetRules::Index(const State& state) {
  std::vector<base::Entry> entries;
  if (!state.has_budget()) return entries;
  const v1::BudgetRecord& budget = state.budget();
  const auto& time = budget.request_time();
  const std::string newest_first =
      SortBytes(INT64_MAX - (time.seconds() * 1'000'000 + time.nanos() / 1'000));
  const auto add = [&](const std::string& organisation) {
    entries.push_back({.index = kByOrganisation,
                       .key = OrganisationKey(organisation),
                       .sort = newest_first,
                       .unique = false});
    entries.push_back({.index = kByStatus,
                       .key = StatusKey(organisation, budget.status()),
                       .sort = newest_first,
                       .unique = false});
  };
  add(budget.icb());
  if (budget.organisation() != budget.icb()) add(budget.organisation());
  return entries;
}

std::vector<base::Entry> BudgetRules::Facts(const Event& event) {
  std::vector<base::Entry> entries;
  if (!event.has_transaction_filed()) return entries;
  const v1::LedgerTransaction& entry = event.transaction_filed().entry();
  entries.push_back({.index = kStatement,
                     .key = StatementKey(entry.budget_id()),
                     .sort = SortBytes(entry.number()),
                     .unique = false});
  if (!entry.client_reference().empty()) {
    entries.push_back({.index = kClientReference,
                       .key = ClientReferenceKey(entry.budget_id(), entry.client_reference()),
                       .sort = "",
                       .unique = true});
  }
  return entries;
}

std::vector<std::string> BudgetRules::Subjects(const State& state) {
  switch (state.kind_case()) {
    case State::kBudget:
      return {state.budget().person_id()};
    case State::kTransaction:
      return {state.transaction().person_id()};
    case State::KIND_NOT_SET:
      return {};
  }
  return {};
}

int64_t BudgetRules::Pence(const Event& event) {
  const v1::LedgerTransaction* transaction = TransactionOf(event);
  return transaction == nullptr ? 0 : transaction->amount_pence();
}

}  // namespace fettle::budget
