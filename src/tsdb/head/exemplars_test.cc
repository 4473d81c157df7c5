#include "tsdb/head/exemplars.h"

#include <gtest/gtest.h>

namespace narthex::tsdb {
namespace {

using model::Exemplar;
using model::Labels;
using storage::Appended;

Labels Series(int i) { return *Labels::From({{"__name__", "m"}, {"i", std::to_string(i)}}); }
Exemplar At(model::Timestamp t, double v = 1, std::string trace = "t") {
  return {*Labels::From({{"trace_id", std::move(trace)}}), v, t};
}

// "i:t,t i:t"
std::string Text(const ExemplarRing& ring, model::TimeRange range = {}) {
  const std::vector<std::vector<model::Matcher>> all = {{}};
  std::string text;
  for (const auto& series : ring.Select(all, range)) {
    text += std::string(text.empty() ? "" : " ") + std::string(series.labels.Get("i")) + ":";
    for (const Exemplar& exemplar : series.exemplars) {
      if (text.back() != ':') text += ",";
      text += std::to_string(*exemplar.timestamp);
    }
  }
  return text;
}

TEST(ExemplarRing, PushesOutTheOldestOfAllSeries) {
  ExemplarRing ring(3);
  for (const int i : {1, 2, 1, 1}) {
    EXPECT_EQ(ring.Add(Series(i), At(10 + static_cast<int>(ring.statistics().appended))),
              Appended::kYes);
  }
  EXPECT_EQ(Text(ring), "1:12,13 2:11");
  EXPECT_EQ(Text(ring, {12, 12}), "1:12");
  ring.Add(Series(3), At(20));
  EXPECT_EQ(Text(ring), "1:12,13 3:20");
  ring.SetMax(1);
  EXPECT_EQ(Text(ring), "3:20");
  EXPECT_EQ(ring.statistics().series, 1u);
  ring.SetMax(2);
  ring.Add(Series(1), At(5));  // Its series has none any more.
  EXPECT_EQ(Text(ring), "1:5 3:20");
}

TEST(ExemplarRing, JudgesAgainstTheNewestOfTheSeries) {
  ExemplarRing ring(10);
  EXPECT_EQ(ring.Add(Series(1), At(10, 2)), Appended::kYes);
  EXPECT_EQ(ring.Judge(Series(1), At(10, 2)), Appended::kSameAgain);
  EXPECT_EQ(ring.Judge(Series(1), At(10, 3)), Appended::kYes);
  EXPECT_EQ(ring.Judge(Series(1), At(10, 1)), Appended::kOutOfOrder);
  EXPECT_EQ(ring.Judge(Series(1), At(9, 5)), Appended::kOutOfOrder);
  EXPECT_EQ(ring.Judge(Series(2), At(9, 5)), Appended::kYes);
  EXPECT_EQ(ring.Judge(Series(2), {Labels(), 1, std::nullopt}), Appended::kInvalid);
  // "trace_id" has 8 characters; two bytes may be one.
  std::string long_one;
  for (int i = 0; i < 120; ++i) long_one += "ü";
  EXPECT_EQ(ring.Judge(Series(2), At(9, 5, long_one)), Appended::kYes);
  EXPECT_EQ(ring.Judge(Series(2), At(9, 5, long_one + "x")), Appended::kInvalid);
  EXPECT_EQ(ExemplarRing(0).Add(Series(1), At(1)), Appended::kNotKept);
}

}  // namespace
}  // namespace narthex::tsdb
