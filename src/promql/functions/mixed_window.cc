#include "promql/functions/mixed_window.h"

#include <cmath>

namespace narthex::promql {
namespace {

using model::FloatHistogram;
using model::ResetHint;
using model::SampleColumns;

FloatHistogram EmptyLike(const FloatHistogram& h) {
  FloatHistogram empty;
  empty.schema = h.schema;
  empty.custom_bounds = h.custom_bounds;
  return empty;
}

}  // namespace

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

}  // namespace narthex::promql
