#include "libs/base/clock.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <optional>
#include <utility>

#include "libs/base/date.h"
#include "libs/base/text.h"

namespace fettle::base {
namespace {

std::optional<absl::Time> ReadInstant(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  absl::StatusOr<absl::Time> time = ParseInstant(line);
  if (!time.ok()) return std::nullopt;
  return *time;
}

}  // namespace

absl::Time ManualClock::Now() const {
  absl::MutexLock lock(&mutex_);
  return now_;
}

void ManualClock::Set(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  now_ = now;
}

void ManualClock::Advance(absl::Duration by) {
  absl::MutexLock lock(&mutex_);
  now_ += by;
}

absl::StatusOr<std::unique_ptr<FileClock>> FileClock::Open(std::string path) {
  const std::optional<absl::Time> now = ReadInstant(path);
  if (!now) {
    return absl::FailedPreconditionError(
        Concat("clock file ", path, " cannot be read or does not hold an instant"));
  }
  return std::unique_ptr<FileClock>(new FileClock(std::move(path), *now));
}

absl::Status FileClock::Write(const std::string& path, absl::Time now) {
  const std::string next = Concat(path, ".", getpid());
  std::ofstream file(next, std::ios::trunc);
  file << FormatInstant(now) << '\n';
  file.close();
  if (!file || std::rename(next.c_str(), path.c_str()) != 0) {
    return absl::UnavailableError(Concat("clock file ", path, " cannot be written"));
  }
  return absl::OkStatus();
}

absl::Time FileClock::Now() const {
  const std::optional<absl::Time> now = ReadInstant(path_);
  absl::MutexLock lock(&mutex_);
  if (now) last_ = *now;
  return last_;
}

absl::StatusOr<std::unique_ptr<Clock>> OpenClock(const std::string& clock_file) {
  if (clock_file.empty()) return std::make_unique<SystemClock>();
  return FileClock::Open(clock_file);
}

}  // namespace fettle::base
