#include "services/gateway/fhir/message.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "services/gateway/fhir/systems.h"

namespace fettle::gateway {
namespace {

constexpr int kEntriesMax = 1'000;
constexpr std::string_view kUrnUuid = "urn:uuid:";

absl::Status Missing(std::string_view what) {
  return base::Refuse(absl::StatusCode::kInvalidArgument, "ELEMENT_MISSING",
                      base::Concat(what, ": required"));
}

absl::Status NotValid(std::string_view what) {
  return base::Refuse(absl::StatusCode::kInvalidArgument, "ELEMENT_NOT_VALID", std::string(what));
}

absl::Status WorkflowUnknown(std::string_view what) {
  return base::Refuse(absl::StatusCode::kInvalidArgument, "WORKFLOW_UNKNOWN", std::string(what));
}

// The rows of the wider decision table that a servicerequest-request may be.
struct WorkflowRow {
  std::string_view reason;
  std::string_view status;
  Action action;
};

constexpr WorkflowRow kWorkflows[] = {
    {"new", "active", Action::kNew},
    {"update", "active", Action::kUpdate},
    {"update", "on-hold", Action::kUpdate},
    {"update", "revoked", Action::kCancel},
    {"update", "entered-in-error", Action::kCancel},
    {"delete", "revoked", Action::kCancel},
    {"delete", "entered-in-error", Action::kCancel},
};

// What the status of the receiver's Encounter says while the ServiceRequest is active, the last
// step first.
struct EncounterRow {
  std::string_view status;
  referral::v1::Signal signal;
};

constexpr EncounterRow kEncounterSignals[] = {
    {"finished", referral::v1::SIGNAL_COMPLETED},
    {"in-progress", referral::v1::SIGNAL_STARTED},
    {"planned", referral::v1::SIGNAL_TAKEN},
};

constexpr std::array<std::string_view, 2> kCategories = {"referral", "validation"};
// In a new message; a person whom the sender is no longer with is no new case.
constexpr std::array<std::string_view, 2> kEncounterNotNew = {"cancelled", "entered-in-error"};
constexpr std::array<std::string_view, 2> kCarePlanNew = {"active", "completed"};

bool IsOneOf(std::string_view text, const auto& list) {
  return std::ranges::find(list, text) != std::end(list);
}

std::string_view View(json::string_view text) { return {text.data(), text.size()}; }

}  // namespace

absl::StatusOr<Message> Message::Read(json::value body, const std::set<std::string>& versions) {
  Message message;
  message.body_ = std::make_unique<const json::value>(std::move(body));
  ElementReader reader;
  // What the message is comes before whether each part of it is well formed: a booking is refused
  // as a booking.
  FETTLE_RETURN_IF_ERROR(message.ReadEvent(reader, versions));
  FETTLE_RETURN_IF_ERROR(message.ReadStructure(reader));
  FETTLE_RETURN_IF_ERROR(message.CheckReferences(*message.body_));
  FETTLE_RETURN_IF_ERROR(message.ReadWorkflow(reader));
  FETTLE_RETURN_IF_ERROR(reader.status());
  return message;
}

absl::Status Message::ReadEvent(ElementReader& reader, const std::set<std::string>& versions) {
  const json::value* root = body_.get();
  if (!root->is_object() || reader.Text(root, "resourceType") != "Bundle") {
    return NotValid("resourceType: a Bundle is expected");
  }
  if (reader.Text(root, "type") != "message") return NotValid("type: `message` is expected");
  bundle_id_ = reader.Text(root, "id");
  if (bundle_id_.empty()) return Missing("id");
  const std::string version = reader.Text(root, "meta.versionId");
  FETTLE_RETURN_IF_ERROR(reader.status());
  if (version.empty()) {
    return base::Refuse(absl::StatusCode::kInvalidArgument, "VERSION_MISSING",
                        "meta.versionId: required, the version of the standard");
  }
  if (!versions.contains(version)) {
    return base::Refuse(absl::StatusCode::kUnimplemented, "VERSION_NOT_SUPPORTED",
                        "meta.versionId: this version of the standard is not supported");
  }
  header_ = reader.Find(root, "entry.0.resource");
  if (header_ == nullptr) return Missing("entry.0.resource");
  if (reader.Text(header_, "resourceType") != "MessageHeader") {
    return NotValid("entry.0.resource: the first entry is the MessageHeader");
  }
  const std::string event = reader.Text(header_, "eventCoding.code");
  FETTLE_RETURN_IF_ERROR(reader.status());
  if (event.empty()) return Missing("MessageHeader.eventCoding.code");
  if (absl::StartsWith(event, "booking-")) {
    return base::Refuse(absl::StatusCode::kUnimplemented, "EVENT_NOT_SUPPORTED",
                        "MessageHeader.eventCoding: this receiver takes referrals, not bookings");
  }
  if (event == "servicerequest-response") {
    response_.in_response_to = reader.Text(header_, "response.identifier");
    if (response_.in_response_to.empty()) return Missing("MessageHeader.response.identifier");
    action_ = Action::kResponse;
    return absl::OkStatus();
  }
  if (event != "servicerequest-request") {
    return WorkflowUnknown("MessageHeader.eventCoding: the event is not known");
  }
  return absl::OkStatus();
}

absl::Status Message::ReadStructure(ElementReader& reader) {
  const json::array& entries = reader.Items(body_.get(), "entry");
  if (entries.size() > kEntriesMax) {
    return NotValid(base::Concat("entry: at most ", kEntriesMax, " entries"));
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string place = base::Concat("entry.", i);
    const std::string url = reader.Text(&entries[i], "fullUrl");
    const json::value* resource = reader.Find(&entries[i], "resource");
    if (resource == nullptr) return Missing(base::Concat(place, ".resource"));
    if (!absl::StartsWith(url, base::ToAbsl(kUrnUuid))) {
      return NotValid(base::Concat(place, ".fullUrl: expected urn:uuid: and an id"));
    }
    if (reader.Text(resource, "resourceType").empty()) {
      return Missing(base::Concat(place, ".resource.resourceType"));
    }
    if (reader.Text(resource, "meta.lastUpdated").empty()) {
      return Missing(base::Concat(place, ".resource.meta.lastUpdated"));
    }
    FETTLE_RETURN_IF_ERROR(reader.status());
    by_url_.emplace(url, resource);
    resources_.push_back(resource);
  }
  return absl::OkStatus();
}

absl::Status Message::CheckReferences(const json::value& value) const {
  if (value.is_array()) {
    for (const json::value& item : value.get_array()) FETTLE_RETURN_IF_ERROR(CheckReferences(item));
  } else if (value.is_object()) {
    for (const auto& [name, member] : value.get_object()) {
      if (View(name) == "reference" && member.is_string() &&
          View(member.get_string()).starts_with(kUrnUuid) &&
          !by_url_.contains(std::string(View(member.get_string())))) {
        return NotValid("reference: a urn:uuid: reference names no entry of the message");
      }
      FETTLE_RETURN_IF_ERROR(CheckReferences(member));
    }
  }
  return absl::OkStatus();
}

absl::Status Message::ReadWorkflow(ElementReader& reader) {
  service_request_ = Resolve(reader, header_, "focus.0", "ServiceRequest");
  if (service_request_ == nullptr) service_request_ = First("ServiceRequest");
  if (service_request_ == nullptr) return Missing("ServiceRequest");
  if (First("Patient") == nullptr) return Missing("Patient");
  for (const json::value& category : reader.Items(service_request_, "category")) {
    for (const json::value& coding : reader.Items(&category, "coding")) {
      const std::string code = reader.Text(&coding, "code");
      if (category_.empty() && IsOneOf(code, kCategories)) category_ = code;
    }
  }
  const std::string reason = reader.Text(header_, "reason.coding.0.code");
  status_ = reader.Text(service_request_, "status");
  FETTLE_RETURN_IF_ERROR(reader.status());
  if (category_.empty()) {
    return WorkflowUnknown("ServiceRequest.category: `referral` or `validation` is expected");
  }
  return action_ == Action::kResponse ? ReadResponse(reader, reason) : ReadRequest(reader, reason);
}

absl::Status Message::ReadRequest(ElementReader& reader, std::string_view reason) {
  const auto* row = std::ranges::find_if(kWorkflows, [&](const WorkflowRow& row) {
    return row.reason == reason && row.status == status_;
  });
  if (row == std::end(kWorkflows)) {
    return WorkflowUnknown(
        "MessageHeader.reason and ServiceRequest.status: together they are no known workflow");
  }
  action_ = row->action;
  if (action_ != Action::kNew) return absl::OkStatus();
  const json::value* encounter = Resolve(reader, service_request_, "encounter", "Encounter");
  if (IsOneOf(reader.Text(encounter, "status"), kEncounterNotNew)) {
    return WorkflowUnknown("Encounter.status: a new message cannot be of one that is over");
  }
  const json::value* plan = Resolve(reader, service_request_, "basedOn.0", "CarePlan");
  if (plan != nullptr && !IsOneOf(reader.Text(plan, "status"), kCarePlanNew)) {
    return WorkflowUnknown("CarePlan.status: `active` or `completed` in a new message");
  }
  return absl::OkStatus();
}

// The rows of the decision table for responses, one after another. The receiver's Encounters are
// those whose case number is not the sender's own, which is the Bundle.id that is answered.
absl::Status Message::ReadResponse(ElementReader& reader, std::string_view reason) {
  const json::value* encounters[std::size(kEncounterSignals)] = {};
  const json::value* cancelled = nullptr;
  std::string business_status;
  for (const json::value* resource : resources_) {
    const std::string type = reader.Text(resource, "resourceType");
    const std::string status = reader.Text(resource, "status");
    if (type == "Encounter" && status == "cancelled") cancelled = resource;
    if (type == "Encounter" &&
        reader.Text(resource, "identifier.0.value") != response_.in_response_to) {
      for (size_t i = 0; i < std::size(kEncounterSignals); ++i) {
        if (kEncounterSignals[i].status == status) encounters[i] = resource;
      }
    }
    if (type == "Task" && SameSystem(reader.Text(resource, "businessStatus.coding.0.system"),
                                     kReferralStatusSystem)) {
      business_status = reader.Text(resource, "businessStatus.coding.0.code");
    }
  }
  const json::value* told_by = nullptr;
  const bool is_new = reason == "new";
  if (!is_new && reason != "update") {
    return WorkflowUnknown("MessageHeader.reason: `new` or `update` in a response");
  }
  if (cancelled != nullptr) {
    response_.signal = referral::v1::SIGNAL_REJECTED;
    told_by = cancelled;
  } else if (status_ == "revoked" && is_new) {
    response_.signal = category_ == "validation" ? referral::v1::SIGNAL_REJECTED
                                                 : referral::v1::SIGNAL_DID_NOT_ATTEND;
  } else if (status_ == "completed") {
    response_.signal = referral::v1::SIGNAL_COMPLETED;
    told_by = encounters[0];
  } else if (status_ == "active") {
    for (size_t i = 0; i < std::size(kEncounterSignals) && told_by == nullptr; ++i) {
      told_by = encounters[i];
      response_.signal = kEncounterSignals[i].signal;
    }
    if (told_by == nullptr) {
      return WorkflowUnknown(
          "Encounter.status: one of the receiver's own is expected, planned, in-progress or "
          "finished, while the ServiceRequest is active");
    }
  } else {
    return WorkflowUnknown(
        "MessageHeader.reason and ServiceRequest.status: together they are no known workflow");
  }
  // Who takes a case and who begins with it send the same narrow form; our own word tells which.
  if (response_.signal == referral::v1::SIGNAL_STARTED && business_status == "accepted") {
    response_.signal = referral::v1::SIGNAL_TAKEN;
  }
  if (response_.signal == referral::v1::SIGNAL_REJECTED) {
    response_.reason_code = reader.Text(told_by, "reasonCode.0.coding.0.code");
    return absl::OkStatus();
  }
  const char* path =
      response_.signal == referral::v1::SIGNAL_COMPLETED ? "period.end" : "period.start";
  const std::string when = reader.Text(told_by, path);
  if (when.empty()) return absl::OkStatus();
  const absl::StatusOr<absl::Time> time = base::ParseInstant(when);
  if (!base::IsDate(when) && !time.ok()) {
    return NotValid("Encounter.period: a date or an instant is expected");
  }
  response_.date = time.ok() ? base::LondonDate(*time) : when;
  return absl::OkStatus();
}

const json::value* Message::Resolve(ElementReader& reader, const json::value* from,
                                    std::string_view path, std::string_view type) const {
  const json::value* reference = reader.Find(from, path);
  if (reference == nullptr) return nullptr;
  const auto found = by_url_.find(reader.Text(reference, "reference"));
  if (found == by_url_.end() || reader.Text(found->second, "resourceType") != type) return nullptr;
  return found->second;
}

const json::value* Message::First(std::string_view type) const {
  ElementReader reader;
  const auto found = std::ranges::find_if(resources_, [&](const json::value* resource) {
    return reader.Text(resource, "resourceType") == type;
  });
  return found == resources_.end() ? nullptr : *found;
}

}  // namespace fettle::gateway
