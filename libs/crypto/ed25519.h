#ifndef FETTLE_LIBS_CRYPTO_ED25519_H_
#define FETTLE_LIBS_CRYPTO_ED25519_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct evp_pkey_st;

// Ed25519 signatures (RFC 8032). Keys are immutable and may be used by several threads at once.
namespace fettle::crypto {

inline constexpr size_t kEd25519PublicKeyBytes = 32;
inline constexpr size_t kEd25519SignatureBytes = 64;

struct KeyDeleter {
  void operator()(evp_pkey_st* key) const;
};
using KeyHandle = std::unique_ptr<evp_pkey_st, KeyDeleter>;

class Ed25519PublicKey {
 public:
  // 32 raw bytes. INVALID_ARGUMENT: another length.
  static absl::StatusOr<Ed25519PublicKey> FromRaw(std::string_view raw);

  // SubjectPublicKeyInfo in PEM. INVALID_ARGUMENT: not PEM, or a key of another kind.
  static absl::StatusOr<Ed25519PublicKey> FromPem(std::string_view pem);

  std::string Raw() const;
  std::string Pem() const;

  bool Verify(std::string_view message, std::string_view signature) const;

 private:
  explicit Ed25519PublicKey(KeyHandle key) : key_(std::move(key)) {}
  KeyHandle key_;
};

class Ed25519PrivateKey {
 public:
  static Ed25519PrivateKey Generate();

  // PKCS #8 in PEM, not encrypted. INVALID_ARGUMENT: not PEM, or a key of another kind.
  static absl::StatusOr<Ed25519PrivateKey> FromPem(std::string_view pem);

  // NOT_FOUND: no such file. INVALID_ARGUMENT: as FromPem. The message names the file.
  static absl::StatusOr<Ed25519PrivateKey> Load(const std::string& path);

  // A new file of mode 0600, synced. ALREADY_EXISTS: never overwrites a key.
  absl::Status Save(const std::string& path) const;

  Ed25519PublicKey PublicKey() const;

  // 64 bytes.
  std::string Sign(std::string_view message) const;

 private:
  explicit Ed25519PrivateKey(KeyHandle key) : key_(std::move(key)) {}
  KeyHandle key_;
};

}  // namespace fettle::crypto

#endif  // FETTLE_LIBS_CRYPTO_ED25519_H_
