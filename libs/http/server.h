// A small HTTP/1.1 server for a trusted network behind a proxy: no TLS, no HTTP/2, no streaming.
#ifndef FETTLE_LIBS_HTTP_SERVER_H_
#define FETTLE_LIBS_HTTP_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/base/metrics.h"
#include "libs/http/message.h"
#include "libs/http/task.h"

namespace fettle::http {

struct ServerOptions {
  std::string listen_address = "127.0.0.1";
  uint16_t listen_port = 0;  // 0 takes any
  int threads = 2;
  int connections_max = 512;
  int header_bytes_max = 16 * 1024;
  int body_bytes_max = 1'000'000;
  // From the first byte of a request to its last.
  int64_t read_ms_max = 10'000;
  // A connection with no request under way.
  int64_t idle_ms_max = 60'000;
  int64_t handler_ms_max = 4'900;
  int64_t write_ms_max = 10'000;
  // Wait of a stop for requests under way.
  int64_t shutdown_ms_max = 6'000;
};

// Thread-safe. Every connection runs on one thread at a time, and no handler may block.
class Server {
 public:
  using Handler = std::function<Task<Response>(std::shared_ptr<const Request>)>;
  // The answer for what no handler answers: 400 (not HTTP), 408 (handler_ms_max is over), 413 and
  // 431 (too large), 500 (the handler threw), 503 (connections_max). Headers are those that could
  // be read.
  using Failure = std::function<Response(const Request&, int status)>;

  // UNAVAILABLE, naming the address, when it is in use or not ours.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       Handler handler, Failure failure,
                                                       base::Metrics* metrics);
  ~Server();

  uint16_t port() const;

  // Takes no more requests, waits for those under way (at most shutdown_ms_max for clients that
  // read slowly, and for every handler to end), closes all. The second call does nothing.
  void Stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle::http

#endif  // FETTLE_LIBS_HTTP_SERVER_H_
