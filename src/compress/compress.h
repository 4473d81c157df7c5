#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace narthex::compress {

// Whole-buffer codecs. Every decoder takes the largest output that the caller will hold and refuses
// more, before it allocates where the format declares a size: kResourceExhausted over the limit,
// kInvalidArgument for damaged input. Thread-safe.

// Snappy's block format (remote write, WAL).
std::string SnappyEncode(std::string_view raw);
base::Result<std::string> SnappyDecode(std::string_view encoded, size_t bytes_max);

// Snappy's framing format. A stream begins with an identifier that no block does.
std::string SnappyFramedEncode(std::string_view raw);
bool IsSnappyFramed(std::string_view encoded);
base::Result<std::string> SnappyFramedDecode(std::string_view encoded, size_t bytes_max);

// LZ4's frame format, all frames.
std::string Lz4Encode(std::string_view raw);
base::Result<std::string> Lz4Decode(std::string_view encoded, size_t bytes_max);

// RFC 1952, all members.
std::string GzipEncode(std::string_view raw, int level = 1);
base::Result<std::string> GzipDecode(std::string_view encoded, size_t bytes_max);
// RFC 1950, what HTTP calls "deflate".
std::string ZlibEncode(std::string_view raw, int level = 1);
base::Result<std::string> ZlibDecode(std::string_view encoded, size_t bytes_max);

std::string ZstdEncode(std::string_view raw, int level = 1);
base::Result<std::string> ZstdDecode(std::string_view encoded, size_t bytes_max);

// By HTTP Content-Encoding: "", "identity", "gzip", "deflate", "zlib", "zstd", "snappy" (of blocks,
// or framed), "x-snappy-framed", "lz4". kUnimplemented for any other.
base::Result<std::string> Decode(std::string_view content_encoding, std::string encoded,
                                 size_t bytes_max);
// The same names the other way. `level`: of gzip, deflate and zstd; 0: the fastest. REQUIRES: one
// of them.
std::string Encode(std::string_view content_encoding, std::string raw, int level = 0);

}  // namespace narthex::compress
