// UUIDs as text. Ids of our own are UUIDv7 (RFC 9562, 5.7): time-ordered, so that index writes stay
// close together. A UUID is never a secret.
#ifndef FETTLE_LIBS_BASE_UUID_H_
#define FETTLE_LIBS_BASE_UUID_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace fettle::base {

// The 8-4-4-4-12 form, 36 characters, hex digits in either case. Any version and variant.
bool IsUuid(std::string_view text);

// The 16 bytes of a UUID; empty when `text` is not one.
std::string UuidToBytes(std::string_view text);

// The lower-case text of 16 bytes; empty for any other length. UuidFromBytes(UuidToBytes(x)) is the
// one spelling of x that may be compared or used as a key.
std::string UuidFromBytes(std::string_view bytes);

// 64 random bits, seeded by the operating system once per thread. Not for secrets: those come from
// libs/crypto.
uint64_t RandomSeed();

// A source of UUIDv7. A value: the same time and seed give the same sequence. The ids of one source
// ascend; ids of two sources of the same millisecond are in no order. Times before 1970 count as
// 1970. Not thread-safe.
class IdSource {
 public:
  IdSource(absl::Time time, uint64_t seed);

  std::string Next();

 private:
  uint64_t milliseconds_;
  uint64_t random_;
  // The 74 bits after the time, of which the highest starts as 0 so that counting up cannot run
  // over.
  uint64_t high_;  // 12 bits
  uint64_t low_;   // 62 bits
};

}  // namespace fettle::base

#endif  // FETTLE_LIBS_BASE_UUID_H_
