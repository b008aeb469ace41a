// For tests: librdkafka's own imitation of a cluster, used only where an error has to be injected.
// What real brokers do is tested in tests/integration.
#ifndef FETTLE_LIBS_BUS_MOCK_CLUSTER_H_
#define FETTLE_LIBS_BUS_MOCK_CLUSTER_H_

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <future>
#include <initializer_list>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "libs/bus/cluster.h"
#include "libs/bus/kafka_handle.h"

namespace fettle::bus {

// Request kinds of the Kafka protocol.
inline constexpr int16_t kProduceRequest = 0;
inline constexpr int16_t kFetchRequest = 1;

class MockCluster {
 public:
  MockCluster() {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", nullptr, 0);
    client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0));
    mock_.reset(rd_kafka_mock_cluster_new(client_.get(), /*broker_cnt=*/1));
    AddTopic("events", 1);
  }

  void AddTopic(const char* topic, int partitions) {
    EXPECT_EQ(rd_kafka_mock_topic_create(mock_.get(), topic, partitions, /*replication_factor=*/1),
              RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  // The next requests of that kind are answered with these errors, one each.
  void Inject(int16_t request, const std::vector<rd_kafka_resp_err_t>& errors) {
    rd_kafka_mock_push_request_errors_array(mock_.get(), request, errors.size(), errors.data());
  }

  // How long every answer takes.
  void SetRoundTrip(int milliseconds) {
    rd_kafka_mock_broker_set_rtt(mock_.get(), 1, milliseconds);
  }

  Cluster cluster() const {
    return {.bootstrap_servers = rd_kafka_mock_cluster_bootstraps(mock_.get()),
            .client_id = "test"};
  }

 private:
  ClientHandle client_;
  std::unique_ptr<rd_kafka_mock_cluster_t, KafkaDelete<&rd_kafka_mock_cluster_destroy>> mock_;
};

// No process listens on port 1.
inline Cluster Unreachable() { return {.bootstrap_servers = "127.0.0.1:1", .client_id = "test"}; }

// Runs `action` and ends the process when it takes longer: a client that waits for ever cannot be
// stopped otherwise.
inline void EndsWithin(std::chrono::seconds limit, const std::function<void()>& action) {
  std::promise<void> done;
  std::thread guard([&limit, ended = done.get_future()]() {
    if (ended.wait_for(limit) == std::future_status::ready) return;
    std::cerr << "did not end within " << limit.count() << " s\n";
    std::abort();
  });
  action();
  done.set_value();
  guard.join();
}

}  // namespace fettle::bus

#endif  // FETTLE_LIBS_BUS_MOCK_CLUSTER_H_
