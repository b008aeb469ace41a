#include "libs/base/clock.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace fettle::base {
namespace {

const absl::Time kNoon = absl::FromUnixSeconds(1742212800);

std::string TestFile(const std::string& name) { return testing::TempDir() + "/clock_" + name; }

TEST(SystemClock, IsTheTimeOfTheMachine) {
  const absl::Time before = absl::Now();
  const absl::Time now = SystemClock().Now();
  EXPECT_LE(before, now);
  EXPECT_LE(now, absl::Now());
}

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock(kNoon);
  EXPECT_EQ(clock.Now(), kNoon);
  clock.Advance(absl::Hours(2));
  EXPECT_EQ(clock.Now(), kNoon + absl::Hours(2));
  clock.Set(kNoon - absl::Hours(1));
  EXPECT_EQ(clock.Now(), kNoon - absl::Hours(1));
}

TEST(FileClock, AllClocksOfAFileMoveTogether) {
  const std::string path = TestFile("together");
  ASSERT_TRUE(FileClock::Write(path, kNoon).ok());
  auto a = FileClock::Open(path);
  auto b = OpenClock(path);
  ASSERT_TRUE(a.ok()) << a.status();
  ASSERT_TRUE(b.ok()) << b.status();
  EXPECT_EQ((*a)->Now(), kNoon);
  ASSERT_TRUE(FileClock::Write(path, kNoon + absl::Milliseconds(1500)).ok());
  EXPECT_EQ((*a)->Now(), kNoon + absl::Milliseconds(1500));
  EXPECT_EQ((*b)->Now(), kNoon + absl::Milliseconds(1500));
}

TEST(FileClock, KeepsTheLastGoodTime) {
  const std::string path = TestFile("kept");
  ASSERT_TRUE(FileClock::Write(path, kNoon).ok());
  auto clock = FileClock::Open(path);
  ASSERT_TRUE(clock.ok());
  std::ofstream(path, std::ios::trunc) << "half past two";
  EXPECT_EQ((*clock)->Now(), kNoon);
}

TEST(FileClock, AMissingOrWrongFileIsNamed) {
  const std::string missing = TestFile("missing");
  auto clock = OpenClock(missing);
  EXPECT_EQ(clock.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(clock.status().message()).find(missing), std::string::npos);

  const std::string wrong = TestFile("wrong");
  std::ofstream(wrong) << "2025-03-17";
  EXPECT_EQ(OpenClock(wrong).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(FileClock::Write(testing::TempDir() + "/no/such/folder/clock", kNoon).ok());
}

TEST(OpenClock, NoFileIsTheSystem) {
  auto clock = OpenClock("");
  ASSERT_TRUE(clock.ok());
  EXPECT_LT(absl::AbsDuration((*clock)->Now() - absl::Now()), absl::Minutes(1));
}

}  // namespace
}  // namespace fettle::base
