// What the tests of training share: a journal with a learner, a course and a programme.
#ifndef FETTLE_SERVICES_TRAINING_DOMAIN_TRAINING_TESTING_H_
#define FETTLE_SERVICES_TRAINING_DOMAIN_TRAINING_TESTING_H_

#include <string>

#include "libs/base/decide_testing.h"
#include "services/training/domain/training_rules.h"

namespace fettle::training {

inline constexpr char kPractitioner[] = "ot-amara";
inline constexpr char kTrust[] = "RXX01";
inline constexpr char kIcb[] = "QAA";
inline constexpr char kPhb[] = "PERSONAL_HEALTH_BUDGETS";

inline v1::RegisterLearnerRequest RegisterLearner(const std::string& practitioner = kPractitioner) {
  v1::RegisterLearnerRequest request;
  request.set_practitioner_id(practitioner);
  request.set_occupation_code("OCCUPATIONAL_THERAPIST");
  return request;
}

inline v1::RecordEmploymentRequest Employ(const std::string& organisation, const std::string& from,
                                          const std::string& to = "") {
  v1::RecordEmploymentRequest request;
  request.set_practitioner_id(kPractitioner);
  request.mutable_employment()->set_organisation(organisation);
  request.mutable_employment()->set_start_date(from);
  request.mutable_employment()->set_end_date(to);
  return request;
}

inline v1::RegisterCourseRequest RegisterCourse(int version = 1, int validity_months = 12) {
  v1::RegisterCourseRequest request;
  request.mutable_course()->set_course_code("PHB_PRACTITIONER");
  request.mutable_course()->set_course_version(version);
  request.mutable_course()->set_title("Personal health budgets in practice");
  request.mutable_course()->add_capabilities(kPhb);
  request.mutable_course()->set_validity_months(validity_months);
  return request;
}

inline v1::AccreditProgrammeRequest Accredit(const std::string& from, const std::string& to,
                                             const std::string& programme = "PCI-0042",
                                             int course_version = 1) {
  v1::AccreditProgrammeRequest request;
  request.set_programme_code(programme);
  request.set_course_code("PHB_PRACTITIONER");
  request.set_course_version(course_version);
  request.set_provider("North School of Care");
  request.mutable_period()->set_start_date(from);
  request.mutable_period()->set_end_date(to);
  return request;
}

inline v1::RecordCompletionRequest Complete(const std::string& date, int course_version = 1,
                                            const std::string& programme = "PCI-0042") {
  v1::RecordCompletionRequest request;
  request.set_practitioner_id(kPractitioner);
  request.set_course_code("PHB_PRACTITIONER");
  request.set_course_version(course_version);
  request.set_programme_code(programme);
  request.set_completion_date(date);
  return request;
}

// Today is 17 March 2025. The trust stood from 2020 to 2024 and the practice stands since 2020.
class TrainingTest : public base::DomainTest<TrainingRules> {
 protected:
  TrainingTest() {
    journal.caller = {.subject = "trainer-1",
                      .is_service = false,
                      .organisation = kTrust,
                      .role = "trainer",
                      .purpose = "training"};
    journal.organisations[kTrust] = {kIcb, "2020-01-01", "2024-12-31"};
    journal.organisations["A1001"] = {"QBB", "2020-01-01", ""};
  }

  // A learner who works at the trust since 2021, and a programme accredited for 2024.
  void Prepare() {
    learner_id = journal.When(RegisterLearner())->response.learner_id();
    ASSERT_THAT(journal.When(Employ(kTrust, "2021-05-01")), base::IsDone());
    course_id = journal.When(RegisterCourse())->response.course_id();
    programme_id = journal.When(Accredit("2024-01-01", "2024-12-31"))->response.programme_id();
  }

  common::v1::Competence CompetenceOn(const std::string& date, const std::string& capability = kPhb,
                                      const std::string& practitioner = kPractitioner) {
    v1::GetCompetenceRequest request;
    request.set_practitioner_id(practitioner);
    request.set_capability(capability);
    request.set_date(date);
    const auto answer = journal.Ask(request);
    EXPECT_THAT(answer, base::IsDone());
    return answer.ok() ? answer->competence() : common::v1::Competence();
  }

  std::string learner_id, course_id, programme_id;
};

}  // namespace fettle::training

#endif  // FETTLE_SERVICES_TRAINING_DOMAIN_TRAINING_TESTING_H_
