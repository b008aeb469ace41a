#include "libs/bus/topics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "libs/bus/mock_cluster.h"

namespace fettle::bus {
namespace {

using ::testing::ElementsAre;

TEST(Topics, AFileIsOneTopicALine) {
  const auto topics = ParseTopics("# a comment\n\nfirst 6 -1\n  second\t1  604800000 # week\r\n");
  ASSERT_TRUE(topics.ok()) << topics.status();
  EXPECT_THAT(*topics, ElementsAre(Topic{"first", 6, -1}, Topic{"second", 1, 604'800'000}));
}

TEST(Topics, AWrongLineIsNamed) {
  for (const char* line : {"name", "name 1", "name 0 -1", "name 1001 -1", "name x -1", "name 1 -2",
                           "name 1 x", "name 1 -1 more", "first 6 -1"}) {
    const auto topics = ParseTopics("first 6 -1\n" + std::string(line) + "\n");
    EXPECT_EQ(topics.status().code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_NE(topics.status().message().find("line 2"), std::string::npos) << topics.status();
  }
}

TEST(Topics, NoBrokerIsUnavailableWhenTheTimeIsOver) {
  EXPECT_EQ(EnsureTopics(Unreachable(), {}, absl::Milliseconds(200)).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(Topics, AnotherNumberOfPartitionsIsRefused) {
  MockCluster mock;
  mock.AddTopic("keyed", 3);
  EXPECT_EQ(EnsureTopics(mock.cluster(), {{"keyed", 6, -1}}, absl::Seconds(10)).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const auto same = EnsureTopics(mock.cluster(), {{"keyed", 3, -1}}, absl::Seconds(10));
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(*same, 0);
}

}  // namespace
}  // namespace fettle::bus
