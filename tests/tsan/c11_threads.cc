// librdkafka starts its threads with thrd_create, which GCC 12's ThreadSanitizer does not
// intercept: without a thread of its own in the sanitizer's eyes the first callback ends the
// process. These definitions take the place of the C library's.
#include <pthread.h>
#include <threads.h>

#include <cstdint>
#include <memory>

namespace {

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
