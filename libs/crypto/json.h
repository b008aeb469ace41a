#ifndef FETTLE_LIBS_CRYPTO_JSON_H_
#define FETTLE_LIBS_CRYPTO_JSON_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

struct json_t;

namespace fettle::crypto {

// A JSON object whose member names are unique at every depth, as signed objects need it (RFC 7515,
// section 4): other parsers take the last of two equal names, and two readers of one token must
// not see two tokens. Read-only; several threads may read it at once.
class JsonObject {
 public:
  // INVALID_ARGUMENT: not JSON, not an object, a name twice, text behind it, or not UTF-8.
  static absl::StatusOr<JsonObject> Parse(std::string_view text);

  bool Has(std::string_view name) const;
  std::vector<std::string> Names() const;

  // The member, if it is there and of this type.
  std::optional<std::string> String(std::string_view name) const;
  std::optional<int64_t> Integer(std::string_view name) const;

  // The members of an array of objects, each as JSON text.
  std::optional<std::vector<std::string>> Objects(std::string_view name) const;

 private:
  struct Deleter {
    void operator()(json_t* value) const;
  };
  explicit JsonObject(json_t* value) : value_(value) {}
  json_t* Get(std::string_view name) const;
  std::unique_ptr<json_t, Deleter> value_;
};

// A flat JSON object with sorted names.
std::string JsonText(const std::map<std::string, std::string>& strings,
                     const std::map<std::string, int64_t>& integers = {});

}  // namespace fettle::crypto

#endif  // FETTLE_LIBS_CRYPTO_JSON_H_
