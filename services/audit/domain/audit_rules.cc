#include "services/audit/domain/audit_rules.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"

namespace fettle::audit {

base::Reads AuditRules::ReadsOf(const v1::CheckpointSigned& checkpoint, const base::View&) {
  return {{}, {{kLogByOrigin, base::Key({checkpoint.origin()})}}};
}

absl::StatusOr<base::Decision<google::protobuf::Empty>> AuditRules::Decide(
    const base::View& view, const v1::CheckpointSigned& checkpoint, const base::Context& context) {
  const std::optional<std::string> log =
      view.Holder(kLogByOrigin, base::Key({checkpoint.origin()}));
  const int64_t published = log.has_value() ? view.StateOf<v1::AuditState>(*log)->size() : 0;
  if (checkpoint.size() < published) {
    return base::Refuse(
        absl::StatusCode::kFailedPrecondition, "LOG_ROLLED_BACK",
        "a larger checkpoint of this log was published: the log was changed or "
        "restored; a restored log goes on under a new origin and key",
        {{"size", absl::StrCat(checkpoint.size())}, {"published_size", absl::StrCat(published)}});
  }
  base::Decision<google::protobuf::Empty> decision;
  if (checkpoint.size() == published) return decision;
  *decision.Add<v1::AuditEvent>(log.has_value() ? *log : context.ids->Next())
       .mutable_checkpoint_signed() = checkpoint;
  return decision;
}

void AuditRules::Evolve(State& state, const Event& event) {
  state.set_origin(event.checkpoint_signed().origin());
  state.set_size(event.checkpoint_signed().size());
}

std::vector<base::Entry> AuditRules::Index(const State& state) {
  return {{kLogByOrigin, base::Key({state.origin()}), "", true}};
}

}  // namespace fettle::audit
