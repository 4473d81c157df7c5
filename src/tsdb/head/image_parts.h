#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "chunk/series_encoder.h"
#include "model/sample.h"
#include "wal/records.h"

namespace narthex::tsdb {

// What sections of a head image are made of. docs/format/head-image.md.

inline constexpr size_t kImageRowBytes = 40;

// One series as a row of the image.
struct ImageRow {
  model::Timestamp last_time;
  uint64_t last_bits;
  wal::Ref ref;
  uint32_t last_delta;
  uint32_t open_span;
  uint16_t open_bits;
  uint16_t open_count;
  uint8_t leading;
  uint8_t trailing;
  uint8_t flags;
  uint8_t form;
};

void PutImageRow(std::string& out, const ImageRow& row);
// REQUIRES: kImageRowBytes at `at`.
ImageRow TakeImageRow(const char* at);

// A chunk with its encoding and times.
void PutImageChunk(std::string& out, const chunk::FinishedChunk& chunk);
// nullopt where the bytes end early or the times are in the wrong order.
std::optional<chunk::FinishedChunk> TakeImageChunk(base::ByteReader& reader);

}  // namespace narthex::tsdb
