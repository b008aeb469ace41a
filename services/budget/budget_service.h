// The budget service: gRPC in, journal out.
#ifndef FETTLE_SERVICES_BUDGET_BUDGET_SERVICE_H_
#define FETTLE_SERVICES_BUDGET_BUDGET_SERVICE_H_

#include "fettle/budget/v1/budget_service.grpc.pb.h"
#include "libs/rpc/adapter.h"
#include "services/budget/domain/budget_rules.h"

namespace fettle::budget {

class BudgetServiceImpl final : public v1::BudgetService::CallbackService {
 public:
  explicit BudgetServiceImpl(const rpc::AdapterParts& parts) : adapter_(parts) {}

  FETTLE_RPC(RequestBudget)
  FETTLE_RPC(DetermineEligibility)
  FETTLE_RPC(RecordAssessment)
  FETTLE_RPC(SetIndicativeAmount)
  FETTLE_RPC(StartPlanning)
  FETTLE_RPC(SubmitPlan)
  FETTLE_RPC(RecordContribution)
  FETTLE_RPC(SignOffClinically)
  FETTLE_RPC(ApproveBudget)
  FETTLE_RPC(ActivateBudget)
  FETTLE_RPC(CommitSpend)
  FETTLE_RPC(PaySpend)
  FETTLE_RPC(CancelCommitment)
  FETTLE_RPC(ReverseTransaction)
  FETTLE_RPC(GetBudget)
  FETTLE_RPC(GetStatement)
  FETTLE_RPC(ListBudgets)

 private:
  rpc::Adapter<BudgetRules> adapter_;
};

}  // namespace fettle::budget

#endif  // FETTLE_SERVICES_BUDGET_BUDGET_SERVICE_H_
