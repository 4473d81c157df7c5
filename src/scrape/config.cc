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

// Upstream's keys whose absence changes nothing that this version does, with the value that is the
// default. Anything else that it does not do is an error.
constexpr std::array<std::string_view, 9> kPassedOver = {"convert_classic_histograms_to_nhcb",
                                                         "extra_scrape_metrics",
                                                         "metric_name_validation_scheme",
                                                         "metric_name_escaping_scheme",
                                                         "scrape_failure_log_file",
                                                         "keep_dropped_targets",
                                                         "query_log_file",
                                                         "enable_http2",
                                                         "rule_query_offset"};

void PassOver(MapReader& reader, std::vector<std::string>& warnings) {
  for (const std::string_view key : kPassedOver) {
    if (reader.Take(key) == nullptr) continue;
    warnings.push_back(
        fmt::format("line {}: {} has no effect in this version", reader.At(key).line, key));
  }
}

void ReadLimits(MapReader& reader, Limits& limits) {
  reader.ReadBytes("body_size_limit", limits.body_bytes);
  reader.Read("sample_limit", limits.samples);
  reader.Read("label_limit", limits.labels);
  reader.Read("label_name_length_limit", limits.label_name_bytes);
  reader.Read("label_value_length_limit", limits.label_value_bytes);
  reader.Read("target_limit", limits.targets);
  reader.Read("native_histogram_bucket_limit", limits.histogram_buckets);
  reader.Read("native_histogram_min_bucket_factor", limits.histogram_bucket_factor);
}

std::optional<Protocol> ParseProtocol(std::string_view name) {
  for (const auto& [known, protocol] : kProtocols) {
    if (known == name) return protocol;
  }
  return std::nullopt;
}

void ReadProtocols(MapReader& reader, std::vector<Protocol>& protocols) {
  std::vector<std::string> names;
  if (!reader.Read("scrape_protocols", names)) return;
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

void ReadHistograms(MapReader& reader, HistogramConfig& histograms) {
  reader.Read("scrape_native_histograms", histograms.native);
  reader.Read("always_scrape_classic_histograms", histograms.always_classic);
}

std::vector<model::Label> ReadLabels(MapReader& reader, std::string_view key,
                                     Diagnostics& diagnostics) {
  std::vector<model::Label> labels;
  const Node* const node = reader.Take(key);
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

void ReadAuthentication(MapReader& reader, JobConfig& job, Diagnostics& diagnostics) {
  if (const Node* const node = reader.Take("basic_auth")) {
    MapReader basic(*node, diagnostics);
    basic.Read("username", job.username);
    basic.Read("password", job.password);
    basic.Finish();
  }
  if (const Node* const node = reader.Take("authorization")) {
    MapReader authorization(*node, diagnostics);
    std::string type = "Bearer";
    std::string credentials;
    authorization.Read("type", type);
    authorization.Read("credentials", credentials);
    authorization.Finish();
    job.authorization = type + " " + credentials;
    if (!job.username.empty()) {
      reader.Report("authorization", "at most one of basic_auth and authorization may be set");
    }
  }
}

void ReadStaticTargets(MapReader& reader, JobConfig& job, Diagnostics& diagnostics) {
  const Node* const list = reader.Take("static_configs");
  if (list == nullptr) return;
  if (!list->is_list()) return reader.Report("static_configs", "expected a list");
  for (const Node& item : list->items) {
    MapReader group(item, diagnostics);
    TargetGroup targets;
    group.Read("targets", targets.addresses);
    targets.labels = ReadLabels(group, "labels", diagnostics);
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
    relabel::Rule::Spec spec;
    reader.Read("source_labels", spec.source_labels);
    reader.Read("separator", spec.separator);
    reader.Read("regex", spec.regex);
    reader.Read("modulus", spec.modulus);
    reader.Read("target_label", spec.target_label);
    // An empty replacement is a value of its own: it deletes the label.
    if (const Node* const node = reader.TakeEvenNull("replacement"))
      spec.replacement = node->scalar;
    std::string action = "replace";
    reader.Read("action", action);
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
  reader.ReadDuration("scrape_interval", global.interval_ms);
  const bool has_timeout = reader.ReadDuration("scrape_timeout", global.timeout_ms);
  int64_t evaluation_interval_ms = 0;
  reader.ReadDuration("evaluation_interval", evaluation_interval_ms);
  ReadProtocols(reader, global.protocols);
  ReadHistograms(reader, global.histograms);
  ReadLimits(reader, global.limits);
  base::Result<model::Labels> labels =
      model::Labels::From(ReadLabels(reader, "external_labels", diagnostics));
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
  MapReader reader(node, diagnostics);
  reader.Read("job_name", job.name);
  reader.ReadDuration("scrape_interval", job.interval_ms);
  const bool has_timeout = reader.ReadDuration("scrape_timeout", job.timeout_ms);
  job.histograms = global.histograms;
  ReadProtocols(reader, job.protocols);
  ReadHistograms(reader, job.histograms);
  if (job.protocols.empty()) job.protocols = DefaultProtocols(job.histograms);
  std::string fallback;
  if (reader.Read("fallback_scrape_protocol", fallback)) {
    job.fallback_protocol = ParseProtocol(fallback);
    if (!job.fallback_protocol) {
      reader.Report("fallback_scrape_protocol",
                    fmt::format("unknown or unsupported protocol \"{}\"", fallback));
    }
  }
  reader.Read("metrics_path", job.metrics_path);
  reader.Read("scheme", job.scheme);
  if (job.scheme != "http" && job.scheme != "https") {
    reader.Report("scheme", fmt::format("\"{}\" is neither http nor https", job.scheme));
  }
  if (const Node* const params = reader.Take("params")) {
    for (const auto& [name, values] : params->members) {
      for (const Node& value : values.items) job.params.emplace_back(name.scalar, value.scalar);
      if (values.is_scalar()) job.params.emplace_back(name.scalar, values.scalar);
    }
  }
  reader.Read("honor_labels", job.honor_labels);
  reader.Read("honor_timestamps", job.honor_timestamps);
  reader.Read("track_timestamps_staleness", job.track_timestamps_staleness);
  reader.Read("enable_compression", job.enable_compression);
  reader.Read("follow_redirects", job.follow_redirects);
  ReadLimits(reader, job.limits);
  ReadAuthentication(reader, job, diagnostics);
  if (const Node* const rules = reader.Take("relabel_configs")) {
    job.target_rules = ReadRelabelRules(*rules, diagnostics);
  }
  if (const Node* const rules = reader.Take("metric_relabel_configs")) {
    job.metric_rules = ReadRelabelRules(*rules, diagnostics);
  }
  ReadStaticTargets(reader, job, diagnostics);
  PassOver(reader, warnings);
  // Known to upstream, and too important to pass over in silence.
  for (const auto& [key, value] : node.members) {
    const bool discovery = key.scalar.ends_with("_sd_configs");
    const bool client = key.scalar == "tls_config" || key.scalar == "oauth2" ||
                        key.scalar == "proxy_url" || key.scalar == "no_proxy" ||
                        key.scalar == "proxy_from_environment" ||
                        key.scalar == "proxy_connect_header" || key.scalar == "http_headers" ||
                        key.scalar == "bearer_token" || key.scalar == "bearer_token_file";
    if ((discovery || client) && reader.Take(key.scalar) != nullptr) {
      reader.Report(key.scalar, "not supported in this version");
    }
  }
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

}  // namespace narthex::scrape
