#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/http_client.h"
#include "config/reader.h"
#include "config/yaml.h"
#include "discovery/config.h"
#include "model/labels.h"
#include "relabel/relabel.h"

namespace narthex::scrape {

// A format that may be asked for, as configurations name it. Source: Prometheus, scrape_protocols.
enum class Protocol { kProtobuf, kOpenMetrics100, kOpenMetrics001, kText100, kText004 };

// Limits of a scrape; 0 is none.
struct Limits {
  uint64_t body_bytes = 0;  // After decompression.
  uint64_t samples = 0;     // After metric relabelling.
  uint64_t labels = 0;      // Per series.
  uint64_t label_name_bytes = 0;
  uint64_t label_value_bytes = 0;
  uint64_t targets = 0;
  uint64_t histogram_buckets = 0;      // Native ones with more become coarser, or the scrape fails.
  double histogram_bucket_factor = 0;  // Native buckets grow at least by this.
  bool operator==(const Limits&) const = default;
};

// What becomes of native histograms, which only protobuf carries.
struct HistogramConfig {
  bool native = false;          // They are asked for, and taken as such.
  bool always_classic = false;  // Classic buckets of theirs are taken besides.
  bool operator==(const HistogramConfig&) const = default;
};

// The formats where none are configured; protobuf comes first where native histograms are wanted.
std::vector<Protocol> DefaultProtocols(const HistogramConfig& histograms);

// The `global` section as far as it is a default of scrape jobs.
struct GlobalConfig {
  int64_t interval_ms = 60'000;
  int64_t timeout_ms = 10'000;
  std::vector<Protocol> protocols;  // Empty: the default.
  HistogramConfig histograms;
  Limits limits;
  std::string failure_log_file;  // Empty: none.
  model::Labels external_labels;
};

struct TargetGroup {
  std::vector<std::string> addresses;
  std::vector<model::Label> labels;
  bool operator==(const TargetGroup&) const = default;
};

// One entry of `scrape_configs`.
struct JobConfig {
  std::string name;
  int64_t interval_ms = 0;
  int64_t timeout_ms = 0;
  std::vector<Protocol> protocols;
  HistogramConfig histograms;
  std::optional<Protocol> fallback_protocol;
  std::string metrics_path = "/metrics";
  std::string scheme = "http";
  std::vector<std::pair<std::string, std::string>> params;
  bool honor_labels = false;
  bool honor_timestamps = true;
  bool track_timestamps_staleness = false;
  bool enable_compression = true;
  config::HttpClientConfig client;
  Limits limits;
  std::vector<relabel::Rule> target_rules;
  std::vector<relabel::Rule> metric_rules;
  std::string failure_log_file;  // A line for each failed scrape; empty: none.
  std::vector<TargetGroup> static_targets;
  std::vector<discovery::Config> discovery;
  bool operator==(const JobConfig&) const = default;
};

// Read a section; findings go to `diagnostics`. Keys that upstream knows and that change nothing
// here yet are added to `warnings`.
GlobalConfig ReadGlobalConfig(const config::Node& node, config::Diagnostics& diagnostics,
                              std::vector<std::string>& warnings);
JobConfig ReadJobConfig(const config::Node& node, const GlobalConfig& global,
                        config::Diagnostics& diagnostics, std::vector<std::string>& warnings);
// Takes the job's relative paths for relative to `directory`, as those of a prometheus.yml are.
void ResolvePaths(std::string_view directory, JobConfig& job);
std::vector<relabel::Rule> ReadRelabelRules(const config::Node& list,
                                            config::Diagnostics& diagnostics);

}  // namespace narthex::scrape
