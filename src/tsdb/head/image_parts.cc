#include "tsdb/head/image_parts.h"

namespace narthex::tsdb {

using model::Timestamp;

void PutImageRow(std::string& out, const ImageRow& row) {
  base::PutBigEndian(out, static_cast<uint64_t>(row.last_time));
  base::PutBigEndian(out, row.last_bits);
  base::PutBigEndian(out, row.ref);
  base::PutBigEndian(out, row.last_delta);
  base::PutBigEndian(out, row.open_span);
  base::PutBigEndian(out, row.open_bits);
  base::PutBigEndian(out, row.open_count);
  for (const uint8_t byte : {row.leading, row.trailing, row.flags, row.form}) {
    out += static_cast<char>(byte);
  }
}

ImageRow TakeImageRow(const char* at) {
  return {.last_time = static_cast<Timestamp>(base::LoadBigEndian<uint64_t>(at)),
          .last_bits = base::LoadBigEndian<uint64_t>(at + 8),
          .ref = base::LoadBigEndian<uint64_t>(at + 16),
          .last_delta = base::LoadBigEndian<uint32_t>(at + 24),
          .open_span = base::LoadBigEndian<uint32_t>(at + 28),
          .open_bits = base::LoadBigEndian<uint16_t>(at + 32),
          .open_count = base::LoadBigEndian<uint16_t>(at + 34),
          .leading = static_cast<uint8_t>(at[36]),
          .trailing = static_cast<uint8_t>(at[37]),
          .flags = static_cast<uint8_t>(at[38]),
          .form = static_cast<uint8_t>(at[39])};
}

void PutImageChunk(std::string& out, const chunk::FinishedChunk& chunk) {
  out += static_cast<char>(chunk.encoding);
  base::PutBigEndian(out, static_cast<uint64_t>(chunk.min));
  base::PutBigEndian(out, static_cast<uint64_t>(chunk.max));
  base::PutUvarintString(out, chunk.bytes);
}

std::optional<chunk::FinishedChunk> TakeImageChunk(base::ByteReader& reader) {
  const auto encoding = static_cast<chunk::Encoding>(reader.ReadByte());
  const auto min = static_cast<Timestamp>(reader.ReadBigEndian<uint64_t>());
  const auto max = static_cast<Timestamp>(reader.ReadBigEndian<uint64_t>());
  const std::string_view bytes = reader.ReadUvarintString();
  if (!reader.ok() || min > max) return std::nullopt;
  return chunk::FinishedChunk{encoding, min, max, chunk::CountSamples(encoding, bytes),
                              std::string(bytes)};
}

}  // namespace narthex::tsdb
