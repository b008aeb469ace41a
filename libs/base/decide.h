// The vocabulary of the functional core: what a service's pure functions take and give.
//
//   evidence(request, view)          -> questions to other services
//   reads(request, view)             -> streams and keys that the decision may look at
//   decide(view, request, context)   -> events and a response, or one refusal
//   evolve(state, event)             -> state
//   index(state), timers(state)      -> entries and due times that hold for this state
//   facts(event)                     -> entries that stay for ever
//
// All of these are values and pure functions: no clock, no randomness, no input or output.
// libs/journal runs them.
#ifndef FETTLE_LIBS_BASE_DECIDE_H_
#define FETTLE_LIBS_BASE_DECIDE_H_

#include <google/protobuf/message.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fettle/common/v1/types.pb.h"
#include "libs/base/uuid.h"

namespace fettle::base {

// A row that leads from a key to a stream. `index` numbers are the service's own and never reused.
struct Entry {
  int index = 0;
  // The bytes to look up; several parts are joined by Key().
  std::string key;
  // Order within the key, ascending bytes.
  std::string sort;
  // At most one stream may hold this (index, key). decide must have looked before; a collision
  // stops the process.
  bool unique = false;
  // Keys that come one after the other lie apart from each other, as those of people do. Such
  // entries are kept another way; it makes no difference to what is found.
  bool scattered = false;

  friend auto operator<=>(const Entry&, const Entry&) = default;
};

// A clock that speaks: when due, the journal decides the service's timer command for (stream,
// name).
struct Timer {
  absl::Time due;
  std::string name;

  friend bool operator==(const Timer&, const Timer&) = default;
  friend bool operator<(const Timer& a, const Timer& b) {
    return a.due != b.due ? a.due < b.due : a.name < b.name;
  }
};

// Joins the parts of a key so that no two different lists of parts give the same bytes. UUIDs are
// packed to 16 bytes.
std::string Key(std::initializer_list<std::string_view> parts);

// What a decision wants to look at. Order matters in one place: `streams[0]`, when present, is the
// stream that the request's expected_version speaks of.
struct Reads {
  std::vector<std::string> streams;  // UUIDs
  std::vector<std::pair<int, std::string>>
      unique;  // (index, key): the stream that holds the unique entry is loaded too
};

// What reads() named, with the effects of earlier commands of the same batch. The journal fills it.
class View {
 public:
  struct Stream {
    int64_t version = 0;   // 0: the stream has no event
    int64_t position = 0;  // of its last event
    std::shared_ptr<const google::protobuf::Message> state;
  };

  // A probing view holds nothing yet: it answers "not there" and remembers that it was asked. The
  // journal uses it to learn whether a request's questions depend on state at all.
  static View Probing() {
    View view;
    view.probing_ = true;
    return view;
  }
  bool missed() const { return missed_; }

  // The stream, if it has events. Asking for one that reads() did not name stops the process (a
  // probing view aside): a rule that reads what was not loaded would be wrong under concurrency.
  const Stream* Find(std::string_view stream_id) const;
  template <class State>
  const State* StateOf(std::string_view stream_id) const {
    const Stream* stream = Find(stream_id);
    return stream == nullptr ? nullptr : static_cast<const State*>(stream->state.get());
  }
  // The stream that holds the unique entry, or nothing.
  std::optional<std::string> Holder(int index, std::string_view key) const;
  // It was loaded, and may have no events.
  bool Has(std::string_view stream_id) const {
    missed_ |= probing_;
    return streams_.contains(stream_id);
  }
  bool HasKey(int index, std::string_view key) const {
    missed_ |= probing_;
    return holders_.contains({index, std::string(key)});
  }

  void Put(std::string stream_id, Stream stream) {
    streams_.insert_or_assign(std::move(stream_id), std::move(stream));
  }
  void PutHolder(int index, std::string key, std::optional<std::string> stream_id) {
    holders_.insert_or_assign({index, std::move(key)}, std::move(stream_id));
  }

 private:
  std::map<std::string, Stream, std::less<>> streams_;
  std::map<std::pair<int, std::string>, std::optional<std::string>> holders_;
  bool probing_ = false;
  mutable bool missed_ = false;
};

// A timer that came due, as the request of a command: rules that set timers have ReadsOf and Decide
// for it.
struct TimerDue {
  std::string stream_id;
  std::string name;
  absl::Time due;
};

// Who asks.
struct Caller {
  std::string subject;       // of a user's token, or the name of a service
  bool is_service = false;   // by certificate alone
  std::string organisation;  // ODS code, empty for services
  std::string role;
  std::string purpose;

  // `user:<subject>` or `service:<name>`.
  std::string Name() const { return (is_service ? "service:" : "user:") + subject; }
};

// What a command needs to know from other services. Asked before the command is queued; the answers
// that a decision rested on go into its events.
struct Questions {
  std::vector<std::string> people;  // PersonContext of each
  // The contexts must be as the registry has them now, not as a cache had them.
  bool fresh_people = false;
  struct CompetenceQuestion {
    std::string practitioner_id, capability, date;
    friend auto operator<=>(const CompetenceQuestion&, const CompetenceQuestion&) = default;
  };
  std::vector<CompetenceQuestion> competences;
  struct OrganisationQuestion {
    std::string ods_code;
    std::string date;  // empty: the day of asking, which the fact then names
    friend auto operator<=>(const OrganisationQuestion&, const OrganisationQuestion&) = default;
  };
  std::vector<OrganisationQuestion> organisations;
  // The person whose key seals the private words of the request; empty when it has none.
  std::string seal_for;
  // `seal_for` is a person about to be registered: the registry makes the key.
  bool make_key = false;
};

// The answers. A decision must check that they are about the subject that the state now names; ask
// with Person() and CompetenceOf(), which return null when the answer is about something else.
struct Evidence {
  // Shared with the cache that they come from.
  std::map<std::string, std::shared_ptr<const common::v1::PersonContext>> people;
  std::map<Questions::CompetenceQuestion, common::v1::Competence> competences;
  std::map<Questions::OrganisationQuestion, std::shared_ptr<const common::v1::OrganisationFact>>
      organisations;
  bool has_words = false;  // the request came with private words
  std::string sealed_for;  // whose key sealed them; empty: nobody's, they are not in the request

  const common::v1::PersonContext* Person(const std::string& id) const {
    auto it = people.find(id);
    return it == people.end() ? nullptr : it->second.get();
  }
  const common::v1::OrganisationFact* Organisation(
      const Questions::OrganisationQuestion& question) const {
    auto it = organisations.find(question);
    return it == organisations.end() ? nullptr : it->second.get();
  }
  const common::v1::Competence* CompetenceOf(const Questions::CompetenceQuestion& question) const {
    auto it = competences.find(question);
    return it == competences.end() ? nullptr : &it->second;
  }
};

// ABORTED EVIDENCE_STALE unless `evidence` answers all of `questions` and the request's private
// words, if it has any, are sealed for `seal_for`. decide calls it with the questions that the
// state of now raises: facts about another person, practitioner or date than the state names do not
// count.
absl::Status CheckEvidence(const Questions& questions, const Evidence& evidence);

// All that a decision may know beside the state. Made by the writer, once per command.
struct Context {
  absl::Time time;    // recorded time of the events
  std::string today;  // civil date in Europe/London, YYYY-MM-DD
  Caller caller;
  std::string request_id;
  std::string correlation_id;
  const Evidence* evidence = nullptr;
  IdSource* ids = nullptr;  // time-ordered UUIDs for new streams
};

// An event for one stream of this journal; the header is filled by the writer.
struct NewEvent {
  std::string stream_id;
  std::unique_ptr<google::protobuf::Message> event;
};

// The outcome of an accepted command. No events: nothing needed to change (still answered, still a
// receipt).
template <class Response>
struct Decision {
  std::vector<NewEvent> events;
  Response response;

  // Adds an event and gives it back to be filled in.
  template <class Event>
  Event& Add(std::string stream_id) {
    auto event = std::make_unique<Event>();
    Event& filled = *event;
    events.push_back({std::move(stream_id), std::move(event)});
    return filled;
  }
};

// A page of a query's list.
struct ListedPage {
  std::vector<std::string> streams;
  std::string next;  // page token, empty at the end
};

// A consistent snapshot for queries. Every state that is looked at counts as read: its subjects go
// into the access record of the call.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual absl::StatusOr<View::Stream> Load(std::string_view stream_id) const = 0;
  virtual absl::StatusOr<std::optional<std::string>> Holder(int index,
                                                            std::string_view key) const = 0;
  // Streams under (index, key) in the order of `sort`, after the page token.
  virtual absl::StatusOr<ListedPage> List(int index, std::string_view key,
                                          const common::v1::Page& page) const = 0;
  // Events of one stream with their private halves, from a version on, at most `limit`. Whom they
  // are about the access record knows only when the stream is loaded too.
  virtual absl::StatusOr<std::vector<std::shared_ptr<const google::protobuf::Message>>> Events(
      std::string_view stream_id, int64_t from_version, int limit) const = 0;
  // Position of the journal that the snapshot reflects.
  virtual int64_t position() const = 0;
};

}  // namespace fettle::base

#endif  // FETTLE_LIBS_BASE_DECIDE_H_
