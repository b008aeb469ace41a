#include "services/analytics/domain/distribution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace fettle::analytics {
namespace {

TEST(DistributionTest, MedianIsTheMiddleOrTheMeanOfTheTwoMiddleOnes) {
  EXPECT_EQ(Median({{4, 1}}), "4");
  EXPECT_EQ(Median({{4, 1}, {5, 1}}), "4.5");
  EXPECT_EQ(Median({{4, 1}, {6, 1}}), "5");
  EXPECT_EQ(Median({{1, 3}, {10, 2}}), "1");
  EXPECT_EQ(Median({{0, 2}, {10, 2}}), "5");
}

TEST(DistributionTest, PercentileIsTheNearestRank) {
  EXPECT_EQ(Percentile({{7, 1}}, 90), 7);
  Distribution to_ten;
  for (int i = 1; i <= 10; ++i) to_ten[i] = 1;
  EXPECT_EQ(Percentile(to_ten, 90), 9);
  EXPECT_EQ(Percentile(to_ten, 91), 10);
  EXPECT_EQ(Percentile(to_ten, 1), 1);
  EXPECT_EQ(Percentile(to_ten, 100), 10);
}

TEST(DistributionTest, AgreesWithASortedList) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<int64_t> list(1 + random() % 40);
    Distribution values;
    for (int64_t& value : list) ++values[value = static_cast<int64_t>(random() % 30)];
    std::sort(list.begin(), list.end());
    const size_t rank = (list.size() * 90 + 99) / 100;
    EXPECT_EQ(Percentile(values, 90), list[rank - 1]);
    const double median = (list[(list.size() - 1) / 2] + list[list.size() / 2]) / 2.0;
    EXPECT_DOUBLE_EQ(std::stod(Median(values)), median);
  }
}

}  // namespace
}  // namespace fettle::analytics
