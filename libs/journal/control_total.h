// Totals of an aligned block of positions, by which a consumer and a journal find out whether
// anything was lost.
#ifndef FETTLE_LIBS_JOURNAL_CONTROL_TOTAL_H_
#define FETTLE_LIBS_JOURNAL_CONTROL_TOTAL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "libs/journal/model.h"
#include "libs/journal/store.h"

namespace fettle::journal {

// Positions 1 to 4,096 are block 0, and so on.
inline constexpr int64_t kControlBlockPositions = 4'096;

// Count, pence and the sum of SHA-256(id) mod 2^256 over the events of a block. The order of adding
// does not matter.
class ControlTotal {
 public:
  ControlTotal() : id_hash_sum_(32, '\0') {}

  // As it was read before.
  ControlTotal(int64_t count, int64_t pence, std::string id_hash_sum)
      : count_(count), pence_(pence), id_hash_sum_(std::move(id_hash_sum)) {}

  void Add(std::string_view id, int64_t pence);
  void Add(const ControlTotal& other);
  // A stored item, decoded by the model. DATA_LOSS when it cannot be read.
  absl::Status Add(const Model& model, Log log, const StoredEvent& item);

  int64_t count() const { return count_; }
  int64_t pence() const { return pence_; }
  // 32 bytes, big-endian.
  const std::string& id_hash_sum() const { return id_hash_sum_; }

 private:
  int64_t count_ = 0;
  int64_t pence_ = 0;
  std::string id_hash_sum_;
};

// What a consumer's total says of its source's, over the same block.
enum class Comparison {
  kMatch,
  kMismatch,  // other events, or other amounts
  kBehind,    // fewer events: on their way, or lost
};
Comparison Compare(const ControlTotal& taken, const ControlTotal& published);

// Pence that an event moves, for consumers, who have the contract but not the publisher's rules:
// `amount_pence` of the field `transaction` of what happened, 0 when there is none. By name, so
// that an event that is added later counts too.
int64_t PenceOf(const Message& event);

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_CONTROL_TOTAL_H_
