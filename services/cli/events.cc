#include <google/protobuf/util/json_util.h>

#include "fettle/analytics/v1/analytics_service.pb.h"
#include "fettle/audit/v1/audit_events.pb.h"
#include "fettle/budget/v1/budget_events.pb.h"
#include "fettle/journal/v1/access_events.pb.h"
#include "fettle/person/v1/person_events.pb.h"
#include "fettle/referral/v1/referral_events.pb.h"
#include "fettle/training/v1/training_events.pb.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/bus/subscriber.h"
#include "services/cli/command.h"

namespace fettle::cli {
namespace {

constexpr absl::Duration kBrokerWaitMax = absl::Seconds(10);
constexpr absl::Duration kPoll = absl::Milliseconds(500);
constexpr int kPollMessagesMax = 500;

// One message type per topic.
const google::protobuf::Message* TypeOf(const std::string& topic) {
  static const std::map<std::string, const google::protobuf::Message*> types = {
      {"fettle.person.v1", &person::v1::PersonEvent::default_instance()},
      {"fettle.referral.v1", &referral::v1::ReferralEvent::default_instance()},
      {"fettle.training.v1", &training::v1::TrainingEvent::default_instance()},
      {"fettle.budget.v1", &budget::v1::BudgetEvent::default_instance()},
      {"fettle.audit.v1", &audit::v1::AuditEvent::default_instance()},
      {"fettle.access.v1", &journal::v1::AccessEvent::default_instance()},
  };
  auto it = types.find(topic);
  return it == types.end() ? nullptr : it->second;
}

absl::Status Tail(const std::string& kafka, const std::string& topic, int64_t events_max,
                  bool follow) {
  const google::protobuf::Message* type = TypeOf(topic);
  if (type == nullptr) {
    return absl::NotFoundError("no topic " + topic +
                               "; expected fettle.person.v1, fettle.referral.v1, "
                               "fettle.training.v1, fettle.budget.v1, fettle.audit.v1 or "
                               "fettle.access.v1");
  }
  bus::SubscriberOptions options;
  options.cluster.bootstrap_servers = kafka;
  options.cluster.client_id = "fettle-cli";
  FETTLE_ASSIGN_OR_RETURN(auto subscriber, bus::Subscriber::Create(options));
  FETTLE_ASSIGN_OR_RETURN(const int partitions, subscriber->Partitions(topic, kBrokerWaitMax));
  std::vector<bus::Position> positions;
  int64_t waiting = 0;
  for (int partition = 0; partition < partitions; ++partition) {
    positions.push_back({topic, partition, bus::kOffsetBeginning});
    FETTLE_ASSIGN_OR_RETURN(const bus::Watermarks marks,
                            subscriber->GetWatermarks(topic, partition, kBrokerWaitMax));
    waiting += marks.high - marks.low;
  }
  if (!follow) events_max = events_max == 0 ? waiting : std::min(events_max, waiting);
  FETTLE_RETURN_IF_ERROR(subscriber->Start(positions));
  google::protobuf::util::JsonPrintOptions print;
  print.preserve_proto_field_names = true;
  for (int64_t shown = 0; follow ? events_max == 0 || shown < events_max : shown < events_max;) {
    FETTLE_ASSIGN_OR_RETURN(const std::vector<bus::ConsumedMessage> messages,
                            subscriber->Poll(kPollMessagesMax, kPoll));
    for (const bus::ConsumedMessage& message : messages) {
      std::unique_ptr<google::protobuf::Message> event(type->New());
      std::string json;
      if (!event->ParseFromString(message.value) ||
          !google::protobuf::util::MessageToJsonString(*event, &json, print).ok()) {
        return absl::DataLossError("an event cannot be read: is this program older than it?");
      }
      std::printf("%s\n", json.c_str());
      if (++shown == events_max) break;
    }
    std::fflush(stdout);
  }
  return absl::OkStatus();
}

}  // namespace

void AddEventCommands(CLI::App& app, Connection& connection, int& code) {
  struct Options {
    std::string topic, kafka = "localhost:9092";
    int64_t events_max = 0;
    bool follow = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("events", "Print a topic's events, one JSON line each");
  command->add_option("topic", options->topic, "For example fettle.referral.v1")->required();
  command->add_option("--kafka", options->kafka, "Bootstrap servers")->capture_default_str();
  command->add_option("--max", options->events_max, "End after this many; 0: all there are")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--follow", options->follow, "Stay for new ones");
  command->callback([&connection, &code, options] {
    const absl::Status status =
        Tail(options->kafka, options->topic, options->events_max, options->follow);
    if (!status.ok()) code = ShowError(connection, status);
  });

  auto id = std::make_shared<std::string>();
  command = app.add_subcommand("journey", "Show one journey over all services, as a timeline");
  command->add_option("correlation_id", *id, "The journey: correlation_id of a referral or budget")
      ->required();
  command->callback([&connection, &code, id] {
    analytics::v1::GetJourneyRequest request;
    request.set_correlation_id(*id);
    auto answer = Call(connection, request);
    if (!answer.ok() || connection.json) {
      code = Show(connection, answer);
      return;
    }
    for (const auto& step :
         static_cast<const analytics::v1::GetJourneyResponse&>(**answer).steps()) {
      std::printf("%s  %-9s %-46s %s\n",
                  base::FormatInstant(absl::FromUnixSeconds(step.time().seconds()) +
                                      absl::Nanoseconds(step.time().nanos()))
                      .c_str(),
                  step.service().c_str(), step.event_type().c_str(), step.stream_id().c_str());
    }
  });
}

}  // namespace fettle::cli
