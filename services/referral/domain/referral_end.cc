// How a referral ends: CompleteReferral, WithdrawReferral, CloseAsNoContact, DeclineReferral,
// MarkEnteredInError. Refusals in one order: not yours, not your part, not from this status, stale
// evidence, then what is wrong with the request.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/nhs/snomed.h"
#include "services/referral/domain/referral_common.h"

namespace fettle::referral {
namespace {

// Days with an attempt since the person was last reached (INV-29).
int AttemptDays(const v1::ReferralState& state) {
  absl::Time reached = absl::InfinitePast();
  for (const v1::Contact& contact : state.contacts()) {
    if (contact.outcome() == v1::CONTACT_OUTCOME_REACHED) {
      reached = std::max(reached, TimeOf(contact.time()));
    }
  }
  std::set<std::string> days;
  for (const v1::Contact& contact : state.contacts()) {
    if (TimeOf(contact.time()) > reached) days.insert(DateOf(contact.time()));
  }
  return static_cast<int>(days.size());
}

}  // namespace

base::Questions ReferralRules::QuestionsOf(const v1::DeclineReferralRequest& request,
                                           const base::View& view) {
  base::Questions questions = WordsOf(request.referral_id(), view);
  if (!questions.seal_for.empty()) questions.people = {questions.seal_for};
  return questions;
}

ReferralRules::Decided<v1::CompleteReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::CompleteReferralRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
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
  TellReferrer(*state, v1::SIGNAL_COMPLETED, "", request.closed_date(), context, decision.events);
  return decision;
}

base::Reads ReferralRules::ReadsOf(const v1::WithdrawReferralRequest& request, const base::View&) {
  return ReadsWithMessage(request);
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
  CancelAtService(*state, v1::SIGNAL_CANCEL, view, context, decision.events);
  return decision;
}

ReferralRules::Decided<v1::CloseAsNoContactResponse> ReferralRules::Decide(
    const base::View& view, const v1::CloseAsNoContactRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state, FindReceived(view, request, context));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_NO_CONTACT));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  const int days = AttemptDays(*state);
  const int days_min =
      state->terms().no_contact_days() > 0 ? state->terms().no_contact_days() : kNoContactDaysMin;
  if (days < days_min) {
    return base::Refuse(
        absl::StatusCode::kFailedPrecondition, "ATTEMPTS_TOO_FEW",
        absl::StrCat("attempts on ", days_min,
                     " different days since the person was last reached must be "
                     "recorded before this (INV-29)"),
        {{"attempt_days", absl::StrCat(days)}, {"attempt_days_min", absl::StrCat(days_min)}});
  }

  base::Decision<v1::CloseAsNoContactResponse> decision;
  v1::ReferralClosedAsNoContact& closed =
      *decision.Add<Event>(state->referral_id()).mutable_referral_closed_as_no_contact();
  closed.set_attempt_days(days);
  if (HasWords(request.note())) *closed.mutable_note() = request.note();
  TellReferrer(*state, v1::SIGNAL_DID_NOT_ATTEND, "", "", context, decision.events);
  return decision;
}

// The person may say no to either organisation.
ReferralRules::Decided<v1::DeclineReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::DeclineReferralRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state,
                          FindReferral(view, request.referral_id(), context.caller));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_DECLINED));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  FETTLE_RETURN_IF_ERROR(CheckDate(
      "decision_date", request.decision_date(), DateOf(state->submit_time()),
      "on or after the day on which the referral was submitted (INV-28, INV-31)", context));

  base::Decision<v1::DeclineReferralResponse> decision;
  v1::ReferralDeclined& declined =
      *decision.Add<Event>(state->referral_id()).mutable_referral_declined();
  declined.set_decision_date(request.decision_date());
  declined.set_reason_code(request.reason_code());
  if (HasWords(request.note())) *declined.mutable_note() = request.note();
  CancelAtService(*state, v1::SIGNAL_CANCEL, view, context, decision.events);
  if (!IsSocialPrescribing(state->service())) return decision;
  const common::v1::PersonContext person =
      Recorded(*context.evidence->Person(state->person_id()), context.today);
  v1::SocialPrescribingDeclined& counted =
      *decision.Add<Event>(state->referral_id()).mutable_social_prescribing_declined();
  counted.set_snomed_code(std::string(nhs::kSocialPrescribingDeclined));
  counted.set_person_id(state->person_id());
  counted.set_gp_practice(person.gp_practice());
  counted.set_icb(person.icb());
  counted.set_date(request.decision_date());
  return decision;
}

base::Reads ReferralRules::ReadsOf(const v1::MarkEnteredInErrorRequest& request,
                                   const base::View&) {
  return ReadsWithMessage(request);
}

// Either organisation may find that it was an error; a partner's message speaks for the referrer.
ReferralRules::Decided<v1::MarkEnteredInErrorResponse> ReferralRules::Decide(
    const base::View& view, const v1::MarkEnteredInErrorRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state,
                          FindReferral(view, request.referral_id(), context.caller));
  if (request.has_partner_message()) {
    FETTLE_RETURN_IF_ERROR(RequireReferrer(*state, context.caller));
  }
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, v1::REFERRAL_STATUS_ENTERED_IN_ERROR));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  if (request.has_partner_message()) {
    FETTLE_RETURN_IF_ERROR(
        CheckPartnerMessageOfCase(request.partner_message(), *state, view, context));
  }

  base::Decision<v1::MarkEnteredInErrorResponse> decision;
  v1::ReferralEnteredInError& marked =
      *decision.Add<Event>(state->referral_id()).mutable_referral_entered_in_error();
  marked.set_reason_code(request.reason_code());
  if (HasWords(request.note())) *marked.mutable_note() = request.note();
  if (request.has_partner_message()) {
    *marked.mutable_partner_message() = request.partner_message();
  }
  // INV-39: what was counted is taken back, each code once.
  for (const v1::CountedCode& code : state->counted_codes()) {
    v1::SocialPrescribingRetracted& retracted =
        *decision.Add<Event>(state->referral_id()).mutable_social_prescribing_retracted();
    retracted.set_snomed_code(code.snomed_code());
    retracted.set_person_id(state->person_id());
    retracted.set_gp_practice(code.gp_practice());
    retracted.set_icb(code.icb());
    retracted.set_date(code.date());
  }
  CancelAtService(*state, v1::SIGNAL_CANCEL_AS_ERROR, view, context, decision.events);
  return decision;
}

}  // namespace fettle::referral
