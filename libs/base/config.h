// Settings of a program, each declared once with name, help (with its unit), default and bounds.
//
//   int64_t port = 0;
//   Settings settings("referral", "Keeps the life of referrals.");
//   settings.Add(&port, "listen_port", "TCP port of the gRPC server", 7001, 1, 65535);
//   absl::StatusOr<Settings::Next> next = settings.Load(argc, argv);
//
// Values come from the TOML file given as --config=FILE (`listen_port = 7001`) and then from the
// command line
// (`--listen_port=7001`), which wins. What is unknown, of the wrong type, out of bounds, or given
// twice stops the start with one line that names it.
#ifndef FETTLE_LIBS_BASE_CONFIG_H_
#define FETTLE_LIBS_BASE_CONFIG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fettle::base {

// Bytes of a text setting and of the configuration file.
inline constexpr int kSettingBytesMax = 4096;
inline constexpr int kConfigFileBytesMax = 1 << 20;

// Not thread-safe. The variables that were added outlive the call of Load.
class Settings {
 public:
  enum class Next {
    kRun,
    kExit,  // --help was asked for and printed
  };

  // `program` is the name in --help, `about` one sentence that says what it does.
  Settings(std::string program, std::string about);

  // Declares a setting and sets *value to its default. `name` is lower snake case and ends in its
  // unit where it has one
  // (`batch_ms_max`, `in_flight_bytes_max`); durations are int64 milliseconds. A wrong declaration
  // stops the process.
  void Add(int64_t* value, std::string name, std::string help, int64_t default_value, int64_t min,
           int64_t max);
  void Add(double* value, std::string name, std::string help, double default_value, double min,
           double max);
  void Add(bool* value, std::string name, std::string help, bool default_value);
  void Add(std::string* value, std::string name, std::string help, std::string default_value);

  // Sets the values. On an error (INVALID_ARGUMENT, NOT_FOUND for the file) no value has changed.
  absl::StatusOr<Next> Load(int argc, const char* const* argv);

  // What --help prints: every setting with help, default and bounds, in the order of declaration.
  std::string Help() const;

 private:
  using Value = std::variant<int64_t, double, bool, std::string>;
  struct Setting {
    std::string name;
    std::string help;
    std::variant<int64_t*, double*, bool*, std::string*> target;
    Value default_value;
    Value min;  // of the same kind as the default; not looked at for bool and string
    Value max;
  };
  struct Given {
    const Setting* setting;
    Value value;
  };

  void Declare(Setting setting);
  const Setting* Find(std::string_view name) const;
  absl::Status Unknown(std::string_view what, std::string_view name) const;
  absl::Status CheckBounds(const Setting& setting, const Value& value) const;
  absl::StatusOr<Value> FromText(const Setting& setting, const std::string& text) const;
  absl::Status ReadFile(const std::string& path, std::vector<Given>* given) const;

  std::string program_;
  std::string about_;
  std::vector<Setting> settings_;
};

}  // namespace fettle::base

#endif  // FETTLE_LIBS_BASE_CONFIG_H_
