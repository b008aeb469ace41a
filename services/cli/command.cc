#include "services/cli/command.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/generic/generic_stub.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "absl/strings/str_split.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
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

absl::StatusOr<std::string> TargetOf(const Connection& connection, const std::string& service) {
  const std::map<std::string, const std::string*> targets = {
      {"person", &connection.target_person},     {"referral", &connection.target_referral},
      {"training", &connection.target_training}, {"budget", &connection.target_budget},
      {"audit", &connection.target_audit},       {"analytics", &connection.target_analytics},
  };
  auto it = targets.find(service);
  if (it == targets.end()) return absl::NotFoundError("no service is called " + service);
  return *it->second;
}

absl::StatusOr<std::string> ToJson(const Message& message, bool whitespace) {
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = whitespace;
  options.preserve_proto_field_names = true;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) {
    return absl::InternalError("an answer cannot be written as JSON");
  }
  return json;
}

std::string Quoted(std::string_view text) {
  return base::Concat("\"", base::JsonEscape(text), "\"");
}

// {"error": {"code", "reason", "message", "metadata", "violations"}}, in one line.
std::string ErrorJson(const absl::Status& status) {
  std::string json = base::Concat(
      "{\"error\": {\"code\": ", Quoted(base::ToStd(absl::StatusCodeToString(status.code()))),
      ", \"reason\": ", Quoted(base::ReasonOf(status)),
      ", \"message\": ", Quoted(base::ToStd(status.message())), ", \"metadata\": {");
  const char* comma = "";
  if (const auto info = base::ErrorInfoOf(status)) {
    for (const auto& [key, value] :
         std::map<std::string, std::string>(info->metadata().begin(), info->metadata().end())) {
      json += base::Concat(comma, Quoted(key), ": ", Quoted(value));
      comma = ", ";
    }
  }
  json += "}, \"violations\": [";
  comma = "";
  if (const auto bad = base::BadRequestOf(status)) {
    for (const auto& violation : bad->field_violations()) {
      json += base::Concat(comma, "{\"field\": ", Quoted(violation.field()),
                           ", \"description\": ", Quoted(violation.description()), "}");
      comma = ", ";
    }
  }
  return json + "]}}";
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
  app.add_flag("--json", connection.json,
               "Print JSON: answers, and errors as one object on stderr");
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

absl::Status CallMethod(const Connection& connection, const std::string& service,
                        const MethodDescriptor& method, const Message& request,
                        const std::function<absl::Status(const Message&)>& on_answer) {
  FETTLE_ASSIGN_OR_RETURN(const std::string target, TargetOf(connection, service));
  FETTLE_ASSIGN_OR_RETURN(const std::string bearer, Bearer(connection));
  const std::string pki = connection.home + "/pki/";
  FETTLE_ASSIGN_OR_RETURN(const rpc::Identity identity,
                          rpc::LoadIdentity(pki + "ca.crt", pki + "cli.crt", pki + "cli.key"));

  grpc::GenericStub stub(rpc::MakeChannel(target, identity));
  grpc::ClientContext context;
  rpc::PrepareCall(context, absl::Now() + absl::Milliseconds(connection.deadline_ms), bearer);
  context.set_wait_for_ready(false);
  const grpc::Slice slice(request.SerializeAsString());
  const grpc::ByteBuffer sent(&slice, 1);

  // A streaming call also does for an rpc with one answer. One operation at a time: each waits for
  // the one before.
  grpc::CompletionQueue queue;
  const auto done = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto call =
      stub.PrepareCall(&context, "/" + method.service()->full_name() + "/" + method.name(), &queue);
  call->StartCall(nullptr);
  bool open = done();
  if (open) {
    call->WriteLast(sent, {}, nullptr);
    open = done();
  }
  absl::Status taken;
  while (open) {
    grpc::ByteBuffer received;
    call->Read(&received, nullptr);
    open = done();
    if (!open || !taken.ok()) continue;
    std::unique_ptr<Message> answer(google::protobuf::MessageFactory::generated_factory()
                                        ->GetPrototype(method.output_type())
                                        ->New());
    std::vector<grpc::Slice> slices;
    std::string bytes;
    if (received.Dump(&slices).ok()) {
      for (const grpc::Slice& part : slices) {
        bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
      }
    }
    taken = answer->ParseFromString(bytes) ? on_answer(*answer)
                                           : absl::InternalError("an answer cannot be read");
    if (!taken.ok()) context.TryCancel();
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  done();
  if (!taken.ok()) return taken;
  absl::Status failure = rpc::FromGrpc(status);
  if (absl::IsUnavailable(failure) && base::ReasonOf(failure).empty()) {
    return absl::UnavailableError("cannot reach " + target + ": is deploy/run running?");
  }
  return failure;
}

absl::StatusOr<std::unique_ptr<Message>> Call(const Connection& connection,
                                              const Message& request) {
  const MethodDescriptor* method = MethodThatTakes(request.GetDescriptor());
  if (method == nullptr) return absl::InvalidArgumentError("no rpc takes this request");
  // fettle.<service>.v1
  const std::vector<std::string> package = absl::StrSplit(method->file()->package(), '.');
  std::unique_ptr<Message> response;
  FETTLE_RETURN_IF_ERROR(
      CallMethod(connection, package[1], *method, request, [&](const Message& answer) {
        response.reset(answer.New());
        response->CopyFrom(answer);
        return absl::OkStatus();
      }));
  if (response == nullptr) return absl::InternalError("there was no answer");
  return response;
}

int ShowError(const Connection& connection, const absl::Status& status) {
  if (connection.json) {
    std::fprintf(stderr, "%s\n", ErrorJson(status).c_str());
    return 1;
  }
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
  if (!answer.ok()) return ShowError(connection, answer.status());
  if (!connection.json) {
    std::fputs((*answer)->Utf8DebugString().c_str(), stdout);
    return 0;
  }
  const absl::StatusOr<std::string> json = ToJson(**answer, true);
  if (!json.ok()) return ShowError(connection, json.status());
  std::fputs(json->c_str(), stdout);
  return 0;
}

absl::Status ShowOne(const Connection& connection, const Message& answer) {
  if (!connection.json) {
    std::fputs(answer.Utf8DebugString().c_str(), stdout);
  } else {
    FETTLE_ASSIGN_OR_RETURN(const std::string json, ToJson(answer, false));
    std::printf("%s\n", json.c_str());
  }
  std::fflush(stdout);
  return absl::OkStatus();
}

}  // namespace fettle::cli
