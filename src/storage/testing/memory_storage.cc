#include "storage/testing/memory_storage.h"

#include <algorithm>
#include <set>

namespace narthex::storage {
namespace {

using model::Labels;
using model::Matcher;
using model::TimeRange;
using model::Timestamp;

class MemorySeriesSet final : public SeriesSet {
 public:
  explicit MemorySeriesSet(std::vector<std::pair<Labels, std::map<Timestamp, double>>> series)
      : series_(std::move(series)) {}
  size_t size() const override { return series_.size(); }
  Labels labels(size_t i) const override { return series_[i].first; }
  base::Status Read(size_t i, TimeRange range, model::SampleColumns& out) const override {
    out.clear();
    for (const auto& [t, v] : series_[i].second) {
      if (range.Contains(t)) out.Add(t, v);
    }
    return {};
  }

 private:
  std::vector<std::pair<Labels, std::map<Timestamp, double>>> series_;
};

class MemoryQuerier final : public Querier {
 public:
  MemoryQuerier(MemoryStorage::Content content, TimeRange range)
      : content_(std::move(content)), range_(range) {}

  base::Result<std::unique_ptr<SeriesSet>> Select(const std::vector<Matcher>& matchers) override {
    std::vector<std::pair<Labels, std::map<Timestamp, double>>> found;
    for (const auto& [labels, samples] : content_) {
      if (InRange(samples) && model::AllMatch(matchers, labels))
        found.emplace_back(labels, samples);
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
    base::MutexLock lock(storage_.mutex_);
    if (series == 0 || series > storage_.refs_.size()) return Appended::kUnknownSeries;
    batch_.push_back({storage_.refs_[series - 1], t, v});
    return Appended::kYes;
  }

  base::Status Commit() override {
    base::MutexLock lock(storage_.mutex_);
    for (const Entry& entry : batch_) storage_.content_[entry.labels][entry.t] = entry.v;
    batch_.clear();
    return {};
  }

  void Rollback() override { batch_.clear(); }

 private:
  struct Entry {
    Labels labels;
    Timestamp t;
    double v;
  };
  MemoryStorage& storage_;
  std::vector<Entry> batch_;
};

void MemoryStorage::Put(const Labels& labels, Timestamp t, double v) {
  base::MutexLock lock(mutex_);
  content_[labels][t] = v;
}

void MemoryStorage::Clear() {
  base::MutexLock lock(mutex_);
  content_.clear();
}

MemoryStorage::Content MemoryStorage::content() const {
  base::MutexLock lock(mutex_);
  return content_;
}

base::Result<std::unique_ptr<Querier>> MemoryStorage::OpenQuerier(TimeRange range) {
  return std::make_unique<MemoryQuerier>(content(), range);
}

std::unique_ptr<Appender> MemoryStorage::OpenAppender() {
  return std::make_unique<MemoryAppender>(*this);
}

}  // namespace narthex::storage
