#include "libs/journal/consumer.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/bus/subscriber.h"
#include "libs/journal/dead_letter.h"
#include "libs/journal/inbox.h"

namespace fettle::journal {
namespace {

constexpr char kNoBroker[] = "none";
constexpr char kAccessTopic[] = "fettle.access.v1";
constexpr absl::Duration kIdleWait = absl::Milliseconds(100);
constexpr absl::Duration kClusterWait = absl::Seconds(1);
constexpr absl::Duration kReconnectWait = absl::Seconds(1);
// A feed that does not give the last position taken for this long does not have it.
constexpr absl::Duration kSilenceMax = absl::Seconds(5);
constexpr size_t kIdleReadersMax = 4;
constexpr int64_t kWriterCacheBytesMax = 16 << 20;

// `urn:fettle:<service>:<journal>`, with `:access` behind it for access records.
struct SourceName {
  std::string service;
  bool access_log = false;
};
std::optional<SourceName> ParseSource(const std::string& source) {
  constexpr std::string_view kPrefix = "urn:fettle:";
  constexpr std::string_view kAccess = ":access";
  if (!source.starts_with(kPrefix)) return std::nullopt;
  const size_t end = source.find(':', kPrefix.size());
  if (end == std::string::npos) return std::nullopt;
  return SourceName{source.substr(kPrefix.size(), end - kPrefix.size()), source.ends_with(kAccess)};
}

class FollowingConsumer final : public Consumer {
 public:
  FollowingConsumer(ConsumerOptions options, EventHandler* handler)
      : options_(std::move(options)), handler_(handler) {}
  ~FollowingConsumer() override {
    Stop();
    handler_->Close();
  }

  absl::Status Open(base::Metrics* metrics) {
    FETTLE_ASSIGN_OR_RETURN(db_, sqlite::Database::Open({.path = options_.database_path,
                                                         .cache_bytes_max = kWriterCacheBytesMax}));
    FETTLE_ASSIGN_OR_RETURN(
        inbox_, Inbox::Open(*db_, handler_, metrics, options_.from_nothing, Inbox::Limits{}));
    if (options_.kafka != kNoBroker) {
      mirror_.emplace(DeadLetterMirror::Options{.cluster = {.bootstrap_servers = options_.kafka,
                                                            .client_id = "fettle-consumer"},
                                                .consumer = options_.name},
                      inbox_.get(), metrics);
    }
    gaps_fetched_ = &metrics->AddCounter("fettle_consumer_gaps_total",
                                         "Runs of missing positions that were asked of a feed");
    thread_ = std::thread([this] { Run(); });
    return absl::OkStatus();
  }

  void Stop() override {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
      if (subscriber_ != nullptr) subscriber_->Wake();
    }
    absl::MutexLock lock(&join_mutex_);
    if (thread_.joinable()) thread_.join();
  }

  absl::Status failure() const override {
    absl::MutexLock lock(&mutex_);
    return failure_;
  }

  absl::StatusOr<std::vector<SourceProgress>> Progress() override {
    std::vector<SourceProgress> progress;
    FETTLE_RETURN_IF_ERROR(Read([&](sqlite::Database& db) -> absl::Status {
      FETTLE_ASSIGN_OR_RETURN(progress, ReadProgress(db));
      return absl::OkStatus();
    }));
    return progress;
  }

  absl::Status ReadFor(absl::Duration time_max, const Work& work) override {
    std::unique_ptr<sqlite::Database> reader;
    {
      absl::MutexLock lock(&readers_mutex_);
      if (!readers_.empty()) {
        reader = std::move(readers_.back());
        readers_.pop_back();
      }
    }
    if (reader == nullptr) {
      FETTLE_ASSIGN_OR_RETURN(
          reader, sqlite::Database::Open({.path = options_.database_path, .read_only = true}));
    }
    // One snapshot for all that `work` reads.
    reader->EndStatementsAt(absl::Now() + time_max);
    FETTLE_RETURN_IF_ERROR(reader->Execute("BEGIN"));
    absl::Status status = work(*reader);
    status.Update(reader->Execute("COMMIT"));
    absl::MutexLock lock(&readers_mutex_);
    if (status.ok() && readers_.size() < kIdleReadersMax) readers_.push_back(std::move(reader));
    return status;
  }

  absl::StatusOr<int64_t> Redrive(absl::Time deadline) override {
    auto request = std::make_shared<RedriveRequest>();
    {
      absl::MutexLock lock(&mutex_);
      if (ended_ || stopping_) return absl::UnavailableError("the consumer has stopped");
      redrives_.push_back(request);
      if (subscriber_ != nullptr) subscriber_->Wake();
    }
    if (!request->done.WaitForNotificationWithDeadline(deadline)) {
      return absl::DeadlineExceededError("parked events are being tried again; it goes on");
    }
    return std::move(request->result);
  }

 private:
  struct RedriveRequest {
    absl::Notification done;
    absl::StatusOr<int64_t> result = absl::UnavailableError("the consumer has stopped");
  };
  // Since when the first missing position of a source is missing, and what had come of it by then.
  struct Missing {
    int64_t from = 0;
    int64_t upto = 0;
    absl::Time since;
  };
  struct FeedPlace {
    int64_t next = 0;      // 0: not read since the start
    bool checked = false;  // it is the journal whose events were taken
    absl::Time silent_since;
    absl::Time ask_again = absl::InfinitePast();  // a feed that failed is left alone for a while
  };

  void Run() {
    // What an older program could not read, this one may.
    absl::Status status = inbox_->Redrive(Fetcher()).status();
    if (status.ok()) status = options_.kafka == kNoBroker ? FollowFeeds() : FollowTopics();
    if (status.ok()) status = inbox_->Commit();
    if (!status.ok()) {
      base::Log(base::Level::kError, "the consumer stops",
                {{"cause", base::ToStd(status.message())}});
    }
    std::deque<std::shared_ptr<RedriveRequest>> redrives;
    {
      absl::MutexLock lock(&mutex_);
      failure_ = status;
      ended_ = true;
      redrives.swap(redrives_);
    }
    for (const auto& request : redrives) request->done.Notify();
  }

  bool Stopping() const {
    absl::MutexLock lock(&mutex_);
    return stopping_;
  }

  // Waits until something is asked of the thread, at most that long.
  void Wait(absl::Duration time) {
    absl::MutexLock lock(&mutex_);
    const auto asked = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return stopping_ || !redrives_.empty();
    };
    mutex_.AwaitWithTimeout(absl::Condition(&asked), time);
  }

  absl::Status ServeRedrives() {
    while (true) {
      std::shared_ptr<RedriveRequest> request;
      {
        absl::MutexLock lock(&mutex_);
        if (redrives_.empty()) return absl::OkStatus();
        request = redrives_.front();
        redrives_.pop_front();
      }
      batch_events_ = 0;
      request->result = inbox_->Redrive(Fetcher());
      const absl::Status status = request->result.status();
      request->done.Notify();
      FETTLE_RETURN_IF_ERROR(status);
    }
  }

  absl::Status Take(const std::string& topic, std::string_view value,
                    std::optional<BusOffset> at = std::nullopt, EnvelopeOf envelope = NoEnvelope) {
    if (batch_events_ == 0) batch_start_ = absl::Now();
    ++batch_events_;
    FETTLE_RETURN_IF_ERROR(inbox_->Take(topic, value, at, envelope));
    const bool full = batch_events_ >= options_.batch_events_max;
    // The time is asked of the system once in a while only.
    const bool late = batch_events_ % 64 == 0 &&
                      absl::Now() - batch_start_ >= absl::Milliseconds(options_.batch_ms_max);
    return full || late ? Commit() : absl::OkStatus();
  }

  absl::Status Commit() {
    batch_events_ = 0;
    FETTLE_RETURN_IF_ERROR(inbox_->Commit());
    return mirror_.has_value() ? mirror_->Step() : absl::OkStatus();
  }

  const FeedSource* FindFeed(const std::string& service) const {
    for (const FeedSource& feed : options_.feeds) {
      if (feed.service == service && feed.read) return &feed;
    }
    return nullptr;
  }

  // Reads positions of a feed into the inbox. The outer status is the inbox's, `reached` the
  // feed's.
  absl::Status ReadInto(const FeedSource& feed, bool access_log, int64_t from, int64_t to,
                        absl::Status& reached,
                        const std::function<bool(int64_t, const std::string&)>& look = nullptr) {
    const std::string topic = access_log ? kAccessTopic : feed.topic;
    absl::Status taken;
    reached = feed.read(access_log, from, to, [&](int64_t position, std::string value) {
      if (Stopping() || (look != nullptr && !look(position, value))) return false;
      taken = Take(topic, value);
      return taken.ok();
    });
    FETTLE_RETURN_IF_ERROR(taken);
    // Once for each outage.
    const std::pair<std::string, bool> log(feed.service, access_log);
    if (reached.ok()) {
      failing_feeds_.erase(log);
    } else if (!Stopping() && failing_feeds_.insert(log).second) {
      base::Log(base::Level::kWarning, "a feed cannot be read",
                {{"service", feed.service}, {"cause", base::ToStd(reached.message())}});
    }
    return Commit();
  }

  Inbox::Fetch Fetcher() {
    return [this](const std::string& source, int64_t position) -> absl::StatusOr<std::string> {
      const auto name = ParseSource(source);
      const FeedSource* feed = name.has_value() ? FindFeed(name->service) : nullptr;
      if (feed == nullptr) return absl::NotFoundError("no feed of this source is known");
      std::optional<std::string> found;
      FETTLE_RETURN_IF_ERROR(
          feed->read(name->access_log, position, position, [&](int64_t at, std::string value) {
            if (at == position) found = std::move(value);
            return false;
          }));
      if (!found.has_value()) return absl::NotFoundError("the feed does not have it");
      return *std::move(found);
    };
  }

  // Asks the feeds for positions that stayed missing for `gap_ms_max`, or now.
  absl::Status FetchGaps(bool now) {
    const absl::Time time = absl::Now();
    std::map<std::string, Missing> missing;
    for (const Inbox::Gap& gap : inbox_->Gaps()) {
      const auto before = missing_.find(gap.source);
      const bool same = before != missing_.end() && before->second.from == gap.from;
      Missing& at = missing[gap.source] =
          same ? before->second : Missing{gap.from, gap.highest, time};
      if (!now && time - at.since < absl::Milliseconds(options_.gap_ms_max)) continue;
      FETTLE_RETURN_IF_ERROR(FetchGap(gap, now ? gap.highest : at.upto));
      at = {gap.from, gap.highest, absl::Now()};
    }
    missing_ = std::move(missing);
    return absl::OkStatus();
  }

  // Everything of the source that is missing up to a position, in as few reads as it takes: a read
  // is a call, and positions in between that were taken already are passed over as duplicates.
  absl::Status FetchGap(Inbox::Gap gap, int64_t upto) {
    const auto name = ParseSource(gap.source);
    const FeedSource* feed = name.has_value() ? FindFeed(name->service) : nullptr;
    if (feed == nullptr) return absl::OkStatus();
    base::Log(base::Level::kInfo, "missing positions are asked of the feed",
              {{"source", gap.source}, {"from", gap.from}, {"upto", upto}});
    while (gap.from <= upto && !Stopping()) {
      gaps_fetched_->Increment();
      const int64_t to = std::min(upto, gap.from + kControlBlockPositions - 1);
      absl::Status reached;
      FETTLE_RETURN_IF_ERROR(ReadInto(*feed, name->access_log, gap.from, to, reached));
      const std::optional<Inbox::Gap> next = inbox_->GapOf(gap.source);
      if (!reached.ok() || !next.has_value() || next->from <= gap.from) return absl::OkStatus();
      gap = *next;
    }
    return absl::OkStatus();
  }

  bool Wanted(const std::string& topic) const {
    return std::find(options_.topics.begin(), options_.topics.end(), topic) !=
           options_.topics.end();
  }

  // Without a broker.

  absl::Status FollowFeeds() {
    while (!Stopping()) {
      for (const FeedSource& feed : options_.feeds) {
        if (!feed.read) continue;
        if (Wanted(feed.topic)) FETTLE_RETURN_IF_ERROR(ReadFeed(feed, false));
        if (Wanted(kAccessTopic)) FETTLE_RETURN_IF_ERROR(ReadFeed(feed, true));
        FETTLE_RETURN_IF_ERROR(ServeRedrives());
      }
      FETTLE_RETURN_IF_ERROR(FetchGaps(false));
      handler_->Idle();
      Wait(absl::Milliseconds(options_.feed_poll_ms));
      FETTLE_RETURN_IF_ERROR(ServeRedrives());
    }
    return absl::OkStatus();
  }

  absl::Status ReadFeed(const FeedSource& feed, bool access_log) {
    FeedPlace& place = feed_places_[{feed.service, access_log}];
    const absl::Time start = absl::Now();
    if (start < place.ask_again) return absl::OkStatus();
    std::string source;
    FETTLE_ASSIGN_OR_RETURN(source, inbox_->FeedSourceName(feed.service, access_log));
    // After a start the last position taken is read again: a journal that was restored from a
    // backup goes on under another name, and then it is read from its beginning.
    if (place.next == 0) {
      place.next = std::max<int64_t>(1, inbox_->contiguous(source));
      place.checked = inbox_->contiguous(source) == 0;
      place.silent_since = start;
    }
    bool other = false;
    absl::Status named;
    absl::Status reached;
    const int64_t from = place.next;
    FETTLE_RETURN_IF_ERROR(ReadInto(
        feed, access_log, from, 0, reached, [&](int64_t position, const std::string& value) {
          if (position == from || source.empty()) {
            common::v1::EventHeader header;
            if (DecodeHeader(value, header) && header.source() != source) {
              other = !place.checked;
              if (other) return false;
              source = header.source();
              named = inbox_->SetFeedSourceName(feed.service, access_log, source);
              if (!named.ok()) return false;
            }
          }
          place.checked = true;
          place.next = position + 1;
          return true;
        }));
    FETTLE_RETURN_IF_ERROR(named);
    if (!reached.ok()) {
      // Nothing is concluded from a feed that does not answer.
      place.ask_again = absl::Now() + kReconnectWait;
      place.silent_since = place.ask_again;
    } else if (other || (!place.checked && start - place.silent_since >= kSilenceMax)) {
      place.next = 1;
      place.checked = true;
    }
    return absl::OkStatus();
  }

  // With a broker.

  absl::Status FollowTopics() {
    while (!Stopping()) {
      absl::Status ended;
      FETTLE_RETURN_IF_ERROR(ReadTopics(ended));
      if (Stopping()) break;
      base::Log(base::Level::kWarning, "reading of the topics is begun anew",
                {{"cause", base::ToStd(ended.message())}});
      if (ended.code() == absl::StatusCode::kOutOfRange) {
        std::string cluster;
        FETTLE_ASSIGN_OR_RETURN(cluster, inbox_->ClusterId());
        FETTLE_RETURN_IF_ERROR(inbox_->ForgetOffsets(cluster));
        fill_ = true;
      }
      const absl::Time until = absl::Now() + kReconnectWait;
      while (!Stopping() && absl::Now() < until) {
        Wait(until - absl::Now());
        FETTLE_RETURN_IF_ERROR(ServeRedrives());
      }
    }
    return absl::OkStatus();
  }

  // Until it is stopped or the subscriber ends, which `ended` says. The outer status is the
  // inbox's.
  absl::Status ReadTopics(absl::Status& ended) {
    absl::StatusOr<std::unique_ptr<bus::Subscriber>> created = bus::Subscriber::Create(
        {.cluster = {.bootstrap_servers = options_.kafka, .client_id = "fettle-consumer"},
         .poll_headers = false});
    // A setting that is not taken is not taken later either.
    if (!created.ok()) return created.status();
    bus::Subscriber& subscriber = **created;
    absl::StatusOr<std::vector<bus::Position>> positions = std::vector<bus::Position>();
    FETTLE_RETURN_IF_ERROR(Positions(subscriber, positions));
    ended = positions.ok() ? subscriber.Start(*positions) : positions.status();
    if (!ended.ok()) return absl::OkStatus();
    {
      absl::MutexLock lock(&mutex_);
      subscriber_ = &subscriber;
    }
    const absl::Status status = PollTopics(subscriber, ended);
    absl::MutexLock lock(&mutex_);
    subscriber_ = nullptr;
    return status;
  }

  // Where to read on. The outer status is the inbox's.
  absl::Status Positions(bus::Subscriber& subscriber,
                         absl::StatusOr<std::vector<bus::Position>>& positions) {
    const absl::StatusOr<std::string> cluster = subscriber.ClusterId(kClusterWait);
    if (!cluster.ok()) {
      positions = cluster.status();
      return absl::OkStatus();
    }
    FETTLE_ASSIGN_OR_RETURN(const std::string known, inbox_->ClusterId());
    if (known != *cluster) {
      FETTLE_RETURN_IF_ERROR(inbox_->ForgetOffsets(*cluster));
      // A topic may keep less than the journal has.
      fill_ = true;
    }
    std::map<std::pair<std::string, int>, int64_t> offsets;
    FETTLE_ASSIGN_OR_RETURN(offsets, inbox_->Offsets());
    for (const std::string& topic : options_.topics) {
      const absl::StatusOr<int> partitions = subscriber.Partitions(topic, kClusterWait);
      if (!partitions.ok()) {
        positions = partitions.status();
        return absl::OkStatus();
      }
      for (int partition = 0; partition < *partitions; ++partition) {
        const auto offset = offsets.find({topic, partition});
        positions->push_back(
            {topic, partition, offset == offsets.end() ? bus::kOffsetBeginning : offset->second});
      }
    }
    return absl::OkStatus();
  }

  absl::Status PollTopics(bus::Subscriber& subscriber, absl::Status& ended) {
    absl::Time gaps_looked = absl::Now();
    absl::Time last_message = gaps_looked;
    while (!Stopping()) {
      FETTLE_RETURN_IF_ERROR(ServeRedrives());
      if (inbox_->held() >= options_.held_events_max) {
        FETTLE_RETURN_IF_ERROR(Commit());
        FETTLE_RETURN_IF_ERROR(FetchGaps(true));
        if (inbox_->held() >= options_.held_events_max) {
          Wait(kReconnectWait);
          continue;
        }
      }
      const int64_t room = std::max<int64_t>(1, options_.batch_events_max - batch_events_);
      absl::StatusOr<std::vector<bus::ConsumedMessage>> messages = subscriber.Poll(
          static_cast<int>(room), inbox_->open() ? absl::ZeroDuration() : kIdleWait);
      if (!messages.ok()) {
        ended = messages.status();
        return Commit();
      }
      for (size_t i = 0; i < messages->size(); ++i) {
        const bus::ConsumedMessage& message = (*messages)[i];
        FETTLE_RETURN_IF_ERROR(
            Take(message.topic, message.value, BusOffset{message.partition, message.offset}, [&] {
              return BusEnvelope{message.key, subscriber.HeadersOf(i)};
            }));
      }
      const absl::Time now = absl::Now();
      if (messages->empty()) {
        FETTLE_RETURN_IF_ERROR(Commit());
        if (!inbox_->open()) handler_->Idle();
        if (fill_ && now - last_message >= absl::Milliseconds(options_.gap_ms_max)) {
          fill_ = false;
          FETTLE_RETURN_IF_ERROR(Fill());
        }
      } else {
        last_message = now;
      }
      if (now - gaps_looked >= kIdleWait) {
        gaps_looked = now;
        FETTLE_RETURN_IF_ERROR(FetchGaps(false));
      }
    }
    return Commit();
  }

  // What the topics no longer have, and what comes behind all that they have.
  absl::Status Fill() {
    FETTLE_RETURN_IF_ERROR(FetchGaps(true));
    for (const FeedSource& feed : options_.feeds) {
      if (!feed.read) continue;
      for (const bool access_log : {false, true}) {
        if (!Wanted(access_log ? kAccessTopic : feed.topic)) continue;
        absl::Status reached;
        FETTLE_RETURN_IF_ERROR(
            ReadInto(feed, access_log, NextOf(feed.service, access_log), 0, reached));
      }
    }
    return absl::OkStatus();
  }

  // First position of a service that is not taken, over the names that its journal has had.
  int64_t NextOf(const std::string& service, bool access_log) {
    int64_t next = 0;
    for (const auto& [source, contiguous] : inbox_->Contiguous()) {
      const auto name = ParseSource(source);
      if (!name.has_value() || name->service != service || name->access_log != access_log) continue;
      next = next == 0 ? contiguous + 1 : std::min(next, contiguous + 1);
    }
    return std::max<int64_t>(1, next);
  }

  const ConsumerOptions options_;
  EventHandler* const handler_;
  std::unique_ptr<sqlite::Database> db_;
  std::unique_ptr<Inbox> inbox_;
  std::optional<DeadLetterMirror> mirror_;  // none without a broker
  base::Counter* gaps_fetched_ = nullptr;

  // The thread's own.
  int64_t batch_events_ = 0;
  absl::Time batch_start_;
  bool fill_ = false;
  std::map<std::string, Missing> missing_;
  std::map<std::pair<std::string, bool>, FeedPlace> feed_places_;
  std::set<std::pair<std::string, bool>> failing_feeds_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<RedriveRequest>> redrives_ ABSL_GUARDED_BY(mutex_);
  bus::Subscriber* subscriber_ ABSL_GUARDED_BY(mutex_) = nullptr;

  absl::Mutex readers_mutex_;
  // Closed before the connection that writes.
  std::vector<std::unique_ptr<sqlite::Database>> readers_ ABSL_GUARDED_BY(readers_mutex_);

  absl::Mutex join_mutex_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Consumer>> Consumer::Start(ConsumerOptions options,
                                                          EventHandler* handler,
                                                          base::Metrics* metrics) {
  auto consumer = std::make_unique<FollowingConsumer>(std::move(options), handler);
  FETTLE_RETURN_IF_ERROR(consumer->Open(metrics));
  return consumer;
}

absl::StatusOr<std::vector<Consumer::SourceProgress>> ReadProgress(sqlite::Database& db) {
  std::map<std::string, Consumer::SourceProgress> progress;
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement sources,
                          db.Prepare("SELECT source, contiguous, seen FROM inbox_source"));
  while (true) {
    FETTLE_ASSIGN_OR_RETURN(const bool row, sources.Step());
    if (!row) break;
    const std::string source(sources.Bytes(0));
    progress[source] = {source, sources.Int(1), sources.Int(2), 0};
  }
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement parked,
                          db.Prepare("SELECT source, count(*) FROM inbox_parked GROUP BY source"));
  while (true) {
    FETTLE_ASSIGN_OR_RETURN(const bool row, parked.Step());
    if (!row) break;
    const std::string source(parked.Bytes(0));
    Consumer::SourceProgress& at = progress[source];
    at.source = source;
    at.parked = parked.Int(1);
    // Seen positions are those applied and those parked; bytes without a readable header have none.
    at.taken = std::max<int64_t>(0, at.taken - at.parked);
  }
  std::vector<Consumer::SourceProgress> answer;
  for (auto& [source, at] : progress) answer.push_back(std::move(at));
  return answer;
}

}  // namespace fettle::journal
