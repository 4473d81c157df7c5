#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace narthex::model {

// A size in bytes: "512MB", "1.5GiB", "77"; units are powers of 1024 with either spelling, as
// Prometheus and the collector read them. Error: kInvalidArgument.
base::Result<uint64_t> ParseBytes(std::string_view text);

// The same size as whole units, largest first: "1GiB512MiB", "0B".
std::string FormatBytes(uint64_t bytes);

}  // namespace narthex::model
