#include "libs/journal/dead_letter.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "fettle/common/v1/types.pb.h"
#include "libs/base/date.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/text.h"

namespace fettle::journal {
namespace {

// Values with the publisher; a value of the largest message fits with room to spare.
constexpr int kUnreportedKbytesMax = 8 * 1024;
constexpr char kAccessSource[] = ":access";

}  // namespace

DeadLetterMirror::DeadLetterMirror(Options options, Inbox* inbox, base::Metrics* metrics)
    : options_(std::move(options)),
      inbox_(inbox),
      mirrored_total_(metrics->AddCounter("fettle_consumer_mirrored_total",
                                          "Parked events that a dead-letter topic took")) {}

absl::Status DeadLetterMirror::Step() {
  if (!sent_.empty()) FETTLE_RETURN_IF_ERROR(TakeReports());
  if (!sent_.empty() || !inbox_->has_unmirrored() || absl::Now() < try_again_) {
    return absl::OkStatus();
  }
  return Send();
}

absl::Status DeadLetterMirror::TakeReports() {
  bool failed = false;
  bool fatal = false;
  for (const bus::Report& report : publisher_->Poll(absl::ZeroDuration())) {
    const auto sent = sent_.find(report.tag);
    if (sent == sent_.end()) continue;
    const auto& [source, position] = sent->second;
    if (report.ok) mirrored_total_.Increment();
    if (report.ok || !report.retriable) {
      FETTLE_RETURN_IF_ERROR(inbox_->SettleMirror(source, position));
    }
    if (!report.ok) {
      failed = true;
      fatal = fatal || report.fatal;
      base::Log(base::Level::kWarning, "a parked event could not be mirrored",
                {{"source", source},
                 {"position", position},
                 {"cause", report.error},
                 {"again", report.retriable}});
    }
    sent_.erase(sent);
  }
  if (!failed) return absl::OkStatus();
  // What was sent and is not reported is sent again. To end a publisher takes up to a second.
  sent_.clear();
  if (fatal) {
    publisher_.reset();
  } else {
    publisher_->Purge();
  }
  try_again_ = absl::Now() + absl::Milliseconds(options_.backoff_ms);
  return absl::OkStatus();
}

absl::Status DeadLetterMirror::Send() {
  FETTLE_ASSIGN_OR_RETURN(std::vector<Inbox::DeadLetter> letters,
                          inbox_->Unmirrored(options_.rows_max, options_.row_bytes_max));
  if (letters.empty()) return absl::OkStatus();
  if (publisher_ == nullptr) {
    FETTLE_ASSIGN_OR_RETURN(
        publisher_, bus::Publisher::Create({.cluster = options_.cluster,
                                            .unreported_kbytes_max = kUnreportedKbytesMax}));
  }
  for (Inbox::DeadLetter& letter : letters) {
    const uint64_t tag = ++last_tag_;
    std::pair<std::string, int64_t> row(letter.source, letter.position);
    const bus::Produced produced = publisher_->Produce(MessageOf(std::move(letter)), tag);
    if (produced == bus::Produced::kFull) break;
    sent_.emplace(tag, std::move(row));
    // Nothing goes out behind it; its report comes with the next step.
    if (produced == bus::Produced::kFailed) break;
  }
  return absl::OkStatus();
}

bus::EventMessage DeadLetterMirror::MessageOf(Inbox::DeadLetter letter) {
  bus::EventMessage message;
  message.topic = base::Concat(letter.topic, kDeadLetterSuffix);
  message.key = std::move(letter.envelope.key);
  message.headers = std::move(letter.envelope.headers);
  common::v1::EventHeader header;
  // It came by a feed, which has the value alone: as the relay would send it.
  if (message.key.empty() && message.headers.empty() && DecodeHeader(letter.value, header)) {
    bus::CloudEvent event;
    attributes_.Write(header, &event);
    bus::BuildHeaders(event, &message.headers);
    message.key = header.source().ends_with(kAccessSource) ? header.id() : header.stream_id();
  }
  if (message.key.empty()) message.key = letter.source;
  const auto put = [&](std::string_view name, std::string value) {
    message.headers.emplace_back(name, std::move(value));
  };
  put(kDeadLetterConsumer, options_.consumer);
  put(kDeadLetterCode, std::move(letter.code));
  put(kDeadLetterCause, std::move(letter.cause));
  put(kDeadLetterSource, std::move(letter.source));
  put(kDeadLetterPosition, absl::StrCat(letter.position));
  put(kDeadLetterTime, base::FormatInstant(letter.parked_time));
  message.value = std::move(letter.value);
  return message;
}

}  // namespace fettle::journal
