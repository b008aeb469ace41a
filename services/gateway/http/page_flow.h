// Where the pages get what they show.
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_PAGE_FLOW_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_PAGE_FLOW_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fettle/analytics/v1/analytics_service.grpc.pb.h"
#include "libs/access/token.h"
#include "libs/http/message.h"
#include "libs/http/task.h"
#include "libs/journal/journal.h"
#include "services/gateway/http/work_flow.h"

namespace fettle::gateway {

// Thread-safe; outlives the server that calls it.
class PageFlow {
 public:
  struct Parts {
    std::unique_ptr<analytics::v1::AnalyticsService::Stub> analytics;
    std::unique_ptr<WorkFlow> work = nullptr;
    access::TokenVerifier* tokens = nullptr;
    journal::Journal* journal = nullptr;  // of refusals
    // Partners and browsers come over TLS: the cookie never goes without it.
    bool secure_cookie = false;
    absl::Duration calls_max = absl::Milliseconds(4'500);
    // How long the start page shows the same figures: making them costs analytics a scan of all
    // that it holds, and nobody who loads the page has to sign in.
    absl::Duration figures_age_max = absl::Seconds(5);
  };

  explicit PageFlow(Parts parts) : parts_(std::move(parts)) {}

  // The figures are open to everybody: the small-number profile has been applied to them. The
  // gateway asks with its certificate alone, once at a time.
  http::Task<http::Response> Start(std::shared_ptr<const http::Request> request);

  // A journey is about one person: the reader's own token is asked for and travels along, from the
  // `Authorization` header or the cookie of SignIn.
  http::Task<http::Response> Journey(std::shared_ptr<const http::Request> request,
                                     std::string correlation_id);

  // From the form of the start page to the journey's own address.
  http::Task<http::Response> FindJourney(std::shared_ptr<const http::Request> request);

  // The form, and what it sends: a good token becomes a cookie that scripts cannot read and other
  // sites cannot send.
  http::Response SignIn(const http::Request& request) const;
  // Takes the cookie back.
  http::Response SignOut(const http::Request& request) const;

  // The pages below /work.
  http::Task<http::Response> Work(std::shared_ptr<const http::Request> request);

 private:
  // What keeps a token in the browser; without one, what makes it forget.
  std::string Cookie(const std::string& token) const;
  // The start page as it was made last, if it may still be shown; else `ask` says whether the
  // caller is to make it anew.
  std::optional<http::Response> KeptStart(bool& ask);
  http::Task<http::Response> MakeStart(std::shared_ptr<const http::Request> request);

  const Parts parts_;
  absl::Mutex mutex_;
  std::optional<http::Response> start_ ABSL_GUARDED_BY(mutex_);
  absl::Time start_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool asking_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_PAGE_FLOW_H_
