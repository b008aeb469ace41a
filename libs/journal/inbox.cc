#include "libs/journal/inbox.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>
#include <limits>
#include <tuple>

#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/text.h"

namespace fettle::journal {
namespace {

constexpr const char* kInboxSchema = R"sql(
  CREATE TABLE inbox_meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE inbox_offset(topic TEXT, partition INTEGER, next_offset INTEGER NOT NULL,
                            PRIMARY KEY(topic, partition)) WITHOUT ROWID;
  CREATE TABLE inbox_source(id INTEGER PRIMARY KEY, source TEXT NOT NULL UNIQUE,
                            contiguous INTEGER NOT NULL, seen INTEGER NOT NULL);
  CREATE TABLE inbox_block(source_id INTEGER, block INTEGER, bits BLOB NOT NULL,
                           PRIMARY KEY(source_id, block)) WITHOUT ROWID;
  CREATE TABLE inbox_parked(source TEXT, position INTEGER, previous_position INTEGER NOT NULL,
                            topic TEXT NOT NULL, stream TEXT NOT NULL, code TEXT NOT NULL,
                            cause TEXT NOT NULL, parked_unix_ms INTEGER NOT NULL, value BLOB,
                            bus_key BLOB NOT NULL, bus_headers BLOB NOT NULL,
                            mirrored INTEGER NOT NULL, PRIMARY KEY(source, position)) WITHOUT ROWID;
  CREATE INDEX inbox_unmirrored ON inbox_parked(source, position)
    WHERE mirrored=0 AND value IS NOT NULL;
  CREATE TABLE inbox_feed(service TEXT, access_log INTEGER, source TEXT NOT NULL,
                          PRIMARY KEY(service, access_log)) WITHOUT ROWID;
)sql";

constexpr int64_t kBlock = kControlBlockPositions;
constexpr size_t kBlockBytes = kBlock / 8;
// The write-ahead log is moved into the file after each growth by this much.
constexpr int64_t kWalBytesMax = 16 << 20;
constexpr absl::Duration kCheckpointWaitMax = absl::Milliseconds(100);
// Field 1, length-delimited.
constexpr uint32_t kHeaderTag = (1 << 3) | 2;

int64_t BlockOf(int64_t position) { return (position - 1) / kBlock; }
int BitOf(int64_t position) { return static_cast<int>((position - 1) % kBlock); }
bool Test(const PositionSet::Block& block, int bit) {
  return (block.bits[bit / 64] >> (bit % 64)) & 1;
}

// Events that a handler must not be given again by itself are those that it cannot handle;
// everything else is an outage.
bool IsParkable(const absl::Status& status) {
  return status.code() == absl::StatusCode::kInvalidArgument ||
         status.code() == absl::StatusCode::kUnimplemented;
}

// Length and bytes of each name and each value in turn.
std::string EncodeHeaders(const bus::Headers& headers) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  for (const auto& [name, value] : headers) {
    for (const std::string* part : {&name, &value}) {
      out.WriteVarint32(static_cast<uint32_t>(part->size()));
      out.WriteString(*part);
    }
  }
  out.Trim();
  return bytes;
}

absl::StatusOr<bus::Headers> DecodeHeaders(std::string_view bytes) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  bus::Headers headers;
  while (in.CurrentPosition() < static_cast<int>(bytes.size())) {
    auto& [name, value] = headers.emplace_back();
    for (std::string* part : {&name, &value}) {
      uint32_t length = 0;
      if (!in.ReadVarint32(&length) || !in.ReadString(part, static_cast<int>(length))) {
        return absl::DataLossError("the headers of a parked event cannot be read");
      }
    }
  }
  return headers;
}

absl::Status DropEverything(sqlite::Database& db) {
  FETTLE_ASSIGN_OR_RETURN(sqlite::Transaction transaction, sqlite::Transaction::Begin(db));
  std::vector<std::string> drops;
  {
    // Indexes and triggers go with their tables.
    FETTLE_ASSIGN_OR_RETURN(
        sqlite::Statement list,
        db.Prepare("SELECT 'DROP ' || type || ' \"' || name || '\"' FROM sqlite_master "
                   "WHERE type IN ('view', 'table') AND name NOT LIKE 'sqlite_%' "
                   "ORDER BY type DESC"));
    while (true) {
      FETTLE_ASSIGN_OR_RETURN(const bool row, list.Step());
      if (!row) break;
      drops.emplace_back(list.Bytes(0));
    }
  }
  for (const std::string& drop : drops) FETTLE_RETURN_IF_ERROR(db.Execute(drop));
  FETTLE_RETURN_IF_ERROR(db.Execute("PRAGMA user_version=0"));
  return transaction.Commit();
}

}  // namespace

bool DecodeHeader(std::string_view value, common::v1::EventHeader& header, std::string_view* body) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(value.data()),
                                            static_cast<int>(value.size()));
  header.Clear();
  bool first = true;
  while (const uint32_t tag = in.ReadTag()) {
    if (tag != kHeaderTag) {
      if (!WireFormatLite::SkipField(&in, tag)) return false;
      first = false;
      continue;
    }
    uint32_t length = 0;
    if (!in.ReadVarint32(&length)) return false;
    const int start = in.CurrentPosition();
    if (length > value.size() - static_cast<size_t>(start)) return false;
    if (body != nullptr) *body = first ? value.substr(static_cast<size_t>(start) + length) : value;
    return header.ParseFromArray(value.data() + start, static_cast<int>(length)) &&
           !header.source().empty() && header.position() >= 1 && header.previous_position() >= 0 &&
           header.previous_position() < header.position();
  }
  return false;
}

bool PositionSet::Contains(int64_t position) const {
  if (position <= contiguous_) return true;
  if (position > highest_) return false;
  const auto block = blocks_.find(BlockOf(position));
  return block != blocks_.end() && Test(block->second, BitOf(position));
}

bool PositionSet::Add(int64_t position) {
  FETTLE_CHECK(position >= 1, "positions count from 1");
  if (Contains(position)) return false;
  auto [at, made] = blocks_.try_emplace(BlockOf(position));
  Block& block = at->second;
  if (made) {
    // The part below `contiguous` was taken before this block was kept.
    for (int64_t p = at->first * kBlock + 1; p <= contiguous_; ++p) {
      block.bits[BitOf(p) / 64] |= uint64_t{1} << (BitOf(p) % 64);
    }
  }
  block.bits[BitOf(position) / 64] |= uint64_t{1} << (BitOf(position) % 64);
  block.dirty = true;
  ++count_;
  highest_ = std::max(highest_, position);
  while (contiguous_ < highest_) {
    const auto next = blocks_.find(BlockOf(contiguous_ + 1));
    if (next == blocks_.end() || !Test(next->second, BitOf(contiguous_ + 1))) break;
    ++contiguous_;
    if (contiguous_ % kBlock == 0) {
      dropped_.push_back(next->first);
      blocks_.erase(next);
    }
  }
  return true;
}

std::optional<std::pair<int64_t, int64_t>> PositionSet::FirstGap() const {
  if (contiguous_ == highest_) return std::nullopt;
  const int64_t from = contiguous_ + 1;
  for (auto block = blocks_.lower_bound(BlockOf(from)); block != blocks_.end(); ++block) {
    for (size_t word = 0; word < block->second.bits.size(); ++word) {
      uint64_t bits = block->second.bits[word];
      const int64_t first = block->first * kBlock + static_cast<int64_t>(word) * 64 + 1;
      if (first + 63 < from) continue;
      if (first < from) bits &= ~uint64_t{0} << (from - first);
      if (bits != 0) return std::pair(from, first + std::countr_zero(bits) - 1);
    }
  }
  return std::nullopt;
}

absl::Status PositionSet::RestoreBlock(int64_t block, std::string_view bits) {
  if (bits.size() != kBlockBytes || block < BlockOf(contiguous_ + 1)) {
    return absl::DataLossError("a row of positions taken cannot be read");
  }
  Block& restored = blocks_[block];
  std::memcpy(restored.bits.data(), bits.data(), kBlockBytes);
  for (int bit = 0; bit < kBlock; ++bit) {
    const int64_t position = block * kBlock + bit + 1;
    if (position <= contiguous_ || !Test(restored, bit)) continue;
    ++count_;
    highest_ = std::max(highest_, position);
  }
  return absl::OkStatus();
}

std::vector<std::pair<int64_t, std::string>> PositionSet::TakeChanges() {
  std::vector<std::pair<int64_t, std::string>> changes;
  for (const int64_t block : dropped_) changes.emplace_back(block, "");
  dropped_.clear();
  for (auto& [number, block] : blocks_) {
    if (!block.dirty) continue;
    block.dirty = false;
    changes.emplace_back(
        number, std::string(reinterpret_cast<const char*>(block.bits.data()), kBlockBytes));
  }
  return changes;
}

Inbox::Inbox(sqlite::Database& db, EventHandler* handler, base::Metrics* metrics, Limits limits)
    : db_(db),
      handler_(handler),
      limits_(limits),
      applied_total_(metrics->AddCounter("fettle_consumer_events_total", "Events applied")),
      duplicates_total_(metrics->AddCounter("fettle_consumer_duplicates_total",
                                            "Events that came again and were passed over")),
      parked_total_(metrics->AddCounter("fettle_consumer_parked_total", "Events parked")),
      held_gauge_(metrics->AddGauge("fettle_consumer_held_events",
                                    "Events that wait for an earlier one of their stream")),
      parked_gauge_(metrics->AddGauge("fettle_consumer_parked_events", "Events parked now")),
      commit_seconds_(
          metrics->AddHistogram("fettle_consumer_commit_seconds", "Time of a batch's commit")) {}

absl::StatusOr<std::unique_ptr<Inbox>> Inbox::Open(sqlite::Database& db, EventHandler* handler,
                                                   base::Metrics* metrics, bool from_nothing,
                                                   Limits limits) {
  if (from_nothing) FETTLE_RETURN_IF_ERROR(DropEverything(db));
  std::vector<const char*> schema = {kInboxSchema};
  for (const char* step : handler->Schema()) schema.push_back(step);
  FETTLE_RETURN_IF_ERROR(db.Migrate(schema));
  std::unique_ptr<Inbox> inbox(new Inbox(db, handler, metrics, limits));
  FETTLE_RETURN_IF_ERROR(inbox->Prepare());
  FETTLE_RETURN_IF_ERROR(inbox->Load());
  FETTLE_RETURN_IF_ERROR(handler->Open(db));
  return inbox;
}

absl::Status Inbox::Prepare() {
  FETTLE_ASSIGN_OR_RETURN(
      insert_source_,
      db_.Prepare("INSERT INTO inbox_source(id, source, contiguous, seen) VALUES(?, ?, 0, 0)"));
  FETTLE_ASSIGN_OR_RETURN(update_source_,
                          db_.Prepare("UPDATE inbox_source SET contiguous=?, seen=? WHERE id=?"));
  FETTLE_ASSIGN_OR_RETURN(
      put_block_,
      db_.Prepare("INSERT OR REPLACE INTO inbox_block(source_id, block, bits) VALUES(?, ?, ?)"));
  FETTLE_ASSIGN_OR_RETURN(delete_block_,
                          db_.Prepare("DELETE FROM inbox_block WHERE source_id=? AND block=?"));
  FETTLE_ASSIGN_OR_RETURN(
      put_offset_,
      db_.Prepare(
          "INSERT OR REPLACE INTO inbox_offset(topic, partition, next_offset) VALUES(?, ?, ?)"));
  FETTLE_ASSIGN_OR_RETURN(
      insert_parked_,
      db_.Prepare("INSERT OR IGNORE INTO inbox_parked(source, position, previous_position, topic, "
                  "stream, code, cause, parked_unix_ms, value, bus_key, bus_headers, mirrored) "
                  "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"));
  FETTLE_ASSIGN_OR_RETURN(delete_parked_,
                          db_.Prepare("DELETE FROM inbox_parked WHERE source=? AND position=?"));
  FETTLE_ASSIGN_OR_RETURN(
      settle_mirror_,
      db_.Prepare("UPDATE inbox_parked SET mirrored=1 WHERE source=? AND position=?"));
  return absl::OkStatus();
}

absl::Status Inbox::Load() {
  std::unordered_map<int64_t, Source*> by_id;
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement sources,
                          db_.Prepare("SELECT id, source, contiguous FROM inbox_source"));
  while (true) {
    FETTLE_ASSIGN_OR_RETURN(const bool row, sources.Step());
    if (!row) break;
    const std::string name(sources.Bytes(1));
    Source& source = sources_[name];
    source.id = sources.Int(0);
    source.name = name;
    source.seen.Restore(sources.Int(2));
    by_id[source.id] = &source;
  }
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement blocks,
                          db_.Prepare("SELECT source_id, block, bits FROM inbox_block"));
  while (true) {
    FETTLE_ASSIGN_OR_RETURN(const bool row, blocks.Step());
    if (!row) break;
    const auto source = by_id.find(blocks.Int(0));
    if (source == by_id.end()) return absl::DataLossError("positions of an unknown source");
    FETTLE_RETURN_IF_ERROR(source->second->seen.RestoreBlock(blocks.Int(1), blocks.Bytes(2)));
  }
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement parked,
                          db_.Prepare("SELECT source, position FROM inbox_parked"));
  int64_t count = 0;
  while (true) {
    FETTLE_ASSIGN_OR_RETURN(const bool row, parked.Step());
    if (!row) break;
    ++count;
    const auto source = sources_.find(std::string(parked.Bytes(0)));
    if (source != sources_.end()) source->second.parked.insert(parked.Int(1));
  }
  parked_gauge_.Set(static_cast<double>(count));
  FETTLE_ASSIGN_OR_RETURN(offsets_, Offsets());
  return absl::OkStatus();
}

absl::Status Inbox::Begin() {
  if (transaction_.has_value()) return absl::OkStatus();
  FETTLE_ASSIGN_OR_RETURN(sqlite::Transaction transaction, sqlite::Transaction::Begin(db_));
  transaction_.emplace(std::move(transaction));
  return absl::OkStatus();
}

absl::StatusOr<Inbox::Source*> Inbox::Find(const std::string& name) {
  if (last_source_ != nullptr && last_source_->name == name) return last_source_;
  auto [at, made] = sources_.try_emplace(name);
  if (made) {
    int64_t id = 0;
    for (const auto& [other, source] : sources_) id = std::max(id, source.id);
    at->second.id = id + 1;
    at->second.name = name;
    FETTLE_RETURN_IF_ERROR(insert_source_.BindInt(1, id + 1).BindText(2, name).Run());
  }
  last_source_ = &at->second;
  return last_source_;
}

absl::Status Inbox::Take(const std::string& topic, std::string_view value,
                         std::optional<BusOffset> at, EnvelopeOf envelope) {
  FETTLE_RETURN_IF_ERROR(Begin());
  if (at.has_value()) Advance(topic, *at);
  std::string_view body;
  if (!DecodeHeader(value, header_, &body)) {
    // Nobody can say which position it is, so the position stays missing and is fetched from the
    // feed.
    base::Log(base::Level::kError, "an event without a readable header is parked",
              {{"topic", topic}});
    const std::string place = at.has_value()
                                  ? base::Concat("unreadable:", topic, "[", at->partition, "]")
                                  : base::Concat("unreadable:", topic);
    ++uncommitted_;
    return Park(place, at.has_value() ? at->offset : 0, 0, topic, "",
                absl::InvalidArgumentError("the header cannot be read"), value, envelope());
  }
  FETTLE_ASSIGN_OR_RETURN(Source * source, Find(header_.source()));
  const int64_t position = header_.position();
  const int64_t previous = header_.previous_position();
  if (source->seen.Contains(position) ||
      (!held_at_.empty() && held_at_.contains({source->name, position}))) {
    duplicates_total_.Increment();
    return absl::OkStatus();
  }
  if (previous > 0 && !source->seen.Contains(previous) && !handler_->AnyOrder()) {
    BusEnvelope around = envelope();
    held_[{source->name, previous}][position] = {
        topic, std::string(value), at, std::move(around.key), EncodeHeaders(around.headers)};
    held_at_.insert({source->name, position});
    if (at.has_value()) held_offsets_[{topic, at->partition}].insert(at->offset);
    held_gauge_.Set(static_cast<double>(held_at_.size()));
    return absl::OkStatus();
  }
  return Settle(*source, {.topic = topic, .header = &header_, .value = value, .body = body},
                envelope);
}

absl::Status Inbox::Settle(Source& source, const ConsumedEvent& event, EnvelopeOf envelope) {
  FETTLE_RETURN_IF_ERROR(SettleOne(source, event, envelope));
  if (held_.empty()) return absl::OkStatus();
  std::deque<int64_t> settled = {event.header->position()};
  while (!settled.empty()) {
    auto waiting = held_.extract({source.name, settled.front()});
    settled.pop_front();
    if (waiting.empty()) continue;
    for (auto& [position, held] : waiting.mapped()) {
      common::v1::EventHeader header;
      ConsumedEvent next{.topic = held.topic, .header = &header, .value = held.value};
      FETTLE_CHECK(DecodeHeader(held.value, header, &next.body),
                   "a held event was readable when it came");
      BusEnvelope around{held.key, {}};
      FETTLE_ASSIGN_OR_RETURN(around.headers, DecodeHeaders(held.headers));
      FETTLE_RETURN_IF_ERROR(SettleOne(source, next, [&] { return around; }));
      held_at_.erase({source.name, position});
      if (held.at.has_value()) {
        const auto offsets = held_offsets_.find({held.topic, held.at->partition});
        offsets->second.erase(offsets->second.find(held.at->offset));
        if (offsets->second.empty()) held_offsets_.erase(offsets);
        offsets_changed_ = true;
      }
      settled.push_back(position);
    }
  }
  held_gauge_.Set(static_cast<double>(held_at_.size()));
  return absl::OkStatus();
}

absl::Status Inbox::SettleOne(Source& source, const ConsumedEvent& event, EnvelopeOf envelope) {
  const common::v1::EventHeader& header = *event.header;
  std::optional<absl::Status> cause;
  if (header.previous_position() > 0 && source.parked.contains(header.previous_position())) {
    cause = absl::FailedPreconditionError("an earlier event of its stream is parked");
  } else {
    FETTLE_ASSIGN_OR_RETURN(cause, Apply(event));
  }
  source.seen.Add(header.position());
  source.changed = true;
  ++uncommitted_;
  if (!cause.has_value()) {
    applied_total_.Increment();
    return absl::OkStatus();
  }
  std::optional<std::string_view> kept = event.value;
  if (static_cast<int64_t>(source.parked.size()) >= limits_.parked_values_max) kept.reset();
  source.parked.insert(header.position());
  base::Log(base::Level::kWarning, "an event is parked",
            {{"source", source.name},
             {"position", header.position()},
             {"type", header.type()},
             {"cause", base::ToStd(cause->message())}});
  return Park(source.name, header.position(), header.previous_position(), event.topic,
              header.stream_id(), *cause, kept, envelope());
}

absl::StatusOr<std::optional<absl::Status>> Inbox::Apply(const ConsumedEvent& event) {
  const int64_t changes = db_.total_changes();
  const absl::Status applied = handler_->Apply(event);
  if (applied.ok()) return std::optional<absl::Status>();
  if (!IsParkable(applied)) return applied;
  if (db_.total_changes() != changes) {
    return absl::InternalError(base::Concat("an event was refused when rows were changed already: ",
                                            base::ToStd(applied.message())));
  }
  return std::optional<absl::Status>(applied);
}

absl::Status Inbox::Park(const std::string& source, int64_t position, int64_t previous_position,
                         const std::string& topic, const std::string& stream,
                         const absl::Status& cause, std::optional<std::string_view> value,
                         const BusEnvelope& envelope) {
  const std::string code = absl::StatusCodeToString(cause.code());
  const std::string headers = EncodeHeaders(envelope.headers);
  insert_parked_.BindText(1, source)
      .BindInt(2, position)
      .BindInt(3, previous_position)
      .BindText(4, topic)
      .BindText(5, stream)
      .BindText(6, code)
      .BindText(7, base::ToStd(cause.message()))
      .BindInt(8, absl::ToUnixMillis(absl::Now()));
  if (value.has_value()) {
    insert_parked_.BindBlob(9, *value);
  } else {
    insert_parked_.BindNull(9);
  }
  FETTLE_RETURN_IF_ERROR(insert_parked_.BindBlob(10, envelope.key).BindBlob(11, headers).Run());
  if (db_.changes() > 0) {
    has_unmirrored_ = true;
    parked_total_.Increment();
    parked_gauge_.Increment();
  }
  return absl::OkStatus();
}

void Inbox::Advance(const std::string& topic, const BusOffset& at) {
  int64_t& next = offsets_[{topic, at.partition}];
  next = std::max(next, at.offset + 1);
  offsets_changed_ = true;
}

absl::Status Inbox::WriteChanges() {
  for (auto& [name, source] : sources_) {
    if (!source.changed) continue;
    source.changed = false;
    FETTLE_RETURN_IF_ERROR(update_source_.BindInt(1, source.seen.contiguous())
                               .BindInt(2, source.seen.count())
                               .BindInt(3, source.id)
                               .Run());
    for (const auto& [block, bits] : source.seen.TakeChanges()) {
      if (bits.empty()) {
        FETTLE_RETURN_IF_ERROR(delete_block_.BindInt(1, source.id).BindInt(2, block).Run());
      } else {
        FETTLE_RETURN_IF_ERROR(
            put_block_.BindInt(1, source.id).BindInt(2, block).BindBlob(3, bits).Run());
      }
    }
  }
  if (!offsets_changed_) return absl::OkStatus();
  offsets_changed_ = false;
  for (const auto& [at, next] : offsets_) {
    const auto held = held_offsets_.find(at);
    const int64_t stored = held == held_offsets_.end() ? next : *held->second.begin();
    FETTLE_RETURN_IF_ERROR(
        put_offset_.BindText(1, at.first).BindInt(2, at.second).BindInt(3, stored).Run());
  }
  return absl::OkStatus();
}

absl::Status Inbox::Commit() {
  if (!transaction_.has_value()) return absl::OkStatus();
  FETTLE_RETURN_IF_ERROR(handler_->BeforeCommit());
  FETTLE_RETURN_IF_ERROR(WriteChanges());
  const absl::Time start = absl::Now();
  FETTLE_RETURN_IF_ERROR(transaction_->Commit());
  commit_seconds_.Observe(absl::ToDoubleSeconds(absl::Now() - start));
  transaction_.reset();
  uncommitted_ = 0;
  handler_->AfterCommit();
  if (db_.wal_bytes() < wal_bytes_checkpointed_) wal_bytes_checkpointed_ = 0;  // begun anew
  if (db_.wal_bytes() < wal_bytes_checkpointed_ + kWalBytesMax) return absl::OkStatus();
  const bool overlong = db_.wal_bytes() >= 2 * kWalBytesMax;
  FETTLE_RETURN_IF_ERROR(db_.Checkpoint(overlong ? kCheckpointWaitMax : absl::ZeroDuration()));
  wal_bytes_checkpointed_ = db_.wal_bytes();
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Inbox::Redrive(const Fetch& fetch) {
  FETTLE_RETURN_IF_ERROR(Commit());
  int64_t gone = 0;
  std::string source_name;
  int64_t position = -1;
  // One row at a time, so that any number of parked events fits in memory.
  FETTLE_ASSIGN_OR_RETURN(
      sqlite::Statement next,
      db_.Prepare("SELECT source, position, previous_position, topic, value FROM inbox_parked "
                  "WHERE (source, position) > (?, ?) ORDER BY source, position LIMIT 1"));
  while (true) {
    next.Reset();
    next.BindText(1, source_name).BindInt(2, position);
    FETTLE_ASSIGN_OR_RETURN(const bool row, next.Step());
    if (!row) break;
    const std::string name(next.Bytes(0));
    const int64_t at = next.Int(1);
    const int64_t previous = next.Int(2);
    const std::string topic(next.Bytes(3));
    const bool kept = !next.IsNull(4);
    std::string value(next.Bytes(4));
    next.Reset();
    source_name = name;
    position = at;

    const auto source = sources_.find(name);
    common::v1::EventHeader header;
    if (source == sources_.end() || !source->second.parked.contains(at)) {
      // Without a readable header: it can become readable by no repair here, but its position comes
      // from the feed.
      continue;
    }
    if (previous > 0 && source->second.parked.contains(previous)) continue;
    if (!kept) {
      absl::StatusOr<std::string> fetched = fetch(name, at);
      if (!fetched.ok()) continue;
      value = *std::move(fetched);
    }
    ConsumedEvent event{.topic = topic, .header = &header, .value = value};
    if (!DecodeHeader(value, header, &event.body) || header.position() != at) continue;
    FETTLE_RETURN_IF_ERROR(Begin());
    FETTLE_ASSIGN_OR_RETURN(const std::optional<absl::Status> cause, Apply(event));
    if (cause.has_value()) continue;
    FETTLE_RETURN_IF_ERROR(delete_parked_.BindText(1, name).BindInt(2, at).Run());
    source->second.parked.erase(at);
    parked_gauge_.Decrement();
    ++gone;
  }
  FETTLE_RETURN_IF_ERROR(Commit());
  return gone;
}

absl::StatusOr<std::vector<Inbox::DeadLetter>> Inbox::Unmirrored(int64_t rows_max,
                                                                 int64_t bytes_max) {
  std::vector<DeadLetter> letters;
  FETTLE_ASSIGN_OR_RETURN(
      sqlite::Statement rows,
      db_.Prepare("SELECT source, position, topic, code, cause, parked_unix_ms, value, bus_key, "
                  "bus_headers FROM inbox_parked WHERE mirrored=0 AND value IS NOT NULL "
                  "ORDER BY source, position LIMIT ?"));
  rows.BindInt(1, rows_max);
  for (int64_t bytes = 0;;) {
    FETTLE_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) break;
    bytes += static_cast<int64_t>(rows.Bytes(6).size());
    if (!letters.empty() && bytes > bytes_max) break;
    FETTLE_ASSIGN_OR_RETURN(bus::Headers headers, DecodeHeaders(rows.Bytes(8)));
    letters.push_back({.source = std::string(rows.Bytes(0)),
                       .position = rows.Int(1),
                       .topic = std::string(rows.Bytes(2)),
                       .code = std::string(rows.Bytes(3)),
                       .cause = std::string(rows.Bytes(4)),
                       .parked_time = absl::FromUnixMillis(rows.Int(5)),
                       .value = std::string(rows.Bytes(6)),
                       .envelope = {std::string(rows.Bytes(7)), std::move(headers)}});
  }
  if (letters.empty()) has_unmirrored_ = false;
  return letters;
}

absl::Status Inbox::SettleMirror(const std::string& source, int64_t position) {
  FETTLE_RETURN_IF_ERROR(Begin());
  return settle_mirror_.BindText(1, source).BindInt(2, position).Run();
}

std::optional<Inbox::Gap> Inbox::GapOf(const std::string& name) const {
  const auto at = sources_.find(name);
  if (at == sources_.end()) return std::nullopt;
  const PositionSet& seen = at->second.seen;
  Gap gap{name, seen.contiguous() + 1, 0, seen.highest()};
  if (const auto missing = seen.FirstGap(); missing.has_value()) gap.to = missing->second;
  // What is held came, and waits for something before it.
  const auto first_held = held_at_.lower_bound({name, 0});
  if (first_held != held_at_.end() && first_held->first == name) {
    const int64_t before = first_held->second - 1;
    gap.to = gap.to == 0 ? before : std::min(gap.to, before);
    const auto behind = held_at_.upper_bound({name, std::numeric_limits<int64_t>::max()});
    gap.highest = std::max(gap.highest, std::prev(behind)->second);
  }
  if (gap.to == 0) return std::nullopt;
  return gap;
}

std::vector<Inbox::Gap> Inbox::Gaps() const {
  std::vector<Gap> gaps;
  for (const auto& [name, source] : sources_) {
    std::optional<Gap> gap = GapOf(name);
    if (gap.has_value()) gaps.push_back(*std::move(gap));
  }
  return gaps;
}

int64_t Inbox::contiguous(const std::string& source) const {
  const auto at = sources_.find(source);
  return at == sources_.end() ? 0 : at->second.seen.contiguous();
}

std::map<std::string, int64_t> Inbox::Contiguous() const {
  std::map<std::string, int64_t> contiguous;
  for (const auto& [name, source] : sources_) contiguous[name] = source.seen.contiguous();
  return contiguous;
}

absl::StatusOr<std::map<std::pair<std::string, int>, int64_t>> Inbox::Offsets() {
  std::map<std::pair<std::string, int>, int64_t> offsets;
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement read,
                          db_.Prepare("SELECT topic, partition, next_offset FROM inbox_offset"));
  while (true) {
    FETTLE_ASSIGN_OR_RETURN(const bool row, read.Step());
    if (!row) return offsets;
    offsets[{std::string(read.Bytes(0)), static_cast<int>(read.Int(1))}] = read.Int(2);
  }
}

absl::StatusOr<std::string> Inbox::ClusterId() {
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement read,
                          db_.Prepare("SELECT value FROM inbox_meta WHERE name='cluster'"));
  FETTLE_ASSIGN_OR_RETURN(const bool row, read.Step());
  return row ? std::string(read.Bytes(0)) : std::string();
}

absl::Status Inbox::ForgetOffsets(const std::string& cluster_id) {
  FETTLE_RETURN_IF_ERROR(Commit());
  FETTLE_ASSIGN_OR_RETURN(const std::string known, ClusterId());
  FETTLE_RETURN_IF_ERROR(Begin());
  FETTLE_RETURN_IF_ERROR(db_.Execute("DELETE FROM inbox_offset"));
  if (known != cluster_id) {
    FETTLE_RETURN_IF_ERROR(db_.Execute("UPDATE inbox_parked SET mirrored=0"));
    has_unmirrored_ = true;
  }
  offsets_.clear();
  offsets_changed_ = false;
  // What is held comes again, from the beginning of its partition or from the feed.
  held_.clear();
  held_at_.clear();
  held_offsets_.clear();
  held_gauge_.Set(0);
  FETTLE_ASSIGN_OR_RETURN(
      sqlite::Statement put,
      db_.Prepare("INSERT OR REPLACE INTO inbox_meta(name, value) VALUES('cluster', ?)"));
  FETTLE_RETURN_IF_ERROR(put.BindText(1, cluster_id).Run());
  return Commit();
}

absl::StatusOr<std::string> Inbox::FeedSourceName(const std::string& service, bool access_log) {
  FETTLE_ASSIGN_OR_RETURN(
      sqlite::Statement read,
      db_.Prepare("SELECT source FROM inbox_feed WHERE service=? AND access_log=?"));
  read.BindText(1, service).BindInt(2, access_log ? 1 : 0);
  FETTLE_ASSIGN_OR_RETURN(const bool row, read.Step());
  return row ? std::string(read.Bytes(0)) : std::string();
}

absl::Status Inbox::SetFeedSourceName(const std::string& service, bool access_log,
                                      const std::string& source) {
  FETTLE_RETURN_IF_ERROR(Begin());
  FETTLE_ASSIGN_OR_RETURN(
      sqlite::Statement put,
      db_.Prepare(
          "INSERT OR REPLACE INTO inbox_feed(service, access_log, source) VALUES(?, ?, ?)"));
  return put.BindText(1, service).BindInt(2, access_log ? 1 : 0).BindText(3, source).Run();
}

}  // namespace fettle::journal
