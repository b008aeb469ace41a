// Goal: every rpc of the API has its path, what comes in becomes its request or is refused by the
// field, and the document says the same. Method: the functions themselves on the contracts.
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fettle/analytics/v1/analytics_service.pb.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "services/gateway/api/openapi.h"
#include "services/gateway/api/problem.h"
#include "services/gateway/api/request.h"
#include "services/gateway/api/routes.h"
#include "services/gateway/calls.h"
#include "services/gateway/fhir/json.h"
#include "services/gateway/message_flow.h"

namespace fettle::gateway {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

namespace rv1 = referral::v1;

constexpr char kId[] = "44444444-4444-4444-8444-444444444444";

class ApiTest : public ::testing::Test {
 protected:
  Routes::Match Find(std::string_view method, std::string_view path) {
    return routes_.Find(method, path, &allowed_);
  }
  std::string RpcOf(std::string_view method, std::string_view path) {
    const Routes::Match match = Find(method, path);
    return match.route == nullptr ? "" : match.route->rpc->name();
  }
  // `field: reason` of each fault.
  std::vector<std::string> Faults(const absl::Status& status) {
    std::vector<std::string> faults;
    const auto bad = base::BadRequestOf(status);
    if (!bad) return faults;
    for (const auto& violation : bad->field_violations()) {
      faults.push_back(absl::StrCat(violation.field(), ": ", violation.reason()));
    }
    return faults;
  }
  absl::Status Fill(std::string_view body, rv1::SubmitReferralRequest& request) {
    return FillFromBody(*Find("POST", "/api/v1/referrals").route, body, request);
  }

  const Routes routes_;
  std::string allowed_;
};

TEST_F(ApiTest, EachPathIsItsRpc) {
  EXPECT_EQ(RpcOf("POST", "/api/v1/referrals"), "SubmitReferral");
  EXPECT_EQ(RpcOf("GET", "/api/v1/referrals"), "ListReferrals");
  EXPECT_EQ(RpcOf("POST", absl::StrCat("/api/v1/referrals/", kId, "/accept")), "AcceptReferral");
  EXPECT_EQ(RpcOf("POST", absl::StrCat("/api/v1/referrals/", kId, "/record-contact")),
            "RecordContact");
  EXPECT_EQ(RpcOf("POST", absl::StrCat("/api/v1/services/", kId, "/update")), "UpdateService");
  const Routes::Match one = Find("GET", absl::StrCat("/api/v1/referrals/", kId));
  ASSERT_NE(one.route, nullptr);
  EXPECT_EQ(one.route->rpc->name(), "GetReferral");
  EXPECT_THAT(one.path_values, ElementsAre(Pair("referral_id", kId)));

  EXPECT_EQ(RpcOf("DELETE", absl::StrCat("/api/v1/referrals/", kId)), "");
  EXPECT_EQ(allowed_, "GET");
  for (const char* path : {"/api/v1/", "/api/v1/referrals/", "/api/v1/referrals//accept",
                           "/api/v1/people", "/api/v1/referrals/1/2/3"}) {
    EXPECT_EQ(RpcOf("POST", path), "") << path;
    EXPECT_THAT(allowed_, IsEmpty()) << path;
  }
}

// A command that is added has its path, or lacks a row.
TEST_F(ApiTest, EveryRpcOfTheReferralServiceForUsersHasOnePath) {
  std::set<std::string> rpcs, paths;
  for (const Route& route : routes_.all()) {
    EXPECT_TRUE(rpcs.insert(route.rpc->full_name()).second) << route.path;
    EXPECT_TRUE(paths.insert(absl::StrCat(route.method, " ", route.path)).second) << route.path;
    EXPECT_EQ(route.method, route.is_command ? "POST" : "GET") << route.path;
    for (const auto* field : route.PathFields()) ASSERT_NE(field, nullptr) << route.path;
  }
  const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
      "fettle.referral.v1.ReferralService");
  for (int i = 0; i < service->method_count(); ++i) {
    const auto* rpc = service->method(i);
    const auto& roles = rpc->options().GetExtension(common::v1::policy).roles();
    const bool for_users =
        std::ranges::any_of(roles, [](auto& role) { return role != "integrator"; });
    EXPECT_EQ(rpcs.contains(rpc->full_name()), for_users) << rpc->name();
  }
}

// What protobuf's own JSON says of a request, it becomes again.
TEST_F(ApiTest, ABodyIsReadAsProtobufWritesIt) {
  rv1::SubmitReferralRequest request;
  request.set_request_id(kId);
  request.set_person_id(kId);
  request.mutable_service()->set_service_id(kId);
  request.mutable_service()->set_kind(rv1::SERVICE_KIND_HEALTH_COACHING);
  request.set_intake(rv1::INTAKE_DIRECT);
  rv1::ReferralDetails& details = *request.mutable_details();
  details.mutable_referrer()->mutable_name()->set_text("Dr \xc3\x89va \"Q\" \xf0\x9f\x8c\xb1");
  details.mutable_reason()->set_code("LONELINESS");
  details.add_risks()->set_kind(rv1::RISK_KIND_NONE_KNOWN);
  details.add_risks()->mutable_description()->set_text("stairs");
  request.mutable_partner_message()->set_body_sha256(std::string("\0\xff\x10", 3));
  std::string body;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  ASSERT_TRUE(google::protobuf::util::MessageToJsonString(request, &body, options).ok());
  rv1::SubmitReferralRequest read;
  const absl::Status filled = Fill(body, read);
  ASSERT_TRUE(filled.ok()) << filled;
  EXPECT_EQ(read.SerializeAsString(), request.SerializeAsString());

  rv1::StartTriageRequest triage;
  const Route& start =
      *Find("POST", absl::StrCat("/api/v1/referrals/", kId, "/start-triage")).route;
  for (const char* version : {R"({"expected_version":12})", R"({"expected_version":"12"})"}) {
    triage.Clear();
    ASSERT_TRUE(FillFromBody(start, version, triage).ok()) << version;
    EXPECT_EQ(triage.expected_version(), 12);
  }
  triage.Clear();
  EXPECT_TRUE(FillFromBody(start, "", triage).ok()) << "nothing is needed beside the path";
}

TEST_F(ApiTest, EveryFaultOfABodyIsToldByItsField) {
  rv1::SubmitReferralRequest request;
  const absl::Status status =
      Fill(R"({"person_id": 7, "intake": 1, "service": [], "details": {"risks": {}, "reason":
           {"text": {"text": "x", "sealed": "eHg="}}, "Private Words": 1}, "who": null})",
           request);
  EXPECT_THAT(Faults(status),
              ElementsAre("person_id: FIELD_TYPE_NOT_VALID", "intake: FIELD_TYPE_NOT_VALID",
                          "service: FIELD_TYPE_NOT_VALID", "details.risks: FIELD_TYPE_NOT_VALID",
                          "details.reason.text: FIELD_UNKNOWN", "details: FIELD_UNKNOWN",
                          "body: FIELD_UNKNOWN"));
  EXPECT_THAT(status.ToString(), Not(HasSubstr("Private Words"))) << "nothing is echoed";

  const std::pair<const char*, const char*> kBodies[] = {
      {R"([])", "body: FIELD_TYPE_NOT_VALID"},
      {R"({"intake": "INTAKE_NEVER"})", "intake: FIELD_TYPE_NOT_VALID"},
      {R"({"details": {"risks": [{"kind": "RISK_KIND_OTHER"}, 3]}})",
       "details.risks[1]: FIELD_TYPE_NOT_VALID"},
      {R"({"partner_message": {"body_sha256": "%"}})",
       "partner_message.body_sha256: FIELD_TYPE_NOT_VALID"},
      {R"({"personId": "x"})", "body: FIELD_UNKNOWN"},
  };
  for (const auto& [body, fault] : kBodies) {
    EXPECT_THAT(Faults(Fill(body, request)), ElementsAre(fault)) << body;
  }
  for (const char* body : {"{", "{\"a\":1,\"a\":2}", "{\"person_id\":\"\\ud800\"}", "\xff"}) {
    EXPECT_EQ(base::ReasonOf(Fill(body, request)), "JSON_NOT_READABLE") << body;
  }
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"details\":";
  EXPECT_EQ(base::ReasonOf(Fill(deep, request)), "JSON_NOT_READABLE");
}

TEST_F(ApiTest, TheIdOfThePathIsNotInTheBody) {
  rv1::StartTriageRequest request;
  const Route& route =
      *Find("POST", absl::StrCat("/api/v1/referrals/", kId, "/start-triage")).route;
  EXPECT_THAT(Faults(FillFromBody(route, absl::StrCat("{\"referral_id\":\"", kId, "\"}"), request)),
              ElementsAre("body: FIELD_UNKNOWN"));
}

TEST_F(ApiTest, AQueryIsItsParametersAndNoOthers) {
  const Route& route = *Find("GET", "/api/v1/referrals").route;
  rv1::ListReferralsRequest request;
  const absl::Status filled = FillFromQuery(
      route, "worker_id=wendy%20w&page_size=20&status=REFERRAL_STATUS_PAUSED", request);
  ASSERT_TRUE(filled.ok()) << filled;
  EXPECT_EQ(request.worker_id(), "wendy w");
  EXPECT_EQ(request.page().page_size(), 20);
  EXPECT_EQ(request.status(), rv1::REFERRAL_STATUS_PAUSED);
  ASSERT_TRUE(FillFromQuery(route, "pooled=true", request).ok());
  EXPECT_TRUE(request.pooled());

  const std::pair<const char*, const char*> kQueries[] = {
      {"nhs_number=1", "query: PARAMETER_NOT_VALID"},
      {"pooled=true&pooled=true", "query: PARAMETER_NOT_VALID"},
      {"pooled=yes", "pooled: FIELD_TYPE_NOT_VALID"},
      {"page_size=many", "page_size: FIELD_TYPE_NOT_VALID"},
      {"page_size=99999999999", "page_size: FIELD_TYPE_NOT_VALID"},
      {"status=PAUSED", "status: FIELD_TYPE_NOT_VALID"},
      {"worker_id=%ff", "worker_id: PARAMETER_NOT_VALID"},
  };
  for (const auto& [query, fault] : kQueries) {
    request.Clear();
    EXPECT_THAT(Faults(FillFromQuery(route, query, request)), ElementsAre(fault)) << query;
  }
}

TEST_F(ApiTest, ParametersOfAQueryHaveNamesOfTheirOwn) {
  for (const Route& route : routes_.all()) {
    std::set<std::string> names;
    if (route.is_command) continue;
    for (const QueryParameter& parameter : QueryParametersOf(route)) {
      EXPECT_TRUE(names.insert(parameter.name).second) << route.path << " " << parameter.name;
    }
  }
}

TEST_F(ApiTest, AProblemSaysTheRuleTheFieldAndWhatWouldDo) {
  const auto problem_of = [](const http::Response& response) {
    EXPECT_EQ(response.content_type, kProblemJson);
    return ParseJson(response.body)->as_object();
  };
  const http::Response invalid =
      ProblemOf(base::InvalidField("details.reason.text", "TEXT_TOO_LONG", "at most 150"));
  const json::object problem = problem_of(invalid);
  EXPECT_EQ(invalid.status, 400);
  EXPECT_EQ(problem.at("status").as_int64(), 400);
  EXPECT_EQ(problem.at("title").as_string(), "Bad Request");
  EXPECT_EQ(problem.at("type").as_string(), "urn:fettle:problem:TEXT_TOO_LONG");
  const json::object& error = problem.at("errors").as_array().at(0).as_object();
  EXPECT_EQ(error.at("field").as_string(), "details.reason.text");
  EXPECT_EQ(error.at("reason").as_string(), "TEXT_TOO_LONG");
  EXPECT_EQ(error.at("accepted").as_string(), "at most 150");

  const http::Response moved = ProblemOf(base::Refuse(absl::StatusCode::kAborted, kVersionMismatch,
                                                      "another", {{"current_version", "7"}}));
  EXPECT_EQ(moved.status, 412);
  EXPECT_EQ(problem_of(moved).at("metadata").as_object().at("current_version").as_string(), "7");

  const http::Response later =
      ProblemOf(base::Unavailable("EVIDENCE_UNAVAILABLE", "later", absl::Milliseconds(1'200)));
  EXPECT_EQ(later.status, 503);
  EXPECT_THAT(later.headers, Contains(Pair("Retry-After", "2")));

  const http::Response full =
      ProblemOf(base::Exhausted("JOURNAL_QUEUE_FULL", "full", absl::Milliseconds(200)));
  EXPECT_EQ(full.status, 429);
  EXPECT_THAT(full.headers, Contains(Pair("Retry-After", "1")));
  EXPECT_EQ(problem_of(full).at("reason").as_string(), "JOURNAL_QUEUE_FULL");

  const http::Response stranger =
      ProblemOf(base::Refuse(absl::StatusCode::kUnauthenticated, "TOKEN_EXPIRED", "expired"));
  EXPECT_EQ(stranger.status, 401);
  EXPECT_THAT(stranger.headers, Contains(Pair("WWW-Authenticate", "Bearer")));

  const http::Response ours = ProblemOf(absl::InternalError("/var/lib/secret: cannot read"));
  EXPECT_EQ(ours.status, 500);
  EXPECT_THAT(ours.body, Not(HasSubstr("secret")));
}

// Partners and programs are told alike when to come again.
TEST_F(ApiTest, WhoComesTooSoonIsToldWhenToComeAgain) {
  for (const http::Response& response :
       {Refused(base::Exhausted("JOURNAL_QUEUE_FULL", "full", absl::Seconds(1))),
        ProblemOf(base::Exhausted("JOURNAL_QUEUE_FULL", "full", absl::Seconds(1)))}) {
    EXPECT_EQ(response.status, 429);
    EXPECT_THAT(response.headers, Contains(Pair("Retry-After", "1")));
  }
}

TEST_F(ApiTest, TheDocumentHasTheRulesOfTheContracts) {
  const json::object document = ParseJson(OpenApiDocument(routes_))->as_object();
  const json::object& paths = document.at("paths").as_object();
  EXPECT_EQ(paths.at("/api/v1/referrals/{referral_id}").as_object().size(), 1u);
  const json::object& schemas = document.at("components").as_object().at("schemas").as_object();
  const json::object& reason =
      schemas.at("referral.ReferralReasonInput").as_object().at("properties").as_object();
  EXPECT_EQ(reason.at("text").at_pointer("/properties/text/maxLength").as_int64(), 150);
  EXPECT_FALSE(schemas.at("referral.ReferralReason")
                   .at_pointer("/properties/text/properties/text")
                   .as_object()
                   .contains("maxLength"))
      << "answers are described, not ruled";
  const json::value& triage = paths.at("/api/v1/referrals/{referral_id}/record-triage-outcome")
                                  .at_pointer("/post/requestBody/content/application~1json/schema");
  EXPECT_FALSE(triage.as_object().at("additionalProperties").as_bool());
  EXPECT_FALSE(triage.as_object().at("properties").as_object().contains("referral_id"));
  EXPECT_THAT(json::serialize(triage.as_object().at("required")), HasSubstr("outcome"));
  EXPECT_THAT(json::serialize(triage.as_object().at("required")), Not(HasSubstr("request_id")));
}

// Every operation says what it does; of parameters, values, messages and fields, one each is read.
TEST_F(ApiTest, TheDocumentHasTheWordsOfTheContracts) {
  const std::string text = OpenApiDocument(routes_);
  const json::object document = ParseJson(text)->as_object();
  const json::object& paths = document.at("paths").as_object();
  for (const auto& [path, operations] : paths) {
    for (const auto& [method, operation] : operations.as_object()) {
      const std::string summary(operation.at("summary").as_string());
      EXPECT_GT(summary.size(), 10u) << path;
      EXPECT_THAT(summary, Not(testing::EndsWith("."))) << path;
      EXPECT_THAT(std::string(operation.at("description").as_string()),
                  testing::StartsWith(summary))
          << path;
    }
  }
  const json::value& list = paths.at("/api/v1/referrals").at("get");
  EXPECT_EQ(list.at("summary").as_string(),
            "The referrals of the caller's organisation: of one worker, or all, in one state, "
            "newest first");
  bool is_described = false;
  for (const json::value& parameter : list.at("parameters").as_array()) {
    if (parameter.at("name").as_string() != "status") continue;
    is_described = true;
    EXPECT_THAT(std::string(parameter.at("description").as_string()),
                testing::AllOf(HasSubstr("Only those in this state"),
                               HasSubstr("REFERRAL_STATUS_DECLINED: cancelled: the person")));
  }
  EXPECT_TRUE(is_described);
  const json::object& schemas = document.at("components").as_object().at("schemas").as_object();
  EXPECT_EQ(
      schemas.at("referral.Delivery").at_pointer("/properties/attempts/description").as_string(),
      "Since it was requested, or sent again.");
  EXPECT_THAT(std::string(schemas.at("referral.Referral").at("description").as_string()),
              Not(IsEmpty()));
  // What is for us alone stays here: numbers of our rules, remarks to tools.
  for (const char* ours : {"INV-", "buf:", "lint", "@", "NOLINT"}) {
    EXPECT_THAT(text, Not(HasSubstr(ours)));
  }
}

}  // namespace
}  // namespace fettle::gateway
