#include "model/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "model/internal/histogram_layout.h"
#include "model/number.h"

namespace narthex::model {

using internal::CoarserIndex;
using internal::ForEachUnion;
using internal::Indexed;
using internal::Reindex;
using internal::SetSides;
using internal::Sides;
using internal::SidesOf;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

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

}  // namespace narthex::model
