#include <algorithm>

#include "promql/functions/function.h"

namespace narthex::promql {
namespace {

constexpr ValueType kS = ValueType::kScalar;
constexpr ValueType kV = ValueType::kVector;
constexpr ValueType kM = ValueType::kMatrix;
constexpr ValueType kT = ValueType::kString;

// Attributes of a row that few have.
constexpr bool kExperimental = true;
constexpr bool kStable = false;
constexpr bool kAnchored = true;
constexpr bool kSmoothed = true;

constexpr Function kFunctions[] = {
    // name, arguments, required, repeats, result, documentation
    {"abs", {kV}, 1, 0, kV, "Absolute value of each sample."},
    {"absent", {kV}, 1, 0, kV, "1 where the vector is empty, nothing elsewhere."},
    {"absent_over_time", {kM}, 1, 0, kV, "1 where no series has a sample in the range."},
    {"acos", {kV}, 1, 0, kV, "Arc cosine in radians."},
    {"acosh", {kV}, 1, 0, kV, "Inverse hyperbolic cosine."},
    {"asin", {kV}, 1, 0, kV, "Arc sine in radians."},
    {"asinh", {kV}, 1, 0, kV, "Inverse hyperbolic sine."},
    {"atan", {kV}, 1, 0, kV, "Arc tangent in radians."},
    {"atanh", {kV}, 1, 0, kV, "Inverse hyperbolic tangent."},
    {"avg_over_time", {kM}, 1, 0, kV, "Mean of the samples in the range."},
    {"ceil", {kV}, 1, 0, kV, "The next whole number upwards."},
    {"changes", {kM}, 1, 0, kV, "How often the value changed.", kStable, kAnchored},
    {"clamp", {kV, kS, kS}, 3, 0, kV, "Values limited to lie between minimum and maximum."},
    {"clamp_max", {kV, kS}, 2, 0, kV, "Values limited from above."},
    {"clamp_min", {kV, kS}, 2, 0, kV, "Values limited from below."},
    {"cos", {kV}, 1, 0, kV, "Cosine of radians."},
    {"cosh", {kV}, 1, 0, kV, "Hyperbolic cosine."},
    {"count_over_time", {kM}, 1, 0, kV, "Number of samples in the range."},
    {"day_of_month", {kV}, 0, 0, kV, "Day of the month in UTC, from 1."},
    {"day_of_week", {kV}, 0, 0, kV, "Day of the week in UTC, Sunday is 0."},
    {"day_of_year", {kV}, 0, 0, kV, "Day of the year in UTC, from 1."},
    {"days_in_month", {kV}, 0, 0, kV, "Number of days of the month in UTC."},
    {"deg", {kV}, 1, 0, kV, "Radians to degrees."},
    {"delta",
     {kM},
     1,
     0,
     kV,
     "Last minus first value, extrapolated to the range.",
     kStable,
     kAnchored,
     kSmoothed},
    {"deriv", {kM}, 1, 0, kV, "Slope per second by linear regression."},
    {"double_exponential_smoothing",
     {kM, kS, kS},
     3,
     0,
     kV,
     "Smoothed value with smoothing and trend factors (Holt's linear method).",
     kExperimental},
    {"end", {}, 0, 0, kS, "End of the query in seconds since the epoch.", kExperimental},
    {"exp", {kV}, 1, 0, kV, "e to the power of each sample."},
    {"first_over_time", {kM}, 1, 0, kV, "Oldest value in the range."},
    {"floor", {kV}, 1, 0, kV, "The next whole number downwards."},
    {"histogram_avg", {kV}, 1, 0, kV, "Mean observation of native histograms."},
    {"histogram_count", {kV}, 1, 0, kV, "Number of observations of native histograms."},
    {"histogram_fraction", {kS, kS, kV}, 3, 0, kV, "Fraction of observations between two bounds."},
    {"histogram_quantile", {kS, kV}, 2, 0, kV, "Quantile of a histogram, interpolated."},
    {"histogram_quantiles",
     {kV, kT, kS},
     3,
     9,
     kV,
     "Several quantiles of a histogram, told apart by a label.",
     kExperimental},
    {"histogram_stddev", {kV}, 1, 0, kV, "Standard deviation of native histograms."},
    {"histogram_stdvar", {kV}, 1, 0, kV, "Variance of native histograms."},
    {"histogram_sum", {kV}, 1, 0, kV, "Sum of observations of native histograms."},
    {"hour", {kV}, 0, 0, kV, "Hour of the day in UTC."},
    {"idelta", {kM}, 1, 0, kV, "Difference of the last two samples."},
    {"increase",
     {kM},
     1,
     0,
     kV,
     "Increase of a counter, extrapolated to the range.",
     kStable,
     kAnchored,
     kSmoothed},
    {"info", {kV, kV}, 1, 0, kV, "Adds labels of the matching info series.", kExperimental},
    {"irate", {kM}, 1, 0, kV, "Per-second increase between the last two samples."},
    {"label_join", {kV, kT, kT, kT}, 3, kAnyTimes, kV, "Joins label values into a label."},
    {"label_replace",
     {kV, kT, kT, kT, kT},
     5,
     0,
     kV,
     "Sets a label from a regular expression over another."},
    {"last_over_time", {kM}, 1, 0, kV, "Newest value in the range."},
    {"ln", {kV}, 1, 0, kV, "Natural logarithm."},
    {"log10", {kV}, 1, 0, kV, "Decimal logarithm."},
    {"log2", {kV}, 1, 0, kV, "Binary logarithm."},
    {"mad_over_time", {kM}, 1, 0, kV, "Median absolute deviation in the range.", kExperimental},
    {"max_of", {kS, kS}, 2, 0, kS, "The larger of two scalars.", kExperimental},
    {"max_over_time", {kM}, 1, 0, kV, "Largest value in the range."},
    {"min_of", {kS, kS}, 2, 0, kS, "The smaller of two scalars.", kExperimental},
    {"min_over_time", {kM}, 1, 0, kV, "Smallest value in the range."},
    {"minute", {kV}, 0, 0, kV, "Minute of the hour in UTC."},
    {"month", {kV}, 0, 0, kV, "Month of the year in UTC, from 1."},
    {"pi", {}, 0, 0, kS, "The number pi."},
    {"predict_linear", {kM, kS}, 2, 0, kV, "Value so many seconds ahead, by linear regression."},
    {"present_over_time", {kM}, 1, 0, kV, "1 for every series with a sample in the range."},
    {"quantile_over_time", {kS, kM}, 2, 0, kV, "Quantile of the values in the range."},
    {"rad", {kV}, 1, 0, kV, "Degrees to radians."},
    {"range", {}, 0, 0, kS, "End minus start of the query in seconds.", kExperimental},
    {"rate",
     {kM},
     1,
     0,
     kV,
     "Per-second increase of a counter, extrapolated to the range.",
     kStable,
     kAnchored,
     kSmoothed},
    {"resets", {kM}, 1, 0, kV, "How often a counter started anew.", kStable, kAnchored},
    {"round", {kV, kS}, 1, 0, kV, "Nearest multiple of the scalar, 1 without it."},
    {"scalar", {kV}, 1, 0, kS, "The only sample of a vector, NaN if it has not exactly one."},
    {"sgn", {kV}, 1, 0, kV, "-1, 0 or 1 by sign."},
    {"sin", {kV}, 1, 0, kV, "Sine of radians."},
    {"sinh", {kV}, 1, 0, kV, "Hyperbolic sine."},
    {"sort", {kV}, 1, 0, kV, "Ascending by value; instant queries only."},
    {"sort_by_label",
     {kV, kT},
     1,
     kAnyTimes,
     kV,
     "By label values; instant queries only.",
     kExperimental},
    {"sort_by_label_desc",
     {kV, kT},
     1,
     kAnyTimes,
     kV,
     "By label values, descending; instant queries only.",
     kExperimental},
    {"sort_desc", {kV}, 1, 0, kV, "Descending by value; instant queries only."},
    {"sqrt", {kV}, 1, 0, kV, "Square root."},
    {"start", {}, 0, 0, kS, "Start of the query in seconds since the epoch.", kExperimental},
    {"stddev_over_time", {kM}, 1, 0, kV, "Population standard deviation in the range."},
    {"stdvar_over_time", {kM}, 1, 0, kV, "Population variance in the range."},
    {"step", {}, 0, 0, kS, "Step of the query in seconds.", kExperimental},
    {"sum_over_time", {kM}, 1, 0, kV, "Sum of the values in the range."},
    {"tan", {kV}, 1, 0, kV, "Tangent of radians."},
    {"tanh", {kV}, 1, 0, kV, "Hyperbolic tangent."},
    {"time", {}, 0, 0, kS, "Evaluation time in seconds since the epoch."},
    {"timestamp", {kV}, 1, 0, kV, "Time of each sample in seconds since the epoch."},
    {"ts_of_first_over_time", {kM}, 1, 0, kV, "Time of the oldest sample.", kExperimental},
    {"ts_of_last_over_time", {kM}, 1, 0, kV, "Time of the newest sample.", kExperimental},
    {"ts_of_max_over_time", {kM}, 1, 0, kV, "Time of the largest value.", kExperimental},
    {"ts_of_min_over_time", {kM}, 1, 0, kV, "Time of the smallest value.", kExperimental},
    {"vector", {kS}, 1, 0, kV, "The scalar as a vector with one sample without labels."},
    {"year", {kV}, 0, 0, kV, "Year in UTC."},
};
static_assert(std::ranges::is_sorted(kFunctions, {}, &Function::name));  // Lookup bisects.

size_t ListedArgs(const Function& function) {
  size_t count = 0;
  while (count < kFunctionArgsMax && function.args[count] != ValueType::kNone) ++count;
  return count;
}

}  // namespace

ValueType Function::arg(size_t i) const {
  return args[std::min(i, std::max<size_t>(ListedArgs(*this), 1) - 1)];
}

size_t Function::args_max() const { return ListedArgs(*this) + repeats; }

const Function* FindFunction(std::string_view name) {
  const auto found = std::ranges::lower_bound(kFunctions, name, {}, &Function::name);
  return found != std::end(kFunctions) && found->name == name ? found : nullptr;
}

std::span<const Function> Functions() { return kFunctions; }

}  // namespace narthex::promql
