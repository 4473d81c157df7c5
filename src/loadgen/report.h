#pragma once

#include <string>

#include "loadgen/load_run.h"

namespace narthex::loadgen {

// What a run's numbers look like to people and programs.

// One line "planned=… sent=… …", for logs. Rates are since `before`.
std::string FormatLine(const LoadStats& now, const LoadStats& before);
// Some lines of at most 80 columns: a table by route and the status mix. `before` as above.
std::string FormatTable(const LoadStats& now, const LoadStats& before);
// The table of the whole run with latencies, and a verdict on the generator itself.
std::string FormatSummary(const LoadStats& stats);
// The same as JSON, with counts by endpoint and status.
std::string FormatJson(const LoadConfig& config, const LoadStats& stats, bool interrupted);

// Why the numbers say less about the target than they should; empty when they do not.
std::string GeneratorLimits(const LoadStats& stats);

}  // namespace narthex::loadgen
