#include "promql/functions/extended.h"

#include <cmath>
#include <optional>

#include "promql/functions/kernels.h"
#include "promql/functions/neighbourhood.h"
#include "promql/functions/start_time.h"

namespace narthex::promql {
namespace {

using model::SampleColumns;

enum class Kind { kRate, kIncrease, kDelta, kChanges, kResets };

// How much a value rose from sample `first` to `last`, counting falls as new starts for counters.
double Rise(const SampleColumns& samples, size_t first, size_t last, bool counter) {
  double rise = samples.v[last] - samples.v[first];
  if (!counter) return rise;
  for (size_t i = first + 1; i <= last; ++i) {
    if (samples.v[i] < samples.v[i - 1]) rise += samples.v[i - 1];
  }
  return rise;
}

template <Kind kind>
double Count(const SampleColumns& samples, size_t first, size_t last) {
  double count = 0;
  for (size_t i = first + 1; i <= last; ++i) {
    const double now = samples.v[i];
    const double before = samples.v[i - 1];
    const bool changed = now != before && !(std::isnan(now) && std::isnan(before));
    if (kind == Kind::kResets ? now < before || IsStartReset(samples, i) : changed) ++count;
  }
  return count;
}

double Scale(Kind kind, double rise, const WindowCall& call) {
  return kind == Kind::kRate ? rise / (static_cast<double>(call.windows.range) / 1000) : rise;
}

template <Kind kind>
void Anchored(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachNeighbourhood(call, samples, [&](size_t step, const Neighbourhood& n) {
    if (n.begin == n.end) return;
    const size_t first = n.before ? n.begin - 1 : n.begin;
    const size_t last = n.end - 1;
    if constexpr (kind == Kind::kChanges || kind == Kind::kResets) {
      row.Set(step, Count<kind>(samples, first, last));
    } else {
      const double rise = Rise(samples, first, last, kind != Kind::kDelta);
      row.Set(step, Scale(kind, rise, call));
    }
  });
}

// The value at time t on the line from sample i to sample i + 1, whose values may be replaced.
double Interpolate(const SampleColumns& samples, size_t i, double from, double to,
                   model::Timestamp t) {
  const auto span = static_cast<double>(samples.t[i + 1] - samples.t[i]);
  return from + (to - from) * (static_cast<double>(t - samples.t[i]) / span);
}

// At the start of a window a counter that fell is taken to have started from zero.
double LeftEdge(const SampleColumns& samples, size_t i, model::Timestamp t, bool counter) {
  if (samples.t[i] == t) return samples.v[i];
  const bool fell = counter && samples.v[i + 1] < samples.v[i];
  return Interpolate(samples, i, fell ? 0 : samples.v[i], samples.v[i + 1], t);
}

// At the end it goes on from where it was.
double RightEdge(const SampleColumns& samples, size_t i, model::Timestamp t, bool counter) {
  if (samples.t[i] == t) return samples.v[i];
  const bool fell = counter && samples.v[i + 1] < samples.v[i];
  return Interpolate(samples, i, samples.v[i], samples.v[i + 1] + (fell ? samples.v[i] : 0), t);
}

std::optional<double> SmoothedRise(const SampleColumns& samples, const Neighbourhood& n,
                                   bool counter) {
  if (n.begin == n.end) {
    // Both edges lie between the same two samples.
    if (!n.before || !n.after) return std::nullopt;
    const size_t i = n.begin - 1;
    return LeftEdge(samples, i, n.stop, counter) - LeftEdge(samples, i, n.start, counter);
  }
  const size_t last = n.end - 1;
  double rise = Rise(samples, n.begin, last, counter);
  if (n.before) {
    const double left = LeftEdge(samples, n.begin - 1, n.start, counter);
    const double first = samples.v[n.begin];
    rise += first - left;
    // From an exact sample to the next one there can be a reset.
    if (counter && first < left) rise += left;
  }
  if (n.after) rise += RightEdge(samples, last, n.stop, counter) - samples.v[last];
  return rise;
}

template <Kind kind>
void Smoothed(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachNeighbourhood(call, samples, [&](size_t step, const Neighbourhood& n) {
    const auto rise = SmoothedRise(samples, n, kind != Kind::kDelta);
    if (rise) row.Set(step, Scale(kind, *rise, call));
  });
}

}  // namespace

WindowFn ExtendedVariant(WindowFn fn, bool smoothed) {
  if (fn == &Rate) return smoothed ? Smoothed<Kind::kRate> : Anchored<Kind::kRate>;
  if (fn == &Increase) return smoothed ? Smoothed<Kind::kIncrease> : Anchored<Kind::kIncrease>;
  if (fn == &Delta) return smoothed ? Smoothed<Kind::kDelta> : Anchored<Kind::kDelta>;
  if (smoothed) return nullptr;
  if (fn == &Changes) return Anchored<Kind::kChanges>;
  if (fn == &Resets) return Anchored<Kind::kResets>;
  return nullptr;
}

}  // namespace narthex::promql
