// Topics as a file declares them, and making those that are missing.
#ifndef FETTLE_LIBS_BUS_TOPICS_H_
#define FETTLE_LIBS_BUS_TOPICS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/bus/cluster.h"

namespace fettle::bus {

inline constexpr int kPartitionsMax = 1000;

struct Topic {
  std::string name;
  int partitions;        // 1 to kPartitionsMax
  int64_t retention_ms;  // -1: for ever

  friend bool operator==(const Topic&, const Topic&) = default;
};

// One topic a line: `name partitions retention_ms`; '#' starts a comment. INVALID_ARGUMENT naming
// the line.
absl::StatusOr<std::vector<Topic>> ParseTopics(std::string_view text);

// Waits until the cluster answers, makes the topics that are missing (copies as the broker's
// default says), and waits until every partition has a leader. Returns how many it made.
// FAILED_PRECONDITION when a topic exists with another number of partitions: keys would move, and
// their order would be lost. UNAVAILABLE when the time was not enough. Blocks. Thread-safe.
absl::StatusOr<int> EnsureTopics(const Cluster& cluster, const std::vector<Topic>& topics,
                                 absl::Duration timeout);

}  // namespace fettle::bus

#endif  // FETTLE_LIBS_BUS_TOPICS_H_
