#include "libs/nhs/snomed.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace fettle::nhs {
namespace {

// Concepts of every length and of both partitions that the programme uses.
std::vector<std::string> KnownConcepts() {
  std::vector<std::string> ids = {
      std::string(kReferralToSocialPrescribing),
      std::string(kSocialPrescribingDeclined),
      std::string(kSocialPrescribingOffered),
      "306355004",
      "306356003",
      "306357007",
      "1373501000000105",
      "1373511000000107",
      "962851000000103",
      "309013001",
      "306098008",
  };
  for (const SnomedTerm& term : SourcesOfReferral()) ids.emplace_back(term.code);
  return ids;
}

TEST(ConceptId, KnownOnesPass) {  // INV-16
  for (const std::string& id : KnownConcepts()) EXPECT_TRUE(IsConceptId(id)) << id;
}

TEST(ConceptId, HasSixToEighteenDigitsAndPartition00Or10) {  // INV-16
  // Of one prefix exactly one last digit passes, at each allowed length and none at others.
  for (const char* partition : {"00", "10"}) {
    for (int digits = 4; digits <= 20; ++digits) {
      const std::string prefix = std::string(digits - 3, '7') + partition;
      int passing = 0;
      for (char check = '0'; check <= '9'; ++check) passing += IsConceptId(prefix + check) ? 1 : 0;
      EXPECT_EQ(passing, digits >= 6 && digits <= 18 ? 1 : 0) << prefix;
    }
  }
  for (const char* partition : {"01", "02", "11", "12", "20", "03"}) {
    for (char check = '0'; check <= '9'; ++check) {
      EXPECT_FALSE(IsConceptId(std::string("7777777") + partition + check)) << partition;
    }
  }
}

TEST(ConceptId, RefusesWhatIsNoNumber) {  // INV-16
  for (const char* id : {"", "30635500", "306355004 ", " 306355004", "30635500x", "-306355004",
                         "0306355004", "871731000000107", "410225008"}) {
    EXPECT_FALSE(IsConceptId(id)) << id;
  }
}

// Goal: no slip of one key gets through. Method: the known concepts, and 2,000 random ones (printed
// seed).
TEST(ConceptId, AnyOneDigitChangeOrAdjacentSwapIsRejected) {  // INV-16
  constexpr unsigned kSeed = 16;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  std::vector<std::string> ids = KnownConcepts();
  while (ids.size() < 2000) {
    std::string id(1, static_cast<char>('1' + random() % 9));
    for (size_t left = random() % 13 + 2; left > 0; --left) {
      id += static_cast<char>('0' + random() % 10);
    }
    id += random() % 2 == 0 ? "00" : "10";
    for (char check = '0'; check <= '9'; ++check) {
      if (IsConceptId(id + check)) ids.push_back(id + check);
    }
  }
  for (const std::string& id : ids) {
    for (size_t place = 0; place < id.size(); ++place) {
      std::string changed = id;
      for (char digit = '0'; digit <= '9'; ++digit) {
        changed[place] = digit;
        ASSERT_EQ(IsConceptId(changed), changed == id) << id << " " << changed;
      }
      if (place == 0) continue;
      changed = id;
      std::swap(changed[place - 1], changed[place]);
      ASSERT_EQ(IsConceptId(changed), changed == id) << id << " " << changed;
    }
  }
}

TEST(SourceOfReferral, IsFoundByCode) {
  EXPECT_EQ(SourcesOfReferral().size(), 14u);
  ASSERT_NE(FindSourceOfReferral("1065391000000104"), nullptr);
  EXPECT_EQ(FindSourceOfReferral("1065391000000104")->display, "Referred by carer");
  EXPECT_EQ(FindSourceOfReferral(kReferralToSocialPrescribing), nullptr);
  EXPECT_EQ(FindSourceOfReferral(""), nullptr);
}

}  // namespace
}  // namespace fettle::nhs
