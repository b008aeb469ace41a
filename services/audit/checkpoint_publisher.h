// Makes events of the log's signed checkpoints, in the service's own journal, from which the relay
// and the feed take them.
#ifndef FETTLE_SERVICES_AUDIT_CHECKPOINT_PUBLISHER_H_
#define FETTLE_SERVICES_AUDIT_CHECKPOINT_PUBLISHER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/journal/journal.h"

namespace fettle::audit {

class CheckpointPublisher {
 public:
  // At most one event in `interval`, the first one at once. Journal and clock outlive the
  // publisher.
  CheckpointPublisher(std::string origin, absl::Duration interval, journal::Journal* journal,
                      const base::Clock* clock);

  // The newest checkpoint, offered again and again, by one thread. Publishes it when its turn has
  // come and it is not published; never blocks. What the journal does not take is tried again after
  // `interval`.
  void Offer(uint64_t size, const std::string& note);

  // FAILED_PRECONDITION when a larger checkpoint was published than the log has, else OK.
  // Thread-safe.
  absl::Status failure() const;

 private:
  class Publish;
  // What the commands under way tell; they may outlive the publisher.
  struct Outcome {
    absl::Mutex mutex;
    uint64_t published_size ABSL_GUARDED_BY(mutex) = 0;
    absl::Status failure ABSL_GUARDED_BY(mutex);
  };

  const std::string origin_;
  const absl::Duration interval_;
  journal::Journal* const journal_;
  const base::Clock* const clock_;
  const std::shared_ptr<Outcome> outcome_ = std::make_shared<Outcome>();
  absl::Time last_time_ = absl::InfinitePast();
};

}  // namespace fettle::audit

#endif  // FETTLE_SERVICES_AUDIT_CHECKPOINT_PUBLISHER_H_
