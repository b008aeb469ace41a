// What becomes of a referral: StartTriage, AcceptReferral, RejectReferral, StartReferral,
// CompleteReferral, WithdrawReferral. Refusals in one order: not yours, not your part, not from
// this status, stale evidence, then what is wrong with the request.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/nhs/snomed.h"
#include "services/referral/domain/referral_common.h"

namespace fettle::referral {
namespace {

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

std::string DateOf(const google::protobuf::Timestamp& time) {
  return base::LondonDate(
      absl::FromUnixNanos(google::protobuf::util::TimeUtil::TimestampToNanoseconds(time)));
}

// INV-31: not before what came before it, and not in the future.
absl::Status CheckDate(std::string_view field, std::string_view date, std::string_view earliest,
                       std::string_view since, const base::Context& context) {
  if (IsFuture(date, context)) {
    return base::InvalidField(field, "DATE_IN_FUTURE", "today or earlier");
  }
  if (date < earliest) {
    return base::InvalidField(field, "DATE_TOO_EARLY", since);
  }
  return absl::OkStatus();
}

}  // namespace

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

base::Questions ReferralRules::QuestionsOf(const v1::StartReferralRequest& request,
                                           const base::View& view) {
  base::Questions questions = WordsOf(request.referral_id(), view);
  if (!questions.seal_for.empty()) questions.people = {questions.seal_for};
  return questions;
}

base::Questions ReferralRules::WordsOf(const std::string& referral_id, const base::View& view) {
  base::Questions questions;
  if (const State* state = view.StateOf<State>(referral_id))
    questions.seal_for = state->person_id();
  return questions;
}

ReferralRules::Decided<v1::StartTriageResponse> ReferralRules::Decide(
    const base::View& view, const v1::StartTriageRequest& request, const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state,
                          FindReferral(view, request.referral_id(), context.caller));
  FETTLE_RETURN_IF_ERROR(RequireReceiver(*state, context.caller));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_IN_TRIAGE));

  base::Decision<v1::StartTriageResponse> decision;
  decision.Add<Event>(state->referral_id()).mutable_referral_triage_started();
  return decision;
}

ReferralRules::Decided<v1::AcceptReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::AcceptReferralRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state,
                          FindReferral(view, request.referral_id(), context.caller));
  FETTLE_RETURN_IF_ERROR(RequireReceiver(*state, context.caller));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_ACCEPTED));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  const common::v1::PersonContext& person = *context.evidence->Person(state->person_id());
  // The person's items may have come to the registry, or left it, since the referral was last
  // looked at.
  std::vector<std::string> missing(person.missing_items().begin(), person.missing_items().end());
  std::ranges::copy_if(state->missing_items(), std::back_inserter(missing), IsDetailItem);
  if (!missing.empty()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "MANDATORY_ITEMS_MISSING",
                        "a referral is accepted when no mandatory item is missing (INV-22); "
                        "missing: " +
                            Joined(missing),
                        {{"missing_items", Joined(missing)}});
  }

  base::Decision<v1::AcceptReferralResponse> decision;
  v1::ReferralAccepted& accepted =
      *decision.Add<Event>(state->referral_id()).mutable_referral_accepted();
  accepted.set_priority(request.priority());
  if (HasWords(request.comment())) *accepted.mutable_comment() = request.comment();
  *accepted.mutable_person() = Recorded(person, context.today);
  return decision;
}

ReferralRules::Decided<v1::RejectReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::RejectReferralRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state,
                          FindReferral(view, request.referral_id(), context.caller));
  FETTLE_RETURN_IF_ERROR(RequireReceiver(*state, context.caller));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_REJECTED));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  const auto reason =
      std::ranges::find(kRejectionReasons, request.reason_code(), &RejectionReason::code);
  if (reason == std::end(kRejectionReasons)) {
    return base::InvalidField("reason_code", "REJECTION_REASON_NOT_LISTED",
                              "a code of BaRS dos-rejected-reasons-bars: 21, 22, 23, 24, 26, 27, "
                              "31, 32, 40, 41, 42 or 99 (INV-27)");
  }
  if (reason->demands_comment && !HasWords(request.comment())) {
    return base::InvalidField("comment", "COMMENT_MISSING",
                              "1 to 200 characters with this reason (INV-27)");
  }

  base::Decision<v1::RejectReferralResponse> decision;
  v1::ReferralRejected& rejected =
      *decision.Add<Event>(state->referral_id()).mutable_referral_rejected();
  rejected.set_reason_code(request.reason_code());
  if (HasWords(request.comment())) *rejected.mutable_comment() = request.comment();
  return decision;
}

ReferralRules::Decided<v1::StartReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::StartReferralRequest& request, const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state,
                          FindReferral(view, request.referral_id(), context.caller));
  FETTLE_RETURN_IF_ERROR(RequireReceiver(*state, context.caller));
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
  if (state->counted()) return decision;  // INV-38: once an episode
  v1::SocialPrescribingCounted& counted =
      *decision.Add<Event>(state->referral_id()).mutable_social_prescribing_counted();
  counted.set_snomed_code(std::string(nhs::kReferralToSocialPrescribing));
  counted.set_person_id(state->person_id());
  counted.set_gp_practice(person.gp_practice());
  counted.set_icb(person.icb());
  counted.set_date(request.first_contact_date());
  return decision;
}

ReferralRules::Decided<v1::CompleteReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::CompleteReferralRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state,
                          FindReferral(view, request.referral_id(), context.caller));
  FETTLE_RETURN_IF_ERROR(RequireReceiver(*state, context.caller));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_COMPLETED));
  if (state->first_contact_date().empty()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "FIRST_CONTACT_MISSING",
                        "a referral is completed after a first contact (INV-30)");
  }
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  const bool has_outcomes = request.outcomes_size() > 0;
  const bool has_reason = !request.no_outcome_reason_code().empty();
  if (has_outcomes == has_reason) {
    return base::InvalidField("outcomes", "OUTCOMES_OR_REASON_FOR_NONE",
                              "at least one outcome, or no_outcome_reason_code, and not both "
                              "(INV-30)");
  }
  FETTLE_RETURN_IF_ERROR(CheckDate("closed_date", request.closed_date(),
                                   state->first_contact_date(),
                                   "on or after the day of the first contact (INV-31)", context));

  base::Decision<v1::CompleteReferralResponse> decision;
  v1::ReferralCompleted& completed =
      *decision.Add<Event>(state->referral_id()).mutable_referral_completed();
  *completed.mutable_outcomes() = request.outcomes();
  completed.set_no_outcome_reason_code(request.no_outcome_reason_code());
  completed.set_closed_date(request.closed_date());
  return decision;
}

base::Reads ReferralRules::ReadsOf(const v1::WithdrawReferralRequest& request, const base::View&) {
  base::Reads reads;
  reads.streams = {request.referral_id()};
  if (request.has_partner_message()) {
    reads.unique.emplace_back(kMessageIndex,
                              MessageKey(request.partner_message().request_id(),
                                         request.partner_message().correlation_id()));
  }
  return reads;
}

ReferralRules::Decided<v1::WithdrawReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::WithdrawReferralRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state,
                          FindReferral(view, request.referral_id(), context.caller));
  FETTLE_RETURN_IF_ERROR(RequireReferrer(*state, context.caller));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_WITHDRAWN));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  if (request.has_partner_message()) {
    FETTLE_RETURN_IF_ERROR(
        CheckPartnerMessageOfCase(request.partner_message(), *state, view, context));
  }

  base::Decision<v1::WithdrawReferralResponse> decision;
  v1::ReferralWithdrawn& withdrawn =
      *decision.Add<Event>(state->referral_id()).mutable_referral_withdrawn();
  withdrawn.set_reason_code(request.reason_code());
  if (request.has_partner_message()) {
    *withdrawn.mutable_partner_message() = request.partner_message();
  }
  return decision;
}

}  // namespace fettle::referral
