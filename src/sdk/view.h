#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace narthex::sdk {

enum class InstrumentKind {
  kCounter,
  kUpDownCounter,
  kHistogram,
  kGauge,
  kObservableCounter,
  kObservableUpDownCounter,
  kObservableGauge,
};

// How measurements become points. kDefault: sums for counters, the last value for gauges, and what
// the reader prefers for histograms.
enum class Aggregation {
  kDefault,
  kDrop,
  kSum,
  kLastValue,
  kExplicitBucketHistogram,
  kBase2ExponentialHistogram,
};

// Which instruments a view is for: those that match everything that is set here.
struct InstrumentSelector {
  std::string name = "*";  // `*` stands for any run of characters, `?` for one; any case.
  std::optional<InstrumentKind> kind;
  std::optional<std::string> unit;
  std::optional<std::string> meter_name;
  std::optional<std::string> meter_version;
  std::optional<std::string> meter_schema_url;
};

// Which attributes of a measurement tell series apart; the others only stay with exemplars.
struct AttributeFilter {
  std::optional<std::vector<std::string>> only;  // Absent: all.
  std::vector<std::string> without;

  bool KeepsAll() const { return !only.has_value() && without.empty(); }
  bool Keeps(std::string_view key) const;
};

// Changes what instruments report. Every view that selects an instrument makes a stream of its
// own of it; where none does, the instrument reports as it was made. A value.
// Source: OpenTelemetry specification, metrics SDK, "View".
struct View {
  InstrumentSelector selector;
  std::string name;         // Empty: the instrument's.
  std::string description;  // Empty: the instrument's.
  AttributeFilter attributes;
  Aggregation aggregation = Aggregation::kDefault;
  // For explicit buckets; absent: the instrument's own, or the specification's.
  std::optional<std::vector<double>> boundaries;
  bool record_min_max = true;
  // For exponential histograms: buckets on each side of zero (at least 2), and the finest scale
  // (-10 to 20).
  size_t max_size = 160;
  int max_scale = 20;
  size_t cardinality_limit = 0;  // 0: the provider's.
};

// Whether `text` fits a pattern of `*` and `?`, ASCII letters in any case. Takes time proportional
// to the product of the two lengths at most.
bool MatchesWildcard(std::string_view pattern, std::string_view text);

}  // namespace narthex::sdk
