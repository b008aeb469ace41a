// The one place where our refusals become gRPC statuses, and back.
#ifndef FETTLE_LIBS_RPC_STATUS_MAP_H_
#define FETTLE_LIBS_RPC_STATUS_MAP_H_

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"

namespace fettle::rpc {

// Carries code, message and the google.rpc details (ErrorInfo, BadRequest, PreconditionFailure,
// RetryInfo) over. The ErrorInfo's domain becomes `<service>.fettle` where it is empty. Details
// that would not fit the trailers (4 KB) are left out, the ErrorInfo last. An INTERNAL, UNKNOWN or
// DATA_LOSS status loses its message: what broke is logged, not told.
grpc::Status ToGrpc(const absl::Status& status, std::string_view service);

absl::Status FromGrpc(const grpc::Status& status);

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_STATUS_MAP_H_
