// The pages of a link worker's day, as HTML: pure functions of what the services answered.
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_WORK_PAGES_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_WORK_PAGES_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "fettle/person/v1/person_service.pb.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "libs/http/message.h"
#include "services/gateway/http/forms.h"
#include "services/gateway/http/html.h"
#include "services/gateway/http/work_forms.h"

namespace fettle::gateway {

// Rows of a page of a list.
inline constexpr int kWorkRowsMax = 20;

// One of the lists of people.
struct WorkList {
  const char* path;
  const char* title;
  const char* lead;
  const char* none;  // said when there is nobody
};

// A row of a list.
struct WorkRow {
  referral::v1::Referral referral;
  std::string name;  // empty when the registry did not answer
};

// Where a page stands in its list; pages count from 1.
struct WorkPlace {
  int page = 1;
  int pages = 1;
  int people = 0;
  // There are more than are looked at: the oldest are missing.
  bool is_cut = false;
};

// By when the stage's limit is crossed; those without a limit last, the longest waiting first.
void SortSoonestDueFirst(std::vector<referral::v1::Referral>& referrals);

// `2025-03-07` as 7 March 2025; anything else as it is.
std::string ShownDate(const std::string& date);
// `999 000 0018`.
std::string ShownNumber(const std::string& number);

// The name that the person wants to be called by, behind the registered one.
std::string NameOf(const person::v1::Demographics& demographics);

// Of what the list shows, but for the names: a look at an open list need not ask for them again.
std::string WorkListVersion(const WorkList& list, const std::vector<WorkRow>& rows,
                            const WorkPlace& place, absl::Time now);
// With a version it shows what changed while it is open, which costs the reads of the list each
// time.
http::Response WorkListPage(const WorkList& list, const std::vector<WorkRow>& rows,
                            const WorkPlace& place, std::string version, const Viewer& viewer,
                            absl::Time now);

// A message to a partner that failed, and the request id of the form that sends it again.
struct Undelivered {
  referral::v1::Delivery delivery;
  std::string request_id;
};

// `person` may be null when the registry did not answer. `done`: the form that was just recorded,
// or null.
http::Response ReferralPage(const referral::v1::Referral& referral,
                            const person::v1::GetPersonResponse* person,
                            const std::vector<Undelivered>& undelivered, std::string_view done,
                            const Viewer& viewer, absl::Time now);

// A form, as it is opened or as it comes back with what is to be corrected.
struct ShownForm {
  const FormValues& values;
  std::vector<FormError> errors = {};
  std::string request_id;
  int64_t version = -1;  // of what it changes; below 0: the form does not check it
};
http::Response WorkFormPage(int status, const WorkForm& form, const ShownForm& shown,
                            const referral::v1::Referral& referral, std::string_view name,
                            const Viewer& viewer);
http::Response NewReferralPage(int status, const ShownForm& shown, std::span<const Field> fields,
                               const Viewer& viewer);
// Asks between the form and the referral; what the form was filled with goes along unseen.
http::Response SamePersonPage(int status, const ShownForm& shown, const Field& question,
                              const Viewer& viewer);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_WORK_PAGES_H_
