// Goal: what leaves as FHIR says all that we know, in values that FHIR has, and the state comes
// back from it. Method: every state, and a referral with every field that is shown.
#include "services/gateway/fhir/resources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <set>
#include <string>

#include "services/gateway/fhir/json.h"
#include "services/gateway/fhir/systems.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
using ::testing::HasSubstr;
using ::testing::Not;

rv1::Referral ReferralIn(rv1::ReferralStatus status) {
  rv1::Referral referral;
  referral.set_referral_id("0196d5a0-0001-7000-8000-000000000001");
  referral.set_version(4);
  referral.set_status(status);
  referral.set_person_id("0196d5a0-0001-7000-8000-000000000002");
  referral.mutable_service()->set_organisation("RXH01");
  referral.mutable_service()->set_name("Overtown link workers");
  referral.mutable_details()->set_source_code("108161000000109");
  referral.mutable_details()->mutable_reason()->set_code("LONELINESS");
  referral.mutable_details()->mutable_reason()->mutable_text()->set_text("alone since June");
  referral.mutable_details()->set_priority(rv1::PRIORITY_URGENT);
  referral.set_referring_organisation("A81001");
  referral.mutable_submit_time()->set_seconds(1'742'200'000);
  referral.mutable_update_time()->set_seconds(1'742'300'000);
  return referral;
}

std::string At(const boost::json::object& resource, std::string_view path) {
  const boost::json::value value = resource;
  ElementReader reader;
  return reader.Text(&value, path);
}

// INV-35
TEST(StatusTable, Inv35EveryStateComesBackFromFhir) {
  for (int number = rv1::REFERRAL_STATUS_DRAFT; number <= rv1::REFERRAL_STATUS_ENTERED_IN_ERROR;
       ++number) {
    const auto status = static_cast<rv1::ReferralStatus>(number);
    for (const bool accepted : {false, true}) {
      EXPECT_EQ(ReferralStatusOf(FhirStatusOf(status, accepted)), status);
    }
    EXPECT_EQ(ReferralStatusOfCode(FhirStatusOf(status, false).business), status);
  }
  EXPECT_EQ(FhirStatusOf(rv1::REFERRAL_STATUS_REJECTED, false).task, "rejected");
  EXPECT_EQ(FhirStatusOf(rv1::REFERRAL_STATUS_REJECTED, true).task, "failed");
}

TEST(StatusTable, Inv35TheStateComesBackFromTheResourcesThemselves) {
  for (int number = rv1::REFERRAL_STATUS_DRAFT; number <= rv1::REFERRAL_STATUS_ENTERED_IN_ERROR;
       ++number) {
    const rv1::Referral referral = ReferralIn(static_cast<rv1::ReferralStatus>(number));
    const boost::json::object task = TaskOf(referral);
    EXPECT_EQ(At(task, "businessStatus.coding.0.system"), kReferralStatusSystem);
    EXPECT_EQ(ReferralStatusOf({At(task, "status"), At(task, "businessStatus.coding.0.code"),
                                At(ServiceRequestOf(referral), "status")}),
              referral.status());
  }
}

// INV-36
TEST(StatusTable, Inv36OnlyValuesOfR4) {
  const std::set<std::string> tasks = {"draft",    "requested", "received",  "accepted",
                                       "rejected", "ready",     "cancelled", "in-progress",
                                       "on-hold",  "failed",    "completed", "entered-in-error"};
  const std::set<std::string> requests = {"draft",     "active",  "on-hold",         "revoked",
                                          "completed", "unknown", "entered-in-error"};
  for (int number = rv1::REFERRAL_STATUS_DRAFT; number <= rv1::REFERRAL_STATUS_ENTERED_IN_ERROR;
       ++number) {
    for (const bool accepted : {false, true}) {
      const FhirStatus status = FhirStatusOf(static_cast<rv1::ReferralStatus>(number), accepted);
      EXPECT_TRUE(tasks.contains(status.task)) << status.task;
      EXPECT_TRUE(requests.contains(status.service_request)) << status.service_request;
    }
  }
  EXPECT_EQ(ReferralStatusOf({"inactive", "active", "active"}), std::nullopt);
  EXPECT_EQ(ReferralStatusOfCode("inactive"), std::nullopt);
}

// Must-support elements of UK Core ServiceRequest and Task, as far as a referral has them.
TEST(Resources, MustSupportElementsAreFilled) {
  const boost::json::object request = ServiceRequestOf(ReferralIn(rv1::REFERRAL_STATUS_ACTIVE));
  for (const auto& [path, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"status", "active"},
           {"intent", "order"},
           {"category.0.coding.0.code", "referral"},
           {"priority", "urgent"},
           {"code.coding.0.code", "871731000000106"},
           {"subject.reference", "Patient/0196d5a0-0001-7000-8000-000000000002"},
           {"authoredOn", "2025-03-17T08:26:40Z"},
           {"requester.identifier.value", "A81001"},
           {"performer.0.identifier.value", "RXH01"},
           {"reasonCode.0.coding.0.code", "LONELINESS"},
           {"reasonCode.0.text", "alone since June"},
           {"extension.0.valueCodeableConcept.coding.0.code", "108161000000109"},
           {"meta.versionId", "4"},
           {"meta.lastUpdated", "2025-03-18T12:13:20Z"}}) {
    EXPECT_EQ(At(request, path), value) << path;
  }
  const boost::json::object task = TaskOf(ReferralIn(rv1::REFERRAL_STATUS_PAUSED));
  for (const auto& [path, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"status", "on-hold"},
           {"businessStatus.coding.0.code", "paused"},
           {"intent", "order"},
           {"code.coding.0.code", "fulfill"},
           {"focus.reference", "ServiceRequest/0196d5a0-0001-7000-8000-000000000001"},
           {"for.reference", "Patient/0196d5a0-0001-7000-8000-000000000002"},
           {"requester.identifier.value", "A81001"},
           {"owner.identifier.value", "RXH01"}}) {
    EXPECT_EQ(At(task, path), value) << path;
  }
}

TEST(Resources, ProfileIsDeclaredWhereItsElementsAreFilled) {
  rv1::Referral referral = ReferralIn(rv1::REFERRAL_STATUS_ACTIVE);
  EXPECT_EQ(At(ServiceRequestOf(referral), "meta.profile.0"), "");
  referral.set_onward_of("0196d5a0-0001-7000-8000-000000000003");
  EXPECT_THAT(At(ServiceRequestOf(referral), "meta.profile.0"), HasSubstr("UKCore-ServiceRequest"));
  EXPECT_EQ(At(ServiceRequestOf(referral), "basedOn.0.reference"),
            "ServiceRequest/0196d5a0-0001-7000-8000-000000000003");
}

TEST(Resources, PlanHasItsGoalsAndActivities) {
  rv1::Referral referral = ReferralIn(rv1::REFERRAL_STATUS_ACTIVE);
  referral.mutable_care()->set_plan_version(2);
  rv1::CarePlan& plan = *referral.mutable_care()->mutable_plan();
  plan.mutable_what_matters()->set_text("to see the sea");
  plan.set_agreement(rv1::PLAN_AGREEMENT_PERSON);
  for (int status = rv1::GOAL_STATUS_UNSPECIFIED; status <= rv1::GoalStatus_MAX; ++status) {
    rv1::Goal& goal = *plan.add_goals();
    goal.set_number(status + 1);
    goal.set_status(static_cast<rv1::GoalStatus>(status));
  }
  for (int status = rv1::ACTION_STATUS_UNSPECIFIED; status <= rv1::ActionStatus_MAX; ++status) {
    rv1::Action& action = *plan.add_actions();
    action.mutable_what()->set_text("walk");
    action.set_goal_number(1);
    action.set_status(static_cast<rv1::ActionStatus>(status));
  }
  const boost::json::object resource = CarePlanOf(referral);
  for (const auto& [path, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"status", "active"},
           {"intent", "plan"},
           {"category.0.coding.0.code", "734163000"},
           {"subject.reference", "Patient/0196d5a0-0001-7000-8000-000000000002"},
           {"description", "to see the sea"},
           {"meta.versionId", "2"},
           {"contained.3.achievementStatus.coding.0.code", "achieved"},
           {"goal.0.reference", "#goal-1"},
           {"activity.3.detail.status", "completed"},
           {"activity.0.detail.goal.0.reference", "#goal-1"}}) {
    EXPECT_EQ(At(resource, path), value) << path;
  }
  plan.set_agreement(rv1::PLAN_AGREEMENT_NONE);
  EXPECT_EQ(At(CarePlanOf(referral), "status"), "draft");
  referral.set_status(rv1::REFERRAL_STATUS_REJECTED);
  EXPECT_EQ(At(CarePlanOf(referral), "status"), "revoked");
}

// What a search by status finds has this status, and no other state's plans have it.
TEST(Resources, StatusOfAPlanLeadsBackToTheStateOfItsReferral) {
  rv1::Referral referral;
  referral.mutable_care()->mutable_plan()->set_agreement(rv1::PLAN_AGREEMENT_PERSON);
  std::set<std::string> searched;
  for (int number = rv1::REFERRAL_STATUS_ACTIVE; number <= rv1::REFERRAL_STATUS_ENTERED_IN_ERROR;
       ++number) {
    referral.set_status(static_cast<rv1::ReferralStatus>(number));
    const std::string status = At(CarePlanOf(referral), "status");
    if (status == "revoked") continue;
    EXPECT_EQ(StateOfPlans(status), referral.status());
    searched.insert(status);
  }
  EXPECT_EQ(searched,
            std::set<std::string>({"active", "on-hold", "completed", "entered-in-error"}));
  EXPECT_EQ(StateOfPlans("revoked"), std::nullopt);
  EXPECT_EQ(StateOfPlans("draft"), std::nullopt);
}

// INV-158
TEST(Resources, HistoryHasEachVersionAsItWasReceivedNewestFirst) {
  google::protobuf::RepeatedPtrField<rv1::ReferralVersion> versions;
  for (const char* status : {"active", "on-hold"}) {
    rv1::ReferralVersion& version = *versions.Add();
    version.set_version(versions.size());
    version.mutable_partner_message()->mutable_body()->set_text(
        std::string(
            R"({"entry":[{"resource":{"resourceType":"ServiceRequest","meta":{},"status":")") +
        status + R"("}}]})");
  }
  const boost::json::object bundle =
      HistoryOf("https://fettle.example/FHIR/R4", "the-id", versions);
  EXPECT_EQ(At(bundle, "type"), "history");
  EXPECT_EQ(At(bundle, "entry.0.resource.status"), "on-hold");
  EXPECT_EQ(At(bundle, "entry.0.resource.meta.versionId"), "2");
  EXPECT_EQ(At(bundle, "entry.0.request.method"), "PUT");
  EXPECT_EQ(At(bundle, "entry.1.resource.id"), "the-id");
  EXPECT_EQ(At(bundle, "entry.1.request.method"), "POST");
}

TEST(Resources, SearchSetNamesItsPages) {
  const boost::json::object bundle =
      SearchSet("https://fettle.example/FHIR/R4", "Task?_count=1", "Task?_count=1&_page=x",
                {TaskOf(ReferralIn(rv1::REFERRAL_STATUS_ACTIVE))});
  EXPECT_EQ(At(bundle, "link.0.url"), "https://fettle.example/FHIR/R4/Task?_count=1");
  EXPECT_EQ(At(bundle, "link.1.relation"), "next");
  EXPECT_EQ(At(bundle, "entry.0.fullUrl"),
            "https://fettle.example/FHIR/R4/Task/0196d5a0-0001-7000-8000-000000000001");
  // FHIR has no empty arrays.
  EXPECT_THAT(boost::json::serialize(SearchSet("https://fettle.example", "Task", "", {})),
              Not(HasSubstr("entry")));
}

TEST(Resources, MessageDefinitionsAreFoundByContext) {
  EXPECT_EQ(MessageDefinitions("").size(), 3);
  ASSERT_EQ(MessageDefinitions("referral").size(), 2);
  EXPECT_THAT(At(MessageDefinitions("referral")[0], "url"), HasSubstr("request-referral"));
  EXPECT_TRUE(MessageDefinitions("booking").empty());
}

}  // namespace
}  // namespace fettle::gateway
