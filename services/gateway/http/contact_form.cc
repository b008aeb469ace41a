// The form of how to reach the person. It sends what was changed and nothing else: the registry
// keeps the rest as it is.
#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/gateway/http/form_parts.h"

namespace fettle::gateway {
namespace {

namespace pv1 = person::v1;
using google::protobuf::Message;

struct Detail {
  const char* name;
  const char* what;  // inside a sentence
  std::string (*shown)(const pv1::Demographics& who);
  void (*set)(const std::string& typed, pv1::Demographics& who);
};

const Detail kDetails[] = {
    {"preferred", "The name to be called by",
     [](const pv1::Demographics& who) { return who.profile().preferred_name().text(); },
     [](const std::string& typed, pv1::Demographics& who) {
       who.mutable_profile()->mutable_preferred_name()->set_text(typed);
     }},
    {"telephone", "The telephone number",
     [](const pv1::Demographics& who) { return who.telephone().text(); },
     [](const std::string& typed, pv1::Demographics& who) {
       who.mutable_telephone()->set_text(typed);
     }},
    {"email", "The email address", [](const pv1::Demographics& who) { return who.email().text(); },
     [](const std::string& typed, pv1::Demographics& who) {
       who.mutable_email()->set_text(typed);
     }},
    {"address", "The address",
     [](const pv1::Demographics& who) {
       std::string lines;
       for (const auto& line : who.address_lines()) {
         absl::StrAppend(&lines, lines.empty() ? "" : "\n", line.text());
       }
       return lines;
     },
     [](const std::string& typed, pv1::Demographics& who) {
       AddLines(typed, *who.mutable_address_lines());
     }},
    {"postcode", "The postcode", [](const pv1::Demographics& who) { return who.postcode().text(); },
     [](const std::string& typed, pv1::Demographics& who) {
       who.mutable_postcode()->set_text(typed);
     }},
};

// What the field showed when it was opened.
std::string ShownName(const Detail& detail) { return absl::StrCat("shown-", detail.name); }

bool IsChanged(const Detail& detail, const FormValues& values) {
  return values.Get(detail.name) != values.Get(ShownName(detail));
}

std::vector<Field> ContactFields() {
  std::vector<Field> fields = {{.kind = FieldKind::kText,
                                .name = "preferred",
                                .path = "demographics.profile.preferred_name",
                                .label = "Name to be called by",
                                .hint = "70 characters at most."},
                               {.kind = FieldKind::kText,
                                .name = "telephone",
                                .path = "demographics.telephone",
                                .label = "Telephone",
                                .hint = "The number to try first."},
                               {.kind = FieldKind::kText,
                                .name = "email",
                                .path = "demographics.email",
                                .label = "Email",
                                .hint = "The address to try first."},
                               {.kind = FieldKind::kWords,
                                .name = "address",
                                .path = "demographics.address_lines",
                                .label = "Address",
                                .hint = "5 lines of 35 characters at most, without the postcode."},
                               {.kind = FieldKind::kText,
                                .name = "postcode",
                                .path = "demographics.postcode",
                                .label = "Postcode",
                                .is_short = true}};
  for (const Detail& detail : kDetails) {
    fields.push_back({.kind = FieldKind::kHidden, .name = ShownName(detail)});
  }
  return fields;
}

// What nobody typed follows the record; what was typed stays.
void FollowRecord(const WorkContext& context, FormValues& values) {
  const pv1::Demographics& who = context.person->demographics();
  for (const Detail& detail : kDetails) {
    const bool is_typed = IsChanged(detail, values);
    values.Set(ShownName(detail), detail.shown(who));
    if (!is_typed) values.Set(detail.name, detail.shown(who));
  }
}

// The list of ways to reach the person is sent whole, with the first of the kind replaced; empty
// when there is none of the kind to replace.
void ReplaceFirst(pv1::ContactKind kind, const common::v1::SealedText& value,
                  const pv1::Profile& known, pv1::Profile& changed) {
  const auto is_of_kind = [&](const pv1::ContactPoint& point) { return point.kind() == kind; };
  if (value.text().empty() || std::ranges::none_of(known.contact_points(), is_of_kind)) return;
  auto& points = *changed.mutable_contact_points();
  if (points.empty()) points = known.contact_points();
  *std::ranges::find_if(points, is_of_kind)->mutable_value() = value;
}

std::unique_ptr<Message> ContactDetailsOf(const FormValues& values, const WorkContext& context,
                                          std::vector<FormError>& errors) {
  auto request = std::make_unique<pv1::UpdatePersonRequest>();
  request->set_number_policy(pv1::NUMBER_POLICY_STRICT);
  request->set_correlation_id(context.referral.correlation_id());
  pv1::Demographics& changed = *request->mutable_demographics();
  bool is_any = false;
  for (const Detail& detail : kDetails) {
    if (!IsChanged(detail, values)) continue;
    is_any = true;
    const std::string typed = values.Get(detail.name);
    // An empty text is to the registry what was not given.
    if (typed.empty()) {
      errors.push_back({detail.name, absl::StrCat(detail.what,
                                                  " cannot be taken away. Enter the new one, or "
                                                  "what was there before")});
    } else {
      detail.set(typed, changed);
    }
  }
  if (!is_any) errors.push_back({"", "Nothing is changed. Change what is not right any more"});
  if (context.person != nullptr) {
    const pv1::Profile& known = context.person->demographics().profile();
    pv1::Profile points;
    ReplaceFirst(pv1::CONTACT_KIND_TELEPHONE, changed.telephone(), known, points);
    ReplaceFirst(pv1::CONTACT_KIND_EMAIL, changed.email(), known, points);
    if (points.contact_points_size() > 0) changed.mutable_profile()->MergeFrom(points);
  }
  return request;
}

}  // namespace

WorkForm ContactDetailsForm() {
  return {.name = "details",
          .title = "Change contact details",
          .lead = "How to reach the person. Everybody who works with them sees it.",
          .button = "Record the details",
          .done = "The contact details are changed",
          .fields = ContactFields(),
          .checks_version = true,
          .is_of_person = true,
          .fits =
              [](const referral::v1::Referral& referral, const Viewer& viewer) {
                return IsReceiver(referral, viewer) && IsUnderWay(referral) &&
                       (viewer.role == "link_worker" || viewer.role == "administrator");
              },
          .prefill = FollowRecord,
          .follow = FollowRecord,
          .request = ContactDetailsOf};
}

}  // namespace fettle::gateway
