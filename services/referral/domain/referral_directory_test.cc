// The directory of services, and what it says of the referrals that name one.
#include "services/referral/domain/referral_testing.h"

namespace fettle::referral {
namespace {

using absl::StatusCode;
using base::IsDone;
using base::RefusedField;
using base::RefusedWith;
using testing::ElementsAre;
using testing::IsEmpty;

class DirectoryTest : public ReferralTest {
 protected:
  static v1::UpdateServiceRequest Update(const std::string& id = kService) {
    v1::UpdateServiceRequest request;
    request.set_service_id(id);
    return request;
  }
  static v1::UpdateServiceRequest NewRules(const std::string& from, int age_min) {
    v1::UpdateServiceRequest request = Update();
    request.mutable_eligibility()->set_in_force_from(from);
    request.mutable_eligibility()->set_age_min(age_min);
    return request;
  }
  std::vector<std::string> Names(const v1::ListServicesRequest& request) {
    std::vector<std::string> names;
    const auto response = journal.Ask(request);
    EXPECT_THAT(response, IsDone());
    for (const v1::Service& service : response->services()) {
      names.push_back(service.description().name());
    }
    return names;
  }
};

TEST_F(DirectoryTest, ServiceIsRegisteredChangedAndFound) {
  v1::RegisterServiceRequest request = Register();
  request.set_organisation("NOONE");
  EXPECT_THAT(journal.When(request), RefusedField("organisation", "ORGANISATION_NOT_KNOWN"));
  request.set_organisation(kProvider);
  journal.tamper = [](base::Evidence& evidence) { evidence.organisations.clear(); };
  EXPECT_THAT(journal.When(request), RefusedStale());
  journal.tamper = nullptr;
  Registered(request);
  EXPECT_THAT(journal.When(request), RefusedWith(StatusCode::kAlreadyExists, "SERVICE_ID_TAKEN"));
  request.clear_service_id();
  request.mutable_description()->set_name("Allotment");
  request.mutable_description()->set_kind(v1::SERVICE_KIND_HEALTH_COACHING);
  request.set_organisation(kStranger);
  const auto second = journal.When(request);
  ASSERT_THAT(second, IsDone());

  v1::ListServicesRequest list;
  EXPECT_THAT(Names(list), ElementsAre("Allotment", "Harbour link workers"));
  list.set_organisation(kProvider);
  EXPECT_THAT(Names(list), ElementsAre("Harbour link workers"));
  list.set_kind(v1::SERVICE_KIND_HEALTH_COACHING);
  EXPECT_THAT(journal.Ask(list), RefusedField("kind", "FILTERS_EXCLUDE_EACH_OTHER"));
  list.clear_organisation();
  EXPECT_THAT(Names(list), ElementsAre("Allotment"));
  list.mutable_page()->set_page_size(201);
  EXPECT_THAT(journal.Ask(list), RefusedField("page.page_size", "PAGE_SIZE_NOT_VALID"));

  EXPECT_THAT(journal.When(Update(kNobody)),
              RefusedWith(StatusCode::kNotFound, "SERVICE_NOT_FOUND"));
  EXPECT_THAT(journal.When(Update())->events, IsEmpty());
  v1::UpdateServiceRequest update = Update();
  *update.mutable_description() = Register().description();
  update.mutable_description()->set_what("walks with you");
  update.set_closed_from("2025-03-16");
  EXPECT_THAT(journal.When(update), RefusedField("closed_from", "DATE_TOO_EARLY"));
  update.set_closed_from("2025-03-18");
  const auto updated = journal.When(update);
  ASSERT_THAT(updated, IsDone());
  EXPECT_THAT(updated->events[0].header().subjects(), IsEmpty());
  v1::GetServiceRequest get;
  get.set_service_id(kService);
  const auto found = journal.Ask(get);
  ASSERT_THAT(found, IsDone());
  EXPECT_EQ(found->service().description().what(), "walks with you");
  EXPECT_EQ(found->version(), 2);
  const std::string referral = Submitted();
  for (const std::string& id : {std::string(kNobody), referral}) {
    get.set_service_id(id);
    EXPECT_THAT(journal.Ask(get), RefusedWith(StatusCode::kNotFound, "SERVICE_NOT_FOUND"));
  }
  v1::GetReferralRequest no_referral;
  no_referral.set_referral_id(kService);
  EXPECT_THAT(journal.Ask(no_referral), RefusedNotFound());
}

TEST_F(DirectoryTest, ReferralTakesWhatTheDirectorySays) {
  v1::RegisterServiceRequest request = Register(5);
  request.mutable_description()->set_kind(v1::SERVICE_KIND_CARE_COORDINATION);
  request.mutable_description()->set_target_wait_days(14);
  request.mutable_description()->set_no_contact_days(1);
  request.mutable_description()->set_worker_caseload(2);
  Registered(request);
  v1::SubmitReferralRequest submit = Submit();
  submit.mutable_service()->set_organisation(kStranger);
  EXPECT_THAT(journal.When(submit),
              RefusedField("service.organisation", "SERVICE_OF_ANOTHER_ORGANISATION"));
  v1::DraftReferralRequest draft = Draft();
  draft.mutable_service()->set_organisation(kStranger);
  const std::string drafted = Drafted(draft);
  EXPECT_THAT(journal.When(SubmitDraft(drafted)),
              RefusedField("service.organisation", "SERVICE_OF_ANOTHER_ORGANISATION"));

  // INV-38: whatever kind the referrer names.
  submit = Submit();
  submit.mutable_service()->set_kind(v1::SERVICE_KIND_SOCIAL_PRESCRIBING);
  const std::string id = InTriage(submit);
  EXPECT_EQ(journal.StateOf(id)->service().kind(), v1::SERVICE_KIND_CARE_COORDINATION);
  EXPECT_EQ(journal.StateOf(id)->service().name(), "Harbour link workers");
  EXPECT_EQ(journal.StateOf(id)->terms().target_wait_days(), 14);
  EXPECT_EQ(journal.StateOf(id)->terms().stage_limits().triage_days(), 5);
  EXPECT_FALSE(journal.StateOf(id)->has_eligibility()) << "it is for everybody";
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  // INV-53, INV-29: the service's own numbers.
  ASSERT_THAT(journal.When(Assign(id)), IsDone());
  ASSERT_THAT(journal.When(Contact(id)), IsDone());
  EXPECT_THAT(journal.When(CloseAsNoContact(id)), IsDone());
  for (int i = 2; i <= 3; ++i) {
    const std::string next = Accepted();
    const auto assigned = journal.When(Assign(next));
    EXPECT_EQ(assigned->events.size(), i == 3 ? 3u : 2u);
    ASSERT_THAT(journal.When(Reject(next)), IsDone());
  }

  AsReferrer();
  v1::UpdateServiceRequest close = Update();
  close.set_closed_from(kToday);
  ASSERT_THAT(journal.When(close), IsDone());
  EXPECT_THAT(journal.When(Submit()),
              RefusedWith(StatusCode::kFailedPrecondition, "SERVICE_CLOSED"));
  const std::string late = Drafted();
  EXPECT_THAT(journal.When(SubmitDraft(late)),
              RefusedWith(StatusCode::kFailedPrecondition, "SERVICE_CLOSED"));
}

// INV-54: the version in force on the day on which the referral is received, and it stays.
TEST_F(DirectoryTest, Inv54EligibilityIsThatOfTheReceivedDate) {
  v1::RegisterServiceRequest request = Register();
  request.mutable_eligibility()->set_in_force_from("2025-03-01");
  request.mutable_eligibility()->set_age_min(18);
  Registered(request);
  EXPECT_THAT(journal.When(NewRules("2025-03-16", 45)),
              RefusedField("eligibility.in_force_from", "IN_FORCE_TOO_EARLY"))
      << "a day that has passed";
  v1::UpdateServiceRequest crossed = NewRules("2025-03-20", 45);
  crossed.mutable_eligibility()->set_age_max(44);
  EXPECT_THAT(journal.When(crossed), RefusedField("eligibility.age_max", "AGES_CROSSED"));
  ASSERT_THAT(journal.When(NewRules("2025-03-20", 45)), IsDone());
  EXPECT_THAT(journal.When(NewRules("2025-03-20", 50)),
              RefusedField("eligibility.in_force_from", "IN_FORCE_TOO_EARLY"));

  const std::string before = Submitted();
  EXPECT_EQ(journal.StateOf(before)->eligibility().version(), 1);
  EXPECT_THAT(journal.StateOf(before)->eligibility().unmet(), IsEmpty());
  AsReferrer();
  journal.now += absl::Hours(72);  // 20 March
  const std::string after = Submitted(Submit(kOtherPerson));
  EXPECT_EQ(journal.StateOf(after)->eligibility().version(), 2);
  EXPECT_THAT(journal.StateOf(after)->eligibility().unmet(), ElementsAre("AGE"));
  // It decides nothing, and the first one keeps what held when it came.
  EXPECT_THAT(journal.When(Triage(after)), IsDone());
  EXPECT_THAT(journal.When(Accept(after)), IsDone());
  EXPECT_THAT(journal.When(Triage(before)), IsDone());
  EXPECT_EQ(journal.StateOf(before)->eligibility().version(), 1);

  for (int i = 2; i < kEligibilityVersionsMax; ++i) {
    ASSERT_THAT(journal.When(NewRules(base::AddDays("2025-03-20", i), 18)), IsDone());
  }
  EXPECT_THAT(journal.When(NewRules("2030-01-01", 18)),
              RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_RECORDED"));
  v1::RegisterServiceRequest wrong = request;
  wrong.clear_service_id();
  wrong.mutable_eligibility()->set_age_max(17);
  EXPECT_THAT(journal.When(wrong), RefusedField("eligibility.age_max", "AGES_CROSSED"));
}

TEST_F(DirectoryTest, EachRuleIsMetNotMetOrNotKnown) {
  v1::Service service;
  common::v1::PersonContext person = journal.people[kPerson];
  v1::ReferralDetails details = CompleteDetails();
  EXPECT_FALSE(Evaluate(service, kToday, person, details).has_value());
  v1::EligibilityRules& rules = *service.add_eligibility()->mutable_rules();
  service.mutable_eligibility(0)->set_version(1);
  rules.set_in_force_from("2025-03-18");
  EXPECT_FALSE(Evaluate(service, kToday, person, details).has_value()) << "not in force yet";
  rules.set_in_force_from(kToday);
  rules.set_age_max(44);
  rules.add_icbs("QHM");
  rules.add_gp_practices(kPractice);
  rules.add_reason_codes("LONELINESS");
  auto result = Evaluate(service, kToday, person, details);
  EXPECT_THAT(result->unmet(), IsEmpty());
  EXPECT_THAT(result->not_known(), IsEmpty());

  rules.set_age_max(43);
  rules.set_icbs(0, "QYG");
  rules.set_gp_practices(0, "B82002");
  rules.set_reason_codes(0, "DEBT");
  rules.set_explicit_consent(true);
  result = Evaluate(service, kToday, person, details);
  EXPECT_THAT(result->unmet(), ElementsAre("AGE", "ICB", "PRACTICE", "REASON", "CONSENT"));
  person.set_age_years(-1);
  person.clear_icb();
  person.clear_gp_practice();
  details.Clear();
  result = Evaluate(service, kToday, person, details);
  EXPECT_THAT(result->unmet(), IsEmpty());
  EXPECT_THAT(result->not_known(), ElementsAre("AGE", "ICB", "PRACTICE", "REASON", "CONSENT"));
}

}  // namespace
}  // namespace fettle::referral
