#include "model/histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace narthex::model {
namespace {

FloatHistogram Exponential(int32_t schema, int32_t offset, std::vector<double> counts) {
  FloatHistogram h;
  h.schema = schema;
  h.positive_spans = {{offset, static_cast<uint32_t>(counts.size())}};
  h.positive = std::move(counts);
  for (const double count : h.positive) h.count += count;
  h.sum = h.count;
  return h;
}

FloatHistogram Custom(std::vector<double> bounds, std::vector<double> counts) {
  FloatHistogram h = Exponential(kCustomBucketsSchema, 0, std::move(counts));
  h.custom_bounds = std::move(bounds);
  return h;
}

TEST(FloatHistogram, PrintsAsUpstream) {
  FloatHistogram h = Exponential(0, 0, {1, 2, 0, 1});
  h.zero_threshold = 0.001;
  h.zero_count = 4;
  h.negative_spans = {{1, 1}};
  h.negative = {3};
  EXPECT_EQ(h.ToString(),
            "{count:4, sum:4, [-2,-1):3, [-0.001,0.001]:4, (0.5,1]:1, (1,2]:2, (4,8]:1}");
  EXPECT_EQ(Custom({5, 10}, {1, 0, 2}).ToString(), "{count:3, sum:3, [-Inf,5]:1, (10,+Inf]:2}");
}

TEST(FloatHistogram, BoundsDoubleEveryTwoToTheSchema) {
  EXPECT_EQ(ExponentialBound(3, 0), 8);
  EXPECT_EQ(ExponentialBound(-1, 0), 0.5);
  EXPECT_EQ(ExponentialBound(1, -2), 16);
  EXPECT_DOUBLE_EQ(ExponentialBound(1, 1), std::sqrt(2));
  EXPECT_EQ(ExponentialBound(1024, 0), std::numeric_limits<double>::max());
  EXPECT_EQ(ExponentialBound(1025, 0), std::numeric_limits<double>::infinity());
}

TEST(FloatHistogram, AddsAtTheCoarserResolution) {
  FloatHistogram fine = Exponential(1, 1, {1, 2, 3, 4});
  Add(fine, Exponential(0, 1, {10, 20}));
  EXPECT_EQ(fine.schema, 0);
  EXPECT_EQ(fine.positive, (std::vector<double>{13, 27}));
  EXPECT_EQ(fine.positive_spans, (std::vector<BucketSpan>{{1, 2}}));
  EXPECT_EQ(fine.count, 40);
}

TEST(FloatHistogram, AddsIntoTheWiderZeroBucket) {
  FloatHistogram narrow = Exponential(0, 0, {1, 2});
  narrow.zero_threshold = 0.001;
  FloatHistogram wide = Exponential(0, 3, {7});
  wide.zero_threshold = 1.5;  // Inside (1,2], which is populated.
  wide.zero_count = 5;
  Add(narrow, wide);
  EXPECT_EQ(narrow.zero_threshold, 2);
  EXPECT_EQ(narrow.zero_count, 8);
  EXPECT_EQ(narrow.ToString(), "{count:10, sum:10, [-2,2]:8, (4,8]:7}");
}

TEST(FloatHistogram, KeepsCommonCustomBounds) {
  FloatHistogram a = Custom({2, 5, 10}, {1, 2, 3, 4});
  const CombineRemarks remarks = Add(a, Custom({5, 7, 10}, {10, 20, 30, 40}));
  EXPECT_TRUE(remarks.bounds_reconciled);
  EXPECT_EQ(a.custom_bounds, (std::vector<double>{5, 10}));
  EXPECT_EQ(a.positive, (std::vector<double>{13, 53, 44}));
}

TEST(FloatHistogram, SubtractionIsAGaugeWithoutEmptyBuckets) {
  FloatHistogram a = Exponential(0, 0, {1, 2, 3});
  Subtract(a, Exponential(0, 1, {2}));
  EXPECT_EQ(a.hint, ResetHint::kGauge);
  EXPECT_EQ(a.positive, (std::vector<double>{1, 3}));
  EXPECT_EQ(a.positive_spans, (std::vector<BucketSpan>{{0, 1}, {1, 1}}));
}

TEST(FloatHistogram, DetectsResets) {
  const FloatHistogram before = Exponential(1, 0, {1, 2, 3});
  struct Case {
    const char* what;
    FloatHistogram now;
    bool reset;
  };
  FloatHistogram hinted = before;
  hinted.hint = ResetHint::kReset;
  FloatHistogram calmed = Exponential(1, 0, {0});
  calmed.hint = ResetHint::kNotReset;
  const Case cases[] = {
      {"the same", before, false},
      {"more", Exponential(1, 0, {1, 2, 4}), false},
      {"one bucket falls", Exponential(1, 0, {5, 1, 3}), true},
      {"a bucket is gone", Exponential(1, 0, {9, 9}), true},
      {"coarser", Exponential(0, 0, {1, 5}), false},
      {"coarser and less", Exponential(0, 0, {2, 4}), true},
      {"finer", Exponential(2, 0, {9, 9, 9}), true},
      {"hint says so", hinted, true},
      {"hint denies", calmed, false},
      {"other kind", Custom({1}, {9, 9}), true},
  };
  for (const Case& c : cases) EXPECT_EQ(c.now.DetectReset(before), c.reset) << c.what;
}

TEST(FloatHistogram, HintsMeet) {
  const auto meet = [](ResetHint a, ResetHint b, bool* conflict) {
    FloatHistogram x = Exponential(0, 0, {1});
    FloatHistogram y = x;
    x.hint = a;
    y.hint = b;
    *conflict = Add(x, y).reset_conflict;
    return x.hint;
  };
  bool conflict = false;
  EXPECT_EQ(meet(ResetHint::kReset, ResetHint::kNotReset, &conflict), ResetHint::kUnknown);
  EXPECT_TRUE(conflict);
  EXPECT_EQ(meet(ResetHint::kNotReset, ResetHint::kGauge, &conflict), ResetHint::kGauge);
  EXPECT_FALSE(conflict);
  EXPECT_EQ(meet(ResetHint::kNotReset, ResetHint::kUnknown, &conflict), ResetHint::kUnknown);
  EXPECT_EQ(meet(ResetHint::kNotReset, ResetHint::kNotReset, &conflict), ResetHint::kNotReset);
}

TEST(HistogramSum, LosesNoSmallSumsBesideLargeOnes) {
  HistogramSum sum;
  for (const double x : {3.1, 1e100, -1e100, 1.3}) {
    FloatHistogram h = Exponential(0, 0, {1});
    h.sum = x;
    sum.Add(h);
  }
  EXPECT_DOUBLE_EQ(sum.Total().sum, 4.4);
  EXPECT_EQ(sum.Total().positive, (std::vector<double>{4}));
}

TEST(HistogramMean, SurvivesOverflow) {
  HistogramMean mean;
  for (int i = 0; i < 4; ++i) mean.Add(Exponential(0, 0, {1.5e308}));
  EXPECT_NEAR(mean.Mean().positive[0] / 1.5e308, 1, 1e-12);
  EXPECT_NEAR(mean.Mean().count / 1.5e308, 1, 1e-12);
}

TEST(IntegerHistogram, BecomesFloat) {
  IntegerHistogram h;
  h.positive_spans = {{0, 3}};
  h.positive_deltas = {2, -1, 3};
  h.count = 7;
  EXPECT_EQ(h.ToFloat().positive, (std::vector<double>{2, 1, 4}));
  EXPECT_EQ(h.ToFloat().count, 7);
}

TEST(FloatHistogram, RefusesWhatDoesNotFit) {
  EXPECT_TRUE(Exponential(0, 0, {1}).Validate().has_value());
  EXPECT_TRUE(Custom({1, 2}, {1, 1, 1}).Validate().has_value());
  EXPECT_FALSE(Exponential(9, 0, {1}).Validate().has_value());
  EXPECT_FALSE(Exponential(0, 0, {-1}).Validate().has_value());
  EXPECT_FALSE(Custom({2, 1}, {1}).Validate().has_value());
  for (const double threshold : {-1.0, std::nan(""), double{INFINITY}}) {
    FloatHistogram wide = Exponential(0, 0, {1});
    wide.zero_threshold = threshold;
    EXPECT_FALSE(wide.Validate().has_value()) << threshold;
  }
  EXPECT_FALSE(Custom({1}, {1, 1, 1}).Validate().has_value());
  FloatHistogram h = Exponential(0, 0, {1, 2});
  h.positive.pop_back();
  EXPECT_FALSE(h.Validate().has_value());
}

TEST(IntegerHistogram, LosesResolutionAsItsFloatTwinDoes) {
  IntegerHistogram whole{.schema = 2,
                         .zero_threshold = 0.01,
                         .zero_count = 1,
                         .count = 17,
                         .sum = 5,
                         .positive_spans = {{-3, 3}, {2, 2}},
                         .negative_spans = {{7, 1}},
                         .positive_deltas = {1, 1, 1, 1, 1},
                         .negative_deltas = {1}};
  for (int32_t schema = 2; schema >= kExponentialSchemaMin; --schema) {
    IntegerHistogram coarse = whole;
    coarse.ReduceResolution(schema);
    FloatHistogram floats = whole.ToFloat();
    floats.ReduceResolution(schema);
    EXPECT_EQ(coarse.ToFloat().ToString(), floats.ToString()) << schema;
    EXPECT_TRUE(coarse.Validate().has_value()) << schema;
  }
}

}  // namespace
}  // namespace narthex::model
