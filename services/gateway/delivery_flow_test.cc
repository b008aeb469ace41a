// What an answer of a partner comes to; the way of a message from one gateway to another is tested
// with real ones (tests/e2e/partner_test.py).
#include "services/gateway/delivery_flow.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;

constexpr char kDelivery[] = "0196d5a0-0006-7000-8000-000000000001";
constexpr char kCorrelation[] = "0196d5a0-0005-7000-8000-000000000001";
constexpr char kOutcome[] = R"({"resourceType":"OperationOutcome","issue":[{"code":"duplicate"}]})";

rv1::RecordDeliveryAttemptRequest Attempt(const absl::StatusOr<http::Response>& answer) {
  rv1::OutgoingMessage message;
  message.set_delivery_id(kDelivery);
  message.set_correlation_id(kCorrelation);
  return ReadAnswer(message, answer);
}

http::Response Echoing(int status, const std::string& body) {
  return {status,
          "application/fhir+json",
          body,
          {{"x-request-id", kDelivery}, {"X-CORRELATION-ID", kCorrelation}}};
}

TEST(ReadAnswer, INV152_SaysWhatIsMissing) {
  EXPECT_EQ(Attempt(Echoing(200, "{}")).problem(), rv1::DELIVERY_PROBLEM_UNSPECIFIED);
  const auto duplicate = Attempt(Echoing(409, kOutcome));
  EXPECT_EQ(duplicate.problem(), rv1::DELIVERY_PROBLEM_UNSPECIFIED);
  EXPECT_EQ(duplicate.http_status(), 409);
  EXPECT_EQ(duplicate.issue_code(), "duplicate");

  http::Response without_ids = Echoing(200, "{}");
  without_ids.headers.pop_back();
  EXPECT_EQ(Attempt(without_ids).problem(), rv1::DELIVERY_PROBLEM_ANSWER_NOT_READABLE);
  http::Response others_ids = Echoing(200, "{}");
  others_ids.headers[0].second = kCorrelation;
  EXPECT_EQ(Attempt(others_ids).problem(), rv1::DELIVERY_PROBLEM_ANSWER_NOT_READABLE);
  for (const char* body :
       {"", "not found", "{}", "[1]", R"({"resourceType":"Patient","issue":[{"code":"x"}]})",
        R"({"resourceType":"OperationOutcome","issue":"x"})"}) {
    const auto attempt = Attempt(Echoing(404, body));
    EXPECT_EQ(attempt.problem(), rv1::DELIVERY_PROBLEM_ANSWER_NOT_READABLE) << body;
    EXPECT_EQ(attempt.issue_code(), "");
  }
}

TEST(ReadAnswer, NoAnswerHasItsCause) {
  EXPECT_EQ(Attempt(absl::DeadlineExceededError("")).problem(), rv1::DELIVERY_PROBLEM_TIMEOUT);
  EXPECT_EQ(Attempt(absl::UnavailableError("")).problem(), rv1::DELIVERY_PROBLEM_CONNECTION_FAILED);
  EXPECT_EQ(Attempt(absl::OutOfRangeError("")).problem(), rv1::DELIVERY_PROBLEM_CONNECTION_FAILED);
}

TEST(ReadAnswer, RetryAfterHasBounds) {
  http::Response answer = Echoing(429, kOutcome);
  answer.headers.emplace_back("Retry-After", "120");
  EXPECT_EQ(Attempt(answer).retry_after_s(), 120);
  for (const auto& [value, seconds] : std::map<std::string, int>{
           {"-5", 0}, {"999999999", 86'400}, {"Fri, 31 Dec 1999 23:59:59 GMT", 0}, {"", 0}}) {
    answer.headers.back().second = value;
    EXPECT_EQ(Attempt(answer).retry_after_s(), seconds) << value;
  }
}

}  // namespace
}  // namespace fettle::gateway
