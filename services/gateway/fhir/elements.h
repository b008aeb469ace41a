// Elements of FHIR that many resources hold, as JSON.
#ifndef FETTLE_SERVICES_GATEWAY_FHIR_ELEMENTS_H_
#define FETTLE_SERVICES_GATEWAY_FHIR_ELEMENTS_H_

#include <google/protobuf/timestamp.pb.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "libs/base/date.h"

namespace fettle::gateway {

namespace json = boost::json;

inline json::string_view Text(std::string_view text) { return {text.data(), text.size()}; }

inline json::object Coding(std::string_view system, std::string_view code,
                           std::string_view display = "") {
  json::object coding{{"system", Text(system)}, {"code", Text(code)}};
  if (!display.empty()) coding["display"] = Text(display);
  return coding;
}

inline json::object Concept(json::object coding, std::string_view text = "") {
  json::object words{{"coding", json::array{std::move(coding)}}};
  if (!text.empty()) words["text"] = Text(text);
  return words;
}

inline std::string Instant(const google::protobuf::Timestamp& time) {
  return base::FormatInstant(absl::FromUnixSeconds(time.seconds()) +
                             absl::Nanoseconds(time.nanos()));
}

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_FHIR_ELEMENTS_H_
