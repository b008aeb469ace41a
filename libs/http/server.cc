#include "libs/http/server.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <thread>
#include <unordered_set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/log.h"
#include "libs/base/text.h"

namespace fettle::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using tcp = asio::ip::tcp;
using Error = boost::system::error_code;

constexpr size_t kReadBytes = 16 * 1024;
// What a client may still be sending when it is told that it sends too much: read and thrown away,
// because closing on unread bytes would take the answer from it.
constexpr size_t kLingerBytesMax = 8'000'000;
constexpr std::chrono::seconds kLinger(2);
constexpr std::chrono::milliseconds kAcceptPause(50);
constexpr char kServerName[] = "fettle";

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

void FillFrom(const beast::http::request<beast::http::string_body>& from, Request& to) {
  to.method = std::string(View(from.method_string()));
  to.target = std::string(View(from.target()));
  for (const auto& field : from) {
    to.headers.emplace_back(View(field.name_string()), View(field.value()));
  }
}

int StatusOf(const Error& error) {
  if (error == beast::http::error::body_limit) return 413;
  if (error == beast::http::error::header_limit || error == beast::http::error::buffer_overflow) {
    return 431;
  }
  return 400;
}

}  // namespace

std::string_view Request::Path() const {
  const std::string_view all(target);
  return all.substr(0, all.find('?'));
}

std::optional<std::string> Request::Header(std::string_view name) const {
  std::optional<std::string> joined;
  for (const auto& [key, value] : headers) {
    if (!absl::EqualsIgnoreCase(base::ToAbsl(key), base::ToAbsl(name))) continue;
    joined = joined ? absl::StrCat(*joined, ", ", value) : value;
  }
  return joined;
}

Task<void> Sleep(absl::Duration duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(absl::ToChronoNanoseconds(duration));
  co_await timer.async_wait(kAsTuple);
}

struct Server::Impl {
  // Used on its strand only.
  struct Connection {
    explicit Connection(tcp::socket socket) : stream(std::move(socket)) {}
    beast::tcp_stream stream;
    bool busy = false;
  };

  Impl(ServerOptions options, Handler handler, Failure failure, base::Gauge& connections_gauge)
      : options(std::move(options)),
        handler(std::move(handler)),
        failure(std::move(failure)),
        connections_gauge(connections_gauge),
        context(this->options.threads),
        acceptor(asio::make_strand(context)),
        work(asio::make_work_guard(context)) {}

  absl::Status Listen();
  void Run();
  void Stop();

  Task<void> Accept();
  Task<void> Serve(std::shared_ptr<Connection> connection);
  Task<bool> ServeOne(Connection& connection, beast::flat_buffer& buffer);
  Task<void> Refuse(std::shared_ptr<Connection> connection);
  Task<Response> Handle(std::shared_ptr<const Request> request);
  Task<bool> Write(Connection& connection, const Response& response, unsigned version,
                   bool keep_alive, bool head);
  Task<void> Linger(Connection& connection);

  bool IsStopping() {
    absl::MutexLock lock(&mutex);
    return stopping;
  }

  const ServerOptions options;
  const Handler handler;
  const Failure failure;
  base::Gauge& connections_gauge;

  asio::io_context context;
  tcp::acceptor acceptor;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::vector<std::thread> threads;

  absl::Mutex mutex;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  int handlers ABSL_GUARDED_BY(mutex) = 0;
  std::unordered_set<std::shared_ptr<Connection>> connections ABSL_GUARDED_BY(mutex);
};

absl::Status Server::Impl::Listen() {
  Error error;
  const asio::ip::address address = asio::ip::make_address(options.listen_address, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("http_address: ", options.listen_address, " is no IP address"));
  }
  const tcp::endpoint endpoint(address, options.listen_port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat("http_port: cannot listen on ",
                                               options.listen_address, ":", options.listen_port,
                                               ": ", error.message()));
  }
  return absl::OkStatus();
}

void Server::Impl::Run() {
  asio::co_spawn(acceptor.get_executor(), Accept(), asio::detached);
  for (int i = 0; i < options.threads; ++i) threads.emplace_back([this] { context.run(); });
}

Task<void> Server::Impl::Accept() {
  while (!IsStopping()) {
    auto [error, socket] = co_await acceptor.async_accept(asio::make_strand(context), kAsTuple);
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
    if (error) {
      // Out of descriptors, most likely: let connections end before the next try.
      base::Log(base::Level::kWarning, "cannot accept a connection", {{"cause", error.message()}});
      co_await Sleep(absl::FromChrono(kAcceptPause));
      continue;
    }
    // An answer is written whole; holding back its last packet would only make it late.
    Error ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    auto connection = std::make_shared<Connection>(std::move(socket));
    bool is_full = false;
    {
      absl::MutexLock lock(&mutex);
      is_full = static_cast<int>(connections.size()) >= options.connections_max;
      connections.insert(connection);
      connections_gauge.Set(static_cast<double>(connections.size()));
    }
    asio::co_spawn(connection->stream.get_executor(),
                   is_full ? Refuse(connection) : Serve(connection),
                   [this, connection](const std::exception_ptr&) {
                     absl::MutexLock lock(&mutex);
                     connections.erase(connection);
                     connections_gauge.Set(static_cast<double>(connections.size()));
                   });
  }
}

Task<void> Server::Impl::Refuse(std::shared_ptr<Connection> connection) {
  connection->busy = true;
  const Response response = failure(Request(), 503);
  co_await Write(*connection, response, 11, /*keep_alive=*/false, /*head=*/false);
  co_await Linger(*connection);
}

Task<void> Server::Impl::Serve(std::shared_ptr<Connection> connection) {
  beast::flat_buffer buffer(options.header_bytes_max + kReadBytes);
  while (!IsStopping()) {
    if (buffer.size() == 0) {
      connection->stream.expires_after(std::chrono::milliseconds(options.idle_ms_max));
      const auto [error, bytes] =
          co_await connection->stream.async_read_some(buffer.prepare(kReadBytes), kAsTuple);
      if (error) co_return;
      buffer.commit(bytes);
    }
    connection->busy = true;
    const bool keep = co_await ServeOne(*connection, buffer);
    connection->busy = false;
    if (!keep) co_return;
  }
}

// One request and its answer. False when the connection has to end.
Task<bool> Server::Impl::ServeOne(Connection& connection, beast::flat_buffer& buffer) {
  beast::http::request_parser<beast::http::string_body> parser;
  parser.header_limit(options.header_bytes_max);
  parser.body_limit(options.body_bytes_max);
  connection.stream.expires_after(std::chrono::milliseconds(options.read_ms_max));
  auto [error, header_bytes] =
      co_await beast::http::async_read_header(connection.stream, buffer, parser, kAsTuple);
  if (!error && absl::EqualsIgnoreCase(base::ToAbsl(View(parser.get()[beast::http::field::expect])),
                                       "100-continue")) {
    const Response go_on{.status = 100, .content_type = "", .body = "", .headers = {}};
    co_await Write(connection, go_on, 11, /*keep_alive=*/true, /*head=*/true);
  }
  if (!error) {
    auto [body_error, body_bytes] =
        co_await beast::http::async_read(connection.stream, buffer, parser, kAsTuple);
    error = body_error;
  }
  auto request = std::make_shared<Request>();
  FillFrom(parser.get(), *request);
  const unsigned version = parser.get().version();
  if (error) {
    // Only what a client sent is answered; a connection that broke or took too long is not there.
    if (error.category() !=
            beast::http::make_error_code(beast::http::error::bad_method).category() ||
        error == beast::http::error::end_of_stream ||
        error == beast::http::error::partial_message) {
      co_return false;
    }
    const Response response = failure(*request, StatusOf(error));
    co_await Write(connection, response, 11, /*keep_alive=*/false, /*head=*/false);
    co_await Linger(connection);
    co_return false;
  }
  const bool head = request->method == "HEAD";
  const bool wants_more = parser.get().keep_alive();
  request->body = std::move(parser.get().body());
  const Response response = co_await Handle(request);
  const bool keep = wants_more && !IsStopping();
  const bool written = co_await Write(connection, response, version, keep, head);
  co_return written&& keep;
}

// Runs the handler beside the wait for its deadline. One that comes late ends for itself; its
// answer is dropped.
Task<Response> Server::Impl::Handle(std::shared_ptr<const Request> request) {
  struct Running {
    explicit Running(const asio::any_io_executor& executor) : timer(executor) {}
    asio::steady_timer timer;
    std::optional<Response> response;
  };
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto running = std::make_shared<Running>(executor);
  running->timer.expires_after(std::chrono::milliseconds(options.handler_ms_max));
  {
    absl::MutexLock lock(&mutex);
    ++handlers;
  }
  asio::co_spawn(executor, handler(request),
                 [this, running, request](const std::exception_ptr& thrown, Response response) {
                   if (thrown) {
                     base::Log(base::Level::kError, "a handler threw");
                     response = failure(*request, 500);
                   }
                   running->response = std::move(response);
                   running->timer.cancel();
                   absl::MutexLock lock(&mutex);
                   --handlers;
                 });
  co_await running->timer.async_wait(kAsTuple);
  if (running->response) co_return *std::move(running->response);
  co_return failure(*request, 408);
}

Task<bool> Server::Impl::Write(Connection& connection, const Response& response, unsigned version,
                               bool keep_alive, bool head) {
  beast::http::response<beast::http::string_body> message(
      static_cast<beast::http::status>(response.status), version);
  const bool interim = response.status < 200;
  if (!interim) {
    message.set(beast::http::field::server, kServerName);
    if (!response.content_type.empty()) {
      message.set(beast::http::field::content_type, response.content_type);
    }
    for (const auto& [name, value] : response.headers) {
      message.set(name, value.substr(0, value.find_first_of("\r\n")));
    }
    message.keep_alive(keep_alive);
    message.content_length(response.body.size());
    if (!head) message.body() = response.body;
  }
  connection.stream.expires_after(std::chrono::milliseconds(options.write_ms_max));
  if (head || interim) {
    beast::http::response_serializer<beast::http::string_body> serializer(message);
    const auto [error, bytes] =
        co_await beast::http::async_write_header(connection.stream, serializer, kAsTuple);
    co_return !error;
  }
  const auto [error, bytes] =
      co_await beast::http::async_write(connection.stream, message, kAsTuple);
  co_return !error;
}

Task<void> Server::Impl::Linger(Connection& connection) {
  Error ignored;
  connection.stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  connection.stream.expires_after(kLinger);
  std::vector<char> thrown_away(kReadBytes);
  for (size_t total = 0; total < kLingerBytesMax;) {
    const auto [error, bytes] =
        co_await connection.stream.async_read_some(asio::buffer(thrown_away), kAsTuple);
    if (error) co_return;
    total += bytes;
  }
}

void Server::Impl::Stop() {
  {
    absl::MutexLock lock(&mutex);
    if (stopping) return;
    stopping = true;
    for (const auto& connection : connections) {
      asio::post(connection->stream.get_executor(), [connection] {
        if (!connection->busy) connection->stream.close();
      });
    }
  }
  asio::post(acceptor.get_executor(), [this] {
    Error ignored;
    acceptor.close(ignored);
  });
  {
    absl::MutexLock lock(&mutex);
    const auto all_closed = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
      return connections.empty();
    };
    mutex.AwaitWithTimeout(absl::Condition(&all_closed),
                           absl::Milliseconds(options.shutdown_ms_max));
    // A handler that is not over would come back to a server that is gone.
    const auto all_handled = [this]()
                                 ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return handlers == 0; };
    mutex.Await(absl::Condition(&all_handled));
  }
  work.reset();
  context.stop();
  for (std::thread& thread : threads) thread.join();
  threads.clear();
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() { Stop(); }

uint16_t Server::port() const { return impl_->acceptor.local_endpoint().port(); }

void Server::Stop() { impl_->Stop(); }

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, Handler handler,
                                                      Failure failure, base::Metrics* metrics) {
  auto impl = std::make_unique<Impl>(
      options, std::move(handler), std::move(failure),
      metrics->AddGauge("fettle_http_connections", "Connections that are open"));
  if (const absl::Status status = impl->Listen(); !status.ok()) return status;
  impl->Run();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

}  // namespace fettle::http
