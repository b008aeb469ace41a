#include "libs/merkle/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/crypto/ed25519.h"
#include "libs/merkle/wire.h"

namespace fettle::merkle {
namespace {

constexpr std::string_view kOrigin = "fettle.example/audit";

const crypto::Ed25519PrivateKey& SigningKey() {
  static const crypto::Ed25519PrivateKey key = crypto::Ed25519PrivateKey::Generate();
  return key;
}

const VerifierKey& PinnedKey() {
  static const VerifierKey key = *VerifierKey::Make(kOrigin, SigningKey().PublicKey());
  return key;
}

// A store in memory whose rows a test can tamper with.
struct Store {
  void Append(const std::vector<std::string>& leaves) {
    std::vector<Hash> hashes;
    for (const std::string& leaf : leaves) {
      hashes.push_back(LeafHash(leaf));
      ASSERT_TRUE(
          AppendToBundle(leaf, bundles[(frontier.size() + hashes.size() - 1) / kTileHashes]).ok());
    }
    for (const TileAppend& append : AppendToTiles(frontier, hashes)) {
      tiles[append.tile].append(append.hashes);
    }
  }

  Checkpoint Head() const {
    return {.origin = std::string(kOrigin), .size = frontier.size(), .root = frontier.Root()};
  }

  void Sign() { checkpoints[frontier.size()] = *SignCheckpoint(Head(), kOrigin, SigningKey()); }

  std::string Export() const {
    std::string file;
    auto next = checkpoints.begin();
    const StoredLog log{
        .leaves = frontier.size(),
        .bundle_at = [this](uint64_t index) -> absl::StatusOr<std::string> {
          const auto bundle = bundles.find(index);
          if (bundle == bundles.end()) return absl::NotFoundError("no such bundle");
          return bundle->second;
        },
        .tile_at = [this](TileId id) -> absl::StatusOr<std::string> {
          const auto tile = tiles.find(id);
          if (tile == tiles.end()) return absl::NotFoundError("no such tile");
          return tile->second;
        },
        .next_checkpoint = [&]() -> absl::StatusOr<std::optional<StoredLog::Checkpoint>> {
          if (next == checkpoints.end()) return std::nullopt;
          StoredLog::Checkpoint checkpoint{.size = next->first, .note = next->second};
          ++next;
          return checkpoint;
        },
        .extras = extras};
    const absl::Status status = WriteExport(log, [&](std::string_view bytes) {
      file.append(bytes);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return file;
  }

  std::map<uint64_t, std::string> bundles;
  std::map<TileId, std::string> tiles;
  std::map<uint64_t, std::string> checkpoints;
  std::vector<std::pair<std::string, std::string>> extras;
  Frontier frontier;
};

std::vector<std::string> Leaves(uint64_t begin, uint64_t end) {
  std::vector<std::string> leaves;
  for (uint64_t i = begin; i < end; ++i) leaves.push_back(base::Concat("leaf ", i));
  return leaves;
}

// Leaves [0, end), a checkpoint behind each of `sizes`.
Store MakeStore(const std::vector<uint64_t>& sizes) {
  Store store;
  for (const uint64_t size : sizes) {
    store.Append(Leaves(store.frontier.size(), size));
    store.Sign();
  }
  return store;
}

absl::StatusOr<ExportVerifier::Report> Verify(const std::string& file,
                                              std::vector<Checkpoint> earlier = {}) {
  ExportVerifier verifier(PinnedKey(),
                          {.origin = std::string(kOrigin), .earlier = std::move(earlier)});
  const absl::Status status = verifier.Add(file);
  absl::StatusOr<ExportVerifier::Report> report = verifier.Finish();
  if (!status.ok()) {
    EXPECT_EQ(report.status(), status) << "the first finding stays";
    EXPECT_EQ(verifier.Add("x"), status);
  }
  return report;
}

std::string Finding(const std::string& file, std::vector<Checkpoint> earlier = {}) {
  const absl::Status status = Verify(file, std::move(earlier)).status();
  EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kDataLoss) << status;
  return status.ok() ? "nothing" : base::ReasonOf(status);
}

TEST(ExportTest, AnHonestLogOfAnySizeIsRight) {
  for (const uint64_t size : {0, 1, 2, 255, 256, 257, 511, 512, 513, 1'000}) {
    Store store;
    store.Sign();
    const Checkpoint empty = store.Head();
    store.Append(Leaves(0, size / 3));
    store.Sign();
    const Checkpoint earlier = store.Head();
    store.Append(Leaves(size / 3, size));
    store.Sign();
    const auto report = Verify(store.Export(), {empty, earlier, earlier, store.Head()});
    ASSERT_TRUE(report.ok()) << report.status() << " at " << size;
    EXPECT_EQ(report->leaves, size);
    EXPECT_EQ(report->unsigned_leaves, 0u);
    EXPECT_EQ(report->checkpoints, store.checkpoints.size());
    EXPECT_EQ(report->newest, store.Head());
  }
}

TEST(ExportTest, GivesTheOwnerHisLeavesAndRows) {
  Store store = MakeStore({300});
  store.extras = {{"sources", "some bytes"}, {"", ""}};
  std::vector<std::string> leaves;
  std::vector<std::pair<std::string, std::string>> extras;
  const auto options = [&](bool refuse) {
    return ExportVerifier::Options{.origin = std::string(kOrigin),
                                   .on_leaf =
                                       [&leaves, refuse](uint64_t index, std::string_view leaf) {
                                         EXPECT_EQ(index, leaves.size());
                                         leaves.emplace_back(leaf);
                                         return refuse && index == 299 ? absl::AbortedError("mine")
                                                                       : absl::OkStatus();
                                       },
                                   .on_extra =
                                       [&extras](std::string_view name, std::string_view bytes) {
                                         extras.emplace_back(name, bytes);
                                         return absl::OkStatus();
                                       }};
  };
  // Cut anywhere: byte by byte.
  const std::string file = store.Export();
  ExportVerifier verifier(PinnedKey(), options(false));
  for (const char byte : file) ASSERT_TRUE(verifier.Add({&byte, 1}).ok());
  EXPECT_TRUE(verifier.Finish().ok());
  EXPECT_EQ(leaves, Leaves(0, 300));
  EXPECT_EQ(extras, store.extras);

  leaves.clear();
  ExportVerifier refusing(PinnedKey(), options(true));
  EXPECT_EQ(refusing.Add(file), absl::AbortedError("mine"));
}

TEST(ExportTest, FindsEveryChangedByteOfTheFile) {
  // INV-133. The file is the store's rows, so this is every byte of leaves, tiles and checkpoints.
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(base::Concat("seed ", seed));
  std::mt19937 random(seed);
  const std::string file = MakeStore({3, 260, 270}).Export();
  ASSERT_EQ(Finding(file), "nothing");
  for (size_t i = 0; i < file.size(); ++i) {
    std::string changed = file;
    changed[i] = static_cast<char>(changed[i] ^ 1 << random() % 8);
    ASSERT_NE(Finding(changed), "nothing") << "byte " << i << " of " << file.size();
  }
}

TEST(ExportTest, FindsEveryCutOfTheFileAndAnythingBehindIt) {
  const std::string file = MakeStore({3, 20}).Export();
  for (size_t length = 0; length < file.size(); ++length) {
    ASSERT_EQ(Finding(file.substr(0, length)), "EXPORT_CUT_OFF");
  }
  EXPECT_EQ(Finding(file + "x"), "EXPORT_BROKEN");
  EXPECT_EQ(Finding(file + file.substr(kExportMagic.size())), "EXPORT_BROKEN");
  EXPECT_EQ(Finding("something else altogether"), "EXPORT_BROKEN");
}

// The magic and each record by itself.
std::vector<std::string> Records(std::string_view file) {
  std::vector<std::string> records = {std::string(file.substr(0, kExportMagic.size()))};
  file.remove_prefix(kExportMagic.size());
  while (!file.empty()) {
    std::string_view header = file.substr(1);
    const size_t bytes = 5 + *TakeBigEndian<uint32_t>(header);
    records.emplace_back(file.substr(0, bytes));
    file.remove_prefix(bytes);
  }
  return records;
}

std::string Join(const std::vector<std::string>& records) {
  std::string file;
  for (const std::string& record : records) file.append(record);
  return file;
}

TEST(ExportTest, FindsRecordsThatAreMissingTwiceThereOrOutOfOrder) {
  Store store = MakeStore({3, 270});
  store.extras = {{"sources", "bytes"}};
  const std::vector<std::string> records = Records(store.Export());
  std::string kinds;
  for (const std::string& record : records) kinds.push_back(record[0]);
  ASSERT_EQ(kinds, "fCBCBTXE");
  for (size_t i = 1; i < records.size(); ++i) {
    SCOPED_TRACE(base::Concat("record ", i));
    std::vector<std::string> changed = records;
    changed.insert(changed.begin() + i, records[i]);
    // The owner's rows are the owner's to check.
    EXPECT_EQ(Finding(Join(changed)) == "nothing", kinds[i] == 'X');
    changed = records;
    changed.erase(changed.begin() + i);
    // So are they when missing; an older checkpoint tells nothing that a newer one does not.
    EXPECT_EQ(Finding(Join(changed), {store.Head()}) == "nothing", kinds[i] == 'X' || i == 1);
    if (i + 1 == records.size()) continue;
    changed = records;
    std::swap(changed[i], changed[i + 1]);
    // A checkpoint may come before it is needed.
    EXPECT_EQ(Finding(Join(changed)) == "nothing", kinds[i] == 'B' && kinds[i + 1] == 'C');
  }
  // A short bundle stands at the end only, also under the same index again.
  std::vector<std::string> twice = Records(MakeStore({100}).Export());
  ASSERT_EQ(twice[2][0], 'B');
  twice.insert(twice.begin() + 2, twice[2]);
  EXPECT_EQ(Finding(Join(twice)), "LEAF_MISSING");

  std::vector<std::string> end_with_payload = records;
  end_with_payload.back() = std::string("E\0\0\0\1x", 6);
  EXPECT_EQ(Finding(Join(end_with_payload)), "EXPORT_BROKEN");
}

TEST(ExportTest, FindsAChangedLeafByItsIndex) {
  // INV-133
  Store store = MakeStore({700});
  std::string& bundle = store.bundles[1];
  bundle[bundle.find("leaf 300")] = 'L';
  const absl::Status status = Verify(store.Export()).status();
  EXPECT_EQ(base::ReasonOf(status), "LEAF_CHANGED");
  EXPECT_EQ(base::ErrorInfoOf(status)->metadata().at("leaf"), "300");
}

// The strongest forger below: changes leaves and makes the tiles anew, so that only the signatures
// tell. `sign` gives them the log's own key as well.
Store Forge(const std::vector<std::string>& leaves, const Store& original, bool sign) {
  Store forged;
  forged.Append(leaves);
  if (sign) {
    forged.Sign();
  } else {
    forged.checkpoints = original.checkpoints;
  }
  return forged;
}

TEST(ExportTest, FindsADroppedLeaf) {
  // INV-133
  const Store store = MakeStore({100, 700});
  std::vector<std::string> leaves = Leaves(0, 700);
  leaves.erase(leaves.begin() + 300);

  Store bundle_only = store;
  std::string& bundle = bundle_only.bundles[1];
  bundle.erase(bundle.find("leaf 300") - 4, 12);
  EXPECT_EQ(Finding(bundle_only.Export()), "LEAF_MISSING");

  Store shifted = store;
  shifted.bundles = Forge(leaves, store, false).bundles;
  EXPECT_EQ(Finding(shifted.Export()), "LEAF_CHANGED");

  const Store forged = Forge(leaves, store, false);
  EXPECT_EQ(Finding(forged.Export()), "CUT_OFF");
  leaves.push_back("one more");
  EXPECT_EQ(Finding(Forge(leaves, store, false).Export()), "ROOT_MISMATCH");
  EXPECT_EQ(Finding(Forge(leaves, store, true).Export(), {store.Head()}), "FORKED");

  for (const uint64_t index : {0, 1, 2}) {
    Store without = store;
    without.bundles.erase(index);
    EXPECT_EQ(Finding(without.Export()), "LEAF_MISSING");
    without.tiles.erase({.level = 0, .index = index});
    EXPECT_EQ(Finding(without.Export()), "LEAF_MISSING");
  }
}

TEST(ExportTest, FindsSwappedLeaves) {
  // INV-133
  const Store store = MakeStore({100, 700});
  std::vector<std::string> leaves = Leaves(0, 700);
  std::swap(leaves[300], leaves[600]);
  Store bundles_only = store;
  bundles_only.bundles = Forge(leaves, store, false).bundles;
  EXPECT_EQ(Finding(bundles_only.Export()), "LEAF_CHANGED");
  EXPECT_EQ(Finding(Forge(leaves, store, false).Export()), "ROOT_MISMATCH");
  EXPECT_EQ(Finding(Forge(leaves, store, true).Export(), {store.Head()}), "FORKED");
}

TEST(ExportTest, FindsAnInsertedLeaf) {
  // INV-133
  const Store store = MakeStore({100, 700});
  std::vector<std::string> leaves = Leaves(0, 700);
  leaves.insert(leaves.begin() + 99, "never happened");
  EXPECT_EQ(Finding(Forge(leaves, store, false).Export()), "ROOT_MISMATCH");
  EXPECT_EQ(Finding(Forge(leaves, store, true).Export(), {store.Head()}), "FORKED");
}

TEST(ExportTest, FindsACutOffEnd) {
  // INV-133
  const Store store = MakeStore({100, 700});
  EXPECT_EQ(Finding(Forge(Leaves(0, 650), store, false).Export()), "CUT_OFF");
  EXPECT_EQ(Finding(Forge(Leaves(0, 512), store, false).Export()), "CUT_OFF");
  // With the checkpoint cut off too, only the one kept outside tells.
  const Store shorter = MakeStore({100});
  EXPECT_EQ(Finding(shorter.Export()), "nothing");
  EXPECT_EQ(Finding(shorter.Export(), {store.Head()}), "ROLLED_BACK");
  Store none = store;
  none.checkpoints.clear();
  EXPECT_EQ(Finding(none.Export()), "CHECKPOINT_MISSING");
  // The leaves are there, but the log no longer stands by them.
  Store disowned = store;
  disowned.checkpoints.erase(700);
  EXPECT_EQ(Finding(disowned.Export(), {store.Head()}), "ROLLED_BACK");
}

TEST(ExportTest, FindsARolledBackCopyThatIsSignedAgain) {
  // INV-133
  const Store store = MakeStore({100, 400});
  Store copy = MakeStore({100});
  copy.Append({"another history"});
  copy.Sign();
  EXPECT_EQ(Finding(copy.Export(), {store.Head()}), "ROLLED_BACK");
  copy.Append(Leaves(101, 500));
  copy.Sign();
  EXPECT_EQ(Finding(copy.Export(), {store.Head()}), "FORKED");
  EXPECT_EQ(Finding(copy.Export(), {MakeStore({100}).Head()}), "nothing") << "grown from there";
}

TEST(ExportTest, FindsAForkedCheckpoint) {
  // INV-133
  Store store = MakeStore({100, 400});
  const Store fork = Forge(Leaves(1, 401), store, true);
  store.checkpoints[400] = fork.checkpoints.at(400);
  EXPECT_EQ(Finding(store.Export()), "ROOT_MISMATCH");
  EXPECT_EQ(Finding(MakeStore({100, 400}).Export(), {fork.Head()}), "FORKED");

  // A size that its row does not tell: out of its place, before or behind.
  for (const uint64_t place : {50, 390, 600}) {
    Store misplaced = MakeStore({100, 400});
    misplaced.checkpoints[place] = MakeStore({200}).checkpoints.at(200);
    EXPECT_EQ(Finding(misplaced.Export()), "CHECKPOINT_OUT_OF_ORDER") << place;
  }
}

TEST(ExportTest, TakesOnlyThePinnedKeyAndOrigin) {
  Store store = MakeStore({10});
  Checkpoint head = store.Head();
  const crypto::Ed25519PrivateKey other = crypto::Ed25519PrivateKey::Generate();
  store.checkpoints[10] = *SignCheckpoint(head, kOrigin, other);
  EXPECT_EQ(Finding(store.Export()), "CHECKPOINT_INVALID");
  head.origin = "other.example";
  store.checkpoints[10] = *SignCheckpoint(head, kOrigin, SigningKey());
  EXPECT_EQ(Finding(store.Export()), "CHECKPOINT_INVALID");
}

TEST(ExportTest, LeavesBehindTheNewestCheckpointAreCountedAndCheckedAgainstTheTiles) {
  Store store = MakeStore({100});
  store.Append(Leaves(100, 300));
  const auto report = Verify(store.Export(), {MakeStore({100}).Head()});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->leaves, 300u);
  EXPECT_EQ(report->unsigned_leaves, 200u);
  store.bundles[1].back() = 'X';
  EXPECT_EQ(Finding(store.Export()), "LEAF_CHANGED");
}

TEST(ExportTest, FindsAChangeInAnyTileOfEveryLevel) {
  // 65,536 leaves fill tile 1/0; 70,000 begin tiles 1/1 and 2/0.
  for (const uint64_t size : {65'536, 70'000}) {
    const Store store = MakeStore({300, size});
    ASSERT_EQ(Finding(store.Export(), {store.Head()}), "nothing");
    for (const auto& [id, hashes] : store.tiles) {
      if (id.level == 0 && id.index != 0 && id.index != size / 256) continue;
      const std::string_view changed = id.level == 0 ? "LEAF_CHANGED" : "TILE_CHANGED";
      const std::string_view missing = id.level == 0 ? "LEAF_MISSING" : "TILE_MISSING";
      const std::string_view shorter = id.level == 0 ? "LEAF_MISSING" : "TILE_CHANGED";
      SCOPED_TRACE(base::Concat(size, ": ", id.level, "/", id.index));
      Store tampered = store;
      tampered.tiles[id].back() ^= 1;
      EXPECT_EQ(Finding(tampered.Export()), changed);
      tampered.tiles[id] = hashes + std::string(kHashBytes, 'x');
      EXPECT_EQ(Finding(tampered.Export()), shorter);
      tampered.tiles[id] = hashes.substr(0, hashes.size() - 1);
      EXPECT_EQ(Finding(tampered.Export()), shorter);
      tampered.tiles.erase(id);
      EXPECT_EQ(Finding(tampered.Export()), missing);
    }
  }
}

TEST(ExportTest, AWrongCountOfLeavesEndsTheExport) {
  Store store = MakeStore({300});
  Store longer = store;
  longer.frontier = *Frontier::Load(uint64_t{1} << 60, [](NodeId) { return EmptyRoot(); });
  EXPECT_EQ(Finding(longer.Export()), "LEAF_MISSING");
  Store shorter = store;
  shorter.frontier = *Frontier::Load(200, [](NodeId) { return EmptyRoot(); });
  EXPECT_EQ(Finding(shorter.Export()), "TILE_MISSING");
}

}  // namespace
}  // namespace fettle::merkle
