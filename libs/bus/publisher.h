// Sends messages to Kafka, each at least once and each key in order: what RELIABILITY calls
// transport, not record.
//
//   publisher->Produce(message, position);                  // queued, full, or failed
//   for (const Report& report : publisher->Poll(timeout))   // exactly one for each that was not
//   full
//
// Idempotent producer, acks=all, no time limit on a message (a limit would drop messages from the
// middle while later ones go out), key -> partition as Java's default does (murmur2), topics are
// never made by sending to them.
//
// One thread at a time; Wake and sent_bytes are safe from any. librdkafka runs its own threads.
#ifndef FETTLE_LIBS_BUS_PUBLISHER_H_
#define FETTLE_LIBS_BUS_PUBLISHER_H_

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

// Key, value and headers of one message as they lie on the wire. Below the broker's
// message.max.bytes.
inline constexpr int kMessageBytesMax = 1 << 20;

enum class Compression { kLz4, kZstd };

struct PublisherOptions {
  Cluster cluster = {};
  // Produce answers kFull at either limit. Both count what is queued or sent and not yet reported;
  // kilobytes count values only, so leave room for keys and headers.
  int unreported_messages_max = 10'000;
  int unreported_kbytes_max = 16 * 1024;
  // How long a partition's first waiting message waits for others.
  int linger_ms = 2;
  Compression compression = Compression::kLz4;
  // How often sent_bytes moves.
  int statistics_ms = 5'000;
};

enum class Produced {
  kQueued,  // a report follows
  kFull,    // nothing happened: poll, then try again
  kFailed,  // nothing was sent; a report says why
};

struct Report {
  uint64_t tag;
  bool ok;         // on the broker's log, as acks=all means it
  bool retriable;  // the same message may succeed later; else it is refused for what it is (its
                   // size, its key)
  // This publisher is finished, and so is every message that it has not reported: build another and
  // send from the first message that was not reported ok.
  bool fatal;
  const char* error;  // librdkafka's name of the cause, static text; "" when ok
};

class Publisher {
 public:
  // Does not wait for a broker. INVALID_ARGUMENT for a setting that is not taken.
  static absl::StatusOr<std::unique_ptr<Publisher>> Create(const PublisherOptions& options);
  // Drops what is queued or in flight; it may or may not be on the log.
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Copies the message. Does not block.
  //
  // A message that is reported as not ok is a hole in its stream: the caller goes on from that
  // message, after Purge or with another publisher, before it sends a later one of the key. What
  // the broker refuses ends this publisher by itself (fatal), so that what was queued already does
  // not go out behind the hole.
  Produced Produce(const EventMessage& message, uint64_t tag);

  // Waits until there is at least one report, `timeout`, or Wake. Reports of one partition come in
  // the order of Produce.
  std::vector<Report> Poll(absl::Duration timeout);

  // Makes a Poll that waits, or the next one, return at once.
  void Wake();

  // Waits until all is reported; the reports come from Poll. DEADLINE_EXCEEDED when some are still
  // open.
  absl::Status Flush(absl::Duration timeout);

  // Gives up everything that is queued or in flight; each is reported as failed and retriable by
  // Poll. What was in flight may be on the log all the same.
  void Purge();

  // Messages that Produce took or failed and Poll has not reported.
  int64_t unreported() const;

  // OK, or why this publisher is finished.
  absl::Status FatalError() const;

  // The id of the cluster that answered last, so a cluster that took another's place shows.
  // UNAVAILABLE when none answered in time.
  absl::StatusOr<std::string> ClusterId(absl::Duration timeout);

  // NOT_FOUND, UNAVAILABLE.
  absl::StatusOr<int> Partitions(const std::string& topic, absl::Duration timeout);

  // Bytes written to brokers since Create, after compression.
  int64_t sent_bytes() const;

 private:
  struct Impl;
  explicit Publisher(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle::bus

#endif  // FETTLE_LIBS_BUS_PUBLISHER_H_
