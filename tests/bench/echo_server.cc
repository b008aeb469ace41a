// A bare gRPC callback echo over the same mutual TLS as the services: the distribution's gRPC as it
// comes, nothing of ours beside it (no allocator, no settings). Its own process, as they are.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

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

std::string File(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

// echo_server PKI_DIR PORT
int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string pki = argv[1];
  grpc::SslServerCredentialsOptions ssl(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  ssl.pem_root_certs = File(pki + "/ca.crt");
  ssl.pem_key_cert_pairs.push_back({File(pki + "/referral.key"), File(pki + "/referral.crt")});
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  EchoServiceImpl echo;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(std::string("127.0.0.1:") + argv[2], grpc::SslServerCredentials(ssl));
  builder.RegisterService(&echo);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::fprintf(stderr, "cannot listen on port %s\n", argv[2]);
    return 1;
  }
  int signal = 0;
  sigwait(&stop, &signal);
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  return 0;
}
