// The journal of a service: the one writer. Commands queue; the writer takes all that wait, decides
// them in order, they are committed together, and their callers are answered after the commit.
//
//   receipt? -> load what reads() names -> decide -> evolve -> index, facts, timers -> one
//   transaction -> answer
//
// Threads: a writer, which decides; one that alone uses the store, so that a batch is decided while
// the one before it is synced to the disk; an answering thread; and `reader_threads` readers. All
// are made here. Submit, Record, Query and the position calls may come from any thread and never
// block on the disk. Callbacks run on the answering thread or on a reader and must not block.
#ifndef FETTLE_LIBS_JOURNAL_JOURNAL_H_
#define FETTLE_LIBS_JOURNAL_JOURNAL_H_

#include <google/protobuf/message.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fettle/journal/v1/access_events.pb.h"
#include "libs/base/clock.h"
#include "libs/base/decide.h"
#include "libs/base/metrics.h"
#include "libs/journal/batch.h"
#include "libs/journal/command.h"
#include "libs/journal/model.h"
#include "libs/journal/store.h"

namespace fettle::journal {

struct JournalOptions {
  // Name of this journal; a journal restored from a backup goes on under a new one.
  std::string journal = "main";
  // With more, the store idles while a long batch is decided, and then all callers wait for it.
  int64_t batch_commands_max = 64;
  // Longest time that one batch may spend deciding before it is committed.
  int64_t batch_ms_max = 20;
  // Commands and access records that may wait; beyond it callers get RESOURCE_EXHAUSTED.
  int64_t queue_items_max = 8'192;
  // Their bytes; one command may always wait.
  int64_t queue_bytes_max = 32 << 20;
  int64_t reader_threads = 2;
  // Longest time that one query may read, and so hold its snapshot.
  int64_t query_ms_max = 10'000;
  // Queries that may wait for a reader.
  int64_t queries_max = 1'024;
  // Published bytes of one event; below the broker's message.max.bytes with room for headers.
  int64_t event_bytes_max = 900'000;
  // Receipts are kept this long.
  int64_t receipt_days = 30;
};

class JournalSnapshot;

class Journal {
 public:
  // Opens the journal on the store: reads positions, refolds when the rules have another code
  // version (with progress in the log), then starts the threads. `store` and `clock` outlive the
  // journal.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(Model model, JournalOptions options,
                                                       Store* store, const base::Clock* clock,
                                                       base::Metrics* metrics);
  ~Journal();

  // Queues a command. When the queue is full or the journal stops, Done is called at once.
  void Submit(std::unique_ptr<Command> command);

  // Stores an access record with the next commit, then calls `done` with the outcome.
  void Record(const CallInfo& call, v1::Outcome outcome, const std::string& reason,
              std::vector<std::string> subjects, std::function<void(absl::Status)> done);

  // The receipt of a request, through the writer's queue: what is not there when `done` runs was
  // not decided before.
  void FindReceipt(const ReceiptKey& key,
                   std::function<void(absl::StatusOr<std::optional<StoredReceipt>>)> done);

  // Runs `work` on a reader thread. RESOURCE_EXHAUSTED when too many wait; UNAVAILABLE when the
  // snapshot cannot be had. The snapshot begins after the call and ends with `work`.
  void Query(std::function<void(absl::StatusOr<JournalSnapshot*>)> work);

  // Commits a consumer's own rows (cursors) together with nothing else; for services that only take
  // events.
  void CommitCursors(std::vector<StoredCursor> cursors, std::function<void(absl::Status)> done);

  // Due timers are handed to `fire`, which submits a command with `timer` set; it is called on the
  // writer thread and must not block. `refused` timers come back after a restart only when their
  // state changes.
  void OnTimer(std::function<void(const base::TimerDue&)> fire);

  // Last committed position of a log.
  int64_t position(Log log) const {
    return (log == Log::kEvents ? events_position_ : access_position_).load();
  }
  // Calls `wake` after every commit; it must not block. For the relay and the feed.
  void OnCommit(std::function<void()> wake);

  absl::StatusOr<std::unique_ptr<StoreReader>> NewReader() { return store_->NewReader(); }
  const Model& model() const { return model_; }
  // `urn:fettle:<service>:<journal>`, with `:access` for the access log.
  const std::string& source(Log log) const {
    return log == Log::kEvents ? parts_.events_source : parts_.access_source;
  }

  // Takes no more, decides and answers what waits, commits it, and ends the threads. Safe to call
  // twice.
  void Stop();

  // Why the journal stopped by itself (the store failed), or OK.
  absl::Status failure() const;

 private:
  struct AccessItem {
    v1::AccessEvent record;
    std::function<void(absl::Status)> done;
  };
  struct ReceiptItem {
    ReceiptKey key;
    std::function<void(absl::StatusOr<std::optional<StoredReceipt>>)> done;
  };
  struct CursorItem {
    std::vector<StoredCursor> cursors;
    std::function<void(absl::Status)> done;
  };
  // One of the four.
  struct Item {
    std::unique_ptr<Command> command;
    std::unique_ptr<AccessItem> access;
    std::unique_ptr<ReceiptItem> receipt;
    std::unique_ptr<CursorItem> cursor;
  };
  // A batch on its way to the disk.
  struct Decided {
    std::shared_ptr<Batch> batch;
    absl::Status status;  // of what it was loaded from
    std::vector<std::function<void(const absl::Status&)>> done;
    std::vector<base::TimerDue> fired;
    size_t items = 0;
  };

  Journal(Model model, JournalOptions options, Store* store, const base::Clock* clock,
          base::Metrics* metrics);
  absl::Status Start();
  absl::Status RefoldIfNeeded(StoreReader& reader);
  // Takes the item, or leaves it and says why not.
  absl::Status Enqueue(Item& item);
  // The timer is no longer on its way: decided and committed, or turned away.
  void Fired(const base::TimerDue& timer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriterLoop();
  bool TakeItems(bool wait, std::vector<Item>& items);
  // Decides what it can of the items; `decided`, the batch before, is handed on when the loading is
  // done, and then names the new one.
  void Decide(std::vector<Item> items, std::shared_ptr<Decided>& decided);
  void DecideItem(Item item, const Batch::Loader& load, Decided& decided);
  void FireDueTimers();
  // Has the storing thread load, and then commit what was decided before, if anything; returns when
  // it is loaded.
  absl::StatusOr<LoadResult> Load(const LoadRequest& request, std::shared_ptr<Decided>* before);
  // Queues work for the storing thread. At most two batches and a pruning are there at once.
  void ToStore(std::function<void()> work);
  void StoreLoop();
  // Until the storing thread has nothing to do.
  void AwaitStore();
  void Commit(Decided& decided);
  void PruneReceipts(absl::Time now);
  void AnswerLoop();
  void ReaderLoop();
  void Fail(absl::Status status);

  const Model model_;
  const JournalOptions options_;
  Store* const store_;
  const base::Clock* const clock_;
  const Batch::Parts parts_;

  base::Counter& commands_;
  base::Counter& refusals_;
  base::Counter& overloads_;
  base::Counter& events_;
  base::Histogram& batch_commands_;
  base::Histogram& commit_seconds_;

  mutable absl::Mutex mutex_;
  std::deque<Item> queue_ ABSL_GUARDED_BY(mutex_);
  int64_t queue_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::function<void(const base::TimerDue&)> fire_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::function<void()>> wakes_ ABSL_GUARDED_BY(mutex_);

  std::vector<base::TimerDue> firing_ ABSL_GUARDED_BY(mutex_);  // handed out, not committed yet

  absl::Mutex store_mutex_;
  std::deque<std::function<void()>> store_work_ ABSL_GUARDED_BY(store_mutex_);
  bool store_busy_ ABSL_GUARDED_BY(store_mutex_) = false;
  bool store_end_ ABSL_GUARDED_BY(store_mutex_) = false;

  absl::Mutex answers_mutex_;
  std::deque<std::function<void()>> answers_ ABSL_GUARDED_BY(answers_mutex_);
  bool answers_end_ ABSL_GUARDED_BY(answers_mutex_) = false;

  absl::Mutex queries_mutex_;
  std::deque<std::function<void(absl::StatusOr<JournalSnapshot*>)>> queries_
      ABSL_GUARDED_BY(queries_mutex_);
  bool queries_end_ ABSL_GUARDED_BY(queries_mutex_) = false;

  std::atomic<int64_t> events_position_{0};
  std::atomic<int64_t> access_position_{0};

  // The writer's own, no lock.
  absl::Time last_time_ = absl::InfinitePast();
  absl::Time next_timer_check_ = absl::InfinitePast();
  absl::Time next_prune_ = absl::InfinitePast();
  std::unique_ptr<StoreReader> timer_reader_;
  Batch::Positions decided_;                 // behind the last batch, committed or not
  std::shared_ptr<const Batch> last_batch_;  // stands in for the store until it is committed

  std::thread writer_;
  std::thread storing_;
  std::thread answering_;
  std::vector<std::thread> readers_;
};

// A snapshot of the journal for one query. Every state that is looked at adds its subjects to
// subjects().
class JournalSnapshot final : public base::Snapshot {
 public:
  JournalSnapshot(const Model* model, StoreReader* reader, int64_t position)
      : model_(model), reader_(reader), position_(position) {}

  absl::StatusOr<base::View::Stream> Load(std::string_view stream_id) const override;
  absl::StatusOr<std::optional<std::string>> Holder(int index, std::string_view key) const override;
  absl::StatusOr<base::ListedPage> List(int index, std::string_view key,
                                        const common::v1::Page& page) const override;
  absl::StatusOr<std::vector<std::shared_ptr<const google::protobuf::Message>>> Events(
      std::string_view stream_id, int64_t from_version, int limit) const override;
  int64_t position() const override { return position_; }

  // The view of what `reads` names, in up to three rounds.
  absl::StatusOr<base::View> ViewOf(
      const std::function<base::Reads(const base::View&)>& reads) const;
  absl::StatusOr<std::optional<StoredReceipt>> Receipt(const ReceiptKey& key) const;
  // People whose data was looked at, each once.
  const std::vector<std::string>& subjects() const { return subjects_; }
  StoreReader& reader() const { return *reader_; }

 private:
  const Model* model_;
  StoreReader* reader_;
  int64_t position_;
  mutable std::vector<std::string> subjects_;
};

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_JOURNAL_H_
