// What a referral's page says of the care and support plan, and of what was decided together.
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/gateway/http/page_parts.h"
#include "services/gateway/http/work_forms.h"
#include "services/gateway/http/work_pages.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;

// `3 of 10` and the like, where it was said.
std::string OfTen(const char* what, int number) {
  return number == 0 ? "" : absl::StrCat(what, " ", number, " of 10");
}

// A line of a plan's list: what it is, and below it how it stands.
void AddItem(Html& html, const std::string& what, const std::string& detail,
             const std::string& words = "") {
  html.Raw("<li>").Text(what);
  if (!detail.empty()) {
    html.Raw("<br><span class=\"nhsuk-u-secondary-text-colour\">").Text(detail).Raw("</span>");
  }
  if (!words.empty()) html.Raw("<br>").Words(words);
  html.Raw("</li>\n");
}

Html List(const Html& items) { return std::move(Html().Raw("<ul>\n").Add(items).Raw("</ul>\n")); }

std::string ChangeWords(const rv1::MeasureChange& change) {
  const double by = static_cast<double>(change.change_thousandths()) / 1000;
  return absl::StrCat(by > 0 ? "+" : "", by, " from ", ShownDate(change.baseline_date()), " to ",
                      ShownDate(change.follow_up_date()));
}

std::string Lines(const google::protobuf::RepeatedPtrField<common::v1::SealedText>& texts) {
  std::string lines;
  for (const auto& text : texts) absl::StrAppend(&lines, lines.empty() ? "" : "\n", text.text());
  return lines;
}

}  // namespace

void AddPlan(Html& html, const rv1::Referral& referral) {
  const rv1::CareRecord& care = referral.care();
  const rv1::CarePlan& plan = care.plan();
  html.Raw("<h2 class=\"nhsuk-heading-m\" id=\"plan\">The plan</h2>\n");
  if (care.plan_version() == 0) {
    html.Paragraph(care.offer() == rv1::PLAN_OFFER_UNSPECIFIED
                       ? "There is no plan yet."
                       : absl::StrCat("There is no plan yet. Offer: ",
                                      absl::AsciiStrToLower(Words(care.offer(), "PLAN_OFFER_")),
                                      ", ", ShownDate(care.offer_date()), "."));
  } else {
    Summary summary;
    summary.Add("What matters", plan.what_matters().text());
    summary.Add("Strengths", plan.strengths().text());
    Html needs, goals, actions;
    for (const rv1::Need& need : plan.needs()) {
      AddItem(needs, need.text().text().empty() ? need.code() : need.text().text(), "");
    }
    for (const rv1::Goal& goal : plan.goals()) {
      AddItem(goals, goal.description().text(),
              Joined({Words(goal.status(), "GOAL_STATUS_"), OfTen("matters", goal.importance())}),
              goal.outcome().text());
    }
    for (const rv1::Action& action : plan.actions()) {
      AddItem(
          actions, action.what().text(),
          Joined(
              {action.who().text(), action.when().text(),
               action.due_date().empty() ? "" : absl::StrCat("by ", ShownDate(action.due_date())),
               Words(action.status(), "ACTION_STATUS_"), OfTen("sure", action.confidence())}));
    }
    if (!needs.empty()) summary.Add("Needs", List(needs));
    if (!goals.empty()) summary.Add("Goals", List(goals));
    if (!actions.empty()) summary.Add("Actions", List(actions));
    summary.Add("Agreed by", plan.agreement() == rv1::PLAN_AGREEMENT_NONE
                                 ? absl::StrCat("Nobody: ", plan.not_agreed_reason().text())
                                 : Joined({Words(plan.agreement(), "PLAN_AGREEMENT_"),
                                           plan.representative().text()}));
    summary.Add("Counts as personalised",
                care.is_pcsp() ? "Yes: all five criteria hold" : "Not yet");
    summary.Add("Next review",
                Joined({ShownDate(care.next_review_date()), plan.review_worker_id()}));
    summary.Add("Version", absl::StrCat(care.plan_version(), ", ", ShownTime(care.plan_time())));
    summary.AddTo(html);
  }
  if (referral.measure_changes_size() == 0) return;
  Summary changes;
  for (const rv1::MeasureChange& change : referral.measure_changes()) {
    changes.Add(CodeWords(change.measure()),
                Joined({ChangeWords(change),
                        absl::AsciiStrToLower(Words(change.direction(), "CHANGE_DIRECTION_"))}));
  }
  html.Raw("<h3 class=\"nhsuk-heading-s\">What changed</h3>\n");
  changes.AddTo(html);
}

void AddDecisions(Html& html, const rv1::Referral& referral, const Viewer& viewer) {
  if (referral.care().decisions_size() == 0) return;
  const WorkForm& form = *FindWorkForm(kDecisionForm);
  html.Raw("<h2 class=\"nhsuk-heading-m\" id=\"decisions\">Shared decisions</h2>\n");
  for (const rv1::SharedDecision& decision : referral.care().decisions()) {
    html.Raw("<h3 class=\"nhsuk-heading-s\">").Text(decision.subject().text()).Raw("</h3>\n");
    Summary summary;
    summary.Add("How it stands", DecisionWords(decision.status()));
    summary.Add("What was decided", decision.decision().text());
    summary.Add("What matters", decision.what_matters().text());
    for (const rv1::DecisionOption& option : decision.options()) {
      summary.Add(absl::StrCat("Option: ", option.description().text()),
                  absl::StrCat("For it:\n", Lines(option.benefits()), "\nAgainst it:\n",
                               Lines(option.risks())));
    }
    summary.Add("What helped to decide", decision.decision_tool());
    summary.Add("To be looked at again", ShownDate(decision.planned_review_date()));
    summary.AddTo(html);
    if (!form.fits(referral, viewer)) continue;
    html.Raw("<p>")
        .Link(absl::StrCat(ReferralPath(referral), "/", form.name, "?number=", decision.number()),
              absl::StrCat("Change the decision: ", decision.subject().text()))
        .Raw("</p>\n");
  }
}

}  // namespace fettle::gateway
