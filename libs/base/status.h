// Refusals: absl::Status with google.rpc details, made where the rule is and mapped to each
// protocol in one place.
//
// Messages, metadata and `accepted` texts never hold what the caller sent: they travel to logs and
// other parties (INV-146). They say what is accepted.
#ifndef FETTLE_LIBS_BASE_STATUS_H_
#define FETTLE_LIBS_BASE_STATUS_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"

namespace fettle::base {

// Payload keys of the details.
inline constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
inline constexpr char kBadRequestUrl[] = "type.googleapis.com/google.rpc.BadRequest";
inline constexpr char kPreconditionFailureUrl[] =
    "type.googleapis.com/google.rpc.PreconditionFailure";
inline constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";

// Details travel in trailers whose default limit is 8 KB, where they appear twice; beyond it the
// error turns into another one. What does not fit is left out: metadata from the last key on,
// violations from the last on.
inline constexpr int kStatusDetailBytesMax = 4096;
inline constexpr int kStatusMessageBytesMax = 1024;
inline constexpr int kStatusMetadataValueBytesMax = 256;
inline constexpr int kFieldViolationsMax = 20;
inline constexpr int kReasonCharactersMax = 63;

// AIP-193: `[A-Z][A-Z0-9_]*[A-Z0-9]`, at most 63 characters.
bool IsReason(std::string_view text);

// A refusal by name. `reason` is IsReason and `code` is not OK, else the process stops: both are
// written in the code. The ErrorInfo's domain stays empty; libs/rpc fills it. FAILED_PRECONDITION
// gets a PreconditionFailure as well.
absl::Status Refuse(absl::StatusCode code, std::string_view reason, std::string message,
                    std::map<std::string, std::string> metadata = {});

// UNAVAILABLE or RESOURCE_EXHAUSTED with RetryInfo: the caller may try again, with the same
// request_id, after that time.
absl::Status Unavailable(std::string_view reason, std::string message, absl::Duration retry_after);
absl::Status Exhausted(std::string_view reason, std::string message, absl::Duration retry_after);

// INVALID_ARGUMENT because of one field. `field` is the path in the request
// (`lines[2].amount_pence`), `accepted` says what would be taken ("1 to 35 characters").
absl::Status InvalidField(std::string_view field, std::string_view reason,
                          std::string_view accepted);

// Collects what is wrong with a request, in the order of its fields, so that the caller hears all
// of it at once.
class FieldViolations {
 public:
  void Add(std::string_view field, std::string_view reason, std::string_view accepted);

  bool empty() const { return count_ == 0; }
  // All that were added, those beyond kFieldViolationsMax included.
  int count() const { return count_; }
  // OK when empty; else INVALID_ARGUMENT whose reason is that of the first violation.
  absl::Status ToStatus() const;

 private:
  struct Violation {
    std::string field;
    std::string reason;
    std::string accepted;
  };
  std::vector<Violation> violations_;
  int count_ = 0;
};

// What others put into a status. Nothing when there is no such detail or it cannot be read.
std::optional<google::rpc::ErrorInfo> ErrorInfoOf(const absl::Status& status);
std::optional<google::rpc::BadRequest> BadRequestOf(const absl::Status& status);
// Empty when there is no ErrorInfo.
std::string ReasonOf(const absl::Status& status);
// The RetryInfo's delay.
std::optional<absl::Duration> RetryAfterOf(const absl::Status& status);

namespace internal {
inline absl::Status ToStatus(absl::Status status) { return status; }
template <class T>
absl::Status ToStatus(absl::StatusOr<T>&& result) {
  return std::move(result).status();
}
}  // namespace internal

}  // namespace fettle::base

// Returns from the enclosing function when `expr` (a Status or StatusOr) is not OK.
#define FETTLE_RETURN_IF_ERROR(expr)                                                            \
  do {                                                                                          \
    if (auto fettle_status = ::fettle::base::internal::ToStatus((expr)); !fettle_status.ok()) { \
      return fettle_status;                                                                     \
    }                                                                                           \
  } while (false)

// FETTLE_ASSIGN_OR_RETURN(auto row, Load(id)); declares or assigns `row`, or returns the status of
// `expr`.
#define FETTLE_ASSIGN_OR_RETURN(lhs, expr) \
  FETTLE_ASSIGN_OR_RETURN_IMPL_(FETTLE_CONCAT_(fettle_status_or_, __LINE__), lhs, expr)
#define FETTLE_ASSIGN_OR_RETURN_IMPL_(result, lhs, expr) \
  auto result = (expr);                                  \
  if (!result.ok()) return std::move(result).status();   \
  lhs = *std::move(result)
#define FETTLE_CONCAT_(a, b) FETTLE_CONCAT_IMPL_(a, b)
#define FETTLE_CONCAT_IMPL_(a, b) a##b

#endif  // FETTLE_LIBS_BASE_STATUS_H_
