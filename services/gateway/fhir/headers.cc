#include "services/gateway/fhir/headers.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/base/uuid.h"
#include "libs/nhs/ods_code.h"
#include "services/gateway/fhir/json.h"
#include "services/gateway/fhir/systems.h"

namespace fettle::gateway {
namespace {

absl::Status NotValid(std::string_view header, std::string_view expected) {
  return base::Refuse(absl::StatusCode::kInvalidArgument, "HEADER_NOT_VALID",
                      base::Concat(header, ": expected ", expected));
}

absl::StatusOr<std::string> Required(const HeaderLookup& header, std::string_view name) {
  std::optional<std::string> value = header(name);
  if (!value || value->empty()) {
    return base::Refuse(absl::StatusCode::kInvalidArgument, "HEADER_MISSING",
                        base::Concat(name, ": the header is required"));
  }
  return *std::move(value);
}

absl::StatusOr<std::string> Guid(const HeaderLookup& header, std::string_view name) {
  FETTLE_ASSIGN_OR_RETURN(const std::string value, Required(header, name));
  if (!base::IsUuid(value)) return NotValid(name, "a GUID of 36 characters");
  return base::UuidFromBytes(base::UuidToBytes(value));
}

absl::StatusOr<json::value> Base64Json(const std::string& value, std::string_view name) {
  std::string text;
  if (!absl::Base64Unescape(value, &text)) return NotValid(name, "base64 of JSON");
  absl::StatusOr<json::value> parsed = ParseJson(text);
  if (!parsed.ok() || !parsed->is_object()) return NotValid(name, "base64 of a JSON object");
  return parsed;
}

absl::StatusOr<std::string> TargetService(const HeaderLookup& header) {
  constexpr std::string_view kName = "NHSD-Target-Identifier";
  FETTLE_ASSIGN_OR_RETURN(const std::string value, Required(header, kName));
  FETTLE_ASSIGN_OR_RETURN(const json::value target, Base64Json(value, kName));
  ElementReader reader;
  const std::string system = reader.Text(&target, "system");
  std::string service = reader.Text(&target, "value");
  if (!reader.status().ok() || target.get_object().size() != 2 || service.empty() ||
      !SameSystem(system, kServiceIdSystem)) {
    return NotValid(kName,
                    "exactly one value, of the system https://fhir.nhs.uk/Id/dos-service-id");
  }
  return service;
}

absl::StatusOr<std::string> EndUserOrganisation(const HeaderLookup& header) {
  constexpr std::string_view kName = "NHSD-End-User-Organisation";
  FETTLE_ASSIGN_OR_RETURN(const std::string value, Required(header, kName));
  FETTLE_ASSIGN_OR_RETURN(const json::value organisation, Base64Json(value, kName));
  ElementReader reader;
  if (reader.Text(&organisation, "resourceType") == "Organization") {
    for (const json::value& identifier : reader.Items(&organisation, "identifier")) {
      if (!SameSystem(reader.Text(&identifier, "system"), kOdsSystem)) continue;
      std::string code = absl::AsciiStrToUpper(reader.Text(&identifier, "value"));
      if (nhs::IsOdsCode(code)) return code;
    }
  }
  return NotValid(kName, "a FHIR Organization with an ODS code");
}

// Read for its form alone; it travels in the message as well.
absl::Status CheckResource(const HeaderLookup& header, std::string_view name,
                           std::string_view resource_type, bool required) {
  const std::optional<std::string> value = header(name);
  if (!value && !required) return absl::OkStatus();
  FETTLE_ASSIGN_OR_RETURN(const std::string text, Required(header, name));
  FETTLE_ASSIGN_OR_RETURN(const json::value resource, Base64Json(text, name));
  ElementReader reader;
  if (reader.Text(&resource, "resourceType") == resource_type) return absl::OkStatus();
  return NotValid(name, base::Concat("a FHIR ", resource_type));
}

absl::Status CheckAccept(const HeaderLookup& header) {
  const std::optional<std::string> accept = header("Accept");
  if (!accept || accept->empty()) return absl::OkStatus();
  const std::string accepted = absl::AsciiStrToLower(*accept);
  for (const char* taken : {"application/fhir+json", "application/json", "application/*", "*/*"}) {
    if (absl::StrContains(accepted, taken)) return absl::OkStatus();
  }
  return base::Refuse(absl::StatusCode::kInvalidArgument, "FORMAT_NOT_ACCEPTABLE",
                      "Accept: this receiver answers in application/fhir+json");
}

}  // namespace

absl::StatusOr<BarsHeaders> ReadQueryHeaders(const HeaderLookup& header) {
  BarsHeaders headers;
  FETTLE_ASSIGN_OR_RETURN(headers.request_id, Guid(header, kRequestIdHeader));
  FETTLE_ASSIGN_OR_RETURN(headers.correlation_id, Guid(header, kCorrelationIdHeader));
  FETTLE_RETURN_IF_ERROR(CheckAccept(header));
  return headers;
}

absl::StatusOr<BarsHeaders> ReadHeaders(const HeaderLookup& header) {
  FETTLE_ASSIGN_OR_RETURN(BarsHeaders headers, ReadQueryHeaders(header));
  FETTLE_ASSIGN_OR_RETURN(headers.target_service, TargetService(header));
  FETTLE_ASSIGN_OR_RETURN(headers.organisation, EndUserOrganisation(header));
  FETTLE_RETURN_IF_ERROR(CheckResource(header, "NHSD-Requesting-Software", "Device", true));
  FETTLE_RETURN_IF_ERROR(
      CheckResource(header, "NHSD-Requesting-Practitioner", "PractitionerRole", false));
  return headers;
}

}  // namespace fettle::gateway
