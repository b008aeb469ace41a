// A BaRS message: is it one, and what does it ask for.
#ifndef FETTLE_SERVICES_GATEWAY_FHIR_MESSAGE_H_
#define FETTLE_SERVICES_GATEWAY_FHIR_MESSAGE_H_

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "fettle/referral/v1/referral_types.pb.h"
#include "services/gateway/fhir/json.h"

namespace fettle::gateway {

// What a message asks for, by the decision table in the README.
enum class Action {
  kNew,       // a new referral or a new request to validate
  kUpdate,    // a newer version of the same case
  kCancel,    // the sender takes it back
  kResponse,  // the receiver of a message of ours says how it goes on
};

// What a servicerequest-response says.
struct ResponseReading {
  referral::v1::Signal signal = referral::v1::SIGNAL_UNSPECIFIED;
  // Bundle.id of the message that is answered.
  std::string in_response_to;
  // Of a rejection, and of the first contact or the end: empty when the message says none.
  std::string reason_code, date;
};

// The parsed message and the way through it. Pointers live as long as the message; it may be moved.
class Message {
 public:
  // Checks the structure (INV-155, 159) and the workflow (INV-154). Refusals are INVALID_ARGUMENT
  // (VERSION_MISSING, ELEMENT_MISSING, ELEMENT_NOT_VALID, WORKFLOW_UNKNOWN), UNIMPLEMENTED
  // (VERSION_NOT_SUPPORTED, EVENT_NOT_SUPPORTED).
  static absl::StatusOr<Message> Read(json::value body, const std::set<std::string>& versions);

  const json::value& body() const { return *body_; }
  const json::value* header() const { return header_; }
  const json::value* service_request() const { return service_request_; }
  Action action() const { return action_; }
  // Of kResponse.
  const ResponseReading& response() const { return response_; }
  // `referral` or `validation`.
  const std::string& category() const { return category_; }
  // `revoked` or `entered-in-error` of a cancellation.
  const std::string& status() const { return status_; }
  const std::string& bundle_id() const { return bundle_id_; }

  // The resource of this type that a Reference below `from` names; null when it names another or
  // lies outside the message.
  const json::value* Resolve(ElementReader& reader, const json::value* from, std::string_view path,
                             std::string_view type) const;
  // The first resource of this type; null when there is none.
  const json::value* First(std::string_view type) const;
  // The resources of the message in their order.
  const std::vector<const json::value*>& resources() const { return resources_; }

 private:
  absl::Status ReadStructure(ElementReader& reader);
  absl::Status ReadEvent(ElementReader& reader, const std::set<std::string>& versions);
  absl::Status ReadWorkflow(ElementReader& reader);
  absl::Status ReadRequest(ElementReader& reader, std::string_view reason);
  absl::Status ReadResponse(ElementReader& reader, std::string_view reason);
  absl::Status CheckReferences(const json::value& value) const;

  std::unique_ptr<const json::value> body_;
  std::vector<const json::value*> resources_;
  absl::flat_hash_map<std::string, const json::value*> by_url_;
  const json::value* header_ = nullptr;
  const json::value* service_request_ = nullptr;
  Action action_ = Action::kNew;
  ResponseReading response_;
  std::string category_, status_, bundle_id_;
};

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_FHIR_MESSAGE_H_
