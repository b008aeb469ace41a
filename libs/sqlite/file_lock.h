// A file that one holder at a time may own.
#ifndef FETTLE_LIBS_SQLITE_FILE_LOCK_H_
#define FETTLE_LIBS_SQLITE_FILE_LOCK_H_

#include <string>

#include "absl/status/statusor.h"

namespace fettle::sqlite {

// Holds flock(2) on a file until destroyed; the kernel lets go when the process dies. The file
// stays: removing it would let a third process lock a new file while a second still waits on the
// old one.
class FileLock {
 public:
  // Creates the file if need be. FAILED_PRECONDITION, naming the path, when it is held already, by
  // another process or by this one; never waits.
  static absl::StatusOr<FileLock> Acquire(const std::string& path);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace fettle::sqlite

#endif  // FETTLE_LIBS_SQLITE_FILE_LOCK_H_
