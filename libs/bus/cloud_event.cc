#include "libs/bus/cloud_event.h"

#include <bitset>
#include <cstddef>
#include <iterator>

#include "absl/status/status.h"
#include "libs/base/text.h"

namespace fettle::bus {
namespace {

constexpr std::string_view kSpecVersionName = "ce_specversion";
constexpr std::string_view kContentTypeName = "content-type";

struct Attribute {
  std::string_view name;
  std::string CloudEvent::*value;
  bool required;
};

// In the order in which they are sent.
constexpr Attribute kAttributes[] = {
    {"ce_id", &CloudEvent::id, true},
    {"ce_source", &CloudEvent::source, true},
    {"ce_type", &CloudEvent::type, true},
    {"ce_subject", &CloudEvent::subject, false},
    {"ce_time", &CloudEvent::time, false},
    {"ce_dataschema", &CloudEvent::data_schema, false},
    {"ce_correlationid", &CloudEvent::correlation_id, false},
    {"ce_causationid", &CloudEvent::causation_id, false},
    {"traceparent", &CloudEvent::traceparent, false},
};
constexpr size_t kAttributeCount = std::size(kAttributes);

}  // namespace

void BuildHeaders(const CloudEvent& event, Headers* headers) {
  size_t count = 0;
  const auto put = [&](std::string_view name, std::string_view value) {
    if (count == headers->size()) headers->emplace_back();
    (*headers)[count].first.assign(name);
    (*headers)[count].second.assign(value);
    ++count;
  };
  put(kSpecVersionName, kSpecVersion);
  for (const Attribute& attribute : kAttributes) {
    if (const std::string& value = event.*attribute.value; !value.empty()) {
      put(attribute.name, value);
    }
  }
  put(kContentTypeName, kContentType);
  headers->resize(count);
}

absl::StatusOr<CloudEvent> ParseHeaders(const Headers& headers) {
  CloudEvent event;
  std::bitset<kAttributeCount + 2> seen;
  const auto twice = [&seen](size_t index) {
    if (seen.test(index)) return true;
    seen.set(index);
    return false;
  };
  const auto wrong = [](std::string_view name, const char* what) {
    return absl::InvalidArgumentError(base::Concat("header ", name, " ", what));
  };
  for (const auto& [name, value] : headers) {
    if (name == kSpecVersionName) {
      if (twice(kAttributeCount)) return wrong(name, "occurs twice");
      if (value != kSpecVersion) return wrong(name, "must be 1.0");
      continue;
    }
    if (name == kContentTypeName) {
      if (twice(kAttributeCount + 1)) return wrong(name, "occurs twice");
      if (value != kContentType) return wrong(name, "must be application/protobuf");
      continue;
    }
    for (size_t i = 0; i < kAttributeCount; ++i) {
      if (name != kAttributes[i].name) continue;
      if (twice(i)) return wrong(name, "occurs twice");
      event.*kAttributes[i].value = value;
    }
  }
  if (!seen.test(kAttributeCount)) return wrong(kSpecVersionName, "is missing");
  if (!seen.test(kAttributeCount + 1)) return wrong(kContentTypeName, "is missing");
  for (const Attribute& attribute : kAttributes) {
    if (attribute.required && (event.*attribute.value).empty()) {
      return wrong(attribute.name, "is missing or empty");
    }
  }
  return event;
}

}  // namespace fettle::bus
