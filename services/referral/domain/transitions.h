// The life of a referral as one table (INV-17, INV-18). It unites FHIR Task, e-RS and BaRS, which
// have no common list of states for social prescribing.
#ifndef FETTLE_SERVICES_REFERRAL_DOMAIN_TRANSITIONS_H_
#define FETTLE_SERVICES_REFERRAL_DOMAIN_TRANSITIONS_H_

#include <array>
#include <bit>
#include <cstdint>
#include <initializer_list>

#include "fettle/referral/v1/referral_types.pb.h"

namespace fettle::referral {

namespace internal {

using enum v1::ReferralStatus;

constexpr uint16_t To(std::initializer_list<v1::ReferralStatus> statuses) {
  uint16_t bits = 0;
  for (v1::ReferralStatus status : statuses) bits |= 1 << status;
  return bits;
}

constexpr uint16_t kOnlyEnteredInError = To({REFERRAL_STATUS_ENTERED_IN_ERROR});
// How an open referral that was submitted may end before somebody has to contact the person.
constexpr uint16_t kEnds = To({REFERRAL_STATUS_REJECTED, REFERRAL_STATUS_DECLINED,
                               REFERRAL_STATUS_WITHDRAWN, REFERRAL_STATUS_ENTERED_IN_ERROR});

// Bit `to` of row `from`: the referral may go there.
inline constexpr std::array<uint16_t, v1::ReferralStatus_ARRAYSIZE> kMayBecome = {
    /* UNSPECIFIED      */ 0,
    /* DRAFT            */ To({REFERRAL_STATUS_SUBMITTED}) | kOnlyEnteredInError,
    /* SUBMITTED        */ To({REFERRAL_STATUS_IN_TRIAGE}) | kEnds,
    /* IN_TRIAGE        */ To({REFERRAL_STATUS_INFO_REQUESTED, REFERRAL_STATUS_ACCEPTED}) | kEnds,
    /* INFO_REQUESTED   */ To({REFERRAL_STATUS_IN_TRIAGE}) | kEnds,
    /* ACCEPTED         */
    To({REFERRAL_STATUS_ACTIVE, REFERRAL_STATUS_PAUSED, REFERRAL_STATUS_NO_CONTACT}) | kEnds,
    /* ACTIVE           */
    To({REFERRAL_STATUS_PAUSED, REFERRAL_STATUS_COMPLETED, REFERRAL_STATUS_NO_CONTACT}) | kEnds,
    /* PAUSED           */
    To({REFERRAL_STATUS_ACTIVE, REFERRAL_STATUS_COMPLETED, REFERRAL_STATUS_NO_CONTACT}) | kEnds,
    /* COMPLETED        */ kOnlyEnteredInError,
    /* REJECTED         */ kOnlyEnteredInError,
    /* DECLINED         */ kOnlyEnteredInError,
    /* WITHDRAWN        */ kOnlyEnteredInError,
    /* NO_CONTACT       */ kOnlyEnteredInError,
    /* ENTERED_IN_ERROR */ 0,
};

constexpr int CountTransitions() {
  int count = 0;
  for (uint16_t row : kMayBecome) count += std::popcount(row);
  return count;
}
static_assert(CountTransitions() == 44);

}  // namespace internal

constexpr bool MayBecome(v1::ReferralStatus from, v1::ReferralStatus to) {
  return (internal::kMayBecome[from] >> to & 1) != 0;
}

// Closed for ever: a closed referral is never reopened, only found to have been entered in error
// (INV-18, INV-33).
constexpr bool IsTerminal(v1::ReferralStatus status) {
  return status >= v1::REFERRAL_STATUS_COMPLETED;
}

}  // namespace fettle::referral

#endif  // FETTLE_SERVICES_REFERRAL_DOMAIN_TRANSITIONS_H_
