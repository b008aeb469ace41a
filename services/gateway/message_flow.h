// What happens to a BaRS message: from the HTTP request to the commands of person and referral.
#ifndef FETTLE_SERVICES_GATEWAY_MESSAGE_FLOW_H_
#define FETTLE_SERVICES_GATEWAY_MESSAGE_FLOW_H_

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "fettle/person/v1/person_service.grpc.pb.h"
#include "fettle/referral/v1/referral_service.grpc.pb.h"
#include "libs/access/token.h"
#include "libs/http/message.h"
#include "libs/http/task.h"
#include "libs/journal/journal.h"
#include "services/gateway/calls.h"
#include "services/gateway/fhir/mapping.h"
#include "services/gateway/fhir/outcome.h"
#include "services/gateway/targets.h"

namespace fettle::gateway {

// An OperationOutcome with its HTTP status.
http::Response Answer(OutcomeKind kind, std::string_view diagnostics);
// The answer to a refusal.
http::Response Refused(const absl::Status& status);

// The ids of the request, in every answer that we give to it (INV-148).
void EchoIds(const http::Request& request, http::Response& response);

// Thread-safe; outlives the server that calls it.
class MessageFlow {
 public:
  struct Parts {
    std::unique_ptr<person::v1::PersonService::Stub> person;
    std::unique_ptr<referral::v1::ReferralService::Stub> referral;
    access::TokenVerifier* tokens = nullptr;
    journal::Journal* journal = nullptr;  // of refusals
    Targets targets;
    std::set<std::string> versions;  // of meta.versionId
    // Longest time of all calls behind one message together; below the server's handler deadline,
    // so that the answer still gets out (INV-162).
    absl::Duration calls_max = absl::Milliseconds(4'500);
  };

  explicit MessageFlow(Parts parts) : parts_(std::move(parts)) {}

  http::Task<http::Response> ProcessMessage(std::shared_ptr<const http::Request> request);

 private:
  // A message on its way: read, mapped, not yet decided.
  struct Taken {
    BarsHeaders headers;
    Message message;
    Mapped mapped;
    const referral::v1::ReceivingService* service;  // null for a response to us
    Partner partner;
    CallContext call;
  };

  absl::StatusOr<Taken> Read(const http::Request& request, const access::Claims& claims) const;
  http::Task<absl::StatusOr<std::string>> Process(std::shared_ptr<const http::Request> request);
  http::Task<absl::StatusOr<std::string>> Submit(const Taken& taken);
  http::Task<absl::StatusOr<std::string>> Update(const Taken& taken, std::string referral_id);
  http::Task<absl::Status> UpdatePerson(const Taken& taken, std::string referral_id);
  http::Task<absl::StatusOr<std::string>> Cancel(const Taken& taken, std::string referral_id);
  http::Task<absl::StatusOr<std::string>> Respond(const Taken& taken);

  const Parts parts_;
};

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_MESSAGE_FLOW_H_
