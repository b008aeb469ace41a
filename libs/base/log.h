// Log lines: one JSON object a line on standard error.
//
//   Log(Level::kInfo, "journal opened", {{"path", path}, {"position", position}});
//   {"time":"2025-03-17T09:30:00.123Z","level":"info","service":"referral","message":"journal
//   opened","path":"…",…}
//
// This is the only door to the log, because spdlog writes control characters as they are: every
// value is escaped, so that none can forge a line or a terminal sequence. No NHS number, name, date
// of birth or postcode is logged (INV-146).
#ifndef FETTLE_LIBS_BASE_LOG_H_
#define FETTLE_LIBS_BASE_LOG_H_

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fettle::base {

enum class Level { kDebug, kInfo, kWarning, kError, kFatal };

// Longer values are cut at a character and end in "…". Further fields are left out and counted as
// "fields_dropped".
inline constexpr int kLogFieldBytesMax = 4096;
inline constexpr int kLogFieldsMax = 32;

// A value of a field, made from what the caller has. Refers to the text it was made of.
class LogValue {
 public:
  // NOLINTBEGIN(google-explicit-constructor): the conversions are its purpose.
  LogValue(std::string_view text) : value_(text) {}
  LogValue(const char* text) : value_(std::string_view(text)) {}
  LogValue(const std::string& text) : value_(std::string_view(text)) {}
#ifndef ABSL_USES_STD_STRING_VIEW
  LogValue(absl::string_view text) : value_(std::string_view(text.data(), text.size())) {}
#endif
  LogValue(bool value) : value_(value) {}
  template <std::signed_integral T>
  LogValue(T value) : value_(static_cast<int64_t>(value)) {}
  template <std::unsigned_integral T>
  LogValue(T value) : value_(static_cast<uint64_t>(value)) {}
  LogValue(double value) : value_(value) {}
  // NOLINTEND(google-explicit-constructor)

  const std::variant<std::string_view, bool, int64_t, uint64_t, double>& value() const {
    return value_;
  }

 private:
  std::variant<std::string_view, bool, int64_t, uint64_t, double> value_;
};

struct LogField {
  std::string_view key;
  LogValue value;
};

// Names the service in every line and drops lines below `level`. Call once, before other threads
// log; lines before it carry the service "fettle" and the level info.
void InitLog(std::string_view service, Level level);

// `debug`, `info`, `warning`, `error`, `fatal`; INVALID_ARGUMENT otherwise.
absl::StatusOr<Level> ParseLevel(std::string_view text);

// Thread-safe. A line is written whole and at once.
void Log(Level level, std::string_view message, std::initializer_list<LogField> fields = {});

// For work that is only done for the log.
bool LogEnabled(Level level);

// `text` as the inside of a JSON string: quotes, backslashes, C0, DEL, C1, U+2028, U+2029 and the
// bidirectional controls as \u escapes, ill-formed UTF-8 as U+FFFD.
std::string JsonEscape(std::string_view text);

}  // namespace fettle::base

#endif  // FETTLE_LIBS_BASE_LOG_H_
