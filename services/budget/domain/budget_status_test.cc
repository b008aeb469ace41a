#include "services/budget/domain/budget_status.h"

#include <map>
#include <set>
#include <type_traits>
#include <utility>

#include "services/budget/domain/budget_testing.h"

namespace fettle::budget {
namespace {

using absl::StatusCode;
using base::IsDone;
using base::RefusedWith;
using Status = v1::BudgetStatus;

std::vector<Status> AllStatuses() {
  std::vector<Status> statuses;
  for (int value = v1::BudgetStatus_MIN + 1; value <= v1::BudgetStatus_MAX; ++value) {
    statuses.push_back(static_cast<Status>(value));
  }
  return statuses;
}

// The states and changes of the design, written a second time: of 14 x 14 pairs 22 are allowed.
TEST(BudgetStatusTest, ExactlyTheseChangesExist) {
  const std::map<Status, std::set<Status>> expected = {
      {v1::BUDGET_STATUS_ENQUIRY, {v1::BUDGET_STATUS_REQUESTED}},
      {v1::BUDGET_STATUS_REQUESTED, {v1::BUDGET_STATUS_ELIGIBLE, v1::BUDGET_STATUS_REFUSED}},
      {v1::BUDGET_STATUS_ELIGIBLE, {v1::BUDGET_STATUS_ASSESSED, v1::BUDGET_STATUS_REFUSED}},
      {v1::BUDGET_STATUS_ASSESSED, {v1::BUDGET_STATUS_INDICATIVE_SET}},
      {v1::BUDGET_STATUS_INDICATIVE_SET, {v1::BUDGET_STATUS_PLANNING}},
      {v1::BUDGET_STATUS_PLANNING, {v1::BUDGET_STATUS_PLAN_SUBMITTED}},
      {v1::BUDGET_STATUS_PLAN_SUBMITTED,
       {v1::BUDGET_STATUS_PLANNING, v1::BUDGET_STATUS_APPROVED, v1::BUDGET_STATUS_REFUSED}},
      {v1::BUDGET_STATUS_APPROVED, {v1::BUDGET_STATUS_ACTIVE}},
      {v1::BUDGET_STATUS_ACTIVE, {v1::BUDGET_STATUS_SUSPENDED, v1::BUDGET_STATUS_ENDED}},
      {v1::BUDGET_STATUS_SUSPENDED, {v1::BUDGET_STATUS_ACTIVE, v1::BUDGET_STATUS_ENDED}},
      {v1::BUDGET_STATUS_ENDED, {v1::BUDGET_STATUS_RECONCILED}},
      {v1::BUDGET_STATUS_RECONCILED, {}},
      {v1::BUDGET_STATUS_REFUSED, {v1::BUDGET_STATUS_RECONSIDERED}},
      {v1::BUDGET_STATUS_RECONSIDERED,
       {v1::BUDGET_STATUS_REQUESTED, v1::BUDGET_STATUS_ELIGIBLE, v1::BUDGET_STATUS_PLAN_SUBMITTED,
        v1::BUDGET_STATUS_REFUSED}},
  };
  ASSERT_EQ(AllStatuses().size(), 14u);
  int allowed = 0;
  for (Status from : AllStatuses()) {
    for (Status to : AllStatuses()) {
      EXPECT_EQ(MayChange(from, to), expected.at(from).contains(to))
          << v1::BudgetStatus_Name(from) << " to " << v1::BudgetStatus_Name(to);
      allowed += MayChange(from, to);
    }
  }
  EXPECT_EQ(allowed, 22);
}

class BudgetCommandStatusTest : public BudgetTest {
 protected:
  // In each of the 14 statuses the command either is accepted and leads to the status in `leads`,
  // or is refused because of the status and changes nothing. `request` is one, or makes one for a
  // status.
  template <class Request>
  void Check(const char* subject, const Request& request, const std::map<Status, Status>& leads) {
    const v1::BudgetState whole = *journal.StateOf(budget_id);
    for (Status status : AllStatuses()) {
      SCOPED_TRACE(v1::BudgetStatus_Name(status));
      journal.GivenState(budget_id, whole);
      GivenStatus(status);
      const std::string before = journal.StateOf(budget_id)->SerializeAsString();
      const auto done = [&] {
        if constexpr (std::is_invocable_v<Request, Status>) {
          return When(subject, request(status));
        } else {
          return When(subject, request);
        }
      }();
      const auto to = leads.find(status);
      if (to == leads.end()) {
        EXPECT_THAT(done, RefusedWith(StatusCode::kFailedPrecondition, "BUDGET_STATUS_FORBIDS"));
        EXPECT_EQ(journal.StateOf(budget_id)->SerializeAsString(), before);
        continue;
      }
      EXPECT_THAT(done, IsDone());
      EXPECT_EQ(Record().status(), to->second);
      EXPECT_TRUE(status == to->second || MayChange(status, to->second));
    }
    journal.GivenState(budget_id, whole);
  }
};

// Every command in every status. INV-75: planning starts only once an amount is set and told.
TEST_F(BudgetCommandStatusTest, EveryCommandInEveryStatus) {
  Reach(v1::BUDGET_STATUS_PLAN_SUBMITTED);
  ASSERT_THAT(When(kFinance, RecordContribution(budget_id, kIcb, 260'000)), IsDone());
  Check(kCommissioner, DetermineEligibility(budget_id),
        {{v1::BUDGET_STATUS_REQUESTED, v1::BUDGET_STATUS_ELIGIBLE},
         {v1::BUDGET_STATUS_RECONSIDERED, v1::BUDGET_STATUS_ELIGIBLE}});
  Check(kTherapist, RecordAssessment(budget_id),
        {{v1::BUDGET_STATUS_ELIGIBLE, v1::BUDGET_STATUS_ASSESSED}});
  Check(kCommissioner, SetIndicativeAmount(budget_id),
        {{v1::BUDGET_STATUS_ASSESSED, v1::BUDGET_STATUS_INDICATIVE_SET},
         {v1::BUDGET_STATUS_INDICATIVE_SET, v1::BUDGET_STATUS_INDICATIVE_SET},
         {v1::BUDGET_STATUS_PLANNING, v1::BUDGET_STATUS_PLANNING}});
  Check(kTherapist, StartPlanning(budget_id),
        {{v1::BUDGET_STATUS_INDICATIVE_SET, v1::BUDGET_STATUS_PLANNING}});
  Check(kTherapist, SubmitPlan(budget_id),
        {{v1::BUDGET_STATUS_PLANNING, v1::BUDGET_STATUS_PLAN_SUBMITTED}});
  Check(kFinance, RecordContribution(budget_id, kCouncil, 1),
        {{v1::BUDGET_STATUS_INDICATIVE_SET, v1::BUDGET_STATUS_INDICATIVE_SET},
         {v1::BUDGET_STATUS_PLANNING, v1::BUDGET_STATUS_PLANNING},
         {v1::BUDGET_STATUS_PLAN_SUBMITTED, v1::BUDGET_STATUS_PLAN_SUBMITTED}});
  Check(kClinician, SignOffClinically(budget_id),
        {{v1::BUDGET_STATUS_PLAN_SUBMITTED, v1::BUDGET_STATUS_PLAN_SUBMITTED}});
  ASSERT_THAT(When(kClinician, SignOffClinically(budget_id)), IsDone());
  Check(kFinance, ApproveBudget(budget_id),
        {{v1::BUDGET_STATUS_PLAN_SUBMITTED, v1::BUDGET_STATUS_APPROVED}});
  ASSERT_THAT(When(kFinance, ApproveBudget(budget_id)), IsDone());
  Check(kCommissioner, ActivateBudget(budget_id),
        {{v1::BUDGET_STATUS_APPROVED, v1::BUDGET_STATUS_ACTIVE}});
  ASSERT_THAT(When(kCommissioner, ActivateBudget(budget_id)), IsDone());

  const std::map<Status, Status> active = {{v1::BUDGET_STATUS_ACTIVE, v1::BUDGET_STATUS_ACTIVE}};
  Check(kTherapist, CommitSpend(budget_id, 500), active);
  const std::string commitment = Commit(500);
  // A reference of its own for each: one that was used is answered in every status (INV-66).
  const auto pay = [&](Status status) {
    return PaySpend(budget_id, commitment, 100, absl::StrCat("INV-", status));
  };
  Check(kFinance, pay, active);
  Check(kTherapist, CancelCommitment(budget_id, commitment), active);
  Check(kFinance, ReverseTransaction(budget_id, commitment), active);
}

}  // namespace
}  // namespace fettle::budget
