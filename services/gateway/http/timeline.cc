// What happened to a referral, newest first.
#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/date.h"
#include "services/gateway/http/page_parts.h"
#include "services/gateway/http/work_forms.h"
#include "services/gateway/http/work_pages.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
using google::protobuf::Timestamp;

std::string MeasureWords(const rv1::RecordedMeasure& recorded) {
  const rv1::Measure& measure = recorded.measure();
  std::string words;
  const auto add = [&](const char* what, bool is_there, int value) {
    if (is_there) absl::StrAppend(&words, words.empty() ? "" : ", ", what, " ", value);
  };
  switch (measure.score_case()) {
    case rv1::Measure::kOns4:
      add("satisfied", measure.ons4().has_life_satisfaction(), measure.ons4().life_satisfaction());
      add("worthwhile", measure.ons4().has_worthwhile(), measure.ons4().worthwhile());
      add("happy", measure.ons4().has_happy_yesterday(), measure.ons4().happy_yesterday());
      add("anxious", measure.ons4().has_anxious_yesterday(), measure.ons4().anxious_yesterday());
      return absl::StrCat("Well-being (ONS4): ", words);
    case rv1::Measure::kPam:
      words = absl::StrCat(measure.pam().version(), ": ", measure.pam().score_tenths() / 10, ".",
                           measure.pam().score_tenths() % 10);
      if (recorded.pam_level() > 0) absl::StrAppend(&words, ", level ", recorded.pam_level());
      return words;
    case rv1::Measure::kScale:
      return absl::StrCat(measure.scale().name(), ": ",
                          static_cast<double>(measure.scale().value_thousandths()) / 1000, " ",
                          measure.scale().unit());
    case rv1::Measure::SCORE_NOT_SET:
      break;
  }
  return words;
}

// Something that happened; `at` sorts.
struct Step {
  std::string at;    // RFC 3339, or a date
  std::string when;  // as shown
  std::string title;
  std::string detail = {};
  std::string words = {};
};

Step StepAt(const Timestamp& time, std::string title, std::string detail = "",
            std::string words = "") {
  return {base::FormatInstant(TimeOf(time)), ShownTime(time), std::move(title), std::move(detail),
          std::move(words)};
}

// A day has no time: it stands behind what happened in it.
Step StepOn(const std::string& date, std::string title, std::string detail = "",
            std::string words = "") {
  return {absl::StrCat(date, "T23:59:59"), ShownDate(date), std::move(title), std::move(detail),
          std::move(words)};
}

std::string ByWhom(const std::string& who) { return who.empty() ? "" : absl::StrCat("By ", who); }

Step EndOf(const rv1::Referral& referral) {
  std::string detail, notes;
  for (const std::string* code :
       {&referral.rejection_reason_code(), &referral.no_outcome_reason_code(),
        &referral.withdrawal_reason_code(), &referral.decline_reason_code(),
        &referral.error_reason_code()}) {
    if (!code->empty()) {
      absl::StrAppend(&detail, detail.empty() ? "Reason: " : ", ", CodeWords(*code));
    }
  }
  for (const rv1::Outcome& outcome : referral.outcomes()) {
    absl::StrAppend(&notes, notes.empty() ? "" : "\n", CodeWords(outcome.code()),
                    outcome.note().text().empty() ? "" : ": ", outcome.note().text());
  }
  Step end = StepOn(referral.closed_date(), StatusWords(referral.status()), detail, notes);
  end.at = absl::StrCat(referral.closed_date(), "T24");  // nothing comes after it
  return end;
}

void AddCareSteps(std::vector<Step>& steps, const rv1::CareRecord& care) {
  if (care.plan_version() > 0) {
    steps.push_back(StepAt(care.plan_time(), absl::StrCat("Plan, version ", care.plan_version())));
  }
  if (care.offer() != rv1::PLAN_OFFER_UNSPECIFIED) {
    steps.push_back(
        StepOn(care.offer_date(), "Offer of a plan", Words(care.offer(), "PLAN_OFFER_")));
  }
  for (const rv1::PlanReview& review : care.reviews()) {
    steps.push_back(StepOn(review.date(), "Review of the plan",
                           Joined({Words(review.kind(), "PLAN_REVIEW_KIND_"),
                                   Words(review.outcome(), "PLAN_REVIEW_OUTCOME_")}),
                           review.note().text()));
  }
  for (const rv1::SharedDecision& decision : care.decisions()) {
    steps.push_back(StepAt(decision.record_time(), "Shared decision",
                           DecisionWords(decision.status()), decision.subject().text()));
  }
  for (const rv1::PlanRisk& risk : care.risks()) {
    const std::string kind = absl::AsciiStrToLower(Words(risk.risk().kind(), "RISK_KIND_"));
    steps.push_back(StepAt(risk.add_time(), absl::StrCat("Risk ", kind),
                           ByWhom(WhoOf(risk.added_by())), risk.risk().description().text()));
    if (risk.end_date().empty()) continue;
    steps.push_back(StepOn(risk.end_date(), absl::StrCat("Risk ", kind, " has ended"),
                           ByWhom(WhoOf(risk.ended_by())), risk.end_reason().text()));
  }
  for (const rv1::RecordedMeasure& recorded : care.measures()) {
    steps.push_back(StepOn(recorded.measure().date(), MeasureWords(recorded),
                           Words(recorded.measure().point(), "MEASURE_POINT_")));
  }
}

std::vector<Step> StepsOf(const rv1::Referral& referral) {
  std::vector<Step> steps;
  if (referral.has_submit_time()) {
    steps.push_back(
        StepAt(referral.submit_time(), "Referred", ByWhom(referral.referring_organisation())));
  }
  if (referral.has_accept_time()) steps.push_back(StepAt(referral.accept_time(), "Accepted"));
  for (const rv1::Inquiry& inquiry : referral.inquiries()) {
    steps.push_back(StepAt(inquiry.request_time(), "Question to the referrer",
                           ByWhom(WhoOf(inquiry.asked_by())), inquiry.question().text()));
    if (inquiry.has_answer_time()) {
      steps.push_back(
          StepAt(inquiry.answer_time(), "Answer of the referrer", "", inquiry.answer().text()));
    }
  }
  for (const rv1::Contact& contact : referral.contacts()) {
    steps.push_back(
        StepAt(contact.time(),
               absl::StrCat(Words(contact.channel(), "CONTACT_CHANNEL_"), ": ",
                            absl::AsciiStrToLower(Words(contact.outcome(), "CONTACT_OUTCOME_"))),
               ByWhom(contact.worker_id()), contact.note().text()));
  }
  for (const rv1::PriorityChange& change : referral.priority_changes()) {
    steps.push_back(StepAt(change.change_time(),
                           absl::StrCat("Priority changed to ",
                                        absl::AsciiStrToLower(Words(change.to(), "PRIORITY_"))),
                           ByWhom(WhoOf(change.changed_by())), change.reason().text()));
  }
  for (const rv1::Signpost& signpost : referral.signposts()) {
    steps.push_back(
        StepAt(signpost.signpost_time(), "Signposted",
               absl::StrCat(CodeWords(signpost.code()), ": ", signpost.service_name())));
  }
  for (const rv1::Stall& stall : referral.stalls()) {
    steps.push_back(StepAt(stall.stall_time(),
                           absl::StrCat(StageWords(stall.stage()), " took longer than it may"),
                           absl::StrCat("Since ", ShownTime(stall.since_time()))));
  }
  AddCareSteps(steps, referral.care());
  if (!referral.first_contact_date().empty()) {
    steps.push_back(StepOn(referral.first_contact_date(), "First contact: the work began"));
  }
  if (referral.status() == rv1::REFERRAL_STATUS_PAUSED && referral.has_status_time()) {
    steps.push_back(
        StepAt(referral.status_time(), "Paused", CodeWords(referral.pause_reason_code())));
  }
  if (IsClosed(referral) && !referral.closed_date().empty()) steps.push_back(EndOf(referral));
  std::ranges::stable_sort(steps, std::greater(), &Step::at);
  return steps;
}

}  // namespace

void AddTimeline(Html& html, const rv1::Referral& referral) {
  html.Raw(
      "<h2 class=\"nhsuk-heading-m\" id=\"timeline\">What happened</h2>\n<ol class=\"nhsuk-list "
      "nhsuk-list--border\">\n");
  for (const Step& step : StepsOf(referral)) {
    html.Raw("<li><h3 class=\"nhsuk-heading-xs nhsuk-u-margin-bottom-1\">")
        .Text(step.title)
        .Raw("</h3><p class=\"nhsuk-u-margin-bottom-1 nhsuk-u-secondary-text-colour\">")
        .Text(step.when)
        .Text(step.detail.empty() ? "" : ". ")
        .Text(step.detail)
        .Raw("</p>");
    if (!step.words.empty()) {
      html.Raw("<p class=\"nhsuk-u-margin-bottom-1\">").Words(step.words).Raw("</p>");
    }
    html.Raw("</li>\n");
  }
  html.Raw("</ol>\n<p>")
      .Link(absl::StrCat("/journeys/", referral.correlation_id()),
            "The whole journey, with budget and training")
      .Raw("</p>\n");
}

}  // namespace fettle::gateway
