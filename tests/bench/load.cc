// A closed-loop load: N callers over one channel each send their next call when the last is
// answered.
//
//   load echo    PKI PORT SECONDS CALLERS REQUEST_BYTES ANSWER_BYTES
//   load person  PKI PORT TOKEN COUNT CALLERS PEOPLE_FILE      registers people, writes their ids
//   load submit  PKI PORT TOKEN COUNT|SECONDSs CALLERS PEOPLE_FILE FIRST_SERVICE   submits
//   referrals, a pair of person and
//                                                              service each once, from
//                                                              FIRST_SERVICE on
//
// Prints one line: calls, seconds, calls/s, p50 and p99 in microseconds, mean request and answer
// bytes, refused calls. The callers share the machine with what they measure: they send bytes that
// are made beforehand but for the few that differ, and read of an answer what they need.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "fettle/person/v1/person_service.pb.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "libs/base/date.h"
#include "libs/base/uuid.h"
#include "libs/nhs/nhs_number.h"
#include "libs/rpc/channel.h"
#include "tests/bench/echo_service.pb.h"

namespace {

namespace bv1 = fettle::bench::v1;
namespace pv1 = fettle::person::v1;
namespace rv1 = fettle::referral::v1;

// One source for all threads: a seed of its own for each id costs more than the rest of a request.
std::string NewId() {
  static absl::Mutex mutex;
  static fettle::base::IdSource& ids =
      *new fettle::base::IdSource(absl::Now(), fettle::base::RandomSeed());
  absl::MutexLock lock(&mutex);
  return ids.Next();
}

// Runs calls of `method` until `make` has no more, `callers` at a time.
class Load {
 public:
  // False when there is none with this number.
  using Make = std::function<bool(int64_t number, grpc::ByteBuffer& request)>;
  using Take = std::function<void(int64_t number, const grpc::ByteBuffer& answer)>;

  Load(const std::shared_ptr<grpc::Channel>& channel, std::string method, std::string token,
       Make make, Take take)
      : stub_(channel),
        method_(std::move(method)),
        token_(std::move(token)),
        make_(std::move(make)),
        take_(std::move(take)) {}

  void Run(int callers) {
    const absl::Time start = absl::Now();
    {
      absl::MutexLock lock(&mutex_);
      open_ = callers;
    }
    for (int i = 0; i < callers; ++i) Next();
    absl::MutexLock lock(&mutex_);
    auto done = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return open_ == 0; };
    mutex_.Await(absl::Condition(&done));
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    std::sort(micros_.begin(), micros_.end());
    const auto at = [&](double share) {
      return micros_.empty() ? 0 : micros_[static_cast<size_t>(share * (micros_.size() - 1))];
    };
    const double count = static_cast<double>(std::max<size_t>(1, micros_.size()));
    std::printf("%zu %.3f %.0f %u %u %.0f %.0f %lld %s\n", micros_.size(), seconds,
                static_cast<double>(micros_.size()) / seconds, at(0.5), at(0.99),
                static_cast<double>(request_bytes_) / count,
                static_cast<double>(answer_bytes_) / count, static_cast<long long>(refused_),
                first_refusal_.c_str());
  }

 private:
  struct Call {
    int64_t number;
    absl::Time start;
    grpc::ClientContext context;
    grpc::ByteBuffer request;
    grpc::ByteBuffer answer;
  };

  void Next() {
    auto call = std::make_shared<Call>();
    {
      absl::MutexLock lock(&mutex_);
      call->number = number_++;
    }
    if (!make_(call->number, call->request)) {
      absl::MutexLock lock(&mutex_);
      --open_;
      return;
    }
    call->start = absl::Now();
    fettle::rpc::PrepareCall(call->context, call->start + absl::Seconds(20), token_);
    const size_t bytes = call->request.Length();
    stub_.UnaryCall(&call->context, method_, grpc::StubOptions(), &call->request, &call->answer,
                    [this, call, bytes](const grpc::Status& status) {
                      Finish(*call, bytes, status);
                      Next();
                    });
  }

  void Finish(const Call& call, size_t bytes, const grpc::Status& status) {
    const auto micros = static_cast<unsigned>(absl::ToInt64Microseconds(absl::Now() - call.start));
    if (status.ok() && take_) take_(call.number, call.answer);
    absl::MutexLock lock(&mutex_);
    if (status.ok()) {
      micros_.push_back(micros);
      request_bytes_ += static_cast<int64_t>(bytes);
      answer_bytes_ += static_cast<int64_t>(call.answer.Length());
    } else if (refused_++ == 0) {
      first_refusal_ = status.error_message();
    }
  }

  grpc::GenericStub stub_;
  const std::string method_;
  const std::string token_;
  const Make make_;
  const Take take_;
  absl::Mutex mutex_;
  int64_t number_ ABSL_GUARDED_BY(mutex_) = 0;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<unsigned> micros_ ABSL_GUARDED_BY(mutex_);
  int64_t request_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t answer_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t refused_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string first_refusal_ ABSL_GUARDED_BY(mutex_);
};

grpc::Slice Bytes(const google::protobuf::Message& message) {
  return grpc::Slice(message.SerializeAsString());
}

std::string ServiceId(int64_t number) {
  char text[64];
  std::snprintf(text, sizeof text, "5eed0000-0000-4000-8000-%012llx",
                static_cast<long long>(number));
  return text;
}

std::vector<std::string> Lines(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) return 2;
  const std::string mode = argv[1], pki = argv[2];
  auto identity = fettle::rpc::LoadIdentity(pki + "/ca.crt", pki + "/cli.crt", pki + "/cli.key");
  if (!identity.ok()) return 1;
  auto channel = fettle::rpc::MakeChannel(std::string("localhost:") + argv[3], *identity);
  if (!channel->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Seconds(10)))) return 1;

  if (mode == "echo") {
    const absl::Time end = absl::Now() + absl::Seconds(std::stoi(argv[4]));
    bv1::EchoRequest request;
    request.set_payload(std::string(std::stoi(argv[6]), 'x'));
    request.set_answer_bytes(std::stoi(argv[7]));
    const grpc::Slice bytes = Bytes(request);
    Load(
        channel, "/fettle.bench.v1.EchoService/Echo", "",
        [&](int64_t, grpc::ByteBuffer& call) {
          call = grpc::ByteBuffer(&bytes, 1);
          return absl::Now() < end;
        },
        nullptr)
        .Run(std::stoi(argv[5]));
    return 0;
  }
  const std::string token = Lines(argv[4]).at(0);
  const std::string amount = argv[5];
  const int callers = std::stoi(argv[6]);
  const std::string people_file = argv[7];
  if (mode == "person") {
    const int64_t count = std::stoll(amount);
    std::vector<std::string> numbers;
    for (int64_t n = 9'992'000'000; static_cast<int64_t>(numbers.size()) < count; ++n) {
      if (fettle::nhs::IsValidNhsNumber(std::to_string(n))) numbers.push_back(std::to_string(n));
    }
    std::vector<std::string> ids(count);
    Load(
        channel, "/fettle.person.v1.PersonService/EnsurePerson", token,
        [&](int64_t i, grpc::ByteBuffer& call) {
          if (i >= count) return false;
          pv1::EnsurePersonRequest request;
          request.set_request_id(NewId());
          pv1::Demographics& person = *request.mutable_demographics();
          person.mutable_nhs_number()->set_text(numbers[i]);
          person.mutable_first_name()->set_text("Bench");
          person.mutable_family_name()->set_text("Person");
          person.mutable_birth_date()->set_text(fettle::base::AddDays("1940-01-01", i % 20'000));
          request.set_nhs_number_status(pv1::NHS_NUMBER_STATUS_PRESENT_AND_VERIFIED);
          request.set_number_policy(pv1::NUMBER_POLICY_STRICT);
          request.set_gp_practice("A1001");
          const grpc::Slice bytes = Bytes(request);
          call = grpc::ByteBuffer(&bytes, 1);
          return true;
        },
        [&](int64_t i, const grpc::ByteBuffer& answer) {
          grpc::Slice bytes;
          pv1::EnsurePersonResponse response;
          if (answer.DumpToSingleSlice(&bytes).ok() &&
              response.ParseFromArray(bytes.begin(), static_cast<int>(bytes.size()))) {
            ids[i] = response.person_id();
          }
        })
        .Run(callers);
    std::ofstream out(people_file);
    for (const std::string& id : ids) out << id << "\n";
    return 0;
  }
  const std::vector<std::string> people = Lines(people_file);
  const int64_t first_service = std::stoll(argv[8]);
  const bool timed = amount.back() == 's';
  const absl::Time end = absl::Now() + absl::Seconds(timed ? std::stoll(amount) : 1'000'000);
  const int64_t count = timed ? INT64_MAX : std::stoll(amount);
  const int64_t size = static_cast<int64_t>(people.size());
  rv1::SubmitReferralRequest same;
  same.mutable_service()->set_organisation("SVC01");
  same.mutable_service()->set_name("Overtown Link Workers");
  rv1::ReferralDetails& details = *same.mutable_details();
  details.mutable_referrer()->mutable_name()->set_text("Dr Bench Mark");
  details.mutable_referrer()->set_service("Overtown Surgery");
  details.mutable_referrer()->set_organisation("A1001");
  details.mutable_referrer()->mutable_contact()->set_text("0113 496 0000");
  details.set_referral_date(fettle::base::LondonDate(absl::Now()));
  details.set_source_code("108161000000109");
  details.set_priority(rv1::PRIORITY_ROUTINE);
  details.mutable_reason()->set_code("LONELINESS");
  details.mutable_reason()->mutable_text()->set_text("Lives alone, would like company");
  details.add_risks()->set_kind(rv1::RISK_KIND_NONE_KNOWN);
  details.set_consent(rv1::CONSENT_DIRECT_CARE_INFORMED);
  same.set_intake(rv1::INTAKE_DIRECT);
  const grpc::Slice same_bytes = Bytes(same);
  Load(
      channel, "/fettle.referral.v1.ReferralService/SubmitReferral", token,
      [&](int64_t i, grpc::ByteBuffer& call) {
        if (i >= count || absl::Now() >= end) return false;
        // Two messages' bytes behind each other are the message of both.
        rv1::SubmitReferralRequest request;
        request.set_request_id(NewId());
        request.set_person_id(people[i % size]);
        request.mutable_service()->set_service_id(ServiceId(first_service + i / size));
        const grpc::Slice both[] = {Bytes(request), same_bytes};
        call = grpc::ByteBuffer(both, 2);
        return true;
      },
      nullptr)
      .Run(callers);
  return 0;
}
