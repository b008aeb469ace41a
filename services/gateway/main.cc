#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/http/server.h"
#include "libs/journal/model.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/process.h"
#include "services/gateway/delivery_flow.h"
#include "services/gateway/fhir/capability.h"
#include "services/gateway/http/page_flow.h"
#include "services/gateway/http/router.h"
#include "services/gateway/message_flow.h"

namespace fettle::gateway {
namespace {

struct GatewaySettings {
  std::string person_target, referral_target, analytics_target, targets_file, assets_dir, base_url,
      bars_versions;
  int64_t http_port = 0, threads = 0, connections_max = 0, figures_age_s_max = 0,
          delivery_poll_ms = 0, partner_answer_ms_max = 0;
  http::ServerOptions server;
};

void Declare(GatewaySettings& to, base::Settings& settings) {
  settings.Add(&to.server.listen_address, "http_address",
               "Address of the HTTP server; loopback or a private network behind a proxy",
               "127.0.0.1");
  settings.Add(&to.http_port, "http_port", "Port of the HTTP server; 0 takes any", 8080, 0, 65535);
  settings.Add(&to.threads, "threads", "Threads that serve HTTP", 2, 1, 64);
  settings.Add(&to.connections_max, "connections_max", "Connections that may be open", 512, 1,
               100'000);
  settings.Add(&to.server.idle_ms_max, "idle_ms_max",
               "Longest time of a connection without a request, ms", 60'000, 100, 3'600'000);
  settings.Add(&to.server.read_ms_max, "read_ms_max", "Longest time to receive a request, ms",
               10'000, 100, 600'000);
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
  settings.Add(&to.delivery_poll_ms, "delivery_poll_ms",
               "How often the referral service is asked for messages to partners, ms", 1'000, 10,
               60'000);
  settings.Add(&to.partner_answer_ms_max, "partner_answer_ms_max",
               "Longest time of a partner to answer a message of ours, ms", 10'000, 100, 60'000);
  settings.Add(&to.figures_age_s_max, "figures_age_s_max",
               "Longest time that the start page shows the same figures, s", 5, 0, 3'600);
}

// The HTTP side. Ends with the server first, so that what it calls is there until then.
struct Front {
  std::unique_ptr<MessageFlow> flow;
  std::unique_ptr<ReadFlow> reads;
  std::unique_ptr<PageFlow> pages;
  std::unique_ptr<ApiFlow> api;
  std::unique_ptr<Router> router;
  std::unique_ptr<http::Server> server;
  std::unique_ptr<DeliveryFlow> deliveries;
};

absl::StatusOr<Front> Open(GatewaySettings& settings, rpc::Process& process) {
  Front front;
  MessageFlow::Parts parts;
  FETTLE_ASSIGN_OR_RETURN(parts.targets, Targets::Load(settings.targets_file));
  const rpc::Identity& identity = process.identity();
  parts.person =
      person::v1::PersonService::NewStub(rpc::MakeChannel(settings.person_target, identity));
  parts.referral =
      referral::v1::ReferralService::NewStub(rpc::MakeChannel(settings.referral_target, identity));
  parts.tokens = &process.tokens();
  parts.journal = &process.journal();
  parts.versions = absl::StrSplit(settings.bars_versions, ',', absl::SkipEmpty());
  DeliveryFlow::Parts deliveries{.person = person::v1::PersonService::NewStub(
                                     rpc::MakeChannel(settings.person_target, identity)),
                                 .referral = referral::v1::ReferralService::NewStub(
                                     rpc::MakeChannel(settings.referral_target, identity)),
                                 .targets = parts.targets,
                                 .sender = {.service_id = parts.targets.reply_service_id()},
                                 .client = {.answer_ms_max = settings.partner_answer_ms_max},
                                 .poll = absl::Milliseconds(settings.delivery_poll_ms),
                                 .metrics = &process.metrics()};
  const std::string capability = CapabilityStatement(settings.base_url, parts.versions);
  front.flow = std::make_unique<MessageFlow>(std::move(parts));
  front.reads = std::make_unique<ReadFlow>(
      ReadFlow::Parts{.referral = referral::v1::ReferralService::NewStub(
                          rpc::MakeChannel(settings.referral_target, identity)),
                      .tokens = &process.tokens(),
                      .journal = &process.journal(),
                      .base_url = settings.base_url});

  Assets assets;
  if (!settings.assets_dir.empty()) {
    FETTLE_ASSIGN_OR_RETURN(assets, Assets::Load(settings.assets_dir));
  }
  front.pages = std::make_unique<PageFlow>(
      PageFlow::Parts{.analytics = analytics::v1::AnalyticsService::NewStub(
                          rpc::MakeChannel(settings.analytics_target, identity)),
                      .work = std::make_unique<WorkFlow>(WorkFlow::Parts{
                          .referral = rpc::MakeChannel(settings.referral_target, identity),
                          .person = rpc::MakeChannel(settings.person_target, identity),
                          .tokens = &process.tokens(),
                          .journal = &process.journal()}),
                      .tokens = &process.tokens(),
                      .journal = &process.journal(),
                      .secure_cookie = absl::StartsWith(settings.base_url, "https://"),
                      .figures_age_max = absl::Seconds(settings.figures_age_s_max)});
  ApiFlow::Parts api{.services = {}, .tokens = &process.tokens(), .journal = &process.journal()};
  api.services[referral::v1::ReferralService::service_full_name()] =
      std::make_unique<grpc::GenericStub>(rpc::MakeChannel(settings.referral_target, identity));
  api.services[analytics::v1::AnalyticsService::service_full_name()] =
      std::make_unique<grpc::GenericStub>(rpc::MakeChannel(settings.analytics_target, identity));
  front.api = std::make_unique<ApiFlow>(std::move(api));
  front.router =
      std::make_unique<Router>(front.flow.get(), front.reads.get(), front.pages.get(),
                               std::move(assets), capability, &process.metrics(), front.api.get());

  settings.server.listen_port = static_cast<uint16_t>(settings.http_port);
  settings.server.threads = static_cast<int>(settings.threads);
  settings.server.connections_max = static_cast<int>(settings.connections_max);
  Router* router = front.router.get();
  FETTLE_ASSIGN_OR_RETURN(front.server, http::Server::Start(
                                            settings.server,
                                            [router](std::shared_ptr<const http::Request> request) {
                                              return router->Handle(std::move(request));
                                            },
                                            [router](const http::Request& request, int status) {
                                              return router->Failure(request, status);
                                            },
                                            &process.metrics()));
  base::Log(base::Level::kInfo, "serving HTTP",
            {{"address", settings.server.listen_address}, {"port", front.server->port()}});
  front.deliveries = std::make_unique<DeliveryFlow>(std::move(deliveries));
  return front;
}

int Run(int argc, char** argv) {
  rpc::Process process("gateway", "HTTP, FHIR and pages in front of the other services.");
  GatewaySettings settings;
  Declare(settings, process.settings());
  Front front;
  return process.Run(argc, argv, journal::AccessOnlyModel("gateway"),
                     [&](rpc::Process& parts) -> absl::StatusOr<rpc::Process::Built> {
                       FETTLE_ASSIGN_OR_RETURN(front, Open(settings, parts));
                       rpc::Process::Built built;
                       built.stop = [&] {
                         front.deliveries->Stop();
                         front.server->Stop();
                       };
                       return built;
                     });
}

}  // namespace
}  // namespace fettle::gateway

int main(int argc, char** argv) { return fettle::gateway::Run(argc, argv); }
