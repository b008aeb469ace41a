// What an event makes of a referral, and the entries by which it is found.
#include <algorithm>
#include <set>

#include "libs/base/check.h"
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

void Evolve(v1::ReferralState& state, const v1::ReferralSubmitted& event,
            const common::v1::EventHeader& header) {
  state.set_referral_id(header.stream_id());
  state.set_correlation_id(header.correlation_id());
  state.set_status(v1::REFERRAL_STATUS_SUBMITTED);
  *state.mutable_submit_time() = header.time();
  state.set_person_id(event.person_id());
  *state.mutable_service() = event.service();
  *state.mutable_details() = event.details();
  state.set_priority(event.details().priority());
  state.set_intake(event.intake());
  *state.mutable_missing_items() = event.missing_items();
  state.set_replaces(event.replaces());
  state.set_referring_organisation(event.referring_organisation());
  if (event.has_partner_message()) Keep(state, event.partner_message());
}

void Evolve(v1::ReferralState& state, const v1::ReferralDetailsProvided& event) {
  MergeDetails(*state.mutable_details(), event.details());
  // After the triage the receiving service's priority holds.
  if (event.details().priority() != v1::PRIORITY_UNSPECIFIED && !state.has_accept_time()) {
    state.set_priority(event.details().priority());
  }
  *state.mutable_missing_items() = event.missing_items();
  if (event.has_partner_message()) Keep(state, event.partner_message());
}

void Evolve(v1::ReferralState& state, const v1::ReferralAccepted& event,
            const common::v1::EventHeader& header) {
  state.set_status(v1::REFERRAL_STATUS_ACCEPTED);
  *state.mutable_accept_time() = header.time();
  state.clear_missing_items();
  if (event.priority() != v1::PRIORITY_UNSPECIFIED) state.set_priority(event.priority());
  if (event.has_comment()) *state.mutable_comment() = event.comment();
}

void Evolve(v1::ReferralState& state, const v1::ReferralRejected& event) {
  state.set_status(v1::REFERRAL_STATUS_REJECTED);
  state.set_rejection_reason_code(event.reason_code());
  if (event.has_comment()) *state.mutable_comment() = event.comment();
}

void Evolve(v1::ReferralState& state, const v1::ReferralStarted& event) {
  state.set_status(v1::REFERRAL_STATUS_ACTIVE);
  state.set_worker_id(event.worker_id());
  state.set_first_contact_date(event.first_contact_date());
}

void Evolve(v1::ReferralState& state, const v1::ReferralCompleted& event) {
  state.set_status(v1::REFERRAL_STATUS_COMPLETED);
  *state.mutable_outcomes() = event.outcomes();
  state.set_no_outcome_reason_code(event.no_outcome_reason_code());
  state.set_closed_date(event.closed_date());
}

void Evolve(v1::ReferralState& state, const v1::ReferralWithdrawn& event) {
  state.set_status(v1::REFERRAL_STATUS_WITHDRAWN);
  state.set_withdrawal_reason_code(event.reason_code());
  if (event.has_partner_message()) Keep(state, event.partner_message());
}

// Ids are time-ordered: their complement puts the newest first.
std::string NewestFirst(std::string_view referral_id) {
  std::string bytes = base::UuidToBytes(referral_id);
  for (char& byte : bytes) byte = static_cast<char>(~byte);
  return bytes;
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
      state.set_status(v1::REFERRAL_STATUS_IN_TRIAGE);
      break;
    case Event::kReferralAccepted:
      referral::Evolve(state, event.referral_accepted(), header);
      break;
    case Event::kReferralRejected:
      referral::Evolve(state, event.referral_rejected());
      break;
    case Event::kReferralStarted:
      referral::Evolve(state, event.referral_started());
      break;
    case Event::kReferralCompleted:
      referral::Evolve(state, event.referral_completed());
      break;
    case Event::kReferralWithdrawn:
      referral::Evolve(state, event.referral_withdrawn());
      break;
    case Event::kSocialPrescribingCounted:
      state.set_counted(true);
      break;
    case Event::EVENT_NOT_SET:
      FETTLE_CHECK(false, "the referral service knows every event of its own journal");
  }
  *state.mutable_update_time() = header.time();
}

std::vector<base::Entry> ReferralRules::Index(const State& state) {
  const std::string sort = NewestFirst(state.referral_id());
  const std::string& receiver = state.service().organisation();
  const bool is_draft = state.status() == v1::REFERRAL_STATUS_DRAFT;
  std::vector<base::Entry> entries;
  const auto list = [&](int index, std::string key) {
    entries.push_back({.index = index, .key = std::move(key), .sort = sort, .unique = false});
  };

  std::set<std::string> organisations = {state.referring_organisation()};
  if (!is_draft) organisations.insert(receiver);
  for (const std::string& organisation : organisations) {
    list(kOrganisationIndex, OrganisationKey(organisation, state.status()));
  }
  if (!state.worker_id().empty()) {
    list(kWorkerIndex, WorkerKey(receiver, state.worker_id(), state.status()));
  }
  if (IsTerminal(state.status())) return entries;

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
  for (const std::string& key : cases) list(kCaseIndex, key);
  return entries;
}

std::vector<base::Entry> ReferralRules::Facts(const Event& event) {
  const v1::PartnerMessage* message = nullptr;
  if (event.referral_submitted().has_partner_message()) {
    message = &event.referral_submitted().partner_message();
  } else if (event.referral_details_provided().has_partner_message()) {
    message = &event.referral_details_provided().partner_message();
  } else if (event.referral_withdrawn().has_partner_message()) {
    message = &event.referral_withdrawn().partner_message();
  }
  if (message == nullptr) return {};
  return {{.index = kMessageIndex,
           .key = MessageKey(message->request_id(), message->correlation_id()),
           .sort = "",
           .unique = true}};
}

std::vector<std::string> ReferralRules::Subjects(const State& state) { return {state.person_id()}; }

}  // namespace fettle::referral
