#include "libs/base/decide.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "libs/base/status.h"

namespace fettle::base {
namespace {

constexpr char kPerson[] = "0196d5a0-0000-7000-8000-000000000001";
constexpr char kOther[] = "0196d5a0-0000-7000-8000-000000000002";

// Lists of parts that could be taken for one another when joined carelessly.
TEST(KeyTest, DifferentPartsGiveDifferentBytes) {
  const std::string long_part(300, 'x');
  const std::vector<std::string> keys = {
      Key({}),
      Key({""}),
      Key({"", ""}),
      Key({"ab"}),
      Key({"a", "b"}),
      Key({"b", "a"}),
      Key({"ab", ""}),
      Key({"", "ab"}),
      Key({std::string_view("\x02", 1), "a"}),
      Key({std::string_view("\x02\x02", 2)}),
      Key({kPerson}),
      Key({kOther}),
      Key({UuidToBytes(kPerson)}),
      Key({kPerson, kOther}),
      Key({kOther, kPerson}),
      Key({long_part}),
      Key({long_part, ""}),
      Key({long_part.substr(1), "x"}),
  };
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), keys.size());
}

TEST(KeyTest, PacksUuidsWhateverTheirCase) {
  EXPECT_EQ(Key({kPerson}).size(), 17u);
  EXPECT_EQ(Key({"ABCDEFAB-0000-7000-8000-00000000000A"}),
            Key({"abcdefab-0000-7000-8000-00000000000a"}));
}

TEST(ViewTest, FindsWhatReadsNamed) {
  View view;
  view.Put(kPerson,
           {.version = 3, .position = 9, .state = std::make_shared<common::v1::PersonContext>()});
  view.Put(kOther, {});
  view.PutHolder(1, "held", kPerson);
  view.PutHolder(1, "free", std::nullopt);
  ASSERT_NE(view.Find(kPerson), nullptr);
  EXPECT_EQ(view.Find(kPerson)->version, 3);
  EXPECT_NE(view.StateOf<common::v1::PersonContext>(kPerson), nullptr);
  EXPECT_EQ(view.Find(kOther), nullptr);
  EXPECT_EQ(view.StateOf<common::v1::PersonContext>(kOther), nullptr);
  EXPECT_EQ(view.Holder(1, "held"), kPerson);
  EXPECT_EQ(view.Holder(1, "free"), std::nullopt);
}

// A rule that looks at what was not loaded would be wrong under concurrency: the process stops.
TEST(ViewDeathTest, StopsAtWhatReadsDidNotName) {
  View view;
  view.PutHolder(1, "named", std::nullopt);
  EXPECT_DEATH(view.Find(kPerson), "reads");
  EXPECT_DEATH(view.Holder(1, "other"), "reads");
  EXPECT_DEATH(view.Holder(2, "named"), "reads");
}

TEST(ViewTest, ProbingViewRemembersThatItWasAsked) {
  const View by_stream = View::Probing();
  EXPECT_FALSE(by_stream.missed());
  EXPECT_EQ(by_stream.Find(kPerson), nullptr);
  EXPECT_TRUE(by_stream.missed());
  // reads() that waits for what it depends on asks whether it was read.
  const View by_asking = View::Probing();
  EXPECT_FALSE(by_asking.Has("0196d5a0-0001-7000-8000-000000000001"));
  EXPECT_TRUE(by_asking.missed());
  const View by_asking_for_a_key = View::Probing();
  EXPECT_FALSE(by_asking_for_a_key.HasKey(1, "key"));
  EXPECT_TRUE(by_asking_for_a_key.missed());
  const View by_key = View::Probing();
  EXPECT_EQ(by_key.Holder(1, "key"), std::nullopt);
  EXPECT_TRUE(by_key.missed());
}

class EvidenceTest : public ::testing::Test {
 protected:
  EvidenceTest() {
    questions_.people = {kPerson};
    questions_.competences = {{"worker", "PERSONAL_HEALTH_BUDGETS", "2025-03-01"}};
    questions_.organisations = {{"A1001", "2025-03-01"}};
    questions_.seal_for = kPerson;
    evidence_.people[kPerson] = PersonContext(kPerson);
    evidence_.competences[questions_.competences[0]];
    evidence_.organisations[questions_.organisations[0]] =
        std::make_shared<common::v1::OrganisationFact>();
    evidence_.has_words = true;
    evidence_.sealed_for = kPerson;
  }
  static std::shared_ptr<const common::v1::PersonContext> PersonContext(const std::string& id) {
    const auto context = std::make_shared<common::v1::PersonContext>();
    context->set_person_id(id);
    return context;
  }
  std::string Reason() const { return ReasonOf(CheckEvidence(questions_, evidence_)); }

  Questions questions_;
  Evidence evidence_;
};

TEST_F(EvidenceTest, AnswersAllQuestions) {
  EXPECT_TRUE(CheckEvidence(questions_, evidence_).ok());
  EXPECT_TRUE(CheckEvidence({}, {}).ok());
}

TEST_F(EvidenceTest, AboutSomethingElseIsStale) {
  const Evidence good = evidence_;
  questions_.people = {kOther};
  EXPECT_EQ(Reason(), "EVIDENCE_STALE");
  EXPECT_EQ(CheckEvidence(questions_, evidence_).code(), absl::StatusCode::kAborted);
  questions_.people = {kPerson};
  evidence_.people[kPerson] = PersonContext(kOther);
  EXPECT_EQ(Reason(), "EVIDENCE_STALE");
  evidence_ = good;
  questions_.competences[0].date = "2025-03-02";
  EXPECT_EQ(Reason(), "EVIDENCE_STALE");
  questions_.competences[0].date = "2025-03-01";
  questions_.organisations[0].ods_code = "A1002";
  EXPECT_EQ(Reason(), "EVIDENCE_STALE");
  questions_.organisations[0].ods_code = "A1001";
  evidence_.sealed_for = kOther;
  EXPECT_EQ(Reason(), "EVIDENCE_STALE");
  evidence_.sealed_for = kPerson;
  questions_.seal_for = "";
  EXPECT_EQ(Reason(), "EVIDENCE_STALE");
}

TEST_F(EvidenceTest, NothingIsSealedForARequestWithoutWords) {
  evidence_.has_words = false;
  evidence_.sealed_for = "";
  EXPECT_EQ(Reason(), "");
}

TEST_F(EvidenceTest, WordsThatWereNotSealedAreStale) {
  evidence_.sealed_for = "";
  EXPECT_EQ(Reason(), "EVIDENCE_STALE");
}

}  // namespace
}  // namespace fettle::base
