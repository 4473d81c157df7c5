#include "wal/histogram_records.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

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

// Three samples as a newer Prometheus writes them when it keeps start times.
std::string WithStarts(char type, std::string_view histogram) {
  std::string record(1, type);
  for (const int64_t field : {7, 1000, 500}) base::PutVarint(record, field);
  record += histogram;
  for (const int64_t field : {-4, 5}) base::PutVarint(record, field);
  record += '\1';  // The start time of the one before.
  record += histogram;
  for (const int64_t field : {1, -200}) base::PutVarint(record, field);
  record += '\2';  // Its own.
  base::PutVarint(record, 300);
  record += histogram;
  for (const int64_t field : {0, -100}) base::PutVarint(record, field);
  record += '\0';  // None.
  record += histogram;
  return record;
}

TEST(HistogramRecords, AreReadWithStartTimes) {
  constexpr size_t kOldHeader = 1 + 8 + 8 + 2;  // Up to the histogram of a first entry.
  for (const int32_t schema : {1, -53}) {
    HistogramsRecord whole;
    whole.Add(HistogramEntry{1, 2, Integer(schema)});
    HistogramsRecord floats;
    floats.Add(FloatHistogramEntry{1, 2, Float(schema)});
    const std::string record = WithStarts(12, whole.bytes().substr(kOldHeader));
    const std::string float_record = WithStarts(13, floats.bytes().substr(kOldHeader));
    std::vector<HistogramEntry> out;
    ASSERT_TRUE(DecodeHistograms(record, out).has_value());
    std::vector<FloatHistogramEntry> float_out;
    ASSERT_TRUE(DecodeFloatHistograms(float_record, float_out).has_value());
    ASSERT_EQ(out.size(), 4u);
    ASSERT_EQ(float_out.size(), 4u);
    constexpr Ref kRefs[] = {7, 3, 4, 4};
    constexpr model::Timestamp kTimes[] = {1000, 1005, 800, 900};
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(out[i].ref, kRefs[i]);
      EXPECT_EQ(out[i].t, kTimes[i]);
      EXPECT_EQ(out[i].histogram.positive_deltas, Integer(schema).positive_deltas);
      EXPECT_EQ(out[i].histogram.custom_bounds, Integer(schema).custom_bounds);
      EXPECT_EQ(float_out[i].ref, kRefs[i]);
      EXPECT_EQ(float_out[i].t, kTimes[i]);
      EXPECT_TRUE(float_out[i].histogram.SameAs(Float(schema)));
    }
    for (size_t size = 2; size < record.size(); ++size) {
      std::vector<HistogramEntry> part;
      const bool whole_part = DecodeHistograms(record.substr(0, size), part).has_value();
      // Only between two samples a record can end.
      EXPECT_LE(part.size(), 3u);
      if (whole_part) {
        EXPECT_GE(part.size(), 1u);
      }
    }
    std::vector<HistogramEntry> none;
    EXPECT_TRUE(DecodeHistograms("\x0c", none).has_value()) << "an empty record";
    EXPECT_FALSE(DecodeFloatHistograms(record, float_out).has_value()) << "of the other type";
  }
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
