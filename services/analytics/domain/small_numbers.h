// The small-number profile HES2018 (NHS Digital, secondary care): below national level counts of
// people from 1 to 7 are not shown, others are rounded to the nearest 5, and what is made of 1 to 7
// people is not shown either.
#ifndef FETTLE_SERVICES_ANALYTICS_DOMAIN_SMALL_NUMBERS_H_
#define FETTLE_SERVICES_ANALYTICS_DOMAIN_SMALL_NUMBERS_H_

#include <cstdint>
#include <optional>
#include <string>

namespace fettle::analytics {

inline constexpr char kHes2018[] = "HES2018";
inline constexpr char kSuppressed[] = "*";
inline constexpr int64_t kShownFrom = 8;

// A count of people, 0 or more, as it may be published.
std::string Hes2018Count(int64_t people, bool national);

// A mean or a median that rests on so many people: as it is, or suppressed. Nobody: nothing. For
// sums see protected_sums.h.
std::optional<std::string> Hes2018Statistic(int64_t people, const std::string& value,
                                            bool national);

}  // namespace fettle::analytics

#endif  // FETTLE_SERVICES_ANALYTICS_DOMAIN_SMALL_NUMBERS_H_
