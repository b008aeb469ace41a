// What the tests of the referral's rules share: a small region, and referrals that have come to
// each state.
#ifndef FETTLE_SERVICES_REFERRAL_DOMAIN_REFERRAL_TESTING_H_
#define FETTLE_SERVICES_REFERRAL_DOMAIN_REFERRAL_TESTING_H_

#include <google/protobuf/util/time_util.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/base/decide_testing.h"
#include "services/referral/domain/referral_common.h"
#include "services/referral/domain/referral_rules.h"

namespace fettle::referral {

inline constexpr char kPractice[] = "A81001";  // refers
inline constexpr char kProvider[] = "RXH01";   // runs the services
inline constexpr char kStranger[] = "RYZ99";   // has nothing to do with it
inline constexpr char kPerson[] = "0196d5a0-0001-7000-8000-000000000001";
inline constexpr char kOtherPerson[] = "0196d5a0-0001-7000-8000-000000000002";
inline constexpr char kService[] = "0196d5a0-0002-7000-8000-000000000001";
inline constexpr char kOtherService[] = "0196d5a0-0002-7000-8000-000000000002";
inline constexpr char kNobody[] = "0196d5a0-0003-7000-8000-00000000ffff";
inline constexpr char kToday[] = "2025-03-17";  // of TestJournal's clock

class ReferralTest : public base::DomainTest<ReferralRules> {
 protected:
  using State = v1::ReferralState;

  ReferralTest() { Settle(); }

  // Fills an empty journal with the people and organisations that other services know.
  void Settle() {
    for (const char* id : {kPerson, kOtherPerson}) {
      common::v1::PersonContext& person = journal.people[id];
      person.set_person_id(id);
      person.set_version(3);
      person.set_gp_practice(kPractice);
      person.set_icb("QHM");
      person.set_age_years(44);
      person.set_age_date(kToday);
      person.set_next_birthday("2025-06-01");
    }
    for (const char* code : {kPractice, kProvider, kStranger}) {
      journal.organisations[code] = {.icb = "QHM", .start_date = "2015-04-01", .end_date = ""};
    }
    AsReferrer();
  }

  void As(const std::string& organisation, const std::string& role) {
    journal.caller = {.subject = role + "-of-" + organisation,
                      .is_service = false,
                      .organisation = organisation,
                      .role = role,
                      .purpose = "direct_care"};
  }
  void AsReferrer() { As(kPractice, "referrer"); }
  void AsPartner() { As(kPractice, "integrator"); }
  void AsReceiver() { As(kProvider, "link_worker"); }
  void AsStranger() { As(kStranger, "link_worker"); }

  static v1::ReferralDetails CompleteDetails() {
    v1::ReferralDetails details;
    details.mutable_referrer()->mutable_name()->set_text("Dr Ada Referrer");
    details.mutable_referrer()->set_service("Harbour Surgery");
    details.mutable_referrer()->set_organisation(kPractice);
    details.mutable_referrer()->mutable_contact()->set_text("0113 496 0000");
    details.set_referral_date("2025-03-14");
    details.mutable_reason()->set_code("LONELINESS");
    details.mutable_reason()->mutable_text()->set_text("has not left the house");
    details.set_priority(v1::PRIORITY_ROUTINE);
    details.add_risks()->set_kind(v1::RISK_KIND_NONE_KNOWN);
    details.set_consent(v1::CONSENT_DIRECT_CARE_INFORMED);
    return details;
  }

  static v1::SubmitReferralRequest Submit(const std::string& person = kPerson,
                                          const std::string& service = kService) {
    v1::SubmitReferralRequest request;
    request.set_person_id(person);
    request.mutable_service()->set_service_id(service);
    request.mutable_service()->set_organisation(kProvider);
    *request.mutable_details() = CompleteDetails();
    request.set_intake(v1::INTAKE_DIRECT);
    return request;
  }

  // Message `number` of a partner's case.
  static v1::PartnerMessage Message(int number) {
    const std::string digits = std::to_string(1000 + number);
    v1::PartnerMessage message;
    message.set_request_id("0196d5a0-0004-7000-8000-00000000" + digits);
    message.set_correlation_id("0196d5a0-0005-7000-8000-000000000001");
    message.set_body_sha256("hash of " + digits);
    message.set_case_number("CASE-7");
    message.mutable_body()->set_text("{\"resourceType\":\"Bundle\"}");
    message.set_last_updated("2025-03-14T10:00:0" + std::to_string(number % 10) + "Z");
    return message;
  }
  // What the first message of a case may lack: nearly everything.
  static v1::SubmitReferralRequest SubmitByPartner(int number = 1) {
    v1::SubmitReferralRequest request = Submit();
    request.clear_details();
    request.mutable_details()->set_source_code("108161000000109");
    request.set_intake(v1::INTAKE_BARS_INCOMPLETE_ALLOWED);
    *request.mutable_partner_message() = Message(number);
    return request;
  }

  static v1::ProvideMissingDetailsRequest Provide(const std::string& id) {
    v1::ProvideMissingDetailsRequest request;
    request.set_referral_id(id);
    return request;
  }
  static v1::StartTriageRequest Triage(const std::string& id) {
    v1::StartTriageRequest request;
    request.set_referral_id(id);
    return request;
  }
  static v1::AcceptReferralRequest Accept(const std::string& id) {
    v1::AcceptReferralRequest request;
    request.set_referral_id(id);
    return request;
  }
  static v1::RejectReferralRequest Reject(const std::string& id) {
    v1::RejectReferralRequest request;
    request.set_referral_id(id);
    request.set_reason_code("22");
    return request;
  }
  static v1::StartReferralRequest Start(const std::string& id) {
    v1::StartReferralRequest request;
    request.set_referral_id(id);
    request.set_worker_id("worker-1");
    request.set_first_contact_date(kToday);
    return request;
  }
  static v1::CompleteReferralRequest Complete(const std::string& id) {
    v1::CompleteReferralRequest request;
    request.set_referral_id(id);
    request.add_outcomes()->set_code("CONNECTED");
    request.set_closed_date(kToday);
    return request;
  }
  static v1::RecordTriageOutcomeRequest TriageOutcome(
      const std::string& id,
      v1::TriageOutcome outcome = v1::TRIAGE_OUTCOME_ACCEPT_REFER_BOOK_LATER) {
    v1::RecordTriageOutcomeRequest request;
    request.set_referral_id(id);
    request.set_outcome(outcome);
    request.mutable_comment()->set_text("needs company");
    if (outcome == v1::TRIAGE_OUTCOME_RETURN_TO_REFERRER_WITH_ADVICE) {
      request.set_advice(v1::ADVICE_ONLY_NO_REFERRAL_RECOMMENDED);
      request.set_reason_code("23");
    }
    return request;
  }
  static v1::RequestInformationRequest RequestInformation(const std::string& id) {
    v1::RequestInformationRequest request;
    request.set_referral_id(id);
    request.mutable_question()->set_text("who has the key?");
    return request;
  }
  static v1::ProvideInformationRequest ProvideInformation(const std::string& id) {
    v1::ProvideInformationRequest request;
    request.set_referral_id(id);
    request.mutable_answer()->set_text("the neighbour");
    return request;
  }
  static v1::ChangePriorityRequest ChangePriority(const std::string& id, v1::Priority priority) {
    v1::ChangePriorityRequest request;
    request.set_referral_id(id);
    request.set_priority(priority);
    request.mutable_reason()->set_text("lives alone now");
    return request;
  }
  static v1::AssignWorkerRequest Assign(const std::string& id,
                                        const std::string& worker = "worker-1") {
    v1::AssignWorkerRequest request;
    request.set_referral_id(id);
    request.set_worker_id(worker);
    return request;
  }
  static v1::HandOverReferralRequest HandOver(const std::string& id, const std::string& worker) {
    v1::HandOverReferralRequest request;
    request.set_referral_id(id);
    request.set_worker_id(worker);
    request.mutable_note()->set_text("prefers mornings");
    return request;
  }
  static v1::PauseReferralRequest Pause(const std::string& id) {
    v1::PauseReferralRequest request;
    request.set_referral_id(id);
    request.set_reason_code("IN_HOSPITAL");
    return request;
  }
  static v1::ResumeReferralRequest Resume(const std::string& id) {
    v1::ResumeReferralRequest request;
    request.set_referral_id(id);
    return request;
  }
  v1::RecordContactRequest Contact(
      const std::string& id, v1::ContactOutcome outcome = v1::CONTACT_OUTCOME_NO_ANSWER) const {
    v1::RecordContactRequest request;
    request.set_referral_id(id);
    *request.mutable_contact()->mutable_time() = ToTimestamp(journal.now);
    request.mutable_contact()->set_channel(v1::CONTACT_CHANNEL_TELEPHONE);
    request.mutable_contact()->set_outcome(outcome);
    request.mutable_contact()->set_worker_id("worker-1");
    return request;
  }
  static v1::CloseAsNoContactRequest CloseAsNoContact(const std::string& id) {
    v1::CloseAsNoContactRequest request;
    request.set_referral_id(id);
    return request;
  }
  v1::DeclineReferralRequest Decline(const std::string& id) const {
    v1::DeclineReferralRequest request;
    request.set_referral_id(id);
    request.set_decision_date(journal.today());
    return request;
  }
  static v1::MarkEnteredInErrorRequest MarkInError(const std::string& id) {
    v1::MarkEnteredInErrorRequest request;
    request.set_referral_id(id);
    request.set_reason_code("WRONG_PERSON");
    return request;
  }
  v1::RecordPlanOfferRequest Offer(const std::string& id, v1::PlanOffer offer) const {
    v1::RecordPlanOfferRequest request;
    request.set_referral_id(id);
    request.set_offer(offer);
    request.set_date(journal.today());
    return request;
  }
  // A plan with two goals and an action, of which all five criteria hold.
  v1::RecordCarePlanRequest Plan(const std::string& id) const {
    v1::RecordCarePlanRequest request;
    request.set_referral_id(id);
    v1::CarePlan& plan = *request.mutable_plan();
    plan.mutable_what_matters()->set_text("my garden");
    plan.mutable_strengths()->set_text("knows every plant");
    plan.add_needs()->mutable_text()->set_text("company");
    for (int number : {1, 2}) {
      v1::Goal& goal = *plan.add_goals();
      goal.set_number(number);
      goal.mutable_description()->set_text("out of the house");
      goal.set_importance(8);
    }
    v1::Action& action = *plan.add_actions();
    action.mutable_what()->set_text("go to the allotment");
    action.mutable_who()->set_text("Ada");
    action.set_confidence(6);
    action.set_goal_number(1);
    plan.set_agreement(v1::PLAN_AGREEMENT_PERSON);
    v1::PlanCriteria& criteria = *plan.mutable_criteria();
    criteria.set_person_central(true);
    criteria.set_conversation_held(true);
    criteria.set_outcomes_agreed(true);
    criteria.set_one_sharable_plan(true);
    criteria.set_review_arranged(true);
    criteria.set_date(journal.today());
    return request;
  }
  v1::ReviewCarePlanRequest Review(const std::string& id) const {
    v1::ReviewCarePlanRequest request;
    request.set_referral_id(id);
    request.mutable_review()->set_kind(v1::PLAN_REVIEW_KIND_FORMAL);
    request.mutable_review()->set_date(journal.today());
    request.mutable_review()->set_outcome(v1::PLAN_REVIEW_OUTCOME_CONTINUES);
    request.mutable_review()->mutable_note()->set_text("goes well");
    return request;
  }
  static v1::AddPlanRiskRequest AddRisk(const std::string& id) {
    v1::AddPlanRiskRequest request;
    request.set_referral_id(id);
    request.mutable_risk()->set_kind(v1::RISK_KIND_ENVIRONMENT);
    request.mutable_risk()->mutable_description()->set_text("steep stairs");
    return request;
  }
  v1::EndPlanRiskRequest EndRisk(const std::string& id, int number) const {
    v1::EndPlanRiskRequest request;
    request.set_referral_id(id);
    request.set_number(number);
    request.set_end_date(journal.today());
    request.mutable_reason()->set_text("there is a rail now");
    return request;
  }
  static v1::RecordSharedDecisionRequest SharedDecision(const std::string& id) {
    v1::RecordSharedDecisionRequest request;
    request.set_referral_id(id);
    v1::SharedDecision& decision = *request.mutable_decision();
    decision.mutable_subject()->set_text("which group");
    decision.mutable_what_matters()->set_text("to be outside");
    v1::DecisionOption& option = *decision.add_options();
    option.mutable_description()->set_text("the allotment");
    option.add_risks()->set_text("rain");
    option.add_benefits()->set_text("air");
    return request;
  }
  v1::RecordMeasureRequest Measured(const std::string& id, v1::MeasurePoint point) const {
    v1::RecordMeasureRequest request;
    request.set_referral_id(id);
    request.mutable_measure()->set_point(point);
    request.mutable_measure()->set_date(journal.today());
    return request;
  }
  v1::RecordMeasureRequest Pam(const std::string& id, v1::MeasurePoint point, int tenths,
                               const std::string& version = "PAM-13") const {
    v1::RecordMeasureRequest request = Measured(id, point);
    request.mutable_measure()->mutable_pam()->set_score_tenths(tenths);
    request.mutable_measure()->mutable_pam()->set_version(version);
    return request;
  }
  static v1::SubmitDraftRequest SubmitDraft(const std::string& id) {
    v1::SubmitDraftRequest request;
    request.set_referral_id(id);
    return request;
  }
  static v1::DraftReferralRequest Draft(const std::string& person = kPerson,
                                        const std::string& service = kService) {
    v1::DraftReferralRequest request;
    request.set_person_id(person);
    request.mutable_service()->set_service_id(service);
    request.mutable_service()->set_organisation(kProvider);
    *request.mutable_details() = CompleteDetails();
    return request;
  }
  static v1::RecordSignpostRequest Signpost(const std::string& person = kPerson) {
    v1::RecordSignpostRequest request;
    request.set_person_id(person);
    request.set_code("WALKING_GROUP");
    request.set_service_name("Tuesday walkers");
    return request;
  }
  static v1::WithdrawReferralRequest Withdraw(const std::string& id) {
    v1::WithdrawReferralRequest request;
    request.set_referral_id(id);
    request.set_reason_code("UNNECESSARY");
    return request;
  }

  // The id of a referral that was submitted, started to be looked at, and so on; the caller is then
  // the receiver.
  std::string Submitted(const v1::SubmitReferralRequest& request = Submit()) {
    request.has_partner_message() ? AsPartner() : AsReferrer();
    const auto done = journal.When(request);
    EXPECT_THAT(done, base::IsDone());
    AsReceiver();
    return done.ok() ? done->response.referral_id() : kNobody;
  }
  std::string InTriage(const v1::SubmitReferralRequest& request = Submit()) {
    const std::string id = Submitted(request);
    EXPECT_THAT(journal.When(Triage(id)), base::IsDone());
    return id;
  }
  std::string Accepted() {
    const std::string id = InTriage();
    EXPECT_THAT(journal.When(Accept(id)), base::IsDone());
    return id;
  }
  std::string Active() {
    const std::string id = Accepted();
    EXPECT_THAT(journal.When(Start(id)), base::IsDone());
    return id;
  }

  // A service of the directory with these limits for each stage, in days.
  static v1::RegisterServiceRequest Register(int limit_days = 0) {
    v1::RegisterServiceRequest request;
    request.set_service_id(kService);
    request.set_organisation(kProvider);
    v1::ServiceDescription& description = *request.mutable_description();
    description.set_name("Harbour link workers");
    description.set_kind(v1::SERVICE_KIND_SOCIAL_PRESCRIBING);
    v1::StageLimits& limits = *description.mutable_stage_limits();
    limits.set_triage_days(limit_days);
    limits.set_information_days(limit_days);
    limits.set_first_contact_days(limit_days);
    limits.set_last_contact_days(limit_days);
    return request;
  }
  void Registered(const v1::RegisterServiceRequest& request) {
    As(kStranger, "administrator");
    EXPECT_THAT(journal.When(request), base::IsDone());
    AsReferrer();
  }

  std::string Drafted(const v1::DraftReferralRequest& request = Draft()) {
    AsReferrer();
    const auto done = journal.When(request);
    EXPECT_THAT(done, base::IsDone());
    return done.ok() ? done->response.referral_id() : kNobody;
  }

  static google::protobuf::Timestamp ToTimestamp(absl::Time time) {
    return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
  }

  // A referral in any state, without the way there; `referrer` and `receiver` are
  // its organisations.
  State StateIn(v1::ReferralStatus status, const std::string& id, const std::string& referrer,
                const std::string& receiver) const {
    const google::protobuf::Timestamp time = ToTimestamp(journal.now - absl::Hours(1));
    State state;
    state.set_referral_id(id);
    state.set_status(status);
    state.set_person_id(kPerson);
    state.mutable_service()->set_service_id(kService);
    state.mutable_service()->set_organisation(receiver);
    state.set_referring_organisation(referrer);
    *state.mutable_details() = CompleteDetails();
    base::ForEachSealedText(state, [](common::v1::SealedText& text) {
      text.set_sealed(text.text());
      text.clear_text();
    });
    state.set_intake(v1::INTAKE_DIRECT);
    state.set_correlation_id("0196d5a0-c0c0-7000-8000-000000000001");
    *state.mutable_submit_time() = time;
    if (status >= v1::REFERRAL_STATUS_ACCEPTED) *state.mutable_accept_time() = time;
    if (status >= v1::REFERRAL_STATUS_ACTIVE) {
      state.set_worker_id("worker-1");
      state.set_first_contact_date(kToday);
      state.set_counted(true);
    }
    if (status == v1::REFERRAL_STATUS_PAUSED) state.set_paused_from(v1::REFERRAL_STATUS_ACTIVE);
    if (status == v1::REFERRAL_STATUS_INFO_REQUESTED) {
      state.add_inquiries()->mutable_question()->set_sealed("who has the key?");
    }
    for (int day = 1; status >= v1::REFERRAL_STATUS_ACCEPTED && day <= kNoContactDaysMin; ++day) {
      v1::Contact& contact = *state.add_contacts();
      *contact.mutable_time() = ToTimestamp(journal.now - day * absl::Hours(24));
      contact.set_channel(v1::CONTACT_CHANNEL_TELEPHONE);
      contact.set_outcome(v1::CONTACT_OUTCOME_NO_ANSWER);
      contact.set_worker_id("worker-1");
    }
    return state;
  }

  v1::ReferralStatus StatusOf(const std::string& id) const { return journal.StateOf(id)->status(); }
  const v1::DeliveryQueue& Queue(const std::string& id) const {
    static const v1::DeliveryQueue kNone;
    const State* state = journal.StateOf(DeliveryQueueId(id));
    return state == nullptr ? kNone : state->delivery_queue();
  }

  // Decides a timer as the journal does, and records what comes of it.
  std::vector<v1::ReferralEvent> Fire(const std::string& stream, const base::Timer& timer) {
    base::View view;
    view.Put(stream, {.version = journal.VersionOf(stream),
                      .position = 1,
                      .state = std::make_shared<State>(*journal.StateOf(stream))});
    base::Context context;
    context.time = journal.now;
    auto decision =
        ReferralRules::Decide(view, base::TimerDue{stream, timer.name, timer.due}, context);
    EXPECT_THAT(decision, base::IsDone());
    std::vector<v1::ReferralEvent> events;
    for (base::NewEvent& event : decision->events) {
      events.push_back(dynamic_cast<v1::ReferralEvent&>(*event.event));
      events.back().mutable_header()->set_stream_id(event.stream_id);
      journal.Given(event.stream_id, events.back());
    }
    return events;
  }
};

inline auto RefusedNotFound() {
  return base::RefusedWith(absl::StatusCode::kNotFound, "REFERRAL_NOT_FOUND");
}
inline auto RefusedPermission() {
  return base::RefusedWith(absl::StatusCode::kPermissionDenied, "ORGANISATION_MAY_NOT_DO_THIS");
}
inline auto RefusedTransition() {
  return base::RefusedWith(absl::StatusCode::kFailedPrecondition, "TRANSITION_NOT_ALLOWED");
}
inline auto RefusedStale() {
  return base::RefusedWith(absl::StatusCode::kAborted, "EVIDENCE_STALE");
}

}  // namespace fettle::referral

#endif  // FETTLE_SERVICES_REFERRAL_DOMAIN_REFERRAL_TESTING_H_
