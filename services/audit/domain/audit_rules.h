// The rules of audit: which signed checkpoints become events.
//
// A stream is a log, found by its origin. The checkpoint itself is the request: the log signs it,
// these rules only see that each event says more than the one before.
#ifndef FETTLE_SERVICES_AUDIT_DOMAIN_AUDIT_RULES_H_
#define FETTLE_SERVICES_AUDIT_DOMAIN_AUDIT_RULES_H_

#include <google/protobuf/empty.pb.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "fettle/audit/v1/audit_events.pb.h"
#include "fettle/audit/v1/audit_state.pb.h"
#include "libs/base/decide.h"

namespace fettle::audit {

// Entries. Numbers are never reused.
inline constexpr int kLogByOrigin = 1;  // unique: origin

struct AuditRules {
  using Event = v1::AuditEvent;
  using State = v1::AuditState;
  static constexpr std::string_view kService = "audit";
  static constexpr int64_t kCodeVersion = 1;

  static base::Reads ReadsOf(const v1::CheckpointSigned& checkpoint, const base::View& view);
  // Nothing is asked of other services.
  template <class Request>
  static base::Questions QuestionsOf(const Request&, const base::View&) {
    return {};
  }

  // One event, or none when the log has not grown since the last one. FAILED_PRECONDITION
  // LOG_ROLLED_BACK when a larger checkpoint of this log was published.
  static absl::StatusOr<base::Decision<google::protobuf::Empty>> Decide(
      const base::View& view, const v1::CheckpointSigned& checkpoint, const base::Context& context);

  static void Evolve(State& state, const Event& event);
  static std::vector<base::Entry> Index(const State& state);
  static std::vector<base::Timer> Timers(const State&) { return {}; }
  static std::vector<base::Entry> Facts(const Event&) { return {}; }
  // A checkpoint is about nobody.
  static std::vector<std::string> Subjects(const State&) { return {}; }
  static int64_t Pence(const Event&) { return 0; }
};

}  // namespace fettle::audit

#endif  // FETTLE_SERVICES_AUDIT_DOMAIN_AUDIT_RULES_H_
