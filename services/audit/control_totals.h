// What the log holds of a block of a source, recomputed from the leaves themselves.
#ifndef FETTLE_SERVICES_AUDIT_CONTROL_TOTALS_H_
#define FETTLE_SERVICES_AUDIT_CONTROL_TOTALS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fettle/audit/v1/audit_service.pb.h"
#include "fettle/journal/v1/journal_service.pb.h"
#include "libs/journal/control_total.h"
#include "services/audit/audit_log.h"

namespace fettle::audit {

// Blocks that one call of GetControlTotals compares.
inline constexpr int64_t kControlBlocksMax = 16;
// All blocks of one call together; a reader thread of the journal waits for it.
inline constexpr absl::Duration kPublisherWaitMax = absl::Seconds(3);

// Over the positions of the block up to `last_position`.
absl::StatusOr<journal::ControlTotal> TotalOf(const LogReader& log, const std::string& source,
                                              int64_t block, int64_t last_position);

// Both sides and what they say.
audit::v1::BlockComparison Compare(int64_t block, const journal::ControlTotal& log,
                                   const journal::v1::GetControlTotalResponse& source);

// Compares blocks from the request's on; what was compared when the time is over is an answer, and
// the next call goes on. `published` waits up to its deadline, `logged` is TotalOf.
absl::Status CompareBlocks(const v1::GetControlTotalsRequest& request, absl::Time call_deadline,
                           const std::function<absl::StatusOr<journal::v1::GetControlTotalResponse>(
                               int64_t block, absl::Time deadline)>& published,
                           const std::function<absl::StatusOr<journal::ControlTotal>(
                               int64_t block, int64_t last_position)>& logged,
                           v1::GetControlTotalsResponse& response);

}  // namespace fettle::audit

#endif  // FETTLE_SERVICES_AUDIT_CONTROL_TOTALS_H_
