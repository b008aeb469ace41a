#include "libs/crypto/aead.h"

#include <set>

#include "gtest/gtest.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/random.h"

namespace fettle::crypto {
namespace {

// The GCM specification (McGrew, Viega), test case 16, in the order nonce, ciphertext, tag.
constexpr std::string_view kKey =
    "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
constexpr std::string_view kAad = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
constexpr std::string_view kPlaintext =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
constexpr std::string_view kSealed =
    "cafebabefacedbaddecaf888"
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
    "76fc6ece0f4e1768cddf8853bb2d551b";

TEST(AeadTest, OpensTheStandardsExample) {
  const auto opened = OpenBytes(*UnHex(kKey), *UnHex(kSealed), *UnHex(kAad));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(Hex(*opened), kPlaintext);
}

TEST(AeadTest, OpensWhatItSealed) {
  const std::string key = RandomBytes(kAeadKeyBytes);
  for (const size_t size : {0, 1, 15, 16, 17, 100'000}) {
    const std::string words = RandomBytes(size);
    const std::string sealed = Aead(key).Seal(words, "place");
    EXPECT_EQ(sealed.size(), size + kAeadOverheadBytes);
    const auto opened = OpenBytes(key, sealed, "place");
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(*opened, words);
  }
}

TEST(AeadTest, NoChangedByteOpens) {
  const std::string key = RandomBytes(kAeadKeyBytes);
  const std::string sealed = Aead(key).Seal("private words", "place");
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] ^= 1;
    EXPECT_EQ(OpenBytes(key, changed, "place").status().code(), absl::StatusCode::kDataLoss) << i;
    EXPECT_FALSE(OpenBytes(key, sealed.substr(0, i), "place").ok()) << i;
  }
  EXPECT_FALSE(OpenBytes(key, sealed + "x", "place").ok());
  EXPECT_FALSE(OpenBytes(key, sealed, "another place").ok());
  EXPECT_FALSE(OpenBytes(RandomBytes(kAeadKeyBytes), sealed, "place").ok());
}

TEST(AeadTest, SameWordsAreSealedDifferently) {
  const std::string key = RandomBytes(kAeadKeyBytes);
  Aead aead(key);
  std::set<std::string> nonces;
  for (int i = 0; i < 1000; ++i) nonces.insert(aead.Seal("x", "").substr(0, kAeadNonceBytes));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(OpenBytes(key, aead.Seal("x", "here"), "here").value(), "x");
  }
  EXPECT_EQ(nonces.size(), 1000u);
}

TEST(AeadDeathTest, KeyOfAnotherLengthStopsTheProcess) {
  EXPECT_DEATH(Aead("short"), "32 bytes");
  EXPECT_DEATH(OpenBytes("short", std::string(40, 'x'), "").IgnoreError(), "32 bytes");
}

TEST(RandomTest, ValuesDiffer) {
  EXPECT_EQ(RandomBytes(0), "");
  EXPECT_EQ(RandomBytes(33).size(), 33u);
  EXPECT_NE(RandomBytes(16), RandomBytes(16));
  EXPECT_NE(RandomUint64(), RandomUint64());
}

}  // namespace
}  // namespace fettle::crypto
