#include "libs/rpc/door.h"

#include <algorithm>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/trace.h"
#include "libs/base/uuid.h"
#include "libs/rpc/limits.h"
#include "libs/rpc/validate.h"

namespace fettle::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr std::string_view kSpiffePrefix = "spiffe://fettle/";

MethodInfo FindMethod(const Descriptor* request) {
  const google::protobuf::FileDescriptor* file = request->file();
  for (int s = 0; s < file->service_count(); ++s) {
    for (int m = 0; m < file->service(s)->method_count(); ++m) {
      const google::protobuf::MethodDescriptor* method = file->service(s)->method(m);
      if (method->input_type() != request) continue;
      const common::v1::RpcPolicy& policy = method->options().GetExtension(common::v1::policy);
      FETTLE_CHECK(policy.kind() != common::v1::RPC_KIND_UNSPECIFIED,
                   absl::StrCat(method->full_name(), " has no policy"));
      const std::vector<std::string> package = absl::StrSplit(file->package(), '.');
      return {method->full_name(), package.size() > 1 ? package[1] : "", policy};
    }
  }
  FETTLE_CHECK(false, absl::StrCat("no rpc takes ", request->full_name()));
  return {};
}

std::string Header(const grpc::ServerContextBase& context, const char* name) {
  auto it = context.client_metadata().find(name);
  return it == context.client_metadata().end() ? ""
                                               : std::string(it->second.data(), it->second.size());
}

}  // namespace

const MethodInfo& MethodOf(const Descriptor* request) {
  static absl::Mutex& mutex = *new absl::Mutex;
  static auto& methods = *new std::unordered_map<const Descriptor*, MethodInfo>;
  {
    absl::ReaderMutexLock lock(&mutex);
    auto it = methods.find(request);
    if (it != methods.end()) return it->second;
  }
  absl::MutexLock lock(&mutex);
  return methods.try_emplace(request, FindMethod(request)).first->second;
}

absl::StatusOr<journal::CallInfo> Authenticate(const grpc::ServerContextBase& context,
                                               const MethodInfo& method,
                                               access::TokenVerifier& tokens) {
  journal::CallInfo call;
  call.method = method.full_name;
  const absl::Time latest = absl::Now() + absl::Milliseconds(kCallMsMax);
  call.deadline = std::min(absl::FromChrono(context.deadline()), latest);
  const std::string trace = Header(context, "traceparent");
  if (base::ParseTraceparent(trace).has_value()) call.traceparent = trace;
  const std::string correlation = Header(context, kCorrelationIdHeader);
  if (base::IsUuid(correlation)) call.correlation_id = correlation;

  const std::string authorization = Header(context, "authorization");
  if (!authorization.empty()) {
    FETTLE_ASSIGN_OR_RETURN(const access::Claims claims, tokens.Verify(authorization));
    call.caller = {claims.subject, false, claims.organisation, claims.role, claims.purpose};
    return call;
  }
  if (context.auth_context() != nullptr) {
    for (const grpc::string_ref& id :
         context.auth_context()->FindPropertyValues("peer_spiffe_id")) {
      const std::string_view uri(id.data(), id.size());
      if (uri.starts_with(kSpiffePrefix)) {
        call.caller.subject = uri.substr(kSpiffePrefix.size());
        call.caller.is_service = true;
        return call;
      }
    }
  }
  return base::Refuse(absl::StatusCode::kUnauthenticated, "TOKEN_MISSING",
                      "header authorization: a bearer token is needed");
}

absl::Status Authorise(const MethodInfo& method, const base::Caller& caller) {
  const auto& allowed = caller.is_service ? method.policy.services() : method.policy.roles();
  const std::string& name = caller.is_service ? caller.subject : caller.role;
  for (const std::string& entry : allowed) {
    // "*" is all who work for somebody: a person is named where they may call.
    const bool is_any = entry == "*" && !caller.is_service && name != access::kPersonRole;
    if (entry == name || is_any) return absl::OkStatus();
  }
  return base::Refuse(absl::StatusCode::kPermissionDenied, "ROLE_NOT_ALLOWED",
                      "the caller's role may not make this call", {{"method", method.full_name}});
}

absl::Status Enter(const grpc::ServerContextBase& context, const google::protobuf::Message& request,
                   access::TokenVerifier& tokens, journal::CallInfo* call) {
  const MethodInfo& method = MethodOf(request.GetDescriptor());
  FETTLE_ASSIGN_OR_RETURN(*call, Authenticate(context, method, tokens));
  FETTLE_RETURN_IF_ERROR(Authorise(method, call->caller));
  FETTLE_RETURN_IF_ERROR(Validate(request));
  call->request_id = TextField(request, "request_id");
  if (const std::string journey = TextField(request, "correlation_id"); !journey.empty()) {
    call->correlation_id = journey;
  }
  return absl::OkStatus();
}

std::string BearerOf(const grpc::ServerContextBase& context) {
  const std::string header = Header(context, "authorization");
  const size_t space = header.find(' ');
  return space == std::string::npos ? "" : header.substr(space + 1);
}

std::string TextField(const google::protobuf::Message& request, const char* name) {
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName(name);
  if (field == nullptr || field->cpp_type() != FieldDescriptor::CPPTYPE_STRING ||
      field->is_repeated()) {
    return "";
  }
  return request.GetReflection()->GetString(request, field);
}

}  // namespace fettle::rpc
