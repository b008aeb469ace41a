#include "services/gateway/fhir/capability.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace fettle::gateway {
namespace {

namespace json = boost::json;

// Date of the last change of what is stated here.
constexpr char kDate[] = "2026-11-23";

json::object Supported(const char* mode, const char* definition) {
  return {{"mode", mode},
          {"definition", absl::StrCat("https://fhir.nhs.uk/MessageDefinition/", definition)}};
}

// A resource type that can be read and searched, with the names and types of its parameters.
json::object Readable(const char* type,
                      std::initializer_list<std::pair<const char*, const char*>> parameters) {
  json::object resource{{"type", type},
                        {"interaction", json::array{json::object{{"code", "read"}},
                                                    json::object{{"code", "search-type"}}}}};
  json::array searched;
  for (const auto& [name, kind] : parameters) {
    searched.push_back(json::object{{"name", name}, {"type", kind}});
  }
  resource["searchParam"] = std::move(searched);
  return resource;
}

json::object WithHistory(json::object resource) {
  resource["interaction"].as_array().push_back(json::object{{"code", "history-instance"}});
  return resource;
}

}  // namespace

std::string CapabilityStatement(const std::string& base_url,
                                const std::set<std::string>& versions) {
  const json::object oauth{
      {"coding", json::array{json::object{
                     {"system", "http://terminology.hl7.org/CodeSystem/restful-security-service"},
                     {"code", "OAuth"},
                     {"display", "OAuth"}}}}};
  const json::object operation{
      {"name", "process-message"},
      {"definition", "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message"}};
  const json::object endpoint{
      {"protocol",
       json::object{{"system", "http://terminology.hl7.org/CodeSystem/message-transport"},
                    {"code", "http"}}},
      {"address", absl::StrCat(base_url, "/$process-message")}};
  return json::serialize(json::object{
      {"resourceType", "CapabilityStatement"},
      {"id", "fettle"},
      {"name", "Fettle"},
      {"status", "active"},
      {"experimental", true},
      {"date", kDate},
      {"kind", "instance"},
      {"description",
       absl::StrCat("Receives and sends referrals of the Booking and Referral Standard, and what "
                    "becomes of them; receives requests to validate; meta.versionId ",
                    absl::StrJoin(versions, ", "))},
      {"software", json::object{{"name", "Fettle"}}},
      {"implementation", json::object{{"description", "Fettle gateway"}, {"url", base_url}}},
      {"fhirVersion", "4.0.1"},
      {"format", json::array{"json"}},
      {"rest",
       json::array{json::object{
           {"mode", "server"},
           {"security", json::object{{"service", json::array{oauth}}}},
           {"resource",
            json::array{WithHistory(Readable("ServiceRequest", {{"status", "token"}})),
                        Readable("CarePlan", {{"status", "token"}}),
                        Readable("Task", {{"business-status", "token"}, {"owner", "string"}}),
                        Readable("HealthcareService", {{"organization", "token"}}),
                        Readable("MessageDefinition", {{"context", "token"}})}},
           {"operation", json::array{operation}},
       }}},
      {"messaging",
       json::array{json::object{
           {"endpoint", json::array{endpoint}},
           {"supportedMessage",
            json::array{Supported("receiver", "bars-message-servicerequest-request-referral"),
                        Supported("receiver", "bars-message-servicerequest-request-validation"),
                        Supported("receiver", "bars-message-servicerequest-response-referral"),
                        Supported("sender", "bars-message-servicerequest-request-referral"),
                        Supported("sender", "bars-message-servicerequest-response-referral")}},
       }}},
  });
}

}  // namespace fettle::gateway
