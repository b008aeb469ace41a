#include "libs/base/uuid.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/random/random.h"

namespace fettle::base {
namespace {

constexpr size_t kTextSize = 36;
constexpr size_t kByteSize = 16;
constexpr uint64_t kTimeBits = 48;
constexpr uint64_t kHighBits = 12;
constexpr uint64_t kLowBits = 62;

bool IsHyphenPlace(size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

// The values of hex digits by character, -1 for others: ids are packed several times for each
// command.
constexpr std::array<int8_t, 256> kHexValues = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (int i = 0; i < 10; ++i) values['0' + i] = static_cast<int8_t>(i);
  for (int i = 0; i < 6; ++i) values['a' + i] = values['A' + i] = static_cast<int8_t>(10 + i);
  return values;
}();

int HexValue(char c) { return kHexValues[static_cast<unsigned char>(c)]; }

// Where each of the 16 bytes begins in the text.
constexpr std::array<uint8_t, kByteSize> kBytePlaces = {0,  2,  4,  6,  9,  11, 14, 16,
                                                        19, 21, 24, 26, 28, 30, 32, 34};

// SplitMix64: one addition and a mix, enough to spread a seed; not for secrets.
uint64_t NextRandom(uint64_t& state) {
  uint64_t z = (state += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

}  // namespace

bool IsUuid(std::string_view text) {
  if (text.size() != kTextSize) return false;
  for (size_t i = 0; i < kTextSize; ++i) {
    if (IsHyphenPlace(i) ? text[i] != '-' : HexValue(text[i]) < 0) return false;
  }
  return true;
}

std::string UuidToBytes(std::string_view text) {
  if (text.size() != kTextSize) return {};
  std::string bytes(kByteSize, '\0');
  int bad = (text[8] ^ '-') | (text[13] ^ '-') | (text[18] ^ '-') | (text[23] ^ '-');
  for (size_t i = 0; i < kByteSize; ++i) {
    const int high = HexValue(text[kBytePlaces[i]]);
    const int low = HexValue(text[kBytePlaces[i] + 1]);
    bad |= (high | low) < 0;
    bytes[i] = static_cast<char>(high << 4 | low);
  }
  if (bad != 0) return {};
  return bytes;
}

std::string UuidFromBytes(std::string_view bytes) {
  if (bytes.size() != kByteSize) return {};
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(kTextSize, '-');
  size_t at = 0;
  for (unsigned char byte : bytes) {
    if (IsHyphenPlace(at)) ++at;
    text[at++] = kDigits[byte >> 4];
    text[at++] = kDigits[byte & 15];
  }
  return text;
}

uint64_t RandomSeed() {
  static thread_local absl::BitGen generator;
  return absl::Uniform<uint64_t>(generator);
}

IdSource::IdSource(absl::Time time, uint64_t seed)
    : milliseconds_(static_cast<uint64_t>(
          std::clamp<int64_t>(absl::ToUnixMillis(time), 0, (int64_t{1} << kTimeBits) - 1))),
      random_(seed),
      high_(NextRandom(random_) >> (64 - kHighBits + 1)),
      low_(NextRandom(random_) >> (64 - kLowBits)) {}

std::string IdSource::Next() {
  // A random step keeps neighbours from being guessed by accident and two sources that met from
  // staying together.
  low_ += (NextRandom(random_) >> 32) + 1;
  high_ += low_ >> kLowBits;
  low_ &= (uint64_t{1} << kLowBits) - 1;

  const uint64_t first = milliseconds_ << 16 | uint64_t{7} << kHighBits | high_;
  const uint64_t second = uint64_t{2} << kLowBits | low_;
  char bytes[kByteSize];
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(first >> (56 - 8 * i));
    bytes[8 + i] = static_cast<char>(second >> (56 - 8 * i));
  }
  return UuidFromBytes({bytes, kByteSize});
}

}  // namespace fettle::base
