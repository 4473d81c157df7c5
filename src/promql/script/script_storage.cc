#include "promql/script/script_storage.h"

#include <algorithm>
#include <set>

#include "storage/merge.h"

namespace narthex::promql {
namespace {

using Series = ScriptStorage::Content::value_type;

class ScriptSeriesSet final : public storage::SeriesSet {
 public:
  explicit ScriptSeriesSet(std::vector<const Series*> series) : series_(std::move(series)) {}

  size_t size() const override { return series_.size(); }
  model::Labels labels(size_t i) const override { return series_[i]->first; }
  base::Status Read(size_t i, model::TimeRange range, model::SampleColumns& out) const override {
    const model::SampleColumns& samples = series_[i]->second;
    out.clear();
    const auto first = std::ranges::lower_bound(samples.t, range.min);
    for (auto at = static_cast<size_t>(first - samples.t.begin());
         at < samples.size() && samples.t[at] <= range.max; ++at) {
      out.AddFrom(samples, at);
    }
    return {};
  }

 private:
  const std::vector<const Series*> series_;
};

class ScriptQuerier final : public storage::Querier {
 public:
  ScriptQuerier(std::shared_ptr<const ScriptStorage::Content> content, model::TimeRange range)
      : content_(std::move(content)), range_(range) {}

  base::Result<std::unique_ptr<storage::SeriesSet>> Select(
      const std::vector<model::Matcher>& matchers) override {
    return std::make_unique<ScriptSeriesSet>(Find(matchers));
  }

  base::Result<std::vector<std::string>> LabelNames(
      const std::vector<model::Matcher>& matchers) override {
    std::set<std::string> names;
    for (const Series* series : Find(matchers)) {
      for (const model::LabelView label : series->first) names.emplace(label.name);
    }
    return std::vector<std::string>(names.begin(), names.end());
  }

  base::Result<std::vector<std::string>> LabelValues(
      std::string_view name, const std::vector<model::Matcher>& matchers) override {
    std::set<std::string> values;
    for (const Series* series : Find(matchers)) {
      if (series->first.Has(name)) values.emplace(series->first.Get(name));
    }
    return std::vector<std::string>(values.begin(), values.end());
  }

 private:
  std::vector<const Series*> Find(const std::vector<model::Matcher>& matchers) const {
    std::vector<const Series*> found;
    for (const Series& series : *content_) {
      const auto first = std::ranges::lower_bound(series.second.t, range_.min);
      if (first == series.second.t.end() || *first > range_.max) continue;
      if (model::AllMatch(matchers, series.first)) found.push_back(&series);
    }
    return found;
  }

  const std::shared_ptr<const ScriptStorage::Content> content_;
  const model::TimeRange range_;
};

// The histogram right before time `t`; null where there is none.
const model::FloatHistogram* HistogramBefore(const model::SampleColumns& samples,
                                             model::Timestamp t) {
  const auto next = std::ranges::lower_bound(samples.t, t);
  if (next == samples.t.begin() || !samples.HasHistograms()) return nullptr;
  return samples.histograms[static_cast<size_t>(next - samples.t.begin()) - 1].get();
}

void HintAsChunksDo(model::SampleColumns& samples, const model::FloatHistogram* before) {
  for (model::HistogramPtr& histogram : samples.histograms) {
    if (histogram != nullptr) {
      model::FloatHistogram hinted = *histogram;
      hinted.hint = model::HintInChunk(before, *histogram);
      histogram = std::make_shared<const model::FloatHistogram>(std::move(hinted));
    }
    before = histogram.get();
  }
}

}  // namespace

void ScriptStorage::Put(const model::Labels& labels, const model::SampleColumns& more) {
  if (more.size() == 0) return;
  if (content_.use_count() > 1) content_ = std::make_shared<Content>(*content_);
  model::SampleColumns& samples = (*content_)[labels];
  model::SampleColumns merged = more;
  HintAsChunksDo(merged, HistogramBefore(samples, more.t.front()));
  storage::MergeSamples(merged, samples);
  samples = std::move(merged);
}

void ScriptStorage::Clear() { content_ = std::make_shared<Content>(); }

base::Result<std::unique_ptr<storage::Querier>> ScriptStorage::OpenQuerier(model::TimeRange range) {
  return std::make_unique<ScriptQuerier>(content_, range);
}

}  // namespace narthex::promql
