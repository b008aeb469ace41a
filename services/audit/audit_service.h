// gRPC in, proofs out.
#ifndef FETTLE_SERVICES_AUDIT_AUDIT_SERVICE_H_
#define FETTLE_SERVICES_AUDIT_AUDIT_SERVICE_H_

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "fettle/audit/v1/audit_service.grpc.pb.h"
#include "libs/journal/consumer.h"
#include "libs/rpc/plain_adapter.h"
#include "services/audit/audit_log.h"
#include "services/audit/publishers.h"

namespace fettle::audit {

// Exports at one time; each needs the log's size of disk while it runs.
inline constexpr int kExportsMax = 2;

struct AuditParts {
  rpc::AdapterParts adapter;
  journal::Consumer* consumer = nullptr;
  const Publishers* publishers = nullptr;
  std::string verifier_key;
  std::string data_dir;  // where an export is written before it is sent
};

class AuditServiceImpl final : public v1::AuditService::CallbackService {
 public:
  explicit AuditServiceImpl(AuditParts parts);

  FETTLE_PLAIN_RPC(GetCheckpoint)
  FETTLE_PLAIN_RPC(GetInclusionProof)
  FETTLE_PLAIN_RPC(GetConsistencyProof)
  FETTLE_PLAIN_RPC(GetProgress)
  FETTLE_PLAIN_RPC(GetControlTotals)

  grpc::ServerWriteReactor<v1::ExportBundleResponse>* ExportBundle(
      grpc::CallbackServerContext* context, const v1::ExportBundleRequest* request) override;

 private:
  class Export;
  using People = std::vector<std::string>;

  absl::Status Answer(const journal::CallInfo& call, const v1::GetCheckpointRequest& request,
                      v1::GetCheckpointResponse& response, People& people);
  absl::Status Answer(const journal::CallInfo& call, const v1::GetInclusionProofRequest& request,
                      v1::GetInclusionProofResponse& response, People& people);
  absl::Status Answer(const journal::CallInfo& call, const v1::GetConsistencyProofRequest& request,
                      v1::GetConsistencyProofResponse& response, People& people);
  absl::Status Answer(const journal::CallInfo& call, const v1::GetProgressRequest& request,
                      v1::GetProgressResponse& response, People& people);
  absl::Status Answer(const journal::CallInfo& call, const v1::GetControlTotalsRequest& request,
                      v1::GetControlTotalsResponse& response, People& people);
  absl::Status Read(const std::function<absl::Status(const LogReader& log)>& work);

  const AuditParts parts_;
  rpc::PlainAdapter adapter_;
  std::atomic<int> exports_ = 0;
};

}  // namespace fettle::audit

#endif  // FETTLE_SERVICES_AUDIT_AUDIT_SERVICE_H_
