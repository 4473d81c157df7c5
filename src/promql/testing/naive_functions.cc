#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>

#include "model/number.h"
#include "promql/testing/naive_evaluator.h"

namespace narthex::promql {
namespace {

using model::Sample;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

double Seconds(int64_t ms) { return static_cast<double>(ms) / 1000; }

std::vector<double> Values(const NaiveWindow& window) {
  std::vector<double> values;
  for (const Sample& sample : window.samples) values.push_back(sample.v);
  return values;
}

std::optional<double> Extrapolated(const NaiveWindow& window, bool counter, bool per_second) {
  const std::vector<Sample>& samples = window.samples;
  if (samples.size() < 2) return std::nullopt;
  double rise = samples.back().v - samples.front().v;
  for (size_t i = 1; counter && i < samples.size(); ++i) {
    if (samples[i].v < samples[i - 1].v) rise += samples[i - 1].v;
  }
  const double sampled = Seconds(samples.back().t - samples.front().t);
  const double spacing = sampled / static_cast<double>(samples.size() - 1);
  double before = Seconds(samples.front().t - window.start);
  double after = Seconds(window.end - samples.back().t);
  if (before >= spacing * 1.1) before = spacing / 2;
  if (after >= spacing * 1.1) after = spacing / 2;
  if (counter && rise > 0 && samples.front().v >= 0) {
    before = std::min(before, sampled * (samples.front().v / rise));
  }
  double factor = (sampled + before + after) / sampled;
  if (per_second) factor /= Seconds(window.end - window.start);
  return rise * factor;
}

std::optional<double> LastTwo(const NaiveWindow& window, bool per_second) {
  const std::vector<Sample>& samples = window.samples;
  if (samples.size() < 2) return std::nullopt;
  const Sample& last = samples.back();
  const Sample& before = samples[samples.size() - 2];
  if (!per_second) return last.v - before.v;
  return (last.v < before.v ? last.v : last.v - before.v) / Seconds(last.t - before.t);
}

double Variance(const std::vector<double>& values) {
  NaiveSum mean;
  NaiveSum squares;
  double count = 0;
  for (const double value : values) {
    count += 1;
    const double delta = value - (mean.sum + mean.lost);
    mean.Add(delta / count);
    squares.Add(delta * (value - (mean.sum + mean.lost)));
  }
  return (squares.sum + squares.lost) / count;
}

// Slope and value at `origin`.
std::pair<double, double> Line(const std::vector<Sample>& samples, int64_t origin) {
  const bool constant = std::ranges::all_of(samples.begin() + 1, samples.end(),
                                            [&](const Sample& s) { return s.v == samples[0].v; });
  if (constant) {
    if (std::isinf(samples[0].v)) return {kNan, kNan};
    return {0, samples[0].v};
  }
  NaiveSum x;
  NaiveSum y;
  NaiveSum xy;
  NaiveSum xx;
  for (const Sample& sample : samples) {
    const double t = static_cast<double>(sample.t - origin) / 1e3;
    x.Add(t);
    y.Add(sample.v);
    xy.Add(t * sample.v);
    xx.Add(t * t);
  }
  const auto n = static_cast<double>(samples.size());
  const double sx = x.sum + x.lost;
  const double sy = y.sum + y.lost;
  const double slope = ((xy.sum + xy.lost) - sx * sy / n) / ((xx.sum + xx.lost) - sx * sx / n);
  return {slope, sy / n - slope * sx / n};
}

double Smoothed(const NaiveWindow& window) {
  const double sf = window.scalars[0];
  const double tf = window.scalars[1];
  double level = window.samples[0].v;
  double level_before = 0;
  double trend = window.samples[1].v - window.samples[0].v;
  for (size_t i = 1; i < window.samples.size(); ++i) {
    const double scaled = sf * window.samples[i].v;
    if (i > 1) trend = tf * (level - level_before) + (1 - tf) * trend;
    level_before = level;
    level = scaled + (1 - sf) * (level + trend);
  }
  return level;
}

double Mad(std::vector<double> values) {
  if (std::ranges::any_of(values, [](double v) { return std::isnan(v); })) return kNan;
  const double median = NaiveQuantile(0.5, values);
  for (double& value : values) value = std::fabs(value - median);
  return NaiveQuantile(0.5, values);
}

// The smallest or largest, NaN only where there is nothing else; `newest` of equal ones.
const Sample& Extreme(const NaiveWindow& window, bool largest, bool newest) {
  const Sample* found = &window.samples[0];
  for (const Sample& sample : window.samples) {
    const bool better = largest ? sample.v > found->v : sample.v < found->v;
    const bool as_good = sample.v == found->v || std::isnan(found->v);
    const bool rescued = std::isnan(found->v) && !std::isnan(sample.v);
    if (better || rescued || (newest && as_good)) found = &sample;
  }
  return *found;
}

}  // namespace

void NaiveSum::Add(double x) {
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

double NaiveSum::Total() const { return std::isinf(sum) ? sum : sum + lost; }

double NaiveMean(const std::vector<double>& values) {
  NaiveSum sum;
  double count = 0;
  bool running = false;  // `sum` holds the mean itself.
  for (const double value : values) {
    count += 1;
    if (!running) {
      NaiveSum next = sum;
      next.Add(value);
      if (count == 1 || !std::isinf(next.sum)) {
        sum = next;
        continue;
      }
      running = true;
      sum.sum /= count - 1;
      sum.lost /= count - 1;
    }
    const double share = (count - 1) / count;
    sum.sum *= share;
    sum.lost *= share;
    sum.Add(value / count);
  }
  return running ? sum.sum + sum.lost : sum.sum / count + sum.lost / count;
}

double NaiveQuantile(double q, std::vector<double> values) {
  if (values.empty() || std::isnan(q)) return kNan;
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  const auto numbers = std::ranges::partition(values, [](double v) { return std::isnan(v); });
  std::ranges::sort(numbers);
  const auto last = static_cast<double>(values.size() - 1);
  const double rank = q * last;
  const double lower = std::floor(rank);
  const double upper = std::min(last, lower + 1);
  const double weight = rank - lower;
  return values[static_cast<size_t>(lower)] * (1 - weight) +
         values[static_cast<size_t>(upper)] * weight;
}

std::optional<double> NaiveOverRange(std::string_view function, const NaiveWindow& window) {
  const std::vector<Sample>& samples = window.samples;
  if (function == "rate") return Extrapolated(window, true, true);
  if (function == "increase") return Extrapolated(window, true, false);
  if (function == "delta") return Extrapolated(window, false, false);
  if (function == "irate") return LastTwo(window, true);
  if (function == "idelta") return LastTwo(window, false);
  if (function == "changes" || function == "resets") {
    double count = 0;
    for (size_t i = 1; i < samples.size(); ++i) {
      const double now = samples[i].v;
      const double before = samples[i - 1].v;
      const bool both_nan = std::isnan(now) && std::isnan(before);
      if (function == "resets" ? now < before : now != before && !both_nan) count += 1;
    }
    return count;
  }
  if (function == "deriv" || function == "predict_linear") {
    if (samples.size() < 2) return std::nullopt;
    if (function == "deriv") return Line(samples, samples[0].t).first;
    const auto [slope, value] = Line(samples, window.t);
    return slope * window.scalars[0] + value;
  }
  if (function == "double_exponential_smoothing") {
    return samples.size() < 2 ? std::nullopt : std::optional(Smoothed(window));
  }
  if (function == "count_over_time") return static_cast<double>(samples.size());
  if (function == "present_over_time") return 1;
  if (function == "first_over_time") return samples.front().v;
  if (function == "last_over_time") return samples.back().v;
  if (function == "ts_of_first_over_time") return Seconds(samples.front().t);
  if (function == "ts_of_last_over_time") return Seconds(samples.back().t);
  if (function == "min_over_time") return Extreme(window, false, false).v;
  if (function == "max_over_time") return Extreme(window, true, false).v;
  if (function == "ts_of_min_over_time") return Seconds(Extreme(window, false, true).t);
  if (function == "ts_of_max_over_time") return Seconds(Extreme(window, true, true).t);
  if (function == "avg_over_time") return NaiveMean(Values(window));
  if (function == "stdvar_over_time") return Variance(Values(window));
  if (function == "stddev_over_time") return std::sqrt(Variance(Values(window)));
  if (function == "quantile_over_time") return NaiveQuantile(window.scalars[0], Values(window));
  if (function == "mad_over_time") return Mad(Values(window));
  CHECK(function == "sum_over_time");
  NaiveSum sum;
  for (const Sample& sample : samples) sum.Add(sample.v);
  return sum.Total();
}

std::optional<double> NaiveOfNumber(std::string_view function, double v,
                                    const std::vector<double>& scalars) {
  using Fn = double (*)(double);
  static const std::map<std::string_view, Fn> kPlain = {
      {"abs", std::fabs},    {"acos", std::acos},   {"acosh", std::acosh}, {"asin", std::asin},
      {"asinh", std::asinh}, {"atan", std::atan},   {"atanh", std::atanh}, {"ceil", std::ceil},
      {"cos", std::cos},     {"cosh", std::cosh},   {"exp", std::exp},     {"floor", std::floor},
      {"ln", std::log},      {"log10", std::log10}, {"log2", std::log2},   {"sin", std::sin},
      {"sinh", std::sinh},   {"sqrt", std::sqrt},   {"tan", std::tan},     {"tanh", std::tanh}};
  if (const auto plain = kPlain.find(function); plain != kPlain.end()) return plain->second(v);
  if (function == "deg") return v * 180 / M_PI;
  if (function == "rad") return v * M_PI / 180;
  if (function == "sgn") return v < 0 ? -1 : v > 0 ? 1 : v;
  if (function == "clamp_min")
    return std::isnan(v) ? v : std::isnan(scalars[0]) ? kNan : std::max(scalars[0], v);
  if (function == "clamp_max")
    return std::isnan(v) ? v : std::isnan(scalars[0]) ? kNan : std::min(scalars[0], v);
  if (function == "clamp") {
    if (scalars[1] < scalars[0]) return std::nullopt;
    if (std::isnan(v) || std::isnan(scalars[0]) || std::isnan(scalars[1])) return kNan;
    return std::max(scalars[0], std::min(scalars[1], v));
  }
  if (function == "round") {
    const double inverse = 1 / (scalars.empty() ? 1 : scalars[0]);
    return std::floor(v * inverse + 0.5) / inverse;
  }
  const auto seconds = static_cast<std::time_t>(v);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  if (function == "minute") return parts.tm_min;
  if (function == "hour") return parts.tm_hour;
  if (function == "day_of_week") return parts.tm_wday;
  if (function == "day_of_month") return parts.tm_mday;
  if (function == "day_of_year") return parts.tm_yday + 1;
  if (function == "month") return parts.tm_mon + 1;
  if (function == "year") return parts.tm_year + 1900;
  CHECK(function == "days_in_month");
  for (int day = 31;; --day) {
    std::tm same = parts;
    same.tm_mday = day;
    const int month = same.tm_mon;
    timegm(&same);
    if (same.tm_mon == month) return day;
  }
}

NaiveVector NaiveHistogramQuantile(double q, const NaiveVector& elements) {
  std::map<model::Labels, std::map<double, double>> histograms;
  for (const NaiveElement& element : elements) {
    const auto bound = model::ParseFloat(element.labels.Get("le"));
    if (!bound) continue;
    histograms[NaivePick(NaiveDropName(element.labels), {"le"}, false)][*bound] += element.value;
  }
  NaiveVector results;
  for (const auto& [labels, by_bound] : histograms) {
    std::vector<std::pair<double, double>> buckets(by_bound.begin(), by_bound.end());
    const auto value = [&]() -> double {
      if (std::isnan(q)) return kNan;
      if (q < 0) return -kInf;
      if (q > 1) return kInf;
      if (buckets.back().first != kInf) return kNan;
      // Counts never fall; all but nothing is no rise.
      double highest = buckets[0].second;
      for (auto& [bound, count] : buckets) {
        const bool close =
            std::fabs(count - highest) / (std::fabs(count) + std::fabs(highest)) < 1e-12;
        if (count < highest || close) count = highest;
        highest = std::max(highest, count);
      }
      if (buckets.size() < 2 || buckets.back().second == 0) return kNan;
      const double rank = q * buckets.back().second;
      for (size_t i = 0; i + 1 < buckets.size(); ++i) {
        const auto [bound, count] = buckets[i];
        if (!(count >= rank)) continue;
        if (i == 0 && bound <= 0) return bound;
        const double start = i == 0 ? 0 : buckets[i - 1].first;
        const double below = i == 0 ? 0 : buckets[i - 1].second;
        return start + (bound - start) * ((rank - below) / (count - below));
      }
      return buckets[buckets.size() - 2].first;
    }();
    results.push_back({labels, value});
  }
  return results;
}

}  // namespace narthex::promql
