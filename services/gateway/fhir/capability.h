#ifndef FETTLE_SERVICES_GATEWAY_FHIR_CAPABILITY_H_
#define FETTLE_SERVICES_GATEWAY_FHIR_CAPABILITY_H_

#include <set>
#include <string>

namespace fettle::gateway {

// What GET /metadata answers: a FHIR R4 CapabilityStatement of what is really there. `base_url` is
// the address that partners use, without a slash at its end.
std::string CapabilityStatement(const std::string& base_url, const std::set<std::string>& versions);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_FHIR_CAPABILITY_H_
