// The directory of services: RegisterService, UpdateService, GetService, ListServices, and what its
// rules say of a referral.
#include <algorithm>
#include <utility>

#include "libs/base/status.h"
#include "services/referral/domain/referral_common.h"

namespace fettle::referral {
namespace {

constexpr int kPageSizeMax = 200;

absl::Status ServiceNotFound() {
  return base::Refuse(absl::StatusCode::kNotFound, "SERVICE_NOT_FOUND",
                      "no service of the directory has this id");
}

const v1::EligibilityRules* InForce(const v1::Service& service, const std::string& date,
                                    int& version) {
  const v1::EligibilityRules* in_force = nullptr;
  for (const v1::EligibilityVersion& known : service.eligibility()) {
    if (known.rules().in_force_from() > date) break;
    in_force = &known.rules();
    version = known.version();
  }
  return in_force;
}

absl::Status CheckAges(const v1::EligibilityRules& rules) {
  if (rules.age_max() == 0 || rules.age_min() <= rules.age_max()) return absl::OkStatus();
  return base::InvalidField("eligibility.age_max", "AGES_CROSSED", "age_min or more, or 0");
}

void Append(v1::EligibilityVersion& into, int version, const v1::EligibilityRules& rules) {
  into.set_version(version);
  *into.mutable_rules() = rules;
}

}  // namespace

const v1::Service* FindService(const base::View& view, const std::string& service_id) {
  const auto* state = view.StateOf<v1::ReferralState>(service_id);
  return state != nullptr && state->has_directory_service() ? &state->directory_service() : nullptr;
}

std::optional<v1::Eligibility> Evaluate(const v1::Service& service, const std::string& date,
                                        const common::v1::PersonContext& person,
                                        const v1::ReferralDetails& details) {
  v1::Eligibility eligibility;
  int version = 0;
  const v1::EligibilityRules* rules = InForce(service, date, version);
  if (rules == nullptr) return std::nullopt;
  eligibility.set_version(version);
  const auto check = [&](const char* rule, bool is_known, bool is_met) {
    if (!is_known) {
      eligibility.add_not_known(rule);
    } else if (!is_met) {
      eligibility.add_unmet(rule);
    }
  };
  const auto check_list = [&](const char* rule, const auto& accepted, const std::string& value) {
    if (accepted.empty()) return;
    check(rule, !value.empty(), std::ranges::find(accepted, value) != accepted.end());
  };
  if (rules->age_min() > 0 || rules->age_max() > 0) {
    check("AGE", person.age_years() >= 0,
          person.age_years() >= rules->age_min() &&
              (rules->age_max() == 0 || person.age_years() <= rules->age_max()));
  }
  check_list("ICB", rules->icbs(), person.icb());
  check_list("PRACTICE", rules->gp_practices(), person.gp_practice());
  check_list("REASON", rules->reason_codes(), details.reason().code());
  if (rules->explicit_consent()) {
    check("CONSENT", details.consent() != v1::CONSENT_UNSPECIFIED,
          details.consent() == v1::CONSENT_EXPLICIT);
  }
  return eligibility;
}

base::Reads ReferralRules::ReadsOf(const v1::RegisterServiceRequest& request, const base::View&) {
  base::Reads reads;
  if (!request.service_id().empty()) reads.streams = {request.service_id()};
  return reads;
}

base::Questions ReferralRules::QuestionsOf(const v1::RegisterServiceRequest& request,
                                           const base::View&) {
  base::Questions questions;
  questions.organisations = {{request.organisation(), ""}};
  return questions;
}

ReferralRules::Decided<v1::RegisterServiceResponse> ReferralRules::Decide(
    const base::View& view, const v1::RegisterServiceRequest& request,
    const base::Context& context) {
  if (!request.service_id().empty() && view.Find(request.service_id()) != nullptr) {
    return base::Refuse(absl::StatusCode::kAlreadyExists, "SERVICE_ID_TAKEN",
                        "service_id: something has this id; UpdateService changes a service");
  }
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  if (!context.evidence->Organisation({request.organisation(), ""})->valid()) {
    return base::InvalidField("organisation", "ORGANISATION_NOT_KNOWN",
                              "the ODS code of an organisation that the registry knows as valid "
                              "today (INV-10)");
  }
  FETTLE_RETURN_IF_ERROR(CheckAges(request.eligibility()));

  base::Decision<v1::RegisterServiceResponse> decision;
  const std::string id = request.service_id().empty() ? context.ids->Next() : request.service_id();
  v1::ServiceRegistered& registered = *decision.Add<Event>(id).mutable_service_registered();
  registered.set_organisation(request.organisation());
  *registered.mutable_description() = request.description();
  if (request.has_eligibility()) {
    Append(*registered.mutable_eligibility(), 1, request.eligibility());
  }
  decision.response.set_service_id(id);
  return decision;
}

base::Reads ReferralRules::ReadsOf(const v1::UpdateServiceRequest& request, const base::View&) {
  return {.streams = {request.service_id()}, .unique = {}};
}

base::Questions ReferralRules::QuestionsOf(const v1::UpdateServiceRequest&, const base::View&) {
  return {};
}

ReferralRules::Decided<v1::UpdateServiceResponse> ReferralRules::Decide(
    const base::View& view, const v1::UpdateServiceRequest& request, const base::Context& context) {
  const v1::Service* service = FindService(view, request.service_id());
  if (service == nullptr) return ServiceNotFound();
  const v1::EligibilityRules& rules = request.eligibility();
  if (request.has_eligibility()) {
    FETTLE_RETURN_IF_ERROR(
        RequireRoom("versions of rules", service->eligibility_size(), kEligibilityVersionsMax));
    FETTLE_RETURN_IF_ERROR(CheckAges(rules));
    // What was in force on a day that has passed stays what it was (INV-54).
    const int known = service->eligibility_size();
    if (rules.in_force_from() < context.today ||
        (known > 0 &&
         rules.in_force_from() <= service->eligibility(known - 1).rules().in_force_from())) {
      return base::InvalidField("eligibility.in_force_from", "IN_FORCE_TOO_EARLY",
                                "today or later, and later than the version before (INV-54)");
    }
  }
  if (!request.closed_from().empty() && request.closed_from() < context.today) {
    return base::InvalidField("closed_from", "DATE_TOO_EARLY", "today or later");
  }

  base::Decision<v1::UpdateServiceResponse> decision;
  if (!request.has_description() && !request.has_eligibility() && request.closed_from().empty()) {
    return decision;
  }
  v1::ServiceUpdated& updated =
      *decision.Add<Event>(request.service_id()).mutable_service_updated();
  if (request.has_description()) *updated.mutable_description() = request.description();
  if (request.has_eligibility()) {
    Append(*updated.mutable_eligibility(), service->eligibility_size() + 1, rules);
  }
  updated.set_closed_from(request.closed_from());
  return decision;
}

absl::StatusOr<v1::GetServiceResponse> ReferralRules::Answer(const base::Snapshot& snapshot,
                                                             const v1::GetServiceRequest& request,
                                                             const base::Context&) {
  FETTLE_ASSIGN_OR_RETURN(const base::View::Stream found, snapshot.Load(request.service_id()));
  const auto* state = static_cast<const State*>(found.state.get());
  if (found.version == 0 || !state->has_directory_service()) return ServiceNotFound();
  v1::GetServiceResponse response;
  *response.mutable_service() = state->directory_service();
  response.set_version(found.version);
  response.set_position(snapshot.position());
  return response;
}

absl::StatusOr<v1::ListServicesResponse> ReferralRules::Answer(
    const base::Snapshot& snapshot, const v1::ListServicesRequest& request, const base::Context&) {
  if (request.page().page_size() < 0 || request.page().page_size() > kPageSizeMax) {
    return base::InvalidField("page.page_size", "PAGE_SIZE_NOT_VALID", "1 to 200, or 0 for 50");
  }
  if (!request.organisation().empty() && request.kind() != v1::SERVICE_KIND_UNSPECIFIED) {
    return base::InvalidField("kind", "FILTERS_EXCLUDE_EACH_OTHER", "without organisation");
  }
  FETTLE_ASSIGN_OR_RETURN(
      const base::ListedPage page,
      snapshot.List(kServiceIndex, ServiceKey(request.organisation(), request.kind()),
                    request.page()));
  v1::ListServicesResponse response;
  for (const std::string& id : page.streams) {
    FETTLE_ASSIGN_OR_RETURN(const base::View::Stream found, snapshot.Load(id));
    *response.add_services() = static_cast<const State&>(*found.state).directory_service();
  }
  response.set_next_page_token(page.next);
  response.set_position(snapshot.position());
  return response;
}

}  // namespace fettle::referral
