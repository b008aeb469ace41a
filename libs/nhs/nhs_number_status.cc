#include "libs/nhs/nhs_number_status.h"

namespace fettle::nhs {
namespace {

constexpr std::string_view kTexts[] = {
    "Number present and verified",
    "Number present but not traced",
    "Trace required",
    "Trace attempted - no match or multiple match found",
    "Trace needs to be resolved",
    "Trace in progress",
    "Number not present and trace not required",
    "Trace postponed (baby under six weeks old)",
};

// 1 to 8, or 0 when `code` is none.
int Number(std::string_view code) {
  if (code.size() != 2 || code[0] != '0' || code[1] < '1' || code[1] > '8') return 0;
  return code[1] - '0';
}

}  // namespace

bool IsNhsNumberStatus(std::string_view code) { return Number(code) != 0; }

bool AllowsNoNumber(std::string_view code) { return Number(code) >= 3; }

std::string_view NhsNumberStatusText(std::string_view code) {
  const int number = Number(code);
  return number == 0 ? std::string_view() : kTexts[number - 1];
}

}  // namespace fettle::nhs
