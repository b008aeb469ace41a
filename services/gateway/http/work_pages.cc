#include "services/gateway/http/work_pages.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/date.h"
#include "libs/base/text.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
namespace pv1 = person::v1;
using google::protobuf::Timestamp;

absl::Time TimeOf(const Timestamp& time) {
  return absl::FromUnixNanos(google::protobuf::util::TimeUtil::TimestampToNanoseconds(time));
}

std::string DayOf(const Timestamp& time) { return base::LondonDate(TimeOf(time)); }

std::string ShownTime(const Timestamp& time) {
  static const absl::TimeZone* const kLondon = [] {
    auto* zone = new absl::TimeZone();
    absl::LoadTimeZone("Europe/London", zone);
    return zone;
  }();
  return absl::StrCat(ShownDate(DayOf(time)), ", ",
                      absl::FormatTime("%H:%M", TimeOf(time), *kLondon));
}

std::string Days(int days) { return absl::StrCat(days, days == 1 ? " day" : " days"); }

// `user:wendy` as wendy.
std::string WhoOf(const std::string& caller) {
  const size_t colon = caller.find(':');
  return colon == std::string::npos ? caller : caller.substr(colon + 1);
}

// The value of an enum of the contract in words, without its prefix; empty for the unspecified one.
template <class Enum>
std::string Words(Enum value, std::string_view prefix) {
  if (value == 0) return "";
  const std::string& name =
      google::protobuf::internal::NameOfEnum(google::protobuf::GetEnumDescriptor<Enum>(), value);
  return CodeWords(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
}

struct StatusWords {
  rv1::ReferralStatus status;
  const char* words;
  Literal tag;
};

constexpr StatusWords kStatuses[] = {
    {rv1::REFERRAL_STATUS_DRAFT, "Draft", "nhsuk-tag--white"},
    {rv1::REFERRAL_STATUS_SUBMITTED, "New", "nhsuk-tag--blue"},
    {rv1::REFERRAL_STATUS_IN_TRIAGE, "In triage", "nhsuk-tag--purple"},
    {rv1::REFERRAL_STATUS_INFO_REQUESTED, "Question asked", "nhsuk-tag--yellow"},
    {rv1::REFERRAL_STATUS_ACCEPTED, "Accepted", "nhsuk-tag--aqua-green"},
    {rv1::REFERRAL_STATUS_ACTIVE, "Active", "nhsuk-tag--green"},
    {rv1::REFERRAL_STATUS_PAUSED, "Paused", "nhsuk-tag--grey"},
    {rv1::REFERRAL_STATUS_COMPLETED, "Completed", "nhsuk-tag--white"},
    {rv1::REFERRAL_STATUS_REJECTED, "Rejected", "nhsuk-tag--white"},
    {rv1::REFERRAL_STATUS_DECLINED, "Person said no", "nhsuk-tag--white"},
    {rv1::REFERRAL_STATUS_WITHDRAWN, "Withdrawn", "nhsuk-tag--white"},
    {rv1::REFERRAL_STATUS_NO_CONTACT, "Not reached", "nhsuk-tag--white"},
    {rv1::REFERRAL_STATUS_ENTERED_IN_ERROR, "Entered in error", "nhsuk-tag--white"},
};

void AddTag(Html& html, Literal colour, std::string_view text) {
  html.Raw("<strong class=\"nhsuk-tag ").Raw(colour).Raw("\">").Text(text).Raw("</strong>");
}

void AddStatus(Html& html, rv1::ReferralStatus status) {
  const auto* words = std::ranges::find(kStatuses, status, &StatusWords::status);
  if (words != std::end(kStatuses)) AddTag(html, words->tag, words->words);
}

void AddUrgency(Html& html, const rv1::Referral& referral) {
  if (referral.priority() <= rv1::PRIORITY_ROUTINE) return;
  html.Raw(" ");
  AddTag(html, "nhsuk-tag--red", Words(referral.priority(), "PRIORITY_"));
}

// What a stage waits for.
const char* StageWords(rv1::Stage stage) {
  switch (stage) {
    case rv1::STAGE_TRIAGE:
      return "Triage";
    case rv1::STAGE_INFORMATION:
      return "Answer of the referrer";
    case rv1::STAGE_FIRST_CONTACT:
      return "First contact";
    case rv1::STAGE_LAST_CONTACT:
      return "Next contact";
    case rv1::STAGE_PLAN:
      return "Plan";
    case rv1::STAGE_REVIEW:
      return "Review of the plan";
    default:
      return "Next step";
  }
}

void AddDue(Html& html, const rv1::Referral& referral, absl::Time now) {
  if (!referral.has_due_time()) {
    html.Text("No limit");
    return;
  }
  const int days = base::DaysBetween(base::LondonDate(now), DayOf(referral.due_time()));
  const std::string what = StageWords(referral.due_stage());
  if (TimeOf(referral.due_time()) <= now) {
    AddTag(html, "nhsuk-tag--red", days == 0 ? "Overdue" : absl::StrCat(Days(-days), " overdue"));
  } else if (days == 0) {
    AddTag(html, "nhsuk-tag--orange", "Today");
  } else {
    html.Text(absl::StrCat("In ", Days(days)));
  }
  html.Raw("<br><span class=\"nhsuk-u-secondary-text-colour\">").Text(what).Raw("</span>");
}

// How long the person waited, or waits, for the first contact.
std::string Waiting(const rv1::Referral& referral, absl::Time now) {
  if (!referral.has_submit_time()) return "";
  const std::string since = DayOf(referral.submit_time());
  if (referral.first_contact_date().empty()) {
    const int days = base::DaysBetween(since, base::LondonDate(now));
    return days == 0 ? "Since today" : Days(days);
  }
  const int days = base::DaysBetween(since, referral.first_contact_date());
  return days == 0 ? "Seen on the first day" : absl::StrCat("Seen after ", Days(days));
}

std::string ReferralPath(const rv1::Referral& referral) {
  return absl::StrCat("/desk/referrals/", referral.referral_id());
}

// A cell of a table that becomes a card on a narrow screen, where the heading stands beside it.
void AddCell(Html& html, const char* heading, const Html& value) {
  html.Raw(
          "<td class=\"nhsuk-table__cell\" role=\"cell\"><span "
          "class=\"nhsuk-table-responsive__heading\" aria-hidden=\"true\">")
      .Text(heading)
      .Raw(" </span><span>")
      .Add(value)
      .Raw("</span></td>\n");
}

void AddRow(Html& html, const WorkRow& row, absl::Time now) {
  const rv1::Referral& referral = row.referral;
  Html person, status, due;
  person.Link(ReferralPath(referral), row.name.empty() ? "Name not to be had now" : row.name);
  AddUrgency(person, referral);
  AddStatus(status, referral.status());
  AddDue(due, referral, now);
  html.Raw("<tr class=\"nhsuk-table__row\" role=\"row\">\n");
  AddCell(html, "Person", person);
  AddCell(html, "State", status);
  AddCell(html, "Waiting", Html().Text(Waiting(referral, now)));
  AddCell(
      html, "Last reached",
      Html().Text(referral.has_last_contact_time() ? ShownDate(DayOf(referral.last_contact_time()))
                                                   : "Not yet"));
  AddCell(html, "Due", due);
  html.Raw("</tr>\n");
}

void AddPages(Html& html, const WorkList& list, const WorkPlace& place) {
  if (place.pages < 2) return;
  html.Raw(
      "<nav class=\"nhsuk-pagination\" aria-label=\"Pages\"><ul class=\"nhsuk-list "
      "nhsuk-pagination__list\">\n");
  const auto add = [&](int page, Literal classes, Literal rel, const char* words) {
    html.Raw("<li class=\"")
        .Raw(classes)
        .Raw("\"><a class=\"nhsuk-pagination__link\" rel=\"")
        .Raw(rel)
        .Raw("\" href=\"")
        .Text(absl::StrCat(list.path, "?page=", page))
        .Raw("\"><span class=\"nhsuk-pagination__title\">")
        .Text(words)
        .Raw("</span><span class=\"nhsuk-u-visually-hidden\">: </span>")
        .Raw("<span class=\"nhsuk-pagination__page\">")
        .Text(absl::StrCat(page, " of ", place.pages))
        .Raw("</span></a></li>\n");
  };
  if (place.page > 1) {
    add(place.page - 1, "nhsuk-pagination-item--previous", "prev", "Previous page");
  }
  if (place.page < place.pages) {
    add(place.page + 1, "nhsuk-pagination-item--next", "next", "Next page");
  }
  html.Raw("</ul></nav>\n");
}

// A list of what is known, by name.
class Summary {
 public:
  void Add(std::string_view key, std::string_view value) {
    if (!value.empty()) Add(key, Html().Words(value));
  }
  void Add(std::string_view key, const Html& value) {
    html_.Raw("<div class=\"nhsuk-summary-list__row\"><dt class=\"nhsuk-summary-list__key\">")
        .Text(key)
        .Raw("</dt><dd class=\"nhsuk-summary-list__value\">")
        .Add(value)
        .Raw("</dd></div>\n");
  }
  void AddTo(Html& html) const {
    if (html_.empty()) return;
    html.Raw("<dl class=\"nhsuk-summary-list\">\n").Add(html_).Raw("</dl>\n");
  }

 private:
  Html html_;
};

void AddWarning(Html& html, std::string_view heading, const Html& words) {
  html.Raw(
          "<div class=\"nhsuk-card nhsuk-card--warning\"><div class=\"nhsuk-card__content\"><h2 "
          "class=\"nhsuk-card__heading\"><span class=\"nhsuk-u-visually-hidden\">Important: "
          "</span>")
      .Text(heading)
      .Raw("</h2>\n")
      .Add(words)
      .Raw("</div></div>\n");
}

void AddDone(Html& html, std::string_view done) {
  if (done.empty()) return;
  html.Raw(
          "<div class=\"nhsuk-notification-banner nhsuk-notification-banner--success\" "
          "role=\"alert\" aria-labelledby=\"done-title\" tabindex=\"-1\" autofocus><div "
          "class=\"nhsuk-notification-banner__header\"><h2 "
          "class=\"nhsuk-notification-banner__title\" id=\"done-title\">Recorded</h2></div><div "
          "class=\"nhsuk-notification-banner__content\"><p "
          "class=\"nhsuk-notification-banner__heading\">")
      .Text(done)
      .Raw("</p></div></div>\n");
}

void AddRisk(Html& html, const rv1::Risk& risk) {
  html.Raw("<li><strong>").Text(Words(risk.kind(), "RISK_KIND_")).Raw("</strong>");
  if (!risk.description().text().empty()) html.Raw(": ").Words(risk.description().text());
  html.Raw("</li>\n");
}

// What whoever opens the page must not overlook.
void AddFlags(Html& html, const rv1::Referral& referral, const pv1::GetPersonResponse* person,
              absl::Time now) {
  if (referral.person_deceased() && (person == nullptr || person->death_date().empty())) {
    AddWarning(html, "The person has died", Html().Paragraph("Nobody is to call."));
  }
  if (person != nullptr && !person->death_date().empty()) {
    AddWarning(html, "The person has died",
               Html().Paragraph(absl::StrCat("On ", ShownDate(person->death_date()), ".")));
  }
  if (person != nullptr && person->restricted()) {
    AddWarning(html, "Restricted person",
               Html().Paragraph("Address, telephone, e-mail and practice are withheld. Do not ask "
                                "others for them, and do not write them into notes."));
  }
  Html risks;
  for (const rv1::Risk& risk : referral.details().risks()) {
    if (risk.kind() != rv1::RISK_KIND_NONE_KNOWN) AddRisk(risks, risk);
  }
  for (const rv1::PlanRisk& risk : referral.care().risks()) {
    if (risk.end_date().empty()) AddRisk(risks, risk.risk());
  }
  if (!risks.empty()) {
    AddWarning(html, "Risks and safeguarding", Html().Raw("<ul>\n").Add(risks).Raw("</ul>\n"));
  }
  if (!IsClosed(referral) && referral.has_due_time() && TimeOf(referral.due_time()) <= now) {
    AddWarning(html, absl::StrCat(StageWords(referral.due_stage()), " is overdue"),
               Html().Paragraph(
                   absl::StrCat("It was due on ", ShownDate(DayOf(referral.due_time())), ".")));
  }
  if (referral.missing_items_size() > 0 && !IsClosed(referral)) {
    Html items;
    for (const std::string& item : referral.missing_items()) {
      items.Raw("<li>").Text(CodeWords(item)).Raw("</li>\n");
    }
    AddWarning(html, "Mandatory items are missing",
               Html()
                   .Paragraph("They must come before the referral can be accepted:")
                   .Raw("<ul>\n")
                   .Add(items)
                   .Raw("</ul>\n"));
  }
}

void AddActions(Html& html, const rv1::Referral& referral, const pv1::GetPersonResponse* person,
                const Viewer& viewer) {
  std::vector<const WorkForm*> fitting;
  for (const WorkForm& form : WorkForms()) {
    if (IsOffered(form, referral, person, viewer)) fitting.push_back(&form);
  }
  if (fitting.empty()) return;
  const std::string path = absl::StrCat(ReferralPath(referral), "/");
  html.Raw(
          "<h2 class=\"nhsuk-heading-m\">What you can do</h2>\n<p><a class=\"nhsuk-button\" "
          "href=\"")
      .Text(path + fitting.front()->name)
      .Raw("\" draggable=\"false\">")
      .Text(fitting.front()->title)
      .Raw("</a></p>\n");
  if (fitting.size() == 1) return;
  html.Raw("<ul class=\"nhsuk-list\">\n");
  for (size_t i = 1; i < fitting.size(); ++i) {
    html.Raw("<li>").Link(path + fitting[i]->name, fitting[i]->title).Raw("</li>\n");
  }
  html.Raw("</ul>\n");
}

std::string NeedWords(const pv1::Need& need) {
  std::string words = Words(need.kind(), "NEED_KIND_");
  if (!need.language().empty()) absl::StrAppend(&words, " (", need.language(), ")");
  if (!need.text().text().empty()) absl::StrAppend(&words, ": ", need.text().text());
  return words;
}

// Without the first of each kind, which has a line of its own.
std::string OtherWays(const pv1::Demographics& who) {
  std::string ways;
  for (const pv1::ContactPoint& point : who.profile().contact_points()) {
    const std::string& value = point.value().text();
    if (value == who.telephone().text() || value == who.email().text()) continue;
    absl::StrAppend(&ways, ways.empty() ? "" : "\n", value);
  }
  return ways;
}

void AddPerson(Html& html, const pv1::GetPersonResponse* person, absl::Time now) {
  html.Raw("<h2 class=\"nhsuk-heading-m\">The person</h2>\n");
  if (person == nullptr) {
    html.Paragraph("The registry does not answer now. Load the page again in a while.");
    return;
  }
  const pv1::Demographics& who = person->demographics();
  Summary summary;
  summary.Add("Name", NameOf(who));
  const std::string& born = who.birth_date().text();
  if (base::IsDate(born)) {
    const std::string until =
        person->death_date().empty() ? base::LondonDate(now) : person->death_date();
    summary.Add("Born", absl::StrCat(ShownDate(born), " (", base::AgeOn(born, until), ")"));
  }
  summary.Add("NHS number", ShownNumber(who.nhs_number().text()));
  if (person->restricted()) {
    summary.Add("Contact details", "Withheld");
  } else {
    std::string address;
    for (const auto& line : who.address_lines()) {
      absl::StrAppend(&address, address.empty() ? "" : "\n", line.text());
    }
    if (!who.postcode().text().empty()) {
      absl::StrAppend(&address, address.empty() ? "" : "\n", who.postcode().text());
    }
    summary.Add("Telephone", who.telephone().text());
    summary.Add("Email", who.email().text());
    summary.Add("Address", address);
    summary.Add("Other ways to reach", OtherWays(who));
    summary.Add("GP practice", person->gp_practice());
  }
  std::string needs;
  for (const pv1::Need& need : who.profile().needs()) {
    absl::StrAppend(&needs, needs.empty() ? "" : "\n", NeedWords(need));
  }
  summary.Add("Needs", needs);
  summary.AddTo(html);
}

void AddReferral(Html& html, const rv1::Referral& referral, absl::Time now) {
  const rv1::ReferralDetails& details = referral.details();
  html.Raw("<h2 class=\"nhsuk-heading-m\">The referral</h2>\n");
  Summary summary;
  std::string reason = CodeWords(details.reason().code());
  if (!details.reason().text().text().empty()) {
    absl::StrAppend(&reason, reason.empty() ? "" : "\n", details.reason().text().text());
  }
  summary.Add("Reason", reason);
  Html due;
  AddDue(due, referral, now);
  if (!IsClosed(referral)) summary.Add("Due", due);
  summary.Add("Waiting", IsClosed(referral) ? "" : Waiting(referral, now));
  summary.Add("Priority", Words(referral.priority(), "PRIORITY_"));
  summary.Add("In charge", referral.worker_id().empty() ? "Nobody yet" : referral.worker_id());
  summary.Add("From the last hand-over", referral.hand_over_note().text());
  if (referral.status() == rv1::REFERRAL_STATUS_PAUSED) {
    std::string pause = CodeWords(referral.pause_reason_code());
    if (!referral.pause_note().text().empty()) {
      absl::StrAppend(&pause, "\n", referral.pause_note().text());
    }
    summary.Add("Why it rests", pause);
  }
  summary.Add("Service", referral.service().name());
  const rv1::Referrer& referrer = details.referrer();
  std::string from;
  for (const std::string& line : {referrer.name().text(), referrer.role(), referrer.service(),
                                  referrer.organisation(), referrer.contact().text()}) {
    if (!line.empty()) absl::StrAppend(&from, from.empty() ? "" : "\n", line);
  }
  summary.Add("Referred by", from);
  summary.Add("Referred on", ShownDate(details.referral_date()));
  summary.Add("Route", Words(details.method(), "REFERRAL_METHOD_"));
  summary.Add("Consent", Words(details.consent(), "CONSENT_"));
  const bool none_known = std::ranges::any_of(details.risks(), [](const rv1::Risk& risk) {
    return risk.kind() == rv1::RISK_KIND_NONE_KNOWN;
  });
  summary.Add("Risks", details.risks().empty() ? "Nobody said anything about risks"
                       : none_known            ? "No known risks"
                                               : "See above");
  summary.Add("Last comment", referral.comment().text());
  if (referral.eligibility().unmet_size() > 0) {
    std::string unmet;
    for (const std::string& rule : referral.eligibility().unmet()) {
      absl::StrAppend(&unmet, unmet.empty() ? "" : ", ", CodeWords(rule));
    }
    summary.Add("Rules of the service that are not met", unmet);
  }
  summary.AddTo(html);
}

// `3 of 10` and the like, where it was said.
std::string OfTen(const char* what, int number) {
  return number == 0 ? "" : absl::StrCat(what, " ", number, " of 10");
}

std::string Joined(std::initializer_list<std::string> parts) {
  std::string joined;
  for (const std::string& part : parts) {
    if (!part.empty()) absl::StrAppend(&joined, joined.empty() ? "" : ", ", part);
  }
  return joined;
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

std::string ChangeWords(const rv1::MeasureChange& change) {
  const double by = static_cast<double>(change.change_thousandths()) / 1000;
  return absl::StrCat(by > 0 ? "+" : "", by, " from ", ShownDate(change.baseline_date()), " to ",
                      ShownDate(change.follow_up_date()));
}

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

std::string Lines(const google::protobuf::RepeatedPtrField<common::v1::SealedText>& texts) {
  std::string lines;
  for (const auto& text : texts) absl::StrAppend(&lines, lines.empty() ? "" : "\n", text.text());
  return lines;
}

const char* DecisionWords(rv1::DecisionStatus status) {
  switch (status) {
    case rv1::DECISION_STATUS_VALID:
      return "Agreed";
    case rv1::DECISION_STATUS_CANCELLED:
      return "Taken back";
    default:
      return "Not decided yet";
  }
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
  const auto* words = std::ranges::find(kStatuses, referral.status(), &StatusWords::status);
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
  Step end = StepOn(referral.closed_date(), words->words, detail, notes);
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

// A plan may be there.
bool HasBegun(const rv1::Referral& referral) {
  return !referral.first_contact_date().empty() || referral.has_care();
}

// What stands around the fields of a form.
struct FormFrame {
  std::string action;
  std::string_view title, lead, button;
  std::string_view caption = {};
  std::string_view back_path = {};
};

// The list that a referral is in, for this viewer.
std::pair<const char*, const char*> ListOf(const rv1::Referral& referral, const Viewer& viewer) {
  if (referral.worker_id() != viewer.subject && IsReceiver(referral, viewer)) {
    if (referral.status() < rv1::REFERRAL_STATUS_ACCEPTED) return {"/desk/triage", "Triage"};
    if (referral.status() == rv1::REFERRAL_STATUS_ACCEPTED) return {"/desk/pool", "Waiting list"};
  }
  return {"/desk", "My people"};
}

}  // namespace

std::string ShownDate(const std::string& date) {
  const auto day = base::ParseDate(date);
  if (!day.ok()) return date;
  return absl::StrCat(
      day->day(), " ",
      absl::FormatTime("%B", absl::FromCivil(*day, absl::UTCTimeZone()), absl::UTCTimeZone()), " ",
      day->year());
}

std::string ShownNumber(const std::string& number) {
  if (number.size() != 10) return number;
  return absl::StrCat(number.substr(0, 3), " ", number.substr(3, 3), " ", number.substr(6));
}

void SortSoonestDueFirst(std::vector<rv1::Referral>& referrals) {
  const auto key = [](const rv1::Referral& referral) {
    return std::tuple(
        referral.has_due_time() ? TimeOf(referral.due_time()) : absl::InfiniteFuture(),
        std::string_view(referral.referral_id()));
  };
  std::ranges::sort(referrals, {}, key);
}

std::string NameOf(const pv1::Demographics& demographics) {
  const std::string& first = demographics.first_name().text();
  const std::string& family = demographics.family_name().text();
  const std::string& preferred = demographics.profile().preferred_name().text();
  std::string name = absl::StrCat(first, first.empty() || family.empty() ? "" : " ", family);
  if (name.empty()) name = preferred.empty() ? "Name not known" : preferred;
  return preferred.empty() || preferred == first || preferred == name
             ? name
             : absl::StrCat(name, " (“", preferred, "”)");
}

http::Response WorkListPage(const WorkList& list, const std::vector<WorkRow>& rows,
                            const WorkPlace& place, const Viewer& viewer, absl::Time now) {
  Html html;
  html.Raw("<h1 class=\"nhsuk-heading-l\">").Text(list.title).Raw("</h1>\n");
  if (rows.empty()) {
    html.Paragraph(list.none);
    return Page(200, list.title, std::move(html), {.viewer = &viewer, .current = list.path});
  }
  html.Paragraph(
      absl::StrCat(place.people, place.people == 1 ? " person. " : " people. ", list.lead));
  if (place.is_cut) {
    html.Raw("<div class=\"nhsuk-inset-text\"><p>")
        .Text("There are more than fit here: only the newest are shown. Close or hand over some.")
        .Raw("</p></div>\n");
  }
  html.Raw(
          "<table class=\"nhsuk-table-responsive\" role=\"table\"><caption "
          "class=\"nhsuk-table__caption nhsuk-u-visually-hidden\">")
      .Text(list.title)
      .Raw(
          ", soonest due first</caption>\n<thead class=\"nhsuk-table__head\" role=\"rowgroup\"><tr "
          "class=\"nhsuk-table__row\" role=\"row\">\n");
  for (const char* heading : {"Person", "State", "Waiting", "Last reached", "Due"}) {
    html.Raw("<th class=\"nhsuk-table__header\" role=\"columnheader\" scope=\"col\">")
        .Text(heading)
        .Raw("</th>\n");
  }
  html.Raw("</tr></thead>\n<tbody class=\"nhsuk-table__body\" role=\"rowgroup\">\n");
  for (const WorkRow& row : rows) AddRow(html, row, now);
  html.Raw("</tbody></table>\n");
  AddPages(html, list, place);
  return Page(200, list.title, std::move(html), {.viewer = &viewer, .current = list.path});
}

namespace {

// Why a partner's system does not have the message.
std::string ProblemWords(const rv1::Delivery& delivery) {
  switch (delivery.problem()) {
    case rv1::DELIVERY_PROBLEM_NO_ENDPOINT:
      return "No address of their system is set up here.";
    case rv1::DELIVERY_PROBLEM_CONNECTION_FAILED:
    case rv1::DELIVERY_PROBLEM_TIMEOUT:
      return "Their system did not answer.";
    case rv1::DELIVERY_PROBLEM_ANSWER_NOT_READABLE:
      return "Their system's answer could not be understood.";
    case rv1::DELIVERY_PROBLEM_NOT_MADE:
      return "The message could not be made.";
    default:
      return absl::StrCat("Their system refused it (", delivery.http_status(), " ",
                          delivery.issue_code(), ").");
  }
}

// What they do not know.
const char* SignalWords(rv1::Signal signal) {
  switch (signal) {
    case rv1::SIGNAL_REQUEST:
      return "The referral itself";
    case rv1::SIGNAL_CANCEL:
      return "That the referral is taken back";
    case rv1::SIGNAL_CANCEL_AS_ERROR:
      return "That the referral was an error";
    case rv1::SIGNAL_TAKEN:
      return "That the referral is accepted";
    case rv1::SIGNAL_STARTED:
      return "That the work has begun";
    case rv1::SIGNAL_REJECTED:
      return "That the referral is rejected";
    case rv1::SIGNAL_DID_NOT_ATTEND:
      return "That the person could not be reached";
    case rv1::SIGNAL_COMPLETED:
      return "That the work is done";
    default:
      return "A message";
  }
}

void AddUndelivered(Html& html, const rv1::Referral& referral, const Undelivered& message) {
  const rv1::OutgoingMessage& told = message.delivery.message();
  Html words;
  const int attempts = message.delivery.attempts();
  words.Paragraph(absl::StrCat(SignalWords(told.signal()), ". Decided on ",
                               ShownTime(message.delivery.request_time()), ", tried ", attempts,
                               attempts == 1 ? " time. " : " times. ",
                               ProblemWords(message.delivery)));
  words.Raw("<form action=\"")
      .Text(absl::StrCat(ReferralPath(referral), "/send-again"))
      .Raw("\" method=\"post\" novalidate>\n");
  AddHidden(words, "request_id", message.request_id);
  AddHidden(words, "delivery_id", told.delivery_id());
  words.Raw(
      "<button class=\"nhsuk-button nhsuk-button--secondary\" type=\"submit\">Send it again"
      "</button>\n</form>\n");
  AddWarning(html, absl::StrCat(told.partner_organisation(), " could not be told"), words);
}

}  // namespace

http::Response ReferralPage(const rv1::Referral& referral, const pv1::GetPersonResponse* person,
                            const std::vector<Undelivered>& undelivered, std::string_view done,
                            const Viewer& viewer, absl::Time now) {
  const std::string name =
      person == nullptr ? "Name not to be had now" : NameOf(person->demographics());
  Html html;
  AddDone(html, done);
  html.Raw("<h1 class=\"nhsuk-heading-l\">").Text(name).Raw("</h1>\n<p>");
  AddStatus(html, referral.status());
  AddUrgency(html, referral);
  html.Raw("</p>\n");
  AddFlags(html, referral, person, now);
  for (const Undelivered& message : undelivered) AddUndelivered(html, referral, message);
  html.Raw("<div class=\"nhsuk-grid-row\">\n<div class=\"nhsuk-grid-column-one-third\">\n");
  AddActions(html, referral, person, viewer);
  html.Raw("</div>\n<div class=\"nhsuk-grid-column-two-thirds\">\n");
  AddPerson(html, person, now);
  if (HasBegun(referral)) AddPlan(html, referral);
  AddDecisions(html, referral, viewer);
  AddReferral(html, referral, now);
  AddTimeline(html, referral);
  html.Raw("</div>\n</div>\n");
  const auto [path, text] = ListOf(referral, viewer);
  return Page(200, name, std::move(html),
              {.viewer = &viewer, .current = path, .back_path = path, .back_text = text});
}

http::Response FormPage(int status, const ShownForm& shown, std::span<const Field> fields,
                        const FormFrame& around, const Viewer& viewer) {
  Html html;
  html.Raw("<div class=\"nhsuk-grid-row\">\n<div class=\"nhsuk-grid-column-two-thirds\">\n");
  AddErrorSummary(html, fields, shown.errors);
  html.Raw("<h1 class=\"nhsuk-heading-l\">");
  if (!around.caption.empty()) {
    html.Raw("<span class=\"nhsuk-caption-l\">").Text(around.caption).Raw("</span> ");
  }
  html.Text(around.title).Raw("</h1>\n");
  if (!around.lead.empty()) html.Paragraph(around.lead);
  html.Raw("<form action=\"").Text(around.action).Raw("\" method=\"post\" novalidate>\n");
  AddHidden(html, "request_id", shown.request_id);
  if (shown.version >= 0) AddHidden(html, "version", absl::StrCat(shown.version));
  AddFields(html, fields, shown.values, shown.errors);
  html.Raw("<button class=\"nhsuk-button\" type=\"submit\">")
      .Text(around.button)
      .Raw("</button>\n</form>\n</div>\n</div>\n");
  return Page(status, around.title, std::move(html),
              {.viewer = &viewer,
               .current = around.action,
               .back_path = around.back_path,
               .back_text = "Back to the referral",
               .has_errors = !shown.errors.empty()});
}

http::Response WorkFormPage(int status, const WorkForm& form, const ShownForm& shown,
                            const rv1::Referral& referral, std::string_view name,
                            const Viewer& viewer) {
  const std::string path = ReferralPath(referral);
  return FormPage(status, shown, FieldsOf(form, referral, shown.values),
                  {.action = absl::StrCat(path, "/", form.name),
                   .title = form.title,
                   .lead = form.lead,
                   .button = form.button,
                   .caption = name,
                   .back_path = path},
                  viewer);
}

http::Response SamePersonPage(int status, const ShownForm& shown, const Field& question,
                              const Viewer& viewer) {
  std::vector<Field> fields = {question};
  for (const auto& [name, value] : shown.values.pairs()) {
    const bool is_there = std::ranges::find(fields, name, &Field::name) != fields.end();
    if (!is_there && name != "request_id") {
      fields.push_back({.kind = FieldKind::kHidden, .name = name});
    }
  }
  return FormPage(status, shown, fields,
                  {.action = "/desk/new",
                   .title = "Somebody like this is known already",
                   .lead = "Nothing is sent yet. Records are never put together by themselves: say "
                           "whom the referral is for.",
                   .button = "Send the referral",
                   .caption = "Refer somebody"},
                  viewer);
}

http::Response NewReferralPage(int status, const ShownForm& shown, std::span<const Field> fields,
                               const Viewer& viewer) {
  return FormPage(
      status, shown, fields,
      {.action = "/desk/new",
       .title = "Refer somebody",
       .lead = "Somebody who is known by NHS number and date of birth is found, anybody "
               "else is registered.",
       .button = "Send the referral"},
      viewer);
}

}  // namespace fettle::gateway
