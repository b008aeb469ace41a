// The forms of the triage, and the answer of a referrer who was asked.
#include <memory>
#include <utility>
#include <vector>

#include "services/gateway/http/form_parts.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
using google::protobuf::Message;
using Errors = std::vector<FormError>;

const std::vector<Option> kPrioritiesOrSame = {
    {"", "As the referrer said"},
    {"PRIORITY_ROUTINE", "Routine"},
    {"PRIORITY_URGENT", "Urgent"},
    {"PRIORITY_TWO_WEEK_WAIT", "Two week wait"},
};

std::unique_ptr<Message> TriageOutcomeOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::RecordTriageOutcomeRequest>();
  request->set_outcome(Parsed<rv1::TriageOutcome>(values.Get("outcome")));
  request->mutable_comment()->set_text(values.Get("comment"));
  if (request->outcome() == rv1::TRIAGE_OUTCOME_RETURN_TO_REFERRER_WITH_ADVICE) {
    request->set_advice(Parsed<rv1::Advice>(values.Get("advice")));
    request->set_reason_code(values.Get("reason"));
  } else {
    request->set_priority(Parsed<rv1::Priority>(values.Get("priority")));
  }
  return request;
}

std::unique_ptr<Message> AcceptanceOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::AcceptReferralRequest>();
  request->set_priority(Parsed<rv1::Priority>(values.Get("priority")));
  SetComment(values, *request);
  return request;
}

std::unique_ptr<Message> QuestionOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::RequestInformationRequest>();
  request->mutable_question()->set_text(values.Get("question"));
  return request;
}

std::unique_ptr<Message> AnswerOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::ProvideInformationRequest>();
  request->mutable_answer()->set_text(values.Get("answer"));
  return request;
}

}  // namespace

std::vector<WorkForm> TriageForms() {
  using enum rv1::ReferralStatus;
  std::vector<WorkForm> forms;
  forms.push_back({.name = "triage",
                   .title = "Start the triage",
                   .lead = "The referrer sees that you are looking at the referral.",
                   .button = "Start the triage",
                   .done = "The triage has started",
                   .fits =
                       [](const rv1::Referral& referral, const Viewer& viewer) {
                         return IsReceiver(referral, viewer) &&
                                IsIn(referral, {REFERRAL_STATUS_SUBMITTED});
                       },
                   .request = Plain<rv1::StartTriageRequest>});
  forms.push_back(
      {.name = "accept",
       .title = "Accept the referral",
       .lead = "The person goes on the waiting list until somebody takes charge.",
       .button = "Accept",
       .done = "The referral is accepted",
       .fields = {{.kind = FieldKind::kSelect,
                   .name = "priority",
                   .path = "priority",
                   .label = "Priority",
                   .options = kPrioritiesOrSame},
                  CommentField("Comment to the referrer",
                               "Needed when you change the priority: say why. 200 characters.",
                               "Say why the priority changes")},
       .checks_version = true,
       .fits =
           [](const rv1::Referral& referral, const Viewer& viewer) {
             return IsReceiver(referral, viewer) && IsIn(referral, {REFERRAL_STATUS_IN_TRIAGE});
           },
       .request = AcceptanceOf});
  forms.push_back({.name = "ask",
                   .title = "Ask the referrer",
                   .lead = "The referral waits until the referrer answers.",
                   .button = "Send the question",
                   .done = "The referrer is asked",
                   .fields = {{.kind = FieldKind::kWords,
                               .name = "question",
                               .path = "question",
                               .label = "What do you need to know?",
                               .hint = "1,000 characters at most.",
                               .needed = "Enter the question"}},
                   .fits =
                       [](const rv1::Referral& referral, const Viewer& viewer) {
                         return IsReceiver(referral, viewer) &&
                                IsIn(referral, {REFERRAL_STATUS_IN_TRIAGE});
                       },
                   .request = QuestionOf});
  forms.push_back(
      {.name = "triage-outcome",
       .title = "Record the triage outcome",
       .lead = "What the triage came to, with advice where the referral goes back.",
       .button = "Record the outcome",
       .done = "The triage outcome is recorded",
       .fields = {{.kind = FieldKind::kRadios,
                   .name = "outcome",
                   .path = "outcome",
                   .label = "What did the triage come to?",
                   .needed = "Select what the triage came to",
                   .options = {{"TRIAGE_OUTCOME_ACCEPT_REFER_BOOK_LATER",
                                "Accept, and arrange the first contact later"},
                               {"TRIAGE_OUTCOME_RETURN_TO_REFERRER_WITH_ADVICE",
                                "Return to the referrer with advice"}}},
                  CommentField("Comment or advice", "200 characters at most.",
                               "Enter the comment or the advice"),
                  {.kind = FieldKind::kSelect,
                   .name = "priority",
                   .path = "priority",
                   .label = "Priority, if you accept",
                   .options = kPrioritiesOrSame},
                  {.kind = FieldKind::kRadios,
                   .name = "advice",
                   .path = "advice",
                   .label = "If it goes back: what does the advice come to?",
                   .needed = "Select what the advice comes to",
                   .options = Names("ADVICE_", {"ONLY_NO_REFERRAL_RECOMMENDED",
                                                "FOLLOWED_BY_REFERRAL_IF_REQUIRED",
                                                "REFERRAL_RECOMMENDED", "OTHER"})},
                  ReasonField("If it goes back: why?", RejectionReasons(), FieldKind::kSelect)},
       .checks_version = true,
       .fits =
           [](const rv1::Referral& referral, const Viewer& viewer) {
             return IsReceiver(referral, viewer) && IsIn(referral, {REFERRAL_STATUS_IN_TRIAGE});
           },
       .request = TriageOutcomeOf});
  return forms;
}

WorkForm AnswerForm() {
  using enum rv1::ReferralStatus;
  return {.name = "answer",
          .title = "Answer the question",
          .button = "Send the answer",
          .done = "The answer is sent",
          .fields = {{.kind = FieldKind::kWords,
                      .name = "answer",
                      .path = "answer",
                      .label = "Answer",
                      .hint = "1,000 characters at most.",
                      .needed = "Enter the answer"}},
          .fits =
              [](const rv1::Referral& referral, const Viewer& viewer) {
                return IsReferrer(referral, viewer) &&
                       IsIn(referral, {REFERRAL_STATUS_INFO_REQUESTED});
              },
          .request = AnswerOf};
}

}  // namespace fettle::gateway
