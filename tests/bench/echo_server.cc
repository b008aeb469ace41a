// A bare gRPC callback echo over the same mutual TLS as the services. Its own process, as they are.
#include <csignal>
#include <cstdio>

#include "libs/rpc/host.h"
#include "tests/bench/echo_service.grpc.pb.h"

namespace {

using fettle::bench::v1::EchoRequest;
using fettle::bench::v1::EchoResponse;

class EchoServiceImpl final : public fettle::bench::v1::EchoService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context, const EchoRequest* request,
                                 EchoResponse* response) override {
    response->set_payload(request->payload().substr(0, request->answer_bytes()));
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace

// echo_server PKI_DIR PORT
int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string pki = argv[1];
  auto identity =
      fettle::rpc::LoadIdentity(pki + "/ca.crt", pki + "/referral.crt", pki + "/referral.key");
  if (!identity.ok()) return 1;
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  EchoServiceImpl echo;
  auto host = fettle::rpc::Host::Start({.listen_port = std::stoi(argv[2])}, *identity, {&echo});
  if (!host.ok()) {
    std::fprintf(stderr, "%s\n", std::string(host.status().message()).c_str());
    return 1;
  }
  int signal = 0;
  sigwait(&stop, &signal);
  (*host)->Stop();
  return 0;
}
