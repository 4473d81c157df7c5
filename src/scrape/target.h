#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "scrape/config.h"

namespace narthex::scrape {

// Something to scrape. A value.
struct Target {
  model::Labels discovered;  // Before relabelling: `__address__`, `job`, …
  model::Labels labels;      // What every sample of it carries.
  std::string url;
  int64_t interval_ms = 0;
  int64_t timeout_ms = 0;
};

struct Targets {
  std::vector<Target> active;
  std::vector<model::Labels> dropped;  // By relabelling: their discovered labels.
};

// The targets of a job after relabelling. Errors: kInvalidArgument for a target without a usable
// address, interval or timeout.
base::Result<Targets> TargetsOf(const JobConfig& job);

// When within its interval a target is due: stable over restarts, spread over targets, and
// different on another machine. Milliseconds in [0, interval).
int64_t OffsetOf(const Target& target, uint64_t seed);
// The seed of this server. Source: Prometheus, scrape manager: host name and external labels.
uint64_t OffsetSeed(std::string_view host, const model::Labels& external_labels);

}  // namespace narthex::scrape
