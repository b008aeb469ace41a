#include "libs/rpc/process.h"
#include "services/referral/referral_service.h"

int main(int argc, char** argv) {
  using fettle::rpc::Process;
  Process process("referral", "The life of a referral: intake, triage, contact, outcome.");
  std::string person_target;
  process.settings().Add(&person_target, "person_target", "host:port of the person service",
                         "localhost:7101");
  std::unique_ptr<fettle::rpc::RemoteEvidence> evidence;
  return process.Run(
      argc, argv, fettle::journal::ModelOf<fettle::referral::ReferralRules>(),
      [&](Process& parts) -> absl::StatusOr<Process::Built> {
        evidence = std::make_unique<fettle::rpc::RemoteEvidence>(
            fettle::rpc::MakeChannel(person_target, parts.identity()), nullptr,
            fettle::rpc::RemoteEvidenceOptions{}, &parts.clock());
        Process::Built built;
        built.services.push_back(
            std::make_unique<fettle::referral::ReferralServiceImpl>(parts.Parts(evidence.get())));
        return built;
      });
}
