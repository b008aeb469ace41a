// What came and what goes back, free of any HTTP library.
#ifndef FETTLE_LIBS_HTTP_MESSAGE_H_
#define FETTLE_LIBS_HTTP_MESSAGE_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fettle::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;  // upper case, as sent
  std::string target;  // as sent, with the query
  Headers headers;     // values hold no control characters
  std::string body;

  // The target without its query, percent signs as sent.
  std::string_view Path() const;
  // Names compare without case; values of a repeated header are joined by ", " (RFC 9110, 5.2).
  std::optional<std::string> Header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type;
  std::string body;
  // Beside Content-Type, Content-Length, Connection and Date, which the server writes. A line break
  // in a value ends it there.
  Headers headers;
};

}  // namespace fettle::http

#endif  // FETTLE_LIBS_HTTP_MESSAGE_H_
