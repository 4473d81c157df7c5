#include "server/config.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "config/reader.h"
#include "config/secrets.h"
#include "config/yaml.h"
#include "config/yaml_writer.h"
#include "scrape/target.h"

namespace narthex::server {
namespace {

using config::Diagnostics;
using config::MapReader;
using config::Node;

// Sections of upstream's that this version takes and does nothing with.
constexpr std::array<std::string_view, 8> kWithoutEffect = {
    "runtime", "rule_files", "scrape_config_files", "alerting", "remote_write", "remote_read",
    "tracing", "otlp"};

void ReadStorage(const Node& node, Diagnostics& diagnostics, Config& config) {
  MapReader storage(node, diagnostics);
  if (const Node* const tsdb_node = storage.Take("tsdb")) {
    MapReader tsdb(*tsdb_node, diagnostics);
    if (const Node* const retention_node = tsdb.Take("retention")) {
      MapReader retention(*retention_node, diagnostics);
      int64_t time_ms = 0;
      if (retention.ReadDuration("time", time_ms)) config.retention_ms = time_ms;
      uint64_t bytes = 0;
      if (retention.ReadBytes("size", bytes)) config.retention_bytes = bytes;
      double percentage = 0;
      if (retention.Read("percentage", percentage)) {
        if (!(percentage >= 0 && percentage <= 100)) {
          diagnostics.Add(retention.At("percentage"),
                          "storage.tsdb.retention.percentage: expected 0 to 100");
        }
        config.retention_percentage = percentage;
      }
      retention.Finish();
    }
    tsdb.ReadDuration("out_of_order_time_window", config.late_window_ms);
    for (const std::string_view key : {"stale_series_compaction_threshold", "chunk_encoding"}) {
      if (tsdb.Take(key) == nullptr) continue;
      config.warnings.push_back(fmt::format(
          "line {}: storage.tsdb.{} has no effect in this version", tsdb.At(key).line, key));
    }
    tsdb.Finish();
  }
  if (const Node* const exemplars_node = storage.Take("exemplars")) {
    MapReader exemplars(*exemplars_node, diagnostics);
    int64_t max = 0;
    if (exemplars.Read("max_exemplars", max)) {
      // As upstream, which takes negative numbers for none.
      config.exemplars_max = static_cast<size_t>(std::max<int64_t>(max, 0));
    }
    exemplars.Finish();
  }
  storage.Finish();
}

// What of `global` is for the server and not for its scraper; returns the rest.
Node TakeServerGlobals(Node global, Diagnostics& diagnostics, Config& config) {
  constexpr std::string_view kQueryLog = "query_log_file";
  if (const Node* const file = std::as_const(global).Find(kQueryLog)) {
    if (file->is_scalar()) {
      config.query_log_file = file->scalar;
    } else if (!file->is_null()) {
      diagnostics.Add(file->at, "global.query_log_file: expected a string");
    }
    std::erase_if(global.members,
                  [&](const Node::Member& member) { return member.key.scalar == kQueryLog; });
  }
  return global;
}

void ReadJobs(const Node& list, Diagnostics& diagnostics, Config& config) {
  if (!list.is_list()) return diagnostics.Add(list.at, "scrape_configs: expected a list");
  std::set<std::string> names;
  for (const Node& item : list.items) {
    if (item.is_null()) {
      diagnostics.Add(item.at, "empty or null scrape config section");
      continue;
    }
    scrape::JobConfig job =
        scrape::ReadJobConfig(item, config.global, diagnostics, config.warnings);
    if (!names.insert(job.name).second) {
      diagnostics.Add(item.at,
                      fmt::format("found multiple scrape configs with job name \"{}\"", job.name));
    }
    config.jobs.push_back(std::move(job));
  }
}

}  // namespace

base::Result<Config> ParseConfig(std::string_view text, std::string_view file) {
  ASSIGN_OR_RETURN(const Node root, config::ParseYaml(text, file));
  Diagnostics diagnostics{std::string(file)};
  Config config;
  Node shown = root;
  config::MaskSecrets(shown);
  config.text = config::FormatYaml(shown);
  MapReader reader(root, diagnostics);
  const Node* const global = reader.Take("global");
  const Node of_scraper =
      global != nullptr ? TakeServerGlobals(*global, diagnostics, config) : Node();
  config.global = scrape::ReadGlobalConfig(of_scraper, diagnostics, config.warnings);
  if (const Node* const jobs = reader.Take("scrape_configs")) ReadJobs(*jobs, diagnostics, config);
  if (const Node* const storage = reader.Take("storage"))
    ReadStorage(*storage, diagnostics, config);
  for (const std::string_view key : kWithoutEffect) {
    if (reader.Take(key) == nullptr) continue;
    config.warnings.push_back(
        fmt::format("line {}: {} has no effect in this version", reader.At(key).line, key));
  }
  reader.Finish();
  RETURN_IF_ERROR(diagnostics.ToStatus());
  // Targets are made out here as well, so that a bad one is found before anything starts.
  for (const scrape::JobConfig& job : config.jobs) {
    if (const base::Status targets = scrape::CheckTargets(job); !targets) {
      return base::Fail(base::Code::kInvalidArgument, "{}: {}", file, targets.error().message);
    }
  }
  return config;
}

base::Result<Config> LoadConfig(base::FileSystem& files, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, base::ReadFile(files, path));
  ASSIGN_OR_RETURN(Config config, ParseConfig(text, path));
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash);
  for (scrape::JobConfig& job : config.jobs) scrape::ResolvePaths(directory, job);
  if (!config.query_log_file.empty() && config.query_log_file[0] != '/') {
    config.query_log_file = base::JoinPath(directory, config.query_log_file);
  }
  return config;
}

}  // namespace narthex::server
