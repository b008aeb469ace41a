// The log: every event's exact bytes as one leaf of an RFC 6962 tree, in the consumer's own
// database and its transaction.
//
//   bundle      256 leaves, whole ones only, never touched again
//   tail        the leaves behind the last bundle, a row each
//   tile        256 hashes of the tree, as libs/merkle says
//   place       per source and 256 positions: 256 x 5 bytes, the leaf's index + 1, big-endian; 0:
//   not in the log source      the sources by number checkpoint  signed notes
//
// After the commit the tree is signed and the checkpoint committed, before any reader can see it.
#ifndef FETTLE_SERVICES_AUDIT_AUDIT_LOG_H_
#define FETTLE_SERVICES_AUDIT_AUDIT_LOG_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/crypto/ed25519.h"
#include "libs/journal/consumer.h"
#include "libs/merkle/checkpoint.h"
#include "libs/merkle/tile.h"
#include "libs/merkle/tree.h"
#include "libs/sqlite/database.h"

namespace fettle::audit {

inline constexpr int64_t kPlaceBlockPositions = 256;
inline constexpr size_t kPlaceBytes = 5;
// The newest checkpoint is copied beside the key at most this often.
inline constexpr int64_t kHighWaterMsMin = 1'000;

// Takes the events. Lives on the consumer's thread; holds no statement between calls, so that the
// database may be closed before it.
class AuditLog final : public journal::EventHandler {
 public:
  struct Options {
    std::string origin;           // names the log and its key
    std::string high_water_path;  // a copy of the newest checkpoint, so that an older database is
                                  // not signed on
    // Called with the newest checkpoint after each batch and, when nothing comes, now and then; on
    // the consumer's thread, must not block.
    std::function<void(uint64_t size, const std::string& note)> offer = nullptr;
  };

  // The clock must live as long.
  static absl::StatusOr<AuditLog> Make(Options options, crypto::Ed25519PrivateKey key,
                                       const base::Clock* clock);

  std::vector<const char*> Schema() const override;
  // FAILED_PRECONDITION: this database, key and high-water file do not belong together; nothing has
  // been signed.
  absl::Status Open(sqlite::Database& db) override;
  absl::Status Apply(const journal::ConsumedEvent& event) override;
  absl::Status BeforeCommit() override;
  void AfterCommit() override;
  void Idle() override;
  bool AnyOrder() const override { return true; }

  const merkle::VerifierKey& verifier_key() const { return verifier_key_; }

 private:
  using Place = std::pair<int64_t, int64_t>;  // number of the source, block
  struct SignedNote {
    uint64_t size = 0;
    std::string text;
  };

  AuditLog(Options options, crypto::Ed25519PrivateKey key, merkle::VerifierKey verifier_key,
           const base::Clock* clock);

  absl::Status LoadTree();
  absl::Status CheckSigned(const merkle::Checkpoint& checkpoint, std::string_view what);
  absl::Status CheckHighWater();
  absl::StatusOr<int64_t> SourceNumber(const std::string& source);
  absl::StatusOr<std::string*> PlaceRow(const Place& place);
  absl::Status WriteLeaves();
  absl::Status WriteTiles();
  absl::Status WritePlaces();
  absl::Status Sign();
  void Offer() const;
  absl::Status RaiseHighWater(const std::string& note);

  Options options_;
  crypto::Ed25519PrivateKey key_;
  merkle::VerifierKey verifier_key_;
  const base::Clock* clock_;
  sqlite::Database* db_ = nullptr;

  // What the database holds.
  merkle::Frontier frontier_;
  int64_t bundles_ = 0;
  size_t tail_rows_ = 0;
  std::optional<SignedNote> newest_;
  std::map<std::string, int64_t> sources_;
  absl::Time high_water_time_ = absl::InfinitePast();

  // The batch, and the leaves of the bundle that is not full yet.
  std::string open_bundle_;
  size_t open_leaves_ = 0;
  std::vector<std::string> full_bundles_;
  std::vector<merkle::Hash> leaf_hashes_;
  std::map<Place, std::string> places_;
  absl::Status failure_;
};

// Reads the log, on any connection to its database that is in a transaction: one snapshot. Not
// shared between threads; the connection must live as long.
class LogReader {
 public:
  explicit LogReader(sqlite::Database& db) : db_(db) {}

  struct Newest {
    uint64_t size = 0;
    std::string note;
  };
  absl::StatusOr<Newest> NewestCheckpoint() const;
  // Leaves that are stored, signed or not.
  absl::StatusOr<uint64_t> Leaves() const;

  // NOT_FOUND EVENT_NOT_IN_LOG.
  absl::StatusOr<uint64_t> FindLeaf(const std::string& source, int64_t position) const;
  // DATA_LOSS when the store does not hold it.
  absl::StatusOr<std::string> Leaf(uint64_t index) const;
  // The leaves of positions [first, last] that the log holds, in order.
  absl::Status ForEachLeaf(const std::string& source, int64_t first, int64_t last,
                           absl::FunctionRef<absl::Status(std::string_view leaf)> leaf) const;
  // Ranges of positions that are missing behind `contiguous` and before the last one that is there,
  // at most `ranges_max`.
  absl::StatusOr<std::vector<std::pair<int64_t, int64_t>>> Gaps(const std::string& source,
                                                                int64_t contiguous,
                                                                size_t ranges_max) const;

  absl::StatusOr<std::vector<merkle::Hash>> InclusionProof(uint64_t index, uint64_t size) const;
  absl::StatusOr<std::vector<merkle::Hash>> ConsistencyProof(uint64_t old_size,
                                                             uint64_t new_size) const;

  // The whole log as merkle::WriteExport, with the rows of `place` as they are stored: records X
  // named `places/<source>`, whose bytes are, for each row, block (8), length (4), row. Errors:
  // those of the sink, or DATA_LOSS when SQLite cannot read its file.
  absl::Status Export(absl::FunctionRef<absl::Status(std::string_view)> sink) const;

 private:
  absl::StatusOr<int64_t> SourceNumber(const std::string& source) const;

  sqlite::Database& db_;
};

}  // namespace fettle::audit

#endif  // FETTLE_SERVICES_AUDIT_AUDIT_LOG_H_
