#include "services/gateway/api/api_flow.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/support/byte_buffer.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/trace.h"
#include "libs/base/uuid.h"
#include "services/gateway/api/openapi.h"
#include "services/gateway/api/problem.h"
#include "services/gateway/api/request.h"
#include "services/gateway/fhir/headers.h"
#include "services/gateway/refusals.h"

namespace fettle::gateway {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr char kJson[] = "application/json";
constexpr std::string_view kDocumentPath = "/api/v1/openapi.json";
constexpr std::string_view kBearer = "Bearer ";
constexpr char kHeaderNotValid[] = "HEADER_NOT_VALID";
constexpr char kReplayed[] = "Fettle-Replayed";

std::unique_ptr<Message> NewMessage(const google::protobuf::Descriptor* type) {
  return std::unique_ptr<Message>(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

// The request's field, when it has one of this name and it is not set.
const FieldDescriptor* Open(const Message& request, const char* name) {
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName(name);
  return field == nullptr || request.GetReflection()->HasField(request, field) ? nullptr : field;
}

absl::Status TakeId(const http::Request& from, const char* header, const char* name,
                    Message& request) {
  const std::optional<std::string> value = from.Header(header);
  if (!value) return absl::OkStatus();
  if (!base::IsUuid(*value)) {
    return base::InvalidField(header, kHeaderNotValid, "a UUID of 36 characters");
  }
  if (const FieldDescriptor* field = Open(request, name)) {
    request.GetReflection()->SetString(&request, field,
                                       base::UuidFromBytes(base::UuidToBytes(*value)));
  }
  return absl::OkStatus();
}

absl::Status TakeVersion(const http::Request& from, Message& request) {
  const std::optional<std::string> value = from.Header("If-Match");
  if (!value) return absl::OkStatus();
  std::string_view tag = *value;
  int64_t version = 0;
  const bool is_quoted = tag.size() > 2 && tag.starts_with('"') && tag.ends_with('"');
  if (is_quoted) tag = tag.substr(1, tag.size() - 2);
  if (!is_quoted || !absl::SimpleAtoi(std::string(tag), &version) || version < 1) {
    return base::InvalidField("If-Match", kHeaderNotValid, "one ETag as it was given");
  }
  // A condition that is not looked at would be taken for one that holds.
  const FieldDescriptor* field = Open(request, "expected_version");
  if (field == nullptr) {
    return base::InvalidField("If-Match", kHeaderNotValid,
                              "only where there is a version, and not beside expected_version");
  }
  request.GetReflection()->SetInt64(&request, field, version);
  return absl::OkStatus();
}

bool IsJson(const http::Request& request) {
  const std::string type = request.Header("Content-Type").value_or("");
  return absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(type.substr(0, type.find(';'))), kJson);
}

absl::Status Fill(const http::Request& from, const Routes::Match& match, Message& request) {
  FETTLE_RETURN_IF_ERROR(FillFromPath(match.path_values, request));
  const size_t mark = from.target.find('?');
  const std::string_view query =
      mark == std::string::npos ? "" : std::string_view(from.target).substr(mark + 1);
  if (!match.route->is_command) return FillFromQuery(*match.route, query, request);
  if (!query.empty()) return base::InvalidField("query", "PARAMETER_NOT_VALID", "no parameters");
  FETTLE_RETURN_IF_ERROR(FillFromBody(*match.route, from.body, request));
  FETTLE_RETURN_IF_ERROR(TakeId(from, kRequestIdHeader, "request_id", request));
  FETTLE_RETURN_IF_ERROR(TakeId(from, kCorrelationIdHeader, "correlation_id", request));
  return TakeVersion(from, request);
}

// The version of what is shown: of the answer, or of the one message in it.
int64_t VersionOf(const Message& answer) {
  const auto& reflection = *answer.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(answer, &fields);
  int64_t version = 0;
  for (const FieldDescriptor* field : fields) {
    if (field->name() == "version" && field->cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
      return reflection.GetInt64(answer, field);
    }
    if (!field->is_repeated() && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      version = std::max(version, VersionOf(reflection.GetMessage(answer, field)));
    }
  }
  return version;
}

grpc::ByteBuffer Packed(const Message& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return {&slice, 1};
}

bool Unpack(const grpc::ByteBuffer& from, Message& message) {
  grpc::Slice slice;
  return from.DumpToSingleSlice(&slice).ok() &&
         message.ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
}

absl::StatusOr<http::Response> Shown(const Message& answer, const Routes::Match& match) {
  http::Response response;
  response.content_type = kJson;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (!google::protobuf::util::MessageToJsonString(answer, &response.body, options).ok()) {
    return absl::InternalError("an answer cannot be shown as JSON");
  }
  // It is about somebody.
  response.headers.emplace_back("Cache-Control", "no-store");
  if (!match.route->is_command && !match.path_values.empty()) {
    if (const int64_t version = VersionOf(answer); version > 0) {
      response.headers.emplace_back("ETag", absl::StrCat("\"", version, "\""));
    }
  }
  return response;
}

}  // namespace

ApiFlow::ApiFlow(Parts parts) : parts_(std::move(parts)), document_(OpenApiDocument(routes_)) {
  for (const Route& route : routes_.all()) {
    FETTLE_CHECK(parts_.services.contains(route.rpc->service()->full_name()),
                 "every route has its service");
  }
}

http::Task<http::Response> ApiFlow::Handle(std::shared_ptr<const http::Request> request) {
  const std::string method = request->method == "HEAD" ? "GET" : request->method;
  if (request->Path() == kDocumentPath && method == "GET") {
    co_return http::Response{200, kJson, document_, {{"Cache-Control", "max-age=300"}}};
  }
  std::string allowed = request->Path() == kDocumentPath ? "GET" : "";
  Routes::Match match = routes_.Find(method, request->Path(), &allowed);
  if (match.route == nullptr && allowed.empty()) {
    co_return ProblemOf(base::Refuse(absl::StatusCode::kNotFound, "PATH_NOT_FOUND",
                                     absl::StrCat("see ", std::string(kDocumentPath))));
  }
  if (match.route == nullptr) {
    http::Response response =
        ProblemOf(base::Refuse(absl::StatusCode::kUnimplemented, "METHOD_NOT_ALLOWED",
                               absl::StrCat("expected ", allowed)),
                  405);
    response.headers.emplace_back("Allow", allowed);
    co_return response;
  }
  if (match.route->is_command && !request->body.empty() && !IsJson(*request)) {
    co_return ProblemOf(base::Refuse(absl::StatusCode::kInvalidArgument, "MEDIA_TYPE_NOT_SUPPORTED",
                                     absl::StrCat("Content-Type: expected ", kJson)),
                        415);
  }
  absl::StatusOr<http::Response> response = co_await Call(request, std::move(match));
  if (!response.ok()) co_return ProblemOf(response.status());
  co_return *std::move(response);
}

http::Task<absl::StatusOr<http::Response>> ApiFlow::Call(
    std::shared_ptr<const http::Request> request, Routes::Match match) {
  const Route& route = *match.route;
  const std::string method = absl::StrCat(route.method, " ", route.path);
  const absl::StatusOr<access::Claims> claims =
      parts_.tokens->Verify(request->Header("authorization").value_or(""));
  if (!claims.ok()) {
    LogStranger(method, claims.status());
    co_return claims.status();
  }
  const std::unique_ptr<Message> asked = NewMessage(route.rpc->input_type());
  if (const absl::Status filled = Fill(*request, match, *asked); !filled.ok()) {
    co_return co_await RecordRefusal(parts_.journal, CallOf(*claims, *request, method), filled);
  }
  const CallContext call{
      .bearer = request->Header("authorization")->substr(kBearer.size()),
      .traceparent = base::ChildTraceparent(request->Header("traceparent").value_or("")),
      .correlation_id = base::UuidFromBytes(
          base::UuidToBytes(request->Header(kCorrelationIdHeader).value_or(""))),
      .deadline = absl::Now() + parts_.calls_max};
  const grpc::ByteBuffer packed = Packed(*asked);
  const std::string rpc =
      absl::StrCat("/", route.rpc->service()->full_name(), "/", route.rpc->name());
  grpc::GenericStub& stub = *parts_.services.at(route.rpc->service()->full_name());
  const auto start = [&](auto* context, auto* response, auto done) {
    stub.UnaryCall(context, rpc, {}, &packed, response, std::move(done));
  };
  const auto answered = co_await Ask<grpc::ByteBuffer>(call, start);
  if (!answered.ok()) co_return answered.status();
  const std::unique_ptr<Message> answer = NewMessage(route.rpc->output_type());
  if (!Unpack(answered->response, *answer)) {
    co_return absl::InternalError("an answer cannot be read");
  }
  absl::StatusOr<http::Response> response = Shown(*answer, match);
  if (response.ok() && answered->replayed) response->headers.emplace_back(kReplayed, "true");
  co_return response;
}

}  // namespace fettle::gateway
