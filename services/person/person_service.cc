#include "services/person/person_service.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/base/uuid.h"
#include "libs/nhs/nhs_number.h"
#include "libs/rpc/private_words.h"
#include "libs/seal/sealer.h"

namespace fettle::person {
namespace {

constexpr std::string_view kNumberLabel = "nhs-number";
constexpr std::string_view kBirthDateLabel = "birth-date";

template <class Request>
absl::Status RefuseFilled(const Request& request) {
  if (request.has_digests()) {
    return base::InvalidField("digests", "FIELD_NOT_FOR_CALLERS", "nothing; the service fills it");
  }
  return absl::OkStatus();
}

// The next day on which the person is a year older. A birthday on 29 February is kept on 1 March in
// other years.
std::string NextBirthday(std::string_view birth_date, int age) {
  const absl::StatusOr<absl::CivilDay> born = base::ParseDate(birth_date);
  if (!born.ok()) return "";
  return base::FormatDate(absl::CivilDay(born->year() + age + 1, born->month(), born->day()));
}

}  // namespace

void PersonDoor::DigestNumber(common::v1::SealedText& number, v1::Digests& digests) const {
  digests.set_number_check(v1::NUMBER_CHECK_ABSENT);
  if (number.text().empty()) return;
  const std::optional<std::string> normal = nhs::NormaliseNhsNumber(number.text());
  if (normal.has_value()) number.set_text(*normal);
  const bool valid = normal.has_value() && nhs::IsValidNhsNumber(*normal);
  digests.set_number_check(valid ? v1::NUMBER_CHECK_PASSED : v1::NUMBER_CHECK_FAILED);
  digests.set_nhs_number(seal::BlindDigest(digest_key_, kNumberLabel, number.text()));
}

absl::Status PersonDoor::Digest(v1::Demographics& person, v1::Digests& digests) const {
  if (person.has_nhs_number()) {
    DigestNumber(*person.mutable_nhs_number(), digests);
  } else {
    digests.set_number_check(v1::NUMBER_CHECK_ABSENT);
  }
  if (!person.birth_date().text().empty()) {
    if (person.birth_date().text() > base::LondonDate(clock_->Now())) {
      return base::InvalidField("demographics.birth_date", "DATE_IN_FUTURE",
                                "a date not after today");
    }
    digests.set_birth_date(
        seal::BlindDigest(digest_key_, kBirthDateLabel, person.birth_date().text()));
  }
  const std::string& gender = person.gender().text();
  if (!gender.empty() && std::string_view("129X").find(gender) == std::string_view::npos) {
    return base::InvalidField("demographics.gender", "GENDER_UNKNOWN", "1, 2, 9 or X");
  }
  // Empty texts are fields that were not given.
  if (person.nhs_number().text().empty()) person.clear_nhs_number();
  if (person.first_name().text().empty()) person.clear_first_name();
  if (person.family_name().text().empty()) person.clear_family_name();
  if (person.birth_date().text().empty()) person.clear_birth_date();
  if (gender.empty()) person.clear_gender();
  if (person.postcode().text().empty()) person.clear_postcode();
  if (person.telephone().text().empty()) person.clear_telephone();
  if (person.email().text().empty()) person.clear_email();
  return absl::OkStatus();
}

absl::Status PersonDoor::Prepare(v1::EnsurePersonRequest& request) const {
  FETTLE_RETURN_IF_ERROR(RefuseFilled(request));
  if (!request.new_person_id().empty()) {
    return base::InvalidField("new_person_id", "FIELD_NOT_FOR_CALLERS",
                              "nothing; the service fills it");
  }
  request.set_new_person_id(base::IdSource(clock_->Now(), base::RandomSeed()).Next());
  return Digest(*request.mutable_demographics(), *request.mutable_digests());
}

absl::Status PersonDoor::Prepare(v1::UpdatePersonRequest& request) const {
  FETTLE_RETURN_IF_ERROR(RefuseFilled(request));
  v1::Demographics none;
  return Digest(request.has_demographics() ? *request.mutable_demographics() : none,
                *request.mutable_digests());
}

absl::Status PersonDoor::Prepare(v1::FindPersonByNhsNumberRequest& request) const {
  FETTLE_RETURN_IF_ERROR(RefuseFilled(request));
  DigestNumber(*request.mutable_nhs_number(), *request.mutable_digests());
  return absl::OkStatus();
}

absl::StatusOr<bool> PersonDoor::Open(v1::GetPersonContextResponse& response) const {
  for (v1::PersonContextAndKey& answer : *response.mutable_people()) {
    common::v1::PersonContext& facts = *answer.mutable_context();
    FETTLE_ASSIGN_OR_RETURN(const seal::PersonKey key, keys_->Find(facts.person_id()));
    answer.set_key_version(key.version);
    answer.set_key(key.key);
    FETTLE_RETURN_IF_ERROR(rpc::OpenWords(answer, key));
    if (!answer.birth_date().text().empty()) {
      const int age = base::AgeOn(answer.birth_date().text(), facts.age_date());
      facts.set_age_years(age);
      facts.set_next_birthday(NextBirthday(answer.birth_date().text(), age));
    }
    answer.clear_birth_date();
  }
  return true;
}

std::optional<rpc::Gathered> LocalEvidence::Known(const base::Questions& questions) {
  if (questions.seal_for.empty()) return rpc::Gathered();
  return std::nullopt;
}

void LocalEvidence::Gather(const base::Questions& questions, const rpc::Asker&, Done done) {
  rpc::Gathered gathered;
  if (!questions.seal_for.empty()) {
    absl::StatusOr<seal::PersonKey> key = questions.make_key ? keys_->FindOrMake(questions.seal_for)
                                                             : keys_->Find(questions.seal_for);
    if (!key.ok()) return done(key.status());
    gathered.key = std::make_shared<seal::PersonKey>(*std::move(key));
  }
  done(std::move(gathered));
}

}  // namespace fettle::person
