#include "libs/journal/memory_store.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "libs/base/check.h"

namespace fettle::journal {
namespace {

using EntryKey = std::tuple<int, std::string, std::string, std::string>;
using UniqueKey = std::pair<int, std::string>;

struct Data {
  std::vector<StoredEvent> events;  // position - 1 is the place
  std::vector<StoredEvent> access;
  std::map<std::pair<std::string, int64_t>, int64_t> positions;  // by stream and version
  std::map<std::string, StoredState> states;
  std::map<EntryKey, StoredEntry> entries;
  std::map<UniqueKey, StoredEntry> unique_entries;
  std::map<std::pair<std::string, std::string>, StoredTimer> timers;
  std::map<ReceiptKey, int64_t> receipt_ids;
  std::map<int64_t, StoredReceipt> receipts;  // by id: in time order
  std::map<std::string, std::string, std::less<>> cursors;
};

EntryKey KeyOf(const StoredEntry& entry) {
  return {entry.index, entry.key, entry.sort, entry.stream};
}

LoadResult LoadFrom(const Data& data, const LoadRequest& request) {
  LoadResult result;
  for (const std::string& stream : request.streams) {
    const auto it = data.states.find(stream);
    result.states.push_back(it == data.states.end() ? std::nullopt : std::optional(it->second));
  }
  for (const UniqueKey& key : request.unique) {
    const auto it = data.unique_entries.find(key);
    result.holders.push_back(it == data.unique_entries.end() ? std::nullopt
                                                             : std::optional(it->second.stream));
  }
  for (const ReceiptKey& key : request.receipts) {
    const auto it = data.receipt_ids.find(key);
    result.receipts.push_back(
        it == data.receipt_ids.end() ? std::nullopt : std::optional(data.receipts.at(it->second)));
  }
  return result;
}

// Nothing is changed when a key that must be new is there already.
absl::Status CheckNew(const Data& data, const WriteBatch& batch) {
  std::set<std::pair<std::string, int64_t>> versions;
  for (const StoredEvent& event : batch.events) {
    const std::pair key(event.stream, event.version);
    if (data.positions.contains(key) || !versions.insert(key).second) {
      return absl::AlreadyExistsError("event of this stream and version");
    }
  }
  std::set<UniqueKey> given_up;
  for (const StoredEntry& entry : batch.entries_removed) {
    const auto it = data.unique_entries.find({entry.index, entry.key});
    if (entry.unique && it != data.unique_entries.end() && !it->second.fact &&
        KeyOf(it->second) == KeyOf(entry)) {
      given_up.insert(it->first);
    }
  }
  std::set<UniqueKey> taken;
  for (const StoredEntry& entry : batch.entries_added) {
    const UniqueKey key(entry.index, entry.key);
    if (entry.unique && ((data.unique_entries.contains(key) && !given_up.contains(key)) ||
                         !taken.insert(key).second)) {
      return absl::AlreadyExistsError("unique entry");
    }
  }
  std::set<ReceiptKey> receipts;
  for (const StoredReceipt& receipt : batch.receipts) {
    if (data.receipt_ids.contains(receipt.key) || !receipts.insert(receipt.key).second) {
      return absl::AlreadyExistsError("receipt");
    }
  }
  return absl::OkStatus();
}

void AppendTo(std::vector<StoredEvent>& log, const std::vector<StoredEvent>& events) {
  for (const StoredEvent& event : events) {
    FETTLE_CHECK(event.position == static_cast<int64_t>(log.size()) + 1,
                 "positions of a log follow each other without gaps");
    log.push_back(event);
  }
}

void Apply(Data& data, const WriteBatch& batch) {
  AppendTo(data.events, batch.events);
  AppendTo(data.access, batch.access);
  for (const StoredEvent& event : batch.events) {
    data.positions.emplace(std::pair(event.stream, event.version), event.position);
  }
  for (const StoredState& state : batch.states) data.states.insert_or_assign(state.stream, state);
  for (const StoredEntry& entry : batch.entries_removed) {
    if (entry.unique) {
      const auto it = data.unique_entries.find({entry.index, entry.key});
      if (it != data.unique_entries.end() && !it->second.fact &&
          KeyOf(it->second) == KeyOf(entry)) {
        data.unique_entries.erase(it);
      }
    } else if (const auto it = data.entries.find(KeyOf(entry));
               it != data.entries.end() && !it->second.fact) {
      data.entries.erase(it);
    }
  }
  for (const StoredEntry& entry : batch.entries_added) {
    if (entry.unique) {
      data.unique_entries.emplace(UniqueKey(entry.index, entry.key), entry);
    } else {
      const auto [it, added] = data.entries.emplace(KeyOf(entry), entry);
      it->second.fact |= entry.fact;
    }
  }
  for (const auto& key : batch.timers_removed) data.timers.erase(key);
  for (const StoredTimer& timer : batch.timers_added) {
    data.timers.insert_or_assign({timer.stream, timer.name}, timer);
  }
  for (const StoredReceipt& receipt : batch.receipts) {
    const int64_t id = data.receipts.empty() ? 1 : data.receipts.rbegin()->first + 1;
    data.receipts.emplace(id, receipt);
    data.receipt_ids.emplace(receipt.key, id);
  }
  for (const std::string& name : batch.cursors_removed) data.cursors.erase(name);
  for (const StoredCursor& cursor : batch.cursors) {
    data.cursors.insert_or_assign(cursor.name, cursor.value);
  }
}

// What the writer changes and readers share. A change while some reader holds a snapshot is made to
// a copy.
class Shared {
 public:
  std::shared_ptr<const Data> Take() {
    absl::MutexLock lock(&mutex_);
    return data_;
  }
  void GiveBack(std::shared_ptr<const Data>& snapshot) {
    absl::MutexLock lock(&mutex_);
    snapshot.reset();
  }
  template <class Change>
  auto Write(Change change) {
    absl::MutexLock lock(&mutex_);
    if (data_.use_count() > 1) data_ = std::make_shared<Data>(*data_);
    return change(*data_);
  }

 private:
  absl::Mutex mutex_;
  std::shared_ptr<Data> data_ = std::make_shared<Data>();
};

class MemoryReader : public StoreReader {
 public:
  explicit MemoryReader(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  ~MemoryReader() override { shared_->GiveBack(snapshot_); }

  absl::Status Refresh(absl::Time) override {
    Release();
    snapshot_ = shared_->Take();
    return absl::OkStatus();
  }

  void Release() override { shared_->GiveBack(snapshot_); }

  absl::StatusOr<LoadResult> Load(const LoadRequest& request) override {
    return LoadFrom(data(), request);
  }

  absl::StatusOr<std::vector<StoredEvent>> ReadLog(Log log, int64_t from, int limit) override {
    const std::vector<StoredEvent>& items = log == Log::kEvents ? data().events : data().access;
    std::vector<StoredEvent> result;
    size_t bytes = 0;
    for (size_t i = static_cast<size_t>(std::max<int64_t>(from, 1)) - 1;
         i < items.size() && result.size() < static_cast<size_t>(limit) && bytes < kReadBytesMax;
         ++i) {
      bytes += items[i].value.size() + items[i].private_half.size();
      result.push_back(items[i]);
    }
    return result;
  }

  absl::StatusOr<std::vector<StoredEvent>> ReadStream(std::string_view stream, int64_t from_version,
                                                      int limit) override {
    std::vector<StoredEvent> result;
    auto it = data().positions.lower_bound({std::string(stream), from_version});
    for (; it != data().positions.end() && it->first.first == stream &&
           result.size() < static_cast<size_t>(limit);
         ++it) {
      result.push_back(data().events[it->second - 1]);
    }
    return result;
  }

  absl::StatusOr<EntryPage> ListEntries(int index, std::string_view key,
                                        std::string_view after_sort, std::string_view after_stream,
                                        int limit) override {
    std::map<EntryKey, StoredEntry> found;
    const EntryKey after(index, std::string(key), std::string(after_sort),
                         std::string(after_stream));
    for (auto it = data().entries.upper_bound(after);
         it != data().entries.end() && it->second.index == index && it->second.key == key; ++it) {
      found.insert(*it);
    }
    if (const auto it = data().unique_entries.find({index, std::string(key)});
        it != data().unique_entries.end() && KeyOf(it->second) > after) {
      found.emplace(KeyOf(it->second), it->second);
    }
    EntryPage page;
    for (const auto& [unused, entry] : found) {
      page.more = page.entries.size() == static_cast<size_t>(limit);
      if (page.more) break;
      page.entries.push_back(entry);
    }
    return page;
  }

  absl::StatusOr<int64_t> LastPosition(Log log) override {
    return static_cast<int64_t>((log == Log::kEvents ? data().events : data().access).size());
  }

  absl::StatusOr<std::vector<StoredTimer>> DueTimers(absl::Time until, int limit) override {
    std::vector<StoredTimer> due;
    for (const auto& [unused, timer] : data().timers) {
      if (timer.parked.empty() && timer.due <= until) due.push_back(timer);
    }
    std::sort(due.begin(), due.end(), [](const StoredTimer& a, const StoredTimer& b) {
      return std::tie(a.due, a.stream, a.name) < std::tie(b.due, b.stream, b.name);
    });
    if (due.size() > static_cast<size_t>(limit)) due.resize(limit);
    return due;
  }

  absl::StatusOr<std::optional<std::string>> ReadCursor(std::string_view name) override {
    const auto it = data().cursors.find(name);
    if (it == data().cursors.end()) return std::nullopt;
    return it->second;
  }

  absl::StatusOr<std::vector<StoredCursor>> ListCursors(std::string_view prefix) override {
    std::vector<StoredCursor> result;
    for (auto it = data().cursors.lower_bound(prefix);
         it != data().cursors.end() && it->first.starts_with(prefix); ++it) {
      result.push_back({it->first, it->second});
    }
    return result;
  }

 private:
  const Data& data() const {
    FETTLE_CHECK(snapshot_ != nullptr, "a reader is refreshed before it reads");
    return *snapshot_;
  }

  const std::shared_ptr<Shared> shared_;
  std::shared_ptr<const Data> snapshot_;
};

class MemoryStore : public Store {
 public:
  absl::StatusOr<LoadResult> Load(const LoadRequest& request) override {
    return LoadFrom(*shared_->Take(), request);
  }

  absl::Status Commit(const WriteBatch& batch) override {
    return shared_->Write([&](Data& data) {
      absl::Status status = CheckNew(data, batch);
      if (status.ok()) Apply(data, batch);
      return status;
    });
  }

  absl::StatusOr<std::unique_ptr<StoreReader>> NewReader() override {
    return std::make_unique<MemoryReader>(shared_);
  }

  absl::StatusOr<int> PruneReceipts(absl::Time before, int limit) override {
    return shared_->Write([&](Data& data) {
      int removed = 0;
      for (; removed < limit && !data.receipts.empty(); ++removed) {
        const auto oldest = data.receipts.begin();
        if (oldest->second.time >= before) break;
        data.receipt_ids.erase(oldest->second.key);
        data.receipts.erase(oldest);
      }
      return removed;
    });
  }

  absl::Status BeginRebuild() override {
    const auto is_of_state = [](const auto& item) { return !item.second.fact; };
    shared_->Write([&](Data& data) {
      data.states.clear();
      data.timers.clear();
      std::erase_if(data.entries, is_of_state);
      return std::erase_if(data.unique_entries, is_of_state);
    });
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace

std::unique_ptr<Store> NewMemoryStore() { return std::make_unique<MemoryStore>(); }

}  // namespace fettle::journal
