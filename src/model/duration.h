#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace narthex::model {

// "1d2h3m4s5ms" (units y w d h m s ms, each at most once, in that order; "0" is allowed) in
// milliseconds. Errors: kInvalidArgument `not a valid duration string: "…"`, kOutOfRange on
// overflow of 64-bit nanoseconds. Source: Prometheus, model.ParseDuration.
base::Result<int64_t> ParseDuration(std::string_view text);
// The shortest such text: "1h30m"; "0s" for zero. Weeks and years only where nothing is left over.
std::string FormatDuration(int64_t ms);

// Go's time.ParseDuration: "1.5h", "300ms", "-2m", units h m s ms us ns. Nanoseconds.
base::Result<int64_t> ParseGoDuration(std::string_view text);

}  // namespace narthex::model
