// The table of forms: a page offers what the state allows, and what was typed becomes the command.
#include "services/gateway/http/work_forms.h"

#include <google/protobuf/util/message_differencer.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/gateway/http/new_referral.h"
#include "services/gateway/http/work_pages.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr char kId[] = "0196d5a0-0003-7000-8000-000000000001";
constexpr char kHostile[] = "<script>\"'&";
const absl::Time kNow =
    absl::FromCivil(absl::CivilSecond(2025, 7, 17, 9, 30, 0), absl::UTCTimeZone());
const Viewer kWendy = {
    .subject = "wendy", .name = "", .organisation = "SVC01", .role = "link_worker"};
const Viewer kGp = {.subject = "gp", .name = "", .organisation = "A1001", .role = "referrer"};

rv1::Referral ReferralIn(rv1::ReferralStatus status) {
  rv1::Referral referral;
  referral.set_referral_id(kId);
  referral.set_version(4);
  referral.set_status(status);
  referral.set_person_id("0196d5a0-0001-7000-8000-000000000001");
  referral.mutable_service()->set_organisation("SVC01");
  referral.set_referring_organisation("A1001");
  if (status == rv1::REFERRAL_STATUS_ACTIVE) {
    referral.set_first_contact_date("2025-07-01");
    referral.set_worker_id("wendy");
  }
  return referral;
}

std::set<std::string> Offered(const rv1::Referral& referral, const Viewer& viewer) {
  std::set<std::string> names;
  for (const WorkForm& form : WorkForms()) {
    if (form.fits(referral, viewer)) names.insert(form.name);
  }
  return names;
}

template <class Request>
Request RequestOf(const char* form, FormValues values, const rv1::Referral& referral,
                  std::vector<FormError>* errors = nullptr) {
  const WorkForm& found = *FindWorkForm(form);
  if (found.tidy != nullptr) found.tidy(values);
  std::vector<FormError> ours;
  const auto message = found.request(values, {referral, kWendy, kNow}, ours);
  if (errors != nullptr) *errors = ours;
  return dynamic_cast<const Request&>(*message);
}

TEST(WorkForms, HaveNamesOfTheirOwnAndCommandsOnAReferral) {
  std::set<std::string> names;
  for (const WorkForm& form : WorkForms()) {
    EXPECT_TRUE(names.insert(form.name).second) << form.name;
    std::vector<FormError> errors;
    const rv1::Referral referral = ReferralIn(rv1::REFERRAL_STATUS_ACTIVE);
    const auto request = form.request(FormValues(), {referral, kWendy, kNow}, errors);
    Address(*request, kId, kId, form.checks_version ? 4 : -1);
    EXPECT_THAT(
        request->DebugString(),
        HasSubstr(absl::StrCat(form.is_of_person ? "person_id: \"" : "referral_id: \"", kId)))
        << form.name;
    EXPECT_EQ(request->DebugString().find("expected_version: 4") != std::string::npos,
              form.checks_version)
        << form.name;
    // A name leads to one input.
    std::set<std::string> inputs;
    for (const Field& field : FieldsOf(form, referral, FormValues())) {
      EXPECT_TRUE(field.name.empty() || inputs.insert(field.name).second)
          << form.name << " " << field.name;
    }
  }
  EXPECT_EQ(FindWorkForm("none"), nullptr);
}

TEST(WorkForms, AreOfferedWhereTheStateAllowsThem) {
  EXPECT_THAT(Offered(ReferralIn(rv1::REFERRAL_STATUS_SUBMITTED), kWendy),
              AllOf(Contains("triage"), Contains("reject"), Not(Contains("accept")),
                    Not(Contains("answer"))));
  EXPECT_THAT(Offered(ReferralIn(rv1::REFERRAL_STATUS_IN_TRIAGE), kWendy),
              AllOf(Contains("accept"), Contains("ask"), Contains("triage-outcome"),
                    Not(Contains("plan"))));
  EXPECT_THAT(Offered(ReferralIn(rv1::REFERRAL_STATUS_ACTIVE), kWendy),
              AllOf(Contains("plan"), Contains("complete"), Contains("hand-over"),
                    Not(Contains("take")), Not(Contains("start")), Not(Contains("review"))));
  EXPECT_THAT(Offered(ReferralIn(rv1::REFERRAL_STATUS_COMPLETED), kWendy), ElementsAre("error"));
  EXPECT_THAT(Offered(ReferralIn(rv1::REFERRAL_STATUS_ENTERED_IN_ERROR), kWendy), IsEmpty());
  EXPECT_THAT(Offered(ReferralIn(rv1::REFERRAL_STATUS_INFO_REQUESTED), kGp),
              UnorderedElementsAre("answer", "withdraw", "decline", "error"));
}

TEST(WorkForms, AContactsTimeIsThatOfLondon) {
  const auto contact = RequestOf<rv1::RecordContactRequest>(
      "contact",
      FormValues("channel=CONTACT_CHANNEL_TELEPHONE&outcome=CONTACT_OUTCOME_REACHED&date-day=17&"
                 "date-month=7&date-year=2025&time=10%3A05&note=Sings"),
      ReferralIn(rv1::REFERRAL_STATUS_ACTIVE));
  EXPECT_EQ(contact.contact().time().seconds(), absl::ToUnixSeconds(kNow) - 25 * 60)
      << "10:05 in summer is 09:05 UTC";
  EXPECT_EQ(contact.contact().channel(), rv1::CONTACT_CHANNEL_TELEPHONE);
  EXPECT_EQ(contact.contact().worker_id(), "wendy");
  EXPECT_EQ(contact.contact().note().text(), "Sings");
  std::vector<FormError> errors;
  for (const char* body :
       {"", "date-day=31&date-month=2&date-year=2025&time=9", "date-day=x&time=25%3A00"}) {
    RequestOf<rv1::RecordContactRequest>("contact", FormValues(body),
                                         ReferralIn(rv1::REFERRAL_STATUS_ACTIVE), &errors);
    EXPECT_EQ(errors.size(), 2u) << body;
  }
}

// What nobody filled stays away: the service says that it is needed.
TEST(WorkForms, WhatIsUnknownBecomesNothing) {
  const auto outcome = RequestOf<rv1::RecordTriageOutcomeRequest>(
      "triage-outcome",
      FormValues("outcome=NO_SUCH&advice=ADVICE_OTHER&reason=99&priority=PRIORITY_URGENT"),
      ReferralIn(rv1::REFERRAL_STATUS_IN_TRIAGE));
  EXPECT_EQ(outcome.outcome(), rv1::TRIAGE_OUTCOME_UNSPECIFIED);
  EXPECT_EQ(outcome.advice(), rv1::ADVICE_UNSPECIFIED) << "with advice alone";
  EXPECT_EQ(outcome.priority(), rv1::PRIORITY_URGENT);
  const auto complete = RequestOf<rv1::CompleteReferralRequest>(
      "complete", FormValues("outcomes=A&outcomes=B&note=well"),
      ReferralIn(rv1::REFERRAL_STATUS_ACTIVE));
  ASSERT_EQ(complete.outcomes_size(), 2);
  EXPECT_EQ(complete.outcomes(0).note().text(), "well");
  EXPECT_FALSE(complete.outcomes(1).has_note());
}

rv1::CarePlan Plan() {
  rv1::CarePlan plan;
  plan.mutable_what_matters()->set_text("To sing");
  plan.add_needs()->set_code("160724004");
  for (int number : {2, 5}) {
    rv1::Goal& goal = *plan.add_goals();
    goal.set_number(number);
    goal.mutable_description()->set_text(absl::StrCat("Goal of ", number));
    goal.set_importance(number);
    goal.set_status(rv1::GOAL_STATUS_IN_PROGRESS);
    goal.set_stage_of(number == 5 ? 2 : 0);
  }
  rv1::Action& action = *plan.add_actions();
  action.mutable_what()->set_text("Ring");
  action.mutable_who()->set_text("Ada");
  action.set_confidence(7);
  action.set_goal_number(5);
  action.set_due_date("2025-08-01");
  plan.set_agreement(rv1::PLAN_AGREEMENT_PERSON);
  plan.mutable_criteria()->set_person_central(true);
  plan.mutable_criteria()->set_date("2025-07-02");
  plan.set_review_worker_id("zoe");
  plan.set_planned_review_date("2025-09-01");
  plan.set_funding(rv1::CARE_FUNDING_NHS);
  return plan;
}

rv1::Referral Planned() {
  rv1::Referral referral = ReferralIn(rv1::REFERRAL_STATUS_ACTIVE);
  *referral.mutable_care()->mutable_plan() = Plan();
  referral.mutable_care()->set_plan_version(1);
  return referral;
}

FormValues Opened(const rv1::Referral& referral) {
  FormValues values;
  FindWorkForm("plan")->prefill({referral, kWendy, kNow}, values);
  return values;
}

// A plan is recorded whole: what a form does not show must not be lost by it.
TEST(PlanForm, GivesBackThePlanThatItShowed) {
  const auto request = RequestOf<rv1::RecordCarePlanRequest>("plan", Opened(Planned()), Planned());
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(request.plan(), Plan()))
      << request.plan().DebugString();
}

TEST(PlanForm, GoalsKeepTheirNumbersAndActionsTheirGoals) {
  FormValues values = Opened(Planned());
  for (const char* part : {"description", "importance", "status"})
    values.Set(absl::StrCat("goal-1-", part), "");
  values.Set("goal-4-description", "A new one");
  auto plan = RequestOf<rv1::RecordCarePlanRequest>("plan", values, Planned()).plan();
  ASSERT_EQ(plan.goals_size(), 2);
  EXPECT_EQ(plan.goals(0).number(), 5);
  EXPECT_EQ(plan.goals(1).number(), 6) << "not that of the goal that went";
  EXPECT_EQ(plan.actions(0).goal_number(), 5);
  for (const char* part : {"description", "importance", "status"})
    values.Set(absl::StrCat("goal-2-", part), "");
  plan = RequestOf<rv1::RecordCarePlanRequest>("plan", values, Planned()).plan();
  EXPECT_EQ(plan.goals_size(), 1);
  EXPECT_EQ(plan.actions(0).goal_number(), 0) << "its goal has gone";
}

TEST(PlanForm, CriteriaThatChangeGetADay) {
  FormValues values = Opened(Planned());
  values.Add("criteria", "review");
  const auto criteria =
      RequestOf<rv1::RecordCarePlanRequest>("plan", values, Planned()).plan().criteria();
  EXPECT_TRUE(criteria.person_central());
  EXPECT_TRUE(criteria.review_arranged());
  EXPECT_EQ(criteria.date(), "2025-07-17");
  EXPECT_FALSE(RequestOf<rv1::RecordCarePlanRequest>("plan", FormValues(),
                                                     ReferralIn(rv1::REFERRAL_STATUS_ACTIVE))
                   .plan()
                   .has_criteria())
      << "nobody looked";
}

rv1::SharedDecision Decision() {
  rv1::SharedDecision decision;
  decision.set_number(2);
  decision.set_status(rv1::DECISION_STATUS_VALID);
  decision.mutable_subject()->set_text("Which group");
  decision.mutable_what_matters()->set_text("To be outside");
  for (const char* what : {"The allotment", "Nothing"}) {
    rv1::DecisionOption& option = *decision.add_options();
    option.mutable_description()->set_text(what);
    option.add_benefits()->set_text("Air");
    option.add_risks()->set_text("Rain");
    option.add_risks()->set_text("The bus");
  }
  decision.mutable_decision()->set_text("The allotment, with a neighbour");
  decision.set_decision_tool("A leaflet");
  decision.set_planned_review_date("2025-09-01");
  return decision;
}

rv1::Referral Decided() {
  rv1::Referral referral = Planned();
  referral.mutable_care()->add_decisions()->set_number(1);
  *referral.mutable_care()->add_decisions() = Decision();
  referral.mutable_care()->mutable_decisions(1)->mutable_record_time()->set_seconds(1);
  return referral;
}

// A decision is recorded whole, also when it is looked at again (INV-45).
TEST(DecisionForm, GivesBackTheDecisionThatItShowed) {
  FormValues values;
  values.Set("number", "2");
  FindWorkForm("decision")->prefill({Decided(), kWendy, kNow}, values);
  const auto request = RequestOf<rv1::RecordSharedDecisionRequest>("decision", values, Decided());
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(request.decision(), Decision()))
      << request.decision().DebugString();
}

TEST(DecisionForm, WhatIsNotKnownBeginsANewOne) {
  FormValues values;
  values.Set("number", "9");
  FindWorkForm("decision")->prefill({Decided(), kWendy, kNow}, values);
  EXPECT_EQ(values.Get("number"), "");
  EXPECT_EQ(values.Get("status"), "DECISION_STATUS_IN_PROGRESS");
  const auto decision =
      RequestOf<rv1::RecordSharedDecisionRequest>(
          "decision",
          FormValues("subject=s&matters=m&option-3-what=c&option-3-for=+a+%0D%0A%0D%0Ab&"
                     "option-3-against=r"),
          Decided())
          .decision();
  EXPECT_EQ(decision.number(), 0);
  ASSERT_EQ(decision.options_size(), 1) << "rows that were left empty are none";
  EXPECT_EQ(decision.options(0).benefits_size(), 2);
  EXPECT_EQ(decision.options(0).benefits(1).text(), "b");
  EXPECT_EQ(RequestOf<rv1::RecordSharedDecisionRequest>("decision", FormValues(), Decided())
                .decision()
                .options_size(),
            1)
      << "the one of which a refusal can say what is missing";
}

TEST(DecisionForm, ThePageShowsDecisionsAndLeadsBackToThem) {
  EXPECT_THAT(ReferralPage(Decided(), nullptr, {}, "", kWendy, kNow).body,
              AllOf(HasSubstr("Shared decisions"), HasSubstr("Option: The allotment"),
                    HasSubstr("The allotment, with a neighbour"), HasSubstr("1 September 2025"),
                    HasSubstr("/decision?number=2\">Change the decision: Which group")));
  rv1::Referral closed = Decided();
  closed.set_status(rv1::REFERRAL_STATUS_COMPLETED);
  EXPECT_THAT(ReferralPage(closed, nullptr, {}, "", kWendy, kNow).body,
              AllOf(HasSubstr("Option: The allotment"), Not(HasSubstr("/decision?"))));
}

person::v1::GetPersonResponse Ada() {
  person::v1::GetPersonResponse person;
  person.set_version(7);
  person::v1::Demographics& who = *person.mutable_demographics();
  who.mutable_first_name()->set_text("Ada");
  who.mutable_telephone()->set_text("0113 496 0001");
  who.add_address_lines()->set_text("1 High Street");
  who.add_address_lines()->set_text("Overtown");
  who.mutable_profile()->mutable_preferred_name()->set_text("Addie");
  who.mutable_profile()->add_needs()->mutable_text()->set_text("Large print");
  for (const char* number : {"0113 496 0001", "0113 496 0002"}) {
    person::v1::ContactPoint& point = *who.mutable_profile()->add_contact_points();
    point.set_kind(person::v1::CONTACT_KIND_TELEPHONE);
    point.mutable_value()->set_text(number);
    point.set_rank(who.profile().contact_points_size());
  }
  return person;
}

struct Details {
  FormValues values;
  std::vector<FormError> errors;
  person::v1::UpdatePersonRequest request;
};

// The form as it is opened on `shown`, with `typed`, and sent when the record is as `now`.
Details Changed(const person::v1::GetPersonResponse& shown,
                const std::vector<std::pair<const char*, const char*>>& typed,
                const person::v1::GetPersonResponse& now) {
  const WorkForm& form = *FindWorkForm("details");
  const rv1::Referral referral = ReferralIn(rv1::REFERRAL_STATUS_ACTIVE);
  Details details;
  form.prefill({referral, kWendy, kNow, &shown}, details.values);
  for (const auto& [name, value] : typed) details.values.Set(name, value);
  details.request = dynamic_cast<const person::v1::UpdatePersonRequest&>(
      *form.request(details.values, {referral, kWendy, kNow, &now}, details.errors));
  return details;
}

// What is sent replaces what is there, and a list is sent whole: nothing goes that was not typed.
TEST(ContactDetailsForm, SendsWhatWasChangedAndLosesNothing) {
  const Details telephone = Changed(Ada(), {{"telephone", "0113 496 0009"}}, Ada());
  EXPECT_THAT(telephone.errors, IsEmpty());
  person::v1::Demographics expected;
  expected.mutable_telephone()->set_text("0113 496 0009");
  *expected.mutable_profile()->mutable_contact_points() =
      Ada().demographics().profile().contact_points();
  expected.mutable_profile()->mutable_contact_points(0)->mutable_value()->set_text("0113 496 0009");
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(telephone.request.demographics(),
                                                                 expected))
      << telephone.request.demographics().DebugString();
  // The second time the record has the new number: the same request.
  person::v1::GetPersonResponse after = Ada();
  *after.mutable_demographics()->mutable_telephone() = expected.telephone();
  *after.mutable_demographics()->mutable_profile()->mutable_contact_points() =
      expected.profile().contact_points();
  const Details again = Changed(Ada(), {{"telephone", "0113 496 0009"}}, after);
  EXPECT_EQ(again.request.SerializeAsString(), telephone.request.SerializeAsString());

  const Details others = Changed(
      Ada(),
      {{"email", "ada@example.org"}, {"address", "2 Low Road\n\n Leeds "}, {"preferred", "A"}},
      Ada());
  expected.Clear();
  expected.mutable_email()->set_text("ada@example.org");
  expected.add_address_lines()->set_text("2 Low Road");
  expected.add_address_lines()->set_text("Leeds");
  expected.mutable_profile()->mutable_preferred_name()->set_text("A");
  EXPECT_TRUE(
      google::protobuf::util::MessageDifferencer::Equals(others.request.demographics(), expected))
      << others.request.demographics().DebugString();
}

TEST(ContactDetailsForm, SaysWhatCannotBeRecorded) {
  EXPECT_THAT(Changed(Ada(), {{"telephone", ""}, {"address", ""}}, Ada()).errors,
              ElementsAre(::testing::Field(&FormError::field, "telephone"),
                          ::testing::Field(&FormError::field, "address")));
  EXPECT_THAT(Changed(Ada(), {}, Ada()).errors,
              ElementsAre(::testing::Field(&FormError::text, HasSubstr("Nothing is changed"))));
  EXPECT_THAT(Changed(Ada(), {{"telephone", "0113 496 0009"}, {"gone", "telephone"}}, Ada()).errors,
              ElementsAre(::testing::Field(&FormError::field, "telephone")));
}

TEST(ContactDetailsForm, TakesAwayWhatIsNoLongerUsed) {
  // Cleared or as it was, the field says nothing against it.
  for (const char* field : {"1 High Street\nOvertown", ""}) {
    const Details gone = Changed(Ada(), {{"address", field}, {"gone", "address"}}, Ada());
    EXPECT_THAT(gone.errors, IsEmpty());
    EXPECT_THAT(gone.request.removed(), ElementsAre(person::v1::REMOVABLE_DETAIL_ADDRESS));
    EXPECT_FALSE(gone.request.has_demographics());
  }
  // Another number becomes the first.
  const Details first = Changed(Ada(), {{"gone", "telephone"}}, Ada());
  EXPECT_THAT(first.request.removed(), IsEmpty());
  const auto& points = first.request.demographics().profile().contact_points();
  ASSERT_EQ(points.size(), 1);
  EXPECT_EQ(points[0].value().text(), "0113 496 0002");
  EXPECT_FALSE(first.request.demographics().has_telephone());
  // The second time the record is without it: the same request.
  person::v1::GetPersonResponse after = Ada();
  *after.mutable_demographics()->mutable_profile()->mutable_contact_points() = points;
  after.mutable_demographics()->mutable_telephone()->set_text("0113 496 0002");
  Details again = Changed(Ada(), {{"gone", "telephone"}}, after);
  EXPECT_EQ(again.request.SerializeAsString(), first.request.SerializeAsString());

  // The last one goes, and nothing of its kind is in the list that is sent for another's sake.
  person::v1::ContactPoint& email =
      *after.mutable_demographics()->mutable_profile()->add_contact_points();
  email.set_kind(person::v1::CONTACT_KIND_EMAIL);
  email.mutable_value()->set_text("ada@example.org");
  email.set_rank(1);
  after.mutable_demographics()->mutable_email()->set_text("ada@example.org");
  const Details last = Changed(after, {{"gone", "telephone"}, {"email", "new@example.org"}}, after);
  EXPECT_THAT(last.request.removed(), ElementsAre(person::v1::REMOVABLE_DETAIL_TELEPHONE));
  const auto& left = last.request.demographics().profile().contact_points();
  ASSERT_EQ(left.size(), 1);
  EXPECT_EQ(left[0].value().text(), "new@example.org");
}

TEST(ContactDetailsForm, OffersToTakeAwayWhatIsThere) {
  FormValues values;
  const rv1::Referral referral = ReferralIn(rv1::REFERRAL_STATUS_ACTIVE);
  const WorkForm& form = *FindWorkForm("details");
  const auto offered = [&] {
    std::vector<std::string> names;
    for (const Field& field : FieldsOf(form, referral, values)) {
      for (const Option& option : field.options) names.push_back(option.value);
    }
    return names;
  };
  EXPECT_THAT(offered(), IsEmpty());
  const person::v1::GetPersonResponse ada = Ada();
  form.prefill({referral, kWendy, kNow, &ada}, values);
  EXPECT_THAT(offered(), ElementsAre("preferred", "telephone", "address"));
}

// Somebody meant the number that was shown, not the one that a colleague wrote meanwhile.
TEST(ContactDetailsForm, WhatCameMeanwhileIsNotTakenAway) {
  person::v1::GetPersonResponse now = Ada();
  now.mutable_demographics()->mutable_telephone()->set_text("0113 496 0005");
  Details details = Changed(Ada(), {{"gone", "telephone"}}, Ada());
  details.values.Add("gone", "address");
  FindWorkForm("details")->follow({ReferralIn(rv1::REFERRAL_STATUS_ACTIVE), kWendy, kNow, &now},
                                  details.values);
  EXPECT_THAT(details.values.All("gone"), ElementsAre("address"));
  EXPECT_EQ(details.values.Get("telephone"), "0113 496 0005");
}

TEST(ContactDetailsForm, FollowsTheRecordWhereNobodyTyped) {
  person::v1::GetPersonResponse now = Ada();
  now.mutable_demographics()->mutable_email()->set_text("new@example.org");
  now.mutable_demographics()->mutable_telephone()->set_text("0113 496 0005");
  Details details = Changed(Ada(), {{"telephone", "0113 496 0009"}}, now);
  FindWorkForm("details")->follow({ReferralIn(rv1::REFERRAL_STATUS_ACTIVE), kWendy, kNow, &now},
                                  details.values);
  EXPECT_EQ(details.values.Get("telephone"), "0113 496 0009");
  EXPECT_EQ(details.values.Get("shown-telephone"), "0113 496 0005");
  EXPECT_EQ(details.values.Get("email"), "new@example.org");
}

// INV-139: a form would show how to reach the person, or would replace what it does not show.
TEST(ContactDetailsForm, IsForThoseWhoMayAndNotOfRestrictedPeople) {
  const rv1::Referral referral = ReferralIn(rv1::REFERRAL_STATUS_ACTIVE);
  const WorkForm& form = *FindWorkForm("details");
  person::v1::GetPersonResponse person = Ada();
  EXPECT_TRUE(IsOffered(form, referral, &person, kWendy));
  EXPECT_FALSE(IsOffered(form, referral, nullptr, kWendy));
  Viewer therapist = kWendy;
  therapist.role = "occupational_therapist";
  EXPECT_FALSE(IsOffered(form, referral, &person, therapist));
  EXPECT_THAT(ReferralPage(referral, &person, {}, "", kWendy, kNow).body,
              AllOf(HasSubstr("/details\""), HasSubstr("0113 496 0002")));
  person.set_restricted(true);
  EXPECT_FALSE(IsOffered(form, referral, &person, kWendy));
  EXPECT_THAT(ReferralPage(referral, &person, {}, "", kWendy, kNow).body,
              AllOf(Not(HasSubstr("/details\"")), Not(HasSubstr("0113 496 0002"))));
}

// Whoever is known is offered, and nothing is chosen for anybody.
TEST(NewReferral, AsksWhichOfThemItIs) {
  person::v1::GetPersonResponse ada = Ada();
  ada.set_person_id(kId);
  ada.mutable_demographics()->mutable_family_name()->set_text(kHostile);
  ada.mutable_demographics()->mutable_birth_date()->set_text("1950-05-04");
  ada.mutable_demographics()->mutable_nhs_number()->set_text("9990000018");
  ada.mutable_demographics()->mutable_postcode()->set_text("LS1 1AA");
  ada.set_death_date("2025-07-01");
  const Field question = SamePersonField({ada});
  ASSERT_EQ(question.options.size(), 2u);
  EXPECT_EQ(question.options[0].value, kId);
  EXPECT_EQ(question.options[0].label,
            absl::StrCat("Ada ", kHostile,
                         " (“Addie”), born 4 May 1950, NHS number 999 000 0018, 1 High Street, "
                         "Overtown, LS1 1AA, telephone 0113 496 0001, died 1 July 2025"));
  EXPECT_EQ(question.options[1].value, kNobodyOfThem);
  const FormValues values("request_id=r&first=Ada&first=Bob&words=%3Cscript%3E&same-person=x");
  const std::string page =
      SamePersonPage(200, {.values = values, .request_id = "r"}, question, kWendy).body;
  EXPECT_THAT(
      page, AllOf(HasSubstr("name=\"first\" value=\"Ada\""),
                  HasSubstr("name=\"words\" value=\"&lt;script&gt;\""), Not(HasSubstr("<script>")),
                  Not(HasSubstr("checked")), Not(HasSubstr("value=\"Bob\""))));
  EXPECT_THAT(page, HasSubstr(absl::StrCat("“", FindWorkForm("details")->title, "”")))
      << "where to change what is not added";
}

TEST(NewReferral, AddressAndPostcodeGoToTheRegistry) {
  const auto person =
      NewPerson(FormValues("first=Ada&address=1+High+Street%0D%0ALeeds&postcode=x"));
  EXPECT_EQ(person.demographics().address_lines_size(), 2);
  EXPECT_EQ(person.demographics().address_lines(1).text(), "Leeds");
  EXPECT_EQ(person.demographics().postcode().text(), "x");
  EXPECT_FALSE(NewPerson(FormValues("first=Ada")).demographics().has_postcode());
}

TEST(WorkList, SoonestDueComesFirst) {
  std::vector<rv1::Referral> referrals(4);
  const int64_t due[] = {300, 0, 100, 0};
  for (int i = 0; i < 4; ++i) {
    referrals[i].set_referral_id(absl::StrCat("id-", 9 - i));
    if (due[i] > 0) referrals[i].mutable_due_time()->set_seconds(due[i]);
  }
  SortSoonestDueFirst(referrals);
  std::vector<std::string> ids;
  for (const rv1::Referral& referral : referrals) ids.push_back(referral.referral_id());
  EXPECT_THAT(ids, ElementsAre("id-7", "id-9", "id-6", "id-8"))
      << "without a limit: the oldest first";
}

Undelivered FailedMessage() {
  Undelivered message{.delivery = {}, .request_id = kHostile};
  message.delivery.mutable_message()->set_signal(rv1::SIGNAL_STARTED);
  message.delivery.mutable_message()->set_delivery_id("the-delivery");
  message.delivery.mutable_message()->set_partner_organisation(kHostile);
  message.delivery.set_attempts(36);
  message.delivery.set_http_status(422);
  message.delivery.set_issue_code(kHostile);
  return message;
}

TEST(WorkPages, AMessageThatFailedIsSaidAndCanBeSentAgain) {
  const rv1::Referral referral = ReferralIn(rv1::REFERRAL_STATUS_ACTIVE);
  Undelivered message = FailedMessage();
  message.delivery.set_issue_code("not-supported");
  message.delivery.set_partner_status("completed");
  EXPECT_THAT(ReferralPage(referral, nullptr, {message}, "", kWendy, kNow).body,
              AllOf(HasSubstr("could not be told"), HasSubstr("That the work has begun"),
                    HasSubstr("refused it (422 not-supported)"), HasSubstr("/send-again\""),
                    HasSubstr("value=\"the-delivery\"")));
  for (const auto& [problem, words] : std::initializer_list<std::pair<int, const char*>>{
           {rv1::DELIVERY_PROBLEM_NO_ENDPOINT, "No address"},
           {rv1::DELIVERY_PROBLEM_TIMEOUT, "did not answer"},
           {rv1::DELIVERY_PROBLEM_CONNECTION_FAILED, "did not answer"},
           {rv1::DELIVERY_PROBLEM_ANSWER_NOT_READABLE, "could not be understood"},
           {rv1::DELIVERY_PROBLEM_NOT_MADE, "could not be made"},
           {rv1::DELIVERY_PROBLEM_NOT_ACTIVE_THERE,
            "not active there (completed), so it was not cancelled"},
           {rv1::DELIVERY_PROBLEM_QUESTION_REFUSED,
            "refused to say whether the referral is active there (422 not-supported), so it was "
            "not cancelled"}}) {
    message.delivery.set_problem(static_cast<rv1::DeliveryProblem>(problem));
    EXPECT_THAT(ReferralPage(referral, nullptr, {message}, "", kWendy, kNow).body,
                HasSubstr(words));
  }
}

TEST(WorkPages, ShowWordsAsText) {
  rv1::Referral referral = Planned();
  referral.mutable_service()->set_name(kHostile);
  referral.mutable_details()->mutable_reason()->mutable_text()->set_text(kHostile);
  referral.mutable_details()->mutable_referrer()->mutable_name()->set_text(kHostile);
  referral.add_contacts()->mutable_note()->set_text(kHostile);
  referral.mutable_care()->mutable_plan()->mutable_what_matters()->set_text(kHostile);
  rv1::Risk& risk = *referral.mutable_details()->add_risks();
  risk.set_kind(rv1::RISK_KIND_OTHER);
  risk.mutable_description()->set_text(kHostile);
  person::v1::GetPersonResponse person;
  person.mutable_demographics()->mutable_first_name()->set_text(kHostile);
  person.mutable_demographics()->mutable_telephone()->set_text(kHostile);
  const Viewer viewer = {
      .subject = kHostile, .name = kHostile, .organisation = "SVC01", .role = kHostile};
  FormValues values;
  values.Set("note", kHostile);
  for (const http::Response& page :
       {ReferralPage(referral, &person, {FailedMessage()}, kHostile, viewer, kNow),
        ReferralPage(referral, nullptr, {}, "", viewer, kNow),
        WorkListPage({"/desk", "T", "L", "N"}, {{referral, kHostile}}, {}, "", viewer, kNow),
        WorkFormPage(400, *FindWorkForm("contact"),
                     {.values = values, .errors = {{"note", kHostile}}, .request_id = kHostile},
                     referral, kHostile, viewer)}) {
    EXPECT_THAT(page.body, Not(HasSubstr("<script>")));
    EXPECT_THAT(page.body, HasSubstr("&lt;script&gt;&quot;&#39;&amp;"));
    EXPECT_THAT(page.headers,
                Contains(std::pair<std::string, std::string>("Cache-Control", "no-store")));
  }
}

std::string TagOf(const http::Response& page) {
  for (const auto& [name, value] : page.headers) {
    if (name == "ETag") return value;
  }
  return "";
}

// A look at an open list asks for names only when something else changed, or when they are missing.
TEST(WorkPages, AListsVersionIsThatOfAllButTheNames) {
  const WorkList list = {"/desk", "T", "L", "N"};
  const rv1::Referral referral = ReferralIn(rv1::REFERRAL_STATUS_ACTIVE);
  const auto tag = [&](const rv1::Referral& shown, const char* name) {
    const std::vector<WorkRow> rows = {{shown, name}};
    const WorkPlace place = {.people = 1};
    const std::string version = WorkListVersion(list, rows, place, kNow);
    return TagOf(WorkListPage(list, rows, place, version, kWendy, kNow));
  };
  const std::string version = WorkListVersion(list, {{referral, ""}}, {.people = 1}, kNow);
  EXPECT_EQ(tag(referral, "Ada"), absl::StrCat("W/\"", version, "\""));
  EXPECT_EQ(tag(referral, "Bob"), tag(referral, "Ada"));
  EXPECT_NE(tag(referral, ""), tag(referral, "Ada"));
  rv1::Referral other = referral;
  other.set_status(rv1::REFERRAL_STATUS_PAUSED);
  EXPECT_NE(tag(other, "Ada"), tag(referral, "Ada"));
  other = referral;
  other.set_person_id("0196d5a0-0001-7000-8000-000000000002");
  EXPECT_NE(tag(other, "Ada"), tag(referral, "Ada"));
  EXPECT_NE(version, WorkListVersion(list, {}, {}, kNow));
  EXPECT_EQ(TagOf(WorkListPage(list, {}, {}, "", kWendy, kNow)), "");
}

TEST(WorkPages, AReferralsVersionIsThatOfWhatIsShown) {
  const rv1::Referral referral = ReferralIn(rv1::REFERRAL_STATUS_ACTIVE);
  Undelivered message = FailedMessage();
  const auto tag = [&](const person::v1::GetPersonResponse& person, const char* done) {
    return TagOf(ReferralPage(referral, &person, {message}, done, kWendy, kNow));
  };
  const std::string first = tag(Ada(), "");
  message.request_id = kId;
  EXPECT_EQ(tag(Ada(), "It is recorded"), first) << "ids of forms are new each time";
  person::v1::GetPersonResponse restricted = Ada();
  restricted.set_restricted(true);
  EXPECT_NE(tag(restricted, ""), first);
  message.delivery.set_attempts(37);
  EXPECT_NE(tag(Ada(), ""), first);
}

// INV-139: the page says nothing of how to reach a restricted person, whatever the registry
// answers.
TEST(WorkPages, RestrictedPeopleAreShownWithoutContactDetails) {
  person::v1::GetPersonResponse person;
  person.mutable_demographics()->mutable_first_name()->set_text("Ada");
  person.mutable_demographics()->mutable_telephone()->set_text("0113 496 0123");
  person.mutable_demographics()->mutable_email()->set_text("ada@example.org");
  person.mutable_demographics()->add_address_lines()->set_text("1 Hidden Street");
  person.set_gp_practice("A1001X");
  const rv1::Referral referral = ReferralIn(rv1::REFERRAL_STATUS_ACTIVE);
  EXPECT_THAT(ReferralPage(referral, &person, {}, "", kWendy, kNow).body,
              AllOf(HasSubstr("0113 496 0123"), HasSubstr("ada@example.org"),
                    HasSubstr("1 Hidden Street"), HasSubstr("A1001X")));
  EXPECT_THAT(ReferralPage(referral, &person, {}, "", kWendy, kNow).body,
              Not(HasSubstr("data-live-at-once")));
  person.set_restricted(true);
  EXPECT_THAT(ReferralPage(referral, &person, {}, "", kWendy, kNow).body,
              AllOf(HasSubstr("Restricted person"), HasSubstr("data-live-at-once"),
                    Not(HasSubstr("0113 496 0123")), Not(HasSubstr("ada@example.org")),
                    Not(HasSubstr("1 Hidden Street")), Not(HasSubstr("A1001X"))));
}

TEST(WorkPages, OverdueAndDeadAndMissingAreSaid) {
  rv1::Referral referral = ReferralIn(rv1::REFERRAL_STATUS_IN_TRIAGE);
  referral.set_due_stage(rv1::STAGE_TRIAGE);
  referral.mutable_due_time()->set_seconds(absl::ToUnixSeconds(kNow - absl::Hours(72)));
  referral.add_missing_items("consent");
  person::v1::GetPersonResponse person;
  person.set_death_date("2025-07-01");
  EXPECT_THAT(ReferralPage(referral, &person, {}, "", kWendy, kNow).body,
              AllOf(HasSubstr("Triage is overdue"), HasSubstr("3 days overdue"),
                    HasSubstr("Mandatory items are missing"), HasSubstr("Consent"),
                    HasSubstr("The person has died"), HasSubstr("1 July 2025")));
}

}  // namespace
}  // namespace fettle::gateway
