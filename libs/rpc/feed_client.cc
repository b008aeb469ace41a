#include "libs/rpc/feed_client.h"

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_stream.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/rpc/channel.h"

namespace fettle::rpc {
namespace {

// The first item of a stream: connecting, the access record and the first page of the log come
// before it.
constexpr absl::Duration kFirstItemWaitMax = absl::Seconds(5);
// A stream without an end that gives nothing for this long has nothing more.
constexpr absl::Duration kNextItemWaitMax = absl::Milliseconds(20);
// A new stream whose log has nothing behind the position gives nothing either, and nobody says so.
// What comes later comes to the next read of the stream.
constexpr absl::Duration kOpeningWaitMax = absl::Milliseconds(200);
// Whether an open stream has something new: only looked at.
constexpr absl::Duration kFollowWaitMax = absl::Milliseconds(1);
// A stream is opened anew after this time, so that a dead one does not stay for ever.
constexpr absl::Duration kStreamAgeMax = absl::Hours(1);

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace

// One ReadJournal under way, on a completion queue of its own. Used by one thread, but for Cancel.
class FeedClient::Stream {
 public:
  enum class Got { kItem, kNothing, kEnd };

  Stream(journal::v1::JournalService::Stub& stub, const journal::v1::ReadJournalRequest& request)
      : next_position_(request.from_position()) {
    PrepareCall(context_, absl::Now() + kStreamAgeMax);
    reader_ = stub.AsyncReadJournal(&context_, request, &queue_, Tag(Step::kStart));
  }

  ~Stream() {
    context_.TryCancel();
    if (!finished_) {
      // The pending step fails soon after the cancel; Finish then ends the call.
      while (pending_) Take(absl::InfiniteFuture());
      (void)Finish();  // nobody waits for it any more
    }
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  // The next item, within that time.
  Got Next(absl::Duration wait_max) {
    const absl::Time deadline = absl::Now() + wait_max;
    while (true) {
      if (!pending_) {
        if (ended_) return Got::kEnd;
        pending_ = true;
        reader_->Read(&response_, Tag(Step::kRead));
      }
      const Taken taken = Take(deadline);
      if (taken == Taken::kTimeout) return Got::kNothing;
      if (taken == Taken::kFailed) {
        ended_ = true;
        return Got::kEnd;
      }
      if (step_ == Step::kStart) continue;
      next_position_ = response_.position() + 1;
      return Got::kItem;
    }
  }

  journal::v1::ReadJournalResponse& response() { return response_; }
  int64_t next_position() const { return next_position_; }
  void Cancel() { context_.TryCancel(); }

  // Once, after kEnd.
  absl::Status Finish() {
    finished_ = true;
    grpc::Status status;
    pending_ = true;
    reader_->Finish(&status, Tag(Step::kFinish));
    Take(absl::InfiniteFuture());
    return FromGrpc(status);
  }

 private:
  enum class Step : intptr_t { kStart = 1, kRead, kFinish };
  enum class Taken { kDone, kFailed, kTimeout };

  static void* Tag(Step step) { return reinterpret_cast<void*>(step); }

  Taken Take(absl::Time deadline) {
    void* tag = nullptr;
    bool ok = false;
    const auto next = queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(deadline));
    if (next == grpc::CompletionQueue::TIMEOUT) return Taken::kTimeout;
    pending_ = false;
    step_ = static_cast<Step>(reinterpret_cast<intptr_t>(tag));
    return ok ? Taken::kDone : Taken::kFailed;
  }

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientAsyncReader<journal::v1::ReadJournalResponse>> reader_;
  journal::v1::ReadJournalResponse response_;
  int64_t next_position_;
  Step step_ = Step::kStart;
  bool pending_ = true;  // a step is under way; a new stream is starting
  bool ended_ = false;
  bool finished_ = false;
};

FeedClient::FeedClient(const std::shared_ptr<grpc::Channel>& channel, bool follow)
    : stub_(journal::v1::JournalService::NewStub(channel)), follow_(follow) {}

FeedClient::~FeedClient() = default;

absl::Status FeedClient::Read(bool access_log, int64_t from_position, int64_t to_position,
                              const Item& item) {
  const int number = access_log ? 1 : 0;
  Log& log = logs_[number];
  absl::MutexLock reading(&log.mutex);
  std::unique_ptr<Stream> stream;
  bool opened = false;
  if (to_position == 0 && log.followed != nullptr) {
    stream = std::move(log.followed);
    if (stream->next_position() != from_position) stream.reset();
  }
  if (stream == nullptr) {
    journal::v1::ReadJournalRequest request;
    request.set_log(access_log ? journal::v1::LOG_ACCESS : journal::v1::LOG_EVENTS);
    request.set_from_position(from_position);
    request.set_to_position(to_position);
    stream = std::make_unique<Stream>(*stub_, request);
    opened = true;
  }
  {
    absl::MutexLock lock(&mutex_);
    if (cancelled_) return absl::CancelledError("reading was ended");
    open_[number] = stream.get();
  }

  absl::Status status;
  bool ended = false;
  absl::Duration wait = to_position > 0 ? kFirstItemWaitMax
                        : opened        ? kOpeningWaitMax
                                        : kFollowWaitMax;
  while (true) {
    const Stream::Got got = stream->Next(wait);
    if (got == Stream::Got::kEnd) {
      status = stream->Finish();
      ended = true;
      break;
    }
    if (got == Stream::Got::kNothing) {
      if (to_position > 0) status = absl::DeadlineExceededError("the feed gives nothing");
      break;
    }
    journal::v1::ReadJournalResponse& response = stream->response();
    if (!item(response.position(), std::move(*response.mutable_value()))) {
      ended = true;
      break;
    }
    if (to_position == 0) wait = kNextItemWaitMax;
  }
  absl::MutexLock lock(&mutex_);
  open_[number] = nullptr;
  if (follow_ && to_position == 0 && !ended && !cancelled_) {
    log.followed = std::move(stream);
  }
  return status;
}

absl::StatusOr<journal::v1::GetControlTotalResponse> FeedClient::ControlTotal(bool access_log,
                                                                              int64_t block,
                                                                              absl::Time deadline) {
  grpc::ClientContext context;
  PrepareCall(context, deadline);
  journal::v1::GetControlTotalRequest request;
  request.set_log(access_log ? journal::v1::LOG_ACCESS : journal::v1::LOG_EVENTS);
  request.set_block(block);
  journal::v1::GetControlTotalResponse response;
  const grpc::Status status = stub_->GetControlTotal(&context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  return response;
}

void FeedClient::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  for (Stream* stream : open_) {
    if (stream != nullptr) stream->Cancel();
  }
}

journal::FeedSource FeedSourceOf(const std::string& service, FeedClient* client) {
  journal::FeedSource source;
  source.service = service;
  source.topic = absl::StrCat("fettle.", service, ".v1");
  source.read = [client](bool access_log, int64_t from, int64_t to, const FeedClient::Item& item) {
    return client->Read(access_log, from, to, item);
  };
  return source;
}

}  // namespace fettle::rpc
