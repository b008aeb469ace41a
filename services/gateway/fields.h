// Values by name of forms, queries and cookies.
#ifndef FETTLE_SERVICES_GATEWAY_FIELDS_H_
#define FETTLE_SERVICES_GATEWAY_FIELDS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/http/message.h"

namespace fettle::gateway {

// The value of a field of an application/x-www-form-urlencoded body, or of a query; empty when
// absent.
std::string FormField(std::string_view body, std::string_view name);
// All of them, in their order.
std::vector<std::pair<std::string, std::string>> FormPairs(std::string_view body);
// The value of a cookie; empty when absent.
std::string CookieValue(const http::Request& request, std::string_view name);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_FIELDS_H_
