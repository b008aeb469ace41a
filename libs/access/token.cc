#include "libs/access/token.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/json.h"
#include "libs/nhs/ods_code.h"

namespace fettle::access {
namespace {

constexpr std::string_view kScheme = "bearer ";
constexpr size_t kSubjectBytesMax = 255;  // OpenID Connect Core 1.0, 2
constexpr size_t kUserNameBytesMax = 200;
constexpr size_t kCodeCharactersMax = 64;
constexpr int64_t kUnixSecondsMax = 253'402'300'799;  // the end of the year 9999

absl::Status Refuse(std::string_view reason, std::string message) {
  return base::Refuse(absl::StatusCode::kUnauthenticated, reason, std::move(message));
}

absl::Status Malformed(std::string message) {
  return Refuse("TOKEN_MALFORMED", std::move(message));
}

// The name of a scheme is the same in both cases (RFC 9110, 11.1).
bool IsBearer(std::string_view scheme) {
  return std::equal(scheme.begin(), scheme.end(), kScheme.begin(), kScheme.end(),
                    [](char a, char b) { return absl::ascii_tolower(a) == b; });
}

bool IsSubject(std::string_view text) {
  return !text.empty() && text.size() <= kSubjectBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

bool IsCode(std::string_view text) {
  return !text.empty() && text.size() <= kCodeCharactersMax &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; });
}

bool IsUserName(std::string_view text) {
  if (text.size() > kUserNameBytesMax) return false;
  while (!text.empty()) {
    const std::optional<base::CodePoint> point = base::FirstCodePoint(text);
    if (!point.has_value()) return false;
    const char32_t c = point->value;
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029) return false;
    text.remove_prefix(point->bytes);
  }
  return true;
}

// A list of what may stand in the header is shorter than one of what may not. A member that says
// where a key is, or that the payload is to be read otherwise, is never looked at (RFC 8725, 3.10).
absl::Status CheckHeader(const crypto::JsonObject& header) {
  const std::string alg = header.String("alg").value_or("");
  if (alg != "ES256" && alg != "RS256") {
    return Refuse("TOKEN_ALGORITHM_NOT_ALLOWED", "tokens are signed with ES256 or RS256");
  }
  for (const std::string& name : header.Names()) {
    if (name != "alg" && name != "kid" && name != "typ" && name != "x5t" && name != "x5t#S256") {
      return Refuse("TOKEN_HEADER_NOT_ALLOWED",
                    "a token's header holds alg, kid, typ, x5t, x5t#S256 and nothing else");
    }
  }
  if (header.Has("typ")) {
    const std::string typ = absl::AsciiStrToLower(header.String("typ").value_or(""));
    if (typ != "jwt" && typ != "at+jwt") {
      return Refuse("TOKEN_HEADER_NOT_ALLOWED", "typ is JWT or at+jwt");
    }
  }
  return absl::OkStatus();
}

std::optional<absl::Time> Instant(const crypto::JsonObject& payload, std::string_view name) {
  const std::optional<int64_t> seconds = payload.Integer(name);
  if (!seconds.has_value() || *seconds < 0 || *seconds > kUnixSecondsMax) return std::nullopt;
  return absl::FromUnixSeconds(*seconds);
}

absl::StatusOr<Claims> ReadClaims(const crypto::JsonObject& payload, const TokenOptions& options,
                                  absl::Time now) {
  const std::optional<std::string> issuer = payload.String("iss");
  if (!issuer.has_value()) return Malformed("iss is missing or not a string");
  if (*issuer != options.issuer) return Refuse("TOKEN_ISSUER_WRONG", "another issuer's token");
  if (!payload.Has("aud")) return Malformed("aud is missing");
  if (payload.String("aud") != options.audience) {
    return Refuse("TOKEN_AUDIENCE_WRONG", "aud must be this system's name, alone");
  }

  const std::optional<absl::Time> expires = Instant(payload, "exp");
  if (!expires.has_value()) return Malformed("exp is missing or not in whole seconds");
  if (now >= *expires + options.clock_skew) return Refuse("TOKEN_EXPIRED", "the token has expired");
  for (const std::string_view name : {"nbf", "iat"}) {
    if (!payload.Has(name)) continue;
    const std::optional<absl::Time> begins = Instant(payload, name);
    if (!begins.has_value()) return Malformed("nbf and iat are in whole seconds");
    if (now < *begins - options.clock_skew) {
      return Refuse("TOKEN_NOT_YET_VALID", "the token is not valid yet");
    }
  }

  Claims claims;
  claims.expires = *expires;
  claims.subject = payload.String("sub").value_or("");
  if (!IsSubject(claims.subject)) return Malformed("sub is 1 to 255 printable ASCII characters");
  claims.role = payload.String("role").value_or("");
  if (!IsCode(claims.role)) return Malformed("role is 1 to 64 letters, digits, '_' or '-'");
  claims.organisation = payload.String("organisation").value_or("");
  if (claims.role == kPersonRole) {
    if (payload.Has("organisation")) return Malformed("a person has no organisation");
  } else if (!nhs::IsOdsCode(claims.organisation)) {
    return Malformed("organisation is an ODS code");
  }
  claims.purpose = payload.String("purpose").value_or("");
  if (!IsCode(claims.purpose)) return Malformed("purpose is 1 to 64 letters, digits, '_' or '-'");
  if (payload.Has("name")) {
    std::optional<std::string> name = payload.String("name");
    if (!name.has_value() || !IsUserName(*name)) {
      return Malformed("name is at most 200 bytes of text without control characters");
    }
    claims.user_name = *std::move(name);
  }
  return claims;
}

}  // namespace

TokenVerifier::TokenVerifier(crypto::JwkSet keys, TokenOptions options, const base::Clock* clock)
    : keys_(std::move(keys)), options_(std::move(options)), clock_(clock) {}

absl::StatusOr<std::unique_ptr<TokenVerifier>> TokenVerifier::Load(const std::string& jwks_path,
                                                                   TokenOptions options,
                                                                   const base::Clock* clock) {
  if (jwks_path.empty()) {
    return absl::InvalidArgumentError("jwks_file: name the JSON Web Key Set of the token issuer");
  }
  absl::StatusOr<crypto::JwkSet> keys = crypto::JwkSet::Load(jwks_path);
  if (!keys.ok()) {
    return absl::Status(keys.status().code(), absl::StrCat("jwks_file: ", keys.status().message()));
  }
  return std::make_unique<TokenVerifier>(*std::move(keys), std::move(options), clock);
}

size_t TokenVerifier::DigestHash::operator()(const Digest& digest) const {
  size_t hash;
  std::memcpy(&hash, digest.data(), sizeof(hash));
  return hash;
}

absl::StatusOr<Claims> TokenVerifier::Verify(std::string_view bearer) {
  if (bearer.size() <= kScheme.size() || !IsBearer(bearer.substr(0, kScheme.size()))) {
    return Refuse("TOKEN_MISSING", "the authorization header must hold a bearer token");
  }
  const std::string_view token = bearer.substr(kScheme.size());
  if (token.size() > options_.token_bytes_max) {
    return Refuse("TOKEN_TOO_LARGE", "the token is too large");
  }

  Digest digest;
  std::memcpy(digest.data(), crypto::Sha256(token).data(), digest.size());
  const absl::Time now = clock_->Now();
  {
    absl::MutexLock lock(&mutex_);
    const auto it = verified_.find(digest);
    if (it != verified_.end() && now < it->second.expires + options_.clock_skew) return it->second;
  }
  FETTLE_ASSIGN_OR_RETURN(Claims claims, VerifyAnew(token, now));
  Remember(digest, claims, now);
  return claims;
}

absl::StatusOr<Claims> TokenVerifier::VerifyAnew(std::string_view token, absl::Time now) const {
  const absl::StatusOr<crypto::JwsParts> parts = crypto::JwsParts::Split(token);
  if (!parts.ok()) {
    return Malformed("a token has three parts of canonical base64url and a JSON header");
  }
  const crypto::JsonObject& header = parts->header;
  FETTLE_RETURN_IF_ERROR(CheckHeader(header));

  const crypto::JwsKey* const key = keys_.Find(header.String("kid").value_or(""));
  if (key == nullptr) return Refuse("TOKEN_KEY_UNKNOWN", "kid names no key of the issuer");
  if (header.String("alg") != crypto::AlgorithmName(key->algorithm())) {
    return Refuse("TOKEN_ALGORITHM_NOT_ALLOWED", "alg is not the one that its key is bound to");
  }
  const absl::StatusOr<std::string> text = key->Verify(token);
  if (!text.ok()) return Refuse("TOKEN_SIGNATURE_INVALID", "the signature is not valid");

  const absl::StatusOr<crypto::JsonObject> payload = crypto::JsonObject::Parse(*text);
  if (!payload.ok()) return Malformed("the payload is not a JSON object with unique names");
  return ReadClaims(*payload, options_, now);
}

size_t TokenVerifier::remembered() const {
  absl::MutexLock lock(&mutex_);
  return verified_.size();
}

void TokenVerifier::Remember(const Digest& digest, const Claims& claims, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (!verified_.insert_or_assign(digest, claims).second) return;
  by_expiry_.emplace(claims.expires, digest);
  while (!by_expiry_.empty() && (by_expiry_.size() > options_.token_cache_entries_max ||
                                 by_expiry_.begin()->first + options_.clock_skew <= now)) {
    verified_.erase(by_expiry_.begin()->second);
    by_expiry_.erase(by_expiry_.begin());
  }
}

}  // namespace fettle::access
