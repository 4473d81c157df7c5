#include "chunk/xor_chunk.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/random.h"

namespace narthex::chunk {
namespace {

using model::Sample;

std::vector<Sample> Decode(std::string_view bytes, model::TimeRange range = {}) {
  model::SampleColumns columns;
  EXPECT_TRUE(DecodeXor(bytes, range, columns).has_value());
  std::vector<Sample> samples;
  for (size_t i = 0; i < columns.size(); ++i) samples.push_back({columns.t[i], columns.v[i]});
  return samples;
}

XorChunk Encode(const std::vector<Sample>& samples) {
  XorChunk chunk;
  for (const Sample& sample : samples) chunk.Append(sample.t, sample.v);
  return chunk;
}

void ExpectSame(const std::vector<Sample>& a, const std::vector<Sample>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].t, b[i].t) << i;
    EXPECT_EQ(std::bit_cast<uint64_t>(a[i].v), std::bit_cast<uint64_t>(b[i].v)) << i;
  }
}

TEST(XorChunk, PinsTheBytesOfTheFormat) {
  const XorChunk chunk = Encode({{1000, 1.0}, {16000, 1.0}, {31000, 1.5}});
  const std::string want(
      "\x00\x03"                          // Three samples.
      "\xd0\x0f"                          // Time 1000 as a varint.
      "\x3f\xf0\x00\x00\x00\x00\x00\x00"  // 1.0.
      "\x98\x75"                          // 15000 later, as a uvarint.
      // 0 same value | 0 same delta | 11 new window, 01100 12 leading zeros, 000001 one bit: 1.
      "\x36\x03",
      16);
  EXPECT_EQ(chunk.bytes(), want);
}

TEST(XorChunk, RoundTripsEveryTimeCode) {
  std::vector<Sample> samples;
  model::Timestamp t = -5;
  int64_t delta = 10'000'000'000;
  samples.push_back({t, 0});
  for (const int64_t step :
       {int64_t{0}, int64_t{1}, int64_t{-8191}, int64_t{8192}, int64_t{8193}, int64_t{-8192},
        int64_t{-65535}, int64_t{65536}, int64_t{65537}, int64_t{-524287}, int64_t{524288},
        int64_t{524289}, int64_t{-5'000'000'000}}) {
    delta += step;
    t += delta;
    samples.push_back({t, static_cast<double>(step)});
  }
  ExpectSame(Decode(Encode(samples).bytes()), samples);
}

TEST(XorChunk, KeepsEveryBitOfAValue) {
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<Sample> samples = {{1, model::StaleNan()},
                                       {2, model::NormalNan()},
                                       {3, -0.0},
                                       {4, 0.0},
                                       {5, inf},
                                       {6, -inf},
                                       {7, 5e-324},
                                       {8, 1.7976931348623157e308},
                                       {9, 1.0},
                                       {10, -1.0}};
  ExpectSame(Decode(Encode(samples).bytes()), samples);
}

TEST(XorChunk, RoundTripsRandomSamples) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    std::vector<Sample> samples;
    model::Timestamp t = static_cast<model::Timestamp>(random.Below(1'000'000'000'000));
    double v = 0;
    for (uint64_t n = random.Below(300); n > 0; --n) {
      t += 1 + static_cast<int64_t>(random.Below(uint64_t{1} << random.Below(34)));
      switch (random.Below(4)) {
        case 0:
          break;
        case 1:
          v += 1;
          break;
        case 2:
          v = random.NextDouble() * 1000;
          break;
        default:
          v = std::bit_cast<double>(random.Next());
      }
      samples.push_back({t, v});
    }
    if (samples.empty()) continue;
    ExpectSame(Decode(Encode(samples).bytes()), samples);
  }
}

TEST(XorChunk, DecodesOnlyTheRange) {
  const XorChunk chunk = Encode({{10, 1}, {20, 2}, {30, 3}, {40, 4}});
  ExpectSame(Decode(chunk.bytes(), {20, 30}), {{20, 2}, {30, 3}});
  ExpectSame(Decode(chunk.bytes(), {41, 50}), {});
}

TEST(XorChunk, ReportsTruncationAtEveryByte) {
  const XorChunk chunk = Encode({{10, 1}, {20, 2.5}, {31, 3}, {40, 1e9}});
  for (size_t size = 0; size < chunk.bytes().size(); ++size) {
    model::SampleColumns columns;
    EXPECT_FALSE(DecodeXor(chunk.bytes().substr(0, size), {}, columns).has_value()) << size;
  }
}

}  // namespace
}  // namespace narthex::chunk
