#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/metadata.h"
#include "model/sample.h"

namespace narthex::api {

// What the API shows of the rest of the process. The composition root implements these; whatever
// it does not have it leaves out, and the endpoint answers as an empty server would. All
// thread-safe.

struct ActiveTarget {
  model::Labels discovered_labels;
  model::Labels labels;
  std::string scrape_pool;
  std::string scrape_url;
  std::string global_url;      // Reachable from outside this machine.
  std::string last_error;      // Empty when the last scrape went well.
  int64_t last_scrape_ms = 0;  // Unix time; 0 before the first scrape.
  double last_scrape_seconds = 0;
  std::string health = "unknown";  // "up", "down", "unknown"
  std::string scrape_interval;     // "15s"
  std::string scrape_timeout;
};

struct DroppedTarget {
  model::Labels discovered_labels;
  std::string scrape_pool;
};

class TargetSource {
 public:
  virtual ~TargetSource() = default;
  virtual std::vector<std::string> ScrapePools() const = 0;
  virtual std::vector<ActiveTarget> Active() const = 0;
  virtual std::vector<DroppedTarget> Dropped() const = 0;
};

class MetadataSource {
 public:
  using Visit = std::function<void(std::string_view metric, const model::Metadata&)>;
  virtual ~MetadataSource() = default;
  // Calls `visit` for what every target says of every metric; repetitions are fine.
  virtual void ForEach(const Visit& visit) const = 0;
};

struct BuildInfo {
  std::string version;
  std::string revision;
  std::string branch;
  std::string build_user;
  std::string build_date;
  std::string go_version;  // Clients expect the member; name the compiler.
};

struct RuntimeInfo {
  int64_t start_ms = 0;
  std::string working_directory;
  std::string hostname;
  bool reload_success = true;
  int64_t last_config_ms = 0;
  uint64_t corruption_count = 0;
  uint64_t thread_count = 0;
  std::string storage_retention;
};

// A name and how many series, values or bytes it stands for.
struct NamedCount {
  std::string name;
  uint64_t count = 0;
};

struct TsdbStats {
  uint64_t series = 0;
  uint64_t label_pairs = 0;
  uint64_t chunks = 0;
  model::Timestamp time_min = 0;
  model::Timestamp time_max = 0;
  std::vector<NamedCount> series_by_metric;
  std::vector<NamedCount> values_by_label;
  std::vector<NamedCount> bytes_by_label;
  std::vector<NamedCount> series_by_label_pair;
};

class StatusSource {
 public:
  virtual ~StatusSource() = default;
  virtual BuildInfo Build() const = 0;
  virtual RuntimeInfo Runtime() const = 0;
  virtual std::vector<std::pair<std::string, std::string>> Flags() const = 0;
  // The running configuration as YAML, secrets masked.
  virtual std::string ConfigYaml() const = 0;
  // At most `limit` entries per list, largest first.
  virtual base::Result<TsdbStats> Tsdb(size_t limit) const = 0;
};

// What --web.enable-admin-api allows.
class Admin {
 public:
  virtual ~Admin() = default;
  virtual base::Status DeleteSeries(const std::vector<model::Matcher>& matchers,
                                    model::TimeRange range) = 0;
  virtual base::Status CleanTombstones() = 0;
  // The name of the new folder under snapshots/.
  virtual base::Result<std::string> Snapshot(bool skip_head) = 0;
};

}  // namespace narthex::api
