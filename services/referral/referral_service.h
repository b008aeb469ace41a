// The referral service: gRPC in, journal out.
#ifndef FETTLE_SERVICES_REFERRAL_REFERRAL_SERVICE_H_
#define FETTLE_SERVICES_REFERRAL_REFERRAL_SERVICE_H_

#include "fettle/referral/v1/referral_service.grpc.pb.h"
#include "libs/rpc/adapter.h"
#include "services/referral/domain/referral_rules.h"

namespace fettle::referral {

class ReferralServiceImpl final : public v1::ReferralService::CallbackService {
 public:
  explicit ReferralServiceImpl(const rpc::AdapterParts& parts) : adapter_(parts) {}

  FETTLE_RPC(SubmitReferral)
  FETTLE_RPC(ProvideMissingDetails)
  FETTLE_RPC(StartTriage)
  FETTLE_RPC(AcceptReferral)
  FETTLE_RPC(RejectReferral)
  FETTLE_RPC(StartReferral)
  FETTLE_RPC(CompleteReferral)
  FETTLE_RPC(WithdrawReferral)
  FETTLE_RPC(DraftReferral)
  FETTLE_RPC(SubmitDraft)
  FETTLE_RPC(RequestInformation)
  FETTLE_RPC(ProvideInformation)
  FETTLE_RPC(RecordTriageOutcome)
  FETTLE_RPC(ChangePriority)
  FETTLE_RPC(AssignWorker)
  FETTLE_RPC(HandOverReferral)
  FETTLE_RPC(PauseReferral)
  FETTLE_RPC(ResumeReferral)
  FETTLE_RPC(RecordContact)
  FETTLE_RPC(CloseAsNoContact)
  FETTLE_RPC(DeclineReferral)
  FETTLE_RPC(MarkEnteredInError)
  FETTLE_RPC(RecordSignpost)
  FETTLE_RPC(RegisterService)
  FETTLE_RPC(UpdateService)
  FETTLE_RPC(RecordPlanOffer)
  FETTLE_RPC(RecordCarePlan)
  FETTLE_RPC(ReviewCarePlan)
  FETTLE_RPC(AddPlanRisk)
  FETTLE_RPC(EndPlanRisk)
  FETTLE_RPC(RecordSharedDecision)
  FETTLE_RPC(RecordMeasure)
  FETTLE_RPC(GetService)
  FETTLE_RPC(ListServices)
  FETTLE_RPC(GetReferral)
  FETTLE_RPC(ListReferrals)
  FETTLE_RPC(FindPartnerMessage)
  FETTLE_RPC(GetReferralHistory)
  FETTLE_RPC(ListMyReferrals)
  FETTLE_RPC(GetMyReferral)

 private:
  rpc::Adapter<ReferralRules> adapter_;
};

}  // namespace fettle::referral

#endif  // FETTLE_SERVICES_REFERRAL_REFERRAL_SERVICE_H_
