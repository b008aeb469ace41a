// The client against the server of this library, and against sockets that misbehave.
#include "libs/http/client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/http/background.h"
#include "libs/http/server.h"

namespace fettle::http {
namespace {

class HttpClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    metrics_ = *base::Metrics::Create(std::nullopt);
    server_ = *Server::Start({}, Answer, Fail, metrics_.get());
  }

  static Task<Response> Answer(std::shared_ptr<const Request> request) {
    if (request->Path() == "/slow") co_await Sleep(absl::Milliseconds(600));
    if (request->Path() == "/large")
      co_return Response{200, "text/plain", std::string(5'000, 'x'), {}};
    co_return Response{request->Path() == "/refused" ? 409 : 200,
                       "text/plain",
                       absl::StrCat(request->method, " ", request->Header("X-Two").value_or("none"),
                                    " ", request->body),
                       {{"X-Answer", "yes"}}};
  }
  static Response Fail(const Request&, int status) { return {status, "text/plain", "failed", {}}; }

  std::string Url(const std::string& path) const {
    return absl::StrCat("http://127.0.0.1:", server_->port(), path);
  }
  absl::StatusOr<Response> Send(Call call) {
    absl::StatusOr<Response> answer = absl::UnknownError("none");
    absl::Notification done;
    client_.Start(std::move(call), [&](absl::StatusOr<Response> got) {
      answer = std::move(got);
      done.Notify();
    });
    done.WaitForNotification();
    return answer;
  }

  std::unique_ptr<base::Metrics> metrics_;
  std::unique_ptr<Server> server_;
  Client client_{{.connect_ms_max = 300, .answer_ms_max = 300, .answer_bytes_max = 4'000}};
};

TEST_F(HttpClientTest, SendsAndTakesAnAnswer) {
  const auto answer = Send({.url = Url("/x"), .headers = {{"X-Two", "2"}}, .body = "words"});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "POST 2 words");
  EXPECT_EQ(answer->content_type, "text/plain");
  EXPECT_THAT(answer->headers, ::testing::Contains(std::pair("X-Answer", "yes")));
  EXPECT_EQ(Send({.url = Url("/refused")})->status, 409);
  EXPECT_EQ(Send({.method = "GET", .url = Url("/x")})->body, "GET none ");
}

TEST_F(HttpClientTest, ManyCallsGoAtOnce) {
  constexpr int kCalls = 50;
  std::atomic<int> good = 0;
  absl::Notification done;
  std::atomic<int> left = kCalls;
  for (int i = 0; i < kCalls; ++i) {
    client_.Start({.url = Url("/x"), .body = absl::StrCat(i)},
                  [&, i](absl::StatusOr<Response> answer) {
                    if (answer.ok() && answer->body == absl::StrCat("POST none ", i)) ++good;
                    if (--left == 0) done.Notify();
                  });
  }
  done.WaitForNotification();
  EXPECT_EQ(good, kCalls);
}

TEST_F(HttpClientTest, EachFailureHasItsCode) {
  EXPECT_TRUE(absl::IsDeadlineExceeded(Send({.url = Url("/slow")}).status()));
  EXPECT_TRUE(absl::IsOutOfRange(Send({.url = Url("/large")}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Send({.url = "ftp://localhost/x"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Send({.url = "http://"}).status()));
  const std::string gone = Url("/x");
  server_->Stop();
  EXPECT_TRUE(absl::IsUnavailable(Send({.url = gone}).status()));
}

TEST_F(HttpClientTest, AConnectionThatIsCutIsUnavailable) {
  boost::asio::io_context context;
  boost::asio::ip::tcp::acceptor acceptor(context, {boost::asio::ip::address_v4::loopback(), 0});
  std::thread partner([&] {
    boost::asio::ip::tcp::socket socket = acceptor.accept();
    boost::asio::streambuf request;
    boost::asio::read_until(socket, request, "\r\n\r\n");
    boost::asio::write(
        socket,
        boost::asio::buffer(std::string("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")));
  });
  const std::string url = absl::StrCat("http://127.0.0.1:", acceptor.local_endpoint().port(), "/x");
  EXPECT_TRUE(absl::IsUnavailable(Send({.url = url, .body = "words"}).status()));
  partner.join();
}

TEST_F(HttpClientTest, AStopEndsWhatIsUnderWay) {
  absl::Notification done;
  absl::Status status;
  client_.Start({.url = Url("/slow")}, [&](absl::StatusOr<Response> answer) {
    status = answer.status();
    done.Notify();
  });
  client_.Stop();
  done.WaitForNotification();
  EXPECT_TRUE(absl::IsCancelled(status));
  EXPECT_TRUE(absl::IsCancelled(Send({.url = Url("/x")}).status()));
}

TEST(HttpBackgroundTest, StopWaitsForWhatRuns) {
  Background background;
  bool over = false;
  const auto work = [&]() -> Task<void> {
    while (!background.stopping()) co_await Sleep(absl::Milliseconds(5));
    co_await Sleep(absl::Milliseconds(20));
    over = true;
  };
  background.Spawn(work());
  background.Stop();
  EXPECT_TRUE(over);
}

}  // namespace
}  // namespace fettle::http
