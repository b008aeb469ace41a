#include "libs/nhs/snomed.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace fettle::nhs {
namespace {

// Verhoeff's scheme (1969): multiplication in the dihedral group D5, and a permutation that is
// applied once more for each place to the left. Both tables are computed from their definitions.
constexpr std::array<std::array<uint8_t, 10>, 10> MakeProduct() {
  std::array<std::array<uint8_t, 10>, 10> product{};
  for (int a = 0; a < 10; ++a) {
    for (int b = 0; b < 10; ++b) {
      // 0 to 4 are rotations, 5 to 9 reflections of a pentagon.
      const int turn = a < 5 ? a + b % 5 : a - b % 5 + 5;
      product[a][b] = static_cast<uint8_t>(turn % 5 + ((a < 5) == (b < 5) ? 0 : 5));
    }
  }
  return product;
}

constexpr int kPermutationPeriod = 8;
constexpr std::array<std::array<uint8_t, 10>, kPermutationPeriod> MakePermutations() {
  constexpr std::array<uint8_t, 10> kFirst = {1, 5, 7, 6, 2, 8, 3, 0, 9, 4};
  std::array<std::array<uint8_t, 10>, kPermutationPeriod> permutations{};
  for (uint8_t digit = 0; digit < 10; ++digit) permutations[0][digit] = digit;
  for (int i = 1; i < kPermutationPeriod; ++i) {
    for (int digit = 0; digit < 10; ++digit) {
      permutations[i][digit] = kFirst[permutations[i - 1][digit]];
    }
  }
  return permutations;
}

constexpr auto kProduct = MakeProduct();
constexpr auto kPermutations = MakePermutations();

bool PassesVerhoeff(std::string_view digits) {
  uint8_t check = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    const int digit = digits[digits.size() - 1 - i] - '0';
    check = kProduct[check][kPermutations[i % kPermutationPeriod][digit]];
  }
  return check == 0;
}

constexpr SnomedTerm kSourcesOfReferral[] = {
    {"108161000000109", "Referred by general practitioner"},
    {"185359002", "Referred by another GP"},
    {"185360007", "Referred by hospital doctor"},
    {"185361006", "Referred by community doctor"},
    {"185362004", "Referred by nurse"},
    {"1077191000000103", "Referred by community nurse"},
    {"1991000124105", "Referred by self"},
    {"185365002", "Referred by social worker"},
    {"185369008", "Referred by pharmacist"},
    {"185370009", "Referred by physiotherapist"},
    {"1052681000000105", "Referred by health visitor"},
    {"1065401000000101", "Referred by school nurse"},
    {"1065391000000104", "Referred by carer"},
    {"310434002", "Self-referral to service"},
};

}  // namespace

bool IsConceptId(std::string_view id) {
  if (id.size() < kConceptIdDigitsMin || id.size() > kConceptIdDigitsMax || id.front() == '0' ||
      !std::ranges::all_of(id, [](char c) { return c >= '0' && c <= '9'; })) {
    return false;
  }
  const std::string_view partition = id.substr(id.size() - 3, 2);
  return (partition == "00" || partition == "10") && PassesVerhoeff(id);
}

std::span<const SnomedTerm> SourcesOfReferral() { return kSourcesOfReferral; }

const SnomedTerm* FindSourceOfReferral(std::string_view code) {
  const auto* found = std::ranges::find(kSourcesOfReferral, code, &SnomedTerm::code);
  return found == std::end(kSourcesOfReferral) ? nullptr : found;
}

}  // namespace fettle::nhs
