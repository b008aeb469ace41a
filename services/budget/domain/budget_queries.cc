#include <string>

#include "services/budget/domain/budget_ledger.h"
#include "services/budget/domain/budget_refusals.h"
#include "services/budget/domain/budget_rules.h"

namespace fettle::budget {
namespace {

const v1::BudgetState& StateOf(const base::View::Stream& stream) {
  return static_cast<const v1::BudgetState&>(*stream.state);
}

// What a list shows of a budget: everything but plan and assessment.
v1::Budget SummaryOf(const std::string& budget_id, int64_t version,
                     const v1::BudgetRecord& record) {
  v1::Budget budget;
  budget.set_budget_id(budget_id);
  budget.set_version(version);
  budget.set_status(record.status());
  budget.set_person_id(record.person_id());
  budget.set_category(record.category());
  budget.set_organisation(record.organisation());
  budget.set_icb(record.icb());
  budget.set_correlation_id(record.correlation_id());
  *budget.mutable_request_time() = record.request_time();
  *budget.mutable_update_time() = record.update_time();
  budget.set_assessment_date(record.assessment_date());
  budget.set_indicative_version(record.indicative_version());
  if (record.has_indicative()) *budget.mutable_indicative() = record.indicative();
  budget.set_plan_version(record.plan_version());
  budget.set_plan_cost_pence(record.plan_cost_pence());
  budget.set_financial_sign_off_id(record.financial_sign_off_id());
  budget.set_care_coordinator_id(record.care_coordinator_id());
  budget.set_final_amount_pence(record.final_amount_pence());
  for (int number = 1; number <= record.portions_size(); ++number) {
    v1::PortionPosition& portion = *budget.add_portions();
    portion.set_number(number);
    *portion.mutable_portion() = record.portions(number - 1);
    portion.set_available_pence(Balance(record, AvailableAccount(number)));
    portion.set_committed_pence(Balance(record, CommittedAccount(number)));
    portion.set_spent_pence(SpentFrom(record, number));
  }
  for (const v1::Contribution& contribution : record.contributions()) {
    v1::FunderPosition& funder = *budget.add_funders();
    *funder.mutable_contribution() = contribution;
    funder.set_spent_pence(SpentBy(record, contribution.funder()));
  }
  budget.set_start_date(record.start_date());
  return budget;
}

v1::Budget DetailsOf(const std::string& budget_id, int64_t version,
                     const v1::BudgetRecord& record) {
  v1::Budget budget = SummaryOf(budget_id, version, record);
  budget.set_holder_id(record.holder_id());
  if (record.has_assessment_summary()) {
    *budget.mutable_assessment_summary() = record.assessment_summary();
  }
  if (record.has_plan()) *budget.mutable_plan() = record.plan();
  if (record.has_clinical_sign_off()) {
    *budget.mutable_clinical_sign_off() = record.clinical_sign_off();
  }
  for (const v1::OpenCommitment& open : record.commitments()) {
    v1::Commitment& commitment = *budget.add_commitments();
    commitment.set_commitment_id(open.commitment_id());
    commitment.set_line_code(open.line_code());
    commitment.set_portion(open.portion());
    commitment.set_remaining_pence(open.remaining_pence());
  }
  *budget.mutable_direct_payment_terms() = record.direct_payment_terms();
  return budget;
}

// The budget's stream, if the caller's organisation owns it.
absl::StatusOr<base::View::Stream> LoadBudget(const base::Snapshot& snapshot,
                                              const std::string& budget_id,
                                              const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(base::View::Stream stream, snapshot.Load(budget_id));
  if (stream.state == nullptr || !StateOf(stream).has_budget() ||
      !Owns(context.caller, StateOf(stream).budget())) {
    return BudgetNotFound();
  }
  return stream;
}

}  // namespace

absl::StatusOr<v1::GetBudgetResponse> BudgetRules::Answer(const base::Snapshot& snapshot,
                                                          const v1::GetBudgetRequest& request,
                                                          const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(base::View::Stream stream,
                          LoadBudget(snapshot, request.budget_id(), context));
  v1::GetBudgetResponse response;
  *response.mutable_budget() =
      DetailsOf(request.budget_id(), stream.version, StateOf(stream).budget());
  response.set_position(snapshot.position());
  return response;
}

absl::StatusOr<v1::GetStatementResponse> BudgetRules::Answer(const base::Snapshot& snapshot,
                                                             const v1::GetStatementRequest& request,
                                                             const base::Context& context) {
  FETTLE_RETURN_IF_ERROR(LoadBudget(snapshot, request.budget_id(), context));
  FETTLE_ASSIGN_OR_RETURN(
      base::ListedPage page,
      snapshot.List(kStatement, StatementKey(request.budget_id()), request.page()));
  v1::GetStatementResponse response;
  for (const std::string& id : page.streams) {
    FETTLE_ASSIGN_OR_RETURN(base::View::Stream stream, snapshot.Load(id));
    const v1::TransactionRecord& record = StateOf(stream).transaction();
    v1::StatementEntry& entry = *response.add_entries();
    *entry.mutable_transaction() = record.entry();
    entry.set_reversed_by(record.reversed_by());
    *entry.mutable_time() = record.time();
  }
  response.set_next_page_token(page.next);
  response.set_position(snapshot.position());
  return response;
}

absl::StatusOr<v1::ListBudgetsResponse> BudgetRules::Answer(const base::Snapshot& snapshot,
                                                            const v1::ListBudgetsRequest& request,
                                                            const base::Context& context) {
  const std::string& organisation = context.caller.organisation;
  const bool all = request.status() == v1::BUDGET_STATUS_UNSPECIFIED;
  FETTLE_ASSIGN_OR_RETURN(
      base::ListedPage page,
      all ? snapshot.List(kByOrganisation, OrganisationKey(organisation), request.page())
          : snapshot.List(kByStatus, StatusKey(organisation, request.status()), request.page()));
  v1::ListBudgetsResponse response;
  for (const std::string& id : page.streams) {
    FETTLE_ASSIGN_OR_RETURN(base::View::Stream stream, snapshot.Load(id));
    *response.add_budgets() = SummaryOf(id, stream.version, StateOf(stream).budget());
  }
  response.set_next_page_token(page.next);
  response.set_position(snapshot.position());
  return response;
}

}  // namespace fettle::budget
