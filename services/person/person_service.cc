#include "services/person/person_service.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/base/uuid.h"
#include "libs/nhs/nhs_number.h"
#include "libs/nhs/postcode.h"
#include "libs/rpc/private_words.h"
#include "libs/seal/sealer.h"

namespace fettle::person {
namespace {

constexpr std::string_view kNumberLabel = "nhs-number";
constexpr std::string_view kBirthDateLabel = "birth-date";
constexpr std::string_view kFirstNameLabel = "first-name";
constexpr std::string_view kFamilyNameLabel = "family-name";
constexpr std::string_view kPostcodeLabel = "postcode";

// Older than the oldest person ever known: a slip of the key.
constexpr int kAgeYearsMax = 130;
// As the rule of the field says.
constexpr size_t kTelephoneCharactersMax = 35;

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

// The form in which names and postcodes are compared: O'Neill, ONEILL and O Neill are one.
std::string Comparable(std::string_view text) {
  std::string normal;
  for (const char c : text) {
    if (c != ' ' && c != '-' && c != '\'') normal.push_back(absl::ascii_toupper(c));
  }
  return absl::StrReplaceAll(normal, {{"\u2019", ""}});
}

absl::Status CheckBirthDate(const std::string& birth_date, const std::string& today) {
  if (birth_date.empty()) return absl::OkStatus();
  if (birth_date > today) {
    return base::InvalidField("demographics.birth_date", "DATE_IN_FUTURE",
                              "a date not after today");
  }
  if (base::AgeOn(birth_date, today) > kAgeYearsMax) {
    return base::InvalidField("demographics.birth_date", "BIRTH_DATE_TOO_EARLY",
                              absl::StrCat("a date at most ", kAgeYearsMax, " years ago"));
  }
  return absl::OkStatus();
}

// Gender and sex have the same four codes.
absl::Status CheckGender(const std::string& code, std::string_view field, std::string_view reason) {
  if (code.empty() || std::string_view("129X").find(code) != std::string_view::npos) {
    return absl::OkStatus();
  }
  return base::InvalidField(field, reason, "1, 2, 9 or X");
}

bool IsLanguage(std::string_view code) {
  return code.size() >= 2 && code.size() <= 3 && std::ranges::all_of(code, absl::ascii_islower);
}

absl::Status CheckNeeds(const v1::Profile& profile) {
  base::FieldViolations violations;
  for (int i = 0; i < profile.needs_size(); ++i) {
    const v1::Need& need = profile.needs(i);
    const std::string at = absl::StrCat("demographics.profile.needs[", i, "]");
    const bool interprets = need.kind() == v1::NEED_KIND_INTERPRETER;
    if (interprets ? !IsLanguage(need.language()) : !need.language().empty()) {
      violations.Add(at + ".language", "LANGUAGE_NOT_FITTING",
                     "an ISO 639 code of two or three small letters, of an interpreter alone");
    }
    if (!interprets && need.code().empty() && need.text().text().empty()) {
      violations.Add(at, "NEED_EMPTY", "a code, words, or both");
    }
  }
  return violations.ToStatus();
}

// The ways to reach a person, the best first, and its first telephone number and e-mail address for
// who looks for one.
void OrderContacts(v1::Demographics& person) {
  auto& points = *person.mutable_profile()->mutable_contact_points();
  std::stable_sort(points.begin(), points.end(),
                   [](const auto& a, const auto& b) { return a.rank() < b.rank(); });
  const auto first = [&](v1::ContactKind kind, size_t size_max) {
    const auto it = std::ranges::find_if(points, [&](const auto& point) {
      return point.kind() == kind && point.value().text().size() <= size_max;
    });
    return it == points.end() ? "" : it->value().text();
  };
  // A number of 35 characters is the longest that the standard knows; what is longer stays in the
  // list alone.
  const std::string telephone = first(v1::CONTACT_KIND_TELEPHONE, kTelephoneCharactersMax);
  const std::string email = first(v1::CONTACT_KIND_EMAIL, std::string::npos);
  if (!telephone.empty()) person.mutable_telephone()->set_text(telephone);
  if (!email.empty()) person.mutable_email()->set_text(email);
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
  FETTLE_RETURN_IF_ERROR(
      CheckBirthDate(person.birth_date().text(), base::LondonDate(clock_->Now())));
  FETTLE_RETURN_IF_ERROR(
      CheckGender(person.gender().text(), "demographics.gender", "GENDER_UNKNOWN"));
  FETTLE_RETURN_IF_ERROR(
      CheckGender(person.profile().sex().text(), "demographics.profile.sex", "SEX_UNKNOWN"));
  FETTLE_RETURN_IF_ERROR(CheckNeeds(person.profile()));
  if (person.profile().contact_points_size() > 0) OrderContacts(person);
  if (const auto postcode = nhs::NormalisePostcode(person.postcode().text())) {
    person.mutable_postcode()->set_text(*postcode);
  }

  if (!person.birth_date().text().empty()) {
    digests.set_birth_date(
        seal::BlindDigest(digest_key_, kBirthDateLabel, person.birth_date().text()));
  }
  const auto digest = [&](const common::v1::SealedText& words, std::string_view label) {
    const std::string normal = Comparable(words.text());
    return normal.empty() ? "" : seal::BlindDigest(digest_key_, label, normal);
  };
  v1::MatchDigests match;
  match.set_first_name(digest(person.first_name(), kFirstNameLabel));
  match.set_family_name(digest(person.family_name(), kFamilyNameLabel));
  match.set_postcode(digest(person.postcode(), kPostcodeLabel));
  if (match.ByteSizeLong() > 0) *digests.mutable_match() = std::move(match);

  // Empty texts are fields that were not given.
  if (person.nhs_number().text().empty()) person.clear_nhs_number();
  if (person.first_name().text().empty()) person.clear_first_name();
  if (person.family_name().text().empty()) person.clear_family_name();
  if (person.birth_date().text().empty()) person.clear_birth_date();
  if (person.gender().text().empty()) person.clear_gender();
  if (person.postcode().text().empty()) person.clear_postcode();
  if (person.telephone().text().empty()) person.clear_telephone();
  if (person.email().text().empty()) person.clear_email();
  if (person.has_profile()) {
    v1::Profile& profile = *person.mutable_profile();
    if (profile.preferred_name().text().empty()) profile.clear_preferred_name();
    if (profile.sex().text().empty()) profile.clear_sex();
    if (profile.ByteSizeLong() == 0) person.clear_profile();
  }
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

absl::Status PersonDoor::Prepare(v1::FindPossibleDuplicatesRequest& request) const {
  FETTLE_RETURN_IF_ERROR(RefuseFilled(request));
  if (!request.has_demographics()) return absl::OkStatus();
  return Digest(*request.mutable_demographics(), *request.mutable_digests());
}

absl::StatusOr<bool> PersonDoor::Open(v1::GetPersonContextResponse& response) const {
  for (v1::PersonContextAndKey& answer : *response.mutable_people()) {
    common::v1::PersonContext& facts = *answer.mutable_context();
    FETTLE_ASSIGN_OR_RETURN(const KeyTable::Key key, keys_->Find(facts.person_id()));
    answer.set_key_version(key->version);
    answer.set_key(key->key);
    FETTLE_RETURN_IF_ERROR(rpc::OpenWords(answer, *key));
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
  if (questions.seal_for.empty()) return done(rpc::Gathered());
  auto found = [done = std::move(done)](absl::StatusOr<KeyTable::Key> key) {
    if (!key.ok()) return done(key.status());
    rpc::Gathered gathered;
    gathered.key = *std::move(key);
    done(std::move(gathered));
  };
  if (questions.make_key) {
    keys_->FindOrMake(questions.seal_for, std::move(found));
  } else {
    found(keys_->Find(questions.seal_for));
  }
}

}  // namespace fettle::person
