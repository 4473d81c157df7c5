#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "compress/compress.h"

// The first byte chooses a codec, the rest is what a peer calls its data: decoded within the limit,
// and what comes out survives a way there and back.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  constexpr std::string_view kCodecs[] = {"gzip",   "deflate",         "zstd",
                                          "snappy", "x-snappy-framed", "lz4"};
  constexpr size_t kBytesMax = 1 << 16;
  if (size == 0) return 0;
  const std::string_view codec = kCodecs[data[0] % std::size(kCodecs)];
  const auto raw = compress::Decode(
      codec, std::string(reinterpret_cast<const char*>(data + 1), size - 1), kBytesMax);
  if (!raw.has_value()) return 0;
  CHECK(raw->size() <= kBytesMax);
  const auto again = compress::Decode(codec, compress::Encode(codec, *raw), kBytesMax);
  CHECK(again.has_value() && again.value() == raw.value());
  return 0;
}
