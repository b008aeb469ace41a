#include "libs/rpc/host.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/status.h"
#include "libs/rpc/limits.h"

namespace fettle::rpc {
namespace {

constexpr size_t kServerMemoryBytesMax = 48 << 20;
constexpr int kStreamsPerConnectionMax = 1'000;
constexpr int kMetadataBytesMax = 16 << 10;
constexpr int kReadBytes = 64 << 10;

// gRPC says only that it cannot listen; why is found out by asking for the port first.
absl::Status TryPort(const HostOptions& options) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = absl::StrCat(options.listen_port);
  if (const int error = getaddrinfo(options.listen_address.c_str(), port.c_str(), &hints, &found)) {
    return absl::UnavailableError(
        absl::StrCat("listen_address: ", options.listen_address, ": ", gai_strerror(error)));
  }
  int error = 0;
  const int probe = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol);
  const int on = 1;
  // As gRPC does: connections of an earlier run that linger do not hold the port.
  if (probe < 0 || setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(probe, found->ai_addr, found->ai_addrlen) != 0) {
    error = errno;
  }
  if (probe >= 0) close(probe);
  freeaddrinfo(found);
  if (error == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(error == EADDRNOTAVAIL ? "listen_address" : "listen_port", ": cannot listen on ",
                   options.listen_address, ":", port, ": ", std::strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Host>> Host::Start(const HostOptions& options,
                                                  const Identity& identity,
                                                  const std::vector<grpc::Service*>& services) {
  static const bool once = [] {
    grpc::EnableDefaultHealthCheckService(true);
    // Debian builds Abseil with its search for lock cycles on, at each lock of each call.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  (void)once;

  FETTLE_RETURN_IF_ERROR(TryPort(options));
  grpc::SslServerCredentialsOptions ssl(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  ssl.pem_root_certs = identity.ca_pem;
  ssl.pem_key_cert_pairs.push_back({identity.key_pem, identity.certificate_pem});

  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(absl::StrCat(options.listen_address, ":", options.listen_port),
                           grpc::SslServerCredentials(ssl), &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnectionMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kKeepaliveMinMs);
  // The door sets each call's deadline and all that work on it look at it; gRPC's own check starts
  // and ends a timer for each call.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_DEADLINE_CHECKS, 0);
  // Many small calls share a read of the socket.
  builder.AddChannelArgument(GRPC_ARG_TCP_READ_CHUNK_SIZE, kReadBytes);
  // No answer is compressed, so nothing need stand in its way that could.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
  // Two servers on one port would share its connections without a word.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  grpc::ResourceQuota quota("fettle");
  quota.Resize(kServerMemoryBytesMax);
  builder.SetResourceQuota(quota);

  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat("listen_port: cannot listen on ",
                                               options.listen_address, ":", options.listen_port,
                                               "; the reason is in the log"));
  }
  return std::unique_ptr<Host>(new Host(std::move(server), port));
}

Host::~Host() { Stop(); }

void Host::AnnounceStop() { server_->GetHealthCheckService()->SetServingStatus(false); }

void Host::Stop() {
  if (stopped_) return;
  stopped_ = true;
  AnnounceStop();
  server_->Shutdown(absl::ToChronoTime(absl::Now() + absl::Milliseconds(kShutdownMsMax)));
  server_->Wait();
}

}  // namespace fettle::rpc
