// The ledger of a budget: double entry, in pence.
//
//   transaction   debit                              credit
//   ALLOCATION    available:<portion>                funder:<ODS code>
//   COMMITMENT    committed:<portion>                available:<portion>
//   PAYMENT       spent:<portion>:<ODS code>         committed:<portion>
//   CANCELLATION  available:<portion>                committed:<portion>
//   REVERSAL      the postings of one of the last three, with debit and credit exchanged
//
// A balance is debits minus credits: never below 0, but for the funders, who owe: never above 0. So
// available + committed + spent of a portion is its amount at all times, spending charged to a
// funder is never above what it gave, and no rule can create or lose a penny.
#ifndef FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_LEDGER_H_
#define FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_LEDGER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "fettle/budget/v1/budget_state.pb.h"
#include "fettle/budget/v1/budget_types.pb.h"

namespace fettle::budget {

// Names of accounts. `portion` counts from 1.
std::string FunderAccount(std::string_view funder);
std::string AvailableAccount(int portion);
std::string CommittedAccount(int portion);
std::string SpentAccount(int portion, std::string_view funder);

// INVALID_ARGUMENT AMOUNT_OVERFLOW when the sum does not fit (INV-55).
absl::StatusOr<int64_t> AddPence(int64_t a, int64_t b);

// Debits minus credits, pence; 0 for an account that was never posted to.
int64_t Balance(const v1::BudgetRecord& budget, std::string_view account);
int64_t SpentFrom(const v1::BudgetRecord& budget, int portion);
int64_t SpentBy(const v1::BudgetRecord& budget, std::string_view funder);
// Null when it holds nothing, or never was.
const v1::OpenCommitment* FindCommitment(const v1::BudgetRecord& budget,
                                         std::string_view commitment_id);

// Adds a posting of `pence` > 0.
void Debit(v1::LedgerTransaction& transaction, std::string account, int64_t pence);
void Credit(v1::LedgerTransaction& transaction, std::string account, int64_t pence);
// The sum of the debits, when it equals that of the credits and each posting is one of the two and
// above 0; else -1.
int64_t BalancedAmount(const v1::LedgerTransaction& transaction);

// Who pays `pence`: the funder that came first, as far as its contribution reaches, then the next.
// The parts are above 0 and sum to `pence`, which must not be more than the funders have left.
std::vector<std::pair<std::string, int64_t>> ChargeFunders(const v1::BudgetRecord& budget,
                                                           int64_t pence);

// What the transaction does to balances and commitments. Stops the process at one that breaks the
// laws above: decide lets none through.
void Post(v1::BudgetRecord& budget, const v1::LedgerTransaction& transaction);

}  // namespace fettle::budget

#endif  // FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_LEDGER_H_
