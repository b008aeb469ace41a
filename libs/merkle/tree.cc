#include "libs/merkle/tree.h"

#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/crypto/digest.h"
#include "libs/merkle/wire.h"

namespace fettle::merkle {
namespace {

constexpr std::string_view kLeafPrefix("\x00", 1);
constexpr std::string_view kNodePrefix("\x01", 1);

Hash FromDigest(std::string_view digest) {
  Hash hash;
  std::memcpy(hash.data(), digest.data(), kHashBytes);
  return hash;
}

// Where RFC 6962 splits a tree of n > 1 leaves: the largest power of two below n.
uint64_t Split(uint64_t n) { return std::bit_floor(n - 1); }

// The root over the leaves [begin, end), begin a multiple of every complete subtree in it.
absl::StatusOr<Hash> RangeRoot(uint64_t begin, uint64_t end, NodeAt node_at) {
  std::optional<Hash> root;
  // From the smallest complete subtree at the right edge to the largest at the left.
  for (uint64_t left = end - begin; left != 0; left &= left - 1) {
    const int level = std::countr_zero(left);
    const uint64_t first = begin + (left & (left - 1));
    FETTLE_ASSIGN_OR_RETURN(
        const Hash node, node_at({.level = static_cast<uint32_t>(level), .index = first >> level}));
    root = root ? NodeHash(node, *root) : node;
  }
  return *root;
}

// The subtrees beside a walk from the root, in the order of the walk: the reverse of a proof's.
using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;

absl::StatusOr<std::vector<Hash>> ProofOf(const Ranges& ranges, NodeAt node_at) {
  std::vector<Hash> proof;
  proof.reserve(ranges.size());
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    FETTLE_ASSIGN_OR_RETURN(const Hash root, RangeRoot(range->first, range->second, node_at));
    proof.push_back(root);
  }
  return proof;
}

absl::Status NotInTree(uint64_t index, uint64_t size) {
  return base::Refuse(absl::StatusCode::kInvalidArgument, "LEAF_NOT_IN_TREE",
                      base::Concat("leaf ", index, " is not in a tree of ", size, " leaves"));
}

absl::Status NotEarlier(uint64_t old_size, uint64_t new_size) {
  return base::Refuse(
      absl::StatusCode::kInvalidArgument, "TREE_SIZES_REVERSED",
      base::Concat("a tree of ", new_size, " leaves cannot begin with one of ", old_size));
}

absl::Status DoesNotHold(std::string_view proof) {
  return base::Refuse(absl::StatusCode::kDataLoss, "PROOF_DOES_NOT_HOLD",
                      base::Concat("the ", proof, " proof does not hold"));
}

}  // namespace

absl::StatusOr<Hash> HashFromBytes(std::string_view bytes) {
  if (bytes.size() != kHashBytes) {
    return absl::InvalidArgumentError(
        base::Concat("a tree hash has ", kHashBytes, " bytes, not ", bytes.size()));
  }
  return FromDigest(bytes);
}

Hash LeafHash(std::string_view leaf) {
  return FromDigest(crypto::Sha256Parts({kLeafPrefix, leaf}));
}

Hash NodeHash(const Hash& left, const Hash& right) {
  return FromDigest(crypto::Sha256Parts({kNodePrefix, Bytes(left), Bytes(right)}));
}

const Hash& EmptyRoot() {
  static const Hash root = FromDigest(crypto::Sha256(""));
  return root;
}

absl::StatusOr<Frontier> Frontier::Load(uint64_t size, NodeAt node_at) {
  Frontier frontier;
  frontier.size_ = size;
  for (uint64_t left = size; left != 0; left &= left - 1) {
    const int level = std::countr_zero(left);
    const uint64_t first = left & (left - 1);
    FETTLE_ASSIGN_OR_RETURN(frontier.peaks_[level], node_at({.level = static_cast<uint32_t>(level),
                                                             .index = first >> level}));
  }
  return frontier;
}

absl::StatusOr<Frontier> Frontier::Parse(std::string_view bytes) {
  const std::optional<uint64_t> size = TakeBigEndian<uint64_t>(bytes);
  if (!size || bytes.size() != kHashBytes * std::popcount(*size)) {
    return absl::InvalidArgumentError("the bytes are no serialised frontier");
  }
  Frontier frontier;
  frontier.size_ = *size;
  for (int level = 63; level >= 0; --level) {
    if ((*size >> level & 1) == 0) continue;
    frontier.peaks_[level] = FromDigest(bytes);
    bytes.remove_prefix(kHashBytes);
  }
  return frontier;
}

std::string Frontier::Serialise() const {
  std::string bytes;
  AppendBigEndian(size_, bytes);
  for (int level = 63; level >= 0; --level) {
    if (size_ >> level & 1) bytes.append(Bytes(peaks_[level]));
  }
  return bytes;
}

void Frontier::Append(const Hash& leaf_hash, OnNode on_node) {
  uint32_t level = 0;
  Hash node = leaf_hash;
  on_node({.level = level, .index = size_}, node);
  for (; size_ >> level & 1; ++level) {
    node = NodeHash(peaks_[level], node);
    on_node({.level = level + 1, .index = size_ >> (level + 1)}, node);
  }
  peaks_[level] = node;
  ++size_;
}

Hash Frontier::Root() const {
  if (size_ == 0) return EmptyRoot();
  absl::StatusOr<Hash> root = RangeRoot(
      0, size_, [this](NodeId node) -> absl::StatusOr<Hash> { return peaks_[node.level]; });
  return *root;
}

absl::StatusOr<std::vector<Hash>> InclusionProof(uint64_t index, uint64_t size, NodeAt node_at) {
  if (index >= size) {
    return NotInTree(index, size);
  }
  Ranges beside;
  uint64_t begin = 0, end = size;
  while (end - begin > 1) {
    const uint64_t middle = begin + Split(end - begin);
    if (index < middle) {
      beside.emplace_back(middle, end);
      end = middle;
    } else {
      beside.emplace_back(begin, middle);
      begin = middle;
    }
  }
  return ProofOf(beside, node_at);
}

absl::StatusOr<std::vector<Hash>> ConsistencyProof(uint64_t old_size, uint64_t new_size,
                                                   NodeAt node_at) {
  if (old_size > new_size) {
    return NotEarlier(old_size, new_size);
  }
  if (old_size == 0 || old_size == new_size) return std::vector<Hash>();
  Ranges beside;
  uint64_t begin = 0, end = new_size;
  while (end != old_size) {
    const uint64_t middle = begin + Split(end - begin);
    if (old_size <= middle) {
      beside.emplace_back(middle, end);
      end = middle;
    } else {
      beside.emplace_back(begin, middle);
      begin = middle;
    }
  }
  // The walk ends at the subtree that both trees share. When it is the old tree itself, the
  // verifier knows its root already.
  if (begin != 0) beside.emplace_back(begin, end);
  return ProofOf(beside, node_at);
}

absl::Status VerifyInclusion(uint64_t index, uint64_t size, const Hash& leaf_hash,
                             std::span<const Hash> proof, const Hash& root) {
  if (index >= size) {
    return NotInTree(index, size);
  }
  uint64_t node = index, last = size - 1;
  Hash hash = leaf_hash;
  for (const Hash& beside : proof) {
    if (last == 0) return DoesNotHold("inclusion");
    if ((node & 1) != 0 || node == last) {
      hash = NodeHash(beside, hash);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = NodeHash(hash, beside);
    }
    node >>= 1;
    last >>= 1;
  }
  if (last != 0 || hash != root) return DoesNotHold("inclusion");
  return absl::OkStatus();
}

absl::Status VerifyConsistency(uint64_t old_size, uint64_t new_size, const Hash& old_root,
                               const Hash& new_root, std::span<const Hash> proof) {
  if (old_size > new_size) {
    return NotEarlier(old_size, new_size);
  }
  if ((old_size == 0 && old_root != EmptyRoot()) || (new_size == 0 && new_root != EmptyRoot())) {
    return DoesNotHold("consistency");
  }
  if (old_size == 0 || old_size == new_size) {
    if (!proof.empty() || (old_size == new_size && old_root != new_root)) {
      return DoesNotHold("consistency");
    }
    return absl::OkStatus();
  }
  uint64_t node = old_size - 1, last = new_size - 1;
  while ((node & 1) != 0) {
    node >>= 1;
    last >>= 1;
  }
  // The walk starts at the largest subtree that both trees share at the old tree's right edge:
  // the old tree itself when its size is a power of two (then node is 0), else the first hash.
  Hash old_hash = old_root;
  if (node != 0) {
    if (proof.empty()) return DoesNotHold("consistency");
    old_hash = proof.front();
    proof = proof.subspan(1);
  }
  Hash new_hash = old_hash;
  for (const Hash& beside : proof) {
    if (last == 0) return DoesNotHold("consistency");
    if ((node & 1) != 0 || node == last) {
      old_hash = NodeHash(beside, old_hash);
      new_hash = NodeHash(beside, new_hash);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      new_hash = NodeHash(new_hash, beside);
    }
    node >>= 1;
    last >>= 1;
  }
  if (last != 0 || old_hash != old_root || new_hash != new_root) return DoesNotHold("consistency");
  return absl::OkStatus();
}

}  // namespace fettle::merkle
