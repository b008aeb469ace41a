// Goal: no sum over 1 to 7 people can be worked out from what a table shows, and not much more than
// that is hidden. Method: tables by hand, and random ones whose seed is printed, against a reader
// who solves all equations.
#include "services/analytics/domain/protected_sums.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "services/analytics/domain/disclosure_testing.h"
#include "services/analytics/domain/small_numbers.h"

namespace fettle::analytics {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using People = std::map<AreaMonth, int64_t>;

std::set<AreaMonth> CellsOf(const People& people) {
  std::set<AreaMonth> cells;
  for (const auto& [at, count] : people) {
    if (count > 0) cells.insert(at);
  }
  return cells;
}

// As if nobody were in two cells.
void AddTotals(People& people) {
  const People parts = people;
  for (const auto& [at, count] : parts) {
    people[{at.first, kAllMonths}] += count;
    people[{kAllAreas, at.second}] += count;
    people[{kAllAreas, kAllMonths}] += count;
  }
}

TEST(ProtectedSumsTest, NothingSmallNothingHidden) {
  People people = {{{"QAA", "2026-03"}, 8}, {{"QBB", "2026-03"}, 9}, {{"QBB", "2026-04"}, 0}};
  AddTotals(people);
  EXPECT_THAT(HiddenSums(people), IsEmpty());
  EXPECT_THAT(HiddenSums({}), IsEmpty());
}

TEST(ProtectedSumsTest, OneSmallCellHidesTheSmallestRectangleAndNoTotal) {
  People people;
  for (const char* area : {"", "QAA", "QBB", "QCC"}) {
    for (const char* month : {"2026-01", "2026-02", "2026-03"}) people[{area, month}] = 50;
  }
  people[{"QAA", "2026-02"}] = 1;
  people[{"QCC", "2026-02"}] = 20;
  people[{"QAA", "2026-03"}] = 20;
  AddTotals(people);
  EXPECT_THAT(HiddenSums(people),
              UnorderedElementsAre(AreaMonth("QAA", "2026-02"), AreaMonth("QAA", "2026-03"),
                                   AreaMonth("QCC", "2026-02"), AreaMonth("QCC", "2026-03")));
}

TEST(ProtectedSumsTest, WhereOneAreaIsTheWholeTheTotalsGo) {
  People people = {{{"QAA", "2026-03"}, 8}, {{"QAA", "2026-04"}, 1}};
  AddTotals(people);
  EXPECT_THAT(
      HiddenSums(people),
      UnorderedElementsAre(AreaMonth("QAA", "2026-03"), AreaMonth("QAA", "2026-04"),
                           AreaMonth(kAllAreas, "2026-03"), AreaMonth(kAllAreas, "2026-04")));
}

TEST(ProtectedSumsTest, TheReaderOfTheseTestsCanSubtract) {
  People people = {{{"QAA", "2026-03"}, 9}, {{"QBB", "2026-03"}, 1}};
  AddTotals(people);
  EXPECT_THAT(Recovered(CellsOf(people), {{"QBB", "2026-03"}, {"QBB", kAllMonths}}),
              UnorderedElementsAre(AreaMonth("QBB", "2026-03"), AreaMonth("QBB", kAllMonths)));
}

TEST(ProtectedSumsTest, NothingHiddenFollowsFromWhatIsShown) {
  const char* given = std::getenv("FETTLE_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::stoul(given))
                                         : static_cast<unsigned>(std::random_device()());
  SCOPED_TRACE(::testing::Message() << "FETTLE_SEED=" << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 2'000; ++round) {
    People people;
    const int areas = 1 + random() % 6, months = 1 + random() % 6;
    const int small_in_ten = random() % 10;
    for (int area = 0; area < areas; ++area) {
      for (int month = 0; month < months; ++month) {
        const int kind = random() % 10;
        const int64_t count = kind == 0              ? 0
                              : kind <= small_in_ten ? 1 + random() % 7
                                                     : 8 + random() % 30;
        people[{"Q" + std::to_string(area), "2026-0" + std::to_string(month + 1)}] = count;
      }
    }
    AddTotals(people);
    const std::set<AreaMonth> hidden = HiddenSums(people);
    for (const auto& [at, count] : people) {
      const bool small = count > 0 && count < kShownFrom;
      EXPECT_TRUE(count >= kShownFrom || hidden.contains(at) == small) << at.first << at.second;
    }
    ASSERT_THAT(Recovered(CellsOf(people), hidden), IsEmpty()) << "round " << round;
  }
}

}  // namespace
}  // namespace fettle::analytics
