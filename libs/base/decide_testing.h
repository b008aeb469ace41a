// For tests of a service's domain: a journal in memory that runs the pure functions as libs/journal
// does, so that a test reads given (events) / when (request) / then (events or refusal).
//
//   using Test = base::DomainTest<ReferralRules>;
//   journal.Given(kReferral, submitted);
//   auto done = journal.When(request);                        // StatusOr<Recorded<Event,
//   Response>> EXPECT_THAT(done, base::RefusedWith(absl::StatusCode::kNotFound,
//   "REFERRAL_NOT_FOUND"));
//
// Beside what the test asserts, every When() checks the laws that hold for every service: decide is
// a function of its arguments, looks only at what reads named, leaves no unsealed words in events;
// versions have no gap; folding the events again gives the state; no unique entry collides; no
// index holds facts and entries of states.
#ifndef FETTLE_LIBS_BASE_DECIDE_TESTING_H_
#define FETTLE_LIBS_BASE_DECIDE_TESTING_H_

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "libs/base/date.h"
#include "libs/base/decide.h"
#include "libs/base/status.h"
#include "libs/base/text.h"

namespace fettle::base {

// What tests have seen each command do, for comparison with the service's README
// (readme_testing.h).
struct Observed {
  std::map<std::string, std::set<std::string>> events;    // by command
  std::map<std::string, std::set<std::string>> refusals;  // by command

  static Observed& Get() {
    static Observed observed;
    return observed;
  }
};

// Calls `visit` for every SealedText that is set anywhere in the message.
inline void ForEachSealedText(google::protobuf::Message& message,
                              const std::function<void(common::v1::SealedText&)>& visit) {
  if (auto* text = dynamic_cast<common::v1::SealedText*>(&message)) return visit(*text);
  const google::protobuf::Reflection* reflection = message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      ForEachSealedText(*reflection->MutableMessage(&message, field), visit);
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      ForEachSealedText(*reflection->MutableRepeatedMessage(&message, field, i), visit);
    }
  }
}

// The stream's journey: the field `correlation_id` of the state, or of the case of its oneof
// `kind`.
inline std::string JourneyOf(const google::protobuf::Message& state) {
  const google::protobuf::Descriptor* type = state.GetDescriptor();
  const google::protobuf::Reflection* reflection = state.GetReflection();
  if (const auto* field = type->FindFieldByName("correlation_id"); field != nullptr) {
    return reflection->GetString(state, field);
  }
  const google::protobuf::OneofDescriptor* kind = type->FindOneofByName("kind");
  if (kind == nullptr || !reflection->HasOneof(state, kind)) return "";
  return JourneyOf(reflection->GetMessage(state, reflection->GetOneofFieldDescriptor(state, kind)));
}

// The name of the event in the `event` oneof: `ReferralSubmitted`.
inline std::string EventName(const google::protobuf::Message& event) {
  const google::protobuf::OneofDescriptor* oneof = event.GetDescriptor()->FindOneofByName("event");
  const google::protobuf::FieldDescriptor* field =
      event.GetReflection()->GetOneofFieldDescriptor(event, oneof);
  return field == nullptr ? "" : field->message_type()->name();
}

// `SubmitReferral` of a SubmitReferralRequest.
inline std::string CommandName(const google::protobuf::Message& request) {
  std::string name = request.GetDescriptor()->name();
  name.resize(name.size() - std::string_view("Request").size());
  return name;
}

// What an accepted command left: its response (`result` not filled), and its events with their
// headers.
template <class Event, class Response>
struct Recorded {
  Response response;
  std::vector<Event> events;
};

template <class Rules>
class TestJournal {
 public:
  using Event = typename Rules::Event;
  using State = typename Rules::State;

  // Recorded time of the next command; each command takes a second.
  absl::Time now = absl::FromCivil(absl::CivilSecond(2025, 3, 17, 12, 0, 0), absl::UTCTimeZone());
  Caller caller;
  std::string correlation_id = "0196d5a0-c0c0-7000-8000-000000000000";

  // What other services answer.
  struct Organisation {
    std::string icb, start_date, end_date;
  };
  std::map<std::string, common::v1::PersonContext> people;
  std::map<std::string, Organisation> organisations;  // by ODS code
  std::map<Questions::CompetenceQuestion, common::v1::Competence> competences;
  // Changes the evidence after it was gathered: evidence about something else.
  std::function<void(Evidence&)> tamper;

  std::string today() const { return LondonDate(now); }

  // An event that was recorded earlier, by `caller`.
  void Given(const std::string& stream_id, Event event) {
    Record(stream_id, std::move(event), correlation_id);
  }
  // A state that no command reaches.
  void GivenState(const std::string& stream_id, State state) {
    Stream& stream = streams_[stream_id];
    stream.base = state;
    stream.base_version = stream.version = 1;
    stream.position = ++position_;
    stream.state = std::move(state);
    stream.events.clear();
    ReplaceEntries(stream_id, stream);
  }

  template <class Request>
  auto When(Request request) {
    using Decided = decltype(Rules::Decide(View(), request, Context()));
    using Response = decltype(std::declval<typename Decided::value_type>().response);
    const Evidence evidence = Gather(request);
    const View view = Read(request);
    Context context = MakeContext();
    if constexpr (requires { request.request_id(); }) context.request_id = request.request_id();
    if constexpr (requires { request.correlation_id(); }) {
      if (!request.correlation_id().empty()) context.correlation_id = request.correlation_id();
    }
    context.evidence = &evidence;
    IdSource ids(now, ++commands_);
    IdSource same_ids = ids;
    context.ids = &ids;
    Decided decided = Rules::Decide(view, request, context);
    context.ids = &same_ids;
    ExpectSame(decided, Rules::Decide(view, request, context));
    now += absl::Seconds(1);

    absl::StatusOr<Recorded<Event, Response>> outcome;
    const std::string command = CommandName(request);
    if (!decided.ok()) {
      const std::string reason = ReasonOf(decided.status());
      EXPECT_NE(reason, "") << "a refusal has a reason: " << decided.status();
      Observed::Get().refusals[command].insert(reason);
      outcome = decided.status();
      return outcome;
    }
    outcome.emplace();
    outcome->response = std::move(decided->response);
    for (NewEvent& event : decided->events) {
      auto* typed = dynamic_cast<Event*>(event.event.get());
      EXPECT_NE(typed, nullptr) << "an event is of the service's own type";
      typed->mutable_header()->set_request_id(context.request_id);
      Observed::Get().events[command].insert(EventName(*typed));
      outcome->events.push_back(Record(event.stream_id, std::move(*typed), context.correlation_id));
    }
    return outcome;
  }

  template <class Request>
  auto Ask(const Request& request) const {
    return Rules::Answer(TestSnapshot(*this), request, MakeContext());
  }

  // Null when the stream has no event.
  const State* StateOf(const std::string& stream_id) const {
    const auto it = streams_.find(stream_id);
    return it == streams_.end() ? nullptr : &it->second.state;
  }
  int64_t VersionOf(const std::string& stream_id) const {
    const auto it = streams_.find(stream_id);
    return it == streams_.end() ? 0 : it->second.version;
  }
  const std::vector<Event>& EventsOf(const std::string& stream_id) {
    return streams_[stream_id].events;
  }
  std::vector<Timer> TimersOf(const std::string& stream_id) const {
    return Rules::Timers(*StateOf(stream_id));
  }
  std::optional<std::string> Holder(int index, const std::string& key) const {
    const auto it = holders_.find({index, key});
    return it == holders_.end() ? std::nullopt : std::optional(it->second);
  }
  // Streams under (index, key), in order.
  std::vector<std::string> Listed(int index, const std::string& key) const {
    std::vector<std::string> streams;
    const auto it = listed_.find({index, key});
    if (it == listed_.end()) return streams;
    for (const auto& [sort, stream] : it->second) streams.push_back(stream);
    return streams;
  }
  std::vector<std::string> StreamIds() const {
    std::vector<std::string> ids;
    for (const auto& [id, stream] : streams_) {
      if (stream.version > 0) ids.push_back(id);
    }
    return ids;
  }
  // States loaded by queries so far: what a page costs.
  int64_t loads() const { return loads_; }

 private:
  struct Stream {
    int64_t version = 0;
    int64_t position = 0;
    State state;
    std::vector<Event> events;
    std::vector<Entry> entries;
    State base;  // of GivenState
    int64_t base_version = 0;
  };

  class TestSnapshot final : public Snapshot {
   public:
    explicit TestSnapshot(const TestJournal& journal) : journal_(journal) {}

    absl::StatusOr<View::Stream> Load(std::string_view stream_id) const override {
      ++journal_.loads_;
      return journal_.Loaded(std::string(stream_id));
    }
    absl::StatusOr<std::optional<std::string>> Holder(int index,
                                                      std::string_view key) const override {
      return journal_.Holder(index, std::string(key));
    }
    absl::StatusOr<ListedPage> List(int index, std::string_view key,
                                    const common::v1::Page& page) const override {
      ListedPage listed;
      const auto found = journal_.listed_.find({index, std::string(key)});
      if (found == journal_.listed_.end()) return listed;
      auto it = found->second.begin();
      if (!page.page_token().empty()) {
        std::string after;
        if (!absl::WebSafeBase64Unescape(page.page_token(), &after) || after.size() < 36) {
          return Refuse(absl::StatusCode::kInvalidArgument, "PAGE_TOKEN_NOT_VALID",
                        "page.page_token: as returned by the page before");
        }
        it = found->second.upper_bound(
            {after.substr(0, after.size() - 36), after.substr(after.size() - 36)});
      }
      const size_t size_max = page.page_size() == 0 ? 50 : page.page_size();
      for (; it != found->second.end() && listed.streams.size() < size_max; ++it) {
        listed.streams.push_back(it->second);
      }
      if (it != found->second.end() && it != found->second.begin()) {
        const auto& [sort, stream] = *std::prev(it);
        listed.next = absl::WebSafeBase64Escape(sort + stream);
      }
      return listed;
    }
    absl::StatusOr<std::vector<std::shared_ptr<const google::protobuf::Message>>> Events(
        std::string_view stream_id, int64_t from_version, int limit) const override {
      std::vector<std::shared_ptr<const google::protobuf::Message>> events;
      const auto it = journal_.streams_.find(std::string(stream_id));
      if (it == journal_.streams_.end()) return events;
      for (const Event& event : it->second.events) {
        if (static_cast<int>(events.size()) == limit) break;
        if (event.header().version() < from_version) continue;
        events.push_back(std::make_shared<Event>(event));
      }
      return events;
    }
    int64_t position() const override { return journal_.position_; }

   private:
    const TestJournal& journal_;
  };

  View::Stream Loaded(const std::string& stream_id) const {
    const auto it = streams_.find(stream_id);
    if (it == streams_.end() || it->second.version == 0) return {};
    return {.version = it->second.version,
            .position = it->second.position,
            .state = std::make_shared<State>(it->second.state)};
  }

  Context MakeContext() const {
    Context context;
    context.time = now;
    context.today = today();
    context.caller = caller;
    context.correlation_id = correlation_id;
    return context;
  }

  template <class Request>
  View Read(const Request& request) const {
    View view;
    for (int round = 0;; ++round) {
      bool wants_more = false;
      const auto load = [&](const std::string& id) {
        if (view.Has(id)) return;
        wants_more = true;
        view.Put(id, Loaded(id));
      };
      const View probe = View::Probing();
      const Reads reads = Rules::ReadsOf(request, round == 0 ? probe : view);
      for (const std::string& id : reads.streams) load(id);
      for (const auto& [index, key] : reads.unique) {
        if (view.HasKey(index, key)) continue;
        wants_more = true;
        const std::optional<std::string> holder = Holder(index, key);
        view.PutHolder(index, key, holder);
        if (holder) load(*holder);
      }
      // As the journal: what did not look at state is not asked again.
      if (!wants_more || (round == 0 && !probe.missed())) return view;
      EXPECT_LT(round, 3) << "reads are complete after three rounds";
    }
  }

  // Asks the questions and seals the request's words, as the door does before a command is queued.
  template <class Request>
  Evidence Gather(Request& request) const {
    Questions questions = Rules::QuestionsOf(request, Read(request));
    // The journal asks once without state, and believes that the answer does not depend on state
    // unless it was looked at.
    if (const View probe = View::Probing(); true) {
      const Questions probed = Rules::QuestionsOf(request, probe);
      EXPECT_TRUE(probe.missed() || (probed.people == questions.people &&
                                     probed.competences == questions.competences &&
                                     probed.organisations == questions.organisations &&
                                     probed.seal_for == questions.seal_for))
          << "questions that depend on state look it up with StateOf, Find or Holder";
    }
    bool has_words = false;
    ForEachSealedText(request,
                      [&](common::v1::SealedText& text) { has_words |= !text.text().empty(); });
    if (!has_words) questions.seal_for.clear();
    Evidence evidence;
    for (const std::string& id : questions.people) {
      if (const auto it = people.find(id); it != people.end())
        evidence.people[id] = std::make_shared<common::v1::PersonContext>(it->second);
    }
    for (const auto& question : questions.competences) {
      common::v1::Competence& competence = evidence.competences[question];
      if (const auto it = competences.find(question); it != competences.end()) {
        competence = it->second;
      }
      competence.set_practitioner_id(question.practitioner_id);
      competence.set_capability(question.capability);
      competence.set_date(question.date);
    }
    for (const auto& question : questions.organisations) {
      const auto shared = std::make_shared<common::v1::OrganisationFact>();
      evidence.organisations[question] = shared;
      common::v1::OrganisationFact& fact = *shared;
      const std::string date = question.date.empty() ? today() : question.date;
      fact.set_ods_code(question.ods_code);
      fact.set_date(date);
      const auto it = organisations.find(question.ods_code);
      if (it == organisations.end()) continue;
      fact.set_known(true);
      fact.set_valid(it->second.start_date <= date &&
                     (it->second.end_date.empty() || date <= it->second.end_date));
      fact.set_icb(it->second.icb);
    }
    evidence.has_words = has_words;
    evidence.sealed_for = questions.seal_for;
    ForEachSealedText(request, [&](common::v1::SealedText& text) {
      if (!questions.seal_for.empty() && !text.text().empty()) {
        text.set_sealed(Concat(questions.seal_for, ":", text.text()));
        text.set_key_version(1);
      }
      text.clear_text();
    });
    if (tamper) tamper(evidence);
    return evidence;
  }

  template <class Decided>
  static void ExpectSame(const Decided& first, const Decided& second) {
    using google::protobuf::util::MessageDifferencer;
    ASSERT_EQ(first.status().code(), second.status().code());
    ASSERT_EQ(first.status().message(), second.status().message());
    if (!first.ok()) {
      // The bytes of a detail are not canonical: a map's order is not.
      EXPECT_TRUE(MessageDifferencer::Equals(
          ErrorInfoOf(first.status()).value_or(google::rpc::ErrorInfo()),
          ErrorInfoOf(second.status()).value_or(google::rpc::ErrorInfo())))
          << "decide is a function of its arguments";
      return;
    }
    EXPECT_TRUE(MessageDifferencer::Equals(first->response, second->response))
        << "decide is a function of its arguments";
    ASSERT_EQ(first->events.size(), second->events.size());
    for (size_t i = 0; i < first->events.size(); ++i) {
      EXPECT_EQ(first->events[i].stream_id, second->events[i].stream_id);
      EXPECT_TRUE(MessageDifferencer::Equals(*first->events[i].event, *second->events[i].event))
          << "decide is a function of its arguments";
    }
  }

  Event Record(const std::string& stream_id, Event event, const std::string& correlation) {
    EXPECT_TRUE(IsUuid(stream_id)) << stream_id;
    const std::string name = EventName(event);
    EXPECT_NE(name, "") << "an event has its oneof set";
    ForEachSealedText(event, [&](common::v1::SealedText& text) {
      EXPECT_EQ(text.text(), "") << name << " holds unsealed words";
    });
    Stream& stream = streams_[stream_id];
    common::v1::EventHeader& header = *event.mutable_header();
    header.set_source(Concat("urn:fettle:", Rules::kService, ":test"));
    header.set_position(++position_);
    header.set_id(Concat(Rules::kService, ".test.", position_));
    header.set_previous_position(stream.position);
    header.set_stream_id(stream_id);
    header.set_version(++stream.version);
    header.set_type(Concat("uk.nhs.fettle.", Rules::kService, ".", name, ".v1"));
    *header.mutable_time() =
        google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(now));
    const std::string journey = JourneyOf(stream.state);
    header.set_correlation_id(journey.empty() ? correlation : journey);
    header.set_caller(caller.Name());
    header.set_organisation(caller.organisation);
    header.set_role(caller.role);
    header.set_purpose(caller.purpose);
    stream.position = position_;
    Rules::Evolve(stream.state, event);
    for (const std::string& subject : Rules::Subjects(stream.state)) header.add_subjects(subject);
    stream.events.push_back(event);

    State folded = stream.base;
    for (size_t i = 0; i < stream.events.size(); ++i) {
      Rules::Evolve(folded, stream.events[i]);
      EXPECT_EQ(stream.events[i].header().version(),
                stream.base_version + static_cast<int64_t>(i) + 1);
    }
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(folded, stream.state))
        << "INV-19: folding the events of " << stream_id << " again gives its state";

    for (const Entry& fact : Rules::Facts(event)) {
      fact_indices_.insert(fact.index);
      Add(fact, stream_id);
    }
    ReplaceEntries(stream_id, stream);
    return event;
  }

  void ReplaceEntries(const std::string& stream_id, Stream& stream) {
    for (const Entry& entry : stream.entries) {
      listed_[{entry.index, entry.key}].erase({entry.sort, stream_id});
      if (entry.unique) holders_.erase({entry.index, entry.key});
    }
    stream.entries = Rules::Index(stream.state);
    std::sort(stream.entries.begin(), stream.entries.end());
    EXPECT_EQ(std::adjacent_find(stream.entries.begin(), stream.entries.end()),
              stream.entries.end())
        << "the entries of a state are different from each other";
    for (const Entry& entry : stream.entries) {
      state_indices_.insert(entry.index);
      Add(entry, stream_id);
    }
  }

  void Add(const Entry& entry, const std::string& stream_id) {
    EXPECT_FALSE(fact_indices_.contains(entry.index) && state_indices_.contains(entry.index))
        << "index " << entry.index
        << " has facts, which stay, and entries of states, which are removed";
    listed_[{entry.index, entry.key}].insert({entry.sort, stream_id});
    if (!entry.unique) return;
    const auto [it, added] = holders_.insert({{entry.index, entry.key}, stream_id});
    EXPECT_TRUE(added) << "unique entry of index " << entry.index << " is held by " << it->second
                       << " and now by " << stream_id;
  }

  std::map<std::string, Stream> streams_;
  std::map<std::pair<int, std::string>, std::set<std::pair<std::string, std::string>>> listed_;
  std::map<std::pair<int, std::string>, std::string> holders_;
  // Of all journals of these rules.
  static inline std::set<int> fact_indices_, state_indices_;
  int64_t position_ = 0;
  uint64_t commands_ = 0;
  mutable int64_t loads_ = 0;
};

template <class Rules>
class DomainTest : public ::testing::Test {
 protected:
  TestJournal<Rules> journal;
};

namespace internal {
inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}
}  // namespace internal

// A Status or StatusOr that refuses with this code and ErrorInfo reason.
MATCHER_P2(RefusedWith, code, reason, "") {
  const absl::Status& status = internal::StatusOf(arg);
  *result_listener << "is " << status.ToString(absl::StatusToStringMode::kWithNoExtraData)
                   << " with reason " << ReasonOf(status);
  return status.code() == code && ReasonOf(status) == reason;
}

// Likewise, and one of the BadRequest's violations names the field.
MATCHER_P2(RefusedField, field, reason, "") {
  const absl::Status& status = internal::StatusOf(arg);
  *result_listener << "is " << status.ToString(absl::StatusToStringMode::kWithNoExtraData)
                   << " with reason " << ReasonOf(status);
  const std::optional<google::rpc::BadRequest> bad = BadRequestOf(status);
  if (status.code() != absl::StatusCode::kInvalidArgument || !bad) return false;
  for (const auto& violation : bad->field_violations()) {
    if (violation.field() == field && violation.reason() == reason) return true;
  }
  return false;
}

// A Status or StatusOr that is OK.
MATCHER(IsDone, "") {
  const absl::Status& status = internal::StatusOf(arg);
  *result_listener << "is " << status.ToString(absl::StatusToStringMode::kWithNoExtraData)
                   << " with reason " << ReasonOf(status);
  return status.ok();
}

}  // namespace fettle::base

#endif  // FETTLE_LIBS_BASE_DECIDE_TESTING_H_
