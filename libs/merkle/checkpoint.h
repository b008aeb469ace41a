#ifndef FETTLE_LIBS_MERKLE_CHECKPOINT_H_
#define FETTLE_LIBS_MERKLE_CHECKPOINT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/crypto/ed25519.h"
#include "libs/merkle/tree.h"

// Signed tree heads: C2SP tlog-checkpoint inside C2SP signed-note, Ed25519 only. Pure functions, to
// be called from any thread.
namespace fettle::merkle {

// Bytes of a whole note. Room for the 16 signatures of 5 kB that every verifier must take.
inline constexpr size_t kNoteBytesMax = 128 * 1024;

// What pins a log, kept by the verifier and never taken from the log: a key with its name. Its text
// form is the usual one, `<name>+<key id in hex>+<base64 of 0x01 and the key>`.
class VerifierKey {
 public:
  // INVALID_ARGUMENT: the name is empty, no UTF-8, or holds a space, a plus or a control character.
  static absl::StatusOr<VerifierKey> Make(std::string_view name, crypto::Ed25519PublicKey key);

  // The inverse of Text. INVALID_ARGUMENT: anything that Text does not make.
  static absl::StatusOr<VerifierKey> Parse(std::string_view text);
  std::string Text() const;

  const std::string& name() const { return name_; }

  // SHA-256(name, newline, 0x01, public key), its first 4 bytes: tells keys apart, proves nothing.
  const std::string& id() const { return id_; }

  bool Verify(std::string_view text, std::string_view signature) const {
    return key_.Verify(text, signature);
  }

 private:
  VerifierKey(std::string_view name, crypto::Ed25519PublicKey key);

  std::string name_;
  crypto::Ed25519PublicKey key_;
  std::string id_;
};

// The note: the text, an empty line, one signature line. INVALID_ARGUMENT: the text does not end in
// a newline, is no UTF-8 or holds other control characters; the name as in VerifierKey::Make.
absl::StatusOr<std::string> SignNote(std::string_view text, std::string_view name,
                                     const crypto::Ed25519PrivateKey& key);

// The text of a note that `key` signed. Signatures of other keys are passed over, but a line that
// is none, or one of this key that does not verify, spoils the note. INVALID_ARGUMENT: no signed
// note. UNAUTHENTICATED: not signed by this key, or the signature does not verify.
absl::StatusOr<std::string> OpenNote(std::string_view note, const VerifierKey& key);

struct Checkpoint {
  std::string origin;  // names the log, for example `fettle.example/audit`
  uint64_t size = 0;   // leaves
  Hash root = {};
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

// The three lines that are signed. The origin is not empty and holds no newline, or SignCheckpoint
// refuses it.
std::string FormatCheckpoint(const Checkpoint& checkpoint);

// The signed note. `name` is the key's name, as a rule the origin. INVALID_ARGUMENT: as SignNote,
// or a checkpoint that ParseAndVerifyCheckpoint would not take.
absl::StatusOr<std::string> SignCheckpoint(const Checkpoint& checkpoint, std::string_view name,
                                           const crypto::Ed25519PrivateKey& key);

// Takes exactly what SignCheckpoint makes (more signatures are no harm): three lines, no extension
// lines, which our logs do not write and which nobody could audit. INVALID_ARGUMENT: not of this
// form. UNAUTHENTICATED: as OpenNote. FAILED_PRECONDITION: a genuine checkpoint of another origin.
absl::StatusOr<Checkpoint> ParseAndVerifyCheckpoint(std::string_view note, const VerifierKey& key,
                                                    std::string_view origin);

}  // namespace fettle::merkle

#endif  // FETTLE_LIBS_MERKLE_CHECKPOINT_H_
