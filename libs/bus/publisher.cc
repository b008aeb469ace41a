#include "libs/bus/publisher.h"

#include <atomic>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/bus/client.h"
#include "libs/bus/kafka_handle.h"

namespace fettle::bus {
namespace {

// The tag travels as librdkafka's opaque pointer.
static_assert(sizeof(void*) == sizeof(uint64_t));

// Refused for what the message is, so that sending it again is refused again.
bool RefusedForEver(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct Publisher::Impl {
  ClientHandle client;  // first: outlives all below
  QueueHandle main_queue;
  std::unordered_map<std::string, TopicHandle> topics;
  std::vector<Report> reports;
  int64_t unreported = 0;
  std::atomic<int64_t> sent_bytes = 0;

  void Record(uint64_t tag, rd_kafka_resp_err_t error) {
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      reports.push_back({tag, true, false, false, ""});
      return;
    }
    const bool fatal = error == RD_KAFKA_RESP_ERR__FATAL ||
                       rd_kafka_fatal_error(client.get(), nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
    reports.push_back({tag, false, !RefusedForEver(error), fatal, rd_kafka_err2name(error)});
  }

  static void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* impl) noexcept {
    static_cast<Impl*>(impl)->Record(reinterpret_cast<uint64_t>(message->_private), message->err);
  }

  static int OnStatistics(rd_kafka_t*, char* json, size_t json_bytes, void* impl) noexcept {
    // Brokers and topics have other names for theirs, so the first hit is the client's total.
    constexpr std::string_view kName = "\"tx_bytes\":";
    const std::string_view text(json, json_bytes);
    if (const size_t at = text.find(kName); at != std::string_view::npos) {
      static_cast<Impl*>(impl)->sent_bytes = std::atoll(json + at + kName.size());
    }
    return 0;  // librdkafka frees the text
  }
};

absl::StatusOr<std::unique_ptr<Publisher>> Publisher::Create(const PublisherOptions& options) {
  auto impl = std::make_unique<Impl>();
  absl::StatusOr<ClientHandle> client = MakeClient(
      RD_KAFKA_PRODUCER, options.cluster,
      {
          {"enable.idempotence", "true"},
          {"acks", "all"},
          {"message.timeout.ms", "0"},
          // What the broker refuses for good must not leave a hole behind which the stream goes on.
          {"enable.gapless.guarantee", "true"},
          {"partitioner", "murmur2_random"},
          {"message.max.bytes", absl::StrCat(kMessageBytesMax)},
          {"queue.buffering.max.messages", absl::StrCat(options.unreported_messages_max)},
          {"queue.buffering.max.kbytes", absl::StrCat(options.unreported_kbytes_max)},
          {"linger.ms", absl::StrCat(options.linger_ms)},
          {"compression.codec", options.compression == Compression::kLz4 ? "lz4" : "zstd"},
          {"statistics.interval.ms", absl::StrCat(options.statistics_ms)},
      },
      {.opaque = impl.get(), .delivery = Impl::OnDelivery, .statistics = Impl::OnStatistics});
  if (!client.ok()) return std::move(client).status();
  impl->client = *std::move(client);
  impl->main_queue.reset(rd_kafka_queue_get_main(impl->client.get()));
  return std::unique_ptr<Publisher>(new Publisher(std::move(impl)));
}

Publisher::Publisher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Publisher::~Publisher() = default;

Produced Publisher::Produce(const EventMessage& message, uint64_t tag) {
  const auto failed = [&](rd_kafka_resp_err_t error) {
    ++impl_->unreported;
    impl_->Record(tag, error);
    return Produced::kFailed;
  };
  // Without a key a message goes to any partition, and order is lost.
  if (message.key.empty()) return failed(RD_KAFKA_RESP_ERR__INVALID_ARG);

  TopicHandle& topic = impl_->topics[message.topic];
  if (!topic) {
    topic.reset(rd_kafka_topic_new(impl_->client.get(), message.topic.c_str(), nullptr));
    if (!topic) return failed(rd_kafka_last_error());
  }
  HeadersHandle headers(rd_kafka_headers_new(message.headers.size()));
  for (const auto& [name, value] : message.headers) {
    rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  rd_kafka_vu_t arguments[6];
  arguments[0].vtype = RD_KAFKA_VTYPE_RKT;
  arguments[0].u.rkt = topic.get();
  arguments[1].vtype = RD_KAFKA_VTYPE_KEY;
  arguments[1].u.mem = {const_cast<char*>(message.key.data()), message.key.size()};
  arguments[2].vtype = RD_KAFKA_VTYPE_VALUE;
  arguments[2].u.mem = {const_cast<char*>(message.value.data()), message.value.size()};
  arguments[3].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  arguments[3].u.i = RD_KAFKA_MSG_F_COPY;
  arguments[4].vtype = RD_KAFKA_VTYPE_OPAQUE;
  arguments[4].u.ptr = reinterpret_cast<void*>(tag);
  arguments[5].vtype = RD_KAFKA_VTYPE_HEADERS;
  arguments[5].u.headers = headers.get();
  const ErrorHandle error(rd_kafka_produceva(impl_->client.get(), arguments, std::size(arguments)));
  if (!error) {
    (void)headers.release();  // owned by the message from here on
    ++impl_->unreported;
    return Produced::kQueued;
  }
  const rd_kafka_resp_err_t code = rd_kafka_error_code(error.get());
  return code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? Produced::kFull : failed(code);
}

std::vector<Report> Publisher::Poll(absl::Duration timeout) {
  rd_kafka_poll(impl_->client.get(), impl_->reports.empty() ? Milliseconds(timeout) : 0);
  impl_->unreported -= static_cast<int64_t>(impl_->reports.size());
  return std::exchange(impl_->reports, {});
}

void Publisher::Wake() { rd_kafka_queue_yield(impl_->main_queue.get()); }

absl::Status Publisher::Flush(absl::Duration timeout) {
  if (rd_kafka_flush(impl_->client.get(), Milliseconds(timeout)) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return absl::DeadlineExceededError(
        absl::StrCat(impl_->unreported - static_cast<int64_t>(impl_->reports.size()),
                     " messages not confirmed in time"));
  }
  return absl::OkStatus();
}

void Publisher::Purge() {
  rd_kafka_purge(impl_->client.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  // Serves the reports that the purge made.
  rd_kafka_poll(impl_->client.get(), 0);
}

int64_t Publisher::unreported() const { return impl_->unreported; }

absl::Status Publisher::FatalError() const {
  char text[512];
  const rd_kafka_resp_err_t error = rd_kafka_fatal_error(impl_->client.get(), text, sizeof(text));
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(rd_kafka_err2name(error), ": ", text));
}

absl::StatusOr<std::string> Publisher::ClusterId(absl::Duration timeout) {
  return ClusterIdOf(impl_->client.get(), timeout);
}

absl::StatusOr<int> Publisher::Partitions(const std::string& topic, absl::Duration timeout) {
  return PartitionsOf(impl_->client.get(), topic, timeout);
}

int64_t Publisher::sent_bytes() const { return impl_->sent_bytes; }

}  // namespace fettle::bus
