// Messages of ours to partners: what must be said is decided together with what is to be told, and
// goes out from a queue, one message about a referral at a time: PrepareDelivery,
// RecordDeliveryAttempt, SendDeliveryAgain, and the clock of the pauses between the attempts.
#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/uuid.h"
#include "libs/nhs/nhs_number.h"
#include "services/referral/domain/referral_common.h"
#include "services/referral/domain/transitions.h"

namespace fettle::referral {
namespace {

constexpr char kTimerName[] = "DELIVERY";
constexpr char kServiceIdSystem[] = "https://fhir.nhs.uk/Id/dos-service-id";
constexpr std::array kRetriedStatuses = {408, 429, 503};
constexpr int kConflict = 409;

bool IsOver(const v1::Delivery& delivery) {
  return delivery.status() == v1::DELIVERY_STATUS_DELIVERED ||
         delivery.status() == v1::DELIVERY_STATUS_FAILED;
}

// One message at a time: the first that is not over is due, or waits for its time; the others wait
// for it.
void LineUp(v1::DeliveryQueue& queue) {
  bool is_first = true;
  for (v1::Delivery& delivery : *queue.mutable_deliveries()) {
    if (IsOver(delivery)) continue;
    if (!is_first) {
      delivery.set_status(v1::DELIVERY_STATUS_WAITING);
      delivery.clear_next_attempt_time();
    } else if (!delivery.has_next_attempt_time()) {
      delivery.set_status(v1::DELIVERY_STATUS_DUE);
    }
    is_first = false;
  }
}

void Request(const std::string& referral_id, const std::string& person_id,
             const std::string& correlation_id, v1::OutgoingMessage message,
             const base::Context& context, std::vector<base::NewEvent>& events) {
  auto event = std::make_unique<v1::ReferralEvent>();
  event->mutable_header()->set_correlation_id(correlation_id);
  v1::DeliveryRequested& requested = *event->mutable_delivery_requested();
  requested.set_referral_id(referral_id);
  requested.set_person_id(person_id);
  *requested.mutable_message() = std::move(message);
  requested.mutable_message()->set_delivery_id(context.ids->Next());
  if (requested.message().bundle_id().empty()) {
    requested.mutable_message()->set_bundle_id(requested.message().delivery_id());
  }
  events.push_back({DeliveryQueueId(referral_id), std::move(event)});
}

const v1::DeliveryQueue* QueueOf(const base::View& view, const std::string& referral_id) {
  const auto* state = view.StateOf<v1::ReferralState>(DeliveryQueueId(referral_id));
  return state == nullptr ? nullptr : &state->delivery_queue();
}

const v1::Delivery* FindDelivery(const v1::DeliveryQueue* queue, const std::string& delivery_id) {
  if (queue == nullptr) return nullptr;
  const auto found = std::ranges::find_if(queue->deliveries(), [&](const v1::Delivery& delivery) {
    return delivery.message().delivery_id() == delivery_id;
  });
  return found == queue->deliveries().end() ? nullptr : &*found;
}

// INV-157: what is not active there is not cancelled. It need not be, where it says itself what the
// cancellation would have made it; else somebody must know that it was not.
v1::DeliveryStatus JudgeClosed(v1::Signal signal, const std::string& partner_status) {
  const bool says_the_same = partner_status == "entered-in-error" ||
                             (partner_status == "revoked" && signal == v1::SIGNAL_CANCEL);
  return says_the_same ? v1::DELIVERY_STATUS_DELIVERED : v1::DELIVERY_STATUS_FAILED;
}

// INV-152: what an answer says of trying again; an unlisted refusal is one for good.
v1::DeliveryStatus Judge(v1::Signal signal, const v1::RecordDeliveryAttemptRequest& request) {
  switch (request.problem()) {
    case v1::DELIVERY_PROBLEM_CONNECTION_FAILED:
    case v1::DELIVERY_PROBLEM_TIMEOUT:
    case v1::DELIVERY_PROBLEM_ANSWER_NOT_READABLE:
      return v1::DELIVERY_STATUS_WAITING;
    case v1::DELIVERY_PROBLEM_NO_ENDPOINT:
    case v1::DELIVERY_PROBLEM_NOT_MADE:
      return v1::DELIVERY_STATUS_FAILED;
    case v1::DELIVERY_PROBLEM_NOT_ACTIVE_THERE:
      return JudgeClosed(signal, request.partner_status());
    default:
      break;
  }
  const int status = request.http_status();
  const bool is_duplicate = status == kConflict && request.issue_code() == "duplicate";
  if (status / 100 == 2 || is_duplicate) return v1::DELIVERY_STATUS_DELIVERED;
  return std::ranges::find(kRetriedStatuses, status) != kRetriedStatuses.end()
             ? v1::DELIVERY_STATUS_WAITING
             : v1::DELIVERY_STATUS_FAILED;
}

absl::Duration PauseAfter(int attempt, int retry_after_s) {
  absl::Duration pause = kDeliveryPauseMin;
  for (int i = 1; i < attempt && pause < kDeliveryPauseMax; ++i) pause *= 2;
  return std::max(std::min(pause, kDeliveryPauseMax), absl::Seconds(retry_after_s));
}

}  // namespace

absl::Status DeliveryNotFound() {
  return base::Refuse(absl::StatusCode::kNotFound, "DELIVERY_NOT_FOUND",
                      "no message about this referral has this id");
}

std::string DeliveryQueueId(std::string_view referral_id) {
  constexpr size_t kVersionByte = 6;
  constexpr unsigned kOwnVersion = 0x80;
  std::string bytes = base::UuidToBytes(referral_id);
  if (bytes.size() <= kVersionByte) return "";
  bytes[kVersionByte] = static_cast<char>((bytes[kVersionByte] & 0x0fU) | kOwnVersion);
  return base::UuidFromBytes(bytes);
}

base::Reads ReferralRules::ReadsOfReferral(const std::string& referral_id) {
  return {.streams = {referral_id, DeliveryQueueId(referral_id)}, .unique = {}};
}

void TellReferrer(const v1::ReferralState& referral, v1::Signal signal,
                  std::string_view reason_code, std::string_view date, const base::Context& context,
                  std::vector<base::NewEvent>& events) {
  if (referral.partner_messages().empty()) return;
  const v1::PartnerMessage& asked = *referral.partner_messages().rbegin();
  v1::OutgoingMessage message;
  message.set_signal(signal);
  message.set_correlation_id(asked.correlation_id());
  message.set_sender_organisation(referral.service().organisation());
  message.set_partner_organisation(referral.referring_organisation());
  message.set_target_endpoint(asked.source_endpoint());
  message.set_in_response_to(asked.bundle_id());
  message.set_partner_case_number(asked.case_number());
  message.set_reason_code(std::string(reason_code));
  message.set_date(std::string(date));
  Request(referral.referral_id(), referral.person_id(), referral.correlation_id(),
          std::move(message), context, events);
}

void SendToService(const std::string& referral_id, const v1::ReferralSubmitted& submitted,
                   const std::string& correlation_id, const base::Context& context,
                   std::vector<base::NewEvent>& events) {
  const std::string& service_id = submitted.terms().dos_service_id();
  if (service_id.empty()) return;
  v1::OutgoingMessage message;
  message.set_signal(v1::SIGNAL_REQUEST);
  message.set_correlation_id(correlation_id);
  message.set_sender_organisation(submitted.referring_organisation());
  message.set_partner_organisation(submitted.service().organisation());
  message.set_target_endpoint(absl::StrCat(kServiceIdSystem, "|", service_id));
  Request(referral_id, submitted.person_id(), correlation_id, std::move(message), context, events);
}

// What the partner never heard of needs no cancelling; what is closed there cannot be.
void CancelAtService(const v1::ReferralState& referral, v1::Signal signal, const base::View& view,
                     const base::Context& context, std::vector<base::NewEvent>& events) {
  if (IsTerminal(referral.status())) return;
  const v1::DeliveryQueue* queue = QueueOf(view, referral.referral_id());
  if (queue == nullptr) return;
  for (const v1::Delivery& delivery : queue->deliveries()) {
    if (delivery.message().signal() != v1::SIGNAL_REQUEST) continue;
    v1::OutgoingMessage message = delivery.message();
    message.set_signal(signal);
    Request(referral.referral_id(), referral.person_id(), referral.correlation_id(),
            std::move(message), context, events);
    return;
  }
}

base::Questions ReferralRules::QuestionsOf(const v1::PrepareDeliveryRequest& request,
                                           const base::View& view) {
  return WordsOf(request.referral_id(), view);
}

ReferralRules::Decided<v1::PrepareDeliveryResponse> ReferralRules::Decide(
    const base::View& view, const v1::PrepareDeliveryRequest& request,
    const base::Context& context) {
  const v1::Delivery* delivery =
      FindDelivery(QueueOf(view, request.referral_id()), request.delivery_id());
  if (delivery == nullptr) return DeliveryNotFound();
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));

  base::Decision<v1::PrepareDeliveryResponse> decision;
  // INV-151: what was once made ready is sent, also when two gateways are at it.
  if (IsOver(*delivery) || delivery->has_body()) return decision;
  v1::DeliveryPrepared& prepared =
      *decision.Add<Event>(DeliveryQueueId(request.referral_id())).mutable_delivery_prepared();
  prepared.set_delivery_id(request.delivery_id());
  *prepared.mutable_body() = request.body();
  return decision;
}

base::Questions ReferralRules::QuestionsOf(const v1::RecordDeliveryAttemptRequest&,
                                           const base::View&) {
  return {};
}

ReferralRules::Decided<v1::RecordDeliveryAttemptResponse> ReferralRules::Decide(
    const base::View& view, const v1::RecordDeliveryAttemptRequest& request,
    const base::Context& context) {
  const v1::Delivery* delivery =
      FindDelivery(QueueOf(view, request.referral_id()), request.delivery_id());
  if (delivery == nullptr) return DeliveryNotFound();

  base::Decision<v1::RecordDeliveryAttemptResponse> decision;
  decision.response.set_status(delivery->status());
  if (IsOver(*delivery)) return decision;
  const int attempt = delivery->attempts() + 1;
  v1::DeliveryStatus status = Judge(delivery->message().signal(), request);
  if (status == v1::DELIVERY_STATUS_WAITING && attempt >= kDeliveryAttemptsMax) {
    status = v1::DELIVERY_STATUS_FAILED;
  }
  v1::DeliveryAttempted& attempted =
      *decision.Add<Event>(DeliveryQueueId(request.referral_id())).mutable_delivery_attempted();
  attempted.set_delivery_id(request.delivery_id());
  attempted.set_attempt(attempt);
  attempted.set_http_status(request.http_status());
  attempted.set_issue_code(request.issue_code());
  attempted.set_problem(request.problem());
  attempted.set_status(status);
  attempted.set_partner_status(request.partner_status());
  if (!nhs::MayHoldNhsNumber(request.partner_resource_id())) {
    attempted.set_partner_resource_id(request.partner_resource_id());
  }
  if (status == v1::DELIVERY_STATUS_WAITING) {
    *attempted.mutable_next_attempt_time() =
        ToTimestamp(context.time + PauseAfter(attempt, request.retry_after_s()));
  }
  decision.response.set_status(status);
  return decision;
}

base::Questions ReferralRules::QuestionsOf(const v1::SendDeliveryAgainRequest&, const base::View&) {
  return {};
}

ReferralRules::Decided<v1::SendDeliveryAgainResponse> ReferralRules::Decide(
    const base::View& view, const v1::SendDeliveryAgainRequest& request,
    const base::Context& context) {
  FETTLE_RETURN_IF_ERROR(FindReferral(view, request.referral_id(), context.caller).status());
  const v1::Delivery* delivery =
      FindDelivery(QueueOf(view, request.referral_id()), request.delivery_id());
  // What the other organisation's system has to say is not ours to send.
  if (delivery == nullptr ||
      delivery->message().sender_organisation() != context.caller.organisation) {
    return DeliveryNotFound();
  }
  if (delivery->status() != v1::DELIVERY_STATUS_FAILED) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "DELIVERY_NOT_FAILED",
                        "only a message that failed is sent again",
                        {{"status", v1::DeliveryStatus_Name(delivery->status())}});
  }

  base::Decision<v1::SendDeliveryAgainResponse> decision;
  v1::DeliveryDue& due =
      *decision.Add<Event>(DeliveryQueueId(request.referral_id())).mutable_delivery_due();
  due.set_delivery_id(request.delivery_id());
  due.set_again(true);
  return decision;
}

base::Decision<google::protobuf::Empty> DecideQueueTimer(const v1::DeliveryQueue& queue,
                                                         const base::TimerDue& due) {
  base::Decision<google::protobuf::Empty> decision;
  for (const v1::Delivery& delivery : queue.deliveries()) {
    if (delivery.status() != v1::DELIVERY_STATUS_WAITING || !delivery.has_next_attempt_time() ||
        TimeOf(delivery.next_attempt_time()) != due.due) {
      continue;
    }
    decision.Add<v1::ReferralEvent>(due.stream_id)
        .mutable_delivery_due()
        ->set_delivery_id(delivery.message().delivery_id());
  }
  return decision;
}

std::vector<base::Timer> QueueTimers(const v1::DeliveryQueue& queue) {
  std::vector<base::Timer> timers;
  for (const v1::Delivery& delivery : queue.deliveries()) {
    if (delivery.status() == v1::DELIVERY_STATUS_WAITING && delivery.has_next_attempt_time()) {
      timers.push_back({.due = TimeOf(delivery.next_attempt_time()), .name = kTimerName});
    }
  }
  return timers;
}

std::vector<base::Entry> QueueEntries(const v1::DeliveryQueue& queue) {
  std::vector<base::Entry> entries;
  std::set<std::string> failed;
  for (const v1::Delivery& delivery : queue.deliveries()) {
    if (delivery.status() == v1::DELIVERY_STATUS_DUE) {
      entries.push_back({.index = kDeliveryIndex,
                         .key = DueKey(),
                         .sort = base::UuidToBytes(delivery.message().delivery_id()),
                         .unique = false});
    } else if (delivery.status() == v1::DELIVERY_STATUS_FAILED) {
      failed.insert(delivery.message().sender_organisation());
    }
  }
  for (const std::string& organisation : failed) {
    entries.push_back({.index = kDeliveryIndex,
                       .key = FailedKey(organisation),
                       .sort = NewestFirst(queue.referral_id()),
                       .unique = false});
  }
  return entries;
}

void EvolveQueue(v1::DeliveryQueue& queue, const v1::ReferralEvent& event) {
  const google::protobuf::Timestamp& time = event.header().time();
  if (event.has_delivery_requested()) {
    queue.set_referral_id(event.delivery_requested().referral_id());
    queue.set_person_id(event.delivery_requested().person_id());
    v1::Delivery& delivery = *queue.add_deliveries();
    *delivery.mutable_message() = event.delivery_requested().message();
    delivery.set_status(v1::DELIVERY_STATUS_WAITING);
    *delivery.mutable_request_time() = time;
    return LineUp(queue);
  }
  const std::string& delivery_id =
      event.has_delivery_prepared()    ? event.delivery_prepared().delivery_id()
      : event.has_delivery_attempted() ? event.delivery_attempted().delivery_id()
                                       : event.delivery_due().delivery_id();
  const auto found = std::ranges::find_if(*queue.mutable_deliveries(), [&](const auto& delivery) {
    return delivery.message().delivery_id() == delivery_id;
  });
  FETTLE_CHECK(found != queue.mutable_deliveries()->end(), "an event of a message of the queue");
  v1::Delivery& delivery = *found;
  if (event.has_delivery_prepared()) {
    *delivery.mutable_body() = event.delivery_prepared().body();
    return;
  }
  delivery.clear_next_attempt_time();
  if (event.has_delivery_due()) {
    delivery.set_status(v1::DELIVERY_STATUS_DUE);
    delivery.clear_end_time();
    if (event.delivery_due().again()) delivery.clear_attempts();
    return LineUp(queue);
  }
  const v1::DeliveryAttempted& attempted = event.delivery_attempted();
  delivery.set_status(attempted.status());
  delivery.set_attempts(attempted.attempt());
  delivery.set_http_status(attempted.http_status());
  delivery.set_issue_code(attempted.issue_code());
  delivery.set_problem(attempted.problem());
  delivery.set_partner_status(attempted.partner_status());
  if (!attempted.partner_resource_id().empty()) {
    delivery.set_partner_resource_id(attempted.partner_resource_id());
  }
  if (attempted.has_next_attempt_time()) {
    *delivery.mutable_next_attempt_time() = attempted.next_attempt_time();
  } else {
    *delivery.mutable_end_time() = time;
  }
  // A failed one may be sent again, as it was.
  if (attempted.status() == v1::DELIVERY_STATUS_DELIVERED) delivery.clear_body();
  LineUp(queue);
}

}  // namespace fettle::referral
