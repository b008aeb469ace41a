#ifndef FETTLE_LIBS_MERKLE_EXPORT_H_
#define FETTLE_LIBS_MERKLE_EXPORT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/merkle/checkpoint.h"
#include "libs/merkle/tile.h"
#include "libs/merkle/tree.h"

// A whole log in one file, as its store holds it, so that somebody with the pinned key and an
// earlier checkpoint can check it with no access to the store. Both sides work as a stream in
// constant memory.
//
// The file is kExportMagic, then records: kind (1 byte), length of the payload (4 bytes), payload.
// Numbers are big-endian.
//   C  a signed checkpoint, as stored
//   B  bundle index (8), length of the tile of level 0 (4), that tile, the bundle: 256 leaves and
//      the hashes that the store keeps of them, both as stored
//   T  level (1), index (8), a tile of level 1 or more, as stored
//   X  length of a name (1), the name, bytes: rows of the owner, who checks them
//   E  nothing: the file is whole
// in this order: for each bundle the checkpoints whose last leaf is in it, by size; the bundle;
// the tiles that it fills, by level. Behind the last bundle, checkpoints beyond the last leaf, the
// tiles that are not full, by level; X; E.
namespace fettle::merkle {

inline constexpr std::string_view kExportMagic = "fettle log export 1\n";
inline constexpr size_t kRecordBytesMax =
    12 + kTileBytes + kTileHashes * (4 + kLeafBytesMax);  // a bundle of the longest leaves

// What WriteExport asks of a store. One snapshot behind all of them. NOT_FOUND from bundle_at or
// tile_at is written as empty bytes, so that the verifier finds what is missing (behind an empty
// bundle only the E follows); any other error ends the export.
struct StoredLog {
  struct Checkpoint {
    uint64_t size = 0;
    std::string note;
  };
  uint64_t leaves = 0;
  std::function<absl::StatusOr<std::string>(uint64_t bundle)> bundle_at;
  std::function<absl::StatusOr<std::string>(TileId)> tile_at;
  // One after another by size, at the end nothing.
  std::function<absl::StatusOr<std::optional<Checkpoint>>()> next_checkpoint;
  // Name (at most 255 bytes) and bytes.
  std::vector<std::pair<std::string, std::string>> extras = {};
};

// Errors: those of `log` and of `sink`, which takes the file piece by piece.
absl::Status WriteExport(const StoredLog& log,
                         absl::FunctionRef<absl::Status(std::string_view)> sink);

// Checks such a file while it is read. Everything that the signatures cover is computed anew from
// the leaves, and everything else that the store keeps is compared with that, so a change of any
// byte is found. The first finding ends the check: DATA_LOSS with one of these reasons.
//   EXPORT_BROKEN            not a file of this form, or something behind its end
//   EXPORT_CUT_OFF           the file ends before its E
//   CHECKPOINT_INVALID       not signed by the pinned key, of another log, or of another form
//   CHECKPOINT_OUT_OF_ORDER  not ascending by size
//   CHECKPOINT_MISSING       no checkpoint at all
//   LEAF_MISSING             a bundle that is not there or, not being the last, not full; or
//                            leaves and hashes that differ in number
//   LEAF_CHANGED             a leaf that does not have its hash (metadata `leaf`)
//   BUNDLE_BROKEN            a bundle that does not hold whole leaves
//   TILE_MISSING, TILE_CHANGED
//   ROOT_MISMATCH            the leaves do not lead to a signed root
//   FORKED                   the leaves do not lead to a checkpoint kept outside
//   ROLLED_BACK              the newest checkpoint is older than one kept outside
//   CUT_OFF                  fewer leaves than the newest checkpoint covers
// Not shared between threads.
class ExportVerifier {
 public:
  struct Options {
    std::string origin;
    // Kept outside the store, and verified by ParseAndVerifyCheckpoint.
    std::vector<Checkpoint> earlier = {};
    // Called for each leaf in order, when its hash is right, and for each X. An error ends the
    // check and is returned as it is. Either may be empty.
    std::function<absl::Status(uint64_t index, std::string_view leaf)> on_leaf = {};
    std::function<absl::Status(std::string_view name, std::string_view bytes)> on_extra = {};
  };
  struct Report {
    uint64_t leaves = 0;
    uint64_t unsigned_leaves = 0;  // behind the newest checkpoint
    uint64_t checkpoints = 0;
    Checkpoint newest;
  };

  // The key must live as long.
  ExportVerifier(const VerifierKey& key, Options options);

  // The next bytes of the file, cut anywhere. After an error every call returns it again.
  absl::Status Add(std::string_view bytes);

  // At the end of the file.
  absl::StatusOr<Report> Finish();

 private:
  struct Tile {
    TileId id;
    std::string hashes;
  };

  absl::Status ReadRecords();
  absl::Status OnRecord(char kind, std::string_view payload);
  absl::Status OnCheckpoint(std::string_view note);
  absl::Status OnBundle(std::string_view payload);
  absl::Status OnTile(std::string_view payload);
  absl::Status OnExtra(std::string_view payload);
  absl::Status OnEnd();
  absl::Status AppendLeaves(std::span<const Hash> leaf_hashes);
  absl::Status CheckRoots();
  absl::Status NoTileDue() const;
  void StartTail();

  const VerifierKey& key_;
  const Options options_;
  absl::Status status_;
  std::string buffer_;
  bool begun_ = false;
  bool tail_ = false;  // behind the last bundle
  bool ended_ = false;

  Frontier frontier_;
  uint64_t checked_size_ = 0;  // the largest at which a root was right
  std::map<uint32_t, Tile> open_;
  std::deque<Tile> due_;
  // Roots that the leaves must lead to, all beyond the leaves so far. By size; at one size those of
  // the log (false) before those kept outside (true).
  std::multimap<std::pair<uint64_t, bool>, Hash> expected_;
  std::optional<Checkpoint> newest_;
  uint64_t checkpoints_ = 0;
};

}  // namespace fettle::merkle

#endif  // FETTLE_LIBS_MERKLE_EXPORT_H_
