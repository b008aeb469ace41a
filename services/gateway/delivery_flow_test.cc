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
constexpr char kTheirs[] = "their-id.7";
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

// The id under which a request can be read at the partner's, where it is one of FHIR.
TEST(ReadAnswer, SaysWhatARequestMadeThere) {
  rv1::OutgoingMessage message;
  message.set_delivery_id(kDelivery);
  message.set_correlation_id(kCorrelation);
  message.set_signal(rv1::SIGNAL_REQUEST);
  const auto made = [&](const std::string& body) {
    const auto attempt = ReadAnswer(message, Echoing(200, body));
    EXPECT_EQ(attempt.problem(), rv1::DELIVERY_PROBLEM_UNSPECIFIED) << body;
    return attempt.partner_resource_id();
  };
  const auto request = [](const std::string& id) {
    return R"({"resourceType":"ServiceRequest","id":")" + id + R"("})";
  };
  const auto bundle = [](const std::string& resource) {
    return R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"p"}},)"
           R"({"resource":)" +
           resource + "}]}";
  };
  EXPECT_EQ(made(bundle(request("their-id.7"))), "their-id.7");
  EXPECT_EQ(made(request("their-id.7")), "their-id.7");
  EXPECT_EQ(made(request(kDelivery)), kDelivery);
  for (const std::string& id :
       {std::string(), std::string("a/../b"), std::string("a b"), std::string("a?b"),
        std::string(".."), std::string("9990000018"), std::string("999-000-0018"),
        std::string("999.000.0018"), std::string("nhs-9990000018"), std::string("9990000018.1"),
        std::string(65, 'a')}) {
    EXPECT_EQ(made(bundle(request(id))), "") << id;
  }
  for (const char* body : {"", "[]", "{}", R"({"entry":3})", R"({"entry":[3]})",
                           R"({"entry":[{"resource":{"resourceType":"ServiceRequest"}}]})"}) {
    EXPECT_EQ(made(body), "") << body;
  }
  message.set_signal(rv1::SIGNAL_CANCEL);
  EXPECT_EQ(made(bundle(request("their-id.7"))), "");
}

// INV-157: only what is active there is cancelled; an answer that does not say so ends the attempt.
TEST(ReadCurrent, Inv157OnlyWhatIsActiveIsCancelled) {
  rv1::OutgoingMessage question;
  question.set_delivery_id(kDelivery);
  question.set_correlation_id(kCorrelation);
  question.set_signal(rv1::SIGNAL_CANCEL);
  const auto in = [](const std::string& status, const std::string& id = kTheirs) {
    return Echoing(200, R"({"resourceType":"ServiceRequest","id":")" + id + R"(","status":")" +
                            status + R"("})");
  };
  EXPECT_EQ(ReadCurrent(question, kTheirs, in("active")), std::nullopt);
  for (const char* status : {"revoked", "completed", "on-hold", "unknown", "entered-in-error"}) {
    const auto attempt = ReadCurrent(question, kTheirs, in(status));
    ASSERT_TRUE(attempt.has_value()) << status;
    EXPECT_EQ(attempt->problem(), rv1::DELIVERY_PROBLEM_NOT_ACTIVE_THERE);
    EXPECT_EQ(attempt->partner_status(), status);
    EXPECT_EQ(attempt->http_status(), 200);
  }
  for (const http::Response& answer :
       {in(""), in("inactive"), Echoing(200, "{}"), Echoing(200, "[]"), Echoing(200, "not found"),
        Echoing(204, ""), in("active", "their-id.8"), in("revoked", "their-id.8"), in("active", ""),
        Echoing(200, R"({"resourceType":"ServiceRequest","status":"active"})"),
        Echoing(200, R"({"resourceType":"Task","id":"their-id.7","status":"active"})"),
        Echoing(200,
                R"({"resourceType":"ServiceRequest","id":"their-id.7","status":["active"]})")}) {
    const auto attempt = ReadCurrent(question, kTheirs, answer);
    ASSERT_TRUE(attempt.has_value()) << answer.body;
    EXPECT_EQ(attempt->problem(), rv1::DELIVERY_PROBLEM_ANSWER_NOT_READABLE) << answer.body;
  }
  // Another's ids: it may be about another's referral.
  http::Response others = in("active");
  others.headers[0].second = kCorrelation;
  EXPECT_EQ(ReadCurrent(question, kTheirs, others)->problem(),
            rv1::DELIVERY_PROBLEM_ANSWER_NOT_READABLE);
  EXPECT_EQ(ReadCurrent(question, kTheirs, absl::DeadlineExceededError(""))->problem(),
            rv1::DELIVERY_PROBLEM_TIMEOUT);
}

// INV-157: a refusal says that it was the question's; where there is nothing to read, the partner
// hears of the cancellation.
TEST(ReadCurrent, Inv157ARefusedQuestionIsNoRefusedCancellation) {
  rv1::OutgoingMessage question;
  question.set_delivery_id(kDelivery);
  question.set_correlation_id(kCorrelation);
  question.set_signal(rv1::SIGNAL_CANCEL);
  const std::string forbidden =
      R"({"resourceType":"OperationOutcome","issue":[{"code":"forbidden"}]})";
  for (const int status : {400, 403, 409, 410, 429, 500, 503}) {
    for (const auto& [body, code] :
         std::map<std::string, std::string>{{forbidden, "forbidden"}, {kOutcome, ""}}) {
      const auto attempt = ReadCurrent(question, kTheirs, Echoing(status, body));
      ASSERT_TRUE(attempt.has_value()) << status;
      EXPECT_EQ(attempt->http_status(), status);
      EXPECT_EQ(attempt->problem(), rv1::DELIVERY_PROBLEM_QUESTION_REFUSED);
      EXPECT_EQ(attempt->issue_code(), code);
    }
  }
  EXPECT_EQ(ReadCurrent(question, kTheirs, Echoing(403, "no"))->problem(),
            rv1::DELIVERY_PROBLEM_ANSWER_NOT_READABLE);
  for (const int status : {404, 405, 501}) {
    EXPECT_EQ(ReadCurrent(question, kTheirs, Echoing(status, forbidden)), std::nullopt) << status;
    const http::Response of_no_fhir{status, "text/html", "not found", {}};
    EXPECT_EQ(ReadCurrent(question, kTheirs, of_no_fhir), std::nullopt) << status;
  }
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
