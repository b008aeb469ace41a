#include "libs/rpc/status_map.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "libs/base/log.h"
#include "libs/base/status.h"

namespace fettle::rpc {
namespace {

// A status that no rule gave. `status` has no ErrorInfo.
grpc::Status Unexplained(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return {grpc::StatusCode::DEADLINE_EXCEEDED, "the deadline passed"};
    case absl::StatusCode::kCancelled:
      return {grpc::StatusCode::CANCELLED, "the call was cancelled"};
    default:
      break;
  }
  base::Log(base::Level::kError, "a call failed",
            {{"code", absl::StatusCodeToString(status.code())}, {"cause", status.message()}});
  constexpr char kText[] = "the service failed; the fault is in its log";
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return {static_cast<grpc::StatusCode>(status.code()), kText};
    default:
      return {grpc::StatusCode::INTERNAL, kText};
  }
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status, std::string_view service) {
  if (status.ok()) return grpc::Status::OK;
  if (base::ReasonOf(status).empty()) return Unexplained(status);
  const auto code = static_cast<grpc::StatusCode>(status.code());
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(std::string(status.message()));
  std::vector<std::pair<std::string, std::string>> payloads;
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& value) {
    payloads.emplace_back(std::string(url), std::string(value));
  });
  std::stable_sort(payloads.begin(), payloads.end(), [](const auto& a, const auto& b) {
    return (a.first == base::kErrorInfoUrl) > (b.first == base::kErrorInfoUrl);
  });
  for (auto& [url, value] : payloads) {
    if (url == base::kErrorInfoUrl) {
      google::rpc::ErrorInfo info;
      if (info.ParseFromString(value) && info.domain().empty()) {
        info.set_domain(std::string(service) + ".fettle");
        value = info.SerializeAsString();
      }
    }
    if (static_cast<int>(details.ByteSizeLong() + value.size()) > base::kStatusDetailBytesMax) {
      continue;
    }
    google::protobuf::Any& any = *details.add_details();
    any.set_type_url(url);
    any.set_value(value);
  }
  return grpc::Status(code, std::string(status.message()), details.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (!status.error_details().empty() && details.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& any : details.details()) {
      result.SetPayload(any.type_url(), absl::Cord(any.value()));
    }
  }
  return result;
}

}  // namespace fettle::rpc
