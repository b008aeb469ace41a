// What the pages of a link worker's day share. Not for others.
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_PAGE_PARTS_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_PAGE_PARTS_H_

#include <google/protobuf/generated_enum_reflection.h>
#include <google/protobuf/timestamp.pb.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "services/gateway/http/forms.h"
#include "services/gateway/http/html.h"

namespace fettle::gateway {

absl::Time TimeOf(const google::protobuf::Timestamp& time);
std::string DayOf(const google::protobuf::Timestamp& time);
std::string ShownTime(const google::protobuf::Timestamp& time);
std::string Days(int days);
// `user:wendy` as wendy.
std::string WhoOf(const std::string& caller);
std::string Joined(std::initializer_list<std::string> parts);

// The value of an enum of the contract in words, without its prefix; empty for the unspecified one.
template <class Enum>
std::string Words(Enum value, std::string_view prefix) {
  if (value == 0) return "";
  const std::string& name =
      google::protobuf::internal::NameOfEnum(google::protobuf::GetEnumDescriptor<Enum>(), value);
  return CodeWords(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
}

const char* StatusWords(referral::v1::ReferralStatus status);
void AddTag(Html& html, Literal colour, std::string_view text);
void AddStatus(Html& html, referral::v1::ReferralStatus status);
void AddUrgency(Html& html, const referral::v1::Referral& referral);
// What a stage waits for.
const char* StageWords(referral::v1::Stage stage);
void AddDue(Html& html, const referral::v1::Referral& referral, absl::Time now);
// How long the person waited, or waits, for the first contact.
std::string Waiting(const referral::v1::Referral& referral, absl::Time now);
std::string ReferralPath(const referral::v1::Referral& referral);
void AddWarning(Html& html, std::string_view heading, const Html& words);

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

const char* DecisionWords(referral::v1::DecisionStatus status);

// The sections of a referral's page that have files of their own.
void AddPlan(Html& html, const referral::v1::Referral& referral);
void AddDecisions(Html& html, const referral::v1::Referral& referral, const Viewer& viewer);
void AddTimeline(Html& html, const referral::v1::Referral& referral);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_PAGE_PARTS_H_
