// Runs a coroutine from a test.
#ifndef FETTLE_LIBS_HTTP_TASK_TESTING_H_
#define FETTLE_LIBS_HTTP_TASK_TESTING_H_

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "libs/http/task.h"

namespace fettle::http {

// Runs the task on this thread until it is over. What it throws is thrown.
template <class T>
T RunTask(Task<T> task) {
  boost::asio::io_context context;
  // The task may wait for another thread, when the context has nothing to do.
  auto work = boost::asio::make_work_guard(context);
  std::optional<T> result;
  std::exception_ptr thrown;
  boost::asio::co_spawn(context, std::move(task), [&](std::exception_ptr exception, T value) {
    thrown = exception;
    result = std::move(value);
    work.reset();
  });
  context.run();
  if (thrown) std::rethrow_exception(thrown);
  return *std::move(result);
}

}  // namespace fettle::http

#endif  // FETTLE_LIBS_HTTP_TASK_TESTING_H_
