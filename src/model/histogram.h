#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace narthex::model {

// What a histogram sample says about the one before it in its series.
enum class ResetHint : uint8_t {
  kUnknown = 0,
  kReset = 1,     // The counter started anew.
  kNotReset = 2,  // It did not.
  kGauge = 3,     // The series is no counter.
};

// `length` buckets that follow `offset` empty ones after the span before; the offset of the first
// span is the index of its first bucket.
struct BucketSpan {
  int32_t offset = 0;
  uint32_t length = 0;
  bool operator==(const BucketSpan&) const = default;
};

inline constexpr int32_t kCustomBucketsSchema = -53;
inline constexpr int32_t kExponentialSchemaMin = -4;
inline constexpr int32_t kExponentialSchemaMax = 8;
// Finer ones up to it may come from programs yet to be written: readers of chunks and records
// reduce them to kExponentialSchemaMax.
inline constexpr int32_t kExponentialSchemaReadMax = 52;

// One bucket with its bounds. Negative buckets hold their lower, positive ones their upper bound.
struct HistogramBucket {
  double lower;
  double upper;
  double count;
  bool lower_inclusive;
  bool upper_inclusive;
};

// A native histogram with float counts. Exponential schemas double the resolution with each step:
// bucket i of schema n ends at 2^(i / 2^n). The schema -53 has custom bounds instead and positive
// buckets only; the one behind the last bound ends at +Inf. An open value: whoever takes it from
// outside validates it. Source: Prometheus, model/histogram and its specification of native
// histograms.
struct FloatHistogram {
  ResetHint hint = ResetHint::kUnknown;
  int32_t schema = 0;
  double zero_threshold = 0;
  double zero_count = 0;
  double count = 0;
  double sum = 0;
  std::vector<BucketSpan> positive_spans;
  std::vector<BucketSpan> negative_spans;
  std::vector<double> positive;  // Counts of the buckets in the spans, not cumulative.
  std::vector<double> negative;
  std::vector<double> custom_bounds;  // Of the schema -53, ascending, without +Inf.

  bool custom() const { return schema == kCustomBucketsSchema; }

  // Upstream's Compact(0): no empty buckets, no empty or adjacent spans.
  void Compact();
  void Multiply(double factor);
  // By zero leaves no buckets.
  void Divide(double divisor);
  // Some count or the sum became infinite.
  bool Overflows() const;
  // REQUIRES: exponential, schema <= this->schema.
  void ReduceResolution(int32_t to_schema);

  // True when `previous` cannot be an earlier state of the same counter. Hints come first.
  bool DetectReset(const FloatHistogram& previous) const;

  // All buckets from the lowest to the highest, the zero bucket (unless custom) included even where
  // it is empty and has no width; empty others left out.
  std::vector<HistogramBucket> Buckets() const;

  // Equal but for hint and layout of spans: bitwise for the sum, numerically for counts.
  bool SameAs(const FloatHistogram& other) const;

  // `{count:4, sum:5, [-1,-0.5):1, [-0.001,0.001]:2, (0.5,1]:1}`
  std::string ToString() const;

  // Error: kInvalidArgument, naming the first rule that is broken: spans and counts that do not
  // fit, unordered bounds, negative counts, unknown schema.
  base::Status Validate() const;

  // About what it takes, in float samples: how upstream's sample limit counts it.
  size_t SizeInSamples() const;
};

using HistogramPtr = std::shared_ptr<const FloatHistogram>;

// The same with whole counts, as chunks and records of integer histograms carry them: each bucket
// as the difference to the one before.
struct IntegerHistogram {
  ResetHint hint = ResetHint::kUnknown;
  int32_t schema = 0;
  double zero_threshold = 0;
  uint64_t zero_count = 0;
  uint64_t count = 0;
  double sum = 0;
  std::vector<BucketSpan> positive_spans;
  std::vector<BucketSpan> negative_spans;
  std::vector<int64_t> positive_deltas;
  std::vector<int64_t> negative_deltas;
  std::vector<double> custom_bounds;

  // REQUIRES: exponential, schema <= this->schema.
  void ReduceResolution(int32_t to_schema);
  FloatHistogram ToFloat() const;
  // As FloatHistogram::Validate, and the buckets have to add up to the count (to no more than it
  // where the sum is NaN, because NaN observations fall into no bucket).
  base::Status Validate() const;
};

// What adding or subtracting two histograms came across.
struct CombineRemarks {
  bool reset_conflict = false;     // One says reset, the other no reset.
  bool bounds_reconciled = false;  // Custom bounds differed; only common ones are left.
};

// a += b, a -= b. REQUIRES: a.custom() == b.custom(). The coarser schema, the wider zero bucket and
// the common custom bounds win; the result is compact. The result of a subtraction is a gauge.
CombineRemarks Add(FloatHistogram& a, const FloatHistogram& b);
CombineRemarks Subtract(FloatHistogram& a, const FloatHistogram& b);

// Compensated sum of histograms, bucket by bucket, and their mean, which survives overflow.
// Source: Neumaier 1974; upstream's KahanAdd. One thread at a time.
class HistogramSum {
 public:
  bool empty() const { return added_ == 0; }
  double added() const { return added_; }
  bool custom() const { return sum_.custom(); }
  // REQUIRES: empty() or h.custom() == custom().
  CombineRemarks Add(const FloatHistogram& h);
  FloatHistogram Total() const;

 private:
  FloatHistogram sum_;
  FloatHistogram lost_;  // Laid out as `sum_`.
  double added_ = 0;
};

class HistogramMean {
 public:
  bool empty() const { return count_ == 0; }
  bool custom() const { return mean_.custom(); }
  // REQUIRES: as above.
  CombineRemarks Add(const FloatHistogram& h);
  FloatHistogram Mean() const;

 private:
  FloatHistogram mean_;  // The sum until `incremental_`.
  FloatHistogram lost_;
  double count_ = 0;
  bool incremental_ = false;
};

// The upper bound of bucket `index` of an exponential schema.
double ExponentialBound(int32_t index, int32_t schema);

// Spans of buckets at ascending indices, with their counts.
struct IndexedCount {
  int32_t index;
  double count;
};
std::vector<IndexedCount> Unpack(const std::vector<BucketSpan>& spans,
                                 const std::vector<double>& counts);
void Pack(const std::vector<IndexedCount>& buckets, std::vector<BucketSpan>& spans,
          std::vector<double>& counts);

// The hint that a chunk gives a sample stored behind `before` (null: a number, or nothing): its
// first sample has none, and one that cannot follow begins a chunk.
ResetHint HintInChunk(const FloatHistogram* before, FloatHistogram now);

// Takes back what a sample says about the one before it, because another is there now. May be null.
void ForgetReset(HistogramPtr& histogram);

}  // namespace narthex::model
