#include "services/gateway/http/pages.h"

#include <utility>

namespace fettle::gateway {

http::Response StartPage(const std::vector<Figure>& figures, std::string_view as_of,
                         std::string_view problem) {
  Html html, part;
  html.Raw("<h1 class=\"nhsuk-heading-xl\">Personalised care in this region</h1>\n");
  if (!problem.empty()) {
    part.Raw("<div class=\"nhsuk-inset-text\" role=\"status\"><p>")
        .Text(problem)
        .Raw("</p></div>\n");
  } else {
    part.Raw("<p class=\"nhsuk-lede-text\">").Text(as_of).Raw("</p>\n");
  }
  part.Raw("<ul class=\"nhsuk-grid-row nhsuk-card-group\">\n");
  for (const Figure& figure : figures) {
    part.Raw("<li class=\"nhsuk-grid-column-one-third nhsuk-card-group__item\">")
        .Raw("<div class=\"nhsuk-card\"><div class=\"nhsuk-card__content\">")
        .Raw("<h2 class=\"nhsuk-card__heading nhsuk-heading-s\">")
        .Text(figure.label)
        .Raw("</h2><p class=\"nhsuk-heading-l nhsuk-u-margin-bottom-1\">")
        .Text(figure.value)
        .Raw("</p><p class=\"nhsuk-card__description\">")
        .Text(figure.explanation)
        .Raw("</p></div></div></li>\n");
  }
  part.Raw("</ul>\n");
  const std::string version = LiveVersion(part.text());
  AddLive(html, part, {.version = version, .seconds = kLiveFiguresSeconds});
  html.Raw(R"(<h2>Your work</h2>
<p>People in your charge, triage, and the waiting list of your organisation. You need to sign in to see them.</p>
<p><a class="nhsuk-button" href="/desk" draggable="false">Go to your work</a></p>
<h2>Follow a journey</h2>
<p>Every step of one person's way through referral, budget and payment carries the same correlation id. You need to
sign in to see it.</p>
<form action="/journeys" method="get">
<div class="nhsuk-form-group">
<label class="nhsuk-label" for="correlation-id">Correlation id</label>
<input class="nhsuk-input nhsuk-input--width-30" id="correlation-id" name="id" type="text" autocomplete="off" spellcheck="false">
</div>
<button class="nhsuk-button" type="submit">Show the journey</button>
</form>
<h2>For partner systems</h2>
<p>Referrals of the Booking and Referral Standard (FHIR R4) come in at <code>POST /FHIR/R4/$process-message</code>.
<a href="/FHIR/R4/metadata">The capability statement</a> says what is taken.</p>
)");
  return Page(200, "Personalised care in this region", std::move(html), {.live_version = version});
}

http::Response JourneyPage(std::string_view correlation_id, const std::vector<JourneyStep>& steps) {
  Html html;
  html.Raw("<h1 class=\"nhsuk-heading-l\"><span class=\"nhsuk-caption-l\">Journey ")
      .Text(correlation_id)
      .Raw("</span> What happened</h1>\n<ol class=\"nhsuk-list nhsuk-list--border\">\n");
  for (const JourneyStep& step : steps) {
    html.Raw("<li><h2 class=\"nhsuk-heading-s nhsuk-u-margin-bottom-1\">")
        .Text(step.title)
        .Raw("</h2><p class=\"nhsuk-u-margin-bottom-1\">")
        .Text(step.time)
        .Raw("</p>");
    if (!step.detail.empty()) {
      html.Raw("<p class=\"nhsuk-hint nhsuk-u-margin-bottom-1\">").Text(step.detail).Raw("</p>");
    }
    html.Raw("</li>\n");
  }
  html.Raw("</ol>\n");
  return Page(200, "Journey", std::move(html));
}

http::Response SignInPage(int status, std::string_view problem, std::string_view next) {
  Html html;
  if (!problem.empty()) {
    html.Raw("<div class=\"nhsuk-error-summary\" tabindex=\"-1\" autofocus><div role=\"alert\">")
        .Raw("<h2 class=\"nhsuk-error-summary__heading\">There is a problem</h2><p>")
        .Text(problem)
        .Raw("</p></div></div>\n");
  }
  html.Raw(R"(<h1 class="nhsuk-heading-l">Sign in</h1>
<form action="/sign-in" method="post">
<div class="nhsuk-form-group">
<label class="nhsuk-label" for="token">Token</label>
<div class="nhsuk-hint" id="token-hint">As your organisation's identity provider gives it; here, what
<code>fettle token</code> prints. This browser keeps it until it expires or you close the browser.</div>
<textarea class="nhsuk-textarea" id="token" name="token" rows="5" autocomplete="off" spellcheck="false" aria-describedby="token-hint"></textarea>
</div>
<input type="hidden" name="next" value=")")
      .Text(next)
      .Raw("\">\n<button class=\"nhsuk-button\" type=\"submit\">Sign in</button>\n</form>\n");
  return Page(status, "Sign in", std::move(html));
}

http::Response ProblemPage(int status, std::string_view title, std::string_view words,
                           const Viewer* viewer) {
  Html html;
  html.Raw("<h1 class=\"nhsuk-heading-l\">")
      .Text(title)
      .Raw("</h1>\n<p>")
      .Text(words)
      .Raw("</p>\n<p><a href=\"/\">Back to the start page</a></p>\n");
  return Page(status, title, std::move(html), {.viewer = viewer});
}

}  // namespace fettle::gateway
