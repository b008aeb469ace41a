#include <google/protobuf/util/json_util.h>

#include "fettle/analytics/v1/analytics_service.pb.h"
#include "fettle/audit/v1/audit_service.pb.h"
#include "fettle/budget/v1/budget_service.pb.h"
#include "fettle/person/v1/person_service.pb.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "fettle/training/v1/training_service.pb.h"
#include "services/cli/command.h"

namespace fettle::cli {
namespace {

// Contracts that nothing else in this program names would be left out of it by the linker.
void LinkContracts() {
  analytics::v1::GetFiguresRequest::descriptor();
  audit::v1::GetCheckpointRequest::descriptor();
  budget::v1::GetBudgetRequest::descriptor();
  person::v1::GetPersonRequest::descriptor();
  referral::v1::GetReferralRequest::descriptor();
  training::v1::GetLearnerRequest::descriptor();
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
  command->add_option("rpc", options->rpc, "SERVICE.Method, for example referral.GetReferral")
      ->required();
  command->add_option("request", options->request, "The request as protobuf JSON; - reads stdin")
      ->capture_default_str();
  command->callback([&connection, &code, options] {
    const size_t dot = options->rpc.find('.');
    const std::string service = options->rpc.substr(0, dot);
    const std::string method = dot == std::string::npos ? "" : options->rpc.substr(dot + 1);
    const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
        "fettle." + service + ".v1." + method + "Request");
    if (type == nullptr) {
      code = ShowError(absl::NotFoundError("no rpc is called " + options->rpc +
                                           "; expected SERVICE.Method, as in the protos"));
      return;
    }
    std::string json = options->request;
    if (json == "-") {
      json.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
    }
    std::unique_ptr<google::protobuf::Message> request(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
    const auto parsed = google::protobuf::util::JsonStringToMessage(json, request.get());
    if (!parsed.ok()) {
      code =
          ShowError(absl::InvalidArgumentError("the request is not JSON of " + type->full_name()));
      return;
    }
    // A request id is made when none was given, so that simple calls stay simple.
    const auto* id = type->FindFieldByName("request_id");
    if (id != nullptr && request->GetReflection()->GetString(*request, id).empty()) {
      request->GetReflection()->SetString(request.get(), id, NewId());
    }
    code = Show(connection, Call(connection, *request));
  });
}

}  // namespace fettle::cli
