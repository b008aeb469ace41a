#include "libs/rpc/adapter.h"

#include <algorithm>

#include "libs/base/date.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/crypto/digest.h"
#include "libs/rpc/limits.h"
#include "libs/rpc/private_words.h"
#include "libs/rpc/status_map.h"
#include "libs/rpc/validate.h"

namespace fettle::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Evidence is gathered anew this often when the state moved on between asking and deciding.
constexpr int kAttemptsMax = 2;

std::optional<int64_t> ExpectedVersion(const Message& request) {
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName("expected_version");
  if (field == nullptr || !request.GetReflection()->HasField(request, field)) return std::nullopt;
  return request.GetReflection()->GetInt64(request, field);
}

// Calls that never got in are counted and logged, not journalled.
bool LeavesAccessRecord(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return false;
    default:
      return true;
  }
}

}  // namespace

void CallMetrics::Count(const MethodInfo& method, absl::StatusCode code, absl::Duration time) {
  const std::pair<const MethodInfo*, absl::StatusCode> key(&method, code);
  Counted counted;
  {
    absl::ReaderMutexLock lock(&mutex_);
    if (const auto it = counted_.find(key); it != counted_.end()) counted = it->second;
  }
  if (counted.calls == nullptr) {
    counted.seconds =
        &metrics_->AddHistogram("fettle_call_seconds", "Time from a call's arrival to its answer",
                                base::LatencyBucketsSeconds(), {{"method", method.full_name}});
    counted.calls = &metrics_->AddCounter(
        "fettle_calls_total", "Calls answered",
        {{"method", method.full_name}, {"code", absl::StatusCodeToString(code)}});
    absl::MutexLock lock(&mutex_);
    counted_.try_emplace(key, counted);
  }
  counted.seconds->Observe(absl::ToDoubleSeconds(time));
  counted.calls->Increment();
}

bool UnaryCall::Cancelled() const { return context_.IsCancelled(); }

absl::Status UnaryCall::Enter(const Message& request) {
  method = &MethodOf(request.GetDescriptor());
  FETTLE_ASSIGN_OR_RETURN(call, Authenticate(context_, *method, *parts_.tokens));
  FETTLE_RETURN_IF_ERROR(Authorise(*method, call.caller));
  FETTLE_RETURN_IF_ERROR(Validate(request));
  call.request_id = TextField(request, "request_id");
  if (const std::string journey = TextField(request, "correlation_id"); !journey.empty()) {
    call.correlation_id = journey;
  }
  return absl::OkStatus();
}

void UnaryCall::FinishNow(const absl::Status& status) {
  parts_.call_metrics->Count(*method, status.code(), absl::Now() - start_);
  reactor_->Finish(ToGrpc(status, method->service));
}

void UnaryCall::Finish(const absl::Status& status, const std::vector<std::string>& subjects) {
  if (status.ok() || !LeavesAccessRecord(status)) return FinishNow(status);
  std::string reason = base::ReasonOf(status);
  if (reason.empty()) reason = absl::StatusCodeToString(status.code());
  parts_.journal->Record(call, journal::v1::OUTCOME_REFUSED, reason, subjects,
                         [self = shared_from_this(), status](absl::Status recorded) {
                           self->FinishNow(recorded.ok() ? status : recorded);
                         });
}

// The command as the journal holds it.
class CommandCall::Queued final : public journal::Command {
 public:
  explicit Queued(std::shared_ptr<CommandCall> owner) : owner_(std::move(owner)) {}

  base::Reads ReadsOf(const base::View& view) const override { return owner_->ReadsOf(view); }
  absl::StatusOr<journal::AnyDecision> Decide(const base::View& view,
                                              const base::Context& context) const override {
    return owner_->Decide(view, context);
  }
  void Done(journal::Answer answer) override { owner_->Answered(std::move(answer)); }
  bool Cancelled() const override { return owner_->Cancelled(); }

 private:
  const std::shared_ptr<CommandCall> owner_;
};

void CommandCall::Run(const Message& received) {
  absl::Status status = Enter(received);
  if (status.ok()) {
    request_hmac_ = crypto::HmacSha256(parts_.hmac_key, received.SerializeAsString());
    expected_version_ = ExpectedVersion(received);
    status = Prepare();
  }
  if (!status.ok()) return Finish(status, {});
  // Most commands' questions follow from the request alone; only the others wait for a look at the
  // state.
  const base::View probe = base::View::Probing();
  base::Questions questions = QuestionsOf(probe);
  if (probe.missed()) return AskState();
  Ask(questions);
}

void CommandCall::AskState() {
  parts_.journal->Query([self = std::static_pointer_cast<CommandCall>(shared_from_this())](
                            absl::StatusOr<journal::JournalSnapshot*> snapshot) {
    if (!snapshot.ok()) return self->Finish(snapshot.status(), {});
    // A repeated request is answered before anybody is asked anything.
    absl::StatusOr<std::optional<journal::StoredReceipt>> receipt =
        (*snapshot)->Receipt(journal::ReceiptKeyOf(self->call.caller, self->call.request_id));
    if (!receipt.ok()) return self->Finish(receipt.status(), {});
    if (receipt->has_value()) return self->Queue({});
    absl::StatusOr<base::View> view =
        (*snapshot)->ViewOf([&](const base::View& v) { return self->ReadsOf(v); });
    if (!view.ok()) return self->Finish(view.status(), {});
    self->Ask(self->QuestionsOf(*view));
  });
}

void CommandCall::Ask(const base::Questions& wanted) {
  base::Questions questions = wanted;
  if (!HasText(request())) questions.seal_for.clear();
  if (questions.people.empty() && questions.competences.empty() &&
      questions.organisations.empty() && questions.seal_for.empty()) {
    return Queue({});
  }
  parts_.evidence->Gather(
      questions, call.deadline,
      [self = std::static_pointer_cast<CommandCall>(shared_from_this())](
          absl::StatusOr<Gathered> gathered) {
        if (gathered.ok()) return self->Queue(*std::move(gathered));
        // Nobody can be asked now, but the request may have been answered before.
        const absl::Status failure = gathered.status();
        self->parts_.journal->FindReceipt(
            journal::ReceiptKeyOf(self->call.caller, self->call.request_id),
            [self, failure](absl::StatusOr<std::optional<journal::StoredReceipt>> receipt) {
              if (receipt.ok() && receipt->has_value()) return self->Queue({});
              self->Finish(failure, {});
            });
      });
}

void CommandCall::Queue(Gathered gathered) {
  if (gathered.key != nullptr) {
    SealWords(request(), *gathered.key);
  } else {
    DropText(request());
  }
  auto command =
      std::make_unique<Queued>(std::static_pointer_cast<CommandCall>(shared_from_this()));
  command->call = call;
  command->evidence = std::move(gathered.evidence);
  command->expected_version = expected_version_;
  command->request_hmac = request_hmac_;
  ++attempts_;
  parts_.journal->Submit(std::move(command));
}

void CommandCall::Answered(journal::Answer answer) {
  if (answer.status.ok()) {
    if (!response().ParseFromString(answer.response)) {
      return FinishNow(absl::InternalError("a stored response cannot be read"));
    }
    if (answer.replayed) context_.AddTrailingMetadata(kReplayedHeader, "true");
  } else if (base::ReasonOf(answer.status) == "EVIDENCE_STALE" && attempts_ < kAttemptsMax) {
    return AskState();
  }
  // The writer has stored the refusal's access record with the batch.
  FinishNow(answer.status);
}

void QueryCall::Run(const Message& received) {
  absl::Status status = Enter(received);
  if (status.ok()) status = Prepare();
  if (!status.ok()) return Finish(status, {});
  parts_.journal->Query([self = std::static_pointer_cast<QueryCall>(shared_from_this())](
                            absl::StatusOr<journal::JournalSnapshot*> snapshot) {
    if (!snapshot.ok()) return self->Finish(snapshot.status(), {});
    if (self->Cancelled() || absl::Now() > self->call.deadline) {
      return self->Finish(absl::DeadlineExceededError("the deadline passed before the read"), {});
    }
    base::Context context;
    context.time = absl::Now();
    context.today = base::LondonDate(context.time);
    context.caller = self->call.caller;
    const absl::Status status = self->Answer(**snapshot, context);
    if (!status.ok()) return self->Finish(status, (*snapshot)->subjects());
    const absl::StatusOr<bool> opened = self->OpenAtDoor();
    if (!opened.ok()) return self->Finish(opened.status(), (*snapshot)->subjects());
    if (*opened) return self->Leave((*snapshot)->subjects());
    self->OpenWords((*snapshot)->subjects());
  });
}

void QueryCall::OpenWords(std::vector<std::string> subjects) {
  if (!HasSealed(response())) return Leave(std::move(subjects));
  if (subjects.size() != 1) {
    return Finish(absl::InternalError("sealed words of several people in one answer"), subjects);
  }
  base::Questions questions;
  questions.seal_for = subjects.front();
  parts_.evidence->Gather(questions, call.deadline,
                          [self = std::static_pointer_cast<QueryCall>(shared_from_this()),
                           subjects](absl::StatusOr<Gathered> gathered) {
                            if (!gathered.ok()) return self->Finish(gathered.status(), subjects);
                            const absl::Status opened =
                                rpc::OpenWords(self->response(), *gathered->key);
                            if (!opened.ok()) return self->Finish(opened, subjects);
                            self->Leave(subjects);
                          });
}

void QueryCall::Leave(std::vector<std::string> subjects) {
  for (std::string& person : MorePeople()) subjects.push_back(std::move(person));
  if (!method->policy.reads_personal_data()) return FinishNow(absl::OkStatus());
  parts_.journal->Record(call, journal::v1::OUTCOME_ALLOWED, "", std::move(subjects),
                         [self = shared_from_this()](absl::Status recorded) {
                           // What cannot be recorded does not happen (INV-132).
                           std::static_pointer_cast<QueryCall>(self)->FinishRead(recorded);
                         });
}

void QueryCall::FinishRead(const absl::Status& recorded) {
  if (!recorded.ok()) response().Clear();
  FinishNow(recorded);
}

}  // namespace fettle::rpc
