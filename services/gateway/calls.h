// Calls to other services from a coroutine: no HTTP thread waits for them.
#ifndef FETTLE_SERVICES_GATEWAY_CALLS_H_
#define FETTLE_SERVICES_GATEWAY_CALLS_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/status.h"
#include "libs/http/task.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/limits.h"
#include "libs/rpc/status_map.h"

namespace fettle::gateway {

// Whoever asked the gateway, as the services hear of it.
struct CallContext {
  std::string bearer;  // empty: the gateway's certificate speaks
  std::string traceparent;
  std::string correlation_id;
  absl::Time deadline;
};

template <class Response>
struct Answered {
  Response response;
  // The request id was answered before: this is that answer again.
  bool replayed = false;
};

// Tries of a call that another may cure, all with the same request id.
inline constexpr int kCallAttemptsMax = 4;
// Before the second; three times as long before each further one: together longer than
// rpc::kReconnectMaxMs, so that a service that restarts is met again.
inline constexpr absl::Duration kCallRetryPause = absl::Milliseconds(100);
// The caller has seen another version: only a look at the new one cures that.
inline constexpr char kVersionMismatch[] = "VERSION_MISMATCH";

// `start` begins the call: (grpc::ClientContext*, Response*, std::function<void(grpc::Status)>).
// UNAVAILABLE and ABORTED are tried again while the deadline allows.
template <class Response, class Start>
http::Task<absl::StatusOr<Answered<Response>>> Ask(const CallContext& call, Start start) {
  absl::Duration pause = kCallRetryPause;
  for (int attempt = 1;; ++attempt) {
    grpc::ClientContext context;
    rpc::PrepareCall(context, call.deadline, call.bearer, call.traceparent, call.correlation_id);
    Answered<Response> answered;
    const auto begin = [&](auto done) {
      start(&context, &answered.response, std::function<void(grpc::Status)>(std::move(done)));
    };
    const grpc::Status status = co_await http::Await<grpc::Status>(begin);
    if (status.ok()) {
      // A repetition of our own is no repetition of the partner's.
      answered.replayed =
          attempt == 1 && context.GetServerTrailingMetadata().contains(rpc::kReplayedHeader);
      co_return answered;
    }
    const absl::Status refusal = rpc::FromGrpc(status);
    // The caller knows an older version: the same request will not be taken the next time either.
    const bool may_heal = absl::IsUnavailable(refusal) ||
                          (absl::IsAborted(refusal) && base::ReasonOf(refusal) != kVersionMismatch);
    pause = std::max(pause, base::RetryAfterOf(refusal).value_or(absl::ZeroDuration()));
    if (!may_heal || attempt == kCallAttemptsMax || absl::Now() + pause >= call.deadline) {
      co_return refusal;
    }
    co_await http::Sleep(pause);
    pause *= 3;
  }
}

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_CALLS_H_
