#pragma once

#include "promql/functions/kernels.h"

namespace narthex::promql {

// Samples of one window, [begin, end), and whether there are neighbours within the look-back.
struct Neighbourhood {
  model::Timestamp start;  // Open.
  model::Timestamp stop;   // Closed.
  size_t begin;
  size_t end;
  bool before;
  bool after;
};

template <class Visit>
void ForEachNeighbourhood(const WindowCall& call, const model::SampleColumns& samples,
                          Visit&& visit) {
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
    visit(step, Neighbourhood{start, stop, begin, end, before, after});
  }
}

}  // namespace narthex::promql
