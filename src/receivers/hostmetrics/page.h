#pragma once

#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "otlp/tree.h"

namespace narthex::receivers {

// A metric as the official receiver has it.
struct HostMetric {
  enum class Shape : uint8_t { kGauge, kSum, kCounter };  // A sum may fall, a counter does not.
  std::string_view name;
  std::string_view unit;
  Shape shape;
  bool is_on;  // Without a word of the configuration.
  std::string_view description;
};

// Collects the points of one scrape. One thread at a time.
class HostPage {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // `start_ns`: since when counters count, in nanoseconds since the epoch. `on`: the names of the
  // metrics that are wanted.
  HostPage(uint64_t time_ns, uint64_t start_ns, const std::set<std::string, std::less<>>& on)
      : time_ns_(time_ns), start_ns_(start_ns), on_(on) {}

  // What follows is said by this scraper.
  void BeginScope(std::string_view scraper);
  // What follows is said by it of something within the machine, which counts since `start_ns`.
  void BeginResource(std::string_view scraper, otlp::AttributeMap attributes, uint64_t start_ns);
  void Add(const HostMetric& metric, int64_t value, Labels labels = {});
  void Add(const HostMetric& metric, double value, Labels labels = {});
  bool Wants(const HostMetric& metric) const { return on_.contains(metric.name); }

  size_t point_count() const { return points_; }
  otlp::Tree Take() { return std::move(tree_); }

 private:
  template <class Value>
  void AddPoint(const HostMetric& metric, Value value, Labels labels);

  const uint64_t time_ns_;
  uint64_t start_ns_;
  const std::set<std::string, std::less<>>& on_;
  otlp::Tree tree_;
  size_t points_ = 0;
};

}  // namespace narthex::receivers
