#include "libs/merkle/tile.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/text.h"

namespace fettle::merkle {
namespace {

// Two levels of full tiles and a third that is begun.
constexpr uint64_t kSize = 70'000;

std::vector<Hash> LeafHashes(uint64_t size) {
  std::vector<Hash> hashes;
  for (uint64_t i = 0; i < size; ++i) hashes.push_back(LeafHash(base::Concat("leaf ", i)));
  return hashes;
}

struct Tiles {
  void Append(std::span<const Hash> leaf_hashes) {
    TileId last;
    bool first = true;
    for (const TileAppend& append : AppendToTiles(frontier, leaf_hashes)) {
      ASSERT_TRUE(first || last < append.tile) << "each tile once, in order";
      first = false;
      last = append.tile;
      std::string& tile = tiles[append.tile];
      ASSERT_EQ(tile.size(), append.first * kHashBytes);
      tile.append(append.hashes);
      ASSERT_LE(tile.size(), kTileBytes);
    }
  }
  absl::StatusOr<std::string> operator()(TileId id) const {
    ++reads;
    const auto tile = tiles.find(id);
    if (tile == tiles.end()) return absl::NotFoundError("no such tile");
    return tile->second;
  }

  Frontier frontier;
  std::map<TileId, std::string> tiles;
  mutable int reads = 0;
};

TEST(TileTest, BatchesOfAnySizeWriteTheSameTiles) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(base::Concat("seed ", seed));
  std::mt19937_64 random(seed);
  const std::vector<Hash> leaves = LeafHashes(kSize);
  Tiles at_once, in_batches;
  at_once.Append(leaves);
  std::span<const Hash> rest = leaves;
  while (!rest.empty()) {
    const size_t count = std::min<size_t>(random() % 1'000, rest.size());
    in_batches.Append(rest.first(count));
    rest = rest.subspan(count);
  }
  EXPECT_EQ(at_once.tiles, in_batches.tiles);
  EXPECT_EQ(at_once.frontier.Root(), in_batches.frontier.Root());
  for (const auto& [id, hashes] : at_once.tiles) {
    EXPECT_EQ(hashes.size(), HashesInTile(id, kSize) * kHashBytes);
  }
}

TEST(TileTest, ATreeOf70000LeavesHasTheTilesOfTlogTiles) {
  EXPECT_EQ(HashesInTile({.level = 0, .index = 0}, kSize), 256u);
  EXPECT_EQ(HashesInTile({.level = 0, .index = 272}, kSize), 256u);
  EXPECT_EQ(HashesInTile({.level = 0, .index = 273}, kSize), 112u);
  EXPECT_EQ(HashesInTile({.level = 0, .index = 274}, kSize), 0u);
  EXPECT_EQ(HashesInTile({.level = 1, .index = 0}, kSize), 256u);
  EXPECT_EQ(HashesInTile({.level = 1, .index = 1}, kSize), 17u);
  EXPECT_EQ(HashesInTile({.level = 2, .index = 0}, kSize), 1u);
  EXPECT_EQ(HashesInTile({.level = 3, .index = 0}, kSize), 0u);
  EXPECT_EQ(HashesInTile({.level = 0, .index = ~uint64_t{0}}, kSize), 0u);
  EXPECT_EQ(HashesInTile({.level = 200, .index = 0}, kSize), 0u);
}

TEST(TileTest, ProofsFromTilesHoldForEveryEarlierSize) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(base::Concat("seed ", seed));
  std::mt19937_64 random(seed);
  const std::vector<Hash> leaves = LeafHashes(kSize);
  Tiles tiles;
  std::map<uint64_t, Hash> roots;
  std::map<NodeId, Hash> nodes;
  Frontier frontier;
  for (const Hash& leaf : leaves) {
    frontier.Append(leaf, [&](NodeId id, const Hash& hash) { nodes.emplace(id, hash); });
    if (frontier.size() % 997 == 0 || frontier.size() == kSize) {
      roots[frontier.size()] = frontier.Root();
    }
  }
  tiles.Append(leaves);
  TiledNodes all(tiles);
  for (const auto& [id, hash] : nodes) ASSERT_EQ(*all(id), hash) << id.level << "/" << id.index;
  EXPECT_EQ(Frontier::Load(kSize, TiledNodes(tiles))->Root(), roots[kSize]);

  std::optional<uint64_t> old_size;
  for (const auto& [size, root] : roots) {
    const uint64_t index = random() % size;
    tiles.reads = 0;
    const std::vector<Hash> inclusion = *InclusionProof(index, size, TiledNodes(tiles));
    // The tiles above the leaf, and those at the right edge.
    EXPECT_LE(tiles.reads, 6);
    ASSERT_TRUE(VerifyInclusion(index, size, leaves[index], inclusion, root).ok());
    if (old_size) {
      const std::vector<Hash> consistency = *ConsistencyProof(*old_size, size, TiledNodes(tiles));
      ASSERT_TRUE(VerifyConsistency(*old_size, size, roots[*old_size], root, consistency).ok());
    }
    old_size = size;
  }
}

TEST(TileTest, ATileThatIsTooShortIsAnError) {
  Tiles tiles;
  tiles.Append(LeafHashes(300));
  for (const size_t bytes : {0u, 43u * 32u, 44u * 32u + 31u, 8192u + 32u}) {
    Tiles broken = tiles;
    broken.tiles[{.level = 0, .index = 1}].resize(bytes);
    EXPECT_EQ(TiledNodes(broken)({.level = 2, .index = 74}).status().code(),
              absl::StatusCode::kDataLoss)
        << bytes;
    EXPECT_EQ(InclusionProof(0, 300, TiledNodes(broken)).status().code(),
              absl::StatusCode::kDataLoss)
        << bytes;
  }
  EXPECT_EQ(TiledNodes(tiles)({.level = 0, .index = 512}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(BundleTest, GivesBackTheLeavesAndRefusesEverythingElse) {
  std::string bundle;
  std::vector<std::string> leaves = {"", "one", std::string(70'000, 'x'), std::string("\0\n", 2)};
  for (const std::string& leaf : leaves) ASSERT_TRUE(AppendToBundle(leaf, bundle).ok());
  const auto parsed = ParseBundle(bundle);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(std::vector<std::string>(parsed->begin(), parsed->end()), leaves);
  EXPECT_TRUE(ParseBundle("")->empty());
  EXPECT_FALSE(ParseBundle(bundle.substr(0, bundle.size() - 1)).ok());
  EXPECT_FALSE(ParseBundle(bundle + "x").ok());

  std::string full;
  for (uint32_t i = 0; i < kTileHashes; ++i) ASSERT_TRUE(AppendToBundle("leaf", full).ok());
  EXPECT_EQ(ParseBundle(full)->size(), kTileHashes);
  ASSERT_TRUE(AppendToBundle("leaf", full).ok());
  EXPECT_FALSE(ParseBundle(full).ok());

  std::string long_leaf;
  EXPECT_TRUE(AppendToBundle(std::string(kLeafBytesMax, 'x'), long_leaf).ok());
  EXPECT_TRUE(ParseBundle(long_leaf).ok());
  EXPECT_FALSE(AppendToBundle(std::string(kLeafBytesMax + 1, 'x'), long_leaf).ok());
}

}  // namespace
}  // namespace fettle::merkle
