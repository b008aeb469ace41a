#include <google/protobuf/util/json_util.h>
#include <grpcpp/client_context.h>

#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "fettle/audit/v1/audit_service.grpc.pb.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/crypto/digest.h"
#include "libs/merkle/checkpoint.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status_map.h"
#include "services/cli/audit_verify.h"
#include "services/cli/command.h"

namespace fettle::cli {
namespace {

namespace av1 = audit::v1;

// An export of a large log takes longer than a call.
constexpr int64_t kExportHoursMax = 6;

absl::StatusOr<merkle::VerifierKey> ReadKey(const std::string& path) {
  FETTLE_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  absl::StripAsciiWhitespace(&text);
  absl::StatusOr<merkle::VerifierKey> key = merkle::VerifierKey::Parse(text);
  if (!key.ok()) {
    return absl::InvalidArgumentError(
        path + ": expected a verifier key, <name>+<id>+<key>, as the audit service's log.pub");
  }
  return key;
}

absl::StatusOr<merkle::Checkpoint> ReadCheckpoint(const std::string& path,
                                                  const merkle::VerifierKey& key) {
  FETTLE_ASSIGN_OR_RETURN(const std::string note, ReadFile(path));
  absl::StatusOr<merkle::Checkpoint> checkpoint =
      merkle::ParseAndVerifyCheckpoint(note, key, key.name());
  if (!checkpoint.ok()) {
    return absl::InvalidArgumentError(base::Concat(
        path, ": not a checkpoint of the pinned key: ", checkpoint.status().message()));
  }
  return checkpoint;
}

// One finding, or what was found right.
int ShowReport(const Connection& connection, const std::string& path,
               const absl::StatusOr<AuditVerifier::Report>& report) {
  if (!report.ok()) {
    const std::string reason = base::ReasonOf(report.status());
    // Not a finding: the file could not be read.
    if (reason.empty()) return ShowError(connection, report.status());
    if (connection.json) {
      std::printf("{\"ok\": false, \"found\": \"%s\"}\n", reason.c_str());
    } else {
      std::printf("%s: FOUND %s: %s\n", path.c_str(), reason.c_str(),
                  std::string(report.status().message()).c_str());
    }
    return 1;
  }
  const merkle::ExportVerifier::Report& log = report->log;
  const std::string root = crypto::Hex(merkle::Bytes(log.newest.root));
  if (connection.json) {
    std::printf(
        "{\"ok\": true, \"leaves\": %ju, \"unsigned_leaves\": %ju, \"checkpoints\": %ju,"
        " \"signed_size\": %ju, \"root\": \"%s\", \"sources\": {",
        static_cast<uintmax_t>(log.leaves), static_cast<uintmax_t>(log.unsigned_leaves),
        static_cast<uintmax_t>(log.checkpoints), static_cast<uintmax_t>(log.newest.size),
        root.c_str());
    const char* comma = "";
    for (const AuditVerifier::Source& source : report->sources) {
      std::printf("%s\"%s\": {\"events\": %jd, \"contiguous\": %jd, \"last\": %jd}", comma,
                  base::JsonEscape(source.name).c_str(), static_cast<intmax_t>(source.events),
                  static_cast<intmax_t>(source.contiguous),
                  static_cast<intmax_t>(source.last_position));
      comma = ", ";
    }
    std::printf("}}\n");
    return 0;
  }
  std::printf("%s: OK: %ju leaves, %ju of them behind the newest of %ju checkpoints, root %s\n",
              path.c_str(), static_cast<uintmax_t>(log.leaves),
              static_cast<uintmax_t>(log.unsigned_leaves), static_cast<uintmax_t>(log.checkpoints),
              root.c_str());
  for (const AuditVerifier::Source& source : report->sources) {
    std::printf("  %s: %jd events, without a gap to position %jd, last %jd\n",
                base::JsonEscape(source.name).c_str(), static_cast<intmax_t>(source.events),
                static_cast<intmax_t>(source.contiguous),
                static_cast<intmax_t>(source.last_position));
  }
  return 0;
}

// Gives the file's size.
absl::StatusOr<int64_t> Export(const Connection& connection, const std::string& path) {
  FETTLE_ASSIGN_OR_RETURN(const std::string bearer, Bearer(connection));
  const std::string pki = connection.home + "/pki/";
  FETTLE_ASSIGN_OR_RETURN(const rpc::Identity identity,
                          rpc::LoadIdentity(pki + "ca.crt", pki + "cli.crt", pki + "cli.key"));
  const auto stub = av1::AuditService::NewStub(rpc::MakeChannel(connection.target_audit, identity));
  grpc::ClientContext context;
  rpc::PrepareCall(context, absl::Now() + absl::Hours(kExportHoursMax), bearer);
  context.set_wait_for_ready(false);
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return absl::InvalidArgumentError("cannot write " + path);
  const auto reader = stub->ExportBundle(&context, {});
  av1::ExportBundleResponse response;
  bool written = true;
  int64_t bytes = 0;
  while (reader->Read(&response)) {
    const std::string& part = response.part();
    bytes += static_cast<int64_t>(part.size());
    written = written && std::fwrite(part.data(), 1, part.size(), file) == part.size();
    if (!written) context.TryCancel();
  }
  const absl::Status status = rpc::FromGrpc(reader->Finish());
  written = std::fclose(file) == 0 && written;
  if (!written) return absl::UnavailableError("cannot write " + path + ": is the disk full?");
  if (!status.ok()) return status;
  return bytes;
}

}  // namespace

void AddAuditCommands(CLI::App& app, Connection& connection, int& code) {
  CLI::App* audit = app.add_subcommand("audit", "The provable log: export, verify, proofs");
  audit->require_subcommand(1);

  auto file = std::make_shared<std::string>();
  CLI::App* command = audit->add_subcommand("export", "Write the whole log to a file");
  command->add_option("file", *file, "File to write")->required();
  command->callback([&connection, &code, file] {
    const absl::StatusOr<int64_t> bytes = Export(connection, *file);
    if (!bytes.ok()) {
      code = ShowError(connection, bytes.status());
    } else if (connection.json) {
      std::printf("{\"file\": \"%s\", \"bytes\": %jd}\n", base::JsonEscape(*file).c_str(),
                  static_cast<intmax_t>(*bytes));
    } else {
      std::printf("%s: %jd bytes\n", file->c_str(), static_cast<intmax_t>(*bytes));
    }
  });

  struct Verify {
    std::string file, key;
    std::vector<std::string> checkpoints;
  };
  auto verify = std::make_shared<Verify>();
  command = audit->add_subcommand(
      "verify", "Check an exported log offline; exit code 0: right, 1: something was found");
  command->add_option("file", verify->file, "A file of `audit export`")->required();
  command->add_option("--key", verify->key, "File with the pinned verifier key (log.pub)")
      ->required();
  command->add_option("--checkpoint", verify->checkpoints,
                      "File with an earlier checkpoint that was kept outside; may be repeated");
  command->callback([&connection, &code, verify] {
    const absl::StatusOr<merkle::VerifierKey> key = ReadKey(verify->key);
    if (!key.ok()) {
      code = ShowError(connection, key.status());
      return;
    }
    std::vector<merkle::Checkpoint> earlier;
    for (const std::string& path : verify->checkpoints) {
      const absl::StatusOr<merkle::Checkpoint> checkpoint = ReadCheckpoint(path, *key);
      if (!checkpoint.ok()) {
        code = ShowError(connection, checkpoint.status());
        return;
      }
      earlier.push_back(*checkpoint);
    }
    code = ShowReport(connection, verify->file,
                      VerifyAuditExport(verify->file, *key, std::move(earlier)));
  });

  command = audit->add_subcommand(
      "checkpoint", "Print the newest signed checkpoint, to be kept outside (> FILE)");
  command->callback([&connection, &code] {
    const auto answer = Call(connection, av1::GetCheckpointRequest());
    if (!answer.ok() || connection.json) {
      code = Show(connection, answer);
      return;
    }
    std::fputs(static_cast<const av1::GetCheckpointResponse&>(**answer).checkpoint().c_str(),
               stdout);
  });

  struct Proof {
    std::string source, key;
    int64_t position = 0;
  };
  auto proof = std::make_shared<Proof>();
  command = audit->add_subcommand("proof", "Check and show the proof that an event is in the log");
  command->add_option("source", proof->source, "For example urn:fettle:referral:main")->required();
  command->add_option("position", proof->position, "Position in that source")->required();
  command->add_option("--key", proof->key,
                      "File with the pinned verifier key (default: HOME/audit/log.pub)");
  command->callback([&connection, &code, proof] {
    // Without a key whoever answers could have made the proof.
    const absl::StatusOr<merkle::VerifierKey> key =
        ReadKey(proof->key.empty() ? connection.home + "/audit/log.pub" : proof->key);
    if (!key.ok()) {
      code = ShowError(connection, key.status());
      return;
    }
    av1::GetInclusionProofRequest request;
    request.set_source(proof->source);
    request.set_position(proof->position);
    const auto answer = Call(connection, request);
    const absl::Status status =
        answer.ok()
            ? VerifyEventProof(request,
                               static_cast<const av1::GetInclusionProofResponse&>(**answer), *key)
            : answer.status();
    if (!status.ok()) {
      code = ShowError(connection, status);
      return;
    }
    code = Show(connection, answer);
    if (!connection.json) {
      std::printf("the event is in the log of the checkpoint, signed by %s\n", key->name().c_str());
    }
  });
}

}  // namespace fettle::cli
