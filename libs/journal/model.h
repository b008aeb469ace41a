// A service's pure functions behind one type-erased table, so that the journal is compiled once.
#ifndef FETTLE_LIBS_JOURNAL_MODEL_H_
#define FETTLE_LIBS_JOURNAL_MODEL_H_

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "fettle/common/v1/types.pb.h"
#include "libs/base/decide.h"

namespace fettle::journal {

using google::protobuf::Message;

// Functions of the states and events of one service. All prototypes live as long as the process.
struct Model {
  std::string service;
  int64_t code_version = 0;
  const Message* event = nullptr;  // prototypes
  const Message* state = nullptr;
  void (*evolve)(Message& state, const Message& event) = nullptr;
  std::vector<base::Entry> (*index)(const Message& state) = nullptr;
  std::vector<base::Timer> (*timers)(const Message& state) = nullptr;
  std::vector<base::Entry> (*facts)(const Message& event) = nullptr;
  std::vector<std::string> (*subjects)(const Message& state) = nullptr;
  int64_t (*pence)(const Message& event) = nullptr;
};

// The table of a service's Rules (see services/<name>/domain/<name>_rules.h).
template <class Rules>
Model ModelOf() {
  using Event = typename Rules::Event;
  using State = typename Rules::State;
  return Model{
      .service = std::string(Rules::kService),
      .code_version = Rules::kCodeVersion,
      .event = &Event::default_instance(),
      .state = &State::default_instance(),
      .evolve =
          [](Message& state, const Message& event) {
            Rules::Evolve(static_cast<State&>(state), static_cast<const Event&>(event));
          },
      .index = [](const Message& state) { return Rules::Index(static_cast<const State&>(state)); },
      .timers =
          [](const Message& state) { return Rules::Timers(static_cast<const State&>(state)); },
      .facts = [](const Message& event) { return Rules::Facts(static_cast<const Event&>(event)); },
      .subjects =
          [](const Message& state) { return Rules::Subjects(static_cast<const State&>(state)); },
      .pence = [](const Message& event) { return Rules::Pence(static_cast<const Event&>(event)); },
  };
}

// The table of a service that decides nothing: its journal holds access records and small rows.
Model AccessOnlyModel(std::string service);

// The header of an event or access record: its field 1.
common::v1::EventHeader& MutableHeader(Message& event);
const common::v1::EventHeader& HeaderOf(const Message& event);
// Name of the oneof case that is set (`ReferralSubmitted`) and whether old readers may pass over
// it.
struct EventType {
  std::string name;
  bool reader_may_ignore = false;
};
EventType TypeOf(const Message& event);
// The stream's journey: the field `correlation_id` of the state, or of the case of its oneof
// `kind`; empty when it has none.
std::string CorrelationOf(const Message& state);

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_MODEL_H_
