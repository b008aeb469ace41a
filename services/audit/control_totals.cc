#include "services/audit/control_totals.h"

#include <algorithm>

#include "fettle/budget/v1/budget_events.pb.h"
#include "libs/base/status.h"
#include "services/audit/publishers.h"

namespace fettle::audit {

int64_t PenceOf(std::string_view budget_event) {
  budget::v1::BudgetEvent event;
  if (!event.ParseFromArray(budget_event.data(), static_cast<int>(budget_event.size()))) return 0;
  // By name, as the contract says it, so that an event that is added later counts too.
  const auto* reflection = event.GetReflection();
  const auto* kind =
      reflection->GetOneofFieldDescriptor(event, event.GetDescriptor()->oneof_decl(0));
  if (kind == nullptr) return 0;
  const google::protobuf::Message& body = reflection->GetMessage(event, kind);
  const auto* field = body.GetDescriptor()->FindFieldByName("transaction");
  if (field == nullptr || !body.GetReflection()->HasField(body, field)) return 0;
  return static_cast<const budget::v1::LedgerTransaction&>(
             body.GetReflection()->GetMessage(body, field))
      .amount_pence();
}

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
  if (log.count() < source.count()) {
    comparison.set_outcome(v1::TOTALS_OUTCOME_BEHIND);
  } else {
    const bool same = log.count() == source.count() && log.pence() == source.pence() &&
                      log.id_hash_sum() == source.id_hash_sum();
    comparison.set_outcome(same ? v1::TOTALS_OUTCOME_MATCH : v1::TOTALS_OUTCOME_MISMATCH);
  }
  return comparison;
}

}  // namespace fettle::audit
