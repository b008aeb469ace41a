#include "libs/crypto/ed25519.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/test_keys.h"

namespace fettle::crypto {
namespace {

// RFC 8032, 7.1, test 2. The prefix makes the seed a PKCS #8 key (RFC 8410, 7).
constexpr std::string_view kPkcs8Prefix = "302e020100300506032b657004220420";
constexpr std::string_view kSeed =
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
constexpr std::string_view kPublic =
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
constexpr std::string_view kSignature =
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

std::string ExamplePem() {
  return "-----BEGIN PRIVATE KEY-----\n" +
         Base64(*UnHex(std::string(kPkcs8Prefix) + std::string(kSeed))) +
         "\n-----END PRIVATE KEY-----\n";
}

std::string NewFolder(const std::string& name) {
  const std::string folder = testing::TempDir() + "ed25519_" + name + std::to_string(getpid());
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

TEST(Ed25519Test, GivesTheStandardsExample) {
  const auto key = Ed25519PrivateKey::FromPem(ExamplePem());
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(Hex(key->PublicKey().Raw()), kPublic);
  EXPECT_EQ(Hex(key->Sign("\x72")), kSignature);
  const auto public_key = Ed25519PublicKey::FromRaw(*UnHex(kPublic));
  ASSERT_TRUE(public_key.ok()) << public_key.status();
  EXPECT_TRUE(public_key->Verify("\x72", *UnHex(kSignature)));
}

TEST(Ed25519Test, RefusesWhatItDidNotSign) {
  const Ed25519PrivateKey key = Ed25519PrivateKey::Generate();
  const std::string signature = key.Sign("tree of size 7");
  const Ed25519PublicKey public_key = key.PublicKey();
  EXPECT_TRUE(public_key.Verify("tree of size 7", signature));
  EXPECT_FALSE(public_key.Verify("tree of size 8", signature));
  for (size_t i = 0; i < signature.size(); ++i) {
    std::string changed = signature;
    changed[i] ^= 1;
    EXPECT_FALSE(public_key.Verify("tree of size 7", changed)) << i;
  }
  EXPECT_FALSE(public_key.Verify("tree of size 7", ""));
  EXPECT_FALSE(public_key.Verify("tree of size 7", signature + "x"));
  EXPECT_FALSE(Ed25519PrivateKey::Generate().PublicKey().Verify("tree of size 7", signature));
}

TEST(Ed25519Test, PublicKeyTravelsAsPemAndRaw) {
  const Ed25519PrivateKey key = Ed25519PrivateKey::Generate();
  const Ed25519PublicKey public_key = key.PublicKey();
  const auto from_pem = Ed25519PublicKey::FromPem(public_key.Pem());
  ASSERT_TRUE(from_pem.ok()) << from_pem.status();
  EXPECT_EQ(from_pem->Raw(), public_key.Raw());
  EXPECT_TRUE(from_pem->Verify("x", key.Sign("x")));
}

TEST(Ed25519Test, SavedKeyIsPrivateAndNeverOverwritten) {
  const std::string path = NewFolder("save") + "/log.key";
  const Ed25519PrivateKey key = Ed25519PrivateKey::Generate();
  ASSERT_TRUE(key.Save(path).ok());
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto loaded = Ed25519PrivateKey::Load(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->PublicKey().Raw(), key.PublicKey().Raw());

  EXPECT_EQ(Ed25519PrivateKey::Generate().Save(path).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Ed25519PrivateKey::Load(path)->PublicKey().Raw(), key.PublicKey().Raw());
}

TEST(Ed25519Test, OtherKeysAreRefusedByName) {
  EXPECT_FALSE(Ed25519PublicKey::FromRaw("short").ok());
  EXPECT_FALSE(Ed25519PublicKey::FromPem("").ok());
  EXPECT_FALSE(Ed25519PublicKey::FromPem(kTestRsaPublicPem).ok());
  EXPECT_FALSE(Ed25519PrivateKey::FromPem("no key").ok());

  const std::string folder = NewFolder("bad");
  EXPECT_EQ(Ed25519PrivateKey::Load(folder + "/none").status().code(), absl::StatusCode::kNotFound);
  std::ofstream(folder + "/bad.key") << "not a key";
  const absl::Status status = Ed25519PrivateKey::Load(folder + "/bad.key").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(status.message()).find("/bad.key"), std::string::npos);
}

}  // namespace
}  // namespace fettle::crypto
