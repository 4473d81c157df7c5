#pragma once

#include <span>

#include "flags.h"

namespace narthex::apps {

// Every flag of Prometheus 3.x, with ours behind. Source: Prometheus, command line.
std::span<const FlagSpec> ServerFlags();

}  // namespace narthex::apps
