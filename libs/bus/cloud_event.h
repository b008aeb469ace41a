// Messages of the bus, and CloudEvents 1.0 in Kafka's binary mode: the attributes travel as headers
// (`ce_…`), the value is the event's own bytes. Source: CloudEvents, kafka-protocol-binding.md 3.2;
// distributed tracing and correlation extensions.
//
// No librdkafka in here: the relay and the consumers see only these types.
#ifndef FETTLE_LIBS_BUS_CLOUD_EVENT_H_
#define FETTLE_LIBS_BUS_CLOUD_EVENT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace fettle::bus {

// Name and value, in the order of the wire. Names may repeat.
using Headers = std::vector<std::pair<std::string, std::string>>;

struct EventMessage {
  std::string topic;
  std::string key;    // the stream's id: what has one key stays in order
  std::string value;  // published as it is
  Headers headers = {};
};

// The attributes of one event, as CloudEvents names them. Empty means absent; id, source and type
// never are.
struct CloudEvent {
  std::string id;
  std::string source;        // URI reference: urn:fettle:<service>:<journal>
  std::string type;          // full name of the protobuf event
  std::string subject = {};  // the stream's id
  std::string time = {};     // RFC 3339, UTC
  std::string data_schema = {};
  std::string correlation_id = {};
  std::string causation_id = {};
  std::string traceparent = {};  // W3C Trace Context

  friend bool operator==(const CloudEvent&, const CloudEvent&) = default;
};

inline constexpr std::string_view kSpecVersion = "1.0";
inline constexpr std::string_view kContentType = "application/protobuf";

// Replaces *headers. Keeps its memory, so that a loop over many events allocates little.
void BuildHeaders(const CloudEvent& event, Headers* headers);

// Headers that are not CloudEvents' are passed over. INVALID_ARGUMENT naming the header when
// ce_specversion is not 1.0, content-type is not application/protobuf, ce_id, ce_source or ce_type
// is missing or empty, or one of ours occurs twice.
absl::StatusOr<CloudEvent> ParseHeaders(const Headers& headers);

}  // namespace fettle::bus

#endif  // FETTLE_LIBS_BUS_CLOUD_EVENT_H_
