// Who a browser speaks for, and whether a form came from a page of ours.
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_SESSION_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_SESSION_H_

#include <string>

#include "libs/http/message.h"

namespace fettle::gateway {

// Holds the token of who signed in.
inline constexpr char kSessionCookie[] = "fettle_token";

// The token of a request: of its `Authorization` header, else of the cookie. Empty when there is
// none.
std::string TokenOf(const http::Request& request);

// True for a request that changes something and that no page of ours sent: the browser says so
// (Sec-Fetch-Site, else Origin), or says nothing. The cookie is SameSite=Strict, so this is a
// second lock, and the one for browsers that do not know the first.
bool IsFromElsewhere(const http::Request& request);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_SESSION_H_
