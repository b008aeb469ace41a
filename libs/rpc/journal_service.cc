#include "libs/rpc/journal_service.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "libs/base/status.h"
#include "libs/journal/control_total.h"
#include "libs/rpc/limits.h"
#include "libs/rpc/status_map.h"
#include "libs/rpc/validate.h"

namespace fettle::rpc {
namespace {

using journal::v1::ReadJournalRequest;
using journal::v1::ReadJournalResponse;

// Items that a feed holds in memory before they are written.
constexpr int kFeedItemsMax = 256;

journal::Log LogOf(journal::v1::Log log) {
  return log == journal::v1::LOG_ACCESS ? journal::Log::kAccess : journal::Log::kEvents;
}

// Authenticate, authorise, validate.
absl::StatusOr<journal::CallInfo> Enter(const grpc::CallbackServerContext& context,
                                        const google::protobuf::Message& request,
                                        const AdapterParts& parts) {
  const MethodInfo& method = MethodOf(request.GetDescriptor());
  FETTLE_ASSIGN_OR_RETURN(journal::CallInfo call, Authenticate(context, method, *parts.tokens));
  FETTLE_RETURN_IF_ERROR(Authorise(method, call.caller));
  FETTLE_RETURN_IF_ERROR(Validate(request));
  return call;
}

}  // namespace

// One open feed. It ends itself in OnDone; whoever still calls it holds a shared pointer.
class JournalServiceImpl::Feed final : public grpc::ServerWriteReactor<ReadJournalResponse>,
                                       public std::enable_shared_from_this<Feed> {
 public:
  Feed(JournalServiceImpl& service, const ReadJournalRequest& request)
      : service_(service),
        log_(LogOf(request.log())),
        next_(std::max<int64_t>(1, request.from_position())),
        last_(request.to_position()) {}

  void Open(const journal::CallInfo& call) {
    self_ = shared_from_this();
    service_.parts_.journal->Record(call, journal::v1::OUTCOME_ALLOWED, "", {},
                                    [self = shared_from_this()](absl::Status recorded) {
                                      if (!recorded.ok()) return self->End(recorded);
                                      self->Load();
                                    });
  }

  void End(const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      if (ended_) return;
      ended_ = true;
    }
    Finish(ToGrpc(status, service_.parts_.journal->model().service));
  }

  // Calls that are refused before they open.
  void Refuse(const absl::Status& status) {
    self_ = shared_from_this();
    End(status);
  }

  void Load() {
    service_.parts_.journal->Query(
        [self = shared_from_this()](absl::StatusOr<journal::JournalSnapshot*> snapshot) {
          if (!snapshot.ok()) return self->End(snapshot.status());
          absl::StatusOr<std::vector<journal::StoredEvent>> items =
              (*snapshot)->reader().ReadLog(self->log_, self->next_, kFeedItemsMax);
          if (!items.ok()) return self->End(items.status());
          for (journal::StoredEvent& item : *items) {
            if (self->last_ > 0 && item.position > self->last_) break;
            self->next_ = item.position + 1;
            self->items_.push_back(std::move(item));
          }
          self->WriteNext();
        });
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError("the reader has gone"));
    WriteNext();
  }

  void OnCancel() override {
    // A feed that waits for a commit has nothing under way that would notice.
    if (service_.TakeWaiting(shared_from_this())) End(absl::CancelledError("the reader has gone"));
  }

  void OnDone() override { self_.reset(); }

  int64_t next() const { return next_; }
  journal::Log log() const { return log_; }

 private:
  void WriteNext() {
    if (items_.empty()) {
      if (last_ > 0 && next_ > last_) return End(absl::OkStatus());
      return service_.Wait(shared_from_this());
    }
    response_.set_position(items_.front().position);
    response_.set_value(std::move(items_.front().value));
    items_.pop_front();
    StartWrite(&response_);
  }

  JournalServiceImpl& service_;
  const journal::Log log_;
  int64_t next_;
  const int64_t last_;
  std::deque<journal::StoredEvent> items_;
  ReadJournalResponse response_;
  std::shared_ptr<Feed> self_;
  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

JournalServiceImpl::JournalServiceImpl(const AdapterParts& parts) : parts_(parts) {
  parts_.journal->OnCommit([this] { Wake(false); });
}

JournalServiceImpl::~JournalServiceImpl() = default;

void JournalServiceImpl::EndFeeds() { Wake(true); }

void JournalServiceImpl::Wake(bool end) {
  std::vector<std::shared_ptr<Feed>> feeds;
  {
    absl::MutexLock lock(&mutex_);
    if (end) ending_ = true;
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (end || (*it)->next() <= parts_.journal->position((*it)->log())) {
        feeds.push_back(*it);
        it = waiting_.erase(it);
      } else {
        ++it;
      }
    }
  }
  for (const std::shared_ptr<Feed>& feed : feeds) {
    if (end) {
      feed->End(base::Unavailable("SERVICE_STOPPING", "the service is stopping", absl::Seconds(2)));
    } else {
      feed->Load();
    }
  }
}

void JournalServiceImpl::Wait(std::shared_ptr<Feed> feed) {
  bool ending = false;
  {
    absl::MutexLock lock(&mutex_);
    ending = ending_;
    // Looked at under the lock that Wake takes: a commit in between is seen here or wakes us.
    if (!ending && feed->next() > parts_.journal->position(feed->log())) {
      waiting_.insert(std::move(feed));
      return;
    }
  }
  if (ending) {
    return feed->End(
        base::Unavailable("SERVICE_STOPPING", "the service is stopping", absl::Seconds(2)));
  }
  feed->Load();
}

bool JournalServiceImpl::TakeWaiting(const std::shared_ptr<Feed>& feed) {
  absl::MutexLock lock(&mutex_);
  return waiting_.erase(feed) > 0;
}

grpc::ServerWriteReactor<ReadJournalResponse>* JournalServiceImpl::ReadJournal(
    grpc::CallbackServerContext* context, const ReadJournalRequest* request) {
  auto feed = std::make_shared<Feed>(*this, *request);
  absl::StatusOr<journal::CallInfo> call = Enter(*context, *request, parts_);
  if (call.ok()) {
    feed->Open(*call);
  } else {
    feed->Refuse(call.status());
  }
  return feed.get();
}

grpc::ServerUnaryReactor* JournalServiceImpl::GetOperation(
    grpc::CallbackServerContext* context, const journal::v1::GetOperationRequest* request,
    journal::v1::GetOperationResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::string& service = parts_.journal->model().service;
  absl::StatusOr<journal::CallInfo> call = Enter(*context, *request, parts_);
  if (!call.ok()) {
    reactor->Finish(ToGrpc(call.status(), service));
    return reactor;
  }
  parts_.journal->FindReceipt(
      journal::ReceiptKeyOf(call->caller, request->request_id()),
      [reactor, response, &service](absl::StatusOr<std::optional<journal::StoredReceipt>> receipt) {
        if (!receipt.ok()) return reactor->Finish(ToGrpc(receipt.status(), service));
        if (receipt->has_value()) {
          response->set_state(journal::v1::OPERATION_STATE_DONE);
          response->set_response((*receipt)->response);
          response->set_response_type((*receipt)->response_type);
        } else {
          response->set_state(journal::v1::OPERATION_STATE_UNKNOWN);
        }
        reactor->Finish(grpc::Status::OK);
      });
  return reactor;
}

grpc::ServerUnaryReactor* JournalServiceImpl::GetControlTotal(
    grpc::CallbackServerContext* context, const journal::v1::GetControlTotalRequest* request,
    journal::v1::GetControlTotalResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::string& service = parts_.journal->model().service;
  absl::StatusOr<journal::CallInfo> call = Enter(*context, *request, parts_);
  if (!call.ok()) {
    reactor->Finish(ToGrpc(call.status(), service));
    return reactor;
  }
  const journal::Log log = LogOf(request->log());
  const int64_t block = std::max<int64_t>(0, request->block());
  parts_.journal->Query([this, reactor, response, log, block,
                         &service](absl::StatusOr<journal::JournalSnapshot*> snapshot) {
    absl::Status status = snapshot.status();
    if (status.ok()) {
      journal::ControlTotal total;
      const int64_t from = block * journal::kControlBlockPositions + 1;
      const int64_t end = from + journal::kControlBlockPositions;
      for (int64_t next = from; next < end && status.ok();) {
        absl::StatusOr<std::vector<journal::StoredEvent>> items =
            (*snapshot)->reader().ReadLog(log, next, static_cast<int>(end - next));
        status = items.status();
        if (!status.ok() || items->empty()) break;
        for (const journal::StoredEvent& item : *items) {
          status.Update(total.Add(parts_.journal->model(), log, item));
        }
        next = items->back().position + 1;
      }
      if (status.ok()) {
        response->set_count(total.count());
        response->set_pence(total.pence());
        response->set_id_hash_sum(total.id_hash_sum());
        absl::StatusOr<int64_t> last = (*snapshot)->reader().LastPosition(log);
        status.Update(last.status());
        if (last.ok()) response->set_last_position(*last);
      }
    }
    reactor->Finish(ToGrpc(status, service));
  });
  return reactor;
}

}  // namespace fettle::rpc
