// The page of one referral.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/date.h"
#include "services/gateway/http/page_parts.h"
#include "services/gateway/http/work_pages.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
namespace pv1 = person::v1;

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

// A plan may be there.
bool HasBegun(const rv1::Referral& referral) {
  return !referral.first_contact_date().empty() || referral.has_care();
}

// The list that a referral is in, for this viewer.
std::pair<const char*, const char*> ListOf(const rv1::Referral& referral, const Viewer& viewer) {
  if (referral.worker_id() != viewer.subject && IsReceiver(referral, viewer)) {
    if (referral.status() < rv1::REFERRAL_STATUS_ACCEPTED) return {"/desk/triage", "Triage"};
    if (referral.status() == rv1::REFERRAL_STATUS_ACCEPTED) return {"/desk/pool", "Waiting list"};
  }
  return {"/desk", "My people"};
}

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
    case rv1::DELIVERY_PROBLEM_NOT_ACTIVE_THERE:
      return absl::StrCat("Their system says that the referral is not active there (",
                          delivery.partner_status(),
                          "), so it was not cancelled. Tell them yourself.");
    case rv1::DELIVERY_PROBLEM_QUESTION_REFUSED:
      return absl::StrCat("Their system refused to say whether the referral is active there (",
                          delivery.http_status(), " ", delivery.issue_code(),
                          "), so it was not cancelled.");
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

// All but what was just recorded.
Html ReferralPart(const rv1::Referral& referral, const pv1::GetPersonResponse* person,
                  const std::vector<Undelivered>& undelivered, std::string_view name,
                  const Viewer& viewer, absl::Time now) {
  Html html;
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
  return html;
}

}  // namespace

http::Response ReferralPage(const rv1::Referral& referral, const pv1::GetPersonResponse* person,
                            const std::vector<Undelivered>& undelivered, std::string_view done,
                            const Viewer& viewer, absl::Time now) {
  const std::string name =
      person == nullptr ? "Name not to be had now" : NameOf(person->demographics());
  const Html part = ReferralPart(referral, person, undelivered, name, viewer, now);
  // The ids of forms are new each time.
  std::vector<Undelivered> same = undelivered;
  for (Undelivered& message : same) message.request_id.clear();
  const std::string version =
      LiveVersion(ReferralPart(referral, person, same, name, viewer, now).text());
  Html html;
  AddDone(html, done);
  // INV-139: the address is taken off the screen.
  AddLive(html, part,
          {.version = version, .is_at_once = person != nullptr && person->restricted()});
  const auto [path, text] = ListOf(referral, viewer);
  return Page(200, name, std::move(html),
              {.viewer = &viewer,
               .current = path,
               .back_path = path,
               .back_text = text,
               .live_version = version});
}

}  // namespace fettle::gateway
