#include "libs/crypto/ed25519.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "libs/crypto/file.h"
#include "libs/crypto/internal.h"
#include "libs/crypto/memory.h"

namespace fettle::crypto {
namespace {

using internal::Bytes;

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

Bio Reader(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
}

// The memory of a secret BIO is wiped by OpenSSL when it is freed.
template <class Write>
std::string Written(Write write) {
  const Bio bio(BIO_new(BIO_s_secmem()), &BIO_free);
  FETTLE_CRYPTO_CHECK(bio != nullptr && write(bio.get()) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<size_t>(size));
}

// A file that asks for a pass phrase must fail, not wait at a terminal.
int NoPassPhrase(char*, int, int, void*) { return -1; }

bool IsEd25519(const KeyHandle& key) {
  return key != nullptr && EVP_PKEY_is_a(key.get(), "ED25519") == 1;
}

std::string RawPublic(const evp_pkey_st* key) {
  std::string raw(kEd25519PublicKeyBytes, '\0');
  size_t size = raw.size();
  FETTLE_CRYPTO_CHECK(EVP_PKEY_get_raw_public_key(key, Bytes(raw), &size) == 1 &&
                      size == raw.size());
  return raw;
}

}  // namespace

void KeyDeleter::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

absl::StatusOr<Ed25519PublicKey> Ed25519PublicKey::FromRaw(std::string_view raw) {
  KeyHandle key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(raw), raw.size()));
  if (key == nullptr) {
    return absl::InvalidArgumentError("not a raw Ed25519 public key of 32 bytes");
  }
  return Ed25519PublicKey(std::move(key));
}

absl::StatusOr<Ed25519PublicKey> Ed25519PublicKey::FromPem(std::string_view pem) {
  const Bio bio = Reader(pem);
  KeyHandle key(PEM_read_bio_PUBKEY(bio.get(), nullptr, &NoPassPhrase, nullptr));
  if (!IsEd25519(key)) return absl::InvalidArgumentError("not an Ed25519 public key in PEM");
  return Ed25519PublicKey(std::move(key));
}

std::string Ed25519PublicKey::Raw() const { return RawPublic(key_.get()); }

std::string Ed25519PublicKey::Pem() const {
  return Written([this](BIO* bio) { return PEM_write_bio_PUBKEY(bio, key_.get()); });
}

bool Ed25519PublicKey::Verify(std::string_view message, std::string_view signature) const {
  const Context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  FETTLE_CRYPTO_CHECK(context != nullptr);
  FETTLE_CRYPTO_CHECK(EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) ==
                      1);
  return signature.size() == kEd25519SignatureBytes &&
         EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(message),
                          message.size()) == 1;
}

Ed25519PrivateKey Ed25519PrivateKey::Generate() {
  KeyHandle key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  FETTLE_CRYPTO_CHECK(key != nullptr);
  return Ed25519PrivateKey(std::move(key));
}

absl::StatusOr<Ed25519PrivateKey> Ed25519PrivateKey::FromPem(std::string_view pem) {
  const Bio bio = Reader(pem);
  KeyHandle key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassPhrase, nullptr));
  if (!IsEd25519(key)) return absl::InvalidArgumentError("not an Ed25519 private key in PEM");
  return Ed25519PrivateKey(std::move(key));
}

absl::StatusOr<Ed25519PrivateKey> Ed25519PrivateKey::Load(const std::string& path) {
  absl::StatusOr<std::string> pem = ReadKeyFile(path);
  if (!pem.ok()) return pem.status();
  absl::StatusOr<Ed25519PrivateKey> key = FromPem(*pem);
  Wipe(*pem);
  if (!key.ok()) return NamingFile(path, key.status());
  return key;
}

absl::Status Ed25519PrivateKey::Save(const std::string& path) const {
  std::string pem = Written([this](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  const absl::Status status = WriteNewKeyFile(path, pem);
  Wipe(pem);
  return status;
}

Ed25519PublicKey Ed25519PrivateKey::PublicKey() const {
  return *Ed25519PublicKey::FromRaw(RawPublic(key_.get()));
}

std::string Ed25519PrivateKey::Sign(std::string_view message) const {
  const Context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  std::string signature(kEd25519SignatureBytes, '\0');
  size_t size = signature.size();
  FETTLE_CRYPTO_CHECK(context != nullptr && EVP_DigestSignInit(context.get(), nullptr, nullptr,
                                                               nullptr, key_.get()) == 1);
  FETTLE_CRYPTO_CHECK(
      EVP_DigestSign(context.get(), Bytes(signature), &size, Bytes(message), message.size()) == 1 &&
      size == signature.size());
  return signature;
}

}  // namespace fettle::crypto
