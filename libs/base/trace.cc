#include "libs/base/trace.h"

#include <algorithm>

#include "libs/base/text.h"
#include "libs/base/uuid.h"

namespace fettle::base {
namespace {

constexpr uint8_t kSampled = 1;
constexpr size_t kHeaderSize = 55;  // 2 + 1 + 32 + 1 + 16 + 1 + 2

bool IsLowerHex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsId(std::string_view text) {
  return IsLowerHex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

// Two lower-case hex digits.
uint8_t ByteOf(std::string_view text) {
  const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  return static_cast<uint8_t>(value(text[0]) << 4 | value(text[1]));
}

// 16 hex digits, not all zero.
std::string RandomId() {
  const uint64_t bits = RandomSeed();
  return Concat(absl::Hex(bits == 0 ? 1 : bits, absl::kZeroPad16));
}

}  // namespace

std::optional<TraceContext> ParseTraceparent(std::string_view header) {
  if (header.size() < kHeaderSize || header[2] != '-' || header[35] != '-' || header[52] != '-') {
    return std::nullopt;
  }
  const std::string_view version = header.substr(0, 2);
  const std::string_view trace_id = header.substr(3, 32);
  const std::string_view span_id = header.substr(36, 16);
  const std::string_view flags = header.substr(53, 2);
  if (!IsLowerHex(version) || version == "ff" || !IsId(trace_id) || !IsId(span_id) ||
      !IsLowerHex(flags)) {
    return std::nullopt;
  }
  // Only a later version may have more, and then after a hyphen.
  if (header.size() > kHeaderSize && (version == "00" || header[kHeaderSize] != '-')) {
    return std::nullopt;
  }
  return TraceContext{std::string(trace_id), std::string(span_id), ByteOf(flags)};
}

std::string FormatTraceparent(const TraceContext& context) {
  return Concat("00-", context.trace_id, "-", context.span_id, "-",
                absl::Hex(context.flags, absl::kZeroPad2));
}

TraceContext NewTrace() { return {Concat(RandomId(), RandomId()), RandomId(), kSampled}; }

TraceContext ChildOf(const TraceContext& parent) {
  // Version 00 knows one flag; the others must not be passed on.
  return {parent.trace_id, RandomId(), static_cast<uint8_t>(parent.flags & kSampled)};
}

std::string ChildTraceparent(std::string_view header) {
  const std::optional<TraceContext> parent = ParseTraceparent(header);
  return FormatTraceparent(parent ? ChildOf(*parent) : NewTrace());
}

}  // namespace fettle::base
