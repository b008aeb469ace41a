// Publishes a journal: its events to `fettle.<service>.v1`, its access records to
// `fettle.access.v1`, each at least once and each key in order. The journal's tables are the
// outbox; the relay reads them in pages, follows the positions, and keeps in the journal, per
// cluster and topic, how far the broker has acknowledged (cursor `relay/<cluster id>/<topic>`).
//
// A message is a CloudEvent: the value is the stored bytes exactly, the headers are copied from its
// EventHeader, the key is the stream's id (access records: their own id).
//
// A broker that cannot be reached is no failure: it is tried for ever, and the journal keeps what
// waits. Threads: one, made here. It sleeps until a commit, a report, or `idle_ms_max`.
#ifndef FETTLE_LIBS_JOURNAL_RELAY_H_
#define FETTLE_LIBS_JOURNAL_RELAY_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/metrics.h"
#include "libs/bus/cluster.h"
#include "libs/journal/journal.h"

namespace fettle::journal {

struct RelayOptions {
  bus::Cluster cluster;
  // Empty: fettle.<service>.v1 and fettle.access.v1. They exist; the relay makes none.
  std::string events_topic = {};
  std::string access_topic = {};
  // Read from the journal at once: at most so many items, and about so many bytes, judged by the
  // page before.
  int64_t page_events_max = 1'000;
  int64_t page_bytes_max = 4 << 20;
  // With the publisher and not acknowledged: per log, and the values of both.
  int64_t unacknowledged_events_max = 10'000;
  int64_t unacknowledged_kbytes_max = 16 * 1024;
  // How long the broker's client waits for company before it sends.
  int64_t linger_ms = 1;
  // Cursors are stored at most this often: each is a commit of the journal. What was sent since
  // then is sent again after a crash.
  int64_t cursor_ms_max = 500;
  // Between two publishers, doubling from the first to the second while nothing is acknowledged.
  int64_t backoff_ms_min = 100;
  int64_t backoff_ms_max = 5'000;
  // How long Start waits for a first look at the topics; a broker that is down costs this once.
  int64_t start_ms_max = 3'000;
  // How long Stop goes on sending what is committed.
  int64_t shutdown_ms_max = 3'000;
  // At the first sight of a cluster, the last messages of each partition that are searched for
  // positions of this journal.
  int64_t tail_messages_max = 2'000;
  // Sleep when nothing happens; how often the cluster id is looked at.
  int64_t idle_ms_max = 1'000;
};

class Relay {
 public:
  // Starts the thread. `journal` and `metrics` outlive the relay. INVALID_ARGUMENT for a cluster
  // setting that is not taken. FAILED_PRECONDITION when a topic is ahead of the journal; when the
  // broker answers later than `start_ms_max`, failure() says it.
  static absl::StatusOr<std::unique_ptr<Relay>> Start(RelayOptions options, Journal* journal,
                                                      base::Metrics* metrics);
  // Stop().
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // Sends what is committed, for `shutdown_ms_max` at most and only while a broker answers, stores
  // the cursors and ends the thread. Before Journal::Stop, which still takes the cursors. Safe to
  // call twice.
  void Stop();

  // Why the relay ended by itself, or OK. Thread-safe.
  absl::Status failure() const;

 private:
  class Impl;
  explicit Relay(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_RELAY_H_
