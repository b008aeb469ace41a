// Keeps what callers can cause from filling the log.
#ifndef FETTLE_LIBS_BASE_LOG_LIMIT_H_
#define FETTLE_LIBS_BASE_LOG_LIMIT_H_

#include <atomic>
#include <cstdint>

#include "absl/time/clock.h"

namespace fettle::base {

// So many lines a second; what comes beyond them is counted. Thread-safe, without a lock: around
// the turn of a second a few lines more may pass.
class LogLimit {
 public:
  explicit LogLimit(int64_t lines_per_second_max) : lines_per_second_max_(lines_per_second_max) {}

  // Whether a line may be written; then `left_out` is how many were not since the last one.
  bool Take(int64_t* left_out) {
    const int64_t second = absl::ToUnixSeconds(absl::Now());
    if (second_.exchange(second) != second) lines_.store(0);
    if (lines_.fetch_add(1) >= lines_per_second_max_) {
      left_out_.fetch_add(1);
      return false;
    }
    *left_out = left_out_.exchange(0);
    return true;
  }

 private:
  const int64_t lines_per_second_max_;
  std::atomic<int64_t> second_ = 0;
  std::atomic<int64_t> lines_ = 0;
  std::atomic<int64_t> left_out_ = 0;
};

}  // namespace fettle::base

#endif  // FETTLE_LIBS_BASE_LOG_LIMIT_H_
