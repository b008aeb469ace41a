// The gateway's own refusals in its journal. What a service refuses is recorded there, so that each
// refusal is in the audit log once (INV-131).
#ifndef FETTLE_SERVICES_GATEWAY_REFUSALS_H_
#define FETTLE_SERVICES_GATEWAY_REFUSALS_H_

#include <string>

#include "absl/status/status.h"
#include "libs/access/token.h"
#include "libs/http/message.h"
#include "libs/http/task.h"
#include "libs/journal/journal.h"

namespace fettle::gateway {

// Who asks for what; ids of the request that are no UUIDs are left out. `method` names the path as
// README.md does.
journal::CallInfo CallOf(const access::Claims& claims, const http::Request& request,
                         const std::string& method);

// Leaves the access record of a refusal before its answer may leave. Gives the refusal, or why it
// could not be recorded: then it is not answered (INV-132). The journal outlives the task.
http::Task<absl::Status> RecordRefusal(journal::Journal* journal, journal::CallInfo call,
                                       absl::Status refusal);

// Without a good token nobody is known who could be named in a record: a line of the log.
void LogStranger(const std::string& method, const absl::Status& refusal);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_REFUSALS_H_
