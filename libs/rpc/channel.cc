#include "libs/rpc/channel.h"

#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/log_limit.h"
#include "libs/base/status.h"
#include "libs/crypto/certificate.h"
#include "libs/rpc/limits.h"

namespace fettle::rpc {
namespace {

// The content of the file that `setting` names; `kind` says what it must hold.
absl::StatusOr<std::string> ReadPem(const char* setting, const std::string& file, const char* kind,
                                    bool (*is_kind)(std::string_view)) {
  if (file.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(setting, ": name a PEM file of ", kind, "; see deploy/pki"));
  }
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  if (!in || !(text << in.rdbuf()) || !is_kind(text.str())) {
    return absl::InvalidArgumentError(
        absl::StrCat(setting, ": ", file, " cannot be read as ", kind, " in PEM; see deploy/pki"));
  }
  return text.str();
}

void LogOne(gpr_log_func_args* args) {
  static base::LogLimit& limit = *new base::LogLimit(kGrpcLogLinesPerSecondMax);
  int64_t left_out = 0;
  if (!limit.Take(&left_out)) return;
  const base::Level level = args->severity == GPR_LOG_SEVERITY_ERROR  ? base::Level::kWarning
                            : args->severity == GPR_LOG_SEVERITY_INFO ? base::Level::kInfo
                                                                      : base::Level::kDebug;
  base::Log(level, "grpc",
            {{"cause", args->message},
             {"file", args->file},
             {"line", args->line},
             {"left_out", left_out}});
}

}  // namespace

absl::StatusOr<Identity> LoadIdentity(const std::string& ca_file,
                                      const std::string& certificate_file,
                                      const std::string& key_file) {
  Identity identity;
  FETTLE_ASSIGN_OR_RETURN(identity.ca_pem,
                          ReadPem("ca_file", ca_file, "certificates", &crypto::IsCertificates));
  FETTLE_ASSIGN_OR_RETURN(
      identity.certificate_pem,
      ReadPem("certificate_file", certificate_file, "certificates", &crypto::IsCertificates));
  FETTLE_ASSIGN_OR_RETURN(identity.key_pem,
                          ReadPem("key_file", key_file, "a private key", &crypto::IsPrivateKey));
  if (!crypto::KeyFits(identity.certificate_pem, identity.key_pem)) {
    return absl::InvalidArgumentError(absl::StrCat("key_file: ", key_file, " is not the key of ",
                                                   certificate_file, " (certificate_file)"));
  }
  return identity;
}

void LogGrpcAsOurs() { gpr_set_log_function(&LogOne); }

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
