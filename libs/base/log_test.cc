#include "libs/base/log.h"

#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "libs/base/check.h"
#include "libs/base/date.h"
#include "libs/base/text.h"

namespace fettle::base {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string LinesOf(const std::function<void()>& work) {
  testing::internal::CaptureStderr();
  work();
  return testing::internal::GetCapturedStderr();
}

// The fields of one line, read by an independent JSON parser.
google::protobuf::Struct Parse(const std::string& line) {
  google::protobuf::Struct fields;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(line, &fields).ok()) << line;
  return fields;
}

class LogTest : public testing::Test {
 protected:
  LogTest() { InitLog("referral", Level::kInfo); }
};

TEST_F(LogTest, OneJsonObjectALine) {
  const std::string line = LinesOf([] {
    Log(Level::kWarning, "journal opened",
        {{"path", "a.db"},
         {"position", int64_t{-7}},
         {"size", size_t{8}},
         {"ok", true},
         {"ratio", 0.5},
         {"cause", absl::NotFoundError("gone").message()}});
  });
  EXPECT_TRUE(line.ends_with("}\n"));
  const google::protobuf::Struct fields = Parse(line);
  EXPECT_TRUE(ParseInstant(fields.fields().at("time").string_value()).ok());
  EXPECT_EQ(fields.fields().at("level").string_value(), "warning");
  EXPECT_EQ(fields.fields().at("service").string_value(), "referral");
  EXPECT_EQ(fields.fields().at("message").string_value(), "journal opened");
  EXPECT_EQ(fields.fields().at("path").string_value(), "a.db");
  EXPECT_EQ(fields.fields().at("position").number_value(), -7);
  EXPECT_EQ(fields.fields().at("size").number_value(), 8);
  EXPECT_TRUE(fields.fields().at("ok").bool_value());
  EXPECT_EQ(fields.fields().at("ratio").number_value(), 0.5);
  EXPECT_EQ(fields.fields().at("cause").string_value(), "gone");
}

TEST_F(LogTest, NoValueCanForgeALineOrATerminalSequence) {
  // The attack that was tried against bare spdlog, in every place that text can come from.
  const std::string attack =
      "x\"}\n{\"level\":\"info\",\"message\":\"user=admin granted\"}\r\x1b[2J\x9b\x7f\t\b\x01"
      "\u0085\u009b2J\u2028\u2029\u202e\u2066\u061c\u200f\ufeff\\\"\xff\xc0\xaf" +
      std::string(1, '\0') + "end";
  const std::string lines = LinesOf([&] { Log(Level::kInfo, attack, {{attack, attack}}); });

  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1);
  std::string_view rest = lines;
  rest.remove_suffix(1);
  ASSERT_TRUE(IsUtf8(rest));
  while (!rest.empty()) {
    const CodePoint point = *FirstCodePoint(rest);
    EXPECT_GE(point.value, 0x20u);
    EXPECT_FALSE(point.value >= 0x7F && point.value <= 0x9F) << static_cast<uint32_t>(point.value);
    EXPECT_FALSE(point.value >= 0x2028 && point.value <= 0x202E)
        << static_cast<uint32_t>(point.value);
    EXPECT_FALSE(point.value >= 0x2066 && point.value <= 0x2069)
        << static_cast<uint32_t>(point.value);
    EXPECT_NE(point.value, 0x061Cu);
    EXPECT_NE(point.value, 0x200Fu);
    rest.remove_prefix(point.bytes);
  }
  // The object holds the text whole, as one value, and nothing of it became a field.
  const google::protobuf::Struct fields = Parse(lines);
  EXPECT_EQ(fields.fields_size(), 5);
  EXPECT_EQ(fields.fields().at("level").string_value(), "info");
  EXPECT_EQ(fields.fields().at("message").string_value(), ReplaceInvalidUtf8(attack));
  EXPECT_EQ(fields.fields().at(ReplaceInvalidUtf8(attack)).string_value(),
            ReplaceInvalidUtf8(attack));
}

TEST_F(LogTest, ABraceIsNotAFormat) {
  EXPECT_THAT(LinesOf([] { Log(Level::kInfo, "{} %s %v {0}"); }), HasSubstr("{} %s %v {0}"));
}

TEST_F(LogTest, NoFieldIsLongerThanItsLimit) {
  const std::string longest(kLogFieldBytesMax, 'x');
  const google::protobuf::Struct fields = Parse(LinesOf([&] {
    Log(Level::kInfo, longest + "y",
        {{"fits", longest}, {"cut", longest + "y"}, {"wide", "a" + std::string(longest) + "日"}});
  }));
  EXPECT_EQ(fields.fields().at("fits").string_value(), longest);
  EXPECT_EQ(fields.fields().at("cut").string_value(), longest + "…");
  EXPECT_EQ(fields.fields().at("message").string_value(), longest + "…");
  EXPECT_EQ(fields.fields().at("wide").string_value().size(), kLogFieldBytesMax + 3u);
}

TEST_F(LogTest, NoLineHasMoreFieldsThanItsLimit) {
  const google::protobuf::Struct fields = Parse(LinesOf([] {
    Log(Level::kInfo, "many",
        {{"a0", 0}, {"a1", 0}, {"a2", 0}, {"a3", 0}, {"a4", 0}, {"a5", 0}, {"a6", 0},
         {"a7", 0}, {"b0", 0}, {"b1", 0}, {"b2", 0}, {"b3", 0}, {"b4", 0}, {"b5", 0},
         {"b6", 0}, {"b7", 0}, {"c0", 0}, {"c1", 0}, {"c2", 0}, {"c3", 0}, {"c4", 0},
         {"c5", 0}, {"c6", 0}, {"c7", 0}, {"d0", 0}, {"d1", 0}, {"d2", 0}, {"d3", 0},
         {"d4", 0}, {"d5", 0}, {"d6", 0}, {"d7", 0}, {"e0", 0}, {"e1", 0}});
  }));
  EXPECT_EQ(fields.fields_size(), 4 + kLogFieldsMax + 1);
  EXPECT_EQ(fields.fields().at("fields_dropped").number_value(), 2);
}

TEST_F(LogTest, NumbersThatJsonHasNoWordForAreNull) {
  const google::protobuf::Struct fields = Parse(LinesOf([] {
    Log(Level::kInfo, "x",
        {{"nan", std::numeric_limits<double>::quiet_NaN()},
         {"inf", std::numeric_limits<double>::infinity()}});
  }));
  EXPECT_TRUE(fields.fields().at("nan").has_null_value());
  EXPECT_TRUE(fields.fields().at("inf").has_null_value());
}

TEST_F(LogTest, LinesBelowTheLevelAreNotWritten) {
  EXPECT_EQ(LinesOf([] { Log(Level::kDebug, "x"); }), "");
  EXPECT_FALSE(LogEnabled(Level::kDebug));
  InitLog("referral", Level::kError);
  EXPECT_EQ(LinesOf([] { Log(Level::kWarning, "x"); }), "");
  EXPECT_THAT(LinesOf([] { Log(Level::kFatal, "x"); }), HasSubstr("\"level\":\"fatal\""));
}

TEST_F(LogTest, LinesOfThreadsDoNotMix) {
  constexpr int kThreads = 4;
  constexpr int kLines = 200;
  const std::string lines = LinesOf([] {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < kLines; ++i) Log(Level::kInfo, std::string(300, 'x'), {{"i", i}});
      });
    }
  });
  size_t count = 0;
  for (size_t at = 0; at < lines.size(); ++count) {
    const size_t end = lines.find('\n', at);
    ASSERT_NE(end, std::string::npos);
    Parse(lines.substr(at, end - at));
    at = end + 1;
  }
  EXPECT_EQ(count, kThreads * kLines);
}

TEST(ParseLevel, KnowsFiveLevels) {
  EXPECT_EQ(*ParseLevel("debug"), Level::kDebug);
  EXPECT_EQ(*ParseLevel("fatal"), Level::kFatal);
  EXPECT_FALSE(ParseLevel("INFO").ok());
  EXPECT_FALSE(ParseLevel("").ok());
}

TEST(CheckDeathTest, ABrokenCheckLogsAndAborts) {
  const auto check = [](int value) { FETTLE_CHECK(value > 0, "a size is positive"); };
  check(1);
  EXPECT_EXIT(check(0), testing::KilledBySignal(SIGABRT),
              "\"level\":\"fatal\".*\"message\":\"a size is positive\","
              "\"broken_check\":\"value > 0\",\"file\":\"log_test.cc\",\"line\":");
}

}  // namespace
}  // namespace fettle::base
