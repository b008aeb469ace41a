// The pages that hold a form.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/gateway/http/page_parts.h"
#include "services/gateway/http/work_pages.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;

// What stands around the fields of a form.
struct FormFrame {
  std::string action;
  std::string_view title, lead, button;
  std::string_view caption = {};
  std::string_view back_path = {};
};

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

}  // namespace

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
  return FormPage(
      status, shown, fields,
      {.action = "/desk/new",
       .title = "Somebody like this is known already",
       .lead = "Nothing is sent yet. Records are never put together by themselves: say "
               "whom the referral is for. A record that you choose stays as it is: the "
               "NHS number, address, telephone and GP practice that you entered are not "
               "added to it. The service that gets the referral can change how to "
               "reach the person, on the referral's page: “Change contact details”.",
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
