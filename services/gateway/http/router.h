// Which path is answered by what.
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_ROUTER_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_ROUTER_H_

#include <memory>
#include <string>
#include <string_view>

#include "libs/base/metrics.h"
#include "libs/http/message.h"
#include "libs/http/task.h"
#include "services/gateway/api/api_flow.h"
#include "services/gateway/http/assets.h"
#include "services/gateway/http/page_flow.h"
#include "services/gateway/message_flow.h"
#include "services/gateway/read_flow.h"

namespace fettle::gateway {

// Thread-safe; outlives the server that calls it.
class Router {
 public:
  Router(MessageFlow* flow, ReadFlow* reads, PageFlow* pages, Assets assets,
         std::string capability_statement, base::Metrics* metrics, ApiFlow* api = nullptr);

  http::Task<http::Response> Handle(std::shared_ptr<const http::Request> request);

  // The answer where no handler could give one; see http::Server::Failure.
  http::Response Failure(const http::Request& request, int status);

 private:
  http::Task<http::Response> Route(std::shared_ptr<const http::Request> request,
                                   const char** route);
  void Finish(const http::Request& request, const char* route, http::Response& response);

  MessageFlow* const flow_;
  ReadFlow* const reads_;
  PageFlow* const pages_;
  const Assets assets_;
  const std::string capability_statement_;
  base::Metrics* const metrics_;
  ApiFlow* const api_;
};

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_ROUTER_H_
