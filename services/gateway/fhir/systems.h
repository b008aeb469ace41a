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

inline constexpr char kSnomed[] = "http://snomed.info/sct";
inline constexpr char kCategorySystem[] =
    "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest";
inline constexpr char kEventSystem[] = "https://fhir.nhs.uk/CodeSystem/message-events-bars";
inline constexpr char kMessageReasonSystem[] = "https://fhir.nhs.uk/CodeSystem/message-reason-bars";
inline constexpr char kRejectedReasonSystem[] =
    "https://fhir.nhs.uk/CodeSystem/dos-rejected-reasons-bars";
inline constexpr char kFlagSystem[] = "https://fhir.nhs.uk/CodeSystem/flag-categories-bars";
inline constexpr char kConsentCategorySystem[] =
    "https://fhir.nhs.uk/CodeSystem/consent-categories-bars";
inline constexpr char kNumberStatusSystem[] =
    "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland";
inline constexpr char kEthnicCategorySystem[] =
    "https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland";
inline constexpr char kActCodeSystem[] = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

// Ours, where the standards have none. The state of a referral by our own name, in
// Task.businessStatus: several of ours share a Task.status.
inline constexpr char kReferralStatusSystem[] = "urn:fettle:codesystem:referral-status";
inline constexpr char kReasonSystem[] = "urn:fettle:codesystem:referral-reason";
inline constexpr char kRiskSystem[] = "urn:fettle:codesystem:risk";
inline constexpr char kCaseNumberSystem[] = "urn:fettle:case-number";

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_FHIR_SYSTEMS_H_
