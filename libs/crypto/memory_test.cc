#include "libs/crypto/memory.h"

#include "gtest/gtest.h"

namespace fettle::crypto {
namespace {

TEST(MemoryTest, EqualityIsThatOfTheBytes) {
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_TRUE(EqualInConstantTime("abc", "abc"));
  EXPECT_FALSE(EqualInConstantTime("abc", "abd"));
  EXPECT_FALSE(EqualInConstantTime("abc", "ab"));
  EXPECT_FALSE(EqualInConstantTime(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

TEST(MemoryTest, WipeLeavesNoByteInTheBuffer) {
  std::string secret(64, 's');
  secret.resize(40);
  const char* const buffer = secret.data();
  Wipe(secret);
  EXPECT_TRUE(secret.empty());
  ASSERT_EQ(secret.data(), buffer);
  // The string still owns the buffer, of which only the first byte is its (empty) content.
  const volatile char* const bytes = buffer;
  for (int i = 0; i < 64; ++i) EXPECT_EQ(bytes[i], 0) << i;
}

}  // namespace
}  // namespace fettle::crypto
