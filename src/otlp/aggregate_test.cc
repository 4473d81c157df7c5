#include "otlp/aggregate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace narthex::otlp {
namespace {

using testing::ElementsAre;

TreeMetric Numbers(std::vector<std::pair<std::string, double>> points) {
  TreeMetric metric{.name = "m", .kind = MetricKind::kGauge};
  for (const auto& [key, value] : points) {
    TreePoint point{.attributes = {{"k", Any(key)}}, .time_ns = 5};
    point.SetNumber(value);
    metric.points.push_back(std::move(point));
  }
  return metric;
}

TEST(JoinPoints, EveryAggregation) {
  const auto joined = [](Aggregation aggregation) {
    TreeMetric metric = Numbers({{"a", 1}, {"a", 5}, {"b", 7}, {"a", 3}});
    JoinPoints(metric, aggregation);
    return metric.points[0].Number();
  };
  EXPECT_EQ(joined(Aggregation::kSum), 9);
  EXPECT_EQ(joined(Aggregation::kMean), 3);
  EXPECT_EQ(joined(Aggregation::kMin), 1);
  EXPECT_EQ(joined(Aggregation::kMax), 5);
  EXPECT_EQ(joined(Aggregation::kMedian), 3);
  EXPECT_EQ(joined(Aggregation::kCount), 3);
}

TEST(JoinPoints, WholeNumbersStayWhole) {
  TreeMetric metric{.name = "m", .kind = MetricKind::kSum};
  for (int64_t i = 1; i < 4; ++i) {
    metric.points.emplace_back();
    metric.points.back().SetNumber(i);
  }
  JoinPoints(metric, Aggregation::kSum);
  ASSERT_EQ(metric.points.size(), 1u);
  EXPECT_EQ(metric.points[0].type, NumberPoint::Type::kInt);
  EXPECT_EQ(metric.points[0].whole, 6);
}

TEST(JoinPoints, HistogramsWithOtherBoundsStay) {
  TreePoint a{.count = 3, .bucket_counts = {1, 2}, .explicit_bounds = {1}};
  TreePoint b{.count = 9, .bucket_counts = {4, 5}, .explicit_bounds = {1}};
  TreePoint c{.count = 9, .bucket_counts = {4, 5}, .explicit_bounds = {2}};
  TreeMetric metric{.name = "h", .kind = MetricKind::kHistogram, .points = {a, b, c}};
  JoinPoints(metric, Aggregation::kSum);
  ASSERT_EQ(metric.points.size(), 2u);
  EXPECT_THAT(metric.points[0].bucket_counts, ElementsAre(5, 7));
  EXPECT_EQ(metric.points[0].count, 12u);
}

TEST(AddExponential, MeetsAtTheCoarserScale) {
  TreePoint fine{.count = 4, .scale = 1, .positive = {.offset = 0, .counts = {1, 1, 1, 1}}};
  const TreePoint coarse{
      .count = 5, .scale = 0, .zero_count = 2, .positive = {.offset = -1, .counts = {3}}};
  AddExponential(fine, coarse);
  EXPECT_EQ(fine.scale, 0);
  EXPECT_EQ(fine.positive.offset, -1);
  EXPECT_THAT(fine.positive.counts, ElementsAre(3, 2, 2));
  EXPECT_EQ(fine.zero_count, 2u);
  EXPECT_EQ(fine.count, 9u);
}

TEST(AddExponential, FarApartCostsResolutionAndNotMemory) {
  TreePoint a{.scale = 20, .positive = {.offset = INT32_MIN, .counts = {1}}};
  const TreePoint b{.scale = 20, .positive = {.offset = INT32_MAX, .counts = {2}}};
  AddExponential(a, b);
  EXPECT_LE(a.positive.counts.size(), 10'000u);
  uint64_t total = 0;
  for (const uint64_t count : a.positive.counts) total += count;
  EXPECT_EQ(total, 3u);
}

TEST(KeyOf, OrderDoesNotMatterAndBoundariesDo) {
  EXPECT_EQ(KeyOf({{"a", Any("1")}, {"b", Any("2")}}), KeyOf({{"b", Any("2")}, {"a", Any("1")}}));
  EXPECT_NE(KeyOf({{"a", Any("1")}}), KeyOf({{"a", Any(int64_t{1})}}));
  EXPECT_NE(KeyOf({{"a", Any("b")}}), KeyOf({{"ab", Any("")}}));
}

}  // namespace
}  // namespace narthex::otlp
