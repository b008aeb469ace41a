// Which cells of a table of sums stay hidden, so that none of the small ones follows from the rest.
// Counts need no such thing, because all that is shown of them is rounded; sums of money are shown
// to the penny, and a hidden one would be its line's total less what else the line shows.
#ifndef FETTLE_SERVICES_ANALYTICS_DOMAIN_PROTECTED_SUMS_H_
#define FETTLE_SERVICES_ANALYTICS_DOMAIN_PROTECTED_SUMS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace fettle::analytics {

// (area, month). No ODS code looks like kAllAreas; "" as an area stands for those without one.
using AreaMonth = std::pair<std::string, std::string>;
inline constexpr char kAllAreas[] = "*";
inline constexpr char kAllMonths[] = "";

// The cells to hide of a table in which areas add up to kAllAreas and months to kAllMonths.
// `people` says how many stand behind each cell, its totals too; what nobody stands behind is a
// shown 0.
//
// Hidden are the cells of 1 to 7 people, and for each of them three more, the corners of a
// rectangle, so that the small one could be larger than it is while every sum of a line stays what
// it is and only cells of at least kShownFrom people become smaller. So neither a small cell nor a
// sum of small cells can be worked out. The fewest people are hidden, totals last.
std::set<AreaMonth> HiddenSums(const std::map<AreaMonth, int64_t>& people);

}  // namespace fettle::analytics

#endif  // FETTLE_SERVICES_ANALYTICS_DOMAIN_PROTECTED_SUMS_H_
