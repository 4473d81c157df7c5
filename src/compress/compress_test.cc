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
    {"zstd", [](std::string_view raw) { return ZstdEncode(raw); }, &ZstdDecode},
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

TEST(Compress, ReportsTruncatedInput) {
  for (const Codec& codec : kCodecs) {
    const std::string encoded = codec.encode("some text, some text, some other text");
    for (size_t n = 0; n < encoded.size(); ++n) {
      // Zero bytes of zstd are an empty stream; everything else is damage.
      if (n == 0 && codec.decode("", 100).has_value()) continue;
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
}

}  // namespace
}  // namespace narthex::compress
