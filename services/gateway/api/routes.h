// The plain JSON API: which path is which rpc. Read from the contracts, so that a new command of a
// referral or a service has its path without a line here.
#ifndef FETTLE_SERVICES_GATEWAY_API_ROUTES_H_
#define FETTLE_SERVICES_GATEWAY_API_ROUTES_H_

#include <google/protobuf/descriptor.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fettle/common/v1/options.pb.h"

namespace fettle::gateway {

inline constexpr char kApiPath[] = "/api/v1/";

struct Route {
  std::string method;  // GET, POST
  // As in README.md: /api/v1/referrals/{referral_id}/accept. What stands in braces is a text field
  // of the request.
  std::string path;
  const google::protobuf::MethodDescriptor* rpc = nullptr;
  bool is_command = false;

  const common::v1::RpcPolicy& policy() const;
  // The request's fields that the path gives.
  std::vector<const google::protobuf::FieldDescriptor*> PathFields() const;
};

class Routes {
 public:
  Routes();

  const std::vector<Route>& all() const { return routes_; }

  struct Match {
    const Route* route = nullptr;
    // By the name of the field; as they stand in the path.
    std::map<std::string, std::string> path_values;
  };
  // Where no route has both, `route` is null and `allowed` names the methods of the path, by comma;
  // empty when there is no such path.
  Match Find(std::string_view method, std::string_view path, std::string* allowed) const;

 private:
  std::vector<Route> routes_;
};

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_API_ROUTES_H_
