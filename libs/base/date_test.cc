#include "libs/base/date.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>

namespace fettle::base {
namespace {

absl::Time Utc(int year, int month, int day, int hour = 0, int minute = 0, int second = 0) {
  return absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute, second),
                         absl::UTCTimeZone());
}

TEST(Date, AcceptsDaysThatExist) {
  for (const char* text : {"2025-03-17", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"}) {
    EXPECT_TRUE(IsDate(text)) << text;
    ASSERT_TRUE(ParseDate(text).ok()) << text;
    EXPECT_EQ(FormatDate(*ParseDate(text)), text);
  }
}

TEST(Date, RefusesEverythingElse) {
  for (const char* text :
       {"", "2025-3-17", "2025-03-17 ", "2025-02-29", "1900-02-29", "2025-13-01", "2025-00-10",
        "2025-04-31", "2025-01-00", "0000-01-01", "2025/03/17", "20250317", "-025-03-17",
        "2025-03-1x", "+025-03-17", "2025-03-17T00:00:00Z"}) {
    EXPECT_FALSE(IsDate(text)) << text;
    EXPECT_EQ(ParseDate(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(Date, TextOrderIsDateOrder) {
  std::mt19937 random(20250317);
  for (int i = 0; i < 2000; ++i) {
    const absl::CivilDay a = absl::CivilDay(1, 1, 1) + static_cast<int>(random() % 3'652'059);
    const absl::CivilDay b = absl::CivilDay(1, 1, 1) + static_cast<int>(random() % 3'652'059);
    EXPECT_EQ(FormatDate(a) < FormatDate(b), a < b) << a << " " << b;
    EXPECT_EQ(DaysBetween(FormatDate(a), FormatDate(b)), b - a);
    EXPECT_EQ(AddDays(FormatDate(a), static_cast<int>(b - a)), FormatDate(b));
  }
}

TEST(Date, LondonIsOneHourAheadInSummer) {
  EXPECT_EQ(LondonStart("2025-01-31"), Utc(2025, 1, 31, 0, 0, 0));
  EXPECT_EQ(LondonStart("2025-07-01"), Utc(2025, 6, 30, 23, 0, 0));
  EXPECT_EQ(LondonDate(Utc(2025, 1, 31, 23, 59, 59)), "2025-01-31");
  EXPECT_EQ(LondonDate(Utc(2025, 6, 30, 22, 59, 59)), "2025-06-30");
  EXPECT_EQ(LondonDate(Utc(2025, 6, 30, 23, 0, 0)), "2025-07-01");
  // The clocks of 2025 changed on 30 March and on 26 October, at 01:00 UTC.
  EXPECT_EQ(LondonDate(Utc(2025, 3, 29, 23, 30)), "2025-03-29");
  EXPECT_EQ(LondonDate(Utc(2025, 3, 30, 23, 30)), "2025-03-31");
  EXPECT_EQ(LondonDate(Utc(2025, 10, 26, 23, 30)), "2025-10-26");
}

TEST(Date, AddDaysCrossesMonthsAndStopsAtTheEnds) {
  EXPECT_EQ(AddDays("2025-02-28", 1), "2025-03-01");
  EXPECT_EQ(AddDays("2024-03-01", -1), "2024-02-29");
  EXPECT_EQ(AddDays("9999-12-31", 1), "9999-12-31");
  EXPECT_EQ(AddDays("0001-01-01", -1), "0001-01-01");
}

TEST(Date, AddMonthsKeepsTheDayWhereItExists) {
  EXPECT_EQ(AddMonths("2025-03-17", 3), "2025-06-17");
  EXPECT_EQ(AddMonths("2024-01-31", 1), "2024-02-29");
  EXPECT_EQ(AddMonths("2025-01-31", 1), "2025-02-28");
  EXPECT_EQ(AddMonths("2025-01-15", -1), "2024-12-15");
  EXPECT_EQ(AddMonths("2024-02-29", 12), "2025-02-28");
  EXPECT_EQ(AddMonths("9999-12-31", 1), "9999-12-31");
}

TEST(Date, AgeIsReachedOnTheBirthday) {  // INV-14
  EXPECT_EQ(AgeOn("1990-06-15", "2025-06-14"), 34);
  EXPECT_EQ(AgeOn("1990-06-15", "2025-06-15"), 35);
  EXPECT_EQ(AgeOn("1990-06-15", "1990-06-15"), 0);
  EXPECT_EQ(AgeOn("2008-02-29", "2026-02-28"), 17);
  EXPECT_EQ(AgeOn("2008-02-29", "2026-03-01"), 18);
  EXPECT_EQ(AgeOn("2008-02-29", "2024-02-29"), 16);
  EXPECT_LT(AgeOn("2025-06-15", "2025-06-14"), 0);
}

TEST(DateDeathTest, UncheckedTextStopsTheProcess) {
  EXPECT_DEATH(AddDays("2025-02-30", 1), "a date is checked before it is used");
  EXPECT_DEATH(NextMonth("2025-13"), "a month is checked before it is used");
}

TEST(Month, IsTheBeginningOfADate) {
  EXPECT_EQ(MonthOf("2025-03-17"), "2025-03");
  EXPECT_TRUE(IsMonth("2025-12"));
  for (const char* text : {"", "2025", "2025-0", "2025-00", "2025-13", "0000-01", "2025-03-17"}) {
    EXPECT_FALSE(IsMonth(text)) << text;
  }
  EXPECT_EQ(NextMonth("2025-12"), "2026-01");
  EXPECT_EQ(NextMonth("2025-01", -1), "2024-12");
  EXPECT_EQ(NextMonth("9999-12"), "9999-12");
}

TEST(Instant, AnyOffsetAndFractionGiveTheSameMoment) {  // INV-160
  const absl::Time moment = Utc(2021, 11, 26, 15, 0, 0);
  for (const char* text :
       {"2021-11-26T15:00:00Z", "2021-11-26T15:00:00.0Z", "2021-11-26T15:00:00.0000000Z",
        "2021-11-26T15:00:00+00:00", "2021-11-26T15:00:00-00:00", "2021-11-26T16:00:00.00+01:00",
        "2021-11-26T10:30:00.000-04:30", "2021-11-27T05:00:00.000000+14:00",
        "2021-11-26T01:00:00-14:00", "2021-11-26T14:59:60Z"}) {
    const absl::StatusOr<absl::Time> time = ParseInstant(text);
    ASSERT_TRUE(time.ok()) << text;
    EXPECT_EQ(*time, moment) << text;
    EXPECT_EQ(FormatInstant(*time), "2021-11-26T15:00:00Z") << text;
  }
}

TEST(Instant, EveryNumberOfFractionDigitsCounts) {  // INV-160
  const std::string digits = "1234567";
  for (size_t count = 1; count <= 7; ++count) {
    const std::string text = "2021-11-26T15:00:00." + digits.substr(0, count) + "Z";
    const absl::StatusOr<absl::Time> time = ParseInstant(text);
    ASSERT_TRUE(time.ok()) << text;
    EXPECT_EQ(FormatInstant(*time), text);
  }
  EXPECT_EQ(*ParseInstant("2021-11-26T15:00:00.0000001Z") - *ParseInstant("2021-11-26T15:00:00Z"),
            absl::Nanoseconds(100));
}

TEST(Instant, WhatIsWrittenIsReadBack) {  // INV-160
  std::mt19937_64 random(160);
  for (int i = 0; i < 5000; ++i) {
    // Years 1 to 9999 in steps of 100 ns.
    const absl::Time time = Utc(1, 1, 1) + absl::Seconds(random() % 315'537'897'600) +
                            absl::Nanoseconds(100 * (random() % 10'000'000));
    const std::string text = FormatInstant(time);
    EXPECT_TRUE(text.ends_with("Z"));
    ASSERT_TRUE(ParseInstant(text).ok()) << text;
    EXPECT_EQ(*ParseInstant(text), time) << text;
  }
}

TEST(Instant, RefusesEverythingElse) {  // INV-160
  for (const char* text : {"",
                           "2021-11-26",
                           "2021-11-26T15:00:00",
                           "2021-11-26T15:00Z",
                           "2021-11-26 15:00:00Z",
                           "2021-11-26T15:00:00.Z",
                           "2021-11-26T15:00:00.12345678Z",
                           "2021-11-26T24:00:00Z",
                           "2021-11-26T15:60:00Z",
                           "2021-11-26T15:00:61Z",
                           "2021-02-30T15:00:00Z",
                           "2021-11-26T15:00:00z",
                           "2021-11-26T15:00:00+0100",
                           "2021-11-26T15:00:00+14:01",
                           "2021-11-26T15:00:00+01:60",
                           "2021-11-26T15:00:00+1:00",
                           "2021-11-26T15:00:00Zx",
                           "2021-11-26T15:00:00.1",
                           "0000-11-26T15:00:00Z",
                           "2021-11-26T-1:00:00Z"}) {
    EXPECT_EQ(ParseInstant(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(Instant, ClampsToTheYearsOfTheFormat) {
  EXPECT_EQ(FormatInstant(absl::InfinitePast()), "0001-01-01T00:00:00Z");
  EXPECT_EQ(FormatInstant(absl::InfiniteFuture()), "9999-12-31T23:59:59.9999999Z");
}

}  // namespace
}  // namespace fettle::base
