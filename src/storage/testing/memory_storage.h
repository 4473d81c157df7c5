#pragma once

#include <map>
#include <memory>

#include "base/mutex.h"
#include "storage/storage.h"

namespace narthex::storage {

// The slow, obvious twin of every storage: maps of labels to maps of time to value. Takes samples
// in any order, the last one at a time wins; native histograms stand beside their sums.
// Thread-safe.
class MemoryStorage final : public Queryable,
                            public Appendable,
                            public ExemplarQueryable,
                            public MetadataQueryable {
 public:
  using Content = std::map<model::Labels, std::map<model::Timestamp, double>>;

  using Histograms = std::map<model::Labels, std::map<model::Timestamp, model::HistogramPtr>>;
  using Starts = std::map<model::Labels, std::map<model::Timestamp, model::Timestamp>>;

  // Outside of any batch.
  void Put(const model::Labels& labels, model::Timestamp t, double v);
  // When what the sample at `t` counts began.
  void PutStart(const model::Labels& labels, model::Timestamp t, model::Timestamp start);
  // Hints become what a storage of chunks would give back: gauge, or no reset where the sample
  // continues the one before, else unknown. REQUIRES: time order.
  void PutHistogram(const model::Labels& labels, model::Timestamp t,
                    const model::FloatHistogram& histogram);
  void Clear();
  Content content() const;

  base::Result<std::unique_ptr<Querier>> OpenQuerier(model::TimeRange range) override;
  std::unique_ptr<Appender> OpenAppender() override;
  base::Result<std::vector<ExemplarSeries>> SelectExemplars(
      std::span<const std::vector<model::Matcher>> selectors,
      model::TimeRange range) const override;
  base::Result<std::vector<SeriesMetadata>> SelectMetadata(
      const std::vector<model::Matcher>& matchers) const override;

 private:
  friend class MemoryAppender;

  void PutLocked(const model::Labels& labels, model::Timestamp t, double v) REQUIRES_LOCK(mutex_);
  void PutHistogramLocked(const model::Labels& labels, model::Timestamp t,
                          const model::FloatHistogram& histogram) REQUIRES_LOCK(mutex_);

  mutable base::Mutex mutex_;
  Content content_ GUARDED_BY(mutex_);  // Of a histogram, its sum.
  Histograms histograms_ GUARDED_BY(mutex_);
  Starts starts_ GUARDED_BY(mutex_);
  std::map<model::Labels, std::vector<model::Exemplar>> exemplars_ GUARDED_BY(mutex_);
  std::map<model::Labels, model::Metadata> metadata_ GUARDED_BY(mutex_);
  std::vector<model::Labels> refs_ GUARDED_BY(mutex_);  // Reference - 1 to labels.
};

}  // namespace narthex::storage
