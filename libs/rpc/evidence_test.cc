// Goal: questions to other services say for whom they are asked, and none is asked whose answer is
// known. Method: stand-ins for the services that answer, in this process.
#include "libs/rpc/evidence.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "absl/synchronization/notification.h"
#include "libs/base/text.h"
#include "libs/rpc/limits.h"

namespace fettle::rpc {
namespace {

constexpr char kPerson[] = "0196d5a0-0001-7000-8000-00000000000a";

// The headers of the calls, by rpc.
using Headers = std::map<std::string, std::map<std::string, std::string>>;

// What the stand-ins were sent. Thread-safe.
class Sent {
 public:
  void Note(const std::string& rpc, std::map<std::string, std::string> headers) {
    absl::MutexLock lock(&mutex_);
    ++calls_;
    headers_[rpc] = std::move(headers);
  }
  int calls() {
    absl::MutexLock lock(&mutex_);
    return calls_;
  }
  Headers headers() {
    absl::MutexLock lock(&mutex_);
    return headers_;
  }

 private:
  absl::Mutex mutex_;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
  Headers headers_ ABSL_GUARDED_BY(mutex_);
};

std::map<std::string, std::string> HeadersOf(const grpc::ServerContext& context) {
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : context.client_metadata()) {
    headers[std::string(name.data(), name.size())] = std::string(value.data(), value.size());
  }
  return headers;
}

class FakePerson final : public person::v1::PersonService::Service {
 public:
  grpc::Status GetPersonContext(grpc::ServerContext* context,
                                const person::v1::GetPersonContextRequest* request,
                                person::v1::GetPersonContextResponse* response) override {
    sent->Note("GetPersonContext", HeadersOf(*context));
    for (const std::string& id : request->person_ids()) {
      auto& answer = *response->add_people();
      answer.mutable_context()->set_person_id(id);
      answer.set_key_version(1);
      answer.set_key(std::string(32, 'k'));
    }
    return grpc::Status::OK;
  }
  grpc::Status GetOrganisation(grpc::ServerContext* context,
                               const person::v1::GetOrganisationRequest* request,
                               person::v1::GetOrganisationResponse* response) override {
    sent->Note("GetOrganisation", HeadersOf(*context));
    response->mutable_organisation()->set_ods_code(request->ods_code());
    return grpc::Status::OK;
  }
  Sent* sent = nullptr;
};

class FakeTraining final : public training::v1::TrainingService::Service {
 public:
  grpc::Status GetCompetence(grpc::ServerContext* context,
                             const training::v1::GetCompetenceRequest*,
                             training::v1::GetCompetenceResponse*) override {
    sent->Note("GetCompetence", HeadersOf(*context));
    return grpc::Status::OK;
  }
  Sent* sent = nullptr;
};

class EvidenceSourceTest : public ::testing::Test {
 protected:
  EvidenceSourceTest() {
    person_.sent = training_.sent = &sent_;
    grpc::ServerBuilder builder;
    builder.RegisterService(&person_);
    builder.RegisterService(&training_);
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    server_ = builder.BuildAndStart();
    const auto channel =
        grpc::CreateChannel(base::Concat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
    evidence_ =
        std::make_unique<RemoteEvidence>(channel, channel, RemoteEvidenceOptions(), &clock_);
  }
  ~EvidenceSourceTest() override { server_->Shutdown(); }

  absl::StatusOr<Gathered> Gather(const base::Questions& questions) {
    absl::Notification answered;
    absl::StatusOr<Gathered> answer;
    evidence_->Gather(questions,
                      {.deadline = absl::Now() + absl::Seconds(20),
                       .bearer = "a.b.c",
                       .traceparent = kTrace,
                       .correlation_id = "a journey"},
                      [&](absl::StatusOr<Gathered> gathered) {
                        answer = std::move(gathered);
                        answered.Notify();
                      });
    answered.WaitForNotification();
    return answer;
  }

  static constexpr char kTrace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  base::SystemClock clock_;
  Sent sent_;
  FakePerson person_;
  FakeTraining training_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<RemoteEvidence> evidence_;
};

TEST_F(EvidenceSourceTest, CallsBelongToTheJourneyAndNameTheUserWhereUsersMayCall) {
  base::Questions questions;
  questions.people = {kPerson};
  questions.organisations = {{"A1001", ""}};
  questions.competences = {{"wendy", "PERSONAL_HEALTH_BUDGETS", "2026-11-22"}};
  const absl::StatusOr<Gathered> gathered = Gather(questions);
  ASSERT_TRUE(gathered.ok()) << gathered.status();
  Headers headers = sent_.headers();
  ASSERT_EQ(headers.size(), 3u);
  for (auto& [rpc, sent] : headers) {
    EXPECT_EQ(sent[kCorrelationIdHeader], "a journey") << rpc;
    EXPECT_EQ(sent["traceparent"].substr(0, 35), std::string(kTrace).substr(0, 35)) << rpc;
  }
  EXPECT_EQ(headers["GetOrganisation"]["authorization"], "Bearer a.b.c");
  EXPECT_EQ(headers["GetCompetence"]["authorization"], "Bearer a.b.c");
  EXPECT_FALSE(headers["GetPersonContext"].contains("authorization"))
      << "services alone may call it";
}

TEST_F(EvidenceSourceTest, WhatIsInTheCachesIsKnown) {
  base::Questions questions;
  questions.people = {kPerson};
  questions.seal_for = kPerson;
  questions.organisations = {{"A1001", ""}};
  EXPECT_FALSE(evidence_->Known(questions).has_value());
  ASSERT_TRUE(Gather(questions).ok());
  const int calls = sent_.calls();
  const std::optional<Gathered> known = evidence_->Known(questions);
  ASSERT_TRUE(known.has_value());
  EXPECT_NE(known->key, nullptr);
  EXPECT_NE(known->evidence.Person(kPerson), nullptr);
  EXPECT_NE(known->evidence.Organisation(questions.organisations[0]), nullptr);
  EXPECT_EQ(sent_.calls(), calls);
  questions.fresh_people = true;
  EXPECT_FALSE(evidence_->Known(questions).has_value());
  questions.fresh_people = false;
  questions.competences = {{"wendy", "PERSONAL_HEALTH_BUDGETS", "2026-11-22"}};
  EXPECT_FALSE(evidence_->Known(questions).has_value());
}

}  // namespace
}  // namespace fettle::rpc
