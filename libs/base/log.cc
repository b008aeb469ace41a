#include "libs/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <cmath>
#include <memory>
#include <optional>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "libs/base/date.h"
#include "libs/base/text.h"

namespace fettle::base {
namespace {

constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error", "fatal"};
constexpr spdlog::level::level_enum kSpdlogLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                       spdlog::level::warn, spdlog::level::err,
                                                       spdlog::level::critical};

struct Logger {
  std::string service = "fettle";  // escaped
  std::atomic<Level> level = Level::kInfo;
  spdlog::logger out{"fettle", std::make_shared<spdlog::sinks::stderr_sink_mt>()};

  Logger() {
    out.set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
    out.set_level(spdlog::level::trace);
  }
};

// Never destroyed: other static objects may log while the process ends.
Logger& TheLogger() {
  static Logger* const kLogger = new Logger;
  return *kLogger;
}

// Characters that end a line, start a terminal sequence or reorder what a reader sees.
bool MustEscape(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

std::string Quoted(std::string_view text) {
  const std::string_view kept = TruncateUtf8(text, kLogFieldBytesMax);
  return Concat("\"", JsonEscape(kept), kept.size() < text.size() ? "…\"" : "\"");
}

struct ToJson {
  std::string operator()(std::string_view text) const { return Quoted(text); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(int64_t value) const { return Concat(value); }
  std::string operator()(uint64_t value) const { return Concat(value); }
  std::string operator()(double value) const {
    // JSON has no word for these.
    return std::isfinite(value) ? Concat(value) : "null";
  }
};

}  // namespace

void InitLog(std::string_view service, Level level) {
  TheLogger().service = JsonEscape(service);
  TheLogger().level = level;
}

absl::StatusOr<Level> ParseLevel(std::string_view text) {
  for (size_t i = 0; i < std::size(kLevelNames); ++i) {
    if (text == kLevelNames[i]) return static_cast<Level>(i);
  }
  return absl::InvalidArgumentError("log_level: expected debug, info, warning, error or fatal");
}

bool LogEnabled(Level level) { return level >= TheLogger().level.load(std::memory_order_relaxed); }

void Log(Level level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  Logger& logger = TheLogger();
  const auto index = static_cast<size_t>(level);
  std::string line =
      Concat("{\"time\":\"", FormatInstant(absl::Now()), "\",\"level\":\"", kLevelNames[index],
             "\",\"service\":\"", logger.service, "\",\"message\":", Quoted(message));
  int count = 0;
  for (const LogField& field : fields) {
    if (++count > kLogFieldsMax) continue;
    line += Concat(",", Quoted(field.key), ":", std::visit(ToJson(), field.value.value()));
  }
  if (count > kLogFieldsMax) line += Concat(",\"fields_dropped\":", count - kLogFieldsMax);
  line += '}';
  logger.out.log(kSpdlogLevels[index], spdlog::string_view_t(line.data(), line.size()));
}

std::string JsonEscape(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const std::optional<CodePoint> first = FirstCodePoint(text);
    const int bytes = first ? first->bytes : 1;
    if (!first) {
      escaped += "\uFFFD";
    } else if (first->value == U'"' || first->value == U'\\') {
      escaped += '\\';
      escaped += text[0];
    } else if (MustEscape(first->value)) {
      // All of them are in the basic plane: one \u escape is enough.
      absl::StrAppendFormat(&escaped, "\\u%04x", static_cast<uint32_t>(first->value));
    } else {
      escaped += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  return escaped;
}

}  // namespace fettle::base
