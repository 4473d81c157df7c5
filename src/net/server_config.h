#pragma once

#include "base/env.h"
#include "base/log.h"
#include "base/result.h"
#include "config/server.h"
#include "net/grpc_server.h"
#include "net/http_server.h"

namespace narthex::net {

// Servers as configuration files have them. Errors: what is wrong with the certificates.
base::Result<HttpServer::Config> ServerConfigOf(const config::HttpServerConfig& config,
                                                base::Env env, base::Logger& logger);
base::Result<GrpcServer::Config> ServerConfigOf(const config::GrpcServerConfig& config,
                                                base::Env env, base::Logger& logger);

// `handler` behind the rules for pages of other origins: their questions beforehand are answered
// here, and answers say who may read them. Without allowed origins, `handler` as it is.
// Source: Fetch standard, "CORS protocol".
HttpHandler WithCors(config::CorsConfig config, HttpHandler handler);

}  // namespace narthex::net
