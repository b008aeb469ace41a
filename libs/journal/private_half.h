// The private half of an event: the values of all fields with the option `private`, taken out of
// the message in descriptor order. What is left is published; the two together give the event back.
//
// Form: for every private field of every message that is present, in the order of field numbers,
// depth first (values of repeated messages in order; private values are not entered): a varint
// count (0 or 1 for a singular field), then each value as varint length and bytes (messages
// serialised, text and bytes as they are).
#ifndef FETTLE_LIBS_JOURNAL_PRIVATE_HALF_H_
#define FETTLE_LIBS_JOURNAL_PRIVATE_HALF_H_

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace fettle::journal {

// Clears the private fields of `event` and gives their values; empty when none of them was set.
std::string TakePrivateHalf(google::protobuf::Message& event);

// Puts the values back into the published form. DATA_LOSS when the bytes do not fit the message.
absl::Status JoinPrivateHalf(google::protobuf::Message& event, std::string_view private_half);

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_PRIVATE_HALF_H_
