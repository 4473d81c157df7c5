#include "scrape/config.h"

#include <algorithm>
#include <array>

namespace narthex::scrape {
namespace {

using config::Diagnostics;
using config::MapReader;
using config::Node;

constexpr std::array<std::pair<std::string_view, Protocol>, 5> kProtocols = {{
    {"PrometheusProto", Protocol::kProtobuf},
    {"OpenMetricsText1.0.0", Protocol::kOpenMetrics100},
    {"OpenMetricsText0.0.1", Protocol::kOpenMetrics001},
    {"PrometheusText1.0.0", Protocol::kText100},
    {"PrometheusText0.0.4", Protocol::kText004},
}};

// Takes upstream's keys that change nothing here.
void PassOver(MapReader& reader, std::vector<std::string>& warnings) {
  const std::vector<std::string_view> keys = reader.TakeWithoutEffect(
      {"convert_classic_histograms_to_nhcb", "extra_scrape_metrics",
       "metric_name_validation_scheme", "metric_name_escaping_scheme", "keep_dropped_targets",
       "query_log_file", "enable_http2", "rule_query_offset"});
  for (const std::string_view key : keys) {
    warnings.push_back(
        fmt::format("line {}: {} has no effect in this version", reader.At(key).line, key));
  }
}

void ReadLimits(MapReader& reader, Limits& limits) {
  reader.ReadBytes("body_size_limit", limits.body_bytes,
                   "Of an answer after decompression; `0`: none");
  reader.Read("sample_limit", limits.samples, "Samples of a scrape after relabelling; `0`: none");
  reader.Read("label_limit", limits.labels, "Labels of a series; `0`: none");
  reader.Read("label_name_length_limit", limits.label_name_bytes, "Bytes; `0`: none");
  reader.Read("label_value_length_limit", limits.label_value_bytes, "Bytes; `0`: none");
  reader.Read("target_limit", limits.targets, "Targets of a job; `0`: none");
  reader.Read("native_histogram_bucket_limit", limits.histogram_buckets,
              "Native histograms with more become coarser, or the scrape fails; `0`: none");
  reader.Read("native_histogram_min_bucket_factor", limits.histogram_bucket_factor,
              "Native buckets grow at least by this; `0`: as they come");
}

std::optional<Protocol> ParseProtocol(std::string_view name) {
  for (const auto& [known, protocol] : kProtocols) {
    if (known == name) return protocol;
  }
  return std::nullopt;
}

void ReadProtocols(MapReader& reader, std::vector<Protocol>& protocols) {
  std::vector<std::string> names;
  if (!reader.Read(
          "scrape_protocols", names,
          "Formats to ask for, the dearest first: `PrometheusProto`, `OpenMetricsText1.0.0`, "
          "`OpenMetricsText0.0.1`, `PrometheusText1.0.0`, `PrometheusText0.0.4`"))
    return;
  std::vector<Protocol> read;
  for (const std::string& name : names) {
    const std::optional<Protocol> protocol = ParseProtocol(name);
    if (!protocol) {
      reader.Report("scrape_protocols", fmt::format("unknown scrape protocol \"{}\"", name));
      return;
    }
    if (std::ranges::find(read, *protocol) != read.end()) {
      reader.Report("scrape_protocols", fmt::format("duplicated protocol \"{}\"", name));
      return;
    }
    read.push_back(*protocol);
  }
  if (!read.empty()) protocols = std::move(read);
}

void ReadFailureLog(MapReader& reader, std::string& path) {
  reader.Read("scrape_failure_log_file", path,
              "Gets a line of JSON for each failed scrape; none without it");
}

void ReadHistograms(MapReader& reader, HistogramConfig& histograms) {
  reader.Read("scrape_native_histograms", histograms.native,
              "Native histograms are asked for, and taken as such");
  reader.Read("always_scrape_classic_histograms", histograms.always_classic,
              "Classic buckets of native ones are taken besides");
}

std::vector<model::Label> ReadLabels(MapReader& reader, std::string_view key,
                                     std::string_view meaning, Diagnostics& diagnostics) {
  std::vector<model::Label> labels;
  const Node* const node = reader.Take(key, meaning, "map");
  if (node == nullptr) return labels;
  if (!node->is_map()) {
    reader.Report(key, "expected a map of labels");
    return labels;
  }
  for (const auto& [name, value] : node->members) {
    if (!value.is_scalar() && !value.is_null()) {
      diagnostics.Add(value.at, fmt::format("label \"{}\": expected text", name.scalar));
    } else if (name.scalar.empty() || !model::IsValidUtf8(name.scalar)) {
      diagnostics.Add(name.at, fmt::format("\"{}\" is not a valid label name", name.scalar));
    } else {
      labels.push_back({name.scalar, value.scalar});
    }
  }
  return labels;
}

void ReadStaticTargets(MapReader& reader, JobConfig& job, Diagnostics& diagnostics) {
  const Node* const list = reader.Take("static_configs", "Targets by name", "list");
  if (list == nullptr) return;
  if (!list->is_list()) return reader.Report("static_configs", "expected a list");
  for (const Node& item : list->items) {
    MapReader group(item, diagnostics);
    TargetGroup targets;
    group.Read("targets", targets.addresses, "`host:port` each");
    targets.labels = ReadLabels(group, "labels", "Of every series of these targets", diagnostics);
    group.Finish();
    for (const std::string& address : targets.addresses) {
      if (address.find('/') != std::string::npos) {
        group.Report("targets", fmt::format("\"{}\" is not a valid hostname: no slash, and no "
                                            "scheme or path",
                                            address));
      }
    }
    job.static_targets.push_back(std::move(targets));
  }
}

}  // namespace

std::vector<Protocol> DefaultProtocols(const HistogramConfig& histograms) {
  std::vector<Protocol> protocols;
  if (histograms.native) protocols.push_back(Protocol::kProtobuf);
  protocols.insert(protocols.end(), {Protocol::kOpenMetrics100, Protocol::kOpenMetrics001,
                                     Protocol::kText100, Protocol::kText004});
  return protocols;
}

std::vector<relabel::Rule> ReadRelabelRules(const Node& list, Diagnostics& diagnostics) {
  std::vector<relabel::Rule> rules;
  if (!list.is_list()) {
    diagnostics.Add(list.at, "expected a list of relabelling rules");
    return rules;
  }
  for (const Node& item : list.items) {
    if (item.is_null()) {
      diagnostics.Add(item.at, "empty or null relabelling rule");
      continue;
    }
    MapReader reader(item, diagnostics);
    const config::KeyGroup group(reader, "Relabelling");
    relabel::Rule::Spec spec;
    reader.Read("source_labels", spec.source_labels, "Labels whose values are joined");
    reader.Read("separator", spec.separator, "Between them");
    reader.Read("regex", spec.regex, "What the joined value has to match as a whole");
    reader.Read("modulus", spec.modulus, "Of `hashmod`");
    reader.Read("target_label", spec.target_label, "The label that is set");
    // An empty replacement is a value of its own: it deletes the label.
    if (const Node* const node = reader.TakeEvenNull("replacement",
                                                     "The new value, with `$1` and `${name}`; "
                                                     "`$1` without it",
                                                     "text"))
      spec.replacement = node->scalar;
    std::string action = "replace";
    reader.Read("action", action,
                "`replace`, `keep`, `drop`, `keepequal`, `dropequal`, `hashmod`, `labelmap`, "
                "`labeldrop`, `labelkeep`, `lowercase`, `uppercase`");
    reader.Finish();
    const base::Result<relabel::Action> parsed = relabel::ParseAction(action);
    if (!parsed) {
      reader.Report("action", parsed.error().message);
      continue;
    }
    spec.action = *parsed;
    base::Result<relabel::Rule> rule = relabel::Rule::From(std::move(spec));
    if (!rule) {
      diagnostics.Add(item.at, rule.error().message);
    } else {
      rules.push_back(*std::move(rule));
    }
  }
  return rules;
}

GlobalConfig ReadGlobalConfig(const Node& node, Diagnostics& diagnostics,
                              std::vector<std::string>& warnings) {
  GlobalConfig global;
  MapReader reader(node, diagnostics);
  reader.ReadDuration("scrape_interval", global.interval_ms, "How often");
  const bool has_timeout = reader.ReadDuration("scrape_timeout", global.timeout_ms,
                                               "Of one scrape; not above the interval");
  int64_t evaluation_interval_ms = 0;
  reader.ReadDuration("evaluation_interval", evaluation_interval_ms,
                      "Changes nothing: there are no rules");
  ReadProtocols(reader, global.protocols);
  ReadHistograms(reader, global.histograms);
  ReadLimits(reader, global.limits);
  ReadFailureLog(reader, global.failure_log_file);
  base::Result<model::Labels> labels = model::Labels::From(ReadLabels(
      reader, "external_labels", "Of this scraper, where it sends to others", diagnostics));
  if (labels) {
    global.external_labels = *std::move(labels);
  } else {
    reader.Report("external_labels", labels.error().message);
  }
  PassOver(reader, warnings);
  reader.Finish();
  if (global.interval_ms <= 0) reader.Report("scrape_interval", "has to be above 0");
  if (global.timeout_ms > global.interval_ms) {
    if (has_timeout) {
      reader.Report("scrape_timeout", "global scrape timeout greater than scrape interval");
    }
    global.timeout_ms = global.interval_ms;
  }
  return global;
}

JobConfig ReadJobConfig(const Node& node, const GlobalConfig& global, Diagnostics& diagnostics,
                        std::vector<std::string>& warnings) {
  JobConfig job;
  job.interval_ms = global.interval_ms;
  job.timeout_ms = global.timeout_ms;
  job.protocols = global.protocols;
  job.limits = global.limits;
  job.failure_log_file = global.failure_log_file;
  MapReader reader(node, diagnostics);
  reader.Read("job_name", job.name, "Required, and one of its own");
  reader.ReadDuration("scrape_interval", job.interval_ms, "How often");
  const bool has_timeout = reader.ReadDuration("scrape_timeout", job.timeout_ms,
                                               "Of one scrape; not above the interval");
  job.histograms = global.histograms;
  ReadProtocols(reader, job.protocols);
  ReadHistograms(reader, job.histograms);
  if (job.protocols.empty()) job.protocols = DefaultProtocols(job.histograms);
  std::string fallback;
  if (reader.Read("fallback_scrape_protocol", fallback,
                  "The format of answers that do not say theirs")) {
    job.fallback_protocol = ParseProtocol(fallback);
    if (!job.fallback_protocol) {
      reader.Report("fallback_scrape_protocol",
                    fmt::format("unknown or unsupported protocol \"{}\"", fallback));
    }
  }
  reader.Read("metrics_path", job.metrics_path, "Where on the target");
  reader.Read("scheme", job.scheme, "`http` or `https`");
  if (job.scheme != "http" && job.scheme != "https") {
    reader.Report("scheme", fmt::format("\"{}\" is neither http nor https", job.scheme));
  }
  if (const Node* const params = reader.Take("params", "Of the query, each a list", "map")) {
    for (const auto& [name, values] : params->members) {
      for (const Node& value : values.items) job.params.emplace_back(name.scalar, value.scalar);
      if (values.is_scalar()) job.params.emplace_back(name.scalar, values.scalar);
    }
  }
  reader.Read("honor_labels", job.honor_labels, "Labels of the target's win over ours");
  reader.Read("honor_timestamps", job.honor_timestamps, "Timestamps of the target's count");
  reader.Read("track_timestamps_staleness", job.track_timestamps_staleness,
              "Series with timestamps of their own end, too");
  reader.Read("enable_compression", job.enable_compression, "Asks for gzip");
  ReadLimits(reader, job.limits);
  ReadFailureLog(reader, job.failure_log_file);
  config::ReadHttpClient(reader, diagnostics, job.client);
  if (const Node* const rules = reader.Take("relabel_configs", "Rules for targets", "list")) {
    job.target_rules = ReadRelabelRules(*rules, diagnostics);
  }
  if (const Node* const rules = reader.Take("metric_relabel_configs", "Rules for series", "list")) {
    job.metric_rules = ReadRelabelRules(*rules, diagnostics);
  }
  ReadStaticTargets(reader, job, diagnostics);
  job.discovery = discovery::ReadDiscovery(reader, diagnostics);
  PassOver(reader, warnings);
  reader.Finish();
  if (job.name.empty()) diagnostics.Add(node.at, "job_name is empty");
  if (job.interval_ms <= 0) reader.Report("scrape_interval", "has to be above 0");
  if (job.timeout_ms > job.interval_ms) {
    if (has_timeout) {
      reader.Report(
          "scrape_timeout",
          fmt::format("scrape timeout greater than scrape interval for scrape config with "
                      "job name \"{}\"",
                      job.name));
    }
    job.timeout_ms = job.interval_ms;
  }
  return job;
}

void ResolvePaths(std::string_view directory, JobConfig& job) {
  config::ResolvePaths(directory, job.client);
  config::ResolvePath(directory, job.failure_log_file);
  for (discovery::Config& config : job.discovery) discovery::ResolvePaths(directory, config);
}

}  // namespace narthex::scrape
