// Goal: which organisations there are, on which days, and who stands in their place (INV-10).
// Method: given (events) / when (request) / then (events or refusal), line by line where a file is
// loaded.
#include "absl/strings/str_cat.h"
#include "services/person/domain/person_testing.h"

namespace fettle::person {
namespace {

using base::IsDone;
using base::RefusedField;

class OrganisationTest : public PersonTest {
 protected:
  static v1::Organisation& AddLine(v1::LoadOrganisationsRequest& load, const std::string& code,
                                   const std::string& start, const std::string& end) {
    v1::OrganisationLine& line = *load.add_lines();
    line.set_line(load.lines_size());
    *line.mutable_organisation() =
        Organisation(code, v1::ORGANISATION_KIND_GP_PRACTICE).organisation();
    line.mutable_organisation()->set_start_date(start);
    line.mutable_organisation()->set_end_date(end);
    return *line.mutable_organisation();
  }
  // Refused lines stand in the answer: the README's table has their reasons as those of the
  // command.
  auto Load(const v1::LoadOrganisationsRequest& load) {
    auto done = journal.When(load);
    if (!done.ok()) return done;
    for (const v1::LineRefusal& refusal : done->response.refusals()) {
      base::Observed::Get().refusals["LoadOrganisations"].insert(refusal.reason());
    }
    return done;
  }
  static void AddMembership(v1::LoadOrganisationsRequest& load, const std::string& code,
                            const std::string& network, const std::string& end) {
    v1::OrganisationLine& line = *load.add_lines();
    line.set_line(load.lines_size());
    line.mutable_membership()->set_ods_code(code);
    line.mutable_membership()->set_primary_care_network(network);
    line.mutable_membership()->set_start_date("2019-07-01");
    line.mutable_membership()->set_end_date(end);
  }
  static void AddSuccession(v1::LoadOrganisationsRequest& load, const std::string& code,
                            const std::string& successor) {
    v1::OrganisationLine& line = *load.add_lines();
    line.set_line(load.lines_size());
    line.mutable_succession()->set_ods_code(code);
    line.mutable_succession()->set_successor(successor);
  }
  static void AddPatientList(v1::LoadOrganisationsRequest& load, const std::string& code,
                             const std::string& date, int64_t patients) {
    v1::OrganisationLine& line = *load.add_lines();
    line.set_line(load.lines_size());
    line.mutable_patient_list()->set_ods_code(code);
    line.mutable_patient_list()->mutable_patient_list()->set_date(date);
    line.mutable_patient_list()->mutable_patient_list()->set_patients(patients);
  }
  std::string CurrentOf(const std::string& code) {
    v1::GetOrganisationRequest request;
    request.set_ods_code(code);
    auto answer = journal.Ask(request);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? answer->current_ods_code() : "";
  }
};

TEST_F(OrganisationTest, OrganisationsChangeAndTheSameAgainIsNoEvent) {
  v1::RegisterOrganisationRequest request =
      Organisation("A1001", v1::ORGANISATION_KIND_GP_PRACTICE);
  auto same = journal.When(request);
  ASSERT_THAT(same, IsDone());
  EXPECT_TRUE(same->events.empty());
  request.mutable_organisation()->set_end_date("2024-01-01");
  auto changed = journal.When(request);
  ASSERT_THAT(changed, IsDone());
  EXPECT_EQ(changed->events.size(), 1u);
  request.mutable_organisation()->set_end_date("2009-01-01");
  EXPECT_THAT(journal.When(request), RefusedField("organisation.end_date", "ENDS_BEFORE_START"));
  v1::RegisterOrganisationRequest orphan = Organisation("D4004", v1::ORGANISATION_KIND_OTHER);
  orphan.mutable_organisation()->set_icb("A1001");
  EXPECT_THAT(journal.When(orphan), RefusedField("organisation.icb", "ICB_NOT_KNOWN"));
}

TEST_F(OrganisationTest, AnOrganisationNamesOthersThatAreKnown) {
  v1::RegisterOrganisationRequest request = Organisation("B2002", v1::ORGANISATION_KIND_SITE);
  v1::Organisation& organisation = *request.mutable_organisation();
  organisation.set_parent("B2002");
  EXPECT_THAT(journal.When(request), RefusedField("organisation.parent", "PARENT_NOT_KNOWN"));
  organisation.set_parent("C3003");
  EXPECT_THAT(journal.When(request), RefusedField("organisation.parent", "PARENT_NOT_KNOWN"));
  organisation.set_parent("A1001");
  organisation.set_primary_care_network("A1001");
  EXPECT_THAT(journal.When(request),
              RefusedField("organisation.primary_care_network", "NETWORK_NOT_KNOWN"));
  organisation.clear_primary_care_network();
  organisation.add_successors("C3003");
  EXPECT_THAT(journal.When(request),
              RefusedField("organisation.successors", "SUCCESSOR_NOT_KNOWN"));
  organisation.set_successors(0, "A1001");
  EXPECT_THAT(journal.When(request), IsDone());
}

TEST_F(OrganisationTest, Inv10AClosedCodeLeadsToItsSuccessor) {  // INV-10
  v1::LoadOrganisationsRequest load;
  AddLine(load, "N1", "2024-04-01", "");
  AddLine(load, "M1", "2020-04-01", "2024-03-31");
  AddLine(load, "L1", "2010-04-01", "2020-03-31");
  AddLine(load, "D1", "2010-04-01", "2020-03-31");
  AddSuccession(load, "L1", "M1");
  AddSuccession(load, "M1", "N1");
  AddSuccession(load, "D1", "M1");
  AddSuccession(load, "D1", "N1");
  auto done = Load(load);
  ASSERT_THAT(done, IsDone());
  EXPECT_THAT(done->response.refusals(), testing::IsEmpty());
  EXPECT_EQ(CurrentOf("N1"), "N1");
  EXPECT_EQ(CurrentOf("L1"), "N1");
  EXPECT_EQ(CurrentOf("D1"), "") << "it was divided";
  // On a day of its own it stands for itself; later its successor of that day is named.
  v1::GetOrganisationRequest get;
  get.set_ods_code("L1");
  get.set_valid_on("2015-01-01");
  EXPECT_EQ(journal.Ask(get)->current_ods_code(), "L1");
  get.set_valid_on("2022-01-01");
  const auto refused = journal.Ask(get);
  EXPECT_EQ(base::ReasonOf(refused.status()), "ORGANISATION_NOT_VALID_ON_DATE");
  EXPECT_EQ(base::ErrorInfoOf(refused.status())->metadata().at("current_ods_code"), "M1");
}

TEST_F(OrganisationTest, ACircleOfSuccessorsLeadsToNobody) {
  v1::LoadOrganisationsRequest load;
  AddLine(load, "L1", "2010-04-01", "2020-03-31");
  AddLine(load, "M1", "2010-04-01", "2020-03-31");
  AddSuccession(load, "L1", "M1");
  AddSuccession(load, "M1", "L1");
  ASSERT_THAT(Load(load), IsDone());
  EXPECT_EQ(CurrentOf("L1"), "");
}

TEST_F(OrganisationTest, LinesAreTakenOneByOneAndTheSameAgainChangesNothing) {
  v1::LoadOrganisationsRequest load;
  AddLine(load, "U1001", "2019-07-01", "").set_kind(v1::ORGANISATION_KIND_PRIMARY_CARE_NETWORK);
  AddLine(load, "B2002", "2010-04-01", "");
  AddLine(load, "C3003", "2010-04-01", "2009-04-01");
  AddLine(load, "D4004", "2010-04-01", "").set_icb("QXX");
  v1::LoadOrganisationsRequest orphan;
  AddLine(orphan, "E5005", "2010-04-01", "").set_parent("F6006");
  EXPECT_EQ(Load(orphan)->response.refusals(0).reason(), "PARENT_NOT_KNOWN");
  AddMembership(load, "B2002", "U1001", "");
  AddMembership(load, "D4004", "U1001", "");
  AddMembership(load, "A1001", "U9999", "");
  load.add_lines()->set_line(99);
  AddSuccession(load, "B2002", "B2002");
  auto done = Load(load);
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->response.added(), 2);
  EXPECT_EQ(done->response.changed(), 0);
  EXPECT_EQ(done->events.size(), 2u) << "one event an organisation";
  std::vector<std::string> refused;
  for (const v1::LineRefusal& refusal : done->response.refusals()) {
    refused.push_back(absl::StrCat(refusal.line(), " ", refusal.field(), " ", refusal.reason()));
    EXPECT_NE(refusal.accepted(), "");
  }
  EXPECT_THAT(refused,
              testing::ElementsAre("3 end_date ENDS_BEFORE_START", "4 icb ICB_NOT_KNOWN",
                                   "6 ods_code ORGANISATION_NOT_KNOWN",
                                   "7 primary_care_network NETWORK_NOT_KNOWN", "99 fact LINE_EMPTY",
                                   "9 successors SUCCESSOR_NOT_KNOWN"));

  auto again = Load(load);
  ASSERT_THAT(again, IsDone());
  EXPECT_TRUE(again->events.empty());
  EXPECT_EQ(again->response.unchanged(), 3);

  // The file of practices says nothing of networks: what another file said stays.
  v1::LoadOrganisationsRequest practices;
  AddLine(practices, "B2002", "2010-04-01", "").set_name("A new name");
  auto changed = Load(practices);
  ASSERT_THAT(changed, IsDone());
  EXPECT_EQ(changed->response.changed(), 1);
  v1::GetOrganisationRequest get;
  get.set_ods_code("B2002");
  EXPECT_EQ(journal.Ask(get)->organisation().primary_care_network(), "U1001");
  EXPECT_EQ(journal.Ask(get)->organisation().name(), "A new name");

  // A membership of the past ends it, that of another network does not.
  v1::LoadOrganisationsRequest left;
  AddMembership(left, "B2002", "U1001", "2025-03-16");
  ASSERT_THAT(Load(left), IsDone());
  EXPECT_EQ(journal.Ask(get)->organisation().primary_care_network(), "");
}

TEST_F(OrganisationTest, OrganisationsAreListedByWhatTheyBelongTo) {
  v1::LoadOrganisationsRequest load;
  AddLine(load, "U1001", "2019-07-01", "").set_kind(v1::ORGANISATION_KIND_PRIMARY_CARE_NETWORK);
  AddLine(load, "B2002", "2010-04-01", "").set_parent("A1001");
  AddMembership(load, "B2002", "U1001", "");
  ASSERT_THAT(Load(load), IsDone());
  const auto listed = [&](const std::string& group) {
    v1::ListOrganisationsRequest request;
    request.set_member_of(group);
    std::vector<std::string> codes;
    const auto answer = journal.Ask(request);
    EXPECT_TRUE(answer.ok()) << answer.status();
    for (const auto& organisation : answer->organisations()) {
      codes.push_back(organisation.ods_code());
    }
    return codes;
  };
  EXPECT_THAT(listed("U1001"), testing::ElementsAre("B2002"));
  EXPECT_THAT(listed("A1001"), testing::ElementsAre("B2002"));
  EXPECT_THAT(listed("QWO"), testing::ElementsAre("A1001", "B2002", "U1001"));
}

// INV-42 needs how many are registered.
TEST_F(OrganisationTest, APracticeHasTheNewestPatientList) {
  v1::LoadOrganisationsRequest load;
  AddLine(load, "B2002", "2010-04-01", "");
  AddPatientList(load, "B2002", "2024-04-01", 3898);
  AddPatientList(load, "B2002", "2024-03-01", 3900);
  AddPatientList(load, "B2002", "2024-04-01", 3898);
  AddPatientList(load, "B9999", "2024-04-01", 1);
  AddPatientList(load, "QWO", "2024-04-01", 1);
  // The other files say nothing of it.
  AddLine(load, "B2002", "2010-05-01", "");
  AddPatientList(load, "B2002", "2052-04-01", 1);
  auto done = Load(load);
  ASSERT_THAT(done, IsDone());
  std::vector<std::string> refused;
  for (const v1::LineRefusal& refusal : done->response.refusals()) {
    refused.push_back(absl::StrCat(refusal.line(), " ", refusal.reason()));
  }
  EXPECT_THAT(refused, testing::ElementsAre("3 PATIENT_LIST_OUTDATED", "5 ORGANISATION_NOT_KNOWN",
                                            "6 NOT_A_PRACTICE", "8 DATE_IN_FUTURE"));
  EXPECT_EQ(done->response.unchanged(), 1);
  v1::GetOrganisationRequest get;
  get.set_ods_code("B2002");
  const auto practice = journal.Ask(get);
  ASSERT_TRUE(practice.ok()) << practice.status();
  EXPECT_EQ(practice->organisation().start_date(), "2010-05-01");
  EXPECT_EQ(practice->organisation().patient_list().date(), "2024-04-01");
  EXPECT_EQ(practice->organisation().patient_list().patients(), 3898);

  v1::RegisterOrganisationRequest other = Organisation("T0001", v1::ORGANISATION_KIND_NHS_TRUST);
  other.mutable_organisation()->mutable_patient_list()->set_date("2024-04-01");
  EXPECT_THAT(journal.When(other), RefusedField("organisation.patient_list", "NOT_A_PRACTICE"));
  other.mutable_organisation()->set_kind(v1::ORGANISATION_KIND_GP_PRACTICE);
  other.mutable_organisation()->mutable_patient_list()->set_date("2052-04-01");
  EXPECT_THAT(journal.When(other),
              RefusedField("organisation.patient_list.date", "DATE_IN_FUTURE"));

  // What is a practice no more has no list.
  v1::LoadOrganisationsRequest changed;
  AddLine(changed, "B2002", "2010-05-01", "").set_kind(v1::ORGANISATION_KIND_OTHER);
  done = Load(changed);
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->response.refusals_size(), 0);
  EXPECT_FALSE(journal.Ask(get)->organisation().has_patient_list());
}

TEST_F(OrganisationTest, AnOrganisationHasOnlySoManySuccessors) {
  v1::LoadOrganisationsRequest load;
  AddLine(load, "L1", "2010-04-01", "2020-03-31");
  for (int i = 0; i < 9; ++i) {
    AddLine(load, absl::StrCat("S0", i), "2020-04-01", "");
    AddSuccession(load, "L1", absl::StrCat("S0", i));
  }
  auto done = Load(load);
  ASSERT_THAT(done, IsDone());
  ASSERT_EQ(done->response.refusals_size(), 1);
  EXPECT_EQ(done->response.refusals(0).reason(), "TOO_MANY_SUCCESSORS");
}

}  // namespace
}  // namespace fettle::person
