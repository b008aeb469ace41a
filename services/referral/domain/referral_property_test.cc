// Goal: INV-17, 18, 19, 21, 32, 38, 39 and 52 under any order of commands by anybody. Method: many
// short random sequences of commands, mostly sensible, over referrals of the same few people, each
// against a model that knows only the table of states, who is of which side, and what a guard asks
// for. The laws of TestJournal (versions without gap, folding gives the state, unique entries do
// not collide) are checked at each step. FETTLE_TEST_SEED repeats a run, FETTLE_TEST_SEQUENCES
// makes it longer.
#include <cstdlib>
#include <iostream>
#include <random>
#include <set>

#include "services/referral/domain/referral_testing.h"
#include "services/referral/domain/transitions.h"

namespace fettle::referral {
namespace {

using enum v1::ReferralStatus;

// What the model knows of a referral.
struct Known {
  v1::ReferralStatus status = REFERRAL_STATUS_UNSPECIFIED;
  std::string person, service, referrer;
  std::string received, first_contact;  // dates
  std::string worker;
  std::set<std::string> attempt_days;  // since the person was last reached
  int counted = 0, retracted = 0, declined = 0;

  bool IsOpen() const { return status != REFERRAL_STATUS_DRAFT && !IsTerminal(status); }
};

class PropertyTest : public ReferralTest {
 protected:
  static constexpr int kSequences = 300;
  static constexpr int kCommands = 80;

  enum class Side { kReferrer, kReceiver, kEither };
  // What a command may do, said a second time.
  struct Command {
    const char* name;
    Side side;
    std::set<v1::ReferralStatus> from;  // empty: all from which the table leads to `to`
    v1::ReferralStatus to;              // unspecified: it stays where it is
    std::function<bool(const Known&)> guard;
    std::function<absl::Status(const std::string& id)> run;
    int weight;

    bool MayLeave(v1::ReferralStatus status) const {
      return from.empty() ? MayBecome(status, to) : from.contains(status);
    }
  };

  PropertyTest() {
    const char* seed = std::getenv("FETTLE_TEST_SEED");
    seed_ = seed != nullptr ? std::strtoull(seed, nullptr, 10) : base::RandomSeed();
    const char* sequences = std::getenv("FETTLE_TEST_SEQUENCES");
    sequences_ = sequences != nullptr ? std::strtol(sequences, nullptr, 10) : kSequences;
    random_.seed(seed_);
    std::cout << "FETTLE_TEST_SEED=" << seed_ << " FETTLE_TEST_SEQUENCES=" << sequences_ << "\n";
    MakeCommands();
  }

  template <class T>
  const T& Pick(const std::vector<T>& from) {
    return from[random_() % from.size()];
  }
  bool Chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  template <class Request>
  absl::Status Run(const Request& request) {
    auto done = journal.When(request);
    events_.clear();
    if (done.ok()) events_ = std::move(done->events);
    return done.status();
  }

  void MakeCommands() {
    const auto always = [](const Known&) { return true; };
    const auto contacted = [](const Known& known) { return !known.first_contact.empty(); };
    const std::set<v1::ReferralStatus> under_way = {
        REFERRAL_STATUS_SUBMITTED, REFERRAL_STATUS_IN_TRIAGE, REFERRAL_STATUS_INFO_REQUESTED,
        REFERRAL_STATUS_ACCEPTED,  REFERRAL_STATUS_ACTIVE,    REFERRAL_STATUS_PAUSED};
    std::set<v1::ReferralStatus> open = under_way;
    open.insert(REFERRAL_STATUS_DRAFT);
    using enum Side;
    // What ends a referral comes seldom, so that some come to their end.
    commands_ = {
        {"Provide", kEither, open, REFERRAL_STATUS_UNSPECIFIED, always,
         [this](const std::string& id) { return Run(Provide(id)); }, 2},
        {"SubmitDraft",
         kReferrer,
         {},
         REFERRAL_STATUS_SUBMITTED,
         [this](const Known& known) { return NoneOpen(known.person, known.service); },
         [this](const std::string& id) { return Run(SubmitDraft(id)); },
         6},
        {"Triage",
         kReceiver,
         {},
         REFERRAL_STATUS_IN_TRIAGE,
         always,
         [this](const std::string& id) { return Run(Triage(id)); },
         12},
        {"Request",
         kReceiver,
         {},
         REFERRAL_STATUS_INFO_REQUESTED,
         always,
         [this](const std::string& id) { return Run(RequestInformation(id)); },
         4},
        {"Answer",
         kReferrer,
         {REFERRAL_STATUS_INFO_REQUESTED},
         REFERRAL_STATUS_IN_TRIAGE,
         always,
         [this](const std::string& id) { return Run(ProvideInformation(id)); },
         4},
        {"Accept",
         kReceiver,
         {},
         REFERRAL_STATUS_ACCEPTED,
         always,
         [this](const std::string& id) { return Run(Accept(id)); },
         8},
        {"Outcome",
         kReceiver,
         {REFERRAL_STATUS_IN_TRIAGE},
         REFERRAL_STATUS_ACCEPTED,
         always,
         [this](const std::string& id) { return Run(TriageOutcome(id)); },
         4},
        {"Reject",
         kReceiver,
         {},
         REFERRAL_STATUS_REJECTED,
         always,
         [this](const std::string& id) { return Run(Reject(id)); },
         1},
        {"Priority", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED, always,
         [this](const std::string& id) {
           return Run(ChangePriority(id, Chance(50) ? v1::PRIORITY_URGENT : v1::PRIORITY_ROUTINE));
         },
         2},
        {"Assign", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED,
         [](const Known& known) { return known.worker.empty(); },
         [this](const std::string& id) { return Run(Assign(id)); }, 3},
        {"HandOver", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED,
         [](const Known& known) { return !known.worker.empty(); },
         [this](const std::string& id) { return Run(HandOver(id, "worker-2")); }, 3},
        {"Pool", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED,
         [](const Known& known) { return !known.worker.empty() && known.first_contact.empty(); },
         [this](const std::string& id) { return Run(HandOver(id, "")); }, 1},
        {"Start",
         kReceiver,
         {},
         REFERRAL_STATUS_ACTIVE,
         [this](const Known& known) {
           return known.first_contact.empty() || known.first_contact == journal.today();
         },
         [this](const std::string& id) {
           v1::StartReferralRequest request = Start(id);
           request.set_first_contact_date(journal.today());
           return Run(request);
         },
         12},
        {"Pause",
         kReceiver,
         {},
         REFERRAL_STATUS_PAUSED,
         always,
         [this](const std::string& id) { return Run(Pause(id)); },
         5},
        {"Resume",
         kReceiver,
         {REFERRAL_STATUS_PAUSED},
         REFERRAL_STATUS_ACTIVE,
         contacted,
         [this](const std::string& id) { return Run(Resume(id)); },
         5},
        {"Attempt", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED, always,
         [this](const std::string& id) { return Run(Contact(id)); }, 10},
        {"Reach", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED, always,
         [this](const std::string& id) { return Run(Contact(id, v1::CONTACT_OUTCOME_REACHED)); },
         1},
        {"NoContact",
         kReceiver,
         {},
         REFERRAL_STATUS_NO_CONTACT,
         [](const Known& known) { return known.attempt_days.size() >= 3; },
         [this](const std::string& id) { return Run(CloseAsNoContact(id)); },
         4},
        {"Complete",
         kReceiver,
         {},
         REFERRAL_STATUS_COMPLETED,
         contacted,
         [this](const std::string& id) {
           v1::CompleteReferralRequest request = Complete(id);
           request.set_closed_date(journal.today());
           return Run(request);
         },
         4},
        {"Withdraw",
         kReferrer,
         {},
         REFERRAL_STATUS_WITHDRAWN,
         always,
         [this](const std::string& id) { return Run(Withdraw(id)); },
         2},
        {"Decline",
         kEither,
         {},
         REFERRAL_STATUS_DECLINED,
         always,
         [this](const std::string& id) { return Run(Decline(id)); },
         1},
        {"Error",
         kEither,
         {},
         REFERRAL_STATUS_ENTERED_IN_ERROR,
         always,
         [this](const std::string& id) { return Run(MarkInError(id)); },
         1},
        {"Signpost", kEither, under_way, REFERRAL_STATUS_UNSPECIFIED, always,
         [this](const std::string& id) {
           v1::RecordSignpostRequest request = Signpost(model_[id].person);
           request.set_referral_id(id);
           return Run(request);
         },
         1},
    };
    for (size_t i = 0; i < commands_.size(); ++i) {
      deck_.insert(deck_.end(), commands_[i].weight, i);
    }
  }

  bool NoneOpen(const std::string& person, const std::string& service) const {
    return std::ranges::none_of(model_, [&](const auto& entry) {
      return entry.second.IsOpen() && entry.second.person == person &&
             entry.second.service == service;
    });
  }

  // Any command; mostly one that the referral's status allows.
  const Command& Choose(const Known& known) {
    const bool sensible = Chance(75) && known.status != REFERRAL_STATUS_ENTERED_IN_ERROR;
    while (true) {
      const Command& command = commands_[Pick(deck_)];
      if (!sensible || command.MayLeave(known.status)) return command;
    }
  }

  // INV-32 for whoever submits, and INV-21: a draft keeps nobody out.
  void SubmitOrDraft() {
    const std::string person = Pick(people_), service = Pick(services_);
    const v1::ServiceKind kind = service == kService ? v1::SERVICE_KIND_SOCIAL_PRESCRIBING
                                                     : v1::SERVICE_KIND_HEALTH_COACHING;
    Known known;
    known.person = person;
    known.service = service;
    known.referrer = journal.caller.organisation;
    std::string id;
    if (Chance(30)) {
      v1::DraftReferralRequest request = Draft(person, service);
      request.mutable_service()->set_kind(kind);
      const auto done = journal.When(request);
      ASSERT_TRUE(done.ok()) << done.status();
      id = done->response.referral_id();
      known.status = REFERRAL_STATUS_DRAFT;
    } else {
      v1::SubmitReferralRequest request = Submit(person, service);
      request.mutable_service()->set_kind(kind);
      if (Chance(20)) request.mutable_details()->clear_risks();
      const bool complete = request.details().risks_size() > 0;
      const bool none_open = NoneOpen(person, service);
      const auto done = journal.When(request);
      ASSERT_EQ(done.ok(), complete && none_open) << done.status();
      if (complete && !none_open) {
        ASSERT_EQ(done.status().code(), absl::StatusCode::kAlreadyExists) << "INV-32";
      }
      if (!done.ok()) return;
      id = done->response.referral_id();
      known.status = REFERRAL_STATUS_SUBMITTED;
      known.received = journal.today();
    }
    ++done_by_command_[known.status == REFERRAL_STATUS_DRAFT ? "Draft" : "Submit"];
    model_[id] = known;
  }

  void Step() {
    if (Chance(15)) journal.now += absl::Hours(7);
    As(Pick(organisations_), Chance(90) ? "link_worker" : "integrator");
    if (model_.empty() || Chance(12)) return SubmitOrDraft();

    std::vector<std::string> ids;
    for (const auto& [id, known] : model_) {
      if (!IsTerminal(known.status) || Chance(10)) ids.push_back(id);
    }
    if (ids.empty()) return;
    const std::string id = Pick(ids);
    Known& known = model_[id];
    const Command& command = Choose(known);
    SCOPED_TRACE(command.name);
    if (Chance(70)) {
      As(command.side == Side::kReferrer ? known.referrer : kProvider, "link_worker");
    }
    const State before = *journal.StateOf(id);
    const int64_t version = journal.VersionOf(id);

    const bool is_draft = known.status == REFERRAL_STATUS_DRAFT;
    const bool is_referrer = journal.caller.organisation == known.referrer;
    const bool is_receiver = journal.caller.organisation == kProvider;
    const bool sees = is_referrer || (is_receiver && !is_draft);
    const bool may = command.side == Side::kEither ||
                     (command.side == Side::kReferrer ? is_referrer : is_receiver);
    const bool from_here = command.MayLeave(known.status);
    const bool guarded = command.guard(known);
    const absl::Status status = command.run(id);

    if (!sees) {
      ASSERT_EQ(status.code(), absl::StatusCode::kNotFound);
    } else if (!may) {
      ASSERT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    } else if (!from_here) {
      ASSERT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << "INV-17";
    } else if (!guarded) {
      ASSERT_FALSE(status.ok());
    } else {
      ASSERT_TRUE(status.ok()) << status;
      ++done_by_command_[command.name];
      if (command.to != REFERRAL_STATUS_UNSPECIFIED) known.status = command.to;
      Learn(command, known);
    }
    Check(id, known, before, version);
  }

  // What an accepted command means to the model.
  void Learn(const Command& command, Known& known) {
    const std::string_view name = command.name;
    if (name == "SubmitDraft") known.received = journal.today();
    if (name == "Start") {
      known.first_contact = journal.today();
      known.worker = "worker-1";
    }
    if (name == "Assign") known.worker = "worker-1";
    if (name == "HandOver") known.worker = "worker-2";
    if (name == "Pool") known.worker.clear();
    // The command took a second of the clock, and may have been the last of its day.
    if (name == "Attempt")
      known.attempt_days.insert(base::LondonDate(journal.now - absl::Seconds(1)));
    if (name == "Reach") known.attempt_days.clear();
    for (const v1::ReferralEvent& event : events_) {
      known.counted += event.has_social_prescribing_counted();
      known.declined += event.has_social_prescribing_declined();
      known.retracted += event.has_social_prescribing_retracted() &&
                         event.social_prescribing_retracted().snomed_code() == "871731000000106";
    }
  }

  void Check(const std::string& id, const Known& known, const State& before, int64_t version) {
    const State& after = *journal.StateOf(id);
    ASSERT_EQ(after.status(), known.status);
    const auto of_this = std::ranges::count_if(
        events_, [&](const auto& event) { return event.header().stream_id() == id; });
    ASSERT_EQ(journal.VersionOf(id), version + of_this);
    if (of_this == 0) {
      ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equals(before, after)) << "INV-17";
    }
    if (IsTerminal(before.status())) {
      ASSERT_TRUE(after.status() == before.status() ||
                  after.status() == REFERRAL_STATUS_ENTERED_IN_ERROR)
          << "INV-18";
    }
    ASSERT_EQ(after.worker_id(), known.worker);
    ASSERT_TRUE(known.status != REFERRAL_STATUS_ACTIVE ||
                (!after.worker_id().empty() && !after.first_contact_date().empty()))
        << "INV-26";
    const bool counts = known.service == kService && !known.first_contact.empty();
    ASSERT_EQ(known.counted, counts ? 1 : 0) << "INV-38";
    ASSERT_EQ(known.counted - known.retracted,
              counts && known.status != REFERRAL_STATUS_ENTERED_IN_ERROR ? 1 : 0)
        << "INV-39";
    ASSERT_LE(known.declined, 1) << "INV-28";
    ASSERT_EQ(journal.Holder(kOpenIndex, OpenKey(known.person, known.service)) == id,
              known.IsOpen())
        << "INV-32";
  }

  // INV-21 and INV-52, over all referrals at the end of a sequence.
  void CheckAll() {
    for (const std::string& id :
         journal.Listed(kOrganisationIndex, OrganisationKey(kProvider, REFERRAL_STATUS_DRAFT))) {
      ASSERT_EQ(model_[id].referrer, kProvider) << "INV-21: a draft of somebody else's";
    }
    int received = 0, waited = 0, waiting = 0, closed_without = 0;
    for (const auto& [id, known] : model_) {
      const State& state = *journal.StateOf(id);
      if (known.received.empty()) {
        ASSERT_FALSE(state.has_submit_time()) << "INV-21: a draft was not received";
        continue;
      }
      ++received;
      ASSERT_EQ(DateOf(state.submit_time()), known.received);
      ASSERT_EQ(state.first_contact_date(), known.first_contact)
          << "INV-52: nothing moves the first contact";
      if (!known.first_contact.empty()) {
        ++waited;
        ASSERT_GE(base::DaysBetween(known.received, state.first_contact_date()), 0) << "INV-52";
      } else {
        ++(IsTerminal(state.status()) ? closed_without : waiting);
      }
    }
    ASSERT_EQ(waited + waiting + closed_without, received) << "INV-52";
  }

  const std::vector<std::string> organisations_ = {kPractice, kPractice, kProvider,
                                                   kProvider, kProvider, kStranger};
  const std::vector<std::string> people_ = {kPerson, kOtherPerson};
  const std::vector<std::string> services_ = {kService, kOtherService};
  uint64_t seed_ = 0;
  long sequences_ = 0;
  std::mt19937_64 random_;
  std::vector<Command> commands_;
  std::vector<size_t> deck_;
  std::map<std::string, Known> model_;
  std::vector<v1::ReferralEvent> events_;
  std::map<std::string, int> done_by_command_;
};

TEST_F(PropertyTest, Inv17To19And21And32And38And39And52HoldInAnyOrder) {
  for (long sequence = 0; sequence < sequences_; ++sequence) {
    SCOPED_TRACE(absl::StrCat("FETTLE_TEST_SEED=", seed_, " sequence ", sequence));
    journal = base::TestJournal<ReferralRules>();
    Settle();
    model_.clear();
    for (int i = 0; i < kCommands; ++i) {
      Step();
      if (HasFatalFailure()) return;
    }
    CheckAll();
    if (HasFailure()) return;
  }
  // The run has been everywhere, or it has shown nothing.
  for (const Command& command : commands_) {
    EXPECT_GT(done_by_command_[command.name], 0) << command.name;
  }
  EXPECT_GT(done_by_command_["Submit"], 0);
  EXPECT_GT(done_by_command_["Draft"], 0);
}

}  // namespace
}  // namespace fettle::referral
