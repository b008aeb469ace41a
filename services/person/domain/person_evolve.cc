#include <algorithm>
#include <set>

#include "absl/time/time.h"
#include "libs/base/date.h"
#include "services/person/domain/person_common.h"

namespace fettle::person {
namespace {

using base::Key;

// The day on which the event was recorded.
std::string DayOf(const common::v1::EventHeader& header) {
  return base::LondonDate(absl::FromUnixSeconds(header.time().seconds()));
}

// The record loses the number that it has, which stays in its history.
void EndNumber(v1::Person& person, const std::string& day) {
  if (person.digests().nhs_number().empty()) return;
  v1::NumberPeriod& ended = *person.add_number_history();
  ended = CurrentNumber(person);
  ended.set_end_date(day);
  person.mutable_demographics()->clear_nhs_number();
  person.mutable_digests()->clear_nhs_number();
  person.mutable_digests()->set_number_check(v1::NUMBER_CHECK_ABSENT);
  person.clear_number_start_date();
  person.set_holds_number(false);
}

void RemoveFormer(v1::Person& person, const std::string& number) {
  auto& former = *person.mutable_former_numbers();
  former.erase(std::remove(former.begin(), former.end(), number), former.end());
}

void Register(v1::Person& person, const v1::PersonRegistered& registered,
              const common::v1::EventHeader& header) {
  person.set_person_id(header.stream_id());
  *person.mutable_demographics() = registered.demographics();
  *person.mutable_digests() = registered.digests();
  person.set_nhs_number_status(registered.nhs_number_status());
  person.set_holds_number(registered.holds_number());
  person.set_gp_practice(registered.has_withheld() ? registered.withheld().gp_practice()
                                                   : registered.gp_practice());
  person.set_ethnic_category(registered.ethnic_category());
  if (!registered.digests().nhs_number().empty()) person.set_number_start_date(DayOf(header));
  if (registered.has_imd()) *person.mutable_imd() = registered.imd();
  person.set_restricted(registered.restricted());
  person.set_match_slot(registered.match_slot());
}

void RemoveContacts(v1::Profile& profile, v1::ContactKind kind) {
  auto& points = *profile.mutable_contact_points();
  points.erase(std::remove_if(points.begin(), points.end(),
                              [&](const v1::ContactPoint& point) { return point.kind() == kind; }),
               points.end());
}

void Remove(v1::Person& person, v1::RemovableDetail detail) {
  v1::Demographics& who = *person.mutable_demographics();
  switch (detail) {
    case v1::REMOVABLE_DETAIL_PREFERRED_NAME:
      who.mutable_profile()->clear_preferred_name();
      break;
    case v1::REMOVABLE_DETAIL_TELEPHONE:
      who.clear_telephone();
      RemoveContacts(*who.mutable_profile(), v1::CONTACT_KIND_TELEPHONE);
      break;
    case v1::REMOVABLE_DETAIL_EMAIL:
      who.clear_email();
      RemoveContacts(*who.mutable_profile(), v1::CONTACT_KIND_EMAIL);
      break;
    case v1::REMOVABLE_DETAIL_ADDRESS:
      who.clear_address_lines();
      break;
    case v1::REMOVABLE_DETAIL_POSTCODE:
      who.clear_postcode();
      person.mutable_digests()->mutable_match()->clear_postcode();
      break;
    case v1::REMOVABLE_DETAIL_NEEDS:
      who.mutable_profile()->clear_needs();
      break;
    default:
      break;
  }
  if (who.has_profile() && who.profile().ByteSizeLong() == 0) who.clear_profile();
}

void Update(v1::Person& person, const v1::PersonUpdated& updated,
            const common::v1::EventHeader& header) {
  const v1::Digests& digests = updated.digests();
  if (digests.number_check() == v1::NUMBER_CHECK_PASSED ||
      digests.number_check() == v1::NUMBER_CHECK_FAILED) {
    if (person.digests().nhs_number() != digests.nhs_number()) {
      // The number changed: the earlier one leads here for ever (INV-8).
      if (person.holds_number()) person.add_former_numbers(person.digests().nhs_number());
      EndNumber(person, DayOf(header));
      person.set_number_start_date(DayOf(header));
    }
    person.mutable_digests()->set_nhs_number(digests.nhs_number());
    person.mutable_digests()->set_number_check(digests.number_check());
  }
  if (!digests.birth_date().empty()) {
    person.mutable_digests()->set_birth_date(digests.birth_date());
  }
  for (const int detail : updated.removed()) {
    Remove(person, static_cast<v1::RemovableDetail>(detail));
  }
  if (digests.has_match()) person.mutable_digests()->mutable_match()->MergeFrom(digests.match());
  RemoveWhatIsSet(*person.mutable_demographics(), updated.demographics());
  person.mutable_demographics()->MergeFrom(updated.demographics());
  person.set_nhs_number_status(updated.nhs_number_status());
  person.set_holds_number(updated.holds_number());
  const std::string& practice =
      updated.has_withheld() ? updated.withheld().gp_practice() : updated.gp_practice();
  if (!practice.empty()) person.set_gp_practice(practice);
  if (!updated.ethnic_category().empty()) person.set_ethnic_category(updated.ethnic_category());
  if (updated.imd_cleared()) person.clear_imd();
  if (updated.has_imd()) *person.mutable_imd() = updated.imd();
  person.set_match_slot(updated.match_slot());
}

void Merge(v1::Person& person, const v1::PersonsMerged& merged) {
  for (const std::string& number : merged.former_numbers()) person.add_former_numbers(number);
  if (merged.nhs_number_status() != v1::NHS_NUMBER_STATUS_UNSPECIFIED) {
    person.set_nhs_number_status(merged.nhs_number_status());
    person.set_holds_number(true);
  }
  if (merged.restricted()) person.set_restricted(true);
  if (!merged.death_date().empty()) {
    person.set_death_date(merged.death_date());
    person.set_death_notification(merged.death_notification());
  }
  person.add_merged_person_ids(merged.merged_person_id());
  person.set_merge_depth(std::max(person.merge_depth(), merged.merge_depth() + 1));
}

}  // namespace

void PersonRules::Evolve(State& state, const Event& event) {
  switch (event.event_case()) {
    case Event::kPersonRegistered:
      Register(*state.mutable_person(), event.person_registered(), event.header());
      break;
    case Event::kPersonUpdated:
      Update(*state.mutable_person(), event.person_updated(), event.header());
      break;
    case Event::kPersonsMerged:
      Merge(*state.mutable_person(), event.persons_merged());
      break;
    case Event::kPersonSuperseded:
      state.mutable_person()->set_merged_into(event.person_superseded().surviving_person_id());
      break;
    case Event::kPersonDied:
      state.mutable_person()->set_death_date(event.person_died().death_date());
      state.mutable_person()->set_death_notification(event.person_died().notification());
      break;
    case Event::kPersonDeathWithdrawn:
      state.mutable_person()->clear_death_date();
      state.mutable_person()->clear_death_notification();
      break;
    case Event::kPersonRestricted:
      state.mutable_person()->set_restricted(true);
      break;
    case Event::kPersonRestrictionLifted:
      state.mutable_person()->set_restricted(false);
      break;
    case Event::kNumberReleased: {
      v1::Person& person = *state.mutable_person();
      const v1::NumberReleased& released = event.number_released();
      RemoveFormer(person, released.nhs_number());
      if (person.digests().nhs_number() == released.nhs_number()) {
        EndNumber(person, DayOf(event.header()));
      }
      person.set_nhs_number_status(released.nhs_number_status());
      break;
    }
    case Event::kNumberConflictResolved: {
      v1::Person& person = *state.mutable_person();
      const v1::NumberConflictResolved& resolved = event.number_conflict_resolved();
      if (resolved.outcome() == v1::NUMBER_CONFLICT_OUTCOME_CLAIMANT_GETS) {
        person.set_holds_number(true);
      } else {
        EndNumber(person, DayOf(event.header()));
      }
      person.set_nhs_number_status(resolved.nhs_number_status());
      break;
    }
    case Event::kOrganisationRegistered:
      *state.mutable_organisation() = event.organisation_registered().organisation();
      break;
    case Event::kOrganisationUpdated:
      *state.mutable_organisation() = event.organisation_updated().organisation();
      break;
    case Event::EVENT_NOT_SET:
      break;
  }
}

std::vector<base::Entry> PersonRules::Index(const State& state) {
  std::vector<base::Entry> entries;
  if (state.has_person()) {
    const v1::Person& person = state.person();
    if (!person.merged_into().empty()) return entries;
    std::vector<std::string> numbers(person.former_numbers().begin(),
                                     person.former_numbers().end());
    if (person.holds_number()) numbers.push_back(person.digests().nhs_number());
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    for (const std::string& number : numbers) {
      entries.push_back({kNumberIndex, Key({number}), "", true});
    }
    if (ClaimsNumber(person)) {
      entries.push_back({kConflictIndex, ConflictsKey(), person.person_id(), false});
      entries.push_back({kConflictIndex, ClaimsKey(person.digests()), person.person_id(), false});
    }
    if (person.match_slot() > 0) {
      entries.push_back({kMatchIndex, MatchKey(person.digests(), person.match_slot()), "", true});
    }
  }
  if (state.has_organisation()) {
    const v1::Organisation& organisation = state.organisation();
    const std::string sort = organisation.name() + organisation.ods_code();
    entries.push_back({kOrganisationIndex, Key({organisation.ods_code()}), "", true});
    entries.push_back({kKindIndex, KindKey(0), sort, false});
    entries.push_back({kKindIndex, KindKey(organisation.kind()), sort, false});
    for (const std::string& group : std::set<std::string>{
             organisation.parent(), organisation.primary_care_network(), organisation.icb()}) {
      if (group.empty() || group == organisation.ods_code()) continue;
      entries.push_back({kMemberIndex, Key({group}), sort, false});
    }
  }
  return entries;
}

std::vector<std::string> PersonRules::Subjects(const State& state) {
  if (!state.has_person()) return {};
  return {state.person().person_id()};
}

}  // namespace fettle::person
