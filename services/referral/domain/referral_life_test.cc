// What happens on the way of a referral: drafts, questions, priorities, workers, pauses, contacts,
// and the ends that are no success.
#include <algorithm>

#include "services/referral/domain/referral_testing.h"

namespace fettle::referral {
namespace {

using absl::StatusCode;
using base::IsDone;
using base::RefusedField;
using base::RefusedWith;
using testing::ElementsAre;
using testing::IsEmpty;

class LifeTest : public ReferralTest {
 protected:
  // Evidence about nobody, and words sealed for somebody else.
  void TamperWithEvidence() {
    journal.tamper = [](base::Evidence& evidence) {
      evidence.people.clear();
      evidence.sealed_for = kOtherPerson;
    };
  }
  static v1::SubmitReferralRequest OfKind(v1::ServiceKind kind,
                                          const std::string& person = kPerson) {
    v1::SubmitReferralRequest request = Submit(person);
    request.mutable_service()->set_kind(kind);
    return request;
  }
  std::string ActiveOf(const v1::SubmitReferralRequest& submit) {
    const std::string id = InTriage(submit);
    EXPECT_THAT(journal.When(Accept(id)), IsDone());
    EXPECT_THAT(journal.When(Start(id)), IsDone());
    return id;
  }
  void Contacted(const std::string& id, v1::ContactOutcome outcome) {
    EXPECT_THAT(journal.When(Contact(id, outcome)), IsDone());
  }
};

// INV-21: what a draft holds is in its private half; what is published are ids.
TEST_F(LifeTest, Inv21DraftPublishesIdsOnly) {
  AsReferrer();
  const auto done = journal.When(Draft());
  ASSERT_THAT(done, IsDone());
  const std::string id = done->response.referral_id();
  EXPECT_EQ(done->response.correlation_id(), journal.correlation_id);
  ASSERT_EQ(done->events.size(), 1u);
  const v1::ReferralDrafted& drafted = done->events[0].referral_drafted();
  for (int i = 0; i < drafted.GetDescriptor()->field_count(); ++i) {
    const auto* field = drafted.GetDescriptor()->field(i);
    if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
      EXPECT_TRUE(field->options().GetExtension(common::v1::private_)) << field->name();
      continue;
    }
    const std::string value = drafted.GetReflection()->GetString(drafted, field);
    EXPECT_TRUE(value.empty() || base::IsUuid(value)) << field->name();
  }
  EXPECT_EQ(StatusOf(id), v1::REFERRAL_STATUS_DRAFT);
  // It keeps no other referral out, and the receiver does not see it.
  EXPECT_EQ(journal.Holder(kOpenIndex, OpenKey(kPerson, kService)), std::nullopt);
  const std::string other = Submitted();
  EXPECT_THAT(journal.When(Triage(id)), RefusedNotFound());
  EXPECT_THAT(journal.When(SubmitDraft(id)), RefusedNotFound());

  AsReferrer();
  const auto refused = journal.When(SubmitDraft(id));
  EXPECT_THAT(refused, RefusedWith(StatusCode::kAlreadyExists, "OPEN_REFERRAL_EXISTS"));
  ASSERT_THAT(journal.When(Withdraw(other)), IsDone());
  const auto submitted = journal.When(SubmitDraft(id));
  ASSERT_THAT(submitted, IsDone());
  EXPECT_EQ(submitted->events[0].referral_submitted().organisations_size(), 2);
  EXPECT_EQ(journal.StateOf(id)->intake(), v1::INTAKE_DIRECT);
  EXPECT_EQ(journal.Holder(kOpenIndex, OpenKey(kPerson, kService)), id);
  AsReceiver();
  EXPECT_THAT(journal.When(SubmitDraft(id)), RefusedPermission());
  AsReferrer();
  EXPECT_THAT(journal.When(SubmitDraft(id)), RefusedTransition());
}

TEST_F(LifeTest, DraftGrowsAndIsCheckedWhenSubmitted) {
  v1::DraftReferralRequest request = Draft();
  request.clear_details();
  const std::string id = Drafted(request);
  auto refused = journal.When(SubmitDraft(id));
  EXPECT_THAT(refused, RefusedField("details.risks", "MANDATORY_ITEM_MISSING"));

  v1::ProvideMissingDetailsRequest provide = Provide(id);
  *provide.mutable_partner_message() = Message(1);
  EXPECT_THAT(journal.When(provide),
              RefusedField("partner_message", "PARTNER_MESSAGE_NOT_EXPECTED"));
  provide.clear_partner_message();
  auto provided = journal.When(provide);
  ASSERT_THAT(provided, IsDone());
  EXPECT_THAT(provided->events, IsEmpty());
  *provide.mutable_details() = CompleteDetails();
  provide.mutable_details()->set_referral_date("2025-03-18");
  EXPECT_THAT(journal.When(provide), RefusedField("details.referral_date", "DATE_IN_FUTURE"));
  provide.mutable_details()->set_referral_date("2025-03-17");
  provided = journal.When(provide);
  ASSERT_THAT(provided, IsDone());
  ASSERT_EQ(provided->events.size(), 1u);
  EXPECT_TRUE(provided->events[0].has_referral_drafted()) << "INV-21";
  EXPECT_THAT(provided->response.missing_items(), IsEmpty());

  TamperWithEvidence();
  EXPECT_THAT(journal.When(SubmitDraft(id)), RefusedStale());
  EXPECT_THAT(journal.When(Draft()), RefusedStale());
  journal.tamper = nullptr;
  journal.organisations[kProvider].end_date = "2025-03-01";
  EXPECT_THAT(journal.When(SubmitDraft(id)),
              RefusedField("service.organisation", "ORGANISATION_NOT_KNOWN"));
  journal.organisations[kProvider].end_date = "";
  journal.people[kPerson].set_age_years(-2);
  EXPECT_THAT(journal.When(SubmitDraft(id)),
              RefusedWith(StatusCode::kFailedPrecondition, "BIRTH_DATE_AFTER_REFERRAL"));
  journal.people[kPerson].set_merged_into(kOtherPerson);
  EXPECT_THAT(journal.When(SubmitDraft(id)),
              RefusedWith(StatusCode::kFailedPrecondition, "PERSON_MERGED"));
  journal.people[kPerson].clear_merged_into();
  journal.people[kPerson].set_age_years(44);
  EXPECT_THAT(journal.When(SubmitDraft(id)), IsDone());

  // The date of the referral may be written before it comes.
  v1::DraftReferralRequest early = Draft(kOtherPerson);
  early.mutable_details()->set_referral_date("2025-03-19");
  const std::string tomorrow = Drafted(early);
  EXPECT_THAT(journal.When(SubmitDraft(tomorrow)),
              RefusedField("details.referral_date", "DATE_IN_FUTURE"));
  journal.caller.organisation = "";
  EXPECT_THAT(journal.When(Draft()),
              RefusedWith(StatusCode::kPermissionDenied, "CALLER_WITHOUT_ORGANISATION"));
}

// INV-33: a draft replaces what a submission may replace.
TEST_F(LifeTest, Inv33DraftReplacesAClosedReferralOfTheSamePerson) {
  const std::string closed = Submitted();
  v1::DraftReferralRequest request = Draft();
  request.set_replaces(closed);
  const std::string id = Drafted(request);
  EXPECT_THAT(journal.When(SubmitDraft(id)),
              RefusedWith(StatusCode::kFailedPrecondition, "REPLACED_REFERRAL_STILL_OPEN"));
  ASSERT_THAT(journal.When(Withdraw(closed)), IsDone());
  v1::DraftReferralRequest of_another = Draft(kOtherPerson);
  of_another.set_replaces(closed);
  EXPECT_THAT(journal.When(SubmitDraft(Drafted(of_another))),
              RefusedField("replaces", "REPLACED_REFERRAL_OF_ANOTHER_PERSON"));
  ASSERT_THAT(journal.When(SubmitDraft(id)), IsDone());
  EXPECT_EQ(journal.StateOf(id)->replaces(), closed);
  // A chain, each link of which is closed before the next: there can be no circle.
  ASSERT_THAT(journal.When(Withdraw(id)), IsDone());
  v1::SubmitReferralRequest next = Submit();
  next.set_replaces(id);
  EXPECT_THAT(journal.When(next), IsDone());
}

// INV-34
TEST_F(LifeTest, Inv34OnwardReferralGoesOnWithTheJourney) {
  v1::SubmitReferralRequest first = Submit();
  first.set_correlation_id("0196d5a0-c0c0-7000-8000-00000000000b");
  const std::string parent = Submitted(first);
  v1::SubmitReferralRequest onward = Submit(kPerson, kOtherService);
  onward.set_onward_of(parent);
  onward.set_correlation_id(journal.correlation_id);
  EXPECT_THAT(journal.When(onward), RefusedField("correlation_id", "JOURNEY_OF_ANOTHER_REFERRAL"));
  onward.clear_correlation_id();
  onward.set_person_id(kOtherPerson);
  EXPECT_THAT(journal.When(onward), RefusedField("onward_of", "ONWARD_OF_ANOTHER_PERSON"));
  onward.set_person_id(kPerson);
  const auto done = journal.When(onward);
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->response.correlation_id(), first.correlation_id());
  EXPECT_NE(done->response.referral_id(), parent);
  EXPECT_EQ(journal.StateOf(done->response.referral_id())->onward_of(), parent);

  v1::DraftReferralRequest draft = Draft(kOtherPerson);
  draft.set_onward_of(parent);
  EXPECT_THAT(journal.When(draft), RefusedField("onward_of", "ONWARD_OF_ANOTHER_PERSON"));
  draft.set_person_id(kPerson);
  draft.set_correlation_id(journal.correlation_id);
  EXPECT_THAT(journal.When(draft), RefusedField("correlation_id", "JOURNEY_OF_ANOTHER_REFERRAL"));
  draft.set_correlation_id(first.correlation_id());
  EXPECT_THAT(journal.When(draft), IsDone());
  draft.set_onward_of(kNobody);
  EXPECT_THAT(journal.When(draft), RefusedNotFound());
}

TEST_F(LifeTest, QuestionAndAnswerLeadBackToTriage) {
  const std::string id = InTriage();
  const auto asked = journal.When(RequestInformation(id));
  ASSERT_THAT(asked, IsDone());
  EXPECT_EQ(asked->events[0].information_requested().question().sealed(),
            std::string(kPerson) + ":who has the key?");
  EXPECT_EQ(StatusOf(id), v1::REFERRAL_STATUS_INFO_REQUESTED);
  AsReferrer();
  ASSERT_THAT(journal.When(ProvideInformation(id)), IsDone());
  EXPECT_EQ(StatusOf(id), v1::REFERRAL_STATUS_IN_TRIAGE);
  const v1::Inquiry& inquiry = journal.StateOf(id)->inquiries(0);
  EXPECT_EQ(inquiry.answer().sealed(), std::string(kPerson) + ":the neighbour");
  EXPECT_EQ(inquiry.asked_by(), "user:link_worker-of-RXH01");
  EXPECT_LT(inquiry.request_time().seconds(), inquiry.answer_time().seconds());

  for (int i = 1; i < kInquiriesMax; ++i) {
    AsReceiver();
    ASSERT_THAT(journal.When(RequestInformation(id)), IsDone());
    AsReferrer();
    ASSERT_THAT(journal.When(ProvideInformation(id)), IsDone());
  }
  AsReceiver();
  EXPECT_THAT(journal.When(RequestInformation(id)),
              RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_RECORDED"));
}

TEST_F(LifeTest, TriageOutcomeAcceptsOrReturnsWithAdvice) {
  const std::string id = InTriage();
  v1::RecordTriageOutcomeRequest accept = TriageOutcome(id);
  accept.set_priority(v1::PRIORITY_TWO_WEEK_WAIT);
  journal.people[kPerson].add_missing_items("first_name");
  EXPECT_THAT(journal.When(accept),
              RefusedWith(StatusCode::kFailedPrecondition, "MANDATORY_ITEMS_MISSING"));
  journal.people[kPerson].clear_missing_items();
  auto done = journal.When(accept);
  ASSERT_THAT(done, IsDone());
  ASSERT_EQ(done->events.size(), 2u);
  EXPECT_EQ(done->events[1].referral_accepted().person().version(), 3);
  EXPECT_EQ(journal.StateOf(id)->triage_outcome(), v1::TRIAGE_OUTCOME_ACCEPT_REFER_BOOK_LATER);
  EXPECT_EQ(journal.StateOf(id)->priority(), v1::PRIORITY_TWO_WEEK_WAIT);

  const std::string other = InTriage(Submit(kOtherPerson));
  v1::RecordTriageOutcomeRequest back =
      TriageOutcome(other, v1::TRIAGE_OUTCOME_RETURN_TO_REFERRER_WITH_ADVICE);
  back.clear_advice();
  EXPECT_THAT(journal.When(back), RefusedField("advice", "ADVICE_MISSING"));
  back.set_advice(v1::ADVICE_OTHER);
  back.set_reason_code("20");
  EXPECT_THAT(journal.When(back), RefusedField("reason_code", "REJECTION_REASON_NOT_LISTED"));
  back.set_reason_code("99");
  back.clear_comment();
  EXPECT_THAT(journal.When(back), RefusedField("comment", "COMMENT_MISSING"));
  back.mutable_comment()->set_text("the library has a group");
  done = journal.When(back);
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->events[0].triage_outcome_recorded().advice(), v1::ADVICE_OTHER);
  EXPECT_EQ(StatusOf(other), v1::REFERRAL_STATUS_REJECTED);
  EXPECT_EQ(journal.StateOf(other)->rejection_reason_code(), "99");
  EXPECT_EQ(journal.StateOf(other)->closed_date(), kToday);
}

// INV-37: the earlier value, who changed it, and why.
TEST_F(LifeTest, Inv37PriorityKeepsItsHistory) {
  const std::string id = InTriage();
  v1::AcceptReferralRequest accept = Accept(id);
  accept.set_priority(v1::PRIORITY_URGENT);
  EXPECT_THAT(journal.When(accept), RefusedField("comment", "COMMENT_MISSING"));
  ASSERT_THAT(journal.When(ChangePriority(id, v1::PRIORITY_ROUTINE)), IsDone());
  EXPECT_THAT(journal.StateOf(id)->priority_changes(), IsEmpty()) << "it was that already";
  ASSERT_THAT(journal.When(ChangePriority(id, v1::PRIORITY_URGENT)), IsDone());
  // What the referrer's system says later does not undo it.
  AsReferrer();
  v1::ProvideMissingDetailsRequest provide = Provide(id);
  provide.mutable_details()->set_priority(v1::PRIORITY_ROUTINE);
  ASSERT_THAT(journal.When(provide), IsDone());
  EXPECT_EQ(journal.StateOf(id)->priority(), v1::PRIORITY_URGENT);
  AsReceiver();
  accept.set_priority(v1::PRIORITY_TWO_WEEK_WAIT);
  accept.mutable_comment()->set_text("the daughter called");
  ASSERT_THAT(journal.When(accept), IsDone());

  const auto& changes = journal.StateOf(id)->priority_changes();
  ASSERT_EQ(changes.size(), 2);
  EXPECT_EQ(changes[0].from(), v1::PRIORITY_ROUTINE);
  EXPECT_EQ(changes[0].to(), v1::PRIORITY_URGENT);
  EXPECT_EQ(changes[0].changed_by(), "user:link_worker-of-RXH01");
  EXPECT_EQ(changes[0].reason().sealed(), std::string(kPerson) + ":lives alone now");
  EXPECT_EQ(changes[1].from(), v1::PRIORITY_URGENT);
  EXPECT_EQ(changes[1].reason().sealed(), std::string(kPerson) + ":the daughter called");

  for (int i = 2; i < kPriorityChangesMax; ++i) {
    const auto next = i % 2 == 0 ? v1::PRIORITY_ROUTINE : v1::PRIORITY_URGENT;
    ASSERT_THAT(journal.When(ChangePriority(id, next)), IsDone());
  }
  EXPECT_THAT(journal.When(ChangePriority(id, v1::PRIORITY_TWO_WEEK_WAIT)),
              RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_RECORDED"));
}

TEST_F(LifeTest, PooledReferralIsAssignedAndHandedOver) {
  const std::string id = Accepted();
  const std::string pool = WorkerKey(kProvider, "", v1::REFERRAL_STATUS_ACCEPTED);
  EXPECT_THAT(journal.Listed(kWorkerIndex, pool), ElementsAre(id));
  EXPECT_THAT(journal.When(HandOver(id, "worker-2")),
              RefusedWith(StatusCode::kFailedPrecondition, "WORKER_NOT_ASSIGNED"));
  ASSERT_THAT(journal.When(Assign(id)), IsDone());
  EXPECT_THAT(journal.Listed(kWorkerIndex, pool), IsEmpty());
  EXPECT_THAT(journal.When(Assign(id, "worker-2")),
              RefusedWith(StatusCode::kFailedPrecondition, "WORKER_ALREADY_ASSIGNED"));

  auto done = journal.When(HandOver(id, "worker-2"));
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->events[0].worker_assigned().previous_worker_id(), "worker-1");
  EXPECT_EQ(done->events[0].worker_assigned().note().sealed(),
            std::string(kPerson) + ":prefers mornings");
  EXPECT_EQ(done->events.size(), 2u) << "one more on the caseload of worker-2";
  EXPECT_EQ(journal.When(HandOver(id, "worker-2"))->events.size(), 0u);
  EXPECT_EQ(journal.When(HandOver(id, "worker-1"))->events.size(), 1u) << "counted before";
  ASSERT_THAT(journal.When(HandOver(id, "")), IsDone());
  EXPECT_THAT(journal.Listed(kWorkerIndex, pool), ElementsAre(id));

  // INV-26: after the first contact somebody is always in charge.
  ASSERT_THAT(journal.When(Start(id)), IsDone());
  EXPECT_THAT(journal.When(HandOver(id, "")), RefusedField("worker_id", "WORKER_NEEDED"));
  EXPECT_THAT(journal.When(HandOver(id, "worker-2")), IsDone());
}

// INV-53: above 250 in a rolling 12 months, once per crossing, and nothing is blocked.
TEST_F(LifeTest, Inv53CaseloadWarnsOncePerCrossing) {
  int number = 1000;
  int warnings = 0;
  std::string caseload;
  const auto take_on = [&] {
    const std::string id = absl::StrCat("0196d5a0-0003-7000-8000-00000000", ++number);
    State state = StateIn(v1::REFERRAL_STATUS_ACCEPTED, id, kPractice, kProvider);
    state.set_person_id(absl::StrCat("0196d5a0-0001-7000-8000-00000000", number));
    journal.GivenState(id, state);
    const auto done = journal.When(Assign(id));
    ASSERT_THAT(done, IsDone());
    caseload = done->events[1].header().stream_id();
    if (done->events.size() == 2u) return;
    ++warnings;
    const v1::CaseloadWarningRaised& warning = done->events[2].caseload_warning_raised();
    EXPECT_EQ(warning.worker_id(), "worker-1");
    EXPECT_EQ(warning.organisation(), kProvider);
    EXPECT_EQ(warning.rolling_count(), 251);
    EXPECT_EQ(warning.limit(), 250);
    EXPECT_THAT(done->events[2].header().subjects(), IsEmpty());
  };
  AsReceiver();
  for (int i = 0; i < 200; ++i) take_on();
  journal.now += absl::Hours(24 * 100);
  for (int i = 0; i < 50; ++i) take_on();
  EXPECT_EQ(warnings, 0) << "250 is within the limit";
  take_on();
  EXPECT_EQ(warnings, 1);
  for (int i = 0; i < 10; ++i) take_on();
  EXPECT_EQ(warnings, 1);
  // After a year the first 200 no longer count: 61 + 190 is the next crossing.
  journal.now += absl::Hours(24 * 266);
  for (int i = 0; i < 189; ++i) take_on();
  EXPECT_EQ(warnings, 1);
  take_on();
  EXPECT_EQ(warnings, 2);
  EXPECT_EQ(journal.StateOf(caseload)->caseload().dates_size(), 2);
  // Another worker has a caseload of their own, and a caseload is no referral.
  EXPECT_THAT(journal.When(Triage(caseload)), RefusedNotFound());
  const std::string id = Accepted();
  EXPECT_EQ(journal.When(Assign(id, "worker-2"))->events[1].caseload_counted().rolling_count(), 1);
}

// INV-53: however a worker comes to be in charge.
TEST_F(LifeTest, Inv53EveryWayToTakeOnAReferralCounts) {
  for (const char* worker : {"worker-8", "worker-9"}) {
    State full;
    full.mutable_caseload()->set_organisation(kProvider);
    full.mutable_caseload()->set_worker_id(worker);
    full.mutable_caseload()->add_dates(kToday);
    full.mutable_caseload()->add_counts(kCaseloadMax);
    journal.GivenState(absl::StrCat("0196d5a0-0006-7000-8000-00000000000", worker + 7), full);
  }
  const std::string id = Accepted();
  v1::StartReferralRequest start = Start(id);
  start.set_worker_id("worker-8");
  EXPECT_TRUE(journal.When(start)->events[2].has_caseload_warning_raised());
  EXPECT_TRUE(journal.When(HandOver(id, "worker-9"))->events[2].has_caseload_warning_raised());
}

// INV-53: the day that is a year ago does not count, the one after it does.
TEST_F(LifeTest, Inv53TwelveMonthsAreRolling) {
  const std::string first = Accepted();
  ASSERT_THAT(journal.When(Assign(first)), IsDone());
  ASSERT_THAT(journal.When(Reject(first)), IsDone());
  journal.now += absl::Hours(24 * 364);
  const std::string second = Accepted();
  EXPECT_EQ(journal.When(Assign(second))->events[1].caseload_counted().rolling_count(), 2);
  ASSERT_THAT(journal.When(Reject(second)), IsDone());
  journal.now += absl::Hours(24);
  const std::string third = Accepted();
  EXPECT_EQ(journal.When(Assign(third))->events[1].caseload_counted().rolling_count(), 2);
}

// A pause remembers where it began; INV-52: it changes nothing of the wait.
TEST_F(LifeTest, Inv52PauseRestsTheWorkAndNotTheWait) {
  const std::string id = Accepted();
  const State before = *journal.StateOf(id);
  ASSERT_THAT(journal.When(Pause(id)), IsDone());
  EXPECT_EQ(journal.StateOf(id)->paused_from(), v1::REFERRAL_STATUS_ACCEPTED);
  EXPECT_EQ(journal.StateOf(id)->pause_reason_code(), "IN_HOSPITAL");
  journal.now += absl::Hours(24 * 10);
  EXPECT_THAT(journal.When(Resume(id)),
              RefusedWith(StatusCode::kFailedPrecondition, "FIRST_CONTACT_MISSING"));
  v1::StartReferralRequest start = Start(id);
  start.set_first_contact_date(journal.today());
  ASSERT_THAT(journal.When(start), IsDone());
  EXPECT_EQ(journal.StateOf(id)->paused_from(), v1::REFERRAL_STATUS_UNSPECIFIED);
  EXPECT_EQ(journal.StateOf(id)->submit_time().seconds(), before.submit_time().seconds());
  EXPECT_EQ(base::DaysBetween(DateOf(journal.StateOf(id)->submit_time()),
                              journal.StateOf(id)->first_contact_date()),
            10);

  v1::PauseReferralRequest pause = Pause(id);
  pause.mutable_note()->set_text("until the hip is healed");
  ASSERT_THAT(journal.When(pause), IsDone());
  EXPECT_EQ(journal.StateOf(id)->paused_from(), v1::REFERRAL_STATUS_ACTIVE);
  const auto resumed = journal.When(Resume(id));
  ASSERT_THAT(resumed, IsDone());
  EXPECT_EQ(resumed->events.size(), 1u) << "INV-38: a resumption is not counted";
  EXPECT_EQ(StatusOf(id), v1::REFERRAL_STATUS_ACTIVE);
}

// INV-31
TEST_F(LifeTest, Inv31ContactsLieBetweenTheReferralAndNow) {
  const std::string id = Submitted();
  v1::RecordContactRequest contact = Contact(id);
  *contact.mutable_contact()->mutable_time() = ToTimestamp(journal.now + absl::Minutes(6));
  EXPECT_THAT(journal.When(contact), RefusedField("contact.time", "TIME_IN_FUTURE"));
  contact.mutable_contact()->mutable_time()->set_seconds(1LL << 62);
  EXPECT_THAT(journal.When(contact), RefusedField("contact.time", "TIME_IN_FUTURE"));
  contact.mutable_contact()->mutable_time()->set_nanos(-1);
  EXPECT_THAT(journal.When(contact), RefusedField("contact.time", "TIME_IN_FUTURE"));
  *contact.mutable_contact()->mutable_time() = ToTimestamp(journal.now - absl::Hours(13));
  EXPECT_THAT(journal.When(contact), RefusedField("contact.time", "TIME_TOO_EARLY"));
  contact.mutable_contact()->mutable_time()->set_seconds(-(1LL << 62));
  EXPECT_THAT(journal.When(contact), RefusedField("contact.time", "TIME_TOO_EARLY"));
  // The call that led to the referral, and a clock that runs a little ahead.
  *contact.mutable_contact()->mutable_time() = ToTimestamp(journal.now - absl::Hours(1));
  EXPECT_THAT(journal.When(contact), IsDone());
  *contact.mutable_contact()->mutable_time() = ToTimestamp(journal.now + absl::Minutes(4));
  contact.mutable_contact()->mutable_note()->set_text("after lunch");
  ASSERT_THAT(journal.When(contact), IsDone());
  EXPECT_EQ(journal.StateOf(id)->contacts(1).note().sealed(),
            std::string(kPerson) + ":after lunch");

  for (int i = 2; i < kContactsMax; ++i) Contacted(id, v1::CONTACT_OUTCOME_NO_ANSWER);
  EXPECT_THAT(journal.When(Contact(id)),
              RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_RECORDED"));
}

// INV-29
TEST_F(LifeTest, Inv29NoContactNeedsAttemptsOnThreeDays) {
  const std::string id = Accepted();
  for (int i = 0; i < 5; ++i) Contacted(id, v1::CONTACT_OUTCOME_NO_ANSWER);
  journal.now += absl::Hours(24);
  Contacted(id, v1::CONTACT_OUTCOME_DID_NOT_ATTEND);
  const auto refused = journal.When(CloseAsNoContact(id));
  EXPECT_THAT(refused, RefusedWith(StatusCode::kFailedPrecondition, "ATTEMPTS_TOO_FEW"));
  EXPECT_EQ(base::ErrorInfoOf(refused.status())->metadata().at("attempt_days"), "2");
  journal.now += absl::Hours(24);
  Contacted(id, v1::CONTACT_OUTCOME_REACHED);
  EXPECT_THAT(journal.When(CloseAsNoContact(id)),
              RefusedWith(StatusCode::kFailedPrecondition, "ATTEMPTS_TOO_FEW"))
      << "the person was reached";
  for (int day = 0; day < 3; ++day) {
    journal.now += absl::Hours(24);
    Contacted(id, v1::CONTACT_OUTCOME_MESSAGE_LEFT);
  }
  v1::CloseAsNoContactRequest close = CloseAsNoContact(id);
  close.mutable_note()->set_text("has moved");
  const auto done = journal.When(close);
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->events[0].referral_closed_as_no_contact().attempt_days(), 3);
  EXPECT_EQ(StatusOf(id), v1::REFERRAL_STATUS_NO_CONTACT);
  EXPECT_EQ(journal.StateOf(id)->closed_date(), journal.today());
}

// INV-28
TEST_F(LifeTest, Inv28DeclineHasADateAndItsCodeOnce) {
  const std::string id = Accepted();
  v1::DeclineReferralRequest request = Decline(id);
  request.set_decision_date("2025-03-18");
  EXPECT_THAT(journal.When(request), RefusedField("decision_date", "DATE_IN_FUTURE"));
  request.set_decision_date("2025-03-16");
  EXPECT_THAT(journal.When(request), RefusedField("decision_date", "DATE_TOO_EARLY"));
  request = Decline(id);
  request.mutable_note()->set_text("not now");
  journal.people[kPerson].set_restricted(true);
  const auto done = journal.When(request);
  ASSERT_THAT(done, IsDone());
  ASSERT_EQ(done->events.size(), 2u);
  EXPECT_EQ(done->events[0].referral_declined().decision_date(), kToday);
  const v1::SocialPrescribingDeclined& declined = done->events[1].social_prescribing_declined();
  EXPECT_EQ(declined.snomed_code(), "871711000000103");
  EXPECT_EQ(declined.person_id(), kPerson);
  EXPECT_EQ(declined.gp_practice(), "") << "INV-139";
  EXPECT_EQ(declined.icb(), "QHM");
  EXPECT_EQ(declined.date(), kToday);
  EXPECT_EQ(journal.StateOf(id)->decline_date(), kToday);
  EXPECT_THAT(journal.When(Decline(id)), RefusedTransition());
  EXPECT_THAT(journal.When(Decline(kNobody)), RefusedNotFound());

  // Who declines coaching has not declined social prescribing.
  const std::string other = InTriage(OfKind(v1::SERVICE_KIND_HEALTH_COACHING, kOtherPerson));
  AsReferrer();
  EXPECT_EQ(journal.When(Decline(other))->events.size(), 1u);
}

// INV-38: neither a coach, nor a care coordinator, nor a therapist counts.
TEST_F(LifeTest, Inv38OnlySocialPrescribingCounts) {
  int number = 1000;
  for (int kind = v1::SERVICE_KIND_UNSPECIFIED; kind <= v1::ServiceKind_MAX; ++kind) {
    const std::string person = absl::StrCat("0196d5a0-0001-7000-8000-00000000", ++number);
    journal.people[person] = journal.people[kPerson];
    journal.people[person].set_person_id(person);
    const std::string id = ActiveOf(OfKind(static_cast<v1::ServiceKind>(kind), person));
    const bool counts = kind <= v1::SERVICE_KIND_SOCIAL_PRESCRIBING;
    const auto& events = journal.EventsOf(id);
    EXPECT_EQ(std::ranges::count_if(
                  events, [](const auto& e) { return e.has_social_prescribing_counted(); }),
              counts ? 1 : 0)
        << kind;
    EXPECT_EQ(journal.When(MarkInError(id))->events.size(), counts ? 2u : 1u) << "INV-39";
  }
}

// INV-39: what was counted is taken back, as it was counted, once.
TEST_F(LifeTest, Inv39ErrorTakesTheCountBack) {
  const std::string id = Active();
  ASSERT_THAT(journal.When(Decline(id)), IsDone());
  journal.people[kPerson].set_icb("QYG");
  v1::MarkEnteredInErrorRequest request = MarkInError(id);
  request.mutable_note()->set_text("the twin sister");
  const auto done = journal.When(request);
  ASSERT_THAT(done, IsDone());
  ASSERT_EQ(done->events.size(), 3u);
  EXPECT_EQ(done->events[0].referral_entered_in_error().reason_code(), "WRONG_PERSON");
  const v1::SocialPrescribingRetracted& counted = done->events[1].social_prescribing_retracted();
  EXPECT_EQ(counted.snomed_code(), "871731000000106");
  EXPECT_EQ(counted.person_id(), kPerson);
  EXPECT_EQ(counted.gp_practice(), kPractice);
  EXPECT_EQ(counted.icb(), "QHM") << "as it was counted";
  EXPECT_EQ(counted.date(), kToday);
  EXPECT_EQ(done->events[2].social_prescribing_retracted().snomed_code(), "871711000000103");
  EXPECT_THAT(journal.StateOf(id)->counted_codes(), IsEmpty());
  EXPECT_THAT(journal.When(MarkInError(id)), RefusedTransition());
  EXPECT_EQ(journal.When(MarkInError(Submitted()))->events.size(), 1u) << "nothing was counted";
}

TEST_F(LifeTest, PartnerMarksInErrorByMessage) {
  const std::string id = Submitted(SubmitByPartner(2));
  v1::MarkEnteredInErrorRequest request = MarkInError(id);
  *request.mutable_partner_message() = Message(2);
  EXPECT_THAT(journal.When(request), RefusedPermission()) << "a partner speaks for the referrer";
  AsPartner();
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
  ASSERT_THAT(journal.When(request), IsDone());
  EXPECT_EQ(journal.StateOf(id)->partner_messages_size(), 2);
  EXPECT_EQ(journal.Holder(kMessageIndex,
                           MessageKey(Message(3).request_id(), Message(3).correlation_id())),
            id);
}

// INV-40: a signpost is recorded, and the number referred stays.
TEST_F(LifeTest, Inv40SignpostIsNoReferral) {
  AsReferrer();
  auto done = journal.When(Signpost());
  ASSERT_THAT(done, IsDone());
  ASSERT_EQ(done->events.size(), 1u);
  const std::string alone = done->events[0].header().stream_id();
  EXPECT_THAT(done->events[0].header().subjects(), ElementsAre(kPerson));
  EXPECT_EQ(journal.StateOf(alone)->signpost().service_name(), "Tuesday walkers");
  EXPECT_THAT(journal.When(Withdraw(alone)), RefusedNotFound());

  const std::string id = Active();
  const bool counted = journal.StateOf(id)->counted();
  v1::RecordSignpostRequest request = Signpost();
  request.set_referral_id(id);
  request.mutable_note()->set_text("on Tuesdays");
  for (int i = 0; i < kSignpostsMax; ++i) {
    done = journal.When(request);
    ASSERT_THAT(done, IsDone());
    EXPECT_EQ(done->events[0].header().stream_id(), id);
    EXPECT_TRUE(done->events[0].has_person_signposted());
  }
  EXPECT_EQ(journal.StateOf(id)->signposts_size(), kSignpostsMax);
  EXPECT_EQ(journal.StateOf(id)->counted(), counted);
  EXPECT_THAT(journal.When(request),
              RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_RECORDED"));
  const std::string other = Submitted(Submit(kOtherPerson));
  request.set_referral_id(other);
  EXPECT_THAT(journal.When(request), RefusedField("person_id", "PERSON_NOT_OF_REFERRAL"));
  request.set_person_id(kOtherPerson);
  TamperWithEvidence();
  EXPECT_THAT(journal.When(request), RefusedStale());
  journal.tamper = nullptr;
  AsStranger();
  EXPECT_THAT(journal.When(request), RefusedNotFound());
  AsReferrer();
  ASSERT_THAT(journal.When(Withdraw(other)), IsDone());
  EXPECT_THAT(journal.When(request),
              RefusedWith(StatusCode::kFailedPrecondition, "REFERRAL_NOT_UNDER_WAY"));
  journal.caller.organisation = "";
  EXPECT_THAT(journal.When(request),
              RefusedWith(StatusCode::kPermissionDenied, "CALLER_WITHOUT_ORGANISATION"));
}

// INV-25, and what is recorded is recorded while the work is under way.
TEST_F(LifeTest, Inv25OnlyTheReceiverRecords) {
  const auto expect = [this](const auto& request, const std::string& id, auto matcher) {
    auto with_id = request;
    with_id.set_referral_id(id);
    EXPECT_THAT(journal.When(with_id), matcher);
  };
  const auto all = [&](const std::string& id, auto matcher) {
    expect(ChangePriority(id, v1::PRIORITY_URGENT), id, matcher);
    expect(Assign(id), id, matcher);
    expect(HandOver(id, "worker-2"), id, matcher);
    expect(Contact(id), id, matcher);
  };
  const std::string id = Submitted();
  AsStranger();
  all(id, RefusedNotFound());
  AsReferrer();
  all(id, RefusedPermission());
  journal.GivenState(kNobody, StateIn(v1::REFERRAL_STATUS_DRAFT, kNobody, kProvider, kProvider));
  AsReceiver();
  all(kNobody, RefusedWith(StatusCode::kFailedPrecondition, "REFERRAL_NOT_UNDER_WAY"));
  ASSERT_THAT(journal.When(Reject(id)), IsDone());
  all(id, RefusedWith(StatusCode::kFailedPrecondition, "REFERRAL_NOT_UNDER_WAY"));
}

TEST_F(LifeTest, WordsAreSealedForThisPerson) {
  const std::string id = InTriage();
  TamperWithEvidence();
  EXPECT_THAT(journal.When(TriageOutcome(id)), RefusedStale());
  EXPECT_THAT(journal.When(RequestInformation(id)), RefusedStale());
  EXPECT_THAT(journal.When(ChangePriority(id, v1::PRIORITY_URGENT)), RefusedStale());
  EXPECT_THAT(journal.When(Decline(id)), RefusedStale());
  EXPECT_THAT(journal.When(HandOver(id, "worker-2")), RefusedStale());
  v1::AssignWorkerRequest assign = Assign(id);
  assign.mutable_note()->set_text("words");
  EXPECT_THAT(journal.When(assign), RefusedStale());
  v1::RecordContactRequest contact = Contact(id);
  contact.mutable_contact()->mutable_note()->set_text("words");
  EXPECT_THAT(journal.When(contact), RefusedStale());
  v1::MarkEnteredInErrorRequest error = MarkInError(id);
  error.mutable_note()->set_text("words");
  EXPECT_THAT(journal.When(error), RefusedStale());
  journal.tamper = nullptr;
  ASSERT_THAT(journal.When(RequestInformation(id)), IsDone());
  TamperWithEvidence();
  AsReferrer();
  EXPECT_THAT(journal.When(ProvideInformation(id)), RefusedStale());
  State active = StateIn(v1::REFERRAL_STATUS_ACTIVE, kNobody, kPractice, kProvider);
  active.mutable_service()->set_service_id(kOtherService);
  journal.GivenState(kNobody, active);
  AsReceiver();
  v1::PauseReferralRequest pause = Pause(kNobody);
  pause.mutable_note()->set_text("words");
  EXPECT_THAT(journal.When(pause), RefusedStale());
  v1::CloseAsNoContactRequest close = CloseAsNoContact(kNobody);
  close.mutable_note()->set_text("words");
  EXPECT_THAT(journal.When(close), RefusedStale());
}

}  // namespace
}  // namespace fettle::referral
