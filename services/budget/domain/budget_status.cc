#include "services/budget/domain/budget_status.h"

#include <algorithm>
#include <iterator>

namespace fettle::budget {
namespace {

struct Change {
  v1::BudgetStatus from, to;
};

constexpr Change kChanges[] = {
    {v1::BUDGET_STATUS_ENQUIRY, v1::BUDGET_STATUS_REQUESTED},
    {v1::BUDGET_STATUS_REQUESTED, v1::BUDGET_STATUS_ELIGIBLE},
    {v1::BUDGET_STATUS_REQUESTED, v1::BUDGET_STATUS_REFUSED},
    {v1::BUDGET_STATUS_ELIGIBLE, v1::BUDGET_STATUS_ASSESSED},
    {v1::BUDGET_STATUS_ELIGIBLE, v1::BUDGET_STATUS_REFUSED},
    {v1::BUDGET_STATUS_ASSESSED, v1::BUDGET_STATUS_INDICATIVE_SET},
    {v1::BUDGET_STATUS_INDICATIVE_SET, v1::BUDGET_STATUS_PLANNING},
    {v1::BUDGET_STATUS_PLANNING, v1::BUDGET_STATUS_PLAN_SUBMITTED},
    {v1::BUDGET_STATUS_PLAN_SUBMITTED, v1::BUDGET_STATUS_PLANNING},
    {v1::BUDGET_STATUS_PLAN_SUBMITTED, v1::BUDGET_STATUS_APPROVED},
    {v1::BUDGET_STATUS_PLAN_SUBMITTED, v1::BUDGET_STATUS_REFUSED},
    {v1::BUDGET_STATUS_APPROVED, v1::BUDGET_STATUS_ACTIVE},
    {v1::BUDGET_STATUS_ACTIVE, v1::BUDGET_STATUS_SUSPENDED},
    {v1::BUDGET_STATUS_ACTIVE, v1::BUDGET_STATUS_ENDED},
    {v1::BUDGET_STATUS_SUSPENDED, v1::BUDGET_STATUS_ACTIVE},
    {v1::BUDGET_STATUS_SUSPENDED, v1::BUDGET_STATUS_ENDED},
    {v1::BUDGET_STATUS_ENDED, v1::BUDGET_STATUS_RECONCILED},
    {v1::BUDGET_STATUS_REFUSED, v1::BUDGET_STATUS_RECONSIDERED},
    // Reconsidered: back to where it was refused, or refused for good.
    {v1::BUDGET_STATUS_RECONSIDERED, v1::BUDGET_STATUS_REQUESTED},
    {v1::BUDGET_STATUS_RECONSIDERED, v1::BUDGET_STATUS_ELIGIBLE},
    {v1::BUDGET_STATUS_RECONSIDERED, v1::BUDGET_STATUS_PLAN_SUBMITTED},
    {v1::BUDGET_STATUS_RECONSIDERED, v1::BUDGET_STATUS_REFUSED},
};

}  // namespace

bool MayChange(v1::BudgetStatus from, v1::BudgetStatus to) {
  return std::any_of(std::begin(kChanges), std::end(kChanges),
                     [&](const Change& change) { return change.from == from && change.to == to; });
}

}  // namespace fettle::budget
