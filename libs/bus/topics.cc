#include "libs/bus/topics.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/text.h"
#include "libs/bus/client.h"
#include "libs/bus/kafka_handle.h"

namespace fettle::bus {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(50);
constexpr absl::Duration kRequestTimeout = absl::Seconds(5);

// All topics of the cluster whose partitions all have a leader -> number of partitions; -1 when
// some have none yet.
absl::StatusOr<std::map<std::string, int>> ListTopics(rd_kafka_t* client, absl::Duration timeout) {
  const rd_kafka_metadata_t* raw = nullptr;
  if (const auto error =
          rd_kafka_metadata(client, /*all_topics=*/1, nullptr, &raw, Milliseconds(timeout));
      error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return StatusOf(error, "metadata");
  }
  const MetadataHandle metadata(raw);
  std::map<std::string, int> topics;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& topic = metadata->topics[i];
    const bool led = topic.err == RD_KAFKA_RESP_ERR_NO_ERROR &&
                     std::all_of(topic.partitions, topic.partitions + topic.partition_cnt,
                                 [](const auto& partition) { return partition.leader >= 0; });
    topics[topic.topic] = led ? topic.partition_cnt : -1;
  }
  return topics;
}

absl::Status CreateTopics(rd_kafka_t* client, const std::vector<const Topic*>& topics,
                          absl::Duration timeout) {
  std::vector<NewTopicHandle> handles;
  std::vector<rd_kafka_NewTopic_t*> raw;
  char text[512];
  for (const Topic* topic : topics) {
    NewTopicHandle& handle =
        handles.emplace_back(rd_kafka_NewTopic_new(topic->name.c_str(), topic->partitions,
                                                   /*replication_factor=*/-1, text, sizeof(text)));
    if (!handle) return absl::InvalidArgumentError(absl::StrCat(topic->name, ": ", text));
    rd_kafka_NewTopic_set_config(handle.get(), "retention.ms",
                                 absl::StrCat(topic->retention_ms).c_str());
    raw.push_back(handle.get());
  }
  const QueueHandle queue(rd_kafka_queue_new(client));
  const AdminOptionsHandle options(
      rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), Milliseconds(timeout), text,
                                            sizeof(text));
  rd_kafka_CreateTopics(client, raw.data(), raw.size(), options.get(), queue.get());
  const EventHandle event(rd_kafka_queue_poll(queue.get(), Milliseconds(timeout)));
  if (!event) return absl::UnavailableError("creating topics: no answer in time");
  if (const auto error = rd_kafka_event_error(event.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return StatusOf(error, "creating topics");
  }
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[i]);
    // Somebody else may have made it meanwhile; its partitions are compared below.
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
      return StatusOf(error,
                      absl::StrCat("creating topic ", rd_kafka_topic_result_name(results[i])));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Topic>> ParseTopics(std::string_view text) {
  std::vector<Topic> topics;
  std::set<std::string> names;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(base::ToAbsl(text), '\n')) {
    ++number;
    line = line.substr(0, line.find('#'));
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    Topic topic;
    if (words.size() != 3 || !absl::SimpleAtoi(words[1], &topic.partitions) ||
        topic.partitions < 1 || topic.partitions > kPartitionsMax ||
        !absl::SimpleAtoi(words[2], &topic.retention_ms) || topic.retention_ms < -1) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": must be `name partitions retention_ms`"));
    }
    topic.name = std::string(words[0]);
    if (!names.insert(topic.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": topic ", topic.name, " is there already"));
    }
    topics.push_back(std::move(topic));
  }
  return topics;
}

absl::StatusOr<int> EnsureTopics(const Cluster& cluster, const std::vector<Topic>& topics,
                                 absl::Duration timeout) {
  absl::StatusOr<ClientHandle> client =
      MakeClient(RD_KAFKA_PRODUCER, cluster, {{"reconnect.backoff.ms", "50"}}, Callbacks{});
  if (!client.ok()) return std::move(client).status();

  const absl::Time deadline = absl::Now() + timeout;
  absl::Status last = absl::UnavailableError("kafka did not answer in time");
  std::set<std::string> made;
  while (absl::Now() < deadline) {
    const absl::Duration patience = std::min(kRequestTimeout, deadline - absl::Now());
    const absl::StatusOr<std::map<std::string, int>> there = ListTopics(client->get(), patience);
    if (!there.ok()) {
      last = there.status();
      if (!absl::IsUnavailable(last)) return last;
      absl::SleepFor(kPause);
      continue;
    }
    std::vector<const Topic*> missing;
    bool waiting = false;
    for (const Topic& topic : topics) {
      const auto found = there->find(topic.name);
      if (found == there->end()) {
        // A topic that was made a moment ago may not be listed yet.
        if (made.contains(topic.name)) {
          waiting = true;
        } else {
          missing.push_back(&topic);
        }
      } else if (found->second == -1) {
        waiting = true;
      } else if (found->second != topic.partitions) {
        return absl::FailedPreconditionError(absl::StrCat(
            "topic ", topic.name, " has ", found->second, " partitions, not ", topic.partitions));
      }
    }
    if (missing.empty() && !waiting) return static_cast<int>(made.size());
    last = absl::UnavailableError("some partitions have no leader yet");
    if (!missing.empty()) {
      if (const absl::Status created = CreateTopics(client->get(), missing, patience);
          created.ok()) {
        for (const Topic* topic : missing) made.insert(topic->name);
      } else if (!absl::IsUnavailable(created)) {
        return created;
      } else {
        last = created;
      }
    }
    absl::SleepFor(kPause);
  }
  return last;
}

}  // namespace fettle::bus
