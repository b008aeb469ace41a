#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/nhs/ethnic_category.h"
#include "libs/nhs/imd.h"
#include "services/person/domain/person_common.h"

namespace fettle::person {
namespace {

using base::Key;
using base::Refuse;
using common::v1::SealedText;

// The person who holds the number of the request now.
std::optional<std::string> HolderOf(const base::View& view, const v1::Digests& digests) {
  if (digests.number_check() != v1::NUMBER_CHECK_PASSED) return std::nullopt;
  return view.Holder(kNumberIndex, NumberKey(digests));
}

// A valid number with the same birth date finds; anything else does not.
std::optional<std::string> Found(const base::View& view, const v1::Digests& digests) {
  std::optional<std::string> holder = HolderOf(view, digests);
  if (!holder.has_value() || digests.birth_date().empty()) return std::nullopt;
  const v1::Person* person = PersonIn(view, *holder);
  if (person == nullptr || person->digests().birth_date() != digests.birth_date()) {
    return std::nullopt;
  }
  return holder;
}

base::Reads NumberAndPractice(const v1::Digests& digests, const std::string& gp_practice) {
  base::Reads reads;
  if (digests.number_check() == v1::NUMBER_CHECK_PASSED) {
    reads.unique.emplace_back(kNumberIndex, NumberKey(digests));
  }
  if (!gp_practice.empty()) reads.unique.emplace_back(kOrganisationIndex, Key({gp_practice}));
  return reads;
}

// INV-10: a new record names organisations that are known and valid on its day. Lenient partners'
// codes are kept as they came; what is not known counts as missing.
absl::Status CheckPractice(const base::View& view, const std::string& gp_practice,
                           v1::NumberPolicy policy, const std::string& today) {
  if (gp_practice.empty() || policy == v1::NUMBER_POLICY_LENIENT) return absl::OkStatus();
  const std::optional<std::string> stream = view.Holder(kOrganisationIndex, Key({gp_practice}));
  if (!stream.has_value()) {
    return base::InvalidField("gp_practice", "ORGANISATION_NOT_KNOWN",
                              "the ODS code of a registered organisation");
  }
  const v1::PersonState* state = view.StateOf<v1::PersonState>(*stream);
  if (state == nullptr || !IsValidOn(state->organisation(), today)) {
    return base::InvalidField("gp_practice", "ORGANISATION_NOT_VALID_ON_DATE",
                              "an organisation that is open today");
  }
  return absl::OkStatus();
}

absl::Status CheckCategory(const std::string& category) {
  if (category.empty() || nhs::IsEthnicCategory(category)) return absl::OkStatus();
  return base::InvalidField(
      "ethnic_category", "ETHNIC_CATEGORY_UNKNOWN",
      "a code of the NHS Data Dictionary's ETHNIC CATEGORY 2001, 99 included");
}

// INV-13: the edition always stands beside the decile. The door has seen that it is 1 to 10.
template <class Request>
absl::Status CheckImd(const Request& request) {
  if (!request.has_imd() || nhs::IsImdEdition(request.imd().edition())) return absl::OkStatus();
  return base::InvalidField("imd.edition", "IMD_EDITION_UNKNOWN",
                            "a year that the index was published for: 2015, 2019 or 2025");
}

// INV-4: with a strict partner a number that fails its check digit is refused.
absl::Status CheckNumber(const v1::Digests& digests, v1::NumberPolicy policy) {
  if (digests.number_check() == v1::NUMBER_CHECK_FAILED && policy == v1::NUMBER_POLICY_STRICT) {
    return base::InvalidField("demographics.nhs_number", "NHS_NUMBER_INVALID",
                              "10 digits with a valid check digit");
  }
  return absl::OkStatus();
}

// What the record may say of its number, whatever the sender said (INV-4).
v1::NhsNumberStatus StatusOf(v1::NhsNumberStatus claimed, v1::NumberCheck check, bool conflict) {
  if (conflict) return v1::NHS_NUMBER_STATUS_NO_OR_MULTIPLE_MATCH;
  switch (check) {
    case v1::NUMBER_CHECK_PASSED:
      return claimed == v1::NHS_NUMBER_STATUS_UNSPECIFIED ? v1::NHS_NUMBER_STATUS_PRESENT_NOT_TRACED
                                                          : claimed;
    case v1::NUMBER_CHECK_FAILED:
      return v1::NHS_NUMBER_STATUS_PRESENT_NOT_TRACED;
    default:
      return claimed == v1::NHS_NUMBER_STATUS_UNSPECIFIED ||
                     claimed == v1::NHS_NUMBER_STATUS_PRESENT_AND_VERIFIED ||
                     claimed == v1::NHS_NUMBER_STATUS_PRESENT_NOT_TRACED
                 ? v1::NHS_NUMBER_STATUS_TRACE_REQUIRED
                 : claimed;
  }
}

// INV-7: without a number, the status says why, and name and birth date stand in for it. Lenient
// partners' first messages may lack them: the record lists what is missing.
absl::Status CheckIdentity(const v1::EnsurePersonRequest& request) {
  if (request.digests().number_check() != v1::NUMBER_CHECK_ABSENT ||
      request.number_policy() == v1::NUMBER_POLICY_LENIENT) {
    return absl::OkStatus();
  }
  if (request.nhs_number_status() < v1::NHS_NUMBER_STATUS_TRACE_REQUIRED) {
    return base::InvalidField("nhs_number_status", "NHS_NUMBER_STATUS_NEEDED",
                              "03 to 08 when there is no NHS number");
  }
  base::FieldViolations violations;
  const v1::Demographics& person = request.demographics();
  const auto need = [&](const SealedText& words, std::string_view field) {
    if (!IsThere(words)) {
      violations.Add(field, "FIELD_REQUIRED", "a value when there is no NHS number");
    }
  };
  need(person.first_name(), "demographics.first_name");
  need(person.family_name(), "demographics.family_name");
  need(person.birth_date(), "demographics.birth_date");
  return violations.ToStatus();
}

bool HasContact(const v1::Demographics& person, v1::ContactKind kind) {
  const auto& points = person.profile().contact_points();
  return std::any_of(points.begin(), points.end(),
                     [&](const v1::ContactPoint& point) { return point.kind() == kind; });
}

// The field of the request that gives the detail a value, empty when none does.
std::string_view FieldGiven(const v1::UpdatePersonRequest& request, v1::RemovableDetail detail) {
  const v1::Demographics& given = request.demographics();
  switch (detail) {
    case v1::REMOVABLE_DETAIL_PREFERRED_NAME:
      return given.profile().has_preferred_name() ? "demographics.profile.preferred_name" : "";
    case v1::REMOVABLE_DETAIL_TELEPHONE:
      if (given.has_telephone()) return "demographics.telephone";
      return HasContact(given, v1::CONTACT_KIND_TELEPHONE) ? "demographics.profile.contact_points"
                                                           : "";
    case v1::REMOVABLE_DETAIL_EMAIL:
      if (given.has_email()) return "demographics.email";
      return HasContact(given, v1::CONTACT_KIND_EMAIL) ? "demographics.profile.contact_points" : "";
    case v1::REMOVABLE_DETAIL_ADDRESS:
      return given.address_lines_size() > 0 ? "demographics.address_lines" : "";
    case v1::REMOVABLE_DETAIL_POSTCODE:
      if (given.has_postcode()) return "demographics.postcode";
      return request.has_imd() ? "imd" : "";
    case v1::REMOVABLE_DETAIL_NEEDS:
      return given.profile().needs_size() > 0 ? "demographics.profile.needs" : "";
    default:
      return "";
  }
}

absl::Status CheckRemoved(const v1::UpdatePersonRequest& request) {
  base::FieldViolations violations;
  for (int i = 0; i < request.removed_size(); ++i) {
    if (request.removed(i) == v1::REMOVABLE_DETAIL_UNSPECIFIED) {
      violations.Add(absl::StrCat("removed[", i, "]"), "DETAIL_NOT_REMOVABLE",
                     "a preferred name, telephone, email, address, postcode or needs");
    } else if (const std::string_view field = FieldGiven(request, request.removed(i));
               !field.empty()) {
      violations.Add(field, "DETAIL_GIVEN_AND_REMOVED", "left out when it is removed");
    }
  }
  return violations.ToStatus();
}

absl::Status CheckStands(const v1::Person& person) {
  if (person.merged_into().empty()) return absl::OkStatus();
  return Refuse(absl::StatusCode::kFailedPrecondition, "PERSON_MERGED",
                "the record was merged into another, which stands for the person now",
                {{"person_id", person.person_id()}, {"merged_into", person.merged_into()}});
}

// The person whom a command names, if the record stands for itself.
absl::StatusOr<const v1::Person*> WhoStands(const base::View& view, const std::string& id) {
  const v1::Person* person = PersonIn(view, id);
  if (person == nullptr) return PersonNotFound();
  FETTLE_RETURN_IF_ERROR(CheckStands(*person));
  return person;
}

absl::Status EvidenceStale(std::string message) {
  return Refuse(absl::StatusCode::kAborted, "EVIDENCE_STALE", std::move(message));
}

absl::Status TooManyNumbers() {
  return Refuse(absl::StatusCode::kFailedPrecondition, "TOO_MANY_NUMBERS",
                absl::StrCat("a record keeps at most ", kNumbersMax, " NHS numbers"),
                {{"numbers_max", absl::StrCat(kNumbersMax)}});
}

// INV-139: the practice of a restricted person is in no event.
template <class Event>
void SetPractice(Event& event, const std::string& practice, bool restricted) {
  if (practice.empty()) return;
  if (restricted) {
    event.mutable_withheld()->set_gp_practice(practice);
  } else {
    event.set_gp_practice(practice);
  }
}

// INV-15: the sex leaves an event that has the gender, for one of its own.
template <class Response, class Event>
void PartSexFromGender(base::Decision<Response>& decision, const std::string& person_id,
                       Event& event) {
  if (!event.demographics().has_gender() || !event.demographics().profile().has_sex()) return;
  v1::Demographics& demographics = *event.mutable_demographics();
  v1::PersonUpdated& apart =
      *decision.template Add<v1::PersonEvent>(person_id).mutable_person_updated();
  *apart.mutable_demographics()->mutable_profile()->mutable_sex() = demographics.profile().sex();
  apart.set_nhs_number_status(event.nhs_number_status());
  apart.set_holds_number(event.holds_number());
  apart.set_match_slot(event.match_slot());
  demographics.mutable_profile()->clear_sex();
  if (demographics.profile().ByteSizeLong() == 0) demographics.clear_profile();
}

// INV-12: that nobody asked says less than any answer, a refusal to answer included.
bool SaysMore(const std::string& category, const std::string& known) {
  return !category.empty() && (known.empty() || (known == nhs::kEthnicityNotKnown &&
                                                 category != nhs::kEthnicityNotKnown));
}

// The digests of the record after what it lacks was brought, and after what is set was replaced.
v1::Digests Completed(const v1::Digests& known, const v1::Digests& brought) {
  v1::Digests after = known;
  *after.mutable_match() = brought.match();
  after.mutable_match()->MergeFrom(known.match());
  return after;
}
v1::Digests Replaced(const v1::Digests& known, const v1::UpdatePersonRequest& request) {
  v1::Digests after = known;
  const v1::Digests& set = request.digests();
  if (IsRemoved(request.removed(), v1::REMOVABLE_DETAIL_POSTCODE)) {
    after.mutable_match()->clear_postcode();
  }
  after.mutable_match()->MergeFrom(set.match());
  if (!set.birth_date().empty()) after.set_birth_date(set.birth_date());
  return after;
}

// All places for these digests. None when the record has them already.
void ReadPlaces(base::Reads& reads, const v1::Digests& digests, const v1::Digests& known = {}) {
  if (MatchKey(digests, 1).empty() || MatchKey(digests, 1) == MatchKey(known, 1)) return;
  for (int slot = 1; slot <= kMatchSlots; ++slot) {
    reads.unique.emplace_back(kMatchIndex, MatchKey(digests, slot));
  }
}

// The first place that is free, 0 when there is none; who has the others goes into `others`.
int FreePlace(const base::View& view, const v1::Digests& digests,
              std::vector<std::string>* others = nullptr) {
  int free = 0;
  if (MatchKey(digests, 1).empty()) return free;
  for (int slot = kMatchSlots; slot > 0; --slot) {
    std::optional<std::string> holder = view.Holder(kMatchIndex, MatchKey(digests, slot));
    if (!holder.has_value()) {
      free = slot;
    } else if (others != nullptr) {
      others->push_back(*std::move(holder));
    }
  }
  return free;
}

// The record's place after its digests became `after`.
int PlaceOf(const base::View& view, const v1::Person& person, const v1::Digests& after) {
  return MatchKey(after, 1) == MatchKey(person.digests(), 1) ? person.match_slot()
                                                             : FreePlace(view, after);
}

// Who may see that others are known here.
bool MaySeeDuplicates(const base::Caller& caller) {
  return caller.role == "administrator" || caller.role == "link_worker";
}

// The digests of what is new.
v1::MatchDigests MatchOf(const v1::Demographics& added, const v1::MatchDigests& from) {
  v1::MatchDigests match;
  if (added.has_first_name()) match.set_first_name(from.first_name());
  if (added.has_family_name()) match.set_family_name(from.family_name());
  if (added.has_postcode()) match.set_postcode(from.postcode());
  return match;
}

// What a request brings to the record that it found.
void Bring(base::Decision<v1::EnsurePersonResponse>& decision, const base::View& view,
           const v1::Person& person, const v1::EnsurePersonRequest& request) {
  const bool restricted = person.restricted() || request.restricted();
  if (restricted && !person.restricted()) {
    decision.Add<v1::PersonEvent>(person.person_id()).mutable_person_restricted();
  }
  v1::PersonUpdated update;
  *update.mutable_demographics() = request.demographics();
  RemoveWhatIsSet(*update.mutable_demographics(), person.demographics());
  if (update.demographics().ByteSizeLong() == 0) update.clear_demographics();
  const v1::MatchDigests match = MatchOf(update.demographics(), request.digests().match());
  if (match.ByteSizeLong() > 0) *update.mutable_digests()->mutable_match() = match;
  if (person.gp_practice().empty()) SetPractice(update, request.gp_practice(), restricted);
  if (SaysMore(request.ethnic_category(), person.ethnic_category())) {
    update.set_ethnic_category(request.ethnic_category());
  }
  if (!person.has_imd() && request.has_imd()) *update.mutable_imd() = request.imd();
  if (update.ByteSizeLong() == 0) return;
  update.set_nhs_number_status(person.nhs_number_status());
  update.set_holds_number(person.holds_number());
  update.set_match_slot(PlaceOf(view, person, Completed(person.digests(), request.digests())));
  v1::PersonUpdated& updated =
      *decision.Add<v1::PersonEvent>(person.person_id()).mutable_person_updated();
  updated = std::move(update);
  PartSexFromGender(decision, person.person_id(), updated);
}

base::Reads OnePerson(const std::string& id) { return {.streams = {id}, .unique = {}}; }

// The number that the record of a request claims, when it is known which one that is.
base::Reads WithClaimedNumber(base::Reads reads, const std::string& id, const base::View& view) {
  if (!view.Has(id)) return reads;
  const v1::Person* person = PersonIn(view, id);
  if (person != nullptr && ClaimsNumber(*person)) {
    reads.unique.emplace_back(kNumberIndex, NumberKey(person->digests()));
  }
  return reads;
}

}  // namespace

base::Reads PersonRules::ReadsOf(const v1::EnsurePersonRequest& request, const base::View& view) {
  base::Reads reads = NumberAndPractice(request.digests(), request.gp_practice());
  ReadPlaces(reads, request.digests());
  if (view.HasKey(kNumberIndex, NumberKey(request.digests()))) {
    if (const std::optional<std::string> found = Found(view, request.digests())) {
      const v1::Digests& known = PersonIn(view, *found)->digests();
      ReadPlaces(reads, Completed(known, request.digests()), known);
    }
  }
  return reads;
}

base::Reads PersonRules::ReadsOf(const v1::UpdatePersonRequest& request, const base::View& view) {
  base::Reads reads = NumberAndPractice(request.digests(), request.gp_practice());
  reads.streams.push_back(request.person_id());
  if (view.Has(request.person_id())) {
    if (const v1::Person* person = PersonIn(view, request.person_id())) {
      ReadPlaces(reads, Replaced(person->digests(), request), person->digests());
    }
  }
  return reads;
}

base::Reads PersonRules::ReadsOf(const v1::MergePersonsRequest& request, const base::View& view) {
  return WithClaimedNumber(
      {.streams = {request.surviving_person_id(), request.merged_person_id()}, .unique = {}},
      request.merged_person_id(), view);
}

base::Reads PersonRules::ReadsOf(const v1::RecordDeathRequest& request, const base::View&) {
  return OnePerson(request.person_id());
}

base::Reads PersonRules::ReadsOf(const v1::WithdrawDeathRequest& request, const base::View&) {
  return OnePerson(request.person_id());
}

base::Reads PersonRules::ReadsOf(const v1::RestrictPersonRequest& request, const base::View&) {
  return OnePerson(request.person_id());
}

base::Reads PersonRules::ReadsOf(const v1::LiftRestrictionRequest& request, const base::View&) {
  return OnePerson(request.person_id());
}

base::Reads PersonRules::ReadsOf(const v1::ResolveNumberConflictRequest& request,
                                 const base::View& view) {
  return WithClaimedNumber(OnePerson(request.person_id()), request.person_id(), view);
}

base::Questions PersonRules::QuestionsOf(const v1::EnsurePersonRequest& request,
                                         const base::View& view) {
  base::Questions questions;
  const std::optional<std::string> found = Found(view, request.digests());
  questions.seal_for = found.value_or(request.new_person_id());
  questions.make_key = !found.has_value();
  return questions;
}

base::Questions PersonRules::QuestionsOf(const v1::UpdatePersonRequest& request,
                                         const base::View&) {
  base::Questions questions;
  questions.seal_for = request.person_id();
  return questions;
}

PersonRules::Decided<v1::EnsurePersonResponse> PersonRules::Decide(
    const base::View& view, const v1::EnsurePersonRequest& request, const base::Context& context) {
  FETTLE_RETURN_IF_ERROR(CheckNumber(request.digests(), request.number_policy()));
  FETTLE_RETURN_IF_ERROR(CheckIdentity(request));
  FETTLE_RETURN_IF_ERROR(CheckCategory(request.ethnic_category()));
  FETTLE_RETURN_IF_ERROR(CheckImd(request));
  FETTLE_RETURN_IF_ERROR(
      CheckPractice(view, request.gp_practice(), request.number_policy(), context.today));

  base::Decision<v1::EnsurePersonResponse> decision;
  if (const std::optional<std::string> found = Found(view, request.digests())) {
    Bring(decision, view, *PersonIn(view, *found), request);
    const bool has_words =
        std::any_of(decision.events.begin(), decision.events.end(), [](const auto& event) {
          return static_cast<const Event&>(*event.event).person_updated().has_demographics();
        });
    if (has_words && context.evidence->sealed_for != *found) {
      return EvidenceStale("the person was registered a moment ago; try again");
    }
    decision.response.set_person_id(*found);
    return decision;
  }

  if (request.demographics().ByteSizeLong() > 0 &&
      context.evidence->sealed_for != request.new_person_id()) {
    return EvidenceStale("the record changed while the request was on its way; try again");
  }
  const bool conflict = HolderOf(view, request.digests()).has_value();
  const v1::NumberCheck check = request.digests().number_check();
  v1::PersonRegistered& registered =
      *decision.Add<Event>(request.new_person_id()).mutable_person_registered();
  *registered.mutable_demographics() = request.demographics();
  *registered.mutable_digests() = request.digests();
  registered.set_nhs_number_status(StatusOf(request.nhs_number_status(), check, conflict));
  registered.set_holds_number(check == v1::NUMBER_CHECK_PASSED && !conflict);
  SetPractice(registered, request.gp_practice(), request.restricted());
  registered.set_ethnic_category(request.ethnic_category());
  if (request.has_imd()) *registered.mutable_imd() = request.imd();
  registered.set_restricted(request.restricted());
  std::vector<std::string> others;
  registered.set_match_slot(FreePlace(view, request.digests(), &others));
  if (conflict) others.push_back(*HolderOf(view, request.digests()));
  std::sort(others.begin(), others.end());
  others.erase(std::unique(others.begin(), others.end()), others.end());
  registered.mutable_possible_duplicates()->Assign(others.begin(), others.end());
  PartSexFromGender(decision, request.new_person_id(), registered);
  decision.response.set_person_id(request.new_person_id());
  decision.response.set_registered(true);
  decision.response.set_number_conflict(conflict);
  if (MaySeeDuplicates(context.caller)) {
    // INV-139: the postcode that the caller named would be confirmed.
    for (const std::string& id : others) {
      if (!PersonIn(view, id)->restricted()) decision.response.add_possible_duplicates(id);
    }
  }
  return decision;
}

PersonRules::Decided<v1::UpdatePersonResponse> PersonRules::Decide(
    const base::View& view, const v1::UpdatePersonRequest& request, const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const v1::Person* person, WhoStands(view, request.person_id()));
  FETTLE_RETURN_IF_ERROR(CheckRemoved(request));
  FETTLE_RETURN_IF_ERROR(CheckNumber(request.digests(), request.number_policy()));
  FETTLE_RETURN_IF_ERROR(CheckCategory(request.ethnic_category()));
  FETTLE_RETURN_IF_ERROR(CheckImd(request));
  FETTLE_RETURN_IF_ERROR(
      CheckPractice(view, request.gp_practice(), request.number_policy(), context.today));
  if (request.demographics().ByteSizeLong() > 0 &&
      context.evidence->sealed_for != request.person_id()) {
    return EvidenceStale("the record changed while the request was on its way; try again");
  }

  base::Decision<v1::UpdatePersonResponse> decision;
  v1::PersonUpdated& updated = *decision.Add<Event>(request.person_id()).mutable_person_updated();
  if (request.has_demographics()) *updated.mutable_demographics() = request.demographics();
  *updated.mutable_removed() = request.removed();
  // Numbers of which none fits into the field: the one there is none of theirs.
  if (HasContact(request.demographics(), v1::CONTACT_KIND_TELEPHONE) &&
      !request.demographics().has_telephone()) {
    updated.add_removed(v1::REMOVABLE_DETAIL_TELEPHONE);
  }
  v1::Digests& digests = *updated.mutable_digests();
  digests = request.digests();
  if (digests.number_check() == v1::NUMBER_CHECK_FAILED && person->holds_number()) {
    updated.mutable_demographics()->clear_nhs_number();
    digests.clear_nhs_number();
    digests.set_number_check(v1::NUMBER_CHECK_ABSENT);
  }
  SetPractice(updated, request.gp_practice(), person->restricted());
  updated.set_ethnic_category(request.ethnic_category());
  updated.set_nhs_number_status(person->nhs_number_status());
  updated.set_holds_number(person->holds_number());
  const v1::NumberCheck check = digests.number_check();
  if (check != v1::NUMBER_CHECK_ABSENT) {
    if (digests.nhs_number() != person->digests().nhs_number() &&
        person->number_history_size() >= kNumbersMax) {
      return TooManyNumbers();
    }
    const std::optional<std::string> holder = HolderOf(view, digests);
    const bool conflict = holder.has_value() && *holder != request.person_id();
    updated.set_nhs_number_status(StatusOf(request.nhs_number_status(), check, conflict));
    updated.set_holds_number(check == v1::NUMBER_CHECK_PASSED && !conflict);
    decision.response.set_number_conflict(conflict);
  } else if (request.nhs_number_status() != v1::NHS_NUMBER_STATUS_UNSPECIFIED) {
    updated.set_nhs_number_status(StatusOf(
        request.nhs_number_status(), person->digests().number_check(), ClaimsNumber(*person)));
  }
  if (request.has_imd()) {
    *updated.mutable_imd() = request.imd();
  } else {
    const bool is_elsewhere = Replaced(person->digests(), request).match().postcode() !=
                              person->digests().match().postcode();
    const bool is_nowhere = IsRemoved(request.removed(), v1::REMOVABLE_DETAIL_POSTCODE);
    updated.set_imd_cleared(person->has_imd() && (is_elsewhere || is_nowhere));
  }
  updated.set_match_slot(PlaceOf(view, *person, Replaced(person->digests(), request)));
  PartSexFromGender(decision, request.person_id(), updated);
  return decision;
}

PersonRules::Decided<v1::MergePersonsResponse> PersonRules::Decide(
    const base::View& view, const v1::MergePersonsRequest& request, const base::Context&) {
  if (request.surviving_person_id() == request.merged_person_id()) {
    return base::InvalidField("merged_person_id", "PERSONS_ARE_THE_SAME", "another person's id");
  }
  const v1::Person* surviving = PersonIn(view, request.surviving_person_id());
  const v1::Person* merged = PersonIn(view, request.merged_person_id());
  if (surviving == nullptr || merged == nullptr) return PersonNotFound();
  FETTLE_RETURN_IF_ERROR(CheckStands(*surviving));
  FETTLE_RETURN_IF_ERROR(CheckStands(*merged));
  if (ClaimsNumber(*merged)) {
    const std::optional<std::string> holder =
        view.Holder(kNumberIndex, NumberKey(merged->digests()));
    if (holder.has_value() && *holder != surviving->person_id()) {
      return Refuse(absl::StatusCode::kFailedPrecondition, "NUMBER_CONFLICT_OPEN",
                    "the merged record claims the NHS number of a third one; say whose it is first",
                    {{"holder_person_id", *holder}});
    }
  }
  if (surviving->former_numbers_size() + merged->former_numbers_size() >= kNumbersMax) {
    return TooManyNumbers();
  }
  if (surviving->merged_person_ids_size() >= kMergedPersonsMax ||
      merged->merge_depth() + 1 >= kMergeHopsMax) {
    return Refuse(absl::StatusCode::kFailedPrecondition, "TOO_MANY_MERGES",
                  absl::StrCat("at most ", kMergedPersonsMax,
                               " records are merged into one, one after another at most ",
                               kMergeHopsMax, " times"));
  }

  base::Decision<v1::MergePersonsResponse> decision;
  decision.Add<Event>(request.merged_person_id())
      .mutable_person_superseded()
      ->set_surviving_person_id(request.surviving_person_id());
  v1::PersonsMerged& merge =
      *decision.Add<Event>(request.surviving_person_id()).mutable_persons_merged();
  merge.set_merged_person_id(request.merged_person_id());
  if (merged->holds_number()) merge.add_former_numbers(merged->digests().nhs_number());
  for (const std::string& number : merged->former_numbers()) merge.add_former_numbers(number);
  if (ClaimsNumber(*surviving) &&
      std::count(merge.former_numbers().begin(), merge.former_numbers().end(),
                 surviving->digests().nhs_number()) > 0) {
    merge.set_nhs_number_status(v1::NHS_NUMBER_STATUS_PRESENT_NOT_TRACED);
  }
  merge.set_restricted(merged->restricted() && !surviving->restricted());
  if (surviving->death_date().empty()) {
    merge.set_death_date(merged->death_date());
    merge.set_death_notification(merged->death_notification());
  }
  merge.set_merge_depth(merged->merge_depth());
  return decision;
}

PersonRules::Decided<v1::RecordDeathResponse> PersonRules::Decide(
    const base::View& view, const v1::RecordDeathRequest& request, const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const v1::Person* person, WhoStands(view, request.person_id()));
  if (request.death_date() > context.today) {
    return base::InvalidField("death_date", "DATE_IN_FUTURE", "today or earlier");
  }
  base::Decision<v1::RecordDeathResponse> decision;
  if (person->death_date() == request.death_date() &&
      person->death_notification() >= request.notification()) {
    return decision;
  }
  v1::PersonDied& died = *decision.Add<Event>(request.person_id()).mutable_person_died();
  died.set_death_date(request.death_date());
  died.set_notification(request.notification());
  return decision;
}

PersonRules::Decided<v1::WithdrawDeathResponse> PersonRules::Decide(
    const base::View& view, const v1::WithdrawDeathRequest& request, const base::Context&) {
  FETTLE_ASSIGN_OR_RETURN(const v1::Person* person, WhoStands(view, request.person_id()));
  if (person->death_date().empty()) {
    return Refuse(absl::StatusCode::kFailedPrecondition, "NO_DEATH_RECORDED",
                  "no death of this person is recorded");
  }
  base::Decision<v1::WithdrawDeathResponse> decision;
  decision.Add<Event>(request.person_id())
      .mutable_person_death_withdrawn()
      ->set_reason(request.reason());
  return decision;
}

PersonRules::Decided<v1::RestrictPersonResponse> PersonRules::Decide(
    const base::View& view, const v1::RestrictPersonRequest& request, const base::Context&) {
  FETTLE_ASSIGN_OR_RETURN(const v1::Person* person, WhoStands(view, request.person_id()));
  base::Decision<v1::RestrictPersonResponse> decision;
  if (!person->restricted()) {
    decision.Add<Event>(request.person_id()).mutable_person_restricted();
  }
  return decision;
}

PersonRules::Decided<v1::LiftRestrictionResponse> PersonRules::Decide(
    const base::View& view, const v1::LiftRestrictionRequest& request, const base::Context&) {
  FETTLE_ASSIGN_OR_RETURN(const v1::Person* person, WhoStands(view, request.person_id()));
  base::Decision<v1::LiftRestrictionResponse> decision;
  if (person->restricted()) {
    decision.Add<Event>(request.person_id()).mutable_person_restriction_lifted();
  }
  return decision;
}

PersonRules::Decided<v1::ResolveNumberConflictResponse> PersonRules::Decide(
    const base::View& view, const v1::ResolveNumberConflictRequest& request, const base::Context&) {
  FETTLE_ASSIGN_OR_RETURN(const v1::Person* claimant, WhoStands(view, request.person_id()));
  if (!ClaimsNumber(*claimant)) {
    return Refuse(absl::StatusCode::kFailedPrecondition, "NO_NUMBER_CONFLICT",
                  "the record claims no NHS number that another one holds");
  }
  const std::string number = claimant->digests().nhs_number();
  const std::string holder_id =
      view.Holder(kNumberIndex, NumberKey(claimant->digests())).value_or("");
  if (holder_id != request.holder_person_id()) {
    return Refuse(absl::StatusCode::kFailedPrecondition, "NUMBER_HOLDER_CHANGED",
                  "another record holds the NHS number by now; look again",
                  {{"holder_person_id", holder_id}});
  }
  const v1::Person& holder = *PersonIn(view, holder_id);

  base::Decision<v1::ResolveNumberConflictResponse> decision;
  const bool moves = request.outcome() == v1::NUMBER_CONFLICT_OUTCOME_CLAIMANT_GETS;
  if (moves) {
    v1::NumberReleased& released = *decision.Add<Event>(holder_id).mutable_number_released();
    released.set_claimant_person_id(request.person_id());
    released.set_nhs_number(number);
    released.set_nhs_number_status(holder.digests().nhs_number() == number
                                       ? v1::NHS_NUMBER_STATUS_TRACE_REQUIRED
                                       : holder.nhs_number_status());
  }
  v1::NumberConflictResolved& resolved =
      *decision.Add<Event>(request.person_id()).mutable_number_conflict_resolved();
  resolved.set_holder_person_id(holder_id);
  resolved.set_outcome(request.outcome());
  resolved.set_nhs_number_status(moves ? v1::NHS_NUMBER_STATUS_PRESENT_NOT_TRACED
                                       : v1::NHS_NUMBER_STATUS_TRACE_REQUIRED);
  return decision;
}

}  // namespace fettle::person
