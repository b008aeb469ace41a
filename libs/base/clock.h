// Where the time comes from. Only shells hold a clock; decisions get the time as a value.
#ifndef FETTLE_LIBS_BASE_CLOCK_H_
#define FETTLE_LIBS_BASE_CLOCK_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace fettle::base {

// All clocks are thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

// Stands still until told.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(absl::Time now) : now_(now) {}

  absl::Time Now() const override;
  void Set(absl::Time now);
  void Advance(absl::Duration by);

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
};

// The instant in a file, read at each call, so that a test can move the clock of all processes of a
// system at once. A file that later cannot be read leaves the last good time standing.
class FileClock final : public Clock {
 public:
  // FAILED_PRECONDITION, naming the file, when it cannot be read or holds no instant
  // (ParseInstant).
  static absl::StatusOr<std::unique_ptr<FileClock>> Open(std::string path);
  // Replaces the file in one step (rename), so that no reader sees half of it.
  static absl::Status Write(const std::string& path, absl::Time now);

  absl::Time Now() const override;

 private:
  FileClock(std::string path, absl::Time now) : path_(std::move(path)), last_(now) {}

  const std::string path_;
  mutable absl::Mutex mutex_;
  mutable absl::Time last_ ABSL_GUARDED_BY(mutex_);
};

// A FileClock, or the system's clock when `clock_file` is empty.
absl::StatusOr<std::unique_ptr<Clock>> OpenClock(const std::string& clock_file);

}  // namespace fettle::base

#endif  // FETTLE_LIBS_BASE_CLOCK_H_
