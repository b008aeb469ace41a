#include "services/audit/publishers.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/status.h"
#include "libs/rpc/status_map.h"

namespace fettle::audit {
namespace {

using journal::v1::GetControlTotalRequest;
using journal::v1::GetControlTotalResponse;
using journal::v1::JournalService;
using journal::v1::ReadJournalRequest;
using journal::v1::ReadJournalResponse;

constexpr int64_t kControlTotalMsMax = 5'000;
// A feed's stream is opened anew after this time.
constexpr int64_t kFeedHoursMax = 24;
// No journal has that many blocks: the answer is its last position alone.
constexpr int64_t kBlockBeyondAll = int64_t{1} << 40;
constexpr char kJournalName[] = "main";

absl::StatusOr<GetControlTotalResponse> AskTotal(JournalService::Stub& stub, bool access,
                                                 int64_t block) {
  grpc::ClientContext context;
  rpc::PrepareCall(context, absl::Now() + absl::Milliseconds(kControlTotalMsMax));
  GetControlTotalRequest request;
  request.set_log(access ? journal::v1::LOG_ACCESS : journal::v1::LOG_EVENTS);
  request.set_block(block);
  GetControlTotalResponse response;
  FETTLE_RETURN_IF_ERROR(rpc::FromGrpc(stub.GetControlTotal(&context, request, &response)));
  return response;
}

// A stream of one log that follows it.
class Stream {
 public:
  Stream(std::shared_ptr<JournalService::Stub> stub, bool access)
      : stub_(std::move(stub)), access_(access) {}
  ~Stream() { Close(); }

  absl::Status Read(int64_t from, int64_t to,
                    const std::function<bool(int64_t, std::string)>& item) {
    FETTLE_ASSIGN_OR_RETURN(const GetControlTotalResponse now,
                            AskTotal(*stub_, access_, kBlockBeyondAll));
    int64_t last = now.last_position();
    if (to > 0 && to < last) last = to;
    if (from > last) return absl::OkStatus();
    if (reader_ == nullptr || next_ != from) Open(from);
    ReadJournalResponse response;
    while (next_ <= last) {
      if (!reader_->Read(&response)) return Close();
      next_ = response.position() + 1;
      if (!item(response.position(), std::move(*response.mutable_value()))) break;
    }
    return absl::OkStatus();
  }

 private:
  void Open(int64_t from) {
    Close();
    context_ = std::make_unique<grpc::ClientContext>();
    rpc::PrepareCall(*context_, absl::Now() + absl::Hours(kFeedHoursMax));
    ReadJournalRequest request;
    request.set_log(access_ ? journal::v1::LOG_ACCESS : journal::v1::LOG_EVENTS);
    request.set_from_position(from);
    reader_ = stub_->ReadJournal(context_.get(), request);
    next_ = from;
  }

  // Why the stream ended.
  absl::Status Close() {
    if (reader_ == nullptr) return absl::OkStatus();
    context_->TryCancel();
    const absl::Status status = rpc::FromGrpc(reader_->Finish());
    reader_.reset();
    return status;
  }

  const std::shared_ptr<JournalService::Stub> stub_;
  const bool access_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<ReadJournalResponse>> reader_;
  int64_t next_ = 0;
};

}  // namespace

SourceName ParseSource(const std::string& source) {
  const std::vector<std::string> parts = absl::StrSplit(source, ':');
  const bool access = parts.size() == 5 && parts[4] == "access";
  if ((parts.size() != 4 && !access) || parts[0] != "urn" || parts[1] != "fettle") return {};
  return {parts[2], access};
}

Publishers::Publishers(const std::map<std::string, std::string>& targets,
                       const rpc::Identity& identity) {
  for (const auto& [service, target] : targets) {
    if (target.empty()) continue;
    stubs_[service] = JournalService::NewStub(rpc::MakeChannel(target, identity));
  }
}

std::vector<journal::FeedSource> Publishers::Feeds() const {
  std::vector<journal::FeedSource> feeds;
  for (const auto& [service, stub] : stubs_) {
    journal::FeedSource feed;
    feed.service = service;
    feed.topic = absl::StrCat("fettle.", service, ".v1");
    feed.access_source = absl::StrCat("urn:fettle:", service, ":", kJournalName, ":access");
    auto events = std::make_shared<Stream>(stub, false);
    auto access = std::make_shared<Stream>(stub, true);
    feed.read = [stub = stub, events, access](
                    bool access_log, int64_t from, int64_t to,
                    const std::function<bool(int64_t, std::string)>& item) {
      // A gap that is fetched does not move the stream that follows.
      if (to > 0) return Stream(stub, access_log).Read(from, to, item);
      return (access_log ? *access : *events).Read(from, to, item);
    };
    feeds.push_back(std::move(feed));
  }
  return feeds;
}

absl::StatusOr<GetControlTotalResponse> Publishers::ControlTotal(const std::string& source,
                                                                 int64_t block) const {
  const SourceName name = ParseSource(source);
  const auto stub = stubs_.find(name.service);
  if (stub == stubs_.end()) {
    return base::Refuse(absl::StatusCode::kNotFound, "SOURCE_UNKNOWN",
                        "expected a source that the log follows, as GetProgress lists them");
  }
  return AskTotal(*stub->second, name.access, block);
}

}  // namespace fettle::audit
