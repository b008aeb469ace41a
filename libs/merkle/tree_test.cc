#include "libs/merkle/tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/crypto/digest.h"

namespace fettle::merkle {
namespace {

using Proof = std::vector<Hash>;

Hash FromHex(std::string_view hex) { return *HashFromBytes(*crypto::UnHex(hex)); }

// The leaves and roots that Certificate Transparency's implementations have published for testing.
const char* const kLeaves[] = {"",
                               "00",
                               "10",
                               "2021",
                               "3031",
                               "40414243",
                               "5051525354555657",
                               "606162636465666768696a6b6c6d6e6f"};
const char* const kRoots[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                              "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                              "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                              "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                              "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                              "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                              "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                              "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                              "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

// RFC 6962, 2.1, word for word over a list of leaf hashes: the reference that the code is held to.
uint64_t LargestPowerOfTwoBelow(uint64_t n) {
  uint64_t k = 1;
  while (2 * k < n) k *= 2;
  return k;
}

Hash NaiveRoot(std::span<const Hash> leaves) {
  if (leaves.empty()) return *HashFromBytes(crypto::Sha256(""));
  if (leaves.size() == 1) return leaves[0];
  const uint64_t k = LargestPowerOfTwoBelow(leaves.size());
  return *HashFromBytes(crypto::Sha256(base::Concat("\x01", Bytes(NaiveRoot(leaves.first(k))),
                                                    Bytes(NaiveRoot(leaves.subspan(k))))));
}

Proof NaivePath(uint64_t m, std::span<const Hash> leaves) {
  if (leaves.size() == 1) return {};
  const uint64_t k = LargestPowerOfTwoBelow(leaves.size());
  Proof path = m < k ? NaivePath(m, leaves.first(k)) : NaivePath(m - k, leaves.subspan(k));
  path.push_back(NaiveRoot(m < k ? leaves.subspan(k) : leaves.first(k)));
  return path;
}

Proof NaiveSubproof(uint64_t m, std::span<const Hash> leaves, bool whole) {
  if (m == leaves.size()) return whole ? Proof{} : Proof{NaiveRoot(leaves)};
  const uint64_t k = LargestPowerOfTwoBelow(leaves.size());
  Proof proof = m <= k ? NaiveSubproof(m, leaves.first(k), whole)
                       : NaiveSubproof(m - k, leaves.subspan(k), false);
  proof.push_back(NaiveRoot(m <= k ? leaves.subspan(k) : leaves.first(k)));
  return proof;
}

// A tree that keeps every node that the frontier reports.
struct Tree {
  void Append(std::string_view leaf) {
    leaves.push_back(LeafHash(leaf));
    frontier.Append(leaves.back(), [this](NodeId id, const Hash& hash) {
      EXPECT_TRUE(nodes.emplace(id, hash).second) << "a node is complete once only";
    });
    roots.push_back(frontier.Root());
  }
  absl::StatusOr<Hash> operator()(NodeId id) const {
    const auto node = nodes.find(id);
    if (node == nodes.end()) {
      return absl::NotFoundError(base::Concat("node ", id.level, "/", id.index));
    }
    return node->second;
  }

  std::vector<Hash> leaves;
  std::vector<Hash> roots = {EmptyRoot()};
  std::map<NodeId, Hash> nodes;
  Frontier frontier;
};

Tree MakeTree(int size) {
  Tree tree;
  for (int i = 0; i < size; ++i) tree.Append(base::Concat("leaf ", i));
  return tree;
}

void ExpectDoesNotHold(const absl::Status& status, std::string_view what) {
  EXPECT_EQ(base::ReasonOf(status), "PROOF_DOES_NOT_HOLD") << what;
}

// Calls `check` with every way of spoiling a proof that leaves its claim as it is.
template <class Check>
void ForEachTampering(const Proof& proof, const Hash& other, Check check) {
  for (size_t i = 0; i < proof.size(); ++i) {
    for (size_t bit = 0; bit < 8 * kHashBytes; ++bit) {
      Proof changed = proof;
      changed[i][bit / 8] = static_cast<char>(changed[i][bit / 8] ^ 1 << bit % 8);
      check(changed, base::Concat("bit ", bit, " of hash ", i));
    }
    Proof shorter = proof;
    shorter.erase(shorter.begin() + i);
    check(shorter, base::Concat("without hash ", i));
    for (size_t j = i + 1; j < proof.size(); ++j) {
      if (proof[i] == proof[j]) continue;
      Proof swapped = proof;
      std::swap(swapped[i], swapped[j]);
      check(swapped, base::Concat("hashes ", i, " and ", j, " swapped"));
    }
  }
  for (size_t i = 0; i <= proof.size(); ++i) {
    for (const Hash& extra : {other, Hash{}, proof.empty() ? other : proof[0]}) {
      Proof longer = proof;
      longer.insert(longer.begin() + i, extra);
      check(longer, base::Concat("one more hash at ", i));
    }
  }
}

TEST(TreeTest, PublishedRootsAndProofs) {
  Tree tree;
  EXPECT_EQ(tree.frontier.Root(), FromHex(kRoots[0]));
  for (int i = 0; i < 8; ++i) {
    tree.Append(*crypto::UnHex(kLeaves[i]));
    EXPECT_EQ(tree.frontier.Root(), FromHex(kRoots[i + 1]));
  }
  const struct {
    uint64_t index, size;
    std::vector<std::string_view> proof;
  } kInclusion[] = {{0, 1, {}},
                    {0,
                     8,
                     {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
                    {5,
                     8,
                     {"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
                    {2, 3, {"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"}},
                    {1,
                     5,
                     {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}}};
  for (const auto& test : kInclusion) {
    Proof published;
    for (const std::string_view hex : test.proof) published.push_back(FromHex(hex));
    EXPECT_EQ(*InclusionProof(test.index, test.size, tree), published);
    EXPECT_TRUE(VerifyInclusion(test.index, test.size,
                                LeafHash(*crypto::UnHex(kLeaves[test.index])), published,
                                FromHex(kRoots[test.size]))
                    .ok());
  }
  const struct {
    uint64_t old_size, new_size;
    std::vector<std::string_view> proof;
  } kConsistency[] = {{1, 1, {}},
                      {1,
                       8,
                       {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
                      {6,
                       8,
                       {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
                      {2,
                       5,
                       {"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
                      {6,
                       7,
                       {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
                        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}}};
  for (const auto& test : kConsistency) {
    Proof published;
    for (const std::string_view hex : test.proof) published.push_back(FromHex(hex));
    EXPECT_EQ(*ConsistencyProof(test.old_size, test.new_size, tree), published);
    EXPECT_TRUE(VerifyConsistency(test.old_size, test.new_size, FromHex(kRoots[test.old_size]),
                                  FromHex(kRoots[test.new_size]), published)
                    .ok());
  }
}

TEST(TreeTest, AgreesWithTheDefinitionForAllSmallSizes) {
  constexpr int kSizeMax = 70;
  const Tree tree = MakeTree(kSizeMax);
  for (uint64_t size = 0; size <= kSizeMax; ++size) {
    const std::span<const Hash> leaves = std::span(tree.leaves).first(size);
    const Hash root = NaiveRoot(leaves);
    ASSERT_EQ(tree.roots[size], root) << size;
    for (uint64_t index = 0; index < size; ++index) {
      const Proof proof = NaivePath(index, leaves);
      ASSERT_EQ(*InclusionProof(index, size, tree), proof) << index << " in " << size;
      ASSERT_TRUE(VerifyInclusion(index, size, leaves[index], proof, root).ok());
      for (uint64_t other = 0; other < size; ++other) {
        if (other == index) continue;
        ASSERT_FALSE(VerifyInclusion(other, size, leaves[index], proof, root).ok());
      }
    }
    for (uint64_t old_size = 0; old_size <= size; ++old_size) {
      const Proof proof = old_size == 0 ? Proof{} : NaiveSubproof(old_size, leaves, true);
      ASSERT_EQ(*ConsistencyProof(old_size, size, tree), proof) << old_size << " to " << size;
      ASSERT_TRUE(VerifyConsistency(old_size, size, tree.roots[old_size], root, proof).ok());
    }
  }
}

TEST(TreeTest, FindsEveryTamperingWithAnInclusionProof) {
  // INV-133
  constexpr int kSizeMax = 20;
  const Tree tree = MakeTree(kSizeMax);
  for (uint64_t size = 1; size <= kSizeMax; ++size) {
    for (uint64_t index = 0; index < size; ++index) {
      const Proof proof = *InclusionProof(index, size, tree);
      const auto verify = [&](const Hash& leaf, const Proof& given, const Hash& root) {
        return VerifyInclusion(index, size, leaf, given, root);
      };
      ASSERT_TRUE(verify(tree.leaves[index], proof, tree.roots[size]).ok());
      ForEachTampering(proof, tree.roots[size], [&](const Proof& changed, std::string_view what) {
        ExpectDoesNotHold(verify(tree.leaves[index], changed, tree.roots[size]), what);
      });
      ExpectDoesNotHold(verify(LeafHash("other"), proof, tree.roots[size]), "another leaf");
      ExpectDoesNotHold(verify(tree.leaves[index], proof, tree.roots[size - 1]), "another root");
    }
  }
}

TEST(TreeTest, FindsEveryTamperingWithAConsistencyProof) {
  // INV-133
  constexpr int kSizeMax = 20;
  const Tree tree = MakeTree(kSizeMax);
  for (uint64_t size = 0; size <= kSizeMax; ++size) {
    for (uint64_t old_size = 0; old_size <= size; ++old_size) {
      const Proof proof = *ConsistencyProof(old_size, size, tree);
      const auto verify = [&](const Hash& old_root, const Hash& root, const Proof& given) {
        return VerifyConsistency(old_size, size, old_root, root, given);
      };
      ASSERT_TRUE(verify(tree.roots[old_size], tree.roots[size], proof).ok());
      ForEachTampering(proof, tree.roots[size], [&](const Proof& changed, std::string_view what) {
        ExpectDoesNotHold(verify(tree.roots[old_size], tree.roots[size], changed), what);
      });
      ExpectDoesNotHold(verify(LeafHash("other"), tree.roots[size], proof), "another old root");
      // From the tree with no leaf every root is reached.
      if (old_size == 0 && size != 0) continue;
      ExpectDoesNotHold(verify(tree.roots[old_size], LeafHash("other"), proof), "another root");
      if (old_size == size) continue;
      ExpectDoesNotHold(verify(tree.roots[size], tree.roots[old_size], proof), "roots swapped");
    }
  }
}

TEST(TreeTest, AProofOfAnotherLengthThanTheSizesAskForNeverHolds) {
  // INV-133. A larger tree's root and path do lead from one to the other, whatever size is claimed.
  constexpr int kSizeMax = 20;
  const Tree tree = MakeTree(kSizeMax);
  const auto for_each_pair = [](auto call) {
    for (uint64_t size = 0; size <= kSizeMax; ++size) {
      for (uint64_t other = 0; other <= size; ++other) call(other, size);
    }
  };
  int held_inclusion = 0, held_consistency = 0;
  for_each_pair([&](uint64_t index, uint64_t size) {
    if (index == size) return;
    const Proof proof = *InclusionProof(index, size, tree);
    for_each_pair([&](uint64_t claimed_index, uint64_t claimed_size) {
      if (claimed_index == claimed_size) return;
      if (!VerifyInclusion(claimed_index, claimed_size, tree.leaves[index], proof, tree.roots[size])
               .ok()) {
        return;
      }
      ++held_inclusion;
      EXPECT_EQ(proof.size(), InclusionProof(claimed_index, claimed_size, tree)->size());
    });
  });
  for_each_pair([&](uint64_t old_size, uint64_t size) {
    const Proof proof = *ConsistencyProof(old_size, size, tree);
    for_each_pair([&](uint64_t claimed_old, uint64_t claimed_size) {
      if (!VerifyConsistency(claimed_old, claimed_size, tree.roots[old_size], tree.roots[size],
                             proof)
               .ok()) {
        return;
      }
      ++held_consistency;
      EXPECT_EQ(proof.size(), ConsistencyProof(claimed_old, claimed_size, tree)->size());
    });
  });
  EXPECT_GE(held_inclusion, kSizeMax);
  EXPECT_GE(held_consistency, kSizeMax);
}

TEST(TreeTest, RefusesWhatIsNotInTheTree) {
  const Tree tree = MakeTree(3);
  for (const auto& [index, size] :
       std::vector<std::pair<uint64_t, uint64_t>>{{0, 0}, {1, 0}, {3, 3}, {~0ull, 3}}) {
    EXPECT_EQ(base::ReasonOf(InclusionProof(index, size, tree).status()), "LEAF_NOT_IN_TREE");
    const absl::Status status = VerifyInclusion(index, size, tree.leaves[0], {}, tree.leaves[0]);
    EXPECT_EQ(base::ReasonOf(status), "LEAF_NOT_IN_TREE");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(base::ReasonOf(ConsistencyProof(3, 2, tree).status()), "TREE_SIZES_REVERSED");
  EXPECT_EQ(base::ReasonOf(VerifyConsistency(3, 2, tree.roots[3], tree.roots[2], {})),
            "TREE_SIZES_REVERSED");
  // The callable's own error comes through.
  EXPECT_EQ(InclusionProof(0, 4, tree).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ConsistencyProof(2, 4, tree).status().code(), absl::StatusCode::kNotFound);
}

TEST(TreeTest, TheLargestSizesNeitherOverflowNorLoop) {
  constexpr uint64_t kSize = ~uint64_t{0};
  const auto any_node = [](NodeId id) -> absl::StatusOr<Hash> {
    return LeafHash(base::Concat(id.level, "/", id.index));
  };
  const Frontier frontier = *Frontier::Load(kSize, any_node);
  // The first leaf lies under the peak of level 63, the last one is a peak itself.
  EXPECT_EQ(InclusionProof(0, kSize, any_node)->size(), 64u);
  EXPECT_EQ(InclusionProof(kSize - 1, kSize, any_node)->size(), 63u);
  const Proof last = *InclusionProof(kSize - 1, kSize, any_node);
  EXPECT_TRUE(VerifyInclusion(kSize - 1, kSize, *any_node({.level = 0, .index = kSize - 1}), last,
                              frontier.Root())
                  .ok());
  const uint64_t old_size = uint64_t{1} << 63;
  const Proof proof = *ConsistencyProof(old_size, kSize, any_node);
  EXPECT_EQ(proof.size(), 1u);
  EXPECT_TRUE(VerifyConsistency(old_size, kSize, *any_node({.level = 63, .index = 0}),
                                frontier.Root(), proof)
                  .ok());
}

TEST(TreeTest, RandomLargeTrees) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(base::Concat("seed ", seed));
  std::mt19937_64 random(seed);
  constexpr int kSize = 20'000;
  const Tree tree = MakeTree(kSize);
  for (int i = 0; i < 2'000; ++i) {
    const uint64_t size = random() % kSize + 1;
    const uint64_t index = random() % size;
    const Proof inclusion = *InclusionProof(index, size, tree);
    ASSERT_TRUE(VerifyInclusion(index, size, tree.leaves[index], inclusion, tree.roots[size]).ok());
    const uint64_t old_size = random() % (size + 1);
    const Proof consistency = *ConsistencyProof(old_size, size, tree);
    ASSERT_TRUE(
        VerifyConsistency(old_size, size, tree.roots[old_size], tree.roots[size], consistency)
            .ok());
    for (const Proof* proof : {&inclusion, &consistency}) {
      if (proof->empty()) continue;
      Proof changed = *proof;
      changed[random() % changed.size()][random() % kHashBytes] ^= 1 << random() % 8;
      const absl::Status status =
          proof == &inclusion
              ? VerifyInclusion(index, size, tree.leaves[index], changed, tree.roots[size])
              : VerifyConsistency(old_size, size, tree.roots[old_size], tree.roots[size], changed);
      ExpectDoesNotHold(status, "one bit");
    }
  }
}

TEST(FrontierTest, ReportsEveryCompleteNodeOnceAndComesBackFromItsBytes) {
  Tree tree;
  for (uint64_t size = 0; size <= 300; ++size) {
    // A binary tree over 2^k leaves has 2^(k+1) - 1 nodes.
    ASSERT_EQ(tree.nodes.size(), 2 * size - std::popcount(size));
    const std::string bytes = tree.frontier.Serialise();
    ASSERT_EQ(bytes.size(), 8 + kHashBytes * std::popcount(size));
    for (const Frontier& again : {*Frontier::Parse(bytes), *Frontier::Load(size, tree)}) {
      ASSERT_EQ(again.size(), size);
      ASSERT_EQ(again.Root(), tree.frontier.Root());
      ASSERT_EQ(again.Serialise(), bytes);
    }
    tree.Append(base::Concat("leaf ", size));
  }
}

TEST(FrontierTest, RefusesBytesOfAnotherLength) {
  const std::string bytes = MakeTree(5).frontier.Serialise();
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(Frontier::Parse(bytes.substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(Frontier::Parse(bytes + "x").ok());
  EXPECT_FALSE(HashFromBytes(std::string(31, 'x')).ok());
  EXPECT_FALSE(HashFromBytes(std::string(33, 'x')).ok());
}

}  // namespace
}  // namespace fettle::merkle
