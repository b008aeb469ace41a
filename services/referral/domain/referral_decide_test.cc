// What becomes of a referral after it was submitted.
#include <functional>

#include "services/referral/domain/referral_testing.h"
#include "services/referral/domain/transitions.h"

namespace fettle::referral {
namespace {

using absl::StatusCode;
using base::IsDone;
using base::RefusedField;
using base::RefusedWith;
using testing::IsEmpty;

class DecideTest : public ReferralTest {
 protected:
  enum class Side { kReferrer, kReceiver, kEither };
  // A command on an existing referral and the status that it leads to.
  struct Move {
    const char* name;
    v1::ReferralStatus to;
    Side side;
    std::function<absl::Status(const std::string& id)> command;
    // The one status that it is made for, where the table allows more.
    v1::ReferralStatus from = v1::REFERRAL_STATUS_UNSPECIFIED;

    bool MayLeave(v1::ReferralStatus status) const {
      return MayBecome(status, to) && (from == v1::REFERRAL_STATUS_UNSPECIFIED || from == status);
    }
  };
  std::vector<Move> Moves() {
    const auto run = [this](auto make) {
      return [this, make](const std::string& id) { return journal.When(make(id)).status(); };
    };
    using enum v1::ReferralStatus;
    using enum Side;
    return {
        {"SubmitDraft", REFERRAL_STATUS_SUBMITTED, kReferrer, run(&DecideTest::SubmitDraft)},
        {"StartTriage", REFERRAL_STATUS_IN_TRIAGE, kReceiver, run(&DecideTest::Triage)},
        {"RequestInformation", REFERRAL_STATUS_INFO_REQUESTED, kReceiver,
         run(&DecideTest::RequestInformation)},
        {"ProvideInformation", REFERRAL_STATUS_IN_TRIAGE, kReferrer,
         run(&DecideTest::ProvideInformation), REFERRAL_STATUS_INFO_REQUESTED},
        {"AcceptReferral", REFERRAL_STATUS_ACCEPTED, kReceiver, run(&DecideTest::Accept)},
        {"RecordTriageOutcome, accepted", REFERRAL_STATUS_ACCEPTED, kReceiver,
         run([](const std::string& id) { return TriageOutcome(id); })},
        {"RecordTriageOutcome, returned", REFERRAL_STATUS_REJECTED, kReceiver,
         run([](const std::string& id) {
           return TriageOutcome(id, v1::TRIAGE_OUTCOME_RETURN_TO_REFERRER_WITH_ADVICE);
         }),
         REFERRAL_STATUS_IN_TRIAGE},
        {"RejectReferral", REFERRAL_STATUS_REJECTED, kReceiver, run(&DecideTest::Reject)},
        {"StartReferral", REFERRAL_STATUS_ACTIVE, kReceiver, run(&DecideTest::Start)},
        {"PauseReferral", REFERRAL_STATUS_PAUSED, kReceiver, run(&DecideTest::Pause)},
        {"ResumeReferral", REFERRAL_STATUS_ACTIVE, kReceiver, run(&DecideTest::Resume),
         REFERRAL_STATUS_PAUSED},
        {"CompleteReferral", REFERRAL_STATUS_COMPLETED, kReceiver, run(&DecideTest::Complete)},
        {"CloseAsNoContact", REFERRAL_STATUS_NO_CONTACT, kReceiver,
         run(&DecideTest::CloseAsNoContact)},
        {"WithdrawReferral", REFERRAL_STATUS_WITHDRAWN, kReferrer, run(&DecideTest::Withdraw)},
        {"DeclineReferral", REFERRAL_STATUS_DECLINED, kEither,
         run([this](const std::string& id) { return Decline(id); })},
        {"MarkEnteredInError", REFERRAL_STATUS_ENTERED_IN_ERROR, kEither,
         run(&DecideTest::MarkInError)},
    };
  }
};

// INV-17: each of the 44 transitions has a command.
TEST_F(DecideTest, Inv17EveryTransitionHasACommand) {
  const std::vector<Move> moves = Moves();
  int reached = 0;
  for (int from = 1; from <= v1::ReferralStatus_MAX; ++from) {
    for (int to = 1; to <= v1::ReferralStatus_MAX; ++to) {
      const auto status = static_cast<v1::ReferralStatus>(from);
      reached += std::ranges::any_of(
          moves, [&](const Move& move) { return move.to == to && move.MayLeave(status); });
    }
  }
  EXPECT_EQ(reached, 44);
}

// INV-17, INV-18: every command from every one of the 13 states, given by somebody who is of both
// organisations, so that nothing but the table decides.
TEST_F(DecideTest, Inv17CommandsDoWhatTheTableAllowsAndNothingElse) {
  As(kProvider, "link_worker");
  int number = 100;
  for (const Move& move : Moves()) {
    for (int from = v1::REFERRAL_STATUS_DRAFT; from <= v1::ReferralStatus_MAX; ++from) {
      const auto status = static_cast<v1::ReferralStatus>(from);
      SCOPED_TRACE(std::string(move.name) + " from " + std::string(StatusName(status)));
      const std::string id = absl::StrCat("0196d5a0-0003-7000-8000-000000000", ++number);
      State before = StateIn(status, id, kProvider, kProvider);
      // One open referral for a person and service: each case has its own person.
      before.set_person_id(absl::StrCat("0196d5a0-0001-7000-8000-000000000", number));
      journal.people[before.person_id()] = journal.people[kPerson];
      journal.people[before.person_id()].set_person_id(before.person_id());
      journal.GivenState(id, before);
      const std::vector<base::Entry> entries = ReferralRules::Index(before);

      const absl::Status status_of_command = move.command(id);
      if (move.MayLeave(status)) {
        EXPECT_THAT(status_of_command, IsDone());
        EXPECT_EQ(StatusOf(id), move.to);
        EXPECT_GT(journal.VersionOf(id), 1);
        continue;
      }
      EXPECT_THAT(status_of_command, RefusedTransition());
      EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*journal.StateOf(id), before));
      EXPECT_EQ(journal.VersionOf(id), 1);
      EXPECT_THAT(journal.EventsOf(id), IsEmpty());
      EXPECT_EQ(ReferralRules::Index(*journal.StateOf(id)), entries);
    }
  }
}

// INV-17: details change no status, and are taken while the referral is open.
TEST_F(DecideTest, Inv17DetailsAreTakenInEveryOpenState) {
  for (int from = v1::REFERRAL_STATUS_DRAFT; from <= v1::ReferralStatus_MAX; ++from) {
    const auto status = static_cast<v1::ReferralStatus>(from);
    SCOPED_TRACE(StatusName(status));
    const State before = StateIn(status, kNobody, kPractice, kProvider);
    journal.GivenState(kNobody, before);
    AsReferrer();
    v1::ProvideMissingDetailsRequest request = Provide(kNobody);
    request.mutable_details()->mutable_referrer()->set_team("Team East");
    const auto done = journal.When(request);
    if (IsTerminal(status)) {
      EXPECT_THAT(done, RefusedWith(StatusCode::kFailedPrecondition, "REFERRAL_CLOSED"));
      EXPECT_TRUE(
          google::protobuf::util::MessageDifferencer::Equals(*journal.StateOf(kNobody), before));
    } else {
      EXPECT_THAT(done, IsDone());
    }
    EXPECT_EQ(StatusOf(kNobody), status);
  }
}

// INV-25: the other organisation of the referral hears that it may not; anybody else, that there is
// no such referral.
TEST_F(DecideTest, Inv25EachSideDoesItsOwn) {
  for (const Move& move : Moves()) {
    SCOPED_TRACE(move.name);
    for (int from = v1::REFERRAL_STATUS_SUBMITTED; from <= v1::REFERRAL_STATUS_PAUSED; ++from) {
      const auto status = static_cast<v1::ReferralStatus>(from);
      if (!move.MayLeave(status)) continue;
      const State before = StateIn(status, kNobody, kPractice, kProvider);
      journal.GivenState(kNobody, before);
      AsStranger();
      EXPECT_THAT(move.command(kNobody), RefusedNotFound());
      const bool is_referrers = move.side == Side::kReferrer;
      is_referrers ? AsReceiver() : AsReferrer();
      if (move.side != Side::kEither) {
        EXPECT_THAT(move.command(kNobody), RefusedPermission());
      }
      EXPECT_TRUE(
          google::protobuf::util::MessageDifferencer::Equals(*journal.StateOf(kNobody), before));
      is_referrers ? AsReferrer() : AsReceiver();
      EXPECT_THAT(move.command(kNobody), IsDone());
    }
    EXPECT_THAT(move.command("0196d5a0-0003-7000-8000-00000000eeee"), RefusedNotFound());
  }
}

// INV-21: for the receiver there are no drafts.
TEST_F(DecideTest, Inv21DraftIsItsAuthorsAlone) {
  journal.GivenState(kNobody, StateIn(v1::REFERRAL_STATUS_DRAFT, kNobody, kPractice, kProvider));
  AsReceiver();
  EXPECT_THAT(journal.When(Triage(kNobody)), RefusedNotFound());
  EXPECT_THAT(
      journal.Listed(kOrganisationIndex, OrganisationKey(kProvider, v1::REFERRAL_STATUS_DRAFT)),
      IsEmpty());
  AsReferrer();
  EXPECT_THAT(journal.When(Triage(kNobody)), RefusedPermission());
  EXPECT_THAT(journal.When(Withdraw(kNobody)), RefusedTransition());
}

TEST_F(DecideTest, TriageMayComeBackFromAQuestion) {
  journal.GivenState(kNobody,
                     StateIn(v1::REFERRAL_STATUS_INFO_REQUESTED, kNobody, kPractice, kProvider));
  AsReceiver();
  EXPECT_THAT(journal.When(Triage(kNobody)), IsDone());
  EXPECT_EQ(StatusOf(kNobody), v1::REFERRAL_STATUS_IN_TRIAGE);
}

TEST_F(DecideTest, AcceptKeepsPriorityAndComment) {
  const std::string id = InTriage();
  v1::AcceptReferralRequest request = Accept(id);
  request.set_priority(v1::PRIORITY_URGENT);
  request.mutable_comment()->set_text("first visit at home");
  const auto done = journal.When(request);
  ASSERT_THAT(done, IsDone());
  const v1::ReferralAccepted& event = done->events[0].referral_accepted();
  EXPECT_EQ(event.comment().sealed(), std::string(kPerson) + ":first visit at home");
  EXPECT_EQ(event.person().version(), 3);
  EXPECT_EQ(journal.StateOf(id)->priority(), v1::PRIORITY_URGENT);
  EXPECT_TRUE(journal.StateOf(id)->has_accept_time());

  v1::SubmitReferralRequest submit = Submit(kOtherPerson);
  submit.mutable_details()->set_priority(v1::PRIORITY_URGENT);
  const std::string other = InTriage(submit);
  ASSERT_THAT(journal.When(Accept(other)), IsDone());
  EXPECT_EQ(journal.StateOf(other)->priority(), v1::PRIORITY_URGENT);
  EXPECT_FALSE(journal.StateOf(other)->has_comment());
}

// INV-22: at ACCEPTED always.
TEST_F(DecideTest, Inv22NothingMayBeMissingAtAccept) {
  v1::SubmitReferralRequest submit = SubmitByPartner();
  *submit.mutable_details() = CompleteDetails();
  submit.mutable_details()->clear_risks();
  journal.people[kPerson].add_missing_items("first_name");
  const std::string id = InTriage(submit);
  auto refused = journal.When(Accept(id));
  EXPECT_THAT(refused, RefusedWith(StatusCode::kFailedPrecondition, "MANDATORY_ITEMS_MISSING"));
  EXPECT_EQ(base::ErrorInfoOf(refused.status())->metadata().at("missing_items"),
            "first_name, risks");
  // The registry has the name by now, and has lost the practice.
  journal.people[kPerson].clear_missing_items();
  journal.people[kPerson].add_missing_items("gp_practice");
  v1::ProvideMissingDetailsRequest provide = Provide(id);
  provide.mutable_details()->add_risks()->set_kind(v1::RISK_KIND_NONE_KNOWN);
  ASSERT_THAT(journal.When(provide), IsDone());
  refused = journal.When(Accept(id));
  EXPECT_THAT(refused, RefusedWith(StatusCode::kFailedPrecondition, "MANDATORY_ITEMS_MISSING"));
  EXPECT_EQ(base::ErrorInfoOf(refused.status())->metadata().at("missing_items"), "gp_practice");
  journal.people[kPerson].clear_missing_items();
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  EXPECT_THAT(journal.StateOf(id)->missing_items(), IsEmpty());
}

TEST_F(DecideTest, EvidenceMustBeAboutThisPerson) {
  const auto without_person = [](base::Evidence& evidence) { evidence.people.clear(); };
  const auto sealed_for_another = [](base::Evidence& evidence) {
    evidence.sealed_for = kOtherPerson;
  };
  const std::string id = InTriage();
  v1::AcceptReferralRequest accept = Accept(id);
  accept.mutable_comment()->set_text("words");
  journal.tamper = without_person;
  EXPECT_THAT(journal.When(accept), RefusedStale());
  journal.tamper = sealed_for_another;
  EXPECT_THAT(journal.When(accept), RefusedStale());
  v1::RejectReferralRequest reject = Reject(id);
  reject.mutable_comment()->set_text("words");
  EXPECT_THAT(journal.When(reject), RefusedStale());
  AsPartner();
  v1::WithdrawReferralRequest withdraw = Withdraw(id);
  *withdraw.mutable_partner_message() = Message(1);
  EXPECT_THAT(journal.When(withdraw), RefusedStale());
  AsReceiver();
  journal.tamper = nullptr;
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  journal.tamper = without_person;
  EXPECT_THAT(journal.When(Start(id)), RefusedStale());
  journal.tamper = nullptr;
  ASSERT_THAT(journal.When(Start(id)), IsDone());
  journal.tamper = sealed_for_another;
  v1::CompleteReferralRequest complete = Complete(id);
  complete.mutable_outcomes(0)->mutable_note()->set_text("words");
  EXPECT_THAT(journal.When(complete), RefusedStale());
}

// INV-27
TEST_F(DecideTest, Inv27RejectionHasAReasonOfTheList) {
  int rejected = 0;
  for (int code = 0; code <= 99; ++code) {
    const std::string text = std::to_string(code);
    journal.GivenState(kNobody,
                       StateIn(v1::REFERRAL_STATUS_SUBMITTED, kNobody, kPractice, kProvider));
    AsReceiver();
    v1::RejectReferralRequest request = Reject(kNobody);
    request.set_reason_code(text);
    if (journal.When(request).ok()) ++rejected;
    if (code == 20) {
      EXPECT_THAT(journal.When(request),
                  RefusedField("reason_code", "REJECTION_REASON_NOT_LISTED"));
    }
    if (code == 99) {
      EXPECT_THAT(journal.When(request), RefusedField("comment", "COMMENT_MISSING"));
      request.mutable_comment()->set_text("the group has ended");
      EXPECT_THAT(journal.When(request), IsDone());
      EXPECT_EQ(journal.StateOf(kNobody)->rejection_reason_code(), "99");
      EXPECT_EQ(journal.StateOf(kNobody)->comment().sealed(),
                std::string(kPerson) + ":the group has ended");
    }
  }
  EXPECT_EQ(rejected, 11);
}

// INV-26, INV-38
TEST_F(DecideTest, Inv38StartCountsOnceAnEpisode) {
  const std::string id = Accepted();
  journal.people[kPerson].set_gp_practice("B82002");
  journal.people[kPerson].set_icb("QYG");
  const auto done = journal.When(Start(id));
  ASSERT_THAT(done, IsDone());
  ASSERT_EQ(done->events.size(), 3u);
  EXPECT_EQ(done->events[0].referral_started().worker_id(), "worker-1");
  EXPECT_EQ(done->events[0].referral_started().person().gp_practice(), "B82002");
  const v1::SocialPrescribingCounted& counted = done->events[2].social_prescribing_counted();
  EXPECT_EQ(counted.snomed_code(), "871731000000106");
  EXPECT_EQ(counted.person_id(), kPerson);
  EXPECT_EQ(counted.gp_practice(), "B82002") << "as known when it is counted";
  EXPECT_EQ(counted.icb(), "QYG");
  EXPECT_EQ(counted.date(), kToday);
  EXPECT_EQ(StatusOf(id), v1::REFERRAL_STATUS_ACTIVE);
  EXPECT_EQ(journal.StateOf(id)->first_contact_date(), kToday);
  EXPECT_THAT(
      journal.Listed(kWorkerIndex, WorkerKey(kProvider, "worker-1", v1::REFERRAL_STATUS_ACTIVE)),
      testing::ElementsAre(id));

  // Out of a pause after the first contact: not counted again.
  State paused = *journal.StateOf(id);
  paused.set_status(v1::REFERRAL_STATUS_PAUSED);
  journal.GivenState(id, paused);
  v1::StartReferralRequest again = Start(id);
  again.set_first_contact_date("2025-03-18");
  journal.now += absl::Hours(24);
  EXPECT_THAT(journal.When(again),
              RefusedField("first_contact_date", "FIRST_CONTACT_ON_ANOTHER_DATE"));
  const auto resumed = journal.When(Start(id));
  ASSERT_THAT(resumed, IsDone());
  EXPECT_EQ(resumed->events.size(), 1u);
}

// INV-31: accepted <= first contact <= closed, none in the future.
TEST_F(DecideTest, Inv31DatesAreInOrder) {
  const std::string id = Accepted();
  v1::StartReferralRequest start = Start(id);
  start.set_first_contact_date("2025-03-16");
  EXPECT_THAT(journal.When(start), RefusedField("first_contact_date", "DATE_TOO_EARLY"));
  start.set_first_contact_date("2025-03-18");
  EXPECT_THAT(journal.When(start), RefusedField("first_contact_date", "DATE_IN_FUTURE"));
  journal.now += absl::Hours(48);
  ASSERT_THAT(journal.When(start), IsDone());

  v1::CompleteReferralRequest complete = Complete(id);
  complete.set_closed_date("2025-03-17");
  EXPECT_THAT(journal.When(complete), RefusedField("closed_date", "DATE_TOO_EARLY"));
  complete.set_closed_date("2025-03-20");
  EXPECT_THAT(journal.When(complete), RefusedField("closed_date", "DATE_IN_FUTURE"));
  complete.set_closed_date("2025-03-19");
  EXPECT_THAT(journal.When(complete), IsDone());
}

// INV-31: the day on which it was accepted is London's, where 23:30 UTC in summer is the next day.
TEST_F(DecideTest, Inv31DaysAreThoseOfLondon) {
  journal.now = absl::FromCivil(absl::CivilSecond(2025, 7, 1, 23, 30, 0), absl::UTCTimeZone());
  const std::string id = Accepted();
  v1::StartReferralRequest start = Start(id);
  start.set_first_contact_date("2025-07-01");
  EXPECT_THAT(journal.When(start), RefusedField("first_contact_date", "DATE_TOO_EARLY"));
  start.set_first_contact_date("2025-07-02");
  EXPECT_THAT(journal.When(start), IsDone());
}

// INV-30
TEST_F(DecideTest, Inv30CompletionHasOutcomesOrAReasonForNone) {
  const std::string id = Active();
  v1::CompleteReferralRequest request = Complete(id);
  request.set_no_outcome_reason_code("MOVED_AWAY");
  EXPECT_THAT(journal.When(request), RefusedField("outcomes", "OUTCOMES_OR_REASON_FOR_NONE"));
  request.clear_outcomes();
  request.clear_no_outcome_reason_code();
  EXPECT_THAT(journal.When(request), RefusedField("outcomes", "OUTCOMES_OR_REASON_FOR_NONE"));
  request.set_no_outcome_reason_code("MOVED_AWAY");
  ASSERT_THAT(journal.When(request), IsDone());
  EXPECT_EQ(journal.StateOf(id)->no_outcome_reason_code(), "MOVED_AWAY");

  State paused = StateIn(v1::REFERRAL_STATUS_PAUSED, kNobody, kPractice, kProvider);
  paused.clear_first_contact_date();
  journal.GivenState(kNobody, paused);
  EXPECT_THAT(journal.When(Complete(kNobody)),
              RefusedWith(StatusCode::kFailedPrecondition, "FIRST_CONTACT_MISSING"));
}

TEST_F(DecideTest, CompletionKeepsOutcomes) {
  const std::string id = Active();
  v1::CompleteReferralRequest request = Complete(id);
  request.mutable_outcomes(0)->mutable_note()->set_text("gardening on Tuesdays");
  const auto done = journal.When(request);
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->events[0].referral_completed().outcomes(0).note().sealed(),
            std::string(kPerson) + ":gardening on Tuesdays");
  EXPECT_EQ(journal.StateOf(id)->closed_date(), kToday);
  EXPECT_EQ(journal.Holder(kOpenIndex, OpenKey(kPerson, kService)), std::nullopt);
}

TEST_F(DecideTest, PartnerWithdrawsByMessage) {
  const std::string id = Submitted(SubmitByPartner(2));
  AsPartner();
  v1::WithdrawReferralRequest request = Withdraw(id);
  *request.mutable_partner_message() = Message(2);
  EXPECT_THAT(journal.When(request),
              RefusedWith(StatusCode::kAlreadyExists, "PARTNER_MESSAGE_ALREADY_TAKEN"));
  *request.mutable_partner_message() = Message(1);
  EXPECT_THAT(journal.When(request),
              RefusedWith(StatusCode::kFailedPrecondition, "PARTNER_MESSAGE_OUTDATED"));
  *request.mutable_partner_message() = Message(3);
  request.mutable_partner_message()->set_last_updated("now");
  EXPECT_THAT(journal.When(request),
              RefusedField("partner_message.last_updated", "INSTANT_NOT_READABLE"));
  *request.mutable_partner_message() = Message(3);
  AsReferrer();
  EXPECT_THAT(journal.When(request),
              RefusedWith(StatusCode::kPermissionDenied, "PARTNER_MESSAGE_FROM_INTEGRATOR_ONLY"));
  AsPartner();
  const auto done = journal.When(request);
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(journal.StateOf(id)->withdrawal_reason_code(), "UNNECESSARY");
  EXPECT_EQ(journal.Holder(kMessageIndex,
                           MessageKey(Message(3).request_id(), Message(3).correlation_id())),
            id);
  EXPECT_THAT(journal.Listed(kCaseIndex, CaseKey(Message(3).correlation_id())), IsEmpty());
}

}  // namespace
}  // namespace fettle::referral
