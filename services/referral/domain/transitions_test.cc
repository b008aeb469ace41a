#include "services/referral/domain/transitions.h"

#include <gtest/gtest.h>

#include <string_view>

#include "libs/base/readme_testing.h"
#include "services/referral/domain/referral_common.h"

namespace fettle::referral {
namespace {

[[maybe_unused]] const auto* const kReadme =
    base::CheckReadme(FETTLE_README, FETTLE_PROTO, "fettle.referral.v1.ReferralService");

// INV-17: all 13 x 13 pairs, written down a second time. Row: from; column: to; in the order of the
// enum.
constexpr std::string_view kPairs[13] = {
    //                   D S T I A C P | C R D W N E
    /* DRAFT            */ ".x..........x",
    /* SUBMITTED        */ "..x.....xxx.x",
    /* IN_TRIAGE        */ "...xx...xxx.x",
    /* INFO_REQUESTED   */ "..x.....xxx.x",
    /* ACCEPTED         */ ".....xx.xxxxx",
    /* ACTIVE           */ "......xxxxxxx",
    /* PAUSED           */ ".....x.xxxxxx",
    /* COMPLETED        */ "............x",
    /* REJECTED         */ "............x",
    /* DECLINED         */ "............x",
    /* WITHDRAWN        */ "............x",
    /* NO_CONTACT       */ "............x",
    /* ENTERED_IN_ERROR */ ".............",
};

TEST(TransitionsTest, Inv17Exactly44Of169PairsAreAllowed) {
  int allowed = 0;
  for (int from = 1; from <= 13; ++from) {
    for (int to = 1; to <= 13; ++to) {
      const auto a = static_cast<v1::ReferralStatus>(from);
      const auto b = static_cast<v1::ReferralStatus>(to);
      EXPECT_EQ(MayBecome(a, b), kPairs[from - 1][to - 1] == 'x')
          << StatusName(a) << " to " << StatusName(b);
      allowed += MayBecome(a, b);
    }
    EXPECT_FALSE(MayBecome(v1::REFERRAL_STATUS_UNSPECIFIED, static_cast<v1::ReferralStatus>(from)));
    EXPECT_FALSE(MayBecome(static_cast<v1::ReferralStatus>(from), v1::REFERRAL_STATUS_UNSPECIFIED));
  }
  EXPECT_EQ(allowed, 44);
}

TEST(TransitionsTest, Inv18TerminalStatesBecomeEnteredInErrorOnly) {
  for (int from = 1; from <= 13; ++from) {
    const auto status = static_cast<v1::ReferralStatus>(from);
    int ways = 0;
    for (int to = 1; to <= 13; ++to) ways += MayBecome(status, static_cast<v1::ReferralStatus>(to));
    EXPECT_EQ(IsTerminal(status), from >= 8) << StatusName(status);
    if (IsTerminal(status)) {
      EXPECT_EQ(ways, status == v1::REFERRAL_STATUS_ENTERED_IN_ERROR ? 0 : 1);
      EXPECT_EQ(MayBecome(status, v1::REFERRAL_STATUS_ENTERED_IN_ERROR), ways == 1);
    }
  }
}

}  // namespace
}  // namespace fettle::referral
