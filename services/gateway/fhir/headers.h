// The headers of a BaRS request (Booking and Referral Standard, API specification).
#ifndef FETTLE_SERVICES_GATEWAY_FHIR_HEADERS_H_
#define FETTLE_SERVICES_GATEWAY_FHIR_HEADERS_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace fettle::gateway {

inline constexpr char kRequestIdHeader[] = "X-Request-Id";
inline constexpr char kCorrelationIdHeader[] = "X-Correlation-Id";

// The value of a header by name, absent when there is none.
using HeaderLookup = std::function<std::optional<std::string>(std::string_view)>;

struct BarsHeaders {
  // Lower case, whatever was sent: they are compared and derived from.
  std::string request_id;
  std::string correlation_id;
  // A value of https://fhir.nhs.uk/Id/dos-service-id.
  std::string target_service;
  // ODS code, upper case.
  std::string organisation;
};

// INVALID_ARGUMENT HEADER_MISSING or HEADER_NOT_VALID, naming the header (INV-148, 153);
// FORMAT_NOT_ACCEPTABLE when `Accept` leaves no room for FHIR as JSON.
absl::StatusOr<BarsHeaders> ReadHeaders(const HeaderLookup& header);

// Of a request that reads: the two ids and `Accept` alone; the other members stay empty.
absl::StatusOr<BarsHeaders> ReadQueryHeaders(const HeaderLookup& header);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_FHIR_HEADERS_H_
