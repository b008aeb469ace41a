// Joining text, and UTF-8 text of unknown origin.
#ifndef FETTLE_LIBS_BASE_TEXT_H_
#define FETTLE_LIBS_BASE_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace fettle::base {

// Debian builds abseil with its own string_view, which does not convert from the standard one.
inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

// absl::StrCat that also takes std::string_view.
template <class... Parts>
std::string Concat(const Parts&... parts) {
  const auto part = []<class T>(const T& value) -> decltype(auto) {
    if constexpr (std::is_same_v<T, std::string_view>) {
      return ToAbsl(value);
    } else {
      return (value);
    }
  };
  return absl::StrCat(part(parts)...);
}

// The code point at the start of `text` and its length in bytes. Nothing when `text` is empty or
// does not start with well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF).
struct CodePoint {
  char32_t value;
  int bytes;
};
std::optional<CodePoint> FirstCodePoint(std::string_view text);

bool IsUtf8(std::string_view text);
// Characters, that is code points, not bytes (INV-23). An ill-formed byte counts as one.
int64_t CountCharacters(std::string_view text);
// `text` with each ill-formed byte replaced by U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view text);
// The longest beginning of at most `bytes_max` bytes that does not cut a character in two.
std::string_view TruncateUtf8(std::string_view text, size_t bytes_max);

}  // namespace fettle::base

#endif  // FETTLE_LIBS_BASE_TEXT_H_
