// The person service: gRPC in, journal out, and the work at the door that only the registry has: it
// normalises and digests NHS numbers, makes keys, and works out ages.
#ifndef FETTLE_SERVICES_PERSON_PERSON_SERVICE_H_
#define FETTLE_SERVICES_PERSON_PERSON_SERVICE_H_

#include <memory>
#include <optional>
#include <string>

#include "fettle/person/v1/person_service.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/rpc/adapter.h"
#include "services/person/domain/person_rules.h"
#include "services/person/key_table.h"

namespace fettle::person {

class PersonDoor : public rpc::PlainDoor {
 public:
  // `digest_key` blinds the look-ups; `keys` and `clock` outlive the door.
  PersonDoor(std::string digest_key, KeyTable* keys, const base::Clock* clock)
      : digest_key_(std::move(digest_key)), keys_(keys), clock_(clock) {}

  using PlainDoor::Open;
  absl::Status Prepare(v1::EnsurePersonRequest& request) const;
  absl::Status Prepare(v1::UpdatePersonRequest& request) const;
  absl::Status Prepare(v1::FindPersonByNhsNumberRequest& request) const;
  absl::Status Prepare(v1::FindPossibleDuplicatesRequest& request) const;
  // The ages and keys of up to 200 people.
  absl::StatusOr<bool> Open(v1::GetPersonContextResponse& response) const;

 private:
  absl::Status Digest(v1::Demographics& person, v1::Digests& digests) const;
  void DigestNumber(common::v1::SealedText& number, v1::Digests& digests) const;

  std::string digest_key_;
  KeyTable* keys_;
  const base::Clock* clock_;
};

// The registry asks itself: keys from its own table, on its disk, nothing from other services.
class LocalEvidence final : public rpc::EvidenceSource {
 public:
  explicit LocalEvidence(KeyTable* keys) : keys_(keys) {}
  std::optional<rpc::Gathered> Known(const base::Questions& questions) override;
  void Gather(const base::Questions& questions, const rpc::Asker& asker, Done done) override;

 private:
  KeyTable* const keys_;
};

class PersonServiceImpl final : public v1::PersonService::CallbackService {
 public:
  PersonServiceImpl(const rpc::AdapterParts& parts, PersonDoor door)
      : adapter_(parts, std::move(door)) {}

  FETTLE_RPC(EnsurePerson)
  FETTLE_RPC(UpdatePerson)
  FETTLE_RPC(MergePersons)
  FETTLE_RPC(RecordDeath)
  FETTLE_RPC(WithdrawDeath)
  FETTLE_RPC(RestrictPerson)
  FETTLE_RPC(LiftRestriction)
  FETTLE_RPC(ResolveNumberConflict)
  FETTLE_RPC(ListNumberConflicts)
  FETTLE_RPC(FindPossibleDuplicates)
  FETTLE_RPC(GetPerson)
  FETTLE_RPC(FindPersonByNhsNumber)
  FETTLE_RPC(GetPersonContext)
  FETTLE_RPC(RegisterOrganisation)
  FETTLE_RPC(LoadOrganisations)
  FETTLE_RPC(GetOrganisation)
  FETTLE_RPC(ListOrganisations)

 private:
  rpc::Adapter<PersonRules, PersonDoor> adapter_;
};

}  // namespace fettle::person

#endif  // FETTLE_SERVICES_PERSON_PERSON_SERVICE_H_
