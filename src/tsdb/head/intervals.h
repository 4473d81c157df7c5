#pragma once

#include <vector>

#include "model/sample.h"

namespace narthex::tsdb {

// Deleted ranges of one series: sorted, apart from each other, ends included.
using Intervals = std::vector<model::TimeRange>;

// Adds a range, merging it with those that it touches.
void AddInterval(Intervals& intervals, model::TimeRange added);
bool IsDeleted(const Intervals& intervals, model::Timestamp t);
// Whether one range covers all of `range`.
bool CoversAll(const Intervals& intervals, model::TimeRange range);
// Takes deleted samples out.
void DropDeleted(const Intervals& intervals, model::SampleColumns& samples);

}  // namespace narthex::tsdb
