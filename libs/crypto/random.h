#ifndef FETTLE_LIBS_CRYPTO_RANDOM_H_
#define FETTLE_LIBS_CRYPTO_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <string>

// Random values for keys, nonces and ids, from OpenSSL's generator of the calling thread. Any
// thread. A generator that fails stops the process: there is no safe value to go on with.
namespace fettle::crypto {

std::string RandomBytes(size_t count);
uint64_t RandomUint64();

}  // namespace fettle::crypto

#endif  // FETTLE_LIBS_CRYPTO_RANDOM_H_
