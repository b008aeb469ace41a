// The CloudEvents attributes of an event, copied from its EventHeader.
#ifndef FETTLE_LIBS_JOURNAL_ATTRIBUTES_H_
#define FETTLE_LIBS_JOURNAL_ATTRIBUTES_H_

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "fettle/common/v1/types.pb.h"
#include "libs/bus/cloud_event.h"

namespace fettle::journal {

// Not thread-safe. Kept for many events, it allocates little.
class AttributeWriter {
 public:
  // All but `data_schema`, which the header does not know.
  void Write(const common::v1::EventHeader& header, bus::CloudEvent* event) {
    event->id.assign(header.id());
    event->source.assign(header.source());
    event->type.assign(header.type());
    event->subject.assign(header.stream_id());
    event->correlation_id.assign(header.correlation_id());
    event->causation_id.assign(header.causation_id());
    event->traceparent.assign(header.traceparent());
    WriteTime(header.time(), &event->time);
  }

 private:
  // RFC 3339 in UTC. Times come in order, so the second is mostly that of the time before.
  void WriteTime(const google::protobuf::Timestamp& time, std::string* text) {
    if (time.seconds() != second_) {
      second_ = time.seconds();
      prefix_ = absl::FormatTime("%Y-%m-%d%ET%H:%M:%S", absl::FromUnixSeconds(second_),
                                 absl::UTCTimeZone());
    }
    text->assign(prefix_);
    if (time.nanos() != 0) absl::StrAppend(text, ".", absl::Dec(time.nanos(), absl::kZeroPad9));
    text->push_back('Z');
  }

  int64_t second_ = -1;
  std::string prefix_ = "1969-12-31T23:59:59";
};

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_ATTRIBUTES_H_
