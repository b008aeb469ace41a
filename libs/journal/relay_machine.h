// What the relay of one log does next, decided without a clock, a thread or a broker.
//
//   The inputs say what happened; Next() says what to do. The cursor is the last position of the
//   contiguous prefix that the cluster acknowledged: everything up to it is on the topic, what is
//   behind it may be. Whatever goes wrong has one answer: another publisher, and on from the
//   cursor. So an event can be sent twice, and none can be passed over.
//
// Not thread-safe.
#ifndef FETTLE_LIBS_JOURNAL_RELAY_MACHINE_H_
#define FETTLE_LIBS_JOURNAL_RELAY_MACHINE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace fettle::journal {

class RelayMachine {
 public:
  enum class Do {
    kRebuild,  // drop the publisher, build another, find the cluster it reaches; then Connected
    kRead,     // read the log from `position` on; then Read
    kProduce,  // give the publisher the item at `position`; then Produced
    kWait,     // for a commit, a report, or another cluster
  };
  struct Step {
    Do what;
    int64_t position = 0;
    friend bool operator==(const Step&, const Step&) = default;
  };

  // `unacknowledged_events_max`: positions behind the cursor that may be with the publisher, >= 1.
  explicit RelayMachine(int64_t unacknowledged_events_max);

  Step Next() const;

  // A new publisher reaches this cluster. `stored_cursor`: what the journal keeps for this cluster
  // and topic, 0 when nothing; it counts only for another cluster than before. `topic_last`: the
  // highest position of this journal that is known to be on the topic.
  // FAILED_PRECONDITION, and nothing changes, when cursor or topic are ahead of the journal: its
  // positions were used before, so it was restored from a backup under its old name.
  absl::Status Connected(std::string_view cluster_id, int64_t stored_cursor, int64_t topic_last,
                         int64_t journal_last);

  // The cluster that answers now. Another one than Connected said holds nothing of what was sent.
  void ClusterSeen(std::string_view cluster_id);

  // Last committed position of the log; never falls.
  void Committed(int64_t position);

  // Items from the position that Next() named up to `last`, which is no less, are at hand.
  void Read(int64_t last);

  // The publisher has the item of the step, or said that it failed, which a report repeats.
  void Produced();

  // Of the publisher in use; reports of a dropped one do not come in.
  void Reported(int64_t position, bool ok);

  // The publisher is of no more use, for a reason that no report of this log told.
  void Lost() { connected_ = false; }

  // 0: nothing is acknowledged yet.
  int64_t cursor() const { return cursor_; }
  int64_t committed() const { return committed_; }
  // Of the cluster that the cursor is about; empty before the first Connected.
  const std::string& cluster_id() const { return cluster_id_; }
  bool connected() const { return connected_; }
  // Everything committed is acknowledged.
  bool caught_up() const { return connected_ && cursor_ == committed_; }

 private:
  std::vector<bool>::reference Acknowledged(int64_t position) {
    return acknowledged_[static_cast<size_t>(position) % acknowledged_.size()];
  }

  bool connected_ = false;
  std::string cluster_id_;
  // cursor_ < next_ <= at_hand_ + 1 <= committed_ + 1
  int64_t cursor_ = 0;
  int64_t next_ = 1;  // to be produced
  int64_t at_hand_ = 0;
  int64_t committed_ = 0;
  // One place for each position of (cursor, cursor + unacknowledged_events_max].
  std::vector<bool> acknowledged_;
};

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_RELAY_MACHINE_H_
