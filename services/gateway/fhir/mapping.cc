#include "services/gateway/fhir/mapping.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/base/uuid.h"
#include "libs/crypto/digest.h"
#include "services/gateway/fhir/codes.h"
#include "services/gateway/fhir/systems.h"

namespace fettle::gateway {
namespace {

using common::v1::SealedText;
using person::v1::Demographics;

// Longest words of the standard that are cut where longer ones come: the message keeps them whole.
constexpr int kReasonCharactersMax = 150;
constexpr int kReferrerServiceCharactersMax = 70;
constexpr int kReferrerRoleCharactersMax = 70;
constexpr int kRiskCharactersMax = 500;
constexpr int kNeedCharactersMax = 150;
// Of what cannot be cut: longer addresses are put in other lines, longer numbers are left out.
constexpr int kAddressLineCharactersMax = 35;
constexpr int kAddressLinesMax = 5;
constexpr int kTelephoneCharactersMax = 35;
constexpr int kEmailCharactersMax = 255;
constexpr int kReferrerContactCharactersMax = 70;
// As the rules of the lists say. What is more stands in the message.
constexpr int kRisksMax = 20;
constexpr int kNeedsMax = 20;
constexpr size_t kEndpointBytesMax = 200;
constexpr size_t kInstantBytesMax = 40;

absl::Status NotValid(std::string_view element, std::string_view expected) {
  return base::Refuse(absl::StatusCode::kInvalidArgument, "ELEMENT_NOT_VALID",
                      base::Concat(element, ": expected ", expected));
}

// The Patient's elements that are taken as they are. Of a list, the item whose `use` is the
// preferred one, else the first.
struct PatientRow {
  std::string_view list;
  std::string_view preferred_use;
  std::string_view path;
  SealedText* (Demographics::*mutable_field)();
};

constexpr PatientRow kPatientRows[] = {
    {"name", "official", "family", &Demographics::mutable_family_name},
    {"name", "official", "given.0", &Demographics::mutable_first_name},
    {"address", "home", "postalCode", &Demographics::mutable_postcode},
};

std::string CutCharacters(std::string text, int characters_max) {
  size_t bytes = 0;
  for (int count = 0; bytes < text.size(); ++count) {
    if (count == characters_max) {
      text.resize(bytes);
      break;
    }
    const auto point = base::FirstCodePoint(std::string_view(text).substr(bytes));
    bytes += point ? point->bytes : 1;
  }
  return text;
}

// The same words in lines that are full, none of them longer than one may be but a word of its own.
std::vector<std::string> Refilled(const std::vector<std::string>& lines) {
  const std::string words = absl::StrJoin(lines, ", ");
  std::vector<std::string> filled;
  for (const absl::string_view word :
       absl::StrSplit(words, absl::ByAnyChar(" \r\n\t"), absl::SkipEmpty())) {
    if (!filled.empty()) {
      std::string longer = base::Concat(filled.back(), " ", word);
      if (base::CountCharacters(longer) <= kAddressLineCharactersMax) {
        filled.back() = std::move(longer);
        continue;
      }
    }
    filled.emplace_back(word);
  }
  return filled;
}

class Mapper {
 public:
  Mapper(const Message& message, Mapped& mapped)
      : message_(message),
        request_(message.service_request()),
        patient_(message.First("Patient")),
        mapped_(mapped) {
    if (const json::value* subject = Resolve(request_, "subject", "Patient")) patient_ = subject;
  }

  absl::Status Map(const BarsHeaders& headers) {
    MapPatient();
    MapAddress();
    FETTLE_RETURN_IF_ERROR(MapBirthDate());
    FETTLE_RETURN_IF_ERROR(MapGender());
    MapTelecom();
    MapReferrer(headers);
    FETTLE_RETURN_IF_ERROR(MapReferralDate());
    MapReason();
    MapFlags();
    MapConsent();
    referral::v1::PartnerMessage& partner = mapped_.partner_message;
    partner.set_request_id(headers.request_id);
    partner.set_correlation_id(headers.correlation_id);
    partner.set_bundle_id(message_.bundle_id());
    partner.set_category(message_.category());
    partner.set_last_updated(Text(request_, "meta.lastUpdated"));
    std::string bundle_updated = Text(&message_.body(), "meta.lastUpdated");
    if (bundle_updated.size() <= kInstantBytesMax) {
      partner.set_bundle_last_updated(std::move(bundle_updated));
    }
    partner.set_case_number(
        Text(Resolve(request_, "encounter", "Encounter"), "identifier.0.value"));
    std::string endpoint = Text(message_.header(), "source.endpoint");
    // A longer one is no `system|value`; answers then go to the organisation.
    if (endpoint.size() <= kEndpointBytesMax) partner.set_source_endpoint(std::move(endpoint));
    return reader_.status();
  }

 private:
  std::string Text(const json::value* value, std::string_view path) {
    return reader_.Text(value, path);
  }

  const json::value* Resolve(const json::value* from, std::string_view path,
                             std::string_view type) {
    return message_.Resolve(reader_, from, path, type);
  }

  // The first of a list of references that names a resource of the type.
  const json::value* FirstOf(const json::value* from, std::string_view list,
                             std::string_view type) {
    for (size_t i = 0; i < reader_.Items(from, list).size(); ++i) {
      if (const json::value* found = Resolve(from, base::Concat(list, ".", i), type)) return found;
    }
    return nullptr;
  }

  // The item of a list whose `use` is the preferred one, else the first.
  const json::value* Pick(const json::value* from, std::string_view list, std::string_view use) {
    const json::array& items = reader_.Items(from, list);
    for (const json::value& item : items) {
      if (Text(&item, "use") == use) return &item;
    }
    return items.empty() ? nullptr : &items.front();
  }

  // The value of the first identifier of a system.
  std::string Identifier(const json::value* resource, std::string_view system) {
    for (const json::value& identifier : reader_.Items(resource, "identifier")) {
      if (SameSystem(Text(&identifier, "system"), system)) return Text(&identifier, "value");
    }
    return "";
  }

  std::string OdsCode(const json::value* organisation) {
    return absl::AsciiStrToUpper(Identifier(organisation, kOdsSystem));
  }

  const json::value* Extension(const json::value* element, std::string_view url) {
    for (const json::value& extension : reader_.Items(element, "extension")) {
      if (SameSystem(Text(&extension, "url"), url)) return &extension;
    }
    return nullptr;
  }

  void MapPatient() {
    for (const PatientRow& row : kPatientRows) {
      std::string text = Text(Pick(patient_, row.list, row.preferred_use), row.path);
      if (!text.empty()) {
        (mapped_.demographics.*row.mutable_field)()->set_text(std::move(text));
      }
    }
    for (const json::value& identifier : reader_.Items(patient_, "identifier")) {
      if (!SameSystem(Text(&identifier, "system"), kNhsNumberSystem)) continue;
      const std::string number = Text(&identifier, "value");
      if (!number.empty()) mapped_.demographics.mutable_nhs_number()->set_text(number);
      const json::value* status = Extension(&identifier, kNumberStatusExtension);
      if (const int* known =
              Lookup(kNumberStatuses, Text(status, "valueCodeableConcept.coding.0.code"))) {
        mapped_.nhs_number_status = static_cast<person::v1::NhsNumberStatus>(*known);
      }
      break;
    }
    mapped_.gp_practice = OdsCode(GpPractice());
    mapped_.ethnic_category =
        Text(Extension(patient_, kEthnicCategoryExtension), "valueCodeableConcept.coding.0.code");
  }

  // Of a practitioner who is named in the place of the practice, the one they work for.
  const json::value* GpPractice() {
    constexpr std::string_view kGp = "generalPractitioner";
    if (const json::value* practice = FirstOf(patient_, kGp, "Organization")) return practice;
    const json::value* role = FirstOf(patient_, kGp, "PractitionerRole");
    if (role == nullptr) role = RoleOf(FirstOf(patient_, kGp, "Practitioner"));
    return Resolve(role, "organization", "Organization");
  }

  void MapAddress() {
    const json::value* address = Pick(patient_, "address", "home");
    std::vector<std::string> lines;
    for (const json::value& line : reader_.Items(address, "line")) {
      std::string text = Text(&line, "");
      if (!text.empty()) lines.push_back(std::move(text));
    }
    for (const std::string_view part : {"city", "district"}) {
      std::string place = Text(address, part);
      const bool is_there = std::ranges::any_of(
          lines, [&](const std::string& line) { return absl::EqualsIgnoreCase(line, place); });
      if (!place.empty() && !is_there) lines.push_back(std::move(place));
    }
    if (std::string text = Text(address, "text"); lines.empty() && !text.empty()) {
      lines.push_back(std::move(text));
    }
    const bool fit =
        lines.size() <= kAddressLinesMax && std::ranges::all_of(lines, [](const std::string& line) {
          return base::CountCharacters(line) <= kAddressLineCharactersMax;
        });
    for (std::string& line : fit ? lines : Refilled(lines)) {
      mapped_.demographics.add_address_lines()->set_text(std::move(line));
    }
  }

  absl::Status MapBirthDate() {
    const std::string date = Text(patient_, "birthDate");
    // FHIR lets it be a year or a month: not enough to know a person by, so it counts as missing.
    const bool is_partial = date.size() < 10 && (base::IsDate(base::Concat(date, "-01-01")) ||
                                                 base::IsDate(base::Concat(date, "-01")));
    if (date.empty() || is_partial) return absl::OkStatus();
    if (!base::IsDate(date)) return NotValid("Patient.birthDate", "a date, YYYY-MM-DD");
    mapped_.demographics.mutable_birth_date()->set_text(date);
    return absl::OkStatus();
  }

  absl::Status MapGender() {
    const std::string gender = Text(patient_, "gender");
    if (gender.empty()) return absl::OkStatus();
    const std::string_view* code = Lookup(kGenders, gender);
    if (code == nullptr) return NotValid("Patient.gender", "male, female, other or unknown");
    mapped_.demographics.mutable_gender()->set_text(std::string(*code));
    return absl::OkStatus();
  }

  // A contact that says so is the person, and one that names nobody: partners keep the person's own
  // numbers there.
  bool IsOneself(const json::value& contact) {
    const json::array& relationships = reader_.Items(&contact, "relationship");
    for (const json::value& relationship : relationships) {
      for (const json::value& coding : reader_.Items(&relationship, "coding")) {
        const std::string who = Text(&coding, "code");
        if (absl::EqualsIgnoreCase(who, "ONESELF") || absl::EqualsIgnoreCase(who, "self")) {
          return true;
        }
      }
    }
    return relationships.empty() && reader_.Find(&contact, "name") == nullptr &&
           reader_.Find(&contact, "organization") == nullptr;
  }

  // INV-161: of the person's own numbers the one with the lowest rank.
  void MapTelecom() {
    std::vector<const json::array*> lists = {&reader_.Items(patient_, "telecom")};
    for (const json::value& contact : reader_.Items(patient_, "contact")) {
      if (IsOneself(contact)) lists.push_back(&reader_.Items(&contact, "telecom"));
    }
    const std::string phone = LowestRank(lists, "phone", kTelephoneCharactersMax);
    if (!phone.empty()) mapped_.demographics.mutable_telephone()->set_text(phone);
    const std::string email = LowestRank(lists, "email", kEmailCharactersMax);
    if (!email.empty()) mapped_.demographics.mutable_email()->set_text(email);
  }

  // Of those that are not too long.
  std::string LowestRank(const std::vector<const json::array*>& lists, std::string_view system,
                         int characters_max) {
    int64_t best = 0;
    std::string value;
    for (const json::array* list : lists) {
      for (const json::value& telecom : *list) {
        if (Text(&telecom, "system") != system) continue;
        // Those without a rank come behind those that have one.
        const json::value* rank = reader_.Find(&telecom, "rank");
        const int64_t order = rank != nullptr && rank->is_int64()
                                  ? rank->get_int64()
                                  : std::numeric_limits<int64_t>::max();
        std::string found = Text(&telecom, "value");
        const bool fits = !found.empty() && base::CountCharacters(found) <= characters_max;
        if (!fits || (!value.empty() && order >= best)) continue;
        best = order;
        value = std::move(found);
      }
    }
    return value;
  }

  void MapReferrer(const BarsHeaders& headers) {
    referral::v1::Referrer& referrer = *mapped_.details.mutable_referrer();
    const json::value* role = Resolve(request_, "requester", "PractitionerRole");
    const json::value* practitioner = Resolve(request_, "requester", "Practitioner");
    if (practitioner == nullptr) practitioner = Resolve(role, "practitioner", "Practitioner");
    if (role == nullptr) role = RoleOf(practitioner);

    const json::value* name = Pick(practitioner, "name", "official");
    std::string words = Text(name, "text");
    if (words.empty()) {
      words = std::string(absl::StripAsciiWhitespace(
          base::Concat(Text(name, "given.0"), " ", Text(name, "family"))));
    }
    if (!words.empty()) referrer.mutable_name()->set_text(words);

    std::string contact = LowestRank({&reader_.Items(practitioner, "telecom")}, "phone",
                                     kReferrerContactCharactersMax);
    if (contact.empty()) contact = Text(message_.header(), "source.contact.value");
    if (base::CountCharacters(contact) > kReferrerContactCharactersMax) contact.clear();
    if (!contact.empty()) referrer.mutable_contact()->set_text(contact);

    referrer.set_service(
        CutCharacters(Text(message_.header(), "source.name"), kReferrerServiceCharactersMax));
    referrer.set_role(
        CutCharacters(Text(role, "code.0.coding.0.display"), kReferrerRoleCharactersMax));
    referrer.set_organisation(OdsCode(Resolve(message_.header(), "sender", "Organization")));
    if (referrer.organisation().empty()) referrer.set_organisation(headers.organisation);
    mapped_.details.set_method(referral::v1::REFERRAL_METHOD_SECURE_MESSAGING);
  }

  // The PractitionerRole that speaks of this practitioner.
  const json::value* RoleOf(const json::value* practitioner) {
    if (practitioner == nullptr) return nullptr;
    for (const json::value* resource : message_.resources()) {
      if (Resolve(resource, "practitioner", "Practitioner") == practitioner) return resource;
    }
    return nullptr;
  }

  absl::Status MapReferralDate() {
    std::string when = Text(request_, "authoredOn");
    if (when.empty()) when = Text(request_, "meta.lastUpdated");
    if (base::IsDate(when)) {
      mapped_.details.set_referral_date(when);
      return absl::OkStatus();
    }
    const absl::StatusOr<absl::Time> time = base::ParseInstant(when);
    if (!time.ok()) return NotValid("ServiceRequest.authoredOn", "a date or an instant");
    mapped_.details.set_referral_date(base::LondonDate(*time));
    return absl::OkStatus();
  }

  void MapReason() {
    std::string reason = Text(request_, "reasonCode.0.text");
    if (reason.empty()) reason = Text(request_, "reasonCode.0.coding.0.display");
    // An update that says nothing of the reason leaves the one that is known.
    if (reason.empty() && message_.action() == Action::kNew) reason = WordsOf(ReasonCondition());
    if (!reason.empty()) {
      mapped_.details.mutable_reason()->mutable_text()->set_text(
          CutCharacters(std::move(reason), kReasonCharactersMax));
    }
    if (SameSystem(Text(request_, "reasonCode.0.coding.0.system"), kReasonSystem)) {
      mapped_.details.mutable_reason()->set_code(Text(request_, "reasonCode.0.coding.0.code"));
    }
    if (const auto* priority = Lookup(kPriorities, Text(request_, "priority"))) {
      mapped_.details.set_priority(*priority);
    }
  }

  // `code` in words: its text, or all that its codings say.
  std::string WordsOf(const json::value* resource) {
    if (std::string text = Text(resource, "code.text"); !text.empty()) return text;
    std::vector<std::string> displays;
    for (const json::value& coding : reader_.Items(resource, "code.coding")) {
      std::string display = Text(&coding, "display");
      if (!display.empty()) displays.push_back(std::move(display));
    }
    return absl::StrJoin(displays, "; ");
  }

  // BaRS senders say why in a Condition: the one that the request names, or that its care plan
  // addresses, else the chief complaint.
  const json::value* ReasonCondition() {
    if (const json::value* named = FirstOf(request_, "reasonReference", "Condition")) return named;
    const json::value* plan = FirstOf(request_, "basedOn", "CarePlan");
    if (const json::value* addressed = FirstOf(plan, "addresses", "Condition")) return addressed;
    for (const json::value* resource : message_.resources()) {
      if (Text(resource, "resourceType") == "Condition" &&
          Text(resource, "category.0.coding.0.code") == kChiefComplaint) {
        return resource;
      }
    }
    return nullptr;
  }

  void MapFlags() {
    for (const json::value* resource : message_.resources()) {
      if (Text(resource, "resourceType") != "Flag" || Text(resource, "status") != "active")
        continue;
      const std::string category = Text(resource, "category.0.coding.0.code");
      std::string words = WordsOf(resource);
      if (category == kReasonableAdjustmentFlag) {
        if (words.empty() || mapped_.demographics.profile().needs_size() == kNeedsMax) continue;
        person::v1::Need& need = *mapped_.demographics.mutable_profile()->add_needs();
        need.set_kind(person::v1::NEED_KIND_REASONABLE_ADJUSTMENT);
        need.mutable_text()->set_text(CutCharacters(std::move(words), kNeedCharactersMax));
        continue;
      }
      const referral::v1::RiskKind* kind = Lookup(kRisks, category);
      if (kind == nullptr || mapped_.details.risks_size() == kRisksMax) continue;
      const bool is_none = std::ranges::any_of(kNoRisks, [&](const auto& none) {
        return category == none.first && Text(resource, "code.coding.0.code") == none.second;
      });
      if (is_none && Text(resource, "code.text").empty()) continue;
      referral::v1::Risk& risk = *mapped_.details.add_risks();
      risk.set_kind(*kind);
      if (!words.empty()) {
        risk.mutable_description()->set_text(CutCharacters(std::move(words), kRiskCharactersMax));
      }
    }
  }

  void MapConsent() {
    const json::value* consent = message_.First("Consent");
    if (Text(consent, "status") != "active") return;
    const std::string rule = Text(consent, "policyRule.coding.0.code");
    if (absl::StartsWith(rule, "OPTIN")) {
      mapped_.details.set_consent(referral::v1::CONSENT_EXPLICIT);
    } else if (rule == "IMPLIED" || Text(consent, "category.0.coding.0.code") == "DRC") {
      mapped_.details.set_consent(referral::v1::CONSENT_DIRECT_CARE_INFORMED);
    }
  }

  const Message& message_;
  const json::value* const request_;
  const json::value* patient_;
  Mapped& mapped_;
  ElementReader reader_;
};

}  // namespace

absl::StatusOr<Mapped> MapMessage(const Message& message, const BarsHeaders& headers,
                                  const std::string& body, const std::string& body_sha256) {
  Mapped mapped;
  FETTLE_RETURN_IF_ERROR(Mapper(message, mapped).Map(headers));
  mapped.partner_message.set_body_sha256(body_sha256);
  mapped.partner_message.mutable_body()->set_text(body);
  return mapped;
}

std::string StepId(const BarsHeaders& headers, const std::string& step) {
  return crypto::UuidV5(headers.request_id, base::Concat(headers.correlation_id, "/", step));
}

std::string Accepted(const Message& message, const BarsHeaders& headers,
                     const std::string& referral_id) {
  json::value answer = message.body();
  json::array& entries = answer.at("entry").as_array();
  for (size_t i = 0; i < entries.size(); ++i) {
    json::object& resource = entries[i].at("resource").as_object();
    if (message.resources()[i] == message.service_request()) {
      resource["id"] = referral_id;
    } else if (!resource.contains("id")) {
      resource["id"] = StepId(headers, base::Concat("entry/", i));
    }
  }
  return json::serialize(answer);
}

}  // namespace fettle::gateway
