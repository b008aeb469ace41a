// The life of a budget, as one table.
#ifndef FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_STATUS_H_
#define FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_STATUS_H_

#include "fettle/budget/v1/budget_types.pb.h"

namespace fettle::budget {

// True for the 22 changes that exist; any other, a status to itself included, changes nothing.
bool MayChange(v1::BudgetStatus from, v1::BudgetStatus to);

}  // namespace fettle::budget

#endif  // FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_STATUS_H_
