// The inbox of a consumer: what was taken, what is parked, what waits, in the consumer's own
// database and in the transaction of the effect. It knows neither Kafka nor gRPC: events come in by
// Take, whichever way they travelled.
//
// Threads: one. Tables: inbox_meta, inbox_offset, inbox_source, inbox_block, inbox_parked,
// inbox_feed.
#ifndef FETTLE_LIBS_JOURNAL_INBOX_H_
#define FETTLE_LIBS_JOURNAL_INBOX_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fettle/common/v1/types.pb.h"
#include "libs/base/metrics.h"
#include "libs/bus/cloud_event.h"
#include "libs/journal/consumer.h"
#include "libs/journal/control_total.h"
#include "libs/sqlite/database.h"

namespace fettle::journal {

// Field 1 of every message of every topic, decoded without knowing the message. False when there is
// none, it cannot be read, or it does not say which source and position it is. `body` gets
// ConsumedEvent::body.
bool DecodeHeader(std::string_view value, common::v1::EventHeader& header,
                  std::string_view* body = nullptr);

// Positions of one source, from 1, as bitmaps of 4,096: blocks that are full and have all before
// them are dropped, so it stays small however long the source is.
class PositionSet {
 public:
  struct Block {
    std::array<uint64_t, kControlBlockPositions / 64> bits = {};
    bool dirty = false;
  };

  bool Contains(int64_t position) const;
  // False when it was there.
  bool Add(int64_t position);

  // All positions up to this one are there.
  int64_t contiguous() const { return contiguous_; }
  int64_t count() const { return count_; }
  int64_t highest() const { return highest_; }
  // First and last of the first run of missing positions, nothing when there is none below the
  // highest.
  std::optional<std::pair<int64_t, int64_t>> FirstGap() const;

  // As stored. Blocks come in any order; `contiguous` comes first.
  void Restore(int64_t contiguous) { contiguous_ = count_ = highest_ = contiguous; }
  // DATA_LOSS when the bytes are not those of a block.
  absl::Status RestoreBlock(int64_t block, std::string_view bits);
  // The blocks changed since the last call, as (block, bytes); no bytes: the block is full and no
  // longer kept.
  std::vector<std::pair<int64_t, std::string>> TakeChanges();

 private:
  int64_t contiguous_ = 0;
  int64_t count_ = 0;
  int64_t highest_ = 0;
  std::map<int64_t, Block> blocks_;
  std::vector<int64_t> dropped_;
};

// Where a Kafka message stood.
struct BusOffset {
  int partition = 0;
  int64_t offset = 0;
};

// What a Kafka message has around its value; empty for an event that came by a feed.
struct BusEnvelope {
  std::string key;
  bus::Headers headers;
};
// Asked of an event that is held or parked only.
using EnvelopeOf = absl::FunctionRef<BusEnvelope()>;
inline BusEnvelope NoEnvelope() { return {}; }

class Inbox {
 public:
  struct Limits {
    // Of one source: parked events that keep their bytes; beyond it only their position is kept and
    // the bytes come from the feed again.
    int64_t parked_values_max = 10'000;
  };
  // Reads one position of a source from its feed.
  using Fetch =
      std::function<absl::StatusOr<std::string>(const std::string& source, int64_t position)>;

  // Brings the tables up to date, the handler's behind the inbox's, opens the handler and loads
  // what is there. `from_nothing` drops every table first. All three outlive the inbox.
  static absl::StatusOr<std::unique_ptr<Inbox>> Open(sqlite::Database& db, EventHandler* handler,
                                                     base::Metrics* metrics, bool from_nothing,
                                                     Limits limits);

  // One event as it came. Duplicates are passed over; an event whose predecessor in its stream is
  // missing is held in memory; one whose predecessor is parked is parked. Begins a transaction when
  // there is none. An error stops the consumer.
  absl::Status Take(const std::string& topic, std::string_view value,
                    std::optional<BusOffset> at = std::nullopt, EnvelopeOf envelope = NoEnvelope);
  // Ends the transaction, if one is open, so that all of it is on disk.
  absl::Status Commit();
  bool open() const { return transaction_.has_value(); }
  // Events applied or parked since the last commit.
  int64_t uncommitted() const { return uncommitted_; }

  // Tries the parked events again, in order; gives how many are no longer parked. Commits.
  absl::StatusOr<int64_t> Redrive(const Fetch& fetch);

  // A parked row as the dead-letter topic shows it.
  struct DeadLetter {
    // `unreadable:<topic>[<partition>]` and the offset, when the header could not be read.
    std::string source;
    int64_t position = 0;
    std::string topic;  // that it came by
    std::string code;   // name of the absl::StatusCode
    std::string cause;
    absl::Time parked_time;
    std::string value;
    BusEnvelope envelope;
  };
  // Rows that keep their bytes and are not settled with the dead-letter topic, by source and
  // position: one at least when there is one, then no more than fit both limits.
  absl::StatusOr<std::vector<DeadLetter>> Unmirrored(int64_t rows_max, int64_t bytes_max);
  // False: there is surely none.
  bool has_unmirrored() const { return has_unmirrored_; }
  // The topic has the row, or will never take it. Nothing when the row is no longer parked. Begins
  // a transaction when there is none.
  absl::Status SettleMirror(const std::string& source, int64_t position);

  // Held events: they came, but an earlier one of their stream has not.
  int64_t held() const { return static_cast<int64_t>(held_at_.size()); }
  // The first run of missing positions of a source, and the highest position of it that came.
  struct Gap {
    std::string source;
    int64_t from = 0;
    int64_t to = 0;
    int64_t highest = 0;
  };
  std::optional<Gap> GapOf(const std::string& source) const;
  // Of every source that has one.
  std::vector<Gap> Gaps() const;
  int64_t contiguous(const std::string& source) const;
  // Of every source.
  std::map<std::string, int64_t> Contiguous() const;

  // Offset of the next message to read, in the transaction; never beyond a held event, which lives
  // in memory alone.
  absl::StatusOr<std::map<std::pair<std::string, int>, int64_t>> Offsets();
  // The stored name of the cluster that the offsets belong to, empty before the first.
  absl::StatusOr<std::string> ClusterId();
  // Another cluster, or offsets that are gone: no offset means anything any more, and another
  // cluster's dead-letter topics have no row. Commits.
  absl::Status ForgetOffsets(const std::string& cluster_id);

  // Source that a feed gave last, so that reading goes on behind what was taken; empty before the
  // first.
  absl::StatusOr<std::string> FeedSourceName(const std::string& service, bool access_log);
  absl::Status SetFeedSourceName(const std::string& service, bool access_log,
                                 const std::string& source);

 private:
  struct Source {
    int64_t id = 0;
    std::string name;
    PositionSet seen;  // applied or parked
    std::unordered_set<int64_t> parked;
    bool changed = false;
  };
  struct Held {
    std::string topic;
    std::string value;
    std::optional<BusOffset> at;
    std::string key, headers;  // the envelope, encoded: many may be held
  };

  Inbox(sqlite::Database& db, EventHandler* handler, base::Metrics* metrics, Limits limits);
  absl::Status Prepare();
  absl::Status Load();
  absl::Status Begin();
  absl::StatusOr<Source*> Find(const std::string& name);
  // Applies or parks the event, and all that waited for it.
  absl::Status Settle(Source& source, const ConsumedEvent& event, EnvelopeOf envelope);
  absl::Status SettleOne(Source& source, const ConsumedEvent& event, EnvelopeOf envelope);
  // OK with the cause when the handler would not have it.
  absl::StatusOr<std::optional<absl::Status>> Apply(const ConsumedEvent& event);
  absl::Status Park(const std::string& source, int64_t position, int64_t previous_position,
                    const std::string& topic, const std::string& stream, const absl::Status& cause,
                    std::optional<std::string_view> value, const BusEnvelope& envelope);
  void Advance(const std::string& topic, const BusOffset& at);
  absl::Status WriteChanges();

  sqlite::Database& db_;
  EventHandler* const handler_;
  const Limits limits_;
  std::optional<sqlite::Transaction> transaction_;
  int64_t uncommitted_ = 0;
  int64_t wal_bytes_checkpointed_ = 0;

  std::unordered_map<std::string, Source> sources_;
  Source* last_source_ = nullptr;
  // (source, position of the predecessor) -> (position, event), and where the held ones stood on
  // the bus.
  std::map<std::pair<std::string, int64_t>, std::map<int64_t, Held>> held_;
  std::set<std::pair<std::string, int64_t>> held_at_;  // (source, position)
  std::map<std::pair<std::string, int>, std::multiset<int64_t>> held_offsets_;
  std::map<std::pair<std::string, int>, int64_t> offsets_;
  bool offsets_changed_ = false;
  bool has_unmirrored_ = true;
  common::v1::EventHeader header_;

  sqlite::Statement insert_source_, update_source_, put_block_, delete_block_, put_offset_;
  sqlite::Statement insert_parked_, delete_parked_, settle_mirror_;

  base::Counter& applied_total_;
  base::Counter& duplicates_total_;
  base::Counter& parked_total_;
  base::Gauge& held_gauge_;
  base::Gauge& parked_gauge_;
  base::Histogram& commit_seconds_;
};

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_INBOX_H_
