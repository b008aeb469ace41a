// The form that refers somebody, and what its values make: a person and a referral. Pure.
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_NEW_REFERRAL_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_NEW_REFERRAL_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "fettle/person/v1/person_service.pb.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "services/gateway/http/forms.h"
#include "services/gateway/http/html.h"

namespace fettle::gateway {

// `services` are those of the directory.
std::vector<Field> NewReferralFields(const referral::v1::ListServicesResponse& services);
FormValues NewReferralValues(const Viewer& viewer);

// Asked when the registry knows people who may be the one that is referred: which of them it is, or
// none. The referral waits for the answer.
inline constexpr char kSamePerson[] = "same-person";
inline constexpr char kNobodyOfThem[] = "new";
// Each is what the registry may tell the viewer of one of them.
Field SamePersonField(const std::vector<person::v1::GetPersonResponse>& alike);

// Both without request ids; `person_id` is filled when it is known.
person::v1::EnsurePersonRequest NewPerson(const FormValues& values);
referral::v1::SubmitReferralRequest NewReferral(const FormValues& values,
                                                const referral::v1::ListServicesResponse& services,
                                                const Viewer& viewer, absl::Time now);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_NEW_REFERRAL_H_
