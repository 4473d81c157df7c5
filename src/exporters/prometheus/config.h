#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "config/server.h"
#include "otlp/naming.h"
#include "pipeline/auth.h"
#include "translate/config.h"

namespace narthex::exporters {

// The official exporter's configuration. A value.
struct PrometheusConfig {
  config::HttpServerConfig server;
  const pipeline::AuthExtension* auth = nullptr;
  std::string name_prefix;  // `namespace`
  std::vector<std::pair<std::string, std::string>> const_labels;
  bool send_timestamps = false;
  std::chrono::nanoseconds expiration{std::chrono::minutes(5)};
  translate::ResourceLabels resource_labels;
  bool enable_open_metrics = false;
  bool without_scope_info = false;
  otlp::TranslationStrategy strategy = otlp::TranslationStrategy::kUnderscoreEscapingWithSuffixes;
};

// What is wrong goes into the context's diagnostics.
PrometheusConfig ReadPrometheusConfig(const pipeline::CreateContext& context);

}  // namespace narthex::exporters
