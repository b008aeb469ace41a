#include "services/gateway/http/new_referral.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/date.h"
#include "libs/base/text.h"
#include "services/gateway/http/form_parts.h"
#include "services/gateway/http/work_pages.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
namespace pv1 = person::v1;

Field Text(const char* name, const char* path, const char* label, const char* needed,
           const char* hint = "") {
  return {.kind = FieldKind::kText,
          .name = name,
          .path = path,
          .label = label,
          .hint = hint,
          .needed = needed};
}

Field Select(const char* name, const char* path, const char* label, const char* needed,
             std::vector<Option> options) {
  return {.kind = FieldKind::kSelect,
          .name = name,
          .path = path,
          .label = label,
          .needed = needed,
          .options = std::move(options)};
}

std::vector<Option> WithQuestion(std::vector<Option> options) {
  options.insert(options.begin(), {"", "Select"});
  return options;
}

// By what a person is told from another one.
std::string WhoItIs(const pv1::GetPersonResponse& person) {
  const pv1::Demographics& who = person.demographics();
  std::string words = NameOf(who);
  const auto add = [&](const char* what, const std::string& value) {
    if (!value.empty()) absl::StrAppend(&words, ", ", what, value);
  };
  add("born ", ShownDate(who.birth_date().text()));
  add("NHS number ", ShownNumber(who.nhs_number().text()));
  for (const auto& line : who.address_lines()) add("", line.text());
  add("", who.postcode().text());
  add("telephone ", who.telephone().text());
  add("died ", ShownDate(person.death_date()));
  return words;
}

}  // namespace

Field SamePersonField(const std::vector<pv1::GetPersonResponse>& alike) {
  Field field = {.kind = FieldKind::kRadios,
                 .name = kSamePerson,
                 .label = "Is it one of these people?",
                 .hint =
                     "Twins, or a mother and her daughter, may look alike here. Ask the person "
                     "if you are not sure.",
                 .needed = "Select who it is, or that it is somebody else"};
  for (const pv1::GetPersonResponse& person : alike) {
    field.options.push_back({person.person_id(), WhoItIs(person)});
  }
  field.options.push_back({kNobodyOfThem, "No, it is somebody else"});
  return field;
}

std::vector<Field> NewReferralFields(const rv1::ListServicesResponse& services) {
  std::vector<Option> asked;
  for (const rv1::Service& service : services.services()) {
    asked.push_back({service.service_id(), service.description().name()});
  }
  return {
      {.kind = FieldKind::kHeading, .label = "The person"},
      Text("first", "demographics.first_name", "First name", "Enter the first name"),
      Text("family", "demographics.family_name", "Family name", "Enter the family name"),
      DateField("born", "demographics.birth_date", "Date of birth", "Enter the date of birth"),
      Text("number", "demographics.nhs_number", "NHS number", "",
           "10 digits. Leave it empty if it is not known."),
      AddressField(),
      PostcodeField(),
      Text("telephone", "demographics.telephone", "Telephone", ""),
      Text("practice", "gp_practice", "GP practice", "Enter the code of the GP practice",
           "Its ODS code, for example A81001"),
      {.kind = FieldKind::kHeading, .label = "The referral"},
      Select("service", "service.service_id", "Which service is asked?", "Select the service",
             WithQuestion(std::move(asked))),
      Select("reason", "details.reason.code", "Why?", "Select the reason",
             WithQuestion(Codes({"LONELINESS", "MONEY_ADVICE", "HOUSING", "BEREAVEMENT",
                                 "LONG_TERM_CONDITION", "CARER", "WORK", "OTHER"}))),
      {.kind = FieldKind::kWords,
       .name = "words",
       .path = "details.reason.text",
       .label = "In words",
       .hint = "150 characters at most."},
      Select("priority", "details.priority", "Priority", "Select the priority",
             {{"PRIORITY_ROUTINE", "Routine"}, {"PRIORITY_URGENT", "Urgent"}}),
      Select("risk", "details.risks", "Risks", "Select whether there are risks",
             WithQuestion({{"RISK_KIND_NONE_KNOWN", "No known risks"},
                           {"RISK_KIND_TO_SELF", "To self"},
                           {"RISK_KIND_TO_OTHERS", "To others"},
                           {"RISK_KIND_FROM_OTHERS", "From others"},
                           {"RISK_KIND_ENVIRONMENT", "Environment"},
                           {"RISK_KIND_OTHER", "Other"}})),
      {.kind = FieldKind::kWords,
       .name = "risk-words",
       .path = "details.risks[0].description",
       .label = "What must everybody know about the risk?",
       .hint = "500 characters at most."},
      Select("consent", "details.consent", "Consent", "Select the consent",
             WithQuestion({{"CONSENT_DIRECT_CARE_INFORMED", "Informed, for direct care"},
                           {"CONSENT_EXPLICIT", "Explicit"}})),
      {.kind = FieldKind::kHeading, .label = "Who refers"},
      Text("referrer", "details.referrer.name", "Name", "Enter the name of who refers"),
      Text("team", "details.referrer.service", "Service", "Enter the service of who refers"),
      Text("contact", "details.referrer.contact", "How to reach them",
           "Enter how who refers is reached"),
  };
}

FormValues NewReferralValues(const Viewer& viewer) {
  FormValues values;
  values.Set("referrer", viewer.name);
  return values;
}

pv1::EnsurePersonRequest NewPerson(const FormValues& values) {
  pv1::EnsurePersonRequest request;
  pv1::Demographics& who = *request.mutable_demographics();
  who.mutable_first_name()->set_text(values.Get("first"));
  who.mutable_family_name()->set_text(values.Get("family"));
  who.mutable_birth_date()->set_text(values.Date("born"));
  AddLines(values.Get("address"), *who.mutable_address_lines());
  IfWritten(values.Get("postcode"),
            [&](const std::string& words) { who.mutable_postcode()->set_text(words); });
  const std::string number = values.Get("number"), telephone = values.Get("telephone");
  if (!number.empty()) who.mutable_nhs_number()->set_text(number);
  if (!telephone.empty()) who.mutable_telephone()->set_text(telephone);
  request.set_nhs_number_status(number.empty() ? pv1::NHS_NUMBER_STATUS_TRACE_REQUIRED
                                               : pv1::NHS_NUMBER_STATUS_PRESENT_NOT_TRACED);
  request.set_number_policy(pv1::NUMBER_POLICY_STRICT);
  request.set_gp_practice(values.Get("practice"));
  return request;
}

rv1::SubmitReferralRequest NewReferral(const FormValues& values,
                                       const rv1::ListServicesResponse& services,
                                       const Viewer& viewer, absl::Time now) {
  rv1::SubmitReferralRequest request;
  for (const rv1::Service& service : services.services()) {
    if (service.service_id() != values.Get("service")) continue;
    request.mutable_service()->set_service_id(service.service_id());
    request.mutable_service()->set_organisation(service.organisation());
    request.mutable_service()->set_name(service.description().name());
  }
  rv1::ReferralDetails& details = *request.mutable_details();
  details.mutable_referrer()->mutable_name()->set_text(values.Get("referrer"));
  details.mutable_referrer()->set_service(values.Get("team"));
  details.mutable_referrer()->set_organisation(viewer.organisation);
  details.mutable_referrer()->mutable_contact()->set_text(values.Get("contact"));
  details.set_referral_date(base::LondonDate(now));
  details.mutable_reason()->set_code(values.Get("reason"));
  if (const std::string words = values.Get("words"); !words.empty()) {
    details.mutable_reason()->mutable_text()->set_text(words);
  }
  details.set_priority(Parsed<rv1::Priority>(values.Get("priority")));
  if (const std::string kind = values.Get("risk"); !kind.empty()) {
    rv1::Risk& risk = *details.add_risks();
    risk.set_kind(Parsed<rv1::RiskKind>(kind));
    if (const std::string words = values.Get("risk-words"); !words.empty()) {
      risk.mutable_description()->set_text(words);
    }
  }
  details.set_consent(Parsed<rv1::Consent>(values.Get("consent")));
  request.set_intake(rv1::INTAKE_DIRECT);
  return request;
}

}  // namespace fettle::gateway
