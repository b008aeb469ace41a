// Messages of ours to partners. The referral service decides what is sent and when; this asks it
// for what is due, sends it, and says what came of it. Nothing is kept here: whatever a restart
// interrupts is due again, with the same ids.
#ifndef FETTLE_SERVICES_GATEWAY_DELIVERY_FLOW_H_
#define FETTLE_SERVICES_GATEWAY_DELIVERY_FLOW_H_

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fettle/person/v1/person_service.grpc.pb.h"
#include "fettle/referral/v1/referral_service.grpc.pb.h"
#include "libs/base/metrics.h"
#include "libs/http/background.h"
#include "libs/http/client.h"
#include "libs/http/task.h"
#include "services/gateway/calls.h"
#include "services/gateway/fhir/outgoing.h"
#include "services/gateway/targets.h"

namespace fettle::gateway {

// What an answer of a partner comes to (INV-152). `answer` is not OK when there was none.
referral::v1::RecordDeliveryAttemptRequest ReadAnswer(const referral::v1::OutgoingMessage& message,
                                                      const absl::StatusOr<http::Response>& answer);
// Of the partner's own ServiceRequest `id`, read before it is cancelled (INV-157): an attempt that
// ends here, or nothing when it is active, or there is nothing to read, and it may be cancelled.
std::optional<referral::v1::RecordDeliveryAttemptRequest> ReadCurrent(
    const referral::v1::OutgoingMessage& question, std::string_view id,
    const absl::StatusOr<http::Response>& answer);

class DeliveryFlow {
 public:
  struct Parts {
    std::unique_ptr<person::v1::PersonService::Stub> person;
    std::unique_ptr<referral::v1::ReferralService::Stub> referral;
    Targets targets;
    SenderIdentity sender;
    http::ClientOptions client;
    // How often the referral service is asked.
    absl::Duration poll = absl::Seconds(1);
    // Longest time of a call to it.
    absl::Duration calls_max = absl::Milliseconds(4'500);
    base::Metrics* metrics = nullptr;
  };

  // Begins.
  explicit DeliveryFlow(Parts parts);
  ~DeliveryFlow();  // stops

  // Lets go of what partners have not answered yet.
  void Stop();

 private:
  http::Task<void> Poll();
  http::Task<void> Deliver(referral::v1::DueDelivery due);
  http::Task<absl::Status> TryToDeliver(const referral::v1::DueDelivery& due);
  http::Task<absl::StatusOr<referral::v1::GetDeliveryResponse>> Read(
      const referral::v1::DueDelivery& due);
  http::Task<absl::Status> Prepare(const referral::v1::DueDelivery& due,
                                   const referral::v1::GetDeliveryResponse& read);
  http::Task<absl::StatusOr<http::Response>> Send(http::Call call, const Partner& partner,
                                                  const std::string& token);
  http::Task<absl::Status> Report(referral::v1::RecordDeliveryAttemptRequest attempt,
                                  const referral::v1::DueDelivery& due);
  CallContext Call(const std::string& correlation_id) const;

  const Parts parts_;
  http::Client client_;
  // Of the background's thread alone.
  std::set<std::string> under_way_;
  bool reachable_ = true;
  http::Background background_;
};

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_DELIVERY_FLOW_H_
