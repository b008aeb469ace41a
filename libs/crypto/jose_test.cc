#include "libs/crypto/jose.h"

#include <unistd.h>

#include <fstream>

#include "gtest/gtest.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/test_keys.h"

namespace fettle::crypto {
namespace {

// RFC 7515, appendix A.3.
constexpr char kExampleJwk[] = R"({"kty":"EC","crv":"P-256","alg":"ES256","kid":"rfc","use":"sig",)"
                               R"("x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                               R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
constexpr char kExampleToken[] =
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    "."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string WithSignature(const std::string& token, const std::string& signature) {
  return token.substr(0, token.rfind('.') + 1) + Base64Url(signature);
}

std::string SignatureOf(const std::string& token) {
  return *UnBase64Url(token.substr(token.rfind('.') + 1));
}

TEST(JwsKeyTest, VerifiesTheStandardsExample) {
  const auto key = JwsKey::FromJwk(kExampleJwk);
  ASSERT_TRUE(key.ok()) << key.status();
  const auto payload = key->Verify(kExampleToken);
  ASSERT_TRUE(payload.ok()) << payload.status();
  EXPECT_EQ(*payload,
            "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}");
}

TEST(JwsKeyTest, GeneratedPairSignsAndTheOtherHalfVerifies) {
  const JwsKey key = JwsKey::Generate("b/O6OvVv1+y+WgrH5Ui9WTioLt0=");
  const auto public_key = JwsKey::FromJwk(key.PublicJwk());
  ASSERT_TRUE(public_key.ok()) << public_key.status();
  EXPECT_EQ(public_key->kid(), "b/O6OvVv1+y+WgrH5Ui9WTioLt0=");
  EXPECT_EQ(public_key->algorithm(), JwsAlgorithm::kEs256);
  EXPECT_TRUE(key.is_private());
  EXPECT_FALSE(public_key->is_private());
  EXPECT_EQ(key.PublicJwk().find("\"d\""), std::string::npos);

  const auto reloaded = JwsKey::FromJwk(*key.PrivateJwk());
  ASSERT_TRUE(reloaded.ok()) << reloaded.status();
  const auto token = reloaded->Sign("{\"a\":1}");
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(*public_key->Verify(*token), "{\"a\":1}");
  EXPECT_EQ(JwsKey::Generate("x").Verify(*token).status().code(),
            absl::StatusCode::kPermissionDenied);

  EXPECT_EQ(public_key->Sign("{}").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(public_key->PrivateJwk().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(JwsKeyTest, RsaVerifiesWhatItSigned) {
  const auto key = JwsKey::FromJwk(kTestRsaPrivateJwk);
  ASSERT_TRUE(key.ok()) << key.status();
  const auto public_key = JwsKey::FromJwk(kTestRsaPublicJwk);
  ASSERT_TRUE(public_key.ok()) << public_key.status();
  const std::string token = *key->Sign("{}");
  EXPECT_EQ(*public_key->Verify(token), "{}");
  std::string signature = SignatureOf(token);
  signature[100] ^= 1;
  EXPECT_FALSE(public_key->Verify(WithSignature(token, signature)).ok());
  EXPECT_FALSE(public_key->Verify(WithSignature(token, SignatureOf(token) + "x")).ok());
  EXPECT_FALSE(
      public_key->Verify(WithSignature(token, std::string(1, '\0') + SignatureOf(token))).ok());
  EXPECT_FALSE(public_key->Verify(WithSignature(token, "")).ok());
}

// Goal: no signature but the one of the signer passes. Method: each form that other libraries have
// taken for genuine (RFC 8725, 2; CVE-2022-21449 for the zeros).
TEST(JwsKeyTest, Es256SignatureHasOneForm) {
  const JwsKey key = JwsKey::Generate("k");
  const std::string token = *key.Sign("{}");
  const std::string signature = SignatureOf(token);
  ASSERT_EQ(signature.size(), 64u);
  const std::string r = signature.substr(0, 32), s = signature.substr(32), zero(32, '\0');
  const std::string order =
      *UnHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
  const auto integer = [](const std::string& value) {
    return (value[0] & 0x80) != 0 ? std::string("\x02\x21\0", 3) + value : "\x02\x20" + value;
  };
  const std::string sequence = integer(r) + integer(s);
  const std::string der = std::string("\x30") + static_cast<char>(sequence.size()) + sequence;
  for (const std::string& bad :
       {zero + s, r + zero, zero + zero, order + s, r + order, order + order, s + r, der,
        signature + '\0', '\0' + signature, signature.substr(0, 63), std::string(), r,
        r + signature, std::string(64, '\xff')}) {
    const auto result = key.Verify(WithSignature(token, bad));
    EXPECT_EQ(result.status().code(), absl::StatusCode::kPermissionDenied) << Hex(bad);
  }
  for (size_t i = 0; i < signature.size(); ++i) {
    std::string changed = signature;
    changed[i] ^= 1;
    EXPECT_FALSE(key.Verify(WithSignature(token, changed)).ok()) << i;
  }
}

TEST(JwsKeyTest, AlgorithmIsTheKeysAndNotTheTokens) {
  const auto rsa = JwsKey::FromJwk(kTestRsaPublicJwk);
  ASSERT_TRUE(rsa.ok());
  for (const std::string alg : {"none", "nOnE", "HS256", "ES256", "RS512", "PS256", "rs256", ""}) {
    const std::string signed_part = Base64Url("{\"alg\":\"" + alg + "\"}") + "." + Base64Url("{}");
    for (const std::string& signature : {std::string(), HmacSha256(kTestRsaPublicPem, signed_part),
                                         HmacSha256(kTestRsaPublicJwk, signed_part)}) {
      EXPECT_EQ(rsa->Verify(signed_part + "." + Base64Url(signature)).status().code(),
                absl::StatusCode::kInvalidArgument)
          << alg;
    }
  }
}

TEST(JwsPartsTest, RefusesWhatIsNotThreeCanonicalParts) {
  const std::string header = Base64Url("{\"alg\":\"ES256\"}");
  ASSERT_TRUE(JwsParts::Split(header + ".e30.AA").ok());
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("..."), header,
        header + ".e30", header + ".e30.AA.AA", header + ".e30.AA.AA.AA", header + ".e30.AB",
        header + ".e30.AA==", header + ".e30.A A", header + "=.e30.AA", header + ".e31.AA",
        Base64Url("[]") + ".e30.AA", Base64Url("{\"alg\":1,\"alg\":1}") + ".e30.AA",
        "." + header + ".e30"}) {
    EXPECT_FALSE(JwsParts::Split(bad).ok()) << bad;
  }
}

TEST(JwsKeyTest, RefusesWeakOrUnboundKeys) {
  const std::string ec = kExampleJwk, rsa = kTestRsaPublicJwk;
  const std::string n = rsa.substr(rsa.find("\"n\":\"") + 5, 342);
  for (const std::string& bad : {
           std::string("{}"),
           std::string("nothing"),
           Replaced(ec, "\"alg\":\"ES256\",", ""),
           Replaced(ec, "ES256", "HS256"),
           Replaced(ec, "ES256", "none"),
           Replaced(ec, "ES256", "RS256"),
           Replaced(ec, "ES256", "ES384"),
           Replaced(ec, "P-256", "P-384"),
           Replaced(ec, "\"kid\":\"rfc\",", ""),
           Replaced(ec, "rfc", ""),
           Replaced(ec, "rfc", std::string(129, 'k')),
           Replaced(ec, "\"use\":\"sig\"", "\"use\":\"enc\""),
           Replaced(ec, "\"use\":\"sig\"", "\"alg\":\"ES256\""),
           Replaced(ec, "f83O", "f83P"),      // not on the curve
           Replaced(ec, "f83O", "AAAAf83O"),  // too long
           Replaced(rsa, "RS256", "ES256"),
           Replaced(rsa, "RS256", "RS512"),
           Replaced(rsa, "AQAB", "AQ"),    // exponent 1: any text is its own signature
           Replaced(rsa, "AQAB", "Aw"),    // 3
           Replaced(rsa, "AQAB", "AQAA"),  // even
           Replaced(rsa, "AQAB", "AAEAAQ"),
           Replaced(rsa, n, Base64Url(std::string(128, '\xff'))),
           Replaced(rsa, n, Base64Url(std::string(1, '\0') + std::string(256, '\xff'))),
           Replaced(rsa, n, Base64Url('\x7f' + std::string(255, '\xff'))),  // 2047 bits
           std::string(R"({"kty":"oct","alg":"HS256","kid":"a","k":"AAAA"})"),
       }) {
    EXPECT_EQ(JwsKey::FromJwk(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(JwkSetTest, FindsKeysByOpaqueName) {
  const auto set =
      JwkSet::FromJson("{\"keys\":[" + std::string(kExampleJwk) + "," + kTestRsaPublicJwk + "]}");
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->size(), 2u);
  ASSERT_NE(set->Find(kTestRsaKid), nullptr);
  EXPECT_EQ(set->Find(kTestRsaKid)->algorithm(), JwsAlgorithm::kRs256);
  ASSERT_NE(set->Find("rfc"), nullptr);
  EXPECT_EQ(set->Find("rfc")->algorithm(), JwsAlgorithm::kEs256);
  EXPECT_EQ(set->Find("RFC"), nullptr);
  EXPECT_EQ(set->Find(""), nullptr);
}

TEST(JwkSetTest, RefusesTheWholeSetForOneBadKey) {
  const std::string ec = kExampleJwk;
  for (const std::string& keys :
       {std::string(), ec + "," + ec, ec + "," + *JwsKey::Generate("private").PrivateJwk(),
        std::string(kTestRsaPrivateJwk), ec + ",1", Replaced(ec, "ES256", "HS256")}) {
    EXPECT_FALSE(JwkSet::FromJson("{\"keys\":[" + keys + "]}").ok()) << keys;
  }
  EXPECT_FALSE(JwkSet::FromJson("{}").ok());
  EXPECT_FALSE(JwkSet::FromJson("{\"keys\":{}}").ok());
}

TEST(JwkSetTest, LoadNamesTheFile) {
  const std::string path = testing::TempDir() + "jwks_" + std::to_string(getpid()) + ".json";
  std::ofstream(path) << "{\"keys\":[" << kExampleJwk << "]}";
  const auto set = JwkSet::Load(path);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->size(), 1u);

  std::ofstream(path) << "{}";
  const absl::Status status = JwkSet::Load(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(status.message()).find(path), std::string::npos);
  EXPECT_EQ(JwkSet::Load(path + ".none").status().code(), absl::StatusCode::kNotFound);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace fettle::crypto
