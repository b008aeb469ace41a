#include "services/gateway/fhir/outgoing.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <iterator>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/date.h"
#include "libs/base/text.h"
#include "libs/crypto/digest.h"
#include "services/gateway/fhir/codes.h"
#include "services/gateway/fhir/elements.h"
#include "services/gateway/fhir/headers.h"
#include "services/gateway/fhir/resources.h"
#include "services/gateway/fhir/systems.h"

namespace fettle::gateway {
namespace {

namespace pv1 = person::v1;
namespace rv1 = referral::v1;

constexpr char kBarsProfiles[] = "https://fhir.nhs.uk/StructureDefinition/";
constexpr char kSoftwareName[] = "Fettle";

// The narrow form of each signal. Who answers says nothing of an Encounter of its own where the
// table has none.
struct SignalRow {
  rv1::Signal signal;
  const char* event;
  const char* reason;
  const char* service_request;
  const char* encounter;  // of whoever speaks; empty: none
  rv1::ReferralStatus status;
};

constexpr SignalRow kSignals[] = {
    {rv1::SIGNAL_REQUEST, "servicerequest-request", "new", "active", "triaged",
     rv1::REFERRAL_STATUS_SUBMITTED},
    {rv1::SIGNAL_CANCEL, "servicerequest-request", "update", "revoked", "triaged",
     rv1::REFERRAL_STATUS_WITHDRAWN},
    {rv1::SIGNAL_CANCEL_AS_ERROR, "servicerequest-request", "update", "entered-in-error", "triaged",
     rv1::REFERRAL_STATUS_ENTERED_IN_ERROR},
    {rv1::SIGNAL_TAKEN, "servicerequest-response", "new", "active", "in-progress",
     rv1::REFERRAL_STATUS_ACCEPTED},
    {rv1::SIGNAL_STARTED, "servicerequest-response", "new", "active", "in-progress",
     rv1::REFERRAL_STATUS_ACTIVE},
    {rv1::SIGNAL_REJECTED, "servicerequest-response", "new", "revoked", "cancelled",
     rv1::REFERRAL_STATUS_REJECTED},
    {rv1::SIGNAL_DID_NOT_ATTEND, "servicerequest-response", "new", "revoked", "",
     rv1::REFERRAL_STATUS_NO_CONTACT},
    {rv1::SIGNAL_COMPLETED, "servicerequest-response", "new", "completed", "finished",
     rv1::REFERRAL_STATUS_COMPLETED},
};

const SignalRow& RowOf(rv1::Signal signal) {
  const auto* row = std::ranges::find(kSignals, signal, &SignalRow::signal);
  FETTLE_CHECK(row != std::end(kSignals), "every signal has its row");
  return *row;
}

// The parts of a Bundle as they come to be; each has a name, from which its id follows.
class Builder {
 public:
  Builder(const rv1::Delivery& delivery, const rv1::Referral& referral,
          const pv1::GetPersonResponse& person, const SenderIdentity& sender)
      : message_(delivery.message()),
        row_(RowOf(message_.signal())),
        referral_(referral),
        person_(person),
        sender_(sender),
        when_(Instant(delivery.request_time())) {}

  std::string Build() {
    AddHeader();
    AddServiceRequest();
    if (is_request()) {
      Add("plan", {{"resourceType", "CarePlan"},
                   {"status", "completed"},
                   {"intent", "plan"},
                   {"subject", To("patient")},
                   {"encounter", To("encounter")}});
    }
    AddEncounters();
    AddPatient();
    AddTask();
    AddOrganisation("sender", message_.sender_organisation());
    AddOrganisation("receiver", message_.partner_organisation());
    AddReferrer();
    AddService();
    if (message_.signal() == rv1::SIGNAL_REQUEST) {
      AddRisks();
      AddConsent();
      if (!person_.gp_practice().empty()) AddOrganisation("practice", person_.gp_practice());
    }
    return json::serialize(json::object{
        {"resourceType", "Bundle"},
        {"id", message_.bundle_id()},
        {"meta", json::object{{"versionId", sender_.version},
                              {"lastUpdated", when_},
                              {"profile", json::array{Profile("BARSBundleMessage")}}}},
        {"type", "message"},
        {"timestamp", when_},
        {"entry", std::move(entries_)},
    });
  }

 private:
  bool is_request() const { return message_.signal() < rv1::SIGNAL_TAKEN; }

  static std::string Profile(std::string_view name) { return base::Concat(kBarsProfiles, name); }

  std::string IdOf(std::string_view name) const {
    return crypto::UuidV5(message_.delivery_id(), std::string(name));
  }
  json::object To(std::string_view name) const {
    return {{"reference", absl::StrCat("urn:uuid:", IdOf(name))}};
  }

  void Add(std::string_view name, json::object resource) {
    resource["id"] = IdOf(name);
    if (!resource.contains("meta")) resource["meta"] = json::object();
    resource["meta"].as_object()["lastUpdated"] = when_;
    entries_.push_back(json::object{{"fullUrl", absl::StrCat("urn:uuid:", IdOf(name))},
                                    {"resource", std::move(resource)}});
  }

  void AddHeader() {
    json::object header{
        {"resourceType", "MessageHeader"},
        {"meta", json::object{{"profile", json::array{Profile(
                                              absl::StrCat("BARSMessageHeader-", row_.event))}}}},
        {"eventCoding", Coding(kEventSystem, row_.event)},
        {"destination", json::array{json::object{{"endpoint", message_.target_endpoint()},
                                                 {"receiver", To("receiver")}}}},
        {"sender", To("sender")},
        {"source",
         json::object{{"name", SourceName()},
                      {"software", kSoftwareName},
                      {"endpoint", absl::StrCat(kServiceIdSystem, "|", sender_.service_id)}}},
        {"reason", Concept(Coding(kMessageReasonSystem, row_.reason))},
        {"focus", json::array{To("request")}},
        {"definition", absl::StrCat("https://fhir.nhs.uk/MessageDefinition/bars-message-",
                                    row_.event, "-referral")},
    };
    if (message_.target_endpoint().empty()) {
      header["destination"].at(0).as_object()["endpoint"] =
          absl::StrCat(kOdsSystem, "|", message_.partner_organisation());
    }
    if (!is_request()) {
      header["response"] = json::object{{"identifier", message_.in_response_to()}, {"code", "ok"}};
    }
    Add("header", std::move(header));
  }

  std::string SourceName() const {
    const std::string& name =
        is_request() ? referral_.details().referrer().service() : referral_.service().name();
    return name.empty() ? kSoftwareName : name;
  }

  void AddServiceRequest() {
    // As the resource is when it is read, with what the message says, and its references within.
    json::object request = ServiceRequestOf(referral_);
    request.erase("basedOn");
    request.erase("replaces");
    request["meta"] =
        json::object{{"profile", json::array{Profile("BARSServiceRequest-request-referral")}}};
    request["status"] = row_.service_request;
    request["intent"] = "plan";
    request["subject"] = To("patient");
    request["requester"] = To("practitioner");
    request["performer"] = json::array{To("service")};
    request["encounter"] = To(is_request() ? "encounter" : "their-encounter");
    if (is_request()) {
      request["basedOn"] = json::array{To("plan")};
    } else if (message_.partner_case_number().empty()) {
      request.erase("encounter");
    }
    Add("request", std::move(request));
  }

  json::object EncounterOf(std::string_view status, std::string_view system,
                           std::string_view case_number) const {
    return {{"resourceType", "Encounter"},
            {"status", Text(status)},
            {"identifier",
             json::array{json::object{{"system", Text(system)}, {"value", Text(case_number)}}}},
            {"class", Coding(kActCodeSystem, "VR", "virtual")},
            {"subject", To("patient")}};
  }

  // Our case number in a request is the Bundle.id of the first message, which a response names.
  void AddEncounters() {
    if (!is_request() && !message_.partner_case_number().empty()) {
      Add("their-encounter",
          EncounterOf("triaged", kCaseNumberSystem, message_.partner_case_number()));
    }
    if (*row_.encounter == '\0') return;
    json::object encounter =
        EncounterOf(row_.encounter, kCaseNumberSystem,
                    is_request() ? message_.bundle_id() : referral_.referral_id());
    json::object period;
    if (is_request()) period["start"] = Instant(referral_.submit_time());
    if (!is_request() && !referral_.first_contact_date().empty()) {
      period["start"] = referral_.first_contact_date();
    }
    if (message_.signal() == rv1::SIGNAL_STARTED) period["start"] = message_.date();
    if (message_.signal() == rv1::SIGNAL_TAKEN) period.clear();
    if (message_.signal() == rv1::SIGNAL_COMPLETED) period["end"] = message_.date();
    if (!period.empty()) encounter["period"] = std::move(period);
    if (!message_.reason_code().empty()) {
      encounter["reasonCode"] =
          json::array{Concept(Coding(kRejectedReasonSystem, message_.reason_code()))};
    }
    Add("encounter", std::move(encounter));
  }

  // Who takes a case and who begins with it send the same narrow form: our own word tells which.
  void AddTask() {
    const bool was_accepted = referral_.has_accept_time();
    const FhirStatus status = FhirStatusOf(row_.status, was_accepted);
    Add("task", {{"resourceType", "Task"},
                 {"status", status.task},
                 {"businessStatus", Concept(Coding(kReferralStatusSystem, status.business))},
                 {"intent", "order"},
                 {"focus", To("request")},
                 {"for", To("patient")},
                 {"authoredOn", Instant(referral_.submit_time())},
                 {"lastModified", when_},
                 {"requester", To("sender")}});
  }

  void AddPatient() {
    const pv1::Demographics& known = person_.demographics();
    json::object patient{{"resourceType", "Patient"}};
    if (known.has_nhs_number()) {
      json::object identifier{{"system", kNhsNumberSystem}, {"value", known.nhs_number().text()}};
      const std::string_view status =
          CodeOf(kNumberStatuses, static_cast<int>(person_.nhs_number_status()));
      if (!status.empty()) {
        identifier["extension"] = json::array{
            json::object{{"url", kNumberStatusExtension},
                         {"valueCodeableConcept", Concept(Coding(kNumberStatusSystem, status))}}};
      }
      patient["identifier"] = json::array{std::move(identifier)};
    }
    json::object name{{"use", "official"}};
    if (known.has_family_name()) name["family"] = known.family_name().text();
    if (known.has_first_name()) name["given"] = json::array{known.first_name().text()};
    if (name.size() > 1) patient["name"] = json::array{std::move(name)};
    if (known.has_birth_date()) patient["birthDate"] = known.birth_date().text();
    // A response tells of whom it speaks; the rest the sender of the request knows.
    if (message_.signal() == rv1::SIGNAL_REQUEST) FillDetails(known, patient);
    Add("patient", std::move(patient));
  }

  void FillDetails(const pv1::Demographics& known, json::object& patient) const {
    const std::string_view gender = CodeOf(kGenders, std::string_view(known.gender().text()));
    if (!gender.empty()) patient["gender"] = Text(gender);
    json::object address{{"use", "home"}};
    json::array lines;
    for (const common::v1::SealedText& line : known.address_lines())
      lines.emplace_back(line.text());
    if (!lines.empty()) address["line"] = std::move(lines);
    if (known.has_postcode()) address["postalCode"] = known.postcode().text();
    if (address.size() > 1) patient["address"] = json::array{std::move(address)};
    // INV-161: exactly one contact has rank 1, and it is a telephone.
    json::array telecom;
    if (known.has_telephone()) {
      telecom.push_back(
          json::object{{"system", "phone"}, {"value", known.telephone().text()}, {"rank", 1}});
    }
    if (known.has_email()) {
      telecom.push_back(
          json::object{{"system", "email"}, {"value", known.email().text()}, {"rank", 2}});
    }
    if (!telecom.empty()) patient["telecom"] = std::move(telecom);
    if (!person_.gp_practice().empty())
      patient["generalPractitioner"] = json::array{To("practice")};
    if (!person_.ethnic_category().empty()) {
      patient["extension"] = json::array{
          json::object{{"url", kEthnicCategoryExtension},
                       {"valueCodeableConcept",
                        Concept(Coding(kEthnicCategorySystem, person_.ethnic_category()))}}};
    }
  }

  void AddOrganisation(std::string_view name, std::string_view ods_code) {
    Add(name, {{"resourceType", "Organization"},
               {"identifier",
                json::array{json::object{{"system", kOdsSystem}, {"value", Text(ods_code)}}}}});
  }

  // Of the request; a response names the role alone.
  void AddReferrer() {
    const rv1::Referrer& referrer = referral_.details().referrer();
    json::object practitioner{{"resourceType", "Practitioner"}};
    if (is_request() && referrer.has_name()) {
      practitioner["name"] = json::array{json::object{{"text", referrer.name().text()}}};
    }
    if (is_request() && referrer.has_contact()) {
      practitioner["telecom"] = json::array{
          json::object{{"system", "phone"}, {"value", referrer.contact().text()}, {"rank", 1}}};
    }
    Add("practitioner", std::move(practitioner));
    json::object role{{"resourceType", "PractitionerRole"},
                      {"practitioner", To("practitioner")},
                      {"organization", To(is_request() ? "sender" : "receiver")}};
    if (!referrer.role().empty())
      role["code"] = json::array{json::object{{"text", referrer.role()}}};
    Add("role", std::move(role));
  }

  void AddService() {
    json::object service{{"resourceType", "HealthcareService"},
                         {"active", true},
                         {"providedBy", To(is_request() ? "receiver" : "sender")}};
    if (!referral_.service().name().empty()) service["name"] = referral_.service().name();
    if (is_request()) {
      const std::string& endpoint = message_.target_endpoint();
      service["identifier"] = json::array{json::object{
          {"system", kServiceIdSystem}, {"value", endpoint.substr(endpoint.find('|') + 1)}}};
    }
    Add("service", std::move(service));
  }

  void AddRisks() {
    int number = 0;
    for (const rv1::Risk& risk : referral_.details().risks()) {
      const std::string_view code = CodeOf(kRisks, risk.kind());
      if (code.empty()) continue;
      const bool is_bars = code.size() == 2;
      std::string words = risk.description().text();
      if (words.empty())
        words = risk.kind() == rv1::RISK_KIND_NONE_KNOWN ? "No known risks" : "Risk";
      Add(absl::StrCat("risk-", ++number),
          {{"resourceType", "Flag"},
           {"status", "active"},
           {"category", json::array{Concept(Coding(is_bars ? kFlagSystem : kRiskSystem, code))}},
           {"code", json::object{{"text", words}}},
           {"subject", To("patient")},
           {"encounter", To("encounter")}});
    }
  }

  void AddConsent() {
    const rv1::Consent consent = referral_.details().consent();
    if (consent == rv1::CONSENT_UNSPECIFIED) return;
    Add("consent",
        {{"resourceType", "Consent"},
         {"status", "active"},
         {"scope",
          Concept(Coding("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"))},
         {"category", json::array{Concept(Coding(kConsentCategorySystem, "DRC", "Direct Care"))}},
         {"patient", To("patient")},
         {"policyRule", Concept(Coding(kActCodeSystem,
                                       consent == rv1::CONSENT_EXPLICIT ? "OPTIN" : "IMPLIED"))}});
  }

  const rv1::OutgoingMessage& message_;
  const SignalRow& row_;
  const rv1::Referral& referral_;
  const pv1::GetPersonResponse& person_;
  const SenderIdentity& sender_;
  const std::string when_;
  json::array entries_;
};

std::string Base64(const json::object& value) { return absl::Base64Escape(json::serialize(value)); }

}  // namespace

std::string OutgoingBundle(const rv1::Delivery& delivery, const rv1::Referral& referral,
                           const pv1::GetPersonResponse& person, const SenderIdentity& sender) {
  return Builder(delivery, referral, person, sender).Build();
}

std::vector<std::pair<std::string, std::string>> OutgoingHeaders(
    const rv1::OutgoingMessage& message) {
  const SignalRow& row = RowOf(message.signal());
  const std::string& endpoint = message.target_endpoint();
  const size_t bar = endpoint.find('|');
  const json::object target{{"value", bar == std::string::npos ? message.partner_organisation()
                                                               : endpoint.substr(bar + 1)},
                            {"system", kServiceIdSystem}};
  const json::object organisation{
      {"resourceType", "Organization"},
      {"identifier", json::array{json::object{{"system", kOdsSystem},
                                              {"value", message.sender_organisation()}}}}};
  const json::object software{
      {"resourceType", "Device"},
      {"deviceName",
       json::array{json::object{{"name", kSoftwareName}, {"type", "manufacturer-name"}}}}};
  return {
      {"Content-Type", "application/fhir+json; version=1.4.0"},
      {"Accept", "application/fhir+json; version=1.4.0"},
      {kRequestIdHeader, message.delivery_id()},
      {kCorrelationIdHeader, message.correlation_id()},
      {"NHSD-Target-Identifier", Base64(target)},
      {"NHSD-End-User-Organisation", Base64(organisation)},
      {"NHSD-Requesting-Software", Base64(software)},
      {"use-context", absl::StrCat("referral|", row.event, "|", row.reason)},
  };
}

}  // namespace fettle::gateway
