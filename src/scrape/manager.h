#pragma once

#include <cstdint>
#include <functional>
#include <map>
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
  uint64_t target_limit = 0;       // 0: none.
  size_t found = 0;                // Targets before relabelling.
  uint64_t syncs = 0;              // Times the targets were made out,
  double sync_seconds = 0;         // which took so long,
  uint64_t failed = 0;             // and targets that could not be, over all times.
  uint64_t over_limit = 0;         // Times that there were more targets than may be.
  uint64_t metadata_families = 0;  // Remembered for the targets,
  uint64_t metadata_bytes = 0;     // in names and texts.
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
    net::DnsResolver::Options dns;        // Of discovery,
    size_t http_sd_bytes_max = 64 << 20;  // which takes no larger answer.
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
    // Scrapes that failed for a limit: of the size of an answer, of the samples, of the labels of a
    // series, of the buckets of a native histogram.
    uint64_t over_body_size = 0;
    uint64_t over_samples = 0;
    uint64_t over_labels = 0;
    uint64_t over_histogram_buckets = 0;
    // Distances of scrapes from those before, by the interval that they should have, in
    // milliseconds.
    struct Distances {
      uint64_t count = 0;
      double seconds = 0;
    };
    std::map<int64_t, Distances> distances;
    int64_t discovered_ms = 0;       // When changes of discovery were last taken over; 0: never.
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
