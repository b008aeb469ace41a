#include "libs/nhs/postcode.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace fettle::nhs {
namespace {

constexpr size_t kInwardCharacters = 3;

// The shapes of the outward part: A a letter, 9 a digit.
constexpr std::string_view kOutwardShapes[] = {"A9", "A9A", "A99", "AA9", "AA9A", "AA99"};

std::string ShapeOf(std::string_view text) {
  std::string shape;
  for (char c : text) shape += absl::ascii_isupper(c) ? 'A' : absl::ascii_isdigit(c) ? '9' : '?';
  return shape;
}

}  // namespace

std::optional<std::string> NormalisePostcode(std::string_view text) {
  std::string postcode;
  for (char c : text) {
    if (c == ' ') continue;
    if (postcode.size() == kPostcodeCharactersMax - 1) return std::nullopt;
    postcode += absl::ascii_toupper(c);
  }
  if (postcode.size() <= kInwardCharacters) return std::nullopt;
  postcode.insert(postcode.size() - kInwardCharacters, 1, ' ');
  const size_t gap = postcode.find(' ');
  const std::string outward = postcode.substr(0, gap);
  const std::string shape = ShapeOf(outward);
  const bool known = std::ranges::find(kOutwardShapes, shape) != std::end(kOutwardShapes);
  if ((!known && outward != "GIR") || ShapeOf(postcode.substr(gap + 1)) != "9AA") {
    return std::nullopt;
  }
  return postcode;
}

}  // namespace fettle::nhs
