// Anchored and smoothed windows with native histograms.

#include "promql/functions/mixed_window.h"

namespace narthex::promql {
namespace {

using model::FloatHistogram;
using model::ResetHint;
using model::SampleColumns;

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
    if (call.bounds->watch().Spend(end - begin + 1)) return;
    const bool before = begin > 0 && samples.t[begin - 1] > start - call.lookback_ms;
    const bool after = end < samples.size() && samples.t[end] <= stop + call.lookback_ms;
    visit(step, Neighbourhood{begin, end, before, after});
  }
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

}  // namespace narthex::promql
