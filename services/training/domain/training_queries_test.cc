#include "services/training/domain/training_testing.h"

namespace fettle::training {
namespace {

using absl::StatusCode;
using base::IsDone;
using base::RefusedWith;
using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST_F(TrainingTest, CompetenceHoldsFromTheCompletionToItsLastDay) {
  Prepare();
  const auto done = journal.When(Complete("2024-02-29"));
  ASSERT_THAT(done, IsDone());
  EXPECT_FALSE(CompetenceOn("2024-02-28").competent());
  EXPECT_TRUE(CompetenceOn("2024-02-29").competent());
  EXPECT_TRUE(CompetenceOn("2025-02-28").competent());
  EXPECT_FALSE(CompetenceOn("2025-03-01").competent());
  const common::v1::Competence competence = CompetenceOn("2024-06-01");
  EXPECT_EQ(competence.completion_id(), done->response.completion_id());
  EXPECT_EQ(competence.valid_to(), "2025-02-28");
  EXPECT_EQ(competence.practitioner_id(), kPractitioner);
  EXPECT_EQ(competence.capability(), kPhb);
  EXPECT_EQ(competence.date(), "2024-06-01");
  EXPECT_EQ(competence.position(), done->events.at(0).header().position());
}

TEST_F(TrainingTest, CompetenceIsOfThatPersonInThatCapability) {
  Prepare();
  ASSERT_THAT(journal.When(RegisterLearner("gp-ben")), IsDone());
  ASSERT_THAT(journal.When(Complete("2024-06-01")), IsDone());
  EXPECT_FALSE(CompetenceOn("2024-07-01", "SHARED_DECISION_MAKING").competent());
  EXPECT_FALSE(CompetenceOn("2024-07-01", kPhb, "gp-ben").competent());
  const common::v1::Competence unknown = CompetenceOn("2024-07-01", kPhb, "nobody");
  EXPECT_FALSE(unknown.competent());
  EXPECT_EQ(unknown.practitioner_id(), "nobody");
}

// INV-108: an ended certificate leaves the completion; of several, the one that lasts longest.
TEST_F(TrainingTest, CompetenceRestsOnTheCompletionThatLastsLongest) {
  Prepare();
  ASSERT_THAT(journal.When(RegisterCourse(2, 0)), IsDone());
  ASSERT_THAT(journal.When(Accredit("2024-01-01", "2024-12-31", "PCI-0099", 2)), IsDone());
  const auto early = journal.When(Complete("2024-01-10"));
  const auto late = journal.When(Complete("2024-03-10"));
  ASSERT_THAT(journal.When(Complete("2024-02-10")), IsDone());
  EXPECT_EQ(CompetenceOn("2024-01-20").completion_id(), early->response.completion_id());
  EXPECT_EQ(CompetenceOn("2024-04-01").completion_id(), late->response.completion_id());
  EXPECT_FALSE(CompetenceOn("2025-03-11").competent());
  EXPECT_THAT(journal.StateOf(learner_id)->learner().completions(), SizeIs(3));
  const auto forever = journal.When(Complete("2024-04-10", 2, "PCI-0099"));
  EXPECT_EQ(forever->response.valid_to(), "");
  EXPECT_EQ(CompetenceOn("2024-05-01").completion_id(), forever->response.completion_id());
  EXPECT_EQ(CompetenceOn("2024-05-01").valid_to(), "");
  EXPECT_TRUE(CompetenceOn("2035-01-01").competent());
}

TEST_F(TrainingTest, ShowsALearner) {
  v1::GetLearnerRequest request;
  request.set_practitioner_id(kPractitioner);
  EXPECT_THAT(journal.Ask(request), RefusedWith(StatusCode::kNotFound, "LEARNER_NOT_FOUND"));
  Prepare();
  ASSERT_THAT(journal.When(Complete("2024-06-01")), IsDone());
  const auto answer = journal.Ask(request);
  ASSERT_THAT(answer, IsDone());
  EXPECT_EQ(answer->learner().learner_id(), learner_id);
  EXPECT_EQ(answer->learner().version(), 3);
  EXPECT_EQ(answer->learner().occupation_code(), "OCCUPATIONAL_THERAPIST");
  EXPECT_THAT(answer->learner().employments(), SizeIs(1));
  EXPECT_THAT(answer->learner().completions(), SizeIs(1));
  EXPECT_EQ(answer->position(), 5);
}

TEST_F(TrainingTest, ListsCoursesByCodeAndVersion) {
  for (const auto& [code, version] :
       {std::pair("PHB", 10), std::pair("SDM", 1), std::pair("PHB", 2), std::pair("PHB-2", 1)}) {
    auto request = RegisterCourse(version);
    request.mutable_course()->set_course_code(code);
    ASSERT_THAT(journal.When(request), IsDone());
  }
  v1::ListCoursesRequest request;
  request.mutable_page()->set_page_size(3);
  std::vector<std::string> listed;
  for (;;) {
    const auto answer = journal.Ask(request);
    ASSERT_THAT(answer, IsDone());
    for (const v1::Course& course : answer->courses()) {
      listed.push_back(course.course_code() + " " + std::to_string(course.course_version()));
    }
    if (answer->next_page_token().empty()) break;
    request.mutable_page()->set_page_token(answer->next_page_token());
  }
  EXPECT_THAT(listed, ElementsAre("PHB 2", "PHB 10", "PHB-2 1", "SDM 1"));
}

}  // namespace
}  // namespace fettle::training
