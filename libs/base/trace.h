// W3C Trace Context, level 1: the `traceparent` header.
#ifndef FETTLE_LIBS_BASE_TRACE_H_
#define FETTLE_LIBS_BASE_TRACE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fettle::base {

struct TraceContext {
  std::string trace_id;  // 32 lower-case hex digits, not all zero
  std::string span_id;   // 16 lower-case hex digits, not all zero
  uint8_t flags = 0;     // bit 0: sampled

  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

// `00-<trace id>-<span id>-<flags>`; a later version may have more after it. Nothing when the
// header is not valid, and then a new trace begins.
std::optional<TraceContext> ParseTraceparent(std::string_view header);
std::string FormatTraceparent(const TraceContext& context);

// A new trace, sampled, with random ids.
TraceContext NewTrace();
// A new span of the same trace.
TraceContext ChildOf(const TraceContext& parent);
// The traceparent for what is done because of a call that came with `header`: its child, or a new
// trace when `header` is empty or not valid.
std::string ChildTraceparent(std::string_view header);

}  // namespace fettle::base

#endif  // FETTLE_LIBS_BASE_TRACE_H_
