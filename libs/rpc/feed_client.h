// Another service's journal, read from outside: its feed and its control totals, called with this
// process's certificate.
#ifndef FETTLE_LIBS_RPC_FEED_CLIENT_H_
#define FETTLE_LIBS_RPC_FEED_CLIENT_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "fettle/journal/v1/journal_service.grpc.pb.h"
#include "libs/journal/consumer.h"

namespace fettle::rpc {

// Thread safe; Read is one call at a time per log.
class FeedClient {
 public:
  // Gives each item until it returns false.
  using Item = std::function<bool(int64_t position, std::string value)>;

  // `follow`: a read without an end leaves its stream open, so that the next one goes on in it.
  // Opening a feed leaves an access record at the other side, so whoever asks again and again does
  // well to.
  FeedClient(const std::shared_ptr<grpc::Channel>& channel, bool follow);
  // After Cancel and the last Read.
  ~FeedClient();

  // Positions `from_position` to `to_position` (0: no end, which returns OK when nothing more comes
  // for a moment). Blocks; UNAVAILABLE or DEADLINE_EXCEEDED when the service cannot be reached,
  // CANCELLED after Cancel.
  absl::Status Read(bool access_log, int64_t from_position, int64_t to_position, const Item& item);
  // Totals of a block as the publisher has them. Blocks up to `deadline`.
  absl::StatusOr<journal::v1::GetControlTotalResponse> ControlTotal(bool access_log, int64_t block,
                                                                    absl::Time deadline);
  // Ends what is under way; every later Read is CANCELLED.
  void Cancel();

 private:
  class Stream;
  struct Log {
    absl::Mutex mutex;  // held while reading
    std::unique_ptr<Stream> followed;
  };

  const std::unique_ptr<journal::v1::JournalService::Stub> stub_;
  const bool follow_;
  Log logs_[2];  // events, access
  absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  Stream* open_[2] ABSL_GUARDED_BY(mutex_) = {nullptr, nullptr};
};

// The feed of a service as a consumer wants it. `client` outlives the consumer.
journal::FeedSource FeedSourceOf(const std::string& service, FeedClient* client);

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_FEED_CLIENT_H_
