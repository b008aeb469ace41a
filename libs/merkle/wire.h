#ifndef FETTLE_LIBS_MERKLE_WIRE_H_
#define FETTLE_LIBS_MERKLE_WIRE_H_

#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

// Numbers in the formats of this folder: big-endian, as in C2SP and RFC 6962.
namespace fettle::merkle {

template <std::unsigned_integral Number>
void AppendBigEndian(Number number, std::string& bytes) {
  for (size_t i = sizeof(Number); i > 0; --i) {
    bytes.push_back(static_cast<char>(number >> (8 * (i - 1))));
  }
}

// Takes the number off the front; nothing when there are too few bytes.
template <std::unsigned_integral Number>
std::optional<Number> TakeBigEndian(std::string_view& bytes) {
  if (bytes.size() < sizeof(Number)) return std::nullopt;
  Number number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    number = static_cast<Number>(number << 8 | static_cast<unsigned char>(bytes[i]));
  }
  bytes.remove_prefix(sizeof(Number));
  return number;
}

}  // namespace fettle::merkle

#endif  // FETTLE_LIBS_MERKLE_WIRE_H_
