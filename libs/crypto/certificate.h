#ifndef FETTLE_LIBS_CRYPTO_CERTIFICATE_H_
#define FETTLE_LIBS_CRYPTO_CERTIFICATE_H_

#include <string_view>

// Whether PEM files of an identity are what their settings say, so that a start can name the one
// that is not. Whom they speak for is TLS's to check.
namespace fettle::crypto {

// X.509 certificates (RFC 7468): at least one, and every one of them readable.
bool IsCertificates(std::string_view pem);

// A private key, not encrypted.
bool IsPrivateKey(std::string_view pem);

// The key is the one of the first certificate.
bool KeyFits(std::string_view certificate_pem, std::string_view key_pem);

}  // namespace fettle::crypto

#endif  // FETTLE_LIBS_CRYPTO_CERTIFICATE_H_
