// RecordPartnerResponse: a service in a partner's system moves its referrals by what it answers.
// The response is the evidence of each step, in place of records by workers of ours (INV-26, 29,
// 30).
#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/status.h"
#include "services/referral/domain/referral_common.h"
#include "services/referral/domain/transitions.h"

namespace fettle::referral {
namespace {

using Status = v1::ReferralStatus;

constexpr char kOtherReason[] = "99";
// Why a referral that a partner completed has no outcome of ours.
constexpr char kRecordedByPartner[] = "RECORDED_BY_PARTNER";

struct SignalRow {
  v1::Signal signal;
  Status goal;
};

constexpr SignalRow kSignals[] = {
    {v1::SIGNAL_TAKEN, v1::REFERRAL_STATUS_ACCEPTED},
    {v1::SIGNAL_STARTED, v1::REFERRAL_STATUS_ACTIVE},
    {v1::SIGNAL_REJECTED, v1::REFERRAL_STATUS_REJECTED},
    {v1::SIGNAL_DID_NOT_ATTEND, v1::REFERRAL_STATUS_NO_CONTACT},
    {v1::SIGNAL_COMPLETED, v1::REFERRAL_STATUS_COMPLETED},
};

absl::Status ResponseToNothing() {
  return base::Refuse(absl::StatusCode::kNotFound, "RESPONSE_TO_NOTHING",
                      "in_response_to: no message of ours to your organisation has this Bundle.id");
}

// It says again, or late, what is known: "taken" of one whose work has begun.
bool SaysNothingNew(Status now, Status goal) {
  if (now == goal) return true;
  const bool under_way = now == v1::REFERRAL_STATUS_ACTIVE || now == v1::REFERRAL_STATUS_PAUSED;
  return goal == v1::REFERRAL_STATUS_ACCEPTED && under_way;
}

// The states on the shortest way that the transitions allow, without the first; empty when there is
// none. No end lies on a way to something else.
std::vector<Status> ShortestWay(Status from, Status to) {
  std::map<Status, Status> before = {{from, from}};
  std::deque<Status> reached = {from};
  while (!reached.empty() && !before.contains(to)) {
    const Status status = reached.front();
    reached.pop_front();
    for (int next = v1::REFERRAL_STATUS_SUBMITTED; next <= v1::ReferralStatus_MAX; ++next) {
      const auto candidate = static_cast<Status>(next);
      if (!MayBecome(status, candidate) || (IsTerminal(candidate) && candidate != to)) continue;
      if (before.emplace(candidate, status).second) reached.push_back(candidate);
    }
  }
  std::vector<Status> way;
  if (!before.contains(to)) return way;
  for (Status status = to; status != from; status = before.at(status)) way.push_back(status);
  std::ranges::reverse(way);
  return way;
}

// INV-30: a referral is completed after a first contact, whatever the transitions allow.
std::vector<Status> WayOf(const v1::ReferralState& state, Status goal) {
  if (goal == v1::REFERRAL_STATUS_COMPLETED && state.first_contact_date().empty()) {
    std::vector<Status> way = ShortestWay(state.status(), v1::REFERRAL_STATUS_ACTIVE);
    if (!way.empty()) way.push_back(goal);
    return way;
  }
  return ShortestWay(state.status(), goal);
}

}  // namespace

base::Reads ReferralRules::ReadsOf(const v1::RecordPartnerResponseRequest& request,
                                   const base::View& view) {
  const std::string sent = base::Key({request.in_response_to()});
  base::Reads reads;
  reads.unique = {{kSentIndex, sent},
                  {kMessageIndex, MessageKey(request.partner_message().request_id(),
                                             request.partner_message().correlation_id())}};
  if (!view.HasKey(kSentIndex, sent)) return reads;
  const std::optional<std::string> queue = view.Holder(kSentIndex, sent);
  if (!queue || !view.Has(*queue)) return reads;
  reads.streams = {view.StateOf<State>(*queue)->delivery_queue().referral_id(), *queue};
  return reads;
}

base::Questions ReferralRules::QuestionsOf(const v1::RecordPartnerResponseRequest& request,
                                           const base::View& view) {
  base::Questions questions;
  const std::optional<std::string> queue =
      view.Holder(kSentIndex, base::Key({request.in_response_to()}));
  const State* state = queue ? view.StateOf<State>(*queue) : nullptr;
  if (state == nullptr) return questions;
  questions.people = {state->delivery_queue().person_id()};
  questions.fresh_people = true;
  questions.seal_for = state->delivery_queue().person_id();
  return questions;
}

ReferralRules::Decided<v1::RecordPartnerResponseResponse> ReferralRules::Decide(
    const base::View& view, const v1::RecordPartnerResponseRequest& request,
    const base::Context& context) {
  const std::optional<std::string> queue =
      view.Holder(kSentIndex, base::Key({request.in_response_to()}));
  const State* sent = queue ? view.StateOf<State>(*queue) : nullptr;
  const State* state =
      sent == nullptr ? nullptr : view.StateOf<State>(sent->delivery_queue().referral_id());
  // INV-156
  if (state == nullptr || !IsReceiver(*state, context.caller)) return ResponseToNothing();
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  FETTLE_RETURN_IF_ERROR(CheckPartnerMessage(request.partner_message(), view, context));
  const auto row = std::ranges::find(kSignals, request.signal(), &SignalRow::signal);
  if (row == std::end(kSignals)) {
    return base::InvalidField("signal", "SIGNAL_NOT_OF_A_RESPONSE", "SIGNAL_TAKEN or a later one");
  }
  if (IsFuture(request.date(), context)) {
    return base::InvalidField("date", "DATE_IN_FUTURE", "today or earlier");
  }
  if (state->partner_responses_size() >= kPartnerMessagesMax) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "PARTNER_MESSAGES_TOO_MANY",
                        "partner_message: a referral takes 1,000 responses at most");
  }
  std::vector<Status> way;
  if (!SaysNothingNew(state->status(), row->goal)) {
    way = WayOf(*state, row->goal);
    if (way.empty()) FETTLE_RETURN_IF_ERROR(RequireMayBecome(*state, row->goal));
  }
  const common::v1::PersonContext& person = *context.evidence->Person(state->person_id());
  const bool accepts = std::ranges::find(way, v1::REFERRAL_STATUS_ACCEPTED) != way.end();
  if (accepts) FETTLE_RETURN_IF_ERROR(CheckComplete(*state, person));

  base::Decision<v1::RecordPartnerResponseResponse> decision;
  const std::string& referral_id = state->referral_id();
  decision.response.set_referral_id(referral_id);
  decision.response.set_status(way.empty() ? state->status() : way.back());
  v1::PartnerResponseRecorded& recorded =
      *decision.Add<Event>(referral_id).mutable_partner_response_recorded();
  recorded.set_signal(request.signal());
  recorded.set_in_response_to(request.in_response_to());
  recorded.set_reason_code(request.reason_code());
  recorded.set_date(request.date());
  *recorded.mutable_message() = request.partner_message();

  // INV-31: received <= accepted <= first contact <= closed. What the partner says is earlier than
  // we heard of the step before is recorded as of that day; its own date stays in the response.
  const std::string& said = request.date().empty() ? context.today : request.date();
  std::string first_contact = state->first_contact_date();
  const std::string reason_code =
      IsRejectionReason(request.reason_code()) ? request.reason_code() : kOtherReason;
  for (Status status : way) {
    switch (status) {
      case v1::REFERRAL_STATUS_IN_TRIAGE:
        decision.Add<Event>(referral_id).mutable_referral_triage_started();
        break;
      case v1::REFERRAL_STATUS_ACCEPTED:
        *decision.Add<Event>(referral_id).mutable_referral_accepted()->mutable_person() =
            Recorded(person, context.today);
        TellReferrer(*state, v1::SIGNAL_TAKEN, "", "", context, decision.events);
        break;
      case v1::REFERRAL_STATUS_ACTIVE: {
        if (!first_contact.empty()) {
          decision.Add<Event>(referral_id).mutable_referral_resumed();
          break;
        }
        first_contact = std::max(said, accepts ? context.today : DateOf(state->accept_time()));
        v1::ReferralStarted& started = *decision.Add<Event>(referral_id).mutable_referral_started();
        started.set_worker_id(state->worker_id());
        started.set_first_contact_date(first_contact);
        *started.mutable_person() = Recorded(person, context.today);
        CountReferral(*state, started.person(), first_contact, decision.events);
        TellReferrer(*state, v1::SIGNAL_STARTED, "", first_contact, context, decision.events);
        break;
      }
      case v1::REFERRAL_STATUS_REJECTED: {
        decision.Add<Event>(referral_id).mutable_referral_rejected()->set_reason_code(reason_code);
        TellReferrer(*state, v1::SIGNAL_REJECTED, reason_code, "", context, decision.events);
        break;
      }
      case v1::REFERRAL_STATUS_NO_CONTACT:
        decision.Add<Event>(referral_id).mutable_referral_closed_as_no_contact();
        TellReferrer(*state, v1::SIGNAL_DID_NOT_ATTEND, "", "", context, decision.events);
        break;
      case v1::REFERRAL_STATUS_COMPLETED: {
        v1::ReferralCompleted& completed =
            *decision.Add<Event>(referral_id).mutable_referral_completed();
        completed.set_no_outcome_reason_code(kRecordedByPartner);
        completed.set_closed_date(std::max(said, first_contact));
        TellReferrer(*state, v1::SIGNAL_COMPLETED, "", completed.closed_date(), context,
                     decision.events);
        break;
      }
      default:
        FETTLE_CHECK(false, "no signal leads over another state");
    }
  }
  return decision;
}

}  // namespace fettle::referral
