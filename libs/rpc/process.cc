#include "libs/rpc/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/crypto/random.h"
#include "libs/journal/sqlite_store.h"
#include "libs/rpc/host.h"
#include "libs/rpc/journal_service.h"

// What jemalloc reads at its start. As it comes it has four arenas a core and gives nothing back
// for ten seconds: a third more memory after a load.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "narenas:2,background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0";
}

namespace fettle::rpc {
namespace {

constexpr size_t kSecretBytes = 32;
// How soon a journal that gave up ends the process.
constexpr int kWatchMs = 500;

// One clear line for whoever started us, beside the log.
int Fail(const std::string& name, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", name.c_str(), std::string(status.message()).c_str());
  return 1;
}

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

Process::Process(std::string name, std::string about)
    : name_(name), settings_(std::move(name), std::move(about)) {
  settings_.Add(&data_dir_, "data_dir", "Folder of this service's database and secrets", "");
  settings_.Add(&journal_name_, "journal",
                "Name of the journal; one restored from a backup goes on under a new name", "main");
  settings_.Add(&listen_address_, "listen_address",
                "Address of the gRPC server; loopback or a private network, never the internet",
                "127.0.0.1");
  settings_.Add(&listen_port_, "listen_port", "Port of the gRPC server; 0 takes any", 0, 0, 65535);
  settings_.Add(&metrics_port_, "metrics_port", "Port of /metrics on 127.0.0.1; 0: none", 0, 0,
                65535);
  settings_.Add(&ca_file_, "ca_file", "PEM file of the authority that both sides trust", "");
  settings_.Add(&certificate_file_, "certificate_file", "PEM file of this service's certificate",
                "");
  settings_.Add(&key_file_, "key_file", "PEM file of its private key", "");
  settings_.Add(&jwks_file_, "jwks_file", "JSON Web Key Set of the token issuer", "");
  settings_.Add(&token_issuer_, "token_issuer", "The `iss` that tokens must carry",
                "https://issuer.fettle.invalid");
  settings_.Add(&token_audience_, "token_audience", "The `aud` that tokens must carry", "fettle");
  settings_.Add(&kafka_, "kafka", "Bootstrap servers, host:port; `none`: no bus, the feed only",
                "none");
  settings_.Add(&clock_file_, "clock_file", "Tests only: a file that holds the time", "");
  settings_.Add(&log_level_, "log_level", "debug, info, warning, error or fatal", "info");
  settings_.Add(&journal_options_.batch_commands_max, "batch_commands_max",
                "Commands that are committed together", 64, 1, 4'096);
  settings_.Add(&journal_options_.batch_ms_max, "batch_ms_max",
                "Longest time that a batch decides before it is committed, ms", 20, 1, 1'000);
  settings_.Add(&journal_options_.queue_items_max, "queue_items_max",
                "Commands and access records that may wait", 8'192, 1, 1'000'000);
  settings_.Add(&journal_options_.receipt_days, "receipt_days",
                "Days for which a repeated request gets its first answer", 30, 1, 3'650);
}

Process::~Process() = default;

absl::StatusOr<std::string> Process::Secret(const std::string& name) {
  const std::string path = absl::StrCat(data_dir_, "/", name, ".secret");
  const int made = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made >= 0) {
    const std::string secret = crypto::RandomBytes(kSecretBytes);
    const bool ok =
        write(made, secret.data(), secret.size()) == static_cast<ssize_t>(secret.size()) &&
        fsync(made) == 0;
    close(made);
    if (ok) return secret;
    std::filesystem::remove(path);
    return absl::UnavailableError(absl::StrCat("cannot write ", path, ": is the disk full?"));
  }
  std::ifstream in(path, std::ios::binary);
  std::stringstream bytes;
  bytes << in.rdbuf();
  if (!in || bytes.str().size() != kSecretBytes) {
    return absl::DataLossError(absl::StrCat(path, ": expected a file of ", kSecretBytes, " bytes"));
  }
  return bytes.str();
}

AdapterParts Process::Parts(EvidenceSource* evidence) {
  AdapterParts parts;
  parts.journal = journal_.get();
  parts.tokens = tokens_.get();
  parts.evidence = evidence;
  parts.clock = clock_.get();
  parts.hmac_key = hmac_key_;
  parts.call_metrics = call_metrics_.get();
  return parts;
}

absl::Status Process::Open(const journal::Model& model) {
  FETTLE_ASSIGN_OR_RETURN(const base::Level level, base::ParseLevel(log_level_));
  base::InitLog(name_, level);
  LogGrpcAsOurs();
  if (data_dir_.empty()) return absl::InvalidArgumentError("data_dir: name a folder");
  std::error_code error;
  std::filesystem::create_directories(data_dir_, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("data_dir: cannot make ", data_dir_, ": ", error.message()));
  }
  FETTLE_ASSIGN_OR_RETURN(clock_, base::OpenClock(clock_file_));
  std::optional<uint16_t> metrics_port;
  if (metrics_port_ != 0) metrics_port = static_cast<uint16_t>(metrics_port_);
  FETTLE_ASSIGN_OR_RETURN(metrics_, base::Metrics::Create(metrics_port));
  call_metrics_ = std::make_unique<CallMetrics>(metrics_.get());
  FETTLE_ASSIGN_OR_RETURN(identity_, LoadIdentity(ca_file_, certificate_file_, key_file_));
  FETTLE_ASSIGN_OR_RETURN(
      tokens_,
      access::TokenVerifier::Load(
          jwks_file_, {.issuer = token_issuer_, .audience = token_audience_}, clock_.get()));
  FETTLE_ASSIGN_OR_RETURN(hmac_key_, Secret("receipts"));
  journal::SqliteStoreOptions store_options;
  store_options.path = absl::StrCat(data_dir_, "/", name_, ".db");
  FETTLE_ASSIGN_OR_RETURN(store_, journal::OpenSqliteStore(store_options));
  journal_options_.journal = journal_name_;
  FETTLE_ASSIGN_OR_RETURN(journal_, journal::Journal::Open(model, journal_options_, store_.get(),
                                                           clock_.get(), metrics_.get()));
  if (kafka_ != "none") {
    FETTLE_ASSIGN_OR_RETURN(
        relay_,
        journal::Relay::Start({.cluster = {.bootstrap_servers = kafka_, .client_id = name_}},
                              journal_.get(), metrics_.get()));
  }
  return absl::OkStatus();
}

absl::Status Process::Serve(const std::function<absl::StatusOr<Built>(Process&)>& build) {
  const sigset_t signals = StopSignals();
  Built built;
  std::unique_ptr<JournalServiceImpl> journal_service;
  std::unique_ptr<Host> host;
  // Whatever the way out: the journal calls the services, so it ends before they are gone.
  absl::Cleanup end = [&] {
    if (host != nullptr) host->AnnounceStop();
    if (built.stop) built.stop();
    if (journal_service != nullptr) journal_service->EndFeeds();
    if (host != nullptr) host->Stop();
    if (relay_ != nullptr) relay_->Stop();
    journal_->Stop();
  };
  FETTLE_ASSIGN_OR_RETURN(built, build(*this));
  journal_service = std::make_unique<JournalServiceImpl>(Parts(nullptr));
  std::vector<grpc::Service*> services = {journal_service.get()};
  for (const auto& service : built.services) services.push_back(service.get());
  FETTLE_ASSIGN_OR_RETURN(
      host, Host::Start({.listen_address = listen_address_, .listen_port = listen_port_}, identity_,
                        services));
  base::Log(base::Level::kInfo, "ready",
            {{"address", listen_address_},
             {"port", host->port()},
             {"position", journal_->position(journal::Log::kEvents)}});

  absl::Status failure;
  while (true) {
    const timespec wait{kWatchMs / 1000, (kWatchMs % 1000) * 1'000'000};
    if (sigtimedwait(&signals, nullptr, &wait) > 0) break;
    failure = journal_->failure();
    if (failure.ok() && built.failure) failure = built.failure();
    if (failure.ok() && relay_ != nullptr) failure = relay_->failure();
    if (!failure.ok()) break;
  }
  base::Log(base::Level::kInfo, "stopping");
  std::move(end).Invoke();
  base::Log(base::Level::kInfo, "stopped",
            {{"position", journal_->position(journal::Log::kEvents)}});
  return failure;
}

int Process::Run(int argc, const char* const* argv, const journal::Model& model,
                 const std::function<absl::StatusOr<Built>(Process&)>& build) {
  // Blocked before any thread is made, so that only the wait in Serve takes them.
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  absl::StatusOr<base::Settings::Next> next = settings_.Load(argc, argv);
  if (!next.ok()) return Fail(name_, next.status());
  if (*next == base::Settings::Next::kExit) return 0;
  absl::Status status = Open(model);
  if (status.ok()) status = Serve(build);
  if (!status.ok()) return Fail(name_, status);
  return 0;
}

}  // namespace fettle::rpc
