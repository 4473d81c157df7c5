// Anchored and smoothed windows with native histograms.

#include "promql/functions/mixed_window.h"
#include "promql/functions/neighbourhood.h"

namespace narthex::promql {
namespace {

using model::FloatHistogram;
using model::ResetHint;
using model::SampleColumns;

double Share(const SampleColumns& samples, size_t i, model::Timestamp t) {
  return static_cast<double>(t - samples.t[i]) /
         static_cast<double>(samples.t[i + 1] - samples.t[i]);
}

// The rise between the interpolated ends. REQUIRES: histograms of one kind only.
FloatHistogram SmoothedRise(const MixedWindow& all, const SampleColumns& samples,
                            const Neighbourhood& n, bool counter) {
  const auto edge = [&](size_t i, model::Timestamp t) {
    if (samples.t[i] == t) return all.at(i);
    return Interpolate(all.at(i), all.at(i + 1), Share(samples, i, t), counter);
  };
  if (n.begin == n.end) {
    FloatHistogram rise = edge(n.begin - 1, n.stop);
    model::Subtract(rise, edge(n.begin - 1, n.start));
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
    model::Subtract(rise, edge(n.begin - 1, n.start));
    // From an exact sample to the next one there can be a reset.
    const bool exact = samples.t[n.begin - 1] == n.start;
    if (counter && exact && all.at(n.begin).DetectReset(all.at(n.begin - 1))) {
      model::Add(rise, all.at(n.begin - 1));
    }
  }
  if (n.after && samples.t[last] != n.stop) {
    FloatHistogram more = all.at(last + 1);
    // A counter that started anew goes on from where it was.
    if (!counter || !more.DetectReset(all.at(last))) model::Subtract(more, all.at(last));
    more.Multiply(Share(samples, last, n.stop));
    model::Add(rise, more);
  }
  return rise;
}

}  // namespace

void AnchoredHistograms(const WindowCall& call, const SampleColumns& samples, Row& row) {
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

void SmoothedHistograms(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachNeighbourhood(call, samples, [&](size_t step, const Neighbourhood& n) {
    if (n.begin == n.end && (!n.before || !n.after)) return;
    const size_t first = n.before ? n.begin - 1 : n.begin;
    const bool looks_ahead = n.after && (n.begin == n.end || samples.t[n.end - 1] != n.stop);
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
    FloatHistogram rise = SmoothedRise(window, samples, n, kind.counter);
    rise.hint = ResetHint::kGauge;
    rise.Compact();
    if (kind.per_second) rise.Divide(RangeSeconds(call));
    Set(call, row, step, std::move(rise));
  });
}

}  // namespace narthex::promql
