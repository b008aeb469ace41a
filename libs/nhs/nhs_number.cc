#include "libs/nhs/nhs_number.h"

#include <algorithm>

#include "libs/base/uuid.h"

namespace fettle::nhs {
namespace {

constexpr int kUuidDigits = 32;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsTenDigits(std::string_view number) {
  return number.size() == kNhsNumberDigits && std::ranges::all_of(number, IsDigit);
}

}  // namespace

std::optional<std::string> NormaliseNhsNumber(std::string_view text) {
  std::string number;
  for (char c : text) {
    if (c == ' ' || c == '-') continue;
    if (!IsDigit(c) || number.size() == kNhsNumberDigits) return std::nullopt;
    number.push_back(c);
  }
  if (number.size() != kNhsNumberDigits) return std::nullopt;
  return number;
}

bool PassesCheckDigit(std::string_view number) {
  if (!IsTenDigits(number)) return false;
  int sum = 0;
  for (int i = 0; i < kNhsNumberDigits; ++i) sum += (kNhsNumberDigits - i) * (number[i] - '0');
  return sum % 11 == 0;
}

bool IsValidNhsNumber(std::string_view number) {
  return PassesCheckDigit(number) &&
         number.find_first_not_of(number.front()) != std::string_view::npos;
}

bool IsTestNumber(std::string_view number) {
  return IsTenDigits(number) && number.starts_with("999");
}

bool MayHoldNhsNumber(std::string_view identifier) {
  const auto digits = std::ranges::count_if(identifier, IsDigit);
  return digits >= (base::IsUuid(identifier) ? kUuidDigits : kNhsNumberDigits);
}

std::string FormatNhsNumber(std::string_view number) {
  if (!IsTenDigits(number)) return std::string(number);
  std::string text(number);
  text.insert(6, 1, ' ');
  text.insert(3, 1, ' ');
  return text;
}

}  // namespace fettle::nhs
