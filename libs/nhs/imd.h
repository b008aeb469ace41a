// Index of Multiple Deprivation, as a decile of England's small areas. Frozen with its edition at
// the event (INV-13).
#ifndef FETTLE_LIBS_NHS_IMD_H_
#define FETTLE_LIBS_NHS_IMD_H_

namespace fettle::nhs {

inline constexpr int kImdDecileMostDeprived = 1;
inline constexpr int kImdDecileLeastDeprived = 10;

// 1 to 10. A missing decile is a missing value, not a number.
inline constexpr bool IsImdDecile(int decile) {
  return decile >= kImdDecileMostDeprived && decile <= kImdDecileLeastDeprived;
}

// The years that the index was published for: 2015, 2019, 2025.
inline constexpr bool IsImdEdition(int year) {
  return year == 2015 || year == 2019 || year == 2025;
}

// The most deprived fifth, deciles 1 and 2 (NHS England, Core20PLUS5).
inline constexpr bool IsCore20(int decile) { return decile == 1 || decile == 2; }

}  // namespace fettle::nhs

#endif  // FETTLE_LIBS_NHS_IMD_H_
