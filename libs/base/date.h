// Civil dates as ISO 8601 text `YYYY-MM-DD`, years 0001 to 9999: the order of the text is the order
// of the dates. Months are `YYYY-MM`. Instants are RFC 3339 / FHIR R4 `instant` text.
//
// Functions that take a date and give no Status expect one that IsDate accepts and stop the process
// at any other: requests are checked at the door.
#ifndef FETTLE_LIBS_BASE_DATE_H_
#define FETTLE_LIBS_BASE_DATE_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace fettle::base {

// True for a day that exists: `2024-02-29` is a date, `2023-02-29` is not.
bool IsDate(std::string_view text);
absl::StatusOr<absl::CivilDay> ParseDate(std::string_view text);
// `day` is within the years 1 to 9999.
std::string FormatDate(absl::CivilDay day);

// The civil date in Europe/London. Needs the time zone database of the system (tzdata); stops the
// process without it.
std::string LondonDate(absl::Time time);
// The first moment of the date there.
absl::Time LondonStart(std::string_view date);

// Stays within 0001-01-01 and 9999-12-31.
std::string AddDays(std::string_view date, int days);
// The same day of the month, or the last one when the month is shorter: 2024-01-31 and 1 month is
// 2024-02-29.
std::string AddMonths(std::string_view date, int months);
// Days from `from` until `to`: negative when `to` is earlier.
int DaysBetween(std::string_view from, std::string_view to);
// Whole years lived (INV-14). An age is reached at the start of the birthday; who was born on 29
// February reaches it on 1 March in other years (England and Wales: Family Law Reform Act 1969, s.
// 9). Negative before birth.
int AgeOn(std::string_view birth_date, std::string_view on_date);

bool IsMonth(std::string_view text);
// `2025-03` of `2025-03-17`.
std::string MonthOf(std::string_view date);
// The month `count` months later, or earlier when negative; stays within 0001-01 and 9999-12.
std::string NextMonth(std::string_view month, int count = 1);

// INV-160. `YYYY-MM-DDThh:mm:ss[.f]zone`: 0 to 7 fraction digits, zone `Z` or `±hh:mm` up to 14:00.
// Second 60 is the first second after it. INVALID_ARGUMENT at anything else, a date without a time
// included.
absl::StatusOr<absl::Time> ParseInstant(std::string_view text);
// UTC with `Z` and as many fraction digits (at most 7) as the value has. Years 1 to 9999, clamped.
std::string FormatInstant(absl::Time time);

}  // namespace fettle::base

#endif  // FETTLE_LIBS_BASE_DATE_H_
