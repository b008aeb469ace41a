// From a gRPC call to a rule and back: the same path for every rpc of every service.
//
//   command: authenticate, authorise, validate -> receipt? -> evidence -> seal private words ->
//            journal -> answer
//   query:   authenticate, authorise, validate -> snapshot -> rule -> open private words ->
//            access record -> answer
//
// A command whose questions are answered from the caches, or that has none, goes to the journal at
// once: the writer asks for its receipt. All others look first, on a reader thread, whether they
// were answered before.
//
// A service file is a list of one line per rpc:
//
//   class ReferralServiceImpl final : public v1::ReferralService::CallbackService {
//    public:
//     explicit ReferralServiceImpl(const rpc::AdapterParts& parts) : adapter_(parts) {}
//     FETTLE_RPC(SubmitReferral)
//     FETTLE_RPC(GetReferral)
//    private:
//     rpc::Adapter<ReferralRules> adapter_;
//   };
//
// Handlers never block: gRPC has two callback threads on two cores, and a slow one would starve
// health checks. What a rule throws is logged and ends the one call, INTERNAL.
#ifndef FETTLE_LIBS_RPC_ADAPTER_H_
#define FETTLE_LIBS_RPC_ADAPTER_H_

#include <google/protobuf/empty.pb.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "libs/access/token.h"
#include "libs/base/clock.h"
#include "libs/base/log_limit.h"
#include "libs/base/metrics.h"
#include "libs/journal/journal.h"
#include "libs/rpc/door.h"
#include "libs/rpc/evidence.h"
#include "libs/rpc/limits.h"

#define FETTLE_RPC(Method)                                                    \
  grpc::ServerUnaryReactor* Method(grpc::CallbackServerContext* context,      \
                                   const v1::Method##Request* request,        \
                                   v1::Method##Response* response) override { \
    return adapter_.Handle(*context, *request, *response);                    \
  }

namespace fettle::rpc {

// Counts answered calls by method and code, and logs those that leave no access record because they
// never got in: refused tokens, overload, outage. Thread-safe.
class CallMetrics {
 public:
  explicit CallMetrics(base::Metrics* metrics) : metrics_(metrics) {}
  void Count(const MethodInfo& method, const absl::Status& status, absl::Duration time);
  // A query's answer is ready; its access record is not yet stored.
  void Ready(const MethodInfo& method, absl::Duration time);

 private:
  struct Counted {
    base::Histogram* seconds = nullptr;
    base::Counter* calls = nullptr;
  };
  base::Metrics* const metrics_;
  absl::Mutex mutex_;
  // Finding a metric by its labels costs more than the rest of an answer.
  absl::flat_hash_map<std::pair<const MethodInfo*, absl::StatusCode>, Counted> counted_
      ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<const MethodInfo*, base::Histogram*> ready_ ABSL_GUARDED_BY(mutex_);
  base::LogLimit turned_away_{kTurnedAwayLinesPerSecondMax};
};

// Stores the access record of a refusal, unless it is one that is only counted and logged; then
// calls `done` with what the caller is told.
void RecordRefusal(journal::Journal& journal, const journal::CallInfo& call,
                   const absl::Status& status, std::vector<std::string> subjects,
                   std::function<void(const absl::Status&)> done);

// What the adapter of a service works with; all of it outlives the server.
struct AdapterParts {
  journal::Journal* journal = nullptr;
  access::TokenVerifier* tokens = nullptr;
  EvidenceSource* evidence = nullptr;
  // The time that queries see; deadlines are in the time of the world.
  const base::Clock* clock = nullptr;
  // Key of the service for receipts (HMAC of requests).
  std::string hmac_key;
  CallMetrics* call_metrics = nullptr;
};

// Work of a service's own at the door, beside the shared path. Most services have none. A door with
// `absl::Status Prepare(Request&) const` for a type of requests may fill fields before evidence
// that callers may not (digests).
struct PlainDoor {
  // Opens an answer's private words itself and says so; called on a reader thread, so it may read
  // the disk.
  template <class Response>
  absl::StatusOr<bool> Open(Response&) const {
    return false;
  }
};

// A call under way, without its types. Made per call; ends itself when the call is finished.
class UnaryCall : public std::enable_shared_from_this<UnaryCall> {
 public:
  virtual ~UnaryCall() = default;

  journal::CallInfo call;
  const MethodInfo* method = nullptr;

  // The caller has gone, or its deadline has passed.
  bool Cancelled() const;
  // Authenticate, authorise, validate. First of all.
  absl::Status Enter(const google::protobuf::Message& request);
  // Answers the call; refusals leave an access record first (all but overload, outage and missing
  // tokens).
  void Finish(const absl::Status& status, const std::vector<std::string>& subjects);

  UnaryCall(const AdapterParts& parts, grpc::CallbackServerContext& context,
            grpc::ServerUnaryReactor* reactor)
      : parts_(parts), context_(context), reactor_(reactor), start_(absl::Now()) {}

 protected:
  Asker AskerOf() const;
  void FinishNow(const absl::Status& status);

  const AdapterParts& parts_;
  grpc::CallbackServerContext& context_;
  grpc::ServerUnaryReactor* const reactor_;
  const absl::Time start_;
};

// A command's call.
class CommandCall : public UnaryCall {
 public:
  void Run(const google::protobuf::Message& received);

 protected:
  using UnaryCall::UnaryCall;

  // With its words in clear. They are sealed in a copy, from which ReadsOf and Decide are answered
  // then: evidence that is gathered again may name another person to seal them for.
  virtual const google::protobuf::Message& request() const = 0;
  virtual google::protobuf::Message& NewCopy() = 0;
  virtual google::protobuf::Message& response() = 0;
  virtual absl::Status Prepare() = 0;
  virtual base::Reads ReadsOf(const base::View& view) const = 0;
  virtual base::Questions QuestionsOf(const base::View& view) const = 0;
  virtual absl::StatusOr<journal::AnyDecision> Decide(const base::View& view,
                                                      const base::Context& context) const = 0;

 private:
  class Queued;
  absl::Status Begin(const google::protobuf::Message& received);
  void Look();
  absl::Status Looked(const journal::JournalSnapshot& snapshot);
  absl::Status Rehearse(const base::View& view, const base::Questions& questions) const;
  base::Questions Wanted(base::Questions questions) const;
  void Ask(const base::Questions& questions);
  void Queue(Gathered gathered);
  bool TriesAgain(const absl::Status& status) const;
  void Answered(journal::Answer answer);

  std::string request_hmac_;
  int64_t request_bytes_ = 0;
  std::optional<int64_t> expected_version_;
  bool has_words_ = false;
  int attempts_ = 0;
};

// A query's call.
class QueryCall : public UnaryCall {
 public:
  void Run(const google::protobuf::Message& received);

 protected:
  using UnaryCall::UnaryCall;

  virtual google::protobuf::Message& response() = 0;
  virtual absl::Status Prepare() = 0;
  virtual absl::Status Answer(const base::Snapshot& snapshot, const base::Context& context) = 0;
  virtual absl::StatusOr<bool> OpenAtDoor() = 0;
  // People whom the answer shows beside those whose states were looked at.
  virtual std::vector<std::string> MorePeople() { return {}; }

 private:
  absl::Status Begin(const google::protobuf::Message& received);
  void Read(const journal::JournalSnapshot& snapshot);
  void OpenWords(std::vector<std::string> subjects);
  void Leave(std::vector<std::string> subjects);
  void FinishRead(const absl::Status& recorded);
};

template <class Rules, class Door = PlainDoor>
class Adapter {
 public:
  explicit Adapter(AdapterParts parts, Door door = {})
      : parts_(std::move(parts)), door_(std::move(door)) {
    if constexpr (requires(const base::TimerDue& due, const base::View& view,
                           const base::Context& context) { Rules::Decide(view, due, context); }) {
      parts_.journal->OnTimer([this](const base::TimerDue& due) { Fire(due); });
    }
  }

  template <class Request, class Response>
  grpc::ServerUnaryReactor* Handle(grpc::CallbackServerContext& context, const Request& request,
                                   Response& response) {
    grpc::ServerUnaryReactor* reactor = context.DefaultReactor();
    if constexpr (requires(const base::View& view, const base::Context& c) {
                    Rules::Decide(view, request, c);
                  }) {
      std::make_shared<TypedCommand<Request, Response>>(*this, context, reactor, request, response)
          ->Run(request);
    } else {
      std::make_shared<TypedQuery<Request, Response>>(*this, context, reactor, request, response)
          ->Run(request);
    }
    return reactor;
  }

 private:
  // A request as gRPC holds it until the call is finished, or as the door made it.
  template <class Request>
  class Received {
   public:
    explicit Received(const Request& request) : received_(request) {}
    absl::Status Prepare(const Door& door) {
      if constexpr (requires(Request & request) { door.Prepare(request); }) {
        return door.Prepare(prepared_.emplace(received_));
      }
      return absl::OkStatus();
    }
    const Request& get() const { return prepared_.has_value() ? *prepared_ : received_; }

   private:
    const Request& received_;
    std::optional<Request> prepared_;
  };

  template <class Request, class Response>
  class TypedCommand final : public CommandCall {
   public:
    TypedCommand(Adapter& adapter, grpc::CallbackServerContext& context,
                 grpc::ServerUnaryReactor* reactor, const Request& request, Response& response)
        : CommandCall(adapter.parts_, context, reactor),
          adapter_(adapter),
          request_(request),
          response_(response) {}

   private:
    const google::protobuf::Message& request() const override { return request_.get(); }
    google::protobuf::Message& NewCopy() override { return copy_.emplace(request_.get()); }
    google::protobuf::Message& response() override { return response_; }
    absl::Status Prepare() override { return request_.Prepare(adapter_.door_); }
    base::Reads ReadsOf(const base::View& view) const override {
      return Rules::ReadsOf(decided(), view);
    }
    base::Questions QuestionsOf(const base::View& view) const override {
      return Rules::QuestionsOf(request_.get(), view);
    }
    absl::StatusOr<journal::AnyDecision> Decide(const base::View& view,
                                                const base::Context& context) const override {
      absl::StatusOr<base::Decision<Response>> decision = Rules::Decide(view, decided(), context);
      if (!decision.ok()) return decision.status();
      return journal::AnyDecision{std::move(decision->events),
                                  std::make_unique<Response>(std::move(decision->response))};
    }

    const Request& decided() const { return copy_.has_value() ? *copy_ : request_.get(); }

    Adapter& adapter_;
    Received<Request> request_;
    std::optional<Request> copy_;
    Response& response_;
  };

  template <class Request, class Response>
  class TypedQuery final : public QueryCall {
   public:
    TypedQuery(Adapter& adapter, grpc::CallbackServerContext& context,
               grpc::ServerUnaryReactor* reactor, const Request& request, Response& response)
        : QueryCall(adapter.parts_, context, reactor),
          adapter_(adapter),
          request_(request),
          response_(response) {}

   private:
    google::protobuf::Message& response() override { return response_; }
    absl::Status Prepare() override { return request_.Prepare(adapter_.door_); }
    absl::Status Answer(const base::Snapshot& snapshot, const base::Context& context) override {
      absl::StatusOr<Response> answer = Rules::Answer(snapshot, request_.get(), context);
      if (!answer.ok()) return answer.status();
      response_ = *std::move(answer);
      return absl::OkStatus();
    }
    absl::StatusOr<bool> OpenAtDoor() override { return adapter_.door_.Open(response_); }

    Adapter& adapter_;
    Received<Request> request_;
    Response& response_;
  };

  // The firing of a timer: a command of the service itself.
  class TimerCommand final : public journal::Command {
   public:
    base::Reads ReadsOf(const base::View& view) const override {
      return Rules::ReadsOf(*timer, view);
    }
    absl::StatusOr<journal::AnyDecision> Decide(const base::View& view,
                                                const base::Context& context) const override {
      absl::StatusOr<base::Decision<google::protobuf::Empty>> decision =
          Rules::Decide(view, *timer, context);
      if (!decision.ok()) return decision.status();
      return journal::AnyDecision{std::move(decision->events),
                                  std::make_unique<google::protobuf::Empty>()};
    }
    void Done(journal::Answer) override {}
  };

  void Fire(const base::TimerDue& due) {
    auto command = std::make_unique<TimerCommand>();
    command->timer = due;
    command->call = journal::TimerCall(parts_.journal->model(), due);
    parts_.journal->Submit(std::move(command));
  }

  AdapterParts parts_;
  Door door_;
};

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_ADAPTER_H_
