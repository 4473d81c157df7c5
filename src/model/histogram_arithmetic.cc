#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "model/compensated.h"
#include "model/histogram.h"
#include "model/internal/histogram_layout.h"

// Sums, differences and means of native histograms.

namespace narthex::model {

using internal::ForEachUnion;
using internal::Indexed;
using internal::Reconcile;
using internal::SetSides;
using internal::Sides;
using internal::SidesOf;

namespace {

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

// sum += b with what rounding loses in `lost`.
CombineRemarks Accumulate(FloatHistogram& sum, FloatHistogram& lost, const FloatHistogram& b) {
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

}  // namespace

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

CombineRemarks Add(FloatHistogram& a, const FloatHistogram& b) { return Combine(a, b, 1); }
CombineRemarks Subtract(FloatHistogram& a, const FloatHistogram& b) { return Combine(a, b, -1); }

CombineRemarks HistogramSum::Add(const FloatHistogram& h) {
  if (added_++ == 0) {
    sum_ = h;
    lost_ = EmptyLike(h);
    return {};
  }
  return Accumulate(sum_, lost_, h);
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
    const CombineRemarks remarks = Accumulate(sum, lost, h);
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
  return Accumulate(mean_, lost_, share);
}

FloatHistogram HistogramMean::Mean() const {
  FloatHistogram mean = Repaired(mean_, lost_);
  if (!incremental_) mean.Divide(count_);
  mean.Compact();
  return mean;
}

}  // namespace narthex::model
