// Mirrors a consumer's parked rows to the dead-letter topics, `<topic>.dlq`, each at least once:
// the message as it came (key, value, headers) and headers that say why and where it is parked. The
// rows are the record and the topic is for whoever looks from outside, so a broker that cannot be
// reached holds nothing up: rows wait, marked in their table, and are sent later.
//
// Not thread-safe: lives on the consumer's thread.
#ifndef FETTLE_LIBS_JOURNAL_DEAD_LETTER_H_
#define FETTLE_LIBS_JOURNAL_DEAD_LETTER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/metrics.h"
#include "libs/bus/cloud_event.h"
#include "libs/bus/publisher.h"
#include "libs/journal/attributes.h"
#include "libs/journal/inbox.h"

namespace fettle::journal {

// Behind the name of the topic that the event came by.
inline constexpr std::string_view kDeadLetterSuffix = ".dlq";
// Headers on top of those that the message came with.
inline constexpr std::string_view kDeadLetterConsumer = "fettle-dlq-consumer";
inline constexpr std::string_view kDeadLetterCode = "fettle-dlq-code";
inline constexpr std::string_view kDeadLetterCause = "fettle-dlq-cause";
inline constexpr std::string_view kDeadLetterSource = "fettle-dlq-source";
inline constexpr std::string_view kDeadLetterPosition = "fettle-dlq-position";
inline constexpr std::string_view kDeadLetterTime = "fettle-dlq-time";  // of parking, RFC 3339

class DeadLetterMirror {
 public:
  struct Options {
    bus::Cluster cluster;
    std::string consumer;  // name of the service
    // Sent and not reported; all are reported before more are sent.
    int64_t rows_max = 64;
    int64_t row_bytes_max = 4 << 20;
    // After a failure. A broker that is away is none: what was sent waits for it.
    int64_t backoff_ms = 30'000;
  };

  DeadLetterMirror(Options options, Inbox* inbox, base::Metrics* metrics);

  // Marks what was acknowledged and sends more. Does not wait. An error is the inbox's.
  absl::Status Step();

 private:
  absl::Status TakeReports();
  absl::Status Send();
  bus::EventMessage MessageOf(Inbox::DeadLetter letter);

  const Options options_;
  Inbox* const inbox_;
  base::Counter& mirrored_total_;
  std::unique_ptr<bus::Publisher> publisher_;  // made when there is something to send
  std::map<uint64_t, std::pair<std::string, int64_t>> sent_;  // tag -> source and position
  uint64_t last_tag_ = 0;
  absl::Time try_again_ = absl::InfinitePast();
  AttributeWriter attributes_;
};

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_DEAD_LETTER_H_
