// Events in, facts out: one row per person, referral, budget, ledger transaction and completion,
// from which the measures are asked. A row depends on the events of its own stream alone, so the
// order between streams does not matter.
#ifndef FETTLE_SERVICES_ANALYTICS_PROJECTION_H_
#define FETTLE_SERVICES_ANALYTICS_PROJECTION_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "fettle/budget/v1/budget_events.pb.h"
#include "fettle/journal/v1/access_events.pb.h"
#include "fettle/person/v1/person_events.pb.h"
#include "fettle/referral/v1/referral_events.pb.h"
#include "fettle/training/v1/training_events.pb.h"
#include "libs/journal/consumer.h"
#include "libs/journal/control_total.h"
#include "libs/sqlite/database.h"

namespace fettle::analytics {

inline constexpr char kPersonTopic[] = "fettle.person.v1";
inline constexpr char kReferralTopic[] = "fettle.referral.v1";
inline constexpr char kTrainingTopic[] = "fettle.training.v1";
inline constexpr char kBudgetTopic[] = "fettle.budget.v1";
inline constexpr char kAccessTopic[] = "fettle.access.v1";

// Threads: the consumer's.
class Projection final : public journal::EventHandler {
 public:
  std::vector<const char*> Schema() const override;
  absl::Status Open(sqlite::Database& db) override;
  // INVALID_ARGUMENT for bytes that are not an event of their topic, UNIMPLEMENTED for a type that
  // is not known and must not be passed over.
  absl::Status Apply(const journal::ConsumedEvent& event) override;
  absl::Status BeforeCommit() override;
  void Close() override;

 private:
  using Header = common::v1::EventHeader;
  absl::Status On(const Header& header, const person::v1::PersonEvent& event);
  absl::Status On(const Header& header, const referral::v1::ReferralEvent& event);
  absl::Status On(const Header& header, const training::v1::TrainingEvent& event);
  absl::Status On(const Header& header, const budget::v1::BudgetEvent& event);
  absl::Status CloseReferral(const Header& header, const std::string& date);
  absl::Status Post(const budget::v1::LedgerTransaction& transaction);
  absl::Status AddToJourney(const Header& header, const std::string& topic);

  sqlite::Database* db_ = nullptr;
  struct Statements {
    sqlite::Statement supersede, add_icb, put_practice, drop_practice, put_patient_list;
    sqlite::Statement receive_referral, locate_referral, start_referral, close_referral, count,
        retract, decline, take_back_decline, plan, drop_plan, review_plan;
    sqlite::Statement request_budget, activate_budget, post;
    sqlite::Statement complete;
    sqlite::Statement add_step, read_total, put_total;
  };
  Statements s_;
  // Of the events of this batch, per source and block.
  std::map<std::pair<std::string, int64_t>, journal::ControlTotal> totals_;

  person::v1::PersonEvent person_;
  referral::v1::ReferralEvent referral_;
  training::v1::TrainingEvent training_;
  budget::v1::BudgetEvent budget_;
  journal::v1::AccessEvent access_;
};

}  // namespace fettle::analytics

#endif  // FETTLE_SERVICES_ANALYTICS_PROJECTION_H_
