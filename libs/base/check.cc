#include "libs/base/check.h"

#include <cstdlib>

#include "libs/base/log.h"

namespace fettle::base::internal {

void CheckFailed(std::string_view file, int line, std::string_view condition,
                 std::string_view message) {
  // The name of the file alone: the folder is one of the machine that built it.
  file.remove_prefix(file.rfind('/') + 1);
  Log(Level::kFatal, message, {{"broken_check", condition}, {"file", file}, {"line", line}});
  std::abort();
}

}  // namespace fettle::base::internal
