// STYLE K6: rd_kafka_destroy waits for ever while an object of its client is left. Members of a
// class go in the reverse order of their declaration, so "client first" is the rule that this file
// holds.
#include "libs/bus/kafka_handle.h"

#include <gtest/gtest.h>

#include "libs/bus/client.h"
#include "libs/bus/mock_cluster.h"

namespace fettle::bus {
namespace {

// As publisher and subscriber declare them.
struct Owner {
  ClientHandle client;
  TopicHandle topic;
  QueueHandle queue;
  HeadersHandle headers;
  MessageHandle message;
};

TEST(KafkaHandle, AllThatIsMadeFromAClientGoesBeforeIt) {
  MockCluster mock;
  EndsWithin(std::chrono::seconds(20), [&] {
    Owner producer;
    producer.client = *MakeClient(RD_KAFKA_PRODUCER, mock.cluster(), {}, Callbacks{});
    producer.topic.reset(rd_kafka_topic_new(producer.client.get(), "events", nullptr));
    producer.queue.reset(rd_kafka_queue_get_main(producer.client.get()));
    producer.headers.reset(rd_kafka_headers_new(1));
    ASSERT_EQ(rd_kafka_produce(producer.topic.get(), 0, RD_KAFKA_MSG_F_COPY,
                               const_cast<char*>("value"), 5, nullptr, 0, nullptr),
              0);
    ASSERT_EQ(rd_kafka_flush(producer.client.get(), 10'000), RD_KAFKA_RESP_ERR_NO_ERROR);

    // A consumer that still holds a message, the object that is most easily forgotten.
    Owner consumer;
    consumer.client = *MakeClient(RD_KAFKA_CONSUMER, mock.cluster(), {}, Callbacks{});
    consumer.topic.reset(rd_kafka_topic_new(consumer.client.get(), "events", nullptr));
    consumer.queue.reset(rd_kafka_queue_new(consumer.client.get()));
    ASSERT_EQ(rd_kafka_consume_start_queue(consumer.topic.get(), 0, RD_KAFKA_OFFSET_BEGINNING,
                                           consumer.queue.get()),
              0);
    consumer.message.reset(rd_kafka_consume_queue(consumer.queue.get(), 10'000));
    ASSERT_TRUE(consumer.message);
    ASSERT_EQ(consumer.message->err, RD_KAFKA_RESP_ERR_NO_ERROR);
    ASSERT_EQ(rd_kafka_consume_stop(consumer.topic.get(), 0), 0);
  });
}

TEST(KafkaHandle, AClientThatReachedNobodyEndsToo) {
  EndsWithin(std::chrono::seconds(20), [] {
    Owner owner;
    owner.client = *MakeClient(RD_KAFKA_PRODUCER, Unreachable(), {}, Callbacks{});
    owner.topic.reset(rd_kafka_topic_new(owner.client.get(), "events", nullptr));
    EXPECT_EQ(ClusterIdOf(owner.client.get(), absl::Milliseconds(10)).status().code(),
              absl::StatusCode::kUnavailable);
    EXPECT_EQ(PartitionsOf(owner.client.get(), "events", absl::Milliseconds(10)).status().code(),
              absl::StatusCode::kUnavailable);
  });
}

TEST(KafkaHandle, APropertyThatIsNotTakenIsNamed) {
  Cluster cluster = Unreachable();
  cluster.properties = {{"no.such.property", "1"}};
  const auto unknown = MakeClient(RD_KAFKA_PRODUCER, cluster, {}, Callbacks{});
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(unknown.status().message().find("no.such.property"), std::string::npos);

  cluster.properties = {{"acks", "0"}};
  const auto ours = MakeClient(RD_KAFKA_PRODUCER, cluster, {{"acks", "all"}}, Callbacks{});
  EXPECT_EQ(ours.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(ours.status().message().find("acks"), std::string::npos);

  EXPECT_EQ(MakeClient(RD_KAFKA_PRODUCER, Cluster{}, {}, Callbacks{}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fettle::bus
