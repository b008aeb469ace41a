// Coroutines that belong to no request: they run on a thread of their own until the process stops.
#ifndef FETTLE_LIBS_HTTP_BACKGROUND_H_
#define FETTLE_LIBS_HTTP_BACKGROUND_H_

#include <memory>

#include "libs/http/task.h"

namespace fettle::http {

// Thread-safe.
class Background {
 public:
  Background();
  ~Background();  // stops

  // Starts the coroutine, and gives back at once. It ends by itself, soon after stopping() is true.
  void Spawn(Task<void> task);

  bool stopping() const;

  // Waits for all coroutines to end. Spawn() is not called any more, but by one of them.
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle::http

#endif  // FETTLE_LIBS_HTTP_BACKGROUND_H_
