#include "compress/compress.h"

#include <libdeflate.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "compress/internal/refusal.h"

namespace narthex::compress {
namespace {

using base::Code;
using base::Fail;
using internal::TooLarge;

// zlib's stream with its end. `window_bits` chooses the framing: 15 zlib, 31 gzip.
class Inflater {
 public:
  explicit Inflater(int window_bits) { CHECK(inflateInit2(&stream_, window_bits) == Z_OK); }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
};

base::Result<std::string> Inflate(std::string_view encoded, size_t bytes_max, int window_bits,
                                  std::string_view format) {
  Inflater inflater(window_bits);
  z_stream& stream = inflater.stream();
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(encoded.data()));
  stream.avail_in = static_cast<uInt>(encoded.size());
  std::string out;
  for (;;) {
    if (out.size() == bytes_max + 1) return TooLarge(format, bytes_max);
    const size_t have = out.size();
    // One byte over the limit tells "exactly full" from "too large".
    const size_t room = std::min(std::max<size_t>(have, 16 << 10), bytes_max + 1 - have);
    out.resize(have + room);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + have);
    stream.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream, Z_NO_FLUSH);
    out.resize(have + room - stream.avail_out);
    if (result == Z_STREAM_END) {
      if (stream.avail_in == 0) break;
      if (window_bits < 16) return Fail(Code::kInvalidArgument, "{}: data after the end", format);
      CHECK(inflateReset(&stream) == Z_OK);  // gzip: the next member.
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return Fail(Code::kInvalidArgument, "{}: {}", format,
                  stream.msg != nullptr ? stream.msg : "damaged data");
    } else if (stream.avail_in == 0 && stream.avail_out > 0) {
      return Fail(Code::kInvalidArgument, "{}: unexpected end of data", format);
    }
  }
  if (out.size() > bytes_max) return TooLarge(format, bytes_max);
  return out;
}

// `bound` and `compress`: libdeflate's, of one framing.
template <class Bound, class Compress>
std::string Deflate(std::string_view raw, int level, Bound bound, Compress compress) {
  const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
      libdeflate_alloc_compressor(level), &libdeflate_free_compressor);
  CHECK(compressor != nullptr);
  std::string out(bound(compressor.get(), raw.size()), '\0');
  out.resize(compress(compressor.get(), raw.data(), raw.size(), out.data(), out.size()));
  return out;
}

}  // namespace

std::string SnappyEncode(std::string_view raw) {
  std::string out;
  snappy::Compress(raw.data(), raw.size(), &out);
  return out;
}

base::Result<std::string> SnappyDecode(std::string_view encoded, size_t bytes_max) {
  size_t size = 0;
  if (!snappy::GetUncompressedLength(encoded.data(), encoded.size(), &size)) {
    return Fail(Code::kInvalidArgument, "snappy: damaged length header");
  }
  if (size > bytes_max) return TooLarge("snappy", bytes_max);
  // No block expands more than this; a larger claim is a lie and must not reserve memory.
  if (size / 64 > encoded.size()) return Fail(Code::kInvalidArgument, "snappy: damaged data");
  std::string out;
  bool good = false;
  out.resize_and_overwrite(size, [&](char* to, size_t) {
    good = snappy::RawUncompress(encoded.data(), encoded.size(), to);
    return good ? size : 0;
  });
  if (!good) return Fail(Code::kInvalidArgument, "snappy: damaged data");
  return out;
}

std::string GzipEncode(std::string_view raw, int level) {
  return Deflate(raw, level, &libdeflate_gzip_compress_bound, &libdeflate_gzip_compress);
}

std::string ZlibEncode(std::string_view raw, int level) {
  return Deflate(raw, level, &libdeflate_zlib_compress_bound, &libdeflate_zlib_compress);
}

base::Result<std::string> GzipDecode(std::string_view encoded, size_t bytes_max) {
  return Inflate(encoded, bytes_max, 31, "gzip");
}

base::Result<std::string> ZlibDecode(std::string_view encoded, size_t bytes_max) {
  return Inflate(encoded, bytes_max, 15, "deflate");
}

std::string ZstdEncode(std::string_view raw, int level) {
  std::string out(ZSTD_compressBound(raw.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), raw.data(), raw.size(), level);
  CHECK(!ZSTD_isError(size));
  out.resize(size);
  return out;
}

base::Result<std::string> ZstdDecode(std::string_view encoded, size_t bytes_max) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                     &ZSTD_freeDCtx);
  CHECK(context != nullptr);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, 27);
  ZSTD_inBuffer in{encoded.data(), encoded.size(), 0};
  std::string out;
  for (;;) {
    const size_t have = out.size();
    const size_t room = std::min<size_t>(std::max<size_t>(have, 16 << 10), bytes_max + 1 - have);
    out.resize(have + room);
    ZSTD_outBuffer to{out.data() + have, room, 0};
    const size_t left = ZSTD_decompressStream(context.get(), &to, &in);
    out.resize(have + to.pos);
    if (ZSTD_isError(left)) {
      return Fail(Code::kInvalidArgument, "zstd: {}", ZSTD_getErrorName(left));
    }
    if (out.size() > bytes_max) return TooLarge("zstd", bytes_max);
    if (in.pos < in.size) continue;
    // At the end of a frame nothing is left; asked once more, the library would wait for another.
    if (left == 0) return out;
    if (to.pos < room) return Fail(Code::kInvalidArgument, "zstd: unexpected end of data");
  }
}

base::Result<std::string> Decode(std::string_view content_encoding, std::string encoded,
                                 size_t bytes_max) {
  if (content_encoding.empty() || content_encoding == "identity") {
    if (encoded.size() > bytes_max) return TooLarge("body", bytes_max);
    return encoded;
  }
  if (content_encoding == "gzip") return GzipDecode(encoded, bytes_max);
  if (content_encoding == "deflate" || content_encoding == "zlib") {
    return ZlibDecode(encoded, bytes_max);
  }
  if (content_encoding == "zstd") return ZstdDecode(encoded, bytes_max);
  if (content_encoding == "x-snappy-framed") return SnappyFramedDecode(encoded, bytes_max);
  if (content_encoding == "snappy") {
    return IsSnappyFramed(encoded) ? SnappyFramedDecode(encoded, bytes_max)
                                   : SnappyDecode(encoded, bytes_max);
  }
  if (content_encoding == "lz4") return Lz4Decode(encoded, bytes_max);
  return Fail(Code::kUnimplemented, "unsupported Content-Encoding \"{}\"", content_encoding);
}

std::string Encode(std::string_view content_encoding, std::string raw, int level) {
  const int chosen = level == 0 ? 1 : level;
  if (content_encoding.empty() || content_encoding == "identity") return raw;
  if (content_encoding == "gzip") return GzipEncode(raw, chosen);
  if (content_encoding == "deflate" || content_encoding == "zlib") return ZlibEncode(raw, chosen);
  if (content_encoding == "zstd") return ZstdEncode(raw, chosen);
  if (content_encoding == "snappy") return SnappyEncode(raw);
  if (content_encoding == "x-snappy-framed") return SnappyFramedEncode(raw);
  CHECK(content_encoding == "lz4");
  return Lz4Encode(raw);
}

}  // namespace narthex::compress
