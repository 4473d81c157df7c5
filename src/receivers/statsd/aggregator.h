#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "otlp/exponential.h"
#include "otlp/tree.h"
#include "receivers/statsd/line.h"

namespace re2 {
class RE2;
}

namespace narthex::receivers {

// What becomes of timings, histograms and distributions.
struct StatsdObserver {
  enum class Kind : uint8_t {
    kGauge,  // One point for every value.
    kSummary,
    kHistogram,
    kDisabled,
  };
  // Names that match get a histogram with these bounds.
  struct Explicit {
    std::shared_ptr<const re2::RE2> pattern;
    std::vector<double> bounds;
  };
  Kind kind = Kind::kGauge;
  size_t buckets_max = 160;  // Of an exponential histogram, on either side.
  std::vector<double> percentiles{0, 10, 50, 90, 95, 100};
  std::vector<Explicit> explicit_bounds;
};

struct StatsdRules {
  bool metric_type = false;  // An attribute says what the metric was in statsd.
  bool simple_tags = false;
  bool monotonic_counters = false;
  StatsdObserver timing, histogram, distribution;
};

// Adds up the lines of one interval. One thread at a time.
class StatsdAggregator {
 public:
  // `series_max`: of an interval; lines of further ones are refused.
  StatsdAggregator(const StatsdRules& rules, size_t series_max)
      : rules_(rules), series_max_(series_max) {}

  // Errors: kInvalidArgument for what is no line; kResourceExhausted past the limit.
  base::Status Add(std::string_view line);
  // What came since the last call, as a tree for `start_ns` to `end_ns` (since the epoch). Gauges
  // keep their values for lines that change them by so much.
  otlp::Tree Take(uint64_t start_ns, uint64_t end_ns);

 private:
  struct Counter {
    double sum = 0;
  };
  struct Gauge {
    double value = 0;
    bool is_new = false;  // Since the last Take.
  };
  struct Values {
    std::vector<std::pair<double, uint64_t>> all;  // With how often each stands for.
  };
  struct Explicit {
    const std::vector<double>* bounds;
    std::vector<uint64_t> counts;
    uint64_t count = 0;
    otlp::Optionals optionals;
  };
  struct Set {
    std::set<std::string, std::less<>> members;
  };
  using State = std::variant<Counter, Gauge, Values, Explicit, otlp::ExponentialRecorder, Set>;
  struct Series {
    std::string name;
    StatsdLine::Type type;
    otlp::AttributeMap attributes;
    State state;
  };

  const StatsdObserver* ObserverOf(StatsdLine::Type type) const;
  State Fresh(const StatsdLine& line) const;
  base::Status Record(const StatsdLine& line, std::string_view value, State& state);
  otlp::TreeMetric& HomeOf(const Series& series, otlp::TreeScope& scope,
                           std::map<std::string, otlp::TreeMetric*>& homes) const;
  void Write(const Series& series, uint64_t start_ns, uint64_t end_ns,
             otlp::TreeMetric& home) const;

  const StatsdRules rules_;
  const size_t series_max_;
  std::map<std::string, Series> series_;  // By type, name and tags.
  size_t held_ = 0;                       // Values and members, bounded with the series.
};

}  // namespace narthex::receivers
