#include "storage/testing/memory_storage.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>
#include <variant>

namespace narthex::storage {
namespace {

using model::Labels;
using model::Matcher;
using model::TimeRange;
using model::Timestamp;

using Histograms = std::map<Timestamp, model::HistogramPtr>;

struct MemorySeries {
  Labels labels;
  std::map<Timestamp, double> samples;
  Histograms histograms;
  std::map<Timestamp, Timestamp> starts;
};

class MemorySeriesSet final : public SeriesSet {
 public:
  explicit MemorySeriesSet(std::vector<MemorySeries> series) : series_(std::move(series)) {}
  size_t size() const override { return series_.size(); }
  Labels labels(size_t i) const override { return series_[i].labels; }
  base::Status Read(size_t i, TimeRange range, model::SampleColumns& out) const override {
    out.clear();
    const Histograms& histograms = series_[i].histograms;
    for (const auto& [t, v] : series_[i].samples) {
      if (!range.Contains(t)) continue;
      const auto histogram = histograms.find(t);
      if (histogram == histograms.end()) {
        out.Add(t, v);
      } else {
        out.Add(t, histogram->second);
      }
      const auto start = series_[i].starts.find(t);
      if (start != series_[i].starts.end()) out.SetLastStart(start->second);
    }
    return {};
  }

 private:
  std::vector<MemorySeries> series_;
};

class MemoryQuerier final : public Querier {
 public:
  MemoryQuerier(MemoryStorage::Content content, MemoryStorage::Histograms histograms,
                MemoryStorage::Starts starts, TimeRange range)
      : content_(std::move(content)),
        histograms_(std::move(histograms)),
        starts_(std::move(starts)),
        range_(range) {}

  base::Result<std::unique_ptr<SeriesSet>> Select(const std::vector<Matcher>& matchers) override {
    std::vector<MemorySeries> found;
    for (const auto& [labels, samples] : content_) {
      if (!InRange(samples) || !model::AllMatch(matchers, labels)) continue;
      found.push_back({labels, samples, {}, {}});
      const auto histograms = histograms_.find(labels);
      if (histograms != histograms_.end()) found.back().histograms = histograms->second;
      const auto starts = starts_.find(labels);
      if (starts != starts_.end()) found.back().starts = starts->second;
    }
    return std::make_unique<MemorySeriesSet>(std::move(found));
  }

  base::Result<std::vector<std::string>> LabelNames(const std::vector<Matcher>& matchers) override {
    std::set<std::string> names;
    for (const auto& [labels, samples] : content_) {
      if (!InRange(samples) || !model::AllMatch(matchers, labels)) continue;
      for (const model::LabelView label : labels) names.emplace(label.name);
    }
    return std::vector<std::string>(names.begin(), names.end());
  }

  base::Result<std::vector<std::string>> LabelValues(
      std::string_view name, const std::vector<Matcher>& matchers) override {
    std::set<std::string> values;
    for (const auto& [labels, samples] : content_) {
      if (!InRange(samples) || !model::AllMatch(matchers, labels)) continue;
      if (labels.Has(name)) values.emplace(labels.Get(name));
    }
    return std::vector<std::string>(values.begin(), values.end());
  }

 private:
  bool InRange(const std::map<Timestamp, double>& samples) const {
    const auto first = samples.lower_bound(range_.min);
    return first != samples.end() && first->first <= range_.max;
  }

  MemoryStorage::Content content_;
  MemoryStorage::Histograms histograms_;
  MemoryStorage::Starts starts_;
  TimeRange range_;
};

}  // namespace

class MemoryAppender final : public Appender {
 public:
  explicit MemoryAppender(MemoryStorage& storage) : storage_(storage) {}

  base::Result<SeriesRef> Resolve(const Labels& labels) override {
    base::MutexLock lock(storage_.mutex_);
    const auto found = std::ranges::find(storage_.refs_, labels);
    if (found == storage_.refs_.end()) {
      storage_.refs_.push_back(labels);
      return storage_.refs_.size();
    }
    return static_cast<SeriesRef>(found - storage_.refs_.begin()) + 1;
  }

  Appended Append(SeriesRef series, Timestamp t, double v) override {
    return Take(series, Number{t, v});
  }

  Appended AppendHistogram(SeriesRef series, Timestamp t,
                           const model::IntegerHistogram& histogram) override {
    return AppendHistogram(series, t, histogram.ToFloat());
  }

  Appended AppendHistogram(SeriesRef series, Timestamp t,
                           const model::FloatHistogram& histogram) override {
    if (!histogram.Validate()) return Appended::kInvalid;
    return Take(series, Histogram{t, histogram});
  }

  Appended AppendExemplar(SeriesRef series, const model::Exemplar& exemplar) override {
    if (!exemplar.timestamp) return Appended::kInvalid;
    return Take(series, exemplar);
  }

  void SetMetadata(SeriesRef series, const model::Metadata& metadata) override {
    std::ignore = Take(series, metadata);
  }

  base::Status Commit() override {
    base::MutexLock lock(storage_.mutex_);
    for (const auto& [labels, item] : batch_) {
      if (const auto* const number = std::get_if<Number>(&item)) {
        storage_.PutLocked(labels, number->t, number->v);
      } else if (const auto* const sample = std::get_if<Histogram>(&item)) {
        storage_.PutHistogramLocked(labels, sample->t, sample->histogram);
      } else if (const auto* const exemplar = std::get_if<model::Exemplar>(&item)) {
        storage_.exemplars_[labels].push_back(*exemplar);
      } else {
        storage_.metadata_[labels] = std::get<model::Metadata>(item);
      }
    }
    batch_.clear();
    return {};
  }

  void Rollback() override { batch_.clear(); }

 private:
  struct Number {
    Timestamp t;
    double v;
  };
  struct Histogram {
    Timestamp t;
    model::FloatHistogram histogram;
  };
  using Item = std::variant<Number, Histogram, model::Exemplar, model::Metadata>;

  Appended Take(SeriesRef series, Item item) {
    base::MutexLock lock(storage_.mutex_);
    if (series == 0 || series > storage_.refs_.size()) return Appended::kUnknownSeries;
    batch_.emplace_back(storage_.refs_[series - 1], std::move(item));
    return Appended::kYes;
  }

  MemoryStorage& storage_;
  std::vector<std::pair<Labels, Item>> batch_;
};

void MemoryStorage::Put(const Labels& labels, Timestamp t, double v) {
  base::MutexLock lock(mutex_);
  PutLocked(labels, t, v);
}

void MemoryStorage::PutLocked(const Labels& labels, Timestamp t, double v) {
  content_[labels][t] = v;
  const auto histograms = histograms_.find(labels);
  if (histograms != histograms_.end()) histograms->second.erase(t);
}

void MemoryStorage::PutStart(const Labels& labels, Timestamp t, Timestamp start) {
  base::MutexLock lock(mutex_);
  starts_[labels][t] = start;
}

void MemoryStorage::PutHistogram(const Labels& labels, Timestamp t,
                                 const model::FloatHistogram& histogram) {
  base::MutexLock lock(mutex_);
  PutHistogramLocked(labels, t, histogram);
}

void MemoryStorage::PutHistogramLocked(const Labels& labels, Timestamp t,
                                       const model::FloatHistogram& histogram) {
  auto& samples = content_[labels];
  auto& histograms = histograms_[labels];
  const model::FloatHistogram* before = nullptr;
  const auto next = samples.lower_bound(t);
  if (next != samples.begin()) {
    const auto found = histograms.find(std::prev(next)->first);
    if (found != histograms.end()) before = found->second.get();
  }
  model::FloatHistogram stored = histogram;
  stored.hint = model::HintInChunk(before, histogram);
  samples[t] = histogram.sum;
  histograms[t] = std::make_shared<const model::FloatHistogram>(std::move(stored));
}

void MemoryStorage::Clear() {
  base::MutexLock lock(mutex_);
  content_.clear();
  histograms_.clear();
  starts_.clear();
  exemplars_.clear();
  metadata_.clear();
}

MemoryStorage::Content MemoryStorage::content() const {
  base::MutexLock lock(mutex_);
  return content_;
}

base::Result<std::unique_ptr<Querier>> MemoryStorage::OpenQuerier(TimeRange range) {
  base::MutexLock lock(mutex_);
  return std::make_unique<MemoryQuerier>(content_, histograms_, starts_, range);
}

std::unique_ptr<Appender> MemoryStorage::OpenAppender() {
  return std::make_unique<MemoryAppender>(*this);
}

base::Result<std::vector<ExemplarSeries>> MemoryStorage::SelectExemplars(
    std::span<const std::vector<Matcher>> selectors, TimeRange range) const {
  base::MutexLock lock(mutex_);
  std::vector<ExemplarSeries> found;
  for (const auto& [labels, all] : exemplars_) {
    const bool wanted = std::ranges::any_of(
        selectors, [&](const auto& matchers) { return model::AllMatch(matchers, labels); });
    if (!wanted) continue;
    ExemplarSeries series{labels, {}};
    for (const model::Exemplar& exemplar : all) {
      if (range.Contains(*exemplar.timestamp)) series.exemplars.push_back(exemplar);
    }
    std::ranges::stable_sort(series.exemplars, {}, &model::Exemplar::timestamp);
    if (!series.exemplars.empty()) found.push_back(std::move(series));
  }
  return found;
}

base::Result<std::vector<SeriesMetadata>> MemoryStorage::SelectMetadata(
    const std::vector<Matcher>& matchers) const {
  base::MutexLock lock(mutex_);
  std::vector<SeriesMetadata> found;
  for (const auto& [labels, metadata] : metadata_) {
    if (model::AllMatch(matchers, labels)) found.push_back({labels, metadata});
  }
  return found;
}

}  // namespace narthex::storage
