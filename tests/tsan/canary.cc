// Goal: know that the ThreadSanitizer job can see a race where ours would be. Method: gRPC callback
// handlers, whose every stack goes through the uninstrumented gRPC library, write one plain integer
// without a lock. The job must report it: a set-up that ignores or suppresses too much passes
// silently, and this program fails it.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kCallers = 8;
constexpr int kCallsOfEach = 200;
constexpr std::chrono::seconds kDeadline(60);

int raced = 0;

class RacingReactor : public grpc::ServerGenericBidiReactor {
 public:
  RacingReactor() { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    ++raced;
    if (ok) {
      StartWriteAndFinish(&request_, grpc::WriteOptions(), grpc::Status::OK);
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }
  void OnDone() override { delete this; }

 private:
  grpc::ByteBuffer request_;
};

class RacingService : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new RacingReactor;
  }
};

bool Call(grpc::GenericStub& stub) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  grpc::Slice slice("canary");
  grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  bool ok = false;
  stub.UnaryCall(&context, "/fettle.Canary/Race", grpc::StubOptions(), &request, &response,
                 [&](grpc::Status status) {
                   std::lock_guard lock(mutex);
                   ok = status.ok();
                   done = true;
                   changed.notify_one();
                 });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
  return ok;
}

}  // namespace

int main() {
  RacingService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterCallbackGenericService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "the canary's server did not start\n";
    return 2;
  }
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([port, i] {
      // A channel of its own for each caller, so that handlers run in parallel.
      grpc::ChannelArguments arguments;
      arguments.SetInt("canary.channel", i);
      grpc::GenericStub stub(grpc::CreateCustomChannel(
          "127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials(), arguments));
      for (int call = 0; call < kCallsOfEach; ++call) {
        if (!Call(stub)) std::cerr << "a call failed\n";
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  server->Shutdown(std::chrono::system_clock::now() + kDeadline);
  std::cout << "handlers ran about " << raced << " times\n";
  return 0;
}
