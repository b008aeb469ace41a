#include "libs/base/text.h"

#include <gtest/gtest.h>

#include <string>

namespace fettle::base {
namespace {

TEST(Concat, JoinsEveryKindOfPart) {
  EXPECT_EQ(Concat("a", std::string("b"), std::string_view("c"), absl::string_view("d"), 5, -6),
            "abcd5-6");
}

// Malformed sequences of RFC 3629 and of the Unicode standard, table 3-7.
constexpr const char* kIllFormed[] = {
    "\x80",              // continuation alone
    "\xC0\xAF",          // overlong slash
    "\xC1\xBF",          // overlong
    "\xE0\x80\xAF",      // overlong
    "\xF0\x80\x80\xAF",  // overlong
    "\xED\xA0\x80",      // surrogate
    "\xF4\x90\x80\x80",  // beyond U+10FFFF
    "\xF8\x88\x80\x80",  // five bytes form
    "\xE2\x82",          // cut off
    "\xE2\x28\xA1",      // no continuation
    "\xFF",
};

TEST(Utf8, TellsWellFormedFromIllFormed) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("Zoë £5 日本 😀 \xF4\x8F\xBF\xBF \xED\x9F\xBF \xEE\x80\x80"));
  for (const char* text : kIllFormed) {
    EXPECT_FALSE(IsUtf8(text));
    EXPECT_FALSE(IsUtf8(std::string("a") + text + "b"));
  }
}

TEST(Utf8, DecodesAtTheEdgesOfEachLength) {
  const struct {
    const char* text;
    char32_t value;
    int bytes;
  } kCases[] = {{"\x7F", 0x7F, 1},
                {"\xC2\x80", 0x80, 2},
                {"\xDF\xBF", 0x7FF, 2},
                {"\xE0\xA0\x80", 0x800, 3},
                {"\xEF\xBF\xBF", 0xFFFF, 3},
                {"\xF0\x90\x80\x80", 0x10000, 4},
                {"\xF4\x8F\xBF\xBF", 0x10FFFF, 4}};
  for (const auto& c : kCases) {
    const auto first = FirstCodePoint(std::string(c.text) + "x");
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(first->value, c.value);
    EXPECT_EQ(first->bytes, c.bytes);
  }
  EXPECT_FALSE(FirstCodePoint("").has_value());
}

TEST(CountCharacters, CountsCharactersNotBytes) {  // INV-23
  EXPECT_EQ(CountCharacters(""), 0);
  EXPECT_EQ(CountCharacters("Zoë"), 3);
  EXPECT_EQ(CountCharacters("日本 😀"), 4);
  EXPECT_EQ(CountCharacters("a\xFFz"), 3);
}

TEST(ReplaceInvalidUtf8, LeavesTheRestAlone) {
  EXPECT_EQ(ReplaceInvalidUtf8("Zoë 😀"), "Zoë 😀");
  EXPECT_EQ(ReplaceInvalidUtf8("a\xFF\xE2\x82z"), "a\uFFFD\uFFFD\uFFFDz");
  for (const char* text : kIllFormed) EXPECT_TRUE(IsUtf8(ReplaceInvalidUtf8(text)));
}

TEST(TruncateUtf8, NeverCutsACharacter) {
  const std::string text = "a£日😀";
  for (size_t bytes = 0; bytes <= text.size() + 1; ++bytes) {
    const std::string_view cut = TruncateUtf8(text, bytes);
    EXPECT_LE(cut.size(), bytes);
    EXPECT_TRUE(IsUtf8(cut)) << bytes;
    EXPECT_GT(cut.size() + 4, std::min(bytes, text.size())) << bytes;
    EXPECT_TRUE(text.starts_with(cut));
  }
  EXPECT_EQ(TruncateUtf8(text, text.size()), text);
  EXPECT_EQ(TruncateUtf8(text, 2), "a");
}

}  // namespace
}  // namespace fettle::base
