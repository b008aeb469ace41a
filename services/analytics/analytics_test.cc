// Goal: the measures of a small cohort are those worked out by hand, in whatever order and however
// often its events come. Method: events as the services publish them, through the consumer, from
// feeds that are vectors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/journal/consumer.h"
#include "libs/journal/inbox_testing.h"
#include "services/analytics/analytics_service.h"
#include "services/analytics/domain/disclosure_testing.h"
#include "services/analytics/domain/small_numbers.h"
#include "services/analytics/figures.h"
#include "services/analytics/projection.h"

namespace fettle::analytics {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Published {
  std::string stream;
  int64_t position;
  std::string value;
};

// Journals of the four services, as they would publish.
class Journals {
 public:
  template <class Event>
  Event& Add(const std::string& service, const std::string& stream, const std::string& time,
             const std::string& type, const std::string& correlation, Event& event) {
    std::vector<Published>& journal = journals[service];
    common::v1::EventHeader& header = *event.mutable_header();
    header.set_source("urn:fettle:" + service + ":main");
    header.set_position(static_cast<int64_t>(journal.size()) + 1);
    header.set_previous_position(last_[service + stream]);
    header.set_stream_id(stream);
    header.set_type("uk.nhs.fettle." + service + "." + type + ".v1");
    header.set_correlation_id(correlation);
    header.set_id(service + ".main." + std::to_string(header.position()));
    header.mutable_time()->set_seconds(absl::ToUnixSeconds(base::ParseInstant(time).value()));
    last_[service + stream] = header.position();
    journal.push_back({stream, header.position(), event.SerializeAsString()});
    return event;
  }

  void Refer(const std::string& id, const std::string& person, const std::string& icb,
             const std::string& received) {
    referral::v1::ReferralEvent event;
    event.mutable_header()->add_subjects(person);
    event.mutable_referral_submitted()->set_person_id(person);
    event.mutable_referral_submitted()->mutable_person()->set_icb(icb);
    Add("referral", id, received + "T12:00:00Z", "ReferralSubmitted", "journey-" + id, event);
  }
  void Contact(const std::string& id, const std::string& person, const std::string& icb,
               const std::string& date) {
    referral::v1::ReferralEvent started;
    started.mutable_referral_started()->set_first_contact_date(date);
    Add("referral", id, date + "T15:00:00Z", "ReferralStarted", "journey-" + id, started);
    referral::v1::ReferralEvent event;
    event.mutable_social_prescribing_counted()->set_snomed_code("871731000000106");
    event.mutable_social_prescribing_counted()->set_person_id(person);
    event.mutable_social_prescribing_counted()->set_icb(icb);
    event.mutable_social_prescribing_counted()->set_date(date);
    Add("referral", id, date + "T15:00:00Z", "SocialPrescribingCounted", "journey-" + id, event);
  }
  void Reject(const std::string& id, const std::string& date) {
    referral::v1::ReferralEvent event;
    event.mutable_referral_rejected()->set_reason_code("OUT_OF_AREA");
    Add("referral", id, date + "T15:00:00Z", "ReferralRejected", "journey-" + id, event);
  }
  void Decline(const std::string& id, const std::string& person, const std::string& icb,
               const std::string& date) {
    referral::v1::ReferralEvent event;
    event.mutable_referral_declined()->set_decision_date(date);
    Add("referral", id, date + "T15:00:00Z", "ReferralDeclined", "journey-" + id, event);
    referral::v1::ReferralEvent code;
    auto& declined = *code.mutable_social_prescribing_declined();
    declined.set_snomed_code("871711000000103");
    declined.set_person_id(person);
    declined.set_icb(icb);
    declined.set_date(date);
    Add("referral", id, date + "T15:00:00Z", "SocialPrescribingDeclined", "journey-" + id, code);
  }
  // Takes a refusal back too.
  void MarkInError(const std::string& id, const std::string& date) {
    referral::v1::ReferralEvent event;
    event.mutable_referral_entered_in_error()->set_reason_code("DUPLICATE");
    Add("referral", id, date + "T16:00:00Z", "ReferralEnteredInError", "journey-" + id, event);
    referral::v1::ReferralEvent code;
    code.mutable_social_prescribing_retracted()->set_snomed_code("871711000000103");
    Add("referral", id, date + "T16:00:00Z", "SocialPrescribingRetracted", "journey-" + id, code);
  }
  void Plan(const std::string& id, bool is_pcsp, const std::string& date) {
    referral::v1::ReferralEvent event;
    event.mutable_care_plan_recorded()->set_is_pcsp(is_pcsp);
    event.mutable_care_plan_recorded()->mutable_plan()->mutable_criteria()->set_date(date);
    Add("referral", id, date + "T15:00:00Z", "CarePlanRecorded", "journey-" + id, event);
  }
  void Review(const std::string& id, const std::string& date) {
    referral::v1::ReferralEvent event;
    event.mutable_care_plan_reviewed()->mutable_review()->set_date(date);
    Add("referral", id, date + "T15:00:00Z", "CarePlanReviewed", "journey-" + id, event);
  }
  void RequestBudget(const std::string& id, const std::string& person, const std::string& icb,
                     const std::string& date) {
    budget::v1::BudgetEvent event;
    event.mutable_budget_requested()->set_person_id(person);
    event.mutable_budget_requested()->set_icb(icb);
    Add("budget", id, date + "T09:00:00Z", "BudgetRequested", "journey-" + id, event);
  }
  void Transact(const std::string& budget, budget::v1::TransactionKind kind, int64_t pence,
                const std::string& date,
                budget::v1::TransactionKind reversed = budget::v1::TRANSACTION_KIND_UNSPECIFIED) {
    budget::v1::BudgetEvent event;
    budget::v1::LedgerTransaction& transaction =
        kind == budget::v1::TRANSACTION_KIND_ALLOCATION
            ? *event.mutable_budget_approved()->mutable_transaction()
        : kind == budget::v1::TRANSACTION_KIND_PAYMENT
            ? *event.mutable_spend_paid()->mutable_transaction()
        : kind == budget::v1::TRANSACTION_KIND_COMMITMENT
            ? *event.mutable_spend_committed()->mutable_transaction()
            : *event.mutable_transaction_reversed()->mutable_transaction();
    transaction.set_transaction_id("t-" + std::to_string(++transactions_));
    transaction.set_budget_id(budget);
    transaction.set_kind(kind);
    transaction.set_amount_pence(pence);
    transaction.set_date(date);
    transaction.set_reversed_kind(reversed);
    Add("budget", budget, date + "T10:00:00Z", "Moved", "journey-" + budget, event);
  }
  void Activate(const std::string& id, const std::string& date) {
    budget::v1::BudgetEvent event;
    event.mutable_budget_activated()->set_start_date(date);
    Add("budget", id, date + "T11:00:00Z", "BudgetActivated", "journey-" + id, event);
  }
  void Complete(const std::string& practitioner, const std::string& completion,
                const std::vector<std::string>& icbs, const std::string& date) {
    training::v1::TrainingEvent event;
    event.mutable_completion_recorded()->set_practitioner_id(practitioner);
    auto& recorded = *event.mutable_completion_recorded()->mutable_completion();
    recorded.set_completion_id(completion);
    recorded.set_completion_date(date);
    for (const std::string& icb : icbs) recorded.add_organisations()->set_icb(icb);
    Add("training", practitioner, date + "T10:00:00Z", "CompletionRecorded", "", event);
  }
  void Merge(const std::string& person, const std::string& survivor) {
    person::v1::PersonEvent event;
    event.mutable_person_superseded()->set_surviving_person_id(survivor);
    Add("person", person, "2026-05-01T10:00:00Z", "PersonSuperseded", "", event);
  }
  void ListPatients(const std::string& practice, const std::string& icb, const std::string& date,
                    int64_t patients, const std::string& end_date = "") {
    person::v1::PersonEvent event;
    auto& organisation = *event.mutable_organisation_updated()->mutable_organisation();
    organisation.set_ods_code(practice);
    organisation.set_kind(person::v1::ORGANISATION_KIND_GP_PRACTICE);
    organisation.set_icb(icb);
    organisation.set_end_date(end_date);
    organisation.mutable_patient_list()->set_date(date);
    organisation.mutable_patient_list()->set_patients(patients);
    Add("person", "org-" + practice, date + "T10:00:00Z", "OrganisationUpdated", "", event);
  }
  void CloseAsPractice(const std::string& code) {
    person::v1::PersonEvent event;
    auto& organisation = *event.mutable_organisation_updated()->mutable_organisation();
    organisation.set_ods_code(code);
    organisation.set_kind(person::v1::ORGANISATION_KIND_OTHER);
    Add("person", "org-" + code, "2026-05-01T10:00:00Z", "OrganisationUpdated", "", event);
  }
  void RegisterIcb(const std::string& code) {
    person::v1::PersonEvent event;
    auto& organisation = *event.mutable_organisation_registered()->mutable_organisation();
    organisation.set_ods_code(code);
    organisation.set_kind(person::v1::ORGANISATION_KIND_ICB);
    Add("person", "org-" + code, "2026-01-01T10:00:00Z", "OrganisationRegistered", "", event);
  }

  int64_t size() const {
    int64_t size = 0;
    for (const auto& [service, journal] : journals) size += static_cast<int64_t>(journal.size());
    return size;
  }

  std::map<std::string, std::vector<Published>> journals;

 private:
  std::map<std::string, int64_t> last_;
  int transactions_ = 0;
};

// QAA: 9 people, waits of 1 to 9 days in March, one of them referred again in April; 8 budgets.
// QBB: 3 people, none seen yet. One referral without an ICB. QCC exists and has nothing.
Journals Cohort() {
  Journals all;
  all.RegisterIcb("QAA");
  all.RegisterIcb("QBB");
  all.RegisterIcb("QCC");
  for (int i = 1; i <= 9; ++i) {
    const std::string person = "p" + std::to_string(i);
    const std::string referral = "r" + std::to_string(i);
    all.Refer(referral, person, "QAA", "2026-03-01");
    all.Contact(referral, person, "QAA", base::AddDays("2026-03-01", i));
  }
  all.Refer("r1-again", "p1", "QAA", "2026-04-10");
  all.Contact("r1-again", "p1", "QAA", "2026-04-20");
  for (int i = 1; i <= 3; ++i) {
    all.Refer("s" + std::to_string(i), "q" + std::to_string(i), "QBB", "2026-03-15");
  }
  all.Reject("s3", "2026-03-16");
  all.Refer("u1", "q4", "", "2026-03-20");
  all.Contact("u1", "q4", "", "2026-03-22");

  using namespace budget::v1;
  for (int i = 1; i <= 8; ++i) {
    const std::string id = "b" + std::to_string(i);
    all.RequestBudget(id, "p" + std::to_string(i), "QAA", "2026-03-01");
    all.Transact(id, TRANSACTION_KIND_ALLOCATION, 100'00, "2026-03-02");
    all.Activate(id, "2026-03-03");
    all.Transact(id, TRANSACTION_KIND_COMMITMENT, 50'00, "2026-03-04");
    all.Transact(id, TRANSACTION_KIND_PAYMENT, 40'00, "2026-03-05");
  }
  all.Transact("b1", TRANSACTION_KIND_PAYMENT, 5'00, "2026-04-05");
  all.Transact("b1", TRANSACTION_KIND_REVERSAL, 5'00, "2026-04-06", TRANSACTION_KIND_PAYMENT);
  all.Transact("b1", TRANSACTION_KIND_REVERSAL, 7'00, "2026-04-06", TRANSACTION_KIND_COMMITMENT);
  all.RequestBudget("b9", "p9", "QBB", "2026-03-01");

  for (int i = 1; i <= 13; ++i) {
    const std::string number = std::to_string(i);
    all.Complete("l" + number, "c" + number, {i == 13 ? "QBB" : "QAA"}, "2026-03-10");
  }
  all.Complete("l1", "c1-again", {"QAA", "QBB"}, "2026-04-10");
  return all;
}

class AnalyticsTest : public ::testing::Test {
 protected:
  // Takes all of it; `orders` says in which order and how often each journal's events come.
  void Take(const Journals& all, bool from_nothing = false,
            std::function<void(std::vector<Published>&)> order = nullptr) {
    Close();
    projection_ = std::make_unique<Projection>();
    journal::ConsumerOptions options;
    options.database_path = folder_.File("figures.db");
    options.kafka = "none";
    options.topics = {kPersonTopic, kReferralTopic, kTrainingTopic, kBudgetTopic, kAccessTopic};
    options.feed_poll_ms = 5;
    options.gap_ms_max = 1;
    options.batch_events_max = 7;
    options.from_nothing = from_nothing;
    for (const auto& [service, journal] : all.journals) {
      std::vector<Published> given = journal;
      if (order) order(given);
      options.feeds.push_back(
          {.service = service,
           .topic = "fettle." + service + ".v1",
           .access_source = "",
           .read = [given](bool access_log, int64_t from, int64_t to, const auto& item) {
             if (access_log) return absl::OkStatus();
             for (const Published& event : given) {
               if (event.position < from || (to > 0 && event.position > to)) continue;
               if (!item(event.position, event.value)) break;
             }
             return absl::OkStatus();
           }});
    }
    auto consumer = journal::Consumer::Start(std::move(options), projection_.get(), metrics_.get());
    ASSERT_TRUE(consumer.ok()) << consumer.status();
    consumer_ = *std::move(consumer);
    for (int waits = 0; waits < 3'000; ++waits) {
      int64_t seen = 0;
      const auto progress = consumer_->Progress();
      ASSERT_TRUE(progress.ok()) << progress.status();
      for (const auto& source : *progress) seen += source.contiguous;
      if (seen >= all.size()) return;
      absl::SleepFor(absl::Milliseconds(10));
    }
    FAIL() << "not all was taken: " << consumer_->failure();
  }
  void Close() {
    consumer_.reset();
    projection_.reset();
  }
  void TearDown() override { Close(); }

  v1::GetFiguresResponse Figures(const v1::GetFiguresRequest& request, bool national = false) {
    v1::GetFiguresResponse response;
    const absl::Status status = consumer_->Read([&](sqlite::Database& db) -> absl::Status {
      FETTLE_ASSIGN_OR_RETURN(response, GetFigures(db, request, national));
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }
  // One figure's value; "-" when it is missing, "none" when there is no such figure. `area` "" is
  // the whole.
  std::string Value(const std::string& measure, const std::string& area,
                    const std::string& month = "", bool national = false) {
    v1::GetFiguresRequest request;
    request.set_measure_id(measure);
    request.set_month(month);
    const v1::GetFiguresResponse response = Figures(request, national);
    for (const v1::Figure& figure : response.figures()) {
      const bool whole = figure.area_level() == v1::AREA_LEVEL_REGION ||
                         figure.area_level() == v1::AREA_LEVEL_NATIONAL;
      const bool unknown = figure.area_level() == v1::AREA_LEVEL_UNKNOWN;
      if (figure.month() != month) continue;
      if (area == "" ? !whole : area == "unknown" ? !unknown : figure.area() != area) continue;
      return figure.state() == v1::VALUE_STATE_MISSING ? "-" : figure.value();
    }
    return "none";
  }

  journal::TestFolder folder_;
  std::unique_ptr<base::Metrics> metrics_ = base::Metrics::Create(std::nullopt).value();
  std::unique_ptr<Projection> projection_;  // outlives the consumer
  std::unique_ptr<journal::Consumer> consumer_;
};

// INV-41, INV-116: distinct people, not codes; 9 is shown as 10, 10 as 10, 1 as nothing.
TEST_F(AnalyticsTest, PeopleReferred) {
  ASSERT_NO_FATAL_FAILURE(Take(Cohort()));
  EXPECT_EQ(Value("SP1", "QAA"), "10");
  EXPECT_EQ(Value("SP1", "QAA", "2026-03"), "10");
  EXPECT_EQ(Value("SP1", "QAA", "2026-04"), "0") << "p1 was referred before";
  EXPECT_EQ(Value("SP1", "QBB"), "0") << "received, nobody seen yet";
  EXPECT_EQ(Value("SP1", "unknown"), "*");
  EXPECT_EQ(Value("SP1", ""), "10");
  EXPECT_EQ(Value("SP1", "", "", /*national=*/true), "10");
  EXPECT_EQ(Value("SP1", "", "2026-03", /*national=*/true), "10");
  EXPECT_EQ(Value("SP1", "QAA", "", /*national=*/true), "10") << "an ICB is never national";
}

// INV-41, INV-42: distinct people of the financial year, however many codes they have; who declined
// leaves the denominator, and never the numerator.
TEST_F(AnalyticsTest, Inv42ReferredAndDeclinedOfTheYear) {
  Journals all = Cohort();
  for (int i = 1; i <= 8; ++i) {
    const std::string referral = "d" + std::to_string(i);
    all.Refer(referral, "e" + std::to_string(i), "QAA", "2026-02-01");
    all.Decline(referral, "e" + std::to_string(i), "QAA", "2026-03-30");
  }
  // Referred in March, and declined something else in the same year and in the next.
  all.Refer("d9", "p9", "QAA", "2026-03-02");
  all.Decline("d9", "p9", "QAA", "2026-03-31");
  all.Refer("d10", "p2", "QAA", "2026-04-02");
  all.Decline("d10", "p2", "QAA", "2026-04-03");
  // Entered in error.
  all.Refer("d11", "e11", "QAA", "2026-03-02");
  all.Decline("d11", "e11", "QAA", "2026-03-31");
  all.MarkInError("d11", "2026-03-31");
  ASSERT_NO_FATAL_FAILURE(Take(all));
  const auto national = [&](const std::string& measure, const std::string& month) {
    return Value(measure, "", month, /*national=*/true);
  };
  EXPECT_EQ(national("SP2_REFERRED", "2026-02"), "0");
  EXPECT_EQ(national("SP2_REFERRED", "2026-03"), "10") << "9 of QAA and one of nowhere";
  EXPECT_EQ(national("SP2_DECLINED", "2026-02"), "0");
  EXPECT_EQ(national("SP2_DECLINED", "2026-03"), "8");
  // A financial year begins in April: p1 was referred again, and p2 was not.
  EXPECT_EQ(national("SP2_REFERRED", "2026-04"), "1");
  EXPECT_EQ(national("SP2_DECLINED", "2026-04"), "1");
  EXPECT_EQ(Value("SP2_REFERRED", "QAA", "2026-03"), "10");
  EXPECT_EQ(Value("SP2_REFERRED", "QBB", "2026-03"), "0");
  EXPECT_EQ(Value("SP2_REFERRED", "QBB", "2026-02"), "-") << "nothing had come yet";
  EXPECT_EQ(Value("SP2_REFERRED", "QAA"), "none") << "of months only";
  EXPECT_EQ(Value("SP1", "", "", /*national=*/true), "10") << "INV-40: a refusal is no referral";
}

// INV-42: never more referred than registered, and who declined leaves the denominator.
TEST_F(AnalyticsTest, Inv42ShareOfThoseRegistered) {
  Journals all = Cohort();
  for (int i = 1; i <= 8; ++i) {
    const std::string referral = "d" + std::to_string(i);
    all.Refer(referral, "e" + std::to_string(i), "QAA", "2026-02-01");
    all.Decline(referral, "e" + std::to_string(i), "QAA", "2026-03-30");
  }
  all.ListPatients("A1", "QAA", "2026-02-01", 100);
  all.ListPatients("A1", "QAA", "2026-03-01", 300);
  all.ListPatients("A1", "QAA", "2026-05-01", 20'000);
  all.ListPatients("A2", "QAA", "2026-01-01", 4'508);
  all.ListPatients("A3", "QAA", "2026-01-01", 7'000, "2026-02-28");
  all.ListPatients("B1", "QBB", "2026-03-01", 5);
  ASSERT_NO_FATAL_FAILURE(Take(all));
  const auto national = [&](const std::string& measure, const std::string& month) {
    return Value(measure, "", month, /*national=*/true);
  };
  EXPECT_EQ(national("SP2_REGISTERED", "2026-02"), "11608") << "a practice counts as it closes";
  EXPECT_EQ(national("SP2_REGISTERED", "2026-03"), "4813") << "each practice's newest list";
  EXPECT_EQ(national("SP2", "2026-03"), "0.2") << "10 of 4,813 less the 8 who declined";
  EXPECT_EQ(Value("SP2_REGISTERED", "", "2026-03"), "4815");
  EXPECT_EQ(Value("SP2", "", "2026-03"), "0.2") << "of what is published";
  EXPECT_EQ(Value("SP2_REGISTERED", "QAA", "2026-03"), "4810");
  EXPECT_EQ(Value("SP2_DECLINED", "QAA", "2026-03"), "10");
  EXPECT_EQ(Value("SP2", "QAA", "2026-03"), "0.2") << "10 of 4,800";
  EXPECT_EQ(Value("SP2", "QAA", "2026-04"), "*") << "referred are too few to be told";
  EXPECT_EQ(Value("SP2", "QBB", "2026-03"), "*") << "registered are too few to be told";
  EXPECT_EQ(Value("SP2_REGISTERED", "QBB", "2026-02"), "-") << "its first list is of March";
  EXPECT_EQ(Value("SP2", "QCC", "2026-03"), "-") << "no practice";
  EXPECT_EQ(Value("SP2", "QAA"), "none") << "of months only";
}

// A list belongs to the ICB of its day, and what is a practice no more has none.
TEST_F(AnalyticsTest, Inv42PatientListsStayWhereTheyWere) {
  Journals all = Cohort();
  all.Refer("d1", "e1", "QAA", "2026-03-01");
  all.Decline("d1", "e1", "QAA", "2026-03-30");
  all.ListPatients("A1", "QAA", "2026-03-01", 800);
  all.ListPatients("A1", "QBB", "2026-03-01", 810);  // corrected after it moved
  all.ListPatients("A1", "QBB", "2026-04-01", 900);
  all.ListPatients("A2", "QAA", "2026-03-01", 7'000);
  all.CloseAsPractice("A2");
  ASSERT_NO_FATAL_FAILURE(Take(all));
  EXPECT_EQ(Value("SP2_REGISTERED", "QAA", "2026-03"), "810");
  EXPECT_EQ(Value("SP2_REGISTERED", "QBB", "2026-03"), "-");
  EXPECT_EQ(Value("SP2_REGISTERED", "QBB", "2026-04"), "900");
  EXPECT_EQ(Value("SP2_DECLINED", "QAA", "2026-03"), "*");
  EXPECT_EQ(Value("SP2", "QAA", "2026-03"), "1") << "10 of 810: no decimal, and no declines";
}

TEST_F(AnalyticsTest, Inv42MoreReferredThanRegisteredIsNoShare) {
  Journals all = Cohort();
  all.ListPatients("A1", "QAA", "2026-03-01", 9);
  ASSERT_NO_FATAL_FAILURE(Take(all));
  EXPECT_EQ(Value("SP2_REFERRED", "", "2026-03", /*national=*/true), "10");
  EXPECT_EQ(Value("SP2", "", "2026-03", /*national=*/true), "-");
}

// INV-43: all five criteria, of the version that is recorded last. INV-44: reviewed in the twelve
// months up to the end of the month.
TEST_F(AnalyticsTest, Inv43And44PlansThatCountAndWereReviewed) {
  Journals all = Cohort();
  for (int i = 1; i <= 9; ++i) {
    const std::string referral = "r" + std::to_string(i);
    all.Plan(referral, true, "2026-03-20");
    all.Review(referral, "2026-04-30");
  }
  all.Plan("r1-again", true, "2026-04-21");  // p1 has one already
  all.Plan("r9", false, "2026-05-01");
  all.Plan("u1", false, "2026-03-25");
  all.Plan("s1", true, "2026-06-01");
  all.MarkInError("s1", "2026-06-02");
  all.Review("r1", "2027-04-30");
  ASSERT_NO_FATAL_FAILURE(Take(all));
  const auto national = [&](const std::string& measure, const std::string& month) {
    return Value(measure, "", month, /*national=*/true);
  };
  EXPECT_EQ(national("PCSP", "2026-03"), "8") << "r9 does not count any more";
  EXPECT_EQ(national("PCSP", "2027-04"), "8");
  EXPECT_EQ(national("PCSP1", "2026-03"), "0") << "no review yet";
  EXPECT_EQ(national("PCSP1", "2026-04"), "8") << "on its last day";
  EXPECT_EQ(national("PCSP1", "2027-03"), "8") << "11 months and a day before";
  EXPECT_EQ(national("PCSP1", "2027-04"), "1")
      << "2026-04-30 is twelve months before: not after it";
  EXPECT_EQ(Value("PCSP", "QAA", "2026-03"), "10");
  EXPECT_EQ(Value("PCSP", "QBB", "2026-06"), "0") << "entered in error";
  EXPECT_EQ(Value("PCSP1", "QAA", "2027-04"), "*");
}

// INV-126: nothing recorded is missing, not zero.
TEST_F(AnalyticsTest, AnAreaWithoutAnyRecordIsMissing) {
  ASSERT_NO_FATAL_FAILURE(Take(Cohort()));
  EXPECT_EQ(Value("SP1", "QCC"), "-");
  EXPECT_EQ(Value("PHB6", "QBB"), "-") << "no allocation to spend against";
  EXPECT_EQ(Value("SP4_MEDIAN", "QBB"), "-");
  EXPECT_EQ(Value("TR1", "QBB", "2030-01"), "-");
}

TEST_F(AnalyticsTest, MergedPeopleCountOnce) {
  Journals all = Cohort();
  all.Merge("p8", "p8b");
  all.Merge("p8b", "p9");
  ASSERT_NO_FATAL_FAILURE(Take(all));
  EXPECT_EQ(Value("SP1", "", "", /*national=*/true), "9");
}

// INV-52: contacted + waiting + closed without contact = received. INV-119: a median over 1 to 7
// people is not shown.
TEST_F(AnalyticsTest, Waits) {
  ASSERT_NO_FATAL_FAILURE(Take(Cohort()));
  EXPECT_EQ(Value("SP4_RECEIVED", "", "", true), "14");
  EXPECT_EQ(Value("SP4_CONTACTED", "", "", true), "11");
  EXPECT_EQ(Value("SP4_WAITING", "", "", true), "2");
  EXPECT_EQ(Value("SP4_CLOSED_WITHOUT_CONTACT", "", "", true), "1");
  EXPECT_EQ(Value("SP4_WAITING", "QBB"), "*");
  EXPECT_EQ(Value("SP4_WAITING", "QAA"), "0");
  // 1 to 9 and 10: the middle two are 5 and 6, the ninth of ten is 9.
  EXPECT_EQ(Value("SP4_MEDIAN", "QAA"), "5.5");
  EXPECT_EQ(Value("SP4_MEDIAN", "QAA", "2026-03"), "5");
  EXPECT_EQ(Value("SP4_MEDIAN", "QAA", "2026-04"), "*");
  EXPECT_EQ(Value("SP4_P90", "QAA"), "9");
  EXPECT_EQ(Value("SP4_MEDIAN", "unknown"), "*");
  // 1, 2, 2, 3, ... 10: the sixth of eleven.
  EXPECT_EQ(Value("SP4_MEDIAN", ""), "5");
}

TEST_F(AnalyticsTest, Budgets) {
  ASSERT_NO_FATAL_FAILURE(Take(Cohort()));
  EXPECT_EQ(Value("PHB1", "QAA"), "10");
  EXPECT_EQ(Value("PHB1", "QBB"), "0") << "asked for, not started";
  EXPECT_EQ(Value("PHB1", "", "", true), "8");
  EXPECT_EQ(Value("PHB6_ALLOCATION", "QAA"), "80000");
  EXPECT_EQ(Value("PHB6_SPEND", "QAA"), "32000") << "what was reversed is not spent";
  EXPECT_EQ(Value("PHB6_SPEND", "QAA", "2026-04"), "*") << "one person's";
  EXPECT_EQ(Value("PHB6_SPEND", "QAA", "2026-03"), "*") << "would tell the one person's";
  EXPECT_EQ(Value("PHB6_SPEND", "", "2026-04"), "*");
  EXPECT_EQ(Value("PHB6_SPEND", "", "2026-04", /*national=*/true), "*") << "QAA is the whole of it";
  EXPECT_EQ(Value("PHB6_ALLOCATION", "QAA", "2026-03"), "80000") << "no small one beside it";
  EXPECT_EQ(Value("PHB6", "QAA"), "40");
}

// Four areas with money: one person's in QBB and unknown, eight or more in the others; in QDD all
// have an allocation and one has spent.
Journals Purses() {
  using namespace budget::v1;
  Journals all = Cohort();
  all.RegisterIcb("QDD");
  all.RegisterIcb("QEE");
  int number = 0;
  const auto open = [&](const std::string& icb, int people, const std::string& date) {
    std::vector<std::string> ids;
    for (int i = 0; i < people; ++i) {
      ids.push_back("x" + std::to_string(++number));
      all.RequestBudget(ids.back(), "person-" + ids.back(), icb, "2026-03-01");
      all.Transact(ids.back(), TRANSACTION_KIND_ALLOCATION, 1'000'00 + number, date);
    }
    return ids;
  };
  for (const std::string& id : open("QBB", 1, "2026-03-05")) {
    all.Transact(id, TRANSACTION_KIND_PAYMENT, 777'00, "2026-03-06");
  }
  for (const std::string& id : open("", 1, "2026-04-05")) {
    all.Transact(id, TRANSACTION_KIND_PAYMENT, 333'00, "2026-05-06");
  }
  all.Transact(open("QDD", 9, "2026-03-05").front(), TRANSACTION_KIND_PAYMENT, 555'00,
               "2026-03-06");
  for (const std::string& id : open("QEE", 20, "2026-03-05")) {
    for (const char* date : {"2026-03-06", "2026-04-06", "2026-05-06"}) {
      all.Transact(id, TRANSACTION_KIND_PAYMENT, 10'01, date);
    }
  }
  return all;
}

// INV-121, for what is published together: what is not told does not follow from what is, by
// subtraction or by ratio, whichever way it is asked for.
TEST_F(AnalyticsTest, NothingSuppressedFollowsFromTheRest) {
  using Values = std::map<AreaMonth, std::string>;
  const auto read = [&](const v1::GetFiguresRequest& request, bool national) {
    std::map<std::string, Values> measures;
    const v1::GetFiguresResponse response = Figures(request, national);
    for (const v1::Figure& figure : response.figures()) {
      const bool whole = figure.area_level() == v1::AREA_LEVEL_REGION ||
                         figure.area_level() == v1::AREA_LEVEL_NATIONAL;
      if (figure.state() == v1::VALUE_STATE_MISSING) continue;
      measures[figure.measure_id()][{whole ? kAllAreas : figure.area(), figure.month()}] =
          figure.value();
    }
    return measures;
  };
  for (const Journals& all : {Cohort(), Purses()}) {
    ASSERT_NO_FATAL_FAILURE(Take(all, /*from_nothing=*/true));
    for (const bool national : {false, true}) {
      v1::GetFiguresRequest everything;
      everything.set_by_month(true);
      std::map<std::string, Values> measures = read(everything, national);
      int suppressed = 0;
      for (const char* measure : {"PHB6_ALLOCATION", "PHB6_SPEND"}) {
        std::set<AreaMonth> cells, hidden;
        for (const auto& [at, value] : measures[measure]) {
          if (value != "0") cells.insert(at);
          if (value == kSuppressed) hidden.insert(at);
        }
        EXPECT_THAT(Recovered(cells, hidden), IsEmpty()) << measure;
        suppressed += static_cast<int>(hidden.size());
      }
      EXPECT_GT(suppressed, 0);
      for (const auto& [at, value] : measures["PHB6"]) {
        const bool parts_shown = measures["PHB6_ALLOCATION"].at(at) != kSuppressed &&
                                 measures["PHB6_SPEND"].at(at) != kSuppressed;
        EXPECT_EQ(value != kSuppressed, parts_shown) << at.first;
      }

      v1::GetFiguresRequest part;
      for (const auto& [measure, values] : measures) {
        for (const auto& [at, value] : values) {
          part.set_measure_id(measure);
          part.set_icb(at.first == kAllAreas ? "" : at.first);
          part.set_month(at.second);
          EXPECT_EQ(read(part, national)[measure][at], value) << measure;
        }
      }
    }
  }
  // QDD: ten people were given money, one spent it.
  EXPECT_EQ(Value("PHB6_SPEND", "QDD"), "*");
  EXPECT_EQ(Value("PHB6", "QDD"), "*");
  EXPECT_EQ(Value("PHB6", "QEE") == "*", Value("PHB6_SPEND", "QEE") == "*");
}

// The same of counts, for which rounding is enough: whatever is suppressed could still be one of
// several numbers, as far as areas, months and their totals tell.
TEST_F(AnalyticsTest, NoSuppressedCountFollowsFromTheRest) {
  ASSERT_NO_FATAL_FAILURE(Take(Cohort()));
  for (const char* measure : {"SP4_RECEIVED", "SP4_CONTACTED", "SP4_WAITING"}) {
    v1::GetFiguresRequest request;
    request.set_measure_id(measure);
    request.set_by_month(true);
    struct Range {
      int64_t low, high;
    };
    std::map<AreaMonth, Range> ranges;
    std::set<AreaMonth> hidden;
    const v1::GetFiguresResponse response = Figures(request);
    for (const v1::Figure& figure : response.figures()) {
      if (figure.state() == v1::VALUE_STATE_MISSING) continue;
      const AreaMonth at(figure.area_level() == v1::AREA_LEVEL_REGION ? kAllAreas : figure.area(),
                         figure.month());
      if (figure.value() == kSuppressed) {
        hidden.insert(at);
        ranges[at] = {1, kShownFrom - 1};
      } else {
        const int64_t shown = std::stoll(figure.value());
        ranges[at] = shown == 0 ? Range{0, 0} : Range{std::max(shown - 2, kShownFrom), shown + 2};
      }
    }
    ASSERT_FALSE(hidden.empty());
    for (const AreaMonth& at : hidden) {
      for (const bool along_area : {true, false}) {
        // at = total - other parts, or the sum of all parts.
        const bool is_total = along_area ? at.second == kAllMonths : at.first == kAllAreas;
        Range range{0, 0};
        for (const auto& [other, other_range] : ranges) {
          if (other == at || (along_area ? other.first != at.first : other.second != at.second)) {
            continue;
          }
          const bool adds =
              is_total || (along_area ? other.second == kAllMonths : other.first == kAllAreas);
          range.low += adds ? other_range.low : -other_range.high;
          range.high += adds ? other_range.high : -other_range.low;
        }
        EXPECT_GE(std::min(range.high, kShownFrom - 1) - std::max<int64_t>(range.low, 1), 1)
            << measure << " " << at.first << " " << at.second;
      }
    }
  }
}

// INV-102, INV-113: people once, completions each; over areas they may add up to more than the
// whole.
TEST_F(AnalyticsTest, Training) {
  ASSERT_NO_FATAL_FAILURE(Take(Cohort()));
  EXPECT_EQ(Value("TR1", "", "", true), "13");
  EXPECT_EQ(Value("TR2", "", "", true), "14");
  EXPECT_EQ(Value("TR1", "QAA"), "10") << "12 people";
  EXPECT_EQ(Value("TR2", "QAA"), "15") << "13 completions";
  EXPECT_EQ(Value("TR1", "QBB"), "*");
  EXPECT_EQ(Value("TR1", "", "2026-04", true), "1");
}

// INV-124: what is needed to quote a figure goes with it. INV-120: no exact count of people below
// national level.
TEST_F(AnalyticsTest, EveryFigureCarriesWhereItComesFrom) {
  ASSERT_NO_FATAL_FAILURE(Take(Cohort()));
  v1::GetFiguresRequest request;
  request.set_by_month(true);
  const v1::GetFiguresResponse response = Figures(request);
  ASSERT_GT(response.figures_size(), 50);
  for (const v1::Figure& figure : response.figures()) {
    EXPECT_FALSE(figure.measure_id().empty());
    EXPECT_GE(figure.edition(), 1);
    EXPECT_EQ(figure.profile(), "HES2018");
    EXPECT_NE(figure.area_level(), v1::AREA_LEVEL_UNSPECIFIED);
    EXPECT_NE(figure.area_level(), v1::AREA_LEVEL_NATIONAL);
    // The patient lists come from the registry.
    const bool of_lists = figure.measure_id() == "SP2" || figure.measure_id() == "SP2_REGISTERED";
    ASSERT_EQ(figure.sources_size(), of_lists ? 2 : 1) << figure.measure_id();
    EXPECT_GE(figure.sources(of_lists ? 1 : 0).position(), 13);
    if (figure.unit() == v1::UNIT_PEOPLE && figure.state() == v1::VALUE_STATE_SHOWN) {
      EXPECT_EQ(std::stoll(figure.value()) % 5, 0) << figure.DebugString();
    }
  }
  request.set_icb("QBB");
  const v1::GetFiguresResponse one = Figures(request);
  EXPECT_GT(one.figures_size(), 5);
  for (const v1::Figure& figure : one.figures()) EXPECT_EQ(figure.area(), "QBB");
}

TEST_F(AnalyticsTest, RefusesWhatItDoesNotKnow) {
  ASSERT_NO_FATAL_FAILURE(Take(Cohort()));
  const auto status = [&](const std::string& measure, const std::string& month) {
    v1::GetFiguresRequest request;
    request.set_measure_id(measure);
    request.set_month(month);
    return consumer_->Read(
        [&](sqlite::Database& db) { return GetFigures(db, request, false).status(); });
  };
  EXPECT_EQ(base::ReasonOf(status("SP99", "")), "MEASURE_UNKNOWN");
  EXPECT_EQ(base::ReasonOf(status("SP1", "2026-13")), "MONTH_INVALID");
}

// INV-122: the same in any order of the streams and with duplicates. INV-123: the same when built
// anew.
TEST_F(AnalyticsTest, AnyOrderAndARebuildGiveTheSame) {
  Journals all = Cohort();
  for (int i = 1; i <= 9; ++i) {
    const std::string id = "r" + std::to_string(i);
    all.Plan(id, i > 1, "2026-03-20");
    all.Review(id, "2026-03-21");
    all.Plan(id, i < 9, "2026-03-22");
  }
  all.Decline("u1", "q4", "", "2026-03-30");
  all.MarkInError("u1", "2026-03-31");
  v1::GetFiguresRequest request;
  request.set_by_month(true);
  ASSERT_NO_FATAL_FAILURE(Take(all));
  const std::string expected = Figures(request).DebugString();
  std::mt19937 random(journal::TestSeed());
  for (int round = 0; round < 3; ++round) {
    Take(all, /*from_nothing=*/true, [&](std::vector<Published>& given) {
      const std::vector<Published> original = given;
      std::shuffle(given.begin(), given.end(), random);
      // Each stream in its order again, at the places that the shuffle gave it.
      std::map<std::string, std::vector<Published>> streams;
      for (const Published& event : original) streams[event.stream].push_back(event);
      std::map<std::string, size_t> next;
      for (Published& event : given) {
        const std::string stream = event.stream;
        event = streams[stream][next[stream]++];
      }
      for (int i = 0; i < 20; ++i) {
        const Published again = given[random() % given.size()];
        given.push_back(again);
      }
    });
    EXPECT_EQ(Figures(request).DebugString(), expected);
  }
}

TEST_F(AnalyticsTest, AJourneyIsToldInOrderWithoutWords) {
  ASSERT_NO_FATAL_FAILURE(Take(Cohort()));
  std::vector<std::string> people;
  v1::GetJourneyResponse story;
  const auto read = [&](const std::string& id) {
    return consumer_->Read([&](sqlite::Database& db) -> absl::Status {
      FETTLE_ASSIGN_OR_RETURN(story, GetJourney(db, id, people));
      return absl::OkStatus();
    });
  };
  ASSERT_TRUE(read("journey-r2").ok());
  std::vector<std::string> types;
  for (const v1::JourneyStep& step : story.steps()) {
    types.push_back(step.event_type());
    EXPECT_EQ(step.service(), "referral");
    EXPECT_EQ(step.stream_id(), "r2");
  }
  EXPECT_THAT(types,
              ElementsAre("ReferralSubmitted", "ReferralStarted", "SocialPrescribingCounted"));
  EXPECT_THAT(people, ElementsAre("p2"));
  ASSERT_TRUE(read("nobody's").ok());
  EXPECT_THAT(story.steps(), IsEmpty());
}

TEST_F(AnalyticsTest, ControlTotalsAgreeWithThePublisher) {
  const Journals all = Cohort();
  ASSERT_NO_FATAL_FAILURE(Take(all));
  journal::ControlTotal published;
  int64_t pence = 0;
  for (const Published& event : all.journals.at("budget")) {
    budget::v1::BudgetEvent parsed;
    ASSERT_TRUE(parsed.ParseFromString(event.value));
    const int64_t moved = parsed.budget_approved().transaction().amount_pence() +
                          parsed.spend_committed().transaction().amount_pence() +
                          parsed.spend_paid().transaction().amount_pence() +
                          parsed.transaction_reversed().transaction().amount_pence();
    published.Add(parsed.header().id(), moved);
    pence += moved;
  }
  EXPECT_EQ(pence, 8 * 190'00 + 17'00);
  journal::ControlTotal taken;
  ASSERT_TRUE(consumer_
                  ->Read([&](sqlite::Database& db) -> absl::Status {
                    FETTLE_ASSIGN_OR_RETURN(taken, TakenTotal(db, "urn:fettle:budget:main", 0));
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(Compare(0, taken, published).outcome(), v1::TOTALS_OUTCOME_MATCH);
  journal::ControlTotal more = published;
  more.Add("another", 0);
  EXPECT_EQ(Compare(0, taken, more).outcome(), v1::TOTALS_OUTCOME_BEHIND);
  EXPECT_EQ(Compare(0, more, published).outcome(), v1::TOTALS_OUTCOME_MISMATCH);
  journal::ControlTotal other(published.count(), published.pence() + 1, published.id_hash_sum());
  EXPECT_EQ(Compare(0, taken, other).outcome(), v1::TOTALS_OUTCOME_MISMATCH);
}

TEST(ProjectionSchemaTest, RowsOfAnOlderDatabaseStay) {
  const journal::TestFolder folder;
  auto db = sqlite::Database::Open({.path = folder.File("figures.db")});
  ASSERT_TRUE(db.ok()) << db.status();
  const std::vector<const char*> steps = Projection().Schema();
  ASSERT_TRUE((*db)->Migrate({steps[0]}).ok());
  ASSERT_TRUE(
      (*db)
          ->Execute("INSERT INTO referral VALUES('r', 'p', 'QWO', '2026-01-01', NULL, NULL);"
                    "INSERT INTO journey VALUES('c', 'urn:fettle:referral:main', 7, 1, "
                    "'referral', 'ReferralSubmitted', 'r', 'p')")
          .ok());
  ASSERT_TRUE((*db)->Migrate(steps).ok());
  EXPECT_EQ((*db)->QueryText("SELECT icb FROM referral WHERE id='r'").value(), "QWO");
  EXPECT_FALSE((*db)->Execute("INSERT INTO referral SELECT * FROM referral").ok())
      << "one row each";
  std::vector<std::string> people;
  const auto journey = GetJourney(**db, "c", people);
  ASSERT_TRUE(journey.ok()) << journey.status();
  ASSERT_EQ(journey->steps_size(), 1);
  EXPECT_EQ(journey->steps(0).position(), 7);
  EXPECT_EQ(people, std::vector<std::string>{"p"});
}

// INV-168: a type that is not known parks its stream; what may be ignored does not.
TEST_F(AnalyticsTest, ParksTypesThatItDoesNotKnow) {
  Journals all = Cohort();
  referral::v1::ReferralEvent unknown;
  all.Add("referral", "r1", "2026-05-01T10:00:00Z", "ReferralTeleported", "", unknown);
  referral::v1::ReferralEvent ignorable;
  ignorable.mutable_header()->set_reader_may_ignore(true);
  all.Add("referral", "r2", "2026-05-01T10:00:00Z", "ReferralAdmired", "", ignorable);
  ASSERT_NO_FATAL_FAILURE(Take(all));
  int64_t parked = 0;
  const auto progress = consumer_->Progress();
  ASSERT_TRUE(progress.ok());
  for (const auto& source : *progress) parked += source.parked;
  EXPECT_EQ(parked, 1);
  EXPECT_EQ(Value("SP1", "QAA"), "10");
}

}  // namespace
}  // namespace fettle::analytics
