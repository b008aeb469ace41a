#include "services/gateway/http/page_flow.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/trace.h"
#include "libs/base/uuid.h"
#include "services/gateway/calls.h"
#include "services/gateway/fields.h"
#include "services/gateway/http/pages.h"
#include "services/gateway/http/session.h"
#include "services/gateway/refusals.h"

namespace fettle::gateway {
namespace {

constexpr std::string_view kJourneysPath = "/journeys/";
constexpr char kJourneyMethod[] = "GET /journeys/<correlation id>";
// How often those who wait for the first start page look whether it is made.
constexpr absl::Duration kFirstPagePause = absl::Milliseconds(50);

// 1234567 as 1,234,567; a fraction and a sign stay as they are.
std::string Grouped(const std::string& number) {
  const size_t end = std::min(number.find('.'), number.size());
  const size_t begin = number.starts_with('-') ? 1 : 0;
  std::string grouped = number;
  for (size_t at = end; at > begin + 3;) {
    at -= 3;
    grouped.insert(at, ",");
  }
  return grouped;
}

// Pence as pounds; anything but digits stays as it is.
std::string Pounds(std::string pence) {
  const bool negative = pence.starts_with('-');
  if (negative) pence.erase(0, 1);
  if (pence.find_first_not_of("0123456789") != std::string::npos) return pence;
  pence.insert(0, pence.size() < 3 ? 3 - pence.size() : 0, '0');
  return absl::StrCat(negative ? "-" : "", "£", Grouped(pence.substr(0, pence.size() - 2)), ".",
                      pence.substr(pence.size() - 2));
}

std::string ShownValue(const analytics::v1::Figure& figure) {
  switch (figure.state()) {
    case analytics::v1::VALUE_STATE_SUPPRESSED:
      return "Too few to show";
    case analytics::v1::VALUE_STATE_SHOWN:
      break;
    default:
      return "Nothing recorded";
  }
  switch (figure.unit()) {
    case analytics::v1::UNIT_PENCE:
      return Pounds(figure.value());
    case analytics::v1::UNIT_PERCENT:
      return absl::StrCat(figure.value(), "%");
    case analytics::v1::UNIT_DAYS:
      return absl::StrCat(figure.value(), " days");
    default:
      return Grouped(figure.value());
  }
}

// `ReferralAccepted` as "Referral accepted".
std::string Words(const std::string& event_type) {
  std::string words;
  for (const char c : event_type) {
    const bool starts_word = absl::ascii_isupper(static_cast<unsigned char>(c)) && !words.empty();
    if (starts_word) words += ' ';
    words += starts_word ? absl::ascii_tolower(static_cast<unsigned char>(c)) : c;
  }
  return words;
}

std::string ShownTime(const google::protobuf::Timestamp& time) {
  static const absl::TimeZone* const kLondon = [] {
    auto* zone = new absl::TimeZone();
    absl::LoadTimeZone("Europe/London", zone);
    return zone;
  }();
  return absl::FormatTime(
      "%E4Y-%m-%d %H:%M:%S",
      absl::FromUnixNanos(google::protobuf::util::TimeUtil::TimestampToNanoseconds(time)),
      *kLondon);
}

http::Response NotNow() {
  return ProblemPage(503, "The journey cannot be shown now", "Load the page again in a while.");
}

http::Response NoFigures() {
  return StartPage({}, "", "The figures cannot be shown now. Load the page again in a while.");
}

http::Response SeeOther(std::string location) {
  return {303, "text/plain; charset=utf-8", "See other\n", {{"Location", std::move(location)}}};
}

// Where a role begins its day.
std::string HomeOf(const std::string& role) {
  const bool works_with_people =
      role == "link_worker" || role == "occupational_therapist" || role == "referrer";
  return works_with_people ? "/desk" : "/";
}

// A path of ours: what a form says must not lead to another site.
std::string OwnPath(const std::string& next, const std::string& otherwise) {
  const bool is_own = next.starts_with('/') && !next.starts_with("//") &&
                      next.find_first_of("\\\r\n") == std::string::npos;
  return is_own ? next : otherwise;
}

std::string Traceparent(const http::Request& request) {
  return base::ChildTraceparent(request.Header("traceparent").value_or(""));
}

}  // namespace

std::optional<http::Response> PageFlow::KeptStart(bool& ask) {
  absl::MutexLock lock(&mutex_);
  // While one asks, the others see what was.
  if (start_.has_value() && (asking_ || absl::Now() < start_until_)) return start_;
  ask = !asking_;
  asking_ = true;
  return std::nullopt;
}

http::Task<http::Response> PageFlow::Start(std::shared_ptr<const http::Request> request) {
  const absl::Time latest = absl::Now() + parts_.calls_max;
  bool ask = false;
  while (!ask) {
    const std::optional<http::Response> kept = KeptStart(ask);
    if (kept.has_value()) co_return UnlessShown(*request, *kept);
    if (ask) break;
    // The first page of all is being made.
    if (absl::Now() >= latest) co_return NoFigures();
    co_await http::Sleep(kFirstPagePause);
  }
  // However this ends, somebody may ask again.
  const absl::Cleanup asked = [this] {
    absl::MutexLock lock(&mutex_);
    asking_ = false;
  };
  http::Response page = co_await MakeStart(request);
  absl::MutexLock lock(&mutex_);
  start_ = page;
  start_until_ = absl::Now() + parts_.figures_age_max;
  co_return UnlessShown(*request, page);
}

http::Task<http::Response> PageFlow::MakeStart(std::shared_ptr<const http::Request> request) {
  const CallContext call{.bearer = "",
                         .traceparent = Traceparent(*request),
                         .correlation_id = "",
                         .deadline = absl::Now() + parts_.calls_max};
  const analytics::v1::GetFiguresRequest get;
  const auto start = [&](auto* context, auto* response, auto done) {
    parts_.analytics->async()->GetFigures(context, &get, response, std::move(done));
  };
  const auto answer = co_await Ask<analytics::v1::GetFiguresResponse>(call, start);
  if (!answer.ok()) {
    base::Log(base::Level::kWarning, "no figures for the start page",
              {{"cause", answer.status().message()}});
    co_return NoFigures();
  }
  std::vector<Figure> figures;
  std::map<std::string, int64_t> positions;
  for (const analytics::v1::Figure& figure : answer->response.figures()) {
    const bool is_whole = figure.area_level() == analytics::v1::AREA_LEVEL_NATIONAL ||
                          figure.area_level() == analytics::v1::AREA_LEVEL_REGION;
    if (!is_whole || !figure.month().empty()) continue;
    figures.push_back({figure.measure_name(), ShownValue(figure),
                       absl::StrCat("Measure ", figure.measure_id(), ", edition ", figure.edition(),
                                    ", ", figure.profile())});
    for (const analytics::v1::SourcePosition& source : figure.sources()) {
      positions[source.source()] = source.position();
    }
  }
  int64_t events = 0;
  for (const auto& [source, position] : positions) events += position;
  co_return StartPage(figures,
                      absl::StrCat("Everything since the start, made of ",
                                   Grouped(absl::StrCat(events)), " events of ", positions.size(),
                                   positions.size() == 1 ? " journal." : " journals."),
                      "");
}

http::Task<http::Response> PageFlow::Journey(std::shared_ptr<const http::Request> request,
                                             std::string correlation_id) {
  const std::string bearer = TokenOf(*request);
  const auto claims = parts_.tokens->Verify(absl::StrCat("Bearer ", bearer));
  if (!base::IsUuid(correlation_id)) {
    if (claims.ok()) {
      const absl::Status refusal = co_await RecordRefusal(
          parts_.journal, CallOf(*claims, *request, kJourneyMethod),
          base::Refuse(absl::StatusCode::kNotFound, "JOURNEY_ID_INVALID", "expected a UUID"));
      if (!absl::IsNotFound(refusal)) co_return NotNow();
    }
    co_return ProblemPage(404, "No such journey", "A correlation id is a UUID of 36 characters.");
  }
  if (!claims.ok()) {
    if (!bearer.empty()) LogStranger(kJourneyMethod, claims.status());
    co_return SignInPage(401, bearer.empty() ? "" : "That token is not good any more.",
                         request->target);
  }
  const CallContext call{.bearer = bearer,
                         .traceparent = Traceparent(*request),
                         .correlation_id = "",
                         .deadline = absl::Now() + parts_.calls_max};
  analytics::v1::GetJourneyRequest get;
  get.set_correlation_id(base::UuidFromBytes(base::UuidToBytes(correlation_id)));
  const auto start = [&](auto* context, auto* response, auto done) {
    parts_.analytics->async()->GetJourney(context, &get, response, std::move(done));
  };
  const auto answer = co_await Ask<analytics::v1::GetJourneyResponse>(call, start);
  if (absl::IsPermissionDenied(answer.status())) {
    co_return ProblemPage(403, "Not for your role",
                          "Your token's role may not see journeys. Sign in with another one.");
  }
  // One that is not there and one that is not yours get the same answer.
  if (absl::IsNotFound(answer.status()) || (answer.ok() && answer->response.steps_size() == 0)) {
    co_return ProblemPage(404, "No such journey",
                          "Nothing with this correlation id has reached the timeline yet.");
  }
  if (!answer.ok()) {
    base::Log(base::Level::kWarning, "no journey", {{"cause", answer.status().message()}});
    co_return NotNow();
  }
  std::vector<JourneyStep> steps;
  for (const analytics::v1::JourneyStep& step : answer->response.steps()) {
    steps.push_back({ShownTime(step.time()), Words(step.event_type()),
                     absl::StrCat("Position ", step.position(), " of the ", step.service(),
                                  " journal, ", step.stream_id())});
  }
  co_return JourneyPage(get.correlation_id(), steps);
}

http::Task<http::Response> PageFlow::FindJourney(std::shared_ptr<const http::Request> request) {
  const std::string_view target(request->target);
  const size_t query = std::min(target.find('?'), target.size() - 1);
  const std::string id = FormField(target.substr(query + 1), "id");
  if (base::IsUuid(id)) co_return SeeOther(absl::StrCat(std::string(kJourneysPath), id));
  co_return co_await Journey(request, id);
}

std::string PageFlow::Cookie(const std::string& token) const {
  return absl::StrCat(kSessionCookie, "=", token, "; Path=/; HttpOnly; SameSite=Strict",
                      parts_.secure_cookie ? "; Secure" : "", token.empty() ? "; Max-Age=0" : "");
}

http::Response PageFlow::SignIn(const http::Request& request) const {
  if (request.method != "POST") return SignInPage(200, "", "");
  const std::string next = FormField(request.body, "next");
  // Else a page of others could sign somebody in as somebody else.
  if (IsFromElsewhere(request)) {
    return SignInPage(403, "Sign in on this page, not on another one.", "");
  }
  const std::string token(absl::StripAsciiWhitespace(FormField(request.body, "token")));
  const auto claims = parts_.tokens->Verify(absl::StrCat("Bearer ", token));
  if (!claims.ok()) {
    LogStranger("POST /sign-in", claims.status());
    return SignInPage(401, "That token is not good.", next);
  }
  http::Response response = SeeOther(OwnPath(next, HomeOf(claims->role)));
  response.headers.emplace_back("Set-Cookie", Cookie(token));
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

http::Response PageFlow::SignOut(const http::Request& request) const {
  if (IsFromElsewhere(request)) return SignInPage(403, "Sign out on a page of ours.", "");
  http::Response response = SeeOther("/");
  response.headers.emplace_back("Set-Cookie", Cookie(""));
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

http::Task<http::Response> PageFlow::Work(std::shared_ptr<const http::Request> request) {
  co_return co_await parts_.work->Handle(request);
}

}  // namespace fettle::gateway
