#ifndef FETTLE_LIBS_CRYPTO_DIGEST_H_
#define FETTLE_LIBS_CRYPTO_DIGEST_H_

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

struct evp_md_ctx_st;

// Digests and the text forms of bytes. All functions may be called from any thread; the contexts
// behind them are kept per thread, so that a digest of a short value costs well under 1 µs. A
// failure inside OpenSSL stops the process: no caller could go on safely without its digest.
namespace fettle::crypto {

inline constexpr size_t kSha256Bytes = 32;

// SHA-256 (FIPS 180-4), 32 raw bytes.
std::string Sha256(std::string_view data);

// SHA-256 of the parts one after another, with no copy: `Sha256Parts({"\x01", left, right})`.
std::string Sha256Parts(std::initializer_list<std::string_view> parts);

// SHA-256 of data that comes in pieces. Not shared between threads.
class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  Sha256Hasher(Sha256Hasher&&) noexcept;
  Sha256Hasher& operator=(Sha256Hasher&&) noexcept;

  void Update(std::string_view data);

  // The digest (32 raw bytes) of what was added since the start or the last Finish; starts anew.
  std::string Finish();

 private:
  struct Deleter {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Deleter> context_;
};

// HMAC-SHA-256 (RFC 2104), 32 raw bytes. A key of any length; ours have 32 bytes.
std::string HmacSha256(std::string_view key, std::string_view data);
std::string HmacSha256Parts(std::string_view key, std::initializer_list<std::string_view> parts);

// The UUID of version 5 (RFC 9562, 5.5) of `name` in a namespace, both ids as lower-case text of
// 36 characters. The namespace is a constant of the program: one that is no UUID stops it.
std::string UuidV5(std::string_view namespace_uuid, std::string_view name);

// Lower-case hexadecimal, two digits a byte.
std::string Hex(std::string_view bytes);

// Takes both cases. INVALID_ARGUMENT: odd length or another character.
absl::StatusOr<std::string> UnHex(std::string_view text);

// RFC 4648: Base64 with padding (section 4), Base64Url without (section 5, as in RFC 7515).
std::string Base64(std::string_view bytes);
std::string Base64Url(std::string_view bytes);

// Strict inverses: exactly the texts that the encoders make. INVALID_ARGUMENT: another alphabet,
// white space, missing or surplus padding, bits that are set behind the last byte.
absl::StatusOr<std::string> UnBase64(std::string_view text);
absl::StatusOr<std::string> UnBase64Url(std::string_view text);

}  // namespace fettle::crypto

#endif  // FETTLE_LIBS_CRYPTO_DIGEST_H_
