// What partners hear from us, when it is tried again, and how a service in a partner's system moves
// its referrals.
#include <map>
#include <set>

#include "services/referral/domain/referral_testing.h"
#include "services/referral/domain/transitions.h"

namespace fettle::referral {
namespace {

using base::IsDone;
using base::RefusedWith;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class DeliveryTest : public ReferralTest {
 protected:
  std::vector<v1::Signal> Signals(const std::string& id) const {
    std::vector<v1::Signal> signals;
    for (const v1::Delivery& delivery : Queue(id).deliveries()) {
      signals.push_back(delivery.message().signal());
    }
    return signals;
  }
  const v1::Delivery& Last(const std::string& id) const { return *Queue(id).deliveries().rbegin(); }

  void AsGateway() {
    journal.caller = {
        .subject = "gateway", .is_service = true, .organisation = "", .role = "", .purpose = ""};
  }
  // Of the partner's system that the service works in.
  void AsProvidersSystem() { As(kProvider, "integrator"); }

  v1::RecordDeliveryAttemptRequest Attempt(const std::string& id, int http_status,
                                           const std::string& issue_code = "", int index = 0) {
    v1::RecordDeliveryAttemptRequest request;
    request.set_referral_id(id);
    request.set_delivery_id(Queue(id).deliveries(index).message().delivery_id());
    request.set_http_status(http_status);
    request.set_issue_code(issue_code);
    return request;
  }
  // As the gateway sees it.
  v1::Delivery Delivery(const v1::DueDelivery& due) const {
    v1::GetDeliveryRequest request;
    request.set_referral_id(due.referral_id());
    request.set_delivery_id(due.delivery_id());
    const auto got = journal.Ask(request);
    EXPECT_THAT(got, IsDone());
    EXPECT_EQ(got->referral().referral_id(), due.referral_id());
    return got->delivery();
  }
  v1::PrepareDeliveryRequest Prepare(const std::string& id, const std::string& words) {
    v1::PrepareDeliveryRequest request;
    request.set_referral_id(id);
    request.set_delivery_id(Queue(id).deliveries(0).message().delivery_id());
    request.mutable_body()->set_text(words);
    return request;
  }
  v1::SendDeliveryAgainRequest Again(const std::string& id) {
    v1::SendDeliveryAgainRequest request;
    request.set_referral_id(id);
    request.set_delivery_id(Queue(id).deliveries(0).message().delivery_id());
    return request;
  }
  // What the clock does when the pause is over.
  void WaitForNextAttempt(const std::string& id) {
    const std::string queue = DeliveryQueueId(id);
    const std::vector<base::Timer> timers = journal.TimersOf(queue);
    ASSERT_THAT(timers, SizeIs(1));
    journal.now = timers[0].due;
    ASSERT_THAT(Fire(queue, timers[0]), SizeIs(1));
  }

  // A referral that a partner sent, complete and looked at.
  std::string TriagedOfPartner() {
    v1::SubmitReferralRequest request = Submit();
    request.set_intake(v1::INTAKE_BARS_COMPLETE);
    *request.mutable_partner_message() = Message(1);
    request.mutable_partner_message()->set_bundle_id("their-bundle");
    request.mutable_partner_message()->set_source_endpoint("urn:system|their-system");
    return InTriage(request);
  }
  // A referral of ours to a service that works in a partner's system.
  std::string SentToPartner() {
    v1::RegisterServiceRequest service = Register();
    service.mutable_description()->set_dos_service_id("2000011147");
    if (journal.StateOf(kService) == nullptr) Registered(service);
    const std::string id = Submitted();
    AsProvidersSystem();
    return id;
  }
  v1::RecordPartnerResponseRequest Response(const std::string& id, v1::Signal signal,
                                            int number = 1) {
    v1::RecordPartnerResponseRequest request;
    request.set_in_response_to(Queue(id).deliveries(0).message().bundle_id());
    request.set_signal(signal);
    *request.mutable_partner_message() = Message(number);
    return request;
  }
};

TEST_F(DeliveryTest, TheReferrersSystemHearsOfEachStep) {
  const std::string id = TriagedOfPartner();
  EXPECT_THAT(Signals(id), IsEmpty()) << "that somebody looks at it is no signal";
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  ASSERT_THAT(journal.When(Start(id)), IsDone());
  ASSERT_THAT(journal.When(Pause(id)), IsDone());
  ASSERT_THAT(journal.When(Resume(id)), IsDone());
  ASSERT_THAT(journal.When(Complete(id)), IsDone());
  EXPECT_THAT(Signals(id), ElementsAre(v1::SIGNAL_TAKEN, v1::SIGNAL_STARTED, v1::SIGNAL_COMPLETED));
  const v1::OutgoingMessage& message = Last(id).message();
  EXPECT_EQ(message.in_response_to(), "their-bundle");
  EXPECT_EQ(message.target_endpoint(), "urn:system|their-system");
  EXPECT_EQ(message.partner_case_number(), "CASE-7");
  EXPECT_EQ(message.sender_organisation(), kProvider);
  EXPECT_EQ(message.partner_organisation(), kPractice);
  EXPECT_EQ(message.date(), kToday);
  EXPECT_EQ(journal.EventsOf(DeliveryQueueId(id))[0].header().correlation_id(),
            journal.StateOf(id)->correlation_id());
}

TEST_F(DeliveryTest, TheReferrersSystemHearsOfTheStartOnce) {
  const std::string id = TriagedOfPartner();
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  ASSERT_THAT(journal.When(Start(id)), IsDone());
  ASSERT_THAT(journal.When(Pause(id)), IsDone());
  ASSERT_THAT(journal.When(Start(id)), IsDone());
  EXPECT_THAT(Signals(id), ElementsAre(v1::SIGNAL_TAKEN, v1::SIGNAL_STARTED));
}

TEST_F(DeliveryTest, TheReferrersSystemHearsOfAStartAfterAPauseBeforeIt) {
  const std::string id = TriagedOfPartner();
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  ASSERT_THAT(journal.When(Pause(id)), IsDone());
  ASSERT_THAT(journal.When(Start(id)), IsDone());
  EXPECT_THAT(Signals(id), ElementsAre(v1::SIGNAL_TAKEN, v1::SIGNAL_STARTED));
}

TEST_F(DeliveryTest, RejectionAdviceAndNoContactAreHeardToo) {
  const std::string rejected = TriagedOfPartner();
  ASSERT_THAT(journal.When(Reject(rejected)), IsDone());
  EXPECT_THAT(Signals(rejected), ElementsAre(v1::SIGNAL_REJECTED));
  EXPECT_EQ(Last(rejected).message().reason_code(), "22");
}

TEST_F(DeliveryTest, TriageOutcomesAreHeard) {
  const std::string taken = TriagedOfPartner();
  ASSERT_THAT(journal.When(TriageOutcome(taken)), IsDone());
  EXPECT_THAT(Signals(taken), ElementsAre(v1::SIGNAL_TAKEN));
  for (int day = 0; day < kNoContactDaysMin; ++day) {
    ASSERT_THAT(journal.When(Contact(taken)), IsDone());
    journal.now += absl::Hours(24);
  }
  ASSERT_THAT(journal.When(CloseAsNoContact(taken)), IsDone());
  EXPECT_THAT(Signals(taken), ElementsAre(v1::SIGNAL_TAKEN, v1::SIGNAL_DID_NOT_ATTEND));
}

TEST_F(DeliveryTest, AdviceIsARejection) {
  const std::string id = TriagedOfPartner();
  ASSERT_THAT(journal.When(TriageOutcome(id, v1::TRIAGE_OUTCOME_RETURN_TO_REFERRER_WITH_ADVICE)),
              IsDone());
  EXPECT_THAT(Signals(id), ElementsAre(v1::SIGNAL_REJECTED));
}

TEST_F(DeliveryTest, NobodyElsesReferralIsToldToAnybody) {
  const std::string id = Active();
  ASSERT_THAT(journal.When(Complete(id)), IsDone());
  EXPECT_EQ(journal.VersionOf(DeliveryQueueId(id)), 0);
}

TEST_F(DeliveryTest, INV151_AMessageKeepsItsIdsAndItsWords) {
  const std::string id = TriagedOfPartner();
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  AsGateway();
  const auto due = journal.Ask(v1::ListDueDeliveriesRequest());
  ASSERT_THAT(due, IsDone());
  ASSERT_THAT(due->deliveries(), SizeIs(1));
  EXPECT_EQ(due->deliveries(0).referral_id(), id);
  EXPECT_FALSE(Delivery(due->deliveries(0)).has_body());
  ASSERT_THAT(journal.When(Prepare(id, "first words")), IsDone());
  const auto second = journal.When(Prepare(id, "other words"));
  ASSERT_THAT(second, IsDone());
  EXPECT_THAT(second->events, IsEmpty()) << "the first words stay";
  const v1::OutgoingMessage before = Last(id).message();
  ASSERT_THAT(journal.When(Attempt(id, 503)), IsDone());
  WaitForNextAttempt(id);
  AsGateway();
  const auto again = journal.Ask(v1::ListDueDeliveriesRequest());
  ASSERT_THAT(again, IsDone());
  ASSERT_THAT(again->deliveries(), SizeIs(1));
  EXPECT_EQ(Delivery(again->deliveries(0)).message().SerializeAsString(),
            before.SerializeAsString());
  EXPECT_THAT(Delivery(again->deliveries(0)).body().sealed(), testing::EndsWith("first words"));
  ASSERT_THAT(journal.When(Attempt(id, 200)), IsDone());
  EXPECT_FALSE(Last(id).has_body()) << "it stays in the event";
  EXPECT_THAT(journal.Ask(v1::ListDueDeliveriesRequest())->deliveries(), IsEmpty());
  const auto late = journal.When(Attempt(id, 500));
  ASSERT_THAT(late, IsDone());
  EXPECT_THAT(late->events, IsEmpty());
  EXPECT_EQ(late->response.status(), v1::DELIVERY_STATUS_DELIVERED);
}

// INV-152: what is tried again, and what an answer says for good.
TEST_F(DeliveryTest, INV152_OnlyListedAnswersAreTriedAgain) {
  struct Row {
    int http_status;
    std::string issue_code;
    v1::DeliveryProblem problem;
    v1::DeliveryStatus status;
  };
  const auto none = v1::DELIVERY_PROBLEM_UNSPECIFIED;
  const Row rows[] = {
      {200, "", none, v1::DELIVERY_STATUS_DELIVERED},
      {202, "", none, v1::DELIVERY_STATUS_DELIVERED},
      {409, "duplicate", none, v1::DELIVERY_STATUS_DELIVERED},
      {409, "conflict", none, v1::DELIVERY_STATUS_FAILED},
      {400, "invalid", none, v1::DELIVERY_STATUS_FAILED},
      {401, "forbidden", none, v1::DELIVERY_STATUS_FAILED},
      {404, "not-found", none, v1::DELIVERY_STATUS_FAILED},
      {422, "not-supported", none, v1::DELIVERY_STATUS_FAILED},
      {500, "exception", none, v1::DELIVERY_STATUS_FAILED},
      {408, "timeout", none, v1::DELIVERY_STATUS_WAITING},
      {429, "throttled", none, v1::DELIVERY_STATUS_WAITING},
      {503, "transient", none, v1::DELIVERY_STATUS_WAITING},
      {200, "", v1::DELIVERY_PROBLEM_ANSWER_NOT_READABLE, v1::DELIVERY_STATUS_WAITING},
      {0, "", v1::DELIVERY_PROBLEM_CONNECTION_FAILED, v1::DELIVERY_STATUS_WAITING},
      {0, "", v1::DELIVERY_PROBLEM_TIMEOUT, v1::DELIVERY_STATUS_WAITING},
      {0, "", v1::DELIVERY_PROBLEM_NO_ENDPOINT, v1::DELIVERY_STATUS_FAILED},
      {0, "", v1::DELIVERY_PROBLEM_NOT_MADE, v1::DELIVERY_STATUS_FAILED},
      {403, "forbidden", v1::DELIVERY_PROBLEM_QUESTION_REFUSED, v1::DELIVERY_STATUS_FAILED},
      {503, "transient", v1::DELIVERY_PROBLEM_QUESTION_REFUSED, v1::DELIVERY_STATUS_WAITING},
  };
  for (const Row& row : rows) {
    journal = {};
    Settle();
    const std::string id = TriagedOfPartner();
    ASSERT_THAT(journal.When(Accept(id)), IsDone());
    AsGateway();
    v1::RecordDeliveryAttemptRequest attempt = Attempt(id, row.http_status, row.issue_code);
    attempt.set_problem(row.problem);
    ASSERT_THAT(journal.When(attempt), IsDone());
    EXPECT_EQ(Last(id).status(), row.status) << row.http_status << " " << row.issue_code;
    EXPECT_EQ(Last(id).has_next_attempt_time(), row.status == v1::DELIVERY_STATUS_WAITING);
  }
}

TEST_F(DeliveryTest, INV152_PausesDoubleUpToAnHourAndEnd) {
  const std::string id = TriagedOfPartner();
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  AsGateway();
  std::vector<absl::Duration> pauses;
  for (int attempt = 1; attempt <= kDeliveryAttemptsMax; ++attempt) {
    const absl::Time decided = journal.now;
    ASSERT_THAT(journal.When(Attempt(id, 503)), IsDone());
    if (attempt == kDeliveryAttemptsMax) break;
    pauses.push_back(journal.TimersOf(DeliveryQueueId(id)).at(0).due - decided);
    WaitForNextAttempt(id);
    AsGateway();
  }
  EXPECT_EQ(Last(id).status(), v1::DELIVERY_STATUS_FAILED);
  EXPECT_EQ(Last(id).attempts(), kDeliveryAttemptsMax);
  EXPECT_EQ(pauses[0], absl::Seconds(5));
  EXPECT_EQ(pauses[1], absl::Seconds(10));
  EXPECT_EQ(pauses[5], absl::Seconds(160));
  EXPECT_EQ(pauses.back(), absl::Hours(1));
  EXPECT_THAT(journal.TimersOf(DeliveryQueueId(id)), IsEmpty());
}

TEST_F(DeliveryTest, APartnerThatAsksForTimeGetsIt) {
  const std::string id = TriagedOfPartner();
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  AsGateway();
  v1::RecordDeliveryAttemptRequest attempt = Attempt(id, 429);
  attempt.set_retry_after_s(600);
  const absl::Time decided = journal.now;
  ASSERT_THAT(journal.When(attempt), IsDone());
  EXPECT_EQ(journal.TimersOf(DeliveryQueueId(id)).at(0).due - decided, absl::Seconds(600));
}

TEST_F(DeliveryTest, OneMessageAboutAReferralAtATime) {
  const std::string id = TriagedOfPartner();
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  ASSERT_THAT(journal.When(Start(id)), IsDone());
  AsGateway();
  EXPECT_THAT(journal.Ask(v1::ListDueDeliveriesRequest())->deliveries(), SizeIs(1));
  ASSERT_THAT(journal.When(Attempt(id, 503)), IsDone());
  EXPECT_THAT(journal.Ask(v1::ListDueDeliveriesRequest())->deliveries(), IsEmpty())
      << "the second does not overtake the first";
  WaitForNextAttempt(id);
  AsGateway();
  ASSERT_THAT(journal.When(Attempt(id, 400)), IsDone());
  const auto due = journal.Ask(v1::ListDueDeliveriesRequest());
  ASSERT_THAT(due->deliveries(), SizeIs(1)) << "what failed keeps nothing back";
  EXPECT_EQ(Delivery(due->deliveries(0)).message().signal(), v1::SIGNAL_STARTED);
}

TEST_F(DeliveryTest, WhatFailedIsSeenAndSentAgain) {
  const std::string id = TriagedOfPartner();
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  EXPECT_THAT(journal.When(Again(id)),
              RefusedWith(absl::StatusCode::kFailedPrecondition, "DELIVERY_NOT_FAILED"));
  AsGateway();
  ASSERT_THAT(journal.When(Prepare(id, "words")), IsDone());
  ASSERT_THAT(journal.When(Attempt(id, 404)), IsDone());
  EXPECT_THAT(journal.Ask(v1::ListDueDeliveriesRequest())->deliveries(), IsEmpty());

  AsReceiver();
  const auto failed = journal.Ask(v1::ListDeliveriesRequest());
  ASSERT_THAT(failed, IsDone());
  ASSERT_THAT(failed->deliveries(), SizeIs(1));
  EXPECT_EQ(failed->deliveries(0).referral_id(), id);
  EXPECT_EQ(failed->deliveries(0).delivery().http_status(), 404);
  EXPECT_FALSE(failed->deliveries(0).delivery().has_body());
  v1::ListDeliveriesRequest of_referral;
  of_referral.set_referral_id(id);
  EXPECT_THAT(journal.Ask(of_referral)->deliveries(), SizeIs(1));
  AsReferrer();
  EXPECT_THAT(journal.Ask(v1::ListDeliveriesRequest())->deliveries(), IsEmpty())
      << "it speaks for the other organisation";
  EXPECT_THAT(journal.When(Again(id)),
              RefusedWith(absl::StatusCode::kNotFound, "DELIVERY_NOT_FOUND"));
  AsStranger();
  EXPECT_THAT(journal.When(Again(id)),
              RefusedWith(absl::StatusCode::kNotFound, "REFERRAL_NOT_FOUND"));
  EXPECT_THAT(journal.Ask(of_referral),
              RefusedWith(absl::StatusCode::kNotFound, "REFERRAL_NOT_FOUND"));

  AsReceiver();
  ASSERT_THAT(journal.When(Again(id)), IsDone());
  EXPECT_THAT(journal.Ask(v1::ListDeliveriesRequest())->deliveries(), IsEmpty());
  AsGateway();
  const auto due = journal.Ask(v1::ListDueDeliveriesRequest());
  ASSERT_THAT(due->deliveries(), SizeIs(1));
  EXPECT_THAT(Delivery(due->deliveries(0)).body().sealed(), testing::EndsWith("words"));
  ASSERT_THAT(journal.When(Attempt(id, 409, "duplicate")), IsDone());
  EXPECT_EQ(Last(id).status(), v1::DELIVERY_STATUS_DELIVERED);
}

// Events are published.
TEST_F(DeliveryTest, AnIdThatMayHoldAnNhsNumberIsNotKept) {
  for (const auto& [named, kept] : std::map<std::string, std::string>{
           {"their-id", "their-id"}, {kNobody, kNobody}, {"nhs-999.000.0018", ""}}) {
    journal = {};
    Settle();
    const std::string id = SentToPartner();
    AsGateway();
    v1::RecordDeliveryAttemptRequest taken = Attempt(id, 200);
    taken.set_partner_resource_id(named);
    ASSERT_THAT(journal.When(taken), IsDone());
    EXPECT_EQ(Last(id).status(), v1::DELIVERY_STATUS_DELIVERED);
    EXPECT_EQ(Last(id).partner_resource_id(), kept) << named;
  }
}

// INV-157: what the partner's own record says where it is not cancelled.
TEST_F(DeliveryTest, INV157_ACancellationOfWhatIsNotActiveThere) {
  struct Row {
    v1::Signal signal;
    std::string partner_status;
    v1::DeliveryStatus status;
  };
  const Row rows[] = {
      {v1::SIGNAL_CANCEL, "revoked", v1::DELIVERY_STATUS_DELIVERED},
      {v1::SIGNAL_CANCEL, "entered-in-error", v1::DELIVERY_STATUS_DELIVERED},
      {v1::SIGNAL_CANCEL, "completed", v1::DELIVERY_STATUS_FAILED},
      {v1::SIGNAL_CANCEL, "on-hold", v1::DELIVERY_STATUS_FAILED},
      {v1::SIGNAL_CANCEL, "unknown", v1::DELIVERY_STATUS_FAILED},
      {v1::SIGNAL_CANCEL_AS_ERROR, "entered-in-error", v1::DELIVERY_STATUS_DELIVERED},
      {v1::SIGNAL_CANCEL_AS_ERROR, "revoked", v1::DELIVERY_STATUS_FAILED},
  };
  for (const Row& row : rows) {
    journal = {};
    Settle();
    const std::string id = SentToPartner();
    AsGateway();
    v1::RecordDeliveryAttemptRequest taken = Attempt(id, 200);
    taken.set_partner_resource_id("their-id");
    ASSERT_THAT(journal.When(taken), IsDone());
    AsReferrer();
    if (row.signal == v1::SIGNAL_CANCEL) {
      ASSERT_THAT(journal.When(Withdraw(id)), IsDone());
    } else {
      ASSERT_THAT(journal.When(MarkInError(id)), IsDone());
    }
    AsGateway();
    const auto due = journal.Ask(v1::ListDueDeliveriesRequest());
    ASSERT_THAT(due->deliveries(), SizeIs(1));
    v1::GetDeliveryRequest get;
    get.set_referral_id(id);
    get.set_delivery_id(due->deliveries(0).delivery_id());
    EXPECT_EQ(journal.Ask(get)->partner_resource_id(), "their-id");
    EXPECT_EQ(journal.Ask(get)->delivery().message().signal(), row.signal);
    v1::RecordDeliveryAttemptRequest attempt = Attempt(id, 200, "", 1);
    attempt.set_problem(v1::DELIVERY_PROBLEM_NOT_ACTIVE_THERE);
    attempt.set_partner_status(row.partner_status);
    ASSERT_THAT(journal.When(attempt), IsDone());
    EXPECT_EQ(Last(id).status(), row.status) << row.signal << " " << row.partner_status;
    EXPECT_EQ(Last(id).partner_status(), row.partner_status);
  }
}

TEST_F(DeliveryTest, ADeliveryThatIsNoneIsRefused) {
  const std::string id = TriagedOfPartner();
  ASSERT_THAT(journal.When(Accept(id)), IsDone());
  AsGateway();
  v1::GetDeliveryRequest get;
  get.set_referral_id(id);
  get.set_delivery_id(kNobody);
  EXPECT_THAT(journal.Ask(get), RefusedWith(absl::StatusCode::kNotFound, "DELIVERY_NOT_FOUND"));
  get.set_referral_id(kNobody);
  EXPECT_THAT(journal.Ask(get), RefusedWith(absl::StatusCode::kNotFound, "DELIVERY_NOT_FOUND"));
  v1::PrepareDeliveryRequest prepare = Prepare(id, "words");
  prepare.set_delivery_id(kNobody);
  EXPECT_THAT(journal.When(prepare),
              RefusedWith(absl::StatusCode::kNotFound, "DELIVERY_NOT_FOUND"));
  v1::RecordDeliveryAttemptRequest attempt = Attempt(id, 200);
  attempt.set_referral_id(kNobody);
  EXPECT_THAT(journal.When(attempt),
              RefusedWith(absl::StatusCode::kNotFound, "DELIVERY_NOT_FOUND"));
  journal.tamper = [](base::Evidence& evidence) { evidence.sealed_for = kOtherPerson; };
  EXPECT_THAT(journal.When(Prepare(id, "words")),
              RefusedWith(absl::StatusCode::kAborted, "EVIDENCE_STALE"));
}

TEST_F(DeliveryTest, AReferralToAPartnersSystemIsSentAndCancelled) {
  const std::string id = SentToPartner();
  ASSERT_THAT(Signals(id), ElementsAre(v1::SIGNAL_REQUEST));
  EXPECT_EQ(Last(id).message().target_endpoint(),
            "https://fhir.nhs.uk/Id/dos-service-id|2000011147");
  EXPECT_EQ(Last(id).message().partner_organisation(), kProvider);
  AsReferrer();
  ASSERT_THAT(journal.When(Withdraw(id)), IsDone());
  ASSERT_THAT(Signals(id), ElementsAre(v1::SIGNAL_REQUEST, v1::SIGNAL_CANCEL));
  const auto& deliveries = Queue(id).deliveries();
  EXPECT_EQ(deliveries[1].message().bundle_id(), deliveries[0].message().bundle_id());
  EXPECT_NE(deliveries[1].message().delivery_id(), deliveries[0].message().delivery_id());
  EXPECT_EQ(deliveries[1].message().correlation_id(), deliveries[0].message().correlation_id());
  ASSERT_THAT(journal.When(MarkInError(id)), IsDone());
  EXPECT_THAT(Signals(id), SizeIs(2)) << "what is closed there cannot be cancelled";
}

TEST_F(DeliveryTest, ADraftIsSentWhenItIsSubmittedAndAnErrorSaysSo) {
  v1::RegisterServiceRequest service = Register();
  service.mutable_description()->set_dos_service_id("2000011147");
  Registered(service);
  const std::string id = Drafted();
  EXPECT_THAT(Signals(id), IsEmpty());
  ASSERT_THAT(journal.When(SubmitDraft(id)), IsDone());
  ASSERT_THAT(journal.When(MarkInError(id)), IsDone());
  EXPECT_THAT(Signals(id), ElementsAre(v1::SIGNAL_REQUEST, v1::SIGNAL_CANCEL_AS_ERROR));
}

TEST_F(DeliveryTest, APersonsNoIsCancelledAtTheService) {
  const std::string id = SentToPartner();
  AsReferrer();
  ASSERT_THAT(journal.When(Decline(id)), IsDone());
  EXPECT_THAT(Signals(id), ElementsAre(v1::SIGNAL_REQUEST, v1::SIGNAL_CANCEL));
}

TEST_F(DeliveryTest, EachSignalGoesTheShortestWayWithItsEvidence) {
  struct Row {
    v1::Signal signal;
    v1::ReferralStatus status;
    std::vector<std::string> events;
  };
  const Row rows[] = {
      {v1::SIGNAL_TAKEN,
       v1::REFERRAL_STATUS_ACCEPTED,
       {"PartnerResponseRecorded", "ReferralTriageStarted", "ReferralAccepted"}},
      {v1::SIGNAL_STARTED,
       v1::REFERRAL_STATUS_ACTIVE,
       {"PartnerResponseRecorded", "ReferralTriageStarted", "ReferralAccepted", "ReferralStarted",
        "SocialPrescribingCounted"}},
      {v1::SIGNAL_REJECTED,
       v1::REFERRAL_STATUS_REJECTED,
       {"PartnerResponseRecorded", "ReferralRejected"}},
      {v1::SIGNAL_DID_NOT_ATTEND,
       v1::REFERRAL_STATUS_NO_CONTACT,
       {"PartnerResponseRecorded", "ReferralTriageStarted", "ReferralAccepted",
        "ReferralClosedAsNoContact"}},
      {v1::SIGNAL_COMPLETED,
       v1::REFERRAL_STATUS_COMPLETED,
       {"PartnerResponseRecorded", "ReferralTriageStarted", "ReferralAccepted", "ReferralStarted",
        "SocialPrescribingCounted", "ReferralCompleted"}},
  };
  for (const Row& row : rows) {
    journal = {};
    Settle();
    const std::string id = SentToPartner();
    const auto done = journal.When(Response(id, row.signal));
    ASSERT_THAT(done, IsDone()) << v1::Signal_Name(row.signal);
    std::vector<std::string> events;
    for (const v1::ReferralEvent& event : done->events) events.push_back(base::EventName(event));
    EXPECT_EQ(events, row.events);
    EXPECT_EQ(StatusOf(id), row.status);
    EXPECT_EQ(done->response.status(), row.status);
    EXPECT_EQ(done->response.referral_id(), id);
    ASSERT_THAT(journal.StateOf(id)->partner_responses(), SizeIs(1));
    EXPECT_FALSE(journal.StateOf(id)->partner_responses(0).message().has_body());
  }
}

TEST_F(DeliveryTest, StepsThatFollowEachOtherCountOnce) {
  const std::string id = SentToPartner();
  ASSERT_THAT(journal.When(Response(id, v1::SIGNAL_TAKEN, 1)), IsDone());
  ASSERT_THAT(journal.When(Response(id, v1::SIGNAL_STARTED, 2)), IsDone());
  const auto taken_again = journal.When(Response(id, v1::SIGNAL_TAKEN, 3));
  ASSERT_THAT(taken_again, IsDone());
  EXPECT_THAT(taken_again->events, SizeIs(1)) << "kept, and nothing moves";
  v1::RecordPartnerResponseRequest last = Response(id, v1::SIGNAL_COMPLETED, 4);
  last.set_date("2025-01-02");
  const auto done = journal.When(last);
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(journal.StateOf(id)->closed_date(), kToday) << "INV-31: not before the first contact";
  EXPECT_THAT(journal.StateOf(id)->counted_codes(), SizeIs(1));
  EXPECT_THAT(journal.When(Response(id, v1::SIGNAL_REJECTED, 5)),
              RefusedWith(absl::StatusCode::kFailedPrecondition, "TRANSITION_NOT_ALLOWED"));
  EXPECT_EQ(StatusOf(id), v1::REFERRAL_STATUS_COMPLETED);
}

// No step of any way is outside the table, from whatever state.
TEST_F(DeliveryTest, INV17_ResponsesKeepToTheTransitions) {
  for (int from = v1::REFERRAL_STATUS_SUBMITTED; from <= v1::ReferralStatus_MAX; ++from) {
    for (v1::Signal signal : {v1::SIGNAL_TAKEN, v1::SIGNAL_STARTED, v1::SIGNAL_REJECTED,
                              v1::SIGNAL_DID_NOT_ATTEND, v1::SIGNAL_COMPLETED}) {
      journal = {};
      Settle();
      const std::string id = SentToPartner();
      State state = *journal.StateOf(id);
      state.set_status(static_cast<v1::ReferralStatus>(from));
      *state.mutable_accept_time() = state.submit_time();
      journal.GivenState(id, state);
      const auto done = journal.When(Response(id, signal));
      const v1::ReferralStatus to = StatusOf(id);
      if (IsTerminal(state.status())) {
        EXPECT_EQ(to, from) << v1::Signal_Name(signal);
        continue;
      }
      ASSERT_THAT(done, IsDone()) << v1::ReferralStatus_Name(from) << v1::Signal_Name(signal);
      // Each event's change is one of the table.
      v1::ReferralState walked = state;
      for (v1::ReferralEvent event : done->events) {
        if (event.header().stream_id() != id) continue;
        const v1::ReferralStatus before = walked.status();
        ReferralRules::Evolve(walked, event);
        EXPECT_TRUE(walked.status() == before || MayBecome(before, walked.status()))
            << v1::ReferralStatus_Name(before) << " to "
            << v1::ReferralStatus_Name(walked.status());
      }
    }
  }
}

TEST_F(DeliveryTest, StartedAgainAfterAPauseIsAResumption) {
  const std::string id = SentToPartner();
  ASSERT_THAT(journal.When(Response(id, v1::SIGNAL_STARTED, 1)), IsDone());
  AsReceiver();
  ASSERT_THAT(journal.When(Pause(id)), IsDone());
  AsProvidersSystem();
  const auto done = journal.When(Response(id, v1::SIGNAL_STARTED, 2));
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(base::EventName(done->events.back()), "ReferralResumed");
}

TEST_F(DeliveryTest, AReasonThatIsNotListedIsOther) {
  const std::string id = SentToPartner();
  v1::RecordPartnerResponseRequest response = Response(id, v1::SIGNAL_REJECTED);
  response.set_reason_code("nonsense");
  ASSERT_THAT(journal.When(response), IsDone());
  EXPECT_EQ(journal.StateOf(id)->rejection_reason_code(), "99");
  EXPECT_EQ(journal.StateOf(id)->partner_responses(0).reason_code(), "nonsense");
}

TEST_F(DeliveryTest, INV156_AResponseToNothingOfOursIsNotFound) {
  const std::string id = SentToPartner();
  v1::RecordPartnerResponseRequest response = Response(id, v1::SIGNAL_TAKEN);
  response.set_in_response_to("another-bundle");
  EXPECT_THAT(journal.When(response),
              RefusedWith(absl::StatusCode::kNotFound, "RESPONSE_TO_NOTHING"));
  AsPartner();
  EXPECT_THAT(journal.When(Response(id, v1::SIGNAL_TAKEN)),
              RefusedWith(absl::StatusCode::kNotFound, "RESPONSE_TO_NOTHING"))
      << "nobody but the receiving organisation answers";
  EXPECT_EQ(StatusOf(id), v1::REFERRAL_STATUS_SUBMITTED);
}

TEST_F(DeliveryTest, ResponsesThatCannotBeTaken) {
  const std::string id = SentToPartner();
  EXPECT_THAT(journal.When(Response(id, v1::SIGNAL_CANCEL)),
              RefusedWith(absl::StatusCode::kInvalidArgument, "SIGNAL_NOT_OF_A_RESPONSE"));
  v1::RecordPartnerResponseRequest response = Response(id, v1::SIGNAL_TAKEN);
  response.set_date("2099-01-01");
  EXPECT_THAT(journal.When(response),
              RefusedWith(absl::StatusCode::kInvalidArgument, "DATE_IN_FUTURE"));
  response = Response(id, v1::SIGNAL_TAKEN);
  response.mutable_partner_message()->set_last_updated("yesterday");
  EXPECT_THAT(journal.When(response),
              RefusedWith(absl::StatusCode::kInvalidArgument, "INSTANT_NOT_READABLE"));
  ASSERT_THAT(journal.When(Response(id, v1::SIGNAL_TAKEN)), IsDone());
  EXPECT_THAT(journal.When(Response(id, v1::SIGNAL_STARTED)),
              RefusedWith(absl::StatusCode::kAlreadyExists, "PARTNER_MESSAGE_ALREADY_TAKEN"));
  AsReceiver();
  EXPECT_THAT(
      journal.When(Response(id, v1::SIGNAL_STARTED, 2)),
      RefusedWith(absl::StatusCode::kPermissionDenied, "PARTNER_MESSAGE_FROM_INTEGRATOR_ONLY"));
  AsProvidersSystem();
  journal.tamper = [](base::Evidence& evidence) { evidence.people.clear(); };
  EXPECT_THAT(journal.When(Response(id, v1::SIGNAL_STARTED, 2)),
              RefusedWith(absl::StatusCode::kAborted, "EVIDENCE_STALE"));
  journal.tamper = nullptr;
  State full = *journal.StateOf(id);
  while (full.partner_responses_size() < kPartnerMessagesMax) full.add_partner_responses();
  journal.GivenState(id, full);
  EXPECT_THAT(journal.When(Response(id, v1::SIGNAL_STARTED, 2)),
              RefusedWith(absl::StatusCode::kFailedPrecondition, "PARTNER_MESSAGES_TOO_MANY"));
}

TEST_F(DeliveryTest, INV22_NothingMayBeMissingWhenAPartnerAcceptsEither) {
  const std::string id = SentToPartner();
  journal.people[kPerson].add_missing_items("date_of_birth");
  EXPECT_THAT(journal.When(Response(id, v1::SIGNAL_TAKEN)),
              RefusedWith(absl::StatusCode::kFailedPrecondition, "MANDATORY_ITEMS_MISSING"));
  EXPECT_THAT(journal.When(Response(id, v1::SIGNAL_REJECTED)), IsDone());
}

TEST_F(DeliveryTest, AResponseIsFoundLikeAnyMessage) {
  const std::string id = SentToPartner();
  ASSERT_THAT(journal.When(Response(id, v1::SIGNAL_TAKEN)), IsDone());
  v1::FindPartnerMessageRequest find;
  find.set_partner_request_id(Message(1).request_id());
  find.set_partner_correlation_id(Message(1).correlation_id());
  find.set_body_sha256(Message(1).body_sha256());
  const auto found = journal.Ask(find);
  ASSERT_THAT(found, IsDone());
  EXPECT_EQ(found->referral_id(), id);
  EXPECT_TRUE(found->same_body());
}

TEST_F(DeliveryTest, WhoeverSentAReferralOnHearsOfItToo) {
  v1::RegisterServiceRequest service = Register();
  service.mutable_description()->set_dos_service_id("2000011147");
  Registered(service);
  v1::SubmitReferralRequest request = Submit();
  request.set_intake(v1::INTAKE_BARS_COMPLETE);
  *request.mutable_partner_message() = Message(1);
  const std::string id = Submitted(request);
  AsProvidersSystem();
  ASSERT_THAT(journal.When(Response(id, v1::SIGNAL_STARTED, 2)), IsDone());
  EXPECT_THAT(Signals(id), ElementsAre(v1::SIGNAL_REQUEST, v1::SIGNAL_TAKEN, v1::SIGNAL_STARTED));
}

TEST_F(DeliveryTest, PagesOfFailedDeliveriesHaveASize) {
  AsReceiver();
  v1::ListDeliveriesRequest request;
  request.mutable_page()->set_page_size(201);
  EXPECT_THAT(journal.Ask(request),
              RefusedWith(absl::StatusCode::kInvalidArgument, "PAGE_SIZE_NOT_VALID"));
}

}  // namespace
}  // namespace fettle::referral
