#include "services/analytics/domain/small_numbers.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace fettle::analytics {
namespace {

// INV-116.
TEST(SmallNumbersTest, CountsBelowNationalLevelAreSuppressedOrRounded) {
  EXPECT_EQ(Hes2018Count(0, false), "0");
  for (int64_t n = 1; n <= 7; ++n) EXPECT_EQ(Hes2018Count(n, false), "*") << n;
  EXPECT_EQ(Hes2018Count(8, false), "10");
  EXPECT_EQ(Hes2018Count(12, false), "10");
  EXPECT_EQ(Hes2018Count(13, false), "15");
  for (int64_t n = 8; n <= 10'000; ++n) {
    const int64_t shown = std::stoll(Hes2018Count(n, false));
    EXPECT_EQ(shown % 5, 0) << n;
    EXPECT_LE(std::abs(shown - n), 2) << n;
  }
}

// INV-116.
TEST(SmallNumbersTest, NationalCountsAreNotRounded) {
  for (int64_t n : {0, 1, 7, 8, 12, 13, 899'999}) {
    EXPECT_EQ(Hes2018Count(n, true), std::to_string(n));
  }
}

// INV-119.
TEST(SmallNumbersTest, StatisticsOverFewPeopleAreSuppressed) {
  EXPECT_EQ(Hes2018Statistic(0, "3", false), std::nullopt);
  EXPECT_EQ(Hes2018Statistic(1, "3", false), "*");
  EXPECT_EQ(Hes2018Statistic(7, "3", false), "*");
  EXPECT_EQ(Hes2018Statistic(8, "3.5", false), "3.5");
  EXPECT_EQ(Hes2018Statistic(1, "3", true), "3");
}

}  // namespace
}  // namespace fettle::analytics
