#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "discovery/discovery.h"
#include "model/metadata.h"
#include "scrape/config.h"
#include "scrape/loop.h"
#include "storage/storage.h"

namespace narthex::scrape {

enum class Health { kUnknown, kUp, kDown };

// A target as the status pages show it.
struct TargetStatus {
  std::string job;
  Target target;
  Health health = Health::kUnknown;
  std::string last_error;
  model::Timestamp last_scrape = 0;  // 0: not yet.
  double last_duration_seconds = 0;
};
struct JobStatus {
  std::string name;
  std::vector<model::Labels> dropped;
  size_t found = 0;     // Targets before relabelling.
  uint64_t syncs = 0;   // Times the targets were made out.
  uint64_t failed = 0;  // Targets that could not be, over all times.
};
struct MetadataEntry {
  std::string family;
  model::Metadata metadata;
  model::Labels target;
};

// Scrapes every target of every job in its rhythm until it is stopped: requests run side by side,
// one thread parses and appends. Targets that discovery finds come and go meanwhile; the others do
// not notice. Thread-safe.
class Manager {
 public:
  struct Options {
    std::vector<JobConfig> jobs;
    uint64_t offset_seed = 0;
    // Scrape at once after the start instead of at the target's offset, so that there is something
    // to see early.
    bool first_scrape_at_once = true;
    // What discovery finds is taken over at most so often. Source: Prometheus, scrape manager.
    int64_t discovery_interval_ms = 5'000;
    net::DnsResolver::Options dns;  // Of discovery.
  };
  struct Statistics {
    uint64_t scrapes = 0;
    uint64_t scrapes_failed = 0;
    uint64_t samples_scraped = 0;
    uint64_t samples_kept = 0;
    uint64_t out_of_order = 0;
    uint64_t exemplars_out_of_order = 0;
    uint64_t duplicate = 0;
    uint64_t out_of_bounds = 0;
    uint64_t failures_unlogged = 0;  // Failed scrapes whose line could not be written.
    uint64_t jobs_made = 0;
    uint64_t jobs_reloaded = 0;    // Those that were not as they had been.
    uint64_t updates_delayed = 0;  // Times that changes of discovery found the scraper busy.
  };

  // Error: a job whose static targets cannot be made out, whose certificates cannot be used, or
  // whose log cannot be opened.
  static base::Result<std::unique_ptr<Manager>> Start(base::Env env, base::Logger& log,
                                                      storage::Appendable& storage,
                                                      Options options);

  // Jobs that have been found to be good.
  class Prepared;
  using PreparedPtr = std::shared_ptr<const Prepared>;
  // Checks them, opens what they log to, and changes nothing. Errors: those of Start.
  base::Result<PreparedPtr> Prepare(const std::vector<JobConfig>& jobs, uint64_t offset_seed);
  // Makes the jobs those. One that is as it was is not touched, but for the file that it logs to,
  // which may have been moved away meanwhile. Of one that is not, targets with the
  // labels and the URL that they had go on with what is new: in their rhythm unless the interval is
  // another, and knowing their series. Series of targets and jobs that are gone end with stale
  // markers. Returns when all is in place but for what discovery has yet to find; until then, a
  // job keeps what it had.
  void Apply(PreparedPtr prepared);

  // Lets the scrape in hand finish; scrapes under way are given up. No stale markers: the server
  // stops, not the targets.
  ~Manager();

  std::vector<TargetStatus> targets() const;
  std::vector<JobStatus> jobs() const;
  std::vector<MetadataEntry> metadata() const;
  Statistics statistics() const;
  discovery::Discovery::Statistics discovery() const;

 private:
  class Engine;
  explicit Manager(std::unique_ptr<Engine> engine);
  std::unique_ptr<Engine> engine_;
};

}  // namespace narthex::scrape
