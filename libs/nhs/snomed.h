// SNOMED CT concept ids and the few concepts that rules and money depend on.
#ifndef FETTLE_LIBS_NHS_SNOMED_H_
#define FETTLE_LIBS_NHS_SNOMED_H_

#include <span>
#include <string_view>

namespace fettle::nhs {

inline constexpr int kConceptIdDigitsMin = 6;
inline constexpr int kConceptIdDigitsMax = 18;

// INV-16: 6 to 18 digits, no leading zero, partition 00 or 10 in the two digits before the last,
// and a last digit that passes the Verhoeff check.
bool IsConceptId(std::string_view id);

// The only code that counts to indicator PC-01: once an episode, at the first interaction after the
// person accepts.
inline constexpr std::string_view kReferralToSocialPrescribing = "871731000000106";
// The person says no. An adjustment, not a referral; emitted exactly once (INV-28).
inline constexpr std::string_view kSocialPrescribingDeclined = "871711000000103";
// An offer alone does not count.
inline constexpr std::string_view kSocialPrescribingOffered = "871691000000100";

struct SnomedTerm {
  std::string_view code;
  std::string_view display;
};

// Who referred: the members in use of the value set "descendants of 309013001 or 306098008" (UK
// Core extension SourceOfServiceRequest).
std::span<const SnomedTerm> SourcesOfReferral();
// Null when `code` is none of them.
const SnomedTerm* FindSourceOfReferral(std::string_view code);

}  // namespace fettle::nhs

#endif  // FETTLE_LIBS_NHS_SNOMED_H_
