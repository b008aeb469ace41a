// What a reader who can subtract learns from a table in which areas and months add up.
#ifndef FETTLE_SERVICES_ANALYTICS_DOMAIN_DISCLOSURE_TESTING_H_
#define FETTLE_SERVICES_ANALYTICS_DOMAIN_DISCLOSURE_TESTING_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "services/analytics/domain/protected_sums.h"

namespace fettle::analytics {

// Of the hidden cells those that follow from all others. `cells` are all that are not 0. Method:
// each line is an equation in its hidden cells; elimination, modulo a large prime, leaves those
// that have one value only.
inline std::set<AreaMonth> Recovered(const std::set<AreaMonth>& cells,
                                     const std::set<AreaMonth>& hidden) {
  constexpr int64_t kPrime = 1'000'000'007;
  const auto power = [](int64_t base, int64_t exponent) {
    int64_t result = 1;
    for (; exponent > 0; exponent /= 2, base = base * base % kPrime) {
      if (exponent % 2 == 1) result = result * base % kPrime;
    }
    return result;
  };
  const std::vector<AreaMonth> unknowns(hidden.begin(), hidden.end());
  std::map<std::string, std::vector<int64_t>> by_area, by_month;
  for (size_t u = 0; u < unknowns.size(); ++u) {
    const auto& [area, month] = unknowns[u];
    if (!cells.contains(unknowns[u])) continue;
    by_area[area].resize(unknowns.size());
    by_month[month].resize(unknowns.size());
    by_area[area][u] = month == kAllMonths ? kPrime - 1 : 1;
    by_month[month][u] = area == kAllAreas ? kPrime - 1 : 1;
  }
  std::vector<std::vector<int64_t>> lines;
  for (const auto* all : {&by_area, &by_month}) {
    for (const auto& [name, line] : *all) lines.push_back(line);
  }
  size_t solved = 0;
  std::vector<size_t> pivots;
  for (size_t u = 0; u < unknowns.size() && solved < lines.size(); ++u) {
    size_t row = solved;
    while (row < lines.size() && lines[row][u] == 0) ++row;
    if (row == lines.size()) continue;
    std::swap(lines[row], lines[solved]);
    const int64_t inverse = power(lines[solved][u], kPrime - 2);
    for (int64_t& factor : lines[solved]) factor = factor * inverse % kPrime;
    for (size_t other = 0; other < lines.size(); ++other) {
      const int64_t factor = lines[other][u];
      if (other == solved || factor == 0) continue;
      for (size_t v = 0; v < unknowns.size(); ++v) {
        lines[other][v] = (lines[other][v] + (kPrime - factor) * lines[solved][v]) % kPrime;
      }
    }
    pivots.push_back(u);
    ++solved;
  }
  std::set<AreaMonth> recovered;
  for (size_t row = 0; row < pivots.size(); ++row) {
    int terms = 0;
    for (const int64_t factor : lines[row]) terms += factor != 0;
    if (terms == 1) recovered.insert(unknowns[pivots[row]]);
  }
  return recovered;
}

}  // namespace fettle::analytics

#endif  // FETTLE_SERVICES_ANALYTICS_DOMAIN_DISCLOSURE_TESTING_H_
