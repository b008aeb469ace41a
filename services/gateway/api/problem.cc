#include "services/gateway/api/problem.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <iterator>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "services/gateway/calls.h"
#include "services/gateway/fhir/json.h"
#include "services/gateway/fhir/outcome.h"

namespace fettle::gateway {
namespace {

constexpr absl::Duration kRetryAfterMin = absl::Seconds(1);

struct TitleRow {
  int status;
  const char* title;
};

// As RFC 9110 calls them.
constexpr TitleRow kTitles[] = {
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
};

const char* TitleOf(int status) {
  const auto* row = std::ranges::find(kTitles, status, &TitleRow::status);
  return row == std::end(kTitles) ? "" : row->title;
}

json::array ErrorsOf(const absl::Status& refusal) {
  json::array errors;
  const auto bad = base::BadRequestOf(refusal);
  if (!bad) return errors;
  for (const auto& violation : bad->field_violations()) {
    errors.push_back(json::object{{"field", violation.field()},
                                  {"reason", violation.reason()},
                                  {"accepted", violation.description()}});
  }
  return errors;
}

// What the rule said beside its name; the field is among the errors.
json::object MetadataOf(const absl::Status& refusal) {
  json::object metadata;
  const auto info = base::ErrorInfoOf(refusal);
  if (!info) return metadata;
  for (const auto& [key, value] : info->metadata()) {
    if (key != "field") metadata[key] = value;
  }
  return metadata;
}

}  // namespace

http::Response ProblemOf(const absl::Status& refusal) {
  return ProblemOf(
      refusal, base::ReasonOf(refusal) == kVersionMismatch ? 412 : HttpStatusOf(KindOf(refusal)));
}

http::Response ProblemOf(const absl::Status& refusal, int http_status) {
  const bool is_ours = KindOf(refusal) == OutcomeKind::kException;
  if (is_ours) base::Log(base::Level::kError, "a request failed", {{"cause", refusal.message()}});
  const std::string reason = is_ours ? "" : base::ReasonOf(refusal);
  json::object problem{
      {"type", reason.empty() ? "about:blank" : "urn:fettle:problem:" + reason},
      {"title", TitleOf(http_status)},
      {"status", http_status},
      {"detail", DiagnosticsOf(refusal)},
  };
  if (!reason.empty()) {
    problem["reason"] = reason;
    if (json::object metadata = MetadataOf(refusal); !metadata.empty()) {
      problem["metadata"] = std::move(metadata);
    }
    if (json::array errors = ErrorsOf(refusal); !errors.empty()) {
      problem["errors"] = std::move(errors);
    }
  }
  http::Response response;
  response.status = http_status;
  response.content_type = kProblemJson;
  response.body = json::serialize(problem);
  response.headers.emplace_back("Cache-Control", "no-store");
  if (http_status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (http_status == 429 || http_status == 503) {
    const absl::Duration wait =
        std::max(base::RetryAfterOf(refusal).value_or(kRetryAfterMin), kRetryAfterMin);
    response.headers.emplace_back(
        "Retry-After", absl::StrCat(absl::ToInt64Seconds(absl::Ceil(wait, absl::Seconds(1)))));
  }
  return response;
}

}  // namespace fettle::gateway
