#include "libs/journal/journal.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/date.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/uuid.h"
#include "libs/crypto/digest.h"
#include "libs/journal/private_half.h"

namespace fettle::journal {
namespace {

using base::Entry;
using base::View;

constexpr std::string_view kCodeVersionCursor = "code_version";
constexpr int kRefoldEventsPerBatch = 2'000;
constexpr int kTimersPerCheckMax = 256;
constexpr absl::Duration kTimerCheckInterval = absl::Seconds(1);
constexpr absl::Duration kPruneInterval = absl::Minutes(1);
constexpr int kPruneReceiptsMax = 10'000;

void SetTime(common::v1::EventHeader& header, absl::Time time) {
  const int64_t nanos = absl::ToUnixNanos(time);
  header.mutable_time()->set_seconds(nanos / 1'000'000'000);
  header.mutable_time()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
}

absl::Time TimeOf(const common::v1::EventHeader& header) {
  return absl::FromUnixSeconds(header.time().seconds()) + absl::Nanoseconds(header.time().nanos());
}

// One letter per kind keeps the two logs' ids apart: (source, id) and id alone are unique.
std::string EventId(const Model& model, const JournalOptions& options, Log log, int64_t position) {
  return absl::StrCat(model.service, ".", options.journal, log == Log::kAccess ? ".access." : ".",
                      position);
}

StoredEntry ToStored(const Entry& entry, const std::string& stream, int64_t position, bool fact) {
  return {entry.index, entry.key, entry.sort, stream, entry.unique, fact, position};
}

absl::StatusOr<std::shared_ptr<const Message>> ParseState(const Model& model,
                                                          const std::string& bytes) {
  std::shared_ptr<Message> state(model.state->New());
  if (!state->ParseFromString(bytes)) {
    return absl::DataLossError("a stored state cannot be read");
  }
  return state;
}

absl::StatusOr<View::Stream> ToStream(const Model& model, const StoredState& stored) {
  FETTLE_ASSIGN_OR_RETURN(auto state, ParseState(model, stored.state));
  return View::Stream{stored.version, stored.position, std::move(state)};
}

absl::Status Overloaded() {
  return base::Exhausted("JOURNAL_QUEUE_FULL", "too many commands wait; try again",
                         absl::Seconds(1));
}

absl::Status Stopping() {
  return base::Unavailable("SERVICE_STOPPING", "the service is stopping; try again",
                           absl::Seconds(2));
}

}  // namespace

ReceiptKey ReceiptKeyOf(const base::Caller& caller, const std::string& request_id) {
  return {base::UuidToBytes(request_id),
          caller.organisation + std::string(1, '\0') + caller.Name()};
}

CallInfo TimerCall(const Model& model, const base::TimerDue& due) {
  CallInfo call;
  call.method = absl::StrCat("timer:", due.name);
  call.caller.subject = model.service;
  call.caller.is_service = true;
  call.request_id =
      crypto::UuidV5(due.stream_id, absl::StrCat(due.name, "@", absl::ToUnixMicros(due.due)));
  return call;
}

// The state of one batch: what was loaded, overlaid with what was decided, and what will be
// written.
class Journal::Batch {
 public:
  Batch(Journal& journal, absl::Time time) : journal_(journal), time_(time) {
    events_position_ = journal.events_position_.load();
    access_position_ = journal.access_position_.load();
    today_ = base::LondonDate(time);
  }

  // Loads what all commands name, in few round trips.
  absl::Status Preload(const std::vector<Item>& items) {
    LoadRequest request;
    std::vector<ReceiptKey> keys;
    for (const Item& item : items) {
      if (item.receipt != nullptr) keys.push_back(item.receipt->key);
      if (item.command == nullptr) continue;
      keys.push_back(ReceiptKeyOf(item.command->call.caller, item.command->call.request_id));
      Want(item.command->ReadsOf(View::Probing()), request);
    }
    request.receipts = keys;
    FETTLE_ASSIGN_OR_RETURN(LoadResult result, journal_.store_->Load(request));
    for (size_t i = 0; i < keys.size(); ++i) {
      if (result.receipts[i].has_value()) receipts_[keys[i]] = *std::move(result.receipts[i]);
    }
    return Keep(request, result);
  }

  // Decides one command; its effects are in the batch when it was accepted.
  Answer Decide(Command& command) {
    journal_.commands_.Increment();
    if (command.Cancelled() || journal_.clock_->Now() > command.call.deadline) {
      return {
          absl::DeadlineExceededError("the caller's deadline passed before the decision"), {}, {}};
    }
    const ReceiptKey key = ReceiptKeyOf(command.call.caller, command.call.request_id);
    if (auto it = receipts_.find(key); it != receipts_.end()) return Replay(command, it->second);

    absl::StatusOr<Accepted> accepted = TryDecide(command);
    if (!accepted.ok()) {
      journal_.refusals_.Increment();
      if (command.timer.has_value()) ParkTimer(*command.timer, accepted.status());
      AddAccess(command.call, v1::OUTCOME_REFUSED, accepted.status(), subjects_seen_);
      return {accepted.status(), {}, {}};
    }
    Apply(command, *accepted, key);
    return {absl::OkStatus(), std::move(accepted->response_bytes),
            accepted->response->GetTypeName()};
  }

  void AddAccess(const CallInfo& call, v1::Outcome outcome, const absl::Status& status,
                 const std::vector<std::string>& subjects) {
    v1::AccessEvent record;
    record.mutable_access_recorded()->set_method(call.method);
    record.mutable_access_recorded()->set_outcome(outcome);
    if (!status.ok()) {
      const std::string reason = base::ReasonOf(status);
      record.mutable_access_recorded()->set_reason(
          reason.empty() ? absl::StatusCodeToString(status.code()) : reason);
    }
    FillCaller(call, *record.mutable_header());
    for (const std::string& subject : subjects) record.mutable_header()->add_subjects(subject);
    AddAccess(std::move(record));
  }

  void AddAccess(v1::AccessEvent record) {
    common::v1::EventHeader& header = *record.mutable_header();
    header.set_source(journal_.source(Log::kAccess));
    header.set_position(++access_position_);
    header.set_id(EventId(journal_.model_, journal_.options_, Log::kAccess, access_position_));
    header.set_stream_id(base::IdSource(time_, base::RandomSeed()).Next());
    // A call outside any journey is a journey of its own: every event has one (INV-164).
    if (header.correlation_id().empty()) header.set_correlation_id(header.stream_id());
    header.set_version(1);
    header.set_type("uk.nhs.fettle.access.AccessRecorded.v1");
    header.set_reader_may_ignore(true);
    SetTime(header, time_);
    StoredEvent stored;
    stored.position = access_position_;
    stored.value = record.SerializeAsString();
    write_.access.push_back(std::move(stored));
  }

  void AddCursors(std::vector<StoredCursor>&& cursors) {
    for (StoredCursor& cursor : cursors) write_.cursors.push_back(std::move(cursor));
  }

  std::optional<StoredReceipt> Receipt(const ReceiptKey& key) const {
    auto it = receipts_.find(key);
    if (it == receipts_.end()) return std::nullopt;
    return it->second;
  }

  // The transaction. Afterwards the batch is spent.
  absl::Status Commit() {
    for (auto& [stream_id, change] : changes_) {
      const View::Stream& stream = streams_.at(stream_id).value();
      const std::string stream_bytes = base::UuidToBytes(stream_id);
      std::string bytes;
      FETTLE_CHECK(stream.state->SerializeToString(&bytes), "a state can be serialised");
      write_.states.push_back({stream_bytes, stream.version, stream.position, std::move(bytes)});
      DiffEntries(stream_bytes, change.before, journal_.model_.index(*stream.state),
                  stream.position);
      DiffTimers(stream_bytes, change.timers_before, journal_.model_.timers(*stream.state));
    }
    if (write_.events.empty() && write_.access.empty() && write_.cursors.empty() &&
        write_.receipts.empty() && write_.timers_added.empty()) {
      return absl::OkStatus();
    }
    return journal_.store_->Commit(write_);
  }

  int64_t events_position() const { return events_position_; }
  int64_t access_position() const { return access_position_; }
  size_t events() const { return write_.events.size(); }

 private:
  struct Accepted {
    std::vector<StoredEvent> events;
    std::vector<StoredEntry> facts;
    std::map<std::string, View::Stream> streams;  // after the command
    std::unique_ptr<Message> response;
    std::string response_bytes;
  };
  // Entries and timers of a stream as they stand in the store.
  struct Change {
    std::vector<Entry> before;
    std::vector<base::Timer> timers_before;
  };

  // Adds to the request what is named and neither loaded nor asked for yet; says whether there was
  // any.
  bool Want(const base::Reads& reads, LoadRequest& request) {
    bool any = false;
    for (const std::string& stream : reads.streams) {
      if (streams_.contains(stream) || !base::IsUuid(stream)) continue;
      if (!wanted_streams_.insert(stream).second) continue;
      request.streams.push_back(base::UuidToBytes(stream));
      any = true;
    }
    for (const auto& key : reads.unique) {
      if (holders_.contains(key) || !wanted_holders_.insert(key).second) continue;
      request.unique.push_back(key);
      any = true;
    }
    return any;
  }

  absl::Status Keep(const LoadRequest& request, LoadResult& result) {
    wanted_streams_.clear();
    wanted_holders_.clear();
    for (size_t i = 0; i < request.streams.size(); ++i) {
      std::optional<View::Stream> stream;
      if (result.states[i].has_value()) {
        FETTLE_ASSIGN_OR_RETURN(stream, ToStream(journal_.model_, *result.states[i]));
      }
      streams_.insert_or_assign(base::UuidFromBytes(request.streams[i]), std::move(stream));
    }
    LoadRequest more;  // the streams that hold the entries
    for (size_t i = 0; i < request.unique.size(); ++i) {
      std::optional<std::string> holder;
      if (result.holders[i].has_value()) {
        holder = base::UuidFromBytes(*result.holders[i]);
        Want({{*holder}, {}}, more);
      }
      holders_.insert_or_assign(request.unique[i], std::move(holder));
    }
    if (more.streams.empty()) return absl::OkStatus();
    FETTLE_ASSIGN_OR_RETURN(LoadResult loaded, journal_.store_->Load(more));
    return Keep(more, loaded);
  }

  void FillView(const base::Reads& reads, View& view) const {
    for (const auto& key : reads.unique) {
      auto it = holders_.find(key);
      if (it == holders_.end()) continue;
      view.PutHolder(key.first, key.second, it->second);
      if (it->second.has_value()) FillStream(*it->second, view);
    }
    for (const std::string& stream : reads.streams) FillStream(stream, view);
  }

  void FillStream(const std::string& id, View& view) const {
    auto it = streams_.find(id);
    if (it != streams_.end()) {
      view.Put(id, it->second.value_or(View::Stream{}));
    } else if (!base::IsUuid(id)) {
      view.Put(id, {});
    }
  }

  // Everything that the command names is in the view, however far what it names depends on what it
  // finds.
  absl::StatusOr<View> CompleteView(const Command& command, base::Reads* last_reads) {
    View view;
    for (int round = 0; round <= kReadRoundsMax; ++round) {
      const View probe = View::Probing();
      *last_reads = command.ReadsOf(round == 0 ? probe : view);
      LoadRequest request;
      if (Want(*last_reads, request)) {
        FETTLE_ASSIGN_OR_RETURN(LoadResult result, journal_.store_->Load(request));
        FETTLE_RETURN_IF_ERROR(Keep(request, result));
      }
      bool grew = false;
      for (const auto& key : last_reads->unique) grew |= !view.HasKey(key.first, key.second);
      for (const auto& stream : last_reads->streams) grew |= !view.Has(stream);
      if (!grew) return view;
      FillView(*last_reads, view);
      // What it names does not depend on what it finds: there is no second round.
      if (round == 0 && !probe.missed()) return view;
    }
    return view;
  }

  absl::StatusOr<Accepted> TryDecide(Command& command) {
    subjects_seen_.clear();
    base::Reads reads;
    FETTLE_ASSIGN_OR_RETURN(View view, CompleteView(command, &reads));
    const View::Stream* target = reads.streams.empty() ? nullptr : view.Find(reads.streams.front());
    for (const std::string& id : reads.streams) {
      const View::Stream* stream = view.Find(id);
      if (stream == nullptr) continue;
      for (std::string& subject : journal_.model_.subjects(*stream->state)) {
        if (std::find(subjects_seen_.begin(), subjects_seen_.end(), subject) ==
            subjects_seen_.end()) {
          subjects_seen_.push_back(std::move(subject));
        }
      }
    }

    base::IdSource ids(time_, base::RandomSeed());
    base::Context context;
    context.time = time_;
    context.today = today_;
    context.caller = command.call.caller;
    context.request_id = command.call.request_id;
    context.correlation_id = command.call.correlation_id;
    context.evidence = &command.evidence;
    context.ids = &ids;
    if (context.correlation_id.empty() && target != nullptr) {
      context.correlation_id = CorrelationOf(*target->state);
    }
    if (context.correlation_id.empty()) context.correlation_id = ids.Next();

    absl::StatusOr<AnyDecision> decision = command.Decide(view, context);
    // Whoever may not know of the stream learns nothing from its version; everybody else learns
    // first that it moved on.
    const bool hidden =
        absl::IsNotFound(decision.status()) || absl::IsPermissionDenied(decision.status());
    if (command.expected_version.has_value() && !hidden) {
      const int64_t version = target == nullptr ? 0 : target->version;
      if (version != *command.expected_version) {
        return base::Refuse(absl::StatusCode::kAborted, "VERSION_MISMATCH",
                            "the record has another version than expected; read it again",
                            {{"current_version", absl::StrCat(version)}});
      }
    }
    if (!decision.ok()) return decision.status();
    return Evolve(command, context, view, *std::move(decision));
  }

  absl::StatusOr<Accepted> Evolve(const Command& command, const base::Context& context,
                                  const View& view, AnyDecision decision) {
    Accepted accepted;
    common::v1::CommandResult result;
    int64_t position = events_position_;
    for (base::NewEvent& fresh : decision.events) {
      auto [it, is_new] = accepted.streams.try_emplace(fresh.stream_id);
      View::Stream& stream = it->second;
      std::shared_ptr<Message> state(journal_.model_.state->New());
      if (is_new) {
        // A stream that decide did not look at must be new: its id came from context.ids.
        if (view.Has(fresh.stream_id)) {
          if (const View::Stream* known = view.Find(fresh.stream_id)) stream = *known;
        } else {
          FETTLE_CHECK(
              !streams_.contains(fresh.stream_id) || !streams_.at(fresh.stream_id).has_value(),
              "an event for a stream that reads() did not name");
        }
      }
      if (stream.state != nullptr) state->CopyFrom(*stream.state);

      Message& event = *fresh.event;
      const EventType type = TypeOf(event);
      common::v1::EventHeader& header = MutableHeader(event);
      // A rule that opens a stream inside a journey names the journey itself.
      const std::string named = header.correlation_id();
      header.set_source(journal_.source(Log::kEvents));
      header.set_position(++position);
      header.set_previous_position(stream.position);
      header.set_stream_id(fresh.stream_id);
      header.set_version(stream.version + 1);
      header.set_type(
          absl::StrCat("uk.nhs.fettle.", journal_.model_.service, ".", type.name, ".v1"));
      header.set_reader_may_ignore(type.reader_may_ignore);
      header.set_id(EventId(journal_.model_, journal_.options_, Log::kEvents, position));
      SetTime(header, time_);
      FillCaller(command.call, header);
      std::string journey = named;
      if (journey.empty() && stream.state != nullptr) journey = CorrelationOf(*stream.state);
      header.set_correlation_id(journey.empty() ? context.correlation_id : journey);

      journal_.model_.evolve(*state, event);
      for (const std::string& subject : journal_.model_.subjects(*state)) {
        header.add_subjects(subject);
      }
      StoredEvent stored;
      stored.position = position;
      stored.stream = base::UuidToBytes(fresh.stream_id);
      stored.version = header.version();
      for (const Entry& fact : journal_.model_.facts(event)) {
        accepted.facts.push_back(ToStored(fact, stored.stream, position, true));
      }
      stored.private_half = TakePrivateHalf(event);
      if (!stored.private_half.empty()) {
        header.set_private_sha256(crypto::Sha256(stored.private_half));
      }
      FETTLE_CHECK(event.SerializeToString(&stored.value), "an event can be serialised");
      if (static_cast<int64_t>(stored.value.size()) > journal_.options_.event_bytes_max) {
        return base::Refuse(absl::StatusCode::kInvalidArgument, "EVENT_TOO_LARGE",
                            absl::StrCat("what the command would record has ", stored.value.size(),
                                         " bytes; at most ", journal_.options_.event_bytes_max,
                                         " can be published"));
      }
      stream.version = header.version();
      stream.position = position;
      stream.state = std::move(state);
      result.add_event_ids(header.id());
      accepted.events.push_back(std::move(stored));
    }
    result.set_commit_position(position);
    for (const auto& [id, stream] : accepted.streams) {
      common::v1::StreamVersion& version = *result.add_versions();
      version.set_stream_id(id);
      version.set_version(stream.version);
    }
    accepted.response = std::move(decision.response);
    FillResult(*accepted.response, result);
    accepted.response_bytes = accepted.response->SerializeAsString();
    return accepted;
  }

  static void FillResult(Message& response, const common::v1::CommandResult& result) {
    const google::protobuf::FieldDescriptor* field = response.GetDescriptor()->FindFieldByNumber(1);
    if (field == nullptr || field->message_type() != common::v1::CommandResult::descriptor()) {
      return;
    }
    response.GetReflection()->MutableMessage(&response, field)->CopyFrom(result);
  }

  void Apply(Command& command, Accepted& accepted, const ReceiptKey& key) {
    // Entries go before any come: one may pass from a stream to another.
    for (auto& [id, stream] : accepted.streams) {
      auto [change, is_new] = changes_.try_emplace(id);
      auto known = streams_.find(id);
      if (known == streams_.end() || !known->second.has_value()) continue;
      std::vector<Entry> before = journal_.model_.index(*known->second->state);
      for (const Entry& entry : before) {
        if (entry.unique) holders_.insert_or_assign({entry.index, entry.key}, std::nullopt);
      }
      if (!is_new) continue;
      change->second.before = std::move(before);
      change->second.timers_before = journal_.model_.timers(*known->second->state);
    }
    for (auto& [id, stream] : accepted.streams) {
      for (const Entry& entry : journal_.model_.index(*stream.state)) {
        if (entry.unique) Hold(entry.index, entry.key, id);
      }
      streams_.insert_or_assign(id, std::move(stream));
    }
    for (StoredEntry& fact : accepted.facts) {
      if (fact.unique) Hold(fact.index, fact.key, base::UuidFromBytes(fact.stream));
      write_.entries_added.push_back(std::move(fact));
    }
    for (StoredEvent& event : accepted.events) {
      events_position_ = event.position;
      write_.events.push_back(std::move(event));
    }
    if (command.timer.has_value()) {
      write_.timers_removed.emplace_back(base::UuidToBytes(command.timer->stream_id),
                                         command.timer->name);
    }
    StoredReceipt receipt{key,
                          time_,
                          command.request_hmac,
                          accepted.response->GetTypeName(),
                          accepted.response_bytes,
                          events_position_};
    receipts_.insert_or_assign(key, receipt);
    write_.receipts.push_back(std::move(receipt));
  }

  void Hold(int index, const std::string& key, const std::string& stream) {
    auto [it, is_new] = holders_.try_emplace({index, key}, stream);
    if (is_new) return;
    FETTLE_CHECK(!it->second.has_value() || *it->second == stream,
                 "two streams hold one unique entry: decide did not look");
    it->second = stream;
  }

  Answer Replay(const Command& command, const StoredReceipt& receipt) {
    if (receipt.request_hmac != command.request_hmac) {
      journal_.refusals_.Increment();
      absl::Status refusal = base::Refuse(
          absl::StatusCode::kFailedPrecondition, "REQUEST_ID_REUSED",
          "field request_id: this id was used for a request with other content; use a new UUID");
      AddAccess(command.call, v1::OUTCOME_REFUSED, refusal, {});
      return {refusal, {}, {}};
    }
    if (command.timer.has_value()) {
      write_.timers_removed.emplace_back(base::UuidToBytes(command.timer->stream_id),
                                         command.timer->name);
    }
    return {absl::OkStatus(), receipt.response, receipt.response_type, true};
  }

  void ParkTimer(const base::TimerDue& timer, const absl::Status& cause) {
    std::string reason = base::ReasonOf(cause);
    if (reason.empty()) reason = absl::StatusCodeToString(cause.code());
    write_.timers_added.push_back(
        {timer.due, base::UuidToBytes(timer.stream_id), timer.name, reason});
  }

  void DiffEntries(const std::string& stream, std::vector<Entry> before, std::vector<Entry> after,
                   int64_t position) {
    std::sort(before.begin(), before.end());
    std::sort(after.begin(), after.end());
    std::vector<Entry> gone, come;
    std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                        std::back_inserter(gone));
    std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                        std::back_inserter(come));
    for (const Entry& entry : gone) {
      write_.entries_removed.push_back(ToStored(entry, stream, 0, false));
    }
    for (const Entry& entry : come) {
      write_.entries_added.push_back(ToStored(entry, stream, position, false));
    }
  }

  void DiffTimers(const std::string& stream, const std::vector<base::Timer>& before,
                  const std::vector<base::Timer>& after) {
    for (const base::Timer& timer : before) {
      if (std::none_of(after.begin(), after.end(),
                       [&](const base::Timer& t) { return t.name == timer.name; })) {
        write_.timers_removed.emplace_back(stream, timer.name);
      }
    }
    for (const base::Timer& timer : after) {
      if (std::find(before.begin(), before.end(), timer) == before.end()) {
        write_.timers_added.push_back({timer.due, stream, timer.name, ""});
      }
    }
  }

  static void FillCaller(const CallInfo& call, common::v1::EventHeader& header) {
    header.set_caller(call.caller.Name());
    header.set_organisation(call.caller.organisation);
    header.set_role(call.caller.role);
    header.set_purpose(call.caller.purpose);
    header.set_request_id(call.request_id);
    header.set_correlation_id(call.correlation_id);
    header.set_causation_id(call.causation_id);
    header.set_traceparent(call.traceparent);
  }

  Journal& journal_;
  const absl::Time time_;
  std::string today_;
  int64_t events_position_;
  int64_t access_position_;
  absl::flat_hash_map<std::string, std::optional<View::Stream>> streams_;
  absl::flat_hash_map<std::pair<int, std::string>, std::optional<std::string>> holders_;
  absl::flat_hash_map<ReceiptKey, StoredReceipt> receipts_;
  std::map<std::string, Change> changes_;  // in the order in which they are written
  absl::flat_hash_set<std::string> wanted_streams_;
  absl::flat_hash_set<std::pair<int, std::string>> wanted_holders_;
  std::vector<std::string> subjects_seen_;
  WriteBatch write_;
};

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(Model model, JournalOptions options,
                                                       Store* store, const base::Clock* clock,
                                                       base::Metrics* metrics) {
  std::unique_ptr<Journal> journal(
      new Journal(std::move(model), std::move(options), store, clock, metrics));
  FETTLE_RETURN_IF_ERROR(journal->Start());
  return journal;
}

Journal::Journal(Model model, JournalOptions options, Store* store, const base::Clock* clock,
                 base::Metrics* metrics)
    : model_(std::move(model)),
      options_(std::move(options)),
      store_(store),
      clock_(clock),
      commands_(metrics->AddCounter("fettle_commands_total", "Commands that reached the writer")),
      refusals_(metrics->AddCounter("fettle_refusals_total", "Commands that were refused")),
      overloads_(metrics->AddCounter("fettle_overloads_total",
                                     "Calls turned away because the queue was full")),
      events_(metrics->AddCounter("fettle_events_total", "Events committed")),
      batch_commands_(metrics->AddHistogram("fettle_batch_commands", "Items of one commit",
                                            {1, 4, 16, 64, 128, 256})),
      commit_seconds_(metrics->AddHistogram("fettle_commit_seconds",
                                            "Time of one commit, the sync to disk included")) {}

Journal::~Journal() { Stop(); }

std::string Journal::source(Log log) const {
  return absl::StrCat("urn:fettle:", model_.service, ":", options_.journal,
                      log == Log::kAccess ? ":access" : "");
}

absl::Status Journal::Start() {
  FETTLE_ASSIGN_OR_RETURN(timer_reader_, store_->NewReader());
  FETTLE_RETURN_IF_ERROR(timer_reader_->Refresh());
  for (Log log : {Log::kEvents, Log::kAccess}) {
    FETTLE_ASSIGN_OR_RETURN(const int64_t last, timer_reader_->LastPosition(log));
    (log == Log::kEvents ? events_position_ : access_position_).store(last);
    if (last == 0) continue;
    FETTLE_ASSIGN_OR_RETURN(std::vector<StoredEvent> items, timer_reader_->ReadLog(log, last, 1));
    std::unique_ptr<Message> event(log == Log::kEvents ? model_.event->New()
                                                       : v1::AccessEvent().New());
    if (items.empty() || !event->ParseFromString(items.front().value)) {
      return absl::DataLossError("the last event of the journal cannot be read");
    }
    last_time_ = std::max(last_time_, TimeOf(HeaderOf(*event)));
  }
  FETTLE_RETURN_IF_ERROR(RefoldIfNeeded(*timer_reader_));
  timer_reader_->Release();

  writer_ = std::thread([this] { WriterLoop(); });
  answering_ = std::thread([this] { AnswerLoop(); });
  for (int64_t i = 0; i < options_.reader_threads; ++i) {
    readers_.emplace_back([this] { ReaderLoop(); });
  }
  return absl::OkStatus();
}

absl::Status Journal::RefoldIfNeeded(StoreReader& reader) {
  const std::string version = absl::StrCat(model_.code_version);
  FETTLE_ASSIGN_OR_RETURN(std::optional<std::string> stored, reader.ReadCursor(kCodeVersionCursor));
  if (stored == version) return absl::OkStatus();
  const int64_t last = events_position_.load();
  if (last > 0) {
    base::Log(base::Level::kInfo, "refolding states for other rules",
              {{"from", stored.value_or("none")}, {"to", version}, {"events", last}});
    FETTLE_RETURN_IF_ERROR(store_->BeginRebuild());
    for (int64_t from = 1; from <= last;) {
      FETTLE_RETURN_IF_ERROR(reader.Refresh());
      FETTLE_ASSIGN_OR_RETURN(std::vector<StoredEvent> events,
                              reader.ReadLog(Log::kEvents, from, kRefoldEventsPerBatch));
      if (events.empty()) return absl::DataLossError("the journal has a gap");
      // Streams touched here: from the store or from earlier in this batch.
      std::map<std::string, std::pair<StoredState, std::unique_ptr<Message>>> streams;
      WriteBatch write;
      std::map<std::string, std::vector<Entry>> entries_before;
      std::map<std::string, std::vector<base::Timer>> timers_before;
      LoadRequest request;
      for (const StoredEvent& event : events) request.streams.push_back(event.stream);
      std::sort(request.streams.begin(), request.streams.end());
      request.streams.erase(std::unique(request.streams.begin(), request.streams.end()),
                            request.streams.end());
      FETTLE_ASSIGN_OR_RETURN(LoadResult loaded, store_->Load(request));
      for (size_t i = 0; i < request.streams.size(); ++i) {
        std::unique_ptr<Message> state(model_.state->New());
        StoredState row{request.streams[i], 0, 0, ""};
        if (loaded.states[i].has_value()) {
          row = *std::move(loaded.states[i]);
          if (!state->ParseFromString(row.state)) {
            return absl::DataLossError("a stored state cannot be read");
          }
          entries_before[row.stream] = model_.index(*state);
          timers_before[row.stream] = model_.timers(*state);
        }
        streams[request.streams[i]] = {std::move(row), std::move(state)};
      }
      for (const StoredEvent& stored_event : events) {
        std::unique_ptr<Message> event(model_.event->New());
        if (!event->ParseFromString(stored_event.value)) {
          return absl::DataLossError(
              absl::StrCat("event ", stored_event.position, " cannot be read"));
        }
        FETTLE_RETURN_IF_ERROR(JoinPrivateHalf(*event, stored_event.private_half));
        auto& [row, state] = streams.at(stored_event.stream);
        if (stored_event.version != row.version + 1) {
          return absl::DataLossError(
              absl::StrCat("event ", stored_event.position, " is out of order in its stream"));
        }
        model_.evolve(*state, *event);
        row.version = stored_event.version;
        row.position = stored_event.position;
      }
      for (auto& [stream, pair] : streams) {
        auto& [row, state] = pair;
        row.state = state->SerializeAsString();
        std::vector<Entry> after = model_.index(*state), before = entries_before[stream];
        std::sort(after.begin(), after.end());
        std::sort(before.begin(), before.end());
        std::vector<Entry> gone, come;
        std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                            std::back_inserter(gone));
        std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                            std::back_inserter(come));
        for (const Entry& e : gone) write.entries_removed.push_back(ToStored(e, stream, 0, false));
        for (const Entry& e : come) {
          write.entries_added.push_back(ToStored(e, stream, row.position, false));
        }
        for (const base::Timer& timer : timers_before[stream]) {
          write.timers_removed.emplace_back(stream, timer.name);
        }
        for (const base::Timer& timer : model_.timers(*state)) {
          write.timers_added.push_back({timer.due, stream, timer.name, ""});
        }
        write.states.push_back(std::move(row));
      }
      FETTLE_RETURN_IF_ERROR(store_->Commit(write));
      from = events.back().position + 1;
      base::Log(base::Level::kInfo, "refolding", {{"events", from - 1}, {"of", last}});
    }
  }
  WriteBatch write;
  write.cursors.push_back({std::string(kCodeVersionCursor), version});
  return store_->Commit(write);
}

bool Journal::Enqueue(Item item) {
  absl::MutexLock lock(&mutex_);
  if (stopping_ || static_cast<int64_t>(queue_.size()) >= options_.queue_items_max) return false;
  queue_.push_back(std::move(item));
  return true;
}

void Journal::Submit(std::unique_ptr<Command> command) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = Stopping();
    } else if (static_cast<int64_t>(queue_.size()) >= options_.queue_items_max) {
      refused = Overloaded();
    } else {
      Item item;
      item.command = std::move(command);
      queue_.push_back(std::move(item));
      return;
    }
  }
  overloads_.Increment();
  command->Done({refused, {}, {}});
}

void Journal::Record(const CallInfo& call, v1::Outcome outcome, const std::string& reason,
                     std::vector<std::string> subjects, std::function<void(absl::Status)> done) {
  auto access = std::make_unique<AccessItem>();
  v1::AccessRecorded& recorded = *access->record.mutable_access_recorded();
  recorded.set_method(call.method);
  recorded.set_outcome(outcome);
  recorded.set_reason(reason);
  common::v1::EventHeader& header = *access->record.mutable_header();
  header.set_caller(call.caller.Name());
  header.set_organisation(call.caller.organisation);
  header.set_role(call.caller.role);
  header.set_purpose(call.caller.purpose);
  header.set_request_id(call.request_id);
  header.set_correlation_id(call.correlation_id);
  header.set_traceparent(call.traceparent);
  for (std::string& subject : subjects) header.add_subjects(std::move(subject));
  access->done = done;
  Item item;
  item.access = std::move(access);
  if (!Enqueue(std::move(item))) {
    overloads_.Increment();
    done(Overloaded());
  }
}

void Journal::FindReceipt(const ReceiptKey& key,
                          std::function<void(absl::StatusOr<std::optional<StoredReceipt>>)> done) {
  Item item;
  item.receipt = std::make_unique<ReceiptItem>(ReceiptItem{key, done});
  if (!Enqueue(std::move(item))) {
    overloads_.Increment();
    done(Overloaded());
  }
}

void Journal::CommitCursors(std::vector<StoredCursor> cursors,
                            std::function<void(absl::Status)> done) {
  Item item;
  item.cursor = std::make_unique<CursorItem>(CursorItem{std::move(cursors), done});
  if (!Enqueue(std::move(item))) done(Overloaded());
}

void Journal::Query(std::function<void(absl::StatusOr<JournalSnapshot*>)> work) {
  {
    absl::MutexLock lock(&queries_mutex_);
    if (!queries_end_ && static_cast<int64_t>(queries_.size()) < options_.queries_max) {
      queries_.push_back(std::move(work));
      return;
    }
  }
  overloads_.Increment();
  work(Overloaded());
}

void Journal::OnTimer(std::function<void(const base::TimerDue&)> fire) {
  absl::MutexLock lock(&mutex_);
  fire_ = std::move(fire);
}

void Journal::OnCommit(std::function<void()> wake) {
  absl::MutexLock lock(&mutex_);
  wakes_.push_back(std::move(wake));
}

void Journal::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (writer_.joinable()) writer_.join();
  {
    absl::MutexLock lock(&queries_mutex_);
    queries_end_ = true;
  }
  for (std::thread& reader : readers_) {
    if (reader.joinable()) reader.join();
  }
  {
    absl::MutexLock lock(&answers_mutex_);
    answers_end_ = true;
  }
  if (answering_.joinable()) answering_.join();
}

absl::Status Journal::failure() const {
  absl::MutexLock lock(&mutex_);
  return failure_;
}

void Journal::Fail(absl::Status status) {
  base::Log(base::Level::kError, "the store failed; the journal takes no more",
            {{"cause", status.message()}});
  absl::MutexLock lock(&mutex_);
  failure_ = std::move(status);
  stopping_ = true;
}

void Journal::WriterLoop() {
  while (true) {
    std::vector<Item> items;
    {
      absl::MutexLock lock(&mutex_);
      auto ready = [this]()
                       ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || !queue_.empty(); };
      mutex_.AwaitWithTimeout(absl::Condition(&ready), kTimerCheckInterval);
      if (queue_.empty() && stopping_) return;
      while (!queue_.empty() && static_cast<int64_t>(items.size()) < options_.batch_commands_max) {
        items.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
    }
    if (!items.empty()) RunBatch(std::move(items));
    FireDueTimers();
    if (const absl::Time now = clock_->Now(); now >= next_prune_) {
      next_prune_ = now + kPruneInterval;
      absl::StatusOr<int> pruned =
          store_->PruneReceipts(now - absl::Hours(24) * options_.receipt_days, kPruneReceiptsMax);
      if (!pruned.ok()) Fail(pruned.status());
      // A full slice: the rest follows with the next batch.
      if (pruned.ok() && *pruned == kPruneReceiptsMax) next_prune_ = now;
    }
  }
}

void Journal::RunBatch(std::vector<Item> items) {
  const absl::Time time = std::max(clock_->Now(), last_time_);
  const absl::Time decide_until = absl::Now() + absl::Milliseconds(options_.batch_ms_max);
  Batch batch(*this, time);
  std::vector<std::function<void(absl::Status)>> done;
  absl::Status status = failure();
  if (status.ok()) status = batch.Preload(items);
  size_t taken = 0;
  for (; taken < items.size(); ++taken) {
    if (taken > 0 && absl::Now() > decide_until) break;
    Item& item = items[taken];
    if (item.command != nullptr) {
      Answer answer;
      if (status.ok()) answer = batch.Decide(*item.command);
      std::erase_if(firing_, [&](const base::TimerDue& due) {
        return item.command->timer.has_value() && due.stream_id == item.command->timer->stream_id &&
               due.name == item.command->timer->name;
      });
      done.push_back([command = std::shared_ptr<Command>(std::move(item.command)),
                      answer = std::move(answer)](absl::Status committed) mutable {
        if (!committed.ok()) answer = {committed, {}, {}};
        command->Done(std::move(answer));
      });
    } else if (item.access != nullptr) {
      if (status.ok()) batch.AddAccess(std::move(item.access->record));
      done.push_back(std::move(item.access->done));
    } else if (item.cursor != nullptr) {
      batch.AddCursors(std::move(item.cursor->cursors));
      done.push_back(std::move(item.cursor->done));
    } else {
      auto receipt = batch.Receipt(item.receipt->key);
      done.push_back([callback = std::move(item.receipt->done),
                      receipt = std::move(receipt)](absl::Status committed) {
        if (!committed.ok()) return callback(committed);
        callback(receipt);
      });
    }
  }
  const absl::Time before_commit = absl::Now();
  const size_t events = batch.events();
  if (status.ok()) status = batch.Commit();
  commit_seconds_.Observe(absl::ToDoubleSeconds(absl::Now() - before_commit));
  batch_commands_.Observe(static_cast<double>(taken));
  std::vector<std::function<void()>> wakes;
  if (status.ok()) {
    last_time_ = time;
    events_.Increment(static_cast<double>(events));
    events_position_.store(batch.events_position());
    access_position_.store(batch.access_position());
    absl::MutexLock lock(&mutex_);
    wakes = wakes_;
    // What this batch had no time for goes first into the next.
    for (size_t i = items.size(); i > taken; --i) queue_.push_front(std::move(items[i - 1]));
  } else {
    const absl::Status unavailable = base::Unavailable(
        "STORE_FAILED", "the store failed; nothing was recorded", absl::Seconds(5));
    if (failure().ok()) Fail(status);
    for (size_t i = taken; i < items.size(); ++i) {
      if (items[i].command != nullptr) items[i].command->Done({unavailable, {}, {}});
      if (items[i].access != nullptr) items[i].access->done(unavailable);
      if (items[i].cursor != nullptr) items[i].cursor->done(unavailable);
      if (items[i].receipt != nullptr) items[i].receipt->done(unavailable);
    }
    status = unavailable;
  }
  {
    absl::MutexLock lock(&answers_mutex_);
    answers_.push_back([done = std::move(done), status] {
      for (const auto& callback : done) callback(status);
    });
  }
  for (const auto& wake : wakes) wake();
}

void Journal::FireDueTimers() {
  std::function<void(const base::TimerDue&)> fire;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_ || !fire_) return;
    fire = fire_;
  }
  const absl::Time now = clock_->Now();
  if (now < next_timer_check_) return;
  next_timer_check_ = now + kTimerCheckInterval;
  if (absl::Status fresh = timer_reader_->Refresh(); !fresh.ok()) return Fail(fresh);
  absl::StatusOr<std::vector<StoredTimer>> due =
      timer_reader_->DueTimers(now, kTimersPerCheckMax + static_cast<int>(firing_.size()));
  timer_reader_->Release();
  if (!due.ok()) return Fail(due.status());
  for (const StoredTimer& timer : *due) {
    base::TimerDue firing{base::UuidFromBytes(timer.stream), timer.name, timer.due};
    const bool under_way =
        std::any_of(firing_.begin(), firing_.end(), [&](const base::TimerDue& f) {
          return f.stream_id == firing.stream_id && f.name == firing.name;
        });
    if (under_way) continue;
    firing_.push_back(firing);
    fire(firing);
  }
}

void Journal::AnswerLoop() {
  while (true) {
    std::deque<std::function<void()>> answers;
    {
      absl::MutexLock lock(&answers_mutex_);
      auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(answers_mutex_) {
        return answers_end_ || !answers_.empty();
      };
      answers_mutex_.Await(absl::Condition(&ready));
      if (answers_.empty()) return;
      answers.swap(answers_);
    }
    for (const auto& answer : answers) answer();
  }
}

void Journal::ReaderLoop() {
  std::unique_ptr<StoreReader> reader;
  while (true) {
    std::function<void(absl::StatusOr<JournalSnapshot*>)> work;
    {
      absl::MutexLock lock(&queries_mutex_);
      auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(queries_mutex_) {
        return queries_end_ || !queries_.empty();
      };
      queries_mutex_.Await(absl::Condition(&ready));
      if (queries_.empty()) return;
      work = std::move(queries_.front());
      queries_.pop_front();
    }
    absl::Status status;
    if (reader == nullptr) {
      absl::StatusOr<std::unique_ptr<StoreReader>> made = store_->NewReader();
      if (made.ok()) reader = *std::move(made);
      status = made.status();
    }
    if (status.ok()) status = reader->Refresh();
    absl::StatusOr<int64_t> position = 0;
    if (status.ok()) {
      position = reader->LastPosition(Log::kEvents);
      status = position.status();
    }
    if (status.ok()) {
      JournalSnapshot snapshot(&model_, reader.get(), *position);
      work(&snapshot);
      reader->Release();
    } else {
      base::Log(base::Level::kError, "a snapshot could not be had", {{"cause", status.message()}});
      work(base::Unavailable("STORE_FAILED", "the store cannot be read", absl::Seconds(5)));
    }
  }
}

absl::StatusOr<View::Stream> JournalSnapshot::Load(std::string_view stream_id) const {
  if (!base::IsUuid(stream_id)) return View::Stream{};
  FETTLE_ASSIGN_OR_RETURN(LoadResult result,
                          reader_->Load({{base::UuidToBytes(stream_id)}, {}, {}}));
  if (!result.states[0].has_value()) return View::Stream{};
  FETTLE_ASSIGN_OR_RETURN(View::Stream stream, ToStream(*model_, *result.states[0]));
  for (std::string& subject : model_->subjects(*stream.state)) {
    if (std::find(subjects_.begin(), subjects_.end(), subject) == subjects_.end()) {
      subjects_.push_back(std::move(subject));
    }
  }
  return stream;
}

absl::StatusOr<std::optional<std::string>> JournalSnapshot::Holder(int index,
                                                                   std::string_view key) const {
  FETTLE_ASSIGN_OR_RETURN(LoadResult result, reader_->Load({{}, {{index, std::string(key)}}, {}}));
  if (!result.holders[0].has_value()) return std::nullopt;
  return base::UuidFromBytes(*result.holders[0]);
}

absl::StatusOr<base::ListedPage> JournalSnapshot::List(int index, std::string_view key,
                                                       const common::v1::Page& page) const {
  const int size = page.page_size() == 0 ? 50 : page.page_size();
  if (size < 1 || size > 200) {
    return base::InvalidField("page.page_size", "PAGE_SIZE_OUT_OF_RANGE", "1 to 200, or 0 for 50");
  }
  // The token is where the page before ended: sort, then the stream's 16 bytes.
  std::string after_sort, after_stream;
  if (!page.page_token().empty()) {
    absl::StatusOr<std::string> token = crypto::UnBase64Url(page.page_token());
    if (!token.ok() || token->size() < 16) {
      return base::InvalidField("page.page_token", "PAGE_TOKEN_UNKNOWN",
                                "the next_page_token of the page before");
    }
    after_stream = token->substr(token->size() - 16);
    after_sort = token->substr(0, token->size() - 16);
  }
  FETTLE_ASSIGN_OR_RETURN(EntryPage entries,
                          reader_->ListEntries(index, key, after_sort, after_stream, size));
  base::ListedPage listed;
  for (const StoredEntry& entry : entries.entries) {
    listed.streams.push_back(base::UuidFromBytes(entry.stream));
  }
  if (entries.more) {
    listed.next = crypto::Base64Url(entries.entries.back().sort + entries.entries.back().stream);
  }
  return listed;
}

absl::StatusOr<View> JournalSnapshot::ViewOf(
    const std::function<base::Reads(const View&)>& reads_of) const {
  View view;
  base::Reads reads = reads_of(View::Probing());
  for (int round = 0; round < kReadRoundsMax; ++round) {
    bool grew = false;
    for (const auto& [index, key] : reads.unique) {
      if (view.HasKey(index, key)) continue;
      grew = true;
      FETTLE_ASSIGN_OR_RETURN(std::optional<std::string> holder, Holder(index, key));
      if (holder.has_value()) reads.streams.push_back(*holder);
      view.PutHolder(index, key, std::move(holder));
    }
    for (const std::string& id : reads.streams) {
      if (view.Has(id)) continue;
      grew = true;
      FETTLE_ASSIGN_OR_RETURN(View::Stream stream, Load(id));
      view.Put(id, std::move(stream));
    }
    if (!grew) break;
    reads = reads_of(view);
  }
  return view;
}

absl::StatusOr<std::optional<StoredReceipt>> JournalSnapshot::Receipt(const ReceiptKey& key) const {
  FETTLE_ASSIGN_OR_RETURN(LoadResult result, reader_->Load({{}, {}, {key}}));
  return std::move(result.receipts[0]);
}

}  // namespace fettle::journal
