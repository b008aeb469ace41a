#include "services/gateway/refusals.h"

#include <functional>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/trace.h"
#include "libs/base/uuid.h"
#include "services/gateway/fhir/headers.h"

namespace fettle::gateway {
namespace {

std::string UuidHeader(const http::Request& request, const char* name) {
  return base::UuidFromBytes(base::UuidToBytes(request.Header(name).value_or("")));
}

}  // namespace

journal::CallInfo CallOf(const access::Claims& claims, const http::Request& request,
                         const std::string& method) {
  journal::CallInfo call;
  call.method = method;
  call.caller = {claims.subject, false, claims.organisation, claims.role, claims.purpose};
  call.request_id = UuidHeader(request, kRequestIdHeader);
  call.correlation_id = UuidHeader(request, kCorrelationIdHeader);
  const std::string trace = request.Header("traceparent").value_or("");
  if (base::ParseTraceparent(trace).has_value()) call.traceparent = trace;
  return call;
}

http::Task<absl::Status> RecordRefusal(journal::Journal* journal, journal::CallInfo call,
                                       absl::Status refusal) {
  const auto start = [&](auto done) {
    journal->Record(call, journal::v1::OUTCOME_REFUSED, base::ReasonOf(refusal), {},
                    std::function<void(absl::Status)>(std::move(done)));
  };
  const absl::Status recorded = co_await http::Await<absl::Status>(start);
  if (!recorded.ok()) co_return recorded;
  co_return refusal;
}

void LogStranger(const std::string& method, const absl::Status& refusal) {
  base::Log(base::Level::kInfo, "refused without a good token",
            {{"method", method}, {"reason", base::ReasonOf(refusal)}});
}

}  // namespace fettle::gateway
