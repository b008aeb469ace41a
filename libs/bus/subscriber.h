// Reads chosen partitions from chosen offsets. There is no consumer group: the offsets live in the
// consumer's own database, in the transaction of the effect, and no one else moves them.
//
//   Create -> ClusterId, Partitions: do the stored offsets belong to this cluster? ->
//   Start(positions) -> Poll, Poll, …
//
// One thread at a time; Wake is safe from any. librdkafka runs its own threads.
#ifndef FETTLE_LIBS_BUS_SUBSCRIBER_H_
#define FETTLE_LIBS_BUS_SUBSCRIBER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/bus/cloud_event.h"
#include "libs/bus/cluster.h"

namespace fettle::bus {

struct SubscriberOptions {
  Cluster cluster = {};
  // What is fetched ahead of Poll, over all partitions. Fetching goes on below both limits, so one
  // answer of a broker (fetch_kbytes_max, after decompression) may come on top.
  int ahead_messages_max = 10'000;
  int ahead_kbytes_max = 8 * 1024;
  // One answer of a broker, as compressed on the wire, and one partition's part of it. A larger
  // message is fetched alone. The parts of six partitions fit into one answer: where they did not,
  // two of six were not read before the other four were at their end.
  int fetch_kbytes_max = 2 * 1024;
  int fetch_partition_kbytes_max = 256;
  // How long a broker holds a fetch that has nothing to answer.
  int fetch_wait_ms = 500;
  // False: Poll leaves the headers out, and HeadersOf gives those that somebody wants. Unpacking
  // them takes longer than everything else that Poll does with a message.
  bool poll_headers = true;
};

// Start at the oldest message that the broker has.
inline constexpr int64_t kOffsetBeginning = -2;

struct Position {
  std::string topic;
  int partition;
  int64_t offset;  // of the next message to read, or kOffsetBeginning
};

struct ConsumedMessage {
  std::string topic;
  int partition;
  int64_t offset;
  std::string key;
  std::string value;
  Headers headers;
};

// [low, high): the offsets that the broker has; high is that of the next message to be written.
struct Watermarks {
  int64_t low;
  int64_t high;
};

class Subscriber {
 public:
  // Does not wait for a broker. INVALID_ARGUMENT for a setting that is not taken.
  static absl::StatusOr<std::unique_ptr<Subscriber>> Create(const SubscriberOptions& options);
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // Once. INVALID_ARGUMENT for a partition named twice or an offset that is neither >= 0 nor
  // kOffsetBeginning. UNAVAILABLE when the cluster is not known yet (ClusterId waits for it).
  absl::Status Start(const std::vector<Position>& positions);

  // At most `messages_max` (1 or more), as many as are there; waits until there is one, `timeout`,
  // or Wake. The offsets of a partition only rise. Brokers that cannot be reached are no error:
  // they are tried for ever.
  //
  // An error ends this subscriber: every later Poll gives it again, after the messages that came
  // before it.
  //   OUT_OF_RANGE       an offset that is gone or not yet written: read every partition from its
  //   beginning ABORTED            another cluster answers than at Start: no stored offset means
  //   anything there DATA_LOSS          a batch whose checksum or compression is wrong NOT_FOUND,
  //   PERMISSION_DENIED   of a topic UNAVAILABLE        anything else; build another
  absl::StatusOr<std::vector<ConsumedMessage>> Poll(int messages_max, absl::Duration timeout);

  // The headers of a message that the last Poll gave, by its place there; with `poll_headers` off.
  Headers HeadersOf(size_t message) const;

  // Makes a Poll that waits, or the next one, return at once.
  void Wake();

  // The id of the cluster that answered last. UNAVAILABLE when none answered in time.
  absl::StatusOr<std::string> ClusterId(absl::Duration timeout);

  // NOT_FOUND, UNAVAILABLE. Partitions are 0 to this - 1.
  absl::StatusOr<int> Partitions(const std::string& topic, absl::Duration timeout);

  // Asks the broker. NOT_FOUND, UNAVAILABLE.
  absl::StatusOr<Watermarks> GetWatermarks(const std::string& topic, int partition,
                                           absl::Duration timeout);

 private:
  struct Impl;
  explicit Subscriber(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle::bus

#endif  // FETTLE_LIBS_BUS_SUBSCRIBER_H_
