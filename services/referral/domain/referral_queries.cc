// What the two organisations of a referral may see of it, and how it came to be so.
#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "libs/base/status.h"
#include "services/referral/domain/referral_common.h"
#include "services/referral/domain/transitions.h"

namespace fettle::referral {
namespace {

constexpr int kPageSizeDefault = 50;
constexpr int kPageSizeMax = 200;
// Open referrals that may share a partner's case: more are not looked at.
constexpr int kCaseReferralsMax = 20;

// The referral, or null when there is none that the caller may see.
struct Found {
  base::View::Stream stream;
  const v1::ReferralState* state = nullptr;
};

absl::StatusOr<Found> Find(const base::Snapshot& snapshot, std::string_view referral_id,
                           const base::Caller& caller) {
  Found found;
  FETTLE_ASSIGN_OR_RETURN(found.stream, snapshot.Load(referral_id));
  const auto* state = static_cast<const v1::ReferralState*>(found.stream.state.get());
  if (found.stream.version > 0 && !state->referral_id().empty() &&
      (IsReferrer(*state, caller) || IsReceiver(*state, caller))) {
    found.state = state;
  }
  return found;
}

// An answer with the versions of a referral holds as much; one version more if it is the first. A
// partner's body may be as large as a message.
constexpr size_t kHistoryBytesMax = 1'000'000;
// Read at a time: most events are small, and what is read in vain is read again.
constexpr int kHistoryReadMax = 10;

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Names of what an event brought. What the registry knew is evidence, and the partner's message has
// a place of its own.
void AddChanged(const Message& message, const std::string& prefix, v1::ReferralVersion& version) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->message_type() == v1::ReferralDetails::descriptor()) {
      AddChanged(message.GetReflection()->GetMessage(message, field), field->name() + ".", version);
      continue;
    }
    if (field->message_type() == v1::PartnerMessage::descriptor()) {
      *version.mutable_partner_message() = static_cast<const v1::PartnerMessage&>(
          message.GetReflection()->GetMessage(message, field));
      continue;
    }
    if (field->message_type() == common::v1::PersonContext::descriptor() ||
        field->message_type() == common::v1::OrganisationFact::descriptor()) {
      continue;
    }
    version.add_changed(prefix + field->name());
  }
}

v1::ReferralVersion VersionOf(const v1::ReferralEvent& event) {
  const common::v1::EventHeader& header = event.header();
  v1::ReferralVersion version;
  version.set_version(header.version());
  *version.mutable_time() = header.time();
  version.set_caller(header.caller());
  version.set_organisation(header.organisation());
  version.set_role(header.role());
  version.set_event_id(header.id());
  const FieldDescriptor* brought = event.GetReflection()->GetOneofFieldDescriptor(
      event, v1::ReferralEvent::descriptor()->FindOneofByName("event"));
  if (brought == nullptr) return version;
  version.set_event_type(brought->message_type()->name());
  AddChanged(event.GetReflection()->GetMessage(event, brought), "", version);
  return version;
}

// What a list shows.
v1::Referral Summary(const v1::ReferralState& state, int64_t version) {
  v1::Referral referral;
  referral.set_referral_id(state.referral_id());
  referral.set_version(version);
  referral.set_status(state.status());
  referral.set_person_id(state.person_id());
  *referral.mutable_service() = state.service();
  *referral.mutable_missing_items() = state.missing_items();
  referral.set_replaces(state.replaces());
  if (state.has_submit_time()) *referral.mutable_submit_time() = state.submit_time();
  if (state.has_accept_time()) *referral.mutable_accept_time() = state.accept_time();
  referral.set_first_contact_date(state.first_contact_date());
  referral.set_worker_id(state.worker_id());
  referral.set_priority(state.priority());
  referral.set_rejection_reason_code(state.rejection_reason_code());
  referral.set_no_outcome_reason_code(state.no_outcome_reason_code());
  referral.set_closed_date(state.closed_date());
  referral.set_withdrawal_reason_code(state.withdrawal_reason_code());
  referral.set_correlation_id(state.correlation_id());
  if (state.has_update_time()) *referral.mutable_update_time() = state.update_time();
  referral.set_intake(state.intake());
  referral.set_referring_organisation(state.referring_organisation());
  referral.set_paused_from(state.paused_from());
  referral.set_pause_reason_code(state.pause_reason_code());
  referral.set_triage_outcome(state.triage_outcome());
  referral.set_advice(state.advice());
  referral.set_decline_date(state.decline_date());
  referral.set_decline_reason_code(state.decline_reason_code());
  referral.set_onward_of(state.onward_of());
  referral.set_error_reason_code(state.error_reason_code());
  if (state.has_eligibility()) *referral.mutable_eligibility() = state.eligibility();
  *referral.mutable_stalls() = state.stalls();
  referral.set_person_deceased(state.person_deceased());
  if (state.has_status_time()) *referral.mutable_status_time() = state.status_time();
  if (state.has_last_contact_time()) {
    *referral.mutable_last_contact_time() = state.last_contact_time();
  }
  ShowDue(state, referral);
  return referral;
}

// What the two organisations see of one.
v1::Referral Whole(const v1::ReferralState& state, int64_t version) {
  v1::Referral referral = Summary(state, version);
  *referral.mutable_details() = state.details();
  if (state.has_comment()) *referral.mutable_comment() = state.comment();
  *referral.mutable_outcomes() = state.outcomes();
  *referral.mutable_inquiries() = state.inquiries();
  *referral.mutable_contacts() = state.contacts();
  *referral.mutable_priority_changes() = state.priority_changes();
  *referral.mutable_signposts() = state.signposts();
  if (state.has_hand_over_note()) *referral.mutable_hand_over_note() = state.hand_over_note();
  if (state.has_pause_note()) *referral.mutable_pause_note() = state.pause_note();
  if (state.has_terms()) *referral.mutable_terms() = state.terms();
  if (state.has_care()) {
    *referral.mutable_care() = state.care();
    for (v1::MeasureChange& change : ChangesOf(state.care())) {
      *referral.add_measure_changes() = std::move(change);
    }
  }
  for (const v1::PartnerResponse& response : state.partner_responses()) {
    v1::PartnerResponse& shown = *referral.add_partner_responses();
    shown = response;
    shown.clear_message();
  }
  return referral;
}

// One of the lists that ListReferrals merges, with its next referral.
struct StatusList {
  v1::ReferralStatus status;
  std::string key;
  std::string after;  // page token of what was given out
  std::string head;   // empty: read to its end
  std::string next;   // page token behind `head`

  absl::Status Advance(const base::Snapshot& snapshot, int index) {
    common::v1::Page page;
    page.set_page_size(1);
    page.set_page_token(after);
    FETTLE_ASSIGN_OR_RETURN(const base::ListedPage listed, snapshot.List(index, key, page));
    head = listed.streams.empty() ? "" : listed.streams.front();
    next = listed.next;
    return absl::OkStatus();
  }
};

absl::Status BadPageToken() {
  return base::InvalidField("page.page_token", "PAGE_TOKEN_NOT_VALID",
                            "next_page_token of the page before, with the same filters");
}

// The lists that a request wants, each where the page before ended.
absl::StatusOr<std::vector<StatusList>> ListsOf(const v1::ListReferralsRequest& request,
                                                const std::string& organisation) {
  std::vector<StatusList> lists;
  for (int status = v1::REFERRAL_STATUS_DRAFT; status <= v1::ReferralStatus_MAX; ++status) {
    const auto wanted = static_cast<v1::ReferralStatus>(status);
    if (request.pooled() && wanted != v1::REFERRAL_STATUS_ACCEPTED) continue;
    if (request.status() != v1::REFERRAL_STATUS_UNSPECIFIED ? wanted != request.status()
                                                            : IsTerminal(wanted)) {
      continue;
    }
    lists.push_back({.status = wanted,
                     .key = request.worker_id().empty() && !request.pooled()
                                ? OrganisationKey(organisation, wanted)
                                : WorkerKey(organisation, request.worker_id(), wanted),
                     .after = "",
                     .head = "",
                     .next = ""});
  }
  if (request.page().page_token().empty()) return lists;

  std::string bytes;
  v1::ReferralPlace place;
  if (!absl::WebSafeBase64Unescape(request.page().page_token(), &bytes) ||
      !place.ParseFromString(bytes) || place.statuses_size() == 0) {
    return BadPageToken();
  }
  std::vector<StatusList> unread;
  for (const v1::StatusPlace& status : place.statuses()) {
    const auto list = std::ranges::find(lists, status.status(), &StatusList::status);
    if (list == lists.end()) return BadPageToken();
    unread.push_back(*list);
    unread.back().after = status.after();
  }
  return unread;
}

absl::Status CheckPageSize(int page_size) {
  if (page_size >= 0 && page_size <= kPageSizeMax) return absl::OkStatus();
  return base::InvalidField("page.page_size", "PAGE_SIZE_NOT_VALID", "1 to 200, or 0 for 50");
}

}  // namespace

absl::StatusOr<v1::GetReferralResponse> ReferralRules::Answer(const base::Snapshot& snapshot,
                                                              const v1::GetReferralRequest& request,
                                                              const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const Found found, Find(snapshot, request.referral_id(), context.caller));
  if (found.state == nullptr) return ReferralNotFound();
  v1::GetReferralResponse response;
  *response.mutable_referral() = Whole(*found.state, found.stream.version);
  response.set_position(snapshot.position());
  return response;
}

// Merges the lists of the wanted states by id, which is by time. A page costs one look into an
// index for each of its referrals and one for each state, however many referrals there are.
absl::StatusOr<v1::ListReferralsResponse> ReferralRules::Answer(
    const base::Snapshot& snapshot, const v1::ListReferralsRequest& request,
    const base::Context& context) {
  FETTLE_RETURN_IF_ERROR(CheckPageSize(request.page().page_size()));
  const int page_size =
      request.page().page_size() == 0 ? kPageSizeDefault : request.page().page_size();
  if (request.pooled() &&
      (!request.worker_id().empty() || request.status() != v1::REFERRAL_STATUS_UNSPECIFIED)) {
    return base::InvalidField("pooled", "FILTERS_EXCLUDE_EACH_OTHER",
                              "without worker_id and status");
  }
  const bool of_all = request.worker_id().empty() && !request.pooled();
  if (request.with_plan() && !of_all) {
    return base::InvalidField("with_plan", "FILTERS_EXCLUDE_EACH_OTHER",
                              "without worker_id and pooled");
  }
  int index = of_all ? kOrganisationIndex : kWorkerIndex;
  if (request.with_plan()) index = kPlanIndex;
  FETTLE_ASSIGN_OR_RETURN(std::vector<StatusList> lists,
                          ListsOf(request, context.caller.organisation));
  for (StatusList& list : lists) FETTLE_RETURN_IF_ERROR(list.Advance(snapshot, index));
  std::erase_if(lists, [](const StatusList& list) { return list.head.empty(); });

  v1::ListReferralsResponse response;
  while (response.referrals_size() < page_size && !lists.empty()) {
    const auto newest = std::ranges::max_element(lists, {}, &StatusList::head);
    FETTLE_ASSIGN_OR_RETURN(const Found found, Find(snapshot, newest->head, context.caller));
    if (found.state != nullptr) {
      *response.add_referrals() = Summary(*found.state, found.stream.version);
    }
    newest->after = newest->next;
    newest->head.clear();
    if (!newest->after.empty()) FETTLE_RETURN_IF_ERROR(newest->Advance(snapshot, index));
    if (newest->head.empty()) lists.erase(newest);
  }
  if (!lists.empty()) {
    v1::ReferralPlace place;
    for (const StatusList& list : lists) {
      v1::StatusPlace& status = *place.add_statuses();
      status.set_status(list.status);
      status.set_after(list.after);
    }
    response.set_next_page_token(absl::WebSafeBase64Escape(place.SerializeAsString()));
  }
  response.set_position(snapshot.position());
  return response;
}

absl::StatusOr<v1::FindPartnerMessageResponse> ReferralRules::Answer(
    const base::Snapshot& snapshot, const v1::FindPartnerMessageRequest& request,
    const base::Context& context) {
  v1::FindPartnerMessageResponse response;
  response.set_position(snapshot.position());
  FETTLE_ASSIGN_OR_RETURN(
      const std::optional<std::string> holder,
      snapshot.Holder(kMessageIndex,
                      MessageKey(request.partner_request_id(), request.partner_correlation_id())));
  if (holder) {
    FETTLE_ASSIGN_OR_RETURN(const Found found, Find(snapshot, *holder, context.caller));
    if (found.state != nullptr) {
      response.set_referral_id(*holder);
      const auto is_same = [&](const v1::PartnerMessage& message) {
        return message.request_id() == request.partner_request_id() &&
               message.correlation_id() == request.partner_correlation_id() &&
               message.body_sha256() == request.body_sha256();
      };
      response.set_same_body(std::ranges::any_of(found.state->partner_messages(), is_same) ||
                             std::ranges::any_of(found.state->partner_responses(), is_same,
                                                 &v1::PartnerResponse::message));
    }
  }

  std::vector<std::string> keys = {CaseKey(request.partner_correlation_id())};
  if (!request.case_number().empty()) {
    keys.push_back(CaseNumberKey(context.caller.organisation, request.case_number()));
  }
  for (const std::string& key : keys) {
    common::v1::Page page;
    page.set_page_size(kCaseReferralsMax);
    FETTLE_ASSIGN_OR_RETURN(const base::ListedPage listed, snapshot.List(kCaseIndex, key, page));
    for (const std::string& referral_id : listed.streams) {
      FETTLE_ASSIGN_OR_RETURN(const Found found, Find(snapshot, referral_id, context.caller));
      if (found.state == nullptr) continue;
      response.set_open_referral_id(std::max(response.open_referral_id(), referral_id));
      break;
    }
  }
  return response;
}

absl::StatusOr<v1::ListDueDeliveriesResponse> ReferralRules::Answer(
    const base::Snapshot& snapshot, const v1::ListDueDeliveriesRequest& request,
    const base::Context&) {
  common::v1::Page page;
  page.set_page_size(request.size_max() == 0 ? kPageSizeDefault : request.size_max());
  FETTLE_ASSIGN_OR_RETURN(const base::ListedPage listed,
                          snapshot.List(kDeliveryIndex, DueKey(), page));
  v1::ListDueDeliveriesResponse response;
  response.set_position(snapshot.position());
  for (const std::string& stream_id : listed.streams) {
    FETTLE_ASSIGN_OR_RETURN(const base::View::Stream stream, snapshot.Load(stream_id));
    const v1::DeliveryQueue& queue =
        static_cast<const v1::ReferralState*>(stream.state.get())->delivery_queue();
    for (const v1::Delivery& delivery : queue.deliveries()) {
      if (delivery.status() != v1::DELIVERY_STATUS_DUE) continue;
      v1::DueDelivery& due = *response.add_deliveries();
      due.set_referral_id(queue.referral_id());
      due.set_delivery_id(delivery.message().delivery_id());
    }
  }
  return response;
}

absl::StatusOr<v1::GetDeliveryResponse> ReferralRules::Answer(const base::Snapshot& snapshot,
                                                              const v1::GetDeliveryRequest& request,
                                                              const base::Context&) {
  v1::GetDeliveryResponse response;
  response.set_position(snapshot.position());
  FETTLE_ASSIGN_OR_RETURN(const base::View::Stream queue,
                          snapshot.Load(DeliveryQueueId(request.referral_id())));
  FETTLE_ASSIGN_OR_RETURN(const base::View::Stream referral, snapshot.Load(request.referral_id()));
  if (queue.version == 0 || referral.version == 0) return DeliveryNotFound();
  const auto& state = static_cast<const v1::ReferralState&>(*queue.state);
  for (const v1::Delivery& delivery : state.delivery_queue().deliveries()) {
    if (!delivery.partner_resource_id().empty()) {
      response.set_partner_resource_id(delivery.partner_resource_id());
    }
    if (delivery.message().delivery_id() != request.delivery_id()) continue;
    *response.mutable_delivery() = delivery;
    *response.mutable_referral() =
        Whole(static_cast<const v1::ReferralState&>(*referral.state), referral.version);
    return response;
  }
  return DeliveryNotFound();
}

absl::StatusOr<v1::ListDeliveriesResponse> ReferralRules::Answer(
    const base::Snapshot& snapshot, const v1::ListDeliveriesRequest& request,
    const base::Context& context) {
  v1::ListDeliveriesResponse response;
  response.set_position(snapshot.position());
  std::vector<std::string> queues;
  if (request.referral_id().empty()) {
    common::v1::Page page = request.page();
    if (page.page_size() == 0) page.set_page_size(kPageSizeDefault);
    FETTLE_RETURN_IF_ERROR(CheckPageSize(page.page_size()));
    FETTLE_ASSIGN_OR_RETURN(
        base::ListedPage listed,
        snapshot.List(kDeliveryIndex, FailedKey(context.caller.organisation), page));
    queues = std::move(listed.streams);
    response.set_next_page_token(listed.next);
  } else {
    FETTLE_ASSIGN_OR_RETURN(const Found found,
                            Find(snapshot, request.referral_id(), context.caller));
    if (found.state == nullptr) return ReferralNotFound();
    queues = {DeliveryQueueId(request.referral_id())};
  }
  for (const std::string& queue_id : queues) {
    FETTLE_ASSIGN_OR_RETURN(const base::View::Stream stream, snapshot.Load(queue_id));
    if (stream.version == 0) continue;
    const v1::DeliveryQueue& queue =
        static_cast<const v1::ReferralState*>(stream.state.get())->delivery_queue();
    for (const v1::Delivery& delivery : queue.deliveries()) {
      const bool is_asked_for =
          !request.referral_id().empty() || delivery.status() == v1::DELIVERY_STATUS_FAILED;
      if (!is_asked_for ||
          delivery.message().sender_organisation() != context.caller.organisation) {
        continue;
      }
      v1::ReferralDelivery& shown = *response.add_deliveries();
      shown.set_referral_id(queue.referral_id());
      *shown.mutable_delivery() = delivery;
      shown.mutable_delivery()->clear_body();
    }
  }
  return response;
}

// INV-158: every version, with the message that brought it. The receiving service does not see what
// its referral was as a draft (INV-21).
absl::StatusOr<v1::GetReferralHistoryResponse> ReferralRules::Answer(
    const base::Snapshot& snapshot, const v1::GetReferralHistoryRequest& request,
    const base::Context& context) {
  FETTLE_RETURN_IF_ERROR(CheckPageSize(request.page().page_size()));
  const int page_size =
      request.page().page_size() == 0 ? kPageSizeDefault : request.page().page_size();
  int64_t next = 1;  // the page token is the version that a page begins with
  if (!request.page().page_token().empty() &&
      (!absl::SimpleAtoi(request.page().page_token(), &next) || next < 1)) {
    return BadPageToken();
  }
  FETTLE_ASSIGN_OR_RETURN(const Found found, Find(snapshot, request.referral_id(), context.caller));
  if (found.state == nullptr) return ReferralNotFound();

  v1::GetReferralHistoryResponse response;
  size_t bytes = 0;
  bool full = false;
  while (!full && next <= found.stream.version) {
    FETTLE_ASSIGN_OR_RETURN(const auto events,
                            snapshot.Events(request.referral_id(), next, kHistoryReadMax));
    if (events.empty()) break;
    for (const std::shared_ptr<const Message>& message : events) {
      const auto& event = static_cast<const Event&>(*message);
      if (!event.has_referral_drafted() || IsReferrer(*found.state, context.caller)) {
        v1::ReferralVersion version = VersionOf(event);
        bytes += version.ByteSizeLong();
        full = response.versions_size() == page_size ||
               (response.versions_size() > 0 && bytes > kHistoryBytesMax);
        if (full) break;
        *response.add_versions() = std::move(version);
      }
      next = event.header().version() + 1;
    }
  }
  if (next <= found.stream.version) response.set_next_page_token(std::to_string(next));
  response.set_position(snapshot.position());
  return response;
}

}  // namespace fettle::referral
