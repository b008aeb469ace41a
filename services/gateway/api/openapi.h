// The description of the plain JSON API, made of the contracts: OpenAPI 3.1.
#ifndef FETTLE_SERVICES_GATEWAY_API_OPENAPI_H_
#define FETTLE_SERVICES_GATEWAY_API_OPENAPI_H_

#include <string>

#include "services/gateway/api/routes.h"

namespace fettle::gateway {

// As JSON. Each message has a schema for answers, and one with its rules, `...Input`, where
// requests hold it.
std::string OpenApiDocument(const Routes& routes);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_API_OPENAPI_H_
