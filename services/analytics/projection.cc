#include "services/analytics/projection.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/nhs/snomed.h"

namespace fettle::analytics {
namespace {

// Dates and months are text as the events have them; an ICB that nobody named is an empty text.
constexpr const char* kSchema = R"sql(
  CREATE TABLE superseded(person TEXT PRIMARY KEY, survivor TEXT NOT NULL) WITHOUT ROWID;
  CREATE VIEW person_root(person, root) AS
    WITH RECURSIVE walk(person, root) AS (
      SELECT person, survivor FROM superseded
      UNION
      SELECT walk.person, superseded.survivor FROM walk JOIN superseded ON superseded.person = walk.root)
    SELECT person, root FROM walk WHERE root NOT IN (SELECT person FROM superseded);
  CREATE TABLE icb(code TEXT PRIMARY KEY) WITHOUT ROWID;

  CREATE TABLE referral(id TEXT PRIMARY KEY, person TEXT NOT NULL, icb TEXT NOT NULL,
                        received_date TEXT NOT NULL, first_contact_date TEXT, closed_date TEXT)
    WITHOUT ROWID;
  CREATE TABLE counted(referral TEXT PRIMARY KEY, person TEXT NOT NULL, icb TEXT NOT NULL,
                       date TEXT NOT NULL) WITHOUT ROWID;

  CREATE TABLE budget(id TEXT PRIMARY KEY, person TEXT NOT NULL, icb TEXT NOT NULL,
                      requested_date TEXT NOT NULL, start_date TEXT) WITHOUT ROWID;
  CREATE TABLE ledger(id TEXT PRIMARY KEY, budget TEXT NOT NULL, date TEXT NOT NULL,
                      allocated_pence INTEGER NOT NULL, spent_pence INTEGER NOT NULL) WITHOUT ROWID;

  CREATE TABLE completion(id TEXT, icb TEXT, practitioner TEXT NOT NULL, date TEXT NOT NULL,
                          PRIMARY KEY(id, icb)) WITHOUT ROWID;

  CREATE TABLE journey(correlation TEXT, source TEXT, position INTEGER, unix_us INTEGER NOT NULL,
                       service TEXT NOT NULL, type TEXT NOT NULL, stream TEXT NOT NULL,
                       subjects TEXT NOT NULL, PRIMARY KEY(correlation, source, position))
    WITHOUT ROWID;
  CREATE TABLE control(source TEXT, block INTEGER, events INTEGER NOT NULL, pence INTEGER NOT NULL,
                       id_hash_sum BLOB NOT NULL, PRIMARY KEY(source, block)) WITHOUT ROWID;
)sql";

// Of what every referral adds a row to, the row goes behind the last one and only its key among the
// other keys: the partitions of a topic are read at different times, so that a key lies elsewhere
// each time and a page of rows would be written several times over.
constexpr const char* kInOrderOfComing = R"sql(
  ALTER TABLE referral RENAME TO referral_before;
  CREATE TABLE referral(id TEXT PRIMARY KEY NOT NULL, person TEXT NOT NULL, icb TEXT NOT NULL,
                        received_date TEXT NOT NULL, first_contact_date TEXT, closed_date TEXT);
  INSERT INTO referral SELECT * FROM referral_before;
  DROP TABLE referral_before;

  ALTER TABLE journey RENAME TO journey_before;
  CREATE TABLE journey(correlation TEXT NOT NULL, source TEXT NOT NULL, position INTEGER NOT NULL,
                       unix_us INTEGER NOT NULL, service TEXT NOT NULL, type TEXT NOT NULL,
                       stream TEXT NOT NULL, subjects TEXT NOT NULL);
  INSERT INTO journey SELECT * FROM journey_before;
  DROP TABLE journey_before;
  CREATE INDEX journey_correlation ON journey(correlation);
)sql";

// Refusals, plans and their reviews. A plan is a row as it stands now; its area and person are
// those of its referral.
constexpr const char* kPlans = R"sql(
  CREATE TABLE declined(referral TEXT PRIMARY KEY, person TEXT NOT NULL, icb TEXT NOT NULL,
                        date TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE plan(referral TEXT PRIMARY KEY, is_pcsp INTEGER NOT NULL, date TEXT NOT NULL)
    WITHOUT ROWID;
  CREATE TABLE plan_review(referral TEXT, date TEXT, PRIMARY KEY(referral, date)) WITHOUT ROWID;
)sql";

// Practices, and how many were registered with each on which day, with its ICB of then.
constexpr const char* kPatientLists = R"sql(
  CREATE TABLE practice(code TEXT PRIMARY KEY, end_date TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE patient_list(practice TEXT, date TEXT, icb TEXT NOT NULL, patients INTEGER NOT NULL,
                            PRIMARY KEY(practice, date)) WITHOUT ROWID;
)sql";

absl::Time TimeOf(const common::v1::EventHeader& header) {
  return absl::FromUnixSeconds(header.time().seconds()) + absl::Nanoseconds(header.time().nanos());
}

std::string DateOf(const common::v1::EventHeader& header) {
  return base::LondonDate(TimeOf(header));
}

absl::Status Unknown(const common::v1::EventHeader& header) {
  if (header.reader_may_ignore()) return absl::OkStatus();
  return absl::UnimplementedError("this version does not know the event's type");
}

// `ReferralAccepted` of `uk.nhs.fettle.referral.ReferralAccepted.v1`.
std::string ShortType(const std::string& type) {
  const size_t end = type.rfind('.');
  if (end == std::string::npos || end == 0) return type;
  const size_t start = type.rfind('.', end - 1);
  return start == std::string::npos ? type : type.substr(start + 1, end - start - 1);
}

template <class Event>
bool Parse(std::string_view body, Event& event) {
  return event.ParseFromArray(body.data(), static_cast<int>(body.size()));
}

absl::Status NotAnEvent() {
  return absl::InvalidArgumentError("the bytes are not an event of this topic");
}

}  // namespace

std::vector<const char*> Projection::Schema() const {
  return {kSchema, kInOrderOfComing, kPlans, kPatientLists};
}

absl::Status Projection::Open(sqlite::Database& db) {
  db_ = &db;
  const std::pair<sqlite::Statement*, const char*> all[] = {
      {&s_.supersede, "INSERT OR REPLACE INTO superseded(person, survivor) VALUES(?, ?)"},
      {&s_.add_icb, "INSERT OR IGNORE INTO icb(code) VALUES(?)"},
      {&s_.put_practice, "INSERT OR REPLACE INTO practice(code, end_date) VALUES(?, ?)"},
      {&s_.drop_practice, "DELETE FROM practice WHERE code=?"},
      // The ICB stays the one with which the list came: later events of the practice repeat the
      // list.
      {&s_.put_patient_list,
       "INSERT INTO patient_list(practice, date, icb, patients) VALUES(?, ?, ?, ?) "
       "ON CONFLICT DO UPDATE SET patients=excluded.patients"},
      {&s_.receive_referral,
       "INSERT INTO referral(id, person, icb, received_date) VALUES(?, ?, ?, ?)"},
      {&s_.locate_referral, "UPDATE referral SET icb=?2 WHERE id=?1 AND icb=''"},
      {&s_.start_referral,
       "UPDATE referral SET first_contact_date=coalesce(first_contact_date, ?2) WHERE id=?1"},
      {&s_.close_referral, "UPDATE referral SET closed_date=coalesce(closed_date, ?2) WHERE id=?1"},
      {&s_.retract, "DELETE FROM counted WHERE referral=?1"},
      {&s_.count, "INSERT OR IGNORE INTO counted(referral, person, icb, date) VALUES(?, ?, ?, ?)"},
      {&s_.decline,
       "INSERT OR IGNORE INTO declined(referral, person, icb, date) VALUES(?, ?, ?, ?)"},
      {&s_.take_back_decline, "DELETE FROM declined WHERE referral=?1"},
      {&s_.plan, "INSERT OR REPLACE INTO plan(referral, is_pcsp, date) VALUES(?, ?, ?)"},
      {&s_.drop_plan, "DELETE FROM plan WHERE referral=?1"},
      {&s_.review_plan, "INSERT OR IGNORE INTO plan_review(referral, date) VALUES(?, ?)"},
      {&s_.request_budget,
       "INSERT INTO budget(id, person, icb, requested_date) VALUES(?, ?, ?, ?)"},
      {&s_.activate_budget, "UPDATE budget SET start_date=coalesce(start_date, ?2) WHERE id=?1"},
      {&s_.post,
       "INSERT INTO ledger(id, budget, date, allocated_pence, spent_pence) VALUES(?, ?, ?, ?, ?)"},
      {&s_.complete,
       "INSERT OR IGNORE INTO completion(id, icb, practitioner, date) VALUES(?, ?, ?, ?)"},
      {&s_.add_step,
       "INSERT INTO journey(correlation, source, position, unix_us, service, type, stream, "
       "subjects) "
       "VALUES(?, ?, ?, ?, ?, ?, ?, ?)"},
      {&s_.read_total, "SELECT events, pence, id_hash_sum FROM control WHERE source=? AND block=?"},
      {&s_.put_total,
       "INSERT OR REPLACE INTO control(source, block, events, pence, id_hash_sum) "
       "VALUES(?, ?, ?, ?, ?)"},
  };
  for (const auto& [statement, sql] : all) {
    FETTLE_ASSIGN_OR_RETURN(*statement, db.Prepare(sql));
  }
  return absl::OkStatus();
}

void Projection::Close() { s_ = {}; }

absl::Status Projection::Apply(const journal::ConsumedEvent& event) {
  const Header& header = *event.header;
  int64_t pence = 0;
  if (event.topic == kPersonTopic) {
    if (!Parse(event.body, person_)) return NotAnEvent();
    FETTLE_RETURN_IF_ERROR(On(header, person_));
  } else if (event.topic == kReferralTopic) {
    if (!Parse(event.body, referral_)) return NotAnEvent();
    FETTLE_RETURN_IF_ERROR(On(header, referral_));
  } else if (event.topic == kTrainingTopic) {
    if (!Parse(event.body, training_)) return NotAnEvent();
    FETTLE_RETURN_IF_ERROR(On(header, training_));
  } else if (event.topic == kBudgetTopic) {
    if (!Parse(event.body, budget_)) return NotAnEvent();
    FETTLE_RETURN_IF_ERROR(On(header, budget_));
    pence = journal::PenceOf(budget_);
  } else if (event.topic == kAccessTopic) {
    // Who read what is the audit log's; here it is counted only.
    if (!Parse(event.body, access_)) return NotAnEvent();
  } else {
    return absl::UnimplementedError("events of this topic are not known");
  }
  if (event.topic != kAccessTopic && !header.correlation_id().empty()) {
    FETTLE_RETURN_IF_ERROR(AddToJourney(header, event.topic));
  }
  const int64_t block = (header.position() - 1) / journal::kControlBlockPositions;
  totals_[{header.source(), block}].Add(header.id(), pence);
  return absl::OkStatus();
}

absl::Status Projection::On(const Header& header, const person::v1::PersonEvent& event) {
  using E = person::v1::PersonEvent;
  const person::v1::Organisation* organisation = nullptr;
  switch (event.event_case()) {
    case E::kPersonSuperseded:
      return s_.supersede.BindText(1, header.stream_id())
          .BindText(2, event.person_superseded().surviving_person_id())
          .Run();
    case E::kOrganisationRegistered:
      organisation = &event.organisation_registered().organisation();
      break;
    case E::kOrganisationUpdated:
      organisation = &event.organisation_updated().organisation();
      break;
    case E::kPersonRegistered:
    case E::kPersonUpdated:
    case E::kPersonsMerged:
    case E::kPersonDied:
    case E::kPersonDeathWithdrawn:
    case E::kPersonRestricted:
    case E::kPersonRestrictionLifted:
    case E::kNumberReleased:
    case E::kNumberConflictResolved:
      return absl::OkStatus();
    case E::EVENT_NOT_SET:
      return Unknown(header);
  }
  if (organisation == nullptr) return Unknown(header);
  const std::string& code = organisation->ods_code();
  if (organisation->kind() == person::v1::ORGANISATION_KIND_ICB) {
    return s_.add_icb.BindText(1, code).Run();
  }
  if (organisation->kind() != person::v1::ORGANISATION_KIND_GP_PRACTICE) {
    return s_.drop_practice.BindText(1, code).Run();
  }
  FETTLE_RETURN_IF_ERROR(
      s_.put_practice.BindText(1, code).BindText(2, organisation->end_date()).Run());
  if (!organisation->has_patient_list()) return absl::OkStatus();
  return s_.put_patient_list.BindText(1, code)
      .BindText(2, organisation->patient_list().date())
      .BindText(3, organisation->icb())
      .BindInt(4, organisation->patient_list().patients())
      .Run();
}

absl::Status Projection::On(const Header& header, const referral::v1::ReferralEvent& event) {
  using E = referral::v1::ReferralEvent;
  const std::string& id = header.stream_id();
  switch (event.event_case()) {
    case E::kReferralSubmitted: {
      const std::string received = DateOf(header);
      return s_.receive_referral.BindText(1, id)
          .BindText(2, event.referral_submitted().person_id())
          .BindText(3, event.referral_submitted().person().icb())
          .BindText(4, received)
          .Run();
    }
    case E::kReferralDetailsProvided:
      return s_.locate_referral.BindText(1, id)
          .BindText(2, event.referral_details_provided().person().icb())
          .Run();
    case E::kReferralStarted:
      return s_.start_referral.BindText(1, id)
          .BindText(2, event.referral_started().first_contact_date())
          .Run();
    case E::kSocialPrescribingCounted: {
      const auto& counted = event.social_prescribing_counted();
      // An offer or a refusal never changes the number referred (INV-40).
      if (counted.snomed_code() != nhs::kReferralToSocialPrescribing) return absl::OkStatus();
      return s_.count.BindText(1, id)
          .BindText(2, counted.person_id())
          .BindText(3, counted.icb())
          .BindText(4, counted.date())
          .Run();
    }
    case E::kReferralCompleted:
      return CloseReferral(header, event.referral_completed().closed_date());
    case E::kSocialPrescribingRetracted:
      // INV-39: what was entered in error was never counted.
      if (event.social_prescribing_retracted().snomed_code() == nhs::kSocialPrescribingDeclined) {
        return s_.take_back_decline.BindText(1, id).Run();
      }
      if (event.social_prescribing_retracted().snomed_code() != nhs::kReferralToSocialPrescribing) {
        return absl::OkStatus();
      }
      return s_.retract.BindText(1, id).Run();
    case E::kSocialPrescribingDeclined: {
      const auto& declined = event.social_prescribing_declined();
      return s_.decline.BindText(1, id)
          .BindText(2, declined.person_id())
          .BindText(3, declined.icb())
          .BindText(4, declined.date())
          .Run();
    }
    case E::kCarePlanRecorded: {
      // INV-43: the version that is recorded last, whatever those before were.
      const auto& recorded = event.care_plan_recorded();
      const std::string date =
          recorded.plan().has_criteria() ? recorded.plan().criteria().date() : DateOf(header);
      return s_.plan.BindText(1, id).BindInt(2, recorded.is_pcsp() ? 1 : 0).BindText(3, date).Run();
    }
    case E::kCarePlanReviewed:
      return s_.review_plan.BindText(1, id)
          .BindText(2, event.care_plan_reviewed().review().date())
          .Run();
    case E::kReferralEnteredInError:
      FETTLE_RETURN_IF_ERROR(s_.drop_plan.BindText(1, id).Run());
      return CloseReferral(header, DateOf(header));
    case E::kReferralRejected:
    case E::kReferralWithdrawn:
    case E::kReferralDeclined:
    case E::kReferralClosedAsNoContact:
      return CloseReferral(header, DateOf(header));
    case E::kReferralTriageStarted:
    case E::kReferralAccepted:
    case E::kReferralDrafted:
    case E::kInformationRequested:
    case E::kInformationProvided:
    case E::kTriageOutcomeRecorded:
    case E::kReferralPriorityChanged:
    case E::kWorkerAssigned:
    case E::kReferralPaused:
    case E::kReferralResumed:
    case E::kContactRecorded:
    case E::kPersonSignposted:
    case E::kCaseloadCounted:
    case E::kCaseloadWarningRaised:
    case E::kServiceRegistered:
    case E::kServiceUpdated:
    case E::kReferralStalled:
    case E::kPartnerResponseRecorded:
    case E::kDeliveryRequested:
    case E::kDeliveryPrepared:
    case E::kDeliveryDue:
    case E::kDeliveryAttempted:
    case E::kCarePlanOffered:
    case E::kPlanRiskAdded:
    case E::kPlanRiskEnded:
    case E::kSharedDecisionRecorded:
    case E::kMeasureRecorded:
    case E::kPersonDeathNoted:
      return absl::OkStatus();
    case E::EVENT_NOT_SET:
      return Unknown(header);
  }
  return Unknown(header);
}

absl::Status Projection::CloseReferral(const Header& header, const std::string& date) {
  return s_.close_referral.BindText(1, header.stream_id()).BindText(2, date).Run();
}

absl::Status Projection::On(const Header& header, const training::v1::TrainingEvent& event) {
  using E = training::v1::TrainingEvent;
  switch (event.event_case()) {
    case E::kCompletionRecorded: {
      const auto& recorded = event.completion_recorded();
      const auto& completion = recorded.completion();
      const auto add = [&](const std::string& icb) {
        return s_.complete.BindText(1, completion.completion_id())
            .BindText(2, icb)
            .BindText(3, recorded.practitioner_id())
            .BindText(4, completion.completion_date())
            .Run();
      };
      if (completion.organisations().empty()) return add("");
      for (const common::v1::OrganisationFact& organisation : completion.organisations()) {
        FETTLE_RETURN_IF_ERROR(add(organisation.icb()));
      }
      return absl::OkStatus();
    }
    case E::kLearnerRegistered:
    case E::kEmploymentRecorded:
    case E::kCourseRegistered:
    case E::kProgrammeAccredited:
      return absl::OkStatus();
    case E::EVENT_NOT_SET:
      return Unknown(header);
  }
  return Unknown(header);
}

absl::Status Projection::On(const Header& header, const budget::v1::BudgetEvent& event) {
  using E = budget::v1::BudgetEvent;
  switch (event.event_case()) {
    case E::kBudgetRequested: {
      const std::string date = DateOf(header);
      return s_.request_budget.BindText(1, header.stream_id())
          .BindText(2, event.budget_requested().person_id())
          .BindText(3, event.budget_requested().icb())
          .BindText(4, date)
          .Run();
    }
    case E::kBudgetActivated:
      return s_.activate_budget.BindText(1, header.stream_id())
          .BindText(2, event.budget_activated().start_date())
          .Run();
    case E::kBudgetApproved:
      return Post(event.budget_approved().transaction());
    case E::kSpendPaid:
      return Post(event.spend_paid().transaction());
    case E::kTransactionReversed:
      return Post(event.transaction_reversed().transaction());
    case E::kBudgetEligibilityDetermined:
    case E::kBudgetAssessmentRecorded:
    case E::kIndicativeAmountSet:
    case E::kBudgetPlanningStarted:
    case E::kBudgetPlanSubmitted:
    case E::kContributionRecorded:
    case E::kClinicalSignOffRecorded:
    case E::kSpendCommitted:
    case E::kCommitmentCancelled:
    case E::kTransactionFiled:
    case E::kTransactionUndone:
      return absl::OkStatus();
    case E::EVENT_NOT_SET:
      return Unknown(header);
  }
  return Unknown(header);
}

absl::Status Projection::Post(const budget::v1::LedgerTransaction& transaction) {
  int64_t allocated = 0;
  int64_t spent = 0;
  switch (transaction.kind()) {
    case budget::v1::TRANSACTION_KIND_ALLOCATION:
      allocated = transaction.amount_pence();
      break;
    case budget::v1::TRANSACTION_KIND_PAYMENT:
      spent = transaction.amount_pence();
      break;
    case budget::v1::TRANSACTION_KIND_REVERSAL:
      if (transaction.reversed_kind() != budget::v1::TRANSACTION_KIND_PAYMENT) {
        return absl::OkStatus();
      }
      spent = -transaction.amount_pence();
      break;
    default:
      return absl::InvalidArgumentError("a ledger transaction of a kind that is not known");
  }
  return s_.post.BindText(1, transaction.transaction_id())
      .BindText(2, transaction.budget_id())
      .BindText(3, transaction.date())
      .BindInt(4, allocated)
      .BindInt(5, spent)
      .Run();
}

absl::Status Projection::AddToJourney(const Header& header, const std::string& topic) {
  // fettle.<service>.v1
  const std::string service = topic.substr(7, topic.rfind('.') - 7);
  const std::string type = ShortType(header.type());
  const std::string subjects = absl::StrJoin(header.subjects(), ",");
  return s_.add_step.BindText(1, header.correlation_id())
      .BindText(2, header.source())
      .BindInt(3, header.position())
      .BindInt(4, absl::ToUnixMicros(TimeOf(header)))
      .BindText(5, service)
      .BindText(6, type)
      .BindText(7, header.stream_id())
      .BindText(8, subjects)
      .Run();
}

absl::Status Projection::BeforeCommit() {
  for (auto& [at, total] : totals_) {
    const auto& [source, block] = at;
    s_.read_total.BindText(1, source).BindInt(2, block);
    FETTLE_ASSIGN_OR_RETURN(const bool row, s_.read_total.Step());
    if (row) {
      total.Add(journal::ControlTotal(s_.read_total.Int(0), s_.read_total.Int(1),
                                      std::string(s_.read_total.Bytes(2))));
    }
    s_.read_total.Reset();
    FETTLE_RETURN_IF_ERROR(s_.put_total.BindText(1, source)
                               .BindInt(2, block)
                               .BindInt(3, total.count())
                               .BindInt(4, total.pence())
                               .BindBlob(5, total.id_hash_sum())
                               .Run());
  }
  totals_.clear();
  return absl::OkStatus();
}

}  // namespace fettle::analytics
