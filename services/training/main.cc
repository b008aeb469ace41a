#include "libs/rpc/process.h"
#include "services/training/training_service.h"

int main(int argc, char** argv) {
  using fettle::rpc::Process;
  Process process("training", "Learners, programmes, completions, and competence on a date.");
  std::string person_target;
  process.settings().Add(&person_target, "person_target", "host:port of the person service",
                         "localhost:7101");
  std::unique_ptr<fettle::rpc::RemoteEvidence> evidence;
  return process.Run(
      argc, argv, fettle::journal::ModelOf<fettle::training::TrainingRules>(),
      [&](Process& parts) -> absl::StatusOr<Process::Built> {
        evidence = std::make_unique<fettle::rpc::RemoteEvidence>(
            fettle::rpc::MakeChannel(person_target, parts.identity()), nullptr,
            fettle::rpc::RemoteEvidenceOptions{}, &parts.clock());
        Process::Built built;
        built.services.push_back(
            std::make_unique<fettle::training::TrainingServiceImpl>(parts.Parts(evidence.get())));
        return built;
      });
}
