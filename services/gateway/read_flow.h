// What partners may read over FHIR: their referrals, the work on them, the directory of services.
#ifndef FETTLE_SERVICES_GATEWAY_READ_FLOW_H_
#define FETTLE_SERVICES_GATEWAY_READ_FLOW_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "fettle/referral/v1/referral_service.grpc.pb.h"
#include "libs/access/token.h"
#include "libs/http/message.h"
#include "libs/http/task.h"
#include "libs/journal/journal.h"
#include "services/gateway/calls.h"

namespace fettle::gateway {

// Thread-safe; outlives the server that calls it. Each read leaves its access record in the service
// that answers it, under the caller's own token.
class ReadFlow {
 public:
  struct Parts {
    std::unique_ptr<referral::v1::ReferralService::Stub> referral;
    access::TokenVerifier* tokens = nullptr;
    journal::Journal* journal = nullptr;  // of refusals
    std::string base_url;                 // without a slash at its end
    absl::Duration calls_max = absl::Milliseconds(4'500);
  };

  explicit ReadFlow(Parts parts) : parts_(std::move(parts)) {}

  // True for the path of a resource type that is read here: `ServiceRequest`,
  // `ServiceRequest/<id>`.
  static bool Serves(std::string_view resource_path);

  // `resource_path` is what follows /FHIR/R4/.
  http::Task<http::Response> Read(std::shared_ptr<const http::Request> request,
                                  std::string resource_path);

 private:
  // Parameters of a search by name. Each type names those that it takes: what is not understood is
  // refused, because an answer that ignores it would be a wrong one.
  using Parameters = std::map<std::string, std::string, std::less<>>;

  http::Task<absl::StatusOr<http::Response>> Process(std::shared_ptr<const http::Request> request,
                                                     std::string resource_path);
  http::Task<absl::StatusOr<http::Response>> GetOne(const CallContext& call, std::string type,
                                                    std::string id);
  http::Task<absl::StatusOr<referral::v1::Referral>> GetReferral(const CallContext& call,
                                                                 std::string id);
  http::Task<absl::StatusOr<http::Response>> History(const CallContext& call, std::string id);
  http::Task<absl::StatusOr<http::Response>> Referrals(const CallContext& call, std::string type,
                                                       const Parameters& parameters,
                                                       std::string query);
  http::Task<absl::StatusOr<http::Response>> Plans(const CallContext& call,
                                                   const Parameters& parameters, std::string query);
  http::Task<absl::StatusOr<http::Response>> Services(const CallContext& call,
                                                      const Parameters& parameters,
                                                      std::string query);

  const Parts parts_;
};

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_READ_FLOW_H_
