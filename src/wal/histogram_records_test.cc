#include "wal/histogram_records.h"

#include <gtest/gtest.h>

namespace narthex::wal {
namespace {

model::FloatHistogram Float(int32_t schema) {
  model::FloatHistogram h;
  h.hint = model::ResetHint::kNotReset;
  h.schema = schema;
  h.count = 3.5;
  h.sum = -2;
  h.positive_spans = {{0, 2}, {3, 1}};
  h.positive = {1, 0.5, 2};
  if (schema == model::kCustomBucketsSchema) {
    h.custom_bounds = {1, 2, 3, 4, 5, 6};
  } else {
    h.zero_threshold = 0.001;
    h.zero_count = 1.5;
    h.negative_spans = {{-4, 1}};
    h.negative = {9};
  }
  return h;
}

model::IntegerHistogram Integer(int32_t schema) {
  model::IntegerHistogram h;
  h.schema = schema;
  h.count = 7;
  h.sum = 18.4;
  h.positive_spans = {{-1, 3}};
  h.positive_deltas = {2, -1, 3};
  if (schema == model::kCustomBucketsSchema) {
    h.custom_bounds = {1, 2};
    h.positive_spans = {{0, 3}};
  }
  return h;
}

TEST(HistogramRecords, ComeBackAsTheyWere) {
  for (const int32_t schema : {1, -53}) {
    HistogramsRecord record;
    record.Add(FloatHistogramEntry{7, 1000, Float(schema)});
    record.Add(FloatHistogramEntry{3, 900, Float(schema)});
    EXPECT_EQ(record.bytes()[0], schema == 1 ? 8 : 10);
    std::vector<FloatHistogramEntry> out;
    ASSERT_TRUE(DecodeFloatHistograms(record.bytes(), out).has_value());
    ASSERT_EQ(out.size(), 2u);
    EXPECT_EQ(out[1].ref, 3u);
    EXPECT_EQ(out[1].t, 900);
    EXPECT_TRUE(out[1].histogram.SameAs(Float(schema)));
    EXPECT_EQ(out[1].histogram.hint, model::ResetHint::kNotReset);

    HistogramsRecord whole;
    whole.Add(HistogramEntry{7, 1000, Integer(schema)});
    EXPECT_EQ(whole.bytes()[0], schema == 1 ? 7 : 9);
    std::vector<HistogramEntry> integers;
    ASSERT_TRUE(DecodeHistograms(whole.bytes(), integers).has_value());
    ASSERT_EQ(integers.size(), 1u);
    EXPECT_EQ(integers[0].histogram.positive_deltas, Integer(schema).positive_deltas);
    EXPECT_TRUE(integers[0].histogram.ToFloat().SameAs(Integer(schema).ToFloat()));
  }
}

TEST(HistogramRecords, HaveUpstreamsLayout) {
  HistogramsRecord record;
  model::IntegerHistogram h;
  h.schema = 1;
  h.count = 5;
  h.zero_count = 2;
  h.positive_spans = {{1, 2}};
  h.positive_deltas = {1, 1};
  record.Add(HistogramEntry{1, 2, h});
  const std::string want(
      "\x07"
      "\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02"  // Base reference and time.
      "\0\0"                                  // Differences to them.
      "\0\x02"                                // Hint, schema.
      "\0\0\0\0\0\0\0\0\x02\x05"              // Zero threshold and count, count.
      "\0\0\0\0\0\0\0\0"                      // Sum.
      "\x01\x02\x02\0"                        // Spans.
      "\x02\x02\x02\0",                       // Buckets.
      47);
  EXPECT_EQ(record.bytes(), want);
}

TEST(HistogramRecords, SayWhereTheyEndTooEarly) {
  HistogramsRecord record;
  record.Add(FloatHistogramEntry{7, 1000, Float(-53)});
  const std::string_view bytes = record.bytes();
  for (size_t length = 0; length < bytes.size(); ++length) {
    std::vector<FloatHistogramEntry> out;
    const bool whole = length == 1 || length == 17;  // An empty record, with and without base.
    EXPECT_EQ(DecodeFloatHistograms(bytes.substr(0, length), out).has_value(), whole) << length;
    EXPECT_TRUE(out.empty());
  }
}

}  // namespace
}  // namespace narthex::wal
