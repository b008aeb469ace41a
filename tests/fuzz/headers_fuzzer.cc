// Headers of any bytes. An input is lines of `Name: value` and of `Name< value`, where the value is
// encoded as base64 first, so that mutations reach the JSON inside.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "libs/base/check.h"
#include "libs/nhs/ods_code.h"
#include "services/gateway/fhir/headers.h"
#include "services/gateway/fhir/outcome.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  std::map<std::string, std::string, std::less<>> headers;
  for (const absl::string_view line : absl::StrSplit(input, '\n')) {
    const size_t end = line.find_first_of(":<");
    if (end == absl::string_view::npos || end + 2 > line.size()) continue;
    const absl::string_view value = line.substr(end + 2);
    headers[std::string(line.substr(0, end))] =
        line[end] == '<' ? absl::Base64Escape(value) : std::string(value);
  }
  const auto lookup = [&](std::string_view name) -> std::optional<std::string> {
    const auto found = headers.find(name);
    if (found == headers.end()) return std::nullopt;
    return found->second;
  };
  const absl::StatusOr<fettle::gateway::BarsHeaders> read = fettle::gateway::ReadHeaders(lookup);
  if (read.ok()) {
    FETTLE_CHECK(read->request_id.size() == 36 && read->correlation_id.size() == 36, "GUIDs");
    FETTLE_CHECK(fettle::nhs::IsOdsCode(read->organisation), "an ODS code");
    FETTLE_CHECK(!read->target_service.empty(), "a service id");
    return 0;
  }
  const int status = fettle::gateway::HttpStatusOf(fettle::gateway::KindOf(read.status()));
  FETTLE_CHECK(status == 400 || status == 406, "headers that are not read are the sender's");
  return 0;
}
