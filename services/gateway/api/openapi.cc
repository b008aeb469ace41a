#include "services/gateway/api/openapi.h"

#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "fettle/common/v1/types.pb.h"
#include "libs/base/check.h"
#include "libs/base/text.h"
#include "libs/rpc/validate.h"
#include "services/gateway/api/problem.h"
#include "services/gateway/api/request.h"
#include "services/gateway/api/words.h"
#include "services/gateway/fhir/json.h"

namespace fettle::gateway {
namespace {

using common::v1::FieldRule;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr char kSchemas[] = "#/components/schemas/";
constexpr char kUuid[] = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

enum class Use { kAnswer, kRequest };

const FieldRule& RuleOf(const FieldDescriptor* field) {
  return field->options().GetExtension(common::v1::rule);
}

// fettle.referral.v1.Referral: referral.Referral; in a request: referral.ReferralInput.
std::string NameOf(const Descriptor* type, Use use) {
  return absl::StrCat(absl::StrReplaceAll(type->full_name(), {{"fettle.", ""}, {".v1.", "."}}),
                      use == Use::kRequest ? "Input" : "");
}

// With the description, if there is one.
json::object Described(json::object schema, std::string_view words) {
  if (!words.empty()) schema["description"] = words;
  return schema;
}

// The first sentence, without its full stop.
std::string FirstSentence(std::string_view words) {
  const size_t end = std::min(words.find(". "), words.find("\n\n"));
  return std::string(absl::StripSuffix(base::ToAbsl(words.substr(0, end)), "."));
}

// An enum's zero, which says nothing where something must be said.
bool IsListed(const google::protobuf::EnumValueDescriptor* value, const FieldDescriptor* field,
              Use use) {
  return use == Use::kAnswer || value->number() != 0 || !RuleOf(field).required();
}

// What a field says, and each of its values, if it is one of a list.
std::string FieldWords(const FieldDescriptor* field, Use use) {
  std::vector<std::string> paragraphs;
  if (const auto words = WordsOf(field->full_name()); !words.empty()) {
    paragraphs.emplace_back(words);
  }
  if (const auto* type = field->enum_type(); type != nullptr) {
    for (int i = 0; i < type->value_count(); ++i) {
      if (!IsListed(type->value(i), field, use)) continue;
      const std::string& name = type->value(i)->name();
      const std::string_view words = WordsOf(absl::StrCat(type->full_name(), ".", name));
      if (!words.empty()) paragraphs.push_back(base::Concat(name, ": ", words));
    }
  }
  return absl::StrJoin(paragraphs, "\n\n");
}

std::string PatternOf(common::v1::Format format) {
  switch (format) {
    case common::v1::FORMAT_UUID:
      return kUuid;
    case common::v1::FORMAT_DATE:
      return "[0-9]{4}-[0-9]{2}-[0-9]{2}";
    case common::v1::FORMAT_ODS_CODE:
      return "[A-Z0-9]{3,8}";
    case common::v1::FORMAT_SNOMED_CONCEPT:
      return "[1-9][0-9]{5,17}";
    case common::v1::FORMAT_CODE:
      return "[A-Z0-9_-]{1,64}";
    default:
      return "";
  }
}

json::object TextSchema(const FieldRule& rule, Use use, bool is_bytes) {
  json::object schema{{"type", "string"}};
  if (is_bytes) schema["contentEncoding"] = "base64";
  if (use == Use::kAnswer || is_bytes) return schema;
  if (const std::string pattern = PatternOf(rule.format()); !pattern.empty()) {
    // What may be left out may be empty.
    schema["pattern"] =
        rule.required() ? absl::StrCat("^", pattern, "$") : absl::StrCat("^(", pattern, ")?$");
  } else {
    if (rule.required()) schema["minLength"] = 1;
    schema["maxLength"] = rule.max_chars() > 0 ? rule.max_chars() : rpc::kTextCharsMaxDefault;
  }
  return schema;
}

json::object NumberSchema(const FieldDescriptor* field, Use use) {
  const bool is_small = field->cpp_type() == FieldDescriptor::CPPTYPE_INT32;
  // A number of 64 bits does not fit into those of JavaScript.
  if (!is_small && use == Use::kAnswer) {
    return {{"type", "string"}, {"pattern", "^-?[0-9]+$"}, {"format", "int64"}};
  }
  json::object schema{
      {"type", is_small ? json::value("integer") : json::array{"integer", "string"}},
      {"format", is_small ? "int32" : "int64"}};
  if (!is_small) schema["pattern"] = "^-?[0-9]+$";
  const FieldRule& rule = RuleOf(field);
  if (use == Use::kRequest && (rule.min() != 0 || rule.max() != 0)) {
    schema["minimum"] = rule.min();
    schema["maximum"] = rule.max();
  }
  return schema;
}

// Who leaves a number out sends 0.
bool IsRequired(const FieldDescriptor* field) {
  const FieldRule& rule = RuleOf(field);
  const bool is_number = field->cpp_type() == FieldDescriptor::CPPTYPE_INT32 ||
                         field->cpp_type() == FieldDescriptor::CPPTYPE_INT64;
  return rule.required() ||
         (is_number && !field->is_repeated() && (rule.min() > 0 || rule.max() < 0));
}

json::object EnumSchema(const FieldDescriptor* field, Use use) {
  json::array names;
  for (int i = 0; i < field->enum_type()->value_count(); ++i) {
    const auto* value = field->enum_type()->value(i);
    if (IsListed(value, field, use)) names.emplace_back(value->name());
  }
  return {{"type", "string"}, {"enum", std::move(names)}};
}

class Document {
 public:
  explicit Document(const Routes& routes) {
    for (const Route& route : routes.all()) AddRoute(route);
    schemas_["Problem"] = ProblemSchema();
  }

  std::string Text() && {
    return json::serialize(json::object{
        {"openapi", "3.1.0"},
        {"info",
         json::object{
             {"title", "Fettle"},
             {"version", "1"},
             {"description",
              "Referrals, the directory of services, journeys. Names are those of the gRPC "
              "contracts; what is not set is left out of an answer. A command that is sent "
              "again with the same request_id, or X-Request-Id, gets its first answer."}}},
        {"servers", json::array{json::object{{"url", "/"}}}},
        {"security", json::array{json::object{{"bearer", json::array{}}}}},
        {"paths", std::move(paths_)},
        {"components",
         json::object{
             {"securitySchemes", json::object{{"bearer", json::object{{"type", "http"},
                                                                      {"scheme", "bearer"},
                                                                      {"bearerFormat", "JWT"}}}}},
             {"schemas", std::move(schemas_)}}},
    });
  }

 private:
  void AddRoute(const Route& route) {
    json::array parameters;
    for (const FieldDescriptor* field : route.PathFields()) {
      parameters.push_back(Parameter(field->name(), "path", true, ValueSchema(field, Use::kRequest),
                                     FieldWords(field, Use::kRequest)));
    }
    json::object operation{
        {"operationId", route.rpc->name()},
        {"tags", json::array{TagOf(route)}},
        {"summary", FirstSentence(WordsOf(route.rpc->full_name()))},
        {"description", DescriptionOf(route)},
    };
    if (route.is_command) {
      parameters.push_back(
          Parameter("X-Request-Id", "header", false,
                    {{"type", "string"}, {"pattern", absl::StrCat("^", kUuid, "$")}},
                    "Taken as request_id where the body has none"));
      if (route.rpc->input_type()->FindFieldByName("expected_version") != nullptr) {
        parameters.push_back(Parameter("If-Match", "header", false,
                                       {{"type", "string"}, {"pattern", "^\"[0-9]+\"$"}},
                                       "An ETag: taken as expected_version; another one is 412"));
      }
      operation["requestBody"] = json::object{
          {"required", true}, {"content", Content("application/json", BodySchema(route))}};
    } else {
      for (const QueryParameter& parameter : QueryParametersOf(route)) {
        parameters.push_back(Parameter(parameter.name, "query",
                                       RuleOf(parameter.field()).required(),
                                       ValueSchema(parameter.field(), Use::kRequest),
                                       FieldWords(parameter.field(), Use::kRequest)));
      }
    }
    operation["parameters"] = std::move(parameters);
    operation["responses"] = json::object{
        {"200",
         json::object{{"description", "Done"},
                      {"content", Content("application/json",
                                          Reference(route.rpc->output_type(), Use::kAnswer))}}},
        {"default",
         json::object{
             {"description", "Refused"},
             {"content", Content(kProblemJson, {{"$ref", absl::StrCat(kSchemas, "Problem")}})}}}};
    if (!paths_.contains(route.path)) paths_[route.path] = json::object();
    paths_[route.path].as_object()[route.method == "GET" ? "get" : "post"] = std::move(operation);
  }

  static std::string TagOf(const Route& route) {
    const std::string rest = route.path.substr(std::string_view(kApiPath).size());
    return rest.substr(0, rest.find('/'));
  }

  static std::string DescriptionOf(const Route& route) {
    return absl::StrCat(std::string(WordsOf(route.rpc->full_name())), "\n\nAs the rpc ",
                        route.rpc->full_name(),
                        ". Roles: ", absl::StrJoin(route.policy().roles(), ", "), ".");
  }

  static json::object Parameter(const std::string& name, const char* in, bool required,
                                json::object schema, std::string_view description) {
    return Described(
        {{"name", name}, {"in", in}, {"required", required}, {"schema", std::move(schema)}},
        description);
  }

  static json::object Content(const char* type, json::object schema) {
    return {{type, json::object{{"schema", std::move(schema)}}}};
  }

  // What the path and the headers may give instead is not required in the body.
  json::object BodySchema(const Route& route) {
    return Described(ObjectSchema(BodyFieldsOf(route), Use::kRequest, {"request_id"}),
                     WordsOf(route.rpc->input_type()->full_name()));
  }

  json::object Reference(const Descriptor* type, Use use) {
    const std::string name = NameOf(type, use);
    if (known_.insert(name).second) {
      std::vector<const FieldDescriptor*> fields;
      for (int i = 0; i < type->field_count(); ++i) fields.push_back(type->field(i));
      json::object schema = ObjectSchema(fields, use, {});
      schemas_[name] = Described(std::move(schema), WordsOf(type->full_name()));
    }
    return {{"$ref", absl::StrCat(kSchemas, name)}};
  }

  json::object ObjectSchema(const std::vector<const FieldDescriptor*>& fields, Use use,
                            const std::set<std::string>& optional) {
    json::object properties;
    json::array required;
    for (const FieldDescriptor* field : fields) {
      FETTLE_CHECK(!field->is_map(), "no contract has maps");
      properties[field->name()] = Described(FieldSchema(field, use), FieldWords(field, use));
      if (use == Use::kRequest && IsRequired(field) && !optional.contains(field->name())) {
        required.emplace_back(field->name());
      }
    }
    json::object schema{{"type", "object"}, {"properties", std::move(properties)}};
    if (!required.empty()) schema["required"] = std::move(required);
    if (use == Use::kRequest) {
      schema["additionalProperties"] = false;
      if (json::array choices = ChoicesOf(fields); !choices.empty()) {
        schema["allOf"] = std::move(choices);
      }
    }
    return schema;
  }

  // Of a oneof, no two at once.
  static json::array ChoicesOf(const std::vector<const FieldDescriptor*>& fields) {
    json::array choices;
    for (const FieldDescriptor* one : fields) {
      for (const FieldDescriptor* other : fields) {
        if (one->real_containing_oneof() == nullptr || one->number() >= other->number() ||
            one->real_containing_oneof() != other->real_containing_oneof()) {
          continue;
        }
        choices.push_back(json::object{
            {"not", json::object{{"required", json::array{one->name(), other->name()}}}}});
      }
    }
    return choices;
  }

  json::object FieldSchema(const FieldDescriptor* field, Use use) {
    if (!field->is_repeated()) return ValueSchema(field, use);
    json::object schema{{"type", "array"}, {"items", ValueSchema(field, use)}};
    if (use == Use::kRequest) {
      const FieldRule& rule = RuleOf(field);
      schema["maxItems"] = rule.max_items() > 0 ? rule.max_items() : rpc::kItemsMaxDefault;
      if (rule.required()) schema["minItems"] = 1;
    }
    return schema;
  }

  json::object ValueSchema(const FieldDescriptor* field, Use use) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return TextSchema(RuleOf(field), use, field->type() == FieldDescriptor::TYPE_BYTES);
      case FieldDescriptor::CPPTYPE_BOOL:
        return {{"type", "boolean"}};
      case FieldDescriptor::CPPTYPE_INT32:
      case FieldDescriptor::CPPTYPE_INT64:
        return NumberSchema(field, use);
      case FieldDescriptor::CPPTYPE_ENUM:
        return EnumSchema(field, use);
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
      default:
        FETTLE_CHECK(false, "no contract of the API has fields of this type");
    }
    if (field->message_type() == google::protobuf::Timestamp::descriptor()) {
      return {{"type", "string"}, {"format", "date-time"}};
    }
    if (field->message_type() != common::v1::SealedText::descriptor()) {
      return Reference(field->message_type(), use);
    }
    json::object words{
        {"type", "object"},
        {"properties", json::object{{"text", TextSchema(RuleOf(field), use, false)}}}};
    if (use == Use::kRequest) {
      words["additionalProperties"] = false;
      if (RuleOf(field).required()) words["required"] = json::array{"text"};
    }
    return words;
  }

  static json::object ProblemSchema() {
    const json::object text{{"type", "string"}};
    return {
        {"type", "object"},
        {"required", json::array{"type", "title", "status", "detail"}},
        {"properties",
         json::object{
             {"type", text},
             {"title", text},
             {"status", json::object{{"type", "integer"}}},
             {"detail", text},
             {"reason", json::object{{"type", "string"},
                                     {"description", "The name of the rule that refused"}}},
             {"metadata", json::object{{"type", "object"}, {"additionalProperties", text}}},
             {"errors",
              json::object{
                  {"type", "array"},
                  {"items", json::object{{"type", "object"},
                                         {"required", json::array{"field", "reason", "accepted"}},
                                         {"properties", json::object{{"field", text},
                                                                     {"reason", text},
                                                                     {"accepted", text}}}}}}}}}};
  }

  json::object paths_;
  json::object schemas_;
  std::set<std::string> known_;
};

}  // namespace

std::string OpenApiDocument(const Routes& routes) { return Document(routes).Text(); }

}  // namespace fettle::gateway
