#include "services/cli/audit_verify.h"

#include <fstream>
#include <optional>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/merkle/tree.h"
#include "libs/merkle/wire.h"

namespace fettle::cli {
namespace {

constexpr int64_t kBlockPositions = 256;
constexpr size_t kPlaceBytes = 5;
constexpr std::string_view kPlaces = "places/";
constexpr size_t kReadBytes = 1 << 20;
// A row is made for a position's whole block, so that one absurd position costs no more than a row.
constexpr int64_t kPositionMax = int64_t{1} << 62;

absl::Status Found(std::string_view reason, std::string message) {
  return base::Refuse(absl::StatusCode::kDataLoss, reason, std::move(message));
}

bool Taken(const std::string& row, size_t slot) {
  return row.compare(slot * kPlaceBytes, kPlaceBytes, std::string(kPlaceBytes, '\0')) != 0;
}

// The positions 1, 2, 3, ... that are there without a gap.
int64_t Contiguous(const std::map<uint64_t, std::string>& rows) {
  int64_t contiguous = 0;
  for (const auto& [block, row] : rows) {
    if (static_cast<int64_t>(block) * kBlockPositions != contiguous) return contiguous;
    for (size_t slot = 0; slot < kBlockPositions; ++slot) {
      if (!Taken(row, slot)) return contiguous;
      ++contiguous;
    }
  }
  return contiguous;
}

}  // namespace

AuditVerifier::AuditVerifier(const merkle::VerifierKey& key,
                             std::vector<merkle::Checkpoint> earlier)
    : verifier_(
          key,
          {.origin = key.name(),
           .earlier = std::move(earlier),
           .on_leaf = [this](uint64_t index, std::string_view leaf) { return OnLeaf(index, leaf); },
           .on_extra = [this](std::string_view name,
                              std::string_view bytes) { return OnExtra(name, bytes); }}) {}

absl::Status AuditVerifier::OnLeaf(uint64_t index, std::string_view leaf) {
  audit::v1::AnyEvent event;
  const bool read = event.ParseFromArray(leaf.data(), static_cast<int>(leaf.size()));
  const int64_t position = event.header().position();
  if (!read || event.header().source().empty() || position < 1 || position > kPositionMax) {
    return Found("LEAF_NOT_AN_EVENT", base::Concat("leaf ", index, " has no source and position"));
  }
  std::string& row =
      places_[event.header().source()][static_cast<uint64_t>((position - 1) / kBlockPositions)];
  row.resize(kBlockPositions * kPlaceBytes, '\0');
  const size_t slot = static_cast<size_t>((position - 1) % kBlockPositions);
  if (Taken(row, slot)) {
    return Found("LEAF_REPEATED",
                 base::Concat("leaf ", index, " has the source and position of an earlier one"));
  }
  for (size_t i = 0; i < kPlaceBytes; ++i) {
    row[slot * kPlaceBytes + i] = static_cast<char>((index + 1) >> (8 * (kPlaceBytes - 1 - i)));
  }
  int64_t& last = last_positions_[event.header().source()];
  last = std::max(last, position);
  return absl::OkStatus();
}

absl::Status AuditVerifier::OnExtra(std::string_view name, std::string_view bytes) {
  // The first extra: all leaves have been seen.
  if (sources_.empty()) {
    for (const auto& [source, rows] : places_) {
      Source& summary = sources_.emplace_back();
      summary.name = source;
      summary.last_position = last_positions_[source];
      summary.contiguous = Contiguous(rows);
      for (const auto& [block, row] : rows) {
        for (size_t slot = 0; slot < kBlockPositions; ++slot) summary.events += Taken(row, slot);
      }
    }
  }
  // Told last: what is wrong with the tree says more.
  const auto changed = [&] {
    places_changed_ = true;
    return absl::OkStatus();
  };
  if (!name.starts_with(kPlaces)) return changed();
  const auto rows = places_.find(name.substr(kPlaces.size()));
  if (rows == places_.end()) return changed();
  while (!bytes.empty()) {
    const std::optional<uint64_t> block = merkle::TakeBigEndian<uint64_t>(bytes);
    const std::optional<uint32_t> length = merkle::TakeBigEndian<uint32_t>(bytes);
    if (!block || !length || *length > bytes.size()) return changed();
    const auto row = rows->second.find(*block);
    if (row == rows->second.end() || row->second != bytes.substr(0, *length)) return changed();
    rows->second.erase(row);
    bytes.remove_prefix(*length);
  }
  return absl::OkStatus();
}

absl::StatusOr<AuditVerifier::Report> AuditVerifier::Finish() {
  Report report;
  FETTLE_ASSIGN_OR_RETURN(report.log, verifier_.Finish());
  for (const auto& [source, rows] : places_) places_changed_ = places_changed_ || !rows.empty();
  if (places_changed_) {
    return Found("PLACE_CHANGED",
                 "the rows of `place` do not say where in the log the sources' events are");
  }
  report.sources = sources_;
  return report;
}

absl::StatusOr<AuditVerifier::Report> VerifyAuditExport(const std::string& path,
                                                        const merkle::VerifierKey& key,
                                                        std::vector<merkle::Checkpoint> earlier) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError("cannot read " + path);
  AuditVerifier verifier(key, std::move(earlier));
  std::string bytes(kReadBytes, '\0');
  while (in.read(bytes.data(), static_cast<std::streamsize>(bytes.size())) || in.gcount() > 0) {
    FETTLE_RETURN_IF_ERROR(
        verifier.Add(std::string_view(bytes).substr(0, static_cast<size_t>(in.gcount()))));
  }
  if (in.bad()) return absl::NotFoundError("cannot read " + path);
  return verifier.Finish();
}

absl::Status VerifyEventProof(const audit::v1::GetInclusionProofRequest& asked,
                              const audit::v1::GetInclusionProofResponse& proof,
                              const merkle::VerifierKey& key) {
  FETTLE_ASSIGN_OR_RETURN(const merkle::Checkpoint checkpoint,
                          merkle::ParseAndVerifyCheckpoint(proof.checkpoint(), key, key.name()));
  std::vector<merkle::Hash> hashes;
  for (const std::string& bytes : proof.hashes()) {
    FETTLE_ASSIGN_OR_RETURN(const merkle::Hash hash, merkle::HashFromBytes(bytes));
    hashes.push_back(hash);
  }
  FETTLE_RETURN_IF_ERROR(merkle::VerifyInclusion(static_cast<uint64_t>(proof.leaf_index()),
                                                 checkpoint.size, merkle::LeafHash(proof.event()),
                                                 hashes, checkpoint.root));
  audit::v1::AnyEvent event;
  if (!event.ParseFromString(proof.event()) || event.header().source() != asked.source() ||
      event.header().position() != asked.position()) {
    return Found("PROOF_NOT_OF_THIS_EVENT", "the proof is of another event");
  }
  return absl::OkStatus();
}

}  // namespace fettle::cli
