// Chunks that keep start times, against an encoder that writes bits as text, and bytes by hand.

#include "chunk/start_times.h"

#include <gtest/gtest.h>

#include <bit>
#include <bitset>

#include "base/bytes.h"
#include "base/random.h"
#include "chunk/series_encoder.h"
#include "chunk/xor2_chunk.h"

namespace narthex::chunk {
namespace {

using model::Timestamp;

// Bits as '0' and '1'; spaces are for the reader.
std::string Packed(std::string_view bits) {
  std::string bytes;
  size_t count = 0;
  for (const char bit : bits) {
    if (bit == ' ') continue;
    if (count++ % 8 == 0) bytes += '\0';
    if (bit == '1') bytes.back() = static_cast<char>(bytes.back() | 0x80 >> ((count - 1) % 8));
  }
  return bytes;
}

std::string Bits(uint64_t value, size_t count) {
  return std::bitset<64>(value).to_string().substr(64 - count);
}
std::string Uvarint(uint64_t value) {
  std::string bytes;
  base::PutUvarint(bytes, value);
  std::string bits;
  for (const char byte : bytes) bits += Bits(static_cast<uint8_t>(byte), 8);
  return bits;
}
std::string Varint(int64_t value) { return Uvarint(base::ZigZag(value)); }
std::string Bits(double value) { return Bits(std::bit_cast<uint64_t>(value), 64); }

std::string Varbit(int64_t value) {
  if (value == 0) return "0";
  const size_t widths[] = {3, 6, 9, 12, 18, 25, 56};
  std::string prefix = "1";
  for (const size_t width : widths) {
    const int64_t half = int64_t{1} << (width - 1);
    if (value > -half && value <= half) {
      return prefix + "0" + Bits(static_cast<uint64_t>(value), width);
    }
    prefix += "1";
  }
  return prefix + "1" + Bits(static_cast<uint64_t>(value), 64);
}

struct Sample {
  Timestamp t;
  double v;
  Timestamp start;
};

// The XOR2 chunk as its description says, without a thought of speed.
std::string Xor2Bits(const std::vector<Sample>& samples) {
  std::string body;
  uint64_t baseline = 0;
  int window_leading = -1;
  int window_trailing = 0;
  bool first_known = false;
  size_t change_at = 0;
  const auto window = [&](uint64_t changed, const char* same, const char* anew) {
    const int leading = std::min(std::countl_zero(changed), 31);
    const int trailing = std::countr_zero(changed);
    std::string bits = same;
    if (window_leading < 0 || leading < window_leading || trailing < window_trailing) {
      window_leading = leading;
      window_trailing = trailing;
      const auto significant = static_cast<uint64_t>(64 - leading - trailing);
      bits = anew + Bits(static_cast<uint64_t>(leading), 5) + Bits(significant % 64, 6);
    }
    const auto width = static_cast<size_t>(64 - window_leading - window_trailing);
    return bits + Bits(changed >> window_trailing, width);
  };
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto& [t, v, start] = samples[i];
    const auto bits = std::bit_cast<uint64_t>(v);
    const bool stale = model::IsStaleNan(v);
    const auto value = [&]() -> std::string {
      if (stale) return "111";
      return bits == baseline ? "0" : window(bits ^ baseline, "10", "110");
    };
    if (i == 0) {
      body += Varint(t) + Bits(v);
    } else if (i == 1) {
      body += Uvarint(static_cast<uint64_t>(t - samples[0].t)) + value();
    } else {
      const int64_t change = (t - samples[i - 1].t) - (samples[i - 1].t - samples[i - 2].t);
      const auto field = static_cast<uint64_t>(change);
      if (change == 0) {
        body += stale ? "11111" : bits == baseline ? "0" : "10" + window(bits ^ baseline, "0", "1");
      } else if (change >= -4096 && change <= 4095) {
        body += "110" + Bits(field, 13) + value();
      } else if (change >= -524288 && change <= 524287) {
        body += "1110" + Bits(field, 20) + value();
      } else {
        body += "11110" + Bits(field, 64) + value();
      }
    }
    if (!stale) baseline = bits;
    if (i == 0) {
      first_known = start != 0;
      if (first_known) body += Varint(t - start);
      continue;
    }
    const int64_t difference = samples[i - 1].t - start;
    if (change_at == 0 && (start != samples[i - 1].start || i == 127)) {
      change_at = i;
      body += Varbit(difference);
    } else if (change_at != 0) {
      body += Varbit(difference - (samples[i - 2].t - samples[i - 1].start));
    }
  }
  return Bits(samples.size(), 16) + (first_known ? "1" : "0") + Bits(change_at, 7) + body;
}

std::string Text(const std::vector<Sample>& samples) {
  std::string text;
  for (const Sample& sample : samples) {
    text += std::to_string(sample.t) + " " + std::to_string(std::bit_cast<uint64_t>(sample.v)) +
            " " + std::to_string(sample.start) + "\n";
  }
  return text;
}
std::vector<Sample> SamplesOf(const model::SampleColumns& columns) {
  std::vector<Sample> samples;
  for (size_t i = 0; i < columns.size(); ++i) {
    samples.push_back({columns.t[i], columns.v[i], columns.Start(i)});
  }
  return samples;
}

std::vector<Sample> RandomSamples(base::Random& random) {
  std::vector<Sample> samples;
  Timestamp t = static_cast<Timestamp>(random.Below(1'000'000)) - 500'000;
  double v = 1;
  Timestamp start = random.Below(2) == 0 ? 0 : t - 1000;
  // Some worlds have no starts, some one that stays, some many.
  const uint64_t restarts = 1 + random.Below(3) * 20;
  for (uint64_t left = 1 + random.Below(200); left > 0; --left) {
    const uint64_t gap = random.Below(10);
    t += gap < 6   ? 15'000
         : gap < 8 ? 14'990 + static_cast<Timestamp>(random.Below(20))
         : gap < 9 ? 1 + static_cast<Timestamp>(random.Below(1'000'000))
                   : static_cast<Timestamp>(random.Next() >> 30);
    if (random.Below(3) == 0) v += static_cast<double>(random.Below(100)) / 8;
    if (random.Below(40) == 0) v = std::bit_cast<double>(random.Next() & ~(uint64_t{1} << 62));
    if (restarts > 1 && random.Below(restarts) == 0) {
      start = random.Below(4) == 0 ? 0 : t - static_cast<Timestamp>(random.Below(100'000));
    }
    samples.push_back({t, random.Below(15) == 0 ? model::StaleNan() : v, start});
  }
  return samples;
}

TEST(Xor2Chunk, HasTheseBytes) {
  const std::vector<Sample> samples = {{1000, 1, 0},
                                       {2000, 1, 0},
                                       {3000, 1, 2500},
                                       {4001, 2, 2500},
                                       {5002, model::StaleNan(), 2500},
                                       {6003, 2, 2500}};
  const std::string bytes = Packed(
      "0000000000000110 0 0000010"  // Six, no start of the first, a change at sample 2.
      "1101000000001111 0011111111110000000000000000000000000000000000000000000000000000"
      "1110100000000111 0"                              // 1000 ms later, unchanged.
      "0 11110 111000001100"                            // The same; 2000 - 2500.
      "110 0000000000001 110 00001 001011 11111111111"  // 1 ms more, 2.0,
      "11110 001111101000"                              // 3000 - 2500, which is 1000 more.
      "11111 11110 001111101001"                        // Stale; 4001 - 2500.
      "0 11110 001111101001");                          // Back to 2.0.
  model::SampleColumns columns;
  ASSERT_TRUE(DecodeXor2(bytes, {}, columns).has_value());
  EXPECT_EQ(Text(SamplesOf(columns)), Text(samples));
  Xor2Chunk chunk;
  for (const auto& [t, v, start] : samples) chunk.Append(t, v, start);
  EXPECT_EQ(chunk.bytes(), bytes);
}

TEST(Xor2Chunk, AgreesWithAnEncoderThatWritesText) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    const std::vector<Sample> samples = RandomSamples(random);
    const std::string want = Packed(Xor2Bits(samples));
    Xor2Chunk chunk;
    for (const auto& [t, v, start] : samples) chunk.Append(t, v, start);
    ASSERT_EQ(chunk.bytes(), want);
    model::SampleColumns columns;
    ASSERT_TRUE(DecodeXor2(want, {}, columns).has_value());
    ASSERT_EQ(Text(SamplesOf(columns)), Text(samples));
    // A part, and every cut.
    const model::TimeRange range{samples[samples.size() / 3].t, samples[samples.size() / 2].t};
    columns.clear();
    ASSERT_TRUE(DecodeXor2(want, range, columns).has_value());
    const auto begin = samples.begin() + static_cast<ptrdiff_t>(samples.size() / 3);
    const auto end = samples.begin() + static_cast<ptrdiff_t>(samples.size() / 2) + 1;
    ASSERT_EQ(Text(SamplesOf(columns)), Text({begin, end}));
    if (seed % 20 != 0) continue;
    for (size_t size = 0; size < want.size(); ++size) {
      columns.clear();
      ASSERT_FALSE(DecodeXor2(want.substr(0, size), {}, columns).has_value()) << size;
      ASSERT_TRUE(Text(samples).starts_with(Text(SamplesOf(columns)))) << size;
    }
  }
}

model::IntegerHistogram Whole(uint64_t n, int32_t offset) {
  model::IntegerHistogram h;
  h.schema = 1;
  h.zero_threshold = 0.25;
  h.zero_count = n;
  h.count = 3 * n;
  h.sum = static_cast<double>(n) / 3;
  h.positive_spans = {{offset, 2}};
  h.positive_deltas = {static_cast<int64_t>(n), 0};
  return h;
}

TEST(HistogramStarts, HaveTheseBytes) {
  // Whole counts at 1, 3 and 6 ms, started at 1 ms from the second sample on; began with a reset.
  const std::string bytes = Packed(
      "10 00000000000011 0 0000001"
      "00000000 0 0 0"  // Zero threshold, schema, spans.
      "10 001"          // 1 ms,
      "10 010 10 010"   // counts 2 and 2,
      "0011111111110000000000000000000000000000000000000000000000000000"  // sum 1.
      "10 010"                                                            // 2 ms later,
      "10 001 10 001"                                                     // one more of each,
      "0"                                                                 // the same sum,
      "0"         // started at the time of the sample before.
      "10 001"    // 3 ms later,
      "0 0 0"     // one more again,
      "10 010");  // started 2 ms before the sample before.
  std::vector<HistogramSample<model::IntegerHistogram>> samples;
  ASSERT_TRUE(DecodeExactly(bytes, {}, samples, StartTimes::kPresent).has_value());
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[0].histogram.hint, model::ResetHint::kReset);
  const std::vector<std::vector<int64_t>> want = {{1, 2, 0}, {3, 3, 1}, {6, 4, 1}};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(samples[i].t, want[i][0]);
    EXPECT_EQ(static_cast<int64_t>(samples[i].histogram.count), want[i][1]);
    EXPECT_EQ(samples[i].start, want[i][2]);
  }
  HistogramChunk chunk(ResetHeader::kReset, true);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(chunk.Append(samples[i].t, samples[i].histogram, want[i][2]));
  }
  EXPECT_EQ(chunk.bytes(), bytes);
  EXPECT_EQ(CountSamples(Encoding::kHistogramStarts, bytes), 3);
}

// Without a start time, only the header differs from the encoding without them, up to sample 127.
TEST(HistogramStarts, AreTheOtherEncodingAndStartTimes) {
  for (const bool gauge : {false, true}) {
    const ResetHeader header = gauge ? ResetHeader::kGauge : ResetHeader::kNotReset;
    HistogramChunk plain(header);
    HistogramChunk with(header, true);
    FloatHistogramChunk plain_floats(header);
    FloatHistogramChunk with_floats(header, true);
    for (uint64_t n = 0; n < 127; ++n) {
      const auto t = static_cast<Timestamp>(1'000'000 + n * n * 100);
      ASSERT_TRUE(plain.Append(t, Whole(n, 2)) && with.Append(t, Whole(n, 2), 0));
      ASSERT_TRUE(plain_floats.Append(t, Whole(n, 2).ToFloat()) &&
                  with_floats.Append(t, Whole(n, 2).ToFloat(), 0));
    }
    EXPECT_EQ(plain.bytes().substr(3), with.bytes().substr(3));
    EXPECT_EQ(plain_floats.bytes().substr(3), with_floats.bytes().substr(3));
    EXPECT_EQ(with.bytes()[2], '\0');
    EXPECT_EQ(static_cast<uint8_t>(with.bytes()[0]) >> 6, static_cast<int>(header));
  }
}

TEST(HistogramStarts, SurviveAnEncodingAnew) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    std::vector<TimedValue> values;
    uint64_t n = 0;
    for (const auto& [t, v, start] : RandomSamples(random)) {
      n = random.Below(30) == 0 ? 0 : n + random.Below(10);
      const auto offset = static_cast<int32_t>(random.Below(20) == 0 ? 1 : 2);
      const uint64_t kind = random.Below(40);
      TimedValue value{t, v, start};
      if (kind >= 2 && !model::IsStaleNan(v)) value.value = Whole(n, offset);
      if (kind >= 20 && !model::IsStaleNan(v)) value.value = Whole(n, offset).ToFloat();
      if (seed % 2 == 0) value.value = Whole(n, offset);
      values.push_back(std::move(value));
    }
    std::vector<TimedValue> again;
    model::SampleColumns columns;
    bool any_start = false;
    for (const TimedValue& value : values) any_start |= value.start != 0;
    bool any_with = false;
    for (const FinishedChunk& chunk : Encode(values)) {
      EXPECT_EQ(CountSamples(chunk.encoding, chunk.bytes), chunk.samples);
      ASSERT_TRUE(Decode(chunk.encoding, chunk.bytes, {}, again).has_value());
      ASSERT_TRUE(Decode(chunk.encoding, chunk.bytes, {}, columns).has_value());
      any_with |= KeepsStarts(chunk.encoding);
    }
    EXPECT_EQ(any_with, any_start) << "the oldest encoding that serves";
    ASSERT_EQ(again.size(), values.size());
    ASSERT_EQ(columns.size(), values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(again[i].t, values[i].t);
      ASSERT_EQ(again[i].start, values[i].start) << i;
      ASSERT_EQ(columns.Start(i), values[i].start);
      if (!model::IsStaleNan(columns.v[i])) {
        ASSERT_TRUE(SameValue(again[i].value, values[i].value)) << i;
      }
    }
  }
}

}  // namespace
}  // namespace narthex::chunk
