// What a partner hears when its message is not taken: HTTP status and OperationOutcome, with the
// codes of the published error bodies of BaRS.
#ifndef FETTLE_SERVICES_GATEWAY_FHIR_OUTCOME_H_
#define FETTLE_SERVICES_GATEWAY_FHIR_OUTCOME_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace fettle::gateway {

// One for each published error body that we send, and the one that the guide names without a body.
enum class OutcomeKind {
  kInvalid,         // 400 invalid
  kInvariant,       // 400 invariant
  kRequired,        // 400 required
  kValue,           // 400 value
  kUnauthorized,    // 401 forbidden
  kForbidden,       // 403 forbidden
  kNotFound,        // 404 not-found
  kNotAcceptable,   // 406 processing
  kTimeout,         // 408 timeout
  kConflict,        // 409 conflict
  kDuplicate,       // 409 duplicate: the sender reads it as success (INV-149, 150)
  kUnprocessable,   // 422 not-supported
  kTooCostly,       // 422 too-costly
  kThrottled,       // 429 throttled
  kException,       // 500 exception
  kNotImplemented,  // 501 not-supported
  kUnavailable,     // 503 transient
};

// The refusals of this folder, as reasons of base::Refuse; a service's own go by their code.
inline constexpr char kMessageDuplicate[] = "MESSAGE_DUPLICATE";
inline constexpr char kMessageConflict[] = "MESSAGE_CONFLICT";

// The one place where refusals, ours and those that came over gRPC, become answers of BaRS.
OutcomeKind KindOf(const absl::Status& status);

int HttpStatusOf(OutcomeKind kind);

// An OperationOutcome as JSON text. `id` is a UUID.
std::string OperationOutcome(OutcomeKind kind, std::string_view diagnostics, std::string_view id);

// What may be told of a refusal: its message, or, where the fault is ours, that it is.
std::string DiagnosticsOf(const absl::Status& status);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_FHIR_OUTCOME_H_
