// Forms as data: what was typed comes back as it was, and a refusal names the field that it is
// about.
#include "services/gateway/http/forms.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "services/gateway/http/html.h"
#include "services/gateway/http/session.h"

namespace fettle::gateway {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kHostile[] = "<script>\"'&";
constexpr char kHostileShown[] = "&lt;script&gt;&quot;&#39;&amp;";

const std::vector<Field> kFields = {
    {.kind = FieldKind::kText,
     .name = "who",
     .path = "worker_id",
     .label = "Who",
     .needed = "Say who"},
    {.kind = FieldKind::kWords,
     .name = "note",
     .path = "outcomes[0].note",
     .label = "Note",
     .hint = "A hint"},
    {.kind = FieldKind::kDate,
     .name = "day",
     .path = "closed_date",
     .label = "Day",
     .needed = "Enter the day"},
    {.kind = FieldKind::kCheckboxes,
     .name = "what",
     .path = "outcomes",
     .label = "What",
     .options = {{"A", "First"}, {"B", "Second"}}},
    {.kind = FieldKind::kRadios,
     .name = "how",
     .path = "contact.channel",
     .label = "How",
     .options = {{"X", "One"}, {"Y", "Two"}}},
    {.kind = FieldKind::kSelect,
     .name = "why",
     .path = "reason_code",
     .label = "Why",
     .options = {{"", "None"}, {"9", "Nine"}}},
};

std::vector<std::pair<std::string, std::string>> Said(const FormValues& values,
                                                      const absl::Status& refusal) {
  std::vector<std::pair<std::string, std::string>> said;
  for (const FormError& error : ErrorsOf(kFields, values, refusal))
    said.emplace_back(error.field, error.text);
  return said;
}

TEST(FormValues, AreWhatWasTyped) {
  const FormValues values("who=+ada%20&what=A&what=B&note=one%0D%0Atwo%0Dthree&bad=%ff&empty=");
  EXPECT_EQ(values.Get("who"), "ada");
  EXPECT_THAT(values.All("what"), ElementsAre("A", "B"));
  EXPECT_TRUE(values.Has("what", "B"));
  EXPECT_FALSE(values.Has("what", "C"));
  EXPECT_EQ(values.Get("note"), "one\ntwo\nthree");
  EXPECT_EQ(values.Get("bad"), "\xEF\xBF\xBD") << "a request could not carry it";
  EXPECT_EQ(values.Get("absent"), "");
}

TEST(FormValues, DatesComeFromThreeInputs) {
  EXPECT_EQ(FormValues("day-day=7&day-month=3&day-year=2025").Date("day"), "2025-03-07");
  EXPECT_EQ(FormValues("day-day=&day-month=&day-year=").Date("day"), "");
  EXPECT_EQ(FormValues("day-day=31&day-month=2&day-year=2025").Date("day"), "2025-02-31")
      << "the service refuses it";
  EXPECT_EQ(FormValues("day-day=x&day-month=&day-year=2025").Date("day"), "2025--x");
  FormValues values;
  values.SetDate("day", "2025-03-07");
  EXPECT_EQ(values.Date("day"), "2025-03-07");
}

TEST(Errors, LeadToTheFieldThatTheServiceNamed) {
  EXPECT_THAT(
      Said(FormValues("who="), base::InvalidField("worker_id", "FIELD_REQUIRED", "a value")),
      ElementsAre(std::pair("who", "Say who")));
  EXPECT_THAT(Said(FormValues("who=x"),
                   base::InvalidField("worker_id", "TEXT_TOO_LONG", "at most 64 characters")),
              ElementsAre(std::pair("who", "Who must be at most 64 characters")));
  EXPECT_THAT(Said(FormValues("day-day=1&day-month=1&day-year=2025"),
                   base::InvalidField("closed_date", "DATE_TOO_EARLY",
                                      "on or after the first day (INV-31)")),
              ElementsAre(std::pair("day", "Day must be on or after the first day")));
  EXPECT_THAT(
      Said(FormValues("note=x&what=A"),
           base::InvalidField("outcomes[0].note", "TEXT_TOO_LONG", "at most 500 characters")),
      ElementsAre(std::pair("note", "Note must be at most 500 characters")));
  EXPECT_THAT(Said(FormValues("what=A"),
                   base::InvalidField("outcomes[3].code", "FORMAT_INVALID", "a code")),
              ElementsAre(std::pair("what", "What must be a code")));
}

TEST(Errors, AllAreSaidEachFieldOnce) {
  base::FieldViolations violations;
  violations.Add("worker_id", "FIELD_REQUIRED", "a value");
  violations.Add("closed_date", "FIELD_REQUIRED", "a date");
  violations.Add("outcomes[0].code", "FORMAT_INVALID", "a code");
  violations.Add("outcomes[1].code", "FORMAT_INVALID", "a code");
  EXPECT_THAT(Said(FormValues("what=A&what=B"), violations.ToStatus()),
              ElementsAre(std::pair("who", "Say who"), std::pair("day", "Enter the day"),
                          std::pair("what", "What must be a code")));
}

TEST(Errors, WhatNoFieldCuresIsSaidInPlainWords) {
  const auto refuse = [](const char* reason, std::map<std::string, std::string> metadata = {}) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, reason, "it rests (INV-18) now",
                        std::move(metadata));
  };
  EXPECT_THAT(Said({}, refuse("VERSION_MISMATCH")),
              ElementsAre(::testing::Pair("", HasSubstr("Somebody changed this while you"))));
  EXPECT_THAT(
      Said({}, refuse("ATTEMPTS_TOO_FEW", {{"attempt_days", "1"}, {"attempt_days_min", "3"}})),
      ElementsAre(std::pair("", "Record attempts on 3 different days first; there are 1")));
  EXPECT_THAT(
      Said({}, refuse("MANDATORY_ITEMS_MISSING", {{"missing_items", "first_name, consent"}})),
      ElementsAre(
          std::pair("", "Ask the referrer first, because this is missing: first name, consent")));
  EXPECT_THAT(Said({}, refuse("SOMETHING_ELSE")), ElementsAre(std::pair("", "It rests now")));
  EXPECT_THAT(Said({}, absl::InternalError("at /some/path")),
              ElementsAre(std::pair("", "This could not be recorded. The fault is ours")));
  EXPECT_THAT(Said({}, base::InvalidField("request_id", "FORMAT_INVALID", "a UUID")),
              ElementsAre(::testing::Pair("", Not(IsEmpty()))));
}

TEST(Fields, ShowWhatWasTypedAsText) {
  FormValues values;
  for (const char* name : {"who", "note", "day-day"}) values.Set(name, kHostile);
  values.Add("what", "B");
  values.Set("how", "Y");
  values.Set("why", "9");
  const std::vector<FormError> errors = {{"who", kHostile}, {"day", "No day"}};
  Html html;
  AddErrorSummary(html, kFields, errors);
  AddFields(html, kFields, values, errors);
  const std::string text = html.Take();
  EXPECT_THAT(text, Not(HasSubstr("<script>")));
  EXPECT_THAT(text, AllOf(HasSubstr(std::string("value=\"") + kHostileShown),
                          HasSubstr(std::string(">\n") + kHostileShown + "</textarea>")));
  EXPECT_THAT(text, AllOf(HasSubstr("value=\"B\" checked"), Not(HasSubstr("value=\"A\" checked")),
                          HasSubstr("value=\"Y\" checked"), HasSubstr("value=\"9\" selected")));
  EXPECT_THAT(
      text,
      AllOf(HasSubstr("<a href=\"#who\">"), HasSubstr("<a href=\"#day-day\">No day</a>"),
            HasSubstr("tabindex=\"-1\" autofocus"), HasSubstr("aria-describedby=\"who-error\""),
            HasSubstr("aria-describedby=\"note-hint\"")));
}

TEST(Html, WordsKeepTheirLines) {
  EXPECT_EQ(Html().Words("a\n<b>\n").Take(), "a<br>\n&lt;b&gt;<br>\n");
  EXPECT_EQ(Html().Words("").Take(), "");
}

TEST(Session, AFormComesFromAPageOfOurs) {
  const auto from = [](http::Headers headers) {
    headers.emplace_back("Host", "localhost:8080");
    return IsFromElsewhere({"POST", "/desk", std::move(headers), ""});
  };
  EXPECT_FALSE(from({{"Sec-Fetch-Site", "same-origin"}}));
  EXPECT_FALSE(from({{"Origin", "http://localhost:8080"}}));
  EXPECT_TRUE(from({}));
  EXPECT_TRUE(from({{"Sec-Fetch-Site", "cross-site"}}));
  EXPECT_TRUE(from({{"Sec-Fetch-Site", "same-site"}}));
  EXPECT_TRUE(from({{"Sec-Fetch-Site", "none"}}));
  EXPECT_TRUE(from({{"Sec-Fetch-Site", "cross-site"}, {"Origin", "http://localhost:8080"}}));
  EXPECT_TRUE(from({{"Origin", "http://localhost:8081"}}));
  EXPECT_TRUE(from({{"Origin", "null"}}));
  EXPECT_TRUE(from({{"Origin", "http://localhost:8080.elsewhere.example"}}));
}

}  // namespace
}  // namespace fettle::gateway
