#include "libs/rpc/validate.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
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
using google::protobuf::Descriptor;
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

// The fields of a type with their rules, looked up once: options are extensions, and those of a
// request's fields would be searched at each call.
struct Plan {
  struct Field {
    const FieldDescriptor* field;
    const FieldRule* rule;
    const Plan* inside;  // of a message's; null for private words
  };
  std::vector<Field> fields;
};

class Plans {
 public:
  const Plan& Of(const Descriptor* type) {
    {
      absl::ReaderMutexLock lock(&mutex_);
      if (const auto it = plans_.find(type); it != plans_.end()) return it->second;
    }
    absl::MutexLock lock(&mutex_);
    return Build(type);
  }

 private:
  // What is being built is there already, for a type that holds itself.
  const Plan& Build(const Descriptor* type) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto [it, is_new] = plans_.try_emplace(type);
    if (!is_new) return it->second;
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      const bool enters = field->message_type() != nullptr &&
                          field->message_type() != common::v1::SealedText::descriptor();
      it->second.fields.push_back({field, &field->options().GetExtension(common::v1::rule),
                                   enters ? &Build(field->message_type()) : nullptr});
    }
    return it->second;
  }

  absl::Mutex mutex_;
  // References into an unordered_map stay valid as it grows.
  std::unordered_map<const Descriptor*, Plan> plans_ ABSL_GUARDED_BY(mutex_);
};

// Where a value stands, from the request down; written out when there is something to say.
struct Path {
  const Path* above = nullptr;
  const FieldDescriptor* field = nullptr;
  int item = -1;

  std::string Text() const {
    std::string text = above == nullptr || above->field == nullptr ? "" : above->Text() + ".";
    text += field->name();
    return item < 0 ? text : absl::StrCat(text, "[", item, "]");
  }
};

class Validator {
 public:
  void Check(const Message& message, const Plan& plan, const Path& path) {
    const Reflection& reflection = *message.GetReflection();
    for (const Plan::Field& field : plan.fields) {
      if (field.field->is_repeated()) {
        CheckItems(message, reflection, field, {&path, field.field});
      } else {
        CheckOne(message, reflection, field, {&path, field.field});
      }
    }
  }

  absl::Status Result() const { return violations_.ToStatus(); }

 private:
  void CheckItems(const Message& message, const Reflection& reflection, const Plan::Field& of,
                  Path at) {
    const auto& [field, rule, inside] = of;
    const int count = reflection.FieldSize(message, field);
    const int max = rule->max_items() > 0 ? rule->max_items() : kItemsMaxDefault;
    if (count == 0) {
      if (rule->required()) violations_.Add(at.Text(), "FIELD_REQUIRED", "at least one");
      return;
    }
    if (count > max) {
      violations_.Add(at.Text(), "TOO_MANY_ITEMS", absl::StrCat("at most ", max));
      return;
    }
    for (at.item = 0; at.item < count; ++at.item) {
      switch (field->cpp_type()) {
        case FieldDescriptor::CPPTYPE_STRING: {
          std::string scratch;
          CheckText(reflection.GetRepeatedStringReference(message, field, at.item, &scratch), of,
                    at);
          break;
        }
        case FieldDescriptor::CPPTYPE_MESSAGE:
          CheckMessage(reflection.GetRepeatedMessage(message, field, at.item), of, at);
          break;
        case FieldDescriptor::CPPTYPE_ENUM:
          CheckEnum(reflection.GetRepeatedEnumValue(message, field, at.item), of, at);
          break;
        default:
          break;
      }
    }
  }

  void CheckOne(const Message& message, const Reflection& reflection, const Plan::Field& of,
                const Path& at) {
    const FieldDescriptor* field = of.field;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string scratch;
        CheckText(reflection.GetStringReference(message, field, &scratch), of, at);
        return;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (reflection.HasField(message, field)) {
          CheckMessage(reflection.GetMessage(message, field), of, at);
        } else if (of.rule->required()) {
          violations_.Add(at.Text(), "FIELD_REQUIRED", "a value");
        }
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        CheckEnum(reflection.GetEnumValue(message, field), of, at);
        return;
      case FieldDescriptor::CPPTYPE_INT64:
        CheckNumber(reflection.GetInt64(message, field), *of.rule, at);
        return;
      case FieldDescriptor::CPPTYPE_INT32:
        CheckNumber(reflection.GetInt32(message, field), *of.rule, at);
        return;
      default:
        return;
    }
  }

  void CheckText(const std::string& text, const Plan::Field& of, const Path& at) {
    const FieldRule& rule = *of.rule;
    if (text.empty()) {
      if (rule.required()) violations_.Add(at.Text(), "FIELD_REQUIRED", "a value");
      return;
    }
    const int max = rule.max_chars() > 0 ? rule.max_chars() : kTextCharsMaxDefault;
    const int length = of.field->type() == FieldDescriptor::TYPE_BYTES
                           ? static_cast<int>(text.size())
                           : Characters(text);
    if (length > max) {
      violations_.Add(at.Text(), "TEXT_TOO_LONG", absl::StrCat("at most ", max, " characters"));
      return;
    }
    if (rule.format() != common::v1::FORMAT_UNSPECIFIED) {
      const FormatCheck check = CheckFormat(rule.format(), text);
      if (!check.ok) violations_.Add(at.Text(), "FORMAT_INVALID", check.accepted);
    }
  }

  void CheckMessage(const Message& value, const Plan::Field& of, const Path& at) {
    if (of.inside != nullptr) return Check(value, *of.inside, at);
    const auto& words = static_cast<const common::v1::SealedText&>(value);
    if (!words.sealed().empty() || words.key_version() != 0) {
      violations_.Add(at.Text(), "FIELD_NOT_FOR_CALLERS", "text alone; the service seals it");
    } else if (words.text().empty()) {
      if (of.rule->required()) violations_.Add(at.Text(), "FIELD_REQUIRED", "text");
    } else {
      CheckText(words.text(), of, at);
    }
  }

  void CheckEnum(int number, const Plan::Field& of, const Path& at) {
    const google::protobuf::EnumDescriptor* type = of.field->enum_type();
    if (type->FindValueByNumber(number) == nullptr) {
      violations_.Add(at.Text(), "ENUM_VALUE_UNKNOWN", "a value of " + type->name());
    } else if (number == 0 && of.rule->required()) {
      violations_.Add(at.Text(), "FIELD_REQUIRED", "a value of " + type->name());
    }
  }

  void CheckNumber(int64_t value, const FieldRule& rule, const Path& at) {
    if (rule.min() == 0 && rule.max() == 0) return;
    if (value < rule.min() || value > rule.max()) {
      violations_.Add(at.Text(), "NUMBER_OUT_OF_RANGE",
                      absl::StrCat(rule.min(), " to ", rule.max()));
    }
  }

  base::FieldViolations violations_;
};

}  // namespace

absl::Status Validate(const Message& request) {
  static Plans& plans = *new Plans;
  Validator validator;
  validator.Check(request, plans.Of(request.GetDescriptor()), {});
  return validator.Result();
}

}  // namespace fettle::rpc
