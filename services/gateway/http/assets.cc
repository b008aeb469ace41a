#include "services/gateway/http/assets.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fettle::gateway {

extern const char kLiveScript[];

namespace {

constexpr size_t kFilesMax = 500;
constexpr size_t kBytesMax = 16'000'000;

constexpr std::pair<std::string_view, const char*> kTypes[] = {
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".webmanifest", "application/manifest+json"},
};

const char* TypeOf(const std::string& extension) {
  for (const auto& [known, type] : kTypes) {
    if (extension == known) return type;
  }
  return nullptr;
}

absl::Status Wrong(const std::string& directory, std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("assets_dir: ", directory, ": ", std::string(what)));
}

}  // namespace

Assets::Assets() { files_[kLiveScriptName] = {TypeOf(".js"), kLiveScript}; }

absl::StatusOr<Assets> Assets::Load(const std::string& directory) {
  Assets assets;
  const size_t ours = assets.files_.size();
  size_t total = 0;
  std::error_code error;
  std::filesystem::recursive_directory_iterator at(directory, error);
  for (; !error && at != std::filesystem::recursive_directory_iterator(); at.increment(error)) {
    const char* type = TypeOf(at->path().extension());
    if (type == nullptr || !at->is_regular_file()) continue;
    std::ifstream in(at->path(), std::ios::binary);
    std::stringstream bytes;
    if (!in || !(bytes << in.rdbuf())) return Wrong(directory, "a file cannot be read");
    total += bytes.str().size();
    assets.files_[at->path().lexically_relative(directory).generic_string()] = {type, bytes.str()};
    if (total > kBytesMax || assets.files_.size() - ours > kFilesMax) {
      return Wrong(directory, "more than 500 files or 16 MB: not the pages' assets");
    }
  }
  if (error) return Wrong(directory, error.message());
  if (assets.files_.size() == ours) return Wrong(directory, "no assets in it");
  return assets;
}

http::Response Assets::Get(std::string_view path) const {
  const auto found = files_.find(path);
  if (found == files_.end()) return {404, "text/plain; charset=utf-8", "Not found\n", {}};
  return {200,
          found->second.content_type,
          found->second.bytes,
          {{"Cache-Control", "public, max-age=3600"}}};
}

}  // namespace fettle::gateway
