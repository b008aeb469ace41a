#include "libs/base/status.h"
#include "services/person/domain/person_common.h"

namespace fettle::person {

using base::Key;

bool IsValidOn(const v1::Organisation& organisation, std::string_view date) {
  return organisation.start_date() <= date &&
         (organisation.end_date().empty() || date <= organisation.end_date());
}

base::Reads PersonRules::ReadsOf(const v1::RegisterOrganisationRequest& request,
                                 const base::View& view) {
  base::Reads reads;
  const std::string key = Key({request.organisation().ods_code()});
  reads.unique.emplace_back(kOrganisationIndex, key);
  if (!request.organisation().icb().empty() &&
      request.organisation().icb() != request.organisation().ods_code()) {
    reads.unique.emplace_back(kOrganisationIndex, Key({request.organisation().icb()}));
  }
  // expected_version speaks of the organisation that the code leads to.
  if (view.HasKey(kOrganisationIndex, key)) {
    if (std::optional<std::string> stream = view.Holder(kOrganisationIndex, key)) {
      reads.streams.push_back(*stream);
    }
  }
  return reads;
}

PersonRules::Decided<v1::RegisterOrganisationResponse> PersonRules::Decide(
    const base::View& view, const v1::RegisterOrganisationRequest& request,
    const base::Context& context) {
  const v1::Organisation& organisation = request.organisation();
  if (!organisation.end_date().empty() && organisation.end_date() < organisation.start_date()) {
    return base::InvalidField("organisation.end_date", "ENDS_BEFORE_START",
                              "a date not before start_date");
  }
  if (!organisation.icb().empty() && organisation.icb() != organisation.ods_code()) {
    const std::optional<std::string> icb =
        view.Holder(kOrganisationIndex, Key({organisation.icb()}));
    const v1::PersonState* state = icb.has_value() ? view.StateOf<v1::PersonState>(*icb) : nullptr;
    if (state == nullptr || state->organisation().kind() != v1::ORGANISATION_KIND_ICB) {
      return base::InvalidField("organisation.icb", "ICB_NOT_KNOWN",
                                "the ODS code of a registered integrated care board");
    }
  }
  base::Decision<v1::RegisterOrganisationResponse> decision;
  const std::optional<std::string> known =
      view.Holder(kOrganisationIndex, Key({organisation.ods_code()}));
  if (!known.has_value()) {
    *decision.Add<Event>(context.ids->Next())
         .mutable_organisation_registered()
         ->mutable_organisation() = organisation;
    return decision;
  }
  const v1::PersonState* state = view.StateOf<v1::PersonState>(*known);
  if (state->organisation().SerializeAsString() == organisation.SerializeAsString()) {
    return decision;
  }
  *decision.Add<Event>(*known).mutable_organisation_updated()->mutable_organisation() =
      organisation;
  return decision;
}

}  // namespace fettle::person
