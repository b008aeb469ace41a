#include "services/cli/command.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "libs/base/status.h"
#include "libs/base/uuid.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status_map.h"

namespace fettle::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

const MethodDescriptor* MethodThatTakes(const Descriptor* request) {
  for (int s = 0; s < request->file()->service_count(); ++s) {
    const auto* service = request->file()->service(s);
    for (int m = 0; m < service->method_count(); ++m) {
      if (service->method(m)->input_type() == request) return service->method(m);
    }
  }
  return nullptr;
}

std::string TargetOf(const Connection& connection, const std::string& package) {
  const std::map<std::string, const std::string*> targets = {
      {"fettle.person.v1", &connection.target_person},
      {"fettle.referral.v1", &connection.target_referral},
      {"fettle.training.v1", &connection.target_training},
      {"fettle.budget.v1", &connection.target_budget},
      {"fettle.audit.v1", &connection.target_audit},
      {"fettle.analytics.v1", &connection.target_analytics},
  };
  auto it = targets.find(package);
  return it == targets.end() ? "" : *it->second;
}

}  // namespace

absl::StatusOr<std::string> Bearer(const Connection& connection) {
  // A token has two dots; anything else names a file.
  std::string token = connection.token.empty() ? connection.home + "/token" : connection.token;
  if (std::count(token.begin(), token.end(), '.') == 2 && token.find('/') == std::string::npos) {
    return token;
  }
  FETTLE_ASSIGN_OR_RETURN(std::string text, ReadFile(token));
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

std::string NewId() { return base::IdSource(absl::Now(), base::RandomSeed()).Next(); }

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  if (!in || !(text << in.rdbuf())) return absl::NotFoundError("cannot read " + path);
  return text.str();
}

void AddConnectionOptions(CLI::App& app, Connection& connection) {
  app.fallthrough();
  const char* home = std::getenv("FETTLE_HOME");
  connection.home = home == nullptr ? "data" : home;
  app.add_option("--home", connection.home,
                 "Folder of the running system: pki/ and token (FETTLE_HOME)")
      ->capture_default_str();
  app.add_option("--token", connection.token,
                 "Bearer token, or a file that holds it (default: HOME/token)");
  app.add_flag("--json", connection.json, "Print JSON");
  app.add_option("--deadline-ms", connection.deadline_ms, "Longest wait for an answer, ms")
      ->check(CLI::Range(1, 30'000))
      ->capture_default_str();
  const auto target = [&](const char* name, std::string& value, const char* standard) {
    value = standard;
    app.add_option(std::string("--") + name, value, "host:port of that service")
        ->capture_default_str()
        ->group("Targets");
  };
  target("person", connection.target_person, "localhost:7101");
  target("referral", connection.target_referral, "localhost:7102");
  target("training", connection.target_training, "localhost:7103");
  target("budget", connection.target_budget, "localhost:7104");
  target("audit", connection.target_audit, "localhost:7105");
  target("analytics", connection.target_analytics, "localhost:7106");
}

absl::StatusOr<std::unique_ptr<Message>> Call(const Connection& connection,
                                              const Message& request) {
  const MethodDescriptor* method = MethodThatTakes(request.GetDescriptor());
  if (method == nullptr) return absl::InvalidArgumentError("no rpc takes this request");
  const std::string target = TargetOf(connection, method->file()->package());
  FETTLE_ASSIGN_OR_RETURN(const std::string bearer, Bearer(connection));
  const std::string pki = connection.home + "/pki/";
  FETTLE_ASSIGN_OR_RETURN(const rpc::Identity identity,
                          rpc::LoadIdentity(pki + "ca.crt", pki + "cli.crt", pki + "cli.key"));

  grpc::GenericStub stub(rpc::MakeChannel(target, identity));
  grpc::ClientContext context;
  rpc::PrepareCall(context, absl::Now() + absl::Milliseconds(connection.deadline_ms), bearer);
  context.set_wait_for_ready(false);
  const std::string bytes = request.SerializeAsString();
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer sent(&slice, 1);
  grpc::ByteBuffer received;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, "/" + method->service()->full_name() + "/" + method->name(), {}, &sent,
                 &received, [&](grpc::Status s) {
                   status = std::move(s);
                   done.Notify();
                 });
  done.WaitForNotification();
  if (!status.ok()) {
    absl::Status failure = rpc::FromGrpc(status);
    if (absl::IsUnavailable(failure) && base::ReasonOf(failure).empty()) {
      return absl::UnavailableError("cannot reach " + target + ": is deploy/run running?");
    }
    return failure;
  }
  std::unique_ptr<Message> response(google::protobuf::MessageFactory::generated_factory()
                                        ->GetPrototype(method->output_type())
                                        ->New());
  std::vector<grpc::Slice> slices;
  std::string answer;
  if (received.Dump(&slices).ok()) {
    for (const grpc::Slice& part : slices) {
      answer.append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
  }
  if (!response->ParseFromString(answer)) return absl::InternalError("an answer cannot be read");
  return response;
}

int ShowError(const absl::Status& status) {
  const std::string reason = base::ReasonOf(status);
  std::fprintf(stderr, "fettle: %s%s%s\n", reason.c_str(), reason.empty() ? "" : ": ",
               std::string(status.message()).c_str());
  if (const auto bad = base::BadRequestOf(status)) {
    for (const auto& violation : bad->field_violations()) {
      std::fprintf(stderr, "  %s: %s\n", violation.field().c_str(),
                   violation.description().c_str());
    }
  }
  return 1;
}

int Show(const Connection& connection, const absl::StatusOr<std::unique_ptr<Message>>& answer) {
  if (!answer.ok()) return ShowError(answer.status());
  if (connection.json) {
    std::string json;
    google::protobuf::util::JsonPrintOptions options;
    options.add_whitespace = true;
    options.preserve_proto_field_names = true;
    if (!google::protobuf::util::MessageToJsonString(**answer, &json, options).ok()) return 1;
    std::fputs(json.c_str(), stdout);
  } else {
    std::fputs((*answer)->Utf8DebugString().c_str(), stdout);
  }
  return 0;
}

}  // namespace fettle::cli
