#include <algorithm>
#include <optional>

#include "libs/base/status.h"
#include "services/training/domain/training_rules.h"

namespace fettle::training {
namespace {

struct Found {
  std::string id;
  base::View::Stream stream;

  const v1::LearnerRecord& learner() const {
    return static_cast<const v1::TrainingState&>(*stream.state).learner();
  }
};

absl::StatusOr<std::optional<Found>> FindLearner(const base::Snapshot& snapshot,
                                                 std::string_view practitioner_id) {
  FETTLE_ASSIGN_OR_RETURN(std::optional<std::string> id,
                          snapshot.Holder(kLearnerByPractitioner, LearnerKey(practitioner_id)));
  if (!id) return std::nullopt;
  FETTLE_ASSIGN_OR_RETURN(base::View::Stream stream, snapshot.Load(*id));
  return Found{std::move(*id), std::move(stream)};
}

bool Grants(const v1::Completion& completion, const v1::GetCompetenceRequest& request) {
  const auto& capabilities = completion.capabilities();
  return completion.completion_date() <= request.date() &&
         (completion.valid_to().empty() || request.date() <= completion.valid_to()) &&
         std::find(capabilities.begin(), capabilities.end(), request.capability()) !=
             capabilities.end();
}

bool LastsLonger(const v1::Completion& a, const v1::Completion& b) {
  if (a.valid_to().empty() || b.valid_to().empty()) return !b.valid_to().empty();
  return a.valid_to() > b.valid_to();
}

}  // namespace

absl::StatusOr<v1::GetCompetenceResponse> TrainingRules::Answer(
    const base::Snapshot& snapshot, const v1::GetCompetenceRequest& request, const base::Context&) {
  FETTLE_ASSIGN_OR_RETURN(std::optional<Found> found,
                          FindLearner(snapshot, request.practitioner_id()));
  v1::GetCompetenceResponse response;
  common::v1::Competence& competence = *response.mutable_competence();
  competence.set_practitioner_id(request.practitioner_id());
  competence.set_capability(request.capability());
  competence.set_date(request.date());
  competence.set_position(snapshot.position());
  if (!found) return response;
  // Of several, the one that lasts longest.
  const v1::Completion* best = nullptr;
  for (const v1::Completion& completion : found->learner().completions()) {
    if (!Grants(completion, request)) continue;
    if (best == nullptr || LastsLonger(completion, *best)) best = &completion;
  }
  if (best == nullptr) return response;
  competence.set_competent(true);
  competence.set_completion_id(best->completion_id());
  competence.set_valid_to(best->valid_to());
  return response;
}

absl::StatusOr<v1::GetLearnerResponse> TrainingRules::Answer(const base::Snapshot& snapshot,
                                                             const v1::GetLearnerRequest& request,
                                                             const base::Context&) {
  FETTLE_ASSIGN_OR_RETURN(std::optional<Found> found,
                          FindLearner(snapshot, request.practitioner_id()));
  if (!found) {
    return base::Refuse(absl::StatusCode::kNotFound, "LEARNER_NOT_FOUND",
                        "practitioner_id: no learner is registered with it");
  }
  v1::GetLearnerResponse response;
  v1::Learner& learner = *response.mutable_learner();
  learner.set_learner_id(found->id);
  learner.set_version(found->stream.version);
  learner.set_practitioner_id(found->learner().practitioner_id());
  learner.set_occupation_code(found->learner().occupation_code());
  *learner.mutable_employments() = found->learner().employments();
  *learner.mutable_completions() = found->learner().completions();
  response.set_position(snapshot.position());
  return response;
}

absl::StatusOr<v1::ListCoursesResponse> TrainingRules::Answer(const base::Snapshot& snapshot,
                                                              const v1::ListCoursesRequest& request,
                                                              const base::Context&) {
  FETTLE_ASSIGN_OR_RETURN(base::ListedPage page, snapshot.List(kCourses, "", request.page()));
  v1::ListCoursesResponse response;
  for (const std::string& id : page.streams) {
    FETTLE_ASSIGN_OR_RETURN(base::View::Stream stream, snapshot.Load(id));
    *response.add_courses() = static_cast<const v1::TrainingState&>(*stream.state).course();
  }
  response.set_next_page_token(page.next);
  response.set_position(snapshot.position());
  return response;
}

}  // namespace fettle::training
