// The life of a service process: settings, log, metrics, identity, store, journal, relay, server;
// and the end of all of them in the right order. A service's main.cc builds what is its own in
// between.
#ifndef FETTLE_LIBS_RPC_PROCESS_H_
#define FETTLE_LIBS_RPC_PROCESS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/access/token.h"
#include "libs/base/clock.h"
#include "libs/base/config.h"
#include "libs/base/metrics.h"
#include "libs/journal/journal.h"
#include "libs/journal/relay.h"
#include "libs/journal/store.h"
#include "libs/rpc/adapter.h"
#include "libs/rpc/channel.h"

namespace fettle::rpc {

class Process {
 public:
  // What a service adds: its gRPC services, which live until the process ends; what to do when it
  // stops taking calls; and, where it runs something that can fail by itself, why that stopped, or
  // OK: a failure ends the process.
  struct Built {
    std::vector<std::unique_ptr<grpc::Service>> services;
    std::function<void()> stop = nullptr;
    std::function<absl::Status()> failure = nullptr;
  };

  Process(std::string name, std::string about);
  ~Process();

  // For settings of the service's own, before Run.
  base::Settings& settings() { return settings_; }

  // Reads the settings, opens everything, calls `build` with the journal open, serves until SIGTERM
  // or SIGINT, stops in order: health, what the service added (Built::stop), feeds, server, relay,
  // journal. Gives the exit code; every failure is one clear line on stderr.
  int Run(int argc, const char* const* argv, const journal::Model& model,
          const std::function<absl::StatusOr<Built>(Process&)>& build);

  // For `build`.
  journal::Journal& journal() { return *journal_; }
  access::TokenVerifier& tokens() { return *tokens_; }
  const base::Clock& clock() const { return *clock_; }
  base::Metrics& metrics() { return *metrics_; }
  const Identity& identity() const { return identity_; }
  const std::string& data_dir() const { return data_dir_; }
  const std::string& kafka() const { return kafka_; }
  // A secret of this installation, 32 bytes, made at first start and kept in data_dir.
  absl::StatusOr<std::string> Secret(const std::string& name);
  AdapterParts Parts(EvidenceSource* evidence);

 private:
  absl::Status Open(const journal::Model& model);
  absl::Status Serve(const std::function<absl::StatusOr<Built>(Process&)>& build);

  const std::string name_;
  base::Settings settings_;
  std::string data_dir_, journal_name_, listen_address_, ca_file_, certificate_file_, key_file_,
      jwks_file_, token_issuer_, token_audience_, kafka_, clock_file_, log_level_;
  int64_t listen_port_ = 0;
  int64_t metrics_port_ = 0;
  journal::JournalOptions journal_options_;

  std::unique_ptr<base::Clock> clock_;
  std::unique_ptr<base::Metrics> metrics_;
  std::unique_ptr<CallMetrics> call_metrics_;
  Identity identity_;
  std::unique_ptr<access::TokenVerifier> tokens_;
  std::unique_ptr<journal::Store> store_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<journal::Relay> relay_;  // none without a bus
  std::string hmac_key_;
};

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_PROCESS_H_
