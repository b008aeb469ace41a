// INV-65, with INV-55..58, 60, 62, 64, 66 and 69 on the way.
//
// Goal: whatever people do, the stored balances are those that the ledger gives, no account is ever
// overdrawn, and no penny appears or disappears. Method: random commands, most of them sensible, on
// many budgets; after each one the laws, from the state; at the end of each budget a second set of
// books, kept here from the published postings alone and sharing no code with the rules.
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "services/budget/domain/budget_testing.h"

namespace fettle::budget {
namespace {

using base::IsDone;

constexpr int kBudgets = 200;
constexpr int kCommandsPerBudget = 120;

class ReplayTest : public BudgetTest {
 protected:
  int64_t Number(int64_t min, int64_t max) {
    return std::uniform_int_distribution<int64_t>(min, max)(random_);
  }
  const std::string& AnyOf(const std::vector<std::string>& ids) {
    static const std::string none = kNoBudget;
    return ids.empty() ? none : ids[Number(0, ids.size() - 1)];
  }

  // A budget of random portions and funders whose sums agree, active.
  void Open() {
    Reach(v1::BUDGET_STATUS_PLAN_SUBMITTED);
    auto approve = ApproveBudget(budget_id);
    approve.clear_portions();
    int64_t final_amount = 0;
    for (int64_t left = Number(1, 4); left > 0; --left) {
      const int64_t pence = Number(100'000, 400'000);
      AddPortion(approve, v1::PORTION_OPTION_NOTIONAL, pence);
      final_amount += pence;
    }
    final_amount += 260'000;
    AddPortion(approve, v1::PORTION_OPTION_THIRD_PARTY, 260'000);
    approve.set_final_amount_pence(final_amount);
    int64_t to_fund = final_amount;
    for (const char* funder : {kCharity, kIcb}) {
      const int64_t part = Number(1, to_fund - 1);
      ASSERT_THAT(When(kFinance, RecordContribution(budget_id, funder, part)), IsDone());
      to_fund -= part;
    }
    ASSERT_THAT(When(kFinance, RecordContribution(budget_id, kCouncil, to_fund)), IsDone());
    ASSERT_THAT(When(kClinician, SignOffClinically(budget_id)), IsDone());
    ASSERT_THAT(When(kFinance, approve), IsDone());
    auto activate = ActivateBudget(budget_id);
    activate.clear_direct_payment_terms();
    ASSERT_THAT(When(kCommissioner, activate), IsDone());
    commitments_.clear();
    transactions_.clear();
    references_ = 0;
  }

  template <class Outcome>
  void Count(const Outcome& outcome) {
    outcome.ok() ? ++accepted_ : ++refused_[base::ReasonOf(outcome.status())];
  }

  void AnyCommand() {
    switch (Number(0, 9)) {
      case 0:
      case 1:
      case 2: {
        const int portion = Number(1, Record().portions_size());
        const auto done = When(kTherapist, CommitSpend(budget_id, Number(1, 60'000), portion));
        if (done.ok()) {
          commitments_.push_back(done->response.commitment_id());
          transactions_.push_back(done->response.commitment_id());
        }
        return Count(done);
      }
      case 3:
      case 4:
      case 5:
      case 6: {
        const std::string commitment = AnyOf(commitments_);
        const auto* open = FindCommitment(Record(), commitment);
        const int64_t pence = open == nullptr || Number(0, 3) == 0
                                  ? Number(1, 30'000)
                                  : Number(1, open->remaining_pence());
        // Now and then a reference that was used before.
        const int64_t reference = Number(0, 9) == 0 ? Number(1, references_ + 1) : ++references_;
        const auto done =
            When(kFinance, PaySpend(budget_id, commitment, pence, absl::StrCat("INV-", reference)));
        if (done.ok() && !done->events.empty()) {
          transactions_.push_back(done->response.transaction_id());
          int64_t charged = 0;
          for (const auto& charge : done->response.charges()) charged += charge.amount_pence();
          EXPECT_EQ(charged, pence);
        }
        return Count(done);
      }
      case 7: {
        const auto done = When(kTherapist, CancelCommitment(budget_id, AnyOf(commitments_)));
        if (done.ok()) transactions_.push_back(done->response.transaction_id());
        return Count(done);
      }
      default: {
        const auto done = When(kFinance, ReverseTransaction(budget_id, AnyOf(transactions_)));
        if (done.ok()) transactions_.push_back(done->response.transaction_id());
        return Count(done);
      }
    }
  }

  // What holds after every command.
  void CheckLaws() {
    const v1::Budget budget = Shown();
    int64_t portions = 0;
    std::map<int, int64_t> committed;
    for (const v1::Commitment& commitment : budget.commitments()) {
      ASSERT_GT(commitment.remaining_pence(), 0);
      committed[commitment.portion()] += commitment.remaining_pence();
    }
    int64_t spent = 0;
    for (const v1::PortionPosition& portion : budget.portions()) {
      ASSERT_GE(portion.available_pence(), 0) << "INV-60";
      ASSERT_GE(portion.committed_pence(), 0);
      ASSERT_GE(portion.spent_pence(), 0);
      ASSERT_EQ(portion.available_pence() + portion.committed_pence() + portion.spent_pence(),
                portion.portion().amount_pence())
          << "INV-57";
      ASSERT_EQ(portion.committed_pence(), committed[portion.number()]) << "INV-62";
      portions += portion.portion().amount_pence();
      spent += portion.spent_pence();
    }
    int64_t contributions = 0;
    int64_t charged = 0;
    for (const v1::FunderPosition& funder : budget.funders()) {
      ASSERT_GE(funder.spent_pence(), 0);
      ASSERT_LE(funder.spent_pence(), funder.contribution().amount_pence()) << "INV-69";
      contributions += funder.contribution().amount_pence();
      charged += funder.spent_pence();
    }
    ASSERT_EQ(portions, budget.final_amount_pence()) << "INV-56";
    ASSERT_EQ(contributions, budget.final_amount_pence()) << "INV-56";
    ASSERT_EQ(charged, spent);
  }

  // The ledger alone gives every balance, from the budget's events and from its statement.
  void CheckReplay() {
    std::vector<v1::LedgerTransaction> ledger;
    for (const v1::BudgetEvent& event : journal.EventsOf(budget_id)) {
      if (event.has_budget_approved()) ledger.push_back(event.budget_approved().transaction());
      if (event.has_spend_committed()) ledger.push_back(event.spend_committed().transaction());
      if (event.has_spend_paid()) ledger.push_back(event.spend_paid().transaction());
      if (event.has_commitment_cancelled()) {
        ledger.push_back(event.commitment_cancelled().transaction());
      }
      if (event.has_transaction_reversed()) {
        ledger.push_back(event.transaction_reversed().transaction());
      }
    }
    std::map<std::string, int64_t> books;
    std::set<std::string> reversed, references;
    int64_t number = 0;
    for (const v1::LedgerTransaction& transaction : ledger) {
      int64_t debits = 0;
      int64_t credits = 0;
      for (const v1::Posting& posting : transaction.postings()) {
        books[posting.account()] += posting.debit_pence() - posting.credit_pence();
        debits += posting.debit_pence();
        credits += posting.credit_pence();
      }
      ASSERT_EQ(debits, credits) << "INV-64";
      ASSERT_EQ(debits, transaction.amount_pence());
      ASSERT_EQ(transaction.number(), ++number);
      if (!transaction.reversed_transaction_id().empty()) {
        ASSERT_TRUE(reversed.insert(transaction.reversed_transaction_id()).second) << "INV-64";
      }
      if (!transaction.client_reference().empty()) {
        ASSERT_TRUE(references.insert(transaction.client_reference()).second) << "INV-66";
      }
    }
    std::map<std::string, int64_t> stored;
    for (const v1::AccountBalance& balance : Record().balances()) {
      stored[balance.account()] = balance.balance_pence();
    }
    ASSERT_EQ(stored, books) << "INV-65";

    auto request = On<v1::GetStatementRequest>(budget_id);
    request.mutable_page()->set_page_size(200);
    const auto statement = journal.Ask(request);
    ASSERT_THAT(statement, IsDone());
    ASSERT_EQ(static_cast<size_t>(statement->entries_size()), ledger.size());
    for (size_t i = 0; i < ledger.size(); ++i) {
      ASSERT_EQ(statement->entries(i).transaction().SerializeAsString(),
                ledger[i].SerializeAsString());
      ASSERT_EQ(!statement->entries(i).reversed_by().empty(),
                reversed.contains(ledger[i].transaction_id()));
    }
  }

  std::mt19937_64 random_;
  std::vector<std::string> commitments_, transactions_;
  int64_t references_ = 0;
  int64_t accepted_ = 0;
  std::map<std::string, int64_t> refused_;
};

TEST_F(ReplayTest, TheLedgerGivesEveryBalance) {
  const char* given = std::getenv("FETTLE_TEST_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::cout << "FETTLE_TEST_SEED=" << seed << "\n";
  RecordProperty("seed", std::to_string(seed));
  random_.seed(seed);
  for (int budget = 0; budget < kBudgets; ++budget) {
    Open();
    if (HasFatalFailure()) return;
    for (int command = 0; command < kCommandsPerBudget; ++command) {
      AnyCommand();
      CheckLaws();
      ASSERT_FALSE(HasFailure()) << "seed " << seed << ", budget " << budget;
    }
    CheckReplay();
    ASSERT_FALSE(HasFailure()) << "seed " << seed << ", budget " << budget;
  }
  std::cout << "accepted: " << accepted_ << "\n";
  for (const auto& [reason, count] : refused_) std::cout << reason << ": " << count << "\n";
  // The run reached what it is about.
  EXPECT_GT(accepted_, kBudgets * kCommandsPerBudget / 4);
  for (const char* reason : {"PORTION_EXCEEDED", "PAYMENT_ABOVE_COMMITMENT", "COMMITMENT_NOT_OPEN",
                             "CLIENT_REFERENCE_USED", "TRANSACTION_ALREADY_REVERSED",
                             "TRANSACTION_NOT_REVERSIBLE", "COMMITMENT_NOT_WHOLE"}) {
    EXPECT_GT(refused_[reason], 0) << reason;
  }
}

}  // namespace
}  // namespace fettle::budget
