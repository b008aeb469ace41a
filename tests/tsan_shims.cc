// What ThreadSanitizer cannot see in Debian's uninstrumented libraries, told to it; linked into the
// tests of the job.
//  * absl::Mutex lives in a library, so that its locks order nothing: each is announced here. The
//  functions are wrapped at
//    link time (tests/CMakeLists.txt), which reaches our calls and leaves those inside of the
//    libraries alone.
//  * A condition that is waited for is evaluated by whichever thread unlocks, after the
//  announcement; here the waiter
//    evaluates it itself, again and again, under the lock.
//  * librdkafka starts its threads with thrd_create, which GCC 12 does not intercept: without a
//  thread of its own in the
//    sanitizer's eyes the first callback ends the process.
// Nothing is suppressed: tsan_canary.cc has a race that must be found with this file linked in.
#include <pthread.h>
#include <sanitizer/tsan_interface.h>
#include <threads.h>

#include <memory>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace {

constexpr absl::Duration kConditionPoll = absl::Microseconds(200);

struct ThreadStart {
  thrd_start_t run;
  void* argument;
};

void* RunThread(void* start) {
  const std::unique_ptr<ThreadStart> owned(static_cast<ThreadStart*>(start));
  return reinterpret_cast<void*>(static_cast<intptr_t>(owned->run(owned->argument)));
}

}  // namespace

extern "C" {

void __real__ZN4absl7debian35Mutex4LockEv(absl::Mutex* mutex);
void __real__ZN4absl7debian35Mutex6UnlockEv(absl::Mutex* mutex);
void __real__ZN4absl7debian35Mutex10ReaderLockEv(absl::Mutex* mutex);
void __real__ZN4absl7debian35Mutex12ReaderUnlockEv(absl::Mutex* mutex);

void __wrap__ZN4absl7debian35Mutex4LockEv(absl::Mutex* mutex) {
  __real__ZN4absl7debian35Mutex4LockEv(mutex);
  __tsan_acquire(mutex);
}

void __wrap__ZN4absl7debian35Mutex6UnlockEv(absl::Mutex* mutex) {
  __tsan_release(mutex);
  __real__ZN4absl7debian35Mutex6UnlockEv(mutex);
}

void __wrap__ZN4absl7debian35Mutex10ReaderLockEv(absl::Mutex* mutex) {
  __real__ZN4absl7debian35Mutex10ReaderLockEv(mutex);
  __tsan_acquire(mutex);
}

void __wrap__ZN4absl7debian35Mutex12ReaderUnlockEv(absl::Mutex* mutex) {
  __tsan_release(mutex);
  __real__ZN4absl7debian35Mutex12ReaderUnlockEv(mutex);
}

bool __wrap__ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE(
    absl::Mutex* mutex, const absl::Condition& condition, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!condition.Eval()) {
    if (absl::Now() >= deadline) return false;
    __wrap__ZN4absl7debian35Mutex6UnlockEv(mutex);
    absl::SleepFor(kConditionPoll);
    __wrap__ZN4absl7debian35Mutex4LockEv(mutex);
  }
  return true;
}

void __wrap__ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE(absl::Mutex* mutex,
                                                           const absl::Condition& condition) {
  __wrap__ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE(
      mutex, condition, absl::InfiniteDuration());
}

int thrd_create(thrd_t* thread, thrd_start_t run, void* argument) {
  auto start = std::make_unique<ThreadStart>(ThreadStart{run, argument});
  if (pthread_create(thread, nullptr, RunThread, start.get()) != 0) return thrd_error;
  start.release();
  return thrd_success;
}

int thrd_join(thrd_t thread, int* result) {
  void* returned = nullptr;
  if (pthread_join(thread, &returned) != 0) return thrd_error;
  if (result != nullptr) *result = static_cast<int>(reinterpret_cast<intptr_t>(returned));
  return thrd_success;
}

}  // extern "C"
