// From a BaRS message to the requests of person and referral: which element goes where stands in
// the tables of mapping.cc. Pure functions.
#ifndef FETTLE_SERVICES_GATEWAY_FHIR_MAPPING_H_
#define FETTLE_SERVICES_GATEWAY_FHIR_MAPPING_H_

#include <string>

#include "absl/status/statusor.h"
#include "fettle/person/v1/person_service.pb.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "services/gateway/fhir/headers.h"
#include "services/gateway/fhir/message.h"

namespace fettle::gateway {

// The parts of a message that the commands are made of, without request ids.
struct Mapped {
  person::v1::Demographics demographics;
  person::v1::NhsNumberStatus nhs_number_status = person::v1::NHS_NUMBER_STATUS_UNSPECIFIED;
  std::string gp_practice;
  std::string ethnic_category;
  referral::v1::ReferralDetails details;
  referral::v1::PartnerMessage partner_message;
};

// INVALID_ARGUMENT ELEMENT_NOT_VALID, naming the element, when one has a wrong type or form.
absl::StatusOr<Mapped> MapMessage(const Message& message, const BarsHeaders& headers,
                                  const std::string& body, const std::string& body_sha256);

// The step's request id: the same message gives the same one, so that each step has one effect.
std::string StepId(const BarsHeaders& headers, const std::string& step);

// What the sender gets back: its message, every resource with an id, the ServiceRequest with the
// referral's (the form of the published answer).
std::string Accepted(const Message& message, const BarsHeaders& headers,
                     const std::string& referral_id);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_FHIR_MAPPING_H_
