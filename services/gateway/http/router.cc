#include "services/gateway/http/router.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "services/gateway/api/problem.h"

namespace fettle::gateway {
namespace {

constexpr std::string_view kFhirPath = "/FHIR/R4/";
constexpr std::string_view kJourneysPath = "/journeys/";

struct FailureRow {
  int status;
  OutcomeKind kind;
  const char* diagnostics;
};

constexpr FailureRow kFailures[] = {
    {400, OutcomeKind::kInvalid, "the request is not HTTP/1.1 that can be read"},
    {408, OutcomeKind::kTimeout, "no answer in time; try again with the same ids"},
    {413, OutcomeKind::kTooCostly, "the body is larger than this receiver takes"},
    {431, OutcomeKind::kInvalid, "the headers are larger than this receiver takes"},
    {500, OutcomeKind::kException, "the receiver failed; the fault is in its log"},
    {503, OutcomeKind::kUnavailable, "too many connections; try again with the same ids"},
};

bool IsGet(const http::Request& request) {
  return request.method == "GET" || request.method == "HEAD";
}

http::Response MethodNotAllowed(const char* allowed) {
  http::Response response = Answer(OutcomeKind::kInvalid, absl::StrCat("expected ", allowed));
  response.status = 405;
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace

Router::Router(MessageFlow* flow, ReadFlow* reads, PageFlow* pages, Assets assets,
               std::string capability_statement, base::Metrics* metrics, ApiFlow* api)
    : flow_(flow),
      reads_(reads),
      pages_(pages),
      assets_(std::move(assets)),
      capability_statement_(std::move(capability_statement)),
      metrics_(metrics),
      api_(api) {}

http::Task<http::Response> Router::Handle(std::shared_ptr<const http::Request> request) {
  const char* route = "none";
  http::Response response = co_await Route(request, &route);
  Finish(*request, route, response);
  co_return response;
}

http::Task<http::Response> Router::Route(std::shared_ptr<const http::Request> request,
                                         const char** route) {
  const std::string_view path = request->Path();
  if (path == "/FHIR/R4/$process-message" || path == "/FHIR/R4/%24process-message") {
    *route = "process-message";
    if (request->method != "POST") co_return MethodNotAllowed("POST");
    co_return co_await flow_->ProcessMessage(request);
  }
  if (path == "/FHIR/R4/metadata") {
    *route = "metadata";
    if (!IsGet(*request)) co_return MethodNotAllowed("GET");
    co_return http::Response{
        200, "application/fhir+json; charset=utf-8", capability_statement_, {}};
  }
  if (path.starts_with(kFhirPath) && ReadFlow::Serves(path.substr(kFhirPath.size()))) {
    *route = "fhir-read";
    if (!IsGet(*request)) co_return MethodNotAllowed("GET");
    co_return co_await reads_->Read(request, std::string(path.substr(kFhirPath.size())));
  }
  if (path.starts_with(kFhirPath)) {
    co_return Refused(base::Refuse(absl::StatusCode::kUnimplemented, "ENDPOINT_NOT_IMPLEMENTED",
                                   "this receiver has $process-message and what metadata names"));
  }
  if (api_ != nullptr && ApiFlow::Serves(path)) {
    *route = "api";
    co_return co_await api_->Handle(request);
  }
  if (path == "/health" && IsGet(*request)) {
    *route = "health";
    co_return http::Response{
        200, "application/json", "{\"status\":\"ok\"}\n", {{"Cache-Control", "no-store"}}};
  }
  if (path.starts_with(kAssetsPath) && IsGet(*request)) {
    *route = "assets";
    co_return assets_.Get(path.substr(std::string_view(kAssetsPath).size()));
  }
  if (path == "/" && IsGet(*request)) {
    *route = "start";
    co_return co_await pages_->Start(request);
  }
  if (path == "/journeys" && IsGet(*request)) {
    *route = "journey";
    co_return co_await pages_->FindJourney(request);
  }
  if (path.starts_with(kJourneysPath) && IsGet(*request)) {
    *route = "journey";
    co_return co_await pages_->Journey(request, std::string(path.substr(kJourneysPath.size())));
  }
  if (path == "/sign-in" && (IsGet(*request) || request->method == "POST")) {
    *route = "sign-in";
    co_return pages_->SignIn(*request);
  }
  if (path == "/sign-out" && request->method == "POST") {
    *route = "sign-out";
    co_return pages_->SignOut(*request);
  }
  if ((path == "/desk" || path.starts_with("/desk/")) &&
      (IsGet(*request) || request->method == "POST")) {
    *route = "work";
    co_return co_await pages_->Work(request);
  }
  co_return http::Response{404, "text/plain; charset=utf-8", "Not found\n", {}};
}

http::Response Router::Failure(const http::Request& request, int status) {
  const auto* row = std::ranges::find(kFailures, status, &FailureRow::status);
  FETTLE_CHECK(row != std::end(kFailures), "every status of http::Server::Failure has its row");
  http::Response response =
      ApiFlow::Serves(request.Path())
          ? ProblemOf(absl::Status(absl::StatusCode::kInvalidArgument, row->diagnostics), status)
          : Answer(row->kind, row->diagnostics);
  response.status = status;
  Finish(request, "failure", response);
  return response;
}

void Router::Finish(const http::Request& request, const char* route, http::Response& response) {
  EchoIds(request, response);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  metrics_
      ->AddCounter("fettle_http_requests_total", "Requests answered",
                   {{"route", route}, {"status", absl::StrCat(response.status)}})
      .Increment();
  base::Log(base::Level::kDebug, "answered", {{"route", route}, {"status", response.status}});
}

}  // namespace fettle::gateway
