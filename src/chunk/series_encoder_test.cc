#include "chunk/series_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace narthex::chunk {
namespace {

using model::FloatHistogram;
using model::IntegerHistogram;
using model::ResetHint;

// A histogram of schema 0 with these counts at these indexes.
IntegerHistogram Whole(const std::map<int32_t, int64_t>& buckets, uint64_t zero = 0) {
  IntegerHistogram h;
  h.zero_threshold = 0x1p-128;
  h.zero_count = zero;
  h.count = zero;
  int32_t next = 0;
  int64_t before = 0;
  for (const auto& [index, count] : buckets) {
    if (h.positive_spans.empty() || index != next) h.positive_spans.push_back({index - next, 0});
    ++h.positive_spans.back().length;
    next = index + 1;
    h.positive_deltas.push_back(count - before);
    before = count;
    h.count += static_cast<uint64_t>(count);
    h.sum += static_cast<double>(index * count);
  }
  return h;
}

std::vector<FinishedChunk> All(SeriesEncoder& encoder) {
  encoder.Finish();
  return encoder.TakeFinished();
}

ResetHeader HeaderOf(const FinishedChunk& chunk) {
  return static_cast<ResetHeader>(static_cast<uint8_t>(chunk.bytes[2]) >> 6);
}

TEST(SeriesEncoder, WidensTheOpenChunkForNewBuckets) {
  SeriesEncoder encoder({});
  encoder.Append(10, Whole({{0, 1}, {5, 2}}));
  encoder.Append(20, Whole({{0, 1}, {2, 1}, {5, 2}, {7, 9}}));
  encoder.Append(30, Whole({{0, 1}, {2, 1}, {5, 3}, {7, 9}}));
  // A bucket that was empty all the time may be missing.
  encoder.Append(40, Whole({{0, 2}, {2, 1}, {3, 0}, {5, 3}, {7, 9}}));
  encoder.Append(50, Whole({{0, 2}, {2, 1}, {5, 4}, {7, 9}}));
  const auto chunks = All(encoder);
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].samples, 5);
  model::SampleColumns samples;
  ASSERT_TRUE(Decode(chunks[0].encoding, chunks[0].bytes, {}, samples).has_value());
  ASSERT_EQ(samples.size(), 5u);
  EXPECT_TRUE(samples.histograms[0]->SameAs(Whole({{0, 1}, {5, 2}}).ToFloat()));
  EXPECT_TRUE(samples.histograms[4]->SameAs(Whole({{0, 2}, {2, 1}, {5, 4}, {7, 9}}).ToFloat()));
  EXPECT_EQ(samples.histograms[4]->hint, ResetHint::kNotReset);
}

TEST(SeriesEncoder, CutsWhereTheCounterWasReset) {
  SeriesEncoder encoder({});
  encoder.Append(10, Whole({{0, 1}, {5, 2}}));
  encoder.Append(20, Whole({{5, 9}}));  // Bucket 0 has lost its observation.
  IntegerHistogram said = Whole({{5, 10}});
  said.hint = ResetHint::kReset;
  encoder.Append(30, said);
  encoder.Append(40, Whole({{5, 9}}));
  IntegerHistogram other = Whole({{5, 10}});
  other.schema = 1;
  encoder.Append(50, other);
  other.hint = ResetHint::kGauge;
  encoder.Append(60, other);
  other = Whole({{2, 1}});
  other.schema = 1;
  other.hint = ResetHint::kGauge;
  encoder.Append(70, other);  // Gauges may fall.
  std::vector<ResetHeader> headers;
  for (const FinishedChunk& chunk : All(encoder)) headers.push_back(HeaderOf(chunk));
  EXPECT_EQ(headers,
            (std::vector{ResetHeader::kUnknown, ResetHeader::kReset, ResetHeader::kReset,
                         ResetHeader::kReset, ResetHeader::kUnknown, ResetHeader::kGauge}));
}

TEST(SeriesEncoder, CutsBehindStaleMarkersAndBetweenForms) {
  SeriesEncoder encoder({});
  encoder.Append(10, Whole({{0, 1}}));
  encoder.Append(20, model::StaleNan());
  encoder.Append(30, Whole({{0, 1}}));
  encoder.Append(40, Whole({{0, 2}}).ToFloat());
  encoder.Append(50, 7.5);
  encoder.Append(60, model::StaleNan());
  encoder.Append(70, Whole({{0, 2}}).ToFloat());
  std::vector<Encoding> encodings;
  std::vector<int> counts;
  for (const FinishedChunk& chunk : All(encoder)) {
    encodings.push_back(chunk.encoding);
    counts.push_back(chunk.samples);
  }
  EXPECT_EQ(encodings,
            (std::vector{Encoding::kHistogram, Encoding::kHistogram, Encoding::kFloatHistogram,
                         Encoding::kXor, Encoding::kFloatHistogram}));
  EXPECT_EQ(counts, (std::vector{2, 1, 1, 2, 1}));
}

TEST(SeriesEncoder, ChunksEndAtTheirSizeAndTheirRange) {
  SeriesEncoder encoder({.samples = 120, .histogram_bytes = 1024, .range_ms = 1'000'000});
  for (int i = 0; i < 1000; ++i) {
    encoder.Append(i * 1000, Whole({{0, i}, {3, i * i}, {9, 7 * i}, {60, 3 * i * i}}));
  }
  encoder.Append(1'000'000, Whole({{0, 1000}, {3, 1'000'000}, {9, 7000}, {60, 3'000'000}}));
  const auto chunks = All(encoder);
  ASSERT_GT(chunks.size(), 2u);
  EXPECT_EQ(chunks.back().samples, 1);
  for (const FinishedChunk& chunk : chunks) {
    EXPECT_LT(chunk.bytes.size(), 1200u);
    const bool first = &chunk == &chunks.front();
    EXPECT_EQ(HeaderOf(chunk), first ? ResetHeader::kUnknown : ResetHeader::kNotReset);
  }
}

// Everything that goes in comes out, whatever the order of forms and layouts.
TEST(SeriesEncoder, GivesBackWhatItTook) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto pick = [&random](int n) {
    return static_cast<int>(random() % static_cast<unsigned>(n));
  };
  for (int round = 0; round < 50; ++round) {
    SeriesEncoder encoder({});
    std::vector<TimedValue> put;
    std::map<int32_t, int64_t> buckets;
    int64_t t = 0;
    const int forms = 1 + pick(3);
    for (int i = 0; i < 200; ++i) {
      t += 1 + pick(20'000);
      if (pick(30) == 0) buckets.clear();
      for (int k = 0; k < 3; ++k) buckets[pick(40) - 20] += pick(1 << pick(30));
      IntegerHistogram h = Whole(buckets, static_cast<uint64_t>(pick(3)));
      h.schema = pick(40) == 0 ? 3 : 0;
      if (round % 3 == 0) h.hint = ResetHint::kGauge;
      if (pick(40) == 0) {
        h = IntegerHistogram();
        h.sum = model::StaleNan();
      }
      const int form = pick(20) == 0 ? pick(forms) : forms - 1;
      if (form == 0) put.push_back({t, h});
      if (form == 1) put.push_back({t, h.ToFloat()});
      if (form == 2) put.push_back({t, h.sum});
      encoder.Append(t, put.back().value);
      EXPECT_TRUE(encoder.EndsWith(put.back().value) || model::IsStaleNan(h.sum));
    }
    std::vector<TimedValue> got;
    for (const FinishedChunk& chunk : All(encoder)) {
      const size_t before = got.size();
      ASSERT_TRUE(Decode(chunk.encoding, chunk.bytes, {}, got).has_value());
      ASSERT_EQ(got.size() - before, chunk.samples);
      EXPECT_EQ(got[before].t, chunk.min);
      EXPECT_EQ(got.back().t, chunk.max);
    }
    ASSERT_EQ(got.size(), put.size());
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i].t, put[i].t);
      const auto floats = [](const Value& value) {
        if (const auto* h = std::get_if<IntegerHistogram>(&value)) return h->ToFloat();
        if (const auto* h = std::get_if<FloatHistogram>(&value)) return *h;
        FloatHistogram number;
        number.sum = std::get<double>(value);
        return number;
      };
      if (model::IsStaleNan(floats(put[i].value).sum)) {
        EXPECT_TRUE(model::IsStaleNan(floats(got[i].value).sum));
        continue;
      }
      ASSERT_EQ(got[i].value.index(), put[i].value.index());
      ASSERT_TRUE(floats(got[i].value).SameAs(floats(put[i].value))) << i;
    }
  }
}

}  // namespace
}  // namespace narthex::chunk
