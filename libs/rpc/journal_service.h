// What every journal offers to the outside: the feed, the outcome of an operation, control totals.
#ifndef FETTLE_LIBS_RPC_JOURNAL_SERVICE_H_
#define FETTLE_LIBS_RPC_JOURNAL_SERVICE_H_

#include <memory>
#include <set>

#include "absl/synchronization/mutex.h"
#include "fettle/journal/v1/journal_service.grpc.pb.h"
#include "libs/rpc/adapter.h"

namespace fettle::rpc {

class JournalServiceImpl final : public journal::v1::JournalService::CallbackService {
 public:
  explicit JournalServiceImpl(const AdapterParts& parts);
  ~JournalServiceImpl() override;

  grpc::ServerWriteReactor<journal::v1::ReadJournalResponse>* ReadJournal(
      grpc::CallbackServerContext* context,
      const journal::v1::ReadJournalRequest* request) override;
  grpc::ServerUnaryReactor* GetOperation(grpc::CallbackServerContext* context,
                                         const journal::v1::GetOperationRequest* request,
                                         journal::v1::GetOperationResponse* response) override;
  grpc::ServerUnaryReactor* GetControlTotal(
      grpc::CallbackServerContext* context, const journal::v1::GetControlTotalRequest* request,
      journal::v1::GetControlTotalResponse* response) override;

  // Ends all feeds, so that the server can stop; new ones are refused from now on.
  void EndFeeds();

 private:
  class Feed;

  void Wake(bool end);
  // Loads the feed's next items after the next commit, or now when there are some.
  void Wait(std::shared_ptr<Feed> feed);
  // The reader has gone: the feed waits no more. True when it was waiting.
  bool Cancel(const std::shared_ptr<Feed>& feed);

  const AdapterParts parts_;
  // Feeds that wait for the next commit.
  absl::Mutex mutex_;
  std::set<std::shared_ptr<Feed>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_JOURNAL_SERVICE_H_
