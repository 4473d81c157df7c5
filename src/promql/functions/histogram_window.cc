#include "promql/functions/histogram_window.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "promql/functions/extrapolate.h"
#include "promql/functions/mixed_window.h"

namespace narthex::promql {
namespace {

using model::FloatHistogram;
using model::ResetHint;
using model::SampleColumns;
using Extension = WindowCall::Extension;

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

// Functions of numbers pass over histograms.
void NumbersOnly(const WindowCall& call, WindowFn fn, const SampleColumns& samples, Row& row) {
  SampleColumns numbers;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (!samples.IsHistogram(i)) numbers.Add(samples.t[i], samples.v[i]);
  }
  if (numbers.size() > 0) fn(call, numbers, row);
  ForEachWindow(
      call.windows, samples.t, call.bounds->watch(), [&](size_t, size_t begin, size_t end) {
        const MixedWindow window(call, samples, row, begin, end);
        if (!window.Mixed()) return;
        call.annotations->Inform(
            call.at,
            "ignored histograms in a range containing both floats and histograms for metric name "
            "\"{}\"",
            window.name());
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
  if (call.extension == Extension::kAnchored) return AnchoredHistograms(call, samples, row);
  if (call.extension == Extension::kSmoothed) return SmoothedHistograms(call, samples, row);
  const WindowFn base = call.base;
  Watch& watch = call.bounds->watch();
  ForEachWindow(call.windows, samples.t, watch, [&](size_t step, size_t begin, size_t end) {
    if (watch.Spend(kHistogramWork * (end - begin))) return;
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
