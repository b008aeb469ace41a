// What is made of a partner's message: headers, structure, workflow, mapping. Each test changes one
// thing of the published message, so that what it shows is that thing.
#include "services/gateway/fhir/message.h"

#include <boost/json/serialize.hpp>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "services/gateway/fhir/headers.h"
#include "services/gateway/fhir/mapping.h"
#include "services/gateway/fhir/outcome.h"

namespace fettle::gateway {
namespace {

using ::testing::ElementsAre;

const std::set<std::string>& Versions() {
  static const auto* const kVersions =
      new std::set<std::string>{"1.0.0-alpha", "1.1.0-alpha", "1.1.0"};
  return *kVersions;
}

std::string ReadExample(const std::string& name) {
  std::ifstream in(std::string(FETTLE_BARS_EXAMPLES) + "/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

json::value Published() { return *ParseJson(ReadExample("ValidationRequest.json")); }

// The resource of a type, to be changed.
json::object& Resource(json::value& bundle, std::string_view type, int skip = 0) {
  for (json::value& entry : bundle.at("entry").as_array()) {
    json::object& resource = entry.at("resource").as_object();
    if (resource.at("resourceType").as_string() == json::string_view(type.data(), type.size()) &&
        skip-- == 0) {
      return resource;
    }
  }
  throw std::runtime_error("no such resource");
}

void SetReason(json::value& bundle, const char* reason) {
  Resource(bundle, "MessageHeader")["reason"] = {{"coding", {{{"code", reason}}}}};
}

std::string ReasonOfReading(const json::value& bundle) {
  return base::ReasonOf(Message::Read(bundle, Versions()).status());
}

OutcomeKind KindOfExample(const std::string& name) {
  const absl::StatusOr<json::value> parsed = ParseJson(ReadExample(name));
  if (!parsed.ok()) return KindOf(parsed.status());
  return KindOf(Message::Read(*parsed, Versions()).status());
}

// INV-154, 159, 163: the published files beside the one that is taken.
TEST(MessageRead, PublishedFilesGetTheirAnswer) {
  EXPECT_TRUE(Message::Read(Published(), Versions()).ok());
  EXPECT_EQ(KindOfExample("Booking.json"), OutcomeKind::kUnprocessable);
  EXPECT_EQ(KindOfExample("ValidationRequest-http-response.json"), OutcomeKind::kInvariant);
  for (const char* name : {"ServiceRequest-PATCH-malformed.json", "CapabilityStatement.json",
                           "DocumentReference-unparsable.json", "MessageDefinition.json",
                           "OperationOutcome/409-REC_CONFLICT-duplicate.json"}) {
    EXPECT_EQ(KindOfExample(name), OutcomeKind::kInvalid) << name;
  }
}

json::value PublishedResponse() { return *ParseJson(ReadExample("ValidationResponse.json")); }

TEST(MessageRead, PublishedResponseIsUnderstood) {
  const auto message = Message::Read(PublishedResponse(), Versions());
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->action(), Action::kResponse);
  EXPECT_EQ(message->response().signal, referral::v1::SIGNAL_COMPLETED)
      << "the receiver's Encounter is finished, the sender's is triaged";
  EXPECT_EQ(message->response().in_response_to, "86e3371d-1c15-4862-9552-d9560f8292ba");
}

// INV-154: every cell of the decision table for responses, narrow and wide, and what lies outside.
TEST(MessageRead, ResponsesAreReadByTheWiderTable) {
  using referral::v1::Signal;
  struct Row {
    const char* category;
    const char* reason;
    const char* service_request;
    const char* encounter;  // the receiver's
    Signal signal;          // SIGNAL_UNSPECIFIED: no known workflow
  };
  const auto unknown = referral::v1::SIGNAL_UNSPECIFIED;
  const auto rejected = referral::v1::SIGNAL_REJECTED;
  const auto absent = referral::v1::SIGNAL_DID_NOT_ATTEND;
  const auto completed = referral::v1::SIGNAL_COMPLETED;
  const auto taken = referral::v1::SIGNAL_TAKEN;
  const auto started = referral::v1::SIGNAL_STARTED;
  const Row rows[] = {
      {"referral", "new", "revoked", "cancelled", rejected},
      {"referral", "update", "active", "cancelled", rejected},
      {"validation", "new", "completed", "cancelled", rejected},
      {"referral", "new", "revoked", "finished", absent},
      {"validation", "new", "revoked", "finished", rejected},
      {"referral", "new", "completed", "finished", completed},
      {"referral", "update", "completed", "in-progress", completed},
      {"validation", "update", "active", "finished", completed},
      {"referral", "new", "active", "planned", taken},
      {"referral", "update", "active", "in-progress", started},
      {"validation", "new", "active", "in-progress", started},
      {"referral", "update", "revoked", "finished", unknown},
      {"referral", "new", "active", "triaged", unknown},
      {"referral", "new", "on-hold", "in-progress", unknown},
      {"referral", "new", "draft", "finished", unknown},
      {"referral", "new", "entered-in-error", "finished", unknown},
      {"referral", "delete", "active", "finished", unknown},
      {"referral", "", "active", "finished", unknown},
  };
  for (const Row& row : rows) {
    json::value bundle = PublishedResponse();
    SetReason(bundle, row.reason);
    Resource(bundle, "ServiceRequest")["status"] = row.service_request;
    Resource(bundle, "ServiceRequest")["category"] = {{{"coding", {{{"code", row.category}}}}}};
    Resource(bundle, "Encounter", 1)["status"] = row.encounter;
    const auto message = Message::Read(bundle, Versions());
    const std::string cell = std::string(row.category) + " " + row.reason + " " +
                             row.service_request + " " + row.encounter;
    if (row.signal == unknown) {
      EXPECT_EQ(base::ReasonOf(message.status()), "WORKFLOW_UNKNOWN") << cell;
    } else {
      ASSERT_TRUE(message.ok()) << cell << message.status();
      EXPECT_EQ(message->response().signal, row.signal) << cell;
    }
  }
}

TEST(MessageRead, APeriodThatIsNoDateIsRefused) {
  json::value bundle = PublishedResponse();
  Resource(bundle, "Encounter", 1)["period"] = {{"end", "soon"}};
  EXPECT_EQ(ReasonOfReading(bundle), "ELEMENT_NOT_VALID");
}

// INV-159.
TEST(MessageRead, VersionMustBeThereAndKnown) {
  json::value bundle = Published();
  bundle.at("meta").as_object()["versionId"] = "9.0.0";
  EXPECT_EQ(ReasonOfReading(bundle), "VERSION_NOT_SUPPORTED");
  bundle.at("meta").as_object().erase("versionId");
  EXPECT_EQ(ReasonOfReading(bundle), "VERSION_MISSING");
  bundle.at("meta").as_object()["versionId"] = 1;
  EXPECT_EQ(ReasonOfReading(bundle), "ELEMENT_NOT_VALID");
}

// INV-155.
TEST(MessageRead, StructureIsHeld) {
  const std::map<std::string, std::function<void(json::value&)>> faults = {
      {"no id", [](json::value& b) { b.as_object().erase("id"); }},
      {"another type", [](json::value& b) { b.as_object()["type"] = "searchset"; }},
      {"no entries", [](json::value& b) { b.as_object()["entry"] = json::array(); }},
      {"entries are no array", [](json::value& b) { b.as_object()["entry"] = "x"; }},
      {"header not first",
       [](json::value& b) {
         json::array& entries = b.at("entry").as_array();
         std::swap(entries[0], entries[1]);
       }},
      {"no fullUrl", [](json::value& b) { b.at("entry").at(3).as_object().erase("fullUrl"); }},
      {"fullUrl of another kind",
       [](json::value& b) { b.at("entry").at(3).as_object()["fullUrl"] = "https://x/1"; }},
      {"no resource", [](json::value& b) { b.at("entry").at(3).as_object().erase("resource"); }},
      {"no lastUpdated",
       [](json::value& b) { Resource(b, "Patient").at("meta").as_object().erase("lastUpdated"); }},
      {"a reference to nothing",
       [](json::value& b) {
         Resource(b, "Observation")["subject"] = {{"reference", "urn:uuid:0"}};
       }},
      {"no patient", [](json::value& b) { Resource(b, "Patient")["resourceType"] = "Person"; }},
      {"no event", [](json::value& b) { Resource(b, "MessageHeader").erase("eventCoding"); }},
  };
  for (const auto& [name, fault] : faults) {
    json::value bundle = Published();
    fault(bundle);
    EXPECT_THAT(ReasonOfReading(bundle), ::testing::AnyOf("ELEMENT_MISSING", "ELEMENT_NOT_VALID"))
        << name;
  }
  // A reference of another form may point outside.
  json::value bundle = Published();
  Resource(bundle, "Observation")["subject"] = {{"reference", "Patient/1"}};
  EXPECT_EQ(ReasonOfReading(bundle), "");
}

// INV-154, 157: the decision table, every pair of it.
TEST(MessageRead, WorkflowIsOneOfTheTable) {
  const std::map<std::pair<std::string, std::string>, Action> table = {
      {{"new", "active"}, Action::kNew},
      {{"update", "active"}, Action::kUpdate},
      {{"update", "on-hold"}, Action::kUpdate},
      {{"update", "revoked"}, Action::kCancel},
      {{"update", "entered-in-error"}, Action::kCancel},
      {{"delete", "revoked"}, Action::kCancel},
      {{"delete", "entered-in-error"}, Action::kCancel},
  };
  for (const char* reason : {"new", "update", "delete", "other", ""}) {
    for (const char* status : {"draft", "active", "on-hold", "revoked", "completed",
                               "entered-in-error", "unknown", "inactive", ""}) {
      json::value bundle = Published();
      SetReason(bundle, reason);
      Resource(bundle, "ServiceRequest")["status"] = status;
      const auto message = Message::Read(bundle, Versions());
      const auto row = table.find({reason, status});
      if (row == table.end()) {
        EXPECT_EQ(base::ReasonOf(message.status()), "WORKFLOW_UNKNOWN") << reason << " " << status;
      } else {
        ASSERT_TRUE(message.ok()) << reason << " " << status;
        EXPECT_EQ(message->action(), row->second);
        EXPECT_EQ(message->status(), status);
        EXPECT_EQ(message->category(), "validation");
      }
    }
  }
}

TEST(MessageRead, NewIsNotOfWhatIsOver) {
  json::value bundle = Published();
  Resource(bundle, "Encounter")["status"] = "cancelled";
  EXPECT_EQ(ReasonOfReading(bundle), "WORKFLOW_UNKNOWN");
  bundle = Published();
  Resource(bundle, "CarePlan")["status"] = "revoked";
  EXPECT_EQ(ReasonOfReading(bundle), "WORKFLOW_UNKNOWN");
  Resource(bundle, "CarePlan")["status"] = "completed";
  EXPECT_EQ(ReasonOfReading(bundle), "");
  Resource(bundle, "ServiceRequest")["category"] = json::array();
  EXPECT_EQ(ReasonOfReading(bundle), "WORKFLOW_UNKNOWN");
  Resource(bundle, "MessageHeader")["eventCoding"] = {{"code", "other"}};
  EXPECT_EQ(ReasonOfReading(bundle), "WORKFLOW_UNKNOWN");
}

BarsHeaders SomeHeaders() {
  return {.request_id = "11111111-1111-4111-8111-111111111111",
          .correlation_id = "22222222-2222-4222-8222-222222222222",
          .target_service = "111111111",
          .organisation = "A12345"};
}

absl::StatusOr<Mapped> Map(const json::value& bundle) {
  const auto message = Message::Read(bundle, Versions());
  if (!message.ok()) return message.status();
  return MapMessage(*message, SomeHeaders(), "the body", "its digest");
}

std::vector<std::string> AddressOf(const Mapped& mapped) {
  std::vector<std::string> lines;
  for (const auto& line : mapped.demographics.address_lines()) lines.push_back(line.text());
  return lines;
}

// How others refer to an entry of a test's own, by its number from 1 to 99.
std::string UrlOf(int number) {
  return absl::StrCat("urn:uuid:00000000-0000-4000-8000-0000000000", number / 10, number % 10);
}

void AddEntry(json::value& bundle, int number, json::object resource) {
  resource["meta"] = {{"lastUpdated", "2021-11-26T15:00:00+00:00"}};
  bundle.at("entry").as_array().push_back(
      {{"fullUrl", UrlOf(number)}, {"resource", std::move(resource)}});
}

TEST(MapMessage, PublishedMessage) {
  const auto mapped = Map(Published());
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  const person::v1::Demographics& person = mapped->demographics;
  EXPECT_EQ(person.nhs_number().text(), "3478526985");
  EXPECT_EQ(person.first_name().text(), "Julie");
  EXPECT_EQ(person.family_name().text(), "Jones");
  EXPECT_EQ(person.birth_date().text(), "1959-05-04");
  EXPECT_EQ(person.gender().text(), "2");
  EXPECT_THAT(AddressOf(*mapped),
              ElementsAre("22 Brightside Crescent", "Overtown", "West Yorkshire"));
  EXPECT_EQ(person.postcode().text(), "LS10 4YU");
  // INV-161: her own number of rank 1, not the emergency contact's.
  EXPECT_EQ(person.telephone().text(), "07736312544");
  EXPECT_EQ(person.email().text(), "jjones@hotmail.co.uk");
  EXPECT_EQ(mapped->nhs_number_status, person::v1::NHS_NUMBER_STATUS_PRESENT_AND_VERIFIED);
  EXPECT_EQ(mapped->gp_practice, "G82080");
  EXPECT_EQ(mapped->ethnic_category, "A");

  const referral::v1::ReferralDetails& details = mapped->details;
  EXPECT_EQ(details.referrer().name().text(), "Marcy BLAKE");
  EXPECT_EQ(details.referrer().contact().text(), "0205568263");
  EXPECT_EQ(details.referrer().organisation(), "RND");
  EXPECT_EQ(details.referrer().service(), "Emergency service");
  EXPECT_EQ(details.referrer().role(), "Administrative healthcare staff");
  EXPECT_EQ(details.referral_date(), "2021-11-26");
  EXPECT_EQ(details.consent(), referral::v1::CONSENT_DIRECT_CARE_INFORMED);
  EXPECT_EQ(details.risks_size(), 0) << "the scene is safe";

  const referral::v1::PartnerMessage& partner = mapped->partner_message;
  EXPECT_EQ(partner.request_id(), SomeHeaders().request_id);
  EXPECT_EQ(partner.case_number(), "sender1234");
  EXPECT_EQ(partner.bundle_id(), "86e3371d-1c15-4862-9552-d9560f8292ba");
  EXPECT_EQ(partner.category(), "validation");
  EXPECT_EQ(partner.last_updated(), "2021-11-26T15:00:00+00:00");
  EXPECT_EQ(partner.bundle_last_updated(), "2022-06-01T15:00:00+00:00");
  EXPECT_EQ(partner.body().text(), "the body");
  EXPECT_EQ(partner.body_sha256(), "its digest");
}

// Incomplete is not lost: what is not there stays away, and nothing is made up.
TEST(MapMessage, MissingElementsStayMissing) {
  json::value bundle = Published();
  json::object& patient = Resource(bundle, "Patient");
  for (const char* name : {"name", "birthDate", "identifier", "gender", "address", "contact",
                           "extension", "generalPractitioner"}) {
    patient.erase(name);
  }
  Resource(bundle, "ServiceRequest").erase("requester");
  Resource(bundle, "MessageHeader").erase("sender");
  Resource(bundle, "Consent")["status"] = "inactive";
  const auto mapped = Map(bundle);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  EXPECT_EQ(mapped->demographics.ByteSizeLong(), 0u);
  EXPECT_EQ(mapped->gp_practice, "");
  EXPECT_FALSE(mapped->details.referrer().has_name());
  EXPECT_EQ(mapped->details.referrer().contact().text(), "+44 (0113) 123 4567");
  EXPECT_EQ(mapped->details.referrer().organisation(), "A12345");
  EXPECT_EQ(mapped->details.consent(), referral::v1::CONSENT_UNSPECIFIED);
}

// INV-161. Partners keep the person's own numbers in a contact that names nobody, or that is
// themselves beside something else.
TEST(MapMessage, OwnNumbersStandInAContactThatNamesNobodyElse) {
  json::value bundle = Published();
  json::object& patient = Resource(bundle, "Patient");
  const auto phone_of = [&](json::object contact) {
    contact["telecom"] = {{{"system", "phone"}, {"value", "01130000001"}}};
    patient["contact"] = {std::move(contact)};
    return Map(bundle)->demographics.telephone().text();
  };
  const json::value ep = {{"coding", {{{"code", "EP"}}}}};
  const json::value self = {{"coding", {{{"code", "EP"}}, {{"code", "ONESELF"}}}}};
  EXPECT_EQ(phone_of({}), "01130000001");
  EXPECT_EQ(phone_of({{"relationship", {self}}}), "01130000001");
  EXPECT_EQ(phone_of({{"relationship", {ep, self}}}), "01130000001");
  EXPECT_EQ(phone_of({{"relationship", {ep}}}), "");
  EXPECT_EQ(phone_of({{"name", {{"family", "Grayson"}}}}), "");
  EXPECT_EQ(phone_of({{"organization", {{"display", "A firm"}}}}), "");
}

TEST(MapMessage, AddressesFillTheLinesThatThereAre) {
  json::value bundle = Published();
  json::object& patient = Resource(bundle, "Patient");
  const auto lines_of = [&](json::object address) {
    patient["address"] = {std::move(address)};
    return AddressOf(*Map(bundle));
  };
  EXPECT_THAT(lines_of({{"line", {"1 High Street", "OVERTOWN"}}, {"city", "Overtown"}}),
              ElementsAre("1 High Street", "OVERTOWN"));
  EXPECT_THAT(lines_of({{"text", "1 High Street, Overtown"}}),
              ElementsAre("1 High Street, Overtown"));
  EXPECT_THAT(lines_of({{"line", {"Flat 12, The Old Corn Exchange Building", "High Street"}},
                        {"city", "Overtown"}}),
              ElementsAre("Flat 12, The Old Corn Exchange", "Building, High Street, Overtown"));
  EXPECT_THAT(lines_of({{"line", {"a", "b", "c", "d", "e"}}, {"city", "f"}}),
              ElementsAre("a, b, c, d, e, f"));
}

// INV-161.
TEST(MapMessage, ARankGoesBeforeNone) {
  json::value bundle = Published();
  json::object& patient = Resource(bundle, "Patient");
  patient["telecom"] = {{{"system", "phone"}, {"value", "01"}},
                        {{"system", "phone"}, {"value", "02"}, {"rank", 2}},
                        {{"system", "phone"}, {"value", ""}, {"rank", 1}}};
  json::object nameless;
  nameless["telecom"] = json::array{json::object{{"system", "phone"}, {"value", "03"}}};
  patient["contact"] = json::array{nameless};
  EXPECT_EQ(Map(bundle)->demographics.telephone().text(), "02");
  patient["telecom"].as_array().erase(patient["telecom"].as_array().begin() + 1);
  EXPECT_EQ(Map(bundle)->demographics.telephone().text(), "01") << "the first of equals";
}

TEST(MapMessage, ANumberThatIsTooLongLeavesTheNext) {
  json::value bundle = Published();
  Resource(bundle, "Patient")["telecom"] = {
      {{"system", "phone"}, {"value", std::string(36, '1')}, {"rank", 1}},
      {{"system", "phone"}, {"value", std::string(35, '2')}, {"rank", 2}}};
  Resource(bundle, "Patient").erase("contact");
  EXPECT_EQ(Map(bundle)->demographics.telephone().text(), std::string(35, '2'));
}

// A general practitioner in the place of the practice stands for the one they work for.
TEST(MapMessage, PracticeOfAPractitioner) {
  json::value bundle = Published();
  AddEntry(bundle, 1, {{"resourceType", "Practitioner"}});
  AddEntry(bundle, 2,
           {{"resourceType", "PractitionerRole"},
            {"practitioner", {{"reference", UrlOf(1)}}},
            {"organization", {{"reference", UrlOf(3)}}}});
  AddEntry(bundle, 3,
           {{"resourceType", "Organization"},
            {"identifier",
             {{{"system", "https://fhir.nhs.uk/Id/ods-organization-code"}, {"value", "a81001"}}}}});
  for (const int named : {1, 2, 3}) {
    Resource(bundle, "Patient")["generalPractitioner"] = {{{"reference", UrlOf(named)}}};
    EXPECT_EQ(Map(bundle)->gp_practice, "A81001") << named;
  }
}

// The request's own words first; senders of BaRS say it in a Condition.
TEST(MapMessage, ReasonOfACondition) {
  json::value bundle = Published();
  EXPECT_FALSE(Map(bundle)->details.has_reason());
  const auto reason = [&] { return Map(bundle)->details.reason().text().text(); };
  AddEntry(bundle, 1,
           {{"resourceType", "Condition"},
            {"category", {{{"coding", {{{"code", "33962009"}}}}}}},
            {"code", {{"coding", {{{"display", "Palpitations"}}, {{"display", "Worry"}}}}}}});
  EXPECT_EQ(reason(), "Palpitations; Worry");
  AddEntry(bundle, 2, {{"resourceType", "Condition"}, {"code", {{"text", "Lives alone"}}}});
  const json::value lives_alone = {{{"reference", UrlOf(2)}}};
  Resource(bundle, "CarePlan")["addresses"] = lives_alone;
  EXPECT_EQ(reason(), "Lives alone");
  Resource(bundle, "CarePlan").erase("addresses");
  Resource(bundle, "ServiceRequest")["reasonReference"] = lives_alone;
  EXPECT_EQ(reason(), "Lives alone");
  SetReason(bundle, "update");
  EXPECT_EQ(reason(), "") << "an update leaves the reason that is known";
  Resource(bundle, "ServiceRequest")["reasonCode"] = {{{"text", "Asked for company"}}};
  EXPECT_EQ(reason(), "Asked for company");
}

TEST(MapMessage, FlagsAreRisksOrAdjustmentsOrNothing) {
  json::value bundle = Published();
  json::object& flag = Resource(bundle, "Flag");
  const auto set = [&](const char* category, const char* code, const std::string& display) {
    flag["category"] = {{{"coding", {{{"code", category}}}}}};
    flag["code"] = {{"coding", {{{"code", code}, {"display", display}}}}};
  };
  set("RA", "anything", std::string(151, 'x'));
  auto mapped = Map(bundle);
  ASSERT_EQ(mapped->demographics.profile().needs_size(), 1);
  EXPECT_EQ(mapped->demographics.profile().needs(0).kind(),
            person::v1::NEED_KIND_REASONABLE_ADJUSTMENT);
  EXPECT_EQ(mapped->demographics.profile().needs(0).text().text(), std::string(150, 'x'));
  EXPECT_EQ(mapped->details.risks_size(), 0);
  for (const auto& [category, code] : {std::pair("SG", "861931000000100"), {"SS", "UNK"}}) {
    set(category, code, "Nothing");
    mapped = Map(bundle);
    EXPECT_EQ(mapped->details.risks_size(), 0) << category;
    EXPECT_FALSE(mapped->demographics.has_profile());
    flag["code"].as_object()["text"] = "A dog that bites";
    EXPECT_EQ(Map(bundle)->details.risks_size(), 1) << "words say more than the code";
    set(category == std::string("SG") ? "SS" : "SG", code, "Something");
    EXPECT_EQ(Map(bundle)->details.risks_size(), 1) << "a code of another list";
  }
  set("SG", "1", std::string(501, 'x'));
  for (int i = 1; i <= 20; ++i) AddEntry(bundle, i, flag);
  mapped = Map(bundle);
  ASSERT_EQ(mapped->details.risks_size(), 20) << "as many as a referral has";
  EXPECT_EQ(mapped->details.risks(0).description().text(), std::string(500, 'x'));
}

TEST(MapMessage, BirthDateWholePartialOrWrong) {
  json::value bundle = Published();
  for (const char* partial : {"1959", "1959-05"}) {
    Resource(bundle, "Patient")["birthDate"] = partial;
    EXPECT_FALSE(Map(bundle)->demographics.has_birth_date()) << partial;
  }
  for (const char* wrong : {"1959-02-30", "04/05/1959", "195", "1959-13"}) {
    Resource(bundle, "Patient")["birthDate"] = wrong;
    EXPECT_EQ(base::ReasonOf(Map(bundle).status()), "ELEMENT_NOT_VALID") << wrong;
  }
}

// INV-163: an element of another type than FHIR gives it is a refusal that names it.
TEST(MapMessage, WrongTypesAreRefused) {
  const std::pair<const char*, json::value> wrong[] = {
      {"birthDate", 19590504},
      {"name", "Julie Jones"},
      {"name", json::array{json::array{}}},
      {"gender", true},
      {"identifier", json::object{}},
      {"address", json::array{json::object{{"line", "22 Brightside Crescent"}}}},
      {"contact", json::array{5}},
      {"generalPractitioner", json::object{{"reference", "urn:uuid:x"}}},
  };
  for (const auto& [name, value] : wrong) {
    json::value bundle = Published();
    Resource(bundle, "Patient")[name] = value;
    EXPECT_EQ(base::ReasonOf(Map(bundle).status()), "ELEMENT_NOT_VALID") << name;
  }
}

TEST(MapMessage, RisksAndConsentAndPriority) {
  json::value bundle = Published();
  json::object& flag = Resource(bundle, "Flag");
  flag["code"] = {{"coding", {{{"code", "U"}, {"display", "A dog that bites"}}}}};
  Resource(bundle, "Consent")["policyRule"] = {{"coding", {{{"code", "OPTIN"}}}}};
  json::object& request = Resource(bundle, "ServiceRequest");
  request["priority"] = "urgent";
  request["authoredOn"] = "2024-06-30T23:30:00.1234567Z";
  request["reasonCode"] = {{{"text", std::string(200, 'r')}}};
  const auto mapped = Map(bundle);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  ASSERT_EQ(mapped->details.risks_size(), 1);
  EXPECT_EQ(mapped->details.risks(0).kind(), referral::v1::RISK_KIND_ENVIRONMENT);
  EXPECT_EQ(mapped->details.risks(0).description().text(), "A dog that bites");
  EXPECT_EQ(mapped->details.consent(), referral::v1::CONSENT_EXPLICIT);
  EXPECT_EQ(mapped->details.priority(), referral::v1::PRIORITY_URGENT);
  EXPECT_EQ(mapped->details.referral_date(), "2024-07-01") << "the London date (INV-160)";
  EXPECT_EQ(mapped->details.reason().text().text().size(), 150u);
}

TEST(Accepted, GivesTheMessageBackWithIds) {
  const auto message = Message::Read(Published(), Versions());
  const json::value answer = *ParseJson(Accepted(*message, SomeHeaders(), "the-referral"));
  EXPECT_EQ(answer.at("id"), Published().at("id"));
  for (const json::value& entry : answer.at("entry").as_array()) {
    const json::value& resource = entry.at("resource");
    ASSERT_TRUE(resource.as_object().contains("id"));
    if (resource.at("resourceType").as_string() == "ServiceRequest") {
      EXPECT_EQ(resource.at("id").as_string(), "the-referral");
    }
  }
}

TEST(StepId, DependsOnBothIdsAndTheStep) {
  BarsHeaders one = SomeHeaders(), other = SomeHeaders();
  EXPECT_EQ(StepId(one, "a"), StepId(other, "a"));
  EXPECT_NE(StepId(one, "a"), StepId(one, "b"));
  other.correlation_id[0] = '3';
  EXPECT_NE(StepId(one, "a"), StepId(other, "a"));
}

using HeaderMap = std::map<std::string, std::string>;

HeaderMap GoodHeaders() {
  return {
      {"X-Request-Id", "AAAAAAAA-1111-4111-8111-111111111111"},
      {"X-Correlation-Id", "22222222-2222-4222-8222-222222222222"},
      {"NHSD-Target-Identifier",
       absl::Base64Escape(R"({"value":"111","system":"http://fhir.nhs.uk/id/dos-service-id"})")},
      {"NHSD-End-User-Organisation",
       absl::Base64Escape(
           R"({"resourceType":"Organization","identifier":[{"system":"https://fhir.nhs.uk/id/ods-organization-code","value":"a12345"}],"name":"x"})")},
      {"NHSD-Requesting-Software", absl::Base64Escape(R"({"resourceType":"Device"})")},
      {"Accept", "application/fhir+json; version=1.4.0"},
  };
}

absl::StatusOr<BarsHeaders> ReadAll(const HeaderMap& headers) {
  return ReadHeaders([&](std::string_view name) -> std::optional<std::string> {
    const auto found = headers.find(std::string(name));
    if (found == headers.end()) return std::nullopt;
    return found->second;
  });
}

// INV-148, 153.
TEST(ReadHeaders, WhatIsMissingOrMalformedIsNamed) {
  const auto read = ReadAll(GoodHeaders());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->request_id, "aaaaaaaa-1111-4111-8111-111111111111");
  EXPECT_EQ(read->target_service, "111");
  EXPECT_EQ(read->organisation, "A12345");
  for (const char* name : {"X-Request-Id", "X-Correlation-Id", "NHSD-Target-Identifier",
                           "NHSD-End-User-Organisation", "NHSD-Requesting-Software"}) {
    HeaderMap headers = GoodHeaders();
    headers.erase(name);
    EXPECT_EQ(KindOf(ReadAll(headers).status()), OutcomeKind::kRequired) << name;
    for (const std::string& wrong :
         {std::string("x"), std::string("%%%"), absl::Base64Escape("{}"), absl::Base64Escape("[1]"),
          absl::Base64Escape("5"), absl::Base64Escape("{\"value\":1,\"system\":2}"),
          std::string(12'000, 'A')}) {
      headers[name] = wrong;
      EXPECT_EQ(KindOf(ReadAll(headers).status()), OutcomeKind::kInvalid) << name << " " << wrong;
    }
  }
}

// INV-153: exactly one system and value.
TEST(ReadHeaders, TargetIsOneServiceId) {
  for (const char* wrong :
       {R"({"value":"1","system":"https://fhir.nhs.uk/Id/ods-organization-code"})",
        R"({"value":"","system":"https://fhir.nhs.uk/Id/dos-service-id"})",
        R"({"value":"1","system":"https://fhir.nhs.uk/Id/dos-service-id","use":"x"})",
        R"({"value":"1","value":"2","system":"https://fhir.nhs.uk/Id/dos-service-id"})",
        R"([{"value":"1","system":"https://fhir.nhs.uk/Id/dos-service-id"}])"}) {
    HeaderMap headers = GoodHeaders();
    headers["NHSD-Target-Identifier"] = absl::Base64Escape(wrong);
    EXPECT_EQ(KindOf(ReadAll(headers).status()), OutcomeKind::kInvalid) << wrong;
  }
}

TEST(ReadHeaders, AcceptMustLeaveRoomForJson) {
  HeaderMap headers = GoodHeaders();
  headers["Accept"] = "application/fhir+xml";
  EXPECT_EQ(KindOf(ReadAll(headers).status()), OutcomeKind::kNotAcceptable);
  headers.erase("Accept");
  EXPECT_TRUE(ReadAll(headers).ok());
}

}  // namespace
}  // namespace fettle::gateway
