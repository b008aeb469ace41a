#include "libs/journal/batch.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/base/uuid.h"
#include "libs/crypto/digest.h"
#include "libs/journal/private_half.h"

namespace fettle::journal {
namespace {

using base::Entry;
using base::View;

void SetTime(common::v1::EventHeader& header, absl::Time time) {
  const int64_t nanos = absl::ToUnixNanos(time);
  header.mutable_time()->set_seconds(nanos / 1'000'000'000);
  header.mutable_time()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
}

// The middle part keeps the two logs' ids apart: (source, id) and id alone are unique.
std::string EventId(const Model& model, const std::string& journal, Log log, int64_t position) {
  return absl::StrCat(model.service, ".", journal, log == Log::kAccess ? ".access." : ".",
                      position);
}

StoredEntry ToStored(const Entry& entry, const std::string& stream, int64_t position, bool fact) {
  return {entry.index,  entry.key, entry.sort, stream,
          entry.unique, fact,      position,   entry.scattered};
}

void FillResult(Message& response, const common::v1::CommandResult& result) {
  const google::protobuf::FieldDescriptor* field = response.GetDescriptor()->FindFieldByNumber(1);
  if (field == nullptr || field->message_type() != common::v1::CommandResult::descriptor()) {
    return;
  }
  response.GetReflection()->MutableMessage(&response, field)->CopyFrom(result);
}

}  // namespace

void FillCaller(const CallInfo& call, common::v1::EventHeader& header) {
  header.set_caller(call.caller.Name());
  header.set_organisation(call.caller.organisation);
  header.set_role(call.caller.role);
  header.set_purpose(call.caller.purpose);
  header.set_request_id(call.request_id);
  header.set_correlation_id(call.correlation_id);
  header.set_causation_id(call.causation_id);
  header.set_traceparent(call.traceparent);
}

std::string SourceOf(const Model& model, const std::string& journal, Log log) {
  return absl::StrCat("urn:fettle:", model.service, ":", journal,
                      log == Log::kAccess ? ":access" : "");
}

absl::StatusOr<View::Stream> ToStream(const Model& model, const StoredState& stored) {
  std::shared_ptr<Message> state(model.state->New());
  if (!state->ParseFromString(stored.state)) {
    return absl::DataLossError("a stored state cannot be read");
  }
  return View::Stream{stored.version, stored.position, std::move(state)};
}

void DiffEntries(const std::string& stream, std::vector<Entry> before, std::vector<Entry> after,
                 int64_t position, WriteBatch& write) {
  std::sort(before.begin(), before.end());
  std::sort(after.begin(), after.end());
  std::vector<Entry> gone, come;
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                      std::back_inserter(gone));
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                      std::back_inserter(come));
  for (const Entry& entry : gone) {
    write.entries_removed.push_back(ToStored(entry, stream, 0, false));
  }
  for (const Entry& entry : come) {
    write.entries_added.push_back(ToStored(entry, stream, position, false));
  }
}

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

Batch::Batch(const Parts* parts, absl::Time time, Positions positions,
             std::shared_ptr<const Batch> previous)
    : parts_(*parts),
      model_(*parts->model),
      time_(time),
      today_(base::LondonDate(time)),
      positions_(positions),
      previous_(std::move(previous)) {}

void Batch::Want(const Command& command) {
  Want(ReceiptKeyOf(command.call.caller, command.call.request_id));
  WantReads(command.ReadsOf(View::Probing()), request_);
  if (command.timer.has_value()) WantReads({{command.timer->stream_id}, {}}, request_);
}

void Batch::Want(const ReceiptKey& key) {
  if (previous_ != nullptr) {
    if (const auto it = previous_->receipts_.find(key); it != previous_->receipts_.end()) {
      receipts_.insert(*it);
      return;
    }
  }
  request_.receipts.push_back(key);
}

absl::Status Batch::Keep(LoadResult result, const Loader& load) {
  for (size_t i = 0; i < request_.receipts.size(); ++i) {
    if (!result.receipts[i].has_value()) continue;
    receipts_.insert_or_assign(request_.receipts[i], *std::move(result.receipts[i]));
  }
  return KeepReads(request_, result, load);
}

Answer Batch::Decide(const Command& command, const Loader& load) {
  const ReceiptKey key = ReceiptKeyOf(command.call.caller, command.call.request_id);
  if (auto it = receipts_.find(key); it != receipts_.end()) return Replay(command, it->second);

  // It was moved or ended after it was fired; its row is that command's affair.
  if (command.timer.has_value() && !StillDue(*command.timer)) return {};
  absl::StatusOr<Accepted> accepted = TryDecide(command, load);
  if (!accepted.ok()) {
    if (command.timer.has_value()) ParkTimer(*command.timer, accepted.status());
    if (!command.TriesAgain(accepted.status())) Refused(command.call, accepted.status());
    return {.status = accepted.status()};
  }
  Apply(command, *accepted, key);
  return {absl::OkStatus(), std::move(accepted->response_bytes), false,
          std::move(accepted->response)};
}

bool Batch::StillDue(const base::TimerDue& timer) const {
  const auto it = streams_.find(timer.stream_id);
  if (it == streams_.end() || !it->second.has_value()) return false;
  const std::vector<base::Timer> timers = model_.timers(*it->second->state);
  return std::any_of(timers.begin(), timers.end(), [&](const base::Timer& t) {
    return t.name == timer.name && t.due == timer.due;
  });
}

// Leaves an access record, with the people whose data the refused command looked at.
void Batch::Refused(const CallInfo& call, const absl::Status& status) {
  v1::AccessEvent record;
  record.mutable_access_recorded()->set_method(call.method);
  record.mutable_access_recorded()->set_outcome(v1::OUTCOME_REFUSED);
  const std::string reason = base::ReasonOf(status);
  record.mutable_access_recorded()->set_reason(
      reason.empty() ? absl::StatusCodeToString(status.code()) : reason);
  FillCaller(call, *record.mutable_header());
  for (const std::string& subject : subjects_seen_) record.mutable_header()->add_subjects(subject);
  AddAccess(std::move(record));
}

void Batch::AddAccess(v1::AccessEvent record) {
  common::v1::EventHeader& header = *record.mutable_header();
  header.set_source(parts_.access_source);
  header.set_position(++positions_.access);
  header.set_id(EventId(model_, parts_.journal, Log::kAccess, positions_.access));
  header.set_stream_id(base::IdSource(time_, base::RandomSeed()).Next());
  // A call outside any journey is a journey of its own: every event has one (INV-164).
  if (header.correlation_id().empty()) header.set_correlation_id(header.stream_id());
  header.set_version(1);
  header.set_type("uk.nhs.fettle.access.AccessRecorded.v1");
  header.set_reader_may_ignore(true);
  SetTime(header, time_);
  StoredEvent stored;
  stored.position = positions_.access;
  stored.value = record.SerializeAsString();
  write_.access.push_back(std::move(stored));
}

void Batch::AddCursors(std::vector<StoredCursor>&& cursors) {
  for (StoredCursor& cursor : cursors) write_.cursors.push_back(std::move(cursor));
}

std::optional<StoredReceipt> Batch::Receipt(const ReceiptKey& key) const {
  auto it = receipts_.find(key);
  if (it == receipts_.end()) return std::nullopt;
  return it->second;
}

void Batch::Seal() {
  for (auto& [stream_id, change] : changes_) {
    const View::Stream& stream = streams_.at(stream_id).value();
    const std::string stream_bytes = base::UuidToBytes(stream_id);
    std::string bytes;
    FETTLE_CHECK(stream.state->SerializeToString(&bytes), "a state can be serialised");
    write_.states.push_back({stream_bytes, stream.version, stream.position, std::move(bytes)});
    DiffEntries(stream_bytes, std::move(change.before), std::move(change.after), stream.position,
                write_);
    DiffTimers(stream_bytes, change.timers_before, model_.timers(*stream.state));
  }
  changes_.clear();
  previous_.reset();
}

bool Batch::empty() const {
  return write_.events.empty() && write_.access.empty() && write_.cursors.empty() &&
         write_.receipts.empty() && write_.timers_added.empty() && write_.timers_removed.empty();
}

// Adds to the request what is named and neither known nor asked for yet; says whether there was
// any.
bool Batch::WantReads(const base::Reads& reads, LoadRequest& request) {
  bool any = false;
  for (const std::string& stream : reads.streams) {
    if (streams_.contains(stream) || !base::IsUuid(stream)) continue;
    if (previous_ != nullptr) {
      if (const auto it = previous_->streams_.find(stream); it != previous_->streams_.end()) {
        streams_.insert(*it);
        continue;
      }
    }
    if (!wanted_streams_.insert(stream).second) continue;
    request.streams.push_back(base::UuidToBytes(stream));
    any = true;
  }
  for (const auto& key : reads.unique) {
    if (holders_.contains(key)) continue;
    if (previous_ != nullptr) {
      if (const auto it = previous_->holders_.find(key); it != previous_->holders_.end()) {
        holders_.insert(*it);
        if (it->second.has_value()) any |= WantReads({{*it->second}, {}}, request);
        continue;
      }
    }
    if (!wanted_holders_.insert(key).second) continue;
    request.unique.push_back(key);
    any = true;
  }
  return any;
}

absl::Status Batch::KeepReads(const LoadRequest& request, LoadResult& result, const Loader& load) {
  wanted_streams_.clear();
  wanted_holders_.clear();
  for (size_t i = 0; i < request.streams.size(); ++i) {
    std::optional<View::Stream> stream;
    if (result.states[i].has_value()) {
      FETTLE_ASSIGN_OR_RETURN(stream, ToStream(model_, *result.states[i]));
    }
    streams_.insert_or_assign(base::UuidFromBytes(request.streams[i]), std::move(stream));
  }
  LoadRequest more;  // the streams that hold the entries
  for (size_t i = 0; i < request.unique.size(); ++i) {
    std::optional<std::string> holder;
    if (result.holders[i].has_value()) {
      holder = base::UuidFromBytes(*result.holders[i]);
      WantReads({{*holder}, {}}, more);
    }
    holders_.insert_or_assign(request.unique[i], std::move(holder));
  }
  if (more.streams.empty()) return absl::OkStatus();
  FETTLE_ASSIGN_OR_RETURN(LoadResult loaded, load(more));
  return KeepReads(more, loaded, load);
}

void Batch::FillView(const base::Reads& reads, View& view) const {
  for (const auto& key : reads.unique) {
    auto it = holders_.find(key);
    if (it == holders_.end()) continue;
    view.PutHolder(key.first, key.second, it->second);
    if (it->second.has_value()) FillStream(*it->second, view);
  }
  for (const std::string& stream : reads.streams) FillStream(stream, view);
}

void Batch::FillStream(const std::string& id, View& view) const {
  auto it = streams_.find(id);
  if (it != streams_.end()) {
    view.Put(id, it->second.value_or(View::Stream{}));
  } else if (!base::IsUuid(id)) {
    view.Put(id, {});
  }
}

// Everything that the command names is in the view, however far what it names depends on what it
// finds.
absl::StatusOr<View> Batch::CompleteView(const Command& command, const Loader& load,
                                         base::Reads* last_reads) {
  View view;
  for (int round = 0; round < kReadRoundsMax; ++round) {
    const View probe = View::Probing();
    *last_reads = command.ReadsOf(round == 0 ? probe : view);
    LoadRequest request;
    if (WantReads(*last_reads, request)) {
      FETTLE_ASSIGN_OR_RETURN(LoadResult result, load(request));
      FETTLE_RETURN_IF_ERROR(KeepReads(request, result, load));
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

absl::StatusOr<Batch::Accepted> Batch::TryDecide(const Command& command, const Loader& load) {
  subjects_seen_.clear();
  base::Reads reads;
  FETTLE_ASSIGN_OR_RETURN(View view, CompleteView(command, load, &reads));
  const View::Stream* target = reads.streams.empty() ? nullptr : view.Find(reads.streams.front());
  for (const std::string& id : reads.streams) {
    const View::Stream* stream = view.Find(id);
    if (stream == nullptr) continue;
    for (std::string& subject : model_.subjects(*stream->state)) {
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

absl::StatusOr<Batch::Accepted> Batch::Evolve(const Command& command, const base::Context& context,
                                              const View& view, AnyDecision decision) {
  Accepted accepted;
  common::v1::CommandResult result;
  int64_t position = positions_.events;
  for (base::NewEvent& fresh : decision.events) {
    auto [it, is_new] = accepted.streams.try_emplace(fresh.stream_id);
    View::Stream& stream = it->second;
    std::shared_ptr<Message> state(arena_, model_.state->New(arena_.get()));
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
    header.set_source(parts_.events_source);
    header.set_position(++position);
    header.set_previous_position(stream.position);
    header.set_stream_id(fresh.stream_id);
    header.set_version(stream.version + 1);
    header.set_type(absl::StrCat("uk.nhs.fettle.", model_.service, ".", type.name, ".v1"));
    header.set_reader_may_ignore(type.reader_may_ignore);
    header.set_id(EventId(model_, parts_.journal, Log::kEvents, position));
    SetTime(header, time_);
    FillCaller(command.call, header);
    std::string journey = named;
    if (journey.empty() && stream.state != nullptr) journey = CorrelationOf(*stream.state);
    header.set_correlation_id(journey.empty() ? context.correlation_id : journey);

    model_.evolve(*state, event);
    for (const std::string& subject : model_.subjects(*state)) {
      header.add_subjects(subject);
    }
    StoredEvent stored;
    stored.position = position;
    stored.stream = base::UuidToBytes(fresh.stream_id);
    stored.version = header.version();
    for (const Entry& fact : model_.facts(event)) {
      accepted.facts.push_back(ToStored(fact, stored.stream, position, true));
    }
    stored.private_half = TakePrivateHalf(event);
    if (!stored.private_half.empty()) {
      header.set_private_sha256(crypto::Sha256(stored.private_half));
    }
    FETTLE_CHECK(event.SerializeToString(&stored.value), "an event can be serialised");
    if (static_cast<int64_t>(stored.value.size()) > parts_.event_bytes_max) {
      return base::Refuse(
          absl::StatusCode::kInvalidArgument, "EVENT_TOO_LARGE",
          absl::StrCat("what the command would record has ", stored.value.size(),
                       " bytes; at most ", parts_.event_bytes_max, " can be published"));
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

void Batch::Apply(const Command& command, Accepted& accepted, const ReceiptKey& key) {
  // Entries go before any come: one may pass from a stream to another.
  for (auto& [id, stream] : accepted.streams) {
    auto [change, is_new] = changes_.try_emplace(id);
    auto known = streams_.find(id);
    if (known == streams_.end() || !known->second.has_value()) continue;
    std::vector<Entry> before = model_.index(*known->second->state);
    for (const Entry& entry : before) {
      if (entry.unique) holders_.insert_or_assign({entry.index, entry.key}, std::nullopt);
    }
    if (!is_new) continue;
    change->second.before = std::move(before);
    change->second.timers_before = model_.timers(*known->second->state);
  }
  for (auto& [id, stream] : accepted.streams) {
    std::vector<Entry>& after = changes_.at(id).after;
    after = model_.index(*stream.state);
    for (const Entry& entry : after) {
      if (entry.unique) Hold(entry.index, entry.key, id);
    }
    streams_.insert_or_assign(id, std::move(stream));
  }
  for (StoredEntry& fact : accepted.facts) {
    if (fact.unique) Hold(fact.index, fact.key, base::UuidFromBytes(fact.stream));
    write_.entries_added.push_back(std::move(fact));
  }
  for (StoredEvent& event : accepted.events) {
    positions_.events = event.position;
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
                        positions_.events};
  receipts_.insert_or_assign(key, receipt);
  write_.receipts.push_back(std::move(receipt));
}

void Batch::Hold(int index, const std::string& key, const std::string& stream) {
  auto [it, is_new] = holders_.try_emplace({index, key}, stream);
  if (is_new) return;
  FETTLE_CHECK(!it->second.has_value() || *it->second == stream,
               "two streams hold one unique entry: decide did not look");
  it->second = stream;
}

Answer Batch::Replay(const Command& command, const StoredReceipt& receipt) {
  if (receipt.request_hmac != command.request_hmac) {
    absl::Status refusal = base::Refuse(
        absl::StatusCode::kFailedPrecondition, "REQUEST_ID_REUSED",
        "field request_id: this id was used for a request with other content; use a new UUID");
    subjects_seen_.clear();
    Refused(command.call, refusal);
    return {.status = refusal};
  }
  if (command.timer.has_value()) {
    write_.timers_removed.emplace_back(base::UuidToBytes(command.timer->stream_id),
                                       command.timer->name);
  }
  return {absl::OkStatus(), receipt.response, true, nullptr};
}

void Batch::ParkTimer(const base::TimerDue& timer, const absl::Status& cause) {
  std::string reason = base::ReasonOf(cause);
  if (reason.empty()) reason = absl::StatusCodeToString(cause.code());
  write_.timers_added.push_back(
      {timer.due, base::UuidToBytes(timer.stream_id), timer.name, reason});
}

void Batch::DiffTimers(const std::string& stream, const std::vector<base::Timer>& before,
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

}  // namespace fettle::journal
