// What a person may see of their own referrals, in plain words, and nothing of what others wrote
// for each other.
#include <utility>

#include "libs/base/date.h"
#include "libs/base/status.h"
#include "services/referral/domain/referral_common.h"
#include "services/referral/domain/transitions.h"

namespace fettle::referral {
namespace {

struct Words {
  const char* status;
  const char* next;
};

// Short sentences, the person addressed as you; no word that only the service uses.
Words WordsFor(const v1::ReferralState& state) {
  switch (state.status()) {
    case v1::REFERRAL_STATUS_SUBMITTED:
      return {"Your referral has arrived.",
              "Somebody from the service will read it and decide whether they can help. You do not "
              "need to do anything."};
    case v1::REFERRAL_STATUS_IN_TRIAGE:
      return {"The service is reading your referral.",
              "They will decide whether they can help. You do not need to do anything."};
    case v1::REFERRAL_STATUS_INFO_REQUESTED:
      return {"The service has asked whoever referred you for more information.",
              "When they have the answer, they will decide whether they can help. You do not need "
              "to do anything."};
    case v1::REFERRAL_STATUS_ACCEPTED:
      return {"The service will help you.", "A worker will get in touch with you."};
    case v1::REFERRAL_STATUS_ACTIVE:
      if (state.care().plan_version() > 0) {
        return {"The service is helping you.", "You and your worker follow your plan."};
      }
      return {"The service is helping you.",
              "You and your worker can make a plan of what matters to you."};
    case v1::REFERRAL_STATUS_PAUSED:
      return {"The help is on hold for now.",
              "Your worker will get in touch with you when it goes on."};
    case v1::REFERRAL_STATUS_COMPLETED:
      return {"The help has ended.", "If you need help again, you can be referred again."};
    case v1::REFERRAL_STATUS_REJECTED:
      return {"This service cannot help you.",
              "Ask whoever referred you what else there is for you."};
    case v1::REFERRAL_STATUS_DECLINED:
      return {"You said that you do not want this help.",
              "If you change your mind, you can be referred again."};
    case v1::REFERRAL_STATUS_WITHDRAWN:
      return {"Whoever referred you took the referral back.",
              "Ask them if you want to know why, or if you still want help."};
    case v1::REFERRAL_STATUS_NO_CONTACT:
      return {"The service tried to reach you and could not.",
              "If you still want help, you can be referred again."};
    default:  // not shown to the person
      return {"", ""};
  }
}

std::string DayOf(bool is_there, const google::protobuf::Timestamp& time) {
  return is_there ? DateOf(time) : "";
}

v1::MyReferral OwnSummary(const v1::ReferralState& state) {
  v1::MyReferral referral;
  referral.set_referral_id(state.referral_id());
  referral.set_status(state.status());
  const Words words = WordsFor(state);
  referral.set_status_words(words.status);
  referral.set_next_words(words.next);
  referral.set_service_name(state.service().name());
  referral.set_service_organisation(state.service().organisation());
  referral.set_worker_id(state.worker_id());
  referral.set_received_date(DateOf(state.submit_time()));
  referral.set_accepted_date(DayOf(state.has_accept_time(), state.accept_time()));
  referral.set_first_contact_date(state.first_contact_date());
  referral.set_closed_date(state.closed_date());
  if (IsTerminal(state.status())) return referral;
  if (state.terms().target_wait_days() > 0 && state.first_contact_date().empty()) {
    referral.set_first_contact_by_date(
        base::AddDays(referral.received_date(), state.terms().target_wait_days()));
  }
  referral.set_next_review_date(state.care().next_review_date());
  return referral;
}

v1::MyPlan OwnPlan(const v1::CareRecord& care) {
  v1::MyPlan plan;
  *plan.mutable_what_matters() = care.plan().what_matters();
  if (care.plan().has_strengths()) *plan.mutable_strengths() = care.plan().strengths();
  *plan.mutable_goals() = care.plan().goals();
  *plan.mutable_actions() = care.plan().actions();
  plan.set_date(DateOf(care.plan_time()));
  return plan;
}

bool IsOwn(const base::View::Stream& stream, const base::Caller& caller) {
  if (stream.version == 0) return false;
  const auto& state = static_cast<const v1::ReferralState&>(*stream.state);
  return !state.referral_id().empty() && state.person_id() == caller.subject &&
         IsShownToPerson(state);
}

}  // namespace

absl::StatusOr<v1::ListMyReferralsResponse> ReferralRules::Answer(
    const base::Snapshot& snapshot, const v1::ListMyReferralsRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(
      const base::ListedPage listed,
      snapshot.List(kPersonIndex, PersonKey(context.caller.subject), request.page()));
  v1::ListMyReferralsResponse response;
  for (const std::string& referral_id : listed.streams) {
    FETTLE_ASSIGN_OR_RETURN(const base::View::Stream stream, snapshot.Load(referral_id));
    if (!IsOwn(stream, context.caller)) continue;
    *response.add_referrals() = OwnSummary(static_cast<const State&>(*stream.state));
  }
  response.set_next_page_token(listed.next);
  response.set_position(snapshot.position());
  return response;
}

absl::StatusOr<v1::GetMyReferralResponse> ReferralRules::Answer(
    const base::Snapshot& snapshot, const v1::GetMyReferralRequest& request,
    const base::Context& context) {
  FETTLE_ASSIGN_OR_RETURN(const base::View::Stream stream, snapshot.Load(request.referral_id()));
  if (!IsOwn(stream, context.caller)) {
    return base::Refuse(absl::StatusCode::kNotFound, "REFERRAL_NOT_FOUND",
                        "no referral of yours has this id");
  }
  const auto& state = static_cast<const State&>(*stream.state);
  v1::GetMyReferralResponse response;
  *response.mutable_referral() = OwnSummary(state);
  if (state.care().plan_version() > 0) {
    *response.mutable_referral()->mutable_plan() = OwnPlan(state.care());
  }
  response.set_position(snapshot.position());
  return response;
}

}  // namespace fettle::referral
