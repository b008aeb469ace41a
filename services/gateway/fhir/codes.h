// The codes of the standards beside the values of ours that they stand for: read and written by the
// same table. Of several codes for one value the first is written.
#ifndef FETTLE_SERVICES_GATEWAY_FHIR_CODES_H_
#define FETTLE_SERVICES_GATEWAY_FHIR_CODES_H_

#include <algorithm>
#include <iterator>
#include <string_view>

#include "fettle/referral/v1/referral_types.pb.h"

namespace fettle::gateway {

template <class Value>
struct CodeRow {
  std::string_view code;
  Value value;
};

// FHIR administrative gender: the person's gender as the NHS Data Dictionary codes it.
inline constexpr CodeRow<std::string_view> kGenders[] = {
    {"male", "1"}, {"female", "2"}, {"other", "9"}, {"unknown", "X"}};

// UK Core NHSNumberVerificationStatus, by word and by number; both occur.
inline constexpr CodeRow<int> kNumberStatuses[] = {
    {"number-present-and-verified", 1},
    {"01", 1},
    {"number-present-but-not-traced", 2},
    {"02", 2},
    {"trace-required", 3},
    {"03", 3},
    {"trace-attempted-no-match-or-multiple-match-found", 4},
    {"04", 4},
    {"trace-needs-to-be-resolved", 5},
    {"05", 5},
    {"trace-in-progress", 6},
    {"06", 6},
    {"number-not-present-and-trace-not-required", 7},
    {"07", 7},
    {"trace-postponed", 8},
    {"08", 8},
};

inline constexpr CodeRow<referral::v1::Priority> kPriorities[] = {
    {"routine", referral::v1::PRIORITY_ROUTINE},
    {"urgent", referral::v1::PRIORITY_URGENT},
    {"asap", referral::v1::PRIORITY_URGENT},
    {"stat", referral::v1::PRIORITY_URGENT},
};

// Flags that speak of a risk: those of BaRS (flag-categories-bars), and ours where it has none.
inline constexpr CodeRow<referral::v1::RiskKind> kRisks[] = {
    {"SG", referral::v1::RISK_KIND_FROM_OTHERS},
    {"SS", referral::v1::RISK_KIND_ENVIRONMENT},
    {"IR", referral::v1::RISK_KIND_TO_OTHERS},
    {"none-known", referral::v1::RISK_KIND_NONE_KNOWN},
    {"to-self", referral::v1::RISK_KIND_TO_SELF},
    {"other", referral::v1::RISK_KIND_OTHER},
};
// Category and code of flags that say that there is nothing to be careful of: the scene is safe, or
// nothing is known of it; no safeguarding issues identified.
inline constexpr std::pair<std::string_view, std::string_view> kNoRisks[] = {
    {"SS", "S"}, {"SS", "UNK"}, {"SG", "861931000000100"}};
// A flag that says how others must act for the person.
inline constexpr std::string_view kReasonableAdjustmentFlag = "RA";
// Of a Condition: the chief complaint.
inline constexpr std::string_view kChiefComplaint = "33962009";

// Null for a code, and for a value, that no row has.
template <class Value, size_t kSize>
const Value* Lookup(const CodeRow<Value> (&rows)[kSize], std::string_view code) {
  const auto* row = std::ranges::find(rows, code, &CodeRow<Value>::code);
  return row == std::end(rows) ? nullptr : &row->value;
}
template <class Value, size_t kSize>
std::string_view CodeOf(const CodeRow<Value> (&rows)[kSize], const Value& value) {
  const auto* row = std::ranges::find(rows, value, &CodeRow<Value>::value);
  return row == std::end(rows) ? std::string_view() : row->code;
}

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_FHIR_CODES_H_
