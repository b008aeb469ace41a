#include "libs/crypto/json.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fettle::crypto {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

TEST(JsonObjectTest, GivesMembersByType) {
  const auto object =
      JsonObject::Parse(R"({"s":"\u00e9","i":42,"r":1.5,"n":null,"o":[{"b":2,"a":1}],"m":[{},1]})");
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->String("s"), "\xc3\xa9");
  EXPECT_EQ(object->Integer("i"), 42);
  EXPECT_EQ(object->Integer("r"), std::nullopt);
  EXPECT_EQ(object->String("i"), std::nullopt);
  EXPECT_EQ(object->String("missing"), std::nullopt);
  EXPECT_TRUE(object->Has("n"));
  EXPECT_FALSE(object->Has("missing"));
  EXPECT_THAT(object->Names(), UnorderedElementsAre("s", "i", "r", "n", "o", "m"));
  EXPECT_THAT(object->Objects("o").value(), ElementsAre(R"({"a":1,"b":2})"));
  EXPECT_EQ(object->Objects("m"), std::nullopt);
}

TEST(JsonObjectTest, RefusesWhatTwoReadersCouldReadDifferently) {
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  for (const std::string& text :
       {std::string(), std::string("1"), std::string("[]"), std::string("{} x"),
        std::string("{\"a\":1,}"), std::string("{\"a\":1,\"a\":1}"),
        std::string("{\"a\":1,\"\\u0061\":2}"), std::string("{\"o\":{\"a\":1,\"a\":2}}"),
        std::string("{'a':1}"), std::string("{\"a\":\"\xff\"}"), std::string("{\"a\":\"\\u0000\"}"),
        std::string("{\"a\":NaN}"), std::string("{\"a\":99999999999999999999}"),
        "{\"a\":" + deep + "}"}) {
    EXPECT_FALSE(JsonObject::Parse(text).ok()) << text.substr(0, 40);
  }
}

TEST(JsonTextTest, EscapesAndSorts) {
  EXPECT_EQ(JsonText({{"b", "a\"\n"}}, {{"a", -1}}), R"({"a":-1,"b":"a\"\n"})");
}

}  // namespace
}  // namespace fettle::crypto
