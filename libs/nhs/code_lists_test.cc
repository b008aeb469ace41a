#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "libs/nhs/ethnic_category.h"
#include "libs/nhs/imd.h"
#include "libs/nhs/ods_code.h"
#include "libs/nhs/postcode.h"

namespace fettle::nhs {
namespace {

TEST(OdsCode, HasThreeToEightUpperCaseCharacters) {  // INV-10
  for (const char* code : {"TAK", "8HA03", "LSP01", "EE134290", "A1001", "Y05868", "X254"}) {
    EXPECT_TRUE(IsOdsCode(code)) << code;
  }
  for (const char* code : {"", "A1", "EE1342901", "y05868", "Y0586 ", "Y05-68", "Y0586É", "A1\n"}) {
    EXPECT_FALSE(IsOdsCode(code)) << code;
  }
}

TEST(OdsCode, IsStoredInUpperCase) {  // INV-10
  EXPECT_EQ(NormaliseOdsCode("y05868"), "Y05868");
  EXPECT_EQ(NormaliseOdsCode("Y05868"), "Y05868");
  EXPECT_EQ(NormaliseOdsCode(" Y05868"), std::nullopt);
  EXPECT_EQ(NormaliseOdsCode("y0"), std::nullopt);
}

TEST(EthnicCategory, IsOneOfEighteen) {  // INV-11
  const std::set<std::string> expected = {"A", "B", "C", "D", "E", "F", "G", "H", "J",
                                          "K", "L", "M", "N", "P", "R", "S", "Z", "99"};
  std::set<std::string> listed;
  for (const EthnicCategory& category : EthnicCategories()) {
    listed.emplace(category.code);
    EXPECT_EQ(FindEthnicCategory(category.code), &category);
  }
  EXPECT_EQ(listed, expected);
  for (char letter = 'A'; letter <= 'Z'; ++letter) {
    const std::string code(1, letter);
    EXPECT_EQ(IsEthnicCategory(code), expected.contains(code)) << code;
  }
  for (const char* code : {"", "a", "z", "9", "999", "00", "AA", " A"}) {
    EXPECT_FALSE(IsEthnicCategory(code)) << code;
  }
}

TEST(EthnicCategory, HasItsGroup) {
  std::map<std::string, std::string> codes;
  for (const EthnicCategory& category : EthnicCategories()) {
    codes[std::string(category.group)] += category.code;
  }
  EXPECT_EQ(codes, (std::map<std::string, std::string>{{"White", "ABC"},
                                                       {"Mixed", "DEFG"},
                                                       {"Asian", "HJKL"},
                                                       {"Black", "MNP"},
                                                       {"Other", "RS"},
                                                       {"Unknown", "Z99"}}));
}

TEST(EthnicCategory, NotStatedIsNotNotKnown) {  // INV-12
  EXPECT_NE(FindEthnicCategory(kEthnicityNotStated), FindEthnicCategory(kEthnicityNotKnown));
  EXPECT_NE(FindEthnicCategory(kEthnicityNotStated)->text,
            FindEthnicCategory(kEthnicityNotKnown)->text);
}

TEST(Imd, DecileIsOneToTen) {  // INV-13
  for (int decile = 1; decile <= 10; ++decile) EXPECT_TRUE(IsImdDecile(decile)) << decile;
  EXPECT_FALSE(IsImdDecile(0));
  EXPECT_FALSE(IsImdDecile(11));
  EXPECT_FALSE(IsImdDecile(-1));
  EXPECT_TRUE(IsImdEdition(2019));
  EXPECT_FALSE(IsImdEdition(2020));
  EXPECT_TRUE(IsCore20(kImdDecileMostDeprived));
  EXPECT_TRUE(IsCore20(2));
  EXPECT_FALSE(IsCore20(3));
  EXPECT_FALSE(IsCore20(0));
}

TEST(Postcode, IsStoredInOneForm) {
  for (const char* text : {"ls1 4ap", "LS14AP", " LS1  4AP ", "Ls 14aP"}) {
    EXPECT_EQ(NormalisePostcode(text), "LS1 4AP") << text;
  }
  for (const char* text :
       {"M1 1AE", "B33 8TH", "W1A 0AX", "CR2 6XH", "DN55 1PT", "EC1A 1BB", "GIR 0AA", "ZZ99 3VZ"}) {
    EXPECT_EQ(NormalisePostcode(text), text);
    EXPECT_LE(std::string(text).size(), kPostcodeCharactersMax);
  }
}

TEST(Postcode, RefusesWhatHasNotTheShape) {  // INV-23
  for (const char* text : {"", " ", "LS1", "4AP", "LS1 44P", "LS1 4A", "1LS 4AP", "LSX 4AP",
                           "LS123 4AP", "LS1-4AP", "DN55A 1PT", "LS1\t4AP", "É1 1AE"}) {
    EXPECT_EQ(NormalisePostcode(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace fettle::nhs
