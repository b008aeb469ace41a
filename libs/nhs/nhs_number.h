// The NHS number: 10 digits, the last a modulus 11 check digit (NHS Data Dictionary, NHS NUMBER).
#ifndef FETTLE_LIBS_NHS_NHS_NUMBER_H_
#define FETTLE_LIBS_NHS_NHS_NUMBER_H_

#include <optional>
#include <string>
#include <string_view>

namespace fettle::nhs {

inline constexpr int kNhsNumberDigits = 10;

// The 10 digits of `text` without ASCII spaces and hyphens; nothing when anything else is left
// (INV-1, INV-3). Says nothing about the check digit.
std::optional<std::string> NormaliseNhsNumber(std::string_view text);

// The functions below take 10 digits as NormaliseNhsNumber gives them, and are false for anything
// else.

// INV-1: the sum of weight (10 to 1) times digit is divisible by 11.
bool PassesCheckDigit(std::string_view number);
// The check digit is right and the digits are not ten times the same (INV-5).
bool IsValidNhsNumber(std::string_view number);
// In 999 000 0000 to 999 999 9999, which is never issued (INV-6).
bool IsTestNumber(std::string_view number);

// Whether an identifier of another system's may hold one in some spelling: it has ten digits or
// more. A UUID has as many by chance: it may only where it has nothing but digits.
bool MayHoldNhsNumber(std::string_view identifier);

// For people: `999 000 0018` (INV-3). Gives anything that is not 10 digits back as it is.
std::string FormatNhsNumber(std::string_view number);

}  // namespace fettle::nhs

#endif  // FETTLE_LIBS_NHS_NHS_NUMBER_H_
