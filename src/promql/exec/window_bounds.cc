#include "promql/exec/window_bounds.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace narthex::promql {
namespace {

int64_t EvenSpacing(std::span<const model::Timestamp> times) {
  if (times.size() < 2) return 0;
  const int64_t spacing = times[1] - times[0];
  for (size_t i = 2; i < times.size(); ++i) {
    if (times[i] - times[i - 1] != spacing) return 0;
  }
  return spacing;
}

}  // namespace

void WindowBounds::MoveTo(std::span<const model::Timestamp> times) {
  CHECK(!times.empty());
  if (times.size() == times_.size() &&
      std::memcmp(times.data(), times_.data(), times.size_bytes()) == 0) {
    return;
  }
  ++version_;
  times_.assign(times.begin(), times.end());
  spacing_ms_ = EvenSpacing(times);
  begins_.assign(windows_.steps, 0);
  ends_.assign(windows_.steps, 0);
  present_.assign(PresenceWords(windows_.steps), 0);
  with_two_.assign(PresenceWords(windows_.steps), 0);
  ForEachWindow(windows_, times, watch_, [&](size_t step, size_t begin, size_t end) {
    begins_[step] = static_cast<uint32_t>(begin);
    ends_[step] = static_cast<uint32_t>(end);
    present_[step / 64] |= uint64_t{1} << (step % 64);
    if (end - begin >= 2) with_two_[step / 64] |= uint64_t{1} << (step % 64);
  });
}

}  // namespace narthex::promql
