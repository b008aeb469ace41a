// What decisions need from other services: gathered before a command is queued, recorded in its
// events.
#ifndef FETTLE_LIBS_RPC_EVIDENCE_H_
#define FETTLE_LIBS_RPC_EVIDENCE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fettle/person/v1/person_service.grpc.pb.h"
#include "fettle/training/v1/training_service.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/base/decide.h"
#include "libs/rpc/channel.h"
#include "libs/seal/key_cache.h"

namespace fettle::rpc {

// The answers, and the key for the request's private words when the questions named whose.
struct Gathered {
  base::Evidence evidence;
  std::shared_ptr<const seal::PersonKey> key;
};

// On whose behalf questions are asked, for the headers of the calls that ask them.
struct Asker {
  absl::Time deadline;
  std::string bearer;  // the user's token; empty when a service asks for itself
  std::string traceparent;
  std::string correlation_id;
};

// Two sources exist: the registry asks itself (services/person), all others ask it
// (RemoteEvidence).
class EvidenceSource {
 public:
  using Done = std::function<void(absl::StatusOr<Gathered>)>;
  virtual ~EvidenceSource() = default;
  // The answers, if all of them are here: nobody is asked, no disk is read.
  virtual std::optional<Gathered> Known(const base::Questions& questions) = 0;
  // Called on a reader thread, so it may read the disk. Calls `done` once: before it returns when
  // nothing has to be asked, else from a gRPC thread. UNAVAILABLE with RetryInfo when another
  // service cannot be reached; NOT_FOUND PERSON_NOT_FOUND.
  virtual void Gather(const base::Questions& questions, const Asker& asker, Done done) = 0;
};

struct RemoteEvidenceOptions {
  // A person's context and key, and an organisation's dates, are asked again after this time.
  absl::Duration context_age_max = absl::Minutes(5);
  size_t context_entries_max = 20'000;
  // Longest wait for another service, if the caller's deadline is later.
  absl::Duration evidence_wait_max = absl::Seconds(2);
};

// Asks the person and training services. Thread safe.
class RemoteEvidence final : public EvidenceSource {
 public:
  // Channels without a target are not asked: a rule that needs one gets UNAVAILABLE.
  RemoteEvidence(std::shared_ptr<grpc::Channel> person, std::shared_ptr<grpc::Channel> training,
                 RemoteEvidenceOptions options, const base::Clock* clock);
  ~RemoteEvidence() override;

  std::optional<Gathered> Known(const base::Questions& questions) override;
  void Gather(const base::Questions& questions, const Asker& asker, Done done) override;

 private:
  struct Gathering;
  struct CachedPerson {
    std::shared_ptr<const common::v1::PersonContext> context;
    absl::Time time;
  };
  struct CachedOrganisation {
    std::shared_ptr<const common::v1::OrganisationFact> fact;
    absl::Time time;
  };

  // Gives the people who are not cached.
  std::vector<std::string> TakeCachedPeople(const base::Questions& questions, Gathered& gathered);
  bool TakeCachedOrganisation(const base::Questions::OrganisationQuestion& question,
                              Gathered& gathered);
  std::string DayOf(const base::Questions::OrganisationQuestion& question) const;
  bool TakeCachedPerson(const std::string& id, bool fresh, Gathered& gathered, bool needs_key);
  void Remember(const person::v1::PersonContextAndKey& answer,
                std::shared_ptr<const common::v1::PersonContext> context);

  const RemoteEvidenceOptions options_;
  const base::Clock* const clock_;
  std::unique_ptr<person::v1::PersonService::Stub> person_;
  std::unique_ptr<training::v1::TrainingService::Stub> training_;
  seal::KeyCache keys_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, CachedPerson> people_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, CachedOrganisation> organisations_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_EVIDENCE_H_
