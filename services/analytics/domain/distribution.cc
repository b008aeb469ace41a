#include "services/analytics/domain/distribution.h"

#include <cstdlib>

#include "libs/base/check.h"

namespace fettle::analytics {
namespace {

int64_t Total(const Distribution& values) {
  int64_t total = 0;
  for (const auto& [value, times] : values) total += times;
  FETTLE_CHECK(total > 0, "a distribution has at least one value");
  return total;
}

// From 1.
int64_t ValueAtRank(const Distribution& values, int64_t rank) {
  for (const auto& [value, times] : values) {
    rank -= times;
    if (rank <= 0) return value;
  }
  FETTLE_CHECK(false, "a rank is within the distribution");
  return 0;
}

}  // namespace

std::string Median(const Distribution& values) {
  const int64_t total = Total(values);
  const int64_t low = ValueAtRank(values, (total + 1) / 2);
  const int64_t high = ValueAtRank(values, total / 2 + 1);
  const int64_t doubled = low + high;
  std::string text = (doubled < 0 ? "-" : "") + std::to_string(std::abs(doubled) / 2);
  return doubled % 2 == 0 ? text : text + ".5";
}

int64_t Percentile(const Distribution& values, int percent) {
  FETTLE_CHECK(percent >= 1 && percent <= 100, "a percentile is 1 to 100");
  return ValueAtRank(values, (Total(values) * percent + 99) / 100);
}

}  // namespace fettle::analytics
