#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "otlp/tree.h"

namespace narthex::otlp {

// Making one point of several, within one batch. One thread at a time.

enum class Aggregation : uint8_t { kSum, kMean, kMin, kMax, kMedian, kCount };

// "sum" and so on; nullopt for other words.
std::optional<Aggregation> AggregationFromName(std::string_view name);

// Joins the points of a metric that have the same attributes (and, of delta points, the same
// start): numbers by `aggregation`; of histograms with the same bounds, and of exponential ones,
// the buckets are added whatever it says. Summaries, and what cannot be joined, stay as they are.
// The joined point has the earliest start and the latest time.
void JoinPoints(TreeMetric& metric, Aggregation aggregation);

// Adds `from` to `to`, both exponential, at the coarser of the two scales.
void AddExponential(TreePoint& to, const TreePoint& from);
// Lowers the scale by `steps` (of `scale`), joining neighbouring buckets.
void LowerScale(TreePoint& point, int32_t steps);
// Adds `from` to `to`, both with explicit bounds; false where the bounds differ.
bool AddHistogram(TreePoint& to, const TreePoint& from);

// A text that is the same for two attribute sets if and only if they are equal, whatever their
// order.
std::string KeyOf(const AttributeMap& attributes);

}  // namespace narthex::otlp
