#pragma once

#include <cstdint>
#include <vector>

#include "model/histogram.h"

// How the buckets of native histograms lie, and what it takes to compare those of two of them.

namespace narthex::model::internal {

using Indexed = std::vector<IndexedCount>;

// A bucket of a schema lies in this one of a schema so many steps coarser.
inline int32_t CoarserIndex(int32_t index, int32_t steps) {
  return static_cast<int32_t>(((int64_t{index} - 1) >> steps) + 1);
}

// Both sides of a histogram with explicit indices: what the operations work on.
struct Sides {
  Indexed positive;
  Indexed negative;
};

Sides SidesOf(const FloatHistogram& h);
void SetSides(FloatHistogram& h, const Sides& sides);

// Maps every index; buckets that meet are added up. `map` must not change the order.
template <class Map>
void Reindex(Indexed& buckets, Map&& map) {
  size_t kept = 0;
  for (const IndexedCount& bucket : buckets) {
    const int32_t index = map(bucket.index);
    if (kept > 0 && buckets[kept - 1].index == index) {
      buckets[kept - 1].count += bucket.count;
    } else {
      buckets[kept++] = {index, bucket.count};
    }
  }
  buckets.resize(kept);
}

// The zero bucket of a wider threshold: takes the buckets that it covers. A threshold inside a
// populated bucket moves to that bucket's end.
struct ZeroBucket {
  double threshold;
  double count;
};
ZeroBucket Widened(const FloatHistogram& h, const Sides& sides, double threshold);
void WidenZero(FloatHistogram& h, Sides& sides, ZeroBucket zero);

// The bounds that both have. Both are sorted.
std::vector<double> CommonBounds(const std::vector<double>& a, const std::vector<double>& b);
// Adds custom buckets up into those of fewer bounds.
void RebucketCustom(Indexed& buckets, const std::vector<double>& from,
                    const std::vector<double>& to);

// Makes two histograms (and the compensation of the first, if any) comparable bucket by bucket:
// the same schema, zero threshold and bounds. True where custom bounds had to be given up.
bool Reconcile(FloatHistogram& a, Sides& a_sides, FloatHistogram* lost, Sides* lost_sides,
               FloatHistogram& b, Sides& b_sides);

// Walks both lists together: visit(index, count of a or 0, count of b or 0).
template <class Visit>
void ForEachUnion(const Indexed& a, const Indexed& b, Visit&& visit) {
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (j == b.size() || (i < a.size() && a[i].index < b[j].index)) {
      visit(a[i].index, a[i].count, 0.0);
      ++i;
    } else if (i == a.size() || b[j].index < a[i].index) {
      visit(b[j].index, 0.0, b[j].count);
      ++j;
    } else {
      visit(a[i].index, a[i].count, b[j].count);
      ++i;
      ++j;
    }
  }
}

}  // namespace narthex::model::internal
