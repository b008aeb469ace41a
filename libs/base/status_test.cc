#include "libs/base/status.h"

#include <gtest/gtest.h>

#include <string>

#include "google/rpc/status.pb.h"
#include "libs/base/text.h"

namespace fettle::base {
namespace {

// The bytes of the details as they travel: a google.protobuf.Any each.
size_t DetailBytes(const absl::Status& status) {
  google::rpc::Status rpc;
  status.ForEachPayload([&rpc](absl::string_view url, const absl::Cord& payload) {
    auto* detail = rpc.add_details();
    detail->set_type_url(std::string(url));
    detail->set_value(std::string(payload));
  });
  return rpc.ByteSizeLong();
}

TEST(Refuse, CarriesReasonAndMetadata) {
  const absl::Status status = Refuse(absl::StatusCode::kAborted, "VERSION_MISMATCH",
                                     "the referral has changed", {{"current_version", "7"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(status.message(), "the referral has changed");
  EXPECT_EQ(ReasonOf(status), "VERSION_MISMATCH");
  const auto info = ErrorInfoOf(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->domain(), "");
  EXPECT_EQ(info->metadata().at("current_version"), "7");
  EXPECT_FALSE(status.GetPayload(kPreconditionFailureUrl).has_value());
}

TEST(Refuse, AFailedPreconditionNamesItself) {
  const absl::Status status =
      Refuse(absl::StatusCode::kFailedPrecondition, "REFERRAL_CLOSED", "the referral is closed");
  google::rpc::PreconditionFailure failure;
  ASSERT_TRUE(failure.ParseFromString(std::string(*status.GetPayload(kPreconditionFailureUrl))));
  ASSERT_EQ(failure.violations_size(), 1);
  EXPECT_EQ(failure.violations(0).type(), "REFERRAL_CLOSED");
}

TEST(Refuse, DetailsStayUnderTheLimit) {
  std::map<std::string, std::string> metadata;
  for (int i = 0; i < 200; ++i) metadata["key" + std::to_string(i)] = std::string(5000, 'x');
  const absl::Status status = Refuse(absl::StatusCode::kFailedPrecondition, std::string(63, 'A'),
                                     std::string(100'000, 'm'), metadata);
  EXPECT_LE(DetailBytes(status), kStatusDetailBytesMax);
  EXPECT_EQ(status.message().size(), kStatusMessageBytesMax);
  const auto info = ErrorInfoOf(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_GT(info->metadata_size(), 3);
  for (const auto& [key, value] : info->metadata()) {
    EXPECT_LE(value.size(), kStatusMetadataValueBytesMax);
  }
}

TEST(Refuse, IllFormedTextCannotMakeTheDetailUnreadable) {
  const absl::Status status =
      Refuse(absl::StatusCode::kNotFound, "NO_SUCH_THING", "a\xFF", {{"k\xFE", "v\xC0"}});
  ASSERT_TRUE(ErrorInfoOf(status).has_value());
  EXPECT_TRUE(IsUtf8(ToStd(status.message())));
  EXPECT_EQ(ErrorInfoOf(status)->metadata().at("k\uFFFD"), "v\uFFFD");
}

TEST(RefuseDeathTest, AReasonIsScreamingSnake) {
  for (const char* reason : {"", "A", "lower", "HAS SPACE", "ENDS_", "1ST", "_FIRST"}) {
    EXPECT_FALSE(IsReason(reason)) << reason;
    EXPECT_DEATH((void)Refuse(absl::StatusCode::kAborted, reason, "x"), "SCREAMING_SNAKE");
  }
  EXPECT_FALSE(IsReason(std::string(64, 'A')));
  EXPECT_TRUE(IsReason(std::string(63, 'A')));
  EXPECT_DEATH((void)Refuse(absl::StatusCode::kOk, "FINE", "x"), "a refusal is not OK");
}

TEST(Unavailable, SaysWhenToTryAgain) {
  const absl::Status status =
      Unavailable("PERSON_UNREACHABLE", "person cannot be reached", absl::Milliseconds(1250));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), "PERSON_UNREACHABLE");
  EXPECT_EQ(RetryAfterOf(status), absl::Milliseconds(1250));
  EXPECT_EQ(Exhausted("QUEUE_FULL", "the queue is full", absl::Seconds(1)).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(RetryAfterOf(absl::UnavailableError("no details")).has_value());
}

TEST(InvalidField, NamesTheFieldAndWhatIsAccepted) {
  const absl::Status status =
      InvalidField("lines[2].amount_pence", "AMOUNT_OUT_OF_RANGE", "1 to 100000000");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "AMOUNT_OUT_OF_RANGE");
  EXPECT_EQ(status.message(), "lines[2].amount_pence: 1 to 100000000");
  const auto request = BadRequestOf(status);
  ASSERT_TRUE(request.has_value());
  ASSERT_EQ(request->field_violations_size(), 1);
  EXPECT_EQ(request->field_violations(0).field(), "lines[2].amount_pence");
  EXPECT_EQ(request->field_violations(0).reason(), "AMOUNT_OUT_OF_RANGE");
  EXPECT_EQ(request->field_violations(0).description(), "1 to 100000000");
}

TEST(FieldViolations, CollectsAtMostTwentyInOrder) {
  FieldViolations violations;
  EXPECT_TRUE(violations.ToStatus().ok());
  for (int i = 0; i < 25; ++i) {
    violations.Add("field" + std::to_string(i), "REASON_" + std::to_string(i), "something");
  }
  EXPECT_EQ(violations.count(), 25);
  const absl::Status status = violations.ToStatus();
  EXPECT_EQ(ReasonOf(status), "REASON_0");
  EXPECT_EQ(status.message(), "field0: something (and 24 more)");
  const auto request = BadRequestOf(status);
  ASSERT_EQ(request->field_violations_size(), kFieldViolationsMax);
  EXPECT_EQ(request->field_violations(19).field(), "field19");
}

TEST(FieldViolations, LongOnesStayUnderTheLimit) {
  FieldViolations violations;
  for (int i = 0; i < 20; ++i) {
    violations.Add(std::string(1000, 'f'), std::string(63, 'R'), std::string(1000, 'a'));
  }
  const absl::Status status = violations.ToStatus();
  EXPECT_LE(DetailBytes(status), kStatusDetailBytesMax);
  EXPECT_GT(BadRequestOf(status)->field_violations_size(), 3);
}

TEST(ErrorInfoOf, NothingWhenThereIsNone) {
  EXPECT_FALSE(ErrorInfoOf(absl::OkStatus()).has_value());
  EXPECT_EQ(ReasonOf(absl::InternalError("x")), "");
  absl::Status broken = absl::InternalError("x");
  broken.SetPayload(kErrorInfoUrl, absl::Cord("\xFF\xFF\xFF"));
  EXPECT_FALSE(ErrorInfoOf(broken).has_value());
}

absl::StatusOr<int> Half(int value) {
  if (value % 2 != 0) return absl::InvalidArgumentError("odd");
  return value / 2;
}

absl::StatusOr<int> Quarter(int value) {
  FETTLE_ASSIGN_OR_RETURN(const int half, Half(value));
  FETTLE_ASSIGN_OR_RETURN(value, Half(half));
  return value;
}

absl::Status CheckQuarter(int value) {
  FETTLE_RETURN_IF_ERROR(Quarter(value));
  FETTLE_RETURN_IF_ERROR(absl::OkStatus());
  return absl::OkStatus();
}

TEST(Macros, ReturnTheFirstError) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(6).status().message(), "odd");
  EXPECT_TRUE(CheckQuarter(12).ok());
  EXPECT_EQ(CheckQuarter(6).message(), "odd");
}

}  // namespace
}  // namespace fettle::base
