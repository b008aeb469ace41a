#include "libs/base/readme_testing.h"
#include "services/training/domain/training_testing.h"

namespace fettle::training {
namespace {

using absl::StatusCode;
using base::IsDone;
using base::RefusedField;
using base::RefusedWith;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const auto* const kReadme =
    base::CheckReadme(FETTLE_README, FETTLE_PROTO, "fettle.training.v1.TrainingService");

TEST_F(TrainingTest, RegistersALearnerOnce) {
  const auto done = journal.When(RegisterLearner());
  ASSERT_THAT(done, IsDone());
  ASSERT_THAT(done->events, SizeIs(1));
  EXPECT_EQ(done->events[0].learner_registered().practitioner_id(), kPractitioner);
  EXPECT_EQ(done->events[0].header().stream_id(), done->response.learner_id());
  const auto again = journal.When(RegisterLearner());
  EXPECT_THAT(again, RefusedWith(StatusCode::kAlreadyExists, "LEARNER_ALREADY_REGISTERED"));
  EXPECT_EQ(base::ErrorInfoOf(again.status())->metadata().at("learner_id"),
            done->response.learner_id());
  EXPECT_THAT(journal.When(RegisterLearner("gp-ben")), IsDone());
}

TEST_F(TrainingTest, RecordsWhereALearnerWorks) {
  learner_id = journal.When(RegisterLearner())->response.learner_id();
  const auto done = journal.When(Employ(kTrust, "2021-05-01"));
  ASSERT_THAT(done, IsDone());
  const v1::EmploymentRecorded& recorded = done->events.at(0).employment_recorded();
  EXPECT_EQ(recorded.organisation().icb(), kIcb);
  EXPECT_EQ(recorded.organisation().date(), "2021-05-01");
  EXPECT_THAT(journal.When(Employ(kTrust, "2021-05-01"))->events, IsEmpty());
  EXPECT_THAT(journal.When(Employ(kTrust, "2021-05-01", "2023-01-31")), IsDone());
  EXPECT_THAT(journal.When(Employ(kTrust, "2023-02-01")), IsDone());
  EXPECT_THAT(journal.When(Employ("A1001", "2022-01-01")), IsDone());
  EXPECT_THAT(journal.StateOf(learner_id)->learner().employments(), SizeIs(3));
  EXPECT_EQ(journal.StateOf(learner_id)->learner().employments(0).end_date(), "2023-01-31");
}

// INV-10: the organisation is known and stood on the first day.
TEST_F(TrainingTest, RefusesAnEmploymentThatCannotBe) {
  EXPECT_THAT(journal.When(Employ(kTrust, "2021-05-01")),
              RefusedWith(StatusCode::kNotFound, "LEARNER_NOT_FOUND"));
  learner_id = journal.When(RegisterLearner())->response.learner_id();
  EXPECT_THAT(journal.When(Employ(kTrust, "2021-05-01", "2021-04-30")),
              RefusedField("employment.end_date", "EMPLOYMENT_ENDS_BEFORE_START"));
  EXPECT_THAT(journal.When(Employ("ZZ999", "2021-05-01")),
              RefusedWith(StatusCode::kFailedPrecondition, "ORGANISATION_NOT_KNOWN"));
  EXPECT_THAT(journal.When(Employ(kTrust, "2025-01-01")),
              RefusedWith(StatusCode::kFailedPrecondition, "ORGANISATION_NOT_VALID_ON_DATE"));
  ASSERT_THAT(journal.When(Employ(kTrust, "2021-05-01", "2021-06-30")), IsDone());
  for (const auto& [from, to] :
       {std::pair("2021-06-30", ""), std::pair("2021-04-01", "2021-05-01"),
        std::pair("2021-05-02", "2021-05-03"), std::pair("2021-04-01", "")}) {
    EXPECT_THAT(journal.When(Employ(kTrust, from, to)),
                RefusedWith(StatusCode::kFailedPrecondition, "EMPLOYMENT_OVERLAPS"))
        << from << " to " << to;
  }
  EXPECT_THAT(journal.When(Employ(kTrust, "2021-07-01")), IsDone());
  EXPECT_EQ(journal.VersionOf(learner_id), 3);
  journal.tamper = [](base::Evidence& evidence) { evidence.organisations.clear(); };
  EXPECT_THAT(journal.When(Employ("A1001", "2021-05-01")),
              RefusedWith(StatusCode::kAborted, "EVIDENCE_STALE"));
}

TEST_F(TrainingTest, RegistersEachVersionOfACourseOnce) {
  const auto done = journal.When(RegisterCourse());
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->events.at(0).course_registered().course().validity_months(), 12);
  EXPECT_THAT(journal.When(RegisterCourse()),
              RefusedWith(StatusCode::kAlreadyExists, "COURSE_ALREADY_REGISTERED"));
  EXPECT_THAT(journal.When(RegisterCourse(2)), IsDone());
}

// INV-104: accreditation belongs to one programme; a provider's other programmes do not inherit it.
TEST_F(TrainingTest, AccreditsAProgrammeForPeriods) {
  EXPECT_THAT(journal.When(Accredit("2024-01-01", "2024-12-31")),
              RefusedWith(StatusCode::kNotFound, "COURSE_NOT_FOUND"));
  ASSERT_THAT(journal.When(RegisterCourse(1)), IsDone());
  ASSERT_THAT(journal.When(RegisterCourse(2)), IsDone());
  EXPECT_THAT(journal.When(Accredit("2024-01-01", "2023-12-31")),
              RefusedField("period.end_date", "ACCREDITATION_ENDS_BEFORE_START"));
  const auto done = journal.When(Accredit("2024-01-01", "2024-12-31"));
  ASSERT_THAT(done, IsDone());
  const std::string id = done->response.programme_id();
  EXPECT_THAT(journal.When(Accredit("2024-01-01", "2024-12-31"))->events, IsEmpty());
  EXPECT_EQ(journal.When(Accredit("2025-01-01", "2025-12-31"))->response.programme_id(), id);
  EXPECT_THAT(journal.StateOf(id)->programme().periods(), SizeIs(2));

  EXPECT_THAT(journal.When(Accredit("2024-01-01", "2024-12-31", "PCI-0042", 2)),
              RefusedWith(StatusCode::kFailedPrecondition, "PROGRAMME_IS_ANOTHER"));
  auto other_provider = Accredit("2024-01-01", "2024-12-31");
  other_provider.set_provider("South School of Care");
  EXPECT_THAT(journal.When(other_provider),
              RefusedWith(StatusCode::kFailedPrecondition, "PROGRAMME_IS_ANOTHER"));

  learner_id = journal.When(RegisterLearner())->response.learner_id();
  ASSERT_THAT(journal.When(Employ(kTrust, "2021-05-01")), IsDone());
  ASSERT_THAT(journal.When(Accredit("2023-01-01", "2023-12-31", "PCI-0043")), IsDone());
  EXPECT_THAT(journal.When(Complete("2024-06-01", 1, "PCI-0043")),
              RefusedWith(StatusCode::kFailedPrecondition, "PROGRAMME_NOT_ACCREDITED_ON_DATE"));
}

TEST_F(TrainingTest, RecordsACompletionWithAllThatItRestsOn) {
  Prepare();
  const auto done = journal.When(Complete("2024-06-01"));
  ASSERT_THAT(done, IsDone());
  ASSERT_THAT(done->events, SizeIs(1));
  EXPECT_EQ(done->events[0].header().stream_id(), learner_id);
  const v1::CompletionRecorded& recorded = done->events[0].completion_recorded();
  EXPECT_EQ(recorded.practitioner_id(), kPractitioner);
  const v1::Completion& completion = recorded.completion();
  EXPECT_EQ(completion.completion_id(), done->response.completion_id());
  EXPECT_THAT(completion.capabilities(), ElementsAre(kPhb));
  EXPECT_EQ(completion.valid_to(), "2025-06-01");
  EXPECT_EQ(done->response.valid_to(), "2025-06-01");
  EXPECT_EQ(completion.accreditation().end_date(), "2024-12-31");
  ASSERT_THAT(completion.organisations(), SizeIs(1));
  EXPECT_EQ(completion.organisations(0).ods_code(), kTrust);
  EXPECT_EQ(completion.organisations(0).icb(), kIcb);
  EXPECT_EQ(completion.organisations(0).date(), "2024-06-01");
}

// INV-103: it counts only if the programme was accredited on that day; a later lapse leaves it.
TEST_F(TrainingTest, CountsOnlyCompletionsOfAccreditedDays) {
  Prepare();
  for (const char* date : {"2023-12-31", "2025-01-01"}) {
    EXPECT_THAT(journal.When(Complete(date)),
                RefusedWith(StatusCode::kFailedPrecondition, "PROGRAMME_NOT_ACCREDITED_ON_DATE"));
  }
  EXPECT_THAT(journal.When(Complete("2024-01-01")), IsDone());
  EXPECT_THAT(journal.When(Complete("2024-12-31")), IsDone());
  ASSERT_GT(journal.today(), "2024-12-31");
  EXPECT_THAT(journal.StateOf(learner_id)->learner().completions(), SizeIs(2));
  EXPECT_TRUE(CompetenceOn(journal.today()).competent());
}

// INV-107: (learner, course version, date) is unique; sending a file again leaves all counts.
TEST_F(TrainingTest, TheSameCompletionAgainChangesNothing) {
  Prepare();
  ASSERT_THAT(journal.When(Accredit("2024-01-01", "2024-12-31", "PCI-0043")), IsDone());
  const auto first = journal.When(Complete("2024-06-01"));
  ASSERT_THAT(first, IsDone());
  for (const char* programme : {"PCI-0042", "PCI-0043", "PCI-0042"}) {
    const auto again = journal.When(Complete("2024-06-01", 1, programme));
    ASSERT_THAT(again, IsDone());
    EXPECT_THAT(again->events, IsEmpty());
    EXPECT_EQ(again->response.completion_id(), first->response.completion_id());
    EXPECT_EQ(again->response.valid_to(), first->response.valid_to());
  }
  EXPECT_THAT(journal.When(Complete("2024-06-02"))->events, SizeIs(1));
  EXPECT_THAT(journal.StateOf(learner_id)->learner().completions(), SizeIs(2));
}

// INV-112: a completion is the organisation's of that day; later moves do not rewrite it.
TEST_F(TrainingTest, AttributesACompletionToTheOrganisationOfThatDay) {
  Prepare();
  ASSERT_THAT(journal.When(Employ(kTrust, "2021-05-01", "2024-06-30")), IsDone());
  ASSERT_THAT(journal.When(Employ("A1001", "2024-06-15")), IsDone());
  const auto organisations = [&](const char* date) {
    const auto done = journal.When(Complete(date));
    EXPECT_THAT(done, IsDone());
    std::vector<std::string> codes;
    for (const auto& fact : done->events.at(0).completion_recorded().completion().organisations()) {
      codes.push_back(fact.ods_code() + " of " + fact.icb());
    }
    return codes;
  };
  EXPECT_THAT(organisations("2024-06-14"), ElementsAre("RXX01 of QAA"));
  EXPECT_THAT(organisations("2024-06-20"), ElementsAre("RXX01 of QAA", "A1001 of QBB"));
  EXPECT_THAT(organisations("2024-07-01"), ElementsAre("A1001 of QBB"));

  const v1::LearnerRecord before = journal.StateOf(learner_id)->learner();
  journal.organisations[kTrust].icb = "QCC";
  ASSERT_THAT(journal.When(Employ(kTrust, "2021-05-01", "2021-05-01")), IsDone());
  const v1::LearnerRecord& after = journal.StateOf(learner_id)->learner();
  for (int i = 0; i < before.completions_size(); ++i) {
    EXPECT_EQ(after.completions(i).SerializeAsString(), before.completions(i).SerializeAsString());
  }
  EXPECT_THAT(journal.When(Complete("2024-06-10")),
              RefusedWith(StatusCode::kFailedPrecondition, "LEARNER_WITHOUT_ORGANISATION"));
}

TEST_F(TrainingTest, RefusesACompletionThatCannotBe) {
  EXPECT_THAT(journal.When(Complete("2024-06-01")),
              RefusedWith(StatusCode::kNotFound, "LEARNER_NOT_FOUND"));
  learner_id = journal.When(RegisterLearner())->response.learner_id();
  EXPECT_THAT(journal.When(Complete("2024-06-01")),
              RefusedWith(StatusCode::kNotFound, "COURSE_NOT_FOUND"));
  ASSERT_THAT(journal.When(RegisterCourse(1)), IsDone());
  ASSERT_THAT(journal.When(RegisterCourse(2)), IsDone());
  EXPECT_THAT(journal.When(Complete("2024-06-01")),
              RefusedWith(StatusCode::kNotFound, "PROGRAMME_NOT_FOUND"));
  ASSERT_THAT(journal.When(Accredit("2024-01-01", "2030-12-31")), IsDone());
  EXPECT_THAT(journal.When(Complete("2024-06-01", 2)),
              RefusedWith(StatusCode::kFailedPrecondition, "PROGRAMME_IS_ANOTHER"));
  EXPECT_THAT(journal.When(Complete("2025-03-18")),
              RefusedField("completion_date", "DATE_IN_FUTURE"));
  EXPECT_THAT(journal.When(Complete("2024-06-01")),
              RefusedWith(StatusCode::kFailedPrecondition, "LEARNER_WITHOUT_ORGANISATION"));
  ASSERT_THAT(journal.When(Employ(kTrust, "2021-05-01")), IsDone());
  journal.tamper = [](base::Evidence& evidence) { evidence.organisations.clear(); };
  EXPECT_THAT(journal.When(Complete("2024-06-01")),
              RefusedWith(StatusCode::kAborted, "EVIDENCE_STALE"));
  journal.tamper = nullptr;
  EXPECT_THAT(journal.When(Complete("2025-03-17")), IsDone());
}

TEST_F(TrainingTest, RecordsHaveLimits) {
  Prepare();
  v1::TrainingState learner = *journal.StateOf(learner_id);
  while (learner.learner().employments_size() < kEmploymentsMax) {
    *learner.mutable_learner()->add_employments() =
        Employ("A1001", "2020-01-01", "2020-01-01").employment();
  }
  while (learner.learner().completions_size() < kCompletionsMax) {
    learner.mutable_learner()->add_completions();
  }
  journal.GivenState(learner_id, learner);
  EXPECT_THAT(journal.When(Employ("A1001", "2022-01-01")),
              RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_RECORDS"));
  EXPECT_THAT(journal.When(Employ(kTrust, "2021-05-01", "2024-12-31")), IsDone());
  EXPECT_THAT(journal.When(Complete("2024-06-01")),
              RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_RECORDS"));
  v1::TrainingState programme = *journal.StateOf(programme_id);
  while (programme.programme().periods_size() < kAccreditationPeriodsMax) {
    programme.mutable_programme()->add_periods();
  }
  journal.GivenState(programme_id, programme);
  EXPECT_THAT(journal.When(Accredit("2026-01-01", "2026-12-31")),
              RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_RECORDS"));
}

}  // namespace
}  // namespace fettle::training
