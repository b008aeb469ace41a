#include "services/audit/checkpoint_publisher.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/text.h"
#include "libs/base/uuid.h"
#include "services/audit/domain/audit_rules.h"

namespace fettle::audit {

// A command of the service itself, as a timer's is.
class CheckpointPublisher::Publish final : public journal::Command {
 public:
  Publish(v1::CheckpointSigned checkpoint, std::shared_ptr<Outcome> outcome, absl::Time now)
      : checkpoint_(std::move(checkpoint)), outcome_(std::move(outcome)) {
    call.method = "service:PublishCheckpoint";
    call.caller.subject = std::string(AuditRules::kService);
    call.caller.is_service = true;
    // A new one each time: the rules see what was published, and a receipt would hide a log that
    // was rolled back to a size of then.
    call.request_id = base::IdSource(now, base::RandomSeed()).Next();
  }

  base::Reads ReadsOf(const base::View& view) const override {
    return AuditRules::ReadsOf(checkpoint_, view);
  }
  absl::StatusOr<journal::AnyDecision> Decide(const base::View& view,
                                              const base::Context& context) const override {
    absl::StatusOr<base::Decision<google::protobuf::Empty>> decision =
        AuditRules::Decide(view, checkpoint_, context);
    if (!decision.ok()) return decision.status();
    return journal::AnyDecision{std::move(decision->events),
                                std::make_unique<google::protobuf::Empty>()};
  }
  void Done(journal::Answer answer) override {
    if (!answer.status.ok()) {
      base::Log(base::Level::kWarning, "a checkpoint was not published",
                {{"size", checkpoint_.size()}, {"cause", base::ToStd(answer.status.message())}});
    }
    absl::MutexLock lock(&outcome_->mutex);
    if (answer.status.ok()) {
      outcome_->published_size =
          std::max(outcome_->published_size, static_cast<uint64_t>(checkpoint_.size()));
    } else if (absl::IsFailedPrecondition(answer.status)) {
      outcome_->failure = std::move(answer.status);
    }
  }

 private:
  const v1::CheckpointSigned checkpoint_;
  const std::shared_ptr<Outcome> outcome_;
};

CheckpointPublisher::CheckpointPublisher(std::string origin, absl::Duration interval,
                                         journal::Journal* journal, const base::Clock* clock)
    : origin_(std::move(origin)), interval_(interval), journal_(journal), clock_(clock) {}

void CheckpointPublisher::Offer(uint64_t size, const std::string& note) {
  {
    absl::MutexLock lock(&outcome_->mutex);
    if (size == outcome_->published_size) return;
  }
  const absl::Time now = clock_->Now();
  const absl::Duration waited = now - last_time_;
  // A clock that was set back holds nothing up.
  if (waited >= absl::ZeroDuration() && waited < interval_) return;
  last_time_ = now;
  v1::CheckpointSigned checkpoint;
  checkpoint.set_origin(origin_);
  checkpoint.set_size(static_cast<int64_t>(size));
  checkpoint.set_checkpoint(note);
  journal_->Submit(std::make_unique<Publish>(std::move(checkpoint), outcome_, now));
}

absl::Status CheckpointPublisher::failure() const {
  absl::MutexLock lock(&outcome_->mutex);
  return outcome_->failure;
}

}  // namespace fettle::audit
