#include "libs/base/status.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "libs/base/check.h"
#include "libs/base/text.h"

namespace fettle::base {
namespace {

// What a detail costs beside its own bytes: the type URL and the tags of google.protobuf.Any, and
// the domain that libs/rpc adds to the ErrorInfo.
constexpr size_t kDetailOverheadBytes = 64;
constexpr size_t kDomainBytesMax = 64;

// Protobuf text must be valid UTF-8, or the receiver drops the whole detail.
std::string Clean(std::string_view text, size_t bytes_max) {
  return std::string(TruncateUtf8(ReplaceInvalidUtf8(text), bytes_max));
}

absl::Status WithInfo(absl::StatusCode code, std::string_view reason, std::string_view message,
                      const std::map<std::string, std::string>& metadata) {
  FETTLE_CHECK(code != absl::StatusCode::kOk, "a refusal is not OK");
  FETTLE_CHECK(IsReason(reason), "a reason is SCREAMING_SNAKE of at most 63 characters");
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  // Half of the budget, so that the other details of the status always have the other half.
  size_t room = kStatusDetailBytesMax / 2 - kDetailOverheadBytes - kDomainBytesMax - reason.size();
  for (const auto& [key, value] : metadata) {
    std::string clean_key = Clean(key, kReasonCharactersMax);
    std::string clean_value = Clean(value, kStatusMetadataValueBytesMax);
    const size_t bytes = clean_key.size() + clean_value.size() + 8;
    if (bytes > room) break;
    room -= bytes;
    info.mutable_metadata()->insert({std::move(clean_key), std::move(clean_value)});
  }
  absl::Status status(code, Clean(message, kStatusMessageBytesMax));
  status.SetPayload(kErrorInfoUrl, absl::Cord(info.SerializeAsString()));
  return status;
}

absl::Status WithRetry(absl::StatusCode code, std::string_view reason, std::string_view message,
                       absl::Duration retry_after) {
  absl::Status status = WithInfo(code, reason, message, {});
  retry_after = std::clamp(retry_after, absl::ZeroDuration(), absl::Hours(1));
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(retry_after));
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(retry_after - absl::Seconds(absl::ToInt64Seconds(retry_after)))));
  status.SetPayload(kRetryInfoUrl, absl::Cord(retry.SerializeAsString()));
  return status;
}

template <class Detail>
std::optional<Detail> DetailOf(const absl::Status& status, const char* url) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  if (!payload) return std::nullopt;
  Detail detail;
  if (!detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

}  // namespace

bool IsReason(std::string_view text) {
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return text.size() >= 2 && text.size() <= kReasonCharactersMax && is_upper(text.front()) &&
         text.back() != '_' &&
         std::ranges::all_of(text, [&](char c) { return is_upper(c) || is_digit(c) || c == '_'; });
}

absl::Status Refuse(absl::StatusCode code, std::string_view reason, std::string message,
                    std::map<std::string, std::string> metadata) {
  absl::Status status = WithInfo(code, reason, message, metadata);
  if (code == absl::StatusCode::kFailedPrecondition) {
    google::rpc::PreconditionFailure failure;
    google::rpc::PreconditionFailure::Violation* violation = failure.add_violations();
    violation->set_type(std::string(reason));
    violation->set_description(std::string(status.message()));
    status.SetPayload(kPreconditionFailureUrl, absl::Cord(failure.SerializeAsString()));
  }
  return status;
}

absl::Status Unavailable(std::string_view reason, std::string message, absl::Duration retry_after) {
  return WithRetry(absl::StatusCode::kUnavailable, reason, message, retry_after);
}

absl::Status Exhausted(std::string_view reason, std::string message, absl::Duration retry_after) {
  return WithRetry(absl::StatusCode::kResourceExhausted, reason, message, retry_after);
}

absl::Status InvalidField(std::string_view field, std::string_view reason,
                          std::string_view accepted) {
  FieldViolations violations;
  violations.Add(field, reason, accepted);
  return violations.ToStatus();
}

void FieldViolations::Add(std::string_view field, std::string_view reason,
                          std::string_view accepted) {
  FETTLE_CHECK(IsReason(reason), "a reason is SCREAMING_SNAKE of at most 63 characters");
  if (count_++ >= kFieldViolationsMax) return;
  violations_.push_back({Clean(field, kStatusMetadataValueBytesMax), std::string(reason),
                         Clean(accepted, kStatusMetadataValueBytesMax)});
}

absl::Status FieldViolations::ToStatus() const {
  if (empty()) return absl::OkStatus();
  const Violation& first = violations_.front();
  std::string message = Concat(first.field, ": ", first.accepted);
  if (count_ > 1) message += Concat(" (and ", count_ - 1, " more)");
  absl::Status status =
      WithInfo(absl::StatusCode::kInvalidArgument, first.reason, message, {{"field", first.field}});

  const size_t used = kDetailOverheadBytes + kDomainBytesMax +
                      status.GetPayload(kErrorInfoUrl)->size() + kDetailOverheadBytes;
  google::rpc::BadRequest request;
  for (const Violation& violation : violations_) {
    google::rpc::BadRequest::FieldViolation* added = request.add_field_violations();
    added->set_field(violation.field);
    added->set_reason(violation.reason);
    added->set_description(violation.accepted);
    if (used + request.ByteSizeLong() > kStatusDetailBytesMax) {
      request.mutable_field_violations()->RemoveLast();
      break;
    }
  }
  status.SetPayload(kBadRequestUrl, absl::Cord(request.SerializeAsString()));
  return status;
}

std::optional<google::rpc::ErrorInfo> ErrorInfoOf(const absl::Status& status) {
  return DetailOf<google::rpc::ErrorInfo>(status, kErrorInfoUrl);
}

std::optional<google::rpc::BadRequest> BadRequestOf(const absl::Status& status) {
  return DetailOf<google::rpc::BadRequest>(status, kBadRequestUrl);
}

std::string ReasonOf(const absl::Status& status) {
  const std::optional<google::rpc::ErrorInfo> info = ErrorInfoOf(status);
  return info ? info->reason() : "";
}

std::optional<absl::Duration> RetryAfterOf(const absl::Status& status) {
  const auto retry = DetailOf<google::rpc::RetryInfo>(status, kRetryInfoUrl);
  if (!retry) return std::nullopt;
  return absl::Seconds(retry->retry_delay().seconds()) +
         absl::Nanoseconds(retry->retry_delay().nanos());
}

}  // namespace fettle::base
