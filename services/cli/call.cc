#include <google/protobuf/util/json_util.h>

#include "fettle/analytics/v1/analytics_service.pb.h"
#include "fettle/audit/v1/audit_service.pb.h"
#include "fettle/budget/v1/budget_service.pb.h"
#include "fettle/journal/v1/journal_service.pb.h"
#include "fettle/person/v1/person_service.pb.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "fettle/training/v1/training_service.pb.h"
#include "libs/base/status.h"
#include "services/cli/command.h"

namespace fettle::cli {
namespace {

// Contracts that nothing else in this program names would be left out of it by the linker.
void LinkContracts() {
  analytics::v1::GetFiguresRequest::descriptor();
  audit::v1::GetCheckpointRequest::descriptor();
  budget::v1::GetBudgetRequest::descriptor();
  journal::v1::GetOperationRequest::descriptor();
  person::v1::GetPersonRequest::descriptor();
  referral::v1::GetReferralRequest::descriptor();
  training::v1::GetLearnerRequest::descriptor();
}

// `rpc` is SERVICE.Method: a method of that service's own contract, or of the journal that it has.
const google::protobuf::MethodDescriptor* Find(const std::string& service,
                                               const std::string& method) {
  if (service.empty() || method.empty()) return nullptr;
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  const std::string name = std::string(1, static_cast<char>(std::toupper(service[0]))) +
                           service.substr(1) + "Service." + method;
  const auto* own = pool->FindMethodByName("fettle." + service + ".v1." + name);
  return own != nullptr ? own
                        : pool->FindMethodByName("fettle.journal.v1.JournalService." + method);
}

absl::Status CallByName(const Connection& connection, const std::string& rpc, std::string json) {
  const size_t dot = rpc.find('.');
  const std::string service = rpc.substr(0, dot);
  const auto* method = Find(service, dot == std::string::npos ? "" : rpc.substr(dot + 1));
  if (method == nullptr) {
    return absl::NotFoundError("no rpc is called " + rpc +
                               "; expected SERVICE.Method, as in the protos");
  }
  if (json == "-") {
    json.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  }
  const auto* type = method->input_type();
  std::unique_ptr<google::protobuf::Message> request(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  if (!google::protobuf::util::JsonStringToMessage(json, request.get()).ok()) {
    return absl::InvalidArgumentError("the request is not JSON of " + type->full_name());
  }
  // A command's request id is made when none was given, so that simple calls stay simple. Where it
  // asks what became of a request, one of our own making would answer nothing.
  const auto* id = type->FindFieldByName("request_id");
  const bool asks = method->service()->full_name() == "fettle.journal.v1.JournalService";
  if (id != nullptr && !asks && request->GetReflection()->GetString(*request, id).empty()) {
    request->GetReflection()->SetString(request.get(), id, NewId());
  }
  if (method->server_streaming()) {
    return CallMethod(connection, service, *method, *request,
                      [&](const auto& answer) { return ShowOne(connection, answer); });
  }
  return CallMethod(connection, service, *method, *request, [&](const auto& answer) {
    std::unique_ptr<google::protobuf::Message> copy(answer.New());
    copy->CopyFrom(answer);
    Show(connection, std::move(copy));
    return absl::OkStatus();
  });
}

}  // namespace

// Any rpc of any service, with its request as JSON: what no other command covers, and scripts.
void AddCall(CLI::App& app, Connection& connection, int& code) {
  LinkContracts();
  struct Options {
    std::string rpc, request = "{}";
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("call", "Call any rpc, for example: call referral.GetReferral '{...}'");
  command
      ->add_option("rpc", options->rpc,
                   "SERVICE.Method, for example referral.GetReferral, or, of its journal, "
                   "referral.GetOperation")
      ->required();
  command->add_option("request", options->request, "The request as protobuf JSON; - reads stdin")
      ->capture_default_str();
  command->callback([&connection, &code, options] {
    const absl::Status status = CallByName(connection, options->rpc, options->request);
    if (!status.ok()) code = ShowError(connection, status);
  });
}

}  // namespace fettle::cli
