#include "libs/http/background.h"

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include "libs/base/log.h"

namespace fettle::http {

struct Background::Impl {
  using Guard = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;

  boost::asio::io_context context{1};
  std::optional<Guard> work{boost::asio::make_work_guard(context)};
  std::atomic<bool> stopping = false;
  std::thread thread;
};

Background::Background() : impl_(std::make_unique<Impl>()) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->context.run(); });
}

Background::~Background() { Stop(); }

void Background::Spawn(Task<void> task) {
  boost::asio::co_spawn(impl_->context, std::move(task), [](const std::exception_ptr& thrown) {
    if (thrown) base::Log(base::Level::kError, "work in the background failed", {});
  });
}

bool Background::stopping() const { return impl_->stopping; }

void Background::Stop() {
  impl_->stopping = true;
  if (!impl_->thread.joinable()) return;
  impl_->work.reset();
  impl_->thread.join();
}

}  // namespace fettle::http
