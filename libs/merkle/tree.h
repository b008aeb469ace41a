#ifndef FETTLE_LIBS_MERKLE_TREE_H_
#define FETTLE_LIBS_MERKLE_TREE_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The Merkle tree of RFC 6962, section 2.1 (unchanged in RFC 9162): SHA-256, leaves hashed behind
// the byte 0x00 and nodes behind 0x01, so that no node can pass for a leaf. Pure functions, to be
// called from any thread; what they need of a store comes in as a callable.
namespace fettle::merkle {

inline constexpr size_t kHashBytes = 32;
using Hash = std::array<char, kHashBytes>;

inline std::string_view Bytes(const Hash& hash) { return {hash.data(), hash.size()}; }

// INVALID_ARGUMENT: not exactly 32 bytes.
absl::StatusOr<Hash> HashFromBytes(std::string_view bytes);

Hash LeafHash(std::string_view leaf);
Hash NodeHash(const Hash& left, const Hash& right);

// The root of the tree with no leaf: SHA-256 of nothing.
const Hash& EmptyRoot();

// A complete node: the root over the leaves [index << level, (index + 1) << level). Level 0 is the
// leaf hashes. Once it exists it never changes, whatever is appended.
struct NodeId {
  uint32_t level = 0;
  uint64_t index = 0;
  friend auto operator<=>(const NodeId&, const NodeId&) = default;
};

// Gives the hash of a complete node. Its error ends the call that asked and is returned as it is.
using NodeAt = absl::FunctionRef<absl::StatusOr<Hash>(NodeId)>;

// The right edge of a growing tree: the roots of its maximal complete subtrees, one for each bit
// that is set in its size. All that is needed to append and to give the root. Not shared between
// threads while it grows.
class Frontier {
 public:
  using OnNode = absl::FunctionRef<void(NodeId, const Hash&)>;

  Frontier() = default;

  // The edge of a stored tree of `size` leaves. Errors: those of node_at.
  static absl::StatusOr<Frontier> Load(uint64_t size, NodeAt node_at);

  // The inverse of Serialise. INVALID_ARGUMENT: another length than the size asks for.
  static absl::StatusOr<Frontier> Parse(std::string_view bytes);

  // The size (8 bytes, big-endian), then the hashes from the largest subtree to the smallest.
  std::string Serialise() const;

  // Adds one leaf and reports every node that it completes, the leaf itself first, then upwards.
  // One hash is computed per inner node, none twice: n leaves cost fewer than n hashes.
  void Append(const Hash& leaf_hash, OnNode on_node);

  uint64_t size() const { return size_; }
  Hash Root() const;

 private:
  uint64_t size_ = 0;
  // By level; holds a subtree where the bit of size_ is set, else nothing that counts.
  std::array<Hash, 64> peaks_ = {};
};

// The audit path of leaf `index` in the tree of `size` leaves (RFC 6962, 2.1.1), from the leaf's
// sibling upwards. Asks for complete nodes only. LEAF_NOT_IN_TREE (INVALID_ARGUMENT): index >=
// size.
absl::StatusOr<std::vector<Hash>> InclusionProof(uint64_t index, uint64_t size, NodeAt node_at);

// That the tree of `new_size` leaves begins with the one of `old_size` (RFC 6962, 2.1.2). Empty for
// equal sizes and for old_size 0, where there is nothing to show. TREE_SIZES_REVERSED
// (INVALID_ARGUMENT): old_size > new_size.
absl::StatusOr<std::vector<Hash>> ConsistencyProof(uint64_t old_size, uint64_t new_size,
                                                   NodeAt node_at);

// OK only if the proof has exactly the right length and leads from the leaf to the root (RFC 9162,
// 2.1.3.2). The size must come from a checkpoint: a proof alone does not tell all sizes apart.
// LEAF_NOT_IN_TREE as above; PROOF_DOES_NOT_HOLD (DATA_LOSS).
absl::Status VerifyInclusion(uint64_t index, uint64_t size, const Hash& leaf_hash,
                             std::span<const Hash> proof, const Hash& root);

// OK only if the proof has exactly the right length and leads to both roots (RFC 9162, 2.1.4.2).
// Size 0 is consistent with all, but its root must be the empty one. TREE_SIZES_REVERSED as above;
// PROOF_DOES_NOT_HOLD (DATA_LOSS).
absl::Status VerifyConsistency(uint64_t old_size, uint64_t new_size, const Hash& old_root,
                               const Hash& new_root, std::span<const Hash> proof);

}  // namespace fettle::merkle

#endif  // FETTLE_LIBS_MERKLE_TREE_H_
