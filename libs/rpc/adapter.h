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
  void Run();

 protected:
  using UnaryCall::UnaryCall;

  // Its words are in clear until it is queued, sealed from then on.
  virtual google::protobuf::Message& request() = 0;
  virtual google::protobuf::Message& response() = 0;
  virtual absl::Status Prepare() = 0;
  virtual base::Reads ReadsOf(const base::View& view) const = 0;
  virtual base::Questions QuestionsOf(const base::View& view) const = 0;
  virtual absl::StatusOr<journal::AnyDecision> Decide(const base::View& view,
                                                      const base::Context& context) const = 0;

 private:
  class Queued;
  absl::Status Begin();
  void Look();
  absl::Status Looked(const journal::JournalSnapshot& snapshot);
  absl::Status Rehearse(const base::View& view, const base::Questions& questions) const;
  base::Questions Wanted(base::Questions questions) const;
  void Ask(const base::Questions& questions);
  void Queue(Gathered gathered);
  absl::Status Restore();
  bool TriesAgain(const absl::Status& status) const;
  void Answered(journal::Answer answer);

  // The request as it came.
  std::string bytes_;
  std::string request_hmac_;
  std::optional<int64_t> expected_version_;
  bool has_words_ = false;
  int attempts_ = 0;
};

// A query's call.
class QueryCall : public UnaryCall {
 public:
  void Run();

 protected:
  using UnaryCall::UnaryCall;

  virtual const google::protobuf::Message& request() const = 0;
  virtual google::protobuf::Message& response() = 0;
  virtual absl::Status Prepare() = 0;
  virtual absl::Status Answer(const base::Snapshot& snapshot, const base::Context& context) = 0;
  virtual absl::StatusOr<bool> OpenAtDoor() = 0;
  // People whom the answer shows beside those whose states were looked at.
  virtual std::vector<std::string> MorePeople() { return {}; }

 private:
  absl::Status Begin();
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
          ->Run();
    } else {
      std::make_shared<TypedQuery<Request, Response>>(*this, context, reactor, request, response)
          ->Run();
    }
    return reactor;
  }

 private:
  // gRPC made the request for this one call and reads it no more: it is taken, not copied.
  template <class Request>
  static Request Take(const Request& received) {
    return std::move(const_cast<Request&>(received));
  }
  template <class Request>
  absl::Status PrepareAtDoor(Request& request) const {
    if constexpr (requires { door_.Prepare(request); }) return door_.Prepare(request);
    return absl::OkStatus();
  }

  template <class Request, class Response>
  class TypedCommand final : public CommandCall {
   public:
    TypedCommand(Adapter& adapter, grpc::CallbackServerContext& context,
                 grpc::ServerUnaryReactor* reactor, const Request& request, Response& response)
        : CommandCall(adapter.parts_, context, reactor),
          adapter_(adapter),
          request_(Take(request)),
          response_(response) {}

   private:
    google::protobuf::Message& request() override { return request_; }
    google::protobuf::Message& response() override { return response_; }
    absl::Status Prepare() override { return adapter_.PrepareAtDoor(request_); }
    base::Reads ReadsOf(const base::View& view) const override {
      return Rules::ReadsOf(request_, view);
    }
    base::Questions QuestionsOf(const base::View& view) const override {
      return Rules::QuestionsOf(request_, view);
    }
    absl::StatusOr<journal::AnyDecision> Decide(const base::View& view,
                                                const base::Context& context) const override {
      absl::StatusOr<base::Decision<Response>> decision = Rules::Decide(view, request_, context);
      if (!decision.ok()) return decision.status();
      return journal::AnyDecision{std::move(decision->events),
                                  std::make_unique<Response>(std::move(decision->response))};
    }

    Adapter& adapter_;
    Request request_;
    Response& response_;
  };

  template <class Request, class Response>
  class TypedQuery final : public QueryCall {
   public:
    TypedQuery(Adapter& adapter, grpc::CallbackServerContext& context,
               grpc::ServerUnaryReactor* reactor, const Request& request, Response& response)
        : QueryCall(adapter.parts_, context, reactor),
          adapter_(adapter),
          request_(Take(request)),
          response_(response) {}

   private:
    const google::protobuf::Message& request() const override { return request_; }
    google::protobuf::Message& response() override { return response_; }
    absl::Status Prepare() override { return adapter_.PrepareAtDoor(request_); }
    absl::Status Answer(const base::Snapshot& snapshot, const base::Context& context) override {
      absl::StatusOr<Response> answer = Rules::Answer(snapshot, request_, context);
      if (!answer.ok()) return answer.status();
      response_ = *std::move(answer);
      return absl::OkStatus();
    }
    absl::StatusOr<bool> OpenAtDoor() override { return adapter_.door_.Open(response_); }

    Adapter& adapter_;
    Request request_;
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
