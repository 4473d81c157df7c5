#include "telemetry/prometheus_page.h"

#include <algorithm>
#include <map>

#include "exposition/writer.h"
#include "otlp/naming.h"

namespace narthex::telemetry {
namespace {

using exposition::Format;
using otlp::TranslationStrategy;

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

std::string LabelsOf(const sdk::AttributeSet& attributes, std::string_view const_labels) {
  std::string labels;
  for (const sdk::Attribute& item : attributes.items()) {
    const auto name =
        otlp::LabelName(item.key, TranslationStrategy::kUnderscoreEscapingWithSuffixes);
    if (name.has_value()) exposition::AppendLabel(labels, *name, TextOf(item.value));
  }
  if (!labels.empty() && !const_labels.empty()) labels += ',';
  return labels.append(const_labels);
}

std::string With(const std::string& labels, std::string_view bound) {
  std::string out = labels;
  exposition::AppendLabel(out, "le", bound);
  return out;
}

model::MetricType TypeOf(const sdk::MetricData& metric) {
  if (metric.kind == sdk::DataKind::kHistogram) return model::MetricType::kHistogram;
  return metric.is_monotonic ? model::MetricType::kCounter : model::MetricType::kGauge;
}

void Write(exposition::Writer& writer, const std::string& name, const sdk::MetricData& metric,
           std::string_view const_labels) {
  writer.Family(name, TypeOf(metric), metric.description);
  for (const sdk::NumberPoint& point : metric.numbers) {
    writer.Sample(name, LabelsOf(*point.attributes, const_labels),
                  point.is_int ? static_cast<double>(point.int_value) : point.double_value);
  }
  for (const sdk::HistogramPoint& point : metric.histograms) {
    const std::string labels = LabelsOf(*point.attributes, const_labels);
    uint64_t total = 0;
    const auto counts = metric.BucketCounts(point);
    for (size_t i = 0; i < counts.size(); ++i) {
      total += counts[i];
      const std::string bound = i < metric.bounds.size()
                                    ? exposition::FormatBound(metric.bounds[i], Format::kText)
                                    : "+Inf";
      writer.Count(name, "_bucket", With(labels, bound), total, {});
    }
    writer.Sample(name, "_sum", labels, point.sum, {});
    writer.Count(name, "_count", labels, point.count, {});
  }
}

}  // namespace

std::string RenderPrometheus(const sdk::MetricBatch& batch, const PrometheusPageOptions& options) {
  const auto strategy = options.with_suffixes
                            ? TranslationStrategy::kUnderscoreEscapingWithSuffixes
                            : TranslationStrategy::kUnderscoreEscapingWithoutSuffixes;
  std::map<std::string, const sdk::MetricData*> families;  // Of clashing names the first stays.
  for (const sdk::ScopeData& scope : batch.scopes) {
    for (const sdk::MetricData& metric : scope.metrics) {
      auto name = otlp::MetricName(
          {.name = metric.name,
           .unit = metric.unit,
           .is_monotonic_sum = metric.kind == sdk::DataKind::kSum && metric.is_monotonic,
           .is_gauge = metric.kind == sdk::DataKind::kGauge},
          strategy);
      if (name.has_value()) families.emplace(*std::move(name), &metric);
    }
  }
  exposition::Writer writer(Format::kText);
  for (const auto& [name, metric] : families) Write(writer, name, *metric, options.const_labels);
  return writer.Finish();
}

}  // namespace narthex::telemetry
