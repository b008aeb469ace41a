#ifndef FETTLE_LIBS_CRYPTO_AEAD_H_
#define FETTLE_LIBS_CRYPTO_AEAD_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// AES-256-GCM (NIST SP 800-38D). Any thread.
namespace fettle::crypto {

inline constexpr size_t kAeadKeyBytes = 32;
inline constexpr size_t kAeadNonceBytes = 12;
inline constexpr size_t kAeadTagBytes = 16;
inline constexpr size_t kAeadOverheadBytes = kAeadNonceBytes + kAeadTagBytes;

// nonce (12 random bytes) || ciphertext || tag (16 bytes). One key may seal 2^32 messages (SP
// 800-38D, 8.3). `aad` is bound but not contained. A key that has not 32 bytes stops the process.
std::string SealBytes(std::string_view key, std::string_view plaintext, std::string_view aad);

// The plaintext. DATA_LOSS when the bytes, the key or `aad` are not those of SealBytes: the cipher
// cannot tell which. A key that has not 32 bytes stops the process.
absl::StatusOr<std::string> OpenBytes(std::string_view key, std::string_view sealed,
                                      std::string_view aad);

}  // namespace fettle::crypto

#endif  // FETTLE_LIBS_CRYPTO_AEAD_H_
