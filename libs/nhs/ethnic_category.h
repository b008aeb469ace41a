// Ethnic category 2001 (UK Core CodeSystem UKCore-EthnicCategoryEngland), INV-11.
#ifndef FETTLE_LIBS_NHS_ETHNIC_CATEGORY_H_
#define FETTLE_LIBS_NHS_ETHNIC_CATEGORY_H_

#include <span>
#include <string_view>

namespace fettle::nhs {

// The person was asked and declined.
inline constexpr std::string_view kEthnicityNotStated = "Z";
// The person was not asked. Never merged with the one above in storage (INV-12).
inline constexpr std::string_view kEthnicityNotKnown = "99";

struct EthnicCategory {
  std::string_view code;
  std::string_view text;
  std::string_view group;  // White, Mixed, Asian, Black, Other, Unknown
};

// All 18, in the order of the code list.
std::span<const EthnicCategory> EthnicCategories();

// Exact: upper case, no I, O or Q (INV-11).
bool IsEthnicCategory(std::string_view code);
// Null when `code` is none.
const EthnicCategory* FindEthnicCategory(std::string_view code);

}  // namespace fettle::nhs

#endif  // FETTLE_LIBS_NHS_ETHNIC_CATEGORY_H_
