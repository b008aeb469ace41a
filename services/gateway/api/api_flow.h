// The plain JSON API over HTTP: a path, a query and a body become one rpc under the caller's own
// token, its answer becomes JSON.
#ifndef FETTLE_SERVICES_GATEWAY_API_API_FLOW_H_
#define FETTLE_SERVICES_GATEWAY_API_API_FLOW_H_

#include <grpcpp/generic/generic_stub.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/access/token.h"
#include "libs/http/message.h"
#include "libs/http/task.h"
#include "libs/journal/journal.h"
#include "services/gateway/api/routes.h"
#include "services/gateway/calls.h"

namespace fettle::gateway {

// Thread-safe; outlives the server that calls it.
class ApiFlow {
 public:
  struct Parts {
    // Of the services that the routes name, by full name (fettle.referral.v1.ReferralService).
    std::map<std::string, std::unique_ptr<grpc::GenericStub>> services;
    access::TokenVerifier* tokens = nullptr;
    journal::Journal* journal = nullptr;  // of refusals
    absl::Duration calls_max = absl::Milliseconds(4'500);
  };

  explicit ApiFlow(Parts parts);

  static bool Serves(std::string_view path) { return path.starts_with(kApiPath); }

  http::Task<http::Response> Handle(std::shared_ptr<const http::Request> request);

 private:
  http::Task<absl::StatusOr<http::Response>> Call(std::shared_ptr<const http::Request> request,
                                                  Routes::Match match);

  const Parts parts_;
  const Routes routes_;
  const std::string document_;
};

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_API_API_FLOW_H_
