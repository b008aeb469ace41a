#include "services/gateway/delivery_flow.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/uuid.h"
#include "libs/nhs/nhs_number.h"
#include "services/gateway/fhir/headers.h"
#include "services/gateway/fhir/json.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;

// Messages that are sent at a time; the rest stay due.
constexpr size_t kUnderWayMax = 16;
// Rounds that leave out a message which one of our own services kept from going.
constexpr int kRoundsLeftOut = 10;
// Longest Retry-After that is passed on, seconds.
constexpr int kRetryAfterMaxS = 86'400;
constexpr int kIssueCodeBytesMax = 64;
// FHIR's own limit.
constexpr size_t kIdBytesMax = 64;
// What FHIR R4 has beside `active`.
constexpr std::string_view kNotActive[] = {"draft",     "on-hold",          "revoked",
                                           "completed", "entered-in-error", "unknown"};
constexpr char kServiceRequest[] = "ServiceRequest";
// Of a partner that does not offer the read, or does not know the id.
constexpr int kNothingToRead[] = {404, 405, 501};

std::string NewId() { return base::IdSource(absl::Now(), base::RandomSeed()).Next(); }

std::string HeaderOf(const http::Response& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers) {
    if (absl::EqualsIgnoreCase(key, absl::string_view(name.data(), name.size()))) return value;
  }
  return "";
}

rv1::RecordDeliveryAttemptRequest Problem(rv1::DeliveryProblem problem) {
  rv1::RecordDeliveryAttemptRequest attempt;
  attempt.set_problem(problem);
  return attempt;
}

// A service of ours that is busy or away is no fault of the message.
bool MayHeal(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status) ||
         absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status);
}

// `issue.code` of an OperationOutcome; empty for any other body.
std::string IssueCodeOf(const std::string& body) {
  const absl::StatusOr<json::value> parsed = ParseJson(body);
  if (!parsed.ok() || !parsed->is_object()) return "";
  ElementReader reader;
  if (reader.Text(&*parsed, "resourceType") != "OperationOutcome") return "";
  std::string code = reader.Text(&*parsed, "issue.0.code");
  return reader.status().ok() && code.size() <= kIssueCodeBytesMax ? code : "";
}

// The id that a partner's answer to a request of ours gives the ServiceRequest, alone or in a
// Bundle; empty for what is no id of FHIR. What may hold somebody's NHS number is none: ids are
// published.
std::string MadeRequestOf(const std::string& body) {
  const absl::StatusOr<json::value> parsed = ParseJson(body);
  if (!parsed.ok() || !parsed->is_object()) return "";
  ElementReader reader;
  std::string id;
  if (reader.Text(&*parsed, "resourceType") == kServiceRequest) id = reader.Text(&*parsed, "id");
  for (const json::value& entry : reader.Items(&*parsed, "entry")) {
    if (reader.Text(&entry, "resource.resourceType") != kServiceRequest) continue;
    id = reader.Text(&entry, "resource.id");
    break;
  }
  const bool is_id = !id.empty() && id.size() <= kIdBytesMax && absl::ascii_isalnum(id.front()) &&
                     std::ranges::all_of(
                         id, [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '.'; });
  return reader.status().ok() && is_id && !nhs::MayHoldNhsNumber(id) ? id : "";
}

// There is no body.
http::Headers QuestionHeaders(const rv1::OutgoingMessage& question) {
  http::Headers headers = OutgoingHeaders(question);
  std::erase_if(headers, [](const auto& header) { return header.first == "Content-Type"; });
  return headers;
}

bool IsCancellation(const rv1::OutgoingMessage& message) {
  return message.signal() == rv1::SIGNAL_CANCEL || message.signal() == rv1::SIGNAL_CANCEL_AS_ERROR;
}

// The token of a partner as it is now; empty when there is none to send.
absl::StatusOr<std::string> TokenOf(const Partner& partner) {
  if (partner.token_file.empty()) return std::string();
  std::ifstream in(partner.token_file, std::ios::binary);
  std::string token{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  absl::StripAsciiWhitespace(&token);
  if (!in || token.empty()) {
    return absl::NotFoundError(
        absl::StrCat("token_file: cannot read a token from '", partner.token_file, "'"));
  }
  return token;
}

}  // namespace

rv1::RecordDeliveryAttemptRequest ReadAnswer(const rv1::OutgoingMessage& message,
                                             const absl::StatusOr<http::Response>& answer) {
  rv1::RecordDeliveryAttemptRequest attempt;
  attempt.set_delivery_id(message.delivery_id());
  if (!answer.ok()) {
    attempt.set_problem(absl::IsDeadlineExceeded(answer.status())
                            ? rv1::DELIVERY_PROBLEM_TIMEOUT
                            : rv1::DELIVERY_PROBLEM_CONNECTION_FAILED);
    return attempt;
  }
  attempt.set_http_status(answer->status);
  const bool has_ids =
      absl::EqualsIgnoreCase(HeaderOf(*answer, kRequestIdHeader), message.delivery_id()) &&
      absl::EqualsIgnoreCase(HeaderOf(*answer, kCorrelationIdHeader), message.correlation_id());
  const bool is_error = answer->status / 100 != 2;
  if (is_error) attempt.set_issue_code(IssueCodeOf(answer->body));
  if (!has_ids || (is_error && attempt.issue_code().empty())) {
    attempt.set_problem(rv1::DELIVERY_PROBLEM_ANSWER_NOT_READABLE);
  }
  int32_t seconds = 0;
  if (absl::SimpleAtoi(HeaderOf(*answer, "Retry-After"), &seconds)) {
    attempt.set_retry_after_s(std::clamp(seconds, 0, kRetryAfterMaxS));
  }
  if (!is_error && message.signal() == rv1::SIGNAL_REQUEST) {
    attempt.set_partner_resource_id(MadeRequestOf(answer->body));
  }
  return attempt;
}

std::optional<rv1::RecordDeliveryAttemptRequest> ReadCurrent(
    const rv1::OutgoingMessage& question, std::string_view id,
    const absl::StatusOr<http::Response>& answer) {
  // The partner refuses the cancellation if it must. Who has no such path answers without FHIR.
  if (answer.ok() &&
      std::ranges::find(kNothingToRead, answer->status) != std::end(kNothingToRead)) {
    return std::nullopt;
  }
  rv1::RecordDeliveryAttemptRequest attempt = ReadAnswer(question, answer);
  if (!answer.ok() || attempt.problem() != rv1::DELIVERY_PROBLEM_UNSPECIFIED) return attempt;
  if (answer->status / 100 != 2) {
    attempt.set_problem(rv1::DELIVERY_PROBLEM_QUESTION_REFUSED);
    // A question that was asked before delivers nothing.
    if (attempt.issue_code() == "duplicate") attempt.clear_issue_code();
    return attempt;
  }
  std::string status;
  if (const absl::StatusOr<json::value> body = ParseJson(answer->body);
      body.ok() && body->is_object()) {
    ElementReader reader;
    if (reader.Text(&*body, "resourceType") == kServiceRequest && reader.Text(&*body, "id") == id) {
      status = reader.Text(&*body, "status");
    }
  }
  if (status == "active") return std::nullopt;
  if (std::ranges::find(kNotActive, status) == std::end(kNotActive)) {
    attempt.set_problem(rv1::DELIVERY_PROBLEM_ANSWER_NOT_READABLE);
    return attempt;
  }
  attempt.set_problem(rv1::DELIVERY_PROBLEM_NOT_ACTIVE_THERE);
  attempt.set_partner_status(status);
  return attempt;
}

DeliveryFlow::DeliveryFlow(Parts parts) : parts_(std::move(parts)), client_(parts_.client) {
  background_.Spawn(Poll());
}

DeliveryFlow::~DeliveryFlow() { Stop(); }

void DeliveryFlow::Stop() {
  client_.Stop();
  background_.Stop();
}

CallContext DeliveryFlow::Call(const std::string& correlation_id) const {
  return {.bearer = "",
          .traceparent = "",
          .correlation_id = correlation_id,
          .deadline = absl::Now() + parts_.calls_max};
}

http::Task<void> DeliveryFlow::Poll() {
  while (!background_.stopping()) {
    const rv1::ListDueDeliveriesRequest list;
    const auto start = [&](auto* context, auto* response, auto done) {
      parts_.referral->async()->ListDueDeliveries(context, &list, response, std::move(done));
    };
    const auto due = co_await Ask<rv1::ListDueDeliveriesResponse>(Call(""), start);
    if (due.ok() != reachable_ && !background_.stopping()) {
      reachable_ = due.ok();
      base::Log(reachable_ ? base::Level::kInfo : base::Level::kWarning,
                reachable_ ? "messages to partners go out again"
                           : "messages to partners wait: the referral service does not answer",
                {{"cause", due.status().message()}});
    }
    if (due.ok()) {
      for (const rv1::DueDelivery& delivery : due->response.deliveries()) {
        if (under_way_.size() >= kUnderWayMax) break;
        if (!under_way_.insert(delivery.delivery_id()).second) continue;
        background_.Spawn(Deliver(delivery));
      }
    }
    co_await http::Sleep(parts_.poll);
  }
}

http::Task<void> DeliveryFlow::Deliver(rv1::DueDelivery due) {
  const absl::Status status = co_await TryToDeliver(due);
  if (!status.ok() && !background_.stopping()) {
    // It stays due, and a later round tries again.
    base::Log(base::Level::kWarning, "a message to a partner waits",
              {{"delivery_id", due.delivery_id()}, {"cause", status.message()}});
    for (int i = 0; i < kRoundsLeftOut && !background_.stopping(); ++i) {
      co_await http::Sleep(parts_.poll);
    }
  }
  under_way_.erase(due.delivery_id());
}

http::Task<absl::Status> DeliveryFlow::TryToDeliver(const rv1::DueDelivery& due) {
  absl::StatusOr<rv1::GetDeliveryResponse> read = co_await Read(due);
  if (!read.ok()) co_return read.status();
  const Partner& partner =
      parts_.targets.PartnerOf(read->delivery().message().partner_organisation());
  const absl::StatusOr<std::string> token = TokenOf(partner);
  if (!token.ok()) {
    base::Log(base::Level::kError, "no token for a partner", {{"cause", token.status().message()}});
  }
  if (partner.endpoint.empty() || !token.ok()) {
    co_return co_await Report(Problem(rv1::DELIVERY_PROBLEM_NO_ENDPOINT), due);
  }
  if (!read->delivery().has_body()) {
    const absl::Status prepared = co_await Prepare(due, *read);
    if (!prepared.ok() && !MayHeal(prepared)) {
      co_return co_await Report(Problem(rv1::DELIVERY_PROBLEM_NOT_MADE), due);
    }
    if (!prepared.ok()) co_return prepared;
    // What is sent is what was kept, which may be another gateway's.
    read = co_await Read(due);
    if (!read.ok()) co_return read.status();
    // It was over before it was prepared.
    if (!read->delivery().has_body()) co_return absl::OkStatus();
  }
  const rv1::OutgoingMessage& message = read->delivery().message();
  // Where the answer that named it was lost, the partner alone says whether it may be cancelled.
  if (IsCancellation(message) && !read->partner_resource_id().empty()) {
    rv1::OutgoingMessage question = message;
    question.set_delivery_id(NewId());
    http::Call ask{.method = "GET",
                   .url = absl::StrCat(partner.endpoint, "/", kServiceRequest, "/",
                                       read->partner_resource_id()),
                   .headers = QuestionHeaders(question)};
    const auto current = co_await Send(std::move(ask), partner, *token);
    if (absl::IsCancelled(current.status())) co_return current.status();
    if (auto ended = ReadCurrent(question, read->partner_resource_id(), current)) {
      co_return co_await Report(*std::move(ended), due);
    }
  }
  http::Call call{.url = absl::StrCat(partner.endpoint, "/$process-message"),
                  .headers = OutgoingHeaders(message),
                  .body = read->delivery().body().text()};
  const auto answer = co_await Send(std::move(call), partner, *token);
  if (absl::IsCancelled(answer.status())) co_return answer.status();
  co_return co_await Report(ReadAnswer(message, answer), due);
}

http::Task<absl::StatusOr<http::Response>> DeliveryFlow::Send(http::Call call,
                                                              const Partner& partner,
                                                              const std::string& token) {
  call.ca_file = partner.ca_file;
  if (!token.empty()) call.headers.emplace_back("Authorization", absl::StrCat("Bearer ", token));
  const auto send = [&](auto done) { client_.Start(std::move(call), std::move(done)); };
  co_return co_await http::Await<absl::StatusOr<http::Response>>(send);
}

http::Task<absl::StatusOr<rv1::GetDeliveryResponse>> DeliveryFlow::Read(
    const rv1::DueDelivery& due) {
  rv1::GetDeliveryRequest get;
  get.set_referral_id(due.referral_id());
  get.set_delivery_id(due.delivery_id());
  const auto start = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->GetDelivery(context, &get, response, std::move(done));
  };
  auto answered = co_await Ask<rv1::GetDeliveryResponse>(Call(""), start);
  if (!answered.ok()) co_return answered.status();
  co_return std::move(answered->response);
}

http::Task<absl::Status> DeliveryFlow::Prepare(const rv1::DueDelivery& due,
                                               const rv1::GetDeliveryResponse& read) {
  const CallContext call = Call(read.delivery().message().correlation_id());
  person::v1::GetPersonRequest get;
  get.set_person_id(read.referral().person_id());
  const auto start_get = [&](auto* context, auto* response, auto done) {
    parts_.person->async()->GetPerson(context, &get, response, std::move(done));
  };
  const auto person = co_await Ask<person::v1::GetPersonResponse>(call, start_get);
  if (!person.ok()) co_return person.status();

  rv1::PrepareDeliveryRequest prepare;
  prepare.set_request_id(NewId());
  prepare.set_referral_id(due.referral_id());
  prepare.set_delivery_id(due.delivery_id());
  prepare.mutable_body()->set_text(
      OutgoingBundle(read.delivery(), read.referral(), person->response, parts_.sender));
  const auto start = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->PrepareDelivery(context, &prepare, response, std::move(done));
  };
  co_return (co_await Ask<rv1::PrepareDeliveryResponse>(call, start)).status();
}

http::Task<absl::Status> DeliveryFlow::Report(rv1::RecordDeliveryAttemptRequest attempt,
                                              const rv1::DueDelivery& due) {
  attempt.set_request_id(NewId());
  attempt.set_referral_id(due.referral_id());
  attempt.set_delivery_id(due.delivery_id());
  const auto start = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->RecordDeliveryAttempt(context, &attempt, response, std::move(done));
  };
  const auto recorded = co_await Ask<rv1::RecordDeliveryAttemptResponse>(Call(""), start);
  if (!recorded.ok()) co_return recorded.status();
  const std::string result = rv1::DeliveryStatus_Name(recorded->response.status());
  parts_.metrics
      ->AddCounter("fettle_deliveries_total", "Attempts to deliver a message to a partner",
                   {{"result", result}})
      .Increment();
  base::Log(base::Level::kInfo, "message to a partner",
            {{"delivery_id", due.delivery_id()},
             {"referral_id", due.referral_id()},
             {"http_status", attempt.http_status()},
             {"issue_code", attempt.issue_code()},
             {"problem", rv1::DeliveryProblem_Name(attempt.problem())},
             {"result", result}});
  co_return absl::OkStatus();
}

}  // namespace fettle::gateway
