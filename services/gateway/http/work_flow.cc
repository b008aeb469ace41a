#include "services/gateway/http/work_flow.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/base/trace.h"
#include "libs/base/uuid.h"
#include "libs/crypto/digest.h"
#include "libs/rpc/validate.h"
#include "services/gateway/fields.h"
#include "services/gateway/http/new_referral.h"
#include "services/gateway/http/pages.h"
#include "services/gateway/http/session.h"
#include "services/gateway/refusals.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
namespace pv1 = person::v1;

constexpr std::string_view kWorkPath = "/desk";
constexpr std::string_view kReferralsPath = "/desk/referrals/";
constexpr std::string_view kNewReferralPath = "/desk/new";
constexpr std::string_view kNewReferral = "new";
constexpr std::string_view kAsked = "asked";
constexpr int kPageSize = 200;

constexpr WorkList kMine = {
    .path = "/desk",
    .title = "My people",
    .lead = "What is due first stands first.",
    .none = "Nobody is in your charge. Take somebody from the waiting list."};
constexpr WorkList kTriage = {.path = "/desk/triage",
                              .title = "Triage",
                              .lead = "Referrals to your organisation that nobody has decided on.",
                              .none = "No referral waits for a decision."};
constexpr WorkList kPool = {.path = "/desk/pool",
                            .title = "Waiting list",
                            .lead = "Accepted referrals that nobody is in charge of.",
                            .none = "Nobody waits for a worker."};

constexpr WorkList kMessages = {
    .path = "/desk/messages",
    .title = "Not delivered",
    .lead = "Partners' systems that could not be told. Open the referral to try again.",
    .none = "Every message to a partner was delivered, or is still being tried."};

// For access records: paths as README.md has them.
std::string MethodOf(const http::Request& request) {
  const std::string_view path = request.Path();
  return absl::StrCat(request.method, " ",
                      path.starts_with(kReferralsPath) ? "/desk/referrals/<id>" : "/desk");
}

absl::Status NotHere() {
  return base::Refuse(absl::StatusCode::kNotFound, "PAGE_NOT_FOUND", "there is no such page");
}

int HttpStatusOf(const absl::Status& refusal) {
  switch (refusal.code()) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return 409;
    default:
      return 503;
  }
}

// A page for what no form can say.
http::Response Problem(const absl::Status& refusal, const Viewer& viewer) {
  switch (HttpStatusOf(refusal)) {
    case 403:
      return ProblemPage(403, "Not for your role",
                         "Your token's role may not see this. Sign in with another one.", &viewer);
    case 404:
      return ProblemPage(404, "Not found",
                         "There is nothing here, or nothing that your organisation may see.",
                         &viewer);
    case 409:
    case 400:
      return ProblemPage(HttpStatusOf(refusal), "This cannot be done now",
                         "The referral is in a state that does not allow it. Go back and look at "
                         "what is new.",
                         &viewer);
    default:
      base::Log(base::Level::kWarning, "a page could not be made",
                {{"reason", base::ReasonOf(refusal)}});
      return ProblemPage(503, "This cannot be shown now", "Load the page again in a while.",
                         &viewer);
  }
}

std::string QueryField(const http::Request& request, std::string_view name) {
  const std::string_view target(request.target);
  const size_t query = target.find('?');
  return query == std::string_view::npos ? "" : FormField(target.substr(query + 1), name);
}

using Requests = std::vector<rv1::ListReferralsRequest>;

Requests OfWorker(const Viewer& viewer) {
  Requests requests(1);
  requests[0].set_worker_id(viewer.subject);
  return requests;
}

Requests Undecided() {
  Requests requests;
  for (const rv1::ReferralStatus status :
       {rv1::REFERRAL_STATUS_SUBMITTED, rv1::REFERRAL_STATUS_IN_TRIAGE,
        rv1::REFERRAL_STATUS_INFO_REQUESTED}) {
    requests.emplace_back().set_status(status);
  }
  return requests;
}

Requests Pooled() {
  Requests requests(1);
  requests[0].set_pooled(true);
  return requests;
}

// What a page says of the form that was just recorded.
std::string_view DoneWords(const std::string& name) {
  if (name == kNewReferral) return "The referral is sent";
  const WorkForm* form = FindWorkForm(name);
  return form == nullptr ? std::string_view() : form->done;
}

http::Response SeeReferral(const std::string& id, std::string_view done) {
  return {303,
          "text/plain; charset=utf-8",
          "See other\n",
          {{"Location", base::Concat(kReferralsPath, id, "?done=", done)},
           {"Cache-Control", "no-store"}}};
}

std::string NameIn(const WorkContext& context) {
  return context.person == nullptr ? "" : NameOf(context.person->demographics());
}

// Of what the form changes; below 0 when it does not check it.
int64_t VersionFor(const WorkForm& form, const WorkContext& context) {
  if (!form.checks_version) return -1;
  return form.is_of_person ? context.person->version() : context.referral.version();
}

// The one rpc that takes this request.
const google::protobuf::MethodDescriptor& RpcOf(const google::protobuf::Message& request) {
  const google::protobuf::Descriptor* type = request.GetDescriptor();
  for (int s = 0; s < type->file()->service_count(); ++s) {
    const google::protobuf::ServiceDescriptor& service = *type->file()->service(s);
    for (int m = 0; m < service.method_count(); ++m) {
      if (service.method(m)->input_type() == type) return *service.method(m);
    }
  }
  FETTLE_CHECK(false, "every request stands in the file of its service");
  return *type->file()->service(0)->method(0);
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

}  // namespace

WorkFlow::WorkFlow(Parts parts)
    : parts_(std::move(parts)),
      referral_(rv1::ReferralService::NewStub(parts_.referral)),
      person_(pv1::PersonService::NewStub(parts_.person)),
      operations_(journal::v1::JournalService::NewStub(parts_.person)) {}

http::Task<http::Response> WorkFlow::Handle(std::shared_ptr<const http::Request> request) {
  const std::string token = TokenOf(*request);
  const auto claims = parts_.tokens->Verify(absl::StrCat("Bearer ", token));
  const bool is_post = request->method == "POST";
  if (!claims.ok()) {
    if (!token.empty()) LogStranger(MethodOf(*request), claims.status());
    co_return SignInPage(401, token.empty() ? "" : "Your token is not good any more.",
                         is_post ? kWorkPath : std::string_view(request->target));
  }
  const Session session{
      .request = request,
      .viewer = {.subject = claims->subject,
                 .name = claims->user_name,
                 .organisation = claims->organisation,
                 .role = claims->role},
      .call = {.bearer = token,
               .traceparent = base::ChildTraceparent(request->Header("traceparent").value_or("")),
               .correlation_id = "",
               .deadline = absl::Now() + parts_.calls_max},
      .now = absl::Now()};
  absl::StatusOr<http::Response> page = NotHere();
  bool is_ours = false;
  if (is_post && IsFromElsewhere(*request)) {
    page = base::Refuse(absl::StatusCode::kPermissionDenied, "FORM_FROM_ELSEWHERE",
                        "a form is sent from its own page");
    is_ours = true;
  } else {
    page = co_await Route(session);
    is_ours = !page.ok() && base::ReasonOf(page.status()) == "PAGE_NOT_FOUND";
  }
  if (page.ok()) co_return UnlessShown(*request, *std::move(page));
  absl::Status refusal = page.status();
  // What a service refuses, that service has recorded.
  if (is_ours) {
    refusal = co_await RecordRefusal(parts_.journal, CallOf(*claims, *request, MethodOf(*request)),
                                     refusal);
  }
  co_return Problem(refusal, session.viewer);
}

WorkFlow::Answer<http::Response> WorkFlow::Route(const Session& session) {
  const std::string_view path = session.request->Path();
  if (path == kMine.path) co_return co_await List(session, kMine, OfWorker(session.viewer));
  if (path == kTriage.path) co_return co_await List(session, kTriage, Undecided());
  if (path == kPool.path) co_return co_await List(session, kPool, Pooled());
  if (path == kMessages.path) co_return co_await NotDelivered(session);
  if (path == kNewReferralPath) co_return co_await Refer(session);
  if (!path.starts_with(kReferralsPath)) co_return NotHere();
  const std::vector<std::string> parts =
      absl::StrSplit(base::ToAbsl(path.substr(kReferralsPath.size())), '/');
  if (parts.size() > 2 || !base::IsUuid(parts[0])) co_return NotHere();
  std::string id = base::UuidFromBytes(base::UuidToBytes(parts[0]));
  if (parts.size() == 1) co_return co_await One(session, std::move(id));
  const WorkForm* form = FindWorkForm(parts[1]);
  if (form == nullptr) co_return NotHere();
  co_return co_await Form(session, std::move(id), *form);
}

WorkFlow::Answer<http::Response> WorkFlow::List(const Session& session, const WorkList& list,
                                                std::vector<rv1::ListReferralsRequest> requests) {
  std::vector<rv1::Referral> referrals;
  bool is_cut = false;
  for (rv1::ListReferralsRequest& request : requests) {
    request.mutable_page()->set_page_size(kPageSize);
    do {
      const auto start = [&](auto* context, auto* response, auto done) {
        referral_->async()->ListReferrals(context, &request, response, std::move(done));
      };
      auto answer = co_await Ask<rv1::ListReferralsResponse>(session.call, start);
      if (!answer.ok()) co_return answer.status();
      for (rv1::Referral& referral : *answer->response.mutable_referrals()) {
        referrals.push_back(std::move(referral));
      }
      request.mutable_page()->set_page_token(answer->response.next_page_token());
      is_cut = is_cut ||
               (!request.page().page_token().empty() && referrals.size() >= size_t{kWorkPeopleMax});
    } while (!request.page().page_token().empty() && !is_cut);
  }
  SortSoonestDueFirst(referrals);

  WorkPlace place{
      .page = 1, .pages = 1, .people = static_cast<int>(referrals.size()), .is_cut = is_cut};
  place.pages = std::max(1, (place.people + kWorkRowsMax - 1) / kWorkRowsMax);
  if (int page; absl::SimpleAtoi(QueryField(*session.request, "page"), &page)) {
    place.page = std::clamp(page, 1, place.pages);
  }
  const size_t begin = size_t(place.page - 1) * kWorkRowsMax;
  const size_t end = std::min(referrals.size(), begin + kWorkRowsMax);
  std::vector<WorkRow> rows;
  for (size_t i = begin; i < end; ++i) rows.push_back({std::move(referrals[i]), ""});
  std::string version = WorkListVersion(list, rows, place, session.now);
  if (IsShown(*session.request, version)) co_return NothingNew(version);
  std::set<std::string> people;
  for (const WorkRow& row : rows) people.insert(row.referral.person_id());
  std::map<std::string, std::string> names = co_await Names(session, people);
  for (WorkRow& row : rows) row.name = names[row.referral.person_id()];
  co_return WorkListPage(list, rows, place, std::move(version), session.viewer, session.now);
}

WorkFlow::Answer<http::Response> WorkFlow::One(const Session& session, std::string id) {
  const auto referral = co_await GetReferral(session, std::move(id));
  if (!referral.ok()) co_return referral.status();
  const auto person = co_await GetPerson(session, referral->person_id());
  const auto failed = co_await Failed(session, referral->referral_id());
  if (!failed.ok()) co_return failed.status();
  base::IdSource ids(session.now, base::RandomSeed());
  std::vector<Undelivered> undelivered;
  for (const rv1::ReferralDelivery& message : *failed) {
    undelivered.push_back({message.delivery(), ids.Next()});
  }
  co_return ReferralPage(*referral, person.get(), undelivered,
                         DoneWords(QueryField(*session.request, "done")), session.viewer,
                         session.now);
}

WorkFlow::Answer<std::vector<rv1::ReferralDelivery>> WorkFlow::Failed(const Session& session,
                                                                      std::string referral_id) {
  rv1::ListDeliveriesRequest request;
  request.set_referral_id(std::move(referral_id));
  const auto start = [&](auto* context, auto* response, auto done) {
    referral_->async()->ListDeliveries(context, &request, response, std::move(done));
  };
  auto answer = co_await Ask<rv1::ListDeliveriesResponse>(session.call, start);
  if (!answer.ok()) co_return answer.status();
  std::vector<rv1::ReferralDelivery> failed;
  for (rv1::ReferralDelivery& message : *answer->response.mutable_deliveries()) {
    if (message.delivery().status() == rv1::DELIVERY_STATUS_FAILED) {
      failed.push_back(std::move(message));
    }
  }
  co_return failed;
}

// The first page of them: whoever clears it sees the rest.
WorkFlow::Answer<http::Response> WorkFlow::NotDelivered(const Session& session) {
  const auto failed = co_await Failed(session, "");
  if (!failed.ok()) co_return failed.status();
  std::vector<rv1::Referral> referrals;
  bool is_cut = false;
  for (const rv1::ReferralDelivery& message : *failed) {
    if (std::ranges::any_of(referrals, [&](const rv1::Referral& referral) {
          return referral.referral_id() == message.referral_id();
        })) {
      continue;
    }
    is_cut = referrals.size() == size_t{kWorkRowsMax};
    if (is_cut) break;
    auto referral = co_await GetReferral(session, message.referral_id());
    if (!referral.ok()) co_return referral.status();
    referrals.push_back(*std::move(referral));
  }
  std::set<std::string> people;
  for (const rv1::Referral& referral : referrals) people.insert(referral.person_id());
  const std::map<std::string, std::string> names = co_await Names(session, people);
  std::vector<WorkRow> rows;
  for (rv1::Referral& referral : referrals) {
    const auto name = names.find(referral.person_id());
    rows.push_back({std::move(referral), name == names.end() ? "" : name->second});
  }
  const WorkPlace place{
      .page = 1, .pages = 1, .people = static_cast<int>(rows.size()), .is_cut = is_cut};
  co_return WorkListPage(kMessages, rows, place, "", session.viewer, session.now);
}

WorkFlow::Answer<http::Response> WorkFlow::Form(const Session& session, std::string id,
                                                const WorkForm& form) {
  const auto referral = co_await GetReferral(session, std::move(id));
  if (!referral.ok()) co_return referral.status();
  const auto person = co_await GetPerson(session, referral->person_id());
  if (form.is_of_person && person == nullptr) {
    co_return absl::UnavailableError("the registry does not answer");
  }
  const WorkContext context{*referral, session.viewer, session.now, person.get()};
  const bool is_post = session.request->method == "POST";
  // Whether the state allows it is the service's to say: a form that is sent twice comes the second
  // time to a referral that has moved on, and gets the first answer again.
  const bool is_offered = is_post ? !form.is_of_person || !person->restricted()
                                  : IsOffered(form, *referral, person.get(), session.viewer);
  if (!is_offered) co_return absl::FailedPreconditionError("the state does not allow it");
  if (is_post) co_return co_await Submit(session, form, context);
  FormValues values;
  values.Set("number", QueryField(*session.request, "number"));
  if (form.prefill != nullptr) form.prefill(context, values);
  co_return WorkFormPage(200, form,
                         {.values = values,
                          .request_id = base::IdSource(session.now, base::RandomSeed()).Next(),
                          .version = VersionFor(form, context)},
                         *referral, NameIn(context), session.viewer);
}

WorkFlow::Answer<http::Response> WorkFlow::Submit(const Session& session, const WorkForm& form,
                                                  const WorkContext& context) {
  const rv1::Referral& referral = context.referral;
  FormValues values(session.request->body);
  if (form.tidy != nullptr) form.tidy(values);
  std::string request_id = values.Get("request_id");
  int64_t version = -1;
  if (form.checks_version && !absl::SimpleAtoi(values.Get("version"), &version)) version = 0;
  std::vector<FormError> errors;
  const auto request = form.request(values, context, errors);
  int status = 400;
  if (errors.empty()) {
    Address(*request, request_id, form.is_of_person ? referral.person_id() : referral.referral_id(),
            version);
    const auto answer =
        co_await Send(form.is_of_person ? parts_.person : parts_.referral, session.call, *request);
    if (answer.ok()) {
      co_return SeeReferral(referral.referral_id(), form.name);
    }
    errors = ErrorsOf(FieldsOf(form, referral, values), values, answer.status());
    status = HttpStatusOf(answer.status());
    // Whoever sends it again now wants it recorded as well.
    if (base::ReasonOf(answer.status()) == "REQUEST_ID_REUSED") {
      request_id = base::IdSource(session.now, base::RandomSeed()).Next();
    }
    if (base::ReasonOf(answer.status()) == "VERSION_MISMATCH" && form.follow != nullptr) {
      form.follow(context, values);
    }
  }
  co_return WorkFormPage(status, form,
                         {.values = values,
                          .errors = std::move(errors),
                          .request_id = request_id,
                          .version = VersionFor(form, context)},
                         referral, NameIn(context), session.viewer);
}

WorkFlow::Answer<http::Response> WorkFlow::Refer(const Session& session) {
  rv1::ListServicesRequest all;
  all.mutable_page()->set_page_size(kPageSize);
  const auto start = [&](auto* context, auto* response, auto done) {
    referral_->async()->ListServices(context, &all, response, std::move(done));
  };
  const auto services = co_await Ask<rv1::ListServicesResponse>(session.call, start);
  if (!services.ok()) co_return services.status();
  const std::vector<Field> fields = NewReferralFields(services->response);
  if (session.request->method != "POST") {
    const FormValues values = NewReferralValues(session.viewer);
    co_return NewReferralPage(
        200,
        {.values = values, .request_id = base::IdSource(session.now, base::RandomSeed()).Next()},
        fields, session.viewer);
  }
  FormValues values(session.request->body);
  std::string request_id = base::UuidFromBytes(base::UuidToBytes(values.Get("request_id")));
  if (request_id.empty()) co_return NotHere();
  // Two services and no way back: the first one is not asked before all is there that the second
  // one needs.
  std::vector<FormError> errors = EmptyOf(fields, values);
  int status = 400;
  if (errors.empty()) {
    const absl::StatusOr<Sent> sent =
        co_await SubmitNew(session, values, services->response, request_id);
    if (sent.ok() && !sent->referral_id.empty()) {
      co_return SeeReferral(sent->referral_id, kNewReferral);
    }
    if (sent.ok()) {
      const Field question = SamePersonField(sent->alike);
      const bool was_asked = !values.Get(kAsked).empty();
      if (was_asked) errors = {{question.name, question.needed}};
      values.Set(kAsked, "1");
      co_return SamePersonPage(
          was_asked ? 400 : 200,
          {.values = values, .errors = std::move(errors), .request_id = request_id}, question,
          session.viewer);
    }
    errors = ErrorsOf(fields, values, sent.status());
    status = HttpStatusOf(sent.status());
    if (base::ReasonOf(sent.status()) == "REQUEST_ID_REUSED") {
      request_id = base::IdSource(session.now, base::RandomSeed()).Next();
    }
  }
  co_return NewReferralPage(
      status, {.values = values, .errors = std::move(errors), .request_id = request_id}, fields,
      session.viewer);
}

// The request ids follow from the form's and from what is sent: the same form has one effect, and a
// corrected one is another request.
WorkFlow::Answer<WorkFlow::Sent> WorkFlow::SubmitNew(const Session& session,
                                                     const FormValues& values,
                                                     const rv1::ListServicesResponse& services,
                                                     const std::string& request_id) {
  rv1::SubmitReferralRequest referral = NewReferral(values, services, session.viewer, session.now);
  pv1::EnsurePersonRequest person = NewPerson(values);
  const auto id_of = [&](const google::protobuf::Message& message) {
    return crypto::UuidV5(request_id, message.SerializeAsString());
  };
  person.set_correlation_id(crypto::UuidV5(request_id, "journey"));
  person.set_request_id(id_of(person));
  referral.set_correlation_id(person.correlation_id());
  referral.set_request_id(id_of(referral));
  referral.set_person_id(referral.request_id());  // any, until the registry says which
  const absl::Status shape = rpc::Validate(referral);
  if (!shape.ok()) co_return shape;
  Sent answer;
  const std::string chosen = values.Get(kSamePerson);
  std::vector<std::string> alike;
  // Each of them is a subject of the read: not again for whoever said that it is none of them.
  if (chosen != kNobodyOfThem) {
    auto known = co_await AlikeTo(session, person, chosen.empty());
    if (!known.ok()) co_return known.status();
    alike = *std::move(known);
  }
  if (std::ranges::find(alike, chosen) != alike.end()) {
    referral.set_person_id(chosen);
  } else if (!alike.empty()) {
    co_return co_await Asking(session, std::move(alike));
  } else if (!chosen.empty() && chosen != kNobodyOfThem) {
    // Restricted or merged meanwhile. To go on would make a second record of somebody who is known.
    co_return base::Refuse(absl::StatusCode::kFailedPrecondition, "CHOSEN_RECORD_NOT_USABLE",
                           "the record that you chose cannot be used any more. Check what you "
                           "entered, with the NHS number if you can, and send it again");
  } else {
    const auto registered = co_await Send(parts_.person, session.call, person);
    if (!registered.ok()) co_return registered.status();
    pv1::EnsurePersonResponse known;
    known.ParseFromString(*registered);
    // Somebody like this was registered at the same moment. Whoever looks after the registry may
    // merge the two.
    const auto& others = known.possible_duplicates();
    if (chosen.empty() && !others.empty()) {
      co_return co_await Asking(session, {others.begin(), others.end()});
    }
    referral.set_person_id(known.person_id());
  }
  const auto sent = co_await Send(parts_.referral, session.call, referral);
  if (!sent.ok()) co_return sent.status();
  rv1::SubmitReferralResponse submitted;
  submitted.ParseFromString(*sent);
  answer.referral_id = submitted.referral_id();
  co_return answer;
}

WorkFlow::Answer<std::vector<std::string>> WorkFlow::AlikeTo(const Session& session,
                                                             const pv1::EnsurePersonRequest& person,
                                                             bool is_first) {
  std::vector<std::string> ids;
  // The registry tells nobody else who is known here.
  const std::string& role = session.viewer.role;
  if (role != "link_worker" && role != "administrator") co_return ids;
  pv1::FindPossibleDuplicatesRequest find;
  *find.mutable_demographics() = person.demographics();
  const auto start = [&](auto* context, auto* response, auto done) {
    person_->async()->FindPossibleDuplicates(context, &find, response, std::move(done));
  };
  const auto found = co_await Ask<pv1::FindPossibleDuplicatesResponse>(session.call, start);
  if (!found.ok()) co_return found.status();
  for (const auto& other : found->response.duplicates()) ids.push_back(other.person_id());
  if (ids.empty() || !is_first) co_return ids;
  // A form that is sent twice finds the record that it made the first time.
  journal::v1::GetOperationRequest made;
  made.set_request_id(person.request_id());
  const auto look = [&](auto* context, auto* response, auto done) {
    operations_->async()->GetOperation(context, &made, response, std::move(done));
  };
  const auto operation = co_await Ask<journal::v1::GetOperationResponse>(session.call, look);
  if (!operation.ok()) co_return operation.status();
  if (operation->response.state() == journal::v1::OPERATION_STATE_DONE) ids.clear();
  co_return ids;
}

WorkFlow::Answer<WorkFlow::Sent> WorkFlow::Asking(const Session& session,
                                                  std::vector<std::string> person_ids) {
  Sent answer;
  for (std::string& id : person_ids) {
    const auto person = co_await GetPerson(session, std::move(id));
    if (person == nullptr) co_return absl::UnavailableError("the registry does not answer");
    answer.alike.push_back(*person);
  }
  co_return answer;
}

WorkFlow::Answer<rv1::Referral> WorkFlow::GetReferral(const Session& session, std::string id) {
  rv1::GetReferralRequest request;
  request.set_referral_id(std::move(id));
  const auto start = [&](auto* context, auto* response, auto done) {
    referral_->async()->GetReferral(context, &request, response, std::move(done));
  };
  auto answer = co_await Ask<rv1::GetReferralResponse>(session.call, start);
  if (!answer.ok()) co_return answer.status();
  co_return std::move(*answer->response.mutable_referral());
}

http::Task<std::unique_ptr<pv1::GetPersonResponse>> WorkFlow::GetPerson(const Session& session,
                                                                        std::string person_id) {
  pv1::GetPersonRequest request;
  request.set_person_id(std::move(person_id));
  const auto start = [&](auto* context, auto* response, auto done) {
    person_->async()->GetPerson(context, &request, response, std::move(done));
  };
  CallContext call = session.call;
  // Half the time at most: the rest of the page must get out.
  call.deadline = std::min(call.deadline, absl::Now() + parts_.calls_max / 2);
  auto answer = co_await Ask<pv1::GetPersonResponse>(call, start);
  if (!answer.ok()) co_return nullptr;
  co_return std::make_unique<pv1::GetPersonResponse>(std::move(answer->response));
}

http::Task<std::map<std::string, std::string>> WorkFlow::Names(
    const Session& session, const std::set<std::string>& person_ids) {
  struct Asked {
    pv1::GetPersonRequest request;
    pv1::GetPersonResponse response;
    grpc::ClientContext context;
    grpc::Status status;
  };
  std::map<std::string, std::string> names;
  if (person_ids.empty()) co_return names;
  std::vector<std::unique_ptr<Asked>> all;
  for (const std::string& id : person_ids) {
    all.push_back(std::make_unique<Asked>());
    all.back()->request.set_person_id(id);
    rpc::PrepareCall(all.back()->context, session.call.deadline, session.call.bearer,
                     session.call.traceparent, session.call.correlation_id);
  }
  std::atomic<size_t> left = all.size();
  const auto start = [&](auto done) {
    // The last answer finishes; none may touch what is here afterwards.
    const auto finish = std::make_shared<decltype(done)>(std::move(done));
    for (const std::unique_ptr<Asked>& asked : all) {
      Asked* const one = asked.get();
      person_->async()->GetPerson(&one->context, &one->request, &one->response,
                                  [one, finish, &left](grpc::Status status) {
                                    one->status = std::move(status);
                                    if (--left == 0) (*finish)(true);
                                  });
    }
  };
  co_await http::Await<bool>(start);
  for (const std::unique_ptr<Asked>& asked : all) {
    if (!asked->status.ok()) continue;
    names[asked->request.person_id()] = NameOf(asked->response.demographics());
  }
  co_return names;
}

WorkFlow::Answer<std::string> WorkFlow::Send(const std::shared_ptr<grpc::Channel>& channel,
                                             const CallContext& call,
                                             const google::protobuf::Message& request) {
  const google::protobuf::MethodDescriptor& rpc = RpcOf(request);
  const std::string method = absl::StrCat("/", rpc.service()->full_name(), "/", rpc.name());
  grpc::TemplatedGenericStub<google::protobuf::Message, grpc::ByteBuffer> stub(channel);
  const auto start = [&](auto* context, auto* response, auto done) {
    stub.UnaryCall(context, method, grpc::StubOptions(), &request, response, std::move(done));
  };
  const auto answer = co_await Ask<grpc::ByteBuffer>(call, start);
  if (!answer.ok()) co_return answer.status();
  co_return BytesOf(answer->response);
}

}  // namespace fettle::gateway
