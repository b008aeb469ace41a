// Owning handles for the objects of librdkafka's C API.
//
// rd_kafka_destroy waits for ever while one message, queue or topic object of its client is left
// (librdkafka, INTRODUCTION.md, "Termination"). So: a class declares its ClientHandle first and
// everything made from it after it, and no such object leaves libs/bus. kafka_handle_test.cc tests
// the order.
//
// Only for libs/bus: nothing outside it includes librdkafka.
#ifndef FETTLE_LIBS_BUS_KAFKA_HANDLE_H_
#define FETTLE_LIBS_BUS_KAFKA_HANDLE_H_

#include <librdkafka/rdkafka.h>

#include <memory>

namespace fettle::bus {

template <auto destroy>
struct KafkaDelete {
  template <class T>
  void operator()(T* object) const {
    destroy(object);
  }
};

inline void DestroyMetadata(const rd_kafka_metadata_t* metadata) {
  rd_kafka_metadata_destroy(metadata);
}
inline void FreeKafkaText(char* text) { rd_kafka_mem_free(nullptr, text); }

using ConfHandle = std::unique_ptr<rd_kafka_conf_t, KafkaDelete<&rd_kafka_conf_destroy>>;
using ClientHandle = std::unique_ptr<rd_kafka_t, KafkaDelete<&rd_kafka_destroy>>;
using TopicHandle = std::unique_ptr<rd_kafka_topic_t, KafkaDelete<&rd_kafka_topic_destroy>>;
using QueueHandle = std::unique_ptr<rd_kafka_queue_t, KafkaDelete<&rd_kafka_queue_destroy>>;
using MessageHandle = std::unique_ptr<rd_kafka_message_t, KafkaDelete<&rd_kafka_message_destroy>>;
using HeadersHandle = std::unique_ptr<rd_kafka_headers_t, KafkaDelete<&rd_kafka_headers_destroy>>;
using ErrorHandle = std::unique_ptr<rd_kafka_error_t, KafkaDelete<&rd_kafka_error_destroy>>;
using EventHandle = std::unique_ptr<rd_kafka_event_t, KafkaDelete<&rd_kafka_event_destroy>>;
using NewTopicHandle =
    std::unique_ptr<rd_kafka_NewTopic_t, KafkaDelete<&rd_kafka_NewTopic_destroy>>;
using AdminOptionsHandle =
    std::unique_ptr<rd_kafka_AdminOptions_t, KafkaDelete<&rd_kafka_AdminOptions_destroy>>;
using MetadataHandle = std::unique_ptr<const rd_kafka_metadata_t, KafkaDelete<&DestroyMetadata>>;
using KafkaText = std::unique_ptr<char, KafkaDelete<&FreeKafkaText>>;

}  // namespace fettle::bus

#endif  // FETTLE_LIBS_BUS_KAFKA_HANDLE_H_
