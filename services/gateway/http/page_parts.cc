#include "services/gateway/http/page_parts.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "libs/base/date.h"
#include "services/gateway/http/work_pages.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
namespace pv1 = person::v1;
using google::protobuf::Timestamp;

struct Status {
  rv1::ReferralStatus status;
  const char* words;
  Literal tag;
};

constexpr Status kStatuses[] = {
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

const Status* StatusOf(rv1::ReferralStatus status) {
  const Status* known = std::ranges::find(kStatuses, status, &Status::status);
  return known == std::end(kStatuses) ? nullptr : known;
}

}  // namespace

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

std::string WhoOf(const std::string& caller) {
  const size_t colon = caller.find(':');
  return colon == std::string::npos ? caller : caller.substr(colon + 1);
}

std::string Joined(std::initializer_list<std::string> parts) {
  std::string joined;
  for (const std::string& part : parts) {
    if (!part.empty()) absl::StrAppend(&joined, joined.empty() ? "" : ", ", part);
  }
  return joined;
}

const char* StatusWords(rv1::ReferralStatus status) {
  const Status* known = StatusOf(status);
  return known == nullptr ? "" : known->words;
}

void AddTag(Html& html, Literal colour, std::string_view text) {
  html.Raw("<strong class=\"nhsuk-tag ").Raw(colour).Raw("\">").Text(text).Raw("</strong>");
}

void AddStatus(Html& html, rv1::ReferralStatus status) {
  const Status* known = StatusOf(status);
  if (known != nullptr) AddTag(html, known->tag, known->words);
}

void AddUrgency(Html& html, const rv1::Referral& referral) {
  if (referral.priority() <= rv1::PRIORITY_ROUTINE) return;
  html.Raw(" ");
  AddTag(html, "nhsuk-tag--red", Words(referral.priority(), "PRIORITY_"));
}

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

}  // namespace fettle::gateway
