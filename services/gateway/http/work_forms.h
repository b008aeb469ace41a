// What may be done with a referral from its page: one table, a row for each form, and what a row
// makes of the values that were typed. Pure.
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_WORK_FORMS_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_WORK_FORMS_H_

#include <google/protobuf/message.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "fettle/person/v1/person_service.pb.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "services/gateway/http/forms.h"
#include "services/gateway/http/html.h"

namespace fettle::gateway {

// What a form knows beside the values.
struct WorkContext {
  const referral::v1::Referral& referral;
  const Viewer& viewer;
  absl::Time now;
  const person::v1::GetPersonResponse* person = nullptr;  // null when the registry does not answer
};

struct WorkForm {
  const char* name;  // the last part of its address
  const char* title;
  const char* lead = "";  // a sentence below the title
  const char* button;
  const char* done;  // said on the referral's page afterwards
  std::vector<Field> fields = {};
  // Instead of `fields`, where they depend on the referral; what was typed decides how many rows a
  // group has.
  std::vector<Field> (*fields_of)(const referral::v1::Referral& referral,
                                  const FormValues& values) = nullptr;
  // It decides something that what others recorded meanwhile may change: the referral must be as it
  // was when the form was opened.
  bool checks_version = false;
  // Its command goes to the registry, and the version is the person's. It is offered when the
  // registry answers and withholds nothing: what the form would change must be seen.
  bool is_of_person = false;
  // Whether the page of this referral offers it to this viewer; the service decides in the end.
  bool (*fits)(const referral::v1::Referral& referral, const Viewer& viewer);
  // Finds in `number` what the link that led here named: one of several decisions, say.
  void (*prefill)(const WorkContext& context, FormValues& values) = nullptr;
  // Others changed it meanwhile: what nobody typed becomes what is there now.
  void (*follow)(const WorkContext& context, FormValues& values) = nullptr;
  // Puts what was typed in order before it is read or shown again.
  void (*tidy)(FormValues& values) = nullptr;
  // The command, without what all commands have (request_id, whom or what it is about,
  // expected_version). Adds to `errors` what could not even be put into it.
  std::unique_ptr<google::protobuf::Message> (*request)(const FormValues& values,
                                                        const WorkContext& context,
                                                        std::vector<FormError>& errors);
};

// The one that the decisions on a page lead to.
inline constexpr char kDecisionForm[] = "decision";

// In the order in which a page offers them.
std::span<const WorkForm> WorkForms();
std::vector<Field> FieldsOf(const WorkForm& form, const referral::v1::Referral& referral,
                            const FormValues& values);
// Null when there is none of that name.
const WorkForm* FindWorkForm(std::string_view name);

// Whether the page of this referral leads to the form. `person` may be null.
bool IsOffered(const WorkForm& form, const referral::v1::Referral& referral,
               const person::v1::GetPersonResponse* person, const Viewer& viewer);

// What all commands on a referral or a person have. `version` below 0: any.
void Address(google::protobuf::Message& request, const std::string& request_id,
             const std::string& id, int64_t version);

bool IsClosed(const referral::v1::Referral& referral);
// The viewer's organisation runs the service, or referred.
bool IsReceiver(const referral::v1::Referral& referral, const Viewer& viewer);
bool IsReferrer(const referral::v1::Referral& referral, const Viewer& viewer);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_WORK_FORMS_H_
