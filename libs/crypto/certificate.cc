#include "libs/crypto/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace fettle::crypto {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio Reader(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
}

// A file that asks for a pass phrase must fail, not wait at a terminal.
int NoPassPhrase(char*, int, int, void*) { return -1; }

Certificate NextCertificate(BIO* from) {
  return Certificate(PEM_read_bio_X509(from, nullptr, &NoPassPhrase, nullptr), &X509_free);
}

Key ReadKey(std::string_view pem) {
  const Bio from = Reader(pem);
  Key key(PEM_read_bio_PrivateKey(from.get(), nullptr, &NoPassPhrase, nullptr), &EVP_PKEY_free);
  // gRPC reads this thread's queue of errors, and would take ours for its own.
  ERR_clear_error();
  return key;
}

}  // namespace

bool IsCertificates(std::string_view pem) {
  const Bio from = Reader(pem);
  int count = 0;
  while (NextCertificate(from.get()) != nullptr) ++count;
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return count > 0 && at_end;
}

bool IsPrivateKey(std::string_view pem) { return ReadKey(pem) != nullptr; }

bool KeyFits(std::string_view certificate_pem, std::string_view key_pem) {
  const Bio from = Reader(certificate_pem);
  const Certificate certificate = NextCertificate(from.get());
  const Key key = ReadKey(key_pem);
  const bool fits = certificate != nullptr && key != nullptr &&
                    X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  return fits;
}

}  // namespace fettle::crypto
