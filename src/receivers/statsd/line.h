#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace narthex::receivers {

// One line of statsd: `name:value|type`, with `|@rate` and `|#key:value,…` behind it, as DogStatsD
// has them. A value.
struct StatsdLine {
  enum class Type : uint8_t { kCounter, kGauge, kTiming, kHistogram, kDistribution, kSet };

  std::string_view name;
  Type type = Type::kCounter;
  std::vector<std::string_view> values;                   // One or more, as written.
  double sample_rate = 1;                                 // Above 0, at most 1.
  std::vector<std::pair<std::string, std::string>> tags;  // Sorted by key; keys unique.

  // Views into `line`. `simple_tags`: tags without a value are taken. Error: kInvalidArgument.
  // Source: statsd, docs/metric_types.md; DogStatsD, datagram format 1.1.
  static base::Result<StatsdLine> Parse(std::string_view line, bool simple_tags);
};

// "counter", "gauge", "timing", "histogram", "distribution", "set".
std::string_view NameOf(StatsdLine::Type type);

}  // namespace narthex::receivers
