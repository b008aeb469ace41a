// The refusals that many decisions about a budget begin with, in their order: not yours, not now,
// not by you.
#ifndef FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_REFUSALS_H_
#define FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_REFUSALS_H_

#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/status.h"
#include "services/budget/domain/budget_rules.h"
#include "services/budget/domain/budget_status.h"

namespace fettle::budget {

inline absl::Status BudgetNotFound() {
  return base::Refuse(absl::StatusCode::kNotFound, "BUDGET_NOT_FOUND",
                      "budget_id: your organisation has no such budget");
}

// The organisation that asked for the budget and the person's ICB own it; for all others it is not
// there.
inline bool Owns(const base::Caller& caller, const v1::BudgetRecord& budget) {
  return !caller.organisation.empty() &&
         (caller.organisation == budget.organisation() || caller.organisation == budget.icb());
}

inline absl::StatusOr<const v1::BudgetRecord*> FindBudget(const base::View& view,
                                                          const std::string& budget_id,
                                                          const base::Context& context) {
  const auto* state = view.StateOf<v1::BudgetState>(budget_id);
  if (state == nullptr || !state->has_budget() || !Owns(context.caller, state->budget())) {
    return BudgetNotFound();
  }
  return &state->budget();
}

inline absl::Status StatusForbids(const v1::BudgetRecord& budget) {
  return base::Refuse(absl::StatusCode::kFailedPrecondition, "BUDGET_STATUS_FORBIDS",
                      "the budget's status does not allow this",
                      {{"status", v1::BudgetStatus_Name(budget.status())}});
}

inline absl::Status CheckStatus(const v1::BudgetRecord& budget,
                                std::initializer_list<v1::BudgetStatus> accepted) {
  for (v1::BudgetStatus status : accepted) {
    if (budget.status() == status) return absl::OkStatus();
  }
  return StatusForbids(budget);
}

inline absl::Status CheckChange(const v1::BudgetRecord& budget, v1::BudgetStatus to) {
  return MayChange(budget.status(), to) ? absl::OkStatus() : StatusForbids(budget);
}

// INV-99. A broker helps to write the plan and never approves, pays or changes an amount.
inline absl::Status CheckNotBroker(const v1::BudgetRecord& budget, const base::Context& context) {
  if (budget.plan().broker_id().empty() || context.caller.subject != budget.plan().broker_id()) {
    return absl::OkStatus();
  }
  return base::Refuse(absl::StatusCode::kPermissionDenied, "BROKER_MAY_NOT_DECIDE",
                      "the plan's broker may not approve, pay or change an amount");
}

inline absl::Status CheckNotFuture(std::string_view field, const std::string& date,
                                   const base::Context& context) {
  if (date <= context.today) return absl::OkStatus();
  return base::InvalidField(field, "DATE_IN_FUTURE", "today or earlier");
}

// INV-79. What no budget may buy, whatever the ICB.
bool IsProhibited(std::string_view category_code);

// An event on the budget's stream, or on that of one of its transactions, in the budget's journey.
template <class Response>
v1::BudgetEvent& AddEvent(base::Decision<Response>& decision, const std::string& stream_id,
                          const v1::BudgetRecord& budget) {
  auto& event = decision.template Add<v1::BudgetEvent>(stream_id);
  event.mutable_header()->set_correlation_id(budget.correlation_id());
  return event;
}

}  // namespace fettle::budget

#endif  // FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_REFUSALS_H_
