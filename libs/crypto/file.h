#ifndef FETTLE_LIBS_CRYPTO_FILE_H_
#define FETTLE_LIBS_CRYPTO_FILE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Key files. Messages name the path, never the content.
namespace fettle::crypto {

inline constexpr size_t kKeyFileBytesMax = 1024 * 1024;

// The whole file. NOT_FOUND, PERMISSION_DENIED and the like from the system; INVALID_ARGUMENT: over
// kKeyFileBytesMax.
absl::StatusOr<std::string> ReadKeyFile(const std::string& path);

// A new file of mode 0600, synced with its directory. ALREADY_EXISTS: never overwrites.
absl::Status WriteNewKeyFile(const std::string& path, std::string_view content);

// The status with the path in front of its message.
absl::Status NamingFile(const std::string& path, const absl::Status& status);

}  // namespace fettle::crypto

#endif  // FETTLE_LIBS_CRYPTO_FILE_H_
