#include "services/audit/publishers.h"

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/status.h"

namespace fettle::audit {
namespace {

constexpr int64_t kControlTotalMsMax = 5'000;

}  // namespace

SourceName ParseSource(const std::string& source) {
  const std::vector<std::string> parts = absl::StrSplit(source, ':');
  const bool access = parts.size() == 5 && parts[4] == "access";
  if ((parts.size() != 4 && !access) || parts[0] != "urn" || parts[1] != "fettle") return {};
  return {parts[2], access};
}

Publishers::Publishers(const std::map<std::string, std::string>& targets,
                       const rpc::Identity& identity) {
  for (const auto& [service, target] : targets) {
    if (target.empty()) continue;
    clients_[service] = std::make_unique<rpc::FeedClient>(rpc::MakeChannel(target, identity),
                                                          /*follow=*/true);
  }
}

std::vector<journal::FeedSource> Publishers::Feeds() const {
  std::vector<journal::FeedSource> feeds;
  for (const auto& [service, client] : clients_) {
    feeds.push_back(rpc::FeedSourceOf(service, client.get()));
  }
  return feeds;
}

absl::StatusOr<journal::v1::GetControlTotalResponse> Publishers::ControlTotal(
    const std::string& source, int64_t block) const {
  const SourceName name = ParseSource(source);
  const auto client = clients_.find(name.service);
  // Audit's own events are its checkpoints, which are no leaves of the log that they sign.
  if (client == clients_.end() || (name.service == "audit" && !name.access)) {
    return base::Refuse(absl::StatusCode::kNotFound, "SOURCE_UNKNOWN",
                        "expected a source that the log follows, as GetProgress lists them");
  }
  return client->second->ControlTotal(name.access, block,
                                      absl::Now() + absl::Milliseconds(kControlTotalMsMax));
}

void Publishers::Cancel() {
  for (const auto& [service, client] : clients_) client->Cancel();
}

}  // namespace fettle::audit
