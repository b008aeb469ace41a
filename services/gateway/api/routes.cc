#include "services/gateway/api/routes.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "fettle/analytics/v1/analytics_service.pb.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "libs/base/check.h"
#include "libs/base/text.h"

namespace fettle::gateway {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::MethodDescriptor;

constexpr char kReferralService[] = "fettle.referral.v1.ReferralService";
constexpr std::string_view kList = "List";
// Partners' messages come over FHIR.
constexpr char kMessagesRole[] = "integrator";

// What shows or makes something.
struct Row {
  const char* method;
  const char* path;
  const char* rpc;
};

constexpr Row kRows[] = {
    {"POST", "referrals", "fettle.referral.v1.ReferralService.SubmitReferral"},
    {"GET", "referrals/{referral_id}", "fettle.referral.v1.ReferralService.GetReferral"},
    {"POST", "drafts", "fettle.referral.v1.ReferralService.DraftReferral"},
    {"POST", "signposts", "fettle.referral.v1.ReferralService.RecordSignpost"},
    {"POST", "services", "fettle.referral.v1.ReferralService.RegisterService"},
    {"GET", "services/{service_id}", "fettle.referral.v1.ReferralService.GetService"},
    {"GET", "journeys/{correlation_id}", "fettle.analytics.v1.AnalyticsService.GetJourney"},
};

// Every other rpc of the referral service that needs the id of one of these lies below it; lists
// have paths of their own.
struct Collection {
  const char* id_field;
  const char* path;
  const char* noun;  // left out of the rpc's name
};

constexpr Collection kCollections[] = {
    {"referral_id", "referrals", "Referral"},
    {"service_id", "services", "Service"},
};

const common::v1::RpcPolicy& PolicyOf(const MethodDescriptor* rpc) {
  return rpc->options().GetExtension(common::v1::policy);
}

bool IsCommand(const MethodDescriptor* rpc) {
  return PolicyOf(rpc).kind() == common::v1::RPC_KIND_COMMAND;
}

bool IsForUsers(const MethodDescriptor* rpc) {
  return std::ranges::any_of(PolicyOf(rpc).roles(),
                             [](const std::string& role) { return role != kMessagesRole; });
}

std::vector<std::string> WordsOf(const MethodDescriptor* rpc) {
  std::vector<std::string> words;
  for (const char c : rpc->name()) {
    if (absl::ascii_isupper(c)) words.emplace_back();
    words.back().push_back(c);
  }
  return words;
}

// HandOverReferral: hand-over. GetReferralHistory: history.
std::string PathWord(const MethodDescriptor* rpc, std::string_view noun) {
  std::vector<std::string> words = WordsOf(rpc);
  if (!IsCommand(rpc)) words.erase(words.begin());
  std::erase(words, noun);
  FETTLE_CHECK(!words.empty(), "an rpc has a name beside what it is about");
  return absl::AsciiStrToLower(absl::StrJoin(words, "-"));
}

std::optional<Route> RouteOf(const MethodDescriptor* rpc) {
  for (const Collection& collection : kCollections) {
    const FieldDescriptor* id = rpc->input_type()->FindFieldByName(collection.id_field);
    if (id == nullptr || !id->options().GetExtension(common::v1::rule).required()) continue;
    return Route{IsCommand(rpc) ? "POST" : "GET",
                 absl::StrCat(kApiPath, collection.path, "/{", collection.id_field, "}/",
                              PathWord(rpc, collection.noun)),
                 rpc, IsCommand(rpc)};
  }
  if (IsCommand(rpc) || WordsOf(rpc).front() != kList) return std::nullopt;
  return Route{"GET", absl::StrCat(kApiPath, PathWord(rpc, "")), rpc, false};
}

bool IsField(std::string_view segment) { return segment.starts_with('{'); }

std::string NameOf(std::string_view segment) {
  return std::string(segment.substr(1, segment.size() - 2));
}

std::vector<std::string> Segments(std::string_view path) {
  return absl::StrSplit(base::ToAbsl(path), '/');
}

bool Matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  return pattern.size() == path.size() &&
         std::equal(pattern.begin(), pattern.end(), path.begin(),
                    [](const std::string& one, const std::string& other) {
                      return IsField(one) ? !other.empty() : one == other;
                    });
}

}  // namespace

const common::v1::RpcPolicy& Route::policy() const { return PolicyOf(rpc); }

std::vector<const FieldDescriptor*> Route::PathFields() const {
  std::vector<const FieldDescriptor*> fields;
  for (const std::string& segment : Segments(path)) {
    if (IsField(segment)) fields.push_back(rpc->input_type()->FindFieldByName(NameOf(segment)));
  }
  return fields;
}

Routes::Routes() {
  // The linker leaves out contracts that nothing names.
  analytics::v1::GetJourneyRequest::descriptor();
  referral::v1::GetReferralRequest::descriptor();
  const DescriptorPool* pool = DescriptorPool::generated_pool();
  for (const Row& row : kRows) {
    const MethodDescriptor* rpc = pool->FindMethodByName(row.rpc);
    FETTLE_CHECK(rpc != nullptr, "a row names an rpc");
    routes_.push_back({row.method, absl::StrCat(kApiPath, row.path), rpc, IsCommand(rpc)});
  }
  const auto* service = pool->FindServiceByName(kReferralService);
  for (int i = 0; i < service->method_count(); ++i) {
    const MethodDescriptor* rpc = service->method(i);
    const bool has_row = std::ranges::find(routes_, rpc, &Route::rpc) != routes_.end();
    if (has_row || !IsForUsers(rpc) || rpc->server_streaming()) continue;
    if (std::optional<Route> route = RouteOf(rpc)) routes_.push_back(*std::move(route));
  }
}

Routes::Match Routes::Find(std::string_view method, std::string_view path,
                           std::string* allowed) const {
  const std::vector<std::string> given = Segments(path);
  std::vector<std::string> methods;
  for (const Route& route : routes_) {
    const std::vector<std::string> pattern = Segments(route.path);
    if (!Matches(pattern, given)) continue;
    if (route.method != method) {
      methods.push_back(route.method);
      continue;
    }
    Match match{.route = &route, .path_values = {}};
    for (size_t i = 0; i < pattern.size(); ++i) {
      if (IsField(pattern[i])) match.path_values[NameOf(pattern[i])] = given[i];
    }
    return match;
  }
  *allowed = absl::StrJoin(methods, ", ");
  return {};
}

}  // namespace fettle::gateway
