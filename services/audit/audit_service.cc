#include "services/audit/audit_service.h"

#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/uuid.h"
#include "libs/rpc/door.h"
#include "libs/rpc/status_map.h"
#include "services/audit/control_totals.h"

namespace fettle::audit {
namespace {

constexpr size_t kGapRangesMax = 100;
constexpr size_t kExportPartBytes = 64 << 10;
// Of writing a whole log: hundreds of millions of events.
constexpr absl::Duration kExportTimeMax = absl::Hours(1);

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

// A file without a name: gone when it is closed, or the process ends.
absl::StatusOr<File> ScratchFile(const std::string& data_dir) {
  const std::string path =
      absl::StrCat(data_dir, "/export-", base::IdSource(absl::Now(), base::RandomSeed()).Next());
  File file(std::fopen(path.c_str(), "w+bxe"));
  if (file == nullptr) return absl::UnavailableError("an export cannot be written: disk full?");
  std::remove(path.c_str());
  return file;
}

}  // namespace

// One export under way: written to a scratch file in one snapshot, then sent as fast as the reader
// takes it. Ends itself in OnDone; whoever still calls it holds a shared pointer.
class AuditServiceImpl::Export final : public grpc::ServerWriteReactor<v1::ExportBundleResponse>,
                                       public std::enable_shared_from_this<Export> {
 public:
  explicit Export(AuditServiceImpl& service) : service_(service) {}

  void Open(const journal::CallInfo& call) {
    self_ = shared_from_this();
    if (service_.exports_.fetch_add(1) >= kExportsMax) {
      return End(
          base::Exhausted("EXPORTS_UNDER_WAY", "other exports are under way", absl::Seconds(10)));
    }
    journal().Record(call, journal::v1::OUTCOME_ALLOWED, "", {},
                     [self = shared_from_this()](absl::Status recorded) {
                       if (!recorded.ok()) return self->End(recorded);
                       self->OnReader([self] { self->Begin(); });
                     });
  }

  // Calls that are refused before they open; `call` when somebody is known to have asked.
  void Refuse(const absl::Status& status, const journal::CallInfo* call) {
    self_ = shared_from_this();
    service_.exports_.fetch_add(1);
    if (call == nullptr) return End(status);
    journal().Record(*call, journal::v1::OUTCOME_REFUSED, base::ReasonOf(status), {},
                     [self = shared_from_this(), status](absl::Status) { self->End(status); });
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError("the reader has gone"));
    OnReader([self = shared_from_this()] { self->WriteNext(); });
  }

  void OnDone() override {
    service_.exports_.fetch_sub(1);
    self_.reset();
  }

 private:
  journal::Journal& journal() { return *service_.parts_.adapter.journal; }

  // On a thread that may read the disk.
  void OnReader(std::function<void()> work) {
    journal().Query([self = shared_from_this(),
                     work = std::move(work)](absl::StatusOr<journal::JournalSnapshot*> snapshot) {
      if (!snapshot.ok()) return self->End(snapshot.status());
      work();
    });
  }

  void Begin() {
    absl::StatusOr<File> file = ScratchFile(service_.parts_.data_dir);
    if (!file.ok()) return End(file.status());
    file_ = *std::move(file);
    const auto write = [this](std::string_view bytes) {
      return std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) == bytes.size()
                 ? absl::OkStatus()
                 : absl::UnavailableError("an export cannot be written: disk full?");
    };
    const absl::Status written = service_.parts_.consumer->ReadFor(
        kExportTimeMax, [&](sqlite::Database& db) { return LogReader(db).Export(write); });
    if (!written.ok()) return End(written);
    if (std::fflush(file_.get()) != 0) {
      return End(absl::UnavailableError("an export cannot be written: disk full?"));
    }
    std::rewind(file_.get());
    WriteNext();
  }

  void WriteNext() {
    std::string& part = *response_.mutable_part();
    part.resize(kExportPartBytes);
    part.resize(std::fread(part.data(), 1, part.size(), file_.get()));
    if (std::ferror(file_.get())) return End(absl::DataLossError("an export cannot be read back"));
    if (part.empty()) return End(absl::OkStatus());
    StartWrite(&response_);
  }

  void End(const absl::Status& status) { Finish(rpc::ToGrpc(status, "audit")); }

  AuditServiceImpl& service_;
  File file_;
  v1::ExportBundleResponse response_;
  std::shared_ptr<Export> self_;
};

AuditServiceImpl::AuditServiceImpl(AuditParts parts)
    : parts_(std::move(parts)), adapter_(parts_.adapter) {}

absl::Status AuditServiceImpl::Read(const std::function<absl::Status(const LogReader& log)>& work) {
  return parts_.consumer->Read([&](sqlite::Database& db) { return work(LogReader(db)); });
}

absl::Status AuditServiceImpl::Answer(const journal::CallInfo&, const v1::GetCheckpointRequest&,
                                      v1::GetCheckpointResponse& response, People&) {
  return Read([&](const LogReader& log) -> absl::Status {
    FETTLE_ASSIGN_OR_RETURN(LogReader::Newest newest, log.NewestCheckpoint());
    response.set_size(static_cast<int64_t>(newest.size));
    response.set_checkpoint(std::move(newest.note));
    response.set_verifier_key(parts_.verifier_key);
    return absl::OkStatus();
  });
}

absl::Status AuditServiceImpl::Answer(const journal::CallInfo&,
                                      const v1::GetInclusionProofRequest& request,
                                      v1::GetInclusionProofResponse& response, People& people) {
  return Read([&](const LogReader& log) -> absl::Status {
    FETTLE_ASSIGN_OR_RETURN(const uint64_t index,
                            log.FindLeaf(request.source(), request.position()));
    FETTLE_ASSIGN_OR_RETURN(LogReader::Newest newest, log.NewestCheckpoint());
    if (index >= newest.size) {
      return base::Unavailable("EVENT_NOT_SIGNED_YET", "the event is in the next checkpoint",
                               absl::Milliseconds(100));
    }
    FETTLE_ASSIGN_OR_RETURN(std::string leaf, log.Leaf(index));
    FETTLE_ASSIGN_OR_RETURN(const std::vector<merkle::Hash> proof,
                            log.InclusionProof(index, newest.size));
    v1::AnyEvent event;
    if (event.ParseFromString(leaf)) {
      people.assign(event.header().subjects().begin(), event.header().subjects().end());
    }
    response.set_leaf_index(static_cast<int64_t>(index));
    response.set_checkpoint(std::move(newest.note));
    for (const merkle::Hash& hash : proof) response.add_hashes(hash.data(), hash.size());
    response.set_event(std::move(leaf));
    return absl::OkStatus();
  });
}

absl::Status AuditServiceImpl::Answer(const journal::CallInfo&,
                                      const v1::GetConsistencyProofRequest& request,
                                      v1::GetConsistencyProofResponse& response, People&) {
  return Read([&](const LogReader& log) -> absl::Status {
    FETTLE_ASSIGN_OR_RETURN(LogReader::Newest newest, log.NewestCheckpoint());
    const uint64_t new_size =
        request.new_size() == 0 ? newest.size : static_cast<uint64_t>(request.new_size());
    if (new_size > newest.size) {
      return base::Refuse(absl::StatusCode::kFailedPrecondition, "TREE_SIZE_NOT_SIGNED",
                          "no checkpoint covers so many leaves",
                          {{"size", absl::StrCat(newest.size)}});
    }
    FETTLE_ASSIGN_OR_RETURN(
        const std::vector<merkle::Hash> proof,
        log.ConsistencyProof(static_cast<uint64_t>(request.old_size()), new_size));
    response.set_new_size(static_cast<int64_t>(new_size));
    for (const merkle::Hash& hash : proof) response.add_hashes(hash.data(), hash.size());
    response.set_checkpoint(std::move(newest.note));
    return absl::OkStatus();
  });
}

absl::Status AuditServiceImpl::Answer(const journal::CallInfo&, const v1::GetProgressRequest&,
                                      v1::GetProgressResponse& response, People&) {
  FETTLE_ASSIGN_OR_RETURN(const std::vector<journal::Consumer::SourceProgress> sources,
                          parts_.consumer->Progress());
  const absl::Status failure = parts_.consumer->failure();
  response.set_failure(std::string(failure.message()));
  return Read([&](const LogReader& log) -> absl::Status {
    for (const journal::Consumer::SourceProgress& source : sources) {
      v1::SourceProgress& progress = *response.add_sources();
      progress.set_source(source.source);
      progress.set_contiguous(source.contiguous);
      progress.set_taken(source.taken);
      FETTLE_ASSIGN_OR_RETURN(const auto gaps,
                              log.Gaps(source.source, source.contiguous, kGapRangesMax));
      for (const auto& [first, last] : gaps) {
        v1::PositionRange& range = *progress.add_gaps();
        range.set_first(first);
        range.set_last(last);
      }
    }
    FETTLE_ASSIGN_OR_RETURN(const uint64_t leaves, log.Leaves());
    FETTLE_ASSIGN_OR_RETURN(const LogReader::Newest newest, log.NewestCheckpoint());
    response.set_leaves(static_cast<int64_t>(leaves));
    response.set_signed_leaves(static_cast<int64_t>(newest.size));
    return absl::OkStatus();
  });
}

absl::Status AuditServiceImpl::Answer(const journal::CallInfo& call,
                                      const v1::GetControlTotalsRequest& request,
                                      v1::GetControlTotalsResponse& response, People&) {
  return CompareBlocks(
      request, call.deadline,
      [&](int64_t block, absl::Time deadline) {
        return parts_.publishers->ControlTotal(request.source(), block, deadline);
      },
      [&](int64_t block, int64_t last_position) -> absl::StatusOr<journal::ControlTotal> {
        journal::ControlTotal ours;
        FETTLE_RETURN_IF_ERROR(Read([&](const LogReader& log) -> absl::Status {
          FETTLE_ASSIGN_OR_RETURN(ours, TotalOf(log, request.source(), block, last_position));
          return absl::OkStatus();
        }));
        return ours;
      },
      response);
}

grpc::ServerWriteReactor<v1::ExportBundleResponse>* AuditServiceImpl::ExportBundle(
    grpc::CallbackServerContext* context, const v1::ExportBundleRequest* request) {
  const rpc::MethodInfo& method = rpc::MethodOf(request->GetDescriptor());
  auto reactor = std::make_shared<Export>(*this);
  absl::StatusOr<journal::CallInfo> call =
      rpc::Authenticate(*context, method, *parts_.adapter.tokens);
  const absl::Status allowed = call.ok() ? rpc::Authorise(method, call->caller) : call.status();
  if (allowed.ok()) {
    reactor->Open(*call);
  } else {
    reactor->Refuse(allowed, call.ok() ? &*call : nullptr);
  }
  return reactor.get();
}

}  // namespace fettle::audit
