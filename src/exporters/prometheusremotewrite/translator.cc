#include "exporters/prometheusremotewrite/translator.h"

#include <cmath>

#include "model/number.h"
#include "model/sample.h"
#include "otlp/aggregate.h"
#include "otlp/exemplar.h"

namespace narthex::exporters {
namespace {

using otlp::MetricKind;
using otlp::TreePoint;
using translate::SeriesLabels;

int64_t Ms(uint64_t ns) { return static_cast<int64_t>(ns / 1'000'000); }

std::string TextOf(const otlp::AttributeMap& attributes, std::string_view key) {
  const otlp::Any* found = otlp::Find(attributes, key);
  return found != nullptr ? otlp::Text(*found) : "";
}

// `service.namespace/service.name`.
std::string JobOf(const otlp::AttributeMap& attributes) {
  const std::string name = TextOf(attributes, "service.name");
  const std::string space = TextOf(attributes, "service.namespace");
  return name.empty() || space.empty() ? name : space + '/' + name;
}

bool IsIdentity(std::string_view key) {
  return key == "service.name" || key == "service.namespace" || key == "service.instance.id";
}

void AddAttribute(SeriesLabels& labels, const std::string& key, const otlp::Any& value,
                  otlp::TranslationStrategy strategy, std::string_view prefix = "") {
  const auto name = otlp::LabelName(key, strategy);
  if (name.has_value()) labels.Add(std::string(prefix) + *name, otlp::Text(value));
}

// Keys in order, so that labels that become the same are joined in that order.
void AddAttributes(SeriesLabels& labels, otlp::AttributeMap attributes,
                   otlp::TranslationStrategy strategy, std::string_view prefix = "") {
  std::ranges::sort(attributes, {}, &std::pair<std::string, otlp::Any>::first);
  for (const auto& [key, value] : attributes) AddAttribute(labels, key, value, strategy, prefix);
}

model::MetricType TypeOf(const otlp::TreeMetric& metric) {
  switch (metric.kind) {
    case MetricKind::kSum:
      return metric.is_monotonic ? model::MetricType::kCounter : model::MetricType::kGauge;
    case MetricKind::kGauge:
      return model::MetricType::kGauge;
    case MetricKind::kHistogram:
    case MetricKind::kExponentialHistogram:
      return model::MetricType::kHistogram;
    case MetricKind::kSummary:
      return model::MetricType::kSummary;
    case MetricKind::kNone:
      break;
  }
  return model::MetricType::kUnknown;
}

WireExemplar ExemplarFrom(std::string_view message, otlp::TranslationStrategy strategy) {
  const otlp::Exemplar read = otlp::DecodeExemplar(message);
  SeriesLabels labels(strategy);
  if (!read.span_id.empty()) labels.Add("span_id", otlp::HexOf(read.span_id));
  if (!read.trace_id.empty()) labels.Add("trace_id", otlp::HexOf(read.trace_id));
  labels.AddAttributes(read.attributes);
  WireExemplar exemplar;
  exemplar.time_ms = Ms(read.time_ns);
  exemplar.value = read.value;
  exemplar.labels = labels.Sorted();
  return exemplar;
}

std::vector<WireExemplar> ExemplarsOf(const TreePoint& point, otlp::TranslationStrategy strategy) {
  std::vector<WireExemplar> exemplars;
  for (const std::string& message : point.exemplars) {
    exemplars.push_back(ExemplarFrom(message, strategy));
  }
  return exemplars;
}

std::string BoundText(double bound) {
  std::string text;
  model::AppendJsonFloat(text, bound);
  return text;
}

}  // namespace

struct Translator::Around {
  std::string name;
  SeriesLabels labels;
  WireMetadata metadata;
};

std::vector<Translator::Part> Translator::Run(const otlp::Batch& batch, Losses& losses) {
  losses_ = &losses;
  const otlp::Tree tree = otlp::Tree::From(batch);
  for (const otlp::TreeResource& resource : tree.resources) TakeResource(resource);
  if (!message_.empty()) Cut();
  return std::exchange(parts_, {});
}

void Translator::CutIfFull() {
  if (message_.byte_size() >= config_.batch_bytes_max) Cut();
}

void Translator::Cut() {
  const size_t elements = message_.element_count();
  parts_.push_back({message_.Take(), std::exchange(points_, 0), elements});
}

void Translator::TakeResource(const otlp::TreeResource& resource) {
  SeriesLabels labels(config_.strategy);
  for (const auto& [name, value] : config_.external_labels) labels.Add(name, value);
  for (const auto& [key, value] : resource.attributes) {
    if (config_.resource_labels.Takes(key)) AddAttribute(labels, key, value, config_.strategy);
  }
  if (const std::string job = JobOf(resource.attributes); !job.empty()) labels.Add("job", job);
  const std::string instance = TextOf(resource.attributes, "service.instance.id");
  if (!instance.empty()) labels.Add("instance", instance);
  uint64_t time_ns = 0;
  for (const otlp::TreeScope& scope : resource.scopes) {
    SeriesLabels scope_labels = labels;
    if (config_.with_scope_info) {
      scope_labels.Add("otel_scope_name", scope.name);
      scope_labels.Add("otel_scope_version", scope.version);
      scope_labels.Add("otel_scope_schema_url", scope.schema_url);
      AddAttributes(scope_labels, scope.attributes, config_.strategy, "otel_scope_");
    }
    for (const otlp::TreeMetric& metric : scope.metrics) {
      for (const TreePoint& point : metric.points) time_ns = std::max(time_ns, point.time_ns);
      Around around{.name = {}, .labels = scope_labels, .metadata = {}};
      TakeMetric(metric, around);
    }
  }
  if (config_.with_target_info && time_ns != 0) TakeTarget(resource, time_ns);
}

void Translator::TakeMetric(const otlp::TreeMetric& metric, Around& around) {
  const bool is_sum = metric.kind == MetricKind::kSum;
  const auto name = otlp::MetricName({.name = metric.name,
                                      .unit = metric.unit,
                                      .is_monotonic_sum = is_sum && metric.is_monotonic,
                                      .is_gauge = metric.kind == MetricKind::kGauge},
                                     config_.strategy, config_.name_prefix);
  if (!name.has_value()) {
    (*losses_)["bad_name"] += metric.points.size();
    return;
  }
  const bool has_temporality = is_sum || metric.kind == MetricKind::kHistogram ||
                               metric.kind == MetricKind::kExponentialHistogram;
  if (has_temporality && metric.temporality != otlp::Temporality::kCumulative) {
    (*losses_)["not_cumulative"] += metric.points.size();
    return;
  }
  around.name = *name;
  around.metadata = {
      .type = TypeOf(metric), .family = *name, .help = metric.description, .unit = metric.unit};
  if (config_.with_metadata && !metric.points.empty()) message_.AddMetadata(around.metadata);
  for (const TreePoint& point : metric.points) {
    if (!TakePoint(metric, point, around)) {
      ++(*losses_)["unsupported"];
      continue;
    }
    ++points_;
    CutIfFull();
  }
}

bool Translator::TakePoint(const otlp::TreeMetric& metric, const TreePoint& point,
                           const Around& around) {
  switch (metric.kind) {
    case MetricKind::kNone:
      return false;
    case MetricKind::kGauge:
    case MetricKind::kSum:
      if (point.type == otlp::NumberPoint::Type::kNone && !point.is_stale()) return false;
      Put(around, point, "", point.Number(), "", "",
          metric.is_monotonic ? ExemplarsOf(point, config_.strategy) : std::vector<WireExemplar>());
      return true;
    case MetricKind::kHistogram:
      if (!point.bucket_counts.empty() &&
          point.bucket_counts.size() != point.explicit_bounds.size() + 1) {
        return false;
      }
      TakeHistogram(point, around);
      return true;
    case MetricKind::kExponentialHistogram:
      return TakeExponential(point, around);
    case MetricKind::kSummary:
      TakeSummary(point, around);
      return true;
  }
  return false;
}

LabelPairs Translator::LabelsOf(const Around& around, const TreePoint& point,
                                std::string_view suffix, std::string_view label,
                                std::string_view label_value) const {
  SeriesLabels labels(config_.strategy);
  AddAttributes(labels, point.attributes, config_.strategy);
  labels.Add(around.labels);
  labels.Add("__name__", around.name + std::string(suffix));
  if (!label.empty()) labels.Add(label, label_value);
  LabelPairs pairs = labels.Sorted();
  std::erase_if(pairs, [](const auto& pair) { return pair.second.empty(); });
  return pairs;
}

void Translator::Put(const Around& around, const TreePoint& point, std::string_view suffix,
                     double value, std::string_view label, std::string_view label_value,
                     const std::vector<WireExemplar>& exemplars) {
  message_.AddSample(LabelsOf(around, point, suffix, label, label_value),
                     point.is_stale() ? model::StaleNan() : value, Ms(point.time_ns),
                     Ms(point.start_ns), exemplars, around.metadata);
}

void Translator::TakeHistogram(const TreePoint& point, const Around& around) {
  if (point.optionals.has_sum) Put(around, point, "_sum", point.optionals.sum);
  Put(around, point, "_count", static_cast<double>(point.count));
  std::vector<WireExemplar> rest = ExemplarsOf(point, config_.strategy);
  uint64_t total = 0;
  for (size_t i = 0; i < point.explicit_bounds.size() && i < point.bucket_counts.size(); ++i) {
    total += point.bucket_counts[i];
    const double bound = point.explicit_bounds[i];
    std::vector<WireExemplar> here;
    std::erase_if(rest, [&](WireExemplar& exemplar) {
      if (!(exemplar.value <= bound)) return false;
      here.push_back(std::move(exemplar));
      return true;
    });
    Put(around, point, "_bucket", static_cast<double>(total), "le", BoundText(bound), here);
  }
  Put(around, point, "_bucket", static_cast<double>(point.count), "le", "+Inf", rest);
}

bool Translator::TakeExponential(TreePoint point, const Around& around) {
  constexpr int32_t kSchemaMin = -4, kSchemaMax = 8;
  constexpr double kZeroThreshold = 1e-128;
  if (point.scale < kSchemaMin) return false;
  otlp::LowerScale(point, point.scale - kSchemaMax);
  const auto side = [](const TreePoint::Buckets& buckets) {
    // An index of OpenTelemetry names the lower bound, one of Prometheus the upper.
    return WireHistogram::Side{
        static_cast<int32_t>(std::min(int64_t{buckets.offset} + 1, int64_t{INT32_MAX})),
        buckets.counts};
  };
  const WireHistogram histogram{
      .count = point.count,
      .sum = point.is_stale() ? model::StaleNan() : point.optionals.sum,
      .schema = point.scale,
      .zero_threshold = point.zero_threshold > 0 ? point.zero_threshold : kZeroThreshold,
      .zero_count = point.zero_count,
      .positive = side(point.positive),
      .negative = side(point.negative)};
  message_.AddHistogram(LabelsOf(around, point, "", "", ""), histogram, Ms(point.time_ns),
                        Ms(point.start_ns), ExemplarsOf(point, config_.strategy), around.metadata);
  return true;
}

void Translator::TakeSummary(const TreePoint& point, const Around& around) {
  Put(around, point, "_sum", point.optionals.sum);
  Put(around, point, "_count", static_cast<double>(point.count));
  for (const auto& [quantile, value] : point.quantiles) {
    Put(around, point, "", value, "quantile", BoundText(quantile));
  }
}

void Translator::TakeTarget(const otlp::TreeResource& resource, uint64_t time_ns) {
  const std::string job = JobOf(resource.attributes);
  const std::string instance = TextOf(resource.attributes, "service.instance.id");
  otlp::AttributeMap rest = resource.attributes;
  std::erase_if(rest, [](const auto& pair) { return IsIdentity(pair.first); });
  if (rest.empty() || (job.empty() && instance.empty())) return;
  SeriesLabels labels(config_.strategy);
  AddAttributes(labels, std::move(rest), config_.strategy);
  for (const auto& [name, value] : config_.external_labels) labels.Add(name, value);
  if (!job.empty()) labels.Add("job", job);
  if (!instance.empty()) labels.Add("instance", instance);
  labels.Add("__name__",
             config_.name_prefix.empty() ? "target_info" : config_.name_prefix + "_target_info");
  const WireMetadata metadata{.type = model::MetricType::kGauge,
                              .family = "target_info",
                              .help = "Target metadata",
                              .unit = {}};
  message_.AddSample(labels.Sorted(), 1, Ms(time_ns), 0, {}, metadata);
}

}  // namespace narthex::exporters
