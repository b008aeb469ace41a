#include "libs/journal/private_half.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "fettle/common/v1/options.pb.h"
#include "libs/base/check.h"
#include "libs/base/field_walk.h"

namespace fettle::journal {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

bool IsPrivate(const FieldDescriptor* field) {
  if (!field->options().GetExtension(common::v1::private_)) return false;
  FETTLE_CHECK(field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ||
                   field->cpp_type() == FieldDescriptor::CPPTYPE_STRING,
               "private fields are messages, text or bytes");
  return true;
}

const base::FieldWalk& WalkOf(const Message& message) {
  static base::FieldWalks& walks = *new base::FieldWalks(&IsPrivate);
  return walks.Of(message.GetDescriptor());
}

int Count(const Message& message, const FieldDescriptor* field) {
  const Reflection& reflection = *message.GetReflection();
  if (field->is_repeated()) return reflection.FieldSize(message, field);
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return reflection.HasField(message, field) ? 1 : 0;
  }
  std::string scratch;
  return reflection.GetStringReference(message, field, &scratch).empty() ? 0 : 1;
}

void Take(Message& message, const base::FieldWalk& walk, CodedOutputStream& out, bool& any) {
  const Reflection& reflection = *message.GetReflection();
  for (const base::FieldWalk::Step& step : walk.steps) {
    const FieldDescriptor* field = step.field;
    const int count = Count(message, field);
    if (step.inside != nullptr) {
      for (int i = 0; i < count; ++i) {
        Take(field->is_repeated() ? *reflection.MutableRepeatedMessage(&message, field, i)
                                  : *reflection.MutableMessage(&message, field),
             *step.inside, out, any);
      }
      continue;
    }
    out.WriteVarint32(count);
    for (int i = 0; i < count; ++i) {
      any = true;
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        const Message& value = field->is_repeated()
                                   ? reflection.GetRepeatedMessage(message, field, i)
                                   : reflection.GetMessage(message, field);
        out.WriteVarint32(value.ByteSizeLong());
        value.SerializeToCodedStream(&out);
      } else {
        std::string scratch;
        const std::string& value =
            field->is_repeated()
                ? reflection.GetRepeatedStringReference(message, field, i, &scratch)
                : reflection.GetStringReference(message, field, &scratch);
        out.WriteVarint32(value.size());
        out.WriteString(value);
      }
    }
    reflection.ClearField(&message, field);
  }
}

bool Join(Message& message, const base::FieldWalk& walk, CodedInputStream& in) {
  const Reflection& reflection = *message.GetReflection();
  for (const base::FieldWalk::Step& step : walk.steps) {
    const FieldDescriptor* field = step.field;
    if (step.inside != nullptr) {
      const int count = Count(message, field);
      for (int i = 0; i < count; ++i) {
        if (!Join(field->is_repeated() ? *reflection.MutableRepeatedMessage(&message, field, i)
                                       : *reflection.MutableMessage(&message, field),
                  *step.inside, in)) {
          return false;
        }
      }
      continue;
    }
    uint32_t count = 0;
    if (!in.ReadVarint32(&count)) return false;
    if (!field->is_repeated() && count > 1) return false;
    for (uint32_t i = 0; i < count; ++i) {
      uint32_t size = 0;
      std::string value;
      if (!in.ReadVarint32(&size) || !in.ReadString(&value, static_cast<int>(size))) return false;
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        Message* target = field->is_repeated() ? reflection.AddMessage(&message, field)
                                               : reflection.MutableMessage(&message, field);
        if (!target->ParseFromString(value)) return false;
      } else if (field->is_repeated()) {
        reflection.AddString(&message, field, std::move(value));
      } else {
        reflection.SetString(&message, field, std::move(value));
      }
    }
  }
  return true;
}

}  // namespace

std::string TakePrivateHalf(Message& event) {
  std::string half;
  bool any = false;
  {
    google::protobuf::io::StringOutputStream stream(&half);
    CodedOutputStream out(&stream);
    Take(event, WalkOf(event), out, any);
  }
  if (!any) half.clear();
  return half;
}

absl::Status JoinPrivateHalf(Message& event, std::string_view private_half) {
  if (private_half.empty()) return absl::OkStatus();
  CodedInputStream in(reinterpret_cast<const uint8_t*>(private_half.data()),
                      static_cast<int>(private_half.size()));
  if (!Join(event, WalkOf(event), in) ||
      in.CurrentPosition() != static_cast<int>(private_half.size())) {
    return absl::DataLossError("the private half does not fit its event");
  }
  return absl::OkStatus();
}

}  // namespace fettle::journal
