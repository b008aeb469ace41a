// Identifier and code systems of the standards; compare with SameSystem.
#ifndef FETTLE_SERVICES_GATEWAY_FHIR_SYSTEMS_H_
#define FETTLE_SERVICES_GATEWAY_FHIR_SYSTEMS_H_

namespace fettle::gateway {

inline constexpr char kNhsNumberSystem[] = "https://fhir.nhs.uk/Id/nhs-number";
inline constexpr char kOdsSystem[] = "https://fhir.nhs.uk/Id/ods-organization-code";
inline constexpr char kServiceIdSystem[] = "https://fhir.nhs.uk/Id/dos-service-id";
inline constexpr char kNumberStatusExtension[] =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";
inline constexpr char kEthnicCategoryExtension[] =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory";

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_FHIR_SYSTEMS_H_
