// The server over real sockets: its limits, its deadlines, its stop. Each test says what a client
// sends byte by byte, because what matters here is what a friendly client would never send.
#include "libs/http/server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fettle::http {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    metrics_ = *base::Metrics::Create(std::nullopt);
    ServerOptions options;
    options.header_bytes_max = 4'096;
    options.body_bytes_max = 100'000;
    options.read_ms_max = 300;
    options.idle_ms_max = 1'000;
    options.handler_ms_max = 200;
    options.connections_max = 4;
    server_ = *Server::Start(options, Answer, Fail, metrics_.get());
  }

  static Task<Response> Answer(std::shared_ptr<const Request> request) {
    if (request->Path() == "/throw") throw std::runtime_error("on purpose");
    if (request->Path() == "/slow") co_await Sleep(absl::Milliseconds(500));
    if (request->Path() == "/thread") {
      // As a gRPC call does: another thread brings the result.
      const int result =
          co_await Await<int>([](auto done) { std::thread([done] { done(42); }).detach(); });
      co_return Response{200, "text/plain", absl::StrCat(result), {}};
    }
    co_return Response{
        200,
        "text/plain",
        absl::StrCat(request->method, " ", request->target, " ",
                     request->Header("x-two").value_or("none"), " ", request->body.size()),
        {{"X-Split", "one\r\nX-Forged: two"}}};
  }

  static Response Fail(const Request& request, int status) {
    return {
        status, "text/plain", absl::StrCat("failed ", request.Header("X-Id").value_or("-")), {}};
  }

  // All that the server says until it closes.
  std::string Talk(const std::string& bytes) {
    boost::asio::io_context context;
    boost::asio::ip::tcp::socket socket(context);
    socket.connect({boost::asio::ip::address_v4::loopback(), server_->port()});
    boost::system::error_code error;
    boost::asio::write(socket, boost::asio::buffer(bytes), error);
    std::string answer;
    boost::asio::read(socket, boost::asio::dynamic_buffer(answer), error);
    return answer;
  }

  std::unique_ptr<base::Metrics> metrics_;
  std::unique_ptr<Server> server_;
};

constexpr char kEnd[] = "Connection: close\r\n\r\n";

TEST_F(HttpServerTest, AnswersSeveralRequestsOnOneConnection) {
  const std::string answer =
      Talk(absl::StrCat("GET /a?q=1 HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nx-two: 2\r\n\r\n",
                        "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n", kEnd, "abc"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("GET /a?q=1 1, 2 0"));
  EXPECT_THAT(answer, HasSubstr("POST /b none 3"));
  EXPECT_THAT(answer, ::testing::Not(HasSubstr("X-Forged")));
}

TEST_F(HttpServerTest, HeadHasLengthAndNoBody) {
  const std::string answer = Talk(absl::StrCat("HEAD / HTTP/1.1\r\nHost: x\r\n", kEnd));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 13"));
  EXPECT_THAT(answer, ::testing::EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, ContinuesWhenAskedTo) {
  const std::string answer =
      Talk(absl::StrCat("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n",
                        "Content-Length: 2\r\n", kEnd, "ab"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"));
}

TEST_F(HttpServerTest, WaitsForAnotherThread) {
  EXPECT_THAT(Talk(absl::StrCat("GET /thread HTTP/1.1\r\nHost: x\r\n", kEnd)), HasSubstr("42"));
}

TEST_F(HttpServerTest, RefusesWhatIsTooLargeOrNotHttp) {
  EXPECT_THAT(
      Talk(absl::StrCat("POST / HTTP/1.1\r\nHost: x\r\nX-Id: 7\r\nContent-Length: 100001\r\n", kEnd,
                        std::string(100'001, 'x'))),
      ::testing::AllOf(StartsWith("HTTP/1.1 413"), HasSubstr("failed 7")));
  EXPECT_THAT(Talk(absl::StrCat("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n",
                                kEnd, "20000\r\n", std::string(0x20000, 'x'), "\r\n0\r\n\r\n")),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(Talk(absl::StrCat("GET / HTTP/1.1\r\nX: ", std::string(5'000, 'x'), "\r\n\r\n")),
              StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(Talk("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Talk(std::string("GET /\0 HTTP/1.1\r\n\r\n", 19)), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(
      Talk("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      StartsWith("HTTP/1.1 400"));
}

TEST_F(HttpServerTest, HandlersMayFailOrBeLate) {
  EXPECT_THAT(Talk(absl::StrCat("GET /throw HTTP/1.1\r\nX-Id: 9\r\n", kEnd)),
              ::testing::AllOf(StartsWith("HTTP/1.1 500"), HasSubstr("failed 9")));
  EXPECT_THAT(Talk(absl::StrCat("GET /slow HTTP/1.1\r\nX-Id: 9\r\n", kEnd)),
              ::testing::AllOf(StartsWith("HTTP/1.1 408"), HasSubstr("failed 9")));
}

TEST_F(HttpServerTest, AClientThatDripsIsCutOff) {
  const absl::Time start = absl::Now();
  EXPECT_EQ(Talk("GET / HTTP/1.1\r\nHost: x\r\n"), "");
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(250));
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

TEST_F(HttpServerTest, ConnectionsBeyondTheLimitAreTurnedAway) {
  boost::asio::io_context context;
  std::vector<boost::asio::ip::tcp::socket> held;
  for (int i = 0; i < 4; ++i) {
    held.emplace_back(context).connect({boost::asio::ip::address_v4::loopback(), server_->port()});
  }
  EXPECT_THAT(Talk(""), StartsWith("HTTP/1.1 503"));
}

TEST_F(HttpServerTest, StopLetsTheRequestUnderWayEnd) {
  std::string answer;
  std::thread client([&] { answer = Talk("GET /slow HTTP/1.1\r\nHost: x\r\nX-Id: 1\r\n\r\n"); });
  absl::SleepFor(absl::Milliseconds(100));
  server_->Stop();
  client.join();
  EXPECT_THAT(answer, ::testing::AllOf(StartsWith("HTTP/1.1 408"), HasSubstr("Connection: close")));
}

TEST_F(HttpServerTest, APortInUseIsNamed) {
  ServerOptions options;
  options.listen_port = server_->port();
  const auto second = Server::Start(options, Answer, Fail, metrics_.get());
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(absl::StrCat(server_->port())));
}

}  // namespace
}  // namespace fettle::http
