#include "telemetry/prometheus_page.h"

#include <fmt/format.h>

#include <map>
#include <vector>

#include "exposition/writer.h"
#include "otlp/naming.h"

namespace narthex::telemetry {
namespace {

using exposition::Format;
using otlp::TranslationStrategy;

constexpr size_t kExemplarLabelBytesMax = 128;  // OpenMetrics 1.0.0, "Exemplars".

std::string TextOf(const sdk::AttributeValue& value) {
  switch (value.kind()) {
    case sdk::AttributeValue::Kind::kBool:
      return value.AsBool() ? "true" : "false";
    case sdk::AttributeValue::Kind::kInt:
      return std::to_string(value.AsInt());
    case sdk::AttributeValue::Kind::kDouble:
      return exposition::FormatBound(value.AsDouble(), Format::kText);
    case sdk::AttributeValue::Kind::kString:
      return std::string(value.AsString());
  }
  return {};
}

// Labels by name; values whose names become the same are joined.
class Labels {
 public:
  void Add(std::string_view key, std::string value, std::string_view prefix = "") {
    const auto name = otlp::LabelName(fmt::format("{}{}", prefix, key),
                                      TranslationStrategy::kUnderscoreEscapingWithSuffixes);
    if (!name.has_value()) return;
    const auto [at, is_new] = values_.try_emplace(*name, std::move(value));
    if (!is_new) at->second += ';' + value;
  }
  void Add(const sdk::AttributeSet& attributes, std::string_view prefix = "") {
    for (const sdk::Attribute& item : attributes.items()) {
      Add(item.key, TextOf(item.value), prefix);
    }
  }
  std::string Render(std::string_view const_labels) const {
    std::string labels;
    for (const auto& [name, value] : values_) exposition::AppendLabel(labels, name, value);
    if (!labels.empty() && !const_labels.empty()) labels += ',';
    return labels.append(const_labels);
  }

 private:
  std::map<std::string, std::string> values_;
};

std::string With(const std::string& labels, std::string_view bound) {
  std::string out = labels;
  exposition::AppendLabel(out, "le", bound);
  return out;
}

model::MetricType TypeOf(const sdk::MetricData& metric) {
  switch (metric.kind) {
    case sdk::DataKind::kHistogram:
    case sdk::DataKind::kExponentialHistogram:
      return model::MetricType::kHistogram;
    default:
      return metric.is_monotonic ? model::MetricType::kCounter : model::MetricType::kGauge;
  }
}

std::string Hex(std::span<const uint8_t> bytes) {
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

// Trace, span, and of the attributes those that still fit.
std::string LabelsOf(const sdk::Exemplar& exemplar) {
  std::string labels;
  size_t left = kExemplarLabelBytesMax;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (name.size() + value.size() > left) return;
    left -= name.size() + value.size();
    exposition::AppendLabel(labels, name, value);
  };
  if (exemplar.has_span) {
    add("trace_id", Hex(exemplar.span.trace_id));
    add("span_id", Hex(exemplar.span.span_id));
  }
  for (const sdk::Attribute& item : exemplar.filtered_attributes.items()) {
    const auto name =
        otlp::LabelName(item.key, TranslationStrategy::kUnderscoreEscapingWithSuffixes);
    if (name.has_value()) add(*name, TextOf(item.value));
  }
  return labels;
}

// A metric and the scope that it came from.
struct Source {
  const sdk::ScopeData* scope;
  const sdk::MetricData* metric;
};

class Page {
 public:
  explicit Page(const PrometheusPageOptions& options)
      : options_(options), writer_(options.format) {}

  void TargetInfo(const sdk::Resource& resource) {
    writer_.Family("target_info", model::MetricType::kGauge, "Target metadata");
    Labels labels;
    labels.Add(resource.attributes());
    writer_.Sample("target_info", labels.Render(options_.const_labels), 1);
  }

  void Family(const std::string& name, const std::vector<Source>& sources) {
    const sdk::MetricData& first = *sources.front().metric;
    writer_.Family(name, TypeOf(first), first.description);
    for (const Source& source : sources) {
      if (TypeOf(*source.metric) == TypeOf(first)) Metric(name, source);
    }
  }

  std::string Finish() { return writer_.Finish(); }

 private:
  void Metric(const std::string& name, const Source& source) {
    const sdk::MetricData& metric = *source.metric;
    for (const sdk::NumberPoint& point : metric.numbers) {
      const auto exemplars = metric.Exemplars(point.exemplars);
      const bool shows = metric.is_monotonic && !exemplars.empty();
      const double value = point.is_int ? static_cast<double>(point.int_value) : point.double_value;
      writer_.Sample(name, "", LabelsOfPoint(source, *point.attributes), value,
                     WithExemplar(shows ? &exemplars.back() : nullptr));
    }
    for (const sdk::HistogramPoint& point : metric.histograms) Histogram(name, source, point);
    for (const sdk::ExponentialPoint& point : metric.exponentials) {
      const std::string labels = LabelsOfPoint(source, *point.attributes);
      writer_.Count(name, "_bucket", With(labels, "+Inf"), point.count, {});
      writer_.Sample(name, "_sum", labels, point.sum, {});
      writer_.Count(name, "_count", labels, point.count, {});
    }
  }

  void Histogram(const std::string& name, const Source& source, const sdk::HistogramPoint& point) {
    const sdk::MetricData& metric = *source.metric;
    const std::string labels = LabelsOfPoint(source, *point.attributes);
    const auto counts = metric.BucketCounts(point);
    uint64_t total = 0;
    for (size_t i = 0; i < counts.size(); ++i) {
      total += counts[i];
      const std::string bound = i < metric.bounds.size()
                                    ? exposition::FormatBound(metric.bounds[i], options_.format)
                                    : "+Inf";
      writer_.Count(name, "_bucket", With(labels, bound), total,
                    WithExemplar(ExemplarOf(metric, point, i)));
    }
    writer_.Sample(name, "_sum", labels, point.sum, {});
    writer_.Count(name, "_count", labels, point.count, {});
  }

  // The one that lies in that bucket; nullptr if there is none.
  static const sdk::Exemplar* ExemplarOf(const sdk::MetricData& metric,
                                         const sdk::HistogramPoint& point, size_t bucket) {
    for (const sdk::Exemplar& exemplar : metric.Exemplars(point.exemplars)) {
      const bool is_above = bucket == 0 || exemplar.value > metric.bounds[bucket - 1];
      const bool is_below =
          bucket == metric.bounds.size() || exemplar.value <= metric.bounds[bucket];
      if (is_above && is_below) return &exemplar;
    }
    return nullptr;
  }

  std::string LabelsOfPoint(const Source& source, const sdk::AttributeSet& attributes) const {
    Labels labels;
    labels.Add(attributes);
    if (options_.with_scope) {
      labels.Add("otel_scope_name", std::string(source.scope->name));
      labels.Add("otel_scope_version", std::string(source.scope->version));
      labels.Add("otel_scope_schema_url", std::string(source.scope->schema_url));
      if (source.scope->attributes != nullptr) {
        labels.Add(*source.scope->attributes, "otel_scope_");
      }
    }
    return labels.Render(options_.const_labels);
  }

  // The views lead into this object until the next call.
  exposition::Writer::Extras WithExemplar(const sdk::Exemplar* exemplar) {
    if (exemplar == nullptr) return {};
    exemplar_labels_ = LabelsOf(*exemplar);
    return {.exemplar_labels = exemplar_labels_,
            .exemplar_value = exemplar->value,
            .exemplar_timestamp = exemplar->time_ns / 1'000'000};
  }

  const PrometheusPageOptions& options_;
  exposition::Writer writer_;
  std::string exemplar_labels_;
};

}  // namespace

std::string RenderPrometheus(const sdk::MetricBatch& batch, const PrometheusPageOptions& options) {
  const auto strategy = options.with_suffixes
                            ? TranslationStrategy::kUnderscoreEscapingWithSuffixes
                            : TranslationStrategy::kUnderscoreEscapingWithoutSuffixes;
  std::map<std::string, std::vector<Source>> families;
  for (const sdk::ScopeData& scope : batch.scopes) {
    for (const sdk::MetricData& metric : scope.metrics) {
      auto name = otlp::MetricName(
          {.name = metric.name,
           .unit = metric.unit,
           .is_monotonic_sum = metric.kind == sdk::DataKind::kSum && metric.is_monotonic,
           .is_gauge = metric.kind == sdk::DataKind::kGauge},
          strategy);
      if (!name.has_value()) continue;
      std::vector<Source>& sources = families[*std::move(name)];
      // Without scopes in the labels, another scope's series would be the same again.
      if (sources.empty() || options.with_scope) sources.push_back({&scope, &metric});
    }
  }
  Page page(options);
  if (options.with_target_info && batch.resource != nullptr) page.TargetInfo(*batch.resource);
  for (const auto& [name, sources] : families) page.Family(name, sources);
  return page.Finish();
}

}  // namespace narthex::telemetry
