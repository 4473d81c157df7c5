#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "scrape/config.h"

namespace narthex::server {

// A prometheus.yml. A value. Source: Prometheus, configuration.
struct Config {
  scrape::GlobalConfig global;
  std::vector<scrape::JobConfig> jobs;
  // storage.tsdb.retention; what is set here comes before the flags.
  std::optional<int64_t> retention_ms;
  std::optional<uint64_t> retention_bytes;
  std::optional<double> retention_percentage;
  int64_t late_window_ms = 0;         // storage.tsdb.out_of_order_time_window
  size_t exemplars_max = 100'000;     // storage.exemplars, where that feature is on.
  std::string query_log_file;         // global.query_log_file; empty: none.
  std::string text;                   // For the status page: without secrets and comments.
  std::vector<std::string> warnings;  // What is accepted and has no effect in this version.
};

// Reads and checks a file. Errors: kInvalidArgument with one "<file>:<line>:<column>: …" per line,
// or that the file cannot be read.
base::Result<Config> LoadConfig(base::FileSystem& files, const std::string& path);
// The same for a text.
base::Result<Config> ParseConfig(std::string_view text, std::string_view file);

}  // namespace narthex::server
