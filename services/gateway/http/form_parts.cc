#include "services/gateway/http/form_parts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "libs/base/date.h"
#include "libs/base/text.h"

namespace fettle::gateway {

namespace rv1 = referral::v1;

std::vector<Option> Codes(std::initializer_list<const char*> codes) {
  std::vector<Option> options;
  for (const char* code : codes) options.push_back({code, CodeWords(code)});
  return options;
}

std::vector<Option> Names(std::string_view prefix, std::initializer_list<std::string_view> names) {
  std::vector<Option> options;
  for (const std::string_view name : names) {
    options.push_back({base::Concat(prefix, name), CodeWords(name)});
  }
  return options;
}

std::vector<Option> RejectionReasons() {
  return {
      {"", "Select a reason"},
      {"22", "Capacity"},
      {"23", "Not clinically appropriate"},
      {"40", "Patient not eligible"},
      {"24", "Service declined"},
      {"26", "Patient choice"},
      {"27", "Could not be contacted"},
      {"31", "No appointments"},
      {"32", "Appointments not suitable"},
      {"41", "Home visit requested"},
      {"42", "Distance"},
      {"21", "Transport"},
      {"99", "Other"},
  };
}

Field DateField(const char* name, const char* path, const char* label, const char* needed) {
  return {.kind = FieldKind::kDate,
          .name = name,
          .path = path,
          .label = label,
          .hint = "For example, 27 3 2025",
          .needed = needed};
}

Field AddressField() {
  return {.kind = FieldKind::kWords,
          .name = "address",
          .path = "demographics.address_lines",
          .label = "Address",
          .hint = "5 lines of 35 characters at most, without the postcode."};
}

Field PostcodeField() {
  return {.kind = FieldKind::kText,
          .name = "postcode",
          .path = "demographics.postcode",
          .label = "Postcode",
          .is_short = true};
}

Field NoteField(const char* label, const char* hint, const char* path) {
  return {.kind = FieldKind::kWords,
          .name = "note",
          .path = path,
          .label = label,
          .hint = hint,
          .needed = "Enter a note"};
}

Field CommentField(const char* label, const char* hint, const char* needed) {
  return {.kind = FieldKind::kWords,
          .name = "comment",
          .path = "comment",
          .label = label,
          .hint = hint,
          .needed = needed};
}

Field ReasonField(const char* label, std::vector<Option> options, FieldKind kind) {
  return {.kind = kind,
          .name = "reason",
          .path = "reason_code",
          .label = label,
          .needed = "Select a reason",
          .options = std::move(options)};
}

void PrefillToday(const WorkContext& context, FormValues& values) {
  values.SetDate("date", base::LondonDate(context.now));
}

void AddLines(const std::string& lines,
              google::protobuf::RepeatedPtrField<common::v1::SealedText>& texts) {
  for (const auto& line : absl::StrSplit(lines, '\n')) {
    const std::string text(base::ToStd(absl::StripAsciiWhitespace(line)));
    if (!text.empty()) texts.Add()->set_text(text);
  }
}

bool IsIn(const rv1::Referral& referral, std::initializer_list<rv1::ReferralStatus> statuses) {
  return std::ranges::find(statuses, referral.status()) != statuses.end();
}

bool IsUnderWay(const rv1::Referral& referral) {
  return !IsClosed(referral) && referral.status() != rv1::REFERRAL_STATUS_DRAFT;
}

bool HadFirstContact(const rv1::Referral& referral) {
  return !referral.first_contact_date().empty();
}

bool IsPlanned(const rv1::Referral& referral, const Viewer& viewer) {
  return IsReceiver(referral, viewer) && IsUnderWay(referral) && HadFirstContact(referral);
}

}  // namespace fettle::gateway
