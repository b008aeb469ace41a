#include "libs/base/config.h"

#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "libs/base/check.h"
#include "libs/base/text.h"

namespace fettle::base {
namespace {

constexpr std::string_view kConfigOption = "config";
constexpr std::string_view kHelpOption = "help";

bool IsSettingName(std::string_view name) {
  return !name.empty() && name.front() >= 'a' && name.front() <= 'z' &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

// Levenshtein's distance.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

template <class... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::InvalidArgumentError(Concat(parts...));
}

}  // namespace

Settings::Settings(std::string program, std::string about)
    : program_(std::move(program)), about_(std::move(about)) {}

void Settings::Add(int64_t* value, std::string name, std::string help, int64_t default_value,
                   int64_t min, int64_t max) {
  *value = default_value;
  Declare({std::move(name), std::move(help), value, default_value, min, max});
}

void Settings::Add(double* value, std::string name, std::string help, double default_value,
                   double min, double max) {
  *value = default_value;
  Declare({std::move(name), std::move(help), value, default_value, min, max});
}

void Settings::Add(bool* value, std::string name, std::string help, bool default_value) {
  *value = default_value;
  Declare({std::move(name), std::move(help), value, default_value, {}, {}});
}

void Settings::Add(std::string* value, std::string name, std::string help,
                   std::string default_value) {
  *value = default_value;
  Declare({std::move(name), std::move(help), value, std::move(default_value), {}, {}});
}

void Settings::Declare(Setting setting) {
  FETTLE_CHECK(IsSettingName(setting.name), "a setting's name is lower snake case");
  FETTLE_CHECK(
      setting.name != kConfigOption && setting.name != kHelpOption && Find(setting.name) == nullptr,
      "a setting is declared once");
  FETTLE_CHECK(CheckBounds(setting, setting.default_value).ok(),
               "a setting's default is within its bounds");
  settings_.push_back(std::move(setting));
}

const Settings::Setting* Settings::Find(std::string_view name) const {
  auto found = std::ranges::find(settings_, name, &Setting::name);
  return found == settings_.end() ? nullptr : &*found;
}

absl::Status Settings::Unknown(std::string_view what, std::string_view name) const {
  auto nearest = std::ranges::min_element(
      settings_, {}, [name](const Setting& setting) { return Distance(name, setting.name); });
  return Wrong(what, " is not a setting of ", program_,
               nearest == settings_.end() ? "" : Concat("; did you mean ", nearest->name, "?"));
}

absl::Status Settings::CheckBounds(const Setting& setting, const Value& value) const {
  const auto within = [&]<class T>(const T& number) {
    const T min = std::get<T>(setting.min);
    const T max = std::get<T>(setting.max);
    // Not `number < min || …`: that would let a NaN pass.
    if (number >= min && number <= max) return absl::OkStatus();
    return Wrong("setting ", setting.name, " = ", number, " is out of bounds: ", min, " to ", max);
  };
  if (const auto* number = std::get_if<int64_t>(&value)) return within(*number);
  if (const auto* number = std::get_if<double>(&value)) return within(*number);
  if (const auto* text = std::get_if<std::string>(&value);
      text && text->size() > kSettingBytesMax) {
    return Wrong("setting ", setting.name, " is longer than ", kSettingBytesMax, " bytes");
  }
  return absl::OkStatus();
}

absl::StatusOr<Settings::Value> Settings::FromText(const Setting& setting,
                                                   const std::string& text) const {
  const auto not_a = [&](std::string_view kind) {
    return Wrong("setting ", setting.name, " = ", text.substr(0, 64), " is not ", kind);
  };
  if (std::holds_alternative<int64_t*>(setting.target)) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(text, &number)) return not_a("a whole number");
    return number;
  }
  if (std::holds_alternative<double*>(setting.target)) {
    double number = 0;
    if (!absl::SimpleAtod(text, &number)) return not_a("a number");
    return number;
  }
  if (std::holds_alternative<bool*>(setting.target)) {
    if (text != "true" && text != "false") return not_a("true or false");
    return text == "true";
  }
  return text;
}

absl::Status Settings::ReadFile(const std::string& path, std::vector<Given>* given) const {
  std::ifstream file(path, std::ios::binary);
  std::string content(kConfigFileBytesMax + 1, '\0');
  if (!file || (!file.read(content.data(), content.size()) && !file.eof())) {
    return absl::NotFoundError(Concat("configuration file ", path, " cannot be read"));
  }
  content.resize(file.gcount());
  if (content.size() > kConfigFileBytesMax) {
    return Wrong("configuration file ", path, " is larger than ", kConfigFileBytesMax, " bytes");
  }

  toml::table table;
  try {
    table = toml::parse(content, path);
  } catch (const toml::parse_error& error) {
    return Wrong(path, ", line ", error.source().begin.line, ": ", error.description());
  }
  for (auto&& [key, node] : table) {
    const std::string where = Concat(path, ", line ", node.source().begin.line, ": ");
    const Setting* setting = Find(key.str());
    if (setting == nullptr) return Unknown(Concat(where, key.str()), key.str());
    std::optional<Value> value;
    if (std::holds_alternative<int64_t*>(setting->target)) {
      if (node.is_integer()) value = node.as_integer()->get();
    } else if (std::holds_alternative<double*>(setting->target)) {
      if (node.is_number()) value = *node.value<double>();
    } else if (std::holds_alternative<bool*>(setting->target)) {
      if (node.is_boolean()) value = node.as_boolean()->get();
    } else if (node.is_string()) {
      value = node.as_string()->get();
    }
    if (!value) {
      constexpr const char* kKinds[] = {"a whole number", "a number", "true or false", "a string"};
      return Wrong(where, "setting ", setting->name, " is not ", kKinds[setting->target.index()]);
    }
    if (absl::Status status = CheckBounds(*setting, *value); !status.ok()) {
      return Wrong(where, status.message());
    }
    given->push_back({setting, *std::move(value)});
  }
  return absl::OkStatus();
}

absl::StatusOr<Settings::Next> Settings::Load(int argc, const char* const* argv) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  bool help = false;
  app.add_flag(Concat("--", kHelpOption), help);
  // Every option may be given several times here, so that the error below can name it.
  const auto add = [&app](std::string_view name, std::vector<std::string>* texts) {
    app.add_option(Concat("--", name), *texts)->allow_extra_args(false);
  };
  std::vector<std::string> config;
  add(kConfigOption, &config);
  std::vector<std::vector<std::string>> texts(settings_.size());
  for (size_t i = 0; i < settings_.size(); ++i) add(settings_[i].name, &texts[i]);
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    arguments.emplace_back(argv[i]);
    // An empty value must be an argument of its own: after `--name=` CLI11 would take the next
    // option as the value.
    if (arguments.back().starts_with("--") &&
        arguments.back().find('=') == arguments.back().size() - 1) {
      arguments.back().pop_back();
      arguments.emplace_back();
    }
  }
  std::ranges::reverse(arguments);  // the order that CLI11 wants a vector in
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return Wrong("command line: ", error.what());
  }

  if (help) {
    std::fputs(Help().c_str(), stdout);
    return Next::kExit;
  }
  if (const std::vector<std::string> rest = app.remaining(); !rest.empty()) {
    std::string_view name = rest.front();
    if (!name.starts_with("--")) return Wrong("command line: ", name, " is not expected");
    name = name.substr(2, name.find('=') - 2);
    return Unknown(Concat("command line: --", name), name);
  }

  std::vector<Given> given;
  if (config.size() > 1) return Wrong("command line: --config is given twice");
  if (!config.empty()) {
    if (absl::Status status = ReadFile(config.front(), &given); !status.ok()) return status;
  }
  for (size_t i = 0; i < settings_.size(); ++i) {
    const Setting& setting = settings_[i];
    if (texts[i].empty()) continue;
    if (texts[i].size() > 1) return Wrong("command line: --", setting.name, " is given twice");
    absl::StatusOr<Value> value = FromText(setting, texts[i].front());
    absl::Status status = value.ok() ? CheckBounds(setting, *value) : value.status();
    if (!status.ok()) return Wrong("command line: ", status.message());
    given.push_back({&setting, *std::move(value)});
  }

  for (Given& one : given) {
    std::visit([&one]<class T>(T* target) { *target = std::move(std::get<T>(one.value)); },
               one.setting->target);
  }
  return Next::kRun;
}

std::string Settings::Help() const {
  std::string text = Concat(program_, ": ", about_, "\n\nUsage: ", program_,
                            " [--config=FILE.toml] [--setting=value ...]\n"
                            "The command line wins over the file.\n\n");
  for (const Setting& setting : settings_) {
    text += Concat("  --", setting.name, "\n      ", setting.help, "\n      default ");
    if (const auto* number = std::get_if<int64_t>(&setting.default_value)) {
      text += Concat(*number, ", ", std::get<int64_t>(setting.min), " to ",
                     std::get<int64_t>(setting.max));
    } else if (const auto* real = std::get_if<double>(&setting.default_value)) {
      text +=
          Concat(*real, ", ", std::get<double>(setting.min), " to ", std::get<double>(setting.max));
    } else if (const auto* flag = std::get_if<bool>(&setting.default_value)) {
      text += Concat(*flag ? "true" : "false");
    } else {
      text += Concat("\"", std::get<std::string>(setting.default_value), "\"");
    }
    text += Concat("\n");
  }
  absl::StrAppend(&text,
                  "  --config\n      the TOML file with settings\n  --help\n      this text\n");
  return text;
}

}  // namespace fettle::base
