#include "absl/strings/str_format.h"
#include "services/training/domain/training_rules.h"

namespace fettle::training {
namespace {

void Record(v1::LearnerRecord& learner, const v1::Employment& employment) {
  for (v1::Employment& known : *learner.mutable_employments()) {
    if (known.organisation() == employment.organisation() &&
        known.start_date() == employment.start_date()) {
      known = employment;
      return;
    }
  }
  *learner.add_employments() = employment;
}

}  // namespace

std::string LearnerKey(std::string_view practitioner_id) { return base::Key({practitioner_id}); }

std::string CourseKey(std::string_view course_code, int32_t course_version) {
  return base::Key({course_code, absl::StrFormat("%05d", course_version)});
}

std::string ProgrammeKey(std::string_view programme_code) { return base::Key({programme_code}); }

void TrainingRules::Evolve(State& state, const Event& event) {
  switch (event.event_case()) {
    case Event::kLearnerRegistered: {
      v1::LearnerRecord& learner = *state.mutable_learner();
      learner.set_practitioner_id(event.learner_registered().practitioner_id());
      learner.set_occupation_code(event.learner_registered().occupation_code());
      return;
    }
    case Event::kEmploymentRecorded:
      return Record(*state.mutable_learner(), event.employment_recorded().employment());
    case Event::kCourseRegistered:
      *state.mutable_course() = event.course_registered().course();
      return;
    case Event::kProgrammeAccredited: {
      const v1::ProgrammeAccredited& accredited = event.programme_accredited();
      v1::ProgrammeRecord& programme = *state.mutable_programme();
      programme.set_programme_code(accredited.programme_code());
      programme.set_course_code(accredited.course_code());
      programme.set_course_version(accredited.course_version());
      programme.set_provider(accredited.provider());
      *programme.add_periods() = accredited.period();
      return;
    }
    case Event::kCompletionRecorded:
      *state.mutable_learner()->add_completions() = event.completion_recorded().completion();
      return;
    case Event::EVENT_NOT_SET:
      return;
  }
}

std::vector<base::Entry> TrainingRules::Index(const State& state) {
  switch (state.kind_case()) {
    case State::kLearner:
      return {{.index = kLearnerByPractitioner,
               .key = LearnerKey(state.learner().practitioner_id()),
               .sort = "",
               .unique = true}};
    case State::kCourse: {
      const std::string& code = state.course().course_code();
      return {{.index = kCourseByVersion,
               .key = CourseKey(code, state.course().course_version()),
               .sort = "",
               .unique = true},
              // Codes hold no blank, so that a shorter code sorts before its extensions.
              {.index = kCourses,
               .key = "",
               .sort = absl::StrFormat("%s %05d", code, state.course().course_version()),
               .unique = false}};
    }
    case State::kProgramme:
      return {{.index = kProgrammeByCode,
               .key = ProgrammeKey(state.programme().programme_code()),
               .sort = "",
               .unique = true}};
    case State::KIND_NOT_SET:
      return {};
  }
  return {};
}

}  // namespace fettle::training
