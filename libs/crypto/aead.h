#ifndef FETTLE_LIBS_CRYPTO_AEAD_H_
#define FETTLE_LIBS_CRYPTO_AEAD_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

struct evp_cipher_ctx_st;

// AES-256-GCM (NIST SP 800-38D). Any thread.
namespace fettle::crypto {

inline constexpr size_t kAeadKeyBytes = 32;
inline constexpr size_t kAeadNonceBytes = 12;
inline constexpr size_t kAeadTagBytes = 16;
inline constexpr size_t kAeadOverheadBytes = kAeadNonceBytes + kAeadTagBytes;

// Seals several texts with one key, which it expands once and wipes when it ends. A key that has
// not 32 bytes stops the process. One thread at a time.
class Aead {
 public:
  explicit Aead(std::string_view key);

  // nonce (12 random bytes) || ciphertext || tag (16 bytes). One key may seal 2^32 messages (SP
  // 800-38D, 8.3). `aad` is bound but not contained.
  std::string Seal(std::string_view plaintext, std::string_view aad);

 private:
  struct Closer {
    void operator()(evp_cipher_ctx_st* context) const;
  };
  const std::unique_ptr<evp_cipher_ctx_st, Closer> context_;
};

// The plaintext. DATA_LOSS when the bytes, the key or `aad` are not those of Seal: the cipher
// cannot tell which. A key that has not 32 bytes stops the process.
absl::StatusOr<std::string> OpenBytes(std::string_view key, std::string_view sealed,
                                      std::string_view aad);

}  // namespace fettle::crypto

#endif  // FETTLE_LIBS_CRYPTO_AEAD_H_
