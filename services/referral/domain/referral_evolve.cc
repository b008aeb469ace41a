// What an event makes of a referral, and the entries by which it is found.
#include <algorithm>
#include <set>

#include "libs/base/check.h"
#include "libs/base/date.h"
#include "libs/base/uuid.h"
#include "services/referral/domain/referral_common.h"
#include "services/referral/domain/transitions.h"

namespace fettle::referral {
namespace {

void Keep(v1::ReferralState& state, const v1::PartnerMessage& message) {
  v1::PartnerMessage& kept = *state.add_partner_messages();
  kept = message;
  kept.clear_body();
}

void Become(v1::ReferralState& state, v1::ReferralStatus status,
            const common::v1::EventHeader& header) {
  state.set_status(status);
  *state.mutable_status_time() = header.time();
  // Where a service counts its closed ones by day, and the command names none.
  if (IsTerminal(status) && state.closed_date().empty()) {
    state.set_closed_date(DateOf(header.time()));
  }
}

// A question that is answered, or dropped, gives the receiving service something to decide again.
void BackToTriage(v1::ReferralState& state, const common::v1::EventHeader& header) {
  if (state.status() == v1::REFERRAL_STATUS_INFO_REQUESTED) {
    *state.mutable_triage_time() = header.time();
  }
  Become(state, v1::REFERRAL_STATUS_IN_TRIAGE, header);
}

// INV-37
void ChangePriority(v1::ReferralState& state, v1::Priority to, const common::v1::SealedText& reason,
                    const common::v1::EventHeader& header) {
  if (to == v1::PRIORITY_UNSPECIFIED || to == state.priority()) return;
  v1::PriorityChange& change = *state.add_priority_changes();
  change.set_from(state.priority());
  change.set_to(to);
  change.set_changed_by(header.caller());
  *change.mutable_change_time() = header.time();
  if (HasWords(reason)) *change.mutable_reason() = reason;
  state.set_priority(to);
}

// As the registry said when an event asked it, most of them not at all.
void NoteDeath(v1::ReferralState& state, bool has_person, const common::v1::PersonContext& person) {
  if (has_person) state.set_person_deceased(person.deceased());
}

void PutInCharge(v1::ReferralState& state, const std::string& worker_id) {
  state.set_worker_id(worker_id);
  if (worker_id.empty() || std::ranges::find(state.workers(), worker_id) != state.workers().end()) {
    return;
  }
  if (state.workers_size() == kWorkersMax) {
    state.mutable_workers()->erase(state.workers().begin());
  }
  state.add_workers(worker_id);
}

// All three have the code, the practice, the ICB and the date.
template <class Counted>
void KeepCode(v1::ReferralState& state, const Counted& event) {
  v1::CountedCode& code = *state.add_counted_codes();
  code.set_snomed_code(event.snomed_code());
  code.set_gp_practice(event.gp_practice());
  code.set_icb(event.icb());
  code.set_date(event.date());
}

void TakeBack(v1::ReferralState& state, const std::string& snomed_code) {
  auto& codes = *state.mutable_counted_codes();
  codes.erase(std::remove_if(codes.begin(), codes.end(),
                             [&](const auto& code) { return code.snomed_code() == snomed_code; }),
              codes.end());
}

void Evolve(v1::ReferralState& state, const v1::ReferralDrafted& event,
            const common::v1::EventHeader& header) {
  if (state.referral_id().empty()) {
    state.set_referral_id(header.stream_id());
    state.set_correlation_id(header.correlation_id());
    Become(state, v1::REFERRAL_STATUS_DRAFT, header);
    state.set_referring_organisation(header.organisation());
  }
  state.set_person_id(event.person_id());
  *state.mutable_service() = event.service();
  *state.mutable_details() = event.details();
  state.set_priority(event.details().priority());
  state.set_replaces(event.replaces());
  state.set_onward_of(event.onward_of());
}

void Evolve(v1::ReferralState& state, const v1::ReferralSubmitted& event,
            const common::v1::EventHeader& header) {
  state.set_referral_id(header.stream_id());
  state.set_correlation_id(header.correlation_id());
  Become(state, v1::REFERRAL_STATUS_SUBMITTED, header);
  *state.mutable_submit_time() = header.time();
  state.set_person_id(event.person_id());
  *state.mutable_service() = event.service();
  *state.mutable_details() = event.details();
  state.set_priority(event.details().priority());
  state.set_intake(event.intake());
  *state.mutable_missing_items() = event.missing_items();
  state.set_replaces(event.replaces());
  state.set_onward_of(event.onward_of());
  if (event.has_terms()) *state.mutable_terms() = event.terms();
  if (event.has_eligibility()) *state.mutable_eligibility() = event.eligibility();
  *state.mutable_triage_time() = header.time();
  state.set_referring_organisation(event.referring_organisation());
  if (event.has_partner_message()) Keep(state, event.partner_message());
  NoteDeath(state, event.has_person(), event.person());
}

void Evolve(v1::ReferralState& state, const v1::ReferralDetailsProvided& event) {
  NoteDeath(state, event.has_person(), event.person());
  MergeDetails(*state.mutable_details(), event.details());
  // Once the receiving service has decided on the priority, or on the referral, its own holds.
  if (event.details().priority() != v1::PRIORITY_UNSPECIFIED && !state.has_accept_time() &&
      state.priority_changes_size() == 0) {
    state.set_priority(event.details().priority());
  }
  *state.mutable_missing_items() = event.missing_items();
  if (event.has_partner_message()) Keep(state, event.partner_message());
}

void Evolve(v1::ReferralState& state, const v1::ReferralAccepted& event,
            const common::v1::EventHeader& header) {
  Become(state, v1::REFERRAL_STATUS_ACCEPTED, header);
  *state.mutable_accept_time() = header.time();
  state.clear_missing_items();
  NoteDeath(state, event.has_person(), event.person());
  ChangePriority(state, event.priority(), event.comment(), header);
  if (event.has_comment()) *state.mutable_comment() = event.comment();
}

void Evolve(v1::ReferralState& state, const v1::ReferralRejected& event,
            const common::v1::EventHeader& header) {
  Become(state, v1::REFERRAL_STATUS_REJECTED, header);
  state.set_rejection_reason_code(event.reason_code());
  if (event.has_comment()) *state.mutable_comment() = event.comment();
}

void Evolve(v1::ReferralState& state, const v1::InformationRequested& event,
            const common::v1::EventHeader& header) {
  Become(state, v1::REFERRAL_STATUS_INFO_REQUESTED, header);
  v1::Inquiry& inquiry = *state.add_inquiries();
  *inquiry.mutable_question() = event.question();
  *inquiry.mutable_request_time() = header.time();
  inquiry.set_asked_by(header.caller());
}

void Evolve(v1::ReferralState& state, const v1::InformationProvided& event,
            const common::v1::EventHeader& header) {
  BackToTriage(state, header);
  if (state.inquiries_size() == 0) return;
  v1::Inquiry& inquiry = *state.mutable_inquiries()->rbegin();
  *inquiry.mutable_answer() = event.answer();
  *inquiry.mutable_answer_time() = header.time();
}

void Evolve(v1::ReferralState& state, const v1::TriageOutcomeRecorded& event) {
  state.set_triage_outcome(event.outcome());
  state.set_advice(event.advice());
}

void Evolve(v1::ReferralState& state, const v1::ReferralStarted& event,
            const common::v1::EventHeader& header) {
  Become(state, v1::REFERRAL_STATUS_ACTIVE, header);
  state.clear_paused_from();
  state.clear_pause_reason_code();
  state.clear_pause_note();
  if (!state.has_active_time()) *state.mutable_active_time() = header.time();
  PutInCharge(state, event.worker_id());
  state.set_first_contact_date(event.first_contact_date());
  NoteDeath(state, event.has_person(), event.person());
}

void Evolve(v1::ReferralState& state, const v1::ReferralPaused& event,
            const common::v1::EventHeader& header) {
  Become(state, v1::REFERRAL_STATUS_PAUSED, header);
  state.set_paused_from(event.paused_from());
  state.set_pause_reason_code(event.reason_code());
  if (event.has_note()) *state.mutable_pause_note() = event.note();
}

void Evolve(v1::ReferralState& state, const v1::ReferralResumed&,
            const common::v1::EventHeader& header) {
  Become(state, v1::REFERRAL_STATUS_ACTIVE, header);
  state.clear_paused_from();
  state.clear_pause_reason_code();
  state.clear_pause_note();
}

void Evolve(v1::ReferralState& state, const v1::ReferralCompleted& event,
            const common::v1::EventHeader& header) {
  *state.mutable_outcomes() = event.outcomes();
  state.set_no_outcome_reason_code(event.no_outcome_reason_code());
  state.set_closed_date(event.closed_date());
  Become(state, v1::REFERRAL_STATUS_COMPLETED, header);
}

void Evolve(v1::ReferralState& state, const v1::ReferralWithdrawn& event,
            const common::v1::EventHeader& header) {
  Become(state, v1::REFERRAL_STATUS_WITHDRAWN, header);
  state.set_withdrawal_reason_code(event.reason_code());
  if (event.has_partner_message()) Keep(state, event.partner_message());
}

void Evolve(v1::ReferralState& state, const v1::ContactRecorded& event) {
  const v1::Contact& contact = event.contact();
  *state.add_contacts() = contact;
  if (contact.outcome() == v1::CONTACT_OUTCOME_REACHED &&
      TimeOf(contact.time()) > TimeOf(state.last_contact_time())) {
    *state.mutable_last_contact_time() = contact.time();
  }
}

void Evolve(v1::ReferralState& state, const v1::WorkerAssigned& event) {
  PutInCharge(state, event.worker_id());
  state.clear_hand_over_note();
  if (event.has_note()) *state.mutable_hand_over_note() = event.note();
}

void Evolve(v1::ReferralState& state, const v1::ServiceRegistered& event,
            const common::v1::EventHeader& header) {
  v1::Service& service = *state.mutable_directory_service();
  service.set_service_id(header.stream_id());
  service.set_organisation(event.organisation());
  *service.mutable_description() = event.description();
  if (event.has_eligibility()) *service.add_eligibility() = event.eligibility();
}

void Evolve(v1::ReferralState& state, const v1::ServiceUpdated& event) {
  v1::Service& service = *state.mutable_directory_service();
  if (event.has_description()) *service.mutable_description() = event.description();
  if (event.has_eligibility()) *service.add_eligibility() = event.eligibility();
  if (!event.closed_from().empty()) service.set_closed_from(event.closed_from());
}

void Evolve(v1::ReferralState& state, const v1::ReferralStalled& event,
            const common::v1::EventHeader& header) {
  const auto known = std::ranges::find(*state.mutable_stalls(), event.stage(), &v1::Stall::stage);
  v1::Stall& stall = known == state.mutable_stalls()->end() ? *state.add_stalls() : *known;
  stall.set_stage(event.stage());
  *stall.mutable_since_time() = event.since_time();
  *stall.mutable_stall_time() = header.time();
}

void Evolve(v1::ReferralState& state, const v1::ReferralClosedAsNoContact& event,
            const common::v1::EventHeader& header) {
  Become(state, v1::REFERRAL_STATUS_NO_CONTACT, header);
  if (event.has_note()) *state.mutable_comment() = event.note();
}

void Evolve(v1::ReferralState& state, const v1::ReferralDeclined& event,
            const common::v1::EventHeader& header) {
  Become(state, v1::REFERRAL_STATUS_DECLINED, header);
  state.set_decline_date(event.decision_date());
  state.set_decline_reason_code(event.reason_code());
  if (event.has_note()) *state.mutable_comment() = event.note();
}

void Evolve(v1::ReferralState& state, const v1::ReferralEnteredInError& event,
            const common::v1::EventHeader& header) {
  Become(state, v1::REFERRAL_STATUS_ENTERED_IN_ERROR, header);
  state.set_error_reason_code(event.reason_code());
  if (event.has_note()) *state.mutable_comment() = event.note();
  if (event.has_partner_message()) Keep(state, event.partner_message());
}

void Evolve(v1::ReferralState& state, const v1::PartnerResponseRecorded& event,
            const common::v1::EventHeader& header) {
  v1::PartnerResponse& response = *state.add_partner_responses();
  response.set_signal(event.signal());
  response.set_in_response_to(event.in_response_to());
  response.set_reason_code(event.reason_code());
  response.set_date(event.date());
  *response.mutable_receive_time() = header.time();
  *response.mutable_message() = event.message();
  response.mutable_message()->clear_body();
}

void Evolve(v1::ReferralState& state, const v1::PersonSignposted& event,
            const common::v1::EventHeader& header) {
  v1::Signpost& signpost =
      state.referral_id().empty() ? *state.mutable_signpost() : *state.add_signposts();
  signpost.set_person_id(event.person_id());
  signpost.set_code(event.code());
  signpost.set_service_name(event.service_name());
  *signpost.mutable_signpost_time() = header.time();
  signpost.set_organisation(header.organisation());
}

void Evolve(v1::ReferralState& state, const v1::CarePlanOffered& event) {
  state.mutable_care()->set_offer(event.offer());
  state.mutable_care()->set_offer_date(event.date());
}

// The wait for the next review begins on the day that is planned for it, or else now.
void AwaitReview(v1::CareRecord& care, const std::string& date,
                 const common::v1::EventHeader& header) {
  care.set_next_review_date(date);
  google::protobuf::Timestamp& since = *care.mutable_review_since_time();
  since = header.time();
  if (date.empty()) return;
  since.set_seconds(absl::ToUnixSeconds(base::LondonStart(date)));
  since.set_nanos(0);
}

void Evolve(v1::ReferralState& state, const v1::CarePlanRecorded& event,
            const common::v1::EventHeader& header) {
  v1::CareRecord& care = *state.mutable_care();
  *care.mutable_plan() = event.plan();
  care.set_plan_version(event.plan_version());
  *care.mutable_plan_time() = header.time();
  care.set_is_pcsp(event.is_pcsp());
  AwaitReview(care, event.plan().planned_review_date(), header);
}

void Evolve(v1::ReferralState& state, const v1::CarePlanReviewed& event,
            const common::v1::EventHeader& header) {
  v1::CareRecord& care = *state.mutable_care();
  *care.add_reviews() = event.review();
  for (const v1::GoalOutcome& outcome : event.review().goal_outcomes()) {
    for (v1::Goal& goal : *care.mutable_plan()->mutable_goals()) {
      if (goal.number() != outcome.goal_number()) continue;
      goal.set_status(outcome.status());
      if (HasWords(outcome.outcome())) *goal.mutable_outcome() = outcome.outcome();
    }
  }
  AwaitReview(care, event.review().next_review_date(), header);
  if (event.review().outcome() == v1::PLAN_REVIEW_OUTCOME_ENDS) care.clear_review_since_time();
}

void Evolve(v1::ReferralState& state, const v1::PlanRiskAdded& event,
            const common::v1::EventHeader& header) {
  v1::PlanRisk& risk = *state.mutable_care()->add_risks();
  risk.set_number(event.number());
  *risk.mutable_risk() = event.risk();
  *risk.mutable_add_time() = header.time();
  risk.set_added_by(header.caller());
}

// INV-46: it stays, with its end.
void Evolve(v1::ReferralState& state, const v1::PlanRiskEnded& event,
            const common::v1::EventHeader& header) {
  for (v1::PlanRisk& risk : *state.mutable_care()->mutable_risks()) {
    if (risk.number() != event.number()) continue;
    risk.set_end_date(event.end_date());
    *risk.mutable_end_reason() = event.reason();
    risk.set_ended_by(header.caller());
  }
}

void Evolve(v1::ReferralState& state, const v1::SharedDecisionRecorded& event,
            const common::v1::EventHeader& header) {
  auto& decisions = *state.mutable_care()->mutable_decisions();
  const auto known =
      std::ranges::find(decisions, event.decision().number(), &v1::SharedDecision::number);
  v1::SharedDecision& decision = known == decisions.end() ? *decisions.Add() : *known;
  decision = event.decision();
  *decision.mutable_record_time() = header.time();
}

void Evolve(v1::ReferralState& state, const v1::MeasureRecorded& event,
            const common::v1::EventHeader& header) {
  v1::RecordedMeasure& measure = *state.mutable_care()->add_measures();
  *measure.mutable_measure() = event.measure();
  measure.set_pam_level(event.pam_level());
  *measure.mutable_record_time() = header.time();
}

// INV-53: what is older than 12 months on the day of the event does not count any more.
void Evolve(v1::ReferralState& state, const v1::CaseloadCounted& event) {
  const v1::Caseload before = state.caseload();
  v1::Caseload& caseload = *state.mutable_caseload();
  caseload.Clear();
  caseload.set_organisation(event.organisation());
  caseload.set_worker_id(event.worker_id());
  const std::string since = base::AddMonths(event.date(), -12);
  for (int i = 0; i < before.dates_size(); ++i) {
    if (before.dates(i) <= since) continue;
    caseload.add_dates(before.dates(i));
    caseload.add_counts(before.counts(i));
  }
  const int last = caseload.dates_size() - 1;
  if (last >= 0 && caseload.dates(last) == event.date()) {
    caseload.set_counts(last, caseload.counts(last) + 1);
  } else {
    caseload.add_dates(event.date());
    caseload.add_counts(1);
  }
}

std::vector<base::Entry> ServiceEntries(const v1::Service& service) {
  std::vector<base::Entry> entries;
  const std::string sort = base::Key({service.description().name()});
  for (std::string key :
       {ServiceKey("", v1::SERVICE_KIND_UNSPECIFIED), ServiceKey("", service.description().kind()),
        ServiceKey(service.organisation(), v1::SERVICE_KIND_UNSPECIFIED)}) {
    entries.push_back(
        {.index = kServiceIndex, .key = std::move(key), .sort = sort, .unique = false});
  }
  return entries;
}

}  // namespace

void ReferralRules::Evolve(State& state, const Event& event) {
  const common::v1::EventHeader& header = event.header();
  switch (event.event_case()) {
    case Event::kReferralSubmitted:
      referral::Evolve(state, event.referral_submitted(), header);
      break;
    case Event::kReferralDetailsProvided:
      referral::Evolve(state, event.referral_details_provided());
      break;
    case Event::kReferralTriageStarted:
      BackToTriage(state, header);
      break;
    case Event::kReferralAccepted:
      referral::Evolve(state, event.referral_accepted(), header);
      break;
    case Event::kReferralRejected:
      referral::Evolve(state, event.referral_rejected(), header);
      break;
    case Event::kReferralStarted:
      referral::Evolve(state, event.referral_started(), header);
      break;
    case Event::kReferralCompleted:
      referral::Evolve(state, event.referral_completed(), header);
      break;
    case Event::kReferralWithdrawn:
      referral::Evolve(state, event.referral_withdrawn(), header);
      break;
    case Event::kSocialPrescribingCounted:
      state.set_counted(true);
      KeepCode(state, event.social_prescribing_counted());
      break;
    case Event::kReferralDrafted:
      referral::Evolve(state, event.referral_drafted(), header);
      break;
    case Event::kInformationRequested:
      referral::Evolve(state, event.information_requested(), header);
      break;
    case Event::kInformationProvided:
      referral::Evolve(state, event.information_provided(), header);
      break;
    case Event::kTriageOutcomeRecorded:
      referral::Evolve(state, event.triage_outcome_recorded());
      break;
    case Event::kReferralPriorityChanged:
      ChangePriority(state, event.referral_priority_changed().to(),
                     event.referral_priority_changed().reason(), header);
      break;
    case Event::kWorkerAssigned:
      referral::Evolve(state, event.worker_assigned());
      break;
    case Event::kReferralPaused:
      referral::Evolve(state, event.referral_paused(), header);
      break;
    case Event::kReferralResumed:
      referral::Evolve(state, event.referral_resumed(), header);
      break;
    case Event::kContactRecorded:
      referral::Evolve(state, event.contact_recorded());
      break;
    case Event::kReferralClosedAsNoContact:
      referral::Evolve(state, event.referral_closed_as_no_contact(), header);
      break;
    case Event::kReferralDeclined:
      referral::Evolve(state, event.referral_declined(), header);
      break;
    case Event::kSocialPrescribingDeclined:
      KeepCode(state, event.social_prescribing_declined());
      break;
    case Event::kReferralEnteredInError:
      referral::Evolve(state, event.referral_entered_in_error(), header);
      break;
    case Event::kSocialPrescribingRetracted:
      TakeBack(state, event.social_prescribing_retracted().snomed_code());
      break;
    case Event::kPersonSignposted:
      referral::Evolve(state, event.person_signposted(), header);
      break;
    case Event::kCaseloadCounted:
      referral::Evolve(state, event.caseload_counted());
      break;
    case Event::kCaseloadWarningRaised:
      break;
    case Event::kServiceRegistered:
      referral::Evolve(state, event.service_registered(), header);
      break;
    case Event::kServiceUpdated:
      referral::Evolve(state, event.service_updated());
      break;
    case Event::kReferralStalled:
      referral::Evolve(state, event.referral_stalled(), header);
      break;
    case Event::kPartnerResponseRecorded:
      referral::Evolve(state, event.partner_response_recorded(), header);
      break;
    case Event::kDeliveryRequested:
      state.set_correlation_id(header.correlation_id());
      [[fallthrough]];
    case Event::kDeliveryPrepared:
    case Event::kDeliveryDue:
    case Event::kDeliveryAttempted:
      EvolveQueue(*state.mutable_delivery_queue(), event);
      break;
    case Event::kCarePlanOffered:
      referral::Evolve(state, event.care_plan_offered());
      break;
    case Event::kCarePlanRecorded:
      referral::Evolve(state, event.care_plan_recorded(), header);
      break;
    case Event::kCarePlanReviewed:
      referral::Evolve(state, event.care_plan_reviewed(), header);
      break;
    case Event::kPlanRiskAdded:
      referral::Evolve(state, event.plan_risk_added(), header);
      break;
    case Event::kPlanRiskEnded:
      referral::Evolve(state, event.plan_risk_ended(), header);
      break;
    case Event::kSharedDecisionRecorded:
      referral::Evolve(state, event.shared_decision_recorded(), header);
      break;
    case Event::kMeasureRecorded:
      referral::Evolve(state, event.measure_recorded(), header);
      break;
    case Event::kPersonDeathNoted:
      state.set_person_deceased(event.person_death_noted().deceased());
      break;
    case Event::EVENT_NOT_SET:
      FETTLE_CHECK(false, "the referral service knows every event of its own journal");
  }
  *state.mutable_update_time() = header.time();
}

std::vector<base::Entry> ReferralRules::Index(const State& state) {
  if (state.has_caseload()) {
    return {{.index = kCaseloadIndex,
             .key = CaseloadKey(state.caseload().organisation(), state.caseload().worker_id()),
             .sort = "",
             .unique = true}};
  }
  if (state.has_signpost()) return {};
  if (state.has_delivery_queue()) return QueueEntries(state.delivery_queue());
  if (state.has_directory_service()) return ServiceEntries(state.directory_service());
  const std::string sort = NewestFirst(state.referral_id());
  const std::string& receiver = state.service().organisation();
  const bool is_draft = state.status() == v1::REFERRAL_STATUS_DRAFT;
  std::vector<base::Entry> entries;
  const auto list = [&](int index, std::string key, bool scattered = false) {
    entries.push_back({.index = index,
                       .key = std::move(key),
                       .sort = sort,
                       .unique = false,
                       .scattered = scattered});
  };

  std::set<std::string> organisations = {state.referring_organisation()};
  if (!is_draft) organisations.insert(receiver);
  for (const std::string& organisation : organisations) {
    list(kOrganisationIndex, OrganisationKey(organisation, state.status()));
    if (state.care().plan_version() > 0) {
      list(kPlanIndex, OrganisationKey(organisation, state.status()));
    }
  }
  if (IsShownToPerson(state)) list(kPersonIndex, PersonKey(state.person_id()), /*scattered=*/true);
  // Those without a worker are in the pool when they wait for one.
  if (!state.worker_id().empty() || state.status() == v1::REFERRAL_STATUS_ACCEPTED) {
    list(kWorkerIndex, WorkerKey(receiver, state.worker_id(), state.status()));
  }
  // A draft asks nobody yet: it keeps no other referral out.
  if (is_draft || IsTerminal(state.status())) return entries;

  entries.push_back({.index = kOpenIndex,
                     .key = OpenKey(state.person_id(), state.service().service_id()),
                     .sort = "",
                     .unique = true});
  std::set<std::string> cases;
  for (const v1::PartnerMessage& message : state.partner_messages()) {
    cases.insert(CaseKey(message.correlation_id()));
    if (!message.case_number().empty()) {
      cases.insert(CaseNumberKey(state.referring_organisation(), message.case_number()));
    }
  }
  for (const std::string& key : cases) list(kCaseIndex, key, /*scattered=*/true);
  return entries;
}

std::vector<base::Entry> ReferralRules::Facts(const Event& event) {
  if (event.delivery_requested().message().signal() == v1::SIGNAL_REQUEST) {
    return {{.index = kSentIndex,
             .key = base::Key({event.delivery_requested().message().bundle_id()}),
             .sort = "",
             .unique = true}};
  }
  const v1::PartnerMessage* message = nullptr;
  if (event.referral_submitted().has_partner_message()) {
    message = &event.referral_submitted().partner_message();
  } else if (event.referral_details_provided().has_partner_message()) {
    message = &event.referral_details_provided().partner_message();
  } else if (event.referral_withdrawn().has_partner_message()) {
    message = &event.referral_withdrawn().partner_message();
  } else if (event.referral_entered_in_error().has_partner_message()) {
    message = &event.referral_entered_in_error().partner_message();
  } else if (event.has_partner_response_recorded()) {
    message = &event.partner_response_recorded().message();
  }
  if (message == nullptr) return {};
  return {{.index = kMessageIndex,
           .key = MessageKey(message->request_id(), message->correlation_id()),
           .sort = "",
           .unique = true}};
}

std::vector<std::string> ReferralRules::Subjects(const State& state) {
  if (state.has_caseload() || state.has_directory_service()) return {};
  if (state.has_delivery_queue()) return {state.delivery_queue().person_id()};
  return {state.has_signpost() ? state.signpost().person_id() : state.person_id()};
}

}  // namespace fettle::referral
