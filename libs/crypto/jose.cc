#include "libs/crypto/jose.h"

#include <cjose/header.h>
#include <cjose/jwk.h>
#include <cjose/jws.h>
#include <openssl/crypto.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/file.h"
#include "libs/crypto/internal.h"
#include "libs/crypto/json.h"
#include "libs/crypto/memory.h"

namespace fettle::crypto {
namespace {

using internal::Bytes;

constexpr size_t kP256Bytes = 32;
constexpr uint64_t kRsaExponentMin = 65537;

absl::Status Malformed(const std::string& what) {
  return absl::InvalidArgumentError("JWK: " + what);
}

bool IsPrivate(const JsonObject& jwk) {
  for (const std::string_view name : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    if (jwk.Has(name)) return true;
  }
  return false;
}

// A member in base64url, decoded; empty when it is missing or not canonical.
std::string Number(const JsonObject& jwk, std::string_view name) {
  const std::optional<std::string> text = jwk.String(name);
  if (!text.has_value()) return "";
  return UnBase64Url(*text).value_or("");
}

// cjose takes the length of `n` for the key's size and any exponent, so both are measured here.
absl::Status CheckRsa(const JsonObject& jwk) {
  const std::string n = Number(jwk, "n");
  if (n.empty() || n[0] == 0) return Malformed("`n` is not an integer in canonical base64url");
  const size_t bits = 8 * n.size() - std::countl_zero(static_cast<unsigned char>(n[0]));
  if (bits < kRsaBitsMin) return Malformed("RSA needs " + std::to_string(kRsaBitsMin) + " bits");
  const std::string e = Number(jwk, "e");
  if (e.empty() || e[0] == 0 || e.size() > sizeof(uint64_t)) {
    return Malformed("`e` is not an integer of at most 64 bits in canonical base64url");
  }
  uint64_t exponent = 0;
  for (const char c : e) exponent = exponent << 8 | static_cast<unsigned char>(c);
  if (exponent < kRsaExponentMin || exponent % 2 == 0) {
    return Malformed("`e` must be odd and at least " + std::to_string(kRsaExponentMin));
  }
  return absl::OkStatus();
}

absl::Status CheckP256(const JsonObject& jwk) {
  if (jwk.String("crv") != "P-256") return Malformed("ES256 needs `crv` P-256");
  for (const std::string name : {"x", "y", "d"}) {
    if ((name != "d" || jwk.Has("d")) && Number(jwk, name).size() != kP256Bytes) {
      return Malformed("`" + name + "` must be 32 bytes in canonical base64url");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<JwsParts> JwsParts::Split(std::string_view compact) {
  const size_t first = compact.find('.');
  const size_t last = compact.rfind('.');
  // With two dots only, the middle part has none; a third would not be base64url.
  if (first == last) return absl::InvalidArgumentError("JWS: not three parts");
  const absl::StatusOr<std::string> header = UnBase64Url(compact.substr(0, first));
  absl::StatusOr<std::string> payload = UnBase64Url(compact.substr(first + 1, last - first - 1));
  absl::StatusOr<std::string> signature = UnBase64Url(compact.substr(last + 1));
  if (!header.ok() || !payload.ok() || !signature.ok()) {
    return absl::InvalidArgumentError("JWS: not three parts of canonical base64url");
  }
  absl::StatusOr<JsonObject> object = JsonObject::Parse(*header);
  if (!object.ok()) return absl::InvalidArgumentError("JWS: the header is not a JSON object");
  return JwsParts{*std::move(object), *std::move(payload), *std::move(signature)};
}

std::string_view AlgorithmName(JwsAlgorithm algorithm) {
  return algorithm == JwsAlgorithm::kEs256 ? "ES256" : "RS256";
}

void JwsKey::Deleter::operator()(_cjose_jwk_int* key) const { cjose_jwk_release(key); }

absl::StatusOr<JwsKey> JwsKey::FromJwk(std::string_view jwk) {
  const absl::StatusOr<JsonObject> json = JsonObject::Parse(jwk);
  if (!json.ok()) return Malformed("not a JSON object with unique names");
  std::string kid = json->String("kid").value_or("");
  if (kid.empty() || kid.size() > kKeyIdBytesMax) {
    return Malformed("`kid` must have 1 to " + std::to_string(kKeyIdBytesMax) + " bytes");
  }
  const std::string alg = json->String("alg").value_or("");
  if (alg != "ES256" && alg != "RS256") return Malformed("`alg` must be ES256 or RS256");
  const JwsAlgorithm algorithm = alg == "ES256" ? JwsAlgorithm::kEs256 : JwsAlgorithm::kRs256;
  const bool is_ec = algorithm == JwsAlgorithm::kEs256;
  if (json->String("kty") != (is_ec ? "EC" : "RSA")) return Malformed("`kty` does not fit `alg`");
  if (json->Has("use") && json->String("use") != "sig") return Malformed("`use` must be sig");
  if (const absl::Status status = is_ec ? CheckP256(*json) : CheckRsa(*json); !status.ok()) {
    return status;
  }
  cjose_err error;
  Handle key(cjose_jwk_import(jwk.data(), jwk.size(), &error));
  if (key == nullptr) return Malformed("not a key");
  return JwsKey(std::move(key), std::move(kid), algorithm, IsPrivate(*json));
}

absl::StatusOr<JwsKey> JwsKey::Load(const std::string& path) {
  absl::StatusOr<std::string> jwk = ReadKeyFile(path);
  if (!jwk.ok()) return jwk.status();
  absl::StatusOr<JwsKey> key = FromJwk(*jwk);
  Wipe(*jwk);
  if (!key.ok()) return NamingFile(path, key.status());
  return key;
}

JwsKey JwsKey::Generate(std::string_view kid) {
  FETTLE_CHECK(!kid.empty() && kid.size() <= kKeyIdBytesMax, "a kid has 1 to 128 bytes");
  cjose_err error;
  Handle key(cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &error));
  FETTLE_CRYPTO_CHECK(key != nullptr);
  FETTLE_CRYPTO_CHECK(cjose_jwk_set_kid(key.get(), kid.data(), kid.size(), &error));
  return JwsKey(std::move(key), std::string(kid), JwsAlgorithm::kEs256, true);
}

std::string JwsKey::PublicJwk() const { return ToJwk(false); }

absl::StatusOr<std::string> JwsKey::PrivateJwk() const {
  if (!is_private_) return absl::FailedPreconditionError("the key is public");
  return ToJwk(true);
}

std::string JwsKey::ToJwk(bool with_private) const {
  cjose_err error;
  char* const text = cjose_jwk_to_json(key_.get(), with_private, &error);
  FETTLE_CRYPTO_CHECK(text != nullptr && text[0] == '{');
  // cjose leaves the algorithm out.
  std::string jwk = "{\"alg\":\"" + std::string(AlgorithmName(algorithm_)) + "\"," + (text + 1);
  OPENSSL_cleanse(text, std::strlen(text));
  free(text);
  return jwk;
}

absl::StatusOr<std::string> JwsKey::Verify(std::string_view compact) const {
  absl::StatusOr<JwsParts> parts = JwsParts::Split(compact);
  if (!parts.ok()) return parts.status();
  if (parts->header.String("alg") != AlgorithmName(algorithm_)) {
    return absl::InvalidArgumentError("JWS: `alg` is not the key's");
  }
  const absl::Status invalid = absl::PermissionDeniedError("JWS: signature is not valid");
  if (algorithm_ == JwsAlgorithm::kEs256 && parts->signature.size() != 2 * kP256Bytes)
    return invalid;
  cjose_err error;
  cjose_jws_t* const jws = cjose_jws_import(compact.data(), compact.size(), &error);
  if (jws == nullptr) return absl::InvalidArgumentError("JWS: malformed");
  const bool genuine = cjose_jws_verify(jws, key_.get(), &error);
  cjose_jws_release(jws);
  if (!genuine) return invalid;
  return std::move(parts->payload);
}

absl::StatusOr<std::string> JwsKey::Sign(std::string_view payload) const {
  if (!is_private_) return absl::FailedPreconditionError("the key is public");
  cjose_err error;
  cjose_header_t* const header = cjose_header_new(&error);
  FETTLE_CRYPTO_CHECK(header != nullptr);
  const absl::Cleanup header_release = [header] { cjose_header_release(header); };
  FETTLE_CRYPTO_CHECK(
      cjose_header_set(header, CJOSE_HDR_ALG, AlgorithmName(algorithm_).data(), &error) &&
      cjose_header_set(header, CJOSE_HDR_KID, kid_.c_str(), &error) &&
      cjose_header_set(header, "typ", "JWT", &error));
  cjose_jws_t* const jws =
      cjose_jws_sign(key_.get(), header, Bytes(payload), payload.size(), &error);
  FETTLE_CRYPTO_CHECK(jws != nullptr);
  const absl::Cleanup jws_release = [jws] { cjose_jws_release(jws); };
  const char* compact = nullptr;
  FETTLE_CRYPTO_CHECK(cjose_jws_export(jws, &compact, &error));
  return std::string(compact);
}

absl::StatusOr<JwkSet> JwkSet::FromJson(std::string_view json) {
  const absl::StatusOr<JsonObject> set = JsonObject::Parse(json);
  if (!set.ok()) return Malformed("not a JSON object with unique names");
  const std::optional<std::vector<std::string>> jwks = set->Objects("keys");
  if (!jwks.has_value() || jwks->empty()) return Malformed("`keys` must hold at least one key");
  JwkSet keys;
  for (size_t i = 0; i < jwks->size(); ++i) {
    absl::StatusOr<JwsKey> key = JwsKey::FromJwk((*jwks)[i]);
    if (!key.ok()) return NamingFile("keys[" + std::to_string(i) + "]", key.status());
    if (key->is_private()) {
      return Malformed("keys[" + std::to_string(i) + "] is a private key in a public set");
    }
    std::string kid = key->kid();
    if (!keys.keys_.emplace(std::move(kid), *std::move(key)).second) {
      return Malformed("keys[" + std::to_string(i) + "]: the same `kid` twice");
    }
  }
  return keys;
}

absl::StatusOr<JwkSet> JwkSet::Load(const std::string& path) {
  const absl::StatusOr<std::string> json = ReadKeyFile(path);
  if (!json.ok()) return json.status();
  absl::StatusOr<JwkSet> keys = FromJson(*json);
  if (!keys.ok()) return NamingFile(path, keys.status());
  return keys;
}

const JwsKey* JwkSet::Find(std::string_view kid) const {
  const auto it = keys_.find(kid);
  return it == keys_.end() ? nullptr : &it->second;
}

}  // namespace fettle::crypto
