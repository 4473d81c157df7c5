#pragma once

#include <cstdint>

#include "otlp/tree.h"

namespace narthex::otlp {

// Puts numbers into an exponential histogram of at most so many buckets on either side, at the
// finest scale that they fit in. One thread at a time.
// Source: OpenTelemetry specification, "Base2 Exponential Bucket Histogram Aggregation".
class ExponentialRecorder {
 public:
  explicit ExponentialRecorder(size_t buckets_max) : buckets_max_(buckets_max) {}

  // REQUIRES: `value` is finite.
  void Add(double value, uint64_t count);
  // What was recorded, in a point's members for it.
  const TreePoint& point() const { return point_; }
  // Writes what was recorded into `point`.
  void WriteTo(TreePoint& point) const;

 private:
  void Insert(TreePoint::Buckets& buckets, double magnitude, uint64_t count);

  size_t buckets_max_;
  TreePoint point_{.scale = 20};
};

}  // namespace narthex::otlp
