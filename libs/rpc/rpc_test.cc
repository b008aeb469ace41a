// Goal: the door's parts, each alone: shape, private words, statuses in and out, who may call. The
// whole door against real processes is in tests/e2e.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/cord.h"
#include "fettle/person/v1/person_service.pb.h"
#include "google/rpc/status.pb.h"
#include "libs/base/status.h"
#include "libs/rpc/door.h"
#include "libs/rpc/private_words.h"
#include "libs/rpc/status_map.h"
#include "libs/rpc/validate.h"

namespace fettle::rpc {
namespace {

namespace pv1 = person::v1;

pv1::EnsurePersonRequest Good() {
  pv1::EnsurePersonRequest request;
  request.set_request_id("0196d5a0-0001-7000-8000-000000000001");
  request.mutable_demographics()->mutable_first_name()->set_text("Ada");
  request.mutable_demographics()->mutable_birth_date()->set_text("1959-05-04");
  request.set_number_policy(pv1::NUMBER_POLICY_STRICT);
  request.set_gp_practice("A1001");
  return request;
}

std::string FirstViolation(const google::protobuf::Message& request) {
  const absl::Status status = Validate(request);
  if (status.ok()) return "";
  const auto bad = base::BadRequestOf(status);
  return base::ReasonOf(status) + " " + bad->field_violations(0).field();
}

TEST(ValidateTest, AGoodRequestPasses) { EXPECT_TRUE(Validate(Good()).ok()); }

TEST(ValidateTest, Inv23TextsAreCountedInCharactersAtTheLimitAndOneMore) {
  pv1::EnsurePersonRequest request = Good();
  std::string text;
  for (int i = 0; i < 35; ++i) text += "é";
  request.mutable_demographics()->mutable_first_name()->set_text(text);
  EXPECT_EQ(FirstViolation(request), "");
  request.mutable_demographics()->mutable_first_name()->set_text(text + "x");
  EXPECT_EQ(FirstViolation(request), "TEXT_TOO_LONG demographics.first_name");
  const absl::Status status = Validate(request);
  EXPECT_EQ(std::string(status.message()).find("éé"), std::string::npos) << "values are not echoed";
}

TEST(ValidateTest, EveryKindOfFaultIsNamedWithItsField) {
  pv1::EnsurePersonRequest request = Good();
  request.clear_number_policy();
  EXPECT_EQ(FirstViolation(request), "FIELD_REQUIRED number_policy");
  request = Good();
  request.clear_demographics();
  EXPECT_EQ(FirstViolation(request), "FIELD_REQUIRED demographics");
  request = Good();
  request.set_request_id("0196D5A0-0001-7000-8000-000000000001");
  EXPECT_EQ(FirstViolation(request), "FORMAT_INVALID request_id");
  request = Good();
  request.set_gp_practice("a1001");
  EXPECT_EQ(FirstViolation(request), "FORMAT_INVALID gp_practice");
  request = Good();
  request.mutable_demographics()->mutable_birth_date()->set_text("2026-02-30");
  EXPECT_EQ(FirstViolation(request), "FORMAT_INVALID demographics.birth_date");
  request = Good();
  request.set_number_policy(static_cast<pv1::NumberPolicy>(77));
  EXPECT_EQ(FirstViolation(request), "ENUM_VALUE_UNKNOWN number_policy");
  request = Good();
  for (int i = 0; i < 6; ++i) request.mutable_demographics()->add_address_lines()->set_text("x");
  EXPECT_EQ(FirstViolation(request), "TOO_MANY_ITEMS demographics.address_lines");
  request = Good();
  request.mutable_demographics()->add_address_lines()->set_text(std::string(36, 'x'));
  EXPECT_EQ(FirstViolation(request), "TEXT_TOO_LONG demographics.address_lines[0]");
  request = Good();
  request.mutable_demographics()->mutable_first_name()->set_sealed("x");
  EXPECT_EQ(FirstViolation(request), "FIELD_NOT_FOR_CALLERS demographics.first_name");
}

TEST(PrivateWordsTest, WordsAreSealedForOnePersonAndOpenForNobodyElse) {
  const seal::PersonKey key = seal::MakePersonKey("0196d5a0-0001-7000-8000-000000000002", 1);
  const seal::PersonKey other = seal::MakePersonKey("0196d5a0-0001-7000-8000-000000000009", 1);
  pv1::EnsurePersonRequest request = Good();
  request.mutable_demographics()->mutable_family_name()->set_text("CANARY one");
  request.mutable_demographics()->add_address_lines()->set_text("CANARY two");
  EXPECT_TRUE(HasText(request));
  SealWords(request, key);
  EXPECT_FALSE(HasText(request));
  EXPECT_TRUE(HasSealed(request));
  EXPECT_EQ(request.SerializeAsString().find("CANARY"), std::string::npos);
  pv1::EnsurePersonRequest copy = request;
  EXPECT_FALSE(OpenWords(copy, other).ok());
  ASSERT_TRUE(OpenWords(request, key).ok());
  EXPECT_EQ(request.demographics().address_lines(0).text(), "CANARY two");
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

TEST(StatusMapTest, AStatusThatNoRuleGaveLeavesWithoutItsText) {
  const absl::Status full(absl::StatusCode::kResourceExhausted,
                          "step: database or disk is full (SQLite 13), /data/person/keys.db");
  const grpc::Status sent = ToGrpc(full, "person");
  EXPECT_EQ(sent.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(sent.error_message().find("SQLite"), std::string::npos);
  EXPECT_EQ(ToGrpc(absl::UnavailableError("/a/path"), "person").error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ToGrpc(absl::UnavailableError("/a/path"), "person").error_message().find("path"),
            std::string::npos);
  EXPECT_EQ(ToGrpc(absl::DeadlineExceededError("late"), "person").error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
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
      "fettle.person.v1.PersonService");
  pv1::EnsurePersonRequest::descriptor();
  ASSERT_NE(service, nullptr);
  for (int i = 0; i < service->method_count(); ++i) {
    const MethodInfo& method = MethodOf(service->method(i)->input_type());
    EXPECT_EQ(method.service, "person");
    for (const std::string& role : method.policy.roles()) {
      const std::string any = role == "*" ? "somebody" : role;
      EXPECT_TRUE(Authorise(method, {"anna", false, "A1001", any, ""}).ok());
      // A role is no service's name.
      EXPECT_FALSE(Authorise(method, {any, true, "", "", ""}).ok());
      if (role == "*") {
        EXPECT_FALSE(Authorise(method, {"anna", false, "", "person", ""}).ok());
        continue;
      }
      EXPECT_EQ(base::ReasonOf(Authorise(method, {"anna", false, "A1001", "stranger", ""})),
                "ROLE_NOT_ALLOWED");
    }
    for (const std::string& name : method.policy.services()) {
      EXPECT_TRUE(Authorise(method, {name, true, "", "", ""}).ok());
    }
  }
}

}  // namespace
}  // namespace fettle::rpc
