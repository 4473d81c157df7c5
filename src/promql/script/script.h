#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "promql/engine.h"

namespace narthex::promql {

// Runs PromQL test scripts: load samples, ask queries, compare with the answers written down.
//   load 1m
//     up{job="a"} 1 0+1x5 _ stale
//   eval instant at 3m sum(up)
//     {} 3
//   eval range from 0 to 3m step 1m up
//     up{job="a"} 1 0 1 2
// and `expect fail|warn|info|ordered|string …` lines in front of results. Every instant query also
// runs as the middle step of a range query, and at other times with its selectors pinned by `@`.
// Specification: upstream's promqltest README.
struct ScriptReport {
  size_t evals = 0;
  size_t passed = 0;
  struct Failure {
    size_t line = 0;  // Of the command, counted from 1.
    std::string text;
  };
  std::vector<Failure> failures;  // One per eval or bad command.
};

ScriptReport RunScript(std::string_view script);

// The settings that upstream's scripts assume.
Engine::Options ScriptEngineOptions();

}  // namespace narthex::promql
