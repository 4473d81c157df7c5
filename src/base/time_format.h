#pragma once

#include <cstdint>
#include <string>

namespace narthex::base {

// "2026-03-01T12:00:00.123Z", UTC, from milliseconds since the Unix epoch.
std::string FormatRfc3339(int64_t unix_ms);

}  // namespace narthex::base
