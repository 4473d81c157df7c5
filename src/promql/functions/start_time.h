#pragma once

#include "model/sample.h"
#include "promql/exec/context.h"

namespace narthex::promql {

// What the start times of samples say about counters. Samples with unknown starts say nothing.
// Source: upstream's isStartTimestampReset and checkStartTimeOverlap.

// True where the counter began anew between sample i - 1 and sample i. REQUIRES: i > 0.
bool IsStartReset(const model::SampleColumns& samples, size_t i);

// The start of sample `first` where it lies in front of it and behind `range_start`: there the
// counter was zero. 0 where there is none.
model::Timestamp StartInside(const model::SampleColumns& samples, size_t first,
                             model::Timestamp range_start);

// Warns where the start of one of the samples (begin, end) lies before the sample in front of it
// although it is another start.
void WarnOfStartOverlaps(const model::SampleColumns& samples, size_t begin, size_t end,
                         Annotations& annotations, Position at, std::string_view name);

}  // namespace narthex::promql
