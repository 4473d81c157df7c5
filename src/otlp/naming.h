#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace narthex::otlp {

// From OpenTelemetry's names to Prometheus's. Pure functions.
// Source: OpenTelemetry specification, "Prometheus and OpenMetrics compatibility", and the
// behaviour of the official collector's Prometheus exporter.

enum class TranslationStrategy {
  kUnderscoreEscapingWithSuffixes,
  kUnderscoreEscapingWithoutSuffixes,
  kNoUtf8EscapingWithSuffixes,
  kNoTranslation,
};

// By the names that configuration files use: "NoTranslation" and so on.
std::optional<TranslationStrategy> StrategyFromName(std::string_view name);

// What a name's suffixes depend on.
struct MetricNameInput {
  std::string_view name;
  std::string_view unit;
  bool is_monotonic_sum = false;
  bool is_gauge = false;  // Not a sum of either kind.
};

// The name of the family. Error: kInvalidArgument when nothing of the name is left.
base::Result<std::string> MetricName(const MetricNameInput& input, TranslationStrategy strategy,
                                     std::string_view prefix = "");

// A label's name: `a.b` to `a_b`, unless the strategy keeps UTF-8. Error: kInvalidArgument when
// nothing of it is left.
base::Result<std::string> LabelName(std::string_view key, TranslationStrategy strategy);

}  // namespace narthex::otlp
