// The commands that are decided and committed together: what they look at, overlaid with what those
// before them did, and what will be written. No threads, no store: loading is asked of the caller.
//
//   Batch batch(parts, time, start, previous);
//   batch.Want(command)...; batch.Keep(request, load(batch.request()));
//   batch.Decide(command, load)...;
//   batch.Seal(); store.Commit(batch.write());
//
// A batch may be decided while the one before it is on its way to the disk: what that one knows
// stands in for the store. Thread-compatible; after Seal a batch is not changed any more, and two
// threads may read it.
#ifndef FETTLE_LIBS_JOURNAL_BATCH_H_
#define FETTLE_LIBS_JOURNAL_BATCH_H_

#include <google/protobuf/arena.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "fettle/journal/v1/access_events.pb.h"
#include "libs/journal/command.h"
#include "libs/journal/model.h"
#include "libs/journal/store.h"

namespace fettle::journal {

// `urn:fettle:<service>:<journal>`, with `:access` for the access log.
std::string SourceOf(const Model& model, const std::string& journal, Log log);

// What a header tells of the call that led to it.
void FillCaller(const CallInfo& call, common::v1::EventHeader& header);

// DATA_LOSS when the bytes are no state of the model.
absl::StatusOr<base::View::Stream> ToStream(const Model& model, const StoredState& stored);

// The rows that lead from states and timers as they were to those that are now.
void DiffEntries(const std::string& stream, std::vector<base::Entry> before,
                 std::vector<base::Entry> after, int64_t position, WriteBatch& write);

class Batch {
 public:
  // The same for all batches of a journal.
  struct Parts {
    const Model* model = nullptr;
    std::string journal;  // its name
    int64_t event_bytes_max = 0;
    std::string events_source, access_source;
  };
  // Last positions of the logs.
  struct Positions {
    int64_t events = 0;
    int64_t access = 0;
  };
  using Loader = std::function<absl::StatusOr<LoadResult>(const LoadRequest& request)>;

  // `parts` outlives the batch. `previous`: the batch before, sealed, or null; the store that loads
  // has all that came before that one.
  Batch(const Parts* parts, absl::Time time, Positions positions,
        std::shared_ptr<const Batch> previous);

  // Notes what has to be loaded, as far as it follows from the request alone.
  void Want(const Command& command);
  void Want(const ReceiptKey& key);
  // All that was noted; then what the store gave for it.
  const LoadRequest& request() const { return request_; }
  absl::Status Keep(LoadResult result, const Loader& load);

  // Decides one command; its effects are in the batch when it was accepted.
  Answer Decide(const Command& command, const Loader& load);
  void AddAccess(v1::AccessEvent record);
  void AddCursors(std::vector<StoredCursor>&& cursors);
  std::optional<StoredReceipt> Receipt(const ReceiptKey& key) const;

  // Completes the transaction. Nothing is added afterwards.
  void Seal();
  const WriteBatch& write() const { return write_; }

  absl::Time time() const { return time_; }
  const Positions& positions() const { return positions_; }
  bool empty() const;

 private:
  struct Accepted {
    std::vector<StoredEvent> events;
    std::vector<StoredEntry> facts;
    std::map<std::string, base::View::Stream> streams;  // after the command
    std::shared_ptr<Message> response;
    std::string response_bytes;
  };
  // Entries of a stream as they stand in the store and after what is decided so far, timers as they
  // stand in the store.
  struct Change {
    std::vector<base::Entry> before, after;
    std::vector<base::Timer> timers_before;
  };

  bool StillDue(const base::TimerDue& timer) const;
  bool WantReads(const base::Reads& reads, LoadRequest& request);
  absl::Status KeepReads(const LoadRequest& request, LoadResult& result, const Loader& load);
  void FillView(const base::Reads& reads, base::View& view) const;
  void FillStream(const std::string& id, base::View& view) const;
  absl::StatusOr<base::View> CompleteView(const Command& command, const Loader& load,
                                          base::Reads* last_reads);
  absl::StatusOr<Accepted> TryDecide(const Command& command, const Loader& load);
  absl::StatusOr<Accepted> Evolve(const Command& command, const base::Context& context,
                                  const base::View& view, AnyDecision decision);
  void Apply(const Command& command, Accepted& accepted, const ReceiptKey& key);
  void Hold(int index, const std::string& key, const std::string& stream);
  Answer Replay(const Command& command, const StoredReceipt& receipt);
  void ParkTimer(const base::TimerDue& timer, const absl::Status& cause);
  void Refused(const CallInfo& call, const absl::Status& status);
  void DiffTimers(const std::string& stream, const std::vector<base::Timer>& before,
                  const std::vector<base::Timer>& after);

  const Parts& parts_;
  const Model& model_;
  const absl::Time time_;
  const std::string today_;
  Positions positions_;
  // Of the states that it makes; it lives for as long as one of them is held.
  const std::shared_ptr<google::protobuf::Arena> arena_ =
      std::make_shared<google::protobuf::Arena>();
  std::shared_ptr<const Batch> previous_;  // until sealed
  LoadRequest request_;
  absl::flat_hash_map<std::string, std::optional<base::View::Stream>> streams_;
  absl::flat_hash_map<std::pair<int, std::string>, std::optional<std::string>> holders_;
  absl::flat_hash_map<ReceiptKey, StoredReceipt> receipts_;
  std::map<std::string, Change> changes_;  // in the order in which they are written
  absl::flat_hash_set<std::string> wanted_streams_;
  absl::flat_hash_set<std::pair<int, std::string>> wanted_holders_;
  std::vector<std::string> subjects_seen_;  // of the command that is being decided
  WriteBatch write_;
};

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_BATCH_H_
