#include "services/gateway/fields.h"

#include <algorithm>

namespace fettle::gateway {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A sequence that is none stays as it is.
std::string DecodeForm(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
                         HexDigit(text[i + 2]) >= 0;
    if (escaped) {
      decoded += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

// The value behind `name=` in a list of pairs.
std::string_view PairValue(std::string_view list, char separator, std::string_view name) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(separator), list.size());
    std::string_view pair = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) {
      return pair.substr(name.size() + 1);
    }
  }
  return {};
}

}  // namespace

std::string FormField(std::string_view body, std::string_view name) {
  return DecodeForm(PairValue(body, '&', name));
}

std::vector<std::pair<std::string, std::string>> FormPairs(std::string_view body) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!body.empty()) {
    const size_t end = std::min(body.find('&'), body.size());
    const std::string_view pair = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (equals == pair.size()) continue;
    pairs.emplace_back(DecodeForm(pair.substr(0, equals)), DecodeForm(pair.substr(equals + 1)));
  }
  return pairs;
}

std::string CookieValue(const http::Request& request, std::string_view name) {
  return std::string(PairValue(request.Header("Cookie").value_or(""), ';', name));
}

}  // namespace fettle::gateway
