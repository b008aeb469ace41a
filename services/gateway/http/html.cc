#include "services/gateway/http/html.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/text.h"
#include "libs/crypto/digest.h"

namespace fettle::gateway {
namespace {

// Nothing from elsewhere is loaded or asked: not the fonts that the design system would fetch, no
// script beside ours, no frame around us.
constexpr char kContentSecurityPolicy[] =
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

constexpr Literal kHead = R"(<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<link rel="icon" href="/assets/assets/images/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/nhsuk-frontend.min.css">
)";

constexpr Literal kScript = R"(<script src="/assets/fettle-live.js" defer></script>
)";

constexpr Literal kHeader = R"( - Fettle</title>
</head>
<body>
<a class="nhsuk-skip-link" href="#maincontent">Skip to main content</a>
<header class="nhsuk-header">
<div class="nhsuk-header__container nhsuk-width-container">
<div class="nhsuk-header__service"><a class="nhsuk-header__service-name" href="/">Fettle</a></div>
<nav class="nhsuk-header__account" aria-label="Account">
<ul class="nhsuk-header__account-list">
)";

constexpr Literal kSignOut = R"(</li>
<li class="nhsuk-header__account-item">
<form class="nhsuk-header__account-form" action="/sign-out" method="post">
<button class="nhsuk-header__account-button">Sign out</button>
</form>
</li>
)";

constexpr Literal kEnd = R"(</main>
</div>
<footer class="nhsuk-footer">
<div class="nhsuk-width-container">
<p class="nhsuk-body-s">Fettle runs the personalised care programme of a region: referrals, personal health budgets,
and the training of the people who make both work.</p>
</div>
</footer>
</body>
</html>
)";

// The pages of a day's work.
constexpr struct {
  std::string_view path, text;
} kWays[] = {
    {"/desk", "My people"}, {"/desk/triage", "Triage"},          {"/desk/pool", "Waiting list"},
    {"/desk/new", "Refer"}, {"/desk/messages", "Not delivered"},
};

constexpr size_t kVersionBytes = 16;

// Weak: what a form carries beside what is shown differs from one answer to the next.
std::string Tag(std::string_view version) { return base::Concat("W/\"", version, "\""); }

bool HasTag(const http::Request& request, std::string_view tag) {
  return request.Header("if-none-match") == tag;
}

http::Response NotModified(std::string tag) {
  return {304, "", "", {{"ETag", std::move(tag)}, {"Cache-Control", "no-store"}}};
}

void AddAccount(Html& html, const Viewer* viewer) {
  if (viewer == nullptr) {
    html.Raw(R"(<li class="nhsuk-header__account-item">)")
        .Raw(R"(<a class="nhsuk-header__account-link" href="/desk">Your work</a></li>)");
  } else {
    html.Raw(R"(<li class="nhsuk-header__account-item">)")
        .Text(viewer->name.empty() ? viewer->subject : viewer->name)
        .Raw(" (")
        .Text(viewer->organisation)
        .Raw(")")
        .Raw(kSignOut);
  }
  html.Raw("</ul>\n</nav>\n</div>\n");
}

void AddWays(Html& html, std::string_view current) {
  html.Raw(R"(<nav class="nhsuk-header__navigation" aria-label="Menu">
<div class="nhsuk-header__navigation-container nhsuk-width-container">
<ul class="nhsuk-header__navigation-list">
)");
  for (const auto& way : kWays) {
    const bool is_current = way.path == current;
    html.Raw("<li class=\"nhsuk-header__navigation-item");
    if (is_current) html.Raw(" nhsuk-header__navigation-item--current");
    html.Raw("\"><a class=\"nhsuk-header__navigation-link\" href=\"").Text(way.path).Raw("\"");
    if (is_current) html.Raw(" aria-current=\"page\"");
    html.Raw(">").Text(way.text).Raw("</a></li>\n");
  }
  html.Raw("</ul>\n</div>\n</nav>\n");
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

Html& Html::Words(std::string_view text) {
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (begin > 0) Raw("<br>\n");
    Text(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return *this;
}

http::Response Page(int status, std::string_view title, Html body, const Frame& frame) {
  Html html;
  html.Raw(kHead).RawIf(!frame.live_version.empty(), kScript).Raw("<title>");
  if (frame.has_errors) html.Raw("Error: ");
  html.Text(title).Raw(kHeader);
  AddAccount(html, frame.viewer);
  if (frame.viewer != nullptr) AddWays(html, frame.current);
  html.Raw("</header>\n<div class=\"nhsuk-width-container\">\n");
  if (!frame.back_path.empty()) {
    html.Raw("<a class=\"nhsuk-back-link\" href=\"")
        .Text(frame.back_path)
        .Raw("\">")
        .Text(frame.back_text)
        .Raw("</a>\n");
  }
  html.Raw("<main class=\"nhsuk-main-wrapper\" id=\"maincontent\">\n").Add(body).Raw(kEnd);
  http::Response response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.body = html.Take();
  response.headers = {{"Content-Security-Policy", kContentSecurityPolicy},
                      {"Referrer-Policy", "same-origin"},
                      {"Cache-Control", "no-store"}};
  if (!frame.live_version.empty()) response.headers.emplace_back("ETag", Tag(frame.live_version));
  return response;
}

void AddLive(Html& html, const Html& part, const Live& live) {
  html.Raw("<div data-live=\"")
      .Text(absl::StrCat(live.seconds))
      .Raw("\" data-live-version=\"")
      .Text(live.version)
      .Raw("\"")
      .RawIf(live.is_at_once, " data-live-at-once")
      .Raw(">\n")
      .Add(part)
      .Raw("</div>\n");
}

std::string LiveVersion(std::string_view shown) {
  return crypto::Hex(crypto::Sha256(shown).substr(0, kVersionBytes));
}

bool IsShown(const http::Request& request, std::string_view version) {
  return HasTag(request, Tag(version));
}

http::Response NothingNew(std::string_view version) { return NotModified(Tag(version)); }

http::Response UnlessShown(const http::Request& request, http::Response page) {
  const auto tag =
      std::ranges::find(page.headers, "ETag", &std::pair<std::string, std::string>::first);
  if (page.status != 200 || tag == page.headers.end() || !HasTag(request, tag->second)) return page;
  return NotModified(tag->second);
}

}  // namespace fettle::gateway
