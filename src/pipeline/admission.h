#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "otlp/client_info.h"
#include "pipeline/auth.h"

namespace narthex::pipeline {

// Who sends a request with these headers, and what pipelines may learn of that. `auth`: null where
// anyone may send. `with_metadata`: the headers go with the data. `peer`: "127.0.0.1:51234".
// Errors: those of AuthExtension::Authenticate.
base::Result<otlp::ClientPointer> Admit(
    const AuthExtension* auth, bool with_metadata,
    const std::vector<std::pair<std::string, std::string>>& headers, std::string_view peer);

}  // namespace narthex::pipeline
