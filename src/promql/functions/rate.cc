#include <algorithm>
#include <cmath>

#include "promql/functions/extrapolate.h"
#include "promql/functions/kernels.h"
#include "promql/functions/start_time.h"
#include "promql/functions/wide.h"

namespace narthex::promql {
namespace {

using model::SampleColumns;

enum class Kind { kRate, kIncrease, kDelta };

// Most counters fall nowhere, and those that do fall seldom.
NARTHEX_WIDE bool Falls(const double* values, size_t count) {
  int64_t falls = 0;  // As wide as what is compared.
  for (size_t i = 1; i < count; ++i) falls |= values[i] < values[i - 1] ? 1 : 0;
  return falls != 0;
}

bool FallsAnywhere(const std::vector<double>& values, Watch& watch) {
  bool falls = false;
  watch.InStretches(1, values.size(), [&](size_t from, size_t to) {
    falls |= Falls(values.data() + from - 1, to - from + 1);
  });
  return falls;
}

// Where a counter started anew: positions whose value is below the one before, or whose start
// lies between the two.
std::vector<size_t> ResetPositions(const SampleColumns& samples, Watch& watch) {
  constexpr size_t kPiece = 64;
  std::vector<size_t> positions;
  const bool starts = samples.HasStarts();
  for (size_t begin = 1; begin < samples.size(); begin += kPiece) {
    const size_t end = std::min(begin + kPiece, samples.size());
    if (watch.Spend(kPiece)) break;
    if (!starts && !Falls(samples.v.data() + begin - 1, end - begin + 1)) continue;
    for (size_t i = begin; i < end; ++i) {
      if (samples.v[i] < samples.v[i - 1] || IsStartReset(samples, i)) positions.push_back(i);
    }
  }
  return positions;
}

double RangeSeconds(const WindowCall& call) {
  return static_cast<double>(call.windows.range) / 1000;
}

// Where the window of a step lies; nothing of its values.
ExtrapolationInput TimesOf(const WindowCall& call, const SampleColumns& samples, size_t step,
                           size_t begin, size_t end) {
  const model::Timestamp range_end = call.windows.End(step);
  return {.first = samples.t[begin],
          .last = samples.t[end - 1],
          .count = end - begin,
          .range_start = range_end - call.windows.range,
          .range_end = range_end,
          .counter = false,
          .first_value = 0,
          .increase = 0};
}

// What an increase is multiplied with where nothing keeps it from being extrapolated.
const double* Factors(const WindowCall& call, const SampleColumns& samples, WindowBounds& bounds,
                      bool per_second) {
  return bounds.Column(0, [&](double* factors) {
    ForEachPresent(bounds.with_two().data(), bounds.steps(), bounds.watch(), [&](size_t step) {
      factors[step] = ExtrapolationFactor(
          TimesOf(call, samples, step, bounds.begins()[step], bounds.ends()[step]));
      if (per_second) factors[step] /= RangeSeconds(call);
    });
  });
}

// A counter is not extrapolated below zero where its first value is more than this share of its
// increase. Rounded upwards, so that whoever is near has to be looked at again.
const double* ZeroShares(const WindowCall& call, const SampleColumns& samples,
                         WindowBounds& bounds) {
  constexpr double kRoundUp = 1 + 1e-9;
  return bounds.Column(1, [&](double* shares) {
    ForEachPresent(bounds.with_two().data(), bounds.steps(), bounds.watch(), [&](size_t step) {
      const ExtrapolationReach reach =
          ReachOf(TimesOf(call, samples, step, bounds.begins()[step], bounds.ends()[step]));
      shares[step] = reach.to_start / reach.sampled * kRoundUp;
    });
  });
}

// First values of windows and what the last ones are above them; anything for empty windows.
void TakeIncreases(const std::vector<double>& values, const WindowBounds& bounds, StepRange steps,
                   double* firsts, double* increases) {
  for (size_t step = steps.begin; step < steps.end; ++step) {
    const uint32_t end = bounds.ends()[step];
    firsts[step] = values[bounds.begins()[step]];
    increases[step] = values[end - (end > 0 ? 1 : 0)] - firsts[step];
  }
}

// True where some counter might be extrapolated below zero.
NARTHEX_WIDE bool AnyNearZero(StepRange steps, const double* firsts, const double* increases,
                              const double* shares) {
  int64_t any = 0;  // As wide as what is compared.
  for (size_t step = steps.begin; step < steps.end; ++step) {
    const int64_t rises = increases[step] > 0 ? 1 : 0;
    const int64_t positive = firsts[step] >= 0 ? 1 : 0;
    const int64_t near = firsts[step] > increases[step] * shares[step] ? 0 : 1;
    any |= rises & positive & near;
  }
  return any != 0;
}

NARTHEX_WIDE void Multiply(StepRange steps, const double* factors, double* values) {
  for (size_t step = steps.begin; step < steps.end; ++step) values[step] *= factors[step];
}

// Adds addends[from[step], to[step]) in order to each sum. Several steps at a time, whose additions
// do not wait for each other.
NARTHEX_WIDE void AddStretches(const double* addends, const uint32_t* from, const uint32_t* to,
                               size_t steps, Watch& watch, double* sums) {
  constexpr size_t kSteps = 8;
  size_t step = 0;
  for (; step + kSteps <= steps; step += kSteps) {
    uint32_t common = to[step] - from[step];
    for (size_t i = 1; i < kSteps; ++i) common = std::min(common, to[step + i] - from[step + i]);
    if (watch.Spend(kSteps * (to[step] - from[step] + size_t{1}))) return;
    double sum[kSteps];
    for (size_t i = 0; i < kSteps; ++i) sum[i] = sums[step + i];
    for (uint32_t k = 0; k < common; ++k) {
      for (size_t i = 0; i < kSteps; ++i) sum[i] += addends[from[step + i] + k];
    }
    for (size_t i = 0; i < kSteps; ++i) {
      for (uint32_t k = from[step + i] + common; k < to[step + i]; ++k) sum[i] += addends[k];
      sums[step + i] = sum[i];
    }
  }
  for (; step < steps; ++step) {
    for (uint32_t k = from[step]; k < to[step]; ++k) sums[step] += addends[k];
  }
}

// Adds what was lost at the resets within each window.
void AddResets(const SampleColumns& samples, const std::vector<size_t>& resets,
               const WindowBounds& bounds, double* increases) {
  std::vector<double> lost;
  for (const size_t position : resets) lost.push_back(samples.v[position - 1]);
  // Of each window: the resets behind its first sample, up to its last.
  std::vector<uint32_t> from(bounds.steps());
  std::vector<uint32_t> to(bounds.steps());
  uint32_t first = 0;
  uint32_t last = 0;
  bounds.ForEach([&](size_t step, size_t begin, size_t end) {
    while (first < resets.size() && resets[first] <= begin) ++first;
    last = std::max(last, first);
    while (last < resets.size() && resets[last] < end) ++last;
    from[step] = first;
    to[step] = last;
  });
  AddStretches(lost.data(), from.data(), to.data(), bounds.steps(), bounds.watch(), increases);
}

template <Kind kind>
void Extrapolate(const WindowCall& call, const SampleColumns& samples, Row& row) {
  constexpr bool kCounter = kind != Kind::kDelta;
  constexpr bool kPerSecond = kind == Kind::kRate;
  WindowBounds& bounds = call.BoundsOf(samples.t);
  const double* const factors = Factors(call, samples, bounds, kPerSecond);
  Watch& watch = bounds.watch();
  const auto in_stretches = [&](auto&& visit) {
    watch.InStretches(0, bounds.steps(),
                      [&](size_t from, size_t to) { visit(StepRange{from, to}); });
  };
  std::vector<double> firsts(bounds.steps());
  in_stretches(
      [&](StepRange steps) { TakeIncreases(samples.v, bounds, steps, firsts.data(), row.values); });
  bool near_zero = false;
  if (kCounter) {
    if (FallsAnywhere(samples.v, watch)) {
      AddResets(samples, ResetPositions(samples, watch), bounds, row.values);
    }
    const double* const shares = ZeroShares(call, samples, bounds);
    in_stretches([&](StepRange steps) {
      near_zero |= AnyNearZero(steps, firsts.data(), row.values, shares);
    });
  }
  if (!near_zero) {
    in_stretches([&](StepRange steps) { Multiply(steps, factors, row.values); });
  } else {
    bounds.ForEach([&](size_t step, size_t begin, size_t end) {
      if (end - begin < 2) return;
      ExtrapolationInput input = TimesOf(call, samples, step, begin, end);
      input.counter = true;
      input.first_value = firsts[step];
      input.increase = row.values[step];
      double factor = ExtrapolationFactor(input);
      if (kPerSecond) factor /= RangeSeconds(call);
      row.values[step] *= factor;
    });
  }
  row.SetPresent(bounds.with_two());
}

// Counters whose start is known for some samples.
template <Kind kind>
void ExtrapolateWithStarts(const WindowCall& call, const SampleColumns& samples, Row& row) {
  const WindowBounds& bounds = call.BoundsOf(samples.t);
  const std::vector<size_t> resets = ResetPositions(samples, bounds.watch());
  size_t first_reset = 0;
  bounds.ForEach([&](size_t step, size_t begin, size_t end) {
    ExtrapolationInput input = TimesOf(call, samples, step, begin, end);
    input.start = StartInside(samples, begin, input.range_start);
    if (end - begin < 2 && input.start == 0) return;
    double increase = samples.v[end - 1] - samples.v[begin];
    while (first_reset < resets.size() && resets[first_reset] <= begin) ++first_reset;
    for (size_t i = first_reset; i < resets.size() && resets[i] < end; ++i) {
      increase += samples.v[resets[i] - 1];
    }
    if (input.start != 0) increase += samples.v[begin];
    WarnOfStartOverlaps(samples, begin, end, *call.annotations, call.at,
                        row.labels.Get(model::kMetricName));
    input.counter = true;
    input.first_value = samples.v[begin];
    input.increase = increase;
    double factor = ExtrapolationFactor(input);
    if (kind == Kind::kRate) factor /= RangeSeconds(call);
    row.Set(step, increase * factor);
  });
}

template <bool per_second>
void LastTwo(const WindowCall& call, const SampleColumns& samples, Row& row) {
  call.BoundsOf(samples.t).ForEach([&](size_t step, size_t begin, size_t end) {
    if (end - begin < 2) return;
    const int64_t interval = samples.t[end - 1] - samples.t[end - 2];
    if (interval == 0) return;
    const double last = samples.v[end - 1];
    const double before = samples.v[end - 2];
    if (!per_second) return row.Set(step, last - before);
    // A counter that began anew rose from zero.
    const bool reset = last < before || IsStartReset(samples, end - 1);
    const double increase = reset ? last : last - before;
    row.Set(step, increase / (static_cast<double>(interval) / 1000));
  });
}

// Counts the positions in (begin, end) where `happened(i)` holds, by prefix sums.
template <class Happened>
void CountBetween(const WindowCall& call, const SampleColumns& samples, Row& row,
                  Happened&& happened) {
  std::vector<uint32_t> before(samples.size() + 1);
  const WindowBounds& bounds = call.BoundsOf(samples.t);
  const auto count = [&](size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) {
      before[i + 1] = before[i] + (i > 0 && happened(i) ? 1 : 0);
    }
  };
  if (!bounds.watch().InStretches(0, samples.size(), count)) return;
  bounds.ForEach([&](size_t step, size_t begin, size_t end) {
    row.Set(step, static_cast<double>(before[end] - before[begin + 1]));
  });
}

}  // namespace

ExtrapolationReach ReachOf(const ExtrapolationInput& in) {
  ExtrapolationReach reach{
      .to_start = static_cast<double>(in.first - in.range_start) / 1000,
      .to_end = static_cast<double>(in.range_end - in.last) / 1000,
      .sampled = static_cast<double>(in.last - in.first) / 1000,
  };
  const double spacing = in.count > 1 ? reach.sampled / static_cast<double>(in.count - 1) : 0;
  const double threshold = spacing * 1.1;
  if (reach.to_start >= threshold) reach.to_start = spacing / 2;
  if (reach.to_end >= threshold) reach.to_end = spacing / 2;
  return reach;
}

double ExtrapolationFactor(const ExtrapolationInput& in) {
  auto [to_start, to_end, sampled] = ReachOf(in);
  if (in.start != 0) {
    to_start = 0;
    sampled = static_cast<double>(in.last - in.start) / 1000;
  } else if (in.counter && in.increase > 0 && in.first_value >= 0) {
    const double to_zero = sampled * (in.first_value / in.increase);
    if (to_zero < to_start) to_start = to_zero;
  }
  return (sampled + to_start + to_end) / sampled;
}

void Rate(const WindowCall& call, const SampleColumns& samples, Row& row) {
  if (samples.HasStarts()) return ExtrapolateWithStarts<Kind::kRate>(call, samples, row);
  Extrapolate<Kind::kRate>(call, samples, row);
}

void Increase(const WindowCall& call, const SampleColumns& samples, Row& row) {
  if (samples.HasStarts()) return ExtrapolateWithStarts<Kind::kIncrease>(call, samples, row);
  Extrapolate<Kind::kIncrease>(call, samples, row);
}

void Delta(const WindowCall& call, const SampleColumns& samples, Row& row) {
  Extrapolate<Kind::kDelta>(call, samples, row);
}

void Irate(const WindowCall& call, const SampleColumns& samples, Row& row) {
  LastTwo<true>(call, samples, row);
}

void Idelta(const WindowCall& call, const SampleColumns& samples, Row& row) {
  LastTwo<false>(call, samples, row);
}

void Changes(const WindowCall& call, const SampleColumns& samples, Row& row) {
  CountBetween(call, samples, row, [&](size_t i) {
    const double now = samples.v[i];
    const double before = samples.v[i - 1];
    return now != before && !(std::isnan(now) && std::isnan(before));
  });
}

void Resets(const WindowCall& call, const SampleColumns& samples, Row& row) {
  CountBetween(call, samples, row, [&](size_t i) {
    return samples.v[i] < samples.v[i - 1] || IsStartReset(samples, i);
  });
}

}  // namespace narthex::promql
