#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "otlp/batch.h"
#include "otlp/writer.h"
#include "receivers/influxdb/line.h"

namespace narthex::receivers {

// Makes metrics of line protocol, by the schema that each line has: Telegraf's `prometheus` with
// metric_version 1 or 2, or none, where every number is a gauge named after measurement and field.
// One thread at a time. Source: influxdata/influxdb-observability, docs/metrics.md.
class InfluxPoints {
 public:
  // `default_ns`: the time of lines without one, since the epoch. `unit_ns`: of the others' times.
  InfluxPoints(uint64_t default_ns, int64_t unit_ns) : default_ns_(default_ns), unit_ns_(unit_ns) {}

  // Errors: kInvalidArgument for a time out of range, or a metric of two kinds; kResourceExhausted
  // for more metrics than one request can mean.
  base::Status Add(const InfluxLine& line);
  // An ExportMetricsServiceRequest of what was added. Errors: as those of Add.
  base::Result<std::string> Take();

 private:
  struct Metric {
    std::string name;
    otlp::MetricKind kind;
    bool is_delta;
    otlp::Writer points;
  };
  struct Scope {
    std::string name, version;
    std::map<std::string, size_t, std::less<>> places;  // By name, into `metrics`.
    std::vector<Metric> metrics;
  };
  struct Resource {
    std::string attributes;  // Fields of a Resource.
    std::map<std::string, Scope> scopes;
  };
  // Lines that make one histogram or summary together.
  struct Distribution {
    Scope* scope;
    std::string name;
    std::string attributes;
    uint64_t time_ns = 0;
    bool is_delta = false;
    std::optional<double> count, sum;
    std::map<double, double> buckets;    // Bounds and cumulative counts.
    std::map<double, double> quantiles;  // Quantiles and values.
  };
  // What a line's tags and time come to.
  struct Origin {
    Scope* scope;
    std::string attributes;  // KeyValue messages as fields.
    uint64_t time_ns = 0;
    bool is_delta = false, is_timing = false;
    std::optional<double> le, quantile;
  };

  base::Result<Origin> OriginOf(const InfluxLine& line);
  base::Result<Metric*> Home(Scope& scope, const std::string& name, otlp::MetricKind kind,
                             bool is_delta);
  base::Status AddNumber(const Origin& origin, const std::string& name, otlp::MetricKind kind,
                         const InfluxLine::Value& value);
  base::Status AddGauges(const Origin& origin, const InfluxLine& line);
  // False where the line has not that schema.
  base::Result<bool> AddVersion1(const Origin& origin, const InfluxLine& line);
  base::Result<bool> AddVersion2(const Origin& origin, const InfluxLine& line);
  Distribution& Find(const Origin& origin, const std::string& name);
  base::Status Write(const Distribution& distribution);
  void WriteHistogram(const Distribution& distribution, otlp::Writer& points) const;
  void WriteSummary(const Distribution& distribution, otlp::Writer& points) const;

  const uint64_t default_ns_;
  const int64_t unit_ns_;
  size_t metric_count_ = 0;
  std::map<std::string, Resource> resources_;
  std::map<std::string, Distribution> distributions_;
};

}  // namespace narthex::receivers
