#include "libs/nhs/ethnic_category.h"

#include <algorithm>

namespace fettle::nhs {
namespace {

constexpr EthnicCategory kCategories[] = {
    {"A", "British", "White"},
    {"B", "Irish", "White"},
    {"C", "Any other White background", "White"},
    {"D", "White and Black Caribbean", "Mixed"},
    {"E", "White and Black African", "Mixed"},
    {"F", "White and Asian", "Mixed"},
    {"G", "Any other mixed background", "Mixed"},
    {"H", "Indian", "Asian"},
    {"J", "Pakistani", "Asian"},
    {"K", "Bangladeshi", "Asian"},
    {"L", "Any other Asian background", "Asian"},
    {"M", "Caribbean", "Black"},
    {"N", "African", "Black"},
    {"P", "Any other Black background", "Black"},
    {"R", "Chinese", "Other"},
    {"S", "Any other ethnic group", "Other"},
    {kEthnicityNotStated, "Not stated", "Unknown"},
    {kEthnicityNotKnown, "Not known", "Unknown"},
};

}  // namespace

std::span<const EthnicCategory> EthnicCategories() { return kCategories; }

const EthnicCategory* FindEthnicCategory(std::string_view code) {
  const auto* found = std::ranges::find(kCategories, code, &EthnicCategory::code);
  return found == std::end(kCategories) ? nullptr : found;
}

bool IsEthnicCategory(std::string_view code) { return FindEthnicCategory(code) != nullptr; }

}  // namespace fettle::nhs
