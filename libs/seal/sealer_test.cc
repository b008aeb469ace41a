#include "libs/seal/sealer.h"

#include "gtest/gtest.h"
#include "libs/crypto/digest.h"

namespace fettle::seal {
namespace {

constexpr char kPerson[] = "018f3c1e-0000-7000-8000-000000000001";
constexpr char kPlace[] = "fettle.referral.v1.ReferralSubmitted.reason";

TEST(SealerTest, WordsOpenWithTheirKeyInTheirPlace) {
  const PersonKey key = MakePersonKey(kPerson, 1);
  EXPECT_EQ(key.key.size(), kPersonKeyBytes);
  for (const std::string& words : {std::string(), std::string("lonely since March"),
                                   std::string(20'000, 'w'), std::string("\0\xff", 2)}) {
    const std::string sealed = Sealer(key).Seal(words, kPlace);
    EXPECT_TRUE(words.size() <= 2 || sealed.find(words.substr(0, 8)) == std::string::npos);
    const auto opened = OpenWords(key, sealed, kPlace);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(*opened, words);
  }
}

TEST(SealerTest, WordsOpenNowhereElse) {
  const PersonKey key = MakePersonKey("a", 11);
  const std::string sealed = Sealer(key).Seal("words", "1:x");
  const auto opens = [&sealed](const PersonKey& other, std::string_view place) {
    const auto opened = OpenWords(other, sealed, place);
    EXPECT_TRUE(opened.ok() || opened.status().code() == absl::StatusCode::kDataLoss);
    return opened.ok();
  };
  EXPECT_TRUE(opens(PersonKey("a", 11, key.key), "1:x"));
  EXPECT_FALSE(opens(key, "x"));
  EXPECT_FALSE(opens(key, ""));
  EXPECT_FALSE(opens(PersonKey("b", 11, key.key), "1:x"));
  EXPECT_FALSE(opens(PersonKey("a", 12, key.key), "1:x"));
  EXPECT_FALSE(opens(MakePersonKey("a", 11), "1:x"));
  // Parts that would read the same if they were only put in a row.
  EXPECT_FALSE(opens(PersonKey("a1", 1, key.key), "1:x"));
  EXPECT_FALSE(opens(PersonKey("a", 1, key.key), "11:x"));
}

TEST(SealerTest, BlindDigestSeparatesKeysLabelsAndValues) {
  const std::string digest = BlindDigest("service key", "nhs-number", "9990000018");
  EXPECT_EQ(digest.size(), kBlindDigestBytes);
  EXPECT_EQ(digest, BlindDigest("service key", "nhs-number", "9990000018"));
  // Written out once, because digests are stored: another construction would find nobody.
  EXPECT_EQ(digest, crypto::HmacSha256("service key", "10:nhs-number9990000018"));
  EXPECT_NE(digest, BlindDigest("another key", "nhs-number", "9990000018"));
  EXPECT_NE(digest, BlindDigest("service key", "nhs-number", "9990000026"));
  EXPECT_NE(digest, BlindDigest("service key", "ubrn", "9990000018"));
  EXPECT_NE(digest, BlindDigest("service key", "nhs-number9", "990000018"));
}

TEST(SealerTest, KeyIsGoneFromMemoryAfterItsEnd) {
  alignas(PersonKey) unsigned char place[sizeof(PersonKey)];
  // The allocator may reuse the freed buffer, so the test looks at a string that holds its bytes
  // inside itself.
  PersonKey* const key = new (place) PersonKey("p", 1, "short secret");
  const auto* const bytes = reinterpret_cast<const volatile char*>(key->key.data());
  key->~PersonKey();
  for (int i = 0; i < 12; ++i) EXPECT_EQ(bytes[i], 0) << i;
}

}  // namespace
}  // namespace fettle::seal
