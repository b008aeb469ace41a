// A consumer of events with exactly one effect of each: it follows Kafka topics, or the feeds of
// the services when there is no broker, and keeps what it has taken in its own SQLite database, in
// the transaction of the effect.
//
// Per source (`urn:fettle:<service>:<journal>`, `…:access`) the positions taken are a bitmap in
// rows of 4,096: duplicates are seen exactly, whichever way they came. An event is applied when the
// event before it in its stream is taken; parked when that one is parked; else held. A position
// that is still missing after `gap_ms_max` is fetched from the feed. Another cluster id than the
// stored one, or an offset that is gone: every partition from its beginning and the missing
// positions from the feed, through the same bitmap; never "latest". What is parked is mirrored to
// `<topic>.dlq` (dead_letter.h) where there is a broker.
//
// Threads: one, made here, which alone writes the database. The handler is called on it, inside its
// transaction.
#ifndef FETTLE_LIBS_JOURNAL_CONSUMER_H_
#define FETTLE_LIBS_JOURNAL_CONSUMER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fettle/common/v1/types.pb.h"
#include "libs/base/metrics.h"
#include "libs/sqlite/database.h"

namespace fettle::journal {

// One event, not seen before.
struct ConsumedEvent {
  std::string topic;
  const common::v1::EventHeader* header;
  std::string_view value;  // the published bytes, exactly
  // `value` without the header, where that comes first as our writers put it; else all of `value`.
  // Parsed as the topic's message it gives everything but the header, which need not be read twice.
  std::string_view body = {};
};

// What a consumer does with events. Called on the consumer's thread, inside the transaction that
// also takes the positions.
class EventHandler {
 public:
  virtual ~EventHandler() = default;
  // The consumer's tables, beside the inbox's own: SQL steps for sqlite::Database::Migrate,
  // appended behind the inbox's.
  virtual std::vector<const char*> Schema() const = 0;
  // Once, after the database is open.
  virtual absl::Status Open(sqlite::Database& db) = 0;
  // The effect. INVALID_ARGUMENT or UNIMPLEMENTED parks the event, with the message as its cause
  // (no personal data in it), and later events of its stream behind it. It is looked at before
  // anything is changed: an event that is refused when rows were changed already stops the
  // consumer, as any other error does, and leaves nothing. (A savepoint for each event would copy
  // every page that the event touches.)
  virtual absl::Status Apply(const ConsumedEvent& event) = 0;
  // Before the commit of a batch of 1 to `batch_events_max` events, and after it.
  virtual absl::Status BeforeCommit() { return absl::OkStatus(); }
  virtual void AfterCommit() {}
  // Now and then when nothing comes, several times a second while the source of the events answers;
  // outside of a transaction. It must not block.
  virtual void Idle() {}
  // Once, after the thread has ended and before the database is closed: statements that were
  // prepared must go.
  virtual void Close() {}
  // Whether events whose stream predecessor is missing may be applied in the order in which they
  // come (audit: bytes are bytes).
  virtual bool AnyOrder() const { return false; }
};

// Where a service's feed is, for gaps, old positions and running without a broker.
struct FeedSource {
  std::string service;        // referral
  std::string topic;          // fettle.referral.v1
  std::string access_source;  // its access log goes to fettle.access.v1
  // Opens ReadJournal from a position and calls `item` for each until it returns false or nothing
  // more is there; blocks.
  std::function<absl::Status(bool access_log, int64_t from_position, int64_t to_position,
                             const std::function<bool(int64_t position, std::string value)>& item)>
      read;
};

struct ConsumerOptions {
  std::string name;  // of the service, for the dead-letter topics
  std::string database_path;
  std::string kafka;  // bootstrap servers, or "none": follow the feeds
  std::vector<std::string> topics;
  std::vector<FeedSource> feeds;
  int64_t batch_events_max = 2'000;
  int64_t batch_ms_max = 100;
  int64_t gap_ms_max = 3'000;
  int64_t held_events_max = 100'000;
  int64_t feed_poll_ms =
      250;  // without a broker: how often a feed that was at its end is asked again
  // Empties the database first, so that everything is taken again from position 1 on.
  bool from_nothing = false;
};

class Consumer {
 public:
  // Opens (or makes) the database and starts to follow. `handler` and `metrics` outlive the
  // consumer.
  static absl::StatusOr<std::unique_ptr<Consumer>> Start(ConsumerOptions options,
                                                         EventHandler* handler,
                                                         base::Metrics* metrics);
  virtual ~Consumer() = default;
  // Commits what it has and ends the thread. Safe to call twice.
  virtual void Stop() = 0;
  // Why it stopped by itself, or OK.
  virtual absl::Status failure() const = 0;
  // Positions taken and parked per source: (source, highest contiguous, count taken, count parked).
  struct SourceProgress {
    std::string source;
    int64_t contiguous = 0;
    int64_t taken = 0;
    int64_t parked = 0;
  };
  virtual absl::StatusOr<std::vector<SourceProgress>> Progress() = 0;
  // Runs `work` with a read-only connection to the consumer's database, on the caller's thread, in
  // one snapshot. Statements that last beyond `time_max` end with DEADLINE_EXCEEDED: what holds a
  // snapshot holds the write-ahead log.
  using Work = std::function<absl::Status(sqlite::Database& db)>;
  virtual absl::Status ReadFor(absl::Duration time_max, const Work& work) = 0;
  // For what a caller waits for: 30 s.
  absl::Status Read(const Work& work) { return ReadFor(absl::Seconds(30), work); }
  // Tries the parked events again, in order; gives how many are no longer parked. Not on the
  // consumer's thread. DEADLINE_EXCEEDED when it takes longer; then it goes on by itself.
  virtual absl::StatusOr<int64_t> Redrive(absl::Time deadline) = 0;
};

// What Progress gives, as of the snapshot that `db` of Consumer::Read shows.
absl::StatusOr<std::vector<Consumer::SourceProgress>> ReadProgress(sqlite::Database& db);

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_CONSUMER_H_
