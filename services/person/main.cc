#include "libs/base/status.h"
#include "libs/rpc/process.h"
#include "services/person/person_service.h"

int main(int argc, char** argv) {
  using fettle::rpc::Process;
  Process process("person", "The registry: people, organisations, and the keys of private words.");
  std::unique_ptr<fettle::person::KeyTable> keys;
  std::unique_ptr<fettle::person::LocalEvidence> evidence;
  return process.Run(
      argc, argv, fettle::journal::ModelOf<fettle::person::PersonRules>(),
      [&](Process& parts) -> absl::StatusOr<Process::Built> {
        FETTLE_ASSIGN_OR_RETURN(
            keys, fettle::person::KeyTable::Open(parts.data_dir() + "/keys.db", &parts.clock()));
        FETTLE_ASSIGN_OR_RETURN(const std::string digest_key, parts.Secret("digests"));
        evidence = std::make_unique<fettle::person::LocalEvidence>(keys.get());
        Process::Built built;
        built.services.push_back(std::make_unique<fettle::person::PersonServiceImpl>(
            parts.Parts(evidence.get()),
            fettle::person::PersonDoor(digest_key, keys.get(), &parts.clock())));
        built.failure = [&] { return keys->failure(); };
        return built;
      });
}
