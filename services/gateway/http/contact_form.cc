// The form of how to reach the person. It sends what was changed or is no longer used, and nothing
// else: the registry keeps the rest as it is.
#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/gateway/http/form_parts.h"

namespace fettle::gateway {
namespace {

namespace pv1 = person::v1;
using google::protobuf::Message;

using Points = google::protobuf::RepeatedPtrField<pv1::ContactPoint>;

// The details that are no longer used.
constexpr char kGone[] = "gone";

struct Detail {
  const char* name;
  const char* what;  // at the beginning of a sentence
  pv1::RemovableDetail detail;
  std::string (*shown)(const pv1::Demographics& who);
  void (*set)(const std::string& typed, pv1::Demographics& who);
  // Where it stands in the list of ways to reach the person.
  pv1::ContactKind kind = pv1::CONTACT_KIND_UNSPECIFIED;
};

const Detail kDetails[] = {
    {"preferred", "The name to be called by", pv1::REMOVABLE_DETAIL_PREFERRED_NAME,
     [](const pv1::Demographics& who) { return who.profile().preferred_name().text(); },
     [](const std::string& typed, pv1::Demographics& who) {
       who.mutable_profile()->mutable_preferred_name()->set_text(typed);
     }},
    {"telephone", "The telephone number", pv1::REMOVABLE_DETAIL_TELEPHONE,
     [](const pv1::Demographics& who) { return who.telephone().text(); },
     [](const std::string& typed, pv1::Demographics& who) {
       who.mutable_telephone()->set_text(typed);
     },
     pv1::CONTACT_KIND_TELEPHONE},
    {"email", "The email address", pv1::REMOVABLE_DETAIL_EMAIL,
     [](const pv1::Demographics& who) { return who.email().text(); },
     [](const std::string& typed, pv1::Demographics& who) { who.mutable_email()->set_text(typed); },
     pv1::CONTACT_KIND_EMAIL},
    {"address", "The address", pv1::REMOVABLE_DETAIL_ADDRESS,
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
    {"postcode", "The postcode", pv1::REMOVABLE_DETAIL_POSTCODE,
     [](const pv1::Demographics& who) { return who.postcode().text(); },
     [](const std::string& typed, pv1::Demographics& who) {
       who.mutable_postcode()->set_text(typed);
     }},
};

// What the field showed when it was opened.
std::string ShownName(const Detail& detail) { return absl::StrCat("shown-", detail.name); }

bool IsChanged(const Detail& detail, const FormValues& values) {
  return values.Get(detail.name) != values.Get(ShownName(detail));
}

bool IsGone(const Detail& detail, const FormValues& values) {
  return values.Has(kGone, detail.name);
}

std::vector<Field> ContactFields(const referral::v1::Referral&, const FormValues& values) {
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
                               AddressField(),
                               PostcodeField()};
  Field gone = {.kind = FieldKind::kCheckboxes,
                .name = kGone,
                .path = "removed",
                .label = "What is no longer used?",
                .hint =
                    "It is taken away. If there is another number or email address, it becomes "
                    "the one to try first."};
  for (const Detail& detail : kDetails) {
    if (values.Get(ShownName(detail)).empty()) continue;
    gone.options.push_back({detail.name, detail.what});
  }
  if (!gone.options.empty()) fields.push_back(std::move(gone));
  for (const Detail& detail : kDetails) {
    fields.push_back({.kind = FieldKind::kHidden, .name = ShownName(detail)});
  }
  return fields;
}

// What nobody typed follows the record; what was typed stays. What is there now was not what
// somebody meant who took away what was there then.
void FollowRecord(const WorkContext& context, FormValues& values) {
  const pv1::Demographics& who = context.person->demographics();
  std::vector<std::string> gone;
  for (const Detail& detail : kDetails) {
    const bool is_typed = IsChanged(detail, values);
    const std::string shown = detail.shown(who);
    if (IsGone(detail, values) && values.Get(ShownName(detail)) == shown) {
      gone.push_back(detail.name);
    }
    values.Set(ShownName(detail), shown);
    if (!is_typed) values.Set(detail.name, shown);
  }
  values.Set(kGone, "");
  for (std::string& name : gone) values.Add(kGone, std::move(name));
}

// Replaces the first of the kind; false when there is none to replace.
bool ReplaceFirst(Points& points, pv1::ContactKind kind, const std::string& value) {
  const auto first = std::ranges::find(points, kind, &pv1::ContactPoint::kind);
  if (first == points.end()) return false;
  first->mutable_value()->set_text(value);
  return true;
}

// Takes a value out; false when none of the kind is left.
bool TakeOut(Points& points, pv1::ContactKind kind, const std::string& value) {
  points.erase(std::remove_if(points.begin(), points.end(),
                              [&](const pv1::ContactPoint& point) {
                                return point.kind() == kind && point.value().text() == value;
                              }),
               points.end());
  return std::ranges::find(points, kind, &pv1::ContactPoint::kind) != points.end();
}

// The list of ways to reach the person is sent whole, and only when something in it changes. The
// registry takes the first of a kind for the one to try first.
void SetPoints(const FormValues& values, const pv1::Profile& known,
               pv1::UpdatePersonRequest& request) {
  Points points = known.contact_points();
  bool is_other = false;
  for (const Detail& detail : kDetails) {
    if (detail.kind == pv1::CONTACT_KIND_UNSPECIFIED) continue;
    if (IsGone(detail, values)) {
      const bool is_next = TakeOut(points, detail.kind, values.Get(ShownName(detail)));
      if (!is_next) request.add_removed(detail.detail);
      is_other = is_other || is_next;
    } else if (IsChanged(detail, values)) {
      is_other = ReplaceFirst(points, detail.kind, values.Get(detail.name)) || is_other;
    }
  }
  if (is_other) {
    *request.mutable_demographics()->mutable_profile()->mutable_contact_points() = points;
  }
}

std::unique_ptr<Message> ContactDetailsOf(const FormValues& values, const WorkContext& context,
                                          std::vector<FormError>& errors) {
  auto request = std::make_unique<pv1::UpdatePersonRequest>();
  request->set_number_policy(pv1::NUMBER_POLICY_STRICT);
  request->set_correlation_id(context.referral.correlation_id());
  bool is_any = false;
  for (const Detail& detail : kDetails) {
    const bool is_gone = IsGone(detail, values), is_changed = IsChanged(detail, values);
    is_any = is_any || is_gone || is_changed;
    const std::string typed = values.Get(detail.name);
    if (is_gone && is_changed && !typed.empty()) {
      errors.push_back(
          {detail.name,
           absl::StrCat(detail.what,
                        " is changed and selected as no longer used. Undo one of the two")});
    } else if (is_gone) {
      if (detail.kind == pv1::CONTACT_KIND_UNSPECIFIED) request->add_removed(detail.detail);
    } else if (is_changed && typed.empty()) {
      // A slip of the key would take it away.
      errors.push_back({detail.name, absl::StrCat(detail.what,
                                                  " is empty. Enter it, or select below that it "
                                                  "is no longer used")});
    } else if (is_changed) {
      detail.set(typed, *request->mutable_demographics());
    }
  }
  if (!is_any) errors.push_back({"", "Nothing is changed. Change what is not right any more"});
  if (context.person != nullptr && errors.empty()) {
    SetPoints(values, context.person->demographics().profile(), *request);
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
          .fields_of = ContactFields,
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
