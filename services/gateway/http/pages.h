// The pages for people, as HTML: pure functions of what they show. Styles are those of the NHS
// design system (nhsuk-frontend); every text that is shown is escaped.
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_PAGES_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_PAGES_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/http/message.h"
#include "services/gateway/http/html.h"

namespace fettle::gateway {

// A number on the start page.
struct Figure {
  std::string label;
  std::string value;        // as shown, grouped; "fewer than 8" where a small number is not told
  std::string explanation;  // what is counted, in a sentence
};

// What happened to somebody, in the words of a timeline.
struct JourneyStep {
  std::string time;    // as shown: "22 November 2025, 09:30:01"
  std::string title;   // "Referral submitted"
  std::string detail;  // who did it and where it is recorded; may be empty
};

// `as_of` says what the figures reflect; no figures when `problem` says why there are none.
http::Response StartPage(const std::vector<Figure>& figures, std::string_view as_of,
                         std::string_view problem);
http::Response JourneyPage(std::string_view correlation_id, const std::vector<JourneyStep>& steps);
// Asks for a token. `problem` is shown when one was refused; `next` is a path of ours.
http::Response SignInPage(int status, std::string_view problem, std::string_view next);
http::Response ProblemPage(int status, std::string_view title, std::string_view words,
                           const Viewer* viewer = nullptr);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_PAGES_H_
