// The forms that close a referral, whatever came of it, and those that take it back.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/gateway/http/form_parts.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
using google::protobuf::Message;
using Errors = std::vector<FormError>;

std::unique_ptr<Message> RejectionOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::RejectReferralRequest>();
  request->set_reason_code(values.Get("reason"));
  SetComment(values, *request);
  return request;
}

std::unique_ptr<Message> DeclineOf(const FormValues& values, const WorkContext& context,
                                   Errors& errors) {
  auto message = ReasonOf<rv1::DeclineReferralRequest>(values, context, errors);
  static_cast<rv1::DeclineReferralRequest&>(*message).set_decision_date(values.Date("date"));
  return message;
}

std::unique_ptr<Message> CompletionOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::CompleteReferralRequest>();
  for (const std::string& code : values.All("outcomes")) {
    if (!code.empty()) request->add_outcomes()->set_code(code);
  }
  const std::string words = values.Get("note");
  if (!words.empty() && request->outcomes_size() > 0) {
    request->mutable_outcomes(0)->mutable_note()->set_text(words);
  }
  request->set_no_outcome_reason_code(values.Get("none"));
  request->set_closed_date(values.Date("date"));
  return request;
}

std::unique_ptr<Message> NoContactOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::CloseAsNoContactRequest>();
  SetNote(values, *request);
  return request;
}

std::unique_ptr<Message> WithdrawalOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::WithdrawReferralRequest>();
  request->set_reason_code(values.Get("reason"));
  return request;
}

}  // namespace

std::vector<WorkForm> EndForms() {
  using enum rv1::ReferralStatus;
  std::vector<WorkForm> forms;
  forms.push_back(
      {.name = "complete",
       .title = "Complete the referral",
       .lead = "The work is done. A closed referral is never opened again.",
       .button = "Complete the referral",
       .done = "The referral is completed",
       .fields = {{.kind = FieldKind::kCheckboxes,
                   .name = "outcomes",
                   .path = "outcomes",
                   .label = "What came of it?",
                   .hint = "Select all that apply.",
                   .needed = "Select what came of it, or why nothing did",
                   .options = Codes({"CONNECTED_TO_GROUP", "MONEY_ADVICE_GIVEN", "HOUSING_IMPROVED",
                                     "EQUIPMENT_PROVIDED", "MORE_CONFIDENT", "LESS_LONELY",
                                     "GOALS_MET", "OTHER"})},
                  NoteField("Note about the outcome", "500 characters at most.",
                            "outcomes[0].note"),
                  {.kind = FieldKind::kRadios,
                   .name = "none",
                   .path = "no_outcome_reason_code",
                   .label = "Or: why is there no outcome?",
                   .options = Codes({"MOVED_AWAY", "PERSON_STOPPED", "NOTHING_SUITABLE", "DIED"})},
                  DateField("date", "closed_date", "Day on which the work ended",
                            "Enter the day on which the work ended")},
       .checks_version = true,
       .fits =
           [](const rv1::Referral& referral, const Viewer& viewer) {
             return IsReceiver(referral, viewer) && HadFirstContact(referral) &&
                    IsIn(referral, {REFERRAL_STATUS_ACTIVE, REFERRAL_STATUS_PAUSED});
           },
       .prefill = PrefillToday,
       .request = CompletionOf});
  forms.push_back({.name = "no-contact",
                   .title = "Close: could not be reached",
                   .lead = "Attempts on enough different days must be recorded before this.",
                   .button = "Close the referral",
                   .done = "The referral is closed: the person could not be reached",
                   .fields = {NoteField("Note", "500 characters at most.")},
                   .checks_version = true,
                   .fits =
                       [](const rv1::Referral& referral, const Viewer& viewer) {
                         return IsReceiver(referral, viewer) &&
                                IsIn(referral, {REFERRAL_STATUS_ACCEPTED, REFERRAL_STATUS_ACTIVE,
                                                REFERRAL_STATUS_PAUSED});
                       },
                   .request = NoContactOf});
  forms.push_back(
      {.name = "decline",
       .title = "Close: the person says no",
       .button = "Close the referral",
       .done = "The referral is closed: the person said no",
       .fields = {DateField("date", "decision_date", "Day on which the person decided",
                            "Enter the day on which the person decided"),
                  ReasonField("Why? Leave it open if the person does not say.",
                              Codes({"NOT_INTERESTED", "NO_TIME", "HAS_OTHER_HELP", "OTHER"})),
                  NoteField("Note", "500 characters at most.")},
       .checks_version = true,
       .fits = [](const rv1::Referral& referral, const Viewer&) { return IsUnderWay(referral); },
       .prefill = PrefillToday,
       .request = DeclineOf});
  forms.push_back(
      {.name = "reject",
       .title = "Reject the referral",
       .lead = "The service cannot help this person. The referrer hears why.",
       .button = "Reject the referral",
       .done = "The referral is rejected",
       .fields = {ReasonField("Why?", RejectionReasons(), FieldKind::kSelect),
                  CommentField("Comment to the referrer",
                               "Needed with the reason “Other”. 200 characters at most.",
                               "Say what the other reason is")},
       .checks_version = true,
       .fits =
           [](const rv1::Referral& referral, const Viewer& viewer) {
             return IsReceiver(referral, viewer) && IsUnderWay(referral);
           },
       .request = RejectionOf});
  return forms;
}

std::vector<WorkForm> TakenBackForms() {
  using enum rv1::ReferralStatus;
  std::vector<WorkForm> forms;
  forms.push_back({.name = "withdraw",
                   .title = "Withdraw the referral",
                   .button = "Withdraw the referral",
                   .done = "The referral is withdrawn",
                   .fields = {ReasonField("Why?", Codes({"NO_LONGER_REQUIRED", "PERSON_MOVED",
                                                         "PERSON_DIED", "OTHER"}))},
                   .checks_version = true,
                   .fits =
                       [](const rv1::Referral& referral, const Viewer& viewer) {
                         return IsReferrer(referral, viewer) && IsUnderWay(referral);
                       },
                   .request = WithdrawalOf});
  forms.push_back(
      {.name = "error",
       .title = "Mark as entered in error",
       .lead = "It should never have been there. What was counted is taken back, and nothing can "
               "be done with it afterwards.",
       .button = "Mark as entered in error",
       .done = "The referral is marked as entered in error",
       .fields = {ReasonField("What is wrong?", Codes({"WRONG_PERSON", "DUPLICATE", "OTHER"})),
                  NoteField("Note", "500 characters at most.")},
       .checks_version = true,
       .fits = [](const rv1::Referral& referral,
                  const Viewer&) { return referral.status() != REFERRAL_STATUS_ENTERED_IN_ERROR; },
       .request = ReasonOf<rv1::MarkEnteredInErrorRequest>});
  return forms;
}

}  // namespace fettle::gateway
