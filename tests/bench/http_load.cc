// A closed-loop load over HTTP: each of N callers, with a connection of its own, sends its next
// request when the last is answered.
//
//   http_load POST PATH PORT HEADERS_FILE BODY_FILE SECONDS CALLERS FIRST
//   http_load GET PATH PORT HEADERS_FILE IDS_FILE SECONDS CALLERS FIRST
//
// HEADERS_FILE holds the headers' lines without ids, which each request gets of its own. In the
// body, @NHSNUMBER (one of the test range for each message, from the FIRST-th on) and @CASE (a
// UUID) make each message another case. In a path to read, @ID is one id of IDS_FILE after the
// other.
//
// Prints one line: calls, seconds, calls/s, p50 and p99 in microseconds, those that were not
// answered with 200, and the first of these answers.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "libs/base/uuid.h"
#include "libs/nhs/nhs_number.h"

namespace {

constexpr int64_t kFirstNumber = 9'990'000'000;
// Of 20 in a row one at least is valid.
constexpr int64_t kStride = 20;
constexpr int64_t kNumbers = 10'000'000 / kStride;

std::string Read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Number(int64_t index) {
  for (int64_t number = kFirstNumber + kStride * (index % kNumbers);; ++number) {
    std::string digits = absl::StrCat(number);
    if (fettle::nhs::IsValidNhsNumber(digits)) return digits;
  }
}

class Connection {
 public:
  explicit Connection(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    is_open_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Connection() { close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Status line, headers and body of the answer; empty when the connection broke.
  std::string Ask(const std::string& request) {
    for (size_t sent = 0; is_open_ && sent < request.size();) {
      const ssize_t wrote =
          send(socket_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (wrote <= 0) is_open_ = false;
      sent += static_cast<size_t>(std::max<ssize_t>(wrote, 0));
    }
    std::string answer;
    size_t whole = std::string::npos;
    char buffer[64 << 10];
    while (is_open_ && answer.size() < whole) {
      const ssize_t got = recv(socket_, buffer, sizeof buffer, 0);
      if (got <= 0) is_open_ = false;
      answer.append(buffer, static_cast<size_t>(std::max<ssize_t>(got, 0)));
      const size_t end = answer.find("\r\n\r\n");
      if (whole != std::string::npos || end == std::string::npos) continue;
      constexpr absl::string_view kLength = "\r\nContent-Length: ";
      const size_t length = answer.find(kLength.data());
      size_t bytes = 0;
      if (length == std::string::npos ||
          !absl::SimpleAtoi(answer.substr(length + kLength.size(),
                                          answer.find('\r', length + 2) - length - kLength.size()),
                            &bytes)) {
        is_open_ = false;
        continue;
      }
      whole = end + 4 + bytes;
    }
    return is_open_ ? answer : "";
  }

 private:
  int socket_;
  bool is_open_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  int port = 0, seconds = 0, callers = 0;
  int64_t first = 0;
  if (argc != 9 || !absl::SimpleAtoi(argv[3], &port) || !absl::SimpleAtoi(argv[6], &seconds) ||
      !absl::SimpleAtoi(argv[7], &callers) || !absl::SimpleAtoi(argv[8], &first)) {
    return 2;
  }
  const std::string method = argv[1], path = argv[2], headers = Read(argv[4]), file = Read(argv[5]);
  const bool reads = method == "GET";
  const std::vector<std::string> lines = absl::StrSplit(file, '\n', absl::SkipEmpty());
  if (lines.empty()) return 2;
  const auto request_of = [&](int64_t number, fettle::base::IdSource& ids) {
    const std::string head =
        absl::StrCat(" HTTP/1.1\r\nHost: localhost\r\n", headers, "X-Request-Id: ", ids.Next(),
                     "\r\nX-Correlation-Id: ", ids.Next(), "\r\n");
    if (reads) {
      const std::string& id = lines[static_cast<size_t>(number) % lines.size()];
      return absl::StrCat("GET ", absl::StrReplaceAll(path, {{"@ID", id}}), head, "\r\n");
    }
    const std::string message =
        absl::StrReplaceAll(file, {{"@NHSNUMBER", Number(number)}, {"@CASE", ids.Next()}});
    return absl::StrCat("POST ", path, head, "Content-Length: ", message.size(), "\r\n\r\n",
                        message);
  };
  std::atomic<int64_t> next = first;
  absl::Mutex mutex;
  std::vector<uint32_t> micros;
  int64_t refused = 0;
  std::string first_refusal;
  const absl::Time start = absl::Now(), end = start + absl::Seconds(seconds);
  const auto call = [&] {
    Connection connection(port);
    fettle::base::IdSource ids(absl::Now(), fettle::base::RandomSeed());
    std::vector<uint32_t> mine;
    while (absl::Now() < end) {
      const std::string request = request_of(next.fetch_add(1), ids);
      const absl::Time sent = absl::Now();
      const std::string answer = connection.Ask(request);
      mine.push_back(static_cast<uint32_t>(absl::ToInt64Microseconds(absl::Now() - sent)));
      if (absl::StartsWith(answer, "HTTP/1.1 200 ")) continue;
      absl::MutexLock lock(&mutex);
      if (refused++ == 0) first_refusal = answer.substr(0, 2000);
      if (answer.empty()) break;
    }
    absl::MutexLock lock(&mutex);
    micros.insert(micros.end(), mine.begin(), mine.end());
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < callers; ++i) threads.emplace_back(call);
  for (std::thread& thread : threads) thread.join();
  const double took = absl::ToDoubleSeconds(absl::Now() - start);
  std::sort(micros.begin(), micros.end());
  const auto at = [&](double share) {
    return micros.empty() ? 0 : micros[static_cast<size_t>(share * (micros.size() - 1))];
  };
  std::printf("%zu %.3f %.0f %u %u %lld %s\n", micros.size(), took,
              static_cast<double>(micros.size()) / took, at(0.5), at(0.99),
              static_cast<long long>(refused), first_refusal.c_str());
  return 0;
}
