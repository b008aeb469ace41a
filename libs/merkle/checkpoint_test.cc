#include "libs/merkle/checkpoint.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_replace.h"
#include "libs/base/text.h"
#include "libs/crypto/digest.h"

namespace fettle::merkle {
namespace {

constexpr std::string_view kOrigin = "fettle.example/audit";

// The key of the example of Go's sumdb/note, whose format signed-note describes: a published test
// key, seed and all.
constexpr std::string_view kGoKey =
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
constexpr std::string_view kGoSeed = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
constexpr std::string_view kGoText =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n";
constexpr std::string_view kGoSignature =
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/"
    "SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

// A checkpoint that the Go checksum database has served, and its key.
constexpr std::string_view kSumdbKey =
    "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
constexpr std::string_view kSumdbNote =
    "go.sum database tree\n"
    "65209736\n"
    "5+uGFjx6xBZG8ip1+wi77v+grwbhhukIrxEUS8PXvRo=\n"
    "\n"
    "— sum.golang.org "
    "Az3grnbssgK7ubgFX36gVETtNv0U23qxyAhAMai2QUfeGa3nB/akvkMdlUErfcZz7l/"
    "R3cVtYspg3dxXABkGZZKdsQ8=\n";

crypto::Ed25519PrivateKey KeyOfSeed(std::string_view seed) {
  // RFC 8410: the PKCS #8 form of an Ed25519 key is these bytes and the seed.
  const std::string der = *crypto::UnHex("302e020100300506032b657004220420") + std::string(seed);
  return *crypto::Ed25519PrivateKey::FromPem(base::Concat(
      "-----BEGIN PRIVATE KEY-----\n", crypto::Base64(der), "\n-----END PRIVATE KEY-----\n"));
}

crypto::Ed25519PrivateKey KeyOf(char byte) { return KeyOfSeed(std::string(32, byte)); }

VerifierKey VerifierOf(std::string_view name, const crypto::Ed25519PrivateKey& key) {
  return *VerifierKey::Make(name, key.PublicKey());
}

std::string Note(std::string_view text, std::string_view name,
                 const crypto::Ed25519PrivateKey& key) {
  absl::StatusOr<std::string> note = SignNote(text, name, key);
  EXPECT_TRUE(note.ok()) << note.status();
  return *std::move(note);
}

// The signature line alone, to add to another note.
std::string SignatureLine(const std::string& note) { return note.substr(note.rfind("\n\n") + 2); }

Checkpoint Example() { return {.origin = std::string(kOrigin), .size = 7, .root = LeafHash("x")}; }

TEST(NoteTest, MakesAndOpensThePublishedNote) {
  const crypto::Ed25519PrivateKey key =
      KeyOfSeed(std::string_view(*crypto::UnBase64(kGoSeed)).substr(1));
  EXPECT_EQ(VerifierOf("PeterNeumann", key).Text(), kGoKey);
  const std::string note = base::Concat(kGoText, "\n", kGoSignature);
  EXPECT_EQ(Note(kGoText, "PeterNeumann", key), note);
  EXPECT_EQ(*OpenNote(note, *VerifierKey::Parse(kGoKey)), kGoText);
}

TEST(CheckpointTest, TakesOneOfAnotherLogThatIsInUse) {
  const VerifierKey key = *VerifierKey::Parse(kSumdbKey);
  const auto checkpoint = ParseAndVerifyCheckpoint(kSumdbNote, key, "go.sum database tree");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->size, 65209736u);
  EXPECT_TRUE(kSumdbNote.starts_with(FormatCheckpoint(*checkpoint)));
}

TEST(CheckpointTest, ComesBackAsItWasSigned) {
  const crypto::Ed25519PrivateKey key = KeyOf(1);
  const VerifierKey verifier = VerifierOf(kOrigin, key);
  for (const uint64_t size : {uint64_t{1}, uint64_t{20852163}, ~uint64_t{0}}) {
    Checkpoint checkpoint = Example();
    checkpoint.size = size;
    const std::string note = *SignCheckpoint(checkpoint, kOrigin, key);
    EXPECT_EQ(*ParseAndVerifyCheckpoint(note, verifier, kOrigin), checkpoint);
  }
  const Checkpoint empty{.origin = std::string(kOrigin), .size = 0, .root = EmptyRoot()};
  EXPECT_EQ(FormatCheckpoint(empty),
            "fettle.example/audit\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
  EXPECT_EQ(*ParseAndVerifyCheckpoint(*SignCheckpoint(empty, kOrigin, key), verifier, kOrigin),
            empty);
}

TEST(CheckpointTest, FindsEveryChangedBitAndEveryCut) {
  // INV-133
  const crypto::Ed25519PrivateKey key = KeyOf(1);
  const VerifierKey verifier = VerifierOf(kOrigin, key);
  const std::string note = *SignCheckpoint(Example(), kOrigin, key);
  for (size_t bit = 0; bit < 8 * note.size(); ++bit) {
    std::string changed = note;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(ParseAndVerifyCheckpoint(changed, verifier, kOrigin).ok()) << "bit " << bit;
  }
  for (size_t length = 0; length < note.size(); ++length) {
    EXPECT_FALSE(ParseAndVerifyCheckpoint(note.substr(0, length), verifier, kOrigin).ok());
  }
  for (const std::string_view more : {"\n", " ", "x", "x\n", "\n\n"}) {
    EXPECT_FALSE(ParseAndVerifyCheckpoint(note + std::string(more), verifier, kOrigin).ok());
    EXPECT_FALSE(ParseAndVerifyCheckpoint(std::string(more) + note, verifier, kOrigin).ok());
  }
}

TEST(CheckpointTest, IsOfThePinnedKeyAndOrigin) {
  const crypto::Ed25519PrivateKey key = KeyOf(1), other = KeyOf(2);
  const std::string note = *SignCheckpoint(Example(), kOrigin, key);
  const auto code = [&](std::string_view given, const VerifierKey& verifier,
                        std::string_view origin) {
    return ParseAndVerifyCheckpoint(given, verifier, origin).status().code();
  };
  EXPECT_EQ(code(note, VerifierOf(kOrigin, key), kOrigin), absl::StatusCode::kOk);
  EXPECT_EQ(code(note, VerifierOf(kOrigin, other), kOrigin), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code(note, VerifierOf("other.example", key), kOrigin),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code(note, VerifierOf(kOrigin, key), "other.example"),
            absl::StatusCode::kFailedPrecondition);
}

TEST(NoteTest, PassesOverOtherSignaturesButNotOverABadOneOfItsOwn) {
  const crypto::Ed25519PrivateKey key = KeyOf(1), witness = KeyOf(2);
  const VerifierKey verifier = VerifierOf("log", key);
  const std::string own = Note("text\n", "log", key);
  const std::string others = SignatureLine(Note("text\n", "witness", witness)) +
                             SignatureLine(Note("text\n", "log", witness)) +
                             SignatureLine(Note("other text\n", "witness/2", witness)) +
                             SignatureLine(Note("text\n", "zeugin-ä", witness));
  const auto code = [&](const std::string& note) {
    return OpenNote(note, verifier).status().code();
  };
  EXPECT_EQ(code(own + others), absl::StatusCode::kOk);
  EXPECT_EQ(code("text\n\n" + others + SignatureLine(own)), absl::StatusCode::kOk);
  EXPECT_EQ(code("text\n\n" + others), absl::StatusCode::kUnauthenticated);
  const std::string bad = SignatureLine(Note("other text\n", "log", key));
  EXPECT_EQ(code("text\n\n" + bad), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code(own + bad), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code(own + own), absl::StatusCode::kUnauthenticated) << "the text is another one";

  // 16 signatures of the longest kind must be taken, more bytes than the limit must not.
  std::string many = own;
  for (int i = 0; i < 16; ++i) {
    absl::StrAppend(&many, "— witness ", crypto::Base64(std::string(5'000, 'x')), "\n");
  }
  EXPECT_EQ(code(many), absl::StatusCode::kOk);
  while (many.size() <= kNoteBytesMax) absl::StrAppend(&many, "— witness AAAAAAA=\n");
  EXPECT_EQ(code(many), absl::StatusCode::kInvalidArgument);
}

TEST(NoteTest, RefusesWhatIsNoSignedNote) {
  const crypto::Ed25519PrivateKey key = KeyOf(1);
  const VerifierKey verifier = VerifierOf("log", key);
  const std::string line = SignatureLine(Note("text\n", "log", key));
  ASSERT_TRUE(OpenNote("text\n\n" + line, verifier).ok());
  const std::string kNotes[] = {
      "",
      "\n\n",
      "text\n",
      "text\n\n",
      "text\n" + line,
      "text\n\n" + line + "no signature\n",
      "text\n\n" + line + "— \n",
      "text\n\n" + line + "— name\n",
      "text\n\n" + line + "— name AAAA\n",
      "text\n\n" + line + "— name AAAAAAA\n",
      "text\n\n" + line + "— name AAAAAAA= \n",
      "text\n\n" + line + "— na+me AAAAAAA=\n",
      "text\n\n" + line + "— na\xC2\xA0me AAAAAAA=\n",
      "text\n\n" + line + "— na\xFFme AAAAAAA=\n",
      "text\n\n" + line + "- name AAAAAAA=\n",
      "text\r\n\n" + line,
      absl::StrReplaceAll("text\n\n" + line, {{"= \n", "=\r\n"}}) + "\r",
  };
  for (const std::string& note : kNotes) {
    EXPECT_EQ(OpenNote(note, verifier).status().code(), absl::StatusCode::kInvalidArgument) << note;
  }
}

TEST(NoteTest, SignsOnlyWhatAVerifierTakes) {
  const crypto::Ed25519PrivateKey key = KeyOf(1);
  for (const std::string_view text : {"", "text", "te\txt\n", "te\xFFxt\n", "te\rxt\n"}) {
    EXPECT_FALSE(SignNote(text, "log", key).ok()) << text;
  }
  for (const std::string_view name : {"", "a b", "a+b", "a\nb", "a\xE2\x80\x83z", "\xC3"}) {
    EXPECT_FALSE(SignNote("text\n", name, key).ok()) << name;
    EXPECT_FALSE(VerifierKey::Make(name, key.PublicKey()).ok()) << name;
  }
  EXPECT_FALSE(SignNote(std::string(kNoteBytesMax, 'x') + "\n", "log", key).ok());
  Checkpoint checkpoint = Example();
  checkpoint.origin = "";
  EXPECT_FALSE(SignCheckpoint(checkpoint, kOrigin, key).ok());
  checkpoint.origin = "two\nlines";
  EXPECT_FALSE(SignCheckpoint(checkpoint, kOrigin, key).ok());
  checkpoint = Example();
  checkpoint.size = 0;
  EXPECT_FALSE(SignCheckpoint(checkpoint, kOrigin, key).ok()) << "not the root of no leaf";
}

TEST(CheckpointTest, RefusesAGenuineNoteThatIsNoCheckpoint) {
  const crypto::Ed25519PrivateKey key = KeyOf(1);
  const VerifierKey verifier = VerifierOf(kOrigin, key);
  const std::string root = crypto::Base64(Bytes(LeafHash("x")));
  const auto code = [&](std::string_view text) {
    return ParseAndVerifyCheckpoint(Note(text, kOrigin, key), verifier, kOrigin).status().code();
  };
  ASSERT_EQ(code(base::Concat(kOrigin, "\n7\n", root, "\n")), absl::StatusCode::kOk);
  const std::string kTexts[] = {
      "text\n",
      base::Concat(kOrigin, "\n7\n"),
      base::Concat("\n7\n", root, "\n"),
      base::Concat(kOrigin, "\n\n", root, "\n"),
      base::Concat(kOrigin, "\n07\n", root, "\n"),
      base::Concat(kOrigin, "\n+7\n", root, "\n"),
      base::Concat(kOrigin, "\n 7\n", root, "\n"),
      base::Concat(kOrigin, "\n-7\n", root, "\n"),
      base::Concat(kOrigin, "\n0x7\n", root, "\n"),
      base::Concat(kOrigin, "\n18446744073709551616\n", root, "\n"),
      base::Concat(kOrigin, "\n0\n", root, "\n"),
      base::Concat(kOrigin, "\n7\n", root.substr(4), "\n"),
      base::Concat(kOrigin, "\n7\n", root, "AAAA\n"),
      base::Concat(kOrigin, "\n7\n", root, " \n"),
      base::Concat(kOrigin, "\n7\n", root, "\nan extension line\n"),
      base::Concat(kOrigin, "\n7\n", root, "\n\n"),
  };
  for (const std::string& text : kTexts) {
    EXPECT_EQ(code(text), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(VerifierKeyTest, ReadsExactlyWhatItWrites) {
  for (const std::string_view text : {kGoKey, kSumdbKey}) {
    const auto key = VerifierKey::Parse(text);
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_EQ(key->Text(), text);
    for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
      std::string changed(text);
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
      EXPECT_FALSE(VerifierKey::Parse(changed).ok()) << changed;
    }
    for (size_t length = 0; length < text.size(); ++length) {
      EXPECT_FALSE(VerifierKey::Parse(text.substr(0, length)).ok());
    }
    EXPECT_FALSE(VerifierKey::Parse(base::Concat(text, "=")).ok());
    EXPECT_FALSE(VerifierKey::Parse(base::Concat(" ", text)).ok());
  }
}

}  // namespace
}  // namespace fettle::merkle
