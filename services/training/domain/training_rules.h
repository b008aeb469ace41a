// The rules of training: who learned what, where they worked then, and what they may be asked to
// do.
//
// A stream is a learner, a version of a course, or a programme. A completion freezes what it was
// decided with (the course's capabilities, the accreditation, the learner's organisations), so
// competence on a day is answered from the learner's stream alone.
#ifndef FETTLE_SERVICES_TRAINING_DOMAIN_TRAINING_RULES_H_
#define FETTLE_SERVICES_TRAINING_DOMAIN_TRAINING_RULES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "fettle/training/v1/training_events.pb.h"
#include "fettle/training/v1/training_service.pb.h"
#include "fettle/training/v1/training_state.pb.h"
#include "libs/base/decide.h"

namespace fettle::training {

// Limits of one stream, which is loaded whole for every decision about it.
inline constexpr int kEmploymentsMax = 100;
inline constexpr int kCompletionsMax = 1000;
inline constexpr int kAccreditationPeriodsMax = 100;

// Numbers of the indices, never reused.
enum TrainingIndex : int {
  kLearnerByPractitioner = 1,  // unique: practitioner id
  kCourseByVersion = 2,        // unique: course code, course version
  kProgrammeByCode = 3,        // unique: programme code
  kCourses = 4,                // one key for all, sorted by code and version
};

std::string LearnerKey(std::string_view practitioner_id);
std::string CourseKey(std::string_view course_code, int32_t course_version);
std::string ProgrammeKey(std::string_view programme_code);

struct TrainingRules {
  using Event = v1::TrainingEvent;
  using State = v1::TrainingState;
  static constexpr std::string_view kService = "training";
  static constexpr int64_t kCodeVersion = 1;

  static base::Reads ReadsOf(const v1::RegisterLearnerRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::RecordEmploymentRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::RegisterCourseRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::AccreditProgrammeRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::RecordCompletionRequest& request, const base::View& view);

  // Only these two ask other services.
  static base::Questions QuestionsOf(const v1::RecordEmploymentRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::RecordCompletionRequest& request,
                                     const base::View& view);
  template <class Request>
  static base::Questions QuestionsOf(const Request&, const base::View&) {
    return {};
  }

  static absl::StatusOr<base::Decision<v1::RegisterLearnerResponse>> Decide(
      const base::View& view, const v1::RegisterLearnerRequest& request,
      const base::Context& context);
  static absl::StatusOr<base::Decision<v1::RecordEmploymentResponse>> Decide(
      const base::View& view, const v1::RecordEmploymentRequest& request,
      const base::Context& context);
  static absl::StatusOr<base::Decision<v1::RegisterCourseResponse>> Decide(
      const base::View& view, const v1::RegisterCourseRequest& request,
      const base::Context& context);
  static absl::StatusOr<base::Decision<v1::AccreditProgrammeResponse>> Decide(
      const base::View& view, const v1::AccreditProgrammeRequest& request,
      const base::Context& context);
  static absl::StatusOr<base::Decision<v1::RecordCompletionResponse>> Decide(
      const base::View& view, const v1::RecordCompletionRequest& request,
      const base::Context& context);

  static void Evolve(State& state, const Event& event);
  static std::vector<base::Entry> Index(const State& state);
  static std::vector<base::Timer> Timers(const State&) { return {}; }
  static std::vector<base::Entry> Facts(const Event&) { return {}; }
  // Learners are staff: nobody's care is recorded here.
  static std::vector<std::string> Subjects(const State&) { return {}; }
  static int64_t Pence(const Event&) { return 0; }

  static absl::StatusOr<v1::GetCompetenceResponse> Answer(const base::Snapshot& snapshot,
                                                          const v1::GetCompetenceRequest& request,
                                                          const base::Context& context);
  static absl::StatusOr<v1::GetLearnerResponse> Answer(const base::Snapshot& snapshot,
                                                       const v1::GetLearnerRequest& request,
                                                       const base::Context& context);
  static absl::StatusOr<v1::ListCoursesResponse> Answer(const base::Snapshot& snapshot,
                                                        const v1::ListCoursesRequest& request,
                                                        const base::Context& context);
};

}  // namespace fettle::training

#endif  // FETTLE_SERVICES_TRAINING_DOMAIN_TRAINING_RULES_H_
