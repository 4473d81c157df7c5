#include "tsdb/head/intervals.h"

#include <algorithm>

namespace narthex::tsdb {

using model::TimeRange;
using model::Timestamp;

void AddInterval(Intervals& intervals, TimeRange added) {
  Intervals result;
  for (const TimeRange& range : intervals) {
    // Neighbours by one millisecond are one range. Careful at the ends of time.
    const bool before = added.min != model::kTimestampMin && range.max < added.min - 1;
    const bool after = added.max != model::kTimestampMax && range.min > added.max + 1;
    if (before || after) {
      result.push_back(range);
    } else {
      added = {std::min(added.min, range.min), std::max(added.max, range.max)};
    }
  }
  result.push_back(added);
  std::ranges::sort(result, {}, &TimeRange::min);
  intervals = std::move(result);
}

bool IsDeleted(const Intervals& intervals, Timestamp t) {
  const auto after = std::ranges::upper_bound(intervals, t, {}, &TimeRange::min);
  return after != intervals.begin() && std::prev(after)->max >= t;
}

bool CoversAll(const Intervals& intervals, TimeRange range) {
  const auto after = std::ranges::upper_bound(intervals, range.min, {}, &TimeRange::min);
  return after != intervals.begin() && std::prev(after)->max >= range.max;
}

void DropDeleted(const Intervals& intervals, model::SampleColumns& samples) {
  if (intervals.empty()) return;
  size_t kept = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (IsDeleted(intervals, samples.t[i])) continue;
    samples.t[kept] = samples.t[i];
    samples.v[kept] = samples.v[i];
    ++kept;
  }
  samples.t.resize(kept);
  samples.v.resize(kept);
}

}  // namespace narthex::tsdb
