// What a batch costs in the SQLite store, and which of its parts cost it: Load and Commit as the
// writer calls them, with no rows present and with a million streams. In each table only the parts
// named by the case are written.
//
//   store_benchmark [--benchmark_filter=...]     about two minutes; the files (3 GB) go to $TMPDIR
//   and away at the end
#include <benchmark/benchmark.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/journal/sqlite_store.h"
#include "libs/journal/store.h"

namespace fettle::journal {
namespace {

// The parts of a command's effect.
enum Part : int {
  kState = 1,
  kEntries = 2,
  kReceipt = 4,
  // Request ids and the keys of lists in no order. A unique entry's key never has one.
  kScattered = 8,
};
constexpr int kAll = kState | kEntries | kReceipt;

// Bytes about as large as a referral's.
constexpr size_t kValueBytes = 700;
constexpr size_t kPrivateBytes = 300;
constexpr size_t kStateBytes = 900;
constexpr size_t kResponseBytes = 200;
constexpr int kOrganisations = 50;
constexpr int kPeople = 10'000;

// A store that is filled once with commands and then measured with more of them.
class Filled {
 public:
  explicit Filled(int64_t streams) {
    std::string pattern = std::filesystem::temp_directory_path() / "store_benchmark_XXXXXX";
    FETTLE_CHECK(mkdtemp(pattern.data()) != nullptr, "a temporary directory can be made");
    directory_ = pattern;
    auto store = OpenSqliteStore({.path = directory_ + "/journal.db"});
    FETTLE_CHECK(store.ok(), "the store opens");
    store_ = *std::move(store);
    while (position_ < streams) {
      FETTLE_CHECK(store_->Commit(NewStreams(10'000, kAll)).ok(), "the store is filled");
    }
  }
  ~Filled() {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  // Commands that each begin a stream, as a submitted referral does: three entries, of them one
  // unique.
  WriteBatch NewStreams(int commands, int parts) {
    WriteBatch batch;
    for (int i = 0; i < commands; ++i) {
      const std::string stream = TimeOrderedId();
      streams_.push_back(stream);
      versions_.push_back(1);
      Add(batch, stream, 1, parts);
      if (parts & kEntries) {
        // A person and a service.
        batch.entries_added.push_back({.index = 1,
                                       .key = Random(32),
                                       .sort = "",
                                       .stream = stream,
                                       .unique = true,
                                       .position = position_});
        batch.entries_added.push_back(ByOrganisation(stream, 0));
        batch.entries_added.push_back(
            {.index = 3,
             .key = Number(parts & kScattered ? random_() % kPeople : position_ / kPeople),
             .sort = Number(position_),
             .stream = stream,
             .position = position_});
      }
    }
    return batch;
  }

  // Commands that each go on with some stream, as an acceptance does: an entry moves.
  WriteBatch OldStreams(int commands, int parts) {
    WriteBatch batch;
    for (int i = 0; i < commands; ++i) {
      const size_t number = random_() % streams_.size();
      const int64_t version = ++versions_[number];
      Add(batch, streams_[number], version, parts);
      if (parts & kEntries) {
        batch.entries_removed.push_back(ByOrganisation(streams_[number], version - 2));
        batch.entries_added.push_back(ByOrganisation(streams_[number], version - 1));
      }
    }
    // The last state of each stream, as the journal gives it.
    std::reverse(batch.states.begin(), batch.states.end());
    return batch;
  }

  Store& store() { return *store_; }

 private:
  void Add(WriteBatch& batch, const std::string& stream, int64_t version, int parts) {
    ++position_;
    batch.events.push_back(
        {position_, stream, version, Random(kValueBytes), Random(kPrivateBytes)});
    if (parts & kState) batch.states.push_back({stream, version, position_, Random(kStateBytes)});
    if (parts & kReceipt) {
      batch.receipts.push_back({.key = {parts & kScattered ? Random(16) : TimeOrderedId(),
                                        "A1B2C\x1f" + Number(random_() % 500)},
                                .time = absl::Now(),
                                .request_hmac = Random(32),
                                .response_type = "fettle.referral.v1.SubmitReferralResponse",
                                .response = Random(kResponseBytes),
                                .position = position_});
    }
  }

  // An organisation's list of streams in a state, in time order; the stream moves between states.
  StoredEntry ByOrganisation(const std::string& stream, int64_t state) {
    const int organisation = static_cast<unsigned char>(stream.back()) % kOrganisations;
    return {.index = 2,
            .key = Number(organisation) + Number(state),
            .sort = stream.substr(0, 6),
            .stream = stream,
            .position = position_};
  }

  std::string Random(size_t bytes) {
    std::string text(bytes, '\0');
    for (size_t i = 0; i < bytes; i += 8) {
      const uint64_t number = random_();
      text.replace(i, std::min<size_t>(8, bytes - i), reinterpret_cast<const char*>(&number),
                   std::min<size_t>(8, bytes - i));
    }
    return text;
  }
  static std::string Number(int64_t number) {
    std::string text(8, '\0');
    for (int i = 7; i >= 0; --i, number >>= 8) text[i] = static_cast<char>(number);
    return text;
  }
  std::string TimeOrderedId() { return Number(++ids_ << 12).substr(0, 6) + Random(10); }

  std::string directory_;
  std::unique_ptr<Store> store_;
  std::mt19937_64 random_{1};
  std::vector<std::string> streams_;
  std::vector<int64_t> versions_;
  int64_t position_ = 0;
  int64_t ids_ = 0;
};

// Filled stores are made once and kept for the cases after.
Filled& With(int64_t streams) {
  static std::vector<std::pair<int64_t, std::unique_ptr<Filled>>> stores;
  for (auto& [present, store] : stores) {
    if (present == streams) return *store;
  }
  return *stores.emplace_back(streams, std::make_unique<Filled>(streams)).second;
}

LoadRequest WhatItReads(const WriteBatch& batch) {
  LoadRequest request;
  for (const StoredState& state : batch.states) request.streams.push_back(state.stream);
  for (const StoredEntry& entry : batch.entries_added) {
    if (entry.unique) request.unique.emplace_back(entry.index, entry.key);
  }
  for (const StoredReceipt& receipt : batch.receipts) request.receipts.push_back(receipt.key);
  return request;
}

// Processor time of this thread: what a commit costs beside waiting for the disk.
absl::Duration ThreadTime() {
  struct timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return absl::DurationFromTimespec(time);
}

double ResidentMebibytes() {
  std::ifstream status("/proc/self/statm");
  int64_t size = 0;
  int64_t resident = 0;
  status >> size >> resident;
  return static_cast<double>(resident) * 4096 / (1 << 20);
}

void Batch(benchmark::State& state, bool begins_streams) {
  const int64_t present = state.range(0);
  const int commands = static_cast<int>(state.range(1));
  const int parts = static_cast<int>(state.range(2));
  // A store without rows is made for each case, else the cases before would have filled it.
  std::unique_ptr<Filled> empty;
  if (present == 0) empty = std::make_unique<Filled>(0);
  Filled& filled = present == 0 ? *empty : With(present);

  std::vector<double> milliseconds;
  absl::Duration loading;
  absl::Duration committing;
  absl::Duration cpu;
  for (auto unused : state) {
    const WriteBatch batch =
        begins_streams ? filled.NewStreams(commands, parts) : filled.OldStreams(commands, parts);
    const LoadRequest request = WhatItReads(batch);
    const absl::Duration cpu_begin = ThreadTime();
    const absl::Time begin = absl::Now();
    FETTLE_CHECK(filled.store().Load(request).ok(), "Load succeeds");
    const absl::Time loaded = absl::Now();
    FETTLE_CHECK(filled.store().Commit(batch).ok(), "Commit succeeds");
    const absl::Time end = absl::Now();
    cpu += ThreadTime() - cpu_begin;
    loading += loaded - begin;
    committing += end - loaded;
    milliseconds.push_back(absl::ToDoubleMilliseconds(end - begin));
    state.SetIterationTime(absl::ToDoubleSeconds(end - begin));
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  const double all_commands = static_cast<double>(state.iterations()) * commands;
  state.counters["load_us"] = absl::ToDoubleMicroseconds(loading) / all_commands;
  state.counters["commit_us"] = absl::ToDoubleMicroseconds(committing) / all_commands;
  state.counters["cpu_us"] = absl::ToDoubleMicroseconds(cpu) / all_commands;
  state.counters["p50_ms"] = milliseconds[milliseconds.size() / 2];
  state.counters["p99_ms"] = milliseconds[milliseconds.size() * 99 / 100];
  state.counters["max_ms"] = milliseconds.back();
  state.counters["rss_mib"] = ResidentMebibytes();
}

void BeginStreams(benchmark::State& state) { Batch(state, true); }
void ContinueStreams(benchmark::State& state) { Batch(state, false); }

constexpr int64_t kMillion = 1'000'000;

BENCHMARK(BeginStreams)
    ->ArgNames({"present", "commands", "parts"})
    ->Args({0, 256, 0})
    ->Args({0, 256, kState})
    ->Args({0, 256, kState | kEntries})
    ->Args({0, 256, kAll})
    ->Args({0, 1, kAll})
    ->Args({kMillion, 256, 0})
    ->Args({kMillion, 256, kState})
    ->Args({kMillion, 256, kState | kEntries})
    ->Args({kMillion, 256, kAll})
    ->Args({kMillion, 1, kAll})
    ->Iterations(300)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

BENCHMARK(ContinueStreams)
    ->ArgNames({"present", "commands", "parts"})
    ->Args({kMillion, 256, 0})
    ->Args({kMillion, 256, kState})
    ->Args({kMillion, 256, kAll})
    ->Iterations(300)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fettle::journal

BENCHMARK_MAIN();
