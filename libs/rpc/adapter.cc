#include "libs/rpc/adapter.h"

#include <exception>

#include "absl/functional/function_ref.h"
#include "libs/base/date.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/crypto/digest.h"
#include "libs/rpc/limits.h"
#include "libs/rpc/private_words.h"
#include "libs/rpc/status_map.h"

namespace fettle::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Evidence is gathered anew this often when the state moved on between asking and deciding.
constexpr int kAttemptsMax = 2;
constexpr std::string_view kStale = "EVIDENCE_STALE";

std::optional<int64_t> ExpectedVersion(const Message& request) {
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName("expected_version");
  if (field == nullptr || !request.GetReflection()->HasField(request, field)) return std::nullopt;
  return request.GetReflection()->GetInt64(request, field);
}

// What a service brings runs in here: an exception would take a thread along that others need.
absl::Status Caught(absl::FunctionRef<absl::Status()> work) {
  std::string cause = "of an unknown type";
  try {
    return work();
  } catch (const std::exception& thrown) {
    cause = thrown.what();
  } catch (...) {
  }
  base::Log(base::Level::kError, "a rule threw", {{"cause", cause}});
  return absl::InternalError("a rule threw");
}

// Never got in: counted and logged.
bool IsTurnedAway(const absl::Status& status) {
  return absl::IsUnauthenticated(status) || absl::IsResourceExhausted(status) ||
         absl::IsUnavailable(status);
}

// Calls that never got in, or that nobody waits for any more, are not journalled.
bool LeavesAccessRecord(const absl::Status& status) {
  return !status.ok() && !IsTurnedAway(status) && !absl::IsDeadlineExceeded(status) &&
         !absl::IsCancelled(status);
}

bool AsksNothing(const base::Questions& questions) {
  return questions.people.empty() && questions.competences.empty() &&
         questions.organisations.empty() && questions.seal_for.empty();
}

}  // namespace

void CallMetrics::Count(const MethodInfo& method, const absl::Status& status, absl::Duration time) {
  const std::pair<const MethodInfo*, absl::StatusCode> key(&method, status.code());
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
        {{"method", method.full_name}, {"code", absl::StatusCodeToString(status.code())}});
    absl::MutexLock lock(&mutex_);
    counted_.try_emplace(key, counted);
  }
  counted.seconds->Observe(absl::ToDoubleSeconds(time));
  counted.calls->Increment();
  int64_t left_out = 0;
  if (!IsTurnedAway(status) || !turned_away_.Take(&left_out)) return;
  base::Log(base::Level::kWarning, "a call was turned away",
            {{"method", method.full_name},
             {"code", absl::StatusCodeToString(status.code())},
             {"reason", base::ReasonOf(status)},
             {"left_out", left_out}});
}

void CallMetrics::Ready(const MethodInfo& method, absl::Duration time) {
  base::Histogram* seconds = nullptr;
  {
    absl::ReaderMutexLock lock(&mutex_);
    if (const auto it = ready_.find(&method); it != ready_.end()) seconds = it->second;
  }
  if (seconds == nullptr) {
    seconds = &metrics_->AddHistogram(
        "fettle_query_ready_seconds",
        "Time from a query's arrival to its answer, without the wait for its access record",
        base::LatencyBucketsSeconds(), {{"method", method.full_name}});
    absl::MutexLock lock(&mutex_);
    ready_.try_emplace(&method, seconds);
  }
  seconds->Observe(absl::ToDoubleSeconds(time));
}

void RecordRefusal(journal::Journal& journal, const journal::CallInfo& call,
                   const absl::Status& status, std::vector<std::string> subjects,
                   std::function<void(const absl::Status&)> done) {
  if (!LeavesAccessRecord(status)) return done(status);
  std::string reason = base::ReasonOf(status);
  if (reason.empty()) reason = absl::StatusCodeToString(status.code());
  journal.Record(call, journal::v1::OUTCOME_REFUSED, reason, std::move(subjects),
                 [status, done = std::move(done)](const absl::Status& recorded) {
                   done(recorded.ok() ? status : recorded);
                 });
}

bool UnaryCall::Cancelled() const { return context_.IsCancelled(); }

absl::Status UnaryCall::Enter(const Message& request) {
  method = &MethodOf(request.GetDescriptor());
  return rpc::Enter(context_, request, *parts_.tokens, &call);
}

Asker UnaryCall::AskerOf() const {
  return {call.deadline, BearerOf(context_), call.traceparent, call.correlation_id};
}

void UnaryCall::FinishNow(const absl::Status& status) {
  parts_.call_metrics->Count(*method, status, absl::Now() - start_);
  reactor_->Finish(ToGrpc(status, parts_.journal->model().service));
}

void UnaryCall::Finish(const absl::Status& status, const std::vector<std::string>& subjects) {
  RecordRefusal(*parts_.journal, call, status, subjects,
                [self = shared_from_this()](const absl::Status& told) { self->FinishNow(told); });
}

// The command as the journal holds it.
class CommandCall::Queued final : public journal::Command {
 public:
  explicit Queued(std::shared_ptr<CommandCall> owner) : owner_(std::move(owner)) {}

  base::Reads ReadsOf(const base::View& view) const override { return owner_->ReadsOf(view); }
  absl::StatusOr<journal::AnyDecision> Decide(const base::View& view,
                                              const base::Context& context) const override {
    absl::StatusOr<journal::AnyDecision> decision;
    FETTLE_RETURN_IF_ERROR(Caught([&] {
      decision = owner_->Decide(view, context);
      return decision.status();
    }));
    return decision;
  }
  void Done(journal::Answer answer) override {
    owner_->call = std::move(call);
    owner_->Answered(std::move(answer));
  }
  bool TriesAgain(const absl::Status& status) const override { return owner_->TriesAgain(status); }
  bool Cancelled() const override { return owner_->Cancelled(); }

 private:
  const std::shared_ptr<CommandCall> owner_;
};

void CommandCall::Run() {
  const absl::Status status = Caught([&] { return Begin(); });
  if (!status.ok()) Finish(status, {});
}

absl::Status CommandCall::Begin() {
  FETTLE_RETURN_IF_ERROR(Enter(request()));
  bytes_ = request().SerializeAsString();
  request_hmac_ = crypto::HmacSha256(parts_.hmac_key, bytes_);
  expected_version_ = ExpectedVersion(request());
  FETTLE_RETURN_IF_ERROR(Prepare());
  has_words_ = HasText(request());
  // Most commands' questions follow from the request alone, and most answers are known.
  const base::View probe = base::View::Probing();
  const base::Questions questions = Wanted(QuestionsOf(probe));
  std::optional<Gathered> known;
  if (!probe.missed()) {
    known = AsksNothing(questions) ? Gathered() : parts_.evidence->Known(questions);
  }
  if (known.has_value()) {
    Queue(*std::move(known));
  } else {
    Look();
  }
  return absl::OkStatus();
}

void CommandCall::Look() {
  parts_.journal->Query([self = std::static_pointer_cast<CommandCall>(shared_from_this())](
                            absl::StatusOr<journal::JournalSnapshot*> snapshot) {
    if (!snapshot.ok()) return self->Finish(snapshot.status(), {});
    const absl::Status status = Caught([&] { return self->Looked(**snapshot); });
    if (!status.ok()) self->Finish(status, (*snapshot)->subjects());
  });
}

absl::Status CommandCall::Looked(const journal::JournalSnapshot& snapshot) {
  // A repeated request is answered before anybody is asked anything.
  FETTLE_ASSIGN_OR_RETURN(const std::optional<journal::StoredReceipt> receipt,
                          snapshot.Receipt(journal::ReceiptKeyOf(call.caller, call.request_id)));
  if (receipt.has_value()) {
    Queue({});
    return absl::OkStatus();
  }
  FETTLE_ASSIGN_OR_RETURN(const base::View view,
                          snapshot.ViewOf([&](const base::View& v) { return ReadsOf(v); }));
  const base::Questions questions = Wanted(QuestionsOf(view));
  if (questions.make_key) FETTLE_RETURN_IF_ERROR(Rehearse(view, questions));
  Ask(questions);
  return absl::OkStatus();
}

// A key that is made stays for ever: whoever is refused as things stand gets none.
absl::Status CommandCall::Rehearse(const base::View& view, const base::Questions& questions) const {
  base::Evidence evidence;
  evidence.has_words = has_words_;
  evidence.sealed_for = questions.seal_for;
  base::Context context;
  context.time = parts_.clock->Now();
  context.today = base::LondonDate(context.time);
  context.caller = call.caller;
  context.request_id = call.request_id;
  context.correlation_id = call.correlation_id;
  context.evidence = &evidence;
  base::IdSource ids(context.time, base::RandomSeed());
  context.ids = &ids;
  const absl::Status status = Decide(view, context).status();
  return base::ReasonOf(status) == kStale ? absl::OkStatus() : status;
}

// Nobody's key is needed for a request without words; but whoever is registered without any has one
// for those that come later.
base::Questions CommandCall::Wanted(base::Questions questions) const {
  if (!has_words_ && !questions.make_key) questions.seal_for.clear();
  return questions;
}

void CommandCall::Ask(const base::Questions& questions) {
  if (AsksNothing(questions)) return Queue({});
  parts_.evidence->Gather(
      questions, AskerOf(),
      [self = std::static_pointer_cast<CommandCall>(shared_from_this())](
          absl::StatusOr<Gathered> gathered) {
        if (gathered.ok()) return self->Queue(*std::move(gathered));
        // Nobody can be asked now, but the same request may have been decided meanwhile.
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
  auto command =
      std::make_unique<Queued>(std::static_pointer_cast<CommandCall>(shared_from_this()));
  command->call = std::move(call);  // back in Done
  command->evidence = std::move(gathered.evidence);
  command->evidence.has_words = has_words_;
  if (has_words_) {
    if (gathered.key != nullptr) {
      SealWords(request(), *gathered.key);
      command->evidence.sealed_for = gathered.key->person_id;
    } else {
      // Nothing is kept unsealed. The command is a repeated one, or it is stale.
      DropText(request());
    }
  }
  command->expected_version = expected_version_;
  command->request_hmac = request_hmac_;
  command->bytes = static_cast<int64_t>(bytes_.size());
  ++attempts_;
  parts_.journal->Submit(std::move(command));
}

// Evidence that is gathered again may name another person to seal the words for.
absl::Status CommandCall::Restore() {
  if (!request().ParseFromString(bytes_)) {
    return absl::InternalError("a request cannot be read again");
  }
  return Prepare();
}

bool CommandCall::TriesAgain(const absl::Status& status) const {
  return attempts_ < kAttemptsMax && base::ReasonOf(status) == kStale;
}

void CommandCall::Answered(journal::Answer answer) {
  if (answer.status.ok()) {
    if (answer.message != nullptr) {
      response().GetReflection()->Swap(&response(), answer.message.get());
    } else if (!response().ParseFromString(answer.response)) {
      return FinishNow(absl::InternalError("a stored response cannot be read"));
    }
    if (answer.replayed) context_.AddTrailingMetadata(kReplayedHeader, "true");
  } else if (TriesAgain(answer.status)) {
    answer.status = Caught([&] { return Restore(); });
    if (answer.status.ok()) return Look();
  }
  // The writer has stored the refusal's access record with the batch.
  FinishNow(answer.status);
}

void QueryCall::Run() {
  const absl::Status status = Caught([&] { return Begin(); });
  if (!status.ok()) Finish(status, {});
}

absl::Status QueryCall::Begin() {
  FETTLE_RETURN_IF_ERROR(Enter(request()));
  FETTLE_RETURN_IF_ERROR(Prepare());
  parts_.journal->Query([self = std::static_pointer_cast<QueryCall>(shared_from_this())](
                            absl::StatusOr<journal::JournalSnapshot*> snapshot) {
    if (!snapshot.ok()) return self->Finish(snapshot.status(), {});
    self->Read(**snapshot);
  });
  return absl::OkStatus();
}

void QueryCall::Read(const journal::JournalSnapshot& snapshot) {
  if (Cancelled() || absl::Now() > call.deadline) {
    return Finish(absl::DeadlineExceededError("the deadline passed before the read"), {});
  }
  base::Context context;
  context.time = parts_.clock->Now();
  context.today = base::LondonDate(context.time);
  context.caller = call.caller;
  bool opened = false;
  const absl::Status status = Caught([&]() -> absl::Status {
    FETTLE_RETURN_IF_ERROR(Answer(snapshot, context));
    FETTLE_ASSIGN_OR_RETURN(opened, OpenAtDoor());
    return absl::OkStatus();
  });
  if (!status.ok()) return Finish(status, snapshot.subjects());
  if (opened) return Leave(snapshot.subjects());
  OpenWords(snapshot.subjects());
}

void QueryCall::OpenWords(std::vector<std::string> subjects) {
  if (!HasSealed(response())) return Leave(std::move(subjects));
  if (subjects.size() != 1) {
    return Finish(absl::InternalError("sealed words of several people in one answer"), subjects);
  }
  base::Questions questions;
  questions.seal_for = subjects.front();
  parts_.evidence->Gather(questions, AskerOf(),
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
  parts_.call_metrics->Ready(*method, absl::Now() - start_);
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
