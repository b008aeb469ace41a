// Files that pages are made of: our own script, and what is read at start. Served from memory, so
// that no path of a request ever reaches the file system.
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_ASSETS_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_ASSETS_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/http/message.h"

namespace fettle::gateway {

inline constexpr char kAssetsPath[] = "/assets/";
// Below it: shows what changed on an open page (live.js).
inline constexpr char kLiveScriptName[] = "fettle-live.js";

class Assets {
 public:
  // The script alone.
  Assets();
  // Every .css, .js, .svg, .png, .ico, .woff2, .webmanifest below a directory. INVALID_ARGUMENT,
  // naming it: no directory, none of these in it, more than 500 or more than 16 MB.
  static absl::StatusOr<Assets> Load(const std::string& directory);

  // The file at `path` below kAssetsPath; 404 when there is none.
  http::Response Get(std::string_view path) const;

 private:
  struct File {
    const char* content_type;
    std::string bytes;
  };
  std::map<std::string, File, std::less<>> files_;
};

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_ASSETS_H_
