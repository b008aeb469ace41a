#include "libs/merkle/checkpoint.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/crypto/digest.h"

namespace fettle::merkle {
namespace {

constexpr char kEd25519 = 0x01;
constexpr size_t kKeyIdBytes = 4;
constexpr std::string_view kSignaturePrefix = "\xE2\x80\x94 ";  // an em dash and a space

bool IsNoteText(std::string_view text) {
  const auto forbidden = [](unsigned char byte) { return byte < 0x20 && byte != '\n'; };
  return base::IsUtf8(text) && std::none_of(text.begin(), text.end(), forbidden);
}

// White_Space of the Unicode character database, without the control characters below it.
bool IsSpace(char32_t c) {
  return c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsKeyName(std::string_view name) {
  if (name.empty()) return false;
  while (!name.empty()) {
    const std::optional<base::CodePoint> character = base::FirstCodePoint(name);
    if (!character || character->value < 0x20 || character->value == '+' ||
        IsSpace(character->value)) {
      return false;
    }
    name.remove_prefix(character->bytes);
  }
  return true;
}

std::string KeyId(std::string_view name, std::string_view raw_key) {
  return crypto::Sha256Parts({name, "\n", std::string_view(&kEd25519, 1), raw_key})
      .substr(0, kKeyIdBytes);
}

absl::StatusOr<Checkpoint> ParseCheckpoint(std::string_view text) {
  const absl::Status malformed = absl::InvalidArgumentError(
      "a checkpoint is three lines: the origin, the size, the root in base64");
  const std::vector<std::string> lines = absl::StrSplit(base::ToAbsl(text), '\n');
  if (lines.size() != 4 || lines[0].empty() || !lines[3].empty()) return malformed;
  Checkpoint checkpoint{.origin = lines[0]};
  // Written again to compare: SimpleAtoi takes signs, spaces and leading zeros.
  if (!absl::SimpleAtoi(lines[1], &checkpoint.size) || base::Concat(checkpoint.size) != lines[1]) {
    return malformed;
  }
  const absl::StatusOr<std::string> root = crypto::UnBase64(lines[2]);
  if (!root.ok()) return malformed;
  const absl::StatusOr<Hash> hash = HashFromBytes(*root);
  if (!hash.ok() || (checkpoint.size == 0 && *hash != EmptyRoot())) return malformed;
  checkpoint.root = *hash;
  return checkpoint;
}

}  // namespace

VerifierKey::VerifierKey(std::string_view name, crypto::Ed25519PublicKey key)
    : name_(name), key_(std::move(key)), id_(KeyId(name_, key_.Raw())) {}

absl::StatusOr<VerifierKey> VerifierKey::Make(std::string_view name, crypto::Ed25519PublicKey key) {
  if (!IsKeyName(name)) {
    return absl::InvalidArgumentError(
        "the name of a key is UTF-8 with no space, plus or control character");
  }
  return VerifierKey(name, std::move(key));
}

absl::StatusOr<VerifierKey> VerifierKey::Parse(std::string_view text) {
  const std::vector<std::string> parts =
      absl::StrSplit(base::ToAbsl(text), absl::MaxSplits('+', 2));
  if (parts.size() == 3) {
    absl::StatusOr<std::string> raw = crypto::UnBase64(parts[2]);
    if (raw.ok() && raw->starts_with(kEd25519)) {
      auto key = crypto::Ed25519PublicKey::FromRaw(std::string_view(*raw).substr(1));
      if (key.ok()) {
        absl::StatusOr<VerifierKey> verifier = Make(parts[0], *std::move(key));
        if (verifier.ok() && verifier->Text() == text) return verifier;
      }
    }
  }
  return absl::InvalidArgumentError(
      "a log's key is <name>+<key id in hex>+<base64 of 0x01 and an Ed25519 public key>");
}

std::string VerifierKey::Text() const {
  return base::Concat(name_, "+", crypto::Hex(id_), "+",
                      crypto::Base64(std::string(1, kEd25519) + key_.Raw()));
}

absl::StatusOr<std::string> SignNote(std::string_view text, std::string_view name,
                                     const crypto::Ed25519PrivateKey& key) {
  if (!text.ends_with('\n') || !IsNoteText(text) || !IsKeyName(name)) {
    return absl::InvalidArgumentError(
        "a note's text is UTF-8 lines with no control character, and its key has a plain name");
  }
  std::string note = base::Concat(
      text, "\n", kSignaturePrefix, name, " ",
      crypto::Base64(base::Concat(KeyId(name, key.PublicKey().Raw()), key.Sign(text))), "\n");
  if (note.size() > kNoteBytesMax) {
    return absl::InvalidArgumentError(base::Concat("a note has at most ", kNoteBytesMax, " bytes"));
  }
  return note;
}

absl::StatusOr<std::string> OpenNote(std::string_view note, const VerifierKey& key) {
  const absl::Status malformed = absl::InvalidArgumentError("not a signed note");
  const size_t gap = note.rfind("\n\n");
  if (note.size() > kNoteBytesMax || gap == note.npos || !note.ends_with('\n') ||
      !IsNoteText(note)) {
    return malformed;
  }
  const std::string_view text = note.substr(0, gap + 1);
  std::string_view signatures = note.substr(gap + 2);
  if (signatures.empty()) return malformed;
  signatures.remove_suffix(1);
  bool verified = false;
  const std::vector<std::string> lines = absl::StrSplit(base::ToAbsl(signatures), '\n');
  for (const std::string_view line : lines) {
    if (!line.starts_with(kSignaturePrefix)) return malformed;
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(base::ToAbsl(line.substr(kSignaturePrefix.size())), absl::MaxSplits(' ', 1));
    const absl::StatusOr<std::string> signature = crypto::UnBase64(parts.second);
    if (!IsKeyName(parts.first) || !signature.ok() || signature->size() <= kKeyIdBytes) {
      return malformed;
    }
    if (parts.first != key.name() || !signature->starts_with(key.id())) continue;
    if (!key.Verify(text, std::string_view(*signature).substr(kKeyIdBytes))) {
      return absl::UnauthenticatedError(
          base::Concat("the signature of ", key.name(), " does not verify"));
    }
    verified = true;
  }
  if (!verified) {
    return absl::UnauthenticatedError(base::Concat("not signed by the pinned key ", key.Text()));
  }
  return std::string(text);
}

std::string FormatCheckpoint(const Checkpoint& checkpoint) {
  return base::Concat(checkpoint.origin, "\n", checkpoint.size, "\n",
                      crypto::Base64(Bytes(checkpoint.root)), "\n");
}

absl::StatusOr<std::string> SignCheckpoint(const Checkpoint& checkpoint, std::string_view name,
                                           const crypto::Ed25519PrivateKey& key) {
  const std::string text = FormatCheckpoint(checkpoint);
  FETTLE_RETURN_IF_ERROR(ParseCheckpoint(text));
  return SignNote(text, name, key);
}

absl::StatusOr<Checkpoint> ParseAndVerifyCheckpoint(std::string_view note, const VerifierKey& key,
                                                    std::string_view origin) {
  FETTLE_ASSIGN_OR_RETURN(const std::string text, OpenNote(note, key));
  FETTLE_ASSIGN_OR_RETURN(Checkpoint checkpoint, ParseCheckpoint(text));
  if (checkpoint.origin != origin) {
    return absl::FailedPreconditionError(
        base::Concat("the checkpoint is of the log ", checkpoint.origin, ", not ", origin));
  }
  return checkpoint;
}

}  // namespace fettle::merkle
