#include "libs/seal/sealer.h"

#include <utility>

#include "libs/crypto/digest.h"
#include "libs/crypto/memory.h"
#include "libs/crypto/random.h"

namespace fettle::seal {
namespace {

static_assert(kPersonKeyBytes == crypto::kAeadKeyBytes);

// The length in front keeps the parts apart, so that no two places share one text.
std::string Place(const PersonKey& key, std::string_view aad) {
  return std::to_string(key.person_id.size()) + ":" + key.person_id + std::to_string(key.version) +
         ":" + std::string(aad);
}

}  // namespace

PersonKey::PersonKey(std::string person_id, int32_t version, std::string key)
    : person_id(std::move(person_id)), version(version), key(std::move(key)) {}

PersonKey::~PersonKey() { crypto::Wipe(key); }

PersonKey MakePersonKey(std::string person_id, int32_t version) {
  return PersonKey(std::move(person_id), version, crypto::RandomBytes(kPersonKeyBytes));
}

std::string Sealer::Seal(std::string_view words, std::string_view aad) {
  return aead_.Seal(words, Place(key_, aad));
}

absl::StatusOr<std::string> OpenWords(const PersonKey& key, std::string_view sealed,
                                      std::string_view aad) {
  return crypto::OpenBytes(key.key, sealed, Place(key, aad));
}

std::string BlindDigest(std::string_view service_key, std::string_view label,
                        std::string_view value) {
  return crypto::HmacSha256Parts(service_key, {std::to_string(label.size()), ":", label, value});
}

}  // namespace fettle::seal
