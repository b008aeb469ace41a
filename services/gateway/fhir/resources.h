// Referrals and services as FHIR R4 resources, and the way back from a status: tables beside each
// other. Pure functions.
#ifndef FETTLE_SERVICES_GATEWAY_FHIR_RESOURCES_H_
#define FETTLE_SERVICES_GATEWAY_FHIR_RESOURCES_H_

#include <google/protobuf/repeated_field.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fettle/referral/v1/referral_service.pb.h"

namespace fettle::gateway {

// A referral's state in FHIR.
struct FhirStatus {
  std::string task;             // Task.status
  std::string business;         // Task.businessStatus, a code of kReferralStatusSystem
  std::string service_request;  // ServiceRequest.status
  friend bool operator==(const FhirStatus&, const FhirStatus&) = default;
};

// `accepted`: the referral had been accepted before it came to this state; a rejection is `failed`
// then, else `rejected`.
FhirStatus FhirStatusOf(referral::v1::ReferralStatus status, bool accepted);
// The state that FhirStatusOf gives this for; nothing for what no state of ours gives (INV-36:
// `inactive` is no status).
std::optional<referral::v1::ReferralStatus> ReferralStatusOf(const FhirStatus& status);
// The state that a code of kReferralStatusSystem names.
std::optional<referral::v1::ReferralStatus> ReferralStatusOfCode(std::string_view code);

boost::json::object ServiceRequestOf(const referral::v1::Referral& referral);
// The work on a referral. Has the id of the referral.
boost::json::object TaskOf(const referral::v1::Referral& referral);
// The care and support plan of a referral, which has one: the newest version, with its goals
// within. Has the id of the referral.
boost::json::object CarePlanOf(const referral::v1::Referral& referral);
// The one state of the referrals whose agreed plans have this CarePlan.status; nothing for a status
// that several states give, or none.
std::optional<referral::v1::ReferralStatus> StateOfPlans(std::string_view status);
boost::json::object HealthcareServiceOf(const referral::v1::Service& service);

// The messages that a partner may send: those whose context is `context`, or all when it is empty.
std::vector<boost::json::object> MessageDefinitions(std::string_view context);

// The ServiceRequest as partners' messages brought it, each version as it was received (INV-158),
// newest first as FHIR wants it. `versions` oldest first.
boost::json::object HistoryOf(
    const std::string& base_url, const std::string& referral_id,
    const google::protobuf::RepeatedPtrField<referral::v1::ReferralVersion>& versions);

// A Bundle of matches. `base_url` without a slash at its end; `self` and `next` are queries below
// it, `next` empty on the last page.
boost::json::object SearchSet(const std::string& base_url, std::string_view self,
                              std::string_view next, std::vector<boost::json::object> resources);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_FHIR_RESOURCES_H_
