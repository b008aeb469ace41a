// Median and percentiles of whole numbers, from how often each occurs.
#ifndef FETTLE_SERVICES_ANALYTICS_DOMAIN_DISTRIBUTION_H_
#define FETTLE_SERVICES_ANALYTICS_DOMAIN_DISTRIBUTION_H_

#include <cstdint>
#include <map>
#include <string>

namespace fettle::analytics {

// Value -> how often, 1 or more.
using Distribution = std::map<int64_t, int64_t>;

// The middle value, or the mean of the two middle ones: `12` or `12.5`. Of at least one value.
std::string Median(const Distribution& values);

// The smallest value that at least so many per cent of all do not exceed (nearest rank). Of at
// least one value; 1 to 100.
int64_t Percentile(const Distribution& values, int percent);

}  // namespace fettle::analytics

#endif  // FETTLE_SERVICES_ANALYTICS_DOMAIN_DISTRIBUTION_H_
