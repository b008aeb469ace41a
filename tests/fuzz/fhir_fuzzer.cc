// A body of any bytes through all that reads it: JSON, the message and its workflow, the requests
// of our services. What is refused is refused as the sender's fault; what is taken can be answered.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "libs/base/check.h"
#include "services/gateway/fhir/headers.h"
#include "services/gateway/fhir/json.h"
#include "services/gateway/fhir/mapping.h"
#include "services/gateway/fhir/message.h"
#include "services/gateway/fhir/outcome.h"

namespace fettle::gateway {
namespace {

constexpr char kReferralId[] = "11111111-1111-4111-8111-111111111111";

absl::Status ReadAndAnswer(const std::string& body) {
  static const std::set<std::string> versions = {"1.0.0", "1.1.0-alpha"};
  static const BarsHeaders headers{.request_id = kReferralId,
                                   .correlation_id = kReferralId,
                                   .target_service = "111111111",
                                   .organisation = "RND"};
  absl::StatusOr<json::value> parsed = ParseJson(body);
  if (!parsed.ok()) return parsed.status();
  const absl::StatusOr<Message> message = Message::Read(*std::move(parsed), versions);
  if (!message.ok()) return message.status();
  const absl::StatusOr<Mapped> mapped = MapMessage(*message, headers, body, "");
  if (!mapped.ok()) return mapped.status();
  FETTLE_CHECK(ParseJson(Accepted(*message, headers, kReferralId)).ok(), "an answer is JSON");
  return absl::OkStatus();
}

}  // namespace
}  // namespace fettle::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using fettle::gateway::KindOf;
  const std::string body(reinterpret_cast<const char*>(data), size);
  const absl::Status status = fettle::gateway::ReadAndAnswer(body);
  if (status.ok()) return 0;
  const int http_status = fettle::gateway::HttpStatusOf(KindOf(status));
  FETTLE_CHECK(http_status >= 400 && http_status < 500, "a body that is not taken is the sender's");
  const std::string outcome = fettle::gateway::OperationOutcome(
      KindOf(status), fettle::gateway::DiagnosticsOf(status), "an-id");
  FETTLE_CHECK(fettle::gateway::ParseJson(outcome).ok(), "an OperationOutcome is JSON");
  return 0;
}
