#include "libs/crypto/json.h"

#include <jansson.h>

#include "absl/status/status.h"
#include "libs/crypto/internal.h"

namespace fettle::crypto {
namespace {

std::string Dump(const json_t* value) {
  char* const text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
  FETTLE_CRYPTO_CHECK(text != nullptr);
  std::string copy = text;
  free(text);
  return copy;
}

}  // namespace

void JsonObject::Deleter::operator()(json_t* value) const { json_decref(value); }

absl::StatusOr<JsonObject> JsonObject::Parse(std::string_view text) {
  json_error_t error;
  json_t* const value = json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES, &error);
  JsonObject object(value);
  if (value == nullptr || !json_is_object(value)) {
    return absl::InvalidArgumentError("not a JSON object with unique names");
  }
  return object;
}

json_t* JsonObject::Get(std::string_view name) const {
  return json_object_get(value_.get(), std::string(name).c_str());
}

bool JsonObject::Has(std::string_view name) const { return Get(name) != nullptr; }

std::vector<std::string> JsonObject::Names() const {
  std::vector<std::string> names;
  const char* name;
  json_t* value;
  json_object_foreach(value_.get(), name, value) names.emplace_back(name);
  return names;
}

std::optional<std::string> JsonObject::String(std::string_view name) const {
  const json_t* const value = Get(name);
  if (!json_is_string(value)) return std::nullopt;
  return std::string(json_string_value(value), json_string_length(value));
}

std::optional<int64_t> JsonObject::Integer(std::string_view name) const {
  const json_t* const value = Get(name);
  if (!json_is_integer(value)) return std::nullopt;
  return json_integer_value(value);
}

std::optional<std::vector<std::string>> JsonObject::Objects(std::string_view name) const {
  const json_t* const array = Get(name);
  if (!json_is_array(array)) return std::nullopt;
  std::vector<std::string> objects;
  for (size_t i = 0; i < json_array_size(array); ++i) {
    const json_t* const item = json_array_get(array, i);
    if (!json_is_object(item)) return std::nullopt;
    objects.push_back(Dump(item));
  }
  return objects;
}

std::string JsonText(const std::map<std::string, std::string>& strings,
                     const std::map<std::string, int64_t>& integers) {
  json_t* const object = json_object();
  FETTLE_CRYPTO_CHECK(object != nullptr);
  for (const auto& [name, value] : strings) {
    // Fails for text that is not UTF-8, which a caller must have refused.
    FETTLE_CRYPTO_CHECK(
        json_object_set_new(object, name.c_str(), json_stringn(value.data(), value.size())) == 0);
  }
  for (const auto& [name, value] : integers) {
    FETTLE_CRYPTO_CHECK(json_object_set_new(object, name.c_str(), json_integer(value)) == 0);
  }
  std::string text = Dump(object);
  json_decref(object);
  return text;
}

}  // namespace fettle::crypto
