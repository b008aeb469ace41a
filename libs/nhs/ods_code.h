// Codes of organisations (NHS Data Dictionary, ORGANISATION IDENTIFIER). Whether a code exists, and
// when, is known to the person service.
#ifndef FETTLE_LIBS_NHS_ODS_CODE_H_
#define FETTLE_LIBS_NHS_ODS_CODE_H_

#include <optional>
#include <string>
#include <string_view>

namespace fettle::nhs {

inline constexpr int kOdsCodeCharactersMin = 3;
inline constexpr int kOdsCodeCharactersMax = 8;
inline constexpr int kPracticeCodeCharactersMax = 6;

// INV-10: `^[A-Z0-9]{3,8}$`.
bool IsOdsCode(std::string_view code);
// `text` in upper case, if that is an ODS code. Spaces are not removed.
std::optional<std::string> NormaliseOdsCode(std::string_view text);

}  // namespace fettle::nhs

#endif  // FETTLE_LIBS_NHS_ODS_CODE_H_
