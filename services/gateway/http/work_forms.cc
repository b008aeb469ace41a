#include "services/gateway/http/work_forms.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "libs/base/date.h"
#include "libs/base/text.h"
#include "services/gateway/http/form_parts.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
using google::protobuf::Message;
using Errors = std::vector<FormError>;

// Codes of BaRS dos-rejected-reasons-bars (INV-27).
const std::vector<Option> kRejectionReasons = {
    {"", "Select a reason"},
    {"22", "Capacity"},
    {"23", "Not clinically appropriate"},
    {"40", "Patient not eligible"},
    {"24", "Service declined"},
    {"26", "Patient choice"},
    {"27", "Could not be contacted"},
    {"31", "No appointments"},
    {"32", "Appointments not suitable"},
    {"41", "Home visit requested"},
    {"42", "Distance"},
    {"21", "Transport"},
    {"99", "Other"},
};

const std::vector<Option> kPriorities = {
    {"PRIORITY_ROUTINE", "Routine"},
    {"PRIORITY_URGENT", "Urgent"},
    {"PRIORITY_TWO_WEEK_WAIT", "Two week wait"},
};
const std::vector<Option> kPrioritiesOrSame = {
    {"", "As the referrer said"},
    {"PRIORITY_ROUTINE", "Routine"},
    {"PRIORITY_URGENT", "Urgent"},
    {"PRIORITY_TWO_WEEK_WAIT", "Two week wait"},
};

Field CommentField(const char* label, const char* hint, const char* needed) {
  return {.kind = FieldKind::kWords,
          .name = "comment",
          .path = "comment",
          .label = label,
          .hint = hint,
          .needed = needed};
}

Field ReasonField(const char* label, std::vector<Option> options,
                  FieldKind kind = FieldKind::kRadios) {
  return {.kind = kind,
          .name = "reason",
          .path = "reason_code",
          .label = label,
          .needed = "Select a reason",
          .options = std::move(options)};
}

Field WorkerField(const char* hint) {
  return {.kind = FieldKind::kText,
          .name = "worker",
          .path = "worker_id",
          .label = "Who is in charge",
          .hint = hint,
          .needed = "Enter the user name of who is in charge"};
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
std::unique_ptr<Message> Plain(const FormValues&, const WorkContext&, Errors&) {
  return std::make_unique<Request>();
}

bool IsIn(const rv1::Referral& referral, std::initializer_list<rv1::ReferralStatus> statuses) {
  return std::ranges::find(statuses, referral.status()) != statuses.end();
}

void PrefillWorker(const WorkContext& context, FormValues& values) {
  const std::string& worker = context.referral.worker_id();
  values.Set("worker", worker.empty() ? context.viewer.subject : worker);
}

void PrefillToday(const WorkContext& context, FormValues& values) {
  values.SetDate("date", base::LondonDate(context.now));
}

const absl::TimeZone& London() {
  static const absl::TimeZone* const kLondon = [] {
    auto* zone = new absl::TimeZone();
    absl::LoadTimeZone("Europe/London", zone);
    return zone;
  }();
  return *kLondon;
}

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

std::unique_ptr<Message> SendAgainOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::SendDeliveryAgainRequest>();
  request->set_delivery_id(values.Get("delivery_id"));
  return request;
}

std::unique_ptr<Message> AcceptanceOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::AcceptReferralRequest>();
  request->set_priority(Parsed<rv1::Priority>(values.Get("priority")));
  SetComment(values, *request);
  return request;
}

std::unique_ptr<Message> RejectionOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::RejectReferralRequest>();
  request->set_reason_code(values.Get("reason"));
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

// Both commands that put somebody in charge have these fields.
template <class Request>
std::unique_ptr<Message> ChargeOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<Request>();
  request->set_worker_id(values.Get("worker"));
  SetNote(values, *request);
  return request;
}

std::unique_ptr<Message> ContactOf(const FormValues& values, const WorkContext& context,
                                   Errors& errors) {
  auto request = std::make_unique<rv1::RecordContactRequest>();
  rv1::Contact& contact = *request->mutable_contact();
  const std::string date = values.Date("date"), clock = values.Get("time");
  absl::Time time;
  if (!base::IsDate(date)) {
    errors.push_back({"date", "Enter the day of the contact, for example 27 3 2025"});
  }
  if (!absl::ParseTime("%H:%M", clock, &time, nullptr)) {
    errors.push_back({"time", "Enter the time of the contact, for example 09:30"});
  }
  if (errors.empty()) {
    absl::ParseTime("%Y-%m-%d %H:%M", absl::StrCat(date, " ", clock), London(), &time, nullptr);
    *contact.mutable_time() =
        google::protobuf::util::TimeUtil::SecondsToTimestamp(absl::ToUnixSeconds(time));
  }
  contact.set_channel(Parsed<rv1::ContactChannel>(values.Get("channel")));
  contact.set_outcome(Parsed<rv1::ContactOutcome>(values.Get("outcome")));
  contact.set_worker_id(context.viewer.subject);
  SetNote(values, contact);
  return request;
}

std::unique_ptr<Message> StartOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::StartReferralRequest>();
  request->set_worker_id(values.Get("worker"));
  request->set_first_contact_date(values.Date("date"));
  return request;
}

// The commands that have a reason and a note.
template <class Request>
std::unique_ptr<Message> ReasonOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<Request>();
  request->set_reason_code(values.Get("reason"));
  SetNote(values, *request);
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

std::unique_ptr<Message> PriorityOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::ChangePriorityRequest>();
  request->set_priority(Parsed<rv1::Priority>(values.Get("priority")));
  request->mutable_reason()->set_text(values.Get("comment"));
  return request;
}

std::unique_ptr<Message> SignpostOf(const FormValues& values, const WorkContext& context, Errors&) {
  auto request = std::make_unique<rv1::RecordSignpostRequest>();
  request->set_person_id(context.referral.person_id());
  request->set_code(values.Get("reason"));
  request->set_service_name(values.Get("service"));
  SetNote(values, *request);
  return request;
}

std::unique_ptr<Message> WithdrawalOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::WithdrawReferralRequest>();
  request->set_reason_code(values.Get("reason"));
  return request;
}

std::vector<WorkForm> MakeForms() {
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
                  ReasonField("If it goes back: why?", kRejectionReasons, FieldKind::kSelect)},
       .checks_version = true,
       .fits =
           [](const rv1::Referral& referral, const Viewer& viewer) {
             return IsReceiver(referral, viewer) && IsIn(referral, {REFERRAL_STATUS_IN_TRIAGE});
           },
       .request = TriageOutcomeOf});
  forms.push_back({.name = "take",
                   .title = "Take charge",
                   .button = "Take charge",
                   .done = "Somebody is in charge",
                   .fields = {WorkerField("Yours, or that of a colleague."),
                              NoteField("Note", "What whoever takes charge must know.")},
                   .fits =
                       [](const rv1::Referral& referral, const Viewer& viewer) {
                         return IsReceiver(referral, viewer) && IsUnderWay(referral) &&
                                referral.worker_id().empty();
                       },
                   .prefill = PrefillWorker,
                   .request = ChargeOf<rv1::AssignWorkerRequest>});
  forms.push_back({.name = "start",
                   .title = "Record the first contact",
                   .lead = "The work begins on this day. The referral counts from now on.",
                   .button = "Start the work",
                   .done = "The work has begun",
                   .fields = {DateField("date", "first_contact_date", "Day of the first contact",
                                        "Enter the day of the first contact"),
                              WorkerField("")},
                   .fits =
                       [](const rv1::Referral& referral, const Viewer& viewer) {
                         return IsReceiver(referral, viewer) && !HadFirstContact(referral) &&
                                IsIn(referral, {REFERRAL_STATUS_ACCEPTED, REFERRAL_STATUS_PAUSED});
                       },
                   .prefill =
                       [](const WorkContext& context, FormValues& values) {
                         PrefillWorker(context, values);
                         PrefillToday(context, values);
                       },
                   .request = StartOf});
  forms.push_back({.name = "resume",
                   .title = "Resume the work",
                   .button = "Resume",
                   .done = "The work goes on",
                   .fits =
                       [](const rv1::Referral& referral, const Viewer& viewer) {
                         return IsReceiver(referral, viewer) && HadFirstContact(referral) &&
                                IsIn(referral, {REFERRAL_STATUS_PAUSED});
                       },
                   .request = Plain<rv1::ResumeReferralRequest>});
  forms.push_back(
      {.name = "contact",
       .title = "Record a contact",
       .lead = "Every attempt counts, also one without an answer.",
       .button = "Record the contact",
       .done = "The contact is recorded",
       .fields = {{.kind = FieldKind::kRadios,
                   .name = "channel",
                   .path = "contact.channel",
                   .label = "How did you get in touch?",
                   .needed = "Select how you got in touch",
                   .options =
                       Names("CONTACT_CHANNEL_", {"TELEPHONE", "FACE_TO_FACE", "HOME_VISIT",
                                                  "VIDEO", "TEXT_MESSAGE", "EMAIL", "LETTER"})},
                  {.kind = FieldKind::kRadios,
                   .name = "outcome",
                   .path = "contact.outcome",
                   .label = "What came of it?",
                   .needed = "Select what came of it",
                   .options = Names("CONTACT_OUTCOME_", {"REACHED", "NO_ANSWER", "MESSAGE_LEFT",
                                                         "DID_NOT_ATTEND", "WRONG_DETAILS"})},
                  DateField("date", "contact.time", "Day of the contact", ""),
                  {.kind = FieldKind::kText,
                   .name = "time",
                   .path = "",
                   .label = "Time of the contact",
                   .hint = "For example, 09:30",
                   .is_short = true},
                  NoteField("Note", "1,000 characters at most.", "contact.note")},
       .fits =
           [](const rv1::Referral& referral, const Viewer& viewer) {
             return IsReceiver(referral, viewer) && IsUnderWay(referral);
           },
       .prefill =
           [](const WorkContext& context, FormValues& values) {
             PrefillToday(context, values);
             values.Set("time", absl::FormatTime("%H:%M", context.now, London()));
           },
       .request = ContactOf});
  std::ranges::move(PlanForms(), std::back_inserter(forms));
  forms.push_back(DecisionForm());
  forms.push_back(ContactDetailsForm());
  forms.push_back(
      {.name = "pause",
       .title = "Pause the work",
       .lead = "The person still waits: the clocks go on.",
       .button = "Pause",
       .done = "The work rests",
       .fields = {ReasonField("Why does the work rest?",
                              Codes({"IN_HOSPITAL", "ON_HOLIDAY", "UNWELL", "PERSON_ASKED",
                                     "WAITING_FOR_ANOTHER_SERVICE", "OTHER"})),
                  NoteField("Note", "500 characters at most.")},
       .fits =
           [](const rv1::Referral& referral, const Viewer& viewer) {
             return IsReceiver(referral, viewer) &&
                    IsIn(referral, {REFERRAL_STATUS_ACCEPTED, REFERRAL_STATUS_ACTIVE});
           },
       .request = ReasonOf<rv1::PauseReferralRequest>});
  forms.push_back(
      {.name = "hand-over",
       .title = "Hand over",
       .button = "Hand over",
       .done = "The referral is handed over",
       .fields = {WorkerField("User name of the colleague. Leave it empty to put the person back "
                              "on the waiting list, as long as there was no first contact."),
                  NoteField("What must the next one know?", "1,000 characters at most.")},
       .checks_version = true,
       .fits =
           [](const rv1::Referral& referral, const Viewer& viewer) {
             return IsReceiver(referral, viewer) && IsUnderWay(referral) &&
                    !referral.worker_id().empty();
           },
       .request = ChargeOf<rv1::HandOverReferralRequest>});
  forms.push_back({.name = "priority",
                   .title = "Change the priority",
                   .button = "Change the priority",
                   .done = "The priority is changed",
                   .fields = {{.kind = FieldKind::kRadios,
                               .name = "priority",
                               .path = "priority",
                               .label = "New priority",
                               .needed = "Select the new priority",
                               .options = kPriorities},
                              {.kind = FieldKind::kWords,
                               .name = "comment",
                               .path = "reason",
                               .label = "Why does it change?",
                               .hint = "200 characters at most.",
                               .needed = "Say why the priority changes"}},
                   .checks_version = true,
                   .fits =
                       [](const rv1::Referral& referral, const Viewer& viewer) {
                         return IsReceiver(referral, viewer) && IsUnderWay(referral);
                       },
                   .request = PriorityOf});
  forms.push_back(
      {.name = "signpost",
       .title = "Record a signpost",
       .lead = "The person was given a name and contact details. That is no referral.",
       .button = "Record the signpost",
       .done = "The signpost is recorded",
       .fields = {{.kind = FieldKind::kRadios,
                   .name = "reason",
                   .path = "code",
                   .label = "What is it for?",
                   .needed = "Select what it is for",
                   .options = Codes({"FOOD_BANK", "WALKING_GROUP", "MONEY_ADVICE", "HOUSING_ADVICE",
                                     "BEFRIENDING", "CARERS_SUPPORT", "OTHER"})},
                  {.kind = FieldKind::kText,
                   .name = "service",
                   .path = "service_name",
                   .label = "Name of the service",
                   .needed = "Enter the name of the service"},
                  NoteField("Note", "500 characters at most.")},
       .fits =
           [](const rv1::Referral& referral, const Viewer& viewer) {
             return IsReceiver(referral, viewer) && IsUnderWay(referral);
           },
       .request = SignpostOf});
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
  // Offered beside each message that failed, not in the list of what may be done.
  forms.push_back(
      {.name = "send-again",
       .title = "Send the message again",
       .button = "Send it again",
       .done = "The message is sent again",
       .fields = {{.kind = FieldKind::kHidden, .name = "delivery_id", .path = "delivery_id"}},
       .fits = [](const rv1::Referral&, const Viewer&) { return false; },
       .request = SendAgainOf});
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
       .fields = {ReasonField("Why?", kRejectionReasons, FieldKind::kSelect),
                  CommentField("Comment to the referrer",
                               "Needed with the reason “Other”. 200 characters at most.",
                               "Say what the other reason is")},
       .checks_version = true,
       .fits =
           [](const rv1::Referral& referral, const Viewer& viewer) {
             return IsReceiver(referral, viewer) && IsUnderWay(referral);
           },
       .request = RejectionOf});
  forms.push_back({.name = "answer",
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
                   .request = AnswerOf});
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

}  // namespace

std::vector<Option> Codes(std::initializer_list<const char*> codes) {
  std::vector<Option> options;
  for (const char* code : codes) options.push_back({code, CodeWords(code)});
  return options;
}

std::vector<Option> Names(std::string_view prefix, std::initializer_list<std::string_view> names) {
  std::vector<Option> options;
  for (const std::string_view name : names) {
    options.push_back({base::Concat(prefix, name), CodeWords(name)});
  }
  return options;
}

Field DateField(const char* name, const char* path, const char* label, const char* needed) {
  return {.kind = FieldKind::kDate,
          .name = name,
          .path = path,
          .label = label,
          .hint = "For example, 27 3 2025",
          .needed = needed};
}

Field AddressField() {
  return {.kind = FieldKind::kWords,
          .name = "address",
          .path = "demographics.address_lines",
          .label = "Address",
          .hint = "5 lines of 35 characters at most, without the postcode."};
}

Field PostcodeField() {
  return {.kind = FieldKind::kText,
          .name = "postcode",
          .path = "demographics.postcode",
          .label = "Postcode",
          .is_short = true};
}

Field NoteField(const char* label, const char* hint, const char* path) {
  return {.kind = FieldKind::kWords,
          .name = "note",
          .path = path,
          .label = label,
          .hint = hint,
          .needed = "Enter a note"};
}

void AddLines(const std::string& lines,
              google::protobuf::RepeatedPtrField<common::v1::SealedText>& texts) {
  for (const auto& line : absl::StrSplit(lines, '\n')) {
    const std::string text(base::ToStd(absl::StripAsciiWhitespace(line)));
    if (!text.empty()) texts.Add()->set_text(text);
  }
}

bool IsUnderWay(const rv1::Referral& referral) {
  return !IsClosed(referral) && referral.status() != rv1::REFERRAL_STATUS_DRAFT;
}

bool HadFirstContact(const rv1::Referral& referral) {
  return !referral.first_contact_date().empty();
}

bool IsPlanned(const rv1::Referral& referral, const Viewer& viewer) {
  return IsReceiver(referral, viewer) && IsUnderWay(referral) && HadFirstContact(referral);
}

std::span<const WorkForm> WorkForms() {
  static const std::vector<WorkForm>* const kForms = new std::vector<WorkForm>(MakeForms());
  return *kForms;
}

std::vector<Field> FieldsOf(const WorkForm& form, const rv1::Referral& referral,
                            const FormValues& values) {
  return form.fields_of == nullptr ? form.fields : form.fields_of(referral, values);
}

const WorkForm* FindWorkForm(std::string_view name) {
  const auto form = std::ranges::find(WorkForms(), name, &WorkForm::name);
  return form == WorkForms().end() ? nullptr : &*form;
}

bool IsOffered(const WorkForm& form, const rv1::Referral& referral,
               const person::v1::GetPersonResponse* person, const Viewer& viewer) {
  const bool is_hidden = form.is_of_person && (person == nullptr || person->restricted());
  return !is_hidden && form.fits(referral, viewer);
}

void Address(Message& request, const std::string& request_id, const std::string& id,
             int64_t version) {
  const google::protobuf::Descriptor& type = *request.GetDescriptor();
  const google::protobuf::Reflection& fields = *request.GetReflection();
  fields.SetString(&request, type.FindFieldByName("request_id"), request_id);
  const auto* about = type.FindFieldByName("referral_id");
  fields.SetString(&request, about == nullptr ? type.FindFieldByName("person_id") : about, id);
  if (version >= 0) {
    fields.SetInt64(&request, type.FindFieldByName("expected_version"), version);
  }
}

bool IsClosed(const rv1::Referral& referral) {
  return referral.status() >= rv1::REFERRAL_STATUS_COMPLETED;
}

bool IsReceiver(const rv1::Referral& referral, const Viewer& viewer) {
  return referral.service().organisation() == viewer.organisation &&
         referral.status() != rv1::REFERRAL_STATUS_DRAFT;
}

bool IsReferrer(const rv1::Referral& referral, const Viewer& viewer) {
  return referral.referring_organisation() == viewer.organisation;
}

}  // namespace fettle::gateway
