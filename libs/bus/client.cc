#include "libs/bus/client.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"

namespace fettle::bus {
namespace {

using base::Level;

constexpr size_t kErrorTextBytes = 512;

void OnLog(const rd_kafka_t* client, int level, const char* facility, const char* text) noexcept {
  // Wanted (publisher.cc), and tested there; its "experimental" would stand in the log at every
  // start.
  if (std::strstr(text, "enable.gapless.guarantee is experimental")) return;
  // syslog levels: 3 error, 4 warning, 5 notice.
  const Level as = level <= 3   ? Level::kError
                   : level <= 4 ? Level::kWarning
                   : level <= 6 ? Level::kInfo
                                : Level::kDebug;
  base::Log(as, "kafka client",
            {{"client", rd_kafka_name(client)}, {"facility", facility}, {"text", text}});
}

void OnError(rd_kafka_t* client, int error, const char* reason, void* /*opaque*/) noexcept {
  // Nothing to do: brokers that went away are reconnected to for ever, and a fatal error stays
  // readable in the client.
  base::Log(Level::kWarning, "kafka client error",
            {{"client", rd_kafka_name(client)},
             {"error", rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(error))},
             {"reason", reason}});
}

absl::Status Set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  char text[kErrorTextBytes];
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof(text)) !=
      RD_KAFKA_CONF_OK) {
    return absl::InvalidArgumentError(absl::StrCat("kafka property ", name, ": ", text));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ClientHandle> MakeClient(rd_kafka_type_t type, const Cluster& cluster,
                                        const Properties& own, const Callbacks& callbacks) {
  if (cluster.bootstrap_servers.empty()) {
    return absl::InvalidArgumentError("bootstrap servers: at least one host:port");
  }
  Properties all = {
      {"bootstrap.servers", cluster.bootstrap_servers},
      {"client.id", cluster.client_id},
      {"allow.auto.create.topics", "false"},
      {"socket.nagle.disable", "true"},
      {"socket.keepalive.enable", "true"},
      // After a broker's restart the first attempt that works should not be 10 s away.
      {"reconnect.backoff.max.ms", "1000"},
      {"topic.metadata.refresh.interval.ms", "30000"},
  };
  all.insert(all.end(), own.begin(), own.end());

  ConfHandle conf(rd_kafka_conf_new());
  for (const auto& [name, value] : cluster.properties) {
    if (std::any_of(all.begin(), all.end(), [&](const auto& p) { return p.first == name; })) {
      return absl::InvalidArgumentError(
          absl::StrCat("kafka property ", name, ": is set by this program"));
    }
    if (absl::Status set = Set(conf.get(), name, value); !set.ok()) return set;
  }
  for (const auto& [name, value] : all) {
    if (absl::Status set = Set(conf.get(), std::string(name), value); !set.ok()) return set;
  }
  rd_kafka_conf_set_opaque(conf.get(), callbacks.opaque);
  rd_kafka_conf_set_log_cb(conf.get(), OnLog);
  rd_kafka_conf_set_error_cb(conf.get(), OnError);
  if (callbacks.delivery) rd_kafka_conf_set_dr_msg_cb(conf.get(), callbacks.delivery);
  if (callbacks.statistics) rd_kafka_conf_set_stats_cb(conf.get(), callbacks.statistics);

  char text[kErrorTextBytes];
  ClientHandle client(rd_kafka_new(type, conf.get(), text, sizeof(text)));
  if (!client) return absl::InvalidArgumentError(absl::StrCat("kafka client: ", text));
  // rd_kafka_new takes the configuration over, but only when it succeeds.
  (void)conf.release();
  return client;
}

absl::StatusOr<std::string> ClusterIdOf(rd_kafka_t* client, absl::Duration timeout) {
  const KafkaText id(rd_kafka_clusterid(client, Milliseconds(timeout)));
  if (!id) return absl::UnavailableError("no kafka broker told its cluster id in time");
  return std::string(id.get());
}

absl::StatusOr<int> PartitionsOf(rd_kafka_t* client, const std::string& topic,
                                 absl::Duration timeout) {
  const std::string what = absl::StrCat("metadata of topic ", topic);
  const TopicHandle handle(rd_kafka_topic_new(client, topic.c_str(), nullptr));
  if (!handle) return StatusOf(rd_kafka_last_error(), what);
  const rd_kafka_metadata_t* raw = nullptr;
  if (const auto error =
          rd_kafka_metadata(client, /*all_topics=*/0, handle.get(), &raw, Milliseconds(timeout));
      error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return StatusOf(error, what);
  }
  const MetadataHandle metadata(raw);
  if (metadata->topic_cnt != 1) return absl::UnavailableError(what);
  if (metadata->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return StatusOf(metadata->topics[0].err, what);
  }
  return metadata->topics[0].partition_cnt;
}

absl::Status StatusOf(rd_kafka_resp_err_t error, const std::string& what) {
  const std::string text =
      absl::StrCat(what, ": ", rd_kafka_err2name(error), ": ", rd_kafka_err2str(error));
  switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return absl::OkStatus();
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return absl::OutOfRangeError(text);
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return absl::NotFoundError(text);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
      return absl::PermissionDeniedError(text);
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
      return absl::DataLossError(text);
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
      return absl::InvalidArgumentError(text);
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
      return absl::AlreadyExistsError(text);
    default:
      // What is left is about the network, a broker that moves, or a cluster that is not ready:
      // trying again is right.
      return absl::UnavailableError(text);
  }
}

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(
      std::clamp<int64_t>(absl::ToInt64Milliseconds(duration), 0, 24 * 60 * 60 * 1000));
}

}  // namespace fettle::bus
