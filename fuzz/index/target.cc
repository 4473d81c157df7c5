// An index of arbitrary bytes, once as it is and once with its checksums put right, so that the
// damage gets past them: every read ends, with an answer or an error.

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/testing/memory_file_system.h"
#include "tsdb/index/index_reader.h"

using namespace narthex;

namespace {

void ReadAll(base::MemoryFileSystem& disk, std::string bytes) {
  disk.SetContent("/index", std::move(bytes));
  const auto index = tsdb::IndexReader::Open(disk, "/index");
  if (!index) return;
  std::ignore = (*index)->Symbols();
  const auto names = (*index)->LabelNames();
  for (const std::string& name : names) {
    const auto values = (*index)->LabelValues(name);
    if (values && !values->empty()) {
      const std::vector<model::Matcher> matchers = {model::Matcher::Equal(name, values->front())};
      std::ignore = (*index)->Select(matchers);
    }
  }
  using enum model::Matcher::Type;
  const std::vector<model::Matcher> matchers = {*model::Matcher::From(kNotRegex, "a", "b.*"),
                                                *model::Matcher::From(kNotEqual, "zone", "")};
  std::ignore = (*index)->Select(matchers);
  const auto ids = (*index)->Select({});
  if (!ids) return;
  for (const tsdb::SeriesId id : *ids) {
    const auto series = (*index)->ReadSeries(id);
    if (series) CHECK(series->labels.size() * 2 <= series->labels.bytes().size());
  }
}

// Puts the checksum behind `size` bytes from `offset` on.
void Seal(std::string& bytes, uint64_t offset, uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) return;
  if (bytes.size() - offset - size < 4) return;
  base::StoreBigEndian(bytes.data() + offset + size,
                       base::Crc32c(std::string_view(bytes).substr(offset, size)));
}

// The section's end, or that of the file.
uint64_t SealSection(std::string& bytes, uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < 8) return bytes.size();
  const uint64_t size = base::LoadBigEndian<uint32_t>(bytes.data() + offset);
  Seal(bytes, offset + 4, size);
  return std::min<uint64_t>(bytes.size(), offset + 8 + size);
}

void SealAll(std::string& bytes) {
  if (bytes.size() < tsdb::kIndexHeaderBytes + tsdb::kTocBytes) return;
  const uint64_t toc = bytes.size() - tsdb::kTocBytes;
  uint64_t at[6];
  for (size_t i = 0; i < 6; ++i) at[i] = base::LoadBigEndian<uint64_t>(bytes.data() + toc + 8 * i);
  SealSection(bytes, at[0]);
  const uint64_t series_end = std::min(at[2], toc);
  for (uint64_t offset = (at[1] + 15) / 16 * 16; at[1] < toc && offset < series_end;) {
    base::ByteReader reader(std::string_view(bytes).substr(offset));
    const uint64_t size = reader.ReadUvarint();
    Seal(bytes, offset + reader.offset(), size);
    if (size > bytes.size()) break;
    offset = (offset + reader.offset() + size + 4 + 15) / 16 * 16;
  }
  const uint64_t postings_end = std::min(at[5], toc);
  for (uint64_t offset = (at[4] + 3) / 4 * 4; at[4] < toc && offset < postings_end;) {
    offset = (SealSection(bytes, offset) + 3) / 4 * 4;
  }
  SealSection(bytes, at[5]);
  Seal(bytes, toc, tsdb::kTocBytes - 4);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  base::MemoryFileSystem disk;
  ReadAll(disk, bytes);
  SealAll(bytes);
  ReadAll(disk, std::move(bytes));
  return 0;
}
