#include "services/audit/audit_log.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/crypto/file.h"
#include "libs/merkle/export.h"
#include "libs/merkle/wire.h"

namespace fettle::audit {
namespace {

using merkle::Hash;
using merkle::kHashBytes;
using merkle::kTileHashes;
using merkle::TileId;

// Bytes of the extras of one record of an export.
constexpr size_t kPlacesRecordBytes = 4 << 20;

constexpr const char* kSchema =
    "CREATE TABLE bundle (idx INTEGER PRIMARY KEY, leaves BLOB NOT NULL);"
    "CREATE TABLE tail (leaf INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE tile (level INTEGER NOT NULL, idx INTEGER NOT NULL, hashes BLOB NOT NULL,"
    " PRIMARY KEY (level, idx));"
    "CREATE TABLE place (source INTEGER NOT NULL, block INTEGER NOT NULL, leaves BLOB NOT NULL,"
    " PRIMARY KEY (source, block));"
    "CREATE TABLE source (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note BLOB NOT NULL);"
    // Against mistakes, not against attackers (INV-134).
    "CREATE TRIGGER bundle_is_kept BEFORE DELETE ON bundle"
    " BEGIN SELECT RAISE(ABORT, 'the log is never changed'); END;"
    "CREATE TRIGGER bundle_is_fixed BEFORE UPDATE ON bundle"
    " BEGIN SELECT RAISE(ABORT, 'the log is never changed'); END;"
    "CREATE TRIGGER checkpoint_is_kept BEFORE DELETE ON checkpoint"
    " BEGIN SELECT RAISE(ABORT, 'the log is never changed'); END;"
    "CREATE TRIGGER checkpoint_is_fixed BEFORE UPDATE ON checkpoint"
    " BEGIN SELECT RAISE(ABORT, 'the log is never changed'); END;";

absl::StatusOr<std::string> ReadTile(sqlite::Database& db, TileId id) {
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement row,
                          db.Prepare("SELECT hashes FROM tile WHERE level = ? AND idx = ?"));
  row.BindInt(1, id.level).BindInt(2, static_cast<int64_t>(id.index));
  FETTLE_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return absl::NotFoundError(base::Concat("no tile ", id.level, "/", id.index));
  return std::string(row.Bytes(0));
}

// The bytes at the only key of a table; NOT_FOUND.
absl::StatusOr<std::string> ReadBytes(sqlite::Database& db, const char* sql, uint64_t key) {
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement row, db.Prepare(sql));
  row.BindInt(1, static_cast<int64_t>(key));
  FETTLE_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return absl::NotFoundError("no such row");
  return std::string(row.Bytes(0));
}

absl::StatusOr<std::string> ReadBundle(sqlite::Database& db, uint64_t index) {
  return ReadBytes(db, "SELECT leaves FROM bundle WHERE idx = ?", index);
}

absl::StatusOr<int64_t> CountBundles(sqlite::Database& db) {
  return db.QueryInt("SELECT coalesce(max(idx) + 1, 0) FROM bundle");
}

// The rows of `tail` from leaf `first` on, up to the first that is missing, as a bundle.
absl::StatusOr<std::string> ReadTail(sqlite::Database& db, uint64_t first, size_t& rows) {
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement row,
                          db.Prepare("SELECT leaf, bytes FROM tail WHERE leaf >= ? ORDER BY leaf"));
  row.BindInt(1, static_cast<int64_t>(first));
  std::string bundle;
  for (rows = 0;; ++rows) {
    FETTLE_ASSIGN_OR_RETURN(const bool found, row.Step());
    if (!found || row.Int(0) != static_cast<int64_t>(first + rows)) break;
    FETTLE_RETURN_IF_ERROR(merkle::AppendToBundle(row.Bytes(1), bundle));
  }
  return bundle;
}

struct NewestRow {
  uint64_t size = 0;
  std::string note;
};
absl::StatusOr<std::optional<NewestRow>> ReadNewestCheckpoint(sqlite::Database& db) {
  FETTLE_ASSIGN_OR_RETURN(
      sqlite::Statement row,
      db.Prepare("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1"));
  FETTLE_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return std::nullopt;
  return NewestRow{static_cast<uint64_t>(row.Int(0)), std::string(row.Bytes(1))};
}

void PutPlace(std::string& row, size_t slot, uint64_t value) {
  for (size_t i = 0; i < kPlaceBytes; ++i) {
    row[slot * kPlaceBytes + i] = static_cast<char>(value >> (8 * (kPlaceBytes - 1 - i)));
  }
}

// Index + 1; 0: not in the log.
uint64_t GetPlace(std::string_view row, size_t slot) {
  uint64_t value = 0;
  if (row.size() < (slot + 1) * kPlaceBytes) return 0;
  for (size_t i = 0; i < kPlaceBytes; ++i) {
    value = value << 8 | static_cast<unsigned char>(row[slot * kPlaceBytes + i]);
  }
  return value;
}

}  // namespace

AuditLog::AuditLog(Options options, crypto::Ed25519PrivateKey key, merkle::VerifierKey verifier_key,
                   const base::Clock* clock)
    : options_(std::move(options)),
      key_(std::move(key)),
      verifier_key_(std::move(verifier_key)),
      clock_(clock) {}

absl::StatusOr<AuditLog> AuditLog::Make(Options options, crypto::Ed25519PrivateKey key,
                                        const base::Clock* clock) {
  FETTLE_ASSIGN_OR_RETURN(merkle::VerifierKey verifier_key,
                          merkle::VerifierKey::Make(options.origin, key.PublicKey()));
  return AuditLog(std::move(options), std::move(key), std::move(verifier_key), clock);
}

std::vector<const char*> AuditLog::Schema() const { return {kSchema}; }

absl::Status AuditLog::Open(sqlite::Database& db) {
  db_ = &db;
  FETTLE_RETURN_IF_ERROR(LoadTree());
  {
    FETTLE_ASSIGN_OR_RETURN(sqlite::Statement row, db.Prepare("SELECT name, number FROM source"));
    while (true) {
      FETTLE_ASSIGN_OR_RETURN(const bool found, row.Step());
      if (!found) break;
      sources_.emplace(row.Bytes(0), row.Int(1));
    }
  }
  FETTLE_ASSIGN_OR_RETURN(const std::optional<NewestRow> newest, ReadNewestCheckpoint(db));
  if (newest) {
    const auto checkpoint =
        merkle::ParseAndVerifyCheckpoint(newest->note, verifier_key_, options_.origin);
    if (!checkpoint.ok()) {
      return absl::FailedPreconditionError(
          base::Concat("the newest checkpoint of ", db.path(),
                       " is not by this key and origin: ", checkpoint.status().message()));
    }
    FETTLE_RETURN_IF_ERROR(CheckSigned(*checkpoint, "its newest checkpoint"));
    newest_ = {checkpoint->size, newest->note};
  }
  FETTLE_RETURN_IF_ERROR(CheckHighWater());
  // What a crash left committed but not signed.
  FETTLE_RETURN_IF_ERROR(Sign());
  Offer();
  return absl::OkStatus();
}

absl::Status AuditLog::LoadTree() {
  FETTLE_ASSIGN_OR_RETURN(bundles_, CountBundles(*db_));
  const uint64_t whole = static_cast<uint64_t>(bundles_) * kTileHashes;
  FETTLE_ASSIGN_OR_RETURN(open_bundle_, ReadTail(*db_, whole, tail_rows_));
  open_leaves_ = tail_rows_;
  const auto tile_at = [this](TileId id) { return ReadTile(*db_, id); };
  const merkle::TiledNodes nodes(tile_at);
  absl::StatusOr<merkle::Frontier> frontier = merkle::Frontier::Load(whole + tail_rows_, nodes);
  if (!frontier.ok()) {
    return absl::FailedPreconditionError(base::Concat("the tree of ", db_->path(),
                                                      " is broken: ", frontier.status().message(),
                                                      "; examine it with `fettle-audit export`"));
  }
  frontier_ = *std::move(frontier);
  return absl::OkStatus();
}

absl::Status AuditLog::CheckSigned(const merkle::Checkpoint& checkpoint, std::string_view what) {
  const auto refuse = [&](std::string_view why) {
    return absl::FailedPreconditionError(
        base::Concat(db_->path(), " ", why, " than ", what, " of ", checkpoint.size,
                     " leaves: it was changed or restored. Nothing was signed; a restored log goes "
                     "on under a new origin and key"));
  };
  if (checkpoint.size > frontier_.size()) return refuse("holds fewer leaves");
  const auto tile_at = [this](TileId id) { return ReadTile(*db_, id); };
  const merkle::TiledNodes nodes(tile_at);
  FETTLE_ASSIGN_OR_RETURN(const merkle::Frontier then,
                          merkle::Frontier::Load(checkpoint.size, nodes));
  if (then.Root() != checkpoint.root) return refuse("holds another tree");
  return absl::OkStatus();
}

absl::Status AuditLog::CheckHighWater() {
  const absl::StatusOr<std::string> note = crypto::ReadKeyFile(options_.high_water_path);
  if (absl::IsNotFound(note.status())) return absl::OkStatus();
  FETTLE_RETURN_IF_ERROR(note.status());
  const auto checkpoint = merkle::ParseAndVerifyCheckpoint(*note, verifier_key_, options_.origin);
  if (!checkpoint.ok()) {
    return absl::FailedPreconditionError(
        base::Concat(options_.high_water_path,
                     " is not by this key and origin: ", checkpoint.status().message()));
  }
  return CheckSigned(*checkpoint, options_.high_water_path);
}

absl::StatusOr<int64_t> AuditLog::SourceNumber(const std::string& source) {
  if (const auto known = sources_.find(source); known != sources_.end()) return known->second;
  const int64_t number = static_cast<int64_t>(sources_.size()) + 1;
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement insert,
                          db_->Prepare("INSERT INTO source (number, name) VALUES (?, ?)"));
  FETTLE_RETURN_IF_ERROR(insert.BindInt(1, number).BindText(2, source).Run());
  sources_.emplace(source, number);
  return number;
}

absl::StatusOr<std::string*> AuditLog::PlaceRow(const Place& place) {
  const auto known = places_.find(place);
  if (known != places_.end()) return &known->second;
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement row,
                          db_->Prepare("SELECT leaves FROM place WHERE source = ? AND block = ?"));
  row.BindInt(1, place.first).BindInt(2, place.second);
  FETTLE_ASSIGN_OR_RETURN(const bool found, row.Step());
  std::string bytes = found ? std::string(row.Bytes(0)) : std::string();
  bytes.resize(kPlaceBlockPositions * kPlaceBytes, '\0');
  return &places_.emplace(place, std::move(bytes)).first->second;
}

absl::Status AuditLog::Apply(const journal::ConsumedEvent& event) {
  const std::string& source = event.header->source();
  const int64_t position = event.header->position();
  // Bytes are bytes, so nothing is parked; what cannot be a leaf stops the consumer.
  if (source.empty() || position < 1 || event.value.size() > merkle::kLeafBytesMax) {
    return absl::DataLossError(absl::StrCat("an event on ", event.topic,
                                            " has no source or position, or over ",
                                            merkle::kLeafBytesMax, " bytes"));
  }
  FETTLE_ASSIGN_OR_RETURN(const int64_t number, SourceNumber(source));
  FETTLE_ASSIGN_OR_RETURN(std::string* const places,
                          PlaceRow({number, (position - 1) / kPlaceBlockPositions}));
  const size_t slot = static_cast<size_t>((position - 1) % kPlaceBlockPositions);
  if (GetPlace(*places, slot) != 0) return absl::OkStatus();
  PutPlace(*places, slot, frontier_.size() + leaf_hashes_.size() + 1);
  FETTLE_RETURN_IF_ERROR(merkle::AppendToBundle(event.value, open_bundle_));
  leaf_hashes_.push_back(merkle::LeafHash(event.value));
  if (++open_leaves_ == kTileHashes) {
    full_bundles_.push_back(std::exchange(open_bundle_, std::string()));
    open_leaves_ = 0;
  }
  return absl::OkStatus();
}

absl::Status AuditLog::BeforeCommit() {
  FETTLE_RETURN_IF_ERROR(failure_);
  if (leaf_hashes_.empty()) return absl::OkStatus();
  FETTLE_RETURN_IF_ERROR(WriteLeaves());
  FETTLE_RETURN_IF_ERROR(WriteTiles());
  return WritePlaces();
}

absl::Status AuditLog::WriteLeaves() {
  if (!full_bundles_.empty()) {
    FETTLE_ASSIGN_OR_RETURN(sqlite::Statement insert,
                            db_->Prepare("INSERT INTO bundle (idx, leaves) VALUES (?, ?)"));
    for (const std::string& bundle : full_bundles_) {
      FETTLE_RETURN_IF_ERROR(insert.BindInt(1, bundles_).BindBlob(2, bundle).Run());
      ++bundles_;
    }
    full_bundles_.clear();
    FETTLE_RETURN_IF_ERROR(db_->Execute("DELETE FROM tail"));
    tail_rows_ = 0;
  }
  FETTLE_ASSIGN_OR_RETURN(const std::vector<std::string_view> leaves,
                          merkle::ParseBundle(open_bundle_));
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement insert,
                          db_->Prepare("INSERT INTO tail (leaf, bytes) VALUES (?, ?)"));
  for (; tail_rows_ < leaves.size(); ++tail_rows_) {
    const int64_t leaf = bundles_ * kTileHashes + static_cast<int64_t>(tail_rows_);
    FETTLE_RETURN_IF_ERROR(insert.BindInt(1, leaf).BindBlob(2, leaves[tail_rows_]).Run());
  }
  return absl::OkStatus();
}

absl::Status AuditLog::WriteTiles() {
  FETTLE_ASSIGN_OR_RETURN(
      sqlite::Statement upsert,
      db_->Prepare("INSERT INTO tile (level, idx, hashes) VALUES (?, ?, ?)"
                   " ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes"));
  for (const merkle::TileAppend& append : merkle::AppendToTiles(frontier_, leaf_hashes_)) {
    std::string hashes;
    if (append.first > 0) {
      FETTLE_ASSIGN_OR_RETURN(hashes, ReadTile(*db_, append.tile));
      if (hashes.size() != append.first * kHashBytes) {
        return absl::DataLossError(base::Concat("tile ", append.tile.level, "/", append.tile.index,
                                                " does not hold what was written"));
      }
    }
    hashes.append(append.hashes);
    FETTLE_RETURN_IF_ERROR(upsert.BindInt(1, append.tile.level)
                               .BindInt(2, static_cast<int64_t>(append.tile.index))
                               .BindBlob(3, hashes)
                               .Run());
  }
  leaf_hashes_.clear();
  return absl::OkStatus();
}

absl::Status AuditLog::WritePlaces() {
  FETTLE_ASSIGN_OR_RETURN(
      sqlite::Statement upsert,
      db_->Prepare("INSERT INTO place (source, block, leaves) VALUES (?, ?, ?)"
                   " ON CONFLICT (source, block) DO UPDATE SET leaves = excluded.leaves"));
  for (const auto& [place, leaves] : places_) {
    FETTLE_RETURN_IF_ERROR(
        upsert.BindInt(1, place.first).BindInt(2, place.second).BindBlob(3, leaves).Run());
  }
  places_.clear();
  return absl::OkStatus();
}

void AuditLog::AfterCommit() {
  failure_ = Sign();
  if (failure_.ok()) return Offer();
  // The next batch gives it to the consumer, which stops.
  base::Log(base::Level::kError, "a checkpoint could not be signed",
            {{"error", std::string(failure_.message())}});
}

void AuditLog::Idle() { Offer(); }

void AuditLog::Offer() const {
  if (options_.offer && newest_) options_.offer(newest_->size, newest_->text);
}

absl::Status AuditLog::Sign() {
  if (newest_ && newest_->size == frontier_.size()) return absl::OkStatus();
  const merkle::Checkpoint checkpoint{
      .origin = options_.origin, .size = frontier_.size(), .root = frontier_.Root()};
  FETTLE_ASSIGN_OR_RETURN(const std::string note,
                          merkle::SignCheckpoint(checkpoint, options_.origin, key_));
  FETTLE_ASSIGN_OR_RETURN(sqlite::Transaction transaction, sqlite::Transaction::Begin(*db_));
  {
    FETTLE_ASSIGN_OR_RETURN(sqlite::Statement insert,
                            db_->Prepare("INSERT INTO checkpoint (size, note) VALUES (?, ?)"));
    insert.BindInt(1, static_cast<int64_t>(checkpoint.size)).BindBlob(2, note);
    FETTLE_RETURN_IF_ERROR(insert.Run());
  }
  FETTLE_RETURN_IF_ERROR(transaction.Commit());
  newest_ = {checkpoint.size, note};
  return RaiseHighWater(note);
}

absl::Status AuditLog::RaiseHighWater(const std::string& note) {
  const absl::Time now = clock_->Now();
  if (now - high_water_time_ < absl::Milliseconds(kHighWaterMsMin)) return absl::OkStatus();
  const std::string fresh = options_.high_water_path + ".new";
  std::remove(fresh.c_str());
  FETTLE_RETURN_IF_ERROR(crypto::WriteNewKeyFile(fresh, note));
  if (std::rename(fresh.c_str(), options_.high_water_path.c_str()) != 0) {
    return absl::UnavailableError("cannot write " + options_.high_water_path);
  }
  high_water_time_ = now;
  return absl::OkStatus();
}

absl::StatusOr<LogReader::Newest> LogReader::NewestCheckpoint() const {
  FETTLE_ASSIGN_OR_RETURN(std::optional<NewestRow> newest, ReadNewestCheckpoint(db_));
  if (!newest) return absl::DataLossError("the log holds no checkpoint");
  return Newest{newest->size, std::move(newest->note)};
}

absl::StatusOr<uint64_t> LogReader::Leaves() const {
  // The tiles and the leaves each say how many there are; an export goes as far as the longer of
  // the two, so that the verifier finds what the other lacks.
  FETTLE_ASSIGN_OR_RETURN(
      const int64_t hashes,
      db_.QueryInt("SELECT coalesce((SELECT idx * 256 + length(hashes) / 32 FROM tile"
                   " WHERE level = 0 ORDER BY idx DESC LIMIT 1), 0)"));
  FETTLE_ASSIGN_OR_RETURN(const int64_t bundles, CountBundles(db_));
  size_t rows = 0;
  FETTLE_RETURN_IF_ERROR(ReadTail(db_, static_cast<uint64_t>(bundles) * kTileHashes, rows));
  return std::max<uint64_t>(hashes, static_cast<uint64_t>(bundles) * kTileHashes + rows);
}

absl::StatusOr<int64_t> LogReader::SourceNumber(const std::string& source) const {
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement row,
                          db_.Prepare("SELECT number FROM source WHERE name = ?"));
  row.BindText(1, source);
  FETTLE_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) {
    return base::Refuse(absl::StatusCode::kNotFound, "EVENT_NOT_IN_LOG",
                        "the log holds no event of this source at this position");
  }
  return row.Int(0);
}

absl::StatusOr<uint64_t> LogReader::FindLeaf(const std::string& source, int64_t position) const {
  FETTLE_ASSIGN_OR_RETURN(const int64_t number, SourceNumber(source));
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement row,
                          db_.Prepare("SELECT leaves FROM place WHERE source = ? AND block = ?"));
  row.BindInt(1, number).BindInt(2, (position - 1) / kPlaceBlockPositions);
  FETTLE_ASSIGN_OR_RETURN(const bool found, row.Step());
  const uint64_t place =
      found ? GetPlace(row.Bytes(0), static_cast<size_t>((position - 1) % kPlaceBlockPositions))
            : 0;
  if (place == 0) {
    return base::Refuse(absl::StatusCode::kNotFound, "EVENT_NOT_IN_LOG",
                        "the log holds no event of this source at this position");
  }
  return place - 1;
}

absl::StatusOr<std::string> LogReader::Leaf(uint64_t index) const {
  const uint64_t bundle = index / kTileHashes;
  absl::StatusOr<std::string> bytes = ReadBundle(db_, bundle);
  if (absl::IsNotFound(bytes.status())) {
    bytes = ReadBytes(db_, "SELECT bytes FROM tail WHERE leaf = ?", index);
    if (!absl::IsNotFound(bytes.status())) return bytes;
  } else if (bytes.ok()) {
    FETTLE_ASSIGN_OR_RETURN(const std::vector<std::string_view> leaves,
                            merkle::ParseBundle(*bytes));
    if (index % kTileHashes < leaves.size()) return std::string(leaves[index % kTileHashes]);
  } else {
    return bytes.status();
  }
  return absl::DataLossError(base::Concat("leaf ", index, " is not in the store"));
}

absl::Status LogReader::ForEachLeaf(
    const std::string& source, int64_t first, int64_t last,
    absl::FunctionRef<absl::Status(std::string_view leaf)> leaf) const {
  const absl::StatusOr<int64_t> number = SourceNumber(source);
  if (absl::IsNotFound(number.status())) return absl::OkStatus();
  FETTLE_RETURN_IF_ERROR(number.status());
  FETTLE_ASSIGN_OR_RETURN(
      sqlite::Statement row,
      db_.Prepare("SELECT block, leaves FROM place WHERE source = ? AND block BETWEEN ? AND ?"
                  " ORDER BY block"));
  row.BindInt(1, *number)
      .BindInt(2, (first - 1) / kPlaceBlockPositions)
      .BindInt(3, (last - 1) / kPlaceBlockPositions);
  // Neighbours in a source are mostly neighbours in the log.
  std::optional<uint64_t> at;
  std::string bundle;
  std::vector<std::string_view> leaves;
  while (true) {
    FETTLE_ASSIGN_OR_RETURN(const bool found, row.Step());
    if (!found) return absl::OkStatus();
    for (size_t slot = 0; slot < kPlaceBlockPositions; ++slot) {
      const int64_t position = row.Int(0) * kPlaceBlockPositions + static_cast<int64_t>(slot) + 1;
      const uint64_t place = GetPlace(row.Bytes(1), slot);
      if (place == 0 || position < first || position > last) continue;
      const uint64_t index = place - 1;
      if (at != index / kTileHashes) {
        absl::StatusOr<std::string> bytes = ReadBundle(db_, index / kTileHashes);
        if (absl::IsNotFound(bytes.status())) {
          size_t rows = 0;
          bytes = ReadTail(db_, index / kTileHashes * kTileHashes, rows);
        }
        FETTLE_RETURN_IF_ERROR(bytes.status());
        bundle = *std::move(bytes);
        FETTLE_ASSIGN_OR_RETURN(leaves, merkle::ParseBundle(bundle));
        at = index / kTileHashes;
      }
      if (index % kTileHashes >= leaves.size()) {
        return absl::DataLossError(base::Concat("leaf ", index, " is not in the store"));
      }
      FETTLE_RETURN_IF_ERROR(leaf(leaves[index % kTileHashes]));
    }
  }
}

absl::StatusOr<std::vector<std::pair<int64_t, int64_t>>> LogReader::Gaps(const std::string& source,
                                                                         int64_t contiguous,
                                                                         size_t ranges_max) const {
  std::vector<std::pair<int64_t, int64_t>> gaps;
  const absl::StatusOr<int64_t> number = SourceNumber(source);
  if (absl::IsNotFound(number.status())) return gaps;
  FETTLE_RETURN_IF_ERROR(number.status());
  FETTLE_ASSIGN_OR_RETURN(
      sqlite::Statement row,
      db_.Prepare("SELECT block, leaves FROM place WHERE source = ? AND block >= ?"
                  " ORDER BY block"));
  row.BindInt(1, *number).BindInt(2, contiguous / kPlaceBlockPositions);
  int64_t next = contiguous + 1;
  while (gaps.size() < ranges_max) {
    FETTLE_ASSIGN_OR_RETURN(const bool found, row.Step());
    if (!found) break;
    for (size_t slot = 0; slot < kPlaceBlockPositions && gaps.size() < ranges_max; ++slot) {
      const int64_t position = row.Int(0) * kPlaceBlockPositions + static_cast<int64_t>(slot) + 1;
      if (position < next || GetPlace(row.Bytes(1), slot) == 0) continue;
      if (position > next) gaps.emplace_back(next, position - 1);
      next = position + 1;
    }
  }
  return gaps;
}

absl::StatusOr<std::vector<Hash>> LogReader::InclusionProof(uint64_t index, uint64_t size) const {
  const auto tile_at = [this](TileId id) { return ReadTile(db_, id); };
  const merkle::TiledNodes nodes(tile_at);
  return merkle::InclusionProof(index, size, nodes);
}

absl::StatusOr<std::vector<Hash>> LogReader::ConsistencyProof(uint64_t old_size,
                                                              uint64_t new_size) const {
  const auto tile_at = [this](TileId id) { return ReadTile(db_, id); };
  const merkle::TiledNodes nodes(tile_at);
  return merkle::ConsistencyProof(old_size, new_size, nodes);
}

absl::Status LogReader::Export(absl::FunctionRef<absl::Status(std::string_view)> sink) const {
  merkle::StoredLog log;
  FETTLE_ASSIGN_OR_RETURN(log.leaves, Leaves());
  log.bundle_at = [this](uint64_t index) -> absl::StatusOr<std::string> {
    absl::StatusOr<std::string> bundle = ReadBundle(db_, index);
    if (!absl::IsNotFound(bundle.status())) return bundle;
    size_t rows = 0;
    return ReadTail(db_, index * kTileHashes, rows);
  };
  log.tile_at = [this](TileId id) { return ReadTile(db_, id); };
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement checkpoints,
                          db_.Prepare("SELECT size, note FROM checkpoint ORDER BY size"));
  log.next_checkpoint = [&]() -> absl::StatusOr<std::optional<merkle::StoredLog::Checkpoint>> {
    FETTLE_ASSIGN_OR_RETURN(const bool found, checkpoints.Step());
    if (!found) return std::nullopt;
    merkle::StoredLog::Checkpoint checkpoint{.size = static_cast<uint64_t>(checkpoints.Int(0)),
                                             .note = std::string(checkpoints.Bytes(1))};
    // The key is not in the file; a row that is kept under another size goes out without its note,
    // which no verifier takes.
    const std::string size_line = base::Concat("\n", checkpoint.size, "\n");
    const size_t origin_end = checkpoint.note.find('\n');
    if (origin_end == std::string::npos ||
        checkpoint.note.compare(origin_end, size_line.size(), size_line) != 0) {
      checkpoint.note.clear();
    }
    return checkpoint;
  };

  FETTLE_ASSIGN_OR_RETURN(
      sqlite::Statement places,
      db_.Prepare("SELECT coalesce(name, ''), block, leaves FROM place"
                  " LEFT JOIN source ON number = source ORDER BY source, block"));
  while (true) {
    FETTLE_ASSIGN_OR_RETURN(const bool found, places.Step());
    if (!found) break;
    const std::string name = base::Concat("places/", places.Bytes(0));
    if (log.extras.empty() || log.extras.back().first != name ||
        log.extras.back().second.size() > kPlacesRecordBytes) {
      log.extras.emplace_back(name, "");
    }
    std::string& bytes = log.extras.back().second;
    merkle::AppendBigEndian(static_cast<uint64_t>(places.Int(1)), bytes);
    merkle::AppendBigEndian(static_cast<uint32_t>(places.Bytes(2).size()), bytes);
    bytes.append(places.Bytes(2));
  }
  return merkle::WriteExport(log, sink);
}

}  // namespace fettle::audit
