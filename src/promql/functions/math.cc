#include <cmath>
#include <limits>
#include <numbers>

#include "promql/exec/planner.h"
#include "promql/functions/kernels.h"

namespace narthex::promql {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Over all the steps, values or not: a plain loop that the compiler can
// vectorise.
template <class F>
void Map(StepRange steps, Row& row, F&& f) {
  for (size_t step = steps.begin; step < steps.end; ++step) row.values[step] = f(row.values[step]);
}

// Go's math.Max and math.Min: NaN wins, and signed zeros are ordered.
double Larger(double a, double b) {
  if (std::isinf(a) && a > 0) return a;
  if (std::isinf(b) && b > 0) return b;
  if (std::isnan(a) || std::isnan(b)) return kNan;
  if (a == 0 && a == b) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}
double Smaller(double a, double b) {
  if (std::isinf(a) && a < 0) return a;
  if (std::isinf(b) && b < 0) return b;
  if (std::isnan(a) || std::isnan(b)) return kNan;
  if (a == 0 && a == b) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}

// Combines two scalar arguments step by step.
base::Result<std::vector<double>> Combine(Planner& planner, const Call& call, const Grid& grid,
                                          double (*f)(double, double)) {
  ASSIGN_OR_RETURN(std::vector<double> values, planner.Scalar(*call.args[0], grid));
  ASSIGN_OR_RETURN(const std::vector<double> others, planner.Scalar(*call.args[1], grid));
  Watch watch(planner.context().budget);
  watch.InStretches(0, values.size(), [&](size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) values[i] = f(values[i], others[i]);
  });
  return values;
}

}  // namespace

#define NARTHEX_MAP(Name, expression)                               \
  void Name(const ScalarArgs&, StepRange steps, Row& row) {         \
    Map(steps, row, [](double x) -> double { return expression; }); \
  }

NARTHEX_MAP(Abs, std::fabs(x))
NARTHEX_MAP(Acos, std::acos(x))
NARTHEX_MAP(Acosh, std::acosh(x))
NARTHEX_MAP(Asin, std::asin(x))
NARTHEX_MAP(Asinh, std::asinh(x))
NARTHEX_MAP(Atan, std::atan(x))
NARTHEX_MAP(Atanh, std::atanh(x))
NARTHEX_MAP(Ceil, std::ceil(x))
NARTHEX_MAP(Cos, std::cos(x))
NARTHEX_MAP(Cosh, std::cosh(x))
NARTHEX_MAP(Deg, x * 180 / std::numbers::pi)
NARTHEX_MAP(Exp, std::exp(x))
NARTHEX_MAP(Floor, std::floor(x))
NARTHEX_MAP(Ln, std::log(x))
NARTHEX_MAP(Log10, std::log10(x))
NARTHEX_MAP(Log2, std::log2(x))
NARTHEX_MAP(Rad, x* std::numbers::pi / 180)
NARTHEX_MAP(Sgn, x < 0 ? -1 : x > 0 ? 1 : x)
NARTHEX_MAP(Sin, std::sin(x))
NARTHEX_MAP(Sinh, std::sinh(x))
NARTHEX_MAP(Sqrt, std::sqrt(x))
NARTHEX_MAP(Tan, std::tan(x))
NARTHEX_MAP(Tanh, std::tanh(x))
#undef NARTHEX_MAP

void Clamp(const ScalarArgs& args, StepRange steps, Row& row) {
  for (size_t step = steps.begin; step < steps.end; ++step) {
    const double low = args[0][step];
    const double high = args[1][step];
    if (high < low) row.Clear(step);
    row.values[step] = Larger(low, Smaller(high, row.values[step]));
  }
}

void ClampMax(const ScalarArgs& args, StepRange steps, Row& row) {
  for (size_t step = steps.begin; step < steps.end; ++step) {
    row.values[step] = Smaller(args[0][step], row.values[step]);
  }
}

void ClampMin(const ScalarArgs& args, StepRange steps, Row& row) {
  for (size_t step = steps.begin; step < steps.end; ++step) {
    row.values[step] = Larger(args[0][step], row.values[step]);
  }
}

// Halves go up. The inverse of the multiple is used because 1/0.1 is exact where 0.1 is not.
void Round(const ScalarArgs& args, StepRange steps, Row& row) {
  for (size_t step = steps.begin; step < steps.end; ++step) {
    const double inverse = 1.0 / (args.empty() ? 1.0 : args[0][step]);
    row.values[step] = std::floor(row.values[step] * inverse + 0.5) / inverse;
  }
}

base::Result<std::vector<double>> Pi(Planner&, const Call&, const Grid& grid) {
  return std::vector<double>(grid.steps, std::numbers::pi);
}

base::Result<std::vector<double>> MaxOf(Planner& planner, const Call& call, const Grid& grid) {
  return Combine(planner, call, grid, Larger);
}

base::Result<std::vector<double>> MinOf(Planner& planner, const Call& call, const Grid& grid) {
  return Combine(planner, call, grid, Smaller);
}

}  // namespace narthex::promql
