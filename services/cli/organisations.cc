#include <algorithm>
#include <cstdio>

#include "absl/strings/str_join.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "services/cli/command.h"
#include "services/cli/organisation_file.h"

namespace fettle::cli {
namespace {

namespace pv1 = person::v1;

constexpr int kBatchLines = 100;
// Tries of one batch while the service cannot be reached; the same request id each time.
constexpr int kBatchTriesMax = 3;
// Further refused lines are counted.
constexpr size_t kRefusalsShownMax = 1'000;

struct Totals {
  int32_t added = 0, changed = 0, unchanged = 0, skipped = 0;
  std::vector<pv1::LineRefusal> refusals;
};

absl::Status Send(const Connection& connection, const pv1::LoadOrganisationsRequest& request,
                  Totals& totals) {
  for (int tries = 1;; ++tries) {
    const auto answer = Call(connection, request);
    if (absl::IsUnavailable(answer.status()) && tries < kBatchTriesMax) continue;
    FETTLE_RETURN_IF_ERROR(answer.status());
    const auto& loaded = static_cast<const pv1::LoadOrganisationsResponse&>(**answer);
    totals.added += loaded.added();
    totals.changed += loaded.changed();
    totals.unchanged += loaded.unchanged();
    totals.refusals.insert(totals.refusals.end(), loaded.refusals().begin(),
                           loaded.refusals().end());
    return absl::OkStatus();
  }
}

std::string Json(const Totals& totals) {
  std::string json =
      base::Concat("{\"added\": ", totals.added, ", \"changed\": ", totals.changed,
                   ", \"unchanged\": ", totals.unchanged, ", \"skipped\": ", totals.skipped,
                   ", \"refused\": ", totals.refusals.size(), ", \"refusals\": [");
  const size_t shown = std::min(totals.refusals.size(), kRefusalsShownMax);
  for (size_t i = 0; i < shown; ++i) {
    const pv1::LineRefusal& refusal = totals.refusals[i];
    json += base::Concat(i == 0 ? "" : ", ", "{\"line\": ", refusal.line(), ", \"field\": \"",
                         base::JsonEscape(refusal.field()), "\", \"rule\": \"",
                         base::JsonEscape(refusal.reason()), "\", \"accepted\": \"",
                         base::JsonEscape(refusal.accepted()), "\"}");
  }
  return json + "]}";
}

void Report(const Connection& connection, const std::string& path, const Totals& totals) {
  if (connection.json) {
    std::printf("%s\n", Json(totals).c_str());
    return;
  }
  const size_t shown = std::min(totals.refusals.size(), kRefusalsShownMax);
  for (size_t i = 0; i < shown; ++i) {
    const pv1::LineRefusal& refusal = totals.refusals[i];
    std::printf("%s:%d: %s: %s: expected %s\n", path.c_str(), refusal.line(),
                refusal.field().c_str(), refusal.reason().c_str(), refusal.accepted().c_str());
  }
  if (totals.refusals.size() > shown) {
    std::printf("and %zu more refused lines\n", totals.refusals.size() - shown);
  }
  std::printf("organisations: %d added, %d changed; lines: %d unchanged, %d skipped, %zu refused\n",
              totals.added, totals.changed, totals.unchanged, totals.skipped,
              totals.refusals.size());
}

struct Options {
  std::string path, kind;
  std::vector<std::string> icbs;
  bool check = false;
};

// False when lines were refused.
absl::StatusOr<bool> Load(const Connection& connection, const Options& options) {
  FETTLE_ASSIGN_OR_RETURN(const std::string text, ReadFile(options.path));
  OrganisationFile file = ReadOrganisationFile(text, *FileKindOf(options.kind),
                                               {options.icbs.begin(), options.icbs.end()});
  Totals totals;
  totals.skipped = file.skipped;
  totals.refusals = std::move(file.refusals);
  const size_t lines = options.check ? 0 : file.lines.size();
  for (size_t sent = 0; sent < lines;) {
    pv1::LoadOrganisationsRequest request;
    request.set_request_id(NewId());
    for (int i = 0; i < kBatchLines && sent < lines; ++i) {
      *request.add_lines() = std::move(file.lines[sent++]);
    }
    FETTLE_RETURN_IF_ERROR(Send(connection, request, totals));
    if (!connection.json) {
      std::printf("lines: %zu of %zu, %zu refused\n", sent, lines, totals.refusals.size());
      std::fflush(stdout);
    }
  }
  std::ranges::stable_sort(totals.refusals, {}, &pv1::LineRefusal::line);
  Report(connection, options.path, totals);
  return totals.refusals.empty();
}

}  // namespace

void AddOrganisationCommands(CLI::App& app, Connection& connection, int& code) {
  CLI::App* organisations = app.add_subcommand("organisations", "The registry of organisations");
  organisations->require_subcommand(1);
  auto options = std::make_shared<Options>();
  CLI::App* load = organisations->add_subcommand(
      "load",
      "Load a published CSV file of the Organisation Data Service. May be repeated; a line that "
      "breaks a rule is reported and the others are taken. Load boards first, then what names "
      "them: icb, sub-icb-location, gp-practice, nhs-trust, site, network, network-member, "
      "succession; patient-list is Patients Registered at a GP Practice, one edition a file, the "
      "oldest first. Exit code 1 when a line was refused.");
  load->add_option("file", options->path, "The file, as published: CSV, with or without a header")
      ->required();
  load->add_option("--as", options->kind, "What its lines are")
      ->required()
      ->check(CLI::IsMember(FileKindWords()));
  load->add_option("--icb", options->icbs,
                   "Only organisations of this ICB (ODS code); may be repeated. Files that name no "
                   "ICB are taken whole")
      ->allow_extra_args(false);
  load->add_flag("--check", options->check,
                 "Only report what the file itself breaks; send nothing");
  load->callback([&connection, &code, options] {
    const absl::StatusOr<bool> loaded = Load(connection, *options);
    if (!loaded.ok()) {
      code = ShowError(connection, loaded.status());
    } else if (!*loaded) {
      code = 1;
    }
  });
}

}  // namespace fettle::cli
