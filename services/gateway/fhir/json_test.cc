#include "services/gateway/fhir/json.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"

namespace fettle::gateway {
namespace {

std::string Nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

// INV-163: whatever comes is a value or a refusal that says where.
TEST(ParseJson, RefusesWhatIsNotJson) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("{\"a\":1,}"), std::string("{\"a\" 1}"),
        std::string("[1] 2"), std::string("nul"), std::string("\"\xff\""),
        std::string("\"\xed\xa0\x80\""), std::string("\"\\ud800\""), std::string("{'a':1}"),
        std::string("// c\n1"), std::string("01"), std::string("1e"), std::string("\"a\nb\""),
        std::string("\0", 1), std::string("\xef\xbb\xbf{}"), std::string("NaN")}) {
    const auto parsed = ParseJson(text);
    EXPECT_EQ(base::ReasonOf(parsed.status()), "JSON_NOT_READABLE") << text;
  }
}

TEST(ParseJson, RefusesANameThatComesTwice) {
  EXPECT_TRUE(ParseJson(R"({"a":{"b":1},"b":[{"a":1},{"a":2}]})").ok());
  for (const char* text : {R"({"a":1,"a":2})", R"({"a":1,"\u0061":2})",
                           R"([{"x":{"long name":1,"b":2,"long name":1}}])"}) {
    const auto parsed = ParseJson(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_THAT(std::string(parsed.status().message()), ::testing::HasSubstr("twice"));
  }
}

TEST(ParseJson, LimitsDepthAndTakesLongText) {
  EXPECT_TRUE(ParseJson(Nested(kJsonDepthMax)).ok());
  EXPECT_FALSE(ParseJson(Nested(kJsonDepthMax + 1)).ok());
  EXPECT_FALSE(ParseJson(std::string(900'000, '[')).ok());
  const auto parsed = ParseJson("\"" + std::string(900'000, 'x') + "\"");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->get_string().size(), 900'000u);
}

TEST(ElementReader, FollowsPathsAndRemembersAWrongType) {
  const json::value value =
      *ParseJson(R"({"name":[{"given":["Ann"],"family":null}],"birthDate":5,"code":{"a":1}})");
  ElementReader reader;
  EXPECT_EQ(reader.Text(&value, "name.0.given.0"), "Ann");
  EXPECT_EQ(reader.Text(&value, "name.1.given.0"), "");
  EXPECT_EQ(reader.Text(&value, "name.0.family"), "");
  EXPECT_EQ(reader.Text(nullptr, "name"), "");
  EXPECT_EQ(reader.Items(&value, "address").size(), 0u);
  EXPECT_TRUE(reader.status().ok());
  EXPECT_EQ(reader.Text(&value, "birthDate"), "");
  EXPECT_EQ(base::ReasonOf(reader.status()), "ELEMENT_NOT_VALID");
  for (const char* path : {"code.0", "birthDate.x", "name.given"}) {
    ElementReader fresh;
    EXPECT_EQ(fresh.Find(&value, path), nullptr);
    EXPECT_FALSE(fresh.status().ok()) << path;
  }
}

TEST(SameSystem, SpellingsOccur) {
  EXPECT_TRUE(SameSystem("http://fhir.nhs.uk/id/nhs-number", "https://fhir.nhs.uk/Id/nhs-number"));
  EXPECT_FALSE(
      SameSystem("https://fhir.nhs.uk/Id/nhs-numbers", "https://fhir.nhs.uk/Id/nhs-number"));
  EXPECT_FALSE(SameSystem("", "https://fhir.nhs.uk/Id/nhs-number"));
}

}  // namespace
}  // namespace fettle::gateway
