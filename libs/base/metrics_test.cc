#include "libs/base/metrics.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace fettle::base {
namespace {

using testing::HasSubstr;

// What an HTTP/1.0 GET of /metrics at this port answers.
std::string Get(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
  EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) answer.append(buffer, n);
  close(fd);
  return answer;
}

TEST(Metrics, KeepsCountersGaugesAndHistograms) {
  auto metrics = Metrics::Create(std::nullopt);
  ASSERT_TRUE(metrics.ok());
  EXPECT_FALSE((*metrics)->port().has_value());
  (*metrics)
      ->AddCounter("fettle_commands_total", "Commands", {{"outcome", "accepted"}})
      .Increment();
  (*metrics)
      ->AddCounter("fettle_commands_total", "Commands", {{"outcome", "accepted"}})
      .Increment();
  (*metrics)->AddCounter("fettle_commands_total", "Commands", {{"outcome", "refused"}}).Increment();
  (*metrics)->AddGauge("fettle_queue_commands", "Waiting").Set(7);
  (*metrics)->AddHistogram("fettle_commit_seconds", "Commit").Observe(0.003);
  const std::string text = (*metrics)->Text();
  EXPECT_THAT(text, HasSubstr("fettle_commands_total{outcome=\"accepted\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("fettle_commands_total{outcome=\"refused\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE fettle_commands_total counter"));
  EXPECT_THAT(text, HasSubstr("# HELP fettle_queue_commands Waiting"));
  EXPECT_THAT(text, HasSubstr("fettle_queue_commands 7\n"));
  EXPECT_THAT(text, HasSubstr("fettle_commit_seconds_bucket{le=\"0.0025\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("fettle_commit_seconds_bucket{le=\"0.005\"} 1\n"));
}

TEST(Metrics, ServesOnLoopback) {
  auto metrics = Metrics::Create(0);
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  ASSERT_TRUE((*metrics)->port().has_value());
  (*metrics)->AddGauge("fettle_queue_commands", "Waiting").Set(3);
  const std::string answer = Get(*(*metrics)->port());
  EXPECT_THAT(answer, HasSubstr("200 OK"));
  EXPECT_THAT(answer, HasSubstr("fettle_queue_commands 3\n"));
}

TEST(Metrics, APortInUseIsNamed) {
  auto first = Metrics::Create(0);
  ASSERT_TRUE(first.ok());
  auto second = Metrics::Create((*first)->port());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(std::to_string(*(*first)->port())));
}

TEST(MetricsDeathTest, AWrongNameStopsTheProcess) {
  auto metrics = Metrics::Create(std::nullopt);
  EXPECT_DEATH((*metrics)->AddCounter("has space", "x"), "broken_check");
  (*metrics)->AddCounter("fettle_x_total", "x");
  EXPECT_DEATH((*metrics)->AddGauge("fettle_x_total", "x"), "broken_check");
}

}  // namespace
}  // namespace fettle::base
