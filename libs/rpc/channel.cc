#include "libs/rpc/channel.h"

#include <grpcpp/create_channel.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/rpc/limits.h"

namespace fettle::rpc {
namespace {

absl::StatusOr<std::string> ReadPem(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  if (!in || !(text << in.rdbuf())) {
    return absl::NotFoundError(
        absl::StrCat("cannot read ", file, ": expected a PEM file; see deploy/pki"));
  }
  return text.str();
}

}  // namespace

absl::StatusOr<Identity> LoadIdentity(const std::string& ca_file,
                                      const std::string& certificate_file,
                                      const std::string& key_file) {
  Identity identity;
  FETTLE_ASSIGN_OR_RETURN(identity.ca_pem, ReadPem(ca_file));
  FETTLE_ASSIGN_OR_RETURN(identity.certificate_pem, ReadPem(certificate_file));
  FETTLE_ASSIGN_OR_RETURN(identity.key_pem, ReadPem(key_file));
  return identity;
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target, const Identity& identity) {
  grpc::SslCredentialsOptions ssl;
  ssl.pem_root_certs = identity.ca_pem;
  ssl.pem_cert_chain = identity.certificate_pem;
  ssl.pem_private_key = identity.key_pem;
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  // Below the server's floor, see host.cc: pings that come too often end the connection
  // (too_many_pings).
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
  // A service that restarts is back within a second; the default backs off for up to two minutes.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectMinMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMaxMs);
  return grpc::CreateCustomChannel(target, grpc::SslCredentials(ssl), arguments);
}

void PrepareCall(grpc::ClientContext& context, absl::Time deadline, const std::string& bearer,
                 const std::string& traceparent, const std::string& correlation_id) {
  context.set_deadline(absl::ToChronoTime(deadline));
  if (!bearer.empty()) context.AddMetadata("authorization", absl::StrCat("Bearer ", bearer));
  if (!traceparent.empty()) context.AddMetadata("traceparent", traceparent);
  if (!correlation_id.empty()) context.AddMetadata(kCorrelationIdHeader, correlation_id);
}

}  // namespace fettle::rpc
