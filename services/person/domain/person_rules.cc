#include "services/person/domain/person_rules.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/nhs/ethnic_category.h"

namespace fettle::person {
namespace {

using base::Key;
using base::Refuse;
using common::v1::SealedText;

// Merges of merges that are followed; a longer chain is a fault.
constexpr int kMergeHopsMax = 16;
constexpr int kContextPeopleMax = 200;

absl::Status PersonNotFound() {
  return Refuse(absl::StatusCode::kNotFound, "PERSON_NOT_FOUND", "no such person");
}

bool IsThere(const SealedText& words) { return !words.sealed().empty() || !words.text().empty(); }

const v1::Person* PersonOf(const base::View::Stream* stream) {
  if (stream == nullptr) return nullptr;
  const auto& state = static_cast<const v1::PersonState&>(*stream->state);
  return state.has_person() ? &state.person() : nullptr;
}

const v1::Person* PersonIn(const base::View& view, const std::string& id) {
  return PersonOf(view.Find(id));
}

std::string NumberKey(const v1::Digests& digests) { return Key({digests.nhs_number()}); }

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

// The fields of `from` that `to` lacks.
v1::Demographics WhatIsNew(const v1::Demographics& to, const v1::Demographics& from) {
  v1::Demographics added;
  const auto* reflection = v1::Demographics::GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(from, &fields);
  for (const auto* field : fields) {
    const bool known = field->is_repeated() ? reflection->FieldSize(to, field) > 0
                                            : reflection->HasField(to, field);
    if (known) continue;
    if (field->is_repeated()) {
      for (int i = 0; i < reflection->FieldSize(from, field); ++i) {
        reflection->AddMessage(&added, field)
            ->CopyFrom(reflection->GetRepeatedMessage(from, field, i));
      }
    } else {
      reflection->MutableMessage(&added, field)->CopyFrom(reflection->GetMessage(from, field));
    }
  }
  return added;
}

// The fields of `from` replace those of `to`.
void Replace(v1::Demographics& to, const v1::Demographics& from) {
  const auto* reflection = v1::Demographics::GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(from, &fields);
  for (const auto* field : fields) reflection->ClearField(&to, field);
  to.MergeFrom(from);
}

std::vector<std::string> Missing(const v1::Person& person, bool practice_known) {
  std::vector<std::string> missing;
  if (!IsThere(person.demographics().first_name())) missing.push_back("first_name");
  if (!IsThere(person.demographics().family_name())) missing.push_back("family_name");
  if (!IsThere(person.demographics().birth_date())) missing.push_back("date_of_birth");
  if (person.gp_practice().empty() || !practice_known) missing.push_back("gp_practice");
  return missing;
}

std::string KindKey(int kind) { return Key({absl::StrCat(kind)}); }

}  // namespace

bool IsValidOn(const v1::Organisation& organisation, std::string_view date) {
  return organisation.start_date() <= date &&
         (organisation.end_date().empty() || date <= organisation.end_date());
}

base::Reads PersonRules::ReadsOf(const v1::EnsurePersonRequest& request, const base::View&) {
  return NumberAndPractice(request.digests(), request.gp_practice());
}

base::Reads PersonRules::ReadsOf(const v1::UpdatePersonRequest& request, const base::View&) {
  base::Reads reads = NumberAndPractice(request.digests(), request.gp_practice());
  reads.streams.push_back(request.person_id());
  return reads;
}

base::Reads PersonRules::ReadsOf(const v1::MergePersonsRequest& request, const base::View&) {
  return {.streams = {request.surviving_person_id(), request.merged_person_id()}, .unique = {}};
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
  FETTLE_RETURN_IF_ERROR(
      CheckPractice(view, request.gp_practice(), request.number_policy(), context.today));

  base::Decision<v1::EnsurePersonResponse> decision;
  if (const std::optional<std::string> found = Found(view, request.digests())) {
    const v1::Person& person = *PersonIn(view, *found);
    decision.response.set_person_id(*found);
    v1::PersonUpdated update;
    *update.mutable_demographics() = WhatIsNew(person.demographics(), request.demographics());
    if (person.gp_practice().empty()) update.set_gp_practice(request.gp_practice());
    if (person.ethnic_category().empty()) update.set_ethnic_category(request.ethnic_category());
    if (update.demographics().ByteSizeLong() == 0) update.clear_demographics();
    if (update.ByteSizeLong() == 0) return decision;
    if (update.has_demographics() && context.evidence->sealed_for != *found) {
      return Refuse(absl::StatusCode::kAborted, "EVIDENCE_STALE",
                    "the person was registered a moment ago; try again");
    }
    update.set_nhs_number_status(person.nhs_number_status());
    update.set_holds_number(person.holds_number());
    *decision.Add<Event>(*found).mutable_person_updated() = std::move(update);
    return decision;
  }

  if (request.demographics().ByteSizeLong() > 0 &&
      context.evidence->sealed_for != request.new_person_id()) {
    return Refuse(absl::StatusCode::kAborted, "EVIDENCE_STALE",
                  "the record changed while the request was on its way; try again");
  }
  const bool conflict = HolderOf(view, request.digests()).has_value();
  const v1::NumberCheck check = request.digests().number_check();
  v1::PersonRegistered& registered =
      *decision.Add<Event>(request.new_person_id()).mutable_person_registered();
  *registered.mutable_demographics() = request.demographics();
  *registered.mutable_digests() = request.digests();
  registered.set_nhs_number_status(StatusOf(request.nhs_number_status(), check, conflict));
  registered.set_holds_number(check == v1::NUMBER_CHECK_PASSED && !conflict);
  registered.set_gp_practice(request.gp_practice());
  registered.set_ethnic_category(request.ethnic_category());
  decision.response.set_person_id(request.new_person_id());
  decision.response.set_registered(true);
  decision.response.set_number_conflict(conflict);
  return decision;
}

PersonRules::Decided<v1::UpdatePersonResponse> PersonRules::Decide(
    const base::View& view, const v1::UpdatePersonRequest& request, const base::Context& context) {
  const v1::Person* person = PersonIn(view, request.person_id());
  if (person == nullptr) return PersonNotFound();
  if (!person->merged_into().empty()) {
    return Refuse(absl::StatusCode::kFailedPrecondition, "PERSON_MERGED",
                  "the record was merged into another; change that one",
                  {{"merged_into", person->merged_into()}});
  }
  FETTLE_RETURN_IF_ERROR(CheckNumber(request.digests(), request.number_policy()));
  FETTLE_RETURN_IF_ERROR(CheckCategory(request.ethnic_category()));
  FETTLE_RETURN_IF_ERROR(
      CheckPractice(view, request.gp_practice(), request.number_policy(), context.today));
  if (request.demographics().ByteSizeLong() > 0 &&
      context.evidence->sealed_for != request.person_id()) {
    return Refuse(absl::StatusCode::kAborted, "EVIDENCE_STALE",
                  "the record changed while the request was on its way; try again");
  }

  base::Decision<v1::UpdatePersonResponse> decision;
  v1::PersonUpdated& updated = *decision.Add<Event>(request.person_id()).mutable_person_updated();
  if (request.has_demographics()) *updated.mutable_demographics() = request.demographics();
  *updated.mutable_digests() = request.digests();
  updated.set_gp_practice(request.gp_practice());
  updated.set_ethnic_category(request.ethnic_category());
  updated.set_nhs_number_status(person->nhs_number_status());
  updated.set_holds_number(person->holds_number());
  const v1::NumberCheck check = request.digests().number_check();
  if (check != v1::NUMBER_CHECK_ABSENT) {
    const std::optional<std::string> holder = HolderOf(view, request.digests());
    const bool conflict = holder.has_value() && *holder != request.person_id();
    updated.set_nhs_number_status(StatusOf(request.nhs_number_status(), check, conflict));
    updated.set_holds_number(check == v1::NUMBER_CHECK_PASSED && !conflict);
    decision.response.set_number_conflict(conflict);
  } else if (request.nhs_number_status() != v1::NHS_NUMBER_STATUS_UNSPECIFIED) {
    updated.set_nhs_number_status(
        StatusOf(request.nhs_number_status(), person->digests().number_check(),
                 !person->holds_number() && !person->digests().nhs_number().empty()));
  }
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
  for (const v1::Person* person : {surviving, merged}) {
    if (!person->merged_into().empty()) {
      return Refuse(absl::StatusCode::kFailedPrecondition, "PERSON_MERGED",
                    "one of the records was merged before",
                    {{"person_id", person->person_id()}, {"merged_into", person->merged_into()}});
    }
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
  return decision;
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

void PersonRules::Evolve(State& state, const Event& event) {
  switch (event.event_case()) {
    case Event::kPersonRegistered: {
      v1::Person& person = *state.mutable_person();
      const v1::PersonRegistered& registered = event.person_registered();
      person.set_person_id(event.header().stream_id());
      *person.mutable_demographics() = registered.demographics();
      *person.mutable_digests() = registered.digests();
      person.set_nhs_number_status(registered.nhs_number_status());
      person.set_holds_number(registered.holds_number());
      person.set_gp_practice(registered.gp_practice());
      person.set_ethnic_category(registered.ethnic_category());
      break;
    }
    case Event::kPersonUpdated: {
      v1::Person& person = *state.mutable_person();
      const v1::PersonUpdated& updated = event.person_updated();
      Replace(*person.mutable_demographics(), updated.demographics());
      if (updated.digests().number_check() == v1::NUMBER_CHECK_PASSED ||
          updated.digests().number_check() == v1::NUMBER_CHECK_FAILED) {
        // The number changed: the earlier one leads here for ever (INV-8).
        if (person.holds_number() &&
            person.digests().nhs_number() != updated.digests().nhs_number()) {
          person.add_former_numbers(person.digests().nhs_number());
        }
        person.mutable_digests()->set_nhs_number(updated.digests().nhs_number());
        person.mutable_digests()->set_number_check(updated.digests().number_check());
      }
      if (!updated.digests().birth_date().empty()) {
        person.mutable_digests()->set_birth_date(updated.digests().birth_date());
      }
      person.set_nhs_number_status(updated.nhs_number_status());
      person.set_holds_number(updated.holds_number());
      if (!updated.gp_practice().empty()) person.set_gp_practice(updated.gp_practice());
      if (!updated.ethnic_category().empty()) person.set_ethnic_category(updated.ethnic_category());
      break;
    }
    case Event::kPersonsMerged:
      for (const std::string& number : event.persons_merged().former_numbers()) {
        state.mutable_person()->add_former_numbers(number);
      }
      break;
    case Event::kPersonSuperseded:
      state.mutable_person()->set_merged_into(event.person_superseded().surviving_person_id());
      break;
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
  }
  if (state.has_organisation()) {
    const v1::Organisation& organisation = state.organisation();
    const std::string sort = organisation.name() + organisation.ods_code();
    entries.push_back({kOrganisationIndex, Key({organisation.ods_code()}), "", true});
    entries.push_back({kKindIndex, KindKey(0), sort, false});
    entries.push_back({kKindIndex, KindKey(organisation.kind()), sort, false});
  }
  return entries;
}

std::vector<std::string> PersonRules::Subjects(const State& state) {
  if (!state.has_person()) return {};
  return {state.person().person_id()};
}

absl::StatusOr<v1::GetPersonResponse> PersonRules::Answer(const base::Snapshot& snapshot,
                                                          const v1::GetPersonRequest& request,
                                                          const base::Context&) {
  FETTLE_ASSIGN_OR_RETURN(const base::View::Stream stream, snapshot.Load(request.person_id()));
  const v1::Person* person = stream.version == 0 ? nullptr : PersonOf(&stream);
  if (person == nullptr) return PersonNotFound();
  v1::GetPersonResponse response;
  response.set_person_id(person->person_id());
  *response.mutable_demographics() = person->demographics();
  response.set_nhs_number_status(person->nhs_number_status());
  response.set_gp_practice(person->gp_practice());
  response.set_ethnic_category(person->ethnic_category());
  response.set_merged_into(person->merged_into());
  response.set_version(stream.version);
  response.set_position(snapshot.position());
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
    facts.set_gp_practice(person->gp_practice());
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

absl::StatusOr<v1::GetOrganisationResponse> PersonRules::Answer(
    const base::Snapshot& snapshot, const v1::GetOrganisationRequest& request,
    const base::Context&) {
  FETTLE_ASSIGN_OR_RETURN(const std::optional<std::string> stream,
                          snapshot.Holder(kOrganisationIndex, Key({request.ods_code()})));
  if (!stream.has_value()) {
    return Refuse(absl::StatusCode::kNotFound, "ORGANISATION_NOT_FOUND",
                  "no organisation with this ODS code is registered");
  }
  FETTLE_ASSIGN_OR_RETURN(const base::View::Stream found, snapshot.Load(*stream));
  v1::GetOrganisationResponse response;
  *response.mutable_organisation() =
      static_cast<const v1::PersonState&>(*found.state).organisation();
  if (!request.valid_on().empty() && !IsValidOn(response.organisation(), request.valid_on())) {
    return Refuse(absl::StatusCode::kFailedPrecondition, "ORGANISATION_NOT_VALID_ON_DATE",
                  "the organisation was not open on this day",
                  {{"start_date", response.organisation().start_date()},
                   {"end_date", response.organisation().end_date()}});
  }
  response.set_position(snapshot.position());
  return response;
}

absl::StatusOr<v1::ListOrganisationsResponse> PersonRules::Answer(
    const base::Snapshot& snapshot, const v1::ListOrganisationsRequest& request,
    const base::Context&) {
  FETTLE_ASSIGN_OR_RETURN(const base::ListedPage page,
                          snapshot.List(kKindIndex, KindKey(request.kind()), request.page()));
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
