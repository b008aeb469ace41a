// The pages of a link worker's day: what they ask the services, and the commands behind their
// forms.
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_WORK_FLOW_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_WORK_FLOW_H_

#include <google/protobuf/message.h>
#include <grpcpp/channel.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "fettle/journal/v1/journal_service.grpc.pb.h"
#include "fettle/person/v1/person_service.grpc.pb.h"
#include "fettle/referral/v1/referral_service.grpc.pb.h"
#include "libs/access/token.h"
#include "libs/http/message.h"
#include "libs/http/task.h"
#include "libs/journal/journal.h"
#include "services/gateway/calls.h"
#include "services/gateway/http/html.h"
#include "services/gateway/http/work_forms.h"
#include "services/gateway/http/work_pages.h"

namespace fettle::gateway {

// People of one list that are looked at: a list is sorted by what is due, so all of it is read.
inline constexpr int kWorkPeopleMax = 1000;

// Thread-safe; outlives the server that calls it. Every call goes out under the viewer's own token,
// so the service decides who may do what, and leaves the record of it.
class WorkFlow {
 public:
  struct Parts {
    std::shared_ptr<grpc::Channel> referral, person;
    access::TokenVerifier* tokens = nullptr;
    journal::Journal* journal = nullptr;  // of refusals
    absl::Duration calls_max = absl::Milliseconds(4'500);
  };

  explicit WorkFlow(Parts parts);

  // Everything below /work.
  http::Task<http::Response> Handle(std::shared_ptr<const http::Request> request);

 private:
  // A request of somebody with a good token.
  struct Session {
    std::shared_ptr<const http::Request> request;
    Viewer viewer;
    CallContext call;
    absl::Time now;
  };
  template <class T>
  using Answer = http::Task<absl::StatusOr<T>>;

  Answer<http::Response> Route(const Session& session);
  Answer<http::Response> List(const Session& session, const WorkList& list,
                              std::vector<referral::v1::ListReferralsRequest> requests);
  Answer<http::Response> NotDelivered(const Session& session);
  // Of one referral, or (empty) of the organisation, when there are any.
  Answer<std::vector<referral::v1::ReferralDelivery>> Failed(const Session& session,
                                                             std::string referral_id);
  Answer<http::Response> One(const Session& session, std::string id);
  Answer<http::Response> Form(const Session& session, std::string id, const WorkForm& form);
  Answer<http::Response> Submit(const Session& session, const WorkForm& form,
                                const WorkContext& context);

  Answer<http::Response> Refer(const Session& session);
  // What was sent; without an id the people of whom one may be the one that is referred.
  struct Sent {
    std::string referral_id;
    std::vector<person::v1::GetPersonResponse> alike;
  };
  Answer<Sent> SubmitNew(const Session& session, const FormValues& values,
                         const referral::v1::ListServicesResponse& services,
                         const std::string& request_id);

  // Who may be known already, before a record is made. `is_first`: nobody was asked who it is.
  Answer<std::vector<std::string>> AlikeTo(const Session& session,
                                           const person::v1::EnsurePersonRequest& person,
                                           bool is_first);
  Answer<Sent> Asking(const Session& session, std::vector<std::string> person_ids);

  Answer<referral::v1::Referral> GetReferral(const Session& session, std::string id);
  // Null when the registry does not answer: the work goes on without the name.
  http::Task<std::unique_ptr<person::v1::GetPersonResponse>> GetPerson(const Session& session,
                                                                       std::string person_id);
  // By person id, all asked at once.
  http::Task<std::map<std::string, std::string>> Names(const Session& session,
                                                       const std::set<std::string>& person_ids);
  // The answer's bytes to any command of the channel's service.
  Answer<std::string> Send(const std::shared_ptr<grpc::Channel>& channel, const CallContext& call,
                           const google::protobuf::Message& request);

  const Parts parts_;
  const std::unique_ptr<referral::v1::ReferralService::Stub> referral_;
  const std::unique_ptr<person::v1::PersonService::Stub> person_;
  const std::unique_ptr<journal::v1::JournalService::Stub> operations_;  // of the registry
};

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_WORK_FLOW_H_
