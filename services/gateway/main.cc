#include <signal.h>

#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "libs/access/token.h"
#include "libs/base/clock.h"
#include "libs/base/config.h"
#include "libs/base/log.h"
#include "libs/base/metrics.h"
#include "libs/base/status.h"
#include "libs/http/server.h"
#include "libs/rpc/channel.h"
#include "services/gateway/fhir/capability.h"
#include "services/gateway/http/page_flow.h"
#include "services/gateway/http/router.h"
#include "services/gateway/message_flow.h"

namespace fettle::gateway {
namespace {

constexpr char kName[] = "gateway";

struct GatewaySettings {
  std::string ca_file, certificate_file, key_file, jwks_file, token_issuer, token_audience;
  std::string person_target, referral_target, analytics_target, targets_file, assets_dir, base_url,
      bars_versions;
  std::string clock_file, log_level;
  int64_t listen_port = 0, metrics_port = 0, threads = 0, connections_max = 0;
  http::ServerOptions server;
};

void Declare(GatewaySettings& to, base::Settings& settings) {
  settings.Add(&to.server.listen_address, "listen_address",
               "Address of the HTTP server; loopback or a private network behind a proxy",
               "127.0.0.1");
  settings.Add(&to.listen_port, "listen_port", "Port of the HTTP server; 0 takes any", 8080, 0,
               65535);
  settings.Add(&to.metrics_port, "metrics_port", "Port of /metrics on 127.0.0.1; 0: none", 0, 0,
               65535);
  settings.Add(&to.threads, "threads", "Threads that serve HTTP", 2, 1, 64);
  settings.Add(&to.connections_max, "connections_max", "Connections that may be open", 512, 1,
               100'000);
  settings.Add(&to.server.idle_ms_max, "idle_ms_max",
               "Longest time of a connection without a request, ms", 60'000, 100, 3'600'000);
  settings.Add(&to.server.read_ms_max, "read_ms_max", "Longest time to receive a request, ms",
               10'000, 100, 600'000);
  settings.Add(&to.ca_file, "ca_file", "PEM file of the authority that both sides trust", "");
  settings.Add(&to.certificate_file, "certificate_file", "PEM file of the gateway's certificate",
               "");
  settings.Add(&to.key_file, "key_file", "PEM file of its private key", "");
  settings.Add(&to.jwks_file, "jwks_file", "JSON Web Key Set of the token issuer", "");
  settings.Add(&to.token_issuer, "token_issuer", "The `iss` that tokens must carry",
               "https://issuer.fettle.invalid");
  settings.Add(&to.token_audience, "token_audience", "The `aud` that tokens must carry", "fettle");
  settings.Add(&to.person_target, "person_target", "host:port of the person service",
               "localhost:7101");
  settings.Add(&to.referral_target, "referral_target", "host:port of the referral service",
               "localhost:7102");
  settings.Add(&to.analytics_target, "analytics_target", "host:port of the analytics service",
               "localhost:7106");
  settings.Add(&to.targets_file, "targets_file",
               "TOML file of the services that partners may address", "");
  settings.Add(&to.assets_dir, "assets_dir",
               "Folder of the pages' styles and scripts; empty: pages without them", "");
  settings.Add(&to.base_url, "base_url", "Address that partners use for /FHIR/R4",
               "http://localhost:8080/FHIR/R4");
  settings.Add(&to.bars_versions, "bars_versions", "meta.versionId that are taken, by comma",
               "1.0.0-alpha,1.0.0-beta,1.0.0,1.1.0-alpha,1.1.0-beta,1.1.0");
  settings.Add(&to.clock_file, "clock_file", "Tests only: a file that holds the time", "");
  settings.Add(&to.log_level, "log_level", "debug, info, warning or error", "info");
}

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

absl::Status Serve(GatewaySettings& settings) {
  FETTLE_ASSIGN_OR_RETURN(const base::Level level, base::ParseLevel(settings.log_level));
  base::InitLog(kName, level);
  FETTLE_ASSIGN_OR_RETURN(const std::unique_ptr<base::Clock> clock,
                          base::OpenClock(settings.clock_file));
  std::optional<uint16_t> metrics_port;
  if (settings.metrics_port != 0) metrics_port = static_cast<uint16_t>(settings.metrics_port);
  FETTLE_ASSIGN_OR_RETURN(const std::unique_ptr<base::Metrics> metrics,
                          base::Metrics::Create(metrics_port));
  FETTLE_ASSIGN_OR_RETURN(
      const rpc::Identity identity,
      rpc::LoadIdentity(settings.ca_file, settings.certificate_file, settings.key_file));
  FETTLE_ASSIGN_OR_RETURN(
      const std::unique_ptr<access::TokenVerifier> tokens,
      access::TokenVerifier::Load(
          settings.jwks_file,
          {.issuer = settings.token_issuer, .audience = settings.token_audience}, clock.get()));

  MessageFlow::Parts parts;
  FETTLE_ASSIGN_OR_RETURN(parts.targets, Targets::Load(settings.targets_file));
  parts.person =
      person::v1::PersonService::NewStub(rpc::MakeChannel(settings.person_target, identity));
  parts.referral =
      referral::v1::ReferralService::NewStub(rpc::MakeChannel(settings.referral_target, identity));
  parts.tokens = tokens.get();
  parts.versions = absl::StrSplit(settings.bars_versions, ',', absl::SkipEmpty());
  const std::string capability = CapabilityStatement(settings.base_url, parts.versions);
  MessageFlow flow(std::move(parts));

  Assets assets;
  if (!settings.assets_dir.empty()) {
    FETTLE_ASSIGN_OR_RETURN(assets, Assets::Load(settings.assets_dir));
  }
  PageFlow pages({.analytics = analytics::v1::AnalyticsService::NewStub(
                      rpc::MakeChannel(settings.analytics_target, identity)),
                  .tokens = tokens.get(),
                  .secure_cookie = absl::StartsWith(settings.base_url, "https://")});
  Router router(&flow, &pages, std::move(assets), capability, metrics.get());

  settings.server.listen_port = static_cast<uint16_t>(settings.listen_port);
  settings.server.threads = static_cast<int>(settings.threads);
  settings.server.connections_max = static_cast<int>(settings.connections_max);
  FETTLE_ASSIGN_OR_RETURN(
      const std::unique_ptr<http::Server> server,
      http::Server::Start(
          settings.server,
          [&](std::shared_ptr<const http::Request> request) { return router.Handle(request); },
          [&](const http::Request& request, int status) { return router.Failure(request, status); },
          metrics.get()));
  base::Log(base::Level::kInfo, "ready",
            {{"address", settings.server.listen_address}, {"port", server->port()}});

  const sigset_t signals = StopSignals();
  int signal = 0;
  sigwait(&signals, &signal);
  base::Log(base::Level::kInfo, "stopping");
  server->Stop();
  base::Log(base::Level::kInfo, "stopped");
  return absl::OkStatus();
}

int Run(int argc, const char* const* argv) {
  // Blocked before any thread is made, so that only the wait in Serve takes them.
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  base::Settings settings(kName, "HTTP, FHIR and pages in front of the other services.");
  GatewaySettings values;
  Declare(values, settings);
  absl::StatusOr<base::Settings::Next> next = settings.Load(argc, argv);
  absl::Status status = next.status();
  if (status.ok() && *next == base::Settings::Next::kExit) return 0;
  if (status.ok()) status = Serve(values);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s: %s\n", kName, std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace fettle::gateway

int main(int argc, char** argv) { return fettle::gateway::Run(argc, argv); }
