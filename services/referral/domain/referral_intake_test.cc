// SubmitReferral and ProvideMissingDetails.
#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "fettle/common/v1/options.pb.h"
#include "services/referral/domain/referral_testing.h"

namespace fettle::referral {
namespace {

using absl::StatusCode;
using base::IsDone;
using base::RefusedField;
using base::RefusedWith;
using testing::ElementsAre;
using testing::IsEmpty;

class SubmitTest : public ReferralTest {};

TEST_F(SubmitTest, RecordsWhatWasAskedAndTheEvidence) {
  v1::SubmitReferralRequest request = Submit();
  const auto done = journal.When(request);
  ASSERT_THAT(done, IsDone());
  ASSERT_EQ(done->events.size(), 1u);
  const v1::ReferralSubmitted& event = done->events[0].referral_submitted();
  EXPECT_EQ(event.person_id(), kPerson);
  EXPECT_EQ(event.service().organisation(), kProvider);
  EXPECT_EQ(event.details().reason().text().sealed(),
            std::string(kPerson) + ":has not left the house");
  EXPECT_EQ(event.intake(), v1::INTAKE_DIRECT);
  EXPECT_EQ(event.referring_organisation(), kPractice);
  EXPECT_EQ(event.person().version(), 3);
  ASSERT_EQ(event.organisations_size(), 2);
  EXPECT_EQ(event.organisations(0).ods_code(), kProvider);
  EXPECT_EQ(event.organisations(0).date(), kToday);
  EXPECT_EQ(event.organisations(1).ods_code(), kPractice);
  EXPECT_EQ(event.organisations(1).date(), "2025-03-14");

  const std::string& id = done->response.referral_id();
  EXPECT_EQ(done->events[0].header().stream_id(), id);
  EXPECT_EQ(done->response.correlation_id(), journal.correlation_id);
  EXPECT_THAT(done->response.missing_items(), IsEmpty());
  const State& state = *journal.StateOf(id);
  EXPECT_EQ(state.status(), v1::REFERRAL_STATUS_SUBMITTED);
  EXPECT_EQ(state.referring_organisation(), kPractice);
  EXPECT_EQ(state.priority(), v1::PRIORITY_ROUTINE);
  EXPECT_EQ(ReferralRules::Index(state).size(), 4u) << "entries cost more than events";
  EXPECT_THAT(ReferralRules::Facts(done->events[0]), IsEmpty());
  EXPECT_THAT(ReferralRules::Subjects(state), ElementsAre(kPerson));
  EXPECT_THAT(journal.TimersOf(id), IsEmpty());
}

// Every event of a referral stays on the journey on which it was submitted.
TEST_F(SubmitTest, KeepsTheJourney) {
  v1::SubmitReferralRequest request = Submit();
  request.set_correlation_id("0196d5a0-c0c0-7000-8000-00000000000a");
  const auto submitted = journal.When(request);
  ASSERT_THAT(submitted, IsDone());
  EXPECT_EQ(submitted->response.correlation_id(), request.correlation_id());
  const std::string& id = submitted->response.referral_id();
  AsReceiver();
  ASSERT_THAT(journal.When(Triage(id)), IsDone());
  for (const v1::ReferralEvent& event : journal.EventsOf(id)) {
    EXPECT_EQ(event.header().correlation_id(), request.correlation_id());
  }
}

// INV-22: each mandatory item by itself.
TEST_F(SubmitTest, Inv22EveryMandatoryItemMustBeThere) {
  struct Item {
    const char* field;
    void (*take_away)(v1::ReferralDetails&);
  };
  const Item items[] = {
      {"details.referral_date", [](auto& details) { details.clear_referral_date(); }},
      {"details.referrer.name", [](auto& details) { details.mutable_referrer()->clear_name(); }},
      {"details.referrer.service",
       [](auto& details) { details.mutable_referrer()->clear_service(); }},
      {"details.referrer.organisation",
       [](auto& details) { details.mutable_referrer()->clear_organisation(); }},
      {"details.referrer.contact",
       [](auto& details) { details.mutable_referrer()->clear_contact(); }},
      {"details.risks", [](auto& details) { details.clear_risks(); }},
      {"details.consent", [](auto& details) { details.clear_consent(); }},
  };
  for (const Item& item : items) {
    v1::SubmitReferralRequest request = Submit();
    item.take_away(*request.mutable_details());
    const auto refused = journal.When(request);
    EXPECT_THAT(refused, RefusedField(item.field, "MANDATORY_ITEM_MISSING"));
    EXPECT_EQ(base::BadRequestOf(refused.status())->field_violations_size(), 1) << item.field;
  }
  for (const char* item : {"first_name", "family_name", "date_of_birth", "gp_practice"}) {
    journal.people[kPerson].clear_missing_items();
    journal.people[kPerson].add_missing_items(item);
    EXPECT_THAT(journal.When(Submit()),
                RefusedField(std::string("person.") + item, "MANDATORY_ITEM_MISSING"));
  }
  journal.people[kPerson].clear_missing_items();
  EXPECT_THAT(journal.When(Submit()), IsDone());
}

TEST_F(SubmitTest, Inv22NamesAllThatIsMissingAtOnce) {
  journal.people[kPerson].add_missing_items("first_name");
  v1::SubmitReferralRequest request = Submit();
  request.mutable_details()->Clear();
  const auto refused = journal.When(request);
  ASSERT_THAT(refused, RefusedField("details.consent", "MANDATORY_ITEM_MISSING"));
  EXPECT_EQ(base::BadRequestOf(refused.status())->field_violations_size(), 8);
}

// INV-22: a partner with the policy `complete` is held to the same.
TEST_F(SubmitTest, Inv22CompleteBarsMustBeComplete) {
  AsPartner();
  v1::SubmitReferralRequest request = SubmitByPartner();
  request.set_intake(v1::INTAKE_BARS_COMPLETE);
  EXPECT_THAT(journal.When(request), RefusedField("details.risks", "MANDATORY_ITEM_MISSING"));
  *request.mutable_details() = CompleteDetails();
  EXPECT_THAT(journal.When(request), IsDone());
}

// INV-22: refusing an incomplete case would lose a person.
TEST_F(SubmitTest, Inv22IncompleteBarsListsWhatIsMissing) {
  AsPartner();
  journal.people[kPerson].add_missing_items("first_name");
  journal.people[kPerson].add_missing_items("date_of_birth");
  journal.people[kPerson].set_age_years(-1);
  const auto done = journal.When(SubmitByPartner());
  ASSERT_THAT(done, IsDone());
  EXPECT_THAT(done->response.missing_items(),
              ElementsAre("first_name", "date_of_birth", "referral_date", "referrer_name",
                          "referrer_service", "referrer_organisation", "referrer_contact", "risks",
                          "consent"));
  const State& state = *journal.StateOf(done->response.referral_id());
  EXPECT_EQ(state.status(), v1::REFERRAL_STATUS_SUBMITTED);
  EXPECT_EQ(state.missing_items_size(), 9);
  ASSERT_EQ(state.partner_messages_size(), 1);
  EXPECT_FALSE(state.partner_messages(0).has_body()) << "bodies stay in the events";
  EXPECT_TRUE(done->events[0].referral_submitted().partner_message().body().sealed().size() > 0);
}

// INV-23: the door refuses longer texts by these options; the lengths are those of the PRSB
// standard.
TEST_F(SubmitTest, Inv23LongestTextsAreThoseOfTheStandard) {
  const auto max_chars = [](const google::protobuf::Descriptor* message, const char* field) {
    return message->FindFieldByName(field)->options().GetExtension(common::v1::rule).max_chars();
  };
  EXPECT_EQ(max_chars(v1::Referrer::descriptor(), "name"), 70);
  EXPECT_EQ(max_chars(v1::Referrer::descriptor(), "contact"), 70);
  EXPECT_EQ(max_chars(v1::Referrer::descriptor(), "team"), 150);
  EXPECT_EQ(max_chars(v1::ReferralReason::descriptor(), "text"), 150);
  EXPECT_EQ(max_chars(v1::RejectReferralRequest::descriptor(), "comment"), 200);
}

// INV-10: known, and valid on the event's date.
TEST_F(SubmitTest, Inv10OrganisationsMustBeKnownAndValid) {
  v1::SubmitReferralRequest request = Submit();
  request.mutable_details()->mutable_referrer()->set_organisation("ZZZ99");
  EXPECT_THAT(journal.When(request),
              RefusedField("details.referrer.organisation", "ORGANISATION_NOT_KNOWN"));
  request = Submit();
  request.mutable_service()->set_organisation("ZZZ99");
  EXPECT_THAT(journal.When(request),
              RefusedField("service.organisation", "ORGANISATION_NOT_KNOWN"));
  // The practice ended after the referral's date, before today: it did refer. The provider that
  // ended cannot help.
  journal.organisations[kPractice].end_date = "2025-03-15";
  EXPECT_THAT(journal.When(Submit()), IsDone());
  journal.organisations[kPractice].end_date = "2025-03-13";
  EXPECT_THAT(journal.When(Submit(kOtherPerson)),
              RefusedField("details.referrer.organisation", "ORGANISATION_NOT_KNOWN"));
  journal.organisations[kPractice].end_date = "";
  journal.organisations[kProvider].end_date = "2025-03-16";
  EXPECT_THAT(journal.When(Submit(kOtherPerson)),
              RefusedField("service.organisation", "ORGANISATION_NOT_KNOWN"));
}

TEST_F(SubmitTest, Inv10UnknownReferrerOfAPartnerIsMissing) {
  AsPartner();
  v1::SubmitReferralRequest request = SubmitByPartner();
  *request.mutable_details() = CompleteDetails();
  request.mutable_details()->mutable_referrer()->set_organisation("ZZZ99");
  const auto done = journal.When(request);
  ASSERT_THAT(done, IsDone());
  EXPECT_THAT(done->response.missing_items(), ElementsAre("referrer_organisation"));
}

// INV-14
TEST_F(SubmitTest, Inv14BirthIsNotAfterTheReferralAndAgeIsThatOfToday) {
  journal.people[kPerson].set_age_years(-2);
  EXPECT_THAT(journal.When(Submit()),
              RefusedWith(StatusCode::kFailedPrecondition, "BIRTH_DATE_AFTER_REFERRAL"));
  // Facts that were read before the last two birthdays.
  journal.people[kPerson].set_age_years(17);
  journal.people[kPerson].set_age_date("2024-01-05");
  journal.people[kPerson].set_next_birthday("2024-03-17");
  const auto done = journal.When(Submit());
  ASSERT_THAT(done, IsDone());
  const common::v1::PersonContext& person = done->events[0].referral_submitted().person();
  EXPECT_EQ(person.age_years(), 19);
  EXPECT_EQ(person.age_date(), kToday);
  EXPECT_EQ(person.next_birthday(), "2026-03-17");
}

// INV-139
TEST_F(SubmitTest, Inv139PracticeOfARestrictedPersonIsInNoEvent) {
  journal.people[kPerson].set_restricted(true);
  const std::string id = Active();
  bool counted = false;
  for (const v1::ReferralEvent& event : journal.EventsOf(id)) {
    EXPECT_EQ(event.referral_submitted().person().gp_practice(), "");
    EXPECT_EQ(event.referral_accepted().person().gp_practice(), "");
    EXPECT_EQ(event.referral_started().person().gp_practice(), "");
    EXPECT_EQ(event.social_prescribing_counted().gp_practice(), "");
    counted |= event.has_social_prescribing_counted();
  }
  EXPECT_TRUE(counted);
}

TEST_F(SubmitTest, MergedPersonIsNamedByIdOnly) {
  journal.people[kPerson].set_merged_into(kOtherPerson);
  const auto refused = journal.When(Submit());
  EXPECT_THAT(refused, RefusedWith(StatusCode::kFailedPrecondition, "PERSON_MERGED"));
  EXPECT_EQ(base::ErrorInfoOf(refused.status())->metadata().at("merged_into"), kOtherPerson);
}

TEST_F(SubmitTest, EvidenceMustBeAboutThisPerson) {
  journal.tamper = [](base::Evidence& evidence) { evidence.people.clear(); };
  EXPECT_THAT(journal.When(Submit()), RefusedStale());
  journal.tamper = [](base::Evidence& evidence) { evidence.sealed_for = kOtherPerson; };
  EXPECT_THAT(journal.When(Submit()), RefusedStale());
  journal.tamper = [](base::Evidence& evidence) { evidence.organisations.clear(); };
  EXPECT_THAT(journal.When(Submit()), RefusedStale());
}

// INV-32
TEST_F(SubmitTest, Inv32OneOpenReferralForAPersonAndService) {
  const std::string id = Submitted();
  AsReferrer();
  auto refused = journal.When(Submit());
  EXPECT_THAT(refused, RefusedWith(StatusCode::kAlreadyExists, "OPEN_REFERRAL_EXISTS"));
  EXPECT_EQ(base::ErrorInfoOf(refused.status())->metadata().at("referral_id"), id);
  As(kStranger, "referrer");
  refused = journal.When(Submit());
  EXPECT_THAT(refused, RefusedWith(StatusCode::kAlreadyExists, "OPEN_REFERRAL_EXISTS"));
  EXPECT_FALSE(base::ErrorInfoOf(refused.status())->metadata().contains("referral_id"));

  EXPECT_THAT(journal.When(Submit(kPerson, kOtherService)), IsDone());
  EXPECT_THAT(journal.When(Submit(kOtherPerson)), IsDone());
  AsReferrer();
  EXPECT_THAT(journal.When(Withdraw(id)), IsDone());
  EXPECT_THAT(journal.When(Submit()), IsDone());
}

// INV-33
TEST_F(SubmitTest, Inv33ReplacesAClosedReferralOfTheSamePerson) {
  const std::string id = Submitted();
  AsReferrer();
  v1::SubmitReferralRequest request = Submit(kPerson, kOtherService);
  request.set_replaces(kNobody);
  EXPECT_THAT(journal.When(request), RefusedNotFound());
  request.set_replaces(id);
  EXPECT_THAT(journal.When(request),
              RefusedWith(StatusCode::kFailedPrecondition, "REPLACED_REFERRAL_STILL_OPEN"));
  ASSERT_THAT(journal.When(Withdraw(id)), IsDone());
  As(kStranger, "referrer");
  EXPECT_THAT(journal.When(request), RefusedNotFound());
  AsReferrer();
  v1::SubmitReferralRequest of_another = Submit(kOtherPerson);
  of_another.set_replaces(id);
  EXPECT_THAT(journal.When(of_another),
              RefusedField("replaces", "REPLACED_REFERRAL_OF_ANOTHER_PERSON"));
  request = Submit();
  request.set_replaces(id);
  const auto done = journal.When(request);
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(journal.StateOf(done->response.referral_id())->replaces(), id);
}

TEST_F(SubmitTest, PartnerMessagesComeWithBarsFromIntegrators) {
  v1::SubmitReferralRequest request = Submit();
  *request.mutable_partner_message() = Message(1);
  EXPECT_THAT(journal.When(request),
              RefusedField("partner_message", "PARTNER_MESSAGE_NOT_EXPECTED"));
  request.set_intake(v1::INTAKE_BARS_COMPLETE);
  EXPECT_THAT(journal.When(request),
              RefusedWith(StatusCode::kPermissionDenied, "PARTNER_MESSAGE_FROM_INTEGRATOR_ONLY"));
  AsPartner();
  request.clear_partner_message();
  EXPECT_THAT(journal.When(request), RefusedField("partner_message", "PARTNER_MESSAGE_MISSING"));
  *request.mutable_partner_message() = Message(1);
  request.mutable_partner_message()->set_last_updated("yesterday");
  EXPECT_THAT(journal.When(request),
              RefusedField("partner_message.last_updated", "INSTANT_NOT_READABLE"));
  request.mutable_partner_message()->clear_last_updated();
  EXPECT_THAT(journal.When(request), IsDone());
}

// A message's ids are taken for ever, also when its referral is closed.
TEST_F(SubmitTest, PartnerMessageIsTakenOnce) {
  const std::string id = Submitted(SubmitByPartner());
  AsPartner();
  ASSERT_THAT(journal.When(Withdraw(id)), IsDone());
  auto refused = journal.When(SubmitByPartner());
  EXPECT_THAT(refused, RefusedWith(StatusCode::kAlreadyExists, "PARTNER_MESSAGE_ALREADY_TAKEN"));
  EXPECT_EQ(base::ErrorInfoOf(refused.status())->metadata().at("referral_id"), id);
  As(kStranger, "integrator");
  refused = journal.When(SubmitByPartner());
  EXPECT_THAT(refused, RefusedWith(StatusCode::kAlreadyExists, "PARTNER_MESSAGE_ALREADY_TAKEN"));
  EXPECT_FALSE(base::ErrorInfoOf(refused.status())->metadata().contains("referral_id"));
  AsPartner();
  EXPECT_THAT(journal.When(SubmitByPartner(2)), IsDone());
}

TEST_F(SubmitTest, CallerHasAnOrganisation) {
  As("", "referrer");
  EXPECT_THAT(journal.When(Submit()),
              RefusedWith(StatusCode::kPermissionDenied, "CALLER_WITHOUT_ORGANISATION"));
}

// INV-31: 5 minutes of clock skew, in London.
TEST_F(SubmitTest, Inv31ReferralDateIsNotInTheFuture) {
  v1::SubmitReferralRequest request = Submit();
  request.mutable_details()->set_referral_date("2025-03-18");
  EXPECT_THAT(journal.When(request), RefusedField("details.referral_date", "DATE_IN_FUTURE"));
  journal.now = absl::FromCivil(absl::CivilSecond(2025, 3, 17, 23, 54, 30), absl::UTCTimeZone());
  EXPECT_THAT(journal.When(request), RefusedField("details.referral_date", "DATE_IN_FUTURE"));
  journal.now = absl::FromCivil(absl::CivilSecond(2025, 3, 17, 23, 55, 30), absl::UTCTimeZone());
  EXPECT_THAT(journal.When(request), IsDone());
}

class ProvideTest : public ReferralTest {};

TEST_F(ProvideTest, BringsWhatWasMissing) {
  journal.people[kPerson].add_missing_items("first_name");
  const std::string id = Submitted(SubmitByPartner());
  AsPartner();
  v1::ProvideMissingDetailsRequest request = Provide(id);
  request.mutable_details()->mutable_referrer()->set_service("Harbour Surgery");
  request.mutable_details()->mutable_referrer()->set_organisation(kPractice);
  request.mutable_details()->set_referral_date("2025-03-14");
  *request.mutable_partner_message() = Message(2);
  auto done = journal.When(request);
  ASSERT_THAT(done, IsDone());
  EXPECT_THAT(done->response.missing_items(),
              ElementsAre("first_name", "referrer_name", "referrer_contact", "risks", "consent"));
  ASSERT_EQ(done->events.size(), 1u);
  const v1::ReferralDetailsProvided& event = done->events[0].referral_details_provided();
  EXPECT_EQ(event.person().person_id(), kPerson);
  ASSERT_EQ(event.organisations_size(), 1);
  EXPECT_TRUE(event.organisations(0).valid());

  journal.people[kPerson].clear_missing_items();
  request = Provide(id);
  *request.mutable_details() = CompleteDetails();
  done = journal.When(request);
  ASSERT_THAT(done, IsDone());
  EXPECT_THAT(done->response.missing_items(), IsEmpty());
  const State& state = *journal.StateOf(id);
  EXPECT_EQ(state.status(), v1::REFERRAL_STATUS_SUBMITTED);
  EXPECT_EQ(state.details().source_code(), "108161000000109") << "what was there stays";
  EXPECT_EQ(state.partner_messages_size(), 2);
  EXPECT_EQ(state.priority(), v1::PRIORITY_ROUTINE);
}

TEST_F(ProvideTest, FieldsThatAreSetReplace) {
  const std::string id = Submitted();
  v1::ProvideMissingDetailsRequest request = Provide(id);
  request.mutable_details()->mutable_referrer()->mutable_contact()->set_text("0113 496 0001");
  request.mutable_details()->mutable_reason()->set_code("HOUSING");
  request.mutable_details()->add_risks()->set_kind(v1::RISK_KIND_TO_SELF);
  ASSERT_THAT(journal.When(request), IsDone());
  const v1::ReferralDetails& details = journal.StateOf(id)->details();
  EXPECT_EQ(details.referrer().contact().sealed(), std::string(kPerson) + ":0113 496 0001");
  EXPECT_EQ(details.referrer().name().sealed(), std::string(kPerson) + ":Dr Ada Referrer");
  EXPECT_EQ(details.reason().code(), "HOUSING");
  EXPECT_FALSE(details.reason().has_text()) << "a reason's words belong to its code";
  ASSERT_EQ(details.risks_size(), 1);
  EXPECT_EQ(details.risks(0).kind(), v1::RISK_KIND_TO_SELF);
}

// The person's record was completed in the person service: asking again is enough, and asking twice
// changes nothing.
TEST_F(ProvideTest, NothingNewIsNoEvent) {
  journal.people[kPerson].add_missing_items("first_name");
  v1::SubmitReferralRequest submit = SubmitByPartner();
  *submit.mutable_details() = CompleteDetails();
  const std::string id = Submitted(submit);
  auto done = journal.When(Provide(id));
  ASSERT_THAT(done, IsDone());
  EXPECT_THAT(done->events, IsEmpty());
  journal.people[kPerson].clear_missing_items();
  done = journal.When(Provide(id));
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->events.size(), 1u);
  EXPECT_THAT(journal.StateOf(id)->missing_items(), IsEmpty());
  done = journal.When(Provide(id));
  ASSERT_THAT(done, IsDone());
  EXPECT_THAT(done->events, IsEmpty());
}

TEST_F(ProvideTest, ReferrersPriorityHoldsUntilAccepted) {
  const std::string id = InTriage();
  v1::ProvideMissingDetailsRequest request = Provide(id);
  request.mutable_details()->set_priority(v1::PRIORITY_URGENT);
  ASSERT_THAT(journal.When(request), IsDone());
  EXPECT_EQ(journal.StateOf(id)->priority(), v1::PRIORITY_URGENT);
  v1::AcceptReferralRequest accept = Accept(id);
  accept.set_priority(v1::PRIORITY_ROUTINE);
  accept.mutable_comment()->set_text("the daughter has moved in");
  ASSERT_THAT(journal.When(accept), IsDone());
  ASSERT_THAT(journal.When(request), IsDone());
  EXPECT_EQ(journal.StateOf(id)->priority(), v1::PRIORITY_ROUTINE);
  EXPECT_EQ(journal.StateOf(id)->details().priority(), v1::PRIORITY_URGENT);
}

TEST_F(ProvideTest, BothOrganisationsMayAndNobodyElse) {
  const std::string id = Submitted();
  v1::ProvideMissingDetailsRequest request = Provide(id);
  request.mutable_details()->mutable_referrer()->set_team("Team East");
  AsReceiver();
  EXPECT_THAT(journal.When(request), IsDone());
  AsReferrer();
  EXPECT_THAT(journal.When(request), IsDone());
  AsStranger();
  EXPECT_THAT(journal.When(request), RefusedNotFound());
  AsReferrer();
  EXPECT_THAT(journal.When(Provide(kNobody)), RefusedNotFound());
  *request.mutable_partner_message() = Message(2);
  EXPECT_THAT(journal.When(request),
              RefusedWith(StatusCode::kPermissionDenied, "PARTNER_MESSAGE_FROM_INTEGRATOR_ONLY"));
  As(kProvider, "integrator");
  EXPECT_THAT(journal.When(request), RefusedPermission());
}

TEST_F(ProvideTest, ClosedReferralsStayAsTheyAre) {
  const std::string id = Submitted();
  AsReferrer();
  ASSERT_THAT(journal.When(Withdraw(id)), IsDone());
  EXPECT_THAT(journal.When(Provide(id)),
              RefusedWith(StatusCode::kFailedPrecondition, "REFERRAL_CLOSED"));
}

TEST_F(ProvideTest, EvidenceMustBeAboutWhatTheStateNames) {
  const std::string id = Submitted();
  journal.tamper = [](base::Evidence& evidence) { evidence.organisations.clear(); };
  EXPECT_THAT(journal.When(Provide(id)), RefusedStale());
  journal.tamper = [](base::Evidence& evidence) { evidence.sealed_for = kOtherPerson; };
  EXPECT_THAT(journal.When(Provide(id)), RefusedStale());
}

// What was there does not go missing: not for a direct referral, and for none after it was
// accepted.
TEST_F(ProvideTest, OrganisationStaysKnown) {
  const auto with_unknown = [](const std::string& id) {
    v1::ProvideMissingDetailsRequest request = Provide(id);
    request.mutable_details()->mutable_referrer()->set_organisation("ZZZ99");
    return request;
  };
  EXPECT_THAT(journal.When(with_unknown(Submitted())),
              RefusedField("details.referrer.organisation", "ORGANISATION_NOT_KNOWN"));

  v1::SubmitReferralRequest submit = SubmitByPartner();
  submit.set_person_id(kOtherPerson);
  *submit.mutable_details() = CompleteDetails();
  const std::string id = InTriage(submit);
  const auto listed = journal.When(with_unknown(id));
  ASSERT_THAT(listed, IsDone());
  EXPECT_THAT(listed->response.missing_items(), ElementsAre("referrer_organisation"));
  v1::ProvideMissingDetailsRequest repair = Provide(id);
  repair.mutable_details()->mutable_referrer()->set_organisation(kPractice);
  ASSERT_THAT(journal.When(repair), IsDone());
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  EXPECT_THAT(journal.When(with_unknown(id)),
              RefusedField("details.referrer.organisation", "ORGANISATION_NOT_KNOWN"));
}

TEST_F(ProvideTest, Inv31ReferralDateIsNotInTheFuture) {
  const std::string id = Submitted();
  v1::ProvideMissingDetailsRequest request = Provide(id);
  request.mutable_details()->set_referral_date("2025-03-18");
  EXPECT_THAT(journal.When(request), RefusedField("details.referral_date", "DATE_IN_FUTURE"));
}

// INV-150: an update that is older than what is known of the case.
TEST_F(ProvideTest, Inv150PartnerMessagesAreNewAndNotOutdated) {
  const std::string id = Submitted(SubmitByPartner(3));
  AsPartner();
  v1::ProvideMissingDetailsRequest request = Provide(id);
  *request.mutable_partner_message() = Message(3);
  EXPECT_THAT(journal.When(request),
              RefusedWith(StatusCode::kAlreadyExists, "PARTNER_MESSAGE_ALREADY_TAKEN"));
  *request.mutable_partner_message() = Message(2);
  EXPECT_THAT(journal.When(request),
              RefusedWith(StatusCode::kFailedPrecondition, "PARTNER_MESSAGE_OUTDATED"));
  request.mutable_partner_message()->set_last_updated("2025-03-14");
  EXPECT_THAT(journal.When(request),
              RefusedField("partner_message.last_updated", "INSTANT_NOT_READABLE"));
  // The same instant in another spelling is not older.
  request.mutable_partner_message()->set_last_updated("2025-03-14T11:00:03.000+01:00");
  EXPECT_THAT(journal.When(request), IsDone());
}

// INV-150: where the instant of the record is the same, that of the message decides.
TEST_F(ProvideTest, Inv150OfOneInstantTheMessageThatIsOlderIsRefused) {
  const std::string id = Submitted(SubmitByPartner(3));
  AsPartner();
  v1::ProvideMissingDetailsRequest request = Provide(id);
  const auto send = [&](int number, const char* bundle_last_updated) {
    *request.mutable_partner_message() = Message(number);
    request.mutable_partner_message()->set_last_updated(Message(3).last_updated());
    request.mutable_partner_message()->set_bundle_last_updated(bundle_last_updated);
    return journal.When(request);
  };
  EXPECT_THAT(send(4, "2025-03-14T10:00:04Z"), IsDone());
  EXPECT_THAT(send(5, "2025-03-14T10:00:02Z"),
              RefusedWith(StatusCode::kFailedPrecondition, "PARTNER_MESSAGE_OUTDATED"));
  EXPECT_THAT(send(5, "2025-03-14T10:00:04+00:00"), IsDone());
  EXPECT_THAT(send(6, "no instant"), IsDone());
  // A later record is later, whenever it was sent.
  *request.mutable_partner_message() = Message(7);
  request.mutable_partner_message()->set_bundle_last_updated("2025-03-14T10:00:00Z");
  EXPECT_THAT(journal.When(request), IsDone());
}

TEST_F(ProvideTest, PartnerMessagesHaveALimit) {
  State state = StateIn(v1::REFERRAL_STATUS_SUBMITTED, kNobody, kPractice, kProvider);
  for (int i = 0; i < kPartnerMessagesMax - 1; ++i) {
    v1::PartnerMessage& message = *state.add_partner_messages();
    message.set_request_id(absl::StrCat("0196d5a0-0006-7000-8000-00000000", 1000 + i));
    message.set_correlation_id("0196d5a0-0005-7000-8000-000000000001");
  }
  journal.GivenState(kNobody, state);
  AsPartner();
  v1::ProvideMissingDetailsRequest request = Provide(kNobody);
  *request.mutable_partner_message() = Message(1);
  EXPECT_THAT(journal.When(request), IsDone());
  *request.mutable_partner_message() = Message(2);
  EXPECT_THAT(journal.When(request),
              RefusedWith(StatusCode::kFailedPrecondition, "PARTNER_MESSAGES_TOO_MANY"));
}

}  // namespace
}  // namespace fettle::referral
