// Clocks that speak: a referral that stays in a stage longer than its service allows is said to
// have stalled, once for each time.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "services/referral/domain/referral_common.h"

namespace fettle::referral {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

// A stage that a referral is in, and how long it may stay.
struct Waiting {
  v1::Stage stage;
  const google::protobuf::Timestamp* since;
  int limit_days;

  absl::Time due() const { return TimeOf(*since) + limit_days * kDay; }
};

// `FIRST_CONTACT`: the timer's name.
std::string StageName(v1::Stage stage) {
  return v1::Stage_Name(stage).substr(std::string_view("STAGE_").size());
}

// A plan may still be made.
bool IsPlanAwaited(const v1::CareRecord& care) {
  return care.offer() == v1::PLAN_OFFER_UNSPECIFIED || care.offer() == v1::PLAN_OFFER_UNDECIDED ||
         care.offer() == v1::PLAN_OFFER_ACCEPTED;
}

// The stages with a limit that has not been found to be crossed; `all`: also those with one that
// has.
std::vector<Waiting> WaitingOf(const v1::ReferralState& state, bool all = false) {
  const v1::StageLimits& limits = state.terms().stage_limits();
  const v1::CareRecord& care = state.care();
  std::vector<Waiting> waiting;
  // INV-171: nobody is to call.
  if (state.person_deceased()) return waiting;
  const auto add = [&](v1::Stage stage, const google::protobuf::Timestamp& since, int limit_days) {
    if (limit_days == 0) return;
    const bool said = std::ranges::any_of(state.stalls(), [&](const v1::Stall& stall) {
      return stall.stage() == stage && TimeOf(stall.since_time()) == TimeOf(since);
    });
    if (all || !said) waiting.push_back({stage, &since, limit_days});
  };
  switch (state.status()) {
    case v1::REFERRAL_STATUS_SUBMITTED:
    case v1::REFERRAL_STATUS_IN_TRIAGE:
      add(v1::STAGE_TRIAGE, state.triage_time(), limits.triage_days());
      break;
    case v1::REFERRAL_STATUS_INFO_REQUESTED:
      add(v1::STAGE_INFORMATION, state.status_time(), limits.information_days());
      break;
    case v1::REFERRAL_STATUS_ACCEPTED:
    case v1::REFERRAL_STATUS_ACTIVE:
    case v1::REFERRAL_STATUS_PAUSED:
      // INV-52: the person waits while the work rests.
      if (state.first_contact_date().empty()) {
        add(v1::STAGE_FIRST_CONTACT, state.accept_time(), limits.first_contact_days());
      } else {
        add(v1::STAGE_LAST_CONTACT,
            TimeOf(state.last_contact_time()) > TimeOf(state.active_time())
                ? state.last_contact_time()
                : state.active_time(),
            limits.last_contact_days());
        if (care.plan_version() == 0) {
          if (IsPlanAwaited(care)) add(v1::STAGE_PLAN, state.active_time(), limits.plan_days());
        } else if (care.has_review_since_time()) {
          add(v1::STAGE_REVIEW, care.review_since_time(), limits.review_days());
        }
      }
      break;
    default:
      break;
  }
  return waiting;
}

}  // namespace

void ShowDue(const v1::ReferralState& state, v1::Referral& referral) {
  const std::vector<Waiting> waiting = WaitingOf(state, /*all=*/true);
  const auto first = std::ranges::min_element(waiting, {}, &Waiting::due);
  if (first == waiting.end()) return;
  referral.set_due_stage(first->stage);
  *referral.mutable_due_time() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(first->due()));
}

std::vector<base::Timer> ReferralRules::Timers(const State& state) {
  if (state.has_delivery_queue()) return QueueTimers(state.delivery_queue());
  std::vector<base::Timer> timers;
  for (const Waiting& waiting : WaitingOf(state)) {
    timers.push_back({.due = waiting.due(), .name = StageName(waiting.stage)});
  }
  return timers;
}

base::Reads ReferralRules::ReadsOf(const base::TimerDue& due, const base::View&) {
  return {.streams = {due.stream_id}, .unique = {}};
}

ReferralRules::Decided<google::protobuf::Empty> ReferralRules::Decide(
    const base::View& view, const base::TimerDue& due, const base::Context& context) {
  base::Decision<google::protobuf::Empty> decision;
  const auto* state = view.StateOf<State>(due.stream_id);
  if (state == nullptr) return decision;
  if (state->has_delivery_queue()) return DecideQueueTimer(state->delivery_queue(), due);
  for (const Waiting& waiting : WaitingOf(*state)) {
    // Another due time: the stage was left, or began anew.
    if (StageName(waiting.stage) != due.name || waiting.due() != due.due) continue;
    v1::ReferralStalled& stalled =
        *decision.Add<Event>(state->referral_id()).mutable_referral_stalled();
    stalled.set_stage(waiting.stage);
    stalled.set_days(static_cast<int>((context.time - TimeOf(*waiting.since)) / kDay));
    stalled.set_limit_days(waiting.limit_days);
    *stalled.mutable_since_time() = *waiting.since;
    stalled.set_worker_id(state->worker_id());
    stalled.set_organisation(state->service().organisation());
  }
  return decision;
}

}  // namespace fettle::referral
