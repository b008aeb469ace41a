// UK postcodes.
#ifndef FETTLE_LIBS_NHS_POSTCODE_H_
#define FETTLE_LIBS_NHS_POSTCODE_H_

#include <optional>
#include <string>
#include <string_view>

namespace fettle::nhs {

// PRSB item "postcode" (INV-23), the space included.
inline constexpr int kPostcodeCharactersMax = 8;

// `text` in upper case with one space before the last three characters; nothing when it does not
// have the shape of a UK postcode (outward `A9 A9A A99 AA9 AA9A AA99` or GIR, inward `9AA`). Spaces
// are ignored. Says nothing about whether it exists. The pseudo postcodes of the NHS (ZZ99 …) have
// the shape.
std::optional<std::string> NormalisePostcode(std::string_view text);

}  // namespace fettle::nhs

#endif  // FETTLE_LIBS_NHS_POSTCODE_H_
