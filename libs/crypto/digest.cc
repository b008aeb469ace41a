#include "libs/crypto/digest.h"

#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "libs/base/uuid.h"
#include "libs/crypto/internal.h"

namespace fettle::crypto {
namespace {

using internal::Bytes;

// Fetching an algorithm by name takes locks and about 1 µs, so each is fetched once and never
// freed.
const EVP_MD* Sha256Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  FETTLE_CRYPTO_CHECK(algorithm != nullptr);
  return algorithm;
}

using MdContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)>;

void Start(EVP_MD_CTX* context) {
  FETTLE_CRYPTO_CHECK(EVP_DigestInit_ex2(context, Sha256Algorithm(), nullptr) == 1);
}

void Add(EVP_MD_CTX* context, std::string_view data) {
  FETTLE_CRYPTO_CHECK(EVP_DigestUpdate(context, data.data(), data.size()) == 1);
}

std::string End(EVP_MD_CTX* context) {
  std::string digest(kSha256Bytes, '\0');
  FETTLE_CRYPTO_CHECK(EVP_DigestFinal_ex(context, Bytes(digest), nullptr) == 1);
  return digest;
}

EVP_MD_CTX* ThreadDigest() {
  thread_local const MdContext context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  FETTLE_CRYPTO_CHECK(context != nullptr);
  return context.get();
}

MacContext NewHmac() {
  EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  FETTLE_CRYPTO_CHECK(hmac != nullptr);
  MacContext context(EVP_MAC_CTX_new(hmac), &EVP_MAC_CTX_free);
  EVP_MAC_free(hmac);
  char name[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", name, 0),
                               OSSL_PARAM_construct_end()};
  FETTLE_CRYPTO_CHECK(context != nullptr && EVP_MAC_CTX_set_params(context.get(), params) == 1);
  return context;
}

constexpr std::string_view kBase64Alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64UrlAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string EncodeBase64(std::string_view bytes, std::string_view alphabet, bool padded) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0);
    }
    for (size_t k = 0; k < 4; ++k) {
      if (k <= count) {
        text.push_back(alphabet[group >> (18 - 6 * k) & 63]);
      } else if (padded) {
        text.push_back('=');
      }
    }
  }
  return text;
}

constexpr std::array<int8_t, 256> Inverse(std::string_view alphabet) {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<int8_t>(i);
  }
  return values;
}

// `text` without padding. OpenSSL's own decoder skips white space and surplus bits, so that many
// texts would stand for the same bytes.
absl::StatusOr<std::string> DecodeBase64(std::string_view text,
                                         const std::array<int8_t, 256>& values) {
  if (text.size() % 4 == 1) return absl::InvalidArgumentError("base64: cut off");
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int8_t value = values[static_cast<unsigned char>(c)];
    if (value < 0) return absl::InvalidArgumentError("base64: a character of another alphabet");
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>(bits >> count & 255));
    }
  }
  if ((bits & ((1u << count) - 1)) != 0) {
    return absl::InvalidArgumentError("base64: bits behind the last byte");
  }
  return bytes;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string Sha256(std::string_view data) { return Sha256Parts({data}); }

std::string Sha256Parts(std::initializer_list<std::string_view> parts) {
  EVP_MD_CTX* const context = ThreadDigest();
  Start(context);
  for (const std::string_view part : parts) Add(context, part);
  return End(context);
}

void Sha256Hasher::Deleter::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256Hasher::Sha256Hasher() : context_(EVP_MD_CTX_new()) {
  FETTLE_CRYPTO_CHECK(context_ != nullptr);
  Start(context_.get());
}
Sha256Hasher::~Sha256Hasher() = default;
Sha256Hasher::Sha256Hasher(Sha256Hasher&&) noexcept = default;
Sha256Hasher& Sha256Hasher::operator=(Sha256Hasher&&) noexcept = default;

void Sha256Hasher::Update(std::string_view data) { Add(context_.get(), data); }

std::string Sha256Hasher::Finish() {
  std::string digest = End(context_.get());
  Start(context_.get());
  return digest;
}

std::string HmacSha256(std::string_view key, std::string_view data) {
  return HmacSha256Parts(key, {data});
}

std::string HmacSha256Parts(std::string_view key, std::initializer_list<std::string_view> parts) {
  thread_local const MacContext context = NewHmac();
  // Without a key, EVP_MAC_init would go on with the one of the last call.
  const std::string_view given = key.data() == nullptr ? std::string_view("") : key;
  FETTLE_CRYPTO_CHECK(EVP_MAC_init(context.get(), Bytes(given), given.size(), nullptr) == 1);
  for (const std::string_view part : parts) {
    FETTLE_CRYPTO_CHECK(EVP_MAC_update(context.get(), Bytes(part), part.size()) == 1);
  }
  std::string digest(kSha256Bytes, '\0');
  size_t size = 0;
  FETTLE_CRYPTO_CHECK(EVP_MAC_final(context.get(), Bytes(digest), &size, digest.size()) == 1 &&
                      size == kSha256Bytes);
  return digest;
}

std::string UuidV5(std::string_view namespace_uuid, std::string_view name) {
  static const EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  FETTLE_CRYPTO_CHECK(sha1 != nullptr);
  const std::string space = base::UuidToBytes(namespace_uuid);
  FETTLE_CHECK(!space.empty(), "the namespace is a UUID");

  std::string digest(20, '\0');
  EVP_MD_CTX* const context = ThreadDigest();
  FETTLE_CRYPTO_CHECK(EVP_DigestInit_ex2(context, sha1, nullptr) == 1);
  Add(context, space);
  Add(context, name);
  FETTLE_CRYPTO_CHECK(EVP_DigestFinal_ex(context, Bytes(digest), nullptr) == 1);

  digest.resize(16);
  digest[6] = static_cast<char>((digest[6] & 0x0f) | 0x50);
  digest[8] = static_cast<char>((digest[8] & 0x3f) | 0x80);
  return base::UuidFromBytes(digest);
}

std::string Hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

absl::StatusOr<std::string> UnHex(std::string_view text) {
  if (text.size() % 2 != 0) return absl::InvalidArgumentError("hex: odd length");
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = HexValue(text[i]);
    const int low = HexValue(text[i + 1]);
    if (high < 0 || low < 0) return absl::InvalidArgumentError("hex: not a hexadecimal digit");
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

std::string Base64(std::string_view bytes) { return EncodeBase64(bytes, kBase64Alphabet, true); }

std::string Base64Url(std::string_view bytes) {
  return EncodeBase64(bytes, kBase64UrlAlphabet, false);
}

absl::StatusOr<std::string> UnBase64(std::string_view text) {
  static constexpr auto kValues = Inverse(kBase64Alphabet);
  if (text.size() % 4 != 0) return absl::InvalidArgumentError("base64: padding");
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  return DecodeBase64(text, kValues);
}

absl::StatusOr<std::string> UnBase64Url(std::string_view text) {
  static constexpr auto kValues = Inverse(kBase64UrlAlphabet);
  return DecodeBase64(text, kValues);
}

}  // namespace fettle::crypto
