// Client channels and calls between services: mutual TLS, a deadline on every call, the user's
// token along with it.
#ifndef FETTLE_LIBS_RPC_CHANNEL_H_
#define FETTLE_LIBS_RPC_CHANNEL_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace fettle::rpc {

// PEM files of this process's identity: the CA that both sides trust, the certificate (URI SAN
// spiffe://fettle/<name>) and its key.
struct Identity {
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
};

// From the files of the settings of these names. INVALID_ARGUMENT naming the setting and its file
// when that cannot be read, is not what it should be, or the key is not the certificate's.
absl::StatusOr<Identity> LoadIdentity(const std::string& ca_file,
                                      const std::string& certificate_file,
                                      const std::string& key_file);

// What gRPC writes by itself, some of it on a stranger's doing (a handshake that failed), becomes
// lines of our log, at most kGrpcLogLinesPerSecondMax. Once, before the first server or channel.
void LogGrpcAsOurs();

// Connects lazily. `target` is host:port; the server's certificate must name its host.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target, const Identity& identity);

// Deadline and headers of one call. `bearer` may be empty: then the certificate alone speaks.
void PrepareCall(grpc::ClientContext& context, absl::Time deadline, const std::string& bearer = "",
                 const std::string& traceparent = "", const std::string& correlation_id = "");

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_CHANNEL_H_
