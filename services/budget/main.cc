#include "libs/rpc/process.h"
#include "services/budget/budget_service.h"

int main(int argc, char** argv) {
  using fettle::rpc::Process;
  Process process("budget", "Personal health budgets: plan, approval, money.");
  std::string person_target;
  process.settings().Add(&person_target, "person_target", "host:port of the person service",
                         "localhost:7101");
  std::string training_target;
  process.settings().Add(&training_target, "training_target", "host:port of the training service",
                         "localhost:7103");
  std::unique_ptr<fettle::rpc::RemoteEvidence> evidence;
  return process.Run(argc, argv, fettle::journal::ModelOf<fettle::budget::BudgetRules>(),
                     [&](Process& parts) -> absl::StatusOr<Process::Built> {
                       evidence = std::make_unique<fettle::rpc::RemoteEvidence>(
                           fettle::rpc::MakeChannel(person_target, parts.identity()),
                           fettle::rpc::MakeChannel(training_target, parts.identity()),
                           fettle::rpc::RemoteEvidenceOptions{}, &parts.clock());
                       Process::Built built;
                       built.services.push_back(std::make_unique<fettle::budget::BudgetServiceImpl>(
                           parts.Parts(evidence.get())));
                       return built;
                     });
}
