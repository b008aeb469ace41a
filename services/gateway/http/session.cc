#include "services/gateway/http/session.h"

#include <string_view>

#include "services/gateway/fields.h"

namespace fettle::gateway {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::string_view kSchemeEnd = "://";

}  // namespace

std::string TokenOf(const http::Request& request) {
  if (const auto header = request.Header("authorization")) {
    return header->starts_with(kBearer) ? header->substr(kBearer.size()) : "";
  }
  return CookieValue(request, kSessionCookie);
}

bool IsFromElsewhere(const http::Request& request) {
  if (const auto site = request.Header("sec-fetch-site")) return *site != "same-origin";
  const std::string origin = request.Header("origin").value_or("");
  const size_t scheme_end = origin.find(kSchemeEnd);
  if (scheme_end == std::string::npos) return true;
  return origin.substr(scheme_end + kSchemeEnd.size()) != request.Header("host").value_or("");
}

}  // namespace fettle::gateway
