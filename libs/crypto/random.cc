#include "libs/crypto/random.h"

#include <openssl/rand.h>

#include <cstring>

#include "libs/crypto/internal.h"

namespace fettle::crypto {

std::string RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  FETTLE_CRYPTO_CHECK(RAND_bytes_ex(nullptr, internal::Bytes(bytes), count, 0) == 1);
  return bytes;
}

uint64_t RandomUint64() {
  uint64_t value;
  FETTLE_CRYPTO_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(&value), sizeof(value)) == 1);
  return value;
}

}  // namespace fettle::crypto
