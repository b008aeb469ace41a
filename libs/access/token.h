#ifndef FETTLE_LIBS_ACCESS_TOKEN_H_
#define FETTLE_LIBS_ACCESS_TOKEN_H_

#include <array>
#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/crypto/jose.h"

// Who a caller is: bearer tokens (RFC 6750, RFC 7519), read as RFC 8725 asks.
namespace fettle::access {

// What a verified token says. All fields but user_name are there, of a bounded length, and hold no
// control characters.
struct Claims {
  std::string subject;       // `sub`: printable ASCII without spaces, at most 255
  std::string user_name;     // `name`: for people to read, UTF-8, may be empty
  std::string organisation;  // `organisation`: ODS code as in INV-10; none with kPersonRole
  std::string role;          // `role`: the one selected role; letters, digits, '_', '-'
  std::string purpose;       // `purpose`: as role
  absl::Time expires;        // `exp`, whole seconds; the token is taken until expires + clock_skew
};

struct TokenOptions {
  std::string issuer;    // `iss` must equal it
  std::string audience;  // `aud` must be this one string; a list is refused
  // 6 KB: the token travels with every call, and gRPC takes 8 KB of metadata (RELIABILITY 5.2).
  size_t token_bytes_max = 6 * 1024;
  // Verified tokens kept. When full, the one that expires first makes room.
  size_t token_cache_entries_max = 10'000;
  absl::Duration clock_skew = absl::Seconds(60);
};

// The role of somebody whom the records are about: the subject is the person's id.
inline constexpr std::string_view kPersonRole = "person";

// Verifies tokens and remembers the good ones until they expire, by their SHA-256, because a
// signature costs 30 to 100 µs. Thread safe. Lives as long as the server that asks it.
class TokenVerifier {
 public:
  // The clock must outlive the verifier.
  TokenVerifier(crypto::JwkSet keys, TokenOptions options, const base::Clock* clock);

  // The same with the keys of a JWKS file; errors as JwkSet::Load.
  static absl::StatusOr<std::unique_ptr<TokenVerifier>> Load(const std::string& jwks_path,
                                                             TokenOptions options,
                                                             const base::Clock* clock);

  // `bearer` is the value of the `authorization` header: "Bearer " and the token.
  //
  // UNAUTHENTICATED with one of these reasons, in this order; no word of the token is repeated:
  //   TOKEN_MISSING                no header, or another scheme
  //   TOKEN_TOO_LARGE              over token_bytes_max
  //   TOKEN_MALFORMED              not three parts of canonical base64url, not a JSON object, a
  //   name
  //                                twice, a claim missing, of another type or shape (also no `exp`)
  //   TOKEN_ALGORITHM_NOT_ALLOWED  `alg` is not ES256 or RS256, or not the one of its key
  //   TOKEN_HEADER_NOT_ALLOWED     a header member other than alg, kid, typ, x5t, x5t#S256 (so
  //   crit,
  //                                b64, zip, cty, jku, jwk, x5u, x5c), or `typ` is not a token's
  //   TOKEN_KEY_UNKNOWN            no `kid`, or none of ours
  //   TOKEN_SIGNATURE_INVALID
  //   TOKEN_ISSUER_WRONG
  //   TOKEN_AUDIENCE_WRONG
  //   TOKEN_EXPIRED                now >= exp + clock_skew
  //   TOKEN_NOT_YET_VALID          now < nbf - clock_skew, or the same with iat
  absl::StatusOr<Claims> Verify(std::string_view bearer);

  // Tokens remembered now, for metrics: at most token_cache_entries_max.
  size_t remembered() const;

 private:
  using Digest = std::array<char, 32>;
  struct DigestHash {
    size_t operator()(const Digest& digest) const;
  };

  absl::StatusOr<Claims> VerifyAnew(std::string_view token, absl::Time now) const;
  void Remember(const Digest& digest, const Claims& claims, absl::Time now);

  const crypto::JwkSet keys_;
  const TokenOptions options_;
  const base::Clock* const clock_;

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<Digest, Claims, DigestHash> verified_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<absl::Time, Digest>> by_expiry_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fettle::access

#endif  // FETTLE_LIBS_ACCESS_TOKEN_H_
