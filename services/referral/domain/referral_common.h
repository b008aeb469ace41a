// What the files of the referral's rules share. Not for others.
#ifndef FETTLE_SERVICES_REFERRAL_DOMAIN_REFERRAL_COMMON_H_
#define FETTLE_SERVICES_REFERRAL_DOMAIN_REFERRAL_COMMON_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/status.h"
#include "services/referral/domain/referral_rules.h"

namespace fettle::referral {

// Keys of the indices.
std::string OpenKey(std::string_view person_id, std::string_view service_id);
std::string MessageKey(std::string_view request_id, std::string_view correlation_id);
std::string CaseKey(std::string_view correlation_id);
std::string CaseNumberKey(std::string_view organisation, std::string_view case_number);
std::string OrganisationKey(std::string_view organisation, v1::ReferralStatus status);
std::string CaseloadKey(std::string_view organisation, std::string_view worker_id);
// Queues with a message that is due, and those with one of this organisation that failed.
std::string DueKey();
std::string FailedKey(std::string_view organisation);
// Either may be empty: of all organisations, of all kinds.
std::string ServiceKey(std::string_view organisation, v1::ServiceKind kind);
std::string PersonKey(std::string_view person_id);
// The worker is empty for those of the pool.
std::string WorkerKey(std::string_view organisation, std::string_view worker_id,
                      v1::ReferralStatus status);

// `IN_TRIAGE`.
std::string_view StatusName(v1::ReferralStatus status);
// The words are there; decide sees them sealed.
inline bool HasWords(const common::v1::SealedText& text) { return !text.sealed().empty(); }
// The stage that it waits in, and when its limit is crossed, whichever comes first.
void ShowDue(const v1::ReferralState& state, v1::Referral& referral);
// Later than today, beyond 5 minutes of a partner's clock running ahead (INV-31).
bool IsFuture(std::string_view date, const base::Context& context);

absl::Time TimeOf(const google::protobuf::Timestamp& time);
// The day in London.
std::string DateOf(const google::protobuf::Timestamp& time);
google::protobuf::Timestamp ToTimestamp(absl::Time time);
// INV-31: OK unless the day is before `earliest` or in the future.
absl::Status CheckDate(std::string_view field, std::string_view date, std::string_view earliest,
                       std::string_view since, const base::Context& context);

// The service of the directory that a referral names; null when it stands in none.
const v1::Service* FindService(const base::View& view, const std::string& service_id);
// INV-54: what the version in force on the day says of a referral. Nothing when none is in force.
std::optional<v1::Eligibility> Evaluate(const v1::Service& service, const std::string& date,
                                        const common::v1::PersonContext& person,
                                        const v1::ReferralDetails& details);

// Social prescribing alone counts to indicator PC-01 (INV-38).
bool IsSocialPrescribing(const v1::ReceivingService& service);

// The organisations of a referral: who referred, and who was asked to help. A draft is its author's
// alone (INV-21).
bool IsReferrer(const v1::ReferralState& state, const base::Caller& caller);
bool IsReceiver(const v1::ReferralState& state, const base::Caller& caller);

// The person sees what was asked for them: no draft, and nothing that should never have been there,
// which may be about somebody else.
bool IsShownToPerson(const v1::ReferralState& state);

// The referral that a command names. NOT_FOUND when there is none and when it is another
// organisation's: the two answers are one, so that nobody learns whom others help.
absl::StatusOr<const v1::ReferralState*> FindReferral(const base::View& view,
                                                      const std::string& referral_id,
                                                      const base::Caller& caller);
absl::Status ReferralNotFound();
absl::Status DeliveryNotFound();
// PERMISSION_DENIED for who may see the referral but not do this (INV-25).
absl::Status RequireReferrer(const v1::ReferralState& state, const base::Caller& caller);
absl::Status RequireReceiver(const v1::ReferralState& state, const base::Caller& caller);
// The referral that a command of the receiving organisation names, which most commands are.
template <class Request>
absl::StatusOr<const v1::ReferralState*> FindReceived(const base::View& view,
                                                      const Request& request,
                                                      const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const v1::ReferralState* state,
                          FindReferral(view, request.referral_id(), context.caller));
  FETTLE_RETURN_IF_ERROR(RequireReceiver(*state, context.caller));
  return state;
}
// FAILED_PRECONDITION for a change of status that is not in the table (INV-17).
absl::Status RequireMayBecome(const v1::ReferralState& state, v1::ReferralStatus status);
// Likewise, for a change that has a command of its own from this status.
absl::Status RequireChange(const v1::ReferralState& state, v1::ReferralStatus from,
                           v1::ReferralStatus to);
// FAILED_PRECONDITION for a draft and for a closed referral.
absl::Status RequireUnderWay(const v1::ReferralState& state);
// FAILED_PRECONDITION when there are as many as are kept.
absl::Status RequireRoom(std::string_view items, int size, int size_max);
absl::Status RequireOrganisation(const base::Caller& caller);

// The stream of the messages of ours about a referral: its id with the version of a UUID of our own
// making (8), so that whoever knows the one knows the other.
std::string DeliveryQueueId(std::string_view referral_id);
// What a partner must hear, if the referral came from one, or its service works in one's system:
// adds the message. `date` and `reason_code` may be empty.
void TellReferrer(const v1::ReferralState& referral, v1::Signal signal,
                  std::string_view reason_code, std::string_view date, const base::Context& context,
                  std::vector<base::NewEvent>& events);
void SendToService(const std::string& referral_id, const v1::ReferralSubmitted& submitted,
                   const std::string& correlation_id, const base::Context& context,
                   std::vector<base::NewEvent>& events);
void CancelAtService(const v1::ReferralState& referral, v1::Signal signal, const base::View& view,
                     const base::Context& context, std::vector<base::NewEvent>& events);
// How the messages of a queue stand after an event of its own.
void EvolveQueue(v1::DeliveryQueue& queue, const v1::ReferralEvent& event);
std::vector<base::Entry> QueueEntries(const v1::DeliveryQueue& queue);
std::vector<base::Timer> QueueTimers(const v1::DeliveryQueue& queue);
base::Decision<google::protobuf::Empty> DecideQueueTimer(const v1::DeliveryQueue& queue,
                                                         const base::TimerDue& due);
// Ids are time-ordered: their complement puts the newest first.
std::string NewestFirst(std::string_view referral_id);

// INV-22: FAILED_PRECONDITION unless nothing is missing. The person's items may have come to the
// registry, or left it, since the referral was last looked at.
absl::Status CheckComplete(const v1::ReferralState& state, const common::v1::PersonContext& person);
// A code of BaRS dos-rejected-reasons-bars.
bool IsRejectionReason(std::string_view code);
// INV-38: adds the code of the national count, once an episode, and only of social prescribing.
void CountReferral(const v1::ReferralState& referral, const common::v1::PersonContext& person,
                   const std::string& date, std::vector<base::NewEvent>& events);

// The stream of a referral, and of the caseload of the worker of its receiving organisation.
base::Reads ReadsWithCaseload(const std::string& referral_id, const std::string& worker_id,
                              const base::View& view);
// INV-53: adds the events of a worker who takes on a referral for the first time.
void CountCaseload(const v1::ReferralState& referral, const std::string& worker_id,
                   const base::View& view, const base::Context& context,
                   std::vector<base::NewEvent>& events);

// A partner's message is brought by the partner's system, once (INV-149).
absl::Status CheckPartnerMessage(const v1::PartnerMessage& message, const base::View& view,
                                 const base::Context& context);
// And not after a newer one of its case (INV-150).
absl::Status CheckPartnerMessageOfCase(const v1::PartnerMessage& message,
                                       const v1::ReferralState& state, const base::View& view,
                                       const base::Context& context);

// The stream of a referral, and whether a partner's message was taken.
template <class Request>
base::Reads ReadsWithMessage(const Request& request) {
  base::Reads reads;
  reads.streams = {request.referral_id(), DeliveryQueueId(request.referral_id())};
  if (request.has_partner_message()) {
    reads.unique.emplace_back(kMessageIndex,
                              MessageKey(request.partner_message().request_id(),
                                         request.partner_message().correlation_id()));
  }
  return reads;
}

// INV-51: what changed between the baseline and the latest follow-up after it, of each measure.
std::vector<v1::MeasureChange> ChangesOf(const v1::CareRecord& care);

// What an event keeps of the person's facts: the age as of today (INV-14), and no GP practice of a
// restricted person (INV-139).
common::v1::PersonContext Recorded(common::v1::PersonContext person, const std::string& today);

// `{a, b}` as `a, b`, for messages and metadata.
std::string Joined(const std::vector<std::string>& items);

// The fields of `from` that are set replace those of `into`; the reason and the risks as a whole.
void MergeDetails(v1::ReferralDetails& into, const v1::ReferralDetails& from);

// Names of the mandatory items (PRSB Social Prescribing v1.1) that the details lack, in the order
// of the standard. The referrer's organisation is missing too when it is not known to the registry.
std::vector<std::string> MissingDetails(const v1::ReferralDetails& details,
                                        bool organisation_valid);
// `name` is one of those that MissingDetails gives, not one of the person's.
bool IsDetailItem(std::string_view name);
// Where a request holds the item: `details.referrer.name`, `person.first_name`.
std::string FieldOfItem(std::string_view name);

}  // namespace fettle::referral

#endif  // FETTLE_SERVICES_REFERRAL_DOMAIN_REFERRAL_COMMON_H_
