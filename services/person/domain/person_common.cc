#include "services/person/domain/person_common.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"

namespace fettle::person {

using common::v1::SealedText;

absl::Status PersonNotFound() {
  return base::Refuse(absl::StatusCode::kNotFound, "PERSON_NOT_FOUND", "no such person");
}

const v1::Person* PersonOf(const base::View::Stream* stream) {
  if (stream == nullptr) return nullptr;
  const auto& state = static_cast<const v1::PersonState&>(*stream->state);
  return state.has_person() ? &state.person() : nullptr;
}

const v1::Person* PersonIn(const base::View& view, const std::string& id) {
  return PersonOf(view.Find(id));
}

std::string NumberKey(const v1::Digests& digests) { return base::Key({digests.nhs_number()}); }

std::string ConflictsKey() { return base::Key({"open"}); }

std::string ClaimsKey(const v1::Digests& digests) {
  return base::Key({"of", digests.nhs_number()});
}

std::string MatchKey(const v1::Digests& digests, int slot) {
  const v1::MatchDigests& match = digests.match();
  if (match.first_name().empty() || match.family_name().empty() || match.postcode().empty() ||
      digests.birth_date().empty()) {
    return "";
  }
  // All four must meet by chance: eight bytes of each are enough.
  const auto part = [](const std::string& digest) { return std::string_view(digest).substr(0, 8); };
  return base::Key({part(match.first_name()), part(match.family_name()), part(digests.birth_date()),
                    part(match.postcode()), absl::StrCat(slot)});
}

bool ClaimsNumber(const v1::Person& person) {
  return person.merged_into().empty() && !person.holds_number() &&
         person.digests().number_check() == v1::NUMBER_CHECK_PASSED &&
         !person.digests().nhs_number().empty();
}

v1::NumberPeriod CurrentNumber(const v1::Person& person) {
  v1::NumberPeriod period;
  *period.mutable_nhs_number() = person.demographics().nhs_number();
  period.set_nhs_number_status(person.nhs_number_status());
  period.set_start_date(person.number_start_date());
  period.set_held(person.holds_number());
  return period;
}

std::string KindKey(int kind) { return base::Key({absl::StrCat(kind)}); }

bool IsThere(const SealedText& words) { return !words.sealed().empty() || !words.text().empty(); }

bool IsRemoved(const google::protobuf::RepeatedField<int>& removed, v1::RemovableDetail detail) {
  return std::find(removed.begin(), removed.end(), detail) != removed.end();
}

void RemoveWhatIsSet(google::protobuf::Message& to, const google::protobuf::Message& from) {
  const auto* reflection = to.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(from, &fields);
  for (const auto* field : fields) {
    const auto* type = field->message_type();
    const bool has_parts =
        type != nullptr && !field->is_repeated() && type != SealedText::descriptor();
    if (!has_parts) {
      reflection->ClearField(&to, field);
    } else if (reflection->HasField(to, field)) {
      RemoveWhatIsSet(*reflection->MutableMessage(&to, field), reflection->GetMessage(from, field));
      if (reflection->GetMessage(to, field).ByteSizeLong() == 0) reflection->ClearField(&to, field);
    }
  }
}

}  // namespace fettle::person
