// What the commands of `fettle` share: where the services are, who asks, and how answers are shown.
#ifndef FETTLE_SERVICES_CLI_COMMAND_H_
#define FETTLE_SERVICES_CLI_COMMAND_H_

#include <google/protobuf/message.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fettle::cli {

// Options that every command takes, before or after its name.
struct Connection {
  std::string home;   // folder of deploy/run: pki/, token, ports
  std::string token;  // bearer token, or a file that holds it
  std::string target_person, target_referral, target_training, target_budget, target_audit,
      target_analytics;
  bool json = false;
  int64_t deadline_ms = 10'000;
};

void AddConnectionOptions(CLI::App& app, Connection& connection);

// Calls the rpc that takes this request, on the service that the request's package names, with the
// bearer token. The answer is of the rpc's own type. UNAVAILABLE names the target.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> Call(
    const Connection& connection, const google::protobuf::Message& request);

// Calls `method` of the service that runs as `service`: one of its own, or of the JournalService
// that every service with a journal has. Each answer goes to `on_answer`, several from a streaming
// rpc; what that refuses ends the call. UNAVAILABLE names the target.
absl::Status CallMethod(
    const Connection& connection, const std::string& service,
    const google::protobuf::MethodDescriptor& method, const google::protobuf::Message& request,
    const std::function<absl::Status(const google::protobuf::Message&)>& on_answer);

// The answer as JSON (with --json) or as indented text, on stdout. A refusal, on stderr: the reason
// and what would be accepted, as text or as one JSON object. Gives the exit code.
int Show(const Connection& connection,
         const absl::StatusOr<std::unique_ptr<google::protobuf::Message>>& answer);
int ShowError(const Connection& connection, const absl::Status& status);

// One answer of several: with --json a line of JSON, else indented text.
absl::Status ShowOne(const Connection& connection, const google::protobuf::Message& answer);

// The bearer token: `--token`, or what the file that it names holds.
absl::StatusOr<std::string> Bearer(const Connection& connection);

// A file's bytes; NOT_FOUND naming it.
absl::StatusOr<std::string> ReadFile(const std::string& path);
// A new time-ordered UUID, for request ids.
std::string NewId();

// Each adds its subcommands; `code` becomes the exit code of the one that ran.
void AddToken(CLI::App& app, Connection& connection, int& code);
void AddCall(CLI::App& app, Connection& connection, int& code);
void AddReferralCommands(CLI::App& app, Connection& connection, int& code);
void AddEventCommands(CLI::App& app, Connection& connection, int& code);
void AddSeed(CLI::App& app, Connection& connection, int& code);
void AddAuditCommands(CLI::App& app, Connection& connection, int& code);
void AddOrganisationCommands(CLI::App& app, Connection& connection, int& code);

}  // namespace fettle::cli

#endif  // FETTLE_SERVICES_CLI_COMMAND_H_
