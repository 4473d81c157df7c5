#include "promql/functions/histogram_window.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "promql/functions/extrapolate.h"
#include "promql/functions/kernels.h"
#include "promql/functions/start_time.h"

namespace narthex::promql {
namespace {

using model::FloatHistogram;
using model::ResetHint;
using model::SampleColumns;
using Extension = WindowCall::Extension;

// One window of a series: samples [begin, end).
class MixedWindow {
 public:
  MixedWindow(const WindowCall& call, const SampleColumns& samples, const Row& row, size_t begin,
              size_t end)
      : call_(call), samples_(samples), row_(row), begin_(begin), end_(end) {
    for (size_t i = begin; i < end; ++i) histograms_ += samples.IsHistogram(i) ? 1 : 0;
  }

  size_t count() const { return end_ - begin_; }
  bool OnlyNumbers() const { return histograms_ == 0; }
  bool Mixed() const { return histograms_ != 0 && histograms_ != count(); }
  const FloatHistogram& first() const { return at(begin_); }
  const FloatHistogram& last() const { return at(end_ - 1); }
  const FloatHistogram& at(size_t i) const { return *samples_.histograms[i]; }
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
  bool ResetAt(size_t i, const FloatHistogram& before) const {
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
  const SampleColumns& samples_;
  const Row& row_;
  const size_t begin_;
  const size_t end_;
  size_t histograms_ = 0;
};

using MaybeHistogram = std::optional<FloatHistogram>;

FloatHistogram EmptyLike(const FloatHistogram& h) {
  FloatHistogram empty;
  empty.schema = h.schema;
  empty.custom_bounds = h.custom_bounds;
  return empty;
}

bool IsGauge(const FloatHistogram& h) { return h.hint == ResetHint::kGauge; }

// Last minus first histogram, and for a counter what stood before each reset. nullopt with a remark
// where they do not fit together. REQUIRES: histograms only, at least one.
// Source: upstream's histogramRate.
MaybeHistogram HistogramIncrease(const MixedWindow& window, bool counter) {
  if (counter && (IsGauge(window.first()) || IsGauge(window.last()))) window.WarnNotCounter();
  FloatHistogram first = window.first();
  // What was before a reset right after the first sample does not matter, nor does its layout.
  const bool reset_at_once =
      counter && window.count() > 1 && window.ResetAt(window.begin() + 1, first);
  if (reset_at_once) first = EmptyLike(window.at(window.begin() + 1));
  if (window.last().custom() != first.custom()) {
    window.WarnMixedSchemas();
    return std::nullopt;
  }
  if (counter) {
    for (size_t i = window.begin() + 1; i + 1 < window.end(); ++i) {
      if (IsGauge(window.at(i))) window.WarnNotCounter();
      if (window.at(i).custom() != first.custom()) {
        window.WarnMixedSchemas();
        return std::nullopt;
      }
    }
  }
  FloatHistogram result = window.last();
  window.InformReconciled(model::Subtract(result, first), "subtraction");
  if (counter) {
    window.WarnOfOverlaps();
    const FloatHistogram* before = &first;
    for (size_t i = window.begin() + 1; i < window.end(); ++i) {
      if (window.ResetAt(i, *before)) {
        window.InformReconciled(model::Add(result, *before), "addition");
      }
      before = &window.at(i);
    }
  } else if (!IsGauge(window.first()) || !IsGauge(window.last())) {
    window.WarnNotGauge();
  }
  result.hint = ResetHint::kGauge;
  result.Compact();
  return result;
}

void Set(const WindowCall& call, Row& row, size_t step, FloatHistogram histogram) {
  row.SetHistogram(step, std::make_shared<const FloatHistogram>(std::move(histogram)),
                   call.windows.steps);
}

double RangeSeconds(const WindowCall& call) {
  return static_cast<double>(call.windows.range) / 1000;
}

struct RateKind {
  bool counter;
  bool per_second;
};
RateKind KindOf(WindowFn base) { return {base != &Delta, base == &Rate}; }

void RateOf(const WindowCall& call, const MixedWindow& window, size_t step, Row& row) {
  const RateKind kind = KindOf(call.base);
  const model::Timestamp range_end = call.windows.End(step);
  const model::Timestamp start =
      kind.counter ? window.StartInside(range_end - call.windows.range) : 0;
  if (window.count() < 2 && start == 0) return;
  MaybeHistogram increase;
  if (window.count() > 1) {
    increase = HistogramIncrease(window, kind.counter);
    if (!increase) return;
  }
  if (start != 0) {
    if (!increase) {
      increase = window.first();
    } else if (increase->custom() != window.first().custom()) {
      return window.WarnMixedSchemas();
    } else {
      window.InformReconciled(model::Add(*increase, window.first()), "addition");
    }
  }
  double factor = ExtrapolationFactor({.first = window.time(window.begin()),
                                       .last = window.time(window.end() - 1),
                                       .count = window.count(),
                                       .range_start = range_end - call.windows.range,
                                       .range_end = range_end,
                                       .counter = kind.counter,
                                       .start = start,
                                       .first_value = window.first().count,
                                       .increase = increase->count});
  if (kind.per_second) factor /= RangeSeconds(call);
  increase->Multiply(factor);
  Set(call, row, step, *std::move(increase));
}

// irate and idelta, of the last two samples.
void LastTwo(const WindowCall& call, const MixedWindow& window, size_t step, Row& row) {
  if (window.count() < 2) return;
  const bool per_second = call.base == &Irate;
  const size_t i = window.end() - 1;
  const int64_t interval = window.time(i) - window.time(i - 1);
  const FloatHistogram& before = window.at(i - 1);
  FloatHistogram result = window.at(i);
  if (per_second && (IsGauge(before) || IsGauge(result))) window.WarnNotCounter();
  if (!per_second && (!IsGauge(before) || !IsGauge(result))) window.WarnNotGauge();
  if (!per_second || !window.ResetAt(i, before)) {
    if (before.custom() != result.custom()) return window.WarnMixedSchemas();
    window.InformReconciled(model::Subtract(result, before), "subtraction");
  }
  result.hint = ResetHint::kGauge;
  result.Compact();
  if (per_second) result.Divide(static_cast<double>(interval) / 1000);
  Set(call, row, step, std::move(result));
}

template <class Aggregate>
void Aggregated(const WindowCall& call, const MixedWindow& window, size_t step, Row& row,
                FloatHistogram (Aggregate::*result)() const) {
  Aggregate aggregate;
  model::CombineRemarks remarks;
  bool reset = false;
  bool not_reset = false;
  for (size_t i = window.begin(); i < window.end(); ++i) {
    const FloatHistogram& h = window.at(i);
    if (!aggregate.empty() && aggregate.custom() != h.custom()) return window.WarnMixedSchemas();
    remarks.bounds_reconciled |= aggregate.Add(h).bounds_reconciled;
    reset |= h.hint == ResetHint::kReset;
    not_reset |= h.hint == ResetHint::kNotReset;
  }
  remarks.reset_conflict = reset && not_reset;
  RemarkOnCombination(*call.annotations, call.at, remarks, "aggregation");
  Set(call, row, step, (aggregate.*result)());
}

// How often neighbours differ (changes) or the counter started anew (resets), numbers or not.
double CountEvents(const SampleColumns& samples, size_t begin, size_t end, bool resets) {
  double count = 0;
  for (size_t i = begin + 1; i < end; ++i) {
    bool happened = samples.IsHistogram(i) != samples.IsHistogram(i - 1);
    if (!happened && samples.IsHistogram(i)) {
      const FloatHistogram& now = *samples.histograms[i];
      const FloatHistogram& before = *samples.histograms[i - 1];
      happened = resets ? IsStartReset(samples, i) || now.DetectReset(before) : !now.SameAs(before);
    } else if (!happened) {
      const double now = samples.v[i];
      const double before = samples.v[i - 1];
      happened = resets ? now < before || IsStartReset(samples, i)
                        : now != before && !(std::isnan(now) && std::isnan(before));
    }
    if (happened) ++count;
  }
  return count;
}

// Functions of numbers pass over histograms.
void NumbersOnly(const WindowCall& call, WindowFn fn, const SampleColumns& samples, Row& row) {
  SampleColumns numbers;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (!samples.IsHistogram(i)) numbers.Add(samples.t[i], samples.v[i]);
  }
  if (numbers.size() > 0) fn(call, numbers, row);
  ForEachWindow(call.windows, samples.t, [&](size_t, size_t begin, size_t end) {
    const MixedWindow window(call, samples, row, begin, end);
    if (!window.Mixed()) return;
    call.annotations->Inform(
        call.at,
        "ignored histograms in a range containing both floats and histograms for metric name "
        "\"{}\"",
        window.name());
  });
}

// Samples of one anchored or smoothed window and its neighbours within the look-back.
struct Neighbourhood {
  size_t begin;
  size_t end;
  bool before;
  bool after;
};

template <class Visit>
void ForEachNeighbourhood(const WindowCall& call, const SampleColumns& samples, Visit&& visit) {
  size_t begin = 0;
  size_t end = 0;
  for (size_t step = 0; step < call.windows.steps; ++step) {
    const model::Timestamp stop = call.windows.End(step);
    const model::Timestamp start = stop - call.windows.range;
    while (end < samples.size() && samples.t[end] <= stop) ++end;
    while (begin < end && samples.t[begin] <= start) ++begin;
    const bool before = begin > 0 && samples.t[begin - 1] > start - call.lookback_ms;
    const bool after = end < samples.size() && samples.t[end] <= stop + call.lookback_ms;
    visit(step, Neighbourhood{begin, end, before, after});
  }
}

void Anchored(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachNeighbourhood(call, samples, [&](size_t step, const Neighbourhood& n) {
    if (n.begin == n.end) return;
    const size_t first = n.before ? n.begin - 1 : n.begin;
    const MixedWindow window(call, samples, row, first, n.end);
    if (window.OnlyNumbers()) return;
    row.Clear(step);
    if (call.base == &Changes || call.base == &Resets) {
      row.SetNumber(step, CountEvents(samples, first, n.end, call.base == &Resets));
      return;
    }
    if (window.Mixed()) return window.WarnMixedTypes();
    const RateKind kind = KindOf(call.base);
    MaybeHistogram increase = HistogramIncrease(window, kind.counter);
    if (!increase) return;
    if (kind.per_second) increase->Divide(RangeSeconds(call));
    Set(call, row, step, *std::move(increase));
  });
}

double Share(const SampleColumns& samples, size_t i, model::Timestamp t) {
  return static_cast<double>(t - samples.t[i]) /
         static_cast<double>(samples.t[i + 1] - samples.t[i]);
}

// The rise between the interpolated ends. REQUIRES: histograms of one kind only.
FloatHistogram SmoothedRise(const MixedWindow& all, const SampleColumns& samples,
                            const Neighbourhood& n, model::Timestamp start, model::Timestamp stop,
                            bool counter) {
  const auto edge = [&](size_t i, model::Timestamp t) {
    if (samples.t[i] == t) return all.at(i);
    return Interpolate(all.at(i), all.at(i + 1), Share(samples, i, t), counter);
  };
  if (n.begin == n.end) {
    FloatHistogram rise = edge(n.begin - 1, stop);
    model::Subtract(rise, edge(n.begin - 1, start));
    return rise;
  }
  const size_t last = n.end - 1;
  FloatHistogram rise = all.at(last);
  model::Subtract(rise, all.at(n.begin));
  if (counter) {
    for (size_t i = n.begin + 1; i <= last; ++i) {
      if (all.at(i).DetectReset(all.at(i - 1))) model::Add(rise, all.at(i - 1));
    }
  }
  if (n.before) {
    model::Add(rise, all.at(n.begin));
    model::Subtract(rise, edge(n.begin - 1, start));
    // From an exact sample to the next one there can be a reset.
    const bool exact = samples.t[n.begin - 1] == start;
    if (counter && exact && all.at(n.begin).DetectReset(all.at(n.begin - 1))) {
      model::Add(rise, all.at(n.begin - 1));
    }
  }
  if (n.after && samples.t[last] != stop) {
    FloatHistogram more = all.at(last + 1);
    // A counter that started anew goes on from where it was.
    if (!counter || !more.DetectReset(all.at(last))) model::Subtract(more, all.at(last));
    more.Multiply(Share(samples, last, stop));
    model::Add(rise, more);
  }
  return rise;
}

void Smoothed(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachNeighbourhood(call, samples, [&](size_t step, const Neighbourhood& n) {
    if (n.begin == n.end && (!n.before || !n.after)) return;
    const model::Timestamp stop = call.windows.End(step);
    const size_t first = n.before ? n.begin - 1 : n.begin;
    const bool looks_ahead = n.after && (n.begin == n.end || samples.t[n.end - 1] != stop);
    const size_t end = looks_ahead ? n.end + 1 : n.end;
    const MixedWindow window(call, samples, row, first, end);
    if (window.OnlyNumbers()) return;
    row.Clear(step);
    if (window.Mixed()) return window.WarnMixedTypes();
    const RateKind kind = KindOf(call.base);
    bool gauges = true;
    for (size_t i = first; i < end; ++i) {
      if (window.at(i).custom() != window.first().custom()) return window.WarnMixedSchemas();
      if (kind.counter && IsGauge(window.at(i))) window.WarnNotCounter();
      gauges &= IsGauge(window.at(i));
    }
    if (!kind.counter && !gauges) window.WarnNotGauge();
    FloatHistogram rise =
        SmoothedRise(window, samples, n, stop - call.windows.range, stop, kind.counter);
    rise.hint = ResetHint::kGauge;
    rise.Compact();
    if (kind.per_second) rise.Divide(RangeSeconds(call));
    Set(call, row, step, std::move(rise));
  });
}

bool IsForNumbersOnly(WindowFn base) {
  static constexpr WindowFn kFunctions[] = {
      &MinOverTime,      &MaxOverTime,    &StddevOverTime,
      &StdvarOverTime,   &Deriv,          &PredictLinear,
      &QuantileOverTime, &MadOverTime,    &DoubleExponentialSmoothing,
      &TsOfMinOverTime,  &TsOfMaxOverTime};
  return std::ranges::find(kFunctions, base) != std::end(kFunctions);
}

}  // namespace

void ApplyToMixed(const WindowCall& call, WindowFn fn, const SampleColumns& samples, Row& row) {
  if (IsForNumbersOnly(call.base)) return NumbersOnly(call, fn, samples, row);
  fn(call, samples, row);
  if (call.extension == Extension::kAnchored) return Anchored(call, samples, row);
  if (call.extension == Extension::kSmoothed) return Smoothed(call, samples, row);
  const WindowFn base = call.base;
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t end) {
    const MixedWindow window(call, samples, row, begin, end);
    if (window.OnlyNumbers()) return;
    if (base == &FirstOverTime || base == &LastOverTime) {
      const size_t i = base == &FirstOverTime ? begin : end - 1;
      if (!samples.IsHistogram(i)) return;
      row.SetHistogram(step, samples.histograms[i], call.windows.steps);
    } else if (base == &Changes || base == &Resets) {
      row.SetNumber(step, CountEvents(samples, begin, end, base == &Resets));
    } else if (base == &Irate || base == &Idelta) {
      const MixedWindow last_two(call, samples, row, std::max(begin + 2, end) - 2, end);
      if (last_two.OnlyNumbers()) return;
      row.Clear(step);
      if (end - begin < 2) return;
      if (last_two.Mixed()) return last_two.WarnMixedTypes();
      LastTwo(call, last_two, step, row);
    } else if (base == &SumOverTime || base == &AvgOverTime) {
      row.Clear(step);
      if (window.Mixed()) return window.WarnMixedTypes();
      if (base == &SumOverTime) {
        Aggregated<model::HistogramSum>(call, window, step, row, &model::HistogramSum::Total);
      } else {
        Aggregated<model::HistogramMean>(call, window, step, row, &model::HistogramMean::Mean);
      }
    } else if (base == &Rate || base == &Increase || base == &Delta) {
      row.Clear(step);
      if (window.Mixed()) return window.WarnMixedTypes();
      RateOf(call, window, step, row);
    }
    // All others look at times only.
  });
}

FloatHistogram Interpolate(const FloatHistogram& before, const FloatHistogram& after, double share,
                           bool counter) {
  FloatHistogram result = after;
  if (counter && after.DetectReset(before)) {
    result.Multiply(share);
    return result;
  }
  const ResetHint hint = result.hint;
  model::Subtract(result, before);
  result.Multiply(share);
  model::Add(result, before);
  result.hint = hint;
  return result;
}

void WarnOfMixedTypes(Annotations& annotations, Position at, std::string_view name) {
  annotations.Warn(at, "encountered a mix of histograms and floats for metric name \"{}\"", name);
}

void WarnOfMixedSchemas(Annotations& annotations, Position at, std::string_view name) {
  annotations.Warn(at,
                   "vector contains a mix of histograms with exponential and custom buckets "
                   "schemas for metric name \"{}\"",
                   name);
}

void RemarkOnCombination(Annotations& annotations, Position at,
                         const model::CombineRemarks& remarks, std::string_view operation) {
  if (remarks.reset_conflict) {
    annotations.Warn(at, "conflicting counter resets during histogram {}", operation);
  }
  if (remarks.bounds_reconciled) {
    annotations.Inform(at, "mismatched custom buckets were reconciled during {}", operation);
  }
}

}  // namespace narthex::promql
