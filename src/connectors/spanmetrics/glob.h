#pragma once

#include <re2/re2.h>

#include <memory>
#include <string_view>

#include "base/result.h"

namespace narthex::connectors {

// A pattern of attributes' names, for the whole of one: `*`, `?`, `[a-z]`, `[!a-z]`, `{one,other}`,
// and `\` in front of what stands for itself. Error: kInvalidArgument for one without an end.
// Source: opentelemetry-collector-contrib, connector/spanmetricsconnector (gobwas/glob).
base::Result<std::shared_ptr<const re2::RE2>> ParseGlob(std::string_view text);

}  // namespace narthex::connectors
