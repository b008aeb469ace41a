#include "services/audit/control_totals.h"

#include <algorithm>
#include <string_view>

#include "absl/time/clock.h"
#include "fettle/budget/v1/budget_events.pb.h"
#include "libs/base/status.h"
#include "services/audit/publishers.h"

namespace fettle::audit {

namespace {

// Bytes that are no budget event move nothing.
int64_t PenceOf(std::string_view budget_event) {
  budget::v1::BudgetEvent event;
  if (!event.ParseFromArray(budget_event.data(), static_cast<int>(budget_event.size()))) return 0;
  return journal::PenceOf(event);
}

v1::TotalsOutcome OutcomeOf(journal::Comparison comparison) {
  switch (comparison) {
    case journal::Comparison::kMatch:
      return v1::TOTALS_OUTCOME_MATCH;
    case journal::Comparison::kMismatch:
      return v1::TOTALS_OUTCOME_MISMATCH;
    case journal::Comparison::kBehind:
      return v1::TOTALS_OUTCOME_BEHIND;
  }
  return v1::TOTALS_OUTCOME_UNSPECIFIED;
}

}  // namespace

absl::StatusOr<journal::ControlTotal> TotalOf(const LogReader& log, const std::string& source,
                                              int64_t block, int64_t last_position) {
  const SourceName name = ParseSource(source);
  const bool moves_money = name.service == "budget" && !name.access;
  const int64_t first = block * journal::kControlBlockPositions + 1;
  const int64_t last = std::min(first + journal::kControlBlockPositions - 1, last_position);
  journal::ControlTotal total;
  if (last < first) return total;
  FETTLE_RETURN_IF_ERROR(
      log.ForEachLeaf(source, first, last, [&](std::string_view leaf) -> absl::Status {
        v1::AnyEvent event;
        if (!event.ParseFromArray(leaf.data(), static_cast<int>(leaf.size()))) {
          return absl::DataLossError("a leaf of the log is no event");
        }
        total.Add(event.header().id(), moves_money ? PenceOf(leaf) : 0);
        return absl::OkStatus();
      }));
  return total;
}

v1::BlockComparison Compare(int64_t block, const journal::ControlTotal& log,
                            const journal::v1::GetControlTotalResponse& source) {
  v1::BlockComparison comparison;
  comparison.set_block(block);
  comparison.mutable_log()->set_count(log.count());
  comparison.mutable_log()->set_pence(log.pence());
  comparison.mutable_log()->set_id_hash_sum(log.id_hash_sum());
  comparison.mutable_source()->set_count(source.count());
  comparison.mutable_source()->set_pence(source.pence());
  comparison.mutable_source()->set_id_hash_sum(source.id_hash_sum());
  comparison.set_outcome(OutcomeOf(journal::Compare(
      log, journal::ControlTotal(source.count(), source.pence(), source.id_hash_sum()))));
  return comparison;
}

absl::Status CompareBlocks(const v1::GetControlTotalsRequest& request, absl::Time call_deadline,
                           const std::function<absl::StatusOr<journal::v1::GetControlTotalResponse>(
                               int64_t block, absl::Time deadline)>& published,
                           const std::function<absl::StatusOr<journal::ControlTotal>(
                               int64_t block, int64_t last_position)>& logged,
                           v1::GetControlTotalsResponse& response) {
  const absl::Time deadline = std::min(absl::Now() + kPublisherWaitMax, call_deadline);
  for (int64_t block = request.from_block(); block < request.from_block() + kControlBlocksMax;
       ++block) {
    // The publisher first: the log is then compared over the positions that it speaks of.
    const absl::StatusOr<journal::v1::GetControlTotalResponse> theirs = published(block, deadline);
    if (absl::IsUnavailable(theirs.status()) && response.blocks_size() > 0) {
      response.set_next_block(block);
      return absl::OkStatus();
    }
    if (!theirs.ok()) return theirs.status();
    if (block * journal::kControlBlockPositions >= theirs->last_position()) {
      return absl::OkStatus();
    }
    FETTLE_ASSIGN_OR_RETURN(const journal::ControlTotal ours,
                            logged(block, theirs->last_position()));
    *response.add_blocks() = Compare(block, ours, *theirs);
  }
  response.set_next_block(request.from_block() + kControlBlocksMax);
  return absl::OkStatus();
}

}  // namespace fettle::audit
