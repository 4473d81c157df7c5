#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "promql/functions/histogram_window.h"
#include "promql/functions/kernels.h"
#include "promql/functions/start_time.h"

namespace narthex::promql {

// What the functions over windows with native histograms share.

// What a histogram weighs, in samples.
inline constexpr size_t kHistogramWork = 64;

// One window of a series: samples [begin, end).
class MixedWindow {
 public:
  MixedWindow(const WindowCall& call, const model::SampleColumns& samples, const Row& row,
              size_t begin, size_t end)
      : call_(call), samples_(samples), row_(row), begin_(begin), end_(end) {
    for (size_t i = begin; i < end; ++i) histograms_ += samples.IsHistogram(i) ? 1 : 0;
  }

  size_t count() const { return end_ - begin_; }
  bool OnlyNumbers() const { return histograms_ == 0; }
  bool Mixed() const { return histograms_ != 0 && histograms_ != count(); }
  const model::FloatHistogram& first() const { return at(begin_); }
  const model::FloatHistogram& last() const { return at(end_ - 1); }
  const model::FloatHistogram& at(size_t i) const { return *samples_.histograms[i]; }
  size_t begin() const { return begin_; }
  size_t end() const { return end_; }
  model::Timestamp time(size_t i) const { return samples_.t[i]; }

  std::string_view name() const { return row_.labels.Get(model::kMetricName); }
  void WarnMixedTypes() const { WarnOfMixedTypes(*call_.annotations, call_.at, name()); }
  void WarnMixedSchemas() const { WarnOfMixedSchemas(*call_.annotations, call_.at, name()); }
  void WarnNotCounter() const {
    call_.annotations->Warn(call_.at, "this native histogram metric is not a counter: \"{}\"",
                            name());
  }
  void WarnNotGauge() const {
    call_.annotations->Warn(call_.at, "this native histogram metric is not a gauge: \"{}\"",
                            name());
  }
  void WarnOfOverlaps() const {
    WarnOfStartOverlaps(samples_, begin_, end_, *call_.annotations, call_.at, name());
  }
  // The counter began anew right before sample `i`, which follows `before`.
  bool ResetAt(size_t i, const model::FloatHistogram& before) const {
    return IsStartReset(samples_, i) || at(i).DetectReset(before);
  }
  model::Timestamp StartInside(model::Timestamp range_start) const {
    return narthex::promql::StartInside(samples_, begin_, range_start);
  }
  void InformReconciled(const model::CombineRemarks& remarks, std::string_view operation) const {
    RemarkOnCombination(*call_.annotations, call_.at, {false, remarks.bounds_reconciled},
                        operation);
  }

 private:
  const WindowCall& call_;
  const model::SampleColumns& samples_;
  const Row& row_;
  const size_t begin_;
  const size_t end_;
  size_t histograms_ = 0;
};

using MaybeHistogram = std::optional<model::FloatHistogram>;

inline bool IsGauge(const model::FloatHistogram& h) { return h.hint == model::ResetHint::kGauge; }

// Last minus first histogram, and for a counter what stood before each reset. nullopt with a remark
// where they do not fit together. REQUIRES: histograms only, at least one.
// Source: upstream's histogramRate.
MaybeHistogram HistogramIncrease(const MixedWindow& window, bool counter);

// Gives a step of a row its histogram.
inline void Set(const WindowCall& call, Row& row, size_t step, model::FloatHistogram histogram) {
  row.SetHistogram(step, std::make_shared<const model::FloatHistogram>(std::move(histogram)),
                   call.windows.steps);
}

inline double RangeSeconds(const WindowCall& call) {
  return static_cast<double>(call.windows.range) / 1000;
}

// What a function of rates is, its number-only form tells.
struct RateKind {
  bool counter;
  bool per_second;
};
inline RateKind KindOf(WindowFn base) { return {base != &Delta, base == &Rate}; }

// How often neighbours differ (changes) or the counter started anew (resets), numbers or not.
double CountEvents(const model::SampleColumns& samples, size_t begin, size_t end, bool resets);

// Windows that reach beyond their range, for ApplyToMixed.
void AnchoredHistograms(const WindowCall& call, const model::SampleColumns& samples, Row& row);
void SmoothedHistograms(const WindowCall& call, const model::SampleColumns& samples, Row& row);

}  // namespace narthex::promql
