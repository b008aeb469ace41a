#include "libs/nhs/ods_code.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace fettle::nhs {

bool IsOdsCode(std::string_view code) {
  return code.size() >= kOdsCodeCharactersMin && code.size() <= kOdsCodeCharactersMax &&
         std::ranges::all_of(
             code, [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
}

std::optional<std::string> NormaliseOdsCode(std::string_view text) {
  std::string code(text);
  absl::AsciiStrToUpper(&code);
  if (!IsOdsCode(code)) return std::nullopt;
  return code;
}

}  // namespace fettle::nhs
