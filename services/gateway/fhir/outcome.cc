#include "services/gateway/fhir/outcome.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <iterator>

#include "libs/base/check.h"
#include "libs/base/status.h"

namespace fettle::gateway {
namespace {

namespace json = boost::json;

// As published, the lower-case s included.
constexpr char kErrorSystem[] = "https://fhir.nhs.uk/Codesystem/http-error-codes";
constexpr char kProfile[] =
    "https://simplifier.net/guide/UKCoreDevelopment2/ProfileUKCore-OperationOutcome";

struct OutcomeRow {
  OutcomeKind kind;
  int http_status;
  const char* error_code;
  const char* issue_code;
};

constexpr OutcomeRow kOutcomes[] = {
    {OutcomeKind::kInvalid, 400, "REC_BAD_REQUEST", "invalid"},
    {OutcomeKind::kInvariant, 400, "REC_BAD_REQUEST", "invariant"},
    {OutcomeKind::kRequired, 400, "REC_BAD_REQUEST", "required"},
    {OutcomeKind::kValue, 400, "REC_BAD_REQUEST", "value"},
    {OutcomeKind::kUnauthorized, 401, "REC_UNAUTHORIZED", "forbidden"},
    {OutcomeKind::kForbidden, 403, "REC_FORBIDDEN", "forbidden"},
    {OutcomeKind::kNotFound, 404, "REC_NOT_FOUND", "not-found"},
    {OutcomeKind::kNotAcceptable, 406, "REC_NOT_ACCEPTABLE", "processing"},
    {OutcomeKind::kTimeout, 408, "REC_TIMEOUT", "timeout"},
    {OutcomeKind::kConflict, 409, "REC_CONFLICT", "conflict"},
    {OutcomeKind::kDuplicate, 409, "REC_CONFLICT", "duplicate"},
    {OutcomeKind::kUnprocessable, 422, "REC_UNPROCESSABLE_ENTITY", "not-supported"},
    {OutcomeKind::kTooCostly, 422, "REC_UNPROCESSABLE_ENTITY", "too-costly"},
    {OutcomeKind::kThrottled, 429, "REC_TOO_MANY_REQUESTS", "throttled"},
    {OutcomeKind::kException, 500, "REC_SERVER_ERROR", "exception"},
    {OutcomeKind::kNotImplemented, 501, "REC_NOT_IMPLEMENTED", "not-supported"},
    {OutcomeKind::kUnavailable, 503, "REC_SERVICE_UNAVAILABLE", "transient"},
};

const OutcomeRow& RowOf(OutcomeKind kind) {
  const auto* row = std::ranges::find(kOutcomes, kind, &OutcomeRow::kind);
  FETTLE_CHECK(row != std::end(kOutcomes), "every kind has its row");
  return *row;
}

// Where the name of a refusal says more than its code.
struct ReasonRow {
  std::string_view reason;
  OutcomeKind kind;
};

constexpr ReasonRow kReasons[] = {
    {"HEADER_MISSING", OutcomeKind::kRequired},
    {"HEADER_NOT_VALID", OutcomeKind::kInvalid},
    {"JSON_NOT_READABLE", OutcomeKind::kInvalid},
    {"ELEMENT_MISSING", OutcomeKind::kRequired},
    {"ELEMENT_NOT_VALID", OutcomeKind::kInvalid},
    {"PARAMETER_NOT_VALID", OutcomeKind::kInvalid},
    {"VERSION_MISSING", OutcomeKind::kInvariant},
    {"VERSION_NOT_SUPPORTED", OutcomeKind::kUnprocessable},
    {"EVENT_NOT_SUPPORTED", OutcomeKind::kUnprocessable},
    {"WORKFLOW_UNKNOWN", OutcomeKind::kInvariant},
    {"FORMAT_NOT_ACCEPTABLE", OutcomeKind::kNotAcceptable},
    {kMessageDuplicate, OutcomeKind::kDuplicate},
};

}  // namespace

OutcomeKind KindOf(const absl::Status& status) {
  const std::string reason = base::ReasonOf(status);
  if (const auto* row = std::ranges::find(kReasons, std::string_view(reason), &ReasonRow::reason);
      row != std::end(kReasons)) {
    return row->kind;
  }
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return OutcomeKind::kValue;
    case absl::StatusCode::kUnauthenticated:
      return OutcomeKind::kUnauthorized;
    case absl::StatusCode::kPermissionDenied:
      return OutcomeKind::kForbidden;
    case absl::StatusCode::kNotFound:
      return OutcomeKind::kNotFound;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return OutcomeKind::kConflict;
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return OutcomeKind::kTimeout;
    // What a repetition with the same ids may cure.
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kUnavailable:
      return OutcomeKind::kUnavailable;
    case absl::StatusCode::kResourceExhausted:
      return OutcomeKind::kThrottled;
    case absl::StatusCode::kUnimplemented:
      return OutcomeKind::kNotImplemented;
    case absl::StatusCode::kOk:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kDoNotUseReservedForFutureExpansionUseDefaultInSwitchInstead_:
      return OutcomeKind::kException;
  }
  return OutcomeKind::kException;  // A code of a later gRPC.
}

int HttpStatusOf(OutcomeKind kind) { return RowOf(kind).http_status; }

std::string OperationOutcome(OutcomeKind kind, std::string_view diagnostics, std::string_view id) {
  const OutcomeRow& row = RowOf(kind);
  const auto text = [](std::string_view view) {
    return json::string_view(view.data(), view.size());
  };
  return json::serialize(json::object{
      {"resourceType", "OperationOutcome"},
      {"id", text(id)},
      {"meta", json::object{{"profile", json::array{kProfile}}}},
      {"issue", json::array{json::object{
                    {"severity", "error"},
                    {"code", row.issue_code},
                    {"details",
                     json::object{{"coding", json::array{json::object{{"system", kErrorSystem},
                                                                      {"code", row.error_code}}}}}},
                    {"diagnostics", text(diagnostics)},
                }}},
  });
}

std::string DiagnosticsOf(const absl::Status& status) {
  switch (KindOf(status)) {
    case OutcomeKind::kException:
      return "the receiver failed; the fault is in its log";
    case OutcomeKind::kTimeout:
      return "no answer in time; try again with the same ids";
    case OutcomeKind::kThrottled:
      return "more waits than the receiver takes; try again later with the same ids";
    case OutcomeKind::kUnavailable:
      return "the receiver cannot take it now; try again with the same ids";
    default:
      return std::string(status.message());
  }
}

}  // namespace fettle::gateway
