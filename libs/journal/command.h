// What the journal takes and gives: calls, commands, answers.
#ifndef FETTLE_LIBS_JOURNAL_COMMAND_H_
#define FETTLE_LIBS_JOURNAL_COMMAND_H_

#include <google/protobuf/message.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/decide.h"
#include "libs/journal/model.h"
#include "libs/journal/store.h"

namespace fettle::journal {

// What a rule gave, with types erased.
struct AnyDecision {
  std::vector<base::NewEvent> events;
  std::unique_ptr<Message>
      response;  // field 1 is a CommandResult, or the message is empty (timers)
};

// Who called what, for headers, receipts and access records.
struct CallInfo {
  std::string method;  // full name of the rpc
  base::Caller caller;
  std::string request_id;  // UUID; empty for queries
  std::string correlation_id;
  std::string causation_id;
  std::string traceparent;
  absl::Time deadline = absl::InfiniteFuture();
};

// The outcome of a command, given once.
struct Answer {
  absl::Status status;
  std::string response = "";  // serialised, when OK
  bool replayed = false;      // the first answer to the same request, again
  // The response as it was made; none when it is replayed.
  std::shared_ptr<Message> message = nullptr;
};

// A command that waits for its decision. The writer owns it from Submit until Done returns.
class Command {
 public:
  virtual ~Command() = default;
  virtual base::Reads ReadsOf(const base::View& view) const = 0;
  virtual absl::StatusOr<AnyDecision> Decide(const base::View& view,
                                             const base::Context& context) const = 0;
  // Called once, on the answering thread (or in Submit, when the journal takes no more).
  virtual void Done(Answer answer) = 0;
  // A refusal that its owner will not pass on, because it tries again: it leaves no access record.
  virtual bool TriesAgain(const absl::Status&) const { return false; }
  // The caller has gone: the command is dropped if it is not decided yet.
  virtual bool Cancelled() const { return false; }

  CallInfo call;
  base::Evidence evidence;
  std::optional<int64_t> expected_version;
  // HMAC of the request as received, to tell a repeated request from another with its id.
  std::string request_hmac;
  // Size of the request, for the bound of the queue.
  int64_t bytes = 0;
  // The timer that this command is the firing of.
  std::optional<base::TimerDue> timer;
};

// The receipt's caller part.
ReceiptKey ReceiptKeyOf(const base::Caller& caller, const std::string& request_id);

// How a timer calls: as `service:<name>`, with a request id that follows from stream, name and due
// time, so that it takes effect once however often it is fired.
CallInfo TimerCall(const Model& model, const base::TimerDue& due);

// Rounds of reads() that a decision may take.
inline constexpr int kReadRoundsMax = 3;

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_COMMAND_H_
