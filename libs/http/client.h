// A small HTTP/1.1 client for calls to partners, over TLS or on a trusted network. libcurl does it.
#ifndef FETTLE_LIBS_HTTP_CLIENT_H_
#define FETTLE_LIBS_HTTP_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/http/message.h"

namespace fettle::http {

struct ClientOptions {
  int64_t connect_ms_max = 3'000;
  // From the begin to the last byte of the answer.
  int64_t answer_ms_max = 10'000;
  size_t answer_bytes_max = 1'000'000;
  // Connections that are kept open between calls.
  int64_t connections_max = 32;
};

struct Call {
  std::string method = "POST";
  std::string url = {};  // http:// or https://; a redirection is not followed
  Headers headers = {};
  std::string body = {};
  // PEM of the authorities that the partner's certificate is checked against; empty: the system's.
  std::string ca_file = {};
};

// Thread-safe. Has a thread of its own for all calls that are under way.
class Client {
 public:
  using Done = std::function<void(absl::StatusOr<Response>)>;

  explicit Client(const ClientOptions& options);
  ~Client();  // stops

  // Calls `done` once, from the client's thread, which it must not hold. UNAVAILABLE: no
  // connection, or one that was cut. DEADLINE_EXCEEDED: no whole answer in time. OUT_OF_RANGE: more
  // than answer_bytes_max. INVALID_ARGUMENT: not such a URL. CANCELLED: the client stops.
  void Start(Call call, Done done);

  // Ends what is under way; later calls are CANCELLED at once.
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle::http

#endif  // FETTLE_LIBS_HTTP_CLIENT_H_
