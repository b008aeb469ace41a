#include "libs/crypto/digest.h"

#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fettle::crypto {
namespace {

// Expected values are those of the standards, not of this code: FIPS 180-4 examples, RFC 4231,
// RFC 9562 appendix A.4, RFC 4648 section 10.

constexpr std::string_view kDnsNamespace = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

TEST(Sha256Test, GivesTheStandardsExamples) {
  EXPECT_EQ(Hex(Sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hex(Sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Parts({"a", "", "bc"}), Sha256("abc"));
}

TEST(Sha256Test, HasherTakesPiecesAndStartsAnew) {
  Sha256Hasher hasher;
  hasher.Update("a");
  hasher.Update("bc");
  EXPECT_EQ(hasher.Finish(), Sha256("abc"));
  EXPECT_EQ(hasher.Finish(), Sha256(""));
  Sha256Hasher moved = std::move(hasher);
  moved.Update("abc");
  EXPECT_EQ(moved.Finish(), Sha256("abc"));
}

TEST(HmacTest, GivesTheStandardsExamples) {
  EXPECT_EQ(Hex(HmacSha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(Hex(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(Hex(HmacSha256(std::string(131, '\xaa'),
                           "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(HmacSha256Parts("Jefe", {"what do ya ", "want for nothing?"}),
            HmacSha256("Jefe", "what do ya want for nothing?"));
}

TEST(HmacTest, EmptyKeyIsNotTheKeyOfTheCallBefore) {
  const std::string empty = HmacSha256("", "");
  EXPECT_EQ(Hex(empty), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  HmacSha256("another key", "x");
  EXPECT_EQ(HmacSha256(std::string_view(), ""), empty);
}

TEST(DigestTest, ThreadsDoNotShareContexts) {
  const std::string expected = HmacSha256("key", Sha256("value"));
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&wrong, &expected, t] {
      for (int i = 0; i < 2000; ++i) wrong[t] += HmacSha256("key", Sha256("value")) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, testing::Each(0));
}

TEST(UuidV5Test, GivesTheStandardsExample) {
  EXPECT_EQ(UuidV5(kDnsNamespace, "www.example.com"), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
  EXPECT_NE(UuidV5(kDnsNamespace, "www.example.org"), UuidV5(kDnsNamespace, "www.example.com"));
}

TEST(UuidV5DeathTest, NamespaceThatIsNoUuidStopsTheProcess) {
  EXPECT_DEATH(UuidV5("urn:fettle", "x"), "namespace");
}

TEST(HexTest, GoesBothWaysAndRefusesTheRest) {
  const std::string bytes("\x00\x7f\xff", 3);
  EXPECT_EQ(Hex(bytes), "007fff");
  EXPECT_EQ(*UnHex("007FfF"), bytes);
  EXPECT_EQ(*UnHex(""), "");
  for (const std::string_view bad : {"0", "0g", " 0", "0x", "00 "}) {
    EXPECT_FALSE(UnHex(bad).ok()) << bad;
  }
}

TEST(Base64Test, GivesTheStandardsExamples) {
  const std::vector<std::pair<std::string, std::string>> examples = {{"", ""},
                                                                     {"f", "Zg=="},
                                                                     {"fo", "Zm8="},
                                                                     {"foo", "Zm9v"},
                                                                     {"foob", "Zm9vYg=="},
                                                                     {"fooba", "Zm9vYmE="},
                                                                     {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : examples) {
    EXPECT_EQ(Base64(bytes), text);
    EXPECT_EQ(*UnBase64(text), bytes);
    const std::string bare = text.substr(0, text.find('='));
    EXPECT_EQ(Base64Url(bytes), bare);
    EXPECT_EQ(*UnBase64Url(bare), bytes);
  }
  EXPECT_EQ(Base64("\xfb\xff"), "+/8=");
  EXPECT_EQ(Base64Url("\xfb\xff"), "-_8");
}

TEST(Base64Test, OneTextForEachBytes) {
  for (const std::string_view bad :
       {"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8", "Z===", "====", "Z", "Zg==\n", " Zg==", "Zm-_",
        "Zg==Zg==", "Zm9v=", "Zm9v===="}) {
    EXPECT_FALSE(UnBase64(bad).ok()) << bad;
  }
  for (const std::string_view bad : {"Zh", "Zg==", "Zm9", "Z", "Zm+/", "Zm 8", "Zg\n", "Zm8="}) {
    EXPECT_FALSE(UnBase64Url(bad).ok()) << bad;
  }
  EXPECT_FALSE(UnBase64Url(std::string_view("Zm\0v", 4)).ok());
}

TEST(Base64Test, EveryByteAtEveryPlace) {
  std::string bytes;
  for (int i = 0; i < 256 * 3; ++i) {
    bytes.push_back(static_cast<char>(i * 7 + i / 256));
    ASSERT_EQ(*UnBase64(Base64(bytes)), bytes);
    ASSERT_EQ(*UnBase64Url(Base64Url(bytes)), bytes);
  }
}

}  // namespace
}  // namespace fettle::crypto
