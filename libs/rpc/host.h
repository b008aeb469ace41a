// A service's gRPC server: mutual TLS, health, reflection, limits, and an orderly end.
#ifndef FETTLE_LIBS_RPC_HOST_H_
#define FETTLE_LIBS_RPC_HOST_H_

#include <grpcpp/server.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/rpc/channel.h"

namespace fettle::rpc {

struct HostOptions {
  // Loopback or a private network: Debian's gRPC 1.51 must never face untrusted HTTP/2 (see
  // deploy/README.md).
  std::string listen_address = "127.0.0.1";
  int64_t listen_port = 0;  // 0: the system picks one
};

class Host {
 public:
  // UNAVAILABLE, naming the setting, when the address or the port cannot be had. The services
  // outlive the host.
  static absl::StatusOr<std::unique_ptr<Host>> Start(const HostOptions& options,
                                                     const Identity& identity,
                                                     const std::vector<grpc::Service*>& services);
  ~Host();

  int port() const { return port_; }

  // Health says NOT_SERVING from now on; calls are still taken.
  void AnnounceStop();
  // AnnounceStop, then calls under way get kShutdownMsMax to end, the rest is cancelled.
  // Handlers must all come to an end: one that never finishes holds the server for ever. Safe to
  // call twice.
  void Stop();

 private:
  Host(std::unique_ptr<grpc::Server> server, int port) : server_(std::move(server)), port_(port) {}

  std::unique_ptr<grpc::Server> server_;
  const int port_;
  bool stopped_ = false;
};

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_HOST_H_
