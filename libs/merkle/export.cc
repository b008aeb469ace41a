#include "libs/merkle/export.h"

#include <algorithm>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/merkle/wire.h"

namespace fettle::merkle {
namespace {

constexpr char kCheckpoint = 'C';
constexpr char kBundle = 'B';
constexpr char kTile = 'T';
constexpr char kExtra = 'X';
constexpr char kEnd = 'E';
constexpr size_t kRecordHeaderBytes = 5;
constexpr size_t kExtraNameBytesMax = 255;

absl::Status Found(std::string_view reason, std::string message,
                   std::map<std::string, std::string> metadata = {}) {
  return base::Refuse(absl::StatusCode::kDataLoss, reason, std::move(message), std::move(metadata));
}

absl::Status Broken() { return Found("EXPORT_BROKEN", "this is not a whole, well-formed export"); }

std::string Name(TileId tile) { return base::Concat("tile ", tile.level, "/", tile.index); }

std::string Record(char kind, std::string_view payload) {
  std::string record(1, kind);
  AppendBigEndian<uint32_t>(payload.size(), record);
  return record.append(payload);
}

absl::StatusOr<std::string> EmptyIfNotFound(absl::StatusOr<std::string> bytes) {
  return absl::IsNotFound(bytes.status()) ? std::string() : std::move(bytes);
}

}  // namespace

absl::Status WriteExport(const StoredLog& log,
                         absl::FunctionRef<absl::Status(std::string_view)> sink) {
  const auto write = [&sink](char kind, std::string_view payload) {
    if (payload.size() > kRecordBytesMax) {
      return absl::InvalidArgumentError("the store holds a row that is too long for an export");
    }
    return sink(Record(kind, payload));
  };
  const auto write_tile = [&](TileId id) -> absl::Status {
    FETTLE_ASSIGN_OR_RETURN(const std::string hashes, EmptyIfNotFound(log.tile_at(id)));
    std::string payload(1, static_cast<char>(id.level));
    AppendBigEndian(id.index, payload);
    return write(kTile, payload.append(hashes));
  };

  FETTLE_RETURN_IF_ERROR(sink(kExportMagic));
  FETTLE_ASSIGN_OR_RETURN(std::optional<StoredLog::Checkpoint> checkpoint, log.next_checkpoint());
  for (uint64_t begin = 0; begin < log.leaves; begin += kTileHashes) {
    const uint64_t end = std::min<uint64_t>(begin + kTileHashes, log.leaves);
    while (checkpoint && checkpoint->size <= end) {
      FETTLE_RETURN_IF_ERROR(write(kCheckpoint, checkpoint->note));
      FETTLE_ASSIGN_OR_RETURN(checkpoint, log.next_checkpoint());
    }
    const uint64_t index = begin / kTileHashes;
    FETTLE_ASSIGN_OR_RETURN(const std::string hashes,
                            EmptyIfNotFound(log.tile_at({.level = 0, .index = index})));
    FETTLE_ASSIGN_OR_RETURN(const std::string bundle, EmptyIfNotFound(log.bundle_at(index)));
    std::string payload;
    AppendBigEndian(index, payload);
    AppendBigEndian<uint32_t>(hashes.size(), payload);
    FETTLE_RETURN_IF_ERROR(write(kBundle, payload.append(hashes).append(bundle)));
    // The check ends here; a count of leaves that is wrong must not keep us writing for ever.
    if (bundle.empty()) return write(kEnd, "");
    // A level's tile is full whenever its last hash was completed by this bundle's last leaf.
    for (uint32_t level = 1; end % (uint64_t{1} << (kTileLevels * (level + 1))) == 0; ++level) {
      FETTLE_RETURN_IF_ERROR(
          write_tile({.level = level, .index = (end >> (kTileLevels * (level + 1))) - 1}));
    }
  }
  while (checkpoint) {
    FETTLE_RETURN_IF_ERROR(write(kCheckpoint, checkpoint->note));
    FETTLE_ASSIGN_OR_RETURN(checkpoint, log.next_checkpoint());
  }
  for (uint32_t level = 1; log.leaves >> (kTileLevels * level) != 0; ++level) {
    const TileId id{.level = level, .index = log.leaves >> (kTileLevels * (level + 1))};
    if (HashesInTile(id, log.leaves) != 0) FETTLE_RETURN_IF_ERROR(write_tile(id));
  }
  for (const auto& [name, bytes] : log.extras) {
    if (name.size() > kExtraNameBytesMax) {
      return absl::InvalidArgumentError("the name of an extra has at most 255 bytes");
    }
    FETTLE_RETURN_IF_ERROR(
        write(kExtra, base::Concat(std::string(1, static_cast<char>(name.size())), name, bytes)));
  }
  return write(kEnd, "");
}

ExportVerifier::ExportVerifier(const VerifierKey& key, Options options)
    : key_(key), options_(std::move(options)) {
  for (const Checkpoint& earlier : options_.earlier) {
    // Size 0 says nothing about any leaf.
    if (earlier.size != 0) expected_.insert({{earlier.size, true}, earlier.root});
  }
}

absl::Status ExportVerifier::Add(std::string_view bytes) {
  if (!status_.ok()) return status_;
  buffer_.append(bytes);
  return status_ = ReadRecords();
}

absl::Status ExportVerifier::ReadRecords() {
  std::string_view rest = buffer_;
  if (!begun_) {
    const std::string_view magic = rest.substr(0, kExportMagic.size());
    if (!kExportMagic.starts_with(magic)) return Broken();
    if (magic.size() < kExportMagic.size()) return absl::OkStatus();
    rest.remove_prefix(magic.size());
    begun_ = true;
  }
  while (!rest.empty()) {
    if (ended_) return Broken();
    if (rest.size() < kRecordHeaderBytes) break;
    std::string_view record = rest.substr(1);
    const uint32_t length = *TakeBigEndian<uint32_t>(record);
    if (length > kRecordBytesMax) return Broken();
    if (record.size() < length) break;
    FETTLE_RETURN_IF_ERROR(OnRecord(rest.front(), record.substr(0, length)));
    rest.remove_prefix(kRecordHeaderBytes + length);
  }
  buffer_.erase(0, buffer_.size() - rest.size());
  return absl::OkStatus();
}

absl::StatusOr<ExportVerifier::Report> ExportVerifier::Finish() {
  FETTLE_RETURN_IF_ERROR(status_);
  if (!ended_) {
    return status_ = Found("EXPORT_CUT_OFF", "the file ends before its end record");
  }
  return Report{.leaves = frontier_.size(),
                .unsigned_leaves = frontier_.size() - newest_->size,
                .checkpoints = checkpoints_,
                .newest = *newest_};
}

absl::Status ExportVerifier::OnRecord(char kind, std::string_view payload) {
  switch (kind) {
    case kCheckpoint:
      return OnCheckpoint(payload);
    case kBundle:
      return OnBundle(payload);
    case kTile:
      return OnTile(payload);
    case kExtra:
      return OnExtra(payload);
    case kEnd:
      return payload.empty() ? OnEnd() : Broken();
    default:
      return Broken();
  }
}

absl::Status ExportVerifier::OnCheckpoint(std::string_view note) {
  if (tail_) return Broken();
  FETTLE_RETURN_IF_ERROR(NoTileDue());
  absl::StatusOr<Checkpoint> checkpoint = ParseAndVerifyCheckpoint(note, key_, options_.origin);
  if (!checkpoint.ok()) {
    return Found("CHECKPOINT_INVALID", base::Concat("the checkpoint behind number ", checkpoints_,
                                                    ": ", checkpoint.status().message()));
  }
  const uint64_t size = checkpoint->size;
  if ((newest_ && size <= newest_->size) || (size != 0 && size <= frontier_.size())) {
    return Found("CHECKPOINT_OUT_OF_ORDER",
                 base::Concat("the checkpoint of ", size, " leaves is not in its place"));
  }
  if (size != 0) expected_.insert({{size, false}, checkpoint->root});
  newest_ = *std::move(checkpoint);
  ++checkpoints_;
  return absl::OkStatus();
}

absl::Status ExportVerifier::OnBundle(std::string_view payload) {
  if (tail_) return Broken();
  FETTLE_RETURN_IF_ERROR(NoTileDue());
  const std::optional<uint64_t> index = TakeBigEndian<uint64_t>(payload);
  const std::optional<uint32_t> tile_bytes = TakeBigEndian<uint32_t>(payload);
  if (!index || !tile_bytes || *tile_bytes > payload.size()) return Broken();
  const std::string_view tile = payload.substr(0, *tile_bytes);

  const uint64_t begin = frontier_.size();
  if (begin % kTileHashes != 0 || *index != begin / kTileHashes) {
    return Found("LEAF_MISSING", base::Concat("leaf ", begin, " is not in the log, later ones are"),
                 {{"leaf", base::Concat(begin)}});
  }
  const absl::StatusOr<std::vector<std::string_view>> leaves =
      ParseBundle(payload.substr(*tile_bytes));
  if (!leaves.ok()) {
    return Found("BUNDLE_BROKEN", base::Concat("bundle ", *index, ": ", leaves.status().message()));
  }
  if (leaves->empty() || leaves->size() * kHashBytes != tile.size()) {
    return Found("LEAF_MISSING",
                 base::Concat("bundle ", *index, " holds ", leaves->size(), " leaves, its tile ",
                              tile.size() / kHashBytes, " hashes"),
                 {{"leaf", base::Concat(begin + leaves->size())}});
  }
  std::vector<Hash> leaf_hashes;
  leaf_hashes.reserve(leaves->size());
  for (size_t i = 0; i < leaves->size(); ++i) {
    leaf_hashes.push_back(LeafHash((*leaves)[i]));
    if (Bytes(leaf_hashes.back()) != tile.substr(i * kHashBytes, kHashBytes)) {
      return Found("LEAF_CHANGED",
                   base::Concat("leaf ", begin + i, " does not have the hash that was kept of it"),
                   {{"leaf", base::Concat(begin + i)}});
    }
    if (options_.on_leaf) FETTLE_RETURN_IF_ERROR(options_.on_leaf(begin + i, (*leaves)[i]));
  }
  return AppendLeaves(leaf_hashes);
}

absl::Status ExportVerifier::AppendLeaves(std::span<const Hash> leaf_hashes) {
  while (!leaf_hashes.empty()) {
    size_t count = leaf_hashes.size();
    if (!expected_.empty()) {
      count = std::min<uint64_t>(count, expected_.begin()->first.first - frontier_.size());
    }
    for (TileAppend& append : AppendToTiles(frontier_, leaf_hashes.first(count))) {
      if (append.tile.level == 0) continue;
      Tile& tile = open_[append.tile.level];
      tile.id = append.tile;
      tile.hashes.append(append.hashes);
      if (tile.hashes.size() == kTileBytes) {
        due_.push_back(std::move(tile));
        open_.erase(append.tile.level);
      }
    }
    leaf_hashes = leaf_hashes.subspan(count);
    FETTLE_RETURN_IF_ERROR(CheckRoots());
  }
  return absl::OkStatus();
}

absl::Status ExportVerifier::CheckRoots() {
  while (!expected_.empty() && expected_.begin()->first.first == frontier_.size()) {
    const auto& [size, outside] = expected_.begin()->first;
    if (expected_.begin()->second != frontier_.Root()) {
      return Found(outside ? "FORKED" : "ROOT_MISMATCH",
                   base::Concat("the first ", size, " leaves do not lead to the root of the ",
                                outside ? "checkpoint kept outside" : "log's checkpoint",
                                "; the first ", checked_size_, " were right"),
                   {{"size", base::Concat(size)}});
    }
    checked_size_ = size;
    expected_.erase(expected_.begin());
  }
  return absl::OkStatus();
}

absl::Status ExportVerifier::NoTileDue() const {
  if (due_.empty()) return absl::OkStatus();
  return Found("TILE_MISSING", base::Concat(Name(due_.front().id), " is not there"));
}

void ExportVerifier::StartTail() {
  tail_ = true;
  for (auto& [level, tile] : open_) due_.push_back(std::move(tile));
  open_.clear();
}

absl::Status ExportVerifier::OnTile(std::string_view payload) {
  const std::optional<uint8_t> level = TakeBigEndian<uint8_t>(payload);
  const std::optional<uint64_t> index = TakeBigEndian<uint64_t>(payload);
  if (!level || !index) return Broken();
  if (due_.empty()) StartTail();
  if (due_.empty()) return Broken();
  const Tile& due = due_.front();
  if (due.id != TileId{.level = *level, .index = *index} || payload.empty()) return NoTileDue();
  if (due.hashes != payload) {
    return Found("TILE_CHANGED",
                 base::Concat(Name(due.id), " does not hold the hashes of its leaves"));
  }
  due_.pop_front();
  return absl::OkStatus();
}

absl::Status ExportVerifier::OnExtra(std::string_view payload) {
  StartTail();
  FETTLE_RETURN_IF_ERROR(NoTileDue());
  const std::optional<uint8_t> length = TakeBigEndian<uint8_t>(payload);
  if (!length || *length > payload.size()) return Broken();
  if (!options_.on_extra) return absl::OkStatus();
  return options_.on_extra(payload.substr(0, *length), payload.substr(*length));
}

absl::Status ExportVerifier::OnEnd() {
  StartTail();
  FETTLE_RETURN_IF_ERROR(NoTileDue());
  if (!newest_) return Found("CHECKPOINT_MISSING", "the log holds no checkpoint");
  for (const Checkpoint& earlier : options_.earlier) {
    if (earlier.size > newest_->size) {
      return Found("ROLLED_BACK",
                   base::Concat("the newest checkpoint covers ", newest_->size,
                                " leaves, one that was kept outside ", earlier.size));
    }
  }
  if (newest_->size > frontier_.size()) {
    return Found("CUT_OFF", base::Concat("the newest checkpoint covers ", newest_->size,
                                         " leaves, the log holds ", frontier_.size()));
  }
  ended_ = true;
  return absl::OkStatus();
}

}  // namespace fettle::merkle
