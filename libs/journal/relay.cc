#include "libs/journal/relay.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <array>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "fettle/common/v1/types.pb.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/bus/cloud_event.h"
#include "libs/bus/publisher.h"
#include "libs/bus/subscriber.h"
#include "libs/journal/attributes.h"
#include "libs/journal/relay_machine.h"

namespace fettle::journal {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr std::string_view kAccessTopic = "fettle.access.v1";
// Wait for reports when the publisher is full, or when all is sent and Stop waits.
constexpr absl::Duration kFullPoll = absl::Milliseconds(20);
// Calls that wait for a broker; Stop waits for the one that is under way.
constexpr absl::Duration kAskCluster = absl::Milliseconds(500);
constexpr absl::Duration kAskTopic = absl::Seconds(3);
constexpr int kTailPageMessages = 1'000;
// Two logs share the publisher; the lowest bit of a tag says which.
constexpr uint64_t TagOf(int64_t position, size_t log) {
  return static_cast<uint64_t>(position) << 1 | log;
}

// Field 1 of the published message, without decoding the rest.
bool ParseHeader(const std::string& value, common::v1::EventHeader* header) {
  constexpr uint32_t kTag = WireFormatLite::MakeTag(1, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(value.data()),
                                            static_cast<int>(value.size()));
  while (const uint32_t tag = in.ReadTag()) {
    if (tag != kTag) {
      if (!WireFormatLite::SkipField(&in, tag)) return false;
      continue;
    }
    uint32_t bytes = 0;
    const void* at = nullptr;
    int left = 0;
    if (!in.ReadVarint32(&bytes)) return false;
    if (bytes == 0) return header->ParseFromArray("", 0);
    if (!in.GetDirectBufferPointer(&at, &left) || bytes > static_cast<uint32_t>(left)) return false;
    return header->ParseFromArray(at, static_cast<int>(bytes));
  }
  return false;
}

// What other threads tell the relay's. Shared with the journal's callbacks, which may outlive it.
struct Shared {
  absl::Mutex mutex;
  bus::Publisher* publisher ABSL_GUARDED_BY(mutex) = nullptr;  // the one that may be polled now
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  bool checked ABSL_GUARDED_BY(mutex) = false;  // the topics were looked at once
  bool ended ABSL_GUARDED_BY(mutex) = false;
  absl::Status failure ABSL_GUARDED_BY(mutex);
  bool storing ABSL_GUARDED_BY(mutex) = false;       // cursors are under way
  bool store_failed ABSL_GUARDED_BY(mutex) = false;  // the last ones did not get there

  // A publisher that is woken while nobody polls gives that wake to the next poll; without a
  // publisher, nobody sleeps on commits.
  void Wake() {
    absl::MutexLock lock(&mutex);
    if (publisher != nullptr) publisher->Wake();
  }
};

}  // namespace

class Relay::Impl {
 public:
  Impl(RelayOptions options, Journal* journal, base::Metrics* metrics)
      : options_(std::move(options)),
        journal_(journal),
        data_schema_{
            absl::StrCat("urn:fettle:message:", journal->model().event->GetTypeName()),
            absl::StrCat("urn:fettle:message:", v1::AccessEvent::descriptor()->full_name())},
        logs_{LogState(Log::kEvents, options_, options_.events_topic, metrics),
              LogState(Log::kAccess, options_, options_.access_topic, metrics)},
        rebuilds_(metrics->AddCounter("fettle_relay_rebuilds_total",
                                      "Publishers that were given up for another")) {}

  absl::Status Start() {
    FETTLE_ASSIGN_OR_RETURN(reader_, journal_->NewReader());
    FETTLE_RETURN_IF_ERROR(BuildPublisher());
    journal_->OnCommit([shared = shared_] { shared->Wake(); });
    thread_ = std::thread([this] { Loop(); });
    absl::MutexLock lock(&shared_->mutex);
    const auto seen = [shared = shared_.get()]() ABSL_SHARED_LOCKS_REQUIRED(shared->mutex) {
      return shared->checked || shared->ended;
    };
    shared_->mutex.AwaitWithTimeout(absl::Condition(&seen),
                                    absl::Milliseconds(options_.start_ms_max));
    return shared_->failure;
  }

  void Stop() {
    {
      absl::MutexLock lock(&shared_->mutex);
      shared_->stopping = true;
      if (shared_->publisher != nullptr) shared_->publisher->Wake();
    }
    if (thread_.joinable()) thread_.join();
  }

  absl::Status failure() const {
    absl::MutexLock lock(&shared_->mutex);
    return shared_->failure;
  }

 private:
  struct LogState {
    LogState(Log log, const RelayOptions& options, const std::string& topic, base::Metrics* metrics)
        : log(log),
          machine(options.unacknowledged_events_max),
          page_events(options.page_events_max),
          position_metric(metrics->AddGauge("fettle_relay_position",
                                            "Position up to which a topic has everything",
                                            {{"topic", topic}})),
          oldest_metric(metrics->AddGauge("fettle_relay_oldest_unsent_seconds",
                                          "Age of the oldest item that is not acknowledged",
                                          {{"topic", topic}})),
          events_metric(metrics->AddCounter("fettle_relay_events_total",
                                            "Messages acknowledged, repeated ones included",
                                            {{"topic", topic}})) {
      message.topic = topic;
    }

    const Log log;
    RelayMachine machine;
    std::vector<StoredEvent> page;  // positions from page.front() on, without gaps
    int64_t page_events;            // to be read next
    bus::EventMessage message;      // reused
    int64_t message_position = 0;   // what `message` was made of
    int64_t stored_cursor = 0;      // as the journal was last asked to keep it
    int64_t acknowledged = 0;       // not counted in the metric yet
    base::Gauge& position_metric;
    base::Gauge& oldest_metric;
    base::Counter& events_metric;
  };

  bool stopping() const {
    absl::MutexLock lock(&shared_->mutex);
    return shared_->stopping;
  }

  // False when the relay is to stop.
  bool Sleep(absl::Duration duration) {
    absl::MutexLock lock(&shared_->mutex);
    return !shared_->mutex.AwaitWithTimeout(absl::Condition(&shared_->stopping), duration);
  }

  void DropPublisher() {
    {
      absl::MutexLock lock(&shared_->mutex);
      shared_->publisher = nullptr;
    }
    publisher_.reset();
  }

  absl::Status BuildPublisher() {
    bus::PublisherOptions options{.cluster = options_.cluster};
    options.unreported_messages_max = static_cast<int>(2 * options_.unacknowledged_events_max);
    options.unreported_kbytes_max = static_cast<int>(options_.unacknowledged_kbytes_max);
    options.linger_ms = static_cast<int>(options_.linger_ms);
    FETTLE_ASSIGN_OR_RETURN(publisher_, bus::Publisher::Create(options));
    absl::MutexLock lock(&shared_->mutex);
    shared_->publisher = publisher_.get();
    return absl::OkStatus();
  }

  void Loop() {
    absl::Status status;
    while (status.ok()) {
      if (stopping() && !GoOnStopping()) break;
      if (Connected()) {
        Turn();
      } else {
        status = Connect();
      }
    }
    StoreCursors(/*last=*/true);
    DropPublisher();
    absl::MutexLock lock(&shared_->mutex);
    if (!status.ok()) {
      base::Log(base::Level::kError, "the relay ended", {{"cause", status.message()}});
      shared_->failure = std::move(status);
    }
    shared_->ended = true;
  }

  bool Connected() const {
    return std::all_of(logs_.begin(), logs_.end(),
                       [](const LogState& log) { return log.machine.connected(); });
  }

  // Asked when Stop was called: whether there is something to send and a chance to.
  bool GoOnStopping() {
    if (stop_deadline_ == absl::InfiniteFuture()) {
      stop_deadline_ = absl::Now() + absl::Milliseconds(options_.shutdown_ms_max);
    }
    return Connected() && absl::Now() < stop_deadline_ &&
           std::any_of(logs_.begin(), logs_.end(), [this](LogState& log) {
             log.machine.Committed(journal_->position(log.log));
             return !log.machine.caught_up();
           });
  }

  // Another publisher, its cluster, and both logs' places there. An error is the end of the relay.
  absl::Status Connect() {
    if (used_) {
      used_ = false;
      rebuilds_.Increment();
      // What it acknowledged last counts.
      if (publisher_ != nullptr) Serve(absl::ZeroDuration());
      DropPublisher();
      if (!Sleep(backoff_)) return absl::OkStatus();
      backoff_ = std::min(2 * backoff_, absl::Milliseconds(options_.backoff_ms_max));
      absl::Status built = BuildPublisher();
      if (!built.ok()) {
        base::Log(base::Level::kError, "no publisher", {{"cause", built.message()}});
        used_ = true;
        return absl::OkStatus();
      }
    }
    const absl::StatusOr<std::string> cluster_id = publisher_->ClusterId(kAskCluster);
    if (!cluster_id.ok()) {
      if (!unreachable_) base::Log(base::Level::kWarning, "no broker answers; the journal waits");
      unreachable_ = true;
      UpdateMetrics();
      return absl::OkStatus();
    }
    for (size_t i = 0; i < logs_.size(); ++i) {
      absl::StatusOr<int64_t> topic_last = TopicLast(*cluster_id, logs_[i]);
      absl::StatusOr<int64_t> stored = StoredCursorOf(*cluster_id, logs_[i]);
      for (const absl::Status& status : {topic_last.status(), stored.status()}) {
        if (status.ok()) continue;
        base::Log(base::Level::kWarning, "the relay cannot find its place",
                  {{"topic", logs_[i].message.topic}, {"cause", status.message()}});
        used_ = true;
        return absl::OkStatus();
      }
      // The journal's position after the topic's, which may have grown meanwhile.
      absl::Status connected = logs_[i].machine.Connected(*cluster_id, *stored, *topic_last,
                                                          journal_->position(logs_[i].log));
      if (!connected.ok()) {
        return absl::FailedPreconditionError(
            absl::StrCat("topic ", logs_[i].message.topic, ": ", connected.message()));
      }
      logs_[i].stored_cursor = *stored;
      logs_[i].message_position = 0;
      logs_[i].page.clear();
    }
    checked_clusters_.insert(*cluster_id);
    used_ = true;
    unreachable_ = false;
    base::Log(base::Level::kInfo, "relay connected",
              {{"cluster", *cluster_id},
               {"events_from", logs_[0].machine.cursor() + 1},
               {"access_from", logs_[1].machine.cursor() + 1}});
    absl::MutexLock lock(&shared_->mutex);
    shared_->checked = true;
    return absl::OkStatus();
  }

  // One round: read and send what there is, take reports, store cursors now and then.
  void Turn() {
    bool wait = true;
    full_ = false;
    for (size_t i = 0; i < logs_.size(); ++i) {
      const Sent sent = Send(i);
      if (sent == Sent::kFailed) {
        // The store gave an error: try again later. The journal itself ends the process if it is
        // bad.
        for (LogState& log : logs_) log.machine.Lost();
        return;
      }
      wait = wait && sent == Sent::kAll;
    }
    absl::Duration timeout = absl::ZeroDuration();
    if (wait) {
      timeout = absl::Milliseconds(options_.idle_ms_max);
      if (CursorsMoved()) timeout = std::min(timeout, next_store_ - absl::Now());
      if (stop_deadline_ != absl::InfiniteFuture()) timeout = std::min(timeout, kFullPoll);
      timeout = std::max(timeout, absl::ZeroDuration());
    } else if (full_) {
      timeout = kFullPoll;
    }
    Serve(timeout);
    const absl::Time now = absl::Now();
    if (now >= next_look_) {
      next_look_ = now + absl::Milliseconds(options_.idle_ms_max);
      LookAtCluster();
      UpdateMetrics();
    }
    if (now >= next_store_ && CursorsMoved()) StoreCursors(/*last=*/false);
  }

  enum class Sent { kAll, kSome, kFailed };

  // Steps of one log until it has to wait, the publisher is full, or a page is through.
  Sent Send(size_t index) {
    LogState& log = logs_[index];
    log.machine.Committed(journal_->position(log.log));
    bool read = false;
    while (true) {
      const RelayMachine::Step step = log.machine.Next();
      switch (step.what) {
        case RelayMachine::Do::kRead:
          if (read) return Sent::kSome;  // the other log, and reports, in between
          read = true;
          if (!ReadPage(log, step.position)) return Sent::kFailed;
          break;
        case RelayMachine::Do::kProduce: {
          if (log.message_position != step.position && !BuildMessage(index, step.position)) {
            return Sent::kFailed;
          }
          const bus::Produced produced =
              publisher_->Produce(log.message, TagOf(step.position, index));
          if (produced == bus::Produced::kFull) {
            full_ = true;
            return Sent::kSome;
          }
          log.machine.Produced();
          // Nothing goes out behind a message that failed; the report comes with the next poll.
          if (produced == bus::Produced::kFailed) return Sent::kSome;
          break;
        }
        case RelayMachine::Do::kWait:
        case RelayMachine::Do::kRebuild:
          return Sent::kAll;
      }
    }
  }

  bool ReadPage(LogState& log, int64_t from) {
    absl::Status status = reader_->Refresh();
    if (status.ok()) {
      absl::StatusOr<std::vector<StoredEvent>> page =
          reader_->ReadLog(log.log, from, static_cast<int>(log.page_events));
      reader_->Release();
      status = page.status();
      if (status.ok() && (page->empty() || page->front().position != from)) {
        status = absl::DataLossError(absl::StrCat("position ", from, " is missing"));
      }
      if (status.ok()) log.page = *std::move(page);
    }
    if (!status.ok()) {
      base::Log(base::Level::kError, "the relay cannot read the journal",
                {{"topic", log.message.topic}, {"cause", status.message()}});
      return false;
    }
    int64_t bytes = 1;
    for (const StoredEvent& item : log.page) {
      bytes += static_cast<int64_t>(item.value.size() + item.private_half.size());
    }
    const int64_t count = static_cast<int64_t>(log.page.size());
    log.page_events =
        std::clamp(options_.page_bytes_max * count / bytes, int64_t{1}, options_.page_events_max);
    log.machine.Committed(log.page.back().position);
    log.machine.Read(log.page.back().position);
    return true;
  }

  bool BuildMessage(size_t index, int64_t position) {
    LogState& log = logs_[index];
    StoredEvent& item = log.page[static_cast<size_t>(position - log.page.front().position)];
    if (!ParseHeader(item.value, &header_)) {
      base::Log(base::Level::kError, "an item of the journal has no header",
                {{"topic", log.message.topic}, {"position", position}});
      return false;
    }
    attributes_.Write(header_, &event_);
    event_.data_schema = data_schema_[index];
    bus::BuildHeaders(event_, &log.message.headers);
    log.message.key.assign(log.log == Log::kEvents ? header_.stream_id() : header_.id());
    log.message.value.swap(item.value);
    log.message_position = position;
    return true;
  }

  // Takes the reports that are there, or come within `timeout`.
  void Serve(absl::Duration timeout) {
    const char* error = nullptr;
    for (const bus::Report& report : publisher_->Poll(timeout)) {
      LogState& log = logs_[report.tag & 1];
      log.machine.Reported(static_cast<int64_t>(report.tag >> 1), report.ok);
      if (report.ok) {
        ++log.acknowledged;
      } else {
        error = report.error;
      }
    }
    for (LogState& log : logs_) {
      if (log.acknowledged == 0) continue;
      log.events_metric.Increment(static_cast<double>(std::exchange(log.acknowledged, 0)));
      log.position_metric.Set(static_cast<double>(log.machine.cursor()));
      if (error == nullptr) backoff_ = absl::Milliseconds(options_.backoff_ms_min);
    }
    if (error != nullptr) {
      base::Log(base::Level::kWarning, "sending failed; the relay goes on from its cursor",
                {{"cause", error}, {"fatal", publisher_->FatalError().message()}});
      // They share the publisher.
      for (LogState& log : logs_) log.machine.Lost();
    }
  }

  void LookAtCluster() {
    const absl::StatusOr<std::string> id = publisher_->ClusterId(absl::ZeroDuration());
    if (!id.ok()) return;
    for (LogState& log : logs_) log.machine.ClusterSeen(*id);
    if (!Connected()) {
      base::Log(base::Level::kWarning, "another cluster answers", {{"cluster", *id}});
    }
  }

  void UpdateMetrics() {
    for (LogState& log : logs_) {
      log.machine.Committed(journal_->position(log.log));
      double age = 0;
      if (log.machine.cursor() < log.machine.committed() && reader_->Refresh().ok()) {
        const auto item = reader_->ReadLog(log.log, log.machine.cursor() + 1, 1);
        reader_->Release();
        if (item.ok() && !item->empty() && ParseHeader(item->front().value, &header_)) {
          age =
              absl::ToDoubleSeconds(absl::Now() - absl::FromUnixSeconds(header_.time().seconds()));
        }
      }
      log.oldest_metric.Set(std::max(age, 0.0));
      log.position_metric.Set(static_cast<double>(log.machine.cursor()));
    }
  }

  static std::string CursorName(const std::string& cluster_id, const std::string& topic) {
    return absl::StrCat("relay/", cluster_id, "/", topic);
  }

  absl::StatusOr<int64_t> StoredCursorOf(const std::string& cluster_id, const LogState& log) {
    FETTLE_RETURN_IF_ERROR(reader_->Refresh());
    const auto stored = reader_->ReadCursor(CursorName(cluster_id, log.message.topic));
    reader_->Release();
    FETTLE_RETURN_IF_ERROR(stored.status());
    if (!stored->has_value()) return 0;
    int64_t position = 0;
    if (!absl::SimpleAtoi(**stored, &position)) {
      return absl::DataLossError("a stored relay cursor is no number");
    }
    return position;
  }

  // The highest position of this journal among the last messages of the topic; 0 for none and when
  // the cluster was searched before.
  absl::StatusOr<int64_t> TopicLast(const std::string& cluster_id, const LogState& log) {
    const std::string& topic = log.message.topic;
    if (checked_clusters_.contains(cluster_id)) return 0;
    FETTLE_ASSIGN_OR_RETURN(std::unique_ptr<bus::Subscriber> subscriber,
                            bus::Subscriber::Create({.cluster = options_.cluster}));
    FETTLE_RETURN_IF_ERROR(subscriber->ClusterId(kAskTopic).status());
    const absl::StatusOr<int> partitions = subscriber->Partitions(topic, kAskTopic);
    // Nothing is on a topic that does not exist. Sending to it is tried until it does.
    if (absl::IsNotFound(partitions.status())) return 0;
    FETTLE_RETURN_IF_ERROR(partitions.status());
    std::vector<bus::Position> from;
    std::vector<int64_t> high(static_cast<size_t>(*partitions), 0);
    int open = 0;  // partitions with messages to come
    for (int i = 0; i < *partitions; ++i) {
      FETTLE_ASSIGN_OR_RETURN(const bus::Watermarks marks,
                              subscriber->GetWatermarks(topic, i, kAskTopic));
      if (marks.low == marks.high) continue;
      high[static_cast<size_t>(i)] = marks.high;
      from.push_back({topic, i, std::max(marks.low, marks.high - options_.tail_messages_max)});
      ++open;
    }
    if (open == 0) return 0;
    FETTLE_RETURN_IF_ERROR(subscriber->Start(from));
    const std::string source = journal_->source(log.log);
    const absl::Time deadline = absl::Now() + kAskTopic;
    int64_t last = 0;
    while (open > 0) {
      if (absl::Now() > deadline || stopping()) {
        return absl::UnavailableError("the end of the topic could not be read in time");
      }
      FETTLE_ASSIGN_OR_RETURN(std::vector<bus::ConsumedMessage> messages,
                              subscriber->Poll(kTailPageMessages, kAskCluster));
      for (const bus::ConsumedMessage& message : messages) {
        if (ParseHeader(message.value, &header_) && header_.source() == source) {
          last = std::max(last, header_.position());
        }
        if (message.offset == high[static_cast<size_t>(message.partition)] - 1) --open;
      }
    }
    return last;
  }

  bool CursorsMoved() const {
    return std::any_of(logs_.begin(), logs_.end(), [](const LogState& log) {
      return log.machine.cursor() != log.stored_cursor;
    });
  }

  // Asks the journal to keep the cursors. `last`: waits until it did, or would not.
  void StoreCursors(bool last) {
    const auto idle = [shared = shared_.get()]()
                          ABSL_SHARED_LOCKS_REQUIRED(shared->mutex) { return !shared->storing; };
    next_store_ = absl::Now() + absl::Milliseconds(options_.cursor_ms_max);
    bool again;
    {
      absl::MutexLock lock(&shared_->mutex);
      if (last) shared_->mutex.Await(absl::Condition(&idle));
      if (shared_->storing) return;
      again = std::exchange(shared_->store_failed, false);
    }
    std::vector<StoredCursor> cursors;
    for (LogState& log : logs_) {
      if (log.machine.cursor() == (again ? 0 : log.stored_cursor)) continue;
      log.stored_cursor = log.machine.cursor();
      cursors.push_back({CursorName(log.machine.cluster_id(), log.message.topic),
                         absl::StrCat(log.stored_cursor)});
    }
    if (cursors.empty()) return;
    {
      absl::MutexLock lock(&shared_->mutex);
      shared_->storing = true;
    }
    // A cursor that was not stored is stored with its next move or at the end; a crash before that
    // sends events twice, no worse.
    journal_->CommitCursors(std::move(cursors), [shared = shared_](absl::Status status) {
      absl::MutexLock lock(&shared->mutex);
      shared->storing = false;
      shared->store_failed = !status.ok();
    });
    if (!last) return;
    absl::MutexLock lock(&shared_->mutex);
    shared_->mutex.Await(absl::Condition(&idle));
  }

  const RelayOptions options_;
  Journal* const journal_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  const std::array<std::string, 2> data_schema_;

  // The thread's own.
  std::unique_ptr<StoreReader> reader_;
  std::unique_ptr<bus::Publisher> publisher_;
  std::array<LogState, 2> logs_;
  base::Counter& rebuilds_;
  std::set<std::string> checked_clusters_;
  bool used_ = false;  // something was tried with this publisher: it is not connected again
  bool unreachable_ = false;
  bool full_ = false;
  absl::Duration backoff_ = absl::Milliseconds(options_.backoff_ms_min);
  absl::Time next_store_ = absl::InfinitePast();
  absl::Time next_look_ = absl::InfinitePast();
  absl::Time stop_deadline_ = absl::InfiniteFuture();
  common::v1::EventHeader header_;
  bus::CloudEvent event_;
  AttributeWriter attributes_;

  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<Relay>> Relay::Start(RelayOptions options, Journal* journal,
                                                    base::Metrics* metrics) {
  if (options.events_topic.empty()) {
    options.events_topic = absl::StrCat("fettle.", journal->model().service, ".v1");
  }
  if (options.access_topic.empty()) options.access_topic = kAccessTopic;
  std::unique_ptr<Relay> relay(
      new Relay(std::make_unique<Impl>(std::move(options), journal, metrics)));
  FETTLE_RETURN_IF_ERROR(relay->impl_->Start());
  return relay;
}

Relay::Relay(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Relay::~Relay() { Stop(); }

void Relay::Stop() { impl_->Stop(); }

absl::Status Relay::failure() const { return impl_->failure(); }

}  // namespace fettle::journal
