#include "services/gateway/fhir/outcome.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "services/gateway/fhir/json.h"

namespace fettle::gateway {
namespace {

constexpr OutcomeKind kAll[] = {
    OutcomeKind::kInvalid,        OutcomeKind::kInvariant,     OutcomeKind::kRequired,
    OutcomeKind::kValue,          OutcomeKind::kUnauthorized,  OutcomeKind::kForbidden,
    OutcomeKind::kNotFound,       OutcomeKind::kNotAcceptable, OutcomeKind::kTimeout,
    OutcomeKind::kConflict,       OutcomeKind::kDuplicate,     OutcomeKind::kUnprocessable,
    OutcomeKind::kTooCostly,      OutcomeKind::kThrottled,     OutcomeKind::kException,
    OutcomeKind::kNotImplemented, OutcomeKind::kUnavailable};

// Every answer of ours has the status and the two codes of an error body that NHS England
// published.
TEST(OperationOutcome, IsOneOfThePublishedErrorBodies) {
  std::set<std::string> published;
  for (const auto& entry :
       std::filesystem::directory_iterator(FETTLE_BARS_EXAMPLES "/OperationOutcome")) {
    published.insert(entry.path().stem());
    std::ifstream in(entry.path());
    std::stringstream text;
    text << in.rdbuf();
    const json::value body = *ParseJson(text.str());
    const json::value& issue = body.at("issue").at(0);
    // Their structure is ours.
    const json::value ours = *ParseJson(OperationOutcome(OutcomeKind::kInvalid, "d", "i"));
    EXPECT_EQ(ours.at("issue").at(0).at("details").at("coding").at(0).at("system"),
              issue.at("details").at("coding").at(0).at("system"));
    EXPECT_EQ(ours.at("meta"), body.at("meta"));
  }
  ASSERT_GT(published.size(), 15u);
  // Named among what a sender tries again, without a body of its own.
  published.insert("429-REC_TOO_MANY_REQUESTS-throttled");
  for (const OutcomeKind kind : kAll) {
    const json::value body = *ParseJson(OperationOutcome(kind, "words \"quoted\"\n", "an-id"));
    const json::value& issue = body.at("issue").at(0);
    const std::string name =
        absl::StrCat(HttpStatusOf(kind), "-",
                     issue.at("details").at("coding").at(0).at("code").as_string().c_str(), "-",
                     issue.at("code").as_string().c_str());
    EXPECT_TRUE(published.contains(name)) << name;
    EXPECT_EQ(issue.at("diagnostics").as_string(), "words \"quoted\"\n");
  }
}

TEST(KindOf, EveryCodeHasAnAnswer) {
  using enum absl::StatusCode;
  EXPECT_EQ(KindOf(absl::Status(kInvalidArgument, "")), OutcomeKind::kValue);
  EXPECT_EQ(KindOf(absl::Status(kUnauthenticated, "")), OutcomeKind::kUnauthorized);
  EXPECT_EQ(KindOf(absl::Status(kPermissionDenied, "")), OutcomeKind::kForbidden);
  EXPECT_EQ(KindOf(absl::Status(kNotFound, "")), OutcomeKind::kNotFound);
  EXPECT_EQ(KindOf(absl::Status(kFailedPrecondition, "")), OutcomeKind::kConflict);
  EXPECT_EQ(KindOf(absl::Status(kDeadlineExceeded, "")), OutcomeKind::kTimeout);
  EXPECT_EQ(KindOf(absl::Status(kUnavailable, "")), OutcomeKind::kUnavailable);
  EXPECT_EQ(KindOf(absl::Status(kAborted, "")), OutcomeKind::kUnavailable);
  EXPECT_EQ(KindOf(absl::Status(kResourceExhausted, "")), OutcomeKind::kThrottled);
  EXPECT_EQ(KindOf(absl::Status(kUnimplemented, "")), OutcomeKind::kNotImplemented);
  EXPECT_EQ(KindOf(absl::Status(kInternal, "")), OutcomeKind::kException);
  EXPECT_EQ(KindOf(absl::Status(static_cast<absl::StatusCode>(99), "")), OutcomeKind::kException);
}

// INV-150: `duplicate` stands for a message that was taken before, and for nothing else.
TEST(KindOf, OnlyARepeatedMessageIsADuplicate) {
  for (const char* reason : {"OPEN_REFERRAL_EXISTS", "PARTNER_MESSAGE_ALREADY_TAKEN", "ANYTHING"}) {
    EXPECT_EQ(KindOf(base::Refuse(absl::StatusCode::kAlreadyExists, reason, "m")),
              OutcomeKind::kConflict);
  }
  EXPECT_EQ(KindOf(base::Refuse(absl::StatusCode::kAlreadyExists, kMessageDuplicate, "m")),
            OutcomeKind::kDuplicate);
}

TEST(DiagnosticsOf, AFaultOfOursIsNotToldToOthers) {
  EXPECT_THAT(DiagnosticsOf(absl::InternalError("disk of host x")),
              ::testing::Not(::testing::HasSubstr("disk")));
  EXPECT_EQ(DiagnosticsOf(absl::NotFoundError("no such case")), "no such case");
}

}  // namespace
}  // namespace fettle::gateway
