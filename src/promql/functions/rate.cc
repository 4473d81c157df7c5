#include <cmath>

#include "promql/functions/extrapolate.h"
#include "promql/functions/kernels.h"
#include "promql/functions/start_time.h"

namespace narthex::promql {
namespace {

using model::SampleColumns;

enum class Kind { kRate, kIncrease, kDelta };

// Where a counter started anew: positions whose value is below the one before, or whose start
// lies between the two.
std::vector<size_t> ResetPositions(const SampleColumns& samples) {
  std::vector<size_t> positions;
  for (size_t i = 1; i < samples.size(); ++i) {
    if (samples.v[i] < samples.v[i - 1] || IsStartReset(samples, i)) positions.push_back(i);
  }
  return positions;
}

template <Kind kind>
void Extrapolate(const WindowCall& call, const SampleColumns& samples, Row& row) {
  constexpr bool kCounter = kind != Kind::kDelta;
  std::vector<size_t> resets;
  if (kCounter) resets = ResetPositions(samples);
  size_t first_reset = 0;
  const double range_seconds = static_cast<double>(call.windows.range) / 1000;
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t end) {
    const model::Timestamp range_end = call.windows.End(step);
    const model::Timestamp range_start = range_end - call.windows.range;
    const model::Timestamp start = kCounter ? StartInside(samples, begin, range_start) : 0;
    if (end - begin < 2 && start == 0) return;
    double increase = samples.v[end - 1] - samples.v[begin];
    while (first_reset < resets.size() && resets[first_reset] <= begin) ++first_reset;
    for (size_t i = first_reset; i < resets.size() && resets[i] < end; ++i) {
      increase += samples.v[resets[i] - 1];
    }
    if (kCounter && samples.HasStarts()) {
      if (start != 0) increase += samples.v[begin];
      WarnOfStartOverlaps(samples, begin, end, *call.annotations, call.at,
                          row.labels.Get(model::kMetricName));
    }
    double factor = ExtrapolationFactor({.first = samples.t[begin],
                                         .last = samples.t[end - 1],
                                         .count = end - begin,
                                         .range_start = range_start,
                                         .range_end = range_end,
                                         .counter = kCounter,
                                         .start = start,
                                         .first_value = samples.v[begin],
                                         .increase = increase});
    if (kind == Kind::kRate) factor /= range_seconds;
    row.Set(step, increase * factor);
  });
}

template <bool per_second>
void LastTwo(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t end) {
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
  for (size_t i = 0; i < samples.size(); ++i) {
    before[i + 1] = before[i] + (i > 0 && happened(i) ? 1 : 0);
  }
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t end) {
    row.Set(step, static_cast<double>(before[end] - before[begin + 1]));
  });
}

}  // namespace

double ExtrapolationFactor(const ExtrapolationInput& in) {
  double to_start = static_cast<double>(in.first - in.range_start) / 1000;
  double to_end = static_cast<double>(in.range_end - in.last) / 1000;
  double sampled = static_cast<double>(in.last - in.first) / 1000;
  const double spacing = in.count > 1 ? sampled / static_cast<double>(in.count - 1) : 0;
  const double threshold = spacing * 1.1;
  if (to_start >= threshold) to_start = spacing / 2;
  if (in.start != 0) {
    to_start = 0;
    sampled = static_cast<double>(in.last - in.start) / 1000;
  } else if (in.counter) {
    double to_zero = to_start;
    if (in.increase > 0 && in.first_value >= 0) to_zero = sampled * (in.first_value / in.increase);
    if (to_zero < to_start) to_start = to_zero;
  }
  if (to_end >= threshold) to_end = spacing / 2;
  return (sampled + to_start + to_end) / sampled;
}

void Rate(const WindowCall& call, const SampleColumns& samples, Row& row) {
  Extrapolate<Kind::kRate>(call, samples, row);
}

void Increase(const WindowCall& call, const SampleColumns& samples, Row& row) {
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
