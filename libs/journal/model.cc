#include "libs/journal/model.h"

#include <google/protobuf/descriptor.h>

#include "fettle/common/v1/options.pb.h"
#include "fettle/journal/v1/access_events.pb.h"
#include "libs/base/check.h"

namespace fettle::journal {
namespace {

using google::protobuf::FieldDescriptor;

const FieldDescriptor* HeaderField(const Message& event) {
  const FieldDescriptor* field = event.GetDescriptor()->FindFieldByNumber(1);
  FETTLE_CHECK(field != nullptr && field->message_type() == common::v1::EventHeader::descriptor(),
               "field 1 of an event is its header");
  return field;
}

}  // namespace

Model AccessOnlyModel(std::string service) {
  return Model{
      .service = std::move(service),
      .code_version = 1,
      .event = &v1::AccessEvent::default_instance(),
      .state = &v1::AccessEvent::default_instance(),
      .evolve = [](Message&, const Message&) {},
      .index = [](const Message&) { return std::vector<base::Entry>(); },
      .timers = [](const Message&) { return std::vector<base::Timer>(); },
      .facts = [](const Message&) { return std::vector<base::Entry>(); },
      .subjects = [](const Message&) { return std::vector<std::string>(); },
      .pence = [](const Message&) -> int64_t { return 0; },
  };
}

common::v1::EventHeader& MutableHeader(Message& event) {
  return static_cast<common::v1::EventHeader&>(
      *event.GetReflection()->MutableMessage(&event, HeaderField(event)));
}

const common::v1::EventHeader& HeaderOf(const Message& event) {
  return static_cast<const common::v1::EventHeader&>(
      event.GetReflection()->GetMessage(event, HeaderField(event)));
}

EventType TypeOf(const Message& event) {
  const google::protobuf::OneofDescriptor* oneof = event.GetDescriptor()->FindOneofByName("event");
  FETTLE_CHECK(oneof != nullptr, "an event has a oneof named event");
  const FieldDescriptor* field = event.GetReflection()->GetOneofFieldDescriptor(event, oneof);
  FETTLE_CHECK(field != nullptr, "an event without content");
  return {field->message_type()->name(),
          field->options().GetExtension(common::v1::reader_may_ignore)};
}

std::string CorrelationOf(const Message& state) {
  const google::protobuf::Reflection& reflection = *state.GetReflection();
  if (const google::protobuf::OneofDescriptor* kind =
          state.GetDescriptor()->FindOneofByName("kind")) {
    const FieldDescriptor* set = reflection.GetOneofFieldDescriptor(state, kind);
    return set == nullptr ? "" : CorrelationOf(reflection.GetMessage(state, set));
  }
  const FieldDescriptor* field = state.GetDescriptor()->FindFieldByName("correlation_id");
  if (field == nullptr || field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) return "";
  return reflection.GetString(state, field);
}

}  // namespace fettle::journal
