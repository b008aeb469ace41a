// The lists of people.
#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/gateway/http/page_parts.h"
#include "services/gateway/http/work_pages.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;

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

// What changes.
Html ListPart(const WorkList& list, const std::vector<WorkRow>& rows, const WorkPlace& place,
              absl::Time now) {
  Html html;
  if (rows.empty()) return html.Paragraph(list.none);
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
  return html;
}

}  // namespace

void SortSoonestDueFirst(std::vector<rv1::Referral>& referrals) {
  const auto key = [](const rv1::Referral& referral) {
    return std::tuple(
        referral.has_due_time() ? TimeOf(referral.due_time()) : absl::InfiniteFuture(),
        std::string_view(referral.referral_id()));
  };
  std::ranges::sort(referrals, {}, key);
}

std::string WorkListVersion(const WorkList& list, const std::vector<WorkRow>& rows,
                            const WorkPlace& place, absl::Time now) {
  std::vector<WorkRow> nameless = rows;
  for (WorkRow& row : nameless) row.name = row.referral.person_id();
  return LiveVersion(ListPart(list, nameless, place, now).text());
}

http::Response WorkListPage(const WorkList& list, const std::vector<WorkRow>& rows,
                            const WorkPlace& place, std::string version, const Viewer& viewer,
                            absl::Time now) {
  Html html;
  html.Raw("<h1 class=\"nhsuk-heading-l\">").Text(list.title).Raw("</h1>\n");
  const Html part = ListPart(list, rows, place, now);
  if (version.empty()) {
    html.Add(part);
  } else {
    // The next look asks for the names that are not to be had now.
    if (std::ranges::any_of(rows, [](const WorkRow& row) { return row.name.empty(); })) {
      version += "-nameless";
    }
    AddLive(html, part, {.version = version});
  }
  return Page(200, list.title, std::move(html),
              {.viewer = &viewer, .current = list.path, .live_version = version});
}

}  // namespace fettle::gateway
