// What the log holds of a block of a source, recomputed from the leaves themselves.
#ifndef FETTLE_SERVICES_AUDIT_CONTROL_TOTALS_H_
#define FETTLE_SERVICES_AUDIT_CONTROL_TOTALS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "fettle/audit/v1/audit_service.pb.h"
#include "fettle/journal/v1/journal_service.pb.h"
#include "libs/journal/control_total.h"
#include "services/audit/audit_log.h"

namespace fettle::audit {

// Pence that an event of the budget topic moves: `amount_pence` of its field `transaction`, 0 when
// it has none, as services/budget/README.md says. Bytes that are no budget event move nothing.
int64_t PenceOf(std::string_view budget_event);

// Over the positions of the block up to `last_position`.
absl::StatusOr<journal::ControlTotal> TotalOf(const LogReader& log, const std::string& source,
                                              int64_t block, int64_t last_position);

// Both sides and what they say.
audit::v1::BlockComparison Compare(int64_t block, const journal::ControlTotal& log,
                                   const journal::v1::GetControlTotalResponse& source);

}  // namespace fettle::audit

#endif  // FETTLE_SERVICES_AUDIT_CONTROL_TOTALS_H_
