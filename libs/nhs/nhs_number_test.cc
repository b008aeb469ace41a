#include "libs/nhs/nhs_number.h"

#include <gtest/gtest.h>

#include <string>

#include "libs/nhs/nhs_number_status.h"

namespace fettle::nhs {
namespace {

// Published vectors: the only numbers outside 999 000 0000 to 999 999 9999 in this repository that
// pass the check (INV-6).
constexpr const char* kPublishedValid[] = {
    "9434765919",  // NHS Data Dictionary and FHIR examples
    "9876543210",
    "9476719931",
    "9912003888",
};
constexpr const char* kPublishedJunk[] = {"0000000000", "1111111111", "9999999999"};

std::string TestNumberOf(int i) {
  std::string digits = std::to_string(i);
  return "999" + std::string(7 - digits.size(), '0') + digits;
}

// Calls `use` with every 97th number of the test range that is valid: about 9,000.
template <class Use>
void ForValidNumbers(Use use) {
  int count = 0;
  for (int i = 0; i < 10'000'000; i += 97) {
    const std::string number = TestNumberOf(i);
    if (!IsValidNhsNumber(number)) continue;
    ++count;
    use(number);
  }
  EXPECT_GT(count, 5000);
}

TEST(NhsNumber, ValidIffTenDigitsWhoseWeightedSumIsDivisibleBy11) {  // INV-1
  for (const char* number : kPublishedValid) EXPECT_TRUE(IsValidNhsNumber(number)) << number;
  for (const char* number : {"9990000018", "9990000026", "9990000050"}) {
    EXPECT_TRUE(IsValidNhsNumber(number)) << number;
  }
  for (const char* number : {"9434765918", "9111111124", "9222222228", "3478526985", "4857773456",
                             "7778521234", "9312201101"}) {
    EXPECT_FALSE(PassesCheckDigit(number)) << number;
  }
  for (const char* text : {"", "999000001", "99900000180", "999000001x", "999 000 0018"}) {
    EXPECT_FALSE(PassesCheckDigit(text)) << text;
    EXPECT_FALSE(IsValidNhsNumber(text)) << text;
  }
}

TEST(NhsNumber, APrefixWhoseCheckWouldBeTenHasNoValidCompletion) {  // INV-1
  for (char digit = '0'; digit <= '9'; ++digit) {
    EXPECT_FALSE(PassesCheckDigit(std::string("999000000") + digit));
  }
}

// Goal: the published rule (11 minus the remainder; 11 is 0; 10 is invalid) and ours are the same
// rule.
TEST(NhsNumber, AgreesWithThePublishedWordingOfTheRule) {  // INV-1
  for (int i = 0; i < 10'000'000; i += 13) {
    const std::string number = TestNumberOf(i);
    int sum = 0;
    for (int place = 0; place < 9; ++place) sum += (10 - place) * (number[place] - '0');
    int check = 11 - sum % 11;
    if (check == 11) check = 0;
    ASSERT_EQ(PassesCheckDigit(number), check != 10 && check == number[9] - '0') << number;
  }
}

TEST(NhsNumber, AnyOneDigitChangedIsInvalid) {  // INV-2
  ForValidNumbers([](const std::string& number) {
    for (size_t place = 0; place < number.size(); ++place) {
      std::string changed = number;
      for (char digit = '0'; digit <= '9'; ++digit) {
        changed[place] = digit;
        ASSERT_EQ(IsValidNhsNumber(changed), changed == number) << number << " " << changed;
      }
    }
  });
}

TEST(NhsNumber, AnyTwoUnequalDigitsSwappedIsInvalid) {  // INV-2
  ForValidNumbers([](const std::string& number) {
    for (size_t a = 0; a < number.size(); ++a) {
      for (size_t b = a + 1; b < number.size(); ++b) {
        std::string swapped = number;
        std::swap(swapped[a], swapped[b]);
        ASSERT_EQ(IsValidNhsNumber(swapped), swapped == number) << number << " " << swapped;
      }
    }
  });
}

TEST(NhsNumber, StoredAsTenCharactersAndShownIn334) {  // INV-3
  for (const char* text : {"943 476 5919", "943-476-5919", "9434765919", " 9434765919 "}) {
    EXPECT_EQ(NormaliseNhsNumber(text), "9434765919") << text;
  }
  EXPECT_EQ(FormatNhsNumber("9434765919"), "943 476 5919");
  EXPECT_EQ(FormatNhsNumber("not a number"), "not a number");
  for (const char* text : {"", " ", "943476591", "94347659199", "943.476.5919",
                           "943\u00A0476\u00A05919", "943\u2013476\u20135919",
                           "９４３４７６５９１９", "943476591O", "+9434765919", "9434765919\n"}) {
    EXPECT_EQ(NormaliseNhsNumber(text), std::nullopt) << text;
  }
}

TEST(NhsNumber, MayStandInAnyIdentifierOfTenDigits) {
  for (const char* identifier :
       {"9990000018", "999-000-0018", "999.000.0018", "nhs-9990000018", "9990000018.1",
        "999a000b0018", "2025-1000000", "00000000-0000-4000-8000-009990000018",
        "0196d5a0-0006-7000-8000-00000000000", "0196d5a0-0006-7000-8000-000000000001.9990000018"}) {
    EXPECT_TRUE(MayHoldNhsNumber(identifier)) << identifier;
  }
  for (const char* identifier :
       {"", "their-id.7", "999000001", "2025-10000.v", "0196d5a0-0006-7000-8000-000000000001",
        "0196D5A0-0006-7000-8000-000000000001"}) {
    EXPECT_FALSE(MayHoldNhsNumber(identifier)) << identifier;
  }
}

TEST(NhsNumber, TenEqualDigitsAreRejectedThoughTheSumPasses) {  // INV-5
  for (const char* number : kPublishedJunk) {
    EXPECT_TRUE(PassesCheckDigit(number)) << number;
    EXPECT_FALSE(IsValidNhsNumber(number)) << number;
  }
  for (char digit = '0'; digit <= '9'; ++digit) {
    EXPECT_FALSE(IsValidNhsNumber(std::string(10, digit)));
  }
}

TEST(NhsNumber, TheTestRangeIs999) {  // INV-6
  EXPECT_TRUE(IsTestNumber("9990000000"));
  EXPECT_TRUE(IsTestNumber("9999999999"));
  EXPECT_FALSE(IsTestNumber("9989999999"));
  EXPECT_FALSE(IsTestNumber("999"));
  for (const char* number : kPublishedValid) EXPECT_FALSE(IsTestNumber(number)) << number;
}

TEST(NhsNumberStatus, Has01To08) {
  for (const char* code : {"01", "02", "03", "04", "05", "06", "07", "08"}) {
    EXPECT_TRUE(IsNhsNumberStatus(code)) << code;
    EXPECT_FALSE(NhsNumberStatusText(code).empty()) << code;
  }
  for (const char* code : {"", "0", "1", "00", "09", "011", "O1", "10"}) {
    EXPECT_FALSE(IsNhsNumberStatus(code)) << code;
    EXPECT_EQ(NhsNumberStatusText(code), "") << code;
  }
  EXPECT_EQ(NhsNumberStatusText(kTraceRequired), "Trace required");
}

TEST(NhsNumberStatus, AllowsNoNumberFrom03On) {  // INV-7
  for (std::string_view code : {kPresentAndVerified, kPresentNotTraced, std::string_view("09")}) {
    EXPECT_FALSE(AllowsNoNumber(code)) << code;
  }
  for (std::string_view code : {kTraceRequired, kNoOrMultipleMatch, kTraceToBeResolved,
                                kTraceInProgress, kNotPresentTraceNotRequired, kTracePostponed}) {
    EXPECT_TRUE(AllowsNoNumber(code)) << code;
  }
}

}  // namespace
}  // namespace fettle::nhs
