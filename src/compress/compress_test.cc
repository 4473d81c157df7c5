#include "compress/compress.h"

#include <gtest/gtest.h>

namespace narthex::compress {
namespace {

struct Codec {
  const char* name;
  std::string (*encode)(std::string_view);
  base::Result<std::string> (*decode)(std::string_view, size_t);
};

const Codec kCodecs[] = {
    {"snappy", &SnappyEncode, &SnappyDecode},
    {"gzip", [](std::string_view raw) { return GzipEncode(raw); }, &GzipDecode},
    {"zlib", [](std::string_view raw) { return ZlibEncode(raw); }, &ZlibDecode},
    {"zstd", [](std::string_view raw) { return ZstdEncode(raw); }, &ZstdDecode},
    {"x-snappy-framed", &SnappyFramedEncode, &SnappyFramedDecode},
    {"lz4", &Lz4Encode, &Lz4Decode},
};

TEST(Compress, RoundTripsUpToTheLimitAndNotBeyond) {
  for (const Codec& codec : kCodecs) {
    for (const size_t size : {0u, 1u, 1000u, 300'000u}) {
      std::string raw(size, 'x');
      for (size_t i = 0; i < size; i += 7) raw[i] = static_cast<char>(i * 31);
      const std::string encoded = codec.encode(raw);
      EXPECT_EQ(codec.decode(encoded, size), raw) << codec.name << ' ' << size;
      if (size == 0) continue;
      const auto refused = codec.decode(encoded, size - 1);
      ASSERT_FALSE(refused.has_value()) << codec.name << ' ' << size;
      EXPECT_EQ(refused.error().code, base::Code::kResourceExhausted);
    }
  }
}

// Decoders give their output room in steps: an end may come just where a step is full.
TEST(Compress, RoundTripsSizesOfWholeSteps) {
  uint64_t state = 1;
  std::string noise(1 << 20, '\0');
  for (char& c : noise) {
    state = state * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
    c = static_cast<char>(state >> 60);
  }
  for (const Codec& codec : kCodecs) {
    for (size_t step = 1 << 10; step <= noise.size(); step *= 2) {
      for (const size_t size : {step - 1, step, step + step / 2, step + 1}) {
        if (size > noise.size()) continue;
        for (const std::string& raw : {noise.substr(0, size), std::string(size, 'x')}) {
          const std::string encoded = codec.encode(raw);
          EXPECT_TRUE(codec.decode(encoded, size) == raw) << codec.name << ' ' << size;
          EXPECT_TRUE(codec.decode(encoded, 2 << 20) == raw) << codec.name << ' ' << size;
        }
      }
    }
  }
}

TEST(Compress, ReportsTruncatedInput) {
  for (const Codec& codec : kCodecs) {
    const std::string encoded = codec.encode("some text, some text, some other text");
    for (size_t n = 0; n < encoded.size(); ++n) {
      // Zero bytes of zstd are an empty stream, and an identifier alone is one of Snappy's frames;
      // everything else is damage.
      if (n == 0 && codec.decode("", 100).has_value()) continue;
      if (n == 10 && IsSnappyFramed(encoded)) continue;
      EXPECT_FALSE(codec.decode(encoded.substr(0, n), 100).has_value()) << codec.name << ' ' << n;
    }
  }
}

TEST(Compress, RefusesASnappyLengthThatTheInputCannotHold) {
  const std::string bomb = "\xff\xff\xff\xff\x0f\x00";
  EXPECT_FALSE(SnappyDecode(bomb, size_t{8} << 30).has_value());
}

TEST(Compress, DecodesByContentEncoding) {
  EXPECT_EQ(Decode("", "abc", 3), "abc");
  EXPECT_EQ(Decode("gzip", GzipEncode("abc") + GzipEncode("def"), 6), "abcdef");
  EXPECT_EQ(Decode("br", "abc", 3).error().code, base::Code::kUnimplemented);
  EXPECT_EQ(Decode("snappy", SnappyFramedEncode("abc"), 3), "abc") << "told by its beginning";
}

TEST(Compress, EncodesByContentEncoding) {
  const std::string raw(10'000, 'x');
  for (const char* name :
       {"", "identity", "gzip", "deflate", "zlib", "zstd", "snappy", "x-snappy-framed", "lz4"}) {
    for (const int level : {0, 1, 6}) {
      EXPECT_EQ(Decode(name, Encode(name, raw, level), raw.size()), raw) << name << ' ' << level;
    }
  }
  std::string words;
  for (int i = 0; i < 5'000; ++i) words += std::to_string(i * i % 977) + ' ';
  EXPECT_LT(Encode("gzip", words, 9).size(), Encode("gzip", words, 1).size());
}

TEST(Compress, StreamsThatAreJoinedAreOne) {
  const std::string joined = SnappyFramedEncode("abc") + SnappyFramedEncode("def");
  EXPECT_EQ(SnappyFramedDecode(joined, 6), "abcdef");
  EXPECT_EQ(Lz4Decode(Lz4Encode("abc") + Lz4Encode("def"), 6), "abcdef");
}

TEST(Compress, FramesWithAWrongChecksumAreDamage) {
  std::string encoded = SnappyFramedEncode(std::string(1000, 'x'));
  encoded[14] = static_cast<char>(encoded[14] ^ 1);
  EXPECT_EQ(SnappyFramedDecode(encoded, 1000).error().code, base::Code::kInvalidArgument);
}

}  // namespace
}  // namespace narthex::compress
