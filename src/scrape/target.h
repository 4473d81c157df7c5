#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "discovery/target_group.h"
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
  std::vector<Target> active;          // No two with the same labels and URL.
  std::vector<model::Labels> dropped;  // By relabelling: their discovered labels.
  std::vector<std::string> failed;     // Why a target cannot be scraped, and which.
  size_t found = 0;                    // Before relabelling.
};

// The targets of a job after relabelling: those of its configuration and those of `groups`.
Targets TargetsOf(const JobConfig& job, std::span<const discovery::TargetGroup> groups);
// Whether the targets of the configuration can be scraped. Errors: kInvalidArgument for a target
// without a usable address, interval or timeout.
base::Status CheckTargets(const JobConfig& job);

// When within its interval a target is due: stable over restarts, spread over targets, and
// different on another machine. Milliseconds in [0, interval).
int64_t OffsetOf(const Target& target, uint64_t seed);
// The seed of this server. Source: Prometheus, scrape manager: host name and external labels.
uint64_t OffsetSeed(std::string_view host, const model::Labels& external_labels);

}  // namespace narthex::scrape
