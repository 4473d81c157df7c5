#include <chrono>
#include <cmath>

#include "promql/exec/planner.h"
#include "promql/exec/selector.h"
#include "promql/functions/kernels.h"

namespace narthex::promql {
namespace {

using std::chrono::days;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
using std::chrono::year_month_day;

// A moment of the proleptic Gregorian calendar in UTC.
struct Moment {
  explicit Moment(double unix_seconds)
      : at(seconds(static_cast<int64_t>(unix_seconds))),
        day(std::chrono::floor<days>(at)),
        date(day) {}
  sys_seconds at;
  sys_days day;
  year_month_day date;
};

// Years beyond what the calendar can name (and values that are no numbers) give NaN.
template <class F>
void MapMoment(size_t steps, Row& row, F&& f) {
  constexpr double kSecondsMax = 9e11;  // About the year 30000.
  for (size_t step = 0; step < steps; ++step) {
    double& value = row.values[step];
    if (!(std::fabs(value) < kSecondsMax)) {
      value = std::nan("");
      continue;
    }
    value = static_cast<double>(f(Moment(value)));
  }
}

double Seconds(int64_t ms) { return static_cast<double>(ms) / 1000; }

}  // namespace

void DayOfMonth(const ScalarArgs&, size_t steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) { return static_cast<unsigned>(m.date.day()); });
}

void DayOfWeek(const ScalarArgs&, size_t steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) { return std::chrono::weekday(m.day).c_encoding(); });
}

void DayOfYear(const ScalarArgs&, size_t steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) {
    const sys_days first = m.date.year() / std::chrono::January / 1;
    return (m.day - first).count() + 1;
  });
}

void DaysInMonth(const ScalarArgs&, size_t steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) {
    const auto last = m.date.year() / m.date.month() / std::chrono::last;
    return static_cast<unsigned>(last.day());
  });
}

void Hour(const ScalarArgs&, size_t steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) {
    return std::chrono::duration_cast<std::chrono::hours>(m.at - m.day).count();
  });
}

void Minute(const ScalarArgs&, size_t steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) {
    return std::chrono::duration_cast<std::chrono::minutes>(m.at - m.day).count() % 60;
  });
}

void Month(const ScalarArgs&, size_t steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) { return static_cast<unsigned>(m.date.month()); });
}

void Year(const ScalarArgs&, size_t steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) { return static_cast<int>(m.date.year()); });
}

base::Result<std::vector<double>> Time(Planner&, const Call&, const Grid& grid) {
  std::vector<double> values(grid.steps);
  for (size_t step = 0; step < grid.steps; ++step) values[step] = Seconds(grid.At(step));
  return values;
}

base::Result<std::vector<double>> QueryStart(Planner& planner, const Call&, const Grid& grid) {
  return std::vector<double>(grid.steps, Seconds(planner.context().times.start));
}

base::Result<std::vector<double>> QueryEnd(Planner& planner, const Call&, const Grid& grid) {
  return std::vector<double>(grid.steps, Seconds(planner.context().times.end));
}

base::Result<std::vector<double>> QueryRange(Planner& planner, const Call&, const Grid& grid) {
  const QueryTimes& times = planner.context().times;
  return std::vector<double>(grid.steps, Seconds(times.end - times.start));
}

base::Result<std::vector<double>> QueryStep(Planner& planner, const Call&, const Grid& grid) {
  return std::vector<double>(grid.steps, Seconds(planner.context().times.step_ms));
}

// Of a selector the times of its samples; of anything else the evaluation time.
base::Result<VectorOperatorPtr> TimestampOf(Planner& planner, const Call& call, const Grid& grid) {
  const Expr& arg = Unwrap(*call.args[0]);
  if (arg.kind == Expr::Kind::kVectorSelector) {
    ASSIGN_OR_RETURN(auto selector, MakeInstantSelector(planner.context(), As<VectorSelector>(arg),
                                                        grid, InstantValue::kTimestamp));
    return planner.Elementwise(
        std::move(selector), [](const ScalarArgs&, size_t, Row&) {}, {}, grid);
  }
  ASSIGN_OR_RETURN(auto input, planner.Vector(arg, grid));
  ASSIGN_OR_RETURN(std::vector<double> times, Time(planner, call, grid));
  const auto replace = [](const ScalarArgs& args, size_t steps, Row& row) {
    std::copy_n(args[0].begin(), steps, row.values);
  };
  return planner.Elementwise(std::move(input), replace, {std::move(times)}, grid);
}

}  // namespace narthex::promql
