// For tests of the relay: a journal that holds events from the start.
#ifndef FETTLE_LIBS_JOURNAL_RELAY_TESTING_H_
#define FETTLE_LIBS_JOURNAL_RELAY_TESTING_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "fettle/journal/v1/access_events.pb.h"
#include "libs/base/clock.h"
#include "libs/base/metrics.h"
#include "libs/base/uuid.h"
#include "libs/bus/cloud_event.h"
#include "libs/journal/journal.h"
#include "libs/journal/model.h"
#include "libs/journal/store.h"

namespace fettle::journal {

// The service is `name`, its journal "main"; events of kStreams streams in turn.
class FilledJournal {
 public:
  static constexpr int kStreams = 100;
  static constexpr int kEventsPerCommit = 5'000;

  // `padding_bytes` come on top of about 250 that an event has.
  FilledJournal(std::string name, std::unique_ptr<Store> store, int64_t events,
                size_t padding_bytes = 0)
      : name_(std::move(name)), store_(std::move(store)) {
    Fill(events, padding_bytes);
    Open();
  }

  Journal& journal() { return *journal_; }
  base::Metrics& metrics() { return *metrics_; }

  // As after a restart of the process.
  void Open() {
    journal_.reset();
    auto metrics = base::Metrics::Create(std::nullopt);
    EXPECT_TRUE(metrics.ok());
    metrics_ = *std::move(metrics);
    auto journal = Journal::Open(AccessOnlyModel(name_), {}, store_.get(), &clock_, metrics_.get());
    EXPECT_TRUE(journal.ok()) << journal.status();
    journal_ = *std::move(journal);
  }

  std::vector<StoredEvent> ReadAll(Log log) {
    auto reader = journal_->NewReader();
    EXPECT_TRUE(reader.ok() && (*reader)->Refresh().ok());
    std::vector<StoredEvent> all;
    while (true) {
      auto items = (*reader)->ReadLog(log, static_cast<int64_t>(all.size()) + 1, 1 << 20);
      EXPECT_TRUE(items.ok());
      if (!items.ok() || items->empty()) return all;
      std::move(items->begin(), items->end(), std::back_inserter(all));
    }
  }

  std::map<std::string, std::string> RelayCursors() {
    auto reader = journal_->NewReader();
    EXPECT_TRUE(reader.ok() && (*reader)->Refresh().ok());
    auto cursors = (*reader)->ListCursors("relay/");
    EXPECT_TRUE(cursors.ok());
    std::map<std::string, std::string> by_name;
    for (const StoredCursor& cursor : *cursors) by_name[cursor.name] = cursor.value;
    return by_name;
  }

  // One access record, committed when `done` runs.
  void Record(std::function<void(absl::Status)> done) {
    CallInfo call;
    call.method = "fettle.test.v1.TestService.Get";
    call.caller.subject = "tester";
    journal_->Record(call, v1::OUTCOME_ALLOWED, "", {}, std::move(done));
  }

 private:
  void Fill(int64_t events, size_t padding_bytes) {
    base::IdSource ids(absl::FromUnixSeconds(1'750'000'000), 1);
    std::vector<std::string> streams;
    for (int i = 0; i < kStreams; ++i) streams.push_back(ids.Next());
    for (int64_t position = 1; position <= events;) {
      WriteBatch batch;
      const int64_t until = std::min(events, position + kEventsPerCommit - 1);
      for (; position <= until; ++position) {
        const std::string& stream = streams[static_cast<size_t>((position - 1) % kStreams)];
        v1::AccessEvent event;
        common::v1::EventHeader& header = *event.mutable_header();
        header.set_source(absl::StrCat("urn:fettle:", name_, ":main"));
        header.set_position(position);
        header.set_previous_position(std::max<int64_t>(0, position - kStreams));
        header.set_stream_id(stream);
        header.set_version(1 + (position - 1) / kStreams);
        header.set_type("uk.nhs.fettle.test.Happened.v1");
        header.mutable_time()->set_seconds(1'750'000'000 + position / 1'000);
        header.mutable_time()->set_nanos(static_cast<int32_t>(position % 1'000) * 1'000'000);
        header.set_correlation_id(streams[0]);
        header.set_id(absl::StrCat(name_, ".main.", position));
        std::string padding(padding_bytes, '\0');
        for (size_t i = 0; i < padding.size(); ++i) {
          padding[i] = static_cast<char>('a' + (i * 7 + static_cast<size_t>(position)) % 26);
        }
        event.mutable_access_recorded()->set_reason(padding);
        batch.events.push_back(
            {position, base::UuidToBytes(stream), header.version(), event.SerializeAsString(), ""});
      }
      // These states are nobody's: no refolding.
      batch.cursors.push_back({"code_version", "1"});
      EXPECT_TRUE(store_->Commit(batch).ok());
    }
  }

  const std::string name_;
  base::SystemClock clock_;
  std::unique_ptr<base::Metrics> metrics_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Journal> journal_;
};

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_RELAY_TESTING_H_
