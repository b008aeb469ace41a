#include "libs/journal/journal.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
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

absl::Time TimeOf(const common::v1::EventHeader& header) {
  return absl::FromUnixSeconds(header.time().seconds()) + absl::Nanoseconds(header.time().nanos());
}

// A refusal was recorded; a call that came too late was not decided.
bool IsRefusal(const absl::Status& status) {
  return !status.ok() && !absl::IsDeadlineExceeded(status);
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
      parts_{&model_, options_.journal, options_.event_bytes_max,
             SourceOf(model_, options_.journal, Log::kEvents),
             SourceOf(model_, options_.journal, Log::kAccess)},
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

  decided_ = {events_position_.load(), access_position_.load()};
  writer_ = std::thread([this] { WriterLoop(); });
  storing_ = std::thread([this] { StoreLoop(); });
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
        DiffEntries(stream, std::move(entries_before[stream]), model_.index(*state), row.position,
                    write);
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

absl::Status Journal::Enqueue(Item& item) {
  const int64_t bytes = item.command == nullptr ? 0 : item.command->bytes;
  absl::Status refused;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = Stopping();
    } else if (static_cast<int64_t>(queue_.size()) >= options_.queue_items_max ||
               (queue_bytes_ > 0 && queue_bytes_ + bytes > options_.queue_bytes_max)) {
      refused = Overloaded();
    } else {
      queue_bytes_ += bytes;
      queue_.push_back(std::move(item));
      return absl::OkStatus();
    }
    // Fired again by a later look at the timers.
    if (item.command != nullptr && item.command->timer.has_value()) Fired(*item.command->timer);
  }
  if (absl::IsResourceExhausted(refused)) overloads_.Increment();
  return refused;
}

void Journal::Fired(const base::TimerDue& timer) {
  std::erase_if(firing_, [&](const base::TimerDue& due) {
    return due.stream_id == timer.stream_id && due.name == timer.name;
  });
}

void Journal::Submit(std::unique_ptr<Command> command) {
  Item item;
  item.command = std::move(command);
  const absl::Status refused = Enqueue(item);
  if (!refused.ok()) item.command->Done({refused, {}, {}});
}

void Journal::Record(const CallInfo& call, v1::Outcome outcome, const std::string& reason,
                     std::vector<std::string> subjects, std::function<void(absl::Status)> done) {
  auto access = std::make_unique<AccessItem>();
  v1::AccessRecorded& recorded = *access->record.mutable_access_recorded();
  recorded.set_method(call.method);
  recorded.set_outcome(outcome);
  recorded.set_reason(reason);
  common::v1::EventHeader& header = *access->record.mutable_header();
  FillCaller(call, header);
  for (std::string& subject : subjects) header.add_subjects(std::move(subject));
  access->done = done;
  Item item;
  item.access = std::move(access);
  if (const absl::Status refused = Enqueue(item); !refused.ok()) done(refused);
}

void Journal::FindReceipt(const ReceiptKey& key,
                          std::function<void(absl::StatusOr<std::optional<StoredReceipt>>)> done) {
  Item item;
  item.receipt = std::make_unique<ReceiptItem>(ReceiptItem{key, done});
  if (const absl::Status refused = Enqueue(item); !refused.ok()) done(refused);
}

void Journal::CommitCursors(std::vector<StoredCursor> cursors,
                            std::function<void(absl::Status)> done) {
  Item item;
  item.cursor = std::make_unique<CursorItem>(CursorItem{std::move(cursors), done});
  if (const absl::Status refused = Enqueue(item); !refused.ok()) done(refused);
}

void Journal::Query(std::function<void(absl::StatusOr<JournalSnapshot*>)> work) {
  absl::Status refused = Stopping();
  {
    absl::MutexLock lock(&queries_mutex_);
    if (!queries_end_) {
      if (static_cast<int64_t>(queries_.size()) < options_.queries_max) {
        queries_.push_back(std::move(work));
        return;
      }
      refused = Overloaded();
      overloads_.Increment();
    }
  }
  work(refused);
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
    absl::MutexLock lock(&store_mutex_);
    store_end_ = true;
  }
  if (storing_.joinable()) storing_.join();
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

bool Journal::TakeItems(bool wait, std::vector<Item>& items) {
  if (wait) {
    absl::MutexLock lock(&mutex_);
    auto ready = [this]()
                     ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || !queue_.empty(); };
    mutex_.AwaitWithTimeout(absl::Condition(&ready), kTimerCheckInterval);
  }
  // What is taken must be loaded before it is decided, and until the store can do that, more may
  // come: fewer and larger commits.
  AwaitStore();
  absl::MutexLock lock(&mutex_);
  while (!queue_.empty() && static_cast<int64_t>(items.size()) < options_.batch_commands_max) {
    if (queue_.front().command != nullptr) queue_bytes_ -= queue_.front().command->bytes;
    items.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return !items.empty() || !stopping_;
}

void Journal::WriterLoop() {
  // Decided, and not yet handed to the storing thread: what comes next is loaded first, so that it
  // can be decided while this is committed.
  std::shared_ptr<Decided> decided;
  std::vector<Item> items;
  while (TakeItems(/*wait=*/decided == nullptr, items)) {
    if (!items.empty()) {
      Decide(std::exchange(items, {}), decided);
    } else if (decided != nullptr) {
      ToStore([this, decided] { Commit(*decided); });
      decided.reset();
    }
    FireDueTimers();
    if (const absl::Time now = clock_->Now(); now >= next_prune_) {
      next_prune_ = now + kPruneInterval;
      ToStore([this, now] { PruneReceipts(now); });
    }
  }
  if (decided != nullptr) ToStore([this, decided] { Commit(*decided); });
}

void Journal::PruneReceipts(absl::Time now) {
  if (!failure().ok()) return;
  const absl::Time before = now - absl::Hours(24) * options_.receipt_days;
  // Short slices, so that commits come in between.
  const absl::StatusOr<int> pruned = store_->PruneReceipts(before, kPruneReceiptsMax);
  if (!pruned.ok()) return Fail(pruned.status());
  if (*pruned < kPruneReceiptsMax) return;
  ToStore([this, now] { PruneReceipts(now); });
}

void Journal::ToStore(std::function<void()> work) {
  absl::MutexLock lock(&store_mutex_);
  store_work_.push_back(std::move(work));
}

void Journal::StoreLoop() {
  while (true) {
    std::function<void()> work;
    {
      absl::MutexLock lock(&store_mutex_);
      auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(store_mutex_) {
        return store_end_ || !store_work_.empty();
      };
      store_mutex_.Await(absl::Condition(&ready));
      if (store_work_.empty()) return;
      work = std::move(store_work_.front());
      store_work_.pop_front();
      store_busy_ = true;
    }
    work();
    absl::MutexLock lock(&store_mutex_);
    store_busy_ = false;
  }
}

void Journal::AwaitStore() {
  absl::MutexLock lock(&store_mutex_);
  auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(store_mutex_) {
    return !store_busy_ && store_work_.empty();
  };
  store_mutex_.Await(absl::Condition(&idle));
}

absl::StatusOr<LoadResult> Journal::Load(const LoadRequest& request,
                                         std::shared_ptr<Decided>* before) {
  absl::Notification loaded;
  absl::StatusOr<LoadResult> result;
  ToStore([&] {
    result = store_->Load(request);
    loaded.Notify();
  });
  if (before != nullptr && *before != nullptr) {
    ToStore([this, decided = std::exchange(*before, nullptr)] { Commit(*decided); });
  }
  loaded.WaitForNotification();
  return result;
}

void Journal::Decide(std::vector<Item> items, std::shared_ptr<Decided>& decided) {
  last_time_ = std::max(clock_->Now(), last_time_);
  auto next = std::make_shared<Decided>();
  next->batch = std::make_shared<Batch>(&parts_, last_time_, decided_, last_batch_);
  Batch& batch = *next->batch;
  for (const Item& item : items) {
    if (item.command != nullptr) batch.Want(*item.command);
    if (item.receipt != nullptr) batch.Want(item.receipt->key);
  }
  const Batch::Loader load = [this](const LoadRequest& request) { return Load(request, nullptr); };
  absl::StatusOr<LoadResult> loaded = Load(batch.request(), &decided);
  next->status = loaded.ok() ? batch.Keep(*std::move(loaded), load) : loaded.status();

  const absl::Time decide_until = absl::Now() + absl::Milliseconds(options_.batch_ms_max);
  size_t taken = 0;
  for (; taken < items.size(); ++taken) {
    if (taken > 0 && absl::Now() > decide_until) break;
    DecideItem(std::move(items[taken]), load, *next);
  }
  next->items = taken;
  batch.Seal();
  decided_ = batch.positions();
  last_batch_ = next->batch;
  decided = std::move(next);
  // What this batch had no time for goes first into the next.
  absl::MutexLock lock(&mutex_);
  for (size_t i = items.size(); i > taken; --i) {
    if (items[i - 1].command != nullptr) queue_bytes_ += items[i - 1].command->bytes;
    queue_.push_front(std::move(items[i - 1]));
  }
}

void Journal::DecideItem(Item item, const Batch::Loader& load, Decided& decided) {
  Batch& batch = *decided.batch;
  if (item.command != nullptr) {
    Answer answer;
    commands_.Increment();
    // A deadline is a caller's, in the time of the world; the clock is the journal's.
    if (item.command->Cancelled() || absl::Now() > item.command->call.deadline) {
      answer.status =
          absl::DeadlineExceededError("the caller's deadline passed before the decision");
    } else if (decided.status.ok()) {
      answer = batch.Decide(*item.command, load);
    }
    if (IsRefusal(answer.status)) refusals_.Increment();
    if (item.command->timer.has_value()) decided.fired.push_back(*item.command->timer);
    decided.done.push_back([command = std::shared_ptr<Command>(std::move(item.command)),
                            answer = std::move(answer)](const absl::Status& committed) mutable {
      if (!committed.ok()) answer = {.status = committed};
      command->Done(std::move(answer));
    });
  } else if (item.access != nullptr) {
    batch.AddAccess(std::move(item.access->record));
    decided.done.push_back(std::move(item.access->done));
  } else if (item.cursor != nullptr) {
    batch.AddCursors(std::move(item.cursor->cursors));
    decided.done.push_back(std::move(item.cursor->done));
  } else {
    decided.done.push_back(
        [callback = std::move(item.receipt->done),
         receipt = batch.Receipt(item.receipt->key)](const absl::Status& committed) {
          if (!committed.ok()) return callback(committed);
          callback(receipt);
        });
  }
}

void Journal::Commit(Decided& decided) {
  const Batch& batch = *decided.batch;
  const absl::Time start = absl::Now();
  absl::Status status = failure();
  if (status.ok()) {
    status = decided.status;
    if (status.ok() && !batch.empty()) status = store_->Commit(batch.write());
    if (!status.ok()) Fail(status);
  }
  commit_seconds_.Observe(absl::ToDoubleSeconds(absl::Now() - start));
  batch_commands_.Observe(static_cast<double>(decided.items));
  std::vector<std::function<void()>> wakes;
  if (status.ok()) {
    events_.Increment(static_cast<double>(batch.write().events.size()));
    events_position_.store(batch.positions().events);
    access_position_.store(batch.positions().access);
    absl::MutexLock lock(&mutex_);
    wakes = wakes_;
    for (const base::TimerDue& timer : decided.fired) Fired(timer);
  } else {
    status = base::Unavailable("STORE_FAILED",
                               "the store failed; whether this was recorded is known after a "
                               "restart: repeat it with its request_id",
                               absl::Seconds(5));
  }
  {
    absl::MutexLock lock(&answers_mutex_);
    answers_.push_back([done = std::move(decided.done), status]() mutable {
      for (auto& callback : done) callback(status);
    });
  }
  for (const auto& wake : wakes) wake();
}

void Journal::FireDueTimers() {
  const absl::Time now = clock_->Now();
  if (now < next_timer_check_) return;
  next_timer_check_ = now + kTimerCheckInterval;
  std::function<void(const base::TimerDue&)> fire;
  std::vector<base::TimerDue> firing;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_ || !fire_) return;
    fire = fire_;
    // Those whose decisions are not on the disk yet are still due there.
    firing = firing_;
  }
  if (absl::Status fresh = timer_reader_->Refresh(); !fresh.ok()) return Fail(fresh);
  absl::StatusOr<std::vector<StoredTimer>> due =
      timer_reader_->DueTimers(now, kTimersPerCheckMax + static_cast<int>(firing.size()));
  timer_reader_->Release();
  if (!due.ok()) return Fail(due.status());
  for (const StoredTimer& timer : *due) {
    base::TimerDue next{base::UuidFromBytes(timer.stream), timer.name, timer.due};
    const bool under_way = std::any_of(firing.begin(), firing.end(), [&](const base::TimerDue& f) {
      return f.stream_id == next.stream_id && f.name == next.name;
    });
    if (under_way) continue;
    {
      absl::MutexLock lock(&mutex_);
      firing_.push_back(next);
    }
    fire(next);
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
    if (status.ok()) {
      status = reader->Refresh(absl::Now() + absl::Milliseconds(options_.query_ms_max));
    }
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

absl::StatusOr<std::vector<std::shared_ptr<const Message>>> JournalSnapshot::Events(
    std::string_view stream_id, int64_t from_version, int limit) const {
  std::vector<std::shared_ptr<const Message>> events;
  if (!base::IsUuid(stream_id)) return events;
  FETTLE_ASSIGN_OR_RETURN(const std::vector<StoredEvent> stored,
                          reader_->ReadStream(base::UuidToBytes(stream_id), from_version, limit));
  for (const StoredEvent& item : stored) {
    std::shared_ptr<Message> event(model_->event->New());
    if (!event->ParseFromString(item.value)) {
      return absl::DataLossError("a stored event cannot be read");
    }
    FETTLE_RETURN_IF_ERROR(JoinPrivateHalf(*event, item.private_half));
    events.push_back(std::move(event));
  }
  return events;
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
