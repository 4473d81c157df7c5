#include "exporters/prometheus/config.h"

#include <algorithm>

#include "model/labels.h"

namespace narthex::exporters {
namespace {

// `*` stands for any run of characters.
bool MatchesPattern(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool MatchesAny(const std::vector<std::string>& patterns, std::string_view text) {
  return std::ranges::any_of(
      patterns, [&](const std::string& pattern) { return MatchesPattern(pattern, text); });
}

void ReadConstLabels(config::MapReader& reader, PrometheusConfig& config) {
  const config::Node* labels = reader.Take("const_labels");
  if (labels == nullptr) return;
  if (!labels->is_map()) return reader.Report("const_labels", "must be a map");
  for (const auto& [key, value] : labels->members) {
    if (!model::IsLegacyLabelName(key.scalar)) {
      reader.Report("const_labels", fmt::format("\"{}\" is not a label name", key.scalar));
    }
    config.const_labels.emplace_back(key.scalar, value.scalar);
  }
}

void ReadResourceLabels(config::MapReader& reader, const pipeline::CreateContext& context,
                        PrometheusConfig& config) {
  bool is_enabled = false, without_service = false;
  if (const config::Node* node = reader.Take("resource_to_telemetry_conversion")) {
    config::MapReader inner(*node, context.diagnostics);
    inner.Read("enabled", is_enabled);
    inner.Read("exclude_service_attributes", without_service);
    inner.Finish();
  }
  if (const config::Node* node = reader.Take("resource_constant_labels")) {
    config::MapReader inner(*node, context.diagnostics);
    inner.Read("included", config.resource_labels.included);
    inner.Read("excluded", config.resource_labels.excluded);
    inner.Finish();
    if (is_enabled) {
      reader.Report("resource_constant_labels",
                    "may not be combined with resource_to_telemetry_conversion");
    }
  }
  if (!is_enabled) return;
  config.resource_labels.included = {"*"};
  if (without_service) {
    config.resource_labels.excluded = {"service.name", "service.namespace", "service.instance.id"};
  }
}

void ReadStrategy(config::MapReader& reader, PrometheusConfig& config) {
  bool with_suffixes = true;
  std::string name;
  reader.Read("add_metric_suffixes", with_suffixes);
  reader.Read("translation_strategy", name);
  if (!with_suffixes) {
    config.strategy = otlp::TranslationStrategy::kUnderscoreEscapingWithoutSuffixes;
  }
  if (name.empty()) return;
  const auto strategy = otlp::StrategyFromName(name);
  if (strategy.has_value()) {
    config.strategy = *strategy;
  } else {
    reader.Report("translation_strategy", "invalid translation_strategy: " + name);
  }
}

}  // namespace

bool ResourceLabels::Takes(std::string_view attribute) const {
  if (MatchesAny(excluded, attribute)) return false;
  return included.empty() ? !excluded.empty() : MatchesAny(included, attribute);
}

PrometheusConfig ReadPrometheusConfig(const pipeline::CreateContext& context) {
  PrometheusConfig config;
  int64_t expiration_ns = config.expiration.count();
  config::MapReader reader(context.config, context.diagnostics);
  reader.Read("endpoint", config.endpoint);
  reader.Read("namespace", config.name_prefix);
  ReadConstLabels(reader, config);
  reader.Read("send_timestamps", config.send_timestamps);
  reader.ReadGoDuration("metric_expiration", expiration_ns);
  ReadResourceLabels(reader, context, config);
  reader.Read("enable_open_metrics", config.enable_open_metrics);
  reader.Read("without_scope_info", config.without_scope_info);
  ReadStrategy(reader, config);
  for (const char* key : {"tls", "auth"}) {
    if (reader.Take(key) != nullptr) reader.Report(key, "is not supported by this exporter");
  }
  for (const char* key :
       {"cors", "include_metadata", "response_headers", "compression_algorithms", "read_timeout",
        "read_header_timeout", "write_timeout", "idle_timeout", "keep_alives_enabled",
        "max_request_body_size", "sending_queue", "middlewares", "transport"}) {
    if (reader.Take(key) == nullptr) continue;
    context.host.logger.Warn("prometheus", "configuration key has no effect", {{"key", key}});
  }
  reader.Finish();
  if (config.endpoint.empty()) {
    reader.Report("endpoint",
                  "expecting a non-blank address to run the Prometheus metrics handler");
  }
  if (expiration_ns <= 0) reader.Report("metric_expiration", "must be greater than 0");
  config.expiration = std::chrono::nanoseconds(expiration_ns);
  return config;
}

}  // namespace narthex::exporters
