// A message of ours to a partner, in the narrow form of the decision table: from what a delivery
// says, the referral and the person to a Bundle, and the headers that go with it. Pure functions:
// the same input gives the same bytes.
#ifndef FETTLE_SERVICES_GATEWAY_FHIR_OUTGOING_H_
#define FETTLE_SERVICES_GATEWAY_FHIR_OUTGOING_H_

#include <string>
#include <utility>
#include <vector>

#include "fettle/person/v1/person_service.pb.h"
#include "fettle/referral/v1/referral_service.pb.h"

namespace fettle::gateway {

// Of this installation, in every message.
struct SenderIdentity {
  // Value of https://fhir.nhs.uk/Id/dos-service-id under which partners reach us: their responses
  // are addressed to it.
  std::string service_id;
  // meta.versionId.
  std::string version = "1.1.0";
};

// The Bundle as JSON.
std::string OutgoingBundle(const referral::v1::Delivery& delivery,
                           const referral::v1::Referral& referral,
                           const person::v1::GetPersonResponse& person,
                           const SenderIdentity& sender);

// INV-151: the ids are those of the delivery, in every attempt.
std::vector<std::pair<std::string, std::string>> OutgoingHeaders(
    const referral::v1::OutgoingMessage& message);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_FHIR_OUTGOING_H_
