#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "model/number.h"
#include "promql/exec/group_key.h"
#include "promql/exec/planner.h"
#include "promql/functions/kernels.h"
#include "promql/functions/native_histogram.h"

namespace narthex::promql {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// A classic bucket: `count` observations up to and including `bound`.
struct Bucket {
  double bound;
  double count;
};

// Equal but for rounding. Source: upstream's almost.Equal.
bool AlmostEqual(double a, double b, double tolerance) {
  if (a == b) return true;
  const double sum = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  constexpr double kNormalMin = std::numeric_limits<double>::min();
  if (a == 0 || b == 0 || sum < kNormalMin) return difference < tolerance * kNormalMin;
  return difference / std::min(sum, std::numeric_limits<double>::max()) < tolerance;
}

// Buckets in order of their bounds, equal bounds (`1` and `1.0`) added up.
void Coalesce(std::vector<Bucket>& buckets) {
  size_t last = 0;
  for (size_t i = 1; i < buckets.size(); ++i) {
    if (buckets[i].bound == buckets[last].bound) {
      buckets[last].count += buckets[i].count;
    } else {
      buckets[++last] = buckets[i];
    }
  }
  buckets.resize(last + 1);
}

// Cumulative counts may not fall. Falls within rounding (1e-12) are mended silently; true when
// there was a larger one.
bool ForceMonotonic(std::vector<Bucket>& buckets) {
  constexpr double kTolerance = 1e-12;
  bool forced = false;
  double before = buckets[0].count;
  for (size_t i = 1; i < buckets.size(); ++i) {
    double& count = buckets[i].count;
    if (count == before) continue;
    if (AlmostEqual(before, count, kTolerance)) {
      count = before;
    } else if (count < before) {
      count = before;
      forced = true;
    } else {
      before = count;
    }
  }
  return forced;
}

// Source: Prometheus documentation, query functions, histogram_quantile().
// REQUIRES: sorted by bound, not empty.
double BucketQuantile(double q, std::vector<Bucket>& buckets, bool* forced) {
  if (std::isnan(q)) return kNan;
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  if (buckets.back().bound != kInf) return kNan;
  Coalesce(buckets);
  *forced = ForceMonotonic(buckets);
  if (buckets.size() < 2) return kNan;
  const double observations = buckets.back().count;
  if (observations == 0) return kNan;
  double rank = q * observations;
  const auto found =
      std::partition_point(buckets.begin(), buckets.end() - 1,
                           [rank](const Bucket& bucket) { return !(bucket.count >= rank); });
  const auto b = static_cast<size_t>(found - buckets.begin());
  if (b == buckets.size() - 1) return buckets[buckets.size() - 2].bound;
  if (b == 0 && buckets[0].bound <= 0) return buckets[0].bound;
  double start = 0;
  double count = buckets[b].count;
  if (b > 0) {
    start = buckets[b - 1].bound;
    count -= buckets[b - 1].count;
    rank -= buckets[b - 1].count;
  }
  return start + (buckets[b].bound - start) * (rank / count);
}

// The observations between two bounds, as a share of all. REQUIRES: as above.
double BucketFraction(double lower, double upper, std::vector<Bucket>& buckets) {
  if (buckets.back().bound != kInf) return kNan;
  Coalesce(buckets);
  const double observations = buckets.back().count;
  if (observations == 0 || std::isnan(lower) || std::isnan(upper)) return kNan;
  if (lower >= upper) return 0;
  // Observations below a value, spread evenly within its bucket.
  const auto rank_of = [&](double value) {
    double below = 0;
    for (size_t i = 0; i < buckets.size(); ++i) {
      const double end = buckets[i].bound;
      const double start = i > 0 ? buckets[i - 1].bound : end > 0 ? 0 : -kInf;
      if (start >= value) return below;
      if (end > value) {
        // Nothing is known of how observations lie in a bucket without end.
        if (start == -kInf) return buckets[i].count;
        if (end == kInf) return below;
        return below + (buckets[i].count - below) * (value - start) / (end - start);
      }
      below = buckets[i].count;
    }
    return observations;
  };
  const double upper_rank = upper == kInf ? observations : std::min(rank_of(upper), observations);
  return (upper_rank - std::min(rank_of(lower), observations)) / observations;
}

struct BoundRow {
  double bound;
  Row* row;
};

// The bucket series of one classic histogram, by bound.
struct Histogram {
  model::Labels labels;  // Without `le`; the name is still there.
  bool drop_name;
  std::vector<BoundRow> buckets;
  Row* native = nullptr;  // A native histogram with the same labels, if any.
};

struct Contents {
  bool numbers = false;
  bool histograms = false;
};
Contents ContentsOf(const Row& row, size_t steps) {
  if (!row.HasHistograms()) return {true, false};
  Contents contents;
  ForEachPresent(row.present, steps, [&](size_t step) {
    (row.IsHistogram(step) ? contents.histograms : contents.numbers) = true;
  });
  return contents;
}

std::vector<Histogram> GatherHistograms(QueryContext& context, const Rows& rows, size_t steps,
                                        Position at) {
  std::vector<Histogram> histograms;
  std::unordered_map<model::Labels, size_t> index;
  model::LabelsBuilder builder;
  const auto find = [&](const Row& row) -> Histogram& {
    builder.Reset(row.labels);
    builder.Delete(model::kBucketLabel);
    model::Labels labels = builder.Build();
    const auto [it, is_new] = index.try_emplace(labels, histograms.size());
    if (is_new) histograms.push_back({std::move(labels), row.drop_name, {}});
    return histograms[it->second];
  };
  for (Row* row : rows.rows) {
    const Contents contents = ContentsOf(*row, steps);
    if (contents.histograms) find(*row).native = row;
    if (!contents.numbers) continue;
    const std::string_view le = row->labels.Get(model::kBucketLabel);
    const auto bound = model::ParseFloat(le);
    if (!bound) {
      context.annotations.Warn(
          at,
          "bucket label \"le\" is missing or has a malformed value of \"{}\" for metric name "
          "\"{}\"",
          le, row->labels.Get(model::kMetricName));
      continue;
    }
    find(*row).buckets.push_back({*bound, row});
  }
  for (Histogram& histogram : histograms) {
    std::ranges::stable_sort(histogram.buckets, {}, &BoundRow::bound);
  }
  return histograms;
}

// Adds a row per histogram: of `classic(histogram, buckets, step)` wherever it has a bucket, of
// `native(histogram, value, step)` where it is a native one.
template <class Classic, class Native>
base::Status AddRows(QueryContext& context, const std::vector<Histogram>& histograms,
                     const Grid& grid, RowBuilder& output,
                     const std::pair<std::string, std::string>* extra, Position at,
                     Classic&& classic, Native&& native) {
  std::vector<Bucket> buckets;
  Watch watch(context.budget);
  for (const Histogram& histogram : histograms) {
    RETURN_IF_ERROR(context.budget.Check());
    const bool drop_now = !context.delayed_name_removal;
    model::Labels labels = drop_now ? DropName(histogram.labels) : histogram.labels;
    if (extra != nullptr) {
      model::LabelsBuilder builder(labels);
      builder.Set(extra->first, extra->second);
      labels = builder.Build();
    }
    Row& out = output.Add(std::move(labels), !drop_now);
    for (size_t step = 0; step < grid.steps; ++step) {
      if (watch.Spend(1 + histogram.buckets.size())) break;
      buckets.clear();
      for (const auto& [bound, row] : histogram.buckets) {
        if (row->Has(step) && !row->IsHistogram(step)) {
          buckets.push_back({bound, row->values[step]});
        }
      }
      const Row* const row = histogram.native;
      if (row != nullptr && row->Has(step) && row->IsHistogram(step)) {
        if (buckets.empty()) {
          out.Set(step, native(histogram, *row->histograms[step], step));
        } else {
          context.annotations.Warn(
              at, "vector contains a mix of classic and native histograms for metric name \"{}\"",
              histogram.labels.Get(model::kMetricName));
        }
      } else if (!buckets.empty()) {
        out.Set(step, classic(histogram, buckets, step));
      }
    }
  }
  return {};
}

base::Result<VectorOperatorPtr> Finish(QueryContext& context, RowBuilder& output,
                                       const Grid& grid) {
  ASSIGN_OR_RETURN(Rows rows, MergeEqualRows(output.Take(), grid.steps, context.budget));
  auto made = MakeRowsOperator(std::move(rows), context.budget);
  made->one_name = true;
  return made;
}

auto QuantileWithRemarks(QueryContext& context, const std::vector<double>& quantiles, Position at) {
  return [&context, &quantiles, at](const Histogram& histogram, std::vector<Bucket>& buckets,
                                    size_t step) {
    bool forced = false;
    const double value = BucketQuantile(quantiles[step], buckets, &forced);
    if (forced) {
      context.annotations.Inform(
          at,
          "input to histogram_quantile needed to be fixed for monotonicity (see "
          "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) "
          "for metric name \"{}\"",
          histogram.labels.Get(model::kMetricName));
    }
    return value;
  };
}

// As OpenMetrics writes it: whole numbers with a fraction.
std::string LabelOf(double quantile) {
  std::string text = model::FormatFloat(quantile);
  const bool digits = text.find_first_not_of("-0123456789") == std::string::npos;
  if (digits) text += ".0";
  return text;
}

auto NativeQuantileWithRemarks(QueryContext& context, const std::vector<double>& quantiles,
                               Position at) {
  return [&context, &quantiles, at](const Histogram& histogram, const model::FloatHistogram& h,
                                    size_t step) {
    NanObservations nans = NanObservations::kNone;
    const double value = NativeQuantile(quantiles[step], h, &nans);
    if (nans != NanObservations::kNone) {
      context.annotations.Inform(
          at,
          "input to histogram_quantile has NaN observations, result is {} for metric name \"{}\"",
          nans == NanObservations::kSkewed ? "skewed higher" : "NaN",
          histogram.labels.Get(model::kMetricName));
    }
    return value;
  };
}

// Replaces each histogram of a row by a number; numbers go.
template <double (*of)(const model::FloatHistogram&)>
void ReplaceHistograms(const ScalarArgs&, StepRange steps, Row& row) {
  ForEachPresent(row.present, steps, [&](size_t step) {
    if (row.IsHistogram(step)) {
      row.values[step] = of(*row.histograms[step]);
    } else {
      row.Clear(step);
    }
  });
}

template <double (*of)(const model::FloatHistogram&)>
base::Result<VectorOperatorPtr> PerHistogram(Planner& planner, const Call& call, const Grid& grid) {
  ASSIGN_OR_RETURN(auto input, planner.Vector(*call.args[0], grid));
  return planner.Elementwise(std::move(input), &ReplaceHistograms<of>, {}, grid,
                             KeepHistograms::kForFunction);
}

double CountOf(const model::FloatHistogram& h) { return h.count; }
double SumOf(const model::FloatHistogram& h) { return h.sum; }
double MeanOf(const model::FloatHistogram& h) { return h.sum / h.count; }
double StddevOf(const model::FloatHistogram& h) { return std::sqrt(NativeVariance(h)); }

}  // namespace

base::Result<VectorOperatorPtr> HistogramQuantile(Planner& planner, const Call& call,
                                                  const Grid& grid) {
  QueryContext& context = planner.context();
  ASSIGN_OR_RETURN(const std::vector<double> quantiles, planner.Scalar(*call.args[0], grid));
  ASSIGN_OR_RETURN(const Rows rows, planner.ReadVector(*call.args[1], grid));
  WarnOfQuantiles(context, quantiles, call.args[0]->position);
  const Position at = call.args[1]->position;
  RowBuilder output(grid.steps, context.budget.memory());
  RETURN_IF_ERROR(AddRows(context, GatherHistograms(context, rows, grid.steps, at), grid, output,
                          nullptr, at, QuantileWithRemarks(context, quantiles, at),
                          NativeQuantileWithRemarks(context, quantiles, at)));
  return Finish(context, output, grid);
}

base::Result<VectorOperatorPtr> HistogramQuantiles(Planner& planner, const Call& call,
                                                   const Grid& grid) {
  QueryContext& context = planner.context();
  ASSIGN_OR_RETURN(const Rows rows, planner.ReadVector(*call.args[0], grid));
  const std::string& label = Planner::Text(*call.args[1]);
  const Position at = call.args[0]->position;
  const std::vector<Histogram> histograms = GatherHistograms(context, rows, grid.steps, at);
  RowBuilder output(grid.steps, context.budget.memory());
  for (size_t i = 2; i < call.args.size(); ++i) {
    ASSIGN_OR_RETURN(const std::vector<double> quantiles, planner.Scalar(*call.args[i], grid));
    WarnOfQuantiles(context, quantiles, call.args[i]->position);
    const std::pair extra(label, LabelOf(quantiles[0]));
    RETURN_IF_ERROR(AddRows(context, histograms, grid, output, &extra, at,
                            QuantileWithRemarks(context, quantiles, at),
                            NativeQuantileWithRemarks(context, quantiles, at)));
  }
  return Finish(context, output, grid);
}

base::Result<VectorOperatorPtr> HistogramFraction(Planner& planner, const Call& call,
                                                  const Grid& grid) {
  QueryContext& context = planner.context();
  ASSIGN_OR_RETURN(const std::vector<double> lower, planner.Scalar(*call.args[0], grid));
  ASSIGN_OR_RETURN(const std::vector<double> upper, planner.Scalar(*call.args[1], grid));
  ASSIGN_OR_RETURN(const Rows rows, planner.ReadVector(*call.args[2], grid));
  RowBuilder output(grid.steps, context.budget.memory());
  const Position at = call.args[2]->position;
  const auto classic = [&](const Histogram&, std::vector<Bucket>& buckets, size_t step) {
    return BucketFraction(lower[step], upper[step], buckets);
  };
  const auto native = [&](const Histogram& histogram, const model::FloatHistogram& h, size_t step) {
    bool nans = false;
    const double fraction = NativeFraction(lower[step], upper[step], h, &nans);
    if (nans) {
      context.annotations.Inform(at,
                                 "input to histogram_fraction has NaN observations, which are "
                                 "excluded from all fractions for metric name \"{}\"",
                                 histogram.labels.Get(model::kMetricName));
    }
    return fraction;
  };
  RETURN_IF_ERROR(AddRows(context, GatherHistograms(context, rows, grid.steps, at), grid, output,
                          nullptr, at, classic, native));
  return Finish(context, output, grid);
}

base::Result<VectorOperatorPtr> HistogramAvg(Planner& planner, const Call& call, const Grid& grid) {
  return PerHistogram<MeanOf>(planner, call, grid);
}
base::Result<VectorOperatorPtr> HistogramCount(Planner& planner, const Call& call,
                                               const Grid& grid) {
  return PerHistogram<CountOf>(planner, call, grid);
}
base::Result<VectorOperatorPtr> HistogramStddev(Planner& planner, const Call& call,
                                                const Grid& grid) {
  return PerHistogram<StddevOf>(planner, call, grid);
}
base::Result<VectorOperatorPtr> HistogramStdvar(Planner& planner, const Call& call,
                                                const Grid& grid) {
  return PerHistogram<NativeVariance>(planner, call, grid);
}
base::Result<VectorOperatorPtr> HistogramSumOf(Planner& planner, const Call& call,
                                               const Grid& grid) {
  return PerHistogram<SumOf>(planner, call, grid);
}

}  // namespace narthex::promql
