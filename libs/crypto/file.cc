#include "libs/crypto/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/cleanup/cleanup.h"

namespace fettle::crypto {

absl::StatusOr<std::string> ReadKeyFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, path);
  const absl::Cleanup closer = [file] { close(file); };
  std::string content(kKeyFileBytesMax + 1, '\0');
  size_t size = 0;
  while (size < content.size()) {
    const ssize_t count = read(file, content.data() + size, content.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, path);
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  if (size > kKeyFileBytesMax) {
    return absl::InvalidArgumentError(path + ": larger than a key file can be");
  }
  content.resize(size);
  content.shrink_to_fit();
  return content;
}

absl::Status NamingFile(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), path + ": " + std::string(status.message()));
}

absl::Status WriteNewKeyFile(const std::string& path, std::string_view content) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return absl::ErrnoToStatus(errno, path);
  const absl::Cleanup closer = [file] { close(file); };
  const auto fail = [&path] {
    const absl::Status status = absl::ErrnoToStatus(errno, path);
    unlink(path.c_str());
    return status;
  };
  while (!content.empty()) {
    const ssize_t count = write(file, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail();
    content.remove_prefix(static_cast<size_t>(count));
  }
  if (fsync(file) != 0) return fail();

  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return fail();
  const absl::Cleanup directory_closer = [directory] { close(directory); };
  return fsync(directory) == 0 ? absl::OkStatus() : fail();
}

}  // namespace fettle::crypto
