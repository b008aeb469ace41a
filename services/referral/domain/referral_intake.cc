// How a referral comes and becomes complete: SubmitReferral, ProvideMissingDetails.
#include <algorithm>
#include <utility>

#include "libs/base/status.h"
#include "services/referral/domain/referral_common.h"
#include "services/referral/domain/transitions.h"

namespace fettle::referral {
namespace {

using Organisation = base::Questions::OrganisationQuestion;

// The referrer's organisation on the day of the referral; without a date of the referral, on the
// day of asking.
Organisation ReferrerQuestion(const v1::ReferralDetails& details) {
  return {details.referrer().organisation(), details.referral_date()};
}

// The receiving organisation now (an empty date is the day of asking): it is asked to help from now
// on.
Organisation ReceiverQuestion(const v1::ReceivingService& service) {
  return {service.organisation(), ""};
}

bool IsValid(const base::Evidence& evidence, const Organisation& question) {
  return !question.ods_code.empty() && evidence.Organisation(question)->valid();
}

// All that is missing, the person's items first, as in the standard.
std::vector<std::string> MissingItems(const common::v1::PersonContext& person,
                                      const v1::ReferralDetails& details, bool organisation_valid) {
  std::vector<std::string> missing(person.missing_items().begin(), person.missing_items().end());
  std::ranges::move(MissingDetails(details, organisation_valid), std::back_inserter(missing));
  return missing;
}

absl::Status ReferrerNotKnown() {
  return base::InvalidField("details.referrer.organisation", "ORGANISATION_NOT_KNOWN",
                            "the ODS code of an organisation that the registry knows as valid on "
                            "the date of the referral (INV-10)");
}

absl::Status ReferralDateInFuture() {
  return base::InvalidField("details.referral_date", "DATE_IN_FUTURE", "today or earlier");
}

// A partner's message comes with a BaRS intake and with no other.
absl::Status CheckIntake(const v1::SubmitReferralRequest& request) {
  const bool is_direct = request.intake() == v1::INTAKE_DIRECT;
  if (is_direct && request.has_partner_message()) {
    return base::InvalidField("partner_message", "PARTNER_MESSAGE_NOT_EXPECTED",
                              "none with INTAKE_DIRECT");
  }
  if (!is_direct && !request.has_partner_message()) {
    return base::InvalidField("partner_message", "PARTNER_MESSAGE_MISSING",
                              "the message, with an intake by BaRS");
  }
  return absl::OkStatus();
}

absl::Status CheckPerson(const common::v1::PersonContext& person) {
  if (!person.merged_into().empty()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "PERSON_MERGED",
                        "person_id: this record was merged into another, which stands for the "
                        "person now",
                        {{"merged_into", person.merged_into()}});
  }
  const bool has_birth_date =
      std::ranges::find(person.missing_items(), "date_of_birth") == person.missing_items().end();
  if (has_birth_date && person.age_years() < 0) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "BIRTH_DATE_AFTER_REFERRAL",
                        "person_id: the recorded date of birth is after today (INV-14)");
  }
  return absl::OkStatus();
}

// INV-33: a re-referral is a new referral that points to a closed one of the same person.
absl::Status CheckReplaces(const v1::SubmitReferralRequest& request, const base::View& view,
                           const base::Context& context) {
  if (request.replaces().empty()) return absl::OkStatus();
  FETTLE_ASSIGN_OR_RETURN(const v1::ReferralState* replaced,
                          FindReferral(view, request.replaces(), context.caller));
  if (replaced->person_id() != request.person_id()) {
    return base::InvalidField("replaces", "REPLACED_REFERRAL_OF_ANOTHER_PERSON",
                              "a closed referral of the same person");
  }
  if (!IsTerminal(replaced->status())) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "REPLACED_REFERRAL_STILL_OPEN",
                        "replaces: withdraw the open referral before another one replaces it",
                        {{"status", std::string(StatusName(replaced->status()))}});
  }
  return absl::OkStatus();
}

// INV-32: one open referral for a person and service.
absl::Status CheckNoneOpen(const v1::SubmitReferralRequest& request, const base::View& view,
                           const base::Context& context) {
  const std::optional<std::string> open =
      view.Holder(kOpenIndex, OpenKey(request.person_id(), request.service().service_id()));
  if (!open) return absl::OkStatus();
  std::map<std::string, std::string> metadata;
  if (FindReferral(view, *open, context.caller).ok()) metadata = {{"referral_id", *open}};
  return base::Refuse(absl::StatusCode::kAlreadyExists, "OPEN_REFERRAL_EXISTS",
                      "an open referral of this person to this service exists; it must be closed "
                      "before there is another",
                      std::move(metadata));
}

void FillEvidence(const base::Questions& questions, const base::Evidence& evidence,
                  google::protobuf::RepeatedPtrField<common::v1::OrganisationFact>& facts) {
  for (const Organisation& question : questions.organisations) {
    *facts.Add() = *evidence.Organisation(question);
  }
}

}  // namespace

base::Reads ReferralRules::ReadsOf(const v1::SubmitReferralRequest& request, const base::View&) {
  base::Reads reads;
  if (!request.replaces().empty()) reads.streams.push_back(request.replaces());
  reads.unique.emplace_back(kOpenIndex,
                            OpenKey(request.person_id(), request.service().service_id()));
  if (request.has_partner_message()) {
    reads.unique.emplace_back(kMessageIndex,
                              MessageKey(request.partner_message().request_id(),
                                         request.partner_message().correlation_id()));
  }
  return reads;
}

base::Questions ReferralRules::QuestionsOf(const v1::SubmitReferralRequest& request,
                                           const base::View&) {
  base::Questions questions;
  questions.people = {request.person_id()};
  // A partner's message brings the person's items and the referral in one breath.
  questions.fresh_people = request.has_partner_message();
  questions.seal_for = request.person_id();
  questions.organisations = {ReceiverQuestion(request.service())};
  const Organisation referrer = ReferrerQuestion(request.details());
  if (!referrer.ods_code.empty()) questions.organisations.push_back(referrer);
  return questions;
}

ReferralRules::Decided<v1::SubmitReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::SubmitReferralRequest& request,
    const base::Context& context) {
  if (context.caller.organisation.empty()) {
    return base::Refuse(absl::StatusCode::kPermissionDenied, "CALLER_WITHOUT_ORGANISATION",
                        "a referral is submitted by somebody of an organisation");
  }
  FETTLE_RETURN_IF_ERROR(CheckIntake(request));
  const base::Questions questions = QuestionsOf(request, view);
  const base::Evidence& evidence = *context.evidence;
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(questions, evidence));
  if (request.has_partner_message()) {
    FETTLE_RETURN_IF_ERROR(CheckPartnerMessage(request.partner_message(), view, context));
  }
  const common::v1::PersonContext& person = *evidence.Person(request.person_id());
  FETTLE_RETURN_IF_ERROR(CheckPerson(person));
  FETTLE_RETURN_IF_ERROR(CheckReplaces(request, view, context));
  const v1::ReferralDetails& details = request.details();
  if (IsFuture(details.referral_date(), context)) return ReferralDateInFuture();
  if (!IsValid(evidence, ReceiverQuestion(request.service()))) {
    return base::InvalidField("service.organisation", "ORGANISATION_NOT_KNOWN",
                              "the ODS code of an organisation that the registry knows as valid "
                              "today (INV-10)");
  }
  const bool may_lack = request.intake() == v1::INTAKE_BARS_INCOMPLETE_ALLOWED;
  const bool referrer_valid = IsValid(evidence, ReferrerQuestion(details));
  if (!may_lack && !referrer_valid && !details.referrer().organisation().empty()) {
    return ReferrerNotKnown();
  }
  const std::vector<std::string> missing = MissingItems(person, details, referrer_valid);
  if (!may_lack && !missing.empty()) {
    base::FieldViolations violations;
    for (const std::string& item : missing) {
      violations.Add(FieldOfItem(item), "MANDATORY_ITEM_MISSING",
                     "must be there before a referral is submitted (INV-22)");
    }
    return violations.ToStatus();
  }
  FETTLE_RETURN_IF_ERROR(CheckNoneOpen(request, view, context));

  base::Decision<v1::SubmitReferralResponse> decision;
  const std::string referral_id = context.ids->Next();
  v1::ReferralSubmitted& submitted = *decision.Add<Event>(referral_id).mutable_referral_submitted();
  submitted.set_person_id(request.person_id());
  *submitted.mutable_service() = request.service();
  *submitted.mutable_details() = details;
  submitted.set_intake(request.intake());
  submitted.mutable_missing_items()->Assign(missing.begin(), missing.end());
  submitted.set_replaces(request.replaces());
  if (request.has_partner_message()) {
    *submitted.mutable_partner_message() = request.partner_message();
  }
  *submitted.mutable_person() = Recorded(person, context.today);
  FillEvidence(questions, evidence, *submitted.mutable_organisations());
  submitted.set_referring_organisation(context.caller.organisation);

  decision.response.set_referral_id(referral_id);
  decision.response.set_correlation_id(context.correlation_id);
  *decision.response.mutable_missing_items() = submitted.missing_items();
  return decision;
}

base::Reads ReferralRules::ReadsOf(const v1::ProvideMissingDetailsRequest& request,
                                   const base::View&) {
  base::Reads reads;
  reads.streams = {request.referral_id()};
  if (request.has_partner_message()) {
    reads.unique.emplace_back(kMessageIndex,
                              MessageKey(request.partner_message().request_id(),
                                         request.partner_message().correlation_id()));
  }
  return reads;
}

base::Questions ReferralRules::QuestionsOf(const v1::ProvideMissingDetailsRequest& request,
                                           const base::View& view) {
  base::Questions questions;
  const auto* state = view.StateOf<State>(request.referral_id());
  if (state == nullptr) return questions;
  questions.people = {state->person_id()};
  questions.fresh_people = true;
  questions.seal_for = state->person_id();
  v1::ReferralDetails details = state->details();
  MergeDetails(details, request.details());
  const Organisation referrer = ReferrerQuestion(details);
  if (!referrer.ods_code.empty()) questions.organisations.push_back(referrer);
  return questions;
}

ReferralRules::Decided<v1::ProvideMissingDetailsResponse> ReferralRules::Decide(
    const base::View& view, const v1::ProvideMissingDetailsRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* state,
                          FindReferral(view, request.referral_id(), context.caller));
  // The receiving service may fill in what it learns from the referrer; a partner speaks for the
  // referrer.
  if (request.has_partner_message()) {
    FETTLE_RETURN_IF_ERROR(RequireReferrer(*state, context.caller));
  }
  if (IsTerminal(state->status())) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "REFERRAL_CLOSED",
                        "a closed referral does not change; a new one may replace it",
                        {{"status", std::string(StatusName(state->status()))}});
  }
  const base::Questions questions = QuestionsOf(request, view);
  const base::Evidence& evidence = *context.evidence;
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(questions, evidence));
  if (request.has_partner_message()) {
    FETTLE_RETURN_IF_ERROR(
        CheckPartnerMessageOfCase(request.partner_message(), *state, view, context));
    if (state->partner_messages_size() >= kPartnerMessagesMax) {
      return base::Refuse(absl::StatusCode::kFailedPrecondition, "PARTNER_MESSAGES_TOO_MANY",
                          "partner_message: a referral takes 1,000 messages at most");
    }
  }
  if (IsFuture(request.details().referral_date(), context)) return ReferralDateInFuture();
  v1::ReferralDetails details = state->details();
  MergeDetails(details, request.details());
  const bool referrer_valid = IsValid(evidence, ReferrerQuestion(details));
  // What was allowed to be missing may still be; nothing that was there goes missing.
  const bool may_lack =
      state->intake() == v1::INTAKE_BARS_INCOMPLETE_ALLOWED && !state->has_accept_time();
  if (!may_lack && !referrer_valid) return ReferrerNotKnown();

  const common::v1::PersonContext& person = *evidence.Person(state->person_id());
  const std::vector<std::string> missing = MissingItems(person, details, referrer_valid);
  base::Decision<v1::ProvideMissingDetailsResponse> decision;
  decision.response.mutable_missing_items()->Assign(missing.begin(), missing.end());
  const bool brings_something =
      request.has_partner_message() || request.details().ByteSizeLong() > 0;
  if (!brings_something && std::ranges::equal(missing, state->missing_items())) return decision;
  v1::ReferralDetailsProvided& provided =
      *decision.Add<Event>(state->referral_id()).mutable_referral_details_provided();
  *provided.mutable_details() = request.details();
  *provided.mutable_missing_items() = decision.response.missing_items();
  if (request.has_partner_message()) {
    *provided.mutable_partner_message() = request.partner_message();
  }
  *provided.mutable_person() = Recorded(person, context.today);
  FillEvidence(questions, evidence, *provided.mutable_organisations());
  return decision;
}

}  // namespace fettle::referral
