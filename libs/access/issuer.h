#ifndef FETTLE_LIBS_ACCESS_ISSUER_H_
#define FETTLE_LIBS_ACCESS_ISSUER_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/access/token.h"
#include "libs/crypto/jose.h"

// The development issuer. A region uses its own identity provider; this one lets somebody try
// Fettle, and tests sign their tokens, without one.
namespace fettle::access {

inline constexpr std::string_view kDevelopmentIssuer = "https://issuer.fettle.invalid";
inline constexpr std::string_view kDevelopmentAudience = "fettle";

// A token for these claims (`expires` is not looked at) signed by a private key, valid from `now`
// (whole seconds) for `ttl`. FAILED_PRECONDITION: a public key. INVALID_ARGUMENT: not UTF-8. Else
// the claims are not judged: the verifier does that.
absl::StatusOr<std::string> MintToken(const crypto::JwsKey& private_key, std::string_view issuer,
                                      std::string_view audience, const Claims& claims,
                                      absl::Time now, absl::Duration ttl);

}  // namespace fettle::access

#endif  // FETTLE_LIBS_ACCESS_ISSUER_H_
