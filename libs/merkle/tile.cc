#include "libs/merkle/tile.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/merkle/wire.h"

namespace fettle::merkle {

uint32_t HashesInTile(TileId tile, uint64_t size) {
  const uint32_t shift = tile.level * kTileLevels;
  const uint64_t nodes = shift < 64 ? size >> shift : 0;
  // Compared as tile counts first: 256 * index may not fit.
  if (tile.index > nodes / kTileHashes) return 0;
  return static_cast<uint32_t>(std::min<uint64_t>(nodes - tile.index * kTileHashes, kTileHashes));
}

std::vector<TileAppend> AppendToTiles(Frontier& frontier, std::span<const Hash> leaf_hashes) {
  std::vector<std::vector<TileAppend>> levels;
  for (const Hash& leaf_hash : leaf_hashes) {
    frontier.Append(leaf_hash, [&](NodeId node, const Hash& hash) {
      if (node.level % kTileLevels != 0) return;
      const TileId tile{.level = node.level / kTileLevels, .index = node.index / kTileHashes};
      if (tile.level >= levels.size()) levels.resize(tile.level + 1);
      std::vector<TileAppend>& appends = levels[tile.level];
      if (appends.empty() || appends.back().tile != tile) {
        appends.push_back(
            {.tile = tile, .first = static_cast<uint32_t>(node.index % kTileHashes), .hashes = {}});
      }
      appends.back().hashes.append(Bytes(hash));
    });
  }
  std::vector<TileAppend> all;
  for (std::vector<TileAppend>& appends : levels) {
    std::move(appends.begin(), appends.end(), std::back_inserter(all));
  }
  return all;
}

absl::StatusOr<Hash> TiledNodes::operator()(NodeId node) const {
  const uint32_t height = node.level % kTileLevels;
  const TileId id{.level = node.level / kTileLevels, .index = node.index >> (kTileLevels - height)};
  auto tile = tiles_.find(id);
  if (tile == tiles_.end()) {
    FETTLE_ASSIGN_OR_RETURN(std::string bytes, tile_at_(id));
    tile = tiles_.emplace(id, std::move(bytes)).first;
  }
  const std::string_view bytes = tile->second;
  const uint64_t count = uint64_t{1} << height;
  const uint64_t first = (node.index << height) % kTileHashes;
  if (bytes.size() % kHashBytes != 0 || bytes.size() > kTileBytes ||
      bytes.size() < (first + count) * kHashBytes) {
    return absl::DataLossError(base::Concat("tile ", id.level, "/", id.index, " has ", bytes.size(),
                                            " bytes, node ", first + count - 1,
                                            " of it is needed"));
  }
  Frontier subtree;
  for (uint64_t i = first; i < first + count; ++i) {
    subtree.Append(*HashFromBytes(bytes.substr(i * kHashBytes, kHashBytes)),
                   [](NodeId, const Hash&) {});
  }
  return subtree.Root();
}

absl::Status AppendToBundle(std::string_view leaf, std::string& bundle) {
  if (leaf.size() > kLeafBytesMax) {
    return absl::InvalidArgumentError(
        base::Concat("a leaf has at most ", kLeafBytesMax, " bytes, not ", leaf.size()));
  }
  AppendBigEndian<uint32_t>(leaf.size(), bundle);
  bundle.append(leaf);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string_view>> ParseBundle(std::string_view bundle) {
  std::vector<std::string_view> leaves;
  while (!bundle.empty()) {
    const std::optional<uint32_t> length = TakeBigEndian<uint32_t>(bundle);
    if (!length || *length > std::min(bundle.size(), kLeafBytesMax) ||
        leaves.size() == kTileHashes) {
      return absl::DataLossError(
          base::Concat("the bundle is broken behind its leaf ", leaves.size()));
    }
    leaves.push_back(bundle.substr(0, *length));
    bundle.remove_prefix(*length);
  }
  return leaves;
}

}  // namespace fettle::merkle
