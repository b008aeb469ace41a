#ifndef FETTLE_LIBS_SEAL_SEALER_H_
#define FETTLE_LIBS_SEAL_SEALER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/crypto/aead.h"

// Per-person sealing of private words: whoever has lost the key has lost the words, which is how a
// person is forgotten in a log from which nothing can be taken. Pure functions, any thread.
namespace fettle::seal {

inline constexpr size_t kPersonKeyBytes = 32;

// The key of one person. The bytes are overwritten when the object ends; it is handed on by
// pointer.
struct PersonKey {
  PersonKey(std::string person_id, int32_t version, std::string key);
  ~PersonKey();
  PersonKey(PersonKey&&) = default;
  PersonKey(const PersonKey&) = delete;
  PersonKey& operator=(const PersonKey&) = delete;

  std::string person_id;
  int32_t version;
  std::string key;  // kPersonKeyBytes random bytes; another length stops the process when used
};

// A new random key.
PersonKey MakePersonKey(std::string person_id, int32_t version);

// Seals the words of one person. One thread at a time; the key outlives it.
class Sealer {
 public:
  explicit Sealer(const PersonKey& key) : key_(key), aead_(key.key) {}
  // AES-256-GCM bytes for SealedText.bytes; the version goes beside them. Person, version and `aad`
  // are bound: the words open only under the same three. The services give the person's id for
  // `aad`: words go from a request into an event and a state, so they are bound to no field.
  std::string Seal(std::string_view words, std::string_view aad);

 private:
  const PersonKey& key_;
  crypto::Aead aead_;
};

// DATA_LOSS: not these words, not this key or not this place.
absl::StatusOr<std::string> OpenWords(const PersonKey& key, std::string_view sealed,
                                      std::string_view aad);

inline constexpr size_t kBlindDigestBytes = 32;

// HMAC-SHA-256 with a key of the service, for looking up a value that is stored sealed. `label`
// names what the value is ("nhs-number"), so that equal values of two kinds do not meet. Give the
// value in its one normal form.
std::string BlindDigest(std::string_view service_key, std::string_view label,
                        std::string_view value);

}  // namespace fettle::seal

#endif  // FETTLE_LIBS_SEAL_SEALER_H_
