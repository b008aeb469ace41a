#include "services/gateway/message_flow.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/base/trace.h"
#include "libs/base/uuid.h"
#include "libs/crypto/digest.h"
#include "services/gateway/refusals.h"

namespace fettle::gateway {
namespace {

constexpr char kFhirJson[] = "application/fhir+json; charset=utf-8";
constexpr char kMethod[] = "POST /FHIR/R4/$process-message";
constexpr std::string_view kBearer = "Bearer ";
// How long a partner waits before it tries again what we could not take.
constexpr char kRetryAfterSeconds[] = "1";

absl::Status Duplicate() {
  return base::Refuse(absl::StatusCode::kAlreadyExists, kMessageDuplicate,
                      "the message has been identified as having already been processed");
}

absl::Status OtherBody() {
  return base::Refuse(absl::StatusCode::kAlreadyExists, kMessageConflict,
                      "another message with the same X-Request-Id and X-Correlation-Id was taken; "
                      "a newer version has a new X-Request-Id");
}

absl::Status NotOurs() {
  return base::Refuse(absl::StatusCode::kNotFound, "TARGET_NOT_FOUND",
                      "NHSD-Target-Identifier: no service of this receiver");
}

absl::Status NoOpenCase() {
  return base::Refuse(absl::StatusCode::kNotFound, "CASE_NOT_FOUND",
                      "no open referral of your organisation belongs to this X-Correlation-Id or "
                      "case number");
}

std::string_view NameOf(Action action) {
  switch (action) {
    case Action::kNew:
      return "new";
    case Action::kUpdate:
      return "update";
    case Action::kCancel:
      return "cancel";
    case Action::kResponse:
      return "response";
  }
  return "";
}

// e-RS cancellation reasons that say what the two statuses of a cancelled ServiceRequest do.
constexpr char kNoLongerRequired[] = "NO_LONGER_REQUIRED";
constexpr char kRaisedInError[] = "RAISED_IN_ERROR";
constexpr std::string_view kEnteredInError = "entered-in-error";

template <class Request>
void FillPerson(const Mapped& mapped, const Partner& partner, const BarsHeaders& headers,
                Request& request) {
  *request.mutable_demographics() = mapped.demographics;
  request.set_nhs_number_status(mapped.nhs_number_status);
  request.set_number_policy(partner.number_policy);
  request.set_gp_practice(mapped.gp_practice);
  request.set_ethnic_category(mapped.ethnic_category);
  request.set_correlation_id(headers.correlation_id);
}

}  // namespace

http::Response Answer(OutcomeKind kind, std::string_view diagnostics) {
  http::Response response;
  response.status = HttpStatusOf(kind);
  response.content_type = kFhirJson;
  response.body =
      OperationOutcome(kind, diagnostics, base::IdSource(absl::Now(), base::RandomSeed()).Next());
  if (kind == OutcomeKind::kUnavailable || kind == OutcomeKind::kThrottled) {
    response.headers.emplace_back("Retry-After", kRetryAfterSeconds);
  }
  return response;
}

http::Response Refused(const absl::Status& status) {
  const OutcomeKind kind = KindOf(status);
  if (kind == OutcomeKind::kException) {
    base::Log(base::Level::kError, "a request failed", {{"cause", status.message()}});
  }
  return Answer(kind, DiagnosticsOf(status));
}

void EchoIds(const http::Request& request, http::Response& response) {
  for (const char* name : {kRequestIdHeader, kCorrelationIdHeader}) {
    if (const std::optional<std::string> value = request.Header(name)) {
      response.headers.emplace_back(name, *value);
    }
  }
}

http::Task<http::Response> MessageFlow::ProcessMessage(
    std::shared_ptr<const http::Request> request) {
  const absl::StatusOr<std::string> body = co_await Process(request);
  if (!body.ok()) co_return Refused(body.status());
  http::Response response;
  response.content_type = kFhirJson;
  response.body = *body;
  co_return response;
}

absl::StatusOr<MessageFlow::Taken> MessageFlow::Read(const http::Request& request,
                                                     const access::Claims& claims) const {
  FETTLE_ASSIGN_OR_RETURN(BarsHeaders headers,
                          ReadHeaders([&](std::string_view name) { return request.Header(name); }));
  if (headers.organisation != claims.organisation) {
    return base::Refuse(absl::StatusCode::kPermissionDenied, "ORGANISATION_NOT_OF_TOKEN",
                        "NHSD-End-User-Organisation: not the organisation of the token");
  }
  const referral::v1::ReceivingService* service = parts_.targets.Find(headers.target_service);
  const bool is_reply = headers.target_service == parts_.targets.reply_service_id();
  if (service == nullptr && !is_reply) return NotOurs();
  FETTLE_ASSIGN_OR_RETURN(json::value body, ParseJson(request.body));
  FETTLE_ASSIGN_OR_RETURN(Message message, Message::Read(std::move(body), parts_.versions));
  if (service == nullptr && message.action() != Action::kResponse) return NotOurs();
  FETTLE_ASSIGN_OR_RETURN(Mapped mapped,
                          MapMessage(message, headers, request.body, crypto::Sha256(request.body)));
  CallContext call{
      .bearer = request.Header("authorization")->substr(kBearer.size()),
      .traceparent = base::ChildTraceparent(request.Header("traceparent").value_or("")),
      .correlation_id = headers.correlation_id,
      .deadline = absl::Now() + parts_.calls_max};
  return Taken{.headers = std::move(headers),
               .message = std::move(message),
               .mapped = std::move(mapped),
               .service = service,
               .partner = parts_.targets.PartnerOf(claims.organisation),
               .call = std::move(call)};
}

http::Task<absl::StatusOr<std::string>> MessageFlow::Process(
    std::shared_ptr<const http::Request> request) {
  const absl::StatusOr<access::Claims> claims =
      parts_.tokens->Verify(request->Header("authorization").value_or(""));
  if (!claims.ok()) {
    LogStranger(kMethod, claims.status());
    co_return claims.status();
  }
  const journal::CallInfo who = CallOf(*claims, *request, kMethod);
  const absl::StatusOr<Taken> read = Read(*request, *claims);
  if (!read.ok()) co_return co_await RecordRefusal(parts_.journal, who, read.status());
  const Taken& taken = *read;

  referral::v1::FindPartnerMessageRequest find;
  find.set_partner_request_id(taken.headers.request_id);
  find.set_partner_correlation_id(taken.headers.correlation_id);
  find.set_body_sha256(taken.mapped.partner_message.body_sha256());
  find.set_case_number(taken.mapped.partner_message.case_number());
  const auto start_find = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->FindPartnerMessage(context, &find, response, std::move(done));
  };
  const auto found = co_await Ask<referral::v1::FindPartnerMessageResponse>(taken.call, start_find);
  if (!found.ok()) co_return found.status();
  const referral::v1::FindPartnerMessageResponse& known = found->response;
  if (!known.referral_id().empty()) {
    if (!known.same_body()) co_return co_await RecordRefusal(parts_.journal, who, OtherBody());
    if (taken.message.action() == Action::kUpdate) {
      // The first delivery may have been interrupted before the person was updated.
      const absl::Status status = co_await UpdatePerson(taken, known.referral_id());
      if (!status.ok()) co_return status;
    }
    co_return Duplicate();
  }
  absl::StatusOr<std::string> referral_id;
  if (taken.message.action() == Action::kNew) {
    referral_id = co_await Submit(taken);
  } else if (taken.message.action() == Action::kResponse) {
    referral_id = co_await Respond(taken);
  } else if (known.open_referral_id().empty()) {
    co_return co_await RecordRefusal(parts_.journal, who, NoOpenCase());
  } else if (taken.message.action() == Action::kUpdate) {
    referral_id = co_await Update(taken, known.open_referral_id());
  } else {
    referral_id = co_await Cancel(taken, known.open_referral_id());
  }
  if (!referral_id.ok()) co_return referral_id.status();
  base::Log(base::Level::kInfo, "message taken",
            {{"action", NameOf(taken.message.action())},
             {"category", taken.message.category()},
             {"organisation", taken.headers.organisation},
             {"correlation_id", taken.headers.correlation_id},
             {"referral_id", *referral_id}});
  co_return Accepted(taken.message, taken.headers, *referral_id);
}

http::Task<absl::StatusOr<std::string>> MessageFlow::Submit(const Taken& taken) {
  person::v1::EnsurePersonRequest ensure;
  ensure.set_request_id(StepId(taken.headers, "ensure-person"));
  FillPerson(taken.mapped, taken.partner, taken.headers, ensure);
  const auto start_ensure = [&](auto* context, auto* response, auto done) {
    parts_.person->async()->EnsurePerson(context, &ensure, response, std::move(done));
  };
  const auto person = co_await Ask<person::v1::EnsurePersonResponse>(taken.call, start_ensure);
  if (!person.ok()) co_return person.status();

  referral::v1::SubmitReferralRequest submit;
  submit.set_request_id(StepId(taken.headers, "submit-referral"));
  submit.set_person_id(person->response.person_id());
  *submit.mutable_service() = *taken.service;
  *submit.mutable_details() = taken.mapped.details;
  submit.set_intake(taken.partner.intake);
  *submit.mutable_partner_message() = taken.mapped.partner_message;
  submit.set_correlation_id(taken.headers.correlation_id);
  const auto start_submit = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->SubmitReferral(context, &submit, response, std::move(done));
  };
  const auto submitted =
      co_await Ask<referral::v1::SubmitReferralResponse>(taken.call, start_submit);
  if (!submitted.ok()) co_return submitted.status();
  // The same message twice at the same moment: one of them made the referral.
  if (submitted->replayed) co_return Duplicate();
  co_return submitted->response.referral_id();
}

// The referral decides first, because it knows the order of a case's messages: one that is older
// than what is known changes nothing, not the person either.
http::Task<absl::StatusOr<std::string>> MessageFlow::Update(const Taken& taken,
                                                            std::string referral_id) {
  referral::v1::ProvideMissingDetailsRequest provide;
  provide.set_request_id(StepId(taken.headers, "provide-details"));
  provide.set_referral_id(referral_id);
  *provide.mutable_details() = taken.mapped.details;
  *provide.mutable_partner_message() = taken.mapped.partner_message;
  const auto start = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->ProvideMissingDetails(context, &provide, response, std::move(done));
  };
  const auto provided =
      co_await Ask<referral::v1::ProvideMissingDetailsResponse>(taken.call, start);
  if (!provided.ok()) co_return provided.status();
  const absl::Status updated = co_await UpdatePerson(taken, referral_id);
  if (!updated.ok()) co_return updated;
  if (provided->replayed) co_return Duplicate();
  co_return referral_id;
}

// Brings the message's demographics, and lets the referral see what is no longer missing. Each step
// has its request id, so that doing it again changes nothing.
http::Task<absl::Status> MessageFlow::UpdatePerson(const Taken& taken, std::string referral_id) {
  referral::v1::GetReferralRequest get;
  get.set_referral_id(referral_id);
  const auto start_get = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->GetReferral(context, &get, response, std::move(done));
  };
  const auto referral = co_await Ask<referral::v1::GetReferralResponse>(taken.call, start_get);
  if (!referral.ok()) co_return referral.status();

  person::v1::UpdatePersonRequest update;
  update.set_request_id(StepId(taken.headers, "update-person"));
  update.set_person_id(referral->response.referral().person_id());
  FillPerson(taken.mapped, taken.partner, taken.headers, update);
  // A message has the adjustments that its sender knows of: they would take the place of all needs
  // that are recorded.
  update.mutable_demographics()->clear_profile();
  const auto start_update = [&](auto* context, auto* response, auto done) {
    parts_.person->async()->UpdatePerson(context, &update, response, std::move(done));
  };
  const auto updated = co_await Ask<person::v1::UpdatePersonResponse>(taken.call, start_update);
  if (!updated.ok()) co_return updated.status();
  if (referral->response.referral().missing_items().empty()) co_return absl::OkStatus();

  referral::v1::ProvideMissingDetailsRequest refresh;
  refresh.set_request_id(StepId(taken.headers, "refresh-missing-items"));
  refresh.set_referral_id(referral_id);
  const auto start_refresh = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->ProvideMissingDetails(context, &refresh, response, std::move(done));
  };
  const auto refreshed =
      co_await Ask<referral::v1::ProvideMissingDetailsResponse>(taken.call, start_refresh);
  // A referral that was closed meanwhile misses nothing any more.
  if (absl::IsFailedPrecondition(refreshed.status())) co_return absl::OkStatus();
  co_return refreshed.status();
}

http::Task<absl::StatusOr<std::string>> MessageFlow::Cancel(const Taken& taken,
                                                            std::string referral_id) {
  if (taken.message.status() == kEnteredInError) {
    referral::v1::MarkEnteredInErrorRequest mark;
    mark.set_request_id(StepId(taken.headers, "mark-entered-in-error"));
    mark.set_referral_id(referral_id);
    mark.set_reason_code(kRaisedInError);
    *mark.mutable_partner_message() = taken.mapped.partner_message;
    const auto start = [&](auto* context, auto* response, auto done) {
      parts_.referral->async()->MarkEnteredInError(context, &mark, response, std::move(done));
    };
    const auto marked = co_await Ask<referral::v1::MarkEnteredInErrorResponse>(taken.call, start);
    if (!marked.ok()) co_return marked.status();
    if (marked->replayed) co_return Duplicate();
    co_return referral_id;
  }
  referral::v1::WithdrawReferralRequest withdraw;
  withdraw.set_request_id(StepId(taken.headers, "withdraw-referral"));
  withdraw.set_referral_id(referral_id);
  withdraw.set_reason_code(kNoLongerRequired);
  *withdraw.mutable_partner_message() = taken.mapped.partner_message;
  const auto start = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->WithdrawReferral(context, &withdraw, response, std::move(done));
  };
  const auto withdrawn = co_await Ask<referral::v1::WithdrawReferralResponse>(taken.call, start);
  if (!withdrawn.ok()) co_return withdrawn.status();
  if (withdrawn->replayed) co_return Duplicate();
  co_return referral_id;
}

// Its demographics are not taken: whoever receives a referral is told who the person is, and does
// not tell us.
http::Task<absl::StatusOr<std::string>> MessageFlow::Respond(const Taken& taken) {
  const ResponseReading& reading = taken.message.response();
  referral::v1::RecordPartnerResponseRequest record;
  record.set_request_id(StepId(taken.headers, "record-response"));
  record.set_in_response_to(reading.in_response_to);
  record.set_signal(reading.signal);
  record.set_reason_code(reading.reason_code);
  record.set_date(reading.date);
  *record.mutable_partner_message() = taken.mapped.partner_message;
  const auto start = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->RecordPartnerResponse(context, &record, response, std::move(done));
  };
  const auto recorded =
      co_await Ask<referral::v1::RecordPartnerResponseResponse>(taken.call, start);
  if (!recorded.ok()) co_return recorded.status();
  if (recorded->replayed) co_return Duplicate();
  co_return recorded->response.referral_id();
}

}  // namespace fettle::gateway
