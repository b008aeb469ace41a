#include "services/analytics/analytics_service.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "services/analytics/figures.h"

namespace fettle::analytics {
namespace {

// All blocks of one call together; the adapter's reader thread waits for it.
constexpr absl::Duration kPublisherWaitMax = absl::Seconds(3);

void Fill(const journal::ControlTotal& total, v1::BlockTotal& message) {
  message.set_count(total.count());
  message.set_pence(total.pence());
  message.set_id_hash_sum(total.id_hash_sum());
}

v1::TotalsOutcome OutcomeOf(journal::Comparison comparison) {
  switch (comparison) {
    case journal::Comparison::kMatch:
      return v1::TOTALS_OUTCOME_MATCH;
    case journal::Comparison::kMismatch:
      return v1::TOTALS_OUTCOME_MISMATCH;
    case journal::Comparison::kBehind:
      return v1::TOTALS_OUTCOME_BEHIND;
  }
  return v1::TOTALS_OUTCOME_UNSPECIFIED;
}

}  // namespace

v1::BlockComparison Compare(int64_t block, const journal::ControlTotal& taken,
                            const journal::ControlTotal& published) {
  v1::BlockComparison comparison;
  comparison.set_block(block);
  Fill(taken, *comparison.mutable_taken());
  Fill(published, *comparison.mutable_published());
  comparison.set_outcome(OutcomeOf(journal::Compare(taken, published)));
  return comparison;
}

absl::StatusOr<v1::GetJourneyResponse> GetJourney(sqlite::Database& db,
                                                  const std::string& correlation_id,
                                                  std::vector<std::string>& people) {
  FETTLE_ASSIGN_OR_RETURN(
      sqlite::Statement rows,
      db.Prepare("SELECT unix_us, service, type, stream, position, subjects FROM journey "
                 "WHERE correlation=? ORDER BY unix_us, source, position LIMIT ?"));
  rows.BindText(1, correlation_id).BindInt(2, kJourneyStepsMax);
  v1::GetJourneyResponse response;
  std::set<std::string> subjects;
  while (true) {
    FETTLE_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) break;
    v1::JourneyStep& step = *response.add_steps();
    step.mutable_time()->set_seconds(rows.Int(0) / 1'000'000);
    step.mutable_time()->set_nanos(static_cast<int32_t>(rows.Int(0) % 1'000'000 * 1'000));
    step.set_service(std::string(rows.Bytes(1)));
    step.set_event_type(std::string(rows.Bytes(2)));
    step.set_stream_id(std::string(rows.Bytes(3)));
    step.set_position(rows.Int(4));
    const std::string listed(rows.Bytes(5));
    for (const absl::string_view person : absl::StrSplit(listed, ',', absl::SkipEmpty())) {
      subjects.emplace(person.data(), person.size());
    }
  }
  people.assign(subjects.begin(), subjects.end());
  return response;
}

absl::StatusOr<journal::ControlTotal> TakenTotal(sqlite::Database& db, const std::string& source,
                                                 int64_t block) {
  FETTLE_ASSIGN_OR_RETURN(
      sqlite::Statement rows,
      db.Prepare("SELECT events, pence, id_hash_sum FROM control WHERE source=? AND block=?"));
  rows.BindText(1, source).BindInt(2, block);
  FETTLE_ASSIGN_OR_RETURN(const bool row, rows.Step());
  if (!row) return journal::ControlTotal();
  return journal::ControlTotal(rows.Int(0), rows.Int(1), std::string(rows.Bytes(2)));
}

absl::Status AnalyticsServiceImpl::Answer(const journal::CallInfo&,
                                          const v1::GetFiguresRequest& request,
                                          v1::GetFiguresResponse& response, People&) {
  return parts_.consumer->Read([&](sqlite::Database& db) -> absl::Status {
    FETTLE_ASSIGN_OR_RETURN(response, analytics::GetFigures(db, request, parts_.national));
    return absl::OkStatus();
  });
}

absl::Status AnalyticsServiceImpl::Answer(const journal::CallInfo&,
                                          const v1::GetJourneyRequest& request,
                                          v1::GetJourneyResponse& response, People& people) {
  return parts_.consumer->Read([&](sqlite::Database& db) -> absl::Status {
    FETTLE_ASSIGN_OR_RETURN(response, analytics::GetJourney(db, request.correlation_id(), people));
    return absl::OkStatus();
  });
}

absl::Status AnalyticsServiceImpl::Answer(const journal::CallInfo&, const v1::GetProgressRequest&,
                                          v1::GetProgressResponse& response, People&) {
  FETTLE_ASSIGN_OR_RETURN(const auto sources, parts_.consumer->Progress());
  for (const journal::Consumer::SourceProgress& source : sources) {
    v1::SourceProgress& progress = *response.add_sources();
    progress.set_source(source.source);
    progress.set_contiguous(source.contiguous);
    progress.set_taken(source.taken);
    progress.set_parked(source.parked);
  }
  response.set_failure(std::string(base::ToStd(parts_.consumer->failure().message())));
  return absl::OkStatus();
}

absl::Status AnalyticsServiceImpl::Answer(const journal::CallInfo& call,
                                          const v1::RedriveParkedRequest&,
                                          v1::RedriveParkedResponse& response, People&) {
  FETTLE_ASSIGN_OR_RETURN(const int64_t redriven, parts_.consumer->Redrive(call.deadline));
  response.set_redriven(redriven);
  return absl::OkStatus();
}

absl::Status AnalyticsServiceImpl::Answer(const journal::CallInfo& call,
                                          const v1::GetControlTotalsRequest& request,
                                          v1::GetControlTotalsResponse& response, People&) {
  // urn:fettle:<service>:<journal>[:access]
  const std::vector<std::string> parts = absl::StrSplit(request.source(), ':');
  const bool access_log = parts.size() == 5 && parts[4] == "access";
  const auto publisher = parts.size() == 4 || access_log ? parts_.publishers->find(parts[2])
                                                         : parts_.publishers->end();
  // Audit's own events are checkpoints, which measure nothing.
  const bool checkpoints = parts.size() == 4 && parts[2] == "audit";
  if (publisher == parts_.publishers->end() || checkpoints) {
    return base::Refuse(absl::StatusCode::kNotFound, "SOURCE_UNKNOWN",
                        "events of this source are not taken here");
  }
  const absl::Time deadline = std::min(absl::Now() + kPublisherWaitMax, call.deadline);
  for (int64_t block = request.from_block(); block < request.from_block() + kControlBlocksMax;
       ++block) {
    journal::ControlTotal taken;
    FETTLE_RETURN_IF_ERROR(parts_.consumer->Read([&](sqlite::Database& db) -> absl::Status {
      FETTLE_ASSIGN_OR_RETURN(taken, TakenTotal(db, request.source(), block));
      return absl::OkStatus();
    }));
    const absl::StatusOr<journal::v1::GetControlTotalResponse> published =
        publisher->second->ControlTotal(access_log, block, deadline);
    if (!published.ok()) {
      // What was compared already is an answer; the next call goes on.
      if (response.blocks_size() > 0) {
        response.set_next_block(block);
        return absl::OkStatus();
      }
      return base::Unavailable("PUBLISHER_UNAVAILABLE", "the source's service cannot answer now",
                               absl::Seconds(1));
    }
    *response.add_blocks() = Compare(
        block, taken,
        journal::ControlTotal(published->count(), published->pence(), published->id_hash_sum()));
    if ((block + 1) * journal::kControlBlockPositions >= published->last_position()) {
      return absl::OkStatus();
    }
  }
  response.set_next_block(request.from_block() + kControlBlocksMax);
  return absl::OkStatus();
}

}  // namespace fettle::analytics
