// What is built is parsed back, and each way in which headers can be wrong is refused by name.
#include "libs/bus/cloud_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fettle::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

CloudEvent Whole() {
  return {.id = "0195a3c1-7c00-7000-8000-000000000001",
          .source = "urn:fettle:referral:main",
          .type = "fettle.referral.v1.ReferralSubmitted",
          .subject = "referral/0195a3c1",
          .time = "2025-03-17T09:30:00.123Z",
          .data_schema = "urn:fettle:schema:referral:1",
          .correlation_id = "c-1",
          .causation_id = "c-2",
          .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"};
}

Headers Built(const CloudEvent& event) {
  Headers headers;
  BuildHeaders(event, &headers);
  return headers;
}

TEST(CloudEvent, HeadersAreThoseOfTheBinaryMode) {
  EXPECT_THAT(
      Built(Whole()),
      ElementsAre(
          Pair("ce_specversion", "1.0"), Pair("ce_id", "0195a3c1-7c00-7000-8000-000000000001"),
          Pair("ce_source", "urn:fettle:referral:main"),
          Pair("ce_type", "fettle.referral.v1.ReferralSubmitted"),
          Pair("ce_subject", "referral/0195a3c1"), Pair("ce_time", "2025-03-17T09:30:00.123Z"),
          Pair("ce_dataschema", "urn:fettle:schema:referral:1"), Pair("ce_correlationid", "c-1"),
          Pair("ce_causationid", "c-2"),
          Pair("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
          Pair("content-type", "application/protobuf")));
}

TEST(CloudEvent, WhatIsBuiltIsParsedBack) {
  const CloudEvent least = {.id = "1", .source = "urn:a", .type = "t"};
  for (const CloudEvent& event : {Whole(), least}) {
    const auto parsed = ParseHeaders(Built(event));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, event);
  }
}

TEST(CloudEvent, BuildingReplacesWhatWasThere) {
  const CloudEvent least = {.id = "1", .source = "urn:a", .type = "t"};
  Headers headers = Built(Whole());
  BuildHeaders(least, &headers);
  EXPECT_EQ(headers, Built(least));
}

TEST(CloudEvent, OtherHeadersArePassedOver) {
  Headers headers = Built(Whole());
  headers.emplace_back("x-other", "1");
  headers.emplace_back("x-other", "2");
  const auto parsed = ParseHeaders(headers);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, Whole());
}

TEST(CloudEvent, EveryHeaderMayOccurOnce) {
  for (const auto& header : Built(Whole())) {
    Headers headers = Built(Whole());
    headers.push_back(header);
    const auto parsed = ParseHeaders(headers);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << header.first;
    EXPECT_THAT(parsed.status().message(), HasSubstr(header.first));
  }
}

TEST(CloudEvent, WhatMustBeThereIsNamedWhenItIsNot) {
  for (const char* name : {"ce_specversion", "ce_id", "ce_source", "ce_type", "content-type"}) {
    Headers without = Built(Whole());
    std::erase_if(without, [&](const auto& header) { return header.first == name; });
    Headers empty = Built(Whole());
    for (auto& header : empty) {
      if (header.first == name) header.second.clear();
    }
    for (const Headers& headers : {without, empty}) {
      const auto parsed = ParseHeaders(headers);
      EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << name;
      EXPECT_THAT(parsed.status().message(), HasSubstr(name));
    }
  }
}

TEST(CloudEvent, AnotherVersionOrContentIsRefused) {
  for (const auto& [name, value] :
       Headers{{"ce_specversion", "0.3"}, {"content-type", "application/cloudevents+json"}}) {
    Headers headers = Built(Whole());
    for (auto& header : headers) {
      if (header.first == name) header.second = value;
    }
    EXPECT_EQ(ParseHeaders(headers).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace fettle::bus
