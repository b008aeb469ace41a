// Goal: INV-17, 18, 19, 21, 32, 38, 39 and 52 under any order of commands, partners' answers and
// timers. Method: many short random sequences, mostly sensible, over referrals of the same few
// people to two services, each against a model that knows only the table of states, who is of which
// side, and what a guard asks for. In each sequence a service may be in the directory, with limits
// for its stages, and may work in a partner's system. The laws of TestJournal (versions without
// gap, folding gives the state, unique entries do not collide) are checked at each step.
// FETTLE_TEST_SEED repeats a run, FETTLE_TEST_SEQUENCES makes it longer.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <set>
#include <tuple>

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
  std::string accepted;     // date
  bool is_sent_on = false;  // to a partner's system, which answers
  int responses = 0;        // of that system
  std::set<int> delivered;  // positions in the queue
  int plans = 0, reviews = 0, decisions = 0, measures = 0;
  std::vector<bool> open_risks;

  bool IsOpen() const { return status != REFERRAL_STATUS_DRAFT && !IsTerminal(status); }
};

class PropertyTest : public ReferralTest {
 protected:
  static constexpr int kSequences = 600;
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
    std::set<v1::ReferralStatus> worked_on = under_way;
    worked_on.insert(REFERRAL_STATUS_COMPLETED);
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
         [this](const std::string& id) { return Run(HandOver(id, "")); }, 2},
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
         15},
        {"Attempt", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED, always,
         [this](const std::string& id) { return Run(Contact(id)); }, 15},
        {"Reach", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED, always,
         [this](const std::string& id) { return Run(Contact(id, v1::CONTACT_OUTCOME_REACHED)); },
         1},
        {"NoContact",
         kReceiver,
         {},
         REFERRAL_STATUS_NO_CONTACT,
         [](const Known& known) { return known.attempt_days.size() >= 3; },
         [this](const std::string& id) { return Run(CloseAsNoContact(id)); },
         30},
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
        {"Offer", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED, always,
         [this](const std::string& id) { return Run(Offer(id, Pick(offers_))); }, 1},
        {"Plan", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED, contacted,
         [this](const std::string& id) {
           v1::RecordCarePlanRequest request = Plan(id);
           if (Chance(30)) request.mutable_plan()->set_planned_review_date(journal.today());
           return Run(request);
         },
         4},
        {"Review", kReceiver, worked_on, REFERRAL_STATUS_UNSPECIFIED,
         [](const Known& known) { return known.plans > 0 && known.reviews < kPlanReviewsMax; },
         [this](const std::string& id) { return Run(Review(id)); }, 12},
        {"AddRisk", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED, always,
         [this](const std::string& id) { return Run(AddRisk(id)); }, 2},
        {"EndRisk", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED,
         [](const Known& known) { return FirstOpenRisk(known) <= known.open_risks.size(); },
         [this](const std::string& id) {
           return Run(EndRisk(id, static_cast<int>(FirstOpenRisk(model_[id]))));
         },
         2},
        {"Decide", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED,
         [](const Known& known) {
           return !known.first_contact.empty() && known.decisions < kSharedDecisionsMax;
         },
         [this](const std::string& id) { return Run(SharedDecision(id)); }, 6},
        {"DecideAgain", kReceiver, under_way, REFERRAL_STATUS_UNSPECIFIED,
         [](const Known& known) { return known.decisions > 0; },
         [this](const std::string& id) {
           v1::RecordSharedDecisionRequest request = SharedDecision(id);
           request.mutable_decision()->set_number(std::max(1, model_[id].decisions));
           request.mutable_decision()->set_status(v1::DECISION_STATUS_VALID);
           return Run(request);
         },
         12},
        {"Measure", kReceiver, worked_on, REFERRAL_STATUS_UNSPECIFIED, always,
         [this](const std::string& id) {
           return Run(Pam(id, Chance(50) ? v1::MEASURE_POINT_BASELINE : v1::MEASURE_POINT_FOLLOW_UP,
                          static_cast<int>(random_() % 1000)));
         },
         2},
    };
    for (size_t i = 0; i < commands_.size(); ++i) {
      deck_.insert(deck_.end(), commands_[i].weight, i);
    }
  }

  // The number of one that follows them, when none is open.
  static size_t FirstOpenRisk(const Known& known) {
    return std::ranges::find(known.open_risks, true) - known.open_risks.begin() + 1;
  }

  // A service is in the directory, with limits and in a partner's system, or not.
  void SetUpDirectory() {
    sent_on_.clear();
    for (const std::string& service : services_) {
      if (Chance(20)) continue;
      v1::RegisterServiceRequest request = Register(Chance(60) ? 1 : 0);
      request.set_service_id(service);
      v1::ServiceDescription& description = *request.mutable_description();
      description.set_kind(KindOf(service));
      if (description.stage_limits().triage_days() > 0) {
        description.mutable_stage_limits()->set_plan_days(1);
        description.mutable_stage_limits()->set_review_days(1);
      }
      if (Chance(50)) {
        description.set_dos_service_id("2000011147");
        sent_on_.insert(service);
      }
      Registered(request);
    }
  }

  static v1::ServiceKind KindOf(const std::string& service) {
    return service == kService ? v1::SERVICE_KIND_SOCIAL_PRESCRIBING
                               : v1::SERVICE_KIND_HEALTH_COACHING;
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
    Known known;
    known.person = person;
    known.service = service;
    known.referrer = journal.caller.organisation;
    std::string id;
    if (Chance(30)) {
      v1::DraftReferralRequest request = Draft(person, service);
      request.mutable_service()->set_kind(KindOf(service));
      const auto done = journal.When(request);
      ASSERT_TRUE(done.ok()) << done.status();
      id = done->response.referral_id();
      known.status = REFERRAL_STATUS_DRAFT;
    } else {
      v1::SubmitReferralRequest request = Submit(person, service);
      request.mutable_service()->set_kind(KindOf(service));
      if (Chance(20)) request.mutable_details()->clear_risks();
      if (journal.caller.role == "integrator") {
        request.set_intake(v1::INTAKE_BARS_COMPLETE);
        *request.mutable_partner_message() = Message(++messages_);
      }
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
      known.is_sent_on = sent_on_.contains(service);
    }
    ++done_by_command_[known.status == REFERRAL_STATUS_DRAFT ? "Draft" : "Submit"];
    model_[id] = known;
  }

  void Step() {
    if (Chance(15)) {
      journal.now += absl::Hours(7);
      FireTimers();
      if (HasFatalFailure()) return;
    }
    if (model_.empty() || Chance(12)) {
      As(Pick(organisations_), Chance(85) ? "link_worker" : "integrator");
      return SubmitOrDraft();
    }
    std::vector<std::string> ids;
    for (const auto& [id, known] : model_) {
      if (!IsTerminal(known.status) || Chance(10)) ids.push_back(id);
    }
    if (ids.empty()) return;
    const std::string id = Pick(ids);
    if (Chance(model_[id].is_sent_on ? 20 : 1)) return Respond(id);
    if (Chance(Queue(id).deliveries().empty() ? 1 : 20)) return Deliver(id);
    RunCommand(id);
  }

  // What is due is decided once: a timer that stayed would go off for ever.
  void FireTimers() {
    for (auto& [id, known] : model_) {
      for (const std::string& stream : {id, DeliveryQueueId(id)}) {
        if (journal.StateOf(stream) == nullptr) continue;
        for (const base::Timer& timer : journal.TimersOf(stream)) {
          if (timer.due > journal.now) continue;
          SCOPED_TRACE(timer.name);
          const State before = *journal.StateOf(id);
          const int64_t version = journal.VersionOf(id);
          events_ = Fire(stream, timer);
          for (const v1::ReferralEvent& event : events_) {
            ++done_by_command_[event.has_referral_stalled() ? "Stall" : "Due"];
            if (!event.has_referral_stalled()) continue;
            const v1::ReferralStalled& stalled = event.referral_stalled();
            ASSERT_TRUE(stalls_.emplace(id, stalled.stage(), TimeOf(stalled.since_time())).second)
                << "a crossing is said once";
          }
          ASSERT_THAT(events_, testing::SizeIs(1));
          for (const base::Timer& left : journal.TimersOf(stream)) {
            ASSERT_FALSE(left.name == timer.name && left.due == timer.due);
          }
          Check(id, known, before, version);
        }
      }
    }
  }

  // A partner's system says how far it has come with a referral that was sent to it, or somebody
  // speaks of one that was not, or was not sent to them.
  void Respond(const std::string& id) {
    struct Answer {
      v1::Signal signal;
      v1::ReferralStatus goal;
    };
    static const std::vector<Answer> kAnswers = {
        {v1::SIGNAL_TAKEN, REFERRAL_STATUS_ACCEPTED},
        {v1::SIGNAL_TAKEN, REFERRAL_STATUS_ACCEPTED},
        {v1::SIGNAL_STARTED, REFERRAL_STATUS_ACTIVE},
        {v1::SIGNAL_STARTED, REFERRAL_STATUS_ACTIVE},
        {v1::SIGNAL_REJECTED, REFERRAL_STATUS_REJECTED},
        {v1::SIGNAL_DID_NOT_ATTEND, REFERRAL_STATUS_NO_CONTACT},
        {v1::SIGNAL_COMPLETED, REFERRAL_STATUS_COMPLETED}};
    As(Chance(85) ? kProvider : Pick(organisations_), Chance(90) ? "integrator" : "link_worker");
    Known& known = model_[id];
    const Answer& answer = Pick(kAnswers);
    SCOPED_TRACE(v1::Signal_Name(answer.signal));
    const std::string today = journal.today();
    v1::RecordPartnerResponseRequest request;
    request.set_in_response_to(known.is_sent_on ? Queue(id).deliveries(0).message().bundle_id()
                                                : "of nobody");
    request.set_signal(answer.signal);
    request.set_date(Pick<std::string>({"", "", today, "2025-01-02", "2099-01-01"}));
    const bool is_known_message = messages_ > 0 && Chance(10);
    const int number = is_known_message ? messages_ : messages_ + 1;
    *request.mutable_partner_message() = Message(number);
    // The message was brought before, unless that was refused.
    const bool was_taken =
        journal
            .Holder(kMessageIndex, MessageKey(request.partner_message().request_id(),
                                              request.partner_message().correlation_id()))
            .has_value();
    ASSERT_TRUE(is_known_message || !was_taken);
    messages_ = number;
    const State before = *journal.StateOf(id);
    const int64_t version = journal.VersionOf(id);
    const absl::Status status = Run(request);

    const v1::ReferralStatus from = known.status;
    const bool says_nothing_new =
        from == answer.goal || (answer.goal == REFERRAL_STATUS_ACCEPTED &&
                                (from == REFERRAL_STATUS_ACTIVE || from == REFERRAL_STATUS_PAUSED));
    if (!known.is_sent_on || journal.caller.organisation != kProvider) {
      ASSERT_EQ(status.code(), absl::StatusCode::kNotFound) << "INV-156";
    } else if (journal.caller.role != "integrator") {
      ASSERT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    } else if (was_taken) {
      ASSERT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << "INV-149";
    } else if (request.date() > today) {
      ASSERT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << "INV-31";
    } else if (says_nothing_new) {
      ASSERT_TRUE(status.ok()) << status;
      ++known.responses;
      ++done_by_command_["NothingNew"];
    } else if (IsTerminal(from)) {
      ASSERT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << "INV-18";
    } else {
      ASSERT_TRUE(status.ok()) << status;
      ++known.responses;
      ++done_by_command_[v1::Signal_Name(answer.signal)];
      known.status = answer.goal;
      const bool is_taken_on = answer.goal != REFERRAL_STATUS_REJECTED;
      if (is_taken_on && known.accepted.empty()) known.accepted = today;
      const bool is_started =
          answer.goal == REFERRAL_STATUS_ACTIVE || answer.goal == REFERRAL_STATUS_COMPLETED;
      if (is_started && known.first_contact.empty()) {
        known.first_contact =
            std::max(request.date().empty() ? today : request.date(), known.accepted);
      }
      LearnCounts(known);
    }
    Check(id, known, before, version);
  }

  // The gateway brings a message of ours to a partner, or somebody has a failed one sent again.
  void Deliver(const std::string& id) {
    struct Attempt {
      int http_status;
      const char* issue_code;
      v1::DeliveryProblem problem;
      v1::DeliveryStatus status;
    };
    static const std::vector<Attempt> kAttempts = {
        {200, "", v1::DELIVERY_PROBLEM_UNSPECIFIED, v1::DELIVERY_STATUS_DELIVERED},
        {409, "duplicate", v1::DELIVERY_PROBLEM_UNSPECIFIED, v1::DELIVERY_STATUS_DELIVERED},
        {409, "conflict", v1::DELIVERY_PROBLEM_UNSPECIFIED, v1::DELIVERY_STATUS_FAILED},
        {404, "not-found", v1::DELIVERY_PROBLEM_UNSPECIFIED, v1::DELIVERY_STATUS_FAILED},
        {503, "", v1::DELIVERY_PROBLEM_UNSPECIFIED, v1::DELIVERY_STATUS_WAITING},
        {0, "", v1::DELIVERY_PROBLEM_TIMEOUT, v1::DELIVERY_STATUS_WAITING}};
    As(Pick(organisations_), "link_worker");
    Known& known = model_[id];
    const State before = *journal.StateOf(id);
    const int64_t version = journal.VersionOf(id);
    const int size = Queue(id).deliveries_size();
    const int i = size == 0 ? 0 : static_cast<int>(random_() % size);
    const v1::Delivery delivery = size == 0 ? v1::Delivery() : Queue(id).deliveries(i);
    const std::string delivery_id = size == 0 ? kNobody : delivery.message().delivery_id();
    const bool is_over = delivery.status() == v1::DELIVERY_STATUS_DELIVERED ||
                         delivery.status() == v1::DELIVERY_STATUS_FAILED;
    const auto deliver = [&](auto request) {
      request.set_referral_id(id);
      request.set_delivery_id(delivery_id);
      return request;
    };
    const char* name = "";
    absl::Status status;
    absl::StatusCode expected = size == 0 ? absl::StatusCode::kNotFound : absl::StatusCode::kOk;
    bool changes = !is_over;
    if (Chance(30)) {
      name = "Prepare";
      v1::PrepareDeliveryRequest request = deliver(v1::PrepareDeliveryRequest());
      request.mutable_body()->set_text("words");
      status = Run(request);
      changes = !is_over && !delivery.has_body();
    } else if (Chance(60)) {
      name = "DeliveryAttempt";
      const Attempt& attempt = Pick(kAttempts);
      v1::RecordDeliveryAttemptRequest request = deliver(v1::RecordDeliveryAttemptRequest());
      request.set_http_status(attempt.http_status);
      request.set_issue_code(attempt.issue_code);
      request.set_problem(attempt.problem);
      status = Run(request);
      if (attempt.status == v1::DELIVERY_STATUS_DELIVERED && changes && size > 0) {
        known.delivered.insert(i);
      }
      if (size > 0 && changes) {
        // What is to wait for its turn behind others waits without a time of its own.
        ASSERT_EQ(Queue(id).deliveries(i).status(), attempt.status) << "INV-152";
      }
    } else {
      name = "SendAgain";
      status = Run(deliver(v1::SendDeliveryAgainRequest()));
      const bool is_sender =
          journal.caller.organisation == delivery.message().sender_organisation();
      if (!is_sender) {
        expected = absl::StatusCode::kNotFound;
      } else if (delivery.status() != v1::DELIVERY_STATUS_FAILED) {
        expected = absl::StatusCode::kFailedPrecondition;
      }
      changes = expected == absl::StatusCode::kOk;
    }
    SCOPED_TRACE(name);
    ASSERT_EQ(status.code(), expected) << status;
    if (status.ok()) {
      ASSERT_THAT(events_, testing::SizeIs(changes ? 1 : 0));
      done_by_command_[name] += changes;
    }
    Check(id, known, before, version);
  }

  void RunCommand(const std::string& id) {
    As(Pick(organisations_), Chance(90) ? "link_worker" : "integrator");
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
    if (name == "SubmitDraft") {
      known.received = journal.today();
      known.is_sent_on = sent_on_.contains(known.service);
    }
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
    if (name == "Accept" || name == "Outcome") known.accepted = journal.today();
    if (name == "Plan") ++known.plans;
    if (name == "Review") ++known.reviews;
    if (name == "AddRisk") known.open_risks.push_back(true);
    if (name == "EndRisk") known.open_risks[FirstOpenRisk(known) - 1] = false;
    if (name == "Decide") ++known.decisions;
    if (name == "Measure") ++known.measures;
    LearnCounts(known);
  }

  void LearnCounts(Known& known) {
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
    State walked = before;
    for (const v1::ReferralEvent& event : events_) {
      if (event.header().stream_id() != id) continue;
      const v1::ReferralStatus from = walked.status();
      ReferralRules::Evolve(walked, event);
      ASSERT_TRUE(walked.status() == from || MayBecome(from, walked.status())) << "INV-17";
    }
    if (IsTerminal(before.status())) {
      ASSERT_TRUE(after.status() == before.status() ||
                  after.status() == REFERRAL_STATUS_ENTERED_IN_ERROR)
          << "INV-18";
    }
    ASSERT_EQ(after.worker_id(), known.worker);
    ASSERT_TRUE(known.status != REFERRAL_STATUS_ACTIVE ||
                ((!after.worker_id().empty() || known.responses > 0) &&
                 !after.first_contact_date().empty()))
        << "INV-26: a partner's answer stands for its worker";
    const bool counts = known.service == kService && !known.first_contact.empty();
    ASSERT_EQ(known.counted, counts ? 1 : 0) << "INV-38";
    ASSERT_EQ(known.counted - known.retracted,
              counts && known.status != REFERRAL_STATUS_ENTERED_IN_ERROR ? 1 : 0)
        << "INV-39";
    ASSERT_LE(known.declined, 1) << "INV-28";
    ASSERT_EQ(journal.Holder(kOpenIndex, OpenKey(known.person, known.service)) == id,
              known.IsOpen())
        << "INV-32";
    ASSERT_EQ(after.partner_responses_size(), known.responses);
    CheckCare(after.care(), known);
    CheckQueue(Queue(id), known);
  }

  void CheckCare(const v1::CareRecord& care, const Known& known) {
    ASSERT_EQ(care.plan_version(), known.plans);
    ASSERT_EQ(care.reviews_size(), known.reviews);
    ASSERT_EQ(care.decisions_size(), known.decisions);
    ASSERT_EQ(care.measures_size(), known.measures);
    ASSERT_THAT(care.risks(), testing::SizeIs(known.open_risks.size())) << "INV-46";
    for (int i = 0; i < care.risks_size(); ++i) {
      ASSERT_EQ(care.risks(i).end_date().empty(), known.open_risks[i]) << "INV-46";
    }
  }

  // One message at a time, and what arrived has arrived.
  void CheckQueue(const v1::DeliveryQueue& queue, const Known& known) {
    bool is_first = true;
    for (int i = 0; i < queue.deliveries_size(); ++i) {
      const v1::Delivery& delivery = queue.deliveries(i);
      ASSERT_EQ(delivery.status() == v1::DELIVERY_STATUS_DELIVERED, known.delivered.contains(i));
      const bool is_due = delivery.status() == v1::DELIVERY_STATUS_DUE;
      const bool is_waiting = delivery.status() == v1::DELIVERY_STATUS_WAITING;
      if (!is_due && !is_waiting) continue;
      ASSERT_EQ(is_due || delivery.has_next_attempt_time(), is_first);
      is_first = false;
    }
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
    for (const auto& [id, known] : model_) CheckSaid(Queue(id), known);
  }

  // The partners of a referral heard what they must, and but for a pause's end nothing twice.
  void CheckSaid(const v1::DeliveryQueue& queue, const Known& known) {
    std::map<v1::Signal, int> said;
    for (const v1::Delivery& delivery : queue.deliveries()) ++said[delivery.message().signal()];
    ASSERT_EQ(said[v1::SIGNAL_REQUEST], known.is_sent_on ? 1 : 0);
    ASSERT_TRUE(!known.is_sent_on || queue.deliveries(0).message().signal() == v1::SIGNAL_REQUEST);
    const bool is_cancelled =
        known.status == REFERRAL_STATUS_WITHDRAWN || known.status == REFERRAL_STATUS_DECLINED;
    ASSERT_TRUE(!known.is_sent_on || !is_cancelled || said[v1::SIGNAL_CANCEL] == 1);
    ASSERT_LE(said[v1::SIGNAL_CANCEL] + said[v1::SIGNAL_CANCEL_AS_ERROR], known.is_sent_on ? 1 : 0);
    for (const auto signal :
         {v1::SIGNAL_TAKEN, v1::SIGNAL_REJECTED, v1::SIGNAL_DID_NOT_ATTEND, v1::SIGNAL_COMPLETED}) {
      ASSERT_LE(said[signal], 1) << v1::Signal_Name(signal);
    }
  }

  const std::vector<std::string> organisations_ = {kPractice, kPractice, kProvider,
                                                   kProvider, kProvider, kStranger};
  const std::vector<std::string> people_ = {kPerson, kOtherPerson};
  const std::vector<std::string> services_ = {kService, kOtherService};
  const std::vector<v1::PlanOffer> offers_ = {v1::PLAN_OFFER_UNDECIDED, v1::PLAN_OFFER_ACCEPTED,
                                              v1::PLAN_OFFER_DECLINED};
  uint64_t seed_ = 0;
  long sequences_ = 0;
  std::mt19937_64 random_;
  std::vector<Command> commands_;
  std::vector<size_t> deck_;
  std::map<std::string, Known> model_;
  std::set<std::string> sent_on_;  // services in a partner's system
  int messages_ = 0;               // of partners, so far
  std::set<std::tuple<std::string, v1::Stage, absl::Time>> stalls_;
  std::vector<v1::ReferralEvent> events_;
  std::map<std::string, int> done_by_command_;
};

TEST_F(PropertyTest, Inv17To19And21And32And38And39And52HoldInAnyOrder) {
  for (long sequence = 0; sequence < sequences_; ++sequence) {
    SCOPED_TRACE(absl::StrCat("FETTLE_TEST_SEED=", seed_, " sequence ", sequence));
    journal = base::TestJournal<ReferralRules>();
    Settle();
    model_.clear();
    stalls_.clear();
    messages_ = 0;
    SetUpDirectory();
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
  for (const char* name : {"Submit", "Draft", "Stall", "Due", "Prepare", "DeliveryAttempt",
                           "SendAgain", "NothingNew", "SIGNAL_TAKEN", "SIGNAL_STARTED",
                           "SIGNAL_REJECTED", "SIGNAL_DID_NOT_ATTEND", "SIGNAL_COMPLETED"}) {
    EXPECT_GT(done_by_command_[name], 0) << name;
  }
}

}  // namespace
}  // namespace fettle::referral
