#include "libs/base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <string>
#include <vector>

namespace fettle::base {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() : settings_("referral", "Keeps the life of referrals.") {
    settings_.Add(&port_, "listen_port", "TCP port of the gRPC server", 7001, 1, 65535);
    settings_.Add(&batch_ms_, "batch_ms_max", "milliseconds of deciding in a batch", 5, 1, 1000);
    settings_.Add(&ratio_, "sample_ratio", "share of calls that are traced", 0.5, 0, 1);
    settings_.Add(&relay_, "relay", "publish to the bus", true);
    settings_.Add(&data_dir_, "data_dir", "folder of the journal", "data");
  }

  absl::StatusOr<Settings::Next> Load(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "referral");
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return settings_.Load(static_cast<int>(argv.size()), argv.data());
  }

  // The error of loading with these arguments; no value may have changed.
  std::string ErrorOf(const std::vector<std::string>& arguments) {
    const absl::StatusOr<Settings::Next> next = Load(arguments);
    EXPECT_FALSE(next.ok());
    EXPECT_EQ(port_, 7001);
    EXPECT_EQ(batch_ms_, 5);
    EXPECT_EQ(data_dir_, "data");
    std::string message(next.status().message());
    EXPECT_EQ(message.find('\n'), std::string::npos) << "one line: " << message;
    return message;
  }

  std::string File(const std::string& content) {
    const std::string path = testing::TempDir() + "/config_" +
                             testing::UnitTest::GetInstance()->current_test_info()->name() +
                             ".toml";
    std::ofstream(path, std::ios::trunc) << content;
    return path;
  }

  int64_t port_ = 0;
  int64_t batch_ms_ = 0;
  double ratio_ = 0;
  bool relay_ = false;
  std::string data_dir_;
  Settings settings_;
};

TEST_F(ConfigTest, DefaultsHoldWithoutArguments) {
  ASSERT_EQ(*Load({}), Settings::Next::kRun);
  EXPECT_EQ(port_, 7001);
  EXPECT_EQ(batch_ms_, 5);
  EXPECT_EQ(ratio_, 0.5);
  EXPECT_TRUE(relay_);
  EXPECT_EQ(data_dir_, "data");
}

TEST_F(ConfigTest, FileThenCommandLine) {
  const std::string file = File(
      "# comment\nlisten_port = 8001\nbatch_ms_max = 9\nsample_ratio = 1\nrelay = false\n"
      "data_dir = 'x y'\n");
  ASSERT_EQ(*Load({"--config=" + file, "--batch_ms_max=20"}), Settings::Next::kRun);
  EXPECT_EQ(port_, 8001);
  EXPECT_EQ(batch_ms_, 20);
  EXPECT_EQ(ratio_, 1.0);
  EXPECT_FALSE(relay_);
  EXPECT_EQ(data_dir_, "x y");
}

TEST_F(ConfigTest, CommandLineTakesEveryKind) {
  ASSERT_EQ(*Load({"--listen_port=65535", "--sample_ratio=0.25", "--relay=false",
                   "--data_dir=/var/lib/a=b"}),
            Settings::Next::kRun);
  EXPECT_EQ(port_, 65535);
  EXPECT_EQ(ratio_, 0.25);
  EXPECT_FALSE(relay_);
  EXPECT_EQ(data_dir_, "/var/lib/a=b");
}

TEST_F(ConfigTest, AnUnknownSettingIsNamedWithTheNearestKnown) {
  EXPECT_THAT(ErrorOf({"--listen_prt=1"}),
              AllOf(HasSubstr("listen_prt"), HasSubstr("listen_port?")));
  EXPECT_THAT(ErrorOf({"--batch_max_ms=1"}), HasSubstr("batch_ms_max?"));
  EXPECT_THAT(ErrorOf({"--unheard", "of"}), HasSubstr("--unheard"));
  EXPECT_THAT(ErrorOf({"stray"}), HasSubstr("stray is not expected"));
  EXPECT_THAT(ErrorOf({"-p"}), HasSubstr("-p is not expected"));
  EXPECT_THAT(ErrorOf({"--config=" + File("listen_port = 80\nbatch_ms = 3\n")}),
              AllOf(HasSubstr("line 2"), HasSubstr("batch_ms is not"), HasSubstr("batch_ms_max?")));
  EXPECT_THAT(ErrorOf({"--config=" + File("[journal]\nlisten_port = 80\n")}), HasSubstr("journal"));
}

TEST_F(ConfigTest, OutOfBoundsNamesSettingValueAndBounds) {
  for (const char* value : {"0", "65536", "-1"}) {
    EXPECT_THAT(ErrorOf({std::string("--listen_port=") + value}),
                HasSubstr(std::string("listen_port = ") + value + " is out of bounds: 1 to 65535"));
  }
  EXPECT_THAT(ErrorOf({"--sample_ratio=1.5"}),
              HasSubstr("sample_ratio = 1.5 is out of bounds: 0 to 1"));
  EXPECT_THAT(ErrorOf({"--sample_ratio=nan"}), HasSubstr("out of bounds"));
  EXPECT_THAT(
      ErrorOf({"--config=" + File("data_dir = 'x'\nlisten_port = 0\n")}),
      AllOf(HasSubstr("line 2"), HasSubstr("listen_port = 0 is out of bounds: 1 to 65535")));
  EXPECT_THAT(ErrorOf({"--data_dir=" + std::string(kSettingBytesMax + 1, 'x')}),
              HasSubstr("data_dir is longer"));
}

TEST_F(ConfigTest, AWrongTypeIsNamed) {
  EXPECT_THAT(ErrorOf({"--listen_port=http"}),
              HasSubstr("listen_port = http is not a whole number"));
  EXPECT_THAT(ErrorOf({"--listen_port=99999999999999999999"}), HasSubstr("not a whole number"));
  EXPECT_THAT(ErrorOf({"--listen_port=1.5"}), HasSubstr("not a whole number"));
  EXPECT_THAT(ErrorOf({"--relay=yes"}), HasSubstr("relay = yes is not true or false"));
  EXPECT_THAT(ErrorOf({"--sample_ratio=half"}), HasSubstr("not a number"));
  EXPECT_THAT(ErrorOf({"--config=" + File("listen_port = '80'\n")}), HasSubstr("whole number"));
  EXPECT_THAT(ErrorOf({"--config=" + File("listen_port = 80.0\n")}), HasSubstr("whole number"));
  EXPECT_THAT(ErrorOf({"--config=" + File("relay = 1\n")}),
              HasSubstr("relay is not true or false"));
  EXPECT_THAT(ErrorOf({"--config=" + File("data_dir = 7\n")}),
              HasSubstr("data_dir is not a string"));
}

TEST_F(ConfigTest, GivenTwiceIsNamed) {
  EXPECT_THAT(ErrorOf({"--listen_port=1", "--listen_port=2"}),
              HasSubstr("--listen_port is given twice"));
  EXPECT_THAT(ErrorOf({"--config=" + File("listen_port = 1\nlisten_port = 2\n")}),
              HasSubstr("listen_port"));
  EXPECT_THAT(ErrorOf({"--config=a", "--config=b"}), HasSubstr("--config is given twice"));
}

TEST_F(ConfigTest, AMissingValueOrFileIsNamed) {
  EXPECT_THAT(ErrorOf({"--listen_port"}), HasSubstr("listen_port"));
  EXPECT_THAT(ErrorOf({"--config=/no/such/file.toml"}), HasSubstr("/no/such/file.toml"));
  EXPECT_EQ(Load({"--config=/no/such/file.toml"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(ErrorOf({"--config=" + testing::TempDir()}), HasSubstr("cannot be read"));
  EXPECT_THAT(ErrorOf({"--config=" + File("listen_port = \n")}), HasSubstr("line 1"));
  EXPECT_THAT(ErrorOf({"--config=" + File(std::string(kConfigFileBytesMax + 1, '\n'))}),
              HasSubstr("larger than"));
}

TEST_F(ConfigTest, AnEmptyTextCanBeGiven) {
  ASSERT_EQ(*Load({"--data_dir=", "--listen_port=9"}), Settings::Next::kRun);
  EXPECT_EQ(data_dir_, "");
  EXPECT_EQ(port_, 9);
}

TEST_F(ConfigTest, HelpSaysAllOfEverySetting) {
  testing::internal::CaptureStdout();
  const auto next = Load({"--help"});
  const std::string help = testing::internal::GetCapturedStdout();
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(*next, Settings::Next::kExit);
  EXPECT_EQ(help, settings_.Help());
  for (const char* part :
       {"referral: Keeps the life of referrals.", "--listen_port", "TCP port of the gRPC server",
        "default 7001, 1 to 65535", "milliseconds of deciding", "default 0.5, 0 to 1",
        "default true", "default \"data\"", "--config", "--help"}) {
    EXPECT_THAT(help, HasSubstr(part));
  }
}

TEST(ConfigDeathTest, AWrongDeclarationStopsTheProcess) {
  int64_t value = 0;
  Settings settings("x", "y");
  EXPECT_DEATH(settings.Add(&value, "Port", "", 1, 1, 2), "lower snake case");
  EXPECT_DEATH(settings.Add(&value, "port", "", 3, 1, 2), "within its bounds");
  EXPECT_DEATH(settings.Add(&value, "config", "", 1, 1, 2), "declared once");
  settings.Add(&value, "port", "", 1, 1, 2);
  EXPECT_DEATH(settings.Add(&value, "port", "", 1, 1, 2), "declared once");
}

}  // namespace
}  // namespace fettle::base
