#include "libs/base/date.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "libs/base/check.h"

namespace fettle::base {
namespace {

constexpr absl::CivilDay kFirstDay(1, 1, 1);
constexpr absl::CivilDay kLastDay(9999, 12, 31);
constexpr size_t kFractionDigitsMax = 7;

// The value of `text` if it is ASCII digits only, else -1. At most 9 digits.
int Digits(std::string_view text) {
  int value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<absl::CivilDay> DayOf(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const int year = Digits(text.substr(0, 4));
  const int month = Digits(text.substr(5, 2));
  const int day = Digits(text.substr(8, 2));
  if (year < 1 || month < 1 || day < 1) return std::nullopt;
  const absl::CivilDay civil(year, month, day);
  // absl carries overflowing fields over: 30 February would become 1 March.
  if (civil.month() != month || civil.day() != day) return std::nullopt;
  return civil;
}

const absl::TimeZone& London() {
  static const absl::TimeZone kLondon = [] {
    absl::TimeZone zone;
    FETTLE_CHECK(absl::LoadTimeZone("Europe/London", &zone),
                 "the time zone Europe/London is installed (package tzdata)");
    return zone;
  }();
  return kLondon;
}

absl::CivilDay TrustedDay(std::string_view date) {
  const std::optional<absl::CivilDay> day = DayOf(date);
  FETTLE_CHECK(day.has_value(), "a date is checked before it is used");
  return *day;
}

absl::CivilMonth TrustedMonth(std::string_view month) {
  FETTLE_CHECK(IsMonth(month), "a month is checked before it is used");
  return absl::CivilMonth(Digits(month.substr(0, 4)), Digits(month.substr(5, 2)));
}

absl::CivilMonth ShiftMonth(absl::CivilMonth month, int count) {
  return std::clamp(month + count, absl::CivilMonth(kFirstDay), absl::CivilMonth(kLastDay));
}

void AppendDigits(std::string& text, int value, int width) {
  text.resize(text.size() + width);
  for (auto place = text.rbegin(); width > 0; --width, ++place, value /= 10) {
    *place = static_cast<char>('0' + value % 10);
  }
}

absl::Status NoInstant() {
  return absl::InvalidArgumentError(
      "an instant is YYYY-MM-DDThh:mm:ss, at most 7 fraction digits, and Z or an offset");
}

}  // namespace

bool IsDate(std::string_view text) { return DayOf(text).has_value(); }

absl::StatusOr<absl::CivilDay> ParseDate(std::string_view text) {
  const std::optional<absl::CivilDay> day = DayOf(text);
  if (!day) return absl::InvalidArgumentError("a date is YYYY-MM-DD and exists");
  return *day;
}

std::string FormatDate(absl::CivilDay day) {
  FETTLE_CHECK(day >= kFirstDay && day <= kLastDay, "a date is within the years 1 to 9999");
  std::string text;
  text.reserve(10);
  AppendDigits(text, static_cast<int>(day.year()), 4);
  text += '-';
  AppendDigits(text, day.month(), 2);
  text += '-';
  AppendDigits(text, day.day(), 2);
  return text;
}

std::string LondonDate(absl::Time time) {
  return FormatDate(std::clamp(absl::ToCivilDay(time, London()), kFirstDay, kLastDay));
}

absl::Time LondonStart(std::string_view date) {
  return absl::FromCivil(absl::CivilSecond(TrustedDay(date)), London());
}

std::string AddDays(std::string_view date, int days) {
  return FormatDate(std::clamp(TrustedDay(date) + days, kFirstDay, kLastDay));
}

std::string AddMonths(std::string_view date, int months) {
  const absl::CivilDay day = TrustedDay(date);
  const absl::CivilMonth month = ShiftMonth(absl::CivilMonth(day), months);
  const absl::CivilDay last = absl::CivilDay(month + 1) - 1;
  return FormatDate(std::min(absl::CivilDay(month.year(), month.month(), day.day()), last));
}

int DaysBetween(std::string_view from, std::string_view to) {
  return static_cast<int>(TrustedDay(to) - TrustedDay(from));
}

int AgeOn(std::string_view birth_date, std::string_view on_date) {
  const absl::CivilDay birth = TrustedDay(birth_date);
  const absl::CivilDay on = TrustedDay(on_date);
  const bool before_birthday =
      on.month() < birth.month() || (on.month() == birth.month() && on.day() < birth.day());
  return static_cast<int>(on.year() - birth.year()) - (before_birthday ? 1 : 0);
}

bool IsMonth(std::string_view text) {
  if (text.size() != 7 || text[4] != '-') return false;
  const int month = Digits(text.substr(5));
  return Digits(text.substr(0, 4)) >= 1 && month >= 1 && month <= 12;
}

std::string MonthOf(std::string_view date) {
  FETTLE_CHECK(IsDate(date), "a date is checked before it is used");
  return std::string(date.substr(0, 7));
}

std::string NextMonth(std::string_view month, int count) {
  return FormatDate(absl::CivilDay(ShiftMonth(TrustedMonth(month), count))).substr(0, 7);
}

absl::StatusOr<absl::Time> ParseInstant(std::string_view text) {
  constexpr size_t kSecondsEnd = 19;  // YYYY-MM-DDThh:mm:ss
  if (text.size() <= kSecondsEnd || text[10] != 'T' || text[13] != ':' || text[16] != ':') {
    return NoInstant();
  }
  const std::optional<absl::CivilDay> day = DayOf(text.substr(0, 10));
  const int hour = Digits(text.substr(11, 2));
  const int minute = Digits(text.substr(14, 2));
  const int second = Digits(text.substr(17, 2));
  if (!day || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
    return NoInstant();
  }
  std::string_view rest = text.substr(kSecondsEnd);

  int64_t ticks = 0;
  if (rest[0] == '.') {
    rest.remove_prefix(1);
    const size_t count = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (count == 0 || count > kFractionDigitsMax) return NoInstant();
    ticks = Digits(rest.substr(0, count));
    for (size_t i = count; i < kFractionDigitsMax; ++i) ticks *= 10;
    rest.remove_prefix(count);
  }

  int offset_minutes = 0;
  if (rest != "Z") {
    if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':') {
      return NoInstant();
    }
    const int hours = Digits(rest.substr(1, 2));
    const int minutes = Digits(rest.substr(4, 2));
    if (hours < 0 || minutes < 0 || minutes > 59 || hours * 60 + minutes > 14 * 60) {
      return NoInstant();
    }
    offset_minutes = (rest[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
  }

  const absl::CivilSecond civil(day->year(), day->month(), day->day(), hour, minute, second);
  return absl::FromCivil(civil, absl::UTCTimeZone()) + absl::Nanoseconds(100 * ticks) -
         absl::Minutes(offset_minutes);
}

std::string FormatInstant(absl::Time time) {
  static const absl::Time kFirst =
      absl::FromCivil(absl::CivilSecond(kFirstDay), absl::UTCTimeZone());
  static const absl::Time kEnd =
      absl::FromCivil(absl::CivilSecond(kLastDay + 1), absl::UTCTimeZone());
  time = std::clamp(time, kFirst, kEnd - absl::Nanoseconds(100));

  const absl::TimeZone::CivilInfo info = absl::UTCTimeZone().At(time);
  std::string text;
  text.reserve(28);
  text += FormatDate(absl::CivilDay(info.cs));
  text += 'T';
  AppendDigits(text, info.cs.hour(), 2);
  text += ':';
  AppendDigits(text, info.cs.minute(), 2);
  text += ':';
  AppendDigits(text, info.cs.second(), 2);
  const int64_t ticks = info.subsecond / absl::Nanoseconds(100);
  if (ticks != 0) {
    text += '.';
    AppendDigits(text, static_cast<int>(ticks), kFractionDigitsMax);
    text.resize(text.find_last_not_of('0') + 1);
  }
  text += 'Z';
  return text;
}

}  // namespace fettle::base
