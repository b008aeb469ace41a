#ifndef FETTLE_LIBS_MERKLE_TILE_H_
#define FETTLE_LIBS_MERKLE_TILE_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/merkle/tree.h"

// How a store keeps a tree: hashes in tiles of 256 as in C2SP tlog-tiles, leaves in bundles of 256.
// A tile of level L holds nodes of tree level 8L; the levels between are computed from it, so that
// one leaf in 256 costs the store more than its own hash. Pure functions.
namespace fettle::merkle {

inline constexpr uint32_t kTileLevels = 8;
inline constexpr uint32_t kTileHashes = 1u << kTileLevels;
inline constexpr size_t kTileBytes = kTileHashes * kHashBytes;

// A leaf is a message of the bus, whose own limit is below this.
inline constexpr size_t kLeafBytesMax = 1 << 20;

// Tile `index` of tile level `level`: the nodes [256 * index, 256 * (index + 1)) of tree level
// 8 * level. While the tree grows it holds fewer; those that it holds never change.
struct TileId {
  uint32_t level = 0;
  uint64_t index = 0;
  friend auto operator<=>(const TileId&, const TileId&) = default;
};

// Hashes that a tile holds in a tree of `size` leaves: 0 to 256.
uint32_t HashesInTile(TileId tile, uint64_t size);

// What to write: `hashes` (32 bytes each, one after another) behind the `first` hashes that the
// tile holds already. A tile is full at 256 and is never touched again.
struct TileAppend {
  TileId tile;
  uint32_t first = 0;
  std::string hashes;
};

// Appends the leaves and says what to write, at most one entry for each tile, in the order of
// TileId. Costs one hash for each node that is completed and nothing else.
std::vector<TileAppend> AppendToTiles(Frontier& frontier, std::span<const Hash> leaf_hashes);

// Gives a tile's hashes; more of them than asked for is no error, for the tile may have grown.
using TileAt = absl::FunctionRef<absl::StatusOr<std::string>(TileId)>;

// A NodeAt over tiles. Keeps the tiles that it read, so it is made for one proof and dropped, and
// is not shared between threads; the callable must live as long. DATA_LOSS: a tile is too short for
// the node, or not whole hashes.
class TiledNodes {
 public:
  explicit TiledNodes(TileAt tile_at) : tile_at_(tile_at) {}

  absl::StatusOr<Hash> operator()(NodeId node) const;

 private:
  TileAt tile_at_;
  mutable std::map<TileId, std::string> tiles_;
};

// A bundle is the leaves [256 * n, 256 * (n + 1)) or, at the end, the first of them: for each its
// length (4 bytes, big-endian) and its bytes. (C2SP entry bundles have 2 bytes of length, too few
// for our messages.) INVALID_ARGUMENT: the leaf is longer than kLeafBytesMax.
absl::Status AppendToBundle(std::string_view leaf, std::string& bundle);

// The leaves, pointing into `bundle`. DATA_LOSS: not exactly 0 to 256 whole leaves.
absl::StatusOr<std::vector<std::string_view>> ParseBundle(std::string_view bundle);

}  // namespace fettle::merkle

#endif  // FETTLE_LIBS_MERKLE_TILE_H_
