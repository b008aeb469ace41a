// Goal: INV-17, 18, 19, 32 and 38 under any order of commands by anybody. Method: random commands,
// mostly sensible, on few people and services, against a model that knows only the table of states
// and who is of which side. The laws of TestJournal (versions without gap, folding gives the state,
// unique entries do not collide) are checked at each step.
#include <cstdlib>
#include <iostream>
#include <random>

#include "services/referral/domain/referral_testing.h"
#include "services/referral/domain/transitions.h"

namespace fettle::referral {
namespace {

class PropertyTest : public ReferralTest {
 protected:
  static constexpr int kCommands = 3000;

  PropertyTest() {
    const char* given = std::getenv("FETTLE_TEST_SEED");
    seed_ = given != nullptr ? std::strtoull(given, nullptr, 10) : base::RandomSeed();
    random_.seed(seed_);
    std::cout << "FETTLE_TEST_SEED=" << seed_ << "\n";
  }

  template <class T>
  const T& Pick(const std::vector<T>& from) {
    return from[random_() % from.size()];
  }
  bool Chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  uint64_t seed_ = 0;
  std::mt19937_64 random_;
};

TEST_F(PropertyTest, Inv17To19And32HoldInAnyOrder) {
  SCOPED_TRACE(absl::StrCat("FETTLE_TEST_SEED=", seed_));
  struct Known {
    v1::ReferralStatus status;
    std::string person, service;
    int counted = 0;
  };
  std::map<std::string, Known> model;
  std::map<std::string, int> done_by_command;
  const std::vector<std::string> organisations = {kPractice, kProvider, kProvider, kProvider,
                                                  kStranger};
  const std::vector<std::string> people = {kPerson, kOtherPerson};
  const std::vector<std::string> services = {kService, kOtherService};

  for (int step = 0; step < kCommands; ++step) {
    if (Chance(10)) journal.now += absl::Hours(5);
    As(Pick(organisations), Chance(80) ? "link_worker" : "integrator");
    const std::string organisation = journal.caller.organisation;

    if (model.empty() || Chance(15)) {
      v1::SubmitReferralRequest request = Submit(Pick(people), Pick(services));
      if (Chance(20)) request.mutable_details()->clear_risks();
      const bool complete = request.details().risks_size() > 0;
      const bool none_open = std::ranges::none_of(model, [&](const auto& known) {
        return !IsTerminal(known.second.status) && known.second.person == request.person_id() &&
               known.second.service == request.service().service_id();
      });
      // The stranger may refer too: then it is the referring organisation.
      const auto done = journal.When(request);
      ASSERT_EQ(done.ok(), complete && none_open) << done.status();
      if (done.ok()) {
        ++done_by_command["Submit"];
        model[done->response.referral_id()] = {v1::REFERRAL_STATUS_SUBMITTED, request.person_id(),
                                               request.service().service_id()};
      } else if (complete) {
        ASSERT_EQ(done.status().code(), absl::StatusCode::kAlreadyExists);
      }
      continue;
    }

    std::vector<std::string> ids;
    for (const auto& [id, known] : model) {
      if (!IsTerminal(known.status) || Chance(5)) ids.push_back(id);
    }
    if (ids.empty()) continue;
    const std::string id = Pick(ids);
    Known& known = model[id];
    const State before = *journal.StateOf(id);
    const int64_t version = journal.VersionOf(id);
    const bool is_referrer = organisation == before.referring_organisation();
    const bool is_receiver = organisation == kProvider;

    struct Case {
      const char* name;
      v1::ReferralStatus to;
      bool may;
    };
    const std::vector<Case> cases = {
        {"Provide", v1::REFERRAL_STATUS_UNSPECIFIED, is_referrer || is_receiver},
        {"Triage", v1::REFERRAL_STATUS_IN_TRIAGE, is_receiver},
        {"Accept", v1::REFERRAL_STATUS_ACCEPTED, is_receiver},
        {"Reject", v1::REFERRAL_STATUS_REJECTED, is_receiver},
        {"Start", v1::REFERRAL_STATUS_ACTIVE, is_receiver},
        {"Complete", v1::REFERRAL_STATUS_COMPLETED, is_receiver},
        {"Withdraw", v1::REFERRAL_STATUS_WITHDRAWN, is_referrer},
    };
    // What ends a referral comes seldom, so that some come to their end.
    const int which =
        Pick(std::vector<int>{0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6});
    const Case& chosen = cases[which];
    absl::Status status;
    std::vector<v1::ReferralEvent> events;
    const auto run = [&](const auto& request) {
      auto done = journal.When(request);
      status = done.status();
      if (done.ok()) events = std::move(done->events);
    };
    v1::StartReferralRequest start = Start(id);
    start.set_first_contact_date(journal.today());
    v1::CompleteReferralRequest complete = Complete(id);
    complete.set_closed_date(journal.today());
    switch (which) {
      case 0:
        run(Provide(id));
        break;
      case 1:
        run(Triage(id));
        break;
      case 2:
        run(Accept(id));
        break;
      case 3:
        run(Reject(id));
        break;
      case 4:
        run(start);
        break;
      case 5:
        run(complete);
        break;
      default:
        run(Withdraw(id));
        break;
    }

    if (!is_referrer && !is_receiver) {
      ASSERT_EQ(status.code(), absl::StatusCode::kNotFound) << chosen.name;
    } else if (!chosen.may) {
      ASSERT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << chosen.name;
    } else if (which == 0) {
      ASSERT_EQ(status.ok(), !IsTerminal(known.status));
    } else if (!MayBecome(known.status, chosen.to)) {
      ASSERT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << chosen.name;
    } else {
      ASSERT_TRUE(status.ok()) << chosen.name << ": " << status;
      known.status = chosen.to;
    }
    if (status.ok()) ++done_by_command[chosen.name];
    for (const v1::ReferralEvent& event : events) {
      known.counted += event.has_social_prescribing_counted();
    }
    const State& after = *journal.StateOf(id);
    ASSERT_EQ(after.status(), known.status);
    ASSERT_EQ(journal.VersionOf(id), version + static_cast<int64_t>(events.size()));
    if (events.empty()) {
      ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equals(before, after));
    }
    ASSERT_LE(known.counted, 1);
    ASSERT_EQ(known.counted == 1, !after.first_contact_date().empty()) << "INV-38";
    ASSERT_EQ(journal.Holder(kOpenIndex, OpenKey(known.person, known.service)) == id,
              !IsTerminal(known.status))
        << "INV-32";
  }
  // The run has been everywhere, or it has shown nothing.
  for (const char* name :
       {"Submit", "Provide", "Triage", "Accept", "Reject", "Start", "Complete", "Withdraw"}) {
    EXPECT_GT(done_by_command[name], 0) << name;
  }
}

}  // namespace
}  // namespace fettle::referral
