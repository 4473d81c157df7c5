#include "promql/testing/random_query.h"

#include <fmt/core.h>

#include <span>
#include <string_view>

namespace narthex::promql {
namespace {

using Texts = std::span<const std::string_view>;

std::string_view Pick(base::Random& random, Texts texts) {
  return texts[random.Below(texts.size())];
}
template <size_t n>
std::string_view Pick(base::Random& random, const std::string_view (&texts)[n]) {
  return Pick(random, Texts(texts));
}

constexpr std::string_view kSelectors[] = {
    "a", "b", "c", "a{g=\"1\"}", "b{h!=\"x\"}", "a{g=~\"1|2\"}", "c{h=\"\"}", "missing"};
constexpr std::string_view kModifiers[] = {"",           "",
                                           "",           "",
                                           " offset 1m", " offset -2m",
                                           " @ 120",     " @ start()",
                                           " @ end()",   " @ 200 offset 30s"};
constexpr std::string_view kRanges[] = {"[1m]", "[2m]", "[90s]", "[5m]", "[10m]"};
constexpr std::string_view kSubqueryRanges[] = {"[2m:30s]", "[5m:1m]", "[3m:]", "[150s:45s]"};
constexpr std::string_view kOverRange[] = {"rate",
                                           "increase",
                                           "irate",
                                           "delta",
                                           "idelta",
                                           "deriv",
                                           "changes",
                                           "resets",
                                           "avg_over_time",
                                           "min_over_time",
                                           "max_over_time",
                                           "sum_over_time",
                                           "count_over_time",
                                           "stddev_over_time",
                                           "stdvar_over_time",
                                           "last_over_time",
                                           "first_over_time",
                                           "present_over_time",
                                           "absent_over_time",
                                           "mad_over_time",
                                           "ts_of_min_over_time",
                                           "ts_of_max_over_time",
                                           "ts_of_first_over_time",
                                           "ts_of_last_over_time"};
constexpr std::string_view kOfNumber[] = {
    "abs", "ceil", "floor", "exp",   "sqrt", "ln",  "log2",      "log10",  "sgn",
    "sin", "cosh", "atan",  "asinh", "deg",  "rad", "timestamp", "absent", "sort",
};
constexpr std::string_view kAggregates[] = {"sum",   "avg",   "min",    "max",
                                            "count", "group", "stddev", "stdvar"};
constexpr std::string_view kGroupings[] = {
    "", " by (g)", " by (g, h)", " without (g)", " without (h)", " by ()", " by (__name__)"};
constexpr std::string_view kArithmetic[] = {"+", "-", "*", "/", "%", "^", "atan2"};
constexpr std::string_view kComparisons[] = {"==", "!=", ">", "<", ">=", "<="};
constexpr std::string_view kMatchings[] = {"",
                                           " on (g)",
                                           " on (g, h)",
                                           " ignoring (h)",
                                           " on (g) group_left ()",
                                           " on (g) group_right ()",
                                           " on (g) group_left (h)",
                                           " ignoring (g) group_left ()"};
constexpr std::string_view kScalars[] = {
    "0",    "1",           "2.5", "-3", "NaN", "Inf", "time()", "scalar(a{g=\"1\", h=\"x\"})",
    "pi()", "(2 * time())"};
constexpr std::string_view kQuantiles[] = {"0", "0.25", "0.5", "0.9", "1", "-1", "2", "NaN"};

std::string Range(base::Random& random, int depth) {
  if (depth > 0 && random.Below(4) == 0) {
    return fmt::format("({}){}{}", RandomVectorQuery(random, depth - 1),
                       Pick(random, kSubqueryRanges), Pick(random, kModifiers));
  }
  return fmt::format("{}{}{}", Pick(random, kSelectors), Pick(random, kRanges),
                     Pick(random, kModifiers));
}

}  // namespace

std::string RandomQuery(base::Random& random) {
  if (random.Below(6) == 0) {
    // Something that stands twice.
    const std::string twice = RandomVectorQuery(random, 1 + static_cast<int>(random.Below(2)));
    return fmt::format("({} + on (g, h) {}) or on (g) {}", twice, twice, twice);
  }
  if (random.Below(8) != 0) {
    return RandomVectorQuery(random, 1 + static_cast<int>(random.Below(3)));
  }
  constexpr std::string_view kRanked[] = {"topk", "bottomk", "limitk"};
  constexpr std::string_view kCounts[] = {"0", "1", "2", "9"};
  return fmt::format("{}{} ({}, {}({}))", Pick(random, kRanked), Pick(random, kGroupings),
                     Pick(random, kCounts), Pick(random, kOverRange), Range(random, 0));
}

std::string RandomVectorQuery(base::Random& random, int depth) {
  if (depth <= 0) return fmt::format("{}{}", Pick(random, kSelectors), Pick(random, kModifiers));
  const auto vector = [&] { return RandomVectorQuery(random, depth - 1); };
  switch (random.Below(16)) {
    case 0:
    case 1:
    case 2:
      return fmt::format("{}({})", Pick(random, kOverRange), Range(random, depth - 1));
    case 3:
      return fmt::format("quantile_over_time({}, {})", Pick(random, kQuantiles),
                         Range(random, depth - 1));
    case 4:
      return fmt::format("predict_linear({}, 90)", Range(random, depth - 1));
    case 5:
      return fmt::format("{}({})", Pick(random, kOfNumber), vector());
    case 6:
    case 7:
    case 8:
      return fmt::format("{}{} ({})", Pick(random, kAggregates), Pick(random, kGroupings),
                         vector());
    case 9:
      return fmt::format("quantile{} ({}, {})", Pick(random, kGroupings), Pick(random, kQuantiles),
                         vector());
    case 10:
      return fmt::format("quantile{} (scalar({}) % 1, {})", Pick(random, kGroupings), vector(),
                         vector());
    case 11: {
      constexpr std::string_view kBounds[] = {
          "clamp({}, 0, 2)",
          "clamp_min({}, 1)",
          "clamp_max({}, time())",
          "round({}, 0.5)",
          "-{}",
          "label_replace({}, \"g\", \"new\", \"h\", \"x|y\")",
          "label_join({}, \"j\", \"-\", \"g\", \"h\")",
          "double_exponential_smoothing(({})[4m:30s], 0.5, 0.3)",
          "count_values(\"v\", {})",
          "vector(scalar({}))",
          "hour(timestamp({}))",
          "year({} >= -1e10 <= 1e10)",
          "days_in_month({} >= -1e10 <= 1e10)",
          "day_of_year({} >= -1e10 <= 1e10)",
          "day_of_week({} >= -1e10 <= 1e10)",
          "month({} >= -1e10 <= 1e10)",
          "minute({} >= -1e10 <= 1e10)"};
      return fmt::format(fmt::runtime(Pick(random, kBounds)), vector());
    }
    case 12: {
      constexpr std::string_view kSetOps[] = {"and", "or", "unless"};
      constexpr std::string_view kSetMatchings[] = {"", " on (g)", " ignoring (h)"};
      return fmt::format("({} {}{} {})", vector(), Pick(random, kSetOps),
                         Pick(random, kSetMatchings), vector());
    }
    case 13:
      return fmt::format("({} {} {})", vector(), Pick(random, kArithmetic), Pick(random, kScalars));
    case 14:
      return fmt::format("({} {}{} {})", Pick(random, kScalars), Pick(random, kComparisons),
                         random.Below(2) == 0 ? " bool" : "", vector());
    default: {
      const bool comparison = random.Below(3) == 0;
      return fmt::format("({} {}{}{} {})", vector(),
                         comparison ? Pick(random, kComparisons) : Pick(random, kArithmetic),
                         comparison && random.Below(2) == 0 ? " bool" : "",
                         Pick(random, kMatchings), vector());
    }
  }
}

}  // namespace narthex::promql
