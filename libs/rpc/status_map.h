// The one place where our refusals become gRPC statuses, and back.
#ifndef FETTLE_LIBS_RPC_STATUS_MAP_H_
#define FETTLE_LIBS_RPC_STATUS_MAP_H_

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"

namespace fettle::rpc {

// Carries code, message and the google.rpc details (ErrorInfo, BadRequest, PreconditionFailure,
// RetryInfo) over. The ErrorInfo's domain becomes `<service>.fettle` where it is empty. Details
// that would not fit the trailers (4 KB) are left out, the ErrorInfo last. A status without an
// ErrorInfo is none of ours: it may hold a path or a statement, so it is logged and leaves with a
// fixed text, as INTERNAL unless its code alone says something to the caller.
grpc::Status ToGrpc(const absl::Status& status, std::string_view service);

absl::Status FromGrpc(const grpc::Status& status);

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_STATUS_MAP_H_
