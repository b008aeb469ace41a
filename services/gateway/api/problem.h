// Refusals of the plain JSON API: application/problem+json (RFC 9457), made of the same details as
// OperationOutcomes are.
#ifndef FETTLE_SERVICES_GATEWAY_API_PROBLEM_H_
#define FETTLE_SERVICES_GATEWAY_API_PROBLEM_H_

#include <string_view>

#include "absl/status/status.h"
#include "libs/http/message.h"

namespace fettle::gateway {

inline constexpr char kProblemJson[] = "application/problem+json";

// The answer to a refusal, ours or one that came over gRPC: fhir/outcome.cc says which status. A
// fault of ours is logged and told as such alone.
http::Response ProblemOf(const absl::Status& refusal);
// The same with a status that only HTTP knows (405, 412, 415).
http::Response ProblemOf(const absl::Status& refusal, int http_status);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_API_PROBLEM_H_
