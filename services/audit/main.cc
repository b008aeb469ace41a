#include <cstdio>
#include <filesystem>

#include "libs/base/status.h"
#include "libs/crypto/ed25519.h"
#include "libs/crypto/file.h"
#include "libs/journal/consumer.h"
#include "libs/rpc/process.h"
#include "services/audit/audit_log.h"
#include "services/audit/audit_service.h"
#include "services/audit/checkpoint_publisher.h"
#include "services/audit/domain/audit_rules.h"
#include "services/audit/publishers.h"

namespace fettle::audit {
namespace {

// Made at the first start.
absl::StatusOr<crypto::Ed25519PrivateKey> LogKey(const std::string& path) {
  absl::StatusOr<crypto::Ed25519PrivateKey> key = crypto::Ed25519PrivateKey::Load(path);
  if (!absl::IsNotFound(key.status())) return key;
  key = crypto::Ed25519PrivateKey::Generate();
  FETTLE_RETURN_IF_ERROR(key->Save(path));
  return key;
}

absl::Status WriteVerifierKey(const std::string& path, const std::string& text) {
  const absl::StatusOr<std::string> kept = crypto::ReadKeyFile(path);
  if (kept.ok() && *kept == text) return absl::OkStatus();
  std::remove(path.c_str());
  return crypto::WriteNewKeyFile(path, text);
}

// `fettle-audit export STORE FILE`: a stopped store, or a copy of one, also one that the service
// would refuse to serve.
absl::Status ExportStore(const std::string& store, const std::string& path) {
  if (!std::filesystem::exists(store)) return absl::NotFoundError("cannot read " + store);
  FETTLE_ASSIGN_OR_RETURN(const auto db, sqlite::Database::Open({.path = store}));
  FETTLE_ASSIGN_OR_RETURN(const auto snapshot, sqlite::Transaction::Begin(*db));
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return absl::UnavailableError("cannot write " + path);
  absl::Status status = LogReader(*db).Export([&](std::string_view bytes) {
    return std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size()
               ? absl::OkStatus()
               : absl::UnavailableError("cannot write " + path);
  });
  if (std::fclose(file) != 0) status.Update(absl::UnavailableError("cannot write " + path));
  return status;
}

int Run(int argc, char** argv) {
  using rpc::Process;
  Process process("audit",
                  "A provable log of all events: Merkle tree, signed checkpoints, proofs.");
  std::string origin;
  process.settings().Add(&origin, "origin", "Name of the log and its key, in every checkpoint",
                         "fettle/audit");
  int64_t checkpoint_publish_ms = 0;
  process.settings().Add(&checkpoint_publish_ms, "checkpoint_publish_ms",
                         "Least time between two checkpoints on fettle.audit.v1, ms", 10'000, 100,
                         86'400'000);
  std::map<std::string, std::string> targets = {{"person", "localhost:7101"},
                                                {"referral", "localhost:7102"},
                                                {"training", "localhost:7103"},
                                                {"budget", "localhost:7104"},
                                                {"audit", "localhost:7105"},
                                                {"analytics", "localhost:7106"},
                                                {"gateway", ""}};
  for (auto& [service, target] : targets) {
    process.settings().Add(&target, service + "_target",
                           "host:port of that service's feed; empty: there is none",
                           std::string(target));
  }
  std::unique_ptr<CheckpointPublisher> checkpoints;
  std::unique_ptr<AuditLog> log;
  std::unique_ptr<Publishers> publishers;
  std::unique_ptr<journal::Consumer> consumer;
  return process.Run(
      argc, argv, journal::ModelOf<AuditRules>(),
      [&](Process& parts) -> absl::StatusOr<Process::Built> {
        const std::string& data_dir = parts.data_dir();
        FETTLE_ASSIGN_OR_RETURN(crypto::Ed25519PrivateKey key, LogKey(data_dir + "/log.key"));
        checkpoints = std::make_unique<CheckpointPublisher>(
            origin, absl::Milliseconds(checkpoint_publish_ms), &parts.journal(), &parts.clock());
        FETTLE_ASSIGN_OR_RETURN(AuditLog made,
                                AuditLog::Make({.origin = origin,
                                                .high_water_path = data_dir + "/log.high-water",
                                                .offer =
                                                    [&](uint64_t size, const std::string& note) {
                                                      checkpoints->Offer(size, note);
                                                    }},
                                               std::move(key), &parts.clock()));
        log = std::make_unique<AuditLog>(std::move(made));
        const std::string verifier_key = log->verifier_key().Text();
        FETTLE_RETURN_IF_ERROR(WriteVerifierKey(data_dir + "/log.pub", verifier_key + "\n"));
        publishers = std::make_unique<Publishers>(targets, parts.identity());
        journal::ConsumerOptions options;
        options.name = "audit";
        options.database_path = data_dir + "/log.db";
        options.kafka = parts.kafka();
        options.topics = {"fettle.person.v1", "fettle.referral.v1", "fettle.training.v1",
                          "fettle.budget.v1", "fettle.access.v1"};
        options.feeds = publishers->Feeds();
        FETTLE_ASSIGN_OR_RETURN(
            consumer, journal::Consumer::Start(std::move(options), log.get(), &parts.metrics()));
        Process::Built built;
        built.services.push_back(
            std::make_unique<AuditServiceImpl>(AuditParts{.adapter = parts.Parts(nullptr),
                                                          .consumer = consumer.get(),
                                                          .publishers = publishers.get(),
                                                          .verifier_key = verifier_key,
                                                          .data_dir = data_dir}));
        built.stop = [&] {
          publishers->Cancel();
          consumer->Stop();
        };
        built.failure = [&] {
          absl::Status failure = consumer->failure();
          failure.Update(checkpoints->failure());
          return failure;
        };
        return built;
      });
}

}  // namespace
}  // namespace fettle::audit

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "export") {
    const absl::Status status = fettle::audit::ExportStore(argv[2], argv[3]);
    if (status.ok()) return 0;
    std::fprintf(stderr, "fettle-audit: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return fettle::audit::Run(argc, argv);
}
