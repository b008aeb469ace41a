// How well an NHS number is known (UK Core CodeSystem UKCore-NHSNumberVerificationStatusEngland;
// the codes 01 to 08 of the NHS Data Dictionary).
#ifndef FETTLE_LIBS_NHS_NHS_NUMBER_STATUS_H_
#define FETTLE_LIBS_NHS_NHS_NUMBER_STATUS_H_

#include <string_view>

namespace fettle::nhs {

inline constexpr std::string_view kPresentAndVerified = "01";
inline constexpr std::string_view kPresentNotTraced = "02";
inline constexpr std::string_view kTraceRequired = "03";
inline constexpr std::string_view kNoOrMultipleMatch = "04";
inline constexpr std::string_view kTraceToBeResolved = "05";
inline constexpr std::string_view kTraceInProgress = "06";
inline constexpr std::string_view kNotPresentTraceNotRequired = "07";
inline constexpr std::string_view kTracePostponed = "08";  // baby under six weeks

// Exactly one of 01 to 08.
bool IsNhsNumberStatus(std::string_view code);
// INV-7: the statuses with which a referral needs no number, 03 to 08.
bool AllowsNoNumber(std::string_view code);
// For people; empty when `code` is none.
std::string_view NhsNumberStatusText(std::string_view code);

}  // namespace fettle::nhs

#endif  // FETTLE_LIBS_NHS_NHS_NUMBER_STATUS_H_
