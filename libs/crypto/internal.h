#ifndef FETTLE_LIBS_CRYPTO_INTERNAL_H_
#define FETTLE_LIBS_CRYPTO_INTERNAL_H_

#include <string>
#include <string_view>

#include "libs/base/check.h"

// For a library call that fails only when the process is broken.
#define FETTLE_CRYPTO_CHECK(condition) FETTLE_CHECK(condition, "a cryptographic call succeeds")

namespace fettle::crypto::internal {

inline const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

inline unsigned char* Bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace fettle::crypto::internal

#endif  // FETTLE_LIBS_CRYPTO_INTERNAL_H_
