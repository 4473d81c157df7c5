#include "promql/script/classic_histograms.h"

#include <cmath>
#include <limits>
#include <map>

#include "model/number.h"

namespace narthex::promql {
namespace {

// What is known of one classic histogram at one step.
struct Step {
  std::map<double, double> buckets;  // Cumulative counts by upper bound.
  std::optional<double> count;
  std::optional<double> sum;
};

struct Classic {
  std::vector<Step> steps;
};

std::optional<ScriptValue> Convert(const Step& step) {
  if (step.buckets.empty() && !step.count && !step.sum) return std::nullopt;
  model::FloatHistogram h;
  h.schema = model::kCustomBucketsSchema;
  h.sum = step.sum.value_or(0);
  double before = 0;
  std::optional<double> all;
  for (const auto& [bound, cumulative] : step.buckets) {
    if (std::isinf(bound) && bound > 0) {
      all = cumulative;
      continue;
    }
    h.custom_bounds.push_back(bound);
    h.positive.push_back(cumulative - before);
    before = cumulative;
  }
  h.count = all.value_or(step.count.value_or(before));
  h.positive.push_back(h.count - before);
  h.positive_spans = {{0, static_cast<uint32_t>(h.positive.size())}};
  h.Compact();
  return ScriptValue{0, std::make_shared<const model::FloatHistogram>(std::move(h))};
}

}  // namespace

std::vector<SeriesLine> ConvertClassicHistograms(const std::vector<SeriesLine>& block) {
  std::map<model::Labels, Classic> histograms;
  for (const SeriesLine& line : block) {
    std::string_view name = line.labels.Get(model::kMetricName);
    const bool is_bucket = name.ends_with("_bucket");
    const bool is_count = name.ends_with("_count");
    if (!is_bucket && !is_count && !name.ends_with("_sum")) continue;
    std::optional<double> bound = 0.0;
    if (is_bucket) bound = model::ParseFloat(line.labels.Get(model::kBucketLabel));
    if (!bound || std::isnan(*bound)) continue;
    name = name.substr(0, name.rfind('_'));
    model::LabelsBuilder builder(line.labels);
    builder.Delete(model::kBucketLabel);
    builder.Set(model::kMetricName, std::string(name));
    std::vector<Step>& steps = histograms[builder.Build()].steps;
    steps.resize(std::max(steps.size(), line.values.size()));
    for (size_t i = 0; i < line.values.size(); ++i) {
      if (!line.values[i] || line.values[i]->histogram != nullptr) continue;
      const double value = line.values[i]->number;
      if (is_bucket) {
        steps[i].buckets[*bound] = value;
      } else {
        (is_count ? steps[i].count : steps[i].sum) = value;
      }
    }
  }
  std::vector<SeriesLine> converted;
  for (const auto& [labels, classic] : histograms) {
    SeriesLine& line = converted.emplace_back();
    line.labels = labels;
    for (const Step& step : classic.steps) line.values.push_back(Convert(step));
  }
  return converted;
}

}  // namespace narthex::promql
