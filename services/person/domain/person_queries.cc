#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "services/person/domain/person_common.h"

namespace fettle::person {
namespace {

using base::Key;
using base::Refuse;

constexpr std::string_view kAdministrator = "administrator";
constexpr std::string_view kOccupationalTherapist = "occupational_therapist";

// What the caller may see of it: nobody how to reach a restricted person (INV-139), and the sex
// only who treats the person.
v1::Demographics Shown(v1::Demographics person, bool restricted, const base::Context& context) {
  if (restricted) {
    person.clear_address_lines();
    person.clear_postcode();
    person.clear_telephone();
    person.clear_email();
    if (person.has_profile()) person.mutable_profile()->clear_contact_points();
  }
  if (person.has_profile() && context.caller.role != kOccupationalTherapist) {
    person.mutable_profile()->clear_sex();
  }
  return person;
}

bool HasReasonableAdjustment(const v1::Demographics& person) {
  const auto& needs = person.profile().needs();
  return std::any_of(needs.begin(), needs.end(), [](const v1::Need& need) {
    return need.kind() == v1::NEED_KIND_REASONABLE_ADJUSTMENT;
  });
}

std::vector<std::string> Missing(const v1::Person& person, bool practice_known) {
  std::vector<std::string> missing;
  if (!IsThere(person.demographics().first_name())) missing.push_back("first_name");
  if (!IsThere(person.demographics().family_name())) missing.push_back("family_name");
  if (!IsThere(person.demographics().birth_date())) missing.push_back("date_of_birth");
  if (person.gp_practice().empty() || !practice_known) missing.push_back("gp_practice");
  return missing;
}

absl::StatusOr<std::optional<v1::Organisation>> OrganisationOf(const base::Snapshot& snapshot,
                                                               const std::string& ods_code) {
  FETTLE_ASSIGN_OR_RETURN(const std::optional<std::string> stream,
                          snapshot.Holder(kOrganisationIndex, Key({ods_code})));
  if (!stream.has_value()) return std::nullopt;
  FETTLE_ASSIGN_OR_RETURN(const base::View::Stream found, snapshot.Load(*stream));
  return static_cast<const v1::PersonState&>(*found.state).organisation();
}

// The code of who stands in the organisation's place on the day, empty when nobody does. A chain
// that is too long, or a circle, leads to nobody.
absl::StatusOr<std::string> WhoStandsOn(const base::Snapshot& snapshot,
                                        v1::Organisation organisation, const std::string& day) {
  for (int hop = 0; hop <= kSuccessionHopsMax; ++hop) {
    if (IsValidOn(organisation, day)) return organisation.ods_code();
    if (organisation.successors_size() != 1) break;
    FETTLE_ASSIGN_OR_RETURN(std::optional<v1::Organisation> next,
                            OrganisationOf(snapshot, organisation.successors(0)));
    if (!next.has_value()) break;
    organisation = *std::move(next);
  }
  return "";
}

// EnsurePerson finds the person: the number leads to a record with the same birth date.
absl::StatusOr<bool> IsFound(const base::Snapshot& snapshot, const v1::Digests& digests) {
  if (digests.number_check() != v1::NUMBER_CHECK_PASSED || digests.birth_date().empty()) {
    return false;
  }
  FETTLE_ASSIGN_OR_RETURN(const std::optional<std::string> holder,
                          snapshot.Holder(kNumberIndex, NumberKey(digests)));
  if (!holder.has_value()) return false;
  FETTLE_ASSIGN_OR_RETURN(const base::View::Stream stream, snapshot.Load(*holder));
  return PersonOf(&stream)->digests().birth_date() == digests.birth_date();
}

using Likenesses = std::map<std::string, std::set<v1::DuplicateEvidence>>;

// Records that may be that of whom the digests are, and why; the own one too.
absl::StatusOr<Likenesses> LikenessesOf(const base::Snapshot& snapshot,
                                        const v1::Digests& digests) {
  Likenesses others;
  if (!digests.nhs_number().empty() && digests.number_check() == v1::NUMBER_CHECK_PASSED) {
    FETTLE_ASSIGN_OR_RETURN(const std::optional<std::string> holder,
                            snapshot.Holder(kNumberIndex, NumberKey(digests)));
    if (holder.has_value()) others[*holder].insert(v1::DUPLICATE_EVIDENCE_NHS_NUMBER);
    // Those that do not fit on a page follow when these are resolved.
    FETTLE_ASSIGN_OR_RETURN(const base::ListedPage claims,
                            snapshot.List(kConflictIndex, ClaimsKey(digests), common::v1::Page()));
    for (const std::string& id : claims.streams) {
      others[id].insert(v1::DUPLICATE_EVIDENCE_NHS_NUMBER);
    }
  }
  if (!MatchKey(digests, 1).empty()) {
    for (int slot = 1; slot <= kMatchSlots; ++slot) {
      FETTLE_ASSIGN_OR_RETURN(const std::optional<std::string> holder,
                              snapshot.Holder(kMatchIndex, MatchKey(digests, slot)));
      if (!holder.has_value()) continue;
      others[*holder].insert(v1::DUPLICATE_EVIDENCE_NAME_BIRTH_DATE_POSTCODE);
    }
  }
  return others;
}

}  // namespace

absl::StatusOr<v1::GetPersonResponse> PersonRules::Answer(const base::Snapshot& snapshot,
                                                          const v1::GetPersonRequest& request,
                                                          const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const base::View::Stream stream, snapshot.Load(request.person_id()));
  const v1::Person* person = stream.version == 0 ? nullptr : PersonOf(&stream);
  if (person == nullptr) return PersonNotFound();
  v1::GetPersonResponse response;
  response.set_person_id(person->person_id());
  *response.mutable_demographics() = Shown(person->demographics(), person->restricted(), context);
  response.set_nhs_number_status(person->nhs_number_status());
  if (!person->restricted()) response.set_gp_practice(person->gp_practice());
  response.set_ethnic_category(person->ethnic_category());
  response.set_merged_into(person->merged_into());
  response.set_version(stream.version);
  response.set_position(snapshot.position());
  response.set_death_date(person->death_date());
  response.set_death_notification(person->death_notification());
  response.set_restricted(person->restricted());
  response.set_has_reasonable_adjustment(HasReasonableAdjustment(person->demographics()));
  if (context.caller.role == kAdministrator) {
    if (person->has_imd()) *response.mutable_imd() = person->imd();
    *response.mutable_number_history() = person->number_history();
    if (person->demographics().has_nhs_number()) {
      *response.add_number_history() = CurrentNumber(*person);
    }
    *response.mutable_merged_person_ids() = person->merged_person_ids();
  }
  return response;
}

absl::StatusOr<v1::FindPersonByNhsNumberResponse> PersonRules::Answer(
    const base::Snapshot& snapshot, const v1::FindPersonByNhsNumberRequest& request,
    const base::Context&) {
  std::optional<std::string> holder;
  if (request.digests().number_check() == v1::NUMBER_CHECK_PASSED) {
    FETTLE_ASSIGN_OR_RETURN(holder, snapshot.Holder(kNumberIndex, NumberKey(request.digests())));
  }
  if (!holder.has_value()) return PersonNotFound();
  FETTLE_RETURN_IF_ERROR(snapshot.Load(*holder));  // the one who is found is a subject of the read
  v1::FindPersonByNhsNumberResponse response;
  response.set_person_id(*holder);
  response.set_position(snapshot.position());
  return response;
}

absl::StatusOr<v1::GetPersonContextResponse> PersonRules::Answer(
    const base::Snapshot& snapshot, const v1::GetPersonContextRequest& request,
    const base::Context& context) {
  if (request.person_ids_size() > kContextPeopleMax) {
    return base::InvalidField("person_ids", "TOO_MANY_ITEMS", "at most 200");
  }
  v1::GetPersonContextResponse response;
  for (const std::string& id : request.person_ids()) {
    FETTLE_ASSIGN_OR_RETURN(const base::View::Stream stream, snapshot.Load(id));
    const v1::Person* person = stream.version == 0 ? nullptr : PersonOf(&stream);
    if (person == nullptr) return PersonNotFound();
    v1::PersonContextAndKey& answer = *response.add_people();
    common::v1::PersonContext& facts = *answer.mutable_context();
    facts.set_person_id(id);
    facts.set_version(stream.version);
    // INV-139: what the others are not told can be in none of their events.
    if (!person->restricted()) facts.set_gp_practice(person->gp_practice());
    facts.set_restricted(person->restricted());
    facts.set_deceased(!person->death_date().empty());
    facts.set_death_date(person->death_date());
    if (person->has_imd()) *facts.mutable_imd() = person->imd();
    bool practice_known = false;
    if (!person->gp_practice().empty()) {
      FETTLE_ASSIGN_OR_RETURN(const std::optional<std::string> practice,
                              snapshot.Holder(kOrganisationIndex, Key({person->gp_practice()})));
      if (practice.has_value()) {
        FETTLE_ASSIGN_OR_RETURN(const base::View::Stream found, snapshot.Load(*practice));
        practice_known = true;
        facts.set_icb(static_cast<const v1::PersonState&>(*found.state).organisation().icb());
      }
    }
    for (std::string& item : Missing(*person, practice_known)) {
      facts.add_missing_items(std::move(item));
    }
    // Whoever was merged more than once leads to the one who stands now.
    std::string stands = person->merged_into();
    for (int hop = 0; !stands.empty(); ++hop) {
      if (hop == kMergeHopsMax) return absl::InternalError("a chain of merges does not end");
      facts.set_merged_into(stands);
      FETTLE_ASSIGN_OR_RETURN(const base::View::Stream next, snapshot.Load(stands));
      stands = static_cast<const v1::PersonState&>(*next.state).person().merged_into();
    }
    *answer.mutable_birth_date() = person->demographics().birth_date();
    facts.set_age_years(-1);
    facts.set_age_date(context.today);
  }
  response.set_position(snapshot.position());
  return response;
}

absl::StatusOr<v1::ListNumberConflictsResponse> PersonRules::Answer(
    const base::Snapshot& snapshot, const v1::ListNumberConflictsRequest& request,
    const base::Context&) {
  FETTLE_ASSIGN_OR_RETURN(const base::ListedPage page,
                          snapshot.List(kConflictIndex, ConflictsKey(), request.page()));
  v1::ListNumberConflictsResponse response;
  for (const std::string& stream : page.streams) {
    FETTLE_ASSIGN_OR_RETURN(const base::View::Stream found, snapshot.Load(stream));
    const v1::Person& claimant = *PersonOf(&found);
    FETTLE_ASSIGN_OR_RETURN(const std::optional<std::string> holder_id,
                            snapshot.Holder(kNumberIndex, NumberKey(claimant.digests())));
    v1::NumberConflict& conflict = *response.add_conflicts();
    conflict.set_person_id(stream);
    conflict.set_start_date(claimant.number_start_date());
    if (!holder_id.has_value()) continue;
    FETTLE_ASSIGN_OR_RETURN(const base::View::Stream holder, snapshot.Load(*holder_id));
    conflict.set_holder_person_id(*holder_id);
    const std::string& born = claimant.digests().birth_date();
    conflict.set_birth_dates_differ(!born.empty() &&
                                    born != PersonOf(&holder)->digests().birth_date());
  }
  response.set_next_page_token(page.next);
  response.set_position(snapshot.position());
  return response;
}

absl::StatusOr<v1::FindPossibleDuplicatesResponse> PersonRules::Answer(
    const base::Snapshot& snapshot, const v1::FindPossibleDuplicatesRequest& request,
    const base::Context& context) {
  const bool is_record = !request.person_id().empty();
  if (is_record == request.has_demographics()) {
    return base::InvalidField("person_id", "RECORD_OR_DEMOGRAPHICS",
                              "the id of a record or demographics, one of the two");
  }
  v1::FindPossibleDuplicatesResponse response;
  response.set_position(snapshot.position());
  v1::Digests digests = request.digests();
  bool is_restricted = false;
  if (is_record) {
    FETTLE_ASSIGN_OR_RETURN(const base::View::Stream stream, snapshot.Load(request.person_id()));
    const v1::Person* person = stream.version == 0 ? nullptr : PersonOf(&stream);
    if (person == nullptr) return PersonNotFound();
    digests = person->digests();
    is_restricted = person->restricted();
  } else {
    FETTLE_ASSIGN_OR_RETURN(const bool is_found, IsFound(snapshot, digests));
    if (is_found) return response;
  }
  FETTLE_ASSIGN_OR_RETURN(const Likenesses others, LikenessesOf(snapshot, digests));
  for (const auto& [id, evidence] : others) {
    if (id == request.person_id()) continue;
    // Whoever is looked at is a subject of the read, told of or not.
    FETTLE_ASSIGN_OR_RETURN(const base::View::Stream stream, snapshot.Load(id));
    const v1::Person& other = *PersonOf(&stream);
    // INV-139: to be like somebody is to have their postcode. Whoever merges records must see it.
    const bool is_hidden = other.restricted() || is_restricted;
    if (is_hidden && !(is_record && context.caller.role == kAdministrator)) continue;
    v1::PossibleDuplicate& duplicate = *response.add_duplicates();
    duplicate.set_person_id(id);
    for (const v1::DuplicateEvidence why : evidence) duplicate.add_evidence(why);
  }
  return response;
}

absl::StatusOr<v1::GetOrganisationResponse> PersonRules::Answer(
    const base::Snapshot& snapshot, const v1::GetOrganisationRequest& request,
    const base::Context& context) {
  v1::GetOrganisationResponse response;
  FETTLE_ASSIGN_OR_RETURN(const std::optional<v1::Organisation> organisation,
                          OrganisationOf(snapshot, request.ods_code()));
  if (!organisation.has_value()) {
    return Refuse(absl::StatusCode::kNotFound, "ORGANISATION_NOT_FOUND",
                  "no organisation with this ODS code is registered");
  }
  const std::string& day = request.valid_on().empty() ? context.today : request.valid_on();
  FETTLE_ASSIGN_OR_RETURN(const std::string current, WhoStandsOn(snapshot, *organisation, day));
  if (!request.valid_on().empty() && !IsValidOn(*organisation, request.valid_on())) {
    return Refuse(absl::StatusCode::kFailedPrecondition, "ORGANISATION_NOT_VALID_ON_DATE",
                  "the organisation was not open on this day",
                  {{"start_date", organisation->start_date()},
                   {"end_date", organisation->end_date()},
                   {"current_ods_code", current}});
  }
  *response.mutable_organisation() = *organisation;
  response.set_current_ods_code(current);
  response.set_position(snapshot.position());
  return response;
}

absl::StatusOr<v1::ListOrganisationsResponse> PersonRules::Answer(
    const base::Snapshot& snapshot, const v1::ListOrganisationsRequest& request,
    const base::Context&) {
  FETTLE_ASSIGN_OR_RETURN(
      const base::ListedPage page,
      request.member_of().empty()
          ? snapshot.List(kKindIndex, KindKey(request.kind()), request.page())
          : snapshot.List(kMemberIndex, Key({request.member_of()}), request.page()));
  v1::ListOrganisationsResponse response;
  for (const std::string& stream : page.streams) {
    FETTLE_ASSIGN_OR_RETURN(const base::View::Stream found, snapshot.Load(stream));
    *response.add_organisations() =
        static_cast<const v1::PersonState&>(*found.state).organisation();
  }
  response.set_next_page_token(page.next);
  response.set_position(snapshot.position());
  return response;
}

}  // namespace fettle::person
