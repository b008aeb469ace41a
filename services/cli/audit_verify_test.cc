#include "services/cli/audit_verify.h"

#include <gtest/gtest.h>

#include <random>

#include "fettle/audit/v1/audit_service.pb.h"
#include "libs/base/status.h"
#include "libs/crypto/ed25519.h"
#include "libs/merkle/tile.h"
#include "libs/merkle/tree.h"
#include "libs/merkle/wire.h"

namespace fettle::cli {
namespace {

constexpr char kOrigin[] = "fettle.example/audit";

const crypto::Ed25519PrivateKey& SigningKey() {
  static const crypto::Ed25519PrivateKey key = crypto::Ed25519PrivateKey::Generate();
  return key;
}

const merkle::VerifierKey& PinnedKey() {
  static const merkle::VerifierKey key =
      *merkle::VerifierKey::Make(kOrigin, SigningKey().PublicKey());
  return key;
}

std::string Event(int64_t position) {
  audit::v1::AnyEvent event;
  event.mutable_header()->set_source("urn:fettle:referral:main");
  event.mutable_header()->set_position(position);
  return event.SerializeAsString();
}

// An export of the events in this order, with the given rows of `place`.
std::string MakeExport(const std::vector<std::string>& events,
                       std::vector<std::pair<std::string, std::string>> extras) {
  merkle::Frontier frontier;
  std::vector<merkle::Hash> hashes;
  std::map<uint64_t, std::string> bundles;
  std::map<merkle::TileId, std::string> tiles;
  for (size_t i = 0; i < events.size(); ++i) {
    hashes.push_back(merkle::LeafHash(events[i]));
    EXPECT_TRUE(merkle::AppendToBundle(events[i], bundles[i / merkle::kTileHashes]).ok());
  }
  for (const merkle::TileAppend& append : merkle::AppendToTiles(frontier, hashes)) {
    tiles[append.tile].append(append.hashes);
  }
  bool signed_once = false;
  merkle::StoredLog log;
  log.leaves = events.size();
  log.bundle_at = [&](uint64_t index) -> absl::StatusOr<std::string> { return bundles[index]; };
  log.tile_at = [&](merkle::TileId id) -> absl::StatusOr<std::string> { return tiles[id]; };
  log.next_checkpoint = [&]() -> absl::StatusOr<std::optional<merkle::StoredLog::Checkpoint>> {
    if (std::exchange(signed_once, true)) return std::nullopt;
    const merkle::Checkpoint head{
        .origin = kOrigin, .size = frontier.size(), .root = frontier.Root()};
    return merkle::StoredLog::Checkpoint{head.size,
                                         *merkle::SignCheckpoint(head, kOrigin, SigningKey())};
  };
  log.extras = std::move(extras);
  std::string file;
  const absl::Status status = merkle::WriteExport(log, [&](std::string_view bytes) {
    file.append(bytes);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return file;
}

// The rows of `place` when position n is leaf n - 1.
std::vector<std::pair<std::string, std::string>> PlacesInOrder(int64_t events) {
  std::string bytes;
  for (int64_t begin = 0; begin < events; begin += 256) {
    merkle::AppendBigEndian(static_cast<uint64_t>(begin / 256), bytes);
    merkle::AppendBigEndian(uint32_t{1280}, bytes);
    for (int64_t i = begin; i < begin + 256; ++i) {
      bytes.push_back('\0');
      merkle::AppendBigEndian(static_cast<uint32_t>(i < events ? i + 1 : 0), bytes);
    }
  }
  return {{"places/urn:fettle:referral:main", bytes}};
}

std::vector<std::string> Events(int64_t count) {
  std::vector<std::string> events;
  for (int64_t position = 1; position <= count; ++position) events.push_back(Event(position));
  return events;
}

std::string Finding(const std::string& file) {
  AuditVerifier verifier(PinnedKey(), {});
  absl::Status status = verifier.Add(file);
  if (status.ok()) status = verifier.Finish().status();
  return status.ok() ? "nothing" : base::ReasonOf(status);
}

TEST(AuditVerifyTest, TellsWhatAnHonestLogHolds) {
  AuditVerifier verifier(PinnedKey(), {});
  ASSERT_TRUE(verifier.Add(MakeExport(Events(600), PlacesInOrder(600))).ok());
  const auto report = verifier.Finish();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->log.leaves, 600u);
  ASSERT_EQ(report->sources.size(), 1u);
  EXPECT_EQ(report->sources[0].events, 600);
  EXPECT_EQ(report->sources[0].contiguous, 600);
  EXPECT_EQ(report->sources[0].last_position, 600);
}

TEST(AuditVerifyTest, FindsWhatTheTreeDoesNotCover) {
  EXPECT_EQ(Finding(MakeExport(Events(300), PlacesInOrder(299))), "PLACE_CHANGED");
  EXPECT_EQ(Finding(MakeExport(Events(300), PlacesInOrder(256))), "PLACE_CHANGED");
  EXPECT_EQ(Finding(MakeExport(Events(300), {})), "PLACE_CHANGED");
  auto named = PlacesInOrder(300);
  named[0].first = "places/urn:fettle:budget:main";
  EXPECT_EQ(Finding(MakeExport(Events(300), named)), "PLACE_CHANGED");
  EXPECT_EQ(Finding(MakeExport({Event(1), Event(1)}, PlacesInOrder(2))), "LEAF_REPEATED");
  EXPECT_EQ(Finding(MakeExport({Event(0)}, {})), "LEAF_NOT_AN_EVENT");
  EXPECT_EQ(Finding(MakeExport({"no event"}, {})), "LEAF_NOT_AN_EVENT");
}

// Flips a random bit of a random byte of an export, 3,000 times: each is found.
TEST(AuditVerifyTest, EveryFlippedBitOfAnExportIsFound) {
  const std::string honest = MakeExport(Events(700), PlacesInOrder(700));
  ASSERT_EQ(Finding(honest), "nothing");
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::map<std::string, int> found;
  for (int i = 0; i < 3'000; ++i) {
    std::string file = honest;
    const size_t at = random() % file.size();
    file[at] = static_cast<char>(file[at] ^ (1 << random() % 8));
    const std::string finding = Finding(file);
    ASSERT_NE(finding, "nothing") << "byte " << at;
    ++found[finding];
  }
  EXPECT_GT(found["LEAF_CHANGED"], 0);
  EXPECT_GT(found["PLACE_CHANGED"], 0);
}

// The proof of the event at `position`, of a log that holds positions 1 to 20 in order.
audit::v1::GetInclusionProofResponse MakeProof(int64_t position) {
  merkle::Frontier frontier;
  std::map<merkle::NodeId, merkle::Hash> nodes;
  for (const std::string& event : Events(20)) {
    frontier.Append(merkle::LeafHash(event),
                    [&](merkle::NodeId id, const merkle::Hash& hash) { nodes[id] = hash; });
  }
  audit::v1::GetInclusionProofResponse proof;
  proof.set_leaf_index(position - 1);
  proof.set_event(Event(position));
  proof.set_checkpoint(
      *merkle::SignCheckpoint({.origin = kOrigin, .size = frontier.size(), .root = frontier.Root()},
                              kOrigin, SigningKey()));
  const auto hashes = merkle::InclusionProof(
      static_cast<uint64_t>(position - 1), frontier.size(),
      [&](merkle::NodeId id) -> absl::StatusOr<merkle::Hash> { return nodes.at(id); });
  for (const merkle::Hash& hash : *hashes) proof.add_hashes(std::string(merkle::Bytes(hash)));
  return proof;
}

audit::v1::GetInclusionProofRequest Asked(const std::string& source, int64_t position) {
  audit::v1::GetInclusionProofRequest request;
  request.set_source(source);
  request.set_position(position);
  return request;
}

TEST(EventProofTest, ShowsTheEventThatWasAskedForAndNoOther) {
  const auto asked = Asked("urn:fettle:referral:main", 7);
  EXPECT_TRUE(VerifyEventProof(asked, MakeProof(7), PinnedKey()).ok());
  // Valid proofs, of other events.
  EXPECT_EQ(base::ReasonOf(VerifyEventProof(asked, MakeProof(8), PinnedKey())),
            "PROOF_NOT_OF_THIS_EVENT");
  EXPECT_EQ(base::ReasonOf(
                VerifyEventProof(Asked("urn:fettle:budget:main", 7), MakeProof(7), PinnedKey())),
            "PROOF_NOT_OF_THIS_EVENT");
}

TEST(EventProofTest, LeadsFromTheEventToACheckpointOfThePinnedKey) {
  const auto asked = Asked("urn:fettle:referral:main", 7);
  auto proof = MakeProof(8);
  proof.set_event(Event(7));
  EXPECT_EQ(base::ReasonOf(VerifyEventProof(asked, proof, PinnedKey())), "PROOF_DOES_NOT_HOLD");
  proof = MakeProof(7);
  proof.mutable_hashes()->RemoveLast();
  EXPECT_FALSE(VerifyEventProof(asked, proof, PinnedKey()).ok());
  proof = MakeProof(7);
  proof.set_leaf_index(-1);
  EXPECT_EQ(base::ReasonOf(VerifyEventProof(asked, proof, PinnedKey())), "LEAF_NOT_IN_TREE");
  const auto other = crypto::Ed25519PrivateKey::Generate();
  EXPECT_FALSE(
      VerifyEventProof(asked, MakeProof(7), *merkle::VerifierKey::Make(kOrigin, other.PublicKey()))
          .ok());
}

}  // namespace
}  // namespace fettle::cli
