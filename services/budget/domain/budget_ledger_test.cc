#include "services/budget/domain/budget_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "libs/base/decide_testing.h"

namespace fettle::budget {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

v1::LedgerTransaction Transaction(
    std::initializer_list<std::pair<const char*, int64_t>> debits_and_credits) {
  v1::LedgerTransaction transaction;
  for (const auto& [account, pence] : debits_and_credits) {
    pence >= 0 ? Debit(transaction, account, pence) : Credit(transaction, account, -pence);
  }
  return transaction;
}

// INV-55: overflow is refused, not wrapped.
TEST(LedgerTest, SumsThatDoNotFitAreRefused) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(*AddPence(kMax - 1, 1), kMax);
  EXPECT_THAT(AddPence(kMax, 1),
              base::RefusedWith(absl::StatusCode::kInvalidArgument, "AMOUNT_OVERFLOW"));
  EXPECT_THAT(AddPence(1, kMax),
              base::RefusedWith(absl::StatusCode::kInvalidArgument, "AMOUNT_OVERFLOW"));
}

// INV-64: debits = credits, and a posting is one of the two.
TEST(LedgerTest, KnowsABalancedTransaction) {
  EXPECT_EQ(BalancedAmount(Transaction({{"a", 7}, {"b", -3}, {"c", -4}})), 7);
  EXPECT_EQ(BalancedAmount(Transaction({})), 0);
  EXPECT_EQ(BalancedAmount(Transaction({{"a", 7}, {"b", -6}})), -1);
  EXPECT_EQ(BalancedAmount(Transaction({{"a", 7}, {"b", -7}, {"c", 0}})), -1);
  v1::LedgerTransaction both;
  both.add_postings()->set_debit_pence(7);
  both.mutable_postings(0)->set_credit_pence(7);
  EXPECT_EQ(BalancedAmount(both), -1);
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(BalancedAmount(Transaction({{"a", kMax}, {"b", 1}, {"c", -kMax}, {"d", -1}})), -1);
}

class ChargeTest : public ::testing::Test {
 protected:
  // Funders A, B and C gave 100, 50 and 70 pence; `spent` of it is gone.
  v1::BudgetRecord Budget(std::initializer_list<std::pair<const char*, int64_t>> spent) {
    v1::BudgetRecord budget;
    for (const auto& [funder, pence] :
         {std::pair("A", 100), std::pair("B", 50), std::pair("C", 70)}) {
      v1::Contribution& contribution = *budget.add_contributions();
      contribution.set_funder(funder);
      contribution.set_amount_pence(pence);
    }
    for (const auto& [account, pence] : spent) {
      v1::AccountBalance& balance = *budget.add_balances();
      balance.set_account(account);
      balance.set_balance_pence(pence);
    }
    return budget;
  }
};

// INV-69: spending is charged in the order of the contributions, never above one.
TEST_F(ChargeTest, FundersPayInTheirOrder) {
  EXPECT_THAT(ChargeFunders(Budget({}), 0), IsEmpty());
  EXPECT_THAT(ChargeFunders(Budget({}), 100), ElementsAre(Pair("A", 100)));
  EXPECT_THAT(ChargeFunders(Budget({}), 101), ElementsAre(Pair("A", 100), Pair("B", 1)));
  EXPECT_THAT(ChargeFunders(Budget({}), 220),
              ElementsAre(Pair("A", 100), Pair("B", 50), Pair("C", 70)));
  const auto spent = {std::pair("spent:1:A", int64_t{90}), std::pair("spent:2:A", int64_t{10}),
                      std::pair("spent:2:B", int64_t{20})};
  EXPECT_THAT(ChargeFunders(Budget(spent), 31), ElementsAre(Pair("B", 30), Pair("C", 1)));
}

TEST_F(ChargeTest, PortionsAndFundersAreNotMixedUp) {
  const v1::BudgetRecord budget =
      Budget({{"spent:1:A", 1}, {"spent:1:BA", 2}, {"spent:11:A", 4}, {"available:1", 8}});
  EXPECT_EQ(SpentFrom(budget, 1), 3);
  EXPECT_EQ(SpentFrom(budget, 11), 4);
  EXPECT_EQ(SpentBy(budget, "A"), 5);
  EXPECT_EQ(SpentBy(budget, "BA"), 2);
  EXPECT_EQ(Balance(budget, "available:1"), 8);
  EXPECT_EQ(Balance(budget, "available:2"), 0);
}

using ChargeDeathTest = ChargeTest;
TEST_F(ChargeDeathTest, NobodyPaysMoreThanTheyGave) {
  EXPECT_DEATH(ChargeFunders(Budget({}), 221), "funders gave as much");
}

// What decide lets through must be sound; the process stops before it writes anything else.
TEST(PostDeathTest, StopsAtATransactionThatBreaksTheBooks) {
  v1::BudgetRecord budget;
  const auto post = [&](v1::LedgerTransaction transaction, int64_t amount, int64_t number) {
    transaction.set_amount_pence(amount);
    transaction.set_number(number);
    Post(budget, transaction);
  };
  EXPECT_DEATH(post(Transaction({{"available:1", 5}, {"funder:A", -4}}), 5, 1), "balances");
  EXPECT_DEATH(post(Transaction({{"available:1", 5}, {"funder:A", -5}}), 4, 1), "balances");
  EXPECT_DEATH(post(Transaction({{"available:1", 5}, {"funder:A", -5}}), 5, 2), "without gaps");
  EXPECT_DEATH(post(Transaction({{"funder:A", 5}, {"available:1", -5}}), 5, 1), "funders owe");
  post(Transaction({{"available:1", 5}, {"funder:A", -5}}), 5, 1);
  EXPECT_DEATH(post(Transaction({{"committed:1", 6}, {"available:1", -6}}), 6, 2), "funders owe");
  v1::LedgerTransaction payment = Transaction({{"available:1", 1}, {"funder:A", -1}});
  payment.set_kind(v1::TRANSACTION_KIND_PAYMENT);
  EXPECT_DEATH(post(payment, 1, 2), "commitment never goes below 0");
  EXPECT_EQ(Balance(budget, "available:1"), 5);
  EXPECT_EQ(Balance(budget, "funder:A"), -5);
}

}  // namespace
}  // namespace fettle::budget
