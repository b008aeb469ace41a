#ifndef FETTLE_LIBS_CRYPTO_JOSE_H_
#define FETTLE_LIBS_CRYPTO_JOSE_H_

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/crypto/json.h"

struct _cjose_jwk_int;

// Signed tokens: JWS in compact form (RFC 7515), JWK and JWK sets (RFC 7517).
namespace fettle::crypto {

// ES256: ECDSA on P-256 with SHA-256. RS256: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3, 3.4).
enum class JwsAlgorithm { kEs256, kRs256 };

// The parts of a compact JWS, decoded. Nothing is verified.
struct JwsParts {
  // INVALID_ARGUMENT: not three parts of canonical base64url, or a header that is no JsonObject.
  static absl::StatusOr<JwsParts> Split(std::string_view compact);

  JsonObject header;
  std::string payload;
  std::string signature;
};

// The name in `alg`: "ES256", "RS256".
std::string_view AlgorithmName(JwsAlgorithm algorithm);

inline constexpr size_t kKeyIdBytesMax = 128;
inline constexpr size_t kRsaBitsMin = 2048;

// A key that is bound to one algorithm for its life (RFC 8725, 3.1), whatever a token says.
// Immutable; several threads may verify or sign at once.
class JwsKey {
 public:
  // A JWK, public or private, with `kid` (1 to 128 bytes, opaque) and `alg`. INVALID_ARGUMENT: no
  // or another `alg`, a key that does not fit it, not P-256, RSA under 2048 bits or with a public
  // exponent under 65537, `use` for something else, or malformed.
  static absl::StatusOr<JwsKey> FromJwk(std::string_view jwk);

  // The same from a file; also NOT_FOUND. The message names the file.
  static absl::StatusOr<JwsKey> Load(const std::string& path);

  // A new key pair, ES256.
  static JwsKey Generate(std::string_view kid);

  const std::string& kid() const { return kid_; }
  JwsAlgorithm algorithm() const { return algorithm_; }
  bool is_private() const { return is_private_; }

  std::string PublicJwk() const;
  // FAILED_PRECONDITION: a public key.
  absl::StatusOr<std::string> PrivateJwk() const;

  // The payload of a compact JWS that this key signed. INVALID_ARGUMENT: malformed, or its `alg` is
  // not this key's. PERMISSION_DENIED: the signature is not valid (for ES256 it has exactly 64
  // bytes). Other header members are for the caller to judge, before.
  absl::StatusOr<std::string> Verify(std::string_view compact) const;

  // A compact JWS with the header alg, kid, typ=JWT. FAILED_PRECONDITION: a public key.
  absl::StatusOr<std::string> Sign(std::string_view payload) const;

 private:
  struct Deleter {
    void operator()(_cjose_jwk_int* key) const;
  };
  using Handle = std::unique_ptr<_cjose_jwk_int, Deleter>;
  JwsKey(Handle key, std::string kid, JwsAlgorithm algorithm, bool is_private)
      : key_(std::move(key)),
        kid_(std::move(kid)),
        algorithm_(algorithm),
        is_private_(is_private) {}
  std::string ToJwk(bool with_private) const;

  Handle key_;
  std::string kid_;
  JwsAlgorithm algorithm_;
  bool is_private_;
};

// Public keys by `kid`, which is an opaque name: never part of a path, an address or a statement
// (published ones contain '/' and '+'). Immutable; any thread.
class JwkSet {
 public:
  // INVALID_ARGUMENT: malformed, no key, a `kid` twice, a private key, or as JwsKey::FromJwk.
  static absl::StatusOr<JwkSet> FromJson(std::string_view json);

  // The same from a file; also NOT_FOUND. The message names the file.
  static absl::StatusOr<JwkSet> Load(const std::string& path);

  // The key, owned by this set, or nullptr.
  const JwsKey* Find(std::string_view kid) const;
  size_t size() const { return keys_.size(); }

 private:
  std::map<std::string, JwsKey, std::less<>> keys_;
};

}  // namespace fettle::crypto

#endif  // FETTLE_LIBS_CRYPTO_JOSE_H_
