#include <map>
#include <memory>
#include <string>

#include "libs/base/status.h"
#include "libs/journal/consumer.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/feed_client.h"
#include "libs/rpc/process.h"
#include "services/analytics/analytics_service.h"
#include "services/analytics/projection.h"

int main(int argc, char** argv) {
  using fettle::rpc::FeedClient;
  using fettle::rpc::Process;
  namespace analytics = fettle::analytics;
  namespace journal = fettle::journal;

  Process process("analytics", "Measures of the programme, made of the events of all services.");
  std::map<std::string, std::string> targets = {
      {"person", "localhost:7101"}, {"referral", "localhost:7102"}, {"training", "localhost:7103"},
      {"budget", "localhost:7104"}, {"audit", "localhost:7105"},    {"gateway", ""}};
  for (auto& [service, target] : targets) {
    process.settings().Add(&target, service + "_target",
                           "host:port of that service's feed; empty: there is none",
                           std::string(target));
  }
  bool national = false;
  process.settings().Add(&national, "national",
                         "This installation holds the whole country: its totals are not rounded",
                         false);
  bool rebuild = false;
  process.settings().Add(&rebuild, "rebuild",
                         "Empty the projections and take every event again from position 1", false);

  analytics::Projection projection;
  std::map<std::string, std::unique_ptr<FeedClient>> publishers;
  std::unique_ptr<journal::Consumer> consumer;
  return process.Run(
      argc, argv, journal::AccessOnlyModel("analytics"),
      [&](Process& parts) -> absl::StatusOr<Process::Built> {
        journal::ConsumerOptions options;
        options.name = "analytics";
        options.database_path = parts.data_dir() + "/figures.db";
        options.kafka = parts.kafka();
        options.topics = {analytics::kPersonTopic, analytics::kReferralTopic,
                          analytics::kTrainingTopic, analytics::kBudgetTopic,
                          analytics::kAccessTopic};
        options.from_nothing = rebuild;
        for (const auto& [service, target] : targets) {
          if (target.empty()) continue;
          publishers[service] = std::make_unique<FeedClient>(
              fettle::rpc::MakeChannel(target, parts.identity()), parts.kafka() == "none");
          options.feeds.push_back(fettle::rpc::FeedSourceOf(service, publishers[service].get()));
        }
        FETTLE_ASSIGN_OR_RETURN(
            consumer, journal::Consumer::Start(std::move(options), &projection, &parts.metrics()));
        Process::Built built;
        built.services.push_back(std::make_unique<analytics::AnalyticsServiceImpl>(
            analytics::AnalyticsParts{.adapter = parts.Parts(nullptr),
                                      .consumer = consumer.get(),
                                      .publishers = &publishers,
                                      .national = national}));
        built.stop = [&] {
          for (const auto& [service, client] : publishers) client->Cancel();
          consumer->Stop();
        };
        built.failure = [&] { return consumer->failure(); };
        return built;
      });
}
