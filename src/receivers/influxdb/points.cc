#include "receivers/influxdb/points.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "model/number.h"
#include "otlp/edit.h"

namespace narthex::receivers {
namespace {

using base::Code;
using base::Fail;
using otlp::MetricKind;
using Value = InfluxLine::Value;

constexpr size_t kMetricsMax = 100'000;
constexpr double kCountMax = 9e18;

// What the names of a resource's attributes begin with. Source: OpenTelemetry semantic conventions,
// resource.
constexpr auto kResourcePrefixes = std::to_array<std::string_view>(
    {"aws.", "azure.", "browser.", "cloud.", "container.", "deployment.", "device.", "faas.",
     "gcp.", "heroku.", "host.", "k8s.", "os.", "process.", "service.", "telemetry.",
     "webengine."});

bool IsOfResource(std::string_view tag) {
  return std::ranges::any_of(kResourcePrefixes,
                             [&](std::string_view prefix) { return tag.starts_with(prefix); });
}

void PutAttribute(otlp::Writer& writer, std::string_view key, std::string_view text) {
  const auto mark = writer.Begin(1);
  writer.Bytes(1, key);
  writer.Bytes(2, otlp::EncodeValue(text));
  writer.End(mark);
}

std::optional<double> NumberOf(const Value& value) {
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* whole = std::get_if<int64_t>(&value)) return static_cast<double>(*whole);
  if (const auto* natural = std::get_if<uint64_t>(&value)) return static_cast<double>(*natural);
  return std::nullopt;
}

const Value* Find(const InfluxLine& line, std::string_view field) {
  const auto found = std::ranges::find(line.fields, field, &std::pair<std::string, Value>::first);
  return found != line.fields.end() ? &found->second : nullptr;
}

std::optional<double> ParseBound(std::string_view text) {
  const std::optional<double> bound = model::ParseFloat(text);
  return bound.has_value() && !std::isnan(*bound) ? bound : std::nullopt;
}

bool IsCount(double value) { return value >= 0 && value <= kCountMax; }

// Counts up to each bound, and all of them.
bool AreCumulative(const std::map<double, double>& buckets, double count) {
  double last = 0;
  for (const auto& [bound, value] : buckets) {
    if (!IsCount(value) || value < last) return false;
    last = value;
  }
  return last <= count;
}

bool AreQuantiles(const std::map<double, double>& values) {
  return values.empty() || (values.begin()->first >= 0 && values.rbegin()->first <= 1);
}

}  // namespace

base::Result<InfluxPoints::Origin> InfluxPoints::OriginOf(const InfluxLine& line) {
  Origin origin{.scope = nullptr, .attributes = {}, .time_ns = default_ns_};
  if (line.time.has_value()) {
    if (*line.time < 0 || *line.time > std::numeric_limits<int64_t>::max() / unit_ns_) {
      return Fail(Code::kInvalidArgument, "the timestamp {} is out of range", *line.time);
    }
    origin.time_ns = static_cast<uint64_t>(*line.time * unit_ns_);
  }
  std::string scope_name, scope_version;
  otlp::Writer resource, attributes;
  const bool is_version_2 = line.measurement == "prometheus";
  for (const auto& [key, value] : line.tags) {
    if (is_version_2 && (key == "le" || key == "quantile")) {
      (key == "le" ? origin.le : origin.quantile) = ParseBound(value);
      if (!ParseBound(value).has_value()) {
        return Fail(Code::kInvalidArgument, "the tag {} is no number: \"{}\"", key, value);
      }
    } else if (key == "otel.library.name" || key == "otel.scope.name") {
      scope_name = value;
    } else if (key == "otel.library.version" || key == "otel.scope.version") {
      scope_version = value;
    } else if (IsOfResource(key)) {
      PutAttribute(resource, key, value);
    } else if (key == "temporality" && value == "delta") {
      origin.is_delta = true;
    } else {
      origin.is_timing |= key == "metric_type" && value == "timing";
      PutAttribute(attributes, key, value);
    }
  }
  std::string fields = resource.Take();
  Resource& home = resources_[fields];
  home.attributes = std::move(fields);
  const auto [place, is_new] = home.scopes.try_emplace(scope_name + '\n' + scope_version);
  if (is_new && ++metric_count_ > kMetricsMax) {
    return Fail(Code::kResourceExhausted, "more than {} resources in one request", kMetricsMax);
  }
  Scope& scope = place->second;
  scope.name = std::move(scope_name);
  scope.version = std::move(scope_version);
  origin.scope = &scope;
  origin.attributes = attributes.Take();
  return origin;
}

base::Result<InfluxPoints::Metric*> InfluxPoints::Home(Scope& scope, const std::string& name,
                                                       MetricKind kind, bool is_delta) {
  const auto [place, is_new] = scope.places.try_emplace(name, scope.metrics.size());
  if (is_new) {
    if (++metric_count_ > kMetricsMax) {
      return Fail(Code::kResourceExhausted, "more than {} metrics in one request", kMetricsMax);
    }
    scope.metrics.push_back({.name = name, .kind = kind, .is_delta = is_delta, .points = {}});
  }
  Metric& metric = scope.metrics[place->second];
  if (metric.kind != kind || metric.is_delta != is_delta) {
    return Fail(Code::kInvalidArgument, "value type conflict for metric '{}'", name);
  }
  return &metric;
}

base::Status InfluxPoints::AddNumber(const Origin& origin, const std::string& name, MetricKind kind,
                                     const Value& value) {
  const bool is_delta = kind == MetricKind::kSum && origin.is_delta;
  ASSIGN_OR_RETURN(Metric * metric, Home(*origin.scope, name, kind, is_delta));
  otlp::Writer& points = metric->points;
  const auto point = points.Begin(1);
  points.Fixed64(3, origin.time_ns);
  if (const auto* real = std::get_if<double>(&value)) {
    points.Double(4, *real);
  } else if (const auto* whole = std::get_if<int64_t>(&value)) {
    points.Fixed64(6, static_cast<uint64_t>(*whole));
  } else {
    const uint64_t natural = std::get<uint64_t>(value);
    // What no int64 holds is a double.
    if (natural > INT64_MAX) {
      points.Double(4, static_cast<double>(natural));
    } else {
      points.Fixed64(6, natural);
    }
  }
  points.Messages(7, origin.attributes);
  points.End(point);
  return {};
}

base::Status InfluxPoints::AddGauges(const Origin& origin, const InfluxLine& line) {
  for (const auto& [field, value] : line.fields) {
    if (!NumberOf(value).has_value()) continue;  // Texts and booleans are no metrics.
    RETURN_IF_ERROR(AddNumber(origin, fmt::format("{}_{}", line.measurement, field),
                              MetricKind::kGauge, value));
  }
  return {};
}

InfluxPoints::Distribution& InfluxPoints::Find(const Origin& origin, const std::string& name) {
  const std::string key = fmt::format("{}\n{}\n{}\n{}", static_cast<const void*>(origin.scope),
                                      origin.time_ns, name, origin.attributes);
  Distribution& distribution = distributions_[key];
  distribution.scope = origin.scope;
  distribution.name = name;
  distribution.attributes = origin.attributes;
  distribution.time_ns = origin.time_ns;
  distribution.is_delta = origin.is_delta;
  return distribution;
}

base::Result<bool> InfluxPoints::AddVersion1(const Origin& origin, const InfluxLine& line) {
  if (const Value* gauge = receivers::Find(line, "gauge"); gauge && NumberOf(*gauge)) {
    RETURN_IF_ERROR(AddNumber(origin, line.measurement, MetricKind::kGauge, *gauge));
    return true;
  }
  if (const Value* counter = receivers::Find(line, "counter"); counter && NumberOf(*counter)) {
    RETURN_IF_ERROR(AddNumber(origin, line.measurement, MetricKind::kSum, *counter));
    return true;
  }
  Distribution found{.scope = nullptr, .name = {}, .attributes = {}};
  for (const auto& [field, value] : line.fields) {
    const std::optional<double> number = NumberOf(value);
    if (!number.has_value()) return false;
    if (field == "count") {
      found.count = number;
    } else if (field == "sum") {
      found.sum = number;
    } else if (const auto bound = ParseBound(field)) {
      found.buckets[*bound] = *number;
    } else {
      return false;
    }
  }
  if (!found.count.has_value() || !found.sum.has_value() || !IsCount(*found.count)) return false;
  // Both kinds look alike; counts up to a bound never fall, and none is above the count of all.
  const bool is_histogram = AreCumulative(found.buckets, *found.count);
  if (!is_histogram && !AreQuantiles(found.buckets)) return false;
  Distribution& distribution = Find(origin, line.measurement);
  distribution.count = found.count;
  distribution.sum = found.sum;
  (is_histogram ? distribution.buckets : distribution.quantiles) = std::move(found.buckets);
  return true;
}

base::Result<bool> InfluxPoints::AddVersion2(const Origin& origin, const InfluxLine& line) {
  const auto is_suffixed = [](std::string_view field, std::string_view suffix) {
    return field.size() > suffix.size() && field.ends_with(suffix);
  };
  const auto stem = [](const std::string& field, std::string_view suffix) {
    return field.substr(0, field.size() - suffix.size());
  };
  for (const auto& [field, value] : line.fields) {
    const std::optional<double> number = NumberOf(value);
    if (!number.has_value()) continue;
    const bool is_count = is_suffixed(field, "_count"), is_sum = is_suffixed(field, "_sum");
    if (origin.le.has_value() && is_suffixed(field, "_bucket")) {
      Find(origin, stem(field, "_bucket")).buckets[*origin.le] = *number;
    } else if (origin.quantile.has_value()) {
      Find(origin, field).quantiles[*origin.quantile] = *number;
    } else if (is_count || is_sum) {
      Distribution& distribution = Find(origin, stem(field, is_count ? "_count" : "_sum"));
      (is_count ? distribution.count : distribution.sum) = number;
    } else {
      RETURN_IF_ERROR(AddNumber(origin, field, MetricKind::kGauge, value));
    }
  }
  return true;
}

base::Status InfluxPoints::Add(const InfluxLine& line) {
  ASSIGN_OR_RETURN(const Origin origin, OriginOf(line));
  if (distributions_.size() > kMetricsMax) {
    return Fail(Code::kResourceExhausted, "more than {} distributions in one request", kMetricsMax);
  }
  bool is_done = false;
  if (line.measurement == "prometheus") {
    ASSIGN_OR_RETURN(is_done, AddVersion2(origin, line));
  } else if (!origin.is_timing) {
    ASSIGN_OR_RETURN(is_done, AddVersion1(origin, line));
  }
  return is_done ? base::Status() : AddGauges(origin, line);
}

void InfluxPoints::WriteHistogram(const Distribution& distribution, otlp::Writer& points) const {
  const double last = distribution.buckets.empty() ? 0 : distribution.buckets.rbegin()->second;
  const auto count = static_cast<uint64_t>(distribution.count.value_or(last));
  const auto point = points.Begin(1);
  points.Fixed64(3, distribution.time_ns);
  points.Fixed64(4, count);
  if (distribution.sum.has_value()) points.Double(5, *distribution.sum);
  std::vector<double> bounds;
  uint64_t below = 0;
  const auto counts = points.Begin(6);
  for (const auto& [bound, value] : distribution.buckets) {
    if (std::isinf(bound)) break;  // The rest is what the count says.
    bounds.push_back(bound);
    const auto up_to = static_cast<uint64_t>(value);
    points.PutWord(up_to - below);
    below = up_to;
  }
  points.PutWord(count - below);
  points.End(counts);
  const auto words = points.Begin(7);
  for (const double bound : bounds) points.PutWord(std::bit_cast<uint64_t>(bound));
  points.End(words);
  points.Messages(9, distribution.attributes);
  points.End(point);
}

void InfluxPoints::WriteSummary(const Distribution& distribution, otlp::Writer& points) const {
  const auto point = points.Begin(1);
  points.Fixed64(3, distribution.time_ns);
  points.Fixed64(4, static_cast<uint64_t>(distribution.count.value_or(0)));
  points.Double(5, distribution.sum.value_or(0));
  for (const auto& [quantile, value] : distribution.quantiles) {
    const auto mark = points.Begin(6);
    points.Double(1, quantile);
    points.Double(2, value);
    points.End(mark);
  }
  points.Messages(7, distribution.attributes);
  points.End(point);
}

base::Status InfluxPoints::Write(const Distribution& distribution) {
  const bool is_summary = !distribution.quantiles.empty();
  const double count = distribution.count.value_or(0);
  const bool is_sound =
      IsCount(count) &&
      (is_summary ? distribution.buckets.empty() && AreQuantiles(distribution.quantiles)
                  : AreCumulative(distribution.buckets, distribution.count.value_or(kCountMax)));
  if (!is_sound) {
    return Fail(Code::kInvalidArgument, "the counts of metric '{}' contradict one another",
                distribution.name);
  }
  ASSIGN_OR_RETURN(Metric * metric, Home(*distribution.scope, distribution.name,
                                         is_summary ? MetricKind::kSummary : MetricKind::kHistogram,
                                         !is_summary && distribution.is_delta));
  if (is_summary) {
    WriteSummary(distribution, metric->points);
  } else {
    WriteHistogram(distribution, metric->points);
  }
  return {};
}

base::Result<std::string> InfluxPoints::Take() {
  for (const auto& [key, distribution] : distributions_) RETURN_IF_ERROR(Write(distribution));
  otlp::Writer writer;
  for (auto& [key, resource] : resources_) {
    const auto resource_mark = writer.Begin(1);
    writer.Bytes(1, resource.attributes);
    for (auto& [scope_key, scope] : resource.scopes) {
      const auto scope_mark = writer.Begin(2);
      const auto name_mark = writer.Begin(1);
      writer.Bytes(1, scope.name);
      writer.Bytes(2, scope.version);
      writer.End(name_mark);
      for (Metric& metric : scope.metrics) {
        const auto metric_mark = writer.Begin(2);
        writer.Bytes(1, metric.name);
        const auto data_mark = writer.Begin(static_cast<uint32_t>(metric.kind));
        writer.Raw(metric.points.Take());
        if (metric.kind == MetricKind::kSum || metric.kind == MetricKind::kHistogram) {
          writer.Varint(2, static_cast<uint64_t>(metric.is_delta ? otlp::Temporality::kDelta
                                                                 : otlp::Temporality::kCumulative));
        }
        if (metric.kind == MetricKind::kSum) writer.Varint(3, 1);  // Monotonic.
        writer.End(data_mark);
        writer.End(metric_mark);
      }
      writer.End(scope_mark);
    }
    writer.End(resource_mark);
  }
  return writer.Take();
}

}  // namespace narthex::receivers
