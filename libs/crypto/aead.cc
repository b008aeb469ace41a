#include "libs/crypto/aead.h"

#include <openssl/evp.h>

#include <climits>
#include <memory>

#include "absl/status/status.h"
#include "libs/crypto/internal.h"
#include "libs/crypto/memory.h"
#include "libs/crypto/random.h"

namespace fettle::crypto {
namespace {

using internal::Bytes;

const EVP_CIPHER* Aes256Gcm() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  FETTLE_CRYPTO_CHECK(cipher != nullptr);
  return cipher;
}

EVP_CIPHER_CTX* NewContext() {
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  FETTLE_CRYPTO_CHECK(context != nullptr);
  return context;
}

// OpenSSL counts in int.
int Size(std::string_view data) {
  FETTLE_CRYPTO_CHECK(data.size() <= INT_MAX);
  return static_cast<int>(data.size());
}

}  // namespace

// Wipes the key too.
void Aead::Closer::operator()(evp_cipher_ctx_st* context) const { EVP_CIPHER_CTX_free(context); }

Aead::Aead(std::string_view key) : context_(NewContext()) {
  FETTLE_CHECK(key.size() == kAeadKeyBytes, "an AES-256 key has 32 bytes");
  FETTLE_CRYPTO_CHECK(
      EVP_EncryptInit_ex2(context_.get(), Aes256Gcm(), Bytes(key), nullptr, nullptr) == 1);
}

std::string Aead::Seal(std::string_view plaintext, std::string_view aad) {
  EVP_CIPHER_CTX* const context = context_.get();
  std::string sealed = RandomBytes(kAeadNonceBytes);
  sealed.resize(plaintext.size() + kAeadOverheadBytes);
  unsigned char* const nonce = Bytes(sealed);
  unsigned char* const text = nonce + kAeadNonceBytes;
  int size = 0;
  FETTLE_CRYPTO_CHECK(EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce, nullptr) == 1);
  FETTLE_CRYPTO_CHECK(EVP_EncryptUpdate(context, nullptr, &size, Bytes(aad), Size(aad)) == 1);
  FETTLE_CRYPTO_CHECK(EVP_EncryptUpdate(context, text, &size, Bytes(plaintext), Size(plaintext)) ==
                      1);
  FETTLE_CRYPTO_CHECK(static_cast<size_t>(size) == plaintext.size());
  FETTLE_CRYPTO_CHECK(EVP_EncryptFinal_ex(context, text + size, &size) == 1);
  FETTLE_CRYPTO_CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kAeadTagBytes,
                                          text + plaintext.size()) == 1);
  return sealed;
}

absl::StatusOr<std::string> OpenBytes(std::string_view key, std::string_view sealed,
                                      std::string_view aad) {
  FETTLE_CHECK(key.size() == kAeadKeyBytes, "an AES-256 key has 32 bytes");
  if (sealed.size() < kAeadOverheadBytes) return absl::DataLossError("sealed bytes are cut off");
  const std::string_view nonce = sealed.substr(0, kAeadNonceBytes);
  const std::string_view text = sealed.substr(kAeadNonceBytes, sealed.size() - kAeadOverheadBytes);
  std::string tag(sealed.substr(sealed.size() - kAeadTagBytes));
  std::string plaintext(text.size(), '\0');
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> owned(NewContext(),
                                                                              &EVP_CIPHER_CTX_free);
  EVP_CIPHER_CTX* const context = owned.get();
  int size = 0;
  FETTLE_CRYPTO_CHECK(
      EVP_DecryptInit_ex2(context, Aes256Gcm(), Bytes(key), Bytes(nonce), nullptr) == 1);
  FETTLE_CRYPTO_CHECK(EVP_DecryptUpdate(context, nullptr, &size, Bytes(aad), Size(aad)) == 1);
  FETTLE_CRYPTO_CHECK(
      EVP_DecryptUpdate(context, Bytes(plaintext), &size, Bytes(text), Size(text)) == 1);
  FETTLE_CRYPTO_CHECK(
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kAeadTagBytes, tag.data()) == 1);
  if (EVP_DecryptFinal_ex(context, Bytes(plaintext) + size, &size) != 1) {
    Wipe(plaintext);
    return absl::DataLossError("sealed bytes do not open with this key");
  }
  return plaintext;
}

}  // namespace fettle::crypto
