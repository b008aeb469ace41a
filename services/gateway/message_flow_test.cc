// A message from HTTP to the commands behind it. The services are stand-ins that keep what they
// were asked and answer what a test tells them; everything in between is real.
#include "services/gateway/message_flow.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <atomic>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/access/issuer.h"
#include "libs/base/clock.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/jose.h"
#include "libs/http/task_testing.h"
#include "libs/journal/memory_store.h"
#include "libs/rpc/status_map.h"
#include "services/gateway/fhir/capability.h"
#include "services/gateway/fhir/json.h"
#include "services/gateway/http/router.h"

namespace fettle::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kRequestId[] = "11111111-1111-4111-8111-111111111111";
constexpr char kCorrelationId[] = "22222222-2222-4222-8222-222222222222";
constexpr char kPersonId[] = "33333333-3333-4333-8333-333333333333";
constexpr char kReferralId[] = "44444444-4444-4444-8444-444444444444";

// What every stand-in does: keeps the call, answers with the status that is next for it.
class Recorder {
 public:
  grpc::Status Take(const std::string& name, grpc::ServerContext* context,
                    const google::protobuf::Message& request) {
    calls.push_back(name);
    requests[name] = request.SerializeAsString();
    const auto bearer = context->client_metadata().find("authorization");
    if (bearer == context->client_metadata().end()) calls.push_back("NO TOKEN");
    if (replayed == name) context->AddTrailingMetadata(rpc::kReplayedHeader, "true");
    auto& waiting = refusals[name];
    if (waiting.empty()) return grpc::Status::OK;
    const absl::Status next = waiting.front();
    waiting.erase(waiting.begin());
    return rpc::ToGrpc(next, "test");
  }

  std::vector<std::string> calls;
  std::map<std::string, std::string> requests;
  std::map<std::string, std::vector<absl::Status>> refusals;
  std::string replayed;
};

class FakePerson final : public person::v1::PersonService::Service {
 public:
  explicit FakePerson(Recorder* recorder) : recorder_(recorder) {}
  grpc::Status EnsurePerson(grpc::ServerContext* context,
                            const person::v1::EnsurePersonRequest* request,
                            person::v1::EnsurePersonResponse* response) override {
    response->set_person_id(kPersonId);
    return recorder_->Take("EnsurePerson", context, *request);
  }
  grpc::Status UpdatePerson(grpc::ServerContext* context,
                            const person::v1::UpdatePersonRequest* request,
                            person::v1::UpdatePersonResponse*) override {
    return recorder_->Take("UpdatePerson", context, *request);
  }

 private:
  Recorder* const recorder_;
};

class FakeReferral final : public referral::v1::ReferralService::Service {
 public:
  explicit FakeReferral(Recorder* recorder) : recorder_(recorder) {}
  grpc::Status FindPartnerMessage(grpc::ServerContext* context,
                                  const referral::v1::FindPartnerMessageRequest* request,
                                  referral::v1::FindPartnerMessageResponse* response) override {
    *response = found;
    return recorder_->Take("FindPartnerMessage", context, *request);
  }
  grpc::Status SubmitReferral(grpc::ServerContext* context,
                              const referral::v1::SubmitReferralRequest* request,
                              referral::v1::SubmitReferralResponse* response) override {
    response->set_referral_id(kReferralId);
    return recorder_->Take("SubmitReferral", context, *request);
  }
  grpc::Status ProvideMissingDetails(grpc::ServerContext* context,
                                     const referral::v1::ProvideMissingDetailsRequest* request,
                                     referral::v1::ProvideMissingDetailsResponse*) override {
    return recorder_->Take("ProvideMissingDetails", context, *request);
  }
  grpc::Status GetReferral(grpc::ServerContext* context,
                           const referral::v1::GetReferralRequest* request,
                           referral::v1::GetReferralResponse* response) override {
    response->mutable_referral()->set_referral_id(kReferralId);
    response->mutable_referral()->set_version(7);
    response->mutable_referral()->set_status(referral::v1::REFERRAL_STATUS_PAUSED);
    response->mutable_referral()->set_person_id(kPersonId);
    response->mutable_referral()->add_missing_items("first_name");
    response->mutable_referral()->mutable_care()->set_plan_version(2);
    response->mutable_referral()->mutable_care()->mutable_plan()->set_agreement(agreement);
    return recorder_->Take("GetReferral", context, *request);
  }
  grpc::Status ListReferrals(grpc::ServerContext* context,
                             const referral::v1::ListReferralsRequest* request,
                             referral::v1::ListReferralsResponse* response) override {
    response->add_referrals()->set_referral_id(kReferralId);
    response->mutable_referrals(0)->set_status(referral::v1::REFERRAL_STATUS_IN_TRIAGE);
    response->set_next_page_token("next");
    return recorder_->Take("ListReferrals", context, *request);
  }
  grpc::Status ListServices(grpc::ServerContext* context,
                            const referral::v1::ListServicesRequest* request,
                            referral::v1::ListServicesResponse* response) override {
    response->add_services()->mutable_description()->set_name("Link workers");
    return recorder_->Take("ListServices", context, *request);
  }
  grpc::Status WithdrawReferral(grpc::ServerContext* context,
                                const referral::v1::WithdrawReferralRequest* request,
                                referral::v1::WithdrawReferralResponse*) override {
    return recorder_->Take("WithdrawReferral", context, *request);
  }
  grpc::Status MarkEnteredInError(grpc::ServerContext* context,
                                  const referral::v1::MarkEnteredInErrorRequest* request,
                                  referral::v1::MarkEnteredInErrorResponse*) override {
    return recorder_->Take("MarkEnteredInError", context, *request);
  }
  grpc::Status RecordPartnerResponse(
      grpc::ServerContext* context, const referral::v1::RecordPartnerResponseRequest* request,
      referral::v1::RecordPartnerResponseResponse* response) override {
    response->set_referral_id(kReferralId);
    return recorder_->Take("RecordPartnerResponse", context, *request);
  }

  referral::v1::FindPartnerMessageResponse found;
  referral::v1::PlanAgreement agreement = referral::v1::PLAN_AGREEMENT_PERSON;

 private:
  Recorder* const recorder_;
};

class FakeAnalytics final : public analytics::v1::AnalyticsService::Service {
 public:
  explicit FakeAnalytics(Recorder* recorder) : recorder_(recorder) {}
  grpc::Status GetFigures(grpc::ServerContext* context,
                          const analytics::v1::GetFiguresRequest* request,
                          analytics::v1::GetFiguresResponse* response) override {
    *response = figures;
    ++asked;
    absl::SleepFor(delay);
    return recorder_->Take("GetFigures", context, *request);
  }
  grpc::Status GetJourney(grpc::ServerContext* context,
                          const analytics::v1::GetJourneyRequest* request,
                          analytics::v1::GetJourneyResponse* response) override {
    *response = journey;
    return recorder_->Take("GetJourney", context, *request);
  }

  std::atomic<int> asked = 0;
  absl::Duration delay;
  analytics::v1::GetFiguresResponse figures;
  analytics::v1::GetJourneyResponse journey;

 private:
  Recorder* const recorder_;
};

std::string ReadExample(const std::string& name) {
  std::ifstream in(std::string(FETTLE_BARS_EXAMPLES) + "/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

constexpr char kTargets[] = R"(
number_policy = "lenient"
[[service]]
dos_service_id = "111111111"
service_id = "55555555-5555-4555-8555-555555555555"
organisation = "RYE"
name = "Link workers"
)";

class MessageFlowTest : public ::testing::Test {
 protected:
  MessageFlowTest()
      : key_(crypto::JwsKey::Generate("key")),
        person_(&recorder_),
        referral_(&recorder_),
        analytics_(&recorder_) {
    verifier_ = std::make_unique<access::TokenVerifier>(
        *crypto::JwkSet::FromJson(absl::StrCat("{\"keys\":[", key_.PublicJwk(), "]}")),
        access::TokenOptions{.issuer = "issuer", .audience = "fettle"}, &clock_);
    grpc::ServerBuilder builder;
    builder.RegisterService(&person_);
    builder.RegisterService(&referral_);
    builder.RegisterService(&analytics_);
    server_ = builder.BuildAndStart();
    const auto channel = server_->InProcessChannel({});
    metrics_ = *base::Metrics::Create(std::nullopt);
    store_ = journal::NewMemoryStore();
    journal_ = *journal::Journal::Open(journal::AccessOnlyModel("gateway"), {}, store_.get(),
                                       &clock_, metrics_.get());
    MessageFlow::Parts parts;
    parts.person = person::v1::PersonService::NewStub(channel);
    parts.referral = referral::v1::ReferralService::NewStub(channel);
    parts.tokens = verifier_.get();
    parts.journal = journal_.get();
    parts.targets = *Targets::Parse(kTargets, "targets");
    parts.versions = {"1.1.0-alpha", "1.0.0-alpha"};
    parts.calls_max = absl::Seconds(2);
    flow_ = std::make_unique<MessageFlow>(std::move(parts));
    OpenPages(/*figures_age_max=*/absl::ZeroDuration());
    Good();
  }

  void OpenPages(absl::Duration figures_age_max) {
    pages_ = std::make_unique<PageFlow>(PageFlow::Parts{
        .analytics = analytics::v1::AnalyticsService::NewStub(server_->InProcessChannel({})),
        .tokens = verifier_.get(),
        .journal = journal_.get(),
        .secure_cookie = true,
        .calls_max = absl::Seconds(2),
        .figures_age_max = figures_age_max});
    reads_ = std::make_unique<ReadFlow>(ReadFlow::Parts{
        .referral = referral::v1::ReferralService::NewStub(server_->InProcessChannel({})),
        .tokens = verifier_.get(),
        .journal = journal_.get(),
        .base_url = "https://fettle.example/FHIR/R4",
        .calls_max = absl::Seconds(2)});
    router_ = std::make_unique<Router>(flow_.get(), reads_.get(), pages_.get(), Assets(), "{}",
                                       metrics_.get());
  }

  void Good() {
    request_ = {};
    request_.method = "POST";
    request_.target = "/FHIR/R4/$process-message";
    const auto encoded = [](std::string text) { return absl::Base64Escape(text); };
    request_.headers = {
        {"Authorization", absl::StrCat("Bearer ", Token("RND", "integrator"))},
        {"X-Request-Id", kRequestId},
        {"X-Correlation-Id", kCorrelationId},
        {"NHSD-Target-Identifier",
         encoded(R"({"value":"111111111","system":"https://fhir.nhs.uk/Id/dos-service-id"})")},
        {"NHSD-End-User-Organisation",
         encoded(
             R"({"resourceType":"Organization","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"RND"}]})")},
        {"NHSD-Requesting-Software", encoded(R"({"resourceType":"Device"})")},
    };
    request_.body = ReadExample("ValidationRequest.json");
  }

  std::string Token(const std::string& organisation, const std::string& role) {
    return *access::MintToken(key_, "issuer", "fettle",
                              {.subject = "partner",
                               .user_name = "",
                               .organisation = organisation,
                               .role = role,
                               .purpose = "direct_care",
                               .expires = {}},
                              clock_.Now(), absl::Minutes(5));
  }

  void SetHeader(const std::string& name, const std::string& value) {
    std::erase_if(request_.headers, [&](const auto& header) { return header.first == name; });
    if (!value.empty()) request_.headers.emplace_back(name, value);
  }

  // The body with MessageHeader.reason and ServiceRequest.status changed.
  void SetWorkflow(const char* reason, const char* status) {
    json::value body = *ParseJson(request_.body);
    for (json::value& entry : body.at("entry").as_array()) {
      json::object& resource = entry.at("resource").as_object();
      if (resource.at("resourceType").as_string() == "MessageHeader") {
        resource["reason"].at("coding").at(0).as_object()["code"] = reason;
      }
      if (resource.at("resourceType").as_string() == "ServiceRequest") resource["status"] = status;
    }
    request_.body = json::serialize(body);
  }

  // "409 REC_CONFLICT duplicate", or "200 " and the referral's id.
  std::string Send() {
    recorder_.calls.clear();
    response_ = http::RunTask(router_->Handle(std::make_shared<http::Request>(request_)));
    for (const auto& [name, value] : response_.headers) {
      if (name == "X-Request-Id") echoed_request_id_ = value;
    }
    const json::value body = *ParseJson(response_.body);
    if (response_.status == 200) {
      for (const json::value& entry : body.at("entry").as_array()) {
        const json::value& resource = entry.at("resource");
        if (resource.at("resourceType").as_string() == "ServiceRequest") {
          return absl::StrCat("200 ", resource.at("id").as_string().c_str());
        }
      }
    }
    const json::value& issue = body.at("issue").at(0);
    return absl::StrCat(response_.status, " ",
                        issue.at("details").at("coding").at(0).at("code").as_string().c_str(), " ",
                        issue.at("code").as_string().c_str());
  }

  http::Response Open(const std::string& target, http::Headers headers = {}) {
    recorder_.calls.clear();
    return http::RunTask(router_->Handle(
        std::make_shared<http::Request>(http::Request{"GET", target, std::move(headers), ""})));
  }

  // The access records of the gateway's own journal since the last look.
  std::vector<std::string> Recorded() {
    std::vector<std::string> records;
    const auto reader = *journal_->NewReader();
    EXPECT_TRUE(reader->Refresh().ok());
    const auto items = *reader->ReadLog(journal::Log::kAccess, seen_ + 1, 100);
    for (const journal::StoredEvent& item : items) {
      journal::v1::AccessEvent record;
      EXPECT_TRUE(record.ParseFromString(item.value));
      EXPECT_EQ(record.access_recorded().outcome(), journal::v1::OUTCOME_REFUSED);
      records.push_back(absl::StrCat(record.access_recorded().method(), " ",
                                     record.access_recorded().reason(), " ",
                                     record.header().organisation(), " ", record.header().role(),
                                     " ", record.header().request_id()));
      seen_ = item.position;
    }
    return records;
  }

  template <class Request>
  Request Sent(const std::string& name) {
    Request request;
    EXPECT_TRUE(request.ParseFromString(recorder_.requests[name]));
    return request;
  }

  base::SystemClock clock_;
  crypto::JwsKey key_;
  Recorder recorder_;
  FakePerson person_;
  FakeReferral referral_;
  FakeAnalytics analytics_;
  std::unique_ptr<access::TokenVerifier> verifier_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<base::Metrics> metrics_;
  std::unique_ptr<journal::Store> store_;
  std::unique_ptr<journal::Journal> journal_;
  int64_t seen_ = 0;
  std::unique_ptr<MessageFlow> flow_;
  std::unique_ptr<ReadFlow> reads_;
  std::unique_ptr<PageFlow> pages_;
  std::unique_ptr<Router> router_;
  http::Request request_;
  http::Response response_;
  std::string echoed_request_id_;
};

const std::string kTaken = absl::StrCat("200 ", kReferralId);

TEST_F(MessageFlowTest, NewMessageBecomesAReferral) {
  EXPECT_EQ(Send(), kTaken);
  EXPECT_THAT(recorder_.calls, ElementsAre("FindPartnerMessage", "EnsurePerson", "SubmitReferral"));
  const auto ensure = Sent<person::v1::EnsurePersonRequest>("EnsurePerson");
  EXPECT_EQ(ensure.request_id(),
            crypto::UuidV5(kRequestId, absl::StrCat(kCorrelationId, "/ensure-person")));
  EXPECT_EQ(ensure.demographics().family_name().text(), "Jones");
  EXPECT_EQ(ensure.number_policy(), person::v1::NUMBER_POLICY_LENIENT);
  const auto submit = Sent<referral::v1::SubmitReferralRequest>("SubmitReferral");
  EXPECT_EQ(submit.request_id(),
            crypto::UuidV5(kRequestId, absl::StrCat(kCorrelationId, "/submit-referral")));
  EXPECT_EQ(submit.person_id(), kPersonId);
  EXPECT_EQ(submit.service().organisation(), "RYE");
  EXPECT_EQ(submit.intake(), referral::v1::INTAKE_BARS_INCOMPLETE_ALLOWED);
  EXPECT_EQ(submit.correlation_id(), kCorrelationId);
  EXPECT_EQ(submit.partner_message().body().text(), request_.body);
  EXPECT_EQ(submit.partner_message().body_sha256(), crypto::Sha256(request_.body));
}

// INV-149.
TEST_F(MessageFlowTest, RepeatedMessageIsADuplicateOrAConflict) {
  referral_.found.set_referral_id(kReferralId);
  referral_.found.set_same_body(true);
  EXPECT_EQ(Send(), "409 REC_CONFLICT duplicate");
  EXPECT_THAT(recorder_.calls, ElementsAre("FindPartnerMessage"));
  referral_.found.set_same_body(false);
  EXPECT_EQ(Send(), "409 REC_CONFLICT conflict");
  // Twice at the same moment: the second is an answer given again.
  referral_.found.Clear();
  recorder_.replayed = "SubmitReferral";
  EXPECT_EQ(Send(), "409 REC_CONFLICT duplicate");
}

// INV-148: the ids are demanded, and echoed in every answer.
TEST_F(MessageFlowTest, IdsAreRequiredAndEchoed) {
  EXPECT_EQ(Send(), kTaken);
  EXPECT_EQ(echoed_request_id_, kRequestId);
  SetHeader("X-Correlation-Id", "");
  EXPECT_EQ(Send(), "400 REC_BAD_REQUEST required");
  EXPECT_EQ(echoed_request_id_, kRequestId);
  SetHeader("X-Request-Id", "17");
  SetHeader("X-Correlation-Id", kCorrelationId);
  EXPECT_EQ(Send(), "400 REC_BAD_REQUEST invalid");
  EXPECT_EQ(echoed_request_id_, "17");
  EXPECT_TRUE(recorder_.calls.empty());
}

// INV-153.
TEST_F(MessageFlowTest, TokenOrganisationAndTargetMustFit) {
  SetHeader("Authorization", "");
  EXPECT_EQ(Send(), "401 REC_UNAUTHORIZED forbidden");
  EXPECT_EQ(echoed_request_id_, kRequestId);
  SetHeader("Authorization", "Bearer x.y.z");
  EXPECT_EQ(Send(), "401 REC_UNAUTHORIZED forbidden");
  SetHeader("Authorization", absl::StrCat("Bearer ", Token("RYE", "integrator")));
  EXPECT_EQ(Send(), "403 REC_FORBIDDEN forbidden");
  Good();
  SetHeader(
      "NHSD-Target-Identifier",
      absl::Base64Escape(R"({"value":"9","system":"https://fhir.nhs.uk/Id/dos-service-id"})"));
  EXPECT_EQ(Send(), "404 REC_NOT_FOUND not-found");
  EXPECT_TRUE(recorder_.calls.empty());
}

// INV-131: who is known and refused is recorded once, here or by the service that refused; who is
// not known is not.
TEST_F(MessageFlowTest, ARefusalOfAKnownCallerLeavesAnAccessRecord) {
  const auto record = [](const std::string& reason, const std::string& rest) {
    return absl::StrCat("POST /FHIR/R4/$process-message ", reason, " ", rest);
  };
  const std::string partner = absl::StrCat("RND integrator ", kRequestId);
  EXPECT_EQ(Send(), kTaken);
  EXPECT_THAT(Recorded(), IsEmpty());
  SetHeader("Authorization", "Bearer x.y.z");
  EXPECT_EQ(Send(), "401 REC_UNAUTHORIZED forbidden");
  EXPECT_THAT(Recorded(), IsEmpty());
  SetHeader("Authorization", absl::StrCat("Bearer ", Token("RYE", "link_worker")));
  EXPECT_EQ(Send(), "403 REC_FORBIDDEN forbidden");
  EXPECT_THAT(Recorded(), ElementsAre(record("ORGANISATION_NOT_OF_TOKEN",
                                             absl::StrCat("RYE link_worker ", kRequestId))));
  Good();
  SetHeader(
      "NHSD-Target-Identifier",
      absl::Base64Escape(R"({"value":"9","system":"https://fhir.nhs.uk/Id/dos-service-id"})"));
  EXPECT_EQ(Send(), "404 REC_NOT_FOUND not-found");
  EXPECT_THAT(Recorded(), ElementsAre(record("TARGET_NOT_FOUND", partner)));
  Good();
  SetHeader("X-Request-Id", "no UUID");
  EXPECT_EQ(Send(), "400 REC_BAD_REQUEST invalid");
  EXPECT_THAT(Recorded(), ElementsAre(record("HEADER_NOT_VALID", "RND integrator ")));
  Good();
  request_.body = "{";
  EXPECT_EQ(Send(), "400 REC_BAD_REQUEST invalid");
  EXPECT_THAT(Recorded(), ElementsAre(record("JSON_NOT_READABLE", partner)));

  // What was decided on a service's answer.
  Good();
  SetWorkflow("update", "revoked");
  EXPECT_EQ(Send(), "404 REC_NOT_FOUND not-found");
  EXPECT_THAT(Recorded(), ElementsAre(record("CASE_NOT_FOUND", partner)));
  referral_.found.set_referral_id(kReferralId);
  EXPECT_EQ(Send(), "409 REC_CONFLICT conflict");
  EXPECT_THAT(Recorded(), ElementsAre(record("MESSAGE_CONFLICT", partner)));
  referral_.found.set_same_body(true);
  EXPECT_EQ(Send(), "409 REC_CONFLICT duplicate");
  EXPECT_THAT(Recorded(), IsEmpty()) << "the sender reads it as success";

  // What the service refused, it recorded.
  Good();
  recorder_.refusals["FindPartnerMessage"] = {
      base::Refuse(absl::StatusCode::kPermissionDenied, "ROLE_NOT_ALLOWED", "integrators only")};
  EXPECT_EQ(Send(), "403 REC_FORBIDDEN forbidden");
  EXPECT_THAT(Recorded(), IsEmpty());

  const http::Headers cookie = {
      {"Cookie", absl::StrCat("fettle_token=", Token("RYE", "link_worker"))}};
  for (const char* target : {"/journeys/17", "/journeys?id=17"}) {
    EXPECT_EQ(Open(target).status, 404);
    EXPECT_THAT(Recorded(), IsEmpty());
    EXPECT_EQ(Open(target, cookie).status, 404);
    EXPECT_THAT(Recorded(),
                ElementsAre("GET /journeys/<correlation id> JOURNEY_ID_INVALID RYE link_worker "));
  }
}

// INV-132: what cannot be recorded is not answered.
TEST_F(MessageFlowTest, ARefusalThatCannotBeRecordedIsNotGiven) {
  journal_->Stop();
  request_.body = "{";
  EXPECT_EQ(Send(), "503 REC_SERVICE_UNAVAILABLE transient");
  EXPECT_EQ(
      Open("/journeys/17", {{"Cookie", absl::StrCat("fettle_token=", Token("RYE", "x"))}}).status,
      503);
}

// INV-163.
TEST_F(MessageFlowTest, WhatCannotBeReadIsRefusedBeforeAnythingHappens) {
  const std::pair<std::string, std::string> bodies[] = {
      {"", "400 REC_BAD_REQUEST invalid"},
      {"null", "400 REC_BAD_REQUEST invalid"},
      {"{", "400 REC_BAD_REQUEST invalid"},
      {std::string(500'000, '['), "400 REC_BAD_REQUEST invalid"},
      {"{\"resourceType\":\"Bundle\",\"resourceType\":\"Bundle\"}", "400 REC_BAD_REQUEST invalid"},
      {ReadExample("DocumentReference-unparsable.json"), "400 REC_BAD_REQUEST invalid"},
      {ReadExample("Booking.json"), "422 REC_UNPROCESSABLE_ENTITY not-supported"},
  };
  for (const auto& [body, expected] : bodies) {
    request_.body = body;
    EXPECT_EQ(Send(), expected) << body.substr(0, 100);
    EXPECT_TRUE(recorder_.calls.empty());
  }
  Good();
  SetWorkflow("new", "revoked");
  EXPECT_EQ(Send(), "400 REC_BAD_REQUEST invariant");
}

// INV-158, 150: the referral is asked first; what it refuses does not reach the person.
TEST_F(MessageFlowTest, UpdateBringsDetailsAndDemographics) {
  SetWorkflow("update", "on-hold");
  EXPECT_EQ(Send(), "404 REC_NOT_FOUND not-found");
  referral_.found.set_open_referral_id(kReferralId);
  EXPECT_EQ(Send(), kTaken);
  EXPECT_THAT(recorder_.calls, ElementsAre("FindPartnerMessage", "ProvideMissingDetails",
                                           "GetReferral", "UpdatePerson", "ProvideMissingDetails"));
  EXPECT_EQ(Sent<person::v1::UpdatePersonRequest>("UpdatePerson").person_id(), kPersonId);

  // The adjustments that a sender knows of take no recorded need away; somebody new has them.
  request_.body = absl::StrReplaceAll(request_.body, {{"\"SS\"", "\"RA\""}});
  EXPECT_EQ(Send(), kTaken);
  EXPECT_FALSE(Sent<person::v1::UpdatePersonRequest>("UpdatePerson").demographics().has_profile());
  SetWorkflow("new", "active");
  request_.body = absl::StrReplaceAll(request_.body, {{"\"SS\"", "\"RA\""}});
  EXPECT_EQ(Send(), kTaken);
  EXPECT_EQ(
      Sent<person::v1::EnsurePersonRequest>("EnsurePerson").demographics().profile().needs_size(),
      1);
  SetWorkflow("update", "on-hold");

  recorder_.refusals["ProvideMissingDetails"] = {base::Refuse(
      absl::StatusCode::kFailedPrecondition, "PARTNER_MESSAGE_OUTDATED", "a later one is known")};
  EXPECT_EQ(Send(), "409 REC_CONFLICT conflict");
  EXPECT_THAT(recorder_.calls, ElementsAre("FindPartnerMessage", "ProvideMissingDetails"));
}

// An update that was cut off between the two services is finished by its repetition.
TEST_F(MessageFlowTest, RepeatedUpdateFinishesTheFirst) {
  SetWorkflow("update", "active");
  referral_.found.set_referral_id(kReferralId);
  referral_.found.set_same_body(true);
  EXPECT_EQ(Send(), "409 REC_CONFLICT duplicate");
  EXPECT_THAT(recorder_.calls, ElementsAre("FindPartnerMessage", "GetReferral", "UpdatePerson",
                                           "ProvideMissingDetails"));
}

// INV-157: both reasons are read, and the status says which of the two it is; what is not open any
// more is not cancelled.
TEST_F(MessageFlowTest, CancellationWithdrawsOrMarksAnError) {
  for (const char* reason : {"update", "delete"}) {
    referral_.found.set_open_referral_id(kReferralId);
    SetWorkflow(reason, "revoked");
    EXPECT_EQ(Send(), kTaken);
    EXPECT_THAT(recorder_.calls, ElementsAre("FindPartnerMessage", "WithdrawReferral"));
    EXPECT_EQ(Sent<referral::v1::WithdrawReferralRequest>("WithdrawReferral").reason_code(),
              "NO_LONGER_REQUIRED");
    SetWorkflow(reason, "entered-in-error");
    EXPECT_EQ(Send(), kTaken);
    EXPECT_THAT(recorder_.calls, ElementsAre("FindPartnerMessage", "MarkEnteredInError"));
    EXPECT_EQ(Sent<referral::v1::MarkEnteredInErrorRequest>("MarkEnteredInError").reason_code(),
              "RAISED_IN_ERROR");
    referral_.found.clear_open_referral_id();
    EXPECT_EQ(Send(), "404 REC_NOT_FOUND not-found");
  }
}

// INV-156 is the referral service's to say: it knows what we sent.
TEST_F(MessageFlowTest, AResponseIsHandedOn) {
  request_.body = ReadExample("ValidationResponse.json");
  EXPECT_EQ(Send(), kTaken);
  EXPECT_THAT(recorder_.calls, ElementsAre("FindPartnerMessage", "RecordPartnerResponse"));
  const auto sent = Sent<referral::v1::RecordPartnerResponseRequest>("RecordPartnerResponse");
  EXPECT_EQ(sent.signal(), referral::v1::SIGNAL_COMPLETED);
  EXPECT_EQ(sent.in_response_to(), "86e3371d-1c15-4862-9552-d9560f8292ba");
  EXPECT_EQ(sent.partner_message().body().text(), request_.body);
  recorder_.refusals["RecordPartnerResponse"] = {
      base::Refuse(absl::StatusCode::kNotFound, "RESPONSE_TO_NOTHING", "none of ours")};
  EXPECT_EQ(Send(), "404 REC_NOT_FOUND not-found");
}

TEST_F(MessageFlowTest, RefusalsOfTheServicesBecomeAnswers) {
  recorder_.refusals["SubmitReferral"] = {
      base::Refuse(absl::StatusCode::kAlreadyExists, "OPEN_REFERRAL_EXISTS", "one is open")};
  EXPECT_EQ(Send(), "409 REC_CONFLICT conflict");
  recorder_.refusals["EnsurePerson"] = {
      base::InvalidField("demographics.nhs_number", "NHS_NUMBER_INVALID", "10 digits")};
  EXPECT_EQ(Send(), "400 REC_BAD_REQUEST value");
  recorder_.refusals["FindPartnerMessage"] = {
      base::Refuse(absl::StatusCode::kPermissionDenied, "ROLE_NOT_ALLOWED", "integrators only")};
  EXPECT_EQ(Send(), "403 REC_FORBIDDEN forbidden");
  recorder_.refusals["SubmitReferral"] = {absl::InternalError("a secret of ours")};
  EXPECT_EQ(Send(), "500 REC_SERVER_ERROR exception");
  EXPECT_THAT(response_.body, ::testing::Not(::testing::HasSubstr("secret")));
}

// Tried again with the same request id, and then given back to the partner to try.
TEST_F(MessageFlowTest, WhatMayHealIsTriedAgain) {
  const absl::Status gone = absl::UnavailableError("restarting");
  recorder_.refusals["EnsurePerson"] = {gone, gone, gone};
  EXPECT_EQ(Send(), kTaken);
  EXPECT_EQ(std::ranges::count(recorder_.calls, "EnsurePerson"), kCallAttemptsMax);
  recorder_.refusals["EnsurePerson"] = {gone, gone, gone, gone};
  EXPECT_EQ(Send(), "503 REC_SERVICE_UNAVAILABLE transient");
}

// INV-162.
TEST_F(MessageFlowTest, ADeadlineIsATimeout) {
  recorder_.refusals["SubmitReferral"] = {absl::DeadlineExceededError("late")};
  EXPECT_EQ(Send(), "408 REC_TIMEOUT timeout");
  EXPECT_EQ(Send(), kTaken);
}

TEST_F(MessageFlowTest, OtherPathsAndMethods) {
  request_.method = "GET";
  EXPECT_EQ(Send(), "405 REC_BAD_REQUEST invalid");
  request_.target = "/FHIR/R4/Slot?status=free";
  EXPECT_EQ(Send(), "501 REC_NOT_IMPLEMENTED not-supported");
  for (const char* target : {"/health", "/FHIR/R4/metadata"}) {
    request_.target = target;
    EXPECT_EQ(http::RunTask(router_->Handle(std::make_shared<http::Request>(request_))).status,
              200);
  }
  for (const char* target : {"/nothing", "/assets/../main.cc", "*", ""}) {
    request_.target = target;
    EXPECT_EQ(http::RunTask(router_->Handle(std::make_shared<http::Request>(request_))).status,
              404);
  }
}

TEST_F(MessageFlowTest, FailuresOfTheServerHaveOutcomesToo) {
  for (const auto& [status, code] :
       {std::pair{400, "REC_BAD_REQUEST"}, std::pair{408, "REC_TIMEOUT"},
        std::pair{413, "REC_UNPROCESSABLE_ENTITY"}, std::pair{431, "REC_BAD_REQUEST"},
        std::pair{500, "REC_SERVER_ERROR"}, std::pair{503, "REC_SERVICE_UNAVAILABLE"}}) {
    const http::Response response = router_->Failure(request_, status);
    EXPECT_EQ(response.status, status);
    EXPECT_THAT(response.body, ::testing::HasSubstr(code));
    EXPECT_THAT(response.headers, ::testing::Contains(std::pair<std::string, std::string>(
                                      "X-Request-Id", kRequestId)));
  }
}

TEST_F(MessageFlowTest, StartPageShowsTheWholeAndAsksAsAService) {
  analytics::v1::Figure& figure = *analytics_.figures.add_figures();
  figure.set_measure_id("PHB4");
  figure.set_measure_name("Spent");
  figure.set_unit(analytics::v1::UNIT_PENCE);
  figure.set_area_level(analytics::v1::AREA_LEVEL_REGION);
  figure.set_state(analytics::v1::VALUE_STATE_SHOWN);
  figure.set_value("123456705");
  analytics::v1::Figure& few = *analytics_.figures.add_figures();
  few = figure;
  few.set_state(analytics::v1::VALUE_STATE_SUPPRESSED);
  few.set_value("*");
  analytics::v1::Figure& part = *analytics_.figures.add_figures();
  part = figure;
  part.set_area_level(analytics::v1::AREA_LEVEL_ICB);
  part.set_value("77");
  const http::Response page = Open("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(recorder_.calls, ElementsAre("GetFigures", "NO TOKEN"));
  EXPECT_THAT(page.body, ::testing::HasSubstr("£1,234,567.05"));
  EXPECT_THAT(page.body, ::testing::HasSubstr("Too few to show"));
  EXPECT_THAT(page.body, ::testing::Not(::testing::HasSubstr("£0.77")));
  recorder_.refusals["GetFigures"] = {absl::InternalError("broken")};
  EXPECT_THAT(Open("/").body, ::testing::HasSubstr("cannot be shown now"));
}

// However often the page is loaded, analytics is asked once at a time and once in that time.
TEST_F(MessageFlowTest, StartPageAsksOnceForManyReaders) {
  OpenPages(/*figures_age_max=*/absl::Milliseconds(500));
  analytics_.delay = absl::Milliseconds(200);
  analytics::v1::Figure& figure = *analytics_.figures.add_figures();
  figure.set_area_level(analytics::v1::AREA_LEVEL_REGION);
  figure.set_state(analytics::v1::VALUE_STATE_SHOWN);
  figure.set_value("1234");
  const auto load = [&] {
    const http::Response page = http::RunTask(
        router_->Handle(std::make_shared<http::Request>(http::Request{"GET", "/", {}, ""})));
    EXPECT_THAT(page.body, ::testing::HasSubstr("1,234"));
  };
  const auto load_at_once = [&] {
    std::vector<std::thread> readers;
    for (int i = 0; i < 8; ++i) readers.emplace_back(load);
    for (std::thread& reader : readers) reader.join();
  };
  load_at_once();
  for (int i = 0; i < 20; ++i) load();
  EXPECT_EQ(analytics_.asked, 1);
  absl::SleepFor(absl::Milliseconds(600));
  load_at_once();
  EXPECT_EQ(analytics_.asked, 2);
}

// A journey is about one person: nobody sees it without a token, and the service hears whose.
TEST_F(MessageFlowTest, JourneyNeedsAToken) {
  const std::string path = absl::StrCat("/journeys/", kCorrelationId);
  EXPECT_EQ(Open(path).status, 401);
  EXPECT_EQ(Open(path, {{"Cookie", "fettle_token=x.y.z"}}).status, 401);
  EXPECT_EQ(Open("/journeys/../x").status, 404);
  EXPECT_TRUE(recorder_.calls.empty());
  const http::Headers cookie = {
      {"Cookie", absl::StrCat("fettle_token=", Token("RYE", "link_worker"))}};
  EXPECT_EQ(Open(path, cookie).status, 404);
  analytics::v1::JourneyStep& step = *analytics_.journey.add_steps();
  step.set_event_type("ReferralAccepted");
  step.mutable_time()->set_seconds(1'719'790'200);
  const http::Response page = Open(path, cookie);
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(recorder_.calls, ElementsAre("GetJourney"));
  EXPECT_THAT(page.body, ::testing::HasSubstr("Referral accepted"));
  EXPECT_THAT(page.body, ::testing::HasSubstr("2024-07-01 00:30:00"));
  recorder_.refusals["GetJourney"] = {absl::PermissionDeniedError("role")};
  EXPECT_EQ(Open(path, cookie).status, 403);
}

TEST_F(MessageFlowTest, ReferralIsReadAsServiceRequestAndAsTask) {
  const std::string id = kReferralId;
  const http::Response request = Open("/FHIR/R4/ServiceRequest/" + id, request_.headers);
  EXPECT_EQ(request.status, 200);
  EXPECT_THAT(recorder_.calls, ElementsAre("GetReferral"));
  EXPECT_THAT(request.headers,
              ::testing::Contains(std::pair<std::string, std::string>("ETag", "W/\"7\"")));
  EXPECT_EQ(ParseJson(request.body)->at("status").as_string(), "active");
  const http::Response task = Open("/FHIR/R4/Task/" + id, request_.headers);
  EXPECT_EQ(ParseJson(task.body)->at("status").as_string(), "on-hold");
  EXPECT_EQ(Sent<referral::v1::GetReferralRequest>("GetReferral").referral_id(), id);
  recorder_.refusals["GetReferral"] = {
      base::Refuse(absl::StatusCode::kNotFound, "REFERRAL_NOT_FOUND", "no such referral")};
  EXPECT_EQ(Open("/FHIR/R4/ServiceRequest/" + id, request_.headers).status, 404);
}

TEST_F(MessageFlowTest, SearchesGoOnWhereTheLastPageEnded) {
  const http::Response first = Open(
      "/FHIR/R4/Task?business-status=in-triage&owner=wendy&_count=2&_page=a%2Db", request_.headers);
  EXPECT_EQ(first.status, 200);
  const auto list = Sent<referral::v1::ListReferralsRequest>("ListReferrals");
  EXPECT_EQ(list.status(), referral::v1::REFERRAL_STATUS_IN_TRIAGE);
  EXPECT_EQ(list.worker_id(), "wendy");
  EXPECT_EQ(list.page().page_size(), 2);
  EXPECT_EQ(list.page().page_token(), "a-b");
  const json::value bundle = *ParseJson(first.body);
  EXPECT_EQ(bundle.at("link").at(1).at("url").as_string(),
            "https://fettle.example/FHIR/R4/"
            "Task?business-status=in-triage&owner=wendy&_count=2&_page=next");
  EXPECT_EQ(bundle.at("entry").at(0).at("resource").at("status").as_string(), "received");
  const http::Response services =
      Open("/FHIR/R4/HealthcareService?organization=RXH01", request_.headers);
  EXPECT_EQ(services.status, 200);
  EXPECT_EQ(Sent<referral::v1::ListServicesRequest>("ListServices").organisation(), "RXH01");
  EXPECT_EQ(Open("/FHIR/R4/MessageDefinition?context=referral", request_.headers).status, 200);
  EXPECT_TRUE(recorder_.calls.empty());
}

// Each plan is asked for by itself; a draft is not what `on-hold` asks for.
TEST_F(MessageFlowTest, PlansAreSearched) {
  const std::string path = "/FHIR/R4/CarePlan?status=on-hold&_page=a%2Db";
  const auto found = [&](const std::string& target) {
    const http::Response response = Open(target, request_.headers);
    EXPECT_EQ(response.status, 200);
    EXPECT_THAT(recorder_.calls, ElementsAre("ListReferrals", "GetReferral"));
    return ParseJson(response.body)->as_object();
  };
  json::object bundle = found(path);
  const auto list = Sent<referral::v1::ListReferralsRequest>("ListReferrals");
  EXPECT_TRUE(list.with_plan());
  EXPECT_EQ(list.status(), referral::v1::REFERRAL_STATUS_PAUSED);
  EXPECT_EQ(list.page().page_size(), 20);
  EXPECT_EQ(list.page().page_token(), "a-b");
  EXPECT_EQ(bundle.at("link").at(1).at("url").as_string(),
            "https://fettle.example/FHIR/R4/CarePlan?status=on-hold&_page=next");
  EXPECT_EQ(bundle.at("entry").at(0).at("fullUrl").as_string(),
            absl::StrCat("https://fettle.example/FHIR/R4/CarePlan/", kReferralId));
  EXPECT_EQ(bundle.at("entry").at(0).at("resource").at("status").as_string(), "on-hold");

  referral_.agreement = referral::v1::PLAN_AGREEMENT_NONE;
  EXPECT_FALSE(found(path).contains("entry"));
  bundle = found("/FHIR/R4/CarePlan?_count=50");
  EXPECT_EQ(bundle.at("entry").at(0).at("resource").at("status").as_string(), "draft");
  EXPECT_EQ(Sent<referral::v1::ListReferralsRequest>("ListReferrals").status(),
            referral::v1::REFERRAL_STATUS_UNSPECIFIED);
  // A page with a hole in it would be taken for the whole.
  recorder_.refusals["GetReferral"] = {
      absl::UnavailableError("restarting"), absl::UnavailableError("restarting"),
      absl::UnavailableError("restarting"), absl::UnavailableError("restarting")};
  EXPECT_EQ(Open(path, request_.headers).status, 503);
}

// What is stated, with which parameters, is what is taken.
TEST_F(MessageFlowTest, EachSearchThatIsStatedIsTaken) {
  const std::map<std::string, std::string> values = {{"status", "active"},
                                                     {"business-status", "in-triage"},
                                                     {"owner", "wendy"},
                                                     {"organization", "RXH01"},
                                                     {"context", "referral"}};
  const json::value stated = *ParseJson(CapabilityStatement("https://fettle.example", {}));
  std::vector<std::string> types;
  for (const json::value& resource : stated.at("rest").at(0).at("resource").as_array()) {
    types.emplace_back(resource.at("type").as_string());
    EXPECT_THAT(json::serialize(resource.at("interaction")), ::testing::HasSubstr("search-type"));
    std::string target = absl::StrCat("/FHIR/R4/", types.back(), "?_count=1");
    EXPECT_EQ(Open(target, request_.headers).status, 200) << target;
    for (const json::value& parameter : resource.at("searchParam").as_array()) {
      const std::string name(parameter.at("name").as_string());
      absl::StrAppend(&target, "&", name, "=", values.at(name));
    }
    EXPECT_EQ(Open(target, request_.headers).status, 200) << target;
  }
  EXPECT_THAT(types, ::testing::UnorderedElementsAre("ServiceRequest", "Task", "CarePlan",
                                                     "HealthcareService", "MessageDefinition"));
}

// INV-148 for what reads; what the gateway refuses itself is recorded here, once, and asks nobody.
TEST_F(MessageFlowTest, ReadsThatAreRefusedAskNobody) {
  Recorded();
  for (const auto& [target, status] :
       {std::pair{"/FHIR/R4/ServiceRequest/1", 404},
        std::pair{"/FHIR/R4/MessageDefinition/none", 404},
        std::pair{"/FHIR/R4/Task?patient=1", 400}, std::pair{"/FHIR/R4/Task?_count=0", 400},
        std::pair{"/FHIR/R4/Task?_format=xml", 400},
        std::pair{"/FHIR/R4/Task?_count=1&_count=2", 400},
        std::pair{"/FHIR/R4/Task?business-status=inactive", 400},
        std::pair{"/FHIR/R4/ServiceRequest?status=revoked", 400},
        std::pair{"/FHIR/R4/CarePlan?status=revoked", 400},
        std::pair{"/FHIR/R4/CarePlan?patient=1", 400},
        std::pair{"/FHIR/R4/CarePlan?_count=51", 400}}) {
    EXPECT_EQ(Open(target, request_.headers).status, status) << target;
    EXPECT_TRUE(recorder_.calls.empty()) << target;
    EXPECT_THAT(Recorded(), ::testing::SizeIs(1)) << target;
  }
  SetHeader("X-Request-Id", "");
  EXPECT_EQ(Open("/FHIR/R4/Task", request_.headers).status, 400);
  SetHeader("Authorization", "");
  EXPECT_EQ(Open("/FHIR/R4/Task", request_.headers).status, 401);
  EXPECT_TRUE(recorder_.calls.empty());
  Good();
  request_.target = "/FHIR/R4/Task";
  EXPECT_EQ(http::RunTask(router_->Handle(std::make_shared<http::Request>(request_))).status, 405);
}

TEST_F(MessageFlowTest, SignInSetsACookieAndStaysHere) {
  request_ = {"POST", "/sign-in", {{"Sec-Fetch-Site", "same-origin"}}, "token=x.y.z&next=%2F"};
  EXPECT_EQ(http::RunTask(router_->Handle(std::make_shared<http::Request>(request_))).status, 401);
  const std::string token = Token("RYE", "link_worker");
  for (const auto& [next, expected] :
       {std::pair{"%2Fjourneys%2F1", "/journeys/1"}, std::pair{"%2F%2Fevil.example", "/desk"},
        std::pair{"https%3A%2F%2Fevil.example", "/desk"},
        std::pair{"%2F%5Cevil.example", "/desk"}}) {
    request_.body = absl::StrCat("token=+", token, "%0A&next=", next);
    const auto response = http::RunTask(router_->Handle(std::make_shared<http::Request>(request_)));
    EXPECT_EQ(response.status, 303);
    EXPECT_THAT(response.headers,
                ::testing::Contains(std::pair<std::string, std::string>("Location", expected)));
    EXPECT_THAT(response.headers,
                ::testing::Contains(::testing::Pair(
                    "Set-Cookie", absl::StrCat("fettle_token=", token,
                                               "; Path=/; HttpOnly; SameSite=Strict; Secure"))));
  }
  EXPECT_EQ(Open(absl::StrCat("/journeys?id=", kCorrelationId)).status, 303);
  EXPECT_EQ(Open("/journeys?id=%0d%0aX: y").status, 404);
}

}  // namespace
}  // namespace fettle::gateway
