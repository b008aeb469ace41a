// The adapter of services that decide nothing (audit, analytics): the same door, a function on a
// reader thread, the same access record before the answer leaves.
#ifndef FETTLE_LIBS_RPC_PLAIN_ADAPTER_H_
#define FETTLE_LIBS_RPC_PLAIN_ADAPTER_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/rpc/adapter.h"

// One rpc of such a service: its class has `adapter_` and, for each of its requests,
// `absl::Status Answer(const journal::CallInfo&, const Request&, Response&,
// std::vector<std::string>& people)`.
#define FETTLE_PLAIN_RPC(Method)                                                                   \
  grpc::ServerUnaryReactor* Method(grpc::CallbackServerContext* context,                           \
                                   const v1::Method##Request* request,                             \
                                   v1::Method##Response* response) override {                      \
    return adapter_.Handle<v1::Method##Request, v1::Method##Response>(                             \
        *context, *request, *response,                                                             \
        [this](const journal::CallInfo& call, const v1::Method##Request& asked,                    \
               v1::Method##Response& answer,                                                       \
               std::vector<std::string>& people) { return Answer(call, asked, answer, people); }); \
  }

namespace fettle::rpc {

class PlainAdapter {
 public:
  explicit PlainAdapter(AdapterParts parts) : parts_(std::move(parts)) {}

  // `answer` fills the response; it may read the disk, and wait for others until the call's
  // deadline. `people` are those whose data the answer shows.
  template <class Request, class Response>
  grpc::ServerUnaryReactor* Handle(
      grpc::CallbackServerContext& context, const Request& request, Response& response,
      std::function<absl::Status(const journal::CallInfo& call, const Request& request,
                                 Response& response, std::vector<std::string>& people)>
          answer) {
    grpc::ServerUnaryReactor* reactor = context.DefaultReactor();
    std::make_shared<Call<Request, Response>>(parts_, context, reactor, request, response,
                                              std::move(answer))
        ->Run();
    return reactor;
  }

 private:
  template <class Request, class Response>
  class Call final : public QueryCall {
   public:
    using Function = std::function<absl::Status(const journal::CallInfo&, const Request&, Response&,
                                                std::vector<std::string>&)>;
    Call(const AdapterParts& parts, grpc::CallbackServerContext& context,
         grpc::ServerUnaryReactor* reactor, const Request& request, Response& response,
         Function answer)
        : QueryCall(parts, context, reactor),
          request_(request),
          response_(response),
          answer_(std::move(answer)) {}

   private:
    const google::protobuf::Message& request() const override { return request_; }
    google::protobuf::Message& response() override { return response_; }
    absl::Status Prepare() override { return absl::OkStatus(); }
    absl::Status Answer(const base::Snapshot&, const base::Context&) override {
      return answer_(call, request_, response_, people_);
    }
    absl::StatusOr<bool> OpenAtDoor() override { return true; }
    std::vector<std::string> MorePeople() override { return std::move(people_); }

    const Request& request_;
    Response& response_;
    Function answer_;
    std::vector<std::string> people_;
  };

  AdapterParts parts_;
};

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_PLAIN_ADAPTER_H_
