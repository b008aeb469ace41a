#include "libs/crypto/random.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <cstring>

#include "libs/crypto/internal.h"

namespace fettle::crypto {

namespace {

// OpenSSL takes over a microsecond for each request, however small, so nonces are drawn many at a
// time. What is handed out is wiped here.
class Pool {
 public:
  ~Pool() { OPENSSL_cleanse(bytes_, sizeof bytes_); }
  void Take(unsigned char* to, size_t count) {
    if (left_ < count) {
      FETTLE_CRYPTO_CHECK(RAND_bytes(bytes_, sizeof bytes_) == 1);
      left_ = sizeof bytes_;
    }
    left_ -= count;
    std::memcpy(to, bytes_ + left_, count);
    OPENSSL_cleanse(bytes_ + left_, count);
  }

 private:
  unsigned char bytes_[512];
  size_t left_ = 0;
};

constexpr size_t kPooledBytesMax = 16;

}  // namespace

std::string RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  if (count <= kPooledBytesMax) {
    thread_local Pool pool;
    pool.Take(internal::Bytes(bytes), count);
  } else {
    FETTLE_CRYPTO_CHECK(RAND_bytes_ex(nullptr, internal::Bytes(bytes), count, 0) == 1);
  }
  return bytes;
}

uint64_t RandomUint64() {
  uint64_t value;
  FETTLE_CRYPTO_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(&value), sizeof(value)) == 1);
  return value;
}

}  // namespace fettle::crypto
