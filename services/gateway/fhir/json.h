// Reading JSON of unknown origin. FHIR resources stay Boost.JSON values; nothing here throws.
#ifndef FETTLE_SERVICES_GATEWAY_FHIR_JSON_H_
#define FETTLE_SERVICES_GATEWAY_FHIR_JSON_H_

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fettle::gateway {

namespace json = boost::json;

// Levels of objects and arrays. The deepest of the published messages has 15.
inline constexpr int kJsonDepthMax = 50;

// INVALID_ARGUMENT JSON_NOT_READABLE, saying where: not JSON (RFC 8259), not UTF-8, deeper than
// kJsonDepthMax, or an object with a name twice, which two readers could understand in two ways.
absl::StatusOr<json::value> ParseJson(std::string_view text);

// Reads elements by path and remembers the first that has another type than FHIR gives it.
class ElementReader {
 public:
  // The text at `path` (`name.0.given.0`: members and indices) below a value; empty when a step is
  // absent or null. An empty path is the value itself.
  std::string Text(const json::value* value, std::string_view path);
  // The value there; null when absent.
  const json::value* Find(const json::value* value, std::string_view path);
  // The array there; an empty one when absent.
  const json::array& Items(const json::value* value, std::string_view path);

  // INVALID_ARGUMENT ELEMENT_NOT_VALID, naming the path, when any read met a wrong type.
  absl::Status status() const { return status_; }

 private:
  void Wrong(std::string_view path, std::string_view expected);

  absl::Status status_;
};

// Texts of a FHIR system: http and https, Id and id occur for the same system.
bool SameSystem(std::string_view one, std::string_view other);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_FHIR_JSON_H_
