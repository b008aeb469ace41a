// What publisher, subscriber and topics share: making a librdkafka client and asking it about its
// cluster.
//
// Only for libs/bus.
#ifndef FETTLE_LIBS_BUS_CLIENT_H_
#define FETTLE_LIBS_BUS_CLIENT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/bus/cluster.h"
#include "libs/bus/kafka_handle.h"

namespace fettle::bus {

using Properties = std::vector<std::pair<std::string_view, std::string>>;

// What a client of this process calls back. All run inside the caller's poll, are noexcept, and
// only record.
struct Callbacks {
  void* opaque = nullptr;
  void (*delivery)(rd_kafka_t*, const rd_kafka_message_t*, void* opaque) = nullptr;
  int (*statistics)(rd_kafka_t*, char* json, size_t json_bytes, void* opaque) = nullptr;
};

// A client with the cluster's properties and then `own`, which the cluster's must not name.
// librdkafka's log lines and its errors that belong to no message go to the log. INVALID_ARGUMENT
// naming the property that is not taken.
absl::StatusOr<ClientHandle> MakeClient(rd_kafka_type_t type, const Cluster& cluster,
                                        const Properties& own, const Callbacks& callbacks);

// The id of the cluster that answered last; waits for a first answer. UNAVAILABLE when none came in
// time.
absl::StatusOr<std::string> ClusterIdOf(rd_kafka_t* client, absl::Duration timeout);

// Number of partitions. NOT_FOUND for a topic that does not exist, UNAVAILABLE when no broker
// answered in time.
absl::StatusOr<int> PartitionsOf(rd_kafka_t* client, const std::string& topic,
                                 absl::Duration timeout);

// The one place where librdkafka's errors become statuses. `what` says what was tried.
absl::Status StatusOf(rd_kafka_resp_err_t error, const std::string& what);

// For librdkafka's int milliseconds: at least 0, at most a day.
int Milliseconds(absl::Duration duration);

}  // namespace fettle::bus

#endif  // FETTLE_LIBS_BUS_CLIENT_H_
