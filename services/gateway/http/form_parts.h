// What the tables of forms share. Not for others.
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_FORM_PARTS_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_FORM_PARTS_H_

#include <google/protobuf/generated_enum_reflection.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "services/gateway/http/work_forms.h"

namespace fettle::gateway {

// The forms of the triage, and the answer of a referrer who was asked.
std::vector<WorkForm> TriageForms();
WorkForm AnswerForm();
// Who does the work and how it begins.
std::vector<WorkForm> BeginningForms();
// What happens to it on the way.
std::vector<WorkForm> CourseForms();
// How it ends.
std::vector<WorkForm> EndForms();
// That it should not have been, or is not wanted any more.
std::vector<WorkForm> TakenBackForms();
// The forms of the care and support plan.
std::vector<WorkForm> PlanForms();
// The form of a shared decision.
WorkForm DecisionForm();
// The form of how to reach the person.
WorkForm ContactDetailsForm();

// Codes of the local list, with their words.
std::vector<Option> Codes(std::initializer_list<const char*> codes);
// Values of an enum of the contract, shown without their prefix.
std::vector<Option> Names(std::string_view prefix, std::initializer_list<std::string_view> names);
// Codes of BaRS dos-rejected-reasons-bars (INV-27).
std::vector<Option> RejectionReasons();

Field DateField(const char* name, const char* path, const char* label, const char* needed);
// Where the person lives, as the registry takes it.
Field AddressField();
Field PostcodeField();
Field NoteField(const char* label, const char* hint = "", const char* path = "note");
Field CommentField(const char* label, const char* hint, const char* needed);
Field ReasonField(const char* label, std::vector<Option> options,
                  FieldKind kind = FieldKind::kRadios);
void PrefillToday(const WorkContext& context, FormValues& values);

bool IsIn(const referral::v1::Referral& referral,
          std::initializer_list<referral::v1::ReferralStatus> statuses);
bool IsUnderWay(const referral::v1::Referral& referral);
bool HadFirstContact(const referral::v1::Referral& referral);
// The work of a plan: while it is under way, after the first contact.
bool IsPlanned(const referral::v1::Referral& referral, const Viewer& viewer);

// The value of an enum by its full name; 0 when there is none, which a service refuses where it
// needs one.
template <class Enum>
Enum Parsed(const std::string& name) {
  Enum value = Enum();
  google::protobuf::internal::ParseNamedEnum(google::protobuf::GetEnumDescriptor<Enum>(), name,
                                             &value);
  return value;
}

// The other way round; empty for the unspecified one.
template <class Enum>
std::string NameOfValue(Enum value) {
  return value == 0 ? ""
                    : std::string(google::protobuf::internal::NameOfEnum(
                          google::protobuf::GetEnumDescriptor<Enum>(), value));
}

// Each line that is not blank.
void AddLines(const std::string& lines,
              google::protobuf::RepeatedPtrField<common::v1::SealedText>& texts);

// Words that nobody wrote are left out.
template <class Set>
void IfWritten(const std::string& words, Set set) {
  if (!words.empty()) set(words);
}

// A note that nobody wrote is left out.
template <class Request>
void SetNote(const FormValues& values, Request& request) {
  if (const std::string words = values.Get("note"); !words.empty()) {
    request.mutable_note()->set_text(words);
  }
}

template <class Request>
void SetComment(const FormValues& values, Request& request) {
  if (const std::string words = values.Get("comment"); !words.empty()) {
    request.mutable_comment()->set_text(words);
  }
}

template <class Request>
std::unique_ptr<google::protobuf::Message> Plain(const FormValues&, const WorkContext&,
                                                 std::vector<FormError>&) {
  return std::make_unique<Request>();
}

// The commands that have a reason and a note.
template <class Request>
std::unique_ptr<google::protobuf::Message> ReasonOf(const FormValues& values, const WorkContext&,
                                                    std::vector<FormError>&) {
  auto request = std::make_unique<Request>();
  request->set_reason_code(values.Get("reason"));
  SetNote(values, *request);
  return request;
}

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_FORM_PARTS_H_
