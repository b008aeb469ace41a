#include "services/gateway/fhir/json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <unordered_set>
#include <vector>

#include "absl/strings/match.h"
#include "libs/base/status.h"
#include "libs/base/text.h"

namespace fettle::gateway {
namespace {

using Error = json::error_code;

std::string_view View(json::string_view text) { return {text.data(), text.size()}; }

// Builds the value as the parser of Boost.JSON does, and stops at a name that comes twice, where
// that parser would keep the last.
struct UniqueNames {
  static constexpr size_t max_object_size = size_t(-1);
  static constexpr size_t max_array_size = size_t(-1);
  static constexpr size_t max_key_size = size_t(-1);
  static constexpr size_t max_string_size = size_t(-1);

  json::value_stack stack;
  std::string key;
  std::vector<std::unordered_set<std::string>> names;
  bool repeated = false;

  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }
  bool on_object_begin(Error&) {
    names.emplace_back();
    return true;
  }
  bool on_object_end(size_t count, Error&) {
    names.pop_back();
    stack.push_object(count);
    return true;
  }
  bool on_array_begin(Error&) { return true; }
  bool on_array_end(size_t count, Error&) {
    stack.push_array(count);
    return true;
  }
  bool on_key_part(json::string_view part, size_t, Error&) {
    key.append(part.data(), part.size());
    stack.push_chars(part);
    return true;
  }
  bool on_key(json::string_view part, size_t, Error& error) {
    key.append(part.data(), part.size());
    stack.push_key(part);
    repeated = !names.back().insert(key).second;
    key.clear();
    if (repeated) error = json::make_error_code(json::error::syntax);
    return !repeated;
  }
  bool on_string_part(json::string_view part, size_t, Error&) {
    stack.push_chars(part);
    return true;
  }
  bool on_string(json::string_view part, size_t, Error&) {
    stack.push_string(part);
    return true;
  }
  bool on_number_part(json::string_view, Error&) { return true; }
  bool on_int64(int64_t number, json::string_view, Error&) {
    stack.push_int64(number);
    return true;
  }
  bool on_uint64(uint64_t number, json::string_view, Error&) {
    stack.push_uint64(number);
    return true;
  }
  bool on_double(double number, json::string_view, Error&) {
    stack.push_double(number);
    return true;
  }
  bool on_bool(bool value, Error&) {
    stack.push_bool(value);
    return true;
  }
  bool on_null(Error&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, Error&) { return true; }
  bool on_comment(json::string_view, Error&) { return true; }
};

std::string_view WithoutScheme(std::string_view system) {
  const size_t at = system.find("://");
  return at == std::string_view::npos ? system : system.substr(at + 3);
}

}  // namespace

absl::StatusOr<json::value> ParseJson(std::string_view text) {
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  json::basic_parser<UniqueNames> parser(options);
  parser.handler().stack.reset();
  Error error;
  const size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && read < text.size()) error = json::make_error_code(json::error::extra_data);
  if (error) {
    return base::Refuse(
        absl::StatusCode::kInvalidArgument, "JSON_NOT_READABLE",
        parser.handler().repeated
            ? base::Concat("the body has an object with a name twice, before byte ", read)
            : base::Concat("the body is not JSON that can be read, at byte ", read, ": ",
                           error.message()));
  }
  return parser.handler().stack.release();
}

const json::value* ElementReader::Find(const json::value* value, std::string_view path) {
  size_t begin = 0;
  while (value != nullptr && begin < path.size()) {
    const size_t end = std::min(path.find('.', begin), path.size());
    const std::string_view step = path.substr(begin, end - begin);
    begin = end + 1;
    if (value->is_null()) return nullptr;
    size_t index = 0;
    const bool is_index =
        std::from_chars(step.data(), step.data() + step.size(), index).ec == std::errc();
    if (is_index) {
      if (!value->is_array()) {
        Wrong(path, "an array");
        return nullptr;
      }
      value = value->get_array().if_contains(index);
    } else {
      if (!value->is_object()) {
        Wrong(path, "an object");
        return nullptr;
      }
      value = value->get_object().if_contains({step.data(), step.size()});
    }
  }
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string ElementReader::Text(const json::value* value, std::string_view path) {
  const json::value* found = Find(value, path);
  if (found == nullptr) return "";
  if (!found->is_string()) {
    Wrong(path, "a string");
    return "";
  }
  return std::string(View(found->get_string()));
}

const json::array& ElementReader::Items(const json::value* value, std::string_view path) {
  static const json::array* const kNone = new json::array();
  const json::value* found = Find(value, path);
  if (found == nullptr) return *kNone;
  if (!found->is_array()) {
    Wrong(path, "an array");
    return *kNone;
  }
  return found->get_array();
}

void ElementReader::Wrong(std::string_view path, std::string_view expected) {
  if (!status_.ok()) return;
  status_ = base::Refuse(absl::StatusCode::kInvalidArgument, "ELEMENT_NOT_VALID",
                         base::Concat(path, ": ", expected, " is expected on the way there"));
}

bool SameSystem(std::string_view one, std::string_view other) {
  return absl::EqualsIgnoreCase(base::ToAbsl(WithoutScheme(one)),
                                base::ToAbsl(WithoutScheme(other)));
}

}  // namespace fettle::gateway
