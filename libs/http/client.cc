#include "libs/http/client.h"

#include <curl/curl.h>

#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/check.h"
#include "libs/base/text.h"

namespace fettle::http {
namespace {

// Longest wait of the thread for sockets; a new call wakes it.
constexpr int kPollMs = 1'000;
constexpr char kUserAgent[] = "fettle";

void InitialiseOnce() {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  FETTLE_CHECK(initialised == CURLE_OK, "libcurl starts");
}

struct EasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListCleanup {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// A call under way.
struct Transfer {
  Call call;
  Client::Done done;
  std::unique_ptr<CURL, EasyCleanup> easy;
  std::unique_ptr<curl_slist, ListCleanup> headers;
  Response response;
  size_t answer_bytes_max = 0;
  bool too_large = false;
};

size_t TakeBody(char* data, size_t size, size_t count, void* to) {
  auto& transfer = *static_cast<Transfer*>(to);
  if (transfer.response.body.size() + size * count > transfer.answer_bytes_max) {
    transfer.too_large = true;
    return 0;
  }
  transfer.response.body.append(data, size * count);
  return size * count;
}

size_t TakeHeader(char* data, size_t size, size_t count, void* to) {
  auto& transfer = *static_cast<Transfer*>(to);
  const std::string_view line(data, size * count);
  const size_t colon = line.find(':');
  // A status line begins a new answer, after `100 Continue`.
  if (colon == std::string_view::npos) {
    if (line.starts_with("HTTP/")) transfer.response.headers.clear();
    return size * count;
  }
  std::string name(line.substr(0, colon));
  std::string value(absl::StripAsciiWhitespace(base::ToAbsl(line.substr(colon + 1))));
  if (absl::AsciiStrToLower(name) == "content-type") transfer.response.content_type = value;
  transfer.response.headers.emplace_back(std::move(name), std::move(value));
  return size * count;
}

absl::Status StatusOf(CURLcode code, const Transfer& transfer) {
  if (code == CURLE_OK) return absl::OkStatus();
  if (transfer.too_large) return absl::OutOfRangeError("the answer is larger than is read");
  const char* words = curl_easy_strerror(code);
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::InvalidArgumentError(words);
    case CURLE_OPERATION_TIMEDOUT:
      return absl::DeadlineExceededError(words);
    default:
      return absl::UnavailableError(words);
  }
}

}  // namespace

struct Client::Impl {
  explicit Impl(const ClientOptions& options) : options(options), multi(curl_multi_init()) {
    FETTLE_CHECK(multi != nullptr, "libcurl makes a handle");
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(options.connections_max));
  }
  ~Impl() { curl_multi_cleanup(multi); }

  void Run();
  std::vector<std::unique_ptr<Transfer>> TakeWaiting();
  void Begin(std::unique_ptr<Transfer> transfer);
  void End(CURL* easy, CURLcode code);

  const ClientOptions options;
  CURLM* const multi;
  std::map<CURL*, std::unique_ptr<Transfer>> running;  // of the thread alone
  absl::Mutex mutex;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  std::vector<std::unique_ptr<Transfer>> waiting ABSL_GUARDED_BY(mutex);
  std::thread thread;
};

void Client::Impl::Begin(std::unique_ptr<Transfer> transfer) {
  transfer->easy.reset(curl_easy_init());
  CURL* easy = transfer->easy.get();
  FETTLE_CHECK(easy != nullptr, "libcurl makes a handle");
  curl_slist* list = nullptr;
  for (const auto& [name, value] : transfer->call.headers) {
    list = curl_slist_append(list, absl::StrCat(name, ": ", value).c_str());
  }
  // Without it curl would wait a second for `100 Continue`.
  list = curl_slist_append(list, "Expect:");
  transfer->headers.reset(list);
  curl_easy_setopt(easy, CURLOPT_URL, transfer->call.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, kUserAgent);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, transfer->call.method.c_str());
  if (transfer->call.method == "POST") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->call.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(transfer->call.body.size()));
  }
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_ms_max));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(options.answer_ms_max));
  if (!transfer->call.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, transfer->call.ca_file.c_str());
  }
  transfer->answer_bytes_max = options.answer_bytes_max;
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, TakeBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, TakeHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer.get());
  running.emplace(easy, std::move(transfer));
  curl_multi_add_handle(multi, easy);
}

void Client::Impl::End(CURL* easy, CURLcode code) {
  const auto found = running.find(easy);
  const std::unique_ptr<Transfer> transfer = std::move(found->second);
  running.erase(found);
  curl_multi_remove_handle(multi, easy);
  const absl::Status status = StatusOf(code, *transfer);
  if (!status.ok()) return transfer->done(status);
  long http_status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &http_status);
  transfer->response.status = static_cast<int>(http_status);
  transfer->done(std::move(transfer->response));
}

std::vector<std::unique_ptr<Transfer>> Client::Impl::TakeWaiting() {
  absl::MutexLock lock(&mutex);
  return std::exchange(waiting, {});
}

void Client::Impl::Run() {
  const auto is_stopping = [this] {
    absl::MutexLock lock(&mutex);
    return stopping;
  };
  while (!is_stopping()) {
    for (std::unique_ptr<Transfer>& transfer : TakeWaiting()) Begin(std::move(transfer));
    int under_way = 0;
    curl_multi_perform(multi, &under_way);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg == CURLMSG_DONE) End(message->easy_handle, message->data.result);
    }
    curl_multi_poll(multi, nullptr, 0, kPollMs, nullptr);
  }
  for (auto& [easy, transfer] : running) {
    curl_multi_remove_handle(multi, easy);
    transfer->done(absl::CancelledError("the client stops"));
  }
  running.clear();
  for (std::unique_ptr<Transfer>& transfer : TakeWaiting()) {
    transfer->done(absl::CancelledError("the client stops"));
  }
}

Client::Client(const ClientOptions& options) {
  InitialiseOnce();
  impl_ = std::make_unique<Impl>(options);
  impl_->thread = std::thread([this] { impl_->Run(); });
}

Client::~Client() { Stop(); }

void Client::Start(Call call, Done done) {
  auto transfer = std::make_unique<Transfer>();
  transfer->call = std::move(call);
  transfer->done = std::move(done);
  {
    absl::MutexLock lock(&impl_->mutex);
    if (!impl_->stopping) impl_->waiting.push_back(std::move(transfer));
  }
  if (transfer != nullptr) return transfer->done(absl::CancelledError("the client stops"));
  curl_multi_wakeup(impl_->multi);
}

void Client::Stop() {
  {
    absl::MutexLock lock(&impl_->mutex);
    impl_->stopping = true;
  }
  curl_multi_wakeup(impl_->multi);
  if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace fettle::http
