// What the gateway's HTTP server does by itself: the answer is the body. PORT.
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "libs/base/metrics.h"
#include "libs/http/server.h"

namespace http = fettle::http;

int main(int argc, char** argv) {
  http::ServerOptions options;
  int port = 0;
  if (argc != 2 || !absl::SimpleAtoi(argv[1], &port)) return 2;
  options.listen_port = static_cast<uint16_t>(port);
  const auto metrics = fettle::base::Metrics::Create(std::nullopt);
  if (!metrics.ok()) return 1;
  const auto server = http::Server::Start(
      options,
      [](std::shared_ptr<const http::Request> request) -> http::Task<http::Response> {
        co_return http::Response{200, "application/fhir+json; charset=utf-8", request->body, {}};
      },
      [](const http::Request&, int status) {
        return http::Response{status, "text/plain", "", {}};
      },
      metrics->get());
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", std::string(server.status().message()).c_str());
    return 1;
  }
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  int signal = 0;
  sigwait(&ends, &signal);
  (*server)->Stop();
  return 0;
}
