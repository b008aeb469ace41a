// Goal: who is found and who is new (INV-4, 7, 8), whose number it is, which organisations a record
// may name (INV-10). Method: given (events) / when (request) / then (events or refusal), with
// digests as the door fills them.
#include "services/person/domain/person_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/decide_testing.h"
#include "libs/base/readme_testing.h"

namespace fettle::person {
namespace {

using absl::StatusCode;
using base::IsDone;
using base::RefusedField;
using base::RefusedWith;

constexpr char kOne[] = "0196d5a0-0001-7000-8000-000000000001";
constexpr char kTwo[] = "0196d5a0-0001-7000-8000-000000000002";
constexpr char kThree[] = "0196d5a0-0001-7000-8000-000000000003";

class PersonTest : public base::DomainTest<PersonRules> {
 protected:
  PersonTest() {
    journal.caller = {"gp", false, "A1001", "referrer", "care"};
    EXPECT_THAT(journal.When(Organisation("QWO", v1::ORGANISATION_KIND_ICB)), IsDone());
    EXPECT_THAT(journal.When(Organisation("A1001", v1::ORGANISATION_KIND_GP_PRACTICE)), IsDone());
  }

  static v1::RegisterOrganisationRequest Organisation(const std::string& code,
                                                      v1::OrganisationKind kind) {
    v1::RegisterOrganisationRequest request;
    request.mutable_organisation()->set_ods_code(code);
    request.mutable_organisation()->set_name("Place " + code);
    request.mutable_organisation()->set_kind(kind);
    request.mutable_organisation()->set_start_date("2010-01-01");
    request.mutable_organisation()->set_icb("QWO");
    return request;
  }

  // As it leaves the door: digests in place of what they blind.
  static v1::EnsurePersonRequest Ensure(const std::string& id, const std::string& number,
                                        const std::string& born = "born-1") {
    v1::EnsurePersonRequest request;
    request.set_new_person_id(id);
    request.set_number_policy(v1::NUMBER_POLICY_STRICT);
    request.set_nhs_number_status(v1::NHS_NUMBER_STATUS_PRESENT_AND_VERIFIED);
    request.set_gp_practice("A1001");
    v1::Demographics& person = *request.mutable_demographics();
    person.mutable_first_name()->set_text("Ada");
    person.mutable_family_name()->set_text("Example");
    if (!born.empty()) {
      person.mutable_birth_date()->set_text("1959-05-04");
      request.mutable_digests()->set_birth_date(born);
    }
    request.mutable_digests()->set_number_check(v1::NUMBER_CHECK_ABSENT);
    if (!number.empty()) {
      person.mutable_nhs_number()->set_text(number);
      request.mutable_digests()->set_nhs_number("digest of " + number);
      request.mutable_digests()->set_number_check(v1::NUMBER_CHECK_PASSED);
    }
    return request;
  }

  const v1::Person& Of(const std::string& id) { return journal.StateOf(id)->person(); }
  std::optional<std::string> FoundBy(const std::string& number) {
    return journal.Holder(kNumberIndex, base::Key({"digest of " + number}));
  }
};

TEST_F(PersonTest, AValidNumberWithTheSameBirthDateFinds) {
  auto first = journal.When(Ensure(kOne, "1"));
  ASSERT_THAT(first, IsDone());
  EXPECT_TRUE(first->response.registered());
  auto again = journal.When(Ensure(kTwo, "1"));
  ASSERT_THAT(again, IsDone());
  EXPECT_EQ(again->response.person_id(), kOne);
  EXPECT_FALSE(again->response.registered());
  EXPECT_TRUE(again->events.empty());
}

TEST_F(PersonTest, WhatTheRecordLackedIsBrought) {
  v1::EnsurePersonRequest poor = Ensure(kOne, "1");
  poor.clear_gp_practice();
  poor.mutable_demographics()->clear_first_name();
  ASSERT_THAT(journal.When(poor), IsDone());
  auto brought = journal.When(Ensure(kTwo, "1"));
  ASSERT_THAT(brought, IsDone());
  ASSERT_EQ(brought->events.size(), 1u);
  EXPECT_TRUE(Of(kOne).demographics().has_first_name());
  EXPECT_EQ(Of(kOne).gp_practice(), "A1001");
}

TEST_F(PersonTest, Inv8ANumberIsTheCurrentOneOfAtMostOnePerson) {
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  for (const std::string born : {"born-2", ""}) {
    auto other = journal.When(Ensure(born.empty() ? kThree : kTwo, "1", born));
    ASSERT_THAT(other, IsDone());
    EXPECT_TRUE(other->response.registered());
    EXPECT_TRUE(other->response.number_conflict());
  }
  EXPECT_EQ(Of(kTwo).nhs_number_status(), v1::NHS_NUMBER_STATUS_NO_OR_MULTIPLE_MATCH);
  EXPECT_FALSE(Of(kTwo).holds_number());
  EXPECT_EQ(FoundBy("1"), kOne);
}

TEST_F(PersonTest, Inv8AfterAMergeTheOldNumberLeadsToWhoStands) {
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  ASSERT_THAT(journal.When(Ensure(kTwo, "2")), IsDone());
  ASSERT_THAT(journal.When(Ensure(kThree, "3")), IsDone());
  v1::MergePersonsRequest merge;
  merge.set_surviving_person_id(kTwo);
  merge.set_merged_person_id(kOne);
  ASSERT_THAT(journal.When(merge), IsDone());
  EXPECT_EQ(FoundBy("1"), kTwo);
  EXPECT_EQ(FoundBy("2"), kTwo);
  EXPECT_EQ(Of(kOne).merged_into(), kTwo);
  // The history is kept, also through a second merge.
  merge.set_surviving_person_id(kThree);
  merge.set_merged_person_id(kTwo);
  ASSERT_THAT(journal.When(merge), IsDone());
  EXPECT_EQ(FoundBy("1"), kThree);
  EXPECT_EQ(FoundBy("2"), kThree);
  EXPECT_EQ(FoundBy("3"), kThree);
  EXPECT_TRUE(Of(kOne).demographics().has_first_name());

  v1::GetPersonContextRequest context;
  context.add_person_ids(kOne);
  auto answer = journal.Ask(context);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->people(0).context().merged_into(), kThree);
}

TEST_F(PersonTest, AMergeNeedsTwoPeopleWhoStand) {
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  ASSERT_THAT(journal.When(Ensure(kTwo, "2")), IsDone());
  v1::MergePersonsRequest merge;
  merge.set_surviving_person_id(kOne);
  merge.set_merged_person_id(kOne);
  EXPECT_THAT(journal.When(merge), RefusedField("merged_person_id", "PERSONS_ARE_THE_SAME"));
  merge.set_merged_person_id(kThree);
  EXPECT_THAT(journal.When(merge), RefusedWith(StatusCode::kNotFound, "PERSON_NOT_FOUND"));
  merge.set_merged_person_id(kTwo);
  ASSERT_THAT(journal.When(merge), IsDone());
  EXPECT_THAT(journal.When(merge), RefusedWith(StatusCode::kFailedPrecondition, "PERSON_MERGED"));
}

TEST_F(PersonTest, Inv4StrictRefusesAWrongNumberAndLenientKeepsItAsNotTraced) {
  v1::EnsurePersonRequest wrong = Ensure(kOne, "9");
  wrong.mutable_digests()->set_number_check(v1::NUMBER_CHECK_FAILED);
  EXPECT_THAT(journal.When(wrong), RefusedField("demographics.nhs_number", "NHS_NUMBER_INVALID"));
  EXPECT_EQ(journal.StateOf(kOne), nullptr);
  wrong.set_number_policy(v1::NUMBER_POLICY_LENIENT);
  ASSERT_THAT(journal.When(wrong), IsDone());
  EXPECT_EQ(Of(kOne).nhs_number_status(), v1::NHS_NUMBER_STATUS_PRESENT_NOT_TRACED);
  EXPECT_FALSE(FoundBy("9").has_value());
  // It identifies nobody: the next with the same wrong number is another person.
  wrong.set_new_person_id(kTwo);
  auto next = journal.When(wrong);
  ASSERT_THAT(next, IsDone());
  EXPECT_EQ(next->response.person_id(), kTwo);
}

TEST_F(PersonTest, Inv7WithoutANumberTheStatusSaysWhyAndNameAndBirthDateStandIn) {
  v1::EnsurePersonRequest request = Ensure(kOne, "");
  for (int status = 0; status <= 8; ++status) {
    request.set_nhs_number_status(static_cast<v1::NhsNumberStatus>(status));
    request.set_new_person_id(status % 2 == 0 ? kOne : kTwo);
    if (status < 3) {
      EXPECT_THAT(journal.When(request),
                  RefusedField("nhs_number_status", "NHS_NUMBER_STATUS_NEEDED"));
    }
  }
  request.set_nhs_number_status(v1::NHS_NUMBER_STATUS_TRACE_REQUIRED);
  request.set_new_person_id(kOne);
  v1::EnsurePersonRequest nameless = request;
  nameless.mutable_demographics()->clear_family_name();
  EXPECT_THAT(journal.When(nameless), RefusedField("demographics.family_name", "FIELD_REQUIRED"));
  ASSERT_THAT(journal.When(request), IsDone());
  EXPECT_EQ(Of(kOne).nhs_number_status(), v1::NHS_NUMBER_STATUS_TRACE_REQUIRED);
}

TEST_F(PersonTest, AnIncompleteCaseOfALenientPartnerIsTakenAndListsWhatIsMissing) {
  v1::EnsurePersonRequest request;
  request.set_new_person_id(kOne);
  request.set_number_policy(v1::NUMBER_POLICY_LENIENT);
  request.mutable_digests()->set_number_check(v1::NUMBER_CHECK_ABSENT);
  request.mutable_demographics();
  request.set_gp_practice("NOWHERE");
  ASSERT_THAT(journal.When(request), IsDone());
  EXPECT_EQ(Of(kOne).nhs_number_status(), v1::NHS_NUMBER_STATUS_TRACE_REQUIRED);
  v1::GetPersonContextRequest context;
  context.add_person_ids(kOne);
  auto answer = journal.Ask(context);
  ASSERT_TRUE(answer.ok());
  EXPECT_THAT(answer->people(0).context().missing_items(),
              testing::ElementsAre("first_name", "family_name", "date_of_birth", "gp_practice"));
}

TEST_F(PersonTest, Inv10ANewRecordNamesOrganisationsThatAreKnownAndOpen) {
  v1::EnsurePersonRequest request = Ensure(kOne, "1");
  request.set_gp_practice("B2002");
  EXPECT_THAT(journal.When(request), RefusedField("gp_practice", "ORGANISATION_NOT_KNOWN"));
  v1::RegisterOrganisationRequest closed = Organisation("B2002", v1::ORGANISATION_KIND_GP_PRACTICE);
  closed.mutable_organisation()->set_end_date("2020-03-31");
  ASSERT_THAT(journal.When(closed), IsDone());
  EXPECT_THAT(journal.When(request), RefusedField("gp_practice", "ORGANISATION_NOT_VALID_ON_DATE"));
  // Still readable for old records.
  v1::GetOrganisationRequest get;
  get.set_ods_code("B2002");
  EXPECT_TRUE(journal.Ask(get).ok());
  get.set_valid_on("2020-03-31");
  EXPECT_TRUE(journal.Ask(get).ok());
  get.set_valid_on("2020-04-01");
  EXPECT_EQ(base::ReasonOf(journal.Ask(get).status()), "ORGANISATION_NOT_VALID_ON_DATE");
  get.set_ods_code("C3003");
  EXPECT_EQ(base::ReasonOf(journal.Ask(get).status()), "ORGANISATION_NOT_FOUND");
}

TEST_F(PersonTest, OrganisationsChangeAndTheSameAgainIsNoEvent) {
  v1::RegisterOrganisationRequest request =
      Organisation("A1001", v1::ORGANISATION_KIND_GP_PRACTICE);
  auto same = journal.When(request);
  ASSERT_THAT(same, IsDone());
  EXPECT_TRUE(same->events.empty());
  request.mutable_organisation()->set_end_date("2024-01-01");
  auto changed = journal.When(request);
  ASSERT_THAT(changed, IsDone());
  EXPECT_EQ(changed->events.size(), 1u);
  request.mutable_organisation()->set_end_date("2009-01-01");
  EXPECT_THAT(journal.When(request), RefusedField("organisation.end_date", "ENDS_BEFORE_START"));
  v1::RegisterOrganisationRequest orphan = Organisation("D4004", v1::ORGANISATION_KIND_OTHER);
  orphan.mutable_organisation()->set_icb("A1001");
  EXPECT_THAT(journal.When(orphan), RefusedField("organisation.icb", "ICB_NOT_KNOWN"));
}

TEST_F(PersonTest, Inv11AnEthnicCategoryIsOfTheList) {
  v1::EnsurePersonRequest request = Ensure(kOne, "1");
  request.set_ethnic_category("I");
  EXPECT_THAT(journal.When(request), RefusedField("ethnic_category", "ETHNIC_CATEGORY_UNKNOWN"));
  request.set_ethnic_category("99");
  EXPECT_THAT(journal.When(request), IsDone());
}

TEST_F(PersonTest, AnUpdateChangesTheNumberAndTheOldOneStillLeadsHere) {
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  ASSERT_THAT(journal.When(Ensure(kTwo, "2")), IsDone());
  v1::UpdatePersonRequest update;
  update.set_person_id(kOne);
  update.set_number_policy(v1::NUMBER_POLICY_STRICT);
  update.mutable_digests()->set_number_check(v1::NUMBER_CHECK_PASSED);
  update.mutable_digests()->set_nhs_number("digest of 3");
  update.mutable_demographics()->mutable_nhs_number()->set_text("3");
  ASSERT_THAT(journal.When(update), IsDone());
  EXPECT_EQ(FoundBy("3"), kOne);
  EXPECT_EQ(FoundBy("1"), kOne);
  // Somebody else's number is only claimed.
  update.mutable_digests()->set_nhs_number("digest of 2");
  auto claimed = journal.When(update);
  ASSERT_THAT(claimed, IsDone());
  EXPECT_TRUE(claimed->response.number_conflict());
  EXPECT_EQ(FoundBy("2"), kTwo);
  EXPECT_EQ(Of(kOne).nhs_number_status(), v1::NHS_NUMBER_STATUS_NO_OR_MULTIPLE_MATCH);
}

TEST_F(PersonTest, AnUpdateIsRefusedAsARegistrationIs) {
  v1::UpdatePersonRequest update;
  update.set_person_id(kOne);
  update.set_number_policy(v1::NUMBER_POLICY_STRICT);
  update.mutable_digests()->set_number_check(v1::NUMBER_CHECK_ABSENT);
  EXPECT_THAT(journal.When(update), RefusedWith(StatusCode::kNotFound, "PERSON_NOT_FOUND"));
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  ASSERT_THAT(journal.When(Ensure(kTwo, "2")), IsDone());
  update.set_ethnic_category("O");
  EXPECT_THAT(journal.When(update), RefusedField("ethnic_category", "ETHNIC_CATEGORY_UNKNOWN"));
  update.clear_ethnic_category();
  update.set_gp_practice("B2002");
  EXPECT_THAT(journal.When(update), RefusedField("gp_practice", "ORGANISATION_NOT_KNOWN"));
  v1::RegisterOrganisationRequest closed = Organisation("B2002", v1::ORGANISATION_KIND_OTHER);
  closed.mutable_organisation()->set_end_date("2020-03-31");
  ASSERT_THAT(journal.When(closed), IsDone());
  EXPECT_THAT(journal.When(update), RefusedField("gp_practice", "ORGANISATION_NOT_VALID_ON_DATE"));
  update.clear_gp_practice();
  update.mutable_digests()->set_number_check(v1::NUMBER_CHECK_FAILED);
  EXPECT_THAT(journal.When(update), RefusedField("demographics.nhs_number", "NHS_NUMBER_INVALID"));
  update.mutable_digests()->set_number_check(v1::NUMBER_CHECK_ABSENT);
  v1::MergePersonsRequest merge;
  merge.set_surviving_person_id(kTwo);
  merge.set_merged_person_id(kOne);
  ASSERT_THAT(journal.When(merge), IsDone());
  EXPECT_THAT(journal.When(update), RefusedWith(StatusCode::kFailedPrecondition, "PERSON_MERGED"));
}

TEST_F(PersonTest, WordsSealedForSomebodyElseAreNotKept) {
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  journal.tamper = [](base::Evidence& evidence) { evidence.sealed_for = kThree; };
  EXPECT_THAT(journal.When(Ensure(kTwo, "2")), RefusedWith(StatusCode::kAborted, "EVIDENCE_STALE"));
  v1::UpdatePersonRequest update;
  update.set_person_id(kOne);
  update.set_number_policy(v1::NUMBER_POLICY_STRICT);
  update.mutable_digests()->set_number_check(v1::NUMBER_CHECK_ABSENT);
  update.mutable_demographics()->mutable_first_name()->set_text("Eve");
  EXPECT_THAT(journal.When(update), RefusedWith(StatusCode::kAborted, "EVIDENCE_STALE"));
}

TEST_F(PersonTest, QueriesFindWhoIsThereAndNobodyElse) {
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  v1::FindPersonByNhsNumberRequest find;
  find.mutable_digests()->set_number_check(v1::NUMBER_CHECK_PASSED);
  find.mutable_digests()->set_nhs_number("digest of 1");
  auto found = journal.Ask(find);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->person_id(), kOne);
  find.mutable_digests()->set_number_check(v1::NUMBER_CHECK_FAILED);
  EXPECT_EQ(base::ReasonOf(journal.Ask(find).status()), "PERSON_NOT_FOUND");
  v1::GetPersonRequest get;
  get.set_person_id(kTwo);
  EXPECT_EQ(base::ReasonOf(journal.Ask(get).status()), "PERSON_NOT_FOUND");
  v1::ListOrganisationsRequest list;
  list.set_kind(v1::ORGANISATION_KIND_ICB);
  auto icbs = journal.Ask(list);
  ASSERT_TRUE(icbs.ok());
  ASSERT_EQ(icbs->organisations_size(), 1);
  EXPECT_EQ(icbs->organisations(0).ods_code(), "QWO");
}

// Runs last (see main of GoogleTest: in order of definition): every event and refusal of the README
// was seen above.
TEST(PersonReadmeTest, TableSaysWhatCommandsDo) {
  base::CheckReadme(FETTLE_README, FETTLE_PROTO, "fettle.person.v1.PersonService");
}

}  // namespace
}  // namespace fettle::person
