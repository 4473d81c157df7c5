#include "model/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "model/number.h"

namespace narthex::model {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

using Indexed = std::vector<IndexedCount>;

// A bucket of a schema lies in this one of a schema so many steps coarser.
int32_t CoarserIndex(int32_t index, int32_t steps) {
  return static_cast<int32_t>(((int64_t{index} - 1) >> steps) + 1);
}

// Both sides of a histogram with explicit indices: what the operations work on.
struct Sides {
  Indexed positive;
  Indexed negative;
};

Sides SidesOf(const FloatHistogram& h) {
  return {Unpack(h.positive_spans, h.positive), Unpack(h.negative_spans, h.negative)};
}

void SetSides(FloatHistogram& h, const Sides& sides) {
  Pack(sides.positive, h.positive_spans, h.positive);
  Pack(sides.negative, h.negative_spans, h.negative);
}

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
ZeroBucket Widened(const FloatHistogram& h, const Sides& sides, double threshold) {
  while (true) {
    double count = h.zero_count;
    bool moved = false;
    for (const Indexed* side : {&sides.positive, &sides.negative}) {
      for (const IndexedCount& bucket : *side) {
        if (ExponentialBound(bucket.index - 1, h.schema) >= threshold) break;
        count += bucket.count;
        const double upper = ExponentialBound(bucket.index, h.schema);
        if (upper <= threshold) continue;
        if (bucket.count != 0) {
          threshold = upper;
          moved = side == &sides.negative;
        }
        break;
      }
    }
    // What the negative side moved, the positive side has to count again.
    if (!moved) return {threshold, count};
  }
}

void DropInsideZero(Indexed& buckets, int32_t schema, double threshold) {
  std::erase_if(buckets, [&](const IndexedCount& bucket) {
    return ExponentialBound(bucket.index, schema) <= threshold;
  });
}

void WidenZero(FloatHistogram& h, Sides& sides, ZeroBucket zero) {
  h.zero_threshold = zero.threshold;
  h.zero_count = zero.count;
  DropInsideZero(sides.positive, h.schema, zero.threshold);
  DropInsideZero(sides.negative, h.schema, zero.threshold);
}

std::vector<double> CommonBounds(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> common;
  std::ranges::set_intersection(a, b, std::back_inserter(common));
  return common;
}

// Adds custom buckets up into those of fewer bounds.
void RebucketCustom(Indexed& buckets, const std::vector<double>& from,
                    const std::vector<double>& to) {
  Reindex(buckets, [&](int32_t index) {
    const auto i = static_cast<size_t>(std::max(index, 0));
    if (i >= from.size()) return static_cast<int32_t>(to.size());
    return static_cast<int32_t>(std::ranges::lower_bound(to, from[i]) - to.begin());
  });
}

// Makes two histograms (and the compensation of the first, if any) comparable bucket by bucket:
// the same schema, zero threshold and bounds.
bool Reconcile(FloatHistogram& a, Sides& a_sides, FloatHistogram* lost, Sides* lost_sides,
               FloatHistogram& b, Sides& b_sides) {
  if (a.custom()) {
    if (a.custom_bounds == b.custom_bounds) return false;
    std::vector<double> common = CommonBounds(a.custom_bounds, b.custom_bounds);
    RebucketCustom(a_sides.positive, a.custom_bounds, common);
    if (lost != nullptr) RebucketCustom(lost_sides->positive, a.custom_bounds, common);
    RebucketCustom(b_sides.positive, b.custom_bounds, common);
    a.custom_bounds = common;
    b.custom_bounds = std::move(common);
    return true;
  }
  // Ends for NaN too, which nobody should have let in.
  while (a.zero_threshold < b.zero_threshold || b.zero_threshold < a.zero_threshold) {
    if (b.zero_threshold < a.zero_threshold) {
      WidenZero(b, b_sides, Widened(b, b_sides, a.zero_threshold));
    } else {
      const ZeroBucket zero = Widened(a, a_sides, b.zero_threshold);
      WidenZero(a, a_sides, zero);
      if (lost != nullptr) {
        const double covered = Widened(*lost, *lost_sides, zero.threshold).count;
        WidenZero(*lost, *lost_sides, {zero.threshold, covered});
      }
    }
  }
  const int32_t schema = std::min(a.schema, b.schema);
  const auto reduce = [schema](FloatHistogram& h, Sides& sides) {
    const int32_t steps = h.schema - schema;
    if (steps == 0) return;
    for (Indexed* side : {&sides.positive, &sides.negative}) {
      Reindex(*side, [steps](int32_t index) { return CoarserIndex(index, steps); });
    }
    h.schema = schema;
  };
  reduce(a, a_sides);
  if (lost != nullptr) reduce(*lost, *lost_sides);
  reduce(b, b_sides);
  return false;
}

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

Indexed Combined(const Indexed& a, const Indexed& b, double sign) {
  Indexed result;
  result.reserve(std::max(a.size(), b.size()));
  ForEachUnion(a, b, [&](int32_t index, double x, double y) {
    const double count = x + sign * y;
    if (count != 0) result.push_back({index, count});
  });
  return result;
}

// True on a conflict of reset and no reset.
bool MergeHints(FloatHistogram& a, const FloatHistogram& b) {
  if (a.hint == b.hint || a.hint == ResetHint::kGauge) return false;
  if (b.hint == ResetHint::kGauge) {
    a.hint = ResetHint::kGauge;
    return false;
  }
  const bool conflict = a.hint != ResetHint::kUnknown && b.hint != ResetHint::kUnknown;
  a.hint = ResetHint::kUnknown;
  return conflict;
}

CombineRemarks Combine(FloatHistogram& a, const FloatHistogram& b, double sign) {
  DCHECK(a.custom() == b.custom());
  CombineRemarks remarks;
  remarks.reset_conflict = MergeHints(a, b);
  // Most often both have the same layout: a plain loop.
  if (a.schema == b.schema && a.zero_threshold == b.zero_threshold &&
      a.positive_spans == b.positive_spans && a.negative_spans == b.negative_spans &&
      a.custom_bounds == b.custom_bounds) {
    for (size_t i = 0; i < a.positive.size(); ++i) a.positive[i] += sign * b.positive[i];
    for (size_t i = 0; i < a.negative.size(); ++i) a.negative[i] += sign * b.negative[i];
    a.zero_count += sign * b.zero_count;
    a.Compact();
  } else {
    FloatHistogram other = b;
    Sides a_sides = SidesOf(a);
    Sides b_sides = SidesOf(b);
    remarks.bounds_reconciled = Reconcile(a, a_sides, nullptr, nullptr, other, b_sides);
    a.zero_count += sign * other.zero_count;
    SetSides(a, {Combined(a_sides.positive, b_sides.positive, sign),
                 Combined(a_sides.negative, b_sides.negative, sign)});
  }
  a.count += sign * b.count;
  a.sum += sign * b.sum;
  if (sign < 0) a.hint = ResetHint::kGauge;
  return remarks;
}

void AddCompensated(double x, double& sum, double& lost) {
  const double total = sum + x;
  if (std::isinf(total)) {
    lost = 0;
  } else if (std::fabs(sum) >= std::fabs(x)) {
    lost += (sum - total) + x;
  } else {
    lost += (x - total) + sum;
  }
  sum = total;
}

// sum += b with what rounding loses in `lost`.
CombineRemarks AddCompensated(FloatHistogram& sum, FloatHistogram& lost, const FloatHistogram& b) {
  CombineRemarks remarks;
  remarks.reset_conflict = MergeHints(sum, b);
  FloatHistogram other = b;
  Sides sum_sides = SidesOf(sum);
  Sides lost_sides = SidesOf(lost);
  Sides b_sides = SidesOf(b);
  remarks.bounds_reconciled = Reconcile(sum, sum_sides, &lost, &lost_sides, other, b_sides);
  const auto add = [](const Indexed& a, const Indexed& lost_counts, const Indexed& more,
                      Indexed& total, Indexed& total_lost) {
    size_t next = 0;
    ForEachUnion(a, more, [&](int32_t index, double x, double y) {
      double compensation = 0;
      while (next < lost_counts.size() && lost_counts[next].index < index) ++next;
      if (next < lost_counts.size() && lost_counts[next].index == index) {
        compensation = lost_counts[next].count;
      }
      AddCompensated(y, x, compensation);
      total.push_back({index, x});
      total_lost.push_back({index, compensation});
    });
  };
  Sides total;
  Sides total_lost;
  add(sum_sides.positive, lost_sides.positive, b_sides.positive, total.positive,
      total_lost.positive);
  add(sum_sides.negative, lost_sides.negative, b_sides.negative, total.negative,
      total_lost.negative);
  SetSides(sum, total);
  SetSides(lost, total_lost);
  lost.schema = sum.schema;
  lost.zero_threshold = sum.zero_threshold;
  lost.custom_bounds = sum.custom_bounds;
  AddCompensated(other.zero_count, sum.zero_count, lost.zero_count);
  AddCompensated(b.count, sum.count, lost.count);
  AddCompensated(b.sum, sum.sum, lost.sum);
  return remarks;
}

FloatHistogram EmptyLike(const FloatHistogram& h) {
  FloatHistogram empty;
  empty.schema = h.schema;
  empty.zero_threshold = h.zero_threshold;
  empty.custom_bounds = h.custom_bounds;
  return empty;
}

// What was lost goes back where the sum is finite.
FloatHistogram Repaired(const FloatHistogram& sum, const FloatHistogram& lost) {
  FloatHistogram repaired = sum;
  const ResetHint hint = sum.hint;
  FloatHistogram rest = lost;
  rest.hint = hint;
  Add(repaired, rest);
  return repaired;
}

// The counts of two unlike custom layouts over their common bounds: does any fall?
bool AnyFalls(const Indexed& now, const Indexed& before) {
  bool falls = false;
  ForEachUnion(before, now, [&](int32_t, double x, double y) { falls |= y < x; });
  return falls;
}

base::Status CheckSide(const std::vector<BucketSpan>& spans, const std::vector<double>& counts,
                       std::string_view side) {
  uint64_t buckets = 0;
  int64_t index = 0;  // Behind the last bucket.
  for (size_t i = 0; i < spans.size(); ++i) {
    index += int64_t{spans[i].offset} + spans[i].length;
    if (index > std::numeric_limits<int32_t>::max()) {
      return base::Fail(base::Code::kInvalidArgument,
                        "{} side: span number {} ends beyond the largest bucket index", side,
                        i + 1);
    }
    if (i > 0 && spans[i].offset < 0) {
      return base::Fail(base::Code::kInvalidArgument,
                        "{} side: span number {} with offset {}: histogram has a span whose offset "
                        "is negative",
                        side, i + 1, spans[i].offset);
    }
    buckets += spans[i].length;
  }
  if (buckets != counts.size()) {
    return base::Fail(base::Code::kInvalidArgument,
                      "{} side: spans need {} buckets, have {} buckets: histogram spans specify "
                      "different number of buckets than provided",
                      side, buckets, counts.size());
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] < 0) {
      return base::Fail(base::Code::kInvalidArgument,
                        "{} side: bucket number {} has observation count of {}: histogram has a "
                        "bucket whose observation count is negative",
                        side, i + 1, FormatFloat(counts[i]));
    }
  }
  return {};
}

}  // namespace

double ExponentialBound(int32_t index, int32_t schema) {
  if (schema < 0) {
    const int64_t exponent = static_cast<int64_t>(index) << -schema;
    // The last bucket before +Inf ends at the largest number.
    if (exponent == 1024) return std::numeric_limits<double>::max();
    return std::ldexp(1.0, static_cast<int>(std::clamp<int64_t>(exponent, -2000, 2000)));
  }
  const int32_t mask = (int32_t{1} << schema) - 1;
  const double fraction = std::exp2(static_cast<double>(index & mask) / (mask + 1.0)) / 2;
  const int32_t exponent = (index >> schema) + 1;
  if (fraction == 0.5 && exponent == 1025) return std::numeric_limits<double>::max();
  return std::ldexp(fraction, exponent);
}

std::vector<IndexedCount> Unpack(const std::vector<BucketSpan>& spans,
                                 const std::vector<double>& counts) {
  std::vector<IndexedCount> buckets;
  buckets.reserve(counts.size());
  int64_t index = 0;
  size_t next = 0;
  for (const BucketSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length && next < counts.size(); ++i) {
      buckets.push_back({static_cast<int32_t>(index++), counts[next++]});
    }
  }
  return buckets;
}

void Pack(const std::vector<IndexedCount>& buckets, std::vector<BucketSpan>& spans,
          std::vector<double>& counts) {
  spans.clear();
  counts.clear();
  counts.reserve(buckets.size());
  int64_t end = 0;  // One past the last bucket.
  for (const IndexedCount& bucket : buckets) {
    if (spans.empty() || bucket.index != end) {
      spans.push_back({static_cast<int32_t>(bucket.index - end), 0});
    }
    ++spans.back().length;
    counts.push_back(bucket.count);
    end = int64_t{bucket.index} + 1;
  }
}

void FloatHistogram::Compact() {
  const auto compact = [](std::vector<BucketSpan>& spans, std::vector<double>& counts) {
    const bool tidy =
        std::ranges::none_of(counts, [](double bucket) { return bucket == 0; }) &&
        std::ranges::none_of(spans, [](const BucketSpan& span) { return span.length == 0; });
    if (tidy && spans.size() <= 1) return;
    Indexed buckets = Unpack(spans, counts);
    std::erase_if(buckets, [](const IndexedCount& bucket) { return bucket.count == 0; });
    Pack(buckets, spans, counts);
  };
  compact(positive_spans, positive);
  compact(negative_spans, negative);
}

void FloatHistogram::Multiply(double factor) {
  zero_count *= factor;
  count *= factor;
  sum *= factor;
  for (double& bucket : positive) bucket *= factor;
  for (double& bucket : negative) bucket *= factor;
  if (factor < 0) hint = ResetHint::kGauge;
}

void FloatHistogram::Divide(double divisor) {
  zero_count /= divisor;
  count /= divisor;
  sum /= divisor;
  if (divisor == 0) {
    positive_spans.clear();
    negative_spans.clear();
    positive.clear();
    negative.clear();
    return;
  }
  for (double& bucket : positive) bucket /= divisor;
  for (double& bucket : negative) bucket /= divisor;
  if (divisor < 0) hint = ResetHint::kGauge;
}

bool FloatHistogram::Overflows() const {
  const auto infinite = [](double x) { return std::isinf(x); };
  return infinite(count) || infinite(sum) || infinite(zero_count) ||
         std::ranges::any_of(positive, infinite) || std::ranges::any_of(negative, infinite);
}

void FloatHistogram::ReduceResolution(int32_t to_schema) {
  DCHECK(!custom() && to_schema <= schema);
  const int32_t steps = schema - to_schema;
  if (steps == 0) return;
  Sides sides = SidesOf(*this);
  for (Indexed* side : {&sides.positive, &sides.negative}) {
    Reindex(*side, [steps](int32_t index) { return CoarserIndex(index, steps); });
  }
  SetSides(*this, sides);
  schema = to_schema;
}

bool FloatHistogram::DetectReset(const FloatHistogram& previous) const {
  if (hint == ResetHint::kReset) return true;
  if (hint == ResetHint::kNotReset) return false;
  if (custom() != previous.custom() || count < previous.count) return true;
  Sides now = SidesOf(*this);
  Sides before = SidesOf(previous);
  if (custom()) {
    if (custom_bounds != previous.custom_bounds) {
      const std::vector<double> common = CommonBounds(custom_bounds, previous.custom_bounds);
      RebucketCustom(now.positive, custom_bounds, common);
      RebucketCustom(before.positive, previous.custom_bounds, common);
    }
    return AnyFalls(now.positive, before.positive);
  }
  // A counter only ever loses resolution.
  if (schema > previous.schema || zero_threshold < previous.zero_threshold) return true;
  FloatHistogram old = previous;
  const ZeroBucket zero = Widened(old, before, zero_threshold);
  // The wider zero bucket ends inside a bucket that had observations.
  if (zero.threshold != zero_threshold || zero_count < zero.count) return true;
  WidenZero(old, before, zero);
  const int32_t steps = old.schema - schema;
  for (Indexed* side : {&before.positive, &before.negative}) {
    Reindex(*side, [steps](int32_t index) { return CoarserIndex(index, steps); });
  }
  return AnyFalls(now.positive, before.positive) || AnyFalls(now.negative, before.negative);
}

std::vector<HistogramBucket> FloatHistogram::Buckets() const {
  std::vector<HistogramBucket> buckets;
  const Sides sides = SidesOf(*this);
  if (custom()) {
    for (const auto& [index, bucket_count] : sides.positive) {
      if (bucket_count == 0) continue;
      const auto i = static_cast<size_t>(std::max(index, 0));
      const bool first = i == 0 || custom_bounds.empty();
      const double lower = first ? -kInf : custom_bounds[std::min(i, custom_bounds.size()) - 1];
      const double upper = i < custom_bounds.size() ? custom_bounds[i] : kInf;
      buckets.push_back({lower, upper, bucket_count, i == 0, true});
    }
    return buckets;
  }
  for (auto it = sides.negative.rbegin(); it != sides.negative.rend(); ++it) {
    if (it->count == 0) continue;
    buckets.push_back({-ExponentialBound(it->index, schema),
                       -ExponentialBound(it->index - 1, schema), it->count, true, false});
  }
  buckets.push_back({-zero_threshold, zero_threshold, zero_count, true, true});
  for (const auto& [index, bucket_count] : sides.positive) {
    if (bucket_count == 0) continue;
    buckets.push_back({ExponentialBound(index - 1, schema), ExponentialBound(index, schema),
                       bucket_count, false, true});
  }
  // Buckets that the zero bucket reaches into begin where it ends.
  for (HistogramBucket& bucket : buckets) {
    if (bucket.lower_inclusive && bucket.upper_inclusive) continue;
    if (bucket.lower_inclusive) {
      bucket.upper = std::min(bucket.upper, -zero_threshold);
    } else {
      bucket.lower = std::max(bucket.lower, zero_threshold);
    }
  }
  return buckets;
}

bool FloatHistogram::SameAs(const FloatHistogram& other) const {
  if (schema != other.schema || count != other.count ||
      std::bit_cast<uint64_t>(sum) != std::bit_cast<uint64_t>(other.sum) ||
      custom_bounds != other.custom_bounds) {
    return false;
  }
  if (!custom() && (zero_threshold != other.zero_threshold || zero_count != other.zero_count)) {
    return false;
  }
  const Sides a = SidesOf(*this);
  const Sides b = SidesOf(other);
  bool same = true;
  const auto compare = [&same](int32_t, double x, double y) { same &= x == y; };
  ForEachUnion(a.positive, b.positive, compare);
  ForEachUnion(a.negative, b.negative, compare);
  return same;
}

std::string FloatHistogram::ToString() const {
  std::string text = "{count:" + FormatFloat(count) + ", sum:" + FormatFloat(sum);
  for (const HistogramBucket& bucket : Buckets()) {
    if (bucket.count == 0) continue;
    text += bucket.lower_inclusive ? ", [" : ", (";
    text += FormatFloat(bucket.lower) + "," + FormatFloat(bucket.upper);
    text += bucket.upper_inclusive ? "]:" : "):";
    text += FormatFloat(bucket.count);
  }
  return text + "}";
}

base::Status FloatHistogram::Validate() const {
  if (custom()) {
    if (zero_count != 0 || zero_threshold != 0 || !negative_spans.empty() || !negative.empty()) {
      return base::Fail(base::Code::kInvalidArgument,
                        "custom buckets: must not have zero or negative buckets");
    }
    for (size_t i = 0; i < custom_bounds.size(); ++i) {
      const bool ascending = i == 0 || custom_bounds[i - 1] < custom_bounds[i];
      if (std::isfinite(custom_bounds[i]) && ascending) continue;
      return base::Fail(base::Code::kInvalidArgument,
                        "custom buckets: bounds must be finite and ascending");
    }
    uint64_t buckets = 0;
    for (const BucketSpan& span : positive_spans) {
      buckets += static_cast<uint64_t>(std::max(span.offset, 0)) + span.length;
    }
    if (buckets > custom_bounds.size() + 1 ||
        (!positive_spans.empty() && positive_spans[0].offset < 0)) {
      return base::Fail(base::Code::kInvalidArgument,
                        "custom buckets: only {} custom bounds defined which is insufficient to "
                        "cover total span length of {}",
                        custom_bounds.size(), buckets);
    }
  } else {
    if (schema < kExponentialSchemaMin || schema > kExponentialSchemaMax) {
      return base::Fail(base::Code::kInvalidArgument, "schema {}: histogram has an invalid schema",
                        schema);
    }
    if (!custom_bounds.empty()) {
      return base::Fail(base::Code::kInvalidArgument,
                        "exponential buckets: must not have custom bounds");
    }
    if (!(zero_threshold >= 0) || std::isinf(zero_threshold)) {
      return base::Fail(base::Code::kInvalidArgument,
                        "zero threshold {}: must be finite and not negative", zero_threshold);
    }
    RETURN_IF_ERROR(CheckSide(negative_spans, negative, "negative"));
  }
  RETURN_IF_ERROR(CheckSide(positive_spans, positive, "positive"));
  if (count < 0 || zero_count < 0) {
    return base::Fail(base::Code::kInvalidArgument, "histogram has a negative observation count");
  }
  return {};
}

size_t FloatHistogram::SizeInSamples() const {
  constexpr size_t kSampleBytes = 16;
  const size_t bytes = 136 + 8 * (positive_spans.size() + negative_spans.size() + positive.size() +
                                  negative.size() + custom_bounds.size());
  return bytes / kSampleBytes;
}

void IntegerHistogram::ReduceResolution(int32_t to_schema) {
  DCHECK(schema != kCustomBucketsSchema && to_schema <= schema);
  const int32_t steps = schema - to_schema;
  if (steps == 0) return;
  const auto reduce = [steps](std::vector<BucketSpan>& spans, std::vector<int64_t>& deltas) {
    // Wrapping: what was damaged must not be undefined behaviour.
    std::vector<std::pair<int32_t, uint64_t>> buckets;
    uint32_t index = 0;
    uint64_t filled = 0;
    size_t next = 0;
    for (const BucketSpan& span : spans) {
      index += static_cast<uint32_t>(span.offset);
      for (uint32_t i = 0; i < span.length && next < deltas.size(); ++i) {
        filled += static_cast<uint64_t>(deltas[next++]);
        const int32_t coarser = CoarserIndex(static_cast<int32_t>(index++), steps);
        if (buckets.empty() || buckets.back().first != coarser) buckets.emplace_back(coarser, 0);
        buckets.back().second += filled;
      }
    }
    spans.clear();
    deltas.clear();
    uint32_t expected = 0;
    uint64_t before = 0;
    for (const auto& [at, total] : buckets) {
      const uint32_t offset = static_cast<uint32_t>(at) - expected;
      if (spans.empty() || offset != 0) spans.push_back({static_cast<int32_t>(offset), 0});
      ++spans.back().length;
      expected = static_cast<uint32_t>(at) + 1;
      deltas.push_back(static_cast<int64_t>(total - std::exchange(before, total)));
    }
  };
  reduce(positive_spans, positive_deltas);
  reduce(negative_spans, negative_deltas);
  schema = to_schema;
}

FloatHistogram IntegerHistogram::ToFloat() const {
  FloatHistogram h;
  h.hint = hint;
  h.schema = schema;
  h.zero_threshold = zero_threshold;
  h.zero_count = static_cast<double>(zero_count);
  h.count = static_cast<double>(count);
  h.sum = sum;
  h.positive_spans = positive_spans;
  h.negative_spans = negative_spans;
  h.custom_bounds = custom_bounds;
  const auto accumulate = [](const std::vector<int64_t>& deltas, std::vector<double>& counts) {
    counts.reserve(deltas.size());
    uint64_t bucket = 0;  // Wraps on damaged input instead of overflowing.
    for (const int64_t delta : deltas) {
      bucket += static_cast<uint64_t>(delta);
      counts.push_back(static_cast<double>(static_cast<int64_t>(bucket)));
    }
  };
  accumulate(positive_deltas, h.positive);
  accumulate(negative_deltas, h.negative);
  return h;
}

base::Status IntegerHistogram::Validate() const {
  RETURN_IF_ERROR(ToFloat().Validate());
  uint64_t observed = zero_count;
  for (const auto* side : {&positive_deltas, &negative_deltas}) {
    uint64_t bucket = 0;
    for (const int64_t delta : *side) {
      bucket += static_cast<uint64_t>(delta);
      observed += bucket;
    }
  }
  if (std::isnan(sum) ? observed > count : observed != count) {
    return base::Fail(base::Code::kInvalidArgument,
                      "{} observations found in buckets, but the count is {}", observed, count);
  }
  return {};
}

CombineRemarks Add(FloatHistogram& a, const FloatHistogram& b) { return Combine(a, b, 1); }
CombineRemarks Subtract(FloatHistogram& a, const FloatHistogram& b) { return Combine(a, b, -1); }

CombineRemarks HistogramSum::Add(const FloatHistogram& h) {
  if (added_++ == 0) {
    sum_ = h;
    lost_ = EmptyLike(h);
    return {};
  }
  return AddCompensated(sum_, lost_, h);
}

FloatHistogram HistogramSum::Total() const {
  FloatHistogram total = Repaired(sum_, lost_);
  total.Compact();
  return total;
}

CombineRemarks HistogramMean::Add(const FloatHistogram& h) {
  if (count_++ == 0) {
    mean_ = h;
    lost_ = EmptyLike(h);
    return {};
  }
  if (!incremental_) {
    FloatHistogram sum = mean_;
    FloatHistogram lost = lost_;
    const CombineRemarks remarks = AddCompensated(sum, lost, h);
    if (!sum.Overflows()) {
      mean_ = std::move(sum);
      lost_ = std::move(lost);
      return remarks;
    }
    incremental_ = true;
    mean_.Divide(count_ - 1);
    lost_.Divide(count_ - 1);
  }
  const double weight = (count_ - 1) / count_;
  mean_.Multiply(weight);
  lost_.Multiply(weight);
  FloatHistogram share = h;
  share.Divide(count_);
  return AddCompensated(mean_, lost_, share);
}

FloatHistogram HistogramMean::Mean() const {
  FloatHistogram mean = Repaired(mean_, lost_);
  if (!incremental_) mean.Divide(count_);
  mean.Compact();
  return mean;
}

ResetHint HintInChunk(const FloatHistogram* before, FloatHistogram now) {
  if (now.hint == ResetHint::kGauge) return ResetHint::kGauge;
  if (before == nullptr || before->hint == ResetHint::kGauge || now.hint == ResetHint::kReset) {
    return ResetHint::kUnknown;
  }
  const bool same_layout = now.schema == before->schema &&
                           now.zero_threshold == before->zero_threshold &&
                           now.custom_bounds == before->custom_bounds;
  now.hint = ResetHint::kUnknown;
  return same_layout && !now.DetectReset(*before) ? ResetHint::kNotReset : ResetHint::kUnknown;
}

void ForgetReset(HistogramPtr& histogram) {
  if (histogram == nullptr || histogram->hint == ResetHint::kGauge ||
      histogram->hint == ResetHint::kUnknown) {
    return;
  }
  FloatHistogram copy = *histogram;
  copy.hint = ResetHint::kUnknown;
  histogram = std::make_shared<const FloatHistogram>(std::move(copy));
}

}  // namespace narthex::model
