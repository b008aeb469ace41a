#include "libs/base/text.h"

namespace fettle::base {

std::optional<CodePoint> FirstCodePoint(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return CodePoint{first, 1};
  const int bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < static_cast<size_t>(bytes)) {
    return std::nullopt;
  }
  char32_t value = first & (0xFF >> (bytes + 1));
  for (int i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return std::nullopt;
    value = value << 6 | (next & 0x3F);
  }
  const bool overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (overlong || surrogate || value > 0x10FFFF) return std::nullopt;
  return CodePoint{value, bytes};
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const std::optional<CodePoint> first = FirstCodePoint(text);
    if (!first) return false;
    text.remove_prefix(first->bytes);
  }
  return true;
}

int64_t CountCharacters(std::string_view text) {
  int64_t count = 0;
  for (; !text.empty(); ++count) {
    const std::optional<CodePoint> first = FirstCodePoint(text);
    text.remove_prefix(first ? first->bytes : 1);
  }
  return count;
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  if (IsUtf8(text)) return std::string(text);
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const std::optional<CodePoint> first = FirstCodePoint(text);
    const int bytes = first ? first->bytes : 1;
    valid += first ? text.substr(0, bytes) : "\uFFFD";
    text.remove_prefix(bytes);
  }
  return valid;
}

std::string_view TruncateUtf8(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  // A character has at most three continuation bytes.
  for (int i = 0; i < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80; ++i) {
    --end;
  }
  return text.substr(0, end);
}

}  // namespace fettle::base
