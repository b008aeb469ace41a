#include "services/gateway/api/request.h"

#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "fettle/common/v1/types.pb.h"
#include "libs/base/check.h"
#include "libs/base/text.h"
#include "services/gateway/fhir/json.h"
#include "services/gateway/fields.h"

namespace fettle::gateway {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::Timestamp;
using google::protobuf::util::TimeUtil;

constexpr char kFieldUnknown[] = "FIELD_UNKNOWN";
constexpr char kTypeNotValid[] = "FIELD_TYPE_NOT_VALID";
constexpr char kParameterNotValid[] = "PARAMETER_NOT_VALID";

std::string Names(const std::vector<const FieldDescriptor*>& fields) {
  return absl::StrJoin(fields, ", ", [](std::string* out, const FieldDescriptor* field) {
    absl::StrAppend(out, field->name());
  });
}

// Of SealedText a caller gives the words alone.
std::vector<const FieldDescriptor*> FieldsOf(const Descriptor* type) {
  if (type == common::v1::SealedText::descriptor()) return {type->FindFieldByName("text")};
  std::vector<const FieldDescriptor*> fields;
  for (int i = 0; i < type->field_count(); ++i) fields.push_back(type->field(i));
  return fields;
}

std::string NumberAccepted(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_INT32 ? "a whole number of 32 bits"
                                                             : "a whole number of 64 bits";
}

// What a value of the field looks like in JSON.
std::string Accepted(const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return field->type() == FieldDescriptor::TYPE_BYTES ? "a text in base64" : "a text";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      return NumberAccepted(field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat("the name of a value of ", field->enum_type()->name());
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return field->message_type() == Timestamp::descriptor() ? "an instant of RFC 3339"
                                                              : "an object";
    default:
      FETTLE_CHECK(false, "requests have no fields of this type");
  }
}

std::optional<int64_t> WholeNumber(const json::value& value) {
  if (const int64_t* number = value.if_int64()) return *number;
  // Larger than any.
  if (value.is_uint64()) return std::nullopt;
  int64_t number = 0;
  if (const json::string* text = value.if_string();
      text != nullptr && absl::SimpleAtoi(absl::string_view(text->data(), text->size()), &number)) {
    return number;
  }
  return std::nullopt;
}

class BodyReader {
 public:
  void Read(const json::object& object, const std::vector<const FieldDescriptor*>& fields,
            const std::string& path, Message& message) {
    for (const auto& [key, value] : object) {
      const std::string_view name(key.data(), key.size());
      const auto field = std::ranges::find(
          fields, name, [](const FieldDescriptor* f) { return std::string_view(f->name()); });
      if (field == fields.end()) {
        violations_.Add(path.empty() ? "body" : path, kFieldUnknown, Names(fields));
      } else {
        ReadField(value, *field, path.empty() ? (*field)->name() : path + "." + (*field)->name(),
                  message);
      }
    }
  }

  void Wrong(const std::string& path, std::string_view accepted) {
    violations_.Add(path, kTypeNotValid, accepted);
  }

  absl::Status status() const { return violations_.ToStatus(); }

 private:
  void ReadField(const json::value& value, const FieldDescriptor* field, const std::string& path,
                 Message& message) {
    if (const auto* choice = field->real_containing_oneof();
        choice != nullptr && message.GetReflection()->HasOneof(message, choice)) {
      return Wrong(path, absl::StrCat("one field of ", choice->name(), " alone"));
    }
    if (!field->is_repeated()) {
      if (!Put(value, field, path, message)) Wrong(path, Accepted(field));
      return;
    }
    const json::array* items = value.if_array();
    if (items == nullptr) return Wrong(path, "a list");
    for (size_t i = 0; i < items->size(); ++i) {
      const std::string at = absl::StrCat(path, "[", i, "]");
      if (!Put((*items)[i], field, at, message)) Wrong(at, Accepted(field));
    }
  }

  // Sets the field, or adds to it. False when the value is of another type.
  bool Put(const json::value& value, const FieldDescriptor* field, const std::string& path,
           Message& message) {
    const Reflection& reflection = *message.GetReflection();
    const bool many = field->is_repeated();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: {
        const json::string* given = value.if_string();
        if (given == nullptr) return false;
        std::string text(given->data(), given->size());
        if (field->type() == FieldDescriptor::TYPE_BYTES &&
            !absl::Base64Unescape(absl::string_view(given->data(), given->size()), &text)) {
          return false;
        }
        many ? reflection.AddString(&message, field, std::move(text))
             : reflection.SetString(&message, field, std::move(text));
        return true;
      }
      case FieldDescriptor::CPPTYPE_BOOL:
        if (!value.is_bool()) return false;
        many ? reflection.AddBool(&message, field, value.get_bool())
             : reflection.SetBool(&message, field, value.get_bool());
        return true;
      case FieldDescriptor::CPPTYPE_INT32:
      case FieldDescriptor::CPPTYPE_INT64:
        return PutNumber(WholeNumber(value), field, message);
      case FieldDescriptor::CPPTYPE_ENUM: {
        const json::string* name = value.if_string();
        const auto* known = name == nullptr
                                ? nullptr
                                : field->enum_type()->FindValueByName({name->data(), name->size()});
        if (known == nullptr) return false;
        many ? reflection.AddEnum(&message, field, known)
             : reflection.SetEnum(&message, field, known);
        return true;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return PutMessage(value, field, path, message);
      default:
        FETTLE_CHECK(false, "requests have no fields of this type");
    }
  }

  static bool PutNumber(std::optional<int64_t> number, const FieldDescriptor* field,
                        Message& message) {
    const Reflection& reflection = *message.GetReflection();
    const bool many = field->is_repeated();
    if (!number) return false;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
      many ? reflection.AddInt64(&message, field, *number)
           : reflection.SetInt64(&message, field, *number);
      return true;
    }
    using Limits = std::numeric_limits<int32_t>;
    if (*number < Limits::min() || *number > Limits::max()) return false;
    const auto small = static_cast<int32_t>(*number);
    many ? reflection.AddInt32(&message, field, small)
         : reflection.SetInt32(&message, field, small);
    return true;
  }

  bool PutMessage(const json::value& value, const FieldDescriptor* field, const std::string& path,
                  Message& message) {
    const Reflection& reflection = *message.GetReflection();
    Message& inner = field->is_repeated() ? *reflection.AddMessage(&message, field)
                                          : *reflection.MutableMessage(&message, field);
    if (field->message_type() == Timestamp::descriptor()) {
      const json::string* text = value.if_string();
      return text != nullptr &&
             TimeUtil::FromString({text->data(), text->size()}, &static_cast<Timestamp&>(inner));
    }
    const json::object* object = value.if_object();
    if (object == nullptr) return false;
    Read(*object, FieldsOf(field->message_type()), path, inner);
    return true;
  }

  base::FieldViolations violations_;
};

bool IsSimple(const FieldDescriptor* field) {
  return !field->is_repeated() && field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
}

// A parameter's text as the JSON value of its field.
json::value ValueOf(const FieldDescriptor* field, const std::string& text) {
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
    if (text == "true") return true;
    if (text == "false") return false;
  }
  return json::string(text);
}

}  // namespace

std::vector<QueryParameter> QueryParametersOf(const Route& route) {
  const auto in_path = route.PathFields();
  std::vector<QueryParameter> parameters;
  for (const FieldDescriptor* field : FieldsOf(route.rpc->input_type())) {
    if (std::ranges::find(in_path, field) != in_path.end()) continue;
    if (IsSimple(field)) {
      parameters.push_back({field->name(), {field}});
    } else if (!field->is_repeated()) {
      for (const FieldDescriptor* inner : FieldsOf(field->message_type())) {
        if (IsSimple(inner)) parameters.push_back({inner->name(), {field, inner}});
      }
    }
  }
  return parameters;
}

std::vector<const FieldDescriptor*> BodyFieldsOf(const Route& route) {
  const auto in_path = route.PathFields();
  std::vector<const FieldDescriptor*> fields = FieldsOf(route.rpc->input_type());
  std::erase_if(fields, [&](const FieldDescriptor* field) {
    return std::ranges::find(in_path, field) != in_path.end();
  });
  return fields;
}

absl::Status FillFromPath(const std::map<std::string, std::string>& values, Message& request) {
  for (const auto& [name, value] : values) {
    if (!base::IsUtf8(value)) return base::InvalidField(name, kParameterNotValid, "a text");
    request.GetReflection()->SetString(&request, request.GetDescriptor()->FindFieldByName(name),
                                       value);
  }
  return absl::OkStatus();
}

absl::Status FillFromQuery(const Route& route, std::string_view query, Message& request) {
  const std::vector<QueryParameter> parameters = QueryParametersOf(route);
  std::map<std::string, const QueryParameter*> open;
  for (const QueryParameter& parameter : parameters) open[parameter.name] = &parameter;
  BodyReader reader;
  for (const auto pair : absl::StrSplit(base::ToAbsl(query), '&', absl::SkipEmpty())) {
    const std::string name(pair.substr(0, pair.find('=')));
    const auto parameter = open.find(name);
    if (parameter == open.end()) {
      const std::string names = absl::StrJoin(
          parameters, ", ",
          [](std::string* out, const QueryParameter& taken) { absl::StrAppend(out, taken.name); });
      return base::InvalidField(
          "query", kParameterNotValid,
          names.empty() ? "no parameters" : absl::StrCat("each at most once: ", names));
    }
    const std::string text = FormField(query, name);
    const FieldDescriptor* field = parameter->second->field();
    if (!base::IsUtf8(text)) return base::InvalidField(name, kParameterNotValid, "a text");
    Message* holder = &request;
    for (const FieldDescriptor* step : parameter->second->way) {
      if (step != field) holder = holder->GetReflection()->MutableMessage(holder, step);
    }
    json::object one;
    one[name] = ValueOf(field, text);
    reader.Read(one, {field}, "", *holder);
    open.erase(parameter);
  }
  return reader.status();
}

absl::Status FillFromBody(const Route& route, std::string_view body, Message& request) {
  // Nothing is an object without members.
  if (body.empty()) return absl::OkStatus();
  FETTLE_ASSIGN_OR_RETURN(const json::value value, ParseJson(body));
  BodyReader reader;
  if (const json::object* object = value.if_object()) {
    reader.Read(*object, BodyFieldsOf(route), "", request);
  } else {
    reader.Wrong("body", "an object");
  }
  return reader.status();
}

}  // namespace fettle::gateway
