// The measures, as data: what each is made of, and how it leaves.
#ifndef FETTLE_SERVICES_ANALYTICS_FIGURES_H_
#define FETTLE_SERVICES_ANALYTICS_FIGURES_H_

#include <vector>

#include "absl/status/statusor.h"
#include "fettle/analytics/v1/analytics_service.pb.h"
#include "libs/sqlite/database.h"

namespace fettle::analytics {

// Answers from one snapshot of the projection's tables. `national`: the installation holds the
// whole country. Refusals: NOT_FOUND MEASURE_UNKNOWN, INVALID_ARGUMENT MONTH_INVALID.
absl::StatusOr<v1::GetFiguresResponse> GetFigures(sqlite::Database& db,
                                                  const v1::GetFiguresRequest& request,
                                                  bool national);

}  // namespace fettle::analytics

#endif  // FETTLE_SERVICES_ANALYTICS_FIGURES_H_
