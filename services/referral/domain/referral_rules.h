// The rules of a referral's life: pure functions on the messages of fettle.referral.v1
// (libs/base/decide.h says how they are run). One stream a referral; beside them one for the
// messages of ours about it, one for each service of the directory, one for each worker's caseload,
// and one for each signpost that belongs to no referral.
#ifndef FETTLE_SERVICES_REFERRAL_DOMAIN_REFERRAL_RULES_H_
#define FETTLE_SERVICES_REFERRAL_DOMAIN_REFERRAL_RULES_H_

#include <google/protobuf/empty.pb.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fettle/referral/v1/referral_events.pb.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "fettle/referral/v1/referral_state.pb.h"
#include "libs/base/decide.h"

namespace fettle::referral {

// Numbers of the indices, never reused.
enum ReferralIndex : int {
  // Unique: person and service -> the one open referral (INV-32).
  kOpenIndex = 1,
  // Unique, a fact: request id and correlation id of a partner's message -> the referral that it
  // made or changed.
  kMessageIndex = 2,
  // A partner's case -> its open referrals, newest first.
  kCaseIndex = 3,
  // Organisation and status -> its referrals, newest first.
  kOrganisationIndex = 4,
  // Organisation, worker and status -> the worker's referrals, newest first.
  kWorkerIndex = 5,
  // Unique: organisation and worker -> the stream of the worker's caseload.
  kCaseloadIndex = 6,
  // All, an organisation's, and a kind's services of the directory, by name.
  kServiceIndex = 7,
  // Person -> the referrals that the person may see, newest first.
  kPersonIndex = 8,
  // Unique, a fact: Bundle.id of a request of ours to a partner -> the queue that it went out from.
  kSentIndex = 9,
  // Queues with a message that is due, oldest first; and, by organisation, with one that failed.
  kDeliveryIndex = 10,
  // Organisation and status -> its referrals that have a plan, newest first.
  kPlanIndex = 11,
};

// Messages of a partner about one referral: more are refused, so that its state stays small.
inline constexpr int kPartnerMessagesMax = 1000;
// Likewise of what its people record.
inline constexpr int kInquiriesMax = 20;
inline constexpr int kContactsMax = 200;
inline constexpr int kPriorityChangesMax = 50;
inline constexpr int kSignpostsMax = 50;
inline constexpr int kEligibilityVersionsMax = 100;
// INV-152: pauses between the attempts to deliver a message, each twice the one before; and how
// many attempts there are, which is some 26 hours.
inline constexpr absl::Duration kDeliveryPauseMin = absl::Seconds(5);
inline constexpr absl::Duration kDeliveryPauseMax = absl::Hours(1);
inline constexpr int kDeliveryAttemptsMax = 36;
// Workers who have been in charge of a referral: the first of more are forgotten.
inline constexpr int kWorkersMax = 50;

inline constexpr int kPlanReviewsMax = 30;
inline constexpr int kPlanRisksMax = 50;
inline constexpr int kSharedDecisionsMax = 5;
inline constexpr int kMeasuresMax = 100;
// A day may be planned this far ahead.
inline constexpr int kPlannedMonthsMax = 24;

// INV-29: days with an attempt before a referral is closed as no contact, where the service says
// nothing else.
inline constexpr int kNoContactDaysMin = 3;
// INV-53: likewise, referrals that a worker takes on in 12 months without a warning.
inline constexpr int kCaseloadMax = 250;

struct ReferralRules {
  using Event = v1::ReferralEvent;
  using State = v1::ReferralState;
  static constexpr std::string_view kService = "referral";
  static constexpr int64_t kCodeVersion = 5;

  static base::Reads ReadsOf(const v1::SubmitReferralRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::ProvideMissingDetailsRequest& request,
                             const base::View& view);
  static base::Reads ReadsOf(const v1::WithdrawReferralRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::MarkEnteredInErrorRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::DraftReferralRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::SubmitDraftRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::AssignWorkerRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::HandOverReferralRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::StartReferralRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::RecordSignpostRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::RegisterServiceRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::UpdateServiceRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::RecordPartnerResponseRequest& request,
                             const base::View& view);
  static base::Reads ReadsOf(const base::TimerDue& due, const base::View& view);
  // Of the others: the referral, and the messages of ours about it.
  template <class Request>
  requires requires(const Request& request) { request.referral_id(); }
  static base::Reads ReadsOf(const Request& request, const base::View&) {
    return ReadsOfReferral(request.referral_id());
  }

  static base::Questions QuestionsOf(const v1::SubmitReferralRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::ProvideMissingDetailsRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::DraftReferralRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::SubmitDraftRequest& request, const base::View& view);
  static base::Questions QuestionsOf(const v1::StartTriageRequest& request, const base::View& view);
  static base::Questions QuestionsOf(const v1::ResumeReferralRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::RecordTriageOutcomeRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::DeclineReferralRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::RecordSignpostRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::RegisterServiceRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::UpdateServiceRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::RecordContactRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::AcceptReferralRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::RecordPartnerResponseRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::PrepareDeliveryRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::RecordDeliveryAttemptRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::SendDeliveryAgainRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::StartReferralRequest& request,
                                     const base::View& view);
  // Of the others: whose key seals the words, if there are any.
  template <class Request>
  requires requires(const Request& request) { request.referral_id(); }
  static base::Questions QuestionsOf(const Request& request, const base::View& view) {
    return WordsOf(request.referral_id(), view);
  }

  template <class Response>
  using Decided = absl::StatusOr<base::Decision<Response>>;
  static Decided<v1::SubmitReferralResponse> Decide(const base::View& view,
                                                    const v1::SubmitReferralRequest& request,
                                                    const base::Context& context);
  static Decided<v1::ProvideMissingDetailsResponse> Decide(
      const base::View& view, const v1::ProvideMissingDetailsRequest& request,
      const base::Context& context);
  static Decided<v1::StartTriageResponse> Decide(const base::View& view,
                                                 const v1::StartTriageRequest& request,
                                                 const base::Context& context);
  static Decided<v1::AcceptReferralResponse> Decide(const base::View& view,
                                                    const v1::AcceptReferralRequest& request,
                                                    const base::Context& context);
  static Decided<v1::RejectReferralResponse> Decide(const base::View& view,
                                                    const v1::RejectReferralRequest& request,
                                                    const base::Context& context);
  static Decided<v1::StartReferralResponse> Decide(const base::View& view,
                                                   const v1::StartReferralRequest& request,
                                                   const base::Context& context);
  static Decided<v1::CompleteReferralResponse> Decide(const base::View& view,
                                                      const v1::CompleteReferralRequest& request,
                                                      const base::Context& context);
  static Decided<v1::WithdrawReferralResponse> Decide(const base::View& view,
                                                      const v1::WithdrawReferralRequest& request,
                                                      const base::Context& context);

  static Decided<v1::DraftReferralResponse> Decide(const base::View& view,
                                                   const v1::DraftReferralRequest& request,
                                                   const base::Context& context);
  static Decided<v1::SubmitDraftResponse> Decide(const base::View& view,
                                                 const v1::SubmitDraftRequest& request,
                                                 const base::Context& context);
  static Decided<v1::RequestInformationResponse> Decide(
      const base::View& view, const v1::RequestInformationRequest& request,
      const base::Context& context);
  static Decided<v1::ProvideInformationResponse> Decide(
      const base::View& view, const v1::ProvideInformationRequest& request,
      const base::Context& context);
  static Decided<v1::RecordTriageOutcomeResponse> Decide(
      const base::View& view, const v1::RecordTriageOutcomeRequest& request,
      const base::Context& context);
  static Decided<v1::ChangePriorityResponse> Decide(const base::View& view,
                                                    const v1::ChangePriorityRequest& request,
                                                    const base::Context& context);
  static Decided<v1::AssignWorkerResponse> Decide(const base::View& view,
                                                  const v1::AssignWorkerRequest& request,
                                                  const base::Context& context);
  static Decided<v1::HandOverReferralResponse> Decide(const base::View& view,
                                                      const v1::HandOverReferralRequest& request,
                                                      const base::Context& context);
  static Decided<v1::PauseReferralResponse> Decide(const base::View& view,
                                                   const v1::PauseReferralRequest& request,
                                                   const base::Context& context);
  static Decided<v1::ResumeReferralResponse> Decide(const base::View& view,
                                                    const v1::ResumeReferralRequest& request,
                                                    const base::Context& context);
  static Decided<v1::RecordContactResponse> Decide(const base::View& view,
                                                   const v1::RecordContactRequest& request,
                                                   const base::Context& context);
  static Decided<v1::CloseAsNoContactResponse> Decide(const base::View& view,
                                                      const v1::CloseAsNoContactRequest& request,
                                                      const base::Context& context);
  static Decided<v1::DeclineReferralResponse> Decide(const base::View& view,
                                                     const v1::DeclineReferralRequest& request,
                                                     const base::Context& context);
  static Decided<v1::MarkEnteredInErrorResponse> Decide(
      const base::View& view, const v1::MarkEnteredInErrorRequest& request,
      const base::Context& context);
  static Decided<v1::RecordSignpostResponse> Decide(const base::View& view,
                                                    const v1::RecordSignpostRequest& request,
                                                    const base::Context& context);
  static Decided<v1::RegisterServiceResponse> Decide(const base::View& view,
                                                     const v1::RegisterServiceRequest& request,
                                                     const base::Context& context);
  static Decided<v1::UpdateServiceResponse> Decide(const base::View& view,
                                                   const v1::UpdateServiceRequest& request,
                                                   const base::Context& context);
  static Decided<v1::RecordPartnerResponseResponse> Decide(
      const base::View& view, const v1::RecordPartnerResponseRequest& request,
      const base::Context& context);
  static Decided<v1::PrepareDeliveryResponse> Decide(const base::View& view,
                                                     const v1::PrepareDeliveryRequest& request,
                                                     const base::Context& context);
  static Decided<v1::RecordDeliveryAttemptResponse> Decide(
      const base::View& view, const v1::RecordDeliveryAttemptRequest& request,
      const base::Context& context);
  static Decided<v1::SendDeliveryAgainResponse> Decide(const base::View& view,
                                                       const v1::SendDeliveryAgainRequest& request,
                                                       const base::Context& context);
  static Decided<v1::RecordPlanOfferResponse> Decide(const base::View& view,
                                                     const v1::RecordPlanOfferRequest& request,
                                                     const base::Context& context);
  static Decided<v1::RecordCarePlanResponse> Decide(const base::View& view,
                                                    const v1::RecordCarePlanRequest& request,
                                                    const base::Context& context);
  static Decided<v1::ReviewCarePlanResponse> Decide(const base::View& view,
                                                    const v1::ReviewCarePlanRequest& request,
                                                    const base::Context& context);
  static Decided<v1::AddPlanRiskResponse> Decide(const base::View& view,
                                                 const v1::AddPlanRiskRequest& request,
                                                 const base::Context& context);
  static Decided<v1::EndPlanRiskResponse> Decide(const base::View& view,
                                                 const v1::EndPlanRiskRequest& request,
                                                 const base::Context& context);
  static Decided<v1::RecordSharedDecisionResponse> Decide(
      const base::View& view, const v1::RecordSharedDecisionRequest& request,
      const base::Context& context);
  static Decided<v1::RecordMeasureResponse> Decide(const base::View& view,
                                                   const v1::RecordMeasureRequest& request,
                                                   const base::Context& context);
  // A stage has lasted as long as it may, or a message is to be sent.
  static Decided<google::protobuf::Empty> Decide(const base::View& view, const base::TimerDue& due,
                                                 const base::Context& context);

  static void Evolve(State& state, const Event& event);
  static std::vector<base::Entry> Index(const State& state);
  static std::vector<base::Timer> Timers(const State& state);
  static std::vector<base::Entry> Facts(const Event& event);
  static std::vector<std::string> Subjects(const State& state);
  static int64_t Pence(const Event&) { return 0; }

  static absl::StatusOr<v1::GetReferralResponse> Answer(const base::Snapshot& snapshot,
                                                        const v1::GetReferralRequest& request,
                                                        const base::Context& context);
  static absl::StatusOr<v1::ListReferralsResponse> Answer(const base::Snapshot& snapshot,
                                                          const v1::ListReferralsRequest& request,
                                                          const base::Context& context);
  static absl::StatusOr<v1::FindPartnerMessageResponse> Answer(
      const base::Snapshot& snapshot, const v1::FindPartnerMessageRequest& request,
      const base::Context& context);
  static absl::StatusOr<v1::GetServiceResponse> Answer(const base::Snapshot& snapshot,
                                                       const v1::GetServiceRequest& request,
                                                       const base::Context& context);
  static absl::StatusOr<v1::ListServicesResponse> Answer(const base::Snapshot& snapshot,
                                                         const v1::ListServicesRequest& request,
                                                         const base::Context& context);
  static absl::StatusOr<v1::ListDueDeliveriesResponse> Answer(
      const base::Snapshot& snapshot, const v1::ListDueDeliveriesRequest& request,
      const base::Context& context);
  static absl::StatusOr<v1::GetDeliveryResponse> Answer(const base::Snapshot& snapshot,
                                                        const v1::GetDeliveryRequest& request,
                                                        const base::Context& context);
  static absl::StatusOr<v1::ListDeliveriesResponse> Answer(const base::Snapshot& snapshot,
                                                           const v1::ListDeliveriesRequest& request,
                                                           const base::Context& context);

  static absl::StatusOr<v1::GetReferralHistoryResponse> Answer(
      const base::Snapshot& snapshot, const v1::GetReferralHistoryRequest& request,
      const base::Context& context);
  static absl::StatusOr<v1::ListMyReferralsResponse> Answer(
      const base::Snapshot& snapshot, const v1::ListMyReferralsRequest& request,
      const base::Context& context);
  static absl::StatusOr<v1::GetMyReferralResponse> Answer(const base::Snapshot& snapshot,
                                                          const v1::GetMyReferralRequest& request,
                                                          const base::Context& context);

 private:
  static base::Reads ReadsOfReferral(const std::string& referral_id);
  static base::Questions WordsOf(const std::string& referral_id, const base::View& view);
};

}  // namespace fettle::referral

#endif  // FETTLE_SERVICES_REFERRAL_DOMAIN_REFERRAL_RULES_H_
