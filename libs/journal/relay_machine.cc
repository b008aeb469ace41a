#include "libs/journal/relay_machine.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"

namespace fettle::journal {

RelayMachine::RelayMachine(int64_t unacknowledged_events_max)
    : acknowledged_(static_cast<size_t>(unacknowledged_events_max), false) {
  FETTLE_CHECK(unacknowledged_events_max >= 1, "a relay may have at least one event under way");
}

RelayMachine::Step RelayMachine::Next() const {
  if (!connected_) return {Do::kRebuild};
  const bool full = next_ - 1 - cursor_ == static_cast<int64_t>(acknowledged_.size());
  if (full || next_ > committed_) return {Do::kWait};
  return {next_ > at_hand_ ? Do::kRead : Do::kProduce, next_};
}

absl::Status RelayMachine::Connected(std::string_view cluster_id, int64_t stored_cursor,
                                     int64_t topic_last, int64_t journal_last) {
  const int64_t cursor = cluster_id == cluster_id_ ? cursor_ : stored_cursor;
  if (std::max(cursor, topic_last) > journal_last) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the topic holds position ", std::max(cursor, topic_last),
        " of this journal, which ends at ", journal_last,
        ": a journal restored from a backup goes on under a new name, never under its old one"));
  }
  connected_ = true;
  cluster_id_ = cluster_id;
  cursor_ = cursor;
  next_ = cursor + 1;
  at_hand_ = cursor;
  committed_ = std::max(committed_, journal_last);
  acknowledged_.assign(acknowledged_.size(), false);
  return absl::OkStatus();
}

void RelayMachine::ClusterSeen(std::string_view cluster_id) {
  if (cluster_id != cluster_id_) connected_ = false;
}

void RelayMachine::Committed(int64_t position) { committed_ = std::max(committed_, position); }

void RelayMachine::Read(int64_t last) {
  FETTLE_CHECK(last >= next_ && last <= committed_, "what is read was asked for and is committed");
  at_hand_ = last;
}

void RelayMachine::Produced() {
  FETTLE_CHECK(next_ <= at_hand_, "what is produced was read");
  ++next_;
}

void RelayMachine::Reported(int64_t position, bool ok) {
  FETTLE_CHECK(position > cursor_ && position < next_, "a report is of an event under way");
  if (!ok) {
    connected_ = false;
    return;
  }
  Acknowledged(position) = true;
  while (cursor_ + 1 < next_ && Acknowledged(cursor_ + 1)) Acknowledged(++cursor_) = false;
}

}  // namespace fettle::journal
