// The rules of personal health budgets: from the request to the plan and its approval
// (budget_process.cc), and the money (budget_money.cc, budget_ledger.h).
//
// A stream is a budget or one ledger transaction of it. The event that moves money belongs to the
// budget, where balances decide; beside it the transaction is filed on a stream of its own, where
// it is found by its client reference, listed and marked when undone.
#ifndef FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_RULES_H_
#define FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_RULES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "fettle/budget/v1/budget_events.pb.h"
#include "fettle/budget/v1/budget_service.pb.h"
#include "fettle/budget/v1/budget_state.pb.h"
#include "libs/base/decide.h"

namespace fettle::budget {

// What the practitioner who signs a plan must be competent in.
inline constexpr char kSignOffCapability[] = "PERSONAL_HEALTH_BUDGETS";

// Limits of one budget, which is loaded whole for every decision about it.
inline constexpr int kFundersMax = 20;
inline constexpr int kOpenCommitmentsMax = 500;

// Numbers of the indices, never reused.
enum BudgetIndex : int {
  kByOrganisation = 1,   // budgets of an organisation, newest first
  kByStatus = 2,         // likewise, of one status
  kStatement = 3,        // fact: transactions of a budget by number
  kClientReference = 4,  // fact, unique: budget, client reference
};

std::string OrganisationKey(std::string_view organisation);
std::string StatusKey(std::string_view organisation, v1::BudgetStatus status);
std::string StatementKey(std::string_view budget_id);
std::string ClientReferenceKey(std::string_view budget_id, std::string_view client_reference);

// A request about an existing budget.
template <class Request>
concept OnBudget = requires(const Request& request) {
  request.budget_id();
};

struct BudgetRules {
  using Event = v1::BudgetEvent;
  using State = v1::BudgetState;
  static constexpr std::string_view kService = "budget";
  static constexpr int64_t kCodeVersion = 1;

  static base::Reads ReadsOf(const v1::RequestBudgetRequest&, const base::View&) { return {}; }
  static base::Reads ReadsOf(const v1::PaySpendRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::ReverseTransactionRequest& request, const base::View& view);
  template <OnBudget Request>
  static base::Reads ReadsOf(const Request& request, const base::View&) {
    return {.streams = {request.budget_id()}, .unique = {}};
  }

  static base::Questions QuestionsOf(const v1::RequestBudgetRequest& request, const base::View&);
  static base::Questions QuestionsOf(const v1::RecordAssessmentRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::SubmitPlanRequest& request, const base::View& view);
  static base::Questions QuestionsOf(const v1::RecordContributionRequest& request,
                                     const base::View&);
  static base::Questions QuestionsOf(const v1::SignOffClinicallyRequest& request,
                                     const base::View&);
  template <OnBudget Request>
  static base::Questions QuestionsOf(const Request&, const base::View&) {
    return {};
  }

  template <class Response>
  using Decided = absl::StatusOr<base::Decision<Response>>;

  // budget_process.cc
  static Decided<v1::RequestBudgetResponse> Decide(const base::View& view,
                                                   const v1::RequestBudgetRequest& request,
                                                   const base::Context& context);
  static Decided<v1::DetermineEligibilityResponse> Decide(
      const base::View& view, const v1::DetermineEligibilityRequest& request,
      const base::Context& context);
  static Decided<v1::RecordAssessmentResponse> Decide(const base::View& view,
                                                      const v1::RecordAssessmentRequest& request,
                                                      const base::Context& context);
  static Decided<v1::SetIndicativeAmountResponse> Decide(
      const base::View& view, const v1::SetIndicativeAmountRequest& request,
      const base::Context& context);
  static Decided<v1::StartPlanningResponse> Decide(const base::View& view,
                                                   const v1::StartPlanningRequest& request,
                                                   const base::Context& context);
  static Decided<v1::SubmitPlanResponse> Decide(const base::View& view,
                                                const v1::SubmitPlanRequest& request,
                                                const base::Context& context);
  static Decided<v1::RecordContributionResponse> Decide(
      const base::View& view, const v1::RecordContributionRequest& request,
      const base::Context& context);
  static Decided<v1::SignOffClinicallyResponse> Decide(const base::View& view,
                                                       const v1::SignOffClinicallyRequest& request,
                                                       const base::Context& context);
  static Decided<v1::ActivateBudgetResponse> Decide(const base::View& view,
                                                    const v1::ActivateBudgetRequest& request,
                                                    const base::Context& context);
  // budget_money.cc
  static Decided<v1::ApproveBudgetResponse> Decide(const base::View& view,
                                                   const v1::ApproveBudgetRequest& request,
                                                   const base::Context& context);
  static Decided<v1::CommitSpendResponse> Decide(const base::View& view,
                                                 const v1::CommitSpendRequest& request,
                                                 const base::Context& context);
  static Decided<v1::PaySpendResponse> Decide(const base::View& view,
                                              const v1::PaySpendRequest& request,
                                              const base::Context& context);
  static Decided<v1::CancelCommitmentResponse> Decide(const base::View& view,
                                                      const v1::CancelCommitmentRequest& request,
                                                      const base::Context& context);
  static Decided<v1::ReverseTransactionResponse> Decide(
      const base::View& view, const v1::ReverseTransactionRequest& request,
      const base::Context& context);

  static void Evolve(State& state, const Event& event);
  static std::vector<base::Entry> Index(const State& state);
  static std::vector<base::Timer> Timers(const State&) { return {}; }
  static std::vector<base::Entry> Facts(const Event& event);
  static std::vector<std::string> Subjects(const State& state);
  // What a ledger transaction moved, reversals included. The filed copy of it counts 0.
  static int64_t Pence(const Event& event);

  static absl::StatusOr<v1::GetBudgetResponse> Answer(const base::Snapshot& snapshot,
                                                      const v1::GetBudgetRequest& request,
                                                      const base::Context& context);
  static absl::StatusOr<v1::GetStatementResponse> Answer(const base::Snapshot& snapshot,
                                                         const v1::GetStatementRequest& request,
                                                         const base::Context& context);
  static absl::StatusOr<v1::ListBudgetsResponse> Answer(const base::Snapshot& snapshot,
                                                        const v1::ListBudgetsRequest& request,
                                                        const base::Context& context);
};

}  // namespace fettle::budget

#endif  // FETTLE_SERVICES_BUDGET_DOMAIN_BUDGET_RULES_H_
