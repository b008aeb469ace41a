// The door's check of a request's shape, from the `rule` options of its proto: the rules stand
// beside the fields.
#ifndef FETTLE_LIBS_RPC_VALIDATE_H_
#define FETTLE_LIBS_RPC_VALIDATE_H_

#include <google/protobuf/message.h>

#include "absl/status/status.h"

namespace fettle::rpc {

// Longest text and longest list where the proto gives no other limit.
inline constexpr int kTextCharsMaxDefault = 1'000;
inline constexpr int kItemsMaxDefault = 100;

// OK, or INVALID_ARGUMENT with a field violation for every rule broken (at most 20):
// FIELD_REQUIRED, TEXT_TOO_LONG, TOO_MANY_ITEMS, NUMBER_OUT_OF_RANGE, FORMAT_INVALID,
// ENUM_VALUE_UNKNOWN, FIELD_NOT_FOR_CALLERS (a SealedText that comes sealed). Values are never
// echoed. Lengths are counted in characters.
absl::Status Validate(const google::protobuf::Message& request);

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_VALIDATE_H_
