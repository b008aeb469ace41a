#ifndef FETTLE_LIBS_CRYPTO_MEMORY_H_
#define FETTLE_LIBS_CRYPTO_MEMORY_H_

#include <string>
#include <string_view>

namespace fettle::crypto {

// Equality in time that depends on the lengths alone, for digests, tags and keys.
bool EqualInConstantTime(std::string_view a, std::string_view b);

// Overwrites the bytes (also the unused capacity), which the compiler may not remove, and empties
// the string.
void Wipe(std::string& secret);

}  // namespace fettle::crypto

#endif  // FETTLE_LIBS_CRYPTO_MEMORY_H_
