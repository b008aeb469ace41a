// Goal: the door's parts, each alone: shape, private words, statuses in and out, who may call. The
// whole door against real processes is in tests/e2e.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/cord.h"
#include "fettle/person/v1/person_service.pb.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "google/rpc/status.pb.h"
#include "libs/base/status.h"
#include "libs/rpc/door.h"
#include "libs/rpc/private_words.h"
#include "libs/rpc/status_map.h"
#include "libs/rpc/validate.h"

namespace fettle::rpc {
namespace {

namespace rv1 = referral::v1;

rv1::SubmitReferralRequest Good() {
  rv1::SubmitReferralRequest request;
  request.set_request_id("0196d5a0-0001-7000-8000-000000000001");
  request.set_person_id("0196d5a0-0001-7000-8000-000000000002");
  request.mutable_service()->set_service_id("0196d5a0-0001-7000-8000-000000000003");
  request.mutable_service()->set_organisation("SVC01");
  request.mutable_details()->set_referral_date("2026-11-20");
  request.mutable_details()->set_source_code("108161000000109");
  request.set_intake(rv1::INTAKE_DIRECT);
  return request;
}

std::string FirstViolation(const rv1::SubmitReferralRequest& request) {
  const absl::Status status = Validate(request);
  if (status.ok()) return "";
  const auto bad = base::BadRequestOf(status);
  return base::ReasonOf(status) + " " + bad->field_violations(0).field();
}

TEST(ValidateTest, AGoodRequestPasses) { EXPECT_TRUE(Validate(Good()).ok()); }

TEST(ValidateTest, Inv23TextsAreCountedInCharactersAtTheLimitAndOneMore) {
  rv1::SubmitReferralRequest request = Good();
  std::string text;
  for (int i = 0; i < 150; ++i) text += "é";
  request.mutable_details()->mutable_reason()->mutable_text()->set_text(text);
  EXPECT_EQ(FirstViolation(request), "");
  request.mutable_details()->mutable_reason()->mutable_text()->set_text(text + "x");
  EXPECT_EQ(FirstViolation(request), "TEXT_TOO_LONG details.reason.text");
  const absl::Status status = Validate(request);
  EXPECT_EQ(std::string(status.message()).find("éé"), std::string::npos) << "values are not echoed";
}

TEST(ValidateTest, EveryKindOfFaultIsNamedWithItsField) {
  rv1::SubmitReferralRequest request = Good();
  request.clear_person_id();
  EXPECT_EQ(FirstViolation(request), "FIELD_REQUIRED person_id");
  request = Good();
  request.set_request_id("0196D5A0-0001-7000-8000-000000000001");
  EXPECT_EQ(FirstViolation(request), "FORMAT_INVALID request_id");
  request = Good();
  request.mutable_service()->set_organisation("svc01");
  EXPECT_EQ(FirstViolation(request), "FORMAT_INVALID service.organisation");
  request = Good();
  request.mutable_details()->set_source_code("108161000000108");  // INV-16
  EXPECT_EQ(FirstViolation(request), "FORMAT_INVALID details.source_code");
  request = Good();
  request.mutable_details()->set_referral_date("2026-02-30");
  EXPECT_EQ(FirstViolation(request), "FORMAT_INVALID details.referral_date");
  request = Good();
  request.set_intake(static_cast<rv1::Intake>(77));
  EXPECT_EQ(FirstViolation(request), "ENUM_VALUE_UNKNOWN intake");
  request = Good();
  for (int i = 0; i < 21; ++i) {
    request.mutable_details()->add_risks()->set_kind(rv1::RISK_KIND_NONE_KNOWN);
  }
  EXPECT_EQ(FirstViolation(request), "TOO_MANY_ITEMS details.risks");
  request = Good();
  request.mutable_details()->add_risks();
  EXPECT_EQ(FirstViolation(request), "FIELD_REQUIRED details.risks[0].kind");
  request = Good();
  request.mutable_details()->mutable_reason()->mutable_text()->set_sealed("x");
  EXPECT_EQ(FirstViolation(request), "FIELD_NOT_FOR_CALLERS details.reason.text");
}

TEST(PrivateWordsTest, WordsAreSealedForOnePersonAndOpenForNobodyElse) {
  const seal::PersonKey key = seal::MakePersonKey("0196d5a0-0001-7000-8000-000000000002", 1);
  const seal::PersonKey other = seal::MakePersonKey("0196d5a0-0001-7000-8000-000000000009", 1);
  rv1::SubmitReferralRequest request = Good();
  request.mutable_details()->mutable_referrer()->mutable_name()->set_text("CANARY one");
  request.mutable_details()->add_risks()->mutable_description()->set_text("CANARY two");
  EXPECT_TRUE(HasText(request));
  SealWords(request, key);
  EXPECT_FALSE(HasText(request));
  EXPECT_TRUE(HasSealed(request));
  EXPECT_EQ(request.SerializeAsString().find("CANARY"), std::string::npos);
  rv1::SubmitReferralRequest copy = request;
  EXPECT_FALSE(OpenWords(copy, other).ok());
  ASSERT_TRUE(OpenWords(request, key).ok());
  EXPECT_EQ(request.details().risks(0).description().text(), "CANARY two");
  DropText(request);
  EXPECT_FALSE(HasText(request));
}

TEST(StatusMapTest, ARefusalKeepsItsReasonAndGetsItsDomain) {
  const absl::Status refusal = base::Refuse(absl::StatusCode::kFailedPrecondition, "NOT_NOW",
                                            "not now", {{"when", "later"}});
  const grpc::Status sent = ToGrpc(refusal, "referral");
  EXPECT_EQ(sent.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  const absl::Status back = FromGrpc(sent);
  EXPECT_EQ(back.code(), refusal.code());
  const auto info = base::ErrorInfoOf(back);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason(), "NOT_NOW");
  EXPECT_EQ(info->domain(), "referral.fettle");
  EXPECT_EQ(info->metadata().at("when"), "later");
}

TEST(StatusMapTest, WhatBrokeIsNotTold) {
  const grpc::Status sent = ToGrpc(absl::InternalError("SELECT secret FROM table"), "referral");
  EXPECT_EQ(sent.error_message().find("secret"), std::string::npos);
}

TEST(StatusMapTest, DetailsStayUnderTheLimitOfTrailers) {
  base::FieldViolations violations;
  for (int i = 0; i < 200; ++i) {
    violations.Add("field_" + std::string(100, 'x'), "FIELD_REQUIRED", "something");
  }
  absl::Status status = violations.ToStatus();
  status.SetPayload("type.googleapis.com/test.Large", absl::Cord(std::string(8'000, 'x')));
  EXPECT_LE(ToGrpc(status, "referral").error_details().size(),
            static_cast<size_t>(base::kStatusDetailBytesMax));
}

TEST(DoorTest, EveryRpcHasAPolicyAndOnlyItsRolesMayCall) {
  const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
      "fettle.referral.v1.ReferralService");
  rv1::SubmitReferralRequest::descriptor();
  ASSERT_NE(service, nullptr);
  for (int i = 0; i < service->method_count(); ++i) {
    const MethodInfo& method = MethodOf(service->method(i)->input_type());
    EXPECT_EQ(method.service, "referral");
    EXPECT_TRUE(
        Authorise(method, {"anna", false, "A1001",
                           method.policy.roles(0) == "*" ? "any" : method.policy.roles(0), ""})
            .ok());
    EXPECT_EQ(base::ReasonOf(Authorise(method, {"anna", false, "A1001", "stranger", ""})),
              "ROLE_NOT_ALLOWED");
    // A service's name is no role, and a role is no service's name.
    EXPECT_FALSE(Authorise(method, {method.policy.roles(0), true, "", "", ""}).ok());
  }
}

}  // namespace
}  // namespace fettle::rpc
