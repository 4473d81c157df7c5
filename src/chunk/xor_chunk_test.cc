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

// One bit after the other, as the format's description reads; false where the bytes end too early
// or a window is wider than a word.
class SlowDecoder {
 public:
  explicit SlowDecoder(std::string_view bytes) : bytes_(bytes) {}

  bool Decode(std::vector<Sample>& samples) {
    const uint64_t count = Bits(16);
    uint64_t t = 0;
    uint64_t delta = 0;
    uint64_t value = 0;
    for (uint64_t i = 0; i < count; ++i) {
      if (i == 0) {
        const uint64_t coded = Uvarint();
        t = coded >> 1 ^ (0 - (coded & 1));
        value = Bits(64);
      } else {
        delta = i == 1 ? Uvarint() : delta + DeltaOfDelta();
        t += delta;
        if (Bits(1) != 0) value ^= Changed();
      }
      if (!ok_) return false;
      samples.push_back({static_cast<model::Timestamp>(t), std::bit_cast<double>(value)});
    }
    return true;
  }

 private:
  uint64_t Bits(unsigned count) {
    uint64_t bits = 0;
    for (; count > 0; --count, ++at_) {
      if (at_ / 8 >= bytes_.size()) ok_ = false;
      const auto byte = ok_ ? static_cast<uint8_t>(bytes_[at_ / 8]) : uint8_t{0};
      bits = bits << 1 | ((byte >> (7 - at_ % 8)) & 1u);
    }
    return bits;
  }
  uint64_t Uvarint() {
    uint64_t value = 0;
    for (unsigned shift = 0; ok_; shift += 7) {
      const uint64_t byte = Bits(8);
      if (shift == 63 && byte > 1) ok_ = false;
      if (ok_) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  }
  uint64_t DeltaOfDelta() {
    unsigned ones = 0;
    while (ones < 4 && Bits(1) != 0) ++ones;
    constexpr unsigned kSizes[] = {0, 14, 17, 20, 64};
    const unsigned size = kSizes[ones];
    const uint64_t code = Bits(size);
    return size % 64 != 0 && code > uint64_t{1} << (size - 1) ? code - (uint64_t{1} << size) : code;
  }
  uint64_t Changed() {
    if (Bits(1) != 0) {
      leading_ = Bits(5);
      significant_ = Bits(6);
      if (significant_ == 0) significant_ = 64;
    }
    if (leading_ + significant_ > 64) ok_ = false;
    if (!ok_) return 0;
    return Bits(static_cast<unsigned>(significant_)) << (64 - leading_ - significant_);
  }

  std::string_view bytes_;
  size_t at_ = 0;
  bool ok_ = true;
  uint64_t leading_ = 0;
  uint64_t significant_ = 64;
};

TEST(XorChunk, AgreesWithASlowDecoderOnAnyBytes) {
  size_t whole = 0;
  for (uint64_t seed = 1; seed <= 5000; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    std::vector<Sample> samples;
    for (uint64_t i = 0, n = 1 + random.Below(40); i < n; ++i) {
      const double v = random.Below(2) == 0 ? static_cast<double>(random.Below(1000))
                                            : std::bit_cast<double>(random.Next());
      samples.push_back({static_cast<model::Timestamp>(15'000 * i + random.Below(3) * i), v});
    }
    std::string bytes(Encode(samples).bytes());
    for (uint64_t hits = random.Below(4); hits > 0; --hits) {
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    }
    bytes.resize(bytes.size() - random.Below(3) * random.Below(bytes.size()) / 4);
    // Memory of just its size: looking behind it is an error that sanitizers see.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    std::vector<Sample> want;
    const bool fine = SlowDecoder({exact.data(), exact.size()}).Decode(want);
    model::SampleColumns columns;
    const base::Status status = DecodeXor({exact.data(), exact.size()}, {}, columns);
    ASSERT_EQ(status.has_value(), fine);
    std::vector<Sample> got;
    for (size_t i = 0; i < columns.size(); ++i) got.push_back({columns.t[i], columns.v[i]});
    ASSERT_NO_FATAL_FAILURE(ExpectSame(got, want));
    whole += fine ? 1 : 0;
  }
  EXPECT_GT(whole, 500u);
  EXPECT_LT(whole, 4500u);
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
