#pragma once

#include <string>

#include "base/result.h"
#include "config/server.h"
#include "net/http.h"

namespace narthex::net {

// Takes a request's body out, decompressed. Errors: kInvalidArgument for a compression that the
// configuration does not allow, or damage; kResourceExhausted for more than it allows.
base::Result<std::string> DecodeBody(HttpRequest& request, const config::HttpServerConfig& config);

}  // namespace narthex::net
