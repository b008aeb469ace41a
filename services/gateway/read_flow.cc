#include "services/gateway/read_flow.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/base/trace.h"
#include "libs/base/uuid.h"
#include "services/gateway/fhir/headers.h"
#include "services/gateway/fhir/resources.h"
#include "services/gateway/fhir/systems.h"
#include "services/gateway/fields.h"
#include "services/gateway/message_flow.h"
#include "services/gateway/refusals.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;

constexpr char kFhirJson[] = "application/fhir+json; charset=utf-8";
constexpr char kMethod[] = "GET /FHIR/R4";
constexpr std::string_view kBearer = "Bearer ";
constexpr char kParameterNotValid[] = "PARAMETER_NOT_VALID";
constexpr int kCountMax = 200;
// Plans are asked for one by one.
constexpr int kPlansMax = 50;
constexpr int kPlansDefault = 20;
constexpr char kHistory[] = "/_history";
constexpr int kHistoryPagesMax = 40;

// What is read, and the parameters of its search beside _count and _page.
struct TypeRow {
  std::string_view type;
  std::vector<std::string_view> parameters;
};

const std::vector<TypeRow>& Types() {
  static const std::vector<TypeRow>& types =
      *new std::vector<TypeRow>{{"ServiceRequest", {"status"}},
                                {"Task", {"business-status", "owner"}},
                                {"CarePlan", {"status"}},
                                {"HealthcareService", {"organization"}},
                                {"MessageDefinition", {"context"}}};
  return types;
}

const TypeRow* RowOf(std::string_view type) {
  const auto row = std::ranges::find(Types(), type, &TypeRow::type);
  return row == Types().end() ? nullptr : &*row;
}

// The type, and the id behind it, if there is one.
std::pair<std::string, std::string> Split(std::string_view path) {
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos) return {std::string(path), ""};
  return {std::string(path.substr(0, slash)), std::string(path.substr(slash + 1))};
}

absl::Status NotValid(std::string_view parameter, std::string_view expected) {
  return base::Refuse(absl::StatusCode::kInvalidArgument, kParameterNotValid,
                      base::Concat(parameter, ": expected ", expected));
}

absl::Status NoSuch(std::string_view type) {
  return base::Refuse(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                      base::Concat("no ", type, " of yours has this id"));
}

http::Response ShownAs(const boost::json::object& resource) {
  http::Response response;
  response.content_type = kFhirJson;
  response.body = boost::json::serialize(resource);
  // It is about somebody.
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

absl::StatusOr<std::map<std::string, std::string, std::less<>>> ReadParameters(
    std::string_view query, const TypeRow& row) {
  std::map<std::string, std::string, std::less<>> parameters;
  for (const auto pair : absl::StrSplit(base::ToAbsl(query), '&', absl::SkipEmpty())) {
    const std::string name(pair.substr(0, pair.find('=')));
    const bool known = name == "_count" || name == "_page" ||
                       std::ranges::find(row.parameters, name) != row.parameters.end();
    if (!known || parameters.contains(name)) {
      std::vector<std::string> taken = {"_count", "_page"};
      for (const std::string_view parameter : row.parameters) taken.emplace_back(parameter);
      return NotValid("the query", absl::StrCat("each at most once: ", absl::StrJoin(taken, ", ")));
    }
    parameters[name] = FormField(query, name);
  }
  return parameters;
}

absl::Status FillPage(const std::map<std::string, std::string, std::less<>>& parameters,
                      common::v1::Page& page, int count_max = kCountMax) {
  if (const auto count = parameters.find("_count"); count != parameters.end()) {
    int size = 0;
    if (!absl::SimpleAtoi(count->second, &size) || size < 1 || size > count_max) {
      return NotValid("_count", absl::StrCat("1 to ", count_max));
    }
    page.set_page_size(size);
  }
  if (const auto token = parameters.find("_page"); token != parameters.end()) {
    page.set_page_token(token->second);
  }
  return absl::OkStatus();
}

// The query of the next page: the same with another _page.
std::string NextQuery(std::string_view type, std::string_view query, const std::string& token) {
  if (token.empty()) return "";
  std::vector<std::string> pairs;
  for (const auto pair : absl::StrSplit(base::ToAbsl(query), '&', absl::SkipEmpty())) {
    if (!absl::StartsWith(pair, "_page=")) pairs.emplace_back(pair);
  }
  pairs.push_back("_page=" + token);
  return absl::StrCat(std::string(type), "?", absl::StrJoin(pairs, "&"));
}

std::string SelfQuery(std::string_view type, std::string_view query) {
  return query.empty() ? std::string(type) : base::Concat(type, "?", query);
}

}  // namespace

bool ReadFlow::Serves(std::string_view resource_path) {
  return RowOf(Split(resource_path).first) != nullptr;
}

http::Task<http::Response> ReadFlow::Read(std::shared_ptr<const http::Request> request,
                                          std::string resource_path) {
  absl::StatusOr<http::Response> response = co_await Process(request, std::move(resource_path));
  if (!response.ok()) co_return Refused(response.status());
  co_return *std::move(response);
}

http::Task<absl::StatusOr<http::Response>> ReadFlow::Process(
    std::shared_ptr<const http::Request> request, std::string resource_path) {
  const absl::StatusOr<access::Claims> claims =
      parts_.tokens->Verify(request->Header("authorization").value_or(""));
  if (!claims.ok()) {
    LogStranger(kMethod, claims.status());
    co_return claims.status();
  }
  auto [type, id] = Split(resource_path);
  const TypeRow& row = *RowOf(type);
  const journal::CallInfo who = CallOf(*claims, *request, base::Concat(kMethod, "/", row.type));
  const absl::StatusOr<BarsHeaders> headers =
      ReadQueryHeaders([&](std::string_view name) { return request->Header(name); });
  if (!headers.ok()) co_return co_await RecordRefusal(parts_.journal, who, headers.status());
  const size_t mark = request->target.find('?');
  const std::string query =
      mark == std::string::npos ? std::string() : request->target.substr(mark + 1);
  const absl::StatusOr<Parameters> parameters = ReadParameters(query, row);
  if (!parameters.ok()) co_return co_await RecordRefusal(parts_.journal, who, parameters.status());

  const CallContext call{
      .bearer = request->Header("authorization")->substr(kBearer.size()),
      .traceparent = base::ChildTraceparent(request->Header("traceparent").value_or("")),
      .correlation_id = headers->correlation_id,
      .deadline = absl::Now() + parts_.calls_max};
  absl::StatusOr<http::Response> response = NoSuch(type);
  if (type == "MessageDefinition") {
    std::vector<boost::json::object> found = MessageDefinitions(
        parameters->contains("context") ? parameters->at("context") : std::string());
    if (id.empty()) {
      response = ShownAs(SearchSet(parts_.base_url, SelfQuery(type, query), "", std::move(found)));
    } else {
      for (const boost::json::object& definition : found) {
        if (definition.at("id").as_string() == id) response = ShownAs(definition);
      }
    }
  } else if (type == "ServiceRequest" && absl::EndsWith(id, kHistory)) {
    id.resize(id.size() - std::string_view(kHistory).size());
    if (base::IsUuid(id)) co_return co_await History(call, id);
  } else if (!id.empty()) {
    if (base::IsUuid(id)) co_return co_await GetOne(call, type, id);
  } else {
    if (type == "HealthcareService") {
      response = co_await Services(call, *parameters, query);
    } else if (type == "CarePlan") {
      response = co_await Plans(call, *parameters, query);
    } else {
      response = co_await Referrals(call, type, *parameters, query);
    }
    // What a service refuses, it records itself.
    if (base::ReasonOf(response.status()) != kParameterNotValid) co_return response;
  }
  if (!response.ok()) co_return co_await RecordRefusal(parts_.journal, who, response.status());
  co_return response;
}

http::Task<absl::StatusOr<http::Response>> ReadFlow::GetOne(const CallContext& call,
                                                            std::string type, std::string id) {
  if (type == "HealthcareService") {
    rv1::GetServiceRequest get;
    get.set_service_id(id);
    const auto start = [&](auto* context, auto* response, auto done) {
      parts_.referral->async()->GetService(context, &get, response, std::move(done));
    };
    const auto found = co_await Ask<rv1::GetServiceResponse>(call, start);
    if (!found.ok()) co_return found.status();
    co_return ShownAs(HealthcareServiceOf(found->response.service()));
  }
  const absl::StatusOr<rv1::Referral> found = co_await GetReferral(call, std::move(id));
  if (!found.ok()) co_return found.status();
  const rv1::Referral& referral = *found;
  if (type == "CarePlan") {
    if (referral.care().plan_version() == 0) co_return NoSuch(type);
    co_return ShownAs(CarePlanOf(referral));
  }
  http::Response response = ShownAs(type == "Task" ? TaskOf(referral) : ServiceRequestOf(referral));
  response.headers.emplace_back("ETag", absl::StrCat("W/\"", referral.version(), "\""));
  co_return response;
}

http::Task<absl::StatusOr<rv1::Referral>> ReadFlow::GetReferral(const CallContext& call,
                                                                std::string id) {
  rv1::GetReferralRequest get;
  get.set_referral_id(id);
  const auto start = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->GetReferral(context, &get, response, std::move(done));
  };
  auto found = co_await Ask<rv1::GetReferralResponse>(call, start);
  if (!found.ok()) co_return found.status();
  co_return std::move(*found->response.mutable_referral());
}

// All pages of it at once: a case has few messages.
http::Task<absl::StatusOr<http::Response>> ReadFlow::History(const CallContext& call,
                                                             std::string id) {
  google::protobuf::RepeatedPtrField<rv1::ReferralVersion> versions;
  std::string token;
  for (int page = 0; page < kHistoryPagesMax; ++page) {
    rv1::GetReferralHistoryRequest get;
    get.set_referral_id(id);
    get.mutable_page()->set_page_token(token);
    const auto start = [&](auto* context, auto* response, auto done) {
      parts_.referral->async()->GetReferralHistory(context, &get, response, std::move(done));
    };
    const auto found = co_await Ask<rv1::GetReferralHistoryResponse>(call, start);
    if (!found.ok()) co_return found.status();
    for (const rv1::ReferralVersion& version : found->response.versions()) {
      if (version.has_partner_message()) *versions.Add() = version;
    }
    token = found->response.next_page_token();
    if (token.empty()) break;
  }
  // A part of it would be taken for the whole.
  if (!token.empty()) {
    co_return base::Refuse(absl::StatusCode::kResourceExhausted, "HISTORY_TOO_LONG",
                           "the history is longer than one answer can be");
  }
  co_return ShownAs(HistoryOf(parts_.base_url, id, versions));
}

http::Task<absl::StatusOr<http::Response>> ReadFlow::Referrals(const CallContext& call,
                                                               std::string type,
                                                               const Parameters& parameters,
                                                               std::string query) {
  rv1::ListReferralsRequest list;
  if (const absl::Status status = FillPage(parameters, *list.mutable_page()); !status.ok()) {
    co_return status;
  }
  if (const auto status = parameters.find("status"); status != parameters.end()) {
    // A list is of all that are open, or of those in one state of ours.
    if (status->second != "active") co_return NotValid("status", "`active`");
  }
  if (const auto status = parameters.find("business-status"); status != parameters.end()) {
    const std::optional<rv1::ReferralStatus> state = ReferralStatusOfCode(status->second);
    if (!state) {
      co_return NotValid("business-status", base::Concat("a code of ", kReferralStatusSystem));
    }
    list.set_status(*state);
  }
  if (const auto owner = parameters.find("owner"); owner != parameters.end()) {
    list.set_worker_id(owner->second);
  }
  const auto start = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->ListReferrals(context, &list, response, std::move(done));
  };
  const auto found = co_await Ask<rv1::ListReferralsResponse>(call, start);
  if (!found.ok()) co_return found.status();
  std::vector<boost::json::object> resources;
  for (const rv1::Referral& referral : found->response.referrals()) {
    resources.push_back(type == "Task" ? TaskOf(referral) : ServiceRequestOf(referral));
  }
  co_return ShownAs(SearchSet(parts_.base_url, SelfQuery(type, query),
                              NextQuery(type, query, found->response.next_page_token()),
                              std::move(resources)));
}

// A list holds nobody's words, and an answer of a service those of one person: each plan is asked
// for by itself, and leaves a record of its own.
http::Task<absl::StatusOr<http::Response>> ReadFlow::Plans(const CallContext& call,
                                                           const Parameters& parameters,
                                                           std::string query) {
  rv1::ListReferralsRequest list;
  list.set_with_plan(true);
  list.mutable_page()->set_page_size(kPlansDefault);
  if (const absl::Status status = FillPage(parameters, *list.mutable_page(), kPlansMax);
      !status.ok()) {
    co_return status;
  }
  std::string wanted;
  if (const auto status = parameters.find("status"); status != parameters.end()) {
    wanted = status->second;
    const std::optional<rv1::ReferralStatus> state = StateOfPlans(wanted);
    if (!state) {
      co_return NotValid("status", "`active`, `on-hold`, `completed` or `entered-in-error`");
    }
    list.set_status(*state);
  }
  const auto start = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->ListReferrals(context, &list, response, std::move(done));
  };
  const auto listed = co_await Ask<rv1::ListReferralsResponse>(call, start);
  if (!listed.ok()) co_return listed.status();
  std::vector<boost::json::object> plans;
  for (const rv1::Referral& summary : listed->response.referrals()) {
    const absl::StatusOr<rv1::Referral> found = co_await GetReferral(call, summary.referral_id());
    if (!found.ok()) co_return found.status();
    boost::json::object plan = CarePlanOf(*found);
    // A plan that nobody agreed to is a draft, and a referral may have gone on since it was listed.
    if (wanted.empty() || plan.at("status").as_string() == wanted) plans.push_back(std::move(plan));
  }
  co_return ShownAs(SearchSet(parts_.base_url, SelfQuery("CarePlan", query),
                              NextQuery("CarePlan", query, listed->response.next_page_token()),
                              std::move(plans)));
}

http::Task<absl::StatusOr<http::Response>> ReadFlow::Services(const CallContext& call,
                                                              const Parameters& parameters,
                                                              std::string query) {
  rv1::ListServicesRequest list;
  if (const absl::Status status = FillPage(parameters, *list.mutable_page()); !status.ok()) {
    co_return status;
  }
  if (const auto code = parameters.find("organization"); code != parameters.end()) {
    list.set_organisation(code->second);
  }
  const auto start = [&](auto* context, auto* response, auto done) {
    parts_.referral->async()->ListServices(context, &list, response, std::move(done));
  };
  const auto found = co_await Ask<rv1::ListServicesResponse>(call, start);
  if (!found.ok()) co_return found.status();
  std::vector<boost::json::object> resources;
  for (const rv1::Service& service : found->response.services()) {
    resources.push_back(HealthcareServiceOf(service));
  }
  co_return ShownAs(
      SearchSet(parts_.base_url, SelfQuery("HealthcareService", query),
                NextQuery("HealthcareService", query, found->response.next_page_token()),
                std::move(resources)));
}

}  // namespace fettle::gateway
