// Goal: who is found and who is new (INV-4, 7, 8), whose number it is, what others may see of a
// person. Method: given (events) / when (request) / then (events or refusal), with digests as the
// door fills them.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/readme_testing.h"
#include "services/person/domain/person_testing.h"

namespace fettle::person {
namespace {

using absl::StatusCode;
using base::IsDone;
using base::RefusedField;
using base::RefusedWith;

[[maybe_unused]] const auto* const kReadme =
    base::CheckReadme(FETTLE_README, FETTLE_PROTO, "fettle.person.v1.PersonService");

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

TEST_F(PersonTest, Inv8ANumberIsTheCurrentOneOfAtMostOnePerson) {  // INV-8
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

TEST_F(PersonTest, Inv8AfterAMergeTheOldNumberLeadsToWhoStands) {  // INV-8
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

TEST_F(PersonTest, Inv4StrictRefusesAWrongNumberAndLenientKeepsItAsNotTraced) {  // INV-4
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

TEST_F(PersonTest, Inv7WithoutANumberTheStatusSaysWhyAndNameAndBirthDateStandIn) {  // INV-7
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

TEST_F(PersonTest, Inv10ANewRecordNamesOrganisationsThatAreKnownAndOpen) {  // INV-10
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

TEST_F(PersonTest, Inv11AnEthnicCategoryIsOfTheList) {  // INV-11
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

TEST_F(PersonTest, Inv8TheHistoryOfNumbersIsKeptWithItsDays) {  // INV-8
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  const std::string first_day = journal.today();
  journal.now += absl::Hours(72);
  ASSERT_THAT(journal.When(ChangeNumber(kOne, "2")), IsDone());
  const std::string second_day = journal.today();
  ASSERT_NE(first_day, second_day);
  journal.caller.role = "administrator";
  auto shown = Get(kOne);
  ASSERT_EQ(shown.number_history_size(), 2);
  EXPECT_EQ(shown.number_history(0).nhs_number().sealed(), std::string(kOne) + ":1");
  EXPECT_EQ(shown.number_history(0).start_date(), first_day);
  EXPECT_EQ(shown.number_history(0).end_date(), second_day);
  EXPECT_TRUE(shown.number_history(0).held());
  EXPECT_EQ(shown.number_history(1).start_date(), second_day);
  EXPECT_EQ(shown.number_history(1).end_date(), "");
  // A number that is the same again is no change.
  ASSERT_THAT(journal.When(ChangeNumber(kOne, "2")), IsDone());
  EXPECT_EQ(Get(kOne).number_history_size(), 2);
}

TEST_F(PersonTest, ARecordKeepsSoManyNumbersAndNoMore) {
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  for (int i = 0; i < 20; ++i) {
    ASSERT_THAT(journal.When(ChangeNumber(kOne, absl::StrCat("n", i))), IsDone());
  }
  EXPECT_THAT(journal.When(ChangeNumber(kOne, "one more")),
              RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_NUMBERS"));
  ASSERT_THAT(journal.When(Ensure(kTwo, "2")), IsDone());
  EXPECT_THAT(journal.When(Merge(kTwo, kOne)),
              RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_NUMBERS"));
}

TEST_F(PersonTest, Inv4ANumberThatFailsNeverTakesThePlaceOfOneThatPassed) {  // INV-4
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  v1::UpdatePersonRequest update = ChangeNumber(kOne, "9");
  update.mutable_digests()->set_number_check(v1::NUMBER_CHECK_FAILED);
  update.set_number_policy(v1::NUMBER_POLICY_LENIENT);
  ASSERT_THAT(journal.When(update), IsDone());
  EXPECT_EQ(FoundBy("1"), kOne);
  EXPECT_EQ(Of(kOne).demographics().nhs_number().sealed(), std::string(kOne) + ":1");
  EXPECT_EQ(Of(kOne).nhs_number_status(), v1::NHS_NUMBER_STATUS_PRESENT_AND_VERIFIED);
}

TEST_F(PersonTest, Inv4ANumberThatFailsIsNeverVerifiedWhateverIsSaidLater) {  // INV-4
  v1::EnsurePersonRequest wrong = Ensure(kOne, "9");
  wrong.mutable_digests()->set_number_check(v1::NUMBER_CHECK_FAILED);
  wrong.set_number_policy(v1::NUMBER_POLICY_LENIENT);
  ASSERT_THAT(journal.When(wrong), IsDone());
  v1::UpdatePersonRequest update = Update(kOne);
  update.set_nhs_number_status(v1::NHS_NUMBER_STATUS_PRESENT_AND_VERIFIED);
  ASSERT_THAT(journal.When(update), IsDone());
  EXPECT_EQ(Of(kOne).nhs_number_status(), v1::NHS_NUMBER_STATUS_PRESENT_NOT_TRACED);
  update.set_nhs_number_status(v1::NHS_NUMBER_STATUS_TRACE_IN_PROGRESS);
  ASSERT_THAT(journal.When(update), IsDone());
  EXPECT_EQ(Of(kOne).nhs_number_status(), v1::NHS_NUMBER_STATUS_PRESENT_NOT_TRACED);
}

TEST_F(PersonTest, Inv9StreamsAndKeysHoldNoNumber) {  // INV-9
  ASSERT_THAT(journal.When(Ensure(kOne, "9990000018")), IsDone());
  for (const std::string& id : journal.StreamIds()) {
    EXPECT_TRUE(base::IsUuid(id));
  }
  for (const base::Entry& entry : PersonRules::Index(*journal.StateOf(kOne))) {
    // The tests' digests name the number; the number alone is no key.
    EXPECT_NE(entry.key, base::Key({"9990000018"}));
    EXPECT_EQ(entry.sort.find("9990000018"), std::string::npos);
  }
}

TEST_F(PersonTest, ConflictsAreListedUntilTheyAreResolved) {
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  ASSERT_THAT(journal.When(Ensure(kTwo, "1", "born-2")), IsDone());
  ASSERT_THAT(journal.When(Ensure(kThree, "1", "")), IsDone());
  auto listed = journal.Ask(v1::ListNumberConflictsRequest());
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->conflicts_size(), 2);
  EXPECT_EQ(listed->conflicts(0).person_id(), kTwo);
  EXPECT_EQ(listed->conflicts(0).holder_person_id(), kOne);
  EXPECT_EQ(listed->conflicts(0).start_date(), journal.today());
  EXPECT_TRUE(listed->conflicts(0).birth_dates_differ());
  EXPECT_EQ(listed->conflicts(1).person_id(), kThree);
  EXPECT_FALSE(listed->conflicts(1).birth_dates_differ());

  v1::ResolveNumberConflictRequest resolve;
  resolve.set_person_id(kTwo);
  resolve.set_holder_person_id(kThree);
  resolve.set_outcome(v1::NUMBER_CONFLICT_OUTCOME_CLAIMANT_GETS);
  EXPECT_THAT(journal.When(resolve),
              RefusedWith(StatusCode::kFailedPrecondition, "NUMBER_HOLDER_CHANGED"));
  resolve.set_holder_person_id(kOne);
  ASSERT_THAT(journal.When(resolve), IsDone());
  EXPECT_EQ(FoundBy("1"), kTwo);
  EXPECT_EQ(Of(kTwo).nhs_number_status(), v1::NHS_NUMBER_STATUS_PRESENT_NOT_TRACED);
  EXPECT_FALSE(Of(kOne).demographics().has_nhs_number());
  EXPECT_EQ(Of(kOne).nhs_number_status(), v1::NHS_NUMBER_STATUS_TRACE_REQUIRED);
  EXPECT_EQ(Of(kOne).number_history_size(), 1);
  EXPECT_THAT(journal.When(resolve),
              RefusedWith(StatusCode::kFailedPrecondition, "NO_NUMBER_CONFLICT"));

  // The other claim is against who holds it now.
  resolve.set_person_id(kThree);
  resolve.set_holder_person_id(kTwo);
  resolve.set_outcome(v1::NUMBER_CONFLICT_OUTCOME_HOLDER_KEEPS);
  ASSERT_THAT(journal.When(resolve), IsDone());
  EXPECT_EQ(FoundBy("1"), kTwo);
  EXPECT_FALSE(Of(kThree).demographics().has_nhs_number());
  EXPECT_EQ(Of(kThree).nhs_number_status(), v1::NHS_NUMBER_STATUS_TRACE_REQUIRED);
  EXPECT_FALSE(Of(kThree).number_history(0).held());
  EXPECT_EQ(journal.Ask(v1::ListNumberConflictsRequest())->conflicts_size(), 0);
}

TEST_F(PersonTest, Inv8AFormerNumberMovesWithoutTheOneOfNow) {  // INV-8
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  ASSERT_THAT(journal.When(ChangeNumber(kOne, "2")), IsDone());
  ASSERT_THAT(journal.When(Ensure(kTwo, "1", "born-2")), IsDone());
  v1::ResolveNumberConflictRequest resolve;
  resolve.set_person_id(kTwo);
  resolve.set_holder_person_id(kOne);
  resolve.set_outcome(v1::NUMBER_CONFLICT_OUTCOME_CLAIMANT_GETS);
  ASSERT_THAT(journal.When(resolve), IsDone());
  EXPECT_EQ(FoundBy("1"), kTwo);
  EXPECT_EQ(FoundBy("2"), kOne);
  EXPECT_TRUE(Of(kOne).holds_number());
}

TEST_F(PersonTest, AMergeOfBothRecordsEndsTheirConflict) {
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  ASSERT_THAT(journal.When(Ensure(kTwo, "1", "")), IsDone());
  ASSERT_THAT(journal.When(Ensure(kThree, "3")), IsDone());
  EXPECT_THAT(journal.When(Merge(kThree, kTwo)),
              RefusedWith(StatusCode::kFailedPrecondition, "NUMBER_CONFLICT_OPEN"));
  // The claimant stays: what it claimed is its own now.
  ASSERT_THAT(journal.When(Merge(kTwo, kOne)), IsDone());
  EXPECT_EQ(FoundBy("1"), kTwo);
  EXPECT_TRUE(Of(kTwo).holds_number());
  EXPECT_EQ(Of(kTwo).nhs_number_status(), v1::NHS_NUMBER_STATUS_PRESENT_NOT_TRACED);
  EXPECT_EQ(journal.Ask(v1::ListNumberConflictsRequest())->conflicts_size(), 0);
}

TEST_F(PersonTest, AMergeBringsRestrictionAndDeath) {
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  ASSERT_THAT(journal.When(Ensure(kTwo, "2")), IsDone());
  ASSERT_THAT(journal.When(Restrict(kOne)), IsDone());
  ASSERT_THAT(journal.When(Death(kOne, "2025-03-01")), IsDone());
  ASSERT_THAT(journal.When(Merge(kTwo, kOne)), IsDone());
  EXPECT_TRUE(Of(kTwo).restricted());
  EXPECT_EQ(Of(kTwo).death_date(), "2025-03-01");
  journal.caller.role = "administrator";
  EXPECT_THAT(Get(kTwo).merged_person_ids(), testing::ElementsAre(kOne));
}

// Longer chains would not be followed to their end.
TEST_F(PersonTest, ChainsOfMergesHaveAnEnd) {
  std::string last = kOne;
  ASSERT_THAT(journal.When(Ensure(kOne, "first")), IsDone());
  for (int i = 1;; ++i) {
    const std::string id = absl::StrFormat("0196d5a0-0002-7000-8000-%012d", i);
    ASSERT_THAT(journal.When(Ensure(id, absl::StrCat("n", i))), IsDone());
    auto merged = journal.When(Merge(id, last));
    if (!merged.ok()) {
      EXPECT_THAT(merged, RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_MERGES"));
      break;
    }
    ASSERT_LT(i, 17);
    last = id;
  }
  EXPECT_EQ(ContextOf(kOne).merged_into(), last);
}

// INV-171: a death of somebody unknown changes nothing.
TEST_F(PersonTest, ADeathIsRecordedCorrectedAndWithdrawn) {
  EXPECT_THAT(journal.When(Death(kOne, "2025-03-01")),
              RefusedWith(StatusCode::kNotFound, "PERSON_NOT_FOUND"));
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  EXPECT_FALSE(ContextOf(kOne).deceased());
  EXPECT_THAT(journal.When(Death(kOne, "2025-03-18")),
              RefusedField("death_date", "DATE_IN_FUTURE"));
  ASSERT_THAT(journal.When(Death(kOne, "2025-03-17")), IsDone());
  EXPECT_TRUE(ContextOf(kOne).deceased());
  EXPECT_EQ(ContextOf(kOne).death_date(), "2025-03-17");
  auto same = journal.When(Death(kOne, "2025-03-17"));
  ASSERT_THAT(same, IsDone());
  EXPECT_TRUE(same->events.empty());
  // The registrar's word stands above hearsay of the same day, and a corrected day is an event.
  v1::RecordDeathRequest formal = Death(kOne, "2025-03-17");
  formal.set_notification(v1::DEATH_NOTIFICATION_FORMAL);
  EXPECT_EQ(journal.When(formal)->events.size(), 1u);
  EXPECT_EQ(journal.When(Death(kOne, "2025-03-17"))->events.size(), 0u);
  EXPECT_EQ(journal.When(Death(kOne, "2025-03-16"))->events.size(), 1u);
  EXPECT_EQ(Get(kOne).death_date(), "2025-03-16");

  v1::WithdrawDeathRequest withdraw;
  withdraw.set_person_id(kOne);
  withdraw.set_reason("OTHER_PERSON");
  ASSERT_THAT(journal.When(withdraw), IsDone());
  EXPECT_FALSE(ContextOf(kOne).deceased());
  EXPECT_EQ(ContextOf(kOne).death_date(), "");
  EXPECT_THAT(journal.When(withdraw),
              RefusedWith(StatusCode::kFailedPrecondition, "NO_DEATH_RECORDED"));
}

TEST_F(PersonTest, MergedAndUnknownPeopleAreChangedByNoCommand) {
  v1::WithdrawDeathRequest withdraw;
  withdraw.set_person_id(kOne);
  v1::LiftRestrictionRequest lift;
  lift.set_person_id(kOne);
  v1::ResolveNumberConflictRequest resolve;
  resolve.set_person_id(kOne);
  const auto expect = [&](StatusCode code, const char* reason) {
    EXPECT_THAT(journal.When(Death(kOne, "2025-03-01")), RefusedWith(code, reason));
    EXPECT_THAT(journal.When(withdraw), RefusedWith(code, reason));
    EXPECT_THAT(journal.When(Restrict(kOne)), RefusedWith(code, reason));
    EXPECT_THAT(journal.When(lift), RefusedWith(code, reason));
    EXPECT_THAT(journal.When(resolve), RefusedWith(code, reason));
  };
  expect(StatusCode::kNotFound, "PERSON_NOT_FOUND");
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  ASSERT_THAT(journal.When(Ensure(kTwo, "2")), IsDone());
  ASSERT_THAT(journal.When(Merge(kTwo, kOne)), IsDone());
  expect(StatusCode::kFailedPrecondition, "PERSON_MERGED");
}

// Goal: nothing says how to reach a restricted person. Method: every event and every answer of
// every role is searched for the words that the person was registered with.
TEST_F(PersonTest, Inv139NobodySeesHowToReachARestrictedPerson) {  // INV-139
  v1::EnsurePersonRequest request = Ensure(kOne, "1");
  request.set_restricted(true);
  v1::Demographics& person = *request.mutable_demographics();
  person.add_address_lines()->set_text("SECRET STREET");
  person.mutable_postcode()->set_text("SECRET CODE");
  person.mutable_telephone()->set_text("SECRET PHONE");
  person.mutable_email()->set_text("SECRET MAIL");
  v1::ContactPoint& point = *person.mutable_profile()->add_contact_points();
  point.set_kind(v1::CONTACT_KIND_TELEPHONE);
  point.mutable_value()->set_text("SECRET POINT");
  point.set_rank(1);
  ASSERT_THAT(journal.When(request), IsDone());
  v1::UpdatePersonRequest update = Update(kOne);
  update.set_gp_practice("A1001");
  ASSERT_THAT(journal.When(update), IsDone());
  EXPECT_EQ(Of(kOne).gp_practice(), "A1001");

  for (v1::PersonEvent event : journal.EventsOf(kOne)) {
    // Private fields are never published.
    EXPECT_EQ(event.person_registered().gp_practice(), "");
    EXPECT_EQ(event.person_updated().gp_practice(), "");
  }
  for (const char* role : {"referrer", "link_worker", "occupational_therapist", "administrator"}) {
    journal.caller.role = role;
    const v1::GetPersonResponse shown = Get(kOne);
    EXPECT_TRUE(shown.restricted());
    EXPECT_EQ(shown.gp_practice(), "");
    EXPECT_EQ(shown.DebugString().find("SECRET"), std::string::npos) << role;
    EXPECT_TRUE(shown.demographics().has_first_name());
  }
  const common::v1::PersonContext context = ContextOf(kOne);
  EXPECT_TRUE(context.restricted());
  EXPECT_EQ(context.gp_practice(), "");
  EXPECT_THAT(context.missing_items(), testing::IsEmpty()) << "it is not missing, it is not told";
  EXPECT_EQ(context.icb(), "QWO");
}

TEST_F(PersonTest, Inv139ARestrictionHoldsFromItsDayUntilItIsLifted) {  // INV-139
  v1::EnsurePersonRequest request = Ensure(kOne, "1");
  request.mutable_demographics()->mutable_telephone()->set_text("0113 496 0000");
  ASSERT_THAT(journal.When(request), IsDone());
  EXPECT_TRUE(Get(kOne).demographics().has_telephone());
  EXPECT_FALSE(ContextOf(kOne).restricted());
  ASSERT_THAT(journal.When(Restrict(kOne)), IsDone());
  EXPECT_TRUE(journal.When(Restrict(kOne))->events.empty());
  EXPECT_FALSE(Get(kOne).demographics().has_telephone());
  EXPECT_TRUE(ContextOf(kOne).restricted());
  v1::LiftRestrictionRequest lift;
  lift.set_person_id(kOne);
  ASSERT_THAT(journal.When(lift), IsDone());
  EXPECT_TRUE(journal.When(lift)->events.empty());
  EXPECT_TRUE(Get(kOne).demographics().has_telephone());
  EXPECT_EQ(ContextOf(kOne).gp_practice(), "A1001");
}

TEST_F(PersonTest, Inv139WhoIsFoundAsRestrictedIsRestrictedFromThenOn) {  // INV-139
  v1::EnsurePersonRequest poor = Ensure(kOne, "1");
  poor.clear_gp_practice();
  ASSERT_THAT(journal.When(poor), IsDone());
  v1::EnsurePersonRequest restricted = Ensure(kTwo, "1");
  restricted.set_restricted(true);
  auto found = journal.When(restricted);
  ASSERT_THAT(found, IsDone());
  EXPECT_EQ(found->response.person_id(), kOne);
  ASSERT_EQ(found->events.size(), 2u);
  EXPECT_TRUE(found->events[0].has_person_restricted());
  EXPECT_EQ(found->events[1].person_updated().gp_practice(), "");
  EXPECT_EQ(Of(kOne).gp_practice(), "A1001");
  // Another sender who does not know lifts nothing.
  ASSERT_THAT(journal.When(Ensure(kTwo, "1")), IsDone());
  EXPECT_TRUE(Of(kOne).restricted());
}

TEST_F(PersonTest, Inv12NotStatedAndNotKnownAreKeptApart) {  // INV-12
  v1::EnsurePersonRequest request = Ensure(kOne, "1");
  request.set_ethnic_category("99");
  ASSERT_THAT(journal.When(request), IsDone());
  EXPECT_EQ(Get(kOne).ethnic_category(), "99");
  // Nobody had asked: an answer says more, that the person declined to answer too.
  request.set_ethnic_category("Z");
  ASSERT_THAT(journal.When(request), IsDone());
  EXPECT_EQ(Get(kOne).ethnic_category(), "Z");
  // Who declined is not somebody who was not asked.
  request.set_ethnic_category("99");
  ASSERT_THAT(journal.When(request), IsDone());
  EXPECT_EQ(Get(kOne).ethnic_category(), "Z");
}

TEST_F(PersonTest, Inv13ADecileHasItsEditionAndIsOfTheAddress) {  // INV-13
  v1::EnsurePersonRequest request = Ensure(kOne, "1");
  request.mutable_imd()->set_decile(1);
  request.mutable_imd()->set_edition(2018);
  EXPECT_THAT(journal.When(request), RefusedField("imd.edition", "IMD_EDITION_UNKNOWN"));
  request.mutable_imd()->set_edition(2019);
  request.mutable_digests()->mutable_match()->set_postcode("old");
  ASSERT_THAT(journal.When(request), IsDone());
  const common::v1::PersonContext then = ContextOf(kOne);
  EXPECT_EQ(then.imd().decile(), 1);
  EXPECT_EQ(then.imd().edition(), 2019);

  v1::UpdatePersonRequest move = Update(kOne);
  move.mutable_imd()->set_edition(2016);
  EXPECT_THAT(journal.When(move), RefusedField("imd.edition", "IMD_EDITION_UNKNOWN"));
  move.clear_imd();
  move.mutable_digests()->mutable_match()->set_postcode("old");
  ASSERT_THAT(journal.When(move), IsDone());
  EXPECT_TRUE(Of(kOne).has_imd()) << "the address is the same";
  move.mutable_digests()->mutable_match()->set_postcode("new");
  ASSERT_THAT(journal.When(move), IsDone());
  EXPECT_FALSE(ContextOf(kOne).has_imd()) << "nobody said how deprived the new one is";
  move.mutable_imd()->set_decile(9);
  move.mutable_imd()->set_edition(2025);
  ASSERT_THAT(journal.When(move), IsDone());
  EXPECT_EQ(ContextOf(kOne).imd().decile(), 9);
  // What others recorded from the first answer is as it was.
  EXPECT_EQ(then.imd().decile(), 1);
  journal.caller.role = "administrator";
  EXPECT_EQ(Get(kOne).imd().edition(), 2025);
  journal.caller.role = "referrer";
  EXPECT_FALSE(Get(kOne).has_imd());
}

TEST_F(PersonTest, Inv15SexIsInNoEventThatHasTheGender) {  // INV-15
  v1::EnsurePersonRequest request = Ensure(kOne, "1");
  request.mutable_demographics()->mutable_gender()->set_text("1");
  request.mutable_demographics()->mutable_profile()->mutable_sex()->set_text("2");
  request.mutable_demographics()->mutable_profile()->mutable_preferred_name()->set_text("Al");
  ASSERT_THAT(journal.When(request), IsDone());
  v1::UpdatePersonRequest update = Update(kOne);
  update.mutable_demographics()->mutable_gender()->set_text("2");
  update.mutable_demographics()->mutable_profile()->mutable_sex()->set_text("1");
  ASSERT_THAT(journal.When(update), IsDone());
  // Found, and lacking both.
  ASSERT_THAT(journal.When(Ensure(kTwo, "2")), IsDone());
  v1::EnsurePersonRequest both = request;
  both.mutable_demographics()->mutable_nhs_number()->set_text("2");
  both.mutable_digests()->set_nhs_number("digest of 2");
  ASSERT_THAT(journal.When(both), IsDone());
  for (const char* id : {kOne, kTwo}) {
    EXPECT_TRUE(Of(id).demographics().has_gender());
    EXPECT_TRUE(Of(id).demographics().profile().has_sex());
    EXPECT_TRUE(Of(id).holds_number());
    for (const v1::PersonEvent& event : journal.EventsOf(id)) {
      const v1::Demographics& person = event.has_person_registered()
                                           ? event.person_registered().demographics()
                                           : event.person_updated().demographics();
      EXPECT_FALSE(person.has_gender() && person.profile().has_sex()) << event.DebugString();
    }
  }
  EXPECT_EQ(Of(kOne).demographics().profile().sex().sealed(), std::string(kOne) + ":1");
  EXPECT_TRUE(Of(kOne).demographics().profile().has_preferred_name());
  // Only who treats the person sees it.
  EXPECT_FALSE(Get(kOne).demographics().profile().has_sex());
  journal.caller.role = "occupational_therapist";
  EXPECT_TRUE(Get(kOne).demographics().profile().has_sex());
}

TEST_F(PersonTest, NeedsAndWaysToReachReplaceThoseBefore) {
  v1::EnsurePersonRequest request = Ensure(kOne, "1");
  v1::Profile& profile = *request.mutable_demographics()->mutable_profile();
  v1::Need& need = *profile.add_needs();
  need.set_kind(v1::NEED_KIND_COMMUNICATION);
  need.mutable_text()->set_text("large print");
  profile.mutable_preferred_name()->set_text("Al");
  ASSERT_THAT(journal.When(request), IsDone());
  EXPECT_FALSE(Get(kOne).has_reasonable_adjustment());
  v1::UpdatePersonRequest update = Update(kOne);
  v1::Need& adjustment = *update.mutable_demographics()->mutable_profile()->add_needs();
  adjustment.set_kind(v1::NEED_KIND_REASONABLE_ADJUSTMENT);
  adjustment.mutable_text()->set_text("longer appointments");
  ASSERT_THAT(journal.When(update), IsDone());
  const v1::GetPersonResponse shown = Get(kOne);
  ASSERT_EQ(shown.demographics().profile().needs_size(), 1);
  EXPECT_EQ(shown.demographics().profile().needs(0).kind(), v1::NEED_KIND_REASONABLE_ADJUSTMENT);
  EXPECT_TRUE(shown.demographics().profile().has_preferred_name()) << "what is not set stays";
  EXPECT_TRUE(shown.has_reasonable_adjustment());
}

// Somebody of whom all is known that a record may be without again.
v1::EnsurePersonRequest WithDetails(v1::EnsurePersonRequest request) {
  v1::Demographics& person = *request.mutable_demographics();
  person.add_address_lines()->set_text("SECRET STREET");
  person.mutable_postcode()->set_text("SECRET CODE");
  person.mutable_telephone()->set_text("SECRET PHONE");
  person.mutable_email()->set_text("SECRET MAIL");
  v1::Profile& profile = *person.mutable_profile();
  profile.mutable_preferred_name()->set_text("Addie");
  for (const v1::ContactKind kind :
       {v1::CONTACT_KIND_TELEPHONE, v1::CONTACT_KIND_EMAIL, v1::CONTACT_KIND_TELEPHONE}) {
    v1::ContactPoint& point = *profile.add_contact_points();
    point.set_kind(kind);
    point.mutable_value()->set_text("SECRET POINT");
    point.set_rank(1);
  }
  v1::Need& need = *profile.add_needs();
  need.set_kind(v1::NEED_KIND_COMMUNICATION);
  need.mutable_text()->set_text("Large print");
  return request;
}

TEST_F(PersonTest, WhatIsRemovedIsGoneAndTheRestStays) {
  ASSERT_THAT(journal.When(WithDetails(Ensure(kOne, "1"))), IsDone());
  const auto remove = [&](v1::RemovableDetail detail) {
    v1::UpdatePersonRequest update = Update(kOne);
    update.add_removed(detail);
    ASSERT_THAT(journal.When(update), IsDone());
    // The same again: it is gone already.
    ASSERT_THAT(journal.When(update), IsDone());
  };
  v1::Demographics left = Of(kOne).demographics();
  const auto expect_left = [&] {
    EXPECT_EQ(Of(kOne).demographics().DebugString(), left.DebugString());
  };
  remove(v1::REMOVABLE_DETAIL_TELEPHONE);
  left.clear_telephone();
  left.mutable_profile()->mutable_contact_points()->DeleteSubrange(2, 1);
  left.mutable_profile()->mutable_contact_points()->DeleteSubrange(0, 1);
  expect_left();
  remove(v1::REMOVABLE_DETAIL_EMAIL);
  left.clear_email();
  left.mutable_profile()->clear_contact_points();
  expect_left();
  remove(v1::REMOVABLE_DETAIL_ADDRESS);
  left.clear_address_lines();
  expect_left();
  remove(v1::REMOVABLE_DETAIL_POSTCODE);
  left.clear_postcode();
  expect_left();
  remove(v1::REMOVABLE_DETAIL_PREFERRED_NAME);
  left.mutable_profile()->clear_preferred_name();
  expect_left();
  remove(v1::REMOVABLE_DETAIL_NEEDS);
  left.clear_profile();
  expect_left();
  EXPECT_TRUE(Of(kOne).holds_number());
  EXPECT_TRUE(left.has_birth_date());
}

TEST_F(PersonTest, OneDetailGoesWhileAnotherIsReplaced) {
  ASSERT_THAT(journal.When(WithDetails(Ensure(kOne, "1"))), IsDone());
  v1::UpdatePersonRequest update = Update(kOne);
  update.add_removed(v1::REMOVABLE_DETAIL_EMAIL);
  v1::Demographics& person = *update.mutable_demographics();
  person.mutable_telephone()->set_text("new");
  v1::ContactPoint& point = *person.mutable_profile()->add_contact_points();
  point.set_kind(v1::CONTACT_KIND_TELEPHONE);
  point.mutable_value()->set_text("new");
  ASSERT_THAT(journal.When(update), IsDone());
  EXPECT_FALSE(Of(kOne).demographics().has_email());
  EXPECT_TRUE(Of(kOne).demographics().has_telephone());
  EXPECT_EQ(Of(kOne).demographics().profile().contact_points_size(), 1);
}

// The door gives the field the first number of the list that fits. Where none does, a number that
// is no longer used would stay the one to try first.
TEST_F(PersonTest, ANumberThatIsInTheNewListNoMoreIsNotTriedFirst) {
  ASSERT_THAT(journal.When(WithDetails(Ensure(kOne, "1"))), IsDone());
  v1::UpdatePersonRequest update = Update(kOne);
  const auto add = [&](v1::ContactKind kind, const char* value) {
    auto& points = *update.mutable_demographics()->mutable_profile()->mutable_contact_points();
    v1::ContactPoint& point = *points.Add();
    point.set_kind(kind);
    point.mutable_value()->set_text(value);
  };
  add(v1::CONTACT_KIND_EMAIL, "ada@example.test");
  ASSERT_THAT(journal.When(update), IsDone());
  EXPECT_TRUE(Of(kOne).demographics().has_telephone()) << "a list without numbers says nothing";
  add(v1::CONTACT_KIND_TELEPHONE, "longer than the field");
  ASSERT_THAT(journal.When(update), IsDone());
  EXPECT_FALSE(Of(kOne).demographics().has_telephone());
  EXPECT_EQ(Of(kOne).demographics().profile().contact_points_size(), 2);
  EXPECT_TRUE(Of(kOne).demographics().has_email());
}

TEST_F(PersonTest, NothingIsGivenAndRemovedAtOnce) {
  ASSERT_THAT(journal.When(WithDetails(Ensure(kOne, "1"))), IsDone());
  const auto refused = [&](v1::RemovableDetail detail, const char* field, auto give) {
    v1::UpdatePersonRequest update = Update(kOne);
    update.add_removed(detail);
    give(update);
    EXPECT_THAT(journal.When(update), RefusedField(field, "DETAIL_GIVEN_AND_REMOVED"));
  };
  const auto add_point = [](v1::UpdatePersonRequest& update, v1::ContactKind kind) {
    update.mutable_demographics()->mutable_profile()->add_contact_points()->set_kind(kind);
  };
  refused(v1::REMOVABLE_DETAIL_TELEPHONE, "demographics.telephone",
          [](auto& update) { update.mutable_demographics()->mutable_telephone()->set_text("x"); });
  refused(v1::REMOVABLE_DETAIL_TELEPHONE, "demographics.profile.contact_points",
          [&](auto& update) { add_point(update, v1::CONTACT_KIND_TELEPHONE); });
  refused(v1::REMOVABLE_DETAIL_EMAIL, "demographics.email",
          [](auto& update) { update.mutable_demographics()->mutable_email()->set_text("x"); });
  refused(v1::REMOVABLE_DETAIL_EMAIL, "demographics.profile.contact_points",
          [&](auto& update) { add_point(update, v1::CONTACT_KIND_EMAIL); });
  refused(v1::REMOVABLE_DETAIL_ADDRESS, "demographics.address_lines",
          [](auto& update) { update.mutable_demographics()->add_address_lines()->set_text("x"); });
  refused(v1::REMOVABLE_DETAIL_POSTCODE, "demographics.postcode",
          [](auto& update) { update.mutable_demographics()->mutable_postcode()->set_text("x"); });
  refused(v1::REMOVABLE_DETAIL_POSTCODE, "imd", [](auto& update) {
    update.mutable_imd()->set_decile(1);
    update.mutable_imd()->set_edition(2019);
  });
  refused(
      v1::REMOVABLE_DETAIL_PREFERRED_NAME, "demographics.profile.preferred_name", [](auto& update) {
        update.mutable_demographics()->mutable_profile()->mutable_preferred_name()->set_text("x");
      });
  refused(v1::REMOVABLE_DETAIL_NEEDS, "demographics.profile.needs",
          [](auto& update) { update.mutable_demographics()->mutable_profile()->add_needs(); });
  v1::UpdatePersonRequest nothing = Update(kOne);
  nothing.add_removed(v1::REMOVABLE_DETAIL_UNSPECIFIED);
  EXPECT_THAT(journal.When(nothing), RefusedField("removed[0]", "DETAIL_NOT_REMOVABLE"));
}

TEST_F(PersonTest, Inv13ADecileGoesWithItsPostcode) {  // INV-13
  v1::EnsurePersonRequest request = LookAlike(kOne, "1");
  request.mutable_imd()->set_decile(1);
  request.mutable_imd()->set_edition(2019);
  ASSERT_THAT(journal.When(request), IsDone());
  ASSERT_THAT(journal.When(LookAlike(kTwo, "2")), IsDone());
  v1::UpdatePersonRequest update = Update(kOne);
  update.add_removed(v1::REMOVABLE_DETAIL_ADDRESS);
  ASSERT_THAT(journal.When(update), IsDone());
  EXPECT_TRUE(Of(kOne).has_imd());
  EXPECT_THAT(DuplicatesOf(kTwo), testing::ElementsAre(kOne));
  update.add_removed(v1::REMOVABLE_DETAIL_POSTCODE);
  ASSERT_THAT(journal.When(update), IsDone());
  EXPECT_FALSE(ContextOf(kOne).has_imd());
  // Who has no postcode any more is a look-alike no more.
  EXPECT_THAT(DuplicatesOf(kTwo), testing::IsEmpty());
  EXPECT_THAT(DuplicatesOf(kOne), testing::IsEmpty());
}

// Goal: also what is taken away says nothing of how to reach a restricted person, and the answer
// does not tell whether it was there. Method: two people, of whom one has no details.
TEST_F(PersonTest, Inv139WhatARestrictedPersonLosesIsNotTold) {  // INV-139
  for (const char* id : {kOne, kTwo}) {
    v1::EnsurePersonRequest request = Ensure(id, id);
    if (id == kOne) request = WithDetails(request);
    request.set_restricted(true);
    ASSERT_THAT(journal.When(request), IsDone());
    v1::UpdatePersonRequest update = Update(id);
    update.add_removed(v1::REMOVABLE_DETAIL_TELEPHONE);
    update.add_removed(v1::REMOVABLE_DETAIL_ADDRESS);
    const auto removed = journal.When(update);
    ASSERT_THAT(removed, IsDone());
    ASSERT_EQ(removed->events.size(), 1u);
    v1::PersonUpdated expected;
    expected.mutable_digests()->set_number_check(v1::NUMBER_CHECK_ABSENT);
    expected.set_nhs_number_status(v1::NHS_NUMBER_STATUS_PRESENT_AND_VERIFIED);
    expected.set_holds_number(true);
    *expected.mutable_removed() = update.removed();
    EXPECT_EQ(removed->events[0].person_updated().DebugString(), expected.DebugString());
    EXPECT_EQ(removed->response.DebugString(), v1::UpdatePersonResponse().DebugString());
    EXPECT_TRUE(Of(id).restricted());
    EXPECT_EQ(Of(id).gp_practice(), "A1001");
    EXPECT_FALSE(Of(id).demographics().has_telephone());
    EXPECT_EQ(Get(id).DebugString().find("SECRET"), std::string::npos);
  }
  EXPECT_TRUE(Of(kOne).demographics().has_email());
}

TEST_F(PersonTest, LookAlikesAreOfferedAndNeverMerged) {
  journal.caller.role = "administrator";
  ASSERT_THAT(journal.When(LookAlike(kOne, "1")), IsDone());
  auto second = journal.When(LookAlike(kTwo, "2"));
  ASSERT_THAT(second, IsDone());
  EXPECT_TRUE(second->response.registered());
  EXPECT_THAT(second->response.possible_duplicates(), testing::ElementsAre(kOne));
  EXPECT_THAT(DuplicatesOf(kOne), testing::ElementsAre(kTwo));
  EXPECT_THAT(DuplicatesOf(kTwo), testing::ElementsAre(kOne));

  // A referrer is not told who is known here; the event says what there was.
  journal.caller.role = "referrer";
  auto third = journal.When(LookAlike(kThree, "3"));
  ASSERT_THAT(third, IsDone());
  EXPECT_THAT(third->response.possible_duplicates(), testing::IsEmpty());
  EXPECT_THAT(third->events[0].person_registered().possible_duplicates(),
              testing::ElementsAre(kOne, kTwo));

  // Who moves away is a look-alike no more, also when others came before and after.
  v1::UpdatePersonRequest move = Update(kOne);
  move.mutable_digests()->mutable_match()->set_postcode("elsewhere");
  ASSERT_THAT(journal.When(move), IsDone());
  EXPECT_THAT(DuplicatesOf(kOne), testing::IsEmpty());
  EXPECT_THAT(DuplicatesOf(kTwo), testing::ElementsAre(kThree));
  // And who comes back is one again.
  move.mutable_digests()->mutable_match()->set_postcode("LS1 4AP");
  ASSERT_THAT(journal.When(move), IsDone());
  EXPECT_THAT(DuplicatesOf(kThree), testing::ElementsAre(kOne, kTwo));
  ASSERT_THAT(journal.When(Merge(kTwo, kOne)), IsDone());
  EXPECT_THAT(DuplicatesOf(kThree), testing::ElementsAre(kTwo));
}

TEST_F(PersonTest, LookAlikesAreToldBeforeARecordIsMade) {
  journal.caller.role = "link_worker";
  ASSERT_THAT(journal.When(LookAlike(kOne, "1")), IsDone());
  ASSERT_THAT(journal.When(LookAlike(kTwo, "2")), IsDone());
  EXPECT_THAT(LikeWhom(LookAlike(kThree, "")), testing::ElementsAre(kOne, kTwo));
  // As at the registration.
  const auto third = journal.When(LookAlike(kThree, "3"));
  ASSERT_THAT(third, IsDone());
  EXPECT_THAT(third->response.possible_duplicates(), testing::ElementsAre(kOne, kTwo));
  EXPECT_THAT(LikeWhom(LookAlike("", "4")), testing::ElementsAre(kOne, kTwo, kThree));
  EXPECT_THAT(LikeWhom(Ensure("", "4")), testing::IsEmpty()) << "no postcode";

  // Whom the number and the birth date find is nobody to ask about, whoever else is like them.
  EXPECT_THAT(LikeWhom(LookAlike("", "1")), testing::IsEmpty());
  EXPECT_THAT(LikeWhom(Ensure("", "1")), testing::IsEmpty());
  // With another birth date, or none, the number is evidence alone.
  EXPECT_THAT(LikeWhom(Ensure("", "1", "born-2")), testing::ElementsAre(kOne));
  EXPECT_THAT(LikeWhom(Ensure("", "1", "")), testing::ElementsAre(kOne));
  v1::EnsurePersonRequest failed = Ensure("", "1", "born-2");
  failed.mutable_digests()->set_number_check(v1::NUMBER_CHECK_FAILED);
  EXPECT_THAT(LikeWhom(failed), testing::IsEmpty()) << "such a number is nobody's";

  v1::FindPossibleDuplicatesRequest find;
  EXPECT_THAT(journal.Ask(find), RefusedField("person_id", "RECORD_OR_DEMOGRAPHICS"));
  find.set_person_id(kOne);
  find.mutable_demographics();
  EXPECT_THAT(journal.Ask(find), RefusedField("person_id", "RECORD_OR_DEMOGRAPHICS"));
}

// To be like somebody is to have their postcode: whoever names one would be told it.
TEST_F(PersonTest, Inv139NobodyIsToldThatARestrictedPersonIsALookAlike) {  // INV-139
  ASSERT_THAT(journal.When(LookAlike(kOne, "1")), IsDone());
  ASSERT_THAT(journal.When(Restrict(kOne)), IsDone());
  for (const char* role : {"link_worker", "administrator"}) {
    journal.caller.role = role;
    EXPECT_THAT(LikeWhom(LookAlike("", "")), testing::IsEmpty()) << role;
    EXPECT_THAT(LikeWhom(LookAlike("", "1")), testing::IsEmpty()) << role;
    EXPECT_THAT(LikeWhom(Ensure("", "1", "born-2")), testing::IsEmpty()) << role;
  }
  journal.caller.role = "link_worker";
  const auto second = journal.When(LookAlike(kTwo, "2"));
  ASSERT_THAT(second, IsDone());
  EXPECT_THAT(second->response.possible_duplicates(), testing::IsEmpty());
  EXPECT_THAT(second->events[0].person_registered().possible_duplicates(),
              testing::ElementsAre(kOne));
  EXPECT_THAT(DuplicatesOf(kTwo), testing::IsEmpty());
  EXPECT_THAT(DuplicatesOf(kOne), testing::IsEmpty());
  // Whoever merges records must see which they are.
  journal.caller.role = "administrator";
  EXPECT_THAT(DuplicatesOf(kTwo), testing::ElementsAre(kOne));
  EXPECT_THAT(DuplicatesOf(kOne), testing::ElementsAre(kTwo));
}

TEST_F(PersonTest, AnyOtherNameBirthDateOrPostcodeIsNoLookAlike) {
  ASSERT_THAT(journal.When(LookAlike(kOne, "1")), IsDone());
  int i = 0;
  const auto expect_none = [&](v1::EnsurePersonRequest request) {
    request.set_new_person_id(absl::StrFormat("0196d5a0-0002-7000-8000-%012d", ++i));
    request.mutable_digests()->set_nhs_number(absl::StrCat("digest of other ", i));
    ASSERT_THAT(journal.When(request), IsDone());
    EXPECT_THAT(DuplicatesOf(request.new_person_id()), testing::IsEmpty()) << i;
  };
  v1::EnsurePersonRequest other = LookAlike(kTwo, "2");
  other.mutable_digests()->mutable_match()->set_first_name("Adam");
  expect_none(other);
  other = LookAlike(kTwo, "2");
  other.mutable_digests()->mutable_match()->set_family_name("Sample");
  expect_none(other);
  other = LookAlike(kTwo, "2");
  other.mutable_digests()->mutable_match()->set_postcode("LS1 4AQ");
  expect_none(other);
  other = LookAlike(kTwo, "2");
  other.mutable_digests()->set_birth_date("born-2");
  expect_none(other);
  // What is not known is like nothing.
  other = LookAlike(kTwo, "2");
  other.mutable_digests()->mutable_match()->clear_postcode();
  expect_none(other);
}

TEST_F(PersonTest, AFoundRecordThatLearnsItsPostcodeBecomesALookAlike) {
  v1::EnsurePersonRequest poor = LookAlike(kOne, "1");
  poor.mutable_demographics()->clear_postcode();
  poor.mutable_digests()->mutable_match()->clear_postcode();
  ASSERT_THAT(journal.When(poor), IsDone());
  ASSERT_THAT(journal.When(LookAlike(kTwo, "2")), IsDone());
  EXPECT_THAT(DuplicatesOf(kTwo), testing::IsEmpty());
  auto brought = journal.When(LookAlike(kThree, "1"));
  ASSERT_THAT(brought, IsDone());
  EXPECT_EQ(brought->response.person_id(), kOne);
  EXPECT_THAT(DuplicatesOf(kTwo), testing::ElementsAre(kOne));
  // The same again changes nothing.
  EXPECT_TRUE(journal.When(LookAlike(kThree, "1"))->events.empty());
}

TEST_F(PersonTest, OneNumberMakesPossibleDuplicatesAtOnce) {
  journal.caller.role = "link_worker";
  ASSERT_THAT(journal.When(Ensure(kOne, "1")), IsDone());
  auto claimant = journal.When(Ensure(kTwo, "1", "born-2"));
  ASSERT_THAT(claimant, IsDone());
  EXPECT_THAT(claimant->response.possible_duplicates(), testing::ElementsAre(kOne));
  ASSERT_THAT(journal.When(Ensure(kThree, "1", "")), IsDone());
  EXPECT_THAT(DuplicatesOf(kOne), testing::ElementsAre(kTwo, kThree));
  EXPECT_THAT(DuplicatesOf(kTwo), testing::ElementsAre(kOne, kThree));
  v1::FindPossibleDuplicatesRequest find;
  find.set_person_id(kTwo);
  EXPECT_THAT(journal.Ask(find)->duplicates(0).evidence(),
              testing::ElementsAre(v1::DUPLICATE_EVIDENCE_NHS_NUMBER));
  find.set_person_id("0196d5a0-0001-7000-8000-000000000009");
  EXPECT_EQ(base::ReasonOf(journal.Ask(find).status()), "PERSON_NOT_FOUND");
}

TEST_F(PersonTest, MoreLookAlikesThanPlacesAreToldOfTheFirstFour) {
  std::vector<std::string> ids;
  for (int i = 1; i <= 6; ++i) {
    ids.push_back(absl::StrFormat("0196d5a0-0002-7000-8000-%012d", i));
    ASSERT_THAT(journal.When(LookAlike(ids.back(), absl::StrCat("n", i))), IsDone());
  }
  EXPECT_THAT(DuplicatesOf(ids[5]), testing::ElementsAre(ids[0], ids[1], ids[2], ids[3]));
  EXPECT_THAT(DuplicatesOf(ids[0]), testing::ElementsAre(ids[1], ids[2], ids[3]));
}

}  // namespace
}  // namespace fettle::person
