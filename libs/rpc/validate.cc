#include "libs/rpc/validate.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "fettle/common/v1/options.pb.h"
#include "fettle/common/v1/types.pb.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/base/uuid.h"
#include "libs/nhs/ods_code.h"
#include "libs/nhs/snomed.h"

namespace fettle::rpc {
namespace {

using common::v1::FieldRule;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

int Characters(const std::string& utf8) {
  return static_cast<int>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool IsCode(const std::string& text) {
  return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

// What the format accepts, and whether the text is it.
struct FormatCheck {
  bool ok;
  const char* accepted;
};

FormatCheck CheckFormat(common::v1::Format format, const std::string& text) {
  switch (format) {
    case common::v1::FORMAT_UUID:
      // Ids are compared as text, so there is one way to write each.
      return {base::IsUuid(text) && std::none_of(text.begin(), text.end(),
                                                 [](char c) { return c >= 'A' && c <= 'F'; }),
              "a UUID of 36 characters, in lower case"};
    case common::v1::FORMAT_DATE:
      return {base::IsDate(text), "a date YYYY-MM-DD"};
    case common::v1::FORMAT_ODS_CODE:
      return {nhs::IsOdsCode(text), "an ODS code of 3 to 8 capital letters and digits"};
    case common::v1::FORMAT_SNOMED_CONCEPT:
      return {nhs::IsConceptId(text), "a SNOMED CT concept id with its check digit"};
    case common::v1::FORMAT_CODE:
      return {IsCode(text), "a code of at most 64 capital letters, digits, hyphens, underscores"};
    default:
      return {true, ""};
  }
}

class Validator {
 public:
  void Check(const Message& message, const std::string& path) {
    const Reflection& reflection = *message.GetReflection();
    const google::protobuf::Descriptor& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor* field = type.field(i);
      const FieldRule& rule = field->options().GetExtension(common::v1::rule);
      if (field->is_repeated()) {
        CheckItems(message, reflection, field, rule, path);
      } else {
        CheckOne(message, reflection, field, rule, path);
      }
    }
  }

  absl::Status Result() const { return violations_.ToStatus(); }

 private:
  static std::string Join(const std::string& path, const FieldDescriptor* field) {
    return path.empty() ? field->name() : absl::StrCat(path, ".", field->name());
  }

  void CheckItems(const Message& message, const Reflection& reflection,
                  const FieldDescriptor* field, const FieldRule& rule, const std::string& path) {
    const int count = reflection.FieldSize(message, field);
    const int max = rule.max_items() > 0 ? rule.max_items() : kItemsMaxDefault;
    if (count == 0) {
      if (rule.required()) violations_.Add(Join(path, field), "FIELD_REQUIRED", "at least one");
      return;
    }
    if (count > max) {
      violations_.Add(Join(path, field), "TOO_MANY_ITEMS", absl::StrCat("at most ", max));
      return;
    }
    for (int i = 0; i < count; ++i) {
      const std::string at = absl::StrCat(Join(path, field), "[", i, "]");
      switch (field->cpp_type()) {
        case FieldDescriptor::CPPTYPE_STRING:
          CheckText(reflection.GetRepeatedString(message, field, i), field, rule, at);
          break;
        case FieldDescriptor::CPPTYPE_MESSAGE:
          CheckMessage(reflection.GetRepeatedMessage(message, field, i), rule, at);
          break;
        case FieldDescriptor::CPPTYPE_ENUM:
          CheckEnum(reflection.GetRepeatedEnumValue(message, field, i), field, rule, at);
          break;
        default:
          break;
      }
    }
  }

  void CheckOne(const Message& message, const Reflection& reflection, const FieldDescriptor* field,
                const FieldRule& rule, const std::string& path) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string scratch;
        CheckText(reflection.GetStringReference(message, field, &scratch), field, rule, path, true);
        return;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (reflection.HasField(message, field)) {
          CheckMessage(reflection.GetMessage(message, field), rule, Join(path, field));
        } else if (rule.required()) {
          violations_.Add(Join(path, field), "FIELD_REQUIRED", "a value");
        }
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        CheckEnum(reflection.GetEnumValue(message, field), field, rule, Join(path, field));
        return;
      case FieldDescriptor::CPPTYPE_INT64:
        CheckNumber(reflection.GetInt64(message, field), field, rule, path);
        return;
      case FieldDescriptor::CPPTYPE_INT32:
        CheckNumber(reflection.GetInt32(message, field), field, rule, path);
        return;
      default:
        return;
    }
  }

  void CheckText(const std::string& text, const FieldDescriptor* field, const FieldRule& rule,
                 const std::string& path, bool join = false) {
    auto at = [&] { return join ? Join(path, field) : path; };
    if (text.empty()) {
      if (rule.required()) violations_.Add(at(), "FIELD_REQUIRED", "a value");
      return;
    }
    const int max = rule.max_chars() > 0 ? rule.max_chars() : kTextCharsMaxDefault;
    const int length = field->type() == FieldDescriptor::TYPE_BYTES ? static_cast<int>(text.size())
                                                                    : Characters(text);
    if (length > max) {
      violations_.Add(at(), "TEXT_TOO_LONG", absl::StrCat("at most ", max, " characters"));
      return;
    }
    if (rule.format() != common::v1::FORMAT_UNSPECIFIED) {
      const FormatCheck check = CheckFormat(rule.format(), text);
      if (!check.ok) violations_.Add(at(), "FORMAT_INVALID", check.accepted);
    }
  }

  void CheckMessage(const Message& value, const FieldRule& rule, const std::string& at) {
    if (value.GetDescriptor() != common::v1::SealedText::descriptor()) return Check(value, at);
    const auto& words = static_cast<const common::v1::SealedText&>(value);
    if (!words.sealed().empty() || words.key_version() != 0) {
      violations_.Add(at, "FIELD_NOT_FOR_CALLERS", "text alone; the service seals it");
    } else if (words.text().empty()) {
      if (rule.required()) violations_.Add(at, "FIELD_REQUIRED", "text");
    } else {
      CheckText(words.text(), common::v1::SealedText::descriptor()->FindFieldByNumber(1), rule, at);
    }
  }

  void CheckEnum(int number, const FieldDescriptor* field, const FieldRule& rule,
                 const std::string& at) {
    if (field->enum_type()->FindValueByNumber(number) == nullptr) {
      violations_.Add(at, "ENUM_VALUE_UNKNOWN", "a value of " + field->enum_type()->name());
    } else if (number == 0 && rule.required()) {
      violations_.Add(at, "FIELD_REQUIRED", "a value of " + field->enum_type()->name());
    }
  }

  void CheckNumber(int64_t value, const FieldDescriptor* field, const FieldRule& rule,
                   const std::string& path) {
    if (rule.min() == 0 && rule.max() == 0) return;
    if (value < rule.min() || value > rule.max()) {
      violations_.Add(Join(path, field), "NUMBER_OUT_OF_RANGE",
                      absl::StrCat(rule.min(), " to ", rule.max()));
    }
  }

  base::FieldViolations violations_;
};

}  // namespace

absl::Status Validate(const Message& request) {
  Validator validator;
  validator.Check(request, "");
  return validator.Result();
}

}  // namespace fettle::rpc
