// The owner's check of an exported audit log: offline, with nothing but a pinned key and
// checkpoints that were kept outside.
#ifndef FETTLE_SERVICES_CLI_AUDIT_VERIFY_H_
#define FETTLE_SERVICES_CLI_AUDIT_VERIFY_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fettle/audit/v1/audit_service.pb.h"
#include "libs/merkle/checkpoint.h"
#include "libs/merkle/export.h"

namespace fettle::cli {

// Everything of merkle::ExportVerifier, and what this log keeps beside the tree: for each source
// and each 256 positions a row of 256 x 5 bytes, a leaf's index + 1, in extras named
// `places/<source>` (block, 8 bytes; length, 4; row). The rows are made anew from the leaves, which
// takes 5 bytes of memory an event. More findings, DATA_LOSS like the others:
//   LEAF_NOT_AN_EVENT  a leaf without source or position
//   LEAF_REPEATED      two leaves of the same source and position
//   PLACE_CHANGED      a row that does not say where the leaves are, or is missing
// Not shared between threads.
class AuditVerifier {
 public:
  struct Source {
    std::string name;
    int64_t events = 0;
    int64_t last_position = 0;
    int64_t contiguous = 0;
  };
  struct Report {
    merkle::ExportVerifier::Report log;
    std::vector<Source> sources;
  };

  // The key must live as long. Its name is the log's origin.
  AuditVerifier(const merkle::VerifierKey& key, std::vector<merkle::Checkpoint> earlier);

  // As merkle::ExportVerifier.
  absl::Status Add(std::string_view bytes) { return verifier_.Add(bytes); }
  absl::StatusOr<Report> Finish();

 private:
  absl::Status OnLeaf(uint64_t index, std::string_view leaf);
  absl::Status OnExtra(std::string_view name, std::string_view bytes);

  // Rows by source and block, as they should be; taken out when they were seen.
  std::map<std::string, std::map<uint64_t, std::string>, std::less<>> places_;
  bool places_changed_ = false;
  std::vector<Source> sources_;
  std::map<std::string, int64_t> last_positions_;
  merkle::ExportVerifier verifier_;
};

// A whole file. NOT_FOUND naming it; else as AuditVerifier.
absl::StatusOr<AuditVerifier::Report> VerifyAuditExport(const std::string& path,
                                                        const merkle::VerifierKey& key,
                                                        std::vector<merkle::Checkpoint> earlier);

// Whether `proof` shows that the event asked for, and no other, is in the log of the key's owner.
// PROOF_NOT_OF_THIS_EVENT (DATA_LOSS) when the leaf is another event; else the refusals of
// merkle::ParseAndVerifyCheckpoint and merkle::VerifyInclusion.
absl::Status VerifyEventProof(const audit::v1::GetInclusionProofRequest& asked,
                              const audit::v1::GetInclusionProofResponse& proof,
                              const merkle::VerifierKey& key);

}  // namespace fettle::cli

#endif  // FETTLE_SERVICES_CLI_AUDIT_VERIFY_H_
