// The forms of the work with a person: who does it, how it begins, and what happens on the way.
#include <google/protobuf/util/time_util.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/date.h"
#include "services/gateway/http/form_parts.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
using google::protobuf::Message;
using Errors = std::vector<FormError>;

const std::vector<Option> kPriorities = {
    {"PRIORITY_ROUTINE", "Routine"},
    {"PRIORITY_URGENT", "Urgent"},
    {"PRIORITY_TWO_WEEK_WAIT", "Two week wait"},
};

Field WorkerField(const char* hint) {
  return {.kind = FieldKind::kText,
          .name = "worker",
          .path = "worker_id",
          .label = "Who is in charge",
          .hint = hint,
          .needed = "Enter the user name of who is in charge"};
}

void PrefillWorker(const WorkContext& context, FormValues& values) {
  const std::string& worker = context.referral.worker_id();
  values.Set("worker", worker.empty() ? context.viewer.subject : worker);
}

const absl::TimeZone& London() {
  static const absl::TimeZone* const kLondon = [] {
    auto* zone = new absl::TimeZone();
    absl::LoadTimeZone("Europe/London", zone);
    return zone;
  }();
  return *kLondon;
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

}  // namespace

std::vector<WorkForm> BeginningForms() {
  using enum rv1::ReferralStatus;
  std::vector<WorkForm> forms;
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
  return forms;
}

std::vector<WorkForm> CourseForms() {
  using enum rv1::ReferralStatus;
  std::vector<WorkForm> forms;
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
  return forms;
}

}  // namespace fettle::gateway
