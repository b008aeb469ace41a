#include "services/analytics/domain/small_numbers.h"

#include "libs/base/check.h"

namespace fettle::analytics {

std::string Hes2018Count(int64_t people, bool national) {
  FETTLE_CHECK(people >= 0, "a count of people is not negative");
  if (national || people == 0) return std::to_string(people);
  if (people < kShownFrom) return kSuppressed;
  // Whole numbers never lie half way between multiples of 5.
  return std::to_string((people + 2) / 5 * 5);
}

std::optional<std::string> Hes2018Statistic(int64_t people, const std::string& value,
                                            bool national) {
  FETTLE_CHECK(people >= 0, "a count of people is not negative");
  if (people == 0) return std::nullopt;
  if (!national && people < kShownFrom) return kSuppressed;
  return value;
}

}  // namespace fettle::analytics
