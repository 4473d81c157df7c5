#include "receivers/prometheus/to_otlp.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <optional>

#include "model/number.h"
#include "otlp/edit.h"
#include "otlp/writer.h"

namespace narthex::receivers {
namespace {

using model::MetricType;

constexpr std::string_view kScopePrefix = "otel_scope_";
constexpr std::string_view kCreatedSuffix = "_created";
constexpr std::string_view kOurScope =
    "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver";

// What the scraper itself says, of which no exposition tells.
struct OwnMetric {
  std::string_view name, description, unit;
};
constexpr OwnMetric kOwn[] = {
    {"up", "The scraping was successful", ""},
    {"scrape_duration_seconds", "Duration of the scrape", "s"},
    {"scrape_samples_scraped", "The number of samples the target exposed", ""},
    {"scrape_samples_post_metric_relabeling",
     "The number of samples remaining after metric relabeling was applied", ""},
    {"scrape_series_added", "The approximate number of new series in this scrape", ""},
};

constexpr std::pair<std::string_view, std::string_view> kUnits[] = {
    {"seconds", "s"},   {"milliseconds", "ms"}, {"microseconds", "us"}, {"nanoseconds", "ns"},
    {"minutes", "min"}, {"hours", "h"},         {"days", "d"},          {"bytes", "By"},
    {"ratio", "1"},     {"percent", "%"},       {"meters", "m"},        {"volts", "V"},
    {"amperes", "A"},   {"joules", "J"},        {"watts", "W"},         {"grams", "g"},
    {"celsius", "Cel"}, {"hertz", "Hz"},
};

std::string UnitOf(std::string_view unit) {
  for (const auto& [word, symbol] : kUnits) {
    if (word == unit) return std::string(symbol);
  }
  return std::string(unit);
}

uint64_t ToNs(model::Timestamp ms) { return static_cast<uint64_t>(ms) * 1'000'000; }

bool IsHex(std::string_view text, size_t size) {
  return text.size() == size && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

std::string FromHex(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned value = 0;
    std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    bytes += static_cast<char>(value);
  }
  return bytes;
}

std::string Encode(const model::Exemplar& exemplar, model::Timestamp time) {
  otlp::Writer writer;
  writer.Fixed64(2, ToNs(exemplar.timestamp.value_or(time)));
  writer.Double(3, exemplar.value);
  for (const model::LabelView& label : exemplar.labels) {
    if (label.name == "trace_id" && IsHex(label.value, 32)) {
      writer.Bytes(5, FromHex(label.value));
    } else if (label.name == "span_id" && IsHex(label.value, 16)) {
      writer.Bytes(4, FromHex(label.value));
    } else {
      const auto attribute = writer.Begin(7);
      writer.Bytes(1, label.name);
      writer.Bytes(2, otlp::EncodeValue(label.value));
      writer.End(attribute);
    }
  }
  return writer.Take();
}

// Cumulative buckets and what goes with them, until all lines of the histogram have come.
struct OpenHistogram {
  otlp::TreePoint* point = nullptr;
  std::vector<std::pair<double, double>> buckets;  // Bound and cumulative count.
  std::optional<double> count;
};

uint64_t ToCount(double count) { return count > 0 ? static_cast<uint64_t>(count) : 0; }

// How many buckets there are between the first and the last, those included.
int64_t WidthOf(const std::vector<model::BucketSpan>& spans) {
  int64_t width = 0;
  for (size_t i = 0; i < spans.size(); ++i)
    width += (i > 0 ? spans[i].offset : 0) + spans[i].length;
  return width;
}

// One side's buckets without gaps. An index of Prometheus names the upper bound of a bucket, one of
// OpenTelemetry the lower.
otlp::TreePoint::Buckets SideOf(const std::vector<model::BucketSpan>& spans,
                                const std::vector<double>& counts) {
  otlp::TreePoint::Buckets side;
  if (spans.empty()) return side;
  side.offset = spans[0].offset - 1;
  size_t next = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    if (i > 0) side.counts.resize(side.counts.size() + static_cast<size_t>(spans[i].offset));
    for (uint32_t j = 0; j < spans[i].length; ++j) side.counts.push_back(ToCount(counts[next++]));
  }
  return side;
}

// Counts of floats lose their fractions, as with the official receiver.
void FillNative(model::FloatHistogram histogram, otlp::TreePoint& point) {
  // Wide gaps would have to be filled with zeros: coarser buckets lie closer together.
  constexpr int64_t kBucketsMax = 16'384;
  while (!histogram.custom() && histogram.schema > model::kExponentialSchemaMin &&
         std::max(WidthOf(histogram.positive_spans), WidthOf(histogram.negative_spans)) >
             kBucketsMax) {
    histogram.ReduceResolution(histogram.schema - 1);
  }
  point.count = ToCount(histogram.count);
  point.optionals.has_sum = true;
  point.optionals.sum = histogram.sum;
  if (histogram.custom()) {
    point.explicit_bounds = histogram.custom_bounds;
    point.bucket_counts.assign(point.explicit_bounds.size() + 1, 0);
    for (const auto& [index, count] : model::Unpack(histogram.positive_spans, histogram.positive)) {
      point.bucket_counts.at(static_cast<size_t>(index)) = ToCount(count);
    }
    return;
  }
  point.scale = histogram.schema;
  point.zero_threshold = histogram.zero_threshold;
  point.zero_count = ToCount(histogram.zero_count);
  if (WidthOf(histogram.positive_spans) <= kBucketsMax) {
    point.positive = SideOf(histogram.positive_spans, histogram.positive);
  }
  if (WidthOf(histogram.negative_spans) <= kBucketsMax) {
    point.negative = SideOf(histogram.negative_spans, histogram.negative);
  }
}

// Builds the tree of one scrape.
class Translator {
 public:
  explicit Translator(const std::map<std::string, std::string, std::less<>>& schemes)
      : schemes_(schemes) {}

  otlp::Tree Run(const std::vector<ScrapedSample>& samples) {
    for (const ScrapedSample& sample : samples) Take(sample);
    for (auto& [point, open] : histograms_) Close(open);
    for (Pending& pending : pending_) {
      // What has nothing but a time of its beginning is no point.
      if (pending.has_value) pending.metric->points.push_back(std::move(*pending.point));
    }
    otlp::Tree tree;
    for (auto& [key, home] : resources_) tree.resources.push_back(std::move(*home));
    return tree;
  }

 private:
  // A point until all of its lines have come.
  struct Pending {
    otlp::TreeMetric* metric = nullptr;
    std::unique_ptr<otlp::TreePoint> point;
    bool has_value = false;
  };
  enum class Part { kWhole, kBucket, kSum, kCount, kQuantile, kCreated, kNative };
  struct Role {
    std::string family;
    Part part = Part::kWhole;
    otlp::MetricKind kind = otlp::MetricKind::kGauge;
  };

  static Role RoleOf(std::string_view name, const ScrapedSample& sample) {
    const ScrapedSeries& series = *sample.series;
    const auto without = [&](std::string_view suffix) {
      return std::string(name.substr(0, name.size() - suffix.size()));
    };
    if (sample.histogram != nullptr) {
      return {std::string(name), Part::kNative,
              sample.histogram->custom() ? otlp::MetricKind::kHistogram
                                         : otlp::MetricKind::kExponentialHistogram};
    }
    switch (series.metadata.type) {
      case MetricType::kHistogram:
        if (name.ends_with("_bucket")) {
          return {without("_bucket"), Part::kBucket, otlp::MetricKind::kHistogram};
        }
        if (name.ends_with("_sum")) {
          return {without("_sum"), Part::kSum, otlp::MetricKind::kHistogram};
        }
        if (name.ends_with("_count")) {
          return {without("_count"), Part::kCount, otlp::MetricKind::kHistogram};
        }
        if (name.ends_with(kCreatedSuffix)) {
          return {without(kCreatedSuffix), Part::kCreated, otlp::MetricKind::kHistogram};
        }
        // Without a suffix it is the end of a native one.
        return {std::string(name), Part::kNative, otlp::MetricKind::kExponentialHistogram};
      case MetricType::kSummary:
        if (series.labels.Has("quantile")) {
          return {std::string(name), Part::kQuantile, otlp::MetricKind::kSummary};
        }
        if (name.ends_with("_sum")) {
          return {without("_sum"), Part::kSum, otlp::MetricKind::kSummary};
        }
        if (name.ends_with("_count")) {
          return {without("_count"), Part::kCount, otlp::MetricKind::kSummary};
        }
        if (name.ends_with(kCreatedSuffix)) {
          return {without(kCreatedSuffix), Part::kCreated, otlp::MetricKind::kSummary};
        }
        break;
      case MetricType::kCounter:
        if (name.ends_with(kCreatedSuffix)) {
          return {without(kCreatedSuffix) + "_total", Part::kCreated, otlp::MetricKind::kSum};
        }
        return {std::string(name), Part::kWhole, otlp::MetricKind::kSum};
      case MetricType::kInfo:
      case MetricType::kStateSet:
        return {std::string(name), Part::kWhole, otlp::MetricKind::kSum};
      default:
        break;
    }
    return {std::string(name), Part::kWhole, otlp::MetricKind::kGauge};
  }

  void Take(const ScrapedSample& sample) {
    const ScrapedSeries& series = *sample.series;
    const std::string_view name = series.labels.Get("__name__");
    otlp::TreeResource& resource = ResourceOf(series.labels);
    if (name == "target_info") {
      for (const model::LabelView& label : series.labels) {
        if (label.name == "__name__" || label.name == "job" || label.name == "instance") continue;
        otlp::Put(resource.attributes, label.name, label.value);
      }
      return;
    }
    const Role role = RoleOf(name, sample);
    otlp::TreeScope& scope = ScopeOf(resource, series.labels);
    otlp::TreeMetric& metric = MetricOf(scope, role, series.metadata);
    Pending& pending = PartOf(metric, series, sample);
    otlp::TreePoint& point = *pending.point;
    pending.has_value |= role.part != Part::kCreated;
    if (sample.start.has_value() && role.kind != otlp::MetricKind::kGauge) {
      point.start_ns = ToNs(*sample.start);
    }
    Fill(point, role.part, series, sample);
    for (const model::Exemplar& exemplar : sample.exemplars) {
      point.exemplars.push_back(Encode(exemplar, sample.time));
    }
  }

  void Fill(otlp::TreePoint& point, Part part, const ScrapedSeries& series,
            const ScrapedSample& sample) {
    if (model::IsStaleNan(sample.value)) {
      if (part != Part::kCreated) point.flags |= otlp::kNoRecordedValue;
      return;
    }
    switch (part) {
      case Part::kCreated:
        // Seconds; what nanoseconds cannot say is no time.
        if (sample.value > 0 && sample.value < 1e10) {
          point.start_ns = ToNs(static_cast<int64_t>(sample.value * 1'000));
        }
        break;
      case Part::kNative:
        if (sample.histogram != nullptr) FillNative(*sample.histogram, point);
        break;
      case Part::kWhole:
        point.SetNumber(sample.value);
        break;
      case Part::kSum:
        point.optionals.has_sum = true;
        point.optionals.sum = sample.value;
        break;
      case Part::kCount:
        point.count = sample.value > 0 ? static_cast<uint64_t>(sample.value) : 0;
        if (auto found = histograms_.find(&point); found != histograms_.end()) {
          found->second.count = sample.value;
        }
        break;
      case Part::kBucket: {
        const auto bound = model::ParseFloat(series.labels.Get("le"));
        if (bound.has_value()) {
          histograms_.at(&point).buckets.emplace_back(*bound, sample.value);
        }
        break;
      }
      case Part::kQuantile:
        if (const auto quantile = model::ParseFloat(series.labels.Get("quantile"))) {
          point.quantiles.emplace_back(*quantile, sample.value);
        }
        break;
    }
  }

  otlp::TreeResource& ResourceOf(const model::Labels& labels) {
    const std::string job(labels.Get("job")), instance(labels.Get("instance"));
    std::unique_ptr<otlp::TreeResource>& home = resources_[job + '\0' + instance];
    if (home != nullptr) return *home;
    home = std::make_unique<otlp::TreeResource>();
    otlp::Put(home->attributes, "service.name", job);
    otlp::Put(home->attributes, "service.instance.id", instance);
    const size_t colon = instance.rfind(':');
    const bool has_port = colon != std::string::npos && colon + 1 < instance.size();
    otlp::Put(home->attributes, "server.address",
              instance.substr(0, has_port ? colon : instance.npos));
    if (has_port) otlp::Put(home->attributes, "server.port", instance.substr(colon + 1));
    if (const auto scheme = schemes_.find(job); scheme != schemes_.end()) {
      otlp::Put(home->attributes, "url.scheme", scheme->second);
    }
    return *home;
  }

  static otlp::TreeScope& ScopeOf(otlp::TreeResource& resource, const model::Labels& labels) {
    otlp::TreeScope scope;
    scope.name = labels.Has("otel_scope_name") ? labels.Get("otel_scope_name") : kOurScope;
    scope.version = labels.Get("otel_scope_version");
    scope.schema_url = labels.Get("otel_scope_schema_url");
    for (const model::LabelView& label : labels) {
      if (!label.name.starts_with(kScopePrefix)) continue;
      const std::string_view key = label.name.substr(kScopePrefix.size());
      if (key == "name" || key == "version" || key == "schema_url") continue;
      otlp::Put(scope.attributes, key, label.value);
    }
    for (otlp::TreeScope& present : resource.scopes) {
      if (present.name == scope.name && present.version == scope.version &&
          present.schema_url == scope.schema_url && present.attributes == scope.attributes) {
        return present;
      }
    }
    return resource.scopes.emplace_back(std::move(scope));
  }

  otlp::TreeMetric& MetricOf(otlp::TreeScope& scope, const Role& role,
                             const model::Metadata& metadata) {
    otlp::TreeMetric*& home = metrics_[fmt::format("{}|{}|{}", static_cast<const void*>(&scope),
                                                   static_cast<int>(role.kind), role.family)];
    if (home != nullptr) return *home;
    otlp::TreeMetric metric{.name = role.family,
                            .description = metadata.help,
                            .unit = UnitOf(metadata.unit),
                            .kind = role.kind};
    const auto* own = std::ranges::find(kOwn, role.family, &OwnMetric::name);
    const bool is_own = own != std::end(kOwn) && metadata.type == MetricType::kUnknown;
    if (is_own) {
      metric.description = own->description;
      metric.unit = own->unit;
    }
    otlp::Put(metric.metadata, "prometheus.type",
              is_own ? "gauge" : model::MetricTypeName(metadata.type));
    const bool is_sum = role.kind == otlp::MetricKind::kSum;
    if (is_sum || role.kind == otlp::MetricKind::kHistogram ||
        role.kind == otlp::MetricKind::kExponentialHistogram) {
      metric.temporality = otlp::Temporality::kCumulative;
    }
    metric.is_monotonic = is_sum && metadata.type == MetricType::kCounter;
    home = &scope.metrics.emplace_back(std::move(metric));
    return *home;
  }

  // The point that a line belongs to. Its time is that of the first.
  Pending& PartOf(otlp::TreeMetric& metric, const ScrapedSeries& series,
                  const ScrapedSample& sample) {
    otlp::AttributeMap attributes = AttributesOf(series.labels);
    std::string key = fmt::format("{}|{}", static_cast<const void*>(&metric), sample.time);
    for (const auto& [name, value] : attributes) {
      key += '\0' + name + '\0' + otlp::Text(value);
    }
    auto [place, is_new] = parts_.try_emplace(std::move(key), nullptr);
    if (!is_new) return *place->second;
    Pending& pending = pending_.emplace_back();
    place->second = &pending;
    pending.metric = &metric;
    pending.point = std::make_unique<otlp::TreePoint>();
    pending.point->attributes = std::move(attributes);
    pending.point->time_ns = ToNs(sample.time);
    const bool is_classic =
        metric.kind == otlp::MetricKind::kHistogram && sample.histogram == nullptr;
    if (is_classic) histograms_[pending.point.get()].point = pending.point.get();
    return pending;
  }

  static otlp::AttributeMap AttributesOf(const model::Labels& labels) {
    otlp::AttributeMap attributes;
    for (const model::LabelView& label : labels) {
      if (label.name == "__name__" || label.name == "job" || label.name == "instance" ||
          label.name == "le" || label.name == "quantile" || label.name.starts_with(kScopePrefix)) {
        continue;
      }
      otlp::Put(attributes, label.name, label.value);
    }
    return attributes;
  }

  // Counts of their own from the cumulative ones.
  static void Close(OpenHistogram& open) {
    otlp::TreePoint& point = *open.point;
    if (point.is_stale()) return;
    std::ranges::sort(open.buckets);
    double before = 0;
    for (const auto& [bound, cumulative] : open.buckets) {
      // A page that contradicts itself gives no negative counts.
      const double count = std::max(cumulative - before, 0.0);
      before = std::max(cumulative, before);
      point.bucket_counts.push_back(static_cast<uint64_t>(count));
      if (!std::isinf(bound)) point.explicit_bounds.push_back(bound);
    }
    const double total = open.count.value_or(before);
    point.count = total > 0 ? static_cast<uint64_t>(total) : 0;
    // Without a bucket up to infinity, what is above the last bound is the rest.
    if (point.bucket_counts.size() == point.explicit_bounds.size() && !open.buckets.empty()) {
      point.bucket_counts.push_back(static_cast<uint64_t>(std::max(total - before, 0.0)));
    }
  }

  const std::map<std::string, std::string, std::less<>>& schemes_;
  std::map<std::string, std::unique_ptr<otlp::TreeResource>> resources_;
  std::map<std::string, otlp::TreeMetric*> metrics_;
  std::map<std::string, Pending*> parts_;
  std::deque<Pending> pending_;  // In the order of the page.
  std::map<const otlp::TreePoint*, OpenHistogram> histograms_;
};

}  // namespace

otlp::Tree ToOtlp(const std::vector<ScrapedSample>& samples,
                  const std::map<std::string, std::string, std::less<>>& schemes) {
  return Translator(schemes).Run(samples);
}

}  // namespace narthex::receivers
