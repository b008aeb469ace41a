// Coroutines that run on the server's threads, so that a handler which waits holds none of them.
#ifndef FETTLE_LIBS_HTTP_TASK_H_
#define FETTLE_LIBS_HTTP_TASK_H_

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <utility>

#include "absl/time/time.h"

namespace fettle::http {

// `co_return` a T, `co_await` another Task. Runs when awaited, on one thread at a time.
template <class T>
using Task = boost::asio::awaitable<T>;

// Waits for what another thread finishes: `start` is called with a function that must be called
// once with the result, from any thread; the coroutine then goes on where it ran before. The server
// does not end before that call.
template <class T, class Start>
Task<T> Await(Start start) {
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(T)>(
      [start = std::move(start)](auto handler) mutable {
        auto executor = boost::asio::get_associated_executor(handler);
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        start([executor, shared](T result) {
          boost::asio::post(executor, [shared, result = std::move(result)]() mutable {
            std::move (*shared)(std::move(result));
          });
        });
      },
      boost::asio::use_awaitable);
}

Task<void> Sleep(absl::Duration duration);

}  // namespace fettle::http

#endif  // FETTLE_LIBS_HTTP_TASK_H_
