// The door of a service: who calls, may they, is the request well formed. The same for every rpc.
#ifndef FETTLE_LIBS_RPC_DOOR_H_
#define FETTLE_LIBS_RPC_DOOR_H_

#include <google/protobuf/descriptor.h>
#include <grpcpp/server_context.h>

#include <string>

#include "absl/status/statusor.h"
#include "fettle/common/v1/options.pb.h"
#include "libs/access/token.h"
#include "libs/journal/journal.h"

namespace fettle::rpc {

// An rpc as its proto declares it.
struct MethodInfo {
  std::string full_name;  // fettle.referral.v1.ReferralService.SubmitReferral
  std::string service;    // referral
  common::v1::RpcPolicy policy;
};

// The rpc that takes this request. A request that no rpc of its file takes, or whose rpc has no
// policy, stops the process: a forgotten policy must not become an open door.
const MethodInfo& MethodOf(const google::protobuf::Descriptor* request);

// The caller from the bearer token (a user) or, without one, from the certificate (a service);
// trace and deadline beside. UNAUTHENTICATED when neither speaks for anybody.
absl::StatusOr<journal::CallInfo> Authenticate(const grpc::ServerContextBase& context,
                                               const MethodInfo& method,
                                               access::TokenVerifier& tokens);

// PERMISSION_DENIED ROLE_NOT_ALLOWED when the policy names neither the user's role nor the service.
absl::Status Authorise(const MethodInfo& method, const base::Caller& caller);

// The whole door: Authenticate, Authorise, and the request's shape. `call` is filled as far as it
// is known, also when the call is refused: its refusal names whoever asked.
absl::Status Enter(const grpc::ServerContextBase& context, const google::protobuf::Message& request,
                   access::TokenVerifier& tokens, journal::CallInfo* call);

// The user's token, or empty when the certificate alone speaks.
std::string BearerOf(const grpc::ServerContextBase& context);

// A text field of the request by name, or empty: request_id, correlation_id.
std::string TextField(const google::protobuf::Message& request, const char* name);

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_DOOR_H_
