// A bare producer, for comparison with the relay: librdkafka alone, idempotent, as a stranger would
// write it.
//
//   producer BROKERS FROM_TOPIC TO_TOPIC COUNT
//
// Reads up to kSampleMessages messages of FROM_TOPIC into memory, sends them with their keys and
// headers to TO_TOPIC, again and again until COUNT are acknowledged, and prints messages a second,
// the reading not counted.
#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr size_t kSampleMessages = 50'000;
constexpr int kReadMsMax = 2'000;
constexpr int kWaitMs = 100;

rd_kafka_conf_t* Conf(const std::vector<std::pair<const char*, const char*>>& settings) {
  char error[256];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) {
      std::fprintf(stderr, "%s\n", error);
      std::exit(1);
    }
  }
  return conf;
}

rd_kafka_t* Make(rd_kafka_type_t type, rd_kafka_conf_t* conf) {
  char error[256];
  rd_kafka_t* client = rd_kafka_new(type, conf, error, sizeof error);
  if (client == nullptr) {
    std::fprintf(stderr, "%s\n", error);
    std::exit(1);
  }
  return client;
}

std::vector<rd_kafka_message_t*> ReadSample(rd_kafka_t* consumer, const char* topic) {
  rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(1);
  const rd_kafka_metadata_t* metadata = nullptr;
  rd_kafka_topic_t* handle = rd_kafka_topic_new(consumer, topic, nullptr);
  if (rd_kafka_metadata(consumer, 0, handle, &metadata, 10'000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    std::fprintf(stderr, "no metadata of %s\n", topic);
    std::exit(1);
  }
  for (int i = 0; i < metadata->topics[0].partition_cnt; ++i) {
    rd_kafka_topic_partition_list_add(all, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  rd_kafka_assign(consumer, all);
  std::vector<rd_kafka_message_t*> sample;
  while (sample.size() < kSampleMessages) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, kReadMsMax);
    if (message == nullptr) break;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) sample.push_back(message);
  }
  return sample;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const long count = std::stol(argv[4]);
  rd_kafka_t* consumer = Make(RD_KAFKA_CONSUMER, Conf({{"bootstrap.servers", argv[1]},
                                                       {"group.id", "bench"},
                                                       {"enable.auto.commit", "false"}}));
  const std::vector<rd_kafka_message_t*> sample = ReadSample(consumer, argv[2]);
  if (sample.empty()) {
    std::fprintf(stderr, "%s is empty\n", argv[2]);
    return 1;
  }

  static long acknowledged = 0;
  rd_kafka_conf_t* conf = Conf({{"bootstrap.servers", argv[1]},
                                {"enable.idempotence", "true"},
                                {"acks", "all"},
                                {"compression.codec", "lz4"},
                                {"linger.ms", "2"},
                                {"partitioner", "murmur2_random"}});
  rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) std::exit(1);
    ++acknowledged;
  });
  rd_kafka_t* producer = Make(RD_KAFKA_PRODUCER, conf);
  rd_kafka_topic_t* to = rd_kafka_topic_new(producer, argv[3], nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  rd_kafka_metadata(producer, 0, to, &metadata, 10'000);

  const auto start = std::chrono::steady_clock::now();
  for (long sent = 0; acknowledged < count;) {
    if (sent == count) {
      rd_kafka_poll(producer, kWaitMs);
      continue;
    }
    const rd_kafka_message_t& message = *sample[static_cast<size_t>(sent) % sample.size()];
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      headers = rd_kafka_headers_copy(headers);
    }
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        producer, RD_KAFKA_V_RKT(to), RD_KAFKA_V_KEY(message.key, message.key_len),
        RD_KAFKA_V_VALUE(message.payload, message.len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++sent;
      if (sent % 256 == 0) rd_kafka_poll(producer, 0);
    } else {
      if (headers != nullptr) rd_kafka_headers_destroy(headers);
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) return 1;
      rd_kafka_poll(producer, kWaitMs);
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%.0f\n", static_cast<double>(count) / seconds.count());
  // The process ends: nothing to tidy.
  std::fflush(stdout);
  std::_Exit(0);
}
