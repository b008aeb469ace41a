#include "services/budget/domain/budget_ledger.h"

#include <algorithm>

#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/text.h"

namespace fettle::budget {
namespace {

constexpr std::string_view kFunderPrefix = "funder:";

void ChangeBalance(v1::BudgetRecord& budget, const std::string& account, int64_t pence) {
  auto& balances = *budget.mutable_balances();
  auto it = std::lower_bound(balances.begin(), balances.end(), account,
                             [](const v1::AccountBalance& balance, const std::string& name) {
                               return balance.account() < name;
                             });
  if (it == balances.end() || it->account() != account) {
    const int at = static_cast<int>(it - balances.begin());
    balances.Add()->set_account(account);
    std::rotate(balances.begin() + at, balances.end() - 1, balances.end());
    it = balances.begin() + at;
  }
  it->set_balance_pence(it->balance_pence() + pence);
  const bool owes = account.starts_with(kFunderPrefix);
  FETTLE_CHECK(owes ? it->balance_pence() <= 0 : it->balance_pence() >= 0,
               "only funders owe money to a budget");
}

// Commitments stand in the order of their ids, which is that of time.
void ChangeCommitment(v1::BudgetRecord& budget, const v1::LedgerTransaction& transaction,
                      int64_t pence) {
  auto& commitments = *budget.mutable_commitments();
  auto it = std::lower_bound(commitments.begin(), commitments.end(), transaction.commitment_id(),
                             [](const v1::OpenCommitment& commitment, const std::string& id) {
                               return commitment.commitment_id() < id;
                             });
  if (it == commitments.end() || it->commitment_id() != transaction.commitment_id()) {
    const int at = static_cast<int>(it - commitments.begin());
    v1::OpenCommitment& added = *commitments.Add();
    added.set_commitment_id(transaction.commitment_id());
    added.set_line_code(transaction.line_code());
    added.set_portion(transaction.portion());
    std::rotate(commitments.begin() + at, commitments.end() - 1, commitments.end());
    it = commitments.begin() + at;
  }
  it->set_remaining_pence(it->remaining_pence() + pence);
  FETTLE_CHECK(it->remaining_pence() >= 0, "a commitment never goes below 0");
  if (it->remaining_pence() == 0) commitments.erase(it);
}

// The sign with which a transaction changes what its commitment holds.
int CommitmentSign(const v1::LedgerTransaction& transaction) {
  switch (transaction.kind()) {
    case v1::TRANSACTION_KIND_COMMITMENT:
      return 1;
    case v1::TRANSACTION_KIND_PAYMENT:
    case v1::TRANSACTION_KIND_CANCELLATION:
      return -1;
    case v1::TRANSACTION_KIND_REVERSAL:
      return transaction.reversed_kind() == v1::TRANSACTION_KIND_COMMITMENT ? -1 : 1;
    default:
      return 0;
  }
}

int64_t SumOf(const v1::BudgetRecord& budget, std::string_view prefix, std::string_view suffix) {
  int64_t sum = 0;
  for (const v1::AccountBalance& balance : budget.balances()) {
    if (balance.account().starts_with(prefix) && balance.account().ends_with(suffix)) {
      sum += balance.balance_pence();
    }
  }
  return sum;
}

}  // namespace

std::string FunderAccount(std::string_view funder) { return base::Concat(kFunderPrefix, funder); }
std::string AvailableAccount(int portion) { return base::Concat("available:", portion); }
std::string CommittedAccount(int portion) { return base::Concat("committed:", portion); }
std::string SpentAccount(int portion, std::string_view funder) {
  return base::Concat("spent:", portion, ":", funder);
}

absl::StatusOr<int64_t> AddPence(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    return base::Refuse(absl::StatusCode::kInvalidArgument, "AMOUNT_OVERFLOW",
                        "the amounts together are more pence than can be counted");
  }
  return sum;
}

int64_t Balance(const v1::BudgetRecord& budget, std::string_view account) {
  for (const v1::AccountBalance& balance : budget.balances()) {
    if (balance.account() == account) return balance.balance_pence();
  }
  return 0;
}

int64_t SpentFrom(const v1::BudgetRecord& budget, int portion) {
  return SumOf(budget, SpentAccount(portion, ""), "");
}

int64_t SpentBy(const v1::BudgetRecord& budget, std::string_view funder) {
  return SumOf(budget, "spent:", base::Concat(":", funder));
}

const v1::OpenCommitment* FindCommitment(const v1::BudgetRecord& budget,
                                         std::string_view commitment_id) {
  for (const v1::OpenCommitment& commitment : budget.commitments()) {
    if (commitment.commitment_id() == commitment_id) return &commitment;
  }
  return nullptr;
}

void Debit(v1::LedgerTransaction& transaction, std::string account, int64_t pence) {
  v1::Posting& posting = *transaction.add_postings();
  posting.set_account(std::move(account));
  posting.set_debit_pence(pence);
}

void Credit(v1::LedgerTransaction& transaction, std::string account, int64_t pence) {
  v1::Posting& posting = *transaction.add_postings();
  posting.set_account(std::move(account));
  posting.set_credit_pence(pence);
}

int64_t BalancedAmount(const v1::LedgerTransaction& transaction) {
  int64_t debits = 0;
  int64_t credits = 0;
  for (const v1::Posting& posting : transaction.postings()) {
    const int64_t debit = posting.debit_pence();
    const int64_t credit = posting.credit_pence();
    if (debit < 0 || credit < 0 || (debit > 0) == (credit > 0)) return -1;
    if (__builtin_add_overflow(debits, debit, &debits) ||
        __builtin_add_overflow(credits, credit, &credits)) {
      return -1;
    }
  }
  return debits == credits ? debits : -1;
}

std::vector<std::pair<std::string, int64_t>> ChargeFunders(const v1::BudgetRecord& budget,
                                                           int64_t pence) {
  std::vector<std::pair<std::string, int64_t>> charges;
  for (const v1::Contribution& contribution : budget.contributions()) {
    const int64_t left = contribution.amount_pence() - SpentBy(budget, contribution.funder());
    const int64_t part = std::min(left, pence);
    if (part == 0) continue;
    charges.emplace_back(contribution.funder(), part);
    pence -= part;
  }
  FETTLE_CHECK(pence == 0, "the funders gave as much as the portions hold");
  return charges;
}

void Post(v1::BudgetRecord& budget, const v1::LedgerTransaction& transaction) {
  const int64_t amount = BalancedAmount(transaction);
  FETTLE_CHECK(amount >= 0 && amount == transaction.amount_pence(),
               "every ledger transaction balances");
  FETTLE_CHECK(transaction.number() == budget.transaction_count() + 1,
               "transactions are numbered without gaps");
  budget.set_transaction_count(transaction.number());
  for (const v1::Posting& posting : transaction.postings()) {
    ChangeBalance(budget, posting.account(), posting.debit_pence() - posting.credit_pence());
  }
  if (const int sign = CommitmentSign(transaction); sign != 0) {
    ChangeCommitment(budget, transaction, sign * amount);
  }
}

}  // namespace fettle::budget
