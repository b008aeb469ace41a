#include "libs/access/token.h"

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "libs/access/issuer.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/test_keys.h"

// Goal: nobody gets in who was not given a token by the issuer, for this system, for now (RFC 8725;
// RELIABILITY S2). Method: one good token, changed in one way at a time; each change must be
// refused by its own name, which shows that it was that check which found it.
namespace fettle::access {
namespace {

constexpr char kIssuer[] = "https://issuer.example";
constexpr char kAudience[] = "fettle";
constexpr char kEcKid[] = "b/O6OvVv1+y+WgrH5Ui9WTioLt0=";
constexpr int64_t kNow = 1'800'000'000;

class TokenTest : public testing::Test {
 protected:
  TokenTest()
      : ec_(crypto::JwsKey::Generate(kEcKid)),
        rsa_(*crypto::JwsKey::FromJwk(crypto::kTestRsaPrivateJwk)),
        clock_(absl::FromUnixSeconds(kNow)),
        verifier_(Verifier()) {}

  std::unique_ptr<TokenVerifier> Verifier(size_t entries = 10'000) {
    TokenOptions options;
    options.issuer = kIssuer;
    options.audience = kAudience;
    options.token_cache_entries_max = entries;
    auto keys = crypto::JwkSet::FromJson("{\"keys\":[" + ec_.PublicJwk() + "," +
                                         crypto::kTestRsaPublicJwk + "]}");
    EXPECT_TRUE(keys.ok()) << keys.status();
    return std::make_unique<TokenVerifier>(*std::move(keys), options, &clock_);
  }

  // The members of a good payload, each as JSON.
  static std::map<std::string, std::string> Good() {
    return {{"iss", "\"https://issuer.example\""}, {"aud", "\"fettle\""},
            {"sub", "\"555254240100\""},           {"name", "\"Ann Example\""},
            {"organisation", "\"Y01234\""},        {"role", "\"link_worker\""},
            {"purpose", "\"direct_care\""},        {"iat", std::to_string(kNow)},
            {"nbf", std::to_string(kNow)},         {"exp", std::to_string(kNow + 300)}};
  }

  static std::string Json(const std::map<std::string, std::string>& members) {
    std::string text;
    for (const auto& [name, value] : members) {
      text += (text.empty() ? "{\"" : ",\"") + name + "\":" + value;
    }
    return text + "}";
  }

  // A good token with one claim set to this JSON, or without it when `value` is empty.
  std::string With(const std::string& claim, const std::string& value) {
    std::map<std::string, std::string> members = Good();
    members.erase(claim);
    if (!value.empty()) members[claim] = value;
    return *ec_.Sign(Json(members));
  }

  // The header as given, a good payload, and a signature of the right length but of nothing.
  static std::string Headed(const std::string& header) {
    return crypto::Base64Url(header) + "." + crypto::Base64Url(Json(Good())) + "." +
           crypto::Base64Url(std::string(64, '\x11'));
  }

  std::string HeadedAs(const std::string& more, const std::string& kid = kEcKid) {
    return Headed("{\"alg\":\"ES256\",\"kid\":\"" + kid + "\"" + more + "}");
  }

  std::string Refusal(const std::string& token, TokenVerifier* verifier = nullptr) {
    const auto claims =
        (verifier != nullptr ? verifier : verifier_.get())->Verify("Bearer " + token);
    if (claims.ok()) return "accepted";
    EXPECT_EQ(claims.status().code(), absl::StatusCode::kUnauthenticated);
    // Nothing of the token comes back.
    const std::string message = claims.status().ToString();
    for (const std::string& part : {std::string("555254240100"), std::string("Ann"),
                                    std::string("Y01234"), token.substr(0, 24)}) {
      EXPECT_TRUE(part.size() <= 2 || message.find(part) == std::string::npos) << message;
    }
    return base::ReasonOf(claims.status());
  }

  crypto::JwsKey ec_;
  crypto::JwsKey rsa_;
  base::ManualClock clock_;
  std::unique_ptr<TokenVerifier> verifier_;
};

TEST_F(TokenTest, GoodTokenTellsWhoAsks) {
  for (const crypto::JwsKey* key : {&ec_, &rsa_}) {
    for (int i = 0; i < 2; ++i) {  // anew, then remembered
      const auto claims = verifier_->Verify("Bearer " + *key->Sign(Json(Good())));
      ASSERT_TRUE(claims.ok()) << claims.status();
      EXPECT_EQ(claims->subject, "555254240100");
      EXPECT_EQ(claims->user_name, "Ann Example");
      EXPECT_EQ(claims->organisation, "Y01234");
      EXPECT_EQ(claims->role, "link_worker");
      EXPECT_EQ(claims->purpose, "direct_care");
      EXPECT_EQ(claims->expires, absl::FromUnixSeconds(kNow + 300));
    }
  }
  EXPECT_TRUE(verifier_->Verify("bearer " + With("name", "")).ok());
  EXPECT_TRUE(verifier_->Verify("BEARER " + With("nbf", "")).ok());
}

TEST_F(TokenTest, MintedTokenIsTaken) {
  Claims claims;
  claims.subject = "dev-user";
  claims.user_name = "Zo\xc3\xab \"Quote\"";
  claims.organisation = "RR8";
  claims.role = "commissioner";
  claims.purpose = "commissioning";
  const auto token = MintToken(ec_, kIssuer, kAudience, claims,
                               clock_.Now() + absl::Milliseconds(700), absl::Minutes(5));
  ASSERT_TRUE(token.ok()) << token.status();
  const auto read = verifier_->Verify("Bearer " + *token);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->subject, claims.subject);
  EXPECT_EQ(read->user_name, claims.user_name);
  EXPECT_EQ(read->organisation, claims.organisation);
  EXPECT_EQ(read->role, claims.role);
  EXPECT_EQ(read->purpose, claims.purpose);
  EXPECT_EQ(read->expires, absl::FromUnixSeconds(kNow + 300));

  claims.user_name = "\xff";
  EXPECT_EQ(
      MintToken(ec_, kIssuer, kAudience, claims, clock_.Now(), absl::Minutes(5)).status().code(),
      absl::StatusCode::kInvalidArgument);
}

TEST_F(TokenTest, NoTokenIsNoCaller) {
  for (const std::string header :
       {"", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer: x", "x", "bearerx.y.z"}) {
    EXPECT_EQ(base::ReasonOf(verifier_->Verify(header).status()), "TOKEN_MISSING") << header;
  }
}

TEST_F(TokenTest, TokenSignedHs256WithRsaPublicKeyIsRefused) {
  for (const std::string& secret :
       {std::string(crypto::kTestRsaPublicPem), std::string(crypto::kTestRsaPublicJwk),
        std::string(crypto::kTestRsaPublicPem).substr(0, sizeof(crypto::kTestRsaPublicPem) - 2)}) {
    for (const std::string alg : {"HS256", "hs256", "RS256", "ES256"}) {
      const std::string signed_part =
          crypto::Base64Url("{\"alg\":\"" + alg + "\",\"kid\":\"" + crypto::kTestRsaKid + "\"}") +
          "." + crypto::Base64Url(Json(Good()));
      const std::string token =
          signed_part + "." + crypto::Base64Url(crypto::HmacSha256(secret, signed_part));
      EXPECT_EQ(Refusal(token),
                alg == "RS256" ? "TOKEN_SIGNATURE_INVALID" : "TOKEN_ALGORITHM_NOT_ALLOWED");
    }
  }
}

TEST_F(TokenTest, UnsignedTokenIsRefused) {
  for (const std::string alg : {"none", "NONE", "nOnE", "None", "", "HS256", "RS512", "ES384",
                                "PS256", "EdDSA", "es256", "ES256 ", "dir"}) {
    const std::string header = "{\"alg\":\"" + alg + "\",\"kid\":\"" + std::string(kEcKid) + "\"}";
    EXPECT_EQ(Refusal(Headed(header)), "TOKEN_ALGORITHM_NOT_ALLOWED") << alg;
    EXPECT_EQ(Refusal(crypto::Base64Url(header) + "." + crypto::Base64Url(Json(Good())) + "."),
              "TOKEN_ALGORITHM_NOT_ALLOWED")
        << alg;
  }
  for (const std::string alg : {"null", "1", "[\"ES256\"]", "{}", "true"}) {
    EXPECT_EQ(Refusal(Headed("{\"alg\":" + alg + "}")), "TOKEN_ALGORITHM_NOT_ALLOWED") << alg;
  }
  EXPECT_EQ(Refusal(Headed("{}")), "TOKEN_ALGORITHM_NOT_ALLOWED");
  EXPECT_EQ(Refusal(HeadedAs("")), "TOKEN_SIGNATURE_INVALID");
}

TEST_F(TokenTest, AlgorithmIsBoundToTheKey) {
  EXPECT_EQ(Refusal(Headed("{\"alg\":\"RS256\",\"kid\":\"" + std::string(kEcKid) + "\"}")),
            "TOKEN_ALGORITHM_NOT_ALLOWED");
  EXPECT_EQ(Refusal(HeadedAs("", crypto::kTestRsaKid)), "TOKEN_ALGORITHM_NOT_ALLOWED");
}

TEST_F(TokenTest, UnknownKeyIsRefused) {
  for (const std::string& kid :
       {std::string("unknown"), std::string("../../dev/null"), std::string("/dev/null"),
        std::string("b/O6OvVv1+y+WgrH5Ui9WTioLt0"), std::string("b/O6OvVv1 y WgrH5Ui9WTioLt0="),
        std::string("' OR '1'='1"), std::string("x'; DROP TABLE event; --"),
        std::string("https://evil.example/key"), std::string("%00"), std::string("*"),
        std::string(""), std::string(4000, 'k')}) {
    EXPECT_EQ(Refusal(HeadedAs("", kid)), "TOKEN_KEY_UNKNOWN") << kid;
    // Also when somebody signed with a key that bears the name.
    if (!kid.empty() && kid.size() <= crypto::kKeyIdBytesMax) {
      EXPECT_EQ(Refusal(*crypto::JwsKey::Generate(kid).Sign(Json(Good()))), "TOKEN_KEY_UNKNOWN");
    }
  }
  for (const std::string kid : {"", ",\"kid\":null", ",\"kid\":1", ",\"kid\":[\"a\"]"}) {
    EXPECT_EQ(Refusal(Headed("{\"alg\":\"ES256\"" + kid + "}")), "TOKEN_KEY_UNKNOWN") << kid;
  }
}

TEST_F(TokenTest, HeaderThatBringsAKeyOrChangesTheReadingIsRefused) {
  const std::string own = crypto::JwsKey::Generate("own").PublicJwk();
  for (const std::string more :
       {",\"jku\":\"https://evil.example/jwks.json\"", ",\"x5u\":\"https://evil.example/c.pem\"",
        ",\"x5c\":[\"MIIB\"]", ",\"crit\":[\"exp\"]", ",\"crit\":[]", ",\"b64\":false",
        ",\"zip\":\"DEF\"", ",\"cty\":\"JWT\"", ",\"enc\":\"A256GCM\"", ",\"JKU\":\"x\"",
        ",\"typ\":\"secevent+jwt\"", ",\"typ\":\"logout+jwt\"", ",\"typ\":1"}) {
    EXPECT_EQ(Refusal(HeadedAs(more)), "TOKEN_HEADER_NOT_ALLOWED") << more;
  }
  EXPECT_EQ(Refusal(HeadedAs(",\"jwk\":" + own)), "TOKEN_HEADER_NOT_ALLOWED");
  EXPECT_EQ(Refusal(HeadedAs(",\"typ\":\"at+JWT\",\"x5t\":\"a\",\"x5t#S256\":\"b\"")),
            "TOKEN_SIGNATURE_INVALID");
}

TEST_F(TokenTest, SignatureOfAnotherFormOrContentIsRefused) {
  const std::string token = *ec_.Sign(Json(Good()));
  const size_t dot = token.rfind('.');
  const std::string signed_part = token.substr(0, dot + 1);
  const std::string signature = *crypto::UnBase64Url(token.substr(dot + 1));
  ASSERT_EQ(signature.size(), 64u);
  const std::string r = signature.substr(0, 32), s = signature.substr(32), zero(32, '\0');
  const std::string der = "\x30\x44\x02\x20" + r + "\x02\x20" + s;
  for (const std::string& bad :
       {zero + s, r + zero, zero + zero, der, signature + '\0', signature.substr(0, 63),
        '\0' + signature, std::string(), std::string(64, '\xff')}) {
    EXPECT_EQ(Refusal(signed_part + crypto::Base64Url(bad)), "TOKEN_SIGNATURE_INVALID");
  }
  // Another payload under the same signature, and the other key's signature.
  std::map<std::string, std::string> members = Good();
  members["role"] = "\"privacy_officer\"";
  EXPECT_EQ(Refusal(token.substr(0, token.find('.') + 1) + crypto::Base64Url(Json(members)) +
                    token.substr(dot)),
            "TOKEN_SIGNATURE_INVALID");
  EXPECT_EQ(Refusal(*crypto::JwsKey::Generate(kEcKid).Sign(Json(Good()))),
            "TOKEN_SIGNATURE_INVALID");
}

TEST_F(TokenTest, OnlyOneTextStandsForAToken) {
  const std::string token = *ec_.Sign(Json(Good()));
  // 64 bytes leave four bits of the last character unused.
  std::string other_bits = token;
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  other_bits.back() = alphabet[alphabet.find(token.back()) + 1];
  for (const std::string& bad :
       {other_bits, token + "=", token + "==", token + " ", " " + token, token + "\n", token + ".",
        "." + token, token + ".e30", token + "." + token, std::string("."), std::string(".."),
        std::string("...."), std::string("a"), std::string("e30.e30"),
        crypto::Base64(Json(Good())) + ".+/.AA"}) {
    EXPECT_EQ(Refusal(bad), "TOKEN_MALFORMED") << bad;
  }
}

TEST_F(TokenTest, NameThatStandsTwiceIsRefused) {
  const std::string good = Json(Good());
  for (const std::string& payload :
       {"{\"role\":\"admin\"," + good.substr(1), "{\"exp\":9999999999," + good.substr(1),
        "{\"r\\u006fle\":\"admin\"," + good.substr(1),
        "{\"x\":{\"a\":1,\"a\":2}," + good.substr(1)}) {
    EXPECT_EQ(Refusal(*ec_.Sign(payload)), "TOKEN_MALFORMED") << payload;
  }
  EXPECT_EQ(Refusal(HeadedAs(",\"alg\":\"ES256\"")), "TOKEN_MALFORMED");
  EXPECT_EQ(Refusal(HeadedAs(",\"kid\":\"" + std::string(kEcKid) + "\"")), "TOKEN_MALFORMED");
}

TEST_F(TokenTest, PayloadThatIsNoObjectIsRefused) {
  const std::string inner = *ec_.Sign(Json(Good()));
  for (const std::string& payload :
       {std::string(), std::string("[]"), std::string("\"x\""), std::string("1"), inner,
        "\"" + inner + "\"", Json(Good()) + "x", "\xef\xbb\xbf" + Json(Good()),
        std::string("{\"a\":\"\xff\"}"), std::string(3000, '[')}) {
    EXPECT_EQ(Refusal(*ec_.Sign(payload)), "TOKEN_MALFORMED") << payload;
  }
}

TEST_F(TokenTest, AnotherIssuerOrAudienceIsRefused) {
  for (const std::string value :
       {"\"https://evil.example\"", "\"\"", "\"https://issuer.example/\"",
        "\"https://issuer.example\\u0020\"", "\"HTTPS://issuer.example\""}) {
    EXPECT_EQ(Refusal(With("iss", value)), "TOKEN_ISSUER_WRONG") << value;
  }
  for (const std::string value :
       {"\"another\"", "\"\"", "\"Fettle\"", "\"fettle \"", "[\"fettle\"]",
        "[\"fettle\",\"another\"]", "[]", "{\"fettle\":1}", "1", "null"}) {
    EXPECT_EQ(Refusal(With("aud", value)), "TOKEN_AUDIENCE_WRONG") << value;
  }
}

TEST_F(TokenTest, TokenHasItsTime) {
  const auto at = [](int64_t seconds) { return std::to_string(kNow + seconds); };
  EXPECT_EQ(Refusal(With("exp", at(-60))), "TOKEN_EXPIRED");
  EXPECT_EQ(Refusal(With("exp", at(-59))), "accepted");
  EXPECT_EQ(Refusal(With("exp", "0")), "TOKEN_EXPIRED");
  EXPECT_EQ(Refusal(With("nbf", at(61))), "TOKEN_NOT_YET_VALID");
  EXPECT_EQ(Refusal(With("nbf", at(60))), "accepted");
  EXPECT_EQ(Refusal(With("iat", at(61))), "TOKEN_NOT_YET_VALID");
  for (const std::string value : {"", "null", "\"1800000300\"", "1800000300.5", "1.8e9", "-1", "{}",
                                  "9223372036854775807", "253402300800", "true"}) {
    EXPECT_EQ(Refusal(With("exp", value)), "TOKEN_MALFORMED") << value;
  }
  for (const std::string value : {"null", "\"0\"", "0.5", "-1"}) {
    EXPECT_EQ(Refusal(With("nbf", value)), "TOKEN_MALFORMED") << value;
    EXPECT_EQ(Refusal(With("iat", value)), "TOKEN_MALFORMED") << value;
  }
}

// A person speaks for themselves: with an organisation, the token would speak for two.
TEST_F(TokenTest, PersonHasNoOrganisation) {
  Claims claims;
  claims.subject = "0196d5a0-0001-7000-8000-000000000001";
  claims.role = std::string(kPersonRole);
  claims.purpose = "own-care";
  const auto mint = [&] {
    const auto token = MintToken(ec_, kIssuer, kAudience, claims, clock_.Now(), absl::Minutes(5));
    EXPECT_TRUE(token.ok()) << token.status();
    return *token;
  };
  const auto read = verifier_->Verify("Bearer " + mint());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->organisation, "");
  EXPECT_EQ(read->subject, claims.subject);
  claims.organisation = "RR8";
  EXPECT_EQ(Refusal(mint()), "TOKEN_MALFORMED");
  claims.organisation = "";
  claims.role = "referrer";
  EXPECT_EQ(Refusal(mint()), "TOKEN_MALFORMED");
}

TEST_F(TokenTest, ClaimOfAnotherShapeIsRefused) {
  for (const std::string claim : {"iss", "aud", "sub", "organisation", "role", "purpose"}) {
    EXPECT_EQ(Refusal(With(claim, "")), "TOKEN_MALFORMED") << claim;
  }
  for (const std::string claim : {"iss", "sub", "organisation", "role", "purpose", "name"}) {
    for (const std::string value : {"null", "1", "[\"x\"]", "{\"x\":1}", "true"}) {
      EXPECT_EQ(Refusal(With(claim, value)), "TOKEN_MALFORMED") << claim << value;
    }
  }
  const std::string long_text = "\"" + std::string(256, 'a') + "\"";
  for (const auto& [claim, value] :
       std::vector<std::pair<std::string, std::string>>{{"sub", "\"\""},
                                                        {"sub", "\"a b\""},
                                                        {"sub", "\"a\\nb\""},
                                                        {"sub", "\"\\u00e9\""},
                                                        {"sub", "\"a\\u0000\""},
                                                        {"sub", long_text},
                                                        {"organisation", "\"y01234\""},
                                                        {"organisation", "\"Y0\""},
                                                        {"organisation", "\"Y01234567\""},
                                                        {"organisation", "\"Y01 34\""},
                                                        {"role", "\"\""},
                                                        {"role", "\"a b\""},
                                                        {"role", "\"a,b\""},
                                                        {"role", long_text},
                                                        {"purpose", "\"\\u202e\""},
                                                        {"name", "\"a\\u0007\""},
                                                        {"name", "\"a\\u0085\""},
                                                        {"name", "\"a\\u2028\""},
                                                        {"name", long_text}}) {
    EXPECT_EQ(Refusal(With(claim, value)), "TOKEN_MALFORMED") << claim << value;
  }
}

TEST_F(TokenTest, HugeTokenIsRefusedBeforeItIsRead) {
  EXPECT_EQ(Refusal(With("pad", "\"" + std::string(6 * 1024, 'x') + "\"")), "TOKEN_TOO_LARGE");
  EXPECT_EQ(Refusal(std::string(6 * 1024 + 1, 'a')), "TOKEN_TOO_LARGE");
  EXPECT_EQ(Refusal(std::string(50'000'000, 'a')), "TOKEN_TOO_LARGE");
  EXPECT_EQ(Refusal(std::string(6 * 1024, 'a')), "TOKEN_MALFORMED");
  EXPECT_EQ(Refusal(With("pad", "\"" + std::string(3 * 1024, 'x') + "\"")), "accepted");
}

TEST_F(TokenTest, RememberedTokenStillExpires) {
  const std::string token = *ec_.Sign(Json(Good()));
  EXPECT_EQ(Refusal(token), "accepted");
  clock_.Advance(absl::Seconds(359));
  EXPECT_EQ(Refusal(token), "accepted");
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Refusal(token), "TOKEN_EXPIRED");
  EXPECT_EQ(Refusal(token), "TOKEN_EXPIRED");
}

TEST_F(TokenTest, RememberingOneTokenLetsNoOtherIn) {
  const std::string token = *ec_.Sign(Json(Good()));
  EXPECT_EQ(Refusal(token), "accepted");
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(Refusal(changed), "accepted") << i;
  }
}

// Method: after the clock was set back, a token read anew is not valid yet; a remembered one is.
TEST_F(TokenTest, RememberedTokenIsNotReadAgain) {
  const std::string token = *ec_.Sign(Json(Good()));
  const std::string other = With("sub", "\"another\"");
  EXPECT_EQ(Refusal(token), "accepted");
  EXPECT_EQ(verifier_->remembered(), 1u);
  clock_.Advance(-absl::Minutes(2));
  EXPECT_EQ(Refusal(token), "accepted");
  EXPECT_EQ(Refusal(other), "TOKEN_NOT_YET_VALID");
  EXPECT_EQ(verifier_->remembered(), 1u);
}

TEST_F(TokenTest, FullCacheGoesOnVerifying) {
  const auto verifier = Verifier(/*entries=*/2);
  std::vector<std::string> tokens;
  for (int i = 0; i < 5; ++i) {
    tokens.push_back(With("exp", std::to_string(kNow + 100 * (5 - i))));
  }
  for (int round = 0; round < 2; ++round) {
    for (const std::string& token : tokens) EXPECT_EQ(Refusal(token, verifier.get()), "accepted");
    EXPECT_EQ(verifier->remembered(), 2u);
  }
  clock_.Advance(absl::Seconds(460));
  EXPECT_EQ(Refusal(tokens[0], verifier.get()), "accepted");
  EXPECT_EQ(Refusal(tokens[1], verifier.get()), "TOKEN_EXPIRED");
  EXPECT_EQ(Refusal(With("exp", std::to_string(kNow + 900)), verifier.get()), "accepted");
  EXPECT_LE(verifier->remembered(), 2u);
}

TEST_F(TokenTest, ThreadsShareOneVerifier) {
  const auto verifier = Verifier(/*entries=*/3);
  std::vector<std::string> tokens;
  for (int i = 0; i < 6; ++i) {
    tokens.push_back("Bearer " + With("sub", "\"user-" + std::to_string(i) + "\""));
  }
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 300; ++i) {
        const size_t user = (i + t) % tokens.size();
        const auto claims = verifier->Verify(tokens[user]);
        wrong[t] += !claims.ok() || claims->subject != "user-" + std::to_string(user);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST_F(TokenTest, LoadNamesTheFileThatIsMissing) {
  const absl::Status status =
      TokenVerifier::Load("/nonexistent/jwks.json", TokenOptions(), &clock_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(status.message()).find("/nonexistent/jwks.json"), std::string::npos);
}

}  // namespace
}  // namespace fettle::access
