// How the receiving service looks at a referral: StartTriage, AcceptReferral, RejectReferral,
// RecordTriageOutcome, RequestInformation, ProvideInformation, ChangePriority. Refusals in one
// order: not yours, not your part, not from this status, stale evidence, then what is wrong with
// the request.
#include <algorithm>
#include <utility>

#include "libs/base/status.h"
#include "services/referral/domain/referral_common.h"

namespace fettle::referral {
namespace {

using common::v1::SealedText;

// INV-27. BaRS, https://fhir.nhs.uk/CodeSystem/dos-rejected-reasons-bars.
struct RejectionReason {
  std::string_view code;
  std::string_view display;
  bool demands_comment;
};
constexpr RejectionReason kRejectionReasons[] = {
    {"21", "transport", false},
    {"22", "capacity", false},
    {"23", "not clinically appropriate", false},
    {"24", "service declined", false},
    {"26", "patient choice", false},
    {"27", "could not be contacted", false},
    {"31", "no appointments", false},
    {"32", "appointments not suitable", false},
    {"40", "patient not eligible", false},
    {"41", "home visit requested", false},
    {"42", "distance", false},
    {"99", "other", true},
};

// INV-171: to accept a referral is to promise that somebody will be in touch.
absl::Status CheckAlive(const common::v1::PersonContext& person) {
  if (!person.deceased()) return absl::OkStatus();
  return base::Refuse(absl::StatusCode::kFailedPrecondition, "PERSON_DECEASED",
                      "the registry says that the person has died; RejectReferral closes the "
                      "referral (INV-171)");
}

// INV-37: who changes the priority says why.
absl::Status CheckPriority(const v1::ReferralState& state, v1::Priority priority,
                           const SealedText& comment) {
  if (priority == v1::PRIORITY_UNSPECIFIED || priority == state.priority() || HasWords(comment)) {
    return absl::OkStatus();
  }
  return base::InvalidField("comment", "COMMENT_MISSING",
                            "why the priority changes, 1 to 200 characters (INV-37)");
}

absl::Status CheckReason(const std::string& code, const SealedText& comment) {
  const auto reason = std::ranges::find(kRejectionReasons, code, &RejectionReason::code);
  if (reason == std::end(kRejectionReasons)) {
    return base::InvalidField("reason_code", "REJECTION_REASON_NOT_LISTED",
                              "a code of BaRS dos-rejected-reasons-bars: 21, 22, 23, 24, 26, 27, "
                              "31, 32, 40, 41, 42 or 99 (INV-27)");
  }
  if (reason->demands_comment && !HasWords(comment)) {
    return base::InvalidField("comment", "COMMENT_MISSING",
                              "1 to 200 characters with this reason (INV-27)");
  }
  return absl::OkStatus();
}

void Fill(v1::ReferralAccepted& accepted, v1::Priority priority, const SealedText& comment,
          const common::v1::PersonContext& person, const base::Context& context) {
  accepted.set_priority(priority);
  if (HasWords(comment)) *accepted.mutable_comment() = comment;
  *accepted.mutable_person() = Recorded(person, context.today);
}

void Fill(v1::ReferralRejected& rejected, const std::string& reason_code,
          const SealedText& comment) {
  rejected.set_reason_code(reason_code);
  if (HasWords(comment)) *rejected.mutable_comment() = comment;
}

}  // namespace

absl::Status CheckComplete(const v1::ReferralState& state,
                           const common::v1::PersonContext& person) {
  std::vector<std::string> missing(person.missing_items().begin(), person.missing_items().end());
  std::ranges::copy_if(state.missing_items(), std::back_inserter(missing), IsDetailItem);
  if (missing.empty()) return absl::OkStatus();
  return base::Refuse(absl::StatusCode::kFailedPrecondition, "MANDATORY_ITEMS_MISSING",
                      "a referral is accepted when no mandatory item is missing (INV-22); "
                      "missing: " +
                          Joined(missing),
                      {{"missing_items", Joined(missing)}});
}

bool IsRejectionReason(std::string_view code) {
  return std::ranges::find(kRejectionReasons, code, &RejectionReason::code) !=
         std::end(kRejectionReasons);
}

base::Questions ReferralRules::QuestionsOf(const v1::StartTriageRequest&, const base::View&) {
  return {};
}

base::Questions ReferralRules::QuestionsOf(const v1::AcceptReferralRequest& request,
                                           const base::View& view) {
  base::Questions questions = WordsOf(request.referral_id(), view);
  if (!questions.seal_for.empty()) questions.people = {questions.seal_for};
  questions.fresh_people = true;
  return questions;
}

base::Questions ReferralRules::QuestionsOf(const v1::RecordTriageOutcomeRequest& request,
                                           const base::View& view) {
  base::Questions questions = WordsOf(request.referral_id(), view);
  if (!questions.seal_for.empty()) questions.people = {questions.seal_for};
  questions.fresh_people = true;
  return questions;
}

ReferralRules::Decided<v1::StartTriageResponse> ReferralRules::Decide(
    const base::View& view, const v1::StartTriageRequest& request, const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_IN_TRIAGE));

  base::Decision<v1::StartTriageResponse> decision;
  decision.Add<Event>(state->referral_id()).mutable_referral_triage_started();
  return decision;
}

ReferralRules::Decided<v1::AcceptReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::AcceptReferralRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_ACCEPTED));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  const common::v1::PersonContext& person = *context.evidence->Person(state->person_id());
  FETTLE_RETURN_IF_ERROR(CheckAlive(person));
  FETTLE_RETURN_IF_ERROR(CheckComplete(*state, person));
  FETTLE_RETURN_IF_ERROR(CheckPriority(*state, request.priority(), request.comment()));

  base::Decision<v1::AcceptReferralResponse> decision;
  Fill(*decision.Add<Event>(state->referral_id()).mutable_referral_accepted(), request.priority(),
       request.comment(), person, context);
  TellReferrer(*state, v1::SIGNAL_TAKEN, "", "", context, decision.events);
  return decision;
}

ReferralRules::Decided<v1::RejectReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::RejectReferralRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_REJECTED));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  FETTLE_RETURN_IF_ERROR(CheckReason(request.reason_code(), request.comment()));

  base::Decision<v1::RejectReferralResponse> decision;
  Fill(*decision.Add<Event>(state->referral_id()).mutable_referral_rejected(),
       request.reason_code(), request.comment());
  TellReferrer(*state, v1::SIGNAL_REJECTED, request.reason_code(), "", context, decision.events);
  return decision;
}

ReferralRules::Decided<v1::RecordTriageOutcomeResponse> ReferralRules::Decide(
    const base::View& view, const v1::RecordTriageOutcomeRequest& request,
    const base::Context& context) {
  const bool accepts = request.outcome() == v1::TRIAGE_OUTCOME_ACCEPT_REFER_BOOK_LATER;
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(
      RequireChange(*state, v1::REFERRAL_STATUS_IN_TRIAGE,
                    accepts ? v1::REFERRAL_STATUS_ACCEPTED : v1::REFERRAL_STATUS_REJECTED));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  const common::v1::PersonContext& person = *context.evidence->Person(state->person_id());
  if (accepts) {
    FETTLE_RETURN_IF_ERROR(CheckAlive(person));
    FETTLE_RETURN_IF_ERROR(CheckComplete(*state, person));
  } else {
    if (request.advice() == v1::ADVICE_UNSPECIFIED) {
      return base::InvalidField("advice", "ADVICE_MISSING",
                                "what the advice comes to, when the referral goes back with it");
    }
    FETTLE_RETURN_IF_ERROR(CheckReason(request.reason_code(), request.comment()));
  }

  base::Decision<v1::RecordTriageOutcomeResponse> decision;
  v1::TriageOutcomeRecorded& outcome =
      *decision.Add<Event>(state->referral_id()).mutable_triage_outcome_recorded();
  outcome.set_outcome(request.outcome());
  if (!accepts) outcome.set_advice(request.advice());
  *outcome.mutable_comment() = request.comment();
  Event& end = decision.Add<Event>(state->referral_id());
  if (accepts) {
    Fill(*end.mutable_referral_accepted(), request.priority(), request.comment(), person, context);
    TellReferrer(*state, v1::SIGNAL_TAKEN, "", "", context, decision.events);
  } else {
    Fill(*end.mutable_referral_rejected(), request.reason_code(), request.comment());
    TellReferrer(*state, v1::SIGNAL_REJECTED, request.reason_code(), "", context, decision.events);
  }
  return decision;
}

ReferralRules::Decided<v1::RequestInformationResponse> ReferralRules::Decide(
    const base::View& view, const v1::RequestInformationRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_INFO_REQUESTED));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  FETTLE_RETURN_IF_ERROR(RequireRoom("questions", state->inquiries_size(), kInquiriesMax));

  base::Decision<v1::RequestInformationResponse> decision;
  *decision.Add<Event>(state->referral_id()).mutable_information_requested()->mutable_question() =
      request.question();
  return decision;
}

ReferralRules::Decided<v1::ProvideInformationResponse> ReferralRules::Decide(
    const base::View& view, const v1::ProvideInformationRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state,
                          FindReferral(view, request.referral_id(), context.caller));
  FETTLE_RETURN_IF_ERROR(RequireReferrer(*state, context.caller));
  FETTLE_RETURN_IF_ERROR(
      RequireChange(*state, v1::REFERRAL_STATUS_INFO_REQUESTED, v1::REFERRAL_STATUS_IN_TRIAGE));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));

  base::Decision<v1::ProvideInformationResponse> decision;
  *decision.Add<Event>(state->referral_id()).mutable_information_provided()->mutable_answer() =
      request.answer();
  return decision;
}

ReferralRules::Decided<v1::ChangePriorityResponse> ReferralRules::Decide(
    const base::View& view, const v1::ChangePriorityRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireUnderWay(*state));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  FETTLE_RETURN_IF_ERROR(
      RequireRoom("changes of priority", state->priority_changes_size(), kPriorityChangesMax));

  base::Decision<v1::ChangePriorityResponse> decision;
  if (request.priority() == state->priority()) return decision;
  v1::ReferralPriorityChanged& changed =
      *decision.Add<Event>(state->referral_id()).mutable_referral_priority_changed();
  changed.set_from(state->priority());
  changed.set_to(request.priority());
  *changed.mutable_reason() = request.reason();
  return decision;
}

}  // namespace fettle::referral
