// The services whose events are logged: their feeds and their control totals.
#ifndef FETTLE_SERVICES_AUDIT_PUBLISHERS_H_
#define FETTLE_SERVICES_AUDIT_PUBLISHERS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fettle/journal/v1/journal_service.pb.h"
#include "libs/journal/consumer.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/feed_client.h"

namespace fettle::audit {

// `urn:fettle:<service>:<journal>[:access]` in its parts; an empty service when the text is no
// source.
struct SourceName {
  std::string service;
  bool access = false;
};
SourceName ParseSource(const std::string& source);

// Thread safe. Outlives the consumer that reads the feeds.
class Publishers {
 public:
  // Service -> host:port, empty ones left out. Connects when first asked.
  Publishers(const std::map<std::string, std::string>& targets, const rpc::Identity& identity);

  // One for each service.
  std::vector<journal::FeedSource> Feeds() const;

  // Blocks up to `deadline`. NOT_FOUND SOURCE_UNKNOWN; UNAVAILABLE PUBLISHER_UNAVAILABLE.
  absl::StatusOr<journal::v1::GetControlTotalResponse> ControlTotal(const std::string& source,
                                                                    int64_t block,
                                                                    absl::Time deadline) const;
  // Ends feeds that are being read, so that the consumer can stop.
  void Cancel();

 private:
  std::map<std::string, std::unique_ptr<rpc::FeedClient>> clients_;
};

}  // namespace fettle::audit

#endif  // FETTLE_SERVICES_AUDIT_PUBLISHERS_H_
