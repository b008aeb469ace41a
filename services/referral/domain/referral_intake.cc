// How a referral comes and becomes complete: SubmitReferral, DraftReferral, SubmitDraft,
// ProvideMissingDetails.
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

// INV-34: an onward referral is of the same person and goes on with the same journey. Gives the
// journey, empty when it is no onward referral.
absl::StatusOr<std::string> JourneyOfParent(const std::string& onward_of,
                                            const std::string& person_id,
                                            const std::string& correlation_id,
                                            const base::View& view, const base::Context& context) {
  if (onward_of.empty()) return std::string();
  FETTLE_ASSIGN_OR_RETURN(const v1::ReferralState* parent,
                          FindReferral(view, onward_of, context.caller));
  if (parent->person_id() != person_id) {
    return base::InvalidField("onward_of", "ONWARD_OF_ANOTHER_PERSON",
                              "a referral of the same person");
  }
  if (!correlation_id.empty() && correlation_id != parent->correlation_id()) {
    return base::InvalidField("correlation_id", "JOURNEY_OF_ANOTHER_REFERRAL",
                              "that of the referral which led to this one, or none (INV-34)");
  }
  return parent->correlation_id();
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

// What the directory knows of the service: whether it takes the referral, what it promises, and
// what its rules say of the person on this day, which is the day on which it receives the referral.
absl::Status ApplyDirectory(const v1::Service& service, const common::v1::PersonContext& person,
                            const base::Context& context, v1::ReferralSubmitted& event) {
  if (service.organisation() != event.service().organisation()) {
    return base::InvalidField("service.organisation", "SERVICE_OF_ANOTHER_ORGANISATION",
                              "the organisation that runs the service, as the directory says");
  }
  if (!service.closed_from().empty() && service.closed_from() <= context.today) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "SERVICE_CLOSED",
                        "service.service_id: the service takes no more referrals",
                        {{"closed_from", service.closed_from()}});
  }
  const v1::ServiceDescription& description = service.description();
  event.mutable_service()->set_kind(description.kind());
  event.mutable_service()->set_name(description.name());
  v1::ServiceTerms& terms = *event.mutable_terms();
  terms.set_target_wait_days(description.target_wait_days());
  terms.set_worker_caseload(description.worker_caseload());
  terms.set_no_contact_days(description.no_contact_days());
  terms.set_dos_service_id(description.dos_service_id());
  *terms.mutable_stage_limits() = description.stage_limits();
  if (std::optional<v1::Eligibility> eligibility =
          Evaluate(service, context.today, person, event.details())) {
    *event.mutable_eligibility() = *std::move(eligibility);
  }
  return absl::OkStatus();
}

// What a submission must hold, whoever makes it and whether it was a draft; `event` becomes what is
// recorded of it.
absl::Status CheckSubmission(const v1::SubmitReferralRequest& request,
                             const base::Questions& questions, const base::View& view,
                             const base::Context& context, v1::ReferralSubmitted& event) {
  const base::Evidence& evidence = *context.evidence;
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

  event.set_person_id(request.person_id());
  *event.mutable_service() = request.service();
  *event.mutable_details() = details;
  event.set_intake(request.intake());
  event.mutable_missing_items()->Assign(missing.begin(), missing.end());
  event.set_replaces(request.replaces());
  event.set_onward_of(request.onward_of());
  if (request.has_partner_message()) {
    *event.mutable_partner_message() = request.partner_message();
  }
  *event.mutable_person() = Recorded(person, context.today);
  FillEvidence(questions, evidence, *event.mutable_organisations());
  event.set_referring_organisation(context.caller.organisation);
  if (const v1::Service* service = FindService(view, request.service().service_id())) {
    FETTLE_RETURN_IF_ERROR(ApplyDirectory(*service, person, context, event));
  }
  return absl::OkStatus();
}

// INV-21: what is published of a draft that has changed is what was published of it at first.
void Redraft(const v1::ReferralState& draft, const v1::ReferralDetails& details,
             v1::ReferralDrafted& event) {
  event.set_person_id(draft.person_id());
  event.set_service_id(draft.service().service_id());
  *event.mutable_service() = draft.service();
  *event.mutable_details() = details;
  event.set_replaces(draft.replaces());
  event.set_onward_of(draft.onward_of());
}

// A draft as the request that it would be.
v1::SubmitReferralRequest Submission(const v1::ReferralState& draft) {
  v1::SubmitReferralRequest request;
  request.set_person_id(draft.person_id());
  *request.mutable_service() = draft.service();
  *request.mutable_details() = draft.details();
  request.set_intake(v1::INTAKE_DIRECT);
  request.set_replaces(draft.replaces());
  request.set_onward_of(draft.onward_of());
  return request;
}

// The streams and entries that a submission looks at, without the referral's own.
base::Reads ReadsOfSubmission(const v1::SubmitReferralRequest& request) {
  base::Reads reads;
  if (!request.replaces().empty()) reads.streams.push_back(request.replaces());
  if (!request.onward_of().empty()) reads.streams.push_back(request.onward_of());
  reads.streams.push_back(request.service().service_id());
  reads.unique.emplace_back(kOpenIndex,
                            OpenKey(request.person_id(), request.service().service_id()));
  if (request.has_partner_message()) {
    reads.unique.emplace_back(kMessageIndex,
                              MessageKey(request.partner_message().request_id(),
                                         request.partner_message().correlation_id()));
  }
  return reads;
}

}  // namespace

base::Reads ReferralRules::ReadsOf(const v1::SubmitReferralRequest& request, const base::View&) {
  return ReadsOfSubmission(request);
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
  FETTLE_RETURN_IF_ERROR(RequireOrganisation(context.caller));
  FETTLE_RETURN_IF_ERROR(CheckIntake(request));
  const base::Questions questions = QuestionsOf(request, view);
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(questions, *context.evidence));
  if (request.has_partner_message()) {
    FETTLE_RETURN_IF_ERROR(CheckPartnerMessage(request.partner_message(), view, context));
  }
  FETTLE_ASSIGN_OR_RETURN(const std::string journey,
                          JourneyOfParent(request.onward_of(), request.person_id(),
                                          request.correlation_id(), view, context));

  base::Decision<v1::SubmitReferralResponse> decision;
  const std::string referral_id = context.ids->Next();
  Event& event = decision.Add<Event>(referral_id);
  v1::ReferralSubmitted& submitted = *event.mutable_referral_submitted();
  FETTLE_RETURN_IF_ERROR(CheckSubmission(request, questions, view, context, submitted));
  if (!journey.empty()) event.mutable_header()->set_correlation_id(journey);
  decision.response.set_referral_id(referral_id);
  decision.response.set_correlation_id(journey.empty() ? context.correlation_id : journey);
  *decision.response.mutable_missing_items() = submitted.missing_items();
  SendToService(referral_id, submitted, decision.response.correlation_id(), context,
                decision.events);
  return decision;
}

base::Reads ReferralRules::ReadsOf(const v1::DraftReferralRequest& request, const base::View&) {
  base::Reads reads;
  if (!request.onward_of().empty()) reads.streams = {request.onward_of()};
  return reads;
}

base::Questions ReferralRules::QuestionsOf(const v1::DraftReferralRequest& request,
                                           const base::View&) {
  base::Questions questions;
  questions.people = {request.person_id()};
  questions.seal_for = request.person_id();
  return questions;
}

// Nothing of its content is checked before it is submitted, beyond its shape: it is a draft.
ReferralRules::Decided<v1::DraftReferralResponse> ReferralRules::Decide(
    const base::View& view, const v1::DraftReferralRequest& request, const base::Context& context) {
  FETTLE_RETURN_IF_ERROR(RequireOrganisation(context.caller));
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  FETTLE_ASSIGN_OR_RETURN(const std::string journey,
                          JourneyOfParent(request.onward_of(), request.person_id(),
                                          request.correlation_id(), view, context));

  base::Decision<v1::DraftReferralResponse> decision;
  const std::string referral_id = context.ids->Next();
  Event& event = decision.Add<Event>(referral_id);
  v1::ReferralDrafted& drafted = *event.mutable_referral_drafted();
  drafted.set_person_id(request.person_id());
  drafted.set_service_id(request.service().service_id());
  *drafted.mutable_service() = request.service();
  *drafted.mutable_details() = request.details();
  drafted.set_replaces(request.replaces());
  drafted.set_onward_of(request.onward_of());
  if (!journey.empty()) event.mutable_header()->set_correlation_id(journey);
  decision.response.set_referral_id(referral_id);
  decision.response.set_correlation_id(journey.empty() ? context.correlation_id : journey);
  return decision;
}

base::Reads ReferralRules::ReadsOf(const v1::SubmitDraftRequest& request, const base::View& view) {
  base::Reads reads;
  if (view.Has(request.referral_id())) {
    if (const auto* draft = view.StateOf<State>(request.referral_id())) {
      reads = ReadsOfSubmission(Submission(*draft));
    }
  }
  reads.streams.insert(reads.streams.begin(), request.referral_id());
  reads.streams.push_back(DeliveryQueueId(request.referral_id()));
  return reads;
}

base::Questions ReferralRules::QuestionsOf(const v1::SubmitDraftRequest& request,
                                           const base::View& view) {
  const auto* draft = view.StateOf<State>(request.referral_id());
  return draft == nullptr ? base::Questions() : QuestionsOf(Submission(*draft), view);
}

ReferralRules::Decided<v1::SubmitDraftResponse> ReferralRules::Decide(
    const base::View& view, const v1::SubmitDraftRequest& request, const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const State* draft,
                          FindReferral(view, request.referral_id(), context.caller));
  FETTLE_RETURN_IF_ERROR(RequireReferrer(*draft, context.caller));
  FETTLE_RETURN_IF_ERROR(RequireMayBecome(*draft, v1::REFERRAL_STATUS_SUBMITTED));
  const base::Questions questions = QuestionsOf(request, view);
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(questions, *context.evidence));

  base::Decision<v1::SubmitDraftResponse> decision;
  v1::ReferralSubmitted& submitted =
      *decision.Add<Event>(draft->referral_id()).mutable_referral_submitted();
  FETTLE_RETURN_IF_ERROR(CheckSubmission(Submission(*draft), questions, view, context, submitted));
  SendToService(draft->referral_id(), submitted, draft->correlation_id(), context, decision.events);
  return decision;
}

base::Reads ReferralRules::ReadsOf(const v1::ProvideMissingDetailsRequest& request,
                                   const base::View&) {
  return ReadsWithMessage(request);
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
  const bool is_draft = state->status() == v1::REFERRAL_STATUS_DRAFT;
  if (is_draft && request.has_partner_message()) {
    return base::InvalidField("partner_message", "PARTNER_MESSAGE_NOT_EXPECTED",
                              "none for a draft");
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
  const bool may_lack = is_draft || (state->intake() == v1::INTAKE_BARS_INCOMPLETE_ALLOWED &&
                                     !state->has_accept_time());
  if (!may_lack && !referrer_valid) return ReferrerNotKnown();

  const common::v1::PersonContext& person = *evidence.Person(state->person_id());
  const std::vector<std::string> missing = MissingItems(person, details, referrer_valid);
  base::Decision<v1::ProvideMissingDetailsResponse> decision;
  decision.response.mutable_missing_items()->Assign(missing.begin(), missing.end());
  if (is_draft) {
    if (request.details().ByteSizeLong() == 0) return decision;
    Redraft(*state, details, *decision.Add<Event>(state->referral_id()).mutable_referral_drafted());
    return decision;
  }
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
