#include "libs/access/issuer.h"

#include "absl/status/status.h"
#include "libs/base/text.h"
#include "libs/crypto/json.h"

namespace fettle::access {

absl::StatusOr<std::string> MintToken(const crypto::JwsKey& private_key, std::string_view issuer,
                                      std::string_view audience, const Claims& claims,
                                      absl::Time now, absl::Duration ttl) {
  std::map<std::string, std::string> strings = {
      {"iss", std::string(issuer)}, {"aud", std::string(audience)}, {"sub", claims.subject},
      {"role", claims.role},        {"purpose", claims.purpose},
  };
  if (!claims.organisation.empty()) strings["organisation"] = claims.organisation;
  if (!claims.user_name.empty()) strings["name"] = claims.user_name;
  for (const auto& [name, value] : strings) {
    if (!base::IsUtf8(value)) return absl::InvalidArgumentError("a claim is not UTF-8");
  }
  const int64_t seconds = absl::ToUnixSeconds(now);
  return private_key.Sign(crypto::JsonText(
      strings, {{"iat", seconds}, {"nbf", seconds}, {"exp", seconds + absl::ToInt64Seconds(ttl)}}));
}

}  // namespace fettle::access
