#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "services/budget/domain/budget_ledger.h"
#include "services/budget/domain/budget_refusals.h"
#include "services/budget/domain/budget_rules.h"

namespace fettle::budget {
namespace {

// The next transaction of the budget, without its postings.
v1::LedgerTransaction NewTransaction(const std::string& budget_id, const v1::BudgetRecord& budget,
                                     v1::TransactionKind kind, const std::string& date,
                                     const base::Context& context) {
  v1::LedgerTransaction transaction;
  transaction.set_transaction_id(context.ids->Next());
  transaction.set_budget_id(budget_id);
  transaction.set_number(budget.transaction_count() + 1);
  transaction.set_kind(kind);
  transaction.set_date(date);
  return transaction;
}

void AboutCommitment(v1::LedgerTransaction& transaction, const v1::OpenCommitment& commitment) {
  transaction.set_commitment_id(commitment.commitment_id());
  transaction.set_line_code(commitment.line_code());
  transaction.set_portion(commitment.portion());
}

// Closes the transaction (it must balance) and files it.
template <class Response>
void File(base::Decision<Response>& decision, const v1::BudgetRecord& budget,
          v1::LedgerTransaction& transaction) {
  transaction.set_amount_pence(BalancedAmount(transaction));
  FETTLE_CHECK(transaction.amount_pence() >= 0, "every ledger transaction balances");
  auto& filed =
      *AddEvent(decision, transaction.transaction_id(), budget).mutable_transaction_filed();
  *filed.mutable_entry() = transaction;
  filed.set_person_id(budget.person_id());
}

absl::Status CheckAvailable(const v1::BudgetRecord& budget, int portion, int64_t pence) {
  const int64_t available = Balance(budget, AvailableAccount(portion));
  if (pence <= available) return absl::OkStatus();
  return base::Refuse(
      absl::StatusCode::kFailedPrecondition, "PORTION_EXCEEDED",
      "the portion has less money available than this needs",
      {{"portion", absl::StrCat(portion)}, {"available_pence", absl::StrCat(available)}});
}

// A commitment more, or one that is open again.
absl::Status CheckRoomForCommitment(const v1::BudgetRecord& budget,
                                    std::string_view commitment_id) {
  if (FindCommitment(budget, commitment_id) != nullptr ||
      budget.commitments_size() < kOpenCommitmentsMax) {
    return absl::OkStatus();
  }
  return base::Refuse(absl::StatusCode::kFailedPrecondition, "TOO_MANY_OPEN_COMMITMENTS",
                      "a budget has so many open commitments at most; pay or cancel some first",
                      {{"max", absl::StrCat(kOpenCommitmentsMax)}});
}

absl::StatusOr<const v1::OpenCommitment*> FindOpen(const v1::BudgetRecord& budget,
                                                   const std::string& commitment_id) {
  if (const v1::OpenCommitment* open = FindCommitment(budget, commitment_id)) return open;
  return base::Refuse(absl::StatusCode::kFailedPrecondition, "COMMITMENT_NOT_OPEN",
                      "commitment_id: the budget has no commitment with it that still holds money");
}

// Whose money a payment was, as its postings say.
v1::PaySpendResponse ResponseOf(const v1::LedgerTransaction& payment) {
  v1::PaySpendResponse response;
  response.set_transaction_id(payment.transaction_id());
  const std::string prefix = SpentAccount(payment.portion(), "");
  for (const v1::Posting& posting : payment.postings()) {
    if (posting.debit_pence() == 0) continue;
    v1::FunderCharge& charge = *response.add_charges();
    charge.set_funder(posting.account().substr(prefix.size()));
    charge.set_amount_pence(posting.debit_pence());
  }
  return response;
}

bool IsInterested(const v1::BudgetRecord& budget, const v1::ApproveBudgetRequest& request,
                  const std::string& user) {
  return user == budget.holder_id() || user == budget.plan().broker_id() ||
         std::any_of(request.portions().begin(), request.portions().end(),
                     [&](const v1::Portion& portion) { return portion.payee_id() == user; });
}

absl::Status NotFinalAmount(std::string_view reason, std::string_view what, int64_t sum,
                            int64_t final_amount) {
  return base::Refuse(
      absl::StatusCode::kFailedPrecondition, reason, std::string(what),
      {{"sum_pence", absl::StrCat(sum)}, {"final_amount_pence", absl::StrCat(final_amount)}});
}

}  // namespace

base::Reads BudgetRules::ReadsOf(const v1::PaySpendRequest& request, const base::View&) {
  return {.streams = {request.budget_id()},
          .unique = {{kClientReference,
                      ClientReferenceKey(request.budget_id(), request.client_reference())}}};
}

base::Reads BudgetRules::ReadsOf(const v1::ReverseTransactionRequest& request, const base::View&) {
  return {.streams = {request.budget_id(), request.transaction_id()}, .unique = {}};
}

auto BudgetRules::Decide(const base::View& view, const v1::ApproveBudgetRequest& request,
                         const base::Context& context) -> Decided<v1::ApproveBudgetResponse> {
  FETTLE_ASSIGN_OR_RETURN(const v1::BudgetRecord* budget,
                          FindBudget(view, request.budget_id(), context));
  FETTLE_RETURN_IF_ERROR(CheckChange(*budget, v1::BUDGET_STATUS_APPROVED));
  const std::string& signer = context.caller.subject;
  const std::string& clinician = budget->clinical_sign_off().practitioner_id();
  if (clinician.empty()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "CLINICAL_SIGN_OFF_MISSING",
                        "a practitioner must sign for the plan first");
  }
  if (signer == clinician) {
    return base::Refuse(absl::StatusCode::kPermissionDenied, "SIGN_OFF_BY_SAME_PERSON",
                        "clinical and financial sign-off are by two different people");
  }
  if (IsInterested(*budget, request, signer) || IsInterested(*budget, request, clinician)) {
    return base::Refuse(absl::StatusCode::kPermissionDenied, "SIGN_OFF_BY_INTERESTED_PERSON",
                        "the budget's holder, payee and broker do not sign");
  }
  if (request.care_coordinator_id().empty()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "CARE_COORDINATOR_NOT_NAMED",
                        "care_coordinator_id: name who coordinates the person's care");
  }
  const int64_t final_amount = request.final_amount_pence();
  int64_t portions = 0;
  for (int i = 0; i < request.portions_size(); ++i) {
    const v1::Portion& portion = request.portions(i);
    if (portion.option() == v1::PORTION_OPTION_DIRECT_PAYMENT && portion.payee_id().empty()) {
      return base::InvalidField(absl::StrCat("portions[", i, "].payee_id"), "PAYEE_NOT_NAMED",
                                "who receives the direct payment");
    }
    FETTLE_ASSIGN_OR_RETURN(portions, AddPence(portions, portion.amount_pence()));
  }
  int64_t contributions = 0;
  for (const v1::Contribution& contribution : budget->contributions()) {
    FETTLE_ASSIGN_OR_RETURN(contributions, AddPence(contributions, contribution.amount_pence()));
  }
  if (final_amount < budget->plan_cost_pence()) {
    return NotFinalAmount("FINAL_AMOUNT_BELOW_PLAN",
                          "final_amount_pence: it must meet the full cost of the plan's lines",
                          budget->plan_cost_pence(), final_amount);
  }
  if (contributions != final_amount) {
    return NotFinalAmount("CONTRIBUTIONS_NOT_FINAL_AMOUNT",
                          "final_amount_pence: it must be the sum of the funders' contributions",
                          contributions, final_amount);
  }
  if (portions != final_amount) {
    return NotFinalAmount("PORTIONS_NOT_FINAL_AMOUNT",
                          "portions: together they must be the final amount", portions,
                          final_amount);
  }

  base::Decision<v1::ApproveBudgetResponse> decision;
  v1::LedgerTransaction transaction = NewTransaction(
      request.budget_id(), *budget, v1::TRANSACTION_KIND_ALLOCATION, context.today, context);
  for (int i = 0; i < request.portions_size(); ++i) {
    Debit(transaction, AvailableAccount(i + 1), request.portions(i).amount_pence());
  }
  for (const v1::Contribution& contribution : budget->contributions()) {
    Credit(transaction, FunderAccount(contribution.funder()), contribution.amount_pence());
  }
  auto& approved = *AddEvent(decision, request.budget_id(), *budget).mutable_budget_approved();
  File(decision, *budget, transaction);
  approved.set_final_amount_pence(final_amount);
  *approved.mutable_portions() = request.portions();
  *approved.mutable_contributions() = budget->contributions();
  *approved.mutable_clinical_sign_off() = budget->clinical_sign_off();
  approved.set_financial_sign_off_id(signer);
  approved.set_care_coordinator_id(request.care_coordinator_id());
  *approved.mutable_transaction() = transaction;
  decision.response.set_transaction_id(transaction.transaction_id());
  return decision;
}

auto BudgetRules::Decide(const base::View& view, const v1::CommitSpendRequest& request,
                         const base::Context& context) -> Decided<v1::CommitSpendResponse> {
  FETTLE_ASSIGN_OR_RETURN(const v1::BudgetRecord* budget,
                          FindBudget(view, request.budget_id(), context));
  FETTLE_RETURN_IF_ERROR(CheckStatus(*budget, {v1::BUDGET_STATUS_ACTIVE}));
  FETTLE_RETURN_IF_ERROR(CheckNotBroker(*budget, context));
  const auto& lines = budget->plan().lines();
  if (std::none_of(lines.begin(), lines.end(), [&](const v1::PlanLine& line) {
        return line.line_code() == request.line_code();
      })) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "PLAN_LINE_NOT_FOUND",
                        "line_code: the plan has no line with it; money is spent as planned");
  }
  if (IsProhibited(request.category_code())) {
    return base::InvalidField("category_code", "CATEGORY_PROHIBITED",
                              "something that a personal health budget may buy");
  }
  if (request.portion() > budget->portions_size()) {
    return base::InvalidField("portion", "PORTION_NOT_FOUND", "the number of a portion");
  }
  if (request.spend_date() < budget->start_date() ||
      request.spend_date() > budget->indicative().period_end_date()) {
    return base::InvalidField("spend_date", "DATE_OUTSIDE_PERIOD",
                              "from the budget's start until the end of its period");
  }
  FETTLE_RETURN_IF_ERROR(CheckAvailable(*budget, request.portion(), request.amount_pence()));
  FETTLE_RETURN_IF_ERROR(CheckRoomForCommitment(*budget, ""));

  base::Decision<v1::CommitSpendResponse> decision;
  v1::LedgerTransaction transaction = NewTransaction(
      request.budget_id(), *budget, v1::TRANSACTION_KIND_COMMITMENT, request.spend_date(), context);
  transaction.set_commitment_id(transaction.transaction_id());
  transaction.set_line_code(request.line_code());
  transaction.set_portion(request.portion());
  transaction.set_category_code(request.category_code());
  Debit(transaction, CommittedAccount(request.portion()), request.amount_pence());
  Credit(transaction, AvailableAccount(request.portion()), request.amount_pence());
  auto& committed = *AddEvent(decision, request.budget_id(), *budget).mutable_spend_committed();
  File(decision, *budget, transaction);
  decision.response.set_commitment_id(transaction.commitment_id());
  decision.response.set_available_pence(Balance(*budget, AvailableAccount(request.portion())) -
                                        request.amount_pence());
  *committed.mutable_transaction() = std::move(transaction);
  return decision;
}

auto BudgetRules::Decide(const base::View& view, const v1::PaySpendRequest& request,
                         const base::Context& context) -> Decided<v1::PaySpendResponse> {
  FETTLE_ASSIGN_OR_RETURN(const v1::BudgetRecord* budget,
                          FindBudget(view, request.budget_id(), context));
  FETTLE_RETURN_IF_ERROR(CheckNotBroker(*budget, context));
  base::Decision<v1::PaySpendResponse> decision;
  // INV-66: asked before all that may have changed since.
  if (const auto holder = view.Holder(
          kClientReference, ClientReferenceKey(request.budget_id(), request.client_reference()))) {
    const v1::LedgerTransaction& earlier =
        view.StateOf<v1::BudgetState>(*holder)->transaction().entry();
    if (earlier.commitment_id() == request.commitment_id() &&
        earlier.amount_pence() == request.amount_pence() &&
        earlier.date() == request.payment_date()) {
      decision.response = ResponseOf(earlier);
      return decision;
    }
    return base::Refuse(absl::StatusCode::kAlreadyExists, "CLIENT_REFERENCE_USED",
                        "client_reference: another payment of this budget has it",
                        {{"transaction_id", earlier.transaction_id()}});
  }
  FETTLE_RETURN_IF_ERROR(CheckStatus(*budget, {v1::BUDGET_STATUS_ACTIVE}));
  FETTLE_ASSIGN_OR_RETURN(const v1::OpenCommitment* commitment,
                          FindOpen(*budget, request.commitment_id()));
  if (request.amount_pence() > commitment->remaining_pence()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "PAYMENT_ABOVE_COMMITMENT",
                        "amount_pence: the commitment holds less",
                        {{"remaining_pence", absl::StrCat(commitment->remaining_pence())}});
  }
  FETTLE_RETURN_IF_ERROR(CheckNotFuture("payment_date", request.payment_date(), context));
  if (request.payment_date() < budget->start_date()) {
    return base::InvalidField("payment_date", "DATE_BEFORE_START",
                              "the day on which the budget started, or later");
  }

  v1::LedgerTransaction transaction = NewTransaction(
      request.budget_id(), *budget, v1::TRANSACTION_KIND_PAYMENT, request.payment_date(), context);
  AboutCommitment(transaction, *commitment);
  transaction.set_client_reference(request.client_reference());
  for (auto& [funder, pence] : ChargeFunders(*budget, request.amount_pence())) {
    Debit(transaction, SpentAccount(commitment->portion(), funder), pence);
  }
  Credit(transaction, CommittedAccount(commitment->portion()), request.amount_pence());
  auto& paid = *AddEvent(decision, request.budget_id(), *budget).mutable_spend_paid();
  File(decision, *budget, transaction);
  decision.response = ResponseOf(transaction);
  *paid.mutable_transaction() = std::move(transaction);
  return decision;
}

auto BudgetRules::Decide(const base::View& view, const v1::CancelCommitmentRequest& request,
                         const base::Context& context) -> Decided<v1::CancelCommitmentResponse> {
  FETTLE_ASSIGN_OR_RETURN(const v1::BudgetRecord* budget,
                          FindBudget(view, request.budget_id(), context));
  FETTLE_RETURN_IF_ERROR(CheckStatus(*budget, {v1::BUDGET_STATUS_ACTIVE}));
  FETTLE_RETURN_IF_ERROR(CheckNotBroker(*budget, context));
  FETTLE_ASSIGN_OR_RETURN(const v1::OpenCommitment* commitment,
                          FindOpen(*budget, request.commitment_id()));

  base::Decision<v1::CancelCommitmentResponse> decision;
  v1::LedgerTransaction transaction = NewTransaction(
      request.budget_id(), *budget, v1::TRANSACTION_KIND_CANCELLATION, context.today, context);
  AboutCommitment(transaction, *commitment);
  transaction.set_reason_code(request.reason_code());
  Debit(transaction, AvailableAccount(commitment->portion()), commitment->remaining_pence());
  Credit(transaction, CommittedAccount(commitment->portion()), commitment->remaining_pence());
  auto& cancelled =
      *AddEvent(decision, request.budget_id(), *budget).mutable_commitment_cancelled();
  File(decision, *budget, transaction);
  decision.response.set_transaction_id(transaction.transaction_id());
  decision.response.set_freed_pence(transaction.amount_pence());
  *cancelled.mutable_transaction() = std::move(transaction);
  return decision;
}

auto BudgetRules::Decide(const base::View& view, const v1::ReverseTransactionRequest& request,
                         const base::Context& context) -> Decided<v1::ReverseTransactionResponse> {
  FETTLE_ASSIGN_OR_RETURN(const v1::BudgetRecord* budget,
                          FindBudget(view, request.budget_id(), context));
  FETTLE_RETURN_IF_ERROR(CheckStatus(*budget, {v1::BUDGET_STATUS_ACTIVE}));
  FETTLE_RETURN_IF_ERROR(CheckNotBroker(*budget, context));
  const auto* state = view.StateOf<v1::BudgetState>(request.transaction_id());
  if (state == nullptr || state->transaction().entry().budget_id() != request.budget_id()) {
    return base::Refuse(absl::StatusCode::kNotFound, "TRANSACTION_NOT_FOUND",
                        "transaction_id: the budget has no such transaction");
  }
  const v1::LedgerTransaction& undone = state->transaction().entry();
  if (undone.kind() != v1::TRANSACTION_KIND_COMMITMENT &&
      undone.kind() != v1::TRANSACTION_KIND_PAYMENT &&
      undone.kind() != v1::TRANSACTION_KIND_CANCELLATION) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "TRANSACTION_NOT_REVERSIBLE",
                        "transaction_id: only commitments, payments and cancellations are reversed",
                        {{"kind", v1::TransactionKind_Name(undone.kind())}});
  }
  if (!state->transaction().reversed_by().empty()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "TRANSACTION_ALREADY_REVERSED",
                        "transaction_id: a transaction is reversed once at most",
                        {{"reversal_id", state->transaction().reversed_by()}});
  }
  if (undone.kind() == v1::TRANSACTION_KIND_COMMITMENT) {
    const v1::OpenCommitment* open = FindCommitment(*budget, undone.commitment_id());
    if (open == nullptr || open->remaining_pence() != undone.amount_pence()) {
      return base::Refuse(absl::StatusCode::kFailedPrecondition, "COMMITMENT_NOT_WHOLE",
                          "transaction_id: a part of the commitment was paid or cancelled; reverse "
                          "that first, or cancel what is left");
    }
  } else {
    if (undone.kind() == v1::TRANSACTION_KIND_CANCELLATION) {
      FETTLE_RETURN_IF_ERROR(CheckAvailable(*budget, undone.portion(), undone.amount_pence()));
    }
    FETTLE_RETURN_IF_ERROR(CheckRoomForCommitment(*budget, undone.commitment_id()));
  }

  base::Decision<v1::ReverseTransactionResponse> decision;
  v1::LedgerTransaction transaction = NewTransaction(
      request.budget_id(), *budget, v1::TRANSACTION_KIND_REVERSAL, context.today, context);
  transaction.set_commitment_id(undone.commitment_id());
  transaction.set_line_code(undone.line_code());
  transaction.set_portion(undone.portion());
  transaction.set_reversed_transaction_id(undone.transaction_id());
  transaction.set_reversed_kind(undone.kind());
  transaction.set_reason_code(request.reason_code());
  for (const v1::Posting& posting : undone.postings()) {
    if (posting.debit_pence() > 0) {
      Credit(transaction, posting.account(), posting.debit_pence());
    } else {
      Debit(transaction, posting.account(), posting.credit_pence());
    }
  }
  auto& reversed = *AddEvent(decision, request.budget_id(), *budget).mutable_transaction_reversed();
  File(decision, *budget, transaction);
  AddEvent(decision, undone.transaction_id(), *budget)
      .mutable_transaction_undone()
      ->set_reversal_id(transaction.transaction_id());
  decision.response.set_transaction_id(transaction.transaction_id());
  *reversed.mutable_transaction() = std::move(transaction);
  return decision;
}

}  // namespace fettle::budget
