#include <lz4frame.h>
#include <snappy.h>

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "base/crc32c.h"
#include "compress/compress.h"
#include "compress/internal/refusal.h"

// Formats of frames: LZ4's (lz4/doc/lz4_Frame_format.md) and Snappy's (snappy/framing_format.txt).

namespace narthex::compress {
namespace {

using base::Code;
using base::Fail;
using internal::TooLarge;

auto Damaged(std::string_view format, std::string_view what) {
  return Fail(Code::kInvalidArgument, "{}: {}", format, what);
}

// Snappy's framing: chunks of a type, three bytes of length (lowest first) and a body.
constexpr std::string_view kFramed = "x-snappy-framed";
constexpr std::string_view kIdentifier{"\xff\x06\0\0sNaPpY", 10};
constexpr uint8_t kCompressedChunk = 0x00, kPlainChunk = 0x01, kSkippableChunks = 0x80;
constexpr size_t kChunkHeadBytes = 4, kChecksumBytes = 4, kChunkBytesMax = 65'536;

uint32_t Masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8; }

uint32_t LittleEndian(std::string_view bytes, size_t count) {
  uint32_t value = 0;
  for (size_t i = count; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}
void PutLittleEndian(std::string& out, uint32_t value, size_t count) {
  for (size_t i = 0; i < count; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

void PutChunk(std::string& out, uint8_t type, uint32_t crc, std::string_view body) {
  out += static_cast<char>(type);
  PutLittleEndian(out, static_cast<uint32_t>(kChecksumBytes + body.size()), 3);
  PutLittleEndian(out, crc, kChecksumBytes);
  out += body;
}

// Appends what a chunk of data holds.
base::Status TakeChunk(uint8_t type, std::string_view body, size_t bytes_max, std::string& out) {
  if (body.size() < kChecksumBytes) return Damaged(kFramed, "a chunk is too short");
  const uint32_t crc = LittleEndian(body, kChecksumBytes);
  body.remove_prefix(kChecksumBytes);
  std::string raw;
  if (type == kCompressedChunk) {
    ASSIGN_OR_RETURN(raw, SnappyDecode(body, kChunkBytesMax));
    body = raw;
  }
  if (body.size() > kChunkBytesMax) return Damaged(kFramed, "a chunk is too long");
  if (Masked(base::Crc32c(body)) != crc) return Damaged(kFramed, "a checksum does not fit");
  if (body.size() > bytes_max - out.size()) return TooLarge(kFramed, bytes_max);
  out += body;
  return {};
}

}  // namespace

std::string SnappyFramedEncode(std::string_view raw) {
  std::string out(kIdentifier);
  for (size_t at = 0; at < raw.size(); at += kChunkBytesMax) {
    const std::string_view plain = raw.substr(at, kChunkBytesMax);
    const std::string packed = SnappyEncode(plain);
    const bool pays = packed.size() < plain.size();
    PutChunk(out, pays ? kCompressedChunk : kPlainChunk, Masked(base::Crc32c(plain)),
             pays ? std::string_view(packed) : plain);
  }
  return out;
}

bool IsSnappyFramed(std::string_view encoded) { return encoded.starts_with(kIdentifier); }

base::Result<std::string> SnappyFramedDecode(std::string_view encoded, size_t bytes_max) {
  if (!IsSnappyFramed(encoded)) return Damaged(kFramed, "no stream identifier");
  std::string out;
  while (!encoded.empty()) {
    if (encoded.size() < kChunkHeadBytes) return Damaged(kFramed, "unexpected end of data");
    const auto type = static_cast<uint8_t>(encoded[0]);
    const size_t size = LittleEndian(encoded.substr(1), 3);
    encoded.remove_prefix(kChunkHeadBytes);
    if (size > encoded.size()) return Damaged(kFramed, "unexpected end of data");
    const std::string_view body = encoded.substr(0, size);
    encoded.remove_prefix(size);
    if (type == kCompressedChunk || type == kPlainChunk) {
      RETURN_IF_ERROR(TakeChunk(type, body, bytes_max, out));
    } else if (type == 0xff) {
      // The identifier, which streams that are joined repeat.
      if (body != kIdentifier.substr(kChunkHeadBytes)) return Damaged(kFramed, "a bad identifier");
    } else if (type < kSkippableChunks) {
      return Damaged(kFramed, "a chunk of a reserved type");
    }
  }
  return out;
}

std::string Lz4Encode(std::string_view raw) {
  std::string out(LZ4F_compressFrameBound(raw.size(), nullptr), '\0');
  const size_t size = LZ4F_compressFrame(out.data(), out.size(), raw.data(), raw.size(), nullptr);
  CHECK(!LZ4F_isError(size));
  out.resize(size);
  return out;
}

base::Result<std::string> Lz4Decode(std::string_view encoded, size_t bytes_max) {
  LZ4F_dctx* made = nullptr;
  CHECK(!LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION)));
  const std::unique_ptr<LZ4F_dctx, decltype(&LZ4F_freeDecompressionContext)> context(
      made, &LZ4F_freeDecompressionContext);
  std::string out;
  size_t wanted = 1;  // 0: a frame has ended.
  while (!encoded.empty() || wanted != 0) {
    const size_t have = out.size();
    // One byte over the limit tells "exactly full" from "too large".
    const size_t room = std::min<size_t>(std::max<size_t>(have, 16 << 10), bytes_max + 1 - have);
    out.resize(have + room);
    size_t put = room, taken = encoded.size();
    wanted =
        LZ4F_decompress(context.get(), out.data() + have, &put, encoded.data(), &taken, nullptr);
    out.resize(have + put);
    if (LZ4F_isError(wanted)) return Damaged("lz4", LZ4F_getErrorName(wanted));
    if (out.size() > bytes_max) return TooLarge("lz4", bytes_max);
    encoded.remove_prefix(taken);
    if (wanted != 0 && encoded.empty() && put < room) {
      return Damaged("lz4", "unexpected end of data");
    }
  }
  return out;
}

}  // namespace narthex::compress
