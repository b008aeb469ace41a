#include "services/budget/domain/budget_testing.h"

namespace fettle::budget {
namespace {

using absl::StatusCode;
using base::IsDone;
using base::RefusedWith;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(BudgetTest, ShowsWhereItsMoneyIs) {
  Reach(v1::BUDGET_STATUS_ACTIVE);
  const std::string commitment = Commit(120'000);
  Pay(commitment, 110'000, "INV-1");
  const v1::Budget budget = Shown();
  EXPECT_EQ(budget.budget_id(), budget_id);
  EXPECT_EQ(budget.version(), journal.VersionOf(budget_id));
  EXPECT_EQ(budget.status(), v1::BUDGET_STATUS_ACTIVE);
  EXPECT_EQ(budget.plan().lines(0).supplier().sealed(), absl::StrCat(kPerson, ":Humber Wheels"));
  EXPECT_TRUE(budget.clinical_sign_off().competence().competent());
  ASSERT_THAT(budget.portions(), SizeIs(3));
  EXPECT_EQ(budget.portions(0).available_pence(), 40'000);
  EXPECT_EQ(budget.portions(0).committed_pence(), 10'000);
  EXPECT_EQ(budget.portions(0).spent_pence(), 110'000);
  ASSERT_THAT(budget.funders(), SizeIs(3));
  EXPECT_EQ(budget.funders(0).spent_pence(), 100'000);
  EXPECT_EQ(budget.funders(1).spent_pence(), 10'000);
  EXPECT_EQ(budget.funders(2).spent_pence(), 0);
  ASSERT_THAT(budget.commitments(), SizeIs(1));
  EXPECT_EQ(budget.commitments(0).commitment_id(), commitment);
  EXPECT_EQ(budget.commitments(0).remaining_pence(), 10'000);
}

TEST_F(BudgetTest, IsShownToItsOwnersOnly) {
  Reach(v1::BUDGET_STATUS_ACTIVE);
  const std::string allocation = journal.Listed(kStatement, StatementKey(budget_id)).at(0);
  const auto not_found = RefusedWith(StatusCode::kNotFound, "BUDGET_NOT_FOUND");
  for (const char* organisation : {"RYY02", kCouncil, ""}) {
    AsOf(kTherapist, organisation);
    EXPECT_THAT(journal.Ask(On<v1::GetBudgetRequest>(budget_id)), not_found);
    EXPECT_THAT(journal.Ask(On<v1::GetStatementRequest>(budget_id)), not_found);
    EXPECT_THAT(journal.Ask(v1::ListBudgetsRequest())->budgets(), IsEmpty());
  }
  As(kTherapist);
  EXPECT_THAT(journal.Ask(On<v1::GetBudgetRequest>(kNoBudget)), not_found);
  EXPECT_THAT(journal.Ask(On<v1::GetBudgetRequest>(allocation)), not_found);
  EXPECT_THAT(journal.Ask(On<v1::GetStatementRequest>(kNoBudget)), not_found);
  EXPECT_THAT(journal.Ask(On<v1::GetBudgetRequest>(budget_id)), IsDone());
}

TEST_F(BudgetTest, StatementListsEveryTransactionInOrder) {
  Reach(v1::BUDGET_STATUS_ACTIVE);
  const std::string other_budget = budget_id;
  Commit(1);
  Reach(v1::BUDGET_STATUS_ACTIVE);
  const std::string commitment = Commit(1'000);
  const std::string payment = Pay(commitment, 400, "INV-1");
  const auto reversal = When(kFinance, ReverseTransaction(budget_id, payment));
  ASSERT_THAT(reversal, IsDone());
  ASSERT_THAT(When(kFinance, CancelCommitment(budget_id, commitment)), IsDone());

  auto request = On<v1::GetStatementRequest>(budget_id);
  request.mutable_page()->set_page_size(2);
  std::vector<std::string> lines;
  for (;;) {
    const auto answer = journal.Ask(request);
    ASSERT_THAT(answer, IsDone());
    for (const v1::StatementEntry& entry : answer->entries()) {
      lines.push_back(absl::StrCat(entry.transaction().number(), " ",
                                   v1::TransactionKind_Name(entry.transaction().kind()).substr(17),
                                   " ", entry.transaction().amount_pence(),
                                   entry.reversed_by().empty() ? "" : " undone"));
      EXPECT_GT(entry.time().seconds(), 0);
      EXPECT_EQ(entry.transaction().budget_id(), budget_id);
    }
    if (answer->next_page_token().empty()) break;
    request.mutable_page()->set_page_token(answer->next_page_token());
  }
  EXPECT_THAT(lines, ElementsAre("1 ALLOCATION 260000", "2 COMMITMENT 1000", "3 PAYMENT 400 undone",
                                 "4 REVERSAL 400", "5 CANCELLATION 1000"));
  EXPECT_THAT(journal.Ask(On<v1::GetStatementRequest>(other_budget))->entries(), SizeIs(2));
}

TEST_F(BudgetTest, ListsTheBudgetsOfAnOrganisationNewestFirst) {
  Reach(v1::BUDGET_STATUS_ACTIVE);
  const std::string oldest = budget_id;
  Reach(v1::BUDGET_STATUS_PLANNING);
  const std::string middle = budget_id;
  AsOf(kTherapist, "RYY02");
  const std::string newest = journal.When(RequestBudget())->response.budget_id();

  const auto listed = [&](const char* organisation, v1::BudgetStatus status) {
    AsOf(kTherapist, organisation);
    v1::ListBudgetsRequest request;
    request.set_status(status);
    const auto answer = journal.Ask(request);
    EXPECT_THAT(answer, IsDone());
    std::vector<std::string> ids;
    for (const v1::Budget& budget : answer->budgets()) {
      ids.push_back(budget.budget_id());
      EXPECT_FALSE(budget.has_plan());
      EXPECT_FALSE(budget.has_assessment_summary());
    }
    return ids;
  };
  EXPECT_THAT(listed(kIcb, v1::BUDGET_STATUS_UNSPECIFIED), ElementsAre(newest, middle, oldest));
  EXPECT_THAT(listed(kTrust, v1::BUDGET_STATUS_UNSPECIFIED), ElementsAre(middle, oldest));
  EXPECT_THAT(listed("RYY02", v1::BUDGET_STATUS_UNSPECIFIED), ElementsAre(newest));
  EXPECT_THAT(listed(kIcb, v1::BUDGET_STATUS_ACTIVE), ElementsAre(oldest));
  EXPECT_THAT(listed(kIcb, v1::BUDGET_STATUS_PLANNING), ElementsAre(middle));
  EXPECT_THAT(listed(kTrust, v1::BUDGET_STATUS_REQUESTED), IsEmpty());
}

// Who asks for a budget of its own as the ICB is listed once.
TEST_F(BudgetTest, AnIcbThatAsksIsOneOwner) {
  AsOf(kCommissioner, kIcb);
  const std::string id = journal.When(RequestBudget())->response.budget_id();
  EXPECT_THAT(journal.Listed(kByOrganisation, OrganisationKey(kIcb)), ElementsAre(id));
}

}  // namespace
}  // namespace fettle::budget
