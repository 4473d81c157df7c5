#include "chunk/histogram_chunk.h"

#include <gtest/gtest.h>

namespace narthex::chunk {
namespace {

model::IntegerHistogram Whole(int i, bool custom) {
  model::IntegerHistogram h;
  h.schema = custom ? model::kCustomBucketsSchema : 2;
  h.count = static_cast<uint64_t>(10 + 7 * i * i);
  h.sum = 1.5 * i;
  h.positive_spans = {{0, 2}, {3, 1}};
  h.positive_deltas = {i, i * i - 5, -3};
  if (custom) {
    h.custom_bounds = {0.005, 1, 2.5, 1e9, 1e9 + 0.1, 1e10};
  } else {
    h.zero_threshold = 0x1p-128;
    h.zero_count = static_cast<uint64_t>(i);
    h.negative_spans = {{-70, 1}};
    h.negative_deltas = {100000 * i};
  }
  return h;
}

// Schemas finer than any that is in use, as a later Prometheus may write them.
TEST(HistogramChunk, ReducesFinerSchemasThanItKnows) {
  model::IntegerHistogram fine = Whole(9, false);
  fine.schema = 10;
  fine.positive_spans = {{-3, 4}, {9, 2}};
  fine.positive_deltas = {1, 1, 1, 1, 1, 1};
  fine.negative_spans = {};
  fine.negative_deltas = {};
  fine.count = 21 + fine.zero_count;
  HistogramChunk whole;
  FloatHistogramChunk floats;
  ASSERT_TRUE(whole.Append(1000, fine));
  ASSERT_TRUE(floats.Append(1000, fine.ToFloat()));
  model::FloatHistogram want = fine.ToFloat();
  want.ReduceResolution(model::kExponentialSchemaMax);
  std::vector<HistogramSample<model::IntegerHistogram>> exact;
  model::SampleColumns columns;
  ASSERT_TRUE(DecodeExactly(whole.bytes(), {}, exact).has_value());
  ASSERT_TRUE(DecodeHistograms(whole.bytes(), {}, columns).has_value());
  ASSERT_TRUE(DecodeFloatHistograms(floats.bytes(), {}, columns).has_value());
  EXPECT_TRUE(exact[0].histogram.Validate().has_value());
  EXPECT_TRUE(exact[0].histogram.ToFloat().SameAs(want));
  for (const auto& histogram : columns.histograms) EXPECT_TRUE(histogram->SameAs(want));
}

TEST(HistogramChunk, GivesBackWhatItTook) {
  for (const bool custom : {false, true}) {
    HistogramChunk whole(ResetHeader::kReset);
    FloatHistogramChunk floats(ResetHeader::kGauge);
    for (int i = 0; i < 100; ++i) {
      const int64_t t = 1'600'000'000'000 + 15'000 * i + i % 3;
      ASSERT_TRUE(whole.Append(t, Whole(i, custom)));
      ASSERT_TRUE(floats.Append(t, Whole(i, custom).ToFloat()));
    }
    model::SampleColumns a;
    model::SampleColumns b;
    ASSERT_TRUE(DecodeHistograms(whole.bytes(), {}, a).has_value());
    ASSERT_TRUE(DecodeFloatHistograms(floats.bytes(), {}, b).has_value());
    ASSERT_EQ(a.size(), 100u);
    ASSERT_EQ(a.t, b.t);
    for (size_t i = 0; i < 100; ++i) {
      const model::FloatHistogram want = Whole(static_cast<int>(i), custom).ToFloat();
      EXPECT_TRUE(a.histograms[i]->SameAs(want)) << i;
      EXPECT_TRUE(b.histograms[i]->SameAs(want)) << i;
      EXPECT_EQ(b.histograms[i]->hint, model::ResetHint::kGauge);
    }
    EXPECT_EQ(a.histograms[0]->hint, model::ResetHint::kUnknown);
    EXPECT_EQ(a.histograms[1]->hint, model::ResetHint::kNotReset);
  }
}

TEST(HistogramChunk, TakesStaleMarkersAndNoOtherLayout) {
  HistogramChunk chunk;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(chunk.Append(i, Whole(i, false)));
  EXPECT_FALSE(chunk.Append(4, Whole(4, true)));
  model::IntegerHistogram stale;
  stale.sum = model::StaleNan();
  ASSERT_TRUE(chunk.Append(5, stale));
  EXPECT_FALSE(chunk.Append(6, Whole(6, false)));
  model::SampleColumns out;
  ASSERT_TRUE(DecodeHistograms(chunk.bytes(), {2, 10}, out).has_value());
  ASSERT_EQ(out.size(), 2u);
  EXPECT_TRUE(out.histograms[0]->SameAs(Whole(2, false).ToFloat()));
  EXPECT_TRUE(model::IsStaleNan(out.v[1]));
}

TEST(HistogramChunk, SaysWhereItEndsTooEarly) {
  HistogramChunk whole;
  FloatHistogramChunk floats;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(whole.Append(i, Whole(i, true)));
    ASSERT_TRUE(floats.Append(i, Whole(i, true).ToFloat()));
  }
  for (size_t length = 0; length < whole.bytes().size(); ++length) {
    model::SampleColumns out;
    EXPECT_FALSE(DecodeHistograms(whole.bytes().substr(0, length), {}, out).has_value());
    EXPECT_LT(out.size(), 5u);
  }
  for (size_t length = 0; length < floats.bytes().size(); ++length) {
    model::SampleColumns out;
    EXPECT_FALSE(DecodeFloatHistograms(floats.bytes().substr(0, length), {}, out).has_value());
  }
}

}  // namespace
}  // namespace narthex::chunk
