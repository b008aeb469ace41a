// The services whose events are logged, over gRPC: their feeds and their control totals.
#ifndef FETTLE_SERVICES_AUDIT_PUBLISHERS_H_
#define FETTLE_SERVICES_AUDIT_PUBLISHERS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fettle/journal/v1/journal_service.grpc.pb.h"
#include "libs/journal/consumer.h"
#include "libs/rpc/channel.h"

namespace fettle::audit {

// `urn:fettle:<service>:<journal>[:access]` in its parts; an empty service when the text is no
// source.
struct SourceName {
  std::string service;
  bool access = false;
};
SourceName ParseSource(const std::string& source);

// Thread safe, but for each feed's `read`, which one thread calls.
class Publishers {
 public:
  // Service -> host:port. Connects when first asked.
  Publishers(const std::map<std::string, std::string>& targets, const rpc::Identity& identity);

  // One for each service. `read` keeps its stream open between calls, because a feed leaves an
  // access record when it opens.
  std::vector<journal::FeedSource> Feeds() const;

  // Blocks. NOT_FOUND SOURCE_UNKNOWN; UNAVAILABLE.
  absl::StatusOr<journal::v1::GetControlTotalResponse> ControlTotal(const std::string& source,
                                                                    int64_t block) const;

 private:
  using Stub = journal::v1::JournalService::Stub;
  std::map<std::string, std::shared_ptr<Stub>> stubs_;
};

}  // namespace fettle::audit

#endif  // FETTLE_SERVICES_AUDIT_PUBLISHERS_H_
