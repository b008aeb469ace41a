#include "libs/bus/subscriber.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/bus/client.h"
#include "libs/bus/kafka_handle.h"

namespace fettle::bus {
namespace {

// librdkafka gives a null key, value or header as a null pointer.
std::string_view Bytes(const void* data, size_t size) {
  return data ? std::string_view(static_cast<const char*>(data), size) : std::string_view();
}

Headers HeadersIn(const rd_kafka_message_t* message) {
  Headers out;
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return out;
  out.reserve(rd_kafka_header_cnt(headers));
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0;
       rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    out.emplace_back(name, Bytes(value, size));
  }
  return out;
}

std::string PropertyOf(const Cluster& cluster, std::string_view name) {
  for (const auto& [key, value] : cluster.properties) {
    if (key == name) return value;
  }
  return "";
}

}  // namespace

struct Subscriber::Impl {
  // One partition that is read. Stopped before its topic handle goes.
  struct Reading {
    rd_kafka_topic_t* topic;
    int partition;
    int64_t offset;  // of the last message that Poll gave out; -1 before the first
  };

  ClientHandle client;  // first: outlives all below
  std::map<std::string, TopicHandle> topics;
  QueueHandle queue;
  std::vector<Reading> readings;
  std::string cluster_id;
  std::string sasl_username;
  std::string sasl_password;
  std::vector<rd_kafka_message_t*> batch;
  std::vector<MessageHandle> given;  // by the last Poll, where HeadersOf may be asked
  bool poll_headers = true;
  absl::Status ended;
  int64_t ahead_messages_max = 0;
  int64_t ahead_bytes_max = 0;
  int64_t taken_messages = 0;  // since fetching was last woken
  int64_t taken_bytes = 0;

  ~Impl() {
    for (const Reading& reading : readings) {
      rd_kafka_consume_stop(reading.topic, reading.partition);
    }
  }

  // librdkafka 2.0.2 stops fetching when the queue is full and looks again only when something
  // wakes the broker's thread, at the latest after a second; a reader that empties 16 MB in a tenth
  // of it would wait for the rest (later versions have fetch.queue.backoff.ms). Setting the
  // credentials that are set anyway wakes all broker threads and does nothing else, and no other
  // call of this version does that without asking the broker something.
  void WakeFetching() {
    if (taken_messages < ahead_messages_max / 4 && taken_bytes < ahead_bytes_max / 4) return;
    taken_messages = 0;
    taken_bytes = 0;
    const ErrorHandle error(
        rd_kafka_sasl_set_credentials(client.get(), sasl_username.c_str(), sasl_password.c_str()));
  }

  Reading& Find(const rd_kafka_message_t& message) {
    const auto found = std::find_if(readings.begin(), readings.end(), [&](const Reading& r) {
      return r.partition == message.partition && r.topic == message.rkt;
    });
    FETTLE_CHECK(found != readings.end(), "a message is of a partition that was started");
    return *found;
  }

  // Copies `message` to the end of *messages, or ends the subscriber.
  void Take(MessageHandle message, std::vector<ConsumedMessage>* messages) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      const char* topic = message->rkt ? rd_kafka_topic_name(message->rkt) : "";
      ended = StatusOf(message->err, absl::StrCat("reading ", topic, " [", message->partition,
                                                  "] at ", message->offset));
      return;
    }
    Reading& reading = Find(*message);
    if (message->offset <= reading.offset) {
      // 2.0.2 is known for such faults around pause and seek, which are not used here; if it
      // happens all the same, nothing was lost and a new subscriber reads on from the stored
      // offset.
      ended = absl::UnavailableError(absl::StrCat("reading ", rd_kafka_topic_name(message->rkt),
                                                  ": offset ", message->offset, " after ",
                                                  reading.offset));
      return;
    }
    reading.offset = message->offset;
    ++taken_messages;
    taken_bytes += static_cast<int64_t>(message->len);
    ConsumedMessage& out = messages->emplace_back();
    out.topic = rd_kafka_topic_name(message->rkt);
    out.partition = message->partition;
    out.offset = message->offset;
    out.key = Bytes(message->key, message->key_len);
    out.value = Bytes(message->payload, message->len);
    if (poll_headers) {
      out.headers = HeadersIn(message.get());
    } else {
      given.push_back(std::move(message));
    }
  }
};

absl::StatusOr<std::unique_ptr<Subscriber>> Subscriber::Create(const SubscriberOptions& options) {
  auto impl = std::make_unique<Impl>();
  absl::StatusOr<ClientHandle> client =
      MakeClient(RD_KAFKA_CONSUMER, options.cluster,
                 {
                     {"enable.auto.commit", "false"},
                     {"enable.auto.offset.store", "false"},
                     {"auto.offset.reset", "error"},
                     {"check.crcs", "true"},
                     {"queued.min.messages", absl::StrCat(options.ahead_messages_max)},
                     {"queued.max.messages.kbytes", absl::StrCat(options.ahead_kbytes_max)},
                     {"fetch.max.bytes", absl::StrCat(int64_t{options.fetch_kbytes_max} * 1024)},
                     {"fetch.message.max.bytes",
                      absl::StrCat(int64_t{options.fetch_partition_kbytes_max} * 1024)},
                     {"fetch.wait.max.ms", absl::StrCat(options.fetch_wait_ms)},
                     {"fetch.error.backoff.ms", "100"},
                 },
                 Callbacks{});
  if (!client.ok()) return std::move(client).status();
  impl->client = *std::move(client);
  impl->queue.reset(rd_kafka_queue_new(impl->client.get()));
  impl->sasl_username = PropertyOf(options.cluster, "sasl.username");
  impl->sasl_password = PropertyOf(options.cluster, "sasl.password");
  impl->poll_headers = options.poll_headers;
  impl->ahead_messages_max = options.ahead_messages_max;
  impl->ahead_bytes_max = int64_t{options.ahead_kbytes_max} * 1024;
  return std::unique_ptr<Subscriber>(new Subscriber(std::move(impl)));
}

Subscriber::Subscriber(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Subscriber::~Subscriber() = default;

absl::Status Subscriber::Start(const std::vector<Position>& positions) {
  FETTLE_CHECK(impl_->readings.empty(), "a subscriber is started once");
  const absl::StatusOr<std::string> cluster_id = ClusterId(absl::ZeroDuration());
  if (!cluster_id.ok()) return cluster_id.status();
  impl_->cluster_id = *cluster_id;
  for (auto at = positions.begin(); at != positions.end(); ++at) {
    const bool twice = std::any_of(positions.begin(), at, [&](const Position& other) {
      return other.topic == at->topic && other.partition == at->partition;
    });
    if (twice || at->partition < 0 || (at->offset < 0 && at->offset != kOffsetBeginning)) {
      return absl::InvalidArgumentError(
          absl::StrCat("position of ", at->topic, " [", at->partition,
                       "]: each partition once, its offset >= 0 or the beginning"));
    }
  }
  for (const Position& position : positions) {
    const std::string what =
        absl::StrCat("reading ", position.topic, " [", position.partition, "]");
    TopicHandle& topic = impl_->topics[position.topic];
    if (!topic) {
      topic.reset(rd_kafka_topic_new(impl_->client.get(), position.topic.c_str(), nullptr));
      if (!topic) return StatusOf(rd_kafka_last_error(), what);
    }
    const int64_t offset =
        position.offset == kOffsetBeginning ? RD_KAFKA_OFFSET_BEGINNING : position.offset;
    if (rd_kafka_consume_start_queue(topic.get(), position.partition, offset, impl_->queue.get()) !=
        0) {
      return StatusOf(rd_kafka_last_error(), what);
    }
    impl_->readings.push_back({topic.get(), position.partition, -1});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ConsumedMessage>> Subscriber::Poll(int messages_max,
                                                              absl::Duration timeout) {
  FETTLE_CHECK(messages_max >= 1, "a poll asks for at least one message");
  impl_->given.clear();
  if (!impl_->ended.ok()) return impl_->ended;
  // Serves librdkafka's errors and log.
  rd_kafka_poll(impl_->client.get(), 0);

  // The batch call waits until the batch is full or the time is over, so the first message is
  // waited for alone.
  std::vector<rd_kafka_message_t*>& batch = impl_->batch;
  batch.resize(static_cast<size_t>(messages_max));
  ssize_t count = 0;
  batch[0] = rd_kafka_consume_queue(impl_->queue.get(), Milliseconds(timeout));
  if (batch[0]) {
    count = 1;
    if (messages_max > 1) {
      const ssize_t more = rd_kafka_consume_batch_queue(impl_->queue.get(), 0, batch.data() + 1,
                                                        static_cast<size_t>(messages_max) - 1);
      count += std::max<ssize_t>(more, 0);
    }
  }
  std::vector<ConsumedMessage> messages;
  messages.reserve(static_cast<size_t>(count));
  for (ssize_t i = 0; i < count; ++i) {
    MessageHandle message(batch[i]);
    if (impl_->ended.ok()) impl_->Take(std::move(message), &messages);
  }
  if (impl_->ended.ok()) {
    if (const absl::StatusOr<std::string> now = ClusterId(absl::ZeroDuration());
        now.ok() && *now != impl_->cluster_id) {
      impl_->ended = absl::AbortedError(
          absl::StrCat("kafka cluster ", *now, " answers instead of ", impl_->cluster_id));
      // Whose messages these are cannot be told.
      messages.clear();
      impl_->given.clear();
    }
  }
  impl_->WakeFetching();
  if (messages.empty() && !impl_->ended.ok()) return impl_->ended;
  return messages;
}

Headers Subscriber::HeadersOf(size_t message) const {
  FETTLE_CHECK(message < impl_->given.size(), "headers are asked of a message of the last poll");
  return HeadersIn(impl_->given[message].get());
}

void Subscriber::Wake() { rd_kafka_queue_yield(impl_->queue.get()); }

absl::StatusOr<std::string> Subscriber::ClusterId(absl::Duration timeout) {
  return ClusterIdOf(impl_->client.get(), timeout);
}

absl::StatusOr<int> Subscriber::Partitions(const std::string& topic, absl::Duration timeout) {
  return PartitionsOf(impl_->client.get(), topic, timeout);
}

absl::StatusOr<Watermarks> Subscriber::GetWatermarks(const std::string& topic, int partition,
                                                     absl::Duration timeout) {
  Watermarks marks;
  if (const auto error =
          rd_kafka_query_watermark_offsets(impl_->client.get(), topic.c_str(), partition,
                                           &marks.low, &marks.high, Milliseconds(timeout));
      error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return StatusOf(error, absl::StrCat("watermarks of ", topic, " [", partition, "]"));
  }
  return marks;
}

}  // namespace fettle::bus
