// What the two organisations of a referral may see of it.
#include <algorithm>
#include <set>

#include "services/referral/domain/referral_testing.h"

namespace fettle::referral {
namespace {

using base::IsDone;
using base::RefusedField;
using testing::ElementsAre;
using testing::IsEmpty;

class QueriesTest : public ReferralTest {
 protected:
  static v1::GetReferralRequest Get(const std::string& id) {
    v1::GetReferralRequest request;
    request.set_referral_id(id);
    return request;
  }
  static v1::FindPartnerMessageRequest FindMessage(const v1::PartnerMessage& message) {
    v1::FindPartnerMessageRequest request;
    request.set_partner_request_id(message.request_id());
    request.set_partner_correlation_id(message.correlation_id());
    request.set_body_sha256(message.body_sha256());
    return request;
  }
  // A referral of a person of its own in this status; ids ascend with the number.
  std::string Given(int number, v1::ReferralStatus status, const std::string& worker = "worker-1",
                    const std::string& referrer = kPractice, bool with_plan = false) {
    const std::string id = absl::StrCat("0196d5a0-0003-7000-8000-00000000", 1000 + number);
    State state = StateIn(status, id, referrer, kProvider);
    state.set_person_id(absl::StrCat("0196d5a0-0001-7000-8000-00000000", 1000 + number));
    if (!state.worker_id().empty()) state.set_worker_id(worker);
    if (with_plan) state.mutable_care()->set_plan_version(1);
    journal.GivenState(id, state);
    return id;
  }
  // All pages, as ids.
  std::vector<std::vector<std::string>> Pages(v1::ListReferralsRequest request, int page_size) {
    std::vector<std::vector<std::string>> pages;
    request.mutable_page()->set_page_size(page_size);
    do {
      const auto response = journal.Ask(request);
      EXPECT_THAT(response, base::IsDone());
      if (!response.ok()) return pages;
      pages.emplace_back();
      for (const v1::Referral& referral : response->referrals()) {
        pages.back().push_back(referral.referral_id());
      }
      request.mutable_page()->set_page_token(response->next_page_token());
    } while (!request.page().page_token().empty() && pages.size() < 100);
    return pages;
  }
};

TEST_F(QueriesTest, BothOrganisationsSeeAllOfIt) {
  const std::string id = Active();
  v1::CompleteReferralRequest complete = Complete(id);
  complete.mutable_outcomes(0)->mutable_note()->set_text("well");
  ASSERT_THAT(journal.When(complete), base::IsDone());
  for (const char* organisation : {kPractice, kProvider}) {
    As(organisation, "referrer");
    const auto response = journal.Ask(Get(id));
    ASSERT_THAT(response, base::IsDone());
    const v1::Referral& referral = response->referral();
    EXPECT_EQ(referral.referral_id(), id);
    EXPECT_EQ(referral.version(), 6);
    EXPECT_EQ(response->position(), 7) << "the worker's caseload has one too";
    EXPECT_EQ(referral.status(), v1::REFERRAL_STATUS_COMPLETED);
    EXPECT_EQ(referral.details().referrer().organisation(), kPractice);
    EXPECT_EQ(referral.referring_organisation(), kPractice);
    EXPECT_EQ(referral.worker_id(), "worker-1");
    EXPECT_EQ(referral.outcomes(0).note().sealed(), std::string(kPerson) + ":well");
    EXPECT_LT(referral.submit_time().seconds(), referral.update_time().seconds());
  }
}

// What the next worker must know, and why the work rests, can be read until it no longer holds.
TEST_F(QueriesTest, NotesOfAHandOverAndOfAPauseAreShown) {
  const std::string id = Active();
  const auto shown = [&] { return journal.Ask(Get(id))->referral(); };
  ASSERT_THAT(journal.When(HandOver(id, "worker-2")), base::IsDone());
  EXPECT_THAT(shown().hand_over_note().sealed(), testing::StartsWith(kPerson));
  v1::PauseReferralRequest pause = Pause(id);
  pause.mutable_note()->set_text("in hospital");
  ASSERT_THAT(journal.When(pause), base::IsDone());
  EXPECT_EQ(shown().pause_note().sealed(), std::string(kPerson) + ":in hospital");
  ASSERT_THAT(journal.When(Resume(id)), base::IsDone());
  EXPECT_FALSE(shown().has_pause_note());
  EXPECT_TRUE(shown().has_hand_over_note());
}

// A referral of others is as one that does not exist.
TEST_F(QueriesTest, OthersSeeNothing) {
  const std::string id = Submitted();
  AsStranger();
  const auto hidden = journal.Ask(Get(id));
  EXPECT_THAT(hidden, RefusedNotFound());
  EXPECT_EQ(hidden.status(), journal.Ask(Get(kNobody)).status());
  EXPECT_THAT(Pages({}, 10), ElementsAre(IsEmpty()));
}

// INV-21
TEST_F(QueriesTest, Inv21DraftsAreShownToTheirAuthorOnly) {
  const std::string id = Given(1, v1::REFERRAL_STATUS_DRAFT);
  AsReceiver();
  EXPECT_THAT(journal.Ask(Get(id)), RefusedNotFound());
  EXPECT_THAT(Pages({}, 10), ElementsAre(IsEmpty()));
  AsReferrer();
  EXPECT_THAT(journal.Ask(Get(id)), base::IsDone());
  EXPECT_THAT(Pages({}, 10), ElementsAre(ElementsAre(id)));
}

TEST_F(QueriesTest, ListsAllThatIsOpenNewestFirst) {
  std::vector<std::string> open;
  for (int i = 0; i < 60; ++i) {
    // Every status in turn; those of the stranger's own are not the practice's.
    const auto status = static_cast<v1::ReferralStatus>(i % v1::ReferralStatus_MAX + 1);
    const bool own = i % 4 != 0;
    const std::string id = Given(i, status, "worker-1", own ? kPractice : kStranger);
    if (own && status < v1::REFERRAL_STATUS_COMPLETED) open.push_back(id);
  }
  std::reverse(open.begin(), open.end());
  AsReferrer();
  for (int page_size : {1, 3, 7, 200}) {
    std::vector<std::string> listed;
    const auto pages = Pages({}, page_size);
    for (size_t i = 0; i < pages.size(); ++i) {
      EXPECT_LE(pages[i].size(), static_cast<size_t>(page_size));
      if (i + 1 < pages.size()) {
        EXPECT_EQ(pages[i].size(), static_cast<size_t>(page_size));
      }
      listed.insert(listed.end(), pages[i].begin(), pages[i].end());
    }
    EXPECT_EQ(listed, open) << page_size;
  }
}

TEST_F(QueriesTest, ListsByStatusAndByWorker) {
  const std::string a = Given(1, v1::REFERRAL_STATUS_ACTIVE);
  const std::string b = Given(2, v1::REFERRAL_STATUS_ACTIVE, "worker-2");
  const std::string c = Given(3, v1::REFERRAL_STATUS_COMPLETED);
  const std::string d = Given(4, v1::REFERRAL_STATUS_PAUSED);
  Given(5, v1::REFERRAL_STATUS_SUBMITTED);
  AsReceiver();
  v1::ListReferralsRequest request;
  request.set_status(v1::REFERRAL_STATUS_ACTIVE);
  EXPECT_THAT(Pages(request, 10), ElementsAre(ElementsAre(b, a)));
  request.set_worker_id("worker-1");
  EXPECT_THAT(Pages(request, 10), ElementsAre(ElementsAre(a)));
  request.clear_status();
  EXPECT_THAT(Pages(request, 10), ElementsAre(ElementsAre(d, a)));
  request.set_status(v1::REFERRAL_STATUS_COMPLETED);
  EXPECT_THAT(Pages(request, 10), ElementsAre(ElementsAre(c)));
  // The worker is the provider's; the practice has nobody of that name.
  AsReferrer();
  EXPECT_THAT(Pages(request, 10), ElementsAre(IsEmpty()));
}

TEST_F(QueriesTest, ListsWithoutWords) {
  const std::string id = Given(1, v1::REFERRAL_STATUS_ACTIVE);
  AsReferrer();
  const auto response = journal.Ask(v1::ListReferralsRequest());
  ASSERT_THAT(response, base::IsDone());
  ASSERT_EQ(response->referrals_size(), 1);
  EXPECT_EQ(response->referrals(0).version(), 1);
  v1::Referral referral = response->referrals(0);
  EXPECT_FALSE(referral.has_details());
  base::ForEachSealedText(referral, [](common::v1::SealedText&) { ADD_FAILURE() << "words"; });
}

// Those with a plan, among others, which cost nothing and are not looked at.
TEST_F(QueriesTest, ListsThoseWithAPlan) {
  const auto planned = [&](int number, v1::ReferralStatus status) {
    return Given(number, status, "worker-1", kPractice, /*with_plan=*/true);
  };
  const std::string a = planned(1, v1::REFERRAL_STATUS_ACTIVE);
  Given(2, v1::REFERRAL_STATUS_ACTIVE);
  const std::string c = planned(3, v1::REFERRAL_STATUS_PAUSED);
  const std::string d = planned(4, v1::REFERRAL_STATUS_COMPLETED);
  Given(5, v1::REFERRAL_STATUS_SUBMITTED);
  AsReferrer();
  v1::ListReferralsRequest request;
  request.set_with_plan(true);
  EXPECT_THAT(Pages(request, 10), ElementsAre(ElementsAre(c, a)));
  EXPECT_THAT(Pages(request, 1), ElementsAre(ElementsAre(c), ElementsAre(a)));
  request.set_status(v1::REFERRAL_STATUS_COMPLETED);
  EXPECT_THAT(Pages(request, 10), ElementsAre(ElementsAre(d)));
  request.set_status(v1::REFERRAL_STATUS_SUBMITTED);
  EXPECT_THAT(Pages(request, 10), ElementsAre(IsEmpty()));

  for (int i = 10; i < 40; ++i) Given(i, v1::REFERRAL_STATUS_ACTIVE);
  request.set_status(v1::REFERRAL_STATUS_ACTIVE);
  EXPECT_THAT(Pages(request, 10), ElementsAre(ElementsAre(a)));
  const auto looked_at = journal.loads();
  ASSERT_THAT(journal.Ask(request), base::IsDone());
  EXPECT_EQ(journal.loads(), looked_at + 1);

  request.set_worker_id("worker-1");
  EXPECT_THAT(journal.Ask(request), RefusedField("with_plan", "FILTERS_EXCLUDE_EACH_OTHER"));
  request.clear_status();
  request.clear_worker_id();
  request.set_pooled(true);
  EXPECT_THAT(journal.Ask(request), RefusedField("with_plan", "FILTERS_EXCLUDE_EACH_OTHER"));
}

// A page costs its referrals, not those that there are.
TEST_F(QueriesTest, ListCostsAPage) {
  for (int i = 0; i < 300; ++i) Given(i, v1::REFERRAL_STATUS_SUBMITTED);
  AsReferrer();
  v1::ListReferralsRequest request;
  request.mutable_page()->set_page_size(20);
  ASSERT_THAT(journal.Ask(request), base::IsDone());
  EXPECT_EQ(journal.loads(), 20);
  request.mutable_page()->set_page_size(0);
  const auto response = journal.Ask(request);
  ASSERT_THAT(response, base::IsDone());
  EXPECT_EQ(response->referrals_size(), 50);
}

TEST_F(QueriesTest, PagesAreChecked) {
  Given(1, v1::REFERRAL_STATUS_SUBMITTED);
  Given(2, v1::REFERRAL_STATUS_SUBMITTED);
  AsReferrer();
  v1::ListReferralsRequest request;
  request.mutable_page()->set_page_size(201);
  EXPECT_THAT(journal.Ask(request), RefusedField("page.page_size", "PAGE_SIZE_NOT_VALID"));
  request.mutable_page()->set_page_size(-1);
  EXPECT_THAT(journal.Ask(request), RefusedField("page.page_size", "PAGE_SIZE_NOT_VALID"));
  request.mutable_page()->set_page_size(1);
  const auto first = journal.Ask(request);
  ASSERT_THAT(first, base::IsDone());
  for (const char* token : {"%", "eA", "AAAA"}) {
    request.mutable_page()->set_page_token(token);
    EXPECT_THAT(journal.Ask(request), RefusedField("page.page_token", "PAGE_TOKEN_NOT_VALID"))
        << token;
  }
  request.mutable_page()->set_page_token(first->next_page_token());
  request.set_status(v1::REFERRAL_STATUS_ACTIVE);
  EXPECT_THAT(journal.Ask(request), RefusedField("page.page_token", "PAGE_TOKEN_NOT_VALID"));
}

// INV-149 rests on this: the same message again, or another body under the same ids.
TEST_F(QueriesTest, FindsAPartnersMessage) {
  const std::string id = Submitted(SubmitByPartner(1));
  AsPartner();
  auto found = journal.Ask(FindMessage(Message(1)));
  ASSERT_THAT(found, base::IsDone());
  EXPECT_EQ(found->referral_id(), id);
  EXPECT_TRUE(found->same_body());
  EXPECT_EQ(found->position(), 1);
  v1::PartnerMessage other_body = Message(1);
  other_body.set_body_sha256("another");
  found = journal.Ask(FindMessage(other_body));
  EXPECT_EQ(found->referral_id(), id);
  EXPECT_FALSE(found->same_body());
  EXPECT_EQ(journal.Ask(FindMessage(Message(2)))->referral_id(), "");
  As(kStranger, "integrator");
  EXPECT_EQ(journal.Ask(FindMessage(Message(1)))->referral_id(), "");
  EXPECT_EQ(journal.Ask(FindMessage(Message(1)))->open_referral_id(), "");
}

// INV-158: what an update is about, also from a sender that starts a new correlation id in the
// middle of a case.
TEST_F(QueriesTest, Inv158FindsTheOpenReferralOfACase) {
  const std::string id = Submitted(SubmitByPartner(1));
  AsPartner();
  EXPECT_EQ(journal.Ask(FindMessage(Message(2)))->open_referral_id(), id);
  v1::PartnerMessage moved = Message(2);
  moved.set_correlation_id("0196d5a0-0005-7000-8000-000000000002");
  v1::FindPartnerMessageRequest request = FindMessage(moved);
  EXPECT_EQ(journal.Ask(request)->open_referral_id(), "");
  request.set_case_number(moved.case_number());
  EXPECT_EQ(journal.Ask(request)->open_referral_id(), id);
  // The same number at another organisation is another case.
  As(kStranger, "integrator");
  EXPECT_EQ(journal.Ask(request)->open_referral_id(), "");

  AsPartner();
  v1::ProvideMissingDetailsRequest provide = Provide(id);
  *provide.mutable_partner_message() = moved;
  ASSERT_THAT(journal.When(provide), base::IsDone());
  EXPECT_EQ(journal.Ask(FindMessage(moved))->referral_id(), id);
  request.clear_case_number();
  EXPECT_EQ(journal.Ask(request)->open_referral_id(), id);
  ASSERT_THAT(journal.When(Withdraw(id)), base::IsDone());
  EXPECT_EQ(journal.Ask(request)->open_referral_id(), "") << "closed";
  EXPECT_EQ(journal.Ask(FindMessage(moved))->referral_id(), id) << "ids are taken for ever";
}

// A link worker's choice of what to take on: accepted, and nobody in charge.
TEST_F(QueriesTest, PooledAreThoseThatWaitForAWorker) {
  const std::string first = Accepted();
  AsReferrer();
  const std::string second = Submitted(Submit(kOtherPerson));
  ASSERT_THAT(journal.When(Triage(second)), base::IsDone());
  v1::ListReferralsRequest request;
  request.set_pooled(true);
  EXPECT_THAT(Pages(request, 10), ElementsAre(ElementsAre(first)));
  ASSERT_THAT(journal.When(Accept(second)), base::IsDone());
  EXPECT_THAT(Pages(request, 1), ElementsAre(ElementsAre(second), ElementsAre(first)));
  ASSERT_THAT(journal.When(Assign(first)), base::IsDone());
  EXPECT_THAT(Pages(request, 10), ElementsAre(ElementsAre(second)));
  request.set_worker_id("worker-1");
  EXPECT_THAT(journal.Ask(request), RefusedField("pooled", "FILTERS_EXCLUDE_EACH_OTHER"));
  // The stream of a caseload is no referral.
  const auto caseload = journal.Holder(kCaseloadIndex, CaseloadKey(kProvider, "worker-1"));
  ASSERT_TRUE(caseload.has_value());
  EXPECT_THAT(journal.Ask(Get(*caseload)), RefusedNotFound());
}

// INV-158: every version of a case stays, with the message that brought it, for both organisations.
TEST_F(QueriesTest, Inv158HistoryGivesEveryVersion) {
  AsPartner();
  v1::SubmitReferralRequest submit = Submit();
  submit.set_intake(v1::INTAKE_BARS_INCOMPLETE_ALLOWED);
  *submit.mutable_partner_message() = Message(1);
  submit.mutable_partner_message()->mutable_body()->set_text("body 1");
  const std::string id = Submitted(submit);
  AsPartner();
  for (int number : {2, 3, 4}) {
    v1::ProvideMissingDetailsRequest update = Provide(id);
    *update.mutable_partner_message() = Message(number);
    update.mutable_partner_message()->mutable_body()->set_text(base::Concat("body ", number));
    if (number == 3) update.mutable_details()->set_referral_date("2025-03-10");
    ASSERT_THAT(journal.When(update), IsDone());
  }
  AsReceiver();
  ASSERT_THAT(journal.When(Triage(id)), IsDone());

  v1::GetReferralHistoryRequest request;
  request.set_referral_id(id);
  for (const bool receiver : {true, false}) {
    receiver ? AsReceiver() : AsPartner();
    const auto history = journal.Ask(request);
    ASSERT_THAT(history, IsDone());
    ASSERT_EQ(history->versions_size(), 5);
    EXPECT_EQ(history->next_page_token(), "");
    for (int i = 0; i < 4; ++i) {
      const v1::ReferralVersion& version = history->versions(i);
      EXPECT_EQ(version.version(), i + 1);
      EXPECT_EQ(version.partner_message().request_id(), Message(i + 1).request_id());
      EXPECT_EQ(version.partner_message().body().sealed(), base::Concat(kPerson, ":body ", i + 1));
      EXPECT_EQ(version.organisation(), kPractice);
    }
    EXPECT_EQ(history->versions(0).event_type(), "ReferralSubmitted");
    EXPECT_EQ(history->versions(0).caller(), "user:integrator-of-A81001");
    EXPECT_THAT(history->versions(0).changed(), testing::Contains("details.reason"));
    EXPECT_THAT(history->versions(0).changed(), testing::Not(testing::Contains("person")));
    EXPECT_THAT(history->versions(2).changed(), ElementsAre("details.referral_date"));
    EXPECT_EQ(history->versions(4).event_type(), "ReferralTriageStarted");
    EXPECT_FALSE(history->versions(4).has_partner_message());
  }
  // In pages.
  request.mutable_page()->set_page_size(2);
  std::vector<int64_t> versions;
  do {
    const auto page = journal.Ask(request);
    ASSERT_THAT(page, IsDone());
    EXPECT_LE(page->versions_size(), 2);
    for (const auto& version : page->versions()) versions.push_back(version.version());
    request.mutable_page()->set_page_token(page->next_page_token());
  } while (!request.page().page_token().empty());
  EXPECT_THAT(versions, ElementsAre(1, 2, 3, 4, 5));
  for (const char* token : {"x", "0", "-1"}) {
    request.mutable_page()->set_page_token(token);
    EXPECT_THAT(journal.Ask(request), RefusedField("page.page_token", "PAGE_TOKEN_NOT_VALID"));
  }
  request.clear_page();
  request.mutable_page()->set_page_size(201);
  EXPECT_THAT(journal.Ask(request), RefusedField("page.page_size", "PAGE_SIZE_NOT_VALID"));
  request.clear_page();
  AsStranger();
  EXPECT_THAT(journal.Ask(request), RefusedNotFound());
}

TEST_F(QueriesTest, HistoryIsNoLargerThanAMessage) {
  AsPartner();
  v1::SubmitReferralRequest submit = Submit();
  submit.set_intake(v1::INTAKE_BARS_INCOMPLETE_ALLOWED);
  *submit.mutable_partner_message() = Message(1);
  submit.mutable_partner_message()->mutable_body()->set_text(std::string(900'000, 'x'));
  const std::string id = Submitted(submit);
  AsPartner();
  v1::ProvideMissingDetailsRequest update = Provide(id);
  *update.mutable_partner_message() = Message(2);
  *update.mutable_partner_message()->mutable_body() = submit.partner_message().body();
  ASSERT_THAT(journal.When(update), IsDone());
  v1::GetReferralHistoryRequest request;
  request.set_referral_id(id);
  auto page = journal.Ask(request);
  ASSERT_THAT(page, IsDone());
  EXPECT_EQ(page->versions_size(), 1);
  EXPECT_EQ(page->next_page_token(), "2");
  request.mutable_page()->set_page_token("2");
  page = journal.Ask(request);
  ASSERT_THAT(page, IsDone());
  EXPECT_EQ(page->versions_size(), 1);
  EXPECT_EQ(page->next_page_token(), "");
}

// INV-21: what was a draft stays its author's.
TEST_F(QueriesTest, Inv21HistoryOfADraftIsItsAuthors) {
  const std::string id = Drafted();
  v1::GetReferralHistoryRequest request;
  request.set_referral_id(id);
  EXPECT_EQ(journal.Ask(request)->versions_size(), 1);
  AsReceiver();
  EXPECT_THAT(journal.Ask(request), RefusedNotFound());
  AsReferrer();
  ASSERT_THAT(journal.When(SubmitDraft(id)), IsDone());
  EXPECT_EQ(journal.Ask(request)->versions_size(), 2);
  AsReceiver();
  const auto history = journal.Ask(request);
  ASSERT_EQ(history->versions_size(), 1);
  EXPECT_EQ(history->versions(0).event_type(), "ReferralSubmitted");
}

// The person's own view of their referral.
class OwnViewTest : public ReferralTest {
 protected:
  void AsPerson(const std::string& person = kPerson) {
    journal.caller = {.subject = person,
                      .is_service = false,
                      .organisation = "",
                      .role = "person",
                      .purpose = "own-care"};
  }
  auto Own(const std::string& id) {
    v1::GetMyReferralRequest request;
    request.set_referral_id(id);
    return journal.Ask(request);
  }
  auto OwnList() { return journal.Ask(v1::ListMyReferralsRequest()); }
};

TEST_F(OwnViewTest, SaysInPlainWordsWhereItStandsAndWhatIsPlanned) {
  v1::RegisterServiceRequest service = Register();
  service.mutable_description()->set_target_wait_days(14);
  Registered(service);
  const std::string id = Submitted();
  AsPerson();
  auto own = Own(id);
  ASSERT_THAT(own, IsDone());
  EXPECT_EQ(own->referral().status_words(), "Your referral has arrived.");
  EXPECT_EQ(own->referral().service_name(), "Harbour link workers");
  EXPECT_EQ(own->referral().received_date(), kToday);
  EXPECT_EQ(own->referral().first_contact_by_date(), "2025-03-31");
  EXPECT_FALSE(own->referral().has_plan());

  AsReceiver();
  ASSERT_THAT(journal.When(Triage(id)), IsDone());
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  ASSERT_THAT(journal.When(Start(id)), IsDone());
  v1::RecordContactRequest contact = Contact(id, v1::CONTACT_OUTCOME_REACHED);
  contact.mutable_contact()->mutable_note()->set_text("seems low");
  ASSERT_THAT(journal.When(contact), IsDone());
  ASSERT_THAT(journal.When(AddRisk(id)), IsDone());
  v1::RecordCarePlanRequest plan = Plan(id);
  plan.mutable_plan()->set_planned_review_date("2025-06-17");
  ASSERT_THAT(journal.When(plan), IsDone());
  AsPerson();
  own = Own(id);
  ASSERT_THAT(own, IsDone());
  const v1::MyReferral& referral = own->referral();
  EXPECT_EQ(referral.worker_id(), "worker-1");
  EXPECT_EQ(referral.accepted_date(), kToday);
  EXPECT_EQ(referral.first_contact_date(), kToday);
  EXPECT_EQ(referral.first_contact_by_date(), "");
  EXPECT_EQ(referral.next_review_date(), "2025-06-17");
  EXPECT_EQ(referral.plan().what_matters().sealed(), base::Concat(kPerson, ":my garden"));
  ASSERT_EQ(referral.plan().goals_size(), 2);
  EXPECT_EQ(referral.plan().actions(0).confidence(), 6);
  EXPECT_EQ(referral.plan().date(), kToday);
  for (const char* others : {"seems low", "steep stairs", "has not left the house", "Dr Ada"}) {
    EXPECT_EQ(own->SerializeAsString().find(others), std::string::npos) << others;
  }
  AsReceiver();
  ASSERT_THAT(journal.When(Complete(id)), IsDone());
  AsPerson();
  EXPECT_EQ(Own(id)->referral().closed_date(), kToday);
  EXPECT_EQ(Own(id)->referral().next_review_date(), "");
}

// Every state that the person sees has words of its own.
TEST_F(OwnViewTest, EveryStateHasWords) {
  std::set<std::string> words;
  for (int status = v1::REFERRAL_STATUS_DRAFT; status <= v1::ReferralStatus_MAX; ++status) {
    journal.GivenState(
        kNobody, StateIn(static_cast<v1::ReferralStatus>(status), kNobody, kPractice, kProvider));
    AsPerson();
    const auto own = Own(kNobody);
    if (status == v1::REFERRAL_STATUS_DRAFT || status == v1::REFERRAL_STATUS_ENTERED_IN_ERROR) {
      EXPECT_THAT(own, RefusedNotFound()) << status;
      EXPECT_THAT(OwnList()->referrals(), IsEmpty()) << status;
      continue;
    }
    ASSERT_THAT(own, IsDone()) << status;
    EXPECT_TRUE(words.insert(own->referral().status_words()).second) << status;
    EXPECT_NE(own->referral().next_words(), "") << status;
    EXPECT_EQ(OwnList()->referrals_size(), 1) << status;
  }
}

TEST_F(OwnViewTest, OnlyTheirOwnNewestFirst) {
  const std::string first = Submitted();
  const std::string second = Submitted(Submit(kPerson, kOtherService));
  const std::string other = Submitted(Submit(kOtherPerson));
  AsPerson();
  auto list = OwnList();
  ASSERT_THAT(list, IsDone());
  ASSERT_EQ(list->referrals_size(), 2);
  EXPECT_EQ(list->referrals(0).referral_id(), second);
  EXPECT_EQ(list->referrals(1).referral_id(), first);
  // Somebody else's, and none at all: one answer.
  const auto of_other = Own(other);
  const auto none = Own(kNobody);
  EXPECT_THAT(of_other, RefusedNotFound());
  EXPECT_EQ(of_other.status(), none.status());
  AsPerson(kNobody);
  EXPECT_THAT(OwnList()->referrals(), IsEmpty());
  EXPECT_THAT(Own(first), RefusedNotFound());
}

}  // namespace
}  // namespace fettle::referral
