#include <gtest/gtest.h>

#include <chrono>

#include "promql/exec/tile.h"
#include "promql/functions/kernels.h"

namespace narthex::promql {
namespace {

double Apply(ElementFn fn, double value) {
  uint64_t present = 1;
  Row row{.values = &value, .present = &present};
  fn({}, {0, 1}, row);
  return value;
}

// The standard library's calendar as the twin, over eight centuries.
TEST(Date, AgreesWithTheStandardCalendar) {
  using namespace std::chrono;
  const sys_days first = 1600y / January / 1;
  const sys_days last = 2400y / December / 31;
  for (sys_days day = first; day <= last; day += days(1)) {
    const year_month_day date(day);
    const double noon =
        static_cast<double>(duration_cast<seconds>(day.time_since_epoch()).count()) + 43'200;
    const sys_days new_year = date.year() / January / 1;
    const auto month_end = date.year() / date.month() / std::chrono::last;
    ASSERT_EQ(Apply(&Year, noon), static_cast<int>(date.year()));
    ASSERT_EQ(Apply(&Month, noon), static_cast<unsigned>(date.month()));
    ASSERT_EQ(Apply(&DayOfMonth, noon), static_cast<unsigned>(date.day()));
    ASSERT_EQ(Apply(&DayOfYear, noon), (day - new_year).count() + 1);
    ASSERT_EQ(Apply(&DayOfWeek, noon), weekday(day).c_encoding());
    ASSERT_EQ(Apply(&DaysInMonth, noon), static_cast<unsigned>(month_end.day()));
    ASSERT_EQ(Apply(&Hour, noon), 12);
  }
}

}  // namespace
}  // namespace narthex::promql
