#include "promql/functions/window_sums.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/random.h"

namespace narthex::promql {
namespace {

using model::Timestamp;

struct Series {
  std::vector<Timestamp> times;
  std::vector<double> values;
};

// Now and then irregular in time, and with values that no sum survives.
Series RandomSeries(base::Random& random) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  constexpr double kOdd[] = {kInf, -kInf, std::nan(""), 1.7e308, -1.7e308, -0.0, 0x1p-1074};
  const bool regular = random.Below(2) == 0;
  const bool odd = random.Below(3) == 0;
  Series series;
  Timestamp t = static_cast<Timestamp>(random.Below(1000));
  for (uint64_t n = 1 + random.Below(200); n > 0; --n) {
    series.times.push_back(t);
    t += regular ? 1000 : 1 + static_cast<Timestamp>(random.Below(3000));
    const double value =
        (random.NextDouble() - 0.5) * std::pow(10, static_cast<double>(random.Below(12)));
    series.values.push_back(odd && random.Below(20) == 0 ? kOdd[random.Below(std::size(kOdd))]
                                                         : value);
  }
  return series;
}

bool SameBits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

// Calls check(series, windows, bounds) for many series and windows of all kinds.
template <class Check>
void ForManyWorlds(Check&& check) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    const Windows windows{.first_end = static_cast<Timestamp>(random.Below(20'000)),
                          .interval = static_cast<int64_t>(random.Below(4)) * 500,
                          .steps = 1 + random.Below(40),
                          .range = static_cast<int64_t>(1 + random.Below(60'000))};
    WindowBounds bounds(windows);
    for (int i = 0; i < 3; ++i) {
      const Series series = RandomSeries(random);
      bounds.MoveTo(series.times);
      check(series, windows, bounds);
    }
  }
}

TEST(WindowBounds, AreThoseOfEachWindowForItself) {
  ForManyWorlds([](const Series& series, const Windows& windows, const WindowBounds& bounds) {
    for (size_t step = 0; step < windows.steps; ++step) {
      const Timestamp end = windows.End(step);
      size_t count = 0;
      for (const Timestamp t : series.times) count += t > end - windows.range && t <= end;
      ASSERT_EQ(bounds.ends()[step] - bounds.begins()[step], count) << step;
      ASSERT_EQ(bounds.Has(step), count > 0);
      ASSERT_TRUE(count == 0 || series.times[bounds.begins()[step]] > end - windows.range);
    }
  });
}

TEST(WindowSums, AreThoseOfEachWindowForItself) {
  ForManyWorlds([](const Series& series, const Windows& windows, const WindowBounds& bounds) {
    std::vector<CompensatedSum> sums(windows.steps);
    std::vector<double> variances(windows.steps);
    SumWindows(series.values, bounds, sums.data());
    WindowVariances(series.values, bounds, variances.data());
    bounds.ForEach([&](size_t step, size_t begin, size_t end) {
      CompensatedSum sum;
      CompensatedSum mean;
      CompensatedSum squares;
      for (size_t i = begin; i < end; ++i) {
        const double value = series.values[i];
        sum.Add(value);
        const double delta = value - (mean.sum + mean.lost);
        mean.Add(delta / static_cast<double>(i - begin + 1));
        squares.Add(delta * (value - (mean.sum + mean.lost)));
      }
      ASSERT_TRUE(SameBits(sums[step].Total(), sum.Total())) << step;
      ASSERT_TRUE(SameBits(variances[step],
                           (squares.sum + squares.lost) / static_cast<double>(end - begin)))
          << step;
    });
  });
}

TEST(WindowSums, OfTimesAreThoseOfEachWindowForItself) {
  ForManyWorlds([](const Series& series, const Windows& windows, const WindowBounds& bounds) {
    for (const bool from_first : {true, false}) {
      std::vector<Timestamp> origins(windows.steps);
      for (size_t step = 0; step < windows.steps; ++step) {
        origins[step] = from_first ? series.times[bounds.begins()[step]] : windows.End(step);
      }
      const RelativeTimes x{series.times, origins.data()};
      std::vector<std::vector<double>> found(4, std::vector<double>(windows.steps));
      SumTimes(x, bounds, found[0].data());
      SumSquaredTimes(x, bounds, found[1].data());
      SumProducts(x, series.values, bounds, found[2].data(), found[3].data());
      bounds.ForEach([&](size_t step, size_t begin, size_t end) {
        std::array<CompensatedSum, 4> wanted;
        for (size_t i = begin; i < end; ++i) {
          const double t = static_cast<double>(series.times[i] - origins[step]) / 1e3;
          wanted[0].Add(t);
          wanted[1].Add(t * t);
          wanted[2].Add(series.values[i]);
          wanted[3].Add(t * series.values[i]);
        }
        for (size_t k = 0; k < 4; ++k) {
          ASSERT_TRUE(SameBits(found[k][step], wanted[k].Both())) << step << ' ' << k;
        }
      });
    }
  });
}

}  // namespace
}  // namespace narthex::promql
