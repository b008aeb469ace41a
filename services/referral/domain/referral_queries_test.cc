// What the two organisations of a referral may see of it.
#include <algorithm>

#include "services/referral/domain/referral_testing.h"

namespace fettle::referral {
namespace {

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
                    const std::string& referrer = kPractice) {
    const std::string id = absl::StrCat("0196d5a0-0003-7000-8000-00000000", 1000 + number);
    State state = StateIn(status, id, referrer, kProvider);
    state.set_person_id(absl::StrCat("0196d5a0-0001-7000-8000-00000000", 1000 + number));
    if (!state.worker_id().empty()) state.set_worker_id(worker);
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

}  // namespace
}  // namespace fettle::referral
