// Goal: what reaches the rules is normal, checked and blinded. Method: the door alone, on a clock
// of the test.
#include "services/person/person_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/decide_testing.h"
#include "libs/journal/private_half.h"
#include "libs/seal/sealer.h"

namespace fettle::person {
namespace {

using base::IsDone;
using base::RefusedField;

constexpr char kKey[] = "a key of 32 bytes for the digests";

class PersonDoorTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::EnsurePersonRequest> Prepared(const v1::Demographics& person) const {
    v1::EnsurePersonRequest request;
    *request.mutable_demographics() = person;
    const absl::Status status = door_.Prepare(request);
    if (!status.ok()) return status;
    return request;
  }
  v1::Digests DigestsOf(const v1::Demographics& person) const {
    const auto prepared = Prepared(person);
    EXPECT_TRUE(prepared.ok()) << prepared.status();
    return prepared.ok() ? prepared->digests() : v1::Digests();
  }

  base::ManualClock clock_{
      absl::FromCivil(absl::CivilSecond(2025, 3, 17, 12, 0, 0), absl::UTCTimeZone())};
  PersonDoor door_{kKey, nullptr, &clock_};
};

v1::Demographics Numbered(const std::string& number) {
  v1::Demographics person;
  person.mutable_nhs_number()->set_text(number);
  return person;
}

v1::Demographics Named(const std::string& first, const std::string& family,
                       const std::string& postcode) {
  v1::Demographics person;
  person.mutable_first_name()->set_text(first);
  person.mutable_family_name()->set_text(family);
  person.mutable_postcode()->set_text(postcode);
  return person;
}

TEST_F(PersonDoorTest, Inv1Inv3NumbersAreNormalisedAndChecked) {  // INV-1, INV-3
  for (const char* text : {"999 000 0018", "999-000-0018", "9990000018"}) {
    const auto request = Prepared(Numbered(text));
    ASSERT_THAT(request, IsDone());
    EXPECT_EQ(request->demographics().nhs_number().text(), "9990000018");
    EXPECT_EQ(request->digests().number_check(), v1::NUMBER_CHECK_PASSED);
    EXPECT_EQ(request->digests().nhs_number(), DigestsOf(Numbered("9990000018")).nhs_number());
  }
  EXPECT_EQ(DigestsOf(Numbered("9990000019")).number_check(), v1::NUMBER_CHECK_FAILED);
  EXPECT_EQ(DigestsOf(Numbered("")).number_check(), v1::NUMBER_CHECK_ABSENT);
}

TEST_F(PersonDoorTest, Inv5TenEqualDigitsFail) {  // INV-5
  EXPECT_EQ(DigestsOf(Numbered("9999999999")).number_check(), v1::NUMBER_CHECK_FAILED);
}

TEST_F(PersonDoorTest, Inv9DigestsAreNotTheNumberAndNeedTheKey) {  // INV-9
  const std::string digest = DigestsOf(Numbered("9990000018")).nhs_number();
  EXPECT_EQ(digest.size(), seal::kBlindDigestBytes);
  const PersonDoor other("another key of 32 bytes, not ours", nullptr, &clock_);
  v1::EnsurePersonRequest request;
  *request.mutable_demographics() = Numbered("9990000018");
  ASSERT_THAT(other.Prepare(request), IsDone());
  EXPECT_NE(request.digests().nhs_number(), digest);
}

TEST_F(PersonDoorTest, Inv14ABirthDateIsNotInTheFutureNorOfTheDeadOfOld) {  // INV-14
  v1::Demographics person;
  person.mutable_birth_date()->set_text("2025-03-17");
  EXPECT_THAT(Prepared(person), IsDone());
  person.mutable_birth_date()->set_text("2025-03-18");
  EXPECT_THAT(Prepared(person), RefusedField("demographics.birth_date", "DATE_IN_FUTURE"));
  person.mutable_birth_date()->set_text("1894-03-18");
  EXPECT_THAT(Prepared(person), IsDone());
  person.mutable_birth_date()->set_text("1894-03-17");
  EXPECT_THAT(Prepared(person), RefusedField("demographics.birth_date", "BIRTH_DATE_TOO_EARLY"));
}

TEST_F(PersonDoorTest, GenderAndSexAreOfTheirList) {
  v1::Demographics person;
  person.mutable_gender()->set_text("3");
  EXPECT_THAT(Prepared(person), RefusedField("demographics.gender", "GENDER_UNKNOWN"));
  person.clear_gender();
  person.mutable_profile()->mutable_sex()->set_text("M");
  EXPECT_THAT(Prepared(person), RefusedField("demographics.profile.sex", "SEX_UNKNOWN"));
  for (const char* code : {"1", "2", "9", "X"}) {
    person.mutable_profile()->mutable_sex()->set_text(code);
    EXPECT_THAT(Prepared(person), IsDone());
  }
}

TEST_F(PersonDoorTest, NamesAndPostcodesAreComparedInOneForm) {
  const v1::MatchDigests match = DigestsOf(Named("Mary-Ann", "O'Neill", "ls1 4ap")).match();
  for (const v1::Demographics& same :
       {Named("MARY ANN", "ONeill", "LS14AP"), Named("maryann", "O\u2019NEILL", " LS1  4AP")}) {
    EXPECT_EQ(DigestsOf(same).match().SerializeAsString(), match.SerializeAsString());
  }
  const v1::MatchDigests other = DigestsOf(Named("Marian", "O'Neil", "LS1 4AQ")).match();
  EXPECT_NE(other.first_name(), match.first_name());
  EXPECT_NE(other.family_name(), match.family_name());
  EXPECT_NE(other.postcode(), match.postcode());
  EXPECT_NE(DigestsOf(Named("Ada", "Ada", "")).match().first_name(),
            DigestsOf(Named("Ada", "Ada", "")).match().family_name());
  EXPECT_FALSE(DigestsOf(v1::Demographics()).has_match());
  EXPECT_EQ(Prepared(Named("A", "B", "ls14ap"))->demographics().postcode().text(), "LS1 4AP");
}

TEST_F(PersonDoorTest, TheBestWayToReachAPersonComesFirst) {
  v1::Demographics person;
  const auto add = [&](v1::ContactKind kind, const char* text, int rank) {
    v1::ContactPoint& point = *person.mutable_profile()->add_contact_points();
    point.set_kind(kind);
    point.mutable_value()->set_text(text);
    point.set_rank(rank);
  };
  add(v1::CONTACT_KIND_EMAIL, "ada@example.test", 1);
  add(v1::CONTACT_KIND_TELEPHONE, "0113 496 0002", 3);
  add(v1::CONTACT_KIND_TELEPHONE, "0113 496 0001", 1);
  const auto request = Prepared(person);
  ASSERT_THAT(request, IsDone());
  const v1::Demographics& prepared = request->demographics();
  EXPECT_EQ(prepared.telephone().text(), "0113 496 0001");
  EXPECT_EQ(prepared.email().text(), "ada@example.test");
  EXPECT_EQ(prepared.profile().contact_points(0).value().text(), "ada@example.test");
  EXPECT_EQ(prepared.profile().contact_points(2).value().text(), "0113 496 0002");
}

// A number that is too long for the field does not hide the next one.
TEST_F(PersonDoorTest, TheFirstNumberThatFitsIsTheOneToTryFirst) {
  v1::Demographics person;
  const std::string longest(35, '1'), too_long(36, '2');
  for (const std::string& number : {too_long, longest, std::string("0113 496 0001")}) {
    v1::ContactPoint& point = *person.mutable_profile()->add_contact_points();
    point.set_kind(v1::CONTACT_KIND_TELEPHONE);
    point.mutable_value()->set_text(number);
    point.set_rank(1);
  }
  auto request = Prepared(person);
  ASSERT_THAT(request, IsDone());
  EXPECT_EQ(request->demographics().telephone().text(), longest);
  EXPECT_EQ(request->demographics().profile().contact_points(0).value().text(), too_long);
  person.mutable_profile()->mutable_contact_points()->DeleteSubrange(1, 2);
  request = Prepared(person);
  ASSERT_THAT(request, IsDone());
  EXPECT_FALSE(request->demographics().has_telephone());
}

TEST_F(PersonDoorTest, ANeedSaysSomething) {
  v1::Demographics person;
  v1::Need& need = *person.mutable_profile()->add_needs();
  need.set_kind(v1::NEED_KIND_COMMUNICATION);
  EXPECT_THAT(Prepared(person), RefusedField("demographics.profile.needs[0]", "NEED_EMPTY"));
  need.mutable_text()->set_text("large print");
  EXPECT_THAT(Prepared(person), IsDone());
  need.set_language("pa");
  EXPECT_THAT(Prepared(person),
              RefusedField("demographics.profile.needs[0].language", "LANGUAGE_NOT_FITTING"));
  need.set_kind(v1::NEED_KIND_INTERPRETER);
  EXPECT_THAT(Prepared(person), IsDone());
  need.set_language("Panjabi");
  EXPECT_THAT(Prepared(person),
              RefusedField("demographics.profile.needs[0].language", "LANGUAGE_NOT_FITTING"));
}

TEST_F(PersonDoorTest, WhoIsSoughtIsComparedAsWhoIsRegistered) {
  v1::Demographics person = Named("Mary-Ann", "O'Neill", "ls1 4ap");
  person.mutable_nhs_number()->set_text("999 000 0018");
  person.mutable_birth_date()->set_text("1959-05-04");
  v1::FindPossibleDuplicatesRequest request;
  *request.mutable_demographics() = person;
  ASSERT_THAT(door_.Prepare(request), IsDone());
  EXPECT_EQ(request.digests().SerializeAsString(), DigestsOf(person).SerializeAsString());
  request.clear_demographics();
  EXPECT_THAT(door_.Prepare(request), RefusedField("digests", "FIELD_NOT_FOR_CALLERS"));
  request.clear_digests();
  EXPECT_THAT(door_.Prepare(request), IsDone());
  EXPECT_FALSE(request.has_digests());
}

TEST_F(PersonDoorTest, CallersFillNothingThatTheDoorFills) {
  v1::EnsurePersonRequest request;
  request.mutable_digests();
  EXPECT_THAT(door_.Prepare(request), RefusedField("digests", "FIELD_NOT_FOR_CALLERS"));
  request.clear_digests();
  request.set_new_person_id("0196d5a0-0001-7000-8000-000000000001");
  EXPECT_THAT(door_.Prepare(request), RefusedField("new_person_id", "FIELD_NOT_FOR_CALLERS"));
}

// Goal: what was stored before profile, withheld practice and match digests existed is still read.
// Method: a private half with the fields of then, byte by byte: for each a count, then length and
// value.
TEST(StoredPersonTest, APrivateHalfOfTheFirstFormFitsItsEvent) {
  common::v1::SealedText words;
  words.set_sealed("sealed");
  words.set_key_version(1);
  const std::string value = words.SerializeAsString();
  std::string half;
  const auto add = [&](const std::string& bytes) {
    half += '\1';
    half += static_cast<char>(bytes.size());
    half += bytes;
  };
  for (int field = 1; field <= 9; ++field) add(value);  // demographics
  add("number");
  add("born");
  v1::PersonEvent event;
  event.mutable_person_registered()->mutable_demographics();
  event.mutable_person_registered()->mutable_digests();
  event.mutable_person_registered()->set_gp_practice("A1001");
  ASSERT_THAT(journal::JoinPrivateHalf(event, half), IsDone());
  EXPECT_EQ(event.person_registered().demographics().email().sealed(), "sealed");
  EXPECT_EQ(event.person_registered().digests().birth_date(), "born");
}

}  // namespace
}  // namespace fettle::person
