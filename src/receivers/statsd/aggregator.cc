#include "receivers/statsd/aggregator.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace narthex::receivers {
namespace {

using base::Code;
using base::Fail;
using Type = StatsdLine::Type;
using Kind = StatsdObserver::Kind;

constexpr size_t kHeldPerSeries = 100;  // On average; values that have to be kept one by one.
constexpr double kIntMax = 9'007'199'254'740'992;  // Above it doubles skip whole numbers.

double ToDouble(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// How many events a sampled one stands for.
uint64_t WeightOf(double sample_rate) {
  const double weight = std::round(1 / sample_rate);
  return weight < 1e9 ? static_cast<uint64_t>(weight) : 1'000'000'000;
}

std::string KeyOf(const StatsdLine& line) {
  std::string key = fmt::format("{}|{}", static_cast<int>(line.type), line.name);
  for (const auto& [tag, value] : line.tags) {
    key += '\0';
    key += tag;
    key += '\0';
    key += value;
  }
  return key;
}

// Of values in order with their weights. Source: the method of the nearest rank.
double Percentile(const std::vector<std::pair<double, uint64_t>>& sorted, uint64_t total,
                  double percent) {
  const double rank = percent / 100 * static_cast<double>(total);
  double seen = 0;
  for (const auto& [value, weight] : sorted) {
    seen += static_cast<double>(weight);
    if (seen >= rank) return value;
  }
  return sorted.back().first;
}

}  // namespace

const StatsdObserver* StatsdAggregator::ObserverOf(Type type) const {
  switch (type) {
    case Type::kTiming:
      return &rules_.timing;
    case Type::kHistogram:
      return &rules_.histogram;
    case Type::kDistribution:
      return &rules_.distribution;
    default:
      return nullptr;
  }
}

StatsdAggregator::State StatsdAggregator::Fresh(const StatsdLine& line) const {
  if (line.type == Type::kCounter) return Counter();
  if (line.type == Type::kGauge) return Gauge();
  if (line.type == Type::kSet) return Set();
  const StatsdObserver& observer = *ObserverOf(line.type);
  if (observer.kind != Kind::kHistogram) return Values();
  for (const StatsdObserver::Explicit& entry : observer.explicit_bounds) {
    if (!RE2::PartialMatch({line.name.data(), line.name.size()}, *entry.pattern)) continue;
    return Explicit{.bounds = &entry.bounds,
                    .counts = std::vector<uint64_t>(entry.bounds.size() + 1),
                    .optionals = {}};
  }
  return otlp::ExponentialRecorder(observer.buckets_max);
}

base::Status StatsdAggregator::Add(std::string_view text) {
  while (text.ends_with('\r') || text.ends_with(' ')) text.remove_suffix(1);
  if (text.empty()) return {};
  ASSIGN_OR_RETURN(const StatsdLine line, StatsdLine::Parse(text, rules_.simple_tags));
  const StatsdObserver* observer = ObserverOf(line.type);
  if (observer != nullptr && observer->kind == Kind::kDisabled) return {};
  std::string key = KeyOf(line);
  auto found = series_.find(key);
  if (found == series_.end()) {
    if (series_.size() >= series_max_) {
      return Fail(Code::kResourceExhausted, "too many series in one interval");
    }
    Series series{std::string(line.name), line.type, {}, Fresh(line)};
    for (const auto& [tag, value] : line.tags) otlp::Put(series.attributes, tag, value);
    if (rules_.metric_type) otlp::Put(series.attributes, "metric_type", NameOf(line.type));
    found = series_.emplace(std::move(key), std::move(series)).first;
  }
  for (const std::string_view value : line.values) {
    RETURN_IF_ERROR(Record(line, value, found->second.state));
  }
  return {};
}

base::Status StatsdAggregator::Record(const StatsdLine& line, std::string_view value,
                                      State& state) {
  const bool is_full = held_ >= series_max_ * kHeldPerSeries;
  const auto full = [] {
    return Fail(Code::kResourceExhausted, "too many values in one interval");
  };
  const double number = line.type == Type::kSet ? 0 : ToDouble(value);
  const uint64_t weight = WeightOf(line.sample_rate);
  if (auto* counter = std::get_if<Counter>(&state)) {
    counter->sum += number / line.sample_rate;
  } else if (auto* gauge = std::get_if<Gauge>(&state)) {
    const bool is_change = value.starts_with('+') || value.starts_with('-');
    gauge->value = is_change ? gauge->value + number : number;
    gauge->is_new = true;
  } else if (auto* set = std::get_if<Set>(&state)) {
    if (set->members.contains(value)) return {};
    if (is_full) return full();
    set->members.emplace(value);
    ++held_;
  } else if (auto* values = std::get_if<Values>(&state)) {
    if (is_full) return full();
    values->all.emplace_back(number, weight);
    ++held_;
  } else if (auto* recorder = std::get_if<otlp::ExponentialRecorder>(&state)) {
    recorder->Add(number, weight);
  } else {
    auto& histogram = std::get<Explicit>(state);
    const auto bucket = std::ranges::lower_bound(*histogram.bounds, number);
    histogram.counts[static_cast<size_t>(bucket - histogram.bounds->begin())] += weight;
    otlp::Optionals& optionals = histogram.optionals;
    optionals.min = histogram.count == 0 ? number : std::min(optionals.min, number);
    optionals.max = histogram.count == 0 ? number : std::max(optionals.max, number);
    optionals.has_min = optionals.has_max = optionals.has_sum = true;
    optionals.sum += number * static_cast<double>(weight);
    histogram.count += weight;
  }
  return {};
}

otlp::TreeMetric& StatsdAggregator::HomeOf(const Series& series, otlp::TreeScope& scope,
                                           std::map<std::string, otlp::TreeMetric*>& homes) const {
  otlp::TreeMetric metric{.name = series.name};
  if (series.type == Type::kTiming) metric.unit = "ms";
  const StatsdObserver* observer = ObserverOf(series.type);
  if (series.type == Type::kCounter) {
    metric.kind = otlp::MetricKind::kSum;
    metric.temporality = otlp::Temporality::kDelta;
    metric.is_monotonic = rules_.monotonic_counters;
  } else if (observer == nullptr || observer->kind == Kind::kGauge) {
    metric.kind = otlp::MetricKind::kGauge;
  } else if (observer->kind == Kind::kSummary) {
    metric.kind = otlp::MetricKind::kSummary;
  } else {
    metric.kind = std::holds_alternative<Explicit>(series.state)
                      ? otlp::MetricKind::kHistogram
                      : otlp::MetricKind::kExponentialHistogram;
    metric.temporality = otlp::Temporality::kDelta;
  }
  otlp::TreeMetric*& home =
      homes[fmt::format("{}|{}|{}", static_cast<int>(metric.kind), metric.unit, metric.name)];
  if (home == nullptr) home = &scope.metrics.emplace_back(std::move(metric));
  return *home;
}

void StatsdAggregator::Write(const Series& series, uint64_t start_ns, uint64_t end_ns,
                             otlp::TreeMetric& home) const {
  otlp::TreePoint point{.attributes = series.attributes, .time_ns = end_ns};
  const bool has_start = home.kind != otlp::MetricKind::kGauge;
  if (has_start) point.start_ns = start_ns;
  if (const auto* counter = std::get_if<Counter>(&series.state)) {
    const double rounded = std::round(counter->sum);
    // What was counted by ones stays whole.
    if (std::abs(counter->sum - rounded) < 1e-9 && std::abs(rounded) < kIntMax) {
      point.SetNumber(static_cast<int64_t>(rounded));
    } else {
      point.SetNumber(counter->sum);
    }
  } else if (const auto* gauge = std::get_if<Gauge>(&series.state)) {
    point.SetNumber(gauge->value);
  } else if (const auto* set = std::get_if<Set>(&series.state)) {
    point.SetNumber(static_cast<int64_t>(set->members.size()));
  } else if (const auto* recorder = std::get_if<otlp::ExponentialRecorder>(&series.state)) {
    recorder->WriteTo(point);
  } else if (const auto* histogram = std::get_if<Explicit>(&series.state)) {
    point.count = histogram->count;
    point.optionals = histogram->optionals;
    point.bucket_counts = histogram->counts;
    point.explicit_bounds = *histogram->bounds;
  } else if (home.kind == otlp::MetricKind::kGauge) {
    for (const auto& [value, weight] : std::get<Values>(series.state).all) {
      otlp::TreePoint one = point;
      one.SetNumber(value);
      home.points.push_back(std::move(one));
    }
    return;
  } else {
    auto sorted = std::get<Values>(series.state).all;
    std::ranges::sort(sorted);
    for (const auto& [value, weight] : sorted) {
      point.count += weight;
      point.optionals.sum += value * static_cast<double>(weight);
    }
    point.optionals.has_sum = true;
    for (const double percent : ObserverOf(series.type)->percentiles) {
      point.quantiles.emplace_back(percent / 100, Percentile(sorted, point.count, percent));
    }
  }
  home.points.push_back(std::move(point));
}

otlp::Tree StatsdAggregator::Take(uint64_t start_ns, uint64_t end_ns) {
  otlp::Tree tree;
  otlp::TreeScope& scope = tree.resources.emplace_back().scopes.emplace_back();
  scope.name = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/statsdreceiver";
  std::map<std::string, otlp::TreeMetric*> homes;
  std::map<std::string, Series> kept;
  for (auto& [key, series] : series_) {
    auto* gauge = std::get_if<Gauge>(&series.state);
    // A gauge is forgotten after an interval in which it did not come.
    if (gauge != nullptr && !gauge->is_new) continue;
    Write(series, start_ns, end_ns, HomeOf(series, scope, homes));
    if (gauge == nullptr) continue;
    gauge->is_new = false;
    kept.emplace(key, std::move(series));
  }
  series_ = std::move(kept);
  held_ = 0;
  return tree;
}

}  // namespace narthex::receivers
