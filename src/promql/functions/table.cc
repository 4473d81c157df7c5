#include <algorithm>
#include <array>
#include <cstdint>

#include "promql/functions/function.h"

namespace narthex::promql {
namespace {

constexpr ValueType kS = ValueType::kScalar;
constexpr ValueType kV = ValueType::kVector;
constexpr ValueType kM = ValueType::kMatrix;
constexpr ValueType kT = ValueType::kString;

constexpr bool kExperimental = true;

constexpr Function kFunctions[] = {
    // name, arguments, required, repeats, result, evaluator, documentation
    {"abs", {kV}, 1, 0, kV, &Abs, "Absolute value of each sample."},
    {"absent", {kV}, 1, 0, kV, &Absent, "1 where the vector is empty, nothing elsewhere."},
    {"absent_over_time",
     {kM},
     1,
     0,
     kV,
     &AbsentOverTime,
     "1 where no series has a sample in the range."},
    {"acos", {kV}, 1, 0, kV, &Acos, "Arc cosine in radians."},
    {"acosh", {kV}, 1, 0, kV, &Acosh, "Inverse hyperbolic cosine."},
    {"asin", {kV}, 1, 0, kV, &Asin, "Arc sine in radians."},
    {"asinh", {kV}, 1, 0, kV, &Asinh, "Inverse hyperbolic sine."},
    {"atan", {kV}, 1, 0, kV, &Atan, "Arc tangent in radians."},
    {"atanh", {kV}, 1, 0, kV, &Atanh, "Inverse hyperbolic tangent."},
    {"avg_over_time", {kM}, 1, 0, kV, &AvgOverTime, "Mean of the samples in the range."},
    {"ceil", {kV}, 1, 0, kV, &Ceil, "The next whole number upwards."},
    {"changes", {kM}, 1, 0, kV, &Changes, "How often the value changed."},
    {"clamp", {kV, kS, kS}, 3, 0, kV, &Clamp, "Values limited to lie between minimum and maximum."},
    {"clamp_max", {kV, kS}, 2, 0, kV, &ClampMax, "Values limited from above."},
    {"clamp_min", {kV, kS}, 2, 0, kV, &ClampMin, "Values limited from below."},
    {"cos", {kV}, 1, 0, kV, &Cos, "Cosine of radians."},
    {"cosh", {kV}, 1, 0, kV, &Cosh, "Hyperbolic cosine."},
    {"count_over_time", {kM}, 1, 0, kV, &CountOverTime, "Number of samples in the range."},
    {"day_of_month", {kV}, 0, 0, kV, &DayOfMonth, "Day of the month in UTC, from 1."},
    {"day_of_week", {kV}, 0, 0, kV, &DayOfWeek, "Day of the week in UTC, Sunday is 0."},
    {"day_of_year", {kV}, 0, 0, kV, &DayOfYear, "Day of the year in UTC, from 1."},
    {"days_in_month", {kV}, 0, 0, kV, &DaysInMonth, "Number of days of the month in UTC."},
    {"deg", {kV}, 1, 0, kV, &Deg, "Radians to degrees."},
    {"delta", {kM}, 1, 0, kV, &Delta, "Last minus first value, extrapolated to the range."},
    {"deriv", {kM}, 1, 0, kV, &Deriv, "Slope per second by linear regression."},
    {"double_exponential_smoothing",
     {kM, kS, kS},
     3,
     0,
     kV,
     &DoubleExponentialSmoothing,
     "Smoothed value with smoothing and trend factors (Holt's linear method).",
     kExperimental},
    {"end", {}, 0, 0, kS, &QueryEnd, "End of the query in seconds since the epoch.", kExperimental},
    {"exp", {kV}, 1, 0, kV, &Exp, "e to the power of each sample."},
    {"first_over_time", {kM}, 1, 0, kV, &FirstOverTime, "Oldest value in the range."},
    {"floor", {kV}, 1, 0, kV, &Floor, "The next whole number downwards."},
    {"histogram_avg", {kV}, 1, 0, kV, &HistogramAvg, "Mean observation of native histograms."},
    {"histogram_count",
     {kV},
     1,
     0,
     kV,
     &HistogramCount,
     "Number of observations of native histograms."},
    {"histogram_fraction",
     {kS, kS, kV},
     3,
     0,
     kV,
     &HistogramFraction,
     "Fraction of observations between two bounds."},
    {"histogram_quantile",
     {kS, kV},
     2,
     0,
     kV,
     &HistogramQuantile,
     "Quantile of a histogram, interpolated."},
    {"histogram_quantiles",
     {kV, kT, kS},
     3,
     9,
     kV,
     &HistogramQuantiles,
     "Several quantiles of a histogram, told apart by a label.",
     kExperimental},
    {"histogram_stddev",
     {kV},
     1,
     0,
     kV,
     &HistogramStddev,
     "Standard deviation of native histograms."},
    {"histogram_stdvar", {kV}, 1, 0, kV, &HistogramStdvar, "Variance of native histograms."},
    {"histogram_sum", {kV}, 1, 0, kV, &HistogramSumOf, "Sum of observations of native histograms."},
    {"hour", {kV}, 0, 0, kV, &Hour, "Hour of the day in UTC."},
    {"idelta", {kM}, 1, 0, kV, &Idelta, "Difference of the last two samples."},
    {"increase", {kM}, 1, 0, kV, &Increase, "Increase of a counter, extrapolated to the range."},
    {"info",
     {kV, kV},
     1,
     0,
     kV,
     &InfoOf,
     "Adds labels of the matching info series.",
     kExperimental},
    {"irate", {kM}, 1, 0, kV, &Irate, "Per-second increase between the last two samples."},
    {"label_join",
     {kV, kT, kT, kT},
     3,
     kAnyTimes,
     kV,
     &LabelJoin,
     "Joins label values into a label."},
    {"label_replace",
     {kV, kT, kT, kT, kT},
     5,
     0,
     kV,
     &LabelReplace,
     "Sets a label from a regular expression over another."},
    {"last_over_time", {kM}, 1, 0, kV, &LastOverTime, "Newest value in the range."},
    {"ln", {kV}, 1, 0, kV, &Ln, "Natural logarithm."},
    {"log10", {kV}, 1, 0, kV, &Log10, "Decimal logarithm."},
    {"log2", {kV}, 1, 0, kV, &Log2, "Binary logarithm."},
    {"mad_over_time",
     {kM},
     1,
     0,
     kV,
     &MadOverTime,
     "Median absolute deviation in the range.",
     kExperimental},
    {"max_of", {kS, kS}, 2, 0, kS, &MaxOf, "The larger of two scalars.", kExperimental},
    {"max_over_time", {kM}, 1, 0, kV, &MaxOverTime, "Largest value in the range."},
    {"min_of", {kS, kS}, 2, 0, kS, &MinOf, "The smaller of two scalars.", kExperimental},
    {"min_over_time", {kM}, 1, 0, kV, &MinOverTime, "Smallest value in the range."},
    {"minute", {kV}, 0, 0, kV, &Minute, "Minute of the hour in UTC."},
    {"month", {kV}, 0, 0, kV, &Month, "Month of the year in UTC, from 1."},
    {"pi", {}, 0, 0, kS, &Pi, "The number pi."},
    {"predict_linear",
     {kM, kS},
     2,
     0,
     kV,
     &PredictLinear,
     "Value so many seconds ahead, by linear regression."},
    {"present_over_time",
     {kM},
     1,
     0,
     kV,
     &PresentOverTime,
     "1 for every series with a sample in the range."},
    {"quantile_over_time",
     {kS, kM},
     2,
     0,
     kV,
     &QuantileOverTime,
     "Quantile of the values in the range."},
    {"rad", {kV}, 1, 0, kV, &Rad, "Degrees to radians."},
    {"range", {}, 0, 0, kS, &QueryRange, "End minus start of the query in seconds.", kExperimental},
    {"rate", {kM}, 1, 0, kV, &Rate, "Per-second increase of a counter, extrapolated to the range."},
    {"resets", {kM}, 1, 0, kV, &Resets, "How often a counter started anew."},
    {"round", {kV, kS}, 1, 0, kV, &Round, "Nearest multiple of the scalar, 1 without it."},
    {"scalar",
     {kV},
     1,
     0,
     kS,
     &ScalarOf,
     "The only sample of a vector, NaN if it has not exactly one."},
    {"sgn", {kV}, 1, 0, kV, &Sgn, "-1, 0 or 1 by sign."},
    {"sin", {kV}, 1, 0, kV, &Sin, "Sine of radians."},
    {"sinh", {kV}, 1, 0, kV, &Sinh, "Hyperbolic sine."},
    {"sort", {kV}, 1, 0, kV, &Sort, "Ascending by value; instant queries only."},
    {"sort_by_label",
     {kV, kT},
     1,
     kAnyTimes,
     kV,
     &SortByLabel,
     "By label values; instant queries only.",
     kExperimental},
    {"sort_by_label_desc",
     {kV, kT},
     1,
     kAnyTimes,
     kV,
     &SortByLabelDesc,
     "By label values, descending; instant queries only.",
     kExperimental},
    {"sort_desc", {kV}, 1, 0, kV, &SortDesc, "Descending by value; instant queries only."},
    {"sqrt", {kV}, 1, 0, kV, &Sqrt, "Square root."},
    {"start",
     {},
     0,
     0,
     kS,
     &QueryStart,
     "Start of the query in seconds since the epoch.",
     kExperimental},
    {"start_timestamp",
     {kV},
     1,
     0,
     kV,
     &StartTimestampOf,
     "When what each sample counts began, in seconds since the epoch.",
     kExperimental},
    {"stddev_over_time",
     {kM},
     1,
     0,
     kV,
     &StddevOverTime,
     "Population standard deviation in the range."},
    {"stdvar_over_time", {kM}, 1, 0, kV, &StdvarOverTime, "Population variance in the range."},
    {"step", {}, 0, 0, kS, &QueryStep, "Step of the query in seconds.", kExperimental},
    {"sum_over_time", {kM}, 1, 0, kV, &SumOverTime, "Sum of the values in the range."},
    {"tan", {kV}, 1, 0, kV, &Tan, "Tangent of radians."},
    {"tanh", {kV}, 1, 0, kV, &Tanh, "Hyperbolic tangent."},
    {"time", {}, 0, 0, kS, &Time, "Evaluation time in seconds since the epoch."},
    {"timestamp", {kV}, 1, 0, kV, &TimestampOf, "Time of each sample in seconds since the epoch."},
    {"ts_of_first_over_time",
     {kM},
     1,
     0,
     kV,
     &TsOfFirstOverTime,
     "Time of the oldest sample.",
     kExperimental},
    {"ts_of_last_over_time",
     {kM},
     1,
     0,
     kV,
     &TsOfLastOverTime,
     "Time of the newest sample.",
     kExperimental},
    {"ts_of_max_over_time",
     {kM},
     1,
     0,
     kV,
     &TsOfMaxOverTime,
     "Time of the largest value.",
     kExperimental},
    {"ts_of_min_over_time",
     {kM},
     1,
     0,
     kV,
     &TsOfMinOverTime,
     "Time of the smallest value.",
     kExperimental},
    {"vector", {kS}, 1, 0, kV, &VectorOf, "The scalar as a vector with one sample without labels."},
    {"year", {kV}, 0, 0, kV, &Year, "Year in UTC."},
};
static_assert(std::ranges::is_sorted(kFunctions, {}, &Function::name));

// What makes scalars and what is said to be one are the same.
static_assert(std::ranges::all_of(kFunctions, [](const Function& function) {
  return std::holds_alternative<ScalarFn>(function.evaluator) ==
         (function.result == ValueType::kScalar);
}));

// Where the functions of each first letter begin, and the end of all.
constexpr std::array<uint8_t, 27> kFirstByLetter = [] {
  std::array<uint8_t, 27> first{};
  for (const Function& function : kFunctions) {
    for (size_t i = static_cast<size_t>(function.name[0] - 'a') + 1; i < first.size(); ++i) {
      ++first[i];
    }
  }
  return first;
}();

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
  if (name.empty() || name[0] < 'a' || name[0] > 'z') return nullptr;
  const auto letter = static_cast<size_t>(name[0] - 'a');
  for (size_t i = kFirstByLetter[letter]; i < kFirstByLetter[letter + 1]; ++i) {
    if (kFunctions[i].name == name) return &kFunctions[i];
  }
  return nullptr;
}

std::span<const Function> Functions() { return kFunctions; }

}  // namespace narthex::promql
