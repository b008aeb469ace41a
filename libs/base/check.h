// What must hold, in release builds too: a broken invariant stops the process before it can write.
#ifndef FETTLE_LIBS_BASE_CHECK_H_
#define FETTLE_LIBS_BASE_CHECK_H_

#include <string_view>

namespace fettle::base::internal {
[[noreturn]] void CheckFailed(std::string_view file, int line, std::string_view condition,
                              std::string_view message);
}  // namespace fettle::base::internal

// FETTLE_CHECK(offset <= size, "a bundle ends inside its file"): logs the message, which says what
// should hold and names no personal data, and aborts. For faults of our code only; what may fail at
// run time is a Status.
#define FETTLE_CHECK(condition, message)                                              \
  do {                                                                                \
    if (!(condition)) [[unlikely]] {                                                  \
      ::fettle::base::internal::CheckFailed(__FILE__, __LINE__, #condition, message); \
    }                                                                                 \
  } while (false)

#endif  // FETTLE_LIBS_BASE_CHECK_H_
