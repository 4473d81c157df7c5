#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/reader.h"
#include "otlp/naming.h"

namespace narthex::translate {

// The keys that exporters to Prometheus have in common. Values.

// Which resource attributes become labels of every series.
struct ResourceLabels {
  // Names with `*` as a wildcard. Nothing included but something excluded means: all but those.
  std::vector<std::string> included;
  std::vector<std::string> excluded;

  bool Takes(std::string_view attribute) const;
};

// Reads `resource_to_telemetry_conversion` and `resource_constant_labels`.
ResourceLabels ReadResourceLabels(config::MapReader& reader, config::Diagnostics& diagnostics);
// Reads `add_metric_suffixes` and `translation_strategy`.
otlp::TranslationStrategy ReadStrategy(config::MapReader& reader);

}  // namespace narthex::translate
