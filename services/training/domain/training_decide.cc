#include <algorithm>
#include <optional>
#include <string>

#include "libs/base/date.h"
#include "libs/base/status.h"
#include "services/training/domain/training_rules.h"

namespace fettle::training {
namespace {

struct Stream {
  std::string id;
  const v1::TrainingState* state;
};

// The stream that holds the unique entry, if there is one.
std::optional<Stream> Find(const base::View& view, int index, const std::string& key) {
  const std::optional<std::string> holder = view.Holder(index, key);
  if (!holder) return std::nullopt;
  return Stream{*holder, view.StateOf<v1::TrainingState>(*holder)};
}

// The unique entries, and with the first of them found, its stream as the one that
// expected_version speaks of.
base::Reads Named(const base::View& view, std::vector<std::pair<int, std::string>> unique) {
  base::Reads reads;
  if (view.HasKey(unique[0].first, unique[0].second)) {
    if (auto holder = view.Holder(unique[0].first, unique[0].second)) reads.streams = {*holder};
  }
  reads.unique = std::move(unique);
  return reads;
}

bool Covers(const v1::Employment& employment, std::string_view date) {
  return employment.start_date() <= date &&
         (employment.end_date().empty() || date <= employment.end_date());
}

bool Overlap(const v1::Employment& a, const v1::Employment& b) {
  return Covers(a, b.start_date()) || Covers(b, a.start_date());
}

absl::Status LearnerNotFound() {
  return base::Refuse(absl::StatusCode::kNotFound, "LEARNER_NOT_FOUND",
                      "practitioner_id: no learner is registered with it; RegisterLearner first");
}

absl::Status CourseNotFound() {
  return base::Refuse(absl::StatusCode::kNotFound, "COURSE_NOT_FOUND",
                      "course_code, course_version: no such version; RegisterCourse first");
}

absl::Status TooMany(std::string_view what, int max) {
  return base::Refuse(absl::StatusCode::kFailedPrecondition, "TOO_MANY_RECORDS",
                      "the record holds as many entries of this kind as it can",
                      {{"kind", std::string(what)}, {"max", std::to_string(max)}});
}

v1::RecordCompletionResponse ResponseOf(const v1::Completion& completion) {
  v1::RecordCompletionResponse response;
  response.set_completion_id(completion.completion_id());
  response.set_valid_to(completion.valid_to());
  return response;
}

}  // namespace

base::Reads TrainingRules::ReadsOf(const v1::RegisterLearnerRequest& request,
                                   const base::View& view) {
  return Named(view, {{kLearnerByPractitioner, LearnerKey(request.practitioner_id())}});
}

base::Reads TrainingRules::ReadsOf(const v1::RecordEmploymentRequest& request,
                                   const base::View& view) {
  return Named(view, {{kLearnerByPractitioner, LearnerKey(request.practitioner_id())}});
}

base::Reads TrainingRules::ReadsOf(const v1::RegisterCourseRequest& request,
                                   const base::View& view) {
  return Named(view, {{kCourseByVersion, CourseKey(request.course().course_code(),
                                                   request.course().course_version())}});
}

base::Reads TrainingRules::ReadsOf(const v1::AccreditProgrammeRequest& request,
                                   const base::View& view) {
  return Named(view,
               {{kProgrammeByCode, ProgrammeKey(request.programme_code())},
                {kCourseByVersion, CourseKey(request.course_code(), request.course_version())}});
}

base::Reads TrainingRules::ReadsOf(const v1::RecordCompletionRequest& request,
                                   const base::View& view) {
  return Named(view,
               {{kLearnerByPractitioner, LearnerKey(request.practitioner_id())},
                {kCourseByVersion, CourseKey(request.course_code(), request.course_version())},
                {kProgrammeByCode, ProgrammeKey(request.programme_code())}});
}

base::Questions TrainingRules::QuestionsOf(const v1::RecordEmploymentRequest& request,
                                           const base::View&) {
  base::Questions questions;
  questions.organisations = {
      {request.employment().organisation(), request.employment().start_date()}};
  return questions;
}

// The organisations of the learner on that day: their ICB of that day is recorded with the
// completion.
base::Questions TrainingRules::QuestionsOf(const v1::RecordCompletionRequest& request,
                                           const base::View& view) {
  base::Questions questions;
  const auto learner = Find(view, kLearnerByPractitioner, LearnerKey(request.practitioner_id()));
  if (!learner) return questions;
  for (const v1::Employment& employment : learner->state->learner().employments()) {
    if (Covers(employment, request.completion_date())) {
      questions.organisations.push_back({employment.organisation(), request.completion_date()});
    }
  }
  return questions;
}

absl::StatusOr<base::Decision<v1::RegisterLearnerResponse>> TrainingRules::Decide(
    const base::View& view, const v1::RegisterLearnerRequest& request,
    const base::Context& context) {
  if (const auto known =
          Find(view, kLearnerByPractitioner, LearnerKey(request.practitioner_id()))) {
    return base::Refuse(absl::StatusCode::kAlreadyExists, "LEARNER_ALREADY_REGISTERED",
                        "practitioner_id: the practitioner is registered already",
                        {{"learner_id", known->id}});
  }
  base::Decision<v1::RegisterLearnerResponse> decision;
  const std::string learner_id = context.ids->Next();
  auto& registered = *decision.Add<Event>(learner_id).mutable_learner_registered();
  registered.set_practitioner_id(request.practitioner_id());
  registered.set_occupation_code(request.occupation_code());
  decision.response.set_learner_id(learner_id);
  return decision;
}

absl::StatusOr<base::Decision<v1::RecordEmploymentResponse>> TrainingRules::Decide(
    const base::View& view, const v1::RecordEmploymentRequest& request,
    const base::Context& context) {
  const auto learner = Find(view, kLearnerByPractitioner, LearnerKey(request.practitioner_id()));
  if (!learner) return LearnerNotFound();
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(QuestionsOf(request, view), *context.evidence));
  const v1::Employment& employment = request.employment();
  if (!employment.end_date().empty() && employment.end_date() < employment.start_date()) {
    return base::InvalidField("employment.end_date", "EMPLOYMENT_ENDS_BEFORE_START",
                              "start_date or later, or empty");
  }
  const common::v1::OrganisationFact& organisation =
      *context.evidence->Organisation({employment.organisation(), employment.start_date()});
  if (!organisation.known()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "ORGANISATION_NOT_KNOWN",
                        "employment.organisation: the registry does not know this code");
  }
  if (!organisation.valid()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "ORGANISATION_NOT_VALID_ON_DATE",
                        "employment.start_date: the organisation did not stand on this day");
  }
  base::Decision<v1::RecordEmploymentResponse> decision;
  const auto& known = learner->state->learner().employments();
  bool replaces = false;
  for (const v1::Employment& other : known) {
    if (other.organisation() != employment.organisation()) continue;
    if (other.start_date() == employment.start_date()) {
      if (other.end_date() == employment.end_date()) return decision;
      replaces = true;
    } else if (Overlap(other, employment)) {
      return base::Refuse(absl::StatusCode::kFailedPrecondition, "EMPLOYMENT_OVERLAPS",
                          "employment: the learner already works there on some of these days; "
                          "give the same start_date to change the end_date");
    }
  }
  if (!replaces && known.size() >= kEmploymentsMax) return TooMany("employments", kEmploymentsMax);
  auto& recorded = *decision.Add<Event>(learner->id).mutable_employment_recorded();
  *recorded.mutable_employment() = employment;
  *recorded.mutable_organisation() = organisation;
  return decision;
}

absl::StatusOr<base::Decision<v1::RegisterCourseResponse>> TrainingRules::Decide(
    const base::View& view, const v1::RegisterCourseRequest& request,
    const base::Context& context) {
  const v1::Course& course = request.course();
  if (const auto known =
          Find(view, kCourseByVersion, CourseKey(course.course_code(), course.course_version()))) {
    return base::Refuse(absl::StatusCode::kAlreadyExists, "COURSE_ALREADY_REGISTERED",
                        "course: this version is registered; a change is another version",
                        {{"course_id", known->id}});
  }
  base::Decision<v1::RegisterCourseResponse> decision;
  const std::string course_id = context.ids->Next();
  *decision.Add<Event>(course_id).mutable_course_registered()->mutable_course() = course;
  decision.response.set_course_id(course_id);
  return decision;
}

absl::StatusOr<base::Decision<v1::AccreditProgrammeResponse>> TrainingRules::Decide(
    const base::View& view, const v1::AccreditProgrammeRequest& request,
    const base::Context& context) {
  if (!Find(view, kCourseByVersion, CourseKey(request.course_code(), request.course_version()))) {
    return CourseNotFound();
  }
  if (request.period().end_date() < request.period().start_date()) {
    return base::InvalidField("period.end_date", "ACCREDITATION_ENDS_BEFORE_START",
                              "start_date or later");
  }
  base::Decision<v1::AccreditProgrammeResponse> decision;
  const auto known = Find(view, kProgrammeByCode, ProgrammeKey(request.programme_code()));
  if (known) {
    const v1::ProgrammeRecord& programme = known->state->programme();
    if (programme.course_code() != request.course_code() ||
        programme.course_version() != request.course_version() ||
        programme.provider() != request.provider()) {
      return base::Refuse(absl::StatusCode::kFailedPrecondition, "PROGRAMME_IS_ANOTHER",
                          "programme_code: it stands for another course version or provider; "
                          "accreditation belongs to one programme");
    }
    decision.response.set_programme_id(known->id);
    for (const v1::AccreditationPeriod& period : programme.periods()) {
      if (period.start_date() == request.period().start_date() &&
          period.end_date() == request.period().end_date()) {
        return decision;
      }
    }
    if (programme.periods_size() >= kAccreditationPeriodsMax) {
      return TooMany("periods", kAccreditationPeriodsMax);
    }
  }
  const std::string programme_id = known ? known->id : context.ids->Next();
  auto& accredited = *decision.Add<Event>(programme_id).mutable_programme_accredited();
  accredited.set_programme_code(request.programme_code());
  accredited.set_course_code(request.course_code());
  accredited.set_course_version(request.course_version());
  accredited.set_provider(request.provider());
  *accredited.mutable_period() = request.period();
  decision.response.set_programme_id(programme_id);
  return decision;
}

absl::StatusOr<base::Decision<v1::RecordCompletionResponse>> TrainingRules::Decide(
    const base::View& view, const v1::RecordCompletionRequest& request,
    const base::Context& context) {
  const std::string& date = request.completion_date();
  const auto learner = Find(view, kLearnerByPractitioner, LearnerKey(request.practitioner_id()));
  if (!learner) return LearnerNotFound();
  base::Decision<v1::RecordCompletionResponse> decision;
  for (const v1::Completion& known : learner->state->learner().completions()) {
    if (known.course_code() == request.course_code() &&
        known.course_version() == request.course_version() && known.completion_date() == date) {
      decision.response = ResponseOf(known);
      return decision;
    }
  }
  const auto course =
      Find(view, kCourseByVersion, CourseKey(request.course_code(), request.course_version()));
  if (!course) return CourseNotFound();
  const auto programme = Find(view, kProgrammeByCode, ProgrammeKey(request.programme_code()));
  if (!programme) {
    return base::Refuse(absl::StatusCode::kNotFound, "PROGRAMME_NOT_FOUND",
                        "programme_code: no such programme; AccreditProgramme first");
  }
  if (programme->state->programme().course_code() != request.course_code() ||
      programme->state->programme().course_version() != request.course_version()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "PROGRAMME_IS_ANOTHER",
                        "programme_code: the programme teaches another course version");
  }
  if (date > context.today) {
    return base::InvalidField("completion_date", "DATE_IN_FUTURE", "today or earlier");
  }
  const auto& periods = programme->state->programme().periods();
  const auto period = std::find_if(periods.begin(), periods.end(), [&](const auto& candidate) {
    return candidate.start_date() <= date && date <= candidate.end_date();
  });
  if (period == periods.end()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "PROGRAMME_NOT_ACCREDITED_ON_DATE",
                        "completion_date: the programme was not accredited on this day");
  }
  const base::Questions questions = QuestionsOf(request, view);
  FETTLE_RETURN_IF_ERROR(base::CheckEvidence(questions, *context.evidence));
  if (questions.organisations.empty()) {
    return base::Refuse(absl::StatusCode::kFailedPrecondition, "LEARNER_WITHOUT_ORGANISATION",
                        "completion_date: no employment covers this day; RecordEmployment first");
  }
  if (learner->state->learner().completions_size() >= kCompletionsMax) {
    return TooMany("completions", kCompletionsMax);
  }
  auto& recorded = *decision.Add<Event>(learner->id).mutable_completion_recorded();
  recorded.set_practitioner_id(request.practitioner_id());
  v1::Completion& completion = *recorded.mutable_completion();
  completion.set_completion_id(context.ids->Next());
  completion.set_course_code(request.course_code());
  completion.set_course_version(request.course_version());
  completion.set_programme_code(request.programme_code());
  completion.set_completion_date(date);
  *completion.mutable_capabilities() = course->state->course().capabilities();
  if (const int months = course->state->course().validity_months(); months > 0) {
    completion.set_valid_to(base::AddMonths(date, months));
  }
  *completion.mutable_accreditation() = *period;
  for (const auto& question : questions.organisations) {
    *completion.add_organisations() = *context.evidence->Organisation(question);
  }
  decision.response = ResponseOf(completion);
  return decision;
}

}  // namespace fettle::training
