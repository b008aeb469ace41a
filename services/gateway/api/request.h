// From a path, a query and a JSON body to the request of an rpc: protobuf's JSON mapping, with the
// names of the protos, and every fault told by its field.
#ifndef FETTLE_SERVICES_GATEWAY_API_REQUEST_H_
#define FETTLE_SERVICES_GATEWAY_API_REQUEST_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/status.h"
#include "services/gateway/api/routes.h"

namespace fettle::gateway {

// A parameter of a query: a simple field of the request, or of a message in it (`page_size`).
struct QueryParameter {
  std::string name;
  std::vector<const google::protobuf::FieldDescriptor*> way;  // the last is the field

  const google::protobuf::FieldDescriptor* field() const { return way.back(); }
};
std::vector<QueryParameter> QueryParametersOf(const Route& route);

// The fields of a command's request that its body may hold: all but those of the path.
std::vector<const google::protobuf::FieldDescriptor*> BodyFieldsOf(const Route& route);

// Fills the request. INVALID_ARGUMENT with a violation for each fault: FIELD_UNKNOWN,
// FIELD_TYPE_NOT_VALID, PARAMETER_NOT_VALID. Neither values nor names of the caller's are echoed.
absl::Status FillFromPath(const std::map<std::string, std::string>& values,
                          google::protobuf::Message& request);
absl::Status FillFromQuery(const Route& route, std::string_view query,
                           google::protobuf::Message& request);
absl::Status FillFromBody(const Route& route, std::string_view body,
                          google::protobuf::Message& request);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_API_REQUEST_H_
