#include "services/gateway/fhir/resources.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/check.h"
#include "libs/base/date.h"
#include "libs/base/text.h"
#include "services/gateway/fhir/elements.h"
#include "services/gateway/fhir/json.h"
#include "services/gateway/fhir/systems.h"

namespace fettle::gateway {
namespace {

namespace json = boost::json;
namespace rv1 = referral::v1;

constexpr char kServiceRequestProfile[] =
    "https://fhir.hl7.org.uk/StructureDefinition/UKCore-ServiceRequest";
constexpr char kCarePlanProfile[] = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-CarePlan";
constexpr char kGoalAchievementSystem[] = "http://terminology.hl7.org/CodeSystem/goal-achievement";
constexpr char kSourceExtension[] =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-SourceOfServiceRequest";
constexpr char kServiceKindSystem[] = "urn:fettle:codesystem:service-kind";
// Date of the last change of the message definitions.
constexpr char kDefinitionsDate[] = "2025-11-22";

struct StatusRow {
  rv1::ReferralStatus status;
  bool accepted;  // a row for each answer where it matters
  const char* task;
  const char* business;
  const char* service_request;
};

// INV-35. A pause is of the work: the request stays active, and may be cancelled.
constexpr StatusRow kStatuses[] = {
    {rv1::REFERRAL_STATUS_DRAFT, false, "draft", "draft", "draft"},
    {rv1::REFERRAL_STATUS_SUBMITTED, false, "requested", "submitted", "active"},
    {rv1::REFERRAL_STATUS_IN_TRIAGE, false, "received", "in-triage", "active"},
    {rv1::REFERRAL_STATUS_INFO_REQUESTED, false, "on-hold", "awaiting-information", "active"},
    {rv1::REFERRAL_STATUS_ACCEPTED, false, "accepted", "accepted", "active"},
    {rv1::REFERRAL_STATUS_ACTIVE, false, "in-progress", "active", "active"},
    {rv1::REFERRAL_STATUS_PAUSED, false, "on-hold", "paused", "active"},
    {rv1::REFERRAL_STATUS_COMPLETED, false, "completed", "completed", "completed"},
    {rv1::REFERRAL_STATUS_REJECTED, false, "rejected", "rejected", "revoked"},
    {rv1::REFERRAL_STATUS_REJECTED, true, "failed", "rejected", "revoked"},
    {rv1::REFERRAL_STATUS_DECLINED, false, "cancelled", "declined", "revoked"},
    {rv1::REFERRAL_STATUS_WITHDRAWN, false, "cancelled", "withdrawn", "revoked"},
    {rv1::REFERRAL_STATUS_NO_CONTACT, false, "failed", "no-contact", "revoked"},
    {rv1::REFERRAL_STATUS_ENTERED_IN_ERROR, false, "entered-in-error", "entered-in-error",
     "entered-in-error"},
};

struct KindRow {
  rv1::ServiceKind kind;
  const char* code;
  const char* display;
  const char* snomed;  // of the referral to such a service; empty when the standards name none
  const char* snomed_display;
};

constexpr KindRow kKinds[] = {
    {rv1::SERVICE_KIND_SOCIAL_PRESCRIBING, "social-prescribing", "Social prescribing",
     "871731000000106", "Referral to social prescribing service"},
    {rv1::SERVICE_KIND_HEALTH_COACHING, "health-coaching", "Health and wellbeing coaching", "", ""},
    {rv1::SERVICE_KIND_CARE_COORDINATION, "care-coordination", "Care coordination", "", ""},
    {rv1::SERVICE_KIND_OCCUPATIONAL_THERAPY, "occupational-therapy", "Occupational therapy",
     "306355004", "Referral to community-based occupational therapist"},
};

// A goal's status, as where it stands in its life and what has been achieved.
struct GoalRow {
  rv1::GoalStatus status;
  const char* lifecycle;
  const char* achievement;  // empty: nothing is said
};

constexpr GoalRow kGoals[] = {
    {rv1::GOAL_STATUS_UNSPECIFIED, "proposed", ""},
    {rv1::GOAL_STATUS_PROPOSED, "proposed", ""},
    {rv1::GOAL_STATUS_IN_PROGRESS, "active", "in-progress"},
    {rv1::GOAL_STATUS_ACHIEVED, "completed", "achieved"},
    {rv1::GOAL_STATUS_PARTLY_ACHIEVED, "completed", "improving"},
    {rv1::GOAL_STATUS_NOT_ACHIEVED, "completed", "not-achieved"},
    {rv1::GOAL_STATUS_ABANDONED, "cancelled", ""},
};

struct ActionRow {
  rv1::ActionStatus status;
  const char* detail;  // CarePlan.activity.detail.status
};

constexpr ActionRow kActions[] = {
    {rv1::ACTION_STATUS_UNSPECIFIED, "not-started"}, {rv1::ACTION_STATUS_PLANNED, "not-started"},
    {rv1::ACTION_STATUS_IN_PROGRESS, "in-progress"}, {rv1::ACTION_STATUS_DONE, "completed"},
    {rv1::ACTION_STATUS_REFUSED, "cancelled"},       {rv1::ACTION_STATUS_STOPPED, "stopped"},
};

// The row of a value; every value of these enums has one.
template <class Row, size_t kSize, class Status>
const Row& RowOfStatus(const Row (&rows)[kSize], Status status) {
  const auto* row = std::ranges::find(rows, status, &Row::status);
  FETTLE_CHECK(row != std::end(rows), "every status has its row");
  return *row;
}

struct DefinitionRow {
  const char* id;
  const char* title;
  const char* context;
  const char* event;
};

constexpr DefinitionRow kDefinitions[] = {
    {"bars-message-servicerequest-request-referral", "Referral request", "referral",
     "servicerequest-request"},
    {"bars-message-servicerequest-request-validation", "Validation request", "validation",
     "servicerequest-request"},
    {"bars-message-servicerequest-response-referral", "Response to a referral", "referral",
     "servicerequest-response"},
};

json::object Organisation(std::string_view ods_code, std::string_view display = "") {
  json::object reference{
      {"type", "Organization"},
      {"identifier", json::object{{"system", kOdsSystem}, {"value", Text(ods_code)}}}};
  if (!display.empty()) reference["display"] = Text(display);
  return reference;
}

json::object MetaOf(const rv1::Referral& referral) {
  return {{"versionId", absl::StrCat(referral.version())},
          {"lastUpdated", Instant(referral.update_time())}};
}

const char* PriorityOf(const rv1::Referral& referral) {
  rv1::Priority priority = referral.priority();
  if (priority == rv1::PRIORITY_UNSPECIFIED) priority = referral.details().priority();
  return priority == rv1::PRIORITY_URGENT ? "urgent" : "routine";
}

// What the referral asks for.
json::object RequestedOf(const rv1::ReceivingService& service) {
  const auto* row = std::ranges::find(kKinds, service.kind(), &KindRow::kind);
  if (row == std::end(kKinds)) row = std::begin(kKinds);  // before services had kinds
  if (*row->snomed == '\0') {
    return Concept(Coding(kServiceKindSystem, row->code, row->display), service.name());
  }
  return Concept(Coding(kSnomed, row->snomed, row->snomed_display), service.name());
}

// Ids, dates and parties, which a request and the work on it share.
void FillParties(const rv1::Referral& referral, const char* who, const char* performer,
                 json::object& resource) {
  resource["priority"] = PriorityOf(referral);
  resource[who] = json::object{{"reference", absl::StrCat("Patient/", referral.person_id())},
                               {"type", "Patient"}};
  resource["authoredOn"] = Instant(referral.submit_time());
  resource["requester"] =
      Organisation(referral.referring_organisation(), referral.details().referrer().service());
  json::object organisation =
      Organisation(referral.service().organisation(), referral.service().name());
  if (std::string_view(performer) == "performer") {
    resource[performer] = json::array{std::move(organisation)};
  } else {
    resource[performer] = std::move(organisation);
  }
}

// An agreed plan goes the way of its referral: one row for each state whose plans have a status of
// their own. Those of a referral that ended otherwise are revoked.
struct PlanRow {
  rv1::ReferralStatus status;
  const char* plan;
};

constexpr PlanRow kPlans[] = {
    {rv1::REFERRAL_STATUS_ACTIVE, "active"},
    {rv1::REFERRAL_STATUS_PAUSED, "on-hold"},
    {rv1::REFERRAL_STATUS_COMPLETED, "completed"},
    {rv1::REFERRAL_STATUS_ENTERED_IN_ERROR, "entered-in-error"},
};

const char* PlanStatusOf(const rv1::Referral& referral) {
  const bool is_under_way = referral.status() == rv1::REFERRAL_STATUS_ACTIVE ||
                            referral.status() == rv1::REFERRAL_STATUS_PAUSED;
  // Nobody agreed to it yet.
  if (is_under_way && referral.care().plan().agreement() == rv1::PLAN_AGREEMENT_NONE) {
    return "draft";
  }
  const auto* row = std::ranges::find(kPlans, referral.status(), &PlanRow::status);
  return row == std::end(kPlans) ? "revoked" : row->plan;
}

bool WasAccepted(const rv1::Referral& referral) { return referral.has_accept_time(); }

}  // namespace

FhirStatus FhirStatusOf(rv1::ReferralStatus status, bool accepted) {
  const StatusRow* found = nullptr;
  for (const StatusRow& row : kStatuses) {
    if (row.status == status && (found == nullptr || row.accepted == accepted)) found = &row;
  }
  FETTLE_CHECK(found != nullptr, "every state has its row");
  return {found->task, found->business, found->service_request};
}

std::optional<rv1::ReferralStatus> ReferralStatusOf(const FhirStatus& status) {
  for (const StatusRow& row : kStatuses) {
    if (FhirStatus{row.task, row.business, row.service_request} == status) return row.status;
  }
  return std::nullopt;
}

std::optional<rv1::ReferralStatus> ReferralStatusOfCode(std::string_view code) {
  for (const StatusRow& row : kStatuses) {
    if (row.business == code) return row.status;
  }
  return std::nullopt;
}

json::object ServiceRequestOf(const rv1::Referral& referral) {
  const rv1::ReferralDetails& details = referral.details();
  json::object request{
      {"resourceType", "ServiceRequest"},
      {"id", referral.referral_id()},
      {"meta", MetaOf(referral)},
      {"status", FhirStatusOf(referral.status(), WasAccepted(referral)).service_request},
      {"intent", "order"},
      {"category", json::array{Concept(Coding(kCategorySystem, "referral"))}},
      {"code", RequestedOf(referral.service())},
  };
  FillParties(referral, "subject", "performer", request);
  if (!details.source_code().empty()) {
    request["extension"] = json::array{
        json::object{{"url", kSourceExtension},
                     {"valueCodeableConcept", Concept(Coding(kSnomed, details.source_code()))}}};
  }
  if (!details.reason().code().empty()) {
    request["reasonCode"] = json::array{
        Concept(Coding(kReasonSystem, details.reason().code()), details.reason().text().text())};
  } else if (!details.reason().text().text().empty()) {
    request["reasonCode"] = json::array{json::object{{"text", details.reason().text().text()}}};
  }
  if (!referral.replaces().empty()) {
    request["replaces"] = json::array{
        json::object{{"reference", absl::StrCat("ServiceRequest/", referral.replaces())}}};
  }
  if (!referral.onward_of().empty()) {
    request["basedOn"] = json::array{
        json::object{{"reference", absl::StrCat("ServiceRequest/", referral.onward_of())}}};
    // The last of its must-support elements; without them the profile is not declared.
    request["meta"].as_object()["profile"] = json::array{kServiceRequestProfile};
  }
  return request;
}

json::object TaskOf(const rv1::Referral& referral) {
  const FhirStatus status = FhirStatusOf(referral.status(), WasAccepted(referral));
  json::object task{
      {"resourceType", "Task"},
      {"id", referral.referral_id()},
      {"meta", MetaOf(referral)},
      {"status", status.task},
      {"businessStatus", Concept(Coding(kReferralStatusSystem, status.business))},
      {"intent", "order"},
      {"code", Concept(Coding("http://hl7.org/fhir/CodeSystem/task-code", "fulfill",
                              "Fulfill the focal request"))},
      {"focus", json::object{{"reference", absl::StrCat("ServiceRequest/", referral.referral_id())},
                             {"type", "ServiceRequest"}}},
      {"lastModified", Instant(referral.update_time())},
  };
  FillParties(referral, "for", "owner", task);
  if (referral.has_accept_time()) {
    json::object period{{"start", Instant(referral.accept_time())}};
    if (!referral.closed_date().empty()) period["end"] = referral.closed_date();
    task["executionPeriod"] = std::move(period);
  }
  return task;
}

json::object CarePlanOf(const rv1::Referral& referral) {
  const rv1::CarePlan& plan = referral.care().plan();
  const json::object subject{{"reference", absl::StrCat("Patient/", referral.person_id())}};
  const auto goal_reference = [](int number) {
    return json::array{json::object{{"reference", absl::StrCat("#goal-", number)}}};
  };
  json::array contained;
  json::array goals;
  for (const rv1::Goal& goal : plan.goals()) {
    const GoalRow& row = RowOfStatus(kGoals, goal.status());
    json::object resource{{"resourceType", "Goal"},
                          {"id", absl::StrCat("goal-", goal.number())},
                          {"lifecycleStatus", row.lifecycle},
                          {"description", json::object{{"text", goal.description().text()}}},
                          {"subject", subject}};
    if (*row.achievement != '\0') {
      resource["achievementStatus"] = Concept(Coding(kGoalAchievementSystem, row.achievement));
    }
    contained.push_back(std::move(resource));
    goals.push_back(goal_reference(goal.number()).at(0));
  }
  json::array activities;
  for (const rv1::Action& action : plan.actions()) {
    json::object detail{{"status", RowOfStatus(kActions, action.status()).detail},
                        {"description", action.what().text()}};
    if (action.goal_number() != 0) detail["goal"] = goal_reference(action.goal_number());
    if (!action.when().text().empty()) detail["scheduledString"] = action.when().text();
    if (!action.who().text().empty()) {
      detail["performer"] = json::array{json::object{{"display", action.who().text()}}};
    }
    activities.push_back(json::object{{"detail", std::move(detail)}});
  }
  json::object resource{
      {"resourceType", "CarePlan"},
      {"id", referral.referral_id()},
      {"meta", json::object{{"versionId", absl::StrCat(referral.care().plan_version())},
                            {"lastUpdated", Instant(referral.care().plan_time())},
                            {"profile", json::array{kCarePlanProfile}}}},
      {"status", PlanStatusOf(referral)},
      {"intent", "plan"},
      {"category", json::array{Concept(Coding(kSnomed, "734163000", "Care plan"))}},
      {"description", plan.what_matters().text()},
      {"subject", subject},
      {"period", json::object{{"start", Instant(referral.care().plan_time())}}},
      {"supportingInfo",
       json::array{
           json::object{{"reference", absl::StrCat("ServiceRequest/", referral.referral_id())}}}},
  };
  if (!plan.strengths().text().empty()) {
    resource["note"] = json::array{json::object{{"text", plan.strengths().text()}}};
  }
  // FHIR has no empty arrays.
  if (!contained.empty()) resource["contained"] = std::move(contained);
  if (!goals.empty()) resource["goal"] = std::move(goals);
  if (!activities.empty()) resource["activity"] = std::move(activities);
  return resource;
}

std::optional<rv1::ReferralStatus> StateOfPlans(std::string_view status) {
  for (const PlanRow& row : kPlans) {
    if (row.plan == status) return row.status;
  }
  return std::nullopt;
}

json::object HistoryOf(const std::string& base_url, const std::string& referral_id,
                       const google::protobuf::RepeatedPtrField<rv1::ReferralVersion>& versions) {
  json::array entries;
  bool is_first = true;
  const std::string path = absl::StrCat("ServiceRequest/", referral_id);
  for (const rv1::ReferralVersion& version : versions) {
    const absl::StatusOr<json::value> body = ParseJson(version.partner_message().body().text());
    if (!body.ok()) continue;
    ElementReader reader;
    for (const json::value& entry : reader.Items(&*body, "entry")) {
      if (reader.Text(&entry, "resource.resourceType") != "ServiceRequest") continue;
      json::object resource = entry.at("resource").as_object();
      resource["id"] = referral_id;
      resource["meta"].as_object()["versionId"] = absl::StrCat(version.version());
      entries.insert(
          entries.begin(),
          json::object{{"fullUrl", absl::StrCat(base_url, "/", path)},
                       {"resource", std::move(resource)},
                       {"request", json::object{{"method", is_first ? "POST" : "PUT"},
                                                {"url", is_first ? "ServiceRequest" : path}}},
                       {"response", json::object{{"status", is_first ? "201" : "200"},
                                                 {"lastModified", Instant(version.time())}}}});
      is_first = false;
      break;
    }
  }
  json::object bundle{{"resourceType", "Bundle"}, {"type", "history"}, {"total", entries.size()}};
  if (!entries.empty()) bundle["entry"] = std::move(entries);
  return bundle;
}

json::object HealthcareServiceOf(const rv1::Service& service) {
  const rv1::ServiceDescription& description = service.description();
  json::object resource{
      {"resourceType", "HealthcareService"},
      {"id", service.service_id()},
      {"active", service.closed_from().empty()},
      {"providedBy", Organisation(service.organisation())},
      {"name", description.name()},
  };
  if (const auto* row = std::ranges::find(kKinds, description.kind(), &KindRow::kind);
      row != std::end(kKinds)) {
    resource["type"] = json::array{Concept(Coding(kServiceKindSystem, row->code, row->display))};
  }
  if (!description.what().empty()) resource["comment"] = description.what();
  if (!description.for_whom().empty()) {
    resource["eligibility"] = json::array{json::object{{"comment", description.for_whom()}}};
  }
  if (!description.opening().empty()) resource["availabilityExceptions"] = description.opening();
  if (!description.where().empty()) resource["extraDetails"] = description.where();
  return resource;
}

std::vector<json::object> MessageDefinitions(std::string_view context) {
  std::vector<json::object> definitions;
  for (const DefinitionRow& row : kDefinitions) {
    if (!context.empty() && context != row.context) continue;
    definitions.push_back(json::object{
        {"resourceType", "MessageDefinition"},
        {"id", row.id},
        {"url", absl::StrCat("https://fhir.nhs.uk/MessageDefinition/", row.id)},
        {"title", row.title},
        {"status", "active"},
        {"date", kDefinitionsDate},
        {"eventCoding", Coding(kEventSystem, row.event)},
        {"category", "consequence"},
        {"focus", json::array{json::object{{"code", "ServiceRequest"}, {"min", 1}, {"max", "1"}}}},
        {"responseRequired", "on-error"},
    });
  }
  return definitions;
}

json::object SearchSet(const std::string& base_url, std::string_view self, std::string_view next,
                       std::vector<json::object> resources) {
  json::array links{json::object{{"relation", "self"}, {"url", base::Concat(base_url, "/", self)}}};
  if (!next.empty()) {
    links.push_back(json::object{{"relation", "next"}, {"url", base::Concat(base_url, "/", next)}});
  }
  json::array entries;
  for (json::object& resource : resources) {
    const std::string url =
        absl::StrCat(base_url, "/", std::string(resource.at("resourceType").as_string()), "/",
                     std::string(resource.at("id").as_string()));
    entries.push_back(json::object{{"fullUrl", url},
                                   {"resource", std::move(resource)},
                                   {"search", json::object{{"mode", "match"}}}});
  }
  json::object bundle{
      {"resourceType", "Bundle"}, {"type", "searchset"}, {"link", std::move(links)}};
  // FHIR has no empty arrays.
  if (!entries.empty()) bundle["entry"] = std::move(entries);
  return bundle;
}

}  // namespace fettle::gateway
