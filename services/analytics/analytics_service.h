// The analytics service: gRPC in, figures out.
#ifndef FETTLE_SERVICES_ANALYTICS_ANALYTICS_SERVICE_H_
#define FETTLE_SERVICES_ANALYTICS_ANALYTICS_SERVICE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fettle/analytics/v1/analytics_service.grpc.pb.h"
#include "libs/journal/consumer.h"
#include "libs/journal/control_total.h"
#include "libs/rpc/feed_client.h"
#include "libs/rpc/plain_adapter.h"

namespace fettle::analytics {

// Blocks that one call of GetControlTotals compares.
inline constexpr int64_t kControlBlocksMax = 16;
// Steps of a journey that one call gives.
inline constexpr int64_t kJourneyStepsMax = 1'000;

// What both sides say of a block; `published` was asked after `taken` was read.
v1::BlockComparison Compare(int64_t block, const journal::ControlTotal& taken,
                            const journal::ControlTotal& published);

// The steps of a journey; `people` gets those whom it is about.
absl::StatusOr<v1::GetJourneyResponse> GetJourney(sqlite::Database& db,
                                                  const std::string& correlation_id,
                                                  std::vector<std::string>& people);

// What the projection holds of a block of a source.
absl::StatusOr<journal::ControlTotal> TakenTotal(sqlite::Database& db, const std::string& source,
                                                 int64_t block);

// All of it outlives the server.
struct AnalyticsParts {
  rpc::AdapterParts adapter;
  journal::Consumer* consumer = nullptr;
  // By service: the journals that the events come from.
  const std::map<std::string, std::unique_ptr<rpc::FeedClient>>* publishers = nullptr;
  // The installation holds the whole country.
  bool national = false;
};

class AnalyticsServiceImpl final : public v1::AnalyticsService::CallbackService {
 public:
  explicit AnalyticsServiceImpl(const AnalyticsParts& parts)
      : parts_(parts), adapter_(parts.adapter) {}

  FETTLE_PLAIN_RPC(GetFigures)
  FETTLE_PLAIN_RPC(GetJourney)
  FETTLE_PLAIN_RPC(GetProgress)
  FETTLE_PLAIN_RPC(RedriveParked)
  FETTLE_PLAIN_RPC(GetControlTotals)

 private:
  using People = std::vector<std::string>;
  absl::Status Answer(const journal::CallInfo& call, const v1::GetFiguresRequest& request,
                      v1::GetFiguresResponse& response, People& people);
  absl::Status Answer(const journal::CallInfo& call, const v1::GetJourneyRequest& request,
                      v1::GetJourneyResponse& response, People& people);
  absl::Status Answer(const journal::CallInfo& call, const v1::GetProgressRequest& request,
                      v1::GetProgressResponse& response, People& people);
  absl::Status Answer(const journal::CallInfo& call, const v1::RedriveParkedRequest& request,
                      v1::RedriveParkedResponse& response, People& people);
  absl::Status Answer(const journal::CallInfo& call, const v1::GetControlTotalsRequest& request,
                      v1::GetControlTotalsResponse& response, People& people);

  const AnalyticsParts parts_;
  rpc::PlainAdapter adapter_;
};

}  // namespace fettle::analytics

#endif  // FETTLE_SERVICES_ANALYTICS_ANALYTICS_SERVICE_H_
