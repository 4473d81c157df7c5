#include <algorithm>
#include <limits>

#include "promql/exec/planner.h"
#include "promql/exec/selector.h"
#include "promql/functions/kernels.h"

namespace narthex::promql {
namespace {

// A moment of the proleptic Gregorian calendar in UTC. <chrono>'s calendar ends at the year 32767,
// values do not.
struct Moment {
  explicit Moment(double unix_seconds) {
    constexpr int64_t kSecondsPerDay = 86'400;
    // What is no 64-bit time (NaN, infinities) is one second behind the last one, as it is on the
    // machines that most servers run on.
    const bool fits = unix_seconds >= -0x1p63 && unix_seconds < 0x1p63;
    const auto seconds =
        fits ? static_cast<int64_t>(unix_seconds) : std::numeric_limits<int64_t>::max();
    day = seconds / kSecondsPerDay - (seconds % kSecondsPerDay < 0 ? 1 : 0);
    second = seconds - day * kSecondsPerDay + (fits ? 0 : 1);
    SetDate();
  }

  int64_t day;     // Since 1970-01-01.
  int64_t second;  // Of the day.
  int64_t year;
  int64_t month;         // From 1.
  int64_t day_of_month;  // From 1.
  int64_t day_of_year;   // From 1.

  bool IsLeapYear() const { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

 private:
  // Counts in cycles of 400 years that begin on the first of March, so that the leap day is last.
  void SetDate() {
    constexpr int64_t kDaysPerCycle = 146'097;
    constexpr int64_t kEpochInCycle = 719'468;  // 1970-01-01 since 0000-03-01.
    const int64_t shifted = day + kEpochInCycle;
    const int64_t cycle = shifted / kDaysPerCycle - (shifted % kDaysPerCycle < 0 ? 1 : 0);
    const int64_t in_cycle = shifted - cycle * kDaysPerCycle;
    const int64_t year_in_cycle =
        (in_cycle - in_cycle / 1460 + in_cycle / 36'524 - in_cycle / 146'096) / 365;
    const int64_t in_year =
        in_cycle - (365 * year_in_cycle + year_in_cycle / 4 - year_in_cycle / 100);
    const int64_t shifted_month = (5 * in_year + 2) / 153;  // March is 0.
    day_of_month = in_year - (153 * shifted_month + 2) / 5 + 1;
    month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    year = year_in_cycle + cycle * 400 + (month <= 2 ? 1 : 0);
    constexpr int64_t kDaysBeforeMarch = 59;
    constexpr int64_t kDaysFromMarchToYear = 306;
    day_of_year = month <= 2 ? in_year - kDaysFromMarchToYear + 1
                             : in_year + kDaysBeforeMarch + (IsLeapYear() ? 1 : 0) + 1;
  }
};

template <class F>
void MapMoment(StepRange steps, Row& row, F&& f) {
  for (size_t step = steps.begin; step < steps.end; ++step) {
    row.values[step] = static_cast<double>(f(Moment(row.values[step])));
  }
}

double Seconds(int64_t ms) { return static_cast<double>(ms) / 1000; }

}  // namespace

void DayOfMonth(const ScalarArgs&, StepRange steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) { return m.day_of_month; });
}

void DayOfWeek(const ScalarArgs&, StepRange steps, Row& row) {
  constexpr int64_t kThursday = 4;  // 1970-01-01
  MapMoment(steps, row, [](const Moment& m) { return ((m.day + kThursday) % 7 + 7) % 7; });
}

void DayOfYear(const ScalarArgs&, StepRange steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) { return m.day_of_year; });
}

void DaysInMonth(const ScalarArgs&, StepRange steps, Row& row) {
  constexpr int64_t kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  MapMoment(steps, row, [&](const Moment& m) {
    return kDays[m.month - 1] + (m.month == 2 && m.IsLeapYear() ? 1 : 0);
  });
}

void Hour(const ScalarArgs&, StepRange steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) { return m.second / 3600; });
}

void Minute(const ScalarArgs&, StepRange steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) { return m.second / 60 % 60; });
}

void Month(const ScalarArgs&, StepRange steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) { return m.month; });
}

void Year(const ScalarArgs&, StepRange steps, Row& row) {
  MapMoment(steps, row, [](const Moment& m) { return m.year; });
}

base::Result<std::vector<double>> Time(Planner& planner, const Call&, const Grid& grid) {
  std::vector<double> values(grid.steps);
  Watch watch(planner.context().budget);
  watch.InStretches(0, grid.steps, [&](size_t from, size_t to) {
    for (size_t step = from; step < to; ++step) values[step] = Seconds(grid.At(step));
  });
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
        std::move(selector), [](const ScalarArgs&, StepRange, Row&) {}, {}, grid);
  }
  ASSIGN_OR_RETURN(auto input, planner.Vector(arg, grid));
  ASSIGN_OR_RETURN(std::vector<double> times, Time(planner, call, grid));
  const auto replace = [](const ScalarArgs& args, StepRange steps, Row& row) {
    for (size_t step = steps.begin; step < steps.end; ++step) row.values[step] = args[0][step];
  };
  return planner.Elementwise(std::move(input), replace, {std::move(times)}, grid);
}

}  // namespace narthex::promql
