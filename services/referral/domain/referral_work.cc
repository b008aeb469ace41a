// What a worker does: AssignWorker, HandOverReferral, StartReferral, PauseReferral, ResumeReferral,
// RecordContact, RecordSignpost. Refusals in one order: not yours, not your part, not from this
// status, stale evidence, then what is wrong with the request.
#include <algorithm>
#include <memory>
#include <utility>

#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/nhs/snomed.h"
#include "services/referral/domain/referral_common.h"

namespace fettle::referral {
namespace {

// The clocks of those who record contacts may run ahead by this (INV-31).
constexpr absl::Duration kClockSkewMax = absl::Minutes(5);

// INV-31: between the day on which the referral came and now.
absl::Status CheckContactTime(const google::protobuf::Timestamp& time,
                              const v1::ReferralState& state, const base::Context& context) {
  constexpr int kNanosMax = 999'999'999;
  if (time.nanos() < 0 || time.nanos() > kNanosMax || TimeOf(time) > context.time + kClockSkewMax) {
    return base::InvalidField("contact.time", "TIME_IN_FUTURE", "now or earlier");
  }
  if (TimeOf(time) < TimeOf(state.submit_time()) &&
      (TimeOf(time) < TimeOf(state.submit_time()) - absl::Hours(24) ||
       DateOf(time) < DateOf(state.submit_time()))) {
    return base::InvalidField("contact.time", "TIME_TOO_EARLY",
                              "on or after the day on which the referral was submitted (INV-31)");
  }
  return absl::OkStatus();
}

}  // namespace

void CountReferral(const v1::ReferralState& referral, const common::v1::PersonContext& person,
                   const std::string& date, std::vector<base::NewEvent>& events) {
  if (referral.counted() || !IsSocialPrescribing(referral.service())) return;
  auto event = std::make_unique<v1::ReferralEvent>();
  v1::SocialPrescribingCounted& counted = *event->mutable_social_prescribing_counted();
  counted.set_snomed_code(std::string(nhs::kReferralToSocialPrescribing));
  counted.set_person_id(referral.person_id());
  counted.set_gp_practice(person.gp_practice());
  counted.set_icb(person.icb());
  counted.set_date(date);
  events.push_back({referral.referral_id(), std::move(event)});
}

base::Questions ReferralRules::WordsOf(const std::string& referral_id, const base::View& view) {
  base::Questions questions;
  if (const State* state = view.StateOf<State>(referral_id))
    questions.seal_for = state->person_id();
  return questions;
}

base::Questions ReferralRules::QuestionsOf(const v1::StartReferralRequest& request,
                                           const base::View& view) {
  base::Questions questions = WordsOf(request.referral_id(), view);
  if (!questions.seal_for.empty()) questions.people = {questions.seal_for};
  return questions;
}

base::Questions ReferralRules::QuestionsOf(const v1::RecordContactRequest& request,
                                           const base::View& view) {
  base::Questions questions = WordsOf(request.referral_id(), view);
  if (!questions.seal_for.empty()) questions.people = {questions.seal_for};
  return questions;
}

base::Questions ReferralRules::QuestionsOf(const v1::ResumeReferralRequest&, const base::View&) {
  return {};
}

base::Questions ReferralRules::QuestionsOf(const v1::RecordSignpostRequest& request,
                                           const base::View&) {
  base::Questions questions;
  questions.people = {request.person_id()};
  questions.seal_for = request.person_id();
  return questions;
}

base::Reads ReferralRules::ReadsOf(const v1::AssignWorkerRequest& request, const base::View& view) {
  return ReadsWithCaseload(request.referral_id(), request.worker_id(), view);
}

base::Reads ReferralRules::ReadsOf(const v1::HandOverReferralRequest& request,
                                   const base::View& view) {
  return ReadsWithCaseload(request.referral_id(), request.worker_id(), view);
}

base::Reads ReferralRules::ReadsOf(const v1::StartReferralRequest& request,
                                   const base::View& view) {
  return ReadsWithCaseload(request.referral_id(), request.worker_id(), view);
}

base::Reads ReferralRules::ReadsOf(const v1::RecordSignpostRequest& request, const base::View&) {
  base::Reads reads;
  if (!request.referral_id().empty()) reads.streams = {request.referral_id()};
  return reads;
}

ReferralRules::Decided<v1::AssignWorkerResponse> ReferralRules::Decide(
    const base::View& view, const v1::AssignWorkerRequest& request, const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireUnderWay(*state));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  if (!state->worker_id().empty()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "WORKER_ALREADY_ASSIGNED",
                        "somebody is in charge; HandOverReferral passes the referral on");
  }

  base::Decision<v1::AssignWorkerResponse> decision;
  v1::WorkerAssigned& assigned =
      *decision.Add<Event>(state->referral_id()).mutable_worker_assigned();
  assigned.set_worker_id(request.worker_id());
  if (HasWords(request.note())) *assigned.mutable_note() = request.note();
  CountCaseload(*state, request.worker_id(), view, context, decision.events);
  return decision;
}

ReferralRules::Decided<v1::HandOverReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::HandOverReferralRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireUnderWay(*state));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  if (state->worker_id().empty()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "WORKER_NOT_ASSIGNED",
                        "nobody is in charge; AssignWorker says who is");
  }
  if (request.worker_id().empty() && !state->first_contact_date().empty()) {
    return base::InvalidField("worker_id", "WORKER_NEEDED",
                              "who takes charge: after the first contact somebody always is in "
                              "charge (INV-26)");
  }

  base::Decision<v1::HandOverReferralResponse> decision;
  if (request.worker_id() == state->worker_id()) return decision;
  v1::WorkerAssigned& assigned =
      *decision.Add<Event>(state->referral_id()).mutable_worker_assigned();
  assigned.set_worker_id(request.worker_id());
  assigned.set_previous_worker_id(state->worker_id());
  *assigned.mutable_note() = request.note();
  if (!request.worker_id().empty()) {
    CountCaseload(*state, request.worker_id(), view, context, decision.events);
  }
  return decision;
}

ReferralRules::Decided<v1::StartReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::StartReferralRequest& request, const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_ACTIVE));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  FETTLE_RETURN_IF_ERROR(CheckDate("first_contact_date", request.first_contact_date(),
                                   DateOf(state->accept_time()),
                                   "on or after the day on which the referral was accepted "
                                   "(INV-31)",
                                   context));
  // A referral that comes out of a pause may have had its first contact: there is only one.
  if (!state->first_contact_date().empty() &&
      state->first_contact_date() != request.first_contact_date()) {
    return base::InvalidField("first_contact_date", "FIRST_CONTACT_ON_ANOTHER_DATE",
                              "the date that is recorded already");
  }

  base::Decision<v1::StartReferralResponse> decision;
  const common::v1::PersonContext person =
      Recorded(*context.evidence->Person(state->person_id()), context.today);
  v1::ReferralStarted& started =
      *decision.Add<Event>(state->referral_id()).mutable_referral_started();
  started.set_worker_id(request.worker_id());
  started.set_first_contact_date(request.first_contact_date());
  *started.mutable_person() = person;
  CountCaseload(*state, request.worker_id(), view, context, decision.events);
  CountReferral(*state, person, request.first_contact_date(), decision.events);
  // Out of a pause the work goes on, which is no new start: the partner heard of the first contact.
  if (state->first_contact_date().empty()) {
    TellReferrer(*state, v1::SIGNAL_STARTED, "", request.first_contact_date(), context,
                 decision.events);
  }
  return decision;
}

ReferralRules::Decided<v1::PauseReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::PauseReferralRequest& request, const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_PAUSED));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));

  base::Decision<v1::PauseReferralResponse> decision;
  v1::ReferralPaused& paused = *decision.Add<Event>(state->referral_id()).mutable_referral_paused();
  paused.set_reason_code(request.reason_code());
  paused.set_paused_from(state->status());
  if (HasWords(request.note())) *paused.mutable_note() = request.note();
  return decision;
}

ReferralRules::Decided<v1::ResumeReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::ResumeReferralRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(
      RequireChange(*state, v1::REFERRAL_STATUS_PAUSED, v1::REFERRAL_STATUS_ACTIVE));
  if (state->first_contact_date().empty()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "FIRST_CONTACT_MISSING",
                        "it was paused before the first contact: StartReferral goes on with it "
                        "when that has taken place (INV-26)");
  }

  base::Decision<v1::ResumeReferralResponse> decision;
  decision.Add<Event>(state->referral_id()).mutable_referral_resumed();
  return decision;
}

ReferralRules::Decided<v1::RecordContactResponse> ReferralRules::Decide(
    const base::View& view, const v1::RecordContactRequest& request, const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireUnderWay(*state));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  FETTLE_RETURN_IF_ERROR(RequireRoom("contacts", state->contacts_size(), kContactsMax));
  FETTLE_RETURN_IF_ERROR(CheckContactTime(request.contact().time(), *state, context));

  base::Decision<v1::RecordContactResponse> decision;
  *decision.Add<Event>(state->referral_id()).mutable_contact_recorded()->mutable_contact() =
      request.contact();
  const common::v1::PersonContext& person = *context.evidence->Person(state->person_id());
  if (person.deceased() == state->person_deceased()) return decision;
  // INV-171
  v1::PersonDeathNoted& noted =
      *decision.Add<Event>(state->referral_id()).mutable_person_death_noted();
  noted.set_deceased(person.deceased());
  noted.set_death_date(person.death_date());
  noted.set_person_version(person.version());
  return decision;
}

// INV-40: a stream of its own, or a note on the referral in whose course it was done; never a
// count.
ReferralRules::Decided<v1::RecordSignpostResponse> ReferralRules::Decide(
    const base::View& view, const v1::RecordSignpostRequest& request,
    const base::Context& context) {
  FETTLE_RETURN_IF_ERROR(RequireOrganisation(context.caller));
  std::string stream;
  if (!request.referral_id().empty()) {
    FETTLE_ASSIGN_OR_RETURN(const State* state,
                            FindReferral(view, request.referral_id(), context.caller));
    FETTLE_RETURN_IF_ERROR(RequireUnderWay(*state));
    FETTLE_RETURN_IF_ERROR(RequireRoom("signposts", state->signposts_size(), kSignpostsMax));
    if (request.person_id() != state->person_id()) {
      return base::InvalidField("person_id", "PERSON_NOT_OF_REFERRAL",
                                "the person of the referral");
    }
    stream = state->referral_id();
  }
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));

  base::Decision<v1::RecordSignpostResponse> decision;
  v1::PersonSignposted& signposted =
      *decision.Add<Event>(stream.empty() ? context.ids->Next() : stream)
           .mutable_person_signposted();
  signposted.set_person_id(request.person_id());
  signposted.set_code(request.code());
  signposted.set_service_name(request.service_name());
  if (HasWords(request.note())) *signposted.mutable_note() = request.note();
  return decision;
}

}  // namespace fettle::referral
